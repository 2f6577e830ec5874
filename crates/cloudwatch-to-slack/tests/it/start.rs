//! From the settings to the first message, and what is said where there can be none.

use alert_sandbox::kms::{DEFAULT_ALIAS, KmsFault};
use alert_sandbox::lambda::Outcome;
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::json;

use crate::events::{alarm, sns, walkthrough};
use crate::stage::{SOON, Setup, Stage, answer, context};

/// The walkthrough's event arrives once, after this many calls of KMS.
async fn assert_delivers(setup: Setup, kms_calls: usize) -> Stage {
    let stage = setup.start().await;
    assert_eq!(answer(&stage.invoke(&walkthrough()).await), json!({"alerts": 1, "posts": 1}));
    let posts = stage.sandbox.slack.posts();
    assert_eq!(posts.len(), 1, "{posts:?}");
    assert!(posts[0].accepted && posts[0].why.is_none(), "{posts:?}");
    assert!(
        posts[0].payload["text"].as_str().unwrap().starts_with("🔴 Example alarm name: DeliveryErrors 10"),
        "{posts:?}"
    );
    let calls = stage.sandbox.kms.calls();
    assert_eq!(calls.len(), kms_calls, "{calls:?}");
    assert_eq!(calls.last().unwrap().outcome, "ok");
    stage.stop().await;
    stage
}

#[tokio::test]
async fn the_walkthrough_is_posted_once_after_one_call_of_kms() {
    let stage = assert_delivers(Setup::new().await, 1).await;
    let call = stage.sandbox.kms.calls().remove(0);
    assert_eq!(call.operation, "Decrypt");
    assert_eq!(call.context.into_iter().collect::<Vec<_>>(), [("LambdaFunctionName".into(), "relay".into())]);
    assert!(stage.sandbox.slack.posts()[0].payload.get("channel").is_none());
}

#[tokio::test]
async fn kms_is_called_at_the_start_alone() {
    let stage = assert_delivers(Setup::new().await, 1).await;
    // Stopped above: the next invocation is a cold start, the ones after it are not.
    for number in 0..3 {
        stage.invoke(&sns(&format!("later-{number}"), &[alarm("later")])).await;
    }
    assert_eq!(stage.sandbox.kms.calls().len(), 2);
    assert_eq!(stage.count("later"), 3);
}

#[tokio::test]
async fn tls_all_the_way_with_a_certificate_authority_of_ones_own() {
    let options = SandboxOptions { tls: true, seed: 1 };
    assert_delivers(Setup::with(options.clone()).await, 1).await;
    // The blueprint's form.
    let setup = Setup::with(options).await;
    let bare = setup.webhook.url.strip_prefix("https://").unwrap();
    let hook = setup.sandbox.kms.encrypt(bare, &context());
    assert_delivers(setup.hook(&hook), 1).await;
}

#[tokio::test]
async fn endpoint_and_authority_by_the_sdk_s_other_names() {
    let setup = Setup::with(SandboxOptions { tls: true, seed: 1 }).await;
    let mut environment = setup.sandbox.environment().into_iter();
    let ca_file = environment.find(|(name, _)| name == "SSL_CERT_FILE").unwrap().1;
    let url = setup.sandbox.kms.url();
    let setup = setup.set("SSL_CERT_FILE", "").set("AWS_CA_BUNDLE", &ca_file);
    assert_delivers(setup.set("AWS_ENDPOINT_URL_KMS", "").set("AWS_ENDPOINT_URL", &url), 1).await;
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_gets_no_post() {
    // KMS and Slack of two sandboxes: the function trusts the authority of the first.
    let setup = Setup::with(SandboxOptions { tls: true, seed: 1 }).await;
    let other = Sandbox::start(SandboxOptions { tls: true, seed: 2 }).await.unwrap();
    let hook = setup.sandbox.kms.encrypt(&other.slack.webhook("ops").url, &context());
    let stage = setup.hook(&hook).timeout(3).start().await;
    let invocation = stage.invoke(&walkthrough()).await;
    let Outcome::Error { error_type, message, .. } = &invocation.outcome else { panic!("{invocation:?}") };
    assert_eq!(error_type, "slack_unavailable");
    assert!(message.contains("certificate"), "{message}");
    assert!(other.slack.posts().is_empty());
}

#[tokio::test]
async fn every_form_of_the_ciphertext_and_of_what_it_holds() {
    let setup = Setup::new().await;
    let with_line_feed = setup.sandbox.kms.encrypt(format!("{}\n", setup.webhook.url), &context());
    assert_delivers(setup.hook(&with_line_feed), 1).await;

    // Without a context: once with it, in vain, and once without.
    let setup = Setup::new().await;
    let without_context = setup.sandbox.kms.encrypt(&setup.webhook.url, &[]);
    let stage = assert_delivers(setup.hook(&without_context), 2).await;
    let calls = stage.sandbox.kms.calls();
    assert_eq!(calls[0].outcome, "InvalidCiphertextException");
    assert!(!calls[0].context.is_empty() && calls[1].context.is_empty(), "{calls:?}");

    let setup = Setup::new().await;
    let hook = setup.sandbox.kms.encrypt(&setup.webhook.url, &context());
    let lines: Vec<&str> = hook.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    assert_delivers(setup.hook(&format!("  {}\r\n", lines.join("\n"))), 1).await;
}

#[tokio::test]
async fn the_channel_of_the_settings_is_asked_for() {
    let stage = assert_delivers(Setup::new().await.set("slackChannel", "#ops"), 1).await;
    assert_eq!(stage.sandbox.slack.posts()[0].payload["channel"], "#ops");
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked() {
    let mut setup = Setup::new().await;
    // Nobody listens there.
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
        setup = setup.set(name, "http://127.0.0.1:9");
    }
    assert_delivers(setup, 1).await;
}

/// The function does not start: `error_type`, and a message that names all of `expected`.
async fn assert_refuses(case: &str, setup: Setup, error_type: &str, expected: &[&str]) -> Stage {
    let stage = setup.try_start().await;
    let Some(Outcome::InitError { error_type: found, message, raw }) = stage.function.init_error() else {
        panic!("{case}: {:?}\n{}", stage.function.init_error(), stage.function.log());
    };
    assert_eq!(found, error_type, "{case}: {message}");
    for text in expected {
        assert!(message.contains(text), "{case}: no {text:?} in {message:?}");
    }
    assert!(!message.ends_with('.'), "{case}: {message}");
    let body: serde_json::Value = serde_json::from_slice(&raw).unwrap();
    assert_eq!(body["errorType"], error_type);
    stage.logged(error_type).await;
    assert!(stage.sandbox.slack.posts().is_empty(), "{case}");
    stage.check_output();
    // Lambda starts it anew, for nothing.
    let again = stage.invoke(&walkthrough()).await;
    assert!(matches!(again.outcome, Outcome::InitError { .. }), "{case}: {again:?}");
    assert!(stage.sandbox.slack.posts().is_empty(), "{case}");
    stage
}

const HOOK: &str = "kmsEncryptedHookUrl";

#[tokio::test]
async fn settings_that_are_missing_or_no_ciphertext() {
    for (case, value, error_type, expected) in [
        ("missing", "", "hook_url_missing", "alertctl encrypt-secret"),
        ("blank", "  \n", "hook_url_missing", "alertctl encrypt-secret"),
        (
            "the plain URL",
            "https://hooks.slack.com/services/T0/B0/abcdefghijkl",
            "hook_url_not_base64",
            "aws kms encrypt",
        ),
        ("not base64", "AQICAH*", "hook_url_not_base64", "aws kms encrypt"),
        ("something else in base64", "aGVsbG8gd29ybGQ=", "kms_refused", "encrypt the webhook's URL again"),
    ] {
        let setup = Setup::new().await.set(HOOK, value);
        let stage = assert_refuses(case, setup, error_type, &[HOOK, expected]).await;
        assert!(!stage.function.log().contains("abcdefghijkl"), "{case}: {}", stage.function.log());
    }
    let setup = Setup::new().await.set("AWS_ACCESS_KEY_ID", "");
    assert_refuses("no credentials", setup, "aws_identity_missing", &["AWS_ACCESS_KEY_ID", "role"]).await;
    for (setting, path) in
        [("SSL_CERT_FILE", "/nowhere/ca.pem"), ("AWS_CA_BUNDLE", env!("CARGO_MANIFEST_PATH"))]
    {
        let setup = Setup::new().await.set(setting, path);
        assert_refuses("bad authorities", setup, "ca_file_unusable", &[setting, path, "PEM"]).await;
    }
}

#[tokio::test]
async fn what_kms_refuses_for_good() {
    let setup = Setup::new().await;
    setup.sandbox.kms.set_fault(KmsFault::Deny);
    let expected = [HOOK, "AccessDeniedException", "kms:Decrypt", "LambdaFunctionName=relay"];
    let stage = assert_refuses("denied", setup, "kms_refused", &expected).await;
    // Somebody fixes the role: the next invocation starts the function anew.
    stage.sandbox.kms.set_fault(KmsFault::None);
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    assert_eq!(stage.sandbox.slack.accepted().len(), 1);

    let setup = Setup::new().await;
    setup.sandbox.kms.set_enabled(DEFAULT_ALIAS, false);
    assert_refuses("disabled", setup, "kms_refused", &[HOOK, "DisabledException", "enable it"]).await;

    let setup = Setup::new().await;
    let hook = setup.sandbox.kms.encrypt(&setup.webhook.url, &[("LambdaFunctionName", "old-name")]);
    let expected =
        [HOOK, "InvalidCiphertextException", "LambdaFunctionName=relay", "encrypt the webhook's URL again"];
    assert_refuses("another function's", setup.hook(&hook), "kms_refused", &expected).await;
}

#[tokio::test]
async fn what_is_no_webhook_once_decrypted() {
    let insecure = "http://hooks.slack.com/services/T0/B0/abcdefghijkl";
    for (case, plaintext, expected) in [
        ("a word", &b"abcdefghijkl"[..], "not a URL"),
        ("nothing", b"\n", "not a URL"),
        ("plain http", insecure.as_bytes(), "https only"),
        ("bytes", b"\xff\xfeabcdefghijkl", "not text"),
        ("a host alone", b"https://hooks-abcdefghijkl.example.com", "not a URL"),
    ] {
        let setup = Setup::new().await;
        let hook = setup.sandbox.kms.encrypt(plaintext, &context());
        let expected = [HOOK, expected, "Incoming Webhooks"];
        let stage = assert_refuses(case, setup.hook(&hook), "hook_url_invalid", &expected).await;
        let said = format!("{:?}\n{}", stage.function.init_error(), stage.function.log());
        assert!(!said.contains("abcdefghijkl"), "{case}: {said}");
    }
}

#[tokio::test]
async fn a_broken_setting_beside_the_hook_is_no_reason_not_to_start() {
    let setup = Setup::new().await.set("AWS_LAMBDA_LOG_LEVEL", "SHOUTING").set("slackChannel", "  ");
    let stage = setup.start().await;
    stage.invoke(&walkthrough()).await;
    let posts = stage.sandbox.slack.wait_for(1, SOON).await;
    assert!(posts[0].payload.get("channel").is_none(), "{posts:?}");
}
