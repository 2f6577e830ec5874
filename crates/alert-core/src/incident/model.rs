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
        self.under(None)
    }

    fn under<'c>(&'c self, rule: Option<&'c Rule>) -> Change<'c> {
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
            rule,
            was_tried: false,
            look: None,
            patience: None,
            is_check: false,
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
        let step = next(self.known.get(&event.alarm), &event.change(), moment(event.now), &history.policy);
        let (told, acts) = self.show(step, event, history);
        self.told.entry(event.alarm).or_default().push(told);
        (told, acts)
    }

    /// Does what a step asks for.
    fn show(&mut self, step: Step, event: &Event, history: &History) -> (Told, Vec<Act>) {
        let Event { alarm, state, .. } = *event;
        let at = moment(event.at);
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

/// What else happens to an alarm.
#[derive(Debug, Clone)]
enum Deed {
    /// It is heard of.
    Heard(Event),
    /// Somebody presses a button: in the message that shows it, or in an old one; the press may come twice.
    Pressed { button: Button, by: u8, is_old: bool, comes_twice: bool },
    /// A rule is made that silences it, for so many seconds, and as if since the beginning.
    Ruled { seconds: i64, is_dated_back: bool },
    /// Somebody ends the rule that was made last.
    RuleEnded,
    /// Somebody looks at the time.
    Looked,
}

/// What happens to one alarm, each at what the clock says then.
#[derive(Debug, Clone)]
struct Acting {
    deeds: Vec<(i64, Deed)>,
    history: History,
}

fn deed() -> impl Strategy<Value = Deed> {
    let spans = select(vec![None, Some(1), Some(600), Some(3_600), Some(14_400)]);
    let silence = spans.prop_map(|seconds| Button::Silence(seconds.map(TimeDelta::seconds)));
    let others = select(vec![Button::Acknowledge, Button::UndoAcknowledge, Button::UndoSilence]);
    let press = (prop_oneof![silence, others], 0..2_u8, 0..5, 0..5).prop_map(|(button, by, old, twice)| {
        Deed::Pressed { button, by, is_old: old == 0, comes_twice: twice == 0 }
    });
    let seconds = select(vec![60, 600, 3_600, 14_400]);
    let rule =
        (seconds, any::<bool>()).prop_map(|(seconds, is_dated_back)| Deed::Ruled { seconds, is_dated_back });
    prop_oneof![4 => press, 2 => rule, 1 => Just(Deed::RuleEnded), 4 => Just(Deed::Looked)]
}

fn acting() -> impl Strategy<Value = Acting> {
    let pauses = select(vec![0, 1, 30, 300, 600, 1_800, 3_600]);
    (histories(), prop::collection::vec((pauses, deed()), 0..24)).prop_map(|(mut history, others)| {
        history.events.retain(|event| event.alarm == 0);
        let events = std::mem::take(&mut history.events).into_iter();
        let mut deeds: Vec<_> = events.map(|event| (event.now, Deed::Heard(event))).collect();
        let mut at = 0;
        for (pause, deed) in others {
            at += pause;
            // Where the clock was set back, too, the first that comes later.
            let place = deeds.iter().position(|(now, _)| *now > at).unwrap_or(deeds.len());
            deeds.insert(place, (at, deed));
        }
        Acting { deeds, history }
    })
}

/// The plain specification of who is on it and what silences it.
#[derive(Debug, Default)]
struct Plain {
    on_it: Option<(u8, DateTime<Utc>)>,
    /// Until it has rung, or there is nothing to ring for.
    silence: Option<Quiet>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq)]
struct Quiet {
    until: Option<DateTime<Utc>>,
    rule: Option<String>,
    changes: u64,
}

impl Plain {
    /// The rule that holds now, of several the longest.
    fn rule(&self, now: DateTime<Utc>) -> Option<&Rule> {
        let mut longest: Option<&Rule> = None;
        for rule in self.rules.iter().filter(|rule| rule.starts_at <= now && now < rule.ends_at) {
            if longest.is_none_or(|longest| longest.ends_at < rule.ends_at) {
                longest = Some(rule);
            }
        }
        longest
    }

    /// Whether nobody needs to look yet.
    fn holds(&self, Quiet { until, rule, .. }: &Quiet, now: DateTime<Utc>) -> bool {
        match rule {
            Some(id) => self.rule(now).is_some_and(|rule| rule.id == *id),
            None => until.is_none_or(|until| now < until),
        }
    }

    /// What silences it from now on if it is heard of: a person's silence, and else a rule.
    fn heard(&self, now: DateTime<Utc>) -> Option<Quiet> {
        let own = self.silence.as_ref().filter(|quiet| quiet.rule.is_none() && self.holds(quiet, now));
        own.cloned().or_else(|| self.rule(now).map(|rule| self.by_rule(rule)))
    }

    fn by_rule(&self, rule: &Rule) -> Quiet {
        let changes = self.silence.as_ref().map_or(0, |quiet| quiet.changes);
        Quiet { until: Some(rule.ends_at), rule: Some(rule.id.clone()), changes }
    }
}

fn plain(silenced: &Silenced) -> Quiet {
    let Silenced { until, rule, changes, .. } = silenced.clone();
    Quiet { until, rule, changes }
}

/// One alarm's life beside its specification.
#[derive(Debug)]
struct Played<'h> {
    history: &'h History,
    seen: Seen,
    plain: Plain,
    newest: Option<&'h Event>,
    delivered: BTreeSet<&'h str>,
    changes: BTreeSet<(i64, State)>,
    /// When something rang.
    rung_at: BTreeSet<DateTime<Utc>>,
}

impl<'h> Played<'h> {
    fn new(history: &'h History) -> Self {
        Self {
            history,
            seen: Seen::default(),
            plain: Plain::default(),
            newest: None,
            delivered: BTreeSet::new(),
            changes: BTreeSet::new(),
            rung_at: BTreeSet::new(),
        }
    }

    fn known(&self) -> Option<Incident> {
        self.seen.known.get(&0).cloned()
    }

    fn play(&mut self, number: usize, deed: &'h Deed, seconds: i64) {
        let now = moment(seconds);
        match deed {
            Deed::Ruled { seconds, is_dated_back } => self.plain.rules.push(Rule {
                id: format!("r{number}"),
                matchers: vec!["a=b".to_owned()],
                by: "kim".to_owned(),
                comment: String::new(),
                starts_at: if *is_dated_back { moment(-10_000) } else { now },
                ends_at: now + TimeDelta::seconds(*seconds),
            }),
            Deed::RuleEnded => {
                self.plain.rules.pop();
            }
            Deed::Heard(event) => self.hear(event, now, false),
            Deed::Pressed { button, by, is_old, comes_twice } => {
                self.press(&format!("p{number}"), *button, *by, (*is_old, *comes_twice), now);
            }
            Deed::Looked => self.look(&format!("w{number}"), now),
        }
        let known = self.known();
        let on_it = known.as_ref().and_then(|known| known.acknowledged.as_ref());
        let on_it = on_it.map(|Acknowledged { by, at }| (by.id.clone(), *at));
        assert_eq!(on_it, self.plain.on_it.map(|(by, at)| (format!("U{by}"), at)));
        let silenced = known.as_ref().and_then(|known| known.silenced.as_ref()).map(plain);
        assert_eq!(silenced, self.plain.silence);
    }

    fn hear(&mut self, event: &'h Event, now: DateTime<Utc>, is_look: bool) {
        let before = self.known();
        let was = self.newest.map(|last| last.state);
        let is_newer =
            !is_look && self.newest.is_none_or(|last| (event.at, &event.name) > (last.at, &last.name));
        let is_same = self.newest.is_some_and(|last| (event.at, event.state) == (last.at, last.state));
        let is_change = is_newer && !is_same;
        let is_anew = is_change && (was == Some(State::Resolved) || was == Some(event.state));
        // What was silenced until it is over was over, if it begins anew.
        let is_to_end = |quiet: &Quiet| !(is_anew && quiet.until.is_none());
        let quiet = self.plain.heard(now).filter(is_to_end);
        let rule = self.plain.rule(now).cloned();
        let change = Change { look: is_look.then_some(Look::Silence), ..event.under(rule.as_ref()) };
        let step = next(before.as_ref(), &change, now, &self.history.policy);
        let is_silent = step.is_silent;
        let (told, acts) = self.seen.show(step, event, self.history);
        let known = self.known().unwrap();
        let is_again = !self.delivered.insert(&event.name);
        assert_eq!(is_again, told == Told::Nothing(Repeat::Delivered));
        if is_again {
            assert!(acts.is_empty());
            assert_eq!(Some(known), before);
            return;
        }

        // The state that is known is the newest one, and each change counts, whoever hears of it.
        let newest = self.newest.filter(|_| !is_newer).unwrap_or(event);
        self.newest = Some(newest);
        assert_eq!((known.state, known.at), (newest.state, moment(newest.at)));
        let is_known = !self.changes.insert((event.at, event.state));
        let so_far = before.as_ref().filter(|_| told != Told::New).map_or(0, |before| before.changes);
        let more = u64::from(told == Told::New || !is_known);
        assert!(known.changes == so_far + more || told == Told::New && is_known && known.changes == 0);

        // While it is silenced nothing rings, not even in its thread, and its message shows how it is.
        assert_eq!(is_silent, quiet.is_some());
        let is_open = newest.state != State::Resolved;
        let begins_none = !is_newer && !is_same && self.plain.silence.is_none();
        self.plain.silence = match quiet {
            Some(mut quiet) => {
                let has_message = known.receipt.is_some() && !known.is_digest;
                assert_eq!(acts.len(), usize::from(has_message && told.is_of_incident()));
                assert!(acts.iter().all(|act| matches!(act, Act::Edit(_))), "{acts:?}");
                quiet.changes += u64::from(!matches!(told, Told::Nothing(_) | Told::Reminder));
                // Older news is not what could be told again.
                Some(quiet).filter(|quiet| (is_open || quiet.until.is_some()) && !begins_none)
            }
            // What has been held is still to ring, or to be said of what is over, where this says nothing of how it is now.
            None if told.is_of_incident() && (!is_open || rings(&acts)) => None,
            None => self.plain.silence.take(),
        };

        // A change into firing rings where nothing silences it, unless it flaps and has rung lately.
        if rings(&acts) {
            self.rung_at.insert(now);
        }
        let flaps = matches!(told, Told::Flapping { .. });
        if is_change && event.state == State::Firing && !is_silent {
            assert!(flaps || rings(&acts), "{told:?}");
        }
        if let Some(shown_at) = known.flapping.and_then(|flapping| flapping.shown_at) {
            assert!(self.rung_at.contains(&shown_at), "{shown_at} is none of {:?}", self.rung_at);
            let since = now.signed_duration_since(shown_at).abs();
            assert!(!flaps || is_silent || rings(&acts) || since < FLAPPING_SHOWN_EVERY);
        }

        // Who is on it is so until it fires anew.
        if is_anew {
            self.plain.on_it = None;
        }
    }

    fn press(
        &mut self,
        name: &str,
        button: Button,
        by: u8,
        (is_old, comes_twice): (bool, bool),
        now: DateTime<Utc>,
    ) {
        let Some(before) = self.known() else { return };
        let own = before.receipt.clone().filter(|_| !is_old && !before.is_digest);
        let is_own = own.is_some();
        let message = own.unwrap_or_else(|| Receipt { place: "C1".to_owned(), message: "old".to_owned() });
        let person = Person::new(&format!("U{by}"), "kim");
        let press = Press { name, button, by: &person, message: &message };
        let pressed = super::press(&before, &press, now);

        let holding = self.plain.silence.as_ref().filter(|quiet| quiet.until.is_none_or(|until| now < until));
        let is_open = before.state != State::Resolved;
        let makes_sense = match button {
            Button::Acknowledge => is_open && self.plain.on_it.is_none(),
            Button::UndoAcknowledge => is_open && self.plain.on_it.is_some(),
            Button::Silence(_) => is_open && holding.is_none(),
            Button::UndoSilence => holding.is_some_and(|quiet| quiet.rule.is_none()),
        };
        assert_eq!(pressed.is_ok(), is_own && makes_sense, "{pressed:?}");
        let Ok(after) = pressed else {
            assert_eq!(!is_own, pressed == Err(Refusal::NotItsMessage));
            return;
        };
        match button {
            Button::Acknowledge => self.plain.on_it = Some((by, now)),
            Button::UndoAcknowledge => self.plain.on_it = None,
            Button::Silence(span) => {
                let changes = self.plain.silence.as_ref().map_or(0, |quiet| quiet.changes);
                let until = span.map(|span| now + span);
                self.plain.silence = Some(Quiet { until, rule: None, changes });
            }
            Button::UndoSilence => self.plain.silence = None,
        }
        // Nothing else is changed by it.
        let Incident { acknowledged, silenced, deliveries, .. } = before.clone();
        assert_eq!(Incident { acknowledged, silenced, deliveries, ..after.clone() }, before);
        if comes_twice {
            assert_eq!(super::press(&after, &press, now), Err(Refusal::Again));
        }
        let stored = Incident::from_json(&after.to_json()).unwrap();
        assert_eq!(stored, after);
        self.seen.known.insert(0, stored);
    }

    /// Who looks at the time tells the newest change again where a silence may be over.
    fn look(&mut self, name: &str, now: DateTime<Utc>) {
        let (Some(quiet), Some(newest)) = (self.plain.silence.clone(), self.newest) else { return };
        if self.plain.holds(&quiet, now) {
            return;
        }
        let rung = self.rung_at.len();
        // It lives as long as the test.
        let again: &'h Event = Box::leak(Box::new(Event { name: name.to_owned(), ..newest.clone() }));
        self.hear(again, now, true);
        // What still fires rings, and nothing else; once, because nothing is left of the silence.
        let rings = self.rung_at.len() > rung || self.rung_at.contains(&now);
        let is_open = newest.state != State::Resolved;
        assert!(self.plain.silence.is_some() || rings || !is_open, "{quiet:?}");
        assert!(self.plain.silence.is_none() || self.rung_at.len() == rung);
    }
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

    #[test]
    fn what_is_silenced_rings_nowhere_and_when_its_silence_ends_once(acting in acting()) {
        let mut played = Played::new(&acting.history);
        for (number, (seconds, deed)) in acting.deeds.iter().enumerate() {
            played.play(number, deed, *seconds);
        }
    }
}
