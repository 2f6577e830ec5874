//! A topic and its subscriptions, by reads.

use std::collections::BTreeSet;

use alert_core::audit::{Subscriptions, Topic};
use aws_sdk_sns::Client;
use aws_sdk_sns::error::ProvideErrorMetadata;

use crate::commands::aws::problem;

/// What stands instead of an ARN. Source: Amazon SNS API Reference, Subscribe and Unsubscribe.
const PENDING: &str = "PendingConfirmation";
const DELETED: &str = "Deleted";

/// Looks at a topic. What is not allowed goes to `refused`, and the topic is unknown where nothing else tells.
pub(super) async fn look(client: &Client, arn: &str, refused: &mut BTreeSet<String>) -> Topic {
    let attributes = match client.get_topic_attributes().topic_arn(arn).send().await {
        Ok(answer) => Some(answer.attributes.unwrap_or_default()),
        Err(error) if is_absent(&error) => return Topic::Missing,
        Err(error) => {
            refused.insert(right("sns:GetTopicAttributes", &error));
            None
        }
    };
    match subscriptions(client, arn).await {
        Ok(subscriptions) => Topic::Found(subscriptions),
        Err(error) if is_absent(&error) => Topic::Missing,
        Err(error) => {
            refused.insert(right("sns:ListSubscriptionsByTopic", &error));
            // The numbers say whether there is anybody. Who it is they do not: it may be a person.
            let number = |name: &str| attributes.as_ref()?.get(name)?.parse().ok();
            match (number("SubscriptionsConfirmed"), number("SubscriptionsPending")) {
                (Some(people), Some(pending)) => {
                    let pending = vec!["an endpoint that may not be listed".to_owned(); pending];
                    Topic::Found(Subscriptions { people, programs: 0, pending })
                }
                _ => Topic::Unknown(problem("SNS ListSubscriptionsByTopic", arn, &error)),
            }
        }
    }
}

async fn subscriptions(
    client: &Client,
    arn: &str,
) -> Result<
    Subscriptions,
    aws_sdk_sns::error::SdkError<
        aws_sdk_sns::operation::list_subscriptions_by_topic::ListSubscriptionsByTopicError,
    >,
> {
    let (mut found, mut token) = (Subscriptions::default(), None);
    loop {
        let call = client.list_subscriptions_by_topic().topic_arn(arn).set_next_token(token);
        let page = call.send().await?;
        for subscription in page.subscriptions.unwrap_or_default() {
            match subscription.subscription_arn() {
                Some(PENDING) => found.pending.push(subscription.endpoint.unwrap_or_default()),
                Some(DELETED) => {}
                _ => found.add(subscription.protocol().unwrap_or_default()),
            }
        }
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            return Ok(found);
        }
    }
}

fn is_absent(error: &impl ProvideErrorMetadata) -> bool {
    matches!(error.code(), Some("NotFound" | "NotFoundException"))
}

/// The right that is missing, or else why a call that needs it failed.
pub(super) fn right<E>(right: &str, error: &E) -> String
where
    E: std::error::Error + ProvideErrorMetadata,
{
    match error.code() {
        Some(
            "AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" | "AccessDeniedException",
        ) => {
            format!("{right} is not allowed")
        }
        _ => problem(right, "an alarm or topic", error),
    }
}
