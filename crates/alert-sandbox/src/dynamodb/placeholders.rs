//! The names and values that a request gives its expressions.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::error::DynamoDbError;
use super::expression::{Condition, KeyTest, Update};
use super::parse::{Parser, Problem, is_word};
use super::value::AttributeValue;

/// The names and values of a request that its expressions use; each has to be used.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: BTreeMap<String, String>,
    values: BTreeMap<String, AttributeValue>,
    used: RefCell<BTreeSet<String>>,
}

impl Placeholders {
    /// Reads them out of a request that has `expressions` of these names.
    pub(super) fn read(request: &Map<String, Value>, expressions: &[&str]) -> Result<Self, DynamoDbError> {
        let has_expression = expressions.iter().any(|name| request.contains_key(*name));
        let mut placeholders = Self::default();
        if let Some(names) = request.get("ExpressionAttributeNames") {
            if !has_expression {
                let alone = "ExpressionAttributeNames can only be specified when using expressions";
                return Err(DynamoDbError::validation(alone));
            }
            for (key, name) in object("ExpressionAttributeNames", '#', names)? {
                let name = name.as_str().ok_or_else(DynamoDbError::malformed)?;
                placeholders.names.insert(key.clone(), name.to_owned());
            }
        }
        if let Some(values) = request.get("ExpressionAttributeValues") {
            if !has_expression {
                return Err(DynamoDbError::validation(format!(
                    "ExpressionAttributeValues can only be specified when using expressions: {} {} null",
                    expressions.join(" and "),
                    if expressions.len() == 1 { "is" } else { "are" }
                )));
            }
            for (key, value) in object("ExpressionAttributeValues", ':', values)? {
                let value = AttributeValue::from_json(value).map_err(|error| error.in_value(key))?;
                placeholders.values.insert(key.clone(), value);
            }
        }
        Ok(placeholders)
    }

    /// Reads the condition of a request, when it has one.
    pub(super) fn condition(&self, request: &Map<String, Value>) -> Result<Option<Condition>, DynamoDbError> {
        self.parsed(request, "ConditionExpression", Parser::whole_condition)
    }

    /// Reads the update of a request, when it has one.
    pub(super) fn update(&self, request: &Map<String, Value>) -> Result<Option<Update>, DynamoDbError> {
        self.parsed(request, "UpdateExpression", Parser::whole_update)
    }

    /// Reads the condition of a query, when it has one: the tests by the attributes that they are about.
    pub(super) fn key_condition(
        &self,
        request: &Map<String, Value>,
    ) -> Result<Option<Vec<(String, KeyTest)>>, DynamoDbError> {
        self.parsed(request, "KeyConditionExpression", Parser::whole_key_condition)
    }

    fn parsed<'a, T>(
        &'a self,
        request: &Map<String, Value>,
        field: &str,
        parse: impl FnOnce(&mut Parser<'a>) -> Result<T, Problem>,
    ) -> Result<Option<T>, DynamoDbError> {
        let Some(text) = request.get(field) else { return Ok(None) };
        let text = text.as_str().ok_or_else(DynamoDbError::malformed)?;
        match Parser::new(text, self).and_then(|mut parser| parse(&mut parser)) {
            Ok(parsed) => Ok(Some(parsed)),
            Err(Problem::Refused(why)) => Err(DynamoDbError::validation(format!("Invalid {field}: {why}"))),
            Err(Problem::Whole(why)) => Err(DynamoDbError::validation(why)),
            Err(Problem::Unknown(what)) => Err(DynamoDbError::unknown(&what)),
        }
    }

    /// Complains of what no expression has used.
    pub(super) fn check_used(&self) -> Result<(), DynamoDbError> {
        let used = self.used.borrow();
        let unused = |keys: Vec<&String>, field: &str| {
            let keys: Vec<&str> =
                keys.into_iter().filter(|key| !used.contains(*key)).map(String::as_str).collect();
            if keys.is_empty() {
                return Ok(());
            }
            let keys = keys.join(", ");
            Err(DynamoDbError::validation(format!(
                "Value provided in {field} unused in expressions: keys: {{{keys}}}"
            )))
        };
        unused(self.names.keys().collect(), "ExpressionAttributeNames")?;
        unused(self.values.keys().collect(), "ExpressionAttributeValues")
    }

    pub(super) fn name(&self, key: &str) -> Result<String, Problem> {
        self.used.borrow_mut().insert(key.to_owned());
        let missing =
            "An expression attribute name used in the document path is not defined; attribute name: ";
        self.names.get(key).cloned().ok_or_else(|| Problem::Refused(format!("{missing}{key}")))
    }

    pub(super) fn value(&self, key: &str) -> Result<AttributeValue, Problem> {
        self.used.borrow_mut().insert(key.to_owned());
        let missing = "An expression attribute value used in expression is not defined; attribute value: ";
        self.values.get(key).cloned().ok_or_else(|| Problem::Refused(format!("{missing}{key}")))
    }
}

/// A map of placeholders, whose keys begin with `sigil`.
fn object<'a>(field: &str, sigil: char, value: &'a Value) -> Result<&'a Map<String, Value>, DynamoDbError> {
    let map = value.as_object().ok_or_else(DynamoDbError::malformed)?;
    if map.is_empty() {
        return Err(DynamoDbError::validation(format!("{field} must not be empty")));
    }
    let is_name = |text: &str| !text.is_empty() && text.chars().all(is_word);
    match map.keys().find(|key| !key.strip_prefix(sigil).is_some_and(is_name)) {
        None => Ok(map),
        Some(key) => Err(DynamoDbError::validation(format!(
            "{field} contains invalid key: Syntax error; key: \"{key}\""
        ))),
    }
}
