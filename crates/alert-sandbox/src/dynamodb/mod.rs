//! The database: tables with one key and global secondary indexes, read, queried and written over its JSON protocol,
//! each write under one lock.
//!
//! Of DynamoDB the sandbox knows the scalars, conditions and updates of whole attributes, and queries by conditions on
//! keys. What it does not know it refuses by a ValidationException that says so: it never does something else than
//! DynamoDB would.

mod error;
mod expression;
mod index;
mod number;
mod parse;
mod placeholders;
mod query;
mod request;
mod table;
mod value;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Map, Value};
use tokio_rustls::TlsAcceptor;

use crate::aws::{self, Ids, is_signed};
use crate::lock;
use crate::server::{ConnectionEnd, Line, Server, endless_body};
use error::DynamoDbError;
use index::{Index, KeyAttribute, Projection};
use request::table_name;
pub use table::{ITEM_MAX_BYTES, PARTITION_KEY_MAX_BYTES};
use table::{Table, Tables};
use value::{item_from_json, item_json};

/// The partition key of the tables that [`DynamoDb::create_table`] makes, a string.
pub const PARTITION_KEY: &str = "pk";
/// The index of these tables, and its partition key, a string: what is due has it. The index shows keys only.
pub const DUE_INDEX: &str = "due";
/// The index's sort key, a number.
pub const DUE_AT: &str = "due_at";

/// One call, as DynamoDB saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DynamoDbCall {
    /// `UpdateItem`, or whatever was asked for.
    pub operation: String,
    /// The table's name; empty where none was given.
    pub table: String,
    /// `ok`, the error's name, or `no answer`.
    pub outcome: String,
}

/// What goes wrong, until another fault is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DynamoDbFault {
    /// Nothing.
    #[default]
    None,
    /// The next calls, this many, are answered by ProvisionedThroughputExceededException.
    Throttle(u32),
    /// InternalServerError, with status 500.
    Unavailable,
    /// AccessDeniedException.
    Deny,
    /// ResourceNotFoundException: someone deleted the table.
    Missing,
    /// Nothing is done and nothing answered for this long, then the connection breaks.
    Hang(Duration),
    /// Done at once, and answered so much later.
    Delay(Duration),
    /// The next calls, this many, are carried out, and their connections break without an answer.
    LoseAnswer(u32),
    /// Done, and answered by status 200 and a body without an end.
    Endless,
}

/// The running service.
#[derive(Debug)]
pub struct DynamoDb {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ids: Ids,
    state: Mutex<Database>,
}

#[derive(Debug, Default)]
struct Database {
    tables: Tables,
    calls: Vec<DynamoDbCall>,
    fault: DynamoDbFault,
    /// How many calls are still to come before the fault.
    spared: u32,
}

impl DynamoDb {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, state: Mutex::default() });
        let router = Router::new()
            .route("/", post(answer))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        Ok(Self { server: Server::start(router, tls).await?, shared })
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_DYNAMODB`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes a table with the partition key [`PARTITION_KEY`], a string, and the index [`DUE_INDEX`], and says its
    /// name. One of this name is emptied.
    #[must_use]
    pub fn create_table(&self, name: &str) -> String {
        let due = Index {
            name: DUE_INDEX.to_owned(),
            hash: KeyAttribute::new(DUE_INDEX, "S"),
            range: Some(KeyAttribute::new(DUE_AT, "N")),
            projection: Projection::KeysOnly,
        };
        lock(&self.shared.state)
            .tables
            .insert(name, Table::new(KeyAttribute::new(PARTITION_KEY, "S"), vec![due]));
        name.to_owned()
    }

    /// From now on the indexes of a table stay as they are, until they follow it again: they are only eventually
    /// consistent with it, so that what was changed already is still found in them.
    pub fn hold_indexes(&self, table: &str, hold: bool) {
        if let Ok(table) = lock(&self.shared.state).tables.table(table) {
            table.hold_indexes(hold);
        }
    }

    /// The items of a table as the wire has them, by their keys; none where there is no such table.
    #[must_use]
    pub fn items(&self, table: &str) -> Vec<Value> {
        let mut state = lock(&self.shared.state);
        state.tables.table(table).map(|table| table.items().map(item_json).collect()).unwrap_or_default()
    }

    /// The item with this partition key, as the wire has it.
    #[must_use]
    pub fn item(&self, table: &str, key: &str) -> Option<Value> {
        self.items(table).into_iter().find(|item| item[PARTITION_KEY]["S"] == key)
    }

    /// Puts an item, as the wire has it, in the place of the one with its key: somebody else wrote it, or time went by.
    pub fn put_item(&self, table: &str, item: &Value) -> Result<(), String> {
        let put = || lock(&self.shared.state).tables.table(table)?.put(item_from_json(item)?);
        put().map_err(|error: DynamoDbError| error.body().to_string())
    }

    /// All calls so far, those that were refused included.
    #[must_use]
    pub fn calls(&self) -> Vec<DynamoDbCall> {
        lock(&self.shared.state).calls.clone()
    }

    /// From now on, this goes wrong.
    pub fn set_fault(&self, fault: DynamoDbFault) {
        self.set_fault_after(0, fault);
    }

    /// After the next calls, this many, which are answered as they should be, this goes wrong.
    pub fn set_fault_after(&self, calls: u32, fault: DynamoDbFault) {
        let mut state = lock(&self.shared.state);
        (state.fault, state.spared) = (fault, calls);
    }

    /// As [`Slack::expire_idle_connections`](crate::slack::Slack::expire_idle_connections).
    #[allow(clippy::must_use_candidate, reason = "it acts; the number is a courtesy")]
    pub fn expire_idle_connections(&self) -> usize {
        self.server.connections().end_idle(ConnectionEnd::ResetOnRead)
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let _busy = line.busy();
    let operation = aws::operation(&headers, "DynamoDB_20120810.").to_owned();
    let request = serde_json::from_slice::<Map<String, Value>>(&body);
    let table = request.as_ref().ok().and_then(table_name).unwrap_or_default().to_owned();
    let index = request.as_ref().ok().and_then(|request| request.get("IndexName")?.as_str());
    let resource = index.map_or_else(|| table.clone(), |index| format!("{table}/index/{index}"));
    let (fault, result) = {
        let mut state = lock(&shared.state);
        let fault = state.next_fault();
        let result = admit(&headers, &operation, &resource, &fault).and_then(|()| {
            let request = request.map_err(|_| DynamoDbError::malformed())?;
            state.tables.perform(&operation, &request)
        });
        let outcome = match (&fault, &result) {
            (DynamoDbFault::Hang(_) | DynamoDbFault::LoseAnswer(_), _) => "no answer",
            (_, Ok(_)) => "ok",
            (_, Err(error)) => error.kind,
        };
        state.calls.push(DynamoDbCall { operation, table, outcome: outcome.to_owned() });
        (fault, result)
    };
    if let DynamoDbFault::Delay(time) | DynamoDbFault::Hang(time) = fault {
        tokio::time::sleep(time).await;
    }
    if matches!(fault, DynamoDbFault::Hang(_) | DynamoDbFault::LoseAnswer(_)) {
        line.reset();
    }
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (error.status, error.body()),
    };
    let content_type = (header::CONTENT_TYPE, "application/x-amz-json-1.0".to_owned());
    let headers = [content_type, (REQUEST_ID, shared.ids.uuid())];
    if matches!(fault, DynamoDbFault::Endless) {
        return (status, headers, endless_body()).into_response();
    }
    (status, headers, body.to_string()).into_response()
}

const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-amzn-requestid");

impl Database {
    /// The fault that this call meets; those of a number of calls wear off.
    fn next_fault(&mut self) -> DynamoDbFault {
        if self.spared > 0 {
            self.spared -= 1;
            return DynamoDbFault::None;
        }
        let fault = self.fault.clone();
        match &mut self.fault {
            DynamoDbFault::Throttle(0) | DynamoDbFault::LoseAnswer(0) => DynamoDbFault::None,
            DynamoDbFault::Throttle(left) | DynamoDbFault::LoseAnswer(left) => {
                *left -= 1;
                fault
            }
            _ => fault,
        }
    }
}

/// What is refused before the request is looked at, or not done at all.
fn admit(
    headers: &HeaderMap,
    operation: &str,
    resource: &str,
    fault: &DynamoDbFault,
) -> Result<(), DynamoDbError> {
    if !is_signed(headers, "dynamodb") {
        return Err(DynamoDbError::unsigned());
    }
    match fault {
        DynamoDbFault::Throttle(_) => Err(DynamoDbError::throttled()),
        // Hanging, it never gets to the table.
        DynamoDbFault::Unavailable | DynamoDbFault::Hang(_) => Err(DynamoDbError::internal()),
        DynamoDbFault::Deny => Err(DynamoDbError::denied(operation, resource)),
        DynamoDbFault::Missing => Err(DynamoDbError::no_resource()),
        DynamoDbFault::None
        | DynamoDbFault::Delay(_)
        | DynamoDbFault::LoseAnswer(_)
        | DynamoDbFault::Endless => Ok(()),
    }
}
