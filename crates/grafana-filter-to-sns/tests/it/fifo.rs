//! A FIFO topic: changes of one alert stay in order, a retry is swallowed, and nothing else is.

use alert_sandbox::sns::{SnsError, SnsFault};
use alert_sandbox::sqs::{Queue, QueueOptions};
use serde_json::Value;

use crate::events::{SENT, alert, event, fingerprint, resolved, since, sns};
use crate::stage::{Setup, Stage};

async fn stage() -> (Stage, Queue) {
    let stage = Setup::fifo().await.start().await;
    let queue = Queue::new("subscriber", QueueOptions::default());
    stage.sandbox.sns.subscribe_queue(&stage.topic, &queue, true).unwrap();
    (stage, queue)
}

/// What arrived: the name and the status.
fn arrived(queue: &Queue) -> Vec<(String, String)> {
    let messages = queue.messages().into_iter();
    let value =
        |message: &alert_sandbox::sqs::QueueMessage, name: &str| message.attributes[name].value().to_owned();
    messages.map(|message| (value(&message, "alertname"), value(&message, "status"))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn firing_and_resolved_within_five_minutes_both_arrive() {
    let (stage, queue) = stage().await;
    let cpu = alert("HighCPU");
    stage.done(&event("e-1", SENT, &[cpu.clone(), alert("디스크")])).await;
    let over = resolved(cpu.clone(), "2026-03-02T00:17:00Z");
    stage.done(&event("e-2", "2026-03-02T00:17:05Z", &[over])).await;
    let again = since(cpu, "2026-03-02T00:18:00Z");
    stage.done(&event("e-3", "2026-03-02T00:18:05Z", &[again])).await;
    let expected =
        [("HighCPU", "firing"), ("디스크", "firing"), ("HighCPU", "resolved"), ("HighCPU", "firing")];
    assert_eq!(arrived(&queue), pairs(&expected));

    let published = stage.published();
    let groups: Vec<_> =
        published.iter().map(|published| published.message.group_id.clone().unwrap()).collect();
    let (cpu, disk) = (fingerprint("HighCPU"), fingerprint("디스크"));
    assert_eq!(groups, [&cpu, &disk, &cpu, &cpu].map(String::clone));
    for published in &published {
        let id = published.message.deduplication_id.as_deref().unwrap();
        assert!(id.starts_with("firing-20260302T") || id.starts_with("resolved-20260302T"), "{id}");
    }
}

#[tokio::test]
async fn the_same_event_is_swallowed_even_by_another_process() {
    let (stage, queue) = stage().await;
    let event = event("e-1", SENT, &[alert("One"), alert("Two")]);
    stage.done(&event).await;
    stage.function.stop().await;
    stage.done(&event).await;
    assert_eq!(stage.calls().len(), 2);
    let duplicates: Vec<_> = stage.published().iter().map(|published| published.duplicate).collect();
    assert_eq!(duplicates, [false, false, true, true]);
    assert_eq!(arrived(&queue), pairs(&[("One", "firing"), ("Two", "firing")]));
}

#[tokio::test]
async fn a_lost_answer_costs_nothing_here() {
    let (stage, queue) = stage().await;
    stage.sandbox.sns.set_fault(SnsFault::LoseAnswer(1));
    stage.done(&event("e-1", SENT, &[alert("One"), alert("Two")])).await;
    assert_eq!(stage.published().len(), 4);
    assert_eq!(arrived(&queue), pairs(&[("One", "firing"), ("Two", "firing")]));
}

#[tokio::test]
async fn a_reminder_is_not_swallowed() {
    let (stage, queue) = stage().await;
    stage.done(&event("e-1", SENT, &[alert("One")])).await;
    stage.done(&event("e-2", "2026-03-02T00:17:05Z", &[alert("One")])).await;
    assert_eq!(arrived(&queue), pairs(&[("One", "firing"), ("One", "firing")]));
}

#[tokio::test]
async fn two_alerts_that_look_alike_both_arrive() {
    let (stage, queue) = stage().await;
    let mut twin = alert("One");
    twin["labels"]["instance"] = "web-2".into();
    twin["fingerprint"] = "00000000000000aa".into();
    stage.done(&event("e-1", SENT, &[alert("One"), twin])).await;
    assert_eq!(arrived(&queue).len(), 2);
}

#[tokio::test]
async fn a_refused_change_holds_the_later_ones_of_its_alert_back() {
    let (stage, queue) = stage().await;
    // The first entry that comes is asked to wait, whatever is behind it in the call.
    stage.sandbox.sns.set_entry_plan(Box::new(|info| {
        (info.number == 0).then(|| SnsError::new(500, "InternalError", "Not now."))
    }));
    let fires = alert("HighCPU");
    let over = resolved(fires.clone(), "2026-03-02T00:17:00Z");
    let again = since(alert("HighCPU"), "2026-03-02T00:18:00Z");
    // Three webhooks in one batch of a queue, the newest first.
    let body = |alert: &Value| event("e", SENT, std::slice::from_ref(alert))["detail"].to_string();
    let batch: Vec<(&str, String)> = vec![
        ("m-3", body(&again)),
        ("m-2", body(&over)),
        ("m-1", body(&fires)),
        ("m-0", body(&alert("Other"))),
    ];
    stage.done(&sns(&batch)).await;
    let cpu: Vec<_> = arrived(&queue).into_iter().filter(|(name, _)| name == "HighCPU").collect();
    assert_eq!(cpu, pairs(&[("HighCPU", "firing"), ("HighCPU", "resolved"), ("HighCPU", "firing")]));
    let starts: Vec<_> = stage
        .published()
        .iter()
        .filter_map(|published| published.message.deduplication_id.clone())
        .filter(|id| id.contains("T001800"))
        .collect();
    assert_eq!(starts.len(), 1);
    assert!(stage.published().last().unwrap().message.deduplication_id.as_deref() == Some(&*starts[0]));
}

#[tokio::test]
async fn a_refused_group_holds_the_later_changes_of_each_of_its_alerts_back() {
    let (stage, queue) = stage().await;
    stage.sandbox.sns.set_entry_plan(Box::new(|info| {
        (info.number == 0).then(|| SnsError::new(500, "InternalError", "Not now."))
    }));
    let group: Vec<Value> = (0..8).map(|n| alert(&format!("Alert {n}"))).collect();
    let over = resolved(group[7].clone(), "2026-03-02T00:17:00Z");
    let body = |alerts: &[Value]| event("e", SENT, alerts)["detail"].to_string();
    let batch = [("m-2", body(&[over])), ("m-1", body(&group)), ("m-0", body(&[alert("Other")]))];
    stage.done(&sns(&batch)).await;
    let statuses: Vec<_> = arrived(&queue);
    let all = serde_json::to_string(&(0..8).map(|n| format!("Alert {n}")).collect::<Vec<_>>()).unwrap();
    assert_eq!(statuses, pairs(&[("Other", "firing"), (&all, "firing"), ("Alert 7", "resolved")]));
}

#[tokio::test]
async fn a_group_is_swallowed_when_it_comes_again_and_a_reminder_of_it_is_not() {
    let (stage, queue) = stage().await;
    let group: Vec<Value> = (0..8).map(|n| alert(&format!("Alert {n}"))).collect();
    for _ in 0..2 {
        stage.done(&event("e-1", SENT, &group)).await;
        stage.function.stop().await;
    }
    assert_eq!(queue.messages().len(), 1);
    stage.done(&event("e-2", "2026-03-02T00:17:05Z", &group)).await;
    assert_eq!(queue.messages().len(), 2);
    let groups: Vec<_> = stage.published().iter().map(|one| one.message.group_id.clone()).collect();
    assert!(groups[0].is_some() && groups.iter().all(|group| *group == groups[0]), "{groups:?}");
}

#[tokio::test]
async fn what_is_not_grafanas_arrives_too() {
    let (stage, queue) = stage().await;
    stage.done(&sns(&[("m-1", "a text".to_owned())])).await;
    stage.done(&sns(&[("m-2", "another text".to_owned())])).await;
    assert_eq!(queue.messages().len(), 2);
}
