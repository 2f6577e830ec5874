//! Reading JSON into a type whose every field is optional, without losing the whole for a part.
//!
//! Services add fields and hand-made publishers get types wrong. A field of the wrong type is left out and named, the
//! rest is read.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::json;

/// Beyond this many unreadable fields it is another kind of message.
const UNREAD_MAX: usize = 32;

/// A value, and what of the input could not be read into it.
#[derive(Debug)]
pub(crate) struct Read<T> {
    pub(crate) value: T,
    /// One line each: where, what was expected, what came.
    pub(crate) unread: Vec<String>,
}

/// Reads a JSON text.
///
/// `None` where it is not JSON, or not of the type at all.
pub(crate) fn from_str<T: DeserializeOwned>(text: &str) -> Option<Read<T>> {
    match serde_json::from_str(text) {
        Ok(value) => Some(Read { value, unread: Vec::new() }),
        Err(_) => from_value(json::from_str(text).ok()?),
    }
}

/// Reads a JSON value.
///
/// `None` where it is not of the type at all.
pub(crate) fn from_value<T: DeserializeOwned>(mut value: Value) -> Option<Read<T>> {
    let mut unread = Vec::new();
    while unread.len() < UNREAD_MAX {
        match serde_path_to_error::deserialize(&value) {
            Ok(read) => return Some(Read { value: read, unread }),
            Err(error) => {
                if !remove(&mut value, error.path()) {
                    return None;
                }
                unread.push(format!("{}: {}", error.path(), error.inner()));
            }
        }
    }
    None
}

/// Takes the value at `path` away: null in an object, gone from an array. False where there is no such place, or it is
/// null already (then the type wants something there).
fn remove(root: &mut Value, path: &Path) -> bool {
    let mut steps: Vec<&Segment> = path.iter().collect();
    let Some(last) = steps.pop() else { return false };
    let mut parent = root;
    for step in steps {
        let next = match step {
            Segment::Seq { index } => parent.get_mut(*index),
            Segment::Map { key } => parent.get_mut(key.as_str()),
            Segment::Enum { .. } | Segment::Unknown => None,
        };
        match next {
            Some(next) => parent = next,
            None => return false,
        }
    }
    match (last, parent) {
        (Segment::Seq { index }, Value::Array(items)) if *index < items.len() => {
            items.remove(*index);
            true
        }
        (Segment::Map { key }, Value::Object(object)) => object.remove(key.as_str()).is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Outer {
        name: Option<String>,
        #[serde(default)]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize)]
    struct Item {
        size: Option<f64>,
    }

    #[test]
    fn one_wrong_field_costs_that_field() {
        let read: Read<Outer> =
            from_str(r#"{"name":"n","items":[{"size":1},7,{"size":"x"},{"size":2.5}]}"#).unwrap();
        assert_eq!(read.value.name.as_deref(), Some("n"));
        let sizes: Vec<_> = read.value.items.iter().map(|item| item.size).collect();
        assert_eq!(sizes, [Some(1.0), None, Some(2.5)]);
        assert_eq!(read.unread.len(), 2, "{:?}", read.unread);
        assert!(read.unread[1].starts_with("items[1].size: invalid type: string \"x\""), "{:?}", read.unread);
    }

    #[test]
    fn another_kind_of_message_is_none() {
        assert!(from_str::<Outer>("[]").is_none_or(|read| read.value.name.is_none()));
        assert!(from_str::<Outer>("{").is_none());
        assert!(from_str::<Outer>("42").is_none());
    }
}
