//! Many alerts in few messages: counts in the headline, one line for every alert.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::block::{BLOCKS_JSON_MAX_CHARS, BLOCKS_MAX, Block, SECTION_TEXT_MAX_CHARS};
use super::mrkdwn::{Mrkdwn, width};
use super::single::{color, emblem, state_word};
use super::{Context, Message};
use crate::alert::{Alert, LinkKind, State};
use crate::text;

/// A line is as long as a short reason needs; the whole reason is in the alarm.
const REASON_MAX_CHARS: usize = 110;
const NAME_MAX_CHARS: usize = 100;
/// For the headline, the warning and the grey line of each message, as JSON.
const ENDS_MAX_CHARS: usize = 2_600;
const WARNING_MAX_CHARS: usize = 1_200;

/// One line of a digest: an alert, with all its changes in this batch.
struct Line<'a> {
    /// The last state by change time.
    alert: &'a Alert,
    changes: usize,
    items: Vec<usize>,
}

/// Renders alerts as digests, worst first; each message comes with the items whose lines it holds.
///
/// No alert is left out; there are as few messages as Slack's limits allow. Several changes of one alert share a line.
#[must_use]
pub fn digest(alerts: &[(usize, &Alert)], context: &Context<'_>) -> Vec<(Message, Vec<usize>)> {
    let lines = lines(alerts);
    let counts = counts(&lines);
    let worst = lines.first().map_or(State::Informational, |line| line.alert.state);
    let texts: Vec<Mrkdwn> = lines.iter().map(|line| text_of(line, context)).collect();
    let pages = pages(&texts);
    let page_count = pages.len();
    pages
        .into_iter()
        .enumerate()
        .map(|(page, sections)| {
            let items: Vec<usize> =
                sections.iter().flatten().flat_map(|line| lines[*line].items.iter().copied()).collect();
            let body = sections.iter().filter_map(|section| {
                let text = section.iter().enumerate().fold(Mrkdwn::new(), |text, (index, line)| {
                    let text = if index > 0 { text.markup("\n") } else { text };
                    text.append(&texts[*line])
                });
                Block::section(&text)
            });
            let part =
                if page_count > 1 { format!(" (part {} of {page_count})", page + 1) } else { String::new() };
            // Counted are the alerts; what changed several times is one of them.
            let changes = match alerts.len() {
                changes if changes == lines.len() => String::new(),
                changes => format!(" in {changes} changes"),
            };
            let title = format!("{} alerts{changes}: {counts}{part}", lines.len());
            // People are called once for a storm.
            let mention =
                context.mention.filter(|_| page == 0 && matches!(worst, State::Firing | State::NoData));
            let lead = mention.map_or_else(Mrkdwn::new, |mention| Mrkdwn::new().markup(mention).markup(" "));
            let first = sections
                .iter()
                .flatten()
                .next()
                .map(|line| lines[*line].alert.name.as_str())
                .unwrap_or_default();
            let fallback =
                lead.clone().text(&format!("{title}, first: {}", text::cut(first, NAME_MAX_CHARS)));
            let mut head = Vec::new();
            head.extend(Block::section(&lead.bold(&title)));
            if let Some(warning) = context.warning {
                let warning = text::cut(warning, WARNING_MAX_CHARS);
                head.extend(Block::section(&Mrkdwn::new().markup(":warning: ").text(&warning)));
            }
            let grey = Mrkdwn::new().text(&format!(
                "One line for each alert, because there were many at once · {}",
                context.route
            ));
            let ends = Block::context(&grey).into_iter().collect();
            (Message::new(context.channel, &fallback, color(worst), head, body.collect(), ends), items)
        })
        .collect()
}

fn lines<'a>(alerts: &[(usize, &'a Alert)]) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    let mut by_fingerprint: HashMap<&str, usize> = HashMap::new();
    for (item, alert) in alerts {
        let known =
            alert.fingerprint.as_deref().and_then(|fingerprint| by_fingerprint.get(fingerprint).copied());
        if let Some(line) = known.and_then(|index| lines.get_mut(index)) {
            // Standard topics are unordered: the later change counts, not the later message.
            if alert.changed_at >= line.alert.changed_at {
                line.alert = alert;
            }
            line.changes += 1;
            line.items.push(*item);
            continue;
        }
        if let Some(fingerprint) = alert.fingerprint.as_deref() {
            by_fingerprint.insert(fingerprint, lines.len());
        }
        lines.push(Line { alert, changes: 1, items: vec![*item] });
    }
    // Within a state the newest first; the order in which they came breaks ties.
    lines.sort_by_key(|line| (line.alert.state, Reverse(line.alert.changed_at)));
    lines
}

fn counts(lines: &[Line<'_>]) -> String {
    let words = [
        (State::Firing, "firing"),
        (State::NoData, "without data"),
        (State::Informational, "to know"),
        (State::Resolved, "resolved"),
    ];
    let parts: Vec<String> = words
        .iter()
        .filter_map(|(state, word)| {
            let count = lines.iter().filter(|line| line.alert.state == *state).count();
            (count > 0).then(|| format!("{} {count} {word}", emblem(*state)))
        })
        .collect();
    parts.join(", ")
}

fn text_of(line: &Line<'_>, context: &Context<'_>) -> Mrkdwn {
    let alert = line.alert;
    let name = text::cut(alert.name.trim(), NAME_MAX_CHARS).replace(['\n', '\r'], " ");
    let mut text = Mrkdwn::new().markup(emblem(alert.state)).markup(" ").text(&state_word(alert)).markup(" ");
    let page = alert
        .links
        .iter()
        .find(|link| matches!(link.kind, LinkKind::Alarm | LinkKind::Rule | LinkKind::Details));
    text = match page.filter(|page| page.url.len() <= 500) {
        Some(page) => text.link(&page.url, &name),
        None => text.bold(&name),
    };
    let account =
        alert.account.as_deref().map(|account| context.accounts.get(account).map_or(account, String::as_str));
    for part in account.into_iter().chain(alert.region.as_deref()) {
        text = text.text(&format!(" · {}", text::cut(part, 40)));
    }
    let why =
        [&alert.condition, &alert.summary, &alert.reason, &alert.description].into_iter().flatten().next();
    if let Some(why) = why.or(alert.notes.first()) {
        let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
        text = text.text(&format!(" — {}", text::cut(&why, REASON_MAX_CHARS)));
    }
    if line.changes > 1 {
        text = text.text(&format!(" (changed {} times)", line.changes));
    }
    text.cut(SECTION_TEXT_MAX_CHARS / 2)
}

/// Packs lines into sections, and sections into messages, each as full as the limits allow.
fn pages(lines: &[Mrkdwn]) -> Vec<Vec<Vec<usize>>> {
    let room = BLOCKS_JSON_MAX_CHARS - ENDS_MAX_CHARS;
    let blocks = BLOCKS_MAX - 4;
    // `{"type":"section","text":{"type":"mrkdwn","text":""}},`
    let section_overhead = 60;
    let mut pages: Vec<Vec<Vec<usize>>> = Vec::new();
    let (mut page_width, mut section_width) = (0, 0);
    for (index, line) in lines.iter().enumerate() {
        let text_width = line.width() + 1;
        // The line break is two characters in JSON.
        let json_width = serde_json::to_string(line.as_str()).map_or(0, |json| width(&json)) + 2;
        let fits_section = section_width > 0 && section_width + text_width <= SECTION_TEXT_MAX_CHARS;
        let needed = json_width + if fits_section { 0 } else { section_overhead };
        let fits_page = pages.last().is_some_and(|page: &Vec<Vec<usize>>| {
            page_width + needed <= room && (fits_section || page.len() < blocks)
        });
        if !fits_page {
            pages.push(vec![vec![index]]);
            page_width = json_width + section_overhead;
            section_width = text_width;
            continue;
        }
        let Some(page) = pages.last_mut() else { continue };
        if let Some(section) = page.last_mut().filter(|_| fits_section) {
            section.push(index);
            section_width += text_width;
        } else {
            page.push(vec![index]);
            section_width = text_width;
        }
        page_width += needed;
    }
    pages
}
