//! The alarm as CloudWatch writes it into an SNS message: CamelCase keys, one shape for every kind of alarm.
//!
//! The types are ours because those of aws_lambda_events refuse real alarms: a null description, composite, anomaly
//! and log alarms. Source of the keys: the CloudWatch User Guide, "Notify users on alarm changes", and recordings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::links::Row;
use super::{Alarm, Log, Metric, PromQl, StateValue};
use crate::alert::{Cause, Child};
use crate::forgiving;
use crate::json;
use crate::region::Arn;
use crate::time;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    alarm_name: Option<String>,
    alarm_description: Option<String>,
    #[serde(rename = "AWSAccountId")]
    account: Option<String>,
    new_state_value: Option<String>,
    new_state_reason: Option<String>,
    new_state_reason_data: Option<String>,
    state_change_time: Option<String>,
    region: Option<String>,
    alarm_arn: Option<String>,
    old_state_value: Option<String>,
    action_executed_after_mute_window: Option<bool>,
    trigger: Option<Trigger>,
    alarm_rule: Option<String>,
    #[serde(default)]
    triggering_children: Option<Vec<TriggeringChild>>,
    alarm_contributor_id: Option<String>,
    alarm_contributor_attributes: Option<BTreeMap<String, String>>,
    log_groups: Option<Vec<String>>,
    query_string: Option<String>,
    aggregation_expression: Option<String>,
    alarm_tags: Option<Tags>,
    evaluation_criteria: Option<EvaluationCriteria>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Trigger {
    metric_name: Option<String>,
    namespace: Option<String>,
    statistic: Option<String>,
    extended_statistic: Option<String>,
    unit: Option<String>,
    dimensions: Option<Vec<Dimension>>,
    period: Option<u64>,
    evaluation_periods: Option<u64>,
    datapoints_to_alarm: Option<u64>,
    comparison_operator: Option<String>,
    threshold: Option<f64>,
    threshold_metric_id: Option<String>,
    metrics: Option<Vec<MetricQuery>>,
    evaluation_criteria: Option<EvaluationCriteria>,
}

/// `{value, name}` on the wire; DescribeAlarms and hand-made tests write `{Value, Name}`.
#[derive(Deserialize)]
struct Dimension {
    #[serde(alias = "Name")]
    name: Option<String>,
    #[serde(alias = "Value")]
    value: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricQuery {
    id: Option<String>,
    label: Option<String>,
    expression: Option<String>,
    metric_stat: Option<MetricStat>,
    return_data: Option<bool>,
    period: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricStat {
    metric: Option<MetricName>,
    period: Option<u64>,
    stat: Option<String>,
    unit: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MetricName {
    metric_name: Option<String>,
    namespace: Option<String>,
    dimensions: Option<Vec<Dimension>>,
}

/// AWS's schema says strings, the wire has objects.
#[derive(Deserialize)]
#[serde(untagged)]
enum TriggeringChild {
    Arn(String),
    Object {
        #[serde(rename = "Arn")]
        arn: Option<String>,
        #[serde(rename = "State")]
        state: Option<ChildState>,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChildState {
    value: Option<String>,
}

/// A list of keys and values, or a map.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Tags {
    List(Vec<Tag>),
    Map(BTreeMap<String, String>),
}

#[derive(Deserialize)]
pub(super) struct Tag {
    #[serde(rename = "Key", alias = "key")]
    key: String,
    #[serde(rename = "Value", alias = "value", default)]
    value: String,
}

impl Tags {
    pub(super) fn into_pairs(self) -> Vec<(String, String)> {
        match self {
            Self::List(tags) => tags.into_iter().map(|tag| (tag.key, tag.value)).collect(),
            Self::Map(tags) => tags.into_iter().collect(),
        }
    }
}

#[derive(Deserialize)]
struct EvaluationCriteria {
    #[serde(rename = "PromQLCriteria", alias = "PromqlCriteria")]
    promql: Option<PromQlCriteria>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PromQlCriteria {
    query: Option<String>,
    pending_period: Option<u64>,
}

/// Whether a text is worth reading as an alarm message; real ones have both keys.
pub(super) fn may_be(text: &str) -> bool {
    text.contains(r#""NewStateValue""#) && text.contains(r#""AlarmName""#)
}

/// Reads an alarm message; `None` where it is something else.
pub(super) fn read_text(text: &str) -> Option<Alarm> {
    let mut alarm = read(forgiving::from_str(text)?)?;
    if let Some(log) = &mut alarm.log {
        log.lines = json::from_str(text).ok().map(|value| log_lines(&value)).unwrap_or_default();
    }
    Some(alarm)
}

/// Reads an alarm message that came as JSON within JSON.
pub(super) fn read_value(value: &Value) -> Option<Alarm> {
    value.get("AlarmName")?;
    value.get("NewStateValue")?;
    let mut alarm = read(forgiving::from_value(value.clone())?)?;
    if let Some(log) = &mut alarm.log {
        log.lines = log_lines(value);
    }
    Some(alarm)
}

fn read(read: forgiving::Read<Message>) -> Option<Alarm> {
    let forgiving::Read { value: message, mut unread } = read;
    // Without these two nothing could be said; the message is then shown as it came.
    let (name, state) = (message.alarm_name?, StateValue::parse(message.new_state_value?));
    let arn = message.alarm_arn.as_deref().and_then(Arn::parse);
    let changed_at = message
        .state_change_time
        .as_deref()
        .and_then(|text| time::read("StateChangeTime", text, time::parse, &mut unread));
    let previous = message.old_state_value.map(StateValue::parse);
    let mut trigger = message.trigger.unwrap_or_default();
    let promql = message.evaluation_criteria.or(trigger.evaluation_criteria.take()).and_then(|c| c.promql);
    let is_log_alarm = message.query_string.is_some() || message.log_groups.is_some();

    Some(Alarm {
        region: arn
            .as_ref()
            .map(|arn| arn.region.to_owned())
            .filter(|region| !region.is_empty())
            .or(message.region.filter(|region| !region.is_empty())),
        account: message
            .account
            .filter(|account| !account.is_empty())
            .or_else(|| arn.as_ref().map(|arn| arn.account.to_owned())),
        partition: arn.as_ref().map(|arn| arn.partition.to_owned()),
        name,
        state,
        previous,
        previous_since: None,
        changed_at,
        description: message.alarm_description,
        reason: message.new_state_reason,
        reason_data: message.new_state_reason_data,
        metric: metric(trigger)
            .or_else(|| is_log_alarm.then(|| Metric::of_log(message.aggregation_expression.as_deref()))),
        rule: message.alarm_rule,
        children: message
            .triggering_children
            .into_iter()
            .flatten()
            .map(TriggeringChild::into_child)
            .collect(),
        contributor: message.alarm_contributor_attributes.map(|attributes| attributes.into_iter().collect()),
        contributor_id: message.alarm_contributor_id,
        log: is_log_alarm.then(|| Log {
            groups: message.log_groups.unwrap_or_default(),
            query: message.query_string,
            lines: Vec::new(),
        }),
        promql: promql.and_then(|criteria| {
            Some(PromQl { query: criteria.query?, pending_seconds: criteria.pending_period })
        }),
        tags: message.alarm_tags.map(Tags::into_pairs).unwrap_or_default(),
        after_mute_window: message.action_executed_after_mute_window.unwrap_or(false),
        // Nothing in this form proves it. The time of the configuration's last update is an edit's as well, which leaves
        // the state as it was: the alarm may have been in ALARM before, for all to see.
        created_just_now: false,
        suppressed_by: None,
        muted_by: None,
        cause: Cause::Action,
        unread,
    })
}

fn metric(trigger: Trigger) -> Option<Metric> {
    let mut queries = trigger.metrics.unwrap_or_default();
    let graph = queries.iter().filter_map(|query| query.row().render()).collect();
    let band_id = trigger.threshold_metric_id;
    let comparison = trigger.comparison_operator;
    let alarmed = alarmed_query(&queries, band_id.as_deref());
    let alarmed = alarmed.map(|index| queries.swap_remove(index));
    let mut metric = Metric {
        name: trigger.metric_name,
        namespace: trigger.namespace,
        statistic: trigger.extended_statistic.or(trigger.statistic),
        unit: trigger.unit,
        period_seconds: trigger.period,
        dimensions: pairs(trigger.dimensions),
        expression: None,
        label: None,
        evaluation_periods: trigger.evaluation_periods,
        datapoints_to_alarm: trigger.datapoints_to_alarm,
        comparison,
        threshold: trigger.threshold,
        is_band: band_id.is_some(),
        graph,
    };
    if let Some(query) = alarmed {
        // An id such as `e1` says less than the expression.
        metric.label = query.label.or(query.id.filter(|_| query.expression.is_none()));
        metric.period_seconds = query.period.or(metric.period_seconds);
        metric.expression = query.expression;
        if let Some(stat) = query.metric_stat {
            if let Some(name) = stat.metric {
                metric.name = name.metric_name;
                metric.namespace = metric.namespace.or(name.namespace);
                metric.dimensions.extend(pairs(name.dimensions));
            }
            metric.statistic = stat.stat.or(metric.statistic);
            metric.unit = stat.unit.or(metric.unit);
            metric.period_seconds = stat.period.or(metric.period_seconds);
        } else {
            // A math alarm has no metric of its own.
            let inputs: Vec<MetricName> =
                queries.into_iter().filter_map(|query| query.metric_stat?.metric).collect();
            metric.namespace = inputs.first().and_then(|input| input.namespace.clone()).filter(|namespace| {
                inputs.iter().all(|input| input.namespace.as_deref() == Some(namespace.as_str()))
            });
            metric.dimensions.extend(super::shared(inputs.into_iter().map(|input| pairs(input.dimensions))));
        }
    }
    (metric.name.is_some() || metric.label.is_some() || metric.comparison.is_some()).then_some(metric)
}

/// The query whose values are compared: the one that returns data and is not the anomaly band itself.
fn alarmed_query(queries: &[MetricQuery], band_id: Option<&str>) -> Option<usize> {
    let returns = |query: &MetricQuery| query.return_data.unwrap_or(true);
    let is_band = |query: &MetricQuery| {
        band_id.is_some() && query.id.as_deref() == band_id
            || query.expression.as_deref().is_some_and(|text| text.contains("ANOMALY_DETECTION_BAND"))
    };
    queries.iter().position(|query| returns(query) && !is_band(query)).or((!queries.is_empty()).then_some(0))
}

fn pairs(dimensions: Option<Vec<Dimension>>) -> Vec<(String, String)> {
    dimensions
        .into_iter()
        .flatten()
        .filter_map(|dimension| Some((dimension.name?, dimension.value?)))
        .collect()
}

impl MetricQuery {
    fn row(&self) -> Row<'_> {
        let stat = self.metric_stat.as_ref();
        let metric = stat.and_then(|stat| stat.metric.as_ref());
        let dimensions = metric.and_then(|metric| metric.dimensions.as_deref()).unwrap_or_default();
        Row {
            id: self.id.as_deref(),
            label: self.label.as_deref(),
            expression: self.expression.as_deref(),
            namespace: metric.and_then(|metric| metric.namespace.as_deref()),
            name: metric.and_then(|metric| metric.metric_name.as_deref()),
            dimensions: dimensions
                .iter()
                .filter_map(|dimension| Some((dimension.name.clone()?, dimension.value.clone()?)))
                .collect(),
            statistic: stat.and_then(|stat| stat.stat.as_deref()),
            period: stat.and_then(|stat| stat.period).or(self.period),
            is_shown: self.return_data.unwrap_or(true),
        }
    }
}

impl TriggeringChild {
    fn into_child(self) -> Child {
        let (arn, state) = match self {
            Self::Arn(arn) => (arn, None),
            Self::Object { arn, state } => (arn.unwrap_or_default(), state.and_then(|state| state.value)),
        };
        super::child(&arn, state)
    }
}

/// The key of a log alarm's attached lines is documented nowhere; any list under a key that speaks of log lines,
/// events or results is taken for it.
fn log_lines(message: &Value) -> Vec<String> {
    const KEYS: [&str; 6] =
        ["loglines", "loglinescontent", "logevents", "logrecords", "queryresults", "logmessages"];
    let mut lines = Vec::new();
    for (key, value) in message.as_object().into_iter().flatten() {
        if !KEYS.contains(&key.to_ascii_lowercase().as_str()) {
            continue;
        }
        for line in value.as_array().into_iter().flatten() {
            let text = line.as_str().or_else(|| {
                ["message", "Message", "@message"].iter().find_map(|key| line.get(key)?.as_str())
            });
            lines.push(text.map_or_else(|| line.to_string(), str::to_owned));
        }
    }
    lines
}
