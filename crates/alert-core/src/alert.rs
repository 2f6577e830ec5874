//! The waist of the hourglass: every source becomes an [`Alert`], every output is made from one.
//!
//! Only types live here. How a source becomes an alert is in [`crate::source`], what is decided about it in
//! [`crate::decide`], what people read in [`crate::render`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::key::AlertKey;

/// Names and values that say which alert it is; matchers and routes look at these and at nothing else.
///
/// The meaning is Alertmanager's. An absent label equals the empty string, so an empty value is never stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// No labels.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The label's value, or the empty string where there is no such label.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Sets a label; an empty value removes it.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        if value.is_empty() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, value);
        }
    }

    /// Sets a label only where there is none of that name: what the source itself says goes first.
    pub fn set_if_absent(&mut self, name: &str, value: impl Into<String>) {
        if !self.0.contains_key(name) {
            self.set(name, value);
        }
    }

    /// All labels in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Whether there is no label at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut labels = Self::new();
        for (name, value) in pairs {
            labels.set(name, value);
        }
        labels
    }
}

/// What an alert says of the thing that it watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Broken now: `ALARM`, `firing`.
    Firing,
    /// The watcher sees nothing: `INSUFFICIENT_DATA`, `no_data`.
    NoData,
    /// Something happened that has no end to wait for: a finding, a finished backup, a changed configuration.
    Informational,
    /// Over: `OK`, `resolved`.
    Resolved,
}

impl State {
    /// The value of the label `state`: one lower-case word.
    #[must_use]
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::NoData => "nodata",
            Self::Informational => "info",
            Self::Resolved => "resolved",
        }
    }
}

/// How bad an alert is, where the label `severity` has one of the words that many use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Low,
    /// To be looked at.
    Warning,
    /// Broken.
    High,
    /// Broken for everybody.
    Critical,
}

impl Severity {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Warning => "warning",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// What a word means; `None` for any other.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Some(match word.trim().to_ascii_lowercase().as_str() {
            "low" | "info" | "informational" | "notice" => Self::Low,
            "warning" | "warn" | "medium" | "moderate" | "minor" => Self::Warning,
            "high" | "error" | "major" => Self::High,
            "critical" | "fatal" | "emergency" | "disaster" | "page" => Self::Critical,
            _ => return None,
        })
    }
}

/// The state before this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// What that state was.
    pub state: State,
    /// The source's own word for it.
    pub value: String,
    /// Since when it had been so, where the source tells.
    pub since: Option<DateTime<Utc>>,
}

/// What made the alert.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Source {
    /// A CloudWatch alarm.
    CloudWatch,
    /// Grafana's alerting.
    Grafana,
    /// Prometheus Alertmanager's webhook.
    Alertmanager,
    /// Another AWS service, by the name people know (`GuardDuty`).
    Aws(String),
    /// The stack itself: what it minds, and nobody sends.
    Own,
    /// Nothing here understood it; it is delivered as it came.
    Unknown,
}

impl Source {
    /// The name that people know.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::CloudWatch => "CloudWatch",
            Self::Grafana => "Grafana",
            Self::Alertmanager => "Alertmanager",
            Self::Aws(service) => service,
            Self::Own => "alert relay",
            Self::Unknown => "unknown source",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the source told us: somebody asked for this very state, or it tells every change of everything.
///
/// The default of `notify_on` depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The alarm's own action, or a sender that was configured to send just this.
    Action,
    /// EventBridge's state change events, which come for every change of every alarm.
    StateChangeEvent,
    /// `grafana-filter-to-sns` let it pass: the drop rules have spoken and are not asked again.
    Filter,
}

/// Why the source itself asks that nobody be disturbed, although it sent the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hush {
    /// A new alarm's first evaluation: nothing was wrong before it.
    CreationNoise,
    /// A mute rule covers the alarm now; holds its ARN or name where given.
    Muted(String),
    /// A composite alarm's actions are suppressed; holds by what (`Alarm`, `WaitPeriod`, `ExtensionPeriod`).
    Suppressed(String),
}

/// What a link leads to; it decides the button's words and their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum LinkKind {
    /// The alarm in its console.
    Alarm,
    /// The alert rule that fired.
    Rule,
    /// What happened, in the console of the service.
    Details,
    /// The metric's graph.
    Metric,
    /// A dashboard.
    Dashboard,
    /// One panel of a dashboard.
    Panel,
    /// The logs or the query.
    Logs,
    /// What to do about it.
    Runbook,
    /// Silence it.
    Silence,
}

/// A place to look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What it leads to.
    pub kind: LinkKind,
    /// An absolute http(s) URL.
    pub url: String,
}

/// One measured value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The value; always finite.
    pub value: f64,
    /// When it was measured.
    pub at: Option<DateTime<Utc>>,
    /// Whether it lies beyond the threshold.
    pub breaching: bool,
}

/// What the values were compared with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Values under this breach.
    pub lower: Option<f64>,
    /// Values over this breach.
    pub upper: Option<f64>,
}

/// How a value is compared with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    /// `>`
    Above,
    /// `≥`
    AtOrAbove,
    /// `<`
    Below,
    /// `≤`
    AtOrBelow,
    /// Under a band or over it.
    Outside,
}

impl Comparison {
    /// Whether a value lies beyond the limits that it is compared with: of a band that is watched on one side, that one.
    #[must_use]
    pub fn is_breached(self, value: f64, Threshold { lower, upper }: Threshold) -> bool {
        match self {
            Self::Above => upper.is_some_and(|upper| value > upper),
            Self::AtOrAbove => upper.is_some_and(|upper| value >= upper),
            Self::Below => lower.is_some_and(|lower| value < lower),
            Self::AtOrBelow => lower.is_some_and(|lower| value <= lower),
            Self::Outside => {
                upper.is_some_and(|upper| value > upper) || lower.is_some_and(|lower| value < lower)
            }
        }
    }
}

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub total: u64,
}

/// Values that did not come, and what the alarm takes that for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Periods without a value.
    pub periods: u64,
    /// The source's own word: `Breaching`.
    pub treated_as: String,
}

/// What is measured, and against what: the numbers of a condition, for people of any language.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// The metric's name, or what its author called it.
    pub metric: String,
    /// How it is computed out of others, where the name does not say so.
    pub expression: Option<String>,
    /// The source's own word: `AVERAGE`, `p99`.
    pub statistic: Option<String>,
    /// The time that one value covers.
    pub period_seconds: Option<u64>,
    /// The newest value; always finite.
    pub value: Option<f64>,
    /// How it is compared.
    pub comparison: Option<Comparison>,
    /// The limit; of a band the [`Threshold`] has both ends.
    pub limit: Option<f64>,
    /// Whether the limit is a band of expected values.
    pub is_band: bool,
    /// How many values breached the limit.
    pub breaching: Option<Share>,
    /// How many have to.
    pub wanted: Option<Share>,
    /// What did not come.
    pub missing: Option<Missing>,
    /// The values are counts of a log query, whose results count and not its datapoints.
    pub is_of_logs: bool,
}

/// What made the state change, or would.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Condition {
    /// A value against a limit.
    Measured(Box<Measure>),
    /// What an alarm is for, where nothing was measured now.
    Purpose(Box<Measure>),
    /// A query that compares by itself returns a series, or no longer does.
    Query {
        /// How long it must have done so.
        pending_seconds: Option<u64>,
    },
}

/// Names a CloudWatch alarm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlarmName {
    /// The AWS account, twelve digits; empty where it is not known.
    pub account: String,
    /// The region's code; empty where it is not known.
    pub region: String,
    /// Unique in these.
    pub name: String,
}

/// An alarm that a composite alarm looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Child {
    /// Its name, or its whole ARN where no name can be read out of it.
    pub name: String,
    /// Its page in the console.
    pub url: Option<String>,
    /// The source's word for its state.
    pub state: Option<String>,
    /// Which alarm it is, where that can be read.
    pub alarm: Option<AlarmName>,
}

/// What the message itself proves: no later query is needed to see how bad it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Recent values, oldest first.
    pub points: Vec<Point>,
    /// What they were compared with.
    pub threshold: Threshold,
    /// The values' unit as people write it (`%`, `ms`), or empty.
    pub unit: String,
    /// Named values (Grafana's refIDs) in their order; the text is ready to be shown.
    pub values: Vec<(String, String)>,
    /// A composite alarm's rule expression.
    pub rule: Option<String>,
    /// The alarms that made a composite alarm change.
    pub children: Vec<Child>,
    /// Log lines that came along.
    pub log_lines: Vec<String>,
    /// Names of the log groups that the alarm looks at.
    pub log_groups: Vec<String>,
}

/// A named fact that has no field of its own, in the order in which people want to read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is, in a word or two.
    pub name: String,
    /// Its value, one line or several.
    pub value: String,
}

impl Fact {
    /// A fact of this name and value.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

/// An alert in the sender's own format, to be passed on: one alert of a webhook and the fields of its group.
#[derive(Debug, Clone, PartialEq)]
pub struct Payload {
    /// The webhook's fields other than `alerts`; shared by all its alerts.
    pub group: Arc<Map<String, Value>>,
    /// This alert, every field as it came; where there is no group, the whole body.
    pub alert: Value,
    /// How many alerts the webhook held.
    pub of: usize,
}

/// The field of a passed-on alert in which the filter tells the relay its [`Alert::notes`].
pub const RELAY_NOTES: &str = "relayNotes";

/// One thing that changed its state, or happened; from any source.
///
/// All texts are foreign and unescaped: rendering makes them safe. Nothing is required but the name, and that
/// is never empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What people call it.
    pub name: String,
    /// Its state.
    pub state: State,
    /// The source's own word for the state (`ALARM`, `firing`), shown to people who know the source.
    pub state_value: String,
    /// The state before, where the source tells.
    pub previous: Option<Previous>,
    /// What made it.
    pub source: Source,
    /// Why it was sent.
    pub cause: Cause,
    /// Why the source asks for silence, if it does.
    pub hush: Option<Hush>,
    /// What made the state change, with the numbers.
    pub condition: Option<Condition>,
    /// The source's own sentence on why the state changed.
    pub reason: Option<String>,
    /// One line on what is wrong, where somebody wrote one.
    pub summary: Option<String>,
    /// What its author wrote about it; may have several lines.
    pub description: Option<String>,
    /// What matchers look at.
    pub labels: Labels,
    /// What is known beyond the labels, by name.
    pub annotations: BTreeMap<String, String>,
    /// Facts in reading order.
    pub facts: Vec<Fact>,
    /// Since when it fires (or fired).
    pub starts_at: Option<DateTime<Utc>>,
    /// When it was over.
    pub ends_at: Option<DateTime<Utc>>,
    /// The source calls it over because there are no data any more, which says nothing of the problem.
    #[serde(default)]
    pub is_end_unknown: bool,
    /// When the state changed to what it is.
    pub changed_at: Option<DateTime<Utc>>,
    /// The AWS account, twelve digits.
    pub account: Option<String>,
    /// The region's code where it is known, otherwise the text that came.
    pub region: Option<String>,
    /// Places to look.
    pub links: Vec<Link>,
    /// What the message proves.
    pub evidence: Evidence,
    /// A picture of it that everybody may fetch, by https.
    pub image: Option<String>,
    /// Names this alert through its life; `None` where it is no state but news, of which each is one of its own.
    pub key: Option<AlertKey>,
    /// The alert in its sender's format, where that is passed on; not kept.
    #[serde(skip)]
    pub payload: Option<Payload>,
    /// What the reader must know about this message itself: what could not be understood, what was left out.
    pub notes: Vec<String>,
    /// The text as it came, shown whole where nothing understood it.
    pub raw: Option<String>,
}

impl Alert {
    /// An alert of which nothing is known but this; the rest is filled in by its source.
    ///
    /// A name of which nothing would be seen becomes `(no name)`.
    pub fn new(
        source: Source,
        name: impl Into<String>,
        state: State,
        state_value: impl Into<String>,
    ) -> Self {
        let name = name.into();
        Self {
            name: if name.chars().all(|c| c.is_whitespace() || c.is_control()) {
                "(no name)".to_owned()
            } else {
                name
            },
            state,
            state_value: state_value.into(),
            previous: None,
            source,
            cause: Cause::Action,
            hush: None,
            condition: None,
            reason: None,
            summary: None,
            description: None,
            labels: Labels::new(),
            annotations: BTreeMap::new(),
            facts: Vec::new(),
            starts_at: None,
            ends_at: None,
            is_end_unknown: false,
            changed_at: None,
            account: None,
            region: None,
            links: Vec::new(),
            evidence: Evidence::default(),
            image: None,
            key: None,
            payload: None,
            notes: Vec::new(),
            raw: None,
        }
    }

    /// Adds a link, unless the URL is no http(s) URL with a host.
    pub fn link(&mut self, kind: LinkKind, url: impl Into<String>) {
        let url = url.into();
        let after_scheme = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if after_scheme.is_some_and(|rest| rest.starts_with(|c: char| c.is_alphanumeric() || c == '[')) {
            self.links.push(Link { kind, url });
        }
    }
}
