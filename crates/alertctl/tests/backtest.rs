//! `alertctl backtest` over the history of the sandbox's alarms, and over events of files.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod account;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use alert_sandbox::aws::Fault;
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use account::{Told, alertctl};

const CONFIG: &str = "
notify_on: [ALARM, OK]
drop: [{name: tests, matchers: ['alertname=~\"test-.*\"']}]
receivers: [{name: ops}, {name: orders}]
route: {receiver: ops, routes: [{receiver: orders, matchers: [team=orders]}]}
";
const ARN: &str = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:";

fn parsed(told: &Told) -> Value {
    serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}{}", told.out, told.err))
}

fn backtest(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Told {
    alertctl(sandbox, "backtest", arguments, input)
}

fn put(sandbox: &Sandbox, name: &str, more: &Value) {
    let topic = "arn:aws:sns:us-east-1:123456789012:alerts";
    let mut alarm = json!({
        "AlarmName": name, "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [topic], "OKActions": [topic], "InsufficientDataActions": [topic],
    });
    alarm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
}

/// A file of this run alone.
fn file(name: &str, text: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("alert-relay-backtest-{}-{name}", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_an_account_is_replayed_over_pages() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    for name in ["orders", "test-a", "flaps"] {
        put(&sandbox, name, &json!({}));
    }
    put(&sandbox, "alone", &json!({"OKActions": []}));
    put(&sandbox, "off", &json!({"ActionsEnabled": false}));
    sandbox.cloudwatch.tag(&format!("{ARN}orders"), "team", "orders");
    sandbox.cloudwatch.tag(&format!("{ARN}test-a"), "severity", "critical");
    let ago = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3_600);
    let change = |name: &str, hours: u64, from: &str, to: &str| {
        let reason =
            "Threshold Crossed: 1 datapoint [7.0 (13/09/26 02:59:00)] was greater than the threshold (1.0).";
        let data = json!({"version": "1.0", "recentDatapoints": [7.0], "threshold": 1.0}).to_string();
        sandbox.cloudwatch.put_history(name, ago(hours), from, to, reason, Some(&data));
    };
    // More than two pages.
    for hour in 0..120 {
        change("flaps", 2 * hour + 1, "ALARM", "OK");
        change("flaps", 2 * hour + 2, "OK", "ALARM");
    }
    change("orders", 300, "OK", "ALARM");
    change("orders", 100, "ALARM", "OK");
    change("orders", 99, "OK", "INSUFFICIENT_DATA");
    change("test-a", 50, "OK", "ALARM");
    change("alone", 49, "OK", "ALARM");
    change("alone", 48, "ALARM", "OK");
    change("off", 47, "OK", "ALARM");
    change("deleted", 46, "OK", "ALARM");
    change("orders", 24 * 20, "OK", "ALARM");

    let config = file("history.yaml", CONFIG);
    let config = config.to_str().unwrap();
    let told = backtest(&sandbox, &[config, "--json"], "");
    assert_eq!(told.code, Some(0), "{}", told.err);
    let report = parsed(&told);
    // Without what is older than 14 days, the end of `alone`, and `off`.
    assert_eq!((&report["alerts"], &report["not_sent"]), (&json!(246), &json!(2)));
    assert_eq!(report["config"]["dropped"], json!({"notify_on": 1, "tests": 1}));
    assert_eq!(report["config"]["routed"], json!({"ops": 242, "orders": 2}));
    assert_eq!(report["against"]["routed"], json!({"default": 246}));
    assert_eq!(report["difference"], json!({"newly_dropped": 2, "no_longer_dropped": 0, "to_others": 244}));
    let matters: Vec<_> =
        report["matters"].as_array().unwrap().iter().map(|one| (&one["what"], &one["alert"])).collect();
    let (dropped, frequent) = (json!("dropped"), json!("frequent"));
    assert_eq!(matters[0], (&dropped, &json!("test-a")));
    assert_eq!(report["matters"][0]["severity"], "critical");
    assert!(matters.contains(&(&frequent, &json!("flaps"))), "{matters:?}");
    assert!(sandbox.cloudwatch.count("DescribeAlarmHistory") >= 3);
    assert_eq!(sandbox.cloudwatch.count("ListTagsForResource"), 4);
    let operations: Vec<String> =
        sandbox.cloudwatch.calls().iter().map(|call| call.operation.clone()).collect();
    assert!(
        operations
            .iter()
            .all(|operation| ["Describe", "List"].iter().any(|read| operation.starts_with(read)))
    );

    let report =
        parsed(&backtest(&sandbox, &[config, "--since", "30d", "--all", "--against", config, "--json"], ""));
    assert_eq!((&report["alerts"], &report["not_sent"]), (&json!(249), &json!(0)));
    assert_eq!(report["difference"], json!({"newly_dropped": 0, "no_longer_dropped": 0, "to_others": 0}));

    let told = backtest(&sandbox, &[config], "");
    for line in [
        "246 changes of 5 alerts, from ",
        "not sent, because the alarm has no action for the state: 2 more changes",
        "dropped by tests: alertname=~",
        "frequent",
        "120 times, last ",
    ] {
        assert!(told.out.contains(line), "{line}\n{}", told.out);
    }
    sandbox.cloudwatch.set_fault_for("ListTagsForResource", Fault::Deny);
    let report = parsed(&backtest(&sandbox, &[config, "--json"], ""));
    assert_eq!(report["config"]["routed"], json!({"ops": 244}));
    assert!(
        report["missing"][0].as_str().unwrap().contains("rules and routes see no tags of alarms"),
        "{report}"
    );
    sandbox.cloudwatch.set_fault_for("DescribeAlarms", Fault::Deny);
    let report = parsed(&backtest(&sandbox, &[config, "--json"], ""));
    assert_eq!((&report["alerts"], &report["not_sent"]), (&json!(248), &json!(0)));
    sandbox.cloudwatch.set_fault_for("DescribeAlarmHistory", Fault::Deny);
    let told = backtest(&sandbox, &[config], "");
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("must be allowed cloudwatch:DescribeAlarmHistory"), "{}", told.err);
    assert_eq!(backtest(&sandbox, &[config, "--since", "31d"], "").code, Some(2));
    std::fs::remove_file(config).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_file_need_no_account() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let event = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(fixtures.join(name)).unwrap()).unwrap()
    };
    let events = [
        event("cloudwatch/metric.sns.json"),
        event("grafana/group_mixed.eventbridge.json"),
        event("cloudwatch/storm.sqs.json"),
    ];
    let config = file("events.yaml", CONFIG);
    let config = config.to_str().unwrap();
    let lines: String = events.iter().map(|event| event.to_string() + "\n").collect();
    let by_lines = backtest(&sandbox, &[config, "--events", "-", "--json"], &lines);
    assert_eq!(by_lines.code, Some(0), "{}", by_lines.err);
    let by_array = backtest(&sandbox, &[config, "--events", "-", "--json"], &json!(events).to_string());
    assert_eq!(parsed(&by_lines), parsed(&by_array));
    let report = parsed(&by_lines);
    assert_eq!(report["events"], 3);
    assert!(report["config"]["folded"].as_u64().unwrap() > 5, "{report}");
    assert!(sandbox.cloudwatch.calls().is_empty());
    let told = backtest(&sandbox, &[config, "--events", "-"], "{\"a\": 1}\n{\n");
    assert!(
        told.code == Some(1) && told.err.contains("standard input: line 2, each of which is"),
        "{}",
        told.err
    );
    assert_eq!(backtest(&sandbox, &[config, "--events", "-", "--since", "1d"], "").code, Some(2));
    std::fs::remove_file(config).unwrap();
}
