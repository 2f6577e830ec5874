//! Metrics and alarms: DescribeAlarms, DescribeAlarmHistory, ListTagsForResource, SetAlarmState, GetMetricData and the rules that mute alarms, over Smithy RPC v2 CBOR and over
//! AWS JSON.
//!
//! Alarms are told, not evaluated. Of metric math the sandbox knows arithmetic and anomaly bands; what it does not know
//! it refuses by a ValidationError that says so.

mod alarm;
mod error;
mod history;
mod math;
mod metric;
mod mute;
mod query;
mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use std::{fmt, io};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value, json};
use tokio_rustls::TlsAcceptor;

use crate::aws::{self, Call, Fault, Ids, is_signed};
use crate::fault::Journal;
use crate::lock;
use crate::server::{Line, Server, endless_body};
use crate::sns::{Message, Notifier};
pub use alarm::DESCRIBED_MAX;
use alarm::{Alarms, Kind};
use error::CloudWatchError;
pub use history::HISTORY_PAGE_MAX;
use history::{History, Told};
use metric::{MetricId, Metrics};
pub use mute::MUTED_ALARMS_MAX;
use mute::MuteRules;
pub use query::{DATAPOINTS_MAX, QUERIES_MAX};
use wire::Protocol;

/// The running service.
#[derive(Debug)]
pub struct CloudWatch {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ids: Ids,
    state: Mutex<Store>,
    notify: Notify,
}

/// Publishes to a topic.
struct Notify(Notifier);

impl fmt::Debug for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Notify")
    }
}

#[derive(Debug, Default)]
struct Store {
    alarms: Alarms,
    history: History,
    /// Of resources, by their ARNs.
    tags: BTreeMap<String, Vec<(String, String)>>,
    mute_rules: MuteRules,
    metrics: Metrics,
    journal: Journal,
}

impl CloudWatch {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>, notify: Notifier) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, state: Mutex::default(), notify: Notify(notify) });
        let router = Router::new()
            .route("/service/GraniteServiceVersion20100801/operation/{operation}", post(answer_rpc))
            .route("/", post(answer_json))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, tls).await?, shared })
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_CLOUDWATCH`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Puts a metric alarm, as PutMetricAlarm takes it or DescribeAlarms tells it, in JSON; moments in seconds or
    /// in RFC 3339. What the service adds is added. One of this name keeps its state where none is given.
    pub fn put_metric_alarm(&self, alarm: &Value) -> Result<(), String> {
        self.put_alarm(Kind::Metric, alarm)
    }

    /// Puts a composite alarm, as PutCompositeAlarm takes it or DescribeAlarms tells it.
    pub fn put_composite_alarm(&self, alarm: &Value) -> Result<(), String> {
        self.put_alarm(Kind::Composite, alarm)
    }

    fn put_alarm(&self, kind: Kind, alarm: &Value) -> Result<(), String> {
        let put = lock(&self.shared.state).alarms.put(kind, alarm);
        put.map_err(|error| format!("{}: {}", error.code, error.message().trim_end()))
    }

    /// Tags an alarm, or what else has an ARN.
    pub fn tag(&self, arn: &str, key: &str, value: &str) {
        let tag = (key.to_owned(), value.to_owned());
        lock(&self.shared.state).tags.entry(arn.to_owned()).or_default().push(tag);
    }

    /// Writes down that an alarm went from one state to another at a time that is past. `data` is JSON about the reason.
    pub fn put_history(
        &self,
        name: &str,
        at: SystemTime,
        from: &str,
        to: &str,
        reason: &str,
        data: Option<&str>,
    ) {
        let mut store = lock(&self.shared.state);
        let kind = store.alarms.kind(name).unwrap_or(Kind::Metric);
        let told = |state, reason, data| Told { state, reason, data };
        store.history.add(kind, name, at, &told(from, "", None), &told(to, reason, data));
    }

    /// Deletes an alarm of either kind.
    pub fn delete_alarm(&self, name: &str) {
        lock(&self.shared.state).alarms.delete(name);
    }

    /// The rules that mute alarms, by their names, each as GetAlarmMuteRule tells it, with moments in seconds.
    #[must_use]
    pub fn mute_rules(&self) -> Vec<Value> {
        lock(&self.shared.state).mute_rules.all(SystemTime::now())
    }

    /// Puts values of a metric, of standard resolution and without a unit. Those of one minute are taken together.
    pub fn put_data(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        points: impl IntoIterator<Item = (SystemTime, f64)>,
    ) {
        let id = MetricId::new(namespace, name, dimensions);
        lock(&self.shared.state).metrics.put(id, points);
    }

    /// What `ANOMALY_DETECTION_BAND(m, n)` says of this metric at every time: expected ± n × deviation. Without
    /// a model the band has no values.
    pub fn put_anomaly_model(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        expected: f64,
        deviation: f64,
    ) {
        let id = MetricId::new(namespace, name, dimensions);
        lock(&self.shared.state).metrics.put_model(id, expected, deviation);
    }

    /// All calls so far, those that were refused included.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared.state).journal.calls()
    }

    /// How often an operation was asked for, those that were refused included.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        lock(&self.shared.state).journal.count(operation)
    }

    /// From now on, this goes wrong.
    pub fn set_fault(&self, fault: Fault) {
        lock(&self.shared.state).journal.set_fault(fault, None);
    }

    /// From now on, this goes wrong with one operation, and with no other.
    pub fn set_fault_for(&self, operation: &str, fault: Fault) {
        lock(&self.shared.state).journal.set_fault(fault, Some(operation));
    }
}

async fn answer_rpc(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    Path(operation): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match Protocol::of_rpc(&headers) {
        Some(protocol) => answer(&shared, &line, protocol, &operation, &headers, &body).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn answer_json(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let operation = aws::operation(&headers, "GraniteServiceVersion20100801.");
    answer(&shared, &line, Protocol::Json, operation, &headers, &body).await
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const QUERY_ERROR: HeaderName = HeaderName::from_static("x-amzn-query-error");
const SMITHY_PROTOCOL: HeaderName = HeaderName::from_static("smithy-protocol");

async fn answer(
    shared: &Shared,
    line: &Arc<Line>,
    protocol: Protocol,
    operation: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let _busy = line.busy();
    let mut told = Vec::new();
    let (fault, result) = {
        let mut store = lock(&shared.state);
        let fault = store.journal.next_fault(operation);
        let result = admit(headers, operation, &fault)
            .and_then(|()| store.perform(protocol, operation, body, SystemTime::now(), &mut told));
        store.journal.record(operation, &fault, result.as_ref().err().map(|error| error.code));
        (fault, result)
    };
    for (topic, message) in told {
        (shared.notify.0)(&topic, message);
    }
    fault.meet(line).await;
    let mut added = HeaderMap::new();
    let content_type = header::HeaderValue::from_static(protocol.content_type());
    added.insert(header::CONTENT_TYPE, content_type);
    let mut add =
        |name, value: &str| header::HeaderValue::from_str(value).map(|value| added.insert(name, value));
    // A UUID and the names of errors are always fit for a header.
    let _ = add(REQUEST_ID, &shared.ids.uuid());
    if protocol == Protocol::Cbor {
        let _ = add(SMITHY_PROTOCOL, "rpc-v2-cbor");
    }
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => {
            if headers.contains_key("x-amzn-query-mode") {
                let _ = add(QUERY_ERROR, &error.query_error());
            }
            (error.status, error.body())
        }
    };
    if matches!(fault, Fault::Endless) {
        return (status, added, endless_body()).into_response();
    }
    (status, added, protocol.encode(&body)).into_response()
}

/// What is refused before the request is looked at, or not done at all.
fn admit(headers: &HeaderMap, operation: &str, fault: &Fault) -> Result<(), CloudWatchError> {
    if !is_signed(headers, "monitoring") {
        return Err(CloudWatchError::unsigned());
    }
    match fault {
        Fault::Throttle(_) => Err(CloudWatchError::throttled()),
        Fault::Unavailable | Fault::Hang(_) => Err(CloudWatchError::internal()),
        Fault::Deny => Err(CloudWatchError::denied(operation)),
        Fault::None | Fault::Delay(_) | Fault::Endless => Ok(()),
    }
}

impl Store {
    fn perform(
        &mut self,
        protocol: Protocol,
        operation: &str,
        body: &[u8],
        now: SystemTime,
        told: &mut Vec<(String, Message)>,
    ) -> Result<Value, CloudWatchError> {
        let request = || protocol.decode(body);
        match operation {
            "DescribeAlarms" => self.alarms.describe(&request()?),
            "DescribeAlarmHistory" => self.history.describe(&request()?),
            "ListTagsForResource" => {
                let request = request()?;
                let arn = alarm::text(&request, "ResourceARN")?
                    .ok_or_else(|| CloudWatchError::required("ResourceARN"))?;
                let tags = self.tags.get(arn).into_iter().flatten();
                Ok(
                    json!({"Tags": tags.map(|(key, value)| json!({"Key": key, "Value": value})).collect::<Vec<_>>()}),
                )
            }
            "SetAlarmState" => {
                told.extend(self.alarms.set_state(&request()?, now, &mut self.history)?);
                Ok(Value::Object(Map::new()))
            }
            "GetMetricData" => query::get_metric_data(&self.metrics, &request()?, now),
            "PutAlarmMuteRule" => self.mute_rules.put(request()?, &self.alarms, now),
            "GetAlarmMuteRule" => self.mute_rules.get(&request()?, now),
            "DeleteAlarmMuteRule" => self.mute_rules.delete(&request()?),
            _ => Err(CloudWatchError::operation()),
        }
    }
}
