use std::time::{Duration, Instant};

use alert_sandbox::Sandbox;
use alert_sandbox::dynamodb::{DynamoDbFault, ITEM_MAX_BYTES, PARTITION_KEY_MAX_BYTES};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

pub(crate) async fn send(
    url: String,
    operation: &str,
    request: String,
) -> Result<reqwest::Response, reqwest::Error> {
    super::client()
        .post(url)
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0")
        .header("authorization", super::authorization("dynamodb"))
        .body(request)
        .send()
        .await
}

pub(crate) async fn call(sandbox: &Sandbox, operation: &str, request: Value) -> (u16, Value) {
    let answer = send(sandbox.dynamodb.url(), operation, request.to_string()).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.0");
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap())
}

/// `ok`, or the error's name without where it is from.
pub(crate) fn word(answer: &(u16, Value)) -> &str {
    match answer.0 {
        200 => "ok",
        _ => answer.1["__type"].as_str().unwrap().split_once('#').unwrap().1,
    }
}

pub(crate) fn message(answer: &(u16, Value)) -> &str {
    answer.1["message"].as_str().unwrap_or_default()
}

/// A request for the item `a` of the table `alerts`, with more fields.
fn for_a(more: Value) -> Value {
    let mut request = json!({"TableName": "alerts", "Key": {"pk": {"S": "a"}}});
    let Value::Object(more) = more else { panic!("no object: {more}") };
    request.as_object_mut().unwrap().extend(more);
    request
}

/// A sandbox with one item: text, a number, bytes, a truth and a null.
async fn with_an_item() -> Sandbox {
    let sandbox = super::sandbox().await;
    let table = sandbox.dynamodb.create_table("alerts");
    sandbox.dynamodb.put_item(&table, &item()).unwrap();
    sandbox
}

fn item() -> Value {
    json!({
        "pk": {"S": "a"}, "colour": {"S": "red"}, "count": {"N": "9"}, "octets": {"B": "AQI="}, "ringing": {"BOOL": true},
        "nothing": {"NULL": true},
    })
}

#[tokio::test]
async fn an_item_is_put_read_and_deleted() {
    let sandbox = super::sandbox().await;
    let create = json!({
        "TableName": "alerts", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
    });
    let created = call(&sandbox, "CreateTable", create.clone()).await;
    assert_eq!(created.1["TableDescription"]["TableStatus"], "CREATING", "{created:?}");
    assert_eq!(word(&call(&sandbox, "CreateTable", create).await), "ResourceInUseException");
    let described = call(&sandbox, "DescribeTable", json!({"TableName": "alerts"})).await;
    assert_eq!(described.1["Table"]["TableStatus"], "ACTIVE", "{described:?}");

    let get = || call(&sandbox, "GetItem", for_a(json!({"ConsistentRead": true})));
    assert_eq!(get().await, (200, json!({})));
    let put = json!({"TableName": "alerts", "Item": item(), "ReturnValues": "ALL_OLD"});
    assert_eq!(call(&sandbox, "PutItem", put.clone()).await, (200, json!({})));
    assert_eq!(get().await, (200, json!({"Item": item()})));
    assert_eq!(call(&sandbox, "PutItem", put).await, (200, json!({"Attributes": item()})));
    let delete = || call(&sandbox, "DeleteItem", for_a(json!({"ReturnValues": "ALL_OLD"})));
    assert_eq!(delete().await, (200, json!({"Attributes": item()})));
    assert_eq!(delete().await, (200, json!({})));
    assert_eq!(get().await, (200, json!({})));
    assert!(sandbox.dynamodb.items("alerts").is_empty());
}

#[tokio::test]
async fn conditions_hold_and_fail() {
    let sandbox = with_an_item().await;
    let values = json!({
        ":red": {"S": "red"}, ":blue": {"S": "blue"}, ":nine": {"N": "9.0"}, ":ten": {"N": "10"}, ":text": {"S": "9"},
        ":raw": {"B": "AQI="}, ":more": {"B": "AQM="}, ":true": {"BOOL": true}, ":null": {"NULL": true},
    });
    let names = json!({"#count": "count", "#name": "name"});
    for (condition, holds) in [
        ("attribute_exists(colour)", true),
        ("attribute_exists(absent)", false),
        ("attribute_not_exists(absent)", true),
        ("attribute_not_exists(pk)", false),
        ("attribute_not_exists(#name)", true),
        ("colour = :red", true),
        (":red = colour", true),
        ("colour = :blue", false),
        ("colour <> :blue", true),
        ("colour > :blue", true),
        // Numerically, 9 is less than 10.
        ("#count < :ten", true),
        ("#count >= :ten", false),
        ("#count = :nine", true),
        ("#count <= :nine AND #count >= :nine", true),
        ("#count <> :nine", false),
        (":ten > #count", true),
        // Different types are unequal, and in no order.
        ("#count = :text", false),
        ("#count <> :text", true),
        ("#count < :text OR #count > :text OR #count <= :text OR #count >= :text", false),
        ("absent = :red", false),
        ("absent <> :red", true),
        ("absent < :ten", false),
        ("NOT absent < :ten", true),
        ("octets = :raw", true),
        ("octets < :more", true),
        ("ringing = :true", true),
        ("nothing = :null", true),
        // NOT before AND before OR.
        ("colour = :red OR colour = :blue AND absent = :red", true),
        ("(colour = :red OR colour = :blue) AND absent = :red", false),
        ("NOT colour = :blue AND colour = :red", true),
        ("NOT (colour = :blue AND colour = :red)", true),
        ("not colour = :red or attribute_exists(pk) and (not (colour = :blue))", true),
        ("(colour = :red) AND (#count < :ten)", true),
        ("colour=:red and#count<:ten", true),
    ] {
        let used = |all: &Value| -> Map<String, Value> {
            let all = all.as_object().unwrap().iter();
            all.filter(|(key, _)| condition.contains(*key)).map(|(k, v)| (k.clone(), v.clone())).collect()
        };
        let mut request = for_a(json!({"ConditionExpression": condition}));
        for (field, used) in
            [("ExpressionAttributeValues", used(&values)), ("ExpressionAttributeNames", used(&names))]
        {
            if !used.is_empty() {
                request[field] = used.into();
            }
        }
        let answer = call(&sandbox, "UpdateItem", request).await;
        let expected = if holds { "ok" } else { "ConditionalCheckFailedException" };
        assert_eq!(word(&answer), expected, "{condition}: {answer:?}");
    }
    assert_eq!(sandbox.dynamodb.item("alerts", "a"), Some(item()));
}

pub(crate) const UNKNOWN: &str = "the sandbox's DynamoDB does not know";

/// Whether each expression is refused with a message that begins like this, and nothing is done.
async fn are_refused(field: &str, expressions: &[(&str, &str)]) {
    let sandbox = with_an_item().await;
    for (expression, expected) in expressions {
        let mut request = for_a(json!({field: expression}));
        // Each has to be used.
        for (key, value) in [(":v", json!({"S": "a"})), (":true", json!({"BOOL": true}))] {
            if expression.contains(key) {
                request["ExpressionAttributeValues"][key] = value;
            }
        }
        let answer = call(&sandbox, "UpdateItem", request).await;
        assert_eq!(word(&answer), "ValidationException", "{expression}: {answer:?}");
        let message =
            message(&answer).strip_prefix(&format!("Invalid {field}: ")).unwrap_or(message(&answer));
        assert!(message.starts_with(expected), "{expression}: {message}");
    }
    assert_eq!(sandbox.dynamodb.item("alerts", "a"), Some(item()));
}

#[tokio::test]
async fn conditions_that_are_refused() {
    let conditions = [
        ("", "The expression can not be empty;"),
        ("pk", "Syntax error; token: \"<EOF>\", near: \"pk\""),
        ("pk = :v :v", "Syntax error"),
        ("pk == :v", "Syntax error"),
        ("(pk = :v", "Syntax error"),
        ("pk = :v)", "Syntax error"),
        ("pk = 'v'", "Syntax error; token: \"'\""),
        ("_pk = :v", UNKNOWN),
        ("pk = 9", "Syntax error"),
        ("AND pk = :v", "Attribute name is a reserved keyword"),
        ("attribute_exists(pk", "Syntax error; token: \"<EOF>\""),
        ("pk = :v AND Status = :v", "Attribute name is a reserved keyword; reserved keyword: Status"),
        (
            "pk = :other",
            "An expression attribute value used in expression is not defined; attribute value: :other",
        ),
        (
            "#pk = :v",
            "An expression attribute name used in the document path is not defined; attribute name: #pk",
        ),
        ("((pk = :v))", "The expression has redundant parentheses;"),
        ("exists(pk)", "Invalid function name; function: exists"),
        ("ATTRIBUTE_EXISTS(pk)", "Invalid function name"),
        (
            "attribute_exists(:v)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        ("pk < :true", "Incorrect operand type for operator or function; operator: <, operand type: BOOL"),
        (
            "attribute_exists(pk, colour)",
            "Incorrect number of operands for operator or function; operator or function: attribute_exists, number of operands: 2",
        ),
        ("begins_with(pk, :v)", UNKNOWN),
        ("size(pk) > :v", UNKNOWN),
        (":v < size(pk)", UNKNOWN),
        ("pk BETWEEN :v AND :v", UNKNOWN),
        ("pk in (:v)", UNKNOWN),
        ("NOT NOT pk = :v", UNKNOWN),
        ("pk = colour", UNKNOWN),
        ("(pk) = :v", UNKNOWN),
        ("pk.part = :v", UNKNOWN),
        ("attribute_exists(pk[0])", UNKNOWN),
    ];
    are_refused("ConditionExpression", &conditions).await;
}

#[tokio::test]
async fn updates_that_are_refused() {
    let updates = [
        ("", "The expression can not be empty;"),
        ("SET", "Syntax error; token: \"<EOF>\", near: \"SET\""),
        ("colour = :v", "Syntax error; token: \"colour\""),
        ("SET colour = :v,", "Syntax error"),
        ("SET colour = :v spare = :v", "Syntax error"),
        ("SET :v = colour", "Syntax error; token: \":v\""),
        ("REMOVE :v", "Syntax error; token: \":v\""),
        (
            "SET colour = :v SET spare = :v",
            "The \"SET\" section can only be used once in an update expression;",
        ),
        (
            "SET colour = :v REMOVE colour",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; \
             path one: [colour], path two: [colour]",
        ),
        (
            "SET pk = :v",
            "One or more parameter values were invalid: Cannot update attribute pk. This attribute is part of the key",
        ),
        ("SET state = :v", "Attribute name is a reserved keyword"),
        (
            "SET spare = absent",
            "The provided expression refers to an attribute that does not exist in the item",
        ),
        ("SET spare = colour + octets", "An operand in the update expression has an incorrect data type"),
        (
            "SET spare = colour + :v",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S",
        ),
        ("SET spare = append(colour, :v)", "Invalid function name"),
        (
            "SET spare = if_not_exists(colour)",
            "Incorrect number of operands for operator or function; operator or function: if_not_exists, number of operands: 1",
        ),
        (
            "SET spare = if_not_exists(:v, :v)",
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        ("SET spare = list_append(colour, :v)", UNKNOWN),
        ("SET spare = if_not_exists(colour, if_not_exists(octets, :v))", UNKNOWN),
        ("SET spare = (:v)", UNKNOWN),
        ("SET colour.part = :v", UNKNOWN),
        (
            "ADD spare :v",
            "Incorrect operand type for operator or function; operator: ADD, operand type: STRING",
        ),
        ("DELETE spare :v", UNKNOWN),
    ];
    are_refused("UpdateExpression", &updates).await;
}

/// Whether each request is refused by this error and a message that begins like this, and nothing is done.
async fn requests_are_refused(requests: Vec<(&str, Value, &str, &str)>) {
    let sandbox = with_an_item().await;
    for (operation, request, kind, expected) in requests {
        let shown = format!("{operation} {request:.200}");
        let answer = call(&sandbox, operation, request).await;
        assert_eq!((answer.0, word(&answer)), (400, kind), "{shown}: {answer:?}");
        assert!(message(&answer).starts_with(expected), "{shown}: {answer:?}");
    }
    assert_eq!(sandbox.dynamodb.item("alerts", "a"), Some(item()));
}

#[tokio::test]
async fn tables_keys_and_items_that_are_refused() {
    let key = |key: Value| json!({"TableName": "alerts", "Key": key});
    let put = |item: Value| json!({"TableName": "alerts", "Item": item});
    let mismatch = "The provided key element does not match the schema";
    let long = "x".repeat(PARTITION_KEY_MAX_BYTES + 1);
    let requests = vec![
        (
            "GetItem",
            json!({"Key": {"pk": {"S": "a"}}}),
            "ValidationException",
            "1 validation error detected: Value null at 'tableName'",
        ),
        (
            "GetItem",
            json!({"TableName": "alerts"}),
            "ValidationException",
            "1 validation error detected: Value null at 'key'",
        ),
        (
            "GetItem",
            json!({"TableName": "other", "Key": {"pk": {"S": "a"}}}),
            "ResourceNotFoundException",
            "Requested resource not found",
        ),
        (
            "DescribeTable",
            json!({"TableName": "other"}),
            "ResourceNotFoundException",
            "Requested resource not found: Table: other not found",
        ),
        ("GetItem", key(json!({})), "ValidationException", mismatch),
        ("GetItem", key(json!({"sk": {"S": "a"}})), "ValidationException", mismatch),
        ("GetItem", key(json!({"pk": {"N": "1"}})), "ValidationException", mismatch),
        ("GetItem", key(json!({"pk": {"S": "a"}, "sk": {"S": "a"}})), "ValidationException", mismatch),
        (
            "UpdateItem",
            key(json!({"pk": {"S": ""}})),
            "ValidationException",
            "One or more parameter values were invalid: The AttributeValue for a key attribute cannot contain an empty string value. Key: pk",
        ),
        (
            "UpdateItem",
            key(json!({"pk": {"S": long}})),
            "ValidationException",
            "One or more parameter values were invalid: Size of hashkey",
        ),
        (
            "PutItem",
            put(json!({"sk": {"S": "a"}})),
            "ValidationException",
            "One or more parameter values were invalid: Missing the key pk in the item",
        ),
        (
            "PutItem",
            put(json!({"pk": {"N": "1"}})),
            "ValidationException",
            "One or more parameter values were invalid: Type mismatch for key pk expected: S actual: N",
        ),
        ("GetItem", key(json!("a")), "SerializationException", ""),
        ("GetItem", key(json!({"pk": "a"})), "SerializationException", ""),
        ("GetItem", key(json!({"pk": {"S": 1}})), "SerializationException", ""),
        ("GetItem", key(json!({"pk": {"N": 1}})), "SerializationException", ""),
        ("GetItem", key(json!({"pk": {}})), "ValidationException", "Supplied AttributeValue is empty"),
        (
            "GetItem",
            key(json!({"pk": {"S": "a", "N": "1"}})),
            "ValidationException",
            "Supplied AttributeValue has more than one",
        ),
        ("GetItem", key(json!({"pk": {"NS": ["1"]}})), "ValidationException", UNKNOWN),
    ];
    requests_are_refused(requests).await;
}

#[tokio::test]
async fn parameters_that_are_refused() {
    let values = |values: Value| {
        for_a(json!({"UpdateExpression": "SET spare = :v", "ExpressionAttributeValues": values}))
    };
    let requests = vec![
        (
            "UpdateItem",
            values(json!({":v": {"N": "nine"}})),
            "ValidationException",
            "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a numeric value: nine for key :v",
        ),
        (
            "UpdateItem",
            values(json!({":v": {"S": "a"}, ":w": {"S": "a"}})),
            "ValidationException",
            "Value provided in ExpressionAttributeValues unused in expressions: keys: {:w}",
        ),
        (
            "UpdateItem",
            values(json!({})),
            "ValidationException",
            "ExpressionAttributeValues must not be empty",
        ),
        (
            "UpdateItem",
            values(json!({"v": {"S": "a"}})),
            "ValidationException",
            "ExpressionAttributeValues contains invalid key: Syntax error; key: \"v\"",
        ),
        (
            "UpdateItem",
            for_a(json!({"UpdateExpression": "REMOVE spare", "ExpressionAttributeNames": {"#a": "a"}})),
            "ValidationException",
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}",
        ),
        (
            "UpdateItem",
            for_a(json!({"ExpressionAttributeNames": {"#a": "a"}})),
            "ValidationException",
            "ExpressionAttributeNames can only be specified when using expressions",
        ),
        (
            "DeleteItem",
            for_a(json!({"ExpressionAttributeValues": {":a": {"S": "a"}}})),
            "ValidationException",
            "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
        ),
        (
            "UpdateItem",
            for_a(json!({"ReturnValues": "SOME"})),
            "ValidationException",
            "1 validation error detected: Value 'SOME' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set",
        ),
        (
            "DeleteItem",
            for_a(json!({"ReturnValues": "ALL_NEW"})),
            "ValidationException",
            "ReturnValues can only be ALL_OLD or NONE",
        ),
        (
            "PutItem",
            json!({"TableName": "alerts", "Item": item(), "ReturnValues": "UPDATED_OLD"}),
            "ValidationException",
            "ReturnValues can only be",
        ),
        (
            "UpdateItem",
            for_a(json!({"Expected": {"pk": {"Exists": true}}})),
            "ValidationException",
            "the sandbox's DynamoDB does not know the parameter Expected here",
        ),
        (
            "UpdateItem",
            for_a(json!({"ReturnConsumedCapacity": "TOTAL"})),
            "ValidationException",
            "the sandbox's DynamoDB does not know another ReturnConsumedCapacity",
        ),
        (
            "GetItem",
            for_a(json!({"ProjectionExpression": "pk"})),
            "ValidationException",
            "the sandbox's DynamoDB does not know the parameter ProjectionExpression here",
        ),
        ("Scan", json!({"TableName": "alerts"}), "ValidationException", UNKNOWN),
    ];
    requests_are_refused(requests).await;
}

#[tokio::test]
async fn what_is_no_request_at_all() {
    let sandbox = super::sandbox().await;
    for body in ["", "[]", "{", "null"] {
        let answer = send(sandbox.dynamodb.url(), "GetItem", body.to_owned()).await.unwrap();
        assert_eq!(answer.status().as_u16(), 400);
        assert!(answer.text().await.unwrap().contains("SerializationException"), "{body}");
    }
    let unsigned = super::client().post(sandbox.dynamodb.url()).body("{}").send().await.unwrap();
    assert!(unsigned.text().await.unwrap().contains("MissingAuthenticationTokenException"));
}

#[tokio::test]
async fn an_item_has_a_largest_size() {
    let sandbox = with_an_item().await;
    let put = |bytes: usize| json!({"TableName": "alerts", "Item": {"pk": {"S": "b"}, "doc": {"S": "ä".repeat(bytes / 2)}}});
    // "pk", "b" and "doc" count as well.
    let most = ITEM_MAX_BYTES - 6;
    assert_eq!(word(&call(&sandbox, "PutItem", put(most)).await), "ok");
    let answer = call(&sandbox, "PutItem", put(most + 2)).await;
    assert_eq!(message(&answer), "Item size has exceeded the maximum allowed size");
    let update = |name: &str| {
        let set = format!("SET {name} = :v");
        let key = json!({"pk": {"S": "b"}});
        json!({"TableName": "alerts", "Key": key, "UpdateExpression": set, "ExpressionAttributeValues": {":v": {"S": "x"}}})
    };
    let answer = call(&sandbox, "UpdateItem", update("m")).await;
    assert_eq!(message(&answer), "Item size to update has exceeded the maximum allowed size");
    assert_eq!(word(&call(&sandbox, "UpdateItem", update("doc")).await), "ok");
    // Expressions have one, too.
    let expression = |length: usize| {
        for_a(json!({"ConditionExpression": format!("attribute_exists({})", "p".repeat(length - 18))}))
    };
    assert_eq!(
        word(&call(&sandbox, "UpdateItem", expression(4096)).await),
        "ConditionalCheckFailedException"
    );
    let answer = call(&sandbox, "UpdateItem", expression(4097)).await;
    assert!(message(&answer).ends_with("maximum allowed size; expression size: 4097"), "{answer:?}");
}

#[tokio::test]
async fn an_update_sets_and_removes() {
    for (update, changed) in [
        ("SET colour = :red, spare = :red", json!({"colour": {"S": "r"}, "spare": {"S": "r"}})),
        ("REMOVE colour, absent, #count", json!({"colour": null, "count": null})),
        ("REMOVE octets SET colour = :red", json!({"octets": null, "colour": {"S": "r"}})),
        ("set colour=:red remove octets", json!({"octets": null, "colour": {"S": "r"}})),
        // The right-hand sides are those from before.
        ("SET colour = octets, octets = colour", json!({"colour": {"B": "AQI="}, "octets": {"S": "red"}})),
        ("SET spare = octets REMOVE octets", json!({"spare": {"B": "AQI="}, "octets": null})),
        ("SET #count = #count + :one", json!({"count": {"N": "10"}})),
        ("SET #count = :one - #count", json!({"count": {"N": "-8"}})),
        ("SET spare = if_not_exists(absent, :red)", json!({"spare": {"S": "r"}})),
        ("SET spare = if_not_exists(octets, :red)", json!({"spare": {"B": "AQI="}})),
        ("SET spare = if_not_exists(absent, :one) + :one", json!({"spare": {"N": "2"}})),
    ] {
        let sandbox = with_an_item().await;
        let mut request = for_a(json!({"UpdateExpression": update, "ReturnValues": "ALL_NEW"}));
        for (field, key, value) in [
            ("ExpressionAttributeValues", ":red", json!({"S": "r"})),
            ("ExpressionAttributeValues", ":one", json!({"N": "1.0"})),
            ("ExpressionAttributeNames", "#count", json!("count")),
        ] {
            if update.contains(key) {
                request[field][key] = value;
            }
        }
        let mut expected = item();
        for (name, value) in changed.as_object().unwrap() {
            match value {
                Value::Null => drop(expected.as_object_mut().unwrap().remove(name)),
                value => expected[name] = value.clone(),
            }
        }
        assert_eq!(
            call(&sandbox, "UpdateItem", request).await,
            (200, json!({"Attributes": expected})),
            "{update}"
        );
        assert_eq!(sandbox.dynamodb.item("alerts", "a"), Some(expected), "{update}");
    }
}

#[tokio::test]
async fn what_an_update_gives_back() {
    let set = "SET colour = :v, spare = :v REMOVE ringing";
    let without = |name: &str| {
        let mut item = item();
        item.as_object_mut().unwrap().remove(name);
        item
    };
    let mut new = without("ringing");
    (new["colour"], new["spare"]) = (json!({"S": "r"}), json!({"S": "r"}));
    let fresh = json!({"pk": {"S": "a"}, "colour": {"S": "r"}, "spare": {"S": "r"}});
    let updated = json!({"colour": {"S": "r"}, "spare": {"S": "r"}});
    for (returned, known, expected) in [
        (None, true, None),
        (Some("NONE"), true, None),
        (Some("ALL_OLD"), true, Some(item())),
        (Some("ALL_NEW"), true, Some(new)),
        (Some("UPDATED_OLD"), true, Some(json!({"colour": {"S": "red"}, "ringing": {"BOOL": true}}))),
        (Some("UPDATED_NEW"), true, Some(updated.clone())),
        (Some("ALL_OLD"), false, None),
        (Some("ALL_NEW"), false, Some(fresh)),
        (Some("UPDATED_OLD"), false, None),
        (Some("UPDATED_NEW"), false, Some(updated)),
    ] {
        let sandbox = if known { with_an_item().await } else { super::sandbox().await };
        if !known {
            let _ = sandbox.dynamodb.create_table("alerts");
        }
        let mut request =
            for_a(json!({"UpdateExpression": set, "ExpressionAttributeValues": {":v": {"S": "r"}}}));
        if let Some(returned) = returned {
            request["ReturnValues"] = returned.into();
        }
        let expected = expected.map_or(json!({}), |expected| json!({"Attributes": expected}));
        assert_eq!(call(&sandbox, "UpdateItem", request).await, (200, expected), "{returned:?}, {known}");
    }
}

#[tokio::test]
async fn an_update_makes_an_item_unless_it_only_removes() {
    let sandbox = super::sandbox().await;
    let _ = sandbox.dynamodb.create_table("alerts");
    let remove = for_a(json!({"UpdateExpression": "REMOVE colour", "ReturnValues": "ALL_NEW"}));
    assert_eq!(call(&sandbox, "UpdateItem", remove).await, (200, json!({})));
    assert_eq!(sandbox.dynamodb.item("alerts", "a"), None);
    assert_eq!(word(&call(&sandbox, "UpdateItem", for_a(json!({}))).await), "ok");
    assert_eq!(sandbox.dynamodb.item("alerts", "a"), Some(json!({"pk": {"S": "a"}})));
}

#[tokio::test]
async fn a_failed_condition_tells_the_item_to_those_who_ask() {
    let sandbox = with_an_item().await;
    let condition = json!({"ConditionExpression": "attribute_not_exists(pk)"});
    for operation in ["UpdateItem", "DeleteItem", "PutItem"] {
        for (asked, expected) in [(None, None), (Some("NONE"), None), (Some("ALL_OLD"), Some(item()))] {
            let mut request = for_a(condition.clone());
            if operation == "PutItem" {
                request.as_object_mut().unwrap().remove("Key");
                request["Item"] = json!({"pk": {"S": "a"}});
            }
            if let Some(asked) = asked {
                request["ReturnValuesOnConditionCheckFailure"] = asked.into();
            }
            let answer = call(&sandbox, operation, request).await;
            assert_eq!(word(&answer), "ConditionalCheckFailedException");
            assert_eq!(message(&answer), "The conditional request failed");
            assert_eq!(answer.1.get("Item"), expected.as_ref(), "{operation} {asked:?}");
        }
    }
    let missing = json!({
        "TableName": "alerts", "Key": {"pk": {"S": "b"}}, "ConditionExpression": "attribute_exists(pk)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let answer = call(&sandbox, "UpdateItem", missing).await;
    assert_eq!((word(&answer), answer.1.get("Item")), ("ConditionalCheckFailedException", None));
    assert_eq!(sandbox.dynamodb.items("alerts"), [item()]);
}

/// A claim by one of many: it has to be free, or its lease over.
fn claim(me: usize, now: u64) -> Value {
    for_a(json!({
        "UpdateExpression": "SET lease_owner = :me, lease_until = :until",
        "ConditionExpression": "attribute_not_exists(lease_until) OR lease_until < :now",
        "ExpressionAttributeValues": {
            ":me": {"S": me.to_string()}, ":until": {"N": (now + 1000).to_string()}, ":now": {"N": now.to_string()},
        },
        "ReturnValues": "ALL_OLD", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_claim_one_wins() {
    let sandbox = super::sandbox().await;
    let table = sandbox.dynamodb.create_table("alerts");
    let mut now = 999;
    for round in 0..5 {
        let mut tasks = JoinSet::new();
        for me in 0..50 {
            let (url, request) = (sandbox.dynamodb.url(), claim(me, now).to_string());
            tasks.spawn(async move {
                let answer = send(url, "UpdateItem", request).await.unwrap();
                let won = answer.status().is_success();
                (me, won, serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap())
            });
        }
        let answers = tasks.join_all().await;
        let winners: Vec<_> = answers.iter().filter(|(_, won, _)| *won).map(|(me, _, _)| *me).collect();
        let [winner] = winners[..] else { panic!("round {round}: {winners:?}") };
        let lease = json!({"pk": {"S": "a"}, "lease_owner": {"S": winner.to_string()}, "lease_until": {"N": (now + 1000).to_string()}});
        assert_eq!(sandbox.dynamodb.item(&table, "a"), Some(lease.clone()), "round {round}");
        for (me, _, answer) in answers.iter().filter(|(_, won, _)| !*won) {
            assert_eq!(answer["Item"], lease, "round {round}, {me}");
        }
        // Not over as long as it is the same millisecond, and not by the order of its digits.
        assert_eq!(
            word(&call(&sandbox, "UpdateItem", claim(50, now + 1000)).await),
            "ConditionalCheckFailedException"
        );
        now += 1001;
    }
    let outcomes = sandbox.dynamodb.calls();
    assert_eq!(outcomes.iter().filter(|call| call.outcome == "ok").count(), 5);
    assert_eq!(outcomes.len(), 5 * 51);
}

#[tokio::test]
async fn faults_refuse_what_they_say_and_then_it_works_again() {
    let sandbox = with_an_item().await;
    let touch = || {
        for_a(
            json!({"UpdateExpression": "SET touched = :t", "ExpressionAttributeValues": {":t": {"BOOL": true}}}),
        )
    };
    let is_touched = || sandbox.dynamodb.item("alerts", "a").unwrap().get("touched").is_some();
    for (fault, status, expected) in [
        (DynamoDbFault::Unavailable, 500, "InternalServerError"),
        (DynamoDbFault::Deny, 400, "AccessDeniedException"),
        (DynamoDbFault::Missing, 400, "ResourceNotFoundException"),
    ] {
        sandbox.dynamodb.set_fault(fault);
        for _ in 0..2 {
            let answer = call(&sandbox, "UpdateItem", touch()).await;
            assert_eq!((answer.0, word(&answer)), (status, expected));
        }
    }
    sandbox.dynamodb.set_fault(DynamoDbFault::Throttle(2));
    for _ in 0..2 {
        assert_eq!(
            word(&call(&sandbox, "UpdateItem", touch()).await),
            "ProvisionedThroughputExceededException"
        );
    }
    assert!(!is_touched());
    assert_eq!(word(&call(&sandbox, "UpdateItem", touch()).await), "ok");
    assert!(is_touched());
    let calls = sandbox.dynamodb.calls();
    assert!(calls.iter().all(|call| call.operation == "UpdateItem" && call.table == "alerts"), "{calls:?}");
    let outcomes: Vec<_> = calls.iter().skip(5).map(|call| call.outcome.as_str()).collect();
    assert_eq!(
        outcomes,
        [
            "ResourceNotFoundException",
            "ProvisionedThroughputExceededException",
            "ProvisionedThroughputExceededException",
            "ok"
        ]
    );
}

#[tokio::test]
async fn an_answer_that_is_lost_late_or_never_comes() {
    let sandbox = with_an_item().await;
    let number = |number: u32| {
        for_a(
            json!({"UpdateExpression": "SET step = :n", "ExpressionAttributeValues": {":n": {"N": number.to_string()}}}),
        )
    };
    let step = || sandbox.dynamodb.item("alerts", "a").unwrap()["step"]["N"].clone();
    let try_to = |request: Value| send(sandbox.dynamodb.url(), "UpdateItem", request.to_string());

    sandbox.dynamodb.set_fault(DynamoDbFault::LoseAnswer(1));
    assert!(try_to(number(1)).await.is_err());
    assert_eq!(step(), "1");
    assert_eq!(word(&call(&sandbox, "UpdateItem", number(2)).await), "ok");

    // That of the second write alone.
    sandbox.dynamodb.set_fault_after(1, DynamoDbFault::LoseAnswer(1));
    assert_eq!(word(&call(&sandbox, "UpdateItem", number(2)).await), "ok");
    assert!(try_to(number(20)).await.is_err());
    assert_eq!(step(), "20");
    assert_eq!(word(&call(&sandbox, "UpdateItem", number(2)).await), "ok");

    sandbox.dynamodb.set_fault(DynamoDbFault::Hang(Duration::from_millis(50)));
    let begin = Instant::now();
    assert!(try_to(number(3)).await.is_err());
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(step(), "2");

    // Whoever does not wait for it finds it done all the same.
    sandbox.dynamodb.set_fault(DynamoDbFault::Delay(Duration::from_mins(1)));
    assert!(tokio::time::timeout(Duration::from_millis(500), try_to(number(4))).await.is_err());
    assert_eq!(step(), "4");

    sandbox.dynamodb.set_fault(DynamoDbFault::Endless);
    let mut answer = try_to(number(5)).await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some_and(|piece| !piece.is_empty()));
    assert_eq!(step(), "5");
    let outcomes: Vec<_> = sandbox.dynamodb.calls().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes, ["no answer", "ok", "ok", "no answer", "ok", "no answer", "ok", "ok"]);
}
