//! What lies in a dead-letter queue: where it died, and the event that its function would have got.

use alert_core::region::Arn;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::queue::Queue;
use crate::commands::aws::clean;

/// Where a message was on its way when it died.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// On its way to this function.
    Function(String),
    /// In this queue.
    Queue(String),
    /// On its way from this topic.
    Topic(String),
    /// It does not tell.
    Unknown,
}

/// What a function is given: the event that it would have got, or what tells of it.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) payload: String,
    pub(super) origin: Origin,
    /// Whether Lambda would read `batchItemFailures` out of the answer.
    pub(super) is_batch: bool,
    /// The error that brought it here, where that is known.
    pub(super) died_of: Option<String>,
}

impl Event {
    pub(super) fn of(message: &Message, queue: &Queue) -> Self {
        let body = message.body().unwrap_or_default();
        let attribute = |name: &str| {
            let attributes = message.message_attributes.as_ref();
            attributes.and_then(|attributes| attributes.get(name)?.string_value())
        };
        // EventBridge's names, and those of Lambda's own dead-letter queues.
        let code = attribute("ERROR_CODE").or_else(|| attribute("ErrorCode"));
        let said = attribute("ERROR_MESSAGE").or_else(|| attribute("ErrorMessage"));
        let died_of = code.or(said).map(|_| {
            let parts: Vec<_> = code.into_iter().chain(said).collect();
            clean(&parts.join(": "))
        });
        let whole = |origin, died_of| Self { payload: body.to_owned(), origin, is_batch: false, died_of };

        let parsed = serde_json::from_str::<Value>(body).ok().filter(Value::is_object).unwrap_or_default();
        let has = |key: &str| parsed.get(key).is_some();
        if has("requestPayload") && has("requestContext") {
            let function = parsed.pointer("/requestContext/functionArn").and_then(Value::as_str);
            // Lambda tells the version too; the newest code is asked for by no version.
            let origin = function.map_or(Origin::Unknown, |arn| {
                Origin::Function(arn.strip_suffix(":$LATEST").unwrap_or(arn).to_owned())
            });
            return whole(origin, parsed.get("responsePayload").and_then(error));
        }
        let own_source = system(message, &MessageSystemAttributeName::DeadLetterQueueSourceArn);
        if let Some(source) = own_source.or(queue.source.as_deref()) {
            return Self::batch(message, source, Origin::Queue(source.to_owned()));
        }
        if let Some(target) = attribute("TARGET_ARN") {
            return whole(Origin::Function(target.to_owned()), died_of);
        }
        if let Some(topic) = parsed.get("TopicArn").and_then(Value::as_str)
            && has("Message")
            && has("MessageId")
        {
            let origin = Origin::Topic(topic.to_owned());
            return Self { payload: notification(&parsed), ..whole(origin, died_of) };
        }
        if has("Records") || has("detail-type") || has("alarmData") {
            return whole(Origin::Unknown, died_of);
        }
        Self { died_of, ..Self::batch(message, &queue.arn, Origin::Unknown) }
    }

    /// What Lambda makes of one message of a queue.
    fn batch(message: &Message, source: &str, origin: Origin) -> Self {
        let record = sqs_record(message, source);
        Self { payload: json!({"Records": [record]}).to_string(), origin, is_batch: true, died_of: None }
    }
}

pub(super) fn system<'m>(message: &'m Message, name: &MessageSystemAttributeName) -> Option<&'m str> {
    message.attributes.as_ref()?.get(name).map(String::as_str)
}

/// A message as Lambda's event source mapping hands it over.
fn sqs_record(message: &Message, source: &str) -> Value {
    let attributes: Map<_, _> = message
        .attributes
        .iter()
        .flatten()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_str().into()))
        .collect();
    let message_attributes: Map<_, _> = message
        .message_attributes
        .iter()
        .flatten()
        .map(|(name, attribute)| {
            let mut value = Map::new();
            if let Some(text) = attribute.string_value() {
                value.insert("stringValue".to_owned(), text.into());
            }
            if let Some(bytes) = attribute.binary_value() {
                value.insert("binaryValue".to_owned(), BASE64_STANDARD.encode(bytes).into());
            }
            value.insert("stringListValues".to_owned(), json!([]));
            value.insert("binaryListValues".to_owned(), json!([]));
            value.insert("dataType".to_owned(), attribute.data_type().into());
            (name.clone(), value.into())
        })
        .collect();
    let mut record = Map::new();
    record.insert("messageId".to_owned(), message.message_id().into());
    record.insert("receiptHandle".to_owned(), message.receipt_handle().into());
    record.insert("body".to_owned(), message.body().unwrap_or_default().into());
    record.insert("attributes".to_owned(), attributes.into());
    record.insert("messageAttributes".to_owned(), message_attributes.into());
    record.insert("md5OfBody".to_owned(), message.md5_of_body().into());
    if let Some(md5) = message.md5_of_message_attributes() {
        record.insert("md5OfMessageAttributes".to_owned(), md5.into());
    }
    record.insert("eventSource".to_owned(), "aws:sqs".into());
    record.insert("eventSourceARN".to_owned(), source.into());
    record.insert("awsRegion".to_owned(), Arn::parse(source).map(|arn| arn.region).into());
    Value::Object(record)
}

/// An SNS notification as queues get it, made into the event that a function gets: some keys have other names.
fn notification(body: &Value) -> String {
    let mut sns = Map::new();
    for key in [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertUrl",
        "UnsubscribeUrl",
        "MessageAttributes",
    ] {
        let value = body.get(key).or_else(|| body.get(key.replace("Url", "URL"))).cloned();
        let absent = if key == "MessageAttributes" { json!({}) } else { Value::Null };
        sns.insert(key.to_owned(), value.unwrap_or(absent));
    }
    let topic = body.get("TopicArn").and_then(Value::as_str).unwrap_or_default();
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": topic,
        "Sns": sns,
    }]})
    .to_string()
}

/// `{"errorType": …, "errorMessage": …}`, in words.
pub(super) fn error(answer: &Value) -> Option<String> {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let parts: Vec<_> = [text("errorType"), text("errorMessage")].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| clean(&parts.join(": ")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use alert_core::envelope::{self, Hop};
    use aws_sdk_sqs::primitives::Blob;
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:alerts-dead-letters";

    fn queue(source: Option<&str>) -> Queue {
        let config =
            aws_sdk_sqs::Config::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        Queue {
            client: aws_sdk_sqs::Client::from_conf(config),
            name: "alerts-dead-letters".to_owned(),
            url: String::new(),
            arn: ARN.to_owned(),
            source: source.map(str::to_owned),
            stack: Ok(None),
            waiting: 0,
        }
    }

    fn message(body: &str) -> aws_sdk_sqs::types::builders::MessageBuilder {
        Message::builder().message_id("id-1").receipt_handle("receipt").body(body).md5_of_body("md5")
    }

    fn text(value: &str) -> MessageAttributeValue {
        MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
    }

    #[test]
    fn a_queues_message_becomes_the_batch_that_lambda_would_make() {
        let payload = MessageAttributeValue::builder()
            .data_type("Binary")
            .binary_value(Blob::new(br#"{"alerts":[]}"#))
            .build()
            .unwrap();
        let source = "arn:aws:sqs:eu-west-1:123456789012:alerts-buffer";
        let message = message("Alert Name : a")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "41")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1789384724500")
            .attributes(MessageSystemAttributeName::DeadLetterQueueSourceArn, source)
            .message_attributes("alertname", text("a"))
            .message_attributes("payload", payload)
            .build();
        let event = Event::of(&message, &queue(None));
        assert!(event.is_batch);
        assert_eq!(event.origin, Origin::Queue(source.to_owned()));
        let json: Value = serde_json::from_str(&event.payload).unwrap();
        let record = &json["Records"][0];
        assert_eq!(record["eventSource"], "aws:sqs");
        assert_eq!(record["eventSourceARN"], source);
        assert_eq!(record["awsRegion"], "eu-west-1");
        assert_eq!(record["attributes"]["ApproximateReceiveCount"], "41");
        assert_eq!(record["messageAttributes"]["alertname"]["stringValue"], "a");
        assert_eq!(record["messageAttributes"]["payload"]["binaryValue"], "eyJhbGVydHMiOltdfQ==");
        let decoded = envelope::decode(event.payload.as_bytes());
        assert_eq!(decoded.reply, envelope::Reply::BatchItemFailures);
        assert_eq!(decoded.records[0].tries, 41);
        assert_eq!(decoded.records[0].payload.as_deref(), Some(r#"{"alerts":[]}"#));
        assert_eq!(decoded.records[0].attributes["alertname"], "a");
    }

    #[test]
    fn a_notification_becomes_the_event_of_its_topic() {
        let body = json!({
            "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts",
            "Message": "hello", "Timestamp": "2026-09-14T11:18:44.500Z", "SigningCertURL": "https://cert",
        });
        let event = Event::of(&message(&body.to_string()).build(), &queue(None));
        assert_eq!(event.origin, Origin::Topic("arn:aws:sns:eu-west-1:123456789012:alerts".to_owned()));
        assert!(!event.is_batch);
        let json: Value = serde_json::from_str(&event.payload).unwrap();
        assert_eq!(json["Records"][0]["Sns"]["SigningCertUrl"], "https://cert");
        assert_eq!(json["Records"][0]["Sns"]["Subject"], Value::Null);
        let decoded = envelope::decode(event.payload.as_bytes());
        assert_eq!(decoded.records[0].path, [Hop::Sns]);
        assert_eq!(decoded.records[0].id.as_deref(), Some("m-1"));
    }

    #[test]
    fn events_tell_their_function() {
        let record = json!({
            "requestContext": {"requestId": "r-1", "functionArn": "arn:aws:lambda:r:1:function:f:$LATEST"},
            "requestPayload": {"Records": []},
            "responsePayload": {"errorType": "rate_limited", "errorMessage": "Slack\nwants a pause"},
        });
        // An invocation record tells its function wherever it lies.
        for source in [None, Some("arn:aws:sqs:r:1:other")] {
            let event = Event::of(&message(&record.to_string()).build(), &queue(source));
            assert_eq!(event.origin, Origin::Function("arn:aws:lambda:r:1:function:f".to_owned()));
            assert_eq!(event.payload, record.to_string());
            assert_eq!(event.died_of.as_deref(), Some("rate_limited: Slack wants a pause"));
        }
        let rule = message(r#"{"detail-type":"grafana-alert","source":"grafana","detail":{}}"#)
            .message_attributes("TARGET_ARN", text("arn:aws:lambda:r:1:function:filter"))
            .message_attributes("ERROR_CODE", text("NO_PERMISSIONS"));
        let event = Event::of(&rule.build(), &queue(None));
        assert_eq!(event.origin, Origin::Function("arn:aws:lambda:r:1:function:filter".to_owned()));
        assert_eq!(event.died_of.as_deref(), Some("NO_PERMISSIONS"));
        let direct = message(r#"{"alarmData":{}}"#).build();
        assert_eq!(Event::of(&direct, &queue(None)).payload, r#"{"alarmData":{}}"#);
        // What nobody knows is a message of this queue.
        let event = Event::of(&message("plain text").build(), &queue(None));
        assert!(event.is_batch && event.origin == Origin::Unknown && event.payload.contains(ARN));
    }
}
