//! Attribute values, as the wire has them and as they are compared. Of DynamoDB's types the sandbox knows the scalars.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::error::DynamoDbError;
use super::number::Number;

/// An attribute's value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AttributeValue {
    S(String),
    N(Number),
    B(Vec<u8>),
    Bool(bool),
    Null,
}

/// An item: its attributes by name.
pub(super) type Item = BTreeMap<String, AttributeValue>;

impl AttributeValue {
    /// Reads `{"S": "text"}`.
    pub(super) fn from_json(value: &Value) -> Result<Self, DynamoDbError> {
        let types = value.as_object().ok_or_else(DynamoDbError::malformed)?;
        let mut types = types.iter();
        let empty = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes";
        let (kind, value) = types.next().ok_or_else(|| DynamoDbError::validation(empty))?;
        if types.next().is_some() {
            let many = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes";
            return Err(DynamoDbError::validation(many));
        }
        let text = || value.as_str().ok_or_else(DynamoDbError::malformed);
        match kind.as_str() {
            "S" => Ok(Self::S(text()?.to_owned())),
            "N" => Number::parse(text()?).map(Self::N).map_err(DynamoDbError::validation),
            "B" => BASE64.decode(text()?).map(Self::B).map_err(|_| DynamoDbError::malformed()),
            "BOOL" => value.as_bool().map(Self::Bool).ok_or_else(DynamoDbError::malformed),
            "NULL" if value == &Value::Bool(true) => Ok(Self::Null),
            "NULL" if value.is_boolean() => Err(DynamoDbError::invalid_parameter(
                "Null attribute value types must have the value of true",
            )),
            "NULL" => Err(DynamoDbError::malformed()),
            kind => Err(DynamoDbError::unknown(&format!("values of the type {kind}"))),
        }
    }

    fn json(&self) -> Value {
        match self {
            Self::S(text) => json!({"S": text}),
            Self::N(number) => json!({"N": number.to_string()}),
            Self::B(bytes) => json!({"B": BASE64.encode(bytes)}),
            Self::Bool(value) => json!({"BOOL": value}),
            Self::Null => json!({"NULL": true}),
        }
    }

    /// The type, in the wire's letters.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
        }
    }

    /// Bytes (Developer Guide, "Item sizes and formats").
    fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            // One byte for two digits, and one more.
            Self::N(number) => number.digits().div_ceil(2) + 1,
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
        }
    }
}

/// Reads an object of attribute values.
pub(super) fn item_from_json(value: &Value) -> Result<Item, DynamoDbError> {
    let attributes = value.as_object().ok_or_else(DynamoDbError::malformed)?;
    let read = |(name, value): (&String, &Value)| Ok((name.clone(), AttributeValue::from_json(value)?));
    attributes.iter().map(read).collect()
}

/// The item as the wire has it.
pub(super) fn item_json(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), value.json())).collect::<Map<_, _>>().into()
}

/// The bytes that count for the limit of an item: names and values.
pub(super) fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}
