//! Reading foreign JSON: every text from outside is parsed here.
//!
//! Good JSON is read as it is, and at no other cost; only what serde_json refuses is repaired and read again.

mod repair;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};

/// Reads a JSON text, repaired where it has to be.
pub(crate) fn from_str<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    serde_json::from_str(text).or_else(|error| match repair::repaired(text) {
        Cow::Owned(repaired) => serde_json::from_str(&repaired),
        Cow::Borrowed(_) => Err(error),
    })
}

/// A value, with its texts where they were; escaped ones alone are copied.
///
/// Of an envelope little is looked at, and its message alone is kept.
#[derive(Debug)]
pub(crate) enum Json<'t> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'t, str>),
    List(Vec<Json<'t>>),
    Object(Object<'t>),
}

impl<'t> Json<'t> {
    /// Reads a JSON text as [`from_str`] does; `None` where it is no JSON. `repaired` keeps the text that had to be repaired.
    pub(crate) fn parse(text: &'t str, repaired: &'t mut String) -> Option<Self> {
        if let Ok(json) = serde_json::from_str(text) {
            return Some(json);
        }
        let Cow::Owned(better) = repair::repaired(text) else { return None };
        *repaired = better;
        serde_json::from_str(repaired).ok()
    }

    /// An object's member.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    pub(crate) fn as_object(&self) -> Option<&Object<'t>> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_))
    }
}

/// Members as they came. There are few, so that a look at each finds one sooner than a hash does; of those with the
/// same name the last counts.
#[derive(Debug)]
pub(crate) struct Object<'t>(Vec<(Cow<'t, str>, Json<'t>)>);

impl<'t> Object<'t> {
    pub(crate) fn get(&self, key: &str) -> Option<&Json<'t>> {
        self.iter().rev().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    pub(crate) fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Json<'t>> {
        let at = self.0.iter().rposition(|(name, _)| name == key)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&str, &Json<'t>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }
}

impl From<Json<'_>> for Value {
    fn from(json: Json<'_>) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => Self::Number(number),
            Json::Text(text) => Self::String(text.into_owned()),
            Json::List(items) => items.into_iter().map(Self::from).collect(),
            Json::Object(object) => object.into(),
        }
    }
}

impl From<Object<'_>> for Value {
    fn from(object: Object<'_>) -> Self {
        object.0.into_iter().map(|(name, value)| (name.into_owned(), Self::from(value))).collect()
    }
}

/// A member's name; serde borrows a [`Cow`] only where it is told to.
#[derive(serde::Deserialize)]
struct Name<'t>(#[serde(borrow)] Cow<'t, str>);

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = access.next_entry()? {
            members.push((name, value));
        }
        Ok(Json::Object(Object(members)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_value_as_any_other_reader_has() {
        for text in [
            "null",
            r#"[true, -1, 18446744073709551615, 1.5, 1e300, "a\n\"b", []]"#,
            r#"{"b": 1, "a": {"b": "x"}, "b\u0061": null, "b": [2]}"#,
        ] {
            let json: Json<'_> = serde_json::from_str(text).unwrap();
            assert_eq!(Value::from(json).to_string(), text.parse::<Value>().unwrap().to_string());
        }
        for text in ["", "{", "{\"a\": 1,}", "01", "1e400", "[1] 2"] {
            assert!(serde_json::from_str::<Json<'_>>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_had_to_be_repaired_is_read_as_well() {
        let mut repaired = String::new();
        let json = Json::parse(r#"{"a": "\ud83d", "b": [1e999]}"#, &mut repaired).unwrap();
        assert_eq!(json.get("a").and_then(Json::as_text), Some("\u{fffd}"));
        assert_eq!(from_str::<Value>(r#"{"a": "\ud83d"}"#).unwrap()["a"], "\u{fffd}");
        assert!(Json::parse(r#"{"a": "\ud83d"#, &mut String::new()).is_none());
        assert!(from_str::<Value>(r#"{"a": "\ud83d"#).is_err());
    }

    #[test]
    fn the_last_of_a_name_counts() {
        let json: Json<'_> = serde_json::from_str(r#"{"a": "first", "a": "last"}"#).unwrap();
        assert_eq!(json.get("a").and_then(Json::as_text), Some("last"));
        let Json::Object(mut object) = json else { panic!("no object") };
        assert_eq!(object.remove("a").as_ref().and_then(Json::as_text), Some("last"));
    }
}
