//! CloudWatch alarms of every kind and form.
//!
//! The forms ([`message`] over SNS, [`event`] over EventBridge and as direct action) are read into one [`Alarm`], and
//! an alarm becomes an [`Alert`] in one place, here.

mod condition;
mod event;
mod links;
mod message;
mod reason;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::alert::{
    AlarmName, Alert, Cause, Child, Fact, Hush, LinkKind, Point, Previous, Source, State, Threshold,
};
use crate::envelope::Record;
use crate::key::{AlertKey, hash};
use crate::region::{self, Arn};
pub use condition::{comparison, unit_of};
use links::Console;
use reason::Measured;

/// Of a contributor's attributes, in the alert's name.
const CONTRIBUTOR_MAX_CHARS: usize = 100;

/// A state as CloudWatch names it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum StateValue {
    Ok,
    Alarm,
    InsufficientData,
    Other(String),
}

impl StateValue {
    fn parse(text: String) -> Self {
        match text.as_str() {
            "OK" => Self::Ok,
            "ALARM" => Self::Alarm,
            "INSUFFICIENT_DATA" => Self::InsufficientData,
            _ => Self::Other(text),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
            Self::Other(text) => text,
        }
    }

    fn state(&self) -> State {
        match self {
            Self::Ok => State::Resolved,
            // A state that nobody knows yet is no reason for silence.
            Self::Alarm | Self::Other(_) => State::Firing,
            Self::InsufficientData => State::NoData,
        }
    }
}

/// An alarm's change of state, whichever form it came in.
#[derive(Debug)]
struct Alarm {
    name: String,
    partition: Option<String>,
    account: Option<String>,
    /// A code, or the display name of messages without an ARN.
    region: Option<String>,
    state: StateValue,
    previous: Option<StateValue>,
    previous_since: Option<DateTime<Utc>>,
    changed_at: Option<DateTime<Utc>>,
    description: Option<String>,
    reason: Option<String>,
    reason_data: Option<String>,
    metric: Option<Metric>,
    rule: Option<String>,
    children: Vec<Child>,
    contributor: Option<Vec<(String, String)>>,
    contributor_id: Option<String>,
    log: Option<Log>,
    promql: Option<PromQl>,
    tags: Vec<(String, String)>,
    after_mute_window: bool,
    created_just_now: bool,
    suppressed_by: Option<String>,
    muted_by: Option<String>,
    cause: Cause,
    unread: Vec<String>,
}

/// What a metric alarm looks at.
#[derive(Debug)]
struct Metric {
    name: Option<String>,
    namespace: Option<String>,
    statistic: Option<String>,
    unit: Option<String>,
    period_seconds: Option<u64>,
    dimensions: Vec<(String, String)>,
    /// Metric math.
    expression: Option<String>,
    /// What its author called it.
    label: Option<String>,
    evaluation_periods: Option<u64>,
    datapoints_to_alarm: Option<u64>,
    comparison: Option<String>,
    threshold: Option<f64>,
    /// Compared with an anomaly detection band.
    is_band: bool,
    /// The queries of metric math as the rows of a graph.
    graph: Vec<Value>,
}

/// What a log alarm looks at.
#[derive(Debug)]
struct Log {
    groups: Vec<String>,
    query: Option<String>,
    lines: Vec<String>,
}

impl Metric {
    /// What a log alarm counts, in the place of a metric.
    fn of_log(aggregation: Option<&str>) -> Self {
        Self {
            name: None,
            namespace: None,
            statistic: None,
            unit: None,
            period_seconds: None,
            dimensions: Vec::new(),
            expression: None,
            label: Some(aggregation.unwrap_or("log query").to_owned()),
            evaluation_periods: None,
            datapoints_to_alarm: None,
            comparison: None,
            threshold: None,
            is_band: false,
            graph: Vec::new(),
        }
    }
}

/// What a PromQL alarm looks at.
#[derive(Debug)]
struct PromQl {
    query: String,
    pending_seconds: Option<u64>,
}

/// Reads a text that may be an alarm message; `None` where it is something else.
pub(super) fn interpret_text(text: &str, record: &Record) -> Option<Alert> {
    let alarm = message::may_be(text).then(|| message::read_text(text)).flatten()?;
    Some(to_alert(alarm, record))
}

/// Reads JSON that may be an alarm message, an event or a direct action; `None` where it is something else.
pub(super) fn interpret(value: &Value, record: &Record) -> Option<Alert> {
    event::read_configuration_change(value).or_else(|| {
        let alarm = event::read_state_change(value).or_else(|| message::read_value(value))?;
        Some(to_alert(alarm, record))
    })
}

/// A log group's page in the console, with the lines from one moment to another.
#[must_use]
pub fn logs_url(region: &str, group: &str, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<String> {
    Some(Console::of(Some(region), None)?.logs_between(group, Some((from, to))))
}

/// The dimensions that all inputs of an expression have: they still say which resource it is about.
fn shared(mut inputs: impl Iterator<Item = Vec<(String, String)>>) -> Vec<(String, String)> {
    let mut shared = inputs.next().unwrap_or_default();
    for input in inputs {
        shared.retain(|dimension| input.contains(dimension));
    }
    shared
}

/// A composite alarm's child, named by its ARN.
fn child(arn: &str, state: Option<String>) -> Child {
    let parsed = Arn::parse(arn);
    let name = parsed.as_ref().and_then(Arn::alarm_name);
    Child {
        name: name.unwrap_or(arn).to_owned(),
        alarm: name.zip(parsed.as_ref()).map(|(name, arn)| AlarmName {
            account: arn.account.to_owned(),
            region: arn.region.to_owned(),
            name: name.to_owned(),
        }),
        url: name
            .zip(parsed.as_ref())
            .and_then(|(name, arn)| Some(Console::of(Some(arn.region), Some(arn.partition))?.alarm(name))),
        state,
    }
}

/// A message without an ARN and with a region nobody knows is at least in the region of its topic: an alarm sends to
/// topics of its own region only.
fn locate(alarm: &mut Alarm, record: &Record) {
    let code = alarm.region.as_deref().and_then(region::code);
    let is_located = alarm.partition.is_some() || code.is_some();
    let topic = record.topic_arn.as_deref().filter(|_| !is_located).and_then(Arn::parse);
    if let Some(topic) = topic.filter(|topic| !topic.region.is_empty()) {
        alarm.region = Some(region::code(topic.region).unwrap_or(topic.region).to_owned());
        alarm.partition = Some(topic.partition.to_owned());
    } else if let Some(code) = code {
        // Old messages name the region for people; everything here goes by its code.
        alarm.region = Some(code.to_owned());
    }
}

/// A contributor shares its name with the others of its alarm; its attributes tell them apart, on a lock screen too.
fn name_for_people(alarm: &Alarm) -> String {
    let values: Vec<&str> =
        alarm.contributor.iter().flatten().map(|(_, value)| value.trim()).filter(|v| !v.is_empty()).collect();
    if values.is_empty() {
        alarm.name.clone()
    } else {
        format!("{} ({})", alarm.name, crate::text::cut(&values.join(", "), CONTRIBUTOR_MAX_CHARS))
    }
}

fn to_alert(mut alarm: Alarm, record: &Record) -> Alert {
    locate(&mut alarm, record);
    let measured = reason::measured(alarm.reason_data.as_deref(), alarm.reason.as_deref());
    if alarm.children.is_empty()
        && let Some(data) = alarm.reason_data.as_deref().filter(|_| alarm.rule.is_some())
    {
        alarm.children =
            reason::triggering_alarms(data).into_iter().map(|(arn, state)| child(&arn, state)).collect();
    }
    if alarm.children.is_empty()
        && let Some((arn, value)) = alarm.reason.as_deref().and_then(reason::transition)
    {
        alarm.children.push(child(arn, Some(value.to_owned())));
    }
    let state = alarm.state.state();
    let mut alert = Alert::new(Source::CloudWatch, name_for_people(&alarm), state, alarm.state.as_str());
    alert.condition = condition::condition(&alarm, &measured);
    alert.cause = alarm.cause;
    alert.hush = hush(&alarm);
    alert.previous = alarm.previous.as_ref().map(|previous| Previous {
        state: previous.state(),
        value: previous.as_str().to_owned(),
        since: alarm.previous_since,
    });
    alert.changed_at = alarm.changed_at;
    match state {
        State::Resolved => {
            alert.ends_at = alarm.changed_at;
            alert.starts_at = alarm.previous_since.filter(|_| alarm.previous == Some(StateValue::Alarm));
        }
        _ => alert.starts_at = alarm.changed_at,
    }
    put_evidence(&mut alert, &alarm, &measured);
    put_links(&mut alert, &alarm);
    put_labels(&mut alert, &alarm);
    put_facts(&mut alert, &alarm);
    alert.key = Some(key(&alarm));
    // A lock screen has no room for a child's whole ARN.
    alert.reason = alarm.reason.filter(|reason| !reason.trim().is_empty()).map(|reason| {
        match reason::transition(&reason).and_then(|(arn, _)| Some((arn, Arn::parse(arn)?.alarm_name()?))) {
            Some((arn, name)) => format!("{name}{}", &reason[arn.len()..]),
            None => reason,
        }
    });
    alert.description = alarm.description.filter(|description| !description.trim().is_empty());
    alert.account = alarm.account;
    alert.region = alarm.region;
    if let (Some(StateValue::Alarm), StateValue::Alarm) = (&alarm.previous, &alarm.state)
        && !alarm.after_mute_window
    {
        alert
            .notes
            .push("The alarm was in ALARM before as well: its actions were held back until now.".to_owned());
    }
    if alarm.after_mute_window {
        alert
            .notes
            .push("A mute window has ended; the alarm changed while its actions were muted.".to_owned());
    }
    alert.notes.extend(alarm.unread.iter().map(|unread| unread_note(unread)));
    alert
}

/// What stays the same in all messages of one alarm, with its ARN or without; names are unique in an account and region.
fn key(alarm: &Alarm) -> AlertKey {
    let of_attributes = |attributes: &Vec<(String, String)>| {
        let mut attributes: Vec<_> = attributes.iter().collect();
        attributes.sort_unstable();
        hash(&attributes.into_iter().flat_map(|(name, value)| [name.as_str(), value]).collect::<Vec<_>>())
    };
    let contributor = alarm.contributor_id.clone().or_else(|| alarm.contributor.as_ref().map(of_attributes));
    AlertKey::Alarm {
        account: alarm.account.clone().unwrap_or_default(),
        region: alarm.region.clone().unwrap_or_default(),
        name: alarm.name.clone(),
        contributor: contributor.unwrap_or_default(),
    }
}

fn unread_note(unread: &str) -> String {
    format!("Could not read a part of the message: {unread}")
}

fn hush(alarm: &Alarm) -> Option<Hush> {
    if let Some(muted_by) = &alarm.muted_by {
        let name = Arn::parse(muted_by)
            .and_then(|arn| arn.resource.strip_prefix("alarm-mute-rule:").map(str::to_owned));
        return Some(Hush::Muted(name.unwrap_or_else(|| muted_by.clone())));
    }
    if let Some(suppressed_by) = &alarm.suppressed_by {
        return Some(Hush::Suppressed(suppressed_by.clone()));
    }
    alarm.created_just_now.then_some(Hush::CreationNoise)
}

fn put_evidence(alert: &mut Alert, alarm: &Alarm, measured: &Measured) {
    if let Some(metric) = &alarm.metric {
        alert.evidence.unit = condition::unit(metric, measured);
        alert.evidence.points = measured
            .values
            .iter()
            .map(|(value, at)| Point {
                value: *value,
                at: *at,
                breaching: condition::breaches(*value, metric, measured),
            })
            .collect();
        let threshold = metric.threshold.or(measured.threshold);
        let is_lower = metric
            .comparison
            .as_deref()
            .or(measured.comparison.as_deref())
            .is_some_and(|comparison| comparison.starts_with("Less") || comparison.contains("less"));
        alert.evidence.threshold = if metric.is_band {
            Threshold { lower: measured.lower, upper: measured.upper }
        } else if is_lower {
            Threshold { lower: threshold, upper: None }
        } else {
            Threshold { lower: None, upper: threshold }
        };
    }
    alert.evidence.rule.clone_from(&alarm.rule);
    alert.evidence.children.clone_from(&alarm.children);
    if let Some(log) = &alarm.log {
        alert.evidence.log_lines.clone_from(&log.lines);
        alert.evidence.log_groups =
            log.groups.iter().map(|group| links::log_group(group).to_owned()).collect();
    }
}

fn put_links(alert: &mut Alert, alarm: &Alarm) {
    let console = Console::of(alarm.region.as_deref(), alarm.partition.as_deref());
    let console = console.as_ref();
    let mut link = |kind, url: Option<String>| {
        if let Some(url) = url {
            alert.link(kind, url);
        }
    };
    link(LinkKind::Alarm, console.map(|console| console.alarm(&alarm.name)));
    link(LinkKind::Metric, alarm.metric.as_ref().and_then(|metric| console?.metric(metric)));
    let group = links::group_of(alarm.log.as_ref(), alarm.metric.as_ref());
    link(LinkKind::Logs, group.and_then(|group| Some(console?.logs(&group, alarm.changed_at))));
    link(LinkKind::Runbook, runbook(alarm));
    for (name, value) in &alarm.tags {
        if name.eq_ignore_ascii_case("dashboard") {
            link(LinkKind::Dashboard, Some(value.clone()));
        }
    }
}

/// A URL in a tag of that name; else one in the description that is introduced as the runbook, or is its only URL.
fn runbook(alarm: &Alarm) -> Option<String> {
    let is_runbook = |name: &str| {
        let name = name.to_ascii_lowercase();
        name.contains("runbook") || name.contains("playbook")
    };
    if let Some((_, url)) = alarm.tags.iter().find(|(name, _)| is_runbook(name)) {
        return Some(url.clone());
    }
    // Most descriptions have no URL at all.
    let description = alarm.description.as_deref().filter(|description| description.contains("://"))?;
    let urls: Vec<&str> = crate::text::urls(description).collect();
    match urls[..] {
        [only] => Some(only.to_owned()),
        _ => description
            .lines()
            .filter(|line| is_runbook(line))
            .find_map(|line| crate::text::urls(line).next().map(str::to_owned)),
    }
}

fn put_labels(alert: &mut Alert, alarm: &Alarm) {
    let labels = &mut alert.labels;
    labels.set("alertname", alarm.name.as_str());
    labels.set("state", alert.state.as_label());
    labels.set("account", alarm.account.as_deref().unwrap_or_default());
    labels.set("region", alarm.region.as_deref().unwrap_or_default());
    if let Some(metric) = &alarm.metric {
        labels.set("namespace", metric.namespace.as_deref().unwrap_or_default());
    }
    let tags = alarm.tags.iter();
    for (_, value) in tags.clone().filter(|(name, _)| name.eq_ignore_ascii_case("severity")) {
        labels.set("severity", value.as_str());
    }
    let dimensions = alarm.metric.iter().flat_map(|metric| &metric.dimensions);
    for (name, value) in dimensions.chain(alarm.contributor.iter().flatten()).chain(tags) {
        labels.set_if_absent(name, value.as_str());
    }
}

fn put_facts(alert: &mut Alert, alarm: &Alarm) {
    let mut fact = |name: &str, value: &str| alert.facts.push(Fact::new(name, value));
    for (name, value) in alarm.metric.iter().flat_map(|metric| &metric.dimensions) {
        fact(name, value);
    }
    for (name, value) in alarm.contributor.iter().flatten() {
        fact(name, value);
    }
    for (name, value) in &alarm.tags {
        let is_link = value.starts_with("https://") || value.starts_with("http://");
        // Tags of AWS's own (`aws:cloudformation:…`) tell a person nothing.
        if !name.starts_with("aws:") && !is_link {
            fact(name, value);
        }
    }
    if let Some(log) = &alarm.log {
        if !log.groups.is_empty() {
            let groups: Vec<&str> = log.groups.iter().map(|group| links::log_group(group)).collect();
            fact("Log groups", &groups.join("\n"));
        }
        if let Some(query) = &log.query {
            fact("Query", query);
        }
    }
    if let Some(promql) = &alarm.promql {
        fact("PromQL", &promql.query);
    }
}
