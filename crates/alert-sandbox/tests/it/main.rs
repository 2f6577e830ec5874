//! The stand-ins, tried with plain HTTP and with real processes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

mod dynamodb;
mod eventbridge;
mod kms;
mod lambda;
mod slack;
mod slack_app;
mod sns;
mod sqs;
mod tls;

use alert_sandbox::{Sandbox, SandboxOptions};

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
