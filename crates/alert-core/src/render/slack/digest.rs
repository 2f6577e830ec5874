//! Many alerts in few messages: counts in the headline, one line for every alert.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::block::{BLOCKS_JSON_MAX_CHARS, BLOCKS_MAX, Block, SECTION_TEXT_MAX_CHARS, escaped_width};
use super::mrkdwn::Mrkdwn;
use super::single::color;
use super::{FALLBACK_TEXT_MAX_CHARS, Folding, Layout, SlackMessage};
use crate::alert::{LinkKind, State};
use crate::key::AlertKey;
use crate::render::page::words::fill;
use crate::render::page::{Context, Headline, NAME_MAX_CHARS, Words, emblem};
use crate::render::{Entry, Options};
use crate::text;

/// A link that takes no other line's room.
const URL_MAX_CHARS: usize = 500;
const WARNING_MAX_CHARS: usize = 1_200;

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
pub fn digest(
    alerts: &[Entry<'_>],
    context: &Context<'_>,
    options: &Options<'_>,
) -> Vec<(SlackMessage, Vec<usize>)> {
    let lines = lines(alerts);
    let worst = lines.first().map_or(State::Informational, |line| line.last.alert.state);
    let texts: Vec<Mrkdwn> = lines.iter().map(|line| text_of(line, context, options)).collect();
    let words = context.words();
    let frame = Frame { title: title(alerts.len(), &lines, context), worst, context };
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
            let mention = frame.mention(page);
            let first = on_page.first().map_or("", |line| line.last.alert.name.as_str());
            let first = fill(words.first, &[&text::cut(&text::one_line(first), NAME_MAX_CHARS)]);
            let layout = Layout {
                channel: options.channel,
                text: Mrkdwn::new().text(&format!("{title}, {first}")).append(&mention),
                color: color(worst),
                head: head(&mention, &title),
                body: body.collect(),
                buttons: Vec::new(),
                warnings: frame.warnings(),
                details: Vec::new(),
                ends: frame.ends(),
                folding: Folding::Attachment,
                words,
            };
            (layout.message(), items)
        })
        .collect()
}

/// A digest that was posted as this JSON, with how many of its alerts are over by now; `None` where it is no message.
///
/// What it told stays as it was, so that whoever has read it finds it again.
#[must_use]
pub fn counted(posted: &str, over: usize, of: usize, words: &Words) -> Option<SlackMessage> {
    let mut message = SlackMessage::read(posted)?;
    let emblem = if over >= of { emblem(State::Resolved, None) } else { "" };
    let count = fill(words.of_them_over, &[&over.to_string(), &of.to_string()]);
    let count = [emblem, &count].join(" ");
    let count = count.trim_start();
    if !message.blocks.is_empty() {
        message.blocks.splice(0..0, Block::section(Mrkdwn::new().bold(count)));
    }
    for attachment in message.attachments.iter_mut().filter(|_| over >= of) {
        attachment.color = color(State::Resolved);
    }
    let text = Mrkdwn::new().text(count).markup(" · ").markup(&message.text).cut(FALLBACK_TEXT_MAX_CHARS);
    message.text = text.into_string();
    Some(message)
}

/// Counted are the alerts; what changed several times is one of them.
fn title(changes: usize, lines: &[Line<'_>], context: &Context<'_>) -> String {
    let words = context.words();
    let states = [State::Firing, State::NoData, State::Informational, State::Resolved];
    let counts: Vec<String> = states
        .iter()
        .zip(words.counts)
        .filter_map(|(state, pattern)| {
            let count = lines.iter().filter(|line| line.last.alert.state == *state).count();
            (count > 0).then(|| format!("{} {}", emblem(*state, None), fill(pattern, &[&count.to_string()])))
        })
        .collect();
    let (alerts, counts) = (lines.len().to_string(), counts.join(", "));
    if changes == lines.len() {
        fill(words.alerts, &[&alerts, &counts])
    } else {
        fill(words.alerts_in_changes, &[&alerts, &changes.to_string(), &counts])
    }
}

fn head(mention: &Mrkdwn, title: &str) -> Vec<Block> {
    Block::section(Mrkdwn::new().bold(title).append(mention)).into_iter().collect()
}

/// What stands above and below the lines of every message.
struct Frame<'f> {
    title: String,
    worst: State,
    context: &'f Context<'f>,
}

impl Frame<'_> {
    fn title_of(&self, page: usize, page_count: usize) -> String {
        if page_count == 1 {
            return self.title.clone();
        }
        let part = fill(self.context.words().part, &[&(page + 1).to_string(), &page_count.to_string()]);
        format!("{} ({part})", self.title)
    }

    /// People are called once for a storm.
    fn mention(&self, page: usize) -> Mrkdwn {
        let mention =
            self.context.mention.filter(|_| page == 0 && matches!(self.worst, State::Firing | State::NoData));
        mention.map_or_else(Mrkdwn::new, |mention| Mrkdwn::new().markup(" ").markup(mention))
    }

    fn warnings(&self) -> Vec<Block> {
        let lines = self.context.warnings.iter().map(|warning| text::cut(&warning.line, WARNING_MAX_CHARS));
        let lines = lines.map(|line| format!("⚠️ {line}")).collect::<Vec<_>>().join("\n");
        Block::context(Mrkdwn::new().text(&text::cut(&lines, WARNING_MAX_CHARS))).into_iter().collect()
    }

    fn ends(&self) -> Vec<Block> {
        let words = self.context.words();
        let receiver = fill(words.to, &[self.context.receiver]);
        let repeat = if self.context.may_be_repeat { words.may_be_repeat } else { "" };
        let parts = [words.one_line_each, &receiver, repeat];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Block::context(Mrkdwn::new().text(&parts.join(" · "))).into_iter().collect()
    }

    /// The room for lines beside the largest head, as JSON.
    fn room(&self) -> usize {
        const PAGES_MAX: usize = 999_999;
        // What a message keeps for a container that a digest does not have.
        const AROUND: usize = 250;
        let head = head(&self.mention(0), &self.title_of(PAGES_MAX, PAGES_MAX));
        let width = |blocks: &[Block]| blocks.iter().map(|block| block.json_width() + 1).sum::<usize>();
        let fixed = width(&head) + width(&self.warnings()) + width(&self.ends()) + AROUND;
        BLOCKS_JSON_MAX_CHARS.saturating_sub(fixed)
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

fn text_of(line: &Line<'_>, context: &Context<'_>, options: &Options<'_>) -> Mrkdwn {
    let Entry { alert, overtaken, .. } = line.last;
    let context = Context { overtaken, now: alert.changed_at.unwrap_or(context.now), ..*context };
    let page = alert
        .links
        .iter()
        .find(|link| matches!(link.kind, LinkKind::Alarm | LinkKind::Rule | LinkKind::Details));
    let url = page.map(|page| page.url.as_str()).filter(|url| url.len() <= URL_MAX_CHARS);
    let headline = Headline::new(alert, &context);
    let mut text = options.mrkdwn(&headline.linked(url));
    if line.changes > 1 {
        text =
            text.text(&format!(" ({})", fill(context.words().changed_times, &[&line.changes.to_string()])));
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
    use crate::alert::{Alert, Comparison, Condition, Measure, Source};
    use crate::key::DeliveryKey;
    use crate::render::Rendering;
    use crate::render::page::{Language, Warning};

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
        alert.condition = Some(Condition::Measured(Box::new(Measure {
            metric: "CPUUtilization".to_owned(),
            value: Some(99.9),
            limit: Some(50.0),
            comparison: Some(Comparison::Above),
            ..Measure::default()
        })));
        alert.evidence.unit = "%".to_owned();
        alert.key = Some(AlertKey::Alarm {
            account: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            name,
            contributor: String::new(),
        });
        alert.changed_at = DateTime::from_timestamp(1_789_384_724, 0);
        alert
    }

    fn rendered(alerts: &[Alert], warning: Option<&str>) -> Vec<(SlackMessage, Vec<usize>)> {
        let accounts = BTreeMap::new();
        let warnings: Vec<Warning> =
            warning.map(|line| Warning { line: line.to_owned(), causes: Vec::new() }).into_iter().collect();
        let context = Context {
            warnings: &warnings,
            ..Context::new(DateTime::from_timestamp(1_789_384_725, 0).unwrap(), &accounts)
        };
        let options = Options {
            rendering: Rendering::Classic,
            has_bar: true,
            channel: None,
            timezone: Tz::UTC,
            language: Language::English,
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
        let digests = digest(&entries, &context, &options);
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

    fn blocks_width(message: &SlackMessage) -> usize {
        let lists = message.attachments.iter().map(|attachment| &attachment.blocks).chain([&message.blocks]);
        // Two brackets, and a comma less than blocks.
        lists.flatten().map(|block| block.json_width() + 1).sum::<usize>() + 2
    }

    #[test]
    fn as_few_messages_as_the_limits_allow() {
        let alarms: Vec<Alert> = (0..300).map(alarm).collect();
        for batch in alarms.chunks(100) {
            let digests = rendered(batch, None);
            assert_eq!(digests.len(), 2);
            // All but the last are so full that no line more would fit beside the longest head.
            let line = 600;
            for (message, _) in &digests[..1] {
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
            "*Backup report*: Backup of orders &lt;failed&gt;\\n",
            "*Disk is full*: on node 7\\n",
            "*Short*\\n",
            "*A long lin…*: e goes on\\n",
            "*Broken JSON*: The message looks like JSON but is none: EOF — {\\\"disk\\\": \\\"sda\"",
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
        assert!(json.contains("✅ <") && json.contains("(changed 7 times)"), "{json}");
        assert_eq!(json.matches("|web-00001").count(), 1);
    }

    #[test]
    fn a_digest_counts_and_keeps_what_it_told() {
        let posted = r##"{"text":"3 alerts &amp; more","blocks":[{"type":"divider"}],"attachments":[{"color":"#a30200","fallback":"f","blocks":[{"type":"divider"}]}],"unfurl_links":false}"##;
        let words = Language::English.words();
        for (over, begins, color) in
            [(1, "1 of 3 over · 3 alerts &amp; more", "#a30200"), (3, "✅ 3 of 3 over", "#2eb886")]
        {
            let message = counted(posted, over, 3, words).unwrap();
            assert!(message.text().starts_with(begins), "{}", message.text());
            let json: serde_json::Value = serde_json::from_str(&message.to_json()).unwrap();
            assert_eq!(json["blocks"][1], serde_json::json!({"type": "divider"}));
            assert_eq!(json["attachments"][0]["color"], color);
        }
        // Where it was posted as text alone, it stays that.
        let plain = counted(r#"{"text":"3 alerts"}"#, 1, 3, words).unwrap();
        assert_eq!(
            plain.to_json(),
            r#"{"text":"1 of 3 over · 3 alerts","unfurl_links":false,"unfurl_media":false}"#
        );
        assert_eq!(counted("no message", 1, 3, words), None);
    }
}
