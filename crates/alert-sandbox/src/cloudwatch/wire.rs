//! The two protocols: Smithy RPC v2 CBOR, which the SDKs speak today, and AWS JSON 1.0, which the service takes as well.
//!
//! Inside, everything is JSON with moments in seconds, as AWS JSON has them. CBOR knows more types, and which one a
//! number has follows from its member's name.

use axum::http::HeaderMap;
use ciborium::Value as Cbor;
use serde_json::{Map, Number, Value};

use super::error::CloudWatchError;

/// The tag of a moment in seconds (RFC 8949, 3.4.2).
const EPOCH_TAG: u64 = 1;

/// What a request is written in, and so its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Cbor,
    Json,
}

impl Protocol {
    /// A path of RPC v2 alone is not enough: the header names the encoding.
    pub(super) fn of_rpc(headers: &HeaderMap) -> Option<Self> {
        (headers.get("smithy-protocol")? == "rpc-v2-cbor").then_some(Self::Cbor)
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Cbor => "application/cbor",
            Self::Json => "application/x-amz-json-1.0",
        }
    }

    pub(super) fn decode(self, body: &[u8]) -> Result<Map<String, Value>, CloudWatchError> {
        let value = match self {
            Self::Cbor => ciborium::from_reader::<Cbor, _>(body).ok().and_then(from_cbor),
            Self::Json => serde_json::from_slice(body).ok(),
        };
        match value {
            Some(Value::Object(members)) => Ok(members),
            _ => Err(CloudWatchError::malformed()),
        }
    }

    pub(super) fn encode(self, answer: &Value) -> Vec<u8> {
        match self {
            Self::Cbor => {
                let mut bytes = Vec::new();
                // Writing to memory cannot fail.
                let _ = ciborium::into_writer(&to_cbor("", answer), &mut bytes);
                bytes
            }
            Self::Json => answer.to_string().into_bytes(),
        }
    }
}

fn from_cbor(value: Cbor) -> Option<Value> {
    Some(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => value.into(),
        Cbor::Text(text) => text.into(),
        Cbor::Float(value) => Number::from_f64(value)?.into(),
        Cbor::Integer(value) => i64::try_from(i128::from(value)).ok()?.into(),
        Cbor::Tag(EPOCH_TAG, moment) => from_cbor(*moment).filter(Value::is_number)?,
        Cbor::Array(items) => items.into_iter().map(from_cbor).collect::<Option<Vec<_>>>()?.into(),
        Cbor::Map(pairs) => {
            let member = |(name, value): (Cbor, Cbor)| Some((name.into_text().ok()?, from_cbor(value)?));
            pairs.into_iter().map(member).collect::<Option<Map<_, _>>>()?.into()
        }
        _ => return None,
    })
}

/// The items of a list have the list's name.
fn to_cbor(name: &str, value: &Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(*value),
        Value::String(text) => Cbor::Text(text.clone()),
        Value::Number(number) => {
            let number = match number.as_i64() {
                Some(number) if !is_double(name) => Cbor::Integer(number.into()),
                _ => Cbor::Float(number.as_f64().unwrap_or_default()),
            };
            if is_moment(name) { Cbor::Tag(EPOCH_TAG, Box::new(number)) } else { number }
        }
        Value::Array(items) => Cbor::Array(items.iter().map(|item| to_cbor(name, item)).collect()),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| (Cbor::Text(name.clone()), to_cbor(name, value));
            Cbor::Map(members.iter().map(member).collect())
        }
    }
}

/// The members of the answers that are doubles even where they are whole.
fn is_double(name: &str) -> bool {
    matches!(name, "Threshold" | "Values")
}

/// The members that are moments.
pub(super) fn is_moment(name: &str) -> bool {
    name.ends_with("Timestamp")
        || name.ends_with("Timestamps")
        || matches!(name, "StartDate" | "EndDate" | "ExpireDate")
}
