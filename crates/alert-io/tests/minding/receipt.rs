//! The morning receipt: one message each day says what became of everything, and a quiet night is one line.

use alert_sandbox::dynamodb::DynamoDbFault;
use serde_json::{Value, json};

use crate::stage::{CHANNEL, Stage};

fn config() -> Value {
    json!({
        "receipt": {"at": "03:00"},
        "drop": [{"name": "noise", "matchers": ["alertname=noise"]}],
        "heartbeats": [{"name": "grafana", "matchers": ["alertname=Watchdog"], "every": "1h"}],
    })
}

fn last(stage: &Stage) -> String {
    let message = stage.sandbox.slack.messages(CHANNEL).pop().unwrap();
    format!(
        "{} {} {}",
        message.shown.text,
        Value::from(message.shown.blocks),
        Value::from(message.shown.attachments)
    )
}

#[tokio::test]
async fn a_quiet_night_is_one_line() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.alarm("Watchdog", "ALARM").await;
    stage.pass(60).await;
    assert!(stage.channel().is_empty());
    stage.pass(1).await;
    assert_eq!(stage.channel(), ["🔵 Receipt of 2026-11-25 03:00: 0 delivered, none open"]);
    stage.alarm("Watchdog", "ALARM").await;
    stage.pass(59).await;
    assert_eq!(stage.channel().len(), 1);
}

#[tokio::test]
async fn everything_of_a_loud_night_is_told() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    for _ in 0..3 {
        stage.alarm("noise", "ALARM").await;
    }
    stage.alarm("cpu", "ALARM").await;
    stage.alarm("disk", "ALARM").await;
    stage.sleep(1);
    stage.alarm("disk", "OK").await;
    let first = stage.first();
    stage.press(&first, "silence", Some("4h")).await;
    stage.sleep(4);
    stage.alarm("cpu", "OK").await;
    stage.sleep(1);
    stage.alarm("cpu", "ALARM").await;
    let mut late = stage.changed("queue", "ALARM");
    late["Records"][0]["Sns"]["Timestamp"] = "2026-11-25T02:00:00.000Z".into();
    stage.relays(&late).await.unwrap();
    stage.alarm("Watchdog", "ALARM").await;
    stage.pass(56).await;
    let message = last(&stage);
    let line = "🔵 Receipt of 2026-11-25 03:00: 6 delivered, 3 held back, 2 silenced, 2 open";
    assert!(message.starts_with(line), "{message}");
    for part in [
        "noise: 3",
        "kim: 2",
        "Later than 2 min",
        "6 min (SNS)",
        "cpu (Since 02:06)\\nqueue (Since 02:06)",
        "Signs of life",
    ] {
        assert!(message.contains(part), "{part} is not in {message}");
    }
    // The next one begins anew.
    stage.alarm("Watchdog", "ALARM").await;
    stage.sleep(24 * 60 - 1);
    stage.look().await.unwrap();
    stage.pass(2).await;
    let receipts: Vec<_> = stage.channel().into_iter().filter(|line| line.contains("Receipt")).collect();
    assert!(receipts[1].starts_with("🔵 Receipt of 2026-11-26 03:00: 0 delivered, "), "{receipts:?}");
}

#[tokio::test]
async fn late_once_and_by_one_of_two() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::Unavailable);
    stage.alarm("cpu", "ALARM").await;
    stage.sleep(61);
    assert!(stage.look().await.is_err());
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
    stage.alarm("Watchdog", "ALARM").await;
    stage.sleep(60);
    let (one, other) = (stage.watch().await, stage.watch().await);
    let (one, other) = tokio::join!(stage.look_by(&one), stage.look_by(&other));
    one.unwrap();
    other.unwrap();
    stage.pass(10).await;
    let receipts: Vec<_> = stage.channel().into_iter().filter(|line| line.contains("Receipt")).collect();
    assert_eq!(receipts, ["🔵 Receipt of 2026-11-25 03:00: 0 delivered, none open · ⏰ 1 h 1 min late"]);
}
