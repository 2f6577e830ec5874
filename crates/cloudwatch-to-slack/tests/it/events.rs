//! Events as AWS sends them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cloudwatch")
}

/// One of Grafana's.
pub(crate) fn grafana(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder().join("../grafana").join(name)).unwrap()).unwrap()
}

/// One of the events beside the golden files of the core.
pub(crate) fn fixture(name: &str) -> Value {
    serde_json::from_str(&fixture_text(name)).unwrap()
}

/// The same as it lies there: some hold what no parser takes.
pub(crate) fn fixture_text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// The names of all of them that came by SNS.
pub(crate) fn sns_fixtures() -> Vec<String> {
    let files = std::fs::read_dir(folder()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".sns.json")).collect()
}

pub(crate) fn walkthrough() -> Value {
    fixture("walkthrough.sns.json")
}

/// The message of an alarm that went into this state.
pub(crate) fn alarm_in(name: &str, state: &str, before: &str) -> Value {
    let event = walkthrough();
    let message = event["Records"][0]["Sns"]["Message"].as_str().unwrap();
    let mut alarm: Value = serde_json::from_str(message).unwrap();
    alarm["AlarmName"] = name.into();
    alarm["NewStateValue"] = state.into();
    alarm["OldStateValue"] = before.into();
    alarm
}

/// The message of an alarm that fires.
pub(crate) fn alarm(name: &str) -> Value {
    alarm_in(name, "ALARM", "OK")
}

/// The messages of so many alarms, `alarm-01` and so on.
pub(crate) fn alarms(count: usize) -> Vec<Value> {
    (1..=count).map(|number| alarm(&alarm_name(number))).collect()
}

pub(crate) fn alarm_name(number: usize) -> String {
    format!("alarm-{number:02}")
}

/// An SNS event with these messages; `delivery` makes the ids its own.
pub(crate) fn sns<M: ToString>(delivery: &str, messages: &[M]) -> Value {
    let record = walkthrough()["Records"][0].clone();
    let records: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(index, message)| {
            let mut record = record.clone();
            record["Sns"]["MessageId"] = format!("{delivery}-{index}").into();
            record["Sns"]["Subject"] = Value::Null;
            record["Sns"]["Message"] = message.to_string().into();
            record
        })
        .collect();
    json!({ "Records": records })
}

/// The id of a message in [`sqs`], from 0.
pub(crate) fn sqs_id(index: usize) -> String {
    format!("00000000-0000-4000-8000-{index:012}")
}

/// An SQS event with these bodies.
pub(crate) fn sqs<M: ToString>(bodies: &[M]) -> Value {
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(index, body)| {
            json!({
                "messageId": sqs_id(index),
                "receiptHandle": "AQEB",
                "body": body.to_string(),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": "1757848000000",
                    "SenderId": "AIDAISDRGOBPQGZVM2ZQE",
                    "ApproximateFirstReceiveTimestamp": "1757848000001",
                },
                "messageAttributes": {},
                "md5OfBody": "00000000000000000000000000000000",
                "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:alerts",
                "awsRegion": "us-east-1",
            })
        })
        .collect();
    json!({ "Records": records })
}

/// What EventBridge's `detail` and an alarm's direct action have in common.
pub(crate) fn alarm_detail(name: &str) -> Value {
    json!({
        "alarmName": name,
        "state": {
            "value": "ALARM",
            "reason": "Threshold Crossed: 1 datapoint [99.5 (14/09/26 05:40:00)] was greater than the threshold (50.0).",
            "timestamp": "2026-09-14T05:45:39.688+0000",
        },
        "previousState": {"value": "OK", "reason": "all well", "timestamp": "2026-09-13T05:45:39.688+0000"},
        "configuration": {"description": "too much", "metrics": []},
    })
}

/// An alarm that invokes the function itself.
pub(crate) fn alarm_action(name: &str) -> Value {
    json!({
        "source": "aws.cloudwatch",
        "alarmArn": format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"),
        "accountId": "123456789012",
        "time": "2026-09-14T05:45:39.688+0000",
        "region": "us-east-1",
        "alarmData": alarm_detail(name),
    })
}

/// An HTTP API's proxy event, payload format 2.0.
pub(crate) fn http(body: &str) -> Value {
    json!({
        "version": "2.0",
        "routeKey": "POST /alerts",
        "rawPath": "/alerts",
        "rawQueryString": "",
        "headers": {"content-type": "application/json"},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3",
            "http": {"method": "POST", "path": "/alerts", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
        },
        "body": body,
        "isBase64Encoded": false,
    })
}
