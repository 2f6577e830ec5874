//! What the relay's table remembers of an alert at each of its receivers.

use std::collections::{BTreeSet, HashMap};

use alert_core::incident::Incident;
use alert_core::key;
use alert_io::settings::shown;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;

use super::source::Looked;
use super::story::{Step, Story};
use crate::commands::aws::problem;

/// The index, and its partitions of what is open and of what is due.
const INDEX: &str = "due";
const PARTITIONS: [&str; 2] = ["open", "due"];

/// Adds what is remembered to the stories; where there is none, looks for what is open under this name.
pub(super) async fn add(config: &SdkConfig, name: &str, wanted: &str, stories: &mut Vec<Story>) -> Looked {
    let table = Table { client: Client::new(config), name };
    let mut looked =
        Looked { place: format!("the table {}", shown(name)), found: 0, problem: None, is_absent: false };
    if stories.is_empty() {
        match table.open(wanted).await {
            Ok(places) => stories.extend(places.iter().map(|place| of_place(place))),
            Err(problem) => looked.problem = Some(problem),
        }
    }
    for story in stories {
        let Some(key) = &story.key else { continue };
        for receiver in &story.receivers {
            match table.incident(&key::place_of(receiver, key)).await {
                Ok(None) => {}
                Ok(Some(incident)) => {
                    looked.found += 1;
                    story.steps.extend(remembered(receiver, &incident));
                }
                Err(problem) => looked.problem = Some(problem),
            }
        }
        story.steps.sort_by_key(|step| step.at);
    }
    looked
}

/// A story of which the table alone tells.
fn of_place(place: &str) -> Story {
    let key = place.split_once('|').map(|(_, key)| key.to_owned());
    let name = key::alarm_of(place).map_or_else(|| place.to_owned(), |(_, _, name)| name);
    Story { key, name, receivers: BTreeSet::from([key::receiver_of(place)]), steps: Vec::new() }
}

/// What an item says of the life of an alert.
fn remembered(receiver: &str, incident: &Incident) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut add =
        |at, what, text: String| steps.push(Step::new(at, what, format!("{receiver}: {text} (table)")));
    let message = incident.receipt.as_ref().map_or_else(String::new, |receipt| {
        let what = if incident.is_digest { "digest" } else { "message" };
        format!(" by {what} {} in {}", receipt.message, receipt.place)
    });
    add(incident.opened_at, "opened", format!("shown{message}"));
    if let Some(acknowledged) = &incident.acknowledged {
        add(acknowledged.at, "acknowledged", format!("by {}", acknowledged.by.name));
    }
    if let Some(silenced) = &incident.silenced {
        let until = silenced.until.map_or_else(|| "it is over".to_owned(), |until| until.to_rfc3339());
        let rule = silenced.rule.as_ref().map_or_else(String::new, |rule| format!(", rule {rule}"));
        add(silenced.at, "silenced", format!("by {} until {until}{rule}", silenced.by.name));
    }
    if let Some(escalation) = &incident.escalation {
        let text = format!("nobody is on it; told louder {} times", escalation.told);
        add(escalation.since, "waits", text);
    }
    if let Some(ended_at) = incident.ended_at {
        add(ended_at, "over", incident.word.clone());
    } else {
        let text = format!("{}, fired {} times, {} changes", incident.word, incident.fired, incident.changes);
        add(incident.heard_at, "last heard", text);
    }
    steps
}

struct Table<'t> {
    client: Client,
    name: &'t str,
}

impl Table<'_> {
    async fn incident(&self, place: &str) -> Result<Option<Incident>, String> {
        let key = AttributeValue::S(place.to_owned());
        let call = self.client.get_item().table_name(self.name).key("pk", key);
        let answer = call.send().await.map_err(|error| self.problem("GetItem", &error))?;
        let item: HashMap<_, _> = answer.item.unwrap_or_default();
        let Some(text) = item.get("incident").and_then(|value| value.as_s().ok()) else { return Ok(None) };
        Incident::from_json(text)
            .map(Some)
            .map_err(|error| format!("the item {place:?} cannot be read: {error}"))
    }

    /// The places of alarms that are open and have this name, or whose key has this text in it.
    async fn open(&self, wanted: &str) -> Result<Vec<String>, String> {
        let mut places = Vec::new();
        for partition in PARTITIONS {
            let mut next = None;
            loop {
                let page = self
                    .client
                    .query()
                    .table_name(self.name)
                    .index_name(INDEX)
                    .key_condition_expression("due = :due")
                    .expression_attribute_values(":due", AttributeValue::S(partition.to_owned()))
                    .set_exclusive_start_key(next)
                    .send()
                    .await
                    .map_err(|error| self.problem("Query", &error))?;
                let keys = page.items().iter().filter_map(|item| item.get("pk")?.as_s().ok());
                let is_it = |place: &&String| {
                    key::is_place(place)
                        && (key::alarm_of(place).is_some_and(|(_, _, name)| name == wanted)
                            || place.split('|').any(|part| part == wanted))
                };
                places.extend(keys.filter(is_it).cloned());
                next = page.last_evaluated_key.filter(|key| !key.is_empty());
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(places)
    }

    fn problem<E>(&self, call: &str, error: &E) -> String
    where
        E: std::error::Error + ProvideErrorMetadata,
    {
        let right = match error.code() {
            Some("AccessDeniedException") => format!("; whoever calls must be allowed dynamodb:{call} on it"),
            _ => String::new(),
        };
        problem(&format!("DynamoDB {call}"), &format!("the table {}", shown(self.name)), error) + &right
    }
}
