//! What is known of earlier deliveries when an event is planned: the questions, and the answer of who knows nothing.
//!
//! Who remembers, and for how long, is the caller's.

use chrono::{DateTime, Utc};

use crate::key::{AlertKey, DeliveryKey};

/// The newest state of an alert that a receiver was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The source's own word for the state.
    pub state: String,
    /// When the alert changed to it.
    pub at: DateTime<Utc>,
}

/// What became of one delivery to one receiver, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// It was not tried, or failed.
    None,
    /// It was tried, and nobody knows whether it arrived.
    Unsure {
        /// So soon after the last try the next one would only make a repeat likelier.
        is_too_soon: bool,
    },
    /// It has arrived.
    Delivered,
}

/// What was delivered before.
pub trait Memory {
    /// What became of a delivery.
    fn past(&self, receiver: &str, delivery: &DeliveryKey) -> Past;
    /// The newest state of an alert that the receiver was shown.
    fn shown(&self, receiver: &str, alert: &AlertKey) -> Option<Shown>;
}

/// Nothing is known.
impl Memory for () {
    fn past(&self, _: &str, _: &DeliveryKey) -> Past {
        Past::None
    }

    fn shown(&self, _: &str, _: &AlertKey) -> Option<Shown> {
        None
    }
}
