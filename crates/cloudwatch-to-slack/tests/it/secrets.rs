//! Invariant: no secret is printed, on any path.
//!
//! [`crate::stage`] looks for secrets at every step of every test; here are the paths that nothing else takes, and a
//! proof that the look sees something.

use std::time::Duration;

use alert_sandbox::kms::KmsFault;
use alert_sandbox::slack::{Answer, WebhookState};

use crate::events::{alarms, http, sns, sqs, walkthrough};
use crate::stage::{Setup, Stage, at_once};

#[tokio::test]
async fn the_log_is_talkative_enough_to_tell_a_secret() {
    // The AWS SDK prints the body of a signed request then, which is the ciphertext.
    let stage = Setup::new().await.set("LOG_SIGNABLE_BODY", "true").start().await;
    stage.invoke(&walkthrough()).await;
    let log = stage.stop().await;
    assert!(log.contains("\"level\":\"TRACE\""), "nothing is traced: {log}");
    assert!(log.contains("\"outcome\":\"delivered\""), "{log}");
}

/// One event after another, each in all the ways in which it can be answered.
async fn talk(stage: &Stage) {
    let slack = &stage.sandbox.slack;
    for (number, answer) in [
        Answer::Status { code: 429, body: "rate_limited".to_owned(), retry_after: Some(1) },
        Answer::Status { code: 500, body: "fatal_error".to_owned(), retry_after: None },
        Answer::Status { code: 302, body: String::new(), retry_after: None },
        Answer::Status { code: 400, body: "invalid_blocks".to_owned(), retry_after: None },
        Answer::Status { code: 404, body: "no_service".to_owned(), retry_after: None },
        Answer::Status { code: 403, body: "invalid_token".to_owned(), retry_after: None },
        Answer::Reset { accepted: false },
        Answer::Hang(Duration::from_mins(1)),
    ]
    .into_iter()
    .enumerate()
    {
        let fault = answer.clone();
        slack.set_plan(Box::new(move |_| Some(fault.clone())));
        stage.invoke(&sns(&format!("talk-{number}"), &alarms(2))).await;
        slack.clear_faults();
    }
    for state in [WebhookState::Removed, WebhookState::Active] {
        slack.set_state("ops", state);
        stage.invoke(&sqs(&alarms(2))).await;
        stage.invoke(&http("a text")).await;
        stage.invoke_raw("no JSON").await;
    }
}

#[tokio::test]
async fn whatever_slack_answers() {
    let stage = Setup::new().await.timeout(2).start().await;
    talk(&stage).await;
    let log = stage.stop().await;
    assert!(log.contains("slack_webhook_refused") && log.contains("slack_timeout"), "{log}");
}

#[tokio::test]
async fn whatever_kms_answers() {
    let faults = [
        KmsFault::Deny,
        KmsFault::Disabled,
        KmsFault::Unavailable,
        KmsFault::Throttle(1_000),
        KmsFault::Hang(Duration::from_millis(200)),
        KmsFault::Delay(Duration::from_millis(50)),
    ];
    at_once(faults.into_iter().map(|fault| async move {
        let setup = Setup::new().await.timeout(2);
        setup.sandbox.kms.set_fault(fault);
        let stage = setup.try_start().await;
        stage.invoke(&walkthrough()).await;
        assert!(!stage.stop().await.is_empty());
    }))
    .await;
}

#[tokio::test]
async fn a_webhook_in_the_wrong_place_of_the_configuration() {
    let url = Setup::new().await.webhook.url;
    let path = &url[url.find("/services/").unwrap()..];
    let last = path.rsplit('/').next().unwrap();
    for config in [
        format!("receivers: [{{name: default, webhook: '{url}'}}]"),
        format!("receivers: [{{name: default, webhook: 'kms:{url}'}}]"),
        format!("receivers: [{{name: default, channel: '{url}', colour: red}}]"),
        format!("'{url}': 1"),
        format!("route: {{receiver: '{url}'}}"),
        url.clone(),
        format!("route:\n  receiver: {url}\n bad"),
    ] {
        let stage = Setup::new().await.set("ALERT_CONFIG", &config).start().await;
        stage.invoke(&walkthrough()).await;
        assert_eq!(stage.messages().len(), 1, "{config}");
        let said = format!("{}{:?}", stage.stop().await, stage.messages());
        assert!(!said.contains(path) && !said.contains(last), "{config}: {said}");
    }
}

/// Every setting that is read, out of the file that names them; all but the Runtime API's address, without which the
/// sandbox would not hear of anything.
fn settings() -> Vec<&'static str> {
    let names = include_str!("../../../alert-io/src/settings.rs").lines();
    let names = names.filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1));
    let names: Vec<_> = names.filter(|name| *name != "AWS_LAMBDA_RUNTIME_API").collect();
    assert!(names.len() > 15 && names.contains(&"SSL_CERT_FILE"), "{names:?}");
    names
}

#[tokio::test]
async fn a_secret_of_slacks_in_any_other_setting() {
    const URL: &str = "http://127.0.0.1:9/services/T0AAAAAAA/B0AAAAAAA/aBcDeFgHiJkLmNoPqRsTuVw1";
    const TOKEN: &str = "xoxb-1-2-abcdefghijkl";
    at_once(settings().into_iter().map(|setting| async move {
        for value in [URL.to_owned(), format!("arn:{URL}"), URL.replace("http://", ""), TOKEN.to_owned()] {
            let setup = Setup::new().await.never_told(URL).never_told(TOKEN).timeout(3).set(setting, &value);
            let stage = setup.try_start().await;
            stage.invoke(&walkthrough()).await;
            let log = stage.stop().await;
            assert!(!log.is_empty(), "{setting}");
            if ["ALERT_CONFIG", "ALERT_CONFIG_FILE", "slackChannel"].contains(&setting) {
                let said = stage.messages();
                assert!(said.len() == 1 && said[0].contains(setting), "{setting}: {said:?}\n{log}");
            }
        }
    }))
    .await;
}

#[test]
fn a_webhook_for_the_address_of_the_runtime_api() {
    let url = "https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/aBcDeFgHiJkLmNoPqRsTuVw1";
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_cloudwatch-to-slack"))
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", url)
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        !output.status.success() && said.contains("AWS_LAMBDA_RUNTIME_API") && said.contains("not_on_lambda"),
        "{said}"
    );
    assert!(!said.contains("hooks.slack.com"), "{said}");
}
