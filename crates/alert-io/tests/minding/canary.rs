//! The canary: one message each day says that the whole way works, and who misses it hears so by both ways.

use alert_sandbox::aws::Fault;
use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::slack::TokenState;
use serde_json::{Value, json};

use crate::stage::Stage;

fn config() -> Value {
    json!({"canary": {"at": "02:30"}})
}

/// The clock goes on while things are done, so that it is ten minutes or eleven.
fn is_missed(line: &str) -> bool {
    line.starts_with("🔴 Canary missed (critical): it has not arrived for 1")
        && line.ends_with(" min (sent 02:30)")
}

#[tokio::test]
async fn one_message_is_edited_each_day() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.pass(29).await;
    assert!(stage.sandbox.sns.published().is_empty());
    stage.pass(1).await;
    stage.deliver_alarms().await;
    let channel = stage.channel();
    let [line] = &channel[..] else { panic!("{channel:?}") };
    assert!(
        line.starts_with("✅ Canary: whole way in 0.") && line.ends_with(" s, 2026-11-25 02:30"),
        "{line}"
    );
    stage.pass(15).await;
    stage.sleep(24 * 60 - 16);
    stage.pass(1).await;
    stage.deliver_alarms().await;
    let channel = stage.channel();
    assert!(channel.len() == 1 && channel[0].ends_with("2026-11-26 02:30"), "{channel:?}");
    stage.pass(15).await;
    assert!(stage.notifications().is_empty());
    assert_eq!(stage.channel().len(), 1);
}

#[tokio::test]
async fn what_does_not_arrive_rings_by_both_ways_and_what_comes_late_ends_it() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.pass(39).await;
    assert!(stage.channel().is_empty());
    stage.pass(2).await;
    assert!(stage.channel().len() == 1 && is_missed(&stage.channel()[0]), "{:?}", stage.channel());
    // It is still under way.
    let published = stage.sandbox.sns.published();
    let notifications: Vec<_> = published.iter().filter(|one| one.topic_arn == stage.topic).collect();
    assert!(
        notifications.len() == 1 && notifications[0].message.subject.as_deref().is_some_and(is_missed),
        "{notifications:?}"
    );
    stage.pass(5).await;
    stage.deliver_alarms().await;
    stage.pass(1).await;
    let channel = stage.channel();
    assert!(channel[0].starts_with("✅ Canary missed resolved after 1"), "{channel:?}");
    assert!(channel[1].starts_with("✅ Canary: whole way in 1"), "{channel:?}");
    stage.pass(1).await;
    assert_eq!(stage.notifications().len(), 1);
}

#[tokio::test]
async fn who_cannot_set_it_off_says_so_and_misses_it() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.sandbox.cloudwatch.set_fault(Fault::Deny);
    stage.sleep(30);
    let error = stage.look().await.unwrap_err();
    assert_eq!(error.error_type, "canary_not_sent");
    assert!(
        error.message.contains("allow the function's role cloudwatch:SetAlarmState"),
        "{}",
        error.message
    );
    stage.pass(11).await;
    assert!(stage.channel().len() == 1 && is_missed(&stage.channel()[0]), "{:?}", stage.channel());
}

#[tokio::test]
async fn what_a_stand_in_gets_has_not_arrived() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.pass(30).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    stage.deliver_alarms().await;
    let notifications = stage.notifications();
    assert!(notifications[0].0.starts_with("✅ Canary: whole way"), "{notifications:?}");
    stage.pass(15).await;
    let notifications = stage.notifications();
    assert!(is_missed(&notifications[0].0), "{notifications:?}");
}

#[tokio::test]
async fn two_functions_send_one_and_who_slept_sends_it_late() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.sleep(90);
    let (one, other) = (stage.watch().await, stage.watch().await);
    let (one, other) = tokio::join!(stage.look_by(&one), stage.look_by(&other));
    one.unwrap();
    other.unwrap();
    assert_eq!(stage.sandbox.sns.published().len(), 1);
    stage.deliver_alarms().await;
    assert!(stage.channel()[0].ends_with("2026-11-25 03:30"), "{:?}", stage.channel());
    stage.pass(20).await;
    assert_eq!(stage.channel().len(), 1);
}

#[tokio::test]
async fn the_table_away_and_a_clock_that_is_set_back() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.sleep(30);
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::Unavailable);
    assert!(stage.look().await.is_err());
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
    stage.look().await.unwrap();
    // It arrives while nobody can write that down: people hear that it is missed, and the next one ends that.
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::Unavailable);
    stage.deliver_alarms().await;
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
    stage.pass(11).await;
    assert!(stage.channel().iter().any(|line| is_missed(line)), "{:?}", stage.channel());
    // An hour back: it was sent in no future.
    stage.sleep(-60);
    stage.pass(70).await;
    assert_eq!(stage.channel().iter().filter(|line| line.contains("missed")).count(), 1);
}

#[tokio::test]
async fn its_alarm_is_nobodys_alert() {
    let stage = Stage::start(json!({})).await;
    stage.alarm(crate::stage::CANARY, "OK").await;
    assert!(stage.channel().is_empty());
    // By somebody's wish, at any time.
    stage.alarm(crate::stage::CANARY, "ALARM").await;
    assert!(stage.channel()[0].starts_with("✅ Canary: whole way in 0.0 s"), "{:?}", stage.channel());
    stage.look().await.unwrap();
    stage.pass(15).await;
    assert_eq!(stage.channel().len(), 1);
}
