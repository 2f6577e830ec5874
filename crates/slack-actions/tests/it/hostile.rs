//! Who is not Slack, or is but sends what it never does: refused without a word, and nothing happens.

use std::time::{Duration, Instant};

use alert_sandbox::slack::Interaction;
use chrono::Utc;
use serde_json::{Value, json};

use crate::stage::{KIM, Setup};

#[tokio::test]
async fn what_slack_has_not_signed_is_refused() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    let good = stage.interaction(&ts, KIM, "acknowledge", None);
    let at = |seconds: i64| (Utc::now().timestamp() + seconds).to_string();
    let secret = stage.app.signing_secret.clone();
    let signed = |timestamp: &str, body: &str| Interaction::signed(&secret, timestamp, body);
    let other = "00000000000000000000000000000000";
    let changed = good.body.replace("U0KIM", "U0EVE");
    let large = format!("payload={}", "x".repeat(1 << 20));
    let long = "9".repeat(5_000);
    let zeros = format!("v0={}", "0".repeat(64));
    for (name, interaction) in [
        ("another app's", Interaction::signed(other, &good.timestamp, &good.body)),
        ("old", signed(&at(-301), &good.body)),
        ("of times to come", signed(&at(301), &good.body)),
        ("changed", Interaction { body: changed, ..good.clone() }),
        ("cut", Interaction { body: good.body[..200].to_owned(), ..good.clone() }),
        ("no signature", Interaction { signature: String::new(), ..good.clone() }),
        ("half a signature", Interaction { signature: good.signature[..20].to_owned(), ..good.clone() }),
        ("zeros", Interaction { signature: zeros, ..good.clone() }),
        ("no time", Interaction { timestamp: String::new(), ..good.clone() }),
        ("words for a time", Interaction { timestamp: "now".to_owned(), ..good.clone() }),
        ("a long time", Interaction { timestamp: long, ..good.clone() }),
        ("another time", Interaction { timestamp: at(1), ..good.clone() }),
        ("a megabyte", signed(&at(0), &large)),
        ("a megabyte, unsigned", Interaction { body: large.clone(), ..good.clone() }),
    ] {
        let began = Instant::now();
        let status = stage.send(&interaction).await;
        assert!(status == 401 || status == 400, "{name}: {status}");
        assert!(began.elapsed() < Duration::from_secs(2), "{name}: {:?}", began.elapsed());
    }
    // Headers that are missing, or come twice.
    let event = good.proxy_event();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = event.clone();
        change(&mut event);
        event
    };
    for event in [
        with(&|event| {
            event["multiValueHeaders"]["X-Slack-Signature"] = json!([good.signature, good.signature]);
        }),
        with(&|event| event["multiValueHeaders"]["X-Slack-Signature"] = json!([])),
        with(&|event| {
            event["multiValueHeaders"] = Value::Null;
            event["headers"] = json!({});
        }),
        with(&|event| event["body"] = Value::Null),
        with(&|event| event["isBase64Encoded"] = true.into()),
        with(&|event| event["headers"] = "x".into()),
        json!({}),
        json!([]),
        json!("x"),
        Value::Null,
    ] {
        let status = stage.send_event(&event).await;
        assert!(status == 401 || status == 400, "{status}: {event}");
    }
    // Nothing was done, and nobody was told anything.
    assert!(!stage.shows(&ts).contains("is on it"));
    assert_eq!((stage.thread(&ts).len(), stage.ephemerals().len()), (0, 0));
    let (table, logged) = (stage.sandbox.dynamodb.items("alerts"), stage.actions.log());
    assert!(!json!(table).to_string().contains("U0EVE"));
    assert!(
        logged.contains("another secret has signed it") && logged.contains("more than five minutes off"),
        "{logged}"
    );
    // And the good one still counts, in whichever form API Gateway hands it on.
    let event = with(&|event| {
        use base64::Engine as _;
        event["multiValueHeaders"] = Value::Null;
        event["body"] = base64::prelude::BASE64_STANDARD.encode(&good.body).into();
        event["isBase64Encoded"] = true.into();
        let headers = event["headers"].as_object().unwrap().clone();
        event["headers"] = headers
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect::<serde_json::Map<_, _>>()
            .into();
    });
    assert_eq!(stage.send_event(&event).await, 200);
    assert!(stage.shows(&ts).contains("<@U0KIM> is on it"));
}

#[tokio::test]
async fn what_slack_signs_and_is_no_press_is_refused() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    let payload = stage.interaction(&ts, KIM, "acknowledge", None).payload();
    let secret = stage.app.signing_secret.clone();
    let now = Utc::now().timestamp().to_string();
    let with = |name: &str, value: Value| {
        let mut payload = payload.clone();
        payload[name] = value;
        Interaction::of(&secret, &payload)
    };
    let body = |body: String| Interaction::signed(&secret, &now, &body);
    for (name, interaction) in [
        ("a modal", with("type", json!("view_submission"))),
        ("a shortcut", with("type", json!("message_action"))),
        ("no action", with("actions", json!([]))),
        ("no user", with("user", Value::Null)),
        ("no message", with("container", json!({"type": "view", "view_id": "V1"}))),
        (
            "a key of ours",
            with("container", json!({"type": "message", "channel_id": "C1|x", "message_ts": "1.1"})),
        ),
        ("deep", body(format!("payload={}", "%5B".repeat(100_000)))),
        ("deep objects", body(format!("payload={}1", "{\"a\":".repeat(50_000)))),
        ("no form", body(payload.to_string())),
        ("twice", body("payload=%7B%7D&payload=%7B%7D".to_owned())),
        ("no UTF-8", body("payload=%ff%fe%00".to_owned())),
        ("empty", body(String::new())),
        ("a URL check", body("ssl_check=1&token=x".to_owned())),
        ("a command", body("command=%2Falert&text=x".to_owned())),
    ] {
        assert_eq!(stage.send(&interaction).await, 400, "{name}");
    }
    // A button that opens a page tells of itself, and waits for nothing but an answer.
    let link =
        with("actions", json!([{"type": "button", "action_id": "Xyz", "block_id": "b", "action_ts": "1.1"}]));
    assert_eq!(stage.send(&link).await, 200);
    assert_eq!((stage.thread(&ts).len(), stage.ephemerals().len()), (0, 0));
}
