//! The stories for people and for programs, and what is said when there is none.

use std::fmt::Write as _;

use alert_io::settings::shown;
use serde_json::json;

use super::source::Looked;
use super::span;
use super::story::{Line, Story};
use crate::commands::terminal::{BOLD, GREEN, GREY, RED};
use crate::plain::{self, Plain};

const TIME: &str = "%Y-%m-%d %H:%M:%S%.3f";

pub(super) fn text(stories: &[Story]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (index, story) in stories.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        let _ = write!(text, "{BOLD}{}{BOLD:#}", Plain(&story.name));
        if let Some(key) = &story.key {
            let _ = write!(text, "  {GREY}{}{GREY:#}", Plain(key));
        }
        text.push('\n');
        if story.steps.is_empty() {
            text += "  nothing is remembered of it\n";
        }
        for step in &story.steps {
            let style = match step.what {
                "dropped" | "failed" | "problem" => RED,
                "posted" | "answer" | "over" => GREEN,
                _ => anstyle::Style::new(),
            };
            let (at, what) = (step.at.format(TIME), step.what);
            let _ = writeln!(text, "  {at}Z  {style}{what:12}{style:#}  {}", Plain(&step.text));
        }
    }
    text
}

pub(super) fn json(wanted: &str, stories: &[Story], looked: &[Looked]) -> String {
    let stories = stories.iter().map(|story| {
        let steps = story.steps.iter().map(|step| {
            json!({"at": step.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true), "what": step.what, "text": step.text})
        });
        json!({
            "alert": story.name,
            "key": story.key,
            "receivers": story.receivers,
            "steps": steps.collect::<Vec<_>>(),
        })
    });
    let looked = looked
        .iter()
        .map(|looked| json!({"place": looked.place, "found": looked.found, "problem": looked.problem}));
    let report = json!({
        "id": wanted,
        "stories": stories.collect::<Vec<_>>(),
        "looked": looked.collect::<Vec<_>>(),
    });
    plain::json(&format!("{report:#}"))
}

/// Nothing was found: where that was, and what to try next.
pub(super) fn nothing(wanted: &str, looked: &[Looked], lines: &[Line]) -> String {
    let mut text = format!("nothing is known of {}\n", shown(wanted));
    for Looked { place, found, problem, .. } in looked {
        let _ = match problem {
            Some(problem) => writeln!(text, "  not read: {}", Plain(problem)),
            None => writeln!(text, "  looked in {}: {found} lines or items of the functions", Plain(place)),
        };
    }
    if let Some((from, to)) = span(lines) {
        let _ = writeln!(text, "  the lines are from {}Z to {}Z", from.format(TIME), to.format(TIME));
    }
    text + "Try next: the last word of the message's footer, or the alert's whole name; --since 7d for what is older; --stack or\n\
            --function-name for the other functions' logs; `alertctl redrive QUEUE --dry-run` for what never was delivered.\n"
}
