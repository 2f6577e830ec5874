//! Invariant: no secret is printed, on any path.
//!
//! [`crate::stage`] looks for the role's credentials at every step of every test, at the most talkative level; here are
//! the paths that nothing else takes, and a proof that the look sees something.

use alert_sandbox::SandboxOptions;

use crate::events::walkthrough;
use crate::stage::{Setup, error};

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
