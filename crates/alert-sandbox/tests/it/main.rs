//! The stand-ins, tried with plain HTTP, with AWS's SDK and with real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

mod cloudwatch;
mod dynamodb;
mod dynamodb_query;
mod eventbridge;
mod history;
mod kms;
mod lambda;
mod logs;
mod moto;
mod mute;
mod sdk;
mod slack;
mod slack_app;
mod slack_click;
mod slack_interactive;
mod sns;
mod sqs;
mod tls;

use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::Value;

/// A signature in the right form.
const SIGNATURE: &str = "Credential=ASIA/20260101/us-east-1/SERVICE/aws4_request, SignedHeaders=host, \
    Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn authorization(service: &str) -> String {
    format!("AWS4-HMAC-SHA256 {}", SIGNATURE.replace("SERVICE", service))
}

fn client() -> reqwest::Client {
    // The first test that comes here installs it.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    // Without the system's certificates, which take long to load.
    reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap()
}

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxOptions::default()).await.unwrap()
}

/// A call of a service's JSON protocol; `target` is the operation with the service's name before it.
async fn call_json(url: &str, service: &str, target: &str, request: &Value) -> (u16, Value) {
    let version = if service == "monitoring" { "1.0" } else { "1.1" };
    let answer = client()
        .post(url)
        .header("x-amz-target", target)
        .header("content-type", format!("application/x-amz-json-{version}"))
        .header("authorization", authorization(service))
        .body(request.to_string())
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}
