//! Blind, not green: while Grafana's errors are held back, one message says which rules cannot be evaluated.

use alert_sandbox::dynamodb::DynamoDbFault;
use serde_json::{Value, json};

use crate::stage::Stage;

/// Grafana's webhook as EventBridge hands it to the filter: rules with errors, or without.
fn webhook(stage: &Stage, status: &str, rules: &[&str]) -> Value {
    let ends_at =
        if status == "firing" { "0001-01-01T00:00:00Z".to_owned() } else { stage.now().to_rfc3339() };
    let alerts: Vec<Value> = rules
        .iter()
        .map(|rule| {
            json!({
                "status": status,
                "labels": {"alertname": "DatasourceError", "rulename": rule, "grafana_folder": "Prod"},
                "annotations": {"Error": "failed to execute query A: 502 Bad Gateway"},
                "startsAt": "2026-11-25T02:00:00Z", "endsAt": ends_at, "fingerprint": format!("f-{rule}"),
                "generatorURL": "https://grafana.example/alerting/grafana/x/view?orgId=1",
            })
        })
        .collect();
    json!({
        "version": "0", "id": format!("e-{status}-{}", stage.now()), "detail-type": "grafana-alert", "source": "grafana",
        "account": "111122223333", "time": stage.now().to_rfc3339(), "region": "us-east-1", "resources": [],
        "detail": {"receiver": "r", "status": status, "orgId": 1, "externalURL": "https://grafana.example/", "alerts": alerts},
    })
}

#[tokio::test]
async fn from_the_first_error_to_the_end() {
    let stage = Stage::start(json!({})).await;
    stage.filters(&webhook(&stage, "firing", &["cpu", "disk"])).await;
    stage.pass(9).await;
    assert!(stage.channel().is_empty());
    stage.pass(2).await;
    let line = |text: &str| format!("🟠 Alert rules (warning): {text}");
    assert_eq!(stage.channel(), [line("2 rules cannot be evaluated since 02:00; errors held back: 2")]);
    // A third one, by itself: the message is edited, and nothing rings.
    stage.filters(&webhook(&stage, "firing", &["queue"])).await;
    stage.pass(6).await;
    assert_eq!(stage.channel(), [line("3 rules cannot be evaluated since 02:00; errors held back: 3")]);
    stage.filters(&webhook(&stage, "resolved", &["cpu", "disk"])).await;
    stage.pass(6).await;
    assert_eq!(stage.channel(), [line("1 rule cannot be evaluated since 02:00; errors held back: 3")]);
    stage.filters(&webhook(&stage, "resolved", &["queue"])).await;
    stage.pass(6).await;
    let channel = stage.channel();
    assert!(channel[0].starts_with("✅ Alert rules resolved after "), "{channel:?}");
    assert!(stage.notifications().is_empty());
    stage.pass(60).await;
    assert_eq!(stage.channel().len(), channel.len());
    // Another time it is another message.
    stage.filters(&webhook(&stage, "firing", &["cpu"])).await;
    stage.pass(11).await;
    assert_eq!(stage.channel().iter().filter(|line| line.starts_with("🟠")).count(), 1);
}

#[tokio::test]
async fn what_is_short_or_planned_is_never_told() {
    let stage = Stage::start(json!({
        "drop": [{"name": "night", "matchers": ["alertname=DatasourceError", "cluster=\"\""], "active_time_intervals": ["night"]}],
        "time_intervals": [{"name": "night", "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]}],
    }))
    .await;
    stage.filters(&webhook(&stage, "firing", &["cpu"])).await;
    stage.pass(30).await;
    assert!(stage.channel().is_empty());
    let stage = Stage::start(json!({})).await;
    stage.filters(&webhook(&stage, "firing", &["cpu"])).await;
    stage.pass(5).await;
    stage.filters(&webhook(&stage, "resolved", &["cpu"])).await;
    stage.pass(30).await;
    assert!(stage.channel().is_empty());
}

#[tokio::test]
async fn the_table_away_two_functions_and_an_hour_without_a_look() {
    let stage = Stage::start(json!({})).await;
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::Unavailable);
    // What is held back is held back all the same.
    stage.filters(&webhook(&stage, "firing", &["cpu"])).await;
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
    stage.pass(11).await;
    assert!(stage.channel().is_empty());
    // It goes on, and comes again.
    stage.filters(&webhook(&stage, "firing", &["cpu"])).await;
    stage.sleep(75);
    let (one, other) = (stage.watch().await, stage.watch().await);
    let (one, other) = tokio::join!(stage.look_by(&one), stage.look_by(&other));
    one.unwrap();
    other.unwrap();
    assert_eq!(
        stage.channel(),
        ["🟠 Alert rules (warning): 1 rule cannot be evaluated since 02:00; errors held back: 1"]
    );
    // Nobody ever says that it is over.
    stage.sleep(60 * 26);
    stage.look().await.unwrap();
    assert_eq!(
        stage.channel(),
        [
            "❔ Alert rules: unknown, not over",
            "  ❔ Alert rules: unknown, not over · No data any more: whether it is over, nobody knows"
        ]
    );
}

#[tokio::test]
async fn the_relay_s_own_rules_hold_back_as_well() {
    let stage = Stage::start(json!({})).await;
    stage.relays(&webhook(&stage, "firing", &["cpu"])).await.unwrap();
    stage.pass(11).await;
    assert_eq!(stage.channel().len(), 1);
    stage.relays(&webhook(&stage, "resolved", &["cpu"])).await.unwrap();
    stage.pass(6).await;
    assert!(stage.channel()[0].starts_with("✅"), "{:?}", stage.channel());
}
