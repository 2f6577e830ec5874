//! What carries an alert to a function: `decode` takes it off and hands out the messages that were inside.
//!
//! Envelopes nest (an EventBridge event in an SNS notification in an SQS message in a Lambda invocation record), so
//! decoding goes on until a message is reached. Decoding is total: what is no known envelope is itself the message.
//! What the message means is none of this module's business; that is [`crate::source`].

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::json::{Json, Object};
use crate::time;

/// Envelopes within envelopes beyond this depth are taken as the message; real ones have at most five.
const DEPTH_MAX: usize = 8;

/// The binary message attribute in which the filter passes Grafana's JSON on.
pub const PAYLOAD_ATTRIBUTE: &str = "payload";

/// How the caller wants to hear what became of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// One answer for everything: SNS, EventBridge, alarm actions, a plain invocation.
    Whole,
    /// SQS: the ids of the messages that failed, in `batchItemFailures`; an error when all did.
    BatchItemFailures,
    /// An HTTP proxy: `{statusCode, …}`.
    Http,
}

/// One carrier on the message's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hop {
    /// An Amazon SNS topic.
    Sns,
    /// An Amazon SQS queue.
    Sqs,
    /// An Amazon EventBridge bus.
    EventBridge,
    /// An API Gateway or a function URL.
    Http,
    /// A CloudWatch alarm that invoked the function itself.
    AlarmAction,
    /// Lambda's on-failure destination or dead-letter queue: this is a second life.
    InvocationRecord,
}

impl Hop {
    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sns => "SNS",
            Self::Sqs => "SQS",
            Self::EventBridge => "EventBridge",
            Self::Http => "HTTP",
            Self::AlarmAction => "alarm action",
            Self::InvocationRecord => "redrive",
        }
    }

    /// A way in words: `SNS → SQS`.
    #[must_use]
    pub fn way(path: &[Self]) -> String {
        path.iter().map(|hop| hop.name()).collect::<Vec<_>>().join(" → ")
    }
}

/// The message itself.
#[derive(Debug, Clone, PartialEq, Hash)]
pub enum Body {
    /// A text that nobody has parsed yet; it may well be JSON.
    Text(String),
    /// JSON that came as a part of its envelope.
    Json(Value),
}

/// One message out of whatever carried it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The delivery's id: of SNS, else SQS, else EventBridge; `None` for an invocation that carries none.
    pub id: Option<String>,
    /// The SQS message that Lambda handed over, as `batchItemFailures` names it.
    pub item: Option<String>,
    /// The way here, first carrier first.
    pub path: Vec<Hop>,
    /// How often the queue has handed this message out, this time included; 1 where nobody counts.
    pub tries: u32,
    /// When it was sent, by the clock of the innermost carrier that tells.
    pub sent_at: Option<DateTime<Utc>>,
    /// The SNS subject.
    pub subject: Option<String>,
    /// The SNS topic.
    pub topic_arn: Option<String>,
    /// Text message attributes.
    pub attributes: BTreeMap<String, String>,
    /// The filter's binary attribute: the alert in Grafana's own format.
    pub payload: Option<String>,
    /// The message.
    pub body: Body,
}

impl Record {
    pub(crate) fn new(body: Body) -> Self {
        Self {
            id: None,
            item: None,
            path: Vec::new(),
            tries: 1,
            sent_at: None,
            subject: None,
            topic_arn: None,
            attributes: BTreeMap::new(),
            payload: None,
            body,
        }
    }
}

/// An event, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// How to answer.
    pub reply: Reply,
    /// The messages in their order; empty only when the envelope holds none.
    pub records: Vec<Record>,
}

/// Takes an invocation's event apart; never fails.
///
/// Knows SNS (as Lambda and as SQS and HTTP get it), SQS (raw or not), EventBridge, HTTP proxy events of API Gateway
/// (REST and HTTP APIs) and function URLs, direct alarm actions, and Lambda's invocation records, in any nesting.
#[must_use]
pub fn decode(event: &[u8]) -> Decoded {
    // Checked as a whole, the bytes need no check for each of their texts. The lossy check is slower.
    let text = str::from_utf8(event).map_or_else(|_| String::from_utf8_lossy(event), Cow::Borrowed);
    let mut repaired = String::new();
    let Some(value) = Json::parse(&text, &mut repaired) else {
        return Decoded { reply: Reply::Whole, records: vec![Record::new(Body::Text(text.into_owned()))] };
    };
    let reply = reply(&value);
    let mut records = Vec::new();
    open(value, Record::new(Body::Text(String::new())), 0, &mut records);
    Decoded { reply, records }
}

fn reply(event: &Json<'_>) -> Reply {
    // Whoever only has headers and a body is no gateway that would read a status: Lambda would take a 502 for success.
    if event.as_object().is_some_and(|event| is_http_object(event) && describes_request(event)) {
        return Reply::Http;
    }
    let records = event.get("Records").and_then(Json::as_list).unwrap_or_default();
    // An event source mapping never mixes sources; one stray record must not turn failures into silence.
    if !records.is_empty() && records.iter().all(|record| sqs_message_id(record).is_some()) {
        return Reply::BatchItemFailures;
    }
    Reply::Whole
}

/// Peels one envelope off `value`; `outer` holds what the envelopes around it said.
///
/// The outermost carrier came last on the way, so every inner one goes to the front of the path.
fn open(value: Json<'_>, outer: Record, depth: usize, records: &mut Vec<Record>) {
    if depth >= DEPTH_MAX {
        records.push(Record { body: Body::Json(value.into()), ..outer });
        return;
    }
    match value {
        Json::Object(object) => open_object(object, outer, depth, records),
        Json::Text(text) => open_text(text, outer, depth, records),
        other => records.push(Record { body: Body::Json(other.into()), ..outer }),
    }
}

fn open_text(text: Cow<'_, str>, outer: Record, depth: usize, records: &mut Vec<Record>) {
    // Only an envelope is worth parsing here; the message's own text is parsed once, by its source.
    let mut repaired = String::new();
    if depth < DEPTH_MAX
        && may_be_envelope(&text)
        && let Some(Json::Object(object)) = Json::parse(&text, &mut repaired)
        && is_envelope(&object)
    {
        open_object(object, outer, depth, records);
        return;
    }
    records.push(Record { body: Body::Text(text.into_owned()), ..outer });
}

/// A cheap look for the keys that every envelope has, before anything is parsed.
fn may_be_envelope(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && [
            r#""Records""#,
            r#""TopicArn""#,
            r#""requestPayload""#,
            r#""detail""#,
            r#""alarmData""#,
            r#""body""#,
        ]
        .iter()
        .any(|key| text.contains(key))
}

fn is_envelope(object: &Object<'_>) -> bool {
    is_known_records(object)
        || is_sns_notification(object)
        || is_invocation_record(object)
        || is_event(object)
        || is_alarm_action(object)
        || is_http_object(object)
}

fn open_object(mut object: Object<'_>, outer: Record, depth: usize, records: &mut Vec<Record>) {
    if is_known_records(&object) {
        let Some(Json::List(items)) = object.remove("Records") else { return };
        for item in items {
            open_record(item, outer.clone(), depth, records);
        }
    } else if is_invocation_record(&object) {
        let payload = object.remove("requestPayload").unwrap_or(Json::Null);
        let mut outer = outer;
        outer.path.insert(0, Hop::InvocationRecord);
        if outer.id.is_none() {
            outer.id = object
                .get("requestContext")
                .and_then(|context| text_at(context, "requestId"))
                .map(str::to_owned);
        }
        open(payload, outer, depth + 1, records);
    } else if is_sns_notification(&object) {
        open_sns(object, outer, depth, records);
    } else if is_http_object(&object) {
        open_http(object, outer, depth, records);
    } else if is_event(&object) {
        let mut record = outer;
        record.path.insert(0, Hop::EventBridge);
        record.id = known_longest(&record, string(&object, "id"));
        record.sent_at = string(&object, "time").and_then(|text| time::parse(&text)).or(record.sent_at);
        record.body = Body::Json(object.into());
        records.push(record);
    } else if is_alarm_action(&object) {
        let mut record = outer;
        record.path.insert(0, Hop::AlarmAction);
        record.sent_at = string(&object, "time").and_then(|text| time::parse(&text)).or(record.sent_at);
        record.body = Body::Json(object.into());
        records.push(record);
    } else {
        records.push(Record { body: Body::Json(object.into()), ..outer });
    }
}

fn open_record(item: Json<'_>, outer: Record, depth: usize, records: &mut Vec<Record>) {
    if let Some(id) = sqs_message_id(&item).map(str::to_owned) {
        open_sqs(item, id, outer, depth, records);
        return;
    }
    match item {
        Json::Object(mut object) if object.get("Sns").is_some_and(Json::is_object) => {
            if let Some(Json::Object(sns)) = object.remove("Sns") {
                open_sns(sns, outer, depth, records);
            }
        }
        other => records.push(Record { body: Body::Json(other.into()), ..outer }),
    }
}

fn open_sqs(item: Json<'_>, id: String, outer: Record, depth: usize, records: &mut Vec<Record>) {
    let Json::Object(mut item) = item else { return };
    let mut record = outer;
    record.path.insert(0, Hop::Sqs);
    if let Some(attributes) = item.get("attributes") {
        let number = |name| text_at(attributes, name).and_then(|text| text.parse::<i64>().ok());
        record.tries =
            number("ApproximateReceiveCount").and_then(|n| u32::try_from(n).ok()).unwrap_or(1).max(1);
        record.sent_at = number("SentTimestamp").and_then(time::from_epoch_millis).or(record.sent_at);
    }
    read_attributes(item.get("messageAttributes"), ["stringValue", "binaryValue", "dataType"], &mut record);
    // A queue in the middle of an envelope is a redrive of an older batch: its ids mean nothing to this caller.
    if depth == 0 {
        record.item = Some(id.clone());
    }
    record.id = Some(id);
    match item.remove("body") {
        Some(Json::Text(text)) => open_text(text, record, depth + 1, records),
        Some(other) => open(other, record, depth + 1, records),
        None => records.push(Record { body: Body::Text(String::new()), ..record }),
    }
}

fn open_sns(mut sns: Object<'_>, outer: Record, depth: usize, records: &mut Vec<Record>) {
    let mut record = outer;
    record.path.insert(0, Hop::Sns);
    record.id = string(&sns, "MessageId").or(record.id);
    record.subject = string(&sns, "Subject").filter(|subject| !subject.trim().is_empty());
    record.topic_arn = string(&sns, "TopicArn");
    record.sent_at = string(&sns, "Timestamp").and_then(|text| time::parse(&text)).or(record.sent_at);
    read_attributes(sns.get("MessageAttributes"), ["Value", "Value", "Type"], &mut record);
    match sns.remove("Message") {
        Some(Json::Text(text)) => open_text(text, record, depth + 1, records),
        Some(other) => open(other, record, depth + 1, records),
        None => records.push(Record { body: Body::Json(sns.into()), ..record }),
    }
}

fn open_http(mut http: Object<'_>, outer: Record, depth: usize, records: &mut Vec<Record>) {
    let mut record = outer;
    record.path.insert(0, Hop::Http);
    let own = http.get("requestContext").and_then(|context| text_at(context, "requestId")).map(str::to_owned);
    record.id = known_longest(&record, own);
    let encoded = matches!(http.get("isBase64Encoded"), Some(Json::Bool(true)));
    match http.remove("body") {
        Some(Json::Text(text)) if encoded => match BASE64_STANDARD.decode(text.trim()) {
            Ok(bytes) => open_text(String::from_utf8_lossy(&bytes), record, depth + 1, records),
            Err(_) => records.push(Record { body: Body::Text(text.into_owned()), ..record }),
        },
        Some(Json::Text(text)) => open_text(text, record, depth + 1, records),
        Some(Json::Null) | None => records.push(Record { body: Body::Text(String::new()), ..record }),
        Some(other) => open(other, record, depth + 1, records),
    }
}

/// The id under which the delivery was first tried: a message's own, else this carrier's, else that of the invocation
/// which failed and is told of by an invocation record.
fn known_longest(outer: &Record, own: Option<String>) -> Option<String> {
    let is_message = outer.path.iter().any(|hop| matches!(hop, Hop::Sns | Hop::Sqs));
    if is_message { outer.id.clone().or(own) } else { own.or_else(|| outer.id.clone()) }
}

/// Reads message attributes; `keys` are the members for a text, a binary (base64) and the type, which SNS and SQS
/// name differently.
fn read_attributes(attributes: Option<&Json<'_>>, [text, binary, kind]: [&str; 3], record: &mut Record) {
    let attributes: BTreeMap<&str, &Json<'_>> =
        attributes.and_then(Json::as_object).into_iter().flat_map(Object::iter).collect();
    for (name, attribute) in attributes {
        if text_at(attribute, kind) == Some("Binary") {
            if name == PAYLOAD_ATTRIBUTE {
                record.payload = text_at(attribute, binary)
                    .and_then(|encoded| BASE64_STANDARD.decode(encoded).ok())
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            }
        } else if let Some(value) = text_at(attribute, text) {
            record.attributes.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// Whether the `Records` are messages of SNS or SQS; those of S3 and others are facts, not carriers.
fn is_known_records(object: &Object<'_>) -> bool {
    object.get("Records").and_then(Json::as_list).is_some_and(|items| {
        items
            .iter()
            .any(|item| sqs_message_id(item).is_some() || item.get("Sns").is_some_and(Json::is_object))
    })
}

/// The id of an SQS message as Lambda hands it over; an empty one names nothing.
fn sqs_message_id<'j>(item: &'j Json<'_>) -> Option<&'j str> {
    if item.get("Sns").is_some() {
        return None;
    }
    text_at(item, "messageId").filter(|id| !id.is_empty())
}

/// SNS as SQS, Kinesis and HTTP subscribers get it.
fn is_sns_notification(object: &Object<'_>) -> bool {
    object.contains_key("TopicArn") && object.contains_key("Message") && object.contains_key("MessageId")
}

fn is_invocation_record(object: &Object<'_>) -> bool {
    object.contains_key("requestPayload") && object.get("requestContext").is_some_and(Json::is_object)
}

fn is_event(object: &Object<'_>) -> bool {
    object.contains_key("detail-type") && object.contains_key("detail") && object.contains_key("source")
}

fn is_alarm_action(object: &Object<'_>) -> bool {
    object.get("alarmData").is_some_and(Json::is_object)
}

fn is_http_object(object: &Object<'_>) -> bool {
    object.contains_key("headers")
        && (describes_request(object) || object.contains_key("body"))
        && !object.contains_key("alerts")
}

/// Whether it comes from API Gateway, a load balancer or a function URL: these say what was asked for, and by which way.
fn describes_request(object: &Object<'_>) -> bool {
    object.contains_key("httpMethod")
        || object.contains_key("rawPath")
        || object.get("requestContext").is_some_and(|context| context.get("http").is_some())
}

fn text_at<'v>(value: &'v Json<'_>, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Json::as_text)
}

fn string(object: &Object<'_>, key: &str) -> Option<String> {
    object.get(key).and_then(Json::as_text).map(str::to_owned)
}
