//! DescribeAlarmHistory: what SetAlarmState writes down, and pages of it.

use std::time::{Duration, SystemTime};

use alert_sandbox::cloudwatch::HISTORY_PAGE_MAX;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmType, HistoryItemType, ScanBy, StateValue};
use serde_json::{Value, json};

#[tokio::test]
async fn a_change_of_state_is_written_down_and_nothing_else() {
    let sandbox = super::sandbox().await;
    let alarm = json!({
        "AlarmName": "cpu", "MetricName": "m", "Namespace": "n", "ComparisonOperator": "GreaterThanThreshold",
        "EvaluationPeriods": 1,
    });
    sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
    let rule = json!({"AlarmName": "all", "AlarmRule": "ALARM(cpu)"});
    sandbox.cloudwatch.put_composite_alarm(&rule).unwrap();
    let client = super::sdk::cloudwatch(&sandbox.cloudwatch.url());
    for (name, state) in [
        ("cpu", StateValue::Alarm),
        ("cpu", StateValue::Alarm),
        ("all", StateValue::Alarm),
        ("cpu", StateValue::Ok),
    ] {
        let call = client.set_alarm_state().alarm_name(name).state_value(state).state_reason("because");
        call.state_reason_data(r#"{"version": "1.0"}"#).send().await.unwrap();
    }
    // Without types it is metric alarms alone, the newest first.
    let history = client.describe_alarm_history().send().await.unwrap();
    let items = history.alarm_history_items();
    assert_eq!((items.len(), history.next_token()), (2, None));
    let data: Value = serde_json::from_str(items[0].history_data().unwrap()).unwrap();
    let expected = json!({
        "version": "1.0",
        "oldState": {"stateValue": "ALARM", "stateReason": "because"},
        "newState": {"stateValue": "OK", "stateReason": "because", "stateReasonData": {"version": "1.0"}},
    });
    assert_eq!(data, expected);
    assert_eq!(items[0].history_summary(), Some("Alarm updated from ALARM to OK"));
    assert_eq!(items[0].history_item_type(), Some(&HistoryItemType::StateUpdate));
    let composite =
        client.describe_alarm_history().alarm_types(AlarmType::CompositeAlarm).send().await.unwrap();
    assert_eq!(composite.alarm_history_items()[0].alarm_name(), Some("all"));
    let actions =
        client.describe_alarm_history().history_item_type(HistoryItemType::Action).send().await.unwrap();
    assert_eq!(actions.alarm_history_items().len(), 0);
}

#[tokio::test]
async fn history_comes_in_pages_of_a_time_in_either_order() {
    let sandbox = super::sandbox().await;
    let at = |hours: u64| SystemTime::now() - Duration::from_secs(hours * 3_600);
    for hours in 1..=250 {
        sandbox.cloudwatch.put_history("cpu", at(hours), "OK", "ALARM", &hours.to_string(), None);
    }
    let client = super::sdk::cloudwatch(&sandbox.cloudwatch.url());
    let (mut reasons, mut token, mut pages) = (Vec::new(), None, 0);
    loop {
        let call = client
            .describe_alarm_history()
            .start_date(DateTime::from(at(200) - Duration::from_mins(1)))
            .end_date(DateTime::from(at(11) + Duration::from_mins(1)))
            .scan_by(ScanBy::TimestampAscending);
        let page = call.set_next_token(token).send().await.unwrap();
        for item in page.alarm_history_items() {
            let data: Value = serde_json::from_str(item.history_data().unwrap()).unwrap();
            reasons.push(data["newState"]["stateReason"].as_str().unwrap().parse::<u64>().unwrap());
        }
        pages += 1;
        assert!(page.alarm_history_items().len() <= HISTORY_PAGE_MAX);
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!((pages, reasons), (2, (11..=200).rev().collect()));
    let small = client.describe_alarm_history().max_records(3).alarm_name("cpu").send().await.unwrap();
    assert!(small.alarm_history_items().len() == 3 && small.next_token().is_some());
    assert_eq!(
        client.describe_alarm_history().alarm_name("other").send().await.unwrap().alarm_history_items(),
        []
    );
    let (early, late) = (DateTime::from(at(2)), DateTime::from(at(1)));
    for (request, code) in [
        (client.describe_alarm_history().max_records(101), "ValidationError"),
        (client.describe_alarm_history().next_token("x"), "InvalidNextToken"),
        (client.describe_alarm_history().start_date(late).end_date(early), "ValidationError"),
        (client.describe_alarm_history().history_item_type("Nothing".into()), "ValidationError"),
        (client.describe_alarm_history().scan_by("Sideways".into()), "ValidationError"),
    ] {
        assert_eq!(request.send().await.unwrap_err().code(), Some(code));
    }
}
