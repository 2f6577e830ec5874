//! The invocation's end, and what is left until then.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// Left over for the answer to Lambda.
const MARGIN: Duration = Duration::from_millis(700);

/// The moment by which an invocation must have said what became of its event.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline that lies this far ahead; nothing is kept back from it.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Lambda's own deadline, less the time for the answer.
    #[must_use]
    pub fn of_invocation(end: SystemTime) -> Self {
        Self::after(end.duration_since(SystemTime::now()).unwrap_or_default().saturating_sub(MARGIN))
    }

    /// One that lies so much nearer.
    #[must_use]
    pub fn less(self, time: Duration) -> Self {
        Self(self.0.checked_sub(time).unwrap_or(self.0))
    }

    /// The time that is left.
    #[must_use]
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether this much time is left.
    #[must_use]
    pub fn allows(self, time: Duration) -> bool {
        self.left() > time
    }
}
