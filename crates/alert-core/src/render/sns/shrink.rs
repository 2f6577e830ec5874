//! Makes too large an alert fit, and says what it lost.
//!
//! The order is that of what a person misses least: attachments, long links, the ends of long annotations, whole annotations,
//! labels, and last everything but the name, the state and the times.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::MESSAGE_MAX_BYTES;
use crate::alert::{Alert, Payload};
use crate::text;

/// How much stays of a long annotation at first.
const ANNOTATION_KEPT_CHARS: usize = 1_000;
/// So long is no name; it is what stays of one when nothing else is left to lose.
const NAME_KEPT_CHARS: usize = 4_000;
/// From this size on a field is worth losing.
const ATTACHMENT_MIN_BYTES: usize = 2_000;
const FIELD_KEPT_CHARS: usize = 200;
const NOTES_KEPT: usize = 10;
const VALUES_KEPT: usize = 20;
const LINKS_KEPT: usize = 10;
const LINK_KEPT_BYTES: usize = 2_048;
/// A note names so many fields that were lost and counts the others.
const LOST_NAMED: usize = 8;

/// A copy of the alert whose message, by `size`, fits.
pub(super) fn shrink(alert: &Alert, size: impl Fn(&Alert) -> usize) -> Alert {
    let mut shrunk = Shrunk { alert: alert.clone(), lost: Vec::new(), size };
    if !(shrunk.attachments()
        || shrunk.links()
        || shrunk.annotations(ANNOTATION_KEPT_CHARS)
        || shrunk.annotations(0)
        || shrunk.labels())
    {
        shrunk.essentials();
    }
    shrunk.noted()
}

struct Shrunk<F> {
    alert: Alert,
    lost: Vec<String>,
    size: F,
}

impl<F: Fn(&Alert) -> usize> Shrunk<F> {
    /// How far it is from fitting, together with the note that says so.
    fn excess(&self) -> usize {
        (self.size)(&self.noted()).saturating_sub(MESSAGE_MAX_BYTES)
    }

    fn noted(&self) -> Alert {
        let mut alert = self.alert.clone();
        if !self.lost.is_empty() {
            let mut lost: Vec<String> = self.lost.iter().take(LOST_NAMED).cloned().collect();
            if self.lost.len() > LOST_NAMED {
                lost.push(format!("{} more", self.lost.len() - LOST_NAMED));
            }
            alert.notes.push(format!(
                "Too large for a message of {MESSAGE_MAX_BYTES} bytes; shortened or left out: {}",
                lost.join(", ")
            ));
        }
        alert
    }

    /// Takes away what no text shows: an embedded image, and long fields that nobody here knows.
    fn attachments(&mut self) -> bool {
        const KNOWN: [&str; 5] = ["labels", "annotations", "commonLabels", "commonAnnotations", "message"];
        let long = |fields: &Map<String, Value>| -> Vec<String> {
            fields
                .iter()
                .filter(|(name, value)| {
                    !KNOWN.contains(&name.as_str()) && value.to_string().len() > ATTACHMENT_MIN_BYTES
                })
                .map(|(name, _)| name.clone())
                .collect()
        };
        let Some(payload) = &mut self.alert.payload else { return false };
        for name in long(&payload.group) {
            Arc::make_mut(&mut payload.group).shift_remove(&name);
            self.lost.push(format!("field {}", cut(&name, 60)));
        }
        if let Value::Object(fields) = &mut payload.alert {
            for name in long(fields) {
                fields.shift_remove(&name);
                self.lost.push(format!("field {}", cut(&name, 60)));
            }
        }
        self.excess() == 0
    }

    /// Takes long links away, longest first; true when that is enough.
    fn links(&mut self) -> bool {
        self.take_longest(
            |alert| {
                let long = alert.links.iter().filter(|link| link.url.len() > LINK_KEPT_BYTES);
                long.map(|link| (link.url.clone(), link.url.len())).collect()
            },
            |alert, urls| alert.links.retain(|link| !urls.contains(&link.url)),
            "link",
        )
    }

    /// Cuts annotations, longest first; true when that is enough.
    fn annotations(&mut self, keep_chars: usize) -> bool {
        self.take_longest(
            |alert| {
                let own = alert.annotations.iter().map(|(name, value)| (name.clone(), value.len()));
                let derived = [
                    ("summary", &alert.summary),
                    ("description", &alert.description),
                    ("Error", &alert.reason),
                ]
                .into_iter()
                .filter(|(name, _)| !alert.annotations.contains_key(*name))
                .filter_map(|(name, value)| Some((name.to_owned(), value.as_ref()?.len())));
                // What is short already frees nothing.
                own.chain(derived).filter(|(_, bytes)| *bytes > keep_chars * 4).collect()
            },
            |alert, names| cut_annotations(alert, names, keep_chars),
            "annotation",
        )
    }

    /// Takes labels away, longest first, but never the name; true when that is enough.
    fn labels(&mut self) -> bool {
        if let Some(payload) = &mut self.alert.payload {
            let group = Arc::make_mut(&mut payload.group);
            group.shift_remove("commonLabels");
        }
        self.take_longest(
            |alert| {
                alert
                    .labels
                    .iter()
                    .filter(|(name, _)| !["alertname", "state"].contains(name))
                    .map(|(name, value)| (name.to_owned(), name.len() + value.len()))
                    .collect()
            },
            |alert, names| {
                for name in names {
                    alert.labels.set(name, "");
                }
                alert.facts.retain(|fact| !names.contains(&fact.name));
                if let Some(labels) = map_of(alert, "labels") {
                    labels.retain(|name, _| !names.contains(name));
                }
            },
            "label",
        )
    }

    /// Takes the longest candidates at once, as many as seem to be needed, until it fits or none is left.
    fn take_longest(
        &mut self,
        candidates: impl Fn(&Alert) -> Vec<(String, usize)>,
        take: impl Fn(&mut Alert, &BTreeSet<String>),
        kind: &str,
    ) -> bool {
        loop {
            let excess = self.excess();
            if excess == 0 {
                return true;
            }
            let mut candidates = candidates(&self.alert);
            if candidates.is_empty() {
                return false;
            }
            candidates.sort_by(|(a_name, a), (b_name, b)| b.cmp(a).then_with(|| a_name.cmp(b_name)));
            let mut freed = 0;
            let mut names = BTreeSet::new();
            for (name, bytes) in candidates {
                if freed >= excess {
                    break;
                }
                // Once in the text and once, in base64, in the payload.
                freed += bytes * 2;
                self.lost.push(format!("{kind} {}", cut(&name, 60)));
                names.insert(name);
            }
            // All at once: taking one of ten thousand out of a list is a walk through the list.
            take(&mut self.alert, &names);
        }
    }

    /// The name, the state and the times stay, and the beginnings of the rest.
    fn essentials(&mut self) {
        let alert = &mut self.alert;
        let short = |text: &mut String| *text = cut(text, FIELD_KEPT_CHARS);
        alert.name = cut(&alert.name, NAME_KEPT_CHARS);
        short(&mut alert.state_value);
        for text in [&mut alert.summary, &mut alert.description, &mut alert.reason, &mut alert.raw]
            .into_iter()
            .flatten()
        {
            short(text);
        }
        alert.notes.truncate(NOTES_KEPT);
        alert.notes.iter_mut().for_each(short);
        alert.evidence.values.truncate(VALUES_KEPT);
        for (name, value) in &mut alert.evidence.values {
            short(name);
            short(value);
        }
        alert.links.retain(|link| link.url.len() <= LINK_KEPT_BYTES);
        alert.links.truncate(LINKS_KEPT);
        alert.annotations.clear();
        alert.facts.clear();
        let state = alert.labels.get("state").to_owned();
        let alertname = cut(alert.labels.get("alertname"), NAME_KEPT_CHARS);
        alert.labels = [("alertname", alertname), ("state", state)].into_iter().collect();
        alert.payload = alert.payload.take().and_then(bones_of_payload);
        self.lost.push("everything but the name, the state and the beginnings of the rest".to_owned());
    }
}

/// Short fields stay as they are; what is long, and every list and map but the name, goes.
fn bones_of_payload(payload: Payload) -> Option<Payload> {
    let Value::Object(alert) = payload.alert else { return None };
    let name = alert.get("labels").and_then(|labels| labels.get("alertname")).and_then(Value::as_str);
    let mut essentials = short_fields(&alert);
    if let Some(name) = name {
        essentials.insert("labels".to_owned(), json!({ "alertname": cut(name, NAME_KEPT_CHARS) }));
    }
    // A legacy webhook has its name here.
    if let Some(rule) = alert.get("ruleName").and_then(Value::as_str) {
        essentials.insert("ruleName".to_owned(), json!(cut(rule, NAME_KEPT_CHARS)));
    }
    Some(Payload {
        group: Arc::new(short_fields(&payload.group)),
        alert: Value::Object(essentials),
        of: payload.of,
    })
}

fn short_fields(fields: &Map<String, Value>) -> Map<String, Value> {
    const FIELDS_KEPT: usize = 40;
    fields
        .iter()
        .filter(|(name, value)| {
            name.len() <= FIELD_KEPT_CHARS
                && match value {
                    Value::String(text) => text.len() <= FIELD_KEPT_CHARS,
                    Value::Array(items) => items.is_empty(),
                    Value::Object(_) => false,
                    _ => true,
                }
        })
        .take(FIELDS_KEPT)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Cuts these annotations wherever the alert has them; nothing stays of them where `keep_chars` is zero.
fn cut_annotations(alert: &mut Alert, names: &BTreeSet<String>, keep_chars: usize) {
    let shorten = |text: &str| (keep_chars > 0).then(|| cut(text, keep_chars));
    for (field, value) in [
        ("summary", &mut alert.summary),
        ("description", &mut alert.description),
        ("Error", &mut alert.reason),
    ] {
        // The field may be made from an annotation of another name.
        let is_copy = || names.iter().any(|name| alert.annotations.get(name) == value.as_ref());
        if value.is_some() && (names.contains(field) || is_copy()) {
            *value = value.as_deref().and_then(shorten);
        }
    }
    alert.annotations.retain(|name, value| {
        if names.contains(name) {
            *value = shorten(value).unwrap_or_default();
        }
        !value.is_empty()
    });
    alert.facts.retain(|fact| !names.contains(&fact.name));
    for map in ["annotations", "commonAnnotations"] {
        let Some(annotations) = map_of(alert, map) else { continue };
        annotations.retain(|name, value| {
            if names.contains(name) {
                *value = value.as_str().and_then(shorten).unwrap_or_default().into();
            }
            value != ""
        });
    }
    // Without annotations of its own, a message or a legacy webhook has the text here.
    if let Some(Value::Object(fields)) = alert.payload.as_mut().map(|payload| &mut payload.alert)
        && (names.contains("summary") || names.contains("description"))
        && let Some(Value::String(text)) = fields.get_mut("message")
    {
        *text = shorten(text).unwrap_or_default();
    }
}

fn map_of<'a>(alert: &'a mut Alert, name: &str) -> Option<&'a mut Map<String, Value>> {
    alert.payload.as_mut()?.alert.get_mut(name)?.as_object_mut()
}

fn cut(text: &str, max: usize) -> String {
    text::cut(text, max).into_owned()
}
