//! Signs of life, written down for who looks at the time.

use std::collections::BTreeMap;

use alert_core::config::Config;
use alert_core::decide::HEARTBEAT;
use alert_core::heartbeat::{Beat, Heard};
use alert_core::note::{self, Note};
use alert_core::outcome::Failure;
use chrono::{DateTime, Utc};

use crate::metrics::TABLE_UNAVAILABLE;
use crate::notes;
use crate::table::{Store, Trouble};

/// Begins to wait for those of which nothing is known, so that what never gives a sign of life is missed, too.
pub async fn wait_for_all(store: &impl Store, config: &Config, now: DateTime<Utc>) -> Result<(), Trouble> {
    for heartbeat in &config.heartbeats {
        let beat = Beat::awaited(heartbeat, now);
        let due_at = Some(heartbeat.missing_at(beat.last_at));
        let noted = notes::noted(&Note::Heartbeat(beat), due_at, now);
        store.put_note(&note::heartbeat(&heartbeat.name), &noted, None).await?;
    }
    Ok(())
}

/// Writes down what was heard, and says of which items it could not be.
pub async fn record(
    store: &impl Store,
    heard: &[Heard],
    now: DateTime<Utc>,
) -> Vec<(usize, String, Failure)> {
    // Of several at once the last one says it all.
    let mut newest: BTreeMap<&str, &Heard> = BTreeMap::new();
    for one in heard {
        let last = newest.entry(&one.heartbeat.name).or_insert(one);
        if last.at < one.at {
            *last = one;
        }
    }
    let mut failed = Vec::new();
    for (name, last) in newest {
        if let Err(Trouble(why)) = record_one(store, last, now).await {
            let failure = Failure::new(
                TABLE_UNAVAILABLE,
                format!("a sign of life of {name} is not written down: {why}"),
            );
            let items = heard.iter().filter(|one| one.heartbeat.name == name).map(|one| one.item);
            failed.extend(items.map(|item| (item, format!("{HEARTBEAT}{name}"), failure.clone())));
        }
    }
    failed
}

async fn record_one(store: &impl Store, heard: &Heard, now: DateTime<Utc>) -> Result<(), Trouble> {
    let key = note::heartbeat(&heard.heartbeat.name);
    notes::change(store, &key, now, |known| {
        let known = match known {
            Some(Note::Heartbeat(known)) => Some(known),
            _ => None,
        };
        let (beat, due_at) = Beat::heard(known.as_ref(), &heard.heartbeat, heard.at, now);
        Some((Note::Heartbeat(beat), due_at))
    })
    .await
}
