//! What Slack does with each call: whoever calls is judged, what is staged is met, and what happens is written down.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime};

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, Method as HttpMethod, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::app::Arguments;
use super::content::{Refusal, check, has_blocks, has_modern_blocks, is_truncated};
use super::rate::Limits;
use super::response::{Ephemeral, ResponseUrl};
use super::workspace::{Author, Content, Workspace};
use super::{Answer, AnswerPlan, Call, CallInfo, Method, WebhookState};
use crate::aws::Ids;
use crate::lock;
use crate::server::{Line, endless_body};

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) ids: Ids,
    pub(super) service: Mutex<Service>,
    pub(super) changed: Notify,
}

#[derive(Default)]
pub(super) struct Service {
    pub(super) workspace: Workspace,
    /// By the paths of their addresses.
    pub(super) webhooks: BTreeMap<String, Registered>,
    /// By the paths of their addresses, too.
    pub(super) responses: BTreeMap<String, ResponseUrl>,
    pub(super) ephemerals: Vec<Ephemeral>,
    pub(super) limits: Limits,
    pub(super) calls: Vec<Call>,
    number: usize,
    pub(super) scripted_posts: VecDeque<Answer>,
    pub(super) scripted_calls: BTreeMap<Method, VecDeque<Answer>>,
    pub(super) plan: Option<AnswerPlan>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Service").field("webhooks", &self.webhooks).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Registered {
    pub(super) name: String,
    pub(super) state: WebhookState,
}

const JSON: &str = "application/json; charset=utf-8";

/// What the sender is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) status: u16,
    pub(super) answer: String,
    /// Why it is no success.
    pub(super) why: Option<String>,
    pub(super) retry_after: Option<u64>,
}

impl Judgement {
    pub(super) fn new(status: u16, answer: &str, why: &str) -> Self {
        Self { status, answer: answer.to_owned(), why: Some(why.to_owned()), retry_after: None }
    }

    fn ok(answer: String) -> Self {
        Self { status: 200, answer, why: None, retry_after: None }
    }
}

/// What a call does unless something else is staged.
pub(super) enum Effect {
    /// A new message.
    Say { room: String, author: Author },
    /// Something else in place of what a message shows.
    Edit { room: String, ts: String, content: Content },
    /// Nothing where a message was.
    Erase { room: String, ts: String },
    /// Something for one person alone.
    Whisper(Ephemeral),
    /// Nothing but this answer.
    Show(Value),
}

/// Who calls.
enum Caller {
    /// Whoever knows this path.
    Webhook(String),
    /// Whoever got this path with an interaction.
    Response(String),
    /// Whoever has this token.
    App(Option<String>),
}

/// A body that says nothing, and what Slack says to it.
pub(super) struct Unreadable {
    pub(super) error: &'static str,
    pub(super) body: String,
}

pub(super) async fn answer_webhook(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let payload = webhook_payload(&headers, &body);
    answer(&shared, &line, Method::Webhook, &Caller::Webhook(path), payload).await
}

pub(super) async fn answer_response(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    Path(path): Path<String>,
    body: Bytes,
) -> Response {
    let unreadable =
        |_| Unreadable { error: "invalid_payload", body: String::from_utf8_lossy(&body).into_owned() };
    let payload = serde_json::from_slice(&body).map_err(unreadable);
    answer(&shared, &line, Method::ResponseUrl, &Caller::Response(path), payload).await
}

pub(super) async fn answer_method(
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
        Method::ResponseUrl if verdict.status == 200 => "text/html",
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
) -> (usize, Judgement, Option<Answer>) {
    let mut service = lock(&shared.service);
    let usual = match caller {
        Caller::Webhook(path) => service.judge_webhook(path, payload.as_ref()),
        Caller::Response(path) => service.judge_response(path, payload.as_ref()),
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
            Some(Judgement { retry_after: *retry_after, ..Judgement::new(*code, body, "scripted") })
        }
        Some(Answer::Reset { .. }) => Some(Judgement::new(0, "", "scripted: reset")),
        Some(Answer::Endless { code }) => Some(Judgement::new(*code, "", "scripted: no end")),
        Some(Answer::Hang(_)) => Some(Judgement::new(0, "", "scripted: hang")),
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
            if let Caller::Response(path) = caller {
                service.use_response(path);
            }
            let (answer, ts) = service.apply(method, effect, &payload);
            (staged.unwrap_or(Judgement::ok(answer)), ts)
        }
        (_, Some(staged)) => (staged, None),
        (usual, None) => (usual.err().unwrap_or(Judgement::ok(String::new())), None),
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
            Caller::Response(path) => {
                let response = self.responses.get(path);
                response.and_then(|response| self.workspace.by_id(&response.room)).map(|room| &room.name)
            }
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
    fn judge_webhook(
        &mut self,
        path: &str,
        payload: Result<&Value, &Unreadable>,
    ) -> Result<Effect, Judgement> {
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
            Err(Refusal { status, answer, why }) => Err(Judgement::new(status, answer, &why)),
        }
    }

    /// Lets it happen; gives the answer, and which message it is about.
    fn apply(&mut self, method: Method, effect: Effect, payload: &Value) -> (String, Option<String>) {
        let (room, ts) = match effect {
            Effect::Show(answer) => return (answer.to_string(), None),
            Effect::Whisper(ephemeral) => {
                self.ephemerals.push(ephemeral);
                return ("ok".to_owned(), None);
            }
            Effect::Erase { room, ts } => {
                self.workspace.delete(&room, &ts);
                (room, ts)
            }
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
            Method::Webhook | Method::ResponseUrl => "ok".to_owned(),
            _ => self.workspace.receipt(&room, &ts).to_string(),
        };
        (answer, Some(ts))
    }
}
