//! Telling louder what nobody is on.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Incident, Repeat, Told, stored};
use crate::alert::State;

/// How long to wait for somebody to be on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Then those who see the channel are told.
    pub after: TimeDelta,
    /// So much later it is told by another way as well; never where there is none.
    pub then: Option<TimeDelta>,
}

/// That somebody is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Since when.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub since: DateTime<Utc>,
    /// [`Patience::after`].
    after_seconds: i64,
    /// [`Patience::then`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    then_seconds: Option<i64>,
    /// How often it was told louder.
    pub told: u64,
}

impl Escalation {
    fn new(Patience { after, then }: Patience, now: DateTime<Utc>) -> Self {
        Self {
            since: now,
            after_seconds: after.num_seconds(),
            then_seconds: then.map(|then| then.num_seconds()),
            told: 0,
        }
    }

    /// When it is told louder next.
    #[must_use]
    pub fn next_at(&self) -> Option<DateTime<Utc>> {
        let wait = match self.told {
            0 => self.after_seconds,
            1 => self.after_seconds.saturating_add(self.then_seconds?),
            _ => return None,
        };
        self.since.checked_add_signed(TimeDelta::try_seconds(wait)?)
    }

    /// Whether it is told by another way as well when it is told next.
    #[must_use]
    pub fn is_last(&self) -> bool {
        self.told > 0
    }
}

impl Incident {
    /// When it is told louder, if nobody does anything by then.
    #[must_use]
    pub fn escalates_at(&self) -> Option<DateTime<Utc>> {
        let is_awaited = self.is_open() && self.acknowledged.is_none() && self.silenced.is_none();
        self.escalation.as_ref().filter(|_| is_awaited)?.next_at()
    }

    /// Tells louder what nobody is on.
    pub(super) fn escalate(&mut self, now: DateTime<Utc>) -> Told {
        let is_due = self.escalates_at().is_some_and(|at| at <= now);
        let Some(escalation) = self.escalation.as_mut().filter(|_| is_due) else {
            return Told::Nothing(Repeat::Delivered);
        };
        escalation.told += 1;
        let (nth, within) = (escalation.told, now.signed_duration_since(escalation.since));
        // What comes on its heels tells nothing new.
        self.heard_at = now;
        Told::Unacknowledged { nth, within }
    }

    /// Begins to wait for somebody, where a change says how long. What flaps is waited for since it first fired.
    pub(super) fn wait_for_somebody(&mut self, patience: Option<Patience>, told: Told, now: DateTime<Utc>) {
        match patience {
            None => self.escalation = None,
            Some(patience) if self.escalation.is_none() && self.state == State::Firing => {
                if !matches!(told, Told::Nothing(_) | Told::News | Told::Late) {
                    self.escalation = Some(Escalation::new(patience, stored(now)));
                }
            }
            Some(_) => {}
        }
    }

    /// Waits for somebody from now on, as it is told anew.
    pub(super) fn wait_anew(&mut self, now: DateTime<Utc>) {
        if let Some(escalation) = &mut self.escalation {
            (escalation.since, escalation.told) = (now, 0);
        }
    }
}
