//! What a workspace holds: its channels with their messages, the apps that are installed in it, and its user groups.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use ring::digest::{SHA256, digest};
use serde_json::{Map, Value, json};

use super::content::cut_text;
use crate::aws::{Ids, hex};

/// A Slack app that is installed in the workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The name it was made with.
    pub name: String,
    /// The bot token, `xoxb-…`: a secret.
    pub token: String,
    /// What Slack signs its requests to the app with, 32 hexadecimal digits: another secret.
    pub signing_secret: String,
}

/// What became of an app's token.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It is good.
    #[default]
    Active,
    /// `token_revoked`.
    Revoked,
    /// `account_inactive`.
    Inactive,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The id, `C…`.
    pub id: String,
    /// The name, without `#`.
    pub name: String,
}

/// A message that stands in a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The channel's id.
    pub channel_id: String,
    /// The channel's name.
    pub channel: String,
    /// Its name in the channel: unique, and later ones are greater.
    pub ts: String,
    /// Whose it is.
    pub author: Author,
    /// The first message of the thread that it is a reply in.
    pub thread_ts: Option<String>,
    /// Whether a reply is shown in the channel, too.
    pub reply_broadcast: bool,
    /// What is shown now.
    pub shown: Content,
    /// What was shown before each edit, the oldest first.
    pub before: Vec<Content>,
    /// The names of reactions, each with the ids of the people who reacted so.
    pub reactions: BTreeMap<String, Vec<String>>,
}

impl Message {
    /// Whether it stands in the channel itself, and not in a thread alone.
    #[must_use]
    pub fn is_in_channel(&self) -> bool {
        self.thread_ts.is_none() || self.reply_broadcast
    }

    /// When it was posted, whatever became of it since.
    #[must_use]
    pub fn posted_at(&self) -> SystemTime {
        self.before.first().unwrap_or(&self.shown).at
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Author {
    /// An app, by its name.
    App(String),
    /// An incoming webhook, by its name.
    Webhook(String),
}

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// Since when it was shown.
    pub at: SystemTime,
    /// The text, cut where Slack cuts it.
    pub text: String,
    /// The blocks.
    pub blocks: Vec<Value>,
    /// The attachments.
    pub attachments: Vec<Value>,
    /// `event_type` and `event_payload`.
    pub metadata: Option<Value>,
}

impl Content {
    /// What a payload that was checked says.
    pub(super) fn new(payload: &Value) -> Self {
        let list = |name| payload.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let filled = |metadata: &&Value| metadata.as_object().is_some_and(|metadata| !metadata.is_empty());
        Self {
            at: SystemTime::now(),
            text: cut_text(payload.get("text").and_then(Value::as_str).unwrap_or_default()).to_owned(),
            blocks: list("blocks"),
            attachments: list("attachments"),
            metadata: payload.get("metadata").filter(filled).cloned(),
        }
    }

    /// The same as a payload that says it.
    #[must_use]
    pub fn to_payload(&self) -> Value {
        json!({
            "text": self.text, "blocks": self.blocks, "attachments": self.attachments, "metadata": self.metadata,
        })
    }
}

/// An app as the workspace knows it.
#[derive(Debug)]
pub(super) struct Installed {
    pub(super) name: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) state: TokenState,
    pub(super) user_id: String,
    pub(super) bot_id: String,
    pub(super) app_id: String,
    pub(super) signing_secret: String,
}

/// A channel as the workspace knows it.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) private: bool,
    pub(super) archived: bool,
    /// The apps in it, by name.
    pub(super) members: BTreeSet<String>,
    /// In the order of their `ts`.
    pub(super) messages: Vec<Message>,
}

impl Room {
    pub(super) fn message(&self, ts: &str) -> Option<&Message> {
        self.messages.iter().find(|message| message.ts == ts)
    }

    /// The replies in a thread, without its first message.
    pub(super) fn replies<'a>(&'a self, ts: &'a str) -> impl Iterator<Item = &'a Message> {
        self.messages.iter().filter(move |message| message.thread_ts.as_deref() == Some(ts))
    }
}

#[derive(Debug, Default)]
pub(super) struct Workspace {
    /// By their ids.
    rooms: BTreeMap<String, Room>,
    /// By their tokens.
    pub(super) apps: BTreeMap<String, Installed>,
    /// The people of each user group, all by their ids.
    pub(super) usergroups: BTreeMap<String, Vec<String>>,
    /// How old a message may be to be edited.
    pub(super) edit_window: Option<Duration>,
    last_ts_micros: u128,
}

impl Workspace {
    pub(super) const TEAM: &str = "T0SANDBOX0";

    /// The channel of this name; made where there is none.
    pub(super) fn room(&mut self, name: &str) -> &mut Room {
        let found = self.rooms.values().find(|room| room.name == name).map(|room| room.id.clone());
        // Counted, so that ids of other things do not change with the number of channels.
        let id = found.unwrap_or_else(|| format!("C{:010}", self.rooms.len() + 1));
        self.rooms.entry(id.clone()).or_insert_with(|| Room {
            id,
            name: name.to_owned(),
            private: false,
            archived: false,
            members: BTreeSet::new(),
            messages: Vec::new(),
        })
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.values()
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&Room> {
        self.rooms.get(id)
    }

    /// By the id, or the name with `#` or without.
    pub(super) fn by_id_or_name(&self, channel: &str) -> Option<&Room> {
        let name = channel.strip_prefix('#').unwrap_or(channel);
        self.by_id(channel).or_else(|| self.rooms().find(|room| room.name == name))
    }

    pub(super) fn install(&mut self, ids: &Ids, name: &str, scopes: &[&str]) -> App {
        let digits = |count: usize| {
            let number = ids.bytes::<8>();
            let number = format!("{:020}", u64::from_be_bytes(number));
            number[number.len() - count..].to_owned()
        };
        let token = format!("xoxb-{}-{}-{}", digits(12), digits(12), hex(&ids.bytes::<12>()));
        let id = |kind: char| format!("{kind}{}", hex(&ids.bytes::<5>()).to_ascii_uppercase());
        // Of the token, so that other ids of the same seed are what they were before apps had such secrets.
        let signing_secret = hex(&digest(&SHA256, token.as_bytes()).as_ref()[..16]);
        let installed = Installed {
            name: name.to_owned(),
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            state: TokenState::Active,
            user_id: id('U'),
            bot_id: id('B'),
            app_id: id('A'),
            signing_secret: signing_secret.clone(),
        };
        self.apps.insert(token.clone(), installed);
        App { name: name.to_owned(), token, signing_secret }
    }

    pub(super) fn set_token_state(&mut self, app: &App, new: TokenState) {
        if let Some(app) = self.apps.get_mut(&app.token) {
            app.state = new;
        }
    }

    pub(super) fn set_scopes(&mut self, app: &App, scopes: &[&str]) {
        if let Some(app) = self.apps.get_mut(&app.token) {
            app.scopes = scopes.iter().map(|&scope| scope.to_owned()).collect();
        }
    }

    /// Puts a message into a channel; gives its `ts`.
    pub(super) fn say(&mut self, room: &str, author: Author, payload: &Value) -> String {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
        self.last_ts_micros = now.max(self.last_ts_micros + 1);
        let ts = format!("{}.{:06}", self.last_ts_micros / 1_000_000, self.last_ts_micros % 1_000_000);
        let Some(room) = self.rooms.get_mut(room) else { return ts };
        let thread_ts = payload.get("thread_ts").and_then(Value::as_str).filter(|ts| !ts.is_empty());
        // A reply to a reply stands in the same thread.
        let thread_ts = thread_ts.map(|ts| {
            room.message(ts).and_then(|parent| parent.thread_ts.as_deref()).unwrap_or(ts).to_owned()
        });
        room.messages.push(Message {
            channel_id: room.id.clone(),
            channel: room.name.clone(),
            ts: ts.clone(),
            author,
            reply_broadcast: thread_ts.is_some() && flag(payload, "reply_broadcast"),
            thread_ts,
            shown: Content::new(payload),
            before: Vec::new(),
            reactions: BTreeMap::new(),
        });
        ts
    }

    /// Changes a message that is there.
    pub(super) fn edit(&mut self, room: &str, ts: &str, content: Content) {
        let room = self.rooms.get_mut(room);
        if let Some(message) = room.and_then(|room| room.messages.iter_mut().find(|message| message.ts == ts))
        {
            message.before.push(std::mem::replace(&mut message.shown, content));
        }
    }

    /// Takes a message away, as people can; says whether it was there.
    pub(super) fn delete(&mut self, channel: &str, ts: &str) -> bool {
        let Some(id) = self.by_id_or_name(channel).map(|room| room.id.clone()) else { return false };
        let Some(room) = self.rooms.get_mut(&id) else { return false };
        let before = room.messages.len();
        room.messages.retain(|message| message.ts != ts);
        room.messages.len() < before
    }

    /// Lets a person react to a message, or take that back; says whether the message is there.
    pub(super) fn react(&mut self, channel: &str, ts: &str, user: &str, name: &str, reacts: bool) -> bool {
        let Some(id) = self.by_id_or_name(channel).map(|room| room.id.clone()) else { return false };
        let room = self.rooms.get_mut(&id);
        let message = room.and_then(|room| room.messages.iter_mut().find(|message| message.ts == ts));
        let Some(message) = message else { return false };
        let users = message.reactions.entry(name.to_owned()).or_default();
        users.retain(|other| other != user);
        if reacts {
            users.push(user.to_owned());
        }
        message.reactions.retain(|_, users| !users.is_empty());
        true
    }

    pub(super) fn empty(&mut self) {
        for room in self.rooms.values_mut() {
            room.messages = Vec::new();
        }
    }

    /// What an app is told of a message that it posted or edited.
    pub(super) fn receipt(&self, room: &str, ts: &str) -> Value {
        let mut receipt = json!({"ok": true, "channel": room, "ts": ts});
        let room = self.by_id(room);
        if let Some((room, message)) = room.and_then(|room| Some((room, room.message(ts)?))) {
            receipt["message"] = self.show(room, message, false);
            if !message.before.is_empty() {
                receipt["text"] = message.shown.text.as_str().into();
            }
        }
        receipt
    }

    /// A message as the Web API shows it.
    pub(super) fn show(&self, room: &Room, message: &Message, with_metadata: bool) -> Value {
        let mut shown = Map::new();
        let mut set = |name: &str, value: Value| drop(shown.insert(name.to_owned(), value));
        set("type", "message".into());
        set("ts", message.ts.as_str().into());
        set("text", message.shown.text.as_str().into());
        set("team", Self::TEAM.into());
        match &message.author {
            Author::App(name) => {
                if let Some(app) = self.apps.values().find(|app| app.name == *name) {
                    set("user", app.user_id.as_str().into());
                    set("bot_id", app.bot_id.as_str().into());
                    set("app_id", app.app_id.as_str().into());
                }
            }
            Author::Webhook(name) => {
                set("subtype", "bot_message".into());
                set("username", name.as_str().into());
            }
        }
        for (name, list) in [("blocks", &message.shown.blocks), ("attachments", &message.shown.attachments)] {
            if !list.is_empty() {
                set(name, list.as_slice().into());
            }
        }
        if !message.before.is_empty() {
            let at = message.shown.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
            set("edited", json!({"ts": format!("{at}.000000")}));
        }
        if let Some(metadata) = &message.shown.metadata {
            // Without the argument only the type is told, unless the app's manifest names it.
            let kind = json!({"event_type": metadata.get("event_type"), "event_payload": {}});
            set("metadata", if with_metadata { metadata.clone() } else { kind });
        }
        let replies = room.replies(&message.ts).count();
        if let Some(thread_ts) = &message.thread_ts {
            set("thread_ts", thread_ts.as_str().into());
        } else if replies > 0 {
            set("thread_ts", message.ts.as_str().into());
            set("reply_count", replies.into());
        }
        shown.into()
    }
}

/// An argument that is true or false, in a form or in JSON.
pub(super) fn flag(payload: &Value, name: &str) -> bool {
    match payload.get(name) {
        Some(Value::Bool(flag)) => *flag,
        Some(Value::String(text)) => matches!(text.as_str(), "true" | "True" | "1"),
        Some(Value::Number(number)) => number.as_i64() == Some(1),
        _ => false,
    }
}
