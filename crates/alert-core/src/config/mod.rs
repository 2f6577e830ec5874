//! The configuration: what is dropped, who gets what, and how it is shown.
//!
//! A [`Config`] can only be a sound one: references between its parts are resolved when it is read, and a document with
//! any problem yields all its problems instead ([`ConfigErrors`]).

mod lint;
mod parse;
pub mod suite;
mod yaml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use crate::evidence::Wish;
use crate::incident::{Patience, Policy};
use crate::matcher::{Matcher, Matchers, Operator};
use crate::render::Rendering;
use crate::render::page::words::{self, Words};
use crate::render::page::{Language, Warning};
use crate::target::Target;
use crate::text;
use crate::time_interval::TimeInterval;

pub use parse::{DOCUMENT_MAX_BYTES, NESTING_MAX};

/// The receiver's name where the configuration names none.
pub const DEFAULT_RECEIVER: &str = "default";

/// The name by which the second way is remembered as a receiver; no other has it.
pub const SECOND_WAY_RECEIVER: &str = "second_way";

/// The name of the drop rule that holds where the configuration has no `drop`.
pub const DEFAULT_DROP_RULE: &str = "grafana-datasource-errors";

/// More alerts than this for one receiver in one invocation become digests, unless the configuration says otherwise.
pub const DIGEST_AFTER_ALERTS: usize = 5;

/// Everything that people decide about their alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Rules that drop alerts, in the order in which they are asked.
    pub drop: Vec<DropRule>,
    /// All named intervals, used or not.
    pub time_intervals: Vec<Arc<NamedTimeInterval>>,
    /// The root of the tree of routes; it takes every alert that no child takes.
    pub route: Route,
    /// All receivers, at least one, their names unique.
    pub receivers: Vec<Arc<Receiver>>,
    /// Names people know for AWS accounts, by the twelve digits of the account.
    pub accounts: BTreeMap<String, String>,
    /// The time zone of text that no client localises.
    pub timezone: Tz,
    /// The states of CloudWatch alarms that are worth a message; `None` lets the way of the alert decide.
    pub notify_on: Option<Vec<AlarmState>>,
    /// More alerts than this for one receiver in one invocation are sent as digests; at least 1. See [`Publish::Auto`], too.
    pub digest_after: usize,
    /// What the filter publishes as one message.
    pub publish: Publish,
    /// How much of Slack's blocks messages use.
    pub rendering: Rendering,
    /// What is told of an alert that is known.
    pub policy: Policy,
    /// Our own words in messages.
    pub language: Language,
    /// What people may do to alerts from their messages.
    pub actions: Actions,
    /// Who promised to give a sign of life again and again.
    pub heartbeats: Vec<Arc<Heartbeat>>,
    /// When the canary is sent, each day in [`timezone`](Self::timezone).
    pub canary: Option<NaiveTime>,
    /// When the receipt is told, each day in [`timezone`](Self::timezone).
    pub receipt: Option<NaiveTime>,
    /// Another way to people than the receivers' own: for what these refuse, and for what must be heard for sure.
    pub second_way: Option<Target>,
    /// Whether this stands in for a configuration that could not be read: then nothing at all is dropped.
    pub fail_open: bool,
}

impl Config {
    /// Reads a YAML 1.2 document of at most [`DOCUMENT_MAX_BYTES`]; an empty one is [`Config::default`].
    ///
    /// The error holds every problem of the document, by line and column. No part of a `webhook` and nothing that looks
    /// like a URL or a ciphertext is ever in it.
    pub fn parse(text: &str) -> Result<Self, ConfigErrors> {
        parse::parse(text)
    }

    /// Reads a document as [`parse`](Self::parse) does, with what in it has no effect, in its order: receivers that no route
    /// leads to, what can never match, and the like. No function minds it, and people rarely mean it.
    pub fn check(text: &str) -> Result<(Self, Vec<Problem>), ConfigErrors> {
        let config = parse::parse(text)?;
        let warnings = lint::warnings(&config, text);
        Ok((config, warnings))
    }

    /// What holds when the configuration is broken: nothing is dropped, everything goes to the default receiver.
    #[must_use]
    pub fn fail_open() -> Self {
        Self { drop: Vec::new(), fail_open: true, ..Self::default() }
    }

    /// The receiver of this name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Arc<Receiver>> {
        self.receivers.iter().find(|receiver| receiver.name == name)
    }

    /// Who stands in for a receiver that cannot be had: the one named `default`, else that of the root route.
    #[must_use]
    pub fn default_receiver(&self) -> &Arc<Receiver> {
        self.receiver(DEFAULT_RECEIVER).unwrap_or(&self.route.receiver)
    }

    /// The second way as a receiver, where there is one.
    #[must_use]
    pub fn second_way_receiver(&self) -> Option<Arc<Receiver>> {
        let target = Some(self.second_way.clone()?);
        Some(Arc::new(Receiver { target, ..Receiver::named(SECOND_WAY_RECEIVER) }))
    }

    /// The name people know for an account, or its number where they gave it none.
    #[must_use]
    pub fn account_name<'a>(&'a self, account: &'a str) -> &'a str {
        self.accounts.get(account).map_or(account, String::as_str)
    }
}

impl Default for Config {
    /// The configuration of those who write none: Grafana's `DatasourceError` is dropped, the rest goes to one receiver.
    fn default() -> Self {
        let receiver = Arc::new(Receiver::named(DEFAULT_RECEIVER));
        Self {
            drop: vec![DropRule::datasource_errors()],
            time_intervals: Vec::new(),
            route: Route::root(Arc::clone(&receiver)),
            receivers: vec![receiver],
            accounts: BTreeMap::new(),
            timezone: Tz::UTC,
            notify_on: None,
            digest_after: DIGEST_AFTER_ALERTS,
            rendering: Rendering::default(),
            policy: Policy::default(),
            language: Language::default(),
            actions: Actions::default(),
            heartbeats: Vec::new(),
            canary: None,
            receipt: None,
            second_way: None,
            publish: Publish::Auto,
            fail_open: false,
        }
    }
}

/// A configuration that cannot be read, for people: every message says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenConfiguration {
    /// The setting or file that holds it.
    pub name: String,
    /// What is wrong, by line and column; at least one.
    pub problems: Vec<String>,
}

impl BrokenConfiguration {
    /// What a message says of it: one line, and the first causes to be unfolded.
    #[must_use]
    pub fn warning(&self, words: &Words) -> Warning {
        const CAUSES_MAX: usize = 5;
        let count = self.problems.len().max(1);
        let pattern = words.broken_configuration[usize::from(count > 1)];
        Warning {
            line: words::fill(pattern, &[&self.name, &count.to_string()]),
            causes: self.problems.iter().take(CAUSES_MAX).cloned().collect(),
        }
    }
}

impl fmt::Display for BrokenConfiguration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.problems.first().map_or("", String::as_str);
        write!(
            f,
            "The configuration {} is broken and ignored, so nothing is dropped or routed: {first}",
            self.name
        )?;
        match self.problems.len().saturating_sub(1) {
            0 => Ok(()),
            more => write!(f, " (and {more} more; `alertctl check` lists all)"),
        }
    }
}

/// A rule that drops the alerts for which everything in it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropRule {
    /// Its name in logs and metrics; `drop[0]` and so on where it has none of its own.
    pub name: String,
    /// The alerts that it is about; never empty.
    pub matchers: Matchers,
    /// When it holds: in any of these; always where there are none.
    pub active_time_intervals: Vec<Arc<NamedTimeInterval>>,
    /// How young an alert must be for it to hold; always longer than nothing.
    pub younger_than: Option<TimeDelta>,
}

impl DropRule {
    /// The rule that holds by default: Grafana could not ask its data source, which says nothing of what is watched.
    fn datasource_errors() -> Self {
        let matcher = Matcher::new("alertname", Operator::Equal, "DatasourceError");
        Self {
            name: DEFAULT_DROP_RULE.to_owned(),
            matchers: matcher.into_iter().collect(),
            active_time_intervals: Vec::new(),
            younger_than: None,
        }
    }

    /// Whether it holds at every time, for alerts of every age.
    #[must_use]
    pub fn is_timeless(&self) -> bool {
        self.active_time_intervals.is_empty() && self.younger_than.is_none()
    }

    /// The first of its intervals that holds at this moment.
    #[must_use]
    pub fn active_interval(&self, moment: DateTime<Utc>) -> Option<&NamedTimeInterval> {
        self.active_time_intervals.iter().map(Arc::as_ref).find(|interval| interval.contains(moment))
    }

    /// The first moment from `from` to `to`, both included, at which none of the rule's intervals holds.
    #[must_use]
    pub fn first_pause(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let intervals = || self.active_time_intervals.iter().flat_map(|named| &named.time_intervals);
        let mut moment = from;
        while moment <= to {
            // Where several hold, the longest needs no look at the others.
            match intervals().filter_map(|interval| interval.holds_until(moment)).max() {
                None => return Some(moment),
                Some(until) if until > moment => moment = until,
                // The end of time.
                Some(_) => break,
            }
        }
        None
    }
}

/// Somebody who gives a sign of life again and again: its alerts are not shown, and people are told when none comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// What people call it; unique.
    pub name: String,
    /// The alerts that are its signs of life; never empty.
    pub matchers: Matchers,
    /// How often there is one.
    pub every: TimeDelta,
    /// How much later it may come.
    pub grace: TimeDelta,
}

impl Heartbeat {
    /// When it is missing, if the last sign of life was then.
    #[must_use]
    pub fn missing_at(&self, last_at: DateTime<Utc>) -> DateTime<Utc> {
        last_at.checked_add_signed(self.every + self.grace).unwrap_or(last_at)
    }
}

/// Time intervals under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedTimeInterval {
    /// The name by which rules refer to it.
    pub name: String,
    /// Its parts; it holds when one of them does.
    pub time_intervals: Vec<TimeInterval>,
}

impl NamedTimeInterval {
    /// Whether the moment lies in one of its parts.
    #[must_use]
    pub fn contains(&self, moment: DateTime<Utc>) -> bool {
        self.time_intervals.iter().any(|interval| interval.contains(moment))
    }
}

/// A node of the tree that says who gets what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it stands in the configuration: `route`, `route.routes[1]`.
    pub path: String,
    /// Who gets what this node takes and no child of it does; a child without one has its parent's.
    pub receiver: Arc<Receiver>,
    /// What it takes; the root takes everything.
    pub matchers: Matchers,
    /// Whether the routes after it are asked, too, when it has taken an alert (`continue`).
    pub continue_after: bool,
    /// How what nobody acknowledges is told louder; a child has its parent's, unless it says otherwise.
    pub escalate: Option<Arc<Escalate>>,
    /// Its children, in the order in which they are asked.
    pub routes: Vec<Route>,
}

impl Route {
    /// Whether it or a route below it escalates by the second way.
    fn wants_second_way(&self) -> bool {
        let own = self.escalate.as_ref().is_some_and(|escalate| escalate.patience.then.is_some());
        own || self.routes.iter().any(Self::wants_second_way)
    }

    /// Whether it or a route below it escalates at all.
    #[must_use]
    pub fn escalates(&self) -> bool {
        self.escalate.is_some() || self.routes.iter().any(Self::escalates)
    }

    /// A root without children.
    fn root(receiver: Arc<Receiver>) -> Self {
        Self {
            path: "route".to_owned(),
            receiver,
            matchers: Matchers::default(),
            continue_after: false,
            escalate: None,
            routes: Vec::new(),
        }
    }
}

/// How what nobody acknowledges is told louder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalate {
    /// When, and when by the second way.
    pub patience: Patience,
    /// Whom to mention then in the channel; the receiver's own where nobody is named.
    pub mention: Option<String>,
}

impl fmt::Display for Route {
    /// For people: `route.routes[1] severity="critical" → oncall`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if !self.matchers.is_empty() {
            write!(f, " {}", self.matchers)?;
        }
        write!(f, " → {}", self.receiver.name)
    }
}

/// Somebody who gets alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its name; unique.
    pub name: String,
    /// Where its messages go; without one it is the deployment's own target.
    pub target: Option<Target>,
    /// The channel to ask for; only legacy webhooks honour it.
    pub channel: Option<String>,
    /// What it wants to see beside its alerts.
    pub evidence: Wish,
    /// Slack's mentions, ready to be sent: `<!here>`, `<!subteam^S012345>`, `<@U012345>`, separated by spaces.
    pub mention: Option<String>,
}

impl Receiver {
    /// A receiver with nothing of its own but its name.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), target: None, channel: None, evidence: Wish::default(), mention: None }
    }
}

/// Whether a text may be a channel's name or id: no channel has a slash or a colon in it, and every URL does; nor is a bot
/// token one, which is set beside it.
#[must_use]
pub fn is_channel(text: &str) -> bool {
    !text.contains(['/', ':']) && !text::holds_slack_token(text)
}

/// A CloudWatch alarm's state value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlarmState {
    /// `ALARM`
    Alarm,
    /// `OK`
    Ok,
    /// `INSUFFICIENT_DATA`
    InsufficientData,
}

impl AlarmState {
    /// Every state an alarm can have.
    pub const ALL: [Self; 3] = [Self::Alarm, Self::Ok, Self::InsufficientData];

    /// CloudWatch's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alarm => "ALARM",
            Self::Ok => "OK",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }

    /// The state of this word; `None` for any other.
    #[must_use]
    pub fn from_value(value: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == value)
    }
}

/// What the filter publishes as one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Publish {
    /// Each alert by itself, unless one webhook brings more than [`Config::digest_after`]: then all of it together.
    #[default]
    Auto,
    /// Each alert by itself.
    Alert,
    /// All alerts of one webhook together.
    Group,
}

/// What people may do to alerts from their messages, and how it is done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Actions {
    /// Who may; everybody who sees the message where nobody is named.
    pub allow: Vec<Allowed>,
    /// What a silence of a CloudWatch alarm is.
    pub silence_with: SilenceWith,
}

/// Somebody who may act, by Slack's ids.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Allowed {
    /// A person: `U012345`.
    User(String),
    /// Whoever is in a user group: `S012345`.
    UserGroup(String),
}

/// What a silence of a CloudWatch alarm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SilenceWith {
    /// An entry in the relay's table: the alarm goes on as it is, and its messages do not ring.
    #[default]
    Table,
    /// A mute rule of CloudWatch's own: the alarm takes no action.
    CloudWatch,
}

/// One thing that is wrong with a configuration, or has no effect in it, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The place in the structure, such as `route.routes[0].matchers[1]`; empty for the document as a whole.
    pub path: String,
    /// What was expected and what came, or what has no effect and why; one line, without secrets.
    pub message: String,
}

impl fmt::Display for Problem {
    /// One line: `line 3, column 17: drop[0].matchers[0]: expected …, found …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: ", self.line, self.column)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a configuration, in the order of the document; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    problems: Vec<Problem>,
}

impl ConfigErrors {
    /// The problems by line and column.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigErrors {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
