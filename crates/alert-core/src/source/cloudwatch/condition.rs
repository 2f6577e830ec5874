//! The alarm's condition in plain English, with the number that counts.

use super::reason::{Measured, OUTSIDE};
use super::{Alarm, Metric, PromQl, StateValue};
use crate::number;

/// What a sentence needs beside the name of its metric.
const SENTENCE_USUAL_BYTES: usize = 128;

/// One sentence such as `CPUUtilization, average over 1 min, was 99.9 % for 1 of 1 datapoints: above 50 %`.
///
/// `None` for an alarm of which it is not known what it measures.
pub(super) fn sentence(alarm: &Alarm, measured: &Measured) -> Option<String> {
    let Some((metric, subject)) = alarm.metric.as_ref().and_then(|metric| Some((metric, subject(metric)?)))
    else {
        return alarm.promql.as_ref().map(|promql| of_query(promql, &alarm.state));
    };
    let unit = unit(metric, measured);
    let newest = measured.values.last().map(|(value, _)| *value);
    let threshold = metric.threshold.or(measured.threshold);
    let noun = if alarm.log.is_some() { "results" } else { "datapoints" };
    let watched = watched(metric, measured, &unit);
    let value = |value| number::measured(value, threshold, &unit);
    let says = match (&alarm.state, newest) {
        (StateValue::InsufficientData, _) => subject.then("has no data"),
        (StateValue::Alarm, Some(newest)) => {
            let mut text = subject.then("was ");
            text.push_str(&value(newest));
            if let Some((count, total)) = counts(metric, measured) {
                push(&mut text, &[" for ", &count.to_string(), " of ", &total.to_string(), " ", noun]);
            }
            if let Some(watched) = watched {
                push(&mut text, &[": ", &watched]);
            }
            return Some(text);
        }
        (StateValue::Ok, Some(newest)) => {
            let mut text = subject.then("was ");
            text.push_str(&value(newest));
            // Only what was in ALARM was beyond the limit before.
            let word =
                if matches!(alarm.previous, None | Some(StateValue::Alarm)) { "no longer" } else { "not" };
            if let Some(watched) = watched {
                push(&mut text, &[": ", word, " ", &watched]);
            }
            return Some(text);
        }
        (StateValue::Other(_), Some(newest)) => subject.then(&format!("was {}", value(newest))),
        (_, None) => subject.text,
    };
    Some(match wanted(watched, metric, noun) {
        Some(wanted) => format!("{says} (alarm when {wanted})"),
        None => says,
    })
}

/// What an alarm is for: `CPUUtilization, average over 1 min: alarm when above 50 % for 3 of 3 datapoints`.
pub(super) fn purpose(metric: &Metric) -> Option<String> {
    let nothing = Measured::default();
    let text = subject(metric)?.text;
    Some(match wanted(watched(metric, &nothing, &unit(metric, &nothing)), metric, "datapoints") {
        Some(wanted) => format!("{text}: alarm when {wanted}"),
        None => text,
    })
}

/// A PromQL alarm compares in its query and tells no values.
fn of_query(promql: &PromQl, state: &StateValue) -> String {
    match (state, promql.pending_seconds.filter(|seconds| *seconds > 0)) {
        (StateValue::Ok, _) => "The PromQL query no longer returns this series".to_owned(),
        (_, Some(seconds)) => {
            let (number, unit) = period(seconds);
            format!("The PromQL query has returned this series for {number} {unit} or longer")
        }
        (_, None) => "The PromQL query returns this series".to_owned(),
    }
}

/// `above 50 %`, `outside the expected band of 3 to 7`.
fn watched(metric: &Metric, measured: &Measured, unit: &str) -> Option<String> {
    let comparison = metric.comparison.as_deref().and_then(words).or_else(|| {
        // EventBridge's events do not bring the operator; the sentence says it.
        let said = measured.comparison.as_deref()?;
        words_of_sentence(said.trim_start_matches("not "))
    })?;
    let shown = |value| number::measured(value, None, unit);
    let limit = match (metric.is_band, measured.lower, measured.upper) {
        (true, Some(lower), Some(upper)) => {
            format!("the expected band of {} to {}", number::plain(lower), shown(upper))
        }
        (true, None, Some(one)) | (true, Some(one), None) => format!("the expected band ({})", shown(one)),
        (true, None, None) => "the expected band".to_owned(),
        (false, _, _) => shown(metric.threshold.or(measured.threshold)?),
    };
    Some([comparison, " ", &limit].concat())
}

/// `above 50 % for 3 of 3 datapoints`.
fn wanted(watched: Option<String>, metric: &Metric, noun: &str) -> Option<String> {
    let watched = watched?;
    Some(match metric.evaluation_periods {
        Some(total) => {
            format!("{watched} for {} of {total} {noun}", metric.datapoints_to_alarm.unwrap_or(total))
        }
        None => watched,
    })
}

/// Metrics of RDS and its kin that are in bytes without saying so by their name.
const IN_BYTES: [&str; 4] = ["FreeStorageSpace", "FreeableMemory", "SwapUsage", "FreeLocalStorage"];

/// The values' unit as people write it; empty where it is not known.
pub(super) fn unit(metric: &Metric, measured: &Measured) -> String {
    let given = measured.unit.as_deref().or(metric.unit.as_deref()).filter(|unit| *unit != "None");
    let name = metric.name.as_deref().unwrap_or_default();
    let namespace = metric.namespace.as_deref().unwrap_or_default();
    // Most alarms do not name the unit; AWS's own metrics of these names are always per cent.
    let aws =
        namespace.starts_with("AWS/") || namespace.starts_with("ECS/") || namespace == "ContainerInsights";
    match given {
        Some(unit) => number::unit_symbol(unit).to_owned(),
        None if aws && (name.ends_with("Utilization") || name.ends_with("Percent")) => "%".to_owned(),
        None if aws && (name.ends_with("Bytes") || IN_BYTES.contains(&name)) => "B".to_owned(),
        None => String::new(),
    }
}

/// What is measured and how: `CPUUtilization, average over 1 min`.
struct Subject {
    text: String,
    /// Whether its last part is an insertion, which a comma closes.
    has_insertion: bool,
}

impl Subject {
    fn then(self, verb: &str) -> String {
        let mut text = self.text;
        push(&mut text, &[if self.has_insertion { "," } else { "" }, " ", verb]);
        text
    }
}

fn subject(metric: &Metric) -> Option<Subject> {
    let mut text = match (&metric.name, &metric.label, &metric.expression) {
        (Some(name), _, _) => name.clone(),
        (None, Some(label), Some(expression)) if label != expression => format!("{label} ({expression})"),
        (None, Some(label), _) => label.clone(),
        (None, None, Some(expression)) => expression.clone(),
        (None, None, None) => return None,
    };
    text.reserve(SENTENCE_USUAL_BYTES);
    let statistic = metric.statistic.as_deref().map(statistic_words);
    if let Some(statistic) = statistic {
        push(&mut text, &[", ", statistic]);
    }
    if let Some(seconds) = metric.period_seconds {
        let (number, unit) = period(seconds);
        let before = if statistic.is_some() { " over " } else { ", over " };
        push(&mut text, &[before, &number.to_string(), " ", unit]);
    }
    Some(Subject { text, has_insertion: statistic.is_some() || metric.period_seconds.is_some() })
}

fn push(text: &mut String, parts: &[&str]) {
    for part in parts {
        text.push_str(part);
    }
}

fn counts(metric: &Metric, measured: &Measured) -> Option<(u64, u64)> {
    let (count, total) = measured.breaching_of?;
    // `1 datapoint` says how many breached, not of how many.
    Some((count, total.max(metric.evaluation_periods.filter(|_| total == count).unwrap_or(total))))
}

fn statistic_words(statistic: &str) -> &str {
    const WORDS: [(&str, &str); 6] = [
        ("AVERAGE", "average"),
        ("SUM", "sum"),
        ("MINIMUM", "minimum"),
        ("MAXIMUM", "maximum"),
        ("SAMPLE_COUNT", "sample count"),
        ("SAMPLECOUNT", "sample count"),
    ];
    let known = WORDS.iter().find(|(wire, _)| statistic.eq_ignore_ascii_case(wire));
    known.map_or(statistic, |(_, words)| words)
}

/// A period in its largest unit.
fn period(seconds: u64) -> (u64, &'static str) {
    match seconds {
        0..60 => (seconds, "s"),
        _ if seconds.is_multiple_of(86_400) => (seconds / 86_400, "d"),
        _ if seconds.is_multiple_of(3_600) => (seconds / 3_600, "h"),
        _ if seconds.is_multiple_of(60) => (seconds / 60, "min"),
        _ => (seconds, "s"),
    }
}

fn words(operator: &str) -> Option<&'static str> {
    Some(match operator {
        "GreaterThanThreshold" | "GreaterThanUpperThreshold" => "above",
        "GreaterThanOrEqualToThreshold" => "at or above",
        "LessThanThreshold" | "LessThanLowerThreshold" => "below",
        "LessThanOrEqualToThreshold" => "at or below",
        "LessThanLowerOrGreaterThanUpperThreshold" => "outside",
        _ => return None,
    })
}

fn words_of_sentence(said: &str) -> Option<&'static str> {
    Some(match said {
        "greater than" => "above",
        "greater than or equal to" => "at or above",
        "less than" => "below",
        "less than or equal to" => "at or below",
        OUTSIDE => "outside",
        _ => return None,
    })
}

/// Whether a value lies beyond the limit that the alarm watches.
pub(super) fn breaches(value: f64, metric: &Metric, measured: &Measured) -> bool {
    let said = measured.comparison.as_deref().map(|said| said.trim_start_matches("not "));
    let threshold = metric.threshold.or(measured.threshold);
    let against =
        |holds: fn(f64, f64) -> bool, limit: Option<f64>| limit.is_some_and(|limit| holds(value, limit));
    let above: fn(f64, f64) -> bool = |value, limit| value > limit;
    let below: fn(f64, f64) -> bool = |value, limit| value < limit;
    match metric.comparison.as_deref().or(said).unwrap_or_default() {
        "GreaterThanThreshold" | "greater than" => against(above, threshold.or(measured.upper)),
        "GreaterThanOrEqualToThreshold" | "greater than or equal to" => against(|v, l| v >= l, threshold),
        "LessThanThreshold" | "less than" => against(below, threshold.or(measured.lower)),
        "LessThanOrEqualToThreshold" | "less than or equal to" => against(|v, l| v <= l, threshold),
        "GreaterThanUpperThreshold" => against(above, measured.upper),
        "LessThanLowerThreshold" => against(below, measured.lower),
        "LessThanLowerOrGreaterThanUpperThreshold" | OUTSIDE => {
            against(above, measured.upper) || against(below, measured.lower)
        }
        _ => false,
    }
}
