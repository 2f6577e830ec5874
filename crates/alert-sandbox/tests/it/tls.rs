use std::fs;
use std::path::PathBuf;

use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::json;

#[tokio::test]
async fn https_is_trusted_by_the_sandbox_s_authority_alone() {
    let sandbox = Sandbox::start(SandboxOptions { tls: true, seed: 1 }).await.unwrap();
    let webhook = sandbox.slack.webhook("ops");
    assert!(webhook.url.starts_with("https://127.0.0.1:"), "{}", webhook.url);

    let body = json!({"text": "hello"}).to_string();
    assert!(super::client().post(&webhook.url).body(body.clone()).send().await.is_err());

    let environment = sandbox.environment();
    let (_, file) = environment.iter().find(|(name, _)| name == "SSL_CERT_FILE").unwrap();
    let authority = reqwest::Certificate::from_pem(&fs::read(file).unwrap()).unwrap();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    for url in [webhook.url.clone(), webhook.url.replace("127.0.0.1", "localhost")] {
        let answer = client.post(url).body(body.clone()).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "ok");
    }

    let file = PathBuf::from(file);
    drop(sandbox);
    assert!(!file.exists() && !file.parent().unwrap().exists());
}

#[tokio::test]
async fn nothing_listens_after_the_sandbox_is_gone() {
    let sandbox = super::sandbox().await;
    let webhook = sandbox.slack.webhook("ops");
    let client = super::client();
    sandbox.slack.then(alert_sandbox::slack::Answer::Hang(std::time::Duration::from_mins(10)));
    let request = client.post(&webhook.url).body("{}").send();
    let hanging = tokio::spawn(request);
    while sandbox.slack.posts().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(sandbox);
    assert!(hanging.await.unwrap().is_err());
    assert!(client.post(&webhook.url).body("{}").send().await.is_err());
}
