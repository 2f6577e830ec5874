//! The ledger's calls of DynamoDB: one conditional write that claims an alert, and one that records what became of it.
//!
//! What they are for, and what holds when they fail, is in [`table`](crate::table).
//!
//! Source of the calls and their errors: DynamoDB API Reference, `UpdateItem`; Developer Guide, "Condition expressions".

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use alert_core::config::SECOND_WAY_RECEIVER;
use alert_core::incident::Incident;
use alert_core::key;
use alert_core::receipt::{Counted, Counts, LATE};
use alert_core::report::{Digest, DigestNews};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::timeout;

use crate::http::describe_sdk;
use crate::ledger::KnownDigest;
use crate::settings::shown;
use crate::table::{Claim, Claimed, Due, Noted, Record, Store, There, Trouble};

/// One call: an answer takes some milliseconds, and a new connection, as after each longer pause, some hundred where a small
/// function has a small share of a processor.
const CALL_LIMIT: Duration = Duration::from_millis(500);

/// The index of what is due, and the one value of its partition key.
const DUE: &str = "due";
/// The value of the partition key of what is open, and with which nothing is to be done: in the order of its beginning.
const OPEN: &str = "open";
/// What is counted has names of its own, beside those of an item.
const COUNTED: &str = "n:";
/// The item that holds all rules.
const SILENCES: &str = "silences";

type Attributes = HashMap<String, AttributeValue>;

/// A table of DynamoDB.
#[derive(Debug, Clone)]
pub struct DynamoDbTable {
    client: Client,
    name: String,
}

impl DynamoDbTable {
    /// The table of this name.
    #[must_use]
    pub fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    fn item(&self, key: &str) -> UpdateItemFluentBuilder {
        let key = AttributeValue::S(key.to_owned());
        self.client.update_item().table_name(&self.name).key("pk", key)
    }

    /// A call within its limit; the inner error is what stands there where the condition does not hold.
    async fn bounded(
        &self,
        call: UpdateItemFluentBuilder,
    ) -> Result<Result<UpdateItemOutput, Attributes>, Trouble> {
        let error = match self.within(async || call.clone().send().await).await? {
            Ok(answer) => return Ok(Ok(answer)),
            Err(error) => error,
        };
        if let SdkError::ServiceError(inner) = &error
            && let UpdateItemError::ConditionalCheckFailedException(failed) = inner.err()
        {
            return Ok(Err(failed.item.clone().unwrap_or_default()));
        }
        Err(self.refused(&error, "dynamodb:UpdateItem on it"))
    }

    /// A call that reads, within its limit.
    async fn reading<T, E: Error + ProvideErrorMetadata + 'static>(
        &self,
        call: impl AsyncFn() -> Result<T, SdkError<E>>,
        right: &str,
    ) -> Result<T, Trouble> {
        self.within(call).await?.map_err(|error| self.refused(&error, right))
    }

    /// What a call is answered within its limit.
    async fn within<T, E>(
        &self,
        call: impl AsyncFn() -> Result<T, SdkError<E>>,
    ) -> Result<Result<T, SdkError<E>>, Trouble> {
        let answer = async {
            match call().await {
                // A connection that died while the process was frozen is no fault of the table's: once more, on a new one.
                Err(SdkError::DispatchFailure(_)) => call().await,
                answer => answer,
            }
        };
        let late = |_| self.trouble(&format!("no answer within {} ms", CALL_LIMIT.as_millis()), "");
        timeout(CALL_LIMIT, answer).await.map_err(late)
    }

    /// A call that holds where this is written down; whether it was carried out. `new` is what is there then.
    async fn if_noted(
        &self,
        call: UpdateItemFluentBuilder,
        was: Option<&str>,
        new: Option<&String>,
    ) -> Result<bool, Trouble> {
        let call = match was {
            Some(was) => call
                .condition_expression("note = :was")
                .expression_attribute_values(":was", AttributeValue::S(was.to_owned())),
            None => call.condition_expression("attribute_not_exists(note)"),
        };
        let call = call.return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        Ok(match self.bounded(call).await? {
            Ok(_) => true,
            // The answer was lost, and the second call found what the first had written.
            Err(item) => text(&item, "note").as_ref() == new,
        })
    }

    async fn get(&self, key: &str) -> Result<Attributes, Trouble> {
        let key = AttributeValue::S(key.to_owned());
        let call = self.client.get_item().table_name(&self.name).key("pk", key).consistent_read(true);
        let answer = self.reading(async || call.clone().send().await, "dynamodb:GetItem on it").await?;
        Ok(answer.item.unwrap_or_default())
    }

    fn refused<E: Error + ProvideErrorMetadata + 'static>(
        &self,
        error: &SdkError<E>,
        right: &str,
    ) -> Trouble {
        let code = error.code().map_or_else(|| describe_sdk(error), str::to_owned);
        let remedy = match code.as_str() {
            "ResourceNotFoundException" => "; there is no such table in this region and account".to_owned(),
            "AccessDeniedException" => format!("; allow the function's role {right}"),
            "ValidationException" => {
                "; its key must be pk, a string, and its index due as in the template".to_owned()
            }
            _ => String::new(),
        };
        self.trouble(&code, &remedy)
    }

    fn trouble(&self, why: &str, remedy: &str) -> Trouble {
        Trouble(format!("the table {} cannot be used ({why}{remedy})", shown(&self.name)))
    }
}

impl Store for DynamoDbTable {
    async fn warm_up(&self, now: DateTime<Utc>) -> Result<(), Trouble> {
        let expires_at = AttributeValue::N(seconds(now + TimeDelta::days(1)));
        let call = self.item("warm-up").update_expression("SET expires_at = :expires_at");
        self.bounded(call.expression_attribute_values(":expires_at", expires_at)).await.map(|_| ())
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, Trouble> {
        let Claim { key, owner, deliveries, now, until, expires_at } = claim;
        let update = "SET lease_owner = :me, lease_until = :until, expires_at = :expires_at";
        let (update, tried) = match deliveries {
            // A set is never empty.
            [] => (update.to_owned(), None),
            deliveries => {
                (format!("{update} ADD tried :deliveries"), Some(AttributeValue::Ss(deliveries.to_vec())))
            }
        };
        let call = self
            .item(key)
            .update_expression(update)
            .condition_expression(
                "attribute_not_exists(lease_until) OR lease_until < :now OR lease_owner = :me",
            )
            .expression_attribute_values(":me", AttributeValue::S((*owner).to_owned()))
            .expression_attribute_values(":until", AttributeValue::N(millis(*until)))
            .expression_attribute_values(":now", AttributeValue::N(millis(*now)))
            .expression_attribute_values(":expires_at", AttributeValue::N(seconds(*expires_at)))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let call = match tried {
            Some(tried) => call.expression_attribute_values(":deliveries", tried),
            None => call,
        };
        Ok(match self.bounded(call).await? {
            Ok(answer) => Claimed::Ours(there(&answer.attributes.unwrap_or_default())),
            Err(item) => Claimed::Others(there(&item)),
        })
    }

    async fn digest(
        &self,
        digest: &Digest<'_>,
        expires_at: DateTime<Utc>,
    ) -> Result<Option<KnownDigest>, Trouble> {
        let call = |update: &str| {
            let expires_at = AttributeValue::N(seconds(expires_at));
            self.item(&digest.key)
                .update_expression(update)
                .expression_attribute_values(":expires_at", expires_at)
                .return_values(ReturnValue::AllNew)
        };
        let call = match &digest.news {
            DigestNews::Posted(of) => {
                call("SET posted = :posted, members = :members, expires_at = :expires_at")
                    .expression_attribute_values(":posted", AttributeValue::S(digest.post.message.content()))
                    .expression_attribute_values(":members", AttributeValue::N(of.to_string()))
            }
            DigestNews::Over(alerts) => call("SET expires_at = :expires_at ADD ended :alerts")
                .expression_attribute_values(":alerts", AttributeValue::Ss(alerts.clone())),
        };
        let answer = self.bounded(call).await?;
        let item = answer.ok().and_then(|answer| answer.attributes).unwrap_or_default();
        let posted = item.get("posted").and_then(|value| value.as_s().ok()).cloned();
        let of = item.get("members").and_then(|value| value.as_n().ok()?.parse().ok());
        let over = item.get("ended").and_then(|value| value.as_ss().ok()).map_or(0, Vec::len);
        Ok(posted.zip(of).map(|(posted, of)| KnownDigest { posted, over, of }))
    }

    async fn record(&self, record: &Record<'_>) -> Result<bool, Trouble> {
        let Record { key, owner, keep, expires_at, now, is_kept } = record;
        let mut call = self
            .item(key)
            .condition_expression("lease_owner = :me")
            .expression_attribute_values(":me", AttributeValue::S((*owner).to_owned()))
            .expression_attribute_values(":expires_at", AttributeValue::N(seconds(*expires_at)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let (mut set, mut remove) = (vec!["expires_at = :expires_at"], Vec::new());
        if !is_kept {
            remove.extend(["lease_owner", "lease_until"]);
        }
        let incident = keep.incident.as_ref().map(|incident| AttributeValue::S(incident.to_json()));
        if let Some(incident) = &incident {
            set.push("incident = :incident");
            call = call.expression_attribute_values(":incident", incident.clone());
        }
        if let Some(incident) = &keep.incident {
            // Only what has both is in the index.
            match incident.due_at(*now) {
                Some(due_at) => {
                    set.extend(["due = :due", "due_at = :due_at"]);
                    call = call
                        .expression_attribute_values(":due", AttributeValue::S(DUE.to_owned()))
                        .expression_attribute_values(":due_at", AttributeValue::N(millis(due_at)));
                }
                // By the second way nobody hears of an end of what was escalated, and its own place has it.
                None if incident.is_open() && key::receiver_of(key) != SECOND_WAY_RECEIVER => {
                    set.extend(["due = :due", "due_at = :due_at"]);
                    call = call
                        .expression_attribute_values(":due", AttributeValue::S(OPEN.to_owned()))
                        .expression_attribute_values(
                            ":due_at",
                            AttributeValue::N(millis(incident.opened_at)),
                        );
                }
                None => remove.extend(["due", "due_at"]),
            }
            // Who ends a rule finds by it what the rule holds.
            match incident.silenced.as_ref().and_then(|silenced| silenced.rule.clone()) {
                Some(rule) => {
                    set.push("held_by = :rule");
                    call = call.expression_attribute_values(":rule", AttributeValue::S(rule));
                }
                None => remove.push("held_by"),
            }
        }
        if let Some(shown) = &keep.shown {
            set.push("shown = :shown");
            call = call.expression_attribute_values(":shown", AttributeValue::S(shown.clone()));
        }
        if let Some(alert) = &keep.alert {
            set.push("alert = :alert");
            call = call.expression_attribute_values(":alert", AttributeValue::S(alert.clone()));
        }
        if keep.tried.is_empty() {
            remove.push("tried");
        } else {
            set.push("tried = :tried");
            call = call.expression_attribute_values(":tried", AttributeValue::Ss(keep.tried.clone()));
        }
        let mut update = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            update += &format!(" REMOVE {}", remove.join(", "));
        }
        let call = call.update_expression(update);
        Ok(match self.bounded(call).await? {
            Ok(_) => true,
            // The answer was lost, and the second call found what the first had written.
            Err(item) => !item.contains_key("lease_owner") && item.get("incident") == incident.as_ref(),
        })
    }

    async fn silences(&self) -> Result<Option<String>, Trouble> {
        Ok(text(&self.get(SILENCES).await?, "silences"))
    }

    async fn name_message(&self, message: &str, key: &str, expires_at: DateTime<Utc>) -> Result<(), Trouble> {
        let call = self
            .item(message)
            .update_expression("SET shows = :key, expires_at = :expires_at")
            .expression_attribute_values(":key", AttributeValue::S(key.to_owned()))
            .expression_attribute_values(":expires_at", AttributeValue::N(seconds(expires_at)));
        self.bounded(call).await.map(|_| ())
    }

    async fn shown_by(&self, message: &str) -> Result<Option<String>, Trouble> {
        Ok(text(&self.get(message).await?, "shows"))
    }

    async fn read(&self, key: &str) -> Result<There, Trouble> {
        Ok(there(&self.get(key).await?))
    }

    async fn note(&self, key: &str) -> Result<Option<String>, Trouble> {
        Ok(text(&self.get(key).await?, "note"))
    }

    async fn put_note(&self, key: &str, noted: &Noted, was: Option<&str>) -> Result<bool, Trouble> {
        let Noted { text: new, due_at, expires_at } = noted;
        let set = "SET note = :note, expires_at = :expires_at";
        let update = match due_at {
            Some(_) => format!("{set}, due = :due, due_at = :due_at"),
            None => format!("{set} REMOVE due, due_at"),
        };
        let mut call = self
            .item(key)
            .update_expression(update)
            .expression_attribute_values(":note", AttributeValue::S(new.clone()))
            .expression_attribute_values(":expires_at", AttributeValue::N(seconds(*expires_at)));
        if let Some(due_at) = due_at {
            call = call
                .expression_attribute_values(":due", AttributeValue::S(DUE.to_owned()))
                .expression_attribute_values(":due_at", AttributeValue::N(millis(*due_at)));
        }
        self.if_noted(call, was, Some(new)).await
    }

    async fn drop_note(&self, key: &str, was: &str) -> Result<bool, Trouble> {
        // The item itself is forgotten by its time to live.
        self.if_noted(self.item(key).update_expression("REMOVE note, due, due_at"), Some(was), None).await
    }

    async fn count(&self, key: &str, counts: &Counts, expires_at: DateTime<Utc>) -> Result<(), Trouble> {
        let mut call =
            self.item(key).expression_attribute_values(":expires_at", AttributeValue::N(seconds(expires_at)));
        let mut added = Vec::new();
        for (number, (what, count)) in counts.counts.iter().enumerate() {
            added.push(format!("#n{number} :n{number}"));
            call = call
                .expression_attribute_names(format!("#n{number}"), format!("{COUNTED}{}", what.name()))
                .expression_attribute_values(format!(":n{number}"), AttributeValue::N(count.to_string()));
        }
        let update = format!("SET expires_at = :expires_at ADD {}", added.join(", "));
        self.bounded(call.update_expression(update)).await?.ok();
        // Most are quick.
        let Some((took, way)) = counts.slowest.as_ref().filter(|(took, _)| *took > LATE) else {
            return Ok(());
        };
        let call = self
            .item(key)
            .condition_expression("attribute_not_exists(slowest) OR slowest < :slowest")
            .update_expression("SET slowest = :slowest, slowest_way = :way")
            .expression_attribute_values(":slowest", AttributeValue::N(took.num_milliseconds().to_string()))
            .expression_attribute_values(":way", AttributeValue::S(way.clone()));
        self.bounded(call).await.map(|_| ())
    }

    async fn counted(&self, key: &str) -> Result<Counts, Trouble> {
        let item = self.get(key).await?;
        let number = |value: &AttributeValue| value.as_n().ok()?.parse::<u64>().ok();
        let counted = item
            .iter()
            .filter_map(|(name, value)| Some((Counted::named(name.strip_prefix(COUNTED)?)?, number(value)?)));
        let counts = counted.collect();
        let slowest = item.get("slowest").and_then(|value| value.as_n().ok()?.parse().ok());
        let slowest = slowest.and_then(TimeDelta::try_milliseconds).zip(text(&item, "slowest_way"));
        Ok(Counts { counts, slowest })
    }

    async fn open(&self, max: usize) -> Result<(usize, Vec<Due>), Trouble> {
        let (mut count, mut oldest) = (0, Vec::new());
        // What is due later is open as well, unless it is no alert.
        for partition in [OPEN, DUE] {
            let mut next = None;
            loop {
                let call = self
                    .client
                    .query()
                    .table_name(&self.name)
                    .index_name(DUE)
                    .key_condition_expression("due = :due")
                    .expression_attribute_values(":due", AttributeValue::S(partition.to_owned()))
                    .set_exclusive_start_key(next);
                let right = "dynamodb:Query on its index due";
                let answer = self.reading(async || call.clone().send().await, right).await?;
                let alerts = answer.items().iter().filter_map(due).filter(|due| key::is_place(&due.key));
                for due in alerts {
                    count += 1;
                    if oldest.len() < max {
                        oldest.push(due);
                    }
                }
                next = answer.last_evaluated_key;
                if next.is_none() {
                    break;
                }
            }
        }
        Ok((count, oldest))
    }

    async fn postpone(
        &self,
        Due { key, at }: &Due,
        to: Option<DateTime<Utc>>,
        open_since: Option<DateTime<Utc>>,
    ) -> Result<(), Trouble> {
        let call = self
            .item(key)
            .condition_expression("due_at = :at")
            .expression_attribute_values(":at", AttributeValue::N(millis(*at)));
        let call = match to {
            Some(to) => call
                .update_expression("SET due_at = :to")
                .expression_attribute_values(":to", AttributeValue::N(millis(to))),
            // Where it is open it is found by that.
            None => match open_since {
                Some(since) => call
                    .update_expression("SET due = :open, due_at = :since REMOVE held_by")
                    .expression_attribute_values(":open", AttributeValue::S(OPEN.to_owned()))
                    .expression_attribute_values(":since", AttributeValue::N(millis(since))),
                None => call.update_expression("REMOVE due, due_at, held_by"),
            },
        };
        self.bounded(call).await.map(|_| ())
    }

    async fn put_off(&self, key: &str, to: DateTime<Utc>) -> Result<(), Trouble> {
        let call = self
            .item(key)
            .condition_expression("due = :due AND due_at < :to")
            .update_expression("SET due_at = :to")
            .expression_attribute_values(":due", AttributeValue::S(DUE.to_owned()))
            .expression_attribute_values(":to", AttributeValue::N(millis(to)));
        self.bounded(call).await.map(|_| ())
    }

    async fn due(&self, now: DateTime<Utc>, max: usize) -> Result<Vec<Due>, Trouble> {
        let call = self
            .client
            .query()
            .table_name(&self.name)
            .index_name(DUE)
            .key_condition_expression("due = :due AND due_at <= :now")
            .expression_attribute_values(":due", AttributeValue::S(DUE.to_owned()))
            .expression_attribute_values(":now", AttributeValue::N(millis(now)))
            .limit(i32::try_from(max).unwrap_or(i32::MAX));
        let right = "dynamodb:Query on its index due";
        let answer = self.reading(async || call.clone().send().await, right).await?;
        Ok(answer.items().iter().filter_map(due).collect())
    }
}

fn due(item: &Attributes) -> Option<Due> {
    let at = item.get("due_at")?.as_n().ok()?.parse().ok()?;
    Some(Due { key: text(item, "pk")?, at: DateTime::from_timestamp_millis(at)? })
}

fn text(item: &Attributes, name: &str) -> Option<String> {
    item.get(name).and_then(|value| value.as_s().ok()).cloned()
}

fn there(item: &Attributes) -> There {
    let tried = item.get("tried").and_then(|value| value.as_ss().ok()).cloned().unwrap_or_default();
    // What cannot be read is not known: a program of another version may have written it.
    let incident = item.get("incident").and_then(|value| value.as_s().ok()).and_then(|text| {
        Incident::from_json(text)
            .inspect_err(|error| {
                tracing::warn!("what the table holds of an alert cannot be read, so that it is new: {error}");
            })
            .ok()
    });
    There {
        incident,
        tried,
        shown: text(item, "shown"),
        alert: text(item, "alert"),
        note: text(item, "note"),
    }
}

fn millis(at: DateTime<Utc>) -> String {
    at.timestamp_millis().to_string()
}

fn seconds(at: DateTime<Utc>) -> String {
    at.timestamp().to_string()
}
