//! Ten thousand alerts that are open, and two hundred that are due at once: what a look at the time costs.
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "it says what it has measured")]

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::TimeDelta;
use serde_json::{Value, json};

use crate::stage::{CHANNEL, Stage};

const OPEN: usize = 10_000;
const DUE: usize = 200;

/// Prices of us-east-1, on demand, a million: DynamoDB's writes and reads, and Lambda's requests; and its GB-second.
const WRITE: f64 = 0.625;
const READ: f64 = 0.125;
const REQUEST: f64 = 0.20;
const GB_SECOND: f64 = 0.000_016_666_7;

fn calls(stage: &Stage) -> BTreeMap<String, usize> {
    let mut calls = BTreeMap::new();
    for call in stage.sandbox.dynamodb.calls() {
        *calls.entry(call.operation).or_default() += 1;
    }
    calls
}

#[tokio::test]
async fn ten_thousand_open_and_two_hundred_due() {
    let stage = Stage::start(json!({
        "receivers": [{"name": "default"}],
        "route": {"receiver": "default", "escalate": {"after": "10m"}},
    }))
    .await;
    // One of each by the relay itself; the others are made of it.
    stage.alarm("pattern", "ALARM").await;
    let pattern =
        stage.sandbox.dynamodb.items("alerts").into_iter().find(|item| !item["incident"].is_null()).unwrap();
    let place = pattern["pk"]["S"].as_str().unwrap().to_owned();
    let later = (stage.now() + TimeDelta::hours(5)).timestamp_millis().to_string();
    for number in 0..OPEN {
        let name = format!("alarm-{number:05}");
        let text = pattern.to_string().replace("pattern", &name);
        let mut item: Value = serde_json::from_str(&text).unwrap();
        item["pk"]["S"] = place.replace("pattern", &name).into();
        let mut incident: Value = serde_json::from_str(item["incident"]["S"].as_str().unwrap()).unwrap();
        incident["receipt"]["message"] = format!("1700000000.{number:06}").into();
        item["incident"]["S"] = incident.to_string().into();
        if number >= DUE {
            item["due_at"]["N"] = later.clone().into();
        }
        stage.sandbox.dynamodb.put_item("alerts", &item).unwrap();
    }
    let told = stage.sandbox.slack.messages(CHANNEL).len();
    // A minute in which nothing is due.
    let watch = stage.watch().await;
    stage.look_by(&watch).await.unwrap();
    let before = calls(&stage);
    stage.sleep(1);
    stage.look_by(&watch).await.unwrap();
    let idle: BTreeMap<_, _> = calls(&stage)
        .into_iter()
        .map(|(name, count)| (name.clone(), count - before.get(&name).copied().unwrap_or(0)))
        .filter(|(_, count)| *count > 0)
        .collect();
    assert_eq!(idle, BTreeMap::from([("Query".to_owned(), 1)]));
    stage.sleep(9);
    let before = calls(&stage);
    let started = Instant::now();
    stage.look_by(&watch).await.unwrap();
    let took = started.elapsed();
    let mut busy = calls(&stage);
    for (name, count) in before {
        *busy.entry(name).or_default() -= count;
    }
    let messages = stage.sandbox.slack.messages(CHANNEL).len() - told;
    println!(
        "{OPEN} open, {} due: {:.1} s, {messages} messages, calls {busy:?}",
        DUE + 1,
        took.as_secs_f64()
    );
    // Nothing reads the table, and each alert that is due costs what it cost one by one: to read it, claim it and record it.
    assert!(!busy.contains_key("Scan"));
    let all: usize = busy.values().sum();
    assert!(all <= 5 * (DUE + 1) + 20, "{busy:?}");
    assert!(messages <= 10, "{messages} messages");
    let minutes = 30.0 * 24.0 * 60.0;
    let idle_month = minutes * (READ / 2.0 + REQUEST) / 1e6 + minutes * 0.1 * 0.125 * GB_SECOND;
    let due_cost = (*busy.get("UpdateItem").unwrap_or(&0) as f64 * 4.0 * WRITE
        + *busy.get("GetItem").unwrap_or(&0) as f64 * READ)
        / 1e6;
    println!("a month of looks with nothing due: ${idle_month:.2}; these {} once: ${due_cost:.4}", DUE + 1);
}
