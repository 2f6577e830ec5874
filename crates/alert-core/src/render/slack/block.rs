//! Slack's Block Kit as far as we use it; construction truncates, so that no value of these types is too long.
//!
//! Source of the limits: Slack, "Block Kit reference", one page for each block.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::mrkdwn::{Mrkdwn, width};

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

/// A block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// A paragraph.
    Section(Mrkdwn),
    /// Short texts in two columns.
    Fields(Vec<Mrkdwn>),
    /// Small and grey.
    Context(Mrkdwn),
    /// A row of buttons.
    Actions(Vec<Button>),
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
    pub fn section(text: &Mrkdwn) -> Option<Self> {
        (!text.as_str().trim().is_empty()).then(|| Self::Section(text.cut(SECTION_TEXT_MAX_CHARS)))
    }

    /// Fields in as many sections as they need.
    #[must_use]
    pub fn fields(fields: &[Mrkdwn]) -> Vec<Self> {
        let fields: Vec<Mrkdwn> = fields
            .iter()
            .filter(|field| !field.as_str().trim().is_empty())
            .map(|field| field.cut(FIELD_TEXT_MAX_CHARS))
            .collect();
        fields.chunks(SECTION_FIELDS_MAX).map(|fields| Self::Fields(fields.to_vec())).collect()
    }

    /// A small grey line; `None` for a blank one.
    #[must_use]
    pub fn context(text: &Mrkdwn) -> Option<Self> {
        (!text.as_str().trim().is_empty()).then(|| Self::Context(text.cut(FIELD_TEXT_MAX_CHARS)))
    }

    /// A row of buttons; `None` without any.
    #[must_use]
    pub fn actions(mut buttons: Vec<Button>) -> Option<Self> {
        buttons.truncate(ACTIONS_ELEMENTS_MAX);
        (!buttons.is_empty()).then_some(Self::Actions(buttons))
    }

    /// The length of the block as compact JSON.
    #[must_use]
    pub fn json_width(&self) -> usize {
        serde_json::to_string(self).map_or(usize::MAX, |json| width(&json))
    }

    /// The same block with its text shortened so that its JSON is at most `max` long; `None` where it is not worth
    /// showing then.
    #[must_use]
    pub fn shrink(&self, max: usize) -> Option<Self> {
        const WORTH_MIN_CHARS: usize = 80;
        let over = self.json_width().saturating_sub(max);
        if over == 0 {
            return Some(self.clone());
        }
        match self {
            Self::Section(text) => {
                // JSON may be longer than the text (`\n`, `"`), so that cutting is repeated until it fits.
                let mut room = text.width().checked_sub(over)?;
                while room >= WORTH_MIN_CHARS {
                    let block = Self::Section(text.cut(room));
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
            Self::Context(_) | Self::Actions(_) => None,
        }
    }
}

impl Button {
    /// A button; `None` where Slack would refuse the URL.
    #[must_use]
    pub fn new(text: &'static str, url: &str) -> Option<Self> {
        let is_url = (url.starts_with("https://") || url.starts_with("http://"))
            && width(url) <= BUTTON_URL_MAX_CHARS
            && !url.contains(|c: char| c.is_whitespace() || c.is_control() || "<>\"|\\^`{}".contains(c));
        (is_url && width(text) <= BUTTON_TEXT_MAX_CHARS).then(|| Self { text, url: url.to_owned() })
    }
}

#[derive(Serialize)]
struct Text<'t> {
    r#type: &'static str,
    text: &'t str,
}

impl<'t> Text<'t> {
    fn mrkdwn(text: &'t Mrkdwn) -> Self {
        Self { r#type: "mrkdwn", text: text.as_str() }
    }
}

impl Serialize for Block {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        match self {
            Self::Section(text) => {
                map.serialize_entry("type", "section")?;
                map.serialize_entry("text", &Text::mrkdwn(text))?;
            }
            Self::Fields(fields) => {
                map.serialize_entry("type", "section")?;
                map.serialize_entry("fields", &fields.iter().map(Text::mrkdwn).collect::<Vec<_>>())?;
            }
            Self::Context(text) => {
                map.serialize_entry("type", "context")?;
                map.serialize_entry("elements", &[Text::mrkdwn(text)])?;
            }
            Self::Actions(buttons) => {
                map.serialize_entry("type", "actions")?;
                map.serialize_entry("elements", buttons)?;
            }
        }
        map.end()
    }
}

impl Serialize for Button {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("type", "button")?;
        map.serialize_entry("text", &Text { r#type: "plain_text", text: self.text })?;
        map.serialize_entry("url", &self.url)?;
        map.end()
    }
}

impl Button {
    /// The button as a link, for a message without blocks.
    pub(super) fn write_as_link(&self, text: Mrkdwn) -> Mrkdwn {
        text.link(&self.url, self.text)
    }
}
