//! The fixtures' envelopes against the event types that AWS publishes for Rust: they are of the shape that these expect, and
//! these read in them what [`envelope::decode`] reads.
//!
//! The functions do without these types: one field that a type does not expect, in one of its records, would lose a whole event.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the purity is the core's, not its tests'")]

mod events;

use std::fs;
use std::path::PathBuf;

use alert_core::envelope::{self, Body, Hop, Record};
use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::sns::SnsEvent;
use aws_lambda_events::sqs::SqsEvent;
use serde::de::DeserializeOwned;

/// The fixtures that came in this envelope alone, as AWS's type reads them, and as the core does.
fn fixtures<Event: DeserializeOwned>(envelope: &str) -> Vec<(PathBuf, Event, Vec<Record>)> {
    let ending = format!(".{envelope}.json");
    let paths = events::paths().into_iter().filter(|path| path.to_string_lossy().ends_with(&ending));
    let cases: Vec<_> = paths
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            let event = serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path, event, envelope::decode(&bytes).records)
        })
        .collect();
    assert!(!cases.is_empty(), "no fixture ends in .{envelope}.json");
    cases
}

#[test]
fn notifications_of_sns() {
    for (path, event, records) in fixtures::<SnsEvent>("sns") {
        assert_eq!(records.len(), event.records.len(), "{}", path.display());
        for (record, sns) in records.iter().zip(event.records.into_iter().map(|record| record.sns)) {
            assert_eq!(record.id.as_ref(), Some(&sns.message_id), "{}", path.display());
            assert_eq!(record.topic_arn.as_ref(), Some(&sns.topic_arn), "{}", path.display());
            assert_eq!(record.subject, sns.subject, "{}", path.display());
            // What an EventBridge event inside says is nearer to the alert.
            if record.path == [Hop::Sns] {
                assert_eq!(record.sent_at, Some(sns.timestamp), "{}", path.display());
                assert_eq!(record.body, Body::Text(sns.message), "{}", path.display());
            }
            let texts =
                sns.message_attributes.into_iter().filter(|(_, attribute)| attribute.data_type == "String");
            let texts = texts.map(|(name, attribute)| (name, attribute.value)).collect();
            assert_eq!(record.attributes, texts, "{}", path.display());
        }
    }
}

#[test]
fn events_of_eventbridge() {
    for (path, event, records) in fixtures::<EventBridgeEvent>("eventbridge") {
        let [record] = records.as_slice() else { panic!("{}: {records:?}", path.display()) };
        assert_eq!(record.id, event.id, "{}", path.display());
        assert_eq!(record.sent_at, event.time, "{}", path.display());
    }
}

#[test]
fn messages_of_sqs() {
    for envelope in ["sqs", "sqs-raw"] {
        for (path, event, records) in fixtures::<SqsEvent>(envelope) {
            assert_eq!(records.len(), event.records.len(), "{}", path.display());
            for (record, sqs) in records.iter().zip(event.records) {
                assert_eq!(record.item, sqs.message_id, "{}", path.display());
                let tries =
                    sqs.attributes.get("ApproximateReceiveCount").and_then(|count| count.parse().ok());
                assert_eq!(Some(record.tries), tries, "{}", path.display());
            }
        }
    }
}
