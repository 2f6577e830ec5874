//! Global secondary indexes: the items of a table by another key. An index is sparse: what lacks a part of its key is
//! not in it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::error::DynamoDbError;
use super::request::Request;
use super::table::{SORT_KEY_MAX_BYTES, Table};
use super::value::{AttributeValue, Item};
use crate::aws::{ACCOUNT, REGION};

/// The most indexes of a table (Developer Guide, "Quotas: Global secondary indexes").
const INDEXES_MAX: usize = 20;

/// An attribute that is a key, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyAttribute {
    pub(super) name: String,
    /// `S`, `N` or `B`.
    pub(super) kind: String,
}

impl KeyAttribute {
    pub(super) fn new(name: &str, kind: &str) -> Self {
        Self { name: name.to_owned(), kind: kind.to_owned() }
    }

    /// The value in an item, where it is there and of the key's type.
    pub(super) fn of<'a>(&self, item: &'a Item) -> Option<&'a AttributeValue> {
        item.get(&self.name).filter(|value| value.kind() == self.kind)
    }
}

/// What an index has of its items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Projection {
    KeysOnly,
    All,
}

#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) hash: KeyAttribute,
    pub(super) range: Option<KeyAttribute>,
    pub(super) projection: Projection,
}

impl Index {
    pub(super) fn keys(&self) -> impl Iterator<Item = &KeyAttribute> {
        [&self.hash].into_iter().chain(&self.range)
    }

    /// Whether an item may stand in the table that has this index: what is there of its key has the key's type.
    pub(super) fn check(&self, item: &Item) -> Result<(), DynamoDbError> {
        for key in self.keys() {
            let Some(value) = item.get(&key.name) else { continue };
            if value.kind() != key.kind {
                return Err(DynamoDbError::invalid_parameter(&format!(
                    "Type mismatch for Index Key {} Expected: {} Actual: {} IndexName: {}",
                    key.name,
                    key.kind,
                    value.kind(),
                    self.name
                )));
            }
            let most = if *key == self.hash { super::PARTITION_KEY_MAX_BYTES } else { SORT_KEY_MAX_BYTES };
            let wrong = match value.text_bytes() {
                Some(0) => "An index key cannot be an empty value",
                Some(length) if length > most => "Size of an index key has exceeded the maximum size limit",
                _ => continue,
            };
            return Err(DynamoDbError::invalid_parameter(&format!(
                "{wrong}. IndexName: {}, IndexKey: {}",
                self.name, key.name
            )));
        }
        Ok(())
    }

    pub(super) fn description(&self, table: &str, status: &str) -> Value {
        json!({
            "IndexName": self.name,
            "IndexArn": arn(table, &self.name),
            "IndexStatus": status,
            "KeySchema": key_schema(&self.hash, self.range.as_ref()),
            "Projection": {
                "ProjectionType": if self.projection == Projection::All { "ALL" } else { "KEYS_ONLY" },
            },
        })
    }
}

fn arn(table: &str, index: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/index/{index}")
}

pub(super) fn key_schema(hash: &KeyAttribute, range: Option<&KeyAttribute>) -> Value {
    let keys = [("HASH", hash)].into_iter().chain(range.map(|range| ("RANGE", range)));
    keys.map(|(kind, key)| json!({"AttributeName": key.name, "KeyType": kind})).collect()
}

/// The table that a request for one describes.
pub(super) fn table_of(request: &Request<'_>) -> Result<Table, DynamoDbError> {
    let definitions = definitions(request)?;
    let (hash, range) = keys(request.list("KeySchema")?, &definitions)?;
    if range.is_some() {
        return Err(DynamoDbError::unknown("tables with other keys than one partition key"));
    }
    let mut indexes: Vec<Index> = Vec::new();
    if request.0.contains_key("GlobalSecondaryIndexes") {
        let list = request.list("GlobalSecondaryIndexes")?;
        if list.is_empty() {
            let none = "List of GlobalSecondaryIndexes is empty";
            return Err(DynamoDbError::invalid_parameter(none));
        }
        for index in list {
            let index = index_of(index, &definitions)?;
            if indexes.iter().any(|other| other.name == index.name) {
                let twice = format!("Duplicate index name: {}", index.name);
                return Err(DynamoDbError::invalid_parameter(&twice));
            }
            indexes.push(index);
        }
        if indexes.len() > INDEXES_MAX {
            let many = format!("GlobalSecondaryIndex count exceeds the per-table limit of {INDEXES_MAX}");
            return Err(DynamoDbError::invalid_parameter(&many));
        }
    }
    let keys = [&hash].into_iter().chain(indexes.iter().flat_map(Index::keys));
    let used: BTreeSet<&str> = keys.map(|key| key.name.as_str()).collect();
    if used.len() < definitions.len() {
        return Err(DynamoDbError::invalid_parameter(&format!(
            "Some AttributeDefinitions are not used. AttributeDefinitions: {}, keys used: {}",
            list(definitions.keys().map(String::as_str)),
            list(used)
        )));
    }
    Ok(Table::new(hash, indexes))
}

/// The types of attributes, by their names.
fn definitions(request: &Request<'_>) -> Result<BTreeMap<String, String>, DynamoDbError> {
    let mut all = BTreeMap::new();
    for (number, definition) in request.list("AttributeDefinitions")?.iter().enumerate() {
        let kind = text(definition, "AttributeType")?;
        if !["S", "N", "B"].contains(&kind) {
            let field = format!("attributeDefinitions.{}.member.attributeType", number + 1);
            let set = "satisfy enum value set: [B, N, S]";
            return Err(DynamoDbError::constraint(&format!("'{kind}'"), &field, set));
        }
        let name = text(definition, "AttributeName")?;
        if all.insert(name.to_owned(), kind.to_owned()).is_some() {
            let twice = format!("Cannot have two definitions of the attribute {name}");
            return Err(DynamoDbError::invalid_parameter(&twice));
        }
    }
    Ok(all)
}

fn index_of(index: &Value, definitions: &BTreeMap<String, String>) -> Result<Index, DynamoDbError> {
    let known = ["IndexName", "KeySchema", "Projection"];
    let fields = index.as_object().ok_or_else(DynamoDbError::malformed)?;
    if let Some(field) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(DynamoDbError::unknown(&format!("the parameter {field} of an index")));
    }
    let name = text(index, "IndexName")?;
    let is_lawful = |letter: char| letter.is_ascii_alphanumeric() || "_.-".contains(letter);
    if !(3..=255).contains(&name.len()) || !name.chars().all(is_lawful) {
        let constraint =
            "satisfy regular expression pattern: [a-zA-Z0-9_.-]+ and have length between 3 and 255";
        let field = "globalSecondaryIndexes.1.member.indexName";
        return Err(DynamoDbError::constraint(&format!("'{name}'"), field, constraint));
    }
    let keys_given = index.get("KeySchema").and_then(Value::as_array).ok_or_else(DynamoDbError::malformed)?;
    let (hash, range) = keys(keys_given, definitions)?;
    let projection = index.get("Projection").ok_or_else(DynamoDbError::malformed)?;
    let projection = match text(projection, "ProjectionType")? {
        "KEYS_ONLY" => Projection::KeysOnly,
        "ALL" => Projection::All,
        other => return Err(DynamoDbError::unknown(&format!("the projection {other}"))),
    };
    Ok(Index { name: name.to_owned(), hash, range, projection })
}

fn keys(
    schema: &[Value],
    definitions: &BTreeMap<String, String>,
) -> Result<(KeyAttribute, Option<KeyAttribute>), DynamoDbError> {
    let key = |element: &Value, kind: &str, wrong: &str| {
        if text(element, "KeyType")? != kind {
            return Err(DynamoDbError::validation(format!("Invalid KeySchema: {wrong}")));
        }
        let name = text(element, "AttributeName")?;
        let missing = || {
            DynamoDbError::invalid_parameter(&format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{name}], \
                 AttributeDefinitions: {}",
                list(definitions.keys().map(String::as_str))
            ))
        };
        let kind = definitions.get(name).ok_or_else(missing)?;
        Ok(KeyAttribute::new(name, kind))
    };
    let first = "The first KeySchemaElement is not a HASH key type";
    let second = "The second KeySchemaElement is not a RANGE key type";
    match schema {
        [hash] => Ok((key(hash, "HASH", first)?, None)),
        [hash, range] => {
            let (hash, range) = (key(hash, "HASH", first)?, key(range, "RANGE", second)?);
            if hash.name == range.name {
                let same = "Both the Hash Key and the Range Key element in the KeySchema have the same name";
                return Err(DynamoDbError::invalid_parameter(same));
            }
            Ok((hash, Some(range)))
        }
        _ => {
            let field = "keySchema";
            Err(DynamoDbError::constraint("'[...]'", field, "have length between 1 and 2"))
        }
    }
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, DynamoDbError> {
    value.get(field).and_then(Value::as_str).ok_or_else(DynamoDbError::malformed)
}

fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    format!("[{}]", names.into_iter().collect::<Vec<_>>().join(", "))
}
