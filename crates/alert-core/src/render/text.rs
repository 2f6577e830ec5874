//! A page as plain text, for a terminal or an e-mail: the same words, without any markup.

use std::fmt::Write as _;

use chrono_tz::Tz;

use crate::evidence::Lines;

use super::page::{Line, Page, Part, Span, Words};
use super::slack::sparkline;

/// Writes a page: the headline first, links after all text; lines end with a line feed.
#[must_use]
pub fn page(page: &Page<'_>, timezone: Tz, words: &Words) -> String {
    let mut text = String::new();
    let mut push = |part: &str| push_lines(part, &mut text);
    push(&line(&page.headline.whole(), timezone, words));
    if let Some(story) = &page.story {
        push(&line(story, timezone, words));
    }
    for person in &page.people {
        push(&line(person, timezone, words));
    }
    if let Some(measure) = &page.measure {
        push(&line(measure, timezone, words));
    }
    for chart in &page.charts {
        let values: Vec<(f64, bool)> =
            chart.points.iter().map(|(value, _, breaching)| (*value, *breaching)).collect();
        push(&format!("{}  {}", sparkline(&values), chart.words));
    }
    for part in &page.body {
        push(&paragraph(part, timezone, words));
    }
    for (name, value) in &page.facts {
        push(&format!("{name}: {}", value.trim_end().replace('\n', "\n   ")));
    }
    for part in &page.details {
        push(&paragraph(part, timezone, words));
    }
    for warning in &page.warnings {
        push(&line(warning, timezone, words));
    }
    push(&line(&page.footer, timezone, words));
    for button in &page.buttons {
        push(&format!("{}: {}", button.label, button.url));
    }
    text
}

/// Writes what of a page is new to those who know the alert, as [`page`](page()) does.
#[must_use]
pub fn reply(page: &Page<'_>, timezone: Tz, words: &Words) -> String {
    let mut text = String::new();
    push_lines(&line(&page.headline.whole(), timezone, words), &mut text);
    if let Some(story) = &page.story {
        push_lines(&line(story, timezone, words), &mut text);
    }
    for part in [page.reason.as_deref(), page.repeat].into_iter().flatten() {
        push_lines(part, &mut text);
    }
    text
}

/// Writes log lines, as the answer to the message that they belong to.
#[must_use]
pub fn lines(lines: &Lines, words: &Words) -> String {
    let mut text = String::new();
    push_lines(&lines.title(lines.lines.len(), words), &mut text);
    for line in &lines.lines {
        push_lines(&format!("   {line}"), &mut text);
    }
    if let Some(url) = &lines.url {
        push_lines(&format!("{}: {url}", words.open_logs), &mut text);
    }
    text
}

/// Writes one line.
#[must_use]
pub fn one(spans: &Line<'_>, timezone: Tz, words: &Words) -> String {
    let mut text = String::new();
    push_lines(&line(spans, timezone, words), &mut text);
    text
}

fn push_lines(part: &str, text: &mut String) {
    let part = part.trim_end();
    if !part.is_empty() {
        text.push_str(part);
        text.push('\n');
    }
}

fn paragraph(part: &Part<'_>, timezone: Tz, words: &Words) -> String {
    match part {
        Part::Text(spans) | Part::Small(spans) => line(spans, timezone, words),
        Part::Verbatim(text) => text.lines().fold(String::new(), |mut all, line| {
            // Writing to a String cannot fail.
            let _ = writeln!(all, "   {line}");
            all
        }),
    }
}

/// A line without its markup; mentions, which are markup, are left out.
#[must_use]
pub fn line(line: &Line<'_>, timezone: Tz, words: &Words) -> String {
    let mut text = String::new();
    for span in line {
        match span {
            Span::Text(part) | Span::Strong(part) | Span::Code(part) | Span::Link(_, part) => {
                text.push_str(part);
            }
            Span::Moment(time) => text.push_str(&words.moment(*time, timezone)),
            Span::Mention(_) => {}
            Span::Person { name, .. } => text.push_str(name),
            Span::Break => text.push('\n'),
        }
    }
    text
}
