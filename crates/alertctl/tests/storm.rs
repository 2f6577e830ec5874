//! Many alarms at once: all are shown, in few messages, whatever the batches and however slow Slack is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

mod stage;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use alert_sandbox::eventbridge::{GRAFANA_DETAIL_TYPE, GRAFANA_SOURCE};
use alert_sandbox::lambda::{Function, FunctionSpec, Outcome};
use alert_sandbox::slack::{Answer, RateLimit};
use alert_sandbox::sns::Message;
use alert_sandbox::sqs::{DeliveryOptions, Queue, QueueOptions};
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};

use stage::{alarm, binary, named, relay};

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

/// From the topic to the relay, as the template has it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Direct,
    Buffered,
}

#[tokio::test]
async fn a_hundred_alerts_of_one_webhook_directly() {
    grafana_storm(Way::Direct).await;
}

#[tokio::test]
async fn a_hundred_alerts_of_one_webhook_by_a_queue() {
    grafana_storm(Way::Buffered).await;
}

/// 100 alerts in one webhook of Grafana's by way of EventBridge, the filter and SNS, Slack at its documented rate.
async fn grafana_storm(way: Way) {
    const ALERTS: usize = 100;
    const POSTS_MAX: usize = 5;
    let sandbox = Sandbox::start(SandboxOptions { tls: false, seed: 4 }).await.unwrap();
    sandbox.slack.set_rate_limit(Some(RateLimit { burst: 10, per_second: 1.0 }));
    let webhook = sandbox.slack.webhook("alerts");
    let topic = sandbox.sns.create_topic("alerts");
    let filter = FunctionSpec::new("filter", binary("grafana-filter-to-sns"))
        .with_environment(sandbox.environment())
        .with_environment([("SNS_TOPIC_ARN", topic.clone())]);
    let filter = Function::start(filter).await.unwrap();
    sandbox.eventbridge.add_target(&filter);
    let relay = Function::start(relay(&sandbox, "cloudwatch-to-slack", &webhook)).await.unwrap();
    let options = QueueOptions { visibility_timeout: Duration::from_mins(3), max_receive_count: 40 };
    let queue = Queue::new("buffer", options);
    let delivery = match way {
        Way::Direct => {
            sandbox.sns.subscribe_function(&topic, &relay).unwrap();
            None
        }
        Way::Buffered => {
            sandbox.sns.subscribe_queue(&topic, &queue, false).unwrap();
            Some(queue.deliver_to(&relay, 10, 2))
        }
    };
    let started = Instant::now();
    sandbox.eventbridge.put_event(GRAFANA_SOURCE, GRAFANA_DETAIL_TYPE, &grafana_webhook(ALERTS));
    let logs = || format!("{}\n{}", filter.log(), relay.log());
    let soon = Duration::from_mins(1);
    assert!(sandbox.eventbridge.settled(soon).await && sandbox.sns.settled(soon).await, "{}", logs());
    assert!(queue.wait_until_empty(soon).await, "{}", logs());
    let seconds = started.elapsed().as_secs_f64();
    drop(delivery);
    let accepted = sandbox.slack.accepted();
    let shown: BTreeSet<String> = accepted.iter().flat_map(|post| named(&post.payload, "storm")).collect();
    assert_eq!(shown.len(), ALERTS, "{}", logs());
    assert!(accepted.len() <= POSTS_MAX, "{} posts\n{}", accepted.len(), logs());
    assert_eq!(sandbox.slack.posts().len(), accepted.len(), "none was asked to wait\n{}", logs());
    let messages = sandbox.sns.published().len();
    stage::say(&format!(
        "storm: {ALERTS} alerts of one webhook, {way:?}: {messages} SNS messages, all named in {} posts, {seconds:.1} s",
        accepted.len()
    ));
}

/// One webhook with everything in it that Grafana sends of an alert; every tenth is over.
fn grafana_webhook(alerts: usize) -> Value {
    const GRAFANA: &str = "https://grafana.example.com";
    let alert = |n: usize| {
        let is_over = n % 10 == 9;
        json!({
            "status": if is_over { "resolved" } else { "firing" },
            "labels": {
                "alertname": format!("storm-{n:04}"), "grafana_folder": "Production", "team": "orders",
                "severity": if n.is_multiple_of(2) { "critical" } else { "warning" },
                "instance": format!("ip-10-0-{n}-17.eu-west-1.compute.internal:9100"),
            },
            "annotations": {
                "summary": format!("The disk of machine {n} is nearly full"),
                "description": "Less than ten percent are free for a quarter of an hour. Look for logs that nobody rotates, \
                    and for images that nobody uses any more, before a larger disk is ordered.",
                "runbook_url": "https://wiki.example.com/runbooks/disk",
            },
            "startsAt": "2026-09-13T02:45:00Z",
            "endsAt": if is_over { "2026-09-13T03:00:00Z" } else { "0001-01-01T00:00:00Z" },
            "generatorURL": format!("{GRAFANA}/alerting/grafana/rule{n:04}/view?orgId=1"),
            "fingerprint": format!("{n:016x}"),
            "silenceURL": format!("{GRAFANA}/alerting/silence/new?alertmanager=grafana&matcher=__alert_rule_uid__%3Drule{n:04}&matcher=instance%3Dip-10-0-{n}-17&orgId=1"),
            "dashboardURL": format!("{GRAFANA}/d/machines?from=1789267500000&orgId=1&to=1789268400000"),
            "panelURL": format!("{GRAFANA}/d/machines?from=1789267500000&orgId=1&to=1789268400000&viewPanel=7"),
            "values": {"A": 91.5, "C": 1},
            "valueString": format!("[ var='A' labels={{instance=ip-10-0-{n}-17}} value=91.5 ], [ var='C' labels={{instance=ip-10-0-{n}-17}} value=1 ]"),
            "ruleUID": format!("rule{n:04}"),
        })
    };
    json!({
        "receiver": "eventbridge", "status": "firing", "alerts": (0..alerts).map(alert).collect::<Value>(),
        "groupLabels": {"grafana_folder": "Production"}, "commonLabels": {"grafana_folder": "Production", "team": "orders"},
        "commonAnnotations": {"runbook_url": "https://wiki.example.com/runbooks/disk"}, "externalURL": format!("{GRAFANA}/"),
        "version": "1", "groupKey": "{}:{grafana_folder=\"Production\"}", "truncatedAlerts": 0, "orgId": 1,
        "title": "[FIRING:90, RESOLVED:10] Production", "state": "alerting", "message": "**Firing**",
    })
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
async fn one_of_a_hundred_is_refused_and_found_in_few_posts() {
    let sandbox = Sandbox::start(SandboxOptions { tls: false, seed: 5 }).await.unwrap();
    let webhook = sandbox.slack.webhook("alerts");
    let function = Function::start(relay(&sandbox, "cloudwatch-to-slack", &webhook)).await.unwrap();
    refuse(&sandbox, "storm-0042");
    // As the filter's message for a webhook: one message for SQS, whatever becomes of its alerts.
    let queue =
        Queue::new("one", QueueOptions { visibility_timeout: Duration::from_secs(30), max_receive_count: 1 });
    queue.send(grafana_webhook(100).to_string(), BTreeMap::new());
    let _delivery = queue.deliver_to(&function, 10, 1);
    assert!(queue.wait_until_empty(Duration::from_mins(1)).await, "{}", function.log());
    assert_eq!(queue.dead_letters().len(), 1, "{}", function.log());
    let mut shown = BTreeMap::<String, usize>::new();
    for name in sandbox.slack.accepted().iter().flat_map(|post| named(&post.payload, "storm")) {
        *shown.entry(name).or_default() += 1;
    }
    let others = (0..100).filter(|n| *n != 42).map(|n| (format!("storm-{n:04}"), 1)).collect();
    assert_eq!(shown, others, "{}", function.log());
    let posts = sandbox.slack.posts().len();
    assert!(posts <= 30, "{posts} posts");
    stage::say(&format!("storm: 1 of 100 alerts refused for good: the other 99 shown, {posts} posts"));
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
