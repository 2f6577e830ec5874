//! The function's real binary against a stand-in for KMS.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(missing_docs, reason = "the names of tests say what they show")]

use std::time::Duration;

use alert_sandbox::kms::KmsFault;
use alert_sandbox::lambda::{Function, FunctionSpec, Outcome};
use alert_sandbox::{Sandbox, SandboxOptions};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const NAME: &str = "authorizer";
const CREDENTIAL: &str = "grafana:correct-horse-battery";
const METHOD_ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abc123/live/POST/grafana";

async fn sandbox() -> Sandbox {
    Sandbox::start(SandboxOptions { tls: true, seed: 1 }).await.unwrap()
}

fn encrypted(sandbox: &Sandbox, plaintext: &str) -> String {
    sandbox.kms.encrypt(plaintext, &[("LambdaFunctionName", NAME)])
}

async fn start(sandbox: &Sandbox, setting: Option<&str>) -> Function {
    let settings = setting.map(|value| ("kmsEncryptedCredential", value));
    let spec = FunctionSpec::new(NAME, env!("CARGO_BIN_EXE_grafana-webhook-authorizer"))
        .with_environment(sandbox.environment())
        .with_environment(settings);
    Function::start(spec).await.unwrap()
}

fn token(authorization: &str) -> String {
    json!({"type": "TOKEN", "authorizationToken": authorization, "methodArn": METHOD_ARN}).to_string()
}

fn basic(credential: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(credential))
}

async fn effect(function: &Function, event: String) -> String {
    let outcome = function.invoke(event).await.outcome;
    let answer = outcome.response_json().unwrap_or_else(|| panic!("{outcome:?}\n{}", function.log()));
    let statement = &answer["policyDocument"]["Statement"];
    assert_eq!(statement.as_array().map(Vec::len), Some(1), "{answer}");
    assert_eq!(answer["policyDocument"]["Version"], "2012-10-17");
    assert_eq!(answer["principalId"], "grafana");
    assert_eq!(statement[0]["Action"], "execute-api:Invoke");
    assert_eq!(statement[0]["Resource"], METHOD_ARN);
    statement[0]["Effect"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn who_shows_the_credential_is_let_in_and_nobody_else() {
    let sandbox = sandbox().await;
    let function = start(&sandbox, Some(&encrypted(&sandbox, CREDENTIAL))).await;
    assert_eq!(effect(&function, token(&basic(CREDENTIAL))).await, "Allow");
    assert_eq!(effect(&function, token(&format!("Bearer {CREDENTIAL}"))).await, "Allow");
    let request =
        json!({"type": "REQUEST", "headers": {"authorization": basic(CREDENTIAL)}, "methodArn": METHOD_ARN});
    assert_eq!(effect(&function, request.to_string()).await, "Allow");

    let wrong = "grafana:what-somebody-tried";
    assert_eq!(effect(&function, token(&basic(wrong))).await, "Deny");
    assert_eq!(effect(&function, token(wrong)).await, "Deny");
    let nothing = json!({"type": "REQUEST", "headers": {"Host": "h"}, "methodArn": METHOD_ARN});
    assert_eq!(effect(&function, nothing.to_string()).await, "Deny");

    assert!(function.wait_for_log("there is no Authorization header", Duration::from_secs(5)).await);
    let log = function.log();
    assert!(log.contains("denied") && log.contains("the credential is wrong"), "{log}");
    for secret in [
        "correct-horse",
        "somebody-tried",
        &BASE64_STANDARD.encode(wrong),
        &BASE64_STANDARD.encode(CREDENTIAL),
    ] {
        assert!(!log.contains(secret), "{log}");
    }
    // Decrypted once, for this function.
    let calls = sandbox.kms.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0].context, [("LambdaFunctionName".to_owned(), NAME.to_owned())].into());
}

#[tokio::test]
async fn what_is_wrong_with_the_setting_is_said_at_the_start() {
    let sandbox = sandbox().await;
    let elsewhere = sandbox.kms.encrypt(CREDENTIAL, &[("LambdaFunctionName", "another")]);
    for (setting, error_type, remedy) in [
        (None, "credential_missing", "is not set"),
        (Some("not base64!".to_owned()), "credential_not_base64", "aws kms encrypt"),
        (Some(String::from("AAAA").repeat(3_000)), "credential_not_ciphertext", "6144"),
        (Some(encrypted(&sandbox, "short")), "credential_invalid", "USER:PASSWORD"),
        (Some(elsewhere), "kms_refused", "LambdaFunctionName=authorizer"),
    ] {
        let function = start(&sandbox, setting.as_deref()).await;
        let Some(Outcome::InitError { error_type: reported, message, .. }) = function.init_error() else {
            panic!("{error_type}: {}", function.log());
        };
        assert_eq!(reported, error_type);
        assert!(message.contains("kmsEncryptedCredential") && message.contains(remedy), "{message}");
        assert!(!message.contains("horse"), "{message}");
    }
}

#[tokio::test]
async fn while_kms_cannot_be_had_nobody_is_let_in_and_then_all_is_well() {
    let sandbox = sandbox().await;
    let ciphertext = encrypted(&sandbox, CREDENTIAL);
    sandbox.kms.set_fault(KmsFault::Unavailable);
    let function = start(&sandbox, Some(&ciphertext)).await;
    assert_eq!(function.init_error(), None);
    let Outcome::Error { error_type, .. } = function.invoke(token(&basic(CREDENTIAL))).await.outcome else {
        panic!("{}", function.log());
    };
    assert_eq!(error_type, "kms_unavailable");
    sandbox.kms.set_fault(KmsFault::None);
    assert_eq!(effect(&function, token(&basic(CREDENTIAL))).await, "Allow");
}

#[tokio::test]
async fn an_event_of_another_kind_is_an_error() {
    let sandbox = sandbox().await;
    let function = start(&sandbox, Some(&encrypted(&sandbox, CREDENTIAL))).await;
    for event in [json!({"Records": []}), Value::Null] {
        let Outcome::Error { error_type, .. } = function.invoke(event.to_string()).await.outcome else {
            panic!("{}", function.log());
        };
        assert_eq!(error_type, "not_an_authorizer_event");
    }
}
