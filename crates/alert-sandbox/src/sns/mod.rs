//! The notification service: Publish, PublishBatch and what topics tell of themselves over its query protocol, and the fan-out
//! to functions and queues.

mod message;
mod query;
mod read;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};
use tokio_rustls::TlsAcceptor;

pub use message::*;

use crate::aws::{ACCOUNT, Ids, REGION, hex, is_signed, timestamp};
use crate::background::Background;
use crate::lambda::Function;
use crate::lock;
use crate::server::{ConnectionEnd, Line, Server};
use crate::sqs::Queue;
use query::Request;
use read::Outsider;
pub use read::SUBSCRIPTIONS_PAGE_MAX;

/// How long a FIFO topic swallows what it had before.
pub const DEDUPLICATION_WINDOW: Duration = Duration::from_mins(5);
/// More attributes than this, and a raw delivery to a queue is discarded.
pub const RAW_DELIVERY_MAX_ATTRIBUTES: usize = 10;

/// A message that was published.
#[derive(Debug, Clone)]
pub struct Published {
    /// When.
    pub at: SystemTime,
    /// Where.
    pub topic_arn: String,
    /// The id that the publisher was given.
    pub message_id: String,
    /// What.
    pub message: Message,
    /// A FIFO topic had it before: success was answered, nothing was delivered.
    pub duplicate: bool,
}

/// One call, as SNS saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnsCall {
    /// `Publish`, `PublishBatch`, or whatever was asked for.
    pub operation: String,
    /// How many messages came with it.
    pub entries: usize,
    /// `ok`, `partial` when some messages of a batch failed, `no answer`, or the code of the error.
    pub outcome: String,
}

/// What goes wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum SnsFault {
    /// Nothing.
    #[default]
    None,
    /// The next calls, this many, are answered by `Throttling`.
    Throttle(u32),
    /// The next calls, this many, are answered by `InternalError`.
    Internal(u32),
    /// `AuthorizationError`, until another fault is set.
    Deny,
    /// The same for one operation alone.
    DenyOne(&'static str),
    /// No answer for this long and nothing published, until another fault is set.
    Hang(Duration),
    /// The next calls, this many, are published, but the connection breaks before the answer.
    LoseAnswer(u32),
}

/// Publishes to topics by their ARNs.
pub(crate) type Notifier = Arc<dyn Fn(&str, Message) + Send + Sync>;

/// What a plan knows of an entry of a batch.
#[derive(Debug)]
pub struct EntryInfo<'a> {
    /// The number of the entry, from 0, over all batches.
    pub number: usize,
    /// Its id.
    pub id: &'a str,
    /// Its message.
    pub message: &'a Message,
}

/// Decides about each entry of a batch; `None` publishes it.
pub type EntryPlan = Box<dyn FnMut(&EntryInfo<'_>) -> Option<SnsError> + Send>;

/// An error as SNS tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnsError {
    /// The HTTP status.
    pub status: u16,
    /// The code.
    pub code: String,
    /// The text.
    pub message: String,
}

impl SnsError {
    /// An error with this status and code; below 500 it is the sender's fault.
    #[must_use]
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    fn invalid(what: &str) -> Self {
        Self::new(400, "InvalidParameter", format!("Invalid parameter: {what}"))
    }

    fn attribute(why: String) -> Self {
        Self::new(400, "ParameterValueInvalid", why)
    }
}

impl std::fmt::Display for SnsError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({}): {}", self.code, self.status, self.message)
    }
}

impl std::error::Error for SnsError {}

/// The running service.
#[derive(Debug)]
pub struct Sns {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ids: Ids,
    state: Mutex<Topics>,
    deliveries: Background,
}

#[derive(Default)]
struct Topics {
    by_arn: BTreeMap<String, Topic>,
    published: Vec<Published>,
    calls: Vec<SnsCall>,
    fault: SnsFault,
    entry_plan: Option<EntryPlan>,
    entries: usize,
    sequence: u128,
}

impl std::fmt::Debug for Topics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Topics").field("by_arn", &self.by_arn).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Topic {
    fifo: bool,
    content_based: bool,
    subscriptions: Vec<(String, Target)>,
    outsiders: Vec<Outsider>,
    /// Deduplication id → message id, sequence number, and when.
    seen: BTreeMap<String, (Receipt, Instant)>,
}

#[derive(Debug, Clone)]
enum Target {
    Function(Function),
    Queue { queue: Queue, raw: bool },
}

/// What the publisher gets for a message.
#[derive(Debug, Clone)]
struct Receipt {
    message_id: String,
    sequence_number: Option<String>,
}

/// What became of an entry of a batch, by its id.
type EntryResult = (String, Result<Receipt, SnsError>);

impl Sns {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, state: Mutex::default(), deliveries: Background::default() });
        let router = Router::new()
            .route("/", post(answer))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, tls).await?, shared })
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_SNS`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes a topic and says its ARN; a name that ends in `.fifo` makes a FIFO topic.
    #[must_use]
    pub fn create_topic(&self, name: &str) -> String {
        let arn = format!("arn:aws:sns:{REGION}:{ACCOUNT}:{name}");
        let fifo = name.rsplit_once('.').is_some_and(|(_, end)| end == "fifo");
        lock(&self.shared.state)
            .by_arn
            .entry(arn.clone())
            .or_insert_with(|| Topic { fifo, ..Topic::default() });
        arn
    }

    /// Lets a FIFO topic tell duplicates by their content when no deduplication id is given.
    pub fn set_content_based_deduplication(&self, topic_arn: &str, on: bool) {
        if let Some(topic) = lock(&self.shared.state).by_arn.get_mut(topic_arn) {
            topic.content_based = on;
        }
    }

    /// Subscribes a function and says the subscription's ARN. FIFO topics refuse functions.
    pub fn subscribe_function(&self, topic_arn: &str, function: &Function) -> Result<String, SnsError> {
        self.subscribe(topic_arn, Target::Function(function.clone()))
    }

    /// Subscribes a queue, with or without raw message delivery, and says the subscription's ARN.
    pub fn subscribe_queue(&self, topic_arn: &str, queue: &Queue, raw: bool) -> Result<String, SnsError> {
        self.subscribe(topic_arn, Target::Queue { queue: queue.clone(), raw })
    }

    fn subscribe(&self, topic_arn: &str, target: Target) -> Result<String, SnsError> {
        let mut state = lock(&self.shared.state);
        let topic = state.by_arn.get_mut(topic_arn).ok_or_else(no_topic)?;
        if topic.fifo && matches!(target, Target::Function(_)) {
            return Err(SnsError::invalid(
                "Invalid protocol type: FIFO topics support the SQS protocol alone",
            ));
        }
        let arn = format!("{topic_arn}:{}", self.shared.ids.uuid());
        topic.subscriptions.push((arn.clone(), target));
        Ok(arn)
    }

    /// Subscribes somebody who is not in the sandbox, such as an address of e-mail, who gets nothing here. Until it is
    /// confirmed, it has no ARN.
    pub fn subscribe_outsider(
        &self,
        topic_arn: &str,
        protocol: &str,
        endpoint: &str,
        is_confirmed: bool,
    ) -> Result<(), SnsError> {
        let mut state = lock(&self.shared.state);
        let topic = state.by_arn.get_mut(topic_arn).ok_or_else(no_topic)?;
        let arn = is_confirmed.then(|| format!("{topic_arn}:{}", self.shared.ids.uuid()));
        topic.outsiders.push(Outsider { arn, protocol: protocol.to_owned(), endpoint: endpoint.to_owned() });
        Ok(())
    }

    /// Publishes without a request, as an alarm does; says the message id. It must be called within the
    /// runtime: the deliveries begin at once.
    pub fn publish(&self, topic_arn: &str, message: Message) -> Result<String, SnsError> {
        let mut state = lock(&self.shared.state);
        check_size(&message)?;
        let receipt = state.publish(&self.shared, topic_arn, message)?;
        Ok(receipt.message_id)
    }

    /// What publishes to this service's topics without a request, for other services.
    pub(crate) fn notifier(&self) -> Notifier {
        let shared = Arc::clone(&self.shared);
        Arc::new(move |topic_arn, message| {
            // Where there is no such topic, nobody hears of it, as in the service.
            let _ = lock(&shared.state).publish(&shared, topic_arn, message);
        })
    }

    /// All messages that were published, duplicates included.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        lock(&self.shared.state).published.clone()
    }

    /// Takes what was published, and forgets all calls.
    #[must_use]
    pub fn take_published(&self) -> Vec<Published> {
        let mut state = lock(&self.shared.state);
        state.calls.clear();
        std::mem::take(&mut state.published)
    }

    /// All calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<SnsCall> {
        lock(&self.shared.state).calls.clone()
    }

    /// Sets what goes wrong.
    pub fn set_fault(&self, fault: SnsFault) {
        lock(&self.shared.state).fault = fault;
    }

    /// Asks the plan about each entry of a batch that is valid.
    pub fn set_entry_plan(&self, plan: EntryPlan) {
        lock(&self.shared.state).entry_plan = Some(plan);
    }

    /// Lets all idle connections die without telling, as a process finds them that was frozen meanwhile: the
    /// next request on each is met with a TCP reset. Says how many.
    #[allow(clippy::must_use_candidate, reason = "it acts; the number is a courtesy")]
    pub fn expire_idle_connections(&self) -> usize {
        self.server.connections().end_idle(ConnectionEnd::ResetOnRead)
    }

    /// Waits until no delivery to a function is under way; says whether that came in time.
    pub async fn settled(&self, limit: Duration) -> bool {
        self.shared.deliveries.settled(limit).await
    }
}

fn no_topic() -> SnsError {
    SnsError::new(404, "NotFound", "Topic does not exist")
}

fn check_size(message: &Message) -> Result<(), SnsError> {
    if message.size_bytes() > MESSAGE_MAX_BYTES {
        return Err(SnsError::invalid("Message too long"));
    }
    Ok(())
}

impl Topics {
    fn topic(&mut self, arn: &str) -> Result<&mut Topic, SnsError> {
        let parts = arn.split(':').count();
        if parts < 6 {
            let why = format!("TopicArn Reason: An ARN must have at least 6 elements, not {parts}");
            return Err(SnsError::invalid(&why));
        }
        self.by_arn.get_mut(arn).ok_or_else(no_topic)
    }

    /// Checks all but the size, remembers, and delivers.
    fn publish(&mut self, shared: &Shared, topic_arn: &str, message: Message) -> Result<Receipt, SnsError> {
        let sequence = self.sequence;
        let topic = self.topic(topic_arn)?;
        check_fifo(&message, topic.fifo, topic.content_based)?;
        check(&message)?;
        let receipt = Receipt {
            message_id: shared.ids.uuid(),
            sequence_number: topic.fifo.then(|| format!("{:020}", 10_000_000_000_000_000_000 + sequence)),
        };
        let mut duplicate = None;
        if topic.fifo {
            let content =
                || hex(ring::digest::digest(&ring::digest::SHA256, message.message.as_bytes()).as_ref());
            let id = message.deduplication_id.clone().unwrap_or_else(content);
            topic.seen.retain(|_, (_, at)| at.elapsed() < DEDUPLICATION_WINDOW);
            duplicate = topic.seen.get(&id).map(|(first, _)| first.clone());
            topic.seen.entry(id).or_insert_with(|| (receipt.clone(), Instant::now()));
        }
        let at = SystemTime::now();
        let published = Published {
            at,
            topic_arn: topic_arn.to_owned(),
            message_id: duplicate.as_ref().unwrap_or(&receipt).message_id.clone(),
            message,
            duplicate: duplicate.is_some(),
        };
        if duplicate.is_none() {
            for (subscription, target) in &topic.subscriptions {
                deliver(shared, subscription, target, &published);
            }
        }
        self.sequence += 1;
        self.published.push(published);
        Ok(duplicate.unwrap_or(receipt))
    }

    /// Each entry is published or fails on its own; what is wrong with the batch as such fails it whole.
    fn publish_batch(
        &mut self,
        shared: &Shared,
        topic_arn: &str,
        entries: Vec<(String, Message)>,
    ) -> Result<Vec<EntryResult>, SnsError> {
        let topic = self.topic(topic_arn)?;
        let (fifo, content_based) = (topic.fifo, topic.content_based);
        check_batch(&entries)?;
        entries.iter().try_for_each(|(_, message)| check_fifo(message, fifo, content_based))?;
        let mut results = Vec::new();
        for (id, message) in entries {
            let number = self.entries;
            self.entries += 1;
            let info = EntryInfo { number, id: &id, message: &message };
            let planned = match (&mut self.entry_plan, check(&message)) {
                (_, Err(error)) => Some(error),
                (Some(plan), Ok(())) => plan(&info),
                (None, Ok(())) => None,
            };
            let result = match planned {
                Some(error) => Err(error),
                None => self.publish(shared, topic_arn, message),
            };
            results.push((id, result));
        }
        Ok(results)
    }

    /// The fault that this call meets; counted ones wear off.
    fn next_fault(&mut self) -> SnsFault {
        let fault = self.fault.clone();
        match &mut self.fault {
            SnsFault::Throttle(left) | SnsFault::Internal(left) | SnsFault::LoseAnswer(left) => {
                if *left == 0 {
                    return SnsFault::None;
                }
                *left -= 1;
            }
            SnsFault::None | SnsFault::Deny | SnsFault::DenyOne(_) | SnsFault::Hang(_) => {}
        }
        fault
    }
}

fn check_batch(entries: &[(String, Message)]) -> Result<(), SnsError> {
    let refuse = |code, message: &str| Err(SnsError::new(400, code, message));
    if entries.is_empty() {
        return refuse("EmptyBatchRequest", "The batch request doesn't contain any entries.");
    }
    if entries.len() > BATCH_MAX_ENTRIES {
        return refuse(
            "TooManyEntriesInBatchRequest",
            "The batch request contains more entries than permissible.",
        );
    }
    if entries.iter().any(|(id, _)| !is_entry_id(id)) {
        return refuse(
            "InvalidBatchEntryId",
            "The Id of a batch entry in a batch request doesn't abide by the specification.",
        );
    }
    let distinct: std::collections::BTreeSet<_> = entries.iter().map(|(id, _)| id).collect();
    if distinct.len() < entries.len() {
        return refuse(
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.",
        );
    }
    if entries.iter().map(|(_, message)| message.size_bytes()).sum::<usize>() > MESSAGE_MAX_BYTES {
        return refuse(
            "BatchRequestTooLong",
            "The length of all the messages put together is more than the limit.",
        );
    }
    Ok(())
}

fn deliver(shared: &Shared, subscription: &str, target: &Target, published: &Published) {
    match target {
        Target::Function(function) => {
            let event = lambda_event(subscription, published).to_string();
            let function = function.clone();
            shared.deliveries.spawn(async move {
                // What fails for good stands in the function's dead letters.
                function.invoke_async(event).await;
            });
        }
        Target::Queue { queue, raw: false } => {
            queue.send(envelope(subscription, published).to_string(), BTreeMap::new());
        }
        Target::Queue { queue, raw: true } => {
            let attributes = published.message.sent_attributes();
            if attributes.len() <= RAW_DELIVERY_MAX_ATTRIBUTES {
                queue.send(published.message.text_for("sqs"), attributes);
            }
        }
    }
}

fn signing_cert_url() -> String {
    format!("https://sns.{REGION}.amazonaws.com/SimpleNotificationService-{}.pem", "0".repeat(32))
}

fn unsubscribe_url(subscription: &str) -> String {
    format!("https://sns.{REGION}.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={subscription}")
}

/// No subscriber of ours checks it; it has the form of one.
fn signature() -> String {
    format!("{}==", "A".repeat(342))
}

/// What a function receives: capitals as they are, `Url` and not `URL`, and every field there.
fn lambda_event(subscription: &str, published: &Published) -> Value {
    let message = &published.message;
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription,
        "Sns": {
            "Type": "Notification",
            "MessageId": published.message_id,
            "TopicArn": published.topic_arn,
            "Subject": message.subject,
            "Message": message.text_for("lambda"),
            "Timestamp": timestamp(published.at),
            "SignatureVersion": "1",
            "Signature": signature(),
            "SigningCertUrl": signing_cert_url(),
            "UnsubscribeUrl": unsubscribe_url(subscription),
            "MessageAttributes": typed_attributes(message, true),
        },
    }]})
}

/// What stands in a queue, or goes to an HTTP subscriber: `URL`, and what is unset is left out.
fn envelope(subscription: &str, published: &Published) -> Value {
    let message = &published.message;
    let mut envelope = Map::new();
    let mut put = |name: &str, value: Value| envelope.insert(name.to_owned(), value);
    put("Type", "Notification".into());
    put("MessageId", published.message_id.as_str().into());
    put("TopicArn", published.topic_arn.as_str().into());
    if let Some(subject) = &message.subject {
        put("Subject", subject.as_str().into());
    }
    put("Message", message.text_for("sqs").into());
    put("Timestamp", timestamp(published.at).into());
    put("SignatureVersion", "1".into());
    put("Signature", signature().into());
    put("SigningCertURL", signing_cert_url().into());
    put("UnsubscribeURL", unsubscribe_url(subscription).into());
    let attributes = typed_attributes(message, false);
    if !attributes.is_empty() {
        put("MessageAttributes", attributes.into());
    }
    envelope.into()
}

/// Lambda knows `String` and `Binary` only.
fn typed_attributes(message: &Message, for_lambda: bool) -> Map<String, Value> {
    let attributes = message.sent_attributes().into_iter().map(|(name, attribute)| {
        let kind = match attribute.data_type.as_str() {
            "Number" | "String.Array" if for_lambda => "String",
            other => other,
        };
        (name, json!({"Type": kind, "Value": attribute.value()}))
    });
    attributes.collect()
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    headers: HeaderMap,
    body: String,
) -> Response {
    let fault = lock(&shared.state).next_fault();
    let request = Request::decode(&body);
    if let SnsFault::Hang(time) = fault {
        tokio::time::sleep(time).await;
        line.reset();
        record(&shared, &request, "no answer");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let result = admit(&headers, &request, &fault).and_then(|()| perform(&shared, &request));
    let outcome = match &result {
        _ if matches!(fault, SnsFault::LoseAnswer(_)) => "no answer",
        Ok((_, true)) => "ok",
        Ok((_, false)) => "partial",
        Err(error) => &error.code,
    };
    record(&shared, &request, outcome);
    if matches!(fault, SnsFault::LoseAnswer(_)) {
        line.reset();
    }
    let request_id = shared.ids.uuid();
    let (status, body) = match result {
        Ok((result, _)) => (200, query::response(&request.operation, &result, &request_id)),
        Err(error) => (error.status, query::error_response(&error, &request_id)),
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = (header::CONTENT_TYPE, "text/xml".to_owned());
    let request_id = (header::HeaderName::from_static("x-amzn-requestid"), request_id);
    (status, [content_type, request_id], body).into_response()
}

fn record(shared: &Shared, request: &Request, outcome: &str) {
    let operation = request.operation.clone();
    let call = SnsCall { operation, entries: request.messages(), outcome: outcome.to_owned() };
    lock(&shared.state).calls.push(call);
}

/// What is refused before the request is looked at.
fn admit(headers: &HeaderMap, request: &Request, fault: &SnsFault) -> Result<(), SnsError> {
    if !is_signed(headers, "sns") {
        let message = "Request is missing Authentication Token";
        return Err(SnsError::new(403, "MissingAuthenticationToken", message));
    }
    match fault {
        SnsFault::Throttle(_) => Err(SnsError::new(400, "Throttling", "Rate exceeded")),
        SnsFault::Internal(_) => Err(SnsError::new(500, "InternalError", "Internal error")),
        SnsFault::DenyOne(operation) if *operation != request.operation => Ok(()),
        SnsFault::Deny | SnsFault::DenyOne(_) => {
            let why = "because no identity-based policy allows it";
            let message = format!("User is not authorized to perform: SNS:{} {why}", request.operation);
            Err(SnsError::new(403, "AuthorizationError", message))
        }
        SnsFault::None | SnsFault::Hang(_) | SnsFault::LoseAnswer(_) => Ok(()),
    }
}

/// The XML of the result, and whether all of it is success.
fn perform(shared: &Shared, request: &Request) -> Result<(String, bool), SnsError> {
    let mut state = lock(&shared.state);
    match request.operation.as_str() {
        "Publish" => {
            let message = request.message();
            // The size comes first for the service too: it is checked before the topic is looked up.
            check_size(&message)?;
            let receipt = state.publish(shared, request.topic_arn(), message)?;
            Ok((query::receipt(&receipt), true))
        }
        "PublishBatch" => {
            let results = state.publish_batch(shared, request.topic_arn(), request.entries())?;
            let whole = results.iter().all(|(_, result)| result.is_ok());
            Ok((query::batch(&results), whole))
        }
        "GetTopicAttributes" => Ok((read::attributes(&mut state, request)?, true)),
        "ListSubscriptionsByTopic" => Ok((read::subscriptions(&mut state, request)?, true)),
        other => {
            let message = format!("Could not find operation {other} for version 2010-03-31");
            Err(SnsError::new(400, "InvalidAction", message))
        }
    }
}
