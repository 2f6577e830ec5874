//! What people have done to an alert, and what they may do: a line for each, and the buttons.

use std::borrow::Cow;

use super::words::fill;
use super::{Line, Span, Words};
use crate::incident::{Acknowledged, Incident, Person, Refusal, Silenced};

/// A button by which a person acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// They are on it.
    Acknowledge,
    /// Nobody is on it any more.
    UndoAcknowledge,
    /// Nothing of it is to ring, for a time of choice.
    Silence,
    /// It may ring again.
    UndoSilence,
}

/// What is said in a thread when somebody has acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark<'r> {
    /// Somebody is on it.
    Acknowledged(&'r Person),
    /// Somebody is not on it any more.
    NotAcknowledged(&'r Person),
    /// Somebody has silenced it.
    Silenced(&'r Silenced),
    /// Somebody has ended the silence, during which so many changes rang nowhere.
    NotSilenced(&'r Person, u64),
}

impl Span<'_> {
    /// A person, by a mention where the target has one.
    fn person(Person { id, name }: &Person) -> Self {
        Self::Person { id: id.clone().into(), name: name.clone().into() }
    }

    /// A person by name alone: a mention in a new message would call them.
    fn name(person: &Person) -> Self {
        Self::Strong(Cow::Owned(person.name.clone()))
    }
}

/// A pattern with pieces in its numbered places.
fn placed(pattern: &'static str, parts: &[Span<'static>]) -> Line<'static> {
    let mut line = Line::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((number, after)) = after.split_once('}') else { break };
        if !before.is_empty() {
            line.push(Span::text(before));
        }
        line.extend(number.parse().ok().and_then(|at: usize| parts.get(at)).cloned());
        rest = after;
    }
    if !rest.is_empty() {
        line.push(Span::text(rest));
    }
    line
}

/// One line for each thing that people have done and that still counts.
#[must_use]
pub fn lines(incident: &Incident, words: &'static Words) -> Vec<Line<'static>> {
    let on_it = incident.acknowledged.as_ref().map(|Acknowledged { by, at }| {
        let pattern = if incident.is_open() { words.is_on_it } else { words.was_on_it };
        placed(pattern, &[Span::person(by), Span::Moment(*at)])
    });
    let silenced = incident.silenced.as_ref().map(|silenced| {
        let mut line = silenced_line(silenced, Span::person(&silenced.by), words);
        if let Some(comment) = &silenced.comment {
            line.push(Span::text(format!(" ({comment})")));
        }
        if silenced.changes > 0 {
            line.push(Span::text(format!(" · {}", changes(silenced.changes, words))));
        }
        line
    });
    on_it.into_iter().chain(silenced).collect()
}

fn silenced_line(silenced: &Silenced, by: Span<'static>, words: &'static Words) -> Line<'static> {
    match silenced.until {
        Some(until) => placed(words.silenced_until, &[by, Span::Moment(until)]),
        None => placed(words.silenced_until_over, &[by]),
    }
}

fn changes(count: u64, words: &Words) -> String {
    fill(words.changes_meanwhile[usize::from(count != 1)], &[&count.to_string()])
}

/// The buttons that make sense now; none where it is over and nothing is left to be undone.
#[must_use]
pub fn controls(incident: &Incident) -> Vec<Control> {
    let on_it = incident.is_open().then_some(match incident.acknowledged {
        Some(_) => Control::UndoAcknowledge,
        None => Control::Acknowledge,
    });
    let silence = match &incident.silenced {
        None => incident.is_open().then_some(Control::Silence),
        // A rule is ended by its id.
        Some(silenced) => silenced.rule.is_none().then_some(Control::UndoSilence),
    };
    on_it.into_iter().chain(silence).collect()
}

/// What is said in the thread.
#[must_use]
pub fn remark(remark: Remark<'_>, words: &'static Words) -> Line<'static> {
    match remark {
        Remark::Acknowledged(by) => placed(words.takes_it, &[Span::name(by)]),
        Remark::NotAcknowledged(by) => placed(words.leaves_it, &[Span::name(by)]),
        Remark::Silenced(silenced) => silenced_line(silenced, Span::name(&silenced.by), words),
        Remark::NotSilenced(by, count) => {
            let mut line = placed(words.ends_silence, &[Span::name(by)]);
            if count > 0 {
                line.push(Span::text(format!(" · {}", changes(count, words))));
            }
            line
        }
    }
}

/// That the silence of what still fires is over.
pub(super) fn silence_over(count: u64, words: &Words) -> String {
    let meanwhile = (count > 0).then(|| changes(count, words));
    [Some(words.silence_over.to_owned()), meanwhile].into_iter().flatten().collect::<Vec<_>>().join(" · ")
}

/// Why a press changed nothing.
#[must_use]
pub fn refusal(refusal: &Refusal, words: &'static Words) -> Line<'static> {
    let text = |text: &'static str| vec![Span::text(text)];
    match refusal {
        Refusal::Again => text(words.pressed_before),
        Refusal::NotItsMessage => text(words.newer_message),
        Refusal::Over(at) => placed(words.over_since, &[Span::Moment(*at)]),
        Refusal::Acknowledged(Acknowledged { by, at }) => {
            placed(words.already_on_it, &[Span::person(by), Span::Moment(*at)])
        }
        Refusal::Silenced(silenced) => {
            let mut line = text(words.nothing_changed);
            line.extend(silenced_line(silenced, Span::person(&silenced.by), words));
            line
        }
        Refusal::Undone => text(words.undone_already),
        Refusal::ByRule(id) => placed(words.silenced_by_rule, &[Span::Code(id.clone().into())]),
    }
}
