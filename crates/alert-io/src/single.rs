//! One alert of the table that is worked on though no event tells of it: somebody has acted, or something is due.
//!
//! It is claimed as by the relay, so that the two never change the same message at once.

use std::time::Duration;

use alert_core::incident::Incident;
use alert_core::report::Keep;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::table::{Claim, Claimed, KEPT_WHEN_OPEN, Record, Store, There, Trouble, kept_until};

const PAUSE: Duration = Duration::from_millis(150);
/// A lease outlives the time that its work may take by this much: clocks differ.
const LEASE_MARGIN: TimeDelta = TimeDelta::milliseconds(500);

/// Claims alerts of a store for one process.
#[derive(Debug)]
pub struct Single<S> {
    /// The store.
    pub store: S,
    owner: String,
}

/// An alert that is ours.
#[derive(Debug)]
pub struct Held {
    /// What is known of it.
    pub incident: Incident,
    /// What its message holds.
    pub shown: Option<String>,
    place: String,
    /// The names of deliveries that may have arrived.
    pub tried: Vec<String>,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claiming {
    /// It is ours.
    Ours(Box<Held>),
    /// Somebody else works on it.
    Busy,
    /// Nothing is known of it.
    Unknown,
}

impl<S: Store> Single<S> {
    /// For this process.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self { store, owner: format!("{:032x}", rand::random::<u128>()) }
    }

    /// The alert that a message shows; the error is for people.
    pub async fn shown_by(&self, message: &str) -> Result<Option<String>, String> {
        self.store.shown_by(message).await.map_err(|Trouble(why)| why)
    }

    /// Claims an alert for at most so long; waits for others until `patience` is over. Nothing is posted that could be missed.
    pub async fn claim(
        &self,
        place: &str,
        work: Duration,
        patience: Duration,
        clock: Clock,
    ) -> Result<Claiming, Trouble> {
        let end = Instant::now() + patience;
        loop {
            let now = clock.now();
            let until = now + TimeDelta::from_std(work).unwrap_or_default() + LEASE_MARGIN;
            let (owner, expires_at) = (self.owner.as_str(), now + KEPT_WHEN_OPEN);
            let claim = Claim { key: place, owner, deliveries: &[], now, until, expires_at };
            match self.store.claim(&claim).await? {
                Claimed::Ours(There { incident, tried, shown, .. }) => {
                    let Some(incident) = incident else {
                        // Nothing is left behind of what was never there.
                        let keep = Keep::only(tried);
                        self.write(place, &keep, now, false).await?;
                        return Ok(Claiming::Unknown);
                    };
                    return Ok(Claiming::Ours(Box::new(Held {
                        incident,
                        shown,
                        place: place.to_owned(),
                        tried,
                    })));
                }
                Claimed::Others(_) if Instant::now() + PAUSE > end => return Ok(Claiming::Busy),
                Claimed::Others(_) => sleep(PAUSE).await,
            }
        }
    }

    /// Writes down what is held, and what its message is to hold, where that is new. It stays ours.
    pub async fn record(&self, held: &Held, is_shown_new: bool, clock: Clock) -> Result<bool, Trouble> {
        let keep = Keep {
            incident: Some(held.incident.clone()),
            shown: held.shown.clone().filter(|_| is_shown_new),
            ..Keep::only(held.tried.clone())
        };
        self.write(&held.place, &keep, clock.now(), true).await
    }

    /// Lets go of what is held, as it was recorded.
    pub async fn release(&self, held: Held, clock: Clock) -> Result<(), Trouble> {
        let Held { incident, place, tried, .. } = held;
        let now = clock.now();
        let expires_at = kept_until(Some(&incident), now);
        let keep = Keep::only(tried);
        let record = Record { key: &place, owner: &self.owner, keep: &keep, expires_at, now, is_kept: false };
        self.store.record(&record).await.map(|_| ())
    }

    async fn write(
        &self,
        place: &str,
        keep: &Keep,
        now: DateTime<Utc>,
        is_kept: bool,
    ) -> Result<bool, Trouble> {
        let expires_at = kept_until(keep.incident.as_ref(), now);
        let record = Record { key: place, owner: &self.owner, keep, expires_at, now, is_kept };
        self.store.record(&record).await
    }
}
