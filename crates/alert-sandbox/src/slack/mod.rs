//! Slack: incoming webhooks, the Web API and clicks, with the limits, the rates, and the ways in which they fail.
//!
//! Webhooks and the Web API end in the same channels and meet the same faults: a test that stages an [`Answer`] need not
//! know which way the message will come. A [`Click`] is not sent anywhere: it becomes the request that Slack would make,
//! and the test hands that to whoever is to get it.

mod app;
mod click;
mod content;
mod method;
mod rate;
mod response;
mod service;
mod workspace;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{any, post};
use serde_json::Value;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

pub use click::{Click, Interaction};
pub use content::*;
pub use method::Method;
pub use rate::RateLimit;
pub use response::{Ephemeral, RESPONSE_URL_LIFETIME, RESPONSE_URL_USES};
pub use workspace::{App, Author, Channel, Content, Message, TokenState};

use crate::aws::{Ids, hex};
use crate::lock;
use crate::server::{ConnectionEnd, Server};
use service::{Registered, Service, Shared, answer_method, answer_response, answer_webhook};

/// One incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The name it was made with, which is its channel's as well.
    pub name: String,
    /// Where to post; its path is the secret.
    pub url: String,
}

/// What became of a webhook.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum WebhookState {
    /// Messages arrive.
    #[default]
    Active,
    /// 410 `channel_is_archived`.
    Archived,
    /// 403 `action_prohibited`.
    Prohibited,
    /// 403 `invalid_token`.
    InvalidToken,
    /// 404 `no_service`: someone removed it.
    Removed,
}

/// One call, and what was made of it.
#[derive(Debug, Clone)]
pub struct Call {
    /// When it came.
    pub at: SystemTime,
    /// The way that it came.
    pub method: Method,
    /// The channel's name, which is a webhook's own; empty where there is none of this address, id or name.
    pub channel: String,
    /// The HTTP status of the answer; 0 when there was none.
    pub status: u16,
    /// The body of the answer.
    pub answer: String,
    /// Why it was refused: what Slack does not tell, the sandbox does.
    pub why: Option<String>,
    /// Whether it took effect, whatever the sender was told: the message stands in the channel, or was changed.
    pub accepted: bool,
    /// Whether Slack cut its text.
    pub truncated: bool,
    /// The JSON that came, or a form's fields, without the token; a string when it was neither.
    pub payload: Value,
    /// The message that was made or changed.
    pub ts: Option<String>,
    /// From the whole request to its answer; `None` where the sender hung up first, or still waits.
    pub duration: Option<Duration>,
}

impl Call {
    /// The text that came.
    #[must_use]
    pub fn text(&self) -> &str {
        self.payload.get("text").and_then(Value::as_str).unwrap_or_default()
    }
}

/// What to do with a call instead of the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This error, in the form of the way that the call came: its status with the code for a webhook, HTTP 200 with
    /// `ok: false` for the Web API. The message is not accepted.
    Error(String),
    /// 429 with this `Retry-After` in seconds, in the form of the way that the call came; the message is not accepted.
    RateLimited(u64),
    /// This answer as it is, whichever way the call came; the message is not accepted.
    Status {
        /// The HTTP status.
        code: u16,
        /// The body.
        body: String,
        /// `Retry-After`, in seconds.
        retry_after: Option<u64>,
    },
    /// A TCP reset and no answer.
    Reset {
        /// Whether the message was accepted before, if it could be.
        accepted: bool,
    },
    /// No answer for this long, then a TCP reset; the message is not accepted.
    Hang(Duration),
    /// This status and a body without an end; the message is not accepted.
    Endless {
        /// The HTTP status.
        code: u16,
    },
    /// The usual, with the answer so much later.
    Slow(Duration),
    /// `invalid_blocks` for whatever holds blocks; the usual for the rest.
    RefuseBlocks,
    /// `invalid_blocks` for whatever holds a chart or a container, as of a Slack that knows none yet; the usual for the
    /// rest.
    RefuseModernBlocks,
}

/// What a plan knows of a call.
#[derive(Debug)]
pub struct CallInfo<'a> {
    /// The number of the call, from 0, in the order in which they came.
    pub number: usize,
    /// The way that it came.
    pub method: Method,
    /// The channel's name, as in [`Call`].
    pub channel: &'a str,
    /// What came, as in [`Call`].
    pub payload: &'a Value,
}

/// Decides about each call; `None` is the usual.
pub type AnswerPlan = Box<dyn FnMut(&CallInfo<'_>) -> Option<Answer> + Send>;

/// The running service.
#[derive(Debug)]
pub struct Slack {
    server: Server,
    shared: Arc<Shared>,
}

impl Slack {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, service: Mutex::default(), changed: Notify::new() });
        let router = Router::new()
            .route("/services/{*path}", post(answer_webhook))
            .route("/actions/{*path}", post(answer_response))
            .route("/api/{method}", any(answer_method))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, tls).await?, shared })
    }

    /// Where the methods of the Web API are; it ends with a slash.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("{}/api/", self.server.url())
    }

    /// Makes another webhook, into the channel of the same name.
    #[must_use]
    pub fn webhook(&self, name: &str) -> Webhook {
        let id = |bytes: [u8; 4]| hex(&bytes).to_ascii_uppercase();
        let ids = &self.shared.ids;
        let path = format!("T{}/B{}/{}", id(ids.bytes()), id(ids.bytes()), hex(&ids.bytes::<12>()));
        let url = format!("{}/services/{path}", self.server.url());
        let registered = Registered { name: name.to_owned(), state: WebhookState::Active };
        self.service(|service| service.webhooks.insert(path, registered));
        Webhook { name: name.to_owned(), url }
    }

    /// Changes what became of a webhook, given by its name.
    pub fn set_state(&self, name: &str, new: WebhookState) {
        self.service(|service| {
            for webhook in service.webhooks.values_mut().filter(|webhook| webhook.name == name) {
                webhook.state = new;
            }
        });
    }

    /// Installs an app whose bot has these scopes; it is in no channel yet.
    #[must_use]
    pub fn app(&self, name: &str, scopes: &[&str]) -> App {
        self.service(|service| service.workspace.install(&self.shared.ids, name, scopes))
    }

    /// Changes what became of an app's token.
    pub fn set_token_state(&self, app: &App, new: TokenState) {
        self.service(|service| service.workspace.set_token_state(app, new));
    }

    /// Changes what an app may do.
    pub fn set_scopes(&self, app: &App, scopes: &[&str]) {
        self.service(|service| service.workspace.set_scopes(app, scopes));
    }

    /// The channel of this name. Where there is none it is made, as a public one without members.
    #[allow(clippy::must_use_candidate, reason = "it acts; few need the id")]
    pub fn channel(&self, name: &str) -> Channel {
        self.service(|service| {
            let room = service.workspace.room(name);
            Channel { id: room.id.clone(), name: room.name.clone() }
        })
    }

    /// Makes a channel private, or public again; given by its name.
    pub fn set_private(&self, channel: &str, private: bool) {
        self.service(|service| service.workspace.room(channel).private = private);
    }

    /// Archives a channel, or takes it back; given by its name.
    pub fn set_archived(&self, channel: &str, archived: bool) {
        self.service(|service| service.workspace.room(channel).archived = archived);
    }

    /// Lets an app into a channel, or takes it out; given by its name.
    pub fn set_member(&self, channel: &str, app: &App, member: bool) {
        self.service(|service| {
            let members = &mut service.workspace.room(channel).members;
            if member { members.insert(app.name.clone()) } else { members.remove(&app.name) }
        });
    }

    /// Makes a user group of these people, all given by their ids, in the place of the one with this id.
    pub fn usergroup(&self, id: &str, users: &[&str]) {
        let users = users.iter().map(|&user| user.to_owned()).collect();
        self.service(|service| service.workspace.usergroups.insert(id.to_owned(), users));
    }

    /// From now on, a message can be edited for so long only; at first it always can.
    pub fn set_edit_window(&self, window: Option<Duration>) {
        self.service(|service| service.workspace.edit_window = window);
    }

    /// From now on, each webhook, and each channel from each app, takes only so many posts; at first none is limited.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.service(|service| service.limits.set_posts(limit));
    }

    /// From now on, each app may call this method of the Web API only so often; at first none is limited.
    pub fn set_method_limit(&self, method: Method, limit: Option<RateLimit>) {
        self.service(|service| service.limits.set_method(method, limit));
    }

    /// The next post, whichever way it comes, meets this unless an earlier script waits for it.
    pub fn then(&self, answer: Answer) {
        self.service(|service| service.scripted_posts.push_back(answer));
    }

    /// The next call that comes this way meets this unless an earlier script waits for it.
    pub fn then_on(&self, method: Method, answer: Answer) {
        self.service(|service| service.scripted_calls.entry(method).or_default().push_back(answer));
    }

    /// Asks the plan about each call for which nothing is scripted, whichever way it comes.
    pub fn set_plan(&self, plan: AnswerPlan) {
        self.service(|service| service.plan = Some(plan));
    }

    /// Forgets scripts and plan.
    pub fn clear_faults(&self) {
        self.service(|service| {
            service.scripted_posts.clear();
            service.scripted_calls.clear();
            service.plan = None;
        });
    }

    /// The posts that became messages in the channels.
    #[must_use]
    pub fn accepted(&self) -> Vec<Call> {
        self.calls_that(|call| call.method.is_post() && call.accepted)
    }

    /// As [`Self::accepted`], but empties the channels and forgets all calls; while none is under way.
    #[must_use]
    pub fn take_accepted(&self) -> Vec<Call> {
        let calls = self.service(|service| {
            service.workspace.empty();
            service.ephemerals.clear();
            std::mem::take(&mut service.calls)
        });
        calls.into_iter().filter(|call| call.method.is_post() && call.accepted).collect()
    }

    /// All posts, whichever way they came, those that were refused included.
    #[must_use]
    pub fn posts(&self) -> Vec<Call> {
        self.calls_that(|call| call.method.is_post())
    }

    /// All edits, in the order in which they came, those that were refused included.
    #[must_use]
    pub fn edits(&self) -> Vec<Call> {
        self.calls_that(|call| call.method == Method::Update)
    }

    /// All calls, whichever way they came.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.calls_that(|_| true)
    }

    /// The messages that stand in a channel as they are shown now, the oldest first, replies included. The channel is
    /// given by its id or name.
    #[must_use]
    pub fn messages(&self, channel: &str) -> Vec<Message> {
        self.service(|service| {
            let room = service.workspace.by_id_or_name(channel);
            room.map(|room| room.messages.clone()).unwrap_or_default()
        })
    }

    /// The replies to a message, the oldest first, as they are shown now.
    #[must_use]
    pub fn replies(&self, channel: &str, ts: &str) -> Vec<Message> {
        self.service(|service| {
            let room = service.workspace.by_id_or_name(channel);
            room.map(|room| room.replies(ts).cloned().collect()).unwrap_or_default()
        })
    }

    /// Takes a message away, as people can; says whether it was there.
    #[allow(clippy::must_use_candidate, reason = "it acts; few need the answer")]
    pub fn delete_message(&self, channel: &str, ts: &str) -> bool {
        self.service(|service| service.workspace.delete(channel, ts))
    }

    /// A person, by their id, reacts to a message, or takes that back; says whether the message is there.
    #[allow(clippy::must_use_candidate, reason = "it acts; few need the answer")]
    pub fn react(&self, channel: &str, ts: &str, user: &str, name: &str, reacts: bool) -> bool {
        self.service(|service| service.workspace.react(channel, ts, user, name, reacts))
    }

    /// A person presses a button, or chooses from a menu, that a message shows now: the request that Slack would make to
    /// the app whose message it is. It is no request yet, and nothing in the channel changes.
    pub fn click(&self, click: &Click<'_>) -> Result<Interaction, String> {
        let base = self.server.url();
        self.service(|service| service.click(&self.shared.ids, &base, click))
    }

    /// What people were told alone, the oldest first.
    #[must_use]
    pub fn ephemerals(&self) -> Vec<Ephemeral> {
        self.service(|service| service.ephemerals.clone())
    }

    /// Makes every `response_url` of an interaction so far older than Slack lets it be.
    pub fn expire_response_urls(&self) {
        self.service(|service| service.responses.values_mut().for_each(|response| response.expired = true));
    }

    /// Waits until `count` messages are accepted, or the time is over; gives what is accepted by then.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Call> {
        self.wait_until(limit, || self.accepted().len() >= count).await;
        self.accepted()
    }

    /// Waits until `count` posts came, refused ones included, or the time is over; gives what came by then.
    pub async fn wait_for_posts(&self, count: usize, limit: Duration) -> Vec<Call> {
        self.wait_until(limit, || self.posts().len() >= count).await;
        self.posts()
    }

    /// Waits until `count` calls of any kind came, refused ones included, or the time is over; gives what came by then.
    pub async fn wait_for_calls(&self, count: usize, limit: Duration) -> Vec<Call> {
        self.wait_until(limit, || self.service(|service| service.calls.len() >= count)).await;
        self.calls()
    }

    /// Waits until `count` edits came, refused ones included, or the time is over; gives what came by then.
    pub async fn wait_for_edits(&self, count: usize, limit: Duration) -> Vec<Call> {
        self.wait_until(limit, || self.edits().len() >= count).await;
        self.edits()
    }

    async fn wait_until(&self, limit: Duration, enough: impl Fn() -> bool) {
        let wait = async {
            loop {
                let changed = self.shared.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if enough() {
                    return;
                }
                changed.await;
            }
        };
        // When it is too late, what came says more than that.
        let _ = tokio::time::timeout(limit, wait).await;
    }

    fn service<T>(&self, action: impl FnOnce(&mut Service) -> T) -> T {
        action(&mut lock(&self.shared.service))
    }

    fn calls_that(&self, matches: impl Fn(&Call) -> bool) -> Vec<Call> {
        self.service(|service| service.calls.iter().filter(|call| matches(call)).cloned().collect())
    }

    /// How many TCP connections were made so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.server.connections().accepted()
    }

    /// How many of them are open.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.server.connections().open_now()
    }

    /// Closes all connections on which no answer is under way; says how many.
    #[allow(clippy::must_use_candidate, reason = "it acts; the number is a courtesy")]
    pub fn close_idle_connections(&self) -> usize {
        self.server.connections().end_idle(ConnectionEnd::Close)
    }

    /// Lets all idle connections die without telling: the next request on each is met with a TCP reset,
    /// which is what a process finds that was frozen while Slack closed them. Says how many.
    #[allow(clippy::must_use_candidate, reason = "it acts; the number is a courtesy")]
    pub fn expire_idle_connections(&self) -> usize {
        self.server.connections().end_idle(ConnectionEnd::ResetOnRead)
    }
}
