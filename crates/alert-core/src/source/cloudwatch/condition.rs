//! The alarm's condition in plain English, with the number that counts.

use super::reason::Measured;
use super::{Alarm, Metric, StateValue};
use crate::number;

/// One sentence such as `CPUUtilization, average over 1 min, was 99.9 % for 1 of 1 datapoints: above 50 %`.
///
/// `None` for an alarm without a metric.
pub(super) fn sentence(alarm: &Alarm, measured: &Measured) -> Option<String> {
    let metric = alarm.metric.as_ref()?;
    let unit = unit(metric, measured);
    let mut text = subject(metric)?;
    let newest = measured.values.last().map(|(value, _)| *value);
    let threshold = metric.threshold.or(measured.threshold);
    match (&alarm.state, newest) {
        (StateValue::InsufficientData, _) => text.push_str(" has no data"),
        (_, Some(value)) => {
            text.push_str(" was ");
            text.push_str(&number::with_unit(&number::beside(value, threshold), &unit));
        }
        (_, None) => {}
    }
    if alarm.state == StateValue::Alarm
        && newest.is_some()
        && let Some((count, total)) = counts(metric, measured)
    {
        text.push_str(&format!(" for {count} of {total} datapoint{}", plural(total)));
    }
    let comparison = metric.comparison.as_deref().and_then(words).or_else(|| {
        // EventBridge's events do not bring the operator; the sentence says it.
        let said = measured.comparison.as_deref()?;
        words_of_sentence(said.trim_start_matches("not "))
    });
    let limit = match (metric.is_band, measured.lower, measured.upper, threshold) {
        (true, Some(lower), Some(upper), _) => Some(format!(
            "the expected band of {} to {}",
            number::plain(lower),
            number::with_unit(&number::plain(upper), &unit)
        )),
        (true, None, Some(one), _) | (true, Some(one), None, _) => {
            Some(format!("the expected band ({})", number::with_unit(&number::plain(one), &unit)))
        }
        (true, None, None, _) => Some("the expected band".to_owned()),
        (false, _, _, Some(threshold)) => Some(number::with_unit(&number::plain(threshold), &unit)),
        (false, _, _, None) => None,
    };
    if let (Some(comparison), Some(limit)) = (comparison, limit) {
        let lead = match (&alarm.state, newest) {
            (StateValue::Alarm, Some(_)) => ": ",
            (StateValue::Ok, Some(_)) => ": no longer ",
            _ => "; the alarm is for ",
        };
        text.push_str(lead);
        text.push_str(&format!("{comparison} {limit}"));
        let wanted =
            metric.evaluation_periods.map(|total| (metric.datapoints_to_alarm.unwrap_or(total), total));
        if let Some((count, total)) = wanted.filter(|_| newest.is_none()) {
            text.push_str(&format!(" for {count} of {total} datapoint{}", plural(total)));
        }
    }
    Some(text)
}

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
        None => String::new(),
    }
}

/// `CPUUtilization, average over 1 min,` — what is measured and how.
fn subject(metric: &Metric) -> Option<String> {
    let mut text = match (&metric.name, &metric.label, &metric.expression) {
        (Some(name), _, _) => name.clone(),
        (None, Some(label), Some(expression)) if label != expression => format!("{label} ({expression})"),
        (None, Some(label), _) => label.clone(),
        (None, None, Some(expression)) => expression.clone(),
        (None, None, None) => return None,
    };
    let statistic = metric.statistic.as_deref().map(statistic_words);
    let period = metric.period_seconds.map(period);
    match (statistic, period) {
        (Some(statistic), Some(period)) => text.push_str(&format!(", {statistic} over {period},")),
        (Some(statistic), None) => text.push_str(&format!(", {statistic},")),
        (None, Some(period)) => text.push_str(&format!(", over {period},")),
        (None, None) => {}
    }
    Some(text)
}

fn counts(metric: &Metric, measured: &Measured) -> Option<(u64, u64)> {
    let (count, total) = measured.breaching_of?;
    // `1 datapoint` says how many breached, not of how many.
    Some((count, total.max(metric.evaluation_periods.filter(|_| total == count).unwrap_or(total))))
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn statistic_words(statistic: &str) -> String {
    match statistic.to_ascii_uppercase().as_str() {
        "AVERAGE" => "average".to_owned(),
        "SUM" => "sum".to_owned(),
        "MINIMUM" => "minimum".to_owned(),
        "MAXIMUM" => "maximum".to_owned(),
        "SAMPLE_COUNT" | "SAMPLECOUNT" => "sample count".to_owned(),
        _ => statistic.to_owned(),
    }
}

fn period(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        _ if seconds.is_multiple_of(86_400) => format!("{} d", seconds / 86_400),
        _ if seconds.is_multiple_of(3_600) => format!("{} h", seconds / 3_600),
        _ if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
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
        "LessThanLowerOrGreaterThanUpperThreshold" => {
            against(above, measured.upper) || against(below, measured.lower)
        }
        _ => false,
    }
}
