//! A queue, in memory, and its way to a function: Lambda's event source mapping.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::aws::{ACCOUNT, Ids, REGION, hex};
use crate::lambda::{Function, Outcome};
use crate::sns::MessageAttribute;
use crate::{AbortOnDrop, lock};

/// How a queue is made.
#[derive(Debug, Clone, Copy)]
pub struct QueueOptions {
    /// How long a message that was received stays hidden; milliseconds are fine in a test.
    pub visibility_timeout: Duration,
    /// How often a message is received before it goes to the dead letters.
    pub max_receive_count: u32,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { visibility_timeout: Duration::from_secs(30), max_receive_count: 3 }
    }
}

/// A message in a queue.
#[derive(Debug, Clone)]
pub struct QueueMessage {
    /// The id.
    pub message_id: String,
    /// The body.
    pub body: String,
    /// The attributes; those of a raw delivery from SNS.
    pub attributes: BTreeMap<String, MessageAttribute>,
    /// When it was sent.
    pub sent: SystemTime,
    /// How often it was received.
    pub receive_count: u32,
    first_received: Option<SystemTime>,
    receipt_handle: String,
    visible_at: Instant,
}

/// A queue; clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    name: String,
    ids: Ids,
    options: QueueOptions,
    state: Mutex<Messages>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Messages {
    waiting: Vec<QueueMessage>,
    dead: Vec<QueueMessage>,
}

/// How messages travel to a function.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryOptions {
    /// The most messages in one event.
    pub batch_size: usize,
    /// The most events at the same time.
    pub concurrency: usize,
    /// How long a batch that is not full waits for more.
    pub batch_window: Duration,
    /// `ReportBatchItemFailures`: without it, any answer is success.
    pub report_batch_item_failures: bool,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        let batch_window = Duration::ZERO;
        Self { batch_size: 10, concurrency: 1, batch_window, report_batch_item_failures: true }
    }
}

/// Messages travel to the function while this lives.
#[derive(Debug)]
pub struct Delivery {
    _pollers: AbortOnDrop,
}

impl Queue {
    /// Makes a queue.
    #[must_use]
    pub fn new(name: &str, options: QueueOptions) -> Self {
        Self::new_seeded(name, options, 0)
    }

    /// Makes a queue whose message ids follow from the seed and the name.
    #[must_use]
    pub fn new_seeded(name: &str, options: QueueOptions, seed: u64) -> Self {
        Self(Arc::new(Inner {
            name: name.to_owned(),
            ids: Ids::named(seed, name),
            options,
            state: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// The queue's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", self.0.name)
    }

    /// Sends a message and says its id.
    #[allow(clippy::must_use_candidate, reason = "it acts; few need the id")]
    pub fn send(&self, body: impl Into<String>, attributes: BTreeMap<String, MessageAttribute>) -> String {
        let message_id = self.0.ids.uuid();
        let message = QueueMessage {
            message_id: message_id.clone(),
            body: body.into(),
            attributes,
            sent: SystemTime::now(),
            receive_count: 0,
            first_received: None,
            receipt_handle: String::new(),
            visible_at: Instant::now(),
        };
        lock(&self.0.state).waiting.push(message);
        self.0.changed.notify_waiters();
        message_id
    }

    /// The messages that are neither done nor dead, in flight or not.
    #[must_use]
    pub fn messages(&self) -> Vec<QueueMessage> {
        lock(&self.0.state).waiting.clone()
    }

    /// The messages in the dead-letter queue.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<QueueMessage> {
        lock(&self.0.state).dead.clone()
    }

    /// Moves the dead letters back; says how many.
    #[allow(clippy::must_use_candidate, reason = "it acts; the number is a courtesy")]
    pub fn redrive(&self) -> usize {
        let mut state = lock(&self.0.state);
        let dead = std::mem::take(&mut state.dead);
        let count = dead.len();
        let now = Instant::now();
        let fresh =
            |message| QueueMessage { receive_count: 0, first_received: None, visible_at: now, ..message };
        state.waiting.extend(dead.into_iter().map(fresh));
        drop(state);
        self.0.changed.notify_waiters();
        count
    }

    /// Waits until every message is done or dead; says whether that came in time.
    pub async fn wait_until_empty(&self, limit: Duration) -> bool {
        let empty = async {
            loop {
                let changed = self.0.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if lock(&self.0.state).waiting.is_empty() {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, empty).await.is_ok()
    }

    /// Delivers to the function at once, `ReportBatchItemFailures` switched on: up to `batch_size` messages
    /// in an event, up to `concurrency` events beside each other. Call it within the runtime.
    #[must_use]
    pub fn deliver_to(&self, function: &Function, batch_size: usize, concurrency: usize) -> Delivery {
        let options = DeliveryOptions { batch_size, concurrency, ..DeliveryOptions::default() };
        self.deliver_with(function, options)
    }

    /// Delivers to the function. Call it within the runtime.
    #[must_use]
    pub fn deliver_with(&self, function: &Function, options: DeliveryOptions) -> Delivery {
        let mut pollers = JoinSet::new();
        for _ in 0..options.concurrency {
            pollers.spawn(poll(self.clone(), function.clone(), options));
        }
        let pollers = tokio::spawn(async move { while pollers.join_next().await.is_some() {} });
        Delivery { _pollers: AbortOnDrop(pollers) }
    }

    /// Up to `max` messages, now hidden; those that were received too often go to the dead letters instead.
    fn receive(&self, max: usize) -> Vec<QueueMessage> {
        let now = Instant::now();
        let mut batch = Vec::new();
        let mut state = lock(&self.0.state);
        let Messages { waiting, dead } = &mut *state;
        let dead_before = dead.len();
        let limit = self.0.options.max_receive_count;
        dead.extend(
            waiting.extract_if(.., |message| message.visible_at <= now && message.receive_count >= limit),
        );
        for message in waiting.iter_mut().filter(|message| message.visible_at <= now).take(max) {
            message.receive_count += 1;
            message.first_received.get_or_insert_with(SystemTime::now);
            message.receipt_handle = BASE64.encode(self.0.ids.bytes::<32>());
            message.visible_at = now + self.0.options.visibility_timeout;
            batch.push(message.clone());
        }
        if dead.len() > dead_before {
            self.0.changed.notify_waiters();
        }
        batch
    }

    /// Waits for messages, and then for more of them until the batch is full or its window is over.
    async fn batch(&self, options: DeliveryOptions) -> Vec<QueueMessage> {
        let mut batch = Vec::new();
        let mut window_end = None;
        loop {
            let changed = self.0.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            batch.extend(self.receive(options.batch_size - batch.len()));
            if !batch.is_empty() {
                window_end.get_or_insert_with(|| Instant::now() + options.batch_window);
            }
            let over = window_end.is_some_and(|end| end <= Instant::now());
            if over || batch.len() >= options.batch_size {
                return batch;
            }
            // Those of this batch are hidden, and become visible long after its window.
            match window_end.into_iter().chain(self.next_visible()).min() {
                Some(at) => drop(tokio::time::timeout_at(at, changed).await),
                None => changed.await,
            }
        }
    }

    fn delete(&self, message_ids: &[&str]) {
        lock(&self.0.state).waiting.retain(|message| !message_ids.contains(&message.message_id.as_str()));
        self.0.changed.notify_waiters();
    }

    fn next_visible(&self) -> Option<Instant> {
        lock(&self.0.state).waiting.iter().map(|message| message.visible_at).min()
    }
}

async fn poll(queue: Queue, function: Function, options: DeliveryOptions) {
    loop {
        let batch = queue.batch(options).await;
        let invocation = function.invoke(event(&queue, &batch).to_string()).await;
        let ids: Vec<_> = batch.iter().map(|message| message.message_id.as_str()).collect();
        let failed = if invocation.outcome.is_success() && !options.report_batch_item_failures {
            Vec::new()
        } else {
            failed_items(&invocation.outcome, &ids)
        };
        let done: Vec<_> = ids.into_iter().filter(|id| !failed.contains(id)).collect();
        queue.delete(&done);
    }
}

/// Which messages of a batch are to come again. Whatever Lambda cannot understand fails the batch.
#[must_use]
pub fn failed_items<'a>(outcome: &Outcome, ids: &[&'a str]) -> Vec<&'a str> {
    let all = || ids.to_vec();
    let Outcome::Response(body) = outcome else { return all() };
    if body.is_empty() {
        return Vec::new();
    }
    let failures = match serde_json::from_slice::<Value>(body) {
        Ok(Value::Null) => return Vec::new(),
        Ok(Value::Object(mut answer)) => answer.remove("batchItemFailures").unwrap_or_default(),
        _ => return all(),
    };
    let failures = match failures {
        Value::Null => return Vec::new(),
        Value::Array(failures) => failures,
        _ => return all(),
    };
    let known = |failure: &Value| {
        let id = failure.get("itemIdentifier").and_then(Value::as_str)?;
        ids.iter().copied().find(|known| *known == id)
    };
    failures.iter().map(known).collect::<Option<Vec<_>>>().unwrap_or_else(all)
}

fn event(queue: &Queue, batch: &[QueueMessage]) -> Value {
    let records: Vec<_> = batch.iter().map(|message| record(queue, message)).collect();
    json!({"Records": records})
}

fn record(queue: &Queue, message: &QueueMessage) -> Value {
    let attributes: Map<_, _> =
        message.attributes.iter().map(|(name, value)| (name.clone(), attribute(value))).collect();
    json!({
        "messageId": message.message_id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": message.receive_count.to_string(),
            "SentTimestamp": millis(message.sent),
            "SenderId": "AIDAISDRGOBPQGZVM2ZQE",
            "ApproximateFirstReceiveTimestamp": millis(message.first_received.unwrap_or(message.sent)),
        },
        "messageAttributes": attributes,
        "md5OfBody": hex(&Md5::digest(message.body.as_bytes())),
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.arn(),
        "awsRegion": REGION,
    })
}

fn attribute(attribute: &MessageAttribute) -> Value {
    let mut value = Map::new();
    if let Some(text) = &attribute.string_value {
        value.insert("stringValue".to_owned(), text.as_str().into());
    }
    if let Some(binary) = &attribute.binary_value {
        value.insert("binaryValue".to_owned(), binary.as_str().into());
    }
    value.insert("stringListValues".to_owned(), json!([]));
    value.insert("binaryListValues".to_owned(), json!([]));
    value.insert("dataType".to_owned(), attribute.data_type.as_str().into());
    value.into()
}

fn millis(time: SystemTime) -> String {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis().to_string()
}
