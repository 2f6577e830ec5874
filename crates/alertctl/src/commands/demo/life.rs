//! One alarm's life: it fires, is reminded of, gets worse, and is over; all of it in one message.
//!
//! CloudWatch tells a composite alarm that fires once more when what held its actions back has ended, with the children that
//! fire by then. Source: CloudWatch User Guide, "Alarm suppression".

use alert_core::incident::Incident;
use alert_core::relay::Stored;
use alert_sandbox::Sandbox;
use alert_sandbox::slack::Call;
use chrono::{DateTime, SecondsFormat, SubsecRound as _, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{Doing, Scene, TABLE};
use crate::plain::Plain;

const ALARM: &str = include_str!("../../../../../fixtures/cloudwatch/composite.sns.json");
const CHILDREN: [&str; 2] = ["orders-api errors", "orders-db storage low"];
/// So long the alarm fires.
const LASTS: TimeDelta = TimeDelta::hours(4);

/// Each change as an event, the alarm's first one at `now`.
pub(super) fn scenes(now: DateTime<Utc>) -> Result<Vec<Scene>, String> {
    // The alarm's times have milliseconds.
    let now = now.trunc_subsecs(3);
    // After the time that passes in between, it lies so much further back.
    let began = now - LASTS;
    let change = |number, state, was, at, children| event(&Change { number, state, was, at, now, children });
    Ok(vec![
        Scene::new("One alarm's life: it fires", change(1, "ALARM", "OK", now, 1)?),
        Scene {
            passes: LASTS,
            ..Scene::new("It fires still, and CloudWatch says so", change(2, "ALARM", "ALARM", began, 1)?)
        },
        Scene::new("It is worse: two alarms fire in it", change(3, "ALARM", "ALARM", began, 2)?),
        Scene::new("It is over", change(4, "OK", "ALARM", now, 1)?),
    ])
}

/// A change of the alarm.
struct Change {
    number: u8,
    state: &'static str,
    was: &'static str,
    at: DateTime<Utc>,
    /// When it is sent.
    now: DateTime<Utc>,
    /// How many children it names.
    children: usize,
}

fn event(change: &Change) -> Result<Vec<u8>, String> {
    let broken = |error: serde_json::Error| format!("the fixture of the composite alarm is no JSON: {error}");
    let mut event: Value = serde_json::from_str(ALARM).map_err(broken)?;
    let sns = &mut event["Records"][0]["Sns"];
    let mut alarm: Value =
        serde_json::from_str(sns["Message"].as_str().unwrap_or_default()).map_err(broken)?;
    let at = change.at.format("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string();
    let arn = |child: &str| format!("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:{child}");
    let children = &CHILDREN[..change.children];
    let told = children
        .iter()
        .map(|child| json!({"Arn": arn(child), "State": {"Value": change.state, "Timestamp": at}}))
        .collect::<Vec<_>>();
    let newest = children.last().copied().unwrap_or_default();
    let moment = change.at.format("%A %d %B, %Y %H:%M:%S UTC");
    alarm["NewStateValue"] = change.state.into();
    alarm["OldStateValue"] = change.was.into();
    alarm["NewStateReason"] = format!("{} transitioned to {} at {moment}", arn(newest), change.state).into();
    alarm["StateChangeTime"] = at.into();
    alarm["TriggeringChildren"] = told.into();
    sns["MessageId"] = format!("{0:08}-0000-4000-8000-{0:012}", change.number).into();
    sns["Timestamp"] = change.now.to_rfc3339_opts(SecondsFormat::Millis, true).into();
    sns["Message"] = alarm.to_string().into();
    Ok(event.to_string().into_bytes())
}

/// Lets time pass for what the table remembers: the function has the real clock, and nobody waits for hours.
pub(super) fn pass(sandbox: &Sandbox, time: TimeDelta) -> Result<(), String> {
    for mut item in incidents(sandbox) {
        let stored = item["incident"]["S"].as_str().unwrap_or_default();
        let mut incident = Incident::from_json(stored).map_err(|error| error.to_string())?;
        // Its single changes stay where they are: they count what changes too often.
        for moment in [&mut incident.at, &mut incident.heard_at, &mut incident.opened_at] {
            *moment -= time;
        }
        incident.began_at = incident.began_at.map(|began| began - time);
        if let Some(silenced) = &mut incident.silenced {
            silenced.at -= time;
            silenced.until = silenced.until.map(|until| until - time);
        }
        if let Some(due_at) = incident.due_at(Utc::now()) {
            item["due_at"] = json!({"N": due_at.timestamp_millis().to_string()});
        }
        item["incident"]["S"] = incident.to_json().into();
        if let Some(stored) = item["alert"]["S"].as_str().and_then(|json| Stored::from_json(json).ok()) {
            item["alert"]["S"] = passed(stored, time).to_json().into();
        }
        sandbox.dynamodb.put_item(TABLE, &item)?;
    }
    Ok(())
}

/// The alert as it is told again.
fn passed(mut stored: Stored, time: TimeDelta) -> Stored {
    let alert = &mut stored.alert;
    for moment in [&mut alert.changed_at, &mut alert.starts_at, &mut alert.ends_at].into_iter().flatten() {
        *moment -= time;
    }
    stored
}

/// The table's items of alerts; one more is there from trying the right to it.
fn incidents(sandbox: &Sandbox) -> Vec<Value> {
    let mut items = sandbox.dynamodb.items(TABLE);
    items.retain(|item| item.get("incident").is_some());
    items
}

/// What Slack got, and what the table holds, in numbers.
pub(super) fn numbers(sandbox: &Sandbox) -> String {
    let (replies, messages): (Vec<Call>, Vec<Call>) =
        sandbox.slack.accepted().into_iter().partition(|post| Doing::of(post) != Doing::Message);
    let shown = replies.iter().filter(|reply| Doing::of(reply) == Doing::ShownReply).count();
    let edits = sandbox.slack.edits().iter().filter(|edit| edit.accepted).count();
    let incidents = incidents(sandbox);
    let keys: Vec<&str> = incidents.iter().filter_map(|item| item["pk"]["S"].as_str()).collect();
    format!(
        "Slack got: messages {}, edits {edits}, replies {}, of which the channel shows {shown}. The table holds: items {} ({})",
        messages.len(),
        replies.len(),
        keys.len(),
        Plain(keys.join(", ")),
    )
}
