//! Brings a plan's posts to their webhooks: in order, paced, tried again while there is time.
//!
//! The changes of one alert never overtake each other: what has to be tried again holds those behind it back, until it is
//! delivered or given up in this invocation. Webhooks never wait for each other.
//!
//! What an answer means is decided in [`alert_core::answer`]; here is only when to post next.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alert_core::answer::{self, Failure, Outcome};
use alert_core::memory::Shown;
use alert_core::relay::{Plan, Post};
use alert_core::render::slack::Rendering;
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backoff;
use crate::deadline::Deadline;
use crate::memory::ProcessMemory;
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
/// Attempts for a digest that Slack takes ill without a word on why; after that, one bad text takes no other along.
const DIGEST_TRIES_MAX: u32 = 3;
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
    memory: ProcessMemory,
    /// Webhooks that asked for a pause, until when.
    paused: Mutex<HashMap<HookId, Instant>>,
    /// Webhooks that refused Slack's newest blocks and took what they stand for in older ones.
    without_modern: Mutex<HashSet<HookId>>,
}

/// A post on its way, with what it has been through.
struct Parcel<'p> {
    post: Cow<'p, Post>,
    tries: u32,
    /// What was refused before it was written more simply.
    refused: Option<Rendering>,
    failure: Option<Failure>,
}

impl<'p> Parcel<'p> {
    fn new(post: Cow<'p, Post>) -> Self {
        Self { post, tries: 0, refused: None, failure: None }
    }

    fn is_digest(&self) -> bool {
        self.post.items.len() > 1
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

/// What became of one attempt, for the round.
enum Next<'p> {
    /// The post is done with: delivered, or failed.
    Done,
    /// Once more before all others.
    AtOnce(Parcel<'p>),
    /// These take its place, after a pause and after the first tries of all others.
    Later(Vec<Parcel<'p>>),
    /// The webhook takes nothing more.
    Refused(Failure),
}

impl Courier {
    /// A courier that has delivered nothing yet.
    #[must_use]
    pub fn new(http: reqwest::Client) -> Self {
        Self {
            http,
            memory: ProcessMemory::default(),
            paused: Mutex::default(),
            without_modern: Mutex::default(),
        }
    }

    /// What this process knows of earlier deliveries.
    #[must_use]
    pub fn memory(&self) -> &ProcessMemory {
        &self.memory
    }

    /// Delivers a plan's posts by `deadline`, each webhook's in order and the webhooks side by side.
    ///
    /// `webhook` gives a webhook's URL when it can be had, or why it cannot: then a stand-in gets its posts.
    pub async fn deliver(
        &self,
        plan: &Plan<'_>,
        webhook: impl AsyncFn(&HookId) -> Result<WebhookUrl, Failure>,
        deadline: Deadline,
    ) -> Report {
        let mut queues: BTreeMap<HookId, VecDeque<Parcel<'_>>> = BTreeMap::new();
        for post in &plan.posts {
            let queue = queues.entry(post.receiver.webhook.clone()).or_default();
            queue.push_back(Parcel::new(Cow::Borrowed(post)));
        }
        let webhook = &webhook;
        let rounds = queues.into_iter().map(|(hook, queue)| async move {
            match (webhook(&hook).await, &hook) {
                (Ok(url), _) => self.round(hook, &url, deadline).run(plan, queue).await,
                (Err(failure), None) => all_failed(&queue, &failure),
                (Err(failure), Some(_)) => {
                    let posts = queue.iter().flat_map(|parcel| plan.stand_in(&parcel.post, &failure.detail));
                    let queue: VecDeque<_> = posts.map(|post| Parcel::new(Cow::Owned(post))).collect();
                    let stand_in = queue.front().and_then(|parcel| parcel.post.receiver.webhook.clone());
                    match webhook(&stand_in).await {
                        Ok(url) => self.round(stand_in, &url, deadline).run(plan, queue).await,
                        Err(failure) => all_failed(&queue, &failure),
                    }
                }
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
        for (item, receiver) in &plan.held {
            let failure = Failure::new(
                answer::TIMEOUT,
                "Slack has not answered the last tries in time, any of which may have arrived; the next one is not due yet",
            );
            report.failed.insert((*item, receiver.clone()), failure);
        }
        for (item, _) in report.failed.keys() {
            report.delivered.remove(item);
        }
        report
    }

    fn round<'c>(&'c self, hook: HookId, webhook: &'c WebhookUrl, deadline: Deadline) -> Round<'c> {
        let next_at = Instant::now();
        Round { courier: self, hook, webhook, deadline, posted: 0, next_at, report: Report::default() }
    }

    fn remember(&self, plan: &Plan<'_>, post: &Post, at: DateTime<Utc>) {
        for item in post.items.iter().filter_map(|item| plan.items.get(*item)) {
            self.memory.delivered(&post.receiver.name, &item.delivery, at);
            if let Some(changed_at) = item.alert.changed_at {
                let shown = Shown { state: item.alert.state_value.clone(), at: changed_at };
                self.memory.shown(&post.receiver.name, &item.key, shown);
            }
        }
    }

    fn without_modern(&self) -> MutexGuard<'_, HashSet<HookId>> {
        self.without_modern.lock().unwrap_or_else(PoisonError::into_inner)
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
        // The alerts of what is in `again`.
        let mut held_back = HashSet::new();
        let mut round = 0;
        loop {
            while let Some(parcel) = queue.pop_front() {
                let later = if plan.alerts_of(&parcel.post).any(|alert| held_back.contains(&alert)) {
                    vec![parcel]
                } else {
                    match self.attempt(plan, parcel, !queue.is_empty()).await {
                        Next::Done => Vec::new(),
                        Next::AtOnce(parcel) => {
                            queue.push_front(parcel);
                            Vec::new()
                        }
                        Next::Later(parcels) => parcels,
                        Next::Refused(failure) => {
                            self.fail_all(queue.into_iter().chain(again), &failure);
                            return self.report;
                        }
                    }
                };
                held_back.extend(later.iter().flat_map(|parcel| plan.alerts_of(&parcel.post)));
                again.extend(later);
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
            held_back.clear();
        }
    }

    /// Posts once, and says what is to become of the post.
    async fn attempt<'p>(&mut self, plan: &Plan<'_>, mut parcel: Parcel<'p>, others_wait: bool) -> Next<'p> {
        let turn = self.wait_for_turn().await;
        if let Err(late) = turn.and_then(|()| self.limit(others_wait).map(|_| ())) {
            // What Slack said of the post says more than that the time is over.
            self.report.fail(&parcel.post, parcel.failure.as_ref().unwrap_or(&late));
            return Next::Done;
        }
        if parcel.post.rendering == Rendering::Modern
            && self.courier.without_modern().contains(&self.hook)
            && let Some(simpler) = plan.simpler(&parcel.post)
        {
            parcel.post = Cow::Owned(simpler);
        }
        let outcome = self.post(&mut parcel, others_wait).await;
        match outcome {
            Outcome::Delivered => {
                let now = Utc::now();
                self.courier.remember(plan, &parcel.post, now);
                if parcel.refused == Some(Rendering::Modern) && parcel.post.rendering == Rendering::Classic {
                    self.courier.without_modern().insert(self.hook.clone());
                }
                self.report.delivered.extend(parcel.post.items.iter().map(|item| (*item, now)));
                Next::Done
            }
            Outcome::Retry { after: Some(time), failure } => {
                self.courier.pause(&self.hook, time);
                // A webhook that others use, too, may ask to wait many times; only the time bounds that.
                if self.deadline.allows(time + ATTEMPT_MIN) {
                    self.again(parcel, failure)
                } else {
                    self.fail(&parcel, &failure)
                }
            }
            Outcome::Retry { after: None, .. } if parcel.is_digest() && parcel.tries >= DIGEST_TRIES_MAX => {
                self.take_apart(plan, &parcel)
            }
            Outcome::Retry { after: None, failure } if parcel.tries < TRIES_MAX => {
                self.again(parcel, failure)
            }
            Outcome::Unsure(failure) => {
                let now = Utc::now();
                for item in parcel.post.items.iter().filter_map(|item| plan.items.get(*item)) {
                    self.courier.memory.unsure(&parcel.post.receiver.name, &item.delivery, now);
                }
                self.fail(&parcel, &failure)
            }
            Outcome::MessageRefused(failure) => match plan.simpler(&parcel.post) {
                Some(simpler) => {
                    self.report.retries += 1;
                    let refused = Some(parcel.post.rendering);
                    Next::AtOnce(Parcel { post: Cow::Owned(simpler), refused, ..parcel })
                }
                None if parcel.is_digest() => self.take_apart(plan, &parcel),
                None => self.fail(&parcel, &failure),
            },
            Outcome::Retry { failure, .. } => self.fail(&parcel, &failure),
            Outcome::WebhookRefused(failure) => {
                self.report.fail(&parcel.post, &failure);
                Next::Refused(failure)
            }
        }
    }

    fn again<'p>(&mut self, parcel: Parcel<'p>, failure: Failure) -> Next<'p> {
        self.report.retries += 1;
        Next::Later(vec![Parcel { failure: Some(failure), ..parcel }])
    }

    fn fail<'p>(&mut self, parcel: &Parcel<'_>, failure: &Failure) -> Next<'p> {
        self.report.fail(&parcel.post, failure);
        Next::Done
    }

    /// One bad text takes no other alert along: each goes by itself.
    fn take_apart<'p>(&mut self, plan: &Plan<'_>, parcel: &Parcel<'_>) -> Next<'p> {
        self.report.retries += 1;
        Next::Later(
            plan.take_apart(&parcel.post).into_iter().map(|post| Parcel::new(Cow::Owned(post))).collect(),
        )
    }

    /// Sends the post, once more at once where the connection had died.
    async fn post(&mut self, parcel: &mut Parcel<'_>, others_wait: bool) -> Outcome {
        let mut was_lost = false;
        let outcome = loop {
            let limit = match self.limit(others_wait) {
                Ok(limit) => limit,
                Err(failure) => break Outcome::Retry { after: None, failure },
            };
            let attempt =
                slack::post(&self.courier.http, self.webhook, parcel.post.message.to_json(), limit).await;
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
