//! What every test stands on: a sandbox with a Slack app and a table, the three functions, and a look at everything that they
//! say: no secret may be in it.

use std::path::Path;
use std::time::Duration;

use alert_sandbox::lambda::{Function, FunctionSpec, Invocation};
use alert_sandbox::slack::{App, Click, Ephemeral, Interaction, Message};
use alert_sandbox::{Sandbox, SandboxOptions};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

pub(crate) const RELAY: &str = "relay";
pub(crate) const TABLE: &str = "alerts";
pub(crate) const CHANNEL: &str = "ops";
pub(crate) const KIM: (&str, &str) = ("U0KIM", "kim");
pub(crate) const LEE: (&str, &str) = ("U0LEE", "lee");
/// Slack gives up after 3 s; a cold start and the way take some of it.
pub(crate) const SLACK_WAITS: Duration = Duration::from_secs(3);

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) app: App,
    pub(crate) relay: Function,
    pub(crate) actions: Function,
    pub(crate) watch: Function,
    secrets: Vec<String>,
    specs: [FunctionSpec; 3],
}

/// Settings, as they are made.
#[derive(Default)]
pub(crate) struct Setup {
    config: Value,
    settings: Vec<(&'static str, String)>,
    scopes: Vec<&'static str>,
}

impl Setup {
    /// With this configuration.
    pub(crate) fn config(config: Value) -> Self {
        Self { config, ..Self::default() }
    }

    /// With a further scope of the app.
    pub(crate) fn scope(mut self, scope: &'static str) -> Self {
        self.scopes.push(scope);
        self
    }

    /// With another setting of all functions.
    pub(crate) fn set(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    pub(crate) async fn start(self) -> Stage {
        let Self { config, settings, scopes } = self;
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let all = [&["chat:write", "chat:write.public", "channels:history"], &scopes[..]].concat();
        let app = sandbox.slack.app("relay", &all);
        sandbox.slack.channel(CHANNEL);
        sandbox.slack.set_member(CHANNEL, &app, true);
        let encrypt = |secret: &str| sandbox.kms.encrypt(secret, &[("LambdaFunctionName", RELAY)]);
        let own = [
            ("kmsEncryptedBotToken", encrypt(&app.token)),
            ("kmsEncryptedSigningSecret", encrypt(&app.signing_secret)),
            ("slackChannel", sandbox.slack.channel(CHANNEL).id),
            ("ALERT_TABLE", sandbox.dynamodb.create_table(TABLE)),
            ("SLACK_BUTTONS", "enabled".to_owned()),
            ("ENCRYPTED_FOR", RELAY.to_owned()),
            ("AWS_LAMBDA_LOG_LEVEL", "TRACE".to_owned()),
        ];
        let config = if config.is_null() { String::new() } else { config.to_string() };
        let binary = |name: &str| Path::new(env!("CARGO_BIN_EXE_slack-actions")).with_file_name(name);
        let spec = |name: &str, file: &str, seconds: u64| {
            FunctionSpec::new(name, binary(file))
                .with_environment(sandbox.environment())
                .with_environment(own.clone())
                .with_environment([("ALERT_CONFIG", config.clone())])
                .with_environment(settings.clone())
                .with_timeout(Duration::from_secs(seconds))
        };
        let specs = [
            spec(RELAY, "cloudwatch-to-slack", 30),
            spec("actions", "slack-actions", 10),
            spec("watch", "alert-watch", 30),
        ];
        let secret_part = app.token.rsplit('-').next().unwrap().to_owned();
        let secrets = vec![secret_part, app.signing_secret.clone()];
        let mut functions = Vec::new();
        for spec in &specs {
            let function = Function::start(spec.clone()).await.unwrap();
            assert_eq!(function.init_error(), None, "{}", function.log());
            functions.push(function);
        }
        let mut functions = functions.into_iter();
        let mut next = || functions.next().unwrap();
        let (relay, actions, watch) = (next(), next(), next());
        Stage { sandbox, app, relay, actions, watch, secrets, specs }
    }
}

/// A change of an alarm, as SNS hands it to the relay.
pub(crate) fn change(delivery: &str, name: &str, state: &str, before: &str, at: DateTime<Utc>) -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cloudwatch/walkthrough.sns.json");
    let mut event: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let sns = &mut event["Records"][0]["Sns"];
    let mut alarm: Value = serde_json::from_str(sns["Message"].as_str().unwrap()).unwrap();
    alarm["AlarmName"] = name.into();
    alarm["NewStateValue"] = state.into();
    alarm["OldStateValue"] = before.into();
    alarm["StateChangeTime"] = at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string().into();
    sns["MessageId"] = delivery.into();
    sns["Subject"] = Value::Null;
    sns["Message"] = alarm.to_string().into();
    event
}

pub(crate) fn ago(minutes: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::minutes(minutes)
}

impl Stage {
    pub(crate) async fn tell(&self, delivery: &str, state: &str, before: &str, at: DateTime<Utc>) {
        self.relays(&change(delivery, "cpu", state, before, at)).await;
    }

    pub(crate) async fn relays(&self, event: &Value) {
        let invocation = self.relay.invoke(event.to_string()).await;
        assert!(invocation.outcome.is_success(), "{invocation:?}");
        self.check();
    }

    /// An alarm that fires, and its message.
    pub(crate) async fn alarm(&self) -> String {
        self.tell("first", "ALARM", "OK", ago(30)).await;
        self.message()
    }

    /// The first message in the channel.
    pub(crate) fn message(&self) -> String {
        self.sandbox.slack.messages(CHANNEL)[0].ts.clone()
    }

    /// Somebody presses a button, or chooses something.
    pub(crate) fn interaction(
        &self,
        ts: &str,
        user: (&str, &str),
        action_id: &str,
        option: Option<&str>,
    ) -> Interaction {
        self.sandbox.slack.click(&Click { channel: CHANNEL, ts, action_id, option, user }).unwrap()
    }

    pub(crate) async fn press(&self, ts: &str, user: (&str, &str), action_id: &str) {
        let interaction = self.interaction(ts, user, action_id, None);
        assert_eq!(self.send(&interaction).await, 200);
    }

    pub(crate) async fn silence(&self, ts: &str, user: (&str, &str), option: &str) {
        let interaction = self.interaction(ts, user, "silence", Some(option));
        assert_eq!(self.send(&interaction).await, 200);
    }

    /// The status of the answer.
    pub(crate) async fn send(&self, interaction: &Interaction) -> u64 {
        self.send_event(&interaction.proxy_event()).await
    }

    pub(crate) async fn send_event(&self, event: &Value) -> u64 {
        let invocation = self.actions.invoke(event.to_string()).await;
        self.check();
        status(&invocation)
    }

    /// A minute is over.
    pub(crate) async fn minute(&self) -> Invocation {
        let event = json!({"version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler"});
        let invocation = self.watch.invoke(event.to_string()).await;
        self.check();
        invocation
    }

    /// Another process of the function that takes presses.
    pub(crate) async fn another(&self) -> Function {
        Function::start(self.specs[1].clone()).await.unwrap()
    }

    /// Another process of the watch.
    pub(crate) async fn another_watch(&self) -> Function {
        Function::start(self.specs[2].clone()).await.unwrap()
    }

    /// What a message shows, in all its blocks.
    pub(crate) fn shows(&self, ts: &str) -> String {
        let messages = self.sandbox.slack.messages(CHANNEL);
        let message = messages.iter().find(|message| message.ts == ts).unwrap();
        said(message)
    }

    /// The texts in a message's thread.
    pub(crate) fn thread(&self, ts: &str) -> Vec<String> {
        let replies = self.sandbox.slack.replies(CHANNEL, ts);
        replies.into_iter().filter(|reply| reply.ts != ts).map(|reply| reply.shown.text).collect()
    }

    /// What rings: messages of their own, and replies that are shown to all.
    pub(crate) fn ringing(&self) -> Vec<String> {
        let messages = self.sandbox.slack.messages(CHANNEL);
        messages.into_iter().filter(Message::is_in_channel).map(|message| message.shown.text).collect()
    }

    /// What people were told by themselves since the last look.
    pub(crate) fn ephemerals(&self) -> Vec<Ephemeral> {
        self.sandbox.slack.ephemerals()
    }

    /// The last thing that somebody was told.
    pub(crate) fn told(&self) -> String {
        self.ephemerals().last().map(|told| told.text.clone()).unwrap_or_default()
    }

    /// The alert's item, by the only one that holds an incident.
    pub(crate) fn item(&self) -> Value {
        let items = self.sandbox.dynamodb.items(TABLE);
        items.into_iter().find(|item| !item["incident"].is_null()).unwrap()
    }

    pub(crate) fn incident(&self) -> Value {
        serde_json::from_str(self.item()["incident"]["S"].as_str().unwrap()).unwrap()
    }

    /// Lets a silence end by the clock: all of its times are so long ago.
    pub(crate) fn let_silence_end(&self) {
        let mut item = self.item();
        let mut incident = self.incident();
        let past = ago(1).timestamp_millis();
        incident["silenced"]["until"] = past.into();
        item["incident"]["S"] = incident.to_string().into();
        item["due_at"] = json!({"N": past.to_string()});
        self.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
    }

    /// Fails where a log or a message holds a secret.
    pub(crate) fn check(&self) {
        let logs = [&self.relay, &self.actions, &self.watch].map(Function::log).concat();
        let said: String = self.sandbox.slack.calls().iter().map(|call| call.payload.to_string()).collect();
        for secret in &self.secrets {
            assert!(!logs.contains(secret.as_str()), "the log tells {secret}");
            assert!(!said.contains(secret.as_str()), "a message tells {secret}");
        }
    }
}

pub(crate) fn said(message: &Message) -> String {
    format!(
        "{} {} {}",
        message.shown.text,
        Value::from(message.shown.blocks.clone()),
        Value::from(message.shown.attachments.clone())
    )
}

pub(crate) fn status(invocation: &Invocation) -> u64 {
    let answer = invocation.outcome.response_json().unwrap_or_else(|| panic!("{:?}", invocation.outcome));
    assert_eq!(answer["body"], "", "{answer}");
    answer["statusCode"].as_u64().unwrap()
}
