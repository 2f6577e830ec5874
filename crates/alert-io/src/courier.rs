//! Brings a plan's posts to their webhooks: in order, paced, tried again while there is time.
//!
//! What an answer means is decided in [`alert_core::answer`]; here is only when to post next.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alert_core::answer::{self, Failure, Outcome};
use alert_core::relay::{DeliveryKey, Plan, Post};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backoff;
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

/// Names a webhook without knowing it: its ciphertext in the configuration, `None` for the function's own.
pub type HookId = Option<String>;

/// What an invocation delivered, and what it could not.
#[derive(Debug, Default)]
pub struct Report {
    /// Items that are delivered to every receiver they were posted to, by their place in the plan, and when the last got it.
    pub delivered: BTreeMap<usize, DateTime<Utc>>,
    /// Items that failed, by their place and the receiver's name, and why.
    pub failed: BTreeMap<(usize, String), Failure>,
    /// Attempts by item.
    pub tries: HashMap<usize, u32>,
    /// Posts that had to be repeated.
    pub retries: u32,
}

impl Report {
    /// Why an item failed for the first of the receivers who did not get it.
    #[must_use]
    pub fn failure(&self, item: usize) -> Option<&Failure> {
        let (_, failure) =
            self.failed.range((item, String::new())..).next().filter(|((of, _), _)| *of == item)?;
        Some(failure)
    }

    fn fail(&mut self, post: &Post, failure: &Failure) {
        for item in &post.items {
            let place = (*item, post.receiver.name.clone());
            self.failed.entry(place).or_insert_with(|| failure.clone());
        }
    }
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
struct Parcel<'p> {
    post: Cow<'p, Post>,
    tries: u32,
    is_plain: bool,
    failure: Option<Failure>,
}

impl<'p> Parcel<'p> {
    fn new(post: Cow<'p, Post>) -> Self {
        Self { post, tries: 0, is_plain: false, failure: None }
    }

    fn json(&self) -> String {
        if self.is_plain { self.post.message.plain().to_json() } else { self.post.message.to_json() }
    }
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
        let mut queues: BTreeMap<HookId, VecDeque<Parcel<'_>>> = BTreeMap::new();
        for post in &plan.posts {
            let queue = queues.entry(post.receiver.webhook.clone()).or_default();
            queue.push_back(Parcel::new(Cow::Borrowed(post)));
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
            for (item, at) in part.delivered {
                report.delivered.entry(item).and_modify(|last| *last = at.max(*last)).or_insert(at);
            }
            report.retries += part.retries;
            report.failed.extend(part.failed);
            for (item, tries) in part.tries {
                *report.tries.entry(item).or_default() += tries;
            }
        }
        for (item, _) in report.failed.keys() {
            report.delivered.remove(item);
        }
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

fn all_failed(queue: &VecDeque<Parcel<'_>>, failure: &Failure) -> Report {
    let mut report = Report::default();
    for parcel in queue {
        report.fail(&parcel.post, failure);
    }
    report
}

impl Round<'_> {
    /// First every post once, then those that may pass later, until none is left or the time is over.
    async fn run(mut self, plan: &Plan<'_>, mut queue: VecDeque<Parcel<'_>>) -> Report {
        let mut again = VecDeque::new();
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
            let pause = backoff::pause(BACKOFF_FIRST, round);
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
    async fn attempt<'p>(
        &mut self,
        plan: &Plan<'_>,
        mut parcel: Parcel<'p>,
        queue: &mut VecDeque<Parcel<'p>>,
    ) -> Result<Option<Parcel<'p>>, Failure> {
        let turn = self.wait_for_turn().await;
        if let Err(late) = turn.and_then(|()| self.limit(!queue.is_empty()).map(|_| ())) {
            // What Slack said of the post says more than that the time is over.
            self.report.fail(&parcel.post, parcel.failure.as_ref().unwrap_or(&late));
            return Ok(None);
        }
        let outcome = self.post(&mut parcel, !queue.is_empty()).await;
        match outcome {
            Outcome::Delivered => {
                let now = Utc::now();
                for item in &parcel.post.items {
                    self.courier.memory.keep(plan.key(*item, &parcel.post.receiver));
                    self.report.delivered.insert(*item, now);
                }
            }
            Outcome::Retry { after, failure } => {
                if let Some(time) = after {
                    self.courier.pause(&self.hook, time);
                }
                let may_pass = match after {
                    // A webhook that others use, too, may ask to wait many times; only the time bounds that.
                    Some(time) => self.deadline.allows(time + ATTEMPT_MIN),
                    None => parcel.tries < TRIES_MAX,
                };
                if may_pass {
                    self.report.retries += 1;
                    parcel.failure = Some(failure);
                    return Ok(Some(parcel));
                }
                self.report.fail(&parcel.post, &failure);
            }
            Outcome::MessageRefused(_) if !parcel.is_plain => {
                self.report.retries += 1;
                queue.push_front(Parcel { is_plain: true, ..parcel });
            }
            Outcome::MessageRefused(_) if parcel.post.items.len() > 1 => {
                // One bad text takes no other alert along: each goes by itself, after the first tries of all others.
                queue.extend(
                    plan.take_apart(&parcel.post).into_iter().map(|post| Parcel::new(Cow::Owned(post))),
                );
            }
            Outcome::MessageRefused(failure) => self.report.fail(&parcel.post, &failure),
            Outcome::WebhookRefused(failure) => {
                self.report.fail(&parcel.post, &failure);
                return Err(failure);
            }
        }
        Ok(None)
    }

    /// Sends the post, once more at once where the connection had died.
    async fn post(&mut self, parcel: &mut Parcel<'_>, others_wait: bool) -> Outcome {
        let mut was_lost = false;
        let outcome = loop {
            let limit = match self.limit(others_wait) {
                Ok(limit) => limit,
                Err(failure) => break Outcome::Retry { after: None, failure },
            };
            let attempt = slack::post(&self.courier.http, self.webhook, parcel.json(), limit).await;
            // A connection that died while the process was frozen is no fault of Slack's, and no try: once more, on a new
            // one.
            if !attempt.connection_lost || parcel.tries > 0 || was_lost {
                break attempt.outcome;
            }
            was_lost = true;
        };
        parcel.tries += 1;
        for item in &parcel.post.items {
            *self.report.tries.entry(*item).or_default() += 1;
        }
        outcome
    }

    /// What one attempt may take; an error where nothing is left that is worth one.
    ///
    /// One post that hangs must not cost the others their first try: while they wait, it gets a share of the time.
    fn limit(&self, others_wait: bool) -> Result<Duration, Failure> {
        let left = self.deadline.left();
        let share = if others_wait { (left / 2).max(ATTEMPT_SHARE_MIN) } else { left };
        let limit = share.min(left).min(ATTEMPT_TIMEOUT);
        if limit < ATTEMPT_MIN {
            return Err(Failure::new(
                answer::TIMEOUT,
                "the invocation's time was over before the message's turn came",
            ));
        }
        Ok(limit)
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

    fn fail_all<'p>(&mut self, parcels: impl IntoIterator<Item = Parcel<'p>>, otherwise: &Failure) {
        for parcel in parcels {
            self.report.fail(&parcel.post, parcel.failure.as_ref().unwrap_or(otherwise));
        }
    }
}
