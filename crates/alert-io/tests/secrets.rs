//! No error says a secret: not by Display, not by Debug, and not by any of the errors behind it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use alert_core::config::Config;
use alert_core::envelope;
use alert_core::outcome::{Failure, Outcome};
use alert_core::relay::{self, Deployment};
use alert_io::aws::{self, Identity};
use alert_io::bot_token::BotToken;
use alert_io::configuration;
use alert_io::filter::Filter;
use alert_io::http;
use alert_io::lambda::InvocationError;
use alert_io::relay::Relay;
use alert_io::secret::{DecryptFailure, Decryptor, Secret};
use alert_io::sender::{Sender, Sends as _};
use alert_io::settings::StartError;
use alert_io::webhook::WebhookUrl;
use alert_sandbox::kms::KmsFault;
use alert_sandbox::slack::Answer;
use alert_sandbox::{Sandbox, SandboxOptions};
use chrono::Utc;

const NAME: &str = "relay";
const CONTEXT: [(&str, &str); 1] = [("LambdaFunctionName", NAME)];
const SECRET_KEY: &str = "the-secret-access-key";
const LIMIT: Duration = Duration::from_millis(1_500);

/// Everything that an error can be made to say.
fn everything<E: Error>(error: &E) -> String {
    let mut said = format!("{error}\n{error:?}\n{error:#?}");
    let mut source = error.source();
    while let Some(inner) = source {
        said += &format!("\n{inner}\n{inner:?}");
        source = inner.source();
    }
    said
}

fn assert_silent(what: &str, said: &str, secrets: &[&str]) {
    for secret in secrets {
        assert!(!said.contains(secret), "{what} tells {secret:?}: {said}");
    }
}

/// A function's settings in a sandbox.
fn settings(sandbox: &Sandbox, hook: &str) -> HashMap<String, String> {
    let own = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "ASIA"),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ("AWS_LAMBDA_FUNCTION_NAME", NAME),
        ("kmsEncryptedHookUrl", hook),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
    sandbox.environment().into_iter().chain(own).collect()
}

async fn decrypt<S: Secret>(settings: &HashMap<String, String>, encoded: &str) -> Result<S, DecryptFailure> {
    let environment = |name: &str| settings.get(name).cloned();
    let client = http::client(&environment).unwrap();
    let identity = Identity::from_environment(&environment).unwrap();
    assert_silent("the identity", &format!("{identity:?}"), &[SECRET_KEY]);
    let decryptor = Decryptor::new(aws::kms(&environment, &identity, &client), NAME.to_owned());
    decryptor.decrypt("a setting", encoded, LIMIT).await
}

#[tokio::test]
async fn what_kms_refuses() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let webhook = sandbox.slack.webhook("ops").url;
    let good = sandbox.kms.encrypt(&webhook, &CONTEXT);
    let path = &webhook[webhook.find("/services/").unwrap()..];
    let secrets = [path, path.rsplit('/').next().unwrap(), &good[72..], SECRET_KEY];
    let settings = settings(&sandbox, &good);
    for fault in [
        KmsFault::Deny,
        KmsFault::Disabled,
        KmsFault::Unavailable,
        KmsFault::Throttle(100),
        KmsFault::Hang(Duration::from_mins(1)),
    ] {
        sandbox.kms.set_fault(fault.clone());
        let failure = decrypt::<WebhookUrl>(&settings, &good).await.unwrap_err();
        assert_silent(&format!("{fault:?}"), &everything(&failure), &secrets);
        // The start's own error is made of it, and the invocation's.
        let environment = |name: &str| settings.get(name).cloned();
        match Relay::start(&environment).await {
            Err(error) => assert_silent("the start error", &everything(&error), &secrets),
            Ok(_) => assert!(matches!(failure, DecryptFailure::Transient(_)), "{failure:?}"),
        }
    }
    sandbox.kms.set_fault(KmsFault::None);
    let url: WebhookUrl = decrypt(&settings, &good).await.unwrap();
    assert_silent("the URL itself", &format!("{url:?} {url:#?}"), &secrets);
}

#[tokio::test]
async fn what_is_no_webhook() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let secrets = ["abcdefghijkl", "/services/T0"];
    for plaintext in [
        &b"http://hooks.slack.com/services/T0/B0/abcdefghijkl"[..],
        b"abcdefghijkl",
        b"https://abcdefghijkl",
        b"https://hooks.slack.com/services/T0/B0/abcdefghijkl and more",
        b"ftp://hooks.slack.com/services/T0/B0/abcdefghijkl",
        b"https://[abcdefghijkl/services/",
        b"abcdefghijkl\xff",
    ] {
        let error = WebhookUrl::parse(plaintext).unwrap_err();
        assert_silent("the parser", &everything(&error), &secrets);
        let ciphertext = sandbox.kms.encrypt(plaintext, &CONTEXT);
        let failure = decrypt::<WebhookUrl>(&settings(&sandbox, ""), &ciphertext).await.unwrap_err();
        assert_silent("the decryption", &everything(&failure), &[secrets[0], secrets[1], &ciphertext[72..]]);
    }
    // A URL where its ciphertext belongs.
    let url = "https://hooks.slack.com/services/T0/B0/abcdefghijkl";
    let failure = decrypt::<WebhookUrl>(&settings(&sandbox, ""), url).await.unwrap_err();
    assert_silent("the setting", &everything(&failure), &secrets);
}

#[tokio::test]
async fn what_is_a_bot_token_and_what_is_none() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let settings = settings(&sandbox, "");
    let good = sandbox.kms.encrypt(b"xoxb-1-2-abcdefghijkl\n", &CONTEXT);
    let token: BotToken = decrypt(&settings, &good).await.unwrap();
    assert_silent("the token itself", &format!("{token:?} {token:#?}"), &["abcdefghijkl"]);
    for (plaintext, expected) in [
        (&b"xoxp-1-2-abcdefghijkl"[..], "user token"),
        (b"xapp-1-2-abcdefghijkl", "app-level token"),
        (b"xoxe.xoxp-1-abcdefghijkl", "configuration token"),
        (b"https://hooks.slack.com/services/T0/B0/abcdefghijkl", "kmsEncryptedHookUrl"),
        (b"xoxb-1-2 abcdefghijkl", "one word"),
        (b"xoxb-abcdefghijkl\xff", "not text"),
    ] {
        let ciphertext = sandbox.kms.encrypt(plaintext, &CONTEXT);
        let failure = decrypt::<BotToken>(&settings, &ciphertext).await.unwrap_err();
        let said = everything(&failure);
        assert!(said.contains("bot_token_invalid") && said.contains(expected), "{said}");
        assert!(said.contains("encrypt the Bot User OAuth Token"), "what to do is missing: {said}");
        assert_silent("the decryption", &said, &["abcdefghijkl", &ciphertext[72..]]);
    }
    for (setting, error_type) in [
        // The token where its ciphertext belongs.
        ("xoxb-1-2-abcdefghijkl".to_owned(), "bot_token_not_base64"),
        ("QUJD".repeat(2_049), "bot_token_not_ciphertext"),
    ] {
        let failure = decrypt::<BotToken>(&settings, &setting).await.unwrap_err();
        let said = everything(&failure);
        assert!(said.contains(error_type) && said.contains("alertctl encrypt-secret"), "{said}");
        assert_silent("the setting", &said, &["abcdefghijkl", "QUJDQUJD"]);
    }
}

#[tokio::test]
async fn what_slack_refuses_and_what_never_reached_it() {
    let sandbox = Sandbox::start(SandboxOptions { tls: true, seed: 1 }).await.unwrap();
    let webhook = sandbox.slack.webhook("ops").url;
    let path = webhook[webhook.find("/services/").unwrap()..].to_owned();
    let secrets = [path.as_str(), path.rsplit('/').next().unwrap()];
    let settings = settings(&sandbox, "");
    let trusting = http::client(&|name| settings.get(name).cloned()).unwrap();
    let distrustful = http::client(&|_| None).unwrap();

    let plain = webhook.replace("https://", "http://");
    let nowhere = format!("http://127.0.0.1:9{path}");
    let deployment = Deployment::new(Config::default());
    let posts = relay::plan(envelope::decode(b"{}"), &deployment, "request", Utc::now()).posts;
    let send = async |http: &reqwest::Client, url: &WebhookUrl, post| {
        Sender::Webhook { http: http.clone(), url: url.clone() }.send(post, LIMIT).await
    };
    let mut attempts = Vec::new();
    for (client, url) in [(&distrustful, &webhook), (&trusting, &plain), (&trusting, &nowhere)] {
        let url = WebhookUrl::parse(url.as_bytes()).unwrap();
        attempts.push(send(client, &url, &posts[0]).await);
    }
    let url = WebhookUrl::parse(webhook.as_bytes()).unwrap();
    for (code, body) in
        [(200, "strange"), (302, ""), (400, "invalid_blocks"), (404, &*path), (500, &*webhook)]
    {
        sandbox.slack.then(Answer::Status { code, body: body.to_owned(), retry_after: None });
        attempts.push(send(&trusting, &url, &posts[0]).await);
    }
    for answer in [Answer::Reset { accepted: false }, Answer::Hang(Duration::from_mins(1))] {
        sandbox.slack.then(answer);
        attempts.push(send(&trusting, &url, &posts[0]).await);
    }
    assert_eq!(attempts.len(), 10);
    let mut failures: Vec<Failure> = Vec::new();
    for attempt in attempts {
        assert_silent("an attempt", &format!("{attempt:?}"), &secrets);
        match attempt.outcome {
            Outcome::Delivered(_) => panic!("delivered, of all things"),
            Outcome::Retry { failure, .. }
            | Outcome::Unsure(failure)
            | Outcome::MessageRefused(failure)
            | Outcome::Gone(failure)
            | Outcome::TargetRefused(failure)
            | Outcome::SenderRefused(failure) => failures.push(failure),
        }
    }
    for failure in &failures {
        assert_silent("a failure", &everything(failure), &secrets);
    }
    let error = InvocationError::of(&failures.iter().collect::<Vec<_>>(), 10);
    assert_silent("the invocation's error", &format!("{error:?}"), &secrets);
}

/// Every setting that is read, out of the file that names them.
fn names_of_settings() -> Vec<&'static str> {
    let names = include_str!("../src/settings.rs").lines();
    let names: Vec<_> = names.filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1)).collect();
    assert!(names.len() > 15 && names.contains(&"SSL_CERT_FILE"), "{names:?}");
    names
}

/// Whatever is made of settings alone, with a webhook's URL or a bot token in the place of each of them.
#[tokio::test]
async fn what_a_wrong_setting_holds() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let webhook = sandbox.slack.webhook("ops").url;
    let hook = sandbox.kms.encrypt(&webhook, &CONTEXT);
    let path = &webhook[webhook.find("/services/").unwrap()..];
    let secrets = [path, path.rsplit('/').next().unwrap(), "abcdefghijkl"];
    for setting in names_of_settings() {
        for value in [
            webhook.clone(),
            format!("arn:aws:sns:{webhook}"),
            path.to_owned(),
            "xoxb-1-2-abcdefghijkl".to_owned(),
        ] {
            let mut settings = settings(&sandbox, &hook);
            settings.insert("SNS_TOPIC_ARN".to_owned(), "arn:aws:sns:us-east-1:111122223333:t".to_owned());
            settings.insert(setting.to_owned(), value);
            let environment = |name: &str| settings.get(name).cloned();
            let loaded = configuration::load(&environment);
            assert_silent(setting, &format!("{:?}", loaded.broken), &secrets);
            if let Err(error) = http::client(&environment) {
                assert_silent(setting, &everything(&error), &secrets);
            }
            if let Err(error) = Filter::start(&environment) {
                assert_silent(setting, &everything(&error), &secrets);
            }
            if let Err(problem) = alert_io::settings::slack_channel(&environment) {
                assert_silent(setting, &problem, &secrets);
            }
            // What is no KMS is asked again and again.
            if !setting.starts_with("AWS_ENDPOINT_URL")
                && let Err(error) = Relay::start(&environment).await
            {
                assert_silent(setting, &everything(&error), &secrets);
            }
        }
    }
}

#[test]
fn what_is_missing() {
    let all: HashMap<&str, &str> = HashMap::from([
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "ASIA"),
        ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
    ]);
    for missing in all.keys() {
        let environment = |name: &str| all.get(name).filter(|_| name != *missing).map(ToString::to_string);
        let error: StartError = Identity::from_environment(&environment).unwrap_err();
        assert!(error.message.contains(missing), "{error}");
        assert_silent("the identity", &everything(&error), &[SECRET_KEY]);
    }
}
