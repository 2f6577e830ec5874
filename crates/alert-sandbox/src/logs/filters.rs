//! Metric filters, and DescribeMetricFilters.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE as BASE64;
use serde_json::{Map, Value, json};

use super::error::LogsError;
use super::events::Group;
use super::{millis, number, text};

/// How many filters an answer has at most, and where no limit is given (API reference, DescribeMetricFilters).
const DESCRIBED_MAX: usize = 50;

/// A metric filter.
#[derive(Debug, Clone)]
pub(super) struct MetricFilter {
    pub(super) name: String,
    pattern: String,
    metric_namespace: String,
    metric_name: String,
    created: i64,
}

pub(super) fn filter(
    name: &str,
    pattern: &str,
    metric_namespace: &str,
    metric_name: &str,
    now: SystemTime,
) -> MetricFilter {
    MetricFilter {
        name: name.to_owned(),
        pattern: pattern.to_owned(),
        metric_namespace: metric_namespace.to_owned(),
        metric_name: metric_name.to_owned(),
        created: millis(now),
    }
}

pub(super) fn describe(
    groups: &BTreeMap<String, Group>,
    request: &Map<String, Value>,
) -> Result<Value, LogsError> {
    let group = text(request, "logGroupName", 1..=512)?;
    // Without a group the prefix is not heeded (API reference, DescribeMetricFilters).
    let prefix = text(request, "filterNamePrefix", 1..=512)?.filter(|_| group.is_some());
    let metric = match (text(request, "metricNamespace", 0..=255)?, text(request, "metricName", 0..=255)?) {
        (Some(namespace), Some(name)) => Some((namespace, name)),
        (None, None) => None,
        (Some(_), None) => return Err(incomplete("metricNamespace", "metricName")),
        (None, Some(_)) => return Err(incomplete("metricName", "metricNamespace")),
    };
    let limit = number(request, "limit", 1..=50)?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(DESCRIBED_MAX);
    let start = match text(request, "nextToken", 1..=usize::MAX)? {
        None => 0,
        Some(token) => token_start(token).ok_or_else(LogsError::next_token)?,
    };
    if group.is_some_and(|group| !groups.contains_key(group)) {
        return Err(LogsError::no_group());
    }
    let of_group = |(name, _): &(&String, &Group)| group.is_none_or(|group| group == *name);
    let mut found: Vec<_> = groups
        .iter()
        .filter(of_group)
        .flat_map(|(group, Group { filters, .. })| filters.values().map(move |filter| (filter, group)))
        .filter(|(filter, _)| prefix.is_none_or(|prefix| filter.name.starts_with(prefix)))
        .filter(|(filter, _)| {
            metric.is_none_or(|(namespace, name)| {
                filter.metric_namespace == namespace && filter.metric_name == name
            })
        })
        .collect();
    found.sort_by(|(one, one_group), (other, other_group)| {
        (&one.name, one_group).cmp(&(&other.name, other_group))
    });
    let page: Vec<_> =
        found.iter().skip(start).take(limit).map(|(filter, group)| filter_json(filter, group)).collect();
    let seen = start + page.len();
    let mut answer = json!({"metricFilters": page});
    if seen < found.len() {
        answer["nextToken"] = BASE64.encode(format!("filters:{seen}")).into();
    }
    Ok(answer)
}

fn incomplete(given: &str, missing: &str) -> LogsError {
    LogsError::invalid_parameter(format!(
        "If you include the {given} parameter in your request, you must also include the {missing} parameter."
    ))
}

fn token_start(token: &str) -> Option<usize> {
    let token = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
    token.strip_prefix("filters:")?.parse().ok()
}

fn filter_json(filter: &MetricFilter, group: &str) -> Value {
    json!({
        "filterName": filter.name,
        "filterPattern": filter.pattern,
        "metricTransformations": [{
            "metricName": filter.metric_name,
            "metricNamespace": filter.metric_namespace,
            "metricValue": "1",
        }],
        "creationTime": filter.created,
        "logGroupName": group,
        "applyOnTransformedLogs": false,
    })
}
