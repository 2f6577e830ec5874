//! `alert-watch`: what is due though nothing is heard of it. The scheduler wakes it every minute.
//!
//! Each thing that is due is claimed as by the relay, so that two of these functions do nothing twice. What fails stays due,
//! and comes again with the next minute.

use std::sync::Arc;
use std::time::Duration;

use alert_core::alert::State;
use alert_core::config::Receiver;
use alert_core::incident::{self, Incident, Step, Told};
use alert_core::key;
use alert_core::outcome::{Failure, Outcome, Receipt};
use alert_core::relay::{Deployment, Post};
use alert_core::render::{Message, Options, Rendering};
use alert_core::silence::Silences;
use alert_core::target::{Act, Target};
use futures_util::stream::{self, StreamExt as _};
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::dynamodb::DynamoDbTable;
use crate::lambda::{InvocationError, Invoked};
use crate::secret::DecryptFailure;
use crate::sender::{Opens, Sends as _};
use crate::senders::Senders;
use crate::settings::{ALERT_TABLE, Environment, StartError};
use crate::setup::Setup;
use crate::single::{Claiming, Held, Single};
use crate::table::{Store, Trouble};

/// Things that are asked for at once.
const PAGE: usize = 100;
/// Alerts that are worked on beside each other.
const AT_ONCE: usize = 8;
/// One message; Slack answers within a second when it is well.
const SEND_LIMIT: Duration = Duration::from_secs(5);
/// What one alert may take.
const WORK: Duration = Duration::from_secs(20);

/// The function, as long as its process lives. Who remembers and who posts are the caller's, so that all of it can be simulated.
#[derive(Debug)]
pub struct Watch<T = DynamoDbTable, O = Senders> {
    deployment: Deployment,
    senders: O,
    table: Single<T>,
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
#[derive(Debug)]
struct NotDone(&'static str, String);

impl From<Trouble> for NotDone {
    fn from(Trouble(why): Trouble) -> Self {
        Self(crate::metrics::TABLE_UNAVAILABLE, why)
    }
}

impl From<Failure> for NotDone {
    fn from(failure: Failure) -> Self {
        Self(failure.error_type, failure.detail)
    }
}

impl Watch {
    /// Reads the relay's settings and decrypts the same secrets.
    pub async fn start(environment: Environment<'_>) -> Result<Self, StartError> {
        let Setup { deployment, senders, table, .. } = Setup::read(environment)?;
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
        Ok(Self::new(deployment, senders, store))
    }

    /// Does what is due now. The event says nothing.
    ///
    /// An error means that something due was not done; the next minute tries it again.
    pub async fn handle(
        &self,
        _event: &[u8],
        Invoked { request_id, .. }: Invoked<'_>,
        deadline: Deadline,
    ) -> Result<Value, InvocationError> {
        let Looked { due, done } = self.look(request_id, Clock::system(), deadline).await?;
        Ok(json!({"due": due, "done": done}))
    }
}

impl<T: Store, O: Opens> Watch<T, O> {
    /// For a deployment, what sends for it, and where its alerts are remembered.
    #[must_use]
    pub fn new(deployment: Deployment, senders: O, store: T) -> Self {
        Self { deployment, senders, table: Single::new(store) }
    }

    /// Does what is due now.
    pub async fn look(
        &self,
        request_id: &str,
        clock: Clock,
        deadline: Deadline,
    ) -> Result<Looked, InvocationError> {
        let failed = |NotDone(error_type, message): NotDone| InvocationError { error_type, message };
        let due = Box::pin(self.table.store.due(clock.now(), PAGE))
            .await
            .map_err(|trouble| failed(trouble.into()))?;
        if due.is_empty() {
            return Ok(Looked { due: 0, done: 0 });
        }
        let silences = Box::pin(self.silences()).await.map_err(failed)?;
        let (mut done, mut first) = (0, None);
        let mut all = stream::iter(&due)
            .map(async |place| (place, Box::pin(self.attend(place, &silences, clock, deadline)).await))
            .buffer_unordered(AT_ONCE);
        while let Some((place, outcome)) = all.next().await {
            match outcome {
                Ok(what) => {
                    done += 1;
                    tracing::info!(request_id, alert = place.as_str(), outcome = what);
                }
                Err(NotDone(error_type, why)) => {
                    tracing::error!(request_id, alert = place.as_str(), error_type, outcome = "failed", why);
                    first.get_or_insert((error_type, why));
                }
            }
        }
        match first {
            None => Ok(Looked { due: due.len(), done }),
            Some((error_type, why)) => Err(InvocationError {
                error_type,
                message: format!(
                    "{} of {} things that are due were not done: {why}",
                    due.len() - done,
                    due.len()
                ),
            }),
        }
    }

    async fn silences(&self) -> Result<Silences, NotDone> {
        let Some(json) = self.table.store.silences().await? else { return Ok(Silences::default()) };
        Ok(Silences::from_json(&json).unwrap_or_else(|error| {
            tracing::warn!("the silences in the table cannot be read, so that none of them holds: {error}");
            Silences::default()
        }))
    }

    /// Does what is due of one alert; says what that was.
    async fn attend(
        &self,
        place: &str,
        silences: &Silences,
        clock: Clock,
        deadline: Deadline,
    ) -> Result<&'static str, NotDone> {
        if !deadline.allows(SEND_LIMIT) {
            return Err(NotDone("time_over", "the time is over; the next minute does it".to_owned()));
        }
        let now = clock.now();
        // The same for one silence, whoever ends it.
        let name = |incident: &Incident| {
            let since = incident.silenced.as_ref().map_or(0, |silenced| silenced.at.timestamp_millis());
            key::hash(&["silence over", place, &since.to_string()])
        };
        let work = WORK.min(deadline.left());
        let claim_name = key::hash(&["watch", place, &now.timestamp_millis().to_string()]);
        let mut held = match self.table.claim(place, &claim_name, work, Duration::ZERO, clock).await? {
            Claiming::Ours(held) => held,
            // Whoever has it looks at the time, too.
            Claiming::Busy => return Ok("busy"),
            Claiming::Unknown => return Ok("unknown"),
        };
        let name = name(&held.incident);
        let step = incident::silence_over(&held.incident, |id| silences.is_active(id, now), &name, now);
        let Some(step) = step else {
            // It is due at another time, which is written anew.
            self.table.record(&held, false, clock).await?;
            self.table.release(*held, clock).await?;
            return Ok("not due");
        };
        let is_silent = !step.incident.is_open();
        self.tell(place, &name, step, &mut held, deadline).await?;
        if !self.table.record(&held, true, clock).await? {
            return Err(NotDone("alert_elsewhere", "another process has taken the alert over".to_owned()));
        }
        if let Some(message) = &held.incident.receipt {
            self.table
                .store
                .name_message(&key::message(message), place, now + crate::table::KEPT_WHEN_OPEN)
                .await?;
        }
        self.table.release(*held, clock).await?;
        Ok(if is_silent { "silence over, and the alert, too" } else { "silence over, rung" })
    }

    /// Tells people what a step says; what is held is as it is then.
    async fn tell(
        &self,
        place: &str,
        name: &str,
        step: Step,
        held: &mut Held,
        deadline: Deadline,
    ) -> Result<(), NotDone> {
        let acts = step.acts(&self.deployment.config.policy);
        let Step { mut incident, told, .. } = step;
        let receiver = self.receiver(place);
        let target = self.target(&receiver, &incident);
        let posted = held.shown.clone().unwrap_or_default();
        let changes = if let Told::SilenceOver { changes } = told { changes } else { 0 };
        let medium = target.way.medium;
        let mention = receiver.mention.as_deref().filter(|_| incident.state == State::Firing);
        let edited = medium.with_people(&posted, &incident, &self.options());
        for act in acts {
            let act = act.by(target.way);
            let rings = || medium.silence_over(&posted, changes, mention, &self.options());
            let message = match &act {
                Act::Reply { .. } => rings(),
                Act::Edit(_) | Act::Supersede(_) => match &edited {
                    Some(edited) => edited.clone(),
                    // There are no blocks that could be changed.
                    None => continue,
                },
                // What was held back is said as it would have been.
                Act::Say => edited.clone().or_else(|| medium.read(&posted)).unwrap_or_else(rings),
            };
            let name = key::hash(&[
                name,
                if act == Act::Say {
                    "say"
                } else if act.is_edit() {
                    "edit"
                } else {
                    "reply"
                },
            ]);
            let is_edit = act.is_edit();
            match self.send(name, &receiver, &target, act.clone(), message, deadline).await {
                Ok(receipt) if act == Act::Say => {
                    incident.target = receipt.is_some().then(|| target.stored());
                    incident.receipt = receipt;
                    incident.is_digest = false;
                }
                Ok(_) => {}
                // It has rung; what the message says of the silence is mended with the next change.
                Err(NotDone(error_type, why)) if is_edit => {
                    tracing::warn!(error_type, "a message says still that it is silenced: {why}");
                }
                Err(not_done) => return Err(not_done),
            }
        }
        if let Some(edited) = edited {
            held.shown = Some(edited.content());
        }
        held.incident = incident;
        Ok(())
    }

    async fn send(
        &self,
        name: String,
        receiver: &Arc<Receiver>,
        target: &Target,
        act: Act,
        message: Message,
        deadline: Deadline,
    ) -> Result<Option<Receipt>, NotDone> {
        let mut post = Post::aside(name, Arc::clone(receiver), target.clone(), act, message);
        // A minute ago it may have arrived.
        post.may_be_repeat = true;
        let sender = self.senders.sender(target, deadline).await.map_err(|(_, failure)| failure)?;
        match sender.send(&post, SEND_LIMIT.min(deadline.left())).await.outcome {
            Outcome::Delivered(receipt) => Ok(receipt),
            // The message is gone: it is said anew.
            Outcome::Gone(_) if !post.act.is_edit() && post.act != Act::Say => {
                post.act = Act::Say;
                match sender.send(&post, SEND_LIMIT.min(deadline.left())).await.outcome {
                    Outcome::Delivered(receipt) => Ok(receipt),
                    outcome => Err(failure(outcome).into()),
                }
            }
            outcome => Err(failure(outcome).into()),
        }
    }

    /// The receiver that an alert is remembered for.
    fn receiver(&self, place: &str) -> Arc<Receiver> {
        let (name, config) = (key::receiver_of(place), &self.deployment.config);
        let known = config.receivers.iter().find(|receiver| receiver.name == name);
        Arc::clone(known.unwrap_or_else(|| config.default_receiver()))
    }

    /// Where its message stands, and else where its receiver's messages go, or the deployment's where that cannot be had.
    fn target(&self, receiver: &Receiver, incident: &Incident) -> Target {
        let own = self.deployment.target_of(receiver);
        let stands =
            incident.target.as_deref().and_then(|stored| stored.strip_prefix("app ")).map(Target::channel);
        let wanted = stands.filter(|_| incident.receipt.is_some()).unwrap_or(own);
        let closed = self.senders.closed();
        let is_open = |target: &Target| {
            let unavailable = self.deployment.unavailable.iter().map(|(closed, _)| closed);
            !closed.iter().chain(unavailable).any(|closed| closed.covers(target))
        };
        let others = [Some(self.deployment.own.clone()), self.deployment.second.clone()];
        let open = [Some(wanted.clone())].into_iter().chain(others).flatten().find(is_open);
        open.unwrap_or(wanted)
    }

    fn options(&self) -> Options<'_> {
        let config = &self.deployment.config;
        Options {
            rendering: config.rendering,
            has_bar: config.rendering == Rendering::Classic,
            channel: None,
            timezone: config.timezone,
            language: config.language,
        }
    }
}

/// Why something did not arrive.
fn failure(outcome: Outcome) -> Failure {
    match outcome {
        Outcome::Retry { failure, .. }
        | Outcome::Unsure(failure)
        | Outcome::Gone(failure)
        | Outcome::MessageRefused(failure)
        | Outcome::TargetRefused(failure)
        | Outcome::SenderRefused(failure) => failure,
        Outcome::Delivered(_) => Failure::new("unknown", "nothing failed"),
    }
}
