use std::collections::BTreeMap;
use std::time::Duration;

use alert_sandbox::lambda::Outcome;
use alert_sandbox::sns::MessageAttribute;
use alert_sandbox::sqs::{DeliveryOptions, Queue, QueueOptions, failed_items};
use serde_json::json;

use super::lambda::odd_function;

const LONG: Duration = Duration::from_secs(20);

fn quick() -> QueueOptions {
    QueueOptions { visibility_timeout: Duration::from_millis(50), max_receive_count: 3 }
}

#[tokio::test]
async fn only_the_failed_messages_of_a_batch_come_again_and_die() {
    let function = odd_function().await;
    let queue = Queue::new("alerts", quick());
    for body in ["good", "fail", "good"] {
        queue.send(body, BTreeMap::new());
    }
    let delivery = queue.deliver_to(&function, 10, 2);
    assert!(queue.wait_until_empty(LONG).await);
    let dead = queue.dead_letters();
    assert_eq!(dead.len(), 1);
    assert_eq!((dead[0].body.as_str(), dead[0].receive_count), ("fail", 3));
    drop(delivery);

    assert_eq!(queue.redrive(), 1);
    assert_eq!((queue.messages().len(), queue.dead_letters().len()), (1, 0));
}

#[tokio::test]
async fn a_function_error_fails_the_batch() {
    let function = odd_function().await;
    let queue = Queue::new("alerts", QueueOptions { max_receive_count: 1, ..quick() });
    for body in ["good", "crash"] {
        queue.send(body, BTreeMap::new());
    }
    let _delivery = queue.deliver_to(&function, 10, 1);
    assert!(queue.wait_until_empty(LONG).await);
    assert_eq!(queue.dead_letters().len(), 2);
}

#[tokio::test]
async fn without_partial_responses_any_answer_is_success() {
    let function = odd_function().await;
    let queue = Queue::new("alerts", quick());
    queue.send("fail", BTreeMap::new());
    let options = DeliveryOptions { report_batch_item_failures: false, ..DeliveryOptions::default() };
    let _delivery = queue.deliver_with(&function, options);
    assert!(queue.wait_until_empty(LONG).await);
    assert!(queue.dead_letters().is_empty());
}

#[tokio::test]
async fn a_batch_waits_for_more_within_its_window() {
    let function = odd_function().await;
    let queue = Queue::new("alerts", QueueOptions { visibility_timeout: LONG, max_receive_count: 3 });
    let options = DeliveryOptions { batch_window: Duration::from_millis(500), ..DeliveryOptions::default() };
    let _delivery = queue.deliver_with(&function, options);
    for _ in 0..3 {
        queue.send("good", BTreeMap::new());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(queue.wait_until_empty(LONG).await);
    assert!(function.wait_for_log("batch of 3", LONG).await, "{}", function.log());
}

#[test]
fn the_answer_to_a_batch_is_read_as_lambda_reads_it() {
    let failed = |body: &str| failed_items(&Outcome::Response(body.as_bytes().to_vec()), &["a", "b"]);
    let none: [&str; 0] = [];
    for answer in ["", "null", "{}", r#"{"batchItemFailures":null}"#, r#"{"batchItemFailures":[]}"#] {
        assert_eq!(failed(answer), none, "{answer}");
    }
    assert_eq!(failed(r#"{"batchItemFailures":[{"itemIdentifier":"b"}]}"#), ["b"]);
    for answer in [
        "no JSON",
        r#"{"batchItemFailures":{}}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":""}]}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":null}]}"#,
        r#"{"batchItemFailures":[{"itemIdentifier":"b"},{"itemIdentifier":"c"}]}"#,
        r#"{"batchItemFailures":[{"id":"b"}]}"#,
    ] {
        assert_eq!(failed(answer), ["a", "b"], "{answer}");
    }
    assert_eq!(failed_items(&Outcome::TimedOut, &["a", "b"]), ["a", "b"]);
}

#[tokio::test]
async fn a_record_has_the_form_that_lambda_gives_it() {
    let function = odd_function().await;
    let queue = Queue::new("alerts", quick());
    let attributes = [("t", MessageAttribute::string("x")), ("b", MessageAttribute::binary("y"))];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value)).into();
    let id = queue.send("hello", attributes);
    let _delivery = queue.deliver_to(&function, 1, 1);
    assert!(queue.wait_until_empty(LONG).await);
    assert!(function.wait_for_log("record", LONG).await);
    let log = function.log();
    let line = log.lines().find_map(|line| line.strip_prefix("record ")).unwrap();
    let record: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(record["messageId"], json!(id));
    assert_eq!(record["body"], "hello");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert!(record["attributes"]["SentTimestamp"].as_str().unwrap().parse::<u64>().is_ok());
    assert_eq!(record["messageAttributes"]["t"]["stringValue"], "x");
    assert_eq!(record["messageAttributes"]["b"]["binaryValue"], "eQ==");
    assert_eq!(record["messageAttributes"]["b"]["dataType"], "Binary");
    assert_eq!(record["md5OfBody"], "5d41402abc4b2a76b9719d911017c592");
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:us-east-1:123456789012:alerts");
}

#[test]
fn ids_follow_from_seed_and_name() {
    let first = |name, seed| Queue::new_seeded(name, quick(), seed).send("m", BTreeMap::new());
    assert_eq!(first("a", 1), first("a", 1));
    assert_ne!(first("a", 1), first("b", 1));
    assert_ne!(first("a", 1), first("a", 2));
}
