//! Invariant: no secret is printed, on any path.
//!
//! [`crate::stage`] looks for the role's credentials at every step of every test, at the most talkative level; here are
//! the paths that nothing else takes, and a proof that the look sees something.

use alert_sandbox::SandboxOptions;
use tokio::task::JoinSet;

use crate::events::walkthrough;
use crate::stage::{Setup, error, payload};

#[tokio::test]
async fn the_log_is_talkative_enough_to_tell_a_secret() {
    let stage = Setup::new().await.start().await;
    stage.done(&walkthrough()).await;
    let log = stage.stop().await;
    assert!(log.contains("\"level\":\"TRACE\""), "nothing is traced: {log}");
    assert!(log.contains("\"outcome\":\"published\""), "{log}");
}

#[tokio::test]
async fn over_tls() {
    let setup = Setup::with("alerts", SandboxOptions { tls: true, seed: 0 }).await;
    let stage = setup.start().await;
    stage.done(&walkthrough()).await;
    assert_eq!(stage.published().len(), 3);
    stage.stop().await;
}

#[tokio::test]
async fn where_nobody_listens() {
    let stage = Setup::new().await.set("AWS_ENDPOINT_URL_SNS", "http://127.0.0.1:9").timeout(2).start().await;
    let invocation = stage.invoke(&walkthrough()).await;
    assert_eq!(error(&invocation).0, "sns_unavailable");
    stage.stop().await;
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
async fn a_webhook_in_any_setting() {
    const PATH: &str = "/services/T0AAAAAAA/B0AAAAAAA/aBcDeFgHiJkLmNoPqRsTuVw1";
    let mut running: JoinSet<()> = settings()
        .into_iter()
        .map(|setting| async move {
            let url = format!("http://127.0.0.1:9{PATH}");
            for value in [url.clone(), format!("arn:{url}"), format!("arn:aws:sns:{url}")] {
                let stage = Setup::new().await.timeout(3).set(setting, &value).try_start().await;
                let invocation = stage.invoke(&walkthrough()).await;
                let published: Vec<_> = stage
                    .published()
                    .into_iter()
                    .map(|published| (payload(&published.message), published))
                    .collect();
                let said = format!(
                    "{invocation:?} {:?} {published:?} {}",
                    stage.function.init_error(),
                    stage.stop().await
                );
                assert!(!said.contains(PATH) && !said.contains("aBcDeFgHiJ"), "{setting}: {said}");
                assert!(setting != "ALERT_CONFIG_FILE" || published.len() == 4, "{said}");
            }
        })
        .collect();
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}
