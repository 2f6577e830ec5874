//! What is known of earlier deliveries when an event is planned.
//!
//! Who remembers, and for how long, is the caller's. Knowing nothing is lawful: then everything is new.

use chrono::{DateTime, Utc};

use crate::incident::{Incident, Showing};
use crate::key::{AlertKey, DeliveryKey};
use crate::outcome::Receipt;

/// One delivery to one receiver, of which planning asks what is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question<'q> {
    /// The receiver's name.
    pub receiver: &'q str,
    /// Which delivery.
    pub delivery: &'q DeliveryKey,
    /// Which alert.
    pub alert: &'q AlertKey,
}

/// The answer to a [`Question`]; by default that nothing is known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Known {
    /// What became of the delivery.
    pub past: Past,
    /// The newest state of the alert that the receiver was shown.
    pub shown: Option<Shown>,
    /// What is kept of the alert, where somebody keeps it beyond this process; then it decides what is told.
    pub kept: Option<Kept>,
}

/// What is kept of an alert at a receiver, for who claimed it: nobody else works on it now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// Its life so far; nothing of a new one.
    pub incident: Option<Incident>,
    /// Messages of deliveries whose processes did not live to say that they were posted, or could not, where the target was
    /// asked and has them.
    pub found: Vec<Found>,
    /// The names of other deliveries that were tried before, and may have arrived.
    pub tried: Vec<String>,
}

/// The message of a delivery; nobody recorded all that was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The delivery's name.
    pub delivery: String,
    /// Where the message is.
    pub receipt: Receipt,
    /// Whether it tells of other alerts as well.
    pub is_digest: bool,
    /// The change that it shows, where it says so.
    pub shows: Option<Showing>,
}

/// The newest state of an alert that a receiver was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The source's own word for the state.
    pub state: String,
    /// When the alert changed to it.
    pub at: DateTime<Utc>,
    /// The message that shows it, where its target tells.
    pub receipt: Option<Receipt>,
}

/// What became of one delivery to one receiver, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Past {
    /// It was not tried, or failed.
    #[default]
    None,
    /// It was tried, and nobody knows whether it arrived.
    Unsure {
        /// So soon after the last try the next one would only make a repeat likelier.
        is_too_soon: bool,
    },
    /// Another process works on this alert now, and may say so any moment.
    Elsewhere,
    /// It has arrived.
    Delivered,
}
