//! Slack as the sandbox has it, against `emulate`, a published emulator that is not ours, with Slack's own SDK as a
//! client of both. `.ci/foreign emulate` runs it, after it has installed what this needs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod emulator;
mod foreign;

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use alert_sandbox::slack::App;
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use emulator::{root, venv};
use foreign::Foreign;

/// The apps of `seed.yaml`, by the names that the script has for their tokens.
fn tokens(sandbox: &Sandbox) -> Value {
    let app = |name: &str, scopes: &[&str]| -> App {
        let app = sandbox.slack.app(name, scopes);
        sandbox.slack.set_member("ops", &app, true);
        app
    };
    json!({
        "relay": app("relay", &["chat:write", "channels:history"]).token,
        "reads_only": app("reader", &["channels:history"]).token,
        "writes_only": app("writer", &["chat:write"]).token,
        "other": app("other", &["chat:write", "channels:history"]).token,
    })
}

// The script is waited for on this thread, while the sandbox answers on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs emulate: run by `.ci/foreign emulate`"]
async fn the_sandbox_and_emulate_agree_about_slack() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulate");
    let installed = root().join("target/emulate");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(installed.join("node"));
    command.arg(installed.join("node_modules/emulate/dist/index.js"));
    command.args(["start", "--service", "slack", "--port", &port.to_string(), "--seed"]);
    command.arg(here.join("seed.yaml"));
    let mut emulate = Foreign::start(&mut command, "it by `.ci/foreign emulate`");
    emulate.wait_for_port(port, Duration::from_mins(1));

    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    sandbox.slack.channel("elsewhere");
    let settings = json!({
        "sandbox": {"url": sandbox.slack.api_url(), "tokens": tokens(&sandbox)},
        "emulate": {
            "url": format!("http://127.0.0.1:{port}/api/"),
            "tokens": {
                "relay": "xoxb-relay",
                "reads_only": "xoxb-reads-only",
                "writes_only": "xoxb-writes-only",
                "other": "xoxb-other",
            },
        },
    });
    let output = Command::new(venv("python"))
        .arg(here.join("judge.py"))
        .arg(settings.to_string())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", printed(&output.stdout), printed(&output.stderr));
}
