//! What the answers of Slack's Web API mean: of `chat.postMessage` and `chat.update`, whose codes decide what is done, and of
//! `conversations.history` and `conversations.replies`, which tell or do not.
//!
//! Source: docs.slack.dev, "Errors" of each method, and "Rate limits". Most refusals are HTTP 200 with `ok: false`; the code
//! counts, and the status only where there is none.

use serde::Deserialize;

use super::{CHANNEL_REFUSED, MESSAGE_REFUSED, TOKEN_REFUSED, UNAVAILABLE, retry_after};
use crate::outcome::{Failure, Outcome, Receipt, Sighting};

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

/// Every documented code of the two methods that write.
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
    ("access_denied", About::Channel("access to it is denied: invite the app into the channel (/invite)")),
    (
        "team_access_not_granted",
        About::Channel(
            "the app is not in the channel's workspace: install it there, or choose another channel",
        ),
    ),
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
    (
        "accesslimited",
        About::Token(
            "the workspace limits access to certain networks: a workspace admin has to allow this one",
        ),
    ),
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
        None if code.is_none() && (400..500).contains(&status) && !matches!(status, 408 | 425) => {
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

/// The messages of these names in a page of `conversations.history` or `conversations.replies`; the error is Slack's code, or
/// the status, where it does not tell.
///
/// See [`Label`](crate::render::slack::arguments::Label) for what a message carries along.
pub fn find(names: &[String], channel: &str, status: u16, body: &str) -> Result<Vec<Sighting>, String> {
    use crate::render::slack::arguments::{EVENT_TYPE, Payload, member};
    #[derive(Deserialize)]
    struct History {
        ok: bool,
        #[serde(default)]
        error: String,
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
    let history = serde_json::from_str(body).ok().filter(|_| status == 200);
    let messages = match history {
        Some(History { ok: true, messages, .. }) => messages,
        Some(History { error, .. }) if is_code(&error) => return Err(error),
        _ => return Err(format!("HTTP {status}")),
    };
    let ours = messages.iter().filter(|message| message.metadata["event_type"] == EVENT_TYPE);
    let ours = ours.filter_map(|Message { ts, metadata }| {
        Some((ts, Payload::deserialize(&metadata["event_payload"]).ok()?))
    });
    let ours: Vec<_> = ours.collect();
    let sighting = |name: &String| {
        ours.iter().find_map(|(ts, Payload { delivery, members, shows })| {
            let is_digest = members.split_whitespace().any(|known| known == member(name));
            (is_digest || delivery == name).then(|| Sighting {
                name: name.clone(),
                receipt: Receipt { place: channel.to_owned(), message: (*ts).clone() },
                is_digest,
                shows: shows.as_deref().cloned(),
            })
        })
    };
    Ok(names.iter().filter_map(sighting).collect())
}

/// The people in a user group, by what Slack answered; else why that is not known, for the person who acts.
///
/// Source: Slack, `usergroups.users.list`.
pub fn usergroup(group: &str, status: u16, body: &str) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Members {
        ok: bool,
        #[serde(default)]
        error: String,
        #[serde(default)]
        users: Vec<String>,
    }
    let code = match serde_json::from_str(body).ok().filter(|_| status == 200) {
        Some(Members { ok: true, users, .. }) => return Ok(users),
        Some(Members { error, .. }) if is_code(&error) => error,
        _ => format!("HTTP {status}"),
    };
    let remedy = match code.as_str() {
        "missing_scope" => "; give the app the scope usergroups:read",
        "no_such_subteam" => "; there is no such group: fix actions.allow",
        _ => "",
    };
    Err(format!("Slack does not tell who is in the user group {group} ({code}{remedy})"))
}

/// Somebody who has reacted to a message, by what Slack answered; else why that is not known.
///
/// Source: Slack, `reactions.get`.
pub fn reaction(status: u16, body: &str) -> Result<Option<String>, String> {
    #[derive(Deserialize)]
    struct Got {
        ok: bool,
        #[serde(default)]
        error: String,
        #[serde(default)]
        message: Message,
    }
    #[derive(Deserialize, Default)]
    struct Message {
        #[serde(default)]
        reactions: Vec<Reaction>,
    }
    #[derive(Deserialize)]
    struct Reaction {
        #[serde(default)]
        users: Vec<String>,
    }
    let code = match serde_json::from_str(body).ok().filter(|_| status == 200) {
        Some(Got { ok: true, message, .. }) => {
            return Ok(message.reactions.into_iter().flat_map(|reaction| reaction.users).next());
        }
        Some(Got { error, .. }) if is_code(&error) => error,
        _ => format!("HTTP {status}"),
    };
    let remedy = if code == "missing_scope" { "; give the app the scope reactions:read" } else { "" };
    Err(format!("Slack does not tell whether somebody has reacted to a message ({code}{remedy})"))
}

#[cfg(test)]
mod tests {
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

    /// The codes that docs.slack.dev lists for `chat.postMessage` and `chat.update`, by what has to become of them.
    const DOCUMENTED: [(&str, &str); 6] = [
        ("wait", "rate_limited ratelimited message_limit_exceeded"),
        (
            "retry",
            "external_channel_migrating fatal_error internal_error org_login_required request_timeout service_unavailable \
             streaming_state_conflict team_added_to_org update_failed",
        ),
        (
            "gone",
            "block_mismatch cannot_reply_to_message cant_broadcast_message cant_update_message edit_window_closed \
             is_inactive message_not_found no_dual_broadcast_content_update restricted_action_non_threadable_channel \
             restricted_action_thread_locked thread_not_found",
        ),
        (
            "message",
            "as_user_not_supported attachment_payload_limit_exceeded invalid_arg_name invalid_arguments invalid_array_arg \
             invalid_attachments invalid_blocks invalid_blocks_format invalid_charset invalid_form_data \
             invalid_metadata_format invalid_metadata_schema invalid_post_type markdown_text_conflict \
             metadata_must_be_sent_from_app metadata_too_large missing_post_type msg_blocks_too_long msg_too_long no_text \
             slack_connect_blocked_file_type slack_connect_canvas_sharing_blocked \
             slack_connect_file_link_sharing_blocked too_many_attachments too_many_contact_cards",
        ),
        (
            "channel",
            "access_denied cannot_dm_bot channel_not_found channel_type_not_supported duplicate_channel_not_found \
             duplicate_message_not_found is_archived messages_tab_disabled no_permission not_in_channel restricted_action \
             restricted_action_read_only_channel restricted_action_thread_only_channel team_access_not_granted \
             team_not_found",
        ),
        (
            "token",
            "accesslimited account_inactive deprecated_endpoint ekm_access_denied enterprise_is_restricted invalid_auth \
             method_deprecated missing_scope not_allowed_token_type not_authed token_expired token_revoked \
             two_factor_setup_required",
        ),
    ];

    #[test]
    fn every_documented_code_has_its_outcome_and_says_what_to_do() {
        for (expected, codes) in DOCUMENTED {
            for code in codes.split_whitespace() {
                let body = json!({"ok": false, "error": code}).to_string();
                let outcome = classify("#ops", 200, &body, None);
                assert_eq!(kind(&outcome), expected, "{code}");
                if let Outcome::TargetRefused(failure) | Outcome::SenderRefused(failure) = outcome {
                    assert!(failure.detail.contains(code) && failure.detail.contains("; "), "{failure}");
                }
                assert_eq!(ERRORS.iter().filter(|(known, _)| *known == code).count(), 1, "{code}");
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
            (425, "", "retry"),
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
        use crate::render::slack::arguments::EVENT_TYPE;
        let metadata =
            |kind: &str, name: &str| json!({"event_type": kind, "event_payload": {"delivery": name}});
        let body = json!({"ok": true, "messages": [
            {"ts": "1.1", "text": "somebody's"},
            {"ts": "1.2", "metadata": metadata("another_app", "wanted")},
            {"ts": "1.3", "metadata": metadata(EVENT_TYPE, "other")},
            {"ts": "1.4", "metadata": metadata(EVENT_TYPE, "wanted")},
            {"ts": "1.5", "metadata": {"event_type": EVENT_TYPE, "event_payload": {"delivery": "all", "members": "one two"}}},
        ]})
        .to_string();
        let names = ["wanted", "missing", "two", "", "all"].map(str::to_owned);
        let found = find(&names, "C1", 200, &body).unwrap();
        let found: Vec<_> =
            found.iter().map(|found| (&*found.name, &*found.receipt.message, found.is_digest)).collect();
        assert_eq!(found, [("wanted", "1.4", false), ("two", "1.5", true), ("all", "1.5", false)]);
        for (status, body, why) in [
            (200, r#"{"ok":false,"error":"missing_scope"}"#, "missing_scope"),
            (429, "", "HTTP 429"),
            (500, &*body, "HTTP 500"),
            (200, r#"{"ok":false,"error":"xoxb-1-Secret"}"#, "HTTP 200"),
            (200, "{}", "HTTP 200"),
        ] {
            assert_eq!(find(&names, "C1", status, body), Err(why.to_owned()), "{status} {body}");
        }
    }
}
