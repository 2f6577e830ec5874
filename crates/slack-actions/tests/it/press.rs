//! Acknowledge, and what every press has in common.

use std::time::{Duration, Instant};

use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::slack::{Answer, Method, TokenState};
use serde_json::json;

use crate::stage::{CHANNEL, KIM, LEE, SLACK_WAITS, Setup, TABLE, ago, change, status};

#[tokio::test]
async fn somebody_is_on_it_and_everybody_sees_who() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    assert!(stage.shows(&ts).contains(r#""action_id":"acknowledge""#), "{}", stage.shows(&ts));
    stage.press(&ts, KIM, "acknowledge").await;
    let shown = stage.shows(&ts);
    assert!(shown.contains("👀 <@U0KIM> is on it since <!date^"), "{shown}");
    assert!(shown.contains("undo_acknowledge") && shown.contains(r#""action_id":"silence""#), "{shown}");
    assert_eq!(stage.thread(&ts), ["👀 *kim* is on it"]);
    // It does not ring.
    assert_eq!(stage.ringing().len(), 1);
    assert_eq!(stage.ephemerals().len(), 0, "{:?}", stage.ephemerals());
    // The relay's next change keeps it, and the end says who it was.
    stage.tell("second", "INSUFFICIENT_DATA", "ALARM", ago(20)).await;
    let shown = stage.shows(&ts);
    assert!(shown.contains("👀 <@U0KIM> is on it since"), "{shown}");
    stage.tell("third", "OK", "INSUFFICIENT_DATA", ago(10)).await;
    let shown = stage.shows(&ts);
    assert!(shown.contains("👀 <@U0KIM> was on it since"), "{shown}");
    assert!(!shown.contains("action_id"), "{shown}");
    let log = stage.actions.log();
    assert!(
        log.contains(r#""act":"acknowledge","by":"U0KIM""#) && log.contains(r#""outcome":"taken""#),
        "{log}"
    );
    assert!(log.contains(r#""pressed":1"#), "{log}");
}

#[tokio::test]
async fn undone_nobody_is_on_it() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.press(&ts, KIM, "acknowledge").await;
    stage.press(&ts, LEE, "undo_acknowledge").await;
    assert!(!stage.shows(&ts).contains("is on it"), "{}", stage.shows(&ts));
    assert!(stage.shows(&ts).contains(r#""action_id":"acknowledge""#));
    assert_eq!(stage.thread(&ts).last().unwrap(), "*lee* is not on it any more");
}

#[tokio::test]
async fn what_changes_nothing_is_told_to_who_pressed() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    // Two people at once, each at a process of its own; both see the buttons of before.
    let other = stage.another().await;
    let presses = [KIM, LEE].map(|user| stage.interaction(&ts, user, "acknowledge", None).proxy_event());
    let silence = stage.interaction(&ts, LEE, "silence", Some("1h"));
    let (one, two) =
        tokio::join!(stage.actions.invoke(presses[0].to_string()), other.invoke(presses[1].to_string()));
    assert_eq!((status(&one), status(&two)), (200, 200));
    let told = stage.ephemerals();
    assert_eq!(told.len(), 1, "{told:?}");
    let (first, second) = if told[0].user == "U0LEE" { (KIM.0, LEE.0) } else { (LEE.0, KIM.0) };
    assert_eq!(told[0].user, second);
    assert!(
        told[0].text.starts_with(&format!("Nothing was changed: <@{first}> is on it since <!date^")),
        "{told:?}"
    );
    let thread = stage.thread(&ts);
    assert_eq!(thread.len(), 1, "{thread:?}");
    // A replay is refused by its process, and by the table where another one gets it.
    let event = presses[0].clone();
    assert_eq!(stage.send_event(&event).await, 401);
    let calls = stage.sandbox.slack.calls().len();
    let third = stage.another().await;
    assert_eq!(status(&third.invoke(event.to_string()).await), 200);
    let told = stage.told();
    assert!(told == "This was taken before." || told.contains("is on it since"), "{told}");
    assert_eq!(stage.thread(&ts).len(), 1);
    // The message is made to show what counts, and the person is told.
    assert!(stage.sandbox.slack.calls().len() <= calls + 2);
    // It is over by now, and the button is of before.
    stage.tell("second", "OK", "ALARM", ago(10)).await;
    assert_eq!(stage.send(&silence).await, 200);
    assert!(
        stage.told().starts_with("Nothing was changed: the alert is over since <!date^"),
        "{}",
        stage.told()
    );
}

#[tokio::test]
async fn a_button_in_an_old_message_says_that_it_is_old() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    let old = stage.interaction(&ts, KIM, "acknowledge", None);
    stage.tell("second", "OK", "ALARM", ago(20)).await;
    // Long after the end it is another problem, with a message of its own.
    stage.tell("third", "ALARM", "OK", ago(5)).await;
    assert_eq!(stage.ringing().len(), 2);
    assert_eq!(stage.send(&old).await, 200);
    assert_eq!(stage.told(), "Nothing was changed: another message shows this alert now.");
    // Of a message that nobody remembers.
    let message = stage.sandbox.slack.messages(CHANNEL).pop().unwrap();
    let press = stage.interaction(&message.ts, KIM, "acknowledge", None);
    let key = format!("message|{}|{}", stage.sandbox.slack.channel(CHANNEL).id, message.ts);
    assert!(stage.sandbox.dynamodb.item(TABLE, &key).is_some());
    stage.sandbox.dynamodb.put_item(TABLE, &json!({"pk": {"S": key}})).unwrap();
    assert_eq!(stage.send(&press).await, 200);
    assert!(stage.told().contains("NOT taken: nothing is remembered of this message"), "{}", stage.told());
}

#[tokio::test]
async fn a_table_in_trouble_takes_no_press_and_the_person_is_told() {
    for (fault, after) in [
        (DynamoDbFault::Deny, 0),
        (DynamoDbFault::Missing, 0),
        (DynamoDbFault::Unavailable, 0),
        (DynamoDbFault::Throttle(100), 0),
        (DynamoDbFault::Hang(Duration::from_secs(20)), 0),
        (DynamoDbFault::Delay(Duration::from_secs(2)), 0),
        (DynamoDbFault::Endless, 0),
        // After the look at the message, and after the claim.
        (DynamoDbFault::Unavailable, 1),
        (DynamoDbFault::Hang(Duration::from_secs(20)), 1),
        (DynamoDbFault::Unavailable, 2),
        (DynamoDbFault::Hang(Duration::from_secs(20)), 2),
    ] {
        let stage = Setup::default().start().await;
        let ts = stage.alarm().await;
        let before = stage.shows(&ts);
        stage.sandbox.dynamodb.set_fault_after(after, fault.clone());
        let began = Instant::now();
        stage.press(&ts, KIM, "acknowledge").await;
        assert!(began.elapsed() < SLACK_WAITS, "{fault:?}: {:?}", began.elapsed());
        // Of a write without an answer nobody knows.
        let begins =
            if after < 2 { "This was NOT taken: " } else { "It is not known whether this was taken: " };
        assert!(stage.told().starts_with(begins), "{fault:?} {after}: {}", stage.told());
        assert_eq!((stage.shows(&ts), stage.thread(&ts)), (before, Vec::new()), "{fault:?}");
        let log = stage.actions.log();
        let outcome = if after < 2 { "not taken" } else { "perhaps taken" };
        assert!(log.contains(&format!(r#""outcome":"{outcome}""#)), "{log}");
        // And taken as soon as all is well.
        stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
        if after < 2 {
            stage.press(&ts, KIM, "acknowledge").await;
            assert!(stage.shows(&ts).contains("is on it"), "{fault:?}: {}", stage.told());
        }
    }
}

#[tokio::test]
async fn slack_in_trouble_is_answered_in_time() {
    // What is taken and cannot be shown is told, and shown by the next change.
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.sandbox.slack.then_on(Method::Update, Answer::Error("internal_error".to_owned()));
    stage.press(&ts, KIM, "acknowledge").await;
    let told = stage.told();
    assert!(told.starts_with("This was taken, but the message does not show it yet: "), "{told}");
    assert!(!stage.shows(&ts).contains("is on it"), "{}", stage.shows(&ts));
    stage.tell("second", "INSUFFICIENT_DATA", "ALARM", ago(20)).await;
    assert!(stage.shows(&ts).contains("is on it"), "{}", stage.shows(&ts));
    // Or by the next press, though that changes nothing.
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.sandbox.slack.then_on(Method::Update, Answer::Error("internal_error".to_owned()));
    stage.press(&ts, KIM, "acknowledge").await;
    assert!(!stage.shows(&ts).contains("is on it"), "{}", stage.shows(&ts));
    stage.press(&ts, LEE, "acknowledge").await;
    assert!(stage.told().starts_with("Nothing was changed: <@U0KIM> is on it"), "{}", stage.told());
    assert!(stage.shows(&ts).contains("is on it"), "{}", stage.shows(&ts));
    assert_eq!(stage.thread(&ts).len(), 1, "{:?}", stage.thread(&ts));
    // One that hangs.
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.sandbox.slack.then_on(Method::Update, Answer::Hang(Duration::from_secs(20)));
    let began = Instant::now();
    stage.press(&ts, KIM, "acknowledge").await;
    assert!(began.elapsed() < SLACK_WAITS, "{:?}", began.elapsed());
    assert_eq!(stage.incident()["acknowledged"]["by"]["id"], "U0KIM");
    // A token that was revoked: it counts all the same.
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked);
    stage.press(&ts, KIM, "acknowledge").await;
    assert!(stage.told().contains("token_revoked"), "{}", stage.told());
    assert_eq!(stage.incident()["acknowledged"]["by"]["id"], "U0KIM");
}

#[tokio::test]
async fn who_cannot_be_told_sees_slack_s_own_error() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.press(&ts, KIM, "acknowledge").await;
    // The address of the answer is used up, or was none of Slack's.
    let press = |url: &str| {
        let mut payload = stage.interaction(&ts, LEE, "undo_acknowledge", None).payload();
        payload["actions"][0]["action_id"] = "acknowledge".into();
        payload["response_url"] = url.into();
        alert_sandbox::slack::Interaction::of(&stage.app.signing_secret, &payload)
    };
    for url in [
        "http://127.0.0.1:1/x",
        "https://hooks.slack.com.example/x",
        "http://169.254.169.254/latest",
        "no url",
        "file:///etc/passwd",
    ] {
        assert_eq!(stage.send(&press(url)).await, 500, "{url}");
    }
    assert!(stage.actions.log().contains("leads to another host than Slack's"));
    assert_eq!(stage.ephemerals().len(), 0);
}

#[tokio::test]
async fn who_may_act() {
    let allow = json!({"actions": {"allow": ["<@U0KIM>", "<!subteam^S0OPS>"]}});
    let stage = Setup::config(allow).scope("usergroups:read").start().await;
    stage.sandbox.slack.usergroup("S0OPS", &["U0LEE", "U0MAX"]);
    let ts = stage.alarm().await;
    stage.press(&ts, ("U0EVE", "eve"), "acknowledge").await;
    assert_eq!(stage.told(), "This was NOT taken: only <@U0KIM>, <!subteam^S0OPS> may act here.");
    assert!(!stage.shows(&ts).contains("is on it"));
    stage.press(&ts, LEE, "acknowledge").await;
    stage.press(&ts, KIM, "undo_acknowledge").await;
    assert_eq!(stage.thread(&ts).len(), 2);
    // Who is in a group is asked once in a while.
    let asked =
        stage.sandbox.slack.calls().iter().filter(|call| call.method == Method::UsergroupUsers).count();
    assert_eq!(asked, 1);
    // Where Slack does not tell, nobody of a group may, and the words say what is to be fixed.
    let allow = json!({"actions": {"allow": ["<@U0KIM>", "<!subteam^S0OPS>"]}});
    let stage = Setup::config(allow).start().await;
    let ts = stage.alarm().await;
    stage.press(&ts, LEE, "acknowledge").await;
    assert!(stage.told().contains("give the app the scope usergroups:read"), "{}", stage.told());
    stage.press(&ts, KIM, "acknowledge").await;
    assert_eq!(stage.thread(&ts), ["👀 *kim* is on it"]);
}

#[tokio::test]
async fn digests_and_webhooks_have_no_buttons() {
    let stage = Setup::config(json!({"digest_after": 2})).start().await;
    let mut event = change("d1", "one", "ALARM", "OK", ago(5));
    for number in 2..6 {
        let other = change(&format!("d{number}"), &format!("alarm-{number}"), "ALARM", "OK", ago(5));
        event["Records"].as_array_mut().unwrap().push(other["Records"][0].clone());
    }
    stage.relays(&event).await;
    let ts = stage.message();
    assert!(!stage.shows(&ts).contains("action_id"), "{}", stage.shows(&ts));
    // Without the function that takes them there is none either.
    let stage = Setup::default().set("SLACK_BUTTONS", "disabled").start().await;
    let ts = stage.alarm().await;
    assert!(!stage.shows(&ts).contains("action_id"), "{}", stage.shows(&ts));
}
