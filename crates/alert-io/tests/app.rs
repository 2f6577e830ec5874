//! What only an app can do with a message, against the sandbox's Web API: answer it, change it, and begin anew where it is
//! gone. The plans of events say nothing but new messages yet, so these are given their acts here.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use alert_core::config::Config;
use alert_core::envelope;
use alert_core::known::{Known, Past};
use alert_core::outcome::Receipt;
use alert_core::relay::{self, Deployment};
use alert_core::report;
use alert_core::target::{Act, Target};
use alert_io::bot_token::BotToken;
use alert_io::courier::Courier;
use alert_io::deadline::Deadline;
use alert_io::http;
use alert_io::ledger::Ledger as _;
use alert_io::memory::ProcessMemory;
use alert_io::sender::Sender;
use alert_io::slack_app::SlackApp;
use alert_sandbox::slack::{Answer, App, Method};
use alert_sandbox::{Sandbox, SandboxOptions};
use chrono::Utc;
use serde_json::json;

struct Stage {
    sandbox: Sandbox,
    app: App,
    sender: Sender,
    deployment: Deployment,
    ledger: ProcessMemory,
    courier: Courier,
}

impl Stage {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
        let app = sandbox.slack.app("relay", &["chat:write", "chat:write.public", "channels:history"]);
        let _ = sandbox.slack.channel("ops");
        let token = BotToken::parse(app.token.as_bytes()).unwrap();
        let sender =
            Sender::App(SlackApp::new(http::client(&|_| None).unwrap(), sandbox.slack.api_url(), token));
        let deployment = Deployment { own: Target::channel("#ops"), ..Deployment::new(Config::default()) };
        Self {
            sandbox,
            app,
            sender,
            deployment,
            ledger: ProcessMemory::default(),
            courier: Courier::default(),
        }
    }

    /// Delivers one alarm of this name by this act; the answer is what is known of it then.
    async fn deliver(&self, name: &str, state: &str, act: impl Fn() -> Act) -> Known {
        let message = json!({"AlarmName": "alarm", "AWSAccountId": "111122223333", "NewStateValue": state, "NewStateReason": name, "StateChangeTime": Utc::now().to_rfc3339()});
        let event = json!({"Records": [{"messageId": name, "body": message.to_string()}]}).to_string();
        let draft = relay::draft(envelope::decode(event.as_bytes()), &self.deployment, "request", Utc::now());
        let questions = draft.questions().collect::<Vec<_>>();
        let (receiver, delivery, alert) =
            (questions[0].receiver.to_owned(), questions[0].delivery.clone(), questions[0].alert.clone());
        let mut plan = draft.plan(Vec::new(), None);
        plan.posts[0].act = act();
        let sender = async |_: &Target| Ok(self.sender.clone());
        let report =
            self.courier.deliver(&plan, sender, Utc::now(), Deadline::after(Duration::from_secs(10))).await;
        self.ledger
            .record(&report::settle(&plan, &report), Utc::now(), Deadline::after(Duration::from_secs(1)))
            .await;
        assert!(report.failed.is_empty(), "{report:?}");
        let question =
            alert_core::known::Question { receiver: &receiver, delivery: &delivery, alert: &alert };
        let deadline = Deadline::after(Duration::from_secs(1));
        self.ledger.claim(&[question], Utc::now(), deadline).await.known.remove(0)
    }

    async fn say(&self, name: &str) -> Receipt {
        self.deliver(name, "ALARM", || Act::Say).await.shown.unwrap().receipt.unwrap()
    }
}

#[tokio::test]
async fn a_message_is_changed_and_answered_by_its_receipt() {
    let stage = Stage::new().await;
    let receipt = stage.say("first").await;
    let slack = &stage.sandbox.slack;
    assert_eq!(receipt.place, slack.channel("ops").id);
    let edited = stage.deliver("second", "OK", || Act::Edit(receipt.clone())).await.shown.unwrap();
    assert_eq!((edited.state.as_str(), edited.receipt.as_ref()), ("OK", Some(&receipt)));
    let [message] = &slack.messages("ops")[..] else { panic!("{:?}", slack.messages("ops")) };
    assert!(message.shown.text.starts_with("✅ alarm"), "{message:?}");
    assert_eq!((slack.edits().len(), message.before.len()), (1, 1));

    for is_shown in [false, true] {
        let name = format!("reply-{is_shown}");
        let known = stage.deliver(&name, "ALARM", || Act::Reply { to: receipt.clone(), is_shown }).await;
        assert_eq!(known.shown.unwrap().receipt.as_ref(), Some(&receipt), "what can be changed is the first");
        let replies = slack.replies("ops", &receipt.message);
        let told = replies.last().unwrap();
        assert_ne!(told.ts, receipt.message);
        assert_eq!(told.is_in_channel(), is_shown, "{told:?}");
    }
    // The first message and the reply that is shown.
    assert_eq!(slack.posts().len(), 3);
}

#[tokio::test]
async fn what_is_gone_is_said_anew() {
    for how in 0..3 {
        let stage = Stage::new().await;
        let receipt = stage.say("first").await;
        let slack = &stage.sandbox.slack;
        match how {
            0 => assert!(slack.delete_message("ops", &receipt.message)),
            1 => slack.set_edit_window(Some(Duration::ZERO)),
            _ => slack.then_on(Method::Update, Answer::Error("cant_update_message".to_owned())),
        }
        let anew = stage.deliver("second", "OK", || Act::Edit(receipt.clone())).await;
        let anew = anew.shown.unwrap().receipt.unwrap();
        assert_ne!(anew.message, receipt.message);
        let messages = slack.messages("ops");
        assert!(
            messages
                .iter()
                .any(|message| message.ts == anew.message && message.shown.text.starts_with("✅ alarm")),
            "{how}: {messages:?}"
        );
    }
}

#[tokio::test]
async fn edits_wait_and_fail_as_posts_do() {
    for answer in [
        Answer::RateLimited(1),
        Answer::Error("internal_error".to_owned()),
        Answer::Status { code: 503, body: String::new(), retry_after: None },
        Answer::Reset { accepted: false },
        Answer::Reset { accepted: true },
        Answer::RefuseBlocks,
    ] {
        let stage = Stage::new().await;
        let receipt = stage.say("first").await;
        let slack = &stage.sandbox.slack;
        slack.then_on(Method::Update, answer.clone());
        stage.deliver("second", "OK", || Act::Edit(receipt.clone())).await;
        let [message] = &slack.messages("ops")[..] else { panic!("{answer:?}: {:?}", slack.messages("ops")) };
        assert!(
            message.shown.text.contains("alarm") && message.shown.text.contains("✅"),
            "{answer:?}: {message:?}"
        );
    }
}

#[tokio::test]
async fn a_reply_whose_answer_was_lost_is_found_in_its_thread() {
    for (scopes, expected) in [(&["chat:write", "channels:history"][..], 1), (&["chat:write"], 2)] {
        let stage = Stage::new().await;
        let receipt = stage.say("first").await;
        stage.sandbox.slack.set_member("ops", &stage.app, true);
        stage.sandbox.slack.set_scopes(&stage.app, scopes);
        stage.sandbox.slack.then(Answer::Reset { accepted: true });
        stage.deliver("reply", "OK", || Act::Reply { to: receipt.clone(), is_shown: false }).await;
        let replies = stage.sandbox.slack.replies("ops", &receipt.message);
        let told = replies.iter().filter(|message| message.shown.text.contains("✅")).count();
        assert_eq!(told, expected, "{scopes:?}: {replies:?}");
    }
}

#[tokio::test]
async fn a_connection_that_has_died_hides_no_message() {
    let stage = Stage::new().await;
    stage.sandbox.slack.set_member("ops", &stage.app, true);
    // Which channel it is comes with the first post.
    stage.say("first").await;
    let alarm = json!({"AlarmName": "alarm", "NewStateValue": "ALARM", "NewStateReason": "unsure"});
    let event = json!({"Records": [{"messageId": "unsure", "body": alarm.to_string()}]}).to_string();
    for is_repeat in [false, true] {
        let draft =
            relay::draft(envelope::decode(event.as_bytes()), &stage.deployment, "request", Utc::now());
        let past = if is_repeat { Past::Unsure { is_too_soon: false } } else { Past::None };
        let plan = draft.plan(vec![Known { past, ..Known::default() }], None);
        assert_eq!(plan.posts[0].may_be_repeat, is_repeat);
        if is_repeat {
            assert!(stage.sandbox.slack.expire_idle_connections() > 0);
        }
        let sender = async |_: &Target| Ok(stage.sender.clone());
        let deadline = Deadline::after(Duration::from_secs(10));
        let report = stage.courier.deliver(&plan, sender, Utc::now(), deadline).await;
        assert!(report.failed.is_empty(), "{report:?}");
    }
    assert_eq!(stage.sandbox.slack.messages("ops").len(), 2, "the first, and one more");
}
