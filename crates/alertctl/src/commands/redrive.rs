//! `alertctl redrive`.

use std::collections::{BTreeSet, HashMap};
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use alert_core::config::Config;
use alert_core::time;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};

use crate::command_line::Failure;
use crate::commands::aws::{self, clean, problem};
use crate::commands::terminal::{BOLD, GREEN, GREY, RED};
use crate::commands::{input, render};
use crate::plain::Plain;

/// A function that has not answered by then is not waited for; the stack's own end after 30 s.
const INVOKE_MAX: Duration = Duration::from_mins(2);
/// How long a message is kept from others: longer than its turn takes. What fails is given free at the end.
const HIDDEN_SECONDS: i32 = 600;
/// Long polling asks all of SQS's servers; a short one may find nothing where there is something.
const WAIT_SECONDS: i32 = 1;
/// No queue has more than this in flight.
const MESSAGES_MAX: usize = 100_000;
/// Answers in a row that hold nothing new, before the queue counts as gone through.
const STALE_MAX: usize = 3;
/// Topics with more subscriptions than this many pages are for others than us.
const PAGES_MAX: usize = 10;
/// CloudFormation's own tag on what it makes. Nobody else can set a tag of this kind.
const STACK_TAG: &str = "aws:cloudformation:stack-id";
const SNS_PROTOCOL_FUNCTION: &str = "lambda";
const SNS_PROTOCOL_QUEUE: &str = "sqs";

const EXAMPLES: &str = "\
Examples:
  alertctl redrive alerts-relay-failures --dry-run
  alertctl redrive alerts-relay-failures --rate 0.5
  alertctl redrive https://sqs.eu-west-1.amazonaws.com/111122223333/failures --function cloudwatch-to-slack

The stack's outputs name its queues: BufferDeadLetterQueueUrl, SubscriptionDeadLetterQueueUrl, RelayFailureQueueUrl,
FilterFailureQueueUrl, GrafanaRuleDeadLetterQueueUrl. Look with --dry-run first: it changes nothing.";

/// What the command line asks for.
///
/// Mend the cause first. A message is deleted only after its function took it without an error; the others stay, and
/// the reason is printed. Ends when every message had its turn. Only functions of the stack that made the queue are called,
/// or the one that `--function` names, and none of another account or region, whatever a message says.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The dead-letter queue: its name, URL or ARN.
    #[arg(value_parser = named_queue)]
    queue: String,
    /// Show what lies there, rendered, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// The one function to call, in the queue's account and region: its name or ARN. Without it, a message's own, which must
    /// belong to the queue's stack.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// The queue's region; its ARN's or the AWS configuration's, unless given.
    #[arg(long, value_parser = input::region)]
    region: Option<String>,
    /// Messages per second, at the most.
    #[arg(long, value_name = "N", default_value = "1", value_parser = rate)]
    rate: f64,
}

/// A queue as people name it: an ARN must be that of one.
fn named_queue(text: &str) -> Result<String, String> {
    let is_arn_of_another = text.strip_prefix("arn:").is_some_and(|rest| {
        let parts: Vec<_> = rest.split(':').collect();
        !matches!(parts[..], [_, "sqs", _, _, _])
    });
    if is_arn_of_another || text.trim().is_empty() {
        return Err(
            "expected a queue's name, its URL, or its ARN, arn:aws:sqs:REGION:ACCOUNT:NAME".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let expected = "expected a number above 0 and up to 100, such as 0.5";
    let rate: f64 = text.parse().map_err(|_| expected.to_owned())?;
    if (0.001..=100.0).contains(&rate) { Ok(rate) } else { Err(expected.to_owned()) }
}

/// Goes through a dead-letter queue.
pub(crate) async fn run(options: Options) -> Result<bool, Failure> {
    let config = configuration(&options).await?;
    let queue = Queue::find(aws_sdk_sqs::Client::new(&config), &options.queue).await?;
    let mut functions = Functions::new(&config, options.function.as_deref(), &queue)?;
    anstream::eprintln!("{}", Plain(functions.reach()));
    if options.dry_run {
        return Ok(show(&queue, &mut functions).await?);
    }
    Ok(redrive(&queue, &mut functions, Duration::from_secs_f64(1.0 / options.rate)).await?)
}

async fn configuration(options: &Options) -> Result<SdkConfig, Failure> {
    let of_queue = region_of(&options.queue);
    match (&options.region, of_queue) {
        (Some(given), Some(told)) if given != told => {
            let why = format!("--region {given}, but the queue is in {told}: {}", options.queue);
            Err(Failure::CommandLine(why))
        }
        (given, told) => Ok(aws::configuration(given.clone().or(told.map(str::to_owned))).await?),
    }
}

/// The region that a queue's ARN or URL tells.
fn region_of(queue: &str) -> Option<&str> {
    if let Some(rest) = queue.strip_prefix("arn:") {
        return rest.split(':').nth(2).filter(|region| !region.is_empty());
    }
    let host = queue.strip_prefix("https://")?.split('/').next()?;
    let (region, rest) = host.strip_prefix("sqs.")?.split_once('.')?;
    rest.starts_with("amazonaws.com").then_some(region)
}

/// A dead-letter queue.
struct Queue {
    client: aws_sdk_sqs::Client,
    name: String,
    url: String,
    arn: String,
    /// The queue whose dead letters lie here, when it is a single one.
    source: Option<String>,
    /// The id of the stack that made it, if one did; or why that is unknown.
    stack: Result<Option<String>, String>,
    /// About how many messages wait.
    waiting: u64,
}

impl Queue {
    async fn find(client: aws_sdk_sqs::Client, given: &str) -> Result<Self, String> {
        let url = if given.starts_with("https://") || given.starts_with("http://") {
            given.to_owned()
        } else {
            let (owner, name) = match given.strip_prefix("arn:") {
                Some(rest) => {
                    let parts: Vec<_> = rest.split(':').collect();
                    let [_, "sqs", _, owner, name] = parts[..] else {
                        return Err(format!("{given:?} is not the ARN of a queue"));
                    };
                    (Some(owner.to_owned()), name)
                }
                None => (None, given),
            };
            let call = client.get_queue_url().queue_name(name).set_queue_owner_aws_account_id(owner);
            let answer = call.send().await.map_err(|error| problem("SQS GetQueueUrl", given, &error))?;
            answer.queue_url.ok_or_else(|| format!("SQS names no URL for {given}"))?
        };
        let (name, arn) = (String::new(), String::new());
        let mut queue = Self { client, name, url, arn, source: None, stack: Ok(None), waiting: 0 };
        queue.describe().await?;
        Ok(queue)
    }

    async fn describe(&mut self) -> Result<(), String> {
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(QueueAttributeName::QueueArn)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages)
            .send()
            .await
            .map_err(|error| problem("SQS GetQueueAttributes", &self.url, &error))?;
        let mut attributes = answer.attributes.unwrap_or_default();
        self.arn = attributes.remove(&QueueAttributeName::QueueArn).unwrap_or_default();
        self.name = self.arn.rsplit(':').next().unwrap_or_default().to_owned();
        let waiting = attributes.remove(&QueueAttributeName::ApproximateNumberOfMessages);
        self.waiting = waiting.and_then(|number| number.parse().ok()).unwrap_or_default();
        // A courtesy for messages that do not tell where they died; who may not ask gives --function.
        let sources = self.client.list_dead_letter_source_queues().queue_url(&self.url).send().await;
        let sources = sources.map(|answer| answer.queue_urls).unwrap_or_default();
        if let [source] = &sources[..]
            && let Some((_, name)) = source.rsplit_once('/')
            && let Some((before, _)) = self.arn.rsplit_once(':')
        {
            self.source = Some(format!("{before}:{name}"));
        }
        let tags = self.client.list_queue_tags().queue_url(&self.url).send().await;
        self.stack = tags
            .map(|answer| answer.tags.and_then(|mut tags| tags.remove(STACK_TAG)))
            .map_err(|error| problem("SQS ListQueueTags", &self.name, &error));
        Ok(())
    }

    async fn receive(&self, max: i32) -> Result<Vec<Message>, String> {
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(max)
            .visibility_timeout(HIDDEN_SECONDS)
            .wait_time_seconds(WAIT_SECONDS)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await
            .map_err(|error| problem("SQS ReceiveMessage", &self.name, &error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    async fn delete(&self, receipt: &str) -> Result<(), String> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
        call.send().await.map_err(|error| problem("SQS DeleteMessage", &self.name, &error))?;
        Ok(())
    }

    /// Makes messages visible again, as far as that succeeds: they come back by themselves later.
    async fn give_free(&self, receipts: impl IntoIterator<Item = &String>) {
        for receipt in receipts {
            let call = self.client.change_message_visibility().queue_url(&self.url);
            let _ = call.receipt_handle(receipt).visibility_timeout(0).send().await;
        }
    }
}

/// The messages whose turn is over but that stay: their ids, and the receipts that give them free.
#[derive(Default)]
struct Turns {
    over: BTreeSet<String>,
    kept: HashMap<String, String>,
    stale: usize,
}

impl Turns {
    /// Those of a received batch that have not had their turn; none, and `is_over`, when there are no more.
    fn fresh(&mut self, batch: Vec<Message>) -> Vec<Message> {
        let is_empty = batch.is_empty();
        let mut fresh = Vec::new();
        for message in batch {
            let id = message.message_id.clone().unwrap_or_default();
            if self.over.contains(&id) {
                // Seen again, because its time was over: the new receipt is the one that counts.
                self.kept.insert(id, message.receipt_handle.unwrap_or_default());
            } else {
                self.over.insert(id);
                fresh.push(message);
            }
        }
        self.stale = match (is_empty, fresh.is_empty()) {
            (true, _) => STALE_MAX,
            (false, true) => self.stale + 1,
            (false, false) => 0,
        };
        fresh
    }

    fn keep(&mut self, message: &Message) {
        let id = message.message_id.clone().unwrap_or_default();
        self.kept.insert(id, message.receipt_handle.clone().unwrap_or_default());
    }

    fn is_over(&self) -> bool {
        self.stale >= STALE_MAX || self.over.len() >= MESSAGES_MAX
    }
}

async fn redrive(queue: &Queue, functions: &mut Functions, pace: Duration) -> Result<bool, String> {
    let mut turns = Turns::default();
    let mut progress = Progress::new(queue.waiting);
    let outcome = redrive_all(queue, functions, pace, &mut turns, &mut progress).await;
    queue.give_free(turns.kept.values()).await;
    progress.end();
    let (done, kept) = (progress.done, turns.kept.len());
    if done + kept == 0 && outcome.is_ok() {
        anstream::println!("{} is empty", queue.name);
    } else {
        anstream::println!("{done} handed back and deleted, {kept} left in {}", queue.name);
    }
    outcome?;
    Ok(kept == 0)
}

async fn redrive_all(
    queue: &Queue,
    functions: &mut Functions,
    pace: Duration,
    turns: &mut Turns,
    progress: &mut Progress,
) -> Result<(), String> {
    let mut next = tokio::time::Instant::now();
    while !turns.is_over() {
        // One at a time, so that none waits hidden behind slow ones until others may see it again.
        for message in turns.fresh(queue.receive(1).await?) {
            tokio::time::sleep_until(next).await;
            next = tokio::time::Instant::now() + pace;
            let event = Event::of(&message, queue);
            let handed = match functions.find(&event.origin).await {
                Ok(function) => functions.invoke(&function, &event).await,
                Err(unknown) => Err(unknown),
            };
            // What cannot be deleted comes again: the same alert twice rather than a wrong number here.
            let handed = match handed {
                Ok(()) => queue.delete(message.receipt_handle().unwrap_or_default()).await,
                Err(why) => Err(why),
            };
            if let Err(why) = &handed {
                turns.keep(&message);
                let id = clean(message.message_id().unwrap_or_default());
                progress.say(&format!("{RED}failed{RED:#} {id}: {}", Plain(why)));
            }
            progress.turn(handed.is_ok());
        }
    }
    Ok(())
}

async fn show(queue: &Queue, functions: &mut Functions) -> Result<bool, String> {
    let mut turns = Turns::default();
    let mut outcome = Ok(());
    while outcome.is_ok() && !turns.is_over() {
        outcome = match queue.receive(10).await {
            Err(why) => Err(why),
            Ok(batch) => {
                let fresh = turns.fresh(batch);
                for message in &fresh {
                    turns.keep(message);
                }
                show_each(queue, functions, &fresh).await;
                Ok(())
            }
        };
    }
    queue.give_free(turns.kept.values()).await;
    anstream::println!("{} in {}; nothing was changed", turns.over.len(), queue.name);
    outcome.map(|()| true)
}

async fn show_each(queue: &Queue, functions: &mut Functions, messages: &[Message]) {
    let config = Config::default();
    for message in messages {
        let event = Event::of(message, queue);
        let sent = system(message, &MessageSystemAttributeName::SentTimestamp)
            .and_then(|millis| millis.parse().ok())
            .and_then(time::from_epoch_millis)
            .map_or_else(String::new, |sent| format!(", here or in its queue since {}", sent.to_rfc3339()));
        anstream::println!("{BOLD}{}{BOLD:#}{sent}", clean(message.message_id().unwrap_or_default()));
        match functions.find(&event.origin).await {
            Ok(function) => anstream::println!("{GREY}for {}{GREY:#}", clean(&function)),
            Err(why) => anstream::println!("{RED}{}{RED:#}", Plain(why)),
        }
        if let Some(why) = &event.died_of {
            anstream::println!("{GREY}it failed with {why}{GREY:#}");
        }
        render::show(event.payload.as_bytes(), render::Format::Text, None, &config, None);
    }
}

/// How far it is: a bar on a terminal when it takes longer than a second.
struct Progress {
    begin: Instant,
    waiting: u64,
    done: usize,
    turns: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    fn new(waiting: u64) -> Self {
        Self { begin: Instant::now(), waiting, done: 0, turns: 0, bar: None }
    }

    fn turn(&mut self, is_done: bool) {
        self.turns += 1;
        self.done += usize::from(is_done);
        if self.bar.is_none()
            && self.begin.elapsed() > Duration::from_secs(1)
            && std::io::stderr().is_terminal()
        {
            let style = ProgressStyle::with_template("{bar:40} {pos} of about {len}, {eta} to go");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            self.bar = Some(ProgressBar::new(self.waiting).with_style(style));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(self.waiting.max(self.turns));
            bar.set_position(self.turns);
        }
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| anstream::eprintln!("{line}")),
            None => anstream::eprintln!("{line}"),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.done > 0 && self.turns == self.done as u64 {
            anstream::print!("{GREEN}✔{GREEN:#} ");
        }
    }
}

/// Where a message was on its way when it died.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Origin {
    /// On its way to this function.
    Function(String),
    /// In this queue.
    Queue(String),
    /// On its way from this topic.
    Topic(String),
    /// It does not tell.
    Unknown,
}

/// What a function is given: the event that it would have got, or what tells of it.
#[derive(Debug)]
struct Event {
    payload: String,
    origin: Origin,
    /// Whether Lambda would read `batchItemFailures` out of the answer.
    is_batch: bool,
    /// The error that brought it here, where that is known.
    died_of: Option<String>,
}

impl Event {
    fn of(message: &Message, queue: &Queue) -> Self {
        let body = message.body().unwrap_or_default();
        let attribute = |name: &str| {
            let attributes = message.message_attributes.as_ref();
            attributes.and_then(|attributes| attributes.get(name)?.string_value())
        };
        // EventBridge's names, and those of Lambda's own dead-letter queues.
        let code = attribute("ERROR_CODE").or_else(|| attribute("ErrorCode"));
        let said = attribute("ERROR_MESSAGE").or_else(|| attribute("ErrorMessage"));
        let died_of = code.or(said).map(|_| {
            let parts: Vec<_> = code.into_iter().chain(said).collect();
            clean(&parts.join(": "))
        });
        let whole = |origin, died_of| Self { payload: body.to_owned(), origin, is_batch: false, died_of };

        let parsed = serde_json::from_str::<Value>(body).ok().filter(Value::is_object).unwrap_or_default();
        let has = |key: &str| parsed.get(key).is_some();
        if has("requestPayload") && has("requestContext") {
            let function = parsed.pointer("/requestContext/functionArn").and_then(Value::as_str);
            // Lambda tells the version too; the newest code is asked for by no version.
            let origin = function.map_or(Origin::Unknown, |arn| {
                Origin::Function(arn.strip_suffix(":$LATEST").unwrap_or(arn).to_owned())
            });
            return whole(origin, parsed.get("responsePayload").and_then(error));
        }
        let own_source = system(message, &MessageSystemAttributeName::DeadLetterQueueSourceArn);
        if let Some(source) = own_source.or(queue.source.as_deref()) {
            return Self::batch(message, source, Origin::Queue(source.to_owned()));
        }
        if let Some(target) = attribute("TARGET_ARN") {
            return whole(Origin::Function(target.to_owned()), died_of);
        }
        if let Some(topic) = parsed.get("TopicArn").and_then(Value::as_str)
            && has("Message")
            && has("MessageId")
        {
            let origin = Origin::Topic(topic.to_owned());
            return Self { payload: notification(&parsed), ..whole(origin, died_of) };
        }
        if has("Records") || has("detail-type") || has("alarmData") {
            return whole(Origin::Unknown, died_of);
        }
        Self { died_of, ..Self::batch(message, &queue.arn, Origin::Unknown) }
    }

    /// What Lambda makes of one message of a queue.
    fn batch(message: &Message, source: &str, origin: Origin) -> Self {
        let record = sqs_record(message, source);
        Self { payload: json!({"Records": [record]}).to_string(), origin, is_batch: true, died_of: None }
    }
}

fn system<'m>(message: &'m Message, name: &MessageSystemAttributeName) -> Option<&'m str> {
    message.attributes.as_ref()?.get(name).map(String::as_str)
}

/// A message as Lambda's event source mapping hands it over.
fn sqs_record(message: &Message, source: &str) -> Value {
    let attributes: Map<_, _> = message
        .attributes
        .iter()
        .flatten()
        .map(|(name, value)| (name.as_str().to_owned(), value.as_str().into()))
        .collect();
    let message_attributes: Map<_, _> = message
        .message_attributes
        .iter()
        .flatten()
        .map(|(name, attribute)| {
            let mut value = Map::new();
            if let Some(text) = attribute.string_value() {
                value.insert("stringValue".to_owned(), text.into());
            }
            if let Some(bytes) = attribute.binary_value() {
                value.insert("binaryValue".to_owned(), BASE64_STANDARD.encode(bytes).into());
            }
            value.insert("stringListValues".to_owned(), json!([]));
            value.insert("binaryListValues".to_owned(), json!([]));
            value.insert("dataType".to_owned(), attribute.data_type().into());
            (name.clone(), value.into())
        })
        .collect();
    let mut record = Map::new();
    record.insert("messageId".to_owned(), message.message_id().into());
    record.insert("receiptHandle".to_owned(), message.receipt_handle().into());
    record.insert("body".to_owned(), message.body().unwrap_or_default().into());
    record.insert("attributes".to_owned(), attributes.into());
    record.insert("messageAttributes".to_owned(), message_attributes.into());
    record.insert("md5OfBody".to_owned(), message.md5_of_body().into());
    if let Some(md5) = message.md5_of_message_attributes() {
        record.insert("md5OfMessageAttributes".to_owned(), md5.into());
    }
    record.insert("eventSource".to_owned(), "aws:sqs".into());
    record.insert("eventSourceARN".to_owned(), source.into());
    record.insert("awsRegion".to_owned(), source.split(':').nth(3).into());
    Value::Object(record)
}

/// An SNS notification as queues get it, made into the event that a function gets: some keys have other names.
fn notification(body: &Value) -> String {
    let mut sns = Map::new();
    for key in [
        "Type",
        "MessageId",
        "TopicArn",
        "Subject",
        "Message",
        "Timestamp",
        "SignatureVersion",
        "Signature",
        "SigningCertUrl",
        "UnsubscribeUrl",
        "MessageAttributes",
    ] {
        let value = body.get(key).or_else(|| body.get(key.replace("Url", "URL"))).cloned();
        let absent = if key == "MessageAttributes" { json!({}) } else { Value::Null };
        sns.insert(key.to_owned(), value.unwrap_or(absent));
    }
    let topic = body.get("TopicArn").and_then(Value::as_str).unwrap_or_default();
    json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": topic,
        "Sns": sns,
    }]})
    .to_string()
}

/// `{"errorType": …, "errorMessage": …}`, in words.
fn error(answer: &Value) -> Option<String> {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let parts: Vec<_> = [text("errorType"), text("errorMessage")].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| clean(&parts.join(": ")))
}

/// A function's ARN; the version or alias that it may name is not a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FunctionArn {
    /// `arn:aws:lambda:REGION:ACCOUNT:function:`, and so the account and the region.
    place: String,
    name: String,
    qualifier: Option<String>,
}

impl FunctionArn {
    fn parse(arn: &str) -> Option<Self> {
        let at = arn.match_indices(':').nth(5)?.0 + 1;
        let (place, function) = arn.split_at(at);
        let (name, qualifier) = match function.split_once(':') {
            Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
            None => (function, None),
        };
        let is_word = |text: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_$".contains(c))
        };
        let is_sound = place.starts_with("arn:")
            && place.ends_with(":function:")
            && place.split(':').nth(2) == Some("lambda")
            && is_word(name)
            && qualifier.as_deref().is_none_or(is_word);
        is_sound.then(|| Self { place: place.to_owned(), name: name.to_owned(), qualifier })
    }

    fn unqualified(&self) -> String {
        format!("{}{}", self.place, self.name)
    }

    /// What is called.
    fn arn(&self) -> String {
        match &self.qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.unqualified()),
            None => self.unqualified(),
        }
    }
}

/// Finds functions, and calls them.
struct Functions {
    lambda: aws_sdk_lambda::Client,
    sns: aws_sdk_sns::Client,
    given: Option<FunctionArn>,
    dead_letters: String,
    /// How the ARN of every function begins that may be called: the queue's account and region.
    place: String,
    stack: Result<Option<String>, String>,
    known: HashMap<Origin, Result<String, String>>,
}

impl Functions {
    fn new(config: &aws_config::SdkConfig, given: Option<&str>, queue: &Queue) -> Result<Self, String> {
        let parts: Vec<_> = queue.arn.split(':').collect();
        let ["arn", partition, "sqs", region, account, _] = parts[..] else {
            return Err(format!("SQS says that the queue's ARN is {:?}", queue.arn));
        };
        let place = format!("arn:{partition}:lambda:{region}:{account}:function:");
        let given = given.map(|given| given_function(given, &place)).transpose()?;
        // A second attempt of a call that was only slow would deliver twice; the message stays where it is instead.
        let lambda = aws_sdk_lambda::config::Builder::from(config)
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_timeout(INVOKE_MAX).build())
            .build();
        Ok(Self {
            lambda: aws_sdk_lambda::Client::from_conf(lambda),
            sns: aws_sdk_sns::Client::new(config),
            given,
            dead_letters: queue.arn.clone(),
            place,
            stack: queue.stack.clone(),
            known: HashMap::new(),
        })
    }

    /// What may be called, for people.
    fn reach(&self) -> String {
        if let Some(given) = &self.given {
            return format!("Only {} is called.", given.arn());
        }
        let place = self.place.trim_start_matches("arn:").trim_end_matches(":function:").split(':');
        let place = place.skip(2).collect::<Vec<_>>().join(", account ");
        match &self.stack {
            Ok(Some(stack)) => {
                format!("Only functions of the stack {} are called, in {place}.", stack_name(stack))
            }
            Ok(None) => format!(
                "The queue is of no stack: only the function that AWS names for a message's source is called, in {place}."
            ),
            Err(why) => format!(
                "The queue's stack is unknown ({why}): only the function that AWS names for a message's source is called, in {place}."
            ),
        }
    }

    /// The function that messages from there belong to; the error names the way out.
    async fn find(&mut self, origin: &Origin) -> Result<String, String> {
        if let Some(known) = self.known.get(origin) {
            return known.clone();
        }
        let found = match (origin, &self.given) {
            (Origin::Function(named), Some(given)) => FunctionArn::parse(named)
                .filter(|named| named.unqualified() == given.unqualified())
                .map(|_| given.arn())
                .ok_or_else(|| format!("it names another function than --function: {}", clean(named))),
            (_, Some(given)) => Ok(given.arn()),
            (Origin::Function(named), None) => self.of_stack(named, true).await,
            (Origin::Queue(arn), None) => match only(self.behind_queue(arn).await, "read", arn) {
                Ok(found) => self.of_stack(&found, false).await,
                Err(why) => Err(why),
            },
            (Origin::Topic(arn), None) => {
                match only(self.behind_topic(arn).await, "are subscribed to", arn) {
                    Ok(found) => self.of_stack(&found, false).await,
                    Err(why) => Err(why),
                }
            }
            (Origin::Unknown, None) => Err("it does not tell its function".to_owned()),
        };
        let found = found.map_err(|why| format!("{why}; say which it is: --function NAME"));
        self.known.insert(origin.clone(), found.clone());
        found
    }

    /// A function, when it may be called: it is where the queue is, and of the queue's stack. Where no stack made the queue, what
    /// AWS told is enough, and what only the message tells is not.
    async fn of_stack(&self, arn: &str, only_told: bool) -> Result<String, String> {
        let shown = clean(arn);
        let function =
            FunctionArn::parse(arn).ok_or_else(|| format!("{shown} is not the ARN of a function"))?;
        if function.place != self.place {
            return Err(format!("{shown} is in another account or region than the queue"));
        }
        let stack = match &self.stack {
            Ok(Some(stack)) => stack,
            _ if !only_told => return Ok(function.arn()),
            Ok(None) => {
                return Err(format!("{shown} is named by the message alone, and the queue is of no stack"));
            }
            Err(why) => return Err(format!("{shown} is named by the message alone, and {why}")),
        };
        let call = self.lambda.list_tags().resource(function.unqualified());
        let answer = call.send().await.map_err(|error| problem("Lambda ListTags", &shown, &error))?;
        if answer.tags.and_then(|mut tags| tags.remove(STACK_TAG)).as_ref() != Some(stack) {
            return Err(format!("{shown} is not of the stack {}", stack_name(stack)));
        }
        Ok(function.arn())
    }

    async fn behind_queue(&self, arn: &str) -> Result<BTreeSet<String>, String> {
        let call = self.lambda.list_event_source_mappings().event_source_arn(arn);
        let answer = call.send().await.map_err(|error| {
            problem("its function is unknown: Lambda ListEventSourceMappings", arn, &error)
        })?;
        let mappings = answer.event_source_mappings.unwrap_or_default();
        Ok(mappings.into_iter().filter_map(|mapping| mapping.function_arn).collect())
    }

    /// The functions behind those of a topic's subscriptions whose dead letters go to our queue.
    async fn behind_topic(&self, arn: &str) -> Result<BTreeSet<String>, String> {
        let mut functions = BTreeSet::new();
        let mut token = None;
        for _ in 0..PAGES_MAX {
            let call = self.sns.list_subscriptions_by_topic().topic_arn(arn).set_next_token(token.take());
            let page = call.send().await.map_err(|error| {
                problem("its function is unknown: SNS ListSubscriptionsByTopic", arn, &error)
            })?;
            for subscription in page.subscriptions.unwrap_or_default() {
                let protocol = subscription.protocol().unwrap_or_default();
                if ![SNS_PROTOCOL_FUNCTION, SNS_PROTOCOL_QUEUE].contains(&protocol) {
                    continue;
                }
                let id = subscription.subscription_arn().unwrap_or_default();
                let call = self.sns.get_subscription_attributes().subscription_arn(id);
                let answer = call.send().await.map_err(|error| {
                    problem("its function is unknown: SNS GetSubscriptionAttributes", id, &error)
                })?;
                let policy = answer.attributes.unwrap_or_default().remove("RedrivePolicy");
                let policy = policy.and_then(|policy| serde_json::from_str::<Value>(&policy).ok());
                if policy.is_none_or(|policy| policy["deadLetterTargetArn"] != *self.dead_letters) {
                    continue;
                }
                let endpoint = subscription.endpoint().unwrap_or_default();
                if protocol == SNS_PROTOCOL_FUNCTION {
                    functions.insert(endpoint.to_owned());
                } else {
                    functions.extend(self.behind_queue(endpoint).await?);
                }
            }
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        Ok(functions)
    }

    /// Hands the event over, and waits for what the function says.
    async fn invoke(&self, function: &str, event: &Event) -> Result<(), String> {
        let answer = self
            .lambda
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::RequestResponse)
            .log_type(LogType::Tail)
            .payload(Blob::new(event.payload.as_bytes()))
            .send()
            .await
            .map_err(|error| problem("Lambda Invoke", function, &error))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        match refusal(event.is_batch, answer.function_error.as_deref(), &payload) {
            None => Ok(()),
            Some(why) => {
                let logged = answer.log_result.as_deref().and_then(logged);
                Err(logged.map_or_else(|| why.clone(), |logged| format!("{why} ({logged})")))
            }
        }
    }
}

/// What `--function` names, in the queue's account and region.
fn given_function(given: &str, place: &str) -> Result<FunctionArn, String> {
    let arn = if given.starts_with("arn:") { given.to_owned() } else { format!("{place}{given}") };
    let function = FunctionArn::parse(&arn)
        .ok_or_else(|| format!("--function {given:?}: expected a function's name or ARN"))?;
    if function.place != place {
        return Err(format!(
            "--function {given}: it is in another account or region than the queue, {place}…"
        ));
    }
    Ok(function)
}

/// `arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/ID`, as people know it.
fn stack_name(id: &str) -> &str {
    id.split('/').nth(1).unwrap_or(id)
}

/// The one function that was found.
fn only(found: Result<BTreeSet<String>, String>, verb: &str, source: &str) -> Result<String, String> {
    let mut found = found?;
    match found.len() {
        1 => found.pop_first().ok_or_else(String::new),
        0 => Err(format!("its function is unknown: none is found behind {source}")),
        _ => Err(format!("its function is unknown: {} {verb} {source}", found.len())),
    }
}

/// Why an answer is no success; `None` when it is one. As Lambda itself reads it, and an HTTP status besides.
fn refusal(is_batch: bool, function_error: Option<&str>, payload: &[u8]) -> Option<String> {
    let answer = match serde_json::from_slice::<Value>(payload) {
        Ok(answer) => answer,
        Err(_) if payload.is_empty() => Value::Null,
        Err(_) if is_batch => return Some("the function's answer is not JSON".to_owned()),
        Err(_) => Value::Null,
    };
    if let Some(kind) = function_error {
        return Some(error(&answer).unwrap_or_else(|| format!("the function failed: {}", clean(kind))));
    }
    if let Some(status) = answer.get("statusCode").and_then(Value::as_u64)
        && status >= 400
    {
        return Some(format!("the function answered with status {status}"));
    }
    match answer.get("batchItemFailures") {
        None | Some(Value::Null) => None,
        Some(Value::Array(failures)) if failures.is_empty() => None,
        Some(_) => Some("the function could not deliver it".to_owned()),
    }
}

/// The last failure in the end of a function's log, which Lambda sends along.
fn logged(tail: &str) -> Option<String> {
    let log = BASE64_STANDARD.decode(tail).ok()?;
    let log = String::from_utf8_lossy(&log);
    let failure = |line: &str| {
        let line = serde_json::from_str::<Value>(line).ok()?;
        let kind = line.get("error_type").and_then(Value::as_str)?;
        let why = line.get("why").and_then(Value::as_str).unwrap_or_default();
        Some(clean(&format!("{kind}: {why}")))
    };
    log.lines().rev().find_map(failure)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use alert_core::envelope::{self, Hop};
    use aws_sdk_sqs::primitives::Blob;
    use aws_sdk_sqs::types::MessageAttributeValue;

    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:alerts-dead-letters";

    fn queue(source: Option<&str>) -> Queue {
        let config =
            aws_sdk_sqs::Config::builder().behavior_version(aws_config::BehaviorVersion::latest()).build();
        Queue {
            client: aws_sdk_sqs::Client::from_conf(config),
            name: "alerts-dead-letters".to_owned(),
            url: String::new(),
            arn: ARN.to_owned(),
            source: source.map(str::to_owned),
            stack: Ok(None),
            waiting: 0,
        }
    }

    fn message(body: &str) -> aws_sdk_sqs::types::builders::MessageBuilder {
        Message::builder().message_id("id-1").receipt_handle("receipt").body(body).md5_of_body("md5")
    }

    fn text(value: &str) -> MessageAttributeValue {
        MessageAttributeValue::builder().data_type("String").string_value(value).build().unwrap()
    }

    #[test]
    fn a_queues_message_becomes_the_batch_that_lambda_would_make() {
        let payload = MessageAttributeValue::builder()
            .data_type("Binary")
            .binary_value(Blob::new(br#"{"alerts":[]}"#))
            .build()
            .unwrap();
        let source = "arn:aws:sqs:eu-west-1:123456789012:alerts-buffer";
        let message = message("Alert Name : a")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "41")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1789384724500")
            .attributes(MessageSystemAttributeName::DeadLetterQueueSourceArn, source)
            .message_attributes("alertname", text("a"))
            .message_attributes("payload", payload)
            .build();
        let event = Event::of(&message, &queue(None));
        assert!(event.is_batch);
        assert_eq!(event.origin, Origin::Queue(source.to_owned()));
        let json: Value = serde_json::from_str(&event.payload).unwrap();
        let record = &json["Records"][0];
        assert_eq!(record["eventSource"], "aws:sqs");
        assert_eq!(record["eventSourceARN"], source);
        assert_eq!(record["awsRegion"], "eu-west-1");
        assert_eq!(record["attributes"]["ApproximateReceiveCount"], "41");
        assert_eq!(record["messageAttributes"]["alertname"]["stringValue"], "a");
        assert_eq!(record["messageAttributes"]["payload"]["binaryValue"], "eyJhbGVydHMiOltdfQ==");
        let decoded = envelope::decode(event.payload.as_bytes());
        assert_eq!(decoded.reply, envelope::Reply::BatchItemFailures);
        assert_eq!(decoded.records[0].tries, 41);
        assert_eq!(decoded.records[0].payload.as_deref(), Some(r#"{"alerts":[]}"#));
        assert_eq!(decoded.records[0].attributes["alertname"], "a");
    }

    #[test]
    fn a_notification_becomes_the_event_of_its_topic() {
        let body = json!({
            "Type": "Notification", "MessageId": "m-1", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts",
            "Message": "hello", "Timestamp": "2026-09-14T11:18:44.500Z", "SigningCertURL": "https://cert",
        });
        let event = Event::of(&message(&body.to_string()).build(), &queue(None));
        assert_eq!(event.origin, Origin::Topic("arn:aws:sns:eu-west-1:123456789012:alerts".to_owned()));
        assert!(!event.is_batch);
        let json: Value = serde_json::from_str(&event.payload).unwrap();
        assert_eq!(json["Records"][0]["Sns"]["SigningCertUrl"], "https://cert");
        assert_eq!(json["Records"][0]["Sns"]["Subject"], Value::Null);
        let decoded = envelope::decode(event.payload.as_bytes());
        assert_eq!(decoded.records[0].path, [Hop::Sns]);
        assert_eq!(decoded.records[0].id.as_deref(), Some("m-1"));
    }

    #[test]
    fn events_tell_their_function() {
        let record = json!({
            "requestContext": {"requestId": "r-1", "functionArn": "arn:aws:lambda:r:1:function:f:$LATEST"},
            "requestPayload": {"Records": []},
            "responsePayload": {"errorType": "rate_limited", "errorMessage": "Slack\nwants a pause"},
        });
        // An invocation record tells its function wherever it lies.
        for source in [None, Some("arn:aws:sqs:r:1:other")] {
            let event = Event::of(&message(&record.to_string()).build(), &queue(source));
            assert_eq!(event.origin, Origin::Function("arn:aws:lambda:r:1:function:f".to_owned()));
            assert_eq!(event.payload, record.to_string());
            assert_eq!(event.died_of.as_deref(), Some("rate_limited: Slack wants a pause"));
        }
        let rule = message(r#"{"detail-type":"grafana-alert","source":"grafana","detail":{}}"#)
            .message_attributes("TARGET_ARN", text("arn:aws:lambda:r:1:function:filter"))
            .message_attributes("ERROR_CODE", text("NO_PERMISSIONS"));
        let event = Event::of(&rule.build(), &queue(None));
        assert_eq!(event.origin, Origin::Function("arn:aws:lambda:r:1:function:filter".to_owned()));
        assert_eq!(event.died_of.as_deref(), Some("NO_PERMISSIONS"));
        let direct = message(r#"{"alarmData":{}}"#).build();
        assert_eq!(Event::of(&direct, &queue(None)).payload, r#"{"alarmData":{}}"#);
        // What nobody knows is a message of this queue.
        let event = Event::of(&message("plain text").build(), &queue(None));
        assert!(event.is_batch && event.origin == Origin::Unknown && event.payload.contains(ARN));
    }

    #[test]
    fn what_counts_as_success() {
        for payload in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"statusCode":200}"#] {
            assert_eq!(refusal(true, None, payload.as_bytes()), None, "{payload}");
        }
        for payload in [
            r#"{"batchItemFailures":[{"itemIdentifier":"id-1"}]}"#,
            // Lambda takes an id that it does not know for the failure of all.
            r#"{"batchItemFailures":[{"itemIdentifier":"another"}]}"#,
            r#"{"batchItemFailures":1}"#,
            r#"{"statusCode":502}"#,
            "no JSON",
        ] {
            assert!(refusal(true, None, payload.as_bytes()).is_some(), "{payload}");
        }
        let failed = refusal(false, Some("Unhandled"), br#"{"errorType":"a","errorMessage":"b"}"#);
        assert_eq!(failed.as_deref(), Some("a: b"));
        assert!(refusal(false, Some("Unhandled"), b"").is_some());
    }

    #[test]
    fn every_message_has_one_turn() {
        let mut turns = Turns::default();
        let batch =
            |id: &str, receipt: &str| vec![Message::builder().message_id(id).receipt_handle(receipt).build()];
        for message in turns.fresh(batch("a", "1")) {
            turns.keep(&message);
        }
        assert_eq!(turns.fresh(batch("b", "2")).len(), 1);
        for _ in 0..STALE_MAX {
            assert!(!turns.is_over());
            assert!(turns.fresh(batch("a", "3")).is_empty());
        }
        assert!(turns.is_over());
        assert_eq!(turns.kept, HashMap::from([("a".to_owned(), "3".to_owned())]));
    }

    #[test]
    fn functions_are_where_the_queue_is() {
        let place = "arn:aws:lambda:eu-west-1:123456789012:function:";
        for (given, called) in [
            ("relay", "relay"),
            ("relay:live", "relay:live"),
            ("arn:aws:lambda:eu-west-1:123456789012:function:relay", "relay"),
            ("arn:aws:lambda:eu-west-1:123456789012:function:relay:3", "relay:3"),
        ] {
            let function = given_function(given, place).unwrap();
            assert_eq!(function.arn(), format!("{place}{called}"));
            assert_eq!(function.unqualified(), format!("{place}relay"));
        }
        for refused in [
            "",
            "a b",
            "123456789012:function:relay",
            "arn:aws:lambda:eu-west-1:999999999999:function:relay",
            "arn:aws:lambda:us-east-1:123456789012:function:relay",
            "arn:aws-cn:lambda:eu-west-1:123456789012:function:relay",
            "arn:aws:sqs:eu-west-1:123456789012:relay",
            "arn:aws:lambda:eu-west-1:123456789012:function:relay:3:4",
        ] {
            assert!(given_function(refused, place).is_err(), "{refused}");
        }
    }

    #[test]
    fn regions_rates_and_reasons() {
        assert_eq!(region_of(ARN), Some("eu-west-1"));
        assert_eq!(region_of("https://sqs.eu-west-1.amazonaws.com/123456789012/q"), Some("eu-west-1"));
        assert_eq!(region_of("http://127.0.0.1:5000/123456789012/q"), None);
        assert_eq!(region_of("alerts-dead-letters"), None);
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "NaN", "inf", "1000", "one"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
        let log =
            BASE64_STANDARD.encode("START\n{\"error_type\":\"a\",\"why\":\"b\"}\n{\"level\":\"INFO\"}\nEND");
        assert_eq!(logged(&log).as_deref(), Some("a: b"));
    }
}
