//! The order of what arrives, for thousands of random schedules of answers: whatever a target answers when, the changes of
//! one alert arrive in their order, no target waits for another, and nothing is lost without a word.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use alert_core::config::Config;
use alert_core::envelope;
use alert_core::outcome::{Failure, Outcome};
use alert_core::relay::{self, Deployment, Post};
use alert_core::target::Target;
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

struct World {
    random: RefCell<StdRng>,
    /// What stands at each target, in the order in which it arrived.
    arrived: RefCell<BTreeMap<Target, Vec<String>>>,
}

impl Sends for Moody<'_> {
    async fn send(&self, post: &Post, limit: Duration) -> Attempt {
        let (mood, late) = {
            let mut random = self.world.random.borrow_mut();
            (random.random_range(0..20), Duration::from_millis(random.random_range(0..900)))
        };
        let failure = || Failure::new("mood", "it is in a mood");
        sleep(late.min(limit)).await;
        let again = |after| Outcome::Retry { after, failure: failure() };
        let outcome = match mood {
            0..3 => again(Some(Duration::from_secs(1))),
            3..6 => again(None),
            6 => Outcome::MessageRefused(failure()),
            7 => Outcome::Unsure(failure()),
            _ if late > limit => Outcome::Unsure(failure()),
            mood => {
                let mut arrived = self.world.arrived.borrow_mut();
                arrived.entry(post.target.clone()).or_default().push(post.message.content());
                // One answer of those that took it gets lost with its connection.
                if mood == 8 { again(None) } else { Outcome::Delivered(None) }
            }
        };
        Attempt { outcome, connection_lost: mood == 8 }
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

/// The numbers of the changes that a message tells of.
fn numbers(message: &str) -> Vec<usize> {
    message.split('#').skip(1).step_by(2).filter_map(|part| part.parse().ok()).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_is_answered_when_the_changes_of_an_alert_arrive_in_their_order() {
    let config = "digest_after: 100\nreceivers: [{name: default}, {name: second, webhook: 'kms:c2Vjb25k'}]\nroute: {receiver: default, routes: [{matchers: ['alertname=~\"alarm-[01]\"'], receiver: second, continue: true}, {receiver: default, matchers: ['alertname=~\".*\"']}]}";
    let deployment = Deployment::new(Config::parse(config).unwrap());
    let mut orders = 0;
    for seed in 0..SCHEDULES {
        let mut random = StdRng::seed_from_u64(seed);
        let (event, changes) = batch(&mut random);
        let world = World { random: random.into(), arrived: RefCell::default() };
        let event = event.to_string();
        let ledger = ProcessMemory::default();
        let draft = relay::draft(envelope::decode(event.as_bytes()), &deployment, "request", Utc::now());
        let known = ledger.claim(&draft.questions().collect::<Vec<_>>()).await;
        let plan = draft.plan(&known);
        let started = Instant::now();
        let sender = async |_: &Target| Ok(Moody { world: &world });
        let deadline = Deadline::after(Duration::from_mins(1));
        let report = Courier::default().deliver(&plan, &ledger, sender, deadline).await;
        assert!(started.elapsed() <= Duration::from_secs(61), "seed {seed}: {:?}", started.elapsed());
        let arrived = world.arrived.into_inner();
        for (target, messages) in &arrived {
            for (name, changes) in &changes {
                let mut told: Vec<usize> = messages
                    .iter()
                    .flat_map(|message| numbers(message))
                    .filter(|number| changes.contains(number))
                    .collect();
                // A post whose answer was lost comes once more, and nothing in between.
                told.dedup();
                assert!(told.is_sorted(), "seed {seed}, {name} at {target:?}: {told:?}");
                orders += usize::from(told.len() > 1);
            }
        }
        // Each is delivered everywhere, or its failure is in the report.
        for item in 0..plan.items.len() {
            let (is_delivered, failure) = (report.delivered.contains_key(&item), report.failure(item));
            assert!(is_delivered != failure.is_some(), "seed {seed}, item {item}: {report:?}");
        }
    }
    assert!(orders > 2_000, "the schedules say little: {orders}");
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
    let report = Courier::default().deliver(&plan, &ProcessMemory::default(), sender, deadline).await;
    assert_eq!(report.failed.len(), 4);
    assert_eq!(answered.into_inner(), [Duration::ZERO; 4]);
}
