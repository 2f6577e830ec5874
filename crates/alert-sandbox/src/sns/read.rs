//! What topics tell of themselves: GetTopicAttributes and ListSubscriptionsByTopic.
//!
//! Source: Amazon SNS API Reference, the pages of these two.

use std::fmt::Write;

use super::query::{Request, escape};
use super::{SnsError, Target, Topic, Topics};
use crate::aws::ACCOUNT;

/// An answer's most subscriptions (API reference, ListSubscriptionsByTopic).
pub const SUBSCRIPTIONS_PAGE_MAX: usize = 100;

/// What stands in the place of the ARN until somebody confirms.
const PENDING: &str = "PendingConfirmation";

/// A subscription of somebody who is not in the sandbox: nothing is delivered.
#[derive(Debug)]
pub(super) struct Outsider {
    /// None until it is confirmed.
    pub(super) arn: Option<String>,
    pub(super) protocol: String,
    pub(super) endpoint: String,
}

/// What a list says of one subscription: its ARN, its protocol, its endpoint.
fn listed(topic: &Topic) -> Vec<(String, String, String)> {
    let own = topic.subscriptions.iter().map(|(arn, target)| {
        let (protocol, endpoint) = match target {
            Target::Function(function) => ("lambda", function.arn()),
            Target::Queue { queue, .. } => ("sqs", queue.arn()),
        };
        (arn.clone(), protocol.to_owned(), endpoint)
    });
    let outside = topic.outsiders.iter().map(|other| {
        let arn = other.arn.clone().unwrap_or_else(|| PENDING.to_owned());
        (arn, other.protocol.clone(), other.endpoint.clone())
    });
    own.chain(outside).collect()
}

/// The XML of a topic's attributes.
pub(super) fn attributes(topics: &mut Topics, request: &Request) -> Result<String, SnsError> {
    let arn = request.topic_arn().to_owned();
    let topic = topics.topic(&arn)?;
    let pending = topic.outsiders.iter().filter(|other| other.arn.is_none()).count();
    let confirmed = topic.subscriptions.len() + topic.outsiders.len() - pending;
    let entries = [
        ("TopicArn", arn),
        ("Owner", ACCOUNT.to_owned()),
        ("DisplayName", String::new()),
        ("SubscriptionsConfirmed", confirmed.to_string()),
        ("SubscriptionsPending", pending.to_string()),
        ("SubscriptionsDeleted", "0".to_owned()),
    ];
    let mut xml = "<Attributes>".to_owned();
    for (key, value) in entries {
        // Writing to a string cannot fail.
        let _ = write!(xml, "<entry><key>{key}</key><value>{}</value></entry>", escape(&value));
    }
    Ok(xml + "</Attributes>")
}

/// The XML of a page of a topic's subscriptions.
pub(super) fn subscriptions(topics: &mut Topics, request: &Request) -> Result<String, SnsError> {
    let arn = request.topic_arn().to_owned();
    let all = listed(topics.topic(&arn)?);
    let start = match request.next_token() {
        None => 0,
        Some(token) => {
            let number = token.strip_prefix("subscriptions-").and_then(|number| number.parse().ok());
            number.filter(|start| *start < all.len()).ok_or_else(|| SnsError::invalid("NextToken"))?
        }
    };
    let mut xml = "<Subscriptions>".to_owned();
    for (subscription, protocol, endpoint) in all.iter().skip(start).take(SUBSCRIPTIONS_PAGE_MAX) {
        let _ = write!(
            xml,
            "<member><SubscriptionArn>{subscription}</SubscriptionArn><Owner>{ACCOUNT}</Owner><Protocol>{protocol}</Protocol>\
             <Endpoint>{}</Endpoint><TopicArn>{arn}</TopicArn></member>",
            escape(endpoint)
        );
    }
    xml += "</Subscriptions>";
    let end = start + SUBSCRIPTIONS_PAGE_MAX;
    if end < all.len() {
        let _ = write!(xml, "<NextToken>subscriptions-{end}</NextToken>");
    }
    Ok(xml)
}
