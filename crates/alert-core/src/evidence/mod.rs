//! What can be shown of an alert that its message does not hold: recent values and the log lines that say why. It is asked
//! for after the first post, and nothing waits for it.
//!
//! What is asked for, and what people see of the answers, is decided here; the calls are the caller's.

mod graph;
mod lines;
mod mask;

use chrono::{DateTime, Utc};

pub use graph::{Graph, GraphPoint, Measured, window};
pub use lines::{ERRORS, Lines, Sought, group_of_function};
pub use mask::mask;

use crate::alert::{AlarmName, Alert, Child, State};
use crate::incident::Told;
use crate::key::AlertKey;
use crate::render::page::Words;
use crate::render::page::words::fill;

/// Log lines of one reply at most.
pub const LINES_MAX: usize = 20;
/// Log lines where the configuration gives no number.
pub const LINES_USUAL: usize = 5;
/// Charts of one message. Source: Slack, "Data visualization block".
pub const GRAPHS_MAX: usize = 2;

/// What a receiver wants to see beside its alerts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wish {
    /// The values as a chart.
    pub chart: bool,
    /// So many log lines; 0 for none.
    pub lines: usize,
}

/// What is to be asked about one alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The alarms whose values are to be drawn, at most [`GRAPHS_MAX`]: its own, or the children that fired.
    pub alarms: Vec<AlarmName>,
    /// Whether their values are wanted.
    pub chart: bool,
    /// So many log lines are wanted.
    pub lines: usize,
    /// The log groups that the alarm itself looks at.
    pub log_groups: Vec<String>,
    /// A picture that the source has made, which Slack can fetch.
    pub image: Option<String>,
    /// When the state changed.
    pub at: DateTime<Utc>,
    /// Since when it was wrong.
    pub began_at: Option<DateTime<Utc>>,
}

impl Subject {
    /// What there is to be asked about an alert; `None` where that is nothing.
    ///
    /// `told` is what its message tells of it, where alerts are remembered. Lines are asked for only where something is
    /// wrong that nobody was shown lines of.
    #[must_use]
    pub fn of(
        alert: &Alert,
        key: &AlertKey,
        wish: Wish,
        told: Option<Told>,
        now: DateTime<Utc>,
    ) -> Option<Self> {
        let children = &alert.evidence.children;
        // What made a composite alarm fire may not be told.
        let is_composite = alert.evidence.rule.is_some();
        let alarms: Vec<AlarmName> = match key {
            AlertKey::Alarm { account, region, name, .. } if children.is_empty() && !is_composite => {
                vec![AlarmName { account: account.clone(), region: region.clone(), name: name.clone() }]
            }
            AlertKey::Alarm { .. } => {
                let fires = |child: &&Child| {
                    child.state.as_deref().is_none_or(|state| state.eq_ignore_ascii_case("ALARM"))
                };
                let any_fires = children.iter().any(|child| fires(&child));
                // At the end those that are over by now.
                let told = children.iter().filter(|child| !any_fires || fires(child));
                told.filter_map(|child| child.alarm.clone()).take(GRAPHS_MAX).collect()
            }
            _ => Vec::new(),
        };
        let is_new = !matches!(told, Some(Told::Reminder | Told::Flapping { is_shown: false, .. }));
        let has_lines = !alert.evidence.log_lines.is_empty();
        let lines = if alert.state == State::Firing && is_new && !has_lines { wish.lines } else { 0 };
        let subject = Self {
            // A log query is no metric.
            chart: wish.chart && !alarms.is_empty() && alert.evidence.log_groups.is_empty(),
            lines: if alarms.is_empty() { 0 } else { lines },
            alarms,
            log_groups: alert.evidence.log_groups.clone(),
            image: alert.image.clone().filter(|_| wish.chart),
            at: alert.changed_at.unwrap_or(now).min(now),
            began_at: alert.starts_at,
        };
        (subject.chart || subject.lines > 0 || subject.image.is_some()).then_some(subject)
    }
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Findings {
    /// The values, a chart each.
    pub graphs: Vec<Graph>,
    /// What could not be had, for people.
    pub gaps: Vec<(Wanted, Gap)>,
    /// Log lines.
    pub lines: Option<Lines>,
    /// A picture.
    pub image: Option<String>,
}

impl Findings {
    /// Nothing of what was wanted can be had.
    pub fn miss(&mut self, subject: &Subject, gap: &Gap) {
        let wanted = [(subject.chart, Wanted::Chart), (subject.lines > 0, Wanted::Lines)];
        self.gaps.extend(wanted.into_iter().filter(|(is, _)| *is).map(|(_, wanted)| (wanted, gap.clone())));
    }

    /// Whether there is anything that changes the message.
    #[must_use]
    pub fn changes_message(&self) -> bool {
        !self.graphs.is_empty() || !self.gaps.is_empty() || self.image.is_some()
    }
}

/// What was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The values.
    Chart,
    /// The log lines.
    Lines,
}

/// Why something could not be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// The role lacks this right, on that.
    Right(&'static str, String),
    /// The alarm is of this account, which is not the function's own.
    OtherAccount(String),
    /// There is no such alarm here.
    NoAlarm(String),
    /// There are no values of it in the time that was asked for.
    NoValues(String),
    /// There is no such log group.
    NoGroup(String),
    /// Nothing in this log group matches.
    NoMatch(String),
    /// Nothing in the part of this log group that could be searched matches.
    NoMatchYet(String),
    /// The service takes no more calls now.
    Throttled(&'static str),
    /// The service did not answer in time.
    Slow(&'static str),
    /// The service refused, with this code.
    Refused(&'static str, String),
}

impl Gap {
    /// One line for people.
    #[must_use]
    pub fn line(&self, wanted: Wanted, words: &Words) -> String {
        const FOREIGN_MAX_CHARS: usize = 120;
        let cut = |text: &str| crate::text::cut(&crate::text::one_line(text), FOREIGN_MAX_CHARS).into_owned();
        let [right, account, alarm, values, group, matches, matches_yet, throttled, slow, refused] =
            words.gaps;
        let why = match self {
            Self::Right(name, on) => fill(right, &[name, &cut(on)]),
            Self::OtherAccount(other) => fill(account, &[&cut(other)]),
            Self::NoAlarm(name) => fill(alarm, &[&cut(name)]),
            Self::NoValues(name) => fill(values, &[&cut(name)]),
            Self::NoGroup(name) => fill(group, &[&cut(name)]),
            Self::NoMatch(name) => fill(matches, &[&cut(name)]),
            Self::NoMatchYet(name) => fill(matches_yet, &[&cut(name)]),
            Self::Throttled(service) => fill(throttled, &[service]),
            Self::Slow(service) => fill(slow, &[service]),
            Self::Refused(service, code) => fill(refused, &[service, &cut(code)]),
        };
        match wanted {
            Wanted::Chart => fill(words.no_chart, &[&why]),
            Wanted::Lines => fill(words.no_lines, &[&why]),
        }
    }
}

#[cfg(test)]
mod tests;
