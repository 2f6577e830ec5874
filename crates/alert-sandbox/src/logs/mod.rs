//! Logs: FilterLogEvents and DescribeMetricFilters over their JSON protocol.
//!
//! Metric filters are told, not evaluated. What the sandbox does not know of filter patterns it refuses by an
//! InvalidParameterException that says so: it never matches something else than CloudWatch Logs would.

mod error;
mod events;
mod filters;
mod pattern;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio_rustls::TlsAcceptor;

use crate::aws::{self, ACCOUNT, Call, Fault, Ids, REGION, is_signed};
use crate::fault::Journal;
use crate::lock;
use crate::server::{Line, Server, endless_body};
use error::LogsError;
use events::Group;
pub use events::{PAGE_MAX_BYTES, PAGE_MAX_EVENTS};

/// The stream that [`Logs::put_events`] writes to.
pub const DEFAULT_STREAM: &str = "sandbox";

/// The running service.
#[derive(Debug)]
pub struct Logs {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ids: Ids,
    state: Mutex<Store>,
}

#[derive(Debug, Default)]
struct Store {
    groups: BTreeMap<String, Group>,
    /// How many events one page of an answer looks at, where that is less than all.
    scan_limit: Option<usize>,
    /// How many events were ever put, for their ids.
    put: u64,
    journal: Journal,
}

impl Logs {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, state: Mutex::default() });
        let router = Router::new()
            .route("/", post(answer))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, tls).await?, shared })
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_CLOUDWATCH_LOGS`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes a log group where it is not there.
    pub fn create_group(&self, name: &str) {
        lock(&self.shared.state).groups.entry(name.to_owned()).or_default();
    }

    /// Puts events into the stream [`DEFAULT_STREAM`] of a group, which is made where it is not there.
    pub fn put_events<T: Into<String>>(
        &self,
        group: &str,
        events: impl IntoIterator<Item = (SystemTime, T)>,
    ) {
        self.put_events_in(group, DEFAULT_STREAM, events);
    }

    /// Puts events into a stream of a group, which are made where they are not there.
    pub fn put_events_in<T: Into<String>>(
        &self,
        group: &str,
        stream: &str,
        events: impl IntoIterator<Item = (SystemTime, T)>,
    ) {
        let now = millis(SystemTime::now());
        let mut state = lock(&self.shared.state);
        let Store { groups, put, .. } = &mut *state;
        let group = groups.entry(group.to_owned()).or_default();
        group.add_stream(stream);
        for (time, message) in events {
            *put += 1;
            group.put(stream, *put, millis(time), now, message.into());
        }
    }

    /// Puts a metric filter, which counts one for each event that matches, in the place of the one of its name; the
    /// group is made where it is not there. The pattern is told as it is: it need not be one that the sandbox knows.
    pub fn put_metric_filter(
        &self,
        group: &str,
        filter: &str,
        pattern: &str,
        metric_namespace: &str,
        metric_name: &str,
    ) {
        let filter = filters::filter(filter, pattern, metric_namespace, metric_name, SystemTime::now());
        let mut state = lock(&self.shared.state);
        state.groups.entry(group.to_owned()).or_default().put_filter(filter);
    }

    /// From now on, one page of FilterLogEvents looks at this many events, so that pages may be empty and have a
    /// token all the same, as those of large groups are.
    pub fn set_scan_limit(&self, events: usize) {
        lock(&self.shared.state).scan_limit = Some(events.max(1));
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

async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let _busy = line.busy();
    let operation = aws::operation(&headers, "Logs_20140328.");
    let request = serde_json::from_slice::<Map<String, Value>>(&body);
    let (fault, result) = {
        let mut store = lock(&shared.state);
        let fault = store.journal.next_fault(operation);
        let group = request.as_ref().ok().and_then(group_of).unwrap_or_default();
        let result = admit(&headers, operation, &group, &fault).and_then(|()| {
            let request = request.as_ref().map_err(|_| LogsError::malformed())?;
            store.perform(operation, request)
        });
        store.journal.record(operation, &fault, result.as_ref().err().map(|error| error.kind));
        (fault, result)
    };
    fault.meet(&line).await;
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (error.status, error.body()),
    };
    let content_type = (header::CONTENT_TYPE, "application/x-amz-json-1.1".to_owned());
    let headers = [content_type, (REQUEST_ID, shared.ids.uuid())];
    if matches!(fault, Fault::Endless) {
        return (status, headers, endless_body()).into_response();
    }
    (status, headers, body.to_string()).into_response()
}

const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-amzn-requestid");

/// What is refused before the request is looked at, or not done at all.
fn admit(headers: &HeaderMap, operation: &str, group: &str, fault: &Fault) -> Result<(), LogsError> {
    if !is_signed(headers, "logs") {
        return Err(LogsError::unsigned());
    }
    match fault {
        Fault::Throttle(_) => Err(LogsError::throttled()),
        Fault::Unavailable | Fault::Hang(_) => Err(LogsError::unavailable()),
        Fault::Deny => Err(LogsError::denied(operation, group)),
        Fault::None | Fault::Delay(_) | Fault::Endless => Ok(()),
    }
}

impl Store {
    fn perform(&self, operation: &str, request: &Map<String, Value>) -> Result<Value, LogsError> {
        match operation {
            "DescribeMetricFilters" => filters::describe(&self.groups, request),
            "FilterLogEvents" => events::filter_log_events(&self.groups, request, self.scan_limit),
            _ => Err(LogsError::operation()),
        }
    }
}

/// The group's name as a request has it, by name or by ARN.
fn group_of(request: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let name = text("logGroupName").or_else(|| text("logGroupIdentifier"))?;
    let prefix = format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:");
    Some(name.strip_prefix(&prefix).unwrap_or(name).to_owned())
}

fn millis(time: SystemTime) -> i64 {
    DateTime::<Utc>::from(time).timestamp_millis()
}

/// An optional text of this many characters.
fn text<'a>(
    request: &'a Map<String, Value>,
    name: &str,
    characters: std::ops::RangeInclusive<usize>,
) -> Result<Option<&'a str>, LogsError> {
    let text = match request.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(text) => text.as_str().ok_or_else(LogsError::malformed)?,
    };
    if characters.contains(&text.chars().count()) {
        return Ok(Some(text));
    }
    let (least, most) = (characters.start(), characters.end());
    Err(LogsError::constraint(&format!("'{text}'"), name, &format!("have length between {least} and {most}")))
}

/// An optional whole number within these.
fn number(
    request: &Map<String, Value>,
    name: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Result<Option<i64>, LogsError> {
    let number = match request.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(number) => number.as_i64().ok_or_else(LogsError::malformed)?,
    };
    let (least, most) = (range.start(), range.end());
    let constraint = match number {
        number if number < *least => format!("have value greater than or equal to {least}"),
        number if number > *most => format!("have value less than or equal to {most}"),
        number => return Ok(Some(number)),
    };
    Err(LogsError::constraint(&format!("'{number}'"), name, &constraint))
}
