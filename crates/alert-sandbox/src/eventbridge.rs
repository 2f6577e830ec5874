//! Events for functions: EventBridge's envelope, and the way in by which Grafana's webhook gets one.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;

use crate::aws::{ACCOUNT, Ids, REGION, timestamp_seconds};
use crate::background::Background;
use crate::lambda::{Function, Invocation};
use crate::lock;
use crate::server::Server;

/// What PutEvents takes at once.
pub const EVENT_MAX_BYTES: usize = 1024 * 1024;
/// The source of events that came in as Grafana's webhook.
pub const GRAFANA_SOURCE: &str = "grafana";
/// The detail type of events that came in as Grafana's webhook.
pub const GRAFANA_DETAIL_TYPE: &str = "grafana-alert";

/// The event bus and the API in front of it.
#[derive(Debug)]
pub struct EventBridge {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ids: Ids,
    state: Mutex<Bus>,
    deliveries: Background,
}

#[derive(Debug, Default)]
struct Bus {
    targets: Vec<Function>,
    invocations: Arc<Mutex<Vec<Invocation>>>,
}

impl EventBridge {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, state: Mutex::default(), deliveries: Background::default() });
        let router = Router::new()
            .route("/grafana", post(ingress))
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, tls).await?, shared })
    }

    /// Where Grafana's webhook posts to.
    #[must_use]
    pub fn grafana_url(&self) -> String {
        format!("{}/grafana", self.server.url())
    }

    /// Every event that is put goes to this function too.
    pub fn add_target(&self, function: &Function) {
        lock(&self.shared.state).targets.push(function.clone());
    }

    /// The event around a detail.
    #[must_use]
    pub fn event(&self, source: &str, detail_type: &str, detail: &Value) -> Value {
        self.shared.event(source, detail_type, detail)
    }

    /// Puts an event on the bus, without a request; says its id. Call it within the runtime: the deliveries
    /// begin at once.
    #[allow(clippy::must_use_candidate, reason = "it acts; few need the id")]
    pub fn put_event(&self, source: &str, detail_type: &str, detail: &Value) -> String {
        self.shared.put(source, detail_type, detail)
    }

    /// Wraps a detail and invokes this function with it, asynchronously as Lambda means it; waits for all
    /// attempts.
    pub async fn deliver(
        &self,
        function: &Function,
        source: &str,
        detail_type: &str,
        detail: &Value,
    ) -> Vec<Invocation> {
        function.invoke_async(self.event(source, detail_type, detail).to_string()).await
    }

    /// All attempts to deliver what was put on the bus.
    #[must_use]
    pub fn invocations(&self) -> Vec<Invocation> {
        let invocations = Arc::clone(&lock(&self.shared.state).invocations);
        lock(&invocations).clone()
    }

    /// Waits until no delivery is under way; says whether that came in time.
    pub async fn settled(&self, limit: Duration) -> bool {
        self.shared.deliveries.settled(limit).await
    }
}

impl Shared {
    fn event(&self, source: &str, detail_type: &str, detail: &Value) -> Value {
        json!({
            "version": "0",
            "id": self.ids.uuid(),
            "detail-type": detail_type,
            "source": source,
            "account": ACCOUNT,
            "time": timestamp_seconds(SystemTime::now()),
            "region": REGION,
            "resources": [],
            "detail": detail,
        })
    }

    fn put(&self, source: &str, detail_type: &str, detail: &Value) -> String {
        let event = self.event(source, detail_type, detail);
        let (targets, invocations) = {
            let state = lock(&self.state);
            (state.targets.clone(), Arc::clone(&state.invocations))
        };
        for function in targets {
            let (event, invocations) = (event.to_string(), Arc::clone(&invocations));
            self.deliveries.spawn(async move {
                let attempts = function.invoke_async(event).await;
                lock(&invocations).extend(attempts);
            });
        }
        event["id"].as_str().unwrap_or_default().to_owned()
    }
}

/// What API Gateway and PutEvents answer together.
async fn ingress(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let refuse = |status, code: &str, message: &str| {
        (status, Json(json!({"__type": code, "message": message}))).into_response()
    };
    if body.len() >= EVENT_MAX_BYTES {
        let message = "Total size of the entries in the request is over the limit.";
        return refuse(StatusCode::BAD_REQUEST, "ValidationException", message);
    }
    match serde_json::from_slice::<Value>(&body) {
        Ok(detail) if detail.is_object() => {
            let id = shared.put(GRAFANA_SOURCE, GRAFANA_DETAIL_TYPE, &detail);
            Json(json!({"FailedEntryCount": 0, "Entries": [{"EventId": id}]})).into_response()
        }
        _ => {
            let entry = json!({"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."});
            Json(json!({"FailedEntryCount": 1, "Entries": [entry]})).into_response()
        }
    }
}
