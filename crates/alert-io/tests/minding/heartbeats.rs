//! Signs of life: what beats is seen by nobody, what stops rings by both ways, and what comes back says for how long it was gone.

use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::slack::{Answer, CallInfo};
use alert_sandbox::sns::SnsFault;
use serde_json::{Value, json};

use crate::stage::Stage;

fn config() -> Value {
    json!({"heartbeats": [{
        "name": "prod Grafana", "matchers": ["alertname=\"Watchdog\""], "every": "5m", "grace": "10m",
    }]})
}

/// Alertmanager's Watchdog, or another state of it, as its webhook brings it.
async fn beat(stage: &Stage, status: &str) {
    let ends_at = if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-11-25T02:00:00Z" };
    let event = json!({"version": "4", "groupKey": "{}:{alertname=\"Watchdog\"}", "receiver": "relay", "status": status, "externalURL": "http://alertmanager.example", "alerts": [{
        "status": status, "labels": {"alertname": "Watchdog", "severity": "none"}, "annotations": {},
        "startsAt": "2026-11-01T00:00:00Z", "endsAt": ends_at, "fingerprint": "d1c2e3f405162738",
    }]});
    stage.relays(&event).await.unwrap();
}

#[tokio::test]
async fn from_the_first_beat_to_the_return() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    for _ in 0..4 {
        beat(&stage, "firing").await;
        stage.pass(5).await;
    }
    // Nobody is told of what beats.
    assert!(stage.channel().is_empty() && stage.notifications().is_empty());
    // The last one was five minutes ago. An end is no sign of life.
    beat(&stage, "resolved").await;
    let told = stage.channel().len();
    stage.pass(9).await;
    assert_eq!(stage.channel().len(), told);
    stage.pass(1).await;
    let line = "🔴 prod Grafana (critical): no sign of life for 15 min (last 02:15)";
    assert_eq!(stage.channel().last().unwrap(), line);
    let [(subject, text)] = &stage.notifications()[..] else { panic!() };
    assert_eq!(subject, line);
    assert!(text.contains("to second_way"), "{text}");
    // Once.
    stage.pass(7).await;
    assert_eq!(stage.channel().len(), told + 1);
    beat(&stage, "firing").await;
    stage.pass(1).await;
    let channel = stage.channel();
    assert_eq!(
        channel[told..],
        [
            "✅ prod Grafana resolved after 22 min",
            "  ✅ prod Grafana resolved after 22 min · Over after 22 min"
        ]
    );
    let [(subject, _)] = &stage.notifications()[..] else { panic!() };
    assert_eq!(subject, "✅ prod Grafana resolved after 22 min");
    // And it is waited for again.
    stage.pass(13).await;
    assert_eq!(stage.channel().len(), told + 2);
    stage.pass(1).await;
    assert!(stage.channel().iter().filter(|line| line.contains("no sign of life")).count() == 1);
}

/// Slack answers, or refuses everything as in an outage of its own.
fn slack_is_away(stage: &Stage, is_away: bool) {
    let answer = move |_: &CallInfo<'_>| {
        is_away.then(|| Answer::Status { code: 503, body: String::new(), retry_after: None })
    };
    stage.sandbox.slack.set_plan(Box::new(answer));
}

#[tokio::test]
async fn what_was_told_by_one_way_alone_is_told_to_be_back() {
    let stage = Stage::start(config()).await;
    beat(&stage, "firing").await;
    // Slack is away for as long as the heartbeat is.
    slack_is_away(&stage, true);
    for _ in 0..20 {
        stage.sleep(1);
        let _ = stage.look().await;
    }
    let notifications = stage.notifications();
    let [(subject, _)] = &notifications[..] else { panic!("{notifications:?}") };
    assert!(subject.contains("no sign of life for 15 min"), "{subject}");
    assert!(stage.channel().is_empty());
    beat(&stage, "firing").await;
    slack_is_away(&stage, false);
    stage.pass(8).await;
    let notifications = stage.notifications();
    let [(subject, _)] = &notifications[..] else { panic!("{notifications:?} {:?}", stage.channel()) };
    assert!(subject.starts_with("✅ prod Grafana resolved after 2"), "{subject}");
}

#[tokio::test]
async fn a_slack_that_is_back_before_the_heartbeat_hears_of_it() {
    let stage = Stage::start(config()).await;
    beat(&stage, "firing").await;
    slack_is_away(&stage, true);
    for _ in 0..16 {
        stage.sleep(1);
        let _ = stage.look().await;
    }
    slack_is_away(&stage, false);
    stage.pass(4).await;
    assert_eq!(stage.notifications().len(), 1);
    let channel = stage.channel();
    assert!(channel.len() == 1 && channel[0].contains("no sign of life"), "{channel:?}");
    stage.pass(30).await;
    assert_eq!((stage.channel().len(), stage.notifications().len()), (1, 0));
}

#[tokio::test]
async fn what_never_beats_is_missed() {
    let stage = Stage::start(config()).await;
    stage.look().await.unwrap();
    stage.pass(14).await;
    assert!(stage.channel().is_empty());
    stage.pass(1).await;
    assert_eq!(
        stage.channel(),
        ["🔴 prod Grafana (critical): no sign of life yet, waited for since 02:00 (15 min)"]
    );
}

#[tokio::test]
async fn who_could_not_look_for_an_hour_says_it_late_and_once() {
    let stage = Stage::start(config()).await;
    beat(&stage, "firing").await;
    stage.sleep(75);
    stage.look().await.unwrap();
    stage.pass(5).await;
    assert_eq!(
        stage.channel(),
        ["🔴 prod Grafana (critical): no sign of life for 1 h 15 min (last 02:00) · ⏰ 1 h late"]
    );
    assert_eq!(stage.notifications().len(), 1);
}

#[tokio::test]
async fn who_could_not_look_for_an_hour_says_nothing_of_what_was_alive() {
    let stage = Stage::start(config()).await;
    for _ in 0..12 {
        beat(&stage, "firing").await;
        stage.sleep(5);
    }
    stage.pass(5).await;
    assert!(stage.channel().is_empty() && stage.notifications().is_empty());
}

#[tokio::test]
async fn two_functions_tell_it_once() {
    let stage = Stage::start(config()).await;
    beat(&stage, "firing").await;
    stage.sleep(16);
    let (one, other) = (stage.watch().await, stage.watch().await);
    let (one, other) = tokio::join!(stage.look_by(&one), stage.look_by(&other));
    one.unwrap();
    other.unwrap();
    stage.pass(10).await;
    assert_eq!(stage.channel().len(), 1);
    assert_eq!(stage.notifications().len(), 1);
}

#[tokio::test]
async fn without_the_table_a_sign_of_life_fails_and_comes_again() {
    let stage = Stage::start(config()).await;
    beat(&stage, "firing").await;
    stage.pass(10).await;
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::Unavailable);
    let event = json!({"alerts": [{"status": "firing", "labels": {"alertname": "Watchdog"}, "startsAt": "2026-11-01T00:00:00Z"}]});
    let error = stage.relays(&event).await.unwrap_err();
    assert!(
        error.message.contains("a sign of life of prod Grafana is not written down"),
        "{}",
        error.message
    );
    assert!(stage.look().await.is_err());
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
    stage.relays(&event).await.unwrap();
    stage.pass(14).await;
    assert!(stage.channel().is_empty());
}

#[tokio::test]
async fn clocks_that_jump_by_an_hour_bring_it_to_mind_at_most_once() {
    let stage = Stage::start(config()).await;
    beat(&stage, "firing").await;
    // The looking one's clock is an hour ahead for a minute.
    stage.sleep(60);
    stage.look().await.unwrap();
    stage.sleep(-60);
    assert_eq!(stage.channel().len(), 1);
    beat(&stage, "firing").await;
    stage.pass(1).await;
    assert!(stage.channel()[0].starts_with("✅"), "{:?}", stage.channel());
    // The sender's was.
    stage.sleep(60);
    beat(&stage, "firing").await;
    stage.sleep(-60);
    beat(&stage, "firing").await;
    let told = stage.channel().len();
    stage.pass(14).await;
    assert_eq!(stage.channel().len(), told);
    stage.pass(2).await;
    assert!(stage.channel().len() > told);
}

#[tokio::test]
async fn what_neither_way_takes_is_told_when_one_does() {
    let stage = Stage::start(config()).await;
    beat(&stage, "firing").await;
    stage.sleep(16);
    stage.sandbox.sns.set_fault(SnsFault::Deny);
    stage.look().await.unwrap();
    assert_eq!((stage.channel().len(), stage.notifications().len()), (1, 0));
    stage.sleep(3);
    assert!(stage.look().await.is_err());
    stage.sandbox.sns.set_fault(SnsFault::None);
    stage.pass(8).await;
    assert_eq!((stage.channel().len(), stage.notifications().len()), (1, 1));
}
