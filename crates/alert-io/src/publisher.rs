//! Publishes messages to SNS: in batches, what was refused for a passing reason once more, nothing else twice.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use alert_core::answer::topic::{self, REFUSED, Refusal, THROTTLED, UNAVAILABLE};
use alert_core::key::AlertKey;
use alert_core::outcome::Failure;
use alert_core::render::sns::{Attribute, AttributeValue, SnsMessage, batches};
use aws_sdk_sns::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sns::operation::publish_batch::{PublishBatchError, PublishBatchOutput};
use aws_sdk_sns::primitives::Blob;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use chrono::{DateTime, Utc};
use tokio::time::{sleep, timeout};

use crate::backoff;
use crate::deadline::Deadline;
use crate::http::describe_sdk;
use crate::settings::SNS_TOPIC_ARN;

/// One call; SNS answers within a second when it is well.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// Less time than this is not worth a call.
const CALL_MIN: Duration = Duration::from_millis(100);
/// Calls for one message in one invocation; Lambda and SQS try again after that.
const TRIES_MAX: u32 = 6;
const BACKOFF_FIRST: Duration = Duration::from_millis(200);

/// What was published, and what was not, by the messages' places.
#[derive(Debug, Default)]
pub struct PublishReport {
    /// Published, and when.
    pub published: BTreeMap<usize, DateTime<Utc>>,
    /// Not published, and why.
    pub failed: BTreeMap<usize, Failure>,
    /// How often each was sent.
    pub tries: BTreeMap<usize, u32>,
    /// Messages that were sent once more.
    pub retries: u32,
}

/// Publishes to one topic.
#[derive(Debug)]
pub struct Publisher {
    sns: aws_sdk_sns::Client,
    topic_arn: String,
}

/// A message to publish.
#[derive(Debug, Clone)]
pub struct Outgoing<'m> {
    /// Its place in the report.
    pub place: usize,
    /// The message.
    pub message: &'m SnsMessage,
    /// The alerts whose changes it tells.
    pub alerts: Vec<&'m AlertKey>,
}

/// A message on its way.
struct QueuedMessage<'m> {
    place: usize,
    message: &'m SnsMessage,
    alerts: Vec<&'m AlertKey>,
    /// SNS refused its subject.
    without_subject: bool,
    /// SNS refused a batch as a whole, so each of its messages goes by itself.
    alone: bool,
    tries: u32,
    failure: Option<Failure>,
}

impl Borrow<SnsMessage> for QueuedMessage<'_> {
    fn borrow(&self) -> &SnsMessage {
        self.message
    }
}

impl Publisher {
    /// For this topic.
    #[must_use]
    pub fn new(sns: aws_sdk_sns::Client, topic_arn: String) -> Self {
        Self { sns, topic_arn }
    }

    fn is_fifo(&self) -> bool {
        self.topic_arn.to_ascii_lowercase().ends_with(".fifo")
    }

    /// Publishes messages by `deadline`, in order; those of one alert never overtake each other.
    pub async fn publish(&self, messages: Vec<Outgoing<'_>>, deadline: Deadline) -> PublishReport {
        let mut report = PublishReport::default();
        let mut waiting: Vec<QueuedMessage<'_>> = messages
            .into_iter()
            .map(|Outgoing { place, message, alerts }| QueuedMessage {
                place,
                message,
                alerts,
                without_subject: false,
                alone: false,
                tries: 0,
                failure: None,
            })
            .collect();
        let mut round = 0;
        while !waiting.is_empty() {
            let (first, behind) = first_of_each_alert(waiting);
            let mut again = Vec::new();
            for batch in in_batches(first) {
                self.publish_batch(batch, deadline, &mut again, &mut report).await;
            }
            let is_refused = !again.is_empty();
            waiting = again;
            waiting.extend(behind);
            if is_refused {
                let pause = backoff::pause(BACKOFF_FIRST, round, &mut rand::rng());
                round += 1;
                if !deadline.allows(pause + CALL_MIN) {
                    fail_all(waiting, "the invocation's time is over", &mut report);
                    return report;
                }
                sleep(pause).await;
            }
        }
        report
    }

    async fn publish_batch<'m>(
        &self,
        mut batch: Vec<QueuedMessage<'m>>,
        deadline: Deadline,
        again: &mut Vec<QueuedMessage<'m>>,
        report: &mut PublishReport,
    ) {
        let limit = deadline.left().min(CALL_TIMEOUT);
        if limit < CALL_MIN {
            fail_all(batch, "the invocation's time was over before its turn came", report);
            return;
        }
        let entries: Vec<_> =
            batch.iter().enumerate().filter_map(|(id, queued)| self.entry(id, queued)).collect();
        let call = self
            .sns
            .publish_batch()
            .topic_arn(&self.topic_arn)
            .set_publish_batch_request_entries(Some(entries));
        for queued in &mut batch {
            queued.tries += 1;
            report.tries.insert(queued.place, queued.tries);
        }
        let answer = timeout(limit, call.send()).await;
        let verdict = match &answer {
            Ok(Ok(output)) => return settle(batch, output, again, report),
            Ok(Err(error)) => classify_call(error, &self.topic_arn, &batch),
            Err(_) => EntryVerdict::Again(Failure::new(UNAVAILABLE, "SNS did not answer in time")),
        };
        for queued in batch {
            put(queued, verdict.clone(), again, report);
        }
    }

    fn entry(&self, id: usize, queued: &QueuedMessage<'_>) -> Option<PublishBatchRequestEntry> {
        let message = queued.message;
        let attributes = message
            .attributes
            .iter()
            .filter_map(|attribute| Some((attribute.name.to_owned(), value(attribute)?)));
        let mut entry = PublishBatchRequestEntry::builder()
            .id(id.to_string())
            .message(&message.message)
            .set_subject(message.subject.clone().filter(|_| !queued.without_subject))
            .set_message_attributes(Some(attributes.collect()));
        if self.is_fifo() {
            entry = entry.message_group_id(&message.group_id).message_deduplication_id(&message.dedup_id);
        }
        // Fails without id or message only, and both are there.
        entry.build().ok()
    }
}

fn value(attribute: &Attribute) -> Option<MessageAttributeValue> {
    let builder = MessageAttributeValue::builder().data_type(attribute.value.data_type());
    match &attribute.value {
        AttributeValue::Text(text) | AttributeValue::Texts(text) => builder.string_value(text),
        AttributeValue::Binary(json) => builder.binary_value(Blob::new(json.as_bytes())),
    }
    .build()
    .ok()
}

/// The messages that may go now, and those that wait for an earlier one of their alerts: SNS may refuse one of a batch and
/// take the ones behind it.
fn first_of_each_alert(
    all_queued: Vec<QueuedMessage<'_>>,
) -> (Vec<QueuedMessage<'_>>, Vec<QueuedMessage<'_>>) {
    let mut met = HashSet::new();
    all_queued.into_iter().partition(|queued| {
        let is_first = queued.alerts.iter().all(|alert| !met.contains(alert));
        // Whoever comes behind it waits for it, even where it waits itself.
        met.extend(queued.alerts.iter().copied());
        is_first
    })
}

/// Batches as SNS takes them, in order.
fn in_batches(all_queued: Vec<QueuedMessage<'_>>) -> Vec<Vec<QueuedMessage<'_>>> {
    let (alone, together): (Vec<_>, Vec<_>) = all_queued.into_iter().partition(|queued| queued.alone);
    batches(together).into_iter().chain(alone.into_iter().map(|queued| vec![queued])).collect()
}

fn fail_all(all_queued: Vec<QueuedMessage<'_>>, otherwise: &str, report: &mut PublishReport) {
    for queued in all_queued {
        let failure = queued.failure.unwrap_or_else(|| Failure::new(UNAVAILABLE, otherwise));
        report.failed.insert(queued.place, failure);
    }
}

/// What is to be done with a message that was not published.
#[derive(Debug, Clone)]
enum EntryVerdict {
    Again(Failure),
    WithoutSubject(Failure),
    /// SNS refuses the batch for what is in it, without a word on which message it is.
    Alone(Failure),
    Failed(Failure),
}

/// Takes a batch's answer apart: SNS may take nine and refuse one.
fn settle<'m>(
    batch: Vec<QueuedMessage<'m>>,
    output: &PublishBatchOutput,
    again: &mut Vec<QueuedMessage<'m>>,
    report: &mut PublishReport,
) {
    let now = Utc::now();
    for (id, queued) in batch.into_iter().enumerate() {
        let id = id.to_string();
        if output.successful().iter().any(|entry| entry.id() == Some(id.as_str())) {
            report.published.insert(queued.place, now);
            continue;
        }
        let verdict = match output.failed().iter().find(|entry| entry.id() == id) {
            Some(entry) => classify_entry(entry.code(), entry.sender_fault(), entry.message(), &queued),
            None => EntryVerdict::Again(Failure::new(UNAVAILABLE, "SNS's answer does not name the message")),
        };
        put(queued, verdict, again, report);
    }
}

fn put<'m>(
    mut queued: QueuedMessage<'m>,
    verdict: EntryVerdict,
    again: &mut Vec<QueuedMessage<'m>>,
    report: &mut PublishReport,
) {
    let failure = match verdict {
        EntryVerdict::Failed(failure) => {
            report.failed.insert(queued.place, failure);
            return;
        }
        EntryVerdict::WithoutSubject(failure) => {
            queued.without_subject = true;
            failure
        }
        EntryVerdict::Alone(failure) => {
            queued.alone = true;
            failure
        }
        EntryVerdict::Again(failure) => failure,
    };
    if queued.tries >= TRIES_MAX {
        report.failed.insert(queued.place, failure);
        return;
    }
    report.retries += 1;
    queued.failure = Some(failure);
    again.push(queued);
}

fn classify_entry(
    code: &str,
    sender_fault: bool,
    message: Option<&str>,
    sent: &QueuedMessage<'_>,
) -> EntryVerdict {
    let text = message.unwrap_or_default();
    if topic::is_throttling(code) {
        return EntryVerdict::Again(Failure::new(THROTTLED, format!("SNS asks for fewer calls ({code})")));
    }
    if !sender_fault {
        return EntryVerdict::Again(Failure::new(
            UNAVAILABLE,
            format!("SNS did not take the message ({code})"),
        ));
    }
    let failure = Failure::new(REFUSED, format!("SNS refuses the message ({code}): {text}"));
    // A subject is worth less than the alert under it.
    let names_subject = text.to_ascii_lowercase().contains("subject") || code.starts_with("InvalidParameter");
    if names_subject && sent.message.subject.is_some() && !sent.without_subject {
        return EntryVerdict::WithoutSubject(failure);
    }
    EntryVerdict::Failed(failure)
}

fn classify_call(
    error: &SdkError<PublishBatchError>,
    topic_arn: &str,
    batch: &[QueuedMessage<'_>],
) -> EntryVerdict {
    let SdkError::ServiceError(inner) = error else {
        let why = describe_sdk(error);
        return EntryVerdict::Again(Failure::new(UNAVAILABLE, format!("SNS could not be reached ({why})")));
    };
    let status = inner.raw().status().as_u16();
    match topic::refusal(status, error.code(), error.message(), topic_arn, SNS_TOPIC_ARN) {
        Refusal::Passing(failure) => EntryVerdict::Again(failure),
        // One bad message takes no other along.
        Refusal::Content(failure) => match batch {
            [only] => classify_entry(error.code().unwrap_or_default(), true, error.message(), only),
            _ => EntryVerdict::Alone(failure),
        },
        Refusal::Topic(failure) => EntryVerdict::Failed(failure),
    }
}
