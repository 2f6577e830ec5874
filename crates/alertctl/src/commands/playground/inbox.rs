//! The inbox as it changes, and the ways in for events from elsewhere.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, stream};
use serde_json::{Value, json};

use super::guard::{self, BadBody};
use super::live::{Entry, Live};
use super::web::{Shared, refused};
use crate::commands::input;

/// What is new, or has changed, as server-sent events.
pub(super) async fn inbox(State(playground): Shared, headers: HeaderMap) -> Response {
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok()?.parse().ok());
    // A page that is new has what came before it already.
    let begin = last.unwrap_or_else(|| *playground.live.changes().borrow());
    Sse::new(entries(Arc::clone(&playground.live), begin)).keep_alive(KeepAlive::default()).into_response()
}

fn entries(live: Arc<Live>, begin: u64) -> impl Stream<Item = Result<Event, Infallible>> {
    let changes = live.changes();
    stream::unfold(
        (live, changes, begin, VecDeque::<Arc<Entry>>::new()),
        async |(live, mut changes, last, mut waiting)| {
            while waiting.is_empty() {
                // In this order, so that nothing is missed in between.
                changes.mark_unchanged();
                waiting.extend(live.after(last));
                if waiting.is_empty() && changes.changed().await.is_err() {
                    return None;
                }
            }
            let entry = waiting.pop_front()?;
            // As JSON, which has no line ends of its own.
            let data = Value::String(entry.html.clone()).to_string();
            let event = Event::default().id(entry.number.to_string()).data(data);
            Some((Ok(event), (live, changes, entry.number, waiting)))
        },
    )
}

/// A webhook of Grafana's or Alertmanager's.
pub(super) async fn webhook(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let body = guard::read(body).await?;
    input::check_json(&body).map_err(|problem| refused(&problem))?;
    let detail: Value = serde_json::from_slice(&body).map_err(|error| refused(&error.to_string()))?;
    if !detail.is_object() {
        return Err(refused("expected a webhook: a JSON object"));
    }
    let id = playground.live.webhook(&detail);
    Ok(Json(json!({"FailedEntryCount": 0, "Entries": [{"EventId": id}]})).into_response())
}

/// Any event, for the relay.
pub(super) async fn event(State(playground): Shared, body: Body) -> Result<Response, BadBody> {
    let body = guard::read(body).await?;
    input::check_json(&body).map_err(|problem| refused(&problem))?;
    let answer = playground.live.event(body).await;
    let status = if answer.get("error").is_some() { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
    Ok((status, Json(answer)).into_response())
}
