//! Whatever carries an alert, and whatever it is: it arrives.

use std::collections::BTreeMap;
use std::time::Duration;

use alert_sandbox::lambda::Outcome;
use alert_sandbox::sns::Message;
use alert_sandbox::sqs::{DeliveryOptions, Queue, QueueOptions};
use serde_json::{Value, json};

use crate::events::{
    alarm, alarm_action, alarm_detail, alarm_in, fixture, fixture_text, http, sns, sns_fixtures, sqs,
    walkthrough,
};
use crate::stage::{SOON, Setup, answer, error};

#[tokio::test]
async fn three_alarms_of_one_event_are_three_messages_in_their_order() {
    let stage = Setup::new().await.start().await;
    stage.invoke(&fixture("three-alarms.sns.json")).await;
    let messages = stage.messages();
    assert_eq!(messages.len(), 3);
    for (message, name) in messages.iter().zip(["web-1 CPU high", "web-2 CPU high", "orders queue is old"]) {
        assert!(message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn events_of_any_kind_arrive_raw() {
    let stage = Setup::new().await.start().await;
    for payload in [
        r#"{"hello":"world"}"#,
        r#""some words""#,
        "17",
        "true",
        "null",
        "[]",
        "[1,2]",
        "{}",
        r#"{"Records":[]}"#,
        r#"{"Records":[{"eventSource":"aws:s3","s3":{}}]}"#,
        r#"{"Records":[null]}"#,
        r#"{"Records":"none"}"#,
    ] {
        let before = stage.sandbox.slack.posts().len();
        let invocation = stage.invoke_raw(payload).await;
        assert!(invocation.outcome.is_success(), "{payload}: {:?}", invocation.outcome);
        let posts = stage.sandbox.slack.posts();
        assert_eq!(posts.len(), before + 1, "{payload}");
        assert!(posts[before].accepted, "{payload}: {posts:?}");
    }
    assert_eq!(stage.count("hello"), 1);
    assert_eq!(stage.count("some words"), 1);
}

#[tokio::test]
async fn sns_messages_of_any_kind_arrive() {
    let stage = Setup::new().await.start().await;
    let truncated = &alarm("truncated-alarm").to_string()[..120];
    let invocation = stage.invoke(&sns("odd", &["disk full on host-7", "", "42.5", truncated])).await;
    assert!(invocation.outcome.is_success(), "{:?}", invocation.outcome);
    assert_eq!(stage.sandbox.slack.posts().len(), 4);
    for text in ["disk full on host-7", "The message is empty", "42.5", "truncated-alarm"] {
        assert_eq!(stage.count(text), 1, "{text}: {:?}", stage.messages());
    }
}

#[tokio::test]
async fn what_is_no_json_at_all_is_a_failed_invocation_and_no_silence() {
    let stage = Setup::new().await.start().await;
    for payload in ["", "not JSON", "{\"Records\":", "\u{feff}{}"] {
        let invocation = stage.invoke_raw(payload).await;
        let arrived = !stage.sandbox.slack.posts().is_empty();
        assert!(
            arrived || matches!(invocation.outcome, Outcome::Error { .. }),
            "{payload:?}: {invocation:?}"
        );
    }
    let bytes = stage.function.invoke(&b"\xff\xfe"[..]).await.outcome;
    assert!(!bytes.is_success() && bytes != Outcome::TimedOut, "{bytes:?}");
    // It lives on.
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    assert_eq!(stage.count("Example alarm name"), 1);
}

#[tokio::test]
async fn a_topic_and_queues_with_and_without_raw_delivery() {
    let stage = Setup::new().await.start().await;
    let sns = &stage.sandbox.sns;
    let topic = sns.create_topic("alerts");
    sns.subscribe_function(&topic, &stage.function).unwrap();
    let queues: Vec<_> = [("raw", true), ("wrapped", false)]
        .into_iter()
        .map(|(name, raw)| {
            let queue = Queue::new(name, QueueOptions::default());
            sns.subscribe_queue(&topic, &queue, raw).unwrap();
            (queue.deliver_to(&stage.function, 10, 1), queue)
        })
        .collect();
    sns.publish(&topic, Message::new(alarm("published").to_string())).unwrap();
    let posts = stage.sandbox.slack.wait_for(3, SOON).await;
    assert_eq!(posts.len(), 3, "{}", stage.function.log());
    assert!(sns.settled(SOON).await);
    for (_, queue) in &queues {
        assert!(queue.wait_until_empty(SOON).await);
        assert!(queue.dead_letters().is_empty());
    }
    assert_eq!(stage.count("🔴 *published*"), 3, "{:?}", stage.messages());
}

#[tokio::test]
async fn events_and_direct_actions() {
    let stage = Setup::new().await.start().await;
    let events = &stage.sandbox.eventbridge;
    let (source, kind) = ("aws.cloudwatch", "CloudWatch Alarm State Change");
    let attempts = events.deliver(&stage.function, source, kind, &alarm_detail("evented")).await;
    assert!(attempts.len() == 1 && attempts[0].outcome.is_success(), "{attempts:?}");
    assert!(stage.invoke(&alarm_action("direct")).await.outcome.is_success());
    // An event by way of a topic and a queue.
    let event = events.event(source, kind, &alarm_detail("nested"));
    let notification = &sns("nested", &[event])["Records"][0]["Sns"];
    assert_eq!(answer(&stage.invoke(&sqs(&[notification])).await), json!({"batchItemFailures": []}));
    for name in ["evented", "direct", "nested"] {
        assert_eq!(stage.count(&format!("🔴 *{name}*")), 1, "{name}: {:?}", stage.messages());
    }
}

#[tokio::test]
async fn a_call_through_http_is_answered_in_its_form() {
    let stage = Setup::new().await.start().await;
    let body = alarm("by http").to_string();
    let done = answer(&stage.invoke(&http(&body)).await);
    assert_eq!(done["statusCode"], 200, "{done}");
    assert_eq!(stage.count("🔴 *by http*"), 1);

    stage.sandbox.slack.set_state("ops", alert_sandbox::slack::WebhookState::Removed);
    let mut event = http(&alarm("in vain").to_string());
    event["requestContext"]["requestId"] = "another".into();
    let failed = answer(&stage.invoke(&event).await);
    assert_eq!(failed["statusCode"], 502, "{failed}");
    assert!(failed["body"].is_string() && failed["headers"].is_object(), "{failed}");
}

#[tokio::test]
async fn headers_and_a_body_alone_are_no_call_through_http() {
    let stage = Setup::new().await.start().await;
    let bare = |name: &str| json!({"headers": {"content-type": "application/json"}, "body": alarm(name).to_string()});
    assert_eq!(answer(&stage.invoke(&bare("by hand")).await), json!({"alerts": 1, "posts": 1}));
    assert_eq!(stage.count("🔴 *by hand*"), 1);
    // Lambda reads no status: only an error brings the event back.
    stage.sandbox.slack.set_state("ops", alert_sandbox::slack::WebhookState::Removed);
    let attempts = stage.invoke_async(&bare("in vain")).await;
    assert_eq!(attempts.len(), 3, "{attempts:?}");
    assert_eq!(stage.function.dead_letters().len(), 1);
}

#[tokio::test]
async fn a_queue_that_reads_no_item_failures_loses_no_batch_that_failed() {
    let stage = Setup::new().await.start().await;
    stage.sandbox.slack.set_state("ops", alert_sandbox::slack::WebhookState::Removed);
    let options = QueueOptions { visibility_timeout: Duration::from_millis(300), max_receive_count: 2 };
    let queue = Queue::new("by-hand", options);
    for name in ["first", "second"] {
        queue.send(alarm(name).to_string(), BTreeMap::new());
    }
    let options = DeliveryOptions { report_batch_item_failures: false, ..DeliveryOptions::default() };
    let _delivery = queue.deliver_with(&stage.function, options);
    assert!(queue.wait_until_empty(SOON).await, "{}", stage.function.log());
    assert_eq!(queue.dead_letters().len(), 2, "{}", stage.function.log());
}

#[tokio::test]
async fn what_landed_in_the_dead_letters_is_fed_back() {
    let stage = Setup::new().await.start().await;
    stage.sandbox.slack.set_state("ops", alert_sandbox::slack::WebhookState::Archived);
    let attempts = stage.invoke_async(&walkthrough()).await;
    assert_eq!(attempts.len(), 3);
    let letters = stage.function.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["responsePayload"]["errorType"], "slack_webhook_refused");
    assert_eq!(error(&attempts[2]).0, "slack_webhook_refused");

    stage.sandbox.slack.set_state("ops", alert_sandbox::slack::WebhookState::Active);
    assert!(stage.invoke(&letters[0]).await.outcome.is_success());
    assert_eq!(stage.count("🔴 *Example alarm name*"), 1);
    // The whole way is in the log.
    stage.logged("redrive").await;
}

#[tokio::test]
async fn an_alarm_s_whole_life() {
    let stage = Setup::new().await.start().await;
    for (number, (state, before)) in
        [("ALARM", "OK"), ("INSUFFICIENT_DATA", "ALARM"), ("OK", "INSUFFICIENT_DATA")].into_iter().enumerate()
    {
        let event = sns(&format!("life-{number}"), &[alarm_in("alive", state, before)]);
        assert!(stage.invoke(&event).await.outcome.is_success());
    }
    let texts: Vec<Value> =
        stage.sandbox.slack.accepted().into_iter().map(|post| post.payload["text"].clone()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    for (text, begin) in texts.iter().zip(["🔴 alive", "⚠️ No data: alive", "✅ alive is OK"]) {
        assert!(text.as_str().unwrap().starts_with(begin), "{text}");
    }
}

#[tokio::test]
async fn slack_takes_every_fixture_as_it_is() {
    let stage = Setup::new().await.timeout(30).start().await;
    let names = sns_fixtures();
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        let before = stage.sandbox.slack.posts().len();
        let invocation = stage.invoke_raw(&fixture_text(&name)).await;
        assert!(invocation.outcome.is_success(), "{name}: {invocation:?}");
        let posts = stage.sandbox.slack.posts();
        for post in &posts[before..] {
            assert!(post.accepted && !post.truncated && post.why.is_none(), "{name}: {post:?}");
        }
    }
}
