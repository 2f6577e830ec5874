//! Tables and their items, and what requests do to them. A table has a partition key, and may have global secondary
//! indexes.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::DynamoDbError;
use super::expression::Update;
use super::index::{Index, KeyAttribute, Projection, key_schema, table_of};
use super::query::Query;
use super::request::{Request, WRITE_FIELDS};
use super::value::{AttributeValue, Item, item_json, item_size};
use crate::aws::{ACCOUNT, REGION};

/// The largest item, names and values (Developer Guide, "Constraints: Items").
pub const ITEM_MAX_BYTES: usize = 400 * 1024;
/// The longest partition key (Developer Guide, "Constraints: Partition keys and sort keys").
pub const PARTITION_KEY_MAX_BYTES: usize = 2048;
/// The longest sort key (there, too).
pub(super) const SORT_KEY_MAX_BYTES: usize = 1024;

/// All tables, by name.
#[derive(Debug, Default)]
pub(super) struct Tables(BTreeMap<String, Table>);

/// A table, made of items by the value of their key.
#[derive(Debug)]
pub(super) struct Table {
    key: KeyAttribute,
    indexes: Vec<Index>,
    items: BTreeMap<AttributeValue, Item>,
    /// What the indexes show instead of the items that are there now.
    held: Option<BTreeMap<AttributeValue, Item>>,
}

impl Table {
    pub(super) fn new(key: KeyAttribute, indexes: Vec<Index>) -> Self {
        Self { key, indexes, items: BTreeMap::new(), held: None }
    }

    pub(super) fn key_attribute(&self) -> &KeyAttribute {
        &self.key
    }

    /// The table itself, as a query sees it.
    pub(super) fn as_index(&self) -> Index {
        Index { name: String::new(), hash: self.key.clone(), range: None, projection: Projection::All }
    }

    pub(super) fn index(&self, name: &str) -> Result<&Index, DynamoDbError> {
        let missing =
            || DynamoDbError::validation(format!("The table does not have the specified index: {name}"));
        self.indexes.iter().find(|index| index.name == name).ok_or_else(missing)
    }

    pub(super) fn items_by_key(&self) -> &BTreeMap<AttributeValue, Item> {
        &self.items
    }

    /// The items that the indexes are made of, by their keys in the table.
    pub(super) fn indexed_items(&self) -> &BTreeMap<AttributeValue, Item> {
        self.held.as_ref().unwrap_or(&self.items)
    }

    /// Lets the indexes stay as they are, or follow the table again.
    pub(super) fn hold_indexes(&mut self, hold: bool) {
        self.held = hold.then(|| self.items.clone());
    }

    pub(super) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// Puts an item in the place of the one with its key.
    pub(super) fn put(&mut self, item: Item) -> Result<(), DynamoDbError> {
        let key = self.key_of(&item)?;
        self.items.insert(key, item);
        Ok(())
    }

    /// The key of an item that is to be put, when it may be.
    fn key_of(&self, item: &Item) -> Result<AttributeValue, DynamoDbError> {
        let missing =
            || DynamoDbError::invalid_parameter(&format!("Missing the key {} in the item", self.key.name));
        let key = item.get(&self.key.name).ok_or_else(missing)?;
        if key.kind() != self.key.kind {
            return Err(DynamoDbError::invalid_parameter(&format!(
                "Type mismatch for key {} expected: {} actual: {}",
                self.key.name,
                self.key.kind,
                key.kind()
            )));
        }
        self.check_key_size(key, "One or more parameter values are not valid. ")?;
        if item_size(item) > ITEM_MAX_BYTES {
            return Err(DynamoDbError::validation("Item size has exceeded the maximum allowed size"));
        }
        self.indexes.iter().try_for_each(|index| index.check(item))?;
        Ok(key.clone())
    }

    /// The key of a request that names an item by it.
    pub(super) fn key(&self, key: Item) -> Result<AttributeValue, DynamoDbError> {
        let wrong = || DynamoDbError::validation("The provided key element does not match the schema");
        let mut attributes = key.into_iter();
        let (name, value) = attributes.next().ok_or_else(wrong)?;
        if attributes.next().is_some() || name != self.key.name || value.kind() != self.key.kind {
            return Err(wrong());
        }
        self.check_key_size(&value, "One or more parameter values were invalid: ")?;
        Ok(value)
    }

    /// `wrong` begins what is said of an empty key, which differs between keys and items.
    fn check_key_size(&self, key: &AttributeValue, wrong: &str) -> Result<(), DynamoDbError> {
        let (length, kind) = match key {
            AttributeValue::S(text) => (text.len(), "string"),
            AttributeValue::B(bytes) => (bytes.len(), "binary"),
            _ => return Ok(()),
        };
        if length == 0 {
            return Err(DynamoDbError::validation(format!(
                "{wrong}The AttributeValue for a key attribute cannot contain an empty {kind} value. Key: {}",
                self.key.name
            )));
        }
        if length > PARTITION_KEY_MAX_BYTES {
            // The space before the number is missing in AWS's own text.
            let long = "Size of hashkey has exceeded the maximum size limit of2048 bytes";
            return Err(DynamoDbError::invalid_parameter(long));
        }
        Ok(())
    }

    fn description(&self, name: &str, status: &str) -> Value {
        let keys = [&self.key].into_iter().chain(self.indexes.iter().flat_map(Index::keys));
        let kinds: BTreeMap<&str, &str> = keys.map(|key| (key.name.as_str(), key.kind.as_str())).collect();
        let definitions: Vec<_> =
            kinds.iter().map(|(name, kind)| json!({"AttributeName": name, "AttributeType": kind})).collect();
        let mut description = json!({
            "TableName": name,
            "TableArn": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"),
            "TableStatus": status,
            "KeySchema": key_schema(&self.key, None),
            "AttributeDefinitions": definitions,
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ItemCount": self.items.len(),
        });
        if !self.indexes.is_empty() {
            let indexes = self.indexes.iter().map(|index| index.description(name, status));
            description["GlobalSecondaryIndexes"] = indexes.collect();
        }
        description
    }
}

impl Tables {
    pub(super) fn insert(&mut self, name: &str, table: Table) {
        self.0.insert(name.to_owned(), table);
    }

    pub(super) fn table(&mut self, name: &str) -> Result<&mut Table, DynamoDbError> {
        self.0.get_mut(name).ok_or_else(DynamoDbError::no_resource)
    }

    /// Carries out a request as a whole or not at all.
    pub(super) fn perform(
        &mut self,
        operation: &str,
        request: &Map<String, Value>,
    ) -> Result<Value, DynamoDbError> {
        let request = Request(request);
        match operation {
            "CreateTable" => self.create_table(&request),
            "DescribeTable" => {
                request.check_fields(&["TableName"])?;
                let name = request.table_name()?;
                let table = self.0.get(name).ok_or_else(|| DynamoDbError::no_table(name))?;
                Ok(json!({"Table": table.description(name, "ACTIVE")}))
            }
            "GetItem" => self.get_item(&request),
            "Query" => self.query(&request),
            "PutItem" => self.put_item(&request),
            "UpdateItem" => self.update_item(&request),
            "DeleteItem" => self.delete_item(&request),
            _ => Err(DynamoDbError::unknown(&format!("the operation {operation}"))),
        }
    }

    fn create_table(&mut self, request: &Request<'_>) -> Result<Value, DynamoDbError> {
        let known =
            ["TableName", "KeySchema", "AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes"];
        request.check_fields(&known)?;
        let name = request.table_name()?;
        if request.choice("BillingMode", &["PROVISIONED", "PAY_PER_REQUEST"])? != Some("PAY_PER_REQUEST") {
            return Err(DynamoDbError::unknown("tables with provisioned throughput"));
        }
        let table = table_of(request)?;
        if self.0.contains_key(name) {
            return Err(DynamoDbError::table_exists(name));
        }
        let description = table.description(name, "CREATING");
        self.insert(name, table);
        Ok(json!({"TableDescription": description}))
    }

    fn query(&mut self, request: &Request<'_>) -> Result<Value, DynamoDbError> {
        let query = Query::read(request)?;
        query.answer(self.table(request.table_name()?)?)
    }

    fn get_item(&mut self, request: &Request<'_>) -> Result<Value, DynamoDbError> {
        request.check_fields(&["TableName", "Key", "ConsistentRead", "ReturnConsumedCapacity"])?;
        let (name, key) = (request.table_name()?, request.item("Key")?);
        let table = self.table(name)?;
        let key = table.key(key)?;
        Ok(answer("Item", table.items.get(&key)))
    }

    fn put_item(&mut self, request: &Request<'_>) -> Result<Value, DynamoDbError> {
        request.check_fields(&[&["TableName", "Item"], WRITE_FIELDS].concat())?;
        let (name, item) = (request.table_name()?, request.item("Item")?);
        let write = request.write(&["ConditionExpression"])?;
        let returned = write.returned_old()?;
        write.placeholders.check_used()?;
        let table = self.table(name)?;
        let key = table.key_of(&item)?;
        write.check_condition(table.items.get(&key))?;
        let old = table.items.insert(key, item);
        Ok(answer("Attributes", old.as_ref().filter(|_| returned)))
    }

    fn delete_item(&mut self, request: &Request<'_>) -> Result<Value, DynamoDbError> {
        request.check_fields(&[&["TableName", "Key"], WRITE_FIELDS].concat())?;
        let (name, key) = (request.table_name()?, request.item("Key")?);
        let write = request.write(&["ConditionExpression"])?;
        let returned = write.returned_old()?;
        write.placeholders.check_used()?;
        let table = self.table(name)?;
        let key = table.key(key)?;
        write.check_condition(table.items.get(&key))?;
        let old = table.items.remove(&key);
        Ok(answer("Attributes", old.as_ref().filter(|_| returned)))
    }

    fn update_item(&mut self, request: &Request<'_>) -> Result<Value, DynamoDbError> {
        request.check_fields(&[&["TableName", "Key", "UpdateExpression"], WRITE_FIELDS].concat())?;
        let (name, key_attributes) = (request.table_name()?, request.item("Key")?);
        let write = request.write(&["UpdateExpression", "ConditionExpression"])?;
        let update = write.placeholders.update(request.0)?;
        write.placeholders.check_used()?;
        let table = self.table(name)?;
        let key = table.key(key_attributes.clone())?;
        let named: Vec<&String> = update.iter().flat_map(Update::attributes).collect();
        if named.contains(&&table.key.name) {
            return Err(DynamoDbError::invalid_parameter(&format!(
                "Cannot update attribute {}. This attribute is part of the key",
                table.key.name
            )));
        }
        let old = table.items.get(&key).cloned();
        write.check_condition(old.as_ref())?;
        let before = old.clone().unwrap_or(key_attributes);
        let new = match &update {
            None => before,
            Some(update) => update.applied(&before)?,
        };
        if item_size(&new) > ITEM_MAX_BYTES {
            let large = "Item size to update has exceeded the maximum allowed size";
            return Err(DynamoDbError::validation(large));
        }
        if table.indexes.iter().any(|index| index.check(&new).is_err()) {
            let wrong =
                "The update expression attempted to update the secondary index key to unsupported type";
            return Err(DynamoDbError::validation(wrong));
        }
        // Removing alone makes no item.
        let new = Some(new).filter(|_| old.is_some() || !update.as_ref().is_some_and(Update::only_removes));
        let updated = |item: &Option<Item>| {
            let named = |(name, value): (&String, &AttributeValue)| {
                named.contains(&name).then(|| (name.clone(), value.clone()))
            };
            item.as_ref()
                .map(|item| item.iter().filter_map(named).collect::<Item>())
                .filter(|item| !item.is_empty())
        };
        let returned = match write.return_values {
            "ALL_OLD" => old.clone(),
            "ALL_NEW" => new.clone(),
            "UPDATED_OLD" => updated(&old),
            "UPDATED_NEW" => updated(&new),
            _ => None,
        };
        if let Some(new) = new {
            table.items.insert(key, new);
        }
        Ok(answer("Attributes", returned.as_ref()))
    }
}

/// An item under a name, where there is one.
fn answer(field: &str, item: Option<&Item>) -> Value {
    item.map(|item| (field.to_owned(), item_json(item))).into_iter().collect::<Map<_, _>>().into()
}
