//! Why an alarm fires: its values as a chart, and the log lines that it counts, once its first message is there.

use std::time::SystemTime;

use alert_sandbox::Sandbox;
use alert_sandbox::aws::ACCOUNT;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

use super::Scene;

/// What the receiver wants to see.
pub(super) const CONFIGURATION: &str = "evidence: {chart: true, logs: {lines: 5}}\n";

const REGION: &str = "eu-west-1";
const ALARM: &str = "orders-api errors";
const NAMESPACE: &str = "Shop";
const METRIC: &str = "OrderErrors";
const GROUP: &str = "/shop/orders-api";
/// Errors of the last minutes, the newest first; before them they slowly become more.
const ERRORS: [u8; 3] = [57, 48, 31];
const LIMIT: u8 = 25;

/// The metric, its alarm, and the log group that a metric filter counts, as they are in an account.
pub(super) fn prepare(sandbox: &Sandbox, now: DateTime<Utc>) -> Result<(), String> {
    sandbox.cloudwatch.put_metric_alarm(&json!({
        "AlarmName": ALARM, "Namespace": NAMESPACE, "MetricName": METRIC, "Statistic": "Sum", "Period": 60,
        "EvaluationPeriods": 3, "Threshold": LIMIT, "ComparisonOperator": "GreaterThanThreshold",
    }))?;
    let ago = |time: TimeDelta| SystemTime::from(now - time);
    let minutes = (0_u8..180).map(|minute| {
        // Some noise, the same each time.
        let before = minute.wrapping_mul(37) % 5 + 20_u8.saturating_sub(minute / 2);
        let errors = ERRORS.get(usize::from(minute)).copied().unwrap_or(before);
        (ago(TimeDelta::minutes(i64::from(minute) + 1)), f64::from(errors))
    });
    sandbox.cloudwatch.put_data(NAMESPACE, METRIC, &[], minutes);
    sandbox.logs.put_metric_filter(GROUP, "errors", "ERROR", NAMESPACE, METRIC);
    let lines = (0_usize..170).map(|number| {
        let back = TimeDelta::milliseconds(i64::try_from(number).unwrap_or(0) * 900);
        (ago(back + TimeDelta::seconds(2)), line(number))
    });
    sandbox.logs.put_events(GROUP, lines);
    Ok(())
}

fn line(number: usize) -> String {
    match number {
        1 => "ERROR payment refused for jane.doe@example.com: 503 from payments.internal".to_owned(),
        3 => "ERROR login of orders-api at orders-db failed: user=app password=hunter2".to_owned(),
        // The filter does not count these.
        number if number % 4 == 0 => format!("INFO order {} taken", 90_000 - number),
        number => {
            format!("ERROR order {} failed: connection to orders-db refused after 3 tries", 90_000 - number)
        }
    }
}

/// The alarm as SNS brings it.
pub(super) fn scenes(now: DateTime<Utc>) -> Vec<Scene> {
    let points = ERRORS.iter().zip(1..).map(|(errors, minute)| {
        format!("{errors}.0 ({})", (now - TimeDelta::minutes(minute)).format("%d/%m/%y %H:%M:00"))
    });
    let points = points.collect::<Vec<_>>().join(", ");
    let message = json!({
        "AlarmName": ALARM, "AWSAccountId": ACCOUNT, "NewStateValue": "ALARM", "OldStateValue": "OK",
        "NewStateReason": format!(
            "Threshold Crossed: 3 out of the last 3 datapoints [{points}] were greater than the threshold ({LIMIT}.0) (minimum 3 datapoints for OK -> ALARM transition)."
        ),
        "StateChangeTime": now.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
        "AlarmArn": format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{ALARM}"),
        "Region": "EU (Ireland)",
        "Trigger": {
            "MetricName": METRIC, "Namespace": NAMESPACE, "Statistic": "SUM", "Period": 60, "EvaluationPeriods": 3,
            "ComparisonOperator": "GreaterThanThreshold", "Threshold": LIMIT, "Dimensions": [],
        },
    });
    let event = json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {
        "Type": "Notification", "MessageId": "00000017-0000-4000-8000-000000000017",
        "TopicArn": format!("arn:aws:sns:{REGION}:{ACCOUNT}:alerts"), "Subject": Value::Null,
        "Message": message.to_string(), "Timestamp": now.to_rfc3339_opts(SecondsFormat::Millis, true),
    }}]});
    vec![Scene::new(
        "Why it fires: the chart and the log lines, after the first message",
        event.to_string().into_bytes(),
    )]
}
