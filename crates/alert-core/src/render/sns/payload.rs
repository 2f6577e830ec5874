//! The webhook with just these alerts, every field that is not about the others as it came.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Map, Value, json};

use super::{Alert, State, status};
use crate::alert::RELAY_NOTES;

/// Group fields that repeat what the alerts say themselves.
const COPIES: [&str; 2] = ["message", "commonAnnotations"];

/// What becomes of them.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Copies {
    Kept,
    /// To make room, before anything is lost.
    LeftOut,
}

/// The payload's JSON; `None` where an alert did not come as JSON.
pub(super) fn json(alerts: &[&Alert], warning: Option<&str>, copies: Copies) -> Option<String> {
    let payloads: Vec<_> = alerts.iter().map(|alert| alert.payload.as_ref()).collect::<Option<_>>()?;
    let first = payloads.first()?;
    let elements: Vec<Element<'_>> = alerts
        .iter()
        .zip(&payloads)
        .map(|(alert, payload)| Element {
            value: &payload.alert,
            notes: &alert.notes,
            warning,
            copies: Copies::Kept,
        })
        .collect();
    if let [only] = &elements[..]
        && first.group.is_empty()
    {
        return serde_json::to_string(&Element { copies, ..*only }).ok();
    }
    let truncated = first.group.get("truncatedAlerts").and_then(Value::as_u64).unwrap_or(0);
    let webhook = Webhook {
        group: &first.group,
        is_whole: first.of == alerts.len() && truncated == 0,
        status: status(alerts),
        title: title(alerts, &first.group),
        elements,
        copies,
    };
    serde_json::to_string(&webhook).ok()
}

/// As Grafana's default title begins: what is left counts, not what there was.
fn title(alerts: &[&Alert], group: &Map<String, Value>) -> String {
    let resolved = alerts.iter().filter(|alert| alert.state == State::Resolved).count();
    let firing = alerts.len() - resolved;
    let counts = match (firing, resolved) {
        (0, _) => format!("RESOLVED:{resolved}"),
        (_, 0) => format!("FIRING:{firing}"),
        _ => format!("FIRING:{firing}, RESOLVED:{resolved}"),
    };
    let names: Vec<&str> = match alerts {
        [only] => vec![&only.name],
        _ => group
            .get("groupLabels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(_, value)| value.as_str())
            .collect(),
    };
    format!("[{counts}] {}", names.join(" ")).trim_end().to_owned()
}

struct Webhook<'a> {
    group: &'a Map<String, Value>,
    /// These are all alerts that there were, so what the group says holds for them.
    is_whole: bool,
    status: &'a str,
    title: String,
    elements: Vec<Element<'a>>,
    copies: Copies,
}

impl Serialize for Webhook<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.group {
            let value = match name.as_str() {
                "status" if value.is_string() => json!(self.status),
                "state" if value.is_string() => {
                    json!(if self.status == "firing" { "alerting" } else { "ok" })
                }
                "truncatedAlerts" if value.is_number() => json!(0),
                "title" if !self.is_whole && value.is_string() => json!(self.title),
                // It tells of the other alerts as well, and what it says of these stands in them.
                "message" if !self.is_whole => continue,
                copy if self.copies == Copies::LeftOut && COPIES.contains(&copy) => continue,
                _ => {
                    map.serialize_entry(name, value)?;
                    continue;
                }
            };
            map.serialize_entry(name, &value)?;
        }
        map.serialize_entry("alerts", &self.elements)?;
        map.end()
    }
}

/// One alert with the notes for the relay.
struct Element<'a> {
    value: &'a Value,
    notes: &'a [String],
    warning: Option<&'a str>,
    copies: Copies,
}

impl Serialize for Element<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let notes: Vec<&str> = self.notes.iter().map(String::as_str).chain(self.warning).collect();
        let Value::Object(object) = self.value else { return self.value.serialize(serializer) };
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in object {
            let is_copy = self.copies == Copies::LeftOut && name == "commonAnnotations";
            if name != RELAY_NOTES && !is_copy {
                map.serialize_entry(name, value)?;
            }
        }
        if !notes.is_empty() {
            map.serialize_entry(RELAY_NOTES, &notes)?;
        }
        map.end()
    }
}
