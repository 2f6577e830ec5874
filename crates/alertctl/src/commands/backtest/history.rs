//! The past of an account's alarms: their changes of state, each as the event that SNS would have brought.

use std::collections::HashMap;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::primitives::DateTime as SdkDateTime;
use aws_sdk_cloudwatch::types::{AlarmHistoryItem, AlarmType, HistoryItemType, ScanBy};
use chrono::{DateTime, Utc};
use serde_json::Value;

use super::Past;
use crate::commands::alarms::{self, Alarm, Change};
use crate::commands::aws::problem;

/// The most that one answer holds (API reference, DescribeAlarmHistory).
const PAGE_MAX: i32 = 100;

/// Reads what changed since a moment.
pub(super) async fn read(client: &Client, from: DateTime<Utc>, all: bool) -> Result<Past, String> {
    let changes = changes(client, from).await?;
    let mut past = Past::default();
    let alarms = match alarms::describe(client).await {
        Ok(alarms) => alarms.into_iter().map(|alarm| (alarm.name.clone(), alarm)).collect(),
        Err(problem) => {
            let what = "what the alarms watch and whether they have actions is unknown";
            past.problems.push(format!("{problem}; {what}: cloudwatch:DescribeAlarms may be missing"));
            HashMap::new()
        }
    };
    let are_known = past.problems.is_empty();
    let mut tags: HashMap<String, Vec<(String, String)>> = HashMap::new();
    let mut may_read_tags = true;
    for (name, change) in changes {
        let gone = Alarm::gone(&name);
        let alarm = alarms.get(&name).unwrap_or(&gone);
        // Of an alarm that is deleted nobody knows what it did.
        let is_known = are_known && !alarm.arn.is_empty();
        if is_known && !all && !alarm.has_action_for(&change.to) {
            past.unsent += 1;
            continue;
        }
        if !tags.contains_key(&name) && may_read_tags && is_known {
            match client.list_tags_for_resource().resource_arn(&alarm.arn).send().await {
                Ok(answer) => {
                    let own = answer.tags.unwrap_or_default().into_iter();
                    tags.insert(name.clone(), own.filter_map(|tag| Some((tag.key?, tag.value?))).collect());
                }
                Err(error) => {
                    may_read_tags = error.code() == Some("ResourceNotFoundException");
                    let problem = problem("CloudWatch ListTagsForResource", &name, &error);
                    past.problems.push(format!("{problem}; rules and routes see no tags of alarms"));
                }
            }
        }
        let tags = tags.get(&name).map(Vec::as_slice).unwrap_or_default();
        past.events.push(alarms::event(alarm, &change, tags).to_string().into_bytes());
    }
    Ok(past)
}

/// All changes of state, the oldest first, each with its alarm's name.
async fn changes(client: &Client, from: DateTime<Utc>) -> Result<Vec<(String, Change)>, String> {
    let mut types = vec![AlarmType::MetricAlarm, AlarmType::CompositeAlarm, AlarmType::LogAlarm];
    let (mut changes, mut token) = (Vec::new(), None);
    loop {
        let call = client
            .describe_alarm_history()
            .set_alarm_types(Some(types.clone()))
            .history_item_type(HistoryItemType::StateUpdate)
            .start_date(SdkDateTime::from_millis(from.timestamp_millis()))
            .scan_by(ScanBy::TimestampAscending)
            .max_records(PAGE_MAX);
        let page = match call.set_next_token(token.take()).send().await {
            Ok(page) => page,
            // A partition that has no log alarms yet.
            Err(error)
                if error.code() == Some("ValidationError") && types.len() == 3 && changes.is_empty() =>
            {
                types.pop();
                continue;
            }
            Err(error) => {
                let problem = problem("CloudWatch DescribeAlarmHistory", "the region", &error);
                return Err(format!(
                    "{problem}; whoever calls must be allowed cloudwatch:DescribeAlarmHistory"
                ));
            }
        };
        let items = page.alarm_history_items.unwrap_or_default();
        changes.extend(items.into_iter().filter_map(|item| Some((item.alarm_name.clone()?, item))));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    let changes = changes.into_iter().enumerate();
    Ok(changes.filter_map(|(number, (name, item))| Some((name, change(number, &item)?))).collect())
}

/// What an item tells; `None` where it is no change of state that can be read.
fn change(number: usize, item: &AlarmHistoryItem) -> Option<Change> {
    let data: Value = serde_json::from_str(item.history_data()?).ok()?;
    let of = |path: &str| data.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let to = of("/newState/stateValue");
    let reason_data = data.pointer("/newState/stateReasonData").map(|data| match data {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let attributes = item.alarm_contributor_attributes.clone().unwrap_or_default();
    if to.is_empty() {
        return None;
    }
    Some(Change {
        id: format!("history-{number}"),
        at: DateTime::from_timestamp_millis(item.timestamp()?.to_millis().ok()?)?,
        from: of("/oldState/stateValue"),
        to,
        reason: of("/newState/stateReason"),
        reason_data,
        contributor: item.alarm_contributor_id.clone().map(|id| (id, attributes)),
    })
}

#[cfg(test)]
mod tests {
    use alert_core::alert::State;
    use alert_core::{envelope, source};
    use aws_sdk_cloudwatch::types::{ComparisonOperator, MetricAlarm, Statistic};
    use serde_json::json;

    use super::*;

    /// The definition of the fixture's alarm, and an item of its history, become what SNS brought of it.
    #[test]
    fn a_change_of_the_past_is_the_alert_that_sns_brought() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cloudwatch/metric.sns.json");
        let fixture = std::fs::read(folder).unwrap();
        let dimension = aws_sdk_cloudwatch::types::Dimension::builder();
        let alarm = Alarm::from(
            MetricAlarm::builder()
                .alarm_name("web CPU high")
                .alarm_arn("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:web CPU high")
                .alarm_description("The web servers are too busy.")
                .alarm_actions("arn:aws:sns:eu-west-1:111122223333:alarms")
                .ok_actions("arn:aws:sns:eu-west-1:111122223333:alarms")
                .metric_name("CPUUtilization")
                .namespace("AWS/EC2")
                .statistic(Statistic::Average)
                .dimensions(dimension.name("InstanceId").value("i-0a1b2c3d4e5f60001").build())
                .period(60)
                .evaluation_periods(3)
                .datapoints_to_alarm(3)
                .threshold(50.0)
                .comparison_operator(ComparisonOperator::GreaterThanThreshold)
                .treat_missing_data("missing")
                .build(),
        );
        let of = |event: &[u8]| {
            let decoded = envelope::decode(event);
            decoded.records.iter().flat_map(source::interpret).next().unwrap()
        };
        let mut brought = of(&fixture);
        let reason = brought.reason.clone().unwrap();
        let data = json!({
            "version": "1.0",
            "oldState": {"stateValue": "OK", "stateReason": "…"},
            "newState": {"stateValue": "ALARM", "stateReason": reason},
        });
        let item = AlarmHistoryItem::builder()
            .alarm_name("web CPU high")
            .timestamp(SdkDateTime::from_millis(1_789_384_724_401))
            .history_data(data.to_string())
            .build();
        let change = change(7, &item).unwrap();
        let composed = of(alarms::event(&alarm, &change, &[]).to_string().as_bytes());
        assert_eq!(composed.state, State::Firing);
        assert!(alarm.has_action_for("OK") && !alarm.has_action_for("INSUFFICIENT_DATA"));
        // The raw message differs, and nothing else.
        brought.raw.clone_from(&composed.raw);
        assert_eq!(composed, brought);
        let odd = AlarmHistoryItem::builder().alarm_name("a").history_data("{}").build();
        assert!(super::change(0, &odd).is_none());
    }
}
