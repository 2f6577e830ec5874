//! What is remembered of deliveries from one invocation to the next, whoever remembers it.
//!
//! Asked before an event is planned, told after each answer of a target. It never fails: who cannot remember knows nothing.

use alert_core::known::{Known, Question, Shown};
use chrono::{DateTime, Utc};

/// Remembers deliveries.
pub trait Ledger {
    /// What is known of each delivery, in the order of the questions; it is theirs who asked from now on.
    fn claim(&self, questions: &[Question<'_>]) -> impl Future<Output = Vec<Known>>;

    /// The delivery has arrived at `at`; `shown` is the state that people see now, unless they know a newer one.
    fn delivered(
        &self,
        of: Question<'_>,
        shown: Option<Shown>,
        at: DateTime<Utc>,
    ) -> impl Future<Output = ()>;

    /// The delivery was tried at `at`, and nobody knows whether it has arrived.
    fn unsure(&self, of: Question<'_>, at: DateTime<Utc>) -> impl Future<Output = ()>;
}
