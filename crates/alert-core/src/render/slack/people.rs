//! What people have done and may do, as blocks: in a message that is written, and in one that was posted before.

use serde_json::{Value, json};

use super::block::{Block, FIELD_TEXT_MAX_CHARS};
use super::mrkdwn::Mrkdwn;
use super::{SlackMessage, short};
use crate::incident::Incident;
use crate::render::Options;
use crate::render::page::people::{self, Control, Remark};
use crate::render::page::{Line, Words};

/// The `block_id` of the line on people.
const PEOPLE: &str = "people";
/// What the `block_id` of the row of buttons begins with. Slack wants another one when what it holds changes.
const ACTS: &str = "acts";
/// The `value` of each choice of [`Control::Silence`], in the order of [`Words::silences`].
pub const SILENCES: [&str; 3] = ["1h", "4h", "over"];

impl Control {
    /// Its `action_id`.
    #[must_use]
    pub fn action_id(self) -> &'static str {
        match self {
            Self::Acknowledge => "acknowledge",
            Self::UndoAcknowledge => "undo_acknowledge",
            Self::Silence => "silence",
            Self::UndoSilence => "undo_silence",
        }
    }

    /// The one of this `action_id`.
    #[must_use]
    pub fn from_action_id(id: &str) -> Option<Self> {
        let all = [Self::Acknowledge, Self::UndoAcknowledge, Self::Silence, Self::UndoSilence];
        all.into_iter().find(|control| control.action_id() == id)
    }

    /// Source: Slack, "Button element" and "Select menu element".
    fn element(self, words: &Words) -> Value {
        let plain = |text: &str| json!({"type": "plain_text", "text": text});
        let button = |text| json!({"type": "button", "action_id": self.action_id(), "text": plain(text)});
        match self {
            Self::Acknowledge => {
                let mut button = button(words.acknowledge);
                button["style"] = "primary".into();
                button
            }
            Self::UndoAcknowledge => button(words.undo_acknowledge),
            Self::UndoSilence => button(words.undo_silence),
            Self::Silence => {
                let options = SILENCES.iter().zip(words.silences);
                let options = options.map(|(value, text)| json!({"text": plain(text), "value": value}));
                json!({
                    "type": "static_select",
                    "action_id": self.action_id(),
                    "placeholder": plain(words.silence),
                    "options": options.collect::<Vec<_>>(),
                })
            }
        }
    }
}

/// The blocks that stand behind the head of a message.
pub(super) fn blocks(lines: &[Line<'_>], controls: &[Control], options: &Options<'_>) -> Vec<Block> {
    let words = options.language.words();
    let mut text = Mrkdwn::new();
    for line in lines {
        text = if text.is_empty() { text } else { text.markup("\n") };
        text = text.spans(line, options.timezone, words);
    }
    let line = (!text.is_empty()).then(|| Block::Named(PEOPLE, text.cut(FIELD_TEXT_MAX_CHARS)));
    let row = (!controls.is_empty()).then(|| {
        let of = |control: &Control| format!("-{}", control.action_id());
        let id = controls.iter().map(of).fold(ACTS.to_owned(), |id, part| id + &part);
        let elements: Vec<Value> = controls.iter().map(|control| control.element(words)).collect();
        Block::Raw(json!({"type": "actions", "block_id": id, "elements": elements}).to_string())
    });
    line.into_iter().chain(row).collect()
}

/// A message that was posted as this JSON, with what people have done since, and may do; `None` where it has no blocks.
#[must_use]
pub fn with_people(posted: &str, incident: &Incident, options: &Options<'_>) -> Option<SlackMessage> {
    let mut message = SlackMessage::read(posted)?;
    if message.blocks.is_empty() {
        return None;
    }
    message.blocks.retain(|block| match block {
        Block::Raw(json) => !is_of_people(json),
        _ => true,
    });
    let lines = people::lines(incident, options.language.words());
    // Behind the head, as they are written.
    let at = message.blocks.len().min(1);
    message.blocks.splice(at..at, blocks(&lines, &people::controls(incident), options));
    Some(message)
}

fn is_of_people(json: &str) -> bool {
    let block: Value = serde_json::from_str(json).unwrap_or_default();
    block["block_id"].as_str().is_some_and(|id| id == PEOPLE || id.starts_with(ACTS))
}

/// What is said in the thread of a message when somebody has acted.
#[must_use]
pub fn remark(remark: Remark<'_>, options: &Options<'_>) -> SlackMessage {
    let words = options.language.words();
    said(Mrkdwn::new().spans(&people::remark(remark, words), options.timezone, words), options)
}

fn said(text: Mrkdwn, options: &Options<'_>) -> SlackMessage {
    let blocks = Block::section(text.clone()).into_iter().collect();
    short(text, blocks, options)
}
