//! The ledger that all processes of the function share: what is known of their alerts is kept in a table.
//!
//! One item for one alert at one receiver. Claiming it is one conditional write that answers with what was there: the claim
//! is the read, and the lease in it keeps other processes away until the claim is recorded, or its time is over.
//! A table that is missing, slow or refuses costs the memory and never the alert: then the process remembers by itself.
//!
//! The calls are in [`dynamodb`](crate::dynamodb).

use std::collections::{BTreeMap, HashSet};
use std::convert::identity;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use alert_core::alert::Alert;
use alert_core::incident::{Change, Incident};
use alert_core::key;
use alert_core::known::{Kept, Known, Past, Question};
use alert_core::outcome::Receipt;
use alert_core::receipt::Counts;
use alert_core::report::{Digest, Keep, Settled};
use alert_core::silence::Silences;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join;
use futures_util::stream::{self, StreamExt as _};
use tokio::time::{Instant, sleep, timeout};

use crate::deadline::Deadline;
use crate::ledger::{Answers, Hold, KnownDigest, Ledger};
use crate::memory::ProcessMemory;
use crate::metrics::TABLE_UNAVAILABLE;

/// Calls beside each other.
const CALLS_AT_ONCE: usize = 32;
/// How long a claim waits for another process that works on the same alert; a post takes less than a second.
const PATIENCE: Duration = Duration::from_secs(3);
const PATIENCE_PAUSE: Duration = Duration::from_millis(150);
/// For changing a message once more: no longer than others wait for an alert, and long enough for one try of
/// [`follow_up`](crate::courier::Courier::follow_up) with clocks that differ by a second.
const HOLD: TimeDelta = TimeDelta::milliseconds(2_500);
/// A lease outlives its invocation's deadline by this much: clocks differ.
const LEASE_MARGIN: TimeDelta = TimeDelta::seconds(2);
/// What is over is forgotten when no queue can bring it any more: SQS keeps messages for 14 days at most.
const KEPT_WHEN_OVER: TimeDelta = TimeDelta::days(14);
/// What still fires is kept as long as anybody may wait for its end.
pub(crate) const KEPT_WHEN_OPEN: TimeDelta = TimeDelta::days(90);

/// One claim of an item.
#[derive(Debug)]
pub struct Claim<'c> {
    /// The item.
    pub key: &'c str,
    /// The process that claims it.
    pub owner: &'c str,
    /// The names of the deliveries that it is claimed for: from now on they may have arrived. None where nothing is posted.
    pub deliveries: &'c [String],
    /// The clock.
    pub now: DateTime<Utc>,
    /// When the lease ends.
    pub until: DateTime<Utc>,
    /// When the item may be forgotten.
    pub expires_at: DateTime<Utc>,
}

/// What became of a claim.
#[derive(Debug)]
pub enum Claimed {
    /// It is ours; what was there before.
    Ours(There),
    /// Another process has it; what is there.
    Others(There),
}

/// What an item holds.
#[derive(Debug, Default)]
pub struct There {
    /// The alert's life.
    pub incident: Option<Incident>,
    /// The names of deliveries that were tried, and may have arrived.
    pub tried: Vec<String>,
    /// What its message holds, where people may act on it.
    pub shown: Option<String>,
    /// The alert in its newest state, where it may be told again.
    pub alert: Option<String>,
    /// What is written down, where it is no alert.
    pub note: Option<String>,
}

/// Something to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noted {
    /// The stored form of a [`Note`](alert_core::note::Note).
    pub text: String,
    /// When something is to be done about it.
    pub due_at: Option<DateTime<Utc>>,
    /// When it may be forgotten.
    pub expires_at: DateTime<Utc>,
}

/// An item with which something is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The item.
    pub key: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// What is recorded of a claimed item.
#[derive(Debug)]
pub struct Record<'r> {
    /// The item.
    pub key: &'r str,
    /// The process that has claimed it.
    pub owner: &'r str,
    /// What is kept.
    pub keep: &'r Keep,
    /// When the item may be forgotten.
    pub expires_at: DateTime<Utc>,
    /// The clock.
    pub now: DateTime<Utc>,
    /// Whether it is not free yet, because more is to be done with it.
    pub is_kept: bool,
}

/// Why a store cannot be used now, for people.
#[derive(Debug)]
pub struct Trouble(pub String);

/// Where items are kept. Each call is one write, and bounded in time.
pub trait Store {
    /// Opens the connection and tries the right to it.
    fn warm_up(&self, now: DateTime<Utc>) -> impl Future<Output = Result<(), Trouble>>;

    /// Claims an item, unless somebody else has it.
    fn claim(&self, claim: &Claim<'_>) -> impl Future<Output = Result<Claimed, Trouble>>;

    /// Writes down a digest, or which of its alerts are over; what is there then.
    fn digest(
        &self,
        digest: &Digest<'_>,
        expires_at: DateTime<Utc>,
    ) -> impl Future<Output = Result<Option<KnownDigest>, Trouble>>;

    /// Records what became of it; `false` where somebody else has it by now.
    fn record(&self, record: &Record<'_>) -> impl Future<Output = Result<bool, Trouble>>;

    /// The rules by which alerts are silenced, as their JSON; `None` where there never was one.
    fn silences(&self) -> impl Future<Output = Result<Option<String>, Trouble>>;

    /// Writes down under a message's name which item it shows.
    fn name_message(
        &self,
        message: &str,
        key: &str,
        expires_at: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), Trouble>>;

    /// The item that a message shows.
    fn shown_by(&self, message: &str) -> impl Future<Output = Result<Option<String>, Trouble>>;

    /// What an item holds; nobody is kept away from it.
    fn read(&self, key: &str) -> impl Future<Output = Result<There, Trouble>>;

    /// At most so many items with which something is to be done by now, those that wait longest first.
    fn due(&self, now: DateTime<Utc>, max: usize) -> impl Future<Output = Result<Vec<Due>, Trouble>>;

    /// What is written down under a name.
    fn note(&self, key: &str) -> impl Future<Output = Result<Option<String>, Trouble>>;

    /// Writes something down, if nothing but `was` is there; whether it did.
    fn put_note(
        &self,
        key: &str,
        noted: &Noted,
        was: Option<&str>,
    ) -> impl Future<Output = Result<bool, Trouble>>;

    /// Forgets what is written down, if it is `was` still; whether it did.
    fn drop_note(&self, key: &str, was: &str) -> impl Future<Output = Result<bool, Trouble>>;

    /// Adds to what is counted under a name.
    fn count(
        &self,
        key: &str,
        counts: &Counts,
        expires_at: DateTime<Utc>,
    ) -> impl Future<Output = Result<(), Trouble>>;

    /// What is counted under a name.
    fn counted(&self, key: &str) -> impl Future<Output = Result<Counts, Trouble>>;

    /// How many alerts are open, and at most so many of them, the oldest first.
    fn open(&self, max: usize) -> impl Future<Output = Result<(usize, Vec<Due>), Trouble>>;

    /// Lets something be done later with an item, or never, unless that was changed in the meantime. What is open since a time
    /// is found by it.
    fn postpone(
        &self,
        due: &Due,
        to: Option<DateTime<Utc>>,
        open_since: Option<DateTime<Utc>>,
    ) -> impl Future<Output = Result<(), Trouble>>;

    /// Lets nothing be done with an item before a time, whatever was changed in the meantime.
    fn put_off(&self, key: &str, to: DateTime<Utc>) -> impl Future<Output = Result<(), Trouble>>;
}

/// A store, and what this process remembers beside it.
#[derive(Debug)]
pub struct Table<S> {
    store: S,
    /// This process, in its leases.
    owner: String,
    process: ProcessMemory,
    /// Calls that failed or took too long, since they were last counted.
    troubles: AtomicUsize,
}

impl<S: Store> Table<S> {
    /// A ledger in this store.
    #[must_use]
    pub fn new(store: S) -> Self {
        Self {
            store,
            owner: format!("{:032x}", rand::random::<u128>()),
            process: ProcessMemory::default(),
            troubles: AtomicUsize::new(0),
        }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// How many calls have failed or taken too long since this was last asked.
    pub fn take_troubles(&self) -> usize {
        self.troubles.swap(0, Ordering::Relaxed)
    }

    /// Counts a call that failed, and was logged.
    pub fn count_trouble(&self) {
        self.troubles.fetch_add(1, Ordering::Relaxed);
    }

    /// Logs and counts a trouble and what `comes_of_it`.
    fn tell(&self, Trouble(problem): &Trouble, comes_of_it: &str) {
        tracing::warn!(error_type = TABLE_UNAVAILABLE, "{problem}{comes_of_it}");
        self.count_trouble();
    }

    /// Makes the first alert not wait for the connection.
    ///
    /// What is wrong is logged; the messages say it as long as it is so.
    pub async fn warm_up(&self, now: DateTime<Utc>) {
        if let Err(trouble) = self.store.warm_up(now).await {
            self.tell(&trouble, "");
        }
    }

    /// Claims one item, and waits for who has it until `patience` is over. `began` is when the clock said `now`.
    async fn claim_one(
        &self,
        key: &str,
        deliveries: &[String],
        (now, began): (DateTime<Utc>, Instant),
        patience: Instant,
        deadline: Deadline,
    ) -> Result<Claimed, Trouble> {
        loop {
            let now = now + span(began.elapsed());
            let until = now + span(deadline.left()) + LEASE_MARGIN;
            let (owner, expires_at) = (self.owner.as_str(), now + KEPT_WHEN_OPEN);
            let claimed = self.store.claim(&Claim { key, owner, deliveries, now, until, expires_at }).await?;
            let Claimed::Others(there) = &claimed else { return Ok(claimed) };
            let is_told = there
                .incident
                .as_ref()
                .is_some_and(|incident| deliveries.iter().all(|delivery| incident.is_told(delivery)));
            if is_told || Instant::now() + PATIENCE_PAUSE > patience {
                return Ok(claimed);
            }
            sleep(PATIENCE_PAUSE).await;
        }
    }

    /// What people have silenced by rules, as the store has it. Where nobody knows, everything rings.
    fn known_silences(&self, known: Result<Option<String>, Trouble>, is_known: bool) -> Silences {
        let json = known.unwrap_or_else(|trouble| {
            // One trouble is told and counted once.
            if !is_known {
                self.tell(&trouble, ": what is silenced by a rule rings");
            }
            None
        });
        let Some(json) = json else { return Silences::default() };
        read_silences(&json)
    }

    /// Whether the next one is worth a call.
    async fn record_one(&self, settled: &Settled<'_>, now: DateTime<Utc>) -> bool {
        let Some(keep) = &settled.kept else { return true };
        let expires_at = kept_until(keep.incident.as_ref(), now);
        let key = key::place(settled.receiver, settled.alert);
        let record = Record { key: &key, owner: &self.owner, keep, expires_at, now, is_kept: false };
        // With each change, so that it is there as long as the alert is.
        let named = async {
            match &keep.message {
                Some(message) => self.store.name_message(&key::message(message), &key, expires_at).await,
                None => Ok(()),
            }
        };
        // A new one before, or who dies in between leaves buttons that nobody minds.
        let (recorded, named) = if keep.is_message_new {
            let named = named.await;
            (self.store.record(&record).await, named)
        } else {
            join(self.store.record(&record), named).await
        };
        if let Err(trouble) = named
            && recorded.is_ok()
        {
            self.tell(&trouble, ": what is pressed in the message of an alert may not be taken");
        }
        match recorded {
            Ok(true) => {}
            Ok(false) => {
                tracing::warn!(
                    "another process has taken {key} over, because the lease of this one had ended: its messages may be told twice"
                );
                return false;
            }
            Err(trouble) => {
                let comes_of_it =
                    format!(": what was posted just now of {key} is not recorded, and may be told twice");
                self.tell(&trouble, &comes_of_it);
                return false;
            }
        }
        true
    }
}

impl<S: Store> Ledger for Table<S> {
    async fn claim(&self, questions: &[Question<'_>], now: DateTime<Utc>, deadline: Deadline) -> Answers {
        let mut answers = self.process.claim(questions, now, deadline).await;
        // All deliveries of one alert to one receiver are one claim.
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (number, question) in questions.iter().enumerate() {
            places.entry(key::place(question.receiver, question.alert)).or_default().push(number);
        }
        let is_in_trouble = AtomicBool::new(false);
        let began = Instant::now();
        let patience = began + PATIENCE.min(deadline.left() / 4);
        let give_up = began + deadline.left() / 3;
        let claim = async |(place, numbers): (String, Vec<usize>)| {
            // One that hangs, or many that are slow, say enough: the alerts wait.
            if is_in_trouble.load(Ordering::Relaxed) || Instant::now() > give_up {
                return (numbers, None);
            }
            let mut deliveries: Vec<String> =
                numbers.iter().map(|number| questions[*number].delivery.name()).collect();
            deliveries.sort();
            deliveries.dedup();
            let claimed = self.claim_one(&place, &deliveries, (now, began), patience, deadline).await;
            is_in_trouble.fetch_or(claimed.is_err(), Ordering::Relaxed);
            (numbers, Some(claimed))
        };
        // The first of them before all others: of two processes with the same alerts one has all of them then, and they do
        // not wait for each other with a part each.
        let first = places.pop_first().map(&claim);
        let others = stream::iter(places).map(&claim).buffer_unordered(CALLS_AT_ONCE);
        let claims = stream::iter(first).then(identity).chain(others).collect::<Vec<_>>();
        let (claims, silences) = join(claims, self.store.silences()).await;
        answers.silences = self.known_silences(silences, is_in_trouble.load(Ordering::Relaxed));
        for (numbers, claimed) in claims {
            let (there, is_ours) = match claimed {
                Some(Ok(Claimed::Ours(there))) => (there, true),
                Some(Ok(Claimed::Others(there))) => (there, false),
                Some(Err(trouble)) => {
                    self.tell(&trouble, "");
                    answers.problem = Some(trouble.0);
                    continue;
                }
                None => {
                    let slow = || "the table takes too long for so many alerts".to_owned();
                    answers.problem.get_or_insert_with(slow);
                    continue;
                }
            };
            for number in numbers {
                let name = questions[number].delivery.name();
                add(&mut answers.known[number], &name, is_ours, &there);
            }
        }
        answers
    }

    async fn hold(
        &self,
        question: &Question<'_>,
        (alert, receipt): (&Alert, &Receipt),
        now: DateTime<Utc>,
    ) -> Option<Hold> {
        let key = key::place(question.receiver, question.alert);
        let deliveries = [question.delivery.name()];
        let (owner, until) = (self.owner.as_str(), now + HOLD);
        let expires_at = now + KEPT_WHEN_OPEN;
        let claim = Claim { key: &key, owner, deliveries: &deliveries, now, until, expires_at };
        match self.store.claim(&claim).await {
            Ok(Claimed::Ours(There { incident, tried, .. })) => {
                let is_open = incident.as_ref().is_some_and(Incident::is_open);
                let change = Change::of(alert, question.alert, &deliveries[0]);
                let is_shown =
                    incident.as_ref().is_some_and(|incident| incident.still_shows(&change, receipt));
                let hold = Hold { tried, is_open, incident, shown: None };
                if is_shown {
                    return Some(hold);
                }
                self.release(question, hold, now).await;
                None
            }
            Ok(Claimed::Others(_)) => None,
            Err(trouble) => {
                self.tell(&trouble, ": the message of an alert is not changed once more");
                None
            }
        }
    }

    async fn release(&self, question: &Question<'_>, hold: Hold, now: DateTime<Utc>) {
        let Hold { tried, is_open, shown, .. } = hold;
        let key = key::place(question.receiver, question.alert);
        let expires_at = now + if is_open { KEPT_WHEN_OPEN } else { KEPT_WHEN_OVER };
        let keep = Keep { shown, ..Keep::only(tried) };
        // Where somebody else has it by now, it is free of us.
        let record = Record { key: &key, owner: &self.owner, keep: &keep, expires_at, now, is_kept: false };
        if let Err(trouble) = self.store.record(&record).await {
            self.tell(&trouble, ": an alert is free again a moment later");
        }
    }

    async fn digest(&self, digest: &Digest<'_>, now: DateTime<Utc>) -> Option<KnownDigest> {
        let known = self.store.digest(digest, now + KEPT_WHEN_OPEN).await;
        known.unwrap_or_else(|trouble| {
            self.tell(&trouble, ": a digest does not count which of its alerts are over");
            None
        })
    }

    async fn record(&self, settled: &[Settled<'_>], now: DateTime<Utc>, deadline: Deadline) -> Vec<usize> {
        self.process.record(settled, now, deadline).await;
        let is_in_trouble = AtomicBool::new(false);
        let done = Mutex::new(HashSet::new());
        let records = stream::iter(settled.iter().enumerate()).map(async |(place, settled)| {
            // One that hangs says enough: the invocation has an end.
            if !is_in_trouble.load(Ordering::Relaxed) {
                let is_recorded = self.record_one(settled, now).await;
                is_in_trouble.fetch_or(!is_recorded, Ordering::Relaxed);
                if is_recorded {
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
                }
            }
        });
        let all = records.buffer_unordered(CALLS_AT_ONCE).collect::<()>();
        if timeout(deadline.left(), all).await.is_err() {
            let late = Trouble("the invocation's time is over before the table has taken all".to_owned());
            self.tell(&late, ": what was posted just now is not recorded, and may be told twice");
        }
        let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        (0..settled.len()).filter(|place| !done.contains(place)).collect()
    }
}

/// The rules in the table. Those that cannot be read hold nothing.
pub(crate) fn read_silences(json: &str) -> Silences {
    let silences = Silences::from_json(json).unwrap_or_else(|error| {
        tracing::warn!(
            "the silences in the table cannot be read, so that nothing is silenced by a rule: {error}"
        );
        Silences::default()
    });
    for problem in silences.problems() {
        tracing::warn!("a silence in the table holds nothing: {problem}");
    }
    silences
}

/// When what is known may be forgotten. What is silenced is remembered until that is over, and the rest of the time behind it.
pub(crate) fn kept_until(incident: Option<&Incident>, now: DateTime<Utc>) -> DateTime<Utc> {
    let is_open = incident.is_some_and(Incident::is_open);
    let kept = now + if is_open { KEPT_WHEN_OPEN } else { KEPT_WHEN_OVER };
    let silenced = incident.and_then(|incident| incident.silenced.as_ref());
    let due_at = silenced.and_then(|silenced| silenced.until);
    due_at.map_or(kept, |due_at| kept.max(due_at + KEPT_WHEN_OVER))
}

/// Adds what the table knows of a delivery to what the process knows.
fn add(known: &mut Known, delivery: &str, is_ours: bool, there: &There) {
    let There { incident, tried, .. } = there;
    // What is told is no riddle, if a claim that was made for it was never let go of.
    let tried: Vec<String> = tried
        .iter()
        .filter(|other| incident.as_ref().is_none_or(|incident| !incident.is_told(other)))
        .cloned()
        .collect();
    if incident.as_ref().is_some_and(|incident| incident.is_told(delivery)) {
        known.past = Past::Delivered;
    } else if !is_ours {
        known.past = Past::Elsewhere;
    } else if known.past == Past::None && tried.iter().any(|other| other == delivery) {
        known.past = Past::Unsure { is_too_soon: false };
    }
    known.kept =
        is_ours.then(|| Kept { incident: incident.clone(), found: Vec::new(), tried: tried.clone() });
    // What all processes know counts, and not what this one saw.
    known.shown = None;
}

fn span(time: Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap_or_default()
}
