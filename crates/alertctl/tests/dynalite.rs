//! DynamoDB as the sandbox has it, against `dynalite`, a published emulator that is not ours. `.ci/foreign dynalite` runs
//! it, after it has installed what this needs; the test with moto, the other judge, is in `moto.rs`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod emulator;
mod foreign;

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::json;

use emulator::{judge, root};
use foreign::Foreign;

// The script is waited for on this thread, while the sandbox answers on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs dynalite: run by `.ci/foreign dynalite`"]
async fn the_sandbox_and_dynalite_agree_about_dynamodb() {
    let installed = root().join("target/dynalite");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(installed.join("node"));
    command.arg(installed.join("node_modules/dynalite/cli.js"));
    command.args(["--host", "127.0.0.1", "--port", &port.to_string(), "--createTableMs", "0"]);
    let mut dynalite = Foreign::start(&mut command, "it by `.ci/foreign dynalite`");
    dynalite.wait_for_port(port, Duration::from_mins(1));
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let url = format!("http://127.0.0.1:{port}/");
    judge("dynamodb", &json!({"judge": "dynalite", "url": url, "sandbox": sandbox.dynamodb.url()}));
}
