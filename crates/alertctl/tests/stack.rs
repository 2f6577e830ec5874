//! The stack of `infra/template.yaml` in moto, and the chain on it: the stack's topic, its queue, the real relay, Slack.
//!
//! moto runs no function here: this test takes Lambda's part between the queue or the topic and the relay. It
//! needs the Python environment of `infra/requirements-test.txt`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod emulator;
mod foreign;

use std::io::Write as _;
use std::process::{Command, Stdio};

use alert_sandbox::lambda::{Function, FunctionSpec};
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Map, Value, json};

use emulator::{Moto, binary, root, text, venv};

/// Where `infra/tests/stack.py` makes its stacks.
const REGION: &str = "us-east-1";

/// A deployed stack with a relay whose webhook is encrypted by the stack's own key.
struct Stage {
    moto: Moto,
    outputs: Value,
    sandbox: Sandbox,
    relay: Function,
}

impl Stage {
    async fn deploy(way: &str) -> Self {
        let moto = Moto::start_in(REGION);
        // Before anything is made: without this, moto runs functions in docker, where a machine has that.
        let simple = "import sys, urllib.request as u; u.urlopen(sys.argv[1] + '/moto-api/config', b'{\"lambda\": {\"use_docker\": false}}')";
        assert!(Command::new(venv("python")).args(["-c", simple, &moto.url]).status().unwrap().success());
        let stack = Command::new(venv("python"))
            .arg(root().join("infra/tests/stack.py"))
            .args(["--endpoint", &moto.url, "--way", way])
            .envs(moto.environment())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .output()
            .unwrap();
        assert!(stack.status.success(), "{}", String::from_utf8_lossy(&stack.stderr));
        let outputs: Value = serde_json::from_slice(&stack.stdout).unwrap();

        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let name = text(&outputs, "/RelayFunction");
        let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"))
            .args([
                "encrypt-secret",
                "--key-id",
                &text(&outputs, "/WebhookKeyAlias"),
                "--function-name",
                &name,
            ])
            .envs(moto.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        command.stdin.take().unwrap().write_all(sandbox.slack.webhook("alerts").url.as_bytes()).unwrap();
        let output = command.wait_with_output().unwrap();
        assert!(output.status.success());
        let spec = FunctionSpec::new(name, binary("cloudwatch-to-slack"))
            .with_environment(moto.environment())
            .with_environment([("kmsEncryptedHookUrl", String::from_utf8(output.stdout).unwrap().trim())]);
        let relay = Function::start(spec).await.unwrap();
        Self { moto, outputs, sandbox, relay }
    }

    fn publish(&self, message: &str) {
        let topic = text(&self.outputs, "/AlarmsTopicArn");
        self.moto.aws("sns publish", &["--topic-arn", &topic, "--subject", "ALARM", "--message", message]);
    }

    fn receive(&self, queue: &str) -> Vec<Value> {
        let what = "sqs receive-message --max-number-of-messages 10 --attribute-names All --message-attribute-names All";
        let answer = self.moto.aws(what, &["--queue-url", queue]);
        answer["Messages"].as_array().cloned().unwrap_or_default()
    }

    /// Hands an event to the relay, which is to answer with success, and says how many messages Slack has.
    async fn invoke(&self, event: &Value) -> usize {
        let invocation = self.relay.invoke(event.to_string()).await;
        assert!(invocation.outcome.is_success(), "{:?}\n{}", invocation.outcome, self.relay.log());
        let answer = invocation.outcome.response_json().unwrap_or_default();
        assert!(answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty), "{answer}");
        self.sandbox.slack.accepted().len()
    }
}

/// An alarm's message, as CloudWatch publishes it.
fn alarm() -> String {
    let event = std::fs::read(root().join("fixtures/cloudwatch/walkthrough.sns.json")).unwrap();
    text(&serde_json::from_slice(&event).unwrap(), "/Records/0/Sns/Message")
}

/// What Lambda makes of messages that the command line received.
fn batch(messages: &[Value], queue_arn: &str) -> Value {
    let lower = |name: &str| {
        let mut letters = name.chars();
        letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    };
    let records = messages.iter().map(|message| {
        let attributes: Map<_, _> = message["MessageAttributes"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, attribute)| {
                let members = attribute.as_object().unwrap();
                (name.clone(), members.iter().map(|(key, value)| (lower(key), value.clone())).collect())
            })
            .collect();
        json!({
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": message["Attributes"],
            "messageAttributes": attributes,
            "md5OfBody": message["MD5OfBody"],
            "eventSource": "aws:sqs",
            "eventSourceARN": queue_arn,
            "awsRegion": REGION,
        })
    });
    json!({"Records": records.collect::<Vec<_>>()})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto and the packages of infra/requirements-test.txt: run by `make test`"]
async fn an_alarm_on_the_buffered_stack_reaches_slack() {
    let stage = Stage::deploy("buffered").await;
    let queue = text(&stage.outputs, "/BufferQueueUrl");
    // The queue is the relay's: it is read for this function, and for no other.
    let arn = format!("arn:aws:sqs:{REGION}:123456789012:{}", queue.rsplit('/').next().unwrap());
    let mappings =
        stage.moto.aws(&format!("lambda list-event-source-mappings --event-source-arn {arn}"), &[]);
    let functions: Vec<_> = mappings["EventSourceMappings"].as_array().unwrap().iter().collect();
    assert_eq!(functions.len(), 1, "{mappings}");
    assert!(text(functions[0], "/FunctionArn").ends_with(&text(&stage.outputs, "/RelayFunction")));
    // From here on this test is the mapping: moto's would call a function that it does not run, and empty the queue.
    let mapping = text(functions[0], "/UUID");
    stage.moto.aws(&format!("lambda update-event-source-mapping --no-enabled --uuid {mapping}"), &[]);

    stage.publish(&alarm());
    let messages = stage.receive(&queue);
    assert_eq!(messages.len(), 1, "the topic's message is not in the queue");
    assert_eq!(stage.invoke(&batch(&messages, &arn)).await, 1, "{}", stage.relay.log());
    let posted = stage.sandbox.slack.accepted()[0].payload.to_string();
    let name = text(&serde_json::from_str(&alarm()).unwrap(), "/AlarmName");
    assert!(posted.contains(&name), "{posted}");

    // moto 5.2 sets an alarm's state but publishes no alarm actions, so the way from a real alarm to the topic is left
    // out. Should a newer moto publish, this goes on to Slack by itself.
    let test_alarm = text(&stage.outputs, "/TestAlarmName");
    stage.moto.aws(
        "cloudwatch set-alarm-state --state-value ALARM",
        &["--alarm-name", &test_alarm, "--state-reason", "a test"],
    );
    let alarms = stage.moto.aws("cloudwatch describe-alarms", &["--alarm-names", &test_alarm]);
    assert_eq!(text(&alarms, "/MetricAlarms/0/StateValue"), "ALARM");
    let topic = text(&stage.outputs, "/AlarmsTopicArn");
    assert_eq!(text(&alarms, "/MetricAlarms/0/AlarmActions/0"), topic);
    let messages = stage.receive(&queue);
    // What was received before is hidden, so that all of these are new.
    if messages.is_empty() {
        let _ = writeln!(std::io::stderr(), "skipped: this moto publishes no alarm actions");
    } else {
        assert_eq!(stage.invoke(&batch(&messages, &arn)).await, 2, "{}", stage.relay.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto and the packages of infra/requirements-test.txt: run by `make test`"]
async fn an_alarm_on_the_direct_stack_reaches_slack() {
    let stage = Stage::deploy("direct").await;
    let topic = text(&stage.outputs, "/AlarmsTopicArn");
    let listed = stage.moto.aws("sns list-subscriptions-by-topic", &["--topic-arn", &topic]);
    let subscriptions: Vec<_> = listed["Subscriptions"].as_array().unwrap().iter().collect();
    assert_eq!(subscriptions.len(), 1, "{listed}");
    assert_eq!(text(subscriptions[0], "/Protocol"), "lambda");
    assert!(text(subscriptions[0], "/Endpoint").ends_with(&text(&stage.outputs, "/RelayFunction")));

    // moto hands its own event to a function that it does not run; a queue beside it sees what the topic really sends.
    let probe = text(&stage.moto.aws("sqs create-queue --queue-name probe", &[]), "/QueueUrl");
    let arn = format!("arn:aws:sqs:{REGION}:123456789012:probe");
    stage
        .moto
        .aws(&format!("sns subscribe --protocol sqs --topic-arn {topic} --notification-endpoint {arn}"), &[]);
    stage.publish(&alarm());
    let messages = stage.receive(&probe);
    assert_eq!(messages.len(), 1);
    let mut sns: Map<String, Value> = serde_json::from_str(&text(&messages[0], "/Body")).unwrap();
    // Functions get some of the keys by other names.
    for (of_queue, of_function) in
        [("SigningCertURL", "SigningCertUrl"), ("UnsubscribeURL", "UnsubscribeUrl")]
    {
        let value = sns.remove(of_queue).unwrap_or_default();
        sns.insert(of_function.to_owned(), value);
    }
    sns.entry("MessageAttributes").or_insert_with(|| json!({}));
    let event = json!({"Records": [{
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscriptions[0]["SubscriptionArn"],
        "Sns": sns,
    }]});
    assert_eq!(stage.invoke(&event).await, 1, "{}", stage.relay.log());
    let posted = stage.sandbox.slack.accepted()[0].payload.to_string();
    let name = text(&serde_json::from_str(&alarm()).unwrap(), "/AlarmName");
    assert!(posted.contains(&name), "{posted}");
}
