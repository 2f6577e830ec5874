//! What both functions say to Lambda beyond their answers.

use std::time::Duration;

use alert_core::answer::Failure;
use lambda_runtime::Diagnostic;
use serde_json::json;

use crate::http;
use crate::settings::{AWS_LAMBDA_RUNTIME_API, Environment, StartError};

/// Why an invocation is not done: Lambda tries it again, and in the end puts it where nothing gets lost.
#[derive(Debug)]
pub struct InvocationError {
    /// Stable, for alarms and for whoever reads the dead-letter queue.
    pub error_type: &'static str,
    /// What failed, and how much of the event.
    pub message: String,
}

impl InvocationError {
    /// One error for all failures of an event.
    #[must_use]
    pub fn of(failures: &[&Failure], total: usize) -> Self {
        let Some(first) = failures.first() else {
            return Self { error_type: "unknown", message: "nothing failed".to_owned() };
        };
        let message = format!("{} of {total} alerts were not delivered: {}", failures.len(), first.detail);
        Self { error_type: first.error_type, message }
    }
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self { error_type: error.error_type.to_owned(), error_message: error.message }
    }
}

/// Tells Lambda that the function cannot start, and why.
///
/// lambda_runtime does so only for SnapStart. Source: Lambda Developer Guide, "Using the Lambda runtime API",
/// initialization error. That this post itself fails is logged: Lambda sees the exit all the same.
pub async fn report_start_error(environment: Environment<'_>, error: &StartError) {
    tracing::error!(error_type = error.error_type, "{}", error.message);
    let Some(api) = environment(AWS_LAMBDA_RUNTIME_API) else { return };
    // Without the environment's own certificates: they may be what is wrong, and this is plain http.
    let Ok(client) = http::client(&|_| None) else { return };
    let body = json!({"errorMessage": error.message, "errorType": error.error_type, "stackTrace": []});
    let sent = client
        .post(format!("http://{api}/2018-06-01/runtime/init/error"))
        .header("Lambda-Runtime-Function-Error-Type", error.error_type)
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .timeout(Duration::from_secs(2))
        .body(body.to_string())
        .send()
        .await;
    if let Err(error) = sent {
        tracing::error!("the Lambda Runtime API did not take the error: {}", http::describe(&error));
    }
}
