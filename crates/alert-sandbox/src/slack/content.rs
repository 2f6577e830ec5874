//! What Slack accepts as the content of a message, and why it refuses the rest.

mod interactive;
mod modern;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

pub use interactive::{
    ACTIONS_ELEMENTS_MAX, BUTTON_TEXT_MAX_CHARS, BUTTON_VALUE_MAX_CHARS, CONFIRM_BUTTON_MAX_CHARS,
    CONFIRM_TEXT_MAX_CHARS, CONFIRM_TITLE_MAX_CHARS, OPTION_TEXT_MAX_CHARS, OPTION_VALUE_MAX_CHARS,
    OPTIONS_MAX, PLACEHOLDER_MAX_CHARS,
};
use interactive::{check_actions, check_interactive};
pub use modern::{
    CHART_AXIS_LABEL_MAX_CHARS, CHART_NAME_MAX_CHARS, CHART_POINTS_MAX, CHART_SERIES_MAX,
    CHART_TITLE_MAX_CHARS, CHARTS_MAX, CONTAINER_BLOCKS_MAX, CONTAINER_TITLE_MAX_CHARS, has_modern_blocks,
};
use modern::{check_chart_block, check_container, children, count_with_children, is_chart};

// Slack's documented limits (docs.slack.dev, reference/block-kit). Lengths are counted in characters.

/// Blocks in one list, those in containers included; attachments have lists of their own.
pub const BLOCKS_MAX: usize = 50;
/// Attachments in a message.
pub const ATTACHMENTS_MAX: usize = 100;
/// Beyond this, Slack cuts `text` instead of refusing it.
pub const TEXT_MAX_CHARS: usize = 40_000;
/// Beyond this, `chat.update` refuses `text`, which `chat.postMessage` takes (reference/methods/chat.update).
pub const UPDATE_TEXT_MAX_CHARS: usize = 4000;
/// Metadata as compact JSON. Slack has a limit and does not say which.
pub const METADATA_MAX_BYTES: usize = 8000;
/// All block lists of a message together, as compact JSON; undocumented, observed.
pub const ALL_BLOCKS_MAX_CHARS: usize = 13_000;
/// The text of a header.
pub const HEADER_TEXT_MAX_CHARS: usize = 150;
/// The text of a section, and of any text object without a limit of its own.
pub const SECTION_TEXT_MAX_CHARS: usize = 3000;
/// Fields in a section.
pub const SECTION_FIELDS_MAX: usize = 10;
/// The text of a field.
pub const FIELD_TEXT_MAX_CHARS: usize = 2000;
/// Elements in a context block.
pub const CONTEXT_ELEMENTS_MAX: usize = 10;
/// Any URL.
pub const URL_MAX_CHARS: usize = 3000;
/// `alt_text` and `title` of an image.
pub const IMAGE_TEXT_MAX_CHARS: usize = 2000;
/// `block_id` and `action_id`.
pub const ID_MAX_CHARS: usize = 255;
/// The text of all markdown blocks of a message together.
pub const MARKDOWN_TEXT_MAX_CHARS: usize = 12_000;
/// The footer of an attachment.
pub const FOOTER_MAX_CHARS: usize = 300;

/// What Slack answers instead of `ok`, and, which it does not tell, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The body of the answer.
    pub answer: &'static str,
    /// The place and the rule that was broken.
    pub why: String,
}

impl Refusal {
    fn new(answer: &'static str, why: impl Into<String>) -> Self {
        Self { status: 400, answer, why: why.into() }
    }

    fn block(place: &str, why: impl std::fmt::Display) -> Self {
        Self::new("invalid_blocks", format!("{place}: {why}"))
    }
}

type Check = Result<(), Refusal>;

/// Whether Slack would take this payload of an incoming webhook.
pub fn check(payload: &Value) -> Check {
    let Some(message) = payload.as_object() else {
        return Err(Refusal::new("invalid_payload", "the payload is not a JSON object"));
    };
    let text = match message.get("text") {
        None | Some(Value::Null) => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(Refusal::new("invalid_payload", "text: not a string")),
    };
    let attachments = list(message, "attachments", "invalid_attachments")?;
    let blocks = list(message, "blocks", "invalid_blocks_format")?;
    if text.trim().is_empty() && blocks.is_empty() && attachments.is_empty() {
        return Err(Refusal::new("no_text", "neither text nor blocks nor attachments"));
    }
    if attachments.len() > ATTACHMENTS_MAX {
        let why = format!("attachments: {} of at most {ATTACHMENTS_MAX}", attachments.len());
        return Err(Refusal::new("too_many_attachments", why));
    }
    let mut lists = Lists::default();
    lists.check(blocks, "blocks")?;
    for (index, attachment) in attachments.iter().enumerate() {
        let place = format!("attachments[{index}]");
        let Some(attachment) = attachment.as_object() else {
            return Err(Refusal::new("invalid_attachments", format!("{place}: not an object")));
        };
        let blocks = list(attachment, "blocks", "invalid_blocks_format")?;
        let place_of_blocks = format!("{place}.blocks");
        // Slack's pages show them as blocks of a message only.
        if blocks.iter().any(has_modern_blocks) {
            return Err(Refusal::block(
                &place_of_blocks,
                "no chart and no container stands in an attachment",
            ));
        }
        lists.check(blocks, &place_of_blocks)?;
        let footer = attachment.get("footer").and_then(Value::as_str).unwrap_or_default();
        if chars(footer) > FOOTER_MAX_CHARS {
            let why = format!("{place}.footer: {} characters of at most {FOOTER_MAX_CHARS}", chars(footer));
            return Err(Refusal::new("invalid_attachments", why));
        }
    }
    lists.check_sums()
}

/// Whether Slack would take this as the metadata of a message. An empty object takes metadata away.
pub(super) fn check_metadata(metadata: Option<&Value>) -> Check {
    let metadata = match metadata {
        None | Some(Value::Null) => return Ok(()),
        Some(metadata) => metadata,
    };
    let invalid = |why: &str| Err(Refusal::new("invalid_metadata_format", format!("metadata{why}")));
    let Some(object) = metadata.as_object() else { return invalid(": not an object") };
    if object.is_empty() {
        return Ok(());
    }
    if object.get("event_type").and_then(Value::as_str).is_none_or(str::is_empty) {
        return invalid(".event_type: missing, or not a string");
    }
    if !object.get("event_payload").is_some_and(Value::is_object) {
        return invalid(".event_payload: missing, or not an object");
    }
    let bytes = metadata.to_string().len();
    if bytes > METADATA_MAX_BYTES {
        let why = format!("metadata: {bytes} bytes of JSON of at most {METADATA_MAX_BYTES}");
        return Err(Refusal::new("metadata_too_large", why));
    }
    Ok(())
}

/// Whether the text is short enough for an edit.
pub(super) fn check_update_text(payload: &Value) -> Check {
    let count = payload.get("text").and_then(Value::as_str).map_or(0, chars);
    if count > UPDATE_TEXT_MAX_CHARS {
        let why = format!("text: {count} characters of at most {UPDATE_TEXT_MAX_CHARS}");
        return Err(Refusal::new("msg_too_long", why));
    }
    Ok(())
}

/// The text as Slack keeps it.
pub(super) fn cut_text(text: &str) -> &str {
    text.char_indices().nth(TEXT_MAX_CHARS).map_or(text, |(end, _)| &text[..end])
}

/// Whether Slack would cut the text of this payload.
#[must_use]
pub fn is_truncated(payload: &Value) -> bool {
    payload.get("text").and_then(Value::as_str).is_some_and(|text| chars(text) > TEXT_MAX_CHARS)
}

/// Whether the payload holds blocks, at its top or in an attachment.
#[must_use]
pub fn has_blocks(payload: &Value) -> bool {
    let filled =
        |value: &Value| value.get("blocks").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let attachments = payload.get("attachments").and_then(Value::as_array);
    filled(payload) || attachments.is_some_and(|attachments| attachments.iter().any(filled))
}

fn list<'a>(
    object: &'a Map<String, Value>,
    name: &str,
    answer: &'static str,
) -> Result<&'a [Value], Refusal> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(Refusal::new(answer, format!("{name}: not a list"))),
    }
}

/// What is counted over all block lists of a message.
#[derive(Debug, Default)]
struct Lists {
    json_chars: usize,
    markdown_chars: usize,
    charts: usize,
    block_ids: BTreeSet<String>,
}

impl Lists {
    fn check(&mut self, blocks: &[Value], place: &str) -> Check {
        let count: usize = blocks.iter().map(count_with_children).sum();
        if count > BLOCKS_MAX {
            return Err(Refusal::block(place, format!("{count} blocks of at most {BLOCKS_MAX}")));
        }
        for (index, block) in blocks.iter().enumerate() {
            let block = Part::new(block, format!("{place}[{index}]"))?;
            check_block(&block)?;
            self.add(&block)?;
        }
        if !blocks.is_empty() {
            self.json_chars += chars(&Value::from(blocks).to_string());
        }
        Ok(())
    }

    /// A block that was checked, and what is in it.
    fn add(&mut self, block: &Part<'_>) -> Check {
        if let Some(id) = block.get_str("block_id")
            && !self.block_ids.insert(id.to_owned())
        {
            return Err(block.refuse(format!("block_id `{id}` is there twice")));
        }
        if block.kind() == "markdown" {
            self.markdown_chars += block.get_str("text").map_or(0, chars);
        }
        self.charts += usize::from(is_chart(block.kind()));
        children(block)?.iter().try_for_each(|child| self.add(child))
    }

    fn check_sums(&self) -> Check {
        if self.charts > CHARTS_MAX {
            return Err(Refusal::block("blocks", format!("{} charts of at most {CHARTS_MAX}", self.charts)));
        }
        if self.markdown_chars > MARKDOWN_TEXT_MAX_CHARS {
            let count = self.markdown_chars;
            let why = format!("{count} characters of markdown of at most {MARKDOWN_TEXT_MAX_CHARS}");
            return Err(Refusal::block("blocks", why));
        }
        if self.json_chars > ALL_BLOCKS_MAX_CHARS {
            let count = self.json_chars;
            let why = format!("all blocks: {count} characters of JSON of at most {ALL_BLOCKS_MAX_CHARS}");
            return Err(Refusal::new("msg_blocks_too_long", why));
        }
        Ok(())
    }
}

/// An object inside the message, and where it stands.
struct Part<'a> {
    object: &'a Map<String, Value>,
    place: String,
}

impl<'a> Part<'a> {
    fn new(value: &'a Value, place: String) -> Result<Self, Refusal> {
        match value.as_object() {
            Some(object) => Ok(Self { object, place }),
            None => Err(Refusal::block(&place, "not an object")),
        }
    }

    fn kind(&self) -> &'a str {
        self.get_str("type").unwrap_or_default()
    }

    fn get_str(&self, name: &str) -> Option<&'a str> {
        self.object.get(name).and_then(Value::as_str)
    }

    fn refuse(&self, why: impl std::fmt::Display) -> Refusal {
        Refusal::block(&self.place, why)
    }

    /// Slack refuses properties that it does not know.
    fn only(&self, known: &[&str]) -> Check {
        match self.object.keys().find(|name| *name != "type" && !known.contains(&name.as_str())) {
            Some(name) => Err(self.refuse(format!("unknown property `{name}`"))),
            None => Ok(()),
        }
    }

    /// A string of at most `max` characters; a required one must not be empty.
    fn string(&self, name: &str, max: usize, required: bool) -> Check {
        let place = format!("{}.{name}", self.place);
        let text = match self.object.get(name) {
            None if required => return Err(Refusal::block(&place, "missing")),
            None => return Ok(()),
            Some(Value::String(text)) => text,
            Some(_) => return Err(Refusal::block(&place, "not a string")),
        };
        if text.is_empty() {
            return Err(Refusal::block(&place, "empty"));
        }
        check_length(&place, text, max)
    }

    fn url(&self, name: &str, required: bool) -> Check {
        self.string(name, URL_MAX_CHARS, required)?;
        match self.get_str(name) {
            Some(url) if !url.contains(':') || url.contains(char::is_whitespace) => {
                Err(Refusal::block(&format!("{}.{name}", self.place), "not a URL"))
            }
            _ => Ok(()),
        }
    }

    /// A list of 1 to `max` objects.
    fn parts(&self, name: &str, max: usize) -> Result<Vec<Part<'a>>, Refusal> {
        let place = format!("{}.{name}", self.place);
        let Some(list) = self.object.get(name).and_then(Value::as_array) else {
            return Err(Refusal::block(&place, "missing, or not a list"));
        };
        if list.is_empty() {
            return Err(Refusal::block(&place, "empty"));
        }
        if list.len() > max {
            return Err(Refusal::block(&place, format!("{} entries of at most {max}", list.len())));
        }
        list.iter().enumerate().map(|(index, value)| Part::new(value, format!("{place}[{index}]"))).collect()
    }

    fn part(&self, name: &str) -> Result<Option<Part<'a>>, Refusal> {
        self.object.get(name).map(|value| Part::new(value, format!("{}.{name}", self.place))).transpose()
    }

    fn required_part(&self, name: &str) -> Result<Part<'a>, Refusal> {
        self.part(name)?.ok_or_else(|| Refusal::block(&format!("{}.{name}", self.place), "missing"))
    }

    /// A boolean; false where there is none.
    fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.object.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(Refusal::block(&format!("{}.{name}", self.place), "not a boolean")),
        }
    }

    /// A text object, required.
    fn text(&self, name: &str, max: usize, kinds: &[&str]) -> Check {
        check_text(&self.required_part(name)?, max, kinds)
    }
}

const PLAIN: &[&str] = &["plain_text"];
const ANY_TEXT: &[&str] = &["plain_text", "mrkdwn"];

fn check_block(block: &Part<'_>) -> Check {
    block.string("block_id", ID_MAX_CHARS, false)?;
    match block.kind() {
        "header" => {
            block.only(&["block_id", "text", "level"])?;
            block.text("text", HEADER_TEXT_MAX_CHARS, PLAIN)
        }
        "section" => check_section(block),
        "context" => {
            block.only(&["block_id", "elements"])?;
            block.parts("elements", CONTEXT_ELEMENTS_MAX)?.iter().try_for_each(|element| {
                match element.kind() {
                    "image" => check_image(element, &[]),
                    _ => check_text(element, SECTION_TEXT_MAX_CHARS, ANY_TEXT),
                }
            })
        }
        "actions" => check_actions(block),
        "divider" => block.only(&["block_id"]),
        "image" => {
            check_image(block, &["block_id", "title"])?;
            if block.object.contains_key("title") {
                block.text("title", IMAGE_TEXT_MAX_CHARS, PLAIN)?;
            }
            Ok(())
        }
        "markdown" => {
            block.only(&["block_id", "text"])?;
            block.string("text", MARKDOWN_TEXT_MAX_CHARS, true)
        }
        "rich_text" => {
            const ELEMENTS: &[&str] =
                &["rich_text_section", "rich_text_list", "rich_text_quote", "rich_text_preformatted"];
            block.only(&["block_id", "elements"])?;
            block.parts("elements", usize::MAX)?.iter().try_for_each(|element| {
                if !ELEMENTS.contains(&element.kind()) {
                    return Err(element.refuse(format!("no rich text element: `{}`", element.kind())));
                }
                element.parts("elements", usize::MAX).map(drop)
            })
        }
        "data_visualization" => check_chart_block(block),
        "container" => check_container(block),
        kind => Err(block.refuse(format!("unknown block type `{kind}`"))),
    }
}

fn check_section(block: &Part<'_>) -> Check {
    block.only(&["block_id", "text", "fields", "accessory", "expand"])?;
    let (text, fields) = (block.object.contains_key("text"), block.object.contains_key("fields"));
    if !text && !fields {
        return Err(block.refuse("neither text nor fields"));
    }
    if text {
        block.text("text", SECTION_TEXT_MAX_CHARS, ANY_TEXT)?;
    }
    if fields {
        let fields = block.parts("fields", SECTION_FIELDS_MAX)?;
        fields.iter().try_for_each(|field| check_text(field, FIELD_TEXT_MAX_CHARS, ANY_TEXT))?;
    }
    match block.part("accessory")? {
        None => Ok(()),
        Some(image) if image.kind() == "image" => check_image(&image, &[]),
        Some(element) => check_interactive(&element),
    }
}

fn check_text(text: &Part<'_>, max: usize, kinds: &[&str]) -> Check {
    if !kinds.contains(&text.kind()) {
        return Err(text.refuse(format!("type `{}` instead of {}", text.kind(), kinds.join(" or "))));
    }
    let own = if text.kind() == "mrkdwn" { "verbatim" } else { "emoji" };
    text.only(&["text", own])?;
    text.string("text", max, true)
}

fn check_image(image: &Part<'_>, more: &[&str]) -> Check {
    image.only(&[&["image_url", "alt_text"], more].concat())?;
    image.url("image_url", true)?;
    image.string("alt_text", IMAGE_TEXT_MAX_CHARS, true)
}

fn check_length(place: &str, text: &str, max: usize) -> Check {
    let count = chars(text);
    if count > max {
        return Err(Refusal::block(place, format!("{count} characters of at most {max}")));
    }
    Ok(())
}

fn chars(text: &str) -> usize {
    text.chars().count()
}
