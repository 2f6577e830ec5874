//! `alertctl explain`: the way of an event through each function, with the reason of every decision.

use std::fmt::Write as _;
use std::path::Path;

use alert_core::alert::Alert;
use alert_core::config::Config;
use alert_core::decide::{self, RuleTrace, Verdict};
use alert_core::envelope::{self, Decoded, Hop, Record, Reply};
use alert_core::relay::{self, Deployment};
use alert_core::{filter, time};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::commands::terminal::{BOLD, GREEN, GREY, RED};
use crate::commands::{input, render, terminal};

/// Prints the explanation.
pub(crate) fn run(file: &Path, config: Option<&Path>, at: Option<&str>) -> Result<bool, String> {
    let event = input::event(file)?;
    let config = input::config(config)?;
    anstream::print!("{}", explain(&event, &config, input::moment(at)?));
    Ok(true)
}

/// The whole explanation, styled.
pub(crate) fn explain(event: &[u8], config: &Config, at: Option<DateTime<Utc>>) -> String {
    let mut decoded = envelope::decode(event);
    if let Some(at) = at {
        // "What if it were then": every record was sent then.
        for record in &mut decoded.records {
            record.sent_at = Some(at);
        }
    }
    let now = at.unwrap_or_else(|| render::arrival(&decoded));
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{BOLD}Envelope{BOLD:#}  {}", reply(decoded.reply, decoded.records.len()));
    for (index, record) in decoded.records.iter().enumerate() {
        let _ = writeln!(text, "  {}", describe(index, record));
    }
    explain_filter(&mut text, &decoded, config, now);
    explain_relay(&mut text, decoded, config, now);
    text
}

/// How the sender wants to be answered.
pub(crate) fn reply(reply: Reply, count: usize) -> String {
    let answer = match reply {
        Reply::Whole => "an error means that all of it comes again",
        Reply::BatchItemFailures => "SQS: failed messages are named in batchItemFailures",
        Reply::Http => "HTTP: answered by status code",
    };
    format!("{count} record{}; {answer}", if count == 1 { "" } else { "s" })
}

/// One record in a line.
pub(crate) fn describe(index: usize, record: &Record) -> String {
    let way = if record.path.is_empty() { "bare".to_owned() } else { Hop::way(&record.path) };
    let mut line = format!("record {index}: {way}");
    if let Some(id) = &record.id {
        let _ = write!(line, ", id {id}");
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
        alert.name, alert.state_value, alert.source
    );
    let labels: Vec<String> = alert.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    let _ = writeln!(text, "    labels   {}", labels.join(" "));
    if let (Some(start), Some(end)) = (alert.starts_at, alert.ends_at) {
        let _ = writeln!(text, "    lasted   {}", time::span(end.signed_duration_since(start)));
    }
    for note in &alert.notes {
        let _ = writeln!(text, "    note     {note}");
    }
}

fn rules(text: &mut String, traces: &[RuleTrace]) {
    for RuleTrace { rule, held, why } in traces {
        let word = if *held { "holds" } else { "does not hold" };
        let _ = writeln!(text, "    {GREY}rule {rule} {word}: {why}{GREY:#}");
    }
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
                let _ = writeln!(text, "    {RED}drop{RED:#} by {}: {}", dropped.rule, dropped.why);
            }
            None => {
                let _ = writeln!(text, "    {GREEN}publish{GREEN:#}");
            }
        }
    }
    for publication in &plan.publications {
        let subject = publication.message.subject.as_deref().unwrap_or("(no subject)");
        let _ = writeln!(text, "\n    {GREY}to SNS, subject {subject:?}:{GREY:#}");
        for line in publication.message.message.lines().take(12) {
            let _ = writeln!(text, "      {line}");
        }
    }
}

fn explain_relay(text: &mut String, decoded: Decoded, config: &Config, now: DateTime<Utc>) {
    let _ = writeln!(text, "\n{BOLD}cloudwatch-to-slack{BOLD:#} would:");
    let deployment = Deployment::new(config.clone());
    let plan = relay::plan(decoded, &deployment, "explain", now, &());
    for item in &plan.items {
        alert(text, item.record, &item.alert);
        let at = plan.records.get(item.record).and_then(|record| record.sent_at).unwrap_or(now);
        rules(text, &decide::trace_drop_rules(config, &item.alert, at));
        match &item.verdict {
            Verdict::Drop(dropped) => {
                let _ = writeln!(text, "    {RED}drop{RED:#} by {}: {}", dropped.rule, dropped.why);
            }
            Verdict::Deliver { receivers } => {
                for routed in receivers {
                    let _ = writeln!(
                        text,
                        "    {GREEN}deliver{GREEN:#} to {} by {}",
                        routed.receiver.name, routed.route
                    );
                }
            }
        }
    }
    for post in &plan.posts {
        let _ = writeln!(text, "\n    {GREY}to Slack, receiver {}:{GREY:#}", post.receiver.name);
        let payload: Value = serde_json::from_str(&post.message.to_json()).unwrap_or_default();
        for line in terminal::message(&payload) {
            let _ = writeln!(text, "      {line}");
        }
    }
}
