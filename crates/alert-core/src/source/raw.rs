//! The last source: a message that nobody understands is still somebody's alert.

use serde_json::Value;

use super::Message;
use crate::alert::{Alert, Fact, Source, State};
use crate::json;
use crate::region::Arn;
use crate::text::cut;

/// Longer values are no facts but documents; they stay in the JSON.
const FACT_MAX_CHARS: usize = 200;
const FACTS_MAX: usize = 12;
const TITLE_MAX_CHARS: usize = 100;

/// One alert with the message as it came, and what could be made out of it.
pub(super) fn interpret(message: &Message<'_>) -> Vec<Alert> {
    let record = message.record;
    let subject = record.subject.as_deref().map(str::trim).filter(|subject| !subject.is_empty());
    let mut alert = match message.json {
        Some(json @ (Value::Object(_) | Value::Array(_))) => from_json(json, subject),
        _ => from_text(message, subject),
    };
    alert.changed_at = record.sent_at;
    alert.labels.set("alertname", alert.name.as_str());
    alert.labels.set("state", alert.state.as_label());
    if let Some(topic) = record.topic_arn.as_deref().and_then(Arn::parse) {
        alert.account = Some(topic.account.to_owned());
        alert.region = Some(topic.region.to_owned());
        alert.labels.set("account", topic.account);
        alert.labels.set("region", topic.region);
    }
    vec![alert]
}

fn from_text(message: &Message<'_>, subject: Option<&str>) -> Alert {
    let text = match (message.text, message.json) {
        (Some(text), _) => text.to_owned(),
        (None, Some(json)) => json.to_string(),
        (None, None) => String::new(),
    };
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let is_broken = looks_like_json(&text) && message.json.is_none();
    let title = subject.map(str::to_owned).or_else(|| match first {
        Some(_) if is_broken => Some(broken_title(&text)),
        first => first.map(|line| cut(line, TITLE_MAX_CHARS).into_owned()),
    });
    let mut alert = Alert::new(
        Source::Unknown,
        title.as_deref().unwrap_or("Empty message"),
        State::Informational,
        "message",
    );
    if text.trim().is_empty() {
        alert.notes.push("The message is empty.".to_owned());
    } else if is_broken {
        let error = json::from_str::<Value>(&text).err().map(|error| error.to_string()).unwrap_or_default();
        alert.state_value = "not understood".to_owned();
        alert.notes.push(format!("The message looks like JSON but is none: {error}"));
    } else if let Some(json) = message.json {
        alert.state_value = "not understood".to_owned();
        alert.notes.push(format!("Expected an alarm or a text, but the message is {}.", kind(json)));
    }
    alert.raw = Some(text);
    alert
}

/// What JSON that breaks off is about: the alarm's name where it comes before the break.
fn broken_title(text: &str) -> String {
    let name = ["\"AlarmName\"", "\"alarmName\""].iter().find_map(|key| {
        let rest = text.split_once(key)?.1.trim_start().strip_prefix(':')?;
        serde_json::Deserializer::from_str(rest).into_iter::<String>().next()?.ok()
    });
    name.filter(|name| !name.trim().is_empty())
        .map_or_else(|| "Broken JSON".to_owned(), |name| cut(&name, TITLE_MAX_CHARS).into_owned())
}

fn from_json(json: &Value, subject: Option<&str>) -> Alert {
    const TITLES: [&str; 10] = [
        "AlarmName",
        "alarmName",
        "title",
        "Title",
        "name",
        "Name",
        "subject",
        "detail-type",
        "detailType",
        "Event",
    ];
    let title = TITLES
        .iter()
        .find_map(|key| json.get(key)?.as_str())
        .or_else(|| Arn::parse(json.get("AlarmArn")?.as_str()?)?.alarm_name())
        .map(str::trim)
        .filter(|title| !title.is_empty())
        .map(|title| cut(title, TITLE_MAX_CHARS).into_owned());
    let title =
        subject.map(str::to_owned).or(title).unwrap_or_else(|| "Message of an unknown kind".to_owned());
    let mut alert = Alert::new(Source::Unknown, title, State::Informational, "not understood");
    alert.notes.push(note(json));
    for (name, value) in json.as_object().into_iter().flatten() {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => continue,
        };
        if !value.trim().is_empty()
            && value.chars().count() <= FACT_MAX_CHARS
            && alert.facts.len() < FACTS_MAX
        {
            alert.facts.push(Fact::new(name, value));
        }
    }
    alert.raw = Some(serde_json::to_string_pretty(json).unwrap_or_else(|_| json.to_string()));
    alert
}

/// What could not be understood, for a reader who could fix the sender.
fn note(json: &Value) -> String {
    if json.get("AlarmName").is_some() || json.get("NewStateValue").is_some() {
        let problems: Vec<String> = ["AlarmName", "NewStateValue"]
            .iter()
            .filter_map(|key| match json.get(key) {
                Some(Value::String(_)) => None,
                Some(other) => Some(format!("{key} should be a text, but is {}", kind(other))),
                None => Some(format!("{key} is missing")),
            })
            .collect();
        if !problems.is_empty() {
            return format!(
                "This looks like a CloudWatch alarm that cannot be read: {}.",
                problems.join(", ")
            );
        }
    }
    "The kind of this message is not known; it is shown as it came.".to_owned()
}

fn kind(json: &Value) -> &'static str {
    match json {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn looks_like_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}
