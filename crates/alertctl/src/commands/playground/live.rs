//! The running functions: the ways in, and what came out of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use alert_sandbox::eventbridge::{GRAFANA_DETAIL_TYPE, GRAFANA_SOURCE};
use alert_sandbox::lambda::{Invocation, Outcome};
use alert_sandbox::slack::{Call, Method};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{message, page};
use crate::commands::demo::Stage;
use crate::commands::slack::Message;

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
    pub(crate) number: u64,
    pub(crate) html: String,
}

impl Live {
    pub(crate) fn new(stage: Stage) -> Self {
        Self { stage, entries: Mutex::default(), newest: watch::Sender::new(0) }
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
        self.add(&html! { p.drop { strong { (function) } " failed: " (why) } });
    }

    fn add(&self, what: &Markup) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let number = *self.newest.borrow() + 1;
        let html = html! { div.entry { (what) } }.into_string();
        entries.push_back(Arc::new(Entry { number, html }));
        if entries.len() > ENTRIES_MAX {
            entries.pop_front();
        }
        self.newest.send_replace(number);
    }

    /// What came after the entry of this number, oldest first.
    pub(crate) fn after(&self, number: u64) -> Vec<Arc<Entry>> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().filter(|entry| entry.number > number).cloned().collect()
    }

    /// Wakes whoever waits for the next entry.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Everything so far, newest first.
    pub(crate) fn inbox(&self) -> Markup {
        let entries = self.after(0);
        html! { @for entry in entries.iter().rev() { (maud::PreEscaped(&entry.html)) } }
    }

    /// Carries into the inbox what arrives at Slack, and what the functions' logs say was dropped; never ends.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut seen = 0;
        let mut read = [0; 2];
        loop {
            let posts = self.stage.sandbox.slack.wait_for_posts(seen + 1, LOOK).await;
            for post in posts.iter().skip(seen) {
                self.add(&delivered(post));
            }
            seen = posts.len();
            for (function, read) in [&self.stage.filter, &self.stage.relay].into_iter().zip(&mut read) {
                let log = function.log();
                let new = log.get(*read..).unwrap_or_default();
                // A line that is not whole yet is read the next time.
                let whole = new.rfind('\n').map_or(0, |end| end + 1);
                for line in new[..whole].lines() {
                    if let Some(dropped) = dropped(function.name(), line) {
                        self.add(&dropped);
                    }
                }
                *read += whole;
            }
        }
    }
}

fn delivered(post: &Call) -> Markup {
    let mut message = Message::read(&post.payload);
    let mut at = page::moment(DateTime::<Utc>::from(post.at));
    if post.method == Method::PostMessage {
        // An app does not ask for a channel: it is there.
        message.channel = None;
        at = html! { (at) " in #" (post.channel) };
    }
    html! {
        (message::channel(&message, &at))
        @if !post.accepted {
            p.drop { "Slack answered " (post.status) " " (post.answer) ": " (post.why.as_deref().unwrap_or_default()) }
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
