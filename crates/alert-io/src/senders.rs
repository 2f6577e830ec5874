//! The deployment's secrets, each decrypted when its target is first needed, and what cannot be had.
//!
//! Who is spoken to with them is in [`sender`](crate::sender).

use std::pin::pin;
use std::time::Duration;

use alert_core::outcome::Failure;
use alert_core::relay::Deployment;
use alert_core::target::{APP, Closed, Target, WEBHOOK};
use futures_util::future::{join, join_all, select};
use tokio::sync::{Notify, OnceCell};
use tokio::time::sleep;

use crate::bot_token::BotToken;
use crate::deadline::Deadline;
use crate::secret::{DecryptFailure, Decryptor, Secret};
use crate::sender::Sender;
use crate::settings::{KMS_ENCRYPTED_BOT_TOKEN, KMS_ENCRYPTED_HOOK_URL};
use crate::slack_app::SlackApp;
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
    /// Opened once, because it learns the ids of channels.
    app: OnceCell<SlackApp>,
    /// What has no stand-in is waited for, and asked for again by every invocation.
    indispensable: Option<Target>,
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
            token: own.token.map(|ciphertext| Sealed::new(KMS_ENCRYPTED_BOT_TOKEN, ciphertext)),
            app: OnceCell::new(),
            indispensable: deployment.second.is_none().then(|| deployment.own.clone()),
        }
    }

    /// What is given up for as long as this process lives, and why.
    pub fn refused(&self) -> impl Iterator<Item = (Closed, String)> {
        let hooks = self.hooks.iter().filter_map(|(target, sealed)| {
            Some((Closed::Target(target.clone()), sealed.refused.get()?.detail.clone()))
        });
        let token = self.token.as_ref().and_then(|sealed| sealed.refused.get());
        hooks.chain(token.map(|failure| (Closed::Way(APP), failure.detail.clone())))
    }

    /// Decrypts everything, and says why what nothing could be delivered without cannot be had.
    ///
    /// That is waited for. All else has a stand-in, and nobody waits for it for long: an invocation asks for what it needs.
    pub async fn decrypt_at_start(&self) -> Option<DecryptFailure> {
        let is_first_done = Notify::new();
        let open = async |target: &Target| match self.hook(target) {
            Some(hook) => self.decrypt(hook, self.is_indispensable(target), START_LIMIT).await.err(),
            None => self.decrypt_token(START_LIMIT).await?.err(),
        };
        let first = async {
            let failure = match &self.indispensable {
                Some(target) => open(target).await,
                None => None,
            };
            is_first_done.notify_one();
            failure
        };
        let others = async {
            let hooks = self.hooks.iter().map(|(target, _)| target);
            let all = hooks.filter(|target| !self.is_indispensable(target)).map(&open);
            let token = async {
                if self.indispensable.as_ref().is_none_or(|target| target.way != APP) {
                    self.decrypt_token(START_LIMIT).await;
                }
            };
            let patience = async {
                is_first_done.notified().await;
                sleep(OTHERS_PATIENCE).await;
            };
            select(pin!(join(join_all(all), token)), pin!(patience)).await;
        };
        join(first, others).await.0
    }

    /// What sends to a target, or why it cannot be had in this invocation.
    pub async fn sender(&self, target: &Target, deadline: Deadline) -> Result<Sender, Failure> {
        let is_indispensable = self.is_indispensable(target);
        loop {
            // Half of a short invocation's time is for posting.
            let reserve = POST_RESERVE.min(deadline.left() / 2);
            let left = deadline.left().saturating_sub(reserve);
            // Others have a stand-in, whose turn must come, too.
            let limit = if is_indispensable { left } else { left / 2 };
            let opened = match (self.hook(target), target.way) {
                (Some(hook), _) => {
                    let url = self.decrypt(hook, is_indispensable, limit).await;
                    url.map(|url| Sender::Webhook { http: self.http.clone(), url })
                }
                (None, APP) => match self.decrypt_token(limit).await {
                    Some(token) => token.map(|token| Sender::App(self.app(token))),
                    None => return Err(Failure::new("bot_token_missing", TOKEN_MISSING)),
                },
                (None, _) => return Err(Failure::new("webhook_missing", "the receiver has no webhook")),
            };
            match opened {
                Ok(sender) => return Ok(sender),
                Err(failure) => {
                    let is_worth_another =
                        is_indispensable && matches!(failure, DecryptFailure::Transient(_));
                    if !is_worth_another || !deadline.allows(reserve + 2 * KMS_PAUSE) {
                        return Err(failed(&failure));
                    }
                }
            }
            sleep(KMS_PAUSE).await;
        }
    }

    fn hook(&self, target: &Target) -> Option<&Sealed<WebhookUrl>> {
        self.hooks.iter().find(|(known, _)| known == target).map(|(_, sealed)| sealed)
    }

    /// All channels of the app hang on one token.
    fn is_indispensable(&self, target: &Target) -> bool {
        self.indispensable.as_ref().is_some_and(|own| own == target || own.way == APP && target.way == APP)
    }

    async fn decrypt_token(&self, limit: Duration) -> Option<Result<BotToken, DecryptFailure>> {
        let is_indispensable = self.indispensable.as_ref().is_some_and(|target| target.way == APP);
        Some(self.decrypt(self.token.as_ref()?, is_indispensable, limit).await)
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
        is_indispensable: bool,
        limit: Duration,
    ) -> Result<S, DecryptFailure> {
        let decrypted = sealed
            .value
            .get_or_try_init(async || {
                let outcome = self.decryptor.decrypt(&sealed.setting, &sealed.ciphertext, limit).await;
                if let Err(failure) = &outcome {
                    tracing::warn!(setting = sealed.setting, "{failure}");
                }
                outcome
            })
            .await
            .cloned();
        // Without what is indispensable nothing arrives: every invocation asks for it again, so that a mended role or key is
        // all it takes.
        if let Err(failure @ DecryptFailure::Permanent { .. }) = &decrypted
            && !is_indispensable
        {
            let _ = sealed.refused.set(failed(failure));
        }
        decrypted
    }
}

fn failed(failure: &DecryptFailure) -> Failure {
    let error_type = match failure {
        DecryptFailure::Permanent { error_type, .. } => error_type,
        DecryptFailure::Transient(_) => KMS_UNAVAILABLE,
    };
    Failure::new(error_type, failure.to_string())
}
