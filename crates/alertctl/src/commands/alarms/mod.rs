//! The alarms of an account and region: their definitions by paginated reads, and what each would send.

mod message;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, LogAlarm, MetricAlarm};
use serde_json::{Map, Value};

use crate::commands::aws::problem;
pub(crate) use message::{Change, event};

/// The most that one answer holds (API reference, DescribeAlarms).
const PAGE_MAX: i32 = 100;

/// An alarm's definition, whatever its kind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Alarm {
    pub(crate) name: String,
    pub(crate) arn: String,
    /// `metric`, `composite` or `log`.
    pub(crate) kind: &'static str,
    pub(crate) state: String,
    pub(crate) actions_enabled: bool,
    /// What it does when it goes to ALARM.
    pub(crate) actions: Vec<String>,
    pub(crate) rule: Option<String>,
    pub(crate) suppressor: Option<String>,
    /// Each thing that it watches is an alert of its own, with labels that the definition does not tell.
    pub(crate) has_contributors: bool,
    /// The part of its message that says what it watches, and its lists of actions.
    definition: Map<String, Value>,
}

impl Alarm {
    /// One of which no more than the name is known, because it is deleted.
    pub(crate) fn gone(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Whether it does something when it goes to this state.
    pub(crate) fn has_action_for(&self, state: &str) -> bool {
        let actions = match state {
            "OK" => "OKActions",
            "ALARM" => "AlarmActions",
            _ => "InsufficientDataActions",
        };
        let actions = self.definition.get(actions).and_then(Value::as_array);
        self.actions_enabled && actions.is_some_and(|actions| !actions.is_empty())
    }
}

/// All alarms, in the order in which CloudWatch tells them.
///
/// It needs the right `cloudwatch:DescribeAlarms`.
pub(crate) async fn describe(client: &Client) -> Result<Vec<Alarm>, String> {
    let (mut alarms, mut token) = (Vec::new(), None);
    let mut types = vec![AlarmType::MetricAlarm, AlarmType::CompositeAlarm, AlarmType::LogAlarm];
    loop {
        let call = client.describe_alarms().set_alarm_types(Some(types.clone())).max_records(PAGE_MAX);
        let page = match call.set_next_token(token.take()).send().await {
            Ok(page) => page,
            // A partition that has no log alarms yet.
            Err(error)
                if error.code() == Some("ValidationError") && types.len() == 3 && alarms.is_empty() =>
            {
                types.pop();
                continue;
            }
            Err(error) => return Err(problem("CloudWatch DescribeAlarms", "the region", &error)),
        };
        token = page.next_token.clone().filter(|token| !token.is_empty());
        alarms.extend(of_page(page));
        if token.is_none() {
            return Ok(alarms);
        }
    }
}

fn of_page(page: DescribeAlarmsOutput) -> impl Iterator<Item = Alarm> {
    let metric = page.metric_alarms.unwrap_or_default().into_iter().map(Alarm::from);
    let composite = page.composite_alarms.unwrap_or_default().into_iter().map(Alarm::from);
    let log = page.log_alarms.unwrap_or_default().into_iter().map(Alarm::from);
    metric.chain(composite).chain(log)
}

/// The fields that every kind has, by the same names.
macro_rules! common {
    ($alarm:ident, $kind:literal) => {
        Alarm {
            name: $alarm.alarm_name.clone().unwrap_or_default(),
            arn: $alarm.alarm_arn.clone().unwrap_or_default(),
            kind: $kind,
            state: $alarm.state_value.as_ref().map(|state| state.as_str().to_owned()).unwrap_or_default(),
            actions_enabled: $alarm.actions_enabled.unwrap_or(true),
            actions: $alarm.alarm_actions.clone().unwrap_or_default(),
            definition: message::common(
                $alarm.alarm_description.as_deref(),
                [$alarm.ok_actions(), $alarm.alarm_actions(), $alarm.insufficient_data_actions()],
            ),
            ..Alarm::default()
        }
    };
}

impl From<MetricAlarm> for Alarm {
    fn from(alarm: MetricAlarm) -> Self {
        let mut own = common!(alarm, "metric");
        own.has_contributors = alarm.evaluation_criteria.is_some() || message::is_grouped(&alarm);
        own.definition.extend(message::of_metric(&alarm));
        own
    }
}

impl From<CompositeAlarm> for Alarm {
    fn from(alarm: CompositeAlarm) -> Self {
        let mut own = common!(alarm, "composite");
        own.definition.insert("AlarmRule".to_owned(), alarm.alarm_rule.clone().into());
        Self { rule: alarm.alarm_rule, suppressor: alarm.actions_suppressor, ..own }
    }
}

impl From<LogAlarm> for Alarm {
    fn from(alarm: LogAlarm) -> Self {
        let mut own = common!(alarm, "log");
        own.definition.extend(message::of_log(&alarm));
        Self { has_contributors: true, ..own }
    }
}
