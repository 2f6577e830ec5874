//! The second way: what Slack refuses for good reaches people by SNS, and a storm is one mail.

use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::slack::TokenState;
use alert_sandbox::sns::SnsFault;
use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn what_slack_refuses_is_a_mail_and_a_storm_is_one_more() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    stage.alarm("cpu", "ALARM").await;
    let [(subject, text)] = &stage.mails()[..] else { panic!() };
    assert!(subject.starts_with("🔴 cpu"), "{subject}");
    // Why it comes this way.
    assert!(
        text.contains("For the receiver default, which cannot be reached: Slack refuses the app's token"),
        "{text}"
    );
    for name in ["disk", "queue", "memory"] {
        stage.sleep(1);
        stage.alarm(name, "ALARM").await;
    }
    assert!(stage.mails().is_empty());
    stage.pass(1).await;
    assert!(stage.mails().is_empty());
    stage.pass(1).await;
    let [(subject, text)] = &stage.mails()[..] else { panic!() };
    assert!(subject.starts_with("🔴 disk") && subject.ends_with("and 2 more"), "{subject}");
    let at: Vec<_> =
        ["🔴 disk", "🔴 queue", "🔴 memory"].iter().map(|name| text.find(name).unwrap()).collect();
    assert!(at.is_sorted(), "{text}");
    stage.pass(10).await;
    assert!(stage.mails().is_empty());
    assert!(stage.channel().is_empty());
}

#[tokio::test]
async fn without_the_table_each_mail_goes_at_once() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::Deny);
    stage.alarm("cpu", "ALARM").await;
    stage.alarm("disk", "ALARM").await;
    assert_eq!(stage.mails().len(), 2);
}

#[tokio::test]
async fn what_sns_does_not_take_waits_or_fails_its_event() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    // The turn is taken, and SNS has a fault: the next minutes send it.
    stage.sandbox.sns.set_fault(SnsFault::Internal(1));
    stage.alarm("cpu", "ALARM").await;
    assert!(stage.mails().is_empty());
    stage.sandbox.sns.set_fault(SnsFault::Deny);
    stage.sleep(5);
    let error = stage.look().await.unwrap_err();
    assert_eq!(error.error_type, "sns_refused");
    assert!(error.message.contains("allow sns:Publish"), "{}", error.message);
    stage.sandbox.sns.set_fault(SnsFault::None);
    stage.pass(6).await;
    assert_eq!(stage.mails().len(), 1);
    // Nobody takes it: the event comes again.
    stage.sandbox.sns.set_fault(SnsFault::Deny);
    stage.sleep(30);
    assert!(stage.relays(&stage.changed("disk", "ALARM")).await.is_err());
}

#[tokio::test]
async fn two_functions_that_look_at_once_send_one_mail() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    for name in ["cpu", "disk", "queue"] {
        stage.alarm(name, "ALARM").await;
    }
    assert_eq!(stage.mails().len(), 1);
    stage.sleep(5);
    let (one, other) = (stage.watch().await, stage.watch().await);
    let (one, other) = tokio::join!(stage.look_by(&one), stage.look_by(&other));
    one.unwrap();
    other.unwrap();
    assert_eq!(stage.mails().len(), 1);
    stage.pass(10).await;
    assert!(stage.mails().is_empty());
}

#[tokio::test]
async fn what_it_sends_never_comes_back() {
    let stage = Stage::start(json!({})).await;
    let mut event = stage.changed("cpu", "ALARM");
    event["Records"][0]["Sns"]["TopicArn"] = stage.topic.as_str().into();
    stage.relays(&event).await.unwrap();
    assert!(stage.channel().is_empty());
}
