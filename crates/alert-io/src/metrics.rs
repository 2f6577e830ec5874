//! What an invocation counts, for CloudWatch: one line on standard output, which Lambda takes to CloudWatch Logs and CloudWatch
//! to its metrics. What is counted, and by which dimensions, is said here; the line's JSON is `metrique`'s.
//!
//! Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format".

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Write as _;

use alert_core::decide::HEARTBEAT;
use alert_core::receipt::{Counted, Counts};
use chrono::{DateTime, Utc};
use metrique_writer_core::config::EntryDimensions;
use metrique_writer_core::format::Format as _;
use metrique_writer_core::unit::NegativeScale;
use metrique_writer_core::{
    Entry, EntryWriter, IoStreamError, MetricFlags, Observation, Unit, Value, ValueWriter,
};
use metrique_writer_format_emf::Emf;

use crate::settings::{AWS_LAMBDA_FUNCTION_NAME, Environment, shown};

/// The namespace of all metrics.
pub const NAMESPACE: &str = "AlertRelay";
/// Alerts that were not delivered; the alarm on this system watches it.
pub const DELIVERY_FAILED: &str = "delivery_failed";
/// Whether the configuration is broken, and so ignored.
pub const CONFIG_INVALID: &str = "config_invalid";
/// Alerts that a rule held back.
pub const DROPPED: &str = "dropped";
/// Calls to the table that failed or took too long; the alarm on it watches it.
pub const TABLE_UNAVAILABLE: &str = "table_unavailable";

/// Alerts that are silenced, and of which no message was posted.
pub const SILENCED: &str = "silenced";

/// The dimension that every line has.
const FUNCTION_NAME: &str = "FunctionName";
const RULE: &str = "rule";
const ERROR_TYPE: &str = "error_type";
const RECEIVER: &str = "receiver";
/// What a rule's line and a failure's are added up by, beside the function's name.
const BY_RULE: EntryDimensions = EntryDimensions::new_static(&[Cow::Borrowed(&[Cow::Borrowed(RULE)])]);
const BY_REASON: EntryDimensions = EntryDimensions::new_static(&[
    Cow::Borrowed(&[Cow::Borrowed(ERROR_TYPE)]),
    Cow::Borrowed(&[Cow::Borrowed(ERROR_TYPE), Cow::Borrowed(RECEIVER)]),
]);
/// Buttons that people pressed.
pub const PRESSED: &str = "pressed";
const ACT: &str = "act";
const OUTCOME: &str = "outcome";
const BY_ACT: EntryDimensions = EntryDimensions::new_static(&[
    Cow::Borrowed(&[Cow::Borrowed(OUTCOME)]),
    Cow::Borrowed(&[Cow::Borrowed(ACT), Cow::Borrowed(OUTCOME)]),
]);
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
    /// Alerts that are silenced, so that no message was posted of them.
    pub silenced: usize,
    /// Alerts that were not delivered to somebody.
    pub failed: usize,
    /// The same by receiver and `error_type`; an alert counts for every receiver that did not get it.
    pub failed_by_reason: BTreeMap<(String, &'static str), usize>,
    /// From an alert's sending to its delivery, in milliseconds, where the envelope tells when it was sent.
    pub latencies_ms: Vec<u64>,
    /// Whether the configuration is broken, and so ignored.
    pub is_config_invalid: bool,
    /// Calls to the table that failed or took too long; `None` where there is no table, which then costs no metric.
    pub table_unavailable: Option<usize>,
}

impl Tally {
    /// What of it a receipt tells.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (rule, count) in &self.dropped {
            let what = match rule.strip_prefix(HEARTBEAT) {
                Some(_) => Counted::Beats,
                None => Counted::Dropped(rule.clone()),
            };
            counts.add(what, *count);
        }
        counts.add(Counted::Folded, self.digested);
        counts.add(Counted::Retried, self.retried);
        counts.add(Counted::Failed, self.failed);
        counts
    }

    /// Counts one alert that was delivered.
    pub fn add_delivered(&mut self, sent_at: Option<DateTime<Utc>>, delivered_at: DateTime<Utc>) {
        self.delivered += 1;
        // Clocks differ by a little; nothing arrives before it was sent.
        let latency = sent_at.map(|sent_at| delivered_at.signed_duration_since(sent_at).num_milliseconds());
        self.latencies_ms.extend(latency.map(|latency| u64::try_from(latency).unwrap_or(0)));
    }

    /// Writes the invocation's own line, and one for each rule that dropped and for each reason of a failure, because a line
    /// has one value for each dimension.
    fn write_lines(
        &self,
        function: &str,
        request_id: &str,
        at: DateTime<Utc>,
        output: &mut Vec<u8>,
    ) -> Result<(), IoStreamError> {
        let function = dimension_value(function);
        let mut emf = Emf::builder(NAMESPACE.to_owned(), vec![vec![FUNCTION_NAME.to_owned()]]).build();
        let mut line = |sets: Option<&EntryDimensions>,
                        dimensions: &[(&'static str, &str)],
                        metrics: &[(&'static str, Measured)]| {
            emf.format(&Line { at, request_id, function: &function, sets, dimensions, metrics }, output)
        };
        let mut metrics = vec![
            ("received", Measured::Count(self.received)),
            ("delivered", Measured::Count(self.delivered)),
            (DROPPED, Measured::Count(self.dropped.values().sum())),
            ("digested", Measured::Count(self.digested)),
            ("retried", Measured::Count(self.retried)),
            (DELIVERY_FAILED, Measured::Count(self.failed)),
            (CONFIG_INVALID, Measured::Count(usize::from(self.is_config_invalid))),
            ("latency", Measured::Milliseconds(spread(&self.latencies_ms))),
        ];
        // Without a table nothing is silenced.
        if let Some(count) = self.table_unavailable {
            metrics.push((TABLE_UNAVAILABLE, Measured::Count(count)));
            metrics.push((SILENCED, Measured::Count(self.silenced)));
        }
        line(None, &[], &metrics)?;
        for (rule, count) in &self.dropped {
            line(Some(&BY_RULE), &[(RULE, rule)], &[(DROPPED, Measured::Count(*count))])?;
        }
        for ((receiver, error_type), count) in &self.failed_by_reason {
            line(
                Some(&BY_REASON),
                &[(ERROR_TYPE, error_type), (RECEIVER, receiver)],
                &[(DELIVERY_FAILED, Measured::Count(*count))],
            )?;
        }
        Ok(())
    }
}

/// A metric's value in a line.
#[derive(Debug)]
enum Measured {
    Count(usize),
    /// Every value counts for one; without any there is no metric.
    Milliseconds(Vec<u64>),
}

impl Value for Measured {
    fn write(&self, writer: impl ValueWriter) {
        match self {
            Self::Count(count) => {
                let count = Observation::Unsigned(u64::try_from(*count).unwrap_or(u64::MAX));
                writer.metric([count], Unit::Count, [], MetricFlags::empty());
            }
            Self::Milliseconds(values) => {
                let values = values.iter().copied().map(Observation::Unsigned);
                writer.metric(values, Unit::Second(NegativeScale::Milli), [], MetricFlags::empty());
            }
        }
    }
}

/// One line.
struct Line<'l> {
    at: DateTime<Utc>,
    request_id: &'l str,
    function: &'l str,
    /// What CloudWatch shall add up by, beside the function's name.
    sets: Option<&'l EntryDimensions>,
    /// The values of these.
    dimensions: &'l [(&'static str, &'l str)],
    metrics: &'l [(&'static str, Measured)],
}

impl Entry for Line<'_> {
    fn write<'w>(&'w self, writer: &mut impl EntryWriter<'w>) {
        writer.timestamp(self.at.into());
        if let Some(sets) = self.sets {
            writer.config(sets);
        }
        writer.value("request_id", self.request_id);
        writer.value(FUNCTION_NAME, self.function);
        for (name, value) in self.dimensions {
            writer.value(*name, &dimension_value(value));
        }
        for (name, value) in self.metrics {
            writer.value(*name, value);
        }
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
        let function = environment(AWS_LAMBDA_FUNCTION_NAME).unwrap_or_default();
        Self { function: shown(&function).into_owned() }
    }

    /// Says that the configuration is broken as soon as it is read: the first alert may be weeks away.
    pub fn print_config_invalid(&self) {
        self.print(&Tally { is_config_invalid: true, ..Tally::default() }, "init");
    }

    /// Counts a button that somebody pressed, and what came of it.
    pub fn print_press(&self, act: &str, outcome: &str, request_id: &str) {
        let mut lines = Vec::new();
        let mut emf = Emf::builder(NAMESPACE.to_owned(), vec![vec![FUNCTION_NAME.to_owned()]]).build();
        let line = Line {
            at: Utc::now(),
            request_id,
            function: &dimension_value(&self.function),
            sets: Some(&BY_ACT),
            dimensions: &[(ACT, act), (OUTCOME, outcome)],
            metrics: &[(PRESSED, Measured::Count(1))],
        };
        if let Err(error) = emf.format(&line, &mut lines) {
            tracing::error!(%error, "the invocation's metrics are not written");
        }
        let _ = std::io::stdout().lock().write_all(&lines);
    }

    /// Prints what an invocation counted.
    pub fn print(&self, tally: &Tally, request_id: &str) {
        let mut lines = Vec::new();
        // Numbers that cannot be printed must not fail an alert.
        if let Err(error) = tally.write_lines(&self.function, request_id, Utc::now(), &mut lines) {
            tracing::error!(%error, "the invocation's metrics are not written");
        }
        // In one piece, so that no log line comes between.
        let _ = std::io::stdout().lock().write_all(&lines);
    }
}

/// All values where a line may have them, else as many as it may, evenly out of their order, the least and the most among
/// them: percentiles hold.
fn spread(values: &[u64]) -> Vec<u64> {
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
    let value = value.trim_start_matches(':');
    if value.trim().is_empty() { "unknown".to_owned() } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        CONFIG_INVALID, DELIVERY_FAILED, DIMENSION_VALUE_MAX_CHARS, DROPPED, DateTime, NAMESPACE,
        TABLE_UNAVAILABLE, Tally, Utc, VALUES_MAX, dimension_value,
    };

    fn at() -> DateTime<Utc> {
        "2026-09-13T03:00:00Z".parse().unwrap()
    }

    fn parsed(tally: &Tally) -> Vec<Value> {
        let mut lines = Vec::new();
        tally.write_lines("relay", "r-1", at(), &mut lines).unwrap();
        str::from_utf8(&lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
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
            let fits = |key: &str| value[key].as_array().is_some_and(|values| values.len() <= VALUES_MAX);
            assert!(value.is_number() || fits("Values") && fits("Counts"), "{line}");
        }
    }

    #[test]
    fn a_quiet_invocation_is_one_line() {
        let mut tally = Tally { received: 1, ..Tally::default() };
        tally.add_delivered(Some("2026-09-13T02:59:58.750Z".parse().unwrap()), at());
        let count = |name: &str| json!({ "Name": name, "Unit": "Count" });
        let metrics = [
            count("received"),
            count("delivered"),
            count("dropped"),
            count("digested"),
            count("retried"),
            count("delivery_failed"),
            count("config_invalid"),
            json!({ "Name": "latency", "Unit": "Milliseconds" }),
        ];
        let directive =
            json!({ "Namespace": "AlertRelay", "Dimensions": [["FunctionName"]], "Metrics": metrics });
        let line = json!({
            "_aws": { "Timestamp": 1_789_268_400_000_u64, "CloudWatchMetrics": [directive] },
            "request_id": "r-1", "FunctionName": "relay",
            "received": 1, "delivered": 1, "dropped": 0, "digested": 0, "retried": 0, "delivery_failed": 0,
            "config_invalid": 0, "latency": 1_250,
        });
        assert_eq!(parsed(&tally), [line]);
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
    fn a_table_is_counted_where_there_is_one() {
        for count in [0, 3] {
            let lines = parsed(&Tally { table_unavailable: Some(count), ..Tally::default() });
            check(&lines[0]);
            assert_eq!(lines[0][TABLE_UNAVAILABLE], count);
            let announced = lines[0]["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
            assert!(
                announced.contains(&json!({ "Name": TABLE_UNAVAILABLE, "Unit": "Count" })),
                "{announced:?}"
            );
        }
    }

    #[test]
    fn ten_thousand_latencies_keep_their_ends() {
        let tally = Tally { latencies_ms: (0..10_000).rev().collect(), ..Tally::default() };
        let lines = parsed(&tally);
        check(&lines[0]);
        let latency = lines[0]["latency"]["Values"].as_array().unwrap();
        assert_eq!((latency.len(), &latency[0], &latency[99]), (100, &json!(0), &json!(9_999)));
    }

    #[test]
    fn dimensions_are_what_cloudwatch_takes() {
        for text in ["", "  ", "\n", ":x", ":", "::", ": ", "a\u{7f}b", &"日".repeat(2_000)] {
            let value = dimension_value(text);
            assert!(!value.trim().is_empty() && value.len() <= DIMENSION_VALUE_MAX_CHARS, "{text:?}");
            assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)) && !value.starts_with(':'), "{text:?}");
        }
    }
}
