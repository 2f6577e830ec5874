//! A Slack message, read: its payload's text and blocks as what they mean, whoever shows them. [`super::terminal`] writes it
//! for a terminal, the playground as HTML.
//!
//! Reading is total: what is missing is empty, and a block that nobody knows keeps its name.
//!
//! Source of the forms: Slack, "Block Kit reference", one page for each block.

pub(crate) mod mrkdwn;

use serde_json::Value;

use mrkdwn::Text;

/// Containers in containers, which Slack refuses.
const NESTING_MAX: usize = 4;

/// A message.
#[derive(Debug)]
pub(crate) struct Message {
    /// The channel that it asks for.
    pub(crate) channel: Option<String>,
    /// What a notification shows, and a message without blocks.
    pub(crate) text: Text,
    /// `None` where there are none at all, and the text is shown.
    pub(crate) blocks: Option<Vec<Block>>,
    pub(crate) attachments: Vec<Attachment>,
}

/// A part with a bar of colour.
#[derive(Debug)]
pub(crate) struct Attachment {
    /// Red, green and blue, where it names them.
    pub(crate) color: Option<[u8; 3]>,
    pub(crate) blocks: Vec<Block>,
}

/// A block.
#[derive(Debug)]
pub(crate) enum Block {
    Section {
        text: Text,
        fields: Vec<Text>,
    },
    Header(Text),
    Context(Vec<Text>),
    Actions(Vec<Button>),
    Divider,
    Chart(Chart),
    Container {
        title: Text,
        is_closed: bool,
        blocks: Vec<Block>,
    },
    /// A type that nobody knows here.
    Unknown(String),
}

/// A button, or a menu; one that leads nowhere has no URL.
#[derive(Debug)]
pub(crate) struct Button {
    pub(crate) label: String,
    pub(crate) url: Option<String>,
    /// By which the app is told of a press.
    pub(crate) action_id: Option<String>,
    /// What a menu offers; a button offers nothing.
    pub(crate) choices: Vec<Choice>,
}

/// One line of a menu.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
}

/// Values over time, and the limits beside them.
#[derive(Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    /// The values' unit, or empty.
    pub(crate) unit: String,
    /// What the labels are, or empty.
    pub(crate) axis: String,
    /// A label for each value, in their order.
    pub(crate) categories: Vec<String>,
    /// The first is what was measured, the others are what it is compared with.
    pub(crate) series: Vec<Series>,
}

/// One line of a chart, with a value for each of its categories.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) values: Vec<f64>,
}

impl Message {
    /// Reads a payload.
    pub(crate) fn read(payload: &Value) -> Self {
        Self {
            channel: payload.get("channel").and_then(Value::as_str).map(str::to_owned),
            text: mrkdwn::read(text(payload, "text")),
            blocks: Some(list(payload, "blocks")).filter(|all| !all.is_empty()).map(|all| blocks(all, 0)),
            attachments: list(payload, "attachments").iter().map(Attachment::read).collect(),
        }
    }
}

impl Attachment {
    fn read(attachment: &Value) -> Self {
        Self { color: color(text(attachment, "color")), blocks: blocks(list(attachment, "blocks"), 0) }
    }
}

fn color(color: &str) -> Option<[u8; 3]> {
    let is_hex = |hex: &&str| hex.len() == 6 && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let hex = color.strip_prefix('#').filter(is_hex)?;
    let [_, red, green, blue] = u32::from_str_radix(hex, 16).ok()?.to_be_bytes();
    Some([red, green, blue])
}

fn blocks(blocks: &[Value], depth: usize) -> Vec<Block> {
    blocks.iter().map(|block| self::block(block, depth)).collect()
}

fn block(block: &Value, depth: usize) -> Block {
    let texts = |key| list(block, key).iter().map(text_object).collect();
    let inner = |key| block.get(key).map(text_object).unwrap_or_default();
    let kind = text(block, "type");
    match kind {
        "section" => Block::Section { text: inner("text"), fields: texts("fields") },
        "header" => Block::Header(inner("text")),
        "context" => Block::Context(texts("elements")),
        "actions" => Block::Actions(list(block, "elements").iter().map(Button::read).collect()),
        "divider" => Block::Divider,
        "data_visualization" => {
            Chart::read(block).map_or_else(|| Block::Unknown(kind.to_owned()), Block::Chart)
        }
        "container" if depth < NESTING_MAX => Block::Container {
            title: inner("title"),
            is_closed: ["is_collapsible", "default_collapsed"]
                .iter()
                .all(|key| block.get(key).and_then(Value::as_bool) == Some(true)),
            blocks: blocks(list(block, "child_blocks"), depth + 1),
        },
        other => Block::Unknown(other.to_owned()),
    }
}

impl Button {
    fn read(element: &Value) -> Self {
        Self {
            // A menu shows what it asks for.
            label: ["text", "placeholder"]
                .iter()
                .find_map(|name| element.get(name))
                .map(|inner| text(inner, "text"))
                .unwrap_or_default()
                .to_owned(),
            url: Some(text(element, "url")).filter(|url| mrkdwn::is_web(url)).map(str::to_owned),
            action_id: Some(text(element, "action_id")).filter(|id| !id.is_empty()).map(str::to_owned),
            choices: list(element, "options").iter().map(Choice::read).collect(),
        }
    }
}

impl Choice {
    fn read(option: &Value) -> Self {
        let label = option.get("text").map_or("", |inner| text(inner, "text"));
        Self { value: text(option, "value").to_owned(), label: label.to_owned() }
    }
}

impl Chart {
    /// A line chart; `None` for the other kinds, and where a series lacks a value.
    fn read(block: &Value) -> Option<Self> {
        let chart = block.get("chart").filter(|chart| text(chart, "type") == "line")?;
        let axes = chart.get("axis_config")?;
        let categories: Vec<&str> = list(axes, "categories").iter().filter_map(Value::as_str).collect();
        let series = list(chart, "series").iter().map(|series| Series::read(series, &categories));
        let series = series.collect::<Option<Vec<Series>>>()?;
        (!series.is_empty() && !categories.is_empty()).then(|| Self {
            title: text(block, "title").to_owned(),
            unit: text(axes, "y_label").to_owned(),
            axis: text(axes, "x_label").to_owned(),
            categories: categories.into_iter().map(str::to_owned).collect(),
            series,
        })
    }

    /// What was measured.
    pub(crate) fn measured(&self) -> &[f64] {
        self.series.first().map_or(&[], |series| &series.values)
    }

    /// A value with the chart's unit.
    pub(crate) fn shown(&self, value: f64) -> String {
        alert_core::number::measured(value, None, &self.unit)
    }

    /// The chart in words: the first value and the last, and the limits.
    pub(crate) fn words(&self) -> String {
        let mut words = range(self.measured(), |value| self.shown(value));
        for series in self.series.iter().skip(1) {
            words = format!("{words}, {} {}", series.name, range(&series.values, |value| self.shown(value)));
        }
        words
    }
}

/// `48.2 % → 99.83 %`; one value where both ends are the same.
fn range(values: &[f64], shown: impl Fn(f64) -> String) -> String {
    let [first, last] =
        [values.first(), values.last()].map(|value| value.map_or_else(String::new, |value| shown(*value)));
    if first == last { first } else { format!("{first} → {last}") }
}

impl Series {
    fn read(series: &Value, categories: &[&str]) -> Option<Self> {
        let data = list(series, "data");
        let value = |label: &&str| {
            let point = data.iter().find(|point| text(point, "label") == *label)?;
            point.get("value")?.as_f64()
        };
        let values = categories.iter().map(value).collect::<Option<Vec<f64>>>()?;
        Some(Self { name: text(series, "name").to_owned(), values })
    }
}

fn text_object(object: &Value) -> Text {
    let inner = text(object, "text");
    if text(object, "type") == "mrkdwn" { mrkdwn::read(inner) } else { mrkdwn::unmarked(inner) }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn chart(series: &Value) -> Value {
        json!({"type": "data_visualization", "title": "CPUUtilization (%)", "chart": {
            "type": "line", "series": series,
            "axis_config": {"categories": ["09:10", "09:11"], "x_label": "UTC", "y_label": "%"},
        }})
    }

    #[test]
    fn a_chart_is_read_by_its_labels() {
        let limit = json!({"name": "limit", "data": [{"label": "09:10", "value": 50}, {"label": "09:11", "value": 50}]});
        let values = json!({"name": "CPU", "data": [{"label": "09:11", "value": 99.83}, {"label": "09:10", "value": 48.2}]});
        let read = Chart::read(&chart(&json!([values, limit]))).unwrap();
        assert_eq!(read.measured(), [48.2, 99.83]);
        assert_eq!(read.words(), "48.2 % → 99.83 %, limit 50 %");
        for broken in
            [json!([]), json!([limit, {"name": "x", "data": [{"label": "09:10", "value": 1}]}]), json!(3)]
        {
            assert!(Chart::read(&chart(&broken)).is_none(), "{broken}");
        }
    }

    #[test]
    fn only_what_can_be_opened_is_closed() {
        let container = |more: Value| {
            let mut block = json!({"type": "container", "title": {"type": "plain_text", "text": "*Details*"},
                "child_blocks": [{"type": "divider"}, {"type": "context", "elements": []}]});
            for (key, value) in more.as_object().unwrap() {
                block[key] = value.clone();
            }
            match super::block(&block, 0) {
                Block::Container { title, is_closed, blocks } => {
                    assert_eq!((mrkdwn::plain(&title).as_str(), blocks.len()), ("*Details*", 2));
                    is_closed
                }
                other => panic!("{other:?}"),
            }
        };
        assert!(container(json!({"is_collapsible": true, "default_collapsed": true})));
        assert!(!container(json!({"is_collapsible": true})));
        assert!(!container(json!({"default_collapsed": true})));
        assert!(!container(json!({})));
    }

    #[test]
    fn containers_without_end_end() {
        let mut block = json!({"type": "divider"});
        for _ in 0..100 {
            block = json!({"type": "container", "child_blocks": [block]});
        }
        let read = format!("{:?}", Message::read(&json!({"blocks": [block]})));
        assert_eq!(read.matches("Container").count(), NESTING_MAX);
        assert!(read.contains(r#"Unknown("container")"#), "{read}");
    }

    #[test]
    fn whatever_it_is_it_is_read() {
        for payload in
            [json!(null), json!("text"), json!({"blocks": 3}), json!({"attachments": [{"color": "red"}, 4]})]
        {
            let message = Message::read(&payload);
            assert!(message.blocks.is_none() && message.text.is_empty(), "{message:?}");
            assert!(message.attachments.iter().all(|attachment| attachment.color.is_none()), "{message:?}");
        }
        assert_eq!(color("#a30200"), Some([0xa3, 0x02, 0x00]));
        assert_eq!((color("#+30200"), color("#a3020"), color("a30200")), (None, None, None));
    }
}
