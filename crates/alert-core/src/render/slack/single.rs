//! One alert's page as one message.

use chrono::TimeDelta;
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::block::{
    BLOCKS_JSON_MAX_CHARS, Block, Button, FIELD_TEXT_MAX_CHARS, SECTION_TEXT_MAX_CHARS, escaped_width,
};
use super::mrkdwn::{Mrkdwn, width};
use super::people;
use super::{FALLBACK_TEXT_MAX_CHARS, Folding, Layout, SlackMessage};
use crate::alert::{State, Threshold};
use crate::evidence::Lines;
use crate::number;
use crate::render::page::words::fill;
use crate::render::page::{Chart, Line, NAME_MAX_CHARS, Page, Part, Words};
use crate::render::{Options, Rendering};
use crate::text::cut;

/// Slack's chart, each with the page "Data visualization block" of the Block Kit reference for its source.
const CHART_TITLE_MAX_CHARS: usize = 50;
const SERIES_NAME_MAX_CHARS: usize = 20;
const AXIS_LABEL_MAX_CHARS: usize = 50;
/// Slack takes 2,000 characters; a name needs no more.
const IMAGE_ALT_MAX_CHARS: usize = 200;

impl Options<'_> {
    /// A line in mrkdwn.
    pub(super) fn mrkdwn(&self, line: &Line<'_>) -> Mrkdwn {
        Mrkdwn::line().spans(line, self.timezone, self.language.words())
    }
}

/// Writes a page; within Slack's limits whatever is on it.
#[must_use]
pub fn page(page: &Page<'_>, options: &Options<'_>) -> SlackMessage {
    let words = options.language.words();
    let mut head = options.mrkdwn(&page.headline.whole());
    if let Some(mention) = page.mention {
        head = head.markup(" ").markup(mention);
    }
    for line in [&page.story, &page.measure].into_iter().flatten() {
        head = head.markup("\n").spans(line, options.timezone, words);
    }
    let text = notification(page, options);
    let mut body = Vec::new();
    for chart in &page.charts {
        body.push(match options.rendering {
            Rendering::Modern => Block::Raw(native(chart, words, options.timezone)),
            Rendering::Classic | Rendering::Plain => Block::Section(sparkline_of(chart)),
        });
    }
    // What Slack cannot fetch it refuses with the whole message.
    if let Some(url) = page.image.filter(|_| options.rendering == Rendering::Modern) {
        body.extend(image(url, &page.headline.name));
    }
    body.extend(page.body.iter().filter_map(|part| block(part, options)));
    let facts = page
        .facts
        .iter()
        .map(|(name, value)| Mrkdwn::new().bold(name).markup("\n").text(&cut(value, FIELD_TEXT_MAX_CHARS)));
    let mut details = Block::fields(facts.collect());
    details.extend(page.details.iter().filter_map(|part| block(part, options)));
    let buttons = page.buttons.iter().map(|button| Button::new(button.label, button.url));
    let message = Layout {
        channel: options.channel,
        text,
        color: color(page.state),
        head: Block::section(head)
            .into_iter()
            .chain(people::blocks(&page.people, &page.controls, options))
            .collect(),
        body,
        buttons: buttons.flatten().collect(),
        warnings: page.warnings.iter().filter_map(|line| Block::context(options.mrkdwn(line))).collect(),
        details,
        ends: Block::context(options.mrkdwn(&page.footer)).into_iter().collect(),
        folding: match options.rendering {
            Rendering::Modern if !options.has_bar => Folding::Container,
            _ => Folding::Attachment,
        },
        words,
    }
    .message();
    if options.rendering == Rendering::Plain { message.plain() } else { message }
}

/// Writes what of a page is new to those who know the alert: no chart, no buttons, nothing to be folded.
#[must_use]
pub fn reply(page: &Page<'_>, options: &Options<'_>) -> SlackMessage {
    let words = options.language.words();
    let mut head = options.mrkdwn(&page.headline.whole());
    if let Some(mention) = page.mention {
        head = head.markup(" ").markup(mention);
    }
    let mut text = notification(page, options);
    if let Some(story) = &page.story {
        head = head.markup("\n").spans(story, options.timezone, words);
        text = text.markup(" · ").plain_spans(story, options.timezone, words);
    }
    let small = [page.reason.as_deref(), page.repeat].into_iter().flatten();
    let small = small.filter_map(|part| Block::context(Mrkdwn::new().text(part)));
    short(text, Block::section(head).into_iter().chain(small).collect(), options)
}

/// Writes log lines, for the thread of the message that they belong to: as many of the newest as a message takes.
#[must_use]
pub fn lines(lines: &Lines, options: &Options<'_>) -> SlackMessage {
    /// What is around the lines takes the rest of [`BLOCKS_JSON_MAX_CHARS`].
    const ROOM_CHARS: usize = BLOCKS_JSON_MAX_CHARS - 3_000;
    /// The fences take the rest of a section.
    const BLOCK_MAX_CHARS: usize = SECTION_TEXT_MAX_CHARS - 20;
    let words = options.language.words();
    let mut parts: Vec<String> = Vec::new();
    let (mut shown, mut room, mut free) = (0, ROOM_CHARS, 0);
    for line in &lines.lines {
        // As it is written: escaped for Slack, and then for JSON.
        let text = Mrkdwn::new().preformatted(line).into_string();
        let (wide, in_json) = (width(&text) + 1, escaped_width(&text) + 2);
        if wide > BLOCK_MAX_CHARS || in_json > room {
            break;
        }
        if let Some(part) = parts.last_mut().filter(|_| wide <= free) {
            part.push('\n');
            part.push_str(line);
            free -= wide;
        } else {
            parts.push(line.clone());
            free = BLOCK_MAX_CHARS - wide;
        }
        room -= in_json;
        shown += 1;
    }
    let title = Mrkdwn::line().text(&lines.title(shown, words));
    let mut blocks: Vec<Block> = Block::section(title.clone()).into_iter().collect();
    blocks.extend(parts.iter().filter_map(|part| Block::section(Mrkdwn::new().preformatted(part))));
    if let Some(url) = &lines.url {
        blocks.extend(Block::context(Mrkdwn::new().link(url, words.open_logs)));
    }
    short(title, blocks, options)
}

/// A picture at a URL. Source: Slack, "Image block".
fn image(url: &str, name: &str) -> Option<Block> {
    const URL_MAX_CHARS: usize = 3_000;
    let alt = plain(name, IMAGE_ALT_MAX_CHARS);
    let block = json!({"type": "image", "image_url": url, "alt_text": alt});
    (width(url) <= URL_MAX_CHARS).then(|| Block::Raw(block.to_string()))
}

/// Writes that a newer message tells on.
#[must_use]
pub fn superseded(page: &Page<'_>, options: &Options<'_>) -> SlackMessage {
    let name = cut(&page.headline.name, NAME_MAX_CHARS);
    let line = fill(options.language.words().superseded, &[&name]);
    let text = Mrkdwn::line().text(&line);
    short(text.clone(), Block::context(text).into_iter().collect(), options)
}

/// A message of a few blocks, with nothing to be folded.
pub(super) fn short(text: Mrkdwn, blocks: Vec<Block>, options: &Options<'_>) -> SlackMessage {
    let message = SlackMessage {
        channel: options.channel.map(str::to_owned),
        text: text.cut(FALLBACK_TEXT_MAX_CHARS).into_string(),
        blocks,
        attachments: Vec::new(),
    };
    if options.rendering == Rendering::Plain { message.plain() } else { message }
}

/// The headline as a lock screen shows it: without emphasis, and the end of it is what is cut off.
fn notification(page: &Page<'_>, options: &Options<'_>) -> Mrkdwn {
    let words = options.language.words();
    let text = Mrkdwn::line().plain_spans(&page.headline.short(), options.timezone, words);
    match page.mention {
        Some(mention) => text.markup(" ").markup(mention),
        None => text,
    }
}

fn block(part: &Part<'_>, options: &Options<'_>) -> Option<Block> {
    match part {
        Part::Text(line) => Block::section(options.mrkdwn(line)),
        Part::Small(line) => Block::context(options.mrkdwn(line)),
        Part::Verbatim(text) => Block::section(Mrkdwn::new().preformatted(text)),
    }
}

/// The bar's colour: red, amber, blue, green.
pub(super) fn color(state: State) -> &'static str {
    match state {
        State::Firing => "#a30200",
        State::NoData => "#daa038",
        State::Informational => "#2b6cb0",
        State::Resolved => "#2eb886",
    }
}

/// The values as Slack draws them, with each limit as a series of its own.
///
/// Source: Slack, "Data visualization block": every series has a point for every category, and no two categories are the
/// same.
fn native(chart: &Chart<'_>, words: &Words, timezone: Tz) -> String {
    let categories = categories(chart, timezone);
    let series = |name: &str, values: &mut dyn Iterator<Item = f64>| {
        let points =
            categories.iter().zip(values).map(|(label, value)| json!({"label": label, "value": value}));
        json!({"name": plain(name, SERIES_NAME_MAX_CHARS), "data": points.collect::<Vec<_>>()})
    };
    let name = if chart.name.trim().is_empty() { words.value_series } else { chart.name.trim() };
    let mut all = vec![series(name, &mut chart.points.iter().map(|(value, _, _)| *value))];
    let ends = [|limits: &Threshold| limits.lower, |limits: &Threshold| limits.upper].map(|end| {
        // A band may have no end for some points: that of the next one before, or after, takes its place.
        let first = chart.limits.iter().find_map(end);
        chart.limits.iter().map(end).scan(first, |last, limit| {
            *last = limit.or(*last);
            *last
        })
    });
    let ends = ends.map(Iterator::collect::<Vec<f64>>);
    let is_band = ends.iter().all(|ends| !ends.is_empty());
    for (ends, sign) in ends.into_iter().zip(["≥", "≤"]).filter(|(ends, _)| !ends.is_empty()) {
        let label =
            if is_band { format!("{} {sign}", words.limit_series) } else { words.limit_series.to_owned() };
        // Names are unique.
        let label = if label == name { format!("{label} =") } else { label };
        all.push(series(&label, &mut ends.into_iter()));
    }
    let title = number::with_unit(&plain(name, CHART_TITLE_MAX_CHARS - 12), &bracketed(chart.unit));
    let mut axes = Map::new();
    axes.insert(
        "categories".to_owned(),
        categories.iter().map(|label| Value::from(label.as_str())).collect(),
    );
    if chart.points.iter().any(|(_, at, _)| at.is_some()) {
        axes.insert("x_label".to_owned(), timezone.name().into());
    }
    if !chart.unit.is_empty() {
        axes.insert("y_label".to_owned(), plain(chart.unit, AXIS_LABEL_MAX_CHARS).into());
    }
    json!({
        "type": "data_visualization",
        "title": plain(&title, CHART_TITLE_MAX_CHARS),
        "chart": {"type": "line", "series": all, "axis_config": axes},
    })
    .to_string()
}

fn bracketed(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!("({})", plain(unit, 8)) }
}

/// A text that is no mrkdwn: one line of at most `max` characters as Slack may count them, not blank.
fn plain(text: &str, max: usize) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c }).collect();
    let line = line.trim();
    if width(line) <= max {
        return if line.is_empty() { "-".to_owned() } else { line.to_owned() };
    }
    let mut room = max.saturating_sub(1);
    let mut text: String = line
        .chars()
        .take_while(|c| {
            let fits = c.len_utf16() <= room;
            room = room.saturating_sub(c.len_utf16());
            fits
        })
        .collect();
    text.push('…');
    text
}

/// A label for each value: the minute, the second where minutes repeat, the number from the end where no time is known.
fn categories(chart: &Chart<'_>, timezone: Tz) -> Vec<String> {
    let times: Option<Vec<_>> =
        chart.points.iter().map(|(_, at, _)| at.map(|at| at.with_timezone(&timezone))).collect();
    let numbers = || {
        let count = chart.points.len();
        (1..=count)
            .map(|number| if number == count { "0".to_owned() } else { format!("-{}", count - number) })
            .collect()
    };
    let Some(times) = times else { return numbers() };
    let is_long =
        times.first().zip(times.last()).is_some_and(|(first, last)| *last - *first >= TimeDelta::days(1));
    let patterns = ["%H:%M", "%H:%M:%S", "%d. %H:%M", "%d. %H:%M:%S"];
    for pattern in patterns.into_iter().skip(if is_long { 2 } else { 0 }) {
        let labels: Vec<String> = times.iter().map(|time| time.format(pattern).to_string()).collect();
        let unique: std::collections::BTreeSet<_> = labels.iter().collect();
        if unique.len() == labels.len() {
            return labels;
        }
    }
    numbers()
}

/// The values as block characters, for a client that draws none.
fn sparkline_of(chart: &Chart<'_>) -> Mrkdwn {
    let values: Vec<(f64, bool)> =
        chart.points.iter().map(|(value, _, breaching)| (*value, *breaching)).collect();
    Mrkdwn::new().code(&sparkline(&values)).markup("  ").text(&chart.words)
}

/// Values as block characters, the breaching ones in brackets: `▁▂▁[▇█]`.
#[must_use]
pub fn sparkline(values: &[(f64, bool)]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let low = values.iter().map(|(value, _)| *value).fold(f64::INFINITY, f64::min);
    let high = values.iter().map(|(value, _)| *value).fold(f64::NEG_INFINITY, f64::max);
    let span = high - low;
    let mut line = String::new();
    let mut was_breaching = false;
    for (value, breaching) in values {
        if *breaching != was_breaching {
            line.push(if *breaching { '[' } else { ']' });
            was_breaching = *breaching;
        }
        let height = if span.is_finite() && span > 0.0 { (value - low) / span } else { 0.5 };
        // Between 0 and 7 by construction; a cast of anything else saturates.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let index = (height * 7.0).round() as usize;
        line.push(BARS.get(index).copied().unwrap_or('█'));
    }
    if was_breaching {
        line.push(']');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_mark_what_breaches() {
        assert_eq!(sparkline(&[(1.0, false), (2.0, false), (9.0, true), (10.0, true)]), "▁▂[▇█]");
        assert_eq!(sparkline(&[(5.0, true), (5.0, true)]), "[▅▅]");
        assert_eq!(sparkline(&[(10.0, true), (0.0, false)]), "[█]▁");
    }

    #[test]
    fn labels_of_a_chart_are_never_the_same() {
        let chart = |times: &[Option<&str>]| Chart {
            name: "CPUUtilization".into(),
            unit: "%",
            points: times.iter().map(|time| (1.0, time.map(|time| time.parse().unwrap()), false)).collect(),
            limits: vec![Threshold::default(); times.len()],
            words: String::new(),
        };
        let labels = |times: &[Option<&str>]| categories(&chart(times), Tz::Asia__Seoul);
        assert_eq!(labels(&[Some("2026-09-14T15:10:00Z"), Some("2026-09-14T15:11:00Z")]), ["00:10", "00:11"]);
        let seconds = [Some("2026-09-14T15:10:00Z"), Some("2026-09-14T15:10:10Z")];
        assert_eq!(labels(&seconds), ["00:10:00", "00:10:10"]);
        let days = [Some("2026-09-13T15:10:00Z"), Some("2026-09-14T15:10:00Z")];
        assert_eq!(labels(&days), ["14. 00:10", "15. 00:10"]);
        assert_eq!(labels(&[Some("2026-09-14T15:10:00Z"), None, None]), ["-2", "-1", "0"]);
        assert_eq!(labels(&[Some("2026-09-14T15:10:00Z"); 2]), ["-1", "0"]);
    }
}
