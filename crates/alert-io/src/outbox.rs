//! Mails of the second way that wait for their turn: a storm is one mail, and who looks at the time sends it.

use alert_core::note::{self, Note, Turn};
use alert_core::render::sns::Mail;
use chrono::{DateTime, TimeDelta, Utc};

use crate::table::{Noted, Store, Trouble};

/// A mail that nobody has sent by then tells nothing any more.
const KEPT: TimeDelta = TimeDelta::days(14);
/// The pace says nothing any more.
const PACE_KEPT: TimeDelta = TimeDelta::days(1);

/// What becomes of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turned {
    /// It is to be sent, by whoever asked.
    Send,
    /// It waits until then; of a further one nothing was written down.
    Waits(DateTime<Utc>),
}

/// Asks whether a mail may go to a topic now; of several who ask at once one gets the turn.
pub async fn turn(store: &impl Store, topic: &str, now: DateTime<Utc>) -> Result<Turned, Trouble> {
    let key = note::pace(topic);
    let there = store.note(&key).await?;
    let pace = there.as_deref().and_then(|text| Note::from_json(text).ok());
    let next_at = match Turn::of(pace.as_ref(), now) {
        Turn::At(at) => return Ok(Turned::Waits(at)),
        Turn::Now(next_at) => next_at,
    };
    let by = format!("{:016x}", rand::random::<u64>());
    let text = Note::Pace { next_at, by }.to_json();
    let noted = Noted { text, due_at: None, expires_at: now + PACE_KEPT };
    let is_ours = store.put_note(&key, &noted, there.as_deref()).await?;
    Ok(if is_ours { Turned::Send } else { Turned::Waits(next_at) })
}

/// Asks whether a mail may go now, and lets it wait where it may not. `post` names what it tells.
pub async fn turn_or_wait(
    store: &impl Store,
    topic: &str,
    post: &str,
    mail: &Mail,
    now: DateTime<Utc>,
) -> Result<Turned, Trouble> {
    let turned = turn(store, topic, now).await?;
    if let Turned::Waits(due_at) = turned {
        let key = note::mail(topic, post);
        let text = Note::Mail { topic: topic.to_owned(), at: now, mail: mail.clone() }.to_json();
        let noted = Noted { text, due_at: Some(due_at), expires_at: now + KEPT };
        // Where it waits already, an earlier try has written it down.
        store.put_note(&key, &noted, None).await?;
    }
    Ok(turned)
}
