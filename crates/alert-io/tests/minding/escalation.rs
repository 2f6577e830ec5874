//! What nobody acknowledges is told louder: in the channel, and then by the second way.

use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::slack::TokenState;
use alert_sandbox::sns::SnsFault;
use serde_json::{Value, json};

use crate::stage::{CHANNEL, Stage};

fn config() -> Value {
    json!({
        "receivers": [{"name": "default"}],
        "route": {
            "receiver": "default",
            "escalate": {"after": "10m", "mention": "<!subteam^S0LEAD>", "then": "10m", "second_way": true},
        },
    })
}

const LEAD: &str = "<!subteam^S0LEAD>";
const FIRES: &str = "🔴 cpu: DeliveryErrors 10 > 1 · 000000000000 eu-west-1";

#[tokio::test]
async fn from_the_alarm_to_the_mail() {
    let stage = Stage::start(config()).await;
    stage.alarm("cpu", "ALARM").await;
    stage.pass(9).await;
    assert_eq!(stage.channel(), [FIRES]);
    stage.pass(1).await;
    let said = format!("  (shown) {FIRES} {LEAD} · 📣 Nobody has acknowledged it for 10 min, worst 10");
    assert_eq!(stage.channel(), [format!("{FIRES} {LEAD}"), said]);
    assert!(stage.notifications().is_empty());
    stage.pass(9).await;
    assert_eq!(stage.channel().len(), 2);
    stage.pass(1).await;
    let said = format!(
        "  (shown) {FIRES} {LEAD} · 📣 Nobody has acknowledged it for 20 min: sent by the second way as well, worst 10"
    );
    assert_eq!(stage.channel()[2], said);
    let [(subject, text)] = &stage.notifications()[..] else { panic!() };
    assert_eq!(subject, FIRES);
    let why = "Sent by the second way as well: nobody has acknowledged it for 20 min";
    assert!(text.contains(why) && text.contains("to second_way"), "{text}");
    // That is all.
    stage.pass(30).await;
    assert_eq!((stage.channel().len(), stage.notifications().len()), (3, 0));
}

#[tokio::test]
async fn the_mail_goes_when_sns_takes_it() {
    let stage = Stage::start(config()).await;
    stage.alarm("cpu", "ALARM").await;
    stage.pass(11).await;
    stage.sandbox.sns.set_fault(SnsFault::Deny);
    for _ in 0..15 {
        stage.sleep(1);
        let _ = stage.look().await;
    }
    // In the channel it is told once.
    assert_eq!((stage.channel().len(), stage.notifications().len()), (3, 0));
    stage.sandbox.sns.set_fault(SnsFault::None);
    stage.pass(3).await;
    let [(subject, _)] = &stage.notifications()[..] else { panic!() };
    assert_eq!(subject, FIRES);
}

#[tokio::test]
async fn who_acknowledges_ends_it_and_who_takes_that_back_begins_it_anew() {
    let stage = Stage::start(config()).await;
    stage.alarm("cpu", "ALARM").await;
    stage.pass(9).await;
    let message = stage.first();
    stage.press(&message, "acknowledge", None).await;
    let told = stage.channel().len();
    stage.pass(40).await;
    assert_eq!(stage.channel().len(), told);
    stage.press(&message, "undo_acknowledge", None).await;
    let told = stage.channel().len();
    stage.pass(9).await;
    assert_eq!(stage.channel().len(), told);
    stage.pass(1).await;
    assert!(stage.channel()[told].contains("Nobody has acknowledged it for 10 min"), "{:?}", stage.channel());
}

#[tokio::test]
async fn what_is_over_or_silenced_is_not_told_louder() {
    let stage = Stage::start(config()).await;
    stage.alarm("cpu", "ALARM").await;
    stage.pass(5).await;
    stage.alarm("cpu", "OK").await;
    let told = stage.channel().len();
    stage.pass(30).await;
    assert_eq!(stage.channel().len(), told);
    // Anew, and silenced for an hour: when that is over, it rings, and is waited for from then on.
    stage.alarm("cpu", "ALARM").await;
    let ts = stage.sandbox.slack.messages(CHANNEL).pop().unwrap().ts;
    stage.press(&ts, "silence", Some("1h")).await;
    let told = stage.channel().len();
    stage.pass(59).await;
    assert_eq!(stage.channel().len(), told);
    stage.pass(1).await;
    assert!(stage.channel()[told].contains("The silence has ended"), "{:?}", stage.channel());
    // The clock goes on while it is told.
    stage.pass(9).await;
    assert_eq!(stage.channel().len(), told + 1);
    stage.pass(2).await;
    assert!(stage.channel()[told + 1].contains("Nobody has acknowledged it for 1"));
    assert!(stage.notifications().is_empty());
}

#[tokio::test]
async fn who_could_not_look_for_an_hour_tells_what_is_still_true_once() {
    let stage = Stage::start(config()).await;
    stage.alarm("cpu", "ALARM").await;
    stage.alarm("disk", "ALARM").await;
    stage.sleep(3);
    stage.alarm("disk", "OK").await;
    let told = stage.channel().len();
    stage.sleep(60);
    stage.look().await.unwrap();
    let said = format!("  (shown) {FIRES} {LEAD} · 📣 Nobody has acknowledged it for 1 h 3 min, worst 10");
    assert_eq!(stage.channel()[told..], [said]);
    // The second step is due as well, a minute later.
    stage.pass(1).await;
    assert_eq!((stage.channel().len(), stage.notifications().len()), (told + 2, 1));
    stage.pass(10).await;
    assert_eq!((stage.channel().len(), stage.notifications().len()), (told + 2, 0));
}

#[tokio::test]
async fn two_functions_tell_it_once() {
    let stage = Stage::start(config()).await;
    stage.alarm("cpu", "ALARM").await;
    for step in 1..=2 {
        stage.sleep(10);
        let (one, other) = (stage.watch().await, stage.watch().await);
        let (one, other) = tokio::join!(stage.look_by(&one), stage.look_by(&other));
        one.unwrap();
        other.unwrap();
        stage.look().await.unwrap();
        assert_eq!(stage.channel().len(), 1 + step);
    }
    assert_eq!(stage.notifications().len(), 1);
}

#[tokio::test]
async fn the_table_away_and_clocks_that_jump() {
    let stage = Stage::start(config()).await;
    stage.alarm("cpu", "ALARM").await;
    stage.sleep(10);
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::Unavailable);
    assert!(stage.look().await.is_err());
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
    // An hour back, and forth again.
    stage.sleep(-60);
    stage.look().await.unwrap();
    assert_eq!(stage.channel().len(), 1);
    stage.sleep(60);
    stage.look().await.unwrap();
    assert_eq!(stage.channel().len(), 2);
}

#[tokio::test]
async fn without_buttons_a_reaction_is_enough() {
    let stage = Stage::without_buttons(config()).await;
    stage.alarm("cpu", "ALARM").await;
    let ts = stage.first();
    stage.sandbox.slack.react(CHANNEL, &ts, "U0KIM", "eyes", true);
    stage.pass(25).await;
    assert_eq!(stage.channel(), [FIRES]);
    // It is taken back.
    stage.sandbox.slack.react(CHANNEL, &ts, "U0KIM", "eyes", false);
    stage.pass(10).await;
    assert!(stage.channel().len() > 1);
    // Where nobody may ask, it is told louder rather than not.
    let stage = Stage::without_buttons(config()).await;
    stage.sandbox.slack.set_scopes(&stage.app, &["chat:write", "chat:write.public"]);
    stage.alarm("cpu", "ALARM").await;
    stage.sandbox.slack.react(CHANNEL, &stage.first(), "U0KIM", "eyes", true);
    stage.pass(10).await;
    assert_eq!(stage.channel().len(), 2);
}

#[tokio::test]
async fn a_storm_that_nobody_acknowledges_is_one_reply_and_one_mail() {
    let stage = Stage::start(config()).await;
    let records: Vec<Value> = (0..30)
        .map(|n| {
            let body = stage.changed(&format!("alarm-{n}"), "ALARM")["Records"][0]["Sns"].to_string();
            json!({"messageId": format!("q-{n}"), "body": body, "eventSource": "aws:sqs"})
        })
        .collect();
    stage.relays(&json!({ "Records": records })).await.unwrap();
    let told = stage.channel().len();
    stage.pass(21).await;
    assert_eq!(stage.channel().len() - told, 2, "{:#?}", stage.channel());
    let notifications = stage.notifications();
    let [(subject, text)] = &notifications[..] else { panic!("{notifications:#?}") };
    assert!(subject.ends_with("and 29 more"), "{subject}");
    assert!((0..30).all(|n| text.contains(&format!("alarm-{n}"))));
}

#[tokio::test]
async fn with_slack_away_the_mail_goes_out() {
    let stage = Stage::start(config()).await;
    stage.alarm("cpu", "ALARM").await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    // The first step goes to who stands in for Slack.
    stage.pass(10).await;
    assert_eq!(stage.notifications().len(), 1);
    stage.pass(25).await;
    assert_eq!(stage.notifications().len(), 1);
}
