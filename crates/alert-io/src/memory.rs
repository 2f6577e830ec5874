//! What this process has delivered, so that a retry of the same event posts nothing twice, and what it has shown of each
//! alert, so that older news is told as such.
//!
//! Best effort: another process of the function knows nothing of it.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use alert_core::alert::Alert;
use alert_core::key::{AlertKey, DeliveryKey};
use alert_core::known::{Known, Past, Question, Shown};
use alert_core::outcome::Receipt;
use alert_core::report::{Digest, Settled};
use chrono::{DateTime, TimeDelta, Utc};

use crate::deadline::Deadline;
use crate::ledger::{Answers, Hold, KnownDigest, Ledger};

/// What is remembered of each kind, at some hundred bytes each. A hash table of 2^15 places is tidied where it is as long as it is at
/// most half full, which is 14,336 entries; with more it takes twice the memory as soon as enough of them were forgotten.
const ENTRIES_MAX: usize = 14_000;

/// Lambda tries an event three times, one and two minutes apart, and must not lose one of these tries.
const UNSPACED_TRIES: u32 = 2;
/// The pause after the third try of which nobody knows whether it arrived; each further one doubles it.
const SPACE_FIRST: TimeDelta = TimeDelta::minutes(6);
const SPACE_MAX: TimeDelta = TimeDelta::minutes(30);

/// What happened in this process.
#[derive(Debug, Default)]
pub struct ProcessMemory(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    deliveries: Bounded<(String, DeliveryKey), DeliveryState>,
    shown: Bounded<(String, AlertKey), Shown>,
    /// When a receiver's target last took something.
    taken_at: Bounded<String, DateTime<Utc>>,
}

#[derive(Debug, Clone, Copy)]
enum DeliveryState {
    Delivered,
    Unsure { tries: u32, last: DateTime<Utc> },
}

impl ProcessMemory {
    /// Remembers that a delivery has arrived.
    pub fn remember_delivery(&self, receiver: &str, delivery: &DeliveryKey) {
        self.entries().deliveries.set((receiver.to_owned(), delivery.clone()), DeliveryState::Delivered);
    }

    /// Remembers that a receiver's target took something.
    fn remember_taken(&self, receiver: &str, at: DateTime<Utc>) {
        self.entries().taken_at.set(receiver.to_owned(), at);
    }

    /// Remembers that a delivery was tried, and that nobody knows whether it has arrived.
    fn remember_unsure(&self, receiver: &str, delivery: &DeliveryKey, at: DateTime<Utc>) {
        let mut entries = self.entries();
        let key = (receiver.to_owned(), delivery.clone());
        let tries = match entries.deliveries.get(&key) {
            Some(DeliveryState::Unsure { tries, .. }) => tries.saturating_add(1),
            _ => 1,
        };
        entries.deliveries.set(key, DeliveryState::Unsure { tries, last: at });
    }

    /// Remembers the state that a receiver was shown, unless it knows a newer one; news is no state.
    fn remember_shown(&self, receiver: &str, alert: &AlertKey, shown: Shown) {
        if matches!(alert, AlertKey::News(_)) {
            return;
        }
        let mut entries = self.entries();
        let key = (receiver.to_owned(), alert.clone());
        if entries.shown.get(&key).is_none_or(|known| known.at <= shown.at) {
            entries.shown.set(key, shown);
        }
    }

    /// Whether this delivery has arrived.
    #[must_use]
    pub fn is_delivered(&self, receiver: &str, delivery: &DeliveryKey) -> bool {
        self.past_at(receiver, delivery, Utc::now()) == Past::Delivered
    }

    fn shown(&self, receiver: &str, alert: &AlertKey) -> Option<Shown> {
        self.entries().shown.get(&(receiver.to_owned(), alert.clone())).cloned()
    }

    fn past_at(&self, receiver: &str, delivery: &DeliveryKey, now: DateTime<Utc>) -> Past {
        let entries = self.entries();
        match entries.deliveries.get(&(receiver.to_owned(), delivery.clone())) {
            None => Past::None,
            Some(DeliveryState::Delivered) => Past::Delivered,
            Some(DeliveryState::Unsure { tries, last }) => {
                // Once anything arrives again, there is nothing to wait for.
                let is_well = entries.taken_at.get(receiver).is_some_and(|taken_at| taken_at > last);
                Past::Unsure { is_too_soon: !is_well && now.signed_duration_since(*last) < space(*tries) }
            }
        }
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger for ProcessMemory {
    async fn claim(&self, questions: &[Question<'_>], now: DateTime<Utc>, _: Deadline) -> Answers {
        let known = |question: &Question<'_>| Known {
            past: self.past_at(question.receiver, question.delivery, now),
            shown: self.shown(question.receiver, question.alert),
            kept: None,
        };
        Answers { known: questions.iter().map(known).collect(), ..Answers::default() }
    }

    async fn hold(&self, _: &Question<'_>, _: (&Alert, &Receipt), _: DateTime<Utc>) -> Option<Hold> {
        // Each change has a message of its own here.
        Some(Hold::default())
    }

    async fn release(&self, _: &Question<'_>, _: Hold, _: DateTime<Utc>) {}

    async fn digest(&self, _: &Digest<'_>, _: DateTime<Utc>) -> Option<KnownDigest> {
        None
    }

    async fn record(&self, settled: &[Settled<'_>], _: DateTime<Utc>, _: Deadline) -> Vec<usize> {
        for Settled { receiver, alert, delivered, unsure, shown, is_taken, .. } in settled {
            for (delivery, at) in delivered {
                self.remember_delivery(receiver, delivery);
                if *is_taken {
                    self.remember_taken(receiver, *at);
                }
            }
            for (delivery, at) in unsure {
                self.remember_unsure(receiver, delivery, *at);
            }
            if let Some(shown) = shown {
                self.remember_shown(receiver, alert, shown.clone());
            }
        }
        Vec::new()
    }
}

/// How long to wait after so many tries of which nobody knows whether they arrived.
fn space(tries: u32) -> TimeDelta {
    let Some(further) = tries.checked_sub(UNSPACED_TRIES + 1) else { return TimeDelta::zero() };
    SPACE_FIRST.checked_mul(2_i32.saturating_pow(further)).map_or(SPACE_MAX, |space| space.min(SPACE_MAX))
}

/// A map that forgets its oldest entries first.
#[derive(Debug)]
struct Bounded<K, V> {
    values: HashMap<K, V>,
    order: VecDeque<K>,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        Self { values: HashMap::new(), order: VecDeque::new() }
    }
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(key)
    }

    fn set(&mut self, key: K, value: V) {
        if self.values.insert(key.clone(), value).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > ENTRIES_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.values.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alert_core::alert::Source;

    use super::*;

    fn delivery(n: usize) -> DeliveryKey {
        DeliveryKey { delivery: n.to_string(), ..DeliveryKey::default() }
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_789_268_400 + minutes * 60, 0).unwrap()
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let memory = ProcessMemory::default();
        for n in 0..=ENTRIES_MAX {
            memory.remember_delivery("r", &delivery(n));
        }
        assert!(!memory.is_delivered("r", &delivery(0)));
        assert!(memory.is_delivered("r", &delivery(1)) && memory.is_delivered("r", &delivery(ENTRIES_MAX)));
        assert!(!memory.is_delivered("another", &delivery(1)));
    }

    #[test]
    fn what_may_have_arrived_is_tried_less_and_less() {
        let memory = ProcessMemory::default();
        let mut tried = Vec::new();
        // A queue that hands the message out every three minutes for two hours.
        for minute in (0..120).step_by(3) {
            if memory.past_at("r", &delivery(1), at(minute)) != (Past::Unsure { is_too_soon: true }) {
                memory.remember_unsure("r", &delivery(1), at(minute));
                tried.push(minute);
            }
        }
        assert_eq!(tried, [0, 3, 6, 12, 24, 48, 78, 108]);
        // As soon as the target takes anything, it is worth a try again.
        memory.remember_taken("r", at(120));
        assert_eq!(memory.past_at("r", &delivery(1), at(121)), Past::Unsure { is_too_soon: false });
        memory.remember_delivery("r", &delivery(1));
        assert_eq!(memory.past_at("r", &delivery(1), at(122)), Past::Delivered);
    }

    #[test]
    fn the_newest_state_counts_whenever_it_was_told() {
        let memory = ProcessMemory::default();
        let alert =
            AlertKey::Rule { source: Source::Grafana, origin: String::new(), fingerprint: "f".to_owned() };
        for (state, minute) in [("firing", 1), ("resolved", 9), ("firing", 4)] {
            memory.remember_shown(
                "r",
                &alert,
                Shown { state: state.to_owned(), at: at(minute), receipt: None },
            );
        }
        assert_eq!(
            memory.shown("r", &alert),
            Some(Shown { state: "resolved".to_owned(), at: at(9), receipt: None })
        );
        assert_eq!(memory.shown("another", &alert), None);
        let news = AlertKey::News(delivery(1));
        memory.remember_shown("r", &news, Shown { state: "event".to_owned(), at: at(1), receipt: None });
        assert_eq!(memory.shown("r", &news), None);
        assert_eq!(memory.past_at("r", &delivery(1), at(1)), Past::None);
    }
}
