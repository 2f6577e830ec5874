//! The real binaries and the real SDK against moto, a published emulator of AWS: whether the sandbox, which all other
//! tests trust, is right about AWS. `make test` runs it; it needs the Python environment that it installs.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod emulator;
mod foreign;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use alert_sandbox::lambda::{Function, FunctionSpec, Outcome};
use alert_sandbox::{Sandbox, SandboxOptions};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use emulator::{Moto, REGION, binary, judge, root, text, venv};

/// A key with an alias, as the walkthrough makes them.
fn key(moto: &Moto) -> &'static str {
    let key = moto.aws("kms create-key", &["--description", "webhook of the alert relay"]);
    let id = text(&key, "/KeyMetadata/KeyId");
    moto.aws(&format!("kms create-alias --alias-name alias/alert-relay --target-key-id {id}"), &[]);
    "alias/alert-relay"
}

async fn relay(moto: &Moto, ciphertext: &str, name: &str) -> Function {
    let spec = FunctionSpec::new(name, binary("cloudwatch-to-slack"))
        .with_environment(moto.environment())
        .with_environment([("kmsEncryptedHookUrl", ciphertext)]);
    Function::start(spec).await.unwrap()
}

fn walkthrough() -> Vec<u8> {
    std::fs::read(root().join("fixtures/cloudwatch/walkthrough.sns.json")).unwrap()
}

// The command line is waited for on this thread, while the sandbox answers on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn a_webhook_encrypted_by_the_command_line_is_decrypted_by_the_function() {
    let moto = Moto::start();
    let key = key(&moto);
    // TLS, because the blueprint's form has no scheme and so means https.
    let sandbox = Sandbox::start(SandboxOptions { tls: true, ..SandboxOptions::default() }).await.unwrap();
    let url = sandbox.slack.webhook("alerts").url;
    let bare = url.trim_start_matches("https://");
    let context = "--encryption-context LambdaFunctionName=cloudwatch-to-slack";
    for (index, (case, plaintext, context)) in [
        ("the walkthrough's command", r#"fileb://<(printf %s "$URL")"#, context),
        ("without the context", r#"fileb://<(printf %s "$URL")"#, ""),
        ("by way of echo, which adds a line feed", r#"fileb://<(echo "$URL")"#, context),
        ("the blueprint's form, as an argument", r#""$BARE""#, context),
    ]
    .into_iter()
    .enumerate()
    {
        let command = format!(
            "aws kms encrypt --key-id {key} {context} --plaintext {plaintext} --query CiphertextBlob --output text"
        );
        let output = Command::new("bash")
            .args(["-c", &command])
            .envs(moto.environment())
            .envs([
                ("URL", url.as_str()),
                ("BARE", bare),
                ("PATH", &format!("{}:/usr/bin:/bin", venv("").display())),
            ])
            .output()
            .unwrap();
        assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        let spec = FunctionSpec::new("cloudwatch-to-slack", binary("cloudwatch-to-slack"))
            .with_environment(sandbox.environment())
            .with_environment(moto.environment())
            .with_environment([("AWS_ENDPOINT_URL_KMS", moto.url.clone())])
            .with_environment([("kmsEncryptedHookUrl", String::from_utf8(output.stdout).unwrap())]);
        let function = Function::start(spec).await.unwrap();
        let invocation = function.invoke(walkthrough()).await;
        assert!(invocation.outcome.is_success(), "{case}: {:?}\n{}", invocation.outcome, function.log());
        assert_eq!(sandbox.slack.accepted().len(), index + 1, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn the_sandbox_and_moto_agree_about_dynamodb() {
    let moto = Moto::start();
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    judge("dynamodb", &json!({"judge": "moto", "url": moto.url, "sandbox": sandbox.dynamodb.url()}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn another_functions_context_is_refused() {
    let moto = Moto::start();
    let key = key(&moto);
    let answer = moto.aws(
        &format!("kms encrypt --key-id {key} --encryption-context LambdaFunctionName=another"),
        // Version 1 of the command line would fetch what begins with https://.
        &["--plaintext", "hooks.slack.com/services/T0/B0/secretpart"],
    );
    let function = relay(&moto, &text(&answer, "/CiphertextBlob"), "cloudwatch-to-slack").await;
    let Some(Outcome::InitError { error_type, message, .. }) = function.init_error() else {
        panic!("no init error: {}", function.log());
    };
    assert_eq!(error_type, "kms_refused");
    assert!(message.contains("kmsEncryptedHookUrl") && message.contains("LambdaFunctionName"), "{message}");
    assert!(!function.log().contains("secretpart"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn encrypt_secret_makes_what_the_function_reads() {
    let moto = Moto::start();
    let key = key(&moto);
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let url = sandbox.slack.webhook("alerts").url;
    let encrypt = |command: &str, secret: &str, more: &[&str]| {
        let mut process = Command::new(env!("CARGO_BIN_EXE_alertctl"))
            .args([command, "--key-id", key, "--function-name", "cloudwatch-to-slack"])
            .args(more)
            .envs(moto.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        process.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && !told.contains(secret), "{told}");
        (String::from_utf8(output.stdout).unwrap().trim().to_owned(), told)
    };
    let decrypted = |ciphertext: &str| {
        // Version 1 of the command line reads bytes from files alone.
        let file = std::env::temp_dir().join(format!("ciphertext-{}", std::process::id()));
        std::fs::write(&file, BASE64_STANDARD.decode(ciphertext).unwrap()).unwrap();
        let context = "kms decrypt --encryption-context LambdaFunctionName=cloudwatch-to-slack";
        let answer = moto.aws(context, &["--ciphertext-blob", &format!("fileb://{}", file.display())]);
        std::fs::remove_file(&file).unwrap();
        String::from_utf8(BASE64_STANDARD.decode(text(&answer, "/Plaintext")).unwrap()).unwrap()
    };
    let (ciphertext, told) = encrypt("encrypt-secret", "xoxb-1-2-secretpart", &[]);
    assert_eq!(decrypted(&ciphertext), "xoxb-1-2-secretpart");
    assert!(told.contains("kmsEncryptedBotToken") && told.contains("KmsEncryptedBotToken"), "{told}");
    for (secret, parameter) in [
        ("xoxb-1-2-secretpart\n", "KmsEncryptedBotToken"),
        ("0a1b2c3d4e5f60718293a4b5c6d7e8f9\n", "KmsEncryptedSigningSecret"),
        (&url, "KmsEncryptedHookUrl"),
    ] {
        let (printed, told) = encrypt("encrypt-secret", secret, &["--as-parameter"]);
        let (name, ciphertext) = printed.split_once('=').unwrap();
        assert_eq!((name, told.as_str()), (parameter, ""));
        assert_eq!(decrypted(ciphertext), secret.trim());
    }
    let (ciphertext, told) = encrypt("encrypt-hook", &url, &[]);
    assert!(told.contains("kmsEncryptedHookUrl"), "{told}");
    let function = relay(&moto, &ciphertext, "cloudwatch-to-slack").await;
    assert!(function.invoke(walkthrough()).await.outcome.is_success(), "{}", function.log());
    assert_eq!(sandbox.slack.accepted().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn what_the_filter_publishes_arrives_in_queues() {
    let moto = Moto::start();
    let topic = text(&moto.aws("sns create-topic --name alerts", &[]), "/TopicArn");
    let queue = |name: &str, raw: bool| {
        let url = text(&moto.aws(&format!("sqs create-queue --queue-name {name}"), &[]), "/QueueUrl");
        let arn = format!("arn:aws:sqs:{REGION}:123456789012:{name}");
        let raw = format!("RawMessageDelivery={raw}");
        moto.aws(&format!("sns subscribe --topic-arn {topic} --protocol sqs --notification-endpoint {arn} --attributes {raw}"), &[]);
        url
    };
    let (raw, wrapped) = (queue("raw", true), queue("wrapped", false));
    let spec = FunctionSpec::new("grafana-filter-to-sns", binary("grafana-filter-to-sns"))
        .with_environment(moto.environment())
        .with_environment([("SNS_TOPIC_ARN", topic.as_str())]);
    let function = Function::start(spec).await.unwrap();
    // Three messages with a Binary attribute, and one without: it is not Grafana's.
    for fixture in ["walkthrough", "not_grafanas"] {
        let event =
            std::fs::read(root().join(format!("fixtures/grafana/{fixture}.eventbridge.json"))).unwrap();
        // The same id would be the same event, which is published once.
        let mut event: Value = serde_json::from_slice(&event).unwrap();
        event["id"] = Value::from(fixture);
        let invocation = function.invoke(event.to_string()).await;
        assert!(invocation.outcome.is_success(), "{:?}\n{}", invocation.outcome, function.log());
    }
    let receive = |url: &str| {
        let what = "sqs receive-message --max-number-of-messages 10 --message-attribute-names All";
        let answer = moto.aws(what, &["--queue-url", url]);
        answer["Messages"].as_array().cloned().unwrap_or_default()
    };
    let envelopes: Vec<Value> = receive(&wrapped)
        .iter()
        .map(|message| serde_json::from_str(message["Body"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(envelopes.len(), 4, "{}", function.log());
    for name in ["DatasourceNoData", "HighCPU", "HighMemory"] {
        let envelope =
            envelopes.iter().find(|envelope| envelope["Subject"] == name).unwrap_or_else(|| panic!("{name}"));
        let lines: Vec<String> = text(envelope, "/Message").lines().take(3).map(str::to_owned).collect();
        assert_eq!(lines[0], format!("Alert Name : {name}"));
        assert!(lines[1].starts_with("Alert Time : ") && lines[2].starts_with("Alert Value : "), "{lines:?}");
        assert_eq!(envelope["MessageAttributes"]["alertname"]["Value"], name);
        assert_eq!(envelope["MessageAttributes"]["payload"]["Type"], "Binary");
    }
    assert!(envelopes.iter().any(|envelope| text(envelope, "/Subject").starts_with("Not understood: ")));

    // moto 5.2 cannot hand out a raw message with a Binary attribute (it hashes the base64 text as if it were bytes), so
    // that of these only the number can be checked here; the sandbox's tests read them.
    let waiting = moto.aws("sqs get-queue-attributes --attribute-names All", &["--queue-url", &raw]);
    assert_eq!(text(&waiting, "/Attributes/ApproximateNumberOfMessages"), "4");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn a_policy_takes_a_group_for_any_of_its_alerts() {
    let moto = Moto::start();
    let topic = text(&moto.aws("sns create-topic --name alerts", &[]), "/TopicArn");
    let subscribe = |name: &str, policy: Value| {
        let url = text(&moto.aws(&format!("sqs create-queue --queue-name {name}"), &[]), "/QueueUrl");
        let arn = format!("arn:aws:sqs:{REGION}:123456789012:{name}");
        let attributes = json!({"FilterPolicy": policy.to_string()}).to_string();
        moto.aws(
            &format!("sns subscribe --topic-arn {topic} --protocol sqs --notification-endpoint {arn}"),
            &["--attributes", &attributes],
        );
        url
    };
    // Two severities, two states, five names.
    let takers = [
        subscribe("critical", json!({"severity": ["critical"]})),
        subscribe("resolved", json!({"status": ["resolved"], "severity": ["warning"]})),
        subscribe("name", json!({"alertname": ["Nobody", "디스크 초과"]})),
        subscribe("quoted", json!({"alertname": ["Disk \"data\" full"], "grafana_folder": ["Staging"]})),
    ];
    let others = [subscribe("info", json!({"severity": ["info"]}))];
    let spec = FunctionSpec::new("grafana-filter-to-sns", binary("grafana-filter-to-sns"))
        .with_environment(moto.environment())
        .with_environment([("SNS_TOPIC_ARN", topic.as_str())]);
    let function = Function::start(spec).await.unwrap();
    let event = std::fs::read(root().join("fixtures/grafana/group_mixed.eventbridge.json")).unwrap();
    let invocation = function.invoke(event).await;
    assert!(invocation.outcome.is_success(), "{:?}\n{}", invocation.outcome, function.log());
    let waiting = |url: &String| {
        let answer = moto.aws("sqs get-queue-attributes --attribute-names All", &["--queue-url", url]);
        text(&answer, "/Attributes/ApproximateNumberOfMessages")
    };
    assert_eq!(takers.each_ref().map(waiting), ["1"; 4]);
    assert_eq!(others.each_ref().map(waiting), ["0"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn the_sandbox_refuses_what_moto_refuses() {
    let moto = Moto::start();
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let topic = text(&moto.aws("sns create-topic --name alerts", &[]), "/TopicArn");
    let other = sandbox.sns.create_topic("alerts");
    let long_subject = "s".repeat(101);
    let folder = std::env::temp_dir().join(format!("alert-relay-moto-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let too_long = folder.join("message");
    std::fs::write(&too_long, "m".repeat(262_145)).unwrap();
    let too_long = format!("file://{}", too_long.display());
    for (case, arguments) in [
        ("a long subject", vec!["--message", "m", "--subject", &long_subject]),
        ("a message beyond 256 KiB", vec!["--message", &too_long]),
        ("a topic that does not exist", vec!["--message", "m"]),
    ] {
        let arn =
            |arn: &str| if case.contains("does not exist") { format!("{arn}-not") } else { arn.to_owned() };
        let by_moto =
            moto.refusal(&moto.url, &format!("sns publish --topic-arn {}", arn(&topic)), &arguments);
        let by_sandbox =
            moto.refusal(&sandbox.sns.url(), &format!("sns publish --topic-arn {}", arn(&other)), &arguments);
        assert_eq!(by_moto, by_sandbox, "{case}");
    }
    // The command line asks both for the same decryption.
    let blob = folder.join("blob");
    std::fs::write(&blob, b"no ciphertext at all").unwrap();
    let blob = format!("fileb://{}", blob.display());
    let decrypt = |url: &str| moto.refusal(url, "kms decrypt", &["--ciphertext-blob", &blob]);
    let (by_moto, by_sandbox) = (decrypt(&moto.url), decrypt(&sandbox.kms.url()));
    assert_eq!(by_sandbox, "InvalidCiphertextException");
    // moto reads a key's name out of the blob first; AWS's documentation names the sandbox's answer.
    assert!(
        ["InvalidCiphertextException", "NotFoundException", "AccessDeniedException"]
            .contains(&by_moto.as_str()),
        "{by_moto}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

const STACK_TAG: &str = "aws:cloudformation:stack-id";
const STACK: &str = "arn:aws:cloudformation:us-east-1:123456789012:stack/alerts/0a1b2c3d";

/// Lambda's API, as far as `redrive` calls it, in front of a function of the sandbox: its invocation, the mapping
/// of the queue that it reads, and its tags. Every other function is of another stack.
async fn lambda_api(function: Function, source: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let own = function.arn();
    let tags = move |axum::extract::Path(arn): axum::extract::Path<String>| async move {
        let stack = if arn == own { STACK.to_owned() } else { STACK.replace("alerts", "others") };
        axum::Json(json!({"Tags": {STACK_TAG: stack}}))
    };
    let arn = function.arn();
    let mappings = move |uri: axum::http::Uri| async move {
        assert!(uri.query().unwrap().contains(source.rsplit(':').next().unwrap()), "{uri}");
        axum::Json(json!({"EventSourceMappings": [{"FunctionArn": arn}]}))
    };
    let invoke = move |axum::extract::Path(name): axum::extract::Path<String>, body: axum::body::Bytes| {
        let function = function.clone();
        async move {
            assert_eq!(name, function.arn());
            let outcome = function.invoke(body).await.outcome;
            let log = function.log();
            let tail =
                BASE64_STANDARD.encode(&log[log.floor_char_boundary(log.len().saturating_sub(4096))..]);
            let (error, answer) = match outcome {
                Outcome::Response(answer) => (None, answer),
                Outcome::Error { raw, .. } | Outcome::InitError { raw, .. } => (Some("Unhandled"), raw),
                Outcome::TimedOut | Outcome::Exited(_) => (Some("Unhandled"), Vec::new()),
            };
            let mut headers = axum::http::HeaderMap::new();
            headers.insert("X-Amz-Log-Result", tail.parse().unwrap());
            if let Some(error) = error {
                headers.insert("X-Amz-Function-Error", error.parse().unwrap());
            }
            (headers, answer)
        }
    };
    let router = axum::Router::new()
        .route("/2015-03-31/functions/{name}/invocations", axum::routing::post(invoke))
        .route("/2017-03-31/tags/{arn}", axum::routing::get(tags))
        .route("/2015-03-31/event-source-mappings", axum::routing::get(mappings.clone()))
        .route("/2015-03-31/event-source-mappings/", axum::routing::get(mappings));
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

/// Queues of the emulator, and what `redrive` makes of them with a relay of the sandbox behind it.
struct DeadLetters {
    moto: Moto,
    sandbox: Sandbox,
    function: Function,
    lambda: String,
    secret: String,
    /// A failed invocation's record, which names the relay.
    record: String,
    /// An alarm as a queue gets it.
    raw: String,
}

impl DeadLetters {
    async fn start() -> Self {
        let moto = Moto::start_in(alert_sandbox::aws::REGION);
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let webhook = sandbox.slack.webhook("alerts");
        let ciphertext = sandbox.kms.encrypt(&webhook.url, &[("LambdaFunctionName", "cloudwatch-to-slack")]);
        let spec = FunctionSpec::new("cloudwatch-to-slack", binary("cloudwatch-to-slack"))
            .with_environment(sandbox.environment())
            .with_environment([("kmsEncryptedHookUrl", ciphertext)]);
        let function = Function::start(spec).await.unwrap();
        let lambda = lambda_api(function.clone(), Self::arn("buffer")).await;
        let record = json!({
            "version": "1.0",
            "requestContext": {
                "requestId": "e4b7a1f0-0000-4000-8000-000000000001",
                "functionArn": format!("{}:$LATEST", function.arn()),
                "condition": "RetriesExhausted",
            },
            "requestPayload": serde_json::from_slice::<Value>(&walkthrough()).unwrap(),
            "responsePayload": {"errorType": "slack_unavailable", "errorMessage": "it was away"},
        })
        .to_string();
        let alarm: Value = serde_json::from_slice(&walkthrough()).unwrap();
        let raw = text(&alarm, "/Records/0/Sns/Message")
            .replace(&text(&alarm, "/Records/0/Sns/MessageId"), "other");
        let secret = webhook.url.rsplit('/').next().unwrap().to_owned();
        Self { moto, sandbox, function, lambda, secret, record, raw }
    }

    fn arn(queue: &str) -> String {
        format!("arn:aws:sqs:{}:123456789012:{queue}", alert_sandbox::aws::REGION)
    }

    /// A queue that CloudFormation made.
    fn queue_of_stack(&self, name: &str) -> String {
        self.queue(name, &["--tags", &json!({STACK_TAG: STACK}).to_string()])
    }

    fn queue(&self, name: &str, more: &[&str]) -> String {
        text(&self.moto.aws(&format!("sqs create-queue --queue-name {name}"), more), "/QueueUrl")
    }

    fn send(&self, queue: &str, body: &str) {
        self.moto.aws("sqs send-message", &["--queue-url", queue, "--message-body", body]);
    }

    /// How many messages are to be had, and how many are hidden.
    fn waiting(&self, queue: &str) -> (String, String) {
        let answer = self.moto.aws("sqs get-queue-attributes --attribute-names All", &["--queue-url", queue]);
        let number = |name: &str| text(&answer, &format!("/Attributes/ApproximateNumberOfMessages{name}"));
        (number(""), number("NotVisible"))
    }

    fn redrive(&self, queue: &str, more: &[&str]) -> (Output, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_alertctl"))
            .args(["redrive", queue, "--rate", "20"])
            .args(more)
            .envs(self.moto.environment())
            .env("AWS_ENDPOINT_URL_LAMBDA", &self.lambda)
            .output()
            .unwrap();
        let said = [&output.stderr[..], &output.stdout[..]].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(!said.contains(&self.secret), "the webhook is printed: {said}");
        (output, said)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn dead_letters_go_back_to_their_function() {
    let scene = DeadLetters::start().await;
    let (sandbox, function) = (&scene.sandbox, &scene.function);
    // A buffer that has dead letters, as the stack makes them.
    let dead = scene.queue_of_stack("dead-letters");
    let policy =
        json!({"deadLetterTargetArn": DeadLetters::arn("dead-letters"), "maxReceiveCount": "40"}).to_string();
    scene.queue("buffer", &["--attributes", &json!({"RedrivePolicy": policy}).to_string()]);
    scene.send(&dead, &scene.record);
    scene.send(&dead, &scene.raw);
    let two = ("2".to_owned(), "0".to_owned());

    // Looking changes nothing.
    let (output, shown) = scene.redrive(&DeadLetters::arn("dead-letters"), &["--dry-run"]);
    assert!(output.status.success(), "{shown}");
    assert!(
        shown.contains("slack_unavailable: it was away") && shown.contains("2 in dead-letters"),
        "{shown}"
    );
    assert_eq!(shown.matches(&format!("for {}", function.arn())).count(), 2, "{shown}");
    let name = serde_json::from_str::<Value>(&scene.raw).unwrap();
    assert!(shown.matches(&text(&name, "/AlarmName")).count() >= 2, "{shown}");
    assert_eq!(scene.waiting(&dead), two, "{shown}");
    assert_eq!(sandbox.slack.posts().len(), 0);

    // Slack is away: both stay, and are there for the next who looks.
    sandbox.slack.set_state("alerts", alert_sandbox::slack::WebhookState::Removed);
    let (output, said) = scene.redrive(&dead, &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.matches("failed ").count(), 2, "{said}");
    assert!(said.contains("0 handed back and deleted, 2 left in dead-letters"), "{said}");
    assert_eq!(scene.waiting(&dead), two, "{said}");

    sandbox.slack.set_state("alerts", alert_sandbox::slack::WebhookState::Active);
    let (output, said) = scene.redrive("dead-letters", &[]);
    assert!(output.status.success(), "{said}\n{}", function.log());
    assert!(said.contains("2 handed back and deleted, 0 left in dead-letters"), "{said}");
    assert_eq!(scene.waiting(&dead), ("0".to_owned(), "0".to_owned()), "{said}");
    assert_eq!(sandbox.slack.accepted().len(), 2, "{}", function.log());
    let (output, said) = scene.redrive("dead-letters", &[]);
    assert!(output.status.success() && said.contains("dead-letters is empty"), "{said}");

    // What does not tell its function is left, with the way out.
    let lone = scene.queue_of_stack("lone");
    scene.send(&lone, &scene.raw);
    let (output, said) = scene.redrive("lone", &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--function NAME"), "{said}");
    let (output, said) = scene.redrive("no-such-queue", &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("GetQueueUrl of no-such-queue: "), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn a_message_has_no_say_in_which_function_is_called() {
    let scene = DeadLetters::start().await;
    let own = scene.function.arn();
    let neighbour = own.replace("cloudwatch-to-slack", "stranger");
    let elsewhere = own.replace("123456789012", "999999999999");
    let strange = scene.queue_of_stack("strange");
    for function in [&neighbour, &elsewhere] {
        scene.send(&strange, &scene.record.replace(&format!("{own}:$LATEST"), function));
    }
    let (output, said) = scene.redrive("strange", &[]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let first = "Only functions of the stack alerts are called, in us-east-1, account 123456789012.\n";
    assert!(said.starts_with(first), "{said}");
    for expected in [
        format!("{neighbour} is not of the stack alerts"),
        format!("{elsewhere} is in another account or region than the queue"),
        "0 handed back and deleted, 2 left in strange".to_owned(),
    ] {
        assert!(said.contains(&expected), "no {expected:?} in {said}");
    }
    let (_, said) = scene.redrive("strange", &["--function", "cloudwatch-to-slack"]);
    assert!(said.starts_with(&format!("Only {own} is called.\n")), "{said}");
    assert_eq!(said.matches("it names another function than --function").count(), 2, "{said}");
    let (output, said) = scene.redrive("strange", &["--function", &elsewhere]);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("it is in another account or region than the queue"), "{said}");

    // Where no stack made the queue, the operator's word counts.
    let lone = scene.queue("lone", &[]);
    scene.send(&lone, &scene.record);
    let (_, said) = scene.redrive("lone", &[]);
    assert!(said.contains("is named by the message alone, and the queue is of no stack"), "{said}");
    assert_eq!(scene.sandbox.slack.posts().len(), 0, "{}", scene.function.log());
    let (output, said) = scene.redrive("lone", &["--function", "cloudwatch-to-slack"]);
    assert!(output.status.success() && said.contains("1 handed back and deleted"), "{said}");
}

#[test]
#[ignore = "needs moto: run by `make test`"]
fn silences_are_kept_in_a_table_and_let_go_of_what_they_hold() {
    let moto = Moto::start();
    let attributes = json!([
        {"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "due", "AttributeType": "S"},
        {"AttributeName": "due_at", "AttributeType": "N"},
    ]);
    let index = json!([{"IndexName": "due", "Projection": {"ProjectionType": "KEYS_ONLY"}, "KeySchema": [
        {"AttributeName": "due", "KeyType": "HASH"}, {"AttributeName": "due_at", "KeyType": "RANGE"},
    ]}]);
    moto.aws(
        "dynamodb create-table --table-name alerts --billing-mode PAY_PER_REQUEST --key-schema AttributeName=pk,KeyType=HASH",
        &["--attribute-definitions", &attributes.to_string(), "--global-secondary-indexes", &index.to_string()],
    );
    let silence = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
        command.arg("silence").args(arguments).envs(moto.environment()).env("ALERT_TABLE", "alerts");
        let output = command.output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {told}");
        (String::from_utf8(output.stdout).unwrap(), told)
    };
    let add =
        |name: &str| silence(&["add", "--comment", "known", "--author", "jane", name]).0.trim().to_owned();
    let (one, other) = (add("orders-cpu"), add("orders-memory"));
    for (name, holder) in [("a", &one), ("b", &other)] {
        let item = json!({"pk": {"S": name}, "due": {"S": "due"}, "due_at": {"N": "99999999999999"}, "held_by": {"S": holder}});
        moto.aws("dynamodb put-item --table-name alerts", &["--item", &item.to_string()]);
    }
    assert!(silence(&["list"]).0.contains("alertname=\"orders-memory\""));
    let told = silence(&["expire", &one]).1;
    assert!(told.contains("1 alert that was held rings within a minute"), "{told}");
    let item = |name: &str| {
        let key = json!({"pk": {"S": name}}).to_string();
        moto.aws("dynamodb get-item --table-name alerts", &["--key", &key])
    };
    assert_ne!(item("a").pointer("/Item/due_at/N"), Some(&json!("99999999999999")));
    assert_eq!(item("b").pointer("/Item/due_at/N"), Some(&json!("99999999999999")));
    assert_eq!(text(&item("silences"), "/Item/version/N"), "3");
    let (listed, expired) = (silence(&["list"]).0, silence(&["list", "--expired"]).0);
    assert!(listed.contains(&other) && !listed.contains(&one), "{listed}");
    assert!(expired.contains(&one) && !expired.contains(&other), "{expired}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs moto: run by `make test`"]
async fn the_audit_finds_alarms_that_reach_nobody() {
    let moto = Moto::start();
    // moto's CloudWatch does not speak the SDK's protocol: the alarms are the sandbox's, in pages, and the topics moto's.
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let topic = |name: &str| text(&moto.aws(&format!("sns create-topic --name {name}"), &[]), "/TopicArn");
    let (relay, empty, crowd) = (topic("alerts"), topic("empty"), topic("crowd"));
    let queue = format!("arn:aws:sqs:{REGION}:123456789012:alerts");
    moto.aws("sqs create-queue --queue-name alerts", &[]);
    let subscribe = |topic: &str, protocol: &str, endpoint: &str| {
        let what = format!("sns subscribe --topic-arn {topic} --protocol {protocol}");
        moto.aws(&what, &["--notification-endpoint", endpoint]);
    };
    subscribe(&relay, "sqs", &queue);
    subscribe(&crowd, "email", "jane@example.com");
    let put = |name: &str, more: Value| {
        let mut alarm = json!({
            "AlarmName": name, "Namespace": "Shop", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 1, "ComparisonOperator": "GreaterThanThreshold",
        });
        alarm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
    };
    for number in 0..110 {
        put(&format!("fine-{number:03}"), json!({"AlarmActions": [relay]}));
    }
    put("mailed", json!({"AlarmActions": [crowd]}));
    put("lost", json!({"AlarmActions": [format!("{relay}-gone")]}));
    put("unheard", json!({"AlarmActions": [empty]}));
    put("off", json!({"AlarmActions": [relay], "ActionsEnabled": false}));
    put("mute", json!({}));
    let audit = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
        command.args(["audit", "--json"]).envs(moto.environment());
        command.env("AWS_ENDPOINT_URL_CLOUDWATCH", sandbox.cloudwatch.url()).output().unwrap()
    };
    let output = audit();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let findings: Vec<_> = findings.map(|one| (text(one, "/alarm"), text(one, "/reason"))).collect();
    let expected = [
        ("lost", "topic_missing"),
        ("unheard", "no_subscriber"),
        ("off", "actions_disabled"),
        ("mute", "no_action"),
    ]
    .map(|(alarm, reason)| (alarm.to_owned(), reason.to_owned()));
    assert_eq!(findings, expected);
    assert_eq!((&report["alarms"], &report["reaching"]), (&json!(115), &json!(111)));
    for name in ["lost", "unheard", "off", "mute"] {
        sandbox.cloudwatch.delete_alarm(name);
    }
    assert_eq!(audit().status.code(), Some(0));
}
