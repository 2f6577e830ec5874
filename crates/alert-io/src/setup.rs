//! What the settings say of a deployment that posts: the relay's, and that of the function which minds what is due.
//!
//! Nothing is decrypted here, and nobody is called.

use alert_core::region::Arn;
use alert_core::relay::Deployment;
use alert_core::target::{APP, Closed, Target};

use crate::aws::{self, Identity};
use crate::configuration;
use crate::dynamodb::DynamoDbTable;
use crate::http;
use crate::metrics::{CONFIG_INVALID, Metrics};
use crate::secret::Decryptor;
use crate::senders::{Own, Senders, TOKEN_MISSING};
use crate::settings::{
    self, ALERT_TABLE, CANARY_ALARM, Environment, KMS_ENCRYPTED_BOT_TOKEN, KMS_ENCRYPTED_HOOK_URL, SLACK_API,
    SLACK_CHANNEL, StartError,
};
use crate::topic::Topic;

/// A deployment, and what speaks to the world for it.
#[derive(Debug)]
pub struct Setup {
    /// What the core needs to know.
    pub deployment: Deployment,
    /// What sends.
    pub senders: Senders,
    /// Where alerts are remembered, where they are.
    pub table: Option<DynamoDbTable>,
    /// For all requests.
    pub http: reqwest::Client,
    /// The function's role.
    pub identity: Identity,
    /// What counts.
    pub metrics: Metrics,
}

impl Setup {
    /// Reads the settings.
    ///
    /// Fails only where nothing could be delivered at all; everything else is said in the messages.
    pub fn read(environment: Environment<'_>) -> Result<Self, StartError> {
        let http = http::client(environment)?;
        let metrics = Metrics::from_environment(environment);
        let loaded = configuration::load(environment);
        if let Some(warning) = &loaded.broken {
            tracing::error!(error_type = CONFIG_INVALID, "{warning}");
            metrics.print_config_invalid();
        }
        let mut own =
            Own { webhook: environment(KMS_ENCRYPTED_HOOK_URL), token: environment(KMS_ENCRYPTED_BOT_TOKEN) };
        if own.webhook.is_none() && own.token.is_none() {
            return Err(StartError::new(
                "hook_url_missing",
                format!(
                    "neither {KMS_ENCRYPTED_HOOK_URL} nor {KMS_ENCRYPTED_BOT_TOKEN} is set: expected the base64 text of the webhook's URL, or of the Slack app's bot token, encrypted by KMS; `alertctl encrypt-secret` makes it"
                ),
            ));
        }
        let identity = Identity::from_environment(environment)?;
        let table = environment(ALERT_TABLE)
            .map(|name| DynamoDbTable::new(aws::dynamodb(environment, &identity, &http), name));
        let decryptor =
            Decryptor::new(aws::kms(environment, &identity, &http), settings::encrypted_for(environment));

        let mut deployment = Deployment::new(loaded.config);
        // What nobody remembers nobody can act upon.
        deployment.has_buttons = table.is_some() && settings::has_buttons(environment);
        deployment.is_minded = table.is_some();
        if !deployment.is_minded && !deployment.config.heartbeats.is_empty() {
            let problem = format!(
                "heartbeats are set, and nobody waits for them: they need the table of alerts ({ALERT_TABLE})"
            );
            tracing::error!(error_type = "heartbeats_unminded", "{problem}");
            deployment.problems.push(problem);
        }
        if !deployment.is_minded && deployment.config.receipt.is_some() {
            let problem = format!(
                "a receipt is wished for, and nobody tells it: that needs the table of alerts ({ALERT_TABLE})"
            );
            tracing::error!(error_type = "receipt_unminded", "{problem}");
            deployment.problems.push(problem);
        }
        deployment.canary = environment(CANARY_ALARM);
        if deployment.config.canary.is_some() && !(deployment.is_minded && deployment.canary.is_some()) {
            let problem = format!(
                "a canary is wished for, and nobody sends it: that needs its alarm ({CANARY_ALARM}) and the table of alerts ({ALERT_TABLE})"
            );
            tracing::error!(error_type = "canary_unminded", "{problem}");
            deployment.problems.push(problem);
        }
        if deployment.config.route.escalates() && !(deployment.is_minded && own.token.is_some()) {
            let problem = format!(
                "a route escalates, and nobody could acknowledge: that needs the Slack app and the table of alerts ({ALERT_TABLE})"
            );
            tracing::error!(error_type = "escalation_unminded", "{problem}");
            deployment.problems.push(problem);
        }
        deployment.broken = loaded.broken;
        let channel = settings::slack_channel(environment).unwrap_or_else(|problem| {
            tracing::error!(error_type = "channel_malformed", "{problem}");
            deployment.problems.push(problem);
            None
        });
        place(&mut deployment, &own, channel)?;
        let api = match settings::slack_api_url(environment) {
            Ok(api) => api,
            // The token must not go where it does not belong, and that is where Slack's own API may be, too.
            Err(problem) if deployment.own.way == APP && deployment.second.is_none() => {
                return Err(StartError::new("slack_api_url_malformed", problem));
            }
            Err(problem) => {
                tracing::error!(error_type = "slack_api_url_malformed", "{problem}");
                deployment.unavailable.push((Closed::Way(APP), problem));
                own.token = None;
                SLACK_API.to_owned()
            }
        };
        let topic = deployment.config.second_way.as_ref().and_then(|Target { address, .. }| {
            let region = Arn::of_topic(address)?.region;
            let sns = aws::sns(environment, &identity, &http, region);
            Some(Topic::new(sns, address.clone(), table.clone()))
        });
        let senders = Senders::new(http.clone(), decryptor, api, &deployment, own, topic);
        Ok(Self { deployment, senders, table, http, identity, metrics })
    }
}

/// Decides where the deployment's own messages go: by its Slack app where there is one and its channel is known, and then
/// its webhook is the second way.
fn place(deployment: &mut Deployment, own: &Own, channel: Option<String>) -> Result<(), StartError> {
    match (&own.token, &own.webhook, &channel) {
        (Some(_), webhook, Some(channel)) => {
            deployment.own = Target::channel(channel);
            deployment.second = webhook.as_ref().map(|_| Target::OWN_WEBHOOK);
        }
        (Some(_), None, None) => {
            let Some(target) = &deployment.config.default_receiver().target else {
                let missing = || {
                    format!(
                        "{SLACK_CHANNEL} is not set: expected the id or name of the channel that the Slack app posts to"
                    )
                };
                let problem = deployment.problems.first().cloned().unwrap_or_else(missing);
                return Err(StartError::new("channel_missing", problem));
            };
            // What takes the default receiver's messages takes everybody's.
            deployment.own = target.clone();
        }
        // The app is for the receivers that name a channel of it.
        (Some(_), Some(_), None) => {
            let mut targets =
                deployment.config.receivers.iter().filter_map(|receiver| receiver.target.as_ref());
            if targets.all(|target| target.way != APP) {
                deployment.problems.push(format!("{KMS_ENCRYPTED_BOT_TOKEN} is set, but no channel of the Slack app is: set {SLACK_CHANNEL} to its id or name"));
            }
        }
        (None, ..) => deployment.unavailable.push((Closed::Way(APP), TOKEN_MISSING.to_owned())),
    }
    deployment.channel = channel;
    Ok(())
}
