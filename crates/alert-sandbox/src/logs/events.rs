//! Log groups, and FilterLogEvents.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE as BASE64;
use serde_json::{Map, Value, json};

use super::error::LogsError;
use super::filters::MetricFilter;
use super::pattern::Pattern;
use super::{group_of, number, text};

/// The most events of one page (API reference, FilterLogEvents).
pub const PAGE_MAX_EVENTS: usize = 10_000;
/// The most bytes of one page (API reference, FilterLogEvents).
pub const PAGE_MAX_BYTES: usize = 1024 * 1024;
/// What an event counts beside its text (API reference, PutLogEvents).
const EVENT_OVERHEAD_BYTES: usize = 26;
/// The most streams that a request names (API reference, FilterLogEvents).
const STREAMS_MAX: usize = 100;
/// Before this start, 2024-01-01, nothing is searched from its end (API reference, FilterLogEvents).
const BACKWARD_MIN_MILLIS: i64 = 1_704_067_200_000;

/// A log group.
#[derive(Debug, Default)]
pub(super) struct Group {
    streams: BTreeSet<String>,
    /// By time, and then as they came.
    events: BTreeMap<(i64, u64), Event>,
    pub(super) filters: BTreeMap<String, MetricFilter>,
}

#[derive(Debug)]
struct Event {
    stream: String,
    ingested: i64,
    message: String,
}

impl Group {
    pub(super) fn add_stream(&mut self, stream: &str) {
        self.streams.insert(stream.to_owned());
    }

    pub(super) fn put(&mut self, stream: &str, number: u64, time: i64, ingested: i64, message: String) {
        self.events.insert((time, number), Event { stream: stream.to_owned(), ingested, message });
    }

    pub(super) fn put_filter(&mut self, filter: MetricFilter) {
        self.filters.insert(filter.name.clone(), filter);
    }
}

pub(super) fn filter_log_events(
    groups: &BTreeMap<String, Group>,
    request: &Map<String, Value>,
    scan_limit: Option<usize>,
) -> Result<Value, LogsError> {
    let group = groups.get(&group_name(request)?).ok_or_else(LogsError::no_group)?;
    let streams = streams(group, request)?;
    let start = number(request, "startTime", 0..=i64::MAX)?;
    let end = number(request, "endTime", 0..=i64::MAX)?;
    let pattern = Pattern::parse(text(request, "filterPattern", 0..=1024)?.unwrap_or_default())?;
    let limit = number(request, "limit", 1..=10_000)?;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(PAGE_MAX_EVENTS);
    let cursor = Cursor::of(request, start)?;

    let matches = |event: &Event| {
        streams.as_ref().is_none_or(|streams| streams.contains(&event.stream))
            && pattern.matches(&event.message)
    };
    // Both ends are part of the range.
    let range = (start.unwrap_or(0), 0)..=(end.unwrap_or(i64::MAX), u64::MAX);
    let in_range = group.events.iter().filter(|(key, _)| range.contains(key));
    let mut ordered: Vec<_> = in_range.collect();
    if cursor.backward {
        ordered.reverse();
    }
    let mut page = Vec::new();
    let mut bytes = 0;
    let mut seen = 0;
    for (key, event) in ordered.iter().skip(cursor.seen).take(scan_limit.unwrap_or(usize::MAX)) {
        if matches(event) {
            bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
            // The first one goes, however large it is.
            if page.len() == limit || (bytes > PAGE_MAX_BYTES && !page.is_empty()) {
                break;
            }
            page.push(event_json(**key, event));
        }
        seen += 1;
    }
    let seen = cursor.seen + seen;
    let mut answer = json!({"events": page, "searchedLogStreams": []});
    if seen < ordered.len() {
        answer["nextToken"] = Cursor { backward: cursor.backward, seen }.token().into();
    }
    Ok(answer)
}

fn event_json((time, number): (i64, u64), event: &Event) -> Value {
    json!({
        "eventId": format!("{time:028}{number:028}"),
        "ingestionTime": event.ingested,
        "logStreamName": event.stream,
        "message": event.message,
        "timestamp": time,
    })
}

/// How far a search has come, and in which direction.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    backward: bool,
    seen: usize,
}

impl Cursor {
    /// The direction is the first request's; a token has it.
    fn of(request: &Map<String, Value>, start: Option<i64>) -> Result<Self, LogsError> {
        if let Some(token) = text(request, "nextToken", 1..=usize::MAX)? {
            return Self::read(token).ok_or_else(LogsError::next_token);
        }
        let backward = match request.get("startFromHead") {
            None | Some(Value::Null) => false,
            Some(from_head) => !from_head.as_bool().ok_or_else(LogsError::malformed)?,
        };
        if backward && start.is_none_or(|start| start < BACKWARD_MIN_MILLIS) {
            let message =
                "startFromHead can be false only when startTime is on or after Jan 1, 2024 00:00:00 UTC";
            return Err(LogsError::invalid_parameter(message));
        }
        Ok(Self { backward, seen: 0 })
    }

    fn token(self) -> String {
        let direction = if self.backward { "backward" } else { "forward" };
        BASE64.encode(format!("{direction}:{}", self.seen))
    }

    fn read(token: &str) -> Option<Self> {
        let token = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
        let (direction, seen) = token.split_once(':')?;
        let backward = match direction {
            "backward" => true,
            "forward" => false,
            _ => return None,
        };
        Some(Self { backward, seen: seen.parse().ok()? })
    }
}

fn group_name(request: &Map<String, Value>) -> Result<String, LogsError> {
    let name = text(request, "logGroupName", 1..=512)?;
    let identifier = text(request, "logGroupIdentifier", 1..=2048)?;
    if name.is_some() == identifier.is_some() {
        let message = "Exactly one of logGroupName and logGroupIdentifier must be specified";
        return Err(LogsError::invalid_parameter(message));
    }
    if identifier.is_some_and(|arn| arn.ends_with('*')) {
        return Err(LogsError::invalid_parameter("The ARN of a log group cannot end with an asterisk"));
    }
    if name.is_some_and(|name| name.starts_with("arn:")) {
        let message = "Value at 'logGroupName' failed to satisfy constraint: [\\.\\-_/#A-Za-z0-9]+";
        return Err(LogsError::invalid_parameter(message));
    }
    group_of(request).ok_or_else(LogsError::no_group)
}

/// The streams that are searched; nothing for all.
fn streams(group: &Group, request: &Map<String, Value>) -> Result<Option<BTreeSet<String>>, LogsError> {
    let prefix = text(request, "logStreamNamePrefix", 1..=512)?;
    let names = request.get("logStreamNames").filter(|names| !names.is_null());
    let Some(names) = names else {
        let of = |prefix: &str| {
            group.streams.iter().filter(|stream| stream.starts_with(prefix)).cloned().collect()
        };
        return Ok(prefix.map(of));
    };
    if prefix.is_some() {
        let message = "logStreamNames and logStreamNamePrefix cannot be specified together";
        return Err(LogsError::invalid_parameter(message));
    }
    let names: Option<BTreeSet<_>> = names
        .as_array()
        .and_then(|names| names.iter().map(|name| name.as_str().map(str::to_owned)).collect());
    let names = names.ok_or_else(LogsError::malformed)?;
    if names.is_empty() || names.len() > STREAMS_MAX {
        let constraint = format!("have length between 1 and {STREAMS_MAX}");
        return Err(LogsError::constraint(&format!("'{names:?}'"), "logStreamNames", &constraint));
    }
    if names.is_subset(&group.streams) { Ok(Some(names)) } else { Err(LogsError::no_stream()) }
}
