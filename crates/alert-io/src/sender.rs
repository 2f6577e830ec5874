//! One post to its target, and what became of it: everything that is a target's own on the wire.

use std::future::ready;
use std::time::Duration;

use alert_core::answer;
use alert_core::outcome::{Failure, Outcome, Receipt, Sighting};
use alert_core::relay::Post;
use alert_core::render::Message;
use alert_core::target::{Closed, Target};

use crate::deadline::Deadline;
use crate::http::{describe, read_body};
use crate::slack_app::SlackApp;
use crate::topic::Topic;
use crate::webhook::WebhookUrl;

/// A webhook's answers are a word; more than this is a page of somebody in between.
const ANSWER_MAX_BYTES: usize = 4_096;

/// What became of one attempt.
#[derive(Debug)]
pub struct Attempt {
    /// What to do now.
    pub outcome: Outcome,
    /// Whether the connection ended without an answer, as one does that died while the process was frozen.
    pub connection_lost: bool,
}

/// Sends posts to one target.
pub trait Sends {
    /// Sends a post, once and within `limit`.
    fn send(&self, post: &Post, limit: Duration) -> impl Future<Output = Attempt>;

    /// Sends a post whose turn it is, where messages wait for theirs; all else as [`send`](Self::send) does.
    fn send_in_turn(&self, post: &Post, limit: Duration) -> impl Future<Output = Attempt> {
        self.send(post, limit)
    }

    /// Somebody who has reacted to a message, where the target can be asked.
    fn reaction(&self, _message: &Receipt, _limit: Duration) -> impl Future<Output = Option<String>> {
        ready(None)
    }

    /// The messages of these names at a target, where the target can be asked.
    fn find(&self, target: &Target, names: &[String], limit: Duration)
    -> impl Future<Output = Vec<Sighting>>;
}

/// Opens targets.
pub trait Opens {
    /// What sends to one of them.
    type Sender: Sends;

    /// What sends to a target, or what takes nothing in this invocation and why.
    fn sender(
        &self,
        target: &Target,
        deadline: Deadline,
    ) -> impl Future<Output = Result<Self::Sender, (Closed, Failure)>>;

    /// What is given up for as long as this process lives, and why.
    fn closed(&self) -> Vec<(Closed, String)>;
}

/// One target, opened.
#[derive(Debug, Clone)]
pub enum Sender {
    /// Slack's incoming webhook.
    Webhook {
        /// For all requests.
        http: reqwest::Client,
        /// Where to.
        url: WebhookUrl,
    },
    /// A Slack app.
    App(SlackApp),
    /// A topic of SNS.
    Topic(Topic),
}

impl Sends for Sender {
    async fn send(&self, post: &Post, limit: Duration) -> Attempt {
        match (self, &post.message) {
            (Self::Webhook { http, url }, Message::Slack(message)) => {
                let request = http.post(url.expose()).body(message.to_json());
                request_slack(request, limit, ANSWER_MAX_BYTES, answer::webhook::classify).await
            }
            // Rarely used by most, and larger than all the rest.
            (Self::App(app), Message::Slack(message)) => Box::pin(app.send(post, message, limit)).await,
            (Self::Topic(topic), Message::Notification(notification)) => {
                Box::pin(topic.send(&post.name, notification, post.at, limit)).await
            }
            (Self::Webhook { .. } | Self::App(_), Message::Notification(_))
            | (Self::Topic(_), Message::Slack(_)) => {
                let failure =
                    Failure::new(answer::MESSAGE_REFUSED, "the message is written for another target");
                Attempt { outcome: Outcome::MessageRefused(failure), connection_lost: false }
            }
        }
    }

    async fn send_in_turn(&self, post: &Post, limit: Duration) -> Attempt {
        match (self, &post.message) {
            (Self::Topic(topic), Message::Notification(notification)) => {
                topic.publish(notification, limit).await
            }
            _ => self.send(post, limit).await,
        }
    }

    async fn reaction(&self, message: &Receipt, limit: Duration) -> Option<String> {
        let Self::App(app) = self else { return None };
        app.reaction(message, limit).await.unwrap_or_else(|why| {
            tracing::warn!(error_type = "slack_reactions_unavailable", "{why}");
            None
        })
    }

    async fn find(&self, target: &Target, names: &[String], limit: Duration) -> Vec<Sighting> {
        match self {
            Self::Webhook { .. } | Self::Topic(_) => Vec::new(),
            Self::App(app) => app.find(&target.address, names, limit).await,
        }
    }
}

/// Sends a request with a JSON body, and reads so much of the answer; `classify` makes an outcome of status, body and the header `Retry-After`.
pub(crate) async fn request_slack(
    request: reqwest::RequestBuilder,
    limit: Duration,
    answer_max_bytes: usize,
    classify: impl Fn(u16, &str, Option<&str>) -> Outcome,
) -> Attempt {
    let sent = request
        .header(reqwest::header::CONTENT_TYPE, "application/json; charset=utf-8")
        .timeout(limit)
        .send()
        .await;
    let response = match sent {
        Ok(response) => response,
        Err(error) => return failed(&error),
    };
    let status = response.status().as_u16();
    let retry_after = response.headers().get(reqwest::header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
    match read_body(response, answer_max_bytes).await {
        Ok((body, _)) => {
            let outcome = classify(status, &String::from_utf8_lossy(&body), retry_after.as_deref());
            Attempt { outcome, connection_lost: false }
        }
        Err(error) => failed(&error),
    }
}

fn failed(error: &reqwest::Error) -> Attempt {
    // Without a connection nothing was sent.
    if error.is_timeout() && !error.is_connect() {
        let failure = Failure::new(
            answer::TIMEOUT,
            "Slack did not answer in time; the message may have arrived, so that the next delivery tries it again",
        );
        return Attempt { outcome: Outcome::Unsure(failure), connection_lost: false };
    }
    let failure =
        Failure::new(answer::UNAVAILABLE, format!("Slack could not be reached: {}", describe(error)));
    Attempt { outcome: Outcome::Retry { after: None, failure }, connection_lost: !error.is_connect() }
}
