//! The texts that Grafana's and Amazon Managed Prometheus's own SNS contact points publish by default.
//!
//! Sources: Grafana's template `default.message`, and Alertmanager's `sns.default.message`. Both list names and values
//! as ` - name = value`, Grafana under `**Firing**`, Alertmanager under `Alerts Firing:`.

use super::{Parts, is_private, values};
use crate::alert::{Alert, LinkKind, Source};

/// What follows, after a heading.
#[derive(Clone, Copy)]
enum Under {
    Nothing,
    Labels,
    Annotations,
}

/// Reads such a text; `None` where it is another. `is_cut` where the publisher said that it cut the text.
pub(super) fn interpret(text: &str, is_cut: bool) -> Option<Vec<Alert>> {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let source = if status_of_heading(first).is_some_and(|_| first.starts_with('*')) {
        Source::Grafana
    } else if text.lines().any(|line| status_of_heading(line.trim()).is_some_and(|_| !line.contains('*'))) {
        Source::Alertmanager
    } else {
        return None;
    };
    let parts: Vec<Parts> = read(text).into_iter().filter(|parts| !parts.labels.is_empty()).collect();
    if parts.is_empty() {
        return None;
    }
    let mut alerts: Vec<Alert> = parts.into_iter().map(|parts| parts.into_alert(source.clone())).collect();
    if is_cut && let Some(last) = alerts.last_mut() {
        last.notes.push("The text was cut by its sender; alerts may be missing after this one".to_owned());
    }
    Some(alerts)
}

fn status_of_heading(line: &str) -> Option<&'static str> {
    match line {
        "**Firing**" | "Alerts Firing:" => Some("firing"),
        "**Resolved**" | "Alerts Resolved:" => Some("resolved"),
        _ => None,
    }
}

fn read(text: &str) -> Vec<Parts> {
    let mut alerts: Vec<Parts> = Vec::new();
    let mut status = None;
    let mut under = Under::Nothing;
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(trimmed) = lines.next() {
        if let Some(found) = status_of_heading(trimmed) {
            status = Some(found);
            under = Under::Nothing;
            continue;
        }
        let Some(status) = status else { continue };
        // An annotation may have such a line too, but not with labels behind it.
        let starts_alert = trimmed.starts_with("Value: ") && lines.peek() == Some(&"Labels:");
        // Alertmanager writes no value, so its alerts begin with their labels.
        let is_new =
            starts_alert || trimmed == "Labels:" && alerts.last().is_none_or(|last| !last.labels.is_empty());
        if is_new {
            alerts.push(Parts { status: status.to_owned(), ..Parts::default() });
        }
        let Some(alert) = alerts.last_mut() else { continue };
        if let Some(line) = trimmed.strip_prefix("Value: ").filter(|_| starts_alert) {
            alert.values = values::read_line(line);
            under = Under::Nothing;
        } else if trimmed == "Labels:" {
            under = Under::Labels;
        } else if trimmed == "Annotations:" {
            under = Under::Annotations;
        } else if let Some(link) = link(trimmed) {
            alert.links.push(link);
            under = Under::Nothing;
        } else {
            let pairs = match under {
                Under::Nothing => continue,
                Under::Labels => &mut alert.labels,
                Under::Annotations => &mut alert.annotations,
            };
            read_pair(trimmed, pairs);
        }
    }
    for alert in &mut alerts {
        for pairs in [&mut alert.labels, &mut alert.annotations] {
            pairs.retain(|(name, _)| !is_private(name));
            for (_, value) in pairs {
                value.truncate(value.trim_end().len());
            }
        }
    }
    alerts
}

/// A name and its value, or one more line of the value before.
pub(super) fn read_pair(line: &str, pairs: &mut Vec<(String, String)>) {
    match line.strip_prefix("- ").and_then(|pair| pair.split_once(" =")) {
        Some((name, value)) if !name.is_empty() && (value.is_empty() || value.starts_with(' ')) => {
            pairs.push((name.to_owned(), value.trim().to_owned()));
        }
        _ => {
            if let Some((_, value)) = pairs.last_mut() {
                value.push('\n');
                value.push_str(line);
            }
        }
    }
}

fn link(line: &str) -> Option<(LinkKind, String)> {
    let (name, url) = line.split_once(": ")?;
    let kind = match name {
        "Source" => LinkKind::Rule,
        "Silence" => LinkKind::Silence,
        "Dashboard" => LinkKind::Dashboard,
        "Panel" => LinkKind::Panel,
        _ => return None,
    };
    url.starts_with("http").then(|| (kind, url.to_owned()))
}
