//! Many alerts in few messages: counts in the headline, one line for every alert.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::block::{BLOCKS_JSON_MAX_CHARS, BLOCKS_MAX, Block, SECTION_TEXT_MAX_CHARS, escaped_width};
use super::mrkdwn::Mrkdwn;
use super::single::{color, emblem, state_word};
use super::{Context, MAY_BE_REPEAT, Message, Shown};
use crate::alert::{Alert, LinkKind, State};
use crate::key::AlertKey;
use crate::text;

/// A line is as long as a short reason needs; the whole reason is in the alarm.
const REASON_MAX_CHARS: usize = 110;
const NAME_MAX_CHARS: usize = 100;
const WARNING_MAX_CHARS: usize = 1_200;

/// One of the alerts of a digest.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What the caller calls it.
    pub item: usize,
    /// The alert.
    pub alert: &'a Alert,
    /// Which alert it is.
    pub key: &'a AlertKey,
    /// The newer state that people have seen already.
    pub overtaken: Option<&'a Shown>,
}

/// One line of a digest: an alert, with all its changes in this batch.
struct Line<'a> {
    /// The last state by change time.
    last: Entry<'a>,
    changes: usize,
    items: Vec<usize>,
}

/// Renders alerts as digests, worst first; each message comes with the items whose lines it holds.
///
/// No alert is left out; there are as few messages as Slack's limits allow. Several changes of one alert share a line, and
/// what happened to different things never does.
#[must_use]
pub fn digest(alerts: &[Entry<'_>], context: &Context<'_>) -> Vec<(Message, Vec<usize>)> {
    let lines = lines(alerts);
    let worst = lines.first().map_or(State::Informational, |line| line.last.alert.state);
    let texts: Vec<Mrkdwn> = lines.iter().map(|line| text_of(line, context)).collect();
    let frame = Frame { title: title(alerts.len(), &lines), worst, context };
    let pages = pages(&texts, frame.room());
    let page_count = pages.len();
    pages
        .into_iter()
        .enumerate()
        .map(|(page, sections)| {
            let on_page: Vec<&Line<'_>> = sections.iter().flatten().map(|line| &lines[*line]).collect();
            let items: Vec<usize> = on_page.iter().flat_map(|line| line.items.iter().copied()).collect();
            let body = sections.iter().filter_map(|section| {
                let text = section.iter().enumerate().fold(Mrkdwn::new(), |text, (index, line)| {
                    let text = if index > 0 { text.markup("\n") } else { text };
                    text.append(&texts[*line])
                });
                Block::section(text)
            });
            let title = frame.title_of(page, page_count);
            let lead = frame.lead(page);
            let first = on_page.first().map_or("", |line| line.last.alert.name.as_str());
            let fallback =
                lead.clone().text(&format!("{title}, first: {}", text::cut(first, NAME_MAX_CHARS)));
            let (head, ends) = (frame.head(&lead, &title), frame.ends());
            let body = body.collect();
            (Message::new(context.channel, fallback, color(worst), head, body, Vec::new(), ends), items)
        })
        .collect()
}

/// Counted are the alerts; what changed several times is one of them.
fn title(changes: usize, lines: &[Line<'_>]) -> String {
    let changes = if changes == lines.len() { String::new() } else { format!(" in {changes} changes") };
    format!("{} alerts{changes}: {}", lines.len(), counts(lines))
}

/// What stands above and below the lines of every message.
struct Frame<'f> {
    title: String,
    worst: State,
    context: &'f Context<'f>,
}

impl Frame<'_> {
    fn title_of(&self, page: usize, page_count: usize) -> String {
        if page_count > 1 {
            format!("{} (part {} of {page_count})", self.title, page + 1)
        } else {
            self.title.clone()
        }
    }

    /// People are called once for a storm.
    fn lead(&self, page: usize) -> Mrkdwn {
        let mention =
            self.context.mention.filter(|_| page == 0 && matches!(self.worst, State::Firing | State::NoData));
        mention.map_or_else(Mrkdwn::new, |mention| Mrkdwn::new().markup(mention).markup(" "))
    }

    fn head(&self, lead: &Mrkdwn, title: &str) -> Vec<Block> {
        let warning = self
            .context
            .warning
            .map(|warning| Mrkdwn::new().markup(":warning: ").text(&text::cut(warning, WARNING_MAX_CHARS)));
        Block::section(lead.clone().bold(title)).into_iter().chain(warning.and_then(Block::section)).collect()
    }

    fn ends(&self) -> Vec<Block> {
        let grey = Mrkdwn::new().text(&format!(
            "One line for each alert, because there were many at once · {}{}",
            self.context.route,
            if self.context.may_be_repeat { MAY_BE_REPEAT } else { "" },
        ));
        Block::context(grey).into_iter().collect()
    }

    /// The room for lines beside the largest head, as JSON.
    fn room(&self) -> usize {
        const PAGES_MAX: usize = 999_999;
        let head = self.head(&self.lead(0), &self.title_of(PAGES_MAX, PAGES_MAX));
        let width = |blocks: &[Block]| blocks.iter().map(|block| block.json_width() + 1).sum::<usize>();
        // The brackets of two lists.
        BLOCKS_JSON_MAX_CHARS.saturating_sub(width(&head) + width(&self.ends()) + 4)
    }
}

fn lines<'a>(entries: &[Entry<'a>]) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    let mut by_key: HashMap<&AlertKey, usize> = HashMap::new();
    for entry in entries {
        let key = Some(entry.key).filter(|key| key.is_of_one_alert());
        if let Some(line) = key.and_then(|key| by_key.get(key)).and_then(|index| lines.get_mut(*index)) {
            // Standard topics are unordered: the later change counts, not the later message.
            if entry.alert.changed_at >= line.last.alert.changed_at {
                line.last = *entry;
            }
            line.changes += 1;
            line.items.push(entry.item);
            continue;
        }
        if let Some(key) = key {
            by_key.insert(key, lines.len());
        }
        lines.push(Line { last: *entry, changes: 1, items: vec![entry.item] });
    }
    // Within a state the newest first; the order in which they came breaks ties.
    lines.sort_by_key(|line| (line.last.alert.state, Reverse(line.last.alert.changed_at)));
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
            let count = lines.iter().filter(|line| line.last.alert.state == *state).count();
            (count > 0).then(|| format!("{} {count} {word}", emblem(*state)))
        })
        .collect();
    parts.join(", ")
}

fn text_of(line: &Line<'_>, context: &Context<'_>) -> Mrkdwn {
    let alert = line.last.alert;
    let name = text::cut(alert.name.trim(), NAME_MAX_CHARS);
    let name = text::one_line(&name);
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
    // What nobody understood says it by its own beginning, without what the name has of it.
    let raw = alert.raw.as_deref().map(str::trim_start).filter(|_| why.is_none());
    let named = alert.name.trim().trim_end_matches('…');
    let raw = raw.map(|raw| raw.strip_prefix(named).unwrap_or(raw));
    for why in why.or(alert.notes.first()).map(String::as_str).into_iter().chain(raw) {
        let words = why.split_whitespace().take(REASON_MAX_CHARS).collect::<Vec<_>>().join(" ");
        if !words.is_empty() {
            text = text.text(&format!(" — {}", text::cut(&words, REASON_MAX_CHARS)));
        }
    }
    if line.changes > 1 {
        text = text.text(&format!(" (changed {} times)", line.changes));
    }
    if let Some(shown) = line.last.overtaken {
        text = text.text(&format!(" (older news: {} since ", shown.state)).date(shown.at, context.timezone);
        text = text.markup(")");
    }
    text.cut(SECTION_TEXT_MAX_CHARS / 2)
}

/// Packs lines into sections, and sections into messages, each as full as the limits allow.
fn pages(lines: &[Mrkdwn], room: usize) -> Vec<Vec<Vec<usize>>> {
    let blocks = BLOCKS_MAX - 4;
    // `{"type":"section","text":{"type":"mrkdwn","text":""}},`
    let section_overhead = 60;
    let mut pages: Vec<Vec<Vec<usize>>> = Vec::new();
    let (mut page_width, mut section_width) = (0, 0);
    for (index, line) in lines.iter().enumerate() {
        let text_width = line.width() + 1;
        // With the line break before it, which is two characters in JSON.
        let json_width = escaped_width(line.as_str()) + 2;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, TimeDelta};
    use chrono_tz::Tz;

    use super::*;
    use crate::alert::Source;
    use crate::key::DeliveryKey;

    fn alarm(number: usize) -> Alert {
        let name = format!("web-{number:05} CPU high");
        let mut alert = Alert::new(Source::CloudWatch, name.as_str(), State::Firing, "ALARM");
        alert.link(
            LinkKind::Alarm,
            format!(
                "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1#alarmsV2:alarm/{}",
                crate::region::percent_encode(&name)
            ),
        );
        alert.account = Some("111122223333".to_owned());
        alert.region = Some("eu-west-1".to_owned());
        alert.condition = Some(
            "CPUUtilization, average over 1 min, was 99.9 % for 3 of 3 datapoints: above 50 %".to_owned(),
        );
        alert.key = Some(AlertKey::Alarm {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            name,
            contributor: String::new(),
        });
        alert.changed_at = DateTime::from_timestamp(1_789_384_724, 0);
        alert
    }

    fn rendered(alerts: &[Alert], warning: Option<&str>) -> Vec<(Message, Vec<usize>)> {
        let accounts = BTreeMap::new();
        let context = Context {
            now: DateTime::from_timestamp(1_789_384_725, 0).unwrap(),
            timezone: Tz::UTC,
            accounts: &accounts,
            channel: None,
            mention: None,
            path: &[],
            tries: 1,
            delivery_id: None,
            route: "digest",
            warning,
            overtaken: None,
            may_be_repeat: false,
        };
        let news = AlertKey::News(DeliveryKey::default());
        let entries: Vec<Entry<'_>> = alerts
            .iter()
            .enumerate()
            .map(|(item, alert)| Entry {
                item,
                alert,
                key: alert.key.as_ref().unwrap_or(&news),
                overtaken: None,
            })
            .collect();
        let digests = digest(&entries, &context);
        let mut items: Vec<usize> = digests.iter().flat_map(|(_, items)| items.iter().copied()).collect();
        items.sort_unstable();
        assert_eq!(items, (0..alerts.len()).collect::<Vec<_>>());
        for (message, items) in &digests {
            let json = message.to_json();
            for item in items {
                assert!(json.contains(&alerts[*item].name), "{} has no line", alerts[*item].name);
            }
        }
        digests
    }

    fn blocks_width(message: &Message) -> usize {
        let lists = message.attachments.iter().map(|attachment| &attachment.blocks).chain([&message.blocks]);
        // Two brackets, and a comma less than blocks.
        lists.flatten().map(|block| block.json_width() + 1).sum::<usize>() + 2
    }

    #[test]
    fn as_few_messages_as_the_limits_allow() {
        let alarms: Vec<Alert> = (0..300).map(alarm).collect();
        for batch in alarms.chunks(100) {
            let digests = rendered(batch, None);
            assert_eq!(digests.len(), 3);
            // All but the last are so full that no line more would fit beside the longest head.
            let line = 400;
            for (message, _) in &digests[..2] {
                assert!(blocks_width(message) > BLOCKS_JSON_MAX_CHARS - line, "{}", blocks_width(message));
            }
        }
        assert_eq!(rendered(&alarms[..30], None).len(), 1);
    }

    #[test]
    fn ten_thousand_alarms_keep_their_lines() {
        let alarms: Vec<Alert> = (0..10_000).map(alarm).collect();
        let few = rendered(&alarms[..1_000], None).len();
        let many = rendered(&alarms, None).len();
        assert!(many <= few * 10 && many >= few * 10 - 10, "{few} messages for 1,000, {many} for 10,000");
    }

    #[test]
    fn a_warning_full_of_entities_takes_no_line_away() {
        let alarms: Vec<Alert> = (0..100).map(alarm).collect();
        for (message, _) in rendered(&alarms, Some(&"<&>".repeat(2_000))) {
            assert!(blocks_width(&message) <= BLOCKS_JSON_MAX_CHARS);
        }
    }

    #[test]
    fn a_text_shows_its_beginning() {
        let text = |name: &str, raw: &str, note: Option<&str>| {
            let mut alert = Alert::new(Source::Unknown, name, State::Informational, "message");
            alert.raw = Some(raw.to_owned());
            alert.notes.extend(note.map(str::to_owned));
            alert
        };
        let alerts = [
            text("Backup report", "Backup of\n orders <failed>", None),
            text("Disk is full", " Disk is full\non node 7", None),
            text("Short", "Short", None),
            text("A long lin…", "A long line goes on", None),
            text("Broken JSON", "{\"disk\": \"sda", Some("The message looks like JSON but is none: EOF")),
        ];
        let digests = rendered(&alerts, None);
        let json = digests[0].0.to_json();
        for line in [
            "*Backup report* — Backup of orders &lt;failed&gt;\\n",
            "*Disk is full* — on node 7\\n",
            "*Short*\\n",
            "*A long lin…* — e goes on\\n",
            "*Broken JSON* — The message looks like JSON but is none: EOF — {\\\"disk\\\": \\\"sda\"",
        ] {
            assert!(json.contains(line), "{line} is not in {json}");
        }
    }

    #[test]
    fn changes_of_one_alarm_share_a_line() {
        let mut changes: Vec<Alert> = (0..7).map(|_| alarm(1)).collect();
        for (minutes, change) in (0..).zip(&mut changes) {
            change.changed_at = change.changed_at.map(|at| at + TimeDelta::minutes(minutes));
        }
        changes[6].state = State::Resolved;
        changes[6].state_value = "OK".to_owned();
        // The last by its time, not by its place.
        changes.reverse();
        changes.push(alarm(2));
        let digests = rendered(&changes, None);
        let [(message, items)] = &digests[..] else { panic!("{} messages", digests.len()) };
        assert_eq!(items.len(), 8);
        let json = message.to_json();
        assert!(json.contains("2 alerts in 8 changes: 🔴 1 firing, ✅ 1 resolved"), "{json}");
        assert!(json.contains("✅ OK <") && json.contains("(changed 7 times)"), "{json}");
        assert_eq!(json.matches("|web-00001").count(), 1);
    }
}
