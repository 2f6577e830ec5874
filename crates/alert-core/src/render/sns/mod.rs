//! What is published to SNS: by the filter text for people, attributes for subscription policies, and the alert in
//! Grafana's own format for the relay; by the relay a [`Notification`].
//!
//! Every message keeps SNS's rules whatever the alert is, because one refused message is one alert that nobody sees.
//! Source of the rules: Amazon SNS API Reference, `Publish` and `PublishBatch`, and the SNS Developer Guide, "Message
//! attributes".

mod notification;
mod payload;
mod safe;
mod shrink;
mod text;

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use crate::alert::{Alert, Source, State};
use crate::envelope::{Body, PAYLOAD_ATTRIBUTE, Record};
use crate::json;
use crate::key::{AlertKey, hash};
pub use notification::Notification;
use payload::Copies;

/// A message with its attributes, and all messages of a batch together. Source: `Publish`, `PublishBatch`.
pub const MESSAGE_MAX_BYTES: usize = 262_144;

/// Source: `PublishBatch`.
pub const BATCH_MAX_MESSAGES: usize = 10;

/// "Less than 100 characters long" (`Publish`); counted as UTF-16 units, the larger way to count.
pub const SUBJECT_MAX_CHARS: usize = 99;

/// Our own bound; subscription policies compare short words.
pub const ATTRIBUTE_MAX_CHARS: usize = 256;

/// Source: `Publish`, MessageGroupId and MessageDeduplicationId.
pub const FIFO_ID_MAX_CHARS: usize = 128;

/// A warning is ours, but its cause may quote the configuration.
const WARNING_MAX_CHARS: usize = 1_000;

/// Room for the subject, attributes and the notes of a raw message.
const RAW_ROOM_BYTES: usize = 8_192;

/// Room for what SNS's envelope has beside the message: ids, times, signature, and addresses with ARNs in them.
const ENVELOPE_ROOM_BYTES: usize = 4_096;

/// What a message says beside its alert.
#[derive(Debug, Clone)]
pub struct SnsOptions {
    /// For times in the text, which no client localises; UTC always stands beside it.
    pub time_zone: Tz,
    /// What is wrong with the configuration: every message carries it.
    pub warning: Option<String>,
    /// When the event was sent, where its envelope tells, else the clock.
    pub sent_at: DateTime<Utc>,
}

/// One entry for `PublishBatch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnsMessage {
    /// One safe line; `None` where nothing is left of it.
    pub subject: Option<String>,
    /// Never empty.
    pub message: String,
    /// At most ten: raw delivery to SQS discards a message with more.
    pub attributes: Vec<Attribute>,
    /// For FIFO topics only: changes of one alert keep their order.
    pub group_id: String,
    /// For FIFO topics only.
    ///
    /// SNS swallows a message whose id came within the last five minutes. A retry of the same event must be swallowed, a
    /// reminder, a resolve or a changed text must not: so the id holds the state, the start and the end to be read by
    /// people, and a hash of the text and of the moment at which the event was sent, which stays the same in a retry and
    /// differs in a reminder.
    pub dedup_id: String,
}

/// A message attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its name.
    pub name: &'static str,
    /// Its value, never empty.
    pub value: AttributeValue,
}

/// The value of an [`Attribute`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeValue {
    /// `String`.
    Text(String),
    /// `String.Array`: a JSON list of texts, each of which a policy compares by itself.
    Texts(String),
    /// `Binary`: a JSON text, before base64.
    Binary(String),
}

impl AttributeValue {
    /// The attribute's data type as SNS names it.
    #[must_use]
    pub fn data_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "String",
            Self::Texts(_) => "String.Array",
            Self::Binary(_) => "Binary",
        }
    }
}

/// The message for one alert; too large an alert loses its longest annotations, then labels, and says so.
#[must_use]
pub fn message(alert: &Alert, options: &SnsOptions) -> SnsMessage {
    fitting(&[alert], options).unwrap_or_else(|| {
        let shrunk = shrink::shrink(alert, |alert| size(&build(&[alert], options, Copies::LeftOut)));
        build(&[&shrunk], options, Copies::LeftOut)
    })
}

/// The message for the surviving alerts of one webhook; several where they do not fit into one.
///
/// Splitting comes before shrinking, because it loses nothing; so a group also leaves room for the envelope in which SNS
/// hands it to queues and functions, whose own limit may be 256 KiB. Each message comes with how many alerts it tells of;
/// they keep their order.
#[must_use]
pub fn group_messages(alerts: &[&Alert], options: &SnsOptions) -> Vec<(usize, SnsMessage)> {
    match alerts {
        [] => Vec::new(),
        [alert] => vec![(1, message(alert, options))],
        [first, rest @ ..] => {
            let is_one_group = rest.iter().all(|alert| match (&first.payload, &alert.payload) {
                (Some(first), Some(alert)) => Arc::ptr_eq(&first.group, &alert.group),
                _ => false,
            });
            if !is_one_group {
                return alerts.iter().map(|alert| (1, message(alert, options))).collect();
            }
            if let Some(message) = fitting(alerts, options) {
                return vec![(alerts.len(), message)];
            }
            let (front, back) = alerts.split_at(alerts.len() / 2);
            let mut messages = group_messages(front, options);
            messages.extend(group_messages(back, options));
            messages
        }
    }
}

/// A message that is not Grafana's, as it came; `alert` is what [`crate::source::interpret`] made of it.
#[must_use]
pub fn raw(record: &Record, alert: &Alert, options: &SnsOptions) -> SnsMessage {
    let subject = match &alert.source {
        Source::Unknown => format!("Not understood: {}", alert.name),
        // An event that no service of AWS sent, and that is not Grafana's either.
        Source::Aws(service) if service == "EventBridge" => format!("Not understood: {}", alert.name),
        _ => alert.name.clone(),
    };
    let warning = options.warning.as_deref().map(|warning| safe::one_line(warning, WARNING_MAX_CHARS));
    let mut text = match &record.body {
        Body::Text(text) => safe::text(text),
        Body::Json(json) => {
            let text = serde_json::to_string_pretty(json).unwrap_or_else(|_| json.to_string());
            safe::text(&text)
        }
    };
    if text.trim().is_empty() {
        text = "(empty message)".to_owned();
    }
    let bytes = text.len();
    if bytes > MESSAGE_MAX_BYTES - RAW_ROOM_BYTES {
        safe::cut_bytes(&mut text, MESSAGE_MAX_BYTES - RAW_ROOM_BYTES);
        let _ = write!(
            text,
            "…\n\nNote : The message was cut to fit into SNS's {MESSAGE_MAX_BYTES} bytes; it had {bytes}"
        );
    }
    if let Some(warning) = warning {
        put_warning(&mut text, &warning);
    }
    let attributes = values_attribute("source", &[alert], |alert| source_word(&alert.source));
    let hash = hash(&[&text, &stamp(options.sent_at)]);
    SnsMessage {
        subject: safe::subject(&subject),
        message: text,
        attributes: attributes.into_iter().collect(),
        group_id: "raw".to_owned(),
        dedup_id: format!("raw-{hash}"),
    }
}

/// JSON stays JSON, so that the relay understands it as well as it can.
fn put_warning(text: &mut String, warning: &str) {
    if let Ok(Value::Object(mut object)) = json::from_str(text) {
        object.insert("relayWarning".to_owned(), warning.into());
        let with_warning = Value::Object(object);
        *text = serde_json::to_string_pretty(&with_warning).unwrap_or_else(|_| with_warning.to_string());
        if text.len() > MESSAGE_MAX_BYTES - RAW_ROOM_BYTES {
            *text = with_warning.to_string();
        }
        return;
    }
    let _ = write!(text, "\n\nWarning : {warning}");
}

/// What SNS counts of a message, and the subject to be safe; the Binary attribute in its base64 form.
#[must_use]
pub fn size(message: &SnsMessage) -> usize {
    let attributes: usize = message
        .attributes
        .iter()
        .map(|attribute| {
            let value = match &attribute.value {
                AttributeValue::Text(text) | AttributeValue::Texts(text) => text.len(),
                AttributeValue::Binary(json) => json.len().div_ceil(3) * 4,
            };
            attribute.name.len() + attribute.value.data_type().len() + value
        })
        .sum();
    message.subject.as_deref().map_or(0, str::len) + message.message.len() + attributes
}

/// Puts messages into as few `PublishBatch` calls as their order allows.
#[must_use]
pub fn batches<M: Borrow<SnsMessage>>(messages: Vec<M>) -> Vec<Vec<M>> {
    let mut batches: Vec<Vec<M>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        let own = size(message.borrow());
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_MAX_MESSAGES && bytes + own <= MESSAGE_MAX_BYTES => {
                bytes += own;
                batch.push(message);
            }
            _ => {
                bytes = own;
                batches.push(vec![message]);
            }
        }
    }
    batches
}

fn fitting(alerts: &[&Alert], options: &SnsOptions) -> Option<SnsMessage> {
    let size = if alerts.len() > 1 { size_in_envelope } else { size };
    [Copies::Kept, Copies::LeftOut]
        .into_iter()
        .map(|copies| build(alerts, options, copies))
        .find(|message| size(message) <= MESSAGE_MAX_BYTES)
}

/// The envelope is JSON, in which a line break or a quote takes two bytes.
fn size_in_envelope(message: &SnsMessage) -> usize {
    let escapes = |text: &str| Value::from(text).to_string().len() - text.len();
    let attributes = message.attributes.iter().map(|attribute| match &attribute.value {
        AttributeValue::Text(text) | AttributeValue::Texts(text) => escapes(text),
        AttributeValue::Binary(_) => 0,
    });
    size(message) + escapes(&message.message) + attributes.sum::<usize>() + ENVELOPE_ROOM_BYTES
}

/// `alerts` has at least one, and if it has more they share their group.
fn build(alerts: &[&Alert], options: &SnsOptions, copies: Copies) -> SnsMessage {
    let warning = options.warning.as_deref().map(|warning| safe::one_line(warning, WARNING_MAX_CHARS));
    let text = text::text(alerts, options, warning.as_deref());
    let name = match alerts {
        [first, _, ..] => format!("{} (+{} more)", safe::one_line(&first.name, 80), alerts.len() - 1),
        _ => alerts.first().map(|alert| alert.name.clone()).unwrap_or_default(),
    };
    let mut attributes: Vec<Attribute> = [
        values_attribute("source", alerts, |alert| source_word(&alert.source)),
        values_attribute("alertname", alerts, |alert| alert.name.clone()),
        values_attribute("status", alerts, |alert| status(&[alert]).to_owned()),
        values_attribute("severity", alerts, |alert| alert.labels.get("severity").to_owned()),
        values_attribute("grafana_folder", alerts, |alert| alert.labels.get("grafana_folder").to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if let Some(json) = payload::json(alerts, warning.as_deref(), copies) {
        attributes.push(Attribute { name: PAYLOAD_ATTRIBUTE, value: AttributeValue::Binary(json) });
    }
    SnsMessage {
        subject: safe::subject(&name),
        group_id: group_id(alerts),
        dedup_id: dedup_id(alerts, &text, options),
        message: text,
        attributes,
    }
}

/// Every value that one of the alerts has, so that a policy which names it takes the group as well: SNS compares each.
fn values_attribute(
    name: &'static str,
    alerts: &[&Alert],
    value: impl Fn(&Alert) -> String,
) -> Option<Attribute> {
    let mut known = HashSet::new();
    let values: Vec<String> = alerts
        .iter()
        .map(|alert| safe::attribute(&value(alert)))
        .filter(|value| !value.is_empty() && known.insert(value.clone()))
        .collect();
    let value = match &values[..] {
        [] => return None,
        [only] => AttributeValue::Text(only.clone()),
        _ => AttributeValue::Texts(Value::from(values).to_string()),
    };
    Some(Attribute { name, value })
}

fn source_word(source: &Source) -> String {
    match source {
        Source::CloudWatch => "cloudwatch".to_owned(),
        Source::Grafana => "grafana".to_owned(),
        Source::Alertmanager => "alertmanager".to_owned(),
        Source::Aws(service) => service.to_lowercase(),
        Source::Own => "relay".to_owned(),
        Source::Unknown => "unknown".to_owned(),
    }
}

/// Alertmanager's rule: a group fires as long as one of its alerts does.
fn status(alerts: &[&Alert]) -> &'static str {
    if alerts.iter().all(|alert| alert.state == State::Resolved) { "resolved" } else { "firing" }
}

fn group_id(alerts: &[&Alert]) -> String {
    let Some(first) = alerts.first() else { return "none".to_owned() };
    if alerts.len() > 1 {
        let key = first.payload.as_ref().and_then(|payload| payload.group.get("groupKey")?.as_str());
        return format!("group-{}", hash(&[key.unwrap_or(&first.name)]));
    }
    match &first.key {
        // The sender's own id is what people can look for. Two senders that share one share no more than an order.
        Some(AlertKey::Rule { fingerprint, .. }) if safe::is_fifo_id(fingerprint) => fingerprint.clone(),
        Some(key) => format!("alert-{}", hash(&[&key.to_string()])),
        None => format!("alert-{}", hash(&[&first.name])),
    }
}

fn dedup_id(alerts: &[&Alert], text: &str, options: &SnsOptions) -> String {
    let moment =
        |time: Option<DateTime<Utc>>| time.map(|time| format!("-{}", stamp(time))).unwrap_or_default();
    let first = alerts.first();
    format!(
        "{}{}{}-{}",
        status(alerts),
        moment(first.and_then(|alert| alert.starts_at)),
        moment(first.and_then(|alert| alert.ends_at)),
        hash(&[text, &stamp(options.sent_at), &alerts.len().to_string()])
    )
}

fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dT%H%M%S%.3fZ").to_string()
}
