//! What every test stands on: a sandbox with a topic, a function of the real binary, and a look at everything that the
//! function says, whatever the test is about: no secret may be in it.

use std::time::Duration;

use alert_sandbox::lambda::{Function, FunctionSpec, Invocation, Outcome};
use alert_sandbox::sns::{Message, Published};
use alert_sandbox::{Sandbox, SandboxOptions};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// Long enough on a busy machine, short enough that a hang is no pause for coffee.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A configuration by which a webhook of many is as many messages.
pub(crate) const EACH_ALONE: &str = "publish: alert";

/// The role's credentials, as the sandbox sets them; the key's id is no secret.
const SECRETS: [&str; 2] = ["sandbox-secret-access-key", "sandbox-session-token"];

/// A sandbox with a function in it.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) function: Function,
    pub(crate) topic: String,
}

/// How the function is made.
pub(crate) struct Setup {
    pub(crate) sandbox: Sandbox,
    topic: String,
    spec: FunctionSpec,
}

impl Setup {
    /// With a standard topic.
    pub(crate) async fn new() -> Self {
        Self::with("alerts", SandboxOptions::default()).await
    }

    pub(crate) async fn fifo() -> Self {
        Self::with("alerts.fifo", SandboxOptions::default()).await
    }

    pub(crate) async fn with(topic: &str, options: SandboxOptions) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let topic = sandbox.sns.create_topic(topic);
        let spec = FunctionSpec::new("filter", env!("CARGO_BIN_EXE_grafana-filter-to-sns"))
            .with_environment(sandbox.environment())
            // The most talkative level: what it does not tell, no other does.
            .with_environment([("AWS_LAMBDA_LOG_LEVEL", "TRACE"), ("SNS_TOPIC_ARN", topic.as_str())])
            .with_timeout(Duration::from_secs(15));
        Self { sandbox, topic, spec }
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.spec = self.spec.with_environment([(name, value)]);
        self
    }

    pub(crate) fn config(self, yaml: &str) -> Self {
        self.set("ALERT_CONFIG", yaml)
    }

    pub(crate) fn timeout(mut self, seconds: u64) -> Self {
        self.spec = self.spec.with_timeout(Duration::from_secs(seconds));
        self
    }

    /// Starts the function, whether it succeeds or not.
    pub(crate) async fn try_start(self) -> Stage {
        let function = Function::start(self.spec).await.unwrap();
        Stage { sandbox: self.sandbox, function, topic: self.topic }
    }

    /// Starts the function, which must succeed.
    pub(crate) async fn start(self) -> Stage {
        let stage = self.try_start().await;
        assert_eq!(stage.function.init_error(), None, "{}", stage.function.log());
        stage
    }
}

impl Stage {
    pub(crate) async fn invoke(&self, event: &Value) -> Invocation {
        self.invoke_raw(&event.to_string()).await
    }

    pub(crate) async fn invoke_raw(&self, payload: &str) -> Invocation {
        let invocation = self.function.invoke(payload.to_owned()).await;
        self.check(&invocation);
        invocation
    }

    /// Invokes as Lambda's asynchronous queue does: a failed invocation comes again.
    pub(crate) async fn invoke_async(&self, event: &Value) -> Vec<Invocation> {
        let attempts = self.function.invoke_async(event.to_string()).await;
        for attempt in &attempts {
            self.check(attempt);
        }
        attempts
    }

    /// Invokes with an event that must succeed; its answer.
    pub(crate) async fn done(&self, event: &Value) -> Value {
        answer(&self.invoke(event).await)
    }

    fn check(&self, invocation: &Invocation) {
        no_secret("the outcome", &said(&invocation.outcome));
        self.check_output();
    }

    /// Fails where the log so far, or a message to people, holds a secret.
    fn check_output(&self) {
        no_secret("the log", &self.function.log());
        for published in self.published() {
            no_secret("a message", &format!("{:?} {:?}", published.message, payload(&published.message)));
        }
        if let Some(outcome) = self.function.init_error() {
            no_secret("the init error", &said(&outcome));
        }
    }

    /// Stops the processes, so that the whole log is there.
    pub(crate) async fn stop(&self) -> String {
        self.function.stop().await;
        self.check_output();
        self.function.log()
    }

    /// The whole log's lines about alerts.
    pub(crate) async fn verdicts(&self) -> Vec<Value> {
        let log = self.stop().await;
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line.get("verdict").is_some()).collect()
    }

    /// What was published, in order.
    pub(crate) fn published(&self) -> Vec<Published> {
        self.sandbox.sns.published()
    }

    /// The subjects of what was published, in order; empty for none.
    pub(crate) fn subjects(&self) -> Vec<String> {
        let published = self.published().into_iter();
        published.map(|published| published.message.subject.unwrap_or_default()).collect()
    }

    /// Calls of SNS, as entries and outcomes; all of them are batches.
    pub(crate) fn calls(&self) -> Vec<(usize, String)> {
        let calls = self.sandbox.sns.calls();
        assert!(calls.iter().all(|call| call.operation == "PublishBatch"), "{calls:?}");
        calls.into_iter().map(|call| (call.entries, call.outcome)).collect()
    }
}

/// Calls as [`Stage::calls`] tells them.
pub(crate) fn calls(expected: &[(usize, &str)]) -> Vec<(usize, String)> {
    expected.iter().map(|(entries, outcome)| (*entries, (*outcome).to_owned())).collect()
}

fn no_secret(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} tells {secret:?}: {text}");
    }
}

/// Whatever a function said.
fn said(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response(raw) | Outcome::Error { raw, .. } | Outcome::InitError { raw, .. } => {
            String::from_utf8_lossy(raw).into_owned()
        }
        Outcome::TimedOut | Outcome::Exited(_) => String::new(),
    }
}

/// Grafana's JSON that goes with a message.
pub(crate) fn payload(message: &Message) -> Option<Value> {
    let encoded = message.attributes.get("payload")?.binary_value.as_deref()?;
    Some(serde_json::from_slice(&BASE64_STANDARD.decode(encoded).unwrap()).unwrap())
}

/// The answer of an invocation that must have succeeded.
pub(crate) fn answer(invocation: &Invocation) -> Value {
    invocation.outcome.response_json().unwrap_or_else(|| panic!("{:?}", invocation.outcome))
}

/// Type and message of an invocation that must have failed by itself, before its time was over.
pub(crate) fn error(invocation: &Invocation) -> (&str, &str) {
    match &invocation.outcome {
        Outcome::Error { error_type, message, .. } => (error_type, message),
        other => panic!("no error: {other:?}"),
    }
}
