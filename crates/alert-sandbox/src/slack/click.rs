//! Clicks: the request that Slack makes to an app when somebody presses a button of its messages, signed as Slack signs.
//!
//! Source: docs.slack.dev, reference/interaction-payloads/block_actions-payload and
//! authentication/verifying-requests-from-slack.

use std::fmt::Write as _;
use std::time::{Instant, SystemTime};

use ring::digest::{SHA256, digest};
use ring::hmac;
use serde_json::{Map, Value, json};

use super::response::ResponseUrl;
use super::service::Service;
use super::workspace::{Author, Message, Room, Workspace};
use crate::aws::{ACCOUNT, Ids, hex};
use crate::form;

/// What somebody does to a message.
#[derive(Debug, Clone, Copy)]
pub struct Click<'a> {
    /// The channel's id or name.
    pub channel: &'a str,
    /// The message.
    pub ts: &'a str,
    /// Which of its buttons or menus; of several with this id the first.
    pub action_id: &'a str,
    /// The value of what is chosen from a menu; a button has none.
    pub option: Option<&'a str>,
    /// Who it is: the id and the name.
    pub user: (&'a str, &'a str),
}

/// A request of Slack's to an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interaction {
    /// `payload=` and JSON, as a form has it.
    pub body: String,
    /// `X-Slack-Request-Timestamp`: seconds since 1970.
    pub timestamp: String,
    /// `X-Slack-Signature`.
    pub signature: String,
}

impl Interaction {
    /// Whatever body, signed with whatever secret at whatever time: what Slack would never send can be made, too.
    #[must_use]
    pub fn signed(signing_secret: &str, timestamp: &str, body: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, signing_secret.as_bytes());
        let signature = hmac::sign(&key, format!("v0:{timestamp}:{body}").as_bytes());
        Self {
            body: body.to_owned(),
            timestamp: timestamp.to_owned(),
            signature: format!("v0={}", hex(signature.as_ref())),
        }
    }

    /// A payload of one's own, in the form that Slack sends it in, signed now.
    #[must_use]
    pub fn of(signing_secret: &str, payload: &Value) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let body = format!("payload={}", form::escape(&as_slack_writes(payload)));
        Self::signed(signing_secret, &now.to_string(), &body)
    }

    /// What the body says; null where it says nothing.
    #[must_use]
    pub fn payload(&self) -> Value {
        let payload = form::decode(&self.body).remove("payload").unwrap_or_default();
        serde_json::from_str(&payload).unwrap_or_default()
    }

    /// The event that a function gets from a REST API of API Gateway, with a proxy integration.
    #[must_use]
    pub fn proxy_event(&self) -> Value {
        const PATH: &str = "/slack/actions";
        const ADDRESS: &str = "192.0.2.7";
        const AGENT: &str = "Slackbot 1.0 (+https://api.slack.com/robots)";
        const HOST: &str = "sandbox0000.execute-api.us-east-1.amazonaws.com";
        let headers = [
            ("Accept", "application/json,*/*"),
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Host", HOST),
            ("User-Agent", AGENT),
            ("X-Forwarded-For", ADDRESS),
            ("X-Forwarded-Port", "443"),
            ("X-Forwarded-Proto", "https"),
            ("X-Slack-Request-Timestamp", self.timestamp.as_str()),
            ("X-Slack-Signature", self.signature.as_str()),
        ];
        let single: Map<_, _> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let several: Map<_, _> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        json!({
            "resource": PATH,
            "path": PATH,
            "httpMethod": "POST",
            "headers": single,
            "multiValueHeaders": several,
            "queryStringParameters": null,
            "multiValueQueryStringParameters": null,
            "pathParameters": null,
            "stageVariables": null,
            "requestContext": {
                "resourceId": "sbx000",
                "resourcePath": PATH,
                "httpMethod": "POST",
                "path": format!("/live{PATH}"),
                "accountId": ACCOUNT,
                "protocol": "HTTP/1.1",
                "stage": "live",
                "domainPrefix": "sandbox0000",
                "domainName": HOST,
                "apiId": "sandbox0000",
                "requestId": "00000000-0000-4000-8000-000000000000",
                "identity": {"sourceIp": ADDRESS, "userAgent": AGENT},
            },
            "body": self.body,
            "isBase64Encoded": false,
        })
    }
}

impl Service {
    /// The request that a click becomes, and an address to answer it by.
    pub(super) fn click(&mut self, ids: &Ids, base: &str, click: &Click<'_>) -> Result<Interaction, String> {
        let (payload, secret, response, path) = {
            let workspace = &self.workspace;
            let room = workspace.by_id_or_name(click.channel);
            let room = room.ok_or_else(|| format!("there is no channel {}", click.channel))?;
            let message = room.message(click.ts);
            let message =
                message.ok_or_else(|| format!("no message {} stands in {}", click.ts, room.name))?;
            let Author::App(name) = &message.author else {
                return Err("the message is a webhook's, to which nobody can answer".to_owned());
            };
            let app = workspace.apps.values().find(|app| app.name == *name);
            let app = app.ok_or_else(|| format!("the app {name} is not installed"))?;
            let shown = as_slack_shows(workspace, room, message);
            let pressed = Pressed::find(&shown, click)?;
            let number = u64::from_be_bytes(ids.bytes::<8>()) % 10_000_000_000_000;
            let path = format!("{}/{number:013}/{}", Workspace::TEAM, hex(&ids.bytes::<12>()));
            let (user, user_name) = click.user;
            let payload = json!({
                "type": "block_actions",
                "user": {"id": user, "username": user_name, "name": user_name, "team_id": Workspace::TEAM},
                "api_app_id": app.app_id,
                // The older way to know Slack, which its pages advise against.
                "token": &hex(digest(&SHA256, app.app_id.as_bytes()).as_ref())[..24],
                "container": pressed.container(room, message),
                "trigger_id": format!("{number:013}.{number:012}.{}", hex(&ids.bytes::<16>())),
                "team": {"id": Workspace::TEAM, "domain": "sandbox"},
                "enterprise": null,
                "is_enterprise_install": false,
                "channel": {"id": room.id, "name": if room.private { "privategroup" } else { &room.name }},
                "message": shown,
                "state": {"values": pressed.state()},
                "response_url": format!("{base}/actions/{path}"),
                "actions": [pressed.action()],
            });
            let response = ResponseUrl {
                app: name.clone(),
                room: room.id.clone(),
                ts: message.ts.clone(),
                user: user.to_owned(),
                since: Instant::now(),
                uses: 0,
                expired: false,
            };
            (payload, app.signing_secret.clone(), response, path)
        };
        self.responses.insert(path, response);
        Ok(Interaction::of(&secret, &payload))
    }
}

/// The element that was pressed.
struct Pressed<'a> {
    element: &'a Value,
    block_id: &'a str,
    /// The attachment that it stands in, counted from one.
    attachment: Option<usize>,
    chosen: Option<&'a Value>,
}

impl<'a> Pressed<'a> {
    fn find(message: &'a Value, click: &Click<'_>) -> Result<Self, String> {
        let list = |value: &'a Value, name: &str| value.get(name).and_then(Value::as_array);
        let of_attachments = list(message, "attachments").into_iter().flatten().enumerate();
        let of_attachments = of_attachments.map(|(index, attachment)| (Some(index + 1), attachment));
        let lists = [(None, message)].into_iter().chain(of_attachments);
        let mut known = Vec::new();
        for (attachment, holder) in lists {
            let blocks = list(holder, "blocks").into_iter().flatten();
            for (block_id, element) in blocks.flat_map(interactive_elements) {
                let Some(id) = element.get("action_id").and_then(Value::as_str) else { continue };
                if id == click.action_id {
                    let chosen = chosen(element, click.option)?;
                    return Ok(Self { element, block_id, attachment, chosen });
                }
                known.push(id);
            }
        }
        Err(format!("no element {} in the message, which has {}", click.action_id, known.join(", ")))
    }

    fn container(&self, room: &Room, message: &Message) -> Value {
        let mut container = json!({
            "type": "message", "message_ts": message.ts, "channel_id": room.id, "is_ephemeral": false,
        });
        if let Some(thread_ts) = &message.thread_ts {
            container["thread_ts"] = thread_ts.as_str().into();
        }
        if let Some(attachment) = self.attachment {
            container["type"] = "message_attachment".into();
            container["attachment_id"] = attachment.into();
            container["is_app_unfurl"] = false.into();
        }
        container
    }

    fn kind(&self) -> &str {
        self.element["type"].as_str().unwrap_or_default()
    }

    /// What is chosen in the menus of the message.
    fn state(&self) -> Value {
        match self.chosen {
            None => json!({}),
            Some(option) => {
                let id = self.element["action_id"].as_str().unwrap_or_default();
                json!({self.block_id: {id: {"type": self.kind(), "selected_option": option}}})
            }
        }
    }

    fn action(&self) -> Value {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut action = json!({
            "action_id": self.element["action_id"],
            "block_id": self.block_id,
            "type": self.kind(),
            "action_ts": format!("{}.{:06}", now.as_secs(), now.subsec_micros()),
        });
        if let Some(option) = self.chosen {
            action["selected_option"] = option.clone();
        }
        let told: &[&str] =
            if self.chosen.is_some() { &["placeholder"] } else { &["text", "value", "style"] };
        for name in told {
            if let Some(value) = self.element.get(*name) {
                action[*name] = value.clone();
            }
        }
        action
    }
}

/// The elements of a block that can be pressed, and of those in it, with the ids of their blocks.
fn interactive_elements(block: &Value) -> Vec<(&str, &Value)> {
    let id = block.get("block_id").and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| block.get(name).and_then(Value::as_array).into_iter().flatten();
    let own = list("elements").chain(block.get("accessory")).map(|element| (id, element));
    own.chain(list("child_blocks").flat_map(interactive_elements)).collect()
}

fn chosen<'a>(element: &'a Value, option: Option<&str>) -> Result<Option<&'a Value>, String> {
    match (element["type"].as_str().unwrap_or_default(), option) {
        ("button", None) => Ok(None),
        ("button", Some(option)) => Err(format!("a button has no options, and {option} is to be chosen")),
        ("static_select", None) => Err("nothing is chosen from the menu".to_owned()),
        ("static_select", Some(option)) => {
            let options = element.get("options").and_then(Value::as_array);
            let mut options = options.into_iter().flatten();
            let known: Vec<_> = options.clone().filter_map(|known| known["value"].as_str()).collect();
            let found = options.find(|known| known["value"] == option);
            let missing = || format!("no option {option} in the menu, which has {}", known.join(", "));
            found.map(Some).ok_or_else(missing)
        }
        (kind, _) => Err(format!("the sandbox's Slack cannot press elements of the type {kind}")),
    }
}

/// A message as it comes with an interaction: what was left out when it was posted is filled in.
fn as_slack_shows(workspace: &Workspace, room: &Room, message: &Message) -> Value {
    // With its metadata: no page says so, but apps of others go by it.
    let mut shown = workspace.show(room, message, true);
    let fill = |holder: &mut Value, place: &str| {
        let blocks = holder.get_mut("blocks").and_then(Value::as_array_mut);
        for (index, block) in blocks.into_iter().flatten().enumerate() {
            fill_block(block, &format!("{} {place} {index}", message.ts));
        }
    };
    fill(&mut shown, "");
    let attachments = shown.get_mut("attachments").and_then(Value::as_array_mut);
    for (index, attachment) in attachments.into_iter().flatten().enumerate() {
        fill(attachment, &index.to_string());
        attachment["id"] = (index + 1).into();
        if let Some(colour) = attachment.get("color").and_then(Value::as_str) {
            attachment["color"] = colour.trim_start_matches('#').into();
        }
        if attachment.get("fallback").is_none() {
            attachment["fallback"] = "[no preview available]".into();
        }
    }
    shown
}

/// Gives a block the id that it lacks, which goes by its place, and texts what goes without saying.
fn fill_block(block: &mut Value, place: &str) {
    if block.get("block_id").is_none() {
        block["block_id"] = hex(digest(&SHA256, place.as_bytes()).as_ref())[..5].into();
    }
    let children = block.get_mut("child_blocks").and_then(Value::as_array_mut);
    for (index, child) in children.into_iter().flatten().enumerate() {
        fill_block(child, &format!("{place} {index}"));
    }
    fill_texts(block);
}

fn fill_texts(value: &mut Value) {
    match value {
        Value::Object(object) => {
            let (name, usual) = match object.get("type").and_then(Value::as_str) {
                Some("plain_text") => ("emoji", true),
                Some("mrkdwn") => ("verbatim", false),
                _ => return object.values_mut().for_each(fill_texts),
            };
            object.entry(name).or_insert(usual.into());
        }
        Value::Array(values) => values.iter_mut().for_each(fill_texts),
        _ => {}
    }
}

/// JSON in ASCII alone, and with its slashes escaped.
fn as_slack_writes(payload: &Value) -> String {
    let mut text = String::new();
    for letter in payload.to_string().chars() {
        match letter {
            '/' => text.push_str("\\/"),
            letter if letter.is_ascii() => text.push(letter),
            letter => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04x}");
                }
            }
        }
    }
    text
}
