//! Whether the first post is later where a chart and log lines are wanted: an alarm with both, on slow services.

use std::time::{Duration, SystemTime};

use alert_sandbox::Sandbox;
use alert_sandbox::aws::{ACCOUNT, Fault};
use chrono::{SecondsFormat, Utc};
use serde_json::{Value, json};

/// What the receiver wants to see.
pub(super) const CONFIGURATION: &str = "evidence: {chart: true, logs: {lines: 5}}\n";
/// What CloudWatch and its logs take for each call, which is more than they should.
pub(super) const DELAY: Duration = Duration::from_millis(200);

const ALARM: &str = "orders-api errors";
const NAMESPACE: &str = "Shop";
const METRIC: &str = "OrderErrors";
const GROUP: &str = "/shop/orders-api";

/// The alarm, its values and the lines that it counts.
pub(super) fn prepare(sandbox: &Sandbox) -> Result<(), String> {
    sandbox.cloudwatch.put_metric_alarm(&json!({
        "AlarmName": ALARM, "Namespace": NAMESPACE, "MetricName": METRIC, "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 3, "Threshold": 25, "ComparisonOperator": "GreaterThanThreshold",
    }))?;
    // For as long as the benchmark may take, too.
    let at = |minute: u64| SystemTime::now() + Duration::from_hours(2) - Duration::from_secs(60 * minute);
    sandbox.cloudwatch.put_data(NAMESPACE, METRIC, &[], (0..300).map(|minute| (at(minute), 30.0)));
    sandbox.logs.put_metric_filter(GROUP, "errors", "ERROR", NAMESPACE, METRIC);
    sandbox
        .logs
        .put_events(GROUP, (0..300).map(|minute| (at(minute), format!("ERROR order {minute} failed"))));
    sandbox.cloudwatch.set_fault(Fault::Delay(DELAY));
    sandbox.logs.set_fault(Fault::Delay(DELAY));
    Ok(())
}

/// The alarm fires now, in a delivery of its own.
pub(super) fn event(delivery: &str) -> String {
    let now = Utc::now();
    let message = json!({
        "AlarmName": ALARM, "AWSAccountId": ACCOUNT, "NewStateValue": "ALARM", "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed: 1 datapoint [30.0] was greater than the threshold (25.0).",
        "StateChangeTime": now.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(), "Region": "EU (Ireland)",
        "Trigger": {
            "MetricName": METRIC, "Namespace": NAMESPACE, "Statistic": "SUM", "Period": 60, "EvaluationPeriods": 3,
            "ComparisonOperator": "GreaterThanThreshold", "Threshold": 25, "Dimensions": [],
        },
    });
    json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {
        "Type": "Notification", "MessageId": delivery, "TopicArn": format!("arn:aws:sns:eu-west-1:{ACCOUNT}:alerts"),
        "Subject": Value::Null, "Message": message.to_string(),
        "Timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
    }}]})
    .to_string()
}
