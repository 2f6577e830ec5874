//! Brings a plan's posts to their webhooks: in order, paced, tried again while there is time.
//!
//! What an answer means is decided in [`alert_core::answer`]; here is only when to post next.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alert_core::answer::{self, Failure, Outcome};
use alert_core::relay::{DeliveryKey, Plan, Post};
use futures_util::future::join_all;
use rand::Rng as _;
use tokio::time::{Instant, sleep, sleep_until};

use crate::deadline::Deadline;
use crate::memory::Memory;
use crate::slack;
use crate::webhook::WebhookUrl;

/// Slack takes short bursts and then one message a second. Source: Slack, "Rate limits", incoming webhooks.
const BURST: u32 = 10;
const PACE: Duration = Duration::from_secs(1);
/// One attempt; Slack answers within a second when it is well.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// One attempt takes at most half of the time that is left while others wait for theirs, but no less than this.
const ATTEMPT_SHARE_MIN: Duration = Duration::from_secs(1);
/// Less time than this is not worth an attempt.
const ATTEMPT_MIN: Duration = Duration::from_millis(100);
/// Attempts for one message in one invocation; Lambda and SQS try again after that.
const TRIES_MAX: u32 = 6;
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Names a webhook without knowing it: its ciphertext in the configuration, `None` for the function's own.
pub type HookId = Option<String>;

/// What an invocation delivered, and what it could not.
#[derive(Debug, Default)]
pub struct Report {
    /// Items that are delivered to every receiver they were posted to, by their place in the plan.
    pub delivered: HashSet<usize>,
    /// Items that failed for a receiver, and why.
    pub failed: BTreeMap<usize, Failure>,
    /// Attempts by item.
    pub tries: HashMap<usize, u32>,
    /// Attempts that had to be repeated.
    pub retries: u32,
}

/// Delivers posts; lives as long as the process, and remembers what the next invocation must know.
#[derive(Debug)]
pub struct Courier {
    http: reqwest::Client,
    memory: Memory,
    /// Webhooks that asked for a pause, until when.
    paused: Mutex<HashMap<HookId, Instant>>,
}

/// A post on its way, with what it has been through.
struct Parcel {
    post: Post,
    tries: u32,
    is_plain: bool,
    failure: Option<Failure>,
}

/// One webhook's part of an invocation.
struct Round<'c> {
    courier: &'c Courier,
    hook: HookId,
    webhook: &'c WebhookUrl,
    deadline: Deadline,
    posted: u32,
    next_at: Instant,
    report: Report,
}

impl Courier {
    /// A courier that has delivered nothing yet.
    #[must_use]
    pub fn new(http: reqwest::Client) -> Self {
        Self { http, memory: Memory::default(), paused: Mutex::default() }
    }

    /// Whether this process has delivered it already.
    #[must_use]
    pub fn is_delivered(&self, key: &DeliveryKey) -> bool {
        self.memory.holds(key)
    }

    /// Delivers a plan's posts by `deadline`, each webhook's in order and the webhooks side by side.
    ///
    /// `webhooks` has every webhook of the plan: its URL, or why there is none.
    pub async fn deliver(
        &self,
        plan: &Plan<'_>,
        webhooks: &BTreeMap<HookId, Result<WebhookUrl, Failure>>,
        deadline: Deadline,
    ) -> Report {
        let mut queues: BTreeMap<HookId, VecDeque<Parcel>> = BTreeMap::new();
        for post in &plan.posts {
            let parcel = Parcel { post: post.clone(), tries: 0, is_plain: false, failure: None };
            queues.entry(post.receiver.webhook.clone()).or_default().push_back(parcel);
        }
        let rounds = queues.into_iter().map(|(hook, queue)| async move {
            match webhooks.get(&hook) {
                Some(Ok(webhook)) => {
                    let round = Round {
                        courier: self,
                        hook,
                        webhook,
                        deadline,
                        posted: 0,
                        next_at: Instant::now(),
                        report: Report::default(),
                    };
                    round.run(plan, queue).await
                }
                Some(Err(failure)) => all_failed(&queue, failure),
                None => all_failed(&queue, &Failure::new("webhook_missing", "the receiver has no webhook")),
            }
        });
        let mut report = Report::default();
        for part in join_all(rounds).await {
            report.delivered.extend(part.delivered);
            report.retries += part.retries;
            for (item, failure) in part.failed {
                report.failed.entry(item).or_insert(failure);
            }
            for (item, tries) in part.tries {
                *report.tries.entry(item).or_default() += tries;
            }
        }
        report.delivered.retain(|item| !report.failed.contains_key(item));
        report
    }

    fn paused_until(&self, hook: &HookId) -> Option<Instant> {
        let paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.get(hook).copied().filter(|until| *until > Instant::now())
    }

    fn pause(&self, hook: &HookId, time: Duration) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.insert(hook.clone(), Instant::now() + time);
    }
}

fn all_failed(queue: &VecDeque<Parcel>, failure: &Failure) -> Report {
    let items = queue.iter().flat_map(|parcel| &parcel.post.items);
    Report { failed: items.map(|item| (*item, failure.clone())).collect(), ..Report::default() }
}

impl Round<'_> {
    /// First every post once, then those that may pass later, until none is left or the time is over.
    async fn run(mut self, plan: &Plan<'_>, mut queue: VecDeque<Parcel>) -> Report {
        let mut again: VecDeque<Parcel> = VecDeque::new();
        let mut round = 0;
        loop {
            while let Some(parcel) = queue.pop_front() {
                match self.attempt(plan, parcel, &mut queue).await {
                    Ok(None) => {}
                    Ok(Some(parcel)) => again.push_back(parcel),
                    Err(refused) => {
                        self.fail_all(queue.into_iter().chain(again), &refused);
                        return self.report;
                    }
                }
            }
            if again.is_empty() {
                return self.report;
            }
            let pause = backoff(round);
            round += 1;
            if !self.deadline.allows(pause + ATTEMPT_MIN) {
                let late = Failure::new(answer::TIMEOUT, "the invocation's time is over");
                self.fail_all(again, &late);
                return self.report;
            }
            sleep(pause).await;
            std::mem::swap(&mut queue, &mut again);
        }
    }

    /// Posts once. `Ok(Some)` gives the post back for a later try, `Err` says that the webhook takes nothing more.
    async fn attempt(
        &mut self,
        plan: &Plan<'_>,
        mut parcel: Parcel,
        queue: &mut VecDeque<Parcel>,
    ) -> Result<Option<Parcel>, Failure> {
        if let Err(failure) = self.wait_for_turn().await {
            self.fail(&parcel.post.items, &failure);
            return Ok(None);
        }
        let limit = self.attempt_limit(!queue.is_empty());
        if limit < ATTEMPT_MIN {
            let failure = parcel.failure.unwrap_or_else(|| {
                Failure::new(answer::TIMEOUT, "the invocation's time was over before its turn came")
            });
            self.fail(&parcel.post.items, &failure);
            return Ok(None);
        }
        let message = if parcel.is_plain {
            parcel.post.message.plain().to_json()
        } else {
            parcel.post.message.to_json()
        };
        let mut attempt = slack::post(&self.courier.http, self.webhook, message.clone(), limit).await;
        if parcel.tries == 0 && attempt.connection_lost {
            // A connection that died while the process was frozen is no fault of Slack's: once more, on a new one.
            let limit = self.attempt_limit(!queue.is_empty());
            attempt = slack::post(&self.courier.http, self.webhook, message, limit).await;
        }
        parcel.tries += 1;
        for item in &parcel.post.items {
            *self.report.tries.entry(*item).or_default() += 1;
        }
        match attempt.outcome {
            Outcome::Delivered => {
                for item in &parcel.post.items {
                    self.courier.memory.keep(plan.key(*item, &parcel.post.receiver));
                    self.report.delivered.insert(*item);
                }
            }
            Outcome::Retry { after, failure } => {
                if let Some(time) = after {
                    self.courier.pause(&self.hook, time);
                }
                if parcel.tries < TRIES_MAX {
                    self.report.retries += 1;
                    parcel.failure = Some(failure);
                    return Ok(Some(parcel));
                }
                self.fail(&parcel.post.items, &failure);
            }
            Outcome::MessageRefused(_) if parcel.post.items.len() > 1 => {
                // One bad text takes no other alert along: each goes by itself.
                for post in plan.take_apart(&parcel.post).into_iter().rev() {
                    queue.push_front(Parcel { post, tries: 0, is_plain: false, failure: None });
                }
            }
            Outcome::MessageRefused(_) if !parcel.is_plain => {
                self.report.retries += 1;
                queue.push_front(Parcel { is_plain: true, ..parcel });
            }
            Outcome::MessageRefused(failure) => self.fail(&parcel.post.items, &failure),
            Outcome::WebhookRefused(failure) => {
                self.fail(&parcel.post.items, &failure);
                return Err(failure);
            }
        }
        Ok(None)
    }

    /// How long one attempt may take. One post that hangs must not cost the others their first try.
    fn attempt_limit(&self, others_wait: bool) -> Duration {
        let left = self.deadline.left();
        let share = if others_wait { (left / 2).max(ATTEMPT_SHARE_MIN) } else { left };
        share.min(left).min(ATTEMPT_TIMEOUT)
    }

    /// Waits out a pause that Slack asked for and the pace of many posts; an error where the time does not allow it.
    async fn wait_for_turn(&mut self) -> Result<(), Failure> {
        if self.posted >= BURST {
            self.wait_until(self.next_at, "the invocation's time is over while posts wait for Slack's rate")
                .await?;
        }
        if let Some(until) = self.courier.paused_until(&self.hook) {
            self.wait_until(until, "Slack asked for a pause that is longer than the invocation").await?;
        }
        self.posted += 1;
        self.next_at = Instant::now() + PACE;
        Ok(())
    }

    async fn wait_until(&self, moment: Instant, why: &str) -> Result<(), Failure> {
        let time = moment.saturating_duration_since(Instant::now());
        if !time.is_zero() && !self.deadline.allows(time + ATTEMPT_MIN) {
            return Err(Failure::new(answer::RATE_LIMITED, why));
        }
        sleep_until(moment).await;
        Ok(())
    }

    fn fail(&mut self, items: &[usize], failure: &Failure) {
        for item in items {
            self.report.failed.entry(*item).or_insert_with(|| failure.clone());
        }
    }

    fn fail_all(&mut self, parcels: impl IntoIterator<Item = Parcel>, otherwise: &Failure) {
        for parcel in parcels {
            let failure = parcel.failure.unwrap_or_else(|| otherwise.clone());
            self.fail(&parcel.post.items, &failure);
        }
    }
}

/// Exponential, with full jitter so that many functions do not come back at once.
fn backoff(round: u32) -> Duration {
    let most = BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(round)).min(BACKOFF_MAX);
    most.mul_f64(rand::rng().random_range(0.5..=1.0))
}
