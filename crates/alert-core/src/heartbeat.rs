//! Signs of life: who promised to give one again and again, when it is missing, and what people are told of that.
//!
//! What is known is a [`Beat`], which is written down; reading and writing it is the caller's.

use std::sync::Arc;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Source, State};
use crate::config::{Config, Heartbeat};
use crate::own::Own;
use crate::render::page::Words;
use crate::render::page::words::fill;

/// A time that lies further ahead was written by a clock that has been set since.
const AHEAD_MAX: TimeDelta = TimeDelta::minutes(5);

/// What is known of one heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// The heartbeat's name.
    pub name: String,
    /// The last sign of life; where none was heard yet, since when it is waited for.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub last_at: DateTime<Utc>,
    /// Whether one was ever heard.
    pub is_heard: bool,
    /// That people were told that it is missing, and not yet that it is back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
}

/// A heartbeat that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The last sign of life before.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub since: DateTime<Utc>,
    /// The first one after.
    #[serde(
        default,
        with = "chrono::serde::ts_milliseconds_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub back_at: Option<DateTime<Utc>>,
    /// Not everybody was told: that one way did not take it must not keep people from hearing that it is back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_half_told: bool,
}

/// A sign of life that an event brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Of whom.
    pub heartbeat: Arc<Heartbeat>,
    /// When it was sent.
    pub at: DateTime<Utc>,
    /// The item that brings it, by its place in the plan.
    pub item: usize,
}

/// What is to be done about a heartbeat now.
#[derive(Debug, Clone, PartialEq)]
pub enum Look {
    /// Nothing before this.
    Later(DateTime<Utc>),
    /// Nothing until it is heard of.
    Wait,
    /// The configuration does not name it any more.
    Forget,
    /// This is to be told; then this is known, and it is to be looked at again.
    Tell {
        /// What people are told.
        own: Box<Own>,
        /// What is known when they were.
        next: Beat,
        /// When to look again.
        due_at: Option<DateTime<Utc>>,
        /// What is known when only some of them were, and it is told again.
        half: Option<Beat>,
    },
}

/// The heartbeats of which an alert is a sign of life.
///
/// An end is none: who sends that its own watchdog is over says that it does not watch any more. A CloudWatch alarm has no
/// reminders, so that each of its states is one.
pub fn of<'c>(config: &'c Config, alert: &'c Alert) -> impl Iterator<Item = &'c Arc<Heartbeat>> {
    let is_end =
        alert.state == State::Resolved && matches!(alert.source, Source::Grafana | Source::Alertmanager);
    config.heartbeats.iter().filter(move |heartbeat| !is_end && heartbeat.matchers.matches(&alert.labels))
}

impl Beat {
    /// Of a heartbeat that is waited for since now.
    #[must_use]
    pub fn awaited(heartbeat: &Heartbeat, now: DateTime<Utc>) -> Self {
        Self { name: heartbeat.name.clone(), last_at: now.trunc_subsecs(3), is_heard: false, gone: None }
    }

    /// What is known when a sign of life was heard that was sent `at`, and when to look at it.
    #[must_use]
    pub fn heard(
        known: Option<&Self>,
        heartbeat: &Heartbeat,
        at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> (Self, Option<DateTime<Utc>>) {
        let at = at.min(now).trunc_subsecs(3);
        let before = known.map(|known| known.last_at).filter(|last_at| *last_at - now <= AHEAD_MAX);
        let last_at = before.map_or(at, |before| before.max(at));
        let mut gone = known.and_then(|known| known.gone);
        // What was long under way is no sign that it lives now.
        let lives = heartbeat.missing_at(at) > now;
        if let Some(gone) = gone.as_mut().filter(|_| lives) {
            gone.back_at = gone.back_at.or(Some(at));
        }
        let due_at = match gone {
            None => Some(heartbeat.missing_at(last_at)),
            Some(Gone { back_at: Some(_), .. }) => Some(now),
            Some(Gone { back_at: None, .. }) => None,
        };
        (Self { name: heartbeat.name.clone(), last_at, is_heard: true, gone }, due_at)
    }

    /// What is to be done about it at this time.
    #[must_use]
    pub fn look(&self, config: &Config, now: DateTime<Utc>) -> Look {
        let Some(heartbeat) = config.heartbeats.iter().find(|heartbeat| heartbeat.name == self.name) else {
            return Look::Forget;
        };
        let (words, timezone) = (config.language.words(), config.timezone);
        let missing_at = heartbeat.missing_at(self.last_at);
        match self.gone {
            Some(Gone { back_at: None, is_half_told: false, .. }) => Look::Wait,
            Some(Gone { since, back_at: Some(back_at), .. }) => {
                // Where a clock was set in between it would seem to be older than what was told before.
                let told_at = heartbeat.missing_at(since) + TimeDelta::seconds(1);
                let own = Box::new(self.back(since, back_at, back_at.max(told_at)));
                let next = Self { gone: None, ..self.clone() };
                Look::Tell { own, next, due_at: Some(missing_at), half: None }
            }
            None if now < missing_at => Look::Later(missing_at),
            None | Some(Gone { back_at: None, is_half_told: true, .. }) => {
                let with = |is_half_told| {
                    let gone = Some(Gone { since: self.last_at, back_at: None, is_half_told });
                    Self { gone, ..self.clone() }
                };
                let own = Box::new(self.missing(missing_at, now, words, timezone));
                Look::Tell { own, next: with(false), due_at: None, half: Some(with(true)) }
            }
        }
    }

    /// What is known when what `told` says was told, and this was written meanwhile.
    #[must_use]
    pub(crate) fn and_told(self, told: &Self) -> Self {
        let gone = told.gone.map(|gone| {
            let back_at = gone.back_at.or((self.last_at > gone.since).then_some(self.last_at));
            Gone { back_at, ..gone }
        });
        Self { gone, ..self }
    }

    fn missing(&self, missing_at: DateTime<Utc>, now: DateTime<Utc>, words: &Words, timezone: Tz) -> Own {
        let mut own = self.own(State::Firing, "missing", self.last_at);
        let span = words.span(now.signed_duration_since(self.last_at));
        let last = words.time_of_day(self.last_at, now, timezone);
        let pattern = if self.is_heard { words.no_sign_of_life } else { words.never_a_sign_of_life };
        own.alert.summary = Some(fill(pattern, &[&span, &last]));
        (own.alert.starts_at, own.alert.changed_at) = (Some(self.last_at), Some(missing_at));
        own
    }

    fn back(&self, since: DateTime<Utc>, back_at: DateTime<Utc>, changed_at: DateTime<Utc>) -> Own {
        let mut own = self.own(State::Resolved, "back", since);
        let alert = &mut own.alert;
        (alert.starts_at, alert.ends_at, alert.changed_at) = (Some(since), Some(back_at), Some(changed_at));
        own
    }

    fn own(&self, state: State, word: &str, since: DateTime<Utc>) -> Own {
        let since = since.timestamp_millis().to_string();
        Own::new("heartbeat", &self.name, ("NoSignOfLife", state, word), &[word, &since]).critical()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::DeliveryKey;

    fn at(minutes: i64) -> DateTime<Utc> {
        "2026-11-25T02:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
    }

    fn config() -> Config {
        let yaml =
            "heartbeats: [{name: prod Grafana, matchers: ['alertname=Watchdog'], every: 5m, grace: 10m}]";
        Config::parse(yaml).unwrap()
    }

    fn tell(look: Look) -> (Alert, DeliveryKey, Beat, Option<DateTime<Utc>>) {
        let Look::Tell { own, next, due_at, .. } = look else { panic!("{look:?}") };
        (own.alert, own.delivery, next, due_at)
    }

    #[test]
    fn what_stops_is_told_once_and_what_comes_back_says_for_how_long_it_was_gone() {
        let config = config();
        let heartbeat = &config.heartbeats[0];
        let (beat, due_at) = Beat::heard(None, heartbeat, at(10), at(10));
        assert_eq!(due_at, Some(at(25)));
        assert_eq!(beat.look(&config, at(24)), Look::Later(at(25)));
        let (alert, delivery, gone, due_at) = tell(beat.look(&config, at(25)));
        assert_eq!(alert.summary.as_deref(), Some("no sign of life for 15 min (last 02:10)"));
        assert_eq!((alert.state, alert.changed_at, due_at), (State::Firing, Some(at(25)), None));
        // Tried again later it is the same delivery.
        assert_eq!(tell(beat.look(&config, at(27))).1, delivery);
        assert_eq!(gone.look(&config, at(500)), Look::Wait);
        let (back, due_at) = Beat::heard(Some(&gone), heartbeat, at(32), at(32));
        assert_eq!(due_at, Some(at(32)));
        let (alert, _, well, due_at) = tell(back.look(&config, at(33)));
        assert_eq!(
            (alert.state, alert.starts_at, alert.ends_at),
            (State::Resolved, Some(at(10)), Some(at(32)))
        );
        assert_eq!((well.gone, due_at), (None, Some(at(47))));
    }

    #[test]
    fn what_was_never_heard_is_missing_too() {
        let config = config();
        let beat = Beat::awaited(&config.heartbeats[0], at(0));
        let (alert, ..) = tell(beat.look(&config, at(15)));
        assert_eq!(alert.summary.as_deref(), Some("no sign of life yet, waited for since 02:00 (15 min)"));
        assert_eq!(beat.look(&Config::default(), at(15)), Look::Forget);
    }

    #[test]
    fn what_was_long_under_way_is_no_sign_of_life_now() {
        let config = config();
        let heartbeat = &config.heartbeats[0];
        let gone = Beat {
            gone: Some(Gone { since: at(0), back_at: None, is_half_told: false }),
            ..Beat::awaited(heartbeat, at(0))
        };
        let (beat, due_at) = Beat::heard(Some(&gone), heartbeat, at(5), at(60));
        assert_eq!((beat.last_at, beat.gone, due_at), (at(5), gone.gone, None));
        // Older ones never set it back, and a clock that was wrong does not stop it.
        let (beat, _) = Beat::heard(Some(&beat), heartbeat, at(3), at(60));
        assert_eq!(beat.last_at, at(5));
        let ahead = Beat { last_at: at(120), ..Beat::awaited(heartbeat, at(0)) };
        assert_eq!(Beat::heard(Some(&ahead), heartbeat, at(60), at(60)).0.last_at, at(60));
        // A sender's clock that is ahead buys no time.
        assert_eq!(Beat::heard(None, heartbeat, at(90), at(60)).0.last_at, at(60));
    }

    #[test]
    fn an_end_is_no_sign_of_life() {
        let config = config();
        let alert = |source: Source, state| {
            let mut alert = Alert::new(source, "Watchdog", state, "");
            alert.labels.set("alertname", "Watchdog");
            alert
        };
        for (source, state, is_one) in [
            (Source::Alertmanager, State::Firing, true),
            (Source::Alertmanager, State::Resolved, false),
            (Source::Grafana, State::Resolved, false),
            (Source::CloudWatch, State::Resolved, true),
            (Source::Aws("Scheduler".to_owned()), State::Informational, true),
        ] {
            assert_eq!(of(&config, &alert(source, state)).next().is_some(), is_one);
        }
    }
}
