//! What a message means: every source turns it into [`Alert`]s.
//!
//! A source is one module with one function, `fn interpret(message: &Message<'_>) -> Option<Vec<Alert>>`, that says
//! `None` to everything it does not know for sure, and one line in [`SOURCES`]. The last one knows everything: what
//! nobody understands is delivered as it came.

mod aws;
pub mod cloudwatch;
mod grafana;
mod raw;

pub(crate) use grafana::{DATASOURCE_ERROR, DATASOURCE_NO_DATA};
use serde_json::Value;

use crate::alert::Alert;
use crate::envelope::{Body, Record};
use crate::json;

/// A message as its sources see it.
pub(crate) struct Message<'r> {
    /// The message as text, where it came as text.
    pub(crate) text: Option<&'r str>,
    /// The message as JSON, where it is JSON.
    pub(crate) json: Option<&'r Value>,
    /// What carried it.
    pub(crate) record: &'r Record,
}

type Interpret = fn(&Message<'_>) -> Option<Vec<Alert>>;

/// Every source, in the order in which they are asked.
///
/// Those that read any event, whoever sent it, come last.
const SOURCES: &[Interpret] =
    &[cloudwatch_json, aws::interpret, grafana::interpret, aws::interpret_any_event];

fn cloudwatch_json(message: &Message<'_>) -> Option<Vec<Alert>> {
    cloudwatch::interpret(message.json?, message.record).map(|alert| vec![alert])
}

/// Turns a message into its alerts; at least one, whatever the message is.
#[must_use]
pub fn interpret(record: &Record) -> Vec<Alert> {
    // The common case, a CloudWatch alarm in a text, is read without building a tree of it first.
    if let Body::Text(text) = &record.body
        && let Some(alert) = cloudwatch::interpret_text(text, record)
    {
        return vec![alert];
    }
    let parsed;
    let message = match &record.body {
        Body::Text(text) => {
            parsed = parse(text);
            Message { text: Some(text), json: parsed.as_ref(), record }
        }
        Body::Json(json) => Message { text: None, json: Some(json), record },
    };
    let alerts = SOURCES.iter().find_map(|interpret| interpret(&message)).unwrap_or_default();
    if alerts.is_empty() { raw::interpret(&message) } else { alerts }
}

/// JSON, also where it was put into a JSON string once more, as hand-made publishers do.
fn parse(text: &str) -> Option<Value> {
    match json::from_str(text).ok()? {
        Value::String(inner) => json::from_str(&inner).ok().or(Some(Value::String(inner))),
        value => Some(value),
    }
}
