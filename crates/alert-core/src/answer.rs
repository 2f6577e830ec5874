//! What Slack's answer means for the message: the one place where it is decided whether to try again.
//!
//! Source: Slack, "Sending messages using incoming webhooks", "Handling errors"; the bodies beyond that page are those
//! that Slack is known to answer. The body counts before the status, because the same status stands for several.

use std::time::Duration;

use thiserror::Error;

/// What is to be done after one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Slack has it.
    Delivered,
    /// The message may pass later; the webhook takes nothing before `after` where Slack says so.
    Retry {
        /// How long to wait at least.
        after: Option<Duration>,
        /// Why.
        failure: Failure,
    },
    /// The message may have arrived, and may still: nobody said so in time. Another try may be a repeat.
    Unsure(Failure),
    /// Slack will not take this message in this form, from anybody.
    MessageRefused(Failure),
    /// Slack takes nothing by this webhook until a person mends it.
    WebhookRefused(Failure),
}

/// Why a message was not delivered, in a form that people and alarms can rely on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{detail}")]
pub struct Failure {
    /// Stable: a metric's label, and the `errorType` of the invocation.
    pub error_type: &'static str,
    /// One sentence for the person who must act; holds no secret.
    pub detail: String,
}

impl Failure {
    /// A failure of this type.
    pub fn new(error_type: &'static str, detail: impl Into<String>) -> Self {
        Self { error_type, detail: detail.into() }
    }
}

/// Slack asked for a pause.
pub const RATE_LIMITED: &str = "slack_rate_limited";
/// Slack has a fault of its own, or none of ours could be reached.
pub const UNAVAILABLE: &str = "slack_unavailable";
/// No answer in time; the message may have arrived all the same.
pub const TIMEOUT: &str = "slack_timeout";
/// Slack refuses the message's content.
pub const MESSAGE_REFUSED: &str = "slack_message_refused";
/// The webhook or its channel does not exist (any more), or may not be used.
pub const WEBHOOK_REFUSED: &str = "slack_webhook_refused";

/// Slack answers with whole minutes at most; a larger number is a mistake that must not stop alerts for hours.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(15);
/// What Slack's rate of one message a second asks for, when a 429 names no time.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// Only codes that we know refuse the webhook for all messages.
const NO_KNOWN_CODE: &str = "; where every message gets this answer, check that the encrypted URL is that of an active incoming webhook, and that no proxy answers in Slack's place";

/// Bodies that refuse the message itself.
const MESSAGE_ERRORS: &[&str] = &[
    "invalid_payload",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_attachments",
    "no_text",
    "too_many_attachments",
    "msg_blocks_too_long",
    "msg_too_long",
    "user_not_found",
];

/// Bodies that refuse the webhook, with what a person can do about it.
const WEBHOOK_ERRORS: &[(&str, &str)] = &[
    (
        "action_prohibited",
        "a workspace admin has restricted posting to this channel: ask for permission or choose another",
    ),
    (
        "posting_to_general_channel_denied",
        "the workspace restricts posting to #general: choose another channel",
    ),
    (
        "invalid_token",
        "the webhook URL is wrong or was revoked: create a new webhook and encrypt its URL again",
    ),
    ("token_revoked", "the webhook was revoked: create a new webhook and encrypt its URL again"),
    (
        "account_inactive",
        "the webhook's owner is deactivated: create a new webhook and encrypt its URL again",
    ),
    (
        "channel_not_found",
        "the webhook's channel does not exist (any more): create a new webhook and encrypt its URL again",
    ),
    (
        "channel_is_archived",
        "the webhook's channel is archived: unarchive it, or create a new webhook and encrypt its URL again",
    ),
    ("no_active_hooks", "the webhook was disabled: create a new webhook and encrypt its URL again"),
    ("no_service", "the webhook was removed or disabled: create a new webhook and encrypt its URL again"),
    ("no_service_id", "the webhook URL is incomplete: encrypt the whole URL again"),
    ("no_team", "the workspace in the webhook URL does not exist: encrypt the right URL again"),
    ("team_disabled", "the Slack workspace is disabled"),
];

/// What an answer means.
///
/// `body` is the answer's whole text or its beginning; `retry_after` the header of that name, in seconds.
#[must_use]
pub fn classify(status: u16, body: &str, retry_after: Option<&str>) -> Outcome {
    let body = body.trim();
    let code = error_code(body);
    if status == 200 && (body == "ok" || is_ok_json(body)) {
        return Outcome::Delivered;
    }
    if matches!(code, "rate_limited" | "ratelimited") || status == 429 {
        let after = retry_after
            .and_then(|text| text.trim().parse().ok())
            .map_or(RETRY_AFTER_DEFAULT, Duration::from_secs)
            .min(RETRY_AFTER_MAX);
        let detail = format!("Slack asks to wait {} s (HTTP {status})", after.as_secs());
        return Outcome::Retry { after: Some(after), failure: Failure::new(RATE_LIMITED, detail) };
    }
    if MESSAGE_ERRORS.contains(&code) {
        let detail = format!("Slack refuses the message: {code} (HTTP {status})");
        return Outcome::MessageRefused(Failure::new(MESSAGE_REFUSED, detail));
    }
    if let Some((code, remedy)) = WEBHOOK_ERRORS.iter().find(|(known, _)| *known == code) {
        let detail = format!("Slack refuses the webhook: {code} (HTTP {status}); {remedy}");
        return Outcome::WebhookRefused(Failure::new(WEBHOOK_REFUSED, detail));
    }
    match status {
        // A code that nobody knows may be about this message alone, and so may the page of somebody in between: those
        // behind it are worth a try of their own.
        400..=499 if !matches!(status, 408 | 425) => {
            let doubt = if status == 400 || status == 413 { "" } else { NO_KNOWN_CODE };
            let detail = format!("Slack refuses the message: HTTP {status}{}{doubt}", shown(code));
            Outcome::MessageRefused(Failure::new(MESSAGE_REFUSED, detail))
        }
        _ => {
            let detail = format!("Slack did not take the message: HTTP {status}{}", shown(code));
            Outcome::Retry { after: None, failure: Failure::new(UNAVAILABLE, detail) }
        }
    }
}

/// Slack's error code: the body itself, or `error` of a JSON body.
fn error_code(body: &str) -> &str {
    let code = body.split_once(r#""error":""#).and_then(|(_, rest)| rest.split('"').next()).unwrap_or(body);
    // Anything else than a code is a page of somebody in between, and may say anything.
    let is_code =
        code.len() <= 60 && code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if is_code { code } else { "" }
}

fn is_ok_json(body: &str) -> bool {
    body.starts_with('{') && body.contains(r#""ok":true"#)
}

fn shown(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" {code}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Delivered => "delivered",
            Outcome::Retry { after: Some(_), .. } => "wait",
            Outcome::Retry { after: None, .. } => "retry",
            Outcome::Unsure(_) => "unsure",
            Outcome::MessageRefused(_) => "message",
            Outcome::WebhookRefused(_) => "webhook",
        }
    }

    #[test]
    fn the_whole_table() {
        for (status, body, expected) in [
            (200, "ok", "delivered"),
            (200, "ok\n", "delivered"),
            (200, r#"{"ok":true}"#, "delivered"),
            (200, "<html>login</html>", "retry"),
            (200, r#"{"ok":false,"error":"channel_not_found"}"#, "webhook"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "wait"),
            (429, "", "wait"),
            (429, "no_service", "wait"),
            (400, "invalid_payload", "message"),
            (400, "invalid_blocks", "message"),
            (400, "msg_blocks_too_long", "message"),
            (400, "something_new", "message"),
            (400, "no_team", "webhook"),
            (403, "action_prohibited", "webhook"),
            (403, "invalid_token", "webhook"),
            (404, "no_service", "webhook"),
            (404, "", "message"),
            (403, "<html>", "message"),
            (422, "unprocessable_entity", "message"),
            (410, "channel_is_archived", "webhook"),
            (401, "", "message"),
            (302, "", "retry"),
            (500, "rollup_error", "retry"),
            (502, "<html>", "retry"),
            (503, "", "retry"),
            (408, "", "retry"),
        ] {
            assert_eq!(kind(&classify(status, body, None)), expected, "{status} {body}");
        }
    }

    #[test]
    fn every_status_has_a_meaning_and_only_200_ok_is_success() {
        for status in 0..=999 {
            for body in ["", "ok", "nonsense", "invalid_blocks"] {
                let delivered = classify(status, body, None) == Outcome::Delivered;
                assert_eq!(delivered, status == 200 && body == "ok", "{status} {body}");
            }
        }
    }

    #[test]
    fn waiting_times() {
        for (header, seconds) in
            [(Some("30"), 30), (Some(" 2 "), 2), (None, 1), (Some("soon"), 1), (Some("999999"), 900)]
        {
            let Outcome::Retry { after, .. } = classify(429, "", header) else { panic!("{header:?}") };
            assert_eq!(after, Some(Duration::from_secs(seconds)), "{header:?}");
        }
    }
}
