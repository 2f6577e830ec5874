//! CloudWatch Logs' errors, in its words where they are known.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use crate::aws::{ACCOUNT, REGION};

/// What a request is refused with.
#[derive(Debug)]
pub(super) struct LogsError {
    pub(super) status: StatusCode,
    /// The exception's name.
    pub(super) kind: &'static str,
    message: Option<String>,
}

impl LogsError {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: Some(message.into()) }
    }

    pub(super) fn invalid_parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    pub(super) fn constraint(value: &str, field: &str, constraint: &str) -> Self {
        Self::invalid_parameter(format!(
            "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: Member must {constraint}"
        ))
    }

    /// AWS may take it. The sandbox says so, rather than doing something else than AWS.
    pub(super) fn unknown(what: &str) -> Self {
        Self::invalid_parameter(format!("the sandbox's CloudWatch Logs does not know {what}"))
    }

    pub(super) fn next_token() -> Self {
        Self::invalid_parameter("The specified nextToken is invalid.")
    }

    pub(super) fn no_group() -> Self {
        Self::new("ResourceNotFoundException", "The specified log group does not exist.")
    }

    pub(super) fn no_stream() -> Self {
        Self::new("ResourceNotFoundException", "The specified log stream does not exist.")
    }

    pub(super) fn malformed() -> Self {
        Self { message: None, ..Self::new("SerializationException", "") }
    }

    pub(super) fn operation() -> Self {
        Self { message: None, ..Self::new("UnknownOperationException", "") }
    }

    pub(super) fn unsigned() -> Self {
        Self::new("MissingAuthenticationTokenException", "Missing Authentication Token")
    }

    pub(super) fn denied(operation: &str, group: &str) -> Self {
        let message = format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/alerts/sandbox is not authorized to perform: \
             logs:{operation} on resource: arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:log-stream: because no \
             identity-based policy allows the logs:{operation} action"
        );
        Self::new("AccessDeniedException", message)
    }

    pub(super) fn throttled() -> Self {
        Self::new("ThrottlingException", "Rate exceeded")
    }

    pub(super) fn unavailable() -> Self {
        let message = "The service cannot complete the request.";
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new("ServiceUnavailableException", message)
        }
    }

    pub(super) fn body(&self) -> Value {
        let mut body = Map::from_iter([("__type".to_owned(), self.kind.into())]);
        if let Some(message) = &self.message {
            body.insert("message".to_owned(), message.as_str().into());
        }
        body.into()
    }
}
