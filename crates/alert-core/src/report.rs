//! What became of a plan's posts, and what is to be remembered of it.
//!
//! Who posts writes the report; who remembers is the caller's.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use crate::incident::{self, Incident, Told};
use crate::key::{self, AlertKey, DeliveryKey};
use crate::known::{Kept, Shown};
use crate::outcome::{Failure, Receipt};
use crate::relay::{Life, Post, RelayPlan, Stepped};
use crate::target::{Act, Target};

/// A message's content, and an alert, that is kept; far above what [`crate::render::slack`] writes, and far below what an item
/// of DynamoDB takes (400 KB).
pub(crate) const KEPT_MAX_BYTES: usize = 100_000;

/// What an invocation delivered, and what it could not.
#[derive(Debug, Default)]
pub struct DeliveryReport<'p> {
    /// Posts that have arrived, in their order at each target.
    pub arrived: Vec<Arrived<'p>>,
    /// Posts of which nobody knows whether they arrived, and when they were tried.
    pub unsure: Vec<(Cow<'p, Post>, DateTime<Utc>)>,
    /// Items that need no post for a receiver, because another's brings them to the same target: the item, the name of the
    /// receiver that they were planned for, and the target.
    pub shared: Vec<(usize, String, Target)>,
    /// Items that are delivered to every receiver they were posted to, by their place in the plan, and when the last got it.
    pub delivered: BTreeMap<usize, DateTime<Utc>>,
    /// Items that failed, by their place and the name of the receiver that they were planned for, and why.
    pub failed: BTreeMap<(usize, String), Failure>,
    /// Attempts by item.
    pub tries: HashMap<usize, u32>,
    /// Posts that had to be repeated.
    pub retries: u32,
}

/// A post that has arrived.
#[derive(Debug)]
pub struct Arrived<'p> {
    /// As it was taken in the end.
    pub post: Cow<'p, Post>,
    /// What finds it again.
    pub receipt: Option<Receipt>,
    /// When it was taken.
    pub at: DateTime<Utc>,
}

impl Arrived<'_> {
    /// What was done where, for the log: `say C0123 1789384724.000100`. Nothing in it leads there.
    #[must_use]
    pub fn described(&self) -> String {
        let act = match self.post.act {
            Act::Say => "say",
            Act::Reply { .. } => "reply",
            Act::Edit(_) => "edit",
            Act::Supersede(_) => "supersede",
        };
        // An edit's message is the one that it changes, whatever the target answers.
        let message = self.post.act.about().filter(|_| self.post.act.is_edit()).or(self.receipt.as_ref());
        match message {
            Some(Receipt { place, message }) => format!("{act} {place} {message}"),
            None => format!("{act} {}", self.post.target.way.name),
        }
    }
}

impl<'p> DeliveryReport<'p> {
    /// Why an item failed for the first of the receivers who did not get it.
    #[must_use]
    pub fn failure(&self, item: usize) -> Option<&Failure> {
        let (_, failure) =
            self.failed.range((item, String::new())..).next().filter(|((of, _), _)| *of == item)?;
        Some(failure)
    }

    /// Why an item failed, or one that speaks for it.
    #[must_use]
    pub fn failure_of(&self, plan: &RelayPlan<'_>, item: usize) -> Option<&Failure> {
        self.failure(item).or_else(|| plan.spokesmen(item).find_map(|speaker| self.failure(speaker)))
    }

    /// When an item was delivered, or the one that speaks for it.
    #[must_use]
    pub fn delivered_at(&self, plan: &RelayPlan<'_>, item: usize) -> Option<DateTime<Utc>> {
        let delivered = |item: usize| self.delivered.get(&item).copied();
        delivered(item).or_else(|| plan.spokesmen(item).find_map(delivered))
    }

    /// Whether an item, or one that speaks for it, has arrived anywhere.
    #[must_use]
    pub fn has_arrived(&self, plan: &RelayPlan<'_>, item: usize) -> bool {
        self.told(plan, item).next().is_some()
    }

    /// The posts that have arrived of an item, or of one that speaks for it.
    pub fn told(&self, plan: &RelayPlan<'_>, item: usize) -> impl Iterator<Item = &Arrived<'p>> {
        let items: Vec<usize> = std::iter::once(item).chain(plan.spokesmen(item)).collect();
        self.arrived.iter().filter(move |arrived| arrived.post.items.iter().any(|item| items.contains(item)))
    }

    /// Takes in what became of another target's posts.
    pub fn add(&mut self, other: Self) {
        self.arrived.extend(other.arrived);
        self.unsure.extend(other.unsure);
        self.shared.extend(other.shared);
        for (item, at) in other.delivered {
            self.delivered.entry(item).and_modify(|last| *last = at.max(*last)).or_insert(at);
        }
        self.retries += other.retries;
        self.failed.extend(other.failed);
        for (item, tries) in other.tries {
            *self.tries.entry(item).or_default() += tries;
        }
    }

    /// A post has arrived.
    pub fn arrive(&mut self, post: Cow<'p, Post>, receipt: Option<Receipt>, at: DateTime<Utc>) {
        self.delivered.extend(post.items.iter().map(|item| (*item, at)));
        self.arrived.push(Arrived { post, receipt, at });
    }

    /// A post is given up in this invocation; the first reason counts.
    pub fn fail(&mut self, post: &Post, failure: &Failure) {
        // It tells nothing that its alert's own message does not.
        if matches!(post.act, Act::Supersede(_)) {
            return;
        }
        for item in &post.items {
            let place = (*item, post.planned_for().to_owned());
            self.failed.entry(place).or_insert_with(|| failure.clone());
        }
    }
}

/// What is to be remembered of one alert at one receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled<'s> {
    /// The receiver's name.
    pub receiver: &'s str,
    /// Which alert.
    pub alert: &'s AlertKey,
    /// Deliveries that have arrived, and when.
    pub delivered: Vec<(&'s DeliveryKey, DateTime<Utc>)>,
    /// Deliveries that may have arrived, and when they were tried.
    pub unsure: Vec<(&'s DeliveryKey, DateTime<Utc>)>,
    /// The newest state that people see now, unless they knew a newer one.
    pub shown: Option<Shown>,
    /// The receiver's own target took something, and not that of a stand-in.
    pub is_taken: bool,
    /// What is to be kept beyond this process, where somebody does.
    pub kept: Option<Keep>,
}

/// What is to be kept of an alert that was claimed; the claim is done with.
#[derive(Debug, Clone, PartialEq)]
pub struct Keep {
    /// Its life; nothing where nothing of it was told.
    pub incident: Option<Incident>,
    /// The names of deliveries that may have arrived.
    pub tried: Vec<String>,
    /// What its message holds, where people may act on it; `None` where nothing new is known of that.
    pub shown: Option<String>,
    /// That message.
    pub message: Option<Receipt>,
    /// Whether it is another one than before.
    pub is_message_new: bool,
    /// The alert in its newest state, so that it can be told again; `None` where nobody may want that, or nothing is new.
    pub alert: Option<String>,
}

impl Keep {
    /// Nothing but the names of deliveries that may have arrived.
    #[must_use]
    pub fn only(tried: Vec<String>) -> Self {
        Self { incident: None, tried, shown: None, message: None, is_message_new: false, alert: None }
    }
}

/// What is to be remembered when a plan's posts are done with.
#[must_use]
pub fn settle<'s>(plan: &'s RelayPlan<'_>, report: &'s DeliveryReport<'_>) -> Vec<Settled<'s>> {
    let mut all: Vec<Settled<'s>> = Vec::new();
    let mut places: HashMap<(&'s str, &'s AlertKey), usize> = HashMap::new();
    let mut of = |receiver: &'s str, alert: &'s AlertKey| {
        *places.entry((receiver, alert)).or_insert_with(|| {
            let (delivered, unsure) = (Vec::new(), Vec::new());
            all.push(Settled {
                receiver,
                alert,
                delivered,
                unsure,
                shown: None,
                is_taken: false,
                kept: None,
            });
            all.len() - 1
        })
    };
    let mut arrived = Vec::new();
    for Arrived { post, receipt, at } in &report.arrived {
        for item in &post.items {
            let Some(known) = plan.items.get(*item) else { continue };
            arrived.push((
                of(plan.meant_for(post.planned_for(), *item), &known.key),
                *item,
                post,
                receipt,
                *at,
            ));
            // What it was shared with is told, too.
            for (_, receiver, _) in
                report.shared.iter().filter(|(of, _, at)| of == item && *at == post.target)
            {
                let settled = of(plan.meant_for(receiver, *item), &known.key);
                arrived.push((settled, *item, post, receipt, *at));
            }
        }
    }
    let mut kept = Vec::new();
    let mut by_item: HashMap<usize, Vec<&Arrived<'_>>> = HashMap::new();
    if !plan.lives().is_empty() {
        for arrived in &report.arrived {
            for item in &arrived.post.items {
                by_item.entry(*item).or_default().push(arrived);
            }
        }
    }
    for life in plan.lives() {
        if let Some(first) = plan.items.get(life.first) {
            kept.push((of(&life.receiver, &first.key), keep(plan, report, &by_item, life)));
        }
    }
    let mut unsure = Vec::new();
    for (post, at) in &report.unsure {
        for item in &post.items {
            let Some(known) = plan.items.get(*item) else { continue };
            unsure.push((of(plan.meant_for(post.planned_for(), *item), &known.key), &known.delivery, *at));
        }
    }
    for (place, item, post, receipt, at) in arrived {
        // A reply that has arrived is not all of it where the change of the message has failed.
        let has_failed = report.failed.contains_key(&(item, post.planned_for().to_owned()));
        let (settled, item) = (&mut all[place], &plan.items[item]);
        // What crosses out an older message tells nothing; what rings nowhere counts when the table knows of it.
        if !has_failed && !matches!(post.act, Act::Supersede(_)) && !post.is_silent() {
            settled.delivered.push((&item.delivery, at));
        }
        settled.is_taken |= post.instead_of.is_none();
        let Some(changed_at) = item.alert.changed_at else { continue };
        if settled.shown.as_ref().is_none_or(|shown| shown.at <= changed_at) {
            // A reply shows nothing that could be changed, and who is stood in for has no message.
            let receipt = receipt.clone().filter(|_| post.instead_of.is_none());
            let receipt = match post.act {
                Act::Reply { ref to, .. } => Some(to.clone()),
                Act::Say | Act::Edit(_) => receipt,
                Act::Supersede(_) => None,
            };
            settled.shown = Some(Shown { state: item.alert.state_value.clone(), at: changed_at, receipt });
        }
    }
    for (place, delivery, at) in unsure {
        all[place].unsure.push((delivery, at));
    }
    for (place, kept) in kept {
        all[place].kept = Some(kept);
    }
    all
}

/// What a silence keeps from ringing of an alert, by the items' places and the names of the receivers that they were planned for: where that
/// was not written down, nobody knows of it.
#[must_use]
pub fn held(plan: &RelayPlan<'_>, settled: &Settled<'_>) -> Vec<(usize, String)> {
    let mut lives = plan.lives().iter();
    let life = lives.find(|life| {
        let first = plan.items.get(life.first);
        life.receiver == settled.receiver && first.is_some_and(|first| first.key == *settled.alert)
    });
    let held = life.into_iter().flat_map(|life| {
        let steps = life.steps.iter().filter(|step| step.is_owed);
        steps.filter_map(|step| Some((step.item, plan.planned_for(&life.receiver, step.item)?.to_owned())))
    });
    held.collect()
}

/// A digest's message, as far as what was posted changes it.
#[derive(Debug)]
pub struct Digest<'s> {
    /// The post: the digest itself, or a reply in its thread.
    pub post: &'s Post,
    /// The digest's message.
    pub receipt: Receipt,
    /// How it is stored: the same for the same message.
    pub key: String,
    /// What became of it.
    pub news: DigestNews,
}

/// What became of a digest.
#[derive(Debug)]
pub enum DigestNews {
    /// It was posted, with so many alerts.
    Posted(usize),
    /// These of its alerts are over, each by one word.
    Over(Vec<String>),
}

/// The digests that were posted, or some of whose alerts are over: their headline counts them.
#[must_use]
pub fn digests<'s>(plan: &'s RelayPlan<'_>, report: &'s DeliveryReport<'_>) -> Vec<Digest<'s>> {
    if plan.lives().is_empty() {
        return Vec::new();
    }
    let arrived = report.arrived.iter().filter(|arrived| arrived.post.instead_of.is_none());
    let digests = arrived.filter_map(|Arrived { post, receipt, .. }| {
        let (receipt, news) = match &post.act {
            Act::Say => {
                let members = plan.count_alerts(post);
                if members < 2 {
                    return None;
                }
                (receipt.clone()?, DigestNews::Posted(members))
            }
            Act::Reply { to, .. } => {
                let over = plan.over_in_digest(post).map(|item| {
                    key::hash(&[&key::place(plan.meant_for(post.planned_for(), item), &plan.items[item].key)])
                });
                let over: Vec<_> = over.collect();
                if over.is_empty() {
                    return None;
                }
                (to.clone(), DigestNews::Over(over))
            }
            Act::Edit(_) | Act::Supersede(_) => return None,
        };
        let key = format!("digest|{}|{}|{}", post.target.stored(), receipt.place, receipt.message);
        Some(Digest { post, receipt, key, news })
    });
    digests.collect()
}

/// What has become of an alert's life: its changes once more, but those that were not told.
fn keep(
    plan: &RelayPlan<'_>,
    report: &DeliveryReport<'_>,
    arrived: &HashMap<usize, Vec<&Arrived<'_>>>,
    life: &Life,
) -> Keep {
    let Kept { incident, tried, .. } = &life.kept;
    let (mut incident, mut tried) = (incident.clone(), tried.clone());
    let (mut shown, mut alert) = (None, None);
    for Stepped { item: index, told, is_in_digest, is_quiet, by, .. } in &life.steps {
        let Some(item) = plan.items.get(*index) else { continue };
        let Some(planned_for) = plan.planned_for(&life.receiver, *index) else { continue };
        let (name, speaker) = (item.delivery.name(), plan.spokesman_for(*index, planned_for));
        tried.retain(|other| *other != name);
        let is_here = |post: &Post, item: usize| {
            post.items.contains(&item) && plan.meant_for(post.planned_for(), item) == life.receiver
        };
        let has_failed = |item: usize| report.failed.contains_key(&(item, planned_for.to_owned()));
        let arrived: Vec<_> = arrived
            .get(&speaker)
            .into_iter()
            .flatten()
            .copied()
            .filter(|arrived| is_here(&arrived.post, speaker))
            .collect();
        let has_arrived = !arrived.is_empty() || is_shared(plan, report, life, speaker);
        let is_told = has_arrived || *is_quiet;
        if has_failed(*index) || has_failed(speaker) || !is_told {
            let is_unsure = report.unsure.iter().any(|(post, _)| is_here(post, speaker));
            if has_arrived || is_unsure {
                tried.push(name);
            }
            continue;
        }
        let change = life.told_by(plan.change(item, &name, plan.patience(*index, &life.receiver)), &item.key);
        if by.is_some() {
            incident = Some(Incident::passed_by(incident.as_ref(), &change, plan.now).0);
            continue;
        }
        let step = incident::next(incident.as_ref(), &change, plan.now, plan.policy());
        // A copy of what was not told tells of nothing: what it is a copy of comes again.
        if matches!(told, Told::Nothing(_)) && !matches!(step.told, Told::Nothing(_)) {
            continue;
        }
        let mut next = step.incident;
        // Who stands in has no message of it, and late news is no message that shows it.
        for Arrived { post, receipt, .. } in
            arrived.into_iter().filter(|arrived| arrived.post.instead_of.is_none())
        {
            let has_many = || plan.count_alerts(post) > 1;
            let (receipt, is_digest) = match &post.act {
                // Told louder together with others, it has its own message still.
                Act::Say if matches!(told, Told::Unacknowledged { .. }) && next.receipt.is_some() => continue,
                Act::Say if told.is_of_incident() => (receipt.clone(), has_many()),
                Act::Edit(to) => (Some(receipt.clone().unwrap_or_else(|| to.clone())), has_many()),
                // Where no message was known, one was found.
                Act::Reply { to, .. } if next.receipt.is_none() && told.is_of_incident() => {
                    (Some(to.clone()), *is_in_digest)
                }
                Act::Say | Act::Reply { .. } | Act::Supersede(_) => continue,
            };
            next.target = receipt.is_some().then(|| post.target.stored());
            next.is_digest = is_digest;
            next.receipt = receipt;
            if !matches!(post.act, Act::Reply { .. }) {
                shown = plan.kept_content(post);
            }
        }
        // News, late or not, is not what is shown.
        let is_newest = change.is_state
            && change.state == next.state
            && change.at.is_none_or(|at| at >= next.at)
            && next.silenced.is_some();
        if told.is_of_incident() || is_newest {
            alert = Some(*index);
        }
        incident = Some(next);
    }
    // Who looked at the time and did not live to tell does not try it again: something else has.
    let looks = |incident: Option<&Incident>| {
        incident.map(|incident| (incident.silenced.clone(), incident.escalation))
    };
    if looks(life.kept.incident.as_ref()) != looks(incident.as_ref())
        && let Some(first) = plan.items.get(life.first)
    {
        let looks = life.looks(&first.key);
        tried.retain(|other| looks.iter().all(|(look, _)| look != other));
    }
    // A set, and those that are told are no riddle any more.
    tried.sort();
    tried.dedup();
    tried.retain(|name| !incident.as_ref().is_some_and(|incident| incident.is_told(name)));
    let shown = shown.filter(|shown| shown.len() <= KEPT_MAX_BYTES);
    let message = incident.as_ref().filter(|_| shown.is_some()).and_then(|incident| incident.receipt.clone());
    let known = life.kept.incident.as_ref().and_then(|incident| incident.receipt.as_ref());
    let is_message_new = message.is_some() && message.as_ref() != known;
    // Who may be silenced later has to ring after that.
    let is_silenced = incident.as_ref().is_some_and(|incident| incident.silenced.is_some());
    let is_awaited = incident.as_ref().is_some_and(|incident| incident.escalation.is_some());
    let alert = alert.filter(|item| is_silenced || is_awaited || plan.may_be_silenced(*item, &life.receiver));
    let alert = alert.and_then(|item| plan.stored(item, &life.receiver));
    Keep { incident, tried, shown, message, is_message_new, alert }
}

/// Whether an item came to a target by another receiver's post.
fn is_shared(plan: &RelayPlan<'_>, report: &DeliveryReport<'_>, life: &Life, item: usize) -> bool {
    let mut shared = report
        .shared
        .iter()
        .filter(|(other, receiver, _)| *other == item && plan.meant_for(receiver, item) == life.receiver);
    shared.any(|(_, _, target)| {
        report
            .arrived
            .iter()
            .any(|arrived| arrived.post.target == *target && arrived.post.items.contains(&item))
    })
}
