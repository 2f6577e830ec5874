use std::time::{Duration, Instant};

use alert_sandbox::Sandbox;
use alert_sandbox::kms::{CIPHERTEXT_MAX_BYTES, DEFAULT_ALIAS, KmsFault, PLAINTEXT_MAX_BYTES};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

async fn call(sandbox: &Sandbox, operation: &str, request: Value) -> (u16, Value) {
    let answer = super::client()
        .post(sandbox.kms.url())
        .header("x-amz-target", format!("TrentService.{operation}"))
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", super::authorization("kms"))
        .body(request.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.1");
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

async fn decrypt(sandbox: &Sandbox, blob: &str, context: Value) -> (u16, Value) {
    call(sandbox, "Decrypt", json!({"CiphertextBlob": blob, "EncryptionContext": context})).await
}

fn invalid_ciphertext() -> (u16, Value) {
    (400, json!({"__type": "InvalidCiphertextException"}))
}

#[tokio::test]
async fn a_ciphertext_opens_with_its_own_context_only() {
    let sandbox = super::sandbox().await;
    let blob = sandbox.kms.encrypt("hook", &[("LambdaFunctionName", "relay"), ("a", "b")]);
    assert!(blob.starts_with("AQICAH"), "{blob}");
    let (status, answer) = decrypt(&sandbox, &blob, json!({"a": "b", "LambdaFunctionName": "relay"})).await;
    assert_eq!((status, &answer["Plaintext"]), (200, &json!(BASE64.encode("hook"))));
    for context in [
        json!(null),
        json!({}),
        json!({"LambdaFunctionName": "relay"}),
        json!({"LambdaFunctionName": "Relay", "a": "b"}),
        json!({"LambdaFunctionName": "relay", "a": "b", "c": "d"}),
        json!({"LambdaFunctionName": "relaya", "": "b"}),
    ] {
        assert_eq!(decrypt(&sandbox, &blob, context).await, invalid_ciphertext());
    }
    let outcomes: Vec<_> = sandbox.kms.calls().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes[..2], ["ok", "InvalidCiphertextException"]);
    assert_eq!(sandbox.kms.calls()[0].context["LambdaFunctionName"], "relay");
}

#[tokio::test]
async fn every_byte_of_a_ciphertext_counts() {
    let sandbox = super::sandbox().await;
    let blob = BASE64.decode(sandbox.kms.encrypt("hook", &[])).unwrap();
    for index in [0, 4, 5, 20, 45, blob.len() - 1] {
        let mut changed = blob.clone();
        changed[index] ^= 1;
        assert_eq!(
            decrypt(&sandbox, &BASE64.encode(changed), json!({})).await,
            invalid_ciphertext(),
            "{index}"
        );
    }
    assert_eq!(decrypt(&sandbox, &BASE64.encode(&blob[..30]), json!({})).await, invalid_ciphertext());
}

#[tokio::test]
async fn encrypt_over_the_wire_at_the_limit_and_beyond() {
    let sandbox = super::sandbox().await;
    let request = |bytes: usize| json!({"KeyId": DEFAULT_ALIAS, "Plaintext": BASE64.encode(vec![7; bytes])});
    let (status, answer) = call(&sandbox, "Encrypt", request(PLAINTEXT_MAX_BYTES)).await;
    assert_eq!(status, 200);
    let (status, answer) = decrypt(&sandbox, answer["CiphertextBlob"].as_str().unwrap(), json!({})).await;
    assert_eq!((status, &answer["Plaintext"]), (200, &json!(BASE64.encode(vec![7; PLAINTEXT_MAX_BYTES]))));
    for bytes in [0, PLAINTEXT_MAX_BYTES + 1] {
        let (status, answer) = call(&sandbox, "Encrypt", request(bytes)).await;
        assert_eq!((status, &answer["__type"]), (400, &json!("ValidationException")));
    }
    let at = decrypt(&sandbox, &BASE64.encode(vec![1; CIPHERTEXT_MAX_BYTES]), json!({})).await;
    assert_eq!(at, invalid_ciphertext());
    let (_, beyond) = decrypt(&sandbox, &BASE64.encode(vec![1; CIPHERTEXT_MAX_BYTES + 1]), json!({})).await;
    assert_eq!(beyond["__type"], "ValidationException");
}

#[tokio::test]
async fn keys_are_found_by_alias_arn_and_id() {
    let sandbox = super::sandbox().await;
    let other = sandbox.kms.create_key();
    sandbox.kms.create_alias("alias/other", &other);
    let id = other.rsplit('/').next().unwrap();
    for name in ["alias/other", "arn:aws:kms:us-east-1:123456789012:alias/other", &other, id] {
        let (status, answer) =
            call(&sandbox, "Encrypt", json!({"KeyId": name, "Plaintext": BASE64.encode("x")})).await;
        assert_eq!((status, answer["KeyId"].as_str()), (200, Some(other.as_str())), "{name}");
        let (_, answer) = call(&sandbox, "DescribeKey", json!({"KeyId": name})).await;
        assert_eq!(answer["KeyMetadata"]["Arn"], json!(other));
    }
    let (status, answer) = call(&sandbox, "DescribeKey", json!({"KeyId": "alias/none"})).await;
    assert_eq!((status, &answer["__type"]), (400, &json!("NotFoundException")));

    let blob = sandbox.kms.encrypt("x", &[]);
    let (_, answer) = call(&sandbox, "Decrypt", json!({"CiphertextBlob": blob, "KeyId": other})).await;
    assert_eq!(answer["__type"], "IncorrectKeyException");

    sandbox.kms.set_enabled(DEFAULT_ALIAS, false);
    let (_, answer) = decrypt(&sandbox, &blob, json!({})).await;
    assert_eq!(answer["__type"], "DisabledException");
}

#[tokio::test]
async fn an_unsigned_request_is_refused() {
    let sandbox = super::sandbox().await;
    for authorization in ["", "Bearer x", &super::authorization("sns")] {
        let answer = super::client()
            .post(sandbox.kms.url())
            .header("x-amz-target", "TrentService.Decrypt")
            .header("authorization", authorization)
            .body("{}")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 400);
        assert!(answer.text().await.unwrap().contains("MissingAuthenticationTokenException"));
    }
}

#[tokio::test]
async fn faults() {
    let sandbox = super::sandbox().await;
    let blob = sandbox.kms.encrypt("x", &[]);
    for (fault, status, kind) in [
        (KmsFault::Deny, 400, "AccessDeniedException"),
        (KmsFault::Disabled, 400, "DisabledException"),
        (KmsFault::Unavailable, 500, "KMSInternalException"),
        (KmsFault::Throttle(1), 400, "ThrottlingException"),
    ] {
        sandbox.kms.set_fault(fault);
        let (got, answer) = decrypt(&sandbox, &blob, json!({})).await;
        assert_eq!((got, &answer["__type"]), (status, &json!(kind)));
    }
    assert_eq!(decrypt(&sandbox, &blob, json!({})).await.0, 200, "a throttle wears off");

    sandbox.kms.set_fault(KmsFault::Delay(Duration::from_millis(50)));
    let started = Instant::now();
    assert_eq!(decrypt(&sandbox, &blob, json!({})).await.0, 200);
    assert!(started.elapsed() >= Duration::from_millis(50));

    sandbox.kms.set_fault(KmsFault::Hang(Duration::from_millis(50)));
    let request = super::client()
        .post(sandbox.kms.url())
        .header("x-amz-target", "TrentService.Decrypt")
        .header("authorization", super::authorization("kms"))
        .body(json!({"CiphertextBlob": blob}).to_string());
    assert!(request.send().await.is_err());
    assert_eq!(sandbox.kms.calls().last().unwrap().outcome, "no answer");
}
