//! What this process has delivered, so that a retry of the same event posts nothing twice.
//!
//! Best effort: another process of the function knows nothing of it.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use alert_core::relay::DeliveryKey;

/// Deliveries that are remembered, at some hundred bytes each.
const DELIVERIES_MAX: usize = 20_000;

/// Deliveries, the oldest forgotten first.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Deliveries>);

#[derive(Debug, Default)]
struct Deliveries {
    keys: HashSet<DeliveryKey>,
    order: VecDeque<DeliveryKey>,
}

impl Memory {
    /// Whether this delivery is remembered.
    #[must_use]
    pub fn holds(&self, key: &DeliveryKey) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys.contains(key)
    }

    /// Remembers a delivery.
    pub fn keep(&self, key: DeliveryKey) {
        let mut deliveries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if deliveries.keys.insert(key.clone()) {
            deliveries.order.push_back(key);
        }
        while deliveries.order.len() > DELIVERIES_MAX {
            if let Some(oldest) = deliveries.order.pop_front() {
                deliveries.keys.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let memory = Memory::default();
        let key = |n: usize| DeliveryKey { delivery: n.to_string(), place: (0, 0), receiver: "r".to_owned() };
        for n in 0..=DELIVERIES_MAX {
            memory.keep(key(n));
        }
        assert!(!memory.holds(&key(0)));
        assert!(memory.holds(&key(1)) && memory.holds(&key(DELIVERIES_MAX)));
    }
}
