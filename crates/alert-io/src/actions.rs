//! `slack-actions`: from a button that was pressed in Slack to what is remembered of the alert, and to its message.
//!
//! What is taken is written down first, then shown: nobody is told that somebody is on it where nobody knows it. Whatever
//! hangs, the answer is there before Slack gives up, and the person hears what was not taken.

mod press;
mod request;

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alert_core::config::{Allowed, SilenceWith};
use alert_core::incident::{Button, Incident};
use alert_core::interaction::Interaction;
use alert_core::outcome::Failure;
use alert_core::relay::Deployment;
use alert_core::render::page::words::fill;
use alert_core::render::slack::mrkdwn::Mrkdwn;
use alert_core::target::Target;
use chrono::Utc;
use futures_util::future::join;
pub use press::{Came, Presses, Progress};
use request::Request;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout};

use crate::aws::{self, Identity};
use crate::clock::Clock;
use crate::configuration;
use crate::deadline::Deadline;
use crate::dynamodb::DynamoDbTable;
use crate::http;
use crate::lambda::{InvocationError, Invoked};
use crate::metrics::Metrics;
use crate::mute::{Alarm, MuteRules, NotMuted};
use crate::secret::{DecryptFailure, Decryptor};
use crate::sender::Sender;
use crate::senders::{Own, Senders};
use crate::settings::{
    self, ALERT_TABLE, Environment, KMS_ENCRYPTED_BOT_TOKEN, KMS_ENCRYPTED_SIGNING_SECRET, StartError,
};
use crate::signature::Signatures;
use crate::signing_secret::SigningSecret;
use crate::slack_app::SlackApp;

/// Slack waits for 3 s, some of which are the way's and a cold start's. Source: Slack, "Handling user interaction".
const ANSWER_LIMIT: Duration = Duration::from_millis(2_300);
/// After a slow start, too, so much is worth a try.
const ANSWER_MIN: Duration = Duration::from_millis(1_200);
/// Kept back of it so that the person can be told.
const TELL_RESERVE: Duration = Duration::from_millis(700);
/// How long who is in a user group is not asked again.
const GROUP_KEPT: Duration = Duration::from_mins(5);
/// Lambda gives the init phase 10 s, but the person waits.
const START_LIMIT: Duration = Duration::from_secs(1);
/// Slack's hosts to tell people something.
const RESPONSE_HOST: &str = "hooks.slack.com";

/// The function, as long as its process lives.
#[derive(Debug)]
pub struct Actions {
    http: reqwest::Client,
    presses: Presses<DynamoDbTable>,
    senders: Senders,
    mute_rules: Option<MuteRules>,
    decryptor: Decryptor,
    ciphertext: String,
    secret: OnceCell<SigningSecret>,
    signatures: Signatures,
    /// Nobody knows who may act.
    is_config_broken: bool,
    /// When the process began to start, until its first invocation.
    started: Mutex<Option<Instant>>,
    groups: Mutex<HashMap<String, (Instant, Vec<String>)>>,
    /// The host of Slack's Web API, which may tell people something as well: it gets the token, too.
    api_host: Option<String>,
    metrics: Metrics,
}

impl Actions {
    /// Reads the settings and decrypts the secrets.
    ///
    /// Fails where nothing could ever be taken. While KMS cannot be had, invocations try again.
    pub async fn start(environment: Environment<'_>) -> Result<Self, StartError> {
        let started = Instant::now();
        let missing = |name: &str, what: &str| {
            StartError::new("setting_missing", format!("{name} is not set: expected {what}"))
        };
        let needed = |name: &str, what: &str| environment(name).ok_or_else(|| missing(name, what));
        let ciphertext = needed(
            KMS_ENCRYPTED_SIGNING_SECRET,
            "the base64 text of the Slack app's signing secret, encrypted by KMS; `alertctl encrypt-secret` makes it",
        )?;
        let token = needed(
            KMS_ENCRYPTED_BOT_TOKEN,
            "the base64 text of the Slack app's bot token, encrypted by KMS; `alertctl encrypt-secret` makes it",
        )?;
        let table = needed(ALERT_TABLE, "the name of the table in which the relay remembers alerts")?;
        let api = settings::slack_api_url(environment)
            .map_err(|problem| StartError::new("slack_api_url_malformed", problem))?;
        let http = http::client(environment)?;
        let identity = Identity::from_environment(environment)?;
        let loaded = configuration::load(environment);
        if let Some(warning) = &loaded.broken {
            tracing::error!(error_type = crate::metrics::CONFIG_INVALID, "{warning}");
        }
        let is_config_broken = loaded.broken.is_some();
        let config = loaded.config;
        let decryptor =
            Decryptor::new(aws::kms(environment, &identity, &http), settings::encrypted_for(environment));
        let mut deployment = Deployment::new(config.clone());
        // Only the app is spoken to.
        deployment.own = Target::channel("");
        deployment.config.receivers.clear();
        deployment.config.second_way = None;
        let own = Own { webhook: None, token: Some(token) };
        let api_host = Url::parse(&api).ok().map(|url| authority(&url));
        let senders = Senders::new(http.clone(), decryptor.clone(), api, &deployment, own, None);
        let store = DynamoDbTable::new(aws::dynamodb(environment, &identity, &http), table);
        let mute_rules = (config.actions.silence_with == SilenceWith::CloudWatch)
            .then(|| MuteRules::new(environment, &identity, &http));
        let actions = Self {
            api_host: api_host.filter(|_| environment(settings::SLACK_API_URL).is_some()),
            http,
            presses: Presses::new(config, store),
            senders,
            mute_rules,
            decryptor,
            ciphertext,
            secret: OnceCell::new(),
            signatures: Signatures::default(),
            is_config_broken,
            started: Mutex::new(Some(started)),
            groups: Mutex::default(),
            metrics: Metrics::from_environment(environment),
        };
        let token = timeout(START_LIMIT, actions.senders.decrypt_at_start());
        let (secret, token) = Box::pin(join(actions.secret(START_LIMIT), token)).await;
        for failure in [secret.err(), token.ok().flatten()].into_iter().flatten() {
            match failure {
                DecryptFailure::Permanent { error_type, detail } => {
                    return Err(StartError::new(error_type, detail));
                }
                DecryptFailure::Transient(detail) => tracing::warn!("{detail}"),
            }
        }
        Ok(actions)
    }

    /// Answers one request of API Gateway's.
    ///
    /// What Slack has not signed, or is no press of a button, is refused without a word. The person hears of what was not taken
    /// by Slack's `response_url`, and where that fails by the error that Slack shows for the answer 500.
    pub async fn handle(
        &self,
        event: &[u8],
        Invoked { request_id, account, clock }: Invoked<'_>,
        deadline: Deadline,
    ) -> Result<Value, InvocationError> {
        // The person who waits has waited for the start as well, but for none that was made ahead of them.
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner).take();
        let waited =
            started.map(|at| at.elapsed()).filter(|waited| *waited < ANSWER_LIMIT).unwrap_or_default();
        let limit = ANSWER_LIMIT.saturating_sub(waited).max(ANSWER_MIN);
        let end = Deadline::after(limit.min(deadline.left()));
        let refused = |status: u16, why: &dyn std::fmt::Display| {
            tracing::warn!(request_id, verdict = "refused", why = %why);
            self.metrics.print_press("none", "refused", request_id);
            Ok(answer(status))
        };
        let request = match Request::parse(event) {
            Ok(request) => request,
            Err(why) => return refused(400, &why),
        };
        let secret = match Box::pin(self.secret(end.less(TELL_RESERVE).left())).await {
            Ok(secret) => secret,
            Err(failure) => {
                tracing::error!(request_id, error_type = "signing_secret_unavailable", "{failure}");
                return Ok(answer(500));
            }
        };
        let (timestamp, signature) = (request.timestamp.as_deref(), request.signature.as_deref());
        let now = clock.now().timestamp();
        if let Err(denial) = self.signatures.check(secret, timestamp, signature, &request.body, now) {
            return refused(401, &denial);
        }
        let interaction = match Interaction::parse(&request.body) {
            Ok(interaction) => interaction,
            Err(why) => return refused(400, &why),
        };
        let Some(button) = interaction.button else {
            // Slack tells of buttons that open a page, too, and waits for an answer.
            return Ok(answer(200));
        };
        let progress = Cell::default();
        let acting = self.act(&interaction, button, (account, clock), &progress, end.less(TELL_RESERVE));
        // Boxed, because it is most of the invocation.
        let came = match timeout(end.less(TELL_RESERVE).left(), Box::pin(acting)).await {
            Ok(came) => came,
            Err(_) => self.presses.late(progress.get()),
        };
        let Came { outcome, said, why } = came;
        let by = interaction.by.id.as_str();
        let (channel, message) = (&interaction.message.place, &interaction.message.message);
        tracing::info!(request_id, act = named(button), by, channel, message, outcome, why);
        self.metrics.print_press(named(button), outcome, request_id);
        let Some(said) = said else { return Ok(answer(200)) };
        match Box::pin(self.tell(&interaction, said, end.left())).await {
            Ok(()) => Ok(answer(200)),
            Err(why) => {
                tracing::error!(request_id, error_type = "person_not_told", "{why}");
                Ok(answer(500))
            }
        }
    }

    async fn secret(&self, limit: Duration) -> Result<&SigningSecret, DecryptFailure> {
        let decrypt = || self.decryptor.decrypt(KMS_ENCRYPTED_SIGNING_SECRET, &self.ciphertext, limit);
        self.secret.get_or_try_init(decrypt).await
    }

    /// Does what was asked for, or says why not.
    async fn act(
        &self,
        interaction: &Interaction,
        button: Button,
        (account, clock): (&str, Clock),
        progress: &Cell<Progress>,
        end: Deadline,
    ) -> Came {
        if self.is_config_broken {
            return self.presses.not_taken("the configuration is broken, and says who may act");
        }
        let (app, is_allowed) = match self.app(end).await {
            Ok(app) => {
                let is_allowed = self.is_allowed(&interaction.by.id, &app, end).await;
                (Ok(app), is_allowed)
            }
            // The table can be written without Slack, but not asked who is in a group.
            Err(failure) => {
                let is_listed = self.is_listed(&interaction.by.id);
                (Err(failure), is_listed.ok_or("Slack cannot be asked who is in a user group".to_owned()))
            }
        };
        match is_allowed {
            Ok(true) => {}
            Ok(false) => {
                let said = Mrkdwn::new().markup(&fill(self.presses.words().not_allowed, &[&self.allowed()]));
                return Came { outcome: "not allowed", said: Some(said), why: String::new() };
            }
            Err(why) => return self.presses.not_taken(&why),
        }
        let mute = async |place: &str, before: &Incident, next: &Incident, limit: Duration| {
            self.mute(place, before, next, account, limit).await
        };
        self.presses.take(interaction, button, app.map(Sender::App), mute, progress, clock, end).await
    }

    /// Lets CloudWatch's own mute rule say what a silence of an alarm says, where that is wished for.
    async fn mute(
        &self,
        place: &str,
        before: &Incident,
        next: &Incident,
        account: &str,
        limit: Duration,
    ) -> Result<(), NotMuted> {
        let (Some(rules), Some(alarm)) = (&self.mute_rules, Alarm::of(place, account)) else { return Ok(()) };
        let now = Utc::now();
        // What has ended meanwhile is no rule any more.
        let until = |incident: &Incident| {
            let silenced = incident.silenced.as_ref()?;
            silenced.until.filter(|until| *until > now)
        };
        match (until(before), until(next)) {
            (before, after) if before == after => Ok(()),
            // A rule of CloudWatch's has an end; what has none is the table's alone.
            (_, Some(until)) => rules.mute(&alarm, now, until, limit).await,
            (_, None) => rules.unmute(&alarm, limit).await,
        }
    }

    async fn app(&self, end: Deadline) -> Result<SlackApp, Failure> {
        match self.senders.sender(&Target::channel(""), end).await {
            Ok(Sender::App(app)) => Ok(app),
            Ok(Sender::Webhook { .. } | Sender::Topic(_)) => {
                Err(Failure::new("bot_token_missing", "there is no Slack app"))
            }
            Err((_, failure)) => Err(failure),
        }
    }

    /// Whether a person may act, where that can be said without asking Slack.
    fn is_listed(&self, person: &str) -> Option<bool> {
        let allow = &self.presses.config.actions.allow;
        if allow.is_empty() || allow.contains(&Allowed::User(person.to_owned())) {
            return Some(true);
        }
        let has_groups = allow.iter().any(|allowed| matches!(allowed, Allowed::UserGroup(_)));
        (!has_groups).then_some(false)
    }

    async fn is_allowed(&self, person: &str, app: &SlackApp, end: Deadline) -> Result<bool, String> {
        if let Some(is_allowed) = self.is_listed(person) {
            return Ok(is_allowed);
        }
        let mut problem = None;
        for allowed in &self.presses.config.actions.allow {
            let Allowed::UserGroup(group) = allowed else { continue };
            match self.members(group, app, end).await {
                Ok(members) if members.iter().any(|member| member == person) => return Ok(true),
                Ok(_) => {}
                Err(why) => problem = Some(why),
            }
        }
        problem.map_or(Ok(false), Err)
    }

    async fn members(&self, group: &str, app: &SlackApp, end: Deadline) -> Result<Vec<String>, String> {
        let known = {
            let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
            groups.get(group).filter(|(at, _)| at.elapsed() < GROUP_KEPT).map(|(_, members)| members.clone())
        };
        if let Some(members) = known {
            return Ok(members);
        }
        let members = app.usergroup(group, end.left() / 2).await?;
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        groups.insert(group.to_owned(), (Instant::now(), members.clone()));
        Ok(members)
    }

    /// Who may act, in Slack's markup.
    fn allowed(&self) -> String {
        let markup = |allowed: &Allowed| match allowed {
            Allowed::User(id) => format!("<@{id}>"),
            Allowed::UserGroup(id) => format!("<!subteam^{id}>"),
        };
        self.presses.config.actions.allow.iter().map(markup).collect::<Vec<_>>().join(", ")
    }

    /// Tells the person who pressed, and nobody else.
    async fn tell(&self, interaction: &Interaction, said: Mrkdwn, limit: Duration) -> Result<(), String> {
        let url = interaction.response_url.as_deref().ok_or("Slack has sent no response_url")?;
        let url = Url::parse(url).map_err(|_| "Slack's response_url is no URL".to_owned())?;
        // It is Slack's word, and still nothing goes where Slack is not.
        let is_slack_s = url.scheme() == "https" && url.host_str() == Some(RESPONSE_HOST);
        let is_of_api = self.api_host.as_ref().is_some_and(|host| {
            let own = authority(&url);
            own == *host || own == format!("hooks.{host}")
        }) && settings::is_safe_for_secrets(&url);
        if !is_slack_s && !is_of_api {
            return Err("the response_url leads to another host than Slack's".to_owned());
        }
        let body = json!({"response_type": "ephemeral", "replace_original": false, "text": said.as_str()});
        let request = self
            .http
            .post(url)
            .timeout(limit)
            .header(reqwest::header::CONTENT_TYPE, "application/json; charset=utf-8");
        let response = request.body(body.to_string()).send().await.map_err(|error| http::describe(&error))?;
        let status = response.status();
        if status.is_success() { Ok(()) } else { Err(format!("Slack's response_url answered {status}")) }
    }
}

/// Host and port.
fn authority(url: &Url) -> String {
    format!("{}:{}", url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default())
}

fn named(button: Button) -> &'static str {
    match button {
        Button::Acknowledge => "acknowledge",
        Button::UndoAcknowledge => "undo_acknowledge",
        Button::Silence(_) => "silence",
        Button::UndoSilence => "undo_silence",
    }
}

fn answer(status: u16) -> Value {
    json!({"statusCode": status, "headers": {"content-type": "text/plain; charset=utf-8"}, "body": ""})
}
