//! Everything from an event to what is remembered of it, in a world that ends processes at any moment they wait in: two
//! processes, a table that races and fails, a Slack that loses answers; for thousands of random seeds.
//!
//! `make simulate` runs as many seeds as one likes (`SEEDS=100000`, from `FIRST_SEED=1`); a seed does the same each time, and
//! `TRACE=1` prints its steps. A seed that failed stands in `FAILED`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "`make simulate` says what it has seen")]

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use alert_core::config::Config;
use alert_core::envelope;
use alert_core::outcome::{Failure, Outcome, Receipt, Sighting};
use alert_core::relay::{self, Deployment, Post};
use alert_core::report::{Digest, Keep};
use alert_core::target::{Act, Closed, Target};
use alert_io::courier::Courier;
use alert_io::deadline::Deadline;
use alert_io::delivery::{self, Times};
use alert_io::ledger::KnownDigest;
use alert_io::sender::{Attempt, Sends};
use alert_io::table::{Claim, Claimed, Due, Record, Store, Table, There, Trouble};
use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// Some seconds of `make test`; the other seeds are for `make simulate`.
const SEEDS: u64 = 3_000;
/// Seeds that have failed once.
const FAILED: [u64; 1] = [5_958];
const ALARMS: usize = 3;
const PROCESSES: usize = 2;
/// An invocation's time.
const TIMEOUT: Duration = Duration::from_secs(20);

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
    /// The name of the delivery that it was posted as.
    name: String,
    thread: Option<String>,
    /// The first words of what it shows now.
    shows: String,
    is_deleted: bool,
    /// It was posted with a table that could not be had, or says that it may be a repeat.
    is_explained: bool,
}

struct World {
    random: RefCell<StdRng>,
    faults: Cell<Faults>,
    started: Instant,
    began: DateTime<Utc>,
    items: RefCell<HashMap<String, Item>>,
    messages: RefCell<Vec<Message>>,
    /// Whether the table failed in this world at a time when it mattered.
    table_failed: Cell<bool>,
    lost: Cell<usize>,
    calls: Cell<usize>,
    /// What people were told at any time, as `[reason]`.
    told: RefCell<HashSet<String>>,
    is_traced: bool,
}

#[derive(Debug, Default, Clone)]
struct Item {
    there: StoredThere,
    lease: Option<(String, DateTime<Utc>)>,
}

#[derive(Debug, Default, Clone)]
struct StoredThere {
    incident: Option<String>,
    tried: Vec<String>,
}

impl StoredThere {
    fn there(&self) -> There {
        let incident = self.incident.as_deref();
        let incident = incident.map(|text| alert_core::incident::Incident::from_json(text).unwrap());
        There { incident, tried: self.tried.clone(), shown: None, alert: None }
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
            messages: RefCell::default(),
            table_failed: Cell::default(),
            lost: Cell::default(),
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
}

/// The table, as one process sees it.
#[derive(Clone)]
struct Simulated(Rc<World>);

impl Simulated {
    /// Carries out a write, or fails before it or after it.
    async fn write<T>(
        &self,
        write: impl FnOnce(&mut HashMap<String, Item>, DateTime<Utc>) -> T,
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
        Ok(None)
    }

    async fn name_message(&self, _: &str, _: &str, _: DateTime<Utc>) -> Result<(), Trouble> {
        // Nobody presses anything in these worlds.
        Ok(())
    }

    async fn shown_by(&self, _: &str) -> Result<Option<String>, Trouble> {
        Ok(None)
    }

    async fn read(&self, key: &str) -> Result<There, Trouble> {
        self.write(|items, _| items.get(key).map(|item| item.there.there()).unwrap_or_default()).await
    }

    async fn postpone(&self, _: &Due, _: Option<DateTime<Utc>>) -> Result<(), Trouble> {
        Ok(())
    }

    async fn due(&self, _: DateTime<Utc>, _: usize) -> Result<Vec<Due>, Trouble> {
        Ok(Vec::new())
    }

    async fn record(&self, record: &Record<'_>) -> Result<bool, Trouble> {
        self.write(|items, _| {
            let item = items.entry(record.key.to_owned()).or_default();
            if item.lease.as_ref().is_none_or(|(owner, _)| owner != record.owner) {
                return false;
            }
            let Keep { incident, tried, .. } = record.keep;
            self.0.trace(|| format!("record {}: {:?}", record.key, record.keep));
            item.lease = None;
            if let Some(incident) = incident {
                item.there.incident = Some(incident.to_json());
            }
            item.there.tried.clone_from(tried);
            true
        })
        .await
    }
}

/// Slack, as one process sees it.
struct Slack(Rc<World>);

impl Slack {
    fn find_named(&self, name: &str) -> Option<Receipt> {
        if !self.0.faults.get().reads_back {
            return None;
        }
        let messages = self.0.messages.borrow();
        let found = messages.iter().find(|message| message.name == name && !message.is_deleted)?;
        Some(Receipt { place: "C1".to_owned(), message: found.ts.clone() })
    }

    /// What the channel makes of a post: the receipt, or that the message it is about is not there.
    fn take(&self, post: &Post) -> Option<Receipt> {
        let world = &self.0;
        let mut messages = world.messages.borrow_mut();
        let content: Value = serde_json::from_str(&post.message.content()).unwrap();
        let shows = content["text"].as_str().unwrap().to_owned();
        let all = content.to_string();
        let reasons = all.split('[').skip(1).filter_map(|part| part.split_once(']'));
        world.told.borrow_mut().extend(reasons.map(|(reason, _)| reason.to_owned()));
        let is_explained = all.contains("may be a repeat") || all.contains("this may be told twice");
        let is_there = |messages: &[Message], ts: &str| {
            messages.iter().any(|message| message.ts == ts && !message.is_deleted)
        };
        let thread = match &post.act {
            Act::Edit(to) | Act::Supersede(to) => {
                let message =
                    messages.iter_mut().find(|message| message.ts == to.message && !message.is_deleted)?;
                message.shows = shows;
                return Some(to.clone());
            }
            Act::Reply { to, .. } if !is_there(&messages, &to.message) => return None,
            Act::Reply { to, .. } => Some(to.message.clone()),
            Act::Say => None,
        };
        let ts = format!("{}.{:06}", world.now().timestamp(), messages.len());
        messages.push(Message {
            ts: ts.clone(),
            name: post.name.clone(),
            thread,
            shows,
            is_deleted: false,
            is_explained,
        });
        Some(Receipt { place: "C1".to_owned(), message: ts })
    }
}

impl Sends for Slack {
    async fn send(&self, post: &Post, limit: Duration) -> Attempt {
        let world = &self.0;
        world.calls.set(world.calls.get() + 1);
        world.trace(|| format!("send {:?} {} {}", post.act, post.name, post.message.content()));
        let attempt = |outcome| Attempt { outcome, connection_lost: false };
        if post.may_be_repeat
            && !post.act.is_edit()
            && let Some(receipt) = self.find_named(&post.name)
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
                && let Some(receipt) = self.find_named(&post.name)
            {
                return attempt(Outcome::Delivered(Some(receipt)));
            }
            return attempt(Outcome::Unsure(Failure::new("slack_timeout", "no answer")));
        }
        attempt(Outcome::Delivered(Some(receipt)))
    }

    async fn find(&self, _: &Target, names: &[String], _: Duration) -> Vec<Sighting> {
        self.0.wait(100).await;
        let sighting = |name: &String| {
            let receipt = self.find_named(name)?;
            Some(Sighting { name: name.clone(), receipt, is_digest: false })
        };
        names.iter().filter_map(sighting).collect()
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
    async fn handle(&self, world: &Rc<World>, deployment: &Deployment, event: &str) -> bool {
        let deadline = Deadline::after(TIMEOUT);
        let draft = relay::draft(envelope::decode(event.as_bytes()), deployment, "request", world.now());
        let sender = async |_: &Target| Ok::<_, (Closed, Failure)>(Slack(Rc::clone(world)));
        let plan = delivery::prepare(draft, &self.ledger, &sender, world.now(), deadline).await;
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

/// Counts, over all seeds.
#[derive(Debug, Default)]
struct Sums {
    alerts: usize,
    calls: usize,
    deaths: usize,
    lost: usize,
    doubles: usize,
    explained: usize,
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
    let deployment = Deployment { own: Target::channel("C0123456789"), ..Deployment::new(config) };
    let world = Rc::new(World::new(StdRng::seed_from_u64(seed ^ 0xa1e7), faults));
    let changes = history(&mut random, world.began);
    let arrivals = arrivals(&mut random, changes.len());
    // A process has one invocation at a time.
    let processes: Vec<_> = (0..PROCESSES).map(|_| Mutex::new(Process::new(&world))).collect();
    let deaths = Cell::new(0);
    let handled = arrivals.iter().map(async |(at, deliveries)| {
        sleep(*at).await;
        let event = event(deliveries, &changes);
        for tries in 0.. {
            assert!(tries < 200, "seed {seed}: {deliveries:?} are never taken");
            // In the end the world is well, or nothing could be said of it.
            if tries == 40 {
                world.faults.set(Faults { lost_answers: 0, table: 0, deaths: 0, deletions: 0, ..faults });
            }
            let place = world.random.borrow_mut().random_range(0..PROCESSES);
            let mut process = processes[place].lock().await;
            let work = process.handle(&world, &deployment, &event);
            let dies = world.chance(world.faults.get().deaths);
            let life = Duration::from_millis(world.random.borrow_mut().random_range(0..1_500));
            let life = if dies { life } else { TIMEOUT * 2 };
            match tokio::time::timeout(life, work).await {
                Ok(true) => return,
                Ok(false) => {}
                Err(_) => {
                    assert!(dies, "seed {seed}: an invocation outlives its time");
                    world.trace(|| format!("dies with {deliveries:?}"));
                    deaths.set(deaths.get() + 1);
                    *process = Process::new(&world);
                }
            }
            drop(process);
            sleep(Duration::from_mins(1)).await;
            if world.chance(world.faults.get().deletions)
                && let Some(message) = world.messages.borrow_mut().last_mut()
            {
                world.trace(|| format!("{} is deleted", message.ts));
                message.is_deleted = true;
            }
        }
    });
    futures_util::future::join_all(handled).await;
    check(seed, &world, &changes, &arrivals, sums);
    sums.alerts += changes.len();
    sums.calls += world.calls.get();
    sums.deaths += deaths.get();
    sums.lost += world.lost.get();
}

/// What has to hold in the end, whatever happened.
fn check(
    seed: u64,
    world: &World,
    changes: &[Happened],
    arrivals: &[(Duration, Vec<Delivery>)],
    sums: &mut Sums,
) {
    let faults = world.faults.get();
    let messages = world.messages.borrow();
    let is_read_back = faults.reads_back;
    for (number, (alarm, ..)) in changes.iter().enumerate() {
        let told = world.told.borrow();
        // One message shows the newest of several changes in one event.
        let mut shown_by = (number..changes.len()).filter(|other| {
            *other == number || is_together(arrivals, number, *other) && changes[*other].0 == *alarm
        });
        let is_told = shown_by.any(|other| told.contains(&other.to_string()));
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
        let repeated = own.iter().filter(|message| !names.insert(&message.name)).count();
        let is_explained =
            world.table_failed.get() || !is_read_back && (world.lost.get() > 0 || has_deaths(world));
        assert!(repeated == 0 || is_explained || has_deleted, "a double: {}", dump());
        sums.doubles += repeated;
        sums.explained += own.iter().filter(|message| message.is_explained).count();
        // The newest message of the alarm shows the true state; nothing else is lost.
        assert!(!roots.is_empty() || has_deleted, "lost: {}", dump());
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
        assert!(newest.is_some_and(shows), "the last state is not the true one: {}", dump());
    }
}

/// Whether two changes came in one event.
fn is_together(arrivals: &[(Duration, Vec<Delivery>)], one: usize, other: usize) -> bool {
    let has = |deliveries: &[Delivery], number: usize| deliveries.iter().any(|(_, of)| *of == number);
    arrivals.iter().any(|(_, deliveries)| has(deliveries, one) && has(deliveries, other))
}

fn has_deaths(world: &World) -> bool {
    world.faults.get().deaths > 0
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
        runtime.block_on(simulate(seed, &mut sums));
    }
    println!("{count} seeds: {sums:?}");
    assert!(sums.alerts > 10_000 || count < SEEDS, "the seeds say little: {sums:?}");
}
