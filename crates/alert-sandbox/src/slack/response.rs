//! The `response_url` of an interaction: for some minutes, and for a few times, whoever has it may answer the person.
//!
//! Source: docs.slack.dev, interactivity/handling-user-interaction. What becomes of an answer that says nothing about
//! the original message is what that page says: the person alone sees it.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Method;
use super::content::{Refusal, check};
use super::service::{Effect, Judgement, Service, Unreadable};
use super::workspace::{Author, Content, flag};

/// For how long an address may be used.
pub const RESPONSE_URL_LIFETIME: Duration = Duration::from_mins(30);
/// How often.
pub const RESPONSE_URL_USES: u32 = 5;

/// What one person was told alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ephemeral {
    /// The person's id.
    pub user: String,
    /// The channel's name.
    pub channel: String,
    /// The text.
    pub text: String,
}

/// An address that was given out.
#[derive(Debug)]
pub(super) struct ResponseUrl {
    /// The app, by its name.
    pub(super) app: String,
    /// The channel's id.
    pub(super) room: String,
    /// The message that was clicked in.
    pub(super) ts: String,
    /// Who clicked.
    pub(super) user: String,
    pub(super) since: Instant,
    pub(super) uses: u32,
    /// Whether its time is over, whatever the clock says.
    pub(super) expired: bool,
}

impl Service {
    /// What Slack makes of an answer when nothing is staged.
    pub(super) fn judge_response(
        &self,
        path: &str,
        payload: Result<&Value, &Unreadable>,
    ) -> Result<Effect, Judgement> {
        let refuse = |code, why: &str| Err(Method::ResponseUrl.error(code, why));
        let Some(response) = self.responses.get(path) else {
            return refuse("no_service", "no interaction has this address");
        };
        if response.expired || response.since.elapsed() >= RESPONSE_URL_LIFETIME {
            return refuse("expired_url", "the interaction was more than 30 minutes ago");
        }
        if response.uses >= RESPONSE_URL_USES {
            return refuse("used_url", "it was used five times");
        }
        let Some(room) = self.workspace.by_id(&response.room) else {
            return refuse("channel_not_found", "the channel is gone");
        };
        let payload = match payload {
            Ok(payload) => payload,
            Err(unreadable) => return refuse(unreadable.error, "the body is not JSON"),
        };
        let (id, ts) = (room.id.clone(), response.ts.clone());
        let original = |effect| match room.message(&response.ts) {
            Some(_) => Ok(effect),
            None => refuse("message_not_found", "the message was deleted"),
        };
        if flag(payload, "delete_original") {
            return original(Effect::Erase { room: id, ts });
        }
        if let Err(Refusal { answer, why, .. }) = check(payload) {
            return refuse(answer, &why);
        }
        if flag(payload, "replace_original") {
            return original(Effect::Edit { room: id, ts, content: Content::new(payload) });
        }
        match payload.get("response_type").and_then(Value::as_str) {
            Some("in_channel") => Ok(Effect::Say { room: id, author: Author::App(response.app.clone()) }),
            None | Some("ephemeral") => Ok(Effect::Whisper(Ephemeral {
                user: response.user.clone(),
                channel: room.name.clone(),
                text: payload.get("text").and_then(Value::as_str).unwrap_or_default().to_owned(),
            })),
            Some(_) => refuse("invalid_payload", "response_type: neither ephemeral nor in_channel"),
        }
    }

    pub(super) fn use_response(&mut self, path: &str) {
        if let Some(response) = self.responses.get_mut(path) {
            response.uses += 1;
        }
    }
}
