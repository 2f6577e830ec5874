//! Rules and modes that people write, and what happens to those that cannot be read.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::events::{alert, event, fixture, resolved, since, walkthrough};
use crate::stage::{Setup, Stage, payload};

const RULES: &str = r#"
drop:
  - name: eks-restart
    matchers: ['alertname=~"DatasourceError|DatasourceNoData"']
    active_time_intervals: [eks-nightly]
  - name: give-it-time
    matchers: ['alertname="Slow"']
    younger_than: 30m
time_intervals:
  - name: eks-nightly
    time_intervals:
      - times: [{start_time: '21:50', end_time: '24:00'}]
        weekdays: ['monday:friday']
        location: Asia/Seoul
      - times: [{start_time: '00:00', end_time: '08:10'}]
        weekdays: ['tuesday:saturday']
        location: Asia/Seoul
"#;

#[tokio::test]
async fn rules_hold_when_their_intervals_do_by_the_clock_of_the_event() {
    let stage = Setup::new().await.config(RULES).start().await;
    let error = |starts_at: &str| since(alert("DatasourceError"), starts_at);
    let slow = |starts_at: &str| since(alert("Slow"), starts_at);
    // Monday, 22:00 in Seoul is 13:00 UTC.
    for (number, (time, alert, rule)) in [
        ("2026-03-02T13:00:00Z", error("2026-03-02T12:55:00Z"), Some("eks-restart")),
        ("2026-03-02T22:00:00Z", error("2026-03-02T21:55:00Z"), Some("eks-restart")),
        ("2026-03-03T03:00:00Z", error("2026-03-03T02:55:00Z"), None),
        ("2026-03-01T13:00:00Z", error("2026-03-01T12:55:00Z"), None),
        // Seen by no one, and so is its end; and an end of what people saw.
        (
            "2026-03-02T13:00:00Z",
            resolved(error("2026-03-02T12:55:00Z"), "2026-03-02T12:59:00Z"),
            Some("eks-restart"),
        ),
        ("2026-03-02T13:00:00Z", resolved(error("2026-03-02T12:00:00Z"), "2026-03-02T12:59:00Z"), None),
        ("2026-03-02T13:00:00Z", slow("2026-03-02T12:45:00Z"), Some("give-it-time")),
        ("2026-03-02T13:00:00Z", slow("2026-03-02T12:15:00Z"), None),
        (
            "2026-03-02T13:00:00Z",
            resolved(slow("2026-03-02T12:45:00Z"), "2026-03-02T12:55:00Z"),
            Some("give-it-time"),
        ),
        ("2026-03-02T13:00:00Z", resolved(slow("2026-03-02T12:00:00Z"), "2026-03-02T12:55:00Z"), None),
    ]
    .into_iter()
    .enumerate()
    {
        let before = stage.published().len();
        let answer = stage.done(&event(&format!("e-{number}"), time, std::slice::from_ref(&alert))).await;
        let dropped = usize::from(rule.is_some());
        assert_eq!(answer["dropped"], dropped, "{time} {alert}");
        assert_eq!(stage.published().len() - before, 1 - dropped);
        // A line travels through a pipe, so the process is stopped for it.
        let verdicts = stage.verdicts().await;
        assert_eq!(verdicts.last().unwrap().get("rule").and_then(Value::as_str), rule, "{time} {alert}");
    }
}

#[tokio::test]
async fn no_rules_drop_nothing() {
    let stage = Setup::new().await.config("drop: []").start().await;
    stage.done(&walkthrough()).await;
    assert_eq!(stage.subjects(), ["DatasourceError", "DatasourceNoData", "HighCPU", "HighMemory"]);
    assert!(stage.published().iter().all(|published| !published.message.message.contains("Warning")));
}

/// Everything is published, and every message and the log say these.
async fn assert_open(stage: &Stage, says: &[&str]) {
    stage.done(&walkthrough()).await;
    assert_eq!(stage.subjects(), ["DatasourceError", "DatasourceNoData", "HighCPU", "HighMemory"]);
    stage.done(&fixture("not_grafanas_text.bare")).await;
    for published in stage.published() {
        let message = &published.message;
        for part in says {
            assert!(message.message.contains(part), "{part}: {}", message.message);
            if let Some(json) = payload(message) {
                assert!(json.to_string().contains(part), "{part}: {json}");
            }
        }
        if payload(message).is_some() {
            let lines: Vec<&str> = message.message.lines().take(4).collect();
            assert!(lines[0].starts_with("Alert Name : ") && lines[3].starts_with("Warning : "), "{lines:?}");
        }
    }
    let log = stage.stop().await;
    let line = log.lines().find(|line| line.contains("config_invalid")).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("\"level\":\"ERROR\"") && says.iter().all(|part| line.contains(part)), "{line}");
}

#[tokio::test]
async fn a_broken_configuration_drops_nothing_and_every_message_says_what_is_wrong() {
    for (config, says) in [
        (
            "drop:\n  - name: x\n    matchers: ['alertname=\"DatasourceError\"']\n    colour: red\n",
            &["ALERT_CONFIG", "line 4", "colour"][..],
        ),
        ("drop:\n  - name: x\n    matchers: ['alertname=~\"(\"']\n", &["ALERT_CONFIG", "line 3"]),
        (
            "drop:\n- matchers: ['alertname=\"x\"']\n  active_time_intervals: [nightly]\n",
            &["ALERT_CONFIG", "line 3", "nightly"],
        ),
        ("drop: [", &["ALERT_CONFIG", "line ", "no valid YAML"]),
    ] {
        let stage = Setup::new().await.config(config).start().await;
        assert_open(&stage, says).await;
    }
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn a_file_that_is_named_and_missing_drops_nothing() {
    let stage = Setup::new().await.set("ALERT_CONFIG_FILE", "/nowhere/alerts.yaml").start().await;
    assert_open(&stage, &["ALERT_CONFIG_FILE", "/nowhere/alerts.yaml", "cannot be read"]).await;
}

#[tokio::test]
async fn a_file_is_read_where_it_is_named_and_beside_the_binary() {
    let file = folder("named").join("rules.yaml");
    std::fs::write(&file, "drop: [{name: cpu, matchers: ['alertname=\"HighCPU\"']}]").unwrap();
    let stage = Setup::new().await.set("ALERT_CONFIG_FILE", file.to_str().unwrap()).start().await;
    stage.done(&walkthrough()).await;
    assert_eq!(stage.subjects(), ["DatasourceError", "DatasourceNoData", "HighMemory"]);

    let root = folder("task-root");
    std::fs::write(root.join("alerts.yaml"), "drop: [{matchers: ['alertname=\"HighMemory\"']}]").unwrap();
    let stage = Setup::new().await.set("LAMBDA_TASK_ROOT", root.to_str().unwrap()).start().await;
    stage.done(&walkthrough()).await;
    assert_eq!(stage.subjects(), ["DatasourceError", "DatasourceNoData", "HighCPU"]);
}

#[tokio::test]
async fn one_message_for_each_webhook() {
    let stage = Setup::new().await.config("publish: group").start().await;
    let answer = stage.done(&walkthrough()).await;
    assert_eq!(answer, json!({"alerts": 4, "dropped": 1, "published": 1}));
    let published = stage.published();
    let message = &published[0].message;
    assert_eq!(message.subject.as_deref(), Some("DatasourceNoData (+2 more)"));
    for name in ["DatasourceNoData", "HighCPU", "HighMemory"] {
        assert!(message.message.contains(&format!("Alert Name : {name}\n")), "{}", message.message);
    }
    let json = payload(message).unwrap();
    assert_eq!(json["alerts"].as_array().unwrap().len(), 3);
    assert!(!json.to_string().contains("DatasourceError"));
    // A policy compares each of a list's values.
    assert_eq!(message.attributes["status"].value(), r#"["firing","resolved"]"#);
    assert_eq!(message.attributes["alertname"].data_type, "String.Array");
    let verdicts = stage.verdicts().await;
    assert_eq!(verdicts.iter().filter(|line| line["outcome"] == "published").count(), 3);
}

#[tokio::test]
async fn times_in_the_text_are_in_the_zone_that_people_know() {
    let stage = Setup::new().await.config("timezone: Asia/Seoul").start().await;
    stage.done(&walkthrough()).await;
    let text = stage.published()[1].message.message.clone();
    assert!(text.contains("Alert Time : 2026-03-02T00:15:00Z (2026-03-02 09:15:00 KST)"), "{text}");
}
