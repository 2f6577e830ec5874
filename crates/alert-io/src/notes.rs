//! Changing what is written down, though others may do so at the same time.

use alert_core::note::Note;
use alert_core::receipt::{Counts, Schedule};
use chrono::{DateTime, TimeDelta, Utc};

use crate::metrics::TABLE_UNAVAILABLE;
use crate::table::{Noted, Store, Trouble};

/// Of several processes that write at once one is first, and the others look again.
const TRIES_MAX: usize = 5;
/// Of a receipt that was told nobody asks any more.
const COUNTS_KEPT: TimeDelta = TimeDelta::days(14);
/// What is heard of once a month is remembered for three.
const KEPT: TimeDelta = TimeDelta::days(90);

/// A note as it is written down.
#[must_use]
pub fn noted(note: &Note, due_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Noted {
    Noted { text: note.to_json(), due_at, expires_at: now + KEPT }
}

/// Writes down what `next` makes of what is there, and when something is to be done about it; nothing, where
/// it makes nothing of it. What cannot be read is not known.
pub async fn change(
    store: &impl Store,
    key: &str,
    now: DateTime<Utc>,
    next: impl Fn(Option<Note>) -> Option<(Note, Option<DateTime<Utc>>)>,
) -> Result<(), Trouble> {
    for _ in 0..TRIES_MAX {
        let there = store.note(key).await?;
        let known = there.as_deref().and_then(|text| Note::from_json(text).ok());
        let Some((note, due_at)) = next(known) else { return Ok(()) };
        if store.put_note(key, &noted(&note, due_at, now), there.as_deref()).await? {
            return Ok(());
        }
    }
    Err(Trouble(format!("others write {key} down all the time")))
}

/// Counts for a receipt. Where that fails it tells less; who counts has other things to do.
pub async fn count(store: &impl Store, schedule: Schedule, counts: &Counts, now: DateTime<Utc>) {
    if counts.is_empty() {
        return;
    }
    if let Err(Trouble(why)) = store.count(&schedule.counts_key(), counts, now + COUNTS_KEPT).await {
        tracing::warn!(
            error_type = TABLE_UNAVAILABLE,
            "what has happened is not counted for the receipt: {why}"
        );
    }
}
