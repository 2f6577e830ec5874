//! What SNS may do to a call, and that no alert is lost by it, or called published when it is not.

use std::time::Duration;

use alert_sandbox::sns::{SnsError, SnsFault};

use crate::events::{SENT, alert, event, many};
use crate::stage::{EACH_ALONE, Setup, Stage, calls, error};

/// Longer than any invocation.
const FOREVER: Duration = Duration::from_mins(10);

#[tokio::test]
async fn one_entry_of_ten_goes_out_again_alone() {
    let stage = Setup::new().await.config(EACH_ALONE).start().await;
    stage.sandbox.sns.set_entry_plan(Box::new(|info| {
        (info.number == 3).then(|| SnsError::new(500, "InternalError", "later"))
    }));
    stage.done(&many(10)).await;
    assert_eq!(stage.calls(), calls(&[(10, "partial"), (1, "ok")]));
    let subjects = stage.subjects();
    assert_eq!(subjects.len(), 10);
    assert_eq!(subjects[9], "Alert 3");
}

#[tokio::test]
async fn a_subject_that_sns_refuses_is_left_out() {
    let stage = Setup::new().await.start().await;
    stage.sandbox.sns.set_entry_plan(Box::new(|info| {
        let refuse = info.message.subject.as_deref() == Some("Alert 1");
        refuse.then(|| SnsError::new(400, "InvalidParameter", "Invalid parameter: Subject"))
    }));
    stage.done(&many(3)).await;
    assert_eq!(stage.calls(), calls(&[(3, "partial"), (1, "ok")]));
    assert_eq!(stage.subjects(), ["Alert 0", "Alert 2", ""]);
    let last = &stage.published()[2].message;
    assert_eq!(last.subject, None);
    assert!(last.message.starts_with("Alert Name : Alert 1\n"));
}

#[tokio::test]
async fn throttling_and_faults_pass() {
    for fault in [SnsFault::Throttle(2), SnsFault::Internal(2)] {
        let stage = Setup::new().await.config(EACH_ALONE).start().await;
        stage.sandbox.sns.set_fault(fault.clone());
        stage.done(&many(12)).await;
        assert_eq!(stage.published().len(), 12, "{fault:?}");
        let refused = stage.calls().iter().filter(|(_, outcome)| outcome != "ok").count();
        assert_eq!(refused, 2, "{fault:?}");
    }
}

#[tokio::test]
async fn what_does_not_pass_fails_the_invocation_before_its_time_is_over() {
    for (fault, expected) in [
        (SnsFault::Throttle(u32::MAX), "sns_throttled"),
        (SnsFault::Internal(u32::MAX), "sns_unavailable"),
        (SnsFault::Hang(FOREVER), "sns_unavailable"),
    ] {
        let stage = Setup::new().await.config(EACH_ALONE).timeout(3).start().await;
        stage.sandbox.sns.set_fault(fault.clone());
        let event = many(25);
        let invocation = stage.invoke(&event).await;
        let (error_type, message) = error(&invocation);
        assert_eq!(error_type, expected, "{fault:?}");
        assert!(message.contains("25 of 25 alerts"), "{message}");
        assert!(stage.published().is_empty());

        // The same process, once SNS is well.
        stage.sandbox.sns.set_fault(SnsFault::None);
        stage.done(&event).await;
        assert_eq!(stage.published().len(), 25, "{fault:?}");
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_costs_duplicates_and_nothing_else() {
    let stage = Setup::new().await.config(EACH_ALONE).start().await;
    stage.sandbox.sns.set_fault(SnsFault::LoseAnswer(1));
    stage.done(&many(12)).await;
    assert_eq!(stage.calls(), calls(&[(10, "no answer"), (2, "ok"), (10, "ok")]));
    let mut subjects = stage.subjects();
    assert_eq!(subjects.len(), 22);
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), 12);
}

#[tokio::test]
async fn a_connection_that_died_while_the_process_was_frozen_costs_nothing() {
    let stage = Setup::new().await.start().await;
    for name in ["First", "Second", "Third"] {
        stage.done(&event(name, SENT, &[alert(name)])).await;
        assert_eq!(stage.sandbox.sns.expire_idle_connections(), 1);
    }
    assert_eq!(stage.subjects(), ["First", "Second", "Third"]);
}

async fn assert_nothing_is_called_done(stage: &Stage, alerts: usize) {
    assert!(stage.published().is_empty());
    let verdicts = stage.verdicts().await;
    assert_eq!(verdicts.len(), alerts);
    for line in verdicts {
        assert_eq!((&line["outcome"], &line["error_type"]), (&"failed".into(), &"sns_refused".into()));
        assert_eq!(line["level"], "ERROR");
    }
}

#[tokio::test]
async fn a_role_that_may_not_publish() {
    let stage = Setup::new().await.config(EACH_ALONE).start().await;
    stage.sandbox.sns.set_fault(SnsFault::Deny);
    let attempts = stage.invoke_async(&many(12)).await;
    assert_eq!(attempts.len(), 3);
    for attempt in &attempts {
        let (error_type, message) = error(attempt);
        assert_eq!(error_type, "sns_refused");
        for part in ["12 of 12 alerts", &stage.topic, "AuthorizationError", "allow sns:Publish"] {
            assert!(message.contains(part), "{message}");
        }
    }
    // No second try within an invocation: only a person can fix it.
    assert_eq!(stage.calls().len(), 6);
    assert_eq!(stage.function.dead_letters().len(), 1);
    assert_nothing_is_called_done(&stage, 36).await;
}

#[tokio::test]
async fn a_topic_that_does_not_exist() {
    let absent = "arn:aws:sns:us-east-1:123456789012:absent";
    let stage = Setup::new().await.set("SNS_TOPIC_ARN", absent).start().await;
    let invocation = stage.invoke(&many(2)).await;
    let (error_type, message) = error(&invocation);
    assert_eq!(error_type, "sns_refused");
    for part in ["2 of 2 alerts", absent, "NotFound", "check SNS_TOPIC_ARN"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(stage.calls().len(), 1);
    assert_nothing_is_called_done(&stage, 2).await;
}

#[tokio::test]
async fn a_retry_publishes_only_what_failed() {
    let stage = Setup::new().await.config(EACH_ALONE).start().await;
    // Refused in the first attempt, twelve alerts in two calls, and taken in the second.
    stage.sandbox.sns.set_entry_plan(Box::new(|info| {
        let refuse =
            info.number < 12 && ["Alert 4", "Alert 11"].map(Some).contains(&info.message.subject.as_deref());
        refuse.then(|| SnsError::new(400, "ParameterValueInvalid", "The message attribute is invalid."))
    }));
    let attempts = stage.invoke_async(&many(12)).await;
    assert_eq!(attempts.len(), 2);
    let (error_type, message) = error(&attempts[0]);
    assert_eq!(error_type, "sns_refused");
    assert!(message.contains("2 of 12 alerts") && message.contains("ParameterValueInvalid"), "{message}");
    assert!(attempts[1].outcome.is_success());
    assert_eq!(stage.calls(), calls(&[(10, "partial"), (2, "partial"), (2, "ok")]));
    assert_eq!(stage.published().len(), 12);
    assert_eq!(stage.subjects()[10..], ["Alert 4", "Alert 11"]);

    let verdicts = stage.verdicts().await;
    let outcomes = |outcome: &str| verdicts.iter().filter(|line| line["outcome"] == outcome).count();
    assert_eq!(outcomes("failed"), 2);
    assert_eq!(outcomes("published"), 12, "each is counted once");
    assert_eq!(outcomes("published before"), 10);
}

#[tokio::test]
async fn a_retry_of_a_plain_payload_is_known_by_its_request() {
    let stage = Setup::new().await.start().await;
    stage.sandbox.sns.set_entry_plan(Box::new(|info| {
        (info.number == 1)
            .then(|| SnsError::new(400, "ParameterValueInvalid", "The message attribute is invalid."))
    }));
    let attempts = stage.invoke_async(&many(3)["detail"]).await;
    assert_eq!(attempts.len(), 2);
    assert_eq!(stage.subjects(), ["Alert 0", "Alert 2", "Alert 1"]);
    // Another request is another event: Grafana reminds of what still fires.
    stage.done(&many(3)["detail"]).await;
    assert_eq!(stage.published().len(), 6);
}
