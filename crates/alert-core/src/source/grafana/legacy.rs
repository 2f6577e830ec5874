//! The webhook of Grafana's legacy alerting (until version 10): one alert, no labels but the rule's tags.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Parts;
use super::webhook::{own_notes, pairs, text};
use crate::alert::{Alert, LinkKind, Payload, Source};

/// Reads a legacy webhook; `None` where it is something else.
pub(super) fn interpret(webhook: &Map<String, Value>) -> Option<Alert> {
    let state = text(webhook, "state")?;
    let has_rule = webhook.contains_key("ruleName") || webhook.contains_key("ruleId");
    if !has_rule || !(webhook.contains_key("evalMatches") || webhook.contains_key("title")) {
        return None;
    }
    let mut notes = own_notes(webhook);
    let matches = webhook.get("evalMatches").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut labels = Vec::new();
    if let Some(name) = text(webhook, "ruleName") {
        labels.push(("alertname".to_owned(), name.to_owned()));
    }
    labels.extend(pairs(webhook, "tags", &mut notes));
    // The series' tags say where it is, but only where there is one series.
    if let [Value::Object(only)] = matches {
        labels.extend(pairs(only, "tags", &mut notes));
    }
    let id = |name| webhook.get(name).filter(|id| !id.is_null()).map(Value::to_string);
    let parts = Parts {
        status: state.to_owned(),
        labels,
        values: matches.iter().filter_map(measured).collect(),
        links: [(LinkKind::Rule, "ruleUrl"), (LinkKind::Rule, "rule_url")]
            .into_iter()
            .chain([(LinkKind::Details, "imageUrl"), (LinkKind::Details, "image_url")])
            .filter_map(|(kind, name)| Some((kind, text(webhook, name)?.to_owned())))
            .collect(),
        fingerprint: id("ruleId").map(|rule| format!("rule-{}-{rule}", id("orgId").unwrap_or_default())),
        origin: ["ruleUrl", "rule_url"]
            .iter()
            .find_map(|name| host(text(webhook, name)?))
            .unwrap_or_default(),
        fallback_name: text(webhook, "title").map(str::to_owned),
        ..Parts::default()
    };
    let mut alert = parts.into_alert(Source::Grafana);
    alert.summary = text(webhook, "message")
        .or_else(|| text(webhook, "title").filter(|_| webhook.contains_key("ruleName")))
        .filter(|summary| !summary.trim().is_empty())
        .map(str::to_owned);
    alert.notes = notes;
    alert.payload = Some(Payload { group: Arc::default(), alert: Value::Object(webhook.clone()), of: 1 });
    Some(alert)
}

/// The host of a URL: rule numbers are unique in one Grafana alone.
fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    rest.split('/').next().filter(|host| !host.is_empty()).map(str::to_owned)
}

fn measured(found: &Value) -> Option<(String, String)> {
    let value = match found.get("value")? {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let name = found.get("metric").and_then(Value::as_str).filter(|name| !name.is_empty());
    Some((name.unwrap_or("value").to_owned(), value))
}
