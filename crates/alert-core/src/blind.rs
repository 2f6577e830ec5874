//! Rules that Grafana cannot evaluate, while its errors about that are held back: what is not seen is not well.
//!
//! What is known is a [`Blind`], which is written down; one message shows it, which is edited, and ends by itself.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Fact, Severity, Source, State};
use crate::config::Config;
use crate::decide::Dropped;
use crate::key::{self, AlertKey};
use crate::own::Own;
use crate::render::page::Words;
use crate::render::page::words::fill;
use crate::source::{DATASOURCE_ERROR, DATASOURCE_NO_DATA};
use crate::text::cut;

/// What lasts less than this is the noise that the rules are to hold back.
pub const TOLD_AFTER: TimeDelta = TimeDelta::minutes(10);
/// The message is changed at most once in this time.
const CHANGED_EVERY: TimeDelta = TimeDelta::minutes(5);
/// Grafana tells what lasts again every four hours (`repeat_interval`), unless somebody sets another time, a day at most as a rule.
/// What is not heard of any more is not known any more.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::hours(25);
/// Rules that are remembered; of more the message knows nothing.
const RULES_MAX: usize = 200;
/// Rules that a message names.
const NAMED_MAX: usize = 15;
const NAME_MAX_CHARS: usize = 100;
const ERROR_MAX_CHARS: usize = 200;

const KIND: &str = "blind";
const NAME: &str = "Alert rules";

/// The rules that cannot be evaluated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blind {
    /// By a hash of Grafana's own key.
    #[serde(default)]
    rules: BTreeMap<String, Rule>,
    /// Errors that were held back since it was told first.
    #[serde(default)]
    held: u64,
    /// What people were told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Told>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Rule {
    name: String,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    since: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    heard_at: DateTime<Utc>,
    #[serde(default)]
    error: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    #[serde(with = "chrono::serde::ts_milliseconds")]
    since: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    at: DateTime<Utc>,
}

/// What an alert says of a rule of Grafana's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// It cannot be evaluated, and that is held back.
    Blind {
        /// A hash of Grafana's own key.
        key: String,
        /// What people call it.
        name: String,
        /// Since when.
        since: Option<DateTime<Utc>>,
        /// Why.
        error: String,
    },
    /// It can be evaluated again.
    Well {
        /// A hash of Grafana's own key.
        key: String,
    },
}

/// What is to be done about it now.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Nothing before this.
    Later(DateTime<Utc>),
    /// Nothing is left of it.
    Forget,
    /// This is to be told; then this is known.
    Tell {
        /// What people are told.
        own: Box<Own>,
        /// What is known when they were.
        next: Blind,
        /// When to look again.
        due_at: Option<DateTime<Utc>>,
    },
}

/// What an alert says of a rule, with what dropped it.
///
/// A drop rule that holds at certain times alone is about a time at which everybody knows that nothing can be evaluated.
#[must_use]
pub fn seen(config: &Config, alert: &Alert, key: &AlertKey, dropped: Option<&Dropped>) -> Option<Seen> {
    let is_about_a_rule = alert.source == Source::Grafana
        && [DATASOURCE_ERROR, DATASOURCE_NO_DATA].contains(&alert.labels.get("alertname"))
        && !alert.labels.get("rulename").is_empty();
    if !is_about_a_rule {
        return None;
    }
    let key = key::hash(&[&key.to_string()]);
    if alert.state == State::Resolved {
        return Some(Seen::Well { key });
    }
    let rule = config.drop.iter().find(|rule| dropped.is_some_and(|dropped| dropped.rule == rule.name))?;
    let name = cut(alert.labels.get("rulename").trim(), NAME_MAX_CHARS).into_owned();
    let error = cut(alert.reason.as_deref().unwrap_or_default().trim(), ERROR_MAX_CHARS).into_owned();
    rule.active_time_intervals.is_empty().then_some(Seen::Blind { key, name, since: alert.starts_at, error })
}

/// Whether this names the message that shows it.
#[must_use]
pub(crate) fn is_its_message(key: &AlertKey) -> bool {
    matches!(key, AlertKey::Own { kind, .. } if kind == KIND)
}

impl Blind {
    /// Whether nothing is known: what is well then needs no note.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is known when these were seen, and when to look at it.
    #[must_use]
    pub fn see(&self, seen: &[Seen], now: DateTime<Utc>) -> (Self, Option<DateTime<Utc>>) {
        let mut next = self.clone();
        let now = now.trunc_subsecs(3);
        for seen in seen {
            match seen {
                Seen::Well { key } => drop(next.rules.remove(key)),
                Seen::Blind { key, name, since, error } => {
                    next.held = next.held.saturating_add(1);
                    let known = next.rules.get(key).map(|rule| rule.since);
                    let since = known.unwrap_or(since.unwrap_or(now).trunc_subsecs(3).min(now));
                    let rule = Rule { name: name.clone(), since, heard_at: now, error: error.clone() };
                    if known.is_some() || next.rules.len() < RULES_MAX {
                        next.rules.insert(key.clone(), rule);
                    }
                }
            }
        }
        let due_at = next.due_at(now);
        (next, due_at)
    }

    /// When there is something to be told: the first time when a rule was blind for long enough, then when enough time is over.
    fn due_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.told {
            Some(told) if self.rules.is_empty() => Some(now.max(told.at)),
            Some(told) => Some(now.max(told.at + CHANGED_EVERY)),
            None => self.rules.values().map(|rule| rule.since).min().map(|since| now.max(since + TOLD_AFTER)),
        }
    }

    /// What is to be done about it at this time.
    #[must_use]
    pub fn look(&self, config: &Config, now: DateTime<Utc>) -> Look {
        let mut next = self.clone();
        next.rules.retain(|_, rule| now - rule.heard_at < FORGOTTEN_AFTER);
        let Some(since) = next.rules.values().map(|rule| rule.since).min() else {
            return match self.told {
                None => Look::Forget,
                Some(told) => {
                    let mut own = Box::new(over(told, now));
                    // Nobody has said that they can be evaluated again.
                    own.alert.is_end_unknown = !self.rules.is_empty();
                    Look::Tell { own, next: Self::default(), due_at: None }
                }
            };
        };
        let due_at = next.due_at(now).filter(|due_at| *due_at > now);
        if let Some(later) = due_at {
            return Look::Later(later);
        }
        let since = self.told.map_or(since, |told| told.since.min(since));
        let at = now.trunc_subsecs(3);
        let own = Box::new(next.own(config, since, at));
        next.told = Some(Told { since, at });
        // What is not heard of any more ends it.
        let forgotten_at = next.rules.values().map(|rule| rule.heard_at + FORGOTTEN_AFTER).min();
        Look::Tell { own, next, due_at: forgotten_at }
    }

    /// What is known when what `told` says was told, and this was written meanwhile.
    #[must_use]
    pub(crate) fn and_told(self, told: &Self) -> Self {
        Self { told: told.told, ..self }
    }

    fn own(&self, config: &Config, since: DateTime<Utc>, at: DateTime<Utc>) -> Own {
        let words = config.language.words();
        let moment = |time: DateTime<Utc>| words.time_of_day(time, at, config.timezone);
        let part = at.timestamp_millis().to_string();
        let mut own = Own::new(KIND, NAME, ("RulesNotEvaluated", State::Firing, "blind"), &[&part]);
        let alert = &mut own.alert;
        alert.labels.set("severity", Severity::Warning.as_str());
        let count = self.rules.len().to_string();
        let pattern = words.blind[usize::from(self.rules.len() > 1)];
        alert.summary = Some(fill(pattern, &[&count, &moment(since), &self.held.to_string()]));
        alert.description = Some(words.blind_means.to_owned());
        let mut rules: Vec<&Rule> = self.rules.values().collect();
        rules.sort_by(|one, other| (one.since, &one.name).cmp(&(other.since, &other.name)));
        alert.facts =
            rules.iter().take(NAMED_MAX).map(|rule| rule.fact(words, &moment(rule.since))).collect();
        let more = rules.len().saturating_sub(NAMED_MAX);
        if more > 0 {
            alert.notes.push(fill(words.more, &[&more.to_string()]));
        }
        (alert.starts_at, alert.changed_at) = (Some(since), Some(at));
        own
    }
}

impl Rule {
    fn fact(&self, words: &Words, since: &str) -> Fact {
        let since = fill(words.since, &[since]);
        let value = if self.error.is_empty() { since } else { format!("{since}: {}", self.error) };
        Fact::new(self.name.clone(), value)
    }
}

fn over(told: Told, now: DateTime<Utc>) -> Own {
    let at = now.trunc_subsecs(3).max(told.at + TimeDelta::milliseconds(1));
    let part = told.since.timestamp_millis().to_string();
    let mut own = Own::new(KIND, NAME, ("RulesNotEvaluated", State::Resolved, "evaluated"), &["over", &part]);
    (own.alert.starts_at, own.alert.ends_at, own.alert.changed_at) = (Some(told.since), Some(at), Some(at));
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-11-25T02:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    fn blind(key: &str, since: i64) -> Seen {
        Seen::Blind {
            key: key.to_owned(),
            name: format!("rule {key}"),
            since: Some(at(since)),
            error: "bad gateway".to_owned(),
        }
    }

    fn well(key: &str) -> Seen {
        Seen::Well { key: key.to_owned() }
    }

    fn tell(look: Look) -> (Alert, Blind, Option<DateTime<Utc>>) {
        let Look::Tell { own, next, due_at } = look else { panic!("{look:?}") };
        (own.alert, next, due_at)
    }

    #[test]
    fn what_is_short_is_never_told() {
        let config = Config::default();
        let (known, due_at) = Blind::default().see(&[blind("a", 0)], at(1));
        assert_eq!(due_at, Some(at(10)));
        assert_eq!(known.look(&config, at(5)), Look::Later(at(10)));
        let (known, due_at) = known.see(&[well("a")], at(6));
        assert_eq!((due_at, known.look(&config, at(10))), (None, Look::Forget));
    }

    #[test]
    fn one_message_shows_which_rules_are_blind_and_ends_by_itself() {
        let config = Config::default();
        let (known, _) = Blind::default().see(&[blind("a", 0), blind("b", 3)], at(4));
        let (alert, known, _) = tell(known.look(&config, at(10)));
        assert_eq!(
            alert.summary.as_deref(),
            Some("2 rules cannot be evaluated since 02:00; errors held back: 2")
        );
        let facts: Vec<_> = alert.facts.iter().map(|fact| format!("{}: {}", fact.name, fact.value)).collect();
        assert_eq!(facts, ["rule a: Since 02:00: bad gateway", "rule b: Since 02:03: bad gateway"]);
        // A third one changes it, at the earliest five minutes later.
        let (known, due_at) = known.see(&[blind("c", 11), blind("a", 0)], at(12));
        assert_eq!(due_at, Some(at(15)));
        let (alert, known, _) = tell(known.look(&config, at(15)));
        assert_eq!(
            alert.summary.as_deref(),
            Some("3 rules cannot be evaluated since 02:00; errors held back: 4")
        );
        let (known, due_at) = known.see(&[well("a"), well("b"), well("c")], at(40));
        assert_eq!(due_at, Some(at(40)));
        let (alert, known, due_at) = tell(known.look(&config, at(41)));
        assert_eq!(
            (alert.state, alert.starts_at, alert.ends_at),
            (State::Resolved, Some(at(0)), Some(at(41)))
        );
        assert!(known.is_empty() && due_at.is_none());
    }

    #[test]
    fn what_is_not_heard_of_any_more_has_ended() {
        let config = Config::default();
        let (known, _) = Blind::default().see(&[blind("a", 0)], at(1));
        let (_, known, due_at) = tell(known.look(&config, at(10)));
        assert_eq!(due_at, Some(at(1) + FORGOTTEN_AFTER));
        assert_eq!(tell(known.look(&config, at(1) + FORGOTTEN_AFTER)).0.state, State::Resolved);
    }

    #[test]
    fn only_what_is_held_back_without_a_time_for_it_counts() {
        let config = Config::parse(
            "drop: [{name: always, matchers: [alertname=DatasourceError]}, {name: night, matchers: [a=b], active_time_intervals: [night]}]
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '22:00', end_time: '24:00'}]}]}]",
        )
        .unwrap();
        let mut alert = Alert::new(Source::Grafana, "DatasourceError", State::Firing, "firing");
        alert.labels.set("alertname", "DatasourceError");
        let key = AlertKey::Own { kind: "x".into(), name: "y".to_owned() };
        let dropped = |rule: &str| Dropped { rule: rule.to_owned(), why: String::new() };
        assert_eq!(seen(&config, &alert, &key, Some(&dropped("always"))), None);
        alert.labels.set("rulename", "cpu");
        let of = |alert: &Alert, dropped: Option<Dropped>| seen(&config, alert, &key, dropped.as_ref());
        assert!(
            matches!(of(&alert, Some(dropped("always"))), Some(Seen::Blind { name, .. }) if name == "cpu")
        );
        assert_eq!(of(&alert, Some(dropped("night"))), None);
        assert_eq!(of(&alert, None), None);
        alert.state = State::Resolved;
        assert!(matches!(of(&alert, None), Some(Seen::Well { .. })));
    }

    #[test]
    fn many_are_counted_and_stay_small() {
        let config = Config::default();
        let all: Vec<Seen> = (0..1_000).map(|n| blind(&format!("{n:04}"), 0)).collect();
        let (known, _) = Blind::default().see(&all, at(1));
        let (alert, next, _) = tell(known.look(&config, at(10)));
        assert_eq!(alert.facts.len(), NAMED_MAX);
        assert!(serde_json::to_string(&next).unwrap().len() < 100_000);
    }
}
