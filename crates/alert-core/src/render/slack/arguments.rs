//! A message as the arguments of Slack's Web API, which can do more with it than a webhook.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::mrkdwn::Mrkdwn;
use super::{SlackMessage, block};
use crate::incident::Showing;
use crate::target::Act;

/// The kind of the metadata by which a message is found again. Source: docs.slack.dev, "Message metadata".
pub const EVENT_TYPE: &str = "alert_relay_delivery";

/// What a message carries along, so that it is found again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label<'l> {
    /// The name by which [`find`](crate::answer::app::find) finds it.
    pub name: Cow<'l, str>,
    /// The names of a digest's deliveries, by which it is found, too.
    pub members: &'l [String],
    /// The change that it shows.
    pub shows: Option<&'l Showing>,
}

/// A label as Slack keeps it. Values are no lists. Source: docs.slack.dev, Node SDK, `MessageMetadataEventPayloadObject`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Payload<'p> {
    /// [`Label::name`]
    pub delivery: Cow<'p, str>,
    /// [`Label::members`], each [cut](member) and with a space between.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub members: String,
    /// [`Label::shows`]; an earlier program did not say it.
    #[serde(flatten)]
    pub shows: Option<Cow<'p, Showing>>,
}

/// Slack limits metadata and does not say how.
const MEMBER_CHARS: usize = 16;

/// What stands of a name among a digest's members.
#[must_use]
pub fn member(name: &str) -> &str {
    name.get(..MEMBER_CHARS).unwrap_or(name)
}

/// An edit takes less text than a post, beyond which it is refused. Source: docs.slack.dev, `chat.update`.
const UPDATE_TEXT_MAX_CHARS: usize = 4_000;

/// A method of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `chat.postMessage`
    Post,
    /// `chat.update`
    Update,
}

impl Method {
    /// Its name, as it stands in the URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Post => "chat.postMessage",
            Self::Update => "chat.update",
        }
    }
}

impl SlackMessage {
    /// The method for an act, and its arguments as JSON.
    ///
    /// `channel` is an id or a name. A message without blocks has no label, because metadata, too, may be what was refused; and an
    /// edit without one leaves the message the one that it has (docs.slack.dev, `chat.update`).
    #[must_use]
    pub fn arguments(&self, channel: &str, act: &Act, label: Option<&Label<'_>>) -> (Method, String) {
        let mut head = String::from("{");
        let mut member = |name: &str, value: &str| {
            block::write_text(name, &mut head);
            head.push(':');
            block::write_text(value, &mut head);
            head.push(',');
        };
        let method = match act {
            Act::Say => {
                member("channel", channel);
                Method::Post
            }
            Act::Reply { to, is_shown } => {
                member("channel", &to.place);
                member("thread_ts", &to.message);
                if *is_shown {
                    head.push_str(r#""reply_broadcast":true,"#);
                }
                Method::Post
            }
            Act::Edit(to) | Act::Supersede(to) => {
                member("channel", &to.place);
                member("ts", &to.message);
                Method::Update
            }
        };
        if let Some(Label { name, members, shows }) = label
            && (!self.blocks.is_empty() || !self.attachments.is_empty())
        {
            let members: Vec<&str> = members.iter().map(|name| self::member(name)).collect();
            let (delivery, shows) = (Cow::Borrowed(name.as_ref()), shows.map(Cow::Borrowed));
            let payload = Payload { delivery, members: members.join(" "), shows };
            head.push_str(r#""metadata":{"event_type":"#);
            block::write_text(EVENT_TYPE, &mut head);
            head.push_str(r#","event_payload":"#);
            // Texts are always JSON.
            head.push_str(&serde_json::to_string(&payload).unwrap_or_else(|_| "{}".to_owned()));
            head.push_str("},");
        }
        match method {
            Method::Post => self.write_content(&mut head, false),
            // What an edit leaves out may stay as it was, so all of it is named.
            Method::Update if self.text.chars().count() > UPDATE_TEXT_MAX_CHARS => {
                let text = Mrkdwn::new().markup(&self.text).cut(UPDATE_TEXT_MAX_CHARS).into_string();
                Self { text, ..self.clone() }.write_content(&mut head, true);
            }
            Method::Update => self.write_content(&mut head, true),
        }
        (method, head)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::outcome::Receipt;

    fn message(text: &str) -> SlackMessage {
        SlackMessage { channel: None, text: text.to_owned(), blocks: Vec::new(), attachments: Vec::new() }
    }

    fn arguments(message: &SlackMessage, act: &Act) -> (Method, Value) {
        let (method, arguments) = message.arguments("#ops", act, None);
        (method, serde_json::from_str(&arguments).unwrap())
    }

    #[test]
    fn each_act_has_its_method_and_address() {
        let to = Receipt { place: "C1".to_owned(), message: "1.2".to_owned() };
        let text = message("a \"b\"");
        let (method, post) = arguments(&text, &Act::Say);
        assert_eq!(method, Method::Post);
        let expected =
            json!({"channel": "#ops", "text": "a \"b\"", "unfurl_links": false, "unfurl_media": false});
        assert_eq!(post, expected);
        let (method, reply) = arguments(&text, &Act::Reply { to: to.clone(), is_shown: true });
        assert_eq!(method, Method::Post);
        assert_eq!([&reply["channel"], &reply["thread_ts"]], ["C1", "1.2"]);
        assert_eq!(reply["reply_broadcast"], true);
        let (_, hidden) = arguments(&text, &Act::Reply { to: to.clone(), is_shown: false });
        assert_eq!(hidden.get("reply_broadcast"), None);
        let (method, edit) = arguments(&text, &Act::Edit(to));
        assert_eq!(method, Method::Update);
        assert_eq!([&edit["channel"], &edit["ts"]], ["C1", "1.2"]);
        assert_eq!([&edit["blocks"], &edit["attachments"]], [&json!([]), &json!([])]);
    }

    #[test]
    fn a_label_is_read_back_as_it_was_written() {
        use chrono::DateTime;

        use crate::alert::State;
        use crate::answer::app::find;
        use crate::render::slack::block::Block;

        let shows = Showing {
            state: State::NoData,
            word: "INSUFFICIENT \"DATA\"".to_owned(),
            changed_at: DateTime::from_timestamp_millis(1_789_268_400_123).unwrap(),
            told_by: "delivery".to_owned(),
        };
        let members = ["one", "two"].map(str::to_owned);
        for (members, shows) in [(&[][..], Some(&shows)), (&[], None), (&members, None)] {
            let label = Label { name: "name".into(), members, shows };
            let message = SlackMessage { blocks: vec![Block::Raw("{}".to_owned())], ..message("text") };
            let (_, arguments) = message.arguments("#ops", &Act::Say, Some(&label));
            let mut posted: Value = serde_json::from_str(&arguments).unwrap();
            posted["ts"] = "1.2".into();
            let history = json!({"ok": true, "messages": [posted]}).to_string();
            let wanted = [members.first().map_or("name", String::as_str).to_owned()];
            let [found] = &find(&wanted, "C1", 200, &history).unwrap()[..] else { panic!("{history}") };
            assert_eq!((found.is_digest, found.shows.as_ref()), (!members.is_empty(), shows));
        }
        // Without blocks there is none, and an edit without one says nothing of it.
        let label = Label { name: "name".into(), members: &[], shows: None };
        let (_, plain) = message("text").arguments("#ops", &Act::Say, Some(&label));
        assert!(!plain.contains("metadata"), "{plain}");
    }

    #[test]
    fn an_edit_s_text_is_cut_where_slack_would_refuse_it() {
        let to = Receipt { place: "C1".to_owned(), message: "1.2".to_owned() };
        let long = message(&"&amp;".repeat(2_000));
        let (_, edit) = arguments(&long, &Act::Edit(to));
        let text = edit["text"].as_str().unwrap();
        assert!(text.chars().count() <= UPDATE_TEXT_MAX_CHARS && text.len() > 3_900);
        assert!(text.trim_end_matches('…').ends_with("&amp;"), "{}", &text[text.len() - 20..]);
        let (_, post) = arguments(&long, &Act::Say);
        assert_eq!(post["text"].as_str().unwrap().len(), 10_000);
    }
}
