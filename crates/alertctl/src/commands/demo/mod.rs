//! `alertctl demo`: the real binaries on the sandbox, and what happened; on a [`stage`] that is the playground's, too.

mod acts;
mod life;
mod stage;
mod why;

use std::path::PathBuf;
use std::time::Duration;

use alert_core::envelope::{self, Hop};
use alert_core::source;
use alert_sandbox::lambda::{Function, Invocation, Outcome};
use alert_sandbox::slack::{Call, Method};
use chrono::{TimeDelta, Utc};
use serde_json::Value;

use crate::commands::playground::preview::is_for_filter;
use crate::commands::shift::{self, Shifted};
use crate::commands::terminal::{BOLD, GREEN, GREY, RED};
use crate::commands::{input, terminal};
use crate::orders;
use crate::plain::{self, Plain};
pub(crate) use stage::{ACTIONS, Stage, WATCH, Way, function};
use stage::{CHANNEL, TABLE};

/// SNS hands a message on within this, on loopback.
const CHAIN_LIMIT: Duration = Duration::from_secs(30);

/// An event to show.
struct Scene {
    title: String,
    /// So much time passes before it.
    passes: TimeDelta,
    event: Vec<u8>,
    has_time: bool,
}

/// What a call does in the channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Message,
    Reply,
    /// In the channel as well as in the thread.
    ShownReply,
    Edit,
}

/// Runs the demo, with the user's own events where there are any.
pub(crate) async fn run(files: &[PathBuf], json: bool, way: Way) -> Result<bool, String> {
    let is_well = if files.is_empty() {
        let walkthrough = Stage::build(None, way).await?.play_all(&walkthrough(), json).await?;
        let stage = Stage::build(None, Way::App).await?;
        let life = stage.play_all(&life::scenes(Utc::now())?, json).await?;
        anstream::println!("{}\n", life::numbers(&stage.sandbox));
        let stage = Stage::build(Some(orders::CONFIGURATION), Way::App).await?;
        why::prepare(&stage.sandbox, Utc::now())?;
        let why = stage.play_all(&why::scenes(Utc::now()), json).await?;
        let acts = acts::play(&Stage::build(None, Way::AppWithButtons).await?, json).await?;
        walkthrough && life && why && acts
    } else {
        Stage::build(None, way).await?.play_all(&own(files)?, json).await?
    };
    if is_well {
        anstream::println!("{GREEN}All of it was delivered.{GREEN:#}");
    } else {
        anstream::println!("{RED}Not all of it was delivered; the reasons stand above.{RED:#}");
    }
    Ok(is_well)
}

impl Scene {
    fn new(title: &str, event: Vec<u8>) -> Self {
        Self { title: title.to_owned(), passes: TimeDelta::zero(), event, has_time: true }
    }

    /// An event of whenever, as if it happened right now: the functions' clock is the real one.
    fn of_now(title: &str, event: &[u8]) -> Self {
        let Shifted { event, from } = shift::to(event, Utc::now());
        Self { has_time: from.is_some(), ..Self::new(title, event) }
    }
}

fn walkthrough() -> Vec<Scene> {
    vec![
        Scene::of_now(
            "A CloudWatch alarm",
            include_bytes!("../../../../../fixtures/cloudwatch/walkthrough.sns.json"),
        ),
        Scene::of_now(
            "It is over",
            include_bytes!("../../../../../fixtures/cloudwatch/walkthrough-ok.sns.json"),
        ),
        Scene::of_now(
            "Grafana's alerts, by way of the filter",
            include_bytes!("../../../../../fixtures/grafana/walkthrough.eventbridge.json"),
        ),
    ]
}

fn own(files: &[PathBuf]) -> Result<Vec<Scene>, String> {
    files.iter().map(|path| Ok(Scene::of_now(&input::name(path), &input::event(path)?))).collect()
}

impl Doing {
    fn of(call: &Call) -> Self {
        let is_set = |name: &str| call.payload.get(name).is_some_and(|value| *value != Value::Bool(false));
        match call.method {
            Method::Update => Self::Edit,
            _ if !is_set("thread_ts") => Self::Message,
            _ if is_set("reply_broadcast") => Self::ShownReply,
            _ => Self::Reply,
        }
    }

    fn lead(self) -> &'static str {
        match self {
            Self::Message => "slack  ",
            Self::Reply | Self::ShownReply => "thread ",
            Self::Edit => "edited ",
        }
    }
}

impl Stage {
    async fn play_all(&self, scenes: &[Scene], json: bool) -> Result<bool, String> {
        let mut is_well = true;
        for scene in scenes {
            is_well &= self.play(scene, json).await?;
        }
        Ok(is_well)
    }

    /// Sends one event the way it would go, and shows what came of it; whether all went well.
    async fn play(&self, scene: &Scene, json: bool) -> Result<bool, String> {
        anstream::println!("{BOLD}── {} ──{BOLD:#}", Plain(&scene.title));
        if scene.passes > TimeDelta::zero() {
            life::pass(&self.sandbox, scene.passes)?;
            let hours = scene.passes.num_hours();
            anstream::println!(
                "{GREY}time   {hours} h pass: the demo sets the times in the table back, and does not wait{GREY:#}"
            );
        }
        if !scene.has_time {
            anstream::println!("{GREY}time   {}{GREY:#}", shift::NO_TIME);
        }
        let decoded = envelope::decode(&scene.event);
        for record in &decoded.records {
            let way = if record.path.is_empty() { "a bare event".to_owned() } else { Hop::way(&record.path) };
            for alert in source::interpret(record) {
                let (name, state) = (Plain(&alert.name), Plain(&alert.state_value));
                anstream::println!("in     {way}: {name} {state} ({})", alert.source);
            }
        }
        let to_filter = is_for_filter(&decoded);
        let before = self.sandbox.slack.calls().len();
        let function = if to_filter { &self.filter } else { &self.relay };
        let invocation = function.invoke(scene.event.clone()).await;
        if to_filter {
            self.sandbox.sns.settled(CHAIN_LIMIT).await;
            show_dropped(&self.filter.log(), &invocation.request_id);
        } else {
            show_dropped(&self.relay.log(), &invocation.request_id);
        }
        let is_shown = self.show_calls(before, json)?;
        let is_well = show_outcome(function, &invocation) && is_shown;
        anstream::println!();
        Ok(is_well)
    }

    /// Shows what Slack got since there were so many calls, and what of it rang; whether it took all of it.
    fn show_calls(&self, before: usize, json: bool) -> Result<bool, String> {
        let calls = self.sandbox.slack.calls();
        let told: Vec<&Call> = calls
            .get(before..)
            .unwrap_or_default()
            .iter()
            .filter(|call| call.method.is_post() || call.method == Method::Update)
            .collect();
        for call in &told {
            show_call(call, json)?;
        }
        if self.way.is_app() {
            show_rings(&told);
        }
        Ok(told.iter().all(|call| call.accepted))
    }
}

/// What the function's log says of dropped alerts in this invocation.
fn show_dropped(log: &str, request_id: &str) {
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text("verdict") == "dropped" && text("request_id") == request_id {
            anstream::println!(
                "{GREY}drop   {} by the rule {}: {}{GREY:#}",
                Plain(text("alert")),
                Plain(text("rule")),
                Plain(text("why"))
            );
        }
    }
}

fn show_call(call: &Call, json: bool) -> Result<(), String> {
    if json {
        let text = serde_json::to_string_pretty(&call.payload).map_err(|error| error.to_string())?;
        anstream::println!("{}", plain::json(&text));
        return Ok(());
    }
    let doing = Doing::of(call);
    let mut payload = call.payload.clone();
    // What is new in a message that has changed stands above its attachments.
    let rest = payload.as_object_mut().filter(|_| doing == Doing::Edit);
    let rest = rest.and_then(|fields| fields.remove("attachments")).map(|_| format!("{GREY}…{GREY:#}"));
    let lines = terminal::message(&payload).into_iter().chain(rest);
    for (index, line) in lines.enumerate() {
        let lead = if index == 0 { doing.lead() } else { "       " };
        anstream::println!("{lead}{line}");
    }
    if !call.accepted {
        let (answer, why) = (Plain(&call.answer), Plain(call.why.as_deref().unwrap_or_default()));
        anstream::println!("{RED}       Slack answered {} {answer} {why}{RED:#}", call.status);
    }
    Ok(())
}

/// What people were called by: only what is new in the channel rings.
fn show_rings(calls: &[&Call]) {
    let has = |doing| calls.iter().any(|call| call.accepted && Doing::of(call) == doing);
    let what = if has(Doing::Message) {
        "the new message"
    } else if has(Doing::ShownReply) {
        "the reply, which the channel shows, too"
    } else {
        "nothing: edits are silent, and the thread is for those who follow it"
    };
    anstream::println!("rang   {what}");
}

fn show_outcome(function: &Function, invocation: &Invocation) -> bool {
    let time = format!("{:.1} ms", invocation.duration.as_secs_f64() * 1_000.0);
    match &invocation.outcome {
        Outcome::Response(body) => {
            let body = String::from_utf8_lossy(body);
            anstream::println!("{GREEN}done{GREEN:#}   {} in {time}: {}", function.name(), Plain(&body));
            // A batch whose items fail is a successful invocation.
            !body.contains("itemIdentifier") && !body.contains(r#""statusCode":502"#)
        }
        Outcome::Error { error_type, message, .. } | Outcome::InitError { error_type, message, .. } => {
            let (kind, message) = (Plain(error_type), Plain(message));
            anstream::println!("{RED}failed{RED:#} {} in {time}: {kind}: {message}", function.name());
            false
        }
        Outcome::TimedOut => {
            anstream::println!("{RED}failed{RED:#} {}: its time was over after {time}", function.name());
            false
        }
        Outcome::Exited(code) => {
            anstream::println!("{RED}failed{RED:#} {}: the process ended with {code:?}", function.name());
            false
        }
    }
}
