//! What the filter publishes keeps SNS's rules, and says the same alert to people and to the relay.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use alert_core::alert::{Alert, Cause, LinkKind};
use alert_core::config::Config;
use alert_core::envelope::{self, Record};
use alert_core::render::sns::{
    self, ATTRIBUTE_MAX_CHARS, AttributeValue, BATCH_MAX_MESSAGES, FIFO_ID_MAX_CHARS, MESSAGE_MAX_BYTES,
    SUBJECT_MAX_CHARS, SnsMessage, SnsOptions,
};
use alert_core::{filter, source};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

fn options() -> SnsOptions {
    SnsOptions {
        time_zone: chrono_tz::Asia::Seoul,
        warning: None,
        sent_at: alert_core::time::parse("2026-03-02T00:16:05Z").unwrap(),
    }
}

fn records(event: &[u8]) -> Vec<Record> {
    envelope::decode(event).records
}

fn interpret(event: &[u8]) -> Vec<Alert> {
    records(event).iter().flat_map(source::interpret).collect()
}

fn webhook(alerts: &Value) -> Vec<Alert> {
    let body = json!({
        "receiver": "r", "status": "firing", "alerts": alerts, "groupLabels": {"grafana_folder": "f"},
        "commonLabels": {}, "commonAnnotations": {}, "externalURL": "https://g/", "version": "1", "orgId": 1,
        "groupKey": "{}:{}", "truncatedAlerts": 2, "title": "[FIRING:9] secret of others", "state": "alerting",
        "message": "secret of others", "fieldOfNextYear": {"kept": true},
    });
    interpret(body.to_string().as_bytes())
}

macro_rules! fixture {
    ($file:literal) => {
        interpret(include_bytes!(concat!("../../../fixtures/", $file, ".json")))
    };
}

/// The message as SNS hands it to the relay's function, read there.
fn relayed(message: &SnsMessage) -> Vec<Alert> {
    let attributes: serde_json::Map<String, Value> = message
        .attributes
        .iter()
        .map(|attribute| {
            // Lambda is told of texts and bytes alone.
            let (kind, value) = match &attribute.value {
                AttributeValue::Text(text) | AttributeValue::Texts(text) => ("String", text.clone()),
                AttributeValue::Binary(json) => ("Binary", BASE64_STANDARD.encode(json)),
            };
            (attribute.name.to_owned(), json!({"Type": kind, "Value": value}))
        })
        .collect();
    let event = json!({"Records": [{"EventSource": "aws:sns", "Sns": {
        "MessageId": "m", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:t", "Subject": message.subject,
        "Message": message.message, "MessageAttributes": attributes,
    }}]});
    interpret(event.to_string().as_bytes())
}

fn attribute<'m>(message: &'m SnsMessage, name: &str) -> Option<&'m str> {
    message.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| {
        match &attribute.value {
            AttributeValue::Text(text) | AttributeValue::Texts(text) | AttributeValue::Binary(text) => {
                text.as_str()
            }
        }
    })
}

fn payload(message: &SnsMessage) -> Value {
    serde_json::from_str(attribute(message, "payload").unwrap()).unwrap()
}

/// SNS's own rules.
fn check_rules(message: &SnsMessage) {
    let is_fifo_id = |id: &str| {
        (1..=FIFO_ID_MAX_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
    };
    assert!(sns::size(message) <= MESSAGE_MAX_BYTES, "{} bytes", sns::size(message));
    assert!(!message.message.trim().is_empty());
    assert!(!message.message.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    if let Some(subject) = &message.subject {
        assert!(!subject.is_empty() && subject.trim() == subject);
        assert!(subject.encode_utf16().count() <= SUBJECT_MAX_CHARS);
        assert!(!subject.contains(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')));
    }
    assert!(message.attributes.len() <= 10);
    let names: BTreeSet<&str> = message.attributes.iter().map(|attribute| attribute.name).collect();
    assert_eq!(names.len(), message.attributes.len());
    let check_word = |text: &str| {
        assert!(!text.trim().is_empty());
        assert!(text.chars().count() <= ATTRIBUTE_MAX_CHARS);
        assert!(!text.contains(|c: char| c.is_control() || u32::from(c) > 0xffff));
    };
    for attribute in &message.attributes {
        match &attribute.value {
            AttributeValue::Text(text) => check_word(text),
            AttributeValue::Texts(json) => {
                let words: Vec<String> = serde_json::from_str(json).unwrap();
                assert!(words.len() > 1 && words.iter().collect::<BTreeSet<_>>().len() == words.len());
                for word in &words {
                    check_word(word);
                }
            }
            AttributeValue::Binary(json) => assert!(serde_json::from_str::<Value>(json).is_ok()),
        }
    }
    assert!(is_fifo_id(&message.group_id), "{}", message.group_id);
    assert!(is_fifo_id(&message.dedup_id), "{}", message.dedup_id);
}

/// The same alert, but for what tells its way here.
fn same(mut relayed: Alert, mut alert: Alert) {
    assert_eq!(relayed.cause, Cause::Filter);
    relayed.cause = alert.cause;
    relayed.payload = None;
    alert.payload = None;
    assert_eq!(relayed, alert);
}

#[test]
fn the_text_for_people() {
    let alerts = fixture!("grafana/walkthrough.eventbridge");
    let message = sns::message(&alerts[2], &options());
    check_rules(&message);
    assert_eq!(message.subject.as_deref(), Some("HighCPU"));
    let head: Vec<&str> = message.message.lines().take(7).collect();
    assert_eq!(
        head,
        [
            "Alert Name : HighCPU",
            "Alert Time : 2026-03-02T00:15:00Z (2026-03-02 09:15:00 KST)",
            "Alert Value : B=92.4, C=1",
            "",
            "Status : firing",
            "Summary : CPU of web-1 is at 92 %",
            "Description : More than 90 % for five minutes.",
        ]
    );
    let names: Vec<&str> = message.attributes.iter().map(|attribute| attribute.name).collect();
    assert_eq!(names, ["source", "alertname", "status", "severity", "grafana_folder", "payload"]);

    let resolved = sns::message(&alerts[3], &options());
    assert!(
        resolved.message.contains("Ended : 2026-03-02T00:15:30Z (2026-03-02 09:15:30 KST), after 35 min")
    );
    assert_eq!(attribute(&resolved, "status"), Some("resolved"));
    assert!(sns::message(&alerts[1], &options()).message.contains("\nAlert Value : -\n"));
}

#[test]
fn the_payload_is_the_webhook_with_this_alert_alone() {
    let alert =
        |name: &str, status: &str| json!({"status": status, "labels": {"alertname": name}, "new": [1]});
    let alerts = webhook(&json!([alert("mine", "resolved"), alert("secret", "firing")]));
    let message = sns::message(&alerts[0], &options());
    let payload = payload(&message);
    assert_eq!(payload["status"], "resolved");
    assert_eq!(payload["state"], "ok");
    assert_eq!(payload["title"], "[RESOLVED:1] mine");
    assert_eq!(payload["truncatedAlerts"], 0);
    assert_eq!(payload["alerts"], json!([alert("mine", "resolved")]));
    assert_eq!(payload["fieldOfNextYear"], json!({"kept": true}));
    assert!(!payload.to_string().contains("secret"), "{payload}");
    // What Grafana left out is told once, with the last alert, also behind the relay.
    let last = relayed(&sns::message(&alerts[1], &options())).remove(0);
    assert_eq!(last.notes, ["2 more alerts were left out by Grafana (its setting Max alerts)"]);
}

#[test]
fn every_fixture_goes_around() {
    for alerts in [
        fixture!("grafana/walkthrough.eventbridge"),
        fixture!("grafana/unified_8.bare"),
        fixture!("grafana/unified_10.eventbridge"),
        fixture!("grafana/unified_12.eventbridge"),
        fixture!("grafana/values_nan.eventbridge"),
        fixture!("grafana/values_named.eventbridge"),
        fixture!("grafana/values_minus_one_error.eventbridge"),
        fixture!("grafana/names_korean.eventbridge"),
        fixture!("grafana/names_emoji.eventbridge"),
        fixture!("grafana/names_long.eventbridge"),
        fixture!("grafana/names_line_breaks.eventbridge"),
        fixture!("grafana/alerts_25.eventbridge"),
        fixture!("grafana/alerts_empty.eventbridge"),
        fixture!("grafana/legacy_8.bare"),
        fixture!("grafana/legacy_8_ok.eventbridge"),
        fixture!("alertmanager/webhook_4.bare"),
    ] {
        for alert in alerts {
            let message = sns::message(&alert, &options());
            check_rules(&message);
            same(relayed(&message).remove(0), alert);
        }
    }
}

#[test]
fn the_text_alone_says_the_same() {
    for alerts in [
        fixture!("grafana/walkthrough.eventbridge"),
        fixture!("grafana/names_korean.eventbridge"),
        fixture!("grafana/names_emoji.eventbridge"),
        fixture!("grafana/names_line_breaks.eventbridge"),
    ] {
        for alert in alerts {
            let mut message = sns::message(&alert, &options());
            message.attributes.clear();
            let back = relayed(&message).remove(0);
            assert_eq!(back.cause, Cause::Filter);
            assert_eq!(back.name, alert.name.split_whitespace().collect::<Vec<_>>().join(" "));
            assert_eq!(
                (back.state, back.summary, back.description, back.starts_at, back.ends_at, back.evidence),
                (
                    alert.state,
                    alert.summary,
                    alert.description,
                    alert.starts_at,
                    alert.ends_at,
                    alert.evidence
                )
            );
            assert_eq!(back.labels.get("instance"), alert.labels.get("instance"));
            assert_eq!(back.notes, alert.notes);
        }
    }
}

#[test]
fn twenty_five_alerts_are_three_calls() {
    let alerts = fixture!("grafana/alerts_25.eventbridge");
    let messages: Vec<SnsMessage> = alerts.iter().map(|alert| sns::message(alert, &options())).collect();
    let batches = sns::batches(messages.clone());
    assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    assert_eq!(batches.concat(), messages);
    assert_eq!(sns::batches::<SnsMessage>(Vec::new()), Vec::<Vec<SnsMessage>>::new());
}

#[test]
fn forty_alerts_of_twenty_kilobytes_keep_within_a_batch() {
    let alert = |index: usize| {
        json!({"status": "firing", "labels": {"alertname": format!("a{index}")},
            "annotations": {"description": "가나다 ".repeat(2_000)}, "startsAt": "2026-03-02T00:15:00Z"})
    };
    let alerts = webhook(&(0..40).map(alert).collect::<Value>());
    let messages: Vec<SnsMessage> = alerts.iter().map(|alert| sns::message(alert, &options())).collect();
    let batches = sns::batches(messages);
    assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 40);
    for batch in batches {
        assert!(batch.len() <= BATCH_MAX_MESSAGES);
        assert!(batch.iter().map(sns::size).sum::<usize>() <= MESSAGE_MAX_BYTES);
        for message in &batch {
            let back = relayed(message).remove(0);
            assert_eq!(back.description.unwrap().trim().chars().count(), 7_999, "nothing was cut");
        }
    }
}

#[test]
fn a_huge_alert_loses_its_longest_annotation_and_says_so() {
    let huge = json!([{"status": "firing", "startsAt": "2026-03-02T00:15:00Z", "fingerprint": "f1",
        "labels": {"alertname": "HighCPU", "severity": "critical"},
        "annotations": {"summary": "short", "description": "<\"끝\">".repeat(60_000)}}]);
    let alert = webhook(&huge).remove(0);
    let message = sns::message(&alert, &options());
    check_rules(&message);
    let back = relayed(&message).remove(0);
    assert_eq!((back.name.as_str(), back.summary.as_deref()), ("HighCPU", Some("short")));
    assert_eq!(back.labels, alert.labels);
    assert_eq!(back.starts_at, alert.starts_at);
    assert_eq!(back.description.unwrap().chars().count(), 1_000);
    assert!(back.notes.iter().any(|note| note.contains("annotation description")), "{:?}", back.notes);
    assert!(message.message.contains("\nNote : Too large for a message"));
}

#[test]
fn a_huge_link_goes_before_any_text() {
    let long = |host: &str, length: usize| format!("https://{host}.example/{}", "x".repeat(length));
    let mut alert = webhook(&json!([{
        "status": "firing",
        "labels": {"alertname": "Disk full", "instance": "i".repeat(3_000)},
        "annotations": {"description": "d".repeat(9_000)},
        "startsAt": "2026-03-02T00:00:00Z",
    }]))
    .remove(0);
    alert.link(LinkKind::Runbook, "https://wiki.example/disk");
    for (host, length) in [("rule", 62_000), ("logs", 65_000), ("panel", 63_000), ("dashboard", 64_000)] {
        alert.link(LinkKind::Details, long(host, length));
    }
    let message = sns::message(&alert, &options());
    check_rules(&message);
    let (description, instance) = ("d".repeat(9_000), "i".repeat(3_000));
    for kept in [&description, &instance, "https://wiki.example/disk", &long("dashboard", 64_000)] {
        assert!(message.message.contains(kept), "{} is missing", &kept[..20]);
    }
    let note = "shortened or left out: link https://logs.example/xxx";
    assert!(message.message.contains(note), "{}", &message.message[..14_000]);
}

#[test]
fn whatever_is_huge_the_name_stays() {
    let big = "x".repeat(600_000);
    let many: Value = (0..9_000)
        .map(|i| (format!("k{i}"), json!("v".repeat(60))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for (what, mut alert) in [
        ("one label", json!({"labels": {"l": big}})),
        ("many labels", json!({"labels": many})),
        ("many annotations", json!({"annotations": many})),
        ("an attachment", json!({"embeddedImage": big})),
        ("a link", json!({"generatorURL": format!("https://g/{big}")})),
        ("the status", json!({"status": big})),
        ("values", json!({"values": many})),
        ("an error", json!({"annotations": {"Error": big}})),
    ] {
        alert["labels"]["alertname"] = json!("HighCPU");
        alert["startsAt"] = json!("2026-03-02T00:15:00Z");
        let message = sns::message(&webhook(&json!([alert])).remove(0), &options());
        check_rules(&message);
        assert!(
            message.message.starts_with("Alert Name : HighCPU\nAlert Time : 2026-03-02T00:15:00Z"),
            "{what}"
        );
        let back = relayed(&message).remove(0);
        assert_eq!(back.name, "HighCPU", "{what}");
        assert_eq!(back.starts_at, alert_core::time::parse("2026-03-02T00:15:00Z"), "{what}");
        assert!(back.notes.iter().any(|note| note.starts_with("Too large")), "{what}");
    }
    for body in [json!([{"labels": {"alertname": big}}]), json!([big])] {
        check_rules(&sns::message(&webhook(&body).remove(0), &options()));
    }
    let legacy =
        json!({"ruleId": 1, "ruleName": "HighCPU", "state": "alerting", "title": "t", "message": big});
    let message = sns::message(&interpret(legacy.to_string().as_bytes()).remove(0), &options());
    check_rules(&message);
    assert_eq!(relayed(&message).remove(0).name, "HighCPU");
}

#[test]
fn one_message_for_a_webhook() {
    let alerts = fixture!("grafana/walkthrough.eventbridge");
    let survivors: Vec<&Alert> = alerts.iter().skip(1).collect();
    let messages = sns::group_messages(&survivors, &options());
    let [(3, message)] = &messages[..] else { panic!("{messages:?}") };
    check_rules(message);
    assert_eq!(message.subject.as_deref(), Some("DatasourceNoData (+2 more)"));
    // A policy compares each word of a list.
    assert_eq!(attribute(message, "source"), Some("grafana"));
    assert_eq!(attribute(message, "alertname"), Some(r#"["DatasourceNoData","HighCPU","HighMemory"]"#));
    assert_eq!(attribute(message, "status"), Some(r#"["firing","resolved"]"#));
    assert_eq!(attribute(message, "severity"), Some(r#"["critical","warning"]"#));
    assert_eq!(attribute(message, "grafana_folder"), Some("Production"));
    let kinds: Vec<&str> = message.attributes.iter().map(|attribute| attribute.value.data_type()).collect();
    assert_eq!(kinds, ["String", "String.Array", "String.Array", "String.Array", "String", "Binary"]);
    assert_eq!(payload(message)["title"], "[FIRING:2, RESOLVED:1] Production");
    assert!(!payload(message).to_string().contains("DatasourceError"));
    for (back, alert) in relayed(message).into_iter().zip(alerts.iter().skip(1)) {
        same(back, alert.clone());
    }
    let text_only = SnsMessage { attributes: Vec::new(), ..message.clone() };
    let names: Vec<String> = relayed(&text_only).into_iter().map(|alert| alert.name).collect();
    assert_eq!(names, ["DatasourceNoData", "HighCPU", "HighMemory"]);
}

#[test]
fn too_large_a_group_is_split_and_loses_nothing() {
    let alert = |index: usize| json!({"labels": {"alertname": format!("a{index}")}, "annotations": {"description": "d".repeat(30_000)}});
    let alerts = webhook(&(0..20).map(alert).collect::<Value>());
    let messages = sns::group_messages(&alerts.iter().collect::<Vec<_>>(), &options());
    assert!(messages.len() < 20);
    let mut back: Vec<Alert> = Vec::new();
    for (told, message) in &messages {
        check_rules(message);
        let relayed = relayed(message);
        assert_eq!(relayed.len(), *told);
        back.extend(relayed);
    }
    assert_eq!(back.len(), 20);
    for (back, alert) in back.into_iter().zip(alerts) {
        same(back, alert);
    }
    assert!(sns::group_messages(&[], &options()).is_empty());
}

/// What SNS's envelope makes of a message for a queue: its documented fields, as long as they get.
fn envelope_bytes(message: &SnsMessage) -> usize {
    let attributes: serde_json::Map<String, Value> = message
        .attributes
        .iter()
        .map(|attribute| {
            let value = match &attribute.value {
                AttributeValue::Text(text) | AttributeValue::Texts(text) => text.clone(),
                AttributeValue::Binary(json) => BASE64_STANDARD.encode(json),
            };
            (attribute.name.to_owned(), json!({"Type": attribute.value.data_type(), "Value": value}))
        })
        .collect();
    let topic = format!("arn:aws-us-gov:sns:us-gov-east-1:123456789012:{}", "t".repeat(256));
    let host = "https://sns.us-gov-east-1.amazonaws.com";
    let id = "00000000-0000-4000-8000-000000000000";
    json!({
        "Type": "Notification", "MessageId": id, "SequenceNumber": "1".repeat(20), "TopicArn": topic,
        "Subject": message.subject, "Message": message.message, "Timestamp": "2026-03-02T00:16:05.000Z",
        "SignatureVersion": "1", "Signature": "s".repeat(344),
        "SigningCertURL": format!("{host}/SimpleNotificationService-{}.pem", "c".repeat(32)),
        "UnsubscribeURL": format!("{host}/?Action=Unsubscribe&SubscriptionArn={topic}:{id}"),
        "MessageAttributes": attributes,
    })
    .to_string()
    .len()
}

#[test]
fn a_group_fits_into_a_queue_with_its_envelope() {
    // Quotes and line breaks take two bytes each there.
    let alert = |index: usize| json!({"labels": {"alertname": format!("\"a{index}\"")}, "annotations": {"description": "\"x\"\n".repeat(1_000)}});
    let alerts = webhook(&(0..100).map(alert).collect::<Value>());
    let messages = sns::group_messages(&alerts.iter().collect::<Vec<_>>(), &options());
    assert!(messages.len() < 10, "{}", messages.len());
    for (told, message) in &messages {
        assert!(*told > 1 && envelope_bytes(message) <= MESSAGE_MAX_BYTES, "{}", envelope_bytes(message));
    }
}

/// Whether a subscription's filter policy `{name: [word]}` takes a message: for a list SNS compares each text of it. Source:
/// Amazon SNS Developer Guide, "String value matching", exact matching; what it says of other operators is at odds with itself.
fn policy_takes(message: &SnsMessage, name: &str, word: &str) -> bool {
    let attribute = message.attributes.iter().find(|attribute| attribute.name == name);
    match attribute.map(|attribute| &attribute.value) {
        Some(AttributeValue::Text(text)) => text == word,
        Some(AttributeValue::Texts(json)) => {
            serde_json::from_str::<Vec<String>>(json).unwrap().iter().any(|text| text == word)
        }
        _ => false,
    }
}

#[test]
fn what_is_not_grafanas_goes_out_as_it_came() {
    for (event, source_word, subject) in [
        (
            include_str!("../../../fixtures/grafana/not_grafanas.eventbridge.json").to_owned(),
            "eventbridge",
            "Not understood: Backup finished",
        ),
        (
            include_str!("../../../fixtures/grafana/not_grafanas_text.bare.json").to_owned(),
            "unknown",
            "Not understood: Build 1234 of shop-web has failed",
        ),
        (json!("x".repeat(600_000)).to_string(), "unknown", "Not understood: xxx"),
        (json!("").to_string(), "unknown", "Not understood: Empty message"),
        (
            json!({"x": "y".repeat(260_000)}).to_string(),
            "unknown",
            "Not understood: Message of an unknown kind",
        ),
    ] {
        for warning in [None, Some("alerts.yaml line 3, column 5: unknown key `rout`".to_owned())] {
            let record = records(event.as_bytes()).remove(0);
            let alert = source::interpret(&record).remove(0);
            let message = sns::raw(&record, &alert, &SnsOptions { warning: warning.clone(), ..options() });
            check_rules(&message);
            assert!(message.subject.as_deref().unwrap().starts_with(subject), "{:?}", message.subject);
            assert_eq!(attribute(&message, "source"), Some(source_word));
            assert_eq!(message.message.contains("alerts.yaml line 3"), warning.is_some());
            assert_eq!(relayed(&message).len(), 1);
        }
    }
}

#[test]
fn a_warning_stands_behind_the_first_three_lines_and_reaches_the_relay() {
    let alert = fixture!("grafana/unified_12.eventbridge").remove(0);
    let warning = "ALERT_CONFIG line 3, column 5: unknown key `rout`";
    let message = sns::message(&alert, &SnsOptions { warning: Some(warning.to_owned()), ..options() });
    assert_eq!(
        message.message.lines().nth(3),
        Some("Warning : ALERT_CONFIG line 3, column 5: unknown key `rout`")
    );
    assert_eq!(relayed(&message).remove(0).notes, [warning]);
}

#[test]
fn a_retry_has_the_same_id_and_nothing_else_has() {
    let alert = fixture!("grafana/unified_12.eventbridge").remove(0);
    let first = sns::message(&alert, &options());
    assert_eq!(sns::message(&alert, &options()).dedup_id, first.dedup_id);
    assert_eq!(first.group_id, "3201e9e1f14b433c");
    assert!(first.dedup_id.starts_with("firing-20260302T001500.000Z-"), "{}", first.dedup_id);

    let mut later = options();
    later.sent_at += chrono::TimeDelta::seconds(60);
    let mut resolved = alert.clone();
    resolved.state = alert_core::alert::State::Resolved;
    resolved.ends_at = Some(later.sent_at);
    let mut other_value = alert.clone();
    other_value.evidence.values[0].1 = "99".to_owned();
    for message in [
        sns::message(&alert, &later),
        sns::message(&resolved, &options()),
        sns::message(&other_value, &options()),
    ] {
        assert_ne!(message.dedup_id, first.dedup_id);
        assert_eq!(message.group_id, first.group_id);
    }
}

/// The pointers to every value within.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    let escaped = |name: &str| format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(name, value)| (escaped(name), value)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(i, value)| (format!("{at}/{i}"), value)).collect()
        }
        _ => Vec::new(),
    };
    for (pointer, value) in children {
        pointers(value, &pointer, all);
        all.push(pointer);
    }
}

#[test]
fn any_field_of_any_type_still_makes_a_message() {
    for file in [
        include_str!("../../../fixtures/grafana/unified_12.eventbridge.json"),
        include_str!("../../../fixtures/grafana/legacy_8.bare.json"),
        include_str!("../../../fixtures/alertmanager/webhook_4.bare.json"),
    ] {
        let whole: Value = serde_json::from_str(file).unwrap();
        let mut all = Vec::new();
        pointers(&whole, "", &mut all);
        assert!(all.len() > 10);
        for pointer in all {
            for wrong in
                [json!(null), json!(-1), json!("x"), json!([1, null]), json!({"a": [1]}), json!(true)]
            {
                let mut event = whole.clone();
                *event.pointer_mut(&pointer).unwrap() = wrong.clone();
                let alerts = interpret(event.to_string().as_bytes());
                assert!(!alerts.is_empty(), "{pointer} {wrong}");
                for alert in alerts {
                    let message = sns::message(&alert, &options());
                    check_rules(&message);
                    if alert.payload.is_some() {
                        same(relayed(&message).remove(0), alert);
                    }
                }
            }
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => ".{0,40}",
        2 => "[ -~]{0,40}",
        2 => "[가-힣\u{1f525}\u{0}-\u{1f}\u{2028}\u{ffff}'\" =:-]{0,40}",
        1 => (".{1,8}", 1_usize..6_000).prop_map(|(text, times)| text.repeat(times)),
    ]
}

fn fields() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    proptest::collection::vec((".{0,12}", texts()), 0..5)
        .prop_map(|pairs| pairs.into_iter().map(|(name, value)| (name, json!(value))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn any_alert_keeps_the_rules(
        name in texts(), labels in fields(), annotations in fields(), values in fields(), status in texts(),
        fingerprint in texts(), warning in proptest::option::of(texts()),
    ) {
        let mut labels = labels;
        labels.insert("alertname".to_owned(), json!(name));
        let alert = json!({"status": status, "labels": labels, "annotations": annotations, "values": values,
            "fingerprint": fingerprint, "startsAt": "2026-03-02T00:15:00Z"});
        let alerts = webhook(&json!([alert, {"labels": {"alertname": "other"}}]));
        let options = SnsOptions { warning: warning.clone(), ..options() };
        let message = sns::message(&alerts[0], &options);
        check_rules(&message);
        for (_, message) in sns::group_messages(&alerts.iter().collect::<Vec<_>>(), &options) {
            check_rules(&message);
        }
        let back = relayed(&message).remove(0);
        if warning.is_none() && !message.message.contains("Note : Too large") {
            same(back, alerts[0].clone());
        }
        prop_assert_eq!(relayed(&SnsMessage { attributes: Vec::new(), ..message }).len(), 1);
    }

    #[test]
    fn any_body_goes_out_raw(text in texts(), warning in proptest::option::of(texts())) {
        let record = records(json!(text).to_string().as_bytes()).remove(0);
        let alert = source::interpret(&record).remove(0);
        check_rules(&sns::raw(&record, &alert, &SnsOptions { warning, ..options() }));
    }

    #[test]
    fn a_policy_that_takes_an_alert_takes_its_group(
        alerts in proptest::collection::vec(("[ab\"]{0,2}", "[ab]?", "[ab]?", any::<bool>()), 2..12),
    ) {
        let alert = |(name, severity, folder, is_over): &(String, String, String, bool)| json!({
            "status": if *is_over { "resolved" } else { "firing" },
            "labels": {"alertname": name, "severity": severity, "grafana_folder": folder},
        });
        let alerts = webhook(&alerts.iter().map(alert).collect::<Value>());
        let [(_, group)] = &sns::group_messages(&alerts.iter().collect::<Vec<_>>(), &options())[..] else {
            panic!("more than one message");
        };
        check_rules(group);
        for alone in alerts.iter().map(|alert| sns::message(alert, &options())) {
            for name in ["source", "alertname", "status", "severity", "grafana_folder"] {
                for word in ["a", "b", "aa", "\"", "firing", "resolved", "grafana"] {
                    let is_taken = policy_takes(group, name, word) || !policy_takes(&alone, name, word);
                    prop_assert!(is_taken, "{name} {word}: {:?} {:?}", alone.attributes, group.attributes);
                }
            }
        }
    }

    #[test]
    fn webhooks_in_any_order_tell_each_alert_in_the_order_of_its_changes(
        looks in proptest::collection::vec(proptest::collection::vec(any::<bool>(), 5), 1..8),
        places in proptest::collection::vec(any::<u32>(), 8),
        mode in proptest::sample::select(vec!["auto", "alert", "group"]),
    ) {
        let mut records: Vec<(u32, Value)> = places.into_iter().zip(history(&looks)).collect();
        prop_assume!(!records.is_empty());
        records.sort_by_key(|(place, _)| *place);
        let records: Vec<Value> = records.into_iter().map(|(_, record)| record).collect();
        let plan = planned(&json!({"Records": records}), &format!("{{publish: {mode}, digest_after: 2, drop: []}}"));
        let mut told: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
        for item in plan.publications.iter().flat_map(|one| &one.items).map(|item| &plan.items[*item]) {
            let at = item.alert.changed_at.unwrap();
            let before = told.insert(item.alert.name.clone(), at);
            prop_assert!(before.is_none_or(|before| before <= at), "{mode}: {} {before:?} {at}", item.alert.name);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(16) })]

    #[test]
    fn whatever_the_group_every_alert_is_in_one_message_and_they_keep_their_order(
        sizes in proptest::collection::vec(prop_oneof![8 => 0..2_000_usize, 1 => 0..40_000_usize], 1..100),
        mode in proptest::sample::select(vec!["auto", "alert", "group"]), digest_after in 1..20_usize,
    ) {
        let alert = |(index, size): (usize, &usize)| json!({
            "status": if index % 3 == 0 { "resolved" } else { "firing" },
            "labels": {"alertname": format!("a{index}"), "drop": (index % 7 == 6).to_string()},
            "annotations": {"description": "<\"가\">\n".repeat(size / 8)},
            "startsAt": "2026-03-02T00:15:00Z", "endsAt": "2026-03-02T00:15:30Z",
        });
        let event = json!({"receiver": "r", "alerts": sizes.iter().enumerate().map(alert).collect::<Value>()});
        let config = format!("{{publish: {mode}, digest_after: {digest_after}, drop: [{{matchers: [drop=true]}}]}}");
        let plan = planned(&event, &config);
        let surviving: Vec<usize> =
            (0..plan.items.len()).filter(|item| plan.items[*item].dropped.is_none()).collect();
        let told: Vec<usize> = plan.publications.iter().flat_map(|one| one.items.clone()).collect();
        prop_assert_eq!(&told, &surviving);
        let is_group = mode == "group" || mode == "auto" && surviving.len() > digest_after;
        for publication in &plan.publications {
            check_rules(&publication.message);
            let back = relayed(&publication.message);
            prop_assert_eq!(back.len(), publication.items.len());
            prop_assert!(is_group || back.len() == 1);
            prop_assert!(back.len() == 1 || envelope_bytes(&publication.message) <= MESSAGE_MAX_BYTES);
            for (back, item) in back.into_iter().zip(&publication.items) {
                same(back, plan.items[*item].alert.clone());
            }
        }
        let bytes: usize = sizes.iter().map(|size| 3 * size + 3_000).sum();
        prop_assert!(!is_group || plan.publications.len() <= 1 + 2 * bytes / (MESSAGE_MAX_BYTES / 2));
        let names: BTreeSet<_> = plan.publications.iter().map(|one| &one.delivery).collect();
        prop_assert_eq!(names.len(), plan.publications.len());
    }
}

/// Grafana's webhooks about five alerts, a minute apart, in the messages of a queue. Between two of them each alert that is
/// marked changes its state; a webhook tells what fires, and what has ended since the last one.
fn history(looks: &[Vec<bool>]) -> Vec<Value> {
    let start = alert_core::time::parse("2026-03-02T00:00:00Z").unwrap();
    let mut since: Vec<Option<DateTime<Utc>>> = vec![None; 5];
    let mut records = Vec::new();
    for (look, changes) in looks.iter().enumerate() {
        let now = start + TimeDelta::seconds(60 * i64::try_from(look).unwrap() + 30);
        let mut alerts = Vec::new();
        for (alert, changes) in changes.iter().enumerate() {
            let began = since[alert];
            if *changes {
                since[alert] = if began.is_some() { None } else { Some(now) };
            }
            let Some(starts_at) = since[alert].or(began) else { continue };
            let is_over = since[alert].is_none();
            alerts.push(json!({
                "status": if is_over { "resolved" } else { "firing" },
                "labels": {"alertname": format!("a{alert}")}, "startsAt": starts_at.to_rfc3339(),
                "endsAt": if is_over { now.to_rfc3339() } else { "0001-01-01T00:00:00Z".to_owned() },
            }));
        }
        if !alerts.is_empty() {
            let body = json!({"receiver": "r", "groupKey": "{}", "alerts": alerts}).to_string();
            records.push(json!({"messageId": look.to_string(), "body": body, "eventSource": "aws:sqs"}));
        }
    }
    records
}

fn planned(event: &Value, config: &str) -> filter::FilterPlan {
    let now = alert_core::time::parse("2026-03-02T00:16:05Z").unwrap();
    filter::plan(
        envelope::decode(event.to_string().as_bytes()),
        &Config::parse(config).unwrap(),
        None,
        "request",
        now,
    )
}
