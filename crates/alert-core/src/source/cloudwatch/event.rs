//! The alarm as EventBridge's events and direct Lambda actions have it: camelCase keys, one `detail` for both.
//!
//! Source of the keys: the CloudWatch User Guide, "Alarm events and EventBridge", and recordings.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::links::{Console, Row};
use super::message::Tags;
use super::{Alarm, Log, Metric, PromQl, StateValue, condition};
use crate::alert::{Alert, Cause, Fact, LinkKind, Source, State};
use crate::forgiving;
use crate::region::Arn;
use crate::time;

/// What CloudWatch gives as the reason of the state that an alarm is made with.
const CREATION_REASON: &str = "Unchecked: Initial alarm creation";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    alarm_name: Option<String>,
    state: Option<StateDetail>,
    previous_state: Option<StateDetail>,
    configuration: Option<Configuration>,
    mute_detail: Option<MuteDetail>,
    alarm_contributor: Option<Contributor>,
    alarm_tags: Option<Tags>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct StateDetail {
    value: Option<String>,
    reason: Option<String>,
    reason_data: Option<String>,
    timestamp: Option<String>,
    actions_suppressed_by: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    description: Option<String>,
    #[serde(default)]
    metrics: Option<Vec<MetricQuery>>,
    alarm_rule: Option<String>,
    log_group_identifiers: Option<Vec<String>>,
    query_string: Option<String>,
    aggregation_expression: Option<String>,
    threshold: Option<f64>,
    comparison_operator: Option<String>,
    evaluation_periods: Option<u64>,
    datapoints_to_alarm: Option<u64>,
    query_results_to_evaluate: Option<u64>,
    query_results_to_alarm: Option<u64>,
    evaluation_criteria: Option<EvaluationCriteria>,
}

#[derive(Deserialize)]
struct EvaluationCriteria {
    #[serde(rename = "promQLCriteria", alias = "promqlCriteria", alias = "PromQLCriteria")]
    promql: Option<PromQlCriteria>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PromQlCriteria {
    #[serde(alias = "Query")]
    query: Option<String>,
    #[serde(alias = "PendingPeriod")]
    pending_period: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetricQuery {
    id: Option<String>,
    label: Option<String>,
    expression: Option<String>,
    metric_stat: Option<MetricStat>,
    return_data: Option<bool>,
    period: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetricStat {
    metric: Option<MetricName>,
    period: Option<u64>,
    stat: Option<String>,
    unit: Option<String>,
}

#[derive(Deserialize)]
struct MetricName {
    name: Option<String>,
    namespace: Option<String>,
    dimensions: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MuteDetail {
    muted_by_arn: Option<String>,
}

#[derive(Deserialize)]
struct Contributor {
    id: Option<String>,
    attributes: Option<BTreeMap<String, String>>,
}

impl MetricQuery {
    fn row(&self) -> Row<'_> {
        let stat = self.metric_stat.as_ref();
        let metric = stat.and_then(|stat| stat.metric.as_ref());
        Row {
            id: self.id.as_deref(),
            label: self.label.as_deref(),
            expression: self.expression.as_deref(),
            namespace: metric.and_then(|metric| metric.namespace.as_deref()),
            name: metric.and_then(|metric| metric.name.as_deref()),
            dimensions: metric.and_then(|metric| metric.dimensions.clone()).into_iter().flatten().collect(),
            statistic: stat.and_then(|stat| stat.stat.as_deref()),
            period: stat.and_then(|stat| stat.period).or(self.period),
            is_shown: self.return_data.unwrap_or(true),
        }
    }
}

/// Reads a state change, of an alarm or of one of its contributors; `None` where the event is something else.
pub(super) fn read_state_change(event: &Value) -> Option<Alarm> {
    let (detail, arn, account) = if let Some(data) = event.get("alarmData") {
        (data, event.get("alarmArn"), event.get("accountId"))
    } else {
        if event.get("source")?.as_str()? != "aws.cloudwatch" {
            return None;
        }
        (
            event.get("detail")?,
            event.get("resources").and_then(|resources| resources.get(0)),
            event.get("account"),
        )
    };
    let is_action = event.get("alarmData").is_some();
    let arn = arn.and_then(Value::as_str).map(str::to_owned);
    let forgiving::Read { value: detail, mut unread } = forgiving::from_value::<Detail>(detail.clone())?;
    let state = detail.state.unwrap_or_default();
    let (name, value) = (detail.alarm_name?, StateValue::parse(state.value?));
    let previous = detail.previous_state.unwrap_or_default();
    let parsed = arn.as_deref().and_then(Arn::parse);
    let previous_value = previous.value.map(StateValue::parse);
    let created_just_now = previous_value == Some(StateValue::InsufficientData)
        && value == StateValue::Ok
        && previous.reason.as_deref() == Some(CREATION_REASON);
    let configuration = detail.configuration.unwrap_or_default();
    let text = |key: &str| event.get(key).and_then(Value::as_str).map(str::to_owned);
    let mut moment = |name, text: Option<String>| time::read(name, &text?, time::parse, &mut unread);
    let previous_since = moment("previousState.timestamp", previous.timestamp);
    let changed_at = moment("state.timestamp", state.timestamp).or_else(|| moment("time", text("time")));
    let contributor_id = detail.alarm_contributor.as_ref().and_then(|contributor| contributor.id.clone());

    Some(Alarm {
        name,
        partition: parsed.as_ref().map(|arn| arn.partition.to_owned()),
        account: account
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| parsed.as_ref().map(|arn| arn.account.to_owned())),
        region: parsed.as_ref().map(|arn| arn.region.to_owned()).or_else(|| text("region")),
        state: value,
        previous: previous_value,
        previous_since,
        changed_at,
        description: configuration.description.clone(),
        reason: state.reason,
        reason_data: state.reason_data,
        rule: configuration.alarm_rule.clone(),
        children: Vec::new(),
        contributor: detail
            .alarm_contributor
            .and_then(|contributor| contributor.attributes)
            .map(|attributes| attributes.into_iter().collect()),
        contributor_id,
        log: configuration.query_string.is_some().then(|| Log {
            groups: configuration.log_group_identifiers.clone().unwrap_or_default(),
            query: configuration.query_string.clone(),
            lines: Vec::new(),
        }),
        promql: configuration.evaluation_criteria.as_ref().and_then(|criteria| {
            let promql = criteria.promql.as_ref()?;
            Some(PromQl { query: promql.query.clone()?, pending_seconds: promql.pending_period })
        }),
        metric: metric(configuration),
        tags: detail.alarm_tags.map(Tags::into_pairs).unwrap_or_default(),
        after_mute_window: false,
        created_just_now,
        suppressed_by: state.actions_suppressed_by,
        muted_by: detail.mute_detail.map(|mute| mute.muted_by_arn.unwrap_or_default()),
        cause: if is_action { Cause::Action } else { Cause::StateChangeEvent },
        unread,
    })
}

fn metric(configuration: Configuration) -> Option<Metric> {
    if configuration.query_string.is_some() {
        return Some(Metric {
            evaluation_periods: configuration.query_results_to_evaluate,
            datapoints_to_alarm: configuration.query_results_to_alarm,
            comparison: configuration.comparison_operator,
            threshold: configuration.threshold,
            ..Metric::of_log(configuration.aggregation_expression.as_deref())
        });
    }
    let queries = configuration.metrics.unwrap_or_default();
    let is_band = |query: &MetricQuery| {
        query.expression.as_deref().is_some_and(|text| text.contains("ANOMALY_DETECTION_BAND"))
    };
    let has_band = queries.iter().any(is_band);
    // A plain metric is one query, whose id is a UUID that nobody chose.
    let is_math = queries.iter().any(|query| query.expression.is_some());
    let graph = queries.iter().filter(|_| is_math).filter_map(|query| query.row().render()).collect();
    let inputs = queries.iter().filter_map(|query| {
        let dimensions = query.metric_stat.as_ref()?.metric.as_ref()?.dimensions.clone();
        Some(dimensions.unwrap_or_default().into_iter().collect())
    });
    let input_dimensions = super::shared(inputs);
    let query = queries.into_iter().find(|query| query.return_data.unwrap_or(true) && !is_band(query));
    if query.is_none() && configuration.comparison_operator.is_none() {
        return None;
    }
    let mut metric = Metric {
        name: None,
        namespace: None,
        statistic: None,
        unit: None,
        period_seconds: None,
        dimensions: input_dimensions,
        expression: None,
        label: None,
        evaluation_periods: configuration.evaluation_periods,
        datapoints_to_alarm: configuration.datapoints_to_alarm,
        comparison: configuration.comparison_operator,
        threshold: configuration.threshold,
        is_band: has_band,
        graph,
    };
    if let Some(query) = query {
        metric.expression = query.expression;
        metric.label = query.label;
        metric.period_seconds = query.period;
        if let Some(stat) = query.metric_stat {
            metric.statistic = stat.stat;
            metric.unit = stat.unit;
            metric.period_seconds = stat.period.or(metric.period_seconds);
            if let Some(name) = stat.metric {
                metric.name = name.name;
                metric.namespace = name.namespace;
            }
        }
    }
    Some(metric)
}

/// Reads a change of an alarm's configuration into an alert; `None` where the event is something else.
pub(super) fn read_configuration_change(event: &Value) -> Option<Alert> {
    if event.get("detail-type")?.as_str()? != "CloudWatch Alarm Configuration Change" {
        return None;
    }
    let detail = event.get("detail")?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let name = text(detail, "alarmName")
        .or_else(|| text(detail.get("configuration")?, "alarmName"))
        .unwrap_or_default();
    let operation = text(detail, "operation").unwrap_or_default();
    let word = match operation.as_str() {
        "create" => "alarm created",
        "update" => "alarm changed",
        "delete" => "alarm deleted",
        _ => "alarm configuration",
    };
    let mut alert = Alert::new(Source::CloudWatch, name, State::Informational, word);
    alert.cause = Cause::StateChangeEvent;
    let mut unread = Vec::new();
    alert.changed_at =
        event.get("time").and_then(|at| time::read_value("time", at, time::parse, &mut unread));
    alert.notes.extend(unread.iter().map(|unread| super::unread_note(unread)));
    alert.account = text(event, "account");
    alert.region = text(event, "region");
    let configuration = detail.get("configuration");
    let mut changed = Vec::new();
    if let (Some(now), Some(before)) = (
        configuration.and_then(Value::as_object),
        detail.get("previousConfiguration").and_then(Value::as_object),
    ) {
        let keys = now.keys().chain(before.keys().filter(|key| !now.contains_key(*key)));
        for key in keys.filter(|key| *key != "timestamp") {
            let (new, old) = (now.get(key), before.get(key));
            if new != old {
                alert.facts.push(Fact::new(words(key), format!("{} → {}", show(old), show(new))));
                changed.push(key.as_str());
            }
        }
    }
    if let Some(read) = configuration.and_then(|all| forgiving::from_value::<Configuration>(all.clone())) {
        // What has changed stands among the facts, old and new.
        alert.evidence.rule = read.value.alarm_rule.clone().filter(|_| !changed.contains(&"alarmRule"));
        alert.description = read.value.description.clone().filter(|_| !changed.contains(&"description"));
        if let Some(metric) = metric(read.value) {
            alert.condition = condition::purpose(&metric);
            alert.labels.set("namespace", metric.namespace.unwrap_or_default());
        }
    }
    alert.labels.set("alertname", alert.name.as_str());
    alert.labels.set("state", alert.state.as_label());
    alert.labels.set("account", alert.account.clone().unwrap_or_default());
    alert.labels.set("region", alert.region.clone().unwrap_or_default());
    if let Some(state) = detail.get("state").and_then(|state| text(state, "value")) {
        alert.facts.push(Fact::new("State", state));
    }
    let arn = event.get("resources").and_then(|resources| resources.get(0)).and_then(Value::as_str);
    if operation != "delete" {
        let partition = arn.and_then(Arn::parse).map(|arn| arn.partition.to_owned());
        if let Some(console) = Console::of(alert.region.as_deref(), partition.as_deref()) {
            alert.link(LinkKind::Alarm, console.alarm(&alert.name));
        }
    }
    Some(alert)
}

/// `alarmActions` as people write it: `Alarm actions`.
fn words(key: &str) -> String {
    let mut words = String::new();
    for c in key.chars() {
        match c {
            c if words.is_empty() => words.extend(c.to_uppercase()),
            c if c.is_uppercase() => {
                words.push(' ');
                words.extend(c.to_lowercase());
            }
            c => words.push(c),
        }
    }
    words
}

/// A setting as people read it.
fn show(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "not set".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "empty".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::Number(number)) => {
            number.as_f64().map_or_else(|| number.to_string(), crate::number::plain)
        }
        Some(Value::Array(items)) if items.is_empty() => "none".to_owned(),
        Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
            items.iter().map(|item| show(Some(item))).collect::<Vec<_>>().join(", ")
        }
        Some(other) => other.to_string(),
    }
}
