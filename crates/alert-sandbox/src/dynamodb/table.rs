//! Tables and their items, and what requests do to them. A table has a partition key and nothing else.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::DynamoDbError;
use super::expression::{Condition, Update};
use super::placeholders::Placeholders;
use super::value::{AttributeValue, Item, item_from_json, item_json, item_size};
use crate::aws::{ACCOUNT, REGION};

/// The largest item, names and values (Developer Guide, "Constraints: Items").
pub const ITEM_MAX_BYTES: usize = 400 * 1024;
/// The longest partition key (Developer Guide, "Constraints: Partition keys and sort keys").
pub const PARTITION_KEY_MAX_BYTES: usize = 2048;

/// All tables, by name.
#[derive(Debug, Default)]
pub(super) struct Tables(BTreeMap<String, Table>);

/// A table, made of items by the value of their key.
#[derive(Debug)]
pub(super) struct Table {
    key: String,
    key_kind: String,
    items: BTreeMap<AttributeValue, Item>,
}

impl Table {
    pub(super) fn new(key: &str, key_kind: &str) -> Self {
        Self { key: key.to_owned(), key_kind: key_kind.to_owned(), items: BTreeMap::new() }
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
            || DynamoDbError::invalid_parameter(&format!("Missing the key {} in the item", self.key));
        let key = item.get(&self.key).ok_or_else(missing)?;
        if key.kind() != self.key_kind {
            return Err(DynamoDbError::invalid_parameter(&format!(
                "Type mismatch for key {} expected: {} actual: {}",
                self.key,
                self.key_kind,
                key.kind()
            )));
        }
        self.check_key_size(key, "One or more parameter values are not valid. ")?;
        if item_size(item) > ITEM_MAX_BYTES {
            return Err(DynamoDbError::validation("Item size has exceeded the maximum allowed size"));
        }
        Ok(key.clone())
    }

    /// The key of a request that names an item by it.
    pub(super) fn key(&self, key: Item) -> Result<AttributeValue, DynamoDbError> {
        let wrong = || DynamoDbError::validation("The provided key element does not match the schema");
        let mut attributes = key.into_iter();
        let (name, value) = attributes.next().ok_or_else(wrong)?;
        if attributes.next().is_some() || name != self.key || value.kind() != self.key_kind {
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
                self.key
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
        json!({
            "TableName": name,
            "TableArn": format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"),
            "TableStatus": status,
            "KeySchema": [{"AttributeName": self.key, "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": self.key, "AttributeType": self.key_kind}],
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ItemCount": self.items.len(),
        })
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
            "PutItem" => self.put_item(&request),
            "UpdateItem" => self.update_item(&request),
            "DeleteItem" => self.delete_item(&request),
            _ => Err(DynamoDbError::unknown(&format!("the operation {operation}"))),
        }
    }

    fn create_table(&mut self, request: &Request<'_>) -> Result<Value, DynamoDbError> {
        request.check_fields(&["TableName", "KeySchema", "AttributeDefinitions", "BillingMode"])?;
        let name = request.table_name()?;
        if request.choice("BillingMode", &["PROVISIONED", "PAY_PER_REQUEST"])? != Some("PAY_PER_REQUEST") {
            return Err(DynamoDbError::unknown("tables with provisioned throughput"));
        }
        let (keys, definitions) = (request.list("KeySchema")?, request.list("AttributeDefinitions")?);
        let ([key], [definition]) = (keys, definitions) else {
            return Err(DynamoDbError::unknown("tables with other keys than one partition key"));
        };
        let text = |value: &'_ Value, field: &str| {
            value.get(field).and_then(Value::as_str).map(str::to_owned).ok_or_else(DynamoDbError::malformed)
        };
        if text(key, "KeyType")? != "HASH" {
            let wrong = "Invalid KeySchema: The first KeySchemaElement is not a HASH key type";
            return Err(DynamoDbError::validation(wrong));
        }
        let (key, defined) = (text(key, "AttributeName")?, text(definition, "AttributeName")?);
        if key != defined {
            return Err(DynamoDbError::invalid_parameter(&format!(
                "Some index key attributes are not defined in AttributeDefinitions. Keys: [{key}], \
                 AttributeDefinitions: [{defined}]"
            )));
        }
        let kind = text(definition, "AttributeType")?;
        if !["S", "N", "B"].contains(&kind.as_str()) {
            let field = "attributeDefinitions.1.member.attributeType";
            return Err(DynamoDbError::constraint(
                &format!("'{kind}'"),
                field,
                "satisfy enum value set: [B, N, S]",
            ));
        }
        if self.0.contains_key(name) {
            return Err(DynamoDbError::table_exists(name));
        }
        let table = Table::new(&key, &kind);
        let description = table.description(name, "CREATING");
        self.insert(name, table);
        Ok(json!({"TableDescription": description}))
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
        if named.contains(&&table.key) {
            return Err(DynamoDbError::invalid_parameter(&format!(
                "Cannot update attribute {}. This attribute is part of the key",
                table.key
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

/// What every write may say.
const WRITE_FIELDS: &[&str] = &[
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValues",
    "ReturnValuesOnConditionCheckFailure",
    "ReturnConsumedCapacity",
    "ReturnItemCollectionMetrics",
];

fn answer(field: &str, item: Option<&Item>) -> Value {
    item.map(|item| (field.to_owned(), item_json(item))).into_iter().collect::<Map<_, _>>().into()
}

/// A request's fields.
struct Request<'a>(&'a Map<String, Value>);

/// What a write is to check and to give back.
struct Write {
    placeholders: Placeholders,
    condition: Option<Condition>,
    return_values: &'static str,
    returns_failed: bool,
}

impl<'a> Request<'a> {
    /// A field that the sandbox does not heed must not be passed over.
    fn check_fields(&self, known: &[&str]) -> Result<(), DynamoDbError> {
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

    fn table_name(&self) -> Result<&'a str, DynamoDbError> {
        table_name(self.0).ok_or_else(|| DynamoDbError::constraint("null", "tableName", "not be null"))
    }

    fn item(&self, field: &str) -> Result<Item, DynamoDbError> {
        let lower = field.to_ascii_lowercase();
        item_from_json(
            self.0.get(field).ok_or_else(|| DynamoDbError::constraint("null", &lower, "not be null"))?,
        )
    }

    fn list(&self, field: &str) -> Result<&'a [Value], DynamoDbError> {
        let lower = format!("{}{}", field[..1].to_ascii_lowercase(), &field[1..]);
        let list =
            self.0.get(field).ok_or_else(|| DynamoDbError::constraint("null", &lower, "not be null"))?;
        list.as_array().map(Vec::as_slice).ok_or_else(DynamoDbError::malformed)
    }

    /// One of several words, when one is given.
    fn choice(&self, field: &str, words: &[&'static str]) -> Result<Option<&'static str>, DynamoDbError> {
        let Some(value) = self.0.get(field) else { return Ok(None) };
        let value = value.as_str().ok_or_else(DynamoDbError::malformed)?;
        words.iter().copied().find(|word| *word == value).map(Some).ok_or_else(|| {
            let lower = format!("{}{}", field[..1].to_ascii_lowercase(), &field[1..]);
            let set = format!("satisfy enum value set: [{}]", words.join(", "));
            DynamoDbError::constraint(&format!("'{value}'"), &lower, &set)
        })
    }

    fn write(&self, expressions: &[&str]) -> Result<Write, DynamoDbError> {
        let all = ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"];
        let return_values = self.choice("ReturnValues", &all)?.unwrap_or("NONE");
        let failed = self.choice("ReturnValuesOnConditionCheckFailure", &["ALL_OLD", "NONE"])?;
        let placeholders = Placeholders::read(self.0, expressions)?;
        let condition = placeholders.condition(self.0)?;
        Ok(Write { condition, placeholders, return_values, returns_failed: failed == Some("ALL_OLD") })
    }
}

impl Write {
    fn check_condition(&self, item: Option<&Item>) -> Result<(), DynamoDbError> {
        match &self.condition {
            Some(condition) if !condition.holds(item.unwrap_or(&Item::new())) => {
                Err(DynamoDbError::condition_failed(item.filter(|_| self.returns_failed).cloned()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the old item is wanted, of which alone puts and deletes can tell.
    fn returned_old(&self) -> Result<bool, DynamoDbError> {
        match self.return_values {
            "NONE" => Ok(false),
            "ALL_OLD" => Ok(true),
            _ => Err(DynamoDbError::validation("ReturnValues can only be ALL_OLD or NONE")),
        }
    }
}

/// The table that a request names.
pub(super) fn table_name(request: &Map<String, Value>) -> Option<&str> {
    request.get("TableName").and_then(Value::as_str)
}
