//! What is remembered of deliveries from one invocation to the next, whoever remembers it.
//!
//! Asked before an event is planned, told when it is done with. It never fails: who cannot remember knows nothing.

use alert_core::alert::Alert;
use alert_core::incident::Incident;
use alert_core::known::{Known, Question};
use alert_core::outcome::Receipt;
use alert_core::report::{Digest, Settled};
use alert_core::silence::Silences;
use chrono::{DateTime, Utc};

use crate::deadline::Deadline;

/// What a ledger says.
#[derive(Debug, Default)]
pub struct Answers {
    /// What is known of each delivery, in the order of the questions.
    pub known: Vec<Known>,
    /// Why less is known than should be, for people.
    pub problem: Option<String>,
    /// What people have silenced by rules.
    pub silences: Silences,
}

/// What is known of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDigest {
    /// The content that it was posted with.
    pub posted: String,
    /// How many of its alerts are over.
    pub over: usize,
    /// How many it has.
    pub of: usize,
}

/// An alert that other processes keep away from.
#[derive(Debug, Default)]
pub struct Hold {
    /// The names of deliveries that may have arrived, as they were before.
    pub tried: Vec<String>,
    /// Whether it is not over.
    pub is_open: bool,
    /// What is known of it.
    pub incident: Option<Incident>,
    /// What its message holds from now on; `None` where that is as it was, or nobody keeps it.
    pub shown: Option<String>,
}

/// Remembers deliveries.
pub trait Ledger {
    /// What is known of each delivery at this time; they are theirs who asked until they are recorded, or `deadline` is over.
    fn claim(
        &self,
        questions: &[Question<'_>],
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> impl Future<Output = Answers>;

    /// Remembers a digest, or that some of its alerts are over; what is known of it then, where somebody keeps that.
    fn digest(&self, digest: &Digest<'_>, now: DateTime<Utc>) -> impl Future<Output = Option<KnownDigest>>;

    /// Keeps other processes away from an alert for a moment, where what people see of it is still this; `None` where it is not
    /// to be changed now.
    fn hold(
        &self,
        question: &Question<'_>,
        shown: (&Alert, &Receipt),
        now: DateTime<Utc>,
    ) -> impl Future<Output = Option<Hold>>;

    /// Lets go of what is held.
    fn release(&self, question: &Question<'_>, hold: Hold, now: DateTime<Utc>) -> impl Future<Output = ()>;

    /// What became of what was claimed, written down by `deadline`; the places of what was not.
    fn record(
        &self,
        settled: &[Settled<'_>],
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> impl Future<Output = Vec<usize>>;
}
