//! A Slack message as a terminal shows it.

use anstyle::{AnsiColor, Color, RgbColor, Style};
use serde_json::Value;

use crate::plain::Plain;

/// Bold.
pub(crate) const BOLD: Style = Style::new().bold();
/// Small and grey.
pub(crate) const GREY: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::BrightBlack)));
/// Wrong.
pub(crate) const RED: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Red)));
/// Right.
pub(crate) const GREEN: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Green)));

/// Lines that show a message; styled, for a stream that strips styles where they are not wanted.
pub(crate) fn message(payload: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let blocks = payload.get("blocks").and_then(Value::as_array);
    match blocks {
        Some(blocks) => lines.extend(blocks.iter().flat_map(block)),
        None => lines.extend(styled_lines(payload.get("text").and_then(Value::as_str).unwrap_or_default())),
    }
    for attachment in payload.get("attachments").and_then(Value::as_array).into_iter().flatten() {
        let color = attachment.get("color").and_then(Value::as_str).and_then(rgb);
        let bar = Style::new().fg_color(color.map(Color::Rgb));
        let inner = attachment.get("blocks").and_then(Value::as_array).into_iter().flatten();
        lines.extend(inner.flat_map(block).map(|line| format!("{bar}▌{bar:#} {line}")));
    }
    lines
}

fn rgb(color: &str) -> Option<RgbColor> {
    let number = u32::from_str_radix(color.strip_prefix('#')?, 16).ok()?;
    let [_, r, g, b] = number.to_be_bytes();
    Some(RgbColor(r, g, b))
}

fn block(block: &Value) -> Vec<String> {
    let text = |value: &Value| value.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    let items = |key: &str| block.get(key).and_then(Value::as_array).into_iter().flatten();
    match block.get("type").and_then(Value::as_str).unwrap_or_default() {
        "section" => {
            let mut lines: Vec<String> =
                block.get("text").map(|inner| styled_lines(&text(inner))).unwrap_or_default();
            lines.extend(items("fields").map(|field| {
                let plain = text(field);
                let (name, value) = plain.split_once('\n').unwrap_or((plain.as_str(), ""));
                format!("{}: {}", styled(name), styled(&value.replace('\n', ", ")))
            }));
            lines
        }
        "context" => items("elements")
            .flat_map(|element| styled_lines(&text(element)))
            .map(|line| format!("{GREY}{line}{GREY:#}"))
            .collect(),
        "actions" => {
            let buttons: Vec<String> = items("elements")
                .map(|button| format!("[{}]", Plain(button.get("text").map(&text).unwrap_or_default())))
                .collect();
            vec![buttons.join(" ")]
        }
        other => vec![format!("({})", Plain(other))],
    }
}

fn styled_lines(mrkdwn: &str) -> Vec<String> {
    mrkdwn.lines().filter(|line| *line != "```").map(styled).collect()
}

/// One line of mrkdwn: bold, links as their label, dates as their fallback.
fn styled(mrkdwn: &str) -> String {
    let mut line = String::new();
    let mut rest = mrkdwn;
    let mut is_bold = false;
    while let Some(c) = rest.chars().next() {
        if c == '<' {
            let (inner, after) = rest[1..].split_once('>').unwrap_or((&rest[1..], ""));
            rest = after;
            line.push_str(&unescape(inner.rsplit_once('|').map_or(inner, |(_, label)| label)));
            continue;
        }
        // A star is bold where it stands at a word's edge, and has a partner.
        if c == '*' && (is_bold || rest[1..].contains('*')) {
            is_bold = !is_bold;
            line.push_str(&if is_bold { format!("{BOLD}") } else { format!("{BOLD:#}") });
            rest = &rest[1..];
            continue;
        }
        let end = rest[c.len_utf8()..].find(['<', '*']).map_or(rest.len(), |end| end + c.len_utf8());
        line.push_str(&unescape(&rest[..end]));
        rest = &rest[end..];
    }
    line
}

/// Slack's escapes undone, and what a terminal would obey made visible.
fn unescape(text: &str) -> String {
    Plain(text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mrkdwn_becomes_text() {
        let plain = |text: &str| anstream::adapter::strip_str(&styled(text)).to_string();
        assert_eq!(plain("*a* b &lt;c&gt; <https://x|label> <!date^1^{date}|then>"), "a b <c> label then");
        assert_eq!(plain("2 * 3"), "2 * 3");
        assert_eq!(plain("open <"), "open ");
        assert_eq!(styled("\u{1b}[2J <https://x|\u{9b}m>"), r"\u{1b}[2J \u{9b}m");
    }
}
