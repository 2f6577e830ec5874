//! Clicks, and what is answered by the address that comes with them.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use alert_sandbox::Sandbox;
use alert_sandbox::slack::{
    Answer, App, Click, Ephemeral, Interaction, Method, RESPONSE_URL_USES, RateLimit,
};
use serde_json::{Value, json};

const ALICE: (&str, &str) = ("U0ALICE000", "alice");

/// An app with a message of buttons in the channel `ops`.
struct Scene {
    sandbox: Sandbox,
    app: App,
    ts: String,
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text})
}

fn option(text: &str, value: &str) -> Value {
    json!({"text": plain(text), "value": value})
}

fn button(action_id: &str) -> Value {
    json!({"type": "button", "action_id": action_id, "text": plain("Acknowledge"), "value": "é/1"})
}

fn select() -> Value {
    json!({
        "type": "static_select", "action_id": "silence", "placeholder": plain("Silence"),
        "options": [option("1 hour", "1h"), option("4 hours", "4h")],
    })
}

impl Scene {
    async fn new() -> Self {
        let actions =
            json!({"type": "actions", "block_id": "acts", "elements": [button("acknowledge"), select()]});
        let section = json!({"type": "section", "text": {"type": "mrkdwn", "text": "red"}, "accessory": button("more")});
        let attachment = json!({"color": "#a30200", "blocks": [
            {"type": "divider"}, {"type": "actions", "elements": [button("inside")]}]});
        let metadata = json!({"event_type": "alert", "event_payload": {"id": "a-1"}});
        let message = json!({"text": "red", "blocks": [section, actions], "attachments": [attachment], "metadata": metadata});
        Self::with(message).await
    }

    async fn with(mut message: Value) -> Self {
        let sandbox = super::sandbox().await;
        let app = sandbox.slack.app("relay", &["chat:write"]);
        sandbox.slack.set_member("ops", &app, true);
        message["channel"] = "ops".into();
        let request = super::client().post(format!("{}chat.postMessage", sandbox.slack.api_url()));
        let request = request.bearer_auth(&app.token).header("content-type", "application/json");
        let answer: Value = serde_json::from_str(
            &request.body(message.to_string()).send().await.unwrap().text().await.unwrap(),
        )
        .unwrap();
        let ts = answer["ts"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self { sandbox, app, ts }
    }

    fn click(&self, action_id: &str, option: Option<&str>) -> Result<Interaction, String> {
        let click = Click { channel: "ops", ts: &self.ts, action_id, option, user: ALICE };
        self.sandbox.slack.click(&click)
    }

    /// An address to answer by.
    fn response_url(&self) -> String {
        let payload = self.click("acknowledge", None).unwrap().payload();
        payload["response_url"].as_str().unwrap().to_owned()
    }

    /// Posts to it; the status and the body.
    async fn respond(&self, url: &str, message: &Value) -> (u16, String) {
        let answer = super::client().post(url).body(message.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    fn told(&self) -> Vec<String> {
        self.sandbox.slack.ephemerals().into_iter().map(|ephemeral| ephemeral.text).collect()
    }
}

fn error(code: &str) -> String {
    json!({"ok": false, "error": code}).to_string()
}

fn only_you(text: &str) -> Value {
    json!({"response_type": "ephemeral", "replace_original": false, "text": text})
}

#[tokio::test]
async fn a_button_is_pressed() {
    let scene = Scene::new().await;
    let interaction = scene.click("acknowledge", None).unwrap();
    let payload = interaction.payload();
    let channel = scene.sandbox.slack.channel("ops").id;
    let expected = json!({
        "type": "block_actions",
        "user": {"id": "U0ALICE000", "username": "alice", "name": "alice", "team_id": "T0SANDBOX0"},
        "container": {"type": "message", "message_ts": scene.ts, "channel_id": channel, "is_ephemeral": false},
        "team": {"id": "T0SANDBOX0", "domain": "sandbox"},
        "channel": {"id": channel, "name": "ops"},
        "enterprise": null, "is_enterprise_install": false, "state": {"values": {}},
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&payload[name], value, "{name}");
    }
    let [action] = &payload["actions"].as_array().unwrap()[..] else { panic!("{payload}") };
    let mut action = action.clone();
    let at: f64 =
        action.as_object_mut().unwrap().remove("action_ts").unwrap().as_str().unwrap().parse().unwrap();
    assert!(at > 1.7e9);
    let text = json!({"type": "plain_text", "text": "Acknowledge", "emoji": true});
    let expected = json!({
        "type": "button", "action_id": "acknowledge", "block_id": "acts", "text": text, "value": "é/1",
    });
    assert_eq!(action, expected);
    assert!(payload["api_app_id"].as_str().unwrap().starts_with('A'));
    assert_eq!(payload["trigger_id"].as_str().unwrap().split('.').count(), 3);
    assert!(payload["token"].is_string());
    // What the message shows, with what goes without saying.
    let message = &payload["message"];
    assert_eq!((&message["ts"], &message["text"]), (&json!(scene.ts), &json!("red")));
    assert_eq!(message["app_id"], payload["api_app_id"]);
    assert_eq!(message["metadata"]["event_payload"], json!({"id": "a-1"}));
    assert_eq!(message["blocks"][0]["text"], json!({"type": "mrkdwn", "text": "red", "verbatim": false}));
    assert_eq!(message["blocks"][0]["block_id"].as_str().unwrap().len(), 5);
    assert_eq!(
        (&message["attachments"][0]["color"], &message["attachments"][0]["id"]),
        (&json!("a30200"), &json!(1))
    );

    // As a form, in ASCII.
    assert!(interaction.body.starts_with("payload=%7B%22"), "{}", interaction.body);
    assert!(interaction.body.contains("%5Cu00e9%5C%2F1"), "{}", interaction.body);
    assert!(scene.sandbox.slack.calls().len() == 1 && scene.told().is_empty(), "nothing happens by itself");
}

#[tokio::test]
async fn a_menu_an_accessory_and_an_attachment() {
    let scene = Scene::new().await;
    let payload = scene.click("silence", Some("4h")).unwrap().payload();
    let text = |text: &str| json!({"type": "plain_text", "text": text, "emoji": true});
    let chosen = json!({"text": text("4 hours"), "value": "4h"});
    let action = &payload["actions"][0];
    assert_eq!((&action["type"], &action["selected_option"]), (&json!("static_select"), &chosen));
    assert_eq!((&action["placeholder"], action.get("value")), (&text("Silence"), None));
    let state = json!({"acts": {"silence": {"type": "static_select", "selected_option": chosen}}});
    assert_eq!(payload["state"]["values"], state);

    let payload = scene.click("more", None).unwrap().payload();
    assert_eq!(payload["actions"][0]["block_id"], payload["message"]["blocks"][0]["block_id"]);
    let payload = scene.click("inside", None).unwrap().payload();
    assert_eq!(
        payload["actions"][0]["block_id"],
        payload["message"]["attachments"][0]["blocks"][1]["block_id"]
    );
    let container = &payload["container"];
    assert_eq!((&container["type"], &container["attachment_id"]), (&json!("message_attachment"), &json!(1)));

    let container = json!({"type": "container", "title": plain("t"), "child_blocks": [
        {"type": "actions", "block_id": "deep", "elements": [button("acknowledge")]}]});
    let scene = Scene::with(json!({"text": "red", "blocks": [container]})).await;
    assert_eq!(scene.click("acknowledge", None).unwrap().payload()["actions"][0]["block_id"], "deep");
    scene.sandbox.slack.set_private("ops", true);
    assert_eq!(scene.click("acknowledge", None).unwrap().payload()["channel"]["name"], "privategroup");
}

#[tokio::test]
async fn what_cannot_be_pressed() {
    let scene = Scene::new().await;
    for (action_id, option, expected) in [
        ("undo", None, "no element undo in the message, which has more, acknowledge, silence, inside"),
        ("acknowledge", Some("1h"), "a button has no options, and 1h is to be chosen"),
        ("silence", None, "nothing is chosen from the menu"),
        ("silence", Some("2h"), "no option 2h in the menu, which has 1h, 4h"),
    ] {
        assert_eq!(scene.click(action_id, option).unwrap_err(), expected);
    }
    let slack = &scene.sandbox.slack;
    let click = Click { channel: "none", ts: &scene.ts, action_id: "acknowledge", option: None, user: ALICE };
    assert_eq!(slack.click(&click).unwrap_err(), "there is no channel none");
    let click = Click { channel: "#ops", ts: "1.0", ..click };
    assert_eq!(slack.click(&click).unwrap_err(), "no message 1.0 stands in ops");
    let webhook = slack.webhook("ops");
    let message = json!({"text": "t", "blocks": [{"type": "actions", "elements": [button("acknowledge")]}]});
    let posted = super::client().post(webhook.url).body(message.to_string()).send().await.unwrap();
    assert_eq!(posted.status(), 200);
    let ts = slack.messages("ops").last().unwrap().ts.clone();
    assert!(slack.click(&Click { channel: "ops", ts: &ts, ..click }).unwrap_err().contains("webhook"));

    // What counts is what is shown now.
    let request =
        super::client().post(format!("{}chat.update", slack.api_url())).bearer_auth(&scene.app.token);
    let edit = json!({"channel": slack.channel("ops").id, "ts": scene.ts, "text": "green", "blocks": [
        {"type": "actions", "elements": [button("undo")]}]});
    let request = request.header("content-type", "application/json").body(edit.to_string());
    assert_eq!(request.send().await.unwrap().status(), 200);
    assert_eq!(
        scene.click("acknowledge", None).unwrap_err(),
        "no element acknowledge in the message, which has undo"
    );
    assert!(scene.click("undo", None).is_ok());
    slack.delete_message("ops", &scene.ts);
    assert!(scene.click("undo", None).is_err());
}

#[tokio::test]
async fn requests_are_signed() {
    let scene = Scene::new().await;
    let secret = &scene.app.signing_secret;
    assert_eq!(secret.len(), 32);
    assert!(secret.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(*secret, scene.sandbox.slack.app("other", &[]).signing_secret);
    let interaction = scene.click("acknowledge", None).unwrap();
    let again = Interaction::signed(secret, &interaction.timestamp, &interaction.body);
    assert_eq!(interaction, again);
    assert_ne!(
        interaction.signature,
        Interaction::signed("x", &interaction.timestamp, &interaction.body).signature
    );
    let at = Duration::from_secs(interaction.timestamp.parse().unwrap());
    assert!(
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().abs_diff(at)
            < Duration::from_mins(1)
    );
    // The example of Slack's page on verifying requests.
    let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
        &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
        &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
        &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    let signed = Interaction::signed("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", body);
    assert_eq!(signed.signature, "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503");
    let own = Interaction::of(secret, &json!({"type": "view_closed"}));
    assert_eq!(own.payload(), json!({"type": "view_closed"}));
    assert_eq!(Interaction::signed("x", "1", "a=b").payload(), Value::Null);
}

#[tokio::test]
async fn the_event_of_a_proxy() {
    let scene = Scene::new().await;
    let interaction = scene.click("acknowledge", None).unwrap();
    let event = interaction.proxy_event();
    assert_eq!((&event["resource"], &event["httpMethod"]), (&json!("/slack/actions"), &json!("POST")));
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(interaction.body), &json!(false)));
    assert_eq!(event["headers"]["X-Slack-Signature"], interaction.signature);
    assert_eq!(event["multiValueHeaders"]["X-Slack-Request-Timestamp"], json!([interaction.timestamp]));
    assert_eq!(event["headers"]["Content-Type"], "application/x-www-form-urlencoded");
    assert_eq!(event["requestContext"]["httpMethod"], "POST");
}

#[tokio::test]
async fn a_person_is_told_five_times_within_thirty_minutes() {
    let scene = Scene::new().await;
    let url = scene.response_url();
    for number in 0..RESPONSE_URL_USES {
        let text = number.to_string();
        assert_eq!(scene.respond(&url, &only_you(&text)).await, (200, "ok".to_owned()));
    }
    assert_eq!(scene.respond(&url, &only_you("6")).await, (404, error("used_url")));
    assert_eq!(scene.told(), ["0", "1", "2", "3", "4"]);
    let first = Ephemeral { user: "U0ALICE000".to_owned(), channel: "ops".to_owned(), text: "0".to_owned() };
    assert_eq!(scene.sandbox.slack.ephemerals()[0], first);
    assert_eq!(scene.sandbox.slack.messages("ops").len(), 1, "nobody else sees it");

    let (old, url) = (scene.response_url(), scene.response_url());
    assert_ne!(old, url);
    scene.sandbox.slack.expire_response_urls();
    for url in [old, url] {
        assert_eq!(scene.respond(&url, &only_you("late")).await, (404, error("expired_url")));
    }
    let url = scene.response_url();
    assert_eq!(scene.respond(&format!("{url}0"), &only_you("guessed")).await, (404, error("no_service")));
    assert_eq!(scene.respond(&url, &json!({"text": "without more words"})).await.0, 200);
    let call = scene.sandbox.slack.calls().pop().unwrap();
    assert_eq!((call.method, call.channel.as_str(), call.accepted), (Method::ResponseUrl, "ops", true));
    assert!(!call.method.is_post());
    assert_eq!(scene.told().len(), 6);
    let _ = scene.sandbox.slack.take_accepted();
    assert!(scene.told().is_empty());
}

#[tokio::test]
async fn the_message_itself_is_replaced_or_deleted_or_one_is_added() {
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    let url = scene.response_url();
    for (refused, code) in [
        (json!({"text": " "}), "no_text"),
        (json!([]), "invalid_payload"),
        (json!({"text": "t", "response_type": "loud"}), "invalid_payload"),
        (json!({"text": "t", "blocks": [{"type": "nonsense"}]}), "invalid_blocks"),
    ] {
        assert_eq!(scene.respond(&url, &refused).await, (400, error(code)));
    }
    let answer = super::client().post(&url).body("text=form").send().await.unwrap();
    assert_eq!(answer.status(), 400, "JSON alone");
    assert_eq!(scene.respond(&url, &json!({"text": "all", "response_type": "in_channel"})).await.0, 200);
    assert_eq!(scene.respond(&url, &json!({"text": "green", "replace_original": "true"})).await.0, 200);
    let texts = || slack.messages("ops").into_iter().map(|message| message.shown.text).collect::<Vec<_>>();
    assert_eq!(texts(), ["green", "all"]);
    assert!(slack.messages("ops")[0].shown.blocks.is_empty());
    assert_eq!(scene.respond(&url, &json!({"delete_original": true})).await.0, 200);
    assert_eq!(texts(), ["all"]);
    let replace = json!({"text": "green", "replace_original": true});
    assert_eq!(scene.respond(&url, &replace).await, (404, error("message_not_found")));
    assert!(scene.told().is_empty());
}

#[tokio::test]
async fn faults_meet_answers_as_well() {
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    let url = scene.response_url();
    let status = Answer::Status { code: 503, body: "page".to_owned(), retry_after: None };
    slack.then_on(Method::ResponseUrl, status);
    slack.then_on(Method::ResponseUrl, Answer::Error("internal_error".to_owned()));
    slack.then_on(Method::ResponseUrl, Answer::RateLimited(7));
    slack.then(Answer::Error("fatal_error".to_owned()));
    assert_eq!(scene.respond(&url, &only_you("1")).await, (503, "page".to_owned()));
    assert_eq!(scene.respond(&url, &only_you("2")).await, (500, error("internal_error")));
    assert_eq!(scene.respond(&url, &only_you("3")).await.0, 429);
    assert!(scene.told().is_empty());
    assert_eq!(scene.respond(&url, &only_you("4")).await.0, 200, "`then` is for posts");
    let short = Duration::from_millis(50);
    slack.then_on(Method::ResponseUrl, Answer::Slow(short));
    let started = Instant::now();
    assert_eq!(scene.respond(&url, &only_you("5")).await.0, 200);
    assert!(started.elapsed() >= short);
    slack.then_on(Method::ResponseUrl, Answer::Reset { accepted: true });
    assert!(super::client().post(&url).body(only_you("6").to_string()).send().await.is_err());
    slack.then_on(Method::ResponseUrl, Answer::Hang(short));
    assert!(super::client().post(&url).body(only_you("7").to_string()).send().await.is_err());
    assert_eq!(scene.told(), ["4", "5", "6"]);
    slack.set_plan(Box::new(|info| {
        let down = info.method == Method::ResponseUrl && info.channel == "ops";
        down.then(|| Answer::Error("service_unavailable".to_owned()))
    }));
    assert_eq!(scene.respond(&url, &only_you("8")).await.0, 503);
}

#[tokio::test]
async fn who_is_in_a_user_group() {
    let scene = Scene::new().await;
    let slack = &scene.sandbox.slack;
    slack.usergroup("S0ONCALL00", &["U0ALICE000", "U0BOB00000"]);
    slack.usergroup("S0NOBODY00", &[]);
    let ask = async |query: &str| {
        let request = super::client().get(format!("{}usergroups.users.list?{query}", slack.api_url()));
        let answer = request.bearer_auth(&scene.app.token).send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str::<Value>(&answer.text().await.unwrap()).unwrap())
    };
    let missing =
        json!({"ok": false, "error": "missing_scope", "needed": "usergroups:read", "provided": "chat:write"});
    assert_eq!(ask("usergroup=S0ONCALL00").await.1, missing);
    slack.set_scopes(&scene.app, &["usergroups:read"]);
    let users = json!({"ok": true, "users": ["U0ALICE000", "U0BOB00000"]});
    assert_eq!(ask("usergroup=S0ONCALL00").await, (200, users.clone()));
    assert_eq!(ask("usergroup=S0NOBODY00").await.1, json!({"ok": true, "users": []}));
    assert_eq!(ask("usergroup=S0OTHER000").await.1, json!({"ok": false, "error": "no_such_subteam"}));
    assert_eq!(ask("").await.1["error"], "invalid_arguments");
    slack.then_on(Method::UsergroupUsers, Answer::Error("plan_upgrade_required".to_owned()));
    assert_eq!(ask("usergroup=S0ONCALL00").await.1["error"], "plan_upgrade_required");
    slack
        .set_method_limit(Method::UsergroupUsers, Some(RateLimit { per_second: 0.001, ..RateLimit::TIER_2 }));
    for _ in 0..20 {
        assert_eq!(ask("usergroup=S0ONCALL00").await.1, users);
    }
    assert_eq!(ask("usergroup=S0ONCALL00").await.0, 429);
}

#[tokio::test]
#[ignore = "needs slack_sdk: run by `make test`"]
async fn signatures_are_what_slacks_own_sdk_takes() {
    let scene = Scene::new().await;
    let interaction = scene.click("acknowledge", None).unwrap();
    let secret = &scene.app.signing_secret;
    let seconds: u64 = interaction.timestamp.parse().unwrap();
    let old = (seconds - 301).to_string();
    let mut cases = vec![
        (interaction.clone(), true),
        (scene.click("silence", Some("1h")).unwrap(), true),
        (Interaction::signed(secret, &interaction.timestamp, "payload=%E9+ \n"), true),
        (Interaction::signed(secret, &interaction.timestamp, ""), true),
        (Interaction::signed(secret, &old, &interaction.body), false),
        (Interaction::signed("another", &interaction.timestamp, &interaction.body), false),
    ];
    cases.push((Interaction { body: format!("{}&a=b", interaction.body), ..interaction.clone() }, false));
    cases.push((Interaction { timestamp: (seconds - 1).to_string(), ..interaction }, false));
    let requests: Vec<_> = cases
        .iter()
        .map(|(interaction, valid)| {
            let event = interaction.proxy_event();
            json!({"body": event["body"], "headers": event["headers"], "valid": valid})
        })
        .collect();
    let venv = std::env::var("ALERT_RELAY_VENV").expect("run by `make test`, which sets ALERT_RELAY_VENV");
    let judge = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/signature_judge.py");
    let judged = Command::new(format!("{venv}/bin/python"))
        .args([judge, &json!({"signing_secret": secret, "requests": requests}).to_string()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(judged.status.success(), "{judged:?}");
}
