//! Slack's Web API with a bot token: posts, edits, and reading back what may have arrived.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alert_core::answer;
use alert_core::outcome::{Outcome, Receipt, Sighting};
use alert_core::relay::Post;
use alert_core::render::slack;
use alert_core::target::Act;
use reqwest::header::CONTENT_TYPE;
use tokio::time::Instant;

use crate::bot_token::BotToken;
use crate::http::{describe, read_body};
use crate::sender::{Attempt, request_slack};

/// Slack's answers hold the whole message, and its history many of them; more is of somebody in between.
const ANSWER_MAX_BYTES: usize = 2 << 20;
/// Of what one post may take, so much is for reading back whether it arrived.
const READ_BACK_SHARE: u32 = 4;
/// Messages that are looked through: what may have arrived is among the newest of a channel, and most threads are shorter.
const READ_BACK_MESSAGES: u32 = 100;

/// A Slack app, by its token.
#[derive(Debug, Clone)]
pub struct SlackApp {
    http: reqwest::Client,
    api: String,
    token: BotToken,
    /// The ids of channels that are addressed by name, as Slack tells them with each post: nothing but posts takes a name.
    ids: Arc<Mutex<HashMap<String, String>>>,
}

impl SlackApp {
    /// An app at the Web API whose URLs begin like this, with a slash at the end.
    #[must_use]
    pub fn new(http: reqwest::Client, api: String, token: BotToken) -> Self {
        Self { http, api, token, ids: Arc::default() }
    }

    /// Does what the post asks for, once and within `limit`.
    pub async fn send(&self, post: &Post, message: &slack::SlackMessage, limit: Duration) -> Attempt {
        let end = Instant::now() + limit;
        if post.may_be_repeat
            && let Some(outcome) = self.find_post(post, limit / READ_BACK_SHARE).await
        {
            return Attempt { outcome, connection_lost: false };
        }
        let channel = &post.target.address;
        let (method, arguments) = message.arguments(channel, &post.act, post.label().as_ref());
        let request =
            self.http.post(self.url(method.name())).bearer_auth(self.token.expose()).body(arguments);
        let left = end.saturating_duration_since(Instant::now());
        let classify =
            |status, body: &str, wait: Option<&str>| answer::app::classify(channel, status, body, wait);
        let attempt = request_slack(
            request,
            left * (READ_BACK_SHARE - 1) / READ_BACK_SHARE,
            ANSWER_MAX_BYTES,
            classify,
        )
        .await;
        if let Outcome::Delivered(Some(receipt)) = &attempt.outcome {
            let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
            ids.insert(channel.clone(), receipt.place.clone());
        }
        // Nobody said that it arrived; the channel may tell.
        if (attempt.connection_lost || matches!(attempt.outcome, Outcome::Unsure(_)))
            && let Some(outcome) = self.find_post(post, end.saturating_duration_since(Instant::now())).await
        {
            return Attempt { outcome, connection_lost: false };
        }
        attempt
    }

    /// That an earlier try of a post has arrived, where the app may read the channel's history and finds it.
    ///
    /// An edit may simply be done again.
    async fn find_post(&self, post: &Post, limit: Duration) -> Option<Outcome> {
        let names = std::slice::from_ref(&post.name);
        let found = match &post.act {
            Act::Say => self.find(&post.target.address, names, limit).await,
            Act::Reply { to, .. } => {
                let thread = format!("&ts={}", to.message);
                self.look("conversations.replies", &to.place, &thread, names, limit).await
            }
            Act::Edit(_) | Act::Supersede(_) => return None,
        };
        // A digest that has it is no message of its own, which could be changed for it.
        let found = found.into_iter().next()?;
        Some(Outcome::Delivered((!found.is_digest).then_some(found.receipt)))
    }

    /// The people in a user group, by their ids; the error is for the person who acts.
    pub async fn usergroup(&self, group: &str, limit: Duration) -> Result<Vec<String>, String> {
        let read =
            self.read("usergroups.users.list", format!("usergroup={group}"), Instant::now() + limit).await;
        let (status, body) = read.map_err(|error| {
            format!("Slack could not be asked who is in a user group: {}", describe(&error))
        })?;
        answer::app::usergroup(group, status, &body)
    }

    /// Somebody who has reacted to a message; the error says why nobody knows.
    pub async fn reaction(&self, message: &Receipt, limit: Duration) -> Result<Option<String>, String> {
        let form = format!("channel={}&timestamp={}", message.place, message.message);
        let read = self.read("reactions.get", form, Instant::now() + limit).await;
        let (status, body) =
            read.map_err(|error| format!("Slack could not be asked for reactions: {}", describe(&error)))?;
        answer::app::reaction(status, &body)
    }

    /// The messages of these names in a channel.
    pub async fn find(&self, channel: &str, names: &[String], limit: Duration) -> Vec<Sighting> {
        let Some(id) = self.id_of(channel) else {
            not_told(channel, "it is set by its name, and only its id can be asked for: set the id");
            return Vec::new();
        };
        self.look("conversations.history", &id, "", names, limit).await
    }

    async fn look(
        &self,
        method: &str,
        channel: &str,
        thread: &str,
        names: &[String],
        limit: Duration,
    ) -> Vec<Sighting> {
        // Ids need no escaping. Methods that read take no JSON.
        let form = format!("channel={channel}{thread}&limit={READ_BACK_MESSAGES}&include_all_metadata=true");
        let end = Instant::now() + limit;
        let mut looked = self.read(method, form.clone(), end).await;
        // The connection may be the one that has just died; the next one is new.
        if looked.as_ref().is_err_and(|error| !error.is_timeout()) {
            looked = self.read(method, form, end).await;
        }
        let found = match looked {
            Ok((status, body)) => answer::app::find(names, channel, status, &body),
            Err(error) => Err(describe(&error)),
        };
        found.unwrap_or_else(|why| {
            not_told(channel, &why);
            Vec::new()
        })
    }

    async fn read(&self, method: &str, form: String, end: Instant) -> Result<(u16, String), reqwest::Error> {
        let left = end.saturating_duration_since(Instant::now());
        let request = self.http.post(self.url(method)).bearer_auth(self.token.expose()).timeout(left);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let response = request.send().await?;
        let status = response.status().as_u16();
        let (body, _) = read_body(response, ANSWER_MAX_BYTES).await?;
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    fn id_of(&self, channel: &str) -> Option<String> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.get(channel).cloned().or_else(|| is_id(channel).then(|| channel.to_owned()))
    }

    fn url(&self, method: &str) -> String {
        format!("{}{method}", self.api)
    }
}

fn not_told(channel: &str, why: &str) {
    tracing::warn!(
        error_type = "slack_history_unavailable",
        "Slack does not tell whether an alert has arrived in {channel}, so that it may be posted twice: {why}"
    );
}

/// Whether a channel is named by its id: C, D or G, and capital letters and digits. Names are small letters.
fn is_id(channel: &str) -> bool {
    let is_inner = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    channel.len() > 8 && channel.starts_with(['C', 'D', 'G']) && channel.bytes().all(is_inner)
}
