//! What a request says, its fields and the rules that are the same for all of them.

use serde_json::{Map, Value};

use super::error::DynamoDbError;
use super::expression::Condition;
use super::placeholders::Placeholders;
use super::value::{Item, item_from_json};

/// What every write may say.
pub(super) const WRITE_FIELDS: &[&str] = &[
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValues",
    "ReturnValuesOnConditionCheckFailure",
    "ReturnConsumedCapacity",
    "ReturnItemCollectionMetrics",
];

/// A request's fields.
pub(super) struct Request<'a>(pub(super) &'a Map<String, Value>);

/// What a write is to check and to give back.
pub(super) struct Write {
    pub(super) placeholders: Placeholders,
    condition: Option<Condition>,
    pub(super) return_values: &'static str,
    returns_failed: bool,
}

impl<'a> Request<'a> {
    /// A field that the sandbox does not heed must not be passed over.
    pub(super) fn check_fields(&self, known: &[&str]) -> Result<(), DynamoDbError> {
        if let Some(field) = self.0.keys().find(|field| !known.contains(&field.as_str())) {
            return Err(DynamoDbError::unknown(&format!("the parameter {field} here")));
        }
        for field in ["ReturnConsumedCapacity", "ReturnItemCollectionMetrics"] {
            if self.0.get(field).is_some_and(|value| value != "NONE") {
                return Err(DynamoDbError::unknown(&format!("another {field} than NONE")));
            }
        }
        Ok(())
    }

    pub(super) fn table_name(&self) -> Result<&'a str, DynamoDbError> {
        table_name(self.0).ok_or_else(|| DynamoDbError::constraint("null", "tableName", "not be null"))
    }

    pub(super) fn item(&self, field: &str) -> Result<Item, DynamoDbError> {
        item_from_json(self.required(field)?)
    }

    pub(super) fn list(&self, field: &str) -> Result<&'a [Value], DynamoDbError> {
        self.required(field)?.as_array().map(Vec::as_slice).ok_or_else(DynamoDbError::malformed)
    }

    fn required(&self, field: &str) -> Result<&'a Value, DynamoDbError> {
        self.0.get(field).ok_or_else(|| DynamoDbError::constraint("null", &member(field), "not be null"))
    }

    /// True or false, when one is given.
    pub(super) fn flag(&self, field: &str) -> Result<Option<bool>, DynamoDbError> {
        let flag = |value: &Value| value.as_bool().ok_or_else(DynamoDbError::malformed);
        self.0.get(field).map(flag).transpose()
    }

    /// A number of things, at least one, when one is given.
    pub(super) fn count(&self, field: &str) -> Result<Option<usize>, DynamoDbError> {
        let Some(value) = self.0.get(field) else { return Ok(None) };
        let count = value.as_i64().ok_or_else(DynamoDbError::malformed)?;
        let few = || {
            let constraint = "have value greater than or equal to 1";
            DynamoDbError::constraint(&format!("'{count}'"), &member(field), constraint)
        };
        usize::try_from(count).ok().filter(|count| *count > 0).map(Some).ok_or_else(few)
    }

    /// One of several words, when one is given.
    pub(super) fn choice(
        &self,
        field: &str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, DynamoDbError> {
        let Some(value) = self.0.get(field) else { return Ok(None) };
        let value = value.as_str().ok_or_else(DynamoDbError::malformed)?;
        words.iter().copied().find(|word| *word == value).map(Some).ok_or_else(|| {
            let set = format!("satisfy enum value set: [{}]", words.join(", "));
            DynamoDbError::constraint(&format!("'{value}'"), &member(field), &set)
        })
    }

    pub(super) fn write(&self, expressions: &[&str]) -> Result<Write, DynamoDbError> {
        let all = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
        let return_values = self.choice("ReturnValues", &all)?.unwrap_or("NONE");
        let failed = self.choice("ReturnValuesOnConditionCheckFailure", &["ALL_OLD", "NONE"])?;
        let placeholders = Placeholders::read(self.0, expressions)?;
        let condition = placeholders.condition(self.0)?;
        Ok(Write { condition, placeholders, return_values, returns_failed: failed == Some("ALL_OLD") })
    }
}

impl Write {
    pub(super) fn check_condition(&self, item: Option<&Item>) -> Result<(), DynamoDbError> {
        match &self.condition {
            Some(condition) if !condition.holds(item.unwrap_or(&Item::new())) => {
                Err(DynamoDbError::condition_failed(item.filter(|_| self.returns_failed).cloned()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the old item is wanted, of which alone puts and deletes can tell.
    pub(super) fn returned_old(&self) -> Result<bool, DynamoDbError> {
        match self.return_values {
            "NONE" => Ok(false),
            "ALL_OLD" => Ok(true),
            _ => Err(DynamoDbError::validation("ReturnValues can only be ALL_OLD or NONE")),
        }
    }
}

/// A field as the errors name it.
pub(super) fn member(field: &str) -> String {
    let mut letters = field.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// The table that a request names.
pub(super) fn table_name(request: &Map<String, Value>) -> Option<&str> {
    request.get("TableName").and_then(Value::as_str)
}
