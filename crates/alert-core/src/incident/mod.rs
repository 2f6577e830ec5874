//! What is remembered of one alert for one receiver, and what a further change of it does to what people see.
//!
//! [`next()`] is the state machine: what is known and a change go in, what is known then and what people are told come out.
//! There is no clock in it, and knowing nothing is lawful. What it tells as acts is said by [`Step::acts`], one table.

mod escalation;
mod next;
mod people;
mod showing;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::alert::{Alert, Comparison, Condition, Severity, State};
use crate::key::AlertKey;
use crate::outcome::Receipt;
use crate::silence::Rule;
use crate::target::Act;
use crate::text::cut;
use crate::{blind, canary};

pub use escalation::{Escalation, Patience};
pub use next::next;
pub use people::{Acknowledged, Button, Person, Press, Refusal, Silenced, press};
pub use showing::Showing;

/// Changes that are remembered one by one; more in an hour than [`Policy::flapping_after`] must be among them.
pub const RECENT_MAX: usize = 20;
/// Deliveries that are remembered: three copies of each of the changes in [`RECENT_MAX`] are about as many.
pub const DELIVERIES_MAX: usize = 50;
/// The same change within this time is a copy of it. Each of several Grafanas waits `ha_peer_timeout` (15 s by default) longer
/// for the others than the one before it, and reminders are hours apart (`repeat_interval`, 4 h by default).
pub const COPIES_WITHIN: TimeDelta = TimeDelta::minutes(5);
/// A flapping alert is shown to those who do not follow its thread once in this time: often enough that nobody forgets it, seldom
/// enough that nobody mutes the channel.
pub const FLAPPING_SHOWN_EVERY: TimeDelta = TimeDelta::minutes(30);
/// Changes within this time are too many or not.
pub const FLAPPING_WITHIN: TimeDelta = TimeDelta::hours(1);
/// A time that lies more than this ahead of our clock is no time: what came after it would be older news for ever.
const AHEAD_MAX: TimeDelta = TimeDelta::hours(1);
/// The source's own word for a state.
const WORD_MAX_CHARS: usize = 60;

/// What people decided about messages that live; [`Policy::default`] where they said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// What fires again so soon after its end turns its message red again, in the place of a new one.
    pub reopen_within: TimeDelta,
    /// More changes than this within an hour are flapping; less than [`RECENT_MAX`].
    pub flapping_after: usize,
    /// How a reminder is told beside the message itself.
    pub reminder: Reminder,
    /// How an end is told beside the message itself.
    pub end: End,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            reopen_within: TimeDelta::minutes(10),
            flapping_after: 4,
            reminder: Reminder::default(),
            end: End::default(),
        }
    }
}

/// How a reminder of an alert that fires still is told beside its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reminder {
    /// By a reply that everybody sees: who sets a repeat interval wants to be reminded.
    #[default]
    Reply,
    /// Not at all.
    Edit,
}

/// How an end is told beside its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// By a reply in the thread.
    #[default]
    Reply,
    /// By a reply that everybody sees.
    Shown,
    /// Not at all.
    Edit,
}

/// All that is remembered of one alert for one receiver.
///
/// Times have milliseconds, so that what was stored is what was known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Of the stored form, [`VERSION`](Self::VERSION).
    version: u32,
    /// The newest state that was told; [`State::Informational`] where only news was.
    pub state: State,
    /// The source's own word for it.
    pub word: String,
    /// When the alert changed to it.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: DateTime<Utc>,
    /// The delivery that told it, the last one by name where several did: of changes of one time it decides which is newer.
    by: String,
    /// When it was last heard of, apart from copies and older news.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub heard_at: DateTime<Utc>,
    /// When what its message tells of began.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub opened_at: DateTime<Utc>,
    /// When the newest problem began; of an end, the one that it ended.
    #[serde(
        default,
        with = "chrono::serde::ts_milliseconds_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub began_at: Option<DateTime<Utc>>,
    /// When that was over; `None` while it is not.
    #[serde(
        default,
        with = "chrono::serde::ts_milliseconds_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub ended_at: Option<DateTime<Utc>>,
    /// How bad it was at most since it began, where somebody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// How many children fired at most since it began.
    #[serde(default)]
    pub children: usize,
    /// The first value of which its message told.
    #[serde(default, with = "exact", skip_serializing_if = "Option::is_none")]
    pub first_value: Option<f64>,
    /// The worst one.
    #[serde(default, with = "exact", skip_serializing_if = "Option::is_none")]
    pub worst_value: Option<f64>,
    /// How often it began to fire since its message was opened.
    #[serde(default)]
    pub fired: u64,
    /// How many changes there were since then, older news among them.
    #[serde(default)]
    pub changes: u64,
    /// The newest changes, oldest first; those before the message was opened, too.
    #[serde(default)]
    recent: Vec<Moment>,
    /// Since when it changes too often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flapping: Option<Flapping>,
    /// The message that shows it, where its target told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// The target that the message stands at, in the caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether that message tells of other alerts as well.
    #[serde(default)]
    pub is_digest: bool,
    /// Who is on it, or was when it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// Why nothing of it rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silenced: Option<Silenced>,
    /// That somebody is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalation: Option<Escalation>,
    /// The newest deliveries that were told.
    #[serde(default)]
    deliveries: Vec<String>,
}

/// A state, and when an alert changed to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Moment(#[serde(with = "chrono::serde::ts_milliseconds")] DateTime<Utc>, State);

/// An alert that changes too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flapping {
    /// The first of the changes.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub since: DateTime<Utc>,
    /// How many there were since then.
    pub changes: u64,
    /// When those who do not follow the thread were last told.
    #[serde(default, with = "chrono::serde::ts_milliseconds_option")]
    pub shown_at: Option<DateTime<Utc>>,
}

/// A stored incident that cannot be read.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// It is no JSON of an incident.
    #[error("expected an incident as JSON: {0}")]
    Form(#[from] serde_json::Error),
    /// A later program wrote it.
    #[error("expected an incident of version {known} or earlier, found version {0}", known = Incident::VERSION)]
    Version(u32),
}

impl Incident {
    /// The stored form that is written. A field more needs no other version, as unknown ones are ignored; another meaning does.
    pub const VERSION: u32 = 1;

    /// Reads the stored form.
    pub fn from_json(text: &str) -> Result<Self, Unreadable> {
        let incident: Self = serde_json::from_str(text)?;
        if incident.version > Self::VERSION {
            return Err(Unreadable::Version(incident.version));
        }
        Ok(incident)
    }

    /// The form to be stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts, numbers and lists of them are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether a delivery of this name was told.
    #[must_use]
    pub fn is_told(&self, delivery: &str) -> bool {
        self.deliveries.iter().any(|told| told == delivery)
    }

    /// Whether the problem is not over.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Firing | State::NoData)
    }
}

/// What one delivery says of an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change<'a> {
    /// Names the delivery, the same when it comes again.
    pub delivery: &'a str,
    /// Whether it is a state of one alert, and not news of which each is one of its own.
    pub is_state: bool,
    /// The state.
    pub state: State,
    /// The source's own word for it.
    pub word: &'a str,
    /// When the alert changed to it.
    pub at: Option<DateTime<Utc>>,
    /// When the problem began.
    pub began_at: Option<DateTime<Utc>>,
    /// How bad it is.
    pub severity: Option<Severity>,
    /// The value that fires.
    pub value: Option<f64>,
    /// How it is compared, which says what is worse.
    pub comparison: Option<Comparison>,
    /// How many children fire.
    pub children: usize,
    /// The rule that silences it now.
    pub rule: Option<&'a Rule>,
    /// An earlier try of it may have rung, before it was silenced.
    pub was_tried: bool,
    /// It brings nothing new: somebody has looked at the time.
    pub look: Option<Look>,
    /// How long to wait for somebody to be on it.
    pub patience: Option<Patience>,
    /// Said once more it is no reminder: its message shows how it is now.
    pub is_check: bool,
}

/// Why something is told although nothing was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A silence is over.
    Silence,
    /// Nobody is on it.
    Escalation,
}

impl<'a> Change<'a> {
    /// What a delivery of this name says of an alert.
    #[must_use]
    pub fn of(alert: &'a Alert, key: &AlertKey, delivery: &'a str) -> Self {
        let measure = match &alert.condition {
            Some(Condition::Measured(measure)) => Some(measure),
            _ => None,
        };
        // Other states' values are those of what is well.
        let measure = measure.filter(|_| alert.state == State::Firing);
        let is_firing =
            |state: &Option<String>| state.as_deref().is_none_or(|state| state.eq_ignore_ascii_case("ALARM"));
        Self {
            delivery,
            is_state: alert.state != State::Informational && !matches!(key, AlertKey::News(_)),
            state: alert.state,
            word: &alert.state_value,
            at: alert.changed_at,
            began_at: alert.starts_at,
            severity: Severity::of(alert.labels.get("severity")),
            value: measure.and_then(|measure| measure.value),
            comparison: measure.and_then(|measure| measure.comparison),
            children: alert.evidence.children.iter().filter(|child| is_firing(&child.state)).count(),
            rule: None,
            was_tried: false,
            look: None,
            patience: None,
            is_check: canary::is_its_message(key) || blind::is_its_message(key),
        }
    }
}

/// What a change does.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// What is known from now on. Until its message is out, it has the receipt of the one before, or none.
    pub incident: Incident,
    /// What people are told.
    pub told: Told,
    /// Somebody has silenced it: it is counted and shown, and rings nowhere.
    pub is_silent: bool,
}

/// What people are told of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing, as they know it.
    Nothing(Repeat),
    /// Something that happened and is no state.
    News,
    /// A problem of which nothing is known, or of which only that it is over.
    New,
    /// It fires again, or now where it did not before.
    Again {
        /// How often it fires.
        nth: u64,
        /// Since it first did.
        within: TimeDelta,
    },
    /// It is the same problem, and worse.
    Worse,
    /// The watcher sees nothing any more.
    Blind {
        /// It was well, or nobody knows how it was; else it fired, and somebody is on it.
        is_shown: bool,
    },
    /// It changes too often to be told each time.
    Flapping {
        /// How often it did.
        changes: u64,
        /// Whether it is time to show it to all.
        is_shown: bool,
    },
    /// Nothing has changed.
    Reminder,
    /// It is over.
    Over {
        /// For how long it lasted.
        lasted: Option<TimeDelta>,
    },
    /// A change that is older than what is shown, and that people do not know.
    Late,
    /// It is as it was, and its message shows the newest of it.
    Checked,
    /// Nothing has changed, and nobody is on it.
    Unacknowledged {
        /// How often that is said; the last time by another way as well.
        nth: u64,
        /// For how long.
        within: TimeDelta,
    },
    /// Nothing has changed, but it may ring again.
    SilenceOver {
        /// How many changes rang nowhere.
        changes: u64,
    },
}

/// Why a change is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// The same delivery came again.
    Delivered,
    /// Another delivery told the same.
    Copy,
}

impl Incident {
    /// Whether what people see of it, in the message that `receipt` finds, is this change and nothing newer or worse.
    #[must_use]
    pub fn still_shows(&self, change: &Change<'_>, receipt: &Receipt) -> bool {
        self.receipt.as_ref() == Some(receipt)
            && self.state == change.state
            && change.at.is_none_or(|at| stored(at) == self.at)
            && self.children <= change.children
            && self.severity <= change.severity
    }
}

impl Told {
    /// Whether a message of its own that tells it is from then on the one that shows the incident.
    #[must_use]
    pub fn is_of_incident(self) -> bool {
        !matches!(self, Self::Nothing(_) | Self::News | Self::Late)
    }

    /// Whether those are called who are to be mentioned when something fires: a mention in a thread calls them as well.
    #[must_use]
    pub fn calls(self) -> bool {
        !matches!(
            self,
            Self::Nothing(_)
                | Self::Late
                | Self::Checked
                | Self::Blind { is_shown: false }
                | Self::Flapping { is_shown: false, .. }
        )
    }
}

impl Step {
    /// What is to be done so that people are told, in order: what rings comes before what does not.
    ///
    /// Where there is no message to be changed or answered, what is told is a message of its own; the message of a digest is
    /// answered and never changed, as it is that of other alerts, too.
    #[must_use]
    pub fn acts(&self, policy: &Policy) -> Vec<Act> {
        const SHOWN: Option<bool> = Some(true);
        const IN_THREAD: Option<bool> = Some(false);
        if self.is_silent {
            return self.silent_act().into_iter().collect();
        }
        // Whether there is a reply, and whether all see it; whether the message is changed.
        let (reply, changes) = match self.told {
            Told::Nothing(_) => return Vec::new(),
            Told::New | Told::News => return vec![Act::Say],
            Told::Again { .. } | Told::Worse | Told::Unacknowledged { .. } => (SHOWN, true),
            Told::Blind { is_shown } | Told::Flapping { is_shown, .. } => (Some(is_shown), true),
            Told::Reminder => match policy.reminder {
                Reminder::Reply => (SHOWN, true),
                Reminder::Edit => (None, true),
            },
            Told::Over { .. } => match policy.end {
                End::Reply => (IN_THREAD, true),
                End::Shown => (SHOWN, true),
                End::Edit => (None, true),
            },
            Told::Checked => (None, true),
            Told::Late => (IN_THREAD, false),
            Told::SilenceOver { .. } if self.incident.is_open() => (SHOWN, true),
            // It is over: only what its message says of the silence is to be fixed.
            Told::SilenceOver { .. } => return self.silent_act().into_iter().collect(),
        };
        let Incident { receipt, is_digest, .. } = &self.incident;
        let Some(receipt) = receipt else { return vec![Act::Say] };
        let reply = reply.or(is_digest.then_some(false));
        let reply = reply.map(|is_shown| Act::Reply { to: receipt.clone(), is_shown });
        let edit = (changes && !is_digest).then(|| Act::Edit(receipt.clone()));
        reply.into_iter().chain(edit).collect()
    }

    /// Whether those who do not follow its thread hear how it is now.
    fn rings(&self, policy: &Policy) -> bool {
        let is_heard = |act: &Act| matches!(act, Act::Say | Act::Reply { is_shown: true, .. });
        self.told.is_of_incident() && self.acts(policy).iter().any(is_heard)
    }

    /// What rings nobody: the change of the message that is there. Even a reply in its thread would call those who follow it.
    fn silent_act(&self) -> Option<Act> {
        let Incident { receipt, is_digest, .. } = &self.incident;
        let shows = !matches!(self.told, Told::Nothing(_) | Told::News | Told::Late) && !is_digest;
        receipt.clone().filter(|_| shows).map(Act::Edit)
    }

    /// Whether it rings nowhere, and has to be known when the silence ends.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        self.is_silent && !matches!(self.told, Told::Nothing(_))
    }
}

/// A value is stored as a text: JSON's numbers may come back with another last bit.
mod exact {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[allow(clippy::ref_option, reason = "serde asks for a reference to the field")]
    pub(super) fn serialize<S: Serializer>(value: &Option<f64>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|value| format!("{value:e}")).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

/// A moment as it is stored.
fn stored(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(3)
}

/// A foreign word, short enough to be stored.
fn short(word: &str) -> String {
    cut(word, WORD_MAX_CHARS).into_owned()
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
