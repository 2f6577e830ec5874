//! Every way in, and what comes out of it.

use std::time::Duration;

use alert_sandbox::lambda::Outcome;
use alert_sandbox::sns::{Published, SnsError, SnsFault};
use alert_sandbox::sqs::{Queue, QueueOptions};
use serde_json::{Map, Value, json};

use crate::events::{SENT, alert, event, fixture, fixtures, read, sns, sqs, walkthrough, webhook};
use crate::stage::{SOON, Setup, Stage, answer, error, payload};

/// A message in the form of the golden files, but for what only FIFO topics have.
fn shown(published: &Published) -> Value {
    let message = &published.message;
    let attributes: Map<String, Value> = message
        .attributes
        .iter()
        .map(|(name, attribute)| match &attribute.string_value {
            Some(list) if attribute.data_type == "String.Array" => {
                (name.clone(), serde_json::from_str(list).unwrap())
            }
            Some(text) => (name.clone(), json!(text)),
            None => (name.clone(), payload(message).unwrap()),
        })
        .collect();
    let lines: Vec<&str> = message.message.lines().collect();
    json!({"subject": message.subject, "message": lines, "attributes": attributes})
}

/// What the golden file of an event says.
fn golden(mut published: Value) -> Vec<Value> {
    let Value::Array(mut messages) = published["messages"].take() else { panic!("no messages") };
    for message in &mut messages {
        message.as_object_mut().unwrap().remove("fifo");
    }
    messages
}

/// The golden files' clock, where neither the alert nor its envelope has a time.
fn without_clock(mut messages: Vec<Value>, golden: &[Value]) -> Vec<Value> {
    for (message, golden) in messages.iter_mut().zip(golden) {
        let line = golden["message"].get(1).filter(|line| **line == "Alert Time : 2026-09-14T11:20:01Z");
        if let (Some(line), Some(own)) = (line, message["message"].get_mut(1)) {
            *own = line.clone();
        }
    }
    messages
}

#[tokio::test]
async fn every_event_of_the_fixtures_is_published_as_its_golden_file_says() {
    let usual = Setup::new().await.start().await;
    let mut events = 0;
    for folder in ["grafana", "alertmanager"] {
        for file in std::fs::read_dir(fixtures().join(folder)).unwrap().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            let Some(case) = name.strip_suffix(".published.json") else { continue };
            // A case may have a configuration of its own.
            let stem = case.rsplit_once('.').map_or(case, |(stem, _)| stem);
            let config = std::fs::read_to_string(file.path().with_file_name(format!("{stem}.config.yaml")));
            let own = match config {
                Ok(config) => Some(Setup::new().await.set("ALERT_CONFIG", &config).start().await),
                Err(_) => None,
            };
            let stage = own.as_ref().unwrap_or(&usual);
            let before = stage.published().len();
            let event = read(&file.path().with_file_name(format!("{case}.json")));
            let outcome = stage.invoke(&event).await.outcome;
            assert!(outcome.is_success(), "{name}: {outcome:?}");
            let expected = golden(read(&file.path()));
            let published: Vec<Value> = stage.published()[before..].iter().map(shown).collect();
            assert_eq!(without_clock(published, &expected), expected, "{name}");
            events += 1;
            // The files share their ids, and a process publishes an event once.
            stage.function.stop().await;
        }
    }
    assert!(events > 30, "{events} events");
    // And SNS took each in its first form.
    assert!(usual.calls().iter().all(|(_, outcome)| outcome == "ok"), "{:?}", usual.calls());
}

#[tokio::test]
async fn the_walkthrough_is_the_same_by_every_way() {
    for envelope in ["eventbridge", "bare", "http", "http-v2"] {
        let stage = Setup::new().await.start().await;
        let answer = stage.done(&fixture(&format!("walkthrough.{envelope}"))).await;
        if envelope.starts_with("http") {
            assert_eq!(answer["statusCode"], 200, "{answer}");
        } else {
            assert_eq!(answer, json!({"alerts": 4, "dropped": 1, "published": 3}));
        }
        assert_walkthrough(&stage, envelope).await;
    }
}

async fn assert_walkthrough(stage: &Stage, envelope: &str) {
    assert_eq!(stage.subjects(), ["DatasourceNoData", "HighCPU", "HighMemory"], "{envelope}");
    let published = stage.published();
    let high_cpu = &published[1].message;
    let lines: Vec<&str> = high_cpu.message.lines().take(3).collect();
    assert_eq!(
        lines,
        ["Alert Name : HighCPU", "Alert Time : 2026-03-02T00:15:00Z", "Alert Value : B=92.4, C=1"]
    );
    assert_eq!(high_cpu.structure, None, "SNS sends attributes only without a structure");
    for (name, value) in [
        ("source", "grafana"),
        ("alertname", "HighCPU"),
        ("status", "firing"),
        ("severity", "critical"),
        ("grafana_folder", "Production"),
    ] {
        assert_eq!(high_cpu.attributes[name].string_value.as_deref(), Some(value));
    }
    assert_eq!(high_cpu.attributes["payload"].data_type, "Binary");
    let webhook = walkthrough()["detail"].take();
    let json = payload(high_cpu).unwrap();
    assert_eq!(json["alerts"], json!([webhook["alerts"][2]]));
    assert_eq!((&json["status"], &json["title"]), (&json!("firing"), &json!("[FIRING:1] HighCPU")));
    assert_eq!(json["appVersion"], webhook["appVersion"]);
    assert_eq!(payload(&published[2].message).unwrap()["status"], "resolved");

    let verdicts = stage.verdicts().await;
    let dropped: Vec<_> = verdicts.iter().filter(|line| line["verdict"] == "dropped").collect();
    assert_eq!(dropped.len(), 1, "{verdicts:?}");
    assert_eq!(dropped[0]["alert"], "DatasourceError");
    assert_eq!(dropped[0]["rule"], "grafana-datasource-errors");
    assert_eq!(verdicts.iter().filter(|line| line["outcome"] == "published").count(), 3);
}

#[tokio::test]
async fn an_http_caller_hears_what_became_of_its_request() {
    let stage = Setup::new().await.start().await;
    stage.sandbox.sns.set_fault(SnsFault::Deny);
    for envelope in ["walkthrough.http", "walkthrough.http-v2"] {
        let invocation = stage.invoke(&fixture(envelope)).await;
        let answer = answer(&invocation);
        assert_eq!(answer["statusCode"], 502);
        let body = answer["body"].as_str().unwrap();
        assert!(body.contains("3 of 4 alerts") && body.contains("sns:Publish"), "{body}");
    }
    assert!(stage.published().is_empty());
    // Grafana's own retry is a request with another id; API Gateway's has the same.
    stage.sandbox.sns.set_fault(SnsFault::None);
    assert_eq!(stage.done(&fixture("walkthrough.http")).await["statusCode"], 200);
    assert_eq!(stage.published().len(), 3);
}

#[tokio::test]
async fn records_of_sns_are_published_and_fail_as_a_whole() {
    let stage = Setup::new().await.start().await;
    refuse(&stage, "Bad");
    let event = sns(&[
        ("m-1", webhook(&[alert("Good")]).to_string()),
        ("m-2", webhook(&[alert("Bad"), alert("Better")]).to_string()),
        ("m-3", "a text that nobody knows".to_owned()),
    ]);
    let invocation = stage.invoke(&event).await;
    let (error_type, message) = error(&invocation);
    assert_eq!(error_type, "sns_refused");
    assert!(message.contains("1 of 4 alerts"), "{message}");
    let published = ["Good", "Better", "Not understood: a text that nobody knows"];
    assert_eq!(stage.subjects(), published);
    // The retry of the same event publishes none of them again.
    allow(&stage);
    stage.done(&event).await;
    assert_eq!(stage.subjects(), [&published[..], &["Bad"]].concat());
}

#[tokio::test]
async fn messages_of_a_queue_fail_one_by_one() {
    let stage = Setup::new().await.start().await;
    refuse(&stage, "Bad");
    let notification = json!({
        "Type": "Notification", "MessageId": "n-4", "TopicArn": "arn:aws:sns:us-east-1:123456789012:t",
        "Message": webhook(&[alert("Fourth")]).to_string(), "Timestamp": "2026-03-02T00:16:05.000Z",
    });
    let records = sqs(&[
        ("q-1", webhook(&[alert("First")]).to_string()),
        ("q-2", webhook(&[alert("Second"), alert("Bad")]).to_string()),
        ("q-3", event("e-3", SENT, &[alert("DatasourceError")]).to_string()),
        ("q-4", notification.to_string()),
        ("q-5", event("e-5", SENT, &[alert("Bad")]).to_string()),
        ("q-6", "not JSON {".to_owned()),
    ]);
    let answer = stage.done(&records).await;
    let failures = json!([{"itemIdentifier": "q-2"}, {"itemIdentifier": "q-5"}]);
    assert_eq!(answer, json!({ "batchItemFailures": failures }));
    assert_eq!(stage.subjects(), ["First", "Second", "Fourth", "Not understood: not JSON {"]);

    allow(&stage);
    let answer = stage.done(&records).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(stage.subjects()[4..], ["Bad", "Bad"]);
}

#[tokio::test]
async fn a_queue_hands_out_again_what_failed_and_nothing_else() {
    let stage = Setup::new().await.start().await;
    let mut refusals = 8;
    stage.sandbox.sns.set_entry_plan(Box::new(move |info| {
        let refuse = info.message.message.contains("Bad") && refusals > 0;
        refusals -= usize::from(refuse);
        refuse.then(|| SnsError::new(400, "ParameterValueInvalid", "The message attribute is invalid."))
    }));
    let options = QueueOptions { visibility_timeout: Duration::from_millis(50), max_receive_count: 20 };
    let queue = Queue::new("from-grafana", options);
    for name in ["First", "Bad", "Third"] {
        queue.send(webhook(&[alert(name)]).to_string(), std::collections::BTreeMap::new());
    }
    let _delivery = queue.deliver_to(&stage.function, 10, 1);
    assert!(queue.wait_until_empty(SOON).await, "{:?}\n{}", queue.messages(), stage.function.log());
    assert!(queue.dead_letters().is_empty());
    let mut subjects = stage.subjects();
    subjects.sort();
    assert_eq!(subjects, ["Bad", "First", "Third"]);
}

#[tokio::test]
async fn what_is_not_grafanas_is_published_raw() {
    let stage = Setup::new().await.start().await;
    let texts = ["Build 1234 has failed", "{\"half\": ", "[1, 2]", "null", "\"\"", "{}", "{\"alerts\": 7}"];
    for text in texts {
        // Lambda takes JSON alone; whatever else there is comes in an envelope.
        let event = if serde_json::from_str::<Value>(text).is_ok() {
            text.to_owned()
        } else {
            sns(&[("m", text.to_owned())]).to_string()
        };
        let before = stage.published().len();
        answer(&stage.invoke_raw(&event).await);
        let published = stage.published();
        assert_eq!(published.len(), before + 1, "{text}");
        let message = &published[before].message;
        let subject = message.subject.as_deref().unwrap_or_default();
        assert!(subject.starts_with("Not understood: "), "{text}: {subject}");
        assert_eq!(message.attributes["source"].value(), "unknown");
        assert!(!message.attributes.contains_key("payload"));
        // The texts share an id, and a process publishes a message once.
        stage.function.stop().await;
    }
    let first = &stage.published()[0].message;
    assert!(first.message.starts_with(texts[0]), "{}", first.message);
}

#[tokio::test]
async fn an_event_that_failed_for_good_can_be_fed_back() {
    let stage = Setup::new().await.start().await;
    refuse(&stage, "Alert 1");
    let attempts = stage.invoke_async(&crate::events::many(3)).await;
    assert!(attempts.iter().all(|attempt| matches!(attempt.outcome, Outcome::Error { .. })));
    assert_eq!(stage.subjects(), ["Alert 0", "Alert 2"]);
    let letter = stage.function.dead_letters().pop().unwrap();
    assert_eq!(letter["responsePayload"]["errorType"], "sns_refused");
    allow(&stage);
    stage.done(&letter).await;
    assert_eq!(stage.subjects(), ["Alert 0", "Alert 2", "Alert 1"]);
}

/// SNS takes no message of an alert with this name, whatever else is right with it.
fn refuse(stage: &Stage, name: &'static str) {
    let line = format!("Alert Name : {name}\n");
    stage.sandbox.sns.set_entry_plan(Box::new(move |info| {
        let refuse = info.message.message.starts_with(&line);
        refuse.then(|| SnsError::new(400, "ParameterValueInvalid", "The message attribute is invalid."))
    }));
}

fn allow(stage: &Stage) {
    stage.sandbox.sns.set_entry_plan(Box::new(|_| None));
}
