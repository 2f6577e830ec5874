//! DynamoDB's errors, in its words where they are documented.

use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::value::{Item, item_json};
use crate::aws::{ACCOUNT, REGION};

/// What a request is refused with.
#[derive(Debug)]
pub(super) struct DynamoDbError {
    pub(super) status: StatusCode,
    /// The part of the wire's `__type` before the `#`.
    namespace: &'static str,
    /// The exception's name.
    pub(super) kind: &'static str,
    message: Option<String>,
    /// The item that failed a condition, where the request asks for it.
    item: Option<Item>,
}

const DYNAMODB: &str = "com.amazonaws.dynamodb.v20120810";
const CORAL_SERVICE: &str = "com.amazon.coral.service";
const CORAL_VALIDATE: &str = "com.amazon.coral.validate";

impl DynamoDbError {
    fn new(namespace: &'static str, kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, namespace, kind, message: Some(message.into()), item: None }
    }

    pub(super) fn validation(message: impl Into<String>) -> Self {
        Self::new(CORAL_VALIDATE, "ValidationException", message)
    }

    pub(super) fn invalid_parameter(why: &str) -> Self {
        Self::validation(format!("One or more parameter values were invalid: {why}"))
    }

    pub(super) fn constraint(value: &str, field: &str, constraint: &str) -> Self {
        Self::validation(format!(
            "1 validation error detected: Value {value} at '{field}' failed to satisfy constraint: Member must {constraint}"
        ))
    }

    /// AWS may take it. The sandbox says so, rather than doing something else than AWS.
    pub(super) fn unknown(what: &str) -> Self {
        Self::validation(format!("the sandbox's DynamoDB does not know {what}"))
    }

    pub(super) fn malformed() -> Self {
        Self { message: None, ..Self::new(CORAL_SERVICE, "SerializationException", "") }
    }

    pub(super) fn unsigned() -> Self {
        let message = "Request is missing Authentication Token";
        Self::new(CORAL_SERVICE, "MissingAuthenticationTokenException", message)
    }

    /// `resource` is the table, or an index of it: `alerts/index/due`.
    pub(super) fn denied(operation: &str, resource: &str) -> Self {
        let message = format!(
            "User: arn:aws:sts::{ACCOUNT}:assumed-role/alerts/sandbox is not authorized to perform: \
             dynamodb:{operation} on resource: arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{resource} because no \
             identity-based policy allows the dynamodb:{operation} action"
        );
        Self::new(CORAL_SERVICE, "AccessDeniedException", message)
    }

    pub(super) fn throttled() -> Self {
        let message = "The level of configured provisioned throughput for the table was exceeded. Consider increasing \
                       your provisioning level with the UpdateTable API.";
        Self::new(DYNAMODB, "ProvisionedThroughputExceededException", message)
    }

    pub(super) fn internal() -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, ..Self::new(DYNAMODB, "InternalServerError", "Internal server error") }
    }

    /// As calls for items have it: the name of the table is not told.
    pub(super) fn no_resource() -> Self {
        Self::new(DYNAMODB, "ResourceNotFoundException", "Requested resource not found")
    }

    pub(super) fn no_table(name: &str) -> Self {
        let message = format!("Requested resource not found: Table: {name} not found");
        Self::new(DYNAMODB, "ResourceNotFoundException", message)
    }

    pub(super) fn table_exists(name: &str) -> Self {
        Self::new(DYNAMODB, "ResourceInUseException", format!("Table already exists: {name}"))
    }

    pub(super) fn condition_failed(item: Option<Item>) -> Self {
        let message = "The conditional request failed";
        Self { item, ..Self::new(DYNAMODB, "ConditionalCheckFailedException", message) }
    }

    /// Says in which of a request's values the error is.
    pub(super) fn in_value(self, key: &str) -> Self {
        let say = |why| format!("ExpressionAttributeValues contains invalid value: {why} for key {key}");
        Self { message: self.message.map(say), ..self }
    }

    pub(super) fn body(&self) -> Value {
        let mut body =
            Map::from_iter([("__type".to_owned(), format!("{}#{}", self.namespace, self.kind).into())]);
        if let Some(message) = &self.message {
            // The errors that are not DynamoDB's own have a capital letter.
            let name = if self.namespace == CORAL_SERVICE { "Message" } else { "message" };
            body.insert(name.to_owned(), message.as_str().into());
        }
        if let Some(item) = &self.item {
            body.insert("Item".to_owned(), item_json(item));
        }
        body.into()
    }
}
