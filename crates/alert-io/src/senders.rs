//! The deployment's secrets, each decrypted when its target is first needed, and what cannot be had.
//!
//! Who is spoken to with them is in [`sender`](crate::sender).

use std::pin::pin;
use std::time::Duration;

use alert_core::outcome::Failure;
use alert_core::relay::Deployment;
use alert_core::target::{Closed, Target};
use futures_util::future::{join, join_all, select};
use tokio::sync::{Notify, OnceCell};
use tokio::time::sleep;

use crate::deadline::Deadline;
use crate::secret::{DecryptFailure, Decryptor};
use crate::sender::Sender;
use crate::settings::KMS_ENCRYPTED_HOOK_URL;
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

/// Everything that messages can be sent by.
#[derive(Debug)]
pub struct Senders {
    http: reqwest::Client,
    decryptor: Decryptor,
    hooks: Vec<Hook>,
}

/// One webhook, decrypted or still to be.
#[derive(Debug)]
struct Hook {
    target: Target,
    /// What people call the place where its ciphertext stands.
    setting: String,
    ciphertext: String,
    url: OnceCell<WebhookUrl>,
    /// Why it is given up for as long as this process lives; a receiver's alone, because it has a stand-in.
    refused: OnceCell<Failure>,
}

impl Senders {
    /// For the targets of a deployment; `own` is the ciphertext of its own webhook's URL.
    #[must_use]
    pub fn new(http: reqwest::Client, decryptor: Decryptor, deployment: &Deployment, own: String) -> Self {
        let hook = |target: Target, setting: String, ciphertext: String| Hook {
            target,
            setting,
            ciphertext,
            url: OnceCell::new(),
            refused: OnceCell::new(),
        };
        let mut hooks = vec![hook(Target::OWN_WEBHOOK, KMS_ENCRYPTED_HOOK_URL.to_owned(), own)];
        for receiver in &deployment.config.receivers {
            let Some(target) = &receiver.target else { continue };
            if hooks.iter().all(|hook| hook.target != *target) {
                let setting = format!("the webhook of receiver {:?}", receiver.name);
                hooks.push(hook(target.clone(), setting, target.address.clone()));
            }
        }
        Self { http, decryptor, hooks }
    }

    /// What is given up for as long as this process lives, and why.
    pub fn refused(&self) -> impl Iterator<Item = (Closed, String)> {
        self.hooks.iter().filter_map(|hook| {
            let failure = hook.refused.get()?;
            Some((Closed::Target(hook.target.clone()), failure.detail.clone()))
        })
    }

    /// Decrypts everything, and says why what nothing could be delivered without cannot be had.
    ///
    /// That is waited for. Other receivers have a stand-in, and nobody waits for them for long: an invocation asks for what
    /// it needs.
    pub async fn decrypt_at_start(&self) -> Option<DecryptFailure> {
        let [own, others @ ..] = &self.hooks[..] else { return None };
        let is_own_done = Notify::new();
        let own = async {
            let outcome = self.decrypt(own, START_LIMIT).await;
            is_own_done.notify_one();
            outcome.err()
        };
        let others = async {
            let all = join_all(others.iter().map(|hook| self.decrypt(hook, START_LIMIT)));
            let patience = async {
                is_own_done.notified().await;
                sleep(OTHERS_PATIENCE).await;
            };
            select(pin!(all), pin!(patience)).await;
        };
        join(own, others).await.0
    }

    /// What sends to a target, or why it cannot be had in this invocation.
    pub async fn sender(&self, target: &Target, deadline: Deadline) -> Result<Sender, Failure> {
        let Some(hook) = self.hooks.iter().find(|hook| hook.target == *target) else {
            return Err(Failure::new("webhook_missing", "the receiver has no webhook"));
        };
        let is_own = hook.is_own();
        loop {
            // Half of a short invocation's time is for posting.
            let reserve = POST_RESERVE.min(deadline.left() / 2);
            let left = deadline.left().saturating_sub(reserve);
            // Others have a stand-in, whose turn must come, too.
            let limit = if is_own { left } else { left / 2 };
            match self.decrypt(hook, limit).await {
                Ok(url) => return Ok(Sender::Webhook { http: self.http.clone(), url }),
                Err(failure) => {
                    let is_worth_another = is_own && matches!(failure, DecryptFailure::Transient(_));
                    if !is_worth_another || !deadline.allows(reserve + 2 * KMS_PAUSE) {
                        return Err(failed(&failure));
                    }
                }
            }
            sleep(KMS_PAUSE).await;
        }
    }

    /// A webhook's URL, decrypted once in the life of the process.
    async fn decrypt(&self, hook: &Hook, limit: Duration) -> Result<WebhookUrl, DecryptFailure> {
        let decrypted = hook
            .url
            .get_or_try_init(async || {
                let outcome = self.decryptor.decrypt(&hook.setting, &hook.ciphertext, limit).await;
                if let Err(failure) = &outcome {
                    tracing::warn!(setting = hook.setting, "{failure}");
                }
                outcome
            })
            .await
            .cloned();
        // Without the function's own webhook nothing arrives: every invocation asks for it again, so that a mended role or
        // key is all it takes.
        if let Err(failure @ DecryptFailure::Permanent { .. }) = &decrypted
            && !hook.is_own()
        {
            let _ = hook.refused.set(failed(failure));
        }
        decrypted
    }
}

impl Hook {
    fn is_own(&self) -> bool {
        self.target == Target::OWN_WEBHOOK
    }
}

fn failed(failure: &DecryptFailure) -> Failure {
    let error_type = match failure {
        DecryptFailure::Permanent { error_type, .. } => error_type,
        DecryptFailure::Transient(_) => KMS_UNAVAILABLE,
    };
    Failure::new(error_type, failure.to_string())
}
