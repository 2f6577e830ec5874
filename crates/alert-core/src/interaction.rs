//! What Slack sends when a person presses a button of a message: the form of it, and nothing of what becomes of it.
//!
//! Source: Slack, "Handling user interaction", "block_actions payload": a form whose field `payload` is JSON.

use std::borrow::Cow;

use chrono::TimeDelta;
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use thiserror::Error;

use crate::incident::{Button, Person};
use crate::key;
use crate::outcome::Receipt;
use crate::render::page::Control;
use crate::render::slack::SILENCES;

/// A body that is read; a payload holds the whole message, and ours are far smaller.
pub const BODY_MAX_BYTES: usize = 512 << 10;
/// What is longer is no id and no time of Slack's.
const ID_MAX_BYTES: usize = 64;

/// A button that a person has pressed in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// Names the press, the same when it comes again.
    pub name: String,
    /// Who.
    pub by: Person,
    /// The message.
    pub message: Receipt,
    /// What is asked for; `None` for what asks for nothing, as a button that opens a page.
    pub button: Option<Button>,
    /// Where to tell the person something.
    pub response_url: Option<String>,
}

/// Why a body is no press of a button; says nothing of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoInteraction {
    /// Too many bytes.
    #[error("the body has more than {BODY_MAX_BYTES} bytes")]
    TooLarge,
    /// No form with one field `payload`.
    #[error("the body is no form with one field payload")]
    Form,
    /// No JSON of an interaction.
    #[error("the payload is no JSON of an interaction")]
    Json,
    /// Another kind of interaction.
    #[error("the interaction is no block_actions in a message")]
    Kind,
    /// An id or a time that is none.
    #[error("the interaction has an id or a time that is none of Slack's")]
    Id,
}

#[derive(Deserialize)]
struct Payload<'p> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'p, str>,
    user: Option<User>,
    container: Option<Container>,
    #[serde(default)]
    actions: Vec<Action>,
    response_url: Option<String>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    channel_id: String,
    #[serde(default)]
    message_ts: String,
}

#[derive(Deserialize)]
struct Action {
    #[serde(default)]
    action_id: String,
    #[serde(default)]
    action_ts: String,
    selected_option: Option<Chosen>,
}

#[derive(Deserialize)]
struct Chosen {
    #[serde(default)]
    value: String,
}

impl Interaction {
    /// Reads a request's body.
    pub fn parse(body: &[u8]) -> Result<Self, NoInteraction> {
        if body.len() > BODY_MAX_BYTES {
            return Err(NoInteraction::TooLarge);
        }
        let json = payload(body)?;
        let payload: Payload<'_> = serde_json::from_str(&json).map_err(|_| NoInteraction::Json)?;
        let (Some(user), Some(container)) = (payload.user, payload.container) else {
            return Err(NoInteraction::Kind);
        };
        // One click is one action.
        let [action] = &payload.actions[..] else { return Err(NoInteraction::Kind) };
        if payload.kind != "block_actions" {
            return Err(NoInteraction::Kind);
        }
        let is_word = |text: &str| {
            (1..=ID_MAX_BYTES).contains(&text.len())
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
        };
        if ![&user.id, &container.channel_id, &container.message_ts].into_iter().all(|text| is_word(text)) {
            return Err(NoInteraction::Id);
        }
        let chosen = action.selected_option.as_ref().map_or("", |chosen| chosen.value.as_str());
        let parts = [
            "press",
            &user.id,
            &container.channel_id,
            &container.message_ts,
            &action.action_id,
            chosen,
            &action.action_ts,
        ];
        let called = [&user.username, &user.name, &user.id].into_iter().find(|name| !name.trim().is_empty());
        Ok(Self {
            name: key::hash(&parts),
            by: Person::new(&user.id, called.map_or("", |name| name.trim())),
            button: Control::from_action_id(&action.action_id).and_then(|control| button(control, chosen)),
            message: Receipt { place: container.channel_id, message: container.message_ts },
            response_url: payload.response_url,
        })
    }
}

fn button(control: Control, chosen: &str) -> Option<Button> {
    Some(match control {
        Control::Acknowledge => Button::Acknowledge,
        Control::UndoAcknowledge => Button::UndoAcknowledge,
        Control::UndoSilence => Button::UndoSilence,
        Control::Silence => {
            let spans = [Some(TimeDelta::hours(1)), Some(TimeDelta::hours(4)), None];
            let place = SILENCES.iter().position(|value| *value == chosen)?;
            Button::Silence(spans.get(place).copied()?)
        }
    })
}

/// The form's field `payload`, which is there once.
fn payload(body: &[u8]) -> Result<String, NoInteraction> {
    let body = std::str::from_utf8(body).map_err(|_| NoInteraction::Form)?;
    let mut found = None;
    for field in body.split('&') {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        if decoded(name)? == "payload" && found.replace(decoded(value)?).is_some() {
            return Err(NoInteraction::Form);
        }
    }
    found.ok_or(NoInteraction::Form)
}

/// Source: WHATWG, "URL", application/x-www-form-urlencoded parsing.
fn decoded(text: &str) -> Result<String, NoInteraction> {
    let spaced = text.replace('+', " ");
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| NoInteraction::Form)?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn press(action: &Value) -> Value {
        json!({
            "type": "block_actions",
            "user": {"id": "U1", "username": "kim", "name": "kim.lee", "team_id": "T1"},
            "container": {"type": "message", "message_ts": "1789268400.000100", "channel_id": "C1"},
            "response_url": "https://hooks.slack.com/actions/T1/1/x",
            "actions": [action],
            "message": {"text": "a & b + c = 경보"},
        })
    }

    fn body(payload: &Value) -> String {
        format!("payload={}", utf8_percent_encode(&payload.to_string(), NON_ALPHANUMERIC))
    }

    #[test]
    fn what_each_button_asks_for() {
        let select = |value: &str| json!({"action_id": "silence", "selected_option": {"value": value}});
        for (action, expected) in [
            (json!({"action_id": "acknowledge"}), Some(Button::Acknowledge)),
            (json!({"action_id": "undo_acknowledge"}), Some(Button::UndoAcknowledge)),
            (json!({"action_id": "undo_silence"}), Some(Button::UndoSilence)),
            (select("1h"), Some(Button::Silence(Some(TimeDelta::hours(1))))),
            (select("4h"), Some(Button::Silence(Some(TimeDelta::hours(4))))),
            (select("over"), Some(Button::Silence(None))),
            (select("9h"), None),
            (json!({"action_id": "silence"}), None),
            // A button that opens a page tells of itself, too.
            (json!({"action_id": "Xy1", "type": "button", "url": "https://a.example"}), None),
        ] {
            let read = Interaction::parse(body(&press(&action)).as_bytes()).unwrap();
            assert_eq!(read.button, expected);
            assert_eq!(read.by, Person::new("U1", "kim"));
            assert_eq!(
                (read.message.place.as_str(), read.message.message.as_str()),
                ("C1", "1789268400.000100")
            );
        }
    }

    #[test]
    fn every_press_has_a_name_of_its_own() {
        let name = |ts: &str| {
            let action = json!({"action_id": "acknowledge", "action_ts": ts});
            Interaction::parse(body(&press(&action)).as_bytes()).unwrap().name
        };
        assert_eq!(name("1.1"), name("1.1"));
        assert_ne!(name("1.1"), name("1.2"));
    }

    #[test]
    fn what_is_no_press() {
        let acknowledge = json!({"action_id": "acknowledge"});
        let with = |name: &str, value: Value| {
            let mut payload = press(&acknowledge);
            payload[name] = value;
            body(&payload)
        };
        let good = body(&press(&acknowledge));
        let deep = format!("payload={}", "[".repeat(100_000));
        let bomb = format!("payload={{\"type\":{}1{}}}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
        for (body, expected) in [
            (String::new(), NoInteraction::Form),
            ("x=1".to_owned(), NoInteraction::Form),
            (format!("{good}&{good}"), NoInteraction::Form),
            ("payload=%ff%fe".to_owned(), NoInteraction::Form),
            ("payload=%7B".to_owned(), NoInteraction::Json),
            ("payload=%zz".to_owned(), NoInteraction::Json),
            (deep, NoInteraction::Json),
            (bomb, NoInteraction::Json),
            ("payload=[]".to_owned(), NoInteraction::Json),
            ("payload={\"type\":\"block_actions\"}".to_owned(), NoInteraction::Kind),
            (with("type", json!("view_submission")), NoInteraction::Kind),
            (with("actions", json!([])), NoInteraction::Kind),
            (with("actions", json!([acknowledge, acknowledge])), NoInteraction::Kind),
            (with("container", json!({"type": "view", "view_id": "V1"})), NoInteraction::Id),
            (with("container", json!({"channel_id": "C1|x", "message_ts": "1.1"})), NoInteraction::Id),
            (with("user", json!({"id": ""})), NoInteraction::Id),
            (with("user", json!({"id": "U".repeat(65)})), NoInteraction::Id),
            ("x".repeat(BODY_MAX_BYTES + 1), NoInteraction::TooLarge),
        ] {
            assert_eq!(Interaction::parse(body.as_bytes()), Err(expected), "{}", &body[..body.len().min(80)]);
        }
        assert!(Interaction::parse(b"payload=\xff\xfe").is_err());
        // As other clients write a form.
        let plus = good.replace("%20", "+") + "&other=1";
        assert_eq!(Interaction::parse(plus.as_bytes()).unwrap().button, Some(Button::Acknowledge));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..200), json in "\\PC{0,200}") {
            let _ = Interaction::parse(&body);
            let _ = Interaction::parse(&[b"payload=", &body[..]].concat());
            let _ = Interaction::parse(format!("payload={json}").as_bytes());
        }
    }
}
