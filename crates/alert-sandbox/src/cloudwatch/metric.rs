//! Metrics of standard resolution: what was put, and its statistics.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// Values by time, in seconds.
pub(super) type Series = BTreeMap<i64, f64>;

/// Values are kept by the minute.
const MINUTE: i64 = 60;

/// Which metric: each combination of dimensions is one of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MetricId {
    namespace: String,
    pub(super) name: String,
    dimensions: BTreeSet<(String, String)>,
}

impl MetricId {
    pub(super) fn new(namespace: &str, name: &str, dimensions: &[(&str, &str)]) -> Self {
        let dimension = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            dimensions: dimensions.iter().map(dimension).collect(),
        }
    }
}

/// What is expected of a metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model {
    pub(super) expected: f64,
    pub(super) deviation: f64,
}

#[derive(Debug, Default)]
pub(super) struct Metrics {
    values: BTreeMap<MetricId, BTreeMap<i64, Vec<f64>>>,
    models: BTreeMap<MetricId, Model>,
}

/// The times of a request: from start, to before end, in steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) period: i64,
}

impl Window {
    /// The periods begin at the start of the request, not at whole multiples; moto has them so, too.
    pub(super) fn times(self) -> impl Iterator<Item = i64> {
        (0..).map_while(move |index| Some(self.start + index * self.period).filter(|time| *time < self.end))
    }
}

impl Metrics {
    pub(super) fn put(&mut self, id: MetricId, points: impl IntoIterator<Item = (SystemTime, f64)>) {
        let minutes = self.values.entry(id).or_default();
        for (time, value) in points {
            let second = DateTime::<Utc>::from(time).timestamp();
            minutes.entry(second - second.rem_euclid(MINUTE)).or_default().push(value);
        }
    }

    pub(super) fn put_model(&mut self, id: MetricId, expected: f64, deviation: f64) {
        self.models.insert(id, Model { expected, deviation });
    }

    pub(super) fn model(&self, id: &MetricId) -> Option<Model> {
        self.models.get(id).copied()
    }

    /// A period without values has no value.
    pub(super) fn statistic(&self, id: &MetricId, statistic: Statistic, window: Window) -> Series {
        let Some(minutes) = self.values.get(id) else { return Series::new() };
        let mut periods = BTreeMap::<i64, Vec<f64>>::new();
        for (minute, values) in minutes.range(window.start..window.end) {
            let begin = minute - (minute - window.start).rem_euclid(window.period);
            periods.entry(begin).or_default().extend(values);
        }
        periods.into_iter().filter_map(|(begin, values)| Some((begin, statistic.of(values)?))).collect()
    }
}

/// How the values of a period become one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Statistic {
    Average,
    Maximum,
    Minimum,
    /// From 0 to 100.
    Percentile(f64),
    SampleCount,
    Sum,
}

impl Statistic {
    /// The basic statistics and percentiles; there are others, which the sandbox does not know.
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Average" => Self::Average,
            "Maximum" => Self::Maximum,
            "Minimum" => Self::Minimum,
            "SampleCount" => Self::SampleCount,
            "Sum" => Self::Sum,
            _ => {
                let rank = name.strip_prefix('p')?;
                let is_number = rank.starts_with(|first: char| first.is_ascii_digit())
                    && rank.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
                let rank = rank.parse().ok().filter(|rank| is_number && (0.0..=100.0).contains(rank))?;
                Self::Percentile(rank)
            }
        })
    }

    #[allow(clippy::cast_precision_loss, reason = "there are not that many values")]
    fn of(self, mut values: Vec<f64>) -> Option<f64> {
        let count = values.len() as f64;
        let sum = values.iter().sum::<f64>();
        values.sort_by(f64::total_cmp);
        match self {
            Self::Average => Some(sum / count).filter(|_| count > 0.0),
            Self::Maximum => values.last().copied(),
            Self::Minimum => values.first().copied(),
            Self::Percentile(rank) => percentile(&values, rank),
            Self::SampleCount => Some(count),
            Self::Sum => Some(sum),
        }
    }
}

/// Between the two nearest ranks. CloudWatch estimates it from a distribution, so that the last digits may differ.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index into a short list"
)]
fn percentile(sorted: &[f64], rank: f64) -> Option<f64> {
    let place = rank / 100.0 * sorted.len().checked_sub(1)? as f64;
    let below = *sorted.get(place.floor() as usize)?;
    let above = *sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}
