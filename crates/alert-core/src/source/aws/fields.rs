//! Reading JSON whose fields may be missing or of the wrong type: such a field is left out, and named.

use std::cell::RefCell;
use std::rc::Rc;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

use crate::{number, time};

/// A JSON value that is read field by field.
pub(super) struct Fields<'v> {
    value: &'v Value,
    /// Where this value stands in the whole, for the notes.
    place: String,
    unread: Rc<RefCell<Vec<String>>>,
}

impl<'v> Fields<'v> {
    /// A whole message.
    pub(super) fn new(value: &'v Value) -> Self {
        Self { value, place: String::new(), unread: Rc::default() }
    }

    /// The value itself.
    pub(super) fn value(&self) -> &'v Value {
        self.value
    }

    /// Whether there are any fields.
    pub(super) fn is_object(&self) -> bool {
        self.value.is_object()
    }

    /// The text at a path of keys with dots between them; a number is taken as its text. An empty text is none.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        let text = match self.at(path)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), whole_or_plain),
            other => return self.wrong(path, "a text", other),
        };
        (!text.is_empty()).then_some(text)
    }

    /// The number at a path; a text that is a number is one.
    pub(super) fn number(&self, path: &str) -> Option<f64> {
        let value = self.at(path)?;
        let number = match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) if text.trim().is_empty() => return None,
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        number
            .filter(|number: &f64| number.is_finite())
            .map_or_else(|| self.wrong(path, "a number", value), Some)
    }

    /// The moment at a path.
    pub(super) fn time(&self, path: &str) -> Option<DateTime<Utc>> {
        let value = self.at(path)?;
        time::read_value(&self.place_of(path), value, moment, &mut self.unread.borrow_mut())
    }

    /// Whether the field is there and true; `"true"` is true.
    pub(super) fn is_true(&self, path: &str) -> bool {
        match self.at(path) {
            Some(Value::Bool(value)) => *value,
            Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// The object at a path.
    pub(super) fn object(&self, path: &str) -> Option<Self> {
        let value = self.at(path)?;
        if value.is_object() { Some(self.child(path, value)) } else { self.wrong(path, "an object", value) }
    }

    /// Every item of the list at a path, whatever it is.
    pub(super) fn items(&self, path: &str) -> Vec<Self> {
        match self.at(path) {
            Some(Value::Array(items)) => items
                .iter()
                .enumerate()
                .map(|(index, item)| self.child(&format!("{path}[{index}]"), item))
                .collect(),
            Some(other) => {
                self.wrong::<()>(path, "a list", other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The texts of the list at a path; a single text is a list of one.
    pub(super) fn texts(&self, path: &str) -> Vec<String> {
        if let Some(Value::String(_)) = self.at(path) {
            return self.text(path).into_iter().collect();
        }
        self.items(path).iter().filter_map(|item| item.text("")).collect()
    }

    /// What could not be read so far, one line each.
    pub(super) fn unread(&self) -> Vec<String> {
        self.unread.borrow().clone()
    }

    fn child(&self, path: &str, value: &'v Value) -> Self {
        Self { value, place: self.place_of(path), unread: Rc::clone(&self.unread) }
    }

    /// The value at a path; null is none. The empty path is this value.
    fn at(&self, path: &str) -> Option<&'v Value> {
        let mut value = self.value;
        let mut walked = 0;
        for key in path.split('.').filter(|key| !key.is_empty()) {
            match value {
                Value::Object(object) => value = object.get(key)?,
                Value::Null => return None,
                other => return self.wrong(path.get(..walked).unwrap_or(path), "an object", other),
            }
            walked += key.len() + usize::from(walked > 0);
        }
        (!value.is_null()).then_some(value)
    }

    fn wrong<T>(&self, path: &str, expected: &str, value: &Value) -> Option<T> {
        let came = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let note = format!("{}: expected {expected}, but it is {came}", self.place_of(path));
        let mut unread = self.unread.borrow_mut();
        if !unread.contains(&note) {
            unread.push(note);
        }
        None
    }

    fn place_of(&self, path: &str) -> String {
        match (self.place.as_str(), path) {
            ("", "") => "detail".to_owned(),
            ("", path) => path.to_owned(),
            (place, "") => place.to_owned(),
            (place, path) => format!("{place}.{path}"),
        }
    }
}

/// A whole number with all its digits, any other as people read it.
fn whole_or_plain(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 { format!("{value:.0}") } else { number::plain(value) }
}

/// Reads a moment in any form that these services use.
///
/// Beyond [`time::parse`]: `Wed, 31 Jan 2024 02:00:00 GMT` (AWS Health), `Wed Sep 04 16:59:44.356 UTC 2024` and
/// `Mar 20, 2023, 6:08:05 PM` (Inspector), `Apr 23, 2020 12:59:22 AM` (CodeBuild), `2021-05-25` (Cost Anomaly Detection).
/// The name of the weekday is skipped: it says nothing, and hand-made messages get it wrong.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    const FORMS: [&str; 4] = [
        "%d %b %Y %H:%M:%S GMT",
        "%b %d %H:%M:%S%.f UTC %Y",
        "%b %d, %Y, %I:%M:%S %p",
        "%b %d, %Y %I:%M:%S %p",
    ];
    let text = text.trim();
    let without_weekday = match text.split_once(' ') {
        Some((weekday, rest)) if WEEKDAYS.contains(&weekday.trim_end_matches(',')) => rest,
        _ => text,
    };
    time::parse(text)
        .or_else(|| time::parse(&format!("{text}T00:00:00Z")))
        .or_else(|| {
            let read = |form| NaiveDateTime::parse_from_str(without_weekday, form).ok();
            FORMS.iter().find_map(|form| read(form)).map(|time| time.and_utc())
        })
        // Written out and read again, it has passed the same check for plausible years as every other.
        .and_then(|time| time::parse(&time.to_rfc3339()))
}

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_named_once() {
        let value = json!({"a": {"b": [1, "x", null]}, "n": "7.5", "flag": true, "empty": " ", "big": 1e300});
        let fields = Fields::new(&value);
        assert_eq!(fields.number("n"), Some(7.5));
        assert_eq!(fields.texts("a.b"), ["1", "x"]);
        assert_eq!(fields.text("empty"), None);
        assert_eq!(fields.text("missing.deep"), None);
        assert_eq!(fields.text("big").as_deref(), Some("1e300"));
        assert!(fields.unread().is_empty(), "{:?}", fields.unread());
        for _ in 0..2 {
            assert_eq!(fields.text("flag"), None);
            assert_eq!(fields.text("a.b.c"), None);
            assert_eq!(fields.number("a.b"), None);
            assert_eq!(fields.time("n"), None);
        }
        assert_eq!(
            fields.unread(),
            [
                "flag: expected a text, but it is true or false",
                "a.b: expected an object, but it is a list",
                "a.b: expected a number, but it is a list",
                "n: expected a time, got 7.5",
            ]
        );
    }

    #[test]
    fn moments_of_every_service() {
        let expected = moment("2024-09-04T16:59:44Z");
        assert!(expected.is_some());
        for text in [
            "Wed, 04 Sep 2024 16:59:44 GMT",
            "Fri, 4 Sep 2024 16:59:44 GMT",
            "Wed Sep 04 16:59:44.000 UTC 2024",
            "Sep 4, 2024, 4:59:44 PM",
            "Sep 4, 2024 4:59:44 PM",
            "2024-09-04 16:59:44.000",
        ] {
            assert_eq!(moment(text), expected, "{text}");
        }
        assert_eq!(moment("2024-09-04"), moment("2024-09-04T00:00:00Z"));
        for text in ["", "soon", "Sep", "0001-01-01", "Wed"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}
