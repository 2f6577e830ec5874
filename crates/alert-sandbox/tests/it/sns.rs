use std::time::Duration;

use alert_sandbox::Sandbox;
use alert_sandbox::sns::{Message, MessageAttribute, SnsError, SnsFault};
use alert_sandbox::sqs::{Queue, QueueOptions};
use serde_json::{Value, json};

use super::lambda::odd_function;

const LONG: Duration = Duration::from_secs(20);

fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

async fn call(sandbox: &Sandbox, fields: &[(&str, &str)]) -> (u16, String) {
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let answer = super::client()
        .post(sandbox.sns.url())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", super::authorization("sns"))
        .body(format!("Version=2010-03-31&{}", fields.join("&")))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let rest = xml.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
    rest.split_once(&format!("</{name}>")).map_or("", |(inside, _)| inside)
}

async fn publish(sandbox: &Sandbox, topic: &str, fields: &[(&str, &str)]) -> Result<String, (u16, String)> {
    let (status, xml) =
        call(sandbox, &[&[("Action", "Publish"), ("TopicArn", topic)], fields].concat()).await;
    if status == 200 {
        let result = element(element(&xml, "PublishResult"), "MessageId");
        assert_eq!(result.len(), 36, "{xml}");
        Ok(result.to_owned())
    } else {
        assert!(xml.starts_with("<ErrorResponse"), "{xml}");
        Err((status, element(element(&xml, "Error"), "Code").to_owned()))
    }
}

fn invalid<T>() -> Result<T, (u16, String)> {
    Err((400, "InvalidParameter".to_owned()))
}

#[tokio::test]
async fn a_message_and_its_subject_at_the_limit_and_one_beyond() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts");
    // "k" + "String" + "v" are 8 bytes, and é is two.
    let attribute = [
        ("MessageAttributes.entry.1.Name", "k"),
        ("MessageAttributes.entry.1.Value.DataType", "String"),
        ("MessageAttributes.entry.1.Value.StringValue", "v"),
    ];
    let most = "é".repeat((262_144 - 8) / 2);
    assert!(
        publish(&sandbox, &topic, &[&[("Message", most.as_str())], &attribute[..]].concat()).await.is_ok()
    );
    let more = format!("{most}x");
    assert_eq!(
        publish(&sandbox, &topic, &[&[("Message", more.as_str())], &attribute[..]].concat()).await,
        invalid()
    );
    assert!(publish(&sandbox, &topic, &[("Message", &more)]).await.is_ok());
    assert_eq!(publish(&sandbox, &topic, &[("Message", "")]).await, invalid());

    let subject =
        async |subject: &str| publish(&sandbox, &topic, &[("Message", "m"), ("Subject", subject)]).await;
    assert!(subject(&"한".repeat(100)).await.is_ok());
    for bad in ["", &"한".repeat(101), "a\nb", "a\u{7}b"] {
        assert_eq!(subject(bad).await, invalid(), "{bad}");
    }
    let last = sandbox.sns.published().pop().unwrap();
    assert_eq!(last.message.subject, Some("한".repeat(100)));
}

#[tokio::test]
async fn attributes() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts");
    let long = "n".repeat(256);
    let too_long = "n".repeat(257);
    for (good, name, data_type, value) in [
        (true, "a_b.c-D9", "String", "한글 \t\r\n"),
        (true, long.as_str(), "String", "v"),
        (true, "k", "Number", "1.5"),
        (true, "k", "String.Array", r#"["a",1,null]"#),
        (true, "k", "Binary", "eQ=="),
        (false, too_long.as_str(), "String", "v"),
        (false, "", "String", "v"),
        (false, "a b", "String", "v"),
        (false, ".a", "String", "v"),
        (false, "a.", "String", "v"),
        (false, "a..b", "String", "v"),
        (false, "AWS.x", "String", "v"),
        (false, "amazon.x", "String", "v"),
        (false, "k", "Text", "v"),
        (false, "k", "String", ""),
        (false, "k", "String", "🔥"),
        (false, "k", "String", "a\u{1}"),
        (false, "k", "Number", "one"),
        (false, "k", "String.Array", "a"),
        (false, "k", "Binary", "no base64"),
    ] {
        let field = if data_type == "Binary" { "BinaryValue" } else { "StringValue" };
        let field = format!("MessageAttributes.entry.1.Value.{field}");
        let fields = [
            ("Message", "m"),
            ("MessageAttributes.entry.1.Name", name),
            ("MessageAttributes.entry.1.Value.DataType", data_type),
            (field.as_str(), value),
        ];
        match publish(&sandbox, &topic, &fields).await {
            Ok(_) => assert!(good, "{name} {data_type} {value}"),
            Err(error) => {
                assert!(!good, "{name} {data_type} {value}");
                assert_eq!(error, (400, "ParameterValueInvalid".to_owned()));
            }
        }
    }
}

#[tokio::test]
async fn topics_and_signatures() {
    let sandbox = super::sandbox().await;
    let absent = publish(&sandbox, "arn:aws:sns:us-east-1:123456789012:absent", &[("Message", "m")]).await;
    assert_eq!(absent, Err((404, "NotFound".to_owned())));
    assert_eq!(publish(&sandbox, "nonsense", &[("Message", "m")]).await, invalid());
    let unsigned = super::client().post(sandbox.sns.url()).body("Action=Publish").send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    assert_eq!(call(&sandbox, &[("Action", "Dance")]).await.0, 400);
}

#[tokio::test]
async fn fifo_topics_require_a_group_and_swallow_duplicates() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts.fifo");
    let standard = sandbox.sns.create_topic("alerts");
    let function = odd_function().await;
    assert_eq!(sandbox.sns.subscribe_function(&topic, &function).unwrap_err().code, "InvalidParameter");
    let queue = Queue::new("q", QueueOptions::default());
    sandbox.sns.subscribe_queue(&topic, &queue, false).unwrap();

    let (group, id) = (("MessageGroupId", "g"), ("MessageDeduplicationId", "d"));
    let message = ("Message", "m");
    for fields in
        [&[message][..], &[message, group], &[message, id], &[message, id, ("MessageGroupId", "한")]]
    {
        assert_eq!(publish(&sandbox, &topic, fields).await, invalid());
    }
    assert_eq!(publish(&sandbox, &standard, &[message, id]).await, invalid());
    assert!(publish(&sandbox, &standard, &[message, group]).await.is_ok());

    let first = publish(&sandbox, &topic, &[message, group, id]).await.unwrap();
    let again = publish(&sandbox, &topic, &[("Message", "other"), group, id]).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(queue.messages().len(), 1);
    assert!(sandbox.sns.published().pop().unwrap().duplicate);

    sandbox.sns.set_content_based_deduplication(&topic, true);
    let first = publish(&sandbox, &topic, &[message, group]).await.unwrap();
    assert_eq!(publish(&sandbox, &topic, &[message, group]).await.unwrap(), first);
    assert_ne!(publish(&sandbox, &topic, &[("Message", "n"), group]).await.unwrap(), first);
}

async fn batch(sandbox: &Sandbox, topic: &str, entries: &[(&str, &str)]) -> (u16, String) {
    let mut fields = vec![("Action".to_owned(), "PublishBatch"), ("TopicArn".to_owned(), topic)];
    for (index, (id, message)) in entries.iter().enumerate() {
        let prefix = format!("PublishBatchRequestEntries.member.{}", index + 1);
        fields.push((format!("{prefix}.Id"), id));
        fields.push((format!("{prefix}.Message"), message));
    }
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    call(sandbox, &fields).await
}

#[tokio::test]
async fn a_batch_at_its_limits_and_beyond() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts");
    let ids: Vec<String> = (0..11).map(|number| format!("id-{number}")).collect();
    let entries: Vec<_> = ids.iter().map(|id| (id.as_str(), "m")).collect();
    let (status, xml) = batch(&sandbox, &topic, &entries[..10]).await;
    assert_eq!((status, xml.matches("<member>").count()), (200, 10), "{xml}");
    assert_eq!(element(&xml, "Failed"), "");

    let (id80, id81) = ("x".repeat(80), "x".repeat(81));
    assert_eq!(batch(&sandbox, &topic, &[(&id80, "m")]).await.0, 200);
    let (half, more) = ("x".repeat(131_072), "x".repeat(131_073));
    assert_eq!(batch(&sandbox, &topic, &[("a", &half), ("b", &half)]).await.0, 200);
    for (code, entries) in [
        ("EmptyBatchRequest", &[][..]),
        ("TooManyEntriesInBatchRequest", &entries[..]),
        ("BatchEntryIdsNotDistinct", &[("a", "m"), ("a", "n")]),
        ("InvalidBatchEntryId", &[("a.b", "m")]),
        ("InvalidBatchEntryId", &[(&id81, "m")]),
        ("BatchRequestTooLong", &[("a", &half), ("b", &more)]),
    ] {
        let (status, xml) = batch(&sandbox, &topic, entries).await;
        assert_eq!((status, element(&xml, "Code")), (400, code));
    }
}

#[tokio::test]
async fn entries_of_a_batch_fail_alone() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts");
    sandbox.sns.set_entry_plan(Box::new(|info| {
        (info.id == "b").then(|| SnsError::new(500, "InternalError", "<later>"))
    }));
    let (status, xml) = batch(&sandbox, &topic, &[("a", "m"), ("b", "m"), ("c", "")]).await;
    assert_eq!(status, 200);
    assert_eq!(element(element(&xml, "Successful"), "Id"), "a");
    assert_eq!(
        element(&xml, "Failed"),
        "<member><Id>b</Id><Code>InternalError</Code><Message>&lt;later&gt;</Message>\
         <SenderFault>false</SenderFault></member>\
         <member><Id>c</Id><Code>InvalidParameter</Code><Message>Invalid parameter: Empty message</Message>\
         <SenderFault>true</SenderFault></member>"
    );
    assert_eq!(sandbox.sns.published().len(), 1);
    assert_eq!(sandbox.sns.calls()[0].outcome, "partial");
}

#[tokio::test]
async fn faults() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts");
    let send = || publish(&sandbox, &topic, &[("Message", "m")]);
    for (fault, status, code) in [
        (SnsFault::Throttle(1), 400, "Throttling"),
        (SnsFault::Internal(1), 500, "InternalError"),
        (SnsFault::Deny, 403, "AuthorizationError"),
    ] {
        sandbox.sns.set_fault(fault);
        assert_eq!(send().await, Err((status, code.to_owned())));
    }
    sandbox.sns.set_fault(SnsFault::Throttle(0));
    assert!(send().await.is_ok());

    let request = || {
        let body = format!("Action=Publish&TopicArn={topic}&Message=m");
        let request =
            super::client().post(sandbox.sns.url()).header("authorization", super::authorization("sns"));
        request.body(body).send()
    };
    sandbox.sns.set_fault(SnsFault::Hang(Duration::from_millis(30)));
    assert!(request().await.is_err());
    assert_eq!(sandbox.sns.published().len(), 1);
    sandbox.sns.set_fault(SnsFault::LoseAnswer(1));
    assert!(request().await.is_err());
    assert_eq!(sandbox.sns.published().len(), 2);
    assert!(request().await.is_ok());
    let outcomes: Vec<_> = sandbox.sns.calls().into_iter().map(|call| call.outcome).collect();
    let expected =
        ["Throttling", "InternalError", "AuthorizationError", "ok", "no answer", "no answer", "ok"];
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn a_function_receives_records() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts");
    let function = odd_function().await;
    let subscription = sandbox.sns.subscribe_function(&topic, &function).unwrap();
    let received = async |message: Message| {
        let id = sandbox.sns.publish(&topic, message).unwrap();
        assert!(sandbox.sns.settled(LONG).await && function.wait_for_log(&id, LONG).await);
        let log = function.log();
        let line = log.lines().find(|line| line.starts_with("record ") && line.contains(&id)).unwrap();
        serde_json::from_str::<Value>(&line["record ".len()..]).unwrap()
    };
    let attributes = [
        ("s", MessageAttribute::string("v")),
        ("b", MessageAttribute::binary("y")),
        ("n", MessageAttribute { data_type: "Number".to_owned(), ..MessageAttribute::string("1") }),
    ];
    let attributes = attributes.map(|(name, value)| (name.to_owned(), value));
    let full = Message {
        subject: Some("S".to_owned()),
        attributes: attributes.clone().into(),
        ..Message::new("text")
    };
    let record = received(full.clone()).await;
    assert_eq!((&record["EventSource"], &record["EventVersion"]), (&json!("aws:sns"), &json!("1.0")));
    assert_eq!(record["EventSubscriptionArn"], json!(subscription));
    let sns = &record["Sns"];
    assert_eq!((&sns["Type"], &sns["TopicArn"]), (&json!("Notification"), &json!(topic)));
    assert_eq!((&sns["Subject"], &sns["Message"]), (&json!("S"), &json!("text")));
    assert!(sns["SigningCertUrl"].is_string() && sns["UnsubscribeUrl"].is_string());
    assert_eq!(
        sns["MessageAttributes"],
        json!({"s": {"Type": "String", "Value": "v"}, "b": {"Type": "Binary", "Value": "eQ=="},
            "n": {"Type": "String", "Value": "1"}})
    );

    let plain = received(Message::new("text")).await;
    let keys: Vec<_> = plain["Sns"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys.len(), 11);
    assert!(plain["Sns"]["Subject"].is_null() && keys.contains(&"Subject"));
    assert_eq!(plain["Sns"]["MessageAttributes"], json!({}));

    let texts = r#"{"default":"d","lambda":"l"}"#;
    let structured =
        received(Message { structure: Some("json".to_owned()), message: texts.to_owned(), ..full }).await;
    assert_eq!(structured["Sns"]["Message"], "l");
    assert_eq!(structured["Sns"]["MessageAttributes"], json!({}));
}

#[tokio::test]
async fn a_queue_receives_envelopes_or_raw_messages() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts");
    let (wrapped, raw) = (Queue::new("w", QueueOptions::default()), Queue::new("r", QueueOptions::default()));
    sandbox.sns.subscribe_queue(&topic, &wrapped, false).unwrap();
    sandbox.sns.subscribe_queue(&topic, &raw, true).unwrap();
    let attributes = |count: usize| {
        (0..count).map(|number| (format!("k{number}"), MessageAttribute::string("v"))).collect()
    };
    for count in [0, 10, 11] {
        let message = Message { attributes: attributes(count), ..Message::new("text") };
        sandbox.sns.publish(&topic, message).unwrap();
    }
    let raw = raw.messages();
    assert_eq!(raw.len(), 2, "more than ten attributes discard a raw delivery");
    assert_eq!((raw[1].body.as_str(), raw[1].attributes.len()), ("text", 10));
    let envelopes: Vec<Value> =
        wrapped.messages().iter().map(|message| serde_json::from_str(&message.body).unwrap()).collect();
    assert_eq!(envelopes.len(), 3);
    assert!(envelopes[0].get("Subject").is_none() && envelopes[0].get("MessageAttributes").is_none());
    assert!(envelopes[0]["SigningCertURL"].is_string() && envelopes[0]["UnsubscribeURL"].is_string());
    assert_eq!(envelopes[2]["MessageAttributes"].as_object().unwrap().len(), 11);
    assert!(wrapped.messages()[0].attributes.is_empty());
}

#[tokio::test]
async fn a_topic_tells_of_its_subscriptions_in_pages() {
    let sandbox = super::sandbox().await;
    let topic = sandbox.sns.create_topic("alerts");
    let queue = Queue::new("alerts", QueueOptions::default());
    sandbox.sns.subscribe_queue(&topic, &queue, true).unwrap();
    for number in 0..150 {
        let endpoint = format!("{number}@example.com");
        sandbox.sns.subscribe_outsider(&topic, "email", &endpoint, number % 2 == 0).unwrap();
    }
    let attributes =
        async |arn: &str| call(&sandbox, &[("Action", "GetTopicAttributes"), ("TopicArn", arn)]).await;
    let (status, xml) = attributes(&topic).await;
    assert_eq!(status, 200);
    for (key, value) in
        [("SubscriptionsConfirmed", "76"), ("SubscriptionsPending", "75"), ("TopicArn", &topic)]
    {
        assert!(xml.contains(&format!("<key>{key}</key><value>{value}</value>")), "{xml}");
    }
    let list = async |token: &str| {
        let fields = [("Action", "ListSubscriptionsByTopic"), ("TopicArn", &topic), ("NextToken", token)];
        call(&sandbox, &fields).await
    };
    let (status, first) = list("").await;
    assert_eq!((status, first.matches("<Endpoint>").count()), (200, 100));
    assert!(
        first.contains("<Protocol>sqs</Protocol>") && first.contains("<SubscriptionArn>PendingConfirmation<")
    );
    let (status, second) = list(element(&first, "NextToken")).await;
    assert_eq!((status, second.matches("<Endpoint>").count(), element(&second, "NextToken")), (200, 51, ""));
    let (status, refused) = list("nonsense").await;
    assert_eq!((status, element(&refused, "Code")), (400, "InvalidParameter"));
    let (status, refused) = attributes(&format!("{topic}-gone")).await;
    assert_eq!((status, element(&refused, "Code")), (404, "NotFound"));
    sandbox.sns.set_fault(SnsFault::DenyOne("GetTopicAttributes"));
    let (status, refused) = attributes(&topic).await;
    assert_eq!((status, element(&refused, "Code")), (403, "AuthorizationError"));
    assert!(element(&refused, "Message").contains("SNS:GetTopicAttributes"), "{refused}");
    assert_eq!(list("").await.0, 200);
}
