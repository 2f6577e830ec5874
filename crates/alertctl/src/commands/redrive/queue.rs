//! A dead-letter queue: the calls of SQS, and whose turn it is.

use std::collections::{BTreeSet, HashMap};

use alert_core::region::Arn;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName, QueueAttributeName};

use super::STACK_TAG;
use crate::commands::aws::problem;

/// How long a message is kept from others: longer than its turn takes. What fails is given free at the end.
const HIDDEN_SECONDS: i32 = 600;
/// Long polling asks all of SQS's servers; a short one may find nothing where there is something.
const WAIT_SECONDS: i32 = 1;
/// No queue has more than this in flight.
const MESSAGES_MAX: usize = 100_000;
/// Answers in a row that hold nothing new, before the queue counts as gone through.
const STALE_MAX: usize = 3;

/// The region that a queue's ARN or URL tells.
pub(super) fn region_of(queue: &str) -> Option<&str> {
    if let Some(arn) = Arn::parse(queue) {
        return Some(arn.region).filter(|region| !region.is_empty());
    }
    let host = queue.strip_prefix("https://")?.split('/').next()?;
    let (region, rest) = host.strip_prefix("sqs.")?.split_once('.')?;
    rest.starts_with("amazonaws.com").then_some(region)
}

/// A dead-letter queue.
pub(super) struct Queue {
    pub(super) client: aws_sdk_sqs::Client,
    pub(super) name: String,
    pub(super) url: String,
    pub(super) arn: String,
    /// The queue whose dead letters lie here, when it is a single one.
    pub(super) source: Option<String>,
    /// The id of the stack that made it, if one did; or why that is unknown.
    pub(super) stack: Result<Option<String>, String>,
    /// About how many messages wait.
    pub(super) waiting: u64,
}

impl Queue {
    pub(super) async fn find(client: aws_sdk_sqs::Client, given: &str) -> Result<Self, String> {
        let url = if given.starts_with("https://") || given.starts_with("http://") {
            given.to_owned()
        } else {
            let (owner, name) = if given.starts_with("arn:") {
                let queue = Arn::parse(given).and_then(|arn| Some((arn.account, arn.queue_name()?)));
                let (owner, name) = queue.ok_or_else(|| format!("{given:?} is not the ARN of a queue"))?;
                (Some(owner.to_owned()), name)
            } else {
                (None, given)
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
        let arn = Arn::parse(&self.arn);
        self.name = arn.as_ref().and_then(Arn::queue_name).unwrap_or_default().to_owned();
        let waiting = attributes.remove(&QueueAttributeName::ApproximateNumberOfMessages);
        self.waiting = waiting.and_then(|number| number.parse().ok()).unwrap_or_default();
        // A courtesy for messages that do not tell where they died; who may not ask gives --function.
        let sources = self.client.list_dead_letter_source_queues().queue_url(&self.url).send().await;
        let sources = sources.map(|answer| answer.queue_urls).unwrap_or_default();
        if let [source] = &sources[..]
            && let Some((_, name)) = source.rsplit_once('/')
            && let Some(arn) = arn
        {
            self.source = Some(Arn { resource: name, ..arn }.to_string());
        }
        let tags = self.client.list_queue_tags().queue_url(&self.url).send().await;
        self.stack = tags
            .map(|answer| answer.tags.and_then(|mut tags| tags.remove(STACK_TAG)))
            .map_err(|error| problem("SQS ListQueueTags", &self.name, &error));
        Ok(())
    }

    pub(super) async fn receive(&self, max: i32) -> Result<Vec<Message>, String> {
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

    pub(super) async fn delete(&self, receipt: &str) -> Result<(), String> {
        let call = self.client.delete_message().queue_url(&self.url).receipt_handle(receipt);
        call.send().await.map_err(|error| problem("SQS DeleteMessage", &self.name, &error))?;
        Ok(())
    }

    /// Makes messages visible again, as far as that succeeds: they come back by themselves later.
    pub(super) async fn give_free(&self, receipts: impl IntoIterator<Item = &String>) {
        for receipt in receipts {
            let call = self.client.change_message_visibility().queue_url(&self.url);
            let _ = call.receipt_handle(receipt).visibility_timeout(0).send().await;
        }
    }
}

/// The messages whose turn is over but that stay: their ids, and the receipts that give them free.
#[derive(Default)]
pub(super) struct Turns {
    pub(super) over: BTreeSet<String>,
    pub(super) kept: HashMap<String, String>,
    stale: usize,
}

impl Turns {
    /// Those of a received batch that have not had their turn; none, and `is_over`, when there are no more.
    pub(super) fn fresh(&mut self, batch: Vec<Message>) -> Vec<Message> {
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

    pub(super) fn keep(&mut self, message: &Message) {
        let id = message.message_id.clone().unwrap_or_default();
        self.kept.insert(id, message.receipt_handle.clone().unwrap_or_default());
    }

    pub(super) fn is_over(&self) -> bool {
        self.stale >= STALE_MAX || self.over.len() >= MESSAGES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:123456789012:alerts-dead-letters";

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
    fn regions() {
        assert_eq!(region_of(ARN), Some("eu-west-1"));
        assert_eq!(region_of("https://sqs.eu-west-1.amazonaws.com/123456789012/q"), Some("eu-west-1"));
        assert_eq!(region_of("http://127.0.0.1:5000/123456789012/q"), None);
        assert_eq!(region_of("alerts-dead-letters"), None);
    }
}
