//! One line on what a change is to those who know the alert: how often, how long, how bad.

use super::body::timed;
use super::words::fill;
use super::{Context, Line, Span};
use crate::alert::{Alert, State};
use crate::incident::Told;
use crate::number;

/// `Over after 28 min, worst 97 %`; `None` where the alert itself says all.
pub(super) fn story<'a>(alert: &Alert, context: &Context<'a>) -> Option<Line<'a>> {
    let step = context.story?;
    let (incident, words) = (&step.incident, context.words());
    let lasting = |until| incident.began_at.map(|began| words.span(until - began));
    let worst = incident
        .worst_value
        .map(|worst| fill(words.worst, &[&number::measured(worst, None, &alert.evidence.unit)]));
    let (says, worst) = match step.told {
        Told::Nothing(_) | Told::News | Told::New | Told::Late | Told::Checked => return None,
        Told::SilenceOver { changes } if incident.is_open() => {
            (Some(super::people::silence_over(changes, words)), worst)
        }
        Told::Unacknowledged { nth, within } => {
            let pattern = if nth > 1 { words.unacknowledged_told } else { words.unacknowledged };
            (Some(fill(pattern, &[&words.span(within)])), worst)
        }
        Told::Again { nth: ..=1, .. } => (Some(words.fires_now.to_owned()), None),
        Told::Again { nth, within } => {
            (Some(fill(words.fires_again, &[&words.ordinal(nth), &words.span(within)])), None)
        }
        Told::Worse => (Some(words.worse.to_owned()), worst),
        Told::Blind { is_shown: true } | Told::Flapping { .. } => (None, None),
        Told::Blind { is_shown: false } => {
            (lasting(incident.at).map(|lasted| fill(words.blind_after, &[&lasted])), worst)
        }
        Told::Reminder => {
            let pattern = if alert.state == State::NoData { words.still_no_data } else { words.still_firing };
            (lasting(context.now).map(|lasted| fill(pattern, &[&lasted])), worst)
        }
        Told::Over { .. } if alert.is_end_unknown => (Some(words.gone.to_owned()), worst),
        Told::Over { .. } | Told::SilenceOver { .. } => {
            let lasted = match step.told {
                Told::Over { lasted } => lasted,
                _ => incident.began_at.zip(incident.ended_at).map(|(began, ended)| ended - began),
            };
            let over = lasted.map(|lasted| fill(words.over_after, &[&words.span(lasted)]));
            (Some(over.unwrap_or_else(|| words.is_over.to_owned())), worst)
        }
    };
    let fired = match step.told {
        Told::Over { .. } | Told::SilenceOver { .. } if !incident.is_open() && incident.fired > 1 => {
            Some(fill(words.fired_times, &[&incident.fired.to_string()]))
        }
        _ => None,
    };
    let says: Vec<String> = [says, worst, fired].into_iter().flatten().collect();
    let mut line = Line::new();
    if !says.is_empty() {
        line.push(Span::text(says.join(", ")));
    }
    if let Some(flapping) = incident.flapping {
        if !line.is_empty() {
            line.push(Span::text(" · "));
        }
        timed(words.flapping, flapping.since, &flapping.changes.to_string(), &mut line);
    }
    (!line.is_empty()).then_some(line)
}
