//! The clock: read once, and gone on since.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

/// What the clock said once, and so what it says now.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    read: DateTime<Utc>,
    at: Instant,
}

impl Clock {
    /// The clock that says this now.
    #[must_use]
    pub fn at(now: DateTime<Utc>) -> Self {
        Self { read: now, at: Instant::now() }
    }

    /// The system's.
    #[must_use]
    pub fn system() -> Self {
        Self::at(Utc::now())
    }

    /// What it says now.
    #[must_use]
    pub fn now(self) -> DateTime<Utc> {
        self.read + TimeDelta::from_std(self.at.elapsed()).unwrap_or_default()
    }
}
