//! Slack's Block Kit as far as we use it; construction truncates, so that no value of these types is too long.
//!
//! Source of the limits: Slack, "Block Kit reference", one page for each block.

use std::collections::BTreeSet;

use super::mrkdwn::{Mrkdwn, fits, width};
use crate::render::page::words::{Words, fill};

/// A section's text.
pub const SECTION_TEXT_MAX_CHARS: usize = 3_000;
/// Fields in a section.
pub const SECTION_FIELDS_MAX: usize = 10;
/// One field of a section.
pub const FIELD_TEXT_MAX_CHARS: usize = 2_000;
/// Elements of a context block.
pub const CONTEXT_ELEMENTS_MAX: usize = 10;
/// Elements of an actions block.
pub const ACTIONS_ELEMENTS_MAX: usize = 25;
/// A button's text.
pub const BUTTON_TEXT_MAX_CHARS: usize = 75;
/// A button's URL.
pub const BUTTON_URL_MAX_CHARS: usize = 3_000;
/// Blocks in a message.
pub const BLOCKS_MAX: usize = 50;
/// All block lists of a message as compact JSON. Slack refuses (`msg_blocks_too_long`) somewhere above 13,000, which
/// it documents nowhere.
pub const BLOCKS_JSON_MAX_CHARS: usize = 12_000;

/// Blocks in a container. Source: Slack, "Container block".
pub const CONTAINER_CHILDREN_MAX: usize = 10;

/// A container without its title and children.
const CONTAINER_JSON: &str = r#"{"type":"container","title":{"type":"plain_text","text":""},"is_collapsible":true,"default_collapsed":true,"child_blocks":[]}"#;

/// A row without its buttons.
const ACTIONS_JSON: &str = r#"{"type":"actions","elements":[]}"#;

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Section(Mrkdwn),
    /// Short texts in two columns.
    Fields(Vec<Mrkdwn>),
    /// Small and grey.
    Context(Mrkdwn),
    /// Small and grey, with a `block_id` by which it is found again.
    Named(&'static str, Mrkdwn),
    /// A row of buttons.
    Actions(Vec<Button>),
    /// A block as its whole JSON: a chart, or what was posted before.
    Raw(String),
    /// A folded part of a message: its title, and at most [`CONTAINER_CHILDREN_MAX`] blocks.
    Container(&'static str, Vec<Self>),
}

/// A button that opens a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Button {
    text: &'static str,
    url: String,
}

impl Block {
    /// A paragraph; `None` for a blank one, which Slack refuses.
    #[must_use]
    pub fn section(text: Mrkdwn) -> Option<Self> {
        (!is_blank(&text)).then(|| Self::Section(text.cut(SECTION_TEXT_MAX_CHARS)))
    }

    /// Fields in as many sections as they need.
    #[must_use]
    pub fn fields(fields: Vec<Mrkdwn>) -> Vec<Self> {
        let fields: Vec<Mrkdwn> = fields
            .into_iter()
            .filter(|field| !is_blank(field))
            .map(|field| field.cut(FIELD_TEXT_MAX_CHARS))
            .collect();
        fields.chunks(SECTION_FIELDS_MAX).map(|fields| Self::Fields(fields.to_vec())).collect()
    }

    /// A small grey line; `None` for a blank one.
    #[must_use]
    pub fn context(text: Mrkdwn) -> Option<Self> {
        (!is_blank(&text)).then(|| Self::Context(text.cut(FIELD_TEXT_MAX_CHARS)))
    }

    /// A row of buttons in at most `max` characters of a list's JSON. Where they do not all fit, the longest are left out
    /// and a small line says so.
    #[must_use]
    pub(super) fn buttons(buttons: Vec<Button>, max: usize, words: &Words) -> Vec<Self> {
        let count = buttons.len();
        if count == 0 {
            return Vec::new();
        }
        let is_possible = count <= ACTIONS_ELEMENTS_MAX && buttons.iter().all(Button::is_possible);
        if is_possible && actions_json_width(&buttons) < max {
            return vec![Self::Actions(buttons)];
        }
        // With the largest number that the line can say.
        let max = max.saturating_sub(left_out(count, words).json_width() + 1);
        let possible = buttons.iter().enumerate().filter(|(_, button)| button.is_possible());
        let mut shortest: Vec<(usize, usize)> =
            possible.map(|(place, button)| (button.json_width() + 1, place)).collect();
        shortest.sort_unstable();
        shortest.truncate(ACTIONS_ELEMENTS_MAX);
        let mut width = ACTIONS_JSON.len();
        let fitting = shortest.iter().take_while(|(own, _)| {
            width += own;
            width <= max
        });
        let places: BTreeSet<usize> = fitting.map(|(_, place)| *place).collect();
        let kept = buttons.into_iter().enumerate().filter(|(place, _)| places.contains(place));
        let kept: Vec<Button> = kept.map(|(_, button)| button).collect();
        let line = left_out(count - kept.len(), words);
        if kept.is_empty() { vec![line] } else { vec![Self::Actions(kept), line] }
    }

    /// The length of the block as compact JSON, counted without writing it: this is asked of every block.
    #[must_use]
    pub fn json_width(&self) -> usize {
        let text = |text: &str| r#"{"type":"mrkdwn","text":""}"#.len() + escaped_width(text);
        match self {
            Self::Section(part) => r#"{"type":"section","text":}"#.len() + text(part.as_str()),
            Self::Fields(parts) => {
                let parts: usize = parts.iter().map(|part| text(part.as_str()) + 1).sum();
                r#"{"type":"section","fields":[]}"#.len() + parts.saturating_sub(1)
            }
            Self::Context(part) => r#"{"type":"context","elements":[]}"#.len() + text(part.as_str()),
            Self::Named(id, part) => {
                r#"{"type":"context","block_id":"","elements":[]}"#.len() + id.len() + text(part.as_str())
            }
            Self::Actions(buttons) => actions_json_width(buttons),
            Self::Raw(json) => width(json),
            Self::Container(title, children) => {
                let children: usize = children.iter().map(|child| child.json_width() + 1).sum();
                container_json_width(title) + children.saturating_sub(1)
            }
        }
    }

    /// The same block, with its text shortened where its JSON is longer than `max`, and the length of its JSON; `None`
    /// where it is not worth showing then.
    #[must_use]
    pub fn shrink(self, max: usize) -> Option<(Self, usize)> {
        let width = self.json_width();
        if width <= max {
            return Some((self, width));
        }
        let block = self.shortened(max, width - max)?;
        let width = block.json_width();
        Some((block, width))
    }

    fn shortened(&self, max: usize, over: usize) -> Option<Self> {
        const WORTH_MIN_CHARS: usize = 80;
        match self {
            Self::Section(text) => {
                // JSON may be longer than the text (`\n`, `"`), so that cutting is repeated until it fits.
                let mut room = text.width().checked_sub(over)?;
                while room >= WORTH_MIN_CHARS {
                    let block = Self::Section(text.clone().cut(room));
                    if block.json_width() <= max {
                        return Some(block);
                    }
                    room = room * 9 / 10;
                }
                None
            }
            Self::Fields(fields) => (1..fields.len())
                .rev()
                .map(|count| Self::Fields(fields[..count].to_vec()))
                .find(|block| block.json_width() <= max),
            Self::Context(_) | Self::Named(..) | Self::Actions(_) | Self::Raw(_) | Self::Container(..) => {
                None
            }
        }
    }
}

impl Button {
    /// A button; `None` where Slack would not take it for a URL. How long it may be is for [`Block::buttons`] to say.
    #[must_use]
    pub fn new(text: &'static str, url: &str) -> Option<Self> {
        let is_url = (url.starts_with("https://") || url.starts_with("http://")) && !holds_refused(url);
        is_url.then(|| Self { text, url: url.to_owned() })
    }

    /// Whether Slack takes one so long.
    fn is_possible(&self) -> bool {
        fits(self.text, BUTTON_TEXT_MAX_CHARS) && fits(&self.url, BUTTON_URL_MAX_CHARS)
    }

    fn json_width(&self) -> usize {
        r#"{"type":"button","text":{"type":"plain_text","text":""},"url":""}"#.len()
            + escaped_width(self.text)
            + escaped_width(&self.url)
    }
}

/// The [`Block::json_width`] of a row of buttons.
pub(super) fn actions_json_width(buttons: &[Button]) -> usize {
    let buttons: usize = buttons.iter().map(|button| button.json_width() + 1).sum();
    ACTIONS_JSON.len() + buttons.saturating_sub(1)
}

/// The line in the place of links that are too long.
fn left_out(count: usize, words: &Words) -> Block {
    let pattern = words.links_left_out[usize::from(count != 1)];
    Block::Context(Mrkdwn::new().text(&fill(pattern, &[&count.to_string()])))
}

/// The length of a container's JSON without its children.
pub(super) fn container_json_width(title: &str) -> usize {
    CONTAINER_JSON.len() + escaped_width(title)
}

fn is_blank(text: &Mrkdwn) -> bool {
    text.as_str().chars().all(char::is_whitespace)
}

fn holds_refused(url: &str) -> bool {
    let is_refused = |byte| {
        matches!(byte, 0..=b' ' | b'<' | b'>' | b'"' | b'|' | b'\\' | b'^' | b'`' | b'{' | b'}' | 0x7f)
    };
    // As for the escapes below, a branch for each byte would cost more than what it saves.
    url.bytes().fold(0, |found, byte| found | u8::from(is_refused(byte))) != 0
        || !url.is_ascii() && url.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// The [`width`] of a text within JSON's quotes, as serde_json escapes it.
pub(super) fn escaped_width(text: &str) -> usize {
    if !needs_escape(text) {
        return width(text);
    }
    let added = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 1,
        0x00..0x20 => 5,
        _ => 0,
    };
    width(text) + text.bytes().map(added).sum::<usize>()
}

/// Whether JSON escapes anything in the text.
fn needs_escape(text: &str) -> bool {
    // Without a branch for each byte, many are looked at in one step.
    let escaped = |byte: u8| u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\');
    text.bytes().fold(0, |found, byte| found | escaped(byte)) != 0
}

/// Writes a text as JSON.
pub(super) fn write_text(text: &str, json: &mut String) {
    if needs_escape(text) {
        // A text is always JSON.
        json.push_str(&serde_json::to_string(text).unwrap_or_default());
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
}

/// Writes what is between the brackets of a list.
pub(super) fn write_list<T>(items: &[T], json: &mut String, write: impl Fn(&T, &mut String)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        write(item, json);
    }
}

fn write_mrkdwn(text: &Mrkdwn, json: &mut String) {
    json.push_str(r#"{"type":"mrkdwn","text":"#);
    write_text(text.as_str(), json);
    json.push('}');
}

impl Block {
    /// Writes the block as compact JSON.
    ///
    /// By hand, because most of it is always the same: that is copied, and only the texts are looked at.
    pub(super) fn write_json(&self, json: &mut String) {
        match self {
            Self::Section(text) => {
                json.push_str(r#"{"type":"section","text":"#);
                write_mrkdwn(text, json);
                json.push('}');
            }
            Self::Fields(fields) => {
                json.push_str(r#"{"type":"section","fields":["#);
                write_list(fields, json, write_mrkdwn);
                json.push_str("]}");
            }
            Self::Context(text) => {
                json.push_str(r#"{"type":"context","elements":["#);
                write_mrkdwn(text, json);
                json.push_str("]}");
            }
            Self::Named(id, text) => {
                json.push_str(r#"{"type":"context","block_id":"#);
                write_text(id, json);
                json.push_str(r#","elements":["#);
                write_mrkdwn(text, json);
                json.push_str("]}");
            }
            Self::Actions(buttons) => {
                json.push_str(r#"{"type":"actions","elements":["#);
                write_list(buttons, json, Button::write_json);
                json.push_str("]}");
            }
            Self::Raw(chart) => json.push_str(chart),
            Self::Container(title, children) => {
                json.push_str(r#"{"type":"container","title":{"type":"plain_text","text":"#);
                write_text(title, json);
                json.push_str(r#"},"is_collapsible":true,"default_collapsed":true,"child_blocks":["#);
                write_list(children, json, Self::write_json);
                json.push_str("]}");
            }
        }
    }
}

impl Button {
    fn write_json(&self, json: &mut String) {
        json.push_str(r#"{"type":"button","text":{"type":"plain_text","text":"#);
        write_text(self.text, json);
        json.push_str(r#"},"url":"#);
        write_text(&self.url, json);
        json.push('}');
    }
}

impl Button {
    /// The button as a link, for a message without blocks.
    pub(super) fn write_as_link(&self, text: Mrkdwn) -> Mrkdwn {
        text.link(&self.url, self.text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn blocks(texts: &[String]) -> Vec<Block> {
        let texts: Vec<Mrkdwn> = texts.iter().map(|text| Mrkdwn::new().markup(text)).collect();
        let button = |text: &Mrkdwn| Button { text: "Open \"it\"", url: text.as_str().to_owned() };
        let lists = [Block::Fields(texts.clone()), Block::Actions(texts.iter().map(button).collect())];
        let single = texts.iter().flat_map(|text| {
            [Block::Section(text.clone()), Block::Context(text.clone()), Block::Named("people", text.clone())]
        });
        single.chain(lists).collect()
    }

    proptest! {
        #[test]
        fn the_counted_width_is_that_of_the_json(texts in prop::collection::vec(any::<String>(), 0..4), control in "[\\x00-\\x7f]*") {
            for block in blocks(&[texts, vec![control, "경보🔥".to_owned()]].concat()) {
                let mut json = String::new();
                block.write_json(&mut json);
                let value: serde_json::Value = serde_json::from_str(&json).unwrap();
                prop_assert_eq!(value.to_string(), &*json);
                prop_assert_eq!(block.json_width(), width(&json), "{}", json);
            }
        }
    }
}
