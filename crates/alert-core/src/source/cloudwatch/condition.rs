//! What the alarm compares, and with what.

use super::reason::{Measured, OUTSIDE};
use super::{Alarm, Metric};
use crate::alert::{Comparison, Condition, Measure, Share, Threshold};
use crate::{number, text};

/// What made the alarm change; `None` for one of which it is not known what it measures.
pub(super) fn condition(alarm: &Alarm, measured: &Measured) -> Option<Condition> {
    if let Some(measure) = alarm.metric.as_ref().and_then(|metric| measure(metric, measured)) {
        return Some(Condition::Measured(Box::new(Measure { is_of_logs: alarm.log.is_some(), ..measure })));
    }
    let promql = alarm.promql.as_ref()?;
    Some(Condition::Query { pending_seconds: promql.pending_seconds.filter(|seconds| *seconds > 0) })
}

/// What an alarm is for.
pub(super) fn purpose(metric: &Metric) -> Option<Condition> {
    Some(Condition::Purpose(Box::new(measure(metric, &Measured::default())?)))
}

fn measure(metric: &Metric, measured: &Measured) -> Option<Measure> {
    let (name, expression) = match (&metric.name, &metric.label, &metric.expression) {
        (Some(name), _, _) => (name, None),
        (None, Some(label), Some(expression)) if label != expression => (label, Some(expression.clone())),
        (None, Some(label), _) => (label, None),
        (None, None, Some(expression)) => (expression, None),
        (None, None, None) => return None,
    };
    Some(Measure {
        metric: name.clone(),
        expression,
        statistic: metric.statistic.clone(),
        period_seconds: metric.period_seconds,
        value: measured.values.last().map(|(value, _)| *value),
        comparison: metric.comparison.as_deref().and_then(comparison).or_else(|| {
            // EventBridge's events do not bring the operator; the sentence says it.
            comparison_said(measured.comparison.as_deref()?.trim_start_matches("not "))
        }),
        limit: metric.threshold.or(measured.threshold),
        is_band: metric.is_band,
        breaching: counts(metric, measured),
        wanted: metric
            .evaluation_periods
            .map(|total| Share { count: metric.datapoints_to_alarm.unwrap_or(total), total }),
        missing: measured.missing.clone(),
        is_of_logs: false,
    })
}

/// Metrics of RDS and its kin that are in bytes without saying so by their name.
const IN_BYTES: [&str; 4] = ["FreeStorageSpace", "FreeableMemory", "SwapUsage", "FreeLocalStorage"];

/// Longer than CloudWatch's own units; it stands beside every value.
const UNIT_MAX_CHARS: usize = 32;

/// The values' unit as people write it; empty where it is not known.
pub(super) fn unit(metric: &Metric, measured: &Measured) -> String {
    let given = measured.unit.as_deref().or(metric.unit.as_deref()).filter(|unit| *unit != "None");
    let name = metric.name.as_deref().unwrap_or_default();
    let namespace = metric.namespace.as_deref().unwrap_or_default();
    match given {
        Some(unit) => text::cut(number::unit_symbol(unit), UNIT_MAX_CHARS).into_owned(),
        None => unit_of(namespace, name).to_owned(),
    }
}

/// The unit that the name of one of AWS's own metrics says, as people write it; else empty: most alarms do not name it, and
/// metrics of these names are always per cent, or bytes.
#[must_use]
pub fn unit_of(namespace: &str, metric: &str) -> &'static str {
    let aws =
        namespace.starts_with("AWS/") || namespace.starts_with("ECS/") || namespace == "ContainerInsights";
    if aws && (metric.ends_with("Utilization") || metric.ends_with("Percent")) {
        "%"
    } else if aws && (metric.ends_with("Bytes") || IN_BYTES.contains(&metric)) {
        "B"
    } else {
        ""
    }
}

fn counts(metric: &Metric, measured: &Measured) -> Option<Share> {
    let (count, total) = measured.breaching_of?;
    // `1 datapoint` says how many breached, not of how many.
    let total = total.max(metric.evaluation_periods.filter(|_| total == count).unwrap_or(total));
    Some(Share { count, total })
}

/// How a value is compared, by the service's own word for it.
#[must_use]
pub fn comparison(operator: &str) -> Option<Comparison> {
    Some(match operator {
        "GreaterThanThreshold" | "GreaterThanUpperThreshold" => Comparison::Above,
        "GreaterThanOrEqualToThreshold" => Comparison::AtOrAbove,
        "LessThanThreshold" | "LessThanLowerThreshold" => Comparison::Below,
        "LessThanOrEqualToThreshold" => Comparison::AtOrBelow,
        "LessThanLowerOrGreaterThanUpperThreshold" => Comparison::Outside,
        _ => return None,
    })
}

fn comparison_said(said: &str) -> Option<Comparison> {
    Some(match said {
        "greater than" => Comparison::Above,
        "greater than or equal to" => Comparison::AtOrAbove,
        "less than" => Comparison::Below,
        "less than or equal to" => Comparison::AtOrBelow,
        OUTSIDE => Comparison::Outside,
        _ => return None,
    })
}

/// Whether a value lies beyond the limit that the alarm watches.
pub(super) fn breaches(value: f64, metric: &Metric, measured: &Measured) -> bool {
    let said = measured.comparison.as_deref().map(|said| said.trim_start_matches("not "));
    let threshold = metric.threshold.or(measured.threshold);
    let Measured { lower, upper, .. } = *measured;
    let (comparison, lower, upper) = match metric.comparison.as_deref().or(said).unwrap_or_default() {
        "GreaterThanThreshold" | "greater than" => (Comparison::Above, None, threshold.or(upper)),
        "GreaterThanOrEqualToThreshold" | "greater than or equal to" => {
            (Comparison::AtOrAbove, None, threshold)
        }
        "LessThanThreshold" | "less than" => (Comparison::Below, threshold.or(lower), None),
        "LessThanOrEqualToThreshold" | "less than or equal to" => (Comparison::AtOrBelow, threshold, None),
        "GreaterThanUpperThreshold" => (Comparison::Above, None, upper),
        "LessThanLowerThreshold" => (Comparison::Below, lower, None),
        "LessThanLowerOrGreaterThanUpperThreshold" | OUTSIDE => (Comparison::Outside, lower, upper),
        _ => return false,
    };
    comparison.is_breached(value, Threshold { lower, upper })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_a_word_and_no_more() {
        for (given, expected) in [
            ("Percent", "%"),
            ("Furlongs", "Furlongs"),
            ("None", ""),
            (&*"]\"> [".repeat(900), &*format!("{}…", &"]\"> [".repeat(7)[..31])),
        ] {
            let measured = Measured { unit: Some(given.to_owned()), ..Measured::default() };
            assert_eq!(unit(&Metric::of_log(None), &measured), expected, "{given}");
        }
    }
}
