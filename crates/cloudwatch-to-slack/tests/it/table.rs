//! With a table, by the app: one alert is one living message, whatever process, retry or queue brings its changes.

use std::time::Duration;

use alert_sandbox::dynamodb::{DynamoDbFault, PARTITION_KEY};
use alert_sandbox::lambda::Function;
use alert_sandbox::slack::{Answer, Message, Method, TokenState};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::events::{alarm_in, fixture, grafana, sns, sqs};
use crate::stage::{By, SOON, Setup, Stage, answer, at_once, error, says};

pub(crate) const TABLE: &str = "alerts";
/// What the log holds where a table was in trouble.
pub(crate) const TROUBLED: &str = r#""error_type":"table_unavailable""#;

impl Setup {
    /// Sets `ALERT_TABLE`, and makes the table.
    pub(crate) fn table(self) -> Self {
        let table = self.sandbox.dynamodb.create_table(TABLE);
        self.set("ALERT_TABLE", &table)
    }

    /// Names the channel by its id, without which the app cannot look for messages in it.
    fn channel_by_id(self) -> Self {
        let channel = self.sandbox.slack.channel("ops");
        self.set("slackChannel", &channel.id)
    }
}

/// An alarm's change at a time.
pub(crate) fn change(name: &str, state: &str, before: &str, at: DateTime<Utc>) -> Value {
    let mut alarm = alarm_in(name, state, before);
    alarm["StateChangeTime"] = at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string().into();
    alarm
}

fn ago(minutes: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::minutes(minutes)
}

async fn invoke(stage: &Stage, delivery: &str, change: Value) {
    invoke_at(&stage.function, delivery, change).await;
    stage.check_output();
}

pub(crate) async fn invoke_at(function: &Function, delivery: &str, change: Value) {
    let invocation = function.invoke(sns(delivery, &[change]).to_string()).await;
    assert!(invocation.outcome.is_success(), "{invocation:?}");
}

/// The alarm's message, and what else stands in the channel.
fn channel(stage: &Stage, root: &str) -> (Option<Message>, Vec<Message>) {
    let messages = stage.sandbox.slack.messages("ops");
    let (roots, others): (Vec<_>, Vec<_>) =
        messages.into_iter().filter(Message::is_in_channel).partition(|message| message.ts == root);
    (roots.into_iter().next(), others)
}

#[tokio::test]
async fn one_alarm_is_one_message_through_its_life() {
    let stage = Setup::by(By::App).await.table().start().await;
    let changes = [
        ("a", change("cpu", "ALARM", "OK", ago(5))),
        ("b", change("cpu", "OK", "ALARM", ago(2))),
        ("c", change("cpu", "ALARM", "OK", ago(1))),
    ];
    let mut expected = ["🔴 cpu", "✅ cpu", "🔴 cpu"].into_iter().zip([0, 0, 1]);
    let mut first = String::new();
    for (delivery, change) in changes.clone() {
        invoke(&stage, delivery, change).await;
        if first.is_empty() {
            first.clone_from(&stage.sandbox.slack.messages("ops")[0].ts);
        }
        let (root, others) = channel(&stage, &first);
        let (begins, count) = expected.next().unwrap();
        let root = root.unwrap().shown.text;
        assert!(root.starts_with(begins), "{delivery}: {root}");
        assert_eq!(others.len(), count, "{delivery}: {others:?}");
    }
    // The end is in the thread alone, what fires again is shown to all.
    let replies = stage.sandbox.slack.replies("ops", &first);
    assert_eq!(replies.iter().filter(|reply| reply.ts != first).count(), 2, "{replies:?}");
    // A retry of any of it says nothing.
    let calls = stage.sandbox.slack.calls().len();
    for (delivery, change) in changes {
        invoke(&stage, delivery, change).await;
    }
    assert_eq!(stage.sandbox.slack.calls().len(), calls);
}

/// What rings: messages of their own, and replies that are shown to all.
pub(crate) fn ringing(stage: &Stage, channel: &str) -> Vec<Message> {
    let messages = stage.sandbox.slack.messages(channel);
    messages.into_iter().filter(Message::is_in_channel).collect()
}

/// Their first lines.
fn texts(stage: &Stage, channel: &str) -> Vec<String> {
    ringing(stage, channel).into_iter().map(|message| message.shown.text).collect()
}

/// Everything that a message shows.
pub(crate) fn shows(message: &Message) -> String {
    format!("{} {}", message.shown.text, Value::from(message.shown.blocks.clone()))
}

/// Grafana in high availability: each sends the same, under an id of its own.
fn copies(name: &str) -> [Value; 3] {
    ["1", "2", "3"].map(|number| {
        let mut event = grafana(name);
        let id = match event.get_mut("id") {
            Some(id) => id,
            None => &mut event["Records"][0]["Sns"]["MessageId"],
        };
        *id = format!("copy-{number}").into();
        event
    })
}

#[tokio::test]
async fn three_copies_of_a_notification_are_one_message() {
    // Several alerts, and one.
    for name in ["group_mixed.eventbridge.json", "filter_payload.sns.json"] {
        for is_at_once in [true, false] {
            let mut stage = Setup::by(By::App).await.table().start().await;
            let functions = [stage.function.clone(), stage.another().await, stage.another().await];
            let mut copies: Vec<_> = functions.iter().zip(copies(name)).collect();
            if !is_at_once {
                for (function, event) in copies.drain(..) {
                    assert!(function.invoke(event.to_string()).await.outcome.is_success());
                }
            }
            let invoke = |(function, event): (&Function, Value)| {
                let function = function.clone();
                async move {
                    let invocation = function.invoke(event.to_string()).await;
                    assert!(invocation.outcome.is_success(), "{invocation:?}");
                }
            };
            at_once(copies.into_iter().map(invoke)).await;
            stage.check_output();
            let calls = stage.sandbox.slack.calls();
            assert_eq!(calls.len(), 1, "{name}, at once: {is_at_once}: {calls:?}");
            // Each copy is counted, and none is a change.
            let items = stage.sandbox.dynamodb.items(TABLE);
            let incidents: Vec<Value> = items
                .iter()
                .filter_map(|item| serde_json::from_str(item["incident"]["S"].as_str()?).ok())
                .collect();
            assert!(!incidents.is_empty());
            for incident in incidents {
                assert_eq!(incident["deliveries"].as_array().unwrap().len(), 3, "{incident}");
                assert_eq!(incident["changes"], 1, "{incident}");
            }
        }
    }
}

/// What can be wrong with a table, and what is said of it.
const TROUBLE: [(DynamoDbFault, &str); 8] = [
    (DynamoDbFault::Missing, "ResourceNotFoundException; there is no such table in this region and account"),
    (DynamoDbFault::Throttle(u32::MAX), "ProvisionedThroughputExceededException"),
    (DynamoDbFault::Delay(Duration::from_secs(2)), "no answer within 500 ms"),
    (DynamoDbFault::Hang(Duration::from_mins(1)), "no answer within 500 ms"),
    (DynamoDbFault::Deny, "AccessDeniedException; allow the function's role dynamodb:UpdateItem on it"),
    (DynamoDbFault::Unavailable, "InternalServerError"),
    (DynamoDbFault::LoseAnswer(u32::MAX), ""),
    (DynamoDbFault::Endless, ""),
];

#[tokio::test]
async fn a_table_in_trouble_costs_the_memory_and_no_alert() {
    at_once(TROUBLE.into_iter().map(|(fault, why)| async move {
        let stage = Setup::by(By::App).await.table().start().await;
        invoke(&stage, "a", change("cpu", "ALARM", "OK", ago(9))).await;
        stage.sandbox.dynamodb.set_fault(fault.clone());
        let event = sns("b", &[change("cpu", "OK", "ALARM", ago(5)), change("disk", "ALARM", "OK", ago(5))]);
        let invocation = stage.invoke(&event).await;
        assert!(invocation.outcome.is_success(), "{fault:?}: {invocation:?}");
        assert!(invocation.duration < Duration::from_secs(5), "{fault:?}: {invocation:?}");
        let said = ringing(&stage, "ops");
        assert_eq!(said.len(), 3, "{fault:?}: {said:?}");
        let warning = format!(
            "Earlier messages are not known, so this may be told twice: the table alerts cannot be used ({why}"
        );
        for (message, begins) in said[1..].iter().zip(["✅ cpu", "🔴 disk"]) {
            assert!(message.shown.text.starts_with(begins), "{fault:?}: {message:?}");
            assert!(shows(message).contains(&warning), "{fault:?}: {}", shows(message));
        }
        // The process itself remembers, so that its own retry is none.
        assert!(stage.invoke(&event).await.outcome.is_success());
        assert_eq!(ringing(&stage, "ops").len(), 3, "{fault:?}");
        // It is well again: nothing is said of it, and messages live again.
        stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
        for (delivery, state, before) in [("c", "ALARM", "OK"), ("d", "OK", "ALARM")] {
            let minutes = if state == "OK" { 1 } else { 2 };
            invoke(&stage, delivery, change("net", state, before, ago(minutes))).await;
        }
        let [.., net] = &ringing(&stage, "ops")[..] else { panic!() };
        assert!(net.shown.text.starts_with("✅ net") && !net.before.is_empty(), "{fault:?}: {net:?}");
        assert!(!shows(net).contains("cannot be used"), "{fault:?}: {}", shows(net));
        assert!(stage.stop().await.contains(TROUBLED), "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_table_in_trouble_from_the_start_costs_no_alert() {
    at_once(TROUBLE.into_iter().map(|(fault, _)| async move {
        let setup = Setup::by(By::App).await.table();
        setup.sandbox.dynamodb.set_fault(fault.clone());
        let stage = setup.start().await;
        invoke(&stage, "a", change("cpu", "ALARM", "OK", ago(9))).await;
        let [message] = &ringing(&stage, "ops")[..] else { panic!("{fault:?}") };
        assert!(shows(message).contains("the table alerts cannot be used ("), "{fault:?}: {message:?}");
        assert!(stage.stop().await.contains(TROUBLED), "{fault:?}");
    }))
    .await;
}

#[tokio::test]
async fn a_change_that_waits_too_long_for_slack_is_made_by_its_retry() {
    let setup = Setup::by(By::App).await.table().timeout(3);
    let channel = setup.sandbox.slack.channel("ops");
    let stage = setup.set("slackChannel", &channel.id).start().await;
    invoke(&stage, "a", change("cpu", "ALARM", "OK", ago(9))).await;
    // The reply arrives, and the message itself is to be changed later than the invocation lasts.
    let pause = 4;
    stage.sandbox.slack.then_on(Method::Update, Answer::RateLimited(pause));
    let over = sns("b", &[change("cpu", "OK", "ALARM", ago(7))]);
    assert_eq!(error(&stage.invoke(&over).await).0, "slack_rate_limited");
    let message = last_root(&stage, "ops");
    assert!(message.shown.text.starts_with("🔴 cpu"), "{message:?}");
    assert_eq!(stage.sandbox.slack.replies("ops", &message.ts).len(), 1);
    tokio::time::sleep(Duration::from_secs(pause)).await;
    assert!(stage.invoke(&over).await.outcome.is_success());
    let message = last_root(&stage, "ops");
    assert!(message.shown.text.starts_with("✅ cpu"), "{message:?}");
    assert_eq!(stage.sandbox.slack.replies("ops", &message.ts).len(), 1, "the reply is there");
}

/// The message that stands for itself and was said last.
pub(crate) fn last_root(stage: &Stage, channel: &str) -> Message {
    let mut roots = ringing(stage, channel).into_iter().filter(|message| message.thread_ts.is_none());
    roots.next_back().expect("a message")
}

#[tokio::test]
async fn a_message_that_cannot_be_changed_is_said_anew_and_that_one_lives() {
    for what in ["deleted", "closed"] {
        let break_it = |stage: &Stage, ts: &str| match what {
            "deleted" => assert!(stage.sandbox.slack.delete_message("ops", ts)),
            _ => stage.sandbox.slack.set_edit_window(Some(Duration::ZERO)),
        };
        let mut stage = Setup::by(By::App).await.table().start().await;
        let other = stage.another().await;
        invoke(&stage, "a", change("cpu", "ALARM", "OK", ago(9))).await;
        let first = last_root(&stage, "ops");
        break_it(&stage, &first.ts);
        invoke(&stage, "b", change("cpu", "OK", "ALARM", ago(7))).await;
        stage.sandbox.slack.set_edit_window(None);
        let second = last_root(&stage, "ops");
        assert!(second.ts != first.ts && second.shown.text.starts_with("✅ cpu"), "{what}: {second:?}");
        // Another process changes the fresh one.
        let event = sns("c", &[change("cpu", "ALARM", "OK", ago(5))]).to_string();
        assert!(other.invoke(event).await.outcome.is_success());
        let now = last_root(&stage, "ops");
        assert!(now.ts == second.ts && now.shown.text.starts_with("🔴 cpu"), "{what}: {now:?}");
        // What fires again and has nothing left to answer is one message, too.
        break_it(&stage, &second.ts);
        let event = sns("d", &[change("cpu", "OK", "ALARM", ago(4)), change("cpu", "ALARM", "OK", ago(3))]);
        assert!(stage.invoke(&event).await.outcome.is_success());
        let third = last_root(&stage, "ops");
        assert!(third.ts != second.ts && third.shown.text.starts_with("🔴 cpu"), "{what}: {third:?}");
        let roots = ringing(&stage, "ops").into_iter().filter(|message| message.thread_ts.is_none()).count();
        assert_eq!(roots, if what == "deleted" { 1 } else { 3 }, "{what}");
    }
}

#[tokio::test]
async fn while_its_channel_is_lost_an_alert_is_told_by_who_stands_in_and_then_lives_on() {
    let mut setup = Setup::by(By::App).await.table();
    let mut receiver = setup.target("db");
    receiver["name"] = "db".into();
    let config = json!({
        "receivers": [{"name": "default"}, receiver],
        "route": {"receiver": "default", "routes": [{"matchers": ["alertname=~\"db.*\""], "receiver": "db"}]},
    });
    let stage = setup.set("ALERT_CONFIG", &config.to_string()).start().await;
    invoke(&stage, "a", change("db-1", "ALARM", "OK", ago(9))).await;
    let message = last_root(&stage, "db");
    stage.sandbox.slack.set_archived("db", true);
    for (number, (delivery, state, before)) in
        [("b", "OK", "ALARM"), ("c", "ALARM", "OK")].into_iter().enumerate()
    {
        let event = change("db-1", state, before, ago(8 - i64::try_from(number).unwrap()));
        invoke(&stage, delivery, event.clone()).await;
        let told = ringing(&stage, "ops");
        assert_eq!(told.len(), number + 1, "{told:?}");
        let said = shows(told.last().unwrap());
        assert!(
            said.contains("For the receiver db, which cannot be reached")
                && said.starts_with(if state == "OK" { "✅" } else { "🔴" }),
            "{said}"
        );
        // Its retry says nothing.
        invoke(&stage, delivery, event).await;
        assert_eq!(ringing(&stage, "ops").len(), number + 1);
    }
    stage.sandbox.slack.set_archived("db", false);
    invoke(&stage, "d", change("db-1", "OK", "ALARM", ago(2))).await;
    let now = last_root(&stage, "db");
    assert!(now.ts == message.ts && now.shown.text.starts_with("✅ db-1"), "{now:?}");
    assert_eq!((ringing(&stage, "db").len(), ringing(&stage, "ops").len()), (1, 2));
}

#[tokio::test]
async fn while_the_token_is_revoked_an_alert_goes_the_second_way_or_comes_again() {
    for has_webhook in [true, false] {
        let setup = if has_webhook { Setup::new().await.token() } else { Setup::by(By::App).await };
        let stage = setup.table().start().await;
        invoke(&stage, "a", change("cpu", "ALARM", "OK", ago(9))).await;
        let message = last_root(&stage, "ops");
        stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
        let over = sns("b", &[change("cpu", "OK", "ALARM", ago(7))]);
        let invocation = stage.invoke(&over).await;
        if has_webhook {
            assert!(invocation.outcome.is_success(), "{invocation:?}");
            let told = stage.sandbox.slack.accepted();
            let [_, by_webhook] = &told[..] else { panic!("{told:?}") };
            assert_eq!(by_webhook.method, Method::Webhook);
            let said = by_webhook.payload.to_string();
            assert!(said.contains("✅") && said.contains("token_revoked"), "{said}");
        } else {
            assert_eq!(error(&invocation).0, "slack_token_refused");
        }
        stage.sandbox.slack.set_token_state(&stage.app, TokenState::Active);
        // The retry tells what nobody was told, and changes nothing else.
        assert!(stage.invoke(&over).await.outcome.is_success());
        let now = last_root(&stage, "ops");
        if has_webhook {
            assert_eq!(stage.sandbox.slack.accepted().len(), 2);
        } else {
            assert!(now.ts == message.ts && now.shown.text.starts_with("✅ cpu"), "{now:?}");
        }
        invoke(&stage, "c", change("cpu", "ALARM", "OK", ago(2))).await;
        let messages = stage.sandbox.slack.messages("ops");
        let now = messages.into_iter().find(|other| other.ts == message.ts).unwrap();
        assert!(now.shown.text.starts_with("🔴 cpu") && !now.before.is_empty(), "{now:?}");
    }
}

#[tokio::test]
async fn connections_that_died_while_the_process_was_frozen_cost_no_memory() {
    let stage = Setup::by(By::App).await.table().start().await;
    for (delivery, state, before, minutes) in [("a", "ALARM", "OK", 9), ("b", "OK", "ALARM", 7)] {
        assert!(stage.sandbox.dynamodb.expire_idle_connections() > 0);
        invoke(&stage, delivery, change("cpu", state, before, ago(minutes))).await;
    }
    let [message] = &ringing(&stage, "ops")[..] else { panic!("{:?}", ringing(&stage, "ops")) };
    assert!(message.shown.text.starts_with("✅ cpu"), "{message:?}");
    assert!(!stage.stop().await.contains(TROUBLED), "{}", stage.log());
}

/// The item of an alert, and what is kept in it.
pub(crate) fn kept(stage: &Stage, alert: &str) -> (Value, Value) {
    let items = stage.sandbox.dynamodb.items(TABLE);
    let of_alert = |item: &Value| item[PARTITION_KEY]["S"].as_str().unwrap().contains(alert);
    let item = items.into_iter().find(of_alert).unwrap_or_else(|| panic!("no item of {alert}"));
    let incident =
        item["incident"]["S"].as_str().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    (item, incident)
}

#[tokio::test]
async fn the_first_post_waits_for_one_call_of_the_table() {
    let stage = Setup::by(By::App).await.table().start().await;
    let before_post = async |delivery: &str, is_cold: bool| {
        let calls = || {
            let of_table = stage.sandbox.dynamodb.calls();
            let reads = of_table.iter().filter(|call| call.operation == "GetItem").count();
            (of_table.len() - reads, reads, stage.sandbox.kms.calls().len())
        };
        let (before, posts) = (calls(), stage.sandbox.slack.posts().len());
        // What follows the post waits for its answer.
        stage.sandbox.slack.then(Answer::Slow(Duration::from_secs(2)));
        let event = sns(delivery, &[change(delivery, "ALARM", "OK", ago(1))]).to_string();
        let invocation = async {
            if is_cold {
                stage.function.invoke_cold(event).await.unwrap()
            } else {
                stage.function.invoke(event).await
            }
        };
        let count = async {
            stage.sandbox.slack.wait_for_posts(posts + 1, SOON).await;
            let now = calls();
            (now.0 - before.0, now.1 - before.1, now.2 - before.2)
        };
        let (invocation, count) = tokio::join!(invocation, count);
        assert!(invocation.outcome.is_success(), "{invocation:?}");
        count
    };
    // The claim, and beside it what is silenced; and in a new process before that the secret, and beside it the call that opens the table's connection.
    assert_eq!(before_post("warm", false).await, (1, 1, 0));
    assert_eq!(before_post("cold", true).await, (2, 1, 1));
}

#[tokio::test]
async fn a_record_that_fails_makes_no_second_message() {
    at_once(TROUBLE.into_iter().map(|(fault, _)| async move {
        let mut stage = Setup::by(By::App).await.table().timeout(3).channel_by_id().start().await;
        let other = stage.another().await;
        // The claim, and beside it what is silenced; then the table is in trouble.
        stage.sandbox.dynamodb.set_fault_after(2, fault.clone());
        invoke(&stage, "a", change("cpu", "ALARM", "OK", ago(9))).await;
        stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
        // The lease stands for as long as the first process might have worked.
        other.set_retries(&[Duration::from_secs(3); 2]);
        let attempts =
            other.invoke_async(sns("b", &[change("cpu", "OK", "ALARM", ago(7))]).to_string()).await;
        assert!(attempts.last().unwrap().outcome.is_success(), "{fault:?}: {attempts:?}");
        let [message] = &ringing(&stage, "ops")[..] else { panic!("{fault:?}: {:?}", texts(&stage, "ops")) };
        assert!(message.shown.text.starts_with("✅ cpu"), "{fault:?}: {message:?}");
        assert!(stage.stop().await.contains(TROUBLED), "{fault:?}");
    }))
    .await;
}

/// A digest of so many alarms of which nothing is recorded, as when its process dies; and another process.
async fn lost_digest(alarms: &[Value]) -> (Stage, Function) {
    let mut stage = Setup::by(By::App).await.table().channel_by_id().start().await;
    assert!(stage.invoke(&sqs(alarms)).await.outcome.is_success());
    for item in stage.sandbox.dynamodb.items(TABLE) {
        if item.get("incident").is_some() {
            die_before_record(&stage, item[PARTITION_KEY]["S"].as_str().unwrap());
        } else {
            // What the digest itself left is not there yet.
            stage.sandbox.dynamodb.put_item(TABLE, &json!({ PARTITION_KEY: item[PARTITION_KEY] })).unwrap();
        }
    }
    let other = stage.another().await;
    (stage, other)
}

#[tokio::test]
async fn a_digest_whose_process_died_is_found_by_each_of_its_members_and_answered() {
    const ALARMS: usize = 8;
    let all = |state: &str, before: &str, minutes: i64| -> Vec<Value> {
        (0..ALARMS).map(|n| change(&format!("cpu-{n}"), state, before, ago(minutes))).collect()
    };
    let (red, green) = (all("ALARM", "OK", 9), all("OK", "ALARM", 7));
    let success = async |function: &Function, event: Value| {
        assert_eq!(
            function.invoke(event.to_string()).await.outcome.response_json(),
            Some(json!({"batchItemFailures": []}))
        );
    };
    // All comes again as it was, in other batches, or not at all before its end.
    for borders in [vec![0, ALARMS], vec![0, 3, ALARMS], Vec::new()] {
        let retries: Vec<_> = borders.windows(2).map(|border| border[0]..border[1]).collect();
        let (stage, other) = lost_digest(&red).await;
        let history = |stage: &Stage| {
            stage.sandbox.slack.calls().into_iter().filter(|call| call.method == Method::History).count()
        };
        for part in &retries {
            let mut event = sqs(&red);
            let records = event["Records"].as_array_mut().unwrap();
            *records = records[part.clone()].to_vec();
            let before = history(&stage);
            success(&other, event).await;
            assert!(history(&stage) - before <= 1, "a batch asks once");
        }
        success(&other, over_by_queue(&green)).await;
        let [digest] = &ringing(&stage, "ops")[..] else { panic!("{retries:?}: {:?}", texts(&stage, "ops")) };
        assert!(shows(digest).contains("cpu-0") && digest.before.is_empty(), "{retries:?}: {digest:?}");
        let replies = stage.sandbox.slack.replies("ops", &digest.ts);
        let said = shows(replies.last().unwrap());
        assert!((0..ALARMS).all(|n| said.contains(&format!("cpu-{n}"))) && said.contains('✅'), "{said}");
        assert_eq!(replies.len(), retries.len() + 1, "{retries:?}: {:?}", stage.messages());
        stage.check_output();
    }
}

/// A batch of a queue, of other deliveries than [`sqs`] makes.
fn over_by_queue(changes: &[Value]) -> Value {
    let mut event = sqs(changes);
    for record in event["Records"].as_array_mut().unwrap() {
        record["messageId"] = format!("{}-over", record["messageId"].as_str().unwrap()).into();
    }
    event
}

#[tokio::test]
async fn a_message_that_was_found_is_found_again_after_another_death() {
    let mut stage = Setup::by(By::App).await.table().channel_by_id().start().await;
    let red = change("cpu", "ALARM", "OK", ago(9));
    invoke(&stage, "a", red.clone()).await;
    for _ in 0..2 {
        die_before_record(&stage, "cpu");
        let other = stage.another().await;
        invoke_at(&other, "a", red.clone()).await;
        assert_eq!(texts(&stage, "ops").len(), 1);
    }
    stage.check_output();
}

#[tokio::test]
async fn an_answer_of_the_table_that_is_lost_costs_no_memory() {
    let stage = Setup::by(By::App).await.table().start().await;
    // That of the claim, and that of the record.
    for (spared, alarm) in [(0, "cpu"), (1, "disk")] {
        stage.sandbox.dynamodb.set_fault_after(spared, DynamoDbFault::LoseAnswer(1));
        for (state, before, minutes) in [("ALARM", "OK", 9), ("OK", "ALARM", 7)] {
            invoke(&stage, &format!("{alarm}-{state}"), change(alarm, state, before, ago(minutes))).await;
        }
        let message = last_root(&stage, "ops");
        assert!(message.shown.text.starts_with(&format!("✅ {alarm}")), "{message:?}");
        assert_eq!(message.before.len(), 1, "{message:?}");
    }
    assert_eq!(ringing(&stage, "ops").len(), 2);
    let log = stage.stop().await;
    assert!(!log.contains(TROUBLED) && !log.contains("another process has taken"), "{log}");
}

/// Leaves what a process leaves that dies between the post of an alert's only message and its record.
fn die_before_record(stage: &Stage, alert: &str) {
    let (item, incident) = kept(stage, alert);
    let item = json!({
        "pk": item["pk"],
        "expires_at": item["expires_at"],
        "lease_owner": {"S": "one that is gone"},
        "lease_until": {"N": "1"},
        "tried": {"SS": incident["deliveries"]},
    });
    stage.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
}

#[tokio::test]
async fn a_message_whose_process_died_is_found_and_lives_on() {
    let mut stage = Setup::by(By::App).await.table().channel_by_id().start().await;
    // The next change comes to another process, or the delivery itself comes again.
    let red = change("disk", "ALARM", "OK", ago(5));
    let lives = [
        ("cpu", vec![change("cpu", "ALARM", "OK", ago(9)), change("cpu", "OK", "ALARM", ago(7))]),
        ("disk", vec![red.clone(), red, change("disk", "OK", "ALARM", ago(3))]),
    ];
    for (number, (alarm, changes)) in lives.into_iter().enumerate() {
        let (first, others) = changes.split_first().unwrap();
        invoke(&stage, alarm, first.clone()).await;
        die_before_record(&stage, alarm);
        let other = stage.another().await;
        for change in others {
            let is_again = change == first;
            let delivery = if is_again { alarm.to_owned() } else { format!("{alarm}-over") };
            invoke_at(&other, &delivery, change.clone()).await;
            let texts = texts(&stage, "ops");
            assert_eq!(texts.len(), number + 1, "{texts:?}");
            assert!(texts[number].starts_with(if is_again { "🔴" } else { "✅" }), "{texts:?}");
        }
    }
    stage.check_output();
}

#[tokio::test]
async fn older_news_does_not_paint_over_what_nobody_recorded() {
    let mut stage = Setup::by(By::App).await.table().channel_by_id().start().await;
    let over = change("cpu", "OK", "ALARM", ago(3));
    // The end was said by a message of its own, or has changed the one that was there.
    for has_begun in [false, true] {
        let alarm = format!("cpu-{has_begun}");
        let of = |change: &Value| {
            let mut change = change.clone();
            change["AlarmName"] = alarm.as_str().into();
            change
        };
        let (over_by, late_by) = (format!("{alarm}-over"), format!("{alarm}-late"));
        if has_begun {
            invoke(&stage, &alarm, of(&change("cpu", "ALARM", "OK", ago(9)))).await;
            die_before_record(&stage, &alarm);
            let (mut item, _) = kept(&stage, &alarm);
            invoke_at(&stage.another().await, &over_by, of(&over)).await;
            let (_, incident) = kept(&stage, &alarm);
            item["tried"]["SS"].as_array_mut().unwrap().push(incident["by"].clone());
            stage.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
        } else {
            invoke(&stage, &over_by, of(&over)).await;
            die_before_record(&stage, &alarm);
        }
        let rung = ringing(&stage, "ops").len();
        let other = stage.another().await;
        let shows_the_end = |what: &str| {
            let message = last_root(&stage, "ops");
            assert!(message.shown.text.starts_with(&format!("✅ {alarm}")), "{what}: {message:?}");
            assert_eq!(ringing(&stage, "ops").len(), rung, "{what}: {:?}", texts(&stage, "ops"));
        };
        // Both come: a change of before, and the end once more.
        invoke_at(&other, &late_by, of(&change("cpu", "ALARM", "OK", ago(5)))).await;
        shows_the_end("late");
        let said =
            stage.sandbox.slack.replies("ops", &last_root(&stage, "ops").ts).pop().map(|reply| shows(&reply));
        assert!(said.as_ref().is_some_and(|said| said.contains("older news: OK since")), "{said:?}");
        invoke_at(&other, &over_by, of(&over)).await;
        shows_the_end("again");
        let (_, incident) = kept(&stage, &alarm);
        assert_eq!(incident["word"], "OK");
        // From now on it is known as any other: it fires again in its message.
        invoke_at(&other, "anew", of(&change("cpu", "ALARM", "OK", ago(1)))).await;
        let message = last_root(&stage, "ops");
        assert!(message.shown.text.starts_with(&format!("🔴 {alarm}")), "{message:?}");
    }
    stage.check_output();
}

#[tokio::test]
async fn where_slack_does_not_tell_what_arrived_a_message_says_that_it_may_be_a_repeat() {
    // Without the scope, or without the channel's id.
    for has_scope in [false, true] {
        let setup = Setup::by(By::App).await.table();
        let history: &[&str] = if has_scope { &["channels:history"] } else { &[] };
        setup.sandbox.slack.set_scopes(&setup.app, &[&["chat:write"], history].concat());
        let mut stage = setup.start().await;
        let red = change("disk", "ALARM", "OK", ago(5));
        let cases = [
            ("cpu", change("cpu", "ALARM", "OK", ago(9)), change("cpu", "OK", "ALARM", ago(7)), "cpu-over"),
            ("disk", red.clone(), red, "disk"),
        ];
        for (alarm, first, second, delivery) in cases {
            invoke(&stage, alarm, first).await;
            die_before_record(&stage, alarm);
            let other = stage.another().await;
            invoke_at(&other, delivery, second).await;
            let said = says(&stage.sandbox.slack.accepted().pop().unwrap());
            assert!(said.contains(alarm) && said.contains("may be a repeat"), "{alarm}: {said}");
            // That one is known, and nothing is said of what was before.
            invoke_at(&other, "again", change(alarm, "ALARM", "OK", ago(2))).await;
            let message = last_root(&stage, "ops");
            assert!(message.shown.text.starts_with(&format!("🔴 {alarm}")), "{message:?}");
            assert!(!shows(&message).contains("may be a repeat"), "{message:?}");
        }
        let roots = ringing(&stage, "ops").into_iter().filter(|message| message.thread_ts.is_none());
        assert_eq!(roots.count(), 4);
        assert!(stage.stop().await.contains("slack_history_unavailable"));
    }
}

#[tokio::test]
async fn what_may_have_arrived_twice_is_recorded_once() {
    let mut setup = Setup::by(By::App).await.table().timeout(3);
    setup.sandbox.slack.set_scopes(&setup.app, &["chat:write"]);
    setup = setup.set("AWS_LAMBDA_LOG_LEVEL", "INFO");
    let stage = setup.start().await;
    let event = sns("a", &[change("cpu", "ALARM", "OK", ago(1))]);
    for _ in 0..2 {
        stage.sandbox.slack.then(Answer::Hang(Duration::from_mins(1)));
        assert_eq!(error(&stage.invoke(&event).await).0, "slack_timeout");
        let (item, _) = kept(&stage, "cpu");
        assert!(
            item.get("lease_owner").is_none() && item["tried"]["SS"].as_array().unwrap().len() == 1,
            "{item}"
        );
    }
    assert!(stage.invoke(&event).await.outcome.is_success());
    assert!(says(&stage.sandbox.slack.accepted().pop().unwrap()).contains("may be a repeat"));
    let (item, incident) = kept(&stage, "cpu");
    assert!(item.get("tried").is_none() && incident["state"].is_string(), "{item}");
    assert!(!stage.stop().await.contains(TROUBLED), "{}", stage.log());
}

#[tokio::test]
async fn two_processes_with_two_changes_of_one_alarm_leave_one_message_that_is_true() {
    const ROUNDS: usize = 30;
    let mut stage = Setup::by(By::App).await.table().start().await;
    let functions = [stage.function.clone(), stage.another().await];
    for round in 0..ROUNDS {
        let alarm = format!("alarm-{round:02}");
        let changes = [change(&alarm, "ALARM", "OK", ago(5)), change(&alarm, "OK", "ALARM", ago(3))];
        at_once(functions.iter().zip(changes).enumerate().map(|(number, (function, change))| {
            let function = function.clone();
            let event = sns(&format!("{round}-{number}"), &[change]).to_string();
            async move {
                let attempts = function.invoke_async(event).await;
                assert!(attempts.last().unwrap().outcome.is_success(), "{attempts:?}");
            }
        }))
        .await;
        let messages = ringing(&stage, "ops");
        assert_eq!(messages.len(), round + 1, "{alarm}: {messages:?}");
        let shown = &messages[round].shown.text;
        assert!(shown.starts_with(&format!("✅ {alarm}")), "{shown}");
    }
    stage.check_output();
}

#[tokio::test]
async fn a_webhook_and_a_table_are_no_doubles_in_two_processes() {
    let mut stage = Setup::by(By::Webhook).await.table().start().await;
    let other = stage.another().await;
    // The same delivery and another copy of it, to both at once.
    let red = change("cpu", "ALARM", "OK", ago(9));
    let green = change("cpu", "OK", "ALARM", ago(5));
    for red in [("a", &red), ("a", &red), ("copy", &red)] {
        tokio::join!(
            invoke_at(&stage.function, red.0, red.1.clone()),
            invoke_at(&other, red.0, red.1.clone())
        );
    }
    tokio::join!(invoke(&stage, "b", green.clone()), invoke_at(&other, "b", green.clone()));
    let [first, second] = &texts(&stage, "ops")[..] else { panic!("{:?}", texts(&stage, "ops")) };
    assert!(first.starts_with("🔴 cpu") && second.starts_with("✅ cpu"), "{first} {second}");
    // What is older than what was told says so.
    invoke_at(&other, "late", change("cpu", "ALARM", "OK", ago(7))).await;
    let late = ringing(&stage, "ops").pop().unwrap();
    assert!(shows(&late).contains("older news: OK since"), "{}", shows(&late));
    // Many at once are a digest, and their retry elsewhere is nothing.
    let many: Vec<Value> = (0..10).map(|n| change(&format!("many-{n}"), "ALARM", "OK", ago(1))).collect();
    let many = sns("many", &many);
    assert!(stage.invoke(&many).await.outcome.is_success());
    assert!(other.invoke(many.to_string()).await.outcome.is_success());
    assert_eq!(ringing(&stage, "ops").len(), 4);
    let digest = shows(&ringing(&stage, "ops").pop().unwrap());
    assert!((0..10).all(|n| digest.contains(&format!("many-{n}"))), "{digest}");
    assert!(stage.sandbox.slack.calls().iter().all(|call| call.method == Method::Webhook));
    stage.check_output();
}

#[tokio::test]
async fn a_digest_counts_which_of_its_alerts_are_over() {
    let stage = Setup::by(By::App).await.table().start().await;
    let all = |state: &str, before: &str, numbers: std::ops::Range<usize>, minutes: i64| -> Vec<Value> {
        numbers.map(|number| change(&format!("cpu-{number}"), state, before, ago(minutes))).collect()
    };
    let event = sns("storm", &all("ALARM", "OK", 0..12, 9));
    assert!(stage.invoke(&event).await.outcome.is_success());
    let [digest] = &ringing(&stage, "ops")[..] else { panic!("{:?}", ringing(&stage, "ops")) };
    let digest = digest.clone();
    let mut replies = 0;
    for (delivery, numbers, expected) in [
        ("ends-1", 0..7, "7 of 12 over"),
        ("ends-2", 5..8, "8 of 12 over"),
        ("ends-3", 8..12, "✅ 12 of 12 over"),
    ] {
        let event = sns(delivery, &all("OK", "ALARM", numbers, 3));
        assert!(stage.invoke(&event).await.outcome.is_success());
        // Nothing rings; the ends stand together in the thread, and the headline counts them.
        let [now] = &ringing(&stage, "ops")[..] else { panic!("{:?}", ringing(&stage, "ops")) };
        assert!(now.shown.text.starts_with(expected), "{}", now.shown.text);
        assert!(now.shown.text.contains(&digest.shown.text) && shows(now).contains("cpu-11"), "{now:?}");
        replies += 1;
        let thread = stage.sandbox.slack.replies("ops", &digest.ts);
        assert_eq!(thread.iter().filter(|reply| reply.ts != digest.ts).count(), replies, "{thread:?}");
    }
    // What fires again has a message of its own.
    invoke(&stage, "again", change("cpu-3", "ALARM", "OK", ago(1))).await;
    assert_eq!(ringing(&stage, "ops").len(), 2);
}

/// The records of a queue's event that are to come again.
fn again(event: &Value, answer: &Value) -> Value {
    let failed: Vec<&str> = answer["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap())
        .collect();
    let records = event["Records"].as_array().unwrap().iter();
    let records = records.filter(|record| failed.contains(&record["messageId"].as_str().unwrap()));
    json!({"Records": records.collect::<Vec<_>>()})
}

#[tokio::test]
async fn copies_of_what_was_not_told_tell_of_nothing() {
    let stage = Setup::by(By::App).await.table().timeout(3).start().await;
    let red = change("cpu", "ALARM", "OK", ago(1));
    let other = change("other", "ALARM", "OK", ago(1));
    let event = sqs(&[red.clone(), red.clone(), red, other]);
    stage.sandbox.slack.set_plan(Box::new(|call| {
        call.payload.to_string().contains("cpu").then(|| Answer::Error("internal_error".to_owned()))
    }));
    let failed = again(&event, &answer(&stage.invoke(&event).await));
    assert!(!failed["Records"].as_array().unwrap().is_empty(), "one of the copies has to come again");
    stage.sandbox.slack.set_plan(Box::new(|_| None));
    assert_eq!(answer(&stage.invoke(&failed).await)["batchItemFailures"], json!([]));
    assert_eq!(stage.count("cpu"), 1, "{:?}", stage.messages());
}

#[tokio::test]
async fn a_change_that_fails_comes_again_although_its_reply_was_posted() {
    let stage = Setup::by(By::App).await.table().timeout(3).start().await;
    invoke(&stage, "a", change("cpu", "ALARM", "OK", ago(5))).await;
    stage.sandbox.slack.set_plan(Box::new(|call| {
        (call.method == Method::Update).then(|| Answer::Error("internal_error".to_owned()))
    }));
    let green = sns("b", &[change("cpu", "OK", "ALARM", ago(2))]);
    assert_eq!(error(&stage.invoke(&green).await).0, "slack_unavailable");
    stage.sandbox.slack.set_plan(Box::new(|_| None));
    assert!(stage.invoke(&green).await.outcome.is_success());
    let [message] = &ringing(&stage, "ops")[..] else { panic!("{:?}", ringing(&stage, "ops")) };
    assert!(message.shown.text.starts_with("✅ cpu"), "{message:?}");
}

#[tokio::test]
async fn what_one_receiver_is_told_at_once_another_one_is_not() {
    // By the app one message shows the newest of two changes; by a webhook each is a message.
    let mut setup = Setup::new().await.token().timeout(3);
    let hook = setup.receiver("hooked");
    let config = json!({
        "receivers": [{"name": "default"}, {"name": "hooked", "webhook": format!("kms:{hook}")}],
        "route": {"receiver": "default", "routes": [
            {"matchers": ["alertname=cpu"], "receiver": "hooked", "continue": true},
            {"matchers": ["alertname=cpu"], "receiver": "default"},
        ]},
    });
    let stage = setup.set("ALERT_CONFIG", &config.to_string()).table().start().await;
    let event = sqs(&[change("cpu", "ALARM", "OK", ago(5)), change("cpu", "OK", "ALARM", ago(2))]);
    stage.sandbox.slack.set_plan(Box::new(|call| {
        let is_red = call.payload["text"].as_str().is_some_and(|text| text.starts_with('🔴'));
        // For good, so that the next change need not wait.
        let refused = || Answer::Status { code: 400, body: "invalid_payload".to_owned(), retry_after: None };
        (call.channel == "hooked" && is_red).then(refused)
    }));
    let failed = again(&event, &answer(&stage.invoke(&event).await));
    let names: Vec<&str> = failed["Records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| record["messageId"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [event["Records"][0]["messageId"].as_str().unwrap()],
        "the webhook has not got the first"
    );
    stage.sandbox.slack.set_plan(Box::new(|_| None));
    assert_eq!(answer(&stage.invoke(&failed).await)["batchItemFailures"], json!([]));
    let hooked = stage.sandbox.slack.accepted().into_iter().filter(|call| call.channel == "hooked").count();
    assert_eq!(hooked, 2);
}

#[tokio::test]
async fn news_whose_process_died_stands_as_it_was_posted() {
    for news in ["../backup/completed.sns.json", "../s3/removed.sns.json", "../guardduty/finding.sns.json"] {
        let mut stage = Setup::by(By::App).await.table().channel_by_id().start().await;
        let event = fixture(news);
        assert!(stage.invoke(&event).await.outcome.is_success());
        let items = stage.sandbox.dynamodb.items(TABLE);
        let kept = items.iter().find(|item| item.get("incident").is_some()).unwrap();
        let incident: Value = serde_json::from_str(kept["incident"]["S"].as_str().unwrap()).unwrap();
        let item = json!({
            "pk": kept["pk"], "lease_owner": {"S": "one that is gone"}, "lease_until": {"N": "1"},
            "tried": {"SS": incident["deliveries"]},
        });
        stage.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
        let posted = texts(&stage, "ops");
        let other = stage.another().await;
        assert!(other.invoke(event.to_string()).await.outcome.is_success());
        assert_eq!(texts(&stage, "ops"), posted, "{news}: it was told, and is told as it was");
    }
}
