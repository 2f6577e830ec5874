//! What nobody acknowledges, minute by minute against a plain specification.

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const AFTER: i64 = 10;
const THEN: i64 = 15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Nothing,
    Fires,
    Ends,
    Reminds,
    Acknowledges,
    Undoes,
    Silences,
    Unsilences,
}

/// Since when somebody is waited for, and how often it was told louder.
#[derive(Debug, Default)]
struct Spec {
    is_open: bool,
    is_acknowledged: bool,
    silenced_until: Option<i64>,
    since: i64,
    told: u64,
}

impl Spec {
    fn due(&self, now: i64) -> bool {
        let wait = match self.told {
            0 => AFTER,
            1 => AFTER + THEN,
            _ => return false,
        };
        self.is_open && !self.is_acknowledged && self.silenced_until.is_none() && now >= self.since + wait
    }

    fn anew(&mut self, now: i64) {
        (self.since, self.told) = (now, 0);
    }
}

#[allow(clippy::too_many_lines, reason = "one minute after the other, each with all that may happen in it")]
fn simulate(ops: &[Op]) -> Result<(), TestCaseError> {
    let patience = Patience { after: TimeDelta::minutes(AFTER), then: Some(TimeDelta::minutes(THEN)) };
    // Nothing flaps here.
    let policy = Policy { flapping_after: RECENT_MAX - 1, ..Policy::default() };
    let receipt = Receipt { place: "C1".to_owned(), message: "1".to_owned() };
    let by = Person::new("U1", "kim");
    let mut known: Option<Incident> = None;
    let mut spec = Spec::default();
    for (now, op) in (0_i64..).zip(ops) {
        let name = format!("n{now:04}");
        let hear = |known: &Option<Incident>, change: Change<'_>| {
            let change = Change { patience: Some(patience).filter(|_| change.look.is_none()), ..change };
            let mut step = next(known.as_ref(), &change, minute(now), &policy);
            if step.told.is_of_incident() {
                step.incident.receipt = Some(receipt.clone());
            }
            (Some(Incident::from_json(&step.incident.to_json()).unwrap()), step.told)
        };
        let mut press = |button| {
            let press = Press { name: &name, button, by: &by, message: &receipt };
            let pressed = known.as_ref().map(|known| super::super::press(known, &press, minute(now)));
            match pressed {
                Some(Ok(incident)) => {
                    known = Some(incident);
                    true
                }
                _ => false,
            }
        };
        match op {
            Op::Fires if !spec.is_open => {
                known = hear(&known, change(&name, State::Firing, now)).0;
                (spec.is_open, spec.is_acknowledged) = (true, false);
                spec.anew(now);
            }
            Op::Ends if spec.is_open => {
                known = hear(&known, change(&name, State::Resolved, now)).0;
                spec.is_open = false;
            }
            Op::Reminds if spec.is_open => {
                let at = known.as_ref().unwrap().at;
                let reminder = Change { at: Some(at), ..change(&name, State::Firing, 0) };
                known = hear(&known, reminder).0;
            }
            Op::Nothing | Op::Fires | Op::Ends | Op::Reminds => {}
            Op::Acknowledges => spec.is_acknowledged |= press(Button::Acknowledge),
            Op::Undoes => {
                if press(Button::UndoAcknowledge) {
                    spec.is_acknowledged = false;
                    spec.anew(now);
                }
            }
            Op::Silences => {
                if press(Button::Silence(Some(TimeDelta::minutes(20)))) {
                    spec.silenced_until = Some(now + 20);
                }
            }
            Op::Unsilences => {
                if press(Button::UndoSilence) {
                    spec.silenced_until = None;
                    spec.anew(now);
                }
            }
        }
        // Whatever is heard when a silence has ended tells that.
        let is_told = known.as_ref().is_none_or(|known| known.silenced.is_none());
        if is_told && spec.silenced_until.is_some() {
            prop_assert!(spec.silenced_until.is_some_and(|until| until <= now));
            spec.silenced_until = None;
            spec.anew(now);
        }
        // The minute's look.
        if let Some(until) = spec.silenced_until.filter(|until| *until <= now) {
            prop_assert!(
                known.as_ref().unwrap().due_at(minute(now)).is_some_and(|at| at <= minute(now)),
                "silence of {until}"
            );
            let last = known.as_ref().unwrap();
            let look = Change {
                look: Some(Look::Silence),
                at: Some(last.at),
                began_at: last.began_at,
                ..change("look", last.state, 0)
            };
            let look_name = format!("s{now:04}");
            known = hear(&known, Change { delivery: &look_name, ..look }).0;
            spec.silenced_until = None;
            spec.anew(now);
            continue;
        }
        let is_due = known.as_ref().and_then(Incident::escalates_at).is_some_and(|at| at <= minute(now));
        prop_assert_eq!(is_due, spec.due(now), "in minute {} of {:?}: {:?}", now, ops, spec);
        // Whoever looks although it is not due does nothing.
        if let Some(last) = &known {
            let look_name = format!("e{now:04}");
            let look = Change {
                look: Some(Look::Escalation),
                at: Some(last.at),
                ..change(&look_name, last.state, 0)
            };
            let (after, told) = hear(&known, look);
            if is_due {
                spec.told += 1;
                let within = TimeDelta::minutes(now - spec.since);
                prop_assert_eq!(told, Told::Unacknowledged { nth: spec.told, within });
                known = after;
            } else {
                prop_assert_eq!(told, Told::Nothing(Repeat::Delivered));
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn it_is_told_louder_when_nobody_is_on_it_and_never_else(
        ops in prop::collection::vec(select(vec![
            Op::Nothing, Op::Nothing, Op::Nothing, Op::Nothing, Op::Nothing, Op::Nothing, Op::Nothing, Op::Nothing,
            Op::Fires, Op::Fires, Op::Ends, Op::Reminds, Op::Acknowledges, Op::Undoes, Op::Silences, Op::Unsilences,
        ]), 0..200)
    ) {
        simulate(&ops)?;
    }
}

#[test]
fn what_flaps_is_waited_for_since_it_first_did() {
    let patience = Some(Patience { after: TimeDelta::minutes(20), then: None });
    let policy = Policy::default();
    let mut known = None;
    let mut due = Vec::new();
    for number in 0..12 {
        let state = if number % 2 == 0 { State::Firing } else { State::Resolved };
        let name = format!("d{number:02}");
        let change = Change { patience, ..change(&name, state, number * 4) };
        let step = next(known.as_ref(), &change, minute(number * 4), &policy);
        due.push(step.incident.escalates_at().map(|at| (at - minute(0)).num_minutes()));
        known = Some(step.incident);
    }
    // The first four begin it anew; from then on it flaps.
    let expected =
        [Some(20), None, Some(28), None, Some(36), None, Some(36), None, Some(36), None, Some(36), None];
    assert_eq!(due, expected);
}

#[test]
fn who_takes_it_out_of_the_configuration_ends_it() {
    let patience = Some(Patience { after: TimeDelta::minutes(20), then: None });
    let first = Change { patience, ..change("a", State::Firing, 0) };
    let step = next(None, &first, minute(0), &Policy::default());
    assert!(step.incident.escalates_at().is_some());
    let reminder = Change { at: Some(minute(0)), ..change("b", State::Firing, 0) };
    let step = next(Some(&step.incident), &reminder, minute(10), &Policy::default());
    assert_eq!(step.incident.escalation, None);
}
