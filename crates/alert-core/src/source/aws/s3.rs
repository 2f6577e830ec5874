//! Amazon S3's event notifications, one alert for each object.
//!
//! Forms: `Records` of `aws:s3` over SNS or SQS, the test event that S3 sends to a new destination, and EventBridge events of `aws.s3`.
//! Sources: Amazon S3 User Guide, "Event message structure", "Event notification types and destinations" and "Using EventBridge".

use serde_json::Value;

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::{bytes, percent_decode};
use crate::alert::{Alert, State};
use crate::source::Message;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    if let Some(event) = Event::of(message, "aws.s3") {
        let detail = event.detail();
        detail.object("bucket")?;
        let kind = event.detail_type.to_owned();
        let mut draft = event.draft("S3", detail.text("bucket.name"), State::Informational, Some(kind));
        // Here the key is written as it is, and not encoded for a URL.
        let key = detail.text("object.key");
        put_object(&mut draft, detail.text("bucket.name").as_deref(), key.as_deref(), &detail, "object");
        draft.fact("Reason", detail.text("reason"));
        draft.fact("Deletion", detail.text("deletion-type"));
        draft.fact("By", detail.text("requester"));
        draft.fact("From", detail.text("source-ip-address"));
        return Some(vec![draft.finish(&detail)]);
    }
    let json = message.json?;
    let fields = Fields::new(json);
    if fields.text("Event").as_deref() == Some("s3:TestEvent") {
        return Some(vec![test(message, &fields)]);
    }
    let records = json.get("Records")?.as_array()?;
    let is_s3 = |record: &Value| record.get("eventSource").and_then(Value::as_str) == Some("aws:s3");
    if !records.iter().any(is_s3) {
        return None;
    }
    Some(fields.items("Records").iter().map(|one| record(message, one)).collect())
}

fn test(message: &Message<'_>, fields: &Fields<'_>) -> Alert {
    let bucket = fields.text("Bucket");
    let name = bucket.as_deref().unwrap_or("S3 test event");
    let mut draft = Draft::of(message, "S3", name, State::Informational, "s3:TestEvent");
    draft.alert.summary = Some("Test event: this bucket's notifications arrive here.".to_owned());
    draft.label("source", "s3");
    draft.label("event", "s3:TestEvent");
    draft.label("bucket", bucket.as_deref().unwrap_or_default());
    draft.fact("Bucket", bucket);
    draft.fact("Request", fields.text("RequestId"));
    draft.fact("Host", fields.text("HostId"));
    draft.alert.changed_at = fields.time("Time").or(draft.alert.changed_at);
    draft.finish(fields)
}

fn record(message: &Message<'_>, record: &Fields<'_>) -> Alert {
    let kind = record.text("eventName").unwrap_or_else(|| "event".to_owned());
    let bucket = record.text("s3.bucket.name");
    // These two are failures; everything else is what somebody did.
    let has_failed = kind.contains("LostObject") || kind.contains("OperationFailedReplication");
    let state = if has_failed { State::Firing } else { State::Informational };
    let name = bucket.as_deref().unwrap_or("S3 event");
    let mut draft = Draft::of(message, "S3", name, state, &kind);
    draft.alert.changed_at = record.time("eventTime").or(draft.alert.changed_at);
    draft.region(record.text("awsRegion"));
    draft.label("source", "s3");
    draft.label("event", &kind);
    let key = record.text("s3.object.key").map(|key| percent_decode(&key));
    put_object(&mut draft, bucket.as_deref(), key.as_deref(), record, "s3.object");
    draft.fact("By", record.text("userIdentity.principalId"));
    draft.fact("From", record.text("requestParameters.sourceIPAddress"));
    draft.fact("Configuration", record.text("s3.configurationId"));
    draft.finish(record)
}

fn put_object(draft: &mut Draft, bucket: Option<&str>, key: Option<&str>, fields: &Fields<'_>, object: &str) {
    draft.label("bucket", bucket.unwrap_or_default());
    draft.fact("Bucket", bucket);
    draft.fact("Object", key);
    draft.fact("Size", fields.number(&format!("{object}.size")).map(bytes));
    let version =
        fields.text(&format!("{object}.versionId")).or_else(|| fields.text(&format!("{object}.version-id")));
    draft.fact("Version", version);
    let place = bucket.zip(key);
    draft.news_of(place.map(|(bucket, key)| format!("{bucket}/{key}")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{alerts, fact, one};

    #[test]
    fn every_record_is_an_alert() {
        let alerts = alerts(include_str!("../../../../../fixtures/s3/removed.sns.json"));
        assert_eq!(alerts.len(), 2);
        assert_eq!(
            (alerts[0].name.as_str(), alerts[0].state_value.as_str()),
            ("invoices-prod", "ObjectRemoved:Delete")
        );
        assert_eq!(fact(&alerts[0], "Object"), "2026/09/영수증 042.pdf");
        assert_eq!(fact(&alerts[1], "Size"), "1.2 MB");
    }

    #[test]
    fn the_test_event_and_an_event() {
        let test = one(include_str!("../../../../../fixtures/s3/test.sns.json"));
        assert_eq!((test.name.as_str(), test.state), ("invoices-prod", State::Informational));
        let event = one(include_str!("../../../../../fixtures/s3/deleted.eventbridge.json"));
        assert_eq!(event.state_value, "Object Deleted");
        assert_eq!(fact(&event, "Object"), "2026/09/a+b.pdf");
    }
}
