//! The text for people: e-mail, and subscribers that know nothing of the payload.
//!
//! [`crate::source`] can read it back, so its shape is a format: lines `Name : value`, lists of ` - name = value`, and
//! further lines of a value indented by three spaces.

use chrono::{DateTime, SecondsFormat, Utc};
use chrono_tz::Tz;

use super::{SnsOptions, safe};
use crate::alert::{Alert, LinkKind};
use crate::render::page::Language;

const LINE_MAX_CHARS: usize = 65_536;

/// One alert after the other; the warning stands behind the first three lines.
pub(super) fn text(alerts: &[&Alert], options: &SnsOptions, warning: Option<&str>) -> String {
    let mut text = String::new();
    for (index, alert) in alerts.iter().enumerate() {
        if index > 0 {
            text.push_str("\n----\n\n");
        }
        put(&mut text, alert, options, warning.filter(|_| index == 0));
    }
    text
}

fn put(text: &mut String, alert: &Alert, options: &SnsOptions, warning: Option<&str>) {
    let at = alert.starts_at.or(alert.changed_at).unwrap_or(options.sent_at);
    line(text, "Alert Name", &safe::one_line(&alert.name, LINE_MAX_CHARS));
    line(text, "Alert Time", &moment(at, options.time_zone));
    line(text, "Alert Value", &values(alert));
    if let Some(warning) = warning {
        line(text, "Warning", warning);
    }
    text.push('\n');
    line(text, "Status", &safe::one_line(&alert.state_value, LINE_MAX_CHARS));
    if let Some(ends_at) = alert.ends_at {
        // Grafana 12 may send the end as the start.
        let starts_at = alert.starts_at.filter(|starts_at| *starts_at < ends_at);
        let lasted = starts_at
            .map(|starts_at| format!(", after {}", Language::English.words().span(ends_at - starts_at)));
        line(text, "Ended", &(moment(ends_at, options.time_zone) + &lasted.unwrap_or_default()));
    }
    for (name, value) in
        [("Summary", &alert.summary), ("Description", &alert.description), ("Reason", &alert.reason)]
    {
        if let Some(value) = value {
            line(text, name, &lines(value));
        }
    }
    for note in &alert.notes {
        line(text, "Note", &safe::one_line(note, LINE_MAX_CHARS));
    }
    // The relay's own label `state` says what the status says; where the alert has one of its own, that is shown.
    let own_state = alert.facts.iter().find(|fact| fact.name == "state").map(|fact| fact.value.as_str());
    let labels = alert.labels.iter().filter(|(name, _)| *name != "alertname").filter_map(|(name, value)| {
        if name == "state" { Some((name, own_state?)) } else { Some((name, value)) }
    });
    list(text, "Labels", labels);
    let annotations =
        alert.annotations.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(_, value)| {
            ![&alert.summary, &alert.description, &alert.reason]
                .iter()
                .any(|shown| shown.as_deref() == Some(*value))
        });
    list(text, "Annotations", annotations);
    put_links(text, alert);
    if let Some(raw) = &alert.raw {
        line(text, "As it came", &lines(raw));
    }
}

fn put_links(text: &mut String, alert: &Alert) {
    if alert.links.is_empty() {
        return;
    }
    text.push_str("Links:\n");
    for link in &alert.links {
        let name = match link.kind {
            LinkKind::Rule => "Rule",
            LinkKind::Alarm => "Alarm",
            LinkKind::Details => "Details",
            LinkKind::Metric => "Metric",
            LinkKind::Dashboard => "Dashboard",
            LinkKind::Panel => "Panel",
            LinkKind::Logs => "Logs",
            LinkKind::Runbook => "Runbook",
            LinkKind::Silence => "Silence",
        };
        text.push_str(" - ");
        text.push_str(name);
        text.push_str(": ");
        text.push_str(&safe::one_line(&link.url, LINE_MAX_CHARS));
        text.push('\n');
    }
}

fn line(text: &mut String, name: &str, value: &str) {
    text.push_str(name);
    text.push_str(" : ");
    text.push_str(value);
    text.push('\n');
}

fn list<'a>(text: &mut String, name: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut pairs = pairs.peekable();
    if pairs.peek().is_none() {
        return;
    }
    text.push_str(name);
    text.push_str(":\n");
    for (name, value) in pairs {
        text.push_str(" - ");
        text.push_str(&safe::one_line(name, LINE_MAX_CHARS));
        text.push_str(" = ");
        text.push_str(&lines(value));
        text.push('\n');
    }
}

/// A value of several lines cannot be mistaken for the next name.
fn lines(value: &str) -> String {
    safe::text(value.trim()).replace('\n', "\n   ")
}

fn values(alert: &Alert) -> String {
    let values: Vec<String> = alert
        .evidence
        .values
        .iter()
        .map(|(name, value)| safe::one_line(&format!("{name}={value}"), LINE_MAX_CHARS))
        .collect();
    if values.is_empty() { "-".to_owned() } else { values.join(", ") }
}

/// UTC first, in the form that machines read: `2026-03-02T00:15:00Z (2026-03-02 09:15:00 KST)`.
fn moment(at: DateTime<Utc>, time_zone: Tz) -> String {
    let utc = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    if time_zone == Tz::UTC {
        return utc;
    }
    format!("{utc} ({})", at.with_timezone(&time_zone).format("%Y-%m-%d %H:%M:%S %Z"))
}
