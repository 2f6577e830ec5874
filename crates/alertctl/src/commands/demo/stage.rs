//! The stage of the demo and the playground: the functions' own binaries on one sandbox, with the settings of a deployment.

use std::path::{Path, PathBuf};

use alert_core::config::Config;
use alert_core::target::APP;
use alert_io::settings::{
    ALERT_CONFIG, ALERT_TABLE, ENCRYPTED_FOR, KMS_ENCRYPTED_BOT_TOKEN, KMS_ENCRYPTED_HOOK_URL,
    KMS_ENCRYPTED_SIGNING_SECRET, SLACK_BUTTONS, SLACK_CHANNEL, SNS_TOPIC_ARN,
};
use alert_sandbox::lambda::{Function, FunctionSpec};
use alert_sandbox::slack::App;
use alert_sandbox::{Sandbox, SandboxOptions};

const RELAY: &str = "cloudwatch-to-slack";
const FILTER: &str = "grafana-filter-to-sns";
/// What takes the presses of buttons.
pub(crate) const ACTIONS: &str = "slack-actions";
/// What is woken each minute.
pub(crate) const WATCH: &str = "alert-watch";
const TOPIC: &str = "alerts";
/// The channel of the deployment's own way.
pub(super) const CHANNEL: &str = "alerts";
/// The table in which the relay remembers alerts.
pub(super) const TABLE: &str = "alerts";

/// The way by which the relay reaches Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// It remembers nothing.
    Webhook,
    /// It remembers in a table, so that messages live.
    App,
    /// The same, and people act by buttons.
    AppWithButtons,
}

impl Way {
    pub(super) fn is_app(self) -> bool {
        self != Self::Webhook
    }
}

/// Both functions on one sandbox, as the template deploys them.
pub(crate) struct Stage {
    pub(crate) sandbox: Sandbox,
    pub(crate) relay: Function,
    pub(crate) filter: Function,
    pub(crate) way: Way,
    app: App,
    /// The topic by which the filter's alerts come to the relay.
    topic: String,
    /// The settings that lead to Slack by the deployment's own way.
    own: Settings,
}

/// Names and values of a function's environment.
pub(crate) type Settings = Vec<(String, String)>;

impl Stage {
    /// Starts everything; `config` is the configuration of both functions.
    pub(crate) async fn build(config: Option<&str>, way: Way) -> Result<Self, String> {
        let sandbox = Sandbox::start(SandboxOptions { tls: true, seed: 1 })
            .await
            .map_err(|error| does_not_start("the sandbox", &error))?;
        let app = sandbox.slack.app("Alert relay", &["chat:write", "chat:write.public", "channels:history"]);
        let topic = sandbox.sns.create_topic(TOPIC);
        let own = own_way(&sandbox, way);
        let relay = function(RELAY, relay_settings(&sandbox, &app, &own, config)).await?;
        let filter = function(FILTER, filter_settings(&sandbox, &topic, config)).await?;
        sandbox.sns.subscribe_function(&topic, &relay).map_err(|error| format!("{error:?}"))?;
        Ok(Self { sandbox, relay, filter, way, app, topic, own })
    }

    /// Gives both functions another configuration; what stands in Slack, and what is remembered, stays.
    pub(crate) async fn configure(&self, config: Option<&str>) -> Result<(), String> {
        let relay = relay_settings(&self.sandbox, &self.app, &self.own, config);
        let filter = filter_settings(&self.sandbox, &self.topic, config);
        for (function, settings) in [(&self.relay, relay), (&self.filter, filter)] {
            let started = function.set_environment(settings).await;
            started.map_err(|error| does_not_start(function.name(), &error))?;
        }
        Ok(())
    }

    /// The settings of a function that is deployed beside the relay, and speaks by the app.
    pub(crate) fn settings_beside(&self, config: Option<&str>) -> Settings {
        let encrypted = encrypt(&self.sandbox, &self.app.signing_secret);
        let mut settings = relay_settings(&self.sandbox, &self.app, &self.own, config);
        settings.extend([
            setting(KMS_ENCRYPTED_SIGNING_SECRET, encrypted),
            setting(ENCRYPTED_FOR, RELAY.to_owned()),
        ]);
        settings
    }
}

/// A function with its settings.
pub(crate) async fn function(name: &'static str, settings: Settings) -> Result<Function, String> {
    let spec = FunctionSpec::new(name, binary(name)?).with_environment(settings);
    Function::start(spec).await.map_err(|error| does_not_start(name, &error))
}

fn does_not_start(what: &str, error: &std::io::Error) -> String {
    format!("{what} does not start: {error}")
}

fn encrypt(sandbox: &Sandbox, secret: &str) -> String {
    sandbox.kms.encrypt(secret, &[("LambdaFunctionName", RELAY)])
}

/// The settings of the way by which a deployment reaches Slack, unless a receiver has another.
fn own_way(sandbox: &Sandbox, way: Way) -> Settings {
    let mut settings = match way {
        Way::Webhook => {
            vec![setting(KMS_ENCRYPTED_HOOK_URL, encrypt(sandbox, &sandbox.slack.webhook(CHANNEL).url))]
        }
        Way::App | Way::AppWithButtons => vec![
            setting(SLACK_CHANNEL, CHANNEL.to_owned()),
            setting(ALERT_TABLE, sandbox.dynamodb.create_table(TABLE)),
        ],
    };
    settings.extend((way == Way::AppWithButtons).then(|| setting(SLACK_BUTTONS, "enabled".to_owned())));
    settings
}

fn relay_settings(sandbox: &Sandbox, app: &App, own: &Settings, config: Option<&str>) -> Settings {
    // Every channel that the configuration names is there, with the app in it.
    let read = config.and_then(|text| Config::parse(text).ok()).unwrap_or_default();
    let targets = read.receivers.iter().filter_map(|receiver| receiver.target.as_ref());
    let of_receivers: Vec<&str> =
        targets.filter(|target| target.way == APP).map(|target| target.address.as_str()).collect();
    let by_name = read.receivers.iter().filter_map(|receiver| receiver.channel.as_deref());
    for channel in of_receivers.iter().copied().chain(by_name).chain([CHANNEL]) {
        // Making it is all that is wanted of it.
        let made = sandbox.slack.channel(channel.trim_start_matches('#'));
        sandbox.slack.set_member(&made.name, app, true);
    }
    // With a webhook, receivers may name channels of the app all the same.
    let needs_app = own.iter().any(|(name, _)| *name == SLACK_CHANNEL) || !of_receivers.is_empty();
    let token = needs_app.then(|| setting(KMS_ENCRYPTED_BOT_TOKEN, encrypt(sandbox, &app.token)));
    let to_slack = token.into_iter().chain(own.iter().cloned());
    sandbox.environment().into_iter().chain(to_slack).chain(configured(config)).collect()
}

fn filter_settings(sandbox: &Sandbox, topic: &str, config: Option<&str>) -> Settings {
    let topic = setting(SNS_TOPIC_ARN, topic.to_owned());
    sandbox.environment().into_iter().chain([topic]).chain(configured(config)).collect()
}

fn configured(config: Option<&str>) -> Option<(String, String)> {
    config.map(|text| setting(ALERT_CONFIG, text.to_owned()))
}

fn setting(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

/// The function's binary, which is built beside this one.
fn binary(name: &str) -> Result<PathBuf, String> {
    let own =
        std::env::current_exe().map_err(|error| format!("where this program lies is unknown: {error}"))?;
    let path = own.parent().unwrap_or(Path::new(".")).join(name);
    if path.exists() {
        return Ok(path);
    }
    Err(format!("{} is missing: build it with `cargo build --workspace`", path.display()))
}
