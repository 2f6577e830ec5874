//! Much at once and again and again, with a table: what rings, what Slack is asked for, and what is shown at last.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::{Duration, Instant};

use alert_sandbox::slack::{Method, RateLimit};
use alert_sandbox::sqs::{DeliveryOptions, Queue, QueueOptions};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::events::sns;
use crate::stage::{By, Setup, Stage};
use crate::table::{TABLE, TROUBLED, change, invoke_at, kept, last_root, ringing, shows};

/// Of what is kept of an alarm all that tells when people were told is so much earlier: time went by.
fn pass(stage: &Stage, alarm: &str, time: TimeDelta) {
    let (mut item, mut incident) = kept(stage, alarm);
    for moment in ["/heard_at", "/flapping/shown_at"] {
        if let Some(moment) = incident.pointer_mut(moment)
            && let Some(at) = moment.as_i64()
        {
            *moment = (at - time.num_milliseconds()).into();
        }
    }
    item["incident"]["S"] = incident.to_string().into();
    stage.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
}

#[tokio::test]
async fn an_alarm_that_flaps_forty_times_in_an_hour_rings_six_times_at_most() {
    const CHANGES: i32 = 80;
    let pause = TimeDelta::hours(1) / CHANGES;
    let mut stage = Setup::by(By::App).await.table().start().await;
    // An hour is a few seconds here, and a process waits where it would change more than 50 messages a minute: so there are two.
    let functions = [stage.function.clone(), stage.another().await];
    let began = Utc::now() - pause * CHANGES;
    for (number, function) in (0..CHANGES).zip(functions.iter().cycle()) {
        let (now, before) = if number % 2 == 0 { ("ALARM", "OK") } else { ("OK", "ALARM") };
        let change = change("cpu", now, before, began + pause * number);
        invoke_at(function, &number.to_string(), change).await;
        pass(&stage, "cpu", pause);
    }
    stage.check_output();
    let rings = ringing(&stage, "ops");
    say(&format!("{CHANGES} changes in an hour ring {} times", rings.len()));
    assert!((2..=6).contains(&rings.len()), "{rings:?}");
    let (_, incident) = kept(&stage, "cpu");
    assert_eq!(
        (&incident["changes"], &incident["fired"]),
        (&CHANGES.into(), &(CHANGES / 2).into()),
        "{incident}"
    );
    let message = last_root(&stage, "ops");
    assert_eq!(message.ts, rings[0].ts, "one message, and replies");
    let said = shows(&message);
    assert!(
        said.starts_with("✅ cpu") && said.contains(&format!("Flapping: {CHANGES} changes since")),
        "{said}"
    );
    // All of them are in the thread.
    assert_eq!(stage.sandbox.slack.replies("ops", &message.ts).len(), usize::try_from(CHANGES - 1).unwrap());
}

/// How a storm comes.
#[derive(Debug, Clone, Copy)]
enum Storm {
    /// By a queue, in batches of so many.
    Queue(usize),
    /// In one event.
    Event,
}

impl Storm {
    /// So many alarms that fire, and end; Slack takes what it really takes.
    async fn rages(self, alarms: usize) {
        let stage = Setup::by(By::App).await.table().timeout(30).start().await;
        stage.sandbox.slack.set_rate_limit(Some(RateLimit { burst: 10, per_second: 1.0 }));
        stage.sandbox.slack.set_method_limit(Method::Update, Some(RateLimit::TIER_3));
        let now = Utc::now();
        for (word, before, at) in [("ALARM", "OK", now - TimeDelta::minutes(3)), ("OK", "ALARM", now)] {
            let began = Instant::now();
            let calls = stage.sandbox.slack.calls().len();
            self.comes(&stage, (word, before), at, alarms).await;
            let calls = &stage.sandbox.slack.calls()[calls..];
            let count = |method: Method| {
                let all = calls.iter().filter(|call| call.method == method);
                let refused = all.clone().filter(|call| call.status == 429).count();
                (all.count(), refused)
            };
            let ((posts, posts_refused), (edits, edits_refused)) =
                (count(Method::PostMessage), count(Method::Update));
            say(&format!(
                "{self:?}, {alarms} alarms in {word}: {posts} posts ({posts_refused} refused by the rate), {edits} edits ({edits_refused} refused), {:.1} s until all is shown",
                began.elapsed().as_secs_f64()
            ));
            for number in 0..alarms {
                let (item, incident) = kept(&stage, &name(number));
                assert!(item.get("lease_owner").is_none(), "{item}");
                assert_eq!(incident["word"], word, "{incident}");
                assert_eq!(incident["changes"], if word == "OK" { 2 } else { 1 }, "{incident}");
            }
        }
        // What people see last of each alarm is that it is over: in its message, or in the thread of a digest.
        let messages = stage.sandbox.slack.messages("ops");
        for number in 0..alarms {
            let name = name(number);
            let last = messages.iter().rev().map(shows).find(|said| said.contains(&name)).unwrap();
            assert!(last.contains('✅') && !last.contains('🔴'), "{name}: {last}");
        }
        assert!(!stage.stop().await.contains(TROUBLED));
    }

    async fn comes(self, stage: &Stage, (now, before): (&str, &str), at: DateTime<Utc>, alarms: usize) {
        let changes: Vec<Value> = (0..alarms).map(|number| change(&name(number), now, before, at)).collect();
        let Self::Queue(batch_size) = self else {
            let attempts = stage.invoke_async(&sns(now, &changes)).await;
            assert!(attempts.last().unwrap().outcome.is_success(), "{attempts:?}");
            return;
        };
        // As the template has it, but for a pause that would only be waited for.
        let options = QueueOptions { visibility_timeout: Duration::from_secs(40), max_receive_count: 10 };
        let queue = Queue::new(now, options);
        for change in changes {
            queue.send(change.to_string(), BTreeMap::new());
        }
        let options = DeliveryOptions { batch_size, concurrency: 2, ..DeliveryOptions::default() };
        let _delivery = queue.deliver_with(&stage.function, options);
        assert!(queue.wait_until_empty(Duration::from_mins(20)).await, "{}", stage.log());
        assert_eq!(queue.dead_letters().len(), 0, "{}", stage.log());
        stage.check_output();
    }
}

fn say(line: &str) {
    // Whoever closed the stream does not want to read it.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn name(number: usize) -> String {
    format!("storm-{number:03}")
}

#[tokio::test]
async fn a_storm_in_batches_and_its_end_are_few_messages() {
    Storm::Queue(10).rages(60).await;
}

#[tokio::test]
async fn a_storm_in_one_event_and_its_end_are_few_messages() {
    Storm::Event.rages(60).await;
}

#[tokio::test]
async fn alarms_with_messages_of_their_own_are_changed_no_faster_than_slack_takes_it() {
    Storm::Queue(3).rages(12).await;
}

#[tokio::test]
#[ignore = "takes minutes: what Slack takes in them"]
async fn three_hundred_alarms_and_their_end() {
    for storm in [Storm::Queue(10), Storm::Event, Storm::Queue(3)] {
        storm.rages(300).await;
    }
}
