//! Slack's incoming webhooks: the address, the limits, the rate, and the ways in which they fail.

mod content;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

pub use content::*;

use crate::aws::{Ids, hex};
use crate::lock;
use crate::server::{Fate, Line, Server, endless_body};

/// One incoming webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// The name it was made with.
    pub name: String,
    /// Where to post; its path is the secret.
    pub url: String,
}

/// What became of a webhook or its channel.
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

/// One post, and what was made of it.
#[derive(Debug, Clone)]
pub struct Post {
    /// When it came.
    pub at: SystemTime,
    /// The webhook's name; empty for an address that does not exist.
    pub webhook: String,
    /// The HTTP status of the answer; 0 when there was none.
    pub status: u16,
    /// The body of the answer.
    pub answer: String,
    /// Why it was refused: Slack does not tell, the sandbox does.
    pub why: Option<String>,
    /// Whether the message stands in the channel, whatever the sender was told.
    pub accepted: bool,
    /// Whether Slack cut its text.
    pub truncated: bool,
    /// The JSON that came; a string when it was none.
    pub payload: Value,
    /// From the whole request to its answer; `None` where the sender hung up first, or still waits.
    pub duration: Option<Duration>,
}

/// How many posts a webhook takes: a burst, and then so many per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Posts at once.
    pub burst: u32,
    /// Posts per second after that.
    pub per_second: f64,
}

/// What to do with a post instead of the usual.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// This answer; the message is not accepted.
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

/// What a plan knows of a post.
#[derive(Debug)]
pub struct PostInfo<'a> {
    /// The number of the post, from 0, in the order in which they came.
    pub number: usize,
    /// The webhook's name.
    pub webhook: &'a str,
    /// The JSON that came.
    pub payload: &'a Value,
}

/// Decides about each post; `None` is the usual.
pub type Plan = Box<dyn FnMut(&PostInfo<'_>) -> Option<Answer> + Send>;

/// The running service.
#[derive(Debug)]
pub struct Slack {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ids: Ids,
    state: Mutex<Channels>,
    changed: Notify,
}

#[derive(Default)]
struct Channels {
    webhooks: BTreeMap<String, Registered>,
    posts: Vec<Post>,
    number: usize,
    rate_limit: Option<RateLimit>,
    scripted: VecDeque<Answer>,
    plan: Option<Plan>,
}

impl std::fmt::Debug for Channels {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Channels").field("webhooks", &self.webhooks).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Registered {
    name: String,
    state: WebhookState,
    bucket: Option<Bucket>,
}

impl Slack {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, state: Mutex::default(), changed: Notify::new() });
        let router = Router::new()
            .route("/services/{*path}", post(answer))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, tls).await?, shared })
    }

    /// Makes another webhook.
    #[must_use]
    pub fn webhook(&self, name: &str) -> Webhook {
        let id = |bytes: [u8; 4]| hex(&bytes).to_ascii_uppercase();
        let ids = &self.shared.ids;
        let path = format!("T{}/B{}/{}", id(ids.bytes()), id(ids.bytes()), hex(&ids.bytes::<12>()));
        let url = format!("{}/services/{path}", self.server.url());
        let registered = Registered { name: name.to_owned(), state: WebhookState::Active, bucket: None };
        lock(&self.shared.state).webhooks.insert(path, registered);
        Webhook { name: name.to_owned(), url }
    }

    /// Changes what became of a webhook, given by its name.
    pub fn set_state(&self, name: &str, new: WebhookState) {
        let mut state = lock(&self.shared.state);
        for webhook in state.webhooks.values_mut().filter(|webhook| webhook.name == name) {
            webhook.state = new;
        }
    }

    /// From now on, each webhook takes only so many posts; at first none is limited.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        let mut state = lock(&self.shared.state);
        state.rate_limit = limit;
        for webhook in state.webhooks.values_mut() {
            webhook.bucket = None;
        }
    }

    /// The next post that no earlier script waits for meets this.
    pub fn then(&self, answer: Answer) {
        lock(&self.shared.state).scripted.push_back(answer);
    }

    /// Asks the plan about each post for which nothing is scripted.
    pub fn set_plan(&self, plan: Plan) {
        lock(&self.shared.state).plan = Some(plan);
    }

    /// Forgets scripts and plan.
    pub fn clear_faults(&self) {
        let mut state = lock(&self.shared.state);
        state.scripted.clear();
        state.plan = None;
    }

    /// The messages that stand in the channels.
    #[must_use]
    pub fn accepted(&self) -> Vec<Post> {
        lock(&self.shared.state).posts.iter().filter(|post| post.accepted).cloned().collect()
    }

    /// Takes the messages out of the channels, and forgets all posts; while none is under way.
    #[must_use]
    pub fn take_accepted(&self) -> Vec<Post> {
        let posts = std::mem::take(&mut lock(&self.shared.state).posts);
        posts.into_iter().filter(|post| post.accepted).collect()
    }

    /// All posts, those that were refused included.
    #[must_use]
    pub fn posts(&self) -> Vec<Post> {
        lock(&self.shared.state).posts.clone()
    }

    /// Waits until `count` messages are accepted, or the time is over; gives what is accepted by then.
    pub async fn wait_for(&self, count: usize, limit: Duration) -> Vec<Post> {
        self.wait_until(limit, || self.accepted().len() >= count).await;
        self.accepted()
    }

    /// Waits until `count` posts came, refused ones included, or the time is over; gives what came by then.
    pub async fn wait_for_posts(&self, count: usize, limit: Duration) -> Vec<Post> {
        self.wait_until(limit, || lock(&self.shared.state).posts.len() >= count).await;
        self.posts()
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

/// What the sender is told, and whether the message stands in the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Verdict {
    status: u16,
    answer: String,
    why: Option<String>,
    retry_after: Option<u64>,
}

impl Verdict {
    fn new(status: u16, answer: &str, why: &str) -> Self {
        Self { status, answer: answer.to_owned(), why: Some(why.to_owned()), retry_after: None }
    }

    fn ok() -> Self {
        Self { status: 200, answer: "ok".to_owned(), why: None, retry_after: None }
    }

    fn accepted(&self) -> bool {
        self.status == 200 && self.why.is_none()
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    Path(path): Path<String>,
    headers: axum::http::HeaderMap,
    body: Bytes,
) -> Response {
    let _busy = line.busy();
    let started = Instant::now();
    let payload = payload(&headers, &body);
    let (index, verdict, fault) = decide(&shared, &path, payload);
    shared.changed.notify_waiters();
    match &fault {
        Some(Answer::Hang(time)) => {
            tokio::time::sleep(*time).await;
            line.reset();
        }
        Some(Answer::Reset { .. }) => line.reset(),
        Some(Answer::Slow(time)) => tokio::time::sleep(*time).await,
        Some(
            Answer::Status { .. }
            | Answer::Endless { .. }
            | Answer::RefuseBlocks
            | Answer::RefuseModernBlocks,
        )
        | None => {}
    }
    lock(&shared.state).posts[index].duration = Some(started.elapsed());
    let status = StatusCode::from_u16(verdict.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = [(header::CONTENT_TYPE, "text/html")];
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
fn payload(headers: &axum::http::HeaderMap, body: &[u8]) -> Result<Value, String> {
    let form = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    let text = String::from_utf8_lossy(body).into_owned();
    let json = if form { crate::form::decode(&text).remove("payload").unwrap_or(text) } else { text };
    serde_json::from_str(&json).map_err(|_| json)
}

/// Records the post before anything is answered, so that a sender who gave up is counted too.
fn decide(shared: &Shared, path: &str, payload: Result<Value, String>) -> (usize, Verdict, Option<Answer>) {
    let mut state = lock(&shared.state);
    let usual = state.usual(path, payload.as_ref().ok());
    let webhook = state.webhooks.get(path).map(|webhook| webhook.name.clone()).unwrap_or_default();
    let json = payload.is_ok();
    let payload = payload.unwrap_or_else(Value::String);
    let number = state.number;
    state.number += 1;
    let fault = state.scripted.pop_front().or_else(|| {
        let info = PostInfo { number, webhook: &webhook, payload: &payload };
        state.plan.as_mut().and_then(|plan| plan(&info))
    });
    let (verdict, accepted) = match &fault {
        Some(Answer::Status { code, body, retry_after }) => {
            let scripted = Verdict::new(*code, body, "scripted");
            (Verdict { retry_after: *retry_after, ..scripted }, false)
        }
        Some(Answer::Reset { accepted }) => {
            (Verdict::new(0, "", "scripted: reset"), *accepted && usual.accepted())
        }
        Some(Answer::Endless { code }) => (Verdict::new(*code, "", "scripted: no end"), false),
        Some(Answer::Hang(_)) => (Verdict::new(0, "", "scripted: hang"), false),
        Some(Answer::RefuseBlocks) if usual.accepted() && has_blocks(&payload) => {
            (Verdict::new(400, "invalid_blocks", "scripted: no blocks"), false)
        }
        Some(Answer::RefuseModernBlocks) if usual.accepted() && has_modern_blocks(&payload) => {
            (Verdict::new(400, "invalid_blocks", "scripted: no block of 2026"), false)
        }
        Some(Answer::Slow(_) | Answer::RefuseBlocks | Answer::RefuseModernBlocks) | None => {
            let accepted = usual.accepted();
            (usual, accepted)
        }
    };
    let post = Post {
        at: SystemTime::now(),
        webhook,
        status: verdict.status,
        answer: verdict.answer.clone(),
        why: verdict.why.clone(),
        accepted,
        truncated: json && is_truncated(&payload),
        payload,
        duration: None,
    };
    state.posts.push(post);
    (state.posts.len() - 1, verdict, fault)
}

impl Channels {
    /// What Slack makes of the post when nothing is staged.
    fn usual(&mut self, path: &str, payload: Option<&Value>) -> Verdict {
        let limit = self.rate_limit;
        let Some(webhook) = self.webhooks.get_mut(path) else {
            return Verdict::new(404, "no_service", "no webhook has this address");
        };
        match webhook.state {
            WebhookState::Active => {}
            WebhookState::Archived => {
                return Verdict::new(410, "channel_is_archived", "the channel is archived");
            }
            WebhookState::Prohibited => {
                return Verdict::new(403, "action_prohibited", "posting is forbidden");
            }
            WebhookState::InvalidToken => return Verdict::new(403, "invalid_token", "the token was revoked"),
            WebhookState::Removed => return Verdict::new(404, "no_service", "the webhook was removed"),
        }
        if let Some(limit) = limit
            && !webhook.bucket.get_or_insert_with(|| Bucket::full(limit)).take(limit)
        {
            let limited = Verdict::new(429, "rate_limited", "rate limit");
            return Verdict { retry_after: Some(1), ..limited };
        }
        let Some(payload) = payload else {
            return Verdict::new(400, "invalid_payload", "the body is not JSON");
        };
        match check(payload) {
            Ok(()) => Verdict::ok(),
            Err(Refusal { status, answer, why }) => Verdict::new(status, answer, &why),
        }
    }
}

/// A token bucket.
#[derive(Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(limit: RateLimit) -> Self {
        Self { tokens: f64::from(limit.burst), at: Instant::now() }
    }

    fn take(&mut self, limit: RateLimit) -> bool {
        let gained = self.at.elapsed().as_secs_f64() * limit.per_second;
        self.at = Instant::now();
        self.tokens = (self.tokens + gained).min(f64::from(limit.burst));
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}
