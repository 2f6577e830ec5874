//! Handing an event to its function, and what the answer says.

use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::functions::Functions;
use super::message::{Event, error};
use crate::commands::aws::{clean, problem};

/// A function that has not answered by then is not waited for; the stack's own end after 30 s.
pub(super) const INVOKE_MAX: Duration = Duration::from_mins(2);

impl Functions {
    /// Hands the event over, and waits for what the function says.
    pub(super) async fn invoke(&self, function: &str, event: &Event) -> Result<(), String> {
        let answer = self
            .lambda
            .invoke()
            .function_name(function)
            .invocation_type(InvocationType::RequestResponse)
            .log_type(LogType::Tail)
            .payload(Blob::new(event.payload.as_bytes()))
            .send()
            .await
            .map_err(|error| problem("Lambda Invoke", function, &error))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        match refusal(event.is_batch, answer.function_error.as_deref(), &payload) {
            None => Ok(()),
            Some(why) => {
                let logged = answer.log_result.as_deref().and_then(logged);
                Err(logged.map_or_else(|| why.clone(), |logged| format!("{why} ({logged})")))
            }
        }
    }
}

/// Why an answer is no success; `None` when it is one. As Lambda itself reads it, and an HTTP status besides.
fn refusal(is_batch: bool, function_error: Option<&str>, payload: &[u8]) -> Option<String> {
    let answer = match serde_json::from_slice::<Value>(payload) {
        Ok(answer) => answer,
        Err(_) if payload.is_empty() => Value::Null,
        Err(_) if is_batch => return Some("the function's answer is not JSON".to_owned()),
        Err(_) => Value::Null,
    };
    if let Some(kind) = function_error {
        return Some(error(&answer).unwrap_or_else(|| format!("the function failed: {}", clean(kind))));
    }
    if let Some(status) = answer.get("statusCode").and_then(Value::as_u64)
        && status >= 400
    {
        return Some(format!("the function answered with status {status}"));
    }
    match answer.get("batchItemFailures") {
        None | Some(Value::Null) => None,
        Some(Value::Array(failures)) if failures.is_empty() => None,
        Some(_) => Some("the function could not deliver it".to_owned()),
    }
}

/// The last failure in the end of a function's log, which Lambda sends along.
fn logged(tail: &str) -> Option<String> {
    let log = BASE64_STANDARD.decode(tail).ok()?;
    let log = String::from_utf8_lossy(&log);
    let failure = |line: &str| {
        let line = serde_json::from_str::<Value>(line).ok()?;
        let kind = line.get("error_type").and_then(Value::as_str)?;
        let why = line.get("why").and_then(Value::as_str).unwrap_or_default();
        Some(clean(&format!("{kind}: {why}")))
    };
    log.lines().rev().find_map(failure)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn what_counts_as_success() {
        for payload in ["", "null", "{}", r#"{"batchItemFailures":[]}"#, r#"{"statusCode":200}"#] {
            assert_eq!(refusal(true, None, payload.as_bytes()), None, "{payload}");
        }
        for payload in [
            r#"{"batchItemFailures":[{"itemIdentifier":"id-1"}]}"#,
            // Lambda takes an id that it does not know for the failure of all.
            r#"{"batchItemFailures":[{"itemIdentifier":"another"}]}"#,
            r#"{"batchItemFailures":1}"#,
            r#"{"statusCode":502}"#,
            "no JSON",
        ] {
            assert!(refusal(true, None, payload.as_bytes()).is_some(), "{payload}");
        }
        let failed = refusal(false, Some("Unhandled"), br#"{"errorType":"a","errorMessage":"b"}"#);
        assert_eq!(failed.as_deref(), Some("a: b"));
        assert!(refusal(false, Some("Unhandled"), b"").is_some());
    }

    #[test]
    fn the_last_failure_of_a_log() {
        let log =
            BASE64_STANDARD.encode("START\n{\"error_type\":\"a\",\"why\":\"b\"}\n{\"level\":\"INFO\"}\nEND");
        assert_eq!(logged(&log).as_deref(), Some("a: b"));
    }
}
