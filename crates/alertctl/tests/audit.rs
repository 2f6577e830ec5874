//! `alertctl audit` against the sandbox: what pages of alarms and subscriptions, missing rights and rules make of its findings.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod account;

use alert_sandbox::aws::Fault;
use alert_sandbox::sns::SnsFault;
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use account::{Told, alertctl};

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxOptions::default()).await.unwrap()
}

fn audit(sandbox: &Sandbox, arguments: &[&str]) -> Told {
    alertctl(sandbox, "audit", arguments, "")
}

fn put(sandbox: &Sandbox, name: &str, more: &Value) {
    let mut alarm = json!({
        "AlarmName": name, "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold",
    });
    alarm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
}

/// Each finding's alarm and reason, in their order.
fn findings(told: &Told) -> Vec<(String, String)> {
    let report: Value =
        serde_json::from_str(&told.out).unwrap_or_else(|error| panic!("{error}: {}{}", told.out, told.err));
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(finding, "alarm"), text(finding, "reason"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(alarm, reason)| ((*alarm).to_owned(), (*reason).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_found_over_pages_and_the_worst_is_first() {
    let sandbox = sandbox().await;
    let topic = |name: &str| sandbox.sns.create_topic(name);
    let (relay, empty, pending, crowd) = (topic("relay"), topic("empty"), topic("pending"), topic("crowd"));
    sandbox
        .sns
        .subscribe_outsider(&relay, "lambda", "arn:aws:lambda:us-east-1:123456789012:function:r", true)
        .unwrap();
    sandbox.sns.subscribe_outsider(&pending, "email", "jane@example.com", false).unwrap();
    // The only one who has confirmed is on the third page.
    for number in 0..210 {
        let endpoint = format!("{number}@example.com");
        sandbox.sns.subscribe_outsider(&crowd, "email", &endpoint, number == 209).unwrap();
    }
    for number in 0..230 {
        put(&sandbox, &format!("fine-{number:03}"), &json!({"AlarmActions": [relay]}));
    }
    put(&sandbox, "crowded", &json!({"AlarmActions": [crowd]}));
    put(&sandbox, "a-lost", &json!({"AlarmActions": [format!("{relay}-old")]}));
    put(&sandbox, "z-lost", &json!({"AlarmActions": [format!("{relay}-old")], "StateValue": "ALARM"}));
    put(&sandbox, "unheard", &json!({"AlarmActions": [empty]}));
    put(&sandbox, "unconfirmed", &json!({"AlarmActions": [pending]}));
    put(&sandbox, "it's off", &json!({"AlarmActions": [relay], "ActionsEnabled": false}));
    put(&sandbox, "zz mute", &json!({"OKActions": [relay]}));
    put(&sandbox, "child", &json!({}));
    let rule = json!({"AlarmName": "shop", "AlarmRule": "ALARM(child)", "AlarmActions": [relay]});
    sandbox.cloudwatch.put_composite_alarm(&rule).unwrap();

    let told = audit(&sandbox, &["--json"]);
    assert_eq!(told.code, Some(1), "{}", told.err);
    let expected = pairs(&[
        ("z-lost", "topic_missing"),
        ("a-lost", "topic_missing"),
        ("unheard", "no_subscriber"),
        ("unconfirmed", "unconfirmed"),
        ("it's off", "actions_disabled"),
        ("zz mute", "no_action"),
    ]);
    assert_eq!(findings(&told), expected);
    let report: Value = serde_json::from_str(&told.out).unwrap();
    assert_eq!((&report["alarms"], &report["reaching"]), (&json!(239), &json!(233)));
    assert!(sandbox.cloudwatch.count("DescribeAlarms") >= 3 && report["missing"] == json!([]));
    // Each topic is asked once, and nothing is asked that changes something.
    let asked = sandbox.sns.calls();
    assert_eq!(asked.iter().filter(|call| call.operation == "GetTopicAttributes").count(), 5);
    let is_read = |operation: &str| ["GetTopicAttributes", "ListSubscriptionsByTopic"].contains(&operation);
    assert!(asked.iter().all(|call| is_read(&call.operation)), "{asked:?}");

    let told = audit(&sandbox, &[]);
    assert_eq!(told.code, Some(1));
    for line in [
        "The topic of its action does not exist (2)",
        "  z-lost  in ALARM now: point its action at a topic that exists; there is none called arn:aws:sns:",
        "let jane@example.com confirm the subscription of arn:aws:sns:",
        r"aws cloudwatch enable-alarm-actions --alarm-names 'it'\''s off'",
        "6 of 239 alarms in us-east-1, account 123456789012 can never reach a person; 233 can, 1 of them by a composite alarm",
    ] {
        assert!(told.out.contains(line), "{line}\n{}", told.out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_hides_an_alarm_always_is_found_and_one_that_sleeps_is_not() {
    let sandbox = sandbox().await;
    let relay = sandbox.sns.create_topic("relay");
    sandbox
        .sns
        .subscribe_outsider(&relay, "lambda", "arn:aws:lambda:us-east-1:123456789012:function:r", true)
        .unwrap();
    let mail = sandbox.sns.create_topic("mail");
    sandbox.sns.subscribe_outsider(&mail, "email", "jane@example.com", true).unwrap();
    for name in ["test-a", "nightly", "young", "orders", "quiet"] {
        put(&sandbox, name, &json!({"AlarmActions": [relay]}));
    }
    put(&sandbox, "test-b", &json!({"AlarmActions": [relay, mail]}));
    sandbox.cloudwatch.tag("arn:aws:cloudwatch:us-east-1:123456789012:alarm:quiet", "team", "nobody");
    let folder = std::env::temp_dir().join(format!("alert-relay-audit-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("alerts.yaml");
    let rules = "
drop:
  - {name: tests, matchers: ['alertname=~\"test-.*\"']}
  - {name: night, matchers: [alertname=nightly], active_time_intervals: [all]}
  - {name: fresh, matchers: [alertname=young], younger_than: 1h}
time_intervals: [{name: all, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}]
";
    std::fs::write(&file, rules).unwrap();
    let config = ["--json", "--config", file.to_str().unwrap()];
    // What nobody asks for by a label is not asked for.
    let told = audit(&sandbox, &config);
    assert_eq!((told.code, findings(&told)), (Some(1), pairs(&[("test-a", "hidden")])));
    assert_eq!(sandbox.cloudwatch.count("ListTagsForResource"), 0);
    assert!(told.out.contains("narrow the rule tests: alertname=~\\\"test-.*\\\" matches"), "{}", told.out);

    std::fs::write(&file, rules.replace("alertname=~\"test-.*\"", "team=nobody")).unwrap();
    let told = audit(&sandbox, &config);
    assert_eq!(findings(&told), pairs(&[("quiet", "hidden")]));
    sandbox.cloudwatch.set_fault_for("ListTagsForResource", Fault::Deny);
    let told = audit(&sandbox, &config);
    assert_eq!((told.code, findings(&told)), (Some(0), Vec::new()));
    assert!(told.out.contains("cloudwatch:ListTagsForResource is not allowed"), "{}", told.out);
    // Its absence cannot be known without it.
    std::fs::write(&file, rules.replace("alertname=~\"test-.*\"", "team=\"\"")).unwrap();
    assert_eq!(findings(&audit(&sandbox, &config)), Vec::new());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_allowed_is_said_and_the_rest_goes_on() {
    let sandbox = sandbox().await;
    let (relay, empty) = (sandbox.sns.create_topic("relay"), sandbox.sns.create_topic("empty"));
    sandbox
        .sns
        .subscribe_outsider(&relay, "lambda", "arn:aws:lambda:us-east-1:123456789012:function:r", true)
        .unwrap();
    put(&sandbox, "fine", &json!({"AlarmActions": [relay]}));
    put(&sandbox, "unheard", &json!({"AlarmActions": [empty]}));
    put(&sandbox, "mute", &json!({}));
    let both = pairs(&[("unheard", "no_subscriber"), ("mute", "no_action")]);
    for (fault, expected, missing) in [
        (SnsFault::None, both.clone(), &[][..]),
        // Each of the two says enough.
        (SnsFault::DenyOne("GetTopicAttributes"), both.clone(), &["sns:GetTopicAttributes is not allowed"]),
        (
            SnsFault::DenyOne("ListSubscriptionsByTopic"),
            both,
            &["sns:ListSubscriptionsByTopic is not allowed"],
        ),
        (
            SnsFault::Deny,
            pairs(&[("mute", "no_action")]),
            &["sns:GetTopicAttributes is not allowed", "sns:ListSubscriptionsByTopic is not allowed"],
        ),
    ] {
        sandbox.sns.set_fault(fault.clone());
        let told = audit(&sandbox, &["--json"]);
        assert_eq!(findings(&told), expected, "{fault:?}");
        let report: Value = serde_json::from_str(&told.out).unwrap();
        assert_eq!(report["missing"], json!(missing), "{fault:?}");
    }
    let told = audit(&sandbox, &[]);
    assert!(
        told.out.contains("not judged: fine: SNS ListSubscriptionsByTopic of arn:aws:sns:"),
        "{}",
        told.out
    );
    assert!(told.out.contains("1 of 3 alarms"), "{}", told.out);
    sandbox.cloudwatch.set_fault(Fault::Deny);
    let told = audit(&sandbox, &[]);
    assert_eq!(told.code, Some(1));
    assert!(told.err.contains("must be allowed cloudwatch:DescribeAlarms"), "{}", told.err);
    sandbox.cloudwatch.set_fault(Fault::None);
    sandbox.sns.set_fault(SnsFault::None);
    sandbox.cloudwatch.delete_alarm("unheard");
    sandbox.cloudwatch.delete_alarm("mute");
    let told = audit(&sandbox, &[]);
    assert_eq!(told.code, Some(0), "{}{}", told.out, told.err);
}
