//! What people do to an alert by the buttons of its message: that somebody is on it, and that it is to ring nowhere.
//!
//! What a button means is said by the incident and by the message that it was pressed in, and by nothing that came with it.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Incident, short, stored};
use crate::alert::State;
use crate::outcome::Receipt;
use crate::silence::Rule;
use crate::text::cut;

/// So late at most rings what a rule held that somebody has ended.
const RULE_LOOKED_AT_EVERY: TimeDelta = TimeDelta::minutes(10);
/// A rule's comment in a message.
const COMMENT_MAX_CHARS: usize = 120;

/// A person at a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The target's own id of them; empty where only a name is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What people call them.
    pub name: String,
}

impl Person {
    /// A person of this id and name, which are cut where they are too long to be stored.
    #[must_use]
    pub fn new(id: &str, name: &str) -> Self {
        Self { id: short(id), name: short(name) }
    }
}

/// That somebody is on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: Person,
    /// Since when.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: DateTime<Utc>,
}

/// That nothing of it rings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silenced {
    /// Who said so.
    pub by: Person,
    /// Since when, of this alert: no two silences of one alert have the same.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub at: DateTime<Utc>,
    /// Until when; `None` until it is over.
    #[serde(
        default,
        with = "chrono::serde::ts_milliseconds_option",
        skip_serializing_if = "Option::is_none"
    )]
    pub until: Option<DateTime<Utc>>,
    /// The id of the rule that says so; `None` where it was said of this alert alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// How many changes rang nowhere.
    #[serde(default)]
    pub changes: u64,
}

impl Silenced {
    /// Whether it is not over at this time.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }

    /// As a rule says, after so many changes; of this alert since then.
    pub(super) fn by_rule(rule: &Rule, since: DateTime<Utc>, changes: u64) -> Self {
        let comment = Some(cut(rule.comment.trim(), COMMENT_MAX_CHARS).into_owned());
        Self {
            by: Person::new("", &rule.by),
            at: since,
            until: Some(stored(rule.ends_at)),
            rule: Some(rule.id.clone()),
            comment: comment.filter(|comment| !comment.is_empty()),
            changes,
        }
    }
}

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Button {
    /// They are on it.
    Acknowledge,
    /// Nobody is on it any more.
    UndoAcknowledge,
    /// Nothing of it is to ring for so long, or until it is over.
    Silence(Option<TimeDelta>),
    /// It may ring again.
    UndoSilence,
}

/// A button that was pressed.
#[derive(Debug, Clone, Copy)]
pub struct Press<'p> {
    /// Names the press, the same when it comes again.
    pub name: &'p str,
    /// What it asks for.
    pub button: Button,
    /// Who pressed it.
    pub by: &'p Person,
    /// The message that it stands in.
    pub message: &'p Receipt,
}

/// Why a press changes nothing, for the person to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The same press came before.
    Again,
    /// Another message shows the alert now, or none does.
    NotItsMessage,
    /// The alert is over.
    Over(DateTime<Utc>),
    /// Somebody is on it already.
    Acknowledged(Acknowledged),
    /// Somebody has silenced it already.
    Silenced(Box<Silenced>),
    /// There is nothing to undo: somebody else was faster, or it has ended by itself.
    Undone,
    /// A rule silences it, which its id ends.
    ByRule(String),
}

/// What a press does to what is known.
pub fn press(known: &Incident, press: &Press<'_>, now: DateTime<Utc>) -> Result<Incident, Refusal> {
    let Press { name, button, by, message } = *press;
    if known.is_told(name) {
        return Err(Refusal::Again);
    }
    if known.receipt.as_ref() != Some(message) || known.is_digest {
        return Err(Refusal::NotItsMessage);
    }
    // An undone silence may outlive its alert: its message has the button still.
    if button != Button::UndoSilence && !known.is_open() {
        return Err(Refusal::Over(known.ended_at.unwrap_or(known.at)));
    }
    let now = stored(now);
    let holding = known.silenced.as_ref().filter(|silenced| silenced.holds(now));
    let mut incident = known.clone();
    match button {
        Button::Acknowledge => {
            if let Some(acknowledged) = &known.acknowledged {
                return Err(Refusal::Acknowledged(acknowledged.clone()));
            }
            incident.acknowledged = Some(Acknowledged { by: by.clone(), at: now });
        }
        Button::UndoAcknowledge => {
            incident.acknowledged.take().ok_or(Refusal::Undone)?;
            incident.wait_anew(now);
        }
        Button::Silence(span) => {
            if let Some(silenced) = holding {
                return Err(Refusal::Silenced(Box::new(silenced.clone())));
            }
            // What is too far ahead to be a time is as long as anybody remembers.
            let until = span.and_then(|span| now.checked_add_signed(span));
            // Of what has just ended nobody has heard yet.
            let changes = known.silenced.as_ref().map_or(0, |silenced| silenced.changes);
            incident.silenced =
                Some(Silenced { by: by.clone(), at: now, until, rule: None, comment: None, changes });
        }
        Button::UndoSilence => match holding {
            None => return Err(Refusal::Undone),
            Some(Silenced { rule: Some(rule), .. }) => return Err(Refusal::ByRule(rule.clone())),
            Some(_) => {
                incident.silenced = None;
                incident.wait_anew(now);
            }
        },
    }
    incident.remember_delivery(name);
    Ok(incident)
}

impl Incident {
    /// When something is to be done about it though nothing is heard of it: its silence ends, or its rule may have been ended
    /// by somebody whom the list of rules was read too early to hear of, or nobody is on it.
    #[must_use]
    pub fn due_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // What is no emergency does not ring later, either.
        if self.state == State::Informational {
            return None;
        }
        let Some(silenced) = &self.silenced else { return self.escalates_at() };
        let until = silenced.until?;
        Some(if silenced.rule.is_some() { until.min(stored(now) + RULE_LOOKED_AT_EVERY) } else { until })
    }
}
