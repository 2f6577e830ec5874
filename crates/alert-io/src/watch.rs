//! `alert-watch`: what is due though nothing is heard of it. The scheduler wakes it every minute.
//!
//! An alert whose silence may be over is told again, as it was told last, and goes the relay's own way: the state machine says
//! what that is to people by now, and it is claimed, posted, handed to stand-ins and recorded like all else. So two of these
//! functions do nothing twice. What fails comes again some minutes later.

use std::cell::Cell;
use std::collections::{BTreeMap, HashSet};
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use alert_core::blind;
use alert_core::canary::{self as canary_core, Flight};
use alert_core::heartbeat::{self, Beat};
use alert_core::incident::Incident;
use alert_core::key;
use alert_core::note::{self, Note};
use alert_core::outcome::Failure;
use alert_core::own::Own;
use alert_core::receipt::{self, OPEN_NAMED_MAX, Open, Schedule};
use alert_core::relay::{self, Deployment, Post, Recipients, Stored, Telling};
use alert_core::render::Message;
use alert_core::render::sns::Notification;
use alert_core::silence::Silences;
use alert_core::target::{Act, Target};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{FutureExt as _, join_all};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::aws::{self, Endpoints};
use crate::canary::{self, CANARY_NOT_SENT, Canary};
use crate::clock::Clock;
use crate::courier::{ALERT_ELSEWHERE, Courier};
use crate::deadline::Deadline;
use crate::delivery::{self, Times};
use crate::dynamodb::DynamoDbTable;
use crate::heartbeats;
use crate::lambda::{InvocationError, Invoked};
use crate::metrics::TABLE_UNAVAILABLE;
use crate::notes;
use crate::outbox::{self, Turned};
use crate::secret::DecryptFailure;
use crate::sender::{Opens, Sends as _};
use crate::senders::Senders;
use crate::settings::{ALERT_TABLE, CANARY_ALARM, Environment, StartError};
use crate::setup::Setup;
use crate::table::{Due, Store, Table, There, Trouble, read_silences};

/// Things that are asked for at once, and told in one plan: many that ring together are a digest.
const PAGE: usize = 100;
/// Calls of the table beside each other.
const CALLS_AT_ONCE: usize = 32;
/// With less time than this nothing more is begun.
const PAGE_MIN: Duration = Duration::from_secs(10);
/// Of the time of a page, so much is for recording what was posted.
const RECORD_RESERVE: Duration = Duration::from_millis(600);
/// One notification, with its second try.
const SEND_LIMIT: Duration = Duration::from_secs(5);
/// Asking Slack whether somebody has reacted to a message.
const REACTION_LIMIT: Duration = Duration::from_secs(2);
/// A reaction may be taken back.
const REACTIONS_EVERY: TimeDelta = TimeDelta::minutes(10);
/// Whoever has it does it.
const ELSEWHERE: &str = "another process has it";
/// What needs a configuration waits so long for a sound one.
const WHILE_BROKEN: TimeDelta = TimeDelta::minutes(10);
/// What fails waits so long, so that it stands in nobody's way.
const AFTER_FAILURE: TimeDelta = TimeDelta::minutes(2);

/// The function, as long as its process lives. Who remembers and who posts are the caller's, so that all of it can be simulated.
#[derive(Debug)]
pub struct Watch<T = DynamoDbTable, O = Senders> {
    deployment: Deployment,
    senders: O,
    table: Table<T>,
    courier: Courier,
    canary: Option<Canary>,
    /// It has not looked yet.
    is_new: Cell<bool>,
}

/// How much was due, and how much of it was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Things that were due.
    pub due: usize,
    /// Those of them that were done.
    pub done: usize,
}

/// Why something due was not done, with a stable type for the log.
#[derive(Debug, Clone)]
struct NotDone(&'static str, String);

/// Why something was not told, and whether some were told all the same.
struct HalfDone(NotDone, bool);

impl From<Trouble> for NotDone {
    fn from(Trouble(why): Trouble) -> Self {
        Self(TABLE_UNAVAILABLE, why)
    }
}

/// What is to be done with something that is due.
enum Task {
    /// It is to be told; when that is done, what is written down changes.
    Tell(Box<Telling>, Option<Then>),
    /// A notification waits for its turn.
    Send(Waiting),
    /// Nothing now; it is due again at another time, or not at all.
    Done(&'static str),
}

impl Task {
    /// Something of the stack's own, for everybody by both ways.
    fn everybody(own: Own, then: Then) -> Self {
        Self::Tell(Box::new(Telling { own, to: Recipients::Everybody }), Some(then))
    }
}

/// What is written down when something was told.
struct Then {
    was: String,
    next: Note,
    due_at: Option<DateTime<Utc>>,
    /// When some were told and others not, and it is tried again.
    half: Option<Note>,
}

/// A notification that waits, as it is written down.
struct Waiting {
    due: Due,
    note: String,
    topic: String,
    at: DateTime<Utc>,
    notification: Notification,
}

impl Watch {
    /// Reads the relay's settings and decrypts the same secrets.
    pub async fn start(environment: Environment<'_>) -> Result<Self, StartError> {
        let Setup { deployment, senders, table, http, identity, .. } = Setup::read(environment)?;
        let Some(store) = table else {
            return Err(StartError::new(
                "setting_missing",
                format!(
                    "{ALERT_TABLE} is not set: expected the name of the table in which the relay remembers alerts"
                ),
            ));
        };
        if let Some(DecryptFailure::Permanent { error_type, detail }) =
            Box::pin(senders.decrypt_at_start()).await
        {
            return Err(StartError::new(error_type, detail));
        }
        let alarm = deployment.canary.clone();
        let canary = alarm.map(|alarm| {
            let endpoints = Endpoints::new(environment);
            Canary::new(aws::cloudwatch(&endpoints, &identity, &http, identity.region()), alarm)
        });
        Ok(Self { canary, ..Self::new(deployment, senders, store, Courier::default()) })
    }

    /// Does what is due now. The event says nothing.
    ///
    /// An error means that something due was not done; the next minute tries it again.
    pub async fn handle(
        &self,
        _event: &[u8],
        Invoked { request_id, clock, .. }: Invoked<'_>,
        deadline: Deadline,
    ) -> Result<Value, InvocationError> {
        // Its type is so deep that the compiler does not look into it.
        let look = self.look(request_id, clock, deadline).boxed_local();
        let Looked { due, done } = look.await?;
        Ok(json!({"due": due, "done": done}))
    }
}

impl<T: Store, O: Opens> Watch<T, O> {
    /// For a deployment, what sends for it, and where its alerts are remembered.
    #[must_use]
    pub fn new(deployment: Deployment, senders: O, store: T, courier: Courier) -> Self {
        Self { deployment, senders, table: Table::new(store), courier, canary: None, is_new: Cell::new(true) }
    }

    /// Does what is due now.
    pub async fn look(
        &self,
        request_id: &str,
        clock: Clock,
        deadline: Deadline,
    ) -> Result<Looked, InvocationError> {
        let deployment = self.deployment.without(self.senders.closed());
        let failed = |Trouble(message): Trouble| InvocationError { error_type: TABLE_UNAVAILABLE, message };
        if self.is_new.get() && !deployment.config.fail_open {
            let now = clock.now();
            let (store, config) = (self.table.store(), &deployment.config);
            Box::pin(heartbeats::wait_for_all(store, config, now)).await.map_err(failed)?;
            if let Some(schedule) = Schedule::of(config, now) {
                let noted = notes::noted(&Note::Receipt(schedule), Some(schedule.told_at()), now);
                store.put_note(note::RECEIPT, &noted, None).await.map_err(failed)?;
            }
            if self.canary.is_some() {
                Box::pin(canary::begin(store, config, now)).await.map_err(failed)?;
            }
            self.is_new.set(false);
        }
        let mut looked = Looked { due: 0, done: 0 };
        let mut first = None;
        // The index is a little behind: what was done a moment ago may stand in it still.
        let mut seen: HashSet<String> = HashSet::new();
        loop {
            // Behind what stands there still.
            let max = PAGE + seen.len();
            let mut due = Box::pin(self.table.store().due(clock.now(), max)).await.map_err(failed)?;
            let is_last = due.len() < max;
            due.retain(|due| seen.insert(due.key.clone()));
            if due.is_empty() {
                break;
            }
            looked.due += due.len();
            let outcomes = Box::pin(self.page(&due, &deployment, request_id, clock, deadline)).await;
            for (due, outcome) in due.iter().zip(outcomes) {
                let alert = due.key.as_str();
                match outcome {
                    Ok(outcome) => {
                        looked.done += 1;
                        tracing::info!(request_id, alert, outcome);
                    }
                    Err(NotDone(error_type, why)) => {
                        tracing::error!(request_id, alert, error_type, outcome = "failed", why);
                        first.get_or_insert((error_type, why));
                        // Where even that fails it is the first of the next minute.
                        let later = clock.now() + AFTER_FAILURE;
                        let _ = Box::pin(self.table.store().put_off(alert, later)).await;
                    }
                }
            }
            if is_last || !deadline.allows(PAGE_MIN) {
                break;
            }
        }
        let Looked { due, done } = looked;
        match first {
            None => Ok(looked),
            Some((error_type, why)) => Err(InvocationError {
                error_type,
                message: format!("{} of {due} things that are due were not done: {why}", due - done),
            }),
        }
    }

    /// Does what is due, and says of each what was done.
    async fn page(
        &self,
        due: &[Due],
        deployment: &Deployment,
        request_id: &str,
        clock: Clock,
        deadline: Deadline,
    ) -> Vec<Result<&'static str, NotDone>> {
        let silences = match self.table.store().silences().await {
            Ok(json) => json.as_deref().map(read_silences).unwrap_or_default(),
            Err(Trouble(why)) => {
                return due.iter().map(|_| Err(NotDone(TABLE_UNAVAILABLE, why.clone()))).collect();
            }
        };
        let looks = stream::iter(due).map(|due| Box::pin(self.task(due, &silences, clock, deadline)));
        let tasks: Vec<_> = looks.buffered(CALLS_AT_ONCE).collect().await;
        let unknown = || Err(NotDone("unknown", "it was not planned".to_owned()));
        let mut outcomes: Vec<_> = tasks.iter().map(|_| unknown()).collect();
        // What is to be done together, each with its place.
        let (mut all, mut places) = (Vec::new(), Vec::new());
        let mut notifications: BTreeMap<String, Vec<(usize, Waiting)>> = BTreeMap::new();
        for (place, task) in tasks.into_iter().enumerate() {
            match task {
                Ok(Task::Tell(telling, then)) => {
                    all.push(*telling);
                    places.push((place, then));
                }
                Ok(Task::Send(waiting)) => {
                    notifications.entry(waiting.topic.clone()).or_default().push((place, waiting));
                }
                Ok(Task::Done(what)) => outcomes[place] = Ok(what),
                Err(not_done) => outcomes[place] = Err(not_done),
            }
        }
        if !all.is_empty() {
            let told = Box::pin(self.tell(all, deployment, request_id, clock, deadline)).await;
            for ((place, then), outcome) in places.into_iter().zip(told) {
                outcomes[place] = match (then, outcome) {
                    // Who tells it writes it down.
                    (_, Ok(ELSEWHERE)) => Ok(ELSEWHERE),
                    (Some(then), Ok(outcome)) => {
                        self.write_down(&due[place].key, &then, clock).await.map(|()| outcome)
                    }
                    (Some(Then { was, half: Some(half), .. }), Err(HalfDone(not_done, true))) => {
                        let now = clock.now();
                        let noted = notes::noted(&half, Some(now + AFTER_FAILURE), now);
                        // Where somebody has written meanwhile, it is looked at anew.
                        let _ = self.table.store().put_note(&due[place].key, &noted, Some(&was)).await;
                        Err(not_done)
                    }
                    (_, outcome) => outcome.map_err(|HalfDone(not_done, _)| not_done),
                };
            }
        }
        for (topic, notifications) in notifications {
            let (places, notifications): (Vec<_>, Vec<_>) = notifications.into_iter().unzip();
            let sent = Box::pin(self.send(&topic, notifications, deployment, clock, deadline)).await;
            for (place, outcome) in places.into_iter().zip(sent) {
                outcomes[place] = outcome;
            }
        }
        outcomes
    }

    /// Writes down what was told, beside what somebody else may have written meanwhile.
    async fn write_down(&self, key: &str, then: &Then, clock: Clock) -> Result<(), NotDone> {
        let (store, now) = (self.table.store(), clock.now());
        let Then { was, next, due_at, .. } = then;
        if store.put_note(key, &notes::noted(next, *due_at, now), Some(was)).await? {
            return Ok(());
        }
        let beside = |current: Option<Note>| Some((next.told_beside(current?)?, Some(now)));
        Ok(notes::change(store, key, now, beside).await?)
    }

    /// Sends notifications that waited as one, if it is their turn.
    async fn send(
        &self,
        topic: &str,
        notifications: Vec<Waiting>,
        deployment: &Deployment,
        clock: Clock,
        deadline: Deadline,
    ) -> Vec<Result<&'static str, NotDone>> {
        let all = |outcome: Result<&'static str, NotDone>, notifications: &[Waiting]| {
            notifications.iter().map(|_| outcome.clone()).collect::<Vec<_>>()
        };
        let store = self.table.store();
        let turn = match outbox::turn(store, topic, clock.now()).await {
            Ok(Turned::Send(turn)) => turn,
            Ok(Turned::Waits(until)) => {
                let waits = notifications.iter().map(async |waiting| {
                    store.postpone(&waiting.due, Some(until), None).await?;
                    Ok("a notification waits for its turn")
                });
                return join_all(waits).await;
            }
            Err(Trouble(why)) => return all(Err(NotDone(TABLE_UNAVAILABLE, why)), &notifications),
        };
        let mut in_order: Vec<&Waiting> = notifications.iter().collect();
        in_order.sort_by_key(|waiting| waiting.at);
        let texts: Vec<Notification> =
            in_order.into_iter().map(|waiting| waiting.notification.clone()).collect();
        let Some(notification) = Notification::together(&texts, deployment.config.language.words()) else {
            return Vec::new();
        };
        let target = Target::topic(topic);
        let sender = match self.senders.sender(&target, deadline).await {
            Ok(sender) => sender,
            Err((_, Failure { error_type, detail })) => {
                outbox::give_back(store, topic, &turn).await;
                return all(Err(NotDone(error_type, detail)), &notifications);
            }
        };
        let receiver = Arc::clone(deployment.config.default_receiver());
        let post = Post::aside(
            String::new(),
            receiver,
            target,
            Act::Say,
            Message::Notification(notification),
            clock.now(),
        );
        let sent = sender.send_in_turn(&post, SEND_LIMIT.min(deadline.left())).await;
        if let Some(Failure { error_type, detail }) = sent.outcome.failure().cloned() {
            outbox::give_back(store, topic, &turn).await;
            return all(Err(NotDone(error_type, detail)), &notifications);
        }
        let forgets = notifications.iter().map(async |waiting| {
            store.drop_note(&waiting.due.key, &waiting.note).await?;
            Ok("sent by the second way")
        });
        join_all(forgets).await
    }

    /// What is to be done with one thing that is due.
    async fn task(
        &self,
        due: &Due,
        silences: &Silences,
        clock: Clock,
        deadline: Deadline,
    ) -> Result<Task, NotDone> {
        let now = clock.now();
        let store = self.table.store();
        let There { incident, alert, note, .. } = store.read(&due.key).await?;
        if let Some(note) = note {
            return self.note(due, note, clock).await;
        }
        let due_at = incident.as_ref().and_then(|incident| incident.due_at(now));
        let open_since = incident.as_ref().filter(|one| one.is_open()).map(|incident| incident.opened_at);
        let Some(incident) = incident.filter(|incident| incident.silenced.is_some() || due_at.is_some())
        else {
            store.postpone(due, None, open_since).await?;
            return Ok(Task::Done("nothing is due any more"));
        };
        let stored = match alert.as_deref().map(Stored::from_json) {
            Some(Ok(stored)) => stored,
            Some(Err(error)) => {
                let why = format!("what is kept of the alert cannot be read: {error}");
                return Err(NotDone("alert_unreadable", why));
            }
            // What is over would only say that its silence is, too.
            None if !incident.is_open() => {
                store.postpone(due, None, None).await?;
                return Ok(Task::Done("over, and nothing is kept of it"));
            }
            None => return Err(NotDone("alert_unreadable", "nothing is kept of the alert".to_owned())),
        };
        let receiver = key::receiver_of(&due.key);
        let (delivery, to) = if let Some(held) = &incident.silenced {
            let rule = silences.holding(&stored.alert, now).map(|rule| rule.id.as_str());
            let holds = match &held.rule {
                Some(own) => rule == Some(own.as_str()),
                None => held.holds(now),
            };
            if holds {
                store.postpone(due, due_at, open_since).await?;
                return Ok(Task::Done("silenced still"));
            }
            let to = Recipients::Receiver { name: receiver, route: stored.route };
            (relay::silence_over(&due.key, held), to)
        } else {
            if let Some(later) = due_at.filter(|due_at| *due_at > now) {
                store.postpone(due, Some(later), None).await?;
                return Ok(Task::Done("somebody is waited for"));
            }
            let Some(escalation) = incident.escalation else {
                return Ok(Task::Done("nothing is due any more"));
            };
            if let Some(by) = Box::pin(self.reaction(&incident, &receiver, deadline)).await {
                tracing::info!(alert = due.key, by, "a reaction says that somebody is on it");
                store.postpone(due, Some(now + REACTIONS_EVERY), None).await?;
                return Ok(Task::Done("somebody is on it"));
            }
            let (name, route) = (receiver, stored.route);
            let to = if escalation.is_last() {
                Recipients::Escalated { name, route, within: now.signed_duration_since(escalation.since) }
            } else {
                Recipients::Receiver { name, route }
            };
            (relay::escalated(&due.key, &escalation), to)
        };
        // The same for one telling of one alert, however often it is tried.
        let own = Own { alert: stored.alert, key: stored.key, delivery };
        Ok(Task::Tell(Box::new(Telling { own, to }), None))
    }

    /// Somebody who has reacted to an alert's message, where there are no buttons.
    async fn reaction(&self, incident: &Incident, receiver: &str, deadline: Deadline) -> Option<String> {
        // A digest has no buttons.
        if self.deployment.has_buttons && !incident.is_digest {
            return None;
        }
        let message = incident.receipt.as_ref()?;
        let config = &self.deployment.config;
        let known = config.receiver(receiver).unwrap_or(config.default_receiver());
        let target = self.deployment.target_of(known);
        if incident.target.as_ref() != Some(&target.stored()) {
            return None;
        }
        let sender = self.senders.sender(&target, deadline).await.ok()?;
        sender.reaction(message, REACTION_LIMIT.min(deadline.left() / 4)).await
    }

    /// What is to be done about something that is written down.
    async fn note(&self, due: &Due, was: String, clock: Clock) -> Result<Task, NotDone> {
        let now = clock.now();
        match Note::from_json(&was) {
            Ok(Note::Notification { topic, at, notification }) => {
                Ok(Task::Send(Waiting { due: due.clone(), note: was, topic, at, notification }))
            }
            Ok(Note::Pace { .. }) => Ok(Task::Done("nothing is due any more")),
            // What a broken configuration does not name may well be there.
            Ok(Note::Heartbeat(_) | Note::Canary(_) | Note::Receipt(_))
                if self.deployment.config.fail_open =>
            {
                self.table.store().postpone(due, Some(now + WHILE_BROKEN), None).await?;
                Ok(Task::Done("the configuration is broken"))
            }
            Ok(Note::Heartbeat(beat)) => self.heartbeat(due, was, &beat, now).await,
            Ok(Note::Blind(blind)) => match blind.look(&self.deployment.config, now) {
                blind::Look::Later(at) => {
                    self.table.store().postpone(due, Some(at), None).await?;
                    Ok(Task::Done("not yet"))
                }
                blind::Look::Forget => {
                    self.table.store().drop_note(&due.key, &was).await?;
                    Ok(Task::Done("every rule is evaluated"))
                }
                blind::Look::Tell { own, next, due_at } => {
                    let then = Then { was, next: Note::Blind(next), due_at, half: None };
                    Ok(Task::Tell(Box::new(Telling { own: *own, to: Recipients::Routes }), Some(then)))
                }
            },
            Ok(Note::Receipt(schedule)) => Box::pin(self.receipt(due, was, schedule, now)).await,
            Ok(Note::Canary(flight)) => Box::pin(self.canary(due, was, &flight, now)).await,
            Err(error) => {
                let why = format!("what is written down cannot be read: {error}");
                Err(NotDone("note_unreadable", why))
            }
        }
    }

    async fn heartbeat(
        &self,
        due: &Due,
        was: String,
        beat: &Beat,
        now: DateTime<Utc>,
    ) -> Result<Task, NotDone> {
        let store = self.table.store();
        match beat.look(&self.deployment.config, now) {
            heartbeat::Look::Later(at) => {
                store.postpone(due, Some(at), None).await?;
                Ok(Task::Done("alive"))
            }
            heartbeat::Look::Wait => {
                store.postpone(due, None, None).await?;
                Ok(Task::Done("missing still"))
            }
            heartbeat::Look::Forget => {
                store.drop_note(&due.key, &was).await?;
                Ok(Task::Done("no heartbeat of the configuration any more"))
            }
            heartbeat::Look::Tell { own, next, due_at, half } => {
                let half = half.map(Note::Heartbeat);
                Ok(Task::everybody(*own, Then { was, next: Note::Heartbeat(next), due_at, half }))
            }
        }
    }

    async fn receipt(
        &self,
        due: &Due,
        was: String,
        schedule: Schedule,
        now: DateTime<Utc>,
    ) -> Result<Task, NotDone> {
        let (store, config) = (self.table.store(), &self.deployment.config);
        let Some(next) = Schedule::of(config, now) else {
            store.drop_note(&due.key, &was).await?;
            return Ok(Task::Done("no receipt any more"));
        };
        if now < schedule.told_at() {
            store.postpone(due, Some(schedule.told_at()), None).await?;
            return Ok(Task::Done("not yet"));
        }
        let counts = store.counted(&schedule.counts_key()).await?;
        let (open, oldest) = store.open(OPEN_NAMED_MAX).await?;
        let oldest = stream::iter(&oldest).map(async |due| self.open(due).await);
        let mut oldest: Vec<Open> = oldest.buffered(CALLS_AT_ONCE).filter_map(ready).collect().await;
        oldest.sort_by(|one, other| (one.since, &one.name).cmp(&(other.since, &other.name)));
        let own = receipt::receipt(schedule, &counts, open, &oldest, config);
        let then = Then { was, next: Note::Receipt(next), due_at: Some(next.told_at()), half: None };
        Ok(Task::Tell(Box::new(Telling { own, to: Recipients::Routes }), Some(then)))
    }

    /// An open alert by its name; `None` where that cannot be read, or it is over by now.
    async fn open(&self, due: &Due) -> Option<Open> {
        let There { incident, alert, .. } = self.table.store().read(&due.key).await.ok()?;
        let incident = incident.filter(Incident::is_open)?;
        let stored = alert.and_then(|text| Stored::from_json(&text).ok());
        let of_key = || key::alarm_of(&due.key).map_or_else(|| due.key.clone(), |(_, _, name)| name);
        let name = stored.map_or_else(of_key, |stored| stored.alert.name);
        Some(Open { name, since: incident.began_at.unwrap_or(incident.opened_at) })
    }

    async fn canary(
        &self,
        due: &Due,
        was: String,
        flight: &Flight,
        now: DateTime<Utc>,
    ) -> Result<Task, NotDone> {
        let store = self.table.store();
        match flight.look(&self.deployment.config, now) {
            canary_core::Look::Later(at) => {
                store.postpone(due, Some(at), None).await?;
                Ok(Task::Done("the canary is on its way"))
            }
            canary_core::Look::Forget => {
                store.drop_note(&due.key, &was).await?;
                Ok(Task::Done("no canary any more"))
            }
            canary_core::Look::Tell { own, next, due_at, half } => {
                let half = half.map(Note::Canary);
                Ok(Task::everybody(*own, Then { was, next: Note::Canary(next), due_at, half }))
            }
            canary_core::Look::Send { next, due_at } => {
                let sent_at = next.sent_at.unwrap_or(now);
                let noted = notes::noted(&Note::Canary(next), Some(due_at), now);
                // Who writes it down sends it.
                if !store.put_note(&due.key, &noted, Some(&was)).await? {
                    return Ok(Task::Done(ELSEWHERE));
                }
                let Some(canary) = &self.canary else {
                    return Err(NotDone(CANARY_NOT_SENT, format!("{CANARY_ALARM} is not set")));
                };
                let sent = canary.send(sent_at).await;
                sent.map_err(|Failure { error_type, detail }| NotDone(error_type, detail))?;
                Ok(Task::Done("the canary is sent"))
            }
        }
    }

    /// Tells alerts again, the relay's way.
    async fn tell(
        &self,
        all: Vec<Telling>,
        deployment: &Deployment,
        request_id: &str,
        clock: Clock,
        deadline: Deadline,
    ) -> Vec<Result<&'static str, HalfDone>> {
        let count = all.len();
        let sender = async |target: &Target| self.senders.sender(target, deadline).await;
        let draft = relay::tell(all, deployment, request_id, clock.now());
        let plan = delivery::prepare(draft, &self.table, &sender, clock.now(), deadline).await;
        let posting = deadline.less(RECORD_RESERVE.min(deadline.left() / 4));
        let times = Times { now: clock.now(), posting, deadline };
        let report = delivery::carry_out(&plan, &self.table, &self.courier, &sender, times).await;
        let has_failed = self.table.take_troubles() > 0;
        (0..count)
            .map(|item| match report.failure_of(&plan, item) {
                // Whoever works on it tells that the silence is over.
                Some(Failure { error_type: ALERT_ELSEWHERE, .. }) => Ok(ELSEWHERE),
                Some(Failure { error_type, detail }) => {
                    Err(HalfDone(NotDone(error_type, detail.clone()), report.has_arrived(&plan, item)))
                }
                None if has_failed => {
                    let why = "the table has failed meanwhile".to_owned();
                    Err(HalfDone(NotDone(TABLE_UNAVAILABLE, why), false))
                }
                None if plan.is_held(item) => Ok("silenced"),
                None if report.delivered_at(&plan, item).is_some() => Ok("told"),
                None => Ok("told before"),
            })
            .collect()
    }
}
