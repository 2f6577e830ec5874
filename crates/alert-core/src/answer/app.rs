//! What the answers of Slack's Web API mean: `chat.postMessage`, `chat.update` and `conversations.history`.
//!
//! Source: docs.slack.dev, "Error handling" of each of the three methods, and "Rate limits". Most refusals are HTTP 200 with
//! `ok: false`; the code counts, and the status only where there is none.

use serde::Deserialize;

use super::{CHANNEL_REFUSED, MESSAGE_REFUSED, TOKEN_REFUSED, UNAVAILABLE, retry_after};
use crate::outcome::{Failure, Outcome, Receipt};

/// What is read of an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    ok: bool,
    error: Option<String>,
    needed: Option<String>,
    channel: Option<String>,
    ts: Option<String>,
}

/// What a refusal is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum About {
    /// Slack asks for a pause.
    Rate,
    /// Slack itself: it may pass later.
    Slack,
    /// The message that was to be changed or answered: a new one may pass.
    Original,
    /// This message, in this form.
    Message,
    /// This channel, with what a person can do about it.
    Channel(&'static str),
    /// The token, in every channel, with what a person can do about it.
    Token(&'static str),
}

const NEW_TOKEN: &str = "install the app again and encrypt its new bot token";

/// Every documented code of the three methods.
const ERRORS: &[(&str, About)] = &[
    ("ratelimited", About::Rate),
    ("rate_limited", About::Rate),
    ("message_limit_exceeded", About::Rate),
    ("fatal_error", About::Slack),
    ("internal_error", About::Slack),
    ("service_unavailable", About::Slack),
    ("request_timeout", About::Slack),
    ("update_failed", About::Slack),
    ("team_added_to_org", About::Slack),
    ("org_login_required", About::Slack),
    ("external_channel_migrating", About::Slack),
    ("streaming_state_conflict", About::Slack),
    ("message_not_found", About::Original),
    ("cant_update_message", About::Original),
    ("edit_window_closed", About::Original),
    ("is_inactive", About::Original),
    ("block_mismatch", About::Original),
    ("thread_not_found", About::Original),
    ("cannot_reply_to_message", About::Original),
    ("cant_broadcast_message", About::Original),
    ("no_dual_broadcast_content_update", About::Original),
    ("restricted_action_thread_locked", About::Original),
    ("restricted_action_non_threadable_channel", About::Original),
    ("invalid_blocks", About::Message),
    ("invalid_blocks_format", About::Message),
    ("invalid_attachments", About::Message),
    ("attachment_payload_limit_exceeded", About::Message),
    ("too_many_attachments", About::Message),
    ("too_many_contact_cards", About::Message),
    ("msg_blocks_too_long", About::Message),
    ("msg_too_long", About::Message),
    ("no_text", About::Message),
    ("markdown_text_conflict", About::Message),
    ("metadata_too_large", About::Message),
    ("metadata_must_be_sent_from_app", About::Message),
    ("invalid_metadata_format", About::Message),
    ("invalid_metadata_schema", About::Message),
    ("slack_connect_file_link_sharing_blocked", About::Message),
    ("slack_connect_canvas_sharing_blocked", About::Message),
    ("slack_connect_blocked_file_type", About::Message),
    ("as_user_not_supported", About::Message),
    ("invalid_arguments", About::Message),
    ("invalid_arg_name", About::Message),
    ("invalid_array_arg", About::Message),
    ("invalid_charset", About::Message),
    ("invalid_form_data", About::Message),
    ("invalid_json", About::Message),
    ("json_not_object", About::Message),
    ("invalid_post_type", About::Message),
    ("missing_post_type", About::Message),
    (
        "channel_not_found",
        About::Channel("check its id or name; into a private channel the app must be invited (/invite)"),
    ),
    (
        "not_in_channel",
        About::Channel("invite the app into the channel (/invite), or give it the scope chat:write.public"),
    ),
    ("is_archived", About::Channel("the channel is archived: unarchive it, or choose another")),
    ("duplicate_channel_not_found", About::Channel("give the channel's id instead of its name")),
    ("duplicate_message_not_found", About::Channel("give the channel's id instead of its name")),
    ("channel_type_not_supported", About::Channel("choose a channel of the workspace")),
    ("cannot_dm_bot", About::Channel("choose a channel instead of a bot's direct messages")),
    ("messages_tab_disabled", About::Channel("choose a channel instead of the app's own messages")),
    (
        "restricted_action",
        About::Channel(
            "a workspace admin has restricted posting there: ask for permission, or choose another",
        ),
    ),
    (
        "restricted_action_read_only_channel",
        About::Channel("the channel is read-only: ask for permission, or choose another"),
    ),
    (
        "restricted_action_thread_only_channel",
        About::Channel("the channel takes answers in threads alone: choose another"),
    ),
    ("no_permission", About::Channel("the app may not post there: invite it into the channel (/invite)")),
    ("team_not_found", About::Channel("the channel's workspace was not found: choose another channel")),
    ("not_authed", About::Token("no token arrived: encrypt the app's bot token (xoxb-…) again, as a whole")),
    (
        "invalid_auth",
        About::Token(
            "the token is wrong, or may not be used from this address: encrypt the app's bot token (xoxb-…) again",
        ),
    ),
    ("token_revoked", About::Token(NEW_TOKEN)),
    ("token_expired", About::Token("make the app without token rotation, and encrypt its bot token")),
    ("account_inactive", About::Token(NEW_TOKEN)),
    ("not_allowed_token_type", About::Token("encrypt the app's bot token, which begins with xoxb-")),
    ("missing_scope", About::Token("give the app the scope that is missing, and install it again")),
    ("access_denied", About::Token("a workspace admin has to allow the app")),
    (
        "accesslimited",
        About::Token(
            "the workspace limits access to certain networks: a workspace admin has to allow this one",
        ),
    ),
    ("team_access_not_granted", About::Token("install the app in the channel's workspace")),
    ("enterprise_is_restricted", About::Token("install the app in a workspace instead of the organisation")),
    ("ekm_access_denied", About::Token("administrators have suspended posting")),
    ("two_factor_setup_required", About::Token("the app's owner has to set up two-factor authentication")),
    (
        "deprecated_endpoint",
        About::Token("Slack has retired the method: install a newer version of the relay"),
    ),
    ("method_deprecated", About::Token("Slack has retired the method: install a newer version of the relay")),
];

/// What an answer to `chat.postMessage` or `chat.update` means.
///
/// `channel` is what was asked for, for people; `body` the answer's text as a whole; `wait` the header `Retry-After`, in
/// seconds.
#[must_use]
pub fn classify(channel: &str, status: u16, body: &str, wait: Option<&str>) -> Outcome {
    let answer: Answer = serde_json::from_str(body).unwrap_or_default();
    if status == 200 && answer.ok {
        let receipt = answer.channel.zip(answer.ts).map(|(place, message)| Receipt { place, message });
        return Outcome::Delivered(receipt);
    }
    let code = answer.error.as_deref().filter(|code| is_code(code));
    let known = ERRORS.iter().find(|(known, _)| Some(*known) == code).map(|(_, about)| *about);
    let said = code.map_or_else(|| format!("HTTP {status}"), |code| format!("{code} (HTTP {status})"));
    match known {
        Some(About::Rate) => return retry_after(status, wait),
        None if status == 429 => return retry_after(status, wait),
        Some(About::Original) => {
            let detail = format!("Slack cannot change or answer the earlier message in {channel}: {said}");
            return Outcome::Gone(Failure::new(MESSAGE_REFUSED, detail));
        }
        Some(About::Message) => {
            let detail = format!("Slack refuses the message: {said}");
            return Outcome::MessageRefused(Failure::new(MESSAGE_REFUSED, detail));
        }
        Some(About::Channel(remedy)) => {
            let detail = format!("Slack refuses the channel {channel}: {said}; {remedy}");
            return Outcome::TargetRefused(Failure::new(CHANNEL_REFUSED, detail));
        }
        Some(About::Token(remedy)) => {
            let needed = answer.needed.filter(|needed| is_code(needed));
            let needed = needed.map(|needed| format!(", needed: {needed}")).unwrap_or_default();
            let detail = format!("Slack refuses the app's token: {said}{needed}; {remedy}");
            return Outcome::SenderRefused(Failure::new(TOKEN_REFUSED, detail));
        }
        // As a webhook's answer: the page of somebody in between may be about this message alone.
        None if code.is_none() && (400..500).contains(&status) && status != 408 => {
            let detail = format!(
                "Slack refuses the message: {said}, without a code that is known; where every message gets this answer, check that no proxy answers in Slack's place"
            );
            return Outcome::MessageRefused(Failure::new(MESSAGE_REFUSED, detail));
        }
        // What nobody knows may pass as well.
        Some(About::Slack) | None => {}
    }
    let detail = format!("Slack did not take the message: {said}");
    Outcome::Retry { after: None, failure: Failure::new(UNAVAILABLE, detail) }
}

/// Whether it may be shown: a word of Slack's, and not the text of somebody in between.
fn is_code(text: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_:.,".contains(&b);
    (1..=60).contains(&text.len()) && text.bytes().all(is_inner)
}

/// The message of this name in a page of `conversations.history`; `None` also where Slack refuses to tell.
///
/// See [`metadata`](crate::render::slack::arguments::EVENT_TYPE) for where the name stands.
#[must_use]
pub fn find(name: &str, channel: &str, status: u16, body: &str) -> Option<Receipt> {
    #[derive(Deserialize)]
    struct History {
        ok: bool,
        #[serde(default)]
        messages: Vec<Message>,
    }
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        ts: String,
        #[serde(default)]
        metadata: serde_json::Value,
    }
    let history: History = serde_json::from_str(body).ok()?;
    let is_it = |message: &&Message| {
        use crate::render::slack::arguments::{DELIVERY, EVENT_TYPE};
        let Message { metadata, .. } = message;
        metadata["event_type"] == EVENT_TYPE && metadata["event_payload"][DELIVERY] == name
    };
    let messages = (status == 200 && history.ok).then_some(history.messages)?;
    let found = messages.iter().find(is_it)?;
    Some(Receipt { place: channel.to_owned(), message: found.ts.clone() })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn kind(outcome: &Outcome) -> &'static str {
        match outcome {
            Outcome::Delivered(_) => "delivered",
            Outcome::Retry { after: Some(_), .. } => "wait",
            Outcome::Retry { after: None, .. } => "retry",
            Outcome::Unsure(_) => "unsure",
            Outcome::Gone(_) => "gone",
            Outcome::MessageRefused(_) => "message",
            Outcome::TargetRefused(_) => "channel",
            Outcome::SenderRefused(_) => "token",
        }
    }

    #[test]
    fn every_documented_code_is_there_once_and_says_what_to_do() {
        let mut seen = HashSet::new();
        for (code, about) in ERRORS {
            assert!(seen.insert(code), "{code} twice");
            let body = json!({"ok": false, "error": code}).to_string();
            let outcome = classify("#ops", 200, &body, None);
            let expected = match about {
                About::Rate => "wait",
                About::Slack => "retry",
                About::Original => "gone",
                About::Message => "message",
                About::Channel(_) => "channel",
                About::Token(_) => "token",
            };
            assert_eq!(kind(&outcome), expected, "{code}");
            if let Outcome::TargetRefused(failure) | Outcome::SenderRefused(failure) = outcome {
                assert!(failure.detail.contains(code) && failure.detail.contains("; "), "{failure}");
            }
        }
    }

    #[test]
    fn what_stands_around_the_code() {
        for (status, body, expected) in [
            (200, r#"{"ok":true,"channel":"C1","ts":"1.2","message":{"text":"x"}}"#, "delivered"),
            // It has been taken, if without a receipt.
            (200, r#"{"ok":true}"#, "delivered"),
            (201, r#"{"ok":true}"#, "retry"),
            (200, "ok", "retry"),
            (200, "", "retry"),
            (200, "<html>login</html>", "retry"),
            (200, r#"{"ok":false,"error":"something_new"}"#, "retry"),
            (400, r#"{"ok":false,"error":"something_new"}"#, "retry"),
            (200, r#"{"ok":"true"}"#, "retry"),
            (200, r#"{"ok":false,"error":17}"#, "retry"),
            (429, "", "wait"),
            (429, r#"{"ok":false,"error":"ratelimited"}"#, "wait"),
            (200, r#"{"ok":false,"error":"ratelimited"}"#, "wait"),
            (403, "<html>", "message"),
            (404, "", "message"),
            (408, "", "retry"),
            (302, "", "retry"),
            (500, "", "retry"),
            (503, r#"{"ok":false,"error":"service_unavailable"}"#, "retry"),
            (403, r#"{"ok":false,"error":"invalid_auth"}"#, "token"),
        ] {
            assert_eq!(kind(&classify("#ops", status, body, None)), expected, "{status} {body}");
        }
        let Outcome::Retry { after, .. } = classify("#ops", 429, "", Some("30")) else { panic!() };
        assert_eq!(after, Some(Duration::from_secs(30)));
        let body = r#"{"ok":true,"channel":"C1","ts":"1.2"}"#;
        let receipt = Receipt { place: "C1".to_owned(), message: "1.2".to_owned() };
        assert_eq!(classify("#ops", 200, body, None), Outcome::Delivered(Some(receipt)));
    }

    #[test]
    fn what_is_missing_is_named_and_nothing_foreign_is() {
        let body = r#"{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"files:read"}"#;
        let Outcome::SenderRefused(failure) = classify("#ops", 200, body, None) else { panic!() };
        assert!(failure.detail.contains("missing_scope (HTTP 200), needed: chat:write;"), "{failure}");
        let body = r#"{"ok":false,"error":"Bearer xoxb-1-2-secretpart is wrong"}"#;
        let Outcome::Retry { failure, .. } = classify("#ops", 200, body, None) else { panic!() };
        assert_eq!(failure.detail, "Slack did not take the message: HTTP 200");
    }

    #[test]
    fn a_message_is_found_by_its_name_alone() {
        use crate::render::slack::arguments::{DELIVERY, EVENT_TYPE};
        let metadata =
            |kind: &str, name: &str| json!({"event_type": kind, "event_payload": {DELIVERY: name}});
        let body = json!({"ok": true, "messages": [
            {"ts": "1.1", "text": "somebody's"},
            {"ts": "1.2", "metadata": metadata("another_app", "wanted")},
            {"ts": "1.3", "metadata": metadata(EVENT_TYPE, "other")},
            {"ts": "1.4", "metadata": metadata(EVENT_TYPE, "wanted")},
        ]})
        .to_string();
        let found = |name| find(name, "C1", 200, &body).map(|receipt| receipt.message);
        assert_eq!(found("wanted").as_deref(), Some("1.4"));
        assert_eq!(found("missing"), None);
        for (status, body) in
            [(200, r#"{"ok":false,"error":"missing_scope"}"#), (429, ""), (500, &*body), (200, "{}")]
        {
            assert_eq!(find("wanted", "C1", status, body), None, "{status} {body}");
        }
    }
}
