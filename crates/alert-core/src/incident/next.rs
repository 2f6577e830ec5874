//! The state machine.

use chrono::{DateTime, Utc};

use super::{
    AHEAD_MAX, COPIES_WITHIN, Change, DELIVERIES_MAX, FLAPPING_SHOWN_EVERY, FLAPPING_WITHIN, Flapping,
    Incident, Look, Moment, Policy, RECENT_MAX, Repeat, Silenced, Step, Told, short, stored,
};
use crate::alert::{Comparison, State};

/// What a change does to what is known, and what people are told of it.
///
/// A change that is older than what is shown never changes it. Of two with one time the names of their deliveries decide,
/// so that the order in which they came makes no difference. A change without a time is newer than what is shown, as
/// nothing says otherwise, or the same where its state is the same.
///
/// No data is a problem as firing is: it is told like one, keeps the message open and ends as one. Only where it takes the
/// place of firing nobody is called, because somebody is on it, and it may well be the same trouble.
///
/// What is silenced goes its way like all else, and only rings nowhere: a message that is there shows what has become of it.
#[must_use]
pub fn next(known: Option<&Incident>, change: &Change<'_>, now: DateTime<Utc>, policy: &Policy) -> Step {
    let change = &Change { at: change.at.map(stored), began_at: change.began_at.map(stored), ..*change };
    let now = stored(now);
    let Some(known) = known else { return first(change, now) };
    let mut incident = known.clone();
    if known.is_told(change.delivery) {
        return Step { incident, told: Told::Nothing(Repeat::Delivered), is_silent: false };
    }
    incident.remember_delivery(change.delivery);
    incident.be_silenced(change, now);
    let mut is_older = false;
    let told = if change.look == Some(Look::Escalation) {
        incident.escalate(now)
    } else if change.look.is_some() {
        // Whatever was heard of it meanwhile. Another rule may hold it by now, which its message says from now on.
        let told =
            if incident.silenced.is_some() { Told::Reminder } else { Told::Nothing(Repeat::Delivered) };
        incident.end_silence(known, told, now)
    } else if change.is_check && change.state == known.state {
        incident.check(change, now)
    } else if !change.is_state {
        Told::News
    } else if known.state == State::Informational {
        incident.open(change, change.time(now), now)
    } else {
        match incident.place(change, now) {
            Place::Older(at) => {
                is_older = true;
                incident.hear_late(change, at)
            }
            Place::Same => {
                let told = incident.hear_again(change, now);
                incident.end_silence(known, told, now)
            }
            Place::Newer(at) => {
                let told = incident.take(change, at, now, policy);
                incident.end_silence(known, told, now)
            }
        }
    };
    if change.look.is_none() {
        incident.wait_for_somebody(change.patience, told, now);
    }
    if known.silenced.is_some() && incident.silenced.is_none() && !matches!(told, Told::Nothing(_)) {
        incident.wait_anew(now);
    }
    // What rang nowhere was not shown to all.
    if incident.silenced.is_some()
        && let Some(flapping) = &mut incident.flapping
    {
        flapping.shown_at = known.flapping.and_then(|flapping| flapping.shown_at);
    }
    let mut step = incident.silent(told);
    // What a silence has held rings when it ends, or its message says so where it is over. Where this does not, who looks at
    // the time next does it.
    let is_said = if step.incident.is_open() { step.rings(policy) } else { step.told.is_of_incident() };
    if !step.is_silent && (!is_said || change.was_tried) {
        step.incident.silenced.clone_from(&known.silenced);
    }
    // Nor does older news begin a silence: it is not what could be told again.
    if is_older && known.silenced.is_none() {
        step.incident.silenced = None;
    }
    step
}

/// What is known after the first that is heard.
fn first(change: &Change<'_>, now: DateTime<Utc>) -> Step {
    let mut incident = Incident::new(change, change.time(now), now);
    incident.remember_delivery(change.delivery);
    incident.be_silenced(change, now);
    let told = if change.is_state { incident.open(change, incident.at, now) } else { Told::News };
    incident.wait_for_somebody(change.patience, told, now);
    incident.silent(told)
}

/// Where a change stands beside the newest one that is known, and its time.
enum Place {
    Older(DateTime<Utc>),
    Same,
    Newer(DateTime<Utc>),
}

impl Change<'_> {
    /// The time that it tells, where it can be one.
    fn told_time(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.at.filter(|at| at.signed_duration_since(now) <= AHEAD_MAX)
    }

    pub(super) fn time(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.told_time(now).unwrap_or(now)
    }

    /// The worse one of its own value and another; of a band nobody knows which one that is.
    fn worst(&self, value: f64, other: Option<f64>) -> Option<f64> {
        match self.comparison? {
            Comparison::Above | Comparison::AtOrAbove => Some(other.map_or(value, |other| other.max(value))),
            Comparison::Below | Comparison::AtOrBelow => Some(other.map_or(value, |other| other.min(value))),
            Comparison::Outside => None,
        }
    }
}

impl Incident {
    /// Nothing but that something was said.
    pub(super) fn new(change: &Change<'_>, at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            version: Self::VERSION,
            state: State::Informational,
            word: short(change.word),
            at,
            by: change.delivery.to_owned(),
            heard_at: now,
            opened_at: at,
            began_at: None,
            ended_at: None,
            severity: None,
            children: 0,
            first_value: None,
            worst_value: None,
            fired: 0,
            changes: 0,
            recent: Vec::new(),
            flapping: None,
            receipt: None,
            target: None,
            is_digest: false,
            acknowledged: None,
            silenced: None,
            escalation: None,
            deliveries: Vec::new(),
        }
    }

    /// Forgets a silence that is over, and takes over what a rule says. What a person said of this alert alone goes before: when
    /// it ends, the rule holds.
    fn be_silenced(&mut self, change: &Change<'_>, now: DateTime<Utc>) {
        let before = self.silenced.as_ref();
        let changes = before.map_or(0, |silenced| silenced.changes);
        let of_rule = before.and_then(|silenced| Some((silenced.rule.clone()?, silenced.at)));
        self.silenced =
            self.silenced.take().filter(|silenced| silenced.rule.is_none() && silenced.holds(now));
        // What is no state cannot ring later, so that only what is no emergency is held.
        let is_held = change.is_state || change.state == State::Informational;
        if let Some(rule) = change.rule.filter(|_| is_held && self.silenced.is_none()) {
            let since = of_rule.filter(|(id, _)| *id == rule.id).map_or(now, |(_, since)| since);
            self.silenced = Some(Silenced::by_rule(rule, since, changes));
        }
    }

    /// What is told where a silence has ended since the last change: what would ring nobody tells of that at least.
    fn end_silence(&mut self, known: &Self, told: Told, now: DateTime<Utc>) -> Told {
        let Some(ended) = known.silenced.as_ref().filter(|_| self.silenced.is_none()) else { return told };
        let is_told = match told {
            // At least its message says no more of the silence.
            Told::Nothing(_) => false,
            Told::Reminder | Told::Blind { is_shown: false } | Told::Flapping { is_shown: false, .. } => {
                !self.is_open()
            }
            _ => true,
        };
        if is_told {
            return told;
        }
        // What comes on its heels tells nothing new.
        self.heard_at = now;
        Told::SilenceOver { changes: ended.changes }
    }

    /// The step to this incident, with what a silence does to it.
    fn silent(mut self, told: Told) -> Step {
        let is_silent = self.silenced.is_some();
        let is_quiet = matches!(told, Told::Nothing(_) | Told::Reminder);
        if let Some(silenced) = self.silenced.as_mut().filter(|_| !is_quiet) {
            silenced.changes = silenced.changes.saturating_add(1);
        }
        // Whatever is told of the end: what flaps may not be heard of again for weeks.
        if self.state == State::Resolved
            && self.silenced.as_ref().is_some_and(|silenced| silenced.until.is_none())
        {
            self.silenced = None;
        }
        let told = match told {
            Told::Flapping { changes, .. } if is_silent => Told::Flapping { changes, is_shown: false },
            told => told,
        };
        Step { incident: self, told, is_silent }
    }

    pub(super) fn remember_delivery(&mut self, delivery: &str) {
        self.deliveries.push(delivery.to_owned());
        let more = self.deliveries.len().saturating_sub(DELIVERIES_MAX);
        self.deliveries.drain(..more);
    }

    /// Says once more how it is, in the message that did before.
    fn check(&mut self, change: &Change<'_>, now: DateTime<Utc>) -> Told {
        let at = change.time(now);
        if at <= self.at {
            return Told::Nothing(Repeat::Copy);
        }
        self.show(change, at, now);
        Told::Checked
    }

    fn place(&self, change: &Change<'_>, now: DateTime<Utc>) -> Place {
        let is_same_state = change.state == self.state;
        let Some(at) = change.told_time(now) else {
            return if is_same_state { Place::Same } else { Place::Newer(now.max(self.at)) };
        };
        if at == self.at && is_same_state {
            Place::Same
        } else if (at, change.delivery) > (self.at, self.by.as_str()) {
            Place::Newer(at)
        } else {
            Place::Older(at)
        }
    }

    /// Begins anew, with a message of its own. What may come again of what was before stays known.
    fn open(&mut self, change: &Change<'_>, at: DateTime<Utc>, now: DateTime<Utc>) -> Told {
        let recent = std::mem::take(&mut self.recent);
        let deliveries = std::mem::take(&mut self.deliveries);
        let silenced = self.silenced.take();
        *self = Self { recent, silenced, deliveries, ..Self::new(change, at, now) };
        // Of what is over the message tells the whole.
        self.opened_at = change.began_at.filter(|began| *began < at).unwrap_or(at);
        self.begin(change, at);
        self.note(at, change.state);
        self.show(change, at, now);
        Told::New
    }

    /// A change that is newer than all that is known.
    fn take(&mut self, change: &Change<'_>, at: DateTime<Utc>, now: DateTime<Utc>, policy: &Policy) -> Told {
        if self.is_same_end(change) {
            self.show(change, at, now);
            return Told::Nothing(Repeat::Copy);
        }
        let is_over = change.state == State::Resolved;
        let ended_before = self.ended_at.map(|ended| at.signed_duration_since(ended));
        // While it is silenced, its message is all that people see of it.
        let is_seen = self.silenced.is_some() && self.receipt.is_some() && !self.is_digest;
        let is_forgotten = !is_seen && ended_before.is_some_and(|before| before > policy.reopen_within);
        // A digest's message cannot turn red for one of its alerts.
        if is_forgotten || self.is_digest && self.ended_at.is_some() && !is_over {
            return self.open(change, at, now);
        }
        let was = self.state;
        let quiet = at.signed_duration_since(self.at);
        // An end that was not heard lies between two beginnings.
        if was == State::Resolved || was == change.state {
            self.begin(change, at);
        }
        self.note(at, change.state);
        self.show(change, at, now);
        // After some calm a change is worth to be told as what it is.
        let is_calm = quiet > policy.reopen_within;
        if let Some(told) = self.flap(at, is_calm, now, policy) {
            return told;
        }
        match change.state {
            State::Firing => {
                Told::Again { nth: self.fired, within: at.signed_duration_since(self.opened_at) }
            }
            State::NoData => Told::Blind { is_shown: was != State::Firing },
            State::Resolved | State::Informational => {
                Told::Over { lasted: self.began_at.map(|began| at.signed_duration_since(began)) }
            }
        }
    }

    /// The newest change once more.
    fn hear_again(&mut self, change: &Change<'_>, now: DateTime<Utc>) -> Told {
        if change.delivery > self.by.as_str() {
            self.by = change.delivery.to_owned();
        }
        if self.state == State::Resolved {
            return Told::Nothing(Repeat::Copy);
        }
        let is_more_severe =
            self.severity.zip(change.severity).is_some_and(|(known, severity)| known < severity);
        // One of several ways may not tell the children at all. What flaps would ring with each of them.
        let has_more_children =
            self.flapping.is_none() && self.children > 0 && self.children < change.children;
        // Clocks are set, so that neither side of the time is the later one.
        let is_copy = now.signed_duration_since(self.heard_at).abs() < COPIES_WITHIN;
        self.measure(change);
        if is_more_severe || has_more_children {
            self.heard_at = now;
            Told::Worse
        } else if is_copy {
            Told::Nothing(Repeat::Copy)
        } else {
            self.heard_at = now;
            Told::Reminder
        }
    }

    /// A change that is older than what is shown.
    fn hear_late(&mut self, change: &Change<'_>, at: DateTime<Utc>) -> Told {
        if self.is_same_end(change) || !self.note(at, change.state) {
            return Told::Nothing(Repeat::Copy);
        }
        if let Some(flapping) = &mut self.flapping {
            flapping.changes = flapping.changes.saturating_add(1);
        }
        if at >= self.opened_at {
            self.value(change);
        }
        Told::Late
    }

    /// Whether both are the end of one problem: Grafana tells it with another time each time.
    fn is_same_end(&self, change: &Change<'_>) -> bool {
        self.state == State::Resolved
            && change.state == State::Resolved
            && self.began_at.is_some()
            && self.began_at == change.began_at
    }

    /// A problem begins, or an end is told of which nothing else is known.
    fn begin(&mut self, change: &Change<'_>, at: DateTime<Utc>) {
        self.began_at = match change.state {
            State::Resolved => change.began_at,
            _ => change.began_at.or(Some(at)),
        };
        self.severity = None;
        self.children = 0;
        self.acknowledged = None;
        if self.flapping.is_none() {
            self.escalation = None;
        }
        // The end that it was to last for was not heard.
        self.silenced.take_if(|silenced| silenced.until.is_none());
    }

    /// Counts a change; `false` where it was counted before.
    pub(super) fn note(&mut self, at: DateTime<Utc>, state: State) -> bool {
        let moment = Moment(at, state);
        if self.recent.contains(&moment) {
            return false;
        }
        let place = self.recent.partition_point(|Moment(other, _)| *other <= at);
        self.recent.insert(place, moment);
        let more = self.recent.len().saturating_sub(RECENT_MAX);
        self.recent.drain(..more);
        self.changes = self.changes.saturating_add(1);
        if state == State::Firing && at >= self.opened_at {
            self.fired = self.fired.saturating_add(1);
        }
        true
    }

    /// The state of the change is the one that is shown.
    fn show(&mut self, change: &Change<'_>, at: DateTime<Utc>, now: DateTime<Utc>) {
        self.state = change.state;
        self.word = short(change.word);
        self.at = at;
        self.by = change.delivery.to_owned();
        self.heard_at = now;
        if change.state == State::Resolved {
            self.began_at = self.began_at.or(change.began_at);
            self.ended_at = Some(at);
        } else {
            self.ended_at = None;
            self.measure(change);
        }
    }

    /// How bad the problem is.
    fn measure(&mut self, change: &Change<'_>) {
        self.severity = self.severity.max(change.severity);
        self.children = self.children.max(change.children);
        self.value(change);
    }

    fn value(&mut self, change: &Change<'_>) {
        let Some(value) = change.value.filter(|value| value.is_finite()) else { return };
        self.first_value = self.first_value.or(Some(value));
        self.worst_value = change.worst(value, self.worst_value);
    }

    /// Counts the newest change of an alert that changes too often; what is told of it, unless it came after some calm.
    fn flap(
        &mut self,
        at: DateTime<Utc>,
        is_calm: bool,
        now: DateTime<Utc>,
        policy: &Policy,
    ) -> Option<Told> {
        let opened_at = self.opened_at;
        let mut within = self
            .recent
            .iter()
            .map(|Moment(other, _)| *other)
            .filter(|other| *other >= opened_at && at.signed_duration_since(*other) < FLAPPING_WITHIN);
        let since = within.next()?;
        let count = 1 + within.count();
        if count <= policy.flapping_after {
            self.flapping = None;
            return None;
        }
        let flapping = match self.flapping {
            Some(flapping) => Flapping { changes: flapping.changes.saturating_add(1), ..flapping },
            None if is_calm => return None,
            None => Flapping { since, changes: u64::try_from(count).unwrap_or(u64::MAX), shown_at: None },
        };
        let is_shown = !is_calm
            && flapping
                .shown_at
                .is_none_or(|shown_at| now.signed_duration_since(shown_at).abs() >= FLAPPING_SHOWN_EVERY);
        let shown_at = if is_shown { Some(now) } else { flapping.shown_at };
        self.flapping = Some(Flapping { shown_at, ..flapping });
        (!is_calm).then_some(Told::Flapping { changes: flapping.changes, is_shown })
    }
}
