//! Query: the items of one partition, of a table or of one of its indexes, in the order of the sort key.

use serde_json::{Map, Value, json};

use super::error::DynamoDbError;
use super::expression::KeyTest;
use super::index::{Index, Projection};
use super::placeholders::Placeholders;
use super::request::Request;
use super::table::Table;
use super::value::{AttributeValue, Item, item_json, item_size};

/// The most that a page holds (API reference, Query).
const PAGE_MAX_BYTES: usize = 1024 * 1024;

const FIELDS: &[&str] = &[
    "TableName",
    "IndexName",
    "KeyConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "Limit",
    "ExclusiveStartKey",
    "ScanIndexForward",
    "Select",
    "ConsistentRead",
    "ReturnConsumedCapacity",
];

/// What a query says by itself, whatever table it is about.
pub(super) struct Query {
    index: Option<String>,
    tests: Vec<(String, KeyTest)>,
    limit: Option<usize>,
    start: Option<Item>,
    forward: bool,
    consistent: bool,
    select: Option<&'static str>,
}

/// Where an item stands: by the sort key where there is one, then by the table's key.
type Position<'a> = (Option<&'a AttributeValue>, &'a AttributeValue);

impl Query {
    pub(super) fn read(request: &Request<'_>) -> Result<Self, DynamoDbError> {
        request.check_fields(FIELDS)?;
        let select = ["ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES", "COUNT", "SPECIFIC_ATTRIBUTES"];
        let select = request.choice("Select", &select)?;
        let limit = request.count("Limit")?;
        let placeholders = Placeholders::read(request.0, &["FilterExpression", "KeyConditionExpression"])?;
        let missing =
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.";
        let tests = placeholders.key_condition(request.0)?;
        let tests = tests.ok_or_else(|| DynamoDbError::validation(missing))?;
        placeholders.check_used()?;
        if select == Some("SPECIFIC_ATTRIBUTES") {
            return Err(DynamoDbError::unknown("the choice of attributes"));
        }
        if tests.len() > 2 {
            return Err(DynamoDbError::validation("Conditions can be of length 1 or 2 only"));
        }
        let index = request.0.get("IndexName");
        let index = index.map(|index| index.as_str().ok_or_else(DynamoDbError::malformed)).transpose()?;
        let start = request.0.contains_key("ExclusiveStartKey");
        Ok(Self {
            index: index.map(str::to_owned),
            tests,
            limit,
            start: start.then(|| request.item("ExclusiveStartKey")).transpose()?,
            forward: request.flag("ScanIndexForward")?.unwrap_or(true),
            consistent: request.flag("ConsistentRead")?.unwrap_or_default(),
            select,
        })
    }

    /// One page of what a table answers.
    pub(super) fn answer(&self, table: &Table) -> Result<Value, DynamoDbError> {
        let by_key = table.as_index();
        let index = match &self.index {
            None => &by_key,
            Some(name) => table.index(name)?,
        };
        self.check_reading(index)?;
        let (hash, range) = self.tests_of(index)?;
        let mut found: Vec<(Position<'_>, &Item)> = Vec::new();
        for (key, item) in if self.index.is_some() { table.indexed_items() } else { table.items_by_key() } {
            let is_wanted = index.hash.of(item).is_some_and(|value| hash.holds(value))
                && index.range.as_ref().is_none_or(|key| {
                    key.of(item).is_some_and(|value| range.is_none_or(|test| test.holds(value)))
                });
            if is_wanted {
                found.push(((index.range.as_ref().and_then(|key| key.of(item)), key), item));
            }
        }
        // Of items with the same sort key the order is not documented.
        found.sort_by_key(|(position, _)| *position);
        if !self.forward {
            found.reverse();
        }
        if let Some(start) = &self.start {
            let start = start_position(start, index, table, hash, range)?;
            found.retain(|(position, _)| if self.forward { *position > start } else { *position < start });
        }
        Ok(self.page(&found, index, table))
    }

    fn check_reading(&self, index: &Index) -> Result<(), DynamoDbError> {
        let by_index = self.index.is_some();
        if by_index && self.consistent {
            let wrong = "Consistent reads are not supported on global secondary indexes";
            return Err(DynamoDbError::validation(wrong));
        }
        match self.select {
            Some("ALL_ATTRIBUTES") if by_index && index.projection != Projection::All => {
                Err(DynamoDbError::invalid_parameter(&format!(
                    "Select type ALL_ATTRIBUTES is not supported for global secondary index {} because its \
                     projection type is not ALL",
                    index.name
                )))
            }
            Some("ALL_PROJECTED_ATTRIBUTES") if !by_index => {
                let wrong = "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName";
                Err(DynamoDbError::validation(wrong))
            }
            _ => Ok(()),
        }
    }

    /// The tests of the partition key and of the sort key.
    fn tests_of(&self, index: &Index) -> Result<(&KeyTest, Option<&KeyTest>), DynamoDbError> {
        let test =
            |name: &str| self.tests.iter().find(|(attribute, _)| attribute == name).map(|(_, test)| test);
        let missed = |name: &str| {
            DynamoDbError::validation(format!("Query condition missed key schema element: {name}"))
        };
        let hash = test(&index.hash.name).ok_or_else(|| missed(&index.hash.name))?;
        let range = index.range.as_ref().and_then(|range| test(&range.name));
        if self.tests.len() == 2 && range.is_none() {
            return Err(match &index.range {
                Some(range) => missed(&range.name),
                None => DynamoDbError::validation("Query key condition not supported"),
            });
        }
        if !hash.is_equality() {
            return Err(DynamoDbError::validation("Query key condition not supported"));
        }
        for (key, test) in [(Some(&index.hash), Some(hash)), (index.range.as_ref(), range)] {
            if let (Some(key), Some(test)) = (key, test)
                && test.kind() != key.kind
            {
                let wrong = "Condition parameter type does not match schema type";
                return Err(DynamoDbError::invalid_parameter(wrong));
            }
            if test.is_some_and(KeyTest::has_empty_value) {
                let wrong = "An index key, or a key, cannot be compared with an empty value";
                return Err(DynamoDbError::invalid_parameter(wrong));
            }
        }
        Ok((hash, range))
    }

    fn page(&self, found: &[(Position<'_>, &Item)], index: &Index, table: &Table) -> Value {
        let keys = || index.keys().chain([table.key_attribute()]);
        let only_keys = |item: &Item| -> Item {
            keys().filter_map(|key| Some((key.name.clone(), item.get(&key.name)?.clone()))).collect()
        };
        let (mut items, mut bytes, mut last) = (Vec::new(), 0, None);
        for (number, (_, item)) in found.iter().enumerate() {
            let shown = if index.projection == Projection::All { (*item).clone() } else { only_keys(item) };
            bytes += item_size(&shown);
            items.push(item_json(&shown));
            // A page that is full by its limit has a next one, even where that will be empty.
            let is_full = self.limit == Some(items.len());
            if is_full || bytes > PAGE_MAX_BYTES && number + 1 < found.len() {
                last = Some(only_keys(item));
                break;
            }
        }
        let mut answer = Map::new();
        answer.insert("Count".to_owned(), items.len().into());
        answer.insert("ScannedCount".to_owned(), items.len().into());
        if self.select != Some("COUNT") {
            answer.insert("Items".to_owned(), items.into());
        }
        if let Some(last) = last {
            answer.insert("LastEvaluatedKey".to_owned(), item_json(&last));
        }
        json!(answer)
    }
}

/// The position that a page begins behind: it names the keys of the table and of the index, and nothing else, and lies
/// in what was asked for. Whether something stands there does not matter.
fn start_position<'a>(
    start: &'a Item,
    index: &Index,
    table: &Table,
    hash: &KeyTest,
    range: Option<&KeyTest>,
) -> Result<Position<'a>, DynamoDbError> {
    let invalid = || DynamoDbError::validation("The provided starting key is invalid");
    let mut names: Vec<&str> =
        index.keys().chain([table.key_attribute()]).map(|key| key.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if start.len() != names.len() {
        return Err(invalid());
    }
    let key = table.key_attribute().of(start).ok_or_else(invalid)?;
    let hash_value = index.hash.of(start).ok_or_else(invalid)?;
    let range_value = index.range.as_ref().map(|key| key.of(start).ok_or_else(invalid)).transpose()?;
    let is_inside =
        hash.holds(hash_value) && range.is_none_or(|test| range_value.is_some_and(|value| test.holds(value)));
    if !is_inside {
        let outside = "The provided starting key is outside query boundaries based on provided conditions";
        return Err(DynamoDbError::validation(outside));
    }
    Ok((range_value, key))
}
