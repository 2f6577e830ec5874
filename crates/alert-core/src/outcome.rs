//! What became of one attempt to bring a message to a target, whatever the target is.
//!
//! What a target's own answers mean stands in [`answer`](crate::answer).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::incident::Showing;

/// What is to be done after one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The target has it, and says how to find it again where it can.
    Delivered(Option<Receipt>),
    /// The message may pass later; the target takes nothing before `after` where it says so.
    Retry {
        /// How long to wait at least.
        after: Option<Duration>,
        /// Why.
        failure: Failure,
    },
    /// The message may have arrived, and may still: nobody said so in time. Another try may be a repeat.
    Unsure(Failure),
    /// The message that was to be changed or answered is not there (any more); a new one may pass.
    Gone(Failure),
    /// The target will not take this message in this form, from anybody.
    MessageRefused(Failure),
    /// The target takes nothing until a person fixes it; others by the same secret may.
    TargetRefused(Failure),
    /// The secret is refused: no target takes anything by it until a person fixes it.
    SenderRefused(Failure),
}

impl Outcome {
    /// Why it was not delivered, or may not have been; `None` when it was.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Delivered(_) => None,
            Self::Retry { failure, .. }
            | Self::Unsure(failure)
            | Self::Gone(failure)
            | Self::MessageRefused(failure)
            | Self::TargetRefused(failure)
            | Self::SenderRefused(failure) => Some(failure),
        }
    }
}

/// What finds a delivered message again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Receipt {
    /// Where the message stands, by the target's own id of the place: Slack's id of the channel.
    pub place: String,
    /// The message's id in that place: Slack's `ts`.
    pub message: String,
}

/// A message that a target has, found by one of its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The name that was looked for.
    pub name: String,
    /// Where it is.
    pub receipt: Receipt,
    /// Whether it tells of other deliveries as well.
    pub is_digest: bool,
    /// The change that it shows, where it says so.
    pub shows: Option<Showing>,
}

/// Why a message was not delivered, in a form that people and alarms can rely on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Failure {
    /// Stable: a metric's label, and the `errorType` of the invocation.
    pub error_type: &'static str,
    /// One sentence for the person who must act; holds no secret.
    pub detail: String,
}

impl Failure {
    /// A failure of this type.
    pub fn new(error_type: &'static str, detail: impl Into<String>) -> Self {
        Self { error_type, detail: detail.into() }
    }
}
