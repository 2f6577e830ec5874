//! Alerts of Grafana and of Prometheus Alertmanager, in every form in which they get here.
//!
//! The forms ([`webhook`] of unified alerting and of Alertmanager, [`legacy`] of Grafana 8, the texts of
//! [`contact_point`] and [`filter_text`]) are read into [`Parts`], and parts become an [`Alert`] in one place, here.

mod contact_point;
mod filter_text;
mod legacy;
mod values;
mod webhook;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Message;
use crate::alert::{Alert, Cause, Fact, LinkKind, Source, State};
use crate::json;
use crate::key::{AlertKey, hash};

/// Grafana's own names for "the query failed" and "the query returned nothing", in the place of the rule's name.
pub(crate) const DATASOURCE_ERROR: &str = "DatasourceError";
pub(crate) const DATASOURCE_NO_DATA: &str = "DatasourceNoData";

/// Reads a webhook or a text of Grafana or Alertmanager; `None` where it is something else.
pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    if let Some(alerts) = from_filter(message) {
        return Some(alerts);
    }
    match message.json {
        Some(json) => from_json(json),
        None => message.text.and_then(|text| {
            contact_point::interpret(text, message.record.attributes.contains_key("truncated"))
        }),
    }
}

/// What the filter passed on: the payload where it came along and can be read, else the text made for people.
fn from_filter(message: &Message<'_>) -> Option<Vec<Alert>> {
    let payload = message.record.payload.as_deref().and_then(|payload| json::from_str::<Value>(payload).ok());
    let mut alerts = payload
        .as_ref()
        .and_then(from_body)
        .or_else(|| message.text.filter(|_| message.json.is_none()).and_then(filter_text::interpret))?;
    for alert in &mut alerts {
        alert.cause = Cause::Filter;
    }
    Some(alerts)
}

/// The webhook itself, or an event around it: whatever the bus rule's author called the source.
fn from_json(json: &Value) -> Option<Vec<Alert>> {
    from_body(json).or_else(|| match json.get("detail")? {
        Value::String(text) => from_body(&json::from_str(text).ok()?),
        detail => from_body(detail),
    })
}

fn from_body(body: &Value) -> Option<Vec<Alert>> {
    let body = body.as_object()?;
    webhook::interpret(body).or_else(|| legacy::interpret(body).map(|alert| vec![alert]))
}

/// One alert, whichever form it came in.
#[derive(Debug, Default)]
struct Parts {
    /// The source's word: `firing`, `resolved`.
    status: String,
    labels: Vec<(String, String)>,
    annotations: Vec<(String, String)>,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    /// Named values as they came.
    values: Vec<(String, String)>,
    links: Vec<(LinkKind, String)>,
    /// The sender's hash of the labels.
    fingerprint: Option<String>,
    /// Which stack sent it.
    origin: String,
    /// What to call the alert where it has no name of its own.
    fallback_name: Option<String>,
}

impl Parts {
    fn label(&self, name: &str) -> Option<&str> {
        find(&self.labels, name)
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        find(&self.annotations, name)
    }

    /// Grafana wants to say that the rule could not be evaluated, and not that what it watches is broken.
    fn has_no_result(&self) -> bool {
        self.annotation("Error").is_some()
            || self
                .label("alertname")
                .is_some_and(|name| [DATASOURCE_ERROR, DATASOURCE_NO_DATA].contains(&name))
            || self.state_reasons().any(|reason| reason == "Error" || reason == "NoData")
    }

    /// Grafana calls it over because its series, or all data, have gone: the problem may be as it was.
    ///
    /// Source: Grafana, "Stale alert instances" and "No data and error states".
    fn has_only_gone(&self) -> bool {
        self.state_reasons().any(|reason| ["MissingSeries", "NoData", "Error"].contains(&reason.as_str()))
    }

    /// Grafana joins its reasons (`NoData, KeepLast`); its documentation spells one of them with a space.
    fn state_reasons(&self) -> impl Iterator<Item = String> {
        self.annotation("grafana_state_reason")
            .unwrap_or_default()
            .split(',')
            .map(|reason| reason.split_whitespace().collect())
    }

    fn state(&self) -> State {
        if ["resolved", "ok"].iter().any(|word| self.status.eq_ignore_ascii_case(word)) {
            State::Resolved
        } else if ["pending", "paused"].contains(&self.status.as_str()) {
            State::Informational
        } else if self.status == "no_data"
            || self.label("alertname") == Some(DATASOURCE_NO_DATA)
            || self.state_reasons().any(|reason| reason == "NoData")
        {
            State::NoData
        } else {
            State::Firing
        }
    }

    fn into_alert(self, source: Source) -> Alert {
        let state = self.state();
        let key = self.key(&source);
        let status = if self.status.trim().is_empty() { "firing" } else { self.status.as_str() };
        let name = self
            .label("alertname")
            .or_else(|| self.label("rulename"))
            .or(self.fallback_name.as_deref().map(str::trim).filter(|name| !name.is_empty()))
            .map_or_else(|| format!("{source} alert"), str::to_owned);
        let mut alert = Alert::new(source, name, state, status);
        alert.evidence.values = values::shown(&self.values, self.has_no_result());
        alert.reason = self.annotation("Error").map(str::to_owned);
        alert.summary = self.summary();
        alert.description = self.annotation("description").map(str::to_owned);
        alert.starts_at = self.starts_at;
        alert.ends_at = self.ends_at.filter(|_| state == State::Resolved);
        alert.is_end_unknown = state == State::Resolved && self.has_only_gone();
        alert.changed_at = if state == State::Resolved { alert.ends_at } else { alert.starts_at };
        alert.account = ["account", "account_id", "accountId", "aws_account_id"]
            .iter()
            .filter_map(|name| self.label(name))
            .find(|account| account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()))
            .map(str::to_owned);
        alert.region = ["region", "aws_region"].iter().find_map(|name| self.label(name)).map(str::to_owned);
        for (kind, url) in &self.links {
            alert.link(*kind, url.as_str());
        }
        if let Some(runbook) = self.annotation("runbook_url") {
            alert.link(LinkKind::Runbook, runbook.trim());
        }
        alert.facts = self.facts();
        // The relay's own word for the state goes first, as it does for every source.
        alert.labels.set("state", state.as_label());
        for (name, value) in self.labels {
            alert.labels.set_if_absent(&name, value);
        }
        alert.labels.set_if_absent("account", alert.account.clone().unwrap_or_default());
        alert.labels.set_if_absent("region", alert.region.clone().unwrap_or_default());
        alert.annotations = self.annotations.into_iter().collect();
        alert.key = key;
        alert
    }

    /// Labels are what tells one alert from another, so that their hash does it as well where the sender wrote none.
    fn key(&self, source: &Source) -> Option<AlertKey> {
        let own_hash = || {
            let mut labels: Vec<&(String, String)> = self.labels.iter().collect();
            labels.sort_unstable();
            let parts: Vec<&str> =
                labels.into_iter().flat_map(|(name, value)| [name.as_str(), value]).collect();
            (!parts.is_empty()).then(|| hash(&parts))
        };
        let fingerprint = self.fingerprint.clone().filter(|fingerprint| !fingerprint.is_empty());
        Some(AlertKey::Rule {
            source: source.clone(),
            origin: self.origin.clone(),
            fingerprint: fingerprint.or_else(own_hash)?,
        })
    }

    /// What its author wrote, and for Grafana's own alerts which rule is meant: the author wrote about something else.
    fn summary(&self) -> Option<String> {
        let written = self.annotation("summary").or_else(|| self.annotation("message"));
        match (self.rule_trouble(), written) {
            (Some(trouble), Some(written)) if !written.starts_with(&trouble) => {
                Some(format!("{trouble} (its summary: {written})"))
            }
            (Some(trouble), None) => Some(trouble),
            (_, written) => written.map(str::to_owned),
        }
    }

    fn rule_trouble(&self) -> Option<String> {
        let rule = self.label("rulename")?;
        match self.label("alertname")? {
            DATASOURCE_ERROR => Some(format!("The rule “{rule}” could not be evaluated")),
            DATASOURCE_NO_DATA => Some(format!("The rule “{rule}” got no data")),
            _ => None,
        }
    }

    /// Labels and annotations that have no field of their own; which rule it is comes first.
    fn facts(&self) -> Vec<Fact> {
        const ELSEWHERE: [&str; 8] = [
            "alertname",
            "rulename",
            "severity",
            "summary",
            "description",
            "message",
            "runbook_url",
            "Error",
        ];
        let rule = self.label("rulename").map(|rule| Fact::new("Rule", rule));
        let folder = self.label("grafana_folder").map(|folder| Fact::new("Folder", folder));
        let rest = self
            .labels
            .iter()
            .chain(&self.annotations)
            .filter(|(name, _)| !ELSEWHERE.contains(&name.as_str()) && name != "grafana_folder")
            .map(|(name, value)| Fact::new(name, value));
        rule.into_iter().chain(folder).chain(rest).collect()
    }
}

fn find<'p>(pairs: &'p [(String, String)], wanted: &str) -> Option<&'p str> {
    pairs
        .iter()
        .find(|(name, value)| name == wanted && !value.trim().is_empty())
        .map(|(_, value)| value.as_str())
}

/// Names that begin and end so (`__alert_rule_uid__`) are Grafana's private notes.
fn is_private(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}
