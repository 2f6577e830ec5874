//! The canary: an alarm of the stack's own that is set off once a day, to see that the whole way works: CloudWatch, SNS, the
//! queue, the relay, the target.
//!
//! One message shows it, which is edited each day. What is known is a [`Flight`], which is written down; the calls are the
//! caller's.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, State};
use crate::config::Config;
use crate::key::AlertKey;
use crate::own::Own;
use crate::render::page::Words;
use crate::render::page::words::fill;
use crate::time;

/// What has not arrived by then is missed: a queue tries again each few minutes.
pub const MISSED_AFTER: TimeDelta = TimeDelta::minutes(10);

/// The verdict's rule when the canary's alarm is in another state again.
pub const RULE: &str = "canary";

/// The kind of the alert, and its name.
const KIND: &str = "canary";
const NAME: &str = "Canary";
/// The word of its state: it is seen each day, and is no end of anything.
pub(crate) const ARRIVED: &str = "arrived";
const REASON: &str = "Canary of the alert relay, sent ";

/// What is known of the canary.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flight {
    /// When the one was sent that is waited for.
    #[serde(
        default,
        with = "chrono::serde::ts_milliseconds_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub sent_at: Option<DateTime<Utc>>,
    /// When the last one arrived.
    #[serde(
        default,
        with = "chrono::serde::ts_milliseconds_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub arrived_at: Option<DateTime<Utc>>,
    /// When the one was sent of which people were told that it is missed.
    #[serde(
        default,
        with = "chrono::serde::ts_milliseconds_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub missed: Option<DateTime<Utc>>,
}

/// What is to be done about the canary now.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Nothing before this.
    Later(DateTime<Utc>),
    /// There is none any more.
    Forget,
    /// It is to be sent, when this is written down.
    Send {
        /// What is known then.
        next: Flight,
        /// When to look again.
        due_at: DateTime<Utc>,
    },
    /// This is to be told; then this is known.
    Tell {
        /// What people are told.
        own: Box<Own>,
        /// What is known when they were.
        next: Flight,
        /// When to look again.
        due_at: Option<DateTime<Utc>>,
        /// What is known when only some of them were, and it is told again.
        half: Option<Flight>,
    },
}

/// The reason with which the alarm is set off: it says when.
#[must_use]
pub fn reason(sent_at: DateTime<Utc>) -> String {
    format!("{REASON}{}", sent_at.format("%Y-%m-%dT%H:%M:%S%.3fZ"))
}

/// When a canary's alarm was set off: by its reason, else by its own time.
#[must_use]
pub fn sent_at(alert: &Alert) -> Option<DateTime<Utc>> {
    let reason = alert.reason.as_deref().and_then(|reason| reason.strip_prefix(REASON));
    reason.and_then(time::parse).or(alert.changed_at)
}

/// Whether an alert is the canary's alarm.
#[must_use]
pub fn is_canary(alert: &Alert, alarm: &str) -> bool {
    matches!(&alert.key, Some(AlertKey::Alarm { name, .. }) if name == alarm)
}

/// Whether this names the canary's message, which only ever says that all is well.
#[must_use]
pub(crate) fn is_its_message(key: &AlertKey) -> bool {
    matches!(key, AlertKey::Own { kind, name } if kind == KIND && name == NAME)
}

/// What people see of a canary that was sent then and arrives now.
#[must_use]
pub fn arrived(sent_at: DateTime<Utc>, config: &Config, now: DateTime<Utc>) -> Own {
    let words = config.language.words();
    let mut own = Own::new(KIND, NAME, ("Canary", State::Resolved, ARRIVED), &[]);
    let took = now.signed_duration_since(sent_at).max(TimeDelta::zero());
    let local = sent_at.with_timezone(&config.timezone).format("%Y-%m-%d %H:%M").to_string();
    own.alert.summary = Some(fill(words.whole_way, &[&seconds(took, words), &local]));
    own.alert.changed_at = Some(sent_at);
    own
}

/// A short time with a tenth of a second, a long one as all others.
fn seconds(took: TimeDelta, words: &Words) -> String {
    let millis = took.num_milliseconds();
    if millis >= 60_000 {
        return words.span(took);
    }
    fill(words.units[0], &[&format!("{}.{}", millis / 1_000, millis % 1_000 / 100)])
}

impl Flight {
    /// When the next one is sent; never where the configuration wants none.
    #[must_use]
    pub fn next_at(config: &Config, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        config.canary.map(|at| time::next_daily(at, config.timezone, now))
    }

    /// What is known when one is sent now, and when to look at it.
    #[must_use]
    pub fn sent(&self, now: DateTime<Utc>) -> (Self, DateTime<Utc>) {
        (Self { sent_at: Some(now.trunc_subsecs(3)), ..self.clone() }, now + MISSED_AFTER)
    }

    /// What is known when one has arrived that was sent then, and when to look at it.
    #[must_use]
    pub fn has_arrived(
        &self,
        sent_at: DateTime<Utc>,
        config: &Config,
        now: DateTime<Utc>,
    ) -> (Self, Option<DateTime<Utc>>) {
        let is_newer = |waited: &DateTime<Utc>| *waited > sent_at.trunc_subsecs(3);
        let waited = self.sent_at.filter(is_newer);
        let next = Self { sent_at: waited, arrived_at: Some(now.trunc_subsecs(3)), missed: self.missed };
        let due_at = match (waited, self.missed) {
            (Some(waited), _) => Some(waited + MISSED_AFTER),
            (None, Some(_)) => Some(now),
            (None, None) => Self::next_at(config, now),
        };
        (next, due_at)
    }

    /// What is to be done about it at this time.
    #[must_use]
    pub fn look(&self, config: &Config, now: DateTime<Utc>) -> Look {
        let next_at = Self::next_at(config, now);
        if let Some(sent_at) = self.sent_at {
            let missed_at = sent_at + MISSED_AFTER;
            // A clock that was set back: it was sent in no future.
            if now < missed_at && missed_at - now <= MISSED_AFTER {
                return Look::Later(missed_at);
            }
            let own = Box::new(missed(sent_at, missed_at, config, now));
            let half = Self { missed: Some(self.missed.unwrap_or(sent_at)), ..self.clone() };
            let next = Self { sent_at: None, ..half.clone() };
            return Look::Tell { own, next, due_at: next_at, half: Some(half) };
        }
        if let (Some(missed), Some(arrived_at)) = (self.missed, self.arrived_at)
            && arrived_at > missed
        {
            let own = Box::new(back(missed, arrived_at));
            let next = Self { missed: None, ..self.clone() };
            return Look::Tell { own, next, due_at: next_at, half: None };
        }
        if next_at.is_none() {
            return Look::Forget;
        }
        let (next, due_at) = self.sent(now);
        Look::Send { next, due_at }
    }
}

fn missed(sent_at: DateTime<Utc>, missed_at: DateTime<Utc>, config: &Config, now: DateTime<Utc>) -> Own {
    let words = config.language.words();
    let mut own = own_missed(State::Firing, "missed", sent_at);
    let span = words.span(now.signed_duration_since(sent_at));
    let sent = words.time_of_day(sent_at, now, config.timezone);
    own.alert.summary = Some(fill(words.canary_missed, &[&span, &sent]));
    (own.alert.starts_at, own.alert.changed_at) = (Some(sent_at), Some(missed_at));
    own
}

fn back(missed: DateTime<Utc>, arrived_at: DateTime<Utc>) -> Own {
    let mut own = own_missed(State::Resolved, "back", missed);
    let changed_at = arrived_at.max(missed + MISSED_AFTER + TimeDelta::seconds(1));
    let alert = &mut own.alert;
    (alert.starts_at, alert.ends_at, alert.changed_at) = (Some(missed), Some(arrived_at), Some(changed_at));
    own
}

fn own_missed(state: State, word: &str, sent_at: DateTime<Utc>) -> Own {
    let sent_at = sent_at.timestamp_millis().to_string();
    Own::new(KIND, "Canary missed", ("CanaryMissed", state, word), &[word, &sent_at]).critical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn config() -> Config {
        Config::parse("timezone: Asia/Seoul\ncanary: {at: '09:00'}").unwrap()
    }

    #[test]
    fn it_is_sent_each_day_and_missed_when_it_does_not_arrive() {
        let config = config();
        let first = Flight::default();
        assert_eq!(Flight::next_at(&config, at("2026-11-25T00:00:00Z")), Some(at("2026-11-26T00:00:00Z")));
        let sent_at = at("2026-11-26T00:00:10Z");
        let Look::Send { next, due_at } = first.look(&config, sent_at) else { panic!() };
        assert_eq!((next.sent_at, due_at), (Some(sent_at), at("2026-11-26T00:10:10Z")));
        assert_eq!(next.look(&config, at("2026-11-26T00:05:00Z")), Look::Later(due_at));
        let Look::Tell { own, next: missed, due_at, .. } = next.look(&config, at("2026-11-26T00:11:00Z"))
        else {
            panic!()
        };
        assert_eq!(own.alert.summary.as_deref(), Some("it has not arrived for 10 min (sent 09:00)"));
        assert_eq!(due_at, Some(at("2026-11-27T00:00:00Z")));
        let (arrived, due_at) = missed.has_arrived(sent_at, &config, at("2026-11-26T00:31:00Z"));
        assert_eq!(due_at, Some(at("2026-11-26T00:31:00Z")));
        let Look::Tell { own, next: well, due_at, .. } = arrived.look(&config, at("2026-11-26T00:32:00Z"))
        else {
            panic!()
        };
        assert_eq!(
            (own.alert.state, well.missed, due_at),
            (State::Resolved, None, Some(at("2026-11-27T00:00:00Z")))
        );
    }

    #[test]
    fn an_older_one_says_nothing_of_the_one_that_is_waited_for() {
        let config = config();
        let (flight, _) = Flight::default().sent(at("2026-11-26T00:00:00Z"));
        let (still, due_at) =
            flight.has_arrived(at("2026-11-25T00:00:00Z"), &config, at("2026-11-26T00:01:00Z"));
        assert_eq!((still.sent_at, due_at), (flight.sent_at, Some(at("2026-11-26T00:10:00Z"))));
        let (well, due_at) =
            flight.has_arrived(at("2026-11-26T00:00:00Z"), &config, at("2026-11-26T00:00:04Z"));
        assert_eq!((well.sent_at, due_at), (None, Some(at("2026-11-27T00:00:00Z"))));
        // Nobody wants one: it is not sent again.
        assert_eq!(well.look(&Config::default(), at("2026-11-27T00:00:00Z")), Look::Forget);
        assert_eq!(
            flight.has_arrived(at("2026-11-26T00:00:00Z"), &Config::default(), at("2026-11-26T00:00:04Z")).1,
            None
        );
    }

    #[test]
    fn how_long_it_took() {
        let words = crate::render::page::Language::English.words();
        for (millis, expected) in [(0, "0.0 s"), (4_149, "4.1 s"), (59_999, "59.9 s"), (61_000, "1 min")] {
            assert_eq!(seconds(TimeDelta::milliseconds(millis), words), expected);
        }
    }
}
