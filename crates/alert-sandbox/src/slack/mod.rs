//! Slack: incoming webhooks and the Web API, with the limits, the rates, and the ways in which they fail.
//!
//! Both ways end in the same channels and meet the same faults: a test that stages an [`Answer`] need not know which way
//! the message will come.

mod app;
mod content;
mod rate;
mod workspace;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{HeaderMap, Method as HttpMethod, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

pub use content::*;
pub use rate::RateLimit;
pub use workspace::{App, Author, Channel, Content, Message, TokenState};

use crate::aws::{Ids, hex};
use crate::lock;
use crate::server::{Fate, Line, Server, endless_body};
use app::Arguments;
use rate::Limits;
use workspace::Workspace;

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

/// A way in: webhooks, or a method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Incoming webhooks.
    Webhook,
    /// `chat.postMessage`.
    PostMessage,
    /// `chat.update`.
    Update,
    /// `conversations.history`.
    History,
    /// `conversations.replies`.
    Replies,
    /// `auth.test`.
    AuthTest,
}

impl Method {
    fn from_name(name: &str) -> Option<Self> {
        match name {
            "chat.postMessage" => Some(Self::PostMessage),
            "chat.update" => Some(Self::Update),
            "conversations.history" => Some(Self::History),
            "conversations.replies" => Some(Self::Replies),
            "auth.test" => Some(Self::AuthTest),
            _ => None,
        }
    }

    /// Whether it brings a new message.
    #[must_use]
    pub fn is_post(self) -> bool {
        matches!(self, Self::Webhook | Self::PostMessage)
    }

    /// This error in the form that this way has for it.
    fn error(self, code: &str, why: &str) -> Verdict {
        match self {
            Self::Webhook => Verdict::new(webhook_status(code), code, why),
            _ => app::error(code, why),
        }
    }

    fn rate_limited(self, retry_after: u64, why: &str) -> Verdict {
        let verdict = match self {
            Self::Webhook => Verdict::new(429, "rate_limited", why),
            _ => Verdict { status: 429, ..app::error("ratelimited", why) },
        };
        Verdict { retry_after: Some(retry_after), ..verdict }
    }
}

/// The status that comes with an error of webhooks.
fn webhook_status(code: &str) -> u16 {
    match code {
        "action_prohibited" | "invalid_token" | "posting_to_general_channel_denied" | "team_disabled" => 403,
        "channel_not_found" | "no_service" | "user_not_found" => 404,
        "channel_is_archived" => 410,
        "fatal_error" | "internal_error" | "rollup_error" => 500,
        "service_unavailable" => 503,
        _ => 400,
    }
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
pub type Plan = Box<dyn FnMut(&CallInfo<'_>) -> Option<Answer> + Send>;

/// The running service.
#[derive(Debug)]
pub struct Slack {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ids: Ids,
    service: Mutex<Service>,
    changed: Notify,
}

#[derive(Default)]
struct Service {
    workspace: Workspace,
    /// By the paths of their addresses.
    webhooks: BTreeMap<String, Registered>,
    limits: Limits,
    calls: Vec<Call>,
    number: usize,
    scripted_posts: VecDeque<Answer>,
    scripted_calls: BTreeMap<Method, VecDeque<Answer>>,
    plan: Option<Plan>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Service").field("webhooks", &self.webhooks).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Registered {
    name: String,
    state: WebhookState,
}

impl Slack {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, service: Mutex::default(), changed: Notify::new() });
        let router = Router::new()
            .route("/services/{*path}", post(answer_webhook))
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
    pub fn set_plan(&self, plan: Plan) {
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
        self.server.connections().end_idle(Fate::Close)
    }

    /// Lets all idle connections die without telling: the next request on each is met with a TCP reset,
    /// which is what a process finds that was frozen while Slack closed them. Says how many.
    #[allow(clippy::must_use_candidate, reason = "it acts; the number is a courtesy")]
    pub fn expire_idle_connections(&self) -> usize {
        self.server.connections().end_idle(Fate::ResetOnRead)
    }
}

const JSON: &str = "application/json; charset=utf-8";

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    status: u16,
    answer: String,
    /// Why it is no success.
    why: Option<String>,
    retry_after: Option<u64>,
}

impl Verdict {
    fn new(status: u16, answer: &str, why: &str) -> Self {
        Self { status, answer: answer.to_owned(), why: Some(why.to_owned()), retry_after: None }
    }

    fn ok(answer: String) -> Self {
        Self { status: 200, answer, why: None, retry_after: None }
    }
}

/// What a call does unless something else is staged.
enum Effect {
    /// A new message.
    Say { room: String, author: Author },
    /// Something else in place of what a message shows.
    Edit { room: String, ts: String, content: Content },
    /// Nothing but this answer.
    Show(Value),
}

/// Who calls.
enum Caller {
    /// Whoever knows this path.
    Webhook(String),
    /// Whoever has this token.
    App(Option<String>),
}

/// A body that says nothing, and what Slack says to it.
struct Unreadable {
    error: &'static str,
    body: String,
}

async fn answer_webhook(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let payload = webhook_payload(&headers, &body);
    answer(&shared, &line, Method::Webhook, &Caller::Webhook(path), payload).await
}

async fn answer_method(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    Path(name): Path<String>,
    http: HttpMethod,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(method) = Method::from_name(&name) else {
        let body = json!({"ok": false, "error": "unknown_method", "req_method": name}).to_string();
        return ([(header::CONTENT_TYPE, JSON)], body).into_response();
    };
    let Arguments { token, given } = Arguments::read(&http, uri.query().unwrap_or_default(), &headers, &body);
    answer(&shared, &line, method, &Caller::App(token), given).await
}

async fn answer(
    shared: &Shared,
    line: &Arc<Line>,
    method: Method,
    caller: &Caller,
    payload: Result<Value, Unreadable>,
) -> Response {
    let _busy = line.busy();
    let started = Instant::now();
    let (index, verdict, fault) = decide(shared, method, caller, payload);
    shared.changed.notify_waiters();
    match &fault {
        Some(Answer::Hang(time)) => {
            tokio::time::sleep(*time).await;
            line.reset();
        }
        Some(Answer::Reset { .. }) => line.reset(),
        Some(Answer::Slow(time)) => tokio::time::sleep(*time).await,
        Some(
            Answer::Error(_)
            | Answer::RateLimited(_)
            | Answer::Status { .. }
            | Answer::Endless { .. }
            | Answer::RefuseBlocks
            | Answer::RefuseModernBlocks,
        )
        | None => {}
    }
    lock(&shared.service).calls[index].duration = Some(started.elapsed());
    let status = StatusCode::from_u16(verdict.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = match method {
        Method::Webhook => "text/html",
        _ => JSON,
    };
    let content_type = [(header::CONTENT_TYPE, content_type)];
    if matches!(fault, Some(Answer::Endless { .. })) {
        return (status, content_type, endless_body()).into_response();
    }
    let retry_after = verdict.retry_after.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
    match retry_after {
        Some(retry_after) => (status, content_type, retry_after, verdict.answer).into_response(),
        None => (status, content_type, verdict.answer).into_response(),
    }
}

/// JSON, or the older form in which JSON is the field `payload` of a form.
fn webhook_payload(headers: &HeaderMap, body: &[u8]) -> Result<Value, Unreadable> {
    let form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    let text = String::from_utf8_lossy(body).into_owned();
    let json = if form { crate::form::decode(&text).remove("payload").unwrap_or(text) } else { text };
    serde_json::from_str(&json).map_err(|_| Unreadable { error: "invalid_payload", body: json })
}

/// Records the call before anything is answered, so that a sender who gave up is counted too.
fn decide(
    shared: &Shared,
    method: Method,
    caller: &Caller,
    payload: Result<Value, Unreadable>,
) -> (usize, Verdict, Option<Answer>) {
    let mut service = lock(&shared.service);
    let usual = match caller {
        Caller::Webhook(path) => service.judge_webhook(path, payload.as_ref()),
        Caller::App(token) => service.judge_method(method, token.as_deref(), payload.as_ref()),
    };
    let channel = service.channel_name(caller, payload.as_ref().ok());
    let json = payload.is_ok();
    let payload = payload.unwrap_or_else(|unreadable| Value::String(unreadable.body));
    let fault = service.next_fault(method, &channel, &payload);
    let refused_blocks =
        |what: bool, why| (what && usual.is_ok()).then(|| method.error("invalid_blocks", why));
    let staged = match &fault {
        Some(Answer::Error(code)) => Some(method.error(code, "scripted")),
        Some(Answer::RateLimited(seconds)) => Some(method.rate_limited(*seconds, "scripted")),
        Some(Answer::Status { code, body, retry_after }) => {
            Some(Verdict { retry_after: *retry_after, ..Verdict::new(*code, body, "scripted") })
        }
        Some(Answer::Reset { .. }) => Some(Verdict::new(0, "", "scripted: reset")),
        Some(Answer::Endless { code }) => Some(Verdict::new(*code, "", "scripted: no end")),
        Some(Answer::Hang(_)) => Some(Verdict::new(0, "", "scripted: hang")),
        Some(Answer::RefuseBlocks) => refused_blocks(has_blocks(&payload), "scripted: no blocks"),
        Some(Answer::RefuseModernBlocks) => {
            refused_blocks(has_modern_blocks(&payload), "scripted: no block of 2026")
        }
        Some(Answer::Slow(_)) | None => None,
    };
    let happens = staged.is_none() || matches!(fault, Some(Answer::Reset { accepted: true }));
    let accepted = happens && usual.is_ok();
    let (verdict, ts) = match (usual, staged) {
        (Ok(effect), staged) if happens => {
            let (answer, ts) = service.apply(method, effect, &payload);
            (staged.unwrap_or(Verdict::ok(answer)), ts)
        }
        (_, Some(staged)) => (staged, None),
        (usual, None) => (usual.err().unwrap_or(Verdict::ok(String::new())), None),
    };
    let call = Call {
        at: SystemTime::now(),
        method,
        channel,
        status: verdict.status,
        answer: verdict.answer.clone(),
        why: verdict.why.clone(),
        accepted,
        truncated: json && is_truncated(&payload),
        payload,
        ts,
        duration: None,
    };
    service.calls.push(call);
    (service.calls.len() - 1, verdict, fault)
}

impl Service {
    fn channel_name(&self, caller: &Caller, payload: Option<&Value>) -> String {
        let name = match caller {
            Caller::Webhook(path) => self.webhooks.get(path).map(|webhook| &webhook.name),
            Caller::App(_) => payload
                .and_then(|payload| payload.get("channel")?.as_str())
                .and_then(|channel| self.workspace.by_id_or_name(channel))
                .map(|room| &room.name),
        };
        name.cloned().unwrap_or_default()
    }

    fn next_fault(&mut self, method: Method, channel: &str, payload: &Value) -> Option<Answer> {
        let info = CallInfo { number: self.number, method, channel, payload };
        self.number += 1;
        if let Some(scripted) = self.scripted_calls.get_mut(&method).and_then(VecDeque::pop_front) {
            return Some(scripted);
        }
        if let Some(scripted) = self.scripted_posts.pop_front_if(|_| method.is_post()) {
            return Some(scripted);
        }
        self.plan.as_mut().and_then(|plan| plan(&info))
    }

    /// What Slack makes of a webhook's post when nothing is staged.
    fn judge_webhook(&mut self, path: &str, payload: Result<&Value, &Unreadable>) -> Result<Effect, Verdict> {
        let refuse = |code, why| Err(Method::Webhook.error(code, why));
        let Some(webhook) = self.webhooks.get(path) else {
            return refuse("no_service", "no webhook has this address");
        };
        let room = self.workspace.room(&webhook.name);
        match webhook.state {
            WebhookState::Active if !room.archived => {}
            WebhookState::Active | WebhookState::Archived => {
                return refuse("channel_is_archived", "the channel is archived");
            }
            WebhookState::Prohibited => return refuse("action_prohibited", "posting is forbidden"),
            WebhookState::InvalidToken => return refuse("invalid_token", "the token was revoked"),
            WebhookState::Removed => return refuse("no_service", "the webhook was removed"),
        }
        self.limits.take_post(Method::Webhook, path)?;
        let payload = match payload {
            Ok(payload) => payload,
            Err(unreadable) => return refuse(unreadable.error, "the body is not JSON"),
        };
        match check(payload) {
            Ok(()) => {
                Ok(Effect::Say { room: room.id.clone(), author: Author::Webhook(webhook.name.clone()) })
            }
            Err(Refusal { status, answer, why }) => Err(Verdict::new(status, answer, &why)),
        }
    }

    /// Lets it happen; gives the answer, and which message it is about.
    fn apply(&mut self, method: Method, effect: Effect, payload: &Value) -> (String, Option<String>) {
        let (room, ts) = match effect {
            Effect::Show(answer) => return (answer.to_string(), None),
            Effect::Say { room, author } => {
                let ts = self.workspace.say(&room, author, payload);
                (room, ts)
            }
            Effect::Edit { room, ts, content } => {
                self.workspace.edit(&room, &ts, content);
                (room, ts)
            }
        };
        let answer = match method {
            Method::Webhook => "ok".to_owned(),
            _ => self.workspace.receipt(&room, &ts).to_string(),
        };
        (answer, Some(ts))
    }
}
