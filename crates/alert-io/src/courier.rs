//! Brings a plan's posts to their targets: in order, paced, tried again while there is time.
//!
//! The changes of one alert never overtake each other: what has to be tried again holds those behind it back, until it is
//! delivered or given up in this invocation. Targets never wait for each other. What a target refuses for good goes to who
//! stands in for it.
//!
//! What an answer means is decided in [`alert_core::answer`], and how a target is spoken to in [`sender`](crate::sender);
//! here is only when to post next.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alert_core::outcome::{Failure, Outcome, Receipt};
use alert_core::relay::{Held, Post, RelayPlan};
use alert_core::render::Rendering;
use alert_core::report::DeliveryReport;
use alert_core::target::{Act, Closed, Target, Way};
use chrono::{DateTime, Utc};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep, sleep_until};

use crate::backoff;
use crate::deadline::Deadline;
use crate::sender::Sends;

/// One attempt; a target answers within a second when it is well.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// One attempt takes at most half of the time that is left while others wait for theirs, but no less than this.
const ATTEMPT_SHARE_MIN: Duration = Duration::from_secs(1);
/// Less time than this is not worth an attempt.
const ATTEMPT_MIN: Duration = Duration::from_millis(100);
/// Attempts for one message in one invocation; Lambda and SQS try again after that.
const TRIES_MAX: u32 = 6;
/// Attempts for a digest that its target takes ill without a word on why; after that, one bad text takes no other along.
const DIGEST_TRIES_MAX: u32 = 3;
/// The stable type of a failure: another process works on the alert.
pub const ALERT_ELSEWHERE: &str = "alert_elsewhere";
/// What is shown beside an alert; others may wait for it, so that it is less than a second and a half.
const FOLLOW_UP_LIMIT: Duration = Duration::from_millis(1_400);
const MINUTE: Duration = Duration::from_mins(1);
const BACKOFF_FIRST: Duration = Duration::from_millis(250);

/// Delivers posts; lives as long as the process, and remembers what the next invocation must know of the targets.
#[derive(Debug)]
pub struct Courier {
    /// What was asked to pause, until when.
    paused: Mutex<HashMap<Paced, Instant>>,
    /// When messages were changed in the last minute.
    edits: Mutex<HashMap<Way, VecDeque<Instant>>>,
    /// Targets that refused the newest form of messages and took an older one.
    without_modern: Mutex<HashSet<Target>>,
    /// For pauses of random lengths.
    chance: Mutex<StdRng>,
}

/// What has a rate of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Paced {
    /// New messages and replies at a target.
    Posts(Target),
    /// Changes of messages at all targets of a way.
    Edits(Way),
}

impl Paced {
    fn of(post: &Post) -> Self {
        match post.act {
            Act::Say | Act::Reply { .. } => Self::Posts(post.target.clone()),
            Act::Edit(_) | Act::Supersede(_) => Self::Edits(post.target.way),
        }
    }
}

/// A post on its way, with what it has been through.
struct QueuedPost<'p> {
    post: Cow<'p, Post>,
    tries: u32,
    /// Fresh from another target; nothing has been compared with what stands here.
    is_handed_on: bool,
    /// What was refused before it was written more simply.
    refused: Option<Rendering>,
    /// The message that it was about, which is gone.
    gone: Option<Receipt>,
    failure: Option<Failure>,
}

impl<'p> QueuedPost<'p> {
    fn new(post: Cow<'p, Post>) -> Self {
        Self { post, tries: 0, is_handed_on: false, refused: None, gone: None, failure: None }
    }

    fn is_digest(&self) -> bool {
        self.post.items.len() > 1
    }
}

/// The posts that wait for each target; those that another target refused may join them at any time.
type Inboxes<'p> = Mutex<BTreeMap<Target, VecDeque<QueuedPost<'p>>>>;

/// One target's part of an invocation.
struct Lane<'c, 'p, S> {
    courier: &'c Courier,
    plan: &'p RelayPlan<'p>,
    inboxes: &'c Inboxes<'p>,
    target: Target,
    sender: Option<S>,
    deadline: Deadline,
    /// The clock when delivering began, and that moment: a simulation's time is not the machine's.
    began: (DateTime<Utc>, Instant),
    posted: u32,
    next_at: Instant,
    /// The newest item that stands there, or may, by alert.
    shown: HashMap<usize, usize>,
    /// Messages that are gone, and those that have taken their place.
    moved: HashMap<Receipt, Receipt>,
    report: DeliveryReport<'p>,
}

/// What became of one attempt, for the lane.
enum Next<'p> {
    /// The post is done with: delivered, or failed.
    Done,
    /// Once more before all others.
    AtOnce(QueuedPost<'p>),
    /// These take its place, after a pause and after the first tries of all others.
    Later(Vec<QueuedPost<'p>>),
    /// The target takes nothing more.
    Refused(QueuedPost<'p>, Closed, Failure),
}

/// What a target refused for good, with all that still waited for it, in its order.
struct Refused<'p> {
    queued: Vec<QueuedPost<'p>>,
    closed: Closed,
    failure: Failure,
}

impl Default for Courier {
    fn default() -> Self {
        Self::seeded(rand::random())
    }
}

impl Courier {
    /// One whose pauses are the same for the same seed, for simulations.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            paused: Mutex::default(),
            edits: Mutex::default(),
            without_modern: Mutex::default(),
            chance: StdRng::seed_from_u64(seed).into(),
        }
    }

    /// Delivers a plan's posts by `deadline`, each target's in order and the targets side by side.
    ///
    /// `sender` gives what sends to a target when it can be had, or what is closed and why: then a stand-in gets its posts.
    /// `now` is the clock.
    pub async fn deliver<'p, S: Sends>(
        &self,
        plan: &'p RelayPlan<'p>,
        sender: impl AsyncFn(&Target) -> Result<S, (Closed, Failure)>,
        now: DateTime<Utc>,
        deadline: Deadline,
    ) -> DeliveryReport<'p> {
        let began = (now, Instant::now());
        let inboxes = Inboxes::default();
        for post in &plan.posts {
            put(&inboxes, QueuedPost::new(Cow::Borrowed(post)));
        }
        let lane = |target| Lane {
            courier: self,
            plan,
            inboxes: &inboxes,
            target,
            sender: None,
            deadline,
            began,
            posted: 0,
            next_at: Instant::now(),
            shown: HashMap::new(),
            moved: HashMap::new(),
            report: DeliveryReport::default(),
        };
        let mut idle: BTreeMap<Target, Lane<'_, '_, S>> = BTreeMap::new();
        let mut running = FuturesUnordered::new();
        let mut busy: HashSet<Target> = HashSet::new();
        let mut closed = Vec::new();
        // What stand-ins were given: nobody is told twice, however many cannot be reached.
        let mut handed_on: HashSet<(usize, Target)> = HashSet::new();
        let mut report = DeliveryReport::default();
        loop {
            for target in waiting(&inboxes) {
                if busy.insert(target.clone()) {
                    let next = idle.remove(&target).unwrap_or_else(|| lane(target));
                    running.push(next.run(&sender));
                }
            }
            let Some((lane, refused)) = running.next().await else { break };
            busy.remove(&lane.target);
            idle.insert(lane.target.clone(), lane);
            let Some(Refused { queued, closed: by, failure }) = refused else { continue };
            tracing::warn!(error_type = failure.error_type, "{failure}");
            closed.push(by);
            for queued in queued {
                let planned_for = queued.post.planned_for();
                let is_told = |item, target: &Target| {
                    let is_told = !handed_on.insert((item, target.clone()));
                    if is_told {
                        report.shared.push((item, planned_for.to_owned(), target.clone()));
                    }
                    is_told
                };
                match plan.stand_in(&queued.post, &failure.detail, &closed, is_told) {
                    Some(posts) => {
                        for post in posts {
                            put(
                                &inboxes,
                                QueuedPost { is_handed_on: true, ..QueuedPost::new(Cow::Owned(post)) },
                            );
                        }
                    }
                    // What refuses for good says more than what happened to the post before.
                    None => report.fail(&queued.post, &failure),
                }
            }
        }
        for lane in idle.into_values() {
            report.add(lane.report);
        }
        for Held { item, receiver, way, is_elsewhere } in &plan.held {
            let service = way.service;
            let failure = if *is_elsewhere {
                Failure::new(
                    ALERT_ELSEWHERE,
                    "another process of the function works on this alert; it comes again, in case that one fails",
                )
            } else {
                Failure::new(
                    way.timeout,
                    format!(
                        "{service} has not answered the last tries in time, any of which may have arrived; the next one is not due yet"
                    ),
                )
            };
            report.failed.insert((*item, receiver.clone()), failure);
        }
        for (item, _) in report.failed.keys() {
            report.delivered.remove(item);
        }
        report
    }

    /// Whether a post that nobody waits for may go now: its target asked for no pause, and edits are left over for those that
    /// tell something.
    pub fn has_room_for(&self, post: &Post) -> bool {
        let paced = Paced::of(post);
        let has_edits = match paced {
            Paced::Posts(_) => true,
            Paced::Edits(way) => {
                recent(&mut lock(&self.edits), way, Instant::now()).len() < way.edits_a_minute / 2
            }
        };
        has_edits && self.paused_until(&paced).is_none()
    }

    /// Sends one post of a plan that is carried out, which nobody waits for: one try, and one more for each step down where its
    /// form is refused, all within [`FOLLOW_UP_LIMIT`]. What was taken in the end; that nothing was is logged and nobody's
    /// trouble.
    pub async fn follow_up<S: Sends>(&self, plan: &RelayPlan<'_>, post: Post, sender: &S) -> Option<Post> {
        let end = Deadline::after(FOLLOW_UP_LIMIT);
        let mut post = post;
        let mut is_too_new = false;
        if let Paced::Edits(way) = Paced::of(&post) {
            let now = Instant::now();
            recent(&mut lock(&self.edits), way, now).push_back(now);
        }
        if post.rendering == Rendering::Modern && self.without_modern().contains(&post.target) {
            post = plan.simpler(&post).unwrap_or(post);
        }
        let failure = loop {
            if !end.allows(ATTEMPT_MIN) {
                break Failure::new(post.target.way.timeout, "the time for it is over");
            }
            match sender.send(&post, end.left()).await.outcome {
                Outcome::Delivered(_) => {
                    if is_too_new && post.rendering == Rendering::Classic {
                        self.without_modern().insert(post.target.clone());
                    }
                    return Some(post);
                }
                Outcome::MessageRefused(failure) => match plan.simpler(&post) {
                    Some(simpler) => {
                        // A picture that cannot be fetched says nothing of charts.
                        is_too_new = post.rendering == Rendering::Modern && !post.has_image();
                        post = simpler;
                    }
                    None => break failure,
                },
                Outcome::Retry { after, failure } => {
                    if let Some(after) = after {
                        self.pause(Paced::of(&post), after);
                    }
                    break failure;
                }
                Outcome::Unsure(failure)
                | Outcome::Gone(failure)
                | Outcome::TargetRefused(failure)
                | Outcome::SenderRefused(failure) => break failure,
            }
        };
        tracing::info!(
            error_type = failure.error_type,
            "what is shown beside an alert was not taken: {failure}"
        );
        None
    }

    fn without_modern(&self) -> MutexGuard<'_, HashSet<Target>> {
        lock(&self.without_modern)
    }

    fn paused_until(&self, paced: &Paced) -> Option<Instant> {
        lock(&self.paused).get(paced).copied().filter(|until| *until > Instant::now())
    }

    fn pause(&self, paced: Paced, time: Duration) {
        lock(&self.paused).insert(paced, Instant::now() + time);
    }

    /// When the next message may be changed, where that is soon enough: then it counts as changed.
    fn next_edit(&self, way: Way, deadline: Deadline) -> Option<Instant> {
        let (now, mut edits) = (Instant::now(), lock(&self.edits));
        let edits = recent(&mut edits, way, now);
        let surplus = edits.len().checked_sub(way.edits_a_minute.max(1));
        let at = surplus.and_then(|surplus| edits.get(surplus)).map_or(now, |freed| *freed + MINUTE);
        if !deadline.allows(at.saturating_duration_since(now) + ATTEMPT_MIN) {
            return None;
        }
        edits.push_back(at);
        Some(at)
    }
}

/// When messages of a way were changed, or are to be, from a minute ago on.
fn recent(edits: &mut HashMap<Way, VecDeque<Instant>>, way: Way, now: Instant) -> &mut VecDeque<Instant> {
    let edits = edits.entry(way).or_default();
    edits.retain(|at| *at + MINUTE > now);
    edits
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn put<'p>(inboxes: &Inboxes<'p>, queued: QueuedPost<'p>) {
    lock(inboxes).entry(queued.post.target.clone()).or_default().push_back(queued);
}

/// The targets that something waits for.
fn waiting(inboxes: &Inboxes<'_>) -> Vec<Target> {
    lock(inboxes).keys().cloned().collect()
}

impl<'p, S: Sends> Lane<'_, 'p, S> {
    /// Sends what waits for the target.
    async fn run(
        mut self,
        open: &impl AsyncFn(&Target) -> Result<S, (Closed, Failure)>,
    ) -> (Self, Option<Refused<'p>>) {
        let sender = match self.sender.take() {
            Some(sender) => sender,
            None => match open(&self.target).await {
                Ok(sender) => sender,
                Err((closed, failure)) => {
                    let queued = self.inbox().into();
                    return (self, Some(Refused { queued, closed, failure }));
                }
            },
        };
        let refused = self.work(&sender).await;
        self.sender = Some(sender);
        (self, refused)
    }

    /// First every post once, then those that may pass later, until none is left or the time is over.
    async fn work(&mut self, sender: &S) -> Option<Refused<'p>> {
        let mut queue = self.inbox();
        let mut again = VecDeque::new();
        // The alerts of what is in `again`.
        let mut held_back = HashSet::new();
        let mut round = 0;
        loop {
            while let Some(queued) = queue.pop_front() {
                // What others hand on comes after what the target had to take anyway.
                if queued.is_handed_on
                    && let Some(posts) =
                        self.plan.overtaken(&queued.post, |alert| self.shown.get(&alert).copied())
                {
                    for post in posts.into_iter().rev() {
                        queue.push_front(QueuedPost::new(Cow::Owned(post)));
                    }
                    continue;
                }
                let later = if self.plan.alerts_of(&queued.post).any(|alert| held_back.contains(&alert)) {
                    vec![queued]
                } else {
                    match self.attempt(sender, queued, !queue.is_empty()).await {
                        Next::Done => Vec::new(),
                        Next::AtOnce(queued) => {
                            queue.push_front(queued);
                            Vec::new()
                        }
                        Next::Later(queued) => queued,
                        Next::Refused(queued, closed, failure) => {
                            // What was tried before came before its alert's others.
                            let queued = again.into_iter().chain([queued]).chain(queue).chain(self.inbox());
                            let queued = queued.collect();
                            return Some(Refused { queued, closed, failure });
                        }
                    }
                };
                held_back.extend(later.iter().flat_map(|queued| self.plan.alerts_of(&queued.post)));
                again.extend(later);
            }
            queue = self.inbox();
            if !queue.is_empty() {
                continue;
            }
            if again.is_empty() {
                return None;
            }
            let pause = backoff::pause(BACKOFF_FIRST, round, &mut *lock(&self.courier.chance));
            round += 1;
            if !self.deadline.allows(pause + ATTEMPT_MIN) {
                let late = Failure::new(self.target.way.timeout, "the invocation's time is over");
                for queued in again {
                    self.report.fail(&queued.post, queued.failure.as_ref().unwrap_or(&late));
                }
                return None;
            }
            sleep(pause).await;
            std::mem::swap(&mut queue, &mut again);
            held_back.clear();
        }
    }

    fn inbox(&self) -> VecDeque<QueuedPost<'p>> {
        lock(self.inboxes).remove(&self.target).unwrap_or_default()
    }

    /// Posts once, and says what is to become of the post.
    async fn attempt(&mut self, sender: &S, mut queued: QueuedPost<'p>, others_wait: bool) -> Next<'p> {
        let turn = self.wait_for_turn(&queued.post).await;
        if let Err(late) = turn.and_then(|()| self.limit(others_wait).map(|_| ())) {
            // What the target said of the post says more than that the time is over.
            return self.fail(&queued, queued.failure.as_ref().unwrap_or(&late));
        }
        queued.is_handed_on = false;
        if queued.post.rendering == Rendering::Modern
            && self.courier.without_modern().contains(&self.target)
            && let Some(simpler) = self.plan.simpler(&queued.post)
        {
            queued.post = Cow::Owned(simpler);
        }
        let mut act = queued.post.act.clone();
        if let Some(now) = act.about().and_then(|about| self.moved.get(about)) {
            act = act.to(now.clone());
        }
        let act = act.by(self.target.way);
        if act != queued.post.act {
            queued.post = Cow::Owned(RelayPlan::doing(&queued.post, act));
        }
        let outcome = self.send(sender, &mut queued, others_wait).await;
        match outcome {
            Outcome::Delivered(receipt) => {
                if queued.refused == Some(Rendering::Modern) && queued.post.rendering == Rendering::Classic {
                    self.courier.without_modern().insert(self.target.clone());
                }
                self.note_shown(&queued.post);
                if let Some((gone, now)) = queued.gone.zip(receipt.clone()) {
                    self.moved.insert(gone, now);
                }
                self.report.arrive(queued.post, receipt, self.now());
                Next::Done
            }
            Outcome::Retry { after: Some(time), failure } => {
                self.courier.pause(Paced::of(&queued.post), time);
                // A target that others use, too, may ask to wait many times; only the time bounds that.
                if self.deadline.allows(time + ATTEMPT_MIN) {
                    self.again(queued, failure)
                } else {
                    self.fail(&queued, &failure)
                }
            }
            Outcome::Retry { after: None, .. } if queued.is_digest() && queued.tries >= DIGEST_TRIES_MAX => {
                self.take_apart(&queued)
            }
            Outcome::Retry { after: None, failure } if queued.tries < TRIES_MAX => {
                self.again(queued, failure)
            }
            // A change may be made again: it makes no second message.
            Outcome::Unsure(failure) if queued.post.act.is_edit() && queued.tries < TRIES_MAX => {
                self.again(queued, failure)
            }
            Outcome::Unsure(failure) => {
                // Whether people see it or not, what comes after it is older.
                self.note_shown(&queued.post);
                let next = self.fail(&queued, &failure);
                self.report.unsure.push((queued.post, self.now()));
                next
            }
            // There is nothing left that could be taken for the newest.
            Outcome::Gone(_) if matches!(queued.post.act, Act::Supersede(_)) => Next::Done,
            // Nothing is left that could show it without a sound: it is said when its silence ends.
            Outcome::Gone(_) if queued.post.is_silent() => {
                self.report.arrive(queued.post, None, self.now());
                Next::Done
            }
            Outcome::Gone(_) if queued.post.act != Act::Say => {
                self.report.retries += 1;
                let gone = queued.post.act.about().cloned();
                Next::AtOnce(QueuedPost {
                    post: Cow::Owned(RelayPlan::doing(&queued.post, Act::Say)),
                    gone,
                    ..queued
                })
            }
            Outcome::MessageRefused(failure) => match self.plan.simpler(&queued.post) {
                Some(simpler) => {
                    self.report.retries += 1;
                    let refused = Some(queued.post.rendering);
                    Next::AtOnce(QueuedPost { post: Cow::Owned(simpler), refused, ..queued })
                }
                None if queued.is_digest() => self.take_apart(&queued),
                None => self.fail(&queued, &failure),
            },
            Outcome::Retry { failure, .. } | Outcome::Gone(failure) => self.fail(&queued, &failure),
            Outcome::TargetRefused(failure) => {
                Next::Refused(queued, Closed::Target(self.target.clone()), failure)
            }
            Outcome::SenderRefused(failure) => Next::Refused(queued, Closed::Way(self.target.way), failure),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        let (now, then) = self.began;
        now + then.elapsed()
    }

    fn note_shown(&mut self, post: &Post) {
        let changed_at = |item: usize| self.plan.items.get(item).and_then(|item| item.alert.changed_at);
        for (alert, item) in self.plan.alerts_of(post).zip(&post.items) {
            let newest = self.shown.entry(alert).or_insert(*item);
            if changed_at(*newest) < changed_at(*item) {
                *newest = *item;
            }
        }
    }

    fn again(&mut self, queued: QueuedPost<'p>, failure: Failure) -> Next<'p> {
        self.report.retries += 1;
        Next::Later(vec![QueuedPost { failure: Some(failure), ..queued }])
    }

    fn fail(&mut self, queued: &QueuedPost<'_>, failure: &Failure) -> Next<'p> {
        self.report.fail(&queued.post, failure);
        Next::Done
    }

    /// One bad text takes no other alert along: each goes by itself.
    fn take_apart(&mut self, queued: &QueuedPost<'_>) -> Next<'p> {
        self.report.retries += 1;
        let posts = self.plan.take_apart(&queued.post).into_iter();
        // What was said of newer changes was in the lines of the whole.
        let is_handed_on = queued.post.instead_of.is_some();
        Next::Later(
            posts.map(|post| QueuedPost { is_handed_on, ..QueuedPost::new(Cow::Owned(post)) }).collect(),
        )
    }

    /// Sends the post, once more at once where the connection had died.
    async fn send(&mut self, sender: &S, queued: &mut QueuedPost<'_>, others_wait: bool) -> Outcome {
        let mut was_lost = false;
        let outcome = loop {
            let limit = match self.limit(others_wait) {
                Ok(limit) => limit,
                Err(failure) => break Outcome::Retry { after: None, failure },
            };
            let attempt = sender.send(&queued.post, limit).await;
            // A connection that died while the process was frozen is no fault of the target's, and no try: once more, on
            // a new one.
            if !attempt.connection_lost || queued.tries > 0 || was_lost {
                break attempt.outcome;
            }
            was_lost = true;
        };
        queued.tries += 1;
        for item in &queued.post.items {
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
                self.target.way.timeout,
                "the invocation's time was over before the message's turn came",
            ));
        }
        Ok(limit)
    }

    /// Waits out a pause that the target asked for and the pace of many posts; an error where the time does not allow it.
    async fn wait_for_turn(&mut self, post: &Post) -> Result<(), Failure> {
        let Way { service, burst, pace, .. } = self.target.way;
        let paced = Paced::of(post);
        let why = || format!("the invocation's time is over while posts wait for {service}'s rate");
        match paced {
            Paced::Posts(_) if self.posted >= burst => self.wait_until(self.next_at, why()).await?,
            Paced::Posts(_) => {}
            Paced::Edits(way) => {
                let at = self.courier.next_edit(way, self.deadline);
                sleep_until(at.ok_or_else(|| Failure::new(way.rate_limited, why()))?).await;
            }
        }
        if let Some(until) = self.courier.paused_until(&paced) {
            let why = format!("{service} asked for a pause that is longer than the invocation");
            self.wait_until(until, why).await?;
        }
        if let Paced::Posts(_) = paced {
            self.posted += 1;
            self.next_at = Instant::now() + pace;
        }
        Ok(())
    }

    async fn wait_until(&self, moment: Instant, why: String) -> Result<(), Failure> {
        let time = moment.saturating_duration_since(Instant::now());
        if !time.is_zero() && !self.deadline.allows(time + ATTEMPT_MIN) {
            return Err(Failure::new(self.target.way.rate_limited, why));
        }
        sleep_until(moment).await;
        Ok(())
    }
}
