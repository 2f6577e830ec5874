//! The ledger in a DynamoDB table: what every process of the function knows of its alerts.
//!
//! One item for one alert at one receiver. Claiming it is one conditional write that answers with what was there: the claim
//! is the read, and the lease in it keeps other processes away until the claim is recorded, or its time is over.
//! A table that is missing, slow or refuses costs the memory and never the alert: then the process remembers by itself.
//!
//! Source of the calls and their errors: DynamoDB API Reference, `UpdateItem`; Developer Guide, "Condition expressions".

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use alert_core::incident::Incident;
use alert_core::key;
use alert_core::known::{Kept, Known, Past, Question};
use alert_core::report::{Keep, Settled};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep, timeout};

use crate::deadline::Deadline;
use crate::http::describe_sdk;
use crate::ledger::{Answers, Ledger};
use crate::memory::ProcessMemory;
use crate::settings::shown;

/// One call, as long as the process has not had an answer: the connection is made in this time, too.
const COLD_LIMIT: Duration = Duration::from_millis(300);
/// One call after that.
const WARM_LIMIT: Duration = Duration::from_millis(150);
/// Calls beside each other.
const CALLS_AT_ONCE: usize = 32;
/// How long a claim waits for another process that works on the same alert; a post takes less than a second.
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_PAUSE: Duration = Duration::from_millis(150);
/// A lease outlives its invocation's deadline by this much: clocks differ.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(2);
/// What is over is forgotten when no queue can bring it any more: SQS keeps messages for 14 days at most.
const KEPT_WHEN_OVER: TimeDelta = TimeDelta::days(14);
/// What still fires is kept as long as anybody may wait for its end.
const KEPT_WHEN_OPEN: TimeDelta = TimeDelta::days(90);

/// The names of an item's attributes that are read; the expressions write `lease_owner` and `expires_at` besides.
mod attribute {
    pub(super) const KEY: &str = "pk";
    pub(super) const INCIDENT: &str = "incident";
    pub(super) const LEASE_UNTIL: &str = "lease_until";
    pub(super) const TRIED: &str = "tried";
}

type Attributes = HashMap<String, AttributeValue>;

/// A table, and what this process remembers beside it.
#[derive(Debug)]
pub struct Table {
    client: Client,
    name: String,
    /// This process, in its leases.
    owner: String,
    process: ProcessMemory,
    is_warm: AtomicBool,
}

/// What became of one claim.
enum Claim {
    /// It is ours; what was there before.
    Ours(Attributes),
    /// Another process has it; what is there.
    Others(Attributes),
}

/// Why the table cannot be used now.
struct Trouble(String);

impl Table {
    /// The table of this name.
    #[must_use]
    pub fn new(client: Client, name: String) -> Self {
        let (client, owner) = (client, format!("{:032x}", rand::random::<u128>()));
        Self { client, name, owner, process: ProcessMemory::default(), is_warm: AtomicBool::new(false) }
    }

    /// Opens the connection and tries the right to it, so that the first alert does not wait for that.
    ///
    /// What is wrong is logged; the messages say it as long as it is so.
    pub async fn warm_up(&self) {
        let now = Utc::now();
        let call = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(attribute::KEY, AttributeValue::S("warm-up".to_owned()))
            .update_expression("SET expires_at = :expires_at")
            .expression_attribute_values(":expires_at", AttributeValue::N(seconds(now + TimeDelta::days(1))));
        if let Err(trouble) = self.bounded(call.send()).await {
            tracing::warn!(error_type = TABLE_UNAVAILABLE, "{}", self.problem(&trouble));
        }
    }

    async fn claim_one(
        &self,
        place: &str,
        deliveries: &[String],
        deadline: Deadline,
    ) -> Result<Claim, Trouble> {
        let patience = Instant::now() + PATIENCE.min(deadline.left() / 4);
        loop {
            let now = Utc::now();
            let until = now + TimeDelta::from_std(deadline.left()).unwrap_or_default() + LEASE_MARGIN;
            let call = self
                .client
                .update_item()
                .table_name(&self.name)
                .key(attribute::KEY, AttributeValue::S(place.to_owned()))
                .update_expression(
                    "SET lease_owner = :me, lease_until = :until, expires_at = :expires_at ADD tried :deliveries",
                )
                .condition_expression(
                    "attribute_not_exists(lease_until) OR lease_until < :now OR lease_owner = :me",
                )
                .expression_attribute_values(":me", AttributeValue::S(self.owner.clone()))
                .expression_attribute_values(":until", AttributeValue::N(millis(until)))
                .expression_attribute_values(":now", AttributeValue::N(millis(now)))
                .expression_attribute_values(":expires_at", AttributeValue::N(seconds(now + KEPT_WHEN_OPEN)))
                .expression_attribute_values(":deliveries", AttributeValue::Ss(deliveries.to_vec()))
                .return_values(ReturnValue::AllOld)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send();
            let there = match self.bounded(call).await? {
                Ok(answer) => return Ok(Claim::Ours(answer.attributes.unwrap_or_default())),
                Err(there) => there,
            };
            let lease_ends = number(&there, attribute::LEASE_UNTIL).unwrap_or(i64::MAX);
            let is_told = incident(&there)
                .is_some_and(|incident| deliveries.iter().all(|delivery| incident.is_told(delivery)));
            let is_worth_it = lease_ends.saturating_sub(now.timestamp_millis())
                < i64::try_from(PATIENCE.as_millis()).unwrap_or(i64::MAX);
            if is_told
                || Instant::now() + PATIENCE_PAUSE > patience && !is_worth_it
                || Instant::now() > patience
            {
                return Ok(Claim::Others(there));
            }
            sleep(PATIENCE_PAUSE).await;
        }
    }

    async fn record_one(&self, settled: &Settled<'_>, now: DateTime<Utc>) -> Result<(), Trouble> {
        let Some(Keep { incident, tried }) = &settled.kept else { return Ok(()) };
        let is_open = incident.as_ref().is_some_and(Incident::is_open);
        let kept = if is_open { KEPT_WHEN_OPEN } else { KEPT_WHEN_OVER };
        let mut call = self
            .client
            .update_item()
            .table_name(&self.name)
            .key(attribute::KEY, AttributeValue::S(key::place(settled.receiver, settled.alert)))
            .condition_expression("lease_owner = :me")
            .expression_attribute_values(":me", AttributeValue::S(self.owner.clone()))
            .expression_attribute_values(":expires_at", AttributeValue::N(seconds(now + kept)));
        let (mut set, mut remove) =
            ("SET expires_at = :expires_at".to_owned(), "REMOVE lease_owner, lease_until");
        if let Some(incident) = incident {
            set += ", incident = :incident";
            call = call.expression_attribute_values(":incident", AttributeValue::S(incident.to_json()));
        }
        if tried.is_empty() {
            remove = "REMOVE lease_owner, lease_until, tried";
        } else {
            set += ", tried = :tried";
            call = call.expression_attribute_values(":tried", AttributeValue::Ss(tried.clone()));
        }
        let call = call.update_expression(format!("{set} {remove}"));
        match self.bounded(call.send()).await? {
            Ok(_) => Ok(()),
            Err(_) => Err(Trouble(
                "another process has taken the alert over, because the lease had ended".to_owned(),
            )),
        }
    }

    /// A call within its limit; the inner error is what stands there where the condition does not hold.
    async fn bounded<T>(
        &self,
        call: impl Future<Output = Result<T, SdkError<UpdateItemError>>>,
    ) -> Result<Result<T, Attributes>, Trouble> {
        let limit = if self.is_warm.load(Ordering::Relaxed) { WARM_LIMIT } else { COLD_LIMIT };
        let Ok(answer) = timeout(limit, call).await else {
            return Err(Trouble(format!("no answer within {} ms", limit.as_millis())));
        };
        let error = match answer {
            Ok(answer) => {
                self.is_warm.store(true, Ordering::Relaxed);
                return Ok(Ok(answer));
            }
            Err(error) => error,
        };
        if let SdkError::ServiceError(inner) = &error
            && let UpdateItemError::ConditionalCheckFailedException(failed) = inner.err()
        {
            self.is_warm.store(true, Ordering::Relaxed);
            return Ok(Err(failed.item.clone().unwrap_or_default()));
        }
        let code = error.code().map_or_else(|| describe_sdk(&error), str::to_owned);
        let remedy = match code.as_str() {
            "ResourceNotFoundException" => "; there is no such table in this region and account",
            "AccessDeniedException" => "; allow the function's role dynamodb:UpdateItem on it",
            "ValidationException" => "; its key must be pk, a string, and nothing else",
            _ => "",
        };
        Err(Trouble(format!("{code}{remedy}")))
    }

    fn problem(&self, Trouble(why): &Trouble) -> String {
        format!("the table {} cannot be used ({why})", shown(&self.name))
    }
}

impl Ledger for Table {
    async fn claim(&self, questions: &[Question<'_>], deadline: Deadline) -> Answers {
        let mut answers = self.process.claim(questions, deadline).await;
        // All deliveries of one alert to one receiver are one claim.
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, question) in questions.iter().enumerate() {
            places.entry(key::place(question.receiver, question.alert)).or_default().push(number);
        }
        let is_in_trouble = AtomicBool::new(false);
        let claims = stream::iter(places).map(async |(place, numbers)| {
            // One that hangs says enough: the alerts wait.
            if is_in_trouble.load(Ordering::Relaxed) {
                return (numbers, None);
            }
            let mut deliveries: Vec<String> =
                numbers.iter().map(|number| questions[*number].delivery.name()).collect();
            deliveries.sort();
            deliveries.dedup();
            let claim = self.claim_one(&place, &deliveries, deadline).await;
            is_in_trouble.fetch_or(claim.is_err(), Ordering::Relaxed);
            (numbers, Some(claim))
        });
        let mut claims = claims.buffer_unordered(CALLS_AT_ONCE);
        while let Some((numbers, claim)) = claims.next().await {
            let (there, is_ours) = match claim {
                Some(Ok(Claim::Ours(there))) => (there, true),
                Some(Ok(Claim::Others(there))) => (there, false),
                Some(Err(trouble)) => {
                    let problem = self.problem(&trouble);
                    tracing::warn!(error_type = TABLE_UNAVAILABLE, "{problem}");
                    answers.problem = Some(problem);
                    continue;
                }
                None => continue,
            };
            let (incident, tried) = (incident(&there), words(&there, attribute::TRIED));
            for number in numbers {
                let name = questions[number].delivery.name();
                add(&mut answers.known[number], &name, is_ours, incident.as_ref(), &tried);
            }
        }
        drop(claims);
        answers
    }

    async fn record(&self, settled: &[Settled<'_>]) {
        self.process.record(settled).await;
        let now = Utc::now();
        let records = stream::iter(settled).map(async |settled| {
            if let Err(trouble) = self.record_one(settled, now).await {
                let problem = self.problem(&trouble);
                tracing::warn!(error_type = TABLE_UNAVAILABLE, "{problem}: what it says of an alert is old");
            }
        });
        records.buffer_unordered(CALLS_AT_ONCE).collect::<()>().await;
    }
}

/// The stable type: the table cannot be used, and what it would tell is not known.
pub const TABLE_UNAVAILABLE: &str = "table_unavailable";

/// What cannot be read is not known: a program of another version may have written it.
fn incident(item: &Attributes) -> Option<Incident> {
    let text = item.get(attribute::INCIDENT)?.as_s().ok()?;
    Incident::from_json(text)
        .inspect_err(|error| {
            tracing::warn!("what the table holds of an alert cannot be read, so that it is new: {error}");
        })
        .ok()
}

/// Adds what the table knows of a delivery to what the process knows.
fn add(known: &mut Known, delivery: &str, is_ours: bool, incident: Option<&Incident>, tried: &[String]) {
    if incident.is_some_and(|incident| incident.is_told(delivery)) {
        known.past = Past::Delivered;
    } else if !is_ours {
        known.past = Past::Elsewhere;
    } else if known.past == Past::None && tried.iter().any(|other| other == delivery) {
        known.past = Past::Unsure { is_too_soon: false };
    }
    known.kept = is_ours.then(|| Kept { incident: incident.cloned(), found: None, tried: tried.to_vec() });
    // What all processes know counts, and not what this one saw.
    known.shown = None;
}

fn words(item: &Attributes, name: &str) -> Vec<String> {
    item.get(name).and_then(|value| value.as_ss().ok()).cloned().unwrap_or_default()
}

fn number(item: &Attributes, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn millis(at: DateTime<Utc>) -> String {
    at.timestamp_millis().to_string()
}

fn seconds(at: DateTime<Utc>) -> String {
    at.timestamp().to_string()
}
