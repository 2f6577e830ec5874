//! The deployment's secrets, each decrypted when its target is first needed, and what cannot be had.
//!
//! Who is spoken to with them is in [`sender`](crate::sender).

use std::pin::pin;
use std::time::Duration;

use alert_core::answer::topic::REFUSED;
use alert_core::outcome::Failure;
use alert_core::relay::Deployment;
use alert_core::target::{APP, Closed, TOPIC, Target, WEBHOOK};
use futures_util::future::{join, join_all, select};
use tokio::sync::{Notify, OnceCell};
use tokio::time::{Instant, sleep, timeout};

use crate::bot_token::BotToken;
use crate::deadline::Deadline;
use crate::secret::{DecryptFailure, Decryptor, Secret};
use crate::sender::{Opens, Sender};
use crate::settings::{KMS_ENCRYPTED_BOT_TOKEN, KMS_ENCRYPTED_HOOK_URL};
use crate::slack_app::SlackApp;
use crate::topic::Topic;
use crate::webhook::WebhookUrl;

/// Lambda gives the init phase 10 s; KMS may use this much of it before the first invocation tries again.
const START_LIMIT: Duration = Duration::from_millis(4_500);
/// Kept back for posting when KMS is slow in an invocation.
const POST_RESERVE: Duration = Duration::from_secs(4);
const KMS_PAUSE: Duration = Duration::from_millis(400);
/// How long the start waits for further receivers' webhooks once it has the function's own.
const OTHERS_PATIENCE: Duration = Duration::from_millis(250);
/// The `error_type` when KMS cannot be had.
const KMS_UNAVAILABLE: &str = "kms_unavailable";
/// Why a channel of the app cannot be had where there is no app.
pub const TOKEN_MISSING: &str = "kmsEncryptedBotToken is not set, without which no message goes to a channel of a Slack app; `alertctl encrypt-secret` makes it";

/// Everything that messages can be sent by.
#[derive(Debug)]
pub struct Senders {
    http: reqwest::Client,
    decryptor: Decryptor,
    /// The base of Slack's Web API.
    api: String,
    hooks: Vec<(Target, Sealed<WebhookUrl>)>,
    token: Option<Sealed<BotToken>>,
    /// The topic of the second way.
    topic: Option<Topic>,
    /// Opened once, because it learns the ids of channels.
    app: OnceCell<SlackApp>,
    /// Without the last of these nothing arrives: the deployment's own target, and then the second way.
    last_resorts: Vec<Target>,
}

/// A secret, decrypted or still to be.
#[derive(Debug)]
struct Sealed<S> {
    /// What people call the place where its ciphertext stands.
    setting: String,
    ciphertext: String,
    value: OnceCell<S>,
    /// Why it is given up for as long as this process lives.
    refused: OnceCell<Failure>,
}

impl<S> Sealed<S> {
    fn new(setting: impl Into<String>, ciphertext: String) -> Self {
        Self { setting: setting.into(), ciphertext, value: OnceCell::new(), refused: OnceCell::new() }
    }

    fn refusal(&self) -> Option<&Failure> {
        self.refused.get().filter(|_| self.value.get().is_none())
    }
}

/// The ciphertexts of the deployment's own secrets; at least one of them.
#[derive(Debug, Clone, Default)]
pub struct Own {
    /// Of its webhook's URL.
    pub webhook: Option<String>,
    /// Of its Slack app's bot token.
    pub token: Option<String>,
}

impl Senders {
    /// For the targets of a deployment; `api` is the base of Slack's Web API.
    #[must_use]
    pub fn new(
        http: reqwest::Client,
        decryptor: Decryptor,
        api: String,
        deployment: &Deployment,
        own: Own,
        topic: Option<Topic>,
    ) -> Self {
        let webhook = own.webhook.map(|ciphertext| Sealed::new(KMS_ENCRYPTED_HOOK_URL, ciphertext));
        let mut hooks: Vec<_> = webhook.into_iter().map(|sealed| (Target::OWN_WEBHOOK, sealed)).collect();
        for receiver in &deployment.config.receivers {
            let Some(target) = receiver.target.as_ref().filter(|target| target.way == WEBHOOK) else {
                continue;
            };
            if hooks.iter().all(|(known, _)| known != target) {
                let setting = format!("the webhook of receiver {:?}", receiver.name);
                hooks.push((target.clone(), Sealed::new(setting, target.address.clone())));
            }
        }
        Self {
            http,
            decryptor,
            api,
            hooks,
            topic,
            token: own.token.map(|ciphertext| Sealed::new(KMS_ENCRYPTED_BOT_TOKEN, ciphertext)),
            app: OnceCell::new(),
            last_resorts: [&Some(deployment.own.clone()), &deployment.second, &deployment.config.second_way]
                .into_iter()
                .flatten()
                .filter(|target| !deployment.unavailable.iter().any(|(closed, _)| closed.covers(target)))
                .cloned()
                .collect(),
        }
    }

    /// Decrypts everything, and says why what nothing could be delivered without cannot be had.
    ///
    /// The last resorts are waited for until one of them is there, or all are refused. All else has a stand-in, and nobody
    /// waits for it for long: an invocation asks for what it needs.
    pub async fn decrypt_at_start(&self) -> Option<DecryptFailure> {
        let is_decided = Notify::new();
        let last_resorts = async {
            let opened = join_all(self.last_resorts.iter().map(async |target| {
                let failure = self.open(target, START_LIMIT).await.err();
                // What needs no secret says nothing of the others.
                if failure.is_none() && target.way != TOPIC {
                    is_decided.notify_one();
                }
                failure
            }));
            let failures = opened.await;
            is_decided.notify_one();
            failures
        };
        let hooks = self.hooks.iter().map(|(target, _)| target);
        let others =
            join_all(hooks.filter(|target| !self.last_resorts.contains(target)).map(async |target| {
                self.open(target, START_LIMIT).await.err();
            }));
        let token = async {
            if self.token.is_some() && self.last_resorts.iter().all(|target| target.way != APP) {
                self.open(&Target::channel(""), START_LIMIT).await.err();
            }
        };
        let patience = async {
            is_decided.notified().await;
            sleep(OTHERS_PATIENCE).await;
        };
        let mut failures = None;
        let all = join(async { failures = Some(last_resorts.await) }, join(others, token));
        select(pin!(all), pin!(patience)).await;
        let failures: Vec<DecryptFailure> = failures?.into_iter().collect::<Option<_>>()?;
        // As long as one of them may pass later, it is worth to go on.
        failures.into_iter().min_by_key(|failure| matches!(failure, DecryptFailure::Permanent { .. }))
    }

    /// What sends to a target, or what takes nothing in this invocation and why.
    pub async fn sender(&self, target: &Target, deadline: Deadline) -> Result<Sender, (Closed, Failure)> {
        let closed = if target.way == APP { Closed::Way(APP) } else { Closed::Target(target.clone()) };
        // Half of a short invocation's time is for posting.
        let left = deadline.left().saturating_sub(POST_RESERVE.min(deadline.left() / 2));
        // Others have a stand-in, whose turn must come, too.
        let is_final = self.last_resorts.last().is_some_and(|last| is_by_same_secret(last, target));
        let is_last = is_final || self.is_last_resort(target);
        let until = Instant::now() + if is_last { left } else { left / 2 };
        loop {
            let limit = until.saturating_duration_since(Instant::now());
            let failure = match self.open(target, limit).await {
                Ok(sender) => return Ok(sender),
                Err(failure) => failure,
            };
            let is_worth_another =
                matches!(failure, DecryptFailure::Transient(_)) && self.is_of_last_resorts(target);
            if !is_worth_another || until.saturating_duration_since(Instant::now()) < 2 * KMS_PAUSE {
                return Err((closed, failed(&failure)));
            }
            sleep(KMS_PAUSE).await;
        }
    }

    async fn open(&self, target: &Target, limit: Duration) -> Result<Sender, DecryptFailure> {
        if let Some(hook) = self.hook(target) {
            let url = self.decrypt(hook, target, limit).await?;
            return Ok(Sender::Webhook { http: self.http.clone(), url });
        }
        if target.way == TOPIC {
            let topic = self.topic.clone().map(Sender::Topic);
            return topic.ok_or_else(|| DecryptFailure::Permanent {
                error_type: REFUSED,
                detail: "the second way has no topic".to_owned(),
            });
        }
        match &self.token {
            Some(token) if target.way == APP => {
                Ok(Sender::App(self.app(self.decrypt(token, target, limit).await?)))
            }
            _ => Err(DecryptFailure::Permanent {
                error_type: "bot_token_missing",
                detail: TOKEN_MISSING.to_owned(),
            }),
        }
    }

    fn hook(&self, target: &Target) -> Option<&Sealed<WebhookUrl>> {
        self.hooks.iter().find(|(known, _)| known == target).map(|(_, sealed)| sealed)
    }

    /// Whether it is one of the last resorts.
    fn is_of_last_resorts(&self, target: &Target) -> bool {
        self.last_resorts.iter().any(|other| is_by_same_secret(other, target))
    }

    /// Whether nothing would stand in for it: of the last resorts it is the only one that is not refused.
    fn is_last_resort(&self, target: &Target) -> bool {
        let mut others = self.last_resorts.iter().filter(|other| !is_by_same_secret(other, target));
        self.is_of_last_resorts(target) && others.all(|other| self.refusal(other).is_some())
    }

    /// Why a target is given up for as long as this process lives.
    fn refusal(&self, target: &Target) -> Option<&Failure> {
        match self.hook(target) {
            Some(hook) => hook.refusal(),
            None if target.way == APP => self.token.as_ref()?.refusal(),
            None => None,
        }
    }

    fn app(&self, token: BotToken) -> SlackApp {
        let app = self.app.get().cloned();
        app.unwrap_or_else(|| {
            let app = SlackApp::new(self.http.clone(), self.api.clone(), token);
            let _ = self.app.set(app.clone());
            app
        })
    }

    /// A secret, decrypted once in the life of the process.
    async fn decrypt<S: Secret + Clone>(
        &self,
        sealed: &Sealed<S>,
        target: &Target,
        limit: Duration,
    ) -> Result<S, DecryptFailure> {
        let decrypted = sealed.value.get_or_try_init(async || {
            self.decryptor.decrypt(&sealed.setting, &sealed.ciphertext, limit).await
        });
        // Who comes second waits for the first, and then for itself: all of that within its own limit.
        let decrypted = match timeout(limit, decrypted).await {
            Ok(decrypted) => decrypted.cloned(),
            Err(_) => Err(DecryptFailure::late(&sealed.setting)),
        };
        if let Err(failure) = &decrypted {
            tracing::warn!(setting = sealed.setting, "{failure}");
        }
        // Without the last resort nothing arrives: every invocation asks for it again, so that a fixed role or key is all
        // it takes.
        if let Err(failure @ DecryptFailure::Permanent { .. }) = &decrypted
            && !self.is_last_resort(target)
        {
            let _ = sealed.refused.set(failed(failure));
        }
        decrypted
    }
}

impl Opens for Senders {
    type Sender = Sender;

    async fn sender(&self, target: &Target, deadline: Deadline) -> Result<Sender, (Closed, Failure)> {
        Self::sender(self, target, deadline).await
    }

    fn closed(&self) -> Vec<(Closed, String)> {
        let hooks =
            self.hooks.iter().map(|(target, sealed)| (Closed::Target(target.clone()), sealed.refusal()));
        let token = self.token.iter().map(|sealed| (Closed::Way(APP), sealed.refusal()));
        let refused =
            hooks.chain(token).filter_map(|(closed, refusal)| Some((closed, refusal?.detail.clone())));
        refused.collect()
    }
}

/// All channels of the app hang on one token.
fn is_by_same_secret(one: &Target, other: &Target) -> bool {
    one == other || one.way == APP && other.way == APP
}

fn failed(failure: &DecryptFailure) -> Failure {
    let error_type = match failure {
        DecryptFailure::Permanent { error_type, .. } => error_type,
        DecryptFailure::Transient(_) => KMS_UNAVAILABLE,
    };
    Failure::new(error_type, failure.to_string())
}
