//! The morning receipt: what became of all alerts since the last one, in one message. A quiet night is one line.
//!
//! What happens is counted by who lets it happen, under the name of the receipt that will tell it; storing is the caller's.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::alert::{Fact, State};
use crate::config::Config;
use crate::own::Own;
use crate::render::page::Words;
use crate::render::page::words::fill;
use crate::text::cut;
use crate::time;

/// What takes longer than this from its sending to its delivery is late.
pub const LATE: TimeDelta = TimeDelta::minutes(2);
/// Who counts at the very end of the time is waited for.
pub const TOLD_AFTER: TimeDelta = TimeDelta::minutes(1);
/// Alerts that are open still and named.
pub const OPEN_NAMED_MAX: usize = 10;
const NAMES_MAX: usize = 10;
const NAME_MAX_CHARS: usize = 60;

const KIND: &str = "receipt";

/// What an invocation counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// By what is counted.
    pub counts: BTreeMap<Counted, u64>,
    /// The longest time from sending to delivery, and the way.
    pub slowest: Option<(TimeDelta, String)>,
}

/// Something that is counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// Alerts that were delivered.
    Delivered,
    /// Alerts that a rule of this name has dropped.
    Dropped(String),
    /// Changes that rang nowhere, because somebody has silenced their alert.
    Silenced(String),
    /// Alerts that shared a message.
    Folded,
    /// Posts that had to be tried again.
    Retried,
    /// Alerts that were late.
    Late,
    /// Deliveries that failed in an invocation.
    Failed,
    /// Signs of life.
    Beats,
}

impl Counted {
    /// How it is stored.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Delivered => "delivered".to_owned(),
            Self::Dropped(rule) => format!("dropped:{}", cut(rule, NAME_MAX_CHARS)),
            Self::Silenced(by) => format!("silenced:{}", cut(by, NAME_MAX_CHARS)),
            Self::Folded => "folded".to_owned(),
            Self::Retried => "retried".to_owned(),
            Self::Late => "late".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::Beats => "beats".to_owned(),
        }
    }

    /// What is stored under this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.split_once(':') {
            Some(("dropped", rule)) => Self::Dropped(rule.to_owned()),
            Some(("silenced", by)) => Self::Silenced(by.to_owned()),
            Some(_) => return None,
            None => match name {
                "delivered" => Self::Delivered,
                "folded" => Self::Folded,
                "retried" => Self::Retried,
                "late" => Self::Late,
                "failed" => Self::Failed,
                "beats" => Self::Beats,
                _ => return None,
            },
        })
    }
}

impl Counts {
    /// Counts so much more.
    pub fn add(&mut self, what: Counted, count: usize) {
        if count > 0 {
            let count = u64::try_from(count).unwrap_or(u64::MAX);
            let sum = self.counts.entry(what).or_default();
            *sum = sum.saturating_add(count);
        }
    }

    /// Counts a delivery, with how long it was under way where that is known.
    pub fn deliver(&mut self, took: Option<TimeDelta>, way: impl Fn() -> String) {
        self.add(Counted::Delivered, 1);
        let Some(took) = took else { return };
        self.add(Counted::Late, usize::from(took > LATE));
        if self.slowest.as_ref().is_none_or(|(slowest, _)| *slowest < took) {
            self.slowest = Some((took, way()));
        }
    }

    /// Whether there is nothing to be written down.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    fn of(&self, what: &Counted) -> u64 {
        self.counts.get(what).copied().unwrap_or_default()
    }
}

/// When the next receipt is told, and what is counted until then is named by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The end of what it tells.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: DateTime<Utc>,
}

impl Schedule {
    /// The receipt that tells what happens now; `None` where nobody wants one.
    #[must_use]
    pub fn of(config: &Config, now: DateTime<Utc>) -> Option<Self> {
        Some(Self { at: time::next_daily(config.receipt?, config.timezone, now) })
    }

    /// When it is told.
    #[must_use]
    pub fn told_at(self) -> DateTime<Utc> {
        self.at + TOLD_AFTER
    }

    /// The item that holds its counts.
    #[must_use]
    pub fn counts_key(self) -> String {
        format!("counts|{}", self.at.timestamp())
    }
}

/// An alert that is open still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its name.
    pub name: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// What people are told: the counts, how many alerts are open, and the oldest of them.
#[must_use]
pub fn receipt(schedule: Schedule, counts: &Counts, open: usize, oldest: &[Open], config: &Config) -> Own {
    let words = config.language.words();
    let at = schedule.at;
    let date = at.with_timezone(&config.timezone).format("%Y-%m-%d %H:%M").to_string();
    let part = at.timestamp().to_string();
    let mut own = Own::new(
        KIND,
        &fill(words.receipt, &[&date]),
        ("Receipt", State::Informational, "receipt"),
        &[&part],
    );
    own.alert.changed_at = Some(at);
    let sum = |is_it: fn(&Counted) -> bool| {
        counts.counts.iter().filter(|(what, _)| is_it(what)).map(|(_, n)| n).sum::<u64>()
    };
    let dropped = sum(|what| matches!(what, Counted::Dropped(_)));
    let silenced = sum(|what| matches!(what, Counted::Silenced(_)));
    let number = |count: u64| count.to_string();
    let said = [
        Some(fill(words.receipt_delivered, &[&number(counts.of(&Counted::Delivered))])),
        (dropped > 0).then(|| fill(words.receipt_dropped, &[&number(dropped)])),
        (silenced > 0).then(|| fill(words.receipt_silenced, &[&number(silenced)])),
        (counts.of(&Counted::Failed) > 0)
            .then(|| fill(words.receipt_failed, &[&number(counts.of(&Counted::Failed))])),
        Some(if open == 0 {
            words.receipt_none_open.to_owned()
        } else {
            fill(words.receipt_open, &[&open.to_string()])
        }),
    ];
    own.alert.summary = Some(said.into_iter().flatten().collect::<Vec<_>>().join(", "));
    let mut fact = |name: &str, value: String| {
        if !value.is_empty() {
            own.alert.facts.push(Fact::new(name, value));
        }
    };
    let by = |is_it: fn(&Counted) -> Option<&String>| {
        let mut all: Vec<(u64, &String)> =
            counts.counts.iter().filter_map(|(what, count)| Some((*count, is_it(what)?))).collect();
        all.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(other.1)));
        listed(all.iter().map(|(count, name)| format!("{name}: {count}")), all.len(), words)
    };
    let [by_rule, by_person, folded, retried, late, slowest, beats, still_open] = words.receipt_facts;
    fact(by_rule, by(|what| if let Counted::Dropped(rule) = what { Some(rule) } else { None }));
    fact(by_person, by(|what| if let Counted::Silenced(by) = what { Some(by) } else { None }));
    for (name, what) in [(folded, Counted::Folded), (retried, Counted::Retried), (late, Counted::Late)] {
        fact(name, Some(counts.of(&what)).filter(|count| *count > 0).map(number).unwrap_or_default());
    }
    // Of a night in which all was quick nobody wants to know which was the slowest.
    let slow = counts.slowest.as_ref().filter(|(took, _)| *took > LATE);
    fact(slowest, slow.map(|(took, way)| format!("{} ({way})", words.span(*took))).unwrap_or_default());
    let oldest_lines = oldest.iter().map(|open| {
        format!(
            "{} ({})",
            open.name,
            fill(words.since, &[&words.time_of_day(open.since, at, config.timezone)])
        )
    });
    fact(still_open, listed(oldest_lines, open, words));
    // Signs of life alone are a quiet night.
    if !own.alert.facts.is_empty() {
        let beats_count = counts.of(&Counted::Beats);
        if beats_count > 0 {
            own.alert.facts.push(Fact::new(beats, beats_count.to_string()));
        }
    }
    own
}

/// Lines of which there are so many in all; the first are shown.
fn listed(lines: impl Iterator<Item = String>, of: usize, words: &Words) -> String {
    let mut shown: Vec<String> = lines.take(NAMES_MAX).collect();
    let more = of.saturating_sub(shown.len());
    if more > 0 {
        shown.push(fill(words.more, &[&more.to_string()]));
    }
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn config() -> Config {
        Config::parse("timezone: Asia/Seoul\nreceipt: {at: '09:00'}").unwrap()
    }

    #[test]
    fn a_quiet_night_is_one_line() {
        let config = config();
        let schedule = Schedule::of(&config, at("2026-11-25T12:00:00Z")).unwrap();
        assert_eq!(schedule.at, at("2026-11-26T00:00:00Z"));
        assert_eq!(Schedule::of(&Config::default(), schedule.at), None);
        let mut counts = Counts::default();
        counts.add(Counted::Beats, 288);
        counts.deliver(Some(TimeDelta::seconds(3)), || "SNS".to_owned());
        let own = receipt(schedule, &counts, 0, &[], &config);
        assert_eq!(own.alert.name, "Receipt of 2026-11-26 09:00");
        assert_eq!(own.alert.summary.as_deref(), Some("1 delivered, none open"));
        assert!(own.alert.facts.is_empty());
    }

    #[test]
    fn everything_is_told() {
        let config = config();
        let schedule = Schedule::of(&config, at("2026-11-25T12:00:00Z")).unwrap();
        let mut counts = Counts::default();
        for (what, count) in [
            (Counted::Dropped("errors".to_owned()), 40),
            (Counted::Dropped("night".to_owned()), 3),
            (Counted::Silenced("kim".to_owned()), 2),
            (Counted::Folded, 12),
            (Counted::Retried, 4),
            (Counted::Failed, 1),
            (Counted::Beats, 288),
        ] {
            counts.add(what, count);
        }
        counts.deliver(Some(TimeDelta::seconds(300)), || "SNS → SQS".to_owned());
        counts.deliver(Some(TimeDelta::seconds(200)), || "SNS".to_owned());
        counts.deliver(None, String::new);
        let open = Open { name: "cpu".to_owned(), since: at("2026-11-25T17:10:00Z") };
        let own = receipt(schedule, &counts, 12, &[open], &config);
        assert_eq!(
            own.alert.summary.as_deref(),
            Some("3 delivered, 43 held back, 2 silenced, 1 failed, 12 open")
        );
        let facts: Vec<_> =
            own.alert.facts.iter().map(|fact| format!("{}: {}", fact.name, fact.value)).collect();
        assert_eq!(
            facts,
            [
                "Held back by: errors: 40\nnight: 3",
                "Silenced by: kim: 2",
                "In a shared message: 12",
                "Tried again: 4",
                "Later than 2 min: 2",
                "Slowest: 5 min (SNS → SQS)",
                "Open: cpu (Since 02:10)\n… and 11 more",
                "Signs of life: 288",
            ]
        );
    }

    #[test]
    fn names_are_read_back() {
        for what in [
            Counted::Delivered,
            Counted::Dropped("a:b".to_owned()),
            Counted::Silenced("kim".to_owned()),
            Counted::Folded,
            Counted::Retried,
            Counted::Late,
            Counted::Failed,
            Counted::Beats,
        ] {
            assert_eq!(Counted::named(&what.name()), Some(what));
        }
        assert_eq!(Counted::named("pk"), None);
    }
}
