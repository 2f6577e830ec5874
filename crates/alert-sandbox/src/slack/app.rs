//! Slack's Web API, as far as an app needs it that posts, edits, reads back, and asks who is in a user group.
//!
//! Source: docs.slack.dev, apis/web-api, and reference/methods with the page of each method.

use axum::http::{HeaderMap, Method as Http, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};

use super::Method;
use super::content::{Refusal, check, check_metadata, check_update_text};
use super::service::{Effect, Judgement, Service, Unreadable};
use super::workspace::{Author, Content, Installed, Message, Room, TokenState, Workspace, flag};

/// Messages in one page of the history when nobody asks for another number, and at most.
const HISTORY_MESSAGES: (usize, usize) = (100, 999);
/// Messages in one page of a thread.
const REPLIES_MESSAGES: (usize, usize) = (1000, 1000);
/// What a cursor begins with, before it is encoded.
const CURSOR: &str = "next_ts:";

/// The token and the arguments of a call: from the address, a form or JSON. Slack takes `multipart/form-data` and
/// `text/plain`, too; the sandbox does not.
pub(super) struct Arguments {
    pub(super) token: Option<String>,
    /// An object, or what was wrong.
    pub(super) given: Result<Value, Unreadable>,
}

impl Arguments {
    pub(super) fn read(http: &Http, query: &str, headers: &HeaderMap, body: &[u8]) -> Self {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        let bearer = bearer.map(str::to_owned);
        if *http == Http::GET {
            // A token in the address is taken of none but old apps.
            let mut fields = form(query);
            fields.remove("token");
            return Self { token: bearer, given: Ok(fields.into()) };
        }
        let unreadable = |error| Err(Unreadable { error, body: String::from_utf8_lossy(body).into_owned() });
        let kind = header(header::CONTENT_TYPE).map(|kind| kind.split(';').next().unwrap_or_default().trim());
        match kind {
            // Slack's own SDK says that nothing is JSON.
            _ if body.is_empty() => Self { token: bearer, given: Ok(json!({})) },
            None => Self { token: bearer, given: unreadable("missing_post_type") },
            Some("application/x-www-form-urlencoded") => {
                let mut fields = form(&String::from_utf8_lossy(body));
                let token = fields.remove("token").and_then(|token| token.as_str().map(str::to_owned));
                Self { token: bearer.or(token), given: Ok(fields.into()) }
            }
            // With JSON, the token is taken from the header alone.
            Some("application/json") => {
                let given = match serde_json::from_slice::<Map<String, Value>>(body) {
                    Ok(mut fields) => {
                        fields.remove("token");
                        structured(&mut fields);
                        Ok(fields.into())
                    }
                    Err(error) if error.is_data() => unreadable("json_not_object"),
                    Err(_) => unreadable("invalid_json"),
                };
                Self { token: bearer, given }
            }
            Some(_) => Self { token: bearer, given: unreadable("invalid_post_type") },
        }
    }
}

fn form(text: &str) -> Map<String, Value> {
    let fields = crate::form::decode(text).into_iter();
    let mut fields = fields.map(|(name, value)| (name, value.into())).collect();
    structured(&mut fields);
    fields
}

/// What is structured may come as a string that holds its JSON, in a form always. What is no JSON stays a string, and is
/// refused as such.
fn structured(fields: &mut Map<String, Value>) {
    for name in ["blocks", "attachments", "metadata"] {
        if let Some(value) = fields.get_mut(name)
            && let Some(json) = value.as_str().and_then(|text| serde_json::from_str(text).ok())
        {
            *value = json;
        }
    }
}

/// Most errors are a 200.
pub(super) fn error(code: &str, why: &str) -> Judgement {
    error_with(&json!({"ok": false, "error": code}), why)
}

fn error_with(body: &Value, why: &str) -> Judgement {
    Judgement::new(200, &body.to_string(), why)
}

fn argument<'a>(given: &'a Value, name: &str) -> &'a str {
    given.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Service {
    /// What Slack makes of a call when nothing is staged.
    pub(super) fn judge_method(
        &mut self,
        method: Method,
        token: Option<&str>,
        given: Result<&Value, &Unreadable>,
    ) -> Result<Effect, Judgement> {
        let given = given.map_err(|unreadable| error(unreadable.error, "the body cannot be read"))?;
        let token = token.ok_or_else(|| error("not_authed", "no token"))?;
        let app = self.workspace.apps.get(token).ok_or_else(|| error("invalid_auth", "unknown token"))?;
        match app.state {
            TokenState::Active => {}
            TokenState::Revoked => return Err(error("token_revoked", "the token was revoked")),
            TokenState::Inactive => return Err(error("account_inactive", "the app was removed")),
        }
        let name = app.name.clone();
        self.limits.take_call(method, &name)?;
        match method {
            Method::PostMessage => {
                let room = room_to_post_in(&self.workspace, app, given)?;
                self.limits.take_post(method, &format!("{name} {}", room.id))?;
                check_message(given)?;
                Ok(Effect::Say { room: room.id.clone(), author: Author::App(name) })
            }
            Method::Update => judge_update(&self.workspace, app, given),
            Method::History => {
                let room = room_to_read(&self.workspace, app, given)?;
                let newest_first = room.messages.iter().rev().filter(|message| message.is_in_channel());
                read(&self.workspace, room, newest_first.collect(), given, HISTORY_MESSAGES).map(Effect::Show)
            }
            Method::Replies => {
                let room = room_to_read(&self.workspace, app, given)?;
                let missing = || error("thread_not_found", "ts: no such message");
                let message = room.message(argument(given, "ts")).ok_or_else(missing)?;
                let first = message.thread_ts.as_deref().unwrap_or(&message.ts);
                let thread = room.message(first).into_iter().chain(room.replies(first)).collect();
                read(&self.workspace, room, thread, given, REPLIES_MESSAGES).map(Effect::Show)
            }
            Method::AuthTest => Ok(Effect::Show(json!({
                "ok": true,
                "url": "https://sandbox.slack.com/",
                "team": "Sandbox",
                "user": app.name,
                "team_id": Workspace::TEAM,
                "user_id": app.user_id,
                "bot_id": app.bot_id,
                "is_enterprise_install": false,
            }))),
            Method::UsergroupUsers => usergroup_users(&self.workspace, app, given).map(Effect::Show),
            Method::Reactions => reactions(&self.workspace, app, given).map(Effect::Show),
            // No app calls them; they have no token.
            Method::Webhook | Method::ResponseUrl => Err(error("unknown_method", "not a method")),
        }
    }
}

fn room_to_post_in<'a>(
    workspace: &'a Workspace,
    app: &Installed,
    given: &Value,
) -> Result<&'a Room, Judgement> {
    need(app, &["chat:write"])?;
    let room = visible(app, workspace.by_id_or_name(argument(given, "channel")))?;
    if !room.members.contains(&app.name) && !app.scopes.contains("chat:write.public") {
        return Err(error("not_in_channel", "the app is no member and has no chat:write.public"));
    }
    if room.archived {
        return Err(error("is_archived", "the channel is archived"));
    }
    Ok(room)
}

fn room_to_read<'a>(workspace: &'a Workspace, app: &Installed, given: &Value) -> Result<&'a Room, Judgement> {
    need(app, &["channels:history", "groups:history"])?;
    let room = visible(app, workspace.by_id(argument(given, "channel")))?;
    need(app, if room.private { &["groups:history"] } else { &["channels:history"] })?;
    if !room.members.contains(&app.name) {
        return Err(error("not_in_channel", "the app is no member"));
    }
    Ok(room)
}

/// A private channel does not exist for an app that is not in it.
fn visible<'a>(app: &Installed, room: Option<&'a Room>) -> Result<&'a Room, Judgement> {
    room.filter(|room| !room.private || room.members.contains(&app.name))
        .ok_or_else(|| error("channel_not_found", "no channel of this id or name that the app can see"))
}

/// One of these scopes.
fn need(app: &Installed, scopes: &[&str]) -> Result<(), Judgement> {
    if scopes.iter().any(|&scope| app.scopes.contains(scope)) {
        return Ok(());
    }
    let provided: Vec<&str> = app.scopes.iter().map(String::as_str).collect();
    let body = json!({
        "ok": false,
        "error": "missing_scope",
        "needed": scopes.join(","),
        "provided": provided.join(","),
    });
    Err(error_with(&body, "a scope is missing"))
}

/// What a message says, by the rules of webhooks; and its metadata.
fn check_message(message: &Value) -> Result<(), Judgement> {
    check(message).and_then(|()| check_metadata(message.get("metadata"))).map_err(refused_content)
}

fn refused_content(Refusal { answer, why, .. }: Refusal) -> Judgement {
    match answer {
        "invalid_blocks" | "invalid_blocks_format" => {
            let messages = [format!("[ERROR] {why}")];
            let body = json!({
                "ok": false, "error": answer, "errors": [&why], "response_metadata": {"messages": messages},
            });
            error_with(&body, &why)
        }
        // The webhooks' word.
        "invalid_payload" => error("invalid_arguments", &why),
        _ => error(answer, &why),
    }
}

fn judge_update(workspace: &Workspace, app: &Installed, given: &Value) -> Result<Effect, Judgement> {
    need(app, &["chat:write"])?;
    let room = visible(app, workspace.by_id(argument(given, "channel")))?;
    if room.archived {
        return Err(error("is_inactive", "the channel is archived"));
    }
    let ts = argument(given, "ts");
    let message = room.message(ts).ok_or_else(|| error("message_not_found", "ts: no such message"))?;
    if message.author != Author::App(app.name.clone()) {
        return Err(error("cant_update_message", "the message is somebody else's"));
    }
    let age = message.posted_at().elapsed().unwrap_or_default();
    if workspace.edit_window.is_some_and(|window| age >= window) {
        return Err(error("edit_window_closed", "the message is older than the workspace lets edit"));
    }
    let is_given = |name: &&str| given.get(*name).is_some_and(|value| !value.is_null());
    if !["text", "blocks", "attachments"].iter().any(is_given) {
        return Err(error("no_text", "neither text nor blocks nor attachments"));
    }
    check_update_text(given).map_err(refused_content)?;
    if flag(given, "reply_broadcast") && !message.is_in_channel() {
        return Err(error("no_dual_broadcast_content_update", "reply_broadcast together with a content"));
    }
    // What is left out stays as it is. But a new text takes the old blocks away, and attachments with them: of these
    // Slack's page says only "similarly".
    let mut shown = message.shown.to_payload();
    if is_given(&"text") {
        shown["blocks"] = Value::Null;
        shown["attachments"] = Value::Null;
    }
    for name in ["text", "blocks", "attachments", "metadata"].iter().filter(|name| is_given(name)) {
        shown[*name] = given[*name].clone();
    }
    check_message(&shown)?;
    Ok(Effect::Edit { room: room.id.clone(), ts: ts.to_owned(), content: Content::new(&shown) })
}

/// Who is in a user group.
fn usergroup_users(workspace: &Workspace, app: &Installed, given: &Value) -> Result<Value, Judgement> {
    need(app, &["usergroups:read"])?;
    let id = argument(given, "usergroup");
    if id.is_empty() {
        let messages = ["[ERROR] missing required field: usergroup"];
        let body = json!({
            "ok": false, "error": "invalid_arguments", "response_metadata": {"messages": messages},
        });
        return Err(error_with(&body, "usergroup: missing"));
    }
    let users =
        workspace.usergroups.get(id).ok_or_else(|| error("no_such_subteam", "no user group of this id"))?;
    Ok(json!({"ok": true, "users": users}))
}

/// How people have reacted to a message.
fn reactions(workspace: &Workspace, app: &Installed, given: &Value) -> Result<Value, Judgement> {
    need(app, &["reactions:read"])?;
    if argument(given, "channel").is_empty() || argument(given, "timestamp").is_empty() {
        return Err(error("no_item_specified", "neither a file nor a channel with a timestamp"));
    }
    let room = visible(app, workspace.by_id(argument(given, "channel")))?;
    let message = room.message(argument(given, "timestamp"));
    let message = message.ok_or_else(|| error("message_not_found", "timestamp: no such message"))?;
    let mut shown = workspace.show(room, message, false);
    if !message.reactions.is_empty() {
        let reactions = message.reactions.iter();
        let reactions =
            reactions.map(|(name, users)| json!({"name": name, "users": users, "count": users.len()}));
        shown["reactions"] = reactions.collect();
    }
    Ok(json!({"ok": true, "type": "message", "channel": room.id, "message": shown}))
}

/// One page of messages, with what they say now.
fn read(
    workspace: &Workspace,
    room: &Room,
    mut messages: Vec<&Message>,
    given: &Value,
    (usual, most): (usize, usize),
) -> Result<Value, Judgement> {
    let inclusive = flag(given, "inclusive");
    let oldest = moment(given, "oldest", "invalid_ts_oldest")?;
    let latest = moment(given, "latest", "invalid_ts_latest")?;
    messages.retain(|message| {
        let at = micros(&message.ts).unwrap_or_default();
        let after = oldest.is_none_or(|oldest| at > oldest || inclusive && at == oldest);
        after && latest.is_none_or(|latest| at < latest || inclusive && at == latest)
    });
    let start = match argument(given, "cursor") {
        "" => 0,
        cursor => {
            let next = BASE64.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let next = next.as_deref().and_then(|next| next.strip_prefix(CURSOR));
            let position = messages.iter().position(|message| Some(message.ts.as_str()) == next);
            position.ok_or_else(|| error("invalid_cursor", "cursor: of no page"))?
        }
    };
    let limit = number(given, "limit").unwrap_or(usual).clamp(1, most);
    let with_metadata = flag(given, "include_all_metadata");
    let page = messages.iter().skip(start).take(limit);
    let mut answer = json!({
        "ok": true,
        "messages": page.map(|message| workspace.show(room, message, with_metadata)).collect::<Vec<_>>(),
        "has_more": false,
    });
    if let Some(next) = messages.get(start + limit) {
        answer["has_more"] = true.into();
        answer["response_metadata"] = json!({"next_cursor": BASE64.encode(format!("{CURSOR}{}", next.ts))});
    }
    Ok(answer)
}

/// A number, which a form holds as a string.
fn number(given: &Value, name: &str) -> Option<usize> {
    match given.get(name)? {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64().and_then(|number| usize::try_from(number).ok()),
    }
}

/// A time in microseconds, as the names of messages are.
fn moment(given: &Value, name: &str, code: &'static str) -> Result<Option<u128>, Judgement> {
    let text = match given.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    micros(&text).map(Some).ok_or_else(|| error(code, "no time like 1700000000.000100"))
}

fn micros(ts: &str) -> Option<u128> {
    let (seconds, fraction) = ts.split_once('.').unwrap_or((ts, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let seconds: u128 = seconds.parse().ok()?;
    format!("{fraction:0<6}").parse::<u128>().ok().map(|fraction| seconds * 1_000_000 + fraction)
}
