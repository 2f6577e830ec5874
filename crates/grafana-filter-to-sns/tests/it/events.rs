//! Events for the filter: those of the fixtures, and made ones.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// When made events were sent; a Monday, 09:16 in Seoul.
pub(crate) const SENT: &str = "2026-03-02T00:16:05Z";
const STARTED: &str = "2026-03-02T00:15:00Z";
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(crate) fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures")
}

/// A file of `fixtures/grafana`, without its `.json`.
pub(crate) fn fixture(name: &str) -> Value {
    read(&fixtures().join("grafana").join(format!("{name}.json")))
}

pub(crate) fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

/// Four alerts: a `DatasourceError`, a `DatasourceNoData`, `HighCPU`, and `HighMemory` that is over.
pub(crate) fn walkthrough() -> Value {
    fixture("walkthrough.eventbridge")
}

/// A firing alert; its name makes its fingerprint.
pub(crate) fn alert(name: &str) -> Value {
    json!({
        "status": "firing",
        "labels": {"alertname": name, "severity": "critical"},
        "annotations": {"summary": format!("{name} is not well")},
        "startsAt": STARTED,
        "endsAt": NEVER,
        "generatorURL": "https://grafana.example.com/alerting/grafana/rule/view?orgId=1",
        "fingerprint": fingerprint(name),
        "values": {"B": 92.4},
    })
}

/// Sixteen hexadecimal digits, as Grafana makes them.
pub(crate) fn fingerprint(name: &str) -> String {
    let number = name.bytes().fold(7_u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("{number:016x}")
}

/// The same alert, over.
pub(crate) fn resolved(mut alert: Value, ends_at: &str) -> Value {
    alert["status"] = "resolved".into();
    alert["endsAt"] = ends_at.into();
    alert
}

/// Another start.
pub(crate) fn since(mut alert: Value, starts_at: &str) -> Value {
    alert["startsAt"] = starts_at.into();
    alert
}

/// Firing alerts, numbered from 0.
pub(crate) fn alerts(count: usize) -> Vec<Value> {
    (0..count).map(|number| alert(&format!("Alert {number}"))).collect()
}

/// Grafana's webhook.
pub(crate) fn webhook(alerts: &[Value]) -> Value {
    json!({
        "receiver": "eventbridge",
        "status": "firing",
        "alerts": alerts,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "https://grafana.example.com/",
        "version": "1",
        "groupKey": "{}",
        "truncatedAlerts": 0,
        "orgId": 1,
        "title": "[FIRING] many",
        "state": "alerting",
        "message": "**Firing**",
    })
}

/// A webhook as EventBridge delivers it.
pub(crate) fn event(id: &str, time: &str, alerts: &[Value]) -> Value {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "grafana-alert",
        "source": "grafana",
        "account": "123456789012",
        "time": time,
        "region": "us-east-1",
        "resources": [],
        "detail": webhook(alerts),
    })
}

/// [`event`] with numbered alerts.
pub(crate) fn many(count: usize) -> Value {
    event("many", SENT, &alerts(count))
}

/// A text as SNS delivers it.
pub(crate) fn sns(messages: &[(&str, String)]) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|(id, message)| {
            json!({
                "EventSource": "aws:sns",
                "EventVersion": "1.0",
                "Sns": {
                    "Type": "Notification",
                    "MessageId": id,
                    "TopicArn": "arn:aws:sns:us-east-1:123456789012:from-grafana",
                    "Subject": null,
                    "Message": message,
                    "Timestamp": "2026-03-02T00:16:05.000Z",
                    "MessageAttributes": {},
                },
            })
        })
        .collect();
    json!({ "Records": records })
}

/// Texts as a queue delivers them.
pub(crate) fn sqs(messages: &[(&str, String)]) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|(id, body)| {
            json!({
                "messageId": id,
                "receiptHandle": "handle",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1772410565000"},
                "messageAttributes": {},
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:from-grafana",
            })
        })
        .collect();
    json!({ "Records": records })
}
