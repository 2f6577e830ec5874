//! How much goes into one call, and what does not fit.

use alert_sandbox::sns::MESSAGE_MAX_BYTES;
use serde_json::json;

use crate::events::{SENT, alert, event, fixture, many};
use crate::stage::{EACH_ALONE, Setup, calls, payload};

#[tokio::test]
async fn twenty_five_alerts_are_three_calls() {
    let stage = Setup::new().await.config(EACH_ALONE).start().await;
    let answer = stage.done(&many(25)).await;
    assert_eq!(answer, json!({"alerts": 25, "dropped": 0, "published": 25}));
    assert_eq!(stage.calls(), calls(&[(10, "ok"), (10, "ok"), (5, "ok")]));
    let names: Vec<String> = (0..25).map(|number| format!("Alert {number}")).collect();
    assert_eq!(stage.subjects(), names);
}

#[tokio::test]
async fn forty_large_alerts_are_as_many_calls_as_the_limit_asks_for() {
    let stage = Setup::new().await.config(EACH_ALONE).start().await;
    let alerts: Vec<_> = (0..40)
        .map(|number| {
            let mut alert = alert(&format!("Large {number}"));
            // Three bytes a character, so that bytes and characters cannot be confused.
            alert["annotations"]["description"] = "가".repeat(20_000 / 3).into();
            alert
        })
        .collect();
    stage.done(&event("large", SENT, &alerts)).await;
    // The sandbox refuses a batch beyond the limit, as SNS does.
    assert!(stage.calls().iter().all(|(_, outcome)| outcome == "ok"), "{:?}", stage.calls());
    assert_eq!(stage.calls().iter().map(|(entries, _)| entries).sum::<usize>(), 40);
    let published = stage.published();
    let names: Vec<String> = (0..40).map(|number| format!("Large {number}")).collect();
    assert_eq!(stage.subjects(), names);
    for message in published.iter().map(|published| &published.message) {
        assert!(message.message.contains(&"가".repeat(20_000 / 3)), "nothing is lost where all fits");
    }
}

#[tokio::test]
async fn a_webhook_of_many_is_one_message_and_one_entry() {
    let stage = Setup::new().await.start().await;
    let answer = stage.done(&many(25)).await;
    assert_eq!(answer, json!({"alerts": 25, "dropped": 0, "published": 1}));
    assert_eq!(stage.calls(), calls(&[(1, "ok")]));
    let message = &stage.published()[0].message;
    assert_eq!(message.subject.as_deref(), Some("Alert 0 (+24 more)"));
    let names: Vec<String> = (0..25).map(|number| format!("Alert {number}")).collect();
    let list = &message.attributes["alertname"];
    assert_eq!((list.data_type.as_str(), list.value()), ("String.Array", json!(names).to_string().as_str()));
    assert_eq!(message.attributes["severity"].value(), "critical");
    assert_eq!(payload(message).unwrap()["alerts"].as_array().unwrap().len(), 25);
    // Each has its line in the log all the same.
    let verdicts = stage.verdicts().await;
    assert_eq!(verdicts.iter().filter(|line| line["outcome"] == "published").count(), 25);
}

#[tokio::test]
async fn a_webhook_too_large_for_a_message_is_as_few_as_its_size_asks_for() {
    let stage = Setup::new().await.start().await;
    let alerts: Vec<_> = (0..40)
        .map(|number| {
            let mut alert = alert(&format!("Large {number}"));
            alert["annotations"]["description"] = "가".repeat(20_000 / 3).into();
            alert
        })
        .collect();
    stage.done(&event("large", SENT, &alerts)).await;
    let published = stage.published();
    // 40 times 20 kB as text, and a third more as base64: 1.9 MB.
    assert!(published.len() <= 16, "{}", published.len());
    assert!(stage.calls().iter().all(|(_, outcome)| outcome == "ok"), "{:?}", stage.calls());
    let mut names = Vec::new();
    for published in &published {
        let json = payload(&published.message).unwrap();
        for alert in json["alerts"].as_array().unwrap() {
            assert_eq!(alert["annotations"]["description"].as_str().unwrap().chars().count(), 20_000 / 3);
            names.push(alert["labels"]["alertname"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(names, (0..40).map(|number| format!("Large {number}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_alert_that_no_message_can_hold_is_shrunk_and_says_so() {
    let stage = Setup::new().await.start().await;
    let mut huge = alert("Huge");
    huge["annotations"]["description"] = "가나다 ".repeat(60_000).into();
    huge["annotations"]["runbook_url"] = "https://wiki.example.com/huge".into();
    assert!(huge.to_string().len() > 600_000);
    stage.done(&event("huge", SENT, &[alert("Before"), huge, alert("After")])).await;
    assert_eq!(stage.subjects(), ["Before", "Huge", "After"]);
    let message = &stage.published()[1].message;
    assert!(message.size_bytes() <= MESSAGE_MAX_BYTES);
    for part in ["Alert Name : Huge", "Too large", "annotation description", "https://wiki.example.com/huge"]
    {
        assert!(message.message.contains(part), "{part}: {}", &message.message[..400]);
    }
    let json = payload(message).unwrap();
    assert_eq!(json["alerts"][0]["labels"]["severity"], "critical");
    assert!(json.to_string().contains("Too large"), "the relay is to say so, too");
}

#[tokio::test]
async fn a_huge_message_of_another_kind_is_cut_and_says_so() {
    let stage = Setup::new().await.start().await;
    stage.done(&json!({"report": "가".repeat(200_000)})).await;
    let message = &stage.published()[0].message;
    assert!(message.size_bytes() <= MESSAGE_MAX_BYTES);
    assert!(message.message.contains("The message was cut"));
}

#[tokio::test]
async fn all_dropped_is_success_without_a_call() {
    let stage = Setup::new().await.start().await;
    let answer = stage.done(&fixture("all_dropped.eventbridge")).await;
    assert_eq!(answer, json!({"alerts": 2, "dropped": 2, "published": 0}));
    assert!(stage.calls().is_empty());
    let verdicts = stage.verdicts().await;
    assert_eq!(verdicts.len(), 2);
    assert!(verdicts.iter().all(|line| line["verdict"] == "dropped"), "{verdicts:?}");
}

#[tokio::test]
async fn a_webhook_without_alerts_is_not_lost() {
    let stage = Setup::new().await.start().await;
    stage.done(&event("none", SENT, &[])).await;
    assert_eq!(stage.published().len(), 1);
}

#[tokio::test]
async fn sns_takes_every_name() {
    let stage = Setup::new().await.config(EACH_ALONE).start().await;
    let long = "n".repeat(300);
    let long_emoji = "🔥".repeat(300);
    let long_korean = "가".repeat(300);
    let names = [
        "디스크 사용량 초과",
        "🔥 API down 🚨",
        "🔥",
        "two\nlines\r\nand a \ttab",
        "\u{7}\u{0}\u{1b}[31m",
        "\u{2028}\u{2029}\u{fffe}\u{ffff}",
        "  ",
        "",
        "a\u{301}\u{200d}\u{202e}",
        &long,
        &long_emoji,
        &long_korean,
    ];
    let alerts: Vec<_> = names.iter().map(|name| alert(name)).collect();
    stage.done(&event("names", SENT, &alerts)).await;
    assert_eq!(stage.published().len(), names.len());
    // No message needed a second try without its subject, or any other.
    assert_eq!(stage.calls(), calls(&[(10, "ok"), (2, "ok")]));
    let subjects = stage.subjects();
    assert_eq!(subjects[..4], ["디스크 사용량 초과", "🔥 API down 🚨", "🔥", "two lines and a tab"]);
    assert!(subjects.iter().all(|subject| subject.chars().count() <= 99));
    for (name, published) in names.iter().zip(stage.published()) {
        let json = payload(&published.message).unwrap();
        assert_eq!(json["alerts"][0]["labels"]["alertname"], **name, "the payload has it as it is");
    }
}
