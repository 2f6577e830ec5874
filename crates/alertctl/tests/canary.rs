//! `alertctl canary` against the sandbox: its alarm goes the whole way by the real relay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

use std::path::Path;
use std::process::Output;

use alert_sandbox::aws::Fault;
use alert_sandbox::lambda::{Function, FunctionSpec};
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::json;
use tokio::process::Command;

const ALARM: &str = "alert-relay-canary";
const TABLE: &str = "alerts";

struct Stage {
    sandbox: Sandbox,
    relay: Function,
}

impl Stage {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let webhook = sandbox.slack.webhook("alerts");
        let table = sandbox.dynamodb.create_table(TABLE);
        let binary = Path::new(env!("CARGO_BIN_EXE_alertctl")).with_file_name("cloudwatch-to-slack");
        let hook = sandbox.kms.encrypt(&webhook.url, &[("LambdaFunctionName", "relay")]);
        let own = [("kmsEncryptedHookUrl", hook), ("CANARY_ALARM", ALARM.to_owned()), ("ALERT_TABLE", table)];
        let spec =
            FunctionSpec::new("relay", binary).with_environment(sandbox.environment()).with_environment(own);
        let relay = Function::start(spec).await.unwrap();
        let topic = sandbox.sns.create_topic("alerts");
        sandbox.sns.subscribe_function(&topic, &relay).unwrap();
        let alarm = json!({
            "AlarmName": ALARM, "Namespace": "AlertRelay", "MetricName": "Canary", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching", "AlarmActions": [topic], "StateValue": "OK",
        });
        sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
        Self { sandbox, relay }
    }

    async fn canary(&self, arguments: &[&str]) -> (bool, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
        command.arg("canary").args(arguments).env_clear().envs(self.sandbox.environment());
        command
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", "k")
            .env("AWS_SECRET_ACCESS_KEY", "s");
        let Output { status, stdout, stderr } = command.output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (status.success(), text(&stdout), text(&stderr))
    }
}

#[tokio::test]
async fn a_canary_goes_the_whole_way() {
    let stage = Stage::new().await;
    let (is_success, out, err) = stage.canary(&["--alarm", ALARM, "--table", TABLE]).await;
    assert!(is_success, "{out}{err}{}", stage.relay.log());
    assert!(out.starts_with("arrived: whole way in ") && out.ends_with(" s\n"), "{out}");
    let posts = stage.sandbox.slack.posts();
    assert!(
        posts.len() == 1
            && posts[0].payload["text"].as_str().unwrap().starts_with("✅ Canary: whole way in "),
        "{posts:?}"
    );
    // Again at once: it has not gone back by itself, and goes off all the same.
    let (is_success, ..) = stage.canary(&["--alarm", ALARM, "--table", TABLE]).await;
    assert!(is_success);
    assert_eq!(stage.sandbox.slack.posts().len(), 2);
}

#[tokio::test]
async fn what_is_in_the_way_is_said() {
    let stage = Stage::new().await;
    let (is_success, _, err) = stage.canary(&[]).await;
    assert!(!is_success && err.contains("no alarm is named: give --alarm"), "{err}");
    let (is_success, _, err) = stage.canary(&["--alarm", "another"]).await;
    assert!(!is_success && err.contains("there is no such alarm in this region and account"), "{err}");
    let (is_success, _, err) = stage.canary(&["--alarm", ALARM, "--wait", "soon"]).await;
    assert!(!is_success && err.contains("expected a duration such as 30m"), "{err}");
    // Nobody is subscribed who would deliver it.
    let topic = stage.sandbox.sns.create_topic("empty");
    let alarm = json!({
        "AlarmName": "deaf", "Namespace": "AlertRelay", "MetricName": "Canary", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold", "AlarmActions": [topic],
    });
    stage.sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
    let (is_success, out, _) = stage.canary(&["--alarm", "deaf", "--table", TABLE, "--wait", "1s"]).await;
    assert!(!is_success && out.starts_with("not arrived yet"), "{out}");
    stage.sandbox.cloudwatch.set_fault(Fault::Deny);
    let (is_success, _, err) = stage.canary(&["--alarm", ALARM]).await;
    assert!(!is_success && err.contains("allow") && err.contains("cloudwatch:SetAlarmState"), "{err}");
}
