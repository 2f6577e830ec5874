//! The running functions: the ways in, and what came out of them.

mod press;
mod send;

pub(crate) use press::Press;
pub(crate) use send::Sent;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alert_sandbox::eventbridge::{GRAFANA_DETAIL_TYPE, GRAFANA_SOURCE};
use alert_sandbox::lambda::{Function, Invocation, Outcome};
use alert_sandbox::slack::{self, Call, Method};
use maud::{Markup, html};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::thread;
use crate::commands::demo::{self, ACTIONS, Stage, WATCH, Way};

/// What the inbox remembers.
const ENTRIES_MAX: usize = 200;
/// How often the functions' logs are looked at for dropped alerts; messages show at once.
const LOOK: Duration = Duration::from_millis(500);
const MINUTE: Duration = Duration::from_mins(1);

/// The functions and the inbox.
pub(crate) struct Live {
    stage: Stage,
    /// Where people act by buttons.
    beside: Option<Beside>,
    /// The configuration that the functions have. Locked while one sender uses them with the configuration of theirs.
    config: tokio::sync::Mutex<String>,
    entries: Mutex<VecDeque<Arc<Entry>>>,
    /// The number of the newest entry; the first is 1.
    newest: watch::Sender<u64>,
    /// What has been carried into the inbox.
    seen: Mutex<Seen>,
}

/// The functions beside the relay.
struct Beside {
    /// Takes the presses of buttons.
    actions: Function,
    /// Is woken each minute: by the end of a silence, and where nobody acts.
    watch: Function,
}

#[derive(Default)]
struct Seen {
    /// Calls of Slack.
    calls: usize,
    /// Bytes of the filter's log, and of the relay's.
    logs: [usize; 2],
}

/// One thing in the inbox.
pub(crate) struct Entry {
    /// A later one for each change of it.
    pub(crate) number: u64,
    /// The number with which it came, by which the page finds it.
    pub(crate) place: u64,
    pub(crate) html: String,
    /// The message that it shows with its thread, by the channel's id and its `ts`.
    root: Option<Root>,
}

type Root = (String, String);

impl Live {
    /// Starts all functions with a configuration; an empty one is the default.
    pub(crate) async fn start(config: &str, way: Way) -> Result<Self, String> {
        let stage = Stage::build(given(config), way).await?;
        let beside = match way {
            Way::AppWithButtons => {
                let settings = || stage.settings_beside(given(config));
                let actions = demo::function(ACTIONS, settings()).await?;
                Some(Beside { actions, watch: demo::function(WATCH, settings()).await? })
            }
            Way::Webhook | Way::App => None,
        };
        Ok(Self {
            stage,
            beside,
            config: tokio::sync::Mutex::new(config.to_owned()),
            entries: Mutex::default(),
            newest: watch::Sender::new(0),
            seen: Mutex::default(),
        })
    }

    /// How the functions reach Slack.
    pub(crate) fn way(&self) -> Way {
        self.stage.way
    }

    /// Gives all functions another configuration; `current` is the one that they have.
    async fn configure(&self, current: &mut String, config: &str) -> Result<(), String> {
        if current == config {
            return Ok(());
        }
        // What fails on the way is tried again by whoever is next.
        current.clear();
        self.stage.configure(given(config)).await?;
        for function in self.beside.iter().flat_map(|beside| [&beside.actions, &beside.watch]) {
            let started = function.set_environment(self.stage.settings_beside(given(config))).await;
            started.map_err(|error| format!("{} does not start: {error}", function.name()))?;
        }
        config.clone_into(current);
        Ok(())
    }

    /// Grafana's or Alertmanager's webhook, as API Gateway and EventBridge hand it on; says the event's id.
    pub(crate) fn webhook(self: &Arc<Self>, detail: &Value) -> String {
        let event = self.stage.sandbox.eventbridge.event(GRAFANA_SOURCE, GRAFANA_DETAIL_TYPE, detail);
        let id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let live = Arc::clone(self);
        tokio::spawn(async move {
            let attempts = live.stage.filter.invoke_async(event.to_string()).await;
            live.tell_failure(live.stage.filter.name(), attempts.last());
        });
        id
    }

    /// Any event for the relay, with the configuration that the functions have; what became of it.
    pub(crate) async fn event(&self, event: Vec<u8>) -> Value {
        let function = &self.stage.relay;
        let invocation = function.invoke(event).await;
        self.tell_failure(function.name(), Some(&invocation));
        let mut answer =
            json!({"function": function.name(), "milliseconds": milliseconds(invocation.duration)});
        match invocation.outcome {
            Outcome::Response(body) => {
                answer["response"] = serde_json::from_slice(&body)
                    .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
            }
            outcome => answer["error"] = failure(&outcome).into(),
        }
        answer
    }

    fn tell_failure(&self, function: &str, invocation: Option<&Invocation>) {
        let Some(invocation) = invocation.filter(|invocation| !invocation.outcome.is_success()) else {
            return;
        };
        let why = failure(&invocation.outcome);
        self.add(&html! { p.drop { strong { (function) } " failed: " (why) } }, None);
    }

    /// Adds something new; what shows a message that stands in the inbox already takes its place there.
    fn add(&self, what: &Markup, root: Option<Root>) {
        let mut entries = self.entries();
        let number = *self.newest.borrow() + 1;
        let known = entries.iter_mut().find(|entry| root.is_some() && entry.root == root);
        let place = known.as_ref().map_or(number, |known| known.place);
        let html = html! { div.entry #{ "entry-" (place) } { (what) } }.into_string();
        let entry = Arc::new(Entry { number, place, html, root });
        match known {
            Some(known) => *known = entry,
            None => entries.push_back(entry),
        }
        if entries.len() > ENTRIES_MAX {
            entries.pop_front();
        }
        self.newest.send_replace(number);
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What came, or changed, after the entry of this number, oldest first.
    pub(crate) fn after(&self, number: u64) -> Vec<Arc<Entry>> {
        let mut after: Vec<_> =
            self.entries().iter().filter(|entry| entry.number > number).cloned().collect();
        after.sort_unstable_by_key(|entry| entry.number);
        after
    }

    /// Wakes whoever waits for the next entry.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Everything so far, newest first.
    pub(crate) fn inbox(&self) -> Markup {
        let entries = self.entries();
        html! { @for entry in entries.iter().rev() { (maud::PreEscaped(&entry.html)) } }
    }

    /// Carries into the inbox what arrives at Slack, and what the functions' logs say was dropped; never ends.
    pub(crate) async fn watch(&self) {
        loop {
            let calls = self.seen().calls;
            self.stage.sandbox.slack.wait_for_calls(calls + 1, LOOK).await;
            self.catch_up();
        }
    }

    /// Wakes who is woken each minute; never ends.
    pub(crate) async fn wake(&self) {
        let Some(beside) = &self.beside else { return std::future::pending().await };
        loop {
            tokio::time::sleep(MINUTE).await;
            let invocation = beside.watch.invoke("{}").await;
            self.tell_failure(beside.watch.name(), Some(&invocation));
        }
    }

    /// Carries into the inbox what has come by now.
    fn catch_up(&self) {
        let mut seen = self.seen();
        let calls = self.stage.sandbox.slack.calls();
        self.show(&calls[seen.calls.min(calls.len())..]);
        seen.calls = calls.len();
        for (function, read) in [&self.stage.filter, &self.stage.relay].into_iter().zip(&mut seen.logs) {
            let log = function.log();
            let new = log.get(*read..).unwrap_or_default();
            // A line that is not whole yet is read the next time.
            let whole = new.rfind('\n').map_or(0, |end| end + 1);
            for line in new[..whole].lines() {
                if let Some(dropped) = dropped(function.name(), line) {
                    self.add(&dropped, None);
                }
            }
            *read += whole;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows what calls did: each message that is new, or has changed, once.
    fn show(&self, calls: &[Call]) {
        let mut channels: BTreeMap<&str, Vec<slack::Message>> = BTreeMap::new();
        let mut shown: Vec<(Root, &Call)> = Vec::new();
        for call in calls.iter().filter(|call| call.method.is_post() || call.method == Method::Update) {
            if !call.accepted {
                self.add(&thread::refused(call), None);
                continue;
            }
            let channel = channels.entry(&call.channel);
            let messages = channel.or_insert_with(|| self.stage.sandbox.slack.messages(&call.channel));
            let Some(message) = messages.iter().find(|message| call.ts.as_ref() == Some(&message.ts)) else {
                continue;
            };
            let ts = message.thread_ts.as_ref().unwrap_or(&message.ts);
            let root = (message.channel_id.clone(), ts.clone());
            if shown.iter().all(|(other, _)| *other != root) {
                shown.push((root, call));
            }
        }
        for (root, call) in shown {
            let is_of_thread = |message: &&slack::Message| {
                message.ts == root.1 || message.thread_ts.as_ref() == Some(&root.1)
            };
            let messages: Vec<_> =
                channels.get(call.channel.as_str()).into_iter().flatten().filter(is_of_thread).collect();
            self.add(&thread::thread(&messages, call), Some(root));
        }
    }
}

fn dropped(function: &str, line: &str) -> Option<Markup> {
    let line: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    (text("verdict") == "dropped").then(|| {
        html! {
            p.drop {
                span.sign { "dropped" } " " strong { (text("alert")) } ": rule " strong { (text("rule")) }
                " of " (function) " (" (text("why")) ")"
            }
        }
    })
}

/// A configuration as a setting, which is never empty.
fn given(config: &str) -> Option<&str> {
    Some(config).filter(|config| !config.trim().is_empty())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn failure(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Response(_) => String::new(),
        Outcome::Error { error_type, message, .. } | Outcome::InitError { error_type, message, .. } => {
            format!("{error_type}: {message}")
        }
        Outcome::TimedOut => "its time was over".to_owned(),
        Outcome::Exited(code) => format!("the process ended with {code:?}"),
    }
}
