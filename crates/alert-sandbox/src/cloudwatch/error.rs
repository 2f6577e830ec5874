//! CloudWatch's errors, in its words where they are known.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::aws::{ACCOUNT, REGION};

/// What a request is refused with.
#[derive(Debug)]
pub(super) struct CloudWatchError {
    pub(super) status: StatusCode,
    /// The code of the Query protocol, which the SDKs still say: they ask for it by `x-amzn-query-mode`.
    pub(super) code: &'static str,
    /// The name in the other protocols.
    kind: &'static str,
    message: String,
}

impl CloudWatchError {
    fn new(code: &'static str, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, kind, message: message.into() }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", "ValidationError", message)
    }

    pub(super) fn constraint(value: &str, field: &str, constraint: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: Member must {constraint}"
        ))
    }

    /// AWS may take it. The sandbox says so, rather than doing something else than AWS.
    pub(super) fn unknown(what: &str) -> Self {
        Self::validation(format!("the sandbox's CloudWatch does not know {what}"))
    }

    pub(super) fn required(parameter: &str) -> Self {
        let message = format!("The parameter {parameter} is required.\n");
        Self::new("MissingParameter", "MissingRequiredParameterException", message)
    }

    pub(super) fn combination(message: &str) -> Self {
        Self::new("InvalidParameterCombination", "InvalidParameterCombinationException", message)
    }

    pub(super) fn next_token() -> Self {
        Self::new("InvalidNextToken", "InvalidNextToken", "The next token specified is invalid.")
    }

    pub(super) fn malformed() -> Self {
        Self::new("SerializationException", "SerializationException", "")
    }

    pub(super) fn operation() -> Self {
        let status = StatusCode::NOT_FOUND;
        Self { status, ..Self::new("UnknownOperationException", "UnknownOperationException", "") }
    }

    pub(super) fn unsigned() -> Self {
        let message = "Request is missing Authentication Token";
        Self::new("MissingAuthenticationToken", "MissingAuthenticationTokenException", message)
    }

    /// API reference, SetAlarmState.
    pub(super) fn no_alarm(name: &str) -> Self {
        let status = StatusCode::NOT_FOUND;
        let message = format!("No alarm found with name: {name}");
        Self { status, ..Self::new("ResourceNotFound", "ResourceNotFound", message) }
    }

    pub(super) fn no_mute_rule(name: &str) -> Self {
        let kind = "ResourceNotFoundException";
        let status = StatusCode::NOT_FOUND;
        Self { status, ..Self::new(kind, kind, format!("Unknown alarm mute rule: {name}")) }
    }

    /// GetMetricData knows no resources, so that none is named.
    pub(super) fn denied(operation: &str) -> Self {
        let resource = match operation {
            "DescribeAlarms" | "SetAlarmState" => {
                format!(" on resource: arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*")
            }
            "PutAlarmMuteRule" | "GetAlarmMuteRule" | "DeleteAlarmMuteRule" => {
                format!(" on resource: arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm-mute-rule:*")
            }
            _ => String::new(),
        };
        let message = format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/alerts/sandbox is not authorized to perform: \
             cloudwatch:{operation}{resource} because no identity-based policy allows the cloudwatch:{operation} action"
        );
        Self { status: StatusCode::FORBIDDEN, ..Self::new("AccessDenied", "AccessDeniedException", message) }
    }

    pub(super) fn throttled() -> Self {
        Self::new("Throttling", "ThrottlingException", "Rate exceeded")
    }

    pub(super) fn internal() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, ..Self::new("InternalServiceError", "InternalServiceFault", "Internal service error") }
    }

    pub(super) fn body(&self) -> Value {
        json!({"__type": format!("com.amazonaws.cloudwatch#{}", self.kind), "message": self.message})
    }

    /// What `x-amzn-query-error` says.
    pub(super) fn query_error(&self) -> String {
        let fault = if self.status.is_server_error() { "Receiver" } else { "Sender" };
        format!("{};{fault}", self.code)
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}
