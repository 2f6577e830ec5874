//! What the answer of Slack's incoming webhooks means.
//!
//! Source: Slack, "Sending messages using incoming webhooks", "Handling errors"; the bodies beyond that page are those
//! that Slack is known to answer. The body counts before the status, because the same status stands for several.

use super::{MESSAGE_REFUSED, UNAVAILABLE, WEBHOOK_REFUSED, retry_after};
use crate::outcome::{Failure, Outcome};

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
/// `body` is the answer's whole text or its beginning; `wait` the header `Retry-After`, in seconds.
#[must_use]
pub fn classify(status: u16, body: &str, wait: Option<&str>) -> Outcome {
    let body = body.trim();
    let code = error_code(body);
    if status == 200 && (body == "ok" || is_ok_json(body)) {
        return Outcome::Delivered(None);
    }
    if matches!(code, "rate_limited" | "ratelimited") || status == 429 {
        return retry_after(status, wait);
    }
    if MESSAGE_ERRORS.contains(&code) {
        let detail = format!("Slack refuses the message: {code} (HTTP {status})");
        return Outcome::MessageRefused(Failure::new(MESSAGE_REFUSED, detail));
    }
    if let Some((code, remedy)) = WEBHOOK_ERRORS.iter().find(|(known, _)| *known == code) {
        let detail = format!("Slack refuses the webhook: {code} (HTTP {status}); {remedy}");
        return Outcome::TargetRefused(Failure::new(WEBHOOK_REFUSED, detail));
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
    use std::time::Duration;

    use super::*;

    fn kind(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Delivered(_) => "delivered",
            Outcome::Retry { after: Some(_), .. } => "wait",
            Outcome::Retry { after: None, .. } => "retry",
            Outcome::Unsure(_) => "unsure",
            Outcome::MessageRefused(_) => "message",
            Outcome::TargetRefused(_) => "webhook",
            Outcome::Gone(_) | Outcome::SenderRefused(_) => "of an app alone",
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
                let delivered = classify(status, body, None) == Outcome::Delivered(None);
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
