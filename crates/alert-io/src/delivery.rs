//! From an event that is decided upon to what became of its posts: what is known is asked, what is due is posted, and what
//! became of it is recorded.
//!
//! Who remembers and who posts are the caller's, so that all of it can be simulated.

use std::collections::BTreeMap;
use std::time::Duration;

use alert_core::evidence::{Findings, Subject};
use alert_core::key;
use alert_core::known::{Found, Past};
use alert_core::outcome::{Failure, Outcome, Receipt, Sighting};
use alert_core::relay::{Draft, Post, RelayItem, RelayPlan};
use alert_core::render::page::Language;
use alert_core::report::{self, Arrived, DeliveryReport, Digest};
use alert_core::target::{Closed, Target};
use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout_at};

use crate::backoff;
use crate::courier::Courier;
use crate::deadline::Deadline;
use crate::ledger::{Answers, KnownDigest, Ledger};
use crate::metrics::TABLE_UNAVAILABLE;
use crate::sender::Sends;

/// For looking for the messages of processes that did not live to tell of them.
const FIND_LIMIT: Duration = Duration::from_secs(2);
/// For changing a digest's headline once.
const COUNT_LIMIT: Duration = Duration::from_secs(2);
const COUNT_TRIES: u32 = 3;
const COUNT_PAUSE: Duration = Duration::from_millis(500);
/// For all that is asked for beside the alerts of an event, and for showing it.
const EVIDENCE_LIMIT: Duration = Duration::from_secs(5);
/// Left over for the answer to Lambda: what comes after its deadline would bring the whole event again.
const EVIDENCE_RESERVE: Duration = Duration::from_millis(500);
/// Less time than this is not worth a question.
const EVIDENCE_MIN: Duration = Duration::from_millis(500);
/// The alerts of one event that more is asked about.
const SUBJECTS_MAX: usize = 5;

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
) -> RelayPlan<'d> {
    let questions: Vec<_> = draft.questions().collect();
    let mut answers = ledger.claim(&questions, now, deadline).await;
    drop(questions);
    if answers.known.iter().any(|known| known.kept.is_some()) {
        // Boxed, because those without a table would carry its room along.
        Box::pin(find_lost(&draft, &mut answers, sender, deadline)).await;
    }
    draft.with_silences(answers.silences).plan(answers.known, answers.problem.as_deref())
}

/// Posts what a plan asks for, and records what became of it.
pub async fn carry_out<'p, S: Sends>(
    plan: &'p RelayPlan<'p>,
    ledger: &impl Ledger,
    courier: &Courier,
    sender: &impl AsyncFn(&Target) -> Result<S, (Closed, Failure)>,
    Times { now, posting, deadline }: Times,
) -> DeliveryReport<'p> {
    let mut report = courier.deliver(plan, sender, now, posting).await;
    let settled = report::settle(plan, &report);
    let unrecorded = ledger.record(&settled, now, deadline).await;
    let lost: Vec<_> = unrecorded.iter().flat_map(|place| report::held(plan, &settled[*place])).collect();
    for place in lost {
        let failure = Failure::new(
            TABLE_UNAVAILABLE,
            "the alert is silenced, and the table has not taken note of it: it comes again, or nothing would ring when the silence ends",
        );
        report.failed.entry(place).or_insert(failure);
    }
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
    plan: &RelayPlan<'_>,
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
            let usual = || backoff::pause(COUNT_PAUSE, round, &mut rand::rng());
            let pause = match sender.send(&post, limit).await.outcome {
                Outcome::Retry { after, .. } => after.unwrap_or_else(usual),
                _ => break,
            };
            if !deadline.allows(pause + COUNT_LIMIT) {
                break;
            }
            sleep(pause).await;
        }
    }
}

/// Asks for what receivers want to see beside their alerts, and shows it in their messages and threads.
///
/// It ends within [`EVIDENCE_LIMIT`] and well before the deadline, whatever hangs. Nothing here is a failure: the alert stands.
/// What could not be had stands in the message; where that cannot be changed either, the log says it.
pub async fn add_evidence<S: Sends>(
    plan: &RelayPlan<'_>,
    report: &DeliveryReport<'_>,
    ledger: &impl Ledger,
    courier: &Courier,
    sender: &impl AsyncFn(&Target) -> Result<S, (Closed, Failure)>,
    gather: impl AsyncFn(&Subject, Instant) -> Findings,
    deadline: Deadline,
) {
    let mut wanted: Vec<(&Post, &Receipt, Subject)> = Vec::new();
    for Arrived { post, receipt, .. } in &report.arrived {
        // What comes again asks again.
        let has_failed = |item: &usize| report.failed.contains_key(&(*item, post.planned_for().to_owned()));
        let receipt = receipt.as_ref().or(post.act.about()).filter(|_| !post.items.iter().any(has_failed));
        if let Some((receipt, subject)) = receipt.zip(plan.subject(post)) {
            wanted.push((post, receipt, subject));
        }
    }
    wanted.truncate(SUBJECTS_MAX);
    let limit = EVIDENCE_LIMIT.min(deadline.less(EVIDENCE_RESERVE).left());
    if wanted.is_empty() || limit < EVIDENCE_MIN {
        return;
    }
    // Two receivers of one alert want the same.
    let mut subjects: Vec<&Subject> = Vec::new();
    for (_, _, subject) in &wanted {
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let end = Instant::now() + limit;
    let all = async {
        // Some time is left for showing it.
        let gathered = Instant::now() + limit * 3 / 5;
        let findings = join_all(subjects.iter().map(|subject| gather(subject, gathered))).await;
        for (what, gap) in findings.iter().flat_map(|found| &found.gaps) {
            tracing::info!("{}", gap.line(*what, Language::English.words()));
        }
        for (post, receipt, subject) in &wanted {
            let place = subjects.iter().position(|other| *other == subject);
            let Some(found) = place.and_then(|place| findings.get(place)).cloned() else { continue };
            let (edit, reply) = plan.with_evidence(post, receipt, found);
            let Ok(sender) = sender(&post.target).await else { continue };
            if let Some((edit, question)) =
                edit.filter(|edit| courier.has_room_for(edit)).zip(plan.question(post))
                && let [item] = post.items[..]
                && let Some(RelayItem { alert, .. }) = plan.items.get(item)
                && let Some(mut hold) = ledger.hold(&question, (alert, receipt), Utc::now()).await
            {
                // Somebody may have acted while it was asked for.
                let edit = match &hold.incident {
                    Some(incident) => plan.with_people(edit, incident),
                    None => edit,
                };
                let taken = courier.follow_up(plan, edit, &sender).await;
                hold.shown = taken.and_then(|post| plan.kept_content(&post));
                ledger.release(&question, hold, Utc::now()).await;
            }
            if let Some(reply) = reply.filter(|reply| courier.has_room_for(reply)) {
                courier.follow_up(plan, reply, &sender).await;
            }
        }
    };
    if timeout_at(end, all).await.is_err() {
        tracing::info!("the time for charts and log lines is over; what is not shown by now is left out");
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
        // Its own first: it is the one to be changed.
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
            let Some(kept) = kept else { continue };
            let sighting = sightings.iter().find(|sighting| sighting.name == name);
            kept.found.extend(sighting.map(|Sighting { receipt, is_digest, shows, .. }| Found {
                delivery,
                receipt: receipt.clone(),
                is_digest: *is_digest,
                shows: shows.clone(),
            }));
        }
    }
}
