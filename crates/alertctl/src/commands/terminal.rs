//! What people read, as a terminal shows it: pages by their words, messages by their blocks.

use alert_core::config::Config;
use alert_core::relay::{Post, RelayPlan};
use alert_core::render::{slack as drawn, text};
use anstyle::{AnsiColor, Color, RgbColor, Style};
use serde_json::Value;

use crate::commands::slack::mrkdwn::{Mark, Paragraph, Span, Text};
use crate::commands::slack::{Block, Chart, Message};
use crate::plain::Plain;

/// Bold.
pub(crate) const BOLD: Style = Style::new().bold();
/// Small and grey.
pub(crate) const GREY: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::BrightBlack)));
/// Wrong.
pub(crate) const RED: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Red)));
/// Right.
pub(crate) const GREEN: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Green)));

/// Lines that show what a post says; styled, for a stream that strips styles where they are not wanted.
pub(crate) fn post(plan: &RelayPlan<'_>, post: &Post, config: &Config) -> Vec<String> {
    // A digest has no page.
    let Some(page) = plan.page(post) else { return written(post) };
    let words = text::page(&page, config.timezone, config.language.words());
    let style = |index| if index == 0 { BOLD } else { Style::new() };
    words.split_terminator('\n').enumerate().map(|(index, line)| styled(line, style(index))).collect()
}

/// The same, in the blocks in which it goes to Slack.
pub(crate) fn written(post: &Post) -> Vec<String> {
    // What we write is always JSON.
    message(&serde_json::from_str(&post.message.content()).unwrap_or_default())
}

/// The same for a message that Slack got.
pub(crate) fn message(payload: &Value) -> Vec<String> {
    let message = Message::read(payload);
    let mut lines = match &message.blocks {
        Some(blocks) => blocks.iter().flat_map(block).collect(),
        None => texts(&message.text, Style::new()),
    };
    for attachment in &message.attachments {
        let color = attachment.color.map(|[red, green, blue]| Color::Rgb(RgbColor(red, green, blue)));
        let bar = styled("▌", Style::new().fg_color(color));
        lines.extend(attachment.blocks.iter().flat_map(block).map(|line| format!("{bar} {line}")));
    }
    lines
}

fn block(block: &Block) -> Vec<String> {
    match block {
        Block::Section { text, fields } => {
            let mut lines = texts(text, Style::new());
            lines.extend(fields.iter().map(field));
            lines
        }
        Block::Header(text) => texts(text, BOLD),
        Block::Context(elements) => elements.iter().flat_map(|element| texts(element, GREY)).collect(),
        Block::Actions(buttons) => {
            let labels: Vec<String> =
                buttons.iter().map(|button| format!("[{}]", Plain(&button.label))).collect();
            vec![labels.join(" ")]
        }
        Block::Divider => vec![styled("────────", GREY)],
        Block::Chart(chart) => vec![self::chart(chart)],
        Block::Container { title, blocks, .. } => {
            let mut lines = texts(title, BOLD);
            lines.extend(blocks.iter().flat_map(self::block).map(|line| format!("  {line}")));
            lines
        }
        Block::Unknown(kind) => vec![format!("({})", Plain(kind))],
    }
}

/// `▁▃█  48.2 % → 99.83 %, limit 50 %  CPUUtilization (%)`
fn chart(chart: &Chart) -> String {
    let values: Vec<(f64, bool)> = chart.measured().iter().map(|value| (*value, false)).collect();
    format!("{}  {}  {GREY}{}{GREY:#}", drawn::sparkline(&values), Plain(chart.words()), Plain(&chart.title))
}

/// A field: the first line names it.
fn field(field: &Text) -> String {
    let mut lines = texts(field, Style::new()).into_iter();
    let name = lines.next().unwrap_or_default();
    let value = lines.collect::<Vec<_>>().join(", ");
    if value.is_empty() { name } else { format!("{name}: {value}") }
}

fn texts(text: &Text, style: Style) -> Vec<String> {
    text.iter().flat_map(Paragraph::lines).map(|line| spans(line, style)).collect()
}

/// One line: links as their words, moments in the deployment's time zone.
fn spans(line: &[Span], style: Style) -> String {
    let span = |span: &Span| match span {
        Span::Text(text)
        | Span::Mention(text)
        | Span::Link { label: text, .. }
        | Span::Moment { fallback: text, .. } => styled(text, style),
        Span::Marked(mark, inner) => spans(inner, marked(*mark, style)),
    };
    line.iter().map(span).collect()
}

fn marked(mark: Mark, style: Style) -> Style {
    match mark {
        Mark::Bold => style.bold(),
        Mark::Italic => style.italic(),
        Mark::Struck => style.strikethrough(),
        Mark::Code => style,
    }
}

fn styled(text: &str, style: Style) -> String {
    format!("{style}{}{style:#}", Plain(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(payload: &Value) -> String {
        let lines = message(payload);
        lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn mrkdwn_becomes_text() {
        let plain = |text: &str| plain(&json!({"text": text}));
        assert_eq!(plain("*a* b &lt;c&gt; <https://x|label> <!date^1^{date}|then>"), "a b <c> label then");
        assert_eq!(plain("2 * 3\n```\nx\n y\n```"), "2 * 3\nx\n y");
        assert_eq!(plain("open <"), "open <");
    }

    #[test]
    fn emphasis_is_kept_and_nothing_foreign_steers() {
        let lines = message(&json!({"text": "*a _b_* c"}));
        assert_eq!(lines, ["\u{1b}[1ma \u{1b}[0m\u{1b}[1m\u{1b}[3mb\u{1b}[0m c"]);
        let lines = message(&json!({"text": "\u{1b}[2J <https://x|\u{9b}m>"}));
        assert_eq!(lines, [r"\u{1b}[2J \u{9b}m"]);
    }

    #[test]
    fn every_kind_of_block() {
        let data = |values: [f64; 2]| json!([{"label": "1", "value": values[0]}, {"label": "0", "value": values[1]}]);
        let payload = json!({
            "text": "not shown",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "*plain*"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": "*head*"}},
                {"type": "data_visualization", "title": "CPU\u{1b} (%)", "chart": {"type": "line",
                    "series": [{"name": "CPU", "data": data([48.2, 99.83])}, {"name": "limit\u{1b}", "data": data([50.0, 50.0])}],
                    "axis_config": {"categories": ["1", "0"], "y_label": "%"}}},
                {"type": "container", "title": {"type": "plain_text", "text": "Details"}, "child_blocks": [
                    {"type": "section", "fields": [{"type": "mrkdwn", "text": "*k*\nv\nw"}, {"type": "mrkdwn", "text": "*alone*"}]},
                ]},
                {"type": "image"},
            ],
            "attachments": [{"color": "#a30200", "blocks": [
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "small"}]},
                {"type": "divider"},
                {"type": "actions", "elements": [
                    {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://x/"},
                    {"type": "button", "text": {"type": "plain_text", "text": "Close"}},
                ]},
            ]}],
        });
        let expected = r"*plain*
head
▁█  48.2 % → 99.83 %, limit\u{1b} 50 %  CPU\u{1b} (%)
Details
  k: v, w
  alone
(image)
▌ small
▌ ────────
▌ [Open] [Close]";
        assert_eq!(plain(&payload), expected);
    }
}
