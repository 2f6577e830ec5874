//! The Slack message: what a person who was woken sees first, and what they need next.
//!
//! How its text is escaped is in [`mrkdwn`], the limits of its blocks in [`block`]; one alert is rendered by
//! [`alert`](alert()), many by [`digest`](digest()).

pub mod block;
mod digest;
pub mod mrkdwn;
mod single;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use crate::envelope::Hop;
use crate::memory::Shown;
use block::{BLOCKS_JSON_MAX_CHARS, BLOCKS_MAX, Block, Button};
use mrkdwn::Mrkdwn;

pub use digest::{Entry, digest};
pub use single::alert;

/// Slack recommends at most 4,000 characters for `text`; the fallback stays within it.
pub const FALLBACK_TEXT_MAX_CHARS: usize = 4_000;
/// Slack truncates `text` beyond 40,000 characters; some room is left for how it counts.
pub const TEXT_MAX_CHARS: usize = 38_000;

/// In the grey line of a message that may have arrived before.
const MAY_BE_REPEAT: &str = " · may be a repeat: Slack did not answer the last try in time";
/// So much of a message's JSON belongs to buttons even where its text must be cut for them: the shortest, which mostly
/// lead to the whole of it.
const BUTTONS_KEPT_CHARS: usize = 1_000;

/// Everything that a message says beyond its alert.
#[derive(Debug, Clone, Copy)]
pub struct Context<'c> {
    /// When the message is made.
    pub now: DateTime<Utc>,
    /// For times that no client puts into the reader's own zone.
    pub timezone: Tz,
    /// Names of AWS accounts, by number.
    pub accounts: &'c BTreeMap<String, String>,
    /// The webhook's channel, where the configuration names one; only legacy webhooks honour it.
    pub channel: Option<&'c str>,
    /// Whom to mention when something fires; Slack's own markup out of the configuration, written unescaped.
    pub mention: Option<&'c str>,
    /// How the message came.
    pub path: &'c [Hop],
    /// How often its queue has handed it out.
    pub tries: u32,
    /// The delivery's id.
    pub delivery_id: Option<&'c str>,
    /// The route that decided, or why this receiver gets it.
    pub route: &'c str,
    /// What is wrong with the deployment, for people to read in every message.
    pub warning: Option<&'c str>,
    /// The newer state that people have been shown already.
    pub overtaken: Option<&'c Shown>,
    /// An earlier try may have arrived.
    pub may_be_repeat: bool,
}

/// A message as Slack's webhook takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
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

impl Message {
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
        json.push_str(r#""text":"#);
        block::write_text(&self.text, &mut json);
        if !self.blocks.is_empty() {
            json.push_str(r#","blocks":["#);
            block::write_list(&self.blocks, &mut json, Block::write_json);
            json.push(']');
        }
        if !self.attachments.is_empty() {
            json.push_str(r#","attachments":["#);
            block::write_list(&self.attachments, &mut json, Attachment::write_json);
            json.push(']');
        }
        // Neither links nor media are unfolded: a message is long enough.
        json.push_str(r#","unfurl_links":false,"unfurl_media":false}"#);
        json
    }

    /// The fallback text: the headline that a lock screen shows.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A message of blocks: `headline` above a bar of `color` with `body`, `buttons` and `ends` (the grey line).
    ///
    /// Headline and ends stay whole. The body comes before the buttons, but for [`BUTTONS_KEPT_CHARS`].
    fn new(
        channel: Option<&str>,
        text: Mrkdwn,
        color: &'static str,
        headline: Vec<Block>,
        body: Vec<Block>,
        buttons: Vec<Button>,
        ends: Vec<Block>,
    ) -> Self {
        let width = |blocks: &[Block]| blocks.iter().map(|block| block.json_width() + 1).sum::<usize>();
        // Two lists with their brackets.
        let mut room = BLOCKS_JSON_MAX_CHARS.saturating_sub(width(&headline) + width(&ends) + 4);
        let (rows, kept) = if buttons.is_empty() {
            (0, 0)
        } else {
            // The row, and the line that says what is missing in it.
            (2, (block::actions_json_width(&buttons) + 1).min(BUTTONS_KEPT_CHARS))
        };
        room = room.saturating_sub(kept);
        let count = BLOCKS_MAX.saturating_sub(headline.len() + rows + ends.len());
        let mut blocks: Vec<Block> = Vec::with_capacity(body.len() + rows + ends.len());
        for block in body {
            if blocks.len() >= count {
                break;
            }
            let Some((block, width)) = block.shrink(room.saturating_sub(1)) else { continue };
            room = room.saturating_sub(width + 1);
            blocks.push(block);
        }
        blocks.extend(Block::buttons(buttons, room + kept));
        blocks.extend(ends);
        let attachments = if blocks.is_empty() {
            Vec::new()
        } else {
            // Slack shows an attachment's own fallback only where it shows no blocks.
            vec![Attachment { color, fallback: text.clone().cut(300).into_string(), blocks }]
        };
        Self {
            channel: channel.map(str::to_owned),
            text: text.cut(FALLBACK_TEXT_MAX_CHARS).into_string(),
            blocks: headline,
            attachments,
        }
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
                Block::Section(part) | Block::Context(part) => std::slice::from_ref(part),
                Block::Fields(parts) => parts,
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
