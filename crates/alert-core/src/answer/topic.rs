//! What SNS answers to who publishes: the function that publishes Grafana's alerts, and the relay where it tells people by the
//! second way.
//!
//! Source: Amazon SNS API Reference, Publish, PublishBatch and Common Errors.

use crate::outcome::{Failure, Outcome};

/// SNS refuses for good: the topic, the right or the message.
pub const REFUSED: &str = "sns_refused";
/// SNS asks for fewer calls.
pub const THROTTLED: &str = "sns_throttled";
/// No answer, or a fault of SNS's own.
pub const UNAVAILABLE: &str = "sns_unavailable";

/// Why SNS has not taken a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It may pass later.
    Passing(Failure),
    /// What is in it is refused; another message may pass.
    Content(Failure),
    /// The topic takes nothing until a person fixes it.
    Topic(Failure),
}

/// What an error means that SNS answered with: its HTTP status, code and text. `setting` is what names the topic.
#[must_use]
pub fn refusal(
    status: u16,
    code: Option<&str>,
    text: Option<&str>,
    topic_arn: &str,
    setting: &str,
) -> Refusal {
    let Some(code) = code.filter(|code| status < 500 || is_throttling(code)) else {
        let code = code.unwrap_or("no answer");
        return Refusal::Passing(Failure::new(UNAVAILABLE, format!("SNS has a fault of its own ({code})")));
    };
    if is_throttling(code) {
        return Refusal::Passing(Failure::new(THROTTLED, format!("SNS asks for fewer calls ({code})")));
    }
    if is_about_content(code) {
        let text = text.unwrap_or_default();
        return Refusal::Content(Failure::new(REFUSED, format!("SNS refuses the message ({code}): {text}")));
    }
    let remedy = match code {
        "NotFound" | "NotFoundException" => format!("the topic does not exist: check {setting}"),
        "AuthorizationError" | "AuthorizationErrorException" | "AccessDenied" | "AccessDeniedException" => {
            "the function's role may not publish: allow sns:Publish on the topic, and check the topic's own policy".to_owned()
        }
        code if code.starts_with("KMS") => {
            "the topic's key cannot be used: allow the function's role kms:GenerateDataKey* and kms:Decrypt on it, and check that it is enabled".to_owned()
        }
        _ => text.unwrap_or("see the Amazon SNS API Reference, PublishBatch, for this error").to_owned(),
    };
    Refusal::Topic(Failure::new(REFUSED, format!("SNS refuses to publish to {topic_arn} ({code}): {remedy}")))
}

/// What becomes of a message that was refused.
#[must_use]
pub fn outcome(refusal: Refusal) -> Outcome {
    match refusal {
        Refusal::Passing(failure) => Outcome::Retry { after: None, failure },
        Refusal::Content(failure) => Outcome::MessageRefused(failure),
        Refusal::Topic(failure) => Outcome::TargetRefused(failure),
    }
}

/// Errors of a whole call that one of its messages may be the cause of.
fn is_about_content(code: &str) -> bool {
    [
        "InvalidParameter",
        "InvalidParameterException",
        "InvalidParameterValue",
        "ParameterValueInvalid",
        "BatchRequestTooLong",
        "BatchRequestTooLongException",
        "ValidationException",
        "ValidationError",
    ]
    .contains(&code)
}

/// Source: Common Errors, and the SDKs' lists of throttling codes.
#[must_use]
pub fn is_throttling(code: &str) -> bool {
    [
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "KMSThrottling",
        "KMSThrottlingException",
        "RequestThrottled",
        "TooManyRequestsException",
    ]
    .contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors() {
        let of = |status, code| {
            outcome(refusal(status, code, Some("why"), "arn:aws:sns:eu-west-1:111122223333:a", "second_way"))
        };
        for (status, code, error_type) in [
            (429, Some("Throttling"), THROTTLED),
            (400, Some("KMSThrottling"), THROTTLED),
            (503, Some("ThrottledException"), THROTTLED),
            (500, Some("InternalError"), UNAVAILABLE),
            (503, None, UNAVAILABLE),
            (400, None, UNAVAILABLE),
        ] {
            let Outcome::Retry { after: None, failure } = of(status, code) else { panic!("{code:?}") };
            assert_eq!(failure.error_type, error_type);
        }
        assert!(matches!(of(400, Some("InvalidParameter")), Outcome::MessageRefused(_)));
        for (code, words) in [
            ("NotFound", "the topic does not exist: check second_way"),
            ("AuthorizationError", "allow sns:Publish"),
            ("KMSDisabled", "check that it is enabled"),
            ("EndpointDisabled", "why"),
        ] {
            let Outcome::TargetRefused(failure) = of(403, Some(code)) else { panic!("{code}") };
            assert!(failure.detail.contains(words), "{failure}");
        }
    }
}
