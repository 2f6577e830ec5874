//! An alert in the making: the parts that every service fills in alike.

use serde_json::Value;

use super::fields::{Fields, moment};
use super::words::{last_part, severity};
use crate::alert::{Alert, Fact, LinkKind, Source, State};
use crate::key::AlertKey;
use crate::number;
use crate::region::{self, Arn, console_host, percent_encode};
use crate::source::Message;

/// The alert, and what its links need.
pub(super) struct Draft {
    /// Filled in by the service.
    pub(super) alert: Alert,
    /// Where the message's ARNs tell; else the region tells.
    pub(super) partition: Option<String>,
    /// The thing that the message is about, and its kind where such messages tell that it begins and ends to be broken.
    thing: Option<(Option<&'static str>, String)>,
}

impl Draft {
    /// An alert of which nothing but this is known.
    pub(super) fn new(service: &str, name: &str, state: State, state_value: &str) -> Self {
        Self {
            alert: Alert::new(Source::Aws(service.to_owned()), name, state, state_value),
            partition: None,
            thing: None,
        }
    }

    /// An alert from a message without a frame: time, account and region are those of the topic that carried it.
    pub(super) fn of(
        message: &Message<'_>,
        service: &str,
        name: &str,
        state: State,
        state_value: &str,
    ) -> Self {
        let mut draft = Self::new(service, name, state, state_value);
        draft.alert.changed_at = message.record.sent_at;
        if let Some(topic) = message.record.topic_arn.as_deref() {
            draft.place(topic);
        }
        draft
    }

    /// Takes account, region and partition from an ARN; an ARN without an account or region changes neither.
    pub(super) fn place(&mut self, arn: &str) {
        if let Some(arn) = Arn::parse(arn) {
            self.partition = Some(arn.partition.to_owned());
            if !arn.account.is_empty() {
                self.alert.account = Some(arn.account.to_owned());
            }
            if !arn.region.is_empty() {
                self.alert.region = Some(arn.region.to_owned());
            }
        }
    }

    /// Adds a fact, where there is one.
    pub(super) fn fact<T: Into<String>>(&mut self, name: &str, value: Option<T>) {
        if let Some(value) = value.map(Into::into).filter(|value| !value.trim().is_empty()) {
            self.alert.facts.push(Fact::new(name, value));
        }
    }

    /// Adds a fact of several lines; those beyond `max` are counted.
    pub(super) fn fact_lines(&mut self, name: &str, lines: &[String], max: usize) {
        let mut shown: Vec<String> = lines.iter().take(max).cloned().collect();
        if lines.len() > max {
            shown.push(format!("… and {} more", lines.len() - max));
        }
        self.fact(name, Some(shown.join("\n")));
    }

    /// Sets a label.
    pub(super) fn label(&mut self, name: &str, value: &str) {
        self.alert.labels.set(name, value);
    }

    /// Sets the label `severity` to one of `critical`, `high`, `medium`, `low` and `info`, where the word means one.
    pub(super) fn severity(&mut self, word: Option<&str>) {
        if let Some(word) = word.and_then(severity) {
            self.label("severity", word);
        }
    }

    /// Names the thing whose state this is, and its kind: later messages of the same thing are changes of the same alert.
    pub(super) fn state_of(&mut self, kind: &'static str, id: Option<String>) {
        self.thing = id.map(|id| (Some(kind), id));
    }

    /// Names the thing of which this is news: the message changes nothing that another one said.
    pub(super) fn news_of(&mut self, id: Option<String>) {
        self.thing = id.map(|id| (None, id));
    }

    /// Overrides the account, where the message names a better one than its frame.
    pub(super) fn account(&mut self, account: Option<String>) {
        self.alert.account = account.or_else(|| self.alert.account.take());
    }

    /// Overrides the region, where the message names a better one than its frame.
    pub(super) fn region(&mut self, region: Option<String>) {
        self.alert.region = region.or_else(|| self.alert.region.take());
    }

    /// Links to a page of the region's console.
    ///
    /// In `path`, `{region}` is the region, and every `{}` the next part, percent-encoded. No link where a part is
    /// missing, or the console has no public address.
    pub(super) fn console(&mut self, kind: LinkKind, path: &str, parts: &[Option<&str>]) {
        let Some(region) = self.alert.region.as_deref() else { return };
        let partition = self.partition.as_deref().unwrap_or_else(|| region::partition(region));
        let Some(host) = console_host(partition, region) else { return };
        let mut path = path.replace("{region}", region);
        for part in parts {
            let Some(part) = part.filter(|part| !part.is_empty()) else { return };
            path = path.replacen("{}", &percent_encode(part), 1);
        }
        self.alert.link(kind, format!("https://{host}{path}"));
    }

    /// Links to a URL that the message brings.
    pub(super) fn link(&mut self, kind: LinkKind, url: Option<String>) {
        if let Some(url) = url
            && !url.contains(char::is_whitespace)
        {
            self.alert.link(kind, url);
        }
    }

    /// Notes what could not be read of these fields.
    pub(super) fn unread(&mut self, fields: &Fields<'_>) {
        for unread in fields.unread() {
            self.alert.notes.push(format!("Could not read a part of the message: {unread}"));
        }
    }

    /// The alert, with the labels that all alerts have, notes on what could not be read of `whole`, and `whole` itself
    /// where less than half of it is shown or something of it could not be read.
    pub(super) fn finish(self, whole: &Fields<'_>) -> Alert {
        self.finish_where(whole, Count::is_most)
    }

    /// As [`Draft::finish`], but keeps `whole` where anything of it is not shown: for messages that nobody chose facts of.
    pub(super) fn finish_unknown(self, whole: &Fields<'_>) -> Alert {
        self.finish_where(whole, Count::is_all)
    }

    fn finish_where(mut self, whole: &Fields<'_>, is_enough: fn(&Count) -> bool) -> Alert {
        let is_read = whole.unread().is_empty();
        self.unread(whole);
        let thing = self.thing.as_ref().map(|(_, id)| id.clone());
        let mut alert = self.labelled();
        // What could not be read is in no fact.
        let is_enough =
            is_read && is_enough(&Count::of_json(whole.value(), &shown(&alert, thing.as_deref())));
        if alert.raw.is_none() && !is_enough {
            let value = whole.value();
            alert.raw = Some(serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()));
        }
        alert
    }

    /// As [`Draft::finish`], for a message that is plain text.
    pub(super) fn finish_text(self, whole: &str) -> Alert {
        let mut alert = self.labelled();
        if !Count::of_text(whole, &shown(&alert, None)).is_most() {
            alert.raw = Some(whole.to_owned());
        }
        alert
    }

    fn labelled(self) -> Alert {
        let mut alert = self.alert;
        if alert.state == State::Resolved {
            alert.ends_at = alert.ends_at.or(alert.changed_at);
        } else {
            alert.starts_at = alert.starts_at.or(alert.changed_at);
        }
        alert.region =
            alert.region.as_deref().map(|region| region::code(region).unwrap_or(region).to_owned());
        let labels = [
            ("alertname", alert.name.clone()),
            ("state", alert.state.as_label().to_owned()),
            ("account", alert.account.clone().unwrap_or_default()),
            ("region", alert.region.clone().unwrap_or_default()),
        ];
        for (name, value) in labels {
            alert.labels.set(name, value);
        }
        if let Some((Some(kind), id)) = self.thing {
            alert.key = Some(AlertKey::Resource {
                service: alert.source.as_str().to_owned(),
                account: alert.account.clone().unwrap_or_default(),
                region: alert.region.clone().unwrap_or_default(),
                kind: kind.into(),
                id,
            });
        }
        alert
    }
}

/// Everything of the alert that a person gets to see, and the id of the `thing`, which tells a person nothing.
fn shown(alert: &Alert, thing: Option<&str>) -> String {
    let texts = [Some(&alert.name), Some(&alert.state_value), alert.summary.as_ref(), alert.reason.as_ref()];
    let others = [&alert.description, &alert.account, &alert.region];
    let texts = texts.into_iter().chain(others.into_iter().map(Option::as_ref)).flatten().map(String::as_str);
    let texts = texts.chain(thing);
    let facts = alert.facts.iter().map(|fact| fact.value.as_str());
    let links = alert.links.iter().map(|link| link.url.as_str());
    let labels = alert.labels.iter().map(|(_, value)| value);
    let mut shown = String::new();
    for text in texts.chain(facts).chain(links).chain(labels) {
        shown.push_str(text);
        shown.push('\n');
    }
    shown
}

/// How many characters a message has, and how many of them are shown.
#[derive(Default)]
struct Count {
    all: usize,
    shown: usize,
}

impl Count {
    /// Counts JSON by its values.
    ///
    /// Moments do not count, because they are shown in another form, and neither do true and false, which say nothing
    /// without their names. An ARN is shown when the name at its end is.
    fn of_json(value: &Value, shown: &str) -> Self {
        let mut count = Self::default();
        count.add(value, shown);
        count
    }

    /// Counts a text by its words.
    fn of_text(text: &str, shown: &str) -> Self {
        let mut count = Self::default();
        for word in text.split_whitespace() {
            count.add_text(word, shown.contains(word.trim_end_matches(['.', ',', ':'])));
        }
        count
    }

    fn is_all(&self) -> bool {
        self.shown == self.all
    }

    fn is_most(&self) -> bool {
        self.shown * 2 >= self.all
    }

    fn add(&mut self, value: &Value, shown: &str) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.add(item, shown)),
            Value::Object(object) => object.values().for_each(|value| self.add(value, shown)),
            Value::String(text) if moment(text).is_none() => {
                let name = if text.starts_with("arn:") { last_part(text) } else { text.trim() };
                self.add_text(text, shown.contains(name) || shown.contains(&name.replace("\\n", "\n")));
            }
            Value::Number(value) => {
                let text = value.to_string();
                let plain = value.as_f64().map(number::plain).unwrap_or_default();
                self.add_text(&text, shown.contains(&text) || shown.contains(&plain));
            }
            Value::Null | Value::Bool(_) | Value::String(_) => {}
        }
    }

    fn add_text(&mut self, text: &str, is_shown: bool) {
        let chars = text.chars().count();
        self.all += chars;
        if is_shown {
            self.shown += chars;
        }
    }
}
