//! Publishes messages to SNS: in batches, what was refused for a passing reason once more, nothing else twice.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use alert_core::answer::Failure;
use alert_core::render::sns::{Attribute, AttributeValue, SnsMessage, batches};
use aws_sdk_sns::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sns::operation::publish_batch::{PublishBatchError, PublishBatchOutput};
use aws_sdk_sns::primitives::Blob;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use rand::Rng as _;
use tokio::time::{sleep, timeout};

use crate::deadline::Deadline;

/// SNS refuses for good: the topic, the right or the message.
pub const REFUSED: &str = "sns_refused";
/// SNS asks for fewer calls.
pub const THROTTLED: &str = "sns_throttled";
/// No answer, or a fault of SNS's own.
pub const UNAVAILABLE: &str = "sns_unavailable";

/// One call; SNS answers within a second when it is well.
const CALL_TIMEOUT: Duration = Duration::from_secs(8);
/// Less time than this is not worth a call.
const CALL_MIN: Duration = Duration::from_millis(100);
/// Calls for one message in one invocation; Lambda and SQS try again after that.
const TRIES_MAX: u32 = 6;
const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What was published, and what was not, by the messages' places.
#[derive(Debug, Default)]
pub struct Report {
    /// Published.
    pub published: Vec<usize>,
    /// Not published, and why.
    pub failed: BTreeMap<usize, Failure>,
    /// Calls that were made.
    pub calls: u32,
    /// Messages that were sent once more.
    pub retries: u32,
}

/// Publishes to one topic.
#[derive(Debug)]
pub struct Publisher {
    sns: aws_sdk_sns::Client,
    topic_arn: String,
}

/// A message on its way.
struct Parcel {
    place: usize,
    message: SnsMessage,
    tries: u32,
    failure: Option<Failure>,
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

    /// Publishes messages by `deadline`, each with its place in the report, in order.
    pub async fn publish(&self, messages: Vec<(usize, SnsMessage)>, deadline: Deadline) -> Report {
        let mut report = Report::default();
        let mut waiting: Vec<Parcel> = messages
            .into_iter()
            .map(|(place, message)| Parcel { place, message, tries: 0, failure: None })
            .collect();
        let mut round = 0;
        while !waiting.is_empty() {
            let mut again = Vec::new();
            for batch in in_batches(waiting) {
                self.publish_batch(batch, deadline, &mut again, &mut report).await;
            }
            waiting = again;
            let pause = backoff(round);
            round += 1;
            if !waiting.is_empty() && !deadline.allows(pause + CALL_MIN) {
                for parcel in waiting {
                    let late = || Failure::new(UNAVAILABLE, "the invocation's time is over");
                    report.failed.insert(parcel.place, parcel.failure.unwrap_or_else(late));
                }
                return report;
            }
            if !waiting.is_empty() {
                sleep(pause).await;
            }
        }
        report
    }

    async fn publish_batch(
        &self,
        mut batch: Vec<Parcel>,
        deadline: Deadline,
        again: &mut Vec<Parcel>,
        report: &mut Report,
    ) {
        let limit = deadline.left().min(CALL_TIMEOUT);
        if limit < CALL_MIN {
            let late = Failure::new(UNAVAILABLE, "the invocation's time was over before its turn came");
            report.failed.extend(
                batch.into_iter().map(|parcel| (parcel.place, parcel.failure.unwrap_or(late.clone()))),
            );
            return;
        }
        let entries: Vec<_> =
            batch.iter().enumerate().filter_map(|(id, parcel)| self.entry(id, &parcel.message)).collect();
        let call = self
            .sns
            .publish_batch()
            .topic_arn(&self.topic_arn)
            .set_publish_batch_request_entries(Some(entries));
        report.calls += 1;
        for parcel in &mut batch {
            parcel.tries += 1;
        }
        let answer = timeout(limit, call.send()).await;
        let verdict = match &answer {
            Ok(Ok(output)) => return settle(batch, output, again, report),
            Ok(Err(error)) => classify_call(error, &self.topic_arn),
            Err(_) => Verdict::Again(Failure::new(UNAVAILABLE, "SNS did not answer in time")),
        };
        for parcel in batch {
            put(parcel, verdict.clone(), again, report);
        }
    }

    fn entry(&self, id: usize, message: &SnsMessage) -> Option<PublishBatchRequestEntry> {
        let attributes = message
            .attributes
            .iter()
            .filter_map(|attribute| Some((attribute.name.to_owned(), value(attribute)?)));
        let mut entry = PublishBatchRequestEntry::builder()
            .id(id.to_string())
            .message(&message.message)
            .set_subject(message.subject.clone())
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
        AttributeValue::Text(text) => builder.string_value(text),
        AttributeValue::Binary(json) => builder.binary_value(Blob::new(json.as_bytes())),
    }
    .build()
    .ok()
}

/// Batches as SNS takes them, in order.
fn in_batches(parcels: Vec<Parcel>) -> Vec<Vec<Parcel>> {
    let sizes: Vec<usize> =
        batches(parcels.iter().map(|parcel| parcel.message.clone()).collect()).iter().map(Vec::len).collect();
    let mut parcels: VecDeque<Parcel> = parcels.into();
    sizes.into_iter().map(|size| parcels.drain(..size).collect()).collect()
}

/// What is to be done with a message that was not published.
#[derive(Debug, Clone)]
enum Verdict {
    Again(Failure),
    WithoutSubject(Failure),
    Failed(Failure),
}

/// Takes a batch's answer apart: SNS may take nine and refuse one.
fn settle(batch: Vec<Parcel>, output: &PublishBatchOutput, again: &mut Vec<Parcel>, report: &mut Report) {
    for (id, parcel) in batch.into_iter().enumerate() {
        let id = id.to_string();
        if output.successful().iter().any(|entry| entry.id() == Some(id.as_str())) {
            report.published.push(parcel.place);
            continue;
        }
        let verdict = match output.failed().iter().find(|entry| entry.id() == id) {
            Some(entry) => {
                classify_entry(entry.code(), entry.sender_fault(), entry.message(), &parcel.message)
            }
            None => Verdict::Again(Failure::new(UNAVAILABLE, "SNS's answer does not name the message")),
        };
        put(parcel, verdict, again, report);
    }
}

fn put(mut parcel: Parcel, verdict: Verdict, again: &mut Vec<Parcel>, report: &mut Report) {
    let failure = match verdict {
        Verdict::Failed(failure) => {
            report.failed.insert(parcel.place, failure);
            return;
        }
        Verdict::WithoutSubject(failure) => {
            parcel.message.subject = None;
            failure
        }
        Verdict::Again(failure) => failure,
    };
    if parcel.tries >= TRIES_MAX {
        report.failed.insert(parcel.place, failure);
        return;
    }
    report.retries += 1;
    parcel.failure = Some(failure);
    again.push(parcel);
}

fn classify_entry(code: &str, sender_fault: bool, message: Option<&str>, sent: &SnsMessage) -> Verdict {
    let text = message.unwrap_or_default();
    if is_throttling(code) {
        return Verdict::Again(Failure::new(THROTTLED, format!("SNS asks for fewer calls ({code})")));
    }
    if !sender_fault {
        return Verdict::Again(Failure::new(UNAVAILABLE, format!("SNS did not take the message ({code})")));
    }
    let failure = Failure::new(REFUSED, format!("SNS refuses the message ({code}): {text}"));
    // A subject is worth less than the alert under it.
    if sent.subject.is_some() && (text.to_ascii_lowercase().contains("subject") || code == "InvalidParameter")
    {
        return Verdict::WithoutSubject(failure);
    }
    Verdict::Failed(failure)
}

fn classify_call(error: &SdkError<PublishBatchError>, topic_arn: &str) -> Verdict {
    let code = error.code().unwrap_or("no answer");
    let SdkError::ServiceError(inner) = error else {
        return Verdict::Again(Failure::new(UNAVAILABLE, format!("SNS could not be reached ({code})")));
    };
    if is_throttling(code) {
        return Verdict::Again(Failure::new(THROTTLED, format!("SNS asks for fewer calls ({code})")));
    }
    if inner.raw().status().as_u16() >= 500 || error.code().is_none() {
        return Verdict::Again(Failure::new(UNAVAILABLE, format!("SNS has a fault of its own ({code})")));
    }
    let remedy = match code {
        "NotFound" | "NotFoundException" => "the topic does not exist: check SNS_TOPIC_ARN".to_owned(),
        "AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" | "AccessDeniedException" => {
            "the function's role may not publish: allow sns:Publish on the topic, and check the topic's own policy".to_owned()
        }
        code if code.starts_with("KMS") => {
            "the topic's key cannot be used: allow the function's role kms:GenerateDataKey* and kms:Decrypt on it, and check that it is enabled".to_owned()
        }
        _ => error.message().unwrap_or("see the Amazon SNS API Reference, PublishBatch, for this error").to_owned(),
    };
    Verdict::Failed(Failure::new(
        REFUSED,
        format!("SNS refuses to publish to {topic_arn} ({code}): {remedy}"),
    ))
}

/// Source: Amazon SNS API Reference, Common Errors; the SDKs' lists of throttling codes.
fn is_throttling(code: &str) -> bool {
    [
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "KMSThrottling",
        "KMSThrottlingException",
        "RequestThrottled",
        "TooManyRequestsException",
    ]
    .contains(&code)
}

/// Exponential, with jitter so that many functions do not come back at once.
fn backoff(round: u32) -> Duration {
    let most = BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(round)).min(BACKOFF_MAX);
    most.mul_f64(rand::rng().random_range(0.5..=1.0))
}
