//! With a table, by the app: one alert is one living message, whatever process, retry or queue brings its changes.

use std::time::Duration;

use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::slack::Method;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::events::{alarm_in, sns};
use crate::stage::{By, Setup, Stage, error};

pub(crate) const TABLE: &str = "alerts";

impl Setup {
    /// Sets `ALERT_TABLE`, and makes the table.
    pub(crate) fn table(self) -> Self {
        let table = self.sandbox.dynamodb.create_table(TABLE);
        self.set("ALERT_TABLE", &table)
    }
}

/// An alarm's change at a time.
pub(crate) fn change(name: &str, state: &str, before: &str, at: DateTime<Utc>) -> Value {
    let mut alarm = alarm_in(name, state, before);
    alarm["StateChangeTime"] = at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string().into();
    alarm
}

fn ago(minutes: i64) -> DateTime<Utc> {
    Utc::now() - TimeDelta::minutes(minutes)
}

async fn invoke(stage: &Stage, delivery: &str, change: Value) {
    let invocation = stage.invoke(&sns(delivery, &[change])).await;
    assert!(invocation.outcome.is_success(), "{invocation:?}");
}

#[tokio::test]
async fn one_alarm_is_one_message_through_its_life() {
    let stage = Setup::by(By::App).await.table().start().await;
    invoke(&stage, "a", change("cpu", "ALARM", "OK", ago(5))).await;
    let [first] = &stage.sandbox.slack.messages("ops")[..] else { panic!("{:?}", stage.messages()) };
    assert!(first.shown.text.starts_with("🔴 cpu"), "{first:?}");
    invoke(&stage, "b", change("cpu", "OK", "ALARM", ago(2))).await;
    let messages = stage.sandbox.slack.messages("ops");
    let root = messages.iter().find(|message| message.ts == first.ts).unwrap();
    assert!(root.shown.text.starts_with("✅ cpu"), "{root:?}");
    assert_eq!(messages.iter().filter(|message| message.is_in_channel()).count(), 1, "{messages:?}");
    let replies = stage.sandbox.slack.replies("ops", &first.ts);
    assert_eq!(replies.iter().filter(|reply| reply.ts != first.ts).count(), 1, "{replies:?}");
    // Again, soon: the same message is red again, and the channel hears of it.
    invoke(&stage, "c", change("cpu", "ALARM", "OK", ago(1))).await;
    let messages = stage.sandbox.slack.messages("ops");
    let root = messages.iter().find(|message| message.ts == first.ts).unwrap();
    assert!(root.shown.text.starts_with("🔴 cpu"), "{root:?}");
    assert_eq!(messages.iter().filter(|message| message.is_in_channel()).count(), 2, "{messages:?}");
    // A retry of any of it says nothing.
    let calls = stage.sandbox.slack.calls().len();
    for (delivery, state, before, minutes) in [("a", "ALARM", "OK", 5), ("b", "OK", "ALARM", 2)] {
        invoke(&stage, delivery, change("cpu", state, before, ago(minutes))).await;
    }
    assert_eq!(stage.sandbox.slack.calls().len(), calls);
}
