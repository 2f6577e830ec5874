//! Which function a message belongs to, and whether it may be called.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use alert_core::region::Arn;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use serde_json::Value;

use super::STACK_TAG;
use super::hand_back::INVOKE_MAX;
use super::message::Origin;
use super::queue::Queue;
use crate::commands::aws::{clean, problem};

/// Topics with more subscriptions than this many pages are for others than us.
const PAGES_MAX: usize = 10;
const SNS_PROTOCOL_FUNCTION: &str = "lambda";
const SNS_PROTOCOL_QUEUE: &str = "sqs";

/// Where a function is: only those of the queue's own account and region are called.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    partition: String,
    region: String,
    account: String,
}

impl Place {
    fn of(arn: &Arn<'_>) -> Self {
        let [partition, region, account] = [arn.partition, arn.region, arn.account].map(str::to_owned);
        Self { partition, region, account }
    }
}

/// How the ARN of every function there begins.
impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "arn:{}:lambda:{}:{}:function:", self.partition, self.region, self.account)
    }
}

/// A function's ARN; the version or alias that it may name is not a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FunctionArn {
    place: Place,
    name: String,
    qualifier: Option<String>,
}

impl FunctionArn {
    fn parse(text: &str) -> Option<Self> {
        let arn = Arn::parse(text)?;
        let (name, qualifier) = arn.function()?;
        Some(Self { place: Place::of(&arn), name: name.to_owned(), qualifier: qualifier.map(str::to_owned) })
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
pub(super) struct Functions {
    pub(super) lambda: aws_sdk_lambda::Client,
    sns: aws_sdk_sns::Client,
    given: Option<FunctionArn>,
    dead_letters: String,
    /// Where every function is that may be called: the queue's account and region.
    place: Place,
    stack: Result<Option<String>, String>,
    known: HashMap<Origin, Result<String, String>>,
}

impl Functions {
    pub(super) fn new(
        config: &aws_config::SdkConfig,
        given: Option<&str>,
        queue: &Queue,
    ) -> Result<Self, String> {
        let arn = Arn::parse(&queue.arn).filter(|arn| arn.queue_name().is_some());
        let arn = arn.ok_or_else(|| format!("SQS says that the queue's ARN is {:?}", queue.arn))?;
        let place = Place::of(&arn);
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
    pub(super) fn reach(&self) -> String {
        if let Some(given) = &self.given {
            return format!("Only {} is called.", given.arn());
        }
        let place = format!("{}, account {}", self.place.region, self.place.account);
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
    pub(super) async fn find(&mut self, origin: &Origin) -> Result<String, String> {
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
}

/// What `--function` names, in the queue's account and region.
fn given_function(given: &str, place: &Place) -> Result<FunctionArn, String> {
    let arn = if given.starts_with("arn:") { given.to_owned() } else { format!("{place}{given}") };
    let function = FunctionArn::parse(&arn)
        .ok_or_else(|| format!("--function {given:?}: expected a function's name or ARN"))?;
    if function.place != *place {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn functions_are_where_the_queue_is() {
        let place = &Place::of(&Arn::parse("arn:aws:sqs:eu-west-1:123456789012:alerts").unwrap());
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
}
