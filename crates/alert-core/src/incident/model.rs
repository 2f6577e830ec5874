//! Random histories against a plain specification: what came in any order, twice, late or not at all, under clocks that jump.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// Deliveries of a few alarms, in the order of their arrival.
#[derive(Debug, Clone)]
struct History {
    events: Vec<Event>,
    policy: Policy,
    /// Alarms whose first message is a digest's.
    in_digest: BTreeSet<u8>,
    has_receipts: bool,
}

/// One delivery.
#[derive(Debug, Clone)]
struct Event {
    alarm: u8,
    name: String,
    state: State,
    /// In seconds, as the next.
    at: i64,
    severity: Option<Severity>,
    /// What the clock says when it arrives.
    now: i64,
}

fn moment(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_789_268_400 + seconds, 0).unwrap()
}

impl Event {
    fn change(&self) -> Change<'_> {
        Change {
            delivery: &self.name,
            is_state: true,
            state: self.state,
            word: self.state.as_label(),
            at: Some(moment(self.at)),
            began_at: None,
            severity: self.severity,
            value: Some(0.5),
            comparison: Some(Comparison::Above),
            children: 0,
            rule: None,
        }
    }
}

/// What an alarm does, and how it is told: of each change the pause before it, its state and severity, the names and delays
/// of its deliveries (none: it is lost).
fn alarm(alarm: u8) -> impl Strategy<Value = Vec<Event>> {
    let states = select(vec![State::Firing, State::Firing, State::Resolved, State::Resolved, State::NoData]);
    let pause = select(vec![0, 1, 60, 300, 600, 601, 1_800, 7_200]);
    let severity = select(vec![None, Some(Severity::Warning), Some(Severity::Critical)]);
    let delay = select(vec![0, 0, 0, 1, 90, 299, 300, 1_000, 10_000]);
    let deliveries = prop::collection::vec(("[a-c]", delay), 0..4);
    prop::collection::vec((pause, states, severity, deliveries), 0..14).prop_map(move |changes| {
        let mut at = 0;
        let mut events = Vec::new();
        for (number, (pause, state, severity, deliveries)) in changes.into_iter().enumerate() {
            at += pause;
            // One name may come twice, and the names say nothing of the order.
            events.extend(deliveries.into_iter().map(|(letter, delay)| Event {
                alarm,
                name: format!("{letter}{number}"),
                state,
                at,
                severity,
                now: at + delay,
            }));
        }
        events
    })
}

fn histories() -> impl Strategy<Value = History> {
    let alarms = (alarm(0), alarm(1), alarm(2));
    let minutes = select(vec![1, 10, 60]);
    let reminder = select(vec![Reminder::Reply, Reminder::Edit]);
    let end = select(vec![End::Reply, End::Shown, End::Edit]);
    let policy = (minutes, 1..8_usize, reminder, end).prop_map(|(minutes, flapping_after, reminder, end)| {
        Policy { reopen_within: TimeDelta::minutes(minutes), flapping_after, reminder, end }
    });
    let in_digest = prop::collection::btree_set(0..3_u8, 0..3);
    let steps = prop::collection::vec((any::<prop::sample::Index>(), -5_000..5_000_i64), 0..3);
    (alarms, policy, in_digest, any::<bool>(), steps).prop_map(
        |((a, b, c), policy, in_digest, has_receipts, steps)| {
            let mut events: Vec<Event> = [a, b, c].into_iter().flatten().collect();
            events.sort_by_key(|event| event.now);
            for (place, seconds) in steps {
                if !events.is_empty() {
                    let place = place.index(events.len());
                    // No clock is so wrong that a time would be none.
                    events[place..]
                        .iter_mut()
                        .for_each(|event| event.now = (event.now + seconds).max(event.at));
                }
            }
            History { events, policy, in_digest, has_receipts }
        },
    )
}

/// A message at the target.
#[derive(Debug, Default)]
struct Message {
    /// The state that each of its alarms is shown in.
    shows: BTreeMap<u8, State>,
    /// What was said in its thread.
    thread: Vec<(u8, DateTime<Utc>, State)>,
}

/// What people saw of a history.
#[derive(Debug, Default)]
struct Seen {
    known: BTreeMap<u8, Incident>,
    messages: Vec<Message>,
    told: BTreeMap<u8, Vec<Told>>,
}

impl Seen {
    /// Hears one event as the caller would, and does what it asks for.
    fn hear(&mut self, event: &Event, history: &History) -> (Told, Vec<Act>) {
        let Event { alarm, state, .. } = *event;
        let (at, now) = (moment(event.at), moment(event.now));
        let step = next(self.known.get(&alarm), &event.change(), now, &history.policy);
        let acts = step.acts(&history.policy);
        let Step { mut incident, told, .. } = step;
        for act in &acts {
            match act {
                Act::Say => {
                    let digest = Some(0).filter(|_| {
                        told == Told::New
                            && history.in_digest.contains(&alarm)
                            && !self.known.contains_key(&alarm)
                    });
                    let place = digest.filter(|_| !self.messages.is_empty()).unwrap_or(self.messages.len());
                    if place == self.messages.len() {
                        self.messages.push(Message::default());
                    }
                    self.messages[place].shows.insert(alarm, state);
                    if history.has_receipts && told.is_of_incident() {
                        let message = place.to_string();
                        incident.receipt = Some(Receipt { place: "C1".to_owned(), message });
                        incident.is_digest = digest.is_some();
                    }
                }
                Act::Reply { to, .. } => {
                    let place: usize = to.message.parse().unwrap();
                    self.messages[place].thread.push((alarm, at, state));
                }
                Act::Edit(receipt) | Act::Supersede(receipt) => {
                    let place: usize = receipt.message.parse().unwrap();
                    assert!(!incident.is_digest);
                    self.messages[place].shows.insert(alarm, state);
                }
            }
        }
        let stored = Incident::from_json(&incident.to_json()).unwrap();
        assert_eq!(stored, incident);
        self.known.insert(alarm, stored);
        self.told.entry(alarm).or_default().push(told);
        (told, acts)
    }
}

/// The newest of all events of an alarm: the last by time, of one time that of the last name.
fn newest(events: &[Event], alarm: u8) -> Option<&Event> {
    events.iter().filter(|event| event.alarm == alarm).max_by_key(|event| (event.at, &event.name))
}

fn rings(acts: &[Act]) -> bool {
    acts.iter().any(|act| matches!(act, Act::Say | Act::Reply { is_shown: true, .. }))
}

proptest! {
    #[test]
    fn nobody_misses_a_firing_and_nothing_is_uncounted(history in histories()) {
        let mut seen = Seen::default();
        let mut delivered = BTreeSet::new();
        // By alarm: the newest change so far, and the changes since the message of its own.
        let mut newest_yet: BTreeMap<u8, &Event> = BTreeMap::new();
        let mut counted: BTreeMap<u8, BTreeSet<(i64, State)>> = BTreeMap::new();
        let mut all: BTreeMap<u8, BTreeSet<(i64, State)>> = BTreeMap::new();
        for event in &history.events {
            let is_again = !delivered.insert((event.alarm, &event.name));
            let before = seen.known.get(&event.alarm).cloned();
            let (told, acts) = seen.hear(event, &history);
            let known = &seen.known[&event.alarm];

            // Delivered twice is told once, and changes nothing.
            prop_assert_eq!(is_again, told == Told::Nothing(Repeat::Delivered));
            if is_again {
                prop_assert!(acts.is_empty());
                prop_assert_eq!(Some(known), before.as_ref());
                continue;
            }
            let last = newest_yet.get(&event.alarm).copied();
            let is_newer = last.is_none_or(|last| {
                (event.at, &event.name) > (last.at, &last.name)
            });
            let is_same = last.is_some_and(|last| (event.at, event.state) == (last.at, last.state));
            let is_change = is_newer && !is_same;
            if is_newer {
                newest_yet.insert(event.alarm, event);
            }

            // A change into firing rings, unless it flaps, which is counted and rings every 30 minutes.
            let flaps = matches!(told, Told::Flapping { .. });
            if is_change && event.state == State::Firing {
                prop_assert!(flaps || rings(&acts), "{:?}", told);
            }
            if let Told::Flapping { is_shown: false, .. } = told {
                let flapping = before.as_ref().and_then(|before| before.flapping).unwrap();
                let since = known.heard_at.signed_duration_since(flapping.shown_at.unwrap()).abs();
                prop_assert!(since < FLAPPING_SHOWN_EVERY);
            }
            // What changes, or is new, is told and counted; what is neither is not.
            if is_change {
                prop_assert!(!acts.is_empty() && told != Told::Late && told != Told::Reminder, "{:?}", told);
            } else {
                let is_quiet = matches!(told, Told::Nothing(Repeat::Copy) | Told::Late | Told::Reminder | Told::Worse);
                prop_assert!(is_quiet, "{:?}", told);
            }
            let is_known = !all.entry(event.alarm).or_default().insert((event.at, event.state));
            if !is_change && !is_same {
                prop_assert_eq!(told == Told::Late, !is_known);
            }
            let counted = counted.entry(event.alarm).or_default();
            if told == Told::New {
                counted.clear();
            }
            let more = u64::from(told == Told::New || !is_known);
            let so_far = before.as_ref().filter(|_| told != Told::New).map_or(0, |before| before.changes);
            // Only what was known of before, as older news, is no further change of a new message.
            prop_assert!(known.changes == so_far + more || told == Told::New && is_known && known.changes == 0);
            counted.insert((event.at, event.state));
            if let (Some(old), Some(new)) = (before.as_ref().and_then(|before| before.flapping), known.flapping) {
                prop_assert!(new.changes >= old.changes && told != Told::New);
                prop_assert_eq!(new.changes > old.changes, is_change || told == Told::Late);
            }
            // The state that is known is that of the newest.
            let newest = newest_yet[&event.alarm];
            prop_assert_eq!((known.state, known.at), (newest.state, moment(newest.at)));
            // An open problem has one message, which shows it: all others show that it is over, or are a digest.
            if history.has_receipts {
                let own = known.receipt.as_ref().map(|receipt| receipt.message.parse::<usize>().unwrap());
                for (place, message) in seen.messages.iter().enumerate() {
                    let Some(shows) = message.shows.get(&event.alarm) else { continue };
                    let is_digest = place == 0 && history.in_digest.contains(&event.alarm);
                    if own == Some(place) {
                        prop_assert!(known.is_digest || *shows == known.state);
                    } else {
                        prop_assert!(is_digest || *shows == State::Resolved, "{:?}", seen.messages);
                    }
                }
            }
        }
    }

    #[test]
    fn the_last_state_is_the_true_one_whatever_the_order(
        (history, order) in histories().prop_flat_map(|history| {
            let order = Just(history.events.clone()).prop_shuffle();
            (Just(history), order)
        })
    ) {
        let mut seen = Seen::default();
        for event in &order {
            // All are there by then, so that no time lies ahead of the clock.
            seen.hear(&Event { now: 200_000, ..event.clone() }, &history);
        }
        for (alarm, known) in &seen.known {
            let newest = newest(&history.events, *alarm).unwrap();
            prop_assert_eq!((known.state, known.at), (newest.state, moment(newest.at)));
            // Each change was told once: in a message, or in a thread.
            let told = &seen.told[alarm];
            let heard: BTreeSet<_> =
                history.events.iter().filter(|event| event.alarm == *alarm).map(|event| (event.at, event.state)).collect();
            let is_told = |told: &&Told| !matches!(told, Told::Nothing(_) | Told::Reminder | Told::Worse);
            prop_assert!(told.iter().filter(is_told).count() >= heard.len());
        }
    }
}
