//! One alert as one message.

use std::borrow::Cow;

use chrono::TimeDelta;

use super::block::{Block, Button, SECTION_TEXT_MAX_CHARS};
use super::mrkdwn::{Mrkdwn, moment};
use super::{Context, MAY_BE_REPEAT, Message};
use crate::alert::{Alert, Child, Evidence, Link, LinkKind, Source, State};
use crate::envelope::Hop;
use crate::{number, text, time};

/// A message that comes later than this after the change says so.
const LATE: TimeDelta = TimeDelta::minutes(2);
/// A name in the headline; it is whole in the alarm itself.
const NAME_MAX_CHARS: usize = 255;
/// The source's word for a state, which must leave room for the name behind it.
const STATE_WORD_MAX_CHARS: usize = 80;
/// An account's name, a region or a service.
const PLACE_MAX_CHARS: usize = 100;
/// A route in the grey line, which must leave room for the id behind it.
const ROUTE_MAX_CHARS: usize = 250;
/// A reason in the fallback text.
const REASON_MAX_CHARS: usize = 1_100;
/// Values in a sparkline; more are no longer seen as single ones.
const SPARKLINE_MAX_POINTS: usize = 60;
/// Log lines that come along.
const LOG_LINES_MAX: usize = 10;
/// Children of a composite alarm.
const CHILDREN_MAX: usize = 20;
/// A child's link; its name alone may take nine characters for each of its own.
const CHILD_URL_MAX_CHARS: usize = 500;
/// Room for the line that counts the others.
const MORE_CHARS: usize = 40;
/// A raw message, shown as it came.
const RAW_MAX_CHARS: usize = 2_600;

/// Renders one alert; within Slack's limits whatever the alert holds.
#[must_use]
pub fn alert(alert: &Alert, context: &Context<'_>) -> Message {
    let mut head = Vec::new();
    head.extend(Block::section(headline(alert, context)));
    let mut body = Vec::new();
    if let Some(warning) = context.warning {
        body.extend(Block::section(Mrkdwn::new().markup(":warning: ").text(warning)));
    }
    for note in &alert.notes {
        body.extend(Block::section(Mrkdwn::new().markup("ℹ️ ").text(&text::cut(note, 600))));
    }
    body.extend(condition(alert));
    body.extend(evidence(&alert.evidence));
    body.extend(description(alert));
    let facts: Vec<Mrkdwn> = alert
        .facts
        .iter()
        .map(|fact| {
            Mrkdwn::new().bold(&text::cut(&fact.name, 80)).markup("\n").text(&text::cut(&fact.value, 500))
        })
        .collect();
    body.extend(Block::fields(facts));
    body.extend(composite(&alert.evidence));
    body.extend(log_lines(&alert.evidence));
    body.extend(times(alert, context));
    if let Some(raw) = alert.raw.as_deref().filter(|raw| !raw.trim().is_empty()) {
        body.extend(Block::section(Mrkdwn::new().preformatted(&text::cut(raw, RAW_MAX_CHARS))));
    }
    body.extend(reason(alert).filter(|_| alert.source != Source::CloudWatch));
    let ends = Block::context(footer(alert, context)).into_iter().collect();
    let buttons = buttons(&alert.links);
    Message::new(context.channel, fallback(alert, context), color(alert.state), head, body, buttons, ends)
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

/// The state without colour: shape and word.
pub(super) fn emblem(state: State) -> &'static str {
    match state {
        State::Firing => "🔴",
        State::NoData => "⚠️",
        State::Informational => "🔵",
        State::Resolved => "✅",
    }
}

/// The source's own word; Grafana's and Prometheus's lower-case ones in capitals as CloudWatch writes its own.
pub(super) fn state_word(alert: &Alert) -> Cow<'_, str> {
    let is_state = matches!(alert.source, Source::CloudWatch | Source::Grafana | Source::Alertmanager);
    let word = alert.state_value.as_str();
    let is_word = !word.contains(' ');
    let is_upper = word.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    let word = text::cut(word, STATE_WORD_MAX_CHARS);
    if is_state && is_word && !is_upper { word.to_uppercase().into() } else { word }
}

fn name(alert: &Alert) -> String {
    text::one_line(&text::cut(alert.name.trim(), NAME_MAX_CHARS)).into_owned()
}

/// Account and region in the words that people know.
fn place<'a>(alert: &'a Alert, context: &Context<'a>) -> impl Iterator<Item = &'a str> {
    let account = alert.account.as_deref().filter(|account| !account.is_empty());
    let account = account.map(|account| context.accounts.get(account).map_or(account, String::as_str));
    account.into_iter().chain(alert.region.as_deref().filter(|region| !region.is_empty()))
}

/// How late the message is, when it is.
fn lateness(alert: &Alert, context: &Context<'_>) -> Option<TimeDelta> {
    let late = context.now.signed_duration_since(alert.changed_at?);
    (late > LATE).then_some(late)
}

fn headline(alert: &Alert, context: &Context<'_>) -> Mrkdwn {
    let mut line = Mrkdwn::line();
    if let Some(mention) = context.mention.filter(|_| matches!(alert.state, State::Firing | State::NoData)) {
        line = line.markup(mention).markup(" ");
    }
    line = line.markup(emblem(alert.state)).markup(" ");
    line = line.bold(&[&state_word(alert), ": ", &name(alert)].concat());
    for (index, part) in place(alert, context).enumerate() {
        let part = text::cut(part, PLACE_MAX_CHARS);
        line = line.markup(if index == 0 { "  ·  " } else { " · " }).text(&part);
    }
    if let (Some(late), Some(changed_at)) = (lateness(alert, context), alert.changed_at) {
        line = line
            .markup("\n⏰ changed ")
            .date(changed_at, context.timezone)
            .markup(", delivered ")
            .date(context.now, context.timezone)
            .text(&format!(" ({} late)", time::span(late)));
    }
    if let Some(shown) = context.overtaken {
        line = line.markup("\n⏪ older news: ").text(&shown.state).markup(" since ");
        line = line.date(shown.at, context.timezone);
    }
    line
}

/// What a lock screen shows: state, name, where, and why.
fn fallback(alert: &Alert, context: &Context<'_>) -> Mrkdwn {
    let mut line = Mrkdwn::line();
    if let Some(mention) = context.mention.filter(|_| matches!(alert.state, State::Firing | State::NoData)) {
        line = line.markup(mention).markup(" ");
    }
    line =
        line.markup(emblem(alert.state)).markup(" ").text(&state_word(alert)).markup(": ").text(&name(alert));
    for part in place(alert, context) {
        line = line.markup(" · ").text(&text::cut(part, PLACE_MAX_CHARS));
    }
    if let (Some(_), Some(changed_at)) = (lateness(alert, context), alert.changed_at) {
        line = line.text(&format!(
            " (changed {}, delivered {})",
            moment(changed_at, context.timezone),
            moment(context.now, context.timezone)
        ));
    }
    if let Some(shown) = context.overtaken {
        let since = moment(shown.at, context.timezone);
        line = line.text(&format!(" (older news: {} since {since})", shown.state));
    }
    let why =
        [&alert.reason, &alert.summary, &alert.condition, &alert.description].into_iter().flatten().next();
    let note = alert.notes.first().filter(|_| alert.source == Source::Unknown);
    if let Some(why) = why.or(note).or(alert.raw.as_ref()) {
        line = line.markup(" — ").text(&text::cut(why.trim(), REASON_MAX_CHARS));
    }
    line
}

fn condition(alert: &Alert) -> Option<Block> {
    let mut line = Mrkdwn::new();
    if let Some(condition) = &alert.condition {
        line = line.text(&text::cut(condition, 1_000));
    }
    if let Some(summary) = alert.summary.as_deref().filter(|summary| *summary != alert.name) {
        line = if line.is_empty() { line } else { line.markup("\n") };
        line = line.text(&text::cut(summary, 1_000));
    }
    // CloudWatch's sentence says what is not evaluated, or what a person typed; else the condition says it better.
    if let Some(reason) = alert.reason.as_deref().filter(|_| alert.source == Source::CloudWatch)
        && !is_said(alert, reason)
    {
        line = if line.is_empty() { line } else { line.markup("\n") };
        line = line.text(&text::cut(reason, REASON_MAX_CHARS));
    }
    Block::section(line)
}

/// Whether the condition holds what CloudWatch's reason says.
fn is_said(alert: &Alert, reason: &str) -> bool {
    let has_evidence = !alert.evidence.points.is_empty() || !alert.evidence.children.is_empty();
    alert.condition.is_some() && (has_evidence || reason.starts_with("Insufficient Data: "))
}

fn evidence(evidence: &Evidence) -> Option<Block> {
    let mut lines = Mrkdwn::new();
    if let [first, .., last] = &evidence.points[..] {
        let shown = &evidence.points[evidence.points.len().saturating_sub(SPARKLINE_MAX_POINTS)..];
        let values: Vec<(f64, bool)> = shown.iter().map(|point| (point.value, point.breaching)).collect();
        let threshold = evidence.threshold;
        let limit = threshold.upper.or(threshold.lower);
        let value = |value: f64| number::measured(value, limit, &evidence.unit);
        let shown = |value: f64| number::measured(value, None, &evidence.unit);
        lines = lines.code(&sparkline(&values)).text(&format!(
            "  {} → {}",
            value(first.value),
            value(last.value)
        ));
        lines = match (threshold.lower, threshold.upper) {
            (Some(lower), Some(upper)) => {
                lines.text(&format!(", lower limit {}, upper limit {}", shown(lower), shown(upper)))
            }
            (Some(one), None) | (None, Some(one)) => lines.text(&format!(", threshold {}", shown(one))),
            (None, None) => lines,
        };
    }
    if !evidence.values.is_empty() {
        lines = if lines.is_empty() { lines } else { lines.markup("\n") };
        let values: Vec<String> =
            evidence.values.iter().take(20).map(|(name, value)| format!("{name} = {value}")).collect();
        lines = lines.markup("*Values*  ").text(&text::cut(&values.join("  ·  "), 1_000));
    }
    Block::section(lines)
}

/// Values as block characters, the breaching ones in brackets: `▁▂▁[▇█]`.
fn sparkline(values: &[(f64, bool)]) -> String {
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

fn description(alert: &Alert) -> Option<Block> {
    let description = alert.description.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
    Block::section(Mrkdwn::new().text(&text::cut(description, 2_000)))
}

fn composite(evidence: &Evidence) -> Option<Block> {
    let mut lines = Mrkdwn::new();
    if let Some(rule) = &evidence.rule {
        lines = lines.markup("*Rule*  ").code(&text::cut(rule, 1_000)).cut(SECTION_TEXT_MAX_CHARS / 2);
    }
    let children = &evidence.children;
    for (index, child) in children.iter().enumerate() {
        let line = Mrkdwn::new().markup(if lines.is_empty() { "• " } else { "\n• " });
        let line = line.append(&child_line(child));
        if index == CHILDREN_MAX || lines.width() + line.width() > SECTION_TEXT_MAX_CHARS - MORE_CHARS {
            lines = lines.text(&format!("\n… and {} more", children.len() - index));
            break;
        }
        lines = lines.append(&line);
    }
    Block::section(lines)
}

fn child_line(child: &Child) -> Mrkdwn {
    let name = text::cut(&child.name, 200);
    // A longer link leaves no room for the names of the others.
    let line = match child.url.as_deref().filter(|url| url.len() <= CHILD_URL_MAX_CHARS) {
        Some(url) => Mrkdwn::new().link(url, &name),
        None => Mrkdwn::new().text(&name),
    };
    match &child.state {
        Some(state) => line.text(&format!(": {}", text::cut(state, 40))),
        None => line,
    }
}

fn log_lines(evidence: &Evidence) -> Option<Block> {
    let lines = &evidence.log_lines;
    if lines.is_empty() {
        return None;
    }
    let mut shown: Vec<Cow<'_, str>> =
        lines.iter().take(LOG_LINES_MAX).map(|line| text::cut(line, 250)).collect();
    if lines.len() > LOG_LINES_MAX {
        shown.push(format!("… and {} more lines", lines.len() - LOG_LINES_MAX).into());
    }
    Block::section(Mrkdwn::new().preformatted(&shown.join("\n")))
}

/// Since when, and how long it was otherwise before.
fn times(alert: &Alert, context: &Context<'_>) -> Option<Block> {
    let mut line = Mrkdwn::line();
    let lasted = |from, to: chrono::DateTime<chrono::Utc>| time::span(to.signed_duration_since(from));
    let previous = alert.previous.as_ref().filter(|previous| previous.state != alert.state);
    let was_firing = previous.is_none_or(|previous| previous.state == State::Firing);
    match (alert.state, alert.starts_at, alert.ends_at.or(alert.changed_at)) {
        (State::Resolved, Some(start), Some(end)) if start < end => {
            line = line.text("Over since ").date(end, context.timezone);
            line = line.text(&format!(", after {}", lasted(start, end)));
            return Block::section(line);
        }
        (State::Resolved, _, Some(end)) => {
            line =
                line.text(if was_firing { "Over since " } else { "OK since " }).date(end, context.timezone);
        }
        (State::Informational, _, _) => {
            if let Some(at) = alert.changed_at.or(alert.starts_at) {
                line = line.text("At ").date(at, context.timezone);
            }
        }
        (_, Some(start), _) => line = line.text("Since ").date(start, context.timezone),
        (_, None, Some(changed)) => line = line.text("Since ").date(changed, context.timezone),
        (_, None, None) => {}
    }
    if let Some(previous) = previous {
        line = if line.is_empty() { line } else { line.markup("; ") };
        line = line.markup("was ").text(&previous.value).markup(" before");
        if let (Some(since), Some(changed)) = (previous.since, alert.changed_at)
            && since < changed
        {
            line = line.text(&format!(" for {}", lasted(since, changed)));
        }
    }
    Block::section(line)
}

/// The source's own sentence, small.
fn reason(alert: &Alert) -> Option<Block> {
    let reason = alert.reason.as_deref()?;
    Block::context(Mrkdwn::new().text(&text::cut(reason, 1_100)))
}

fn buttons(links: &[Link]) -> Vec<Button> {
    let mut links: Vec<&Link> = links.iter().collect();
    links.sort_by_key(|link| link.kind);
    links.dedup_by(|a, b| a.url == b.url);
    links.iter().filter_map(|link| Button::new(label(link.kind), &link.url)).collect()
}

fn label(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Alarm => "Open alarm",
        LinkKind::Rule => "Alert rule",
        LinkKind::Details => "Details",
        LinkKind::Metric => "Metric graph",
        LinkKind::Dashboard => "Dashboard",
        LinkKind::Panel => "Panel",
        LinkKind::Logs => "Logs",
        LinkKind::Runbook => "Runbook",
        LinkKind::Silence => "Silence",
    }
}

/// How it came and why it is here.
fn footer(alert: &Alert, context: &Context<'_>) -> Mrkdwn {
    let mut line = Mrkdwn::line().text(&text::cut(alert.source.as_str(), PLACE_MAX_CHARS));
    if !context.path.is_empty() {
        line = line.markup(" · ").text(&Hop::way(context.path));
    }
    if context.tries > 1 {
        line = line.markup(" · ").text(&ordinal(context.tries)).markup(" try");
    }
    if !context.route.is_empty() {
        line = line.markup(" · ").text(&text::cut(context.route, ROUTE_MAX_CHARS));
    }
    if let Some(id) = context.delivery_id {
        line = line.markup(" · id ").text(&text::cut(id, 80));
    }
    if context.may_be_repeat {
        line = line.markup(MAY_BE_REPEAT);
    }
    line
}

fn ordinal(n: u32) -> String {
    let suffix = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{suffix}")
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
    fn the_links_of_children_cost_no_name() {
        let child = |number: usize, letter: &str| {
            let name = format!("{number} {}", letter.repeat(60));
            let url = format!("https://console.example/{}", crate::region::percent_encode(&name));
            Child { name, url: Some(url), state: Some("ALARM".to_owned()) }
        };
        let shown = |count: usize, letter: &str| {
            let children = (0..count).map(|number| child(number, letter)).collect();
            let rule = Some("&".repeat(9_000));
            let block = composite(&Evidence { rule, children, ..Evidence::default() });
            let Some(Block::Section(text)) = block else { panic!("{block:?}") };
            assert!(text.width() <= SECTION_TEXT_MAX_CHARS);
            text.into_string()
        };
        // With links of more than 500 characters each, the names alone.
        let text = shown(20, "경");
        assert!(text.contains("• 19 경") && text.ends_with(": ALARM") && !text.contains("more"), "{text}");
        assert!(shown(21, "경").ends_with("\n… and 1 more"));
        let text = shown(20, "x");
        assert!(text.contains("• <https://console.example/0%20x") && text.ends_with(" more"), "{text}");
    }

    #[test]
    fn ordinals() {
        for (n, text) in
            [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (21, "21st"), (112, "112th")]
        {
            assert_eq!(ordinal(n), text);
        }
    }
}
