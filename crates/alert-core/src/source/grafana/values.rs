//! Named values: `values` of the webhook, the only place of a NaN (`valueString`), and both as a text.

use std::cmp::Ordering;

use serde_json::{Map, Value};

/// What Grafana reports for every query where there was no result.
const NO_RESULT: f64 = -1.0;

/// Reads `values`, or `valueString` where that is null: one NaN makes Grafana lose the whole of `values`.
pub(super) fn read(alert: &Map<String, Value>) -> Vec<(String, String)> {
    if let Some(Value::Object(values)) = alert.get("values")
        && !values.is_empty()
    {
        return values
            .iter()
            .filter_map(|(name, value)| match value {
                Value::Null => None,
                Value::String(text) => Some((name.clone(), text.clone())),
                other => Some((name.clone(), other.to_string())),
            })
            .collect();
    }
    alert.get("valueString").and_then(Value::as_str).map(read_value_string).unwrap_or_default()
}

/// Reads `[ var='B' labels={instance=a} type='reduce' value=44.2 ], [ … ]`; classic conditions add `metric='…'`.
pub(super) fn read_value_string(text: &str) -> Vec<(String, String)> {
    let text = text.trim();
    let text = text.strip_prefix('[').unwrap_or(text);
    let text = text.strip_suffix(']').unwrap_or(text);
    text.split("], [")
        .filter_map(|part| {
            // Labels stand before the value, so the last one is it.
            let (front, value) = part.rsplit_once(" value=")?;
            let name = quoted(front, "var='").or_else(|| quoted(front, "metric='"))?;
            let value = value.trim();
            (value != "null" && !value.is_empty()).then(|| (name.to_owned(), value.to_owned()))
        })
        .collect()
}

/// Reads `B=44.2, C=1`, the form of texts; `[no value]` and `-` say that there is none.
pub(super) fn read_line(line: &str) -> Vec<(String, String)> {
    let line = line.trim();
    if line.starts_with("[ ") {
        return read_value_string(line);
    }
    line.split(", ")
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .filter(|(name, value)| !name.is_empty() && !value.is_empty())
        .collect()
}

/// Values as people read them, in their natural order; `has_no_result` where a -1 only says that there is none.
pub(super) fn shown(values: &[(String, String)], has_no_result: bool) -> Vec<(String, String)> {
    let mut shown: Vec<(String, String)> = values
        .iter()
        .filter_map(|(name, text)| match text.parse::<f64>() {
            #[allow(clippy::float_cmp)] // Exactly -1 is the question.
            Ok(value) if has_no_result && value == NO_RESULT => None,
            Ok(value) if value.is_finite() => Some((name.clone(), crate::number::plain(value))),
            _ => Some((name.clone(), text.clone())),
        })
        .collect();
    shown.sort_by(|(a, _), (b, _)| natural(a, b));
    shown
}

fn quoted<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let text = text.trim_start();
    let at = if text.starts_with(start) { 0 } else { text.find(start)? };
    text[at + start.len()..].split('\'').next().filter(|name| !name.is_empty())
}

/// B2 before B10.
fn natural(a: &str, b: &str) -> Ordering {
    let key = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let number = name[stem.len()..].parse::<u64>().ok();
        (stem, number)
    };
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn value_strings_of_every_age() {
        for (text, expected) in [
            ("", &[][..]),
            (
                "[ var='B' labels={instance=a} value=44.2 ], [ var='C' labels={} value=1 ]",
                &[("B", "44.2"), ("C", "1")],
            ),
            ("[ var='B' labels={} type='reduce' value=NaN ]", &[("B", "NaN")]),
            ("[ var='B0' metric='Value' labels={a=x value=7 ]} value=3 ]", &[("B0", "3")]),
            ("[ metric='cpu' labels={} value=2 ]", &[("cpu", "2")]),
            ("[ var='A' labels={} value=null ]", &[]),
            ("[ var='B0' metric='m' value=1 ]", &[("B0", "1")]),
            ("nonsense", &[]),
        ] {
            assert_eq!(read_value_string(text), pairs(expected), "{text}");
        }
    }

    #[test]
    fn lines_of_texts() {
        assert_eq!(read_line("B=44.2, C=1"), pairs(&[("B", "44.2"), ("C", "1")]));
        assert_eq!(read_line("[no value]"), pairs(&[]));
        assert_eq!(read_line("-"), pairs(&[]));
        assert_eq!(read_line("[ var='B0' metric='n' labels={} value=0 ]"), pairs(&[("B0", "0")]));
    }

    #[test]
    fn minus_one_is_a_value_unless_there_was_no_result() {
        let values = pairs(&[("B10", "-1"), ("B2", "0.30000000000000004"), ("C", "NaN")]);
        assert_eq!(shown(&values, false), pairs(&[("B2", "0.3"), ("B10", "-1"), ("C", "NaN")]));
        assert_eq!(shown(&values, true), pairs(&[("B2", "0.3"), ("C", "NaN")]));
    }
}
