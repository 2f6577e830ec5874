//! Publishing to people by a topic of SNS: by e-mail, by SMS.
//!
//! What an answer means is decided in [`alert_core::answer::topic`].

use std::time::Duration;

use alert_core::answer::topic::{self, Refusal, UNAVAILABLE};
use alert_core::outcome::{Failure, Outcome};
use alert_core::render::sns::Notification;
use aws_sdk_sns::error::{ProvideErrorMetadata as _, SdkError};
use chrono::{DateTime, Utc};
use tokio::time::timeout;

use crate::dynamodb::DynamoDbTable;
use crate::http::describe_sdk;
use crate::outbox::{self, Turned};
use crate::sender::Attempt;
use crate::table::Trouble;

/// What names the topic in the configuration.
const SETTING: &str = "second_way.sns";

/// One topic.
#[derive(Debug, Clone)]
pub struct Topic {
    sns: aws_sdk_sns::Client,
    arn: String,
    /// Where notifications wait for their turn; without it each goes at once.
    table: Option<DynamoDbTable>,
}

impl Topic {
    /// The topic of this ARN.
    #[must_use]
    pub fn new(sns: aws_sdk_sns::Client, arn: String, table: Option<DynamoDbTable>) -> Self {
        Self { sns, arn, table }
    }

    /// Sends a notification once and within `limit`, or lets it wait: for its turn, or for SNS. `post` names what it tells; `at` is the
    /// clock.
    pub async fn send(
        &self,
        post: &str,
        notification: &Notification,
        at: DateTime<Utc>,
        limit: Duration,
    ) -> Attempt {
        let Some(table) = &self.table else { return self.publish(notification, limit).await };
        let turn = match outbox::turn_or_wait(table, &self.arn, post, notification, at).await {
            Ok(Turned::Send(turn)) => turn,
            Ok(Turned::Waits(until)) => {
                tracing::info!(topic = self.arn, "a notification waits for its turn until {until}");
                return attempt(Outcome::Delivered(None));
            }
            // What cannot wait goes at once.
            Err(Trouble(why)) => {
                tracing::warn!(topic = self.arn, "a notification does not wait for its turn: {why}");
                return self.publish(notification, limit).await;
            }
        };
        let sent = self.publish(notification, limit).await;
        let Some(Failure { error_type, detail }) = sent.outcome.failure().cloned() else { return sent };
        outbox::give_back(table, &self.arn, &turn).await;
        match outbox::wait(table, &self.arn, post, notification, at).await {
            Ok(()) => {
                tracing::error!(
                    topic = self.arn,
                    error_type,
                    "a notification waits until SNS takes it: {detail}"
                );
                attempt(Outcome::Delivered(None))
            }
            Err(Trouble(why)) => {
                tracing::warn!(topic = self.arn, "a notification that SNS did not take cannot wait: {why}");
                sent
            }
        }
    }

    /// Publishes a notification, once more without its subject where SNS takes that ill.
    pub async fn publish(&self, notification: &Notification, limit: Duration) -> Attempt {
        let first = self.call(notification, limit / 2).await;
        match (first.outcome, notification.without_subject()) {
            (Outcome::MessageRefused(_), Some(notification)) => self.call(&notification, limit / 2).await,
            (outcome, _) => Attempt { outcome, ..first },
        }
    }

    async fn call(&self, notification: &Notification, limit: Duration) -> Attempt {
        let call = self
            .sns
            .publish()
            .topic_arn(&self.arn)
            .set_subject(notification.subject.clone())
            .message(notification.to_json())
            .message_structure("json");
        let Ok(answer) = timeout(limit, call.send()).await else {
            return attempt(Outcome::Unsure(Failure::new(UNAVAILABLE, "SNS did not answer in time")));
        };
        let Err(error) = answer else { return attempt(Outcome::Delivered(None)) };
        let SdkError::ServiceError(inner) = &error else {
            let why = describe_sdk(&error);
            let failure = Failure::new(UNAVAILABLE, format!("SNS could not be reached ({why})"));
            return Attempt { outcome: Outcome::Retry { after: None, failure }, connection_lost: true };
        };
        let status = inner.raw().status().as_u16();
        let refusal: Refusal = topic::refusal(status, error.code(), error.message(), &self.arn, SETTING);
        attempt(topic::outcome(refusal))
    }
}

fn attempt(outcome: Outcome) -> Attempt {
    Attempt { outcome, connection_lost: false }
}
