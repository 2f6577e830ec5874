//! What is remembered of deliveries from one invocation to the next, whoever remembers it.
//!
//! Asked before an event is planned, told when it is done with. It never fails: who cannot remember knows nothing.

use alert_core::known::{Known, Question};
use alert_core::report::Settled;

/// Remembers deliveries.
pub trait Ledger {
    /// What is known of each delivery, in the order of the questions; it is theirs who asked from now on.
    fn claim(&self, questions: &[Question<'_>]) -> impl Future<Output = Vec<Known>>;

    /// What became of what was claimed.
    fn record(&self, settled: &[Settled<'_>]) -> impl Future<Output = ()>;
}
