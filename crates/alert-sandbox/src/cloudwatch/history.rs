//! What became of alarms: DescribeAlarmHistory. Source: CloudWatch API Reference, DescribeAlarmHistory and AlarmHistoryItem.

use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE as BASE64;
use serde_json::{Map, Value, json};

use super::alarm::{Kind, kinds, page_size, seconds, text};
use super::error::CloudWatchError;

/// How many items an answer has where MaxRecords is not given, and the most (API reference, DescribeAlarmHistory).
pub const HISTORY_PAGE_MAX: usize = 100;
/// The kinds of items (API reference, AlarmHistoryItem). The sandbox writes down changes of state alone.
const ITEM_TYPES: [&str; 6] = [
    "ConfigurationUpdate",
    "StateUpdate",
    "Action",
    "AlarmContributorStateUpdate",
    "AlarmContributorAction",
    "TelemetryConfigurationUpdate",
];

#[derive(Debug)]
struct Item {
    kind: Kind,
    name: String,
    at: f64,
    summary: String,
    data: Value,
}

/// All items, as they came.
#[derive(Debug, Default)]
pub(super) struct History(Vec<Item>);

/// A state with its reason, as an item's data has it.
#[derive(Debug)]
pub(super) struct Told<'t> {
    pub(super) state: &'t str,
    pub(super) reason: &'t str,
    /// JSON, or a text that is none.
    pub(super) data: Option<&'t str>,
}

impl Told<'_> {
    fn json(&self) -> Value {
        let mut told = json!({"stateValue": self.state, "stateReason": self.reason});
        if let Some(data) = self.data.and_then(|data| serde_json::from_str::<Value>(data).ok()) {
            told["stateReasonData"] = data;
        }
        told
    }
}

impl History {
    pub(super) fn add(&mut self, kind: Kind, name: &str, at: SystemTime, from: &Told<'_>, to: &Told<'_>) {
        let at = seconds(at).as_f64().unwrap_or_default();
        let summary = format!("Alarm updated from {} to {}", from.state, to.state);
        let data = json!({"version": "1.0", "oldState": from.json(), "newState": to.json()});
        self.0.push(Item { kind, name: name.to_owned(), at, summary, data });
    }

    pub(super) fn describe(&self, request: &Map<String, Value>) -> Result<Value, CloudWatchError> {
        let name = text(request, "AlarmName")?;
        if request.contains_key("AlarmContributorId") {
            return Err(CloudWatchError::unknown("AlarmContributorId"));
        }
        let item_type = text(request, "HistoryItemType")?;
        if let Some(wrong) = item_type.filter(|item_type| !ITEM_TYPES.contains(item_type)) {
            let constraint = format!("satisfy enum value set: [{}]", ITEM_TYPES.join(", "));
            return Err(CloudWatchError::constraint(&format!("'{wrong}'"), "historyItemType", &constraint));
        }
        let kinds = kinds(request)?;
        let moment = |name: &str| match request.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or_else(CloudWatchError::malformed),
        };
        let (from, to) = (moment("StartDate")?, moment("EndDate")?);
        if from.zip(to).is_some_and(|(from, to)| from > to) {
            return Err(CloudWatchError::validation("StartDate must be before EndDate"));
        }
        let mut found: Vec<&Item> = self
            .0
            .iter()
            .filter(|item| {
                name.is_none_or(|name| item.name == name)
                    && item_type.is_none_or(|item_type| item_type == "StateUpdate")
                    && kinds.contains(&item.kind)
                    && from.is_none_or(|from| item.at >= from)
                    && to.is_none_or(|to| item.at <= to)
            })
            .collect();
        found.sort_by(|a, b| a.at.total_cmp(&b.at));
        match text(request, "ScanBy")? {
            Some("TimestampAscending") => {}
            None | Some("TimestampDescending") => found.reverse(),
            Some(wrong) => {
                let constraint = "satisfy enum value set: [TimestampAscending, TimestampDescending]";
                return Err(CloudWatchError::constraint(&format!("'{wrong}'"), "scanBy", constraint));
            }
        }
        let size = match request.get("MaxRecords").filter(|size| !size.is_null()) {
            None => HISTORY_PAGE_MAX,
            Some(_) => page_size(request)?,
        };
        let start = match text(request, "NextToken")? {
            None => 0,
            Some(token) => token_start(token).ok_or_else(CloudWatchError::next_token)?,
        };
        let page: Vec<Value> = found.iter().skip(start).take(size).map(|item| item.json()).collect();
        let end = start + page.len();
        let mut answer = json!({"AlarmHistoryItems": page});
        if found.len() > end {
            answer["NextToken"] = BASE64.encode(format!("history:{end}")).into();
        }
        Ok(answer)
    }
}

impl Item {
    fn json(&self) -> Value {
        json!({
            "AlarmName": self.name,
            "AlarmType": if self.kind == Kind::Metric { "MetricAlarm" } else { "CompositeAlarm" },
            "Timestamp": self.at,
            "HistoryItemType": "StateUpdate",
            "HistorySummary": self.summary,
            "HistoryData": self.data.to_string(),
        })
    }
}

fn token_start(token: &str) -> Option<usize> {
    let token = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
    token.strip_prefix("history:")?.parse().ok()
}
