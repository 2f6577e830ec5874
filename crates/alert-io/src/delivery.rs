//! From an event that is decided upon to what became of its posts: what is known is asked, what is due is posted, and what
//! became of it is recorded.
//!
//! Who remembers and who posts are the caller's, so that all of it can be simulated.

use std::collections::BTreeMap;
use std::time::Duration;

use alert_core::key;
use alert_core::known::{Found, Past};
use alert_core::outcome::{Failure, Outcome, Sighting};
use alert_core::relay::{Draft, Plan};
use alert_core::report::{self, Digest, Report};
use alert_core::target::{Closed, Target};
use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep};

use crate::backoff;
use crate::courier::Courier;
use crate::deadline::Deadline;
use crate::ledger::{Answers, KnownDigest, Ledger};
use crate::sender::Sends;

/// For looking for the messages of processes that did not live to tell of them.
const FIND_LIMIT: Duration = Duration::from_secs(2);
/// For changing a digest's headline once.
const COUNT_LIMIT: Duration = Duration::from_secs(2);
const COUNT_TRIES: u32 = 3;
const COUNT_PAUSE: Duration = Duration::from_millis(500);

/// An invocation's times.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The clock, when posting begins.
    pub now: DateTime<Utc>,
    /// When posting has to end, so that it can be recorded.
    pub posting: Deadline,
    /// When all has to end.
    pub deadline: Deadline,
}

/// Asks what is known, and plans.
pub async fn prepare<'d, S: Sends>(
    draft: Draft<'d>,
    ledger: &impl Ledger,
    sender: &impl AsyncFn(&Target) -> Result<S, (Closed, Failure)>,
    now: DateTime<Utc>,
    deadline: Deadline,
) -> Plan<'d> {
    let questions: Vec<_> = draft.questions().collect();
    let mut answers = ledger.claim(&questions, now, deadline).await;
    drop(questions);
    if answers.known.iter().any(|known| known.kept.is_some()) {
        // Boxed, because those without a table would carry its room along.
        Box::pin(find_lost(&draft, &mut answers, sender, deadline)).await;
    }
    draft.plan(answers.known, answers.problem.as_deref())
}

/// Posts what a plan asks for, and records what became of it.
pub async fn carry_out<'p, S: Sends>(
    plan: &'p Plan<'p>,
    ledger: &impl Ledger,
    courier: &Courier,
    sender: &impl AsyncFn(&Target) -> Result<S, (Closed, Failure)>,
    Times { now, posting, deadline }: Times,
) -> Report<'p> {
    let report = courier.deliver(plan, sender, now, posting).await;
    ledger.record(&report::settle(plan, &report), now, deadline).await;
    let digests = report::digests(plan, &report);
    if !digests.is_empty() {
        // Boxed, because most invocations have none.
        Box::pin(count(plan, &digests, ledger, sender, now, deadline)).await;
    }
    report
}

/// Lets the headline of digests count which of their alerts are over. What it says stands in their threads already: where it
/// cannot be done, it is done with the next end.
async fn count<S: Sends>(
    plan: &Plan<'_>,
    digests: &[Digest<'_>],
    ledger: &impl Ledger,
    sender: &impl AsyncFn(&Target) -> Result<S, (Closed, Failure)>,
    now: DateTime<Utc>,
    deadline: Deadline,
) {
    for digest in digests {
        if !deadline.allows(Duration::ZERO) {
            break;
        }
        let known = ledger.digest(digest, now).await;
        let Some(KnownDigest { posted, over, of }) = known.filter(|known| known.over > 0) else { continue };
        if !deadline.allows(COUNT_LIMIT) {
            continue;
        }
        let Some(post) = plan.counted(digest, &posted, over, of) else { continue };
        let Ok(sender) = sender(&post.target).await else { continue };
        for round in 0..COUNT_TRIES {
            let limit = COUNT_LIMIT.min(deadline.left());
            let pause = match sender.send(&post, limit).await.outcome {
                Outcome::Retry { after, .. } => {
                    after.unwrap_or_else(|| backoff::pause(COUNT_PAUSE, round, &mut rand::rng()))
                }
                _ => break,
            };
            if !deadline.allows(pause + COUNT_LIMIT) {
                break;
            }
            sleep(pause).await;
        }
    }
}

/// Looks for messages whose process did not live to say that they were posted, so that what comes next changes them and is
/// no second message.
async fn find_lost<S: Sends>(
    draft: &Draft<'_>,
    answers: &mut Answers,
    sender: &impl AsyncFn(&Target) -> Result<S, (Closed, Failure)>,
    deadline: Deadline,
) {
    // By target, so that each is asked once: the names, and whose deliveries they are.
    let mut wanted: BTreeMap<Target, Vec<(String, usize, String)>> = BTreeMap::new();
    for (number, (question, target)) in draft.questions().zip(draft.targets()).enumerate() {
        let Some(known) = answers.known.get(number) else { continue };
        let Some(kept) = &known.kept else { continue };
        if !target.way.can_edit || kept.tried.is_empty() {
            continue;
        }
        let own = [question.delivery.name()];
        // Where a message shows the alert, only this delivery's own may be a second one.
        let looked_for = match kept.incident.as_ref().is_some_and(|incident| incident.receipt.is_some()) {
            true if matches!(known.past, Past::Unsure { .. }) => &own[..],
            true => continue,
            false => &kept.tried[..],
        };
        // Its own first: one is enough.
        let (first, others): (Vec<_>, Vec<_>) = looked_for.iter().partition(|delivery| **delivery == own[0]);
        let names = first.into_iter().chain(others).map(|delivery| {
            let name = key::post(question.receiver, "", std::slice::from_ref(delivery));
            (name, number, delivery.clone())
        });
        wanted.entry(target.clone()).or_default().extend(names);
    }
    // All of it together: the alerts wait.
    let end = Instant::now() + FIND_LIMIT.min(deadline.left() / 4);
    for (target, wanted) in wanted {
        let Ok(sender) = sender(&target).await else { continue };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let names: Vec<String> = wanted.iter().map(|(name, ..)| name.clone()).collect();
        let sightings = sender.find(&target, &names, left).await;
        for (name, number, delivery) in wanted {
            let kept = answers.known.get_mut(number).and_then(|known| known.kept.as_mut());
            let Some(kept) = kept.filter(|kept| kept.found.is_none()) else { continue };
            let sighting = sightings.iter().find(|sighting| sighting.name == name);
            kept.found = sighting.map(|Sighting { receipt, is_digest, .. }| Found {
                delivery,
                receipt: receipt.clone(),
                is_digest: *is_digest,
            });
        }
    }
}
