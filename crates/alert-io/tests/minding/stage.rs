//! A sandbox with a Slack app, a table and a topic for people, functions in this process, and a clock that the test sets.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use alert_io::actions::Actions;
use alert_io::clock::Clock;
use alert_io::deadline::Deadline;
use alert_io::filter::Filter;
use alert_io::lambda::{InvocationError, Invoked};
use alert_io::relay::Relay;
use alert_io::watch::Watch;
use alert_sandbox::slack::{App, Click, Interaction};
use alert_sandbox::sns::Published;
use alert_sandbox::{Sandbox, SandboxOptions};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

pub(crate) const CHANNEL: &str = "ops";
pub(crate) const CANARY: &str = "alert-relay-canary";
const RELAY: &str = "relay";
const TIME: Duration = Duration::from_secs(20);

pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) app: App,
    /// The topic of the second way.
    pub(crate) topic: String,
    settings: HashMap<String, String>,
    now: Cell<DateTime<Utc>>,
    count: Cell<usize>,
}

impl Stage {
    /// With this configuration, to which the second way is added.
    pub(crate) async fn start(config: Value) -> Self {
        Self::start_with(config, true).await
    }

    /// The same, without buttons: reactions say who is on it.
    pub(crate) async fn without_buttons(config: Value) -> Self {
        Self::start_with(config, false).await
    }

    async fn start_with(mut config: Value, has_buttons: bool) -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let scopes = ["chat:write", "chat:write.public", "channels:history", "reactions:read"];
        let app = sandbox.slack.app("relay", &scopes);
        sandbox.slack.channel(CHANNEL);
        sandbox.slack.set_member(CHANNEL, &app, true);
        let topic = sandbox.sns.create_topic("second-way");
        config["second_way"] = json!({ "sns": topic });
        let alarms = sandbox.sns.create_topic("alarms");
        let canary = json!({
            "AlarmName": CANARY, "Namespace": "AlertRelay", "MetricName": "Canary", "Statistic": "Sum", "Period": 60,
            "EvaluationPeriods": 1, "Threshold": 0, "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching", "AlarmActions": [alarms], "StateValue": "OK",
        });
        sandbox.cloudwatch.put_metric_alarm(&canary).unwrap();
        let token = sandbox.kms.encrypt(&app.token, &[("LambdaFunctionName", RELAY)]);
        let signing_secret = sandbox.kms.encrypt(&app.signing_secret, &[("LambdaFunctionName", RELAY)]);
        let own = [
            ("kmsEncryptedSigningSecret", signing_secret),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", "ASIA".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "secret".to_owned()),
            ("AWS_LAMBDA_FUNCTION_NAME", RELAY.to_owned()),
            ("kmsEncryptedBotToken", token),
            ("slackChannel", sandbox.slack.channel(CHANNEL).id),
            ("ALERT_TABLE", sandbox.dynamodb.create_table("alerts")),
            ("SLACK_BUTTONS", if has_buttons { "enabled" } else { "disabled" }.to_owned()),
            ("SNS_TOPIC_ARN", alarms),
            ("CANARY_ALARM", CANARY.to_owned()),
            ("ALERT_CONFIG", config.to_string()),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let settings = sandbox.environment().into_iter().chain(own).collect();
        let now = Cell::new("2026-11-25T02:00:00Z".parse().unwrap());
        Self { sandbox, app, topic, settings, now, count: Cell::new(0) }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now.get()
    }

    /// So many minutes pass, during which nobody looks at the time.
    pub(crate) fn sleep(&self, minutes: i64) {
        self.now.set(self.now.get() + TimeDelta::minutes(minutes));
    }

    /// So many minutes pass, in each of which the function looks at the time.
    pub(crate) async fn pass(&self, minutes: i64) {
        for _ in 0..minutes {
            self.sleep(1);
            self.look().await.unwrap();
        }
    }

    fn invoked(&self) -> Invoked<'static> {
        Invoked { request_id: "r-1", account: "111122223333", clock: Clock::at(self.now.get()) }
    }

    fn setting(&self, name: &str) -> Option<String> {
        self.settings.get(name).cloned()
    }

    /// A new process looks at the time.
    pub(crate) async fn look(&self) -> Result<Value, InvocationError> {
        let watch = self.watch().await;
        watch.handle(b"{}", self.invoked(), Deadline::after(TIME)).await
    }

    /// A process that may look at the time.
    pub(crate) async fn watch(&self) -> Watch {
        Watch::start(&|name| self.setting(name)).await.unwrap()
    }

    pub(crate) async fn look_by(&self, watch: &Watch) -> Result<Value, InvocationError> {
        watch.handle(b"{}", self.invoked(), Deadline::after(TIME)).await
    }

    /// A new process of the relay gets an event.
    pub(crate) async fn relays(&self, event: &Value) -> Result<Value, InvocationError> {
        let relay = Relay::start(&|name| self.setting(name)).await.unwrap();
        relay.handle(event.to_string().as_bytes(), self.invoked(), Deadline::after(TIME)).await
    }

    /// A new process of the filter gets an event.
    pub(crate) async fn filters(&self, event: &Value) {
        let filter = Filter::start(&|name| self.setting(name)).unwrap();
        let event = event.to_string();
        filter.handle(event.as_bytes(), self.invoked(), Deadline::after(TIME)).await.unwrap();
    }

    /// An alarm changes, and SNS hands it to the relay.
    pub(crate) async fn alarm(&self, name: &str, state: &str) {
        self.relays(&self.changed(name, state)).await.unwrap();
        self.tick();
    }

    /// The clock goes on while things are done: by more than any of it takes, so that a busy machine changes nothing.
    fn tick(&self) {
        self.now.set(self.now.get() + TimeDelta::seconds(5));
    }

    /// What SNS hands to the relay when an alarm changes now.
    pub(crate) fn changed(&self, name: &str, state: &str) -> Value {
        let file =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/cloudwatch/walkthrough.sns.json");
        let mut event: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let sns = &mut event["Records"][0]["Sns"];
        let mut alarm: Value = serde_json::from_str(sns["Message"].as_str().unwrap()).unwrap();
        alarm["AlarmName"] = name.into();
        alarm["NewStateValue"] = state.into();
        alarm["OldStateValue"] = if state == "OK" { "ALARM" } else { "OK" }.into();
        alarm["StateChangeTime"] = self.now().format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string().into();
        self.count.set(self.count.get() + 1);
        sns["MessageId"] = format!("m-{}", self.count.get()).into();
        sns["Timestamp"] = self.now().format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().into();
        sns["Subject"] = Value::Null;
        sns["Message"] = alarm.to_string().into();
        event
    }

    /// Somebody presses a button of a message, or chooses something.
    pub(crate) async fn press(&self, ts: &str, action_id: &str, option: Option<&str>) {
        let click = Click { channel: CHANNEL, ts, action_id, option, user: ("U0KIM", "kim") };
        let click = self.sandbox.slack.click(&click).unwrap();
        // At the time of the test.
        let timestamp = self.now().timestamp().to_string();
        let click = Interaction::signed(&self.app.signing_secret, &timestamp, &click.body);
        let actions = Actions::start(&|name| self.setting(name)).await.unwrap();
        let event = click.proxy_event().to_string();
        let answer = actions.handle(event.as_bytes(), self.invoked(), Deadline::after(TIME)).await.unwrap();
        assert_eq!(answer["statusCode"], 200);
        assert!(self.sandbox.slack.ephemerals().is_empty(), "{:?}", self.sandbox.slack.ephemerals());
        self.tick();
    }

    /// Lets the relay have what alarms have published.
    pub(crate) async fn deliver_alarms(&self) {
        for Published { message_id, topic_arn, message, .. } in self.sandbox.sns.take_published() {
            if topic_arn == self.topic {
                continue;
            }
            let sns = json!({"Type": "Notification", "MessageId": message_id, "TopicArn": topic_arn, "Message": message.message, "Timestamp": self.now().to_rfc3339()});
            self.relays(&json!({"Records": [{"EventSource": "aws:sns", "Sns": sns}]})).await.unwrap();
        }
    }

    /// The first message of the channel.
    pub(crate) fn first(&self) -> String {
        self.sandbox.slack.messages(CHANNEL)[0].ts.clone()
    }

    /// What people got by the second way since this was last asked: the subjects and the texts.
    pub(crate) fn notifications(&self) -> Vec<(String, String)> {
        let notifications = self.sandbox.sns.take_published().into_iter();
        let notifications = notifications.filter(|published| published.topic_arn == self.topic);
        notifications
            .map(|Published { message, .. }| {
                let texts: Value = serde_json::from_str(&message.message).unwrap();
                (message.subject.unwrap_or_default(), texts["default"].as_str().unwrap().to_owned())
            })
            .collect()
    }

    /// The first words of the channel's messages, those of threads indented.
    pub(crate) fn channel(&self) -> Vec<String> {
        let messages = self.sandbox.slack.messages(CHANNEL).into_iter();
        messages
            .map(|message| {
                let line = message.shown.text.lines().next().unwrap_or_default().replace("&gt;", ">");
                let shown = if message.reply_broadcast { "  (shown) " } else { "  " };
                if message.thread_ts.is_some() { format!("{shown}{line}") } else { line }
            })
            .collect()
    }
}
