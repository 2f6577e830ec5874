//! What every test stands on: a sandbox, a function of the real binary, and a look at everything that the function
//! says, whatever the test is about: no secret may be in it.

use std::time::Duration;

use alert_sandbox::lambda::{Function, FunctionSpec, Invocation, Outcome};
use alert_sandbox::slack::{App, Call, Webhook};
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub(crate) const NAME: &str = "relay";
/// Long enough on a busy machine, short enough that a hang is no pause for coffee.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// The way to Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Webhook,
    App,
}

/// Runs tests that take the way as their argument by each of them.
macro_rules! both_ways {
    ($($name:ident),* $(,)?) => {
        mod by_webhook {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::stage::By::Webhook).await;
            })*
        }
        mod by_app {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::stage::By::App).await;
            })*
        }
    };
}
pub(crate) use both_ways;

/// A sandbox with a function in it.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) function: Function,
    pub(crate) app: App,
    /// Further processes of the function, each for itself.
    others: Vec<Function>,
    spec: FunctionSpec,
    secrets: Secrets,
}

/// How the function is made.
pub(crate) struct Setup {
    pub(crate) sandbox: Sandbox,
    pub(crate) webhook: Webhook,
    pub(crate) app: App,
    way: By,
    spec: FunctionSpec,
    secrets: Secrets,
}

/// What may be in no output.
#[derive(Clone)]
pub(crate) struct Secrets(Vec<String>);

impl Secrets {
    fn new() -> Self {
        // The role's credentials, as the sandbox sets them.
        Self(vec!["sandbox-secret-access-key".to_owned(), "sandbox-session-token".to_owned()])
    }

    /// A webhook's URL: its path, and the last part of it.
    fn add_url(&mut self, url: &str) {
        let path = &url[url.find("/services/").unwrap()..];
        self.0.push(path.to_owned());
        self.0.push(path.rsplit('/').next().unwrap().to_owned());
    }

    /// A bot token: the last part of it, which is what is secret.
    fn add_token(&mut self, token: &str) {
        self.0.push(token.rsplit('-').next().unwrap().to_owned());
    }

    /// A ciphertext, in base64 and, as a list of bytes, in the way that `{:?}` prints it.
    fn add_ciphertext(&mut self, base64: &str) {
        let compact: String = base64.split_whitespace().collect();
        if compact.len() >= 80 {
            // Not its beginning, which all ciphertexts of a key share, and which says nothing.
            self.0.push(compact[72..].trim_end_matches('=').to_owned());
            let bytes = compact.as_bytes()[72..80].iter().map(u8::to_string).collect::<Vec<_>>();
            self.0.push(bytes.join(", "));
        }
    }

    /// Fails where a text holds one of them.
    pub(crate) fn check(&self, what: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret.as_str()), "{what} tells {secret:?}: {text}");
        }
    }
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self::with(SandboxOptions::default()).await
    }

    pub(crate) async fn with(options: SandboxOptions) -> Self {
        let sandbox = Sandbox::start(options).await.unwrap();
        let webhook = sandbox.slack.webhook("ops");
        let mut secrets = Secrets::new();
        secrets.add_url(&webhook.url);
        let spec = FunctionSpec::new(NAME, env!("CARGO_BIN_EXE_cloudwatch-to-slack"))
            .with_environment(sandbox.environment())
            // The most talkative level: what it does not tell, no other does.
            .with_environment([("AWS_LAMBDA_LOG_LEVEL", "TRACE")])
            .with_timeout(Duration::from_secs(10));
        let hook = sandbox.kms.encrypt(&webhook.url, &context());
        let app = sandbox.slack.app("relay", &["chat:write", "chat:write.public", "channels:history"]);
        sandbox.slack.set_member("ops", &app, true);
        secrets.0.push(app.token.clone());
        Self { sandbox, webhook, app, way: By::Webhook, spec, secrets }.hook(&hook)
    }

    /// A function that has one way alone.
    pub(crate) async fn by(way: By) -> Self {
        let setup = Self::new().await;
        match way {
            By::Webhook => setup,
            By::App => Self { way, ..setup.token() }.set("kmsEncryptedHookUrl", ""),
        }
    }

    /// Sets `kmsEncryptedBotToken`, and the channel.
    pub(crate) fn token(mut self) -> Self {
        let ciphertext = self.sandbox.kms.encrypt(&self.app.token, &context());
        self.secrets.add_ciphertext(&ciphertext);
        self.set("kmsEncryptedBotToken", &ciphertext).set("slackChannel", "ops")
    }

    /// Another target by the same way, as the keys of a receiver.
    pub(crate) fn target(&mut self, name: &str) -> Value {
        match self.way {
            By::Webhook => json!({"webhook": format!("kms:{}", self.receiver(name))}),
            By::App => {
                let channel = self.sandbox.slack.channel(name);
                self.sandbox.slack.set_member(name, &self.app, true);
                json!({"slack": {"channel": channel.id}})
            }
        }
    }

    /// Sets `kmsEncryptedHookUrl`.
    pub(crate) fn hook(mut self, ciphertext: &str) -> Self {
        self.secrets.add_ciphertext(ciphertext);
        self.set("kmsEncryptedHookUrl", ciphertext)
    }

    /// A webhook's URL or a token that nothing may tell.
    pub(crate) fn never_told(mut self, secret: &str) -> Self {
        if secret.contains("/services/") {
            self.secrets.add_url(secret);
        } else {
            self.secrets.add_token(secret);
        }
        self
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.spec = self.spec.with_environment([(name, value)]);
        self
    }

    /// The value of a setting.
    pub(crate) fn setting(&self, name: &str) -> String {
        let set = self.spec.environment.iter().rev().find(|(known, _)| known == name);
        set.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    pub(crate) fn timeout(mut self, seconds: u64) -> Self {
        self.spec = self.spec.with_timeout(Duration::from_secs(seconds));
        self
    }

    /// Another webhook, and its ciphertext for the configuration.
    pub(crate) fn receiver(&mut self, name: &str) -> String {
        let webhook = self.sandbox.slack.webhook(name);
        let ciphertext = self.sandbox.kms.encrypt(&webhook.url, &context());
        self.secrets.add_url(&webhook.url);
        self.secrets.add_ciphertext(&ciphertext);
        ciphertext
    }

    /// Starts the function, whether it succeeds or not.
    pub(crate) async fn try_start(self) -> Stage {
        let Self { sandbox, app, spec, secrets, .. } = self;
        let function = Function::start(spec.clone()).await.unwrap();
        Stage { sandbox, function, app, others: Vec::new(), spec, secrets }
    }

    /// Starts the function, which must succeed.
    pub(crate) async fn start(self) -> Stage {
        let stage = self.try_start().await;
        assert_eq!(stage.function.init_error(), None, "{}", stage.function.log());
        stage
    }
}

impl Stage {
    /// Another process of the same function, of the same sandbox, and warm; it knows nothing of the others.
    pub(crate) async fn another(&mut self) -> Function {
        let function = Function::start(self.spec.clone()).await.unwrap();
        assert_eq!(function.init_error(), None, "{}", function.log());
        self.others.push(function.clone());
        function
    }

    /// The logs of all processes so far.
    pub(crate) fn log(&self) -> String {
        let functions = [&self.function].into_iter().chain(&self.others);
        functions.map(Function::log).collect()
    }

    pub(crate) async fn invoke(&self, event: &Value) -> Invocation {
        self.invoke_raw(&event.to_string()).await
    }

    pub(crate) async fn invoke_raw(&self, payload: &str) -> Invocation {
        let invocation = self.function.invoke(payload.to_owned()).await;
        self.check(&invocation);
        invocation
    }

    pub(crate) async fn invoke_async(&self, event: &Value) -> Vec<Invocation> {
        let attempts = self.function.invoke_async(event.to_string()).await;
        for attempt in &attempts {
            self.check(attempt);
        }
        attempts
    }

    /// Fails where an outcome, the log so far, or a message to people holds a secret.
    pub(crate) fn check(&self, invocation: &Invocation) {
        self.secrets.check("the outcome", &format!("{:?}", error_or_answer(&invocation.outcome)));
        self.check_output();
    }

    /// Fails where the log so far, or a message to people, holds a secret.
    pub(crate) fn check_output(&self) {
        self.secrets.check("the log", &self.log());
        for call in self.sandbox.slack.calls() {
            self.secrets.check("a message", &call.payload.to_string());
        }
        if let Some(outcome) = self.function.init_error() {
            self.secrets.check("the init error", &format!("{:?}", error_or_answer(&outcome)));
        }
    }

    /// Stops the processes, so that the whole log is there.
    pub(crate) async fn stop(&self) -> String {
        for function in [&self.function].into_iter().chain(&self.others) {
            function.stop().await;
        }
        self.check_output();
        self.log()
    }

    /// The texts of the messages in the channels, with all their blocks.
    pub(crate) fn messages(&self) -> Vec<String> {
        self.sandbox.slack.accepted().iter().map(says).collect()
    }

    /// How many messages in the channels hold this text.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.messages().iter().filter(|message| message.contains(text)).count()
    }

    /// Waits for a text in the log.
    pub(crate) async fn logged(&self, text: &str) {
        let logged = self.function.wait_for_log(text, SOON).await;
        assert!(logged, "no {text:?} in the log:\n{}", self.function.log());
    }
}

/// Runs cases beside each other: most of them wait.
pub(crate) async fn at_once<C: Future<Output = ()> + Send + 'static>(cases: impl Iterator<Item = C>) {
    let mut running: JoinSet<()> = cases.collect();
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
}

/// The encryption context of this function.
pub(crate) fn context() -> [(&'static str, &'static str); 1] {
    [("LambdaFunctionName", NAME)]
}

/// A message as one text.
pub(crate) fn says(post: &Call) -> String {
    post.payload.to_string()
}

/// Whatever a function said.
fn error_or_answer(outcome: &Outcome) -> (String, String, String) {
    match outcome {
        Outcome::Response(raw) => (String::new(), String::new(), String::from_utf8_lossy(raw).into_owned()),
        Outcome::Error { error_type, message, raw } | Outcome::InitError { error_type, message, raw } => {
            (error_type.clone(), message.clone(), String::from_utf8_lossy(raw).into_owned())
        }
        Outcome::TimedOut | Outcome::Exited(_) => (String::new(), String::new(), String::new()),
    }
}

/// The answer of an invocation that must have succeeded.
pub(crate) fn answer(invocation: &Invocation) -> Value {
    invocation.outcome.response_json().unwrap_or_else(|| panic!("{:?}", invocation.outcome))
}

/// Type and message of an invocation that must have failed by itself.
pub(crate) fn error(invocation: &Invocation) -> (&str, &str) {
    match &invocation.outcome {
        Outcome::Error { error_type, message, .. } => (error_type, message),
        other => panic!("no error: {other:?}"),
    }
}
