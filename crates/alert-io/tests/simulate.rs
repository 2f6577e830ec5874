//! Everything from an event to what is remembered of it, in a world that ends processes at any moment they wait in: two
//! processes, a table that races and fails, a Slack that loses answers, people who press buttons, rules that come and go, and
//! a minute that looks at the time; for thousands of random seeds.
//!
//! `make simulate` runs as many seeds as one likes (`SEEDS=100000`, from `FIRST_SEED=1`); a seed does the same each time, and
//! `TRACE=1` prints its steps; `COLLECT=1` goes on after one that fails. A seed that failed stands in `FAILED`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "`make simulate` says what it has seen")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use alert_core::config::Config;
use alert_core::envelope;
use alert_core::incident::{Button, Incident, Person, Showing, Silenced};
use alert_core::interaction::Interaction;
use alert_core::key;
use alert_core::outcome::{Failure, Outcome, Receipt, Sighting};
use alert_core::receipt::Counts;
use alert_core::relay::{self, Deployment, Post};
use alert_core::render::{Medium, Options, Rendering};
use alert_core::report::{Digest, Keep};
use alert_core::silence::{Rule, Silences};
use alert_core::target::{Act, Closed, Target};
use alert_io::actions::Presses;
use alert_io::clock::Clock;
use alert_io::courier::Courier;
use alert_io::deadline::Deadline;
use alert_io::delivery::{self, Times};
use alert_io::ledger::KnownDigest;
use alert_io::sender::{Attempt, Opens, Sends};
use alert_io::table::{Claim, Claimed, Due, Noted, Record, Store, Table, There, Trouble};
use alert_io::watch::Watch;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join, join_all};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// Some seconds of `make test`; the other seeds are for `make simulate`.
const SEEDS: u64 = 2_000;
/// Seeds that have failed once.
const FAILED: [u64; 9] = [5_958, 4_211, 6_216, 10_253, 23_382, 26_639, 7_943, 26_472, 59_595];
const ALARMS: usize = 3;
const PROCESSES: usize = 2;
/// An invocation's time.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The time of a press, of which Slack waits for the answer.
const PRESS_TIMEOUT: Duration = Duration::from_millis(1_600);
const MINUTE: Duration = Duration::from_mins(1);

/// What can go wrong in one world.
#[derive(Debug, Clone, Copy)]
struct Faults {
    /// Of a hundred calls of Slack, so many lose their answer.
    lost_answers: u32,
    /// Of a hundred calls of the table, so many fail, some of which are carried out all the same.
    table: u32,
    /// Of a hundred invocations, so many end somewhere in their middle.
    deaths: u32,
    /// The app may read the channel.
    reads_back: bool,
    /// Of a hundred messages, so many are deleted by somebody.
    deletions: u32,
}

/// A message in the channel.
#[derive(Debug)]
struct Message {
    ts: String,
    /// The name that it was posted by.
    posted_as: String,
    /// The name that its label has.
    name: String,
    thread: Option<String>,
    /// The first words of what it shows now.
    shows: String,
    /// All of it.
    content: String,
    is_deleted: bool,
    /// It was posted with a table that could not be had, or says that it may be a repeat.
    is_explained: bool,
    /// The number of the change that it shows.
    change: Option<usize>,
    /// The number of the one that it was posted for.
    posted_for: Option<usize>,
    /// What it says of that itself.
    says: Option<Showing>,
}

struct World {
    random: RefCell<StdRng>,
    faults: Cell<Faults>,
    started: Instant,
    began: DateTime<Utc>,
    items: RefCell<BTreeMap<String, Item>>,
    /// By the names of messages, which items they show.
    pointers: RefCell<HashMap<String, String>>,
    rules: RefCell<Vec<Rule>>,
    messages: RefCell<Vec<Message>>,
    /// What rang: the alarm, and when.
    rung: RefCell<Vec<(String, DateTime<Utc>)>>,
    /// What should have rung, and from when on: the item, and its silence.
    ended: RefCell<Vec<(String, DateTime<Utc>, Silenced)>>,
    /// What should not have been, as it happened.
    wrong: RefCell<Vec<String>>,
    /// Messages that showed a change, and then an older one.
    set_back: RefCell<Vec<String>>,
    /// Deliveries that are to be held by a silence, by name, with the number of the change.
    holding: RefCell<HashMap<String, usize>>,
    /// Numbers of changes that a silence held.
    held: RefCell<HashSet<usize>>,
    /// Not every message has been changed that was to say what people have done.
    is_unshown: Cell<bool>,
    presses: Cell<usize>,
    /// Whether the table failed in this world at a time when it mattered.
    table_failed: Cell<bool>,
    lost: Cell<usize>,
    deaths: Cell<usize>,
    calls: Cell<usize>,
    /// What people were told at any time, as `[reason]`.
    told: RefCell<HashSet<String>>,
    is_traced: bool,
}

#[derive(Debug, Default, Clone)]
struct Item {
    due_at: Option<DateTime<Utc>>,
    there: StoredThere,
    lease: Option<(String, DateTime<Utc>)>,
}

#[derive(Debug, Default, Clone)]
struct StoredThere {
    incident: Option<String>,
    tried: Vec<String>,
    shown: Option<String>,
    alert: Option<String>,
    note: Option<String>,
}

impl StoredThere {
    fn there(&self) -> There {
        There {
            incident: self.incident(),
            tried: self.tried.clone(),
            shown: self.shown.clone(),
            alert: self.alert.clone(),
            note: self.note.clone(),
        }
    }

    fn incident(&self) -> Option<Incident> {
        self.incident.as_deref().map(|text| Incident::from_json(text).unwrap())
    }
}

impl World {
    fn new(random: StdRng, faults: Faults) -> Self {
        Self {
            random: random.into(),
            faults: faults.into(),
            started: Instant::now(),
            // The same each time: deliveries are named by what they say, times included.
            began: "2026-11-27T03:00:00Z".parse().unwrap(),
            items: RefCell::default(),
            pointers: RefCell::default(),
            rules: RefCell::default(),
            messages: RefCell::default(),
            rung: RefCell::default(),
            ended: RefCell::default(),
            wrong: RefCell::default(),
            set_back: RefCell::default(),
            holding: RefCell::default(),
            held: RefCell::default(),
            is_unshown: Cell::default(),
            presses: Cell::default(),
            table_failed: Cell::default(),
            lost: Cell::default(),
            deaths: Cell::default(),
            calls: Cell::default(),
            told: RefCell::default(),
            is_traced: std::env::var_os("TRACE").is_some(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.began + TimeDelta::from_std(self.started.elapsed()).unwrap()
    }

    fn chance(&self, of_hundred: u32) -> bool {
        self.random.borrow_mut().random_range(0..100) < of_hundred
    }

    fn trace(&self, step: impl FnOnce() -> String) {
        if self.is_traced {
            println!("{} {}", self.now().format("%T%.3f"), step());
        }
    }

    async fn wait(&self, up_to_millis: u64) {
        let millis = self.random.borrow_mut().random_range(0..=up_to_millis);
        sleep(Duration::from_millis(millis)).await;
    }

    /// Whether a silence holds now, as the table has it.
    fn holds(&self, silenced: &Silenced) -> bool {
        let now = self.now();
        match &silenced.rule {
            None => silenced.holds(now),
            Some(id) => self.rules.borrow().iter().any(|rule| rule.id == *id && rule.is_active(now)),
        }
    }

    /// The place of an alarm, and what is known of it.
    fn incident(&self, alarm: &str) -> Option<(String, Incident)> {
        let items = self.items.borrow();
        let (place, item) = items.iter().find(|(place, _)| place.contains(alarm))?;
        Some((place.clone(), item.there.incident()?))
    }

    /// A process may end while it works; whether it lived, and what came of it.
    async fn live<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let dies = self.chance(self.faults.get().deaths);
        let life = Duration::from_millis(self.random.borrow_mut().random_range(0..1_500));
        let done = timeout(if dies { life } else { limit * 2 }, work).await;
        assert!(dies || done.is_ok(), "an invocation outlives its time");
        if done.is_err() {
            self.deaths.set(self.deaths.get() + 1);
        }
        done.ok()
    }

    /// Something rings: whether it may.
    fn ring(&self, shows: &str, ends: &[String]) {
        let Some(at) = shows.find("alarm-") else { return };
        let alarm = &shows[at..at + "alarm-0".len()];
        self.rung.borrow_mut().push((alarm.to_owned(), self.now()));
        let Some((_, Incident { silenced: Some(silenced), .. })) = self.incident(alarm) else { return };
        // An end in the same event ends what is silenced until then.
        let is_ended = ends.iter().any(|ended| ended == alarm);
        // What fires anew was over, though nobody heard of it yet.
        let is_anew = ["Fires for the", "No data"].iter().any(|words| shows.contains(words));
        let is_over = silenced.until.is_none() && (is_ended || is_anew);
        // Who began a moment before, and waited for others, does not know of it yet.
        let is_young = silenced.rule.is_some() && self.now() - silenced.at < TimeDelta::seconds(5);
        if self.holds(&silenced) && !is_over && !is_young {
            self.wrong.borrow_mut().push(format!("{} {shows} rang while {silenced:?}", self.now()));
        }
    }

    /// An item is written: what becomes of its silence.
    fn note_silence(&self, place: &str, before: Option<Incident>, after: &Incident) {
        // What began behind it has a ring of its own.
        let before = before.filter(Incident::is_open);
        let Some(silenced) = before.and_then(|before| before.silenced) else { return };
        if after.silenced.is_some() || self.holds(&silenced) || !after.is_open() {
            return;
        }
        let rules = self.rules.borrow();
        let rule = silenced.rule.as_ref().and_then(|id| rules.iter().find(|rule| rule.id == *id));
        let since = rule.map(|rule| rule.ends_at).or(silenced.until);
        self.ended.borrow_mut().extend(since.map(|since| (place.to_owned(), since, silenced)));
    }
}

/// The table, as one process sees it.
#[derive(Clone)]
struct Simulated(Rc<World>);

impl Simulated {
    /// Carries out a write, or fails before it or after it.
    async fn write<T>(
        &self,
        write: impl FnOnce(&mut BTreeMap<String, Item>, DateTime<Utc>) -> T,
    ) -> Result<T, Trouble> {
        let world = &self.0;
        world.wait(40).await;
        let fails = world.chance(world.faults.get().table);
        if fails && world.chance(50) {
            world.table_failed.set(true);
            return Err(Trouble("the table is down".to_owned()));
        }
        let done = write(&mut world.items.borrow_mut(), world.now());
        world.wait(40).await;
        if fails {
            world.table_failed.set(true);
            return Err(Trouble("the table's answer was lost".to_owned()));
        }
        Ok(done)
    }
}

impl Store for Simulated {
    async fn warm_up(&self, _: DateTime<Utc>) -> Result<(), Trouble> {
        Ok(())
    }

    async fn claim(&self, claim: &Claim<'_>) -> Result<Claimed, Trouble> {
        self.write(|items, _| {
            let item = items.entry(claim.key.to_owned()).or_default();
            if let Some((owner, until)) = &item.lease
                && owner != claim.owner
                && *until >= claim.now
            {
                return Claimed::Others(item.there.there());
            }
            let there = item.there.there();
            self.0.trace(|| {
                format!("claimed {} for {:?}, {:?} {there:?}", claim.key, claim.deliveries, claim.owner)
            });
            item.lease = Some((claim.owner.to_owned(), claim.until));
            let new: Vec<_> =
                claim.deliveries.iter().filter(|name| !item.there.tried.contains(name)).cloned().collect();
            item.there.tried.extend(new);
            Claimed::Ours(there)
        })
        .await
    }

    async fn digest(&self, _: &Digest<'_>, _: DateTime<Utc>) -> Result<Option<KnownDigest>, Trouble> {
        // There are none in these worlds.
        Ok(None)
    }

    async fn silences(&self) -> Result<Option<String>, Trouble> {
        let rules = || {
            let mut silences = Silences::default();
            self.0.rules.borrow().iter().for_each(|rule| silences.add(rule.clone()).unwrap());
            silences.to_json()
        };
        self.write(|_, _| Some(rules())).await
    }

    async fn name_message(&self, message: &str, key: &str, _: DateTime<Utc>) -> Result<(), Trouble> {
        self.write(|_, _| {
            self.0.pointers.borrow_mut().insert(message.to_owned(), key.to_owned());
        })
        .await
    }

    async fn shown_by(&self, message: &str) -> Result<Option<String>, Trouble> {
        self.write(|_, _| self.0.pointers.borrow().get(message).cloned()).await
    }

    async fn read(&self, key: &str) -> Result<There, Trouble> {
        self.write(|items, _| items.get(key).map(|item| item.there.there()).unwrap_or_default()).await
    }

    async fn count(&self, _: &str, _: &Counts, _: DateTime<Utc>) -> Result<(), Trouble> {
        Ok(())
    }

    async fn counted(&self, _: &str) -> Result<Counts, Trouble> {
        Ok(Counts::default())
    }

    async fn open(&self, _: usize) -> Result<(usize, Vec<Due>), Trouble> {
        Ok((0, Vec::new()))
    }

    async fn postpone(
        &self,
        due: &Due,
        to: Option<DateTime<Utc>>,
        _: Option<DateTime<Utc>>,
    ) -> Result<(), Trouble> {
        self.write(|items, _| {
            if let Some(item) = items.get_mut(&due.key).filter(|item| item.due_at == Some(due.at)) {
                item.due_at = to;
            }
        })
        .await
    }

    async fn put_off(&self, key: &str, to: DateTime<Utc>) -> Result<(), Trouble> {
        self.write(|items, _| {
            if let Some(item) = items.get_mut(key).filter(|item| item.due_at.is_some_and(|at| at < to)) {
                item.due_at = Some(to);
            }
        })
        .await
    }

    async fn note(&self, key: &str) -> Result<Option<String>, Trouble> {
        self.write(|items, _| items.get(key).and_then(|item| item.there.note.clone())).await
    }

    async fn put_note(&self, key: &str, noted: &Noted, was: Option<&str>) -> Result<bool, Trouble> {
        self.write(|items, _| {
            let item = items.entry(key.to_owned()).or_default();
            let is_there = item.there.note.as_deref() == was;
            if is_there {
                (item.there.note, item.due_at) = (Some(noted.text.clone()), noted.due_at);
            }
            is_there
        })
        .await
    }

    async fn drop_note(&self, key: &str, was: &str) -> Result<bool, Trouble> {
        self.write(|items, _| {
            let item = items.entry(key.to_owned()).or_default();
            let is_there = item.there.note.as_deref() == Some(was);
            if is_there {
                (item.there.note, item.due_at) = (None, None);
            }
            is_there
        })
        .await
    }

    async fn due(&self, now: DateTime<Utc>, max: usize) -> Result<Vec<Due>, Trouble> {
        let due = self.write(|items, _| {
            let due =
                items.iter().filter_map(|(place, item)| Some(Due { at: item.due_at?, key: place.clone() }));
            due.filter(|due| due.at <= now).collect::<Vec<_>>()
        });
        let mut due = due.await?;
        due.sort_by_key(|due| due.at);
        due.truncate(max);
        Ok(due)
    }

    async fn record(&self, record: &Record<'_>) -> Result<bool, Trouble> {
        self.write(|items, _| {
            let item = items.entry(record.key.to_owned()).or_default();
            if item.lease.as_ref().is_none_or(|(owner, _)| owner != record.owner) {
                return false;
            }
            let Keep { incident, tried, shown, alert, .. } = record.keep;
            self.0.trace(|| format!("record {}: {:?}", record.key, record.keep));
            if !record.is_kept {
                item.lease = None;
            }
            let before = item.there.incident();
            if let Some(incident) = incident {
                item.there.incident = Some(incident.to_json());
                item.due_at = incident.due_at(record.now);
                self.0.note_silence(record.key, before, incident);
                let holding = self.0.holding.borrow();
                let held = holding.iter().filter(|(name, _)| incident.is_told(name));
                self.0.held.borrow_mut().extend(held.map(|(_, number)| *number));
            }
            if shown.is_some() {
                item.there.shown.clone_from(shown);
            }
            if alert.is_some() {
                item.there.alert.clone_from(alert);
            }
            item.there.tried.clone_from(tried);
            true
        })
        .await
    }
}

/// Slack, as one process sees it.
struct Slack {
    world: Rc<World>,
    /// The numbers of the changes in the relay's event; `None` for people, and for who looks at the time.
    event: Option<Vec<usize>>,
    /// The alarms that end in its event.
    ends: Vec<String>,
}

impl Slack {
    fn find_named(&self, name: &str) -> Option<(Receipt, Option<Showing>)> {
        if !self.world.faults.get().reads_back {
            return None;
        }
        let messages = self.world.messages.borrow();
        let found = messages.iter().find(|message| message.name == name && !message.is_deleted)?;
        Some((Receipt { place: "C1".to_owned(), message: found.ts.clone() }, found.says.clone()))
    }

    /// What the channel makes of a post: the receipt, or that the message it is about is not there.
    fn take(&self, post: &Post) -> Option<Receipt> {
        let world = &self.world;
        let mut messages = world.messages.borrow_mut();
        let content: Value = serde_json::from_str(&post.message.content()).unwrap();
        let shows = content["text"].as_str().unwrap().to_owned();
        let all = content.to_string();
        let reasons = all.split('[').skip(1).filter_map(|part| part.split_once(']'));
        let reasons: Vec<_> = reasons.map(|(reason, _)| reason.to_owned()).collect();
        let change = reasons.iter().find_map(|reason| reason.parse().ok());
        world.told.borrow_mut().extend(reasons);
        let is_explained = all.contains("may be a repeat") || all.contains("this may be told twice");
        let is_there = |messages: &[Message], ts: &str| {
            messages.iter().any(|message| message.ts == ts && !message.is_deleted)
        };
        let thread = match &post.act {
            Act::Edit(to) | Act::Supersede(to) => {
                let message =
                    messages.iter_mut().find(|message| message.ts == to.message && !message.is_deleted)?;
                // Of two changes in one event the newer one is shown in the end. Of a message that the table knows what the table
                // knows is changed; so do people, and who looks at the time.
                let has_message = |at: usize| {
                    let incident = world.incident(&shows[at..at + "alarm-0".len()]);
                    incident.is_some_and(|(_, incident)| incident.receipt.is_some())
                };
                let is_found =
                    matches!(post.act, Act::Edit(_)) && !shows.find("alarm-").is_some_and(has_message);
                let event = self.event.as_ref().filter(|_| is_found);
                let is_set_back =
                    event.zip(change).zip(message.change).is_some_and(|((event, change), before)| {
                        let is_own = message.posted_for.is_some_and(|number| event.contains(&number));
                        before > change && !event.contains(&before) && !is_own
                    });
                if is_set_back {
                    let set_back = format!("{} {:?} by {shows} {change:?}", world.now(), message);
                    world.set_back.borrow_mut().push(set_back);
                }
                message.change = change.or(message.change);
                if let Some(label) = post.label() {
                    (message.name, message.says) = (label.name.into_owned(), label.shows.cloned());
                }
                message.shows = shows;
                message.content = all;
                return Some(to.clone());
            }
            Act::Reply { to, .. } if !is_there(&messages, &to.message) => return None,
            Act::Reply { to, .. } => Some(to.message.clone()),
            Act::Say => None,
        };
        if matches!(post.act, Act::Say | Act::Reply { is_shown: true, .. }) {
            world.ring(&shows, &self.ends);
        }
        let ts = format!("{}.{:06}", world.now().timestamp(), messages.len());
        messages.push(Message {
            ts: ts.clone(),
            posted_as: post.name.clone(),
            name: post.name.clone(),
            thread,
            shows,
            content: all,
            is_deleted: false,
            is_explained,
            change,
            posted_for: change,
            says: post.label().and_then(|label| label.shows.cloned()),
        });
        Some(Receipt { place: "C1".to_owned(), message: ts })
    }
}

impl Sends for Slack {
    async fn send(&self, post: &Post, limit: Duration) -> Attempt {
        let attempt = self.attempt(post, limit).await;
        let is_shown = matches!(attempt.outcome, Outcome::Delivered(_));
        // A person's, or that of a silence which is over: nobody tries it again.
        if post.items.is_empty() && post.act.is_edit() && !is_shown {
            self.world.is_unshown.set(true);
        }
        attempt
    }

    async fn find(&self, _: &Target, names: &[String], _: Duration) -> Vec<Sighting> {
        self.world.wait(100).await;
        let sighting = |name: &String| {
            let (receipt, shows) = self.find_named(name)?;
            Some(Sighting { name: name.clone(), receipt, is_digest: false, shows })
        };
        names.iter().filter_map(sighting).collect()
    }
}

impl Slack {
    async fn attempt(&self, post: &Post, limit: Duration) -> Attempt {
        let world = &self.world;
        world.calls.set(world.calls.get() + 1);
        world.trace(|| format!("send {:?} {} {}", post.act, post.name, post.message.content()));
        let attempt = |outcome| Attempt { outcome, connection_lost: false };
        if post.may_be_repeat
            && !post.act.is_edit()
            && let Some((receipt, _)) = self.find_named(&post.name)
        {
            return attempt(Outcome::Delivered(Some(receipt)));
        }
        world.wait(300).await;
        if world.chance(3) {
            let failure = Failure::new("slack_unavailable", "it is busy");
            return attempt(Outcome::Retry { after: None, failure });
        }
        let taken = self.take(post);
        world.wait(300).await;
        let Some(receipt) = taken else {
            return attempt(Outcome::Gone(Failure::new("gone", "it is not there")));
        };
        if world.chance(world.faults.get().lost_answers) {
            world.lost.set(world.lost.get() + 1);
            world.trace(|| format!("lost the answer for {}", post.name));
            sleep(limit.min(Duration::from_millis(500))).await;
            // As the app does: where it may, it looks.
            if !post.act.is_edit()
                && let Some((receipt, _)) = self.find_named(&post.name)
            {
                return attempt(Outcome::Delivered(Some(receipt)));
            }
            return attempt(Outcome::Unsure(Failure::new("slack_timeout", "no answer")));
        }
        attempt(Outcome::Delivered(Some(receipt)))
    }
}

/// What opens Slack, for the minute.
struct Opened(Rc<World>);

impl Opens for Opened {
    type Sender = Slack;

    async fn sender(&self, _: &Target, _: Deadline) -> Result<Slack, (Closed, Failure)> {
        Ok(Slack { world: Rc::clone(&self.0), event: None, ends: Vec::new() })
    }

    fn closed(&self) -> Vec<(Closed, String)> {
        Vec::new()
    }
}

/// One process of the function.
struct Process {
    ledger: Table<Simulated>,
    courier: Courier,
}

impl Process {
    fn new(world: &Rc<World>) -> Self {
        let seed = world.random.borrow_mut().random();
        Self { ledger: Table::new(Simulated(Rc::clone(world))), courier: Courier::seeded(seed) }
    }

    /// Whether the event was taken; otherwise it comes again.
    async fn handle(
        &self,
        world: &Rc<World>,
        deployment: &Deployment,
        deliveries: &[Delivery],
        changes: &[Happened],
    ) -> bool {
        let event = event(deliveries, changes);
        let ends = deliveries.iter().map(|(_, number)| &changes[*number]);
        let ends = ends.filter(|(_, state, _)| *state == "OK").map(|(alarm, ..)| format!("alarm-{alarm}"));
        let ends: Vec<_> = ends.collect();
        let deadline = Deadline::after(TIMEOUT);
        let draft = relay::draft(envelope::decode(event.as_bytes()), deployment, "request", world.now());
        let sender = async |_: &Target| {
            Ok::<_, (Closed, Failure)>(Slack {
                world: Rc::clone(world),
                event: Some(deliveries.iter().map(|(_, number)| *number).collect()),
                ends: ends.clone(),
            })
        };
        let plan = delivery::prepare(draft, &self.ledger, &sender, world.now(), deadline).await;
        let held = (0..plan.items.len()).filter(|index| plan.is_held(*index));
        for item in held.map(|index| &plan.items[index]) {
            let number = deliveries[item.record].1;
            world.holding.borrow_mut().insert(item.delivery.name(), number);
        }
        let times = Times { now: world.now(), posting: deadline.less(Duration::from_secs(1)), deadline };
        let report = delivery::carry_out(&plan, &self.ledger, &self.courier, &sender, times).await;
        report.failed.is_empty()
    }
}

/// What happens to the alarms, in the order in which it happens: the alarm, the state, and when.
fn history(random: &mut StdRng, began: DateTime<Utc>) -> Vec<Happened> {
    // All of it before the deliveries begin: what is told of the far future is not believed.
    let mut at = began - TimeDelta::hours(4);
    let mut states = [""; ALARMS];
    let mut changes = Vec::new();
    for _ in 0..random.random_range(2..14) {
        let alarm = random.random_range(0..ALARMS);
        at += TimeDelta::seconds(random.random_range(1..900));
        let others = ["ALARM", "OK", "INSUFFICIENT_DATA"].into_iter().filter(|state| *state != states[alarm]);
        let others: Vec<_> = others.collect();
        states[alarm] = others[random.random_range(0..others.len())];
        changes.push((alarm, states[alarm], at));
    }
    changes
}

/// What happened to an alarm: which one, its state, and when.
type Happened = (usize, &'static str, DateTime<Utc>);

/// One delivery: its id, and the number of the change that it tells.
type Delivery = (String, usize);

fn event(deliveries: &[Delivery], changes: &[Happened]) -> String {
    let records = deliveries.iter().map(|(id, number)| {
        let (alarm, state, at) = changes[*number];
        let message = json!({
            "AlarmName": format!("alarm-{alarm}"), "AWSAccountId": "111122223333", "NewStateValue": state,
            "NewStateReason": format!("change [{number}]"), "StateChangeTime": at.to_rfc3339(),
        });
        json!({"EventSource": "aws:sns", "Sns": {
            "MessageId": id, "Message": message.to_string(), "Timestamp": at.to_rfc3339(),
        }})
    });
    json!({"Records": records.collect::<Vec<_>>()}).to_string()
}

/// When which deliveries arrive: each change some time after it happened, some long after, some twice, some under another id as
/// well, and several together.
fn arrivals(random: &mut StdRng, count: usize) -> Vec<(Duration, Vec<Delivery>)> {
    let mut arrivals: Vec<(Duration, Vec<Delivery>)> = Vec::new();
    for number in 0..count {
        let mut ids = vec![format!("m-{number}")];
        match random.random_range(0..10) {
            0 => ids.push(format!("m-{number}")),
            1 => ids.extend((1..3).map(|copy| format!("m-{number}-{copy}"))),
            _ => {}
        }
        for id in ids {
            let late = if random.random_range(0..5) == 0 { 60_000 } else { 3_000 };
            let at = u64::try_from(number).unwrap() * 1_000 + random.random_range(0..late);
            arrivals.push((Duration::from_millis(at), vec![(id, number)]));
        }
    }
    arrivals.sort();
    let mut together: Vec<(Duration, Vec<Delivery>)> = Vec::new();
    for (at, deliveries) in arrivals {
        match together.last_mut().filter(|_| random.random_range(0..3) == 0) {
            Some((_, last)) => last.extend(deliveries),
            None => together.push((at, deliveries)),
        }
    }
    together
}

/// What a person does: which message of how many from the newest on, the button, who, and whether it comes twice.
#[derive(Debug, Clone)]
struct Pressed {
    back: usize,
    button: Button,
    by: usize,
    comes_twice: bool,
}

/// What people press, and when.
fn people(random: &mut StdRng) -> Vec<(Duration, Pressed)> {
    let count = [0, 3, 12][random.random_range(0..3)];
    let press = |_| {
        let seconds = [None, Some(20), Some(90), Some(600), Some(3_600)][random.random_range(0..5)];
        let button = match random.random_range(0..6) {
            0 => Button::Acknowledge,
            1 => Button::UndoAcknowledge,
            2 => Button::UndoSilence,
            _ => Button::Silence(seconds.map(TimeDelta::seconds)),
        };
        let back = if random.random_range(0..3) > 0 {
            random.random_range(0..3)
        } else {
            random.random_range(0..20)
        };
        let comes_twice = random.random_range(0..8) == 0;
        let at = Duration::from_millis(random.random_range(0..90_000));
        (at, Pressed { back, button, by: random.random_range(0..2), comes_twice })
    };
    (0..count).map(press).collect()
}

/// A rule: when it is made, for which alarm, as if since how long, for how long, when somebody ends it, and whether that one
/// lives to let ring soon what it held.
#[derive(Debug, Clone)]
struct Ruling {
    at: Duration,
    alarm: usize,
    before: TimeDelta,
    lasts: TimeDelta,
    ends: Option<Duration>,
    lets_ring: bool,
}

fn rulings(random: &mut StdRng) -> Vec<Ruling> {
    let count = [0, 0, 1, 3][random.random_range(0..4)];
    let ruling = |_| Ruling {
        at: Duration::from_millis(random.random_range(0..60_000)),
        alarm: random.random_range(0..ALARMS),
        before: TimeDelta::seconds([0, 0, 3_600][random.random_range(0..3)]),
        lasts: TimeDelta::seconds([30, 90, 900, 7_200][random.random_range(0..4)]),
        ends: (random.random_range(0..2) == 0)
            .then(|| Duration::from_millis(random.random_range(0..200_000))),
        lets_ring: random.random_range(0..2) == 0,
    };
    (0..count).map(ruling).collect()
}

impl World {
    fn make_well(&self) {
        let faults = self.faults.get();
        self.faults.set(Faults { lost_answers: 0, table: 0, deaths: 0, deletions: 0, ..faults });
    }

    /// A person presses a button, each time at a process of its own.
    async fn press(self: &Rc<Self>, number: usize, pressed: &Pressed, config: &Config) {
        let Pressed { back, button, by, comes_twice } = *pressed;
        let message = {
            let messages = self.messages.borrow();
            let mut roots = messages.iter().rev().filter(|message| message.thread.is_none());
            let Some(message) = roots.nth(back) else { return };
            Receipt { place: "C1".to_owned(), message: message.ts.clone() }
        };
        let by = Person::new(&format!("U{by}"), &format!("person {by}"));
        let name = format!("press-{number}");
        let interaction = Interaction { name, by, message, button: Some(button), response_url: None };
        let press = async || {
            let function = Presses::new(config.clone(), Simulated(Rc::clone(self)));
            let app = Ok(Slack { world: Rc::clone(self), event: None, ends: Vec::new() });
            let mute = async |_: &str, _: &Incident, _: &Incident, _: Duration| Ok(());
            let (clock, end) = (Clock::at(self.now()), Deadline::after(PRESS_TIMEOUT));
            let progress = Cell::default();
            let came = self
                .live(
                    TIMEOUT,
                    Box::pin(function.take(&interaction, button, app, mute, &progress, clock, end)),
                )
                .await;
            self.trace(|| format!("pressed {interaction:?}: {came:?}"));
            match came {
                Some(came) if came.outcome == "taken" => self.presses.set(self.presses.get() + 1),
                // Whether it is written down, and shown, nobody knows.
                Some(came) if came.outcome == "nothing changed" => {}
                _ => self.is_unshown.set(true),
            }
        };
        join(press(), async {
            if comes_twice {
                press().await;
            }
        })
        .await;
    }

    /// A rule comes and goes.
    async fn rule(&self, number: usize, ruling: &Ruling) {
        sleep(ruling.at).await;
        let (id, now) = (format!("rule-{number}"), self.now());
        self.rules.borrow_mut().push(Rule {
            id: id.clone(),
            matchers: vec![format!("alertname=alarm-{}", ruling.alarm)],
            by: "kim".to_owned(),
            comment: String::new(),
            starts_at: now - ruling.before,
            ends_at: now + ruling.lasts,
        });
        self.trace(|| format!("made {:?}", self.rules.borrow().last()));
        let Some(ends) = ruling.ends else { return };
        sleep(ends).await;
        let now = self.now();
        self.trace(|| format!("ends {id}"));
        for rule in self.rules.borrow_mut().iter_mut().filter(|rule| rule.id == id) {
            rule.ends_at = rule.ends_at.min(now);
        }
        if !ruling.lets_ring {
            return;
        }
        self.wait(500).await;
        for item in self.items.borrow_mut().values_mut() {
            let silenced = item.there.incident().and_then(|incident| incident.silenced);
            if silenced.is_some_and(|silenced| silenced.rule.as_ref() == Some(&id)) {
                item.due_at = Some(now);
            }
        }
    }

    /// A minute looks at the time, in a process of its own.
    async fn look(self: &Rc<Self>, deployment: &Deployment) {
        let store = Simulated(Rc::clone(self));
        let courier = Courier::seeded(self.random.borrow_mut().random());
        let watch = Watch::new(deployment.clone(), Opened(Rc::clone(self)), store, courier);
        let deadline = Deadline::after(TIMEOUT);
        let looked = self.live(TIMEOUT, watch.look("request", Clock::at(self.now()), deadline)).await;
        if looked.is_none() {
            self.is_unshown.set(true);
        }
        self.trace(|| format!("looked: {looked:?}"));
    }
}

/// Counts, over all seeds.
#[derive(Debug, Default)]
struct Sums {
    alerts: usize,
    calls: usize,
    deaths: usize,
    lost: usize,
    doubles: usize,
    explained: usize,
    presses: usize,
    held: usize,
    ended: usize,
}

async fn simulate(seed: u64, sums: &mut Sums) {
    let mut random = StdRng::seed_from_u64(seed);
    let faults = Faults {
        lost_answers: [0, 5, 20][random.random_range(0..3)],
        table: [0, 0, 10][random.random_range(0..3)],
        deaths: [0, 10, 40][random.random_range(0..3)],
        reads_back: random.random_range(0..4) > 0,
        deletions: [0, 0, 5][random.random_range(0..3)],
    };
    let config = Config::parse("digest_after: 100\n").unwrap();
    let mut deployment = Deployment { own: Target::channel("C0123456789"), ..Deployment::new(config) };
    deployment.has_buttons = true;
    let world = Rc::new(World::new(StdRng::seed_from_u64(seed ^ 0xa1e7), faults));
    let changes = history(&mut random, world.began);
    let arrivals = arrivals(&mut random, changes.len());
    let people = people(&mut random);
    let rulings = rulings(&mut random);
    // A process has one invocation at a time.
    let processes: Vec<_> = (0..PROCESSES).map(|_| Mutex::new(Process::new(&world))).collect();
    let handled = arrivals.iter().map(async |(at, deliveries)| {
        sleep(*at).await;
        for tries in 0.. {
            assert!(tries < 200, "seed {seed}: {deliveries:?} are never taken");
            // In the end the world is well, or nothing could be said of it.
            if tries == 40 {
                world.make_well();
            }
            let place = world.random.borrow_mut().random_range(0..PROCESSES);
            let mut process = processes[place].lock().await;
            match world.live(TIMEOUT, process.handle(&world, &deployment, deliveries, &changes)).await {
                Some(true) => return,
                Some(false) => {}
                None => {
                    world.trace(|| format!("dies with {deliveries:?}"));
                    *process = Process::new(&world);
                }
            }
            drop(process);
            sleep(MINUTE).await;
            if world.chance(world.faults.get().deletions)
                && let Some(message) = world.messages.borrow_mut().last_mut()
            {
                world.trace(|| format!("{} is deleted", message.ts));
                message.is_deleted = true;
            }
        }
    });
    let pressed = people.iter().enumerate().map(async |(number, (at, press))| {
        sleep(*at).await;
        world.press(number, press, &deployment.config).await;
    });
    let ruled = rulings.iter().enumerate().map(async |(number, ruling)| world.rule(number, ruling).await);
    let is_over = Cell::new(false);
    let all = async {
        let happening = (join_all(handled), join_all(pressed), join_all(ruled));
        let (happening, pressed, ruled) = happening;
        join(happening, join(pressed, ruled)).await;
        is_over.set(true);
    };
    let minutes = async {
        while !is_over.get() {
            sleep(MINUTE).await;
            // The scheduler may wake it twice.
            let twice = world.chance(20);
            join(world.look(&deployment), async {
                if twice {
                    world.wait(500).await;
                    world.look(&deployment).await;
                }
            })
            .await;
        }
    };
    join(all, minutes).await;
    // The world is well, and the minutes go on as long as something is due; those with nothing to do are left out.
    world.make_well();
    for _ in 0..40 {
        let next = world.items.borrow().values().filter_map(|item| item.due_at).min();
        let Some(next) = next else { break };
        let pause = next.signed_duration_since(world.now()).to_std().unwrap_or_default();
        sleep(pause.max(MINUTE)).await;
        world.look(&deployment).await;
    }
    check(seed, &world, (faults, &deployment.config), &changes, &arrivals, sums);
    sums.alerts += changes.len();
    sums.calls += world.calls.get();
    sums.deaths += world.deaths.get();
    sums.lost += world.lost.get();
    sums.presses += world.presses.get();
    sums.held += world.held.borrow().len();
    sums.ended += world.ended.borrow().len();
}

/// What has to hold in the end, whatever happened.
fn check(
    seed: u64,
    world: &World,
    (faults, config): (Faults, &Config),
    changes: &[Happened],
    arrivals: &[(Duration, Vec<Delivery>)],
    sums: &mut Sums,
) {
    let messages = world.messages.borrow();
    check_silences(seed, world, faults, config);
    let is_read_back = faults.reads_back;
    let set_back = world.set_back.borrow();
    assert!(
        set_back.is_empty() || !is_read_back,
        "seed {seed}, {faults:?}: older than before: {set_back:#?}"
    );
    for (number, (alarm, ..)) in changes.iter().enumerate() {
        let told = world.told.borrow();
        // One message shows the newest of several changes in one event.
        let mut shown_by = (number..changes.len()).filter(|other| {
            *other == number || is_together(arrivals, number, *other) && changes[*other].0 == *alarm
        });
        let held = world.held.borrow();
        let is_told = shown_by.any(|other| told.contains(&other.to_string()) || held.contains(&other));
        assert!(
            is_told,
            "seed {seed}, {faults:?}: change {number} of {changes:?} was never told: {messages:#?}"
        );
    }
    for alarm in 0..ALARMS {
        let name = format!("alarm-{alarm}");
        let own: Vec<&Message> = messages.iter().filter(|message| message.shows.contains(&name)).collect();
        let states: Vec<&str> =
            changes.iter().filter(|(other, ..)| *other == alarm).map(|(_, state, _)| *state).collect();
        let Some(last) = states.last() else { continue };
        let emblem = match *last {
            "ALARM" => "🔴",
            "OK" => "✅",
            _ => "⚠️",
        };
        let dump = || format!("seed {seed}, {faults:?}, {name} {states:?}: {own:#?}");
        let has_deleted = own.iter().any(|message| message.is_deleted);
        let roots: Vec<_> =
            own.iter().filter(|message| message.thread.is_none() && !message.is_deleted).collect();
        // What has rung once more, because nobody knew of the first time.
        let mut names = HashSet::new();
        let repeated = own.iter().filter(|message| !names.insert(&message.posted_as)).count();
        let is_explained =
            world.table_failed.get() || !is_read_back && (world.lost.get() > 0 || world.deaths.get() > 0);
        assert!(repeated == 0 || is_explained || has_deleted, "a double: {}", dump());
        sums.doubles += repeated;
        sums.explained += own.iter().filter(|message| message.is_explained).count();
        // The newest message of the alarm shows the true state; nothing else is lost.
        // What was silenced from its beginning on, and is silenced still or over, is shown by no message.
        let is_unseen = world.incident(&name).is_some_and(|(_, incident)| {
            let is_quiet = !incident.is_open() || incident.silenced.is_some();
            is_quiet && incident.receipt.is_none() && has_held(world, changes, alarm)
        });
        assert!(!roots.is_empty() || has_deleted || is_unseen, "lost: {}", dump());
        if has_deleted {
            continue;
        }
        let shows = |message: &&&Message| message.shows.starts_with(emblem);
        if is_explained {
            continue;
        }
        let is_open = |message: &&&&Message| {
            !message.shows.starts_with(['✅', '↪']) && !message.shows.contains("older news")
        };
        let open = roots.iter().filter(|root| is_open(root)).count();
        assert!(open <= 1, "{open} open messages: {}", dump());
        let newest = roots
            .iter()
            .rev()
            .find(|root| !root.shows.contains("older news") && !root.shows.starts_with('↪'));
        assert!(is_unseen || newest.is_some_and(shows), "the last state is not the true one: {}", dump());
    }
}

/// Whether two changes came in one event.
fn is_together(arrivals: &[(Duration, Vec<Delivery>)], one: usize, other: usize) -> bool {
    let has = |deliveries: &[Delivery], number: usize| deliveries.iter().any(|(_, of)| *of == number);
    arrivals.iter().any(|(_, deliveries)| has(deliveries, one) && has(deliveries, other))
}

/// Whether a silence held some change of an alarm.
fn has_held(world: &World, changes: &[Happened], alarm: usize) -> bool {
    world.held.borrow().iter().any(|number| changes[*number].0 == alarm)
}

/// What has to hold of what people have silenced, whatever happened.
fn check_silences(seed: u64, world: &World, faults: Faults, config: &Config) {
    let failed = world.table_failed.get();
    let messages = world.messages.borrow();
    let has_deleted = messages.iter().any(|message| message.is_deleted);
    let dump = || format!("seed {seed}, {faults:?}: {messages:#?}, {:#?}", world.items.borrow());
    let options = Options {
        rendering: config.rendering,
        has_bar: config.rendering == Rendering::Classic,
        channel: None,
        timezone: config.timezone,
        language: config.language,
    };
    let wrong = world.wrong.borrow();
    // What cannot be changed any more is said anew.
    assert!(wrong.is_empty() || failed || has_deleted, "{wrong:#?}: {}", dump());
    // What fired when its silence ended has rung since then.
    let rung = world.rung.borrow();
    for (place, since, silenced) in world.ended.borrow().iter() {
        let has_rung = rung.iter().any(|(alarm, at)| place.contains(alarm.as_str()) && at >= since);
        assert!(has_rung || failed, "{place} has not rung since {since}, after {silenced:?}: {}", dump());
    }
    for (place, item) in world.items.borrow().iter() {
        let Some(incident) = item.there.incident() else { continue };
        let silenced = incident.silenced.as_ref();
        let is_over = silenced.is_some_and(|silenced| !world.holds(silenced));
        assert!(!is_over, "{place} waits for ever: {}", dump());
        // Nothing is left of those who did not live to let go.
        let is_no_riddle = item.there.tried.iter().all(|name| incident.is_told(name));
        assert!(is_no_riddle || failed, "{place} is a riddle still: {}", dump());
        let Some(receipt) = incident.receipt.as_ref().filter(|_| !failed) else { continue };
        let pointer = world.pointers.borrow().get(&key::message(receipt)).cloned();
        assert_eq!(pointer.as_ref(), Some(place), "what is pressed in {receipt:?} is not taken: {}", dump());
        let message = messages.iter().find(|message| message.ts == receipt.message);
        let Some(message) = message.filter(|_| !has_deleted) else { continue };
        // It says what people have done, where everybody lived to say so.
        if !world.is_unshown.get() && world.deaths.get() == 0 && world.lost.get() == 0 {
            let expected =
                Medium::Slack.with_people(&message.content, &incident, &options).unwrap().content();
            assert_eq!(uncounted(&message.content), uncounted(&expected), "{place}: {}", dump());
        }
    }
}

/// Without how many changes a silence has held: older news of which nothing is shown counts, too.
fn uncounted(content: &str) -> String {
    // What follows it in the JSON is the end of its text.
    let mut parts =
        content.split(" · ").map(|part| part.split_once(" meanwhile").map_or(part, |(_, rest)| rest));
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| if part.starts_with('"') { all + part } else { all + " · " + part })
}

/// How many seeds, and from which on.
fn seeds() -> (u64, u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    (number("FIRST_SEED").unwrap_or(1), number("SEEDS").unwrap_or(SEEDS))
}

#[test]
fn whatever_ends_when_nothing_is_lost_and_nothing_is_told_twice() {
    let (first, count) = seeds();
    let mut sums = Sums::default();
    for seed in FAILED.into_iter().chain(first..first + count) {
        // A runtime of its own, whose clock stands still unless everybody waits.
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        if std::env::var_os("COLLECT").is_some() {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                runtime.block_on(simulate(seed, &mut sums));
            }));
            if done.is_err() {
                println!("FAILED {seed}");
            }
            continue;
        }
        runtime.block_on(simulate(seed, &mut sums));
    }
    println!("{count} seeds: {sums:?}");
    assert!(sums.alerts > 10_000 || count < SEEDS, "the seeds say little: {sums:?}");
}
