//! Which rules cannot be evaluated, written down for who looks at the time.

use alert_core::blind::{Blind, Seen};
use alert_core::note::{self, Note};
use chrono::{DateTime, Utc};

use crate::metrics::TABLE_UNAVAILABLE;
use crate::notes;
use crate::table::{Store, Trouble};

/// Writes down what was seen; whether that went well. What was held back is held back all the same: where it goes on, it comes again.
pub async fn record(store: &impl Store, seen: &[Seen], now: DateTime<Utc>) -> bool {
    let noted = notes::change(store, note::BLIND, now, |known| {
        let known = match known {
            Some(Note::Blind(known)) => known,
            _ => Blind::default(),
        };
        let (next, due_at) = known.see(seen, now);
        (next != known).then_some((Note::Blind(next), due_at))
    });
    let noted = noted.await;
    if let Err(Trouble(why)) = &noted {
        tracing::warn!(
            error_type = TABLE_UNAVAILABLE,
            "which rules cannot be evaluated is not written down: {why}"
        );
    }
    noted.is_ok()
}
