//! Many alarms at once: all are shown, in few messages, whatever the batches and however slow Slack is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use alert_sandbox::lambda::{Function, Outcome};
use alert_sandbox::slack::{Answer, RateLimit};
use alert_sandbox::sns::Message;
use alert_sandbox::sqs::{DeliveryOptions, Queue, QueueOptions};
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use stage::{alarm, named, relay};

const ALARMS: usize = 300;

#[tokio::test]
async fn three_hundred_alarms_in_batches_of_a_hundred() {
    storm(100, 30).await;
}

#[tokio::test]
async fn three_hundred_alarms_in_batches_of_ten() {
    storm(10, 40).await;
}

/// 300 alarms by way of SNS and SQS, Slack at its documented rate.
async fn storm(batch_size: usize, messages_max: usize) {
    let sandbox = Sandbox::start(SandboxOptions { tls: false, seed: 1 }).await.unwrap();
    sandbox.slack.set_rate_limit(Some(RateLimit { burst: 10, per_second: 1.0 }));
    let webhook = sandbox.slack.webhook("alerts");
    let function = Function::start(relay(&sandbox, "cloudwatch-to-slack", &webhook)).await.unwrap();
    let options = QueueOptions { visibility_timeout: Duration::from_secs(35), max_receive_count: 3 };
    let queue = Queue::new("storm", options);
    let topic = sandbox.sns.create_topic("alerts");
    sandbox.sns.subscribe_queue(&topic, &queue, false).unwrap();
    for n in 0..ALARMS {
        sandbox.sns.publish(&topic, Message::new(alarm(&format!("storm-{n:04}")))).unwrap();
    }
    let started = Instant::now();
    // As many pollers as Lambda starts with.
    let batch_window = Duration::from_millis(200);
    let options = DeliveryOptions { batch_size, concurrency: 5, batch_window, ..DeliveryOptions::default() };
    let _delivery = queue.deliver_with(&function, options);
    assert!(queue.wait_until_empty(Duration::from_secs(150)).await, "{}", function.log());
    assert_eq!(queue.dead_letters().len(), 0, "{}", function.log());
    let accepted = sandbox.slack.accepted();
    let shown: BTreeSet<String> = accepted.iter().flat_map(|post| named(&post.payload, "storm")).collect();
    assert_eq!(shown.len(), ALARMS, "{}", function.log());
    assert!(accepted.len() <= messages_max, "{} messages", accepted.len());
    let posts = sandbox.slack.posts().len();
    stage::say(&format!(
        "storm: {ALARMS} alarms in batches of {batch_size}: all named in {} messages, {} more posts were asked to wait, {:.1} s",
        accepted.len(),
        posts - accepted.len(),
        started.elapsed().as_secs_f64()
    ));
}

/// Lets Slack refuse whatever names this alarm, in any form.
fn refuse(sandbox: &Sandbox, name: &'static str) {
    sandbox.slack.set_plan(Box::new(move |post| {
        post.payload.to_string().contains(name).then(|| Answer::Status {
            code: 400,
            body: "invalid_payload".to_owned(),
            retry_after: None,
        })
    }));
}

/// How often each alarm stands in the channel.
fn shown(sandbox: &Sandbox) -> BTreeMap<String, usize> {
    let mut shown = BTreeMap::new();
    for name in sandbox.slack.accepted().iter().flat_map(|post| named(&post.payload, "one")) {
        *shown.entry(name).or_default() += 1;
    }
    shown
}

fn nine_once() -> BTreeMap<String, usize> {
    (0..9).map(|n| (format!("one-{n:04}"), 1)).collect()
}

#[tokio::test]
async fn one_of_ten_is_refused_and_the_queue_tries_it_alone_again() {
    let sandbox = Sandbox::start(SandboxOptions { tls: false, seed: 2 }).await.unwrap();
    let webhook = sandbox.slack.webhook("alerts");
    let function = Function::start(relay(&sandbox, "cloudwatch-to-slack", &webhook)).await.unwrap();
    refuse(&sandbox, "one-0009");
    let options = QueueOptions { visibility_timeout: Duration::from_secs(2), max_receive_count: 3 };
    let queue = Queue::new("ten", options);
    for n in 0..10 {
        queue.send(alarm(&format!("one-{n:04}")), BTreeMap::new());
    }
    let _delivery = queue.deliver_to(&function, 10, 1);
    assert!(queue.wait_until_empty(Duration::from_secs(30)).await, "{}", function.log());
    assert_eq!(shown(&sandbox), nine_once(), "{}", function.log());
    let dead: Vec<String> = queue.dead_letters().into_iter().map(|message| message.body).collect();
    assert_eq!(dead, [alarm("one-0009")]);
}

#[tokio::test]
async fn one_of_ten_is_refused_and_lambda_tries_the_event_twice_again() {
    let sandbox = Sandbox::start(SandboxOptions { tls: false, seed: 3 }).await.unwrap();
    let webhook = sandbox.slack.webhook("alerts");
    let function = Function::start(relay(&sandbox, "cloudwatch-to-slack", &webhook)).await.unwrap();
    refuse(&sandbox, "one-0009");
    let records: Vec<Value> = (0..10)
        .map(|n| {
            json!({"EventSource": "aws:sns", "Sns": {
                "Type": "Notification",
                "MessageId": format!("e4f44196-3f38-5a04-9cd6-8a16a9f0a4{n:02}"),
                "TopicArn": "arn:aws:sns:eu-west-1:123456789012:alerts",
                "Timestamp": "2026-09-13T03:00:00.000Z",
                "Message": alarm(&format!("one-{n:04}")),
            }})
        })
        .collect();
    let attempts = function.invoke_async(json!({ "Records": records }).to_string()).await;
    assert_eq!(attempts.len(), 3);
    for attempt in &attempts {
        let Outcome::Error { error_type, .. } = &attempt.outcome else { panic!("{:?}", attempt.outcome) };
        assert_eq!(error_type, "slack_message_refused");
    }
    assert_eq!(shown(&sandbox), nine_once(), "{}", function.log());
    assert_eq!(function.dead_letters().len(), 1);
}
