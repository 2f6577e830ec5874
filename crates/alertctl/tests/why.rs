//! `alertctl why` with what the real functions log: by files, by standard input, by the sandbox's CloudWatch Logs, and with the
//! relay's table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod account;
#[allow(dead_code, reason = "each test uses a part of it")]
mod stage;

use std::time::SystemTime;

use alert_sandbox::aws::Fault;
use alert_sandbox::lambda::{Function, FunctionSpec};
use alert_sandbox::slack::Click;
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use account::{Told, alertctl};

use stage::{alarm, binary};

const TABLE: &str = "alerts";
const CHANNEL: &str = "ops";
const RELAY: &str = "shop-cloudwatch-to-slack";
const CONFIG: &str = "drop: [{name: tests, matchers: ['alertname=~\"test-.*\"']}]\n";

fn why(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Told {
    alertctl(sandbox, "why", arguments, input)
}

/// What happened, a word for each step, of each story.
fn steps(told: &Told) -> Vec<String> {
    let report: Value =
        serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}{}", told.out, told.err));
    let word = |step: &Value| step["what"].as_str().unwrap().to_owned();
    let of =
        |story: &Value| story["steps"].as_array().unwrap().iter().map(word).collect::<Vec<_>>().join(" ");
    report["stories"].as_array().unwrap().iter().map(of).collect()
}

fn event(delivery: &str, name: &str, state: &str) -> String {
    let mut message: Value = serde_json::from_str(&alarm(name)).unwrap();
    message["NewStateValue"] = state.into();
    if state == "OK" {
        message["OldStateValue"] = "ALARM".into();
        message["StateChangeTime"] = "2026-09-13T03:10:00.000+0000".into();
    }
    json!({"Records": [{"EventSource": "aws:sns", "Sns": {
        "Type": "Notification", "MessageId": delivery, "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts",
        "Message": message.to_string(), "Timestamp": "2026-09-13T03:00:01.000Z",
    }}]})
    .to_string()
}

async fn told(function: &Function, event: String) {
    let invocation = function.invoke(event).await;
    assert!(invocation.outcome.is_success(), "{invocation:?}\n{}", function.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_followed_from_its_arrival_to_its_end() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let app = sandbox.slack.app("relay", &["chat:write", "chat:write.public", "channels:history"]);
    let channel = sandbox.slack.channel(CHANNEL);
    sandbox.slack.set_member(CHANNEL, &app, true);
    let encrypt = |secret: &str| sandbox.kms.encrypt(secret, &[("LambdaFunctionName", RELAY)]);
    let settings = [
        ("kmsEncryptedBotToken", encrypt(&app.token)),
        ("kmsEncryptedSigningSecret", encrypt(&app.signing_secret)),
        ("slackChannel", channel.id.clone()),
        ("ALERT_TABLE", sandbox.dynamodb.create_table(TABLE)),
        ("SLACK_BUTTONS", "enabled".to_owned()),
        ("ENCRYPTED_FOR", RELAY.to_owned()),
        ("ALERT_CONFIG", CONFIG.to_owned()),
    ];
    let start = async |name: &str, file: &str| {
        let spec = FunctionSpec::new(name, binary(file))
            .with_environment(sandbox.environment())
            .with_environment(settings.clone());
        let function = Function::start(spec).await.unwrap();
        assert_eq!(function.init_error(), None, "{}", function.log());
        function
    };
    let relay = start(RELAY, "cloudwatch-to-slack").await;
    let actions = start("shop-slack-actions", "slack-actions").await;
    told(&relay, event("e4f44196-0000-4000-8000-000000000001", "cpu", "ALARM")).await;
    told(&relay, event("11111111-0000-4000-8000-000000000001", "test-a", "ALARM")).await;
    let ts = sandbox.slack.messages(CHANNEL)[0].ts.clone();
    let click =
        Click { channel: CHANNEL, ts: &ts, action_id: "acknowledge", option: None, user: ("U0KIM", "kim") };
    let press = sandbox.slack.click(&click).unwrap();
    told(&actions, press.proxy_event().to_string()).await;
    told(&relay, event("22222222-0000-4000-8000-000000000001", "cpu", "OK")).await;

    // What the functions said, as CloudWatch Logs has it: with lines of Lambda's between.
    let mut log = String::new();
    for (function, name) in [(&relay, RELAY), (&actions, "shop-slack-actions")] {
        let said = function.log();
        assert!(!said.contains(&app.token) && !said.contains(&app.signing_secret));
        let lines = said.lines().chain(["REPORT RequestId: 1 Duration: 2 ms"]);
        let events = lines.map(|line| (SystemTime::now(), line.to_owned()));
        sandbox.logs.put_events(&format!("/aws/lambda/{name}"), events.collect::<Vec<_>>());
        log += &said;
    }
    // Pages that hold nothing have a token all the same.
    sandbox.logs.set_scan_limit(2);
    let whole = [
        "arrived understood routed posted answer acknowledged arrived understood routed edited replied answer over",
    ];
    for id in ["e4f44196", "e4f44196-0000-4000-8000-000000000001", "22222222", &ts, "cpu"] {
        let told = why(&sandbox, &[id, "--stack", "shop", "--json"], "");
        assert_eq!((steps(&told), told.code), (whole.map(str::to_owned).to_vec(), Some(0)), "{id}\n{log}");
        let told = why(&sandbox, &[id, "--log", "-", "--json"], &log);
        assert_eq!((steps(&told), told.code), (whole.map(str::to_owned).to_vec(), Some(0)), "{id}");
    }
    assert!(sandbox.logs.count("FilterLogEvents") > 20);
    let told = why(&sandbox, &["11111111", "--function-name", RELAY], "");
    assert!(told.out.contains("dropped       by tests: alertname=~\"test-.*\" matches"), "{}", told.out);

    // The table says who and what as well.
    let told = why(&sandbox, &["e4f44196", "--stack", "shop", "--table", TABLE], "");
    assert_eq!(told.code, Some(0), "{}", told.err);
    for line in [
        "cpu  alarm|123456789012|eu-west-1|cpu||".to_owned(),
        "arrived       by SNS, id e4f44196-0000-4000-8000-000000000001, invocation ".to_owned(),
        format!("posted        message {ts} in {}", channel.id),
        "acknowledged  by U0KIM: taken".to_owned(),
        "acknowledged  default: by kim (table)".to_owned(),
        "over          default: OK (table)".to_owned(),
    ] {
        assert!(told.out.contains(&line), "{line}\n{}", told.out);
    }
    // What is open is found in it alone.
    told_open(&sandbox, &relay).await;

    let told = why(&sandbox, &["99999999", "--stack", "shop", "--table", TABLE], "");
    assert_eq!((told.code, told.out.as_str()), (Some(1), ""));
    for part in [
        "nothing is known of 99999999",
        "looked in /aws/lambda/shop-cloudwatch-to-slack: ",
        "there is no such log group",
        "looked in the table alerts",
        "Try next: the last word of the message's footer",
    ] {
        assert!(told.err.contains(part), "{part}\n{}", told.err);
    }
    sandbox.logs.set_fault(Fault::Deny);
    let told = why(&sandbox, &["e4f44196", "--stack", "shop"], "");
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("must be allowed logs:FilterLogEvents on it"), "{}", told.err);
    // Nowhere to look is a mistake of the command line.
    assert_eq!(why(&sandbox, &["e4f44196"], "").code, Some(2));
}

async fn told_open(sandbox: &Sandbox, relay: &Function) {
    told(relay, event("33333333-0000-4000-8000-000000000001", "disk", "ALARM")).await;
    let found = why(sandbox, &["disk", "--table", TABLE, "--json"], "");
    assert_eq!((steps(&found), found.code), (vec!["opened last heard".to_owned()], Some(0)), "{}", found.err);
}
