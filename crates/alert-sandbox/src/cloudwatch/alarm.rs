//! Alarms as they are described; nothing here evaluates them.

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE as BASE64;
use chrono::DateTime;
use serde_json::{Map, Value, json};

use super::error::CloudWatchError;
use super::history::{History, Told};
use super::wire::is_moment;
use crate::aws::{ACCOUNT, REGION};
use crate::sns::Message;

/// The most names that DescribeAlarms takes, and the most alarms that it answers with (API reference, DescribeAlarms).
pub const DESCRIBED_MAX: usize = 100;
/// How many alarms an answer has where MaxRecords is not given. The reference does not say it;
/// fewer than the most, so that whoever asks for 100 names has to say so or to turn pages.
const DESCRIBED_DEFAULT: usize = 50;
/// The longest name of an alarm (API reference, PutMetricAlarm), in characters.
pub(super) const NAME_MAX_CHARACTERS: usize = 255;

/// API reference, SetAlarmState.
const REASON_MAX_CHARACTERS: usize = 1_023;
/// The states, each with what names its actions.
const ACTIONS: [(&str, &str); 3] =
    [("OK", "OKActions"), ("ALARM", "AlarmActions"), ("INSUFFICIENT_DATA", "InsufficientDataActions")];

const COMMON_FIELDS: [&str; 13] = [
    "ActionsEnabled",
    "AlarmActions",
    "AlarmArn",
    "AlarmConfigurationUpdatedTimestamp",
    "AlarmDescription",
    "AlarmName",
    "InsufficientDataActions",
    "OKActions",
    "StateReason",
    "StateReasonData",
    "StateTransitionedTimestamp",
    "StateUpdatedTimestamp",
    "StateValue",
];
const METRIC_FIELDS: [&str; 16] = [
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluateLowSampleCountPercentile",
    "EvaluationPeriods",
    "EvaluationState",
    "ExtendedStatistic",
    "MetricName",
    "Metrics",
    "Namespace",
    "Period",
    "Statistic",
    "Threshold",
    "ThresholdMetricId",
    "TreatMissingData",
    "Unit",
];
const COMPOSITE_FIELDS: [&str; 6] = [
    "ActionsSuppressedBy",
    "ActionsSuppressedReason",
    "ActionsSuppressor",
    "ActionsSuppressorExtensionPeriod",
    "ActionsSuppressorWaitPeriod",
    "AlarmRule",
];

/// A metric alarm, or one of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Metric,
    Composite,
}

#[derive(Debug, Default)]
pub(super) struct Alarms(BTreeMap<String, (Kind, Map<String, Value>)>);

impl Alarms {
    /// Puts an alarm in the place of the one with its name, whose state it keeps.
    pub(super) fn put(&mut self, kind: Kind, definition: &Value) -> Result<(), CloudWatchError> {
        let definition = definition.as_object().ok_or_else(CloudWatchError::malformed)?;
        let name = definition.get("AlarmName").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() || name.chars().count() > NAME_MAX_CHARACTERS {
            let constraint = "have length between 1 and 255";
            return Err(CloudWatchError::constraint(&format!("'{name}'"), "alarmName", constraint));
        }
        check(kind, definition)?;
        let before = self.0.remove(name).map(|(_, alarm)| alarm);
        let mut alarm = defaults(kind, name);
        let state = before.iter().flatten().filter(|(name, _)| name.starts_with("State"));
        alarm.extend(state.map(|(name, value)| (name.clone(), value.clone())));
        for (name, value) in definition {
            alarm.insert(name.clone(), if is_moment(name) { moment(name, value)? } else { value.clone() });
        }
        self.0.insert(name.to_owned(), (kind, alarm));
        Ok(())
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// An alarm's kind.
    pub(super) fn kind(&self, name: &str) -> Option<Kind> {
        self.0.get(name).map(|(kind, _)| *kind)
    }

    /// Sets an alarm's state, writes that down, and says to which topics its action goes, and with which message.
    pub(super) fn set_state(
        &mut self,
        request: &Map<String, Value>,
        now: SystemTime,
        history: &mut History,
    ) -> Result<Vec<(String, Message)>, CloudWatchError> {
        let needed = |name| text(request, name)?.ok_or_else(|| CloudWatchError::required(name));
        let (name, state, reason) = (needed("AlarmName")?, needed("StateValue")?, needed("StateReason")?);
        let Some(actions) = ACTIONS.iter().find(|(known, _)| *known == state).map(|(_, actions)| *actions)
        else {
            let constraint = "satisfy enum value set: [INSUFFICIENT_DATA, ALARM, OK]";
            return Err(CloudWatchError::constraint(&format!("'{state}'"), "stateValue", constraint));
        };
        if reason.chars().count() > REASON_MAX_CHARACTERS {
            let constraint = format!("have length less than or equal to {REASON_MAX_CHARACTERS}");
            return Err(CloudWatchError::constraint(&format!("'{reason}'"), "stateReason", &constraint));
        }
        let (kind, alarm) = self.0.get_mut(name).ok_or_else(|| CloudWatchError::no_alarm(name))?;
        let before = alarm.insert("StateValue".to_owned(), state.into()).unwrap_or_default();
        let before_reason = alarm.insert("StateReason".to_owned(), reason.into()).unwrap_or_default();
        alarm.insert("StateUpdatedTimestamp".to_owned(), seconds(now));
        let is_changed = before != state;
        if is_changed {
            alarm.insert("StateTransitionedTimestamp".to_owned(), seconds(now));
            let told = |state, reason, data| Told { state, reason, data };
            let (from, why) =
                (before.as_str().unwrap_or_default(), before_reason.as_str().unwrap_or_default());
            let data = text(request, "StateReasonData")?;
            history.add(*kind, name, now, &told(from, why, None), &told(state, reason, data));
        }
        if !is_changed || alarm.get("ActionsEnabled") == Some(&Value::Bool(false)) {
            return Ok(Vec::new());
        }
        let message = Message {
            subject: Some(format!("{state}: \"{name}\" in US East (N. Virginia)")),
            ..Message::new(notification(*kind, alarm, &before, now).to_string())
        };
        let topics = alarm.get(actions).and_then(Value::as_array).into_iter().flatten();
        let topics = topics.filter_map(Value::as_str).filter(|action| action.contains(":sns:"));
        Ok(topics.map(|topic| (topic.to_owned(), message.clone())).collect())
    }

    pub(super) fn describe(&self, request: &Map<String, Value>) -> Result<Value, CloudWatchError> {
        for member in ["ChildrenOfAlarmName", "ParentsOfAlarmName"] {
            if request.contains_key(member) {
                return Err(CloudWatchError::unknown(member));
            }
        }
        let names = texts(request, "AlarmNames")?;
        if names.as_ref().is_some_and(|names| names.len() > DESCRIBED_MAX) {
            let constraint = format!("have length less than or equal to {DESCRIBED_MAX}");
            return Err(CloudWatchError::constraint(&format!("'{names:?}'"), "alarmNames", &constraint));
        }
        let prefix = text(request, "AlarmNamePrefix")?;
        if names.is_some() && prefix.is_some() {
            let message = "AlarmNames and AlarmNamePrefix cannot be specified together";
            return Err(CloudWatchError::combination(message));
        }
        let kinds = kinds(request)?;
        let state = text(request, "StateValue")?;
        let action = text(request, "ActionPrefix")?;
        let wanted = |(name, (kind, alarm)): &(&String, &(Kind, Map<String, Value>))| {
            // An empty list is as good as none.
            names.as_ref().is_none_or(|names| names.is_empty() || names.contains(&name.as_str()))
                && prefix.is_none_or(|prefix| name.starts_with(prefix))
                && kinds.contains(kind)
                && state.is_none_or(|state| alarm.get("StateValue").is_some_and(|value| value == state))
                && action.is_none_or(|prefix| has_action(alarm, prefix))
        };
        let size = page_size(request)?;
        let start = match text(request, "NextToken")? {
            None => 0,
            Some(token) => token_start(token).ok_or_else(CloudWatchError::next_token)?,
        };
        let found: Vec<_> = self.0.iter().filter(wanted).collect();
        let page: Vec<_> = found.iter().skip(start).take(size).collect();
        let of = |wanted: Kind| {
            let alarms = page.iter().filter(|(_, (kind, _))| *kind == wanted);
            alarms.map(|(_, (_, alarm))| Value::from(alarm.clone())).collect::<Vec<_>>()
        };
        let mut answer = json!({"MetricAlarms": of(Kind::Metric), "CompositeAlarms": of(Kind::Composite)});
        if found.len() > start + page.len() {
            answer["NextToken"] = BASE64.encode(format!("alarms:{}", start + page.len())).into();
        }
        Ok(answer)
    }
}

/// What an alarm's action sends to a topic. Source: CloudWatch User Guide, "Notifying users on alarm changes".
fn notification(kind: Kind, alarm: &Map<String, Value>, before: &Value, now: SystemTime) -> Value {
    let of = |name: &str| alarm.get(name).cloned().unwrap_or_default();
    let at = DateTime::<chrono::Utc>::from(now).format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string();
    let mut message = json!({
        "AlarmName": of("AlarmName"),
        "AlarmDescription": of("AlarmDescription"),
        "AWSAccountId": ACCOUNT,
        "AlarmConfigurationUpdatedTimestamp": at,
        "NewStateValue": of("StateValue"),
        "NewStateReason": of("StateReason"),
        "StateChangeTime": at,
        "Region": "US East (N. Virginia)",
        "AlarmArn": of("AlarmArn"),
        "OldStateValue": before,
        "OKActions": of("OKActions"),
        "AlarmActions": of("AlarmActions"),
        "InsufficientDataActions": of("InsufficientDataActions"),
    });
    if kind == Kind::Metric {
        message["Trigger"] = json!({
            "MetricName": of("MetricName"),
            "Namespace": of("Namespace"),
            "StatisticType": "Statistic",
            "Statistic": of("Statistic").as_str().unwrap_or("Average").to_uppercase(),
            "Unit": null,
            "Dimensions": of("Dimensions"),
            "Period": of("Period"),
            "EvaluationPeriods": of("EvaluationPeriods"),
            "ComparisonOperator": of("ComparisonOperator"),
            "Threshold": of("Threshold"),
            "TreatMissingData": of("TreatMissingData"),
            "EvaluateLowSampleCountPercentile": "",
        });
    }
    message
}

/// A typing error in a test's alarm must not look like an alarm without that member.
fn check(kind: Kind, definition: &Map<String, Value>) -> Result<(), CloudWatchError> {
    let own = match kind {
        Kind::Metric => METRIC_FIELDS.as_slice(),
        Kind::Composite => COMPOSITE_FIELDS.as_slice(),
    };
    let known = |name: &&String| own.contains(&name.as_str()) || COMMON_FIELDS.contains(&name.as_str());
    if let Some(name) = definition.keys().find(|name| !known(name)) {
        return Err(CloudWatchError::unknown(&format!("{name} of this kind of alarm")));
    }
    let required = match kind {
        Kind::Metric => ["ComparisonOperator", "EvaluationPeriods"].as_slice(),
        Kind::Composite => ["AlarmRule"].as_slice(),
    };
    if let Some(name) = required.iter().find(|name| !definition.contains_key(**name)) {
        return Err(CloudWatchError::required(name));
    }
    if kind == Kind::Metric && definition.contains_key("MetricName") == definition.contains_key("Metrics") {
        return Err(CloudWatchError::validation("exactly one of MetricName and Metrics must be specified"));
    }
    Ok(())
}

fn defaults(kind: Kind, name: &str) -> Map<String, Value> {
    let now = seconds(SystemTime::now());
    let mut alarm = Map::from_iter(
        [
            ("AlarmName", name.into()),
            ("AlarmArn", format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}").into()),
            ("AlarmConfigurationUpdatedTimestamp", now.clone()),
            ("ActionsEnabled", true.into()),
            ("OKActions", json!([])),
            ("AlarmActions", json!([])),
            ("InsufficientDataActions", json!([])),
            ("StateValue", "INSUFFICIENT_DATA".into()),
            ("StateReason", "Unchecked: Initial alarm creation".into()),
            ("StateUpdatedTimestamp", now.clone()),
            ("StateTransitionedTimestamp", now),
        ]
        .map(|(name, value): (&str, Value)| (name.to_owned(), value)),
    );
    if kind == Kind::Metric {
        alarm.insert("Dimensions".to_owned(), json!([]));
    }
    alarm
}

/// Seconds as they are, or RFC 3339's text, which is easier to write down.
fn moment(name: &str, value: &Value) -> Result<Value, CloudWatchError> {
    let Some(text) = value.as_str() else { return Ok(value.clone()) };
    let moment = DateTime::parse_from_rfc3339(text)
        .map_err(|_| CloudWatchError::validation(format!("{name} is no moment: {text}")))?;
    Ok(seconds(moment.into()))
}

/// In milliseconds' precision, which is the service's.
#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 fit for longer than anybody waits")]
pub(super) fn seconds(time: SystemTime) -> Value {
    let millis = DateTime::<chrono::Utc>::from(time).timestamp_millis();
    (millis as f64 / 1000.0).into()
}

fn has_action(alarm: &Map<String, Value>, prefix: &str) -> bool {
    let actions = ["OKActions", "AlarmActions", "InsufficientDataActions"];
    let actions = actions.iter().filter_map(|name| alarm.get(*name)?.as_array()).flatten();
    actions.filter_map(Value::as_str).any(|action| action.starts_with(prefix))
}

/// Without types, composite alarms are left out (API reference, DescribeAlarms).
pub(super) fn kinds(request: &Map<String, Value>) -> Result<Vec<Kind>, CloudWatchError> {
    let Some(types) = texts(request, "AlarmTypes")? else { return Ok(vec![Kind::Metric]) };
    if types.is_empty() {
        return Ok(vec![Kind::Metric]);
    }
    // Log alarms may be asked for: there are none.
    let types = types.into_iter().filter(|name| *name != "LogAlarm");
    let kind = |name: &str| match name {
        "MetricAlarm" => Ok(Kind::Metric),
        "CompositeAlarm" => Ok(Kind::Composite),
        _ => {
            let constraint = "satisfy enum value set: [CompositeAlarm, LogAlarm, MetricAlarm]";
            Err(CloudWatchError::constraint(&format!("'[{name}]'"), "alarmTypes", constraint))
        }
    };
    types.map(kind).collect()
}

pub(super) fn page_size(request: &Map<String, Value>) -> Result<usize, CloudWatchError> {
    let Some(size) = request.get("MaxRecords").filter(|size| !size.is_null()) else {
        return Ok(DESCRIBED_DEFAULT);
    };
    let size = size.as_i64().ok_or_else(CloudWatchError::malformed)?;
    let valid = usize::try_from(size).ok().filter(|size| (1..=DESCRIBED_MAX).contains(size));
    let constraint = format!("have value between 1 and {DESCRIBED_MAX}");
    valid.ok_or_else(|| CloudWatchError::constraint(&format!("'{size}'"), "maxRecords", &constraint))
}

fn token_start(token: &str) -> Option<usize> {
    let token = String::from_utf8(BASE64.decode(token).ok()?).ok()?;
    token.strip_prefix("alarms:")?.parse().ok()
}

/// An optional text.
pub(super) fn text<'a>(
    members: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, CloudWatchError> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(CloudWatchError::malformed()),
    }
}

/// An optional list of texts.
pub(super) fn texts<'a>(
    members: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<Vec<&'a str>>, CloudWatchError> {
    let Some(list) = members.get(name).filter(|list| !list.is_null()) else { return Ok(None) };
    let texts = list.as_array().and_then(|list| list.iter().map(Value::as_str).collect());
    texts.map(Some).ok_or_else(CloudWatchError::malformed)
}
