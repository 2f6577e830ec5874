//! An alarm with all that an account has of it: its definition, its metric, and the log group whose lines it counts. What the
//! demo shows and the benchmark measures of charts and log lines is about it.

use std::time::SystemTime;

use alert_sandbox::Sandbox;
use alert_sandbox::aws::ACCOUNT;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// What the receiver wants to see.
pub(crate) const CONFIGURATION: &str = "evidence: {chart: true, logs: {lines: 5}}\n";
/// The alarm's limit.
pub(crate) const LIMIT: u8 = 25;

const REGION: &str = "eu-west-1";
const ALARM: &str = "orders-api errors";
const NAMESPACE: &str = "Shop";
const METRIC: &str = "OrderErrors";
const GROUP: &str = "/shop/orders-api";

/// Puts the alarm, these values of its metric, and these lines into the group where its filter counts `ERROR`.
pub(crate) fn put(
    sandbox: &Sandbox,
    values: impl IntoIterator<Item = (SystemTime, f64)>,
    lines: impl IntoIterator<Item = (SystemTime, String)>,
) -> Result<(), String> {
    sandbox.cloudwatch.put_metric_alarm(&json!({
        "AlarmName": ALARM, "Namespace": NAMESPACE, "MetricName": METRIC, "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 3, "Threshold": LIMIT, "ComparisonOperator": "GreaterThanThreshold",
    }))?;
    sandbox.cloudwatch.put_data(NAMESPACE, METRIC, &[], values);
    sandbox.logs.put_metric_filter(GROUP, "errors", "ERROR", NAMESPACE, METRIC);
    sandbox.logs.put_events(GROUP, lines);
    Ok(())
}

/// The alarm fires at `now` for this reason, as SNS brings it in this delivery.
pub(crate) fn event(delivery: &str, now: DateTime<Utc>, reason: &str) -> String {
    let message = json!({
        "AlarmName": ALARM, "AWSAccountId": ACCOUNT, "NewStateValue": "ALARM", "OldStateValue": "OK",
        "NewStateReason": reason,
        "StateChangeTime": now.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
        "AlarmArn": format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{ALARM}"),
        "Region": "EU (Ireland)",
        "Trigger": {
            "MetricName": METRIC, "Namespace": NAMESPACE, "Statistic": "SUM", "Period": 60, "EvaluationPeriods": 3,
            "ComparisonOperator": "GreaterThanThreshold", "Threshold": LIMIT, "Dimensions": [],
        },
    });
    json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {
        "Type": "Notification", "MessageId": delivery, "TopicArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:alerts"),
        "Subject": Value::Null, "Message": message.to_string(),
        "Timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
    }}]})
    .to_string()
}
