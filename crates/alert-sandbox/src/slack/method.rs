//! The ways in, and the form that each has for an error.

use super::app;
use super::service::Judgement;

/// A way in: webhooks, the address that comes with a click, or a method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Incoming webhooks.
    Webhook,
    /// The `response_url` of an interaction.
    ResponseUrl,
    /// `chat.postMessage`.
    PostMessage,
    /// `chat.update`.
    Update,
    /// `conversations.history`.
    History,
    /// `conversations.replies`.
    Replies,
    /// `auth.test`.
    AuthTest,
    /// `usergroups.users.list`.
    UsergroupUsers,
    /// `reactions.get`.
    Reactions,
}

impl Method {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "chat.postMessage" => Some(Self::PostMessage),
            "chat.update" => Some(Self::Update),
            "conversations.history" => Some(Self::History),
            "conversations.replies" => Some(Self::Replies),
            "auth.test" => Some(Self::AuthTest),
            "usergroups.users.list" => Some(Self::UsergroupUsers),
            "reactions.get" => Some(Self::Reactions),
            _ => None,
        }
    }

    /// Whether it brings a new message.
    #[must_use]
    pub fn is_post(self) -> bool {
        matches!(self, Self::Webhook | Self::PostMessage)
    }

    /// This error in the form that this way has for it.
    pub(super) fn error(self, code: &str, why: &str) -> Judgement {
        match self {
            Self::Webhook => Judgement::new(webhook_status(code), code, why),
            Self::ResponseUrl => Judgement { status: webhook_status(code), ..app::error(code, why) },
            _ => app::error(code, why),
        }
    }

    pub(super) fn rate_limited(self, retry_after: u64, why: &str) -> Judgement {
        let verdict = match self {
            Self::Webhook => Judgement::new(429, "rate_limited", why),
            _ => Judgement { status: 429, ..app::error("ratelimited", why) },
        };
        Judgement { retry_after: Some(retry_after), ..verdict }
    }
}

/// The status that comes with an error of webhooks.
fn webhook_status(code: &str) -> u16 {
    match code {
        "action_prohibited" | "invalid_token" | "posting_to_general_channel_denied" | "team_disabled" => 403,
        "channel_not_found" | "expired_url" | "message_not_found" | "no_service" | "used_url"
        | "user_not_found" => 404,
        "channel_is_archived" => 410,
        "fatal_error" | "internal_error" | "rollup_error" => 500,
        "service_unavailable" => 503,
        _ => 400,
    }
}
