//! What an invocation counts, for CloudWatch: one line on standard output, which Lambda takes to CloudWatch Logs and CloudWatch
//! to its metrics.
//!
//! Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format". The format is written here and not by a
//! crate: `metrique-writer-format-emf` brings queues, threads and 35 other packages for these few lines, and
//! `metrics_cloudwatch_embedded` a recorder for the whole process, which keeps every label for good and 100 values at most,
//! where an invocation's numbers are one value that is made once.

use std::collections::BTreeMap;
use std::io::Write as _;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

use crate::settings::{AWS_LAMBDA_FUNCTION_NAME, Environment};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "AlertRelay";
/// Alerts that were not delivered; the alarm on this system watches it.
pub const DELIVERY_FAILED: &str = "delivery_failed";
/// Whether the configuration is broken, and so ignored.
pub const CONFIG_INVALID: &str = "config_invalid";
/// Alerts that a rule held back.
pub const DROPPED: &str = "dropped";

const FUNCTION_NAME: &str = "FunctionName";
/// Values of one metric in one line. Source: the specification, "Target members".
const VALUES_MAX: usize = 100;
/// A dimension's value. Source: Amazon CloudWatch API Reference, Dimension.
const DIMENSION_VALUE_MAX_CHARS: usize = 1_024;

/// What one invocation counts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Alerts in the event.
    pub received: usize,
    /// Alerts that were delivered to everybody who gets them; the filter's: published.
    pub delivered: usize,
    /// Alerts that were put into digests.
    pub digested: usize,
    /// Posts or messages that were tried again.
    pub retried: usize,
    /// Alerts that were held back, by rule.
    pub dropped: BTreeMap<String, usize>,
    /// Alerts that were not delivered to somebody.
    pub failed: usize,
    /// The same by receiver and `error_type`; an alert counts for every receiver that did not get it.
    pub failed_by_reason: BTreeMap<(String, &'static str), usize>,
    /// From an alert's sending to its delivery, in milliseconds, where the envelope tells when it was sent.
    pub latencies_ms: Vec<i64>,
    /// Whether the configuration is broken, and so ignored.
    pub is_config_invalid: bool,
}

impl Tally {
    /// Counts one alert that was delivered.
    pub fn add_delivered(&mut self, sent_at: Option<DateTime<Utc>>, delivered_at: DateTime<Utc>) {
        self.delivered += 1;
        // Clocks differ by a little; nothing arrives before it was sent.
        let latency = sent_at.map(|sent_at| delivered_at.signed_duration_since(sent_at).num_milliseconds());
        self.latencies_ms.extend(latency.map(|latency| latency.max(0)));
    }

    /// The lines: the invocation's own, and one for each rule that dropped and for each reason of a failure, because a line
    /// has one value for each dimension.
    #[must_use]
    pub fn lines(&self, function: &str, request_id: &str, at: DateTime<Utc>) -> Vec<String> {
        let line = |dimensions: &[(&str, &str)], sets: &[&[&str]], metrics: &[Metric]| {
            // Its texts and numbers are always JSON.
            serde_json::to_string(&Line { at, function, request_id, dimensions, sets, metrics })
                .unwrap_or_default()
        };
        let mut totals = vec![
            Metric::count("received", self.received),
            Metric::count("delivered", self.delivered),
            Metric::count(DROPPED, self.dropped.values().sum()),
            Metric::count("digested", self.digested),
            Metric::count("retried", self.retried),
            Metric::count(DELIVERY_FAILED, self.failed),
            Metric::count(CONFIG_INVALID, usize::from(self.is_config_invalid)),
        ];
        if !self.latencies_ms.is_empty() {
            let value = Measured::Spread(spread(&self.latencies_ms));
            totals.push(Metric { name: "latency", unit: "Milliseconds", value });
        }
        let mut lines = vec![line(&[], &[&[FUNCTION_NAME]], &totals)];
        for (rule, count) in &self.dropped {
            let metrics = [Metric::count(DROPPED, *count)];
            lines.push(line(&[("rule", rule)], &[&[FUNCTION_NAME, "rule"]], &metrics));
        }
        for ((receiver, error_type), count) in &self.failed_by_reason {
            lines.push(line(
                &[("error_type", error_type), ("receiver", receiver)],
                &[&[FUNCTION_NAME, "error_type"], &[FUNCTION_NAME, "error_type", "receiver"]],
                &[Metric::count(DELIVERY_FAILED, *count)],
            ));
        }
        lines
    }
}

/// One metric in a line: what is announced of it, and its value.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
    #[serde(skip)]
    value: Measured,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Measured {
    Count(usize),
    Spread(Vec<i64>),
}

impl Metric {
    fn count(name: &'static str, count: usize) -> Self {
        Self { name, unit: "Count", value: Measured::Count(count) }
    }
}

/// One line, written straight from what was counted: as a tree of values it took as long as the alert's whole message.
struct Line<'l> {
    at: DateTime<Utc>,
    function: &'l str,
    request_id: &'l str,
    /// Those beside the function's name.
    dimensions: &'l [(&'l str, &'l str)],
    /// What CloudWatch shall add up by.
    sets: &'l [&'l [&'l str]],
    metrics: &'l [Metric],
}

/// What `_aws` holds. Source: the specification, "Metadata object".
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata<'l> {
    timestamp: i64,
    cloud_watch_metrics: [Directive<'l>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'l> {
    namespace: &'static str,
    dimensions: &'l [&'l [&'l str]],
    metrics: &'l [Metric],
}

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let directive = Directive { namespace: NAMESPACE, dimensions: self.sets, metrics: self.metrics };
        let metadata = Metadata { timestamp: self.at.timestamp_millis(), cloud_watch_metrics: [directive] };
        let mut line = serializer.serialize_map(None)?;
        line.serialize_entry("_aws", &metadata)?;
        line.serialize_entry("request_id", self.request_id)?;
        line.serialize_entry(FUNCTION_NAME, &dimension_value(self.function))?;
        for (name, value) in self.dimensions {
            line.serialize_entry(name, &dimension_value(value))?;
        }
        for metric in self.metrics {
            line.serialize_entry(metric.name, &metric.value)?;
        }
        line.end()
    }
}

/// Prints tallies for one function.
#[derive(Debug)]
pub struct Metrics {
    function: String,
}

impl Metrics {
    /// For the function of this environment.
    #[must_use]
    pub fn from_environment(environment: Environment<'_>) -> Self {
        Self { function: environment(AWS_LAMBDA_FUNCTION_NAME).unwrap_or_default() }
    }

    /// Says that the configuration is broken as soon as it is read: the first alert may be weeks away.
    pub fn print_config_invalid(&self) {
        self.print(&Tally { is_config_invalid: true, ..Tally::default() }, "init");
    }

    /// Prints what an invocation counted.
    pub fn print(&self, tally: &Tally, request_id: &str) {
        let mut text = tally.lines(&self.function, request_id, Utc::now()).join("\n");
        text.push('\n');
        // In one piece, so that no log line comes between. Numbers that cannot be printed must not fail an alert.
        let _ = std::io::stdout().lock().write_all(text.as_bytes());
    }
}

/// All values where a line may have them, else as many as it may, evenly out of their order, the least and the most among
/// them: percentiles hold.
fn spread(values: &[i64]) -> Vec<i64> {
    let mut values = values.to_vec();
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    if last < VALUES_MAX {
        return values;
    }
    (0..VALUES_MAX).filter_map(|place| values.get(place * last / (VALUES_MAX - 1)).copied()).collect()
}

/// A text as CloudWatch takes it for a dimension: ASCII, no control characters, not blank.
fn dimension_value(text: &str) -> String {
    let mut value = String::new();
    for character in text.chars() {
        if character.is_ascii_graphic() || character == ' ' {
            value.push(character);
        } else {
            value.extend(character.escape_unicode());
        }
    }
    value.truncate(DIMENSION_VALUE_MAX_CHARS);
    // Such a colon is reserved, too.
    if value.trim().is_empty() { "unknown".to_owned() } else { value.trim_start_matches(':').to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at() -> DateTime<Utc> {
        "2026-09-13T03:00:00Z".parse().unwrap()
    }

    fn parsed(tally: &Tally) -> Vec<Value> {
        let lines = tally.lines("relay", "r-1", at());
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Every metric and dimension that a line announces is there, as the specification asks for.
    fn check(line: &Value) {
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], NAMESPACE);
        for dimension in
            directive["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
        {
            assert!(
                line[dimension.as_str().unwrap()].as_str().is_some_and(|value| !value.is_empty()),
                "{line}"
            );
        }
        for metric in directive["Metrics"].as_array().unwrap() {
            let value = &line[metric["Name"].as_str().unwrap()];
            assert!(
                value.is_number() || value.as_array().is_some_and(|values| values.len() <= VALUES_MAX),
                "{line}"
            );
        }
    }

    #[test]
    fn a_quiet_invocation_is_one_line() {
        let mut tally = Tally { received: 1, ..Tally::default() };
        tally.add_delivered(Some("2026-09-13T02:59:58.750Z".parse().unwrap()), at());
        let lines = tally.lines("relay", "r-1", at());
        assert_eq!(
            lines,
            [concat!(
                r#"{"_aws":{"Timestamp":1789268400000,"CloudWatchMetrics":[{"Namespace":"AlertRelay","#,
                r#""Dimensions":[["FunctionName"]],"Metrics":[{"Name":"received","Unit":"Count"},"#,
                r#"{"Name":"delivered","Unit":"Count"},{"Name":"dropped","Unit":"Count"},"#,
                r#"{"Name":"digested","Unit":"Count"},{"Name":"retried","Unit":"Count"},"#,
                r#"{"Name":"delivery_failed","Unit":"Count"},{"Name":"config_invalid","Unit":"Count"},"#,
                r#"{"Name":"latency","Unit":"Milliseconds"}]}]},"request_id":"r-1","FunctionName":"relay","#,
                r#""received":1,"delivered":1,"dropped":0,"digested":0,"retried":0,"delivery_failed":0,"#,
                r#""config_invalid":0,"latency":[1250]}"#
            )]
        );
    }

    #[test]
    fn rules_and_reasons_have_lines_of_their_own() {
        let tally = Tally {
            received: 9,
            dropped: [("noise".to_owned(), 2), ("야간".to_owned(), 1)].into(),
            failed: 3,
            failed_by_reason: [
                (("default".to_owned(), "slack_timeout"), 1),
                (("oncall".to_owned(), "slack_timeout"), 3),
            ]
            .into(),
            is_config_invalid: true,
            ..Tally::default()
        };
        let lines = parsed(&tally);
        lines.iter().for_each(check);
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[0][DROPPED], 3);
        assert_eq!(lines[0][DELIVERY_FAILED], 3);
        assert_eq!(lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"], json!([["FunctionName"]]));
        assert_eq!(lines[0][CONFIG_INVALID], 1);
        assert_eq!((&lines[1]["rule"], &lines[1][DROPPED]), (&json!("noise"), &json!(2)));
        assert_eq!(lines[2]["rule"], r"\u{c57c}\u{ac04}");
        assert_eq!((&lines[4]["receiver"], &lines[4][DELIVERY_FAILED]), (&json!("oncall"), &json!(3)));
        assert_eq!(lines[4]["error_type"], "slack_timeout");
    }

    #[test]
    fn ten_thousand_latencies_keep_their_ends() {
        let tally = Tally { latencies_ms: (0..10_000).rev().collect(), ..Tally::default() };
        let lines = parsed(&tally);
        check(&lines[0]);
        let latency = lines[0]["latency"].as_array().unwrap();
        assert_eq!((latency.len(), &latency[0], &latency[99]), (100, &json!(0), &json!(9_999)));
    }

    #[test]
    fn dimensions_are_what_cloudwatch_takes() {
        for text in ["", "  ", "\n", ":x", "a\u{7f}b", &"日".repeat(2_000)] {
            let value = dimension_value(text);
            assert!(!value.trim().is_empty() && value.len() <= DIMENSION_VALUE_MAX_CHARS, "{text:?}");
            assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)) && !value.starts_with(':'), "{text:?}");
        }
    }
}
