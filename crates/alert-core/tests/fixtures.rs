//! Every event in `fixtures/` against its golden files: what Slack would get from it.
//!
//! `fixtures/<source>/<case>.<envelope>.json` is an event; beside it `<case>.<envelope>.slack.json` is what the relay posts,
//! `….slack-modern.json` and `….slack-plain.json` the same in Slack's newest blocks and in none,
//! and `<case>.<envelope>.published.json` what the filter publishes. A `<case>.config.yaml` is the deployment's configuration. `make bless`
//! (`BLESS=1`) rewrites the golden files.

#![allow(clippy::print_stdout, reason = "which fixtures have no limit is worth a look")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the purity is the core's, not its tests'")]

mod events;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use alert_core::alert::{Alert, Condition, State};
use alert_core::config::Config;
use alert_core::decide::Verdict;
use alert_core::relay::{self, Deployment};
use alert_core::render::page::{Language, NAME_MAX_CHARS};
use alert_core::render::sns::{self, AttributeValue};
use alert_core::render::{Message, Rendering};
use alert_core::{envelope, filter, number};
use chrono::{DateTime, TimeDelta, Utc};
use events::{GOLDEN, is_golden};
use serde_json::{Value, json};

struct Case {
    event: PathBuf,
    /// The path without envelope and ending.
    stem: PathBuf,
}

fn cases() -> Vec<Case> {
    let case = |event: PathBuf| {
        let name = event.file_name().unwrap().to_string_lossy().into_owned();
        let mut parts = name.trim_end_matches(".json").rsplitn(2, '.');
        let (envelope, case) = (parts.next(), parts.next());
        assert!(envelope.is_some() && case.is_some(), "{name}: expected <case>.<envelope>.json");
        Case { stem: event.with_file_name(case.unwrap_or_default()), event }
    };
    events::paths().into_iter().map(case).collect()
}

fn golden_path(case: &Case, ending: &str) -> PathBuf {
    case.event.with_extension(ending)
}

/// The moment at which a fixture's event arrives: a second after it was sent.
fn now(decoded: &envelope::Decoded) -> DateTime<Utc> {
    let sent = decoded.records.iter().filter_map(|record| record.sent_at).max();
    sent.unwrap_or_else(|| "2026-09-14T11:20:00Z".parse().unwrap()) + TimeDelta::seconds(1)
}

fn config(case: &Case) -> Config {
    let path =
        case.stem.with_file_name(format!("{}.config.yaml", case.stem.file_name().unwrap().to_string_lossy()));
    fs::read_to_string(&path).map_or_else(
        |_| Config::default(),
        |text| Config::parse(&text).unwrap_or_else(|errors| panic!("{}: {errors}", path.display())),
    )
}

fn relayed(case: &Case, rendering: Rendering) -> Value {
    let event = fs::read(&case.event).unwrap();
    let decoded = envelope::decode(&event);
    let now = now(&decoded);
    let deployment = Deployment::new(Config { rendering, ..config(case) });
    let plan = relay::plan(decoded, &deployment, "request", now);
    let dropped: Vec<Value> = plan
        .dropped()
        .map(|(item, dropped)| json!({"alert": item.alert.name, "rule": dropped.rule, "why": dropped.why}))
        .collect();
    let delivered = plan.items.iter().filter(|item| matches!(item.verdict, Verdict::Deliver { .. })).count();
    assert_eq!(delivered + dropped.len(), plan.items.len());
    assert!(!plan.items.is_empty(), "{}: an alert vanished", case.event.display());
    let posts: Vec<Value> = plan
        .posts
        .iter()
        .map(|post| {
            let message: Value = serde_json::from_str(&post.message.content()).unwrap();
            json!({"receiver": post.receiver.name, "message": message})
        })
        .collect();
    json!({"dropped": dropped, "posts": posts})
}

/// What the filter publishes; only where its events come from.
fn published(case: &Case) -> Option<Value> {
    let is_webhook =
        ["grafana", "alertmanager"].iter().any(|folder| case.stem.parent().unwrap().ends_with(folder));
    if !is_webhook {
        return None;
    }
    let decoded = envelope::decode(&fs::read(&case.event).unwrap());
    let now = now(&decoded);
    let plan = filter::plan(decoded, &config(case), None, "request", now);
    assert!(!plan.items.is_empty(), "{}: an alert vanished", case.event.display());
    let dropped: Vec<Value> = plan
        .items
        .iter()
        .filter_map(|item| {
            let dropped = item.dropped.as_ref()?;
            Some(json!({"alert": item.alert.name, "rule": dropped.rule, "why": dropped.why}))
        })
        .collect();
    let messages: Vec<Value> = plan
        .publications
        .iter()
        .map(|publication| {
            let message = &publication.message;
            assert!(sns::size(message) <= sns::MESSAGE_MAX_BYTES);
            let attributes: serde_json::Map<String, Value> = message
                .attributes
                .iter()
                .map(|attribute| {
                    let value = match &attribute.value {
                        AttributeValue::Text(text) => json!(text),
                        AttributeValue::Texts(json) | AttributeValue::Binary(json) => {
                            serde_json::from_str(json).unwrap()
                        }
                    };
                    (attribute.name.to_owned(), value)
                })
                .collect();
            let lines: Vec<&str> = message.message.lines().collect();
            json!({
                "subject": message.subject, "message": lines, "attributes": attributes,
                "fifo": {"group": message.group_id, "dedup": message.dedup_id},
            })
        })
        .collect();
    Some(json!({"dropped": dropped, "messages": messages}))
}

fn check(case: &Case, ending: &str, actual: &Value, problems: &mut Vec<String>) {
    let path = golden_path(case, ending);
    let actual = format!("{}\n", serde_json::to_string_pretty(actual).unwrap());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &actual).unwrap();
        return;
    }
    match fs::read_to_string(&path) {
        Err(_) => problems.push(format!("{} is missing: run `make bless` and read it", path.display())),
        Ok(expected) if expected != actual => problems.push(difference(&path, &expected, &actual)),
        Ok(_) => {}
    }
}

fn difference(path: &Path, expected: &str, actual: &str) -> String {
    let line = expected.lines().zip(actual.lines()).position(|(a, b)| a != b).unwrap_or(0);
    let show = |text: &str| text.lines().nth(line).unwrap_or("(end)").trim().to_owned();
    format!("{}:{}\n  expected {}\n  found    {}", path.display(), line + 1, show(expected), show(actual))
}

#[test]
fn every_event_becomes_what_its_golden_file_says() {
    let cases = cases();
    assert!(!cases.is_empty(), "no fixture found in {}", events::root().display());
    let mut problems = Vec::new();
    for case in &cases {
        for (ending, rendering) in [
            ("slack.json", Rendering::Classic),
            ("slack-modern.json", Rendering::Modern),
            ("slack-plain.json", Rendering::Plain),
        ] {
            check(case, ending, &relayed(case, rendering), &mut problems);
        }
        if let Some(published) = published(case) {
            check(case, "published.json", &published, &mut problems);
        }
    }
    assert!(problems.is_empty(), "{} golden files differ:\n{}", problems.len(), problems.join("\n"));
}

/// What a locked phone shows of a message.
const LOCK_SCREEN_CHARS: usize = 110;

/// The beginning of a message has what people need first: how bad, which, and the value against its limit.
#[test]
fn a_lock_screen_shows_emblem_name_value_and_limit() {
    let emblems = ["🔴", "🟠", "🟡", "⚠️", "🔵", "✅", "❔"];
    let (mut with_limit, mut without, mut problems) = (0, Vec::new(), Vec::new());
    for case in cases() {
        for language in [Language::English, Language::Korean] {
            let decoded = envelope::decode(&fs::read(&case.event).unwrap());
            let now = now(&decoded);
            let deployment = Deployment::new(Config { language, ..config(&case) });
            let plan = relay::plan(decoded, &deployment, "request", now);
            for post in plan.posts.iter().filter(|post| post.items.len() == 1) {
                let alert = &plan.items[post.items[0]].alert;
                let Message::Slack(message) = &post.message else { panic!("{:?}", post.target) };
                let text = message.text().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
                let shown: String = text.chars().take(LOCK_SCREEN_CHARS).collect();
                let rule = Some(alert.labels.get("rulename")).filter(|rule| !rule.is_empty());
                let name = |name: &str| -> String {
                    name.trim().replace(['\n', '\r'], " ").chars().take(NAME_MAX_CHARS - 1).collect()
                };
                let has_name = shown.contains(&name(&alert.name))
                    || rule.is_some_and(|rule| shown.contains(&name(rule)));
                let mut missing = Vec::new();
                missing.extend((!emblems.iter().any(|emblem| shown.starts_with(emblem))).then_some("emblem"));
                missing.extend((!has_name).then_some("name"));
                match numbers(alert) {
                    Some((value, limit)) => {
                        with_limit += 1;
                        let at = shown.find(&value).map(|at| at + value.len());
                        missing.extend(at.is_none().then_some("value"));
                        let is_limited = at.is_some_and(|at| shown[at..].contains(&limit));
                        missing.extend((!is_limited).then_some("limit"));
                    }
                    None => without.push(case.event.display().to_string()),
                }
                let name = case.event.file_name().unwrap().to_string_lossy().into_owned();
                if !missing.is_empty() {
                    problems.push(format!("{name}: no {} in {shown}", missing.join(", ")));
                }
            }
        }
    }
    without.dedup();
    println!("{with_limit} messages have a value and a limit; {} fixtures have none:", without.len());
    for case in without {
        println!("  {case}");
    }
    assert!(with_limit > 100, "{with_limit}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The value and the limit that an alarm's message must begin with.
fn numbers(alert: &Alert) -> Option<(String, String)> {
    let Some(Condition::Measured(measure)) = &alert.condition else { return None };
    let value = measure.value.filter(|_| alert.state != State::NoData && measure.missing.is_none())?;
    let unit = &alert.evidence.unit;
    let threshold = alert.evidence.threshold;
    let limits = [measure.limit, threshold.lower, threshold.upper];
    let limit = if measure.is_band {
        // Of a band, the end that is broken, else the upper one.
        threshold.lower.filter(|lower| value < *lower).or(threshold.upper).or(threshold.lower)?
    } else {
        limits[0]?
    };
    Some((number::measured(value, Some(limit), unit), number::measured(limit, None, unit)))
}

#[test]
fn every_golden_file_has_its_event() {
    let expected: BTreeSet<PathBuf> =
        cases().iter().flat_map(|case| GOLDEN.map(|ending| golden_path(case, ending))).collect();
    for folder in fs::read_dir(events::root()).unwrap().flatten() {
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            if is_golden(&file.file_name().to_string_lossy()) {
                assert!(expected.contains(&file.path()), "{} has no event", file.path().display());
            }
        }
    }
}
