//! Notifications of the second way that wait for their turn: a storm is one notification, and who looks at the time sends it.

use alert_core::note::{self, Note, Turn, WAITING_FIRST};
use alert_core::render::sns::Notification;
use chrono::{DateTime, TimeDelta, Utc};

use crate::table::{Noted, Store, Trouble};

/// A notification that nobody has sent by then tells nothing any more.
const KEPT: TimeDelta = TimeDelta::days(14);
/// The pace says nothing any more.
const PACE_KEPT: TimeDelta = TimeDelta::days(1);

/// What SNS did not take is tried again so much later.
const AGAIN: TimeDelta = TimeDelta::minutes(2);

/// What becomes of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// It is to be sent, by whoever asked; who cannot gives this turn [back](give_back).
    Send(String),
    /// It waits until then; of a further one nothing was written down.
    Waits(DateTime<Utc>),
}

/// Asks whether notifications that have waited may go to a topic now; of several who ask at once one gets the turn.
pub async fn turn(store: &impl Store, topic: &str, now: DateTime<Utc>) -> Result<Turned, Trouble> {
    turn_after(store, topic, TimeDelta::zero(), now).await
}

async fn turn_after(
    store: &impl Store,
    topic: &str,
    after: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Turned, Trouble> {
    let key = note::pace(topic);
    let there = store.note(&key).await?;
    let pace = there.as_deref().and_then(|text| Note::from_json(text).ok());
    let next_at = match Turn::of(pace.as_ref(), after, now) {
        Turn::At(at) => return Ok(Turned::Waits(at)),
        Turn::Now(next_at) => next_at,
    };
    let by = format!("{:016x}", rand::random::<u64>());
    let text = Note::Pace { next_at, by }.to_json();
    let noted = Noted { text: text.clone(), due_at: None, expires_at: now + PACE_KEPT };
    let is_ours = store.put_note(&key, &noted, there.as_deref()).await?;
    Ok(if is_ours { Turned::Send(text) } else { Turned::Waits(next_at) })
}

/// Gives back a turn in which nothing was sent.
pub async fn give_back(store: &impl Store, topic: &str, turn: &str) {
    // Where that fails the next notification waits for five minutes.
    let _ = store.drop_note(&note::pace(topic), turn).await;
}

/// Lets a notification wait that SNS did not take: who looks at the time tries it until SNS does, and says so.
pub async fn wait(
    store: &impl Store,
    topic: &str,
    post: &str,
    notification: &Notification,
    now: DateTime<Utc>,
) -> Result<(), Trouble> {
    write_down(store, topic, post, notification, (now, now + AGAIN)).await
}

/// Asks whether a notification may go now, and lets it wait where it may not. `post` names what it tells.
pub async fn turn_or_wait(
    store: &impl Store,
    topic: &str,
    post: &str,
    notification: &Notification,
    now: DateTime<Utc>,
) -> Result<Turned, Trouble> {
    let turned = turn_after(store, topic, WAITING_FIRST, now).await?;
    if let Turned::Waits(due_at) = turned {
        write_down(store, topic, post, notification, (now, due_at)).await?;
    }
    Ok(turned)
}

async fn write_down(
    store: &impl Store,
    topic: &str,
    post: &str,
    notification: &Notification,
    (now, due_at): (DateTime<Utc>, DateTime<Utc>),
) -> Result<(), Trouble> {
    let text =
        Note::Notification { topic: topic.to_owned(), at: now, notification: notification.clone() }.to_json();
    let noted = Noted { text, due_at: Some(due_at), expires_at: now + KEPT };
    // Where it waits already, an earlier try has written it down.
    store.put_note(&note::notification(topic, post), &noted, None).await.map(|_| ())
}
