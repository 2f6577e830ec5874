//! `alertctl explain`: the way of an event through each function, with the reason of every decision.

mod json;

use std::fmt::Write as _;
use std::path::Path;

use alert_core::alert::Alert;
use alert_core::config::Config;
use alert_core::decide::{self, RuleTrace, Verdict};
use alert_core::envelope::{Decoded, Hop, Record, Reply};
use alert_core::filter;
use alert_core::relay::{self, Deployment};
use alert_core::render::page::Language;
use alert_core::target::Target;
use chrono::{DateTime, Utc};

use crate::commands::shift::{self, Asked};
use crate::commands::terminal::{BOLD, GREEN, GREY, RED};
use crate::commands::{input, terminal};
use crate::plain::{self, Plain};

/// Prints the explanation.
pub(crate) fn run(
    file: &Path,
    config: Option<&Path>,
    at: Option<DateTime<Utc>>,
    as_json: bool,
) -> Result<bool, String> {
    let event = input::event(file)?;
    let config = input::config(config)?;
    if as_json {
        let explained = json::explained(shift::ask(&event, at), &config);
        anstream::println!("{}", plain::json(&format!("{explained:#}")));
    } else {
        anstream::print!("{}", explain(&event, &config, at));
    }
    Ok(true)
}

/// The whole explanation, styled.
pub(crate) fn explain(event: &[u8], config: &Config, at: Option<DateTime<Utc>>) -> String {
    let Asked { decoded, now, said, .. } = shift::ask(event, at);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{BOLD}Envelope{BOLD:#}  {}", reply(decoded.reply, decoded.records.len()));
    for (index, record) in decoded.records.iter().enumerate() {
        let _ = writeln!(text, "  {}", describe(index, record));
    }
    if let Some(said) = said {
        let _ = writeln!(text, "  {said}");
    }
    explain_filter(&mut text, &decoded, config, now);
    explain_relay(&mut text, decoded, config, now);
    text
}

/// How the sender wants to be answered.
pub(crate) fn reply(reply: Reply, count: usize) -> String {
    let answer = match reply {
        Reply::Whole => "an error means that all of it comes again",
        Reply::BatchItemFailures => {
            "SQS: failed messages are named in batchItemFailures, and when all fail the invocation does"
        }
        Reply::Http => "HTTP: answered by status code",
    };
    format!("{count} record{}; {answer}", if count == 1 { "" } else { "s" })
}

/// One record in a line.
pub(crate) fn describe(index: usize, record: &Record) -> String {
    let way = if record.path.is_empty() { "bare".to_owned() } else { Hop::way(&record.path) };
    let mut line = format!("record {index}: {way}");
    if let Some(id) = &record.id {
        let _ = write!(line, ", id {}", Plain(id));
    }
    if let Some(sent_at) = record.sent_at {
        let _ = write!(line, ", sent {}", sent_at.format("%Y-%m-%d %H:%M:%SZ"));
    }
    if record.tries > 1 {
        let _ = write!(line, ", try {}", record.tries);
    }
    line
}

fn alert(text: &mut String, record: usize, alert: &Alert) {
    let _ = writeln!(
        text,
        "\n  {BOLD}{}{BOLD:#} {} ({}, record {record})",
        Plain(&alert.name),
        Plain(&alert.state_value),
        alert.source
    );
    let labels: Vec<String> =
        alert.labels.iter().map(|(name, value)| format!("{}={value:?}", Plain(name))).collect();
    let _ = writeln!(text, "    labels   {}", labels.join(" "));
    if let (Some(start), Some(end)) = (alert.starts_at, alert.ends_at) {
        let _ = writeln!(
            text,
            "    lasted   {}",
            Language::English.words().span(end.signed_duration_since(start))
        );
    }
    for note in &alert.notes {
        let _ = writeln!(text, "    note     {}", Plain(note));
    }
}

fn rules(text: &mut String, traces: &[RuleTrace]) {
    for trace in traces {
        let _ = writeln!(text, "    {GREY}{}{GREY:#}", rule(trace));
    }
}

/// What a rule makes of an alert.
pub(crate) fn rule(RuleTrace { rule, held, why }: &RuleTrace) -> String {
    let word = if *held { "holds" } else { "does not hold" };
    format!("rule {} {word}: {}", Plain(rule), Plain(why))
}

fn explain_filter(text: &mut String, decoded: &Decoded, config: &Config, now: DateTime<Utc>) {
    let _ = writeln!(text, "\n{BOLD}grafana-filter-to-sns{BOLD:#} would:");
    let plan = filter::plan(decoded.clone(), config, None, "explain", now);
    for item in &plan.items {
        alert(text, item.record, &item.alert);
        let at = plan.records.get(item.record).and_then(|record| record.sent_at).unwrap_or(now);
        rules(text, &decide::trace_drop_rules(config, &item.alert, at));
        match &item.dropped {
            Some(dropped) => {
                let (rule, why) = (Plain(&dropped.rule), Plain(&dropped.why));
                let _ = writeln!(text, "    {RED}drop{RED:#} by {rule}: {why}");
            }
            None => {
                let _ = writeln!(text, "    {GREEN}publish{GREEN:#}");
            }
        }
    }
    for publication in &plan.publications {
        let subject = publication.message.subject.as_deref().unwrap_or("(no subject)");
        let together = match publication.items.len() {
            1 => String::new(),
            alerts => format!(", {alerts} alerts in one message"),
        };
        let _ = writeln!(text, "\n    {GREY}to SNS, subject {subject:?}{together}:{GREY:#}");
        for line in publication.message.message.lines().take(12) {
            let _ = writeln!(text, "      {}", Plain(line));
        }
    }
}

fn explain_relay(text: &mut String, decoded: Decoded, config: &Config, now: DateTime<Utc>) {
    let _ = writeln!(text, "\n{BOLD}cloudwatch-to-slack{BOLD:#} would:");
    let deployment = Deployment::new(config.clone());
    let plan = relay::plan(decoded, &deployment, "explain", now);
    for item in &plan.items {
        alert(text, item.record, &item.alert);
        let at = plan.records.get(item.record).and_then(|record| record.sent_at).unwrap_or(now);
        rules(text, &decide::trace_drop_rules(config, &item.alert, at));
        match &item.verdict {
            Verdict::Drop(dropped) => {
                let (rule, why) = (Plain(&dropped.rule), Plain(&dropped.why));
                let _ = writeln!(text, "    {RED}drop{RED:#} by {rule}: {why}");
            }
            Verdict::Deliver { receivers } => {
                for routed in receivers {
                    let _ = writeln!(
                        text,
                        "    {GREEN}deliver{GREEN:#} to {} by {}",
                        Plain(&routed.receiver.name),
                        Plain(&routed.route)
                    );
                }
            }
        }
    }
    for post in &plan.posts {
        let by = if post.target == Target::OWN_WEBHOOK {
            String::new()
        } else {
            format!(", by {}", post.target.described())
        };
        let name = Plain(&post.receiver.name);
        let _ = writeln!(text, "\n    {GREY}to Slack, receiver {name}{}:{GREY:#}", Plain(&by));
        for line in terminal::post(&plan, post, config) {
            let _ = writeln!(text, "      {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use serde_json::Value;

    use super::*;
    use crate::plain::is_obeyed;

    const HOSTILE: &str = "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}2J\u{202e}\r";

    /// Few at a time, because a type or a name that is spoilt keeps others from being shown.
    const STEP: usize = 8;

    /// Appends to every `STEP`th text of a JSON, and of the JSON within its texts, from the one at `next` on.
    fn append(value: &mut Value, next: &mut usize) {
        match value {
            Value::String(text) => {
                if let Ok(mut inner @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                    append(&mut inner, next);
                    *text = inner.to_string();
                } else if *next == 0 {
                    text.push_str(HOSTILE);
                    *next = STEP - 1;
                } else {
                    *next -= 1;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| append(item, next)),
            Value::Object(fields) => fields.values_mut().for_each(|field| append(field, next)),
            _ => {}
        }
    }

    /// What is left when our own styles are gone.
    fn obeyed(text: &str) -> String {
        let mut rest = text;
        let mut found = String::new();
        while let Some(at) = rest.find(|c| is_obeyed(c) && c != '\n') {
            rest = &rest[at..];
            let style = rest.strip_prefix("\u{1b}[").and_then(|rest| {
                let after = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
                after.strip_prefix('m')
            });
            rest = style.unwrap_or_else(|| {
                found.push_str(&rest.chars().take(12).collect::<String>());
                &rest[rest.chars().next().map_or(1, char::len_utf8)..]
            });
        }
        found
    }

    #[test]
    fn no_text_of_any_event_steers_the_terminal() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let folders = std::fs::read_dir(root).unwrap().flatten().filter(|folder| folder.path().is_dir());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).unwrap().flatten());
        let mut shown = 0;
        for file in files {
            let name = file.file_name().to_string_lossy().into_owned();
            // What is expected of an event lies beside it, with an ending more.
            if !matches!(name.split('.').collect::<Vec<_>>()[..], [_, _, "json"]) {
                continue;
            }
            let Ok(event) = serde_json::from_slice::<Value>(&std::fs::read(file.path()).unwrap()) else {
                continue;
            };
            for first in 0..STEP {
                let mut event = event.clone();
                append(&mut event, &mut { first });
                let explained = explain(event.to_string().as_bytes(), &Config::default(), None);
                assert_eq!(obeyed(&explained), "", "{name}: {explained}");
                shown += usize::from(explained.contains(r"\u{202e}"));
            }
        }
        assert!(shown > 500, "{shown}");
    }
}
