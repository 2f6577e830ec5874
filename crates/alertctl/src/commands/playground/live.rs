//! The running functions: the ways in, and what came out of them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use alert_sandbox::eventbridge::{GRAFANA_DETAIL_TYPE, GRAFANA_SOURCE};
use alert_sandbox::lambda::{Invocation, Outcome};
use alert_sandbox::slack::{self, Call, Method};
use maud::{Markup, html};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::thread;
use crate::commands::demo::{Stage, Way};

/// What the inbox remembers.
const ENTRIES_MAX: usize = 200;
/// How often the functions' logs are looked at for dropped alerts; messages show at once.
const LOOK: Duration = Duration::from_millis(500);

/// Both functions and the inbox.
pub(crate) struct Live {
    stage: Stage,
    entries: Mutex<VecDeque<Arc<Entry>>>,
    /// The number of the newest entry; the first is 1.
    newest: watch::Sender<u64>,
}

/// One thing in the inbox.
pub(crate) struct Entry {
    /// A later one for each change of it.
    pub(crate) number: u64,
    /// The number with which it came, by which the page finds it.
    place: u64,
    pub(crate) html: String,
    /// The message that it shows with its thread, by the channel's id and its `ts`.
    root: Option<Root>,
}

type Root = (String, String);

impl Live {
    pub(crate) fn new(stage: Stage) -> Self {
        Self { stage, entries: Mutex::default(), newest: watch::Sender::new(0) }
    }

    /// How the functions reach Slack.
    pub(crate) fn way(&self) -> Way {
        self.stage.way
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

    /// Any event, to one of the functions; what became of it.
    pub(crate) async fn event(&self, event: Vec<u8>, to_filter: bool) -> Value {
        let function = if to_filter { &self.stage.filter } else { &self.stage.relay };
        let invocation = function.invoke(event).await;
        self.tell_failure(function.name(), Some(&invocation));
        let milliseconds = u64::try_from(invocation.duration.as_millis()).unwrap_or(u64::MAX);
        let mut answer = json!({"function": function.name(), "milliseconds": milliseconds});
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
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut seen = 0;
        let mut read = [0; 2];
        loop {
            let calls = self.stage.sandbox.slack.wait_for_calls(seen + 1, LOOK).await;
            self.show(&calls[seen.min(calls.len())..]);
            seen = calls.len();
            for (function, read) in [&self.stage.filter, &self.stage.relay].into_iter().zip(&mut read) {
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
