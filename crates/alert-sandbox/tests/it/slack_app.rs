//! Slack's Web API, and what both ways into Slack have in common.

use std::time::{Duration, Instant};

use alert_sandbox::Sandbox;
use alert_sandbox::slack::{
    Answer, App, Author, Call, METADATA_MAX_BYTES, Message, Method, RateLimit, TokenState,
    UPDATE_TEXT_MAX_CHARS, Webhook,
};
use serde_json::{Value, json};

const SCOPES: &[&str] = &["chat:write", "channels:history", "groups:history"];

/// An app that is in the channel `ops`.
struct Scene {
    sandbox: Sandbox,
    client: reqwest::Client,
    app: App,
    channel: String,
}

impl Scene {
    async fn new() -> Self {
        let sandbox = super::sandbox().await;
        let app = sandbox.slack.app("relay", SCOPES);
        let channel = sandbox.slack.channel("ops").id;
        sandbox.slack.set_member("ops", &app, true);
        Self { sandbox, client: super::client(), app, channel }
    }

    fn request(&self, method: &str) -> reqwest::RequestBuilder {
        self.client.post(format!("{}{method}", self.sandbox.slack.api_url()))
    }

    async fn as_app(&self, app: &App, method: &str, arguments: &Value) -> Value {
        let request = self.request(method).bearer_auth(&app.token);
        let request = request.header("content-type", "application/json; charset=utf-8");
        json_of(request.body(arguments.to_string())).await
    }

    async fn call(&self, method: &str, arguments: &Value) -> Value {
        self.as_app(&self.app, method, arguments).await
    }

    /// The error of a call; `ok` where there is none.
    async fn error(&self, method: &str, arguments: &Value) -> String {
        outcome(&self.call(method, arguments).await)
    }

    async fn post(&self, text: &str) -> String {
        let answer = self.call("chat.postMessage", &json!({"channel": self.channel, "text": text})).await;
        answer["ts"].as_str().unwrap().to_owned()
    }

    /// What a message shows now.
    fn shown(&self, ts: &str) -> Value {
        let messages = self.sandbox.slack.messages("ops");
        let message = messages.iter().find(|message| message.ts == ts).unwrap();
        let shown = &message.shown;
        json!([shown.text, shown.blocks, shown.attachments, shown.metadata])
    }

    async fn history(&self, arguments: Value) -> Value {
        let mut all = json!({"channel": self.channel});
        all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        self.call("conversations.history", &all).await
    }
}

async fn json_of(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "application/json; charset=utf-8");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

fn outcome(answer: &Value) -> String {
    let ok = answer["ok"].as_bool().unwrap();
    if ok { "ok".to_owned() } else { answer["error"].as_str().unwrap().to_owned() }
}

fn texts(answer: &Value) -> Vec<&str> {
    answer["messages"].as_array().unwrap().iter().map(|message| message["text"].as_str().unwrap()).collect()
}

fn divider(id: &str) -> Value {
    json!({"type": "divider", "block_id": id})
}

#[tokio::test]
async fn a_message_is_posted_edited_answered_and_read_back() {
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    let metadata = json!({"event_type": "alert", "event_payload": {"id": "a-1"}});
    let posted = scene
        .call(
            "chat.postMessage",
            &json!({"channel": "#ops", "text": "red", "blocks": [divider("a")], "metadata": metadata,
                "unfurl_links": false, "unfurl_media": false}),
        )
        .await;
    assert_eq!((&posted["ok"], &posted["channel"]), (&json!(true), &json!(scene.channel)));
    let ts = posted["ts"].as_str().unwrap();
    assert_eq!((&posted["message"]["text"], &posted["message"]["ts"]), (&json!("red"), &json!(ts)));

    let reply = json!({"channel": scene.channel, "text": "more", "thread_ts": ts});
    let reply = scene.call("chat.postMessage", &reply).await["ts"].as_str().unwrap().to_owned();
    // A reply to a reply is one in the same thread.
    let shown = json!({"channel": "ops", "text": "again", "thread_ts": reply, "reply_broadcast": true});
    assert_eq!(scene.error("chat.postMessage", &shown).await, "ok");
    for text in ["orange", "green"] {
        let edit = json!({"channel": scene.channel, "ts": ts, "text": text, "blocks": [divider("a")]});
        let edited = scene.call("chat.update", &edit).await;
        assert_eq!((&edited["ts"], &edited["text"]), (&json!(ts), &json!(text)), "{edited}");
    }

    let messages = slack.messages("ops");
    let names: Vec<_> = messages.iter().map(|message| message.ts.as_str()).collect();
    assert!(names.is_sorted() && names[0] == ts && names.len() == 3, "{names:?}");
    assert_eq!(messages, slack.messages(&scene.channel));
    let before: Vec<_> = messages[0].before.iter().map(|content| content.text.as_str()).collect();
    assert_eq!((messages[0].shown.text.as_str(), before), ("green", vec!["red", "orange"]));
    assert_eq!(messages[0].author, Author::App("relay".to_owned()));
    let replies = slack.replies("ops", ts);
    assert_eq!(replies, messages[1..]);
    assert_eq!(replies.iter().map(Message::is_in_channel).collect::<Vec<_>>(), [false, true]);

    let history = scene.history(json!({"include_all_metadata": true})).await;
    assert_eq!((texts(&history), &history["has_more"]), (vec!["again", "green"], &json!(false)));
    let first = &history["messages"][1];
    assert_eq!((&first["metadata"], &first["reply_count"]), (&metadata, &json!(2)));
    assert!(first["edited"]["ts"].is_string() && first["blocks"][0]["type"] == "divider", "{first}");
    let history = scene.history(json!({})).await;
    let kind = json!({"event_type": "alert", "event_payload": {}});
    assert_eq!(history["messages"][1]["metadata"], kind, "the payload is for those who ask");
    let thread = json!({"channel": scene.channel, "ts": ts});
    let thread = scene.call("conversations.replies", &thread).await;
    assert_eq!(texts(&thread), ["green", "more", "again"]);
    let by_a_reply = json!({"channel": scene.channel, "ts": reply});
    assert_eq!(texts(&scene.call("conversations.replies", &by_a_reply).await), ["green", "more", "again"]);
    let aloud = json!({"channel": scene.channel, "ts": reply, "text": "more", "reply_broadcast": true});
    assert_eq!(scene.error("chat.update", &aloud).await, "no_dual_broadcast_content_update");

    assert_eq!(slack.posts().iter().map(Call::text).collect::<Vec<_>>(), ["red", "more", "again"]);
    assert_eq!(
        slack.edits().iter().map(|edit| edit.ts.as_deref()).collect::<Vec<_>>(),
        [Some(ts), Some(ts), None]
    );
    assert_eq!(slack.calls().len(), 10);
    assert_eq!(slack.wait_for_edits(3, Duration::from_secs(5)).await.len(), 3);
    assert_eq!(slack.take_accepted().len(), 3);
    assert!(slack.messages("ops").is_empty() && slack.calls().is_empty());
}

#[tokio::test]
async fn an_edit_changes_what_it_names() {
    let scene = Scene::new().await;
    let metadata = json!({"event_type": "a", "event_payload": {}});
    let message = json!({"channel": scene.channel, "text": "t", "blocks": [divider("a")],
        "attachments": [{"text": "a"}], "metadata": metadata});
    let posted = scene.call("chat.postMessage", &message).await;
    let ts = posted["ts"].as_str().unwrap();
    let other = json!({"event_type": "b", "event_payload": {"k": [1]}});
    for (what, edit, expected) in [
        (
            "blocks alone",
            json!({"blocks": [divider("b")]}),
            json!(["t", [divider("b")], [{"text": "a"}], metadata]),
        ),
        ("attachments alone", json!({"attachments": []}), json!(["t", [divider("b")], [], metadata])),
        (
            "text and blocks",
            json!({"text": "u", "blocks": [divider("c")]}),
            json!(["u", [divider("c")], [], metadata]),
        ),
        ("text alone, which takes blocks away", json!({"text": "u"}), json!(["u", [], [], metadata])),
        (
            "null is nothing",
            json!({"text": null, "blocks": [divider("d")]}),
            json!(["u", [divider("d")], [], metadata]),
        ),
        ("metadata", json!({"text": "v", "metadata": other}), json!(["v", [], [], other])),
        ("no metadata", json!({"text": "v", "metadata": {}}), json!(["v", [], [], null])),
    ] {
        let mut arguments = edit;
        (arguments["channel"], arguments["ts"]) = (json!(scene.channel), json!(ts));
        assert_eq!(scene.error("chat.update", &arguments).await, "ok", "{what}");
        assert_eq!(scene.shown(ts), expected, "{what}");
    }
    for (error, edit) in [
        ("no_text", json!({})),
        ("no_text", json!({"metadata": other})),
        ("no_text", json!({"text": ""})),
        ("invalid_blocks", json!({"blocks": [{"type": "nonsense"}]})),
        ("invalid_blocks_format", json!({"blocks": "nonsense"})),
        ("invalid_metadata_format", json!({"text": "v", "metadata": "x"})),
        ("invalid_arguments", json!({"text": 1})),
    ] {
        let mut arguments = edit;
        (arguments["channel"], arguments["ts"]) = (json!(scene.channel), json!(ts));
        assert_eq!(scene.error("chat.update", &arguments).await, error);
        assert_eq!(scene.shown(ts), json!(["v", [], [], null]), "{error}");
    }
    assert_eq!(scene.sandbox.slack.edits().iter().filter(|edit| edit.accepted).count(), 7);
}

#[tokio::test]
async fn what_is_refused_and_with_which_word() {
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    let other = slack.app("other", SCOPES);
    let webhook = slack.webhook("ops");
    let hooked = scene.client.post(&webhook.url).body(r#"{"text":"hi"}"#).send().await.unwrap();
    assert_eq!(hooked.status(), 200);
    let hooked = slack.messages("ops")[0].ts.clone();
    let own = scene.post("mine").await;
    for (name, private, archived, member) in [
        ("public", false, false, false),
        ("secret", true, false, false),
        ("inner", true, false, true),
        ("old", false, true, true),
    ] {
        slack.set_private(name, private);
        slack.set_archived(name, archived);
        slack.set_member(name, &scene.app, member);
    }
    let id = |name: &str| slack.channel(name).id;
    let mut channels = vec![
        ("C0UNKNOWN0".to_owned(), ["channel_not_found"; 3]),
        (String::new(), ["channel_not_found"; 3]),
        ("#ops".to_owned(), ["ok", "channel_not_found", "channel_not_found"]),
        ("ops".to_owned(), ["ok", "channel_not_found", "channel_not_found"]),
        (id("ops"), ["ok", "message_not_found", "ok"]),
        (id("public"), ["not_in_channel", "message_not_found", "not_in_channel"]),
        (id("secret"), ["channel_not_found"; 3]),
        ("secret".to_owned(), ["channel_not_found"; 3]),
        (id("inner"), ["ok", "message_not_found", "ok"]),
        (id("old"), ["is_archived", "is_inactive", "ok"]),
    ];
    for (channel, expected) in channels.drain(..) {
        let arguments = json!({"channel": channel, "ts": "1700000000.000100", "text": "t"});
        for (method, expected) in
            ["chat.postMessage", "chat.update", "conversations.history"].into_iter().zip(expected)
        {
            assert_eq!(scene.error(method, &arguments).await, expected, "{method} {channel}");
        }
    }
    slack.set_scopes(&scene.app, &[SCOPES, &["chat:write.public"]].concat());
    for (channel, expected) in [("public", "ok"), ("secret", "channel_not_found"), ("old", "is_archived")] {
        let arguments = json!({"channel": id(channel), "text": "t"});
        assert_eq!(scene.error("chat.postMessage", &arguments).await, expected, "{channel}");
    }

    let edit = |ts: &str| json!({"channel": scene.channel, "ts": ts, "text": "u"});
    assert_eq!(scene.error("chat.update", &edit("")).await, "message_not_found");
    assert_eq!(scene.error("chat.update", &edit(&hooked)).await, "cant_update_message");
    assert_eq!(outcome(&scene.as_app(&other, "chat.update", &edit(&own)).await), "cant_update_message");
    slack.set_edit_window(Some(Duration::ZERO));
    assert_eq!(scene.error("chat.update", &edit(&own)).await, "edit_window_closed");
    slack.set_edit_window(Some(Duration::from_mins(5)));
    assert_eq!(scene.error("chat.update", &edit(&own)).await, "ok");
    assert!(slack.delete_message("ops", &own) && !slack.delete_message("ops", &own));
    assert_eq!(scene.error("chat.update", &edit(&own)).await, "message_not_found");
    assert_eq!(scene.error("conversations.replies", &edit(&own)).await, "thread_not_found");
    assert_eq!(scene.error("chat.nonsense", &json!({})).await, "unknown_method");
}

#[tokio::test]
async fn tokens_and_scopes() {
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    assert!(scene.app.token.starts_with("xoxb-"));
    let unknown = App { token: "xoxb-1-2-3".to_owned(), ..scene.app.clone() };
    assert_eq!(outcome(&scene.as_app(&unknown, "auth.test", &json!({})).await), "invalid_auth");
    for (state, expected) in [
        (TokenState::Revoked, "token_revoked"),
        (TokenState::Inactive, "account_inactive"),
        (TokenState::Active, "ok"),
    ] {
        slack.set_token_state(&scene.app, state);
        for method in ["auth.test", "chat.postMessage"] {
            let arguments = json!({"channel": "ops", "text": "t"});
            assert_eq!(scene.error(method, &arguments).await, expected);
        }
    }
    let identity = scene.call("auth.test", &json!({})).await;
    assert!(identity["bot_id"].is_string() && identity["user"] == "relay", "{identity}");

    slack.set_private("inner", true);
    slack.set_member("inner", &scene.app, true);
    let inner = slack.channel("inner").id;
    for (scopes, method, channel, needed) in [
        (&["channels:history"][..], "chat.postMessage", &scene.channel, "chat:write"),
        (&["chat:write.public"], "chat.update", &scene.channel, "chat:write"),
        (&["chat:write"], "conversations.history", &scene.channel, "channels:history,groups:history"),
        (&["chat:write", "channels:history"], "conversations.history", &inner, "groups:history"),
        (&["chat:write", "groups:history"], "conversations.replies", &scene.channel, "channels:history"),
    ] {
        slack.set_scopes(&scene.app, scopes);
        let answer = scene.call(method, &json!({"channel": channel, "text": "t", "ts": "1.0"})).await;
        let mut provided = scopes.to_vec();
        provided.sort_unstable();
        let expected =
            json!({"ok": false, "error": "missing_scope", "needed": needed, "provided": provided.join(",")});
        assert_eq!(answer, expected, "{method}");
    }
}

#[tokio::test]
async fn the_ways_to_send_arguments() {
    let scene = Scene::new().await;
    let token = scene.app.token.as_str();
    let form = "application/x-www-form-urlencoded";
    let blocks = "%5B%7B%22type%22%3A%22divider%22%7D%5D";
    let fields = format!("channel=ops&text=a+b&blocks={blocks}&token={token}");
    let no_token = format!("channel=ops&text=a+b&blocks={blocks}");
    let json = r#"{"channel":"ops","text":"a b","blocks":"[{\"type\":\"divider\"}]"}"#;
    let with_token = format!(r#"{{"channel":"ops","text":"a b","token":"{token}"}}"#);
    for (kind, bearer, body, expected) in [
        (Some(form), false, fields.as_str(), "ok"),
        (Some("application/x-www-form-urlencoded; charset=utf-8"), true, no_token.as_str(), "ok"),
        (Some("application/json"), true, json, "ok"),
        (Some(form), false, no_token.as_str(), "not_authed"),
        (Some("application/json"), false, with_token.as_str(), "not_authed"),
        (Some("application/json"), true, "{", "invalid_json"),
        (Some("application/json"), true, "[]", "json_not_object"),
        (Some("text/xml"), true, "<a/>", "invalid_post_type"),
        (None, true, json, "missing_post_type"),
        (None, true, "", "channel_not_found"),
        (Some(form), true, "channel=ops&text=t&blocks=nonsense", "invalid_blocks_format"),
        (Some(form), true, "channel=ops&text=t&attachments=nonsense", "invalid_attachments"),
        (Some(form), true, "channel=ops&text=t&metadata=nonsense", "invalid_metadata_format"),
    ] {
        let mut request = scene.request("chat.postMessage").body(body.to_owned());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        if bearer {
            request = request.bearer_auth(token);
        }
        assert_eq!(outcome(&json_of(request).await), expected, "{kind:?} {body}");
    }
    let messages = scene.sandbox.slack.messages("ops");
    assert_eq!(messages.len(), 3);
    for message in messages {
        assert_eq!((message.shown.text.as_str(), message.shown.blocks.len()), ("a b", 1));
    }
    let kept: Vec<_> = scene.sandbox.slack.calls().iter().map(|call| call.payload.to_string()).collect();
    assert!(!kept[0].contains(token), "a token is a secret");

    let url =
        format!("{}conversations.history?channel={}&limit=2", scene.sandbox.slack.api_url(), scene.channel);
    let read = json_of(scene.client.get(&url).bearer_auth(token)).await;
    assert_eq!((texts(&read), &read["has_more"]), (vec!["a b", "a b"], &json!(true)));
    let in_address = json_of(scene.client.get(format!("{url}&token={token}"))).await;
    assert_eq!(outcome(&in_address), "not_authed");
}

#[tokio::test]
async fn content_is_judged_as_a_webhook_s() {
    let scene = Scene::new().await;
    for (expected, message) in [
        ("no_text", json!({})),
        ("no_text", json!({"text": " ", "blocks": []})),
        ("invalid_arguments", json!({"text": 1})),
        ("invalid_blocks", json!({"text": "t", "blocks": vec![json!({"type": "divider"}); 51]})),
        ("ok", json!({"text": "t", "blocks": vec![json!({"type": "divider"}); 50]})),
        ("invalid_blocks_format", json!({"text": "t", "blocks": {}})),
        ("invalid_attachments", json!({"text": "t", "attachments": [1]})),
        ("too_many_attachments", json!({"text": "t", "attachments": vec![json!({"text": "a"}); 101]})),
        ("ok", json!({"text": "t", "attachments": vec![json!({"text": "a"}); 100]})),
        (
            "msg_blocks_too_long",
            json!({"blocks": vec![json!({"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(3000)}}); 5]}),
        ),
    ] {
        let mut arguments = message;
        arguments["channel"] = "ops".into();
        let answer = scene.call("chat.postMessage", &arguments).await;
        assert_eq!(outcome(&answer), expected);
        let told = answer["response_metadata"]["messages"][0].as_str();
        assert_eq!(told.is_some(), expected.starts_with("invalid_blocks"), "{answer}");
    }
}

#[tokio::test]
async fn text_and_metadata_at_the_limit_and_one_beyond() {
    let scene = Scene::new().await;
    // Two bytes each: texts are counted in characters.
    let long = |count: usize| "é".repeat(count);
    scene.post(&long(40_001)).await;
    let posted = &scene.sandbox.slack.posts()[0];
    let ts = posted.ts.clone().unwrap();
    assert!(posted.truncated);
    assert_eq!(scene.shown(&ts)[0], long(40_000), "cut, not refused");
    for (count, expected) in [(UPDATE_TEXT_MAX_CHARS, "ok"), (UPDATE_TEXT_MAX_CHARS + 1, "msg_too_long")] {
        let edit = json!({"channel": scene.channel, "ts": ts, "text": long(count)});
        assert_eq!(scene.error("chat.update", &edit).await, expected);
    }
    let metadata = |count: usize| json!({"event_type": "a", "event_payload": {"k": "x".repeat(count)}});
    let fits = METADATA_MAX_BYTES - metadata(0).to_string().len();
    for (metadata, expected) in [
        (metadata(fits), "ok"),
        (metadata(fits + 1), "metadata_too_large"),
        (json!({}), "ok"),
        (json!([]), "invalid_metadata_format"),
        (json!({"event_type": "a"}), "invalid_metadata_format"),
        (json!({"event_type": "", "event_payload": {}}), "invalid_metadata_format"),
        (json!({"event_type": "a", "event_payload": []}), "invalid_metadata_format"),
    ] {
        let message = json!({"channel": "ops", "text": "t", "metadata": metadata});
        assert_eq!(scene.error("chat.postMessage", &message).await, expected, "{metadata}");
    }
}

#[tokio::test]
async fn pages_of_the_history() {
    let scene = Scene::new().await;
    let mut names = Vec::new();
    for text in ["1", "2", "3", "4", "5"] {
        names.push(scene.post(text).await);
    }
    let mut arguments = json!({"limit": 2});
    let mut pages = Vec::new();
    loop {
        let page = scene.history(arguments.clone()).await;
        pages.push(texts(&page).concat());
        match page["response_metadata"]["next_cursor"].as_str() {
            Some(cursor) => arguments["cursor"] = cursor.into(),
            None => break,
        }
    }
    assert_eq!(pages, ["54", "32", "1"]);
    for (range, expected) in [
        (json!({"oldest": names[1]}), "543"),
        (json!({"oldest": names[1], "inclusive": true}), "5432"),
        (json!({"latest": names[3]}), "321"),
        (json!({"latest": names[3], "inclusive": "true", "limit": "1"}), "4"),
        (json!({"oldest": names[2], "latest": names[2], "inclusive": true}), "3"),
        (json!({"oldest": "0"}), "54321"),
    ] {
        assert_eq!(texts(&scene.history(range.clone()).await).concat(), expected, "{range}");
    }
    for (error, wrong) in [
        ("invalid_ts_oldest", json!({"oldest": "yesterday"})),
        ("invalid_ts_latest", json!({"latest": "1.1234567"})),
        ("invalid_cursor", json!({"cursor": "nonsense"})),
    ] {
        assert_eq!(outcome(&scene.history(wrong).await), error);
    }
    let thread = json!({"channel": scene.channel, "text": "r", "thread_ts": names[0]});
    for _ in 0..2 {
        assert_eq!(scene.error("chat.postMessage", &thread).await, "ok");
    }
    let page = json!({"channel": scene.channel, "ts": names[0], "limit": 2});
    let page = scene.call("conversations.replies", &page).await;
    assert_eq!((texts(&page).concat().as_str(), &page["has_more"]), ("1r", &json!(true)));
}

/// Slow enough for any machine to see the limit.
const TWO: RateLimit = RateLimit { burst: 2, per_second: 0.001 };

#[tokio::test]
async fn rates_by_channel_and_by_method() {
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    slack.set_member("other", &scene.app, true);
    let second = slack.app("second", SCOPES);
    slack.set_member("ops", &second, true);
    let status = async |app: &App, method: &str, channel: &str| {
        let body = json!({"channel": channel, "text": "t", "ts": "1.0"}).to_string();
        let request =
            scene.request(method).bearer_auth(&app.token).header("content-type", "application/json");
        let answer = request.body(body).send().await.unwrap();
        let seconds = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        (
            answer.status().as_u16(),
            seconds,
            serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap(),
        )
    };
    let limited = (429, Some("1000".to_owned()), json!({"ok": false, "error": "ratelimited"}));

    slack.set_rate_limit(Some(TWO));
    for _ in 0..2 {
        assert_eq!(status(&scene.app, "chat.postMessage", "ops").await.0, 200);
    }
    assert_eq!(status(&scene.app, "chat.postMessage", &scene.channel).await, limited, "id and name are one");
    assert_eq!(status(&scene.app, "chat.postMessage", "other").await.0, 200, "each channel has its own");
    assert_eq!(status(&second, "chat.postMessage", "ops").await.0, 200, "and each app");
    assert_eq!(status(&scene.app, "chat.update", &scene.channel).await.0, 200);
    slack.set_rate_limit(None);
    assert_eq!(status(&scene.app, "chat.postMessage", "ops").await.0, 200);

    slack.set_method_limit(Method::Update, Some(TWO));
    slack.set_method_limit(Method::History, Some(RateLimit { per_second: 0.001, ..RateLimit::TIER_3 }));
    for _ in 0..2 {
        assert_eq!(status(&scene.app, "chat.update", &scene.channel).await.0, 200);
    }
    assert_eq!(status(&scene.app, "chat.update", "other").await, limited, "whatever the channel");
    assert_eq!(status(&second, "chat.update", &scene.channel).await.0, 200);
    for _ in 0..50 {
        assert_eq!(status(&scene.app, "conversations.history", &scene.channel).await.0, 200);
    }
    assert_eq!(status(&scene.app, "conversations.history", &scene.channel).await, limited);
    assert_eq!(status(&scene.app, "chat.postMessage", "ops").await.0, 200);
    slack.set_method_limit(Method::Update, None);
    assert_eq!(status(&scene.app, "chat.update", &scene.channel).await.0, 200);
}

/// A status, and what the body holds; `None` where nobody answers.
type Told = Option<(u16, &'static str)>;

/// A way for the same message.
enum Way {
    Webhook(Webhook),
    App(App),
}

impl Way {
    fn request(&self, scene: &Scene, message: &Value) -> reqwest::RequestBuilder {
        let request = match self {
            Self::Webhook(webhook) => scene.client.post(&webhook.url),
            Self::App(app) => scene.request("chat.postMessage").bearer_auth(&app.token),
        };
        let mut message = message.clone();
        message["channel"] = "ops".into();
        request.header("content-type", "application/json").body(message.to_string())
    }
}

#[tokio::test]
async fn the_same_faults_whichever_way_a_message_comes() {
    let text = json!({"text": "hi"});
    let blocks = json!({"text": "hi", "blocks": [divider("a")]});
    let pie = json!({"type": "pie", "segments": [{"label": "a", "value": 1}]});
    let chart = json!({"text": "hi", "blocks": [{"type": "data_visualization", "title": "t", "chart": pie}]});
    let short = Duration::from_millis(50);
    let status = Answer::Status { code: 503, body: "page".to_owned(), retry_after: Some(7) };
    let error = |code: &str| Answer::Error(code.to_owned());
    let told = |status, body| Some((status, body));
    let cases: [(Answer, &Value, Told, Told, bool); 14] = [
        (error("no_service"), &text, told(404, "no_service"), told(200, "no_service"), false),
        (error("fatal_error"), &text, told(500, "fatal_error"), told(200, "fatal_error"), false),
        (error("msg_too_long"), &text, told(400, "msg_too_long"), told(200, "msg_too_long"), false),
        (Answer::RateLimited(7), &text, told(429, "rate_limited"), told(429, "ratelimited"), false),
        (status, &text, told(503, "page"), told(503, "page"), false),
        (Answer::Reset { accepted: false }, &text, None, None, false),
        (Answer::Reset { accepted: true }, &text, None, None, true),
        (Answer::Hang(short), &text, None, None, false),
        (Answer::Slow(short), &text, told(200, "ok"), told(200, "\"ok\":true"), true),
        (Answer::RefuseBlocks, &blocks, told(400, "invalid_blocks"), told(200, "invalid_blocks"), false),
        (Answer::RefuseBlocks, &text, told(200, "ok"), told(200, "\"ok\":true"), true),
        (Answer::RefuseModernBlocks, &chart, told(400, "invalid_blocks"), told(200, "invalid_blocks"), false),
        (Answer::RefuseModernBlocks, &blocks, told(200, "ok"), told(200, "\"ok\":true"), true),
        (Answer::Endless { code: 500 }, &text, told(500, ""), told(500, ""), false),
    ];
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    let ways = [Way::Webhook(slack.webhook("ops")), Way::App(scene.app.clone())];
    for (answer, message, by_webhook, by_app, accepted) in cases {
        for (way, expected) in ways.iter().zip([by_webhook, by_app]) {
            let _ = slack.take_accepted();
            slack.then(answer.clone());
            let started = Instant::now();
            let got = way.request(&scene, message).send().await;
            match (got, expected) {
                (Ok(mut got), Some((status, body))) => {
                    assert_eq!(got.status(), status, "{answer:?}");
                    let limited = matches!(answer, Answer::RateLimited(7) | Answer::Status { .. });
                    assert_eq!(got.headers().get("retry-after").is_some_and(|value| value == "7"), limited);
                    if matches!(answer, Answer::Endless { .. }) {
                        assert!(got.chunk().await.unwrap().is_some());
                    } else {
                        assert!(got.text().await.unwrap().contains(body), "{answer:?}");
                    }
                }
                (Err(_), None) => {}
                (got, expected) => panic!("{answer:?}: {got:?} instead of {expected:?}"),
            }
            assert!(!matches!(answer, Answer::Hang(_) | Answer::Slow(_)) || started.elapsed() >= short);
            let posts = slack.posts();
            assert_eq!((posts.len(), posts[0].channel.as_str(), posts[0].text()), (1, "ops", "hi"));
            assert_eq!(posts[0].accepted, accepted, "{answer:?}");
            assert_eq!(slack.messages("ops").len(), usize::from(accepted), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn faults_of_a_method_and_of_a_channel() {
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    let ts = scene.post("red").await;
    let edit = json!({"channel": scene.channel, "ts": ts, "text": "green"});
    slack.then(Answer::Error("internal_error".to_owned()));
    slack.then_on(Method::Update, Answer::Error("fatal_error".to_owned()));
    slack.then_on(Method::Update, Answer::Reset { accepted: true });
    assert_eq!(scene.error("chat.update", &edit).await, "fatal_error");
    assert_eq!(scene.shown(&ts)[0], "red");
    let body = edit.to_string();
    let request = scene.request("chat.update").bearer_auth(&scene.app.token);
    assert!(request.header("content-type", "application/json").body(body).send().await.is_err());
    assert_eq!(scene.shown(&ts)[0], "green", "the answer was lost, the edit was not");
    assert_eq!(scene.error("chat.update", &edit).await, "ok", "`then` is for posts");
    let post = json!({"channel": "ops", "text": "t"});
    assert_eq!(scene.error("chat.postMessage", &post).await, "internal_error");

    slack.set_member("other", &scene.app, true);
    slack.set_plan(Box::new(|info| {
        let fault = info.channel == "other" || info.method == Method::History;
        fault.then(|| Answer::Error("service_unavailable".to_owned()))
    }));
    let other = json!({"channel": slack.channel("other").id, "text": "t"});
    assert_eq!(scene.error("chat.postMessage", &other).await, "service_unavailable");
    assert_eq!(outcome(&scene.history(json!({})).await), "service_unavailable");
    assert_eq!(scene.error("chat.postMessage", &post).await, "ok");
    slack.then_on(Method::AuthTest, Answer::Error("fatal_error".to_owned()));
    slack.clear_faults();
    for (method, arguments) in [("chat.postMessage", &other), ("auth.test", &json!({}))] {
        assert_eq!(scene.error(method, arguments).await, "ok");
    }
}
