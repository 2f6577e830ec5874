//! The webhook of Grafana's unified alerting (8 to 13) and of Prometheus Alertmanager (version 4).
//!
//! Sources: the Grafana documentation, "Configure the webhook notifier", and the Alertmanager documentation,
//! "webhook_config". Fields come and go between versions, so each is optional and read for itself.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::{Parts, is_private, values};
use crate::alert::{Alert, LinkKind, Payload, RELAY_NOTES, Source, State};
use crate::text::{cut, is_public};
use crate::time;

const ALERTS: &str = "alerts";

/// Fields of a group, one of which every webhook has.
const GROUP_FIELDS: [&str; 6] =
    ["receiver", "groupLabels", "commonLabels", "groupKey", "externalURL", "truncatedAlerts"];

/// What only Grafana says of a group, and of an alert.
const GRAFANA_GROUP_FIELDS: [&str; 5] = ["orgId", "title", "state", "message", "appVersion"];
const GRAFANA_ALERT_FIELDS: [&str; 7] =
    ["values", "valueString", "silenceURL", "dashboardURL", "panelURL", "ruleUID", "orgId"];

const UNREADABLE_MAX_CHARS: usize = 200;

/// One alert for each element of `alerts`; `None` where it is no webhook.
pub(super) fn interpret(webhook: &Map<String, Value>) -> Option<Vec<Alert>> {
    let Some(Value::Array(items)) = webhook.get(ALERTS) else { return None };
    let is_group = GROUP_FIELDS.iter().any(|field| webhook.contains_key(*field));
    if !is_group && !items.iter().any(|item| item.get("labels").is_some_and(Value::is_object)) {
        return None;
    }
    let source = source(webhook, items);
    if items.is_empty() {
        return group_alone(webhook, source).map(|alert| vec![alert]);
    }
    // Shared: a group of a thousand alerts is copied once.
    let group: Arc<Map<String, Value>> = Arc::new(
        webhook
            .iter()
            .filter(|(name, _)| *name != ALERTS)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    );
    let mut alerts: Vec<Alert> = items
        .iter()
        .map(|item| {
            let mut alert = match item {
                Value::Object(fields) => one(fields, webhook, source.clone()),
                other => unreadable(other, webhook, source.clone()),
            };
            alert.payload = Some(Payload { group: Arc::clone(&group), alert: item.clone(), of: items.len() });
            alert
        })
        .collect();
    let left_out = webhook.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or(0);
    if left_out > 0
        && let Some(last) = alerts.last_mut()
    {
        let alerts = if left_out == 1 { "alert was" } else { "alerts were" };
        last.notes.push(format!("{left_out} more {alerts} left out by {source} (its setting Max alerts)"));
    }
    Some(alerts)
}

fn source(webhook: &Map<String, Value>, items: &[Value]) -> Source {
    if GRAFANA_GROUP_FIELDS.iter().any(|field| webhook.contains_key(*field)) {
        return Source::Grafana;
    }
    // An external Alertmanager passes on the labels of Grafana's rules as well, so its version is asked first.
    if text(webhook, "version") == Some("4") {
        return Source::Alertmanager;
    }
    let is_grafanas = items.iter().filter_map(Value::as_object).any(|item| {
        GRAFANA_ALERT_FIELDS.iter().any(|field| item.contains_key(*field))
            || item.get("labels").and_then(|labels| labels.get("grafana_folder")).is_some()
    });
    if is_grafanas { Source::Grafana } else { Source::Alertmanager }
}

fn one(fields: &Map<String, Value>, webhook: &Map<String, Value>, source: Source) -> Alert {
    let mut notes = own_notes(fields);
    let link = |kind, name| text(fields, name).map(|url| (kind, url.trim().to_owned()));
    let mut unread = Vec::new();
    let mut moment = |name| time::read_value(name, fields.get(name)?, time::parse, &mut unread);
    let (starts_at, ends_at) = (moment("startsAt"), moment("endsAt"));
    let parts = Parts {
        status: text(fields, "status").or_else(|| text(webhook, "status")).unwrap_or_default().to_owned(),
        labels: pairs(fields, "labels", &mut notes),
        annotations: pairs(fields, "annotations", &mut notes),
        starts_at,
        ends_at,
        values: values::read(fields),
        links: [
            link(LinkKind::Rule, "generatorURL"),
            link(LinkKind::Dashboard, "dashboardURL"),
            link(LinkKind::Panel, "panelURL"),
            link(LinkKind::Details, "imageURL"),
            link(LinkKind::Silence, "silenceURL"),
        ]
        .into_iter()
        .flatten()
        .collect(),
        fingerprint: text(fields, "fingerprint").map(str::to_owned),
        origin: origin(webhook),
        fallback_name: name_of_group(webhook),
    };
    let mut alert = parts.into_alert(source);
    alert.notes = notes;
    alert.image = text(fields, "imageURL").map(str::trim).filter(|url| is_public(url)).map(str::to_owned);
    for unread in unread {
        push_note(&mut alert, &format!("Could not read {unread}"));
    }
    alert
}

/// An element of `alerts` that is no object; it is shown as it came.
fn unreadable(item: &Value, webhook: &Map<String, Value>, source: Source) -> Alert {
    let parts = Parts {
        status: text(webhook, "status").unwrap_or_default().to_owned(),
        fallback_name: name_of_group(webhook),
        ..Parts::default()
    };
    let mut alert = parts.into_alert(source);
    let raw = item.to_string();
    alert.notes.push(format!(
        "An alert of this webhook could not be read: expected an object, got {}",
        cut(&raw, UNREADABLE_MAX_CHARS)
    ));
    alert.raw = Some(raw);
    alert
}

/// A webhook without alerts that still has something to say.
fn group_alone(webhook: &Map<String, Value>, source: Source) -> Option<Alert> {
    let message = text(webhook, "message").filter(|message| !message.trim().is_empty());
    if message.is_none() && text(webhook, "title").is_none_or(|title| title.trim().is_empty()) {
        return None;
    }
    let parts = Parts {
        status: text(webhook, "status").unwrap_or_default().to_owned(),
        labels: pairs(webhook, "commonLabels", &mut Vec::new()),
        origin: origin(webhook),
        annotations: pairs(webhook, "commonAnnotations", &mut Vec::new()),
        fallback_name: name_of_group(webhook),
        ..Parts::default()
    };
    let mut alert = parts.into_alert(source);
    alert.description = alert.description.or_else(|| message.map(str::to_owned));
    alert.notes = own_notes(webhook);
    push_note(&mut alert, "This webhook came without alerts; its title and message are shown");
    alert.payload = Some(Payload { group: Arc::default(), alert: Value::Object(webhook.clone()), of: 1 });
    if alert.state != State::Resolved && text(webhook, "status").is_none() {
        alert.state_value = text(webhook, "state").unwrap_or("firing").to_owned();
    }
    Some(alert)
}

/// Two stacks have alerts of equal labels, and so have two organisations of one Grafana.
fn origin(webhook: &Map<String, Value>) -> String {
    let url = text(webhook, "externalURL").unwrap_or_default().trim_end_matches('/');
    match webhook.get("orgId").filter(|org| !org.is_null()) {
        Some(org) => format!("{url}#{org}"),
        None => url.to_owned(),
    }
}

fn name_of_group(webhook: &Map<String, Value>) -> Option<String> {
    ["groupLabels", "commonLabels"]
        .iter()
        .find_map(|labels| webhook.get(*labels)?.get("alertname")?.as_str())
        .or_else(|| text(webhook, "title").map(without_counts))
        .map(str::to_owned)
}

/// Grafana's default title begins with `[FIRING:1]`, which is no part of a name.
fn without_counts(title: &str) -> &str {
    let is_counted = title.starts_with("[FIRING:") || title.starts_with("[RESOLVED:");
    title.split_once(']').filter(|_| is_counted).map_or(title, |(_, rest)| rest.trim())
}

/// Notes that the filter wrote into the payload for the relay.
pub(super) fn own_notes(fields: &Map<String, Value>) -> Vec<String> {
    fields
        .get(RELAY_NOTES)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// Adds a note, unless the payload brought it along.
pub(super) fn push_note(alert: &mut Alert, note: &str) {
    if !alert.notes.iter().any(|own| own == note) {
        alert.notes.push(note.to_owned());
    }
}

/// Names and values in the order in which they came; a value that is no text is shown as JSON.
pub(super) fn pairs(
    fields: &Map<String, Value>,
    name: &str,
    notes: &mut Vec<String>,
) -> Vec<(String, String)> {
    match fields.get(name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Object(pairs)) => pairs
            .iter()
            .filter(|(name, _)| !is_private(name))
            .filter_map(|(name, value)| match value {
                Value::Null => None,
                Value::String(text) => Some((name.clone(), text.clone())),
                other => Some((name.clone(), other.to_string())),
            })
            .filter(|(_, value)| !value.is_empty())
            .collect(),
        Some(other) => {
            let other = other.to_string();
            let other = cut(&other, UNREADABLE_MAX_CHARS);
            let note = format!("Could not read {name}: expected an object, got {other}");
            if !notes.contains(&note) {
                notes.push(note);
            }
            Vec::new()
        }
    }
}

pub(super) fn text<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v str> {
    fields.get(name).and_then(Value::as_str)
}
