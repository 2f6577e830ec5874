//! The Slack message: what a person who was woken sees first, and what they need next.
//!
//! What it says is decided in [`super::page`]. How its text is escaped is in [`mrkdwn`], the limits of its blocks in
//! [`block`]; one alert's page is written by [`page`](page()), many alerts by [`digest`](digest()).

pub mod arguments;
pub mod block;
mod digest;
pub mod mrkdwn;
mod people;
mod single;

use serde::Deserialize;
use serde_json::Value;

use block::{BLOCKS_JSON_MAX_CHARS, BLOCKS_MAX, Block, Button, CONTAINER_CHILDREN_MAX};
use mrkdwn::Mrkdwn;

use super::page::Words;
use crate::alert::State;
use single::color;

pub use digest::{counted, digest};
pub use people::{SILENCES, remark, with_people};
use single::short;
pub use single::{lines, page, reply, sparkline, superseded};

/// Slack recommends at most 4,000 characters for `text`; the fallback stays within it.
pub const FALLBACK_TEXT_MAX_CHARS: usize = 4_000;
/// Slack truncates `text` beyond 40,000 characters; some room is left for how it counts.
pub const TEXT_MAX_CHARS: usize = 38_000;

/// So much of a message's JSON belongs to buttons even where its text must be cut for them: the shortest, which mostly
/// lead to the whole of it.
const BUTTONS_KEPT_CHARS: usize = 1_000;

/// A message as Slack takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackMessage {
    channel: Option<String>,
    text: String,
    blocks: Vec<Block>,
    attachments: Vec<Attachment>,
}

/// The part of a message that has a colour bar.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Attachment {
    color: &'static str,
    fallback: String,
    blocks: Vec<Block>,
}

impl Attachment {
    fn write_json(&self, json: &mut String) {
        json.push_str(r#"{"color":"#);
        block::write_text(self.color, json);
        json.push_str(r#","fallback":"#);
        block::write_text(&self.fallback, json);
        json.push_str(r#","blocks":["#);
        block::write_list(&self.blocks, json, Block::write_json);
        json.push_str("]}");
    }
}

impl SlackMessage {
    /// A message as it was posted, each of its blocks as a whole; `None` where it is none.
    pub(super) fn read(posted: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Posted {
            text: String,
            #[serde(default)]
            blocks: Vec<Value>,
            #[serde(default)]
            attachments: Vec<PostedAttachment>,
        }
        #[derive(Deserialize)]
        struct PostedAttachment {
            color: String,
            fallback: String,
            blocks: Vec<Value>,
        }
        let Posted { text, blocks, attachments } = serde_json::from_str(posted).ok()?;
        let raw =
            |blocks: Vec<Value>| blocks.into_iter().map(|block| Block::Raw(block.to_string())).collect();
        let states = [State::Firing, State::NoData, State::Informational, State::Resolved];
        let attachments =
            attachments.into_iter().map(|PostedAttachment { color: as_posted, fallback, blocks }| {
                let state =
                    states.into_iter().find(|state| color(*state) == as_posted).unwrap_or(State::Firing);
                Attachment { color: color(state), fallback, blocks: raw(blocks) }
            });
        Some(Self { channel: None, text, blocks: raw(blocks), attachments: attachments.collect() })
    }

    /// The exact bytes to post.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Room for most messages about one alert, so that it need not grow.
        const USUAL_BYTES: usize = 2_500;
        let mut json = String::with_capacity(USUAL_BYTES);
        json.push('{');
        if let Some(channel) = &self.channel {
            json.push_str(r#""channel":"#);
            block::write_text(channel, &mut json);
            json.push(',');
        }
        self.write_content(&mut json, false);
        json
    }

    /// The members of the content and the end of the object; `all` of them are named where what is left out may stay as it
    /// was.
    fn write_content(&self, json: &mut String, all: bool) {
        json.push_str(r#""text":"#);
        block::write_text(&self.text, json);
        if all || !self.blocks.is_empty() {
            json.push_str(r#","blocks":["#);
            block::write_list(&self.blocks, json, Block::write_json);
            json.push(']');
        }
        if all || !self.attachments.is_empty() {
            json.push_str(r#","attachments":["#);
            block::write_list(&self.attachments, json, Attachment::write_json);
            json.push(']');
        }
        // Neither links nor media are unfolded: a message is long enough.
        json.push_str(r#","unfurl_links":false,"unfurl_media":false}"#);
    }

    /// The fallback text: the headline that a lock screen shows.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same content without any block, for a Slack that refuses the blocks.
    #[must_use]
    pub fn plain(&self) -> Self {
        let mut text = Mrkdwn::new();
        let mut links = Vec::new();
        for block in
            self.blocks.iter().chain(self.attachments.iter().flat_map(|attachment| &attachment.blocks))
        {
            let parts = match block {
                Block::Section(part) | Block::Context(part) | Block::Named(_, part) => {
                    std::slice::from_ref(part)
                }
                Block::Fields(parts) => parts,
                // What is simplified has neither.
                Block::Raw(_) | Block::Container(..) => continue,
                // After all text, which is cut at its end.
                Block::Actions(buttons) => {
                    links.extend(buttons);
                    continue;
                }
            };
            for part in parts {
                text = if text.is_empty() { text } else { text.markup("\n") };
                text = text.append(part);
            }
        }
        for (index, button) in links.into_iter().enumerate() {
            text = text.markup(if index == 0 { "\n" } else { " · " });
            text = button.write_as_link(text);
        }
        if text.is_empty() {
            text = Mrkdwn::new().markup(&self.text);
        }
        Self {
            channel: self.channel.clone(),
            text: text.cut(TEXT_MAX_CHARS).into_string(),
            blocks: Vec::new(),
            attachments: Vec::new(),
        }
    }
}

/// Where the part of a message goes that may be folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folding {
    /// Under a bar of colour, which Slack folds when it is long.
    Attachment,
    /// Into a container that is folded until somebody opens it.
    Container,
}

/// The parts of a message, before it is known what fits.
struct Layout<'l> {
    channel: Option<&'l str>,
    text: Mrkdwn,
    color: &'static str,
    /// Stays whole.
    head: Vec<Block>,
    /// Text comes before links, but for [`BUTTONS_KEPT_CHARS`].
    body: Vec<Block>,
    buttons: Vec<Button>,
    /// Stay whole.
    warnings: Vec<Block>,
    /// What is left of the room.
    details: Vec<Block>,
    /// Stay whole.
    ends: Vec<Block>,
    folding: Folding,
    words: &'static Words,
}

impl Layout<'_> {
    /// The message, within [`BLOCKS_MAX`] and [`BLOCKS_JSON_MAX_CHARS`].
    fn message(self) -> SlackMessage {
        let width = |blocks: &[Block]| blocks.iter().map(|block| block.json_width() + 1).sum::<usize>();
        // The brackets of two lists, and what is around the container's.
        let around = 4 + block::container_json_width(self.words.details);
        let fixed = width(&self.head) + width(&self.warnings) + width(&self.ends) + around;
        let mut room = BLOCKS_JSON_MAX_CHARS.saturating_sub(fixed);
        let (rows, kept) = if self.buttons.is_empty() {
            (0, 0)
        } else {
            // The row, and the line that says what is missing in it.
            (2, (block::actions_json_width(&self.buttons) + 1).min(BUTTONS_KEPT_CHARS))
        };
        room = room.saturating_sub(kept);
        let mut count =
            BLOCKS_MAX.saturating_sub(self.head.len() + rows + self.warnings.len() + self.ends.len() + 1);
        let mut blocks = self.head;
        fit(self.body, &mut count, &mut room, &mut blocks);
        room += kept;
        let buttons = Block::buttons(self.buttons, room, self.words);
        room = room.saturating_sub(width(&buttons));
        blocks.extend(buttons);
        blocks.extend(self.warnings);
        let mut details = Vec::new();
        let attachments = match self.folding {
            Folding::Container => {
                count = count.min(CONTAINER_CHILDREN_MAX);
                fit(self.details, &mut count, &mut room, &mut details);
                if !details.is_empty() {
                    blocks.push(Block::Container(self.words.details, details));
                }
                blocks.extend(self.ends);
                Vec::new()
            }
            Folding::Attachment => {
                fit(self.details, &mut count, &mut room, &mut details);
                details.extend(self.ends);
                if details.is_empty() {
                    Vec::new()
                } else {
                    // Slack shows an attachment's own fallback only where it shows no blocks.
                    let fallback = self.text.clone().cut(300).into_string();
                    vec![Attachment { color: self.color, fallback, blocks: details }]
                }
            }
        };
        SlackMessage {
            channel: self.channel.map(str::to_owned),
            text: self.text.cut(FALLBACK_TEXT_MAX_CHARS).into_string(),
            blocks,
            attachments,
        }
    }
}

/// Adds what fits into `count` blocks and `room` characters of JSON, shortened where that is worth it.
fn fit(blocks: Vec<Block>, count: &mut usize, room: &mut usize, into: &mut Vec<Block>) {
    for block in blocks {
        if *count == 0 {
            return;
        }
        let Some((block, width)) = block.shrink(room.saturating_sub(1)) else { continue };
        *room = room.saturating_sub(width + 1);
        *count -= 1;
        into.push(block);
    }
}
