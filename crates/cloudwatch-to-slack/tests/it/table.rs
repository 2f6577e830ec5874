//! With a table, by the app: one alert is one living message, whatever process, retry or queue brings its changes.

use alert_sandbox::slack::Message;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::events::{alarm_in, sns};
use crate::stage::{By, Setup, Stage};

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

/// The alarm's message, and what else stands in the channel.
fn channel(stage: &Stage, root: &str) -> (Option<Message>, Vec<Message>) {
    let messages = stage.sandbox.slack.messages("ops");
    let (roots, others): (Vec<_>, Vec<_>) =
        messages.into_iter().filter(Message::is_in_channel).partition(|message| message.ts == root);
    (roots.into_iter().next(), others)
}

#[tokio::test]
async fn one_alarm_is_one_message_through_its_life() {
    let stage = Setup::by(By::App).await.table().start().await;
    let changes = [
        ("a", change("cpu", "ALARM", "OK", ago(5))),
        ("b", change("cpu", "OK", "ALARM", ago(2))),
        ("c", change("cpu", "ALARM", "OK", ago(1))),
    ];
    let mut expected = ["🔴 cpu", "✅ cpu", "🔴 cpu"].into_iter().zip([0, 0, 1]);
    let mut first = String::new();
    for (delivery, change) in changes.clone() {
        invoke(&stage, delivery, change).await;
        if first.is_empty() {
            first.clone_from(&stage.sandbox.slack.messages("ops")[0].ts);
        }
        let (root, others) = channel(&stage, &first);
        let (begins, count) = expected.next().unwrap();
        let root = root.unwrap().shown.text;
        assert!(root.starts_with(begins), "{delivery}: {root}");
        assert_eq!(others.len(), count, "{delivery}: {others:?}");
    }
    // The end is in the thread alone, what fires again is shown to all.
    let replies = stage.sandbox.slack.replies("ops", &first);
    assert_eq!(replies.iter().filter(|reply| reply.ts != first).count(), 2, "{replies:?}");
    // A retry of any of it says nothing.
    let calls = stage.sandbox.slack.calls().len();
    for (delivery, change) in changes {
        invoke(&stage, delivery, change).await;
    }
    assert_eq!(stage.sandbox.slack.calls().len(), calls);
}
