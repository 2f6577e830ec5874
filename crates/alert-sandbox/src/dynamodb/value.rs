//! Attribute values, as the wire has them and as they are compared. Of DynamoDB's types the sandbox knows the scalars and
//! sets of strings.

use std::collections::{BTreeMap, BTreeSet};

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
    Ss(BTreeSet<String>),
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
            "SS" => Self::strings(value.as_array().ok_or_else(DynamoDbError::malformed)?),
            kind => Err(DynamoDbError::unknown(&format!("values of the type {kind}"))),
        }
    }

    fn strings(values: &[Value]) -> Result<Self, DynamoDbError> {
        let mut set = BTreeSet::new();
        if values.is_empty() {
            let empty = "One or more parameter values were invalid: An string set  may not be empty";
            return Err(DynamoDbError::validation(empty));
        }
        for value in values {
            if !set.insert(value.as_str().ok_or_else(DynamoDbError::malformed)?.to_owned()) {
                let all: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
                return Err(DynamoDbError::validation(format!(
                    "One or more parameter values were invalid: Input collection [{}] contains duplicates.",
                    all.join(", ")
                )));
            }
        }
        Ok(Self::Ss(set))
    }

    fn json(&self) -> Value {
        match self {
            Self::S(text) => json!({"S": text}),
            Self::N(number) => json!({"N": number.to_string()}),
            Self::B(bytes) => json!({"B": BASE64.encode(bytes)}),
            Self::Bool(value) => json!({"BOOL": value}),
            Self::Null => json!({"NULL": true}),
            Self::Ss(texts) => json!({"SS": texts}),
        }
    }

    /// As the errors show it: `{N:1}`.
    pub(super) fn shown(&self) -> String {
        let value = match self {
            Self::S(text) => text.clone(),
            Self::N(number) => number.to_string(),
            other => return other.json().to_string(),
        };
        format!("{{{}:{value}}}", self.kind())
    }

    /// How long a text or bytes are.
    pub(super) fn text_bytes(&self) -> Option<usize> {
        match self {
            Self::S(text) => Some(text.len()),
            Self::B(bytes) => Some(bytes.len()),
            _ => None,
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
            Self::Ss(_) => "SS",
        }
    }

    /// The type, as an error of `ADD` calls it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "STRING",
            Self::N(_) => "NUMBER",
            Self::B(_) => "BINARY",
            Self::Bool(_) => "BOOLEAN",
            Self::Null => "NULL",
            Self::Ss(_) => "STRING_SET",
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
            Self::Ss(texts) => texts.iter().map(String::len).sum(),
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
