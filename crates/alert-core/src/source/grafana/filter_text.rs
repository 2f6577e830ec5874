//! The text that the filter writes for people (see [`crate::render::sns`]), read back where its payload got lost on
//! the way: a subscription that passes only the text on, or a hand-made publisher with the same first three lines.

use super::contact_point::read_pair;
use super::{Parts, values};
use crate::alert::{Alert, LinkKind, Source};
use crate::time;

const NAME: &str = "Alert Name : ";
const TIME: &str = "Alert Time : ";
const VALUE: &str = "Alert Value : ";

/// What a line without a heading of its own goes on with.
#[derive(Clone, Copy)]
enum Under {
    Text,
    Labels,
    Annotations,
    Links,
}

/// Reads such a text; `None` where it is another.
pub(super) fn interpret(text: &str) -> Option<Vec<Alert>> {
    let text = text.trim_start_matches(['\u{feff}', '\n', '\r', ' ']);
    let mut lines = text.lines();
    let is_ours = lines.next()?.starts_with(NAME.trim_end())
        && lines.next()?.starts_with(TIME.trim_end())
        && lines.next()?.starts_with(VALUE.trim_end());
    if !is_ours {
        return None;
    }
    // The filter's messages for a whole webhook have several alerts.
    let mut alerts: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        if line.starts_with(NAME.trim_end()) {
            alerts.push(Vec::new());
        }
        if let Some(alert) = alerts.last_mut() {
            alert.push(line);
        }
    }
    Some(alerts.iter().map(|lines| read(lines)).collect())
}

fn read(lines: &[&str]) -> Alert {
    let mut parts = Parts::default();
    let mut notes = Vec::new();
    let mut unread = Vec::new();
    let mut reason = None;
    let mut rest = String::new();
    let mut under = Under::Text;
    for line in lines {
        if let Some(continued) = line.strip_prefix("   ") {
            match under {
                Under::Labels => go_on(&mut parts.labels, continued),
                Under::Annotations => go_on(&mut parts.annotations, continued),
                Under::Text | Under::Links => push_line(&mut rest, continued),
            }
            continue;
        }
        match (*line, under) {
            ("Labels:", _) => under = Under::Labels,
            ("Annotations:", _) => under = Under::Annotations,
            ("Links:", _) => under = Under::Links,
            (line, Under::Labels) if line.starts_with(" - ") => read_pair(line.trim(), &mut parts.labels),
            (line, Under::Annotations) if line.starts_with(" - ") => {
                read_pair(line.trim(), &mut parts.annotations);
            }
            (line, Under::Links) if line.starts_with(" - ") => parts.links.extend(link(line)),
            (line, _) => match line.split_once(" :").map(|(name, value)| (name, value.trim())) {
                Some(("Alert Name", value)) => parts.labels.push(("alertname".to_owned(), value.to_owned())),
                Some(("Alert Time", value)) => {
                    parts.starts_at = time::read("Alert Time", value, moment, &mut unread);
                }
                Some(("Alert Value", value)) => parts.values = value_line(value),
                Some(("Status", value)) => parts.status = value.to_owned(),
                Some(("Ended", value)) => parts.ends_at = time::read("Ended", value, moment, &mut unread),
                Some(("Summary", value)) => under = annotation(&mut parts, "summary", value),
                Some(("Description", value)) => under = annotation(&mut parts, "description", value),
                Some(("Reason", value)) => {
                    reason = Some(value.to_owned());
                    under = Under::Text;
                }
                Some(("Warning" | "Note", value)) => {
                    notes.push(value.to_owned());
                    under = Under::Text;
                }
                _ if line.chars().all(|c| c == '-' || c.is_whitespace()) => {}
                _ => push_line(&mut rest, line),
            },
        }
    }
    // A line that this version does not know must not get lost.
    if !rest.trim().is_empty() {
        match parts.annotations.iter_mut().find(|(name, _)| name == "description") {
            Some((_, description)) => push_line(description, rest.trim_end()),
            None => parts.annotations.push(("description".to_owned(), rest.trim_end().to_owned())),
        }
    }
    let mut alert = parts.into_alert(Source::Grafana);
    alert.reason = alert.reason.or(reason);
    alert.notes = notes;
    alert.notes.extend(unread.iter().map(|unread| format!("Could not read {unread}")));
    alert
}

/// A hand-made publisher gives the value no name.
fn value_line(value: &str) -> Vec<(String, String)> {
    match value.parse::<f64>() {
        Ok(_) => vec![("value".to_owned(), value.to_owned())],
        Err(_) => values::read_line(value),
    }
}

/// Summary and description are annotations that the text shows first; their further lines are read like those of others.
fn annotation(parts: &mut Parts, name: &str, value: &str) -> Under {
    parts.annotations.push((name.to_owned(), value.to_owned()));
    Under::Annotations
}

/// One more line of the last value.
fn go_on(pairs: &mut [(String, String)], line: &str) {
    if let Some((_, value)) = pairs.last_mut() {
        value.push('\n');
        value.push_str(line);
    }
}

fn push_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// The moment in UTC stands before the same one in the reader's time zone.
fn moment(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    time::parse(text).or_else(|| time::parse(text.split([' ', ',']).next()?))
}

fn link(line: &str) -> Option<(LinkKind, String)> {
    let (name, url) = line.trim().strip_prefix("- ")?.split_once(": ")?;
    let kind = match name {
        "Rule" => LinkKind::Rule,
        "Dashboard" => LinkKind::Dashboard,
        "Panel" => LinkKind::Panel,
        "Silence" => LinkKind::Silence,
        "Runbook" => LinkKind::Runbook,
        _ => LinkKind::Details,
    };
    Some((kind, url.to_owned()))
}
