//! `cloudwatch-to-slack`: from an event to Slack's answers, and from these to the answer for Lambda.

use std::borrow::Cow;
use std::pin::pin;
use std::time::Duration;

use alert_core::answer::Failure;
use alert_core::decide::Verdict;
use alert_core::envelope;
use alert_core::relay::{self, Deployment, Plan};
use chrono::{DateTime, Utc};
use futures_util::future::{join, join_all, select};
use serde_json::{Value, json};
use tokio::sync::{Notify, OnceCell};
use tokio::time::sleep;

use crate::aws::{self, Identity};
use crate::configuration;
use crate::courier::{Courier, HookId, Report};
use crate::deadline::Deadline;
use crate::http;
use crate::lambda::{self, InvocationError};
use crate::log::{AlertLine, Fate};
use crate::metrics::{CONFIG_INVALID, Metrics, Tally};
use crate::secret::{DecryptFailure, Decryptor};
use crate::settings::{self, AWS_LAMBDA_FUNCTION_NAME, Environment, KMS_ENCRYPTED_HOOK_URL, StartError};
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

/// The relay, as long as its process lives.
#[derive(Debug)]
pub struct Relay {
    deployment: Deployment,
    hooks: Vec<Hook>,
    decryptor: Decryptor,
    courier: Courier,
    metrics: Metrics,
}

/// One webhook, decrypted or still to be.
#[derive(Debug)]
struct Hook {
    id: HookId,
    /// What people call the place where its ciphertext stands.
    setting: String,
    ciphertext: String,
    receivers: Vec<String>,
    url: OnceCell<WebhookUrl>,
    /// Why it is given up for as long as this process lives; a receiver's alone, because it has a stand-in.
    refused: OnceCell<Failure>,
}

impl Relay {
    /// Reads the settings and decrypts the webhooks.
    ///
    /// Fails only where nothing could be delivered at all; everything else is said in the messages.
    pub async fn start(environment: Environment<'_>) -> Result<Self, StartError> {
        let http = http::client(environment)?;
        let metrics = Metrics::from_environment(environment);
        let loaded = configuration::load(environment);
        if let Some(warning) = &loaded.broken {
            tracing::error!(error_type = CONFIG_INVALID, "{warning}");
            metrics.print_config_invalid();
        }
        let ciphertext = environment(KMS_ENCRYPTED_HOOK_URL).ok_or_else(|| {
            StartError::new(
                "hook_url_missing",
                format!("{KMS_ENCRYPTED_HOOK_URL} is not set: expected the base64 text of the webhook's URL, encrypted by KMS; `alertctl encrypt-hook` makes it"),
            )
        })?;
        let function_name = environment(AWS_LAMBDA_FUNCTION_NAME).unwrap_or_default();
        let identity = Identity::from_environment(environment)?;
        let decryptor = Decryptor::new(aws::kms(environment, &identity, &http), function_name);

        let mut deployment = Deployment::new(loaded.config);
        deployment.broken = loaded.broken;
        match settings::slack_channel(environment) {
            Ok(channel) => deployment.channel = channel,
            Err(problem) => {
                tracing::error!(error_type = "channel_malformed", "{problem}");
                deployment.problems.push(problem);
            }
        }
        let relay = Self {
            hooks: hooks(&deployment, ciphertext),
            deployment,
            decryptor,
            courier: Courier::new(http),
            metrics,
        };
        if let Some(DecryptFailure::Permanent { error_type, detail }) = relay.decrypt_at_start().await {
            return Err(StartError::new(error_type, detail));
        }
        Ok(relay)
    }

    /// Relays one event; the answer is the JSON for Lambda.
    ///
    /// An error means that at least one alert was not delivered; what was delivered is remembered, so that the same event
    /// may come again.
    pub async fn handle(
        &self,
        event: &[u8],
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Value, InvocationError> {
        let started_at = Utc::now();
        let mut deployment = Cow::Borrowed(&self.deployment);
        for hook in &self.hooks {
            if let Some(failure) = hook.refused.get() {
                for receiver in &hook.receivers {
                    deployment.to_mut().unavailable.insert(receiver.clone(), failure.detail.clone());
                }
            }
        }
        let decoded = envelope::decode(event);
        let reply = decoded.reply;
        let plan = relay::plan(decoded, &deployment, request_id, Utc::now(), self.courier.memory());
        let webhook = async |id: &HookId| self.webhook(id, deadline).await;
        let report = self.courier.deliver(&plan, webhook, deadline).await;
        log(&plan, &report, request_id, started_at);
        self.metrics.print(&tally(&plan, &report, deployment.config.fail_open), request_id);
        let failed: Vec<_> = plan
            .items
            .iter()
            .enumerate()
            .filter_map(|(index, item)| Some((item.record, report.failure(plan.spokesman(index))?)))
            .collect();
        let done = json!({"alerts": plan.items.len(), "posts": plan.posts.len()});
        lambda::answer(reply, &plan.records, plan.items.len(), &failed, done)
    }

    /// Decrypts every webhook, and says why the function's own cannot be had.
    ///
    /// Without the first nothing could be delivered, so that it is waited for. Other receivers have a stand-in, and nobody
    /// waits for them for long: an invocation asks for what it needs.
    async fn decrypt_at_start(&self) -> Option<DecryptFailure> {
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

    /// A webhook's URL, or why it cannot be had in this invocation.
    async fn webhook(&self, id: &HookId, deadline: Deadline) -> Result<WebhookUrl, Failure> {
        let Some(hook) = self.hooks.iter().find(|hook| hook.id == *id) else {
            return Err(Failure::new("webhook_missing", "the receiver has no webhook"));
        };
        loop {
            // Half of a short invocation's time is for posting.
            let reserve = POST_RESERVE.min(deadline.left() / 2);
            let left = deadline.left().saturating_sub(reserve);
            // Others have a stand-in, whose turn must come, too.
            let limit = if hook.id.is_some() { left / 2 } else { left };
            match self.decrypt(hook, limit).await {
                Ok(url) => return Ok(url),
                Err(failure) => {
                    let is_worth_another =
                        hook.id.is_none() && matches!(failure, DecryptFailure::Transient(_));
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
            && hook.id.is_some()
        {
            let _ = hook.refused.set(failed(failure));
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

/// The function's own webhook first, then those of the receivers, each ciphertext once.
fn hooks(deployment: &Deployment, own: String) -> Vec<Hook> {
    let hook = |id: HookId, setting: String, ciphertext: String| Hook {
        id,
        setting,
        ciphertext,
        receivers: Vec::new(),
        url: OnceCell::new(),
        refused: OnceCell::new(),
    };
    let mut hooks = vec![hook(None, KMS_ENCRYPTED_HOOK_URL.to_owned(), own)];
    for receiver in &deployment.config.receivers {
        let Some(ciphertext) = &receiver.webhook else { continue };
        let known = hooks.iter().position(|hook| hook.id.as_ref() == Some(ciphertext));
        let index = known.unwrap_or_else(|| {
            let setting = format!("the webhook of receiver {:?}", receiver.name);
            hooks.push(hook(Some(ciphertext.clone()), setting, ciphertext.clone()));
            hooks.len() - 1
        });
        hooks[index].receivers.push(receiver.name.clone());
    }
    hooks
}

/// What the invocation counts.
fn tally(plan: &Plan<'_>, report: &Report, is_config_invalid: bool) -> Tally {
    let digests = plan.posts.iter().map(|post| post.items.len()).filter(|items| *items > 1);
    let mut tally = Tally {
        received: plan.items.len(),
        digested: digests.sum(),
        retried: usize::try_from(report.retries).unwrap_or(usize::MAX),
        is_config_invalid,
        ..Tally::default()
    };
    for (_, dropped) in plan.dropped() {
        *tally.dropped.entry(dropped.rule.clone()).or_default() += 1;
    }
    for (item, delivered_at) in &report.delivered {
        let record = plan.items.get(*item).and_then(|item| plan.records.get(item.record));
        tally.add_delivered(record.and_then(|record| record.sent_at), *delivered_at);
    }
    let mut last = None;
    for ((item, receiver), failure) in &report.failed {
        // The receivers of one item stand side by side.
        tally.failed += usize::from(last.replace(item) != Some(item));
        *tally.failed_by_reason.entry((receiver.clone(), failure.error_type)).or_default() += 1;
    }
    tally
}

/// One line for each alert: what it was, what was decided, what became of it.
fn log(plan: &Plan<'_>, report: &Report, request_id: &str, started_at: DateTime<Utc>) {
    let ended_at = Utc::now();
    for (index, item) in plan.items.iter().enumerate() {
        let delivered_at = report.delivered.get(&plan.spokesman(index));
        let names: Vec<&str> = match &item.verdict {
            Verdict::Deliver { receivers } => {
                receivers.iter().map(|routed| routed.receiver.name.as_str()).collect()
            }
            Verdict::Drop(_) => Vec::new(),
        };
        let receivers = names.join(", ");
        let fate = match (&item.verdict, report.failure(plan.spokesman(index))) {
            (Verdict::Drop(dropped), _) => Fate::Dropped(dropped),
            (Verdict::Deliver { .. }, Some(failure)) => Fate::Failed(failure),
            (Verdict::Deliver { .. }, None) => Fate::Done {
                outcome: if delivered_at.is_some() { "delivered" } else { "delivered before" },
                receivers: &receivers,
            },
        };
        AlertLine {
            request_id,
            record: plan.records.get(item.record),
            alert: &item.alert,
            verdict: "deliver",
            fate,
            tries: report.tries.get(&index).copied().unwrap_or(0),
            duration: (*delivered_at.unwrap_or(&ended_at) - started_at).to_std().unwrap_or_default(),
        }
        .write();
    }
}

#[cfg(test)]
mod tests {
    use alert_core::config::Config;

    use super::*;

    /// Eight alarms from a queue, one of them only news of a new alarm, for a configuration that drops one by name.
    #[test]
    fn an_invocation_is_counted() {
        let config = Config::parse("drop:\n  - name: known\n    matchers: ['alertname=\"a-1\"']\n").unwrap();
        let deployment = Deployment::new(config);
        let records: Vec<Value> = (0..8)
            .map(|n| {
                json!({
                    "messageId": format!("m-{n}"),
                    "attributes": {"SentTimestamp": "1789268400000"},
                    "body": json!({
                        "AlarmName": format!("a-{n}"),
                        "NewStateValue": "ALARM",
                        "NewStateReason": "Threshold crossed",
                        "OldStateValue": "OK",
                    })
                    .to_string(),
                })
            })
            .collect();
        let event = json!({ "Records": records }).to_string();
        let now = "2026-09-13T03:00:02Z".parse().unwrap();
        let plan = relay::plan(envelope::decode(event.as_bytes()), &deployment, "r-1", now, &());
        let failure = Failure::new("slack_timeout", "");
        let mut report = Report { retries: 2, ..Report::default() };
        report.delivered = (2..8).map(|item| (item, now)).collect();
        report.failed.insert((0, "default".to_owned()), failure.clone());
        report.failed.insert((0, "oncall".to_owned()), failure);
        let tally = tally(&plan, &report, false);
        let expected = Tally {
            received: 8,
            delivered: 6,
            digested: 7,
            retried: 2,
            dropped: [("known".to_owned(), 1)].into(),
            failed: 1,
            failed_by_reason: [
                (("default".to_owned(), "slack_timeout"), 1),
                (("oncall".to_owned(), "slack_timeout"), 1),
            ]
            .into(),
            latencies_ms: vec![2_000; 6],
            is_config_invalid: false,
        };
        assert_eq!(tally, expected);
    }
}
