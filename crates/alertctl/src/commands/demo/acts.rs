//! People act: somebody is on it, somebody silences it, it flaps meanwhile, and it rings when the silence ends.

use alert_sandbox::lambda::{Function, Outcome};
use alert_sandbox::slack::{Click, Message};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{ACTIONS, CHANNEL, Scene, Stage, WATCH, function, life, show_outcome};
use crate::commands::terminal::{BOLD, GREEN, GREY, RED};
use crate::orders;
use crate::plain::Plain;

const SILENCE: TimeDelta = TimeDelta::hours(1);
/// Who presses what: the person's id and name, the `action_id`, and what is chosen.
type Press = ((&'static str, &'static str), &'static str, Option<&'static str>);
const KIM_IS_ON_IT: Press = (("U0KIM", "kim"), "acknowledge", None);
const LEE_SILENCES: Press = (("U0LEE", "lee"), "silence", Some("1h"));

/// Plays it; whether all went well.
pub(super) async fn play(stage: &Stage, json: bool) -> Result<bool, String> {
    let actions = function(ACTIONS, stage.settings_beside(None)).await?;
    let watch = function(WATCH, stage.settings_beside(None)).await?;
    let now = Utc::now();
    // What is two minutes late would say so.
    let ago = |seconds| now - TimeDelta::seconds(seconds);
    let mut is_well = stage.play(&change("People act: an alarm fires", 1, "ALARM", ago(100))?, json).await?;
    for press in [KIM_IS_ON_IT, LEE_SILENCES] {
        is_well &= self::press(stage, &actions, press, json).await?;
    }
    for (number, state, seconds) in [(2, "OK", 80), (3, "ALARM", 60), (4, "OK", 40), (5, "ALARM", 20)] {
        is_well &=
            stage.play(&change("It flaps, and is silenced", number, state, ago(seconds))?, json).await?;
    }
    is_well &= end_of_silence(stage, &watch, json).await?;
    is_well &= stage.play(&change("It is over", 6, "OK", now)?, json).await?;
    anstream::println!("{}\n", life::numbers(&stage.sandbox));
    Ok(is_well)
}

/// The alarm in a state, at a time.
fn change(title: &str, number: u8, state: &str, at: DateTime<Utc>) -> Result<Scene, String> {
    let broken = |error: serde_json::Error| format!("the demo's alarm is no JSON: {error}");
    let delivery = format!("{number:08}-0000-4000-8000-000000000018");
    let reason = "Threshold Crossed: 1 datapoint [57.0] was greater than the threshold (25.0).";
    let mut event: Value = serde_json::from_str(&orders::event(&delivery, at, reason)).map_err(broken)?;
    let sns = &mut event["Records"][0]["Sns"];
    let mut alarm: Value =
        serde_json::from_str(sns["Message"].as_str().unwrap_or_default()).map_err(broken)?;
    let was = if state == "OK" { "ALARM" } else { "OK" };
    alarm["NewStateValue"] = state.into();
    alarm["OldStateValue"] = was.into();
    sns["Message"] = alarm.to_string().into();
    Ok(Scene::new(title, event.to_string().into_bytes()))
}

/// Somebody presses a button of the alarm's message.
async fn press(
    stage: &Stage,
    actions: &Function,
    (user, action_id, option): Press,
    json: bool,
) -> Result<bool, String> {
    let chosen = option.map(|option| format!(": {option}")).unwrap_or_default();
    anstream::println!("{BOLD}── {} presses {action_id}{chosen} ──{BOLD:#}", user.1);
    let first = stage.sandbox.slack.messages(CHANNEL).into_iter().find(Message::is_in_channel);
    let ts = first.map(|message| message.ts).ok_or("there is no message to press a button of")?;
    let click = Click { channel: CHANNEL, ts: &ts, action_id, option, user };
    let event = stage.sandbox.slack.click(&click)?.proxy_event();
    let before = stage.sandbox.slack.calls().len();
    let invocation = actions.invoke(event.to_string()).await;
    let is_shown = stage.show_calls(before, json)?;
    let is_taken =
        matches!(&invocation.outcome, Outcome::Response(body) if body.starts_with(br#"{"statusCode":200"#));
    let told = stage.sandbox.slack.ephemerals();
    for line in &told {
        anstream::println!("{RED}told   {}: {}{RED:#}", user.1, Plain(&line.text));
    }
    let is_well = show_outcome(actions, &invocation) && is_shown && is_taken && told.is_empty();
    anstream::println!();
    Ok(is_well)
}

/// The silence is over by the clock, and the function that is woken each minute looks.
async fn end_of_silence(stage: &Stage, watch: &Function, json: bool) -> Result<bool, String> {
    anstream::println!("{BOLD}── The silence ends, and it still fires ──{BOLD:#}");
    life::pass(&stage.sandbox, SILENCE)?;
    anstream::println!(
        "{GREY}time   {} h passes: the demo sets the times in the table back, and does not wait{GREY:#}",
        SILENCE.num_hours()
    );
    let before = stage.sandbox.slack.calls().len();
    let invocation = watch.invoke("{}").await;
    let is_shown = stage.show_calls(before, json)?;
    let is_well = show_outcome(watch, &invocation) && is_shown;
    if stage.sandbox.slack.calls().len() == before {
        anstream::println!("{GREEN}nothing{GREEN:#} rang");
    }
    anstream::println!();
    Ok(is_well && stage.sandbox.slack.calls().len() > before)
}
