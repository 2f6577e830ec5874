//! What SNS accepts as a message.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::SnsError;

/// Message and attributes of one message, and of all messages of a batch together.
pub const MESSAGE_MAX_BYTES: usize = 262_144;
/// Documented as "less than 100", observed to accept 100.
pub const SUBJECT_MAX_CHARS: usize = 100;
/// Entries of a batch.
pub const BATCH_MAX_ENTRIES: usize = 10;
/// The id of a batch entry.
pub const ENTRY_ID_MAX_CHARS: usize = 80;
/// The name of an attribute.
pub const ATTRIBUTE_NAME_MAX_CHARS: usize = 256;
/// `MessageGroupId` and `MessageDeduplicationId`.
pub const FIFO_ID_MAX_CHARS: usize = 128;

/// The value of a message attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MessageAttribute {
    /// `String`, `String.Array`, `Number` or `Binary`.
    pub data_type: String,
    /// The value, for all but `Binary`.
    pub string_value: Option<String>,
    /// The value of a `Binary` in base64, as it travels.
    pub binary_value: Option<String>,
}

impl MessageAttribute {
    /// A `String`.
    #[must_use]
    pub fn string(value: impl Into<String>) -> Self {
        Self { data_type: "String".to_owned(), string_value: Some(value.into()), binary_value: None }
    }

    /// A `Binary`.
    #[must_use]
    pub fn binary(value: impl AsRef<[u8]>) -> Self {
        let value = BASE64.encode(value);
        Self { data_type: "Binary".to_owned(), string_value: None, binary_value: Some(value) }
    }

    /// The value as text: itself, or base64.
    #[must_use]
    pub fn value(&self) -> &str {
        self.string_value.as_deref().or(self.binary_value.as_deref()).unwrap_or_default()
    }
}

/// A message as it is published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// The message itself.
    pub message: String,
    /// The subject of e-mails.
    pub subject: Option<String>,
    /// `json`, when the message holds one text for each protocol.
    pub structure: Option<String>,
    /// The attributes.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// Required on a FIFO topic.
    pub group_id: Option<String>,
    /// For FIFO topics only.
    pub deduplication_id: Option<String>,
}

impl Message {
    /// A message with nothing else.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }

    /// What counts against [`MESSAGE_MAX_BYTES`]. A binary value counts as it travels, in base64: AWS does
    /// not say how it counts it, and this is the stricter reading.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let attributes = self.attributes.iter();
        let sizes = attributes.map(|(name, a)| name.len() + a.data_type.len() + a.value().len());
        self.message.len() + sizes.sum::<usize>()
    }

    /// The text for one protocol out of a message with one text for each.
    pub(super) fn text_for(&self, protocol: &str) -> String {
        let texts = self.structure.as_deref().and_then(|_| serde_json::from_str::<Value>(&self.message).ok());
        let text = texts.and_then(|texts| {
            let text = texts.get(protocol).or_else(|| texts.get("default"))?;
            text.as_str().map(str::to_owned)
        });
        text.unwrap_or_else(|| self.message.clone())
    }

    /// The attributes that subscribers get: none beside a message structure.
    pub(super) fn sent_attributes(&self) -> BTreeMap<String, MessageAttribute> {
        if self.structure.is_some() { BTreeMap::new() } else { self.attributes.clone() }
    }
}

type Check = Result<(), SnsError>;

/// What is checked for each message, of a batch too; the size is not.
pub(super) fn check(message: &Message) -> Check {
    if message.message.is_empty() {
        return Err(SnsError::invalid("Empty message"));
    }
    if message.subject.as_deref().is_some_and(|subject| !is_subject(subject)) {
        return Err(SnsError::invalid("Subject"));
    }
    check_structure(message)?;
    message.attributes.iter().try_for_each(|(name, attribute)| check_attribute(name, attribute))
}

fn is_subject(subject: &str) -> bool {
    let count = subject.chars().count();
    (1..=SUBJECT_MAX_CHARS).contains(&count) && !subject.chars().any(char::is_control)
}

fn check_structure(message: &Message) -> Check {
    match message.structure.as_deref() {
        None => Ok(()),
        Some("json") => match serde_json::from_str::<Value>(&message.message) {
            Err(_) => Err(SnsError::invalid("Message Structure - JSON message body failed to parse")),
            Ok(texts) if texts.get("default").is_none_or(|text| !text.is_string()) => {
                Err(SnsError::invalid("Message Structure - No default entry in JSON message body"))
            }
            Ok(_) => Ok(()),
        },
        Some(_) => Err(SnsError::invalid("MessageStructure Reason: Invalid message structure type")),
    }
}

/// The identifiers that FIFO topics require and standard topics do not have.
pub(super) fn check_fifo(message: &Message, fifo: bool, content_based: bool) -> Check {
    let bad = |id: &Option<String>| id.as_deref().is_some_and(|id| !is_fifo_id(id));
    if bad(&message.group_id) {
        return Err(SnsError::invalid("MessageGroupId"));
    }
    if !fifo {
        return match message.deduplication_id {
            None => Ok(()),
            Some(_) => Err(SnsError::invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is \
                 not valid for this topic type",
            )),
        };
    }
    if message.group_id.is_none() {
        return Err(SnsError::invalid("The MessageGroupId parameter is required for FIFO topics"));
    }
    if message.deduplication_id.is_none() && !content_based {
        return Err(SnsError::invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided \
             explicitly",
        ));
    }
    if bad(&message.deduplication_id) {
        return Err(SnsError::invalid("MessageDeduplicationId"));
    }
    Ok(())
}

fn is_fifo_id(id: &str) -> bool {
    (1..=FIFO_ID_MAX_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

pub(super) fn is_entry_id(id: &str) -> bool {
    (1..=ENTRY_ID_MAX_CHARS).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn check_attribute(name: &str, attribute: &MessageAttribute) -> Check {
    let refuse = |why: &str| Err(SnsError::attribute(format!("The message attribute '{name}' {why}.")));
    if !is_attribute_name(name) {
        return refuse("has an invalid name");
    }
    let data_type = attribute.data_type.as_str();
    if !["String", "String.Array", "Number", "Binary"].contains(&data_type) {
        return refuse(
            "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and \
             String",
        );
    }
    let (value, other) = if data_type == "Binary" {
        (&attribute.binary_value, &attribute.string_value)
    } else {
        (&attribute.string_value, &attribute.binary_value)
    };
    let Some(value) = value.as_deref().filter(|value| !value.is_empty() && other.is_none()) else {
        return refuse(&format!(
            "must contain non-empty message attribute value for message attribute type '{data_type}'"
        ));
    };
    let valid = match data_type {
        "Binary" => BASE64.decode(value).is_ok(),
        "Number" => value.parse::<f64>().is_ok_and(f64::is_finite),
        "String.Array" => {
            is_text(value)
                && serde_json::from_str::<Vec<Value>>(value)
                    .is_ok_and(|values| !values.iter().any(|value| value.is_array() || value.is_object()))
        }
        _ => is_text(value),
    };
    if valid { Ok(()) } else { refuse("has an invalid value") }
}

fn is_attribute_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (1..=ATTRIBUTE_NAME_MAX_CHARS).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
}

/// The characters of XML within the Basic Multilingual Plane: #x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD].
fn is_text(value: &str) -> bool {
    value.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}'))
}
