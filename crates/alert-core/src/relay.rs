//! What the relay does with an event: which messages go to whom, in what order. Posting them is the caller's.
//!
//! The planning is pure, so that the function, `alertctl explain` and the tests see the same plan.

use std::borrow::Cow;
use std::collections::hash_map;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::alert::{Alert, Evidence, State};
use crate::blind::{self, Seen};
use crate::canary;
use crate::config::{BrokenConfiguration, Config, Escalate, Receiver, SECOND_WAY_RECEIVER};
use crate::decide::{self, Dropped, Routed, Verdict};
use crate::envelope::{Body, Decoded, Record};
use crate::evidence::{Findings, Subject};
use crate::heartbeat::{self, Heard};
use crate::incident::{
    self, Change, Escalation, Incident, Look, Patience, Policy, Repeat, Showing, Silenced, Step, Told,
};
use crate::key::{self, AlertKey, DeliveryKey};
use crate::known::{Found, Kept, Known, Past, Question, Shown};
use crate::order;
use crate::outcome::Receipt;
use crate::own::Own;
use crate::render::page::words::fill;
use crate::render::page::{Context, Page, Warning, Words};
use crate::render::slack::arguments::Label;
use crate::render::{Entry, Message, Options, Rendering};
use crate::report::{Digest, KEPT_MAX_BYTES};
use crate::silence::Silences;
use crate::source;
use crate::target::{APP, Act, Closed, Target, WEBHOOK, Way};

/// What is the same for every event of a deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The rules and routes.
    pub config: Config,
    /// What is wrong with the configuration, for every message to say; `None` when all is well.
    pub broken: Option<BrokenConfiguration>,
    /// What else is wrong with the deployment, a sentence each, for every message to say.
    pub problems: Vec<String>,
    /// Where the alerts go of receivers that name no target.
    pub own: Target,
    /// Where alerts go when neither their receiver's target nor [`own`](Self::own) takes them, before
    /// [`Config::second_way`].
    pub second: Option<Target>,
    /// Targets that cannot be had, and why; who stands in for their receivers gets their alerts.
    pub unavailable: Vec<(Closed, String)>,
    /// The channel that messages by the deployment's own webhook ask for.
    pub channel: Option<String>,
    /// Somebody takes what people press in messages of the app.
    pub has_buttons: bool,
    /// Somebody looks at the time, and remembers.
    pub is_minded: bool,
    /// The name of the alarm that is the canary's.
    pub canary: Option<String>,
}

impl Deployment {
    /// A deployment in which all is well.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            broken: None,
            problems: Vec::new(),
            own: Target::OWN_WEBHOOK,
            second: None,
            unavailable: Vec::new(),
            channel: None,
            has_buttons: false,
            is_minded: false,
            canary: None,
        }
    }

    /// The deployment, with what else is given up.
    #[must_use]
    pub fn without(&self, closed: Vec<(Closed, String)>) -> Cow<'_, Self> {
        let mut deployment = Cow::Borrowed(self);
        if !closed.is_empty() {
            deployment.to_mut().unavailable.extend(closed);
        }
        deployment
    }

    /// Where a receiver's messages go.
    #[must_use]
    pub fn target_of(&self, receiver: &Receiver) -> Target {
        match (&receiver.target, &receiver.channel) {
            (Some(target), _) => target.clone(),
            (None, Some(channel)) if self.own.way == APP => Target::channel(channel),
            (None, _) => self.own.clone(),
        }
    }
}

/// One alert and what is to become of it.
#[derive(Debug, Clone)]
pub struct RelayItem {
    /// Which of the event's records it came in.
    pub record: usize,
    /// Its place in that record.
    pub place: usize,
    /// The alert.
    pub alert: Alert,
    /// Which alert it is.
    pub key: AlertKey,
    /// Which delivery of it this is.
    pub delivery: DeliveryKey,
    /// Who gets it, or why nobody does.
    pub verdict: Verdict,
}

/// One message to one receiver.
#[derive(Debug, Clone)]
pub struct Post {
    /// Names it at its target: the same when the same deliveries go to the same receiver again.
    pub name: String,
    /// The names that the messages of a digest's deliveries would have, each by itself.
    pub members: Vec<String>,
    /// Who gets it.
    pub receiver: Arc<Receiver>,
    /// The name of the receiver whose target cannot be had, where this one stands in for it.
    pub instead_of: Option<String>,
    /// What takes it.
    pub target: Target,
    /// What it is to do there.
    pub act: Act,
    /// The items that it tells of, by their place in [`RelayPlan::items`]; more than one in a digest.
    pub items: Vec<usize>,
    /// How the message is written.
    pub rendering: Rendering,
    /// The message.
    pub message: Message,
    /// An earlier try of it may have arrived.
    pub may_be_repeat: bool,
    /// When it was planned.
    pub at: DateTime<Utc>,
    /// The change that its message shows, for the message to say; `None` of a digest or a reply.
    pub shows: Option<Showing>,
    /// For a digest, what its alerts have in common.
    destination: Box<Destination>,
}

/// What is kept of one alert at one receiver, and what this event does to it.
#[derive(Debug)]
pub(crate) struct Life {
    /// What was known.
    pub(crate) kept: Kept,
    /// The name of the receiver that it is kept for.
    pub(crate) receiver: String,
    /// One of its items.
    pub(crate) first: usize,
    /// What its items do, in their order.
    pub(crate) steps: Vec<Stepped>,
    /// The incident after them, as far as it is known before anything is posted.
    incident: Option<Incident>,
    /// Messages of which nobody recorded that they were posted.
    found: Vec<Found>,
    /// Of those the one that shows the alert from now on.
    taken: Option<Found>,
    /// The names of the deliveries of this event.
    own: HashSet<String>,
}

/// What one item does to an alert's life.
#[derive(Debug)]
pub(crate) struct Stepped {
    /// The item.
    pub(crate) item: usize,
    /// What is told of it.
    pub(crate) told: Told,
    /// Whether the message that shows it then is a digest's.
    pub(crate) is_in_digest: bool,
    /// Nothing is to be done for it.
    pub(crate) is_quiet: bool,
    /// It rings nowhere and is told when the silence ends, if the table knows of it.
    pub(crate) is_owed: bool,
    /// The newer change that a message was found to show.
    pub(crate) by: Option<Showing>,
}

impl Stepped {
    /// Whether somebody has silenced it, and no message shows it.
    fn is_held(&self) -> bool {
        self.is_quiet && self.is_owed
    }

    fn new(item: usize, Planned { step, acts, by, .. }: &Planned) -> Self {
        let is_in_digest = step.incident.is_digest;
        let (is_quiet, is_owed) = (acts.is_empty(), step.is_owed());
        Self { item, told: step.told, is_in_digest, is_quiet, is_owed, by: by.clone() }
    }

    /// What was told before, and is only to be recorded.
    fn told(item: usize) -> Self {
        let told = Told::SilenceOver { changes: 0 };
        Self { item, told, is_in_digest: false, is_quiet: true, is_owed: false, by: None }
    }
}

/// What one item does to an alert's life, before anything is posted.
struct Planned {
    step: Step,
    acts: Vec<Act>,
    /// The message that was found, and shows the alert from now on.
    found: Option<Found>,
    /// The newer change that a message was found to show.
    by: Option<Showing>,
}

/// A receiver's name, and an alert by the first of its items.
type Place = (String, usize);

impl Life {
    fn new(kept: Kept, receiver: String, first: usize) -> Self {
        let incident = kept.incident.clone();
        Self {
            kept,
            receiver,
            first,
            steps: Vec::new(),
            incident,
            found: Vec::new(),
            taken: None,
            own: HashSet::new(),
        }
    }

    /// A change, with what is known of the delivery that tells it: who looks at the time does so after it was silenced, and
    /// anybody else may have rung before, in an earlier try.
    pub(crate) fn told_by<'c>(&self, change: Change<'c>, alert: &AlertKey) -> Change<'c> {
        let looks = self.looks(alert);
        let look = looks.into_iter().find(|(name, _)| name == change.delivery).map(|(_, look)| look);
        let was_tried = look.is_none() && self.kept.tried.iter().any(|tried| tried == change.delivery);
        Change { was_tried, look, ..change }
    }

    /// The names under which is told what somebody sees who looks at the time.
    pub(crate) fn looks(&self, alert: &AlertKey) -> Vec<(String, Look)> {
        let Some(incident) = &self.kept.incident else { return Vec::new() };
        let place = key::place(&self.receiver, alert);
        let silence = incident.silenced.as_ref();
        let silence = silence.map(|silenced| (silence_over(&place, silenced).name(), Look::Silence));
        let escalation = incident.escalation.as_ref();
        let escalation =
            escalation.map(|escalation| (escalated(&place, escalation).name(), Look::Escalation));
        silence.into_iter().chain(escalation).collect()
    }

    /// Whether a message of it may stand at the target that nobody finds any more.
    fn has_lost(&self) -> bool {
        let has_message = self.incident.as_ref().is_some_and(|incident| incident.receipt.is_some());
        !has_message && self.found.is_empty() && !self.kept.tried.is_empty()
    }

    /// The message that shows a newer change than this one, where nothing else is known of that: it must not go back to what
    /// it showed before. Whoever told it may come again, and only then is known what it said.
    fn passed_by(&self, change: &Change<'_>) -> Option<&Found> {
        let has_message = self.incident.as_ref().is_some_and(|incident| incident.receipt.is_some());
        // Who looks at the time tells what was recorded.
        if has_message || change.look.is_some() {
            return None;
        }
        // Its own message stays its own: who has changed that comes again.
        let others = self.found.iter().filter(|found| found.delivery != change.delivery);
        let newer = others.filter(|found| {
            found.shows.as_ref().is_some_and(|shows| {
                let is_unknown = self
                    .incident
                    .as_ref()
                    .is_none_or(|known| known.state == State::Informational || known.at < shows.changed_at);
                shows.is_newer_than(change) && is_unknown && !self.own.contains(&shows.told_by)
            })
        });
        newer.max_by_key(|found| found.shows.as_ref().map(Showing::order))
    }

    /// What one of its items does, and the acts for it at this target.
    fn step(
        &mut self,
        alert: &AlertKey,
        change: Change<'_>,
        has_rules: bool,
        target: &Target,
        policy: &Policy,
        now: DateTime<Utc>,
    ) -> Planned {
        let change = self.told_by(change, alert);
        let name = change.delivery;
        // A message elsewhere is none: there nobody looks any more.
        if let Some(incident) = &mut self.incident
            && incident.target.as_ref().is_some_and(|other| *other != target.stored())
        {
            (incident.receipt, incident.target, incident.is_digest) = (None, None, false);
        }
        if let Some(found) = self.passed_by(&change) {
            let (incident, is_news) = Incident::passed_by(self.incident.as_ref(), &change, now);
            let told = if is_news { Told::Late } else { Told::Nothing(Repeat::Copy) };
            let reply = Act::Reply { to: found.receipt.clone(), is_shown: false };
            let acts = if is_news { vec![reply] } else { Vec::new() };
            let by = found.shows.clone();
            self.incident = Some(incident.clone());
            return Planned { step: Step { incident, told, is_silent: false }, acts, found: None, by };
        }
        let before = self.incident.as_ref().filter(|incident| !incident.is_digest);
        let before = before.and_then(|incident| incident.receipt.clone());
        let mut step = incident::next(self.incident.as_ref(), &change, now, policy);
        let mut acts = step.acts(policy);
        let own = self.found.iter().position(|found| found.delivery == name);
        // The message of another delivery of this event is that one's to change.
        let others = self.found.iter().position(|found| !self.own.contains(&found.delivery));
        let found = own.or(others);
        let has_no_message = acts == [Act::Say] || step.is_silent && step.incident.receipt.is_none();
        if has_no_message
            && step.told.is_of_incident()
            && let Some(found) = found
        {
            let found = self.found.swap_remove(found);
            let Found { delivery, receipt, is_digest, .. } = found.clone();
            // What has rung by itself needs no further one.
            let rings = step.incident.is_open() && delivery != name && !step.is_silent;
            // A digest is the message of others, too: it is answered and never changed.
            let reply = Act::Reply { to: receipt.clone(), is_shown: rings };
            let edit = Act::Edit(receipt.clone());
            acts = (rings || is_digest && !step.is_silent).then_some(reply).into_iter().collect();
            acts.extend((!is_digest).then_some(edit));
            // What was posted behind it in the meantime is older, and looks newer.
            let others = before.as_ref().filter(|before| **before != receipt && target.way.can_edit);
            acts.extend(others.cloned().map(Act::Supersede));
            (step.incident.receipt, step.incident.target) = (Some(receipt), Some(target.stored()));
            step.incident.is_digest = is_digest;
            self.taken = Some(found);
        } else if let Some(own) = own {
            // Another message tells of the alert by now.
            let Found { receipt, is_digest, .. } = self.found.swap_remove(own);
            // What is said by itself is that message: it is found and not said again.
            let is_another = step.incident.receipt.as_ref() != Some(&receipt) && !acts.contains(&Act::Say);
            if is_another && !is_digest {
                acts.push(Act::Supersede(receipt));
            }
        }
        // What a process that did not live to say so has made of the message before, nobody knows. Of this very delivery it was
        // changed only where a silence had held it, by a rule maybe that is no more.
        let was_silenced =
            has_rules || self.kept.incident.as_ref().is_some_and(|incident| incident.silenced.is_some());
        if acts == [Act::Say]
            && step.told == Told::New
            && self.kept.tried.iter().any(|delivery| *delivery != name || was_silenced)
            && let Some(before) = before
            && target.way.can_edit
        {
            acts.push(Act::Supersede(before));
        }
        self.incident = Some(step.incident.clone());
        Planned { step, acts, found: self.taken.clone(), by: None }
    }
}

/// An item that is not posted to a receiver now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its place in [`RelayPlan::items`].
    pub item: usize,
    /// The receiver's name.
    pub receiver: String,
    /// The way that it would go.
    pub way: Way,
    /// Another process has it; otherwise its last try is too fresh.
    pub is_elsewhere: bool,
}

/// Everything that one event asks for.
#[derive(Debug)]
pub struct RelayPlan<'d> {
    /// The event's records, without their bodies.
    pub records: Vec<Record>,
    /// Every alert of every record, in their order.
    pub items: Vec<RelayItem>,
    /// Signs of life among the items.
    pub heard: Vec<Heard>,
    /// Canaries among the items, and when each was sent.
    pub canaries: Vec<(usize, DateTime<Utc>)>,
    /// What the items say of rules that cannot be evaluated.
    pub seen: Vec<Seen>,
    /// The messages to post, in order.
    pub posts: Vec<Post>,
    /// What is not posted, because the last try may have arrived and is too fresh.
    pub held: Vec<Held>,
    /// For each item the first one that is a change of the same alert.
    first_of_alert: Vec<usize>,
    /// For an item at a receiver, by its name, the one whose message speaks for it, too: that of the same delivery, or of a
    /// newer change.
    twins: BTreeMap<(usize, String), usize>,
    /// What is kept of alerts by somebody, and what this event does to it.
    lives: Vec<Life>,
    destinations: Vec<Vec<Destination>>,
    /// What people have silenced by rules.
    silences: Silences,
    deployment: &'d Deployment,
    request_id: String,
    /// When it was planned.
    pub(crate) now: DateTime<Utc>,
}

/// An event that is decided upon, before it is known what became of earlier deliveries.
#[derive(Debug)]
pub struct Draft<'d>(RelayPlan<'d>);

/// An alert as it is kept, so that it can be told again though no event tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// The alert, without its [`payload`](Alert::payload).
    pub alert: Alert,
    /// Which alert it is.
    pub key: AlertKey,
    /// The route that chose its receiver.
    pub route: String,
}

impl Stored {
    /// Reads the stored form. Another version of the program may have written another one.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The form to be stored.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Texts, numbers and lists of them are always JSON.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Something that is told though no event tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// The alert.
    pub own: Own,
    /// Who is told.
    pub to: Recipients,
}

/// Who is told of something that no event tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipients {
    /// The receiver of this name, whom this route chose.
    Receiver {
        /// The name.
        name: String,
        /// The route.
        route: String,
    },
    /// The same, and by the second way everybody as well: nobody has acknowledged it for so long.
    Escalated {
        /// The name.
        name: String,
        /// The route.
        route: String,
        /// For how long.
        within: TimeDelta,
    },
    /// Whom the routes choose.
    Routes,
    /// Whom the routes choose, and by the second way everybody as well: it must be heard for sure.
    Everybody,
}

/// Names the telling that a silence is over of the alert that is kept in this place.
#[must_use]
pub fn silence_over(place: &str, silenced: &Silenced) -> DeliveryKey {
    let Silenced { at, until, .. } = silenced;
    let until = until.map_or(0, |until| until.timestamp_millis());
    let parts = ["silence over", place, &at.timestamp_millis().to_string(), &until.to_string()];
    DeliveryKey { delivery: key::hash(&parts), body: 0, place: 0 }
}

/// Names the next telling that nobody is on the alert that is kept in this place.
#[must_use]
pub fn escalated(place: &str, escalation: &Escalation) -> DeliveryKey {
    let (since, told) = (escalation.since.timestamp_millis().to_string(), escalation.told.to_string());
    DeliveryKey { delivery: key::hash(&["escalation", place, &since, &told]), body: 0, place: 0 }
}

/// Decides who is told of what no event tells. Of alerts that are kept, what has become of their silences decides what is told.
#[must_use]
pub fn tell<'d>(
    all: Vec<Telling>,
    deployment: &'d Deployment,
    request_id: &str,
    now: DateTime<Utc>,
) -> Draft<'d> {
    let config = &deployment.config;
    let records = all.iter().map(|_| Record::new(Body::Text(String::new()))).collect();
    let items =
        all.into_iter().enumerate().map(|(index, Telling { own: Own { alert, key, delivery }, to })| {
            let by_second_way = |why: String, is_once_more: bool| {
                let receiver = config.second_way_receiver()?;
                let (route, chosen_by) = (String::new(), String::new());
                Some(Routed { receiver, route, chosen_by, escalate: None, why: Some(why), is_once_more })
            };
            let words = config.language.words();
            let receivers = match to {
                Recipients::Receiver { name, route } => vec![kept_for(config, &alert, name, route)],
                Recipients::Escalated { name, route, within } => {
                    let why = fill(words.second_way_unacknowledged, &[&words.span(within)]);
                    [Some(kept_for(config, &alert, name, route)), by_second_way(why, true)]
                        .into_iter()
                        .flatten()
                        .collect()
                }
                Recipients::Routes => decide::routed(config, &alert),
                Recipients::Everybody => {
                    let second = by_second_way(words.second_way_too.to_owned(), false);
                    decide::routed(config, &alert).into_iter().chain(second).collect()
                }
            };
            let verdict = Verdict::Deliver { receivers };
            RelayItem { record: index, place: 0, alert, key, delivery, verdict }
        });
    Draft::of(records, items.collect(), Vec::new(), deployment, request_id, now)
}

/// The receiver for whom an alert is kept, by its name.
fn kept_for(config: &Config, alert: &Alert, name: String, route: String) -> Routed {
    let known = config.receivers.iter().find(|known| known.name == name).cloned();
    let now = decide::routed(config, alert).into_iter().find(|routed| routed.receiver.name == name);
    let escalate = now.and_then(|routed| routed.escalate);
    // One that the configuration does not name any more is remembered by its name, and reached as the default one is.
    let receiver = known.unwrap_or_else(|| {
        let default = Receiver::clone(config.default_receiver());
        Arc::new(Receiver { name, ..default })
    });
    Routed { receiver, route: String::new(), chosen_by: route, escalate, why: None, is_once_more: false }
}

/// Decides what an event asks for.
///
/// `now` is the clock; rules use the time at which a record was sent where its envelope tells.
#[must_use]
pub fn draft<'d>(
    mut decoded: Decoded,
    deployment: &'d Deployment,
    request_id: &str,
    now: DateTime<Utc>,
) -> Draft<'d> {
    // Most records have one alert.
    let mut items = Vec::with_capacity(decoded.records.len());
    let (mut heard, mut canaries, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for (index, record) in decoded.records.iter_mut().enumerate() {
        let at = record.sent_at.unwrap_or(now);
        let first = DeliveryKey::of(record, request_id);
        for (place, mut alert) in source::interpret(record).into_iter().enumerate() {
            let topic = record.topic_arn.as_deref();
            let from_second_way = decide::from_second_way(&deployment.config, &alert, topic);
            let is_canary =
                deployment.canary.as_deref().is_some_and(|alarm| canary::is_canary(&alert, alarm));
            let sent_at = canary::sent_at(&alert).filter(|_| is_canary && alert.state == State::Firing);
            if let Some(sent_at) = sent_at {
                let own = canary::arrived(sent_at, &deployment.config, now);
                alert = Alert { key: Some(own.key), ..own.alert };
                canaries.push((items.len(), sent_at));
            }
            let before = heard.len();
            if deployment.is_minded && from_second_way.is_none() {
                let heartbeats = heartbeat::of(&deployment.config, &alert).cloned();
                heard.extend(heartbeats.map(|heartbeat| Heard { heartbeat, at, item: items.len() }));
            }
            let verdict = match (&from_second_way, heard.get(before)) {
                (Some(dropped), _) => Verdict::Drop(dropped.clone()),
                _ if sent_at.is_some() => {
                    Verdict::Deliver { receivers: decide::routed(&deployment.config, &alert) }
                }
                // It goes back to what it was by itself.
                _ if is_canary => Verdict::Drop(decide::no_canary()),
                (None, Some(heard)) => Verdict::Drop(decide::sign_of_life(&heard.heartbeat)),
                (None, None) => decide::decide_relay(&deployment.config, &alert, at),
            };
            let delivery = DeliveryKey { place, ..first.clone() };
            let key = alert.key.take().unwrap_or_else(|| AlertKey::News(delivery.clone()));
            let dropped = match &verdict {
                Verdict::Drop(dropped) => Some(dropped),
                Verdict::Deliver { .. } => None,
            };
            seen.extend(blind::seen(&deployment.config, &alert, &key, dropped));
            items.push(RelayItem { record: index, place, alert, key, delivery, verdict });
        }
        // Its alerts hold what counts; ten thousand bodies would be the larger part of the memory.
        record.body = Body::Text(String::new());
    }
    let Draft(plan) = Draft::of(decoded.records, items, heard, deployment, request_id, now);
    Draft(RelayPlan { canaries, seen, ..plan })
}

/// Plans an event of which nothing is known; see [`draft`].
#[must_use]
pub fn plan<'d>(
    decoded: Decoded,
    deployment: &'d Deployment,
    request_id: &str,
    now: DateTime<Utc>,
) -> RelayPlan<'d> {
    draft(decoded, deployment, request_id, now).plan(Vec::new(), None)
}

impl<'d> Draft<'d> {
    fn of(
        records: Vec<Record>,
        items: Vec<RelayItem>,
        heard: Vec<Heard>,
        deployment: &'d Deployment,
        request_id: &str,
        now: DateTime<Utc>,
    ) -> Self {
        let mut plan = RelayPlan {
            records,
            first_of_alert: first_of_alert(&items),
            items,
            heard,
            canaries: Vec::new(),
            seen: Vec::new(),
            posts: Vec::new(),
            held: Vec::new(),
            twins: BTreeMap::new(),
            lives: Vec::new(),
            destinations: Vec::new(),
            silences: Silences::default(),
            deployment,
            request_id: request_id.to_owned(),
            now,
        };
        plan.destinations = (0..plan.items.len()).map(|index| plan.destinations(index)).collect();
        Self(plan)
    }

    /// What to ask of earlier deliveries.
    pub fn questions(&self) -> impl Iterator<Item = Question<'_>> {
        self.0.items.iter().zip(&self.0.destinations).flat_map(|(item, destinations)| {
            destinations.iter().map(|destination| Question {
                receiver: &destination.meant_for.name,
                delivery: &item.delivery,
                alert: &item.key,
            })
        })
    }

    /// The target of each of the [`questions`](Self::questions), in their order.
    pub fn targets(&self) -> impl Iterator<Item = &Target> {
        self.0.destinations.iter().flatten().map(|destination| &destination.target)
    }

    /// With the rules by which alerts ring nowhere, where somebody remembers.
    #[must_use]
    pub fn with_silences(self, silences: Silences) -> Self {
        Self(RelayPlan { silences, ..self.0 })
    }

    /// The plan, with the answers to [`questions`](Self::questions) in their order; where there is none, nothing is known.
    ///
    /// What is known as delivered is left out, so that a retry posts only what failed. `problem` is why less is known than
    /// should be, for every message to say.
    #[must_use]
    pub fn plan(self, known: Vec<Known>, problem: Option<&str>) -> RelayPlan<'d> {
        let Self(mut plan) = self;
        if let Some(problem) = problem {
            let warning = Warning::new(fill(plan.words().memory_lost, &[problem]));
            plan.destinations
                .iter_mut()
                .flatten()
                .for_each(|destination| destination.warnings.push(warning.clone()));
        }
        plan.make_posts(known);
        plan
    }
}

fn first_of_alert(items: &[RelayItem]) -> Vec<usize> {
    let mut firsts: HashMap<&AlertKey, usize> = HashMap::with_capacity(items.len());
    items.iter().enumerate().map(|(index, item)| *firsts.entry(&item.key).or_insert(index)).collect()
}

/// Who really gets an item, by which route, and what is wrong about that.
#[derive(Debug, Clone)]
struct Destination {
    receiver: Arc<Receiver>,
    /// Whom the rules chose.
    meant_for: Arc<Receiver>,
    /// The receiver is another than that, or reached by another way.
    is_stand_in: bool,
    /// The name of the receiver whose stand-in it has become since it was planned.
    instead_of: Option<String>,
    target: Target,
    route: String,
    warnings: Vec<Warning>,
    /// The newer state that the receiver has been shown.
    overtaken: Option<Shown>,
    /// An earlier try may have arrived.
    may_be_repeat: bool,
    /// What the alert's life so far adds.
    story: Option<Box<Step>>,
    /// The message that was found, and shows the alert from now on.
    found: Option<Found>,
    /// What was asked for beside the alert.
    evidence: Option<Arc<Findings>>,
    /// How it is told louder where nobody acknowledges it.
    escalate: Option<Arc<Escalate>>,
    /// Others have heard of it before.
    is_once_more: bool,
}

impl Destination {
    /// How long somebody is waited for: where people can say that they are on it, and somebody looks at the time.
    fn patience(&self, deployment: &Deployment) -> Option<Patience> {
        // Where another way stands in for the app, it is the app's alert still.
        let can_wait = deployment.is_minded && (self.target.way == APP || self.is_stand_in);
        self.escalate.as_ref().filter(|_| can_wait).map(|escalate| escalate.patience)
    }

    /// Whom to mention.
    fn mention(&self) -> Option<&str> {
        let is_escalated = |step: &Step| matches!(step.told, Told::Unacknowledged { .. });
        let louder = self.escalate.as_ref().filter(|_| self.story.as_deref().is_some_and(is_escalated));
        louder.and_then(|escalate| escalate.mention.as_deref()).or(self.receiver.mention.as_deref())
    }
}

/// What is due to one receiver at one target: items, each with the place of its destination.
struct Due {
    receiver: Arc<Receiver>,
    target: Target,
    items: Vec<(usize, usize)>,
}

impl Post {
    /// A post that tells of no event: of what a person has done, or of what is due.
    #[must_use]
    pub fn aside(
        name: String,
        receiver: Arc<Receiver>,
        target: Target,
        act: Act,
        message: Message,
        at: DateTime<Utc>,
    ) -> Self {
        let destination = Destination {
            receiver: Arc::clone(&receiver),
            meant_for: Arc::clone(&receiver),
            is_stand_in: false,
            instead_of: None,
            target: target.clone(),
            route: String::new(),
            warnings: Vec::new(),
            overtaken: None,
            may_be_repeat: false,
            story: None,
            found: None,
            evidence: None,
            escalate: None,
            is_once_more: false,
        };
        Self {
            name,
            members: Vec::new(),
            receiver,
            instead_of: None,
            target,
            act,
            items: Vec::new(),
            rendering: Rendering::Classic,
            message,
            may_be_repeat: false,
            at,
            shows: None,
            destination: Box::new(destination),
        }
    }

    /// Whether it shows a picture, which its target has to fetch.
    #[must_use]
    pub fn has_image(&self) -> bool {
        self.destination.evidence.as_ref().is_some_and(|found| found.image.is_some())
    }

    /// Whether it must ring nowhere: somebody has silenced its alert, or it only says of what is over that its silence is, too.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.destination.story.as_ref().is_some_and(|step| {
            step.is_silent || matches!(step.told, Told::SilenceOver { .. }) && !step.incident.is_open()
        })
    }

    /// What its message carries along; `None` where an edit leaves the message what it has.
    #[must_use]
    pub fn label(&self) -> Option<Label<'_>> {
        let name = match &self.act {
            Act::Say | Act::Reply { .. } => Cow::Borrowed(self.name.as_str()),
            Act::Edit(to) => {
                // Another message has a label of its own.
                let found = self.destination.found.as_ref().filter(|found| found.receipt == *to)?;
                let delivery = std::slice::from_ref(&found.delivery);
                Cow::Owned(key::post(&self.destination.meant_for.name, "", delivery))
            }
            Act::Supersede(_) => return None,
        };
        Some(Label { name, members: &self.members, shows: self.shows.as_ref() })
    }

    /// The name of the receiver that it was planned for, whoever stands in for it now.
    #[must_use]
    pub fn planned_for(&self) -> &str {
        self.instead_of.as_deref().unwrap_or(&self.receiver.name)
    }
}

impl RelayPlan<'_> {
    /// What dropped an item, if anything did.
    pub fn dropped(&self) -> impl Iterator<Item = (&RelayItem, &Dropped)> {
        self.items.iter().filter_map(|item| match &item.verdict {
            Verdict::Drop(dropped) => Some((item, dropped)),
            Verdict::Deliver { .. } => None,
        })
    }

    /// Whether a post brings an item where it was to go, and not to who stands in.
    #[must_use]
    pub fn is_at_its_target(&self, post: &Post, item: usize) -> bool {
        let mut all = self.destinations.get(item).into_iter().flatten();
        let is_its = |destination: &Destination| {
            destination.meant_for.name == post.receiver.name
                && self.deployment.target_of(&destination.meant_for) == post.target
        };
        post.instead_of.is_none() && all.any(is_its)
    }

    /// The name of the receiver that the rules chose for an item which was planned for the one of this name.
    #[must_use]
    pub fn meant_for<'p>(&'p self, planned_for: &'p str, item: usize) -> &'p str {
        let mut all = self.destinations.get(item).into_iter().flatten();
        let planned = all.find(|destination| destination.receiver.name == planned_for);
        planned.map_or(planned_for, |destination| &destination.meant_for.name)
    }

    /// What an item says of its alert in this plan.
    pub(crate) fn change<'p>(
        &'p self,
        item: &'p RelayItem,
        delivery: &'p str,
        patience: Option<Patience>,
    ) -> Change<'p> {
        let rule = self.silences.holding(&item.alert, self.now);
        Change { rule, patience, ..Change::of(&item.alert, &item.key, delivery) }
    }

    /// How long somebody is waited for who is on an item.
    pub(crate) fn patience(&self, item: usize, receiver: &str) -> Option<Patience> {
        self.destination(item, receiver).and_then(|destination| destination.patience(self.deployment))
    }

    /// Whether somebody has silenced an item for all who would get it, and no message shows it.
    #[must_use]
    pub fn is_held(&self, item: usize) -> bool {
        let mut steps =
            self.lives.iter().flat_map(|life| &life.steps).filter(|step| step.item == item).peekable();
        steps.peek().is_some() && steps.all(Stepped::is_held)
    }

    /// The id of the silence that holds an item, or the name of who silenced its alert alone; `None` where nothing holds it.
    #[must_use]
    pub fn held_by(&self, item: usize) -> Option<&str> {
        let held = |life: &&Life| life.steps.iter().any(|step| step.item == item && step.is_held());
        let silenced = self.lives.iter().find(held)?.incident.as_ref()?.silenced.as_ref()?;
        Some(silenced.rule.as_deref().unwrap_or(&silenced.by.name))
    }

    /// Who has silenced what rings nowhere, for each change and receiver once.
    pub fn silenced_by(&self) -> impl Iterator<Item = &str> {
        self.lives.iter().flat_map(|life| {
            let silenced = life.incident.as_ref().and_then(|incident| incident.silenced.as_ref());
            let by = silenced.map(|silenced| silenced.by.name.as_str());
            life.steps.iter().filter(|step| step.is_owed).filter_map(move |_| by)
        })
    }

    /// Whether a person may silence an item's alert by its message.
    pub(crate) fn may_be_silenced(&self, item: usize, receiver: &str) -> bool {
        self.destination(item, receiver).is_some_and(|destination| self.has_buttons(&destination.target))
    }

    /// An item's alert as it is kept; `None` where it is too large even without what can be left out.
    pub(crate) fn stored(&self, item: usize, receiver: &str) -> Option<String> {
        let RelayItem { alert, key, .. } = self.items.get(item)?;
        let route = self.destination(item, receiver)?.route.clone();
        let mut stored = Stored { alert: alert.clone(), key: key.clone(), route };
        let json = stored.to_json();
        if json.len() <= KEPT_MAX_BYTES {
            return Some(json);
        }
        let alert = &mut stored.alert;
        (alert.facts, alert.notes, alert.raw) = (Vec::new(), Vec::new(), None);
        (alert.evidence, alert.annotations) = (Evidence::default(), BTreeMap::new());
        (alert.description, alert.reason) = (None, None);
        Some(stored.to_json()).filter(|json| json.len() <= KEPT_MAX_BYTES)
    }

    /// How an item goes to whom the rules chose.
    fn destination(&self, item: usize, meant_for: &str) -> Option<&Destination> {
        self.destinations.get(item)?.iter().find(|destination| destination.meant_for.name == meant_for)
    }

    /// What a message of one alert holds, for those who change it when a person acts; `None` where none does.
    #[must_use]
    pub fn kept_content(&self, post: &Post) -> Option<String> {
        let is_one = post.items.len() == 1;
        (is_one && self.has_buttons(&post.target)).then(|| post.message.content())
    }

    /// A post as it changes a message on which people have acted in the meantime.
    #[must_use]
    pub fn with_people(&self, post: Post, incident: &Incident) -> Post {
        if !self.has_buttons(&post.target) {
            return post;
        }
        let options = self.options(&post.destination, post.rendering);
        let message = post.target.way.medium.with_people(&post.message.content(), incident, &options);
        Post { message: message.unwrap_or_else(|| post.message.clone()), ..post }
    }

    /// Whether people may act by buttons in the messages of a target.
    fn has_buttons(&self, target: &Target) -> bool {
        self.deployment.has_buttons && target.way == APP
    }

    /// What is kept of alerts, with what this event does to it.
    pub(crate) fn lives(&self) -> &[Life] {
        &self.lives
    }

    /// The name of the receiver that an item, which the rules chose this one for, was planned for.
    pub(crate) fn planned_for(&self, meant_for: &str, item: usize) -> Option<&str> {
        let mut all = self.destinations.get(item).into_iter().flatten();
        let own = all.find(|destination| destination.meant_for.name == meant_for)?;
        Some(&own.receiver.name)
    }

    /// The items of a reply in a digest's thread that it tells as over.
    pub(crate) fn over_in_digest<'p>(&'p self, post: &'p Post) -> impl Iterator<Item = usize> + 'p {
        post.items.iter().copied().filter(|item| {
            let destinations = self.destinations.get(*item).into_iter().flatten();
            let mut steps = destinations.filter(|to| to.receiver.name == post.receiver.name);
            let step = steps.find_map(|destination| destination.story.as_deref());
            step.is_some_and(|step| step.incident.is_digest && matches!(step.told, Told::Over { .. }))
        })
    }

    /// A digest's post, as it changes the message that it has become: `over` of its alerts are, as it was `posted`.
    #[must_use]
    pub fn counted(&self, digest: &Digest<'_>, posted: &str, over: usize, of: usize) -> Option<Post> {
        let medium = digest.post.target.way.medium;
        let message = medium.counted(posted, over, of, self.deployment.config.language)?;
        Some(Post { act: Act::Edit(digest.receipt.clone()), message, ..digest.post.clone() })
    }

    /// How messages live.
    pub(crate) fn policy(&self) -> &Policy {
        &self.deployment.config.policy
    }

    /// The item that speaks for this one at a receiver: another, where the same delivery came twice in the event, or where a
    /// message shows the newest of several changes.
    #[must_use]
    pub fn spokesman_for(&self, item: usize, receiver: &str) -> usize {
        let mut last = item;
        while let Some(next) = self.twins.get(&(last, receiver.to_owned())) {
            last = *next;
        }
        last
    }

    /// The other items that speak for this one at any receiver.
    pub fn spokesmen(&self, item: usize) -> impl Iterator<Item = usize> {
        let twins = self.twins.range((item, String::new())..).take_while(move |((of, _), _)| *of == item);
        twins.map(move |((_, receiver), _)| self.spokesman_for(item, receiver))
    }

    /// The alerts that a post tells of, each by the first of its items: what has one in common must keep its order.
    pub fn alerts_of<'p>(&'p self, post: &'p Post) -> impl Iterator<Item = usize> + 'p {
        post.items.iter().filter_map(|item| self.first_of_alert.get(*item).copied())
    }

    /// How many alerts a post tells of; more than one in a digest.
    pub(crate) fn count_alerts(&self, post: &Post) -> usize {
        self.alerts_of(post).collect::<HashSet<_>>().len()
    }

    /// What there is to be asked about the alert of a post that has arrived as its message; `None` for what is not to be changed.
    #[must_use]
    pub fn subject(&self, post: &Post) -> Option<Subject> {
        let Destination { story, overtaken, .. } = &*post.destination;
        let [item] = post.items[..] else { return None };
        let way = post.target.way;
        let told = story.as_deref().map(|step| step.told);
        let is_its_message = matches!(post.act, Act::Say | Act::Edit(_))
            && told.is_none_or(Told::is_of_incident)
            && overtaken.is_none()
            && post.instead_of.is_none()
            // Lines in a thread would call who follows it.
            && !story.as_deref().is_some_and(|step| step.is_silent);
        let RelayItem { alert, key, .. } = self.items.get(item)?;
        let wish = post.receiver.evidence;
        (is_its_message && way.can_edit && way.can_reply)
            .then(|| Subject::of(alert, key, wish, told, self.now))?
    }

    /// A post's message once more with what was found, as it changes the one that `receipt` finds; and what answers it.
    ///
    /// Charts are drawn by Slack itself where it takes them, beside the blocks that the configuration wants.
    #[must_use]
    pub fn with_evidence(
        &self,
        post: &Post,
        receipt: &Receipt,
        found: Findings,
    ) -> (Option<Post>, Option<Post>) {
        let [item] = post.items[..] else { return (None, None) };
        let found = Arc::new(found);
        let destination =
            Destination { evidence: Some(Arc::clone(&found)), ..Destination::clone(&post.destination) };
        let is_drawn = !found.graphs.is_empty() || found.image.is_some();
        let rendering = match self.deployment.config.rendering {
            Rendering::Classic if is_drawn => Rendering::Modern,
            configured => configured,
        };
        let edit = Act::Edit(receipt.clone());
        let edit = found.changes_message().then(|| self.single_as(item, &destination, &edit, rendering));
        let reply = found.lines.as_ref().map(|lines| {
            let act = Act::Reply { to: receipt.clone(), is_shown: false };
            // There is nothing in it that an older Slack does not take: one step down it is plain.
            let rendering = self.deployment.config.rendering.min(Rendering::Classic);
            let message = post.target.way.medium.lines(lines, &self.options(&destination, rendering));
            let delivery = self.items[item].delivery.name();
            // A name of its own, or a reply that rings would be taken for posted.
            let name = key::post(&destination.meant_for.name, "lines", &[delivery]);
            Post {
                name,
                message,
                rendering,
                may_be_repeat: false,
                ..self.single_as(item, &destination, &act, rendering)
            }
        });
        (edit, reply)
    }

    /// The delivery that a post of one alert tells, its alert and for whom it is kept.
    #[must_use]
    pub fn question<'p>(&'p self, post: &'p Post) -> Option<Question<'p>> {
        let [item] = post.items[..] else { return None };
        let RelayItem { delivery, key, .. } = self.items.get(item)?;
        Some(Question { receiver: &post.destination.meant_for.name, delivery, alert: key })
    }

    /// The posts that one refused digest is taken apart into: the halves of it, each a digest again if it is one of many.
    ///
    /// So one alert that its target does not take costs a storm of a hundred no hundred posts.
    #[must_use]
    pub fn take_apart(&self, post: &Post) -> Vec<Post> {
        let destinations = self.destinations_of(post);
        let (front, back) = destinations.split_at(destinations.len().div_ceil(2));
        [front, back].into_iter().flat_map(|half| self.posts_of(&post.act, &borrowed(half))).collect()
    }

    /// The posts for who stands in for a post's target, which cannot be had for the reason `why`, as cannot all that is
    /// `closed`; `None` where nobody does.
    ///
    /// No post for an item that gets to the same target anyway: by another receiver of it, or as `is_told` says.
    #[must_use]
    pub fn stand_in(
        &self,
        post: &Post,
        why: &str,
        closed: &[Closed],
        mut is_told: impl FnMut(usize, &Target) -> bool,
    ) -> Option<Vec<Post>> {
        let (receiver, target) = self.stand_in_for(&post.receiver, &post.target, closed)?;
        if matches!(post.act, Act::Supersede(_)) {
            return Some(Vec::new());
        }
        let name = post.planned_for();
        let problem = self.unavailable(name, why);
        let mut destinations = self.destinations_of(post);
        destinations.retain(|(index, _)| {
            let mut all = self.destinations.get(*index).into_iter().flatten();
            !all.any(|other| other.target == target) && !is_told(*index, &target)
        });
        for (_, destination) in &mut destinations {
            destination.receiver = Arc::clone(&receiver);
            destination.instead_of = Some(name.to_owned());
            destination.target = target.clone();
            destination.warnings.push(problem.clone());
        }
        Some(self.posts_of(&Act::Say, &borrowed(&destinations)))
    }

    /// The same post where newer changes stand at its target already, so that it says so; `None` where it has to say nothing.
    ///
    /// `shown` gives the newest item of an alert there, both by their places; see [`alerts_of`](Self::alerts_of).
    #[must_use]
    pub fn overtaken(&self, post: &Post, shown: impl Fn(usize) -> Option<usize>) -> Option<Vec<Post>> {
        let newer = |item: usize| {
            let shown = &self.items.get(shown(*self.first_of_alert.get(item)?)?)?.alert;
            let (at, of_item) = (shown.changed_at?, self.items.get(item)?.alert.changed_at?);
            (at > of_item).then(|| Shown { state: shown.state_value.clone(), at, receipt: None })
        };
        let mut destinations = self.destinations_of(post);
        let mut is_overtaken = false;
        for (item, destination) in &mut destinations {
            if let Some(newer) = newer(*item) {
                destination.overtaken = Some(newer);
                is_overtaken = true;
            }
        }
        is_overtaken.then(|| self.posts_of(&Act::Say, &borrowed(&destinations)))
    }

    /// A post's items as they go to its receiver.
    fn destinations_of(&self, post: &Post) -> Vec<(usize, Destination)> {
        let Post { receiver, instead_of, target, destination: common, .. } = post;
        if let [item] = post.items[..] {
            return vec![(item, Destination::clone(common))];
        }
        let planned_for = post.planned_for();
        post.items
            .iter()
            .filter_map(|index| {
                let all = self.destinations.get(*index)?;
                let own = all.iter().find(|other| other.receiver.name == planned_for).or(all.first())?;
                let mut destination = Destination {
                    receiver: Arc::clone(receiver),
                    instead_of: instead_of.clone(),
                    target: target.clone(),
                    ..own.clone()
                };
                if instead_of.is_some() {
                    destination.warnings.clone_from(&common.warnings);
                }
                Some((*index, destination))
            })
            .collect()
    }

    /// The same post with another act: a message of its own, say, where the one that it was about is not there any more.
    #[must_use]
    pub fn doing(post: &Post, act: Act) -> Post {
        Post { act, ..post.clone() }
    }

    fn make_posts(&mut self, known: Vec<Known>) {
        let mut destinations = std::mem::take(&mut self.destinations);
        let mut known = known.into_iter();
        let mut seen: HashMap<(&str, &DeliveryKey), usize> = HashMap::new();
        let mut lives: BTreeMap<Place, Life> = BTreeMap::new();
        // In the order in which the receivers are first met.
        let mut all_due: Vec<Due> = Vec::new();
        for (index, destinations) in destinations.iter_mut().enumerate() {
            let item = &self.items[index];
            for (number, destination) in destinations.iter_mut().enumerate() {
                let Known { past, shown, kept } = known.next().unwrap_or_default();
                if let Some(mut kept) = kept {
                    let place = (destination.meant_for.name.clone(), self.first_of_alert[index]);
                    let receiver = destination.meant_for.name.clone();
                    let found = std::mem::take(&mut kept.found);
                    let life = lives.entry(place).or_insert_with(|| Life::new(kept, receiver, index));
                    life.found.extend(found);
                }
                match past {
                    Past::None => {}
                    Past::Unsure { is_too_soon: false } => destination.may_be_repeat = true,
                    Past::Unsure { is_too_soon: true } | Past::Elsewhere => {
                        let (receiver, way) = (destination.receiver.name.clone(), destination.target.way);
                        let is_elsewhere = past == Past::Elsewhere;
                        self.held.push(Held { item: index, receiver, way, is_elsewhere });
                        continue;
                    }
                    Past::Delivered => {
                        let place = (destination.meant_for.name.clone(), self.first_of_alert[index]);
                        // This process has told that a silence is over, and the table has not heard of that.
                        if let Some(life) = lives.get_mut(&place)
                            && life.looks(&item.key).iter().any(|(look, _)| *look == item.delivery.name())
                        {
                            life.steps.push(Stepped::told(index));
                        }
                        continue;
                    }
                }
                let place = (destination.meant_for.name.clone(), self.first_of_alert[index]);
                if let Some(life) = lives.get_mut(&place) {
                    life.own.insert(item.delivery.name());
                }
                destination.overtaken =
                    shown.filter(|shown| item.alert.changed_at.is_some_and(|at| at < shown.at));
                let Destination { receiver, target, .. } = &*destination;
                let position = all_due
                    .iter()
                    .position(|due| due.receiver.name == receiver.name && due.target == *target);
                let position = position.unwrap_or_else(|| {
                    let (receiver, target) = (Arc::clone(receiver), target.clone());
                    all_due.push(Due { receiver, target, items: Vec::new() });
                    all_due.len() - 1
                });
                all_due[position].items.push((index, number));
            }
        }
        // What came twice in one event is one message. Its twin shares what becomes of it.
        for Due { receiver, items, .. } in &mut all_due {
            items.retain(|(index, _)| {
                let delivery = &self.items[*index].delivery;
                match seen.entry((receiver.name.as_str(), delivery)) {
                    hash_map::Entry::Vacant(entry) => {
                        entry.insert(*index);
                        true
                    }
                    hash_map::Entry::Occupied(entry) => {
                        self.twins.insert((*index, receiver.name.clone()), *entry.get());
                        false
                    }
                }
            });
        }
        drop(seen);
        let mut posts = Vec::new();
        for Due { mut items, target, .. } in all_due {
            order::by_change(
                &mut items,
                |(index, _)| [self.first_of_alert[*index]],
                |(index, _)| self.items[*index].alert.changed_at,
            );
            let living = self.live(&target, &mut items, &mut destinations, &mut lives);
            let says: Vec<_> =
                items.into_iter().map(|(index, number)| (index, &destinations[index][number])).collect();
            posts.extend(self.posts_of(&Act::Say, &says));
            posts.extend(living);
        }
        self.destinations = destinations;
        self.lives = lives.into_values().collect();
        // What rings goes first, whoever else has something to be changed in the same channel: edits may have to wait.
        posts.sort_by_key(|post: &Post| match post.act {
            Act::Say => 0,
            Act::Reply { is_shown: true, .. } => 1,
            Act::Edit(_) => 2,
            Act::Reply { is_shown: false, .. } => 3,
            Act::Supersede(_) => 4,
        });
        self.posts = posts;
    }

    /// Lets the alerts that are kept live on: what changes a message that is there, or answers it, is taken out of `items` and
    /// comes back as posts; what remains gets a message of its own.
    fn live(
        &mut self,
        target: &Target,
        items: &mut Vec<(usize, usize)>,
        destinations: &mut [Vec<Destination>],
        lives: &mut BTreeMap<Place, Life>,
    ) -> Vec<Post> {
        if lives.is_empty() {
            return Vec::new();
        }
        // For each alert the item whose message is to come, or whose state its message is to show.
        let mut says: HashMap<Place, usize> = HashMap::new();
        // By the message, too: one may be ended, and another one begin.
        let mut edits: BTreeMap<(Place, String), (usize, usize, Act)> = BTreeMap::new();
        let mut replies: Vec<(Act, Vec<(usize, usize)>)> = Vec::new();
        let mut superseded = Vec::new();
        let due = std::mem::take(items);
        for (index, number) in due {
            let destination = &mut destinations[index][number];
            let place = (destination.meant_for.name.clone(), self.first_of_alert[index]);
            let Some(life) = lives.get_mut(&place) else {
                items.push((index, number));
                continue;
            };
            let has_lost = life.has_lost();
            let item = &self.items[index];
            let name = item.delivery.name();
            let change = self.change(item, &name, destination.patience(self.deployment));
            let has_rules = self.silences.rules().next().is_some();
            let planned = life.step(&item.key, change, has_rules, target, self.policy(), self.now);
            life.steps.push(Stepped::new(index, &planned));
            let Planned { step, acts, found, by } = planned;
            let (told, is_digest) = (step.told, step.incident.is_digest);
            destination.found = found;
            let receiver = destination.receiver.name.clone();
            if target.way.can_edit && told.is_of_incident() && acts == [Act::Say] {
                destination.may_be_repeat |= has_lost;
            }
            if told == Told::Late {
                let Incident { word, at, .. } = &step.incident;
                let (state, at) = by.map_or_else(|| (word.clone(), *at), |by| (by.word, by.changed_at));
                destination.overtaken = Some(Shown { state, at, receipt: None });
            }
            destination.story = Some(Box::new(step));
            // What shows the newest state, whether it is to come or there already, tells of all that was before.
            let before = if !told.is_of_incident() {
                None
            } else if target.way.can_edit && acts.contains(&Act::Say) {
                says.insert(place.clone(), index)
            } else if acts.iter().any(|act| act.about().is_some()) {
                says.remove(&place)
            } else {
                None
            };
            if let Some(before) = before {
                self.twins.insert((before, receiver.clone()), index);
                items.retain(|(other, _)| *other != before);
            }
            for act in acts {
                match act {
                    Act::Say => items.push((index, number)),
                    Act::Edit(ref to) => {
                        // An earlier change took it for one that is no longer the newest.
                        superseded.retain(|(other, _): &(Act, _)| other.about() != Some(to));
                        let message = (place.clone(), to.message.clone());
                        let before = edits.insert(message, (index, number, act));
                        if let Some((before, ..)) = before
                            && !replies.iter().any(|(_, items)| items.iter().any(|(item, _)| *item == before))
                        {
                            self.twins.insert((before, receiver.clone()), index);
                        }
                    }
                    Act::Supersede(_) => superseded.push((act, vec![(index, number)])),
                    Act::Reply { .. } => {
                        // The members of a digest share its thread.
                        match replies.iter_mut().find(|(other, _)| is_digest && *other == act) {
                            Some((_, items)) => items.push((index, number)),
                            None => replies.push((act, vec![(index, number)])),
                        }
                    }
                }
            }
        }
        // What nobody is on would be told in as many threads as there are messages; together it is told in a moment.
        let is_louder = |index: usize, number: usize| {
            let story = destinations[index][number].story.as_deref();
            story.is_some_and(|step| matches!(step.told, Told::Unacknowledged { .. }))
        };
        let is_louder_reply = |(_, items): &(Act, Vec<(usize, usize)>)| {
            items.first().is_some_and(|(index, number)| is_louder(*index, *number))
        };
        if replies.iter().filter(|reply| is_louder_reply(reply)).count() > self.deployment.config.digest_after
        {
            let (louder, others) = replies.into_iter().partition(is_louder_reply);
            replies = others;
            edits.retain(|_, (index, number, _)| !is_louder(*index, *number));
            let louder: Vec<(Act, Vec<(usize, usize)>)> = louder;
            let louder: Vec<(usize, usize)> = louder.into_iter().flat_map(|(_, items)| items).collect();
            for (index, number) in &louder {
                let warning = Warning::new(self.words().unacknowledged_many);
                destinations[*index][*number].warnings.push(warning);
            }
            items.extend(louder);
        }
        let edits = edits.into_values().map(|(index, number, act)| (act, vec![(index, number)]));
        let all = replies.into_iter().chain(edits).chain(superseded);
        all.flat_map(|(act, items)| {
            let items = items.into_iter().map(|(index, number)| (index, &destinations[index][number]));
            self.posts_of(&act, &items.collect::<Vec<_>>())
        })
        .collect()
    }

    /// The posts of items that go to one receiver at one target by the same act.
    fn posts_of(&self, act: &Act, items: &[(usize, &Destination)]) -> Vec<Post> {
        let Some((_, first)) = items.first() else { return Vec::new() };
        // One thread is no place for many messages at once.
        let singles_max = match act {
            Act::Say => first.target.way.digest_after.unwrap_or(self.deployment.config.digest_after),
            _ => 1,
        };
        if items.len() <= singles_max {
            return items.iter().map(|(index, destination)| self.single(*index, destination, act)).collect();
        }
        let entries: Vec<Entry<'_>> = items
            .iter()
            .map(|(index, destination)| {
                let RelayItem { alert, key, .. } = &self.items[*index];
                Entry { item: *index, alert, key, overtaken: destination.overtaken.as_ref() }
            })
            .collect();
        let warnings: BTreeSet<&Warning> =
            items.iter().flat_map(|(_, destination)| &destination.warnings).collect();
        let destination = Destination {
            route: String::new(),
            warnings: warnings.into_iter().cloned().collect(),
            overtaken: None,
            story: None,
            may_be_repeat: items.iter().any(|(_, destination)| destination.may_be_repeat),
            ..Destination::clone(first)
        };
        let medium = destination.target.way.medium;
        let rendering = medium.rendering(self.deployment.config.rendering);
        medium
            .digest(&entries, &self.context(&destination, None), &self.options(&destination, rendering))
            .into_iter()
            .map(|(message, told)| {
                // One alert alone keeps what is its own.
                let only = told.first().filter(|_| told.len() == 1);
                let only = only.and_then(|only| items.iter().find(|(index, _)| index == only));
                let destination = only.map_or(&destination, |(_, own)| own);
                let post = Post {
                    name: self.name(&destination.meant_for, act, &told),
                    members: self.members(&destination.meant_for, act, &told),
                    receiver: Arc::clone(&destination.receiver),
                    instead_of: destination.instead_of.clone(),
                    target: destination.target.clone(),
                    act: act.clone(),
                    rendering: rendering.min(Rendering::Classic),
                    message,
                    may_be_repeat: destination.may_be_repeat,
                    at: self.now,
                    shows: self.shows(act, &told, &destination.target),
                    items: told,
                    destination: Box::new(destination.clone()),
                };
                if rendering == Rendering::Plain { Self::plain(&post).unwrap_or(post) } else { post }
            })
            .collect()
    }

    /// Names the deliveries of these items to a receiver.
    fn name(&self, receiver: &Receiver, act: &Act, items: &[usize]) -> String {
        let part = match act {
            Act::Say => "",
            Act::Reply { .. } => "reply",
            Act::Edit(_) => "edit",
            Act::Supersede(_) => "superseded",
        };
        let items = items.iter().filter_map(|item| self.items.get(*item));
        let deliveries: Vec<String> = items.map(|item| item.delivery.name()).collect();
        key::post(&receiver.name, part, &deliveries)
    }

    /// The names of the messages that these items would have, each by itself; none of one that is by itself.
    fn members(&self, receiver: &Receiver, act: &Act, items: &[usize]) -> Vec<String> {
        let items = if *act == Act::Say && items.len() > 1 { items } else { &[] };
        items.iter().map(|item| self.name(receiver, act, &[*item])).collect()
    }

    fn plain(post: &Post) -> Option<Post> {
        Some(Post { rendering: Rendering::Plain, message: post.message.plain()?, ..post.clone() })
    }

    /// The same post in a simpler form; `None` where there is nothing simpler.
    #[must_use]
    pub fn simpler(&self, post: &Post) -> Option<Post> {
        let rendering = post.rendering.simpler()?;
        match post.items[..] {
            [item] if rendering != Rendering::Plain => {
                Some(self.single_as(item, &post.destination, &post.act, rendering))
            }
            _ => Self::plain(post),
        }
    }

    fn destinations(&self, item: usize) -> Vec<Destination> {
        let Verdict::Deliver { receivers } = &self.items[item].verdict else { return Vec::new() };
        let mut destinations: Vec<Destination> = Vec::new();
        for Routed { receiver, chosen_by, escalate, why, is_once_more, .. } in receivers {
            let target = self.deployment.target_of(receiver);
            let closed = self.deployment.unavailable.iter().find(|(closed, _)| closed.covers(&target));
            let stand_in = closed.and_then(|(_, why)| {
                let (stand_in, target) = self.stand_in_for(receiver, &target, &[])?;
                Some((stand_in, target, self.unavailable(&receiver.name, why)))
            });
            let meant_for = Arc::clone(receiver);
            let (receiver, target, problem) = match stand_in {
                None => (Arc::clone(receiver), target, None),
                Some((stand_in, target, problem)) => (stand_in, target, Some(problem)),
            };
            let is_stand_in = problem.is_some();
            // The same people twice: one message, which still says what is wrong.
            let same = destinations.iter_mut().find(|other| {
                let is_same_place = other.target == target && (is_stand_in || other.is_stand_in);
                is_same_place || other.receiver.name == receiver.name
            });
            if let Some(known) = same {
                known.warnings.extend(problem);
                // Who was meant goes before who stands in.
                if known.is_stand_in && !is_stand_in {
                    known.is_stand_in = false;
                    (known.receiver, known.meant_for) = (receiver, meant_for);
                    (known.target, known.route) = (target, chosen_by.clone());
                }
                continue;
            }
            let broken = self.deployment.broken.as_ref().map(|broken| broken.warning(self.words()));
            let others = self.deployment.problems.iter().map(|problem| Warning::new(problem.as_str()));
            let why = why.as_deref().map(Warning::new);
            let warnings: Vec<Warning> = why.into_iter().chain(broken).chain(others).chain(problem).collect();
            destinations.push(Destination {
                receiver,
                meant_for,
                is_stand_in,
                instead_of: None,
                target,
                route: chosen_by.clone(),
                warnings,
                overtaken: None,
                may_be_repeat: false,
                story: None,
                found: None,
                evidence: None,
                escalate: escalate.clone(),
                is_once_more: *is_once_more,
            });
        }
        destinations
    }

    /// Who gets the alerts of a receiver whose target cannot be had, and where: the default receiver, at the deployment's
    /// own target where its own cannot be had either, and the receiver itself by the second way where neither can.
    fn stand_in_for(
        &self,
        receiver: &Arc<Receiver>,
        target: &Target,
        closed: &[Closed],
    ) -> Option<(Arc<Receiver>, Target)> {
        let deployment = self.deployment;
        // The others are told already: what counts is that it fails, so that somebody fixes it.
        if receiver.name == SECOND_WAY_RECEIVER {
            return None;
        }
        let default = deployment.config.default_receiver();
        let by_own = || Receiver { target: None, channel: None, ..Receiver::clone(default) };
        let second = [&deployment.second, &deployment.config.second_way];
        let second = second.into_iter().flatten().map(|second| (Arc::clone(receiver), second.clone()));
        let candidates = [
            (Arc::clone(default), deployment.target_of(default)),
            (Arc::new(by_own()), deployment.own.clone()),
        ];
        let is_open = |other: &Target| {
            let known = deployment.unavailable.iter().map(|(closed, _)| closed);
            other != target && !known.chain(closed).any(|closed| closed.covers(other))
        };
        candidates.into_iter().chain(second).find(|(_, other)| is_open(other))
    }

    fn single(&self, item: usize, destination: &Destination, act: &Act) -> Post {
        self.single_as(item, destination, act, self.deployment.config.rendering)
    }

    fn single_as(&self, item: usize, destination: &Destination, act: &Act, rendering: Rendering) -> Post {
        let page = self.page_for(item, destination);
        let medium = destination.target.way.medium;
        let rendering = medium.rendering(rendering);
        let options = self.options(destination, rendering);
        Post {
            name: self.name(&destination.meant_for, act, &[item]),
            members: Vec::new(),
            receiver: Arc::clone(&destination.receiver),
            instead_of: destination.instead_of.clone(),
            target: destination.target.clone(),
            act: act.clone(),
            items: vec![item],
            rendering,
            message: match act {
                Act::Say | Act::Edit(_) => medium.page(&page, &options),
                Act::Reply { .. } => medium.reply(&page, &options),
                Act::Supersede(_) => medium.superseded(&page, &options),
            },
            may_be_repeat: destination.may_be_repeat,
            at: self.now,
            shows: self.shows(act, &[item], &destination.target),
            destination: Box::new(destination.clone()),
        }
    }

    /// What a message of these items says of the change that it shows, at a target where messages are found again.
    fn shows(&self, act: &Act, items: &[usize], target: &Target) -> Option<Showing> {
        let ([item], Act::Say | Act::Edit(_)) = (items, act) else { return None };
        let RelayItem { alert, key, delivery, .. } = self.items.get(*item).filter(|_| target.way.can_edit)?;
        Showing::of(&Change::of(alert, key, &delivery.name()))
    }

    /// What people read of one alert in a post; `None` for a digest.
    #[must_use]
    pub fn page<'p>(&'p self, post: &'p Post) -> Option<Page<'p>> {
        let [item] = post.items[..] else { return None };
        Some(self.page_for(item, &post.destination))
    }

    fn page_for<'p>(&'p self, item: usize, destination: &'p Destination) -> Page<'p> {
        let RelayItem { record, alert, .. } = &self.items[item];
        Page::new(alert, &self.context(destination, self.records.get(*record)))
    }

    fn words(&self) -> &'static Words {
        self.deployment.config.language.words()
    }

    fn options<'o>(&'o self, destination: &'o Destination, rendering: Rendering) -> Options<'o> {
        let Deployment { config, channel, .. } = self.deployment;
        let Destination { receiver, target, .. } = destination;
        let own_channel = channel.as_deref().filter(|_| *target == Target::OWN_WEBHOOK);
        // Where the app is the way, a channel without a way of its own is the app's, and may be what has just refused.
        let is_the_app_s = *target == Target::OWN_WEBHOOK && self.deployment.own.way == APP;
        let asks = target.way == WEBHOOK && !is_the_app_s;
        Options {
            rendering,
            has_bar: config.rendering == Rendering::Classic,
            channel: receiver.channel.as_deref().or(own_channel).filter(|_| asks),
            timezone: config.timezone,
            language: config.language,
        }
    }

    fn context<'c>(&'c self, destination: &'c Destination, record: Option<&'c Record>) -> Context<'c> {
        let config = &self.deployment.config;
        Context {
            now: self.now,
            timezone: config.timezone,
            language: config.language,
            accounts: &config.accounts,
            mention: destination.mention(),
            tries: record.map_or(1, |record| record.tries),
            // What has no id of its own is found in the logs by its invocation.
            delivery_id: record.map(|record| record.id.as_deref().unwrap_or(&self.request_id)),
            receiver: &destination.receiver.name,
            route: Some(destination.route.as_str()).filter(|route| !route.is_empty()),
            warnings: &destination.warnings,
            overtaken: destination.overtaken.as_ref(),
            may_be_repeat: destination.may_be_repeat,
            story: destination.story.as_deref(),
            is_once_more: destination.is_once_more,
            evidence: destination.evidence.as_deref(),
            has_buttons: destination.instead_of.is_none() && self.has_buttons(&destination.target),
        }
    }

    fn unavailable(&self, receiver: &str, why: &str) -> Warning {
        Warning::new(fill(self.words().stands_in, &[receiver, why]))
    }
}

fn borrowed(items: &[(usize, Destination)]) -> Vec<(usize, &Destination)> {
    items.iter().map(|(index, destination)| (*index, destination)).collect()
}
