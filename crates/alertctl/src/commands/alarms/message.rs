//! An alarm's change as SNS would have brought it: CloudWatch's message out of the alarm's definition.
//!
//! Source of the form: CloudWatch User Guide, "Notify users on alarm changes", and the fixtures in `fixtures/cloudwatch`.

use std::collections::HashMap;

use alert_core::region::Arn;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, EvaluationCriteria, LogAlarm, Metric, MetricAlarm, MetricDataQuery,
    MetricStat, ScheduledQueryConfiguration, StandardUnit,
};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::Alarm;

/// A change of an alarm's state.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// What tells this delivery from others.
    pub(crate) id: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) reason: String,
    /// CloudWatch's JSON about the reason.
    pub(crate) reason_data: Option<String>,
    /// Which of the things that the alarm watches, and what tells them apart.
    pub(crate) contributor: Option<(String, HashMap<String, String>)>,
}

/// The event that a function gets of it. `tags` are the alarm's, where they are known.
pub(crate) fn event(alarm: &Alarm, change: &Change, tags: &[(String, String)]) -> Value {
    let arn = Arn::parse(&alarm.arn);
    let region = arn.as_ref().map(|arn| arn.region).unwrap_or_default();
    let account = arn.as_ref().map(|arn| arn.account).unwrap_or_default();
    let partition = arn.as_ref().map_or("aws", |arn| arn.partition);
    let mut message = json!({
        "AlarmName": alarm.name,
        "AWSAccountId": account,
        "NewStateValue": change.to,
        "NewStateReason": change.reason,
        "StateChangeTime": change.at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
        "Region": region,
        "AlarmArn": alarm.arn,
        "OldStateValue": change.from,
        "ActionExecutedAfterMuteWindow": false,
    });
    if let Some(message) = message.as_object_mut() {
        message.extend(alarm.definition.clone());
        if let Some(data) = &change.reason_data {
            message.insert("NewStateReasonData".to_owned(), data.as_str().into());
        }
        if let Some((id, attributes)) = &change.contributor {
            message.insert("AlarmContributorId".to_owned(), id.as_str().into());
            message.insert("AlarmContributorAttributes".to_owned(), json!(attributes));
        }
        if !tags.is_empty() {
            let tags = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
            message.insert("AlarmTags".to_owned(), tags.collect());
        }
    }
    let own = alarm.actions.iter().find(|action| Arn::of_topic(action).is_some()).cloned();
    let topic = own.unwrap_or_else(|| format!("arn:{partition}:sns:{region}:{account}:alarms"));
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": topic,
        "Sns": {
            "Type": "Notification",
            "MessageId": change.id,
            "TopicArn": topic,
            "Subject": format!("{}: \"{}\" in {region}", change.to, alarm.name),
            "Message": message.to_string(),
            "Timestamp": change.at.to_rfc3339_opts(SecondsFormat::Millis, true),
            "MessageAttributes": {},
        },
    }]})
}

/// What a message of every kind of alarm says of its definition; the lists are its actions for OK, ALARM and INSUFFICIENT_DATA.
pub(super) fn common(description: Option<&str>, actions: [&[String]; 3]) -> Map<String, Value> {
    let [ok, alarm, insufficient] = actions;
    object(json!({
        "AlarmDescription": description,
        "OKActions": ok,
        "AlarmActions": alarm,
        "InsufficientDataActions": insufficient,
    }))
}

/// Whether it watches each group of a query by itself. Source: CloudWatch User Guide, "Alarm on a multi-time-series query".
pub(super) fn is_grouped(alarm: &MetricAlarm) -> bool {
    let grouped = |query: &MetricDataQuery| {
        query.expression().is_some_and(|text| text.to_ascii_uppercase().contains("GROUP BY"))
    };
    alarm.metrics().iter().any(grouped)
}

pub(super) fn of_metric(alarm: &MetricAlarm) -> Map<String, Value> {
    if let Some(EvaluationCriteria::PromQlCriteria(criteria)) = &alarm.evaluation_criteria {
        return object(json!({
            "EvaluationCriteria": {"PromQLCriteria": {
                "Query": criteria.query,
                "PendingPeriod": criteria.pending_period,
                "RecoveryPeriod": criteria.recovery_period,
            }},
            "EvaluationInterval": alarm.evaluation_interval,
        }));
    }
    let mut trigger = object(json!({
        "Period": alarm.period,
        "EvaluationPeriods": alarm.evaluation_periods,
        "DatapointsToAlarm": alarm.datapoints_to_alarm,
        "ComparisonOperator": alarm.comparison_operator.as_ref().map(ComparisonOperator::as_str),
        "Threshold": alarm.threshold,
        "TreatMissingData": alarm.treat_missing_data,
        "EvaluateLowSampleCountPercentile": alarm.evaluate_low_sample_count_percentile,
    }));
    if let Some(name) = &alarm.metric_name {
        trigger.extend(object(json!({
            "MetricName": name,
            "Namespace": alarm.namespace,
            "StatisticType": if alarm.statistic.is_some() { "Statistic" } else { "ExtendedStatistic" },
            "Statistic": alarm.statistic.as_ref().map(|statistic| shouted(statistic.as_str())),
            "ExtendedStatistic": alarm.extended_statistic,
            "Unit": alarm.unit.as_ref().map(StandardUnit::as_str),
            "Dimensions": dimensions(alarm.dimensions()),
        })));
    }
    if !alarm.metrics().is_empty() {
        trigger.insert("Metrics".to_owned(), alarm.metrics().iter().map(query).collect());
    }
    if let Some(id) = &alarm.threshold_metric_id {
        trigger.insert("ThresholdMetricId".to_owned(), id.as_str().into());
    }
    // What an alarm does not have is not in its message.
    trigger.retain(|name, value| !value.is_null() || name == "Unit");
    object(json!({"Trigger": trigger}))
}

pub(super) fn of_log(alarm: &LogAlarm) -> Map<String, Value> {
    let query = alarm.scheduled_query_configuration.as_ref();
    object(json!({
        "LogGroups": query.map(ScheduledQueryConfiguration::log_group_identifiers).unwrap_or_default(),
        "QueryString": query.and_then(|query| query.query_string()),
        "AggregationExpression": query.and_then(|query| query.aggregation_expression()),
    }))
}

fn query(query: &MetricDataQuery) -> Value {
    let mut own = object(json!({
        "Id": query.id,
        "Expression": query.expression,
        "Label": query.label,
        "MetricStat": query.metric_stat.as_ref().map(stat),
        "ReturnData": query.return_data.unwrap_or(true),
        "Period": query.period,
        "AccountId": query.account_id,
    }));
    own.retain(|_, value| !value.is_null());
    own.into()
}

fn stat(stat: &MetricStat) -> Value {
    let metric = |metric: &Metric| {
        json!({
            "MetricName": metric.metric_name,
            "Namespace": metric.namespace,
            "Dimensions": dimensions(metric.dimensions()),
        })
    };
    let mut own = object(json!({
        "Metric": stat.metric.as_ref().map(metric),
        "Period": stat.period,
        "Stat": stat.stat,
        "Unit": stat.unit.as_ref().map(StandardUnit::as_str),
    }));
    own.retain(|_, value| !value.is_null());
    own.into()
}

fn dimensions(dimensions: &[Dimension]) -> Value {
    dimensions.iter().map(|one| json!({"value": one.value(), "name": one.name()})).collect()
}

/// `SampleCount` as messages have it: `SAMPLE_COUNT`.
fn shouted(statistic: &str) -> String {
    let mut text = String::new();
    for c in statistic.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(c.to_ascii_uppercase());
    }
    text
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
