//! KMS when it is not well: alarms are rare, and one that came must not wait for the next deployment.

use std::time::Duration;

use alert_sandbox::kms::KmsFault;

use crate::events::{alarm, sns, sqs, walkthrough};
use crate::stage::{Setup, at_once, error};

const FOR_GOOD: KmsFault = KmsFault::Hang(Duration::from_mins(2));

#[tokio::test]
async fn a_short_throttle_is_not_noticed() {
    let setup = Setup::new().await;
    setup.sandbox.kms.set_fault(KmsFault::Throttle(2));
    let stage = setup.start().await;
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    assert_eq!(stage.messages().len(), 1);
}

#[tokio::test]
async fn what_the_start_could_not_get_the_invocation_gets() {
    at_once([KmsFault::Throttle(7), KmsFault::Unavailable].into_iter().map(|fault| async move {
        let setup = Setup::new().await;
        setup.sandbox.kms.set_fault(fault.clone());
        let stage = setup.start().await;
        stage.logged("KMS could not decrypt kmsEncryptedHookUrl now").await;
        if fault == KmsFault::Unavailable {
            stage.sandbox.kms.set_fault(KmsFault::None);
        }
        assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
        assert!(stage.invoke(&sns("later", &[alarm("later")])).await.outcome.is_success());
        assert_eq!(stage.messages().len(), 2);
        // What it has, it keeps.
        let calls = stage.sandbox.kms.calls();
        assert_eq!(calls.iter().filter(|call| call.outcome == "ok").count(), 1, "{calls:?}");
    }))
    .await;
}

#[tokio::test]
async fn an_answer_without_an_end_is_none() {
    const MEBIBYTE: u64 = 1024 * 1024;
    let setup = Setup::new().await.timeout(6);
    setup.sandbox.kms.set_fault(KmsFault::Endless);
    let stage = setup.start().await;
    let invocation = stage.invoke(&walkthrough()).await;
    let (error_type, message) = error(&invocation);
    assert_eq!(error_type, "kms_unavailable");
    assert!(message.contains("an answer of more than 16 MiB"), "{message}");
    let peak = stage.function.peak_memory().unwrap();
    assert!(peak < 64 * MEBIBYTE, "{peak} bytes");

    stage.sandbox.kms.set_fault(KmsFault::None);
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
}

#[tokio::test]
async fn hanging_for_good_is_an_error_before_the_deadline_and_not_the_end() {
    let setup = Setup::new().await.timeout(6);
    setup.sandbox.kms.set_fault(FOR_GOOD);
    // Within Lambda's ten seconds, or the start were a failure.
    let stage = setup.start().await;
    let invocation = stage.invoke(&walkthrough()).await;
    let (error_type, message) = error(&invocation);
    assert_eq!(error_type, "kms_unavailable");
    assert!(message.contains("kmsEncryptedHookUrl"), "{message}");
    assert!(stage.sandbox.slack.posts().is_empty());
    // The queue hears that all of its messages are to come again.
    assert_eq!(error(&stage.invoke(&sqs(&[alarm("queued")])).await).0, "kms_unavailable");
    stage.logged("kms_unavailable").await;

    stage.sandbox.kms.set_fault(KmsFault::None);
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    assert_eq!(stage.messages().len(), 1);
}

#[tokio::test]
async fn what_turns_out_to_be_refused_for_good_is_said_by_every_invocation() {
    let setup = Setup::new().await;
    setup.sandbox.kms.set_fault(KmsFault::Unavailable);
    let stage = setup.start().await;
    stage.sandbox.kms.set_fault(KmsFault::Deny);
    for _ in 0..2 {
        let invocation = stage.invoke(&walkthrough()).await;
        let (error_type, message) = error(&invocation);
        assert_eq!(error_type, "kms_refused");
        assert!(message.contains("AccessDeniedException") && message.contains("role"), "{message}");
    }
    // Somebody fixes the role; no deployment is needed for that to help.
    stage.sandbox.kms.set_fault(KmsFault::None);
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
}
