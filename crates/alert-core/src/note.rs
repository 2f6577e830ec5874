//! What is written down beside the alerts themselves, so that somebody who looks at the time finds it: the stored forms.
//!
//! What comes of a note is decided where it belongs to; who stores it is the caller's.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::blind::Blind;
use crate::canary::Flight;
use crate::heartbeat::Beat;
use crate::key::hash;
use crate::receipt::Schedule;
use crate::render::sns::Notification;

/// One notification in this time for one topic: a storm is one notification and not a hundred.
pub const NOTIFICATIONS_EVERY: TimeDelta = TimeDelta::minutes(5);
/// So long those go first that wait: who looks at the time comes once a minute, and a new notification would always be before it.
pub const WAITING_FIRST: TimeDelta = TimeDelta::minutes(2);

/// Something that is written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Note {
    /// What is known of a heartbeat.
    Heartbeat(Beat),
    /// What is known of the canary.
    Canary(Flight),
    /// Which rules cannot be evaluated.
    Blind(Blind),
    /// When the next receipt is told.
    Receipt(Schedule),
    /// When the next notification may go to a topic.
    Pace {
        /// When.
        #[serde(with = "chrono::serde::ts_milliseconds")]
        next_at: DateTime<Utc>,
        /// Who has the turn until then: of two that write at once only one is right.
        by: String,
    },
    /// A notification that waits for its turn.
    Notification {
        /// The topic.
        topic: String,
        /// When it was to go.
        #[serde(with = "chrono::serde::ts_milliseconds")]
        at: DateTime<Utc>,
        /// What it says.
        notification: Notification,
    },
}

impl Note {
    /// Reads the stored form. Another version of the program may have written another one.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The form to be stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts, numbers and lists of them are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Note {
    /// What is known when `self` was told, and somebody has written `current` meanwhile. It is to be looked at again at once.
    #[must_use]
    pub fn told_beside(&self, current: Self) -> Option<Self> {
        Some(match (self, current) {
            (Self::Heartbeat(told), Self::Heartbeat(current)) => Self::Heartbeat(current.and_told(told)),
            (Self::Canary(told), Self::Canary(current)) => {
                Self::Canary(Flight { missed: told.missed, ..current })
            }
            (Self::Blind(told), Self::Blind(current)) => Self::Blind(current.and_told(told)),
            _ => return None,
        })
    }
}

/// Names what is known of the canary.
pub const CANARY: &str = "canary";

/// Names what is known of rules that cannot be evaluated.
pub const BLIND: &str = "blind";

/// Names the receipt that is told next.
pub const RECEIPT: &str = "receipt";

/// Names what is known of a heartbeat.
#[must_use]
pub fn heartbeat(name: &str) -> String {
    format!("heartbeat|{}", hash(&[name]))
}

/// Names the pace of a topic.
#[must_use]
pub fn pace(topic: &str) -> String {
    format!("pace|{}", hash(&[topic]))
}

/// Names a notification that waits: the same for the same message to the same topic.
#[must_use]
pub fn notification(topic: &str, post: &str) -> String {
    format!("notification|{}", hash(&[topic, post]))
}

/// What becomes of a notification at this time, by what is written down of its topic's pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It goes, and the next one not before this.
    Now(DateTime<Utc>),
    /// It waits until this.
    At(DateTime<Utc>),
}

impl Turn {
    /// Whether a notification may go, `after` the time at which one may.
    #[must_use]
    pub fn of(pace: Option<&Note>, after: TimeDelta, now: DateTime<Utc>) -> Self {
        match pace {
            // What lies further ahead was written by a clock that has been set since.
            Some(Note::Pace { next_at, .. })
                if now < *next_at + after && *next_at - now <= NOTIFICATIONS_EVERY =>
            {
                Self::At(now.max(*next_at))
            }
            _ => Self::Now(now + NOTIFICATIONS_EVERY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeat::Gone;

    #[test]
    fn one_mail_in_its_time() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2026-09-13T03:00:00Z");
        let pace = |next_at| Note::Pace { next_at: at(next_at), by: "p".to_owned() };
        let next = Turn::Now(at("2026-09-13T03:05:00Z"));
        for (pace, waiting, new) in [
            (None, next, next),
            (Some(pace("2026-09-13T02:58:00Z")), next, next),
            (Some(pace("2026-09-13T02:58:01Z")), next, Turn::At(now)),
            (Some(pace("2026-09-13T03:00:00Z")), next, Turn::At(now)),
            (
                Some(pace("2026-09-13T03:04:59Z")),
                Turn::At(at("2026-09-13T03:04:59Z")),
                Turn::At(at("2026-09-13T03:04:59Z")),
            ),
            (Some(pace("2026-09-13T04:04:00Z")), next, next),
        ] {
            assert_eq!(Turn::of(pace.as_ref(), TimeDelta::zero(), now), waiting);
            assert_eq!(Turn::of(pace.as_ref(), WAITING_FIRST, now), new);
            let Some(pace) = pace else { continue };
            assert_eq!(Note::from_json(&pace.to_json()).unwrap(), pace);
        }
    }

    #[test]
    fn what_was_told_and_what_was_heard_meanwhile_are_both_known() {
        let at = |minutes: i64| {
            "2026-09-13T03:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
        };
        let gone = |back_at| Some(Gone { since: at(0), back_at, is_half_told: false });
        let beat =
            |last_at, gone| Note::Heartbeat(Beat { name: "a".to_owned(), last_at, is_heard: true, gone });
        // It is missing, and beats while people are told so; it is back, and beats again.
        for (told, current, both) in [
            (beat(at(0), gone(None)), beat(at(16), None), beat(at(16), gone(Some(at(16))))),
            (beat(at(16), None), beat(at(17), gone(Some(at(16)))), beat(at(17), None)),
        ] {
            assert_eq!(told.told_beside(current).unwrap(), both);
        }
        let flight = |sent_at, arrived_at, missed| Note::Canary(Flight { sent_at, arrived_at, missed });
        let (told, current) = (flight(None, None, Some(at(0))), flight(None, Some(at(11)), None));
        assert_eq!(told.told_beside(current).unwrap(), flight(None, Some(at(11)), Some(at(0))));
        assert_eq!(told.told_beside(beat(at(0), None)), None);
    }
}
