//! Slack as the sandbox has it, against `emulate`, a published emulator that is not ours, with Slack's own SDK as a
//! client of both. `.ci/foreign emulate` runs it, after it has installed what this needs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod emulator;
mod foreign;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use alert_core::config::Config;
use alert_core::envelope;
use alert_core::outcome::{Outcome, Receipt};
use alert_core::relay::{self, Deployment, Post};
use alert_core::target::{Act, Target};
use alert_io::bot_token::BotToken;
use alert_io::http;
use alert_io::sender::{Sender, Sends as _};
use alert_io::slack_app::SlackApp;
use alert_sandbox::slack::App;
use alert_sandbox::{Sandbox, SandboxOptions};
use chrono::Utc;
use serde_json::{Value, json};

use emulator::{judge, root};
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

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/emulate")
}

/// Starts emulate; says the base of its Web API.
fn emulate() -> (Foreign, String) {
    let installed = root().join("target/emulate");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut command = Command::new(installed.join("node"));
    command.arg(installed.join("node_modules/emulate/dist/index.js"));
    command.args(["start", "--service", "slack", "--port", &port.to_string(), "--seed"]);
    command.arg(here().join("seed.yaml"));
    let mut emulate = Foreign::start(&mut command, "it by `.ci/foreign emulate`");
    emulate.wait_for_port(port, Duration::from_mins(1));
    (emulate, format!("http://127.0.0.1:{port}/api/"))
}

// The script is waited for on this thread, while the sandbox answers on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs emulate: run by `.ci/foreign emulate`"]
async fn the_sandbox_and_emulate_agree_about_slack() {
    let (_emulate, url) = emulate();
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    sandbox.slack.channel("elsewhere");
    let settings = json!({
        "sandbox": {"url": sandbox.slack.api_url(), "tokens": tokens(&sandbox)},
        "emulate": {
            "url": url,
            "tokens": {
                "relay": "xoxb-relay",
                "reads_only": "xoxb-reads-only",
                "writes_only": "xoxb-writes-only",
                "other": "xoxb-other",
            },
        },
    });
    judge("emulate", &settings);
}

/// A deployment whose messages go to a channel of emulate's, and one alarm's post in it, by this act.
async fn send(sender: &Sender, name: &str, act: Act, may_be_repeat: bool) -> Receipt {
    let deployment = Deployment { own: Target::channel("ops"), ..Deployment::new(Config::default()) };
    let message = json!({"AlarmName": name, "NewStateValue": "ALARM", "NewStateReason": "it is < 1"});
    let event = json!({"Records": [{"messageId": name, "body": message.to_string()}]}).to_string();
    let plan = relay::plan(envelope::decode(event.as_bytes()), &deployment, "request", Utc::now());
    let mut post: Post = plan.posts[0].clone();
    (post.act, post.may_be_repeat) = (act, may_be_repeat);
    match sender.send(&post, Duration::from_secs(20)).await.outcome {
        Outcome::Delivered(Some(receipt)) => receipt,
        outcome => panic!("{name}: {outcome:?}"),
    }
}

#[tokio::test]
#[ignore = "needs emulate: run by `.ci/foreign emulate`"]
async fn the_app_posts_edits_replies_and_reads_back_by_emulate() {
    let (_emulate, url) = emulate();
    let app = |token: &str| {
        let token = BotToken::parse(token.as_bytes()).unwrap();
        Sender::App(SlackApp::new(http::client(&|_| None).unwrap(), url.clone(), token))
    };
    let sender = app("xoxb-relay");
    let first = send(&sender, "first", Act::Say, false).await;
    // What has arrived is found and not said again; what has not is said.
    assert_eq!(send(&sender, "first", Act::Say, true).await, first);
    let second = send(&sender, "second", Act::Say, true).await;
    assert_ne!(second, first);
    // An edit stays where it was, a reply does not.
    assert_eq!(send(&sender, "first, edited", Act::Edit(first.clone()), false).await, first);
    let reply = || Act::Reply { to: first.clone(), is_shown: false };
    let replied = send(&sender, "reply", reply(), false).await;
    assert_ne!(replied.message, first.message);
    assert_eq!(send(&sender, "reply", reply(), true).await, replied);

    // What a person has to fix is told apart.
    let lost = Receipt { message: "1700000000.000100".to_owned(), ..first.clone() };
    for (token, act, expected) in [
        ("xoxb-unknown", Act::Say, "slack_token_refused"),
        ("xoxb-reads-only", Act::Say, "slack_token_refused"),
        ("xoxb-relay", Act::Edit(lost), "slack_message_refused"),
        ("xoxb-other", Act::Edit(first.clone()), "slack_message_refused"),
    ] {
        let deployment = Deployment { own: Target::channel("ops"), ..Deployment::new(Config::default()) };
        let plan = relay::plan(envelope::decode(b"{}"), &deployment, "request", Utc::now());
        let mut post: Post = plan.posts[0].clone();
        post.act = act;
        let outcome = app(token).send(&post, Duration::from_secs(20)).await.outcome;
        let (Outcome::SenderRefused(failure) | Outcome::Gone(failure)) = &outcome else {
            panic!("{token}: {outcome:?}")
        };
        assert_eq!(failure.error_type, expected, "{token}: {failure}");
    }
}
