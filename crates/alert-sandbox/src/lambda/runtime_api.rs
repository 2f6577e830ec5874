//! The Lambda Runtime API of one execution environment, version 2018-06-01.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use crate::lock;
use crate::server::Server;

/// The largest answer of a function: 6 MB and a little (the service's own number).
const RESPONSE_MAX_BYTES: usize = 6 * 1024 * 1024 + 100;

/// An event on its way to the function.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    pub(super) deadline: SystemTime,
    pub(super) trace_id: String,
}

/// What the function posted for an invocation.
#[derive(Debug)]
pub(super) enum InvocationReport {
    Response(Bytes),
    Error(ReportedError),
}

/// An error in Lambda's form.
#[derive(Debug, Clone)]
pub(super) struct ReportedError {
    pub(super) error_type: String,
    pub(super) message: String,
    pub(super) raw: Vec<u8>,
}

/// How far the environment has come.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    Starting,
    /// `/next` was asked for the first time, this long after the start.
    Ready(Duration),
    InitError(ReportedError),
}

/// The server, and the ends that lead to it.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    server: Server,
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<Event>,
    phase: watch::Receiver<Phase>,
}

#[derive(Debug)]
struct Shared {
    arn: String,
    started: Instant,
    events: tokio::sync::Mutex<mpsc::UnboundedReceiver<Event>>,
    current: Mutex<Option<(String, oneshot::Sender<InvocationReport>)>>,
    phase: watch::Sender<Phase>,
}

impl RuntimeApi {
    pub(super) async fn start(arn: String) -> io::Result<Self> {
        let (events, receiver) = mpsc::unbounded_channel();
        let (sender, phase) = watch::channel(Phase::Starting);
        let shared = Arc::new(Shared {
            arn,
            started: Instant::now(),
            events: tokio::sync::Mutex::new(receiver),
            current: Mutex::default(),
            phase: sender,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, None).await?, shared, events, phase })
    }

    /// For `AWS_LAMBDA_RUNTIME_API`: host and port, without a scheme.
    pub(super) fn authority(&self) -> String {
        self.server.authority()
    }

    pub(super) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.clone()
    }

    /// Hands an event to the next `/next`; the receiver hears what the function posts for it.
    pub(super) fn send(&self, event: Event) -> oneshot::Receiver<InvocationReport> {
        let (sender, receiver) = oneshot::channel();
        *lock(&self.shared.current) = Some((event.request_id.clone(), sender));
        // The receiving end lives in `shared`, so the channel is open.
        let _ = self.events.send(event);
        receiver
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    shared.phase.send_if_modified(|phase| {
        let first = matches!(phase, Phase::Starting);
        if first {
            *phase = Phase::Ready(shared.started.elapsed());
        }
        first
    });
    let Some(event) = shared.events.lock().await.recv().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let deadline = event.deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let headers = [
        ("Content-Type", "application/json".to_owned()),
        ("Lambda-Runtime-Aws-Request-Id", event.request_id),
        ("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string()),
        ("Lambda-Runtime-Invoked-Function-Arn", shared.arn.clone()),
        ("Lambda-Runtime-Trace-Id", event.trace_id),
    ];
    (headers, event.payload).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> Response {
    if body.len() > RESPONSE_MAX_BYTES {
        let message = format!(
            "Response payload size exceeded maximum allowed payload size ({RESPONSE_MAX_BYTES} bytes)."
        );
        let error_type = "Function.ResponseSizeTooLarge".to_owned();
        let raw = json!({"errorType": error_type, "errorMessage": message}).to_string().into_bytes();
        finish(&shared, &id, InvocationReport::Error(ReportedError { error_type, message, raw }));
        return refusal(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            "Exceeded maximum allowed payload size",
        );
    }
    finish(&shared, &id, InvocationReport::Response(body))
}

async fn error(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    finish(&shared, &id, InvocationReport::Error(reported_error(&headers, &body)))
}

async fn init_error(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let reported = reported_error(&headers, &body);
    let accepted = shared.phase.send_if_modified(|phase| {
        let starting = matches!(phase, Phase::Starting);
        if starting {
            *phase = Phase::InitError(reported);
        }
        starting
    });
    if accepted {
        accept()
    } else {
        refusal(
            StatusCode::FORBIDDEN,
            "InvalidStateTransition",
            "Transition from Ready to InitError is not allowed",
        )
    }
}

/// Passes the report on, if it is for the invocation under way.
fn finish(shared: &Shared, id: &str, report: InvocationReport) -> Response {
    match lock(&shared.current).take_if(|(current, _)| current == id) {
        // The invoker may have given up; the function cannot know.
        Some((_, invoker)) => {
            let _ = invoker.send(report);
            accept()
        }
        None => refusal(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID"),
    }
}

fn accept() -> Response {
    (StatusCode::ACCEPTED, Json(json!({"status": "OK"}))).into_response()
}

fn refusal(status: StatusCode, error_type: &str, message: &str) -> Response {
    (status, Json(json!({"errorMessage": message, "errorType": error_type}))).into_response()
}

/// The body says what it was; the header, when the body does not.
fn reported_error(headers: &HeaderMap, body: &[u8]) -> ReportedError {
    let value = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let header = || Some(headers.get("Lambda-Runtime-Function-Error-Type")?.to_str().ok()?.to_owned());
    ReportedError {
        error_type: field("errorType").or_else(header).unwrap_or_else(|| "Unknown".to_owned()),
        message: field("errorMessage").unwrap_or_default(),
        raw: body.to_vec(),
    }
}
