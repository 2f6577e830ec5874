use std::time::Duration;

use serde_json::{Value, json};

use super::lambda::odd_function;

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn grafana_s_webhook_comes_to_the_function_as_an_event() {
    let sandbox = super::sandbox().await;
    let function = odd_function().await;
    sandbox.eventbridge.add_target(&function);
    let post = async |body: String| {
        let answer = super::client().post(sandbox.eventbridge.grafana_url()).body(body).send().await.unwrap();
        serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap()
    };
    let answer = post(json!({"status": "firing", "alerts": []}).to_string()).await;
    assert_eq!(answer["FailedEntryCount"], 0);
    assert!(sandbox.eventbridge.settled(LONG).await);
    let invocations = sandbox.eventbridge.invocations();
    assert_eq!(invocations.len(), 1);
    let event = invocations[0].outcome.response_json().unwrap();
    assert_eq!(event["id"], answer["Entries"][0]["EventId"]);
    assert_eq!(event["detail"], json!({"status": "firing", "alerts": []}));
    assert_eq!((&event["detail-type"], &event["source"]), (&json!("grafana-alert"), &json!("grafana")));
    assert_eq!(event["time"].as_str().unwrap().len(), "2026-01-01T00:00:00Z".len());

    assert_eq!(post("[]".to_owned()).await["FailedEntryCount"], 1);
    let large = json!({"x": "x".repeat(1024 * 1024)}).to_string();
    assert_eq!(post(large).await["__type"], "ValidationException");
    assert!(sandbox.eventbridge.settled(LONG).await);
    assert_eq!(sandbox.eventbridge.invocations().len(), 1);
}

#[tokio::test]
async fn a_detail_is_delivered_as_an_asynchronous_event() {
    let sandbox = super::sandbox().await;
    let function = odd_function().await;
    let detail = json!({"state": {"value": "ALARM"}});
    let bus = &sandbox.eventbridge;
    let attempts = bus.deliver(&function, "aws.cloudwatch", "CloudWatch Alarm State Change", &detail).await;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].outcome.response_json().unwrap()["detail"], detail);
}
