//! The numbers that CloudWatch writes into its reasons.
//!
//! `reasonData` is JSON with the values oldest first; the sentence `NewStateReason` has them newest first, with dates
//! as dd/MM/yy. Both orders and forms are those of recorded alarms; AWS documents neither, so what does not fit is no
//! evidence and no error.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Deserialize;

use crate::alert::Missing;
use crate::{json, time};

/// The comparison with both ends of an anomaly band, in a word of ours: the sentence has a clause for each end.
pub(super) const OUTSIDE: &str = "outside";

/// What a reason proves.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Measured {
    /// Values, oldest first.
    pub(super) values: Vec<(f64, Option<DateTime<Utc>>)>,
    pub(super) threshold: Option<f64>,
    /// Of an anomaly band, for the newest value.
    pub(super) lower: Option<f64>,
    pub(super) upper: Option<f64>,
    pub(super) unit: Option<String>,
    /// How many values breached, of how many.
    pub(super) breaching_of: Option<(u64, u64)>,
    /// Values that did not come.
    pub(super) missing: Option<Missing>,
    /// From the sentence: `greater than`, `not greater than or equal to`, …, or [`OUTSIDE`].
    pub(super) comparison: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReasonData {
    unit: Option<String>,
    #[serde(default)]
    recent_datapoints: Vec<Option<f64>>,
    #[serde(default)]
    recent_lower_thresholds: Vec<Option<f64>>,
    #[serde(default)]
    recent_upper_thresholds: Vec<Option<f64>>,
    threshold: Option<f64>,
    #[serde(default)]
    evaluated_datapoints: Vec<EvaluatedDatapoint>,
}

#[derive(Deserialize)]
struct EvaluatedDatapoint {
    timestamp: Option<String>,
    value: Option<f64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Triggering {
    #[serde(default)]
    triggering_alarms: Vec<TriggeringAlarm>,
}

#[derive(Deserialize)]
struct TriggeringAlarm {
    arn: String,
    state: Option<TriggeringState>,
}

#[derive(Deserialize)]
struct TriggeringState {
    value: Option<String>,
}

/// The alarms, by ARN and state, that `reasonData` of a composite alarm names.
pub(super) fn triggering_alarms(data: &str) -> Vec<(String, Option<String>)> {
    json::from_str::<Triggering>(data)
        .map(|data| {
            let alarms = data.triggering_alarms.into_iter();
            alarms.map(|alarm| (alarm.arn, alarm.state.and_then(|state| state.value))).collect()
        })
        .unwrap_or_default()
}

/// The alarm, by ARN, and its new state out of a composite alarm's reason: `ARN transitioned to ALARM at …`.
pub(super) fn transition(sentence: &str) -> Option<(&str, &str)> {
    // Asked first, because most reasons are no such sentence.
    if !sentence.starts_with("arn:") {
        return None;
    }
    let (arn, rest) = sentence.split_once(" transitioned to ")?;
    let (state, _) = rest.split_once(" at ")?;
    (!state.contains(' ')).then_some((arn, state))
}

/// Reads both; the data is exact and goes first.
pub(super) fn measured(data: Option<&str>, sentence: Option<&str>) -> Measured {
    let mut measured = sentence.map(read_sentence).unwrap_or_default();
    // SetAlarmState puts any JSON there; then the sentence is all we have.
    let Some(data) = data.and_then(|data| json::from_str::<ReasonData>(data).ok()) else {
        return measured;
    };
    let last = |values: &[Option<f64>]| values.last().copied().flatten();
    measured.threshold = data.threshold.or(measured.threshold);
    measured.lower = last(&data.recent_lower_thresholds).or(measured.lower);
    measured.upper = last(&data.recent_upper_thresholds).or(measured.upper);
    measured.unit = data.unit;
    let recent: Vec<f64> = data.recent_datapoints.iter().copied().flatten().collect();
    if !recent.is_empty() {
        // Times stand beside the evaluated values only, newest first; they fit where the values do.
        let mut times = data.evaluated_datapoints.iter().filter(|point| point.value.is_some()).peekable();
        let mut values: Vec<_> = recent
            .iter()
            .rev()
            .map(|value| {
                let at = times
                    .next_if(|point| point.value == Some(*value))
                    .and_then(|point| time::parse(point.timestamp.as_deref()?));
                (*value, at)
            })
            .collect();
        values.reverse();
        if values.iter().all(|(_, at)| at.is_none()) && values.len() == measured.values.len() {
            return measured;
        }
        measured.values = values;
    }
    measured
}

/// Reads `no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching].`
fn read_missing(rest: &str) -> Option<Missing> {
    let rest = rest.strip_prefix("no datapoints were received for ")?;
    let (periods, rest) = rest.split_once(' ')?;
    let (_, treated) = rest.split_once("treated as [")?;
    let (treated_as, _) = treated.split_once(']')?;
    Some(Missing { periods: periods.parse().ok()?, treated_as: treated_as.to_owned() })
}

/// Reads `Threshold Crossed: 2 out of the last 3 datapoints [99.9 (14/09/26 11:18:00), …] were greater than the
/// threshold (50.0) …` and its older forms.
fn read_sentence(sentence: &str) -> Measured {
    let mut measured = Measured::default();
    // An anomaly band has several thresholds.
    let rest = sentence
        .strip_prefix("Threshold Crossed: ")
        .or_else(|| sentence.strip_prefix("Thresholds Crossed: "));
    let Some(rest) = rest else { return measured };
    measured.missing = read_missing(rest);
    let mut words = rest.split(' ');
    let first = words.next().and_then(|word| word.parse::<u64>().ok());
    let total = split_once(rest, "out of the last ")
        .or_else(|| split_once(rest, "out of last "))
        .and_then(|(_, rest)| rest.split(' ').next()?.parse::<u64>().ok());
    measured.breaching_of = first.map(|count| (count, total.unwrap_or(count)));

    let (values, after) = if let Some((_, tail)) = split_once(rest, "The most recent datapoints") {
        (tail.split_once('[').and_then(|(_, tail)| tail.split(']').next()).unwrap_or_default(), rest)
    } else if let Some((_, tail)) = split_once(rest, " [").filter(|(head, _)| is_count(head)) {
        tail.split_once(']').unwrap_or_default()
    } else if let Some((_, tail)) =
        split_once(rest, " datapoint (").or_else(|| split_once(rest, " datapoints ("))
    {
        tail.split_once(')').unwrap_or_default()
    } else {
        ("", rest)
    };
    measured.values = values.split(", ").filter_map(read_value).collect();
    measured.values.reverse();

    measured.comparison = split_once(after, " was ")
        .or_else(|| split_once(after, " were "))
        .or_else(|| after.strip_prefix("was ").or_else(|| after.strip_prefix("were ")).map(|rest| ("", rest)))
        .and_then(|(_, rest)| split_once(rest, " the "))
        .map(|(comparison, _)| comparison.to_owned());
    if after.contains("lower thresholds [") && after.contains("upper thresholds [") {
        measured.comparison = Some(OUTSIDE.to_owned());
    }
    measured.threshold = number_after(after, "the threshold (", ')');
    measured.upper = number_after(after, "upper thresholds [", ']');
    measured.lower = number_after(after, "lower thresholds [", ']');
    measured
}

/// `2 out of the last 3 datapoints`, and what a log alarm counts.
fn is_count(head: &str) -> bool {
    head.contains("datapoint") || head.contains("query result")
}

/// `99.9 (14/09/26 11:18:00)` or `99.9`.
fn read_value(text: &str) -> Option<(f64, Option<DateTime<Utc>>)> {
    let (number, date) = split_once(text, " (").unwrap_or((text, ""));
    let value = number.trim().parse::<f64>().ok().filter(|value| value.is_finite())?;
    let at = NaiveDateTime::parse_from_str(date.trim_end_matches(')'), "%d/%m/%y %H:%M:%S").ok();
    Some((value, at.map(|at| at.and_utc())))
}

/// `str::split_once`, which prepares its search at some cost, after a quick no: most of what is looked for is not there.
fn split_once<'t>(text: &'t str, by: &str) -> Option<(&'t str, &'t str)> {
    text.contains(by).then(|| text.split_once(by)).flatten()
}

fn number_after(text: &str, before: &str, end: char) -> Option<f64> {
    let (_, tail) = split_once(text, before)?;
    tail.split([end, ',', ' ']).next()?.parse::<f64>().ok().filter(|value| value.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(measured: &Measured) -> Vec<f64> {
        measured.values.iter().map(|(value, _)| *value).collect()
    }

    #[test]
    fn sentences_of_every_age() {
        for (sentence, expected, threshold, of) in [
            (
                "Threshold Crossed: 1 datapoint (10.0) was greater than or equal to the threshold (1.0).",
                vec![10.0],
                Some(1.0),
                Some((1, 1)),
            ),
            (
                "Threshold Crossed: 1 datapoint [21.5 (14/09/26 11:18:00)] was greater than the threshold (21.0).",
                vec![21.5],
                Some(21.0),
                Some((1, 1)),
            ),
            (
                "Threshold Crossed: 2 out of the last 3 datapoints [93.4 (01/02/26 00:02:00), 92.1 (01/02/26 00:01:00), \
                 1.0E-4 (01/02/26 00:00:00)] were greater than the threshold (80.0) (minimum 2 datapoints for OK -> \
                 ALARM transition).",
                vec![1.0e-4, 92.1, 93.4],
                Some(80.0),
                Some((2, 3)),
            ),
            (
                "Threshold Crossed: 2 datapoints were greater than or equal to the threshold (50.0). The most recent \
                 datapoints: [56.0, 55.0].",
                vec![55.0, 56.0],
                Some(50.0),
                Some((2, 2)),
            ),
            (
                "Threshold Crossed: 2 out of the last 5 datapoints were greater than the threshold (50.0). The most recent \
                 datapoints which crossed the threshold: [56.0 (14/09/26 11:17:00), 55.0 (14/09/26 11:16:00)] (minimum 2 \
                 datapoints for OK -> ALARM transition).",
                vec![55.0, 56.0],
                Some(50.0),
                Some((2, 5)),
            ),
            (
                "Threshold Crossed: 1 out of the last 1 query results [17.0 (14/09/26 11:15:00)] was greater than the \
                 threshold (5.0).",
                vec![17.0],
                Some(5.0),
                Some((1, 1)),
            ),
            (
                "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was treated as \
                 [Breaching].",
                vec![],
                None,
                None,
            ),
            ("testing", vec![], None, None),
            ("", vec![], None, None),
            ("Threshold Crossed: ", vec![], None, None),
        ] {
            let measured = read_sentence(sentence);
            assert_eq!(values(&measured), expected, "{sentence}");
            assert_eq!(measured.threshold, threshold, "{sentence}");
            assert_eq!(measured.breaching_of, of, "{sentence}");
        }
    }

    #[test]
    fn bands_have_two_ends() {
        let measured = read_sentence(
            "Thresholds Crossed: 2 out of the last 2 datapoints [3.0 (14/09/26 11:13:00), 11.0 (14/09/26 11:08:00)] were \
             less than the lower thresholds [41.25, 43.5] or greater than the upper thresholds [88.1, 90.25] (minimum 2 \
             datapoints for OK -> ALARM transition).",
        );
        assert_eq!(values(&measured), [11.0, 3.0]);
        assert_eq!((measured.lower, measured.upper), (Some(41.25), Some(88.1)));
        assert_eq!(measured.comparison.as_deref(), Some(OUTSIDE));
    }

    #[test]
    fn data_is_oldest_first_and_brings_times() {
        let data = r#"{"recentDatapoints":[11.5,15.4],"threshold":10.0,"unit":"Percent","evaluatedDatapoints":[
            {"timestamp":"2022-01-17T14:42:00.000+0000","value":15.4},
            {"timestamp":"2022-01-17T14:37:00.000+0000","value":11.5}]}"#;
        let measured = measured(Some(data), None);
        assert_eq!(values(&measured), [11.5, 15.4]);
        assert_eq!(measured.values[0].1, time::parse("2022-01-17T14:37:00Z"));
        assert_eq!(measured.threshold, Some(10.0));
    }

    #[test]
    fn any_json_is_no_error() {
        for data in ["{}", "[]", "42", r#"{"recentDatapoints":"x"}"#, "{", r#"{"recentDatapoints":[null]}"#] {
            assert_eq!(values(&measured(Some(data), None)), Vec::<f64>::new(), "{data}");
        }
    }

    #[test]
    fn composite_children() {
        let data = r#"{"triggeringAlarms":[{"arn":"arn:a","state":{"value":"ALARM","timestamp":"t"}}]}"#;
        assert_eq!(triggering_alarms(data), [("arn:a".to_owned(), Some("ALARM".to_owned()))]);
        assert_eq!(triggering_alarms("[]"), []);
    }
}
