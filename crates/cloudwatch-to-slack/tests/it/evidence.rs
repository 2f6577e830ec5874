//! What is asked of CloudWatch and its logs after the first post, and what people see of it: by the app, with the table and without.

use std::time::{Duration, SystemTime};

use alert_sandbox::aws::{ACCOUNT, Fault};
use alert_sandbox::slack::{Answer, Message};
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::events::{alarm_in, grafana, sns};
use crate::stage::{By, Setup, Stage};
use crate::table::{TROUBLED, change, shows};

const NAMESPACE: &str = "AWS/EC2";
const METRIC: &str = "CPUUtilization";
const DIMENSIONS: [(&str, &str); 1] = [("InstanceId", "i-0123456789abcdef0")];
const GROUP: &str = "/shop/orders";
const BOTH: &str = "evidence: {chart: true, logs: {lines: 3}}\n";

fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(0)
}

fn alarm(name: &str) -> Value {
    json!({
        "AlarmName": name, "Namespace": NAMESPACE, "MetricName": METRIC, "Statistic": "Average", "Period": 60,
        "Dimensions": [{"Name": DIMENSIONS[0].0, "Value": DIMENSIONS[0].1}], "EvaluationPeriods": 3,
        "Threshold": 80.0, "ComparisonOperator": "GreaterThanThreshold",
    })
}

/// An alarm that counts lines of a log group.
fn log_alarm(name: &str) -> Value {
    json!({
        "AlarmName": name, "Namespace": "Shop", "MetricName": "OrderErrors", "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
    })
}

fn ago(minutes: i64) -> SystemTime {
    (now() - TimeDelta::minutes(minutes)).into()
}

/// Three hours at 20 %, and the last three minutes over the limit.
fn put_values(setup: &Setup) {
    let points = (0..180).map(|minute| (ago(minute), if minute < 4 { 95.5 } else { 20.0 }));
    setup.sandbox.cloudwatch.put_data(NAMESPACE, METRIC, &DIMENSIONS, points);
}

async fn by_app(configuration: &str) -> Setup {
    let setup = Setup::by(By::App).await.set("ALERT_CONFIG", configuration);
    setup.sandbox.cloudwatch.put_metric_alarm(&alarm("cpu")).unwrap();
    setup.sandbox.cloudwatch.put_metric_alarm(&log_alarm("orders")).unwrap();
    put_values(&setup);
    setup.sandbox.cloudwatch.put_data("Shop", "OrderErrors", &[], (0..5).map(|minute| (ago(minute), 2.0)));
    setup.sandbox.logs.put_metric_filter(GROUP, "errors", "ERROR", "Shop", "OrderErrors");
    setup
}

fn put_lines(setup: &Setup, lines: impl IntoIterator<Item = String>) {
    let events = lines.into_iter().enumerate().map(|(number, line)| {
        let back = TimeDelta::milliseconds(i64::try_from(number).unwrap() * 20);
        (SystemTime::from(now() - back), line)
    });
    setup.sandbox.logs.put_events(GROUP, events);
}

async fn fires(stage: &Stage, name: &str) -> Message {
    changes(stage, name, "ALARM", "OK").await
}

/// The alarm changes, and its message afterwards.
async fn changes(stage: &Stage, name: &str, to: &str, before: &str) -> Message {
    let mut change = change(name, to, before, Utc::now());
    change["AWSAccountId"] = ACCOUNT.into();
    let event = sns(&format!("{name}-{to}"), &[change]);
    let invocation = stage.invoke(&event).await;
    assert!(invocation.outcome.is_success(), "{invocation:?}");
    stage.sandbox.slack.messages("ops").into_iter().find(|message| message.thread_ts.is_none()).unwrap()
}

fn chart(message: &Message) -> Option<&Value> {
    message.shown.blocks.iter().find(|block| block["type"] == "data_visualization")
}

fn thread(stage: &Stage, message: &Message) -> Vec<String> {
    let replies = stage.sandbox.slack.replies("ops", &message.ts);
    replies.iter().filter(|reply| reply.ts != message.ts).map(shows).collect()
}

#[tokio::test]
async fn the_message_gets_its_chart_and_the_end_draws_it_once_more() {
    for with_table in [true, false] {
        let setup = by_app("evidence: {chart: true}\n").await;
        let stage = if with_table { setup.table() } else { setup }.start().await;
        let message = fires(&stage, "cpu").await;
        let drawn = chart(&message).unwrap_or_else(|| panic!("no chart: {message:#?}\n{}", stage.log()));
        assert_eq!(drawn["title"], "CPUUtilization (%)");
        // The rest is as the configuration wants it.
        assert!(!shows(&message).contains("\"container\""), "{message:#?}");
        let series = drawn["chart"]["series"].as_array().unwrap();
        assert_eq!(series.len(), 2, "{drawn:#}");
        let values: Vec<f64> =
            series[0]["data"].as_array().unwrap().iter().map(|p| p["value"].as_f64().unwrap()).collect();
        assert!((15..=20).contains(&values.len()), "{values:?}");
        assert!(values.starts_with(&[20.0]) && values.ends_with(&[95.5]), "{values:?}");
        assert!(series[1]["data"].as_array().unwrap().iter().all(|point| point["value"] == 80.0));
        // The first post had none, and was not later for it.
        assert!(!format!("{:?}", message.before[0].blocks).contains("data_visualization"));
        assert!(thread(&stage, &message).is_empty());
        assert_eq!(stage.sandbox.cloudwatch.count("GetMetricData"), 1);
        assert!(stage.sandbox.logs.calls().is_empty());
        if with_table {
            let message = changes(&stage, "cpu", "OK", "ALARM").await;
            assert!(message.shown.text.starts_with('✅'), "{message:?}");
            assert!(chart(&message).is_some(), "{message:#?}");
            assert_eq!(stage.sandbox.cloudwatch.count("GetMetricData"), 2);
        }
        assert!(!stage.stop().await.contains(TROUBLED));
    }
}

#[tokio::test]
async fn the_newest_lines_stand_in_the_thread_without_secrets() {
    let setup = by_app(BOTH).await;
    let lines = (0..212).map(|number| match number {
        0 => "ERROR payment refused: password=hunter2 for jane@example.com <!channel> ```".to_owned(),
        number => format!("ERROR order {number} failed"),
    });
    put_lines(&setup, lines.chain(["INFO all is well".to_owned()]));
    let stage = setup.table().start().await;
    let message = fires(&stage, "orders").await;
    let replies = thread(&stage, &message);
    assert_eq!(replies.len(), 1, "{replies:?}\n{}", stage.log());
    let reply = &replies[0];
    assert!(reply.contains("3 of 212 log lines, newest first, of /shop/orders"), "{reply}");
    assert!(reply.contains("ERROR payment refused: password=••• for •••"), "{reply}");
    assert!(reply.contains("order 1 failed") && reply.contains("order 2 failed"), "{reply}");
    assert!(!reply.contains("order 3 failed") && !reply.contains("INFO"), "{reply}");
    for secret in ["hunter2", "jane@", "<!channel>"] {
        assert!(!reply.contains(secret), "{secret}: {reply}");
    }
    assert!(reply.contains("log-group/$252Fshop$252Forders/log-events"), "{reply}");
    // Nobody is told the lines of what is over.
    let message = changes(&stage, "orders", "OK", "ALARM").await;
    assert_eq!(thread(&stage, &message).iter().filter(|reply| reply.contains("log lines")).count(), 1);
}

#[tokio::test]
async fn a_slack_that_refuses_the_newest_blocks_gets_the_lines_all_the_same() {
    let setup = by_app("messages: {rendering: modern}\nevidence: {chart: true, logs: {lines: 3}}\n").await;
    put_lines(&setup, ["ERROR one".to_owned()]);
    setup.sandbox.slack.set_plan(Box::new(|_| Some(Answer::RefuseModernBlocks)));
    let stage = setup.table().start().await;
    let message = fires(&stage, "orders").await;
    let replies = thread(&stage, &message);
    assert!(replies.len() == 1 && replies[0].contains("ERROR one"), "{replies:?}");
    // What fires again rings by a reply of its own, whose name is not that of the lines.
    changes(&stage, "orders", "OK", "ALARM").await;
    let mut change = change("orders", "ALARM", "OK", Utc::now());
    change["AWSAccountId"] = ACCOUNT.into();
    assert!(stage.invoke(&sns("again", &[change])).await.outcome.is_success());
    let posts = stage.sandbox.slack.posts();
    let names: Vec<String> =
        posts.iter().filter(|post| post.accepted).map(|post| post.payload["metadata"].to_string()).collect();
    let unique: std::collections::BTreeSet<_> = names.iter().filter(|name| *name != "null").collect();
    assert_eq!(unique.len(), names.iter().filter(|name| *name != "null").count(), "{names:#?}");
}

#[tokio::test]
async fn a_function_s_errors_are_found_in_its_own_group() {
    let setup = by_app("evidence: {logs: {}}\n").await;
    let alarm = json!({
        "AlarmName": "fn", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
        "Dimensions": [{"Name": "FunctionName", "Value": "orders"}], "EvaluationPeriods": 1, "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold",
    });
    setup.sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
    let events = ["START RequestId: 1", "2026 Task timed out after 3.00 seconds", "END RequestId: 1"];
    setup.sandbox.logs.put_events("/aws/lambda/orders", events.map(|line| (SystemTime::from(now()), line)));
    let stage = setup.start().await;
    let message = fires(&stage, "fn").await;
    let replies = thread(&stage, &message);
    assert!(replies[0].contains("1 of 1 log lines") && replies[0].contains("Task timed out"), "{replies:?}");
    assert_eq!(stage.sandbox.logs.count("DescribeMetricFilters"), 0);
    assert_eq!(stage.sandbox.cloudwatch.count("GetMetricData"), 0);
}

/// An alarm on a metric that nobody writes.
fn silent(setup: &Setup) {
    let mut alarm = alarm("silent");
    alarm["MetricName"] = "Nothing".into();
    setup.sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
}

/// An alarm on an expression of such a metric.
fn math(setup: &Setup) {
    let metric = json!({"Id": "m1", "ReturnData": false, "MetricStat": {
        "Metric": {"Namespace": "Shop", "MetricName": "Missing"}, "Period": 60, "Stat": "Sum"}});
    let alarm = json!({
        "AlarmName": "math", "EvaluationPeriods": 1, "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Metrics": [metric, {"Id": "e1", "Expression": "m1 / 2", "ReturnData": true}],
    });
    setup.sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
}

/// What cannot be had is said in one line, and the alert stands.
#[tokio::test]
async fn whatever_fails_the_alert_stands_and_the_reason_is_said() {
    type Break = fn(&Setup);
    let cases: [(&str, Break, &str); 14] = [
        (
            "cpu",
            |setup| setup.sandbox.cloudwatch.set_fault_for("DescribeAlarms", Fault::Throttle(9)),
            "No chart: CloudWatch takes no more calls at the moment",
        ),
        (
            "orders",
            |setup| setup.sandbox.logs.set_fault_for("DescribeMetricFilters", Fault::Throttle(9)),
            "No log lines: CloudWatch Logs takes no more calls at the moment",
        ),
        (
            "cpu",
            |setup| setup.sandbox.cloudwatch.set_fault(Fault::Deny),
            "no right cloudwatch:DescribeAlarms on",
        ),
        (
            "cpu",
            |setup| setup.sandbox.cloudwatch.set_fault_for("GetMetricData", Fault::Deny),
            "No chart: the function's role has no right cloudwatch:GetMetricData on metrics",
        ),
        (
            "cpu",
            |setup| setup.sandbox.cloudwatch.set_fault_for("GetMetricData", Fault::Throttle(9)),
            "No chart: CloudWatch takes no more calls at the moment",
        ),
        (
            "cpu",
            |setup| {
                setup.sandbox.cloudwatch.set_fault_for("GetMetricData", Fault::Hang(Duration::from_secs(20)));
            },
            "No chart: CloudWatch did not answer in time",
        ),
        (
            "cpu",
            |setup| setup.sandbox.cloudwatch.set_fault_for("GetMetricData", Fault::Unavailable),
            "No chart: CloudWatch refused with",
        ),
        (
            "cpu",
            |setup| setup.sandbox.cloudwatch.delete_alarm("cpu"),
            "No chart: CloudWatch has no metric alarm cpu here",
        ),
        ("silent", silent, "No chart: CloudWatch has no values of silent at that time"),
        ("math", math, "No chart: CloudWatch has no values of math at that time"),
        (
            "orders",
            |setup| setup.sandbox.logs.set_fault_for("DescribeMetricFilters", Fault::Deny),
            "No log lines: the function's role has no right logs:DescribeMetricFilters on log groups in",
        ),
        (
            "orders",
            |setup| {
                put_lines(setup, ["ERROR".to_owned()]);
                setup.sandbox.logs.set_fault_for("FilterLogEvents", Fault::Deny);
            },
            "No log lines: the function's role has no right logs:FilterLogEvents on /shop/orders",
        ),
        (
            "orders",
            |setup| {
                put_lines(setup, ["ERROR".to_owned()]);
                setup.sandbox.logs.set_fault_for("FilterLogEvents", Fault::Throttle(9));
            },
            "No log lines: CloudWatch Logs takes no more calls at the moment",
        ),
        (
            "orders",
            |setup| put_lines(setup, ["INFO".to_owned()]),
            "No log lines: nothing in /shop/orders matches at that time",
        ),
    ];
    for (alarm, fail, expected) in cases {
        let setup = by_app(BOTH).await;
        fail(&setup);
        let stage = setup.table().start().await;
        let message = fires(&stage, alarm).await;
        assert!(message.shown.text.starts_with("🔴"), "{expected}: {message:?}");
        assert!(shows(&message).contains(expected), "{expected}: {}\n{}", shows(&message), stage.log());
        assert_eq!(stage.sandbox.slack.messages("ops").len(), 1, "{expected}");
    }
}

#[tokio::test]
async fn another_account_s_alarm_is_not_mistaken_for_our_own() {
    let stage = by_app(BOTH).await.start().await;
    let mut alarm = alarm_in("cpu", "ALARM", "OK");
    alarm["AWSAccountId"] = "999988887777".into();
    let invocation = stage.invoke(&sns("other", &[alarm])).await;
    assert!(invocation.outcome.is_success());
    let messages = stage.sandbox.slack.messages("ops");
    for missed in ["No chart: the alarm is of account 999988887777", "No log lines: the alarm is of account"]
    {
        assert!(shows(&messages[0]).contains(missed), "{messages:?}");
    }
    assert!(stage.sandbox.cloudwatch.calls().is_empty());
}

#[tokio::test]
async fn many_megabytes_and_bytes_that_are_no_text_are_no_trouble() {
    let setup = by_app(BOTH).await;
    let lines =
        (0..3_000).map(|number| format!("ERROR {number} \u{0}\u{fffd}\u{1b}[31m {}", "x".repeat(8_000)));
    put_lines(&setup, lines);
    let stage = setup.start().await;
    let message = fires(&stage, "orders").await;
    let replies = thread(&stage, &message);
    assert_eq!(replies.len(), 1, "{}", stage.log());
    // Ten pages at most are counted.
    assert!(replies[0].contains("or more log lines"), "{}", &replies[0][..300]);
    assert!(stage.sandbox.logs.count("FilterLogEvents") <= 10);
}

#[tokio::test]
async fn a_chart_that_comes_late_does_not_paint_over_what_is_newer() {
    let setup = by_app("evidence: {chart: true}\n").await;
    setup.sandbox.cloudwatch.set_fault_for("GetMetricData", Fault::Delay(Duration::from_millis(1_500)));
    let mut stage = setup.table().start().await;
    let another = stage.another().await;
    let event = |state: &str, before: &str| {
        let mut change = change("cpu", state, before, Utc::now());
        change["AWSAccountId"] = ACCOUNT.into();
        sns(state, &[change]).to_string()
    };
    let (fires, ends) = (event("ALARM", "OK"), async {
        // The first message is there, and its chart is being asked for.
        while stage.sandbox.cloudwatch.count("DescribeAlarms") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        stage.sandbox.cloudwatch.set_fault_for("GetMetricData", Fault::None);
        another.invoke(event("OK", "ALARM")).await
    });
    let (first, second) = tokio::join!(stage.function.invoke(fires), ends);
    assert!(first.outcome.is_success() && second.outcome.is_success(), "{first:?} {second:?}");
    let messages = stage.sandbox.slack.messages("ops");
    let message = messages.iter().find(|message| message.thread_ts.is_none()).unwrap();
    assert!(message.shown.text.starts_with('✅'), "{message:#?}");
    assert!(chart(message).is_some(), "{message:#?}");
    assert!(!stage.log().contains(TROUBLED), "{}", stage.log());
}

#[tokio::test]
async fn a_composite_alarm_draws_the_children_that_fired() {
    let setup = by_app("evidence: {chart: true}\n").await;
    let stage = setup.table().start().await;
    let arn = |name: &str| format!("arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{name}");
    let child = |name: &str, state: &str| json!({"Arn": arn(name), "State": {"Value": state}});
    let mut alarm = change("shop", "ALARM", "OK", Utc::now());
    alarm["AWSAccountId"] = ACCOUNT.into();
    alarm["AlarmRule"] = "ALARM(cpu) OR ALARM(orders) OR ALARM(calm)".into();
    alarm["TriggeringChildren"] =
        json!([child("calm", "OK"), child("cpu", "ALARM"), child("orders", "ALARM")]);
    alarm.as_object_mut().unwrap().remove("Trigger");
    let invocation = stage.invoke(&sns("shop", &[alarm])).await;
    assert!(invocation.outcome.is_success(), "{invocation:?}");
    let message = &stage.sandbox.slack.messages("ops")[0];
    let charts: Vec<_> =
        message.shown.blocks.iter().filter(|block| block["type"] == "data_visualization").collect();
    let titles: Vec<_> = charts.iter().map(|chart| chart["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["CPUUtilization (%)", "OrderErrors"], "{}", stage.log());
}

#[tokio::test]
async fn a_band_is_drawn_with_both_ends() {
    let setup = by_app("evidence: {chart: true}\n").await;
    setup.sandbox.cloudwatch.put_anomaly_model(NAMESPACE, METRIC, &DIMENSIONS, 20.0, 5.0);
    let metric = json!({"Id": "m1", "ReturnData": true, "MetricStat": {"Period": 60, "Stat": "Average", "Metric": {
        "Namespace": NAMESPACE, "MetricName": METRIC,
        "Dimensions": [{"Name": DIMENSIONS[0].0, "Value": DIMENSIONS[0].1}]}}});
    let band = json!({"Id": "ad1", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)", "ReturnData": true});
    let alarm = json!({
        "AlarmName": "band", "EvaluationPeriods": 3, "ThresholdMetricId": "ad1", "Metrics": [metric, band],
        "ComparisonOperator": "LessThanLowerOrGreaterThanUpperThreshold",
    });
    setup.sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
    let stage = setup.start().await;
    let message = fires(&stage, "band").await;
    let drawn = chart(&message).unwrap_or_else(|| panic!("{message:#?}\n{}", stage.log()));
    let series = drawn["chart"]["series"].as_array().unwrap();
    let lasts: Vec<_> = series
        .iter()
        .map(|series| series["data"].as_array().unwrap().last().unwrap()["value"].as_f64())
        .collect();
    assert_eq!(lasts, [Some(95.5), Some(10.0), Some(30.0)], "{drawn:#}");
}

#[tokio::test]
async fn grafana_s_picture_is_shown_and_one_that_cannot_be_fetched_costs_nothing() {
    for refused in [false, true] {
        let setup = Setup::by(By::App).await.set("ALERT_CONFIG", "evidence: {chart: true}\n");
        let stage = setup.start().await;
        let mut event = grafana("group_mixed.eventbridge.json");
        let alerts = event["detail"]["alerts"].as_array_mut().unwrap();
        alerts.truncate(1);
        alerts[0]["imageURL"] = "https://grafana.example.com/render/1.png".into();
        if refused {
            let is_image =
                |call: &alert_sandbox::slack::CallInfo<'_>| call.payload.to_string().contains("image_url");
            stage.sandbox.slack.set_plan(Box::new(move |call| {
                is_image(call).then(|| Answer::Error("invalid_blocks".to_owned()))
            }));
        }
        let invocation = stage.invoke(&event).await;
        assert!(invocation.outcome.is_success(), "{invocation:?}");
        let message = &stage.sandbox.slack.messages("ops")[0];
        let image = message.shown.blocks.iter().find(|block| block["type"] == "image");
        assert_eq!(image.is_none(), refused, "{message:#?}\n{}", stage.log());
        assert!(stage.sandbox.cloudwatch.calls().is_empty());
    }
}

#[tokio::test]
async fn a_webhook_s_messages_cannot_be_changed_and_nothing_is_asked() {
    let stage = Setup::by(By::Webhook).await.set("ALERT_CONFIG", BOTH).start().await;
    let invocation = stage.invoke(&sns("webhook", &[alarm_in("cpu", "ALARM", "OK")])).await;
    assert!(invocation.outcome.is_success());
    assert_eq!(stage.messages().len(), 1);
    assert!(stage.sandbox.cloudwatch.calls().is_empty() && stage.sandbox.logs.calls().is_empty());
}

#[tokio::test]
async fn a_storm_asks_nothing_for_its_digest() {
    let stage = by_app(BOTH).await.table().start().await;
    let alarms: Vec<Value> =
        (0..20).map(|number| alarm_in(&format!("cpu-{number}"), "ALARM", "OK")).collect();
    let invocation = stage.invoke(&sns("storm", &alarms)).await;
    assert!(invocation.outcome.is_success());
    assert!(stage.sandbox.cloudwatch.calls().is_empty());
}

#[tokio::test]
async fn what_slack_refuses_as_a_chart_is_a_row_of_bars() {
    let setup = by_app("evidence: {chart: true}\n").await;
    setup.sandbox.slack.set_plan(Box::new(|_| Some(Answer::RefuseModernBlocks)));
    let stage = setup.table().start().await;
    let message = fires(&stage, "cpu").await;
    assert!(chart(&message).is_none());
    assert!(shows(&message).contains("20 % → 95.5 %"), "{}\n{}", shows(&message), stage.log());
    // It is not asked again as long as the process lives.
    let calls = stage.sandbox.slack.calls().len();
    changes(&stage, "cpu", "OK", "ALARM").await;
    let calls = &stage.sandbox.slack.calls()[calls..];
    assert!(!calls.iter().any(|call| call.payload.to_string().contains("data_visualization")), "{calls:#?}");
}
