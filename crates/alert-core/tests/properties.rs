//! Whatever comes in: nothing panics, no alert vanishes, and every message is one that Slack and SNS take.
//!
//! The limits are counted here once more, from the JSON alone, so that a mistake in the renderer's own counting shows.
//! `PROPTEST_CASES` raises the number of cases.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the purity is the core's, not its tests'")]

mod events;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::LazyLock;

use alert_core::alert::{Alert, Comparison, Link, LinkKind, Source, State};
use alert_core::config::{BrokenConfiguration, Config, Publish};
use alert_core::decide::Verdict;
use alert_core::envelope;
use alert_core::evidence::{self, Findings, Gap, Lines, Measured, Sought, Wanted};
use alert_core::filter;
use alert_core::incident::{self, Acknowledged, Change, Incident, Person, Policy, Silenced, Step, Told};
use alert_core::key::AlertKey;
use alert_core::relay::{self, Deployment, Post, RelayPlan};
use alert_core::render::page::{Context, Language, Page};
use alert_core::render::sns;
use alert_core::render::{Options, Rendering, slack};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

/// The only mention that a message may hold.
/// Who has acted.
const PERSON: &str = "<@U0123456789>";
const MENTION: &str = "<!subteam^S012345>";

/// Larger events make no difference but in time.
const EVENT_MAX_BYTES: usize = 20_000;

/// Every event of the fixtures.
static EVENTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let events: Vec<Value> = events::paths()
        .iter()
        .map(|path| fs::read(path).unwrap())
        .filter(|text| text.len() <= EVENT_MAX_BYTES)
        .filter_map(|text| serde_json::from_slice(&text).ok())
        .map(opened)
        .collect();
    assert!(events.len() > 100, "only {} fixtures found", events.len());
    events
});

/// JSON that was put into a text, taken out: what is inside can then be changed like everything else.
fn opened(value: Value) -> Value {
    match value {
        Value::String(text) => match serde_json::from_str::<Value>(&text) {
            Ok(inner @ (Value::Object(_) | Value::Array(_))) => json!({ TEXT: opened(inner) }),
            _ => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(opened).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, opened(value))).collect(),
        other => other,
    }
}

/// The key under which [`opened`] keeps what was a text.
const TEXT: &str = "\u{0}text";

/// The opposite of [`opened`].
fn closed(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => match fields.remove(TEXT) {
            Some(inner) => Value::String(with_unreadable(&closed(inner).to_string())),
            None => fields.into_iter().map(|(key, value)| (key, closed(value))).collect(),
        },
        Value::Array(items) => items.into_iter().map(closed).collect(),
        other => other,
    }
}

/// What no JSON parser takes, and the values that stand for it until the JSON is a text.
const UNREADABLE: [(char, &str); 6] = [
    ('\u{e000}', r#""lone \ud83d surrogate""#),
    ('\u{e001}', "-1e999"),
    ('\u{e002}', "[[[[[[[[[["),
    ('\u{e003}', r#""C:\Windows, it\'s""#),
    ('\u{e004}', "\"line\nbreak\""),
    ('\u{e005}', "NaN"),
];

fn with_unreadable(json: &str) -> String {
    UNREADABLE.iter().fold(json.to_owned(), |json, (mark, unreadable)| {
        // Deeper than any parser goes.
        let unreadable = if unreadable.starts_with('[') {
            unreadable.repeat(20) + &"]".repeat(200)
        } else {
            (*unreadable).to_owned()
        };
        json.replace(&format!("\"{mark}\""), &unreadable)
    })
}

/// Adds a member to the object of this number, counted from the root; where there are fewer, to none.
fn add_member(value: &mut Value, number: &mut usize, member: &str) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| add_member(item, number, member)),
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| add_member(field, number, member));
            if fields.contains_key(TEXT) {
                return;
            }
            if *number == 0 {
                fields.insert("unreadable".to_owned(), member.into());
            }
            *number = number.wrapping_sub(1);
        }
        _ => {}
    }
}

/// The node of this number, counted from the root through all children.
fn node<'v>(value: &'v mut Value, number: &mut usize) -> Option<&'v mut Value> {
    if *number == 0 {
        return Some(value);
    }
    *number -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| node(item, number)),
        Value::Object(fields) => fields.values_mut().find_map(|field| node(field, number)),
        _ => None,
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(fields) => fields.values().map(count).sum(),
        _ => 0,
    }
}

/// The texts that are no JSON, in their order.
fn strings<'v>(value: &'v mut Value, found: &mut Vec<&'v mut Value>) {
    match value {
        Value::String(_) => found.push(value),
        Value::Array(items) => items.iter_mut().for_each(|item| strings(item, found)),
        Value::Object(fields) => fields.values_mut().for_each(|field| strings(field, found)),
        _ => {}
    }
}

/// Texts of every script and length, and those that mean something to Slack, to JSON or to us.
fn texts() -> impl Strategy<Value = String> {
    let nasty = select(vec![
        "",
        " ",
        "\n",
        "&",
        "<",
        ">",
        "&amp;",
        "<!channel>",
        "<!here|x>",
        "<@U1>",
        "<#C1>",
        "```",
        "`",
        "*",
        "_",
        "|",
        "https://x/|<!channel>",
        "https://example.com/?a=1&b=<2>",
        "http://",
        "arn:aws:cloudwatch:eu-west-1::alarm:",
        "ALARM",
        "OK",
        "INSUFFICIENT_DATA",
        "firing",
        "resolved",
        "NaN",
        "1e400",
        "\u{202e}\u{2066}",
        "אבגד مرحبا",
        "👩‍👩‍👧‍👦🏳️‍🌈",
        "e\u{301}\u{301}\u{301}",
        "\u{0}\u{7}\u{1b}[31m",
        "\u{ffff}\u{10ffff}",
        "경보",
        "0001-01-01T00:00:00Z",
        "Threshold Crossed: 3 datapoints [",
        "Thresholds Crossed: 1 out of the last 0 datapoints [1.0 (x), ] were less than \
         the lower thresholds [",
        "{\"a\":[1,{\"b\":",
        "[]",
        "{}",
        "null",
        "arn:::::",
        "<https://a|b",
    ]);
    prop_oneof![
        6 => nasty.clone().prop_map(str::to_owned),
        6 => ".{0,40}",
        4 => proptest::collection::vec(nasty.clone(), 1..12).prop_map(|parts| parts.concat()),
        2 => (nasty.clone(), 1_usize..3_000).prop_map(|(text, times)| text.repeat(times)),
        2 => (".{1,6}", 1_usize..3_000).prop_map(|(text, times)| text.repeat(times)),
        1 => nasty.prop_map(|text| text.repeat(100_000 / text.len().max(1))),
    ]
}

fn numbers() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        any::<f64>().prop_map(|number| json!(number)),
        select(vec![0.0, -1.0, 1e308, -1e308, 5e-324]).prop_map(|number| json!(number)),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::Bool),
        2 => numbers(),
        4 => texts().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            proptest::collection::vec((keys(), inner), 0..6).prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

/// Keys that somebody reads, so that arbitrary JSON is now and then nearly an alert.
fn keys() -> impl Strategy<Value = String> {
    let known = select(vec![
        "Records",
        "Sns",
        "Message",
        "MessageId",
        "TopicArn",
        "body",
        "messageId",
        "detail",
        "detail-type",
        "source",
        "alarmData",
        "alarmName",
        "AlarmName",
        "NewStateValue",
        "state",
        "value",
        "Trigger",
        "Metrics",
        "alerts",
        "labels",
        "alertname",
        "status",
        "annotations",
        "requestPayload",
        "requestContext",
        "headers",
        "reasonData",
        "Dimensions",
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => ".{0,12}"]
}

/// One deployment with everything in it that can be in one.
fn deployment(digest_after: usize, rendering: Rendering, language: Language) -> Deployment {
    let config = format!(
        "route:\n  receiver: oncall\nreceivers:\n  - name: oncall\n    channel: '#oncall'\n    mention: '{MENTION}'\n\
         accounts: {{'111122223333': 'a <b> & c'}}\ntimezone: Asia/Seoul\nnotify_on: [ALARM, OK, \
         INSUFFICIENT_DATA]\n"
    );
    let broken = BrokenConfiguration {
        name: "alerts.yaml".to_owned(),
        problems: vec!["Something <is> wrong & known".to_owned(), "line 2".to_owned()],
    };
    let config = Config { digest_after, rendering, language, ..Config::parse(&config).unwrap() };
    Deployment { broken: Some(broken), ..Deployment::new(config) }
}

/// The receivers, or the rule that dropped the alert.
type Decision = Result<Vec<String>, String>;

/// What matters of an event's alerts: where they stood, what they are, and who gets them.
fn decided(event: &[u8]) -> Vec<(usize, Source, State, Decision)> {
    let now = "2026-09-14T11:20:00Z".parse().unwrap();
    let config = "{receivers: [{name: default}, {name: oncall}], \
                  route: {receiver: default, routes: [{matchers: [state=firing], receiver: oncall}]}}";
    let deployment = Deployment::new(Config::parse(config).unwrap());
    let plan = relay::plan(envelope::decode(event), &deployment, "request", now);
    plan.items
        .iter()
        .map(|item| {
            let decided = match &item.verdict {
                Verdict::Deliver { receivers } => {
                    Ok(receivers.iter().map(|routed| routed.receiver.name.clone()).collect())
                }
                Verdict::Drop(dropped) => Err(dropped.rule.clone()),
            };
            (item.record, item.alert.source.clone(), item.alert.state, decided)
        })
        .collect()
}

fn check_event(event: &[u8], digest_after: usize) {
    let now = "2026-09-14T11:20:00Z".parse().unwrap();
    let records = envelope::decode(event).records.len();
    let deployments = [
        deployment(digest_after, Rendering::Modern, Language::Korean),
        deployment(digest_after, Rendering::Classic, Language::English),
    ];
    for deployment in &deployments {
        let plan = relay::plan(envelope::decode(event), deployment, "request", now);
        check_plan(&plan, records);
    }
    let [deployment, _] = deployments;

    for publish in [Publish::Auto, Publish::Alert, Publish::Group] {
        let config = Config { publish, ..deployment.config.clone() };
        let plan = filter::plan(envelope::decode(event), &config, Some("Something is wrong"), "request", now);
        check_filter_plan(&plan, records);
    }
}

fn check_filter_plan(plan: &filter::FilterPlan, records: usize) {
    for record in 0..records {
        assert!(plan.items.iter().any(|item| item.record == record), "record {record} vanished");
    }
    for (place, item) in plan.items.iter().enumerate() {
        let published = plan.publications.iter().filter(|one| one.items.contains(&place)).count();
        assert_eq!(published, usize::from(item.dropped.is_none()), "{:?}", item.alert.name);
    }
    for publication in &plan.publications {
        assert!(sns::size(&publication.message) <= sns::MESSAGE_MAX_BYTES);
        assert!(!publication.message.message.trim().is_empty());
    }
}

fn check_plan(plan: &RelayPlan<'_>, records: usize) {
    for record in 0..records {
        assert!(plan.items.iter().any(|item| item.record == record), "record {record} vanished");
    }
    for (place, item) in plan.items.iter().enumerate() {
        assert!(!item.alert.name.trim().is_empty());
        // What came twice is told once.
        let told = plan.spokesmen(place).next().unwrap_or(place);
        let posts = plan.posts.iter().filter(|post| post.items.contains(&told)).count();
        match &item.verdict {
            Verdict::Deliver { receivers } => assert_eq!(posts, receivers.len(), "{:?}", item.alert.name),
            Verdict::Drop(_) => assert_eq!(posts, 0),
        }
    }
    for post in plan.posts.iter().filter(|post| post.items.len() == 1).take(STORIES_MAX) {
        check_stories(&plan.items[post.items[0]].alert);
    }
    for post in &plan.posts {
        check_steps(plan, post);
        if post.items.len() > 1 {
            plan.take_apart(post).iter().for_each(|post| check_steps(plan, post));
        }
    }
}

/// The post, and every step down from it to one without blocks.
fn check_steps(plan: &RelayPlan<'_>, post: &Post) {
    check_payload(&post.message.content());
    match plan.simpler(post) {
        Some(simpler) => check_steps(plan, &simpler),
        None => assert!(!post.message.content().contains("\"blocks\"")),
    }
}

/// Alerts of an event whose stories are told: they are much the same in each.
const STORIES_MAX: usize = 1;

/// Whatever a change is to those who know the alert, its message and its reply are within the limits.
fn check_stories(alert: &Alert) {
    let now = "2026-09-14T11:20:00Z".parse().unwrap();
    let key = AlertKey::Rule { source: Source::Grafana, origin: String::new(), fingerprint: "f".to_owned() };
    let policy = Policy { flapping_after: 1, ..Policy::default() };
    let change = Change { is_state: true, ..Change::of(alert, &key, "first") };
    let mut known = incident::next(None, &change, now, &policy).incident;
    for (delivery, state) in [("second", State::Firing), ("third", State::Resolved), ("last", change.state)] {
        let change = Change { delivery, state, at: None, ..change };
        known = incident::next(Some(&known), &change, now, &policy).incident;
    }
    // What people do to it, by the longest names.
    let by = Person::new(&PERSON[2..PERSON.len() - 1], &"&".repeat(100));
    known.acknowledged = Some(Acknowledged { by: by.clone(), at: now });
    let comment = Some("\"<".repeat(60));
    known.silenced = Some(Silenced { by, at: now, until: Some(now), rule: None, comment, changes: u64::MAX });
    assert_eq!(Incident::from_json(&known.to_json()).unwrap(), known);
    // The longest lines that there are.
    let span = chrono::TimeDelta::MAX;
    for (told, rendering) in [
        (Told::Again { nth: u64::MAX, within: span }, Rendering::Modern),
        (Told::Over { lasted: Some(span) }, Rendering::Classic),
        (Told::Reminder, Rendering::Plain),
    ] {
        let step = Step { incident: known.clone(), told, is_silent: false };
        let (page, reply) = told_for(alert, rendering, &step);
        check_payload(&page.to_json());
        check_payload(&reply.to_json());
        check_people(&page.to_json(), &known, rendering);
        assert!(length(&reply.to_json()) < 12_000, "{}", reply.to_json());
    }
}

/// A message that a person has acted upon is as it would be if it were written anew.
fn check_people(posted: &str, known: &Incident, rendering: Rendering) {
    let (timezone, language) = (chrono_tz::UTC, Language::Korean);
    let options = Options { rendering, has_bar: false, channel: None, timezone, language };
    let acted = slack::with_people(posted, known, &options);
    assert_eq!(acted.is_none(), rendering == Rendering::Plain);
    let Some(acted) = acted else { return };
    check_payload(&acted.to_json());
    let value = |json: &str| serde_json::from_str::<Value>(json).unwrap();
    assert_eq!(value(&acted.to_json())["blocks"], value(posted)["blocks"]);
    let mut undone = known.clone();
    (undone.acknowledged, undone.silenced) = (None, None);
    let undone = slack::with_people(posted, &undone, &options).unwrap().to_json();
    check_payload(&undone);
    assert!(!undone.contains("\"people\""), "{undone}");
    assert_eq!(slack::with_people(&undone, known, &options).unwrap().to_json(), acted.to_json());
}

/// Log lines as they may come: any text, and texts that grow when they are escaped.
fn log_lines() -> impl Strategy<Value = Vec<String>> {
    let grows = (select(vec!["&", "\"", "```", "<!channel> ", "🔴", "\\"]), 1_usize..900);
    let line = prop_oneof![any::<String>(), grows.prop_map(|(text, count)| text.repeat(count))];
    prop::collection::vec(line, 1..25)
}

fn measured() -> impl Strategy<Value = Measured> {
    let values = || prop::collection::vec((-20_000_i64..20_000, any::<f64>()), 0..60);
    let comparison =
        select(vec![None, Some(Comparison::Above), Some(Comparison::AtOrBelow), Some(Comparison::Outside)]);
    (any::<String>(), any::<String>(), comparison, any::<Option<f64>>(), values(), values()).prop_map(
        |(name, unit, comparison, limit, values, ends)| {
            let timed = |values: Vec<(i64, f64)>| {
                let timed = values.into_iter();
                timed.map(|(second, value)| (*NOW + TimeDelta::seconds(second), value)).collect::<Vec<_>>()
            };
            let (lower, upper) = (timed(ends.clone()), timed(ends));
            Measured { name, unit, comparison, limit, values: timed(values), lower, upper }
        },
    )
}

static NOW: LazyLock<DateTime<Utc>> = LazyLock::new(|| "2026-11-27T03:00:00Z".parse().unwrap());

proptest! {
    // Many long lines, with many patterns looked for in each of them.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 10))]

    #[test]
    fn log_lines_are_a_message_that_slack_takes(lines in log_lines(), group in any::<String>(), total in any::<usize>(), korean: bool) {
        let sought = Sought::new(group, String::new(), *NOW, (i32::MAX, TimeDelta::MAX), *NOW);
        let found = Lines::new(&sought, "eu-west-1", lines.iter().map(String::as_str), total, true);
        let language = if korean { Language::Korean } else { Language::English };
        for rendering in [Rendering::Modern, Rendering::Plain] {
            let options = Options { rendering, has_bar: false, channel: None, timezone: chrono_tz::UTC, language };
            let json = slack::lines(&found, &options).to_json();
            check_payload(&json);
            prop_assert!(length(&json) <= 12_000, "{}", length(&json));
        }
    }

}

proptest! {
    #[test]
    fn charts_of_any_values_are_a_message_that_slack_takes(
        measured in prop::collection::vec(measured(), 0..3), at in any::<i32>(), began in any::<Option<i32>>(), period in any::<i64>(),
    ) {
        let at = *NOW + TimeDelta::seconds(i64::from(at));
        let began = began.map(|began| *NOW + TimeDelta::seconds(i64::from(began)));
        let (from, to) = evidence::window(at, began, TimeDelta::try_seconds(period).unwrap_or(TimeDelta::MAX), *NOW);
        prop_assert!(from < to && to - from < TimeDelta::days(40_000));
        let graphs = measured.iter().filter_map(|measured| measured.graph(*NOW - TimeDelta::hours(3), *NOW)).collect();
        let gaps = vec![(Wanted::Chart, Gap::Refused("CloudWatch", "&".repeat(5_000)))];
        let found = Findings { graphs, gaps, lines: None, image: Some(format!("https://example.com/{}", "x".repeat(2_000))) };
        let alert = Alert::new(Source::CloudWatch, "cpu", State::Firing, "ALARM");
        for rendering in [Rendering::Modern, Rendering::Classic, Rendering::Plain] {
            check_payload(&shown_with(&alert, rendering, &found).to_json());
        }
    }

    #[test]
    fn masking_is_total(line in any::<String>(), words in prop::collection::vec("[ -~]{0,60}", 0..6)) {
        for line in [line, words.join("=\""), words.join(": ")] {
            let masked = evidence::mask(&line);
            prop_assert!(masked.len() <= line.len() * 10 + 10);
        }
    }
}

/// An alert's message with what was found beside it.
fn shown_with(alert: &Alert, rendering: Rendering, found: &Findings) -> slack::SlackMessage {
    let (accounts, timezone, language) = (BTreeMap::new(), chrono_tz::UTC, Language::English);
    let context = Context { timezone, language, evidence: Some(found), ..Context::new(*NOW, &accounts) };
    slack::page(
        &Page::new(alert, &context),
        &Options { rendering, has_bar: false, channel: None, timezone, language },
    )
}

/// An alert's message and the reply in its thread.
fn told_for(alert: &Alert, rendering: Rendering, step: &Step) -> (slack::SlackMessage, slack::SlackMessage) {
    let (accounts, timezone, language) = (BTreeMap::new(), chrono_tz::UTC, Language::Korean);
    let context = Context {
        timezone,
        language,
        mention: Some(MENTION),
        delivery_id: Some("the-delivery"),
        may_be_repeat: true,
        story: Some(step),
        has_buttons: true,
        ..Context::new("2026-09-14T11:20:00Z".parse().unwrap(), &accounts)
    };
    let options = Options { rendering, has_bar: false, channel: None, timezone, language };
    let page = Page::new(alert, &context);
    (slack::page(&page, &options), slack::reply(&page, &options))
}

/// Slack's limits, counted in UTF-16 code units, which no way of counting exceeds.
fn check_payload(payload: &str) {
    let payload: Value = serde_json::from_str(payload).unwrap();
    let text = payload["text"].as_str().unwrap();
    check_mrkdwn(text, 40_000);
    let mut total = 0;
    let attachments = payload.get("attachments").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    assert!(attachments.len() <= 100);
    for owner in std::iter::once(&payload).chain(attachments) {
        if let Some(fallback) = owner.get("fallback") {
            check_mrkdwn(fallback.as_str().unwrap(), 3_000);
        }
        let Some(blocks) = owner.get("blocks") else { continue };
        total += length(&blocks.to_string());
        let blocks = blocks.as_array().unwrap();
        assert!((1..=50).contains(&blocks.len()));
        blocks.iter().for_each(check_block);
    }
    assert!(total <= 12_000, "all blocks together are {total} characters");
}

fn check_block(block: &Value) {
    let elements = || block["elements"].as_array().unwrap();
    match block["type"].as_str().unwrap() {
        "section" => {
            assert!(block.get("text").is_some() || block.get("fields").is_some());
            if let Some(text) = block.get("text") {
                assert_eq!(text["type"], "mrkdwn");
                check_mrkdwn(text["text"].as_str().unwrap(), 3_000);
            }
            if let Some(fields) = block.get("fields") {
                let fields = fields.as_array().unwrap();
                assert!((1..=10).contains(&fields.len()));
                for field in fields {
                    check_mrkdwn(field["text"].as_str().unwrap(), 2_000);
                }
            }
        }
        "context" => {
            assert!((1..=10).contains(&elements().len()));
            for element in elements() {
                check_mrkdwn(element["text"].as_str().unwrap(), 3_000);
            }
        }
        "actions" => {
            assert!((1..=25).contains(&elements().len()));
            for button in elements() {
                if button["action_id"].is_string() {
                    check_control(button);
                    continue;
                }
                assert_eq!(button["type"], "button");
                let (text, url) = (button["text"]["text"].as_str().unwrap(), button["url"].as_str().unwrap());
                assert!((1..=75).contains(&length(text)));
                assert!((1..=3_000).contains(&length(url)));
                assert!(url.starts_with("https://") || url.starts_with("http://"), "{url:?}");
                assert!(!url.contains(['<', '>', '|', '"', ' ', '\n']), "{url:?}");
            }
        }
        "data_visualization" => check_chart(block),
        "image" => {
            assert!((1..=3_000).contains(&length(block["image_url"].as_str().unwrap())));
            assert!((1..=2_000).contains(&length(block["alt_text"].as_str().unwrap())));
        }
        "container" => {
            assert!((1..=150).contains(&length(block["title"]["text"].as_str().unwrap())));
            let children = block["child_blocks"].as_array().unwrap();
            assert!((1..=10).contains(&children.len()));
            for child in children {
                assert!(["section", "context"].contains(&child["type"].as_str().unwrap()));
                check_block(child);
            }
        }
        other => panic!("unknown block {other}"),
    }
}

/// What a person acts by.
fn check_control(control: &Value) {
    let text =
        |value: &Value, max: usize| assert!((1..=max).contains(&length(value["text"].as_str().unwrap())));
    assert!((1..=255).contains(&length(control["action_id"].as_str().unwrap())));
    if control["type"] == "button" {
        return text(&control["text"], 75);
    }
    assert_eq!(control["type"], "static_select");
    text(&control["placeholder"], 150);
    let options = control["options"].as_array().unwrap();
    assert!((1..=100).contains(&options.len()));
    for option in options {
        text(&option["text"], 75);
        assert!((1..=150).contains(&length(option["value"].as_str().unwrap())));
    }
}

fn check_chart(block: &Value) {
    assert!((1..=50).contains(&length(block["title"].as_str().unwrap())));
    let categories = block["chart"]["axis_config"]["categories"].as_array().unwrap();
    assert!((1..=20).contains(&categories.len()));
    let series = block["chart"]["series"].as_array().unwrap();
    assert!((1..=6).contains(&series.len()));
    let names: BTreeSet<&str> = series.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), series.len(), "{names:?}");
    assert!(names.iter().all(|name| (1..=20).contains(&length(name))), "{names:?}");
    for one in series {
        let labels: Vec<&Value> =
            one["data"].as_array().unwrap().iter().map(|point| &point["label"]).collect();
        assert_eq!(labels, categories.iter().collect::<Vec<_>>());
        let unique: BTreeSet<&str> = labels.iter().map(|label| label.as_str().unwrap()).collect();
        assert_eq!(unique.len(), labels.len(), "{labels:?}");
        assert!(unique.iter().all(|label| (1..=20).contains(&length(label))));
        assert!(one["data"].as_array().unwrap().iter().all(|point| point["value"].is_number()));
    }
}

const LINK_KINDS: [LinkKind; 9] = [
    LinkKind::Alarm,
    LinkKind::Rule,
    LinkKind::Details,
    LinkKind::Metric,
    LinkKind::Dashboard,
    LinkKind::Panel,
    LinkKind::Logs,
    LinkKind::Runbook,
    LinkKind::Silence,
];

/// An alert with links of these lengths in characters, each its own URL, out of this character.
fn with_links(lengths: &[usize], filler: char, description: &str) -> Alert {
    let mut alert = Alert::new(Source::Grafana, "disk-full", State::Firing, "firing");
    alert.description = Some(description.to_owned());
    for ((place, whole), kind) in lengths.iter().enumerate().zip(LINK_KINDS.into_iter().cycle()) {
        let start = format!("https://example.com/{place}/");
        let rest = whole.saturating_sub(length(&start));
        alert.link(kind, start + &filler.to_string().repeat(rest / filler.len_utf16()));
    }
    alert
}

/// The URLs of the buttons, and the texts of everything else, as they stand in the message.
fn buttons_and_texts(message: &slack::SlackMessage) -> (Vec<String>, Vec<String>) {
    let payload: Value = serde_json::from_str(&message.to_json()).unwrap();
    let (mut urls, mut texts) = (Vec::new(), Vec::new());
    let blocks = [&payload["blocks"], &payload["attachments"][0]["blocks"]];
    let blocks = blocks.into_iter().filter_map(Value::as_array).flatten();
    let mut all: Vec<&Value> = Vec::new();
    for block in blocks {
        all.push(block);
        all.extend(block["child_blocks"].as_array().into_iter().flatten());
    }
    for block in all {
        for element in block["elements"].as_array().into_iter().flatten() {
            match element["url"].as_str() {
                Some(url) => urls.push(url.to_owned()),
                None => texts.push(element["text"].as_str().unwrap().to_owned()),
            }
        }
        texts.extend(block["text"]["text"].as_str().map(str::to_owned));
    }
    (urls, texts)
}

/// Text goes before links, and the longest links go first, whatever their number and their lengths.
fn check_links(alert: &Alert) {
    for rendering in [Rendering::Classic, Rendering::Modern] {
        check_links_in(alert, rendering);
    }
    let plain = rendered(alert, Rendering::Plain);
    check_payload(&plain.to_json());
    let description = alert.description.as_deref().unwrap();
    for part in ["disk-full", &description[..70.min(description.len())], "the-deli"] {
        assert!(plain.text().contains(part), "no {part} in {}", plain.text());
    }
}

fn check_links_in(alert: &Alert, rendering: Rendering) {
    let message = rendered(alert, rendering);
    check_payload(&message.to_json());
    let (shown, texts) = buttons_and_texts(&message);
    let description = alert.description.as_deref().unwrap();
    let beginning = &description[..70.min(description.len())];
    assert!(texts[0].contains("disk-full"), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains(beginning)), "{texts:?}");
    assert!(texts.last().unwrap().contains("the-deli"), "{texts:?}");

    let (shown, missing): (Vec<usize>, Vec<usize>) = {
        let (shown, missing): (Vec<&Link>, Vec<&Link>) =
            alert.links.iter().partition(|link| shown.contains(&link.url));
        let lengths = |links: Vec<&Link>| links.iter().map(|link| length(&link.url)).collect();
        (lengths(shown), lengths(missing))
    };
    // By so much the buttons' own texts differ.
    let longest = shown.iter().max().map_or(0, |longest| longest - 10);
    assert!(missing.iter().all(|one| *one >= longest), "{missing:?} are missing, {shown:?} are there");
    let line = match missing.len() {
        0 => None,
        1 => Some("1 link left out: too long for this message".to_owned()),
        count => Some(format!("{count} links left out: too long for this message")),
    };
    assert_eq!(texts.iter().find(|text| text.contains(" left out: ")), line.as_ref());
    // A long link takes no text away that stands before it.
    let without = rendered(&Alert { links: Vec::new(), ..alert.clone() }, rendering);
    let is_whole = buttons_and_texts(&without).1.iter().all(|text| texts.contains(text));
    assert!(is_whole || shown.iter().sum::<usize>() <= 1_000, "{shown:?} in the place of text");
}

fn rendered(alert: &Alert, rendering: Rendering) -> slack::SlackMessage {
    rendered_for(alert, rendering, None, None)
}

fn rendered_for(
    alert: &Alert,
    rendering: Rendering,
    route: Option<&str>,
    mention: Option<&str>,
) -> slack::SlackMessage {
    let (accounts, timezone, language) = (BTreeMap::new(), chrono_tz::UTC, Language::English);
    let context = Context {
        timezone,
        language,
        mention,
        delivery_id: Some("the-delivery"),
        route,
        ..Context::new("2026-09-14T11:20:00Z".parse().unwrap(), &accounts)
    };
    let options = Options { rendering, has_bar: false, channel: None, timezone, language };
    slack::page(&Page::new(alert, &context), &options)
}

#[test]
fn whatever_is_long_the_name_and_the_id_stay() {
    for filler in ["x", "&", "경", "\""] {
        let long = filler.repeat(9_000);
        let mut alert = Alert::new(Source::Aws(long.clone()), "disk-full", State::Firing, long.as_str());
        alert.account = Some(long.clone());
        alert.region = Some(long.clone());
        alert.description = Some(long.clone());
        let message = rendered_for(&alert, Rendering::Classic, Some(&long), Some(MENTION));
        check_payload(&message.to_json());
        let (_, texts) = buttons_and_texts(&message);
        assert!(texts[0].contains(MENTION) && texts[0].contains("disk-full"), "{}", texts[0]);
        let description = filler.replace('&', "&amp;").repeat(100);
        assert!(texts.iter().any(|text| text.starts_with(&description)), "{filler}");
        assert!(texts.last().unwrap().ends_with("the-deli"), "{texts:?}");
        assert!(message.text().contains("disk-full"), "{}", message.text());
    }
}

#[test]
fn long_links_cost_no_text() {
    let description = "It is the disk. ".repeat(100).trim_end().to_owned();
    for count in 1..=30 {
        for length in [100, 2_900, 3_000, 3_001, 9_000] {
            check_links(&with_links(&vec![length; count], 'x', &description));
        }
    }
    // As many as there is room for, the shorter ones, in their order.
    let alert = with_links(&[2_900, 100, 2_800, 2_900, 2_900, 200], 'x', &description);
    let (urls, texts) = buttons_and_texts(&rendered(&alert, Rendering::Classic));
    assert_eq!(urls.iter().map(|url| length(url)).collect::<Vec<_>>(), [2_900, 100, 2_800, 2_900, 200]);
    assert!(texts.contains(&"1 link left out: too long for this message".to_owned()), "{texts:?}");
}

/// No entity is broken, and every `<…>` is a link, a date or the one mention.
fn check_mrkdwn(text: &str, max: usize) {
    let shown: String = text.chars().take(200).collect();
    assert!(!text.trim().is_empty(), "an empty text");
    assert!(length(text) <= max, "{} of {max} characters: {shown}", length(text));
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'),
        "control character in {shown:?}"
    );
    for (at, _) in text.match_indices('&') {
        let rest = &text[at..];
        let is_entity = ["&amp;", "&lt;", "&gt;"].iter().any(|entity| rest.starts_with(entity));
        assert!(is_entity, "bare & in {shown:?}");
    }
    let mut rest = text;
    while let Some(start) = rest.find(['<', '>']) {
        assert!(rest[start..].starts_with('<'), "bare > in {shown:?}");
        let end = rest[start..].find('>').unwrap_or_else(|| panic!("open < in {shown:?}"));
        let token = &rest[start + 1..start + end];
        assert!(!token.contains('<'), "nested < in {token:?}");
        let is_link = (token.starts_with("https://") || token.starts_with("http://"))
            && token.split_once('|').is_some_and(|(url, label)| url.len() > 8 && !label.trim().is_empty());
        let is_mention = [MENTION, PERSON].iter().any(|known| token == &known[1..known.len() - 1]);
        assert!(is_link || is_date(token) || is_mention, "{token:?} in {shown:?}");
        rest = &rest[start + end + 1..];
    }
}

/// `!date^1789384724^{date_short_pretty} {time_secs}|2026-09-14 11:18:44 UTC`
fn is_date(token: &str) -> bool {
    let Some(rest) = token.strip_prefix("!date^") else { return false };
    let Some((seconds, rest)) = rest.split_once('^') else { return false };
    let Some(fallback) = rest.strip_prefix("{date_short_pretty} {time_secs}|") else { return false };
    seconds.parse::<i64>().is_ok() && !fallback.is_empty()
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The default leaves the suite within seconds; `PROPTEST_CASES` overrides it.
fn cases(default: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(default);
    ProptestConfig { failure_persistence: None, max_shrink_iters: 400, ..ProptestConfig::with_cases(cases) }
}

#[test]
fn every_fixture_keeps_the_limits() {
    for event in EVENTS.iter() {
        let event = closed(event.clone()).to_string();
        check_event(event.as_bytes(), 5);
        check_event(event.as_bytes(), 0);
    }
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn any_json_at_any_place(event in any::<Index>(), places in proptest::collection::vec((any::<Index>(), values()), 1..4)) {
        let mut event = event.get(&EVENTS[..]).clone();
        for (place, value) in places {
            let mut number = place.index(count(&event));
            *node(&mut event, &mut number).unwrap() = value;
        }
        check_event(closed(event).to_string().as_bytes(), 5);
    }

    #[test]
    fn any_string_in_any_field(
        event in any::<Index>(), places in proptest::collection::vec((any::<Index>(), texts()), 1..5), digest_after in 0_usize..6,
    ) {
        let mut event = event.get(&EVENTS[..]).clone();
        for (place, text) in places {
            let mut found = Vec::new();
            strings(&mut event, &mut found);
            if !found.is_empty() {
                let place = place.index(found.len());
                *found[place] = Value::String(text);
            }
        }
        check_event(closed(event).to_string().as_bytes(), digest_after);
    }

    #[test]
    fn every_string_at_once(event in any::<Index>(), text in texts(), digest_after in 0_usize..6) {
        // The keys' own words stay, or no source would know the event any more.
        let mut event = event.get(&EVENTS[..]).clone();
        let mut found = Vec::new();
        strings(&mut event, &mut found);
        for value in found {
            let keep = value.as_str().is_some_and(|old| {
                ["aws", "ALARM", "OK", "arn:", "CloudWatch", "firing", "resolved"].iter().any(|word| old.starts_with(word))
            });
            if !keep {
                *value = Value::String(text.chars().take(20_000).collect());
            }
        }
        check_event(closed(event).to_string().as_bytes(), digest_after);
    }

    #[test]
    fn what_cannot_be_read_costs_no_alert(
        event in any::<Index>(), places in proptest::collection::vec((any::<Index>(), select(UNREADABLE.to_vec())), 1..5),
        bytes in any::<bool>(),
    ) {
        let good = event.get(&EVENTS[..]).clone();
        let mut event = good.clone();
        for (place, (mark, _)) in places {
            let mut number = place.index(count(&event));
            add_member(&mut event, &mut number, &mark.to_string());
        }
        if bytes {
            add_member(&mut event, &mut 0, "\u{e006}");
        }
        let mut event = with_unreadable(&closed(event).to_string()).into_bytes();
        // No UTF-8.
        while let Some(at) = event.windows(3).position(|bytes| bytes == "\u{e006}".as_bytes()) {
            event.splice(at..at + 3, *b"\xff\xc3");
        }
        check_event(&event, 5);
        prop_assert_eq!(decided(&event), decided(closed(good).to_string().as_bytes()));
    }

    #[test]
    fn any_json(event in values()) {
        check_event(event.to_string().as_bytes(), 5);
    }

    #[test]
    fn any_bytes(event in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        check_event(&event, 5);
    }

    #[test]
    fn any_number_of_links_of_any_length(
        lengths in proptest::collection::vec(prop_oneof![30_usize..400, 2_500_usize..3_200], 0..40),
        filler in select(vec!['x', '&', '%', '경', '🔥']),
        description in "[a-z]{70,200}( [a-z\n\"<&>]{1,40}){0,60}",
        notes in proptest::collection::vec("[a-z ]{1,600}", 0..12),
    ) {
        let mut alert = with_links(&lengths, filler, description.trim());
        alert.notes = notes;
        check_links(&alert);
    }

    #[test]
    fn any_event_that_breaks_off(event in any::<Index>(), at in any::<Index>()) {
        let event = closed(event.get(&EVENTS[..]).clone()).to_string().into_bytes();
        check_event(&event[..at.index(event.len())], 5);
    }
}
