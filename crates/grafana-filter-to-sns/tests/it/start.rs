use alert_sandbox::lambda::Outcome;

use crate::events::walkthrough;
use crate::stage::{Setup, answer};

/// What Lambda was told by `/init/error`.
async fn init_error(setting: &str, value: &str) -> (String, String) {
    let stage = Setup::new().await.set(setting, value).try_start().await;
    let Some(Outcome::InitError { error_type, message, raw }) = stage.function.init_error() else {
        panic!("{setting}={value:?}: {:?}\n{}", stage.function.init_error(), stage.function.log());
    };
    let raw = String::from_utf8(raw).unwrap();
    assert!(raw.contains(&error_type) && raw.contains("stackTrace"), "{raw}");
    // Whoever reads the log instead finds the same.
    let log = stage.stop().await;
    assert!(log.contains(&error_type) && log.contains("\"level\":\"ERROR\""), "{log}");
    let invocation = stage.invoke(&walkthrough()).await;
    assert!(matches!(invocation.outcome, Outcome::InitError { .. }), "{:?}", invocation.outcome);
    assert!(stage.sandbox.sns.calls().is_empty());
    (error_type, message)
}

#[tokio::test]
async fn no_topic() {
    for value in ["", " \n"] {
        let (error_type, message) = init_error("SNS_TOPIC_ARN", value).await;
        assert_eq!(error_type, "topic_arn_missing");
        for part in ["SNS_TOPIC_ARN", "arn:aws:sns:REGION:ACCOUNT:NAME", "aws sns list-topics"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

#[tokio::test]
async fn what_is_no_topic() {
    for value in [
        "arn:aws:sqs:us-east-1:123456789012:alerts",
        "arn:aws:sns:us-east-1:123456789012:alerts:21be56ed-a058-49f5-8c98-aedd2564c486",
        "arn:aws:sns:us-east-1:1234:alerts",
        "arn:aws:sns::123456789012:alerts",
        "arn:aws:sns:us-east-1:123456789012:",
        "arn:aws:sns:us-east-1:123456789012:two words",
    ] {
        let (error_type, message) = init_error("SNS_TOPIC_ARN", value).await;
        assert_eq!(error_type, "topic_arn_malformed");
        for part in ["SNS_TOPIC_ARN", value, "arn:aws:sns:REGION:ACCOUNT:NAME", "aws sns list-topics"] {
            assert!(message.contains(part), "{message}");
        }
    }
}

/// Whoever mixes up two settings may have put a secret here.
#[tokio::test]
async fn what_is_no_arn_is_not_told() {
    for value in ["alerts", "https://hooks.slack.com/services/T000/B000/secret", "🔥"] {
        let (error_type, message) = init_error("SNS_TOPIC_ARN", value).await;
        assert_eq!(error_type, "topic_arn_malformed");
        assert!(message.contains("SNS_TOPIC_ARN") && message.contains("no ARN"), "{message}");
        assert!(!message.contains(&format!("{value:?}")), "{message}");
    }
}

#[tokio::test]
async fn no_credentials() {
    for setting in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        let (error_type, message) = init_error(setting, "").await;
        assert_eq!(error_type, "aws_identity_missing");
        assert!(message.contains(setting) && message.contains("role"), "{message}");
    }
}

#[tokio::test]
async fn blanks_around_the_topic_do_not_matter() {
    let setup = Setup::new().await;
    let topic = setup.sandbox.sns.create_topic("alerts");
    let stage = setup.set("SNS_TOPIC_ARN", &format!(" {topic}\n")).start().await;
    answer(&stage.invoke(&walkthrough()).await);
    assert_eq!(stage.published().len(), 3);
}
