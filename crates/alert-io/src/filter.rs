//! `grafana-filter-to-sns`: from an event to SNS's answers, and from these to the answer for Lambda.

use alert_core::config::Config;
use alert_core::envelope;
use alert_core::filter::{self, FilterPlan};
use alert_core::outcome::Failure;
use alert_core::receipt::Schedule;
use alert_core::region::Arn;
use chrono::{DateTime, Utc};
use futures_util::future::join;
use serde_json::{Value, json};

use crate::aws::{self, Identity};
use crate::blind;
use crate::clock::Clock;
use crate::configuration;
use crate::deadline::Deadline;
use crate::dynamodb::DynamoDbTable;
use crate::http;
use crate::lambda::{self, InvocationError, Invoked};
use crate::log::{AlertLine, Disposition};
use crate::memory::ProcessMemory;
use crate::metrics::{CONFIG_INVALID, Metrics, Tally};
use crate::notes;
use crate::publisher::{Outgoing, PublishReport, Publisher};
use crate::settings::{ALERT_TABLE, Environment, SNS_TOPIC_ARN, StartError, shown};

/// For whoever must fix the setting.
const TOPIC_EXPECTED: &str =
    "arn:aws:sns:REGION:ACCOUNT:NAME; `aws sns list-topics` and the SNS console's list of topics show it";
/// What the topic is called where receivers have names.
const TOPIC: &str = "sns";

/// The filter, as long as its process lives.
#[derive(Debug)]
pub struct Filter {
    config: Config,
    warning: Option<String>,
    publisher: Publisher,
    memory: ProcessMemory,
    /// Where is written down which rules cannot be evaluated.
    table: Option<DynamoDbTable>,
    metrics: Metrics,
}

impl Filter {
    /// Reads the settings.
    ///
    /// Fails only where nothing could be published at all; a broken configuration is said in the messages.
    pub fn start(environment: Environment<'_>) -> Result<Self, StartError> {
        let topic_arn = environment(SNS_TOPIC_ARN).map(|arn| arn.trim().to_owned()).ok_or_else(|| {
            StartError::new(
                "topic_arn_missing",
                format!("{SNS_TOPIC_ARN} is not set: expected the ARN of the topic for surviving alerts, {TOPIC_EXPECTED}"),
            )
        })?;
        let region = topic_region(&topic_arn)?;
        let http = http::client(environment)?;
        let identity = Identity::from_environment(environment)?;
        let metrics = Metrics::from_environment(environment);
        let loaded = configuration::load(environment);
        if let Some(warning) = &loaded.broken {
            tracing::error!(error_type = CONFIG_INVALID, "{warning}");
            metrics.print_config_invalid();
        }
        let publisher = Publisher::new(aws::sns(environment, &identity, &http, &region), topic_arn);
        Ok(Self {
            config: loaded.config,
            warning: loaded.broken.map(|broken| broken.to_string()),
            publisher,
            memory: ProcessMemory::default(),
            table: environment(ALERT_TABLE)
                .map(|name| DynamoDbTable::new(aws::dynamodb(environment, &identity, &http), name)),
            metrics,
        })
    }

    /// Filters and publishes one event; the answer is the JSON for Lambda.
    ///
    /// An error means that at least one alert was not published; what was published is remembered.
    pub async fn handle(
        &self,
        event: &[u8],
        Invoked { request_id, clock, .. }: Invoked<'_>,
        deadline: Deadline,
    ) -> Result<Value, InvocationError> {
        let started_at = clock.now();
        let decoded = envelope::decode(event);
        let reply = decoded.reply;
        let plan = filter::plan(decoded, &self.config, self.warning.as_deref(), request_id, started_at);
        let messages = plan
            .publications
            .iter()
            .enumerate()
            .filter(|(_, publication)| !self.memory.is_delivered(TOPIC, &publication.delivery))
            .map(|(place, publication)| Outgoing {
                place,
                message: &publication.message,
                alerts: publication
                    .items
                    .iter()
                    .filter_map(|item| Some(&plan.items.get(*item)?.key))
                    .collect(),
            })
            .collect();
        let publish = self.publisher.publish(messages, deadline);
        let (report, table_unavailable) = join(publish, self.see(&plan, clock)).await;
        for place in report.published.keys() {
            if let Some(publication) = plan.publications.get(*place) {
                self.memory.remember_delivery(TOPIC, &publication.delivery);
            }
        }
        let outcomes = outcomes(&plan, &report);
        log(&plan, &outcomes, request_id, (started_at, clock.now()));
        let tally = Tally { table_unavailable, ..tally(&plan, &report, &outcomes, self.warning.is_some()) };
        self.metrics.print(&tally, request_id);
        if let Some((table, schedule)) = self.table.as_ref().zip(Schedule::of(&self.config, clock.now())) {
            // What is published the relay counts.
            let counts = Tally { digested: 0, retried: 0, ..tally }.counts();
            Box::pin(notes::count(table, schedule, &counts, clock.now())).await;
        }
        let failed: Vec<_> = plan
            .items
            .iter()
            .zip(&outcomes)
            .filter_map(|(item, outcome)| Some((item.record, outcome.failure?)))
            .collect();
        let dropped = plan.items.iter().filter(|item| item.dropped.is_some()).count();
        let done =
            json!({"alerts": plan.items.len(), "dropped": dropped, "published": plan.publications.len()});
        lambda::answer(reply, &plan.records, plan.items.len(), &failed, done)
    }
}

impl Filter {
    /// Writes down which rules cannot be evaluated; how often that has failed, where there is a table.
    async fn see(&self, plan: &FilterPlan, clock: Clock) -> Option<usize> {
        let table = self.table.as_ref()?;
        if plan.seen.is_empty() {
            return Some(0);
        }
        Some(usize::from(!Box::pin(blind::record(table, &plan.seen, clock.now())).await))
    }
}

/// The region in a topic's ARN, after a look at the whole of it.
fn topic_region(topic_arn: &str) -> Result<String, StartError> {
    Arn::of_topic(topic_arn)
        .map(|arn| arn.region.to_owned())
        .ok_or_else(|| {
            // What is no ARN may be a secret that was meant for another setting.
            let found = if topic_arn.starts_with("arn:") {
                format!("is {}", shown(topic_arn))
            } else {
                format!("is no ARN but a text of {} characters", topic_arn.chars().count())
            };
            StartError::new(
                "topic_arn_malformed",
                format!("{SNS_TOPIC_ARN} {found}: expected the ARN of an SNS topic (not of a subscription or a queue, and not its name alone), {TOPIC_EXPECTED}"),
            )
        })
}

/// What became of one item in all its publications.
#[derive(Debug, Default, Clone)]
struct ItemOutcome<'r> {
    /// In how many messages it is.
    messages: usize,
    /// When the last of them was published in this invocation.
    published_at: Option<DateTime<Utc>>,
    failure: Option<&'r Failure>,
    tries: u32,
}

fn outcomes<'r>(plan: &FilterPlan, report: &'r PublishReport) -> Vec<ItemOutcome<'r>> {
    let mut outcomes = vec![ItemOutcome::default(); plan.items.len()];
    for (place, publication) in plan.publications.iter().enumerate() {
        for item in &publication.items {
            let Some(outcome) = outcomes.get_mut(*item) else { continue };
            outcome.messages += 1;
            outcome.published_at = outcome.published_at.max(report.published.get(&place).copied());
            outcome.failure = outcome.failure.or(report.failed.get(&place));
            outcome.tries = outcome.tries.max(report.tries.get(&place).copied().unwrap_or(0));
        }
    }
    outcomes
}

/// What the invocation counts.
fn tally(
    plan: &FilterPlan,
    report: &PublishReport,
    outcomes: &[ItemOutcome<'_>],
    is_config_invalid: bool,
) -> Tally {
    let mut tally = Tally {
        received: plan.items.len(),
        retried: usize::try_from(report.retries).unwrap_or(usize::MAX),
        is_config_invalid,
        ..Tally::default()
    };
    for (item, outcome) in plan.items.iter().zip(outcomes) {
        if let Some(dropped) = &item.dropped {
            *tally.dropped.entry(dropped.rule.clone()).or_default() += 1;
        } else if let Some(failure) = outcome.failure {
            tally.failed += 1;
            *tally.failed_by_reason.entry((TOPIC.to_owned(), failure.error_type)).or_default() += 1;
        } else if let Some(published_at) = outcome.published_at {
            let record = plan.records.get(item.record);
            tally.add_delivered(record.and_then(|record| record.sent_at), published_at);
        }
    }
    tally
}

/// One line for each alert: what it was, what was decided, what became of it.
fn log(
    plan: &FilterPlan,
    outcomes: &[ItemOutcome<'_>],
    request_id: &str,
    (started_at, ended_at): (DateTime<Utc>, DateTime<Utc>),
) {
    for (item, outcome) in plan.items.iter().zip(outcomes) {
        let disposition = match (&item.dropped, outcome.failure) {
            (Some(dropped), _) => Disposition::Dropped(dropped),
            (None, Some(failure)) => Disposition::Failed(failure),
            (None, None) => {
                let outcome = match (outcome.messages, outcome.published_at) {
                    (0, _) => "nothing to publish",
                    (_, Some(_)) => "published",
                    (_, None) => "published before",
                };
                Disposition::Done { outcome, receivers: TOPIC, held_by: None }
            }
        };
        AlertLine {
            request_id,
            record: plan.records.get(item.record),
            alert: &item.alert,
            key: &item.key,
            posts: "",
            verdict: "publish",
            disposition,
            tries: outcome.tries,
            duration: (outcome.published_at.unwrap_or(ended_at) - started_at).to_std().unwrap_or_default(),
        }
        .write();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics() {
        for arn in
            ["arn:aws:sns:eu-west-1:111122223333:alerts", "arn:aws-cn:sns:cn-north-1:111122223333:a_b-c.fifo"]
        {
            assert!(topic_region(arn).is_ok(), "{arn}");
        }
        for arn in [
            "alerts",
            "arn:aws:sqs:eu-west-1:111122223333:alerts",
            "arn:aws:sns:eu-west-1:1111:alerts",
            "arn:aws:sns::111122223333:alerts",
            "arn:aws:sns:eu-west-1:111122223333:alerts:5f0c8a52-8e0e-4b0b-9c55-6a1f6f3c7f10",
        ] {
            let error = topic_region(arn).unwrap_err();
            assert_eq!(error.error_type, "topic_arn_malformed");
            assert!(
                error.message.contains(SNS_TOPIC_ARN) && error.message.contains(TOPIC_EXPECTED),
                "{error}"
            );
            assert_eq!(error.message.contains(arn), arn.starts_with("arn:"), "{error}");
        }
    }
}
