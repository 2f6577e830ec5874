//! The second way: what Slack refuses for good reaches people by SNS, and a storm is one notification.

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
    let [(subject, text)] = &stage.notifications()[..] else { panic!() };
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
    assert!(stage.notifications().is_empty());
    stage.pass(1).await;
    assert!(stage.notifications().is_empty());
    stage.pass(1).await;
    let [(subject, text)] = &stage.notifications()[..] else { panic!() };
    assert!(subject.starts_with("🔴 disk") && subject.ends_with("and 2 more"), "{subject}");
    let at: Vec<_> =
        ["🔴 disk", "🔴 queue", "🔴 memory"].iter().map(|name| text.find(name).unwrap()).collect();
    assert!(at.is_sorted(), "{text}");
    stage.pass(10).await;
    assert!(stage.notifications().is_empty());
    assert!(stage.channel().is_empty());
}

#[tokio::test]
async fn without_the_table_each_mail_goes_at_once() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::Deny);
    stage.alarm("cpu", "ALARM").await;
    stage.alarm("disk", "ALARM").await;
    assert_eq!(stage.notifications().len(), 2);
}

#[tokio::test]
async fn what_sns_does_not_take_waits_until_it_does() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    stage.sandbox.sns.set_fault(SnsFault::Deny);
    stage.alarm("cpu", "ALARM").await;
    stage.alarm("disk", "ALARM").await;
    assert!(stage.notifications().is_empty());
    // Who looks at the time fails again and again, so that the alarm about it rings.
    let mut failed = 0;
    for _ in 0..15 {
        stage.sleep(1);
        if let Err(error) = stage.look().await {
            assert_eq!(error.error_type, "sns_refused");
            assert!(error.message.contains("allow sns:Publish"), "{}", error.message);
            failed += 1;
        }
    }
    assert!(failed >= 4, "{failed}");
    stage.sandbox.sns.set_fault(SnsFault::None);
    stage.pass(3).await;
    let [(subject, text)] = &stage.notifications()[..] else { panic!() };
    assert!(subject.ends_with("and 1 more") && text.contains("🔴 cpu") && text.contains("🔴 disk"), "{text}");
    stage.pass(30).await;
    assert!(stage.notifications().is_empty());
}

#[tokio::test]
async fn in_a_storm_that_lasts_nobody_waits_for_its_end() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    let mut told = String::new();
    for n in 0..20 {
        stage.alarm(&format!("alarm-{n}-"), "ALARM").await;
        stage.sleep(1);
        // New ones come all the time, also just when a notification may go.
        stage.alarm(&format!("other-{n}-"), "ALARM").await;
        stage.look().await.unwrap();
        told.extend(stage.notifications().into_iter().map(|(_, text)| text));
        for old in 0..n - 7 {
            assert!(told.contains(&format!("alarm-{old}-")), "alarm-{old}- is not told after 7 minutes");
        }
    }
}

#[tokio::test]
async fn two_functions_that_look_at_once_send_one_mail() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    for name in ["cpu", "disk", "queue"] {
        stage.alarm(name, "ALARM").await;
    }
    assert_eq!(stage.notifications().len(), 1);
    stage.sleep(5);
    let (one, other) = (stage.watch().await, stage.watch().await);
    let (one, other) = tokio::join!(stage.look_by(&one), stage.look_by(&other));
    one.unwrap();
    other.unwrap();
    assert_eq!(stage.notifications().len(), 1);
    stage.pass(10).await;
    assert!(stage.notifications().is_empty());
}

#[tokio::test]
async fn what_it_sends_never_comes_back() {
    let stage = Stage::start(json!({})).await;
    let mut alarm = stage.changed("cpu", "ALARM");
    alarm["Records"][0]["Sns"]["TopicArn"] = stage.topic.as_str().into();
    let mut notification = alarm.clone();
    notification["Records"][0]["Sns"]["Message"] = "🔴 cpu: DeliveryErrors 10 > 1\n".into();
    stage.relays(&notification).await.unwrap();
    assert!(stage.channel().is_empty());
    // Whoever takes the alarms' own topic for it loses no alarm.
    stage.relays(&alarm).await.unwrap();
    assert_eq!(stage.channel().len(), 1);
}
