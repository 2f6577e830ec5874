//! What is the Slack app's own: its refusals, the second way, reading back, and how it is set up. What it has in common
//! with webhooks stands in [`faults`](crate::faults).

use std::time::Duration;

use alert_sandbox::kms::KmsFault;
use alert_sandbox::lambda::Outcome;
use alert_sandbox::slack::{Answer, Method, TokenState, WebhookState};
use serde_json::json;

use crate::events::{alarm, alarms, sns, sqs, walkthrough};
use crate::stage::{By, Setup, Stage, answer, context, error, says};

/// What can be wrong with a token or a channel, and what fixes it.
type Wrong = (&'static str, &'static str, fn(&Stage), fn(&Stage));

const WRONG: [Wrong; 6] = [
    (
        "token_revoked",
        "slack_token_refused",
        |stage| stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked),
        |stage| stage.sandbox.slack.set_token_state(&stage.app, TokenState::Active),
    ),
    (
        "account_inactive",
        "slack_token_refused",
        |stage| stage.sandbox.slack.set_token_state(&stage.app, TokenState::Inactive),
        |stage| stage.sandbox.slack.set_token_state(&stage.app, TokenState::Active),
    ),
    (
        "missing_scope",
        "slack_token_refused",
        |stage| stage.sandbox.slack.set_scopes(&stage.app, &["channels:history"]),
        |stage| stage.sandbox.slack.set_scopes(&stage.app, &["chat:write"]),
    ),
    (
        "not_in_channel",
        "slack_channel_refused",
        |stage| {
            stage.sandbox.slack.set_scopes(&stage.app, &["chat:write"]);
            stage.sandbox.slack.set_member("ops", &stage.app, false);
        },
        |stage| stage.sandbox.slack.set_member("ops", &stage.app, true),
    ),
    (
        "channel_not_found",
        "slack_channel_refused",
        |stage| {
            stage.sandbox.slack.set_private("ops", true);
            stage.sandbox.slack.set_member("ops", &stage.app, false);
        },
        |stage| stage.sandbox.slack.set_member("ops", &stage.app, true),
    ),
    (
        "is_archived",
        "slack_channel_refused",
        |stage| stage.sandbox.slack.set_archived("ops", true),
        |stage| stage.sandbox.slack.set_archived("ops", false),
    ),
];

#[tokio::test]
async fn what_slack_refuses_for_good_is_said_once_and_fixed_without_a_deployment() {
    let stage = Setup::by(By::App).await.start().await;
    for (number, (code, expected, break_it, fix)) in WRONG.into_iter().enumerate() {
        break_it(&stage);
        let event = sns(&format!("event-{number}"), &alarms(3));
        let before = stage.sandbox.slack.posts().len();
        let invocation = stage.invoke(&event).await;
        let (error_type, message) = error(&invocation);
        assert_eq!(error_type, expected, "{code}: {message}");
        assert!(message.starts_with("3 of 3 alerts") && message.contains(code), "{message}");
        assert_eq!(stage.sandbox.slack.posts().len(), before + 1, "{code}: the others need no try");
        fix(&stage);
        assert!(stage.invoke(&event).await.outcome.is_success(), "{code}");
    }
    assert_eq!(stage.sandbox.slack.accepted().len(), 3 * WRONG.len());
}

#[tokio::test]
async fn the_webhook_is_the_second_way_and_says_why() {
    let stage = Setup::new().await.token().start().await;
    // An archived channel takes a webhook's messages no better.
    let wrong = WRONG.into_iter().filter(|(code, ..)| *code != "is_archived");
    for (number, (code, _, break_it, fix)) in wrong.enumerate() {
        let name = format!("while-{code}");
        break_it(&stage);
        assert!(stage.invoke(&sns(&format!("a-{number}"), &[alarm(&name)])).await.outcome.is_success());
        let post = stage.sandbox.slack.accepted().pop().unwrap();
        assert_eq!(post.method, Method::Webhook, "{code}");
        assert!(post.payload.get("channel").is_none(), "a webhook has a channel of its own: {post:?}");
        let said = says(&post);
        assert!(
            said.contains(&name)
                && said.contains("For the receiver default, which cannot be reached: Slack refuses the "),
            "{said}"
        );
        assert!(said.contains(code), "{said}");
        fix(&stage);
        let name = format!("after-{code}");
        assert!(stage.invoke(&sns(&format!("b-{number}"), &[alarm(&name)])).await.outcome.is_success());
        let post = stage.sandbox.slack.accepted().pop().unwrap();
        assert_eq!(post.method, Method::PostMessage, "{code}: as soon as it can, it goes by the app again");
        assert!(!says(&post).contains("cannot be reached"));
    }
    assert_eq!(stage.messages().len(), 2 * (WRONG.len() - 1));
    // Nothing is left when both are refused, and the invocation says so.
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    stage.sandbox.slack.set_state("ops", WebhookState::Removed);
    let invocation = stage.invoke(&sns("both", &[alarm("both")])).await;
    assert_eq!(error(&invocation).0, "slack_webhook_refused", "{invocation:?}");
}

#[tokio::test]
async fn a_token_that_kms_does_not_give_leaves_the_second_way() {
    for (fault, is_for_good) in [(KmsFault::Hang(Duration::from_mins(2)), false), (KmsFault::Deny, true)] {
        let setup = Setup::new().await.token().timeout(20);
        let token = setup.setting("kmsEncryptedBotToken");
        setup.sandbox.kms.set_fault_for(&token, fault);
        let stage = setup.start().await;
        assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
        let [post] = &stage.sandbox.slack.accepted()[..] else { panic!("{:?}", stage.messages()) };
        assert_eq!(post.method, Method::Webhook);
        assert!(says(post).contains("which cannot be reached: KMS"), "{}", says(post));
        stage.sandbox.kms.set_fault(KmsFault::None);
        assert!(stage.invoke(&sns("later", &[alarm("later")])).await.outcome.is_success());
        let later = stage.sandbox.slack.accepted().pop().unwrap();
        assert_eq!(later.method == Method::Webhook, is_for_good, "{later:?}");
    }
}

#[tokio::test]
async fn one_channel_that_is_gone_fails_no_other_of_the_token() {
    let mut setup = Setup::by(By::App).await;
    let mut receivers = vec![json!({"name": "default"})];
    let mut routes = Vec::new();
    for name in ["gone", "db"] {
        let mut receiver = setup.target(name);
        receiver["name"] = name.into();
        receivers.push(receiver);
        routes.push(json!({"matchers": [format!("alertname=~\"{name}.*\"")], "receiver": name}));
    }
    let config = json!({"receivers": receivers, "route": {"receiver": "default", "routes": routes}});
    let stage = setup.set("ALERT_CONFIG", &config.to_string()).start().await;
    stage.sandbox.slack.set_archived("gone", true);
    let event = sqs(&["gone-1", "db-1", "other-1", "gone-2"].map(alarm));
    assert_eq!(answer(&stage.invoke(&event).await), json!({"batchItemFailures": []}));
    let there = |channel: &str| -> Vec<String> {
        let posts = stage.sandbox.slack.accepted();
        posts.iter().filter(|post| post.channel == channel).map(says).collect()
    };
    assert_eq!((there("gone").len(), there("db").len(), there("ops").len()), (0, 1, 3));
    assert!(there("db")[0].contains("db-1"));
    let warned: Vec<String> = there("ops").into_iter().filter(|said| said.contains("is_archived")).collect();
    assert!(warned.len() == 2 && warned.iter().all(|said| said.contains("gone-")), "{warned:?}");
    // All of it has arrived: nothing comes again.
    assert_eq!(answer(&stage.invoke(&event).await), json!({"batchItemFailures": []}));
    assert_eq!(stage.messages().len(), 4);
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_found_and_not_said_again() {
    for answer in [Answer::Reset { accepted: true }, Answer::Slow(Duration::from_secs(9))] {
        let stage = Setup::by(By::App).await.timeout(20).start().await;
        // The id of a channel that is addressed by name comes with the first post.
        assert!(stage.invoke(&sns("first", &[alarm("first")])).await.outcome.is_success());
        stage.sandbox.slack.then(answer.clone());
        assert!(stage.invoke(&walkthrough()).await.outcome.is_success(), "{answer:?}");
        assert_eq!(stage.count("Example alarm name*"), 1, "{answer:?}: {:?}", stage.messages());
        assert!(stage.sandbox.slack.calls().iter().any(|call| call.method == Method::History));
        // Without the scope nobody can know: rather twice than never.
        stage.sandbox.slack.set_scopes(&stage.app, &["chat:write"]);
        stage.sandbox.slack.then(Answer::Reset { accepted: true });
        assert!(stage.invoke(&sns("blind", &[alarm("blind")])).await.outcome.is_success());
        assert_eq!(stage.count("🔴 *blind*"), 2, "{answer:?}");
    }
}

#[tokio::test]
async fn what_nobody_knows_is_tried_again_and_said() {
    let stage = Setup::by(By::App).await.timeout(3).start().await;
    stage.sandbox.slack.then(Answer::Error("a_new_error".to_owned()));
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    assert_eq!(stage.sandbox.slack.posts().len(), 2);
    stage.sandbox.slack.set_plan(Box::new(|_| Some(Answer::Error("a_new_error".to_owned()))));
    let invocation = stage.invoke(&sns("b", &[alarm("b")])).await;
    assert_eq!(error(&invocation).0, "slack_unavailable");
    assert!(error(&invocation).1.contains("a_new_error (HTTP 200)"), "{invocation:?}");
}

#[tokio::test]
async fn an_answer_without_an_end_takes_no_memory() {
    const MEBIBYTE: u64 = 1024 * 1024;
    let stage = Setup::by(By::App).await.timeout(8).start().await;
    stage.invoke(&sns("first", &[alarm("first")])).await;
    let before = stage.function.peak_memory().unwrap();
    for (code, error_type) in
        [(200, "slack_unavailable"), (500, "slack_unavailable"), (404, "slack_message_refused")]
    {
        stage.sandbox.slack.set_plan(Box::new(move |_| Some(Answer::Endless { code })));
        assert_eq!(error(&stage.invoke(&sns("third", &[alarm("third")])).await).0, error_type, "{code}");
    }
    let after = stage.function.peak_memory().unwrap();
    assert!(after < before + 16 * MEBIBYTE, "{before} bytes before, {after} after");
}

#[tokio::test]
async fn a_channel_is_an_id_or_a_name_and_a_receiver_s_own_counts() {
    for is_id in [true, false] {
        let setup = Setup::by(By::App).await;
        let (ops, db) = (setup.sandbox.slack.channel("ops"), setup.sandbox.slack.channel("db"));
        let (ops, db) = if is_id { (ops.id, db.id) } else { ("#ops".to_owned(), "#db".to_owned()) };
        let config = json!({
            "receivers": [{"name": "default"}, {"name": "db", "channel": db}],
            "route": {"receiver": "default", "routes": [{"matchers": ["alertname=db"], "receiver": "db"}]},
        });
        let setup = setup.set("slackChannel", &ops).set("ALERT_CONFIG", &config.to_string());
        let stage = setup.start().await;
        assert!(stage.invoke(&sns("a", &["db", "other"].map(alarm))).await.outcome.is_success());
        let mut channels: Vec<String> =
            stage.sandbox.slack.accepted().into_iter().map(|post| post.channel).collect();
        channels.sort();
        assert_eq!(channels, ["db", "ops"], "{is_id}");
    }
}

#[tokio::test]
async fn the_app_for_some_receivers_and_the_webhook_for_the_rest() {
    // A token without a channel of the function's own.
    let mut setup = Setup::new().await.token().set("slackChannel", "");
    let channel = setup.sandbox.slack.channel("db");
    setup.sandbox.slack.set_member("db", &setup.app, true);
    let config = |receiver: serde_json::Value| {
        json!({
            "receivers": [{"name": "default"}, receiver],
            "route": {"receiver": "default", "routes": [{"matchers": ["alertname=db"], "receiver": "db"}]},
        })
        .to_string()
    };
    let of_the_app = config(json!({"name": "db", "slack": {"channel": channel.id}}));
    setup = setup.set("ALERT_CONFIG", &of_the_app);
    let stage = setup.start().await;
    assert!(stage.invoke(&sns("a", &["db", "other"].map(alarm))).await.outcome.is_success());
    let mut ways: Vec<(String, Method)> =
        stage.sandbox.slack.accepted().into_iter().map(|post| (post.channel, post.method)).collect();
    ways.sort();
    assert_eq!(ways, [("db".to_owned(), Method::PostMessage), ("ops".to_owned(), Method::Webhook)]);
    assert!(!stage.messages().concat().contains("⚠"), "{:?}", stage.messages());

    // Nothing would ever go by the app: that is a mistake, and the message says it.
    let stage = Setup::new().await.token().set("slackChannel", "").start().await;
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    assert_eq!(stage.count("kmsEncryptedBotToken is set, but no channel of the Slack app is"), 1);

    // A channel of an app that is not there.
    let stage = Setup::new().await.set("ALERT_CONFIG", &of_the_app).start().await;
    assert!(stage.invoke(&sns("a", &[alarm("db")])).await.outcome.is_success());
    assert_eq!(
        stage.count("For the receiver db, which cannot be reached: kmsEncryptedBotToken is not set"),
        1
    );
}

#[tokio::test]
async fn settings_that_do_not_do() {
    let encrypted = |setup: &Setup, text: &str| setup.sandbox.kms.encrypt(text, &context());
    for (setting, value, error_type, expected) in [
        ("slackChannel", "", "channel_missing", "slackChannel is not set"),
        ("kmsEncryptedBotToken", "xoxb-1-2", "bot_token_not_base64", "kmsEncryptedBotToken is not base64"),
        (
            "kmsEncryptedBotToken",
            "",
            "hook_url_missing",
            "neither kmsEncryptedHookUrl nor kmsEncryptedBotToken is set",
        ),
    ] {
        let stage = Setup::by(By::App).await.set(setting, value).try_start().await;
        let Some(Outcome::InitError { error_type: found, message, .. }) = stage.function.init_error() else {
            panic!("it starts with {setting}={value}")
        };
        assert!(found == error_type && message.contains(expected), "{setting}: {found}: {message}");
    }
    let setup = Setup::by(By::App).await;
    let user = encrypted(&setup, "xoxp-1-2-secretpart");
    let stage = setup.set("kmsEncryptedBotToken", &user).try_start().await;
    let Some(Outcome::InitError { error_type, message, .. }) = stage.function.init_error() else { panic!() };
    assert_eq!(error_type, "bot_token_invalid");
    assert!(message.contains("user token") && !message.contains("secretpart"), "{message}");

    // What is wrong with the value is said, and the value is not.
    let stage = Setup::by(By::App).await.set("slackChannel", "xoxb-1-2-secretpart").try_start().await;
    let Some(Outcome::InitError { error_type, message, .. }) = stage.function.init_error() else { panic!() };
    assert_eq!(error_type, "channel_missing");
    assert!(message.contains("which is no channel") && !message.contains("secretpart"), "{message}");
}

#[tokio::test]
async fn where_the_api_is_unknown_the_token_stays_here() {
    const WRONG: &str = "http://slack.example/api/";
    let stage = Setup::by(By::App).await.set("SLACK_API_URL", WRONG).try_start().await;
    let Some(Outcome::InitError { error_type, message, .. }) = stage.function.init_error() else { panic!() };
    assert_eq!(error_type, "slack_api_url_malformed");
    assert!(message.contains("SLACK_API_URL is (not shown"), "{message}");
    // With a webhook beside it, that is the way.
    let stage = Setup::new().await.token().set("SLACK_API_URL", WRONG).start().await;
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    let [post] = &stage.sandbox.slack.accepted()[..] else { panic!("{:?}", stage.messages()) };
    assert_eq!(post.method, Method::Webhook);
    assert!(says(post).contains("which cannot be reached: SLACK_API_URL is (not shown"), "{}", says(post));
}

#[tokio::test]
async fn an_app_alone_takes_the_channel_of_the_default_receiver() {
    for channel in ["", "xoxb-1-2-secretpart"] {
        let setup = Setup::by(By::App).await.set("slackChannel", channel);
        let ops = setup.sandbox.slack.channel("ops").id;
        let config = json!({
            "receivers": [{"name": "default", "slack": {"channel": ops}}, {"name": "db", "mention": "<!here>"}],
            "route": {"receiver": "default", "routes": [{"matchers": ["alertname=db"], "receiver": "db"}]},
        });
        let stage = setup.set("ALERT_CONFIG", &config.to_string()).start().await;
        assert!(stage.invoke(&sns("a", &["db", "other"].map(alarm))).await.outcome.is_success());
        let channels: Vec<String> =
            stage.sandbox.slack.accepted().into_iter().map(|post| post.channel).collect();
        assert_eq!(channels, ["ops", "ops"]);
        assert_eq!(stage.count("which is no channel"), if channel.is_empty() { 0 } else { 2 });
    }
}

/// A receiver for each of these channels, and an alert named `all` for everybody.
fn channels_for_all(setup: &mut Setup, names: &[&str]) -> String {
    let mut receivers = vec![json!({"name": "default"})];
    let mut routes = Vec::new();
    for name in names {
        let mut receiver = setup.target(name);
        receiver["name"] = (*name).into();
        receivers.push(receiver);
        let matcher = format!("alertname=~\"all|{name}.*\"");
        routes.push(json!({"matchers": [matcher], "receiver": name, "continue": true}));
    }
    json!({"receivers": receivers, "route": {"receiver": "default", "routes": routes}}).to_string()
}

#[tokio::test]
async fn kms_that_hangs_takes_no_invocation_beyond_its_end_however_many_channels_wait() {
    let mut setup = Setup::by(By::App).await.timeout(6);
    let config = channels_for_all(&mut setup, &["db", "web", "batch"]);
    let setup = setup.set("ALERT_CONFIG", &config);
    setup.sandbox.kms.set_fault(KmsFault::Hang(Duration::from_mins(2)));
    let stage = setup.start().await;
    let event = sqs(&["db-1", "web-1", "batch-1", "other-1"].map(alarm));
    let invocation = stage.invoke(&event).await;
    assert_eq!(error(&invocation).0, "kms_unavailable", "{invocation:?}");
    stage.sandbox.kms.set_fault(KmsFault::None);
    assert_eq!(answer(&stage.invoke(&event).await), json!({"batchItemFailures": []}));
    assert_eq!(stage.messages().len(), 4);
}

#[tokio::test]
async fn every_channel_of_the_app_waits_for_a_throttled_kms() {
    let mut setup = Setup::by(By::App).await.timeout(20);
    let config = channels_for_all(&mut setup, &["db"]);
    let setup = setup.set("ALERT_CONFIG", &config);
    setup.sandbox.kms.set_fault(KmsFault::Unavailable);
    let stage = setup.start().await;
    stage.sandbox.kms.set_fault(KmsFault::Throttle(10));
    assert!(stage.invoke(&sns("a", &["db-1", "other-1"].map(alarm))).await.outcome.is_success());
    let mut channels: Vec<String> =
        stage.sandbox.slack.accepted().into_iter().map(|post| post.channel).collect();
    channels.sort();
    assert_eq!(channels, ["db", "ops"]);
}

#[tokio::test]
async fn a_retry_tells_a_stand_in_nothing_again() {
    let mut setup = Setup::by(By::App).await.timeout(3);
    let config = channels_for_all(&mut setup, &["db", "web"]);
    let stage = setup.set("ALERT_CONFIG", &config).start().await;
    stage.sandbox.slack.set_archived("db", true);
    stage.sandbox.slack.set_archived("web", true);
    // One of the record's alerts fails, so that all of it comes again.
    stage.sandbox.slack.set_plan(Box::new(|call| {
        call.payload.to_string().contains("other").then(|| Answer::Error("internal_error".to_owned()))
    }));
    let event = sns("a", &["all", "other"].map(alarm));
    assert_eq!(error(&stage.invoke(&event).await).0, "slack_unavailable");
    stage.sandbox.slack.set_plan(Box::new(|_| None));
    assert!(stage.invoke(&event).await.outcome.is_success());
    assert_eq!((stage.count("*all*"), stage.count("*other*")), (1, 1), "{:?}", stage.messages());
}

#[tokio::test]
async fn with_two_secrets_kms_may_be_slow_with_both() {
    let setup = Setup::new().await.token().timeout(20);
    setup.sandbox.kms.set_fault(KmsFault::Unavailable);
    let stage = setup.start().await;
    // More than the SDK's own tries.
    stage.sandbox.kms.set_fault(KmsFault::Throttle(10));
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    let [post] = &stage.sandbox.slack.accepted()[..] else { panic!("{:?}", stage.messages()) };
    assert_eq!(post.method, Method::PostMessage, "the first way has the time for it");
    // Where both are refused for good nothing can arrive, and the start says so.
    let setup = Setup::new().await.token();
    setup.sandbox.kms.set_fault(KmsFault::Deny);
    let stage = setup.try_start().await;
    let Some(Outcome::InitError { error_type, .. }) = stage.function.init_error() else {
        panic!("it starts")
    };
    assert_eq!(error_type, "kms_refused");
}

#[tokio::test]
async fn who_stands_in_for_many_tells_it_once() {
    // By the default receiver's channel.
    let mut setup = Setup::by(By::App).await;
    let config = channels_for_all(&mut setup, &["db", "web"]);
    let stage = setup.set("ALERT_CONFIG", &config).start().await;
    stage.sandbox.slack.set_archived("db", true);
    stage.sandbox.slack.set_archived("web", true);
    let event = sqs(&["all", "db-1"].map(alarm));
    assert_eq!(answer(&stage.invoke(&event).await), json!({"batchItemFailures": []}));
    let said: Vec<String> = stage.sandbox.slack.accepted().iter().map(says).collect();
    let count = |text: &str| said.iter().filter(|said| said.contains(text)).count();
    assert_eq!((count("*all*"), count("*db-1*"), said.len()), (1, 1, 2), "{said:?}");
    // By the second way, where nobody's channel takes anything.
    let mut setup = Setup::new().await.token();
    let config = {
        let channels = ["db", "web"].map(|name| {
            let channel = setup.sandbox.slack.channel(name);
            setup.sandbox.slack.set_member(name, &setup.app, true);
            json!({"name": name, "slack": {"channel": channel.id}})
        });
        let receivers = [&[json!({"name": "default"})][..], &channels].concat();
        let routes = ["db", "web"]
            .map(|name| json!({"matchers": ["alertname=all"], "receiver": name, "continue": true}));
        json!({"receivers": receivers, "route": {"receiver": "default", "routes": routes}}).to_string()
    };
    setup = setup.set("ALERT_CONFIG", &config);
    let stage = setup.start().await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    assert!(stage.invoke(&sns("a", &[alarm("all")])).await.outcome.is_success());
    assert_eq!(stage.count("*all*"), 1, "{:?}", stage.messages());
    // Where it is known before: there is no token at all.
    let stage = Setup::new().await.set("ALERT_CONFIG", &config).start().await;
    assert!(stage.invoke(&sns("a", &[alarm("all")])).await.outcome.is_success());
    assert_eq!(stage.count("*all*"), 1, "{:?}", stage.messages());
    assert_eq!(
        (stage.count("For the receiver db, which"), stage.count("For the receiver web, which")),
        (1, 1)
    );
}

#[tokio::test]
async fn what_refuses_for_good_is_what_is_reported() {
    let stage = Setup::by(By::App).await.start().await;
    stage.sandbox.slack.then(Answer::Status { code: 503, body: String::new(), retry_after: None });
    stage.sandbox.slack.set_archived("ops", true);
    let invocation = stage.invoke(&walkthrough()).await;
    assert_eq!(error(&invocation).0, "slack_channel_refused", "{invocation:?}");
}
