//! What a further kind of target takes: here a file that gets the plain text. Order, tries and memory come by themselves.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::Duration;

use alert_core::config::Config;
use alert_core::outcome::{Failure, Outcome, Receipt, Sighting};
use alert_core::relay::{self, Deployment, Post};
use alert_core::render::Medium;
use alert_core::target::{Target, WEBHOOK, Way};
use alert_core::{envelope, key, report};
use alert_io::courier::Courier;
use alert_io::deadline::Deadline;
use alert_io::ledger::Ledger as _;
use alert_io::memory::ProcessMemory;
use alert_io::sender::{Attempt, Sends};
use chrono::Utc;
use serde_json::json;

const FILE: Way = Way {
    name: "file",
    service: "The file",
    medium: Medium::Text,
    timeout: "file_timeout",
    rate_limited: "file_full",
    ..WEBHOOK
};

/// Appends to the file that the target's address names.
struct Files;

impl Sends for Files {
    async fn send(&self, post: &Post, _: Duration) -> Attempt {
        let text = post.message.content();
        let appended = OpenOptions::new().append(true).open(&post.target.address);
        let outcome = match appended.and_then(|mut file| writeln!(file, "{text}")) {
            Ok(()) => Outcome::Delivered(Some(Receipt {
                place: post.target.address.clone(),
                message: key::hash(&[&text]),
            })),
            Err(error) => Outcome::TargetRefused(Failure::new("file_refused", error.to_string())),
        };
        Attempt { outcome, connection_lost: false }
    }

    async fn find(&self, _: &Target, _: &[String], _: Duration) -> Vec<Sighting> {
        Vec::new()
    }
}

async fn deliver(deployment: &Deployment, ledger: &ProcessMemory, alarms: &[&str]) -> (usize, usize) {
    let records = alarms.iter().map(|name| {
        let message = json!({"AlarmName": name, "NewStateValue": "ALARM", "NewStateReason": "it is < 1", "AWSAccountId": "111122223333"});
        json!({"messageId": name, "body": message.to_string()})
    });
    let event = json!({"Records": records.collect::<Vec<_>>()}).to_string();
    let draft = relay::draft(envelope::decode(event.as_bytes()), deployment, "request", Utc::now());
    let deadline = Deadline::after(Duration::from_secs(5));
    let known = ledger.claim(&draft.questions().collect::<Vec<_>>(), Utc::now(), deadline).await.known;
    let plan = draft.plan(known, None);
    let report = Courier::default().deliver(&plan, async |_: &Target| Ok(Files), Utc::now(), deadline).await;
    ledger.record(&report::settle(&plan, &report), Utc::now(), Deadline::after(Duration::from_secs(1))).await;
    (report.delivered.len(), report.failed.len())
}

#[tokio::test]
async fn a_file_gets_what_slack_would_as_plain_text() {
    let folder = std::env::temp_dir().join(format!("alert-relay-third-target-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("alerts.txt");
    fs::write(&file, "").unwrap();
    let target = |path: &std::path::Path| Target { way: FILE, address: path.to_str().unwrap().to_owned() };
    let mut config = Config::parse("receivers: [{name: default}, {name: lost}]\nroute: {receiver: default, routes: [{matchers: ['alertname=lost'], receiver: lost}]}").unwrap();
    // What a line of the configuration would read.
    let lost = config.route.routes[0].receiver.clone();
    let lost = alert_core::config::Receiver {
        target: Some(target(&folder.join("missing/alerts.txt"))),
        ..(*lost).clone()
    };
    config.route.routes[0].receiver = lost.into();
    let deployment = Deployment { own: target(&file), ..Deployment::new(config) };
    let ledger = ProcessMemory::default();

    assert_eq!(deliver(&deployment, &ledger, &["cpu", "lost"]).await, (2, 0));
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("🔴 cpu") && text.contains("it is < 1"), "{text}");
    // The other file does not exist: who stands in has its alert, and says why.
    assert!(
        text.contains("🔴 lost")
            && text.contains("For the receiver lost, which cannot be reached: No such file"),
        "{text}"
    );

    // The same again is known, and a storm is one entry that leaves nobody out.
    let names: Vec<String> = (0..40).map(|number| format!("alarm-{number}")).collect();
    let storm: Vec<&str> = ["cpu"].into_iter().chain(names.iter().map(String::as_str)).collect();
    assert_eq!(deliver(&deployment, &ledger, &storm).await, (40, 0));
    let text = fs::read_to_string(&file).unwrap();
    assert!(names.iter().all(|name| text.matches(&format!("🔴 {name}:")).count() == 1), "{text}");
    assert_eq!(text.matches("🔴 cpu").count(), 1);
    fs::remove_dir_all(&folder).unwrap();
}
