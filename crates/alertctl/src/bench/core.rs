//! The core's figures, which criterion measures (`cargo bench -p alert-core`) and leaves in `target/criterion`.

use serde_json::Value;

/// Where criterion leaves its results.
const FOLDER: &str = "target/criterion";

/// What is measured: criterion's name, what people call it, and how many alerts go through.
const CASES: [(&str, &str, u32); 6] = [
    ("relay/one-alarm", "one alarm, from bytes to Slack's JSON", 1),
    ("relay/three-alarms", "three alarms in one event, from bytes to Slack's JSON", 3),
    ("matchers", "ten matchers of all four kinds on one alert", 1),
    ("digest/10000", "a digest of 10,000 alerts", 10_000),
    ("records/10", "10 SQS records, from bytes to Slack's JSON", 10),
    ("records/10000", "10,000 SQS records, from bytes to Slack's JSON", 10_000),
];

/// The time of one case.
pub(super) struct CoreFigure {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// The median, as criterion estimates it, in microseconds.
    pub(super) median_us: f64,
    pub(super) alerts: u32,
}

impl CoreFigure {
    pub(super) fn per_alert_us(&self) -> f64 {
        self.median_us / f64::from(self.alerts)
    }
}

/// What criterion measured last; empty where it did not.
pub(super) fn figures() -> Vec<CoreFigure> {
    CASES
        .iter()
        .filter_map(|&(name, title, alerts)| {
            Some(CoreFigure { name, title, alerts, median_us: median_ns(name)? / 1_000.0 })
        })
        .collect()
}

/// How many times as long 10,000 records take as 10; there a nanosecond stands for once.
pub(super) fn growth() -> Option<f64> {
    median_ns("records/10000-to-10")
}

fn median_ns(name: &str) -> Option<f64> {
    let text = std::fs::read_to_string(format!("{FOLDER}/{name}/new/estimates.json")).ok()?;
    let estimates: Value = serde_json::from_str(&text).ok()?;
    estimates["median"]["point_estimate"].as_f64()
}
