//! The order of what arrives, for thousands of random schedules of answers: whatever a target answers when, the changes of
//! one alert arrive in their order, no target waits for another, and nothing is lost without a word.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use alert_core::config::Config;
use alert_core::envelope;
use alert_core::outcome::{Failure, Outcome, Receipt, Sighting};
use alert_core::relay::{self, Deployment, Post};
use alert_core::target::{APP, Act, Closed, Target};
use alert_io::courier::Courier;
use alert_io::deadline::Deadline;
use alert_io::ledger::Ledger as _;
use alert_io::memory::ProcessMemory;
use alert_io::sender::{Attempt, Sends};
use chrono::{TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const SCHEDULES: u64 = 3_000;
const ALERTS: usize = 3;
const STATES: [&str; 3] = ["ALARM", "OK", "INSUFFICIENT_DATA"];

/// A target with moods, all drawn from the seed.
struct Moody<'w> {
    world: &'w World,
}

/// A message that has arrived.
struct Arrived {
    /// Which post of all it was.
    number: usize,
    items: Vec<usize>,
    is_by_stand_in: bool,
    /// It says that newer changes were told before.
    is_older_news: bool,
    is_answer_lost: bool,
}

struct World {
    random: RefCell<StdRng>,
    /// What stands at each target for each receiver, in the order in which it arrived.
    arrived: RefCell<BTreeMap<(Target, String), Vec<Arrived>>>,
    /// Where answers of posts that arrived were lost with their connection, by target and item.
    lost: RefCell<BTreeMap<(Target, usize), usize>>,
    /// What was answered too late to know.
    unsure: RefCell<HashSet<(Target, usize)>>,
    /// What refuses everything, and after how many posts.
    refuses: Refuses,
    posts: Cell<usize>,
}

type Refuses = Vec<(Closed, usize)>;

impl World {
    fn new(random: StdRng, refuses: Refuses) -> Self {
        let (random, arrived) = (random.into(), RefCell::default());
        let (lost, unsure, posts) = (RefCell::default(), RefCell::default(), Cell::default());
        Self { random, arrived, lost, unsure, refuses, posts }
    }

    fn may_arrive(&self, post: &Post) {
        let places = post.items.iter().map(|item| (post.target.clone(), *item));
        self.unsure.borrow_mut().extend(places);
    }

    fn arrive(&self, post: &Post, is_answer_lost: bool) {
        let place = (post.target.clone(), post.receiver.name.clone());
        self.arrived.borrow_mut().entry(place).or_default().push(Arrived {
            number: self.posts.get(),
            items: post.items.clone(),
            is_by_stand_in: post.instead_of.is_some(),
            is_older_news: post.message.content().contains("older news"),
            is_answer_lost,
        });
    }
}

impl Sends for Moody<'_> {
    async fn send(&self, post: &Post, limit: Duration) -> Attempt {
        let (mood, late) = {
            let mut random = self.world.random.borrow_mut();
            (random.random_range(0..20), Duration::from_millis(random.random_range(0..900)))
        };
        let failure = || Failure::new("mood", "it is in a mood");
        sleep(late.min(limit)).await;
        self.world.posts.set(self.world.posts.get() + 1);
        let is_closed = |(closed, after): &&(Closed, usize)| {
            closed.covers(&post.target) && self.world.posts.get() > *after
        };
        if let Some((closed, _)) = self.world.refuses.iter().find(is_closed) {
            let outcome = match closed {
                Closed::Target(_) => Outcome::TargetRefused(failure()),
                Closed::Way(_) => Outcome::SenderRefused(failure()),
            };
            return Attempt { outcome, connection_lost: false };
        }
        let again = |after| Outcome::Retry { after, failure: failure() };
        let outcome = match mood {
            0..3 => again(Some(Duration::from_secs(1))),
            3..6 => again(None),
            6 => Outcome::MessageRefused(failure()),
            7 => {
                self.world.may_arrive(post);
                Outcome::Unsure(failure())
            }
            _ if late > limit => {
                self.world.may_arrive(post);
                Outcome::Unsure(failure())
            }
            8 => {
                self.world.arrive(post, false);
                Outcome::Unsure(failure())
            }
            mood => {
                // One answer of those that took it gets lost with its connection; not a digest's, whose repetition may be in
                // other pieces.
                let is_lost = mood == 9 && post.items.len() == 1;
                self.world.arrive(post, is_lost);
                if is_lost {
                    let place = (post.target.clone(), post.items[0]);
                    *self.world.lost.borrow_mut().entry(place).or_default() += 1;
                    again(None)
                } else {
                    Outcome::Delivered(None)
                }
            }
        };
        Attempt { outcome, connection_lost: mood == 9 && post.items.len() == 1 }
    }

    async fn find(&self, _: &Target, _: &[String], _: Duration) -> Vec<Sighting> {
        Vec::new()
    }
}

/// Changes of a few alarms, each numbered in its name's description, in the order of a queue that keeps none.
fn batch(random: &mut StdRng) -> (Value, HashMap<String, Vec<usize>>) {
    let start = Utc::now() - TimeDelta::hours(1);
    let mut records = Vec::new();
    let mut changes: HashMap<String, Vec<usize>> = HashMap::new();
    for number in 0..random.random_range(2..12) {
        let name = format!("alarm-{}", random.random_range(0..ALERTS));
        let at = start + TimeDelta::seconds(i64::try_from(number).unwrap());
        let message = json!({
            "AlarmName": name,
            "AWSAccountId": "111122223333",
            "NewStateValue": STATES[random.random_range(0..STATES.len())],
            "NewStateReason": format!("change #{number}#"),
            "StateChangeTime": at.to_rfc3339(),
        });
        changes.entry(name).or_default().push(number);
        let place = random.random_range(0..=records.len());
        records.insert(place, json!({"messageId": format!("m-{number}"), "body": message.to_string()}));
    }
    (json!({"Records": records}), changes)
}

/// Delivers random batches to targets with moods; says how many alerts were told of more than once in their order, and how
/// many messages went to a stand-in, and how many said that they are older news.
async fn schedules(
    deployment: &Deployment,
    count: u64,
    refuses: impl Fn(&mut StdRng) -> Refuses,
) -> (usize, usize, usize) {
    let (mut orders, mut stood_in, mut older) = (0, 0, 0);
    for seed in 0..count {
        let mut random = StdRng::seed_from_u64(seed);
        let (event, changes) = batch(&mut random);
        let refuses = refuses(&mut random);
        let world = World::new(random, refuses);
        let event = event.to_string();
        let ledger = ProcessMemory::default();
        let draft = relay::draft(envelope::decode(event.as_bytes()), deployment, "request", Utc::now());
        let deadline = Deadline::after(Duration::from_mins(1));
        let answers = ledger.claim(&draft.questions().collect::<Vec<_>>(), Utc::now(), deadline).await;
        let plan = draft.plan(answers.known, None);
        let started = Instant::now();
        let sender = async |_: &Target| Ok(Moody { world: &world });
        let deadline = Deadline::after(Duration::from_mins(1));
        let report = Courier::default().deliver(&plan, sender, Utc::now(), deadline).await;
        assert!(started.elapsed() <= Duration::from_secs(61), "seed {seed}: {:?}", started.elapsed());
        let (lost, unsure) = (world.lost.into_inner(), world.unsure.into_inner());
        let arrived = world.arrived.into_inner();
        let number_of = |item: &usize| -> usize {
            plan.items[*item].delivery.delivery.trim_start_matches("m-").parse().unwrap()
        };
        for (place, messages) in &arrived {
            stood_in += messages.iter().filter(|message| message.is_by_stand_in).count();
            for (name, changes) in &changes {
                // A digest has one line for all changes of an alert, which shows the newest.
                let newest = |message: &Arrived| -> Option<usize> {
                    message.items.iter().map(number_of).filter(|number| changes.contains(number)).max()
                };
                // An answer that was lost for good leaves nobody who knows that the message stands there.
                let is_known = |message: &&Arrived| {
                    let failed = |item: &usize| report.failed.contains_key(&(*item, place.1.clone()));
                    !message.is_answer_lost || !message.items.iter().any(failed)
                };
                let in_order = messages.iter().filter(|message| !message.is_older_news).filter(is_known);
                let mut told: Vec<usize> = in_order.filter_map(newest).collect();
                // A post whose answer was lost comes once more, and nothing in between.
                told.dedup();
                assert!(told.is_sorted(), "seed {seed}, {name} at {place:?}: {told:?}");
                orders += usize::from(told.len() > 1);
                // What says that it is older is: something newer stands somewhere before it, or may.
                for message in messages {
                    if !message.is_older_news || message.items.len() > 1 {
                        continue;
                    }
                    let Some(own) = newest(message) else { continue };
                    let before = arrived.values().flatten().filter(|other| other.number < message.number);
                    let is_behind = before.filter_map(newest).any(|other| other > own);
                    let may_be = unsure.iter().any(|(_, item)| {
                        let other = number_of(item);
                        changes.contains(&other) && other > own
                    });
                    assert!(is_behind || may_be, "seed {seed}, {name} at {place:?}: {own} is not older");
                    older += 1;
                }
            }
        }
        // No target is told anything twice, but where the answer was lost.
        let mut told: BTreeMap<(&Target, usize), usize> = BTreeMap::new();
        for ((target, _), messages) in &arrived {
            for item in messages.iter().flat_map(|message| &message.items) {
                *told.entry((target, *item)).or_default() += 1;
            }
        }
        for ((target, item), count) in &told {
            let lost = lost.get(&(Target::clone(target), *item)).copied().unwrap_or(0);
            assert!(
                *count <= 1 + lost,
                "seed {seed}: item {item} {count} times at {target:?}, {lost} answers lost"
            );
        }
        let shown: HashSet<usize> = told.keys().map(|(_, item)| *item).collect();
        for index in 0..plan.items.len() {
            // Each is delivered everywhere, or its failure is in the report; and what is delivered has arrived.
            let (is_delivered, failure) = (report.delivered.contains_key(&index), report.failure(index));
            assert!(is_delivered != failure.is_some(), "seed {seed}, item {index}: {report:?}");
            assert!(!is_delivered || shown.contains(&index), "seed {seed}: item {index} was never shown");
        }
    }
    (orders, stood_in, older)
}

#[tokio::test(start_paused = true)]
async fn whatever_is_answered_when_the_changes_of_an_alert_arrive_in_their_order() {
    let config = "digest_after: 100\nreceivers: [{name: default}, {name: second, webhook: 'kms:c2Vjb25k'}]\nroute: {receiver: default, routes: [{matchers: ['alertname=~\"alarm-[01]\"'], receiver: second, continue: true}, {receiver: default, matchers: ['alertname=~\".*\"']}]}";
    let deployment = Deployment::new(Config::parse(config).unwrap());
    let (orders, stood_in, _) = schedules(&deployment, SCHEDULES, |_| Vec::new()).await;
    assert!(orders > 2_000 && stood_in == 0, "the schedules say little: {orders}");
}

/// With a Slack app, its channels and a webhook as the second way, of which one or two refuse everything from some moment on.
#[tokio::test(start_paused = true)]
async fn what_is_refused_for_good_stands_elsewhere_or_in_the_report_and_in_its_order() {
    // Some changes of an alert go to the default receiver by themselves, others come to it from who cannot be reached.
    let config = "digest_after: 4\nreceivers: [{name: default}, {name: db, slack: {channel: C0DB}}, {name: hook, webhook: 'kms:c2Vjb25k'}]\nroute: {receiver: default, routes: [{matchers: ['alertname=~\"alarm-[01]\"', 'state=\"firing\"'], receiver: db, continue: true}, {matchers: ['alertname=~\"alarm-[12]\"'], receiver: hook}]}";
    for second in [None, Some(Target::OWN_WEBHOOK)] {
        let own = Target::channel("C0OPS");
        let deployment = Deployment { own, second, ..Deployment::new(Config::parse(config).unwrap()) };
        let (_, stood_in, older) = schedules(&deployment, SCHEDULES, |random| {
            let mut all = vec![
                Closed::Way(APP),
                Closed::Target(Target::channel("C0DB")),
                Closed::Target(Target::channel("C0OPS")),
                Closed::Target(Target::webhook("c2Vjb25k")),
            ];
            let count = random.random_range(1..3);
            let drawn = |_| (all.swap_remove(random.random_range(0..all.len())), random.random_range(0..6));
            (0..count).map(drawn).collect()
        })
        .await;
        assert!(stood_in > 1_000 && older > 30, "the schedules say little: {stood_in}, {older}");
    }
}

/// Answers at once and notes when, or hangs until its time is over.
struct Timed<'w> {
    hangs: bool,
    started: Instant,
    answered: &'w RefCell<Vec<Duration>>,
}

impl Sends for Timed<'_> {
    async fn send(&self, _: &Post, limit: Duration) -> Attempt {
        if self.hangs {
            sleep(limit).await;
            let failure = Failure::new("slow", "it hangs");
            return Attempt { outcome: Outcome::Retry { after: None, failure }, connection_lost: false };
        }
        self.answered.borrow_mut().push(self.started.elapsed());
        Attempt { outcome: Outcome::Delivered(None), connection_lost: false }
    }

    async fn find(&self, _: &Target, _: &[String], _: Duration) -> Vec<Sighting> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn no_target_waits_for_another() {
    let config = "receivers: [{name: default}, {name: slow, webhook: 'kms:c2xvdw=='}]\nroute: {receiver: default, routes: [{matchers: ['alertname=~\"a.*\"'], receiver: slow, continue: true}, {receiver: default, matchers: ['alertname=~\".*\"']}]}";
    let deployment = Deployment::new(Config::parse(config).unwrap());
    let record = |n: usize| json!({"messageId": format!("m{n}"), "body": json!({"AlarmName": format!("a{n}"), "NewStateValue": "ALARM", "NewStateReason": ""}).to_string()});
    let event = json!({"Records": (0..4).map(record).collect::<Vec<_>>()}).to_string();
    let plan = relay::plan(envelope::decode(event.as_bytes()), &deployment, "request", Utc::now());
    let (started, answered) = (Instant::now(), RefCell::default());
    let sender = async |target: &Target| {
        Ok(Timed { hangs: *target != Target::OWN_WEBHOOK, started, answered: &answered })
    };
    let deadline = Deadline::after(Duration::from_secs(30));
    let report = Courier::default().deliver(&plan, sender, Utc::now(), deadline).await;
    assert_eq!(report.failed.len(), 4);
    assert_eq!(answered.into_inner(), [Duration::ZERO; 4]);
}

#[tokio::test(start_paused = true)]
async fn edits_keep_their_rate_and_those_that_never_were_hold_no_place() {
    let own = Target::channel("C0OPS");
    let config = Config::parse("digest_after: 100\n").unwrap();
    let deployment = Deployment { own, ..Deployment::new(config) };
    let record = |n: usize| json!({"messageId": format!("m{n}"), "body": json!({"AlarmName": format!("a{n}"), "NewStateValue": "OK", "NewStateReason": ""}).to_string()});
    let event = json!({"Records": (0..80).map(record).collect::<Vec<_>>()}).to_string();
    let courier = Courier::default();
    for (round, expected) in [50, 50, 50].into_iter().enumerate() {
        let mut plan = relay::plan(envelope::decode(event.as_bytes()), &deployment, "request", Utc::now());
        for (number, post) in plan.posts.iter_mut().enumerate() {
            post.act = Act::Edit(Receipt { place: "C0OPS".to_owned(), message: number.to_string() });
        }
        let (started, answered) = (Instant::now(), RefCell::default());
        let sender = async |_: &Target| Ok(Timed { hangs: false, started, answered: &answered });
        let report =
            courier.deliver(&plan, sender, Utc::now(), Deadline::after(Duration::from_secs(20))).await;
        assert_eq!(answered.borrow().len(), expected, "round {round}");
        assert_eq!(report.failed.len(), 80 - expected);
        // Lambda's pause between two tries.
        sleep(Duration::from_secs(61)).await;
    }
}
