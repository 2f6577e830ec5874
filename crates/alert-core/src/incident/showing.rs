//! The change that a message shows, as the message itself says it to who finds it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Change, Incident, short, stored};
use crate::alert::State;

/// A change of an alert, as the message that shows it carries it along at its target.
///
/// All fields are texts, because not every target carries more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Showing {
    /// The state.
    pub state: State,
    /// The source's own word for it.
    pub word: String,
    /// When the alert changed to it, in milliseconds.
    pub changed_at: DateTime<Utc>,
    /// The name of the delivery that tells it.
    pub told_by: String,
}

impl Showing {
    /// What a message shows that tells this change; `None` of what is no state or has no time, because nothing is older than that.
    #[must_use]
    pub fn of(change: &Change<'_>) -> Option<Self> {
        let changed_at = stored(change.at.filter(|_| change.is_state)?);
        let (word, told_by) = (short(change.word), change.delivery.to_owned());
        Some(Self { state: change.state, word, changed_at, told_by })
    }

    /// Whether a change is older; of two with one time the names of their deliveries decide, as they do in [`next()`](super::next()).
    #[must_use]
    pub fn is_newer_than(&self, change: &Change<'_>) -> bool {
        change.is_state && change.at.is_some_and(|at| self.order() > (stored(at), change.delivery))
    }

    /// The newer of two has the greater one.
    #[must_use]
    pub fn order(&self) -> (DateTime<Utc>, &str) {
        (self.changed_at, &self.told_by)
    }
}

impl Incident {
    /// What is known when a change was told as older than what a message shows of which nothing else is known: no more than
    /// before, but that it was told. Also whether it is news, and no copy of what was told so before.
    #[must_use]
    pub fn passed_by(known: Option<&Self>, change: &Change<'_>, now: DateTime<Utc>) -> (Self, bool) {
        let at = stored(change.time(now));
        let mut incident = known.cloned().unwrap_or_else(|| Self::new(change, at, stored(now)));
        incident.remember_delivery(change.delivery);
        let is_news = incident.note(at, change.state);
        (incident, is_news)
    }
}
