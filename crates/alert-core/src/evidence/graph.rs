//! Many values as the few points of a chart.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::alert::{Comparison, Threshold};
use crate::render::page::CHART_MAX_POINTS;

/// A chart shows at least this much of what was before.
const WINDOW_MIN: TimeDelta = TimeDelta::hours(3);
/// Beyond this nobody sees the change in it any more, and a service keeps no fine values.
const WINDOW_MAX: TimeDelta = TimeDelta::days(15);

/// Values as they were measured, and what they are compared with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// What is measured.
    pub name: String,
    /// The unit as people write it, or empty.
    pub unit: String,
    /// How a value is compared with its limit.
    pub comparison: Option<Comparison>,
    /// The limit that is the same at all times.
    pub limit: Option<f64>,
    /// The values, by time.
    pub values: Vec<(DateTime<Utc>, f64)>,
    /// The lower end of a band, by time.
    pub lower: Vec<(DateTime<Utc>, f64)>,
    /// The upper end of a band, by time.
    pub upper: Vec<(DateTime<Utc>, f64)>,
}

/// A chart's content.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// What is measured.
    pub name: String,
    /// The unit as people write it, or empty.
    pub unit: String,
    /// From 1 to [`CHART_MAX_POINTS`], oldest first.
    pub points: Vec<GraphPoint>,
}

/// One point of a chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GraphPoint {
    /// When it was measured.
    pub at: DateTime<Utc>,
    /// The value; finite.
    pub value: f64,
    /// What it was compared with.
    pub limits: Threshold,
    /// Whether it lies beyond that.
    pub breaching: bool,
}

/// From when to when values are asked for: three hours before the change or 20 periods, whichever is longer, and all the
/// time since it began.
#[must_use]
pub fn window(
    at: DateTime<Utc>,
    began_at: Option<DateTime<Utc>>,
    period: TimeDelta,
    now: DateTime<Utc>,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let period = period.clamp(TimeDelta::seconds(1), WINDOW_MAX);
    let periods = period.checked_mul(20).unwrap_or(WINDOW_MAX);
    let before = WINDOW_MIN.max(periods).min(WINDOW_MAX);
    // Of what lasted long some calm is seen at its begin as well.
    let began = began_at.map_or(at, |began| began.min(at) - before / 4);
    let from = (at - before).min(began).max(at - WINDOW_MAX);
    // The value that changed the state may be counted to a period that ends later.
    (from, (at + period).min(now).max(from + TimeDelta::seconds(60)))
}

impl Measured {
    /// At most [`CHART_MAX_POINTS`] points, each of them the worst of its time, so that a short breach is not averaged away;
    /// `None` where there is no value.
    #[must_use]
    pub fn graph(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Graph> {
        let span = (to - from).num_milliseconds().max(1);
        let count = i64::try_from(CHART_MAX_POINTS).unwrap_or(i64::MAX);
        let (lower, upper) = (by_time(&self.lower), by_time(&self.upper));
        let mut points: Vec<(i64, GraphPoint)> = Vec::new();
        let mut values: Vec<_> = self.values.iter().filter(|(_, value)| value.is_finite()).collect();
        values.sort_by_key(|(at, _)| *at);
        for (at, value) in values {
            let place = ((*at - from).num_milliseconds().saturating_mul(count) / span).clamp(0, count - 1);
            let band = Threshold { lower: lower.get(at).copied(), upper: upper.get(at).copied() };
            let point = self.point(*at, *value, band);
            match points.last_mut() {
                Some((last, worst)) if *last == place => {
                    if self.is_worse(&point, worst) {
                        *worst = point;
                    }
                }
                _ => points.push((place, point)),
            }
        }
        let points: Vec<_> = points.into_iter().map(|(_, point)| point).collect();
        (!points.is_empty()).then(|| Graph { name: self.name.clone(), unit: self.unit.clone(), points })
    }

    fn point(&self, at: DateTime<Utc>, value: f64, band: Threshold) -> GraphPoint {
        let is_band = !self.lower.is_empty() || !self.upper.is_empty();
        let limit = self.limit.filter(|limit| limit.is_finite());
        let limits = if is_band {
            band
        } else {
            match self.comparison {
                Some(Comparison::Below | Comparison::AtOrBelow) => Threshold { lower: limit, upper: None },
                _ => Threshold { lower: None, upper: limit },
            }
        };
        let breaching = self.comparison.is_some_and(|comparison| comparison.is_breached(value, limits));
        GraphPoint { at, value, limits, breaching }
    }

    fn is_worse(&self, one: &GraphPoint, other: &GraphPoint) -> bool {
        match self.comparison {
            Some(Comparison::Below | Comparison::AtOrBelow) => one.value < other.value,
            Some(Comparison::Outside) => beyond(one) > beyond(other),
            // The newest says most where nothing is compared.
            None => true,
            Some(Comparison::Above | Comparison::AtOrAbove) => one.value > other.value,
        }
    }
}

/// One end of a band, where it is a number.
fn by_time(ends: &[(DateTime<Utc>, f64)]) -> BTreeMap<DateTime<Utc>, f64> {
    ends.iter().copied().filter(|(_, end)| end.is_finite()).collect()
}

/// How far a value lies outside of its band; negative inside.
fn beyond(point: &GraphPoint) -> f64 {
    let over = point.limits.upper.map_or(f64::NEG_INFINITY, |upper| point.value - upper);
    let under = point.limits.lower.map_or(f64::NEG_INFINITY, |lower| lower - point.value);
    over.max(under)
}
