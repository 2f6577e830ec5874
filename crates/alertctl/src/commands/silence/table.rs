//! The silences in the relay's table: one item, written whole on condition of its version; and what they hold.
//!
//! Source of the calls and their errors: DynamoDB API Reference, `GetItem`, `UpdateItem` and `Query`.

use std::time::Duration;

use alert_core::silence::Silences;
use alert_io::settings::shown;
use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use chrono::{DateTime, Utc};

use crate::commands::aws::problem;

/// The item of all silences.
const ITEM: &str = "silences";
/// The index of what is due, and the value that all of its items have there.
const INDEX: &str = "due";
const DUE: &str = "due";
/// How often somebody else may be faster.
const TRIES_MAX: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// The relay's table.
pub(super) struct Table {
    client: Client,
    name: String,
    region: String,
}

/// The list, and the version at which it was read; without one there is none yet.
pub(super) struct Read {
    pub(super) silences: Silences,
    version: Option<u64>,
}

impl Table {
    pub(super) fn new(config: &SdkConfig, name: String) -> Self {
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Self { client: Client::new(config), name, region }
    }

    pub(super) async fn read(&self) -> Result<Read, String> {
        let key = AttributeValue::S(ITEM.to_owned());
        let call = self.client.get_item().table_name(&self.name).key("pk", key).consistent_read(true);
        let answer = call.send().await.map_err(|error| self.problem("GetItem", &error))?;
        let item = answer.item.unwrap_or_default();
        let strange = |why: &str| {
            format!(
                "the item {ITEM:?} of the table {} is none of ours: {why}; a newer alertctl may read it",
                shown(&self.name)
            )
        };
        let silences = match item.get("silences") {
            None => Silences::default(),
            Some(AttributeValue::S(text)) => {
                Silences::from_json(text).map_err(|error| strange(&error.to_string()))?
            }
            Some(_) => return Err(strange("expected a text in `silences`")),
        };
        let version = match item.get("version") {
            None => None,
            Some(AttributeValue::N(number)) => {
                Some(number.parse().map_err(|_| strange("expected a whole number in `version`"))?)
            }
            Some(_) => return Err(strange("expected a number in `version`")),
        };
        Ok(Read { silences, version })
    }

    /// Reads the list, changes it, and writes it, as often as somebody else was faster.
    pub(super) async fn change(
        &self,
        change: impl Fn(&mut Silences) -> Result<(), String>,
    ) -> Result<(), String> {
        for _ in 0..TRIES_MAX {
            let Read { mut silences, version } = self.read().await?;
            change(&mut silences)?;
            if self.write(&silences, version).await? {
                return Ok(());
            }
            tokio::time::sleep(PAUSE.mul_f64(0.5 + rand::random::<f64>())).await;
        }
        Err(format!("others changed the silences at the same time, {TRIES_MAX} times: try again"))
    }

    /// Whether nobody else has written since that version was read.
    async fn write(&self, silences: &Silences, version: Option<u64>) -> Result<bool, String> {
        let number = |number: u64| AttributeValue::N(number.to_string());
        let mut call = self
            .client
            .update_item()
            .table_name(&self.name)
            .key("pk", AttributeValue::S(ITEM.to_owned()))
            .update_expression("SET silences = :silences, version = :new")
            .expression_attribute_values(":silences", AttributeValue::S(silences.to_json()))
            .expression_attribute_values(":new", number(version.map_or(1, |version| version + 1)));
        call = match version {
            Some(version) => call
                .condition_expression("version = :old")
                .expression_attribute_values(":old", number(version)),
            None => call.condition_expression("attribute_not_exists(version)"),
        };
        self.is_done(call.send().await)
    }

    /// Lets ring soon what these silences hold; how much that is.
    pub(super) async fn ring_soon(&self, ids: &[String], now: DateTime<Utc>) -> Result<usize, String> {
        let now = AttributeValue::N(now.timestamp_millis().to_string());
        let holders: Vec<String> = (0..ids.len()).map(|number| format!("held_by = :id{number}")).collect();
        let (condition, mut held, mut next) = (holders.join(" OR "), 0, None);
        loop {
            let page = self
                .client
                .query()
                .table_name(&self.name)
                .index_name(INDEX)
                .key_condition_expression("due = :due")
                .expression_attribute_values(":due", AttributeValue::S(DUE.to_owned()))
                .set_exclusive_start_key(next)
                .send()
                .await
                .map_err(|error| self.problem("Query", &error))?;
            for mut item in page.items.unwrap_or_default() {
                let Some(key) = item.remove("pk") else { continue };
                let mut call = self
                    .client
                    .update_item()
                    .table_name(&self.name)
                    .key("pk", key)
                    .update_expression("SET due_at = :now")
                    .condition_expression(&condition)
                    .expression_attribute_values(":now", now.clone());
                for (number, id) in ids.iter().enumerate() {
                    let id = AttributeValue::S(id.clone());
                    call = call.expression_attribute_values(format!(":id{number}"), id);
                }
                // What somebody else holds, or nobody any more, stays as it is.
                held += usize::from(self.is_done(call.send().await)?);
            }
            next = page.last_evaluated_key.filter(|key| !key.is_empty());
            if next.is_none() {
                return Ok(held);
            }
        }
    }

    /// Whether the condition of a write held.
    fn is_done<A, E>(&self, answer: Result<A, E>) -> Result<bool, String>
    where
        E: std::error::Error + ProvideErrorMetadata,
    {
        match answer {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
            Err(error) => Err(self.problem("UpdateItem", &error)),
        }
    }

    /// What a call was refused with, and who can do what about it.
    fn problem<E>(&self, call: &str, error: &E) -> String
    where
        E: std::error::Error + ProvideErrorMetadata,
    {
        let region = &self.region;
        let remedy = match error.code().unwrap_or_default() {
            "ResourceNotFoundException" => format!(
                "; there is no such table in {region} for these credentials: the stack's output AlertTableName is its name, --region another region"
            ),
            "AccessDeniedException" => {
                let what = if call == "Query" { "on its index due" } else { "on it" };
                format!("; whoever calls must be allowed dynamodb:{call} {what}")
            }
            "ValidationException" if call == "Query" => {
                "; it may be a table without the index due, of an older stack: update the stack".to_owned()
            }
            "ValidationException" => "; its key must be pk, a string, and nothing else".to_owned(),
            "UnrecognizedClientException" | "ExpiredTokenException" | "InvalidSignatureException" => {
                "; the credentials are not accepted: sign in again".to_owned()
            }
            _ => String::new(),
        };
        problem(&format!("DynamoDB {call}"), &format!("the table {}", shown(&self.name)), error) + &remedy
    }
}
