//! Queries, of the index for what is due above all.

use std::time::{Duration, Instant};

use alert_sandbox::Sandbox;
use alert_sandbox::dynamodb::{DynamoDbFault, PARTITION_KEY_MAX_BYTES};
use serde_json::{Value, json};

use super::dynamodb::{UNKNOWN, call, message, send, word};

/// What is due, what is not, and what only looks like it.
async fn with_items() -> Sandbox {
    let sandbox = super::sandbox().await;
    let table = sandbox.dynamodb.create_table("alerts");
    for item in [
        json!({"pk": {"S": "a"}, "due": {"S": "silence"}, "due_at": {"N": "9"}, "doc": {"S": "{}"}}),
        json!({"pk": {"S": "b"}, "due": {"S": "silence"}, "due_at": {"N": "100"}}),
        json!({"pk": {"S": "c"}, "due": {"S": "silence"}, "due_at": {"N": "20"}}),
        json!({"pk": {"S": "d"}, "due": {"S": "other"}, "due_at": {"N": "1"}}),
        json!({"pk": {"S": "e"}, "due": {"S": "silence"}}),
        json!({"pk": {"S": "f"}, "due_at": {"N": "1"}}),
        json!({"pk": {"S": "g"}}),
    ] {
        sandbox.dynamodb.put_item(&table, &item).unwrap();
    }
    sandbox
}

/// A query of the index by a condition on the time, with more fields.
fn due(condition: &str, values: Value, more: Value) -> Value {
    let mut request = json!({
        "TableName": "alerts", "IndexName": "due", "KeyConditionExpression": format!("#due = :due{condition}"),
        "ExpressionAttributeNames": {"#due": "due"}, "ExpressionAttributeValues": {":due": {"S": "silence"}},
    });
    for (field, add) in [("ExpressionAttributeValues", values), ("", more)] {
        let Value::Object(add) = add else { panic!("no object: {add}") };
        let place = if field.is_empty() { &mut request } else { &mut request[field] };
        place.as_object_mut().unwrap().extend(add);
    }
    request
}

fn now(time: u32) -> Value {
    json!({":now": {"N": time.to_string()}})
}

/// The keys of the items of an answer.
fn keys(answer: &(u16, Value)) -> String {
    let items = answer.1["Items"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    items.iter().map(|item| item["pk"]["S"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn the_index_has_what_has_both_keys_in_the_order_of_the_numbers() {
    let sandbox = with_items().await;
    let answer = call(&sandbox, "Query", due(" AND due_at <= :now", now(20), json!({}))).await;
    let key = |pk: &str, at: &str| json!({"pk": {"S": pk}, "due": {"S": "silence"}, "due_at": {"N": at}});
    // KEYS_ONLY: nothing else of the items is told.
    let items = json!([key("a", "9"), key("c", "20")]);
    assert_eq!(answer, (200, json!({"Count": 2, "ScannedCount": 2, "Items": items})));
    for (condition, values, found) in [
        ("", json!({}), "acb"),
        (" AND due_at = :now", now(20), "c"),
        (" AND due_at < :now", now(20), "a"),
        (" AND due_at <= :now", now(8), ""),
        (" AND due_at > :now", now(20), "b"),
        (" AND due_at >= :now", now(20), "cb"),
        (" AND due_at BETWEEN :low AND :now", json!({":low": {"N": "9"}, ":now": {"N": "20.0"}}), "ac"),
        (" and (due_at between :low and :now)", json!({":low": {"N": "10"}, ":now": {"N": "99"}}), "c"),
    ] {
        let answer = call(&sandbox, "Query", due(condition, values.clone(), json!({}))).await;
        assert_eq!(keys(&answer), found, "{condition}");
        let backwards = due(condition, values, json!({"ScanIndexForward": false, "ConsistentRead": false}));
        assert_eq!(
            keys(&call(&sandbox, "Query", backwards).await),
            found.chars().rev().collect::<String>(),
            "{condition}"
        );
    }
    let turned = json!({
        "TableName": "alerts", "IndexName": "due", "KeyConditionExpression": "(due_at < :t) AND (due = :due)",
        "ExpressionAttributeValues": {":due": {"S": "other"}, ":t": {"N": "1e1"}},
    });
    assert_eq!(keys(&call(&sandbox, "Query", turned).await), "d");
}

#[tokio::test]
async fn the_index_follows_the_table_unless_it_is_held() {
    let sandbox = with_items().await;
    let query = || call(&sandbox, "Query", due("", json!({}), json!({})));
    let update = |expression: &str| {
        let request =
            json!({"TableName": "alerts", "Key": {"pk": {"S": "a"}}, "UpdateExpression": expression});
        call(&sandbox, "UpdateItem", request)
    };
    assert_eq!(word(&update("REMOVE due, due_at").await), "ok");
    assert_eq!(keys(&query().await), "cb");
    sandbox.dynamodb.hold_indexes("alerts", true);
    let later = json!({
        "TableName": "alerts", "Key": {"pk": {"S": "c"}}, "UpdateExpression": "SET due_at = :t",
        "ExpressionAttributeValues": {":t": {"N": "1000"}},
    });
    assert_eq!(word(&call(&sandbox, "UpdateItem", later).await), "ok");
    assert_eq!(keys(&query().await), "cb", "eventually consistent");
    let get = json!({"TableName": "alerts", "Key": {"pk": {"S": "c"}}, "ConsistentRead": true});
    assert_eq!(call(&sandbox, "GetItem", get).await.1["Item"]["due_at"]["N"], "1000");
    sandbox.dynamodb.hold_indexes("alerts", false);
    assert_eq!(keys(&query().await), "bc");
}

#[tokio::test]
async fn pages() {
    let sandbox = with_items().await;
    for (pk, at) in [("h", "9"), ("i", "9")] {
        let item = json!({"pk": {"S": pk}, "due": {"S": "silence"}, "due_at": {"N": at}});
        sandbox.dynamodb.put_item("alerts", &item).unwrap();
    }
    for (forward, limit, expected) in
        [(true, 2, vec!["ah", "ic", "b"]), (false, 3, vec!["bci", "ha"]), (true, 5, vec!["ahicb", ""])]
    {
        let mut pages = Vec::new();
        let mut more = json!({"Limit": limit, "ScanIndexForward": forward});
        loop {
            let answer = call(&sandbox, "Query", due(" AND due_at <= :now", now(100), more.clone())).await;
            pages.push(keys(&answer));
            let last = answer.1["LastEvaluatedKey"].clone();
            if last.is_null() {
                break;
            }
            assert_eq!(last.as_object().unwrap().len(), 3, "{last}");
            more["ExclusiveStartKey"] = last;
        }
        assert_eq!(pages, expected, "a page that is full by its limit has a next one");
    }
    // What a page ended with may be gone meanwhile.
    let start = json!({"pk": {"S": "gone"}, "due": {"S": "silence"}, "due_at": {"N": "10"}});
    let answer = call(&sandbox, "Query", due("", json!({}), json!({"ExclusiveStartKey": start}))).await;
    assert_eq!(keys(&answer), "cb");
    let count = call(&sandbox, "Query", due("", json!({}), json!({"Select": "COUNT"}))).await;
    assert_eq!(count.1, json!({"Count": 5, "ScannedCount": 5}));
}

#[tokio::test]
async fn a_page_has_an_end_by_its_size() {
    let sandbox = super::sandbox().await;
    let table = sandbox.dynamodb.create_table("alerts");
    // Of each, the index has the keys alone: somewhat more than two kilobytes.
    let pad = "x".repeat(PARTITION_KEY_MAX_BYTES - 3);
    for number in 0..600 {
        let item = json!({"pk": {"S": format!("{number:03}{pad}")}, "due": {"S": "silence"},
            "due_at": {"N": number.to_string()}, "doc": {"S": "x"}});
        sandbox.dynamodb.put_item(&table, &item).unwrap();
    }
    let first = call(&sandbox, "Query", due("", json!({}), json!({}))).await.1;
    let count = first["Count"].as_u64().unwrap();
    assert!((500..520).contains(&count), "{count}");
    let more = json!({"ExclusiveStartKey": first["LastEvaluatedKey"]});
    let second = call(&sandbox, "Query", due("", json!({}), more)).await.1;
    assert_eq!((second["Count"].as_u64(), second.get("LastEvaluatedKey")), (Some(600 - count), None));
}

#[tokio::test]
async fn a_table_is_queried_by_its_key() {
    let sandbox = with_items().await;
    let request = json!({
        "TableName": "alerts", "KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}},
        "ConsistentRead": true, "Select": "ALL_ATTRIBUTES",
    });
    let answer = call(&sandbox, "Query", request).await;
    let item = json!({"pk": {"S": "a"}, "due": {"S": "silence"}, "due_at": {"N": "9"}, "doc": {"S": "{}"}});
    assert_eq!(answer, (200, json!({"Count": 1, "ScannedCount": 1, "Items": [item]})));
}

/// Whether each query is refused with a message that begins like this.
async fn are_refused(queries: Vec<(Value, &str)>) {
    let sandbox = with_items().await;
    for (request, expected) in queries {
        let shown = request.to_string();
        let answer = call(&sandbox, "Query", request).await;
        assert_eq!((answer.0, word(&answer)), (400, "ValidationException"), "{shown:.300} {answer:?}");
        assert!(message(&answer).starts_with(expected), "{shown:.300} {answer:?}");
    }
}

#[tokio::test]
async fn conditions_on_keys_that_are_refused() {
    let with = |more: Value| due("", json!({}), more);
    let at = |condition: &str, value: Value| due(condition, json!({":v": value}), json!({}));
    let number = json!({"N": "1"});
    let alone = json!({
        "TableName": "alerts", "IndexName": "due", "KeyConditionExpression": "due_at = :v",
        "ExpressionAttributeValues": {":v": {"N": "1"}},
    });
    let mut unequal = alone.clone();
    unequal["KeyConditionExpression"] = "due > :v".into();
    let both = json!({":v": {"N": "2"}, ":w": {"N": "1"}});
    let two_types = json!({":v": {"N": "2"}, ":w": {"S": "1"}});
    let key_type =
        "One or more parameter values were invalid: Condition parameter type does not match schema type";
    are_refused(vec![
        (alone, "Query condition missed key schema element: due"),
        (unequal, "Query key condition not supported"),
        (at(" AND pk = :v", json!({"S": "a"})), "Query condition missed key schema element: due_at"),
        (at(" AND due_at = :v AND pk = :v", number.clone()), "Conditions can be of length 1 or 2 only"),
        (at(" AND due_at <= :v", json!({"S": "1"})), key_type),
        (
            at(" AND #due = :v", json!({"S": "a"})),
            "KeyConditionExpressions must only contain one condition per key",
        ),
        (at(" OR due_at = :v", number.clone()), "Invalid operator used in KeyConditionExpression: OR"),
        (at(" AND NOT due_at = :v", number.clone()), "Invalid operator used in KeyConditionExpression: NOT"),
        (at(" AND due_at <> :v", number.clone()), "Invalid operator used in KeyConditionExpression: <>"),
        (at(" AND due_at IN (:v)", number.clone()), "Invalid operator used in KeyConditionExpression: IN"),
        (
            at(" AND attribute_exists(due_at)", number.clone()),
            "Invalid operator used in KeyConditionExpression: attr",
        ),
        (at(" AND begins_with(due_at, :v)", number.clone()), UNKNOWN),
        (at(" AND :v = due_at", number.clone()), UNKNOWN),
        (at(" AND ((due_at = :v))", number.clone()), UNKNOWN),
        (
            at(" AND due_at =", number.clone()),
            "Invalid KeyConditionExpression: Syntax error; token: \"<EOF>\"",
        ),
        (at(" AND due_at BETWEEN :v", number.clone()), "Invalid KeyConditionExpression: Syntax error"),
        (
            at("", number.clone()),
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:v}",
        ),
        (
            at(" AND due_at = :w", number),
            "Invalid KeyConditionExpression: An expression attribute value used",
        ),
        (
            due(" AND due_at BETWEEN :v AND :w", both, json!({})),
            "Invalid KeyConditionExpression: The BETWEEN operator requires upper bound to be greater than or equal to \
             lower bound; lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        (
            due(" AND due_at BETWEEN :v AND :w", two_types, json!({})),
            "Invalid KeyConditionExpression: The BETWEEN operator requires same data type",
        ),
        (
            with(json!({"KeyConditionExpression": ""})),
            "Invalid KeyConditionExpression: The expression can not be empty;",
        ),
        (
            with(json!({"KeyConditionExpression": "x".repeat(4097)})),
            "Invalid KeyConditionExpression: Expression size has exceeded",
        ),
    ])
    .await;
}

#[tokio::test]
async fn queries_that_are_refused() {
    let with = |more: Value| due("", json!({}), more);
    let start = |key: Value| with(json!({"ExclusiveStartKey": key}));
    let mut missing = with(json!({}));
    missing.as_object_mut().unwrap().remove("KeyConditionExpression");
    let without = json!({"TableName": "alerts", "IndexName": "due"});
    are_refused(vec![
        (
            with(json!({"ConsistentRead": true})),
            "Consistent reads are not supported on global secondary indexes",
        ),
        (with(json!({"IndexName": "none"})), "The table does not have the specified index: none"),
        (
            without,
            "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
        ),
        (
            missing,
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            with(json!({"Limit": 0})),
            "1 validation error detected: Value '0' at 'limit' failed to satisfy constraint",
        ),
        (with(json!({"Select": "SOME"})), "1 validation error detected: Value 'SOME' at 'select'"),
        (with(json!({"Select": "SPECIFIC_ATTRIBUTES"})), UNKNOWN),
        (
            with(json!({"Select": "ALL_ATTRIBUTES"})),
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary \
             index due",
        ),
        (start(json!({"pk": {"S": "a"}})), "The provided starting key is invalid"),
        (
            start(json!({"pk": {"S": "a"}, "due": {"S": "silence"}, "due_at": {"S": "1"}})),
            "The provided starting key is invalid",
        ),
        (
            start(json!({"pk": {"S": "a"}, "due": {"S": "other"}, "due_at": {"N": "1"}})),
            "The provided starting key is outside query boundaries",
        ),
        (with(json!({"FilterExpression": "attribute_exists(doc)"})), UNKNOWN),
        (with(json!({"ProjectionExpression": "pk"})), UNKNOWN),
        (with(json!({"KeyConditions": {}})), UNKNOWN),
        (with(json!({"ReturnConsumedCapacity": "TOTAL"})), UNKNOWN),
    ])
    .await;
    let other = json!({
        "TableName": "other", "KeyConditionExpression": "pk = :a", "ExpressionAttributeValues": {":a": {"S": "a"}},
    });
    let sandbox = super::sandbox().await;
    assert_eq!(word(&call(&sandbox, "Query", other).await), "ResourceNotFoundException");
}

#[tokio::test]
async fn keys_of_an_index_have_its_types() {
    let sandbox = with_items().await;
    for (item, expected) in [
        (
            json!({"pk": {"S": "x"}, "due_at": {"S": "1"}}),
            "One or more parameter values were invalid: Type mismatch for Index Key due_at Expected: N Actual: S \
             IndexName: due",
        ),
        (
            json!({"pk": {"S": "x"}, "due": {"S": ""}}),
            "One or more parameter values were invalid: An index key",
        ),
        (
            json!({"pk": {"S": "x"}, "due": {"S": "x".repeat(PARTITION_KEY_MAX_BYTES + 1)}}),
            "One or more parameter values were invalid: Size of an index key",
        ),
    ] {
        let answer = call(&sandbox, "PutItem", json!({"TableName": "alerts", "Item": item})).await;
        assert_eq!(word(&answer), "ValidationException");
        assert!(message(&answer).starts_with(expected), "{answer:?}");
        let (name, value) = item.as_object().unwrap().iter().find(|(name, _)| *name != "pk").unwrap();
        let update = json!({
            "TableName": "alerts", "Key": {"pk": {"S": "x"}}, "UpdateExpression": format!("SET {name} = :v"),
            "ExpressionAttributeValues": {":v": value},
        });
        let answer = call(&sandbox, "UpdateItem", update).await;
        let expected =
            "The update expression attempted to update the secondary index key to unsupported type";
        assert_eq!(message(&answer), expected);
    }
    assert_eq!(sandbox.dynamodb.item("alerts", "x"), None);
}

#[tokio::test]
async fn a_table_with_indexes_is_made() {
    let sandbox = super::sandbox().await;
    let key = |name: &str, kind: &str| json!({"AttributeName": name, "KeyType": kind});
    let kind = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
    let index = |name: &str, projection: &str| {
        json!({
            "IndexName": name, "KeySchema": [key("due", "HASH"), key("due_at", "RANGE")],
            "Projection": {"ProjectionType": projection},
        })
    };
    let all = json!([kind("pk", "S"), kind("due", "S"), kind("due_at", "N")]);
    let create = |definitions: &Value, indexes: &[Value]| {
        json!({
            "TableName": "alerts", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key("pk", "HASH")],
            "AttributeDefinitions": definitions, "GlobalSecondaryIndexes": indexes,
        })
    };
    let many: Vec<_> = (0..21).map(|number| index(&format!("index{number}"), "ALL")).collect();
    let mut swapped = index("due", "ALL");
    swapped["KeySchema"] = json!([key("due", "RANGE"), key("due_at", "HASH")]);
    let invalid = "One or more parameter values were invalid: ";
    for (definitions, indexes, expected) in [
        (
            &json!([kind("pk", "S")]),
            vec![index("due", "ALL")],
            format!("{invalid}Some index key attributes are not"),
        ),
        (&all, vec![], format!("{invalid}List of GlobalSecondaryIndexes is empty")),
        (&all, vec![index("due", "ALL"); 2], format!("{invalid}Duplicate index name: due")),
        (&all, many, format!("{invalid}GlobalSecondaryIndex count exceeds")),
        (&all, vec![index("du", "ALL")], "1 validation error detected: Value 'du'".to_owned()),
        (
            &all,
            vec![swapped],
            "Invalid KeySchema: The first KeySchemaElement is not a HASH key type".to_owned(),
        ),
        (&all, vec![index("due", "INCLUDE")], UNKNOWN.to_owned()),
        (
            &json!([kind("pk", "S"), kind("due", "S"), kind("due_at", "N"), kind("more", "N")]),
            vec![index("due", "ALL")],
            format!("{invalid}Some AttributeDefinitions are not used."),
        ),
    ] {
        let answer = call(&sandbox, "CreateTable", create(definitions, &indexes)).await;
        assert_eq!(word(&answer), "ValidationException", "{answer:?}");
        assert!(message(&answer).starts_with(&expected), "{expected}: {answer:?}");
    }
    let fine = create(&all, &[index("due", "KEYS_ONLY"), index("whole", "ALL")]);
    let answer = call(&sandbox, "CreateTable", fine).await;
    assert_eq!(answer.1["TableDescription"]["GlobalSecondaryIndexes"][0]["IndexName"], "due", "{answer:?}");
    let described = call(&sandbox, "DescribeTable", json!({"TableName": "alerts"})).await.1;
    let shown = &described["Table"]["GlobalSecondaryIndexes"][1];
    assert_eq!(
        (&shown["IndexStatus"], &shown["Projection"]["ProjectionType"]),
        (&json!("ACTIVE"), &json!("ALL"))
    );
    let item = json!({"pk": {"S": "a"}, "due": {"S": "silence"}, "due_at": {"N": "1"}, "doc": {"S": "{}"}});
    sandbox.dynamodb.put_item("alerts", &item).unwrap();
    for select in ["ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"] {
        let whole = due("", json!({}), json!({"IndexName": "whole", "Select": select}));
        assert_eq!(call(&sandbox, "Query", whole).await.1["Items"], json!([item]));
    }
}

#[tokio::test]
async fn faults_meet_reads_as_well() {
    let sandbox = with_items().await;
    let query = || due("", json!({}), json!({}));
    let get = || json!({"TableName": "alerts", "Key": {"pk": {"S": "a"}}});
    for (fault, expected) in [
        (DynamoDbFault::Unavailable, "InternalServerError"),
        (DynamoDbFault::Deny, "AccessDeniedException"),
        (DynamoDbFault::Missing, "ResourceNotFoundException"),
        (DynamoDbFault::Throttle(2), "ProvisionedThroughputExceededException"),
    ] {
        sandbox.dynamodb.set_fault(fault);
        assert_eq!(word(&call(&sandbox, "Query", query()).await), expected);
        assert_eq!(word(&call(&sandbox, "GetItem", get()).await), expected);
    }
    sandbox.dynamodb.set_fault(DynamoDbFault::Deny);
    let denied = call(&sandbox, "Query", query()).await.1["Message"].as_str().unwrap().to_owned();
    assert!(denied.contains("dynamodb:Query on resource: "), "{denied}");
    assert!(denied.contains(":table/alerts/index/due because"), "{denied}");
    let short = Duration::from_millis(50);
    sandbox.dynamodb.set_fault(DynamoDbFault::Delay(short));
    let begin = Instant::now();
    assert_eq!(keys(&call(&sandbox, "Query", query()).await), "acb");
    assert!(begin.elapsed() >= short);
    for fault in [DynamoDbFault::Hang(short), DynamoDbFault::LoseAnswer(1)] {
        sandbox.dynamodb.set_fault(fault);
        assert!(send(sandbox.dynamodb.url(), "Query", query().to_string()).await.is_err());
    }
    let calls = sandbox.dynamodb.calls();
    let last = calls.last().unwrap();
    assert_eq!(
        (last.operation.as_str(), last.table.as_str(), last.outcome.as_str()),
        ("Query", "alerts", "no answer")
    );
}
