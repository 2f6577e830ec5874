//! Slack when it is not well, and what comes of it: late, in plain text, by the next try, but never not at all.

use std::time::Duration;

use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::kms::KmsFault;
use alert_sandbox::lambda::Outcome;
use alert_sandbox::slack::{Answer, RateLimit, WebhookState};
use alert_sandbox::sqs::{Queue, QueueOptions};
use serde_json::{Value, json};

use crate::events::{alarm, alarm_in, alarm_name, alarms, sns, sqs, sqs_id, walkthrough};
use crate::stage::{By, SOON, Setup, Stage, answer, at_once, both_ways, error, says};

both_ways!(
    a_short_pause_is_waited_out,
    a_pause_that_is_too_long_fails_at_once_and_holds_for_the_next_invocation,
    the_rate_of_the_real_slack_loses_nothing,
    what_passes_is_tried_again,
    what_does_not_pass_is_an_error_before_the_deadline,
    one_post_that_hangs_leaves_time_for_the_others,
    changes_of_one_alarm_never_overtake_each_other,
    what_has_been_overtaken_says_so,
    one_text_that_slack_takes_ill_takes_no_other_along,
    a_slow_slack_gets_an_alert_once_in_an_invocation_and_less_and_less_after_it,
    what_comes_twice_in_a_batch_is_one_message_and_what_only_shares_an_id_is_two,
    refused_blocks_come_once_more_as_plain_text_with_the_same_content,
    a_target_that_refuses_the_newest_blocks_gets_the_older_ones_and_is_not_asked_again,
    a_connection_that_died_in_the_frozen_process_is_no_failure,
    one_refused_of_ten_takes_no_other_along,
    cloudwatch_hears_what_was_delivered_and_what_was_not,
    a_table_that_refuses_costs_no_alert_and_cloudwatch_hears_of_it,
    a_queue_hears_exactly_which_messages_failed,
    the_same_event_again_is_posted_once_and_another_with_the_same_content_again,
    a_storm_is_one_digest_that_names_all,
    a_refused_digest_is_taken_apart,
    one_target_s_trouble_is_not_the_other_s,
);

fn status(code: u16, body: &str) -> Answer {
    Answer::Status { code, body: body.to_owned(), retry_after: None }
}

fn rate_limited(seconds: u64) -> Answer {
    Answer::Status { code: 429, body: "rate_limited".to_owned(), retry_after: Some(seconds) }
}

/// Every message of this text is answered so, in whatever form it comes.
fn refuse(stage: &Stage, text: &'static str, answer: Answer) {
    stage
        .sandbox
        .slack
        .set_plan(Box::new(move |post| post.payload.to_string().contains(text).then(|| answer.clone())));
}

async fn a_short_pause_is_waited_out(by: By) {
    let stage = Setup::by(by).await.start().await;
    stage.sandbox.slack.then(rate_limited(1));
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    let posts = stage.sandbox.slack.posts();
    assert_eq!(posts.iter().map(|post| post.status).collect::<Vec<_>>(), [429, 200]);
    assert!(posts[1].at.duration_since(posts[0].at).unwrap() >= Duration::from_millis(900), "{posts:?}");
}

async fn a_pause_that_is_too_long_fails_at_once_and_holds_for_the_next_invocation(by: By) {
    let stage = Setup::by(by).await.timeout(30).start().await;
    stage.sandbox.slack.then(rate_limited(600));
    let invocation = stage.invoke(&walkthrough()).await;
    assert_eq!(error(&invocation).0, "slack_rate_limited");
    assert!(invocation.duration < Duration::from_secs(20), "it waited in vain: {:?}", invocation.duration);
    let next = stage.invoke(&sns("next", &[alarm("next")])).await;
    assert_eq!(error(&next).0, "slack_rate_limited");
    assert_eq!(stage.sandbox.slack.posts().len(), 1);
}

#[tokio::test]
async fn an_answer_without_an_end_is_read_no_further_than_it_says_anything() {
    const MEBIBYTE: u64 = 1024 * 1024;
    let stage = Setup::new().await.timeout(8).start().await;
    stage.invoke(&sns("first", &[alarm("first")])).await;
    let before = stage.function.peak_memory().unwrap();
    stage.sandbox.slack.then(Answer::Endless { code: 200 });
    assert!(stage.invoke(&sns("second", &[alarm("second")])).await.outcome.is_success());
    assert_eq!(stage.count("second"), 1);
    for (code, error_type) in
        [(200, "slack_unavailable"), (500, "slack_unavailable"), (404, "slack_message_refused")]
    {
        stage.sandbox.slack.set_plan(Box::new(move |_| Some(Answer::Endless { code })));
        let invocation = stage.invoke(&sns("third", &[alarm("third")])).await;
        assert_eq!(error(&invocation).0, error_type, "{code}");
    }
    let after = stage.function.peak_memory().unwrap();
    assert!(after < before + 8 * MEBIBYTE, "{before} bytes before, {after} after");
}

async fn the_rate_of_the_real_slack_loses_nothing(by: By) {
    let setup = Setup::by(by).await.set("ALERT_CONFIG", "digest_after: 100").timeout(30);
    let stage = setup.start().await;
    stage.sandbox.slack.set_rate_limit(Some(RateLimit { burst: 10, per_second: 1.0 }));
    assert!(stage.invoke(&sns("many", &alarms(12))).await.outcome.is_success());
    for number in 1..=12 {
        assert_eq!(stage.count(&alarm_name(number)), 1, "{:?}", stage.messages());
    }
}

async fn what_passes_is_tried_again(by: By) {
    let faults = [
        status(500, "rollup_error"),
        status(503, "<html>Service Unavailable</html>"),
        Answer::Reset { accepted: false },
        status(200, "<html>login</html>"),
    ];
    at_once(faults.into_iter().map(|fault| async move {
        let stage = Setup::by(by).await.start().await;
        stage.sandbox.slack.then(fault.clone());
        let invocation = stage.invoke(&sns("a", &["first text", "second text"])).await;
        assert!(invocation.outcome.is_success(), "{fault:?}: {invocation:?}");
        assert_eq!(stage.sandbox.slack.posts().len(), 3, "{fault:?}");
        assert_eq!((stage.count("first text"), stage.count("second text")), (1, 1), "{fault:?}");
    }))
    .await;
}

async fn what_does_not_pass_is_an_error_before_the_deadline(by: By) {
    let hang = Answer::Hang(Duration::from_mins(2));
    let faults = [
        (hang.clone(), "slack_timeout"),
        (status(500, "fatal_error"), "slack_unavailable"),
        (status(200, "strange"), "slack_unavailable"),
        (Answer::Reset { accepted: false }, "slack_unavailable"),
    ];
    at_once(faults.into_iter().map(|(fault, expected)| async move {
        let stage = Setup::by(by).await.timeout(3).start().await;
        refuse(&stage, "Example alarm name", fault.clone());
        let invocation = stage.invoke(&walkthrough()).await;
        let (error_type, message) = error(&invocation);
        assert_eq!(error_type, expected, "{fault:?}: {message}");
        assert!(message.starts_with("1 of 1 alerts"), "{message}");
        stage.logged(expected).await;
        stage.sandbox.slack.clear_faults();
        assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
        assert_eq!(stage.messages().len(), 1);
    }))
    .await;
    // A queue hears which of its messages it was, and of a lone one as everybody does.
    let stage = Setup::by(by).await.timeout(3).start().await;
    refuse(&stage, "Example alarm name", hang);
    let body = walkthrough()["Records"][0]["Sns"]["Message"].as_str().unwrap().to_owned();
    let answer = answer(&stage.invoke(&sqs(&[body.clone(), alarm("other").to_string()])).await);
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": sqs_id(0)}]}));
    stage.logged("batch_partly_failed").await;
    assert_eq!(error(&stage.invoke(&sqs(&[body])).await).0, "slack_timeout");
}

async fn one_post_that_hangs_leaves_time_for_the_others(by: By) {
    let stage = Setup::by(by).await.timeout(6).start().await;
    refuse(&stage, "alarm-01", Answer::Hang(Duration::from_mins(2)));
    let invocation = stage.invoke(&sns("hang", &alarms(3))).await;
    assert_eq!(error(&invocation).0, "slack_timeout");
    assert!(error(&invocation).1.starts_with("1 of 3 alerts"), "{invocation:?}");
    assert_eq!((stage.count("alarm-02"), stage.count("alarm-03")), (1, 1));
}

/// One answer after the other for the posts of this text; the usual after the last, and for all other posts.
fn answer_in_turn(stage: &Stage, text: &'static str, answers: Vec<Answer>) {
    let mut answers = answers.into_iter();
    stage.sandbox.slack.set_plan(Box::new(move |post| {
        if post.payload.to_string().contains(text) { answers.next() } else { None }
    }));
}

/// Changes of one alarm, a minute after each other.
fn changes(states: &[&str]) -> Vec<Value> {
    let change = |(minute, state): (usize, &&str)| {
        let before = if *state == "ALARM" { "OK" } else { "ALARM" };
        let mut alarm = alarm_in("one alarm", state, before);
        alarm["StateChangeTime"] = format!("2026-09-14T11:{minute:02}:44.401+0000").into();
        alarm
    };
    states.iter().enumerate().map(change).collect()
}

/// The states of the alarm in the order in which they arrived.
fn arrived(stage: &Stage) -> Vec<&'static str> {
    let state_of = |message: &String| {
        let states = [("ALARM", "🔴 *one alarm*"), ("OK", "✅ *one alarm*")];
        states.into_iter().find(|(_, sign)| message.contains(sign)).map(|(state, _)| state)
    };
    stage.messages().iter().filter_map(state_of).collect()
}

async fn changes_of_one_alarm_never_overtake_each_other(by: By) {
    let troubles = [
        vec![rate_limited(1)],
        vec![status(503, "")],
        vec![status(500, ""), rate_limited(1), status(502, "")],
        vec![Answer::Reset { accepted: false }, status(500, "")],
        vec![Answer::Error("invalid_blocks".to_owned()), status(503, "")],
    ];
    at_once(troubles.into_iter().map(|trouble| async move {
        let stage = Setup::by(by).await.timeout(20).start().await;
        answer_in_turn(&stage, "one alarm", trouble.clone());
        let [alarm, ok, again] = &changes(&["ALARM", "OK", "ALARM"])[..] else { panic!() };
        // A queue keeps no order of its own.
        let batch = sqs(&[again, &crate::events::alarm("another"), ok, alarm]);
        assert_eq!(answer(&stage.invoke(&batch).await), json!({"batchItemFailures": []}), "{trouble:?}");
        assert_eq!(arrived(&stage), ["ALARM", "OK", "ALARM"], "{trouble:?}: {:?}", stage.messages());
        assert_eq!(stage.count("another"), 1);
    }))
    .await;
}

async fn what_has_been_overtaken_says_so(by: By) {
    let stage = Setup::by(by).await.timeout(20).start().await;
    let [alarm, ok] = &changes(&["ALARM", "OK"])[..] else { panic!() };
    // The first is given up, so that the second must not wait for it.
    answer_in_turn(&stage, "🔴", vec![status(422, ""), status(422, "")]);
    let answered = answer(&stage.invoke(&sqs(&[alarm, ok])).await);
    assert_eq!(answered, json!({"batchItemFailures": [{"itemIdentifier": sqs_id(0)}]}));
    assert_eq!(arrived(&stage), ["OK"]);
    assert_eq!(answer(&stage.invoke(&sqs(&[alarm])).await), json!({"batchItemFailures": []}));
    let late = stage.messages().pop().unwrap();
    assert!(late.contains("older news: OK since 2026-09-14 11:01:44"), "{late}");
    assert!(!stage.messages()[0].contains("older news"));
}

async fn one_text_that_slack_takes_ill_takes_no_other_along(by: By) {
    let answers = [status(500, "fatal_error"), status(422, ""), status(403, "<html>Forbidden</html>")];
    at_once(answers.into_iter().map(|fault| async move {
        // In a digest, and one by one.
        for count in [7, 3] {
            let stage = Setup::by(by).await.timeout(30).start().await;
            refuse(&stage, "alarm-02", fault.clone());
            let answered = answer(&stage.invoke(&sqs(&alarms(count))).await);
            let failed = json!({"batchItemFailures": [{"itemIdentifier": sqs_id(1)}]});
            assert_eq!(answered, failed, "{fault:?}, {count}");
            for number in (1..=count).filter(|number| *number != 2) {
                assert_eq!(stage.count(&alarm_name(number)), 1, "{fault:?}, {number} of {count}");
            }
        }
    }))
    .await;
}

async fn a_slow_slack_gets_an_alert_once_in_an_invocation_and_less_and_less_after_it(by: By) {
    // It takes what it is given, only that its answer comes too late.
    let stage = Setup::by(by).await.timeout(3).start().await;
    stage.sandbox.slack.set_plan(Box::new(|_| Some(Answer::Slow(Duration::from_secs(6)))));
    for _ in 0..3 {
        let invocation = stage.invoke(&walkthrough()).await;
        assert_eq!(error(&invocation).0, "slack_timeout");
    }
    assert_eq!(stage.sandbox.slack.posts().len(), 3);
    // Lambda tries no more than that; a queue goes on for hours, but the next post is not due.
    let invocation = stage.invoke(&walkthrough()).await;
    assert!(error(&invocation).1.contains("not due yet"), "{invocation:?}");
    assert_eq!(stage.sandbox.slack.posts().len(), 3);
    // Once Slack is well again for anything, nothing waits any more.
    stage.sandbox.slack.clear_faults();
    assert!(stage.invoke(&sns("other", &[alarm("other")])).await.outcome.is_success());
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    let posts = stage.sandbox.slack.posts();
    let repeats: Vec<bool> = posts.iter().map(|post| says(post).contains("may be a repeat")).collect();
    match by {
        By::Webhook => assert_eq!(repeats, [false, true, true, false, true]),
        // It finds what has arrived, and need not say it again.
        By::App => assert_eq!(repeats, [false, true, true, false]),
    }
}

async fn what_comes_twice_in_a_batch_is_one_message_and_what_only_shares_an_id_is_two(by: By) {
    let stage = Setup::by(by).await.start().await;
    let once = sqs(&[alarm("twice")]);
    let mut batch = once.clone();
    batch["Records"].as_array_mut().unwrap().push(once["Records"][0].clone());
    assert_eq!(answer(&stage.invoke(&batch).await), json!({"batchItemFailures": []}));
    assert_eq!(stage.count("🔴 *twice*"), 1);

    // Two SNS records without ids in one message of a queue: a retry brings what is missing, and that alone.
    let mut inner = sns("x", &[alarm("first"), alarm("second")]);
    for record in inner["Records"].as_array_mut().unwrap() {
        record["Sns"].as_object_mut().unwrap().remove("MessageId");
    }
    let mut nested = sqs(&[inner]);
    nested["Records"][0]["messageId"] = "nested".into();
    answer_in_turn(&stage, "second", vec![status(422, ""), status(422, "")]);
    assert_eq!(error(&stage.invoke(&nested).await).0, "slack_message_refused");
    assert_eq!(answer(&stage.invoke(&nested).await), json!({"batchItemFailures": []}));
    assert_eq!((stage.count("🔴 *first*"), stage.count("🔴 *second*")), (1, 1));
}

#[tokio::test]
async fn a_receiver_whose_webhook_kms_holds_back_delays_nobody_else() {
    let mut setup = Setup::new().await.timeout(20);
    let hook = setup.receiver("other");
    let other = json!({"webhook": format!("kms:{hook}")});
    setup.sandbox.kms.set_fault_for(&hook, KmsFault::Hang(Duration::from_mins(2)));
    let stage = setup.set("ALERT_CONFIG", &two_targets(&other)).start().await;
    let event = sns("two", &[alarm("pager"), alarm("ordinary"), alarm("both")]);
    let invocation = stage.invoke(&event).await;
    assert!(invocation.outcome.is_success(), "{invocation:?}");
    let posts = stage.sandbox.slack.accepted();
    let at = |text: &str| posts.iter().find(|post| says(post).contains(text)).unwrap().at;
    let waited = at("pager").duration_since(at("ordinary")).unwrap();
    assert!(waited > Duration::from_secs(1), "the other receiver's alert did not wait: {waited:?}");
    assert_eq!(count_at(&stage, "ops", "both"), 1, "the stand-in has it already: {posts:?}");
    let said = posts.iter().map(says).find(|said| said.contains("pager")).unwrap();
    assert!(said.contains("which cannot be reached") && said.contains("KMS could not decrypt"), "{said}");
    let ordinary = posts.iter().position(|post| says(post).contains("ordinary")).unwrap();
    assert!(ordinary < posts.iter().position(|post| says(post).contains("pager")).unwrap());

    // As soon as KMS gives it, the receiver gets its own.
    stage.sandbox.kms.set_fault(KmsFault::None);
    assert!(stage.invoke(&sns("later", &[alarm("pager")])).await.outcome.is_success());
    assert_eq!(count_at(&stage, "other", "pager"), 1);
}

#[tokio::test]
async fn a_webhook_that_takes_nothing_more_is_not_tried_for_the_other_records() {
    for (state, code) in [
        (WebhookState::Prohibited, "action_prohibited"),
        (WebhookState::InvalidToken, "invalid_token"),
        (WebhookState::Removed, "no_service"),
        (WebhookState::Archived, "channel_is_archived"),
    ] {
        let stage = Setup::new().await.start().await;
        stage.sandbox.slack.set_state("ops", state);
        let invocation = stage.invoke(&sns("a", &alarms(3))).await;
        let (error_type, message) = error(&invocation);
        assert_eq!(error_type, "slack_webhook_refused");
        assert!(message.contains(code) && message.starts_with("3 of 3 alerts"), "{message}");
        assert_eq!(stage.sandbox.slack.posts().len(), 1, "{state:?}");
        // All of a queue's messages come again.
        let invocation = stage.invoke(&sqs(&alarms(3))).await;
        assert!(error(&invocation).1.starts_with("3 of 3 alerts"), "{invocation:?}");
        // It is tried again by the next invocation.
        stage.sandbox.slack.set_state("ops", WebhookState::Active);
        assert!(stage.invoke(&sns("a", &alarms(3))).await.outcome.is_success());
        assert_eq!(stage.messages().len(), 3);
    }
}

/// Every text in the blocks of a message, and every address of its buttons.
fn texts(payload: &Value, into: &mut Vec<String>) {
    match payload {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(text) if matches!(key.as_str(), "text" | "url") => into.push(text.clone()),
                    other => texts(other, into),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, into)),
        _ => {}
    }
}

async fn refused_blocks_come_once_more_as_plain_text_with_the_same_content(by: By) {
    let stage = Setup::by(by).await.start().await;
    stage.sandbox.slack.then(Answer::Error("invalid_blocks".to_owned()));
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    let posts = stage.sandbox.slack.posts();
    assert_eq!(posts.len(), 2, "{posts:?}");
    let plain = &posts[1].payload;
    assert!(plain.get("blocks").is_none() && plain.get("attachments").is_none(), "{plain}");
    let plain = plain["text"].as_str().unwrap();
    let mut content = Vec::new();
    texts(&posts[0].payload["blocks"], &mut content);
    texts(&posts[0].payload["attachments"], &mut content);
    assert!(content.len() > 5, "{content:?}");
    for text in content {
        assert!(plain.contains(&text), "no {text:?} in {plain:?}");
    }

    // Once, and no more than that.
    stage.sandbox.slack.then(Answer::Error("invalid_blocks".to_owned()));
    stage.sandbox.slack.then(Answer::Error("invalid_blocks".to_owned()));
    let invocation = stage.invoke(&sns("b", &[alarm("b")])).await;
    assert_eq!(error(&invocation).0, "slack_message_refused");
    assert!(error(&invocation).1.contains("invalid_blocks"));
    assert_eq!(stage.sandbox.slack.posts().len(), 4);
}

async fn a_target_that_refuses_the_newest_blocks_gets_the_older_ones_and_is_not_asked_again(by: By) {
    let kinds = |stage: &Stage| -> Vec<&'static str> {
        let kind = |post: &alert_sandbox::slack::Call| {
            let said = says(post);
            if said.contains("\"container\"") {
                "modern"
            } else if said.contains("\"blocks\"") {
                "classic"
            } else {
                "plain"
            }
        };
        stage.sandbox.slack.posts().iter().map(kind).collect()
    };
    let setup = Setup::by(by).await.set("ALERT_CONFIG", "messages: {rendering: modern}");
    let stage = setup.start().await;
    assert!(stage.invoke(&sns("a", &[alarm("taken")])).await.outcome.is_success());
    assert_eq!(kinds(&stage), ["modern"]);
    // Refused once; what it takes is remembered as long as the process lives.
    stage.sandbox.slack.set_plan(Box::new(|_| Some(Answer::RefuseModernBlocks)));
    assert!(stage.invoke(&sns("b", &[alarm("first"), alarm("second")])).await.outcome.is_success());
    assert!(stage.invoke(&sns("c", &[alarm("third")])).await.outcome.is_success());
    assert_eq!(kinds(&stage), ["modern", "modern", "classic", "classic", "classic"]);
    for name in ["taken", "first", "second", "third"] {
        assert_eq!(stage.count(&format!("🔴 *{name}*")), 1);
    }
    // What is refused in every form says nothing of the webhook's blocks.
    let setup = Setup::by(by).await.set("ALERT_CONFIG", "messages: {rendering: modern}");
    let stage = setup.start().await;
    refuse(&stage, "bad text", Answer::Error("invalid_blocks".to_owned()));
    let invocation = stage.invoke(&sns("d", &[alarm("bad text"), alarm("good text")])).await;
    assert_eq!(error(&invocation).0, "slack_message_refused");
    assert_eq!(kinds(&stage), ["modern", "classic", "plain", "modern"]);
}

async fn a_connection_that_died_in_the_frozen_process_is_no_failure(by: By) {
    // Two webhooks, and so two connections that die.
    let mut setup = Setup::by(by).await;
    let other = setup.target("other");
    let stage = setup.set("ALERT_CONFIG", &two_targets(&other)).start().await;
    let slack = &stage.sandbox.slack;
    assert!(stage.invoke(&sns("0", &[alarm("both")])).await.outcome.is_success());
    assert_eq!(slack.posts().len(), 2);
    for (number, expire) in [(1, true), (2, false), (3, true)] {
        let ended = if expire { slack.expire_idle_connections() } else { slack.close_idle_connections() };
        assert!(ended >= 1, "there was no idle connection");
        let name = format!("after-{number}");
        assert!(stage.invoke(&sns(&name, &[alarm(&name)])).await.outcome.is_success());
        assert_eq!(stage.count(&name), 1);
        assert!(stage.invoke(&sns(&format!("both-{number}"), &[alarm("both")])).await.outcome.is_success());
    }
    assert!(slack.posts().iter().all(|post| post.accepted), "{:?}", slack.posts());
    assert_eq!(slack.posts().len(), 2 + 3 * 3);
    // Nothing had to be tried again in the sense that people would hear of.
    let log = stage.stop().await;
    let tries: Vec<&str> = log.lines().filter(|line| line.contains("\"tries\":")).collect();
    assert_eq!(tries.len(), 7, "{log}");
    for line in tries {
        let expected = if line.contains("\"alert\":\"both\"") { "\"tries\":2" } else { "\"tries\":1" };
        assert!(line.contains(expected), "{line}");
    }
}

async fn one_refused_of_ten_takes_no_other_along(by: By) {
    let stage = Setup::by(by).await.start().await;
    refuse(&stage, "alarm-07", Answer::Error("invalid_attachments".to_owned()));
    let attempts = stage.invoke_async(&sns("ten", &alarms(10))).await;
    assert_eq!(attempts.len(), 3);
    for attempt in &attempts {
        let (error_type, message) = error(attempt);
        assert_eq!(error_type, "slack_message_refused");
        assert!(message.starts_with("1 of 10 alerts"), "{message}");
    }
    for number in 1..=10 {
        let expected = usize::from(number != 7);
        assert_eq!(stage.count(&alarm_name(number)), expected, "{number}: {:?}", stage.messages());
    }
    assert_eq!(stage.function.dead_letters().len(), 1);
    // What it needs is a person; afterwards the dead letter brings the one, and no other again.
    stage.sandbox.slack.clear_faults();
    assert!(stage.invoke(&stage.function.dead_letters()[0]).await.outcome.is_success());
    assert_eq!(stage.count("alarm-07"), 1);
    assert_eq!(stage.messages().len(), 10);
}

/// The lines of an ended process that CloudWatch takes for metrics.
fn metrics(log: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
    lines.filter(|line: &Value| line.get("_aws").is_some()).collect()
}

async fn cloudwatch_hears_what_was_delivered_and_what_was_not(by: By) {
    let stage = Setup::by(by).await.start().await;
    refuse(&stage, "alarm-01", Answer::Error("invalid_attachments".to_owned()));
    stage.invoke(&sqs(&alarms(3))).await;
    let log = stage.stop().await;
    let lines = metrics(&log);
    let [total, reason] = lines.as_slice() else { panic!("{log}") };
    for (metric, count) in [("received", 3), ("delivered", 2), ("delivery_failed", 1), ("config_invalid", 0)]
    {
        assert_eq!(total[metric], count, "{metric}: {total}");
    }
    assert_eq!(total["latency"]["Values"].as_array().map(Vec::len), Some(2), "{total}");
    assert_eq!(
        (&reason["delivery_failed"], &reason["error_type"]),
        (&json!(1), &json!("slack_message_refused"))
    );
    // Without a table there is nothing to count.
    assert_eq!(total.get("table_unavailable"), None, "{total}");
}

async fn a_table_that_refuses_costs_no_alert_and_cloudwatch_hears_of_it(by: By) {
    let setup = Setup::by(by).await.table();
    setup.sandbox.dynamodb.set_fault(DynamoDbFault::Deny);
    let stage = setup.start().await;
    stage.invoke(&sqs(&alarms(1))).await;
    stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
    stage.invoke(&sqs(&[alarm("another")])).await;
    let [told, untold] = &stage.messages()[..] else { panic!("{:?}", stage.messages()) };
    assert!(told.contains("AccessDeniedException; allow the function's role dynamodb:UpdateItem"), "{told}");
    assert!(!untold.contains("AccessDeniedException"), "{untold}");
    // When it started and when it asked, and then no more.
    let counts: Vec<Value> =
        metrics(&stage.stop().await).iter().map(|line| line["table_unavailable"].clone()).collect();
    assert_eq!(counts, [json!(2), json!(0)]);
}

async fn a_queue_hears_exactly_which_messages_failed(by: By) {
    let stage = Setup::by(by).await.set("ALERT_CONFIG", "digest_after: 100").timeout(30).start().await;
    stage.sandbox.slack.set_plan(Box::new(|post| {
        let text = post.payload.to_string();
        ["alarm-02", "alarm-09"]
            .iter()
            .any(|name| text.contains(name))
            .then(|| Answer::Error("invalid_attachments".to_owned()))
    }));
    let event = sqs(&alarms(10));
    let first = answer(&stage.invoke(&event).await);
    let expected =
        json!({"batchItemFailures": [{"itemIdentifier": sqs_id(1)}, {"itemIdentifier": sqs_id(8)}]});
    assert_eq!(first, expected);
    assert_eq!(stage.messages().len(), 8);
    // Lambda hands out the two again, alone.
    stage.sandbox.slack.clear_faults();
    let records = event["Records"].as_array().unwrap();
    let again = json!({"Records": [records[1], records[8]]});
    assert_eq!(answer(&stage.invoke(&again).await), json!({"batchItemFailures": []}));
    for number in 1..=10 {
        assert_eq!(stage.count(&alarm_name(number)), 1);
    }
}

async fn the_same_event_again_is_posted_once_and_another_with_the_same_content_again(by: By) {
    let stage = Setup::by(by).await.start().await;
    for _ in 0..3 {
        assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    }
    assert_eq!(stage.sandbox.slack.posts().len(), 1);
    // A reminder.
    assert!(stage.invoke(&sns("reminder", &[alarm("Example alarm name")])).await.outcome.is_success());
    assert_eq!(stage.sandbox.slack.posts().len(), 2);
    // Without an id of its own, the invocation's counts: Lambda's retries keep it.
    let event = crate::events::alarm_action("direct").to_string();
    for _ in 0..2 {
        let id = "11111111-2222-4333-8444-555555555555";
        assert!(stage.function.invoke_as(id, event.clone()).await.outcome.is_success());
    }
    assert_eq!(stage.count("🔴 *direct*"), 1);
    assert!(stage.invoke_raw(&event).await.outcome.is_success());
    assert_eq!(stage.count("🔴 *direct*"), 2);
}

async fn a_storm_is_one_digest_that_names_all(by: By) {
    let stage = Setup::by(by).await.start().await;
    let invocation = stage.invoke(&sqs(&alarms(12))).await;
    assert_eq!(answer(&invocation), json!({"batchItemFailures": []}));
    let posts = stage.sandbox.slack.posts();
    assert_eq!(posts.len(), 1, "{posts:?}");
    for number in 1..=12 {
        assert!(says(&posts[0]).contains(&alarm_name(number)), "{number}: {posts:?}");
    }
    // Delivered is delivered, in a digest too.
    stage.invoke(&sqs(&alarms(12))).await;
    assert_eq!(stage.sandbox.slack.posts().len(), 1);
}

async fn a_refused_digest_is_taken_apart(by: By) {
    let stage = Setup::by(by).await.timeout(30).start().await;
    refuse(&stage, "alarm-04", Answer::Error("invalid_blocks".to_owned()));
    let invocation = stage.invoke(&sqs(&alarms(6))).await;
    assert_eq!(answer(&invocation), json!({"batchItemFailures": [{"itemIdentifier": sqs_id(3)}]}));
    for number in (1..=6).filter(|number| *number != 4) {
        assert_eq!(stage.count(&alarm_name(number)), 1, "{number}: {:?}", stage.messages());
    }
    // Blocks are refused in general: then it is all in one plain text.
    let stage = Setup::by(by).await.timeout(30).start().await;
    stage.sandbox.slack.set_plan(Box::new(|_| Some(Answer::RefuseBlocks)));
    let messages: Vec<Value> = (1..=6).map(|n| alarm_in(&alarm_name(n), "OK", "ALARM")).collect();
    assert_eq!(answer(&stage.invoke(&sqs(&messages)).await), json!({"batchItemFailures": []}));
    let [digest] = &stage.messages()[..] else { panic!("{:?}", stage.messages()) };
    assert!((1..=6).all(|number| digest.contains(&alarm_name(number))), "{digest}");
}

#[tokio::test]
async fn nobody_listening_is_an_error_and_no_crash() {
    let setup = Setup::new().await;
    let hook =
        setup.sandbox.kms.encrypt("http://127.0.0.1:9/services/T0/B0/abcdefghijkl", &crate::stage::context());
    let stage = setup.hook(&hook).timeout(3).start().await;
    let invocation = stage.invoke(&walkthrough()).await;
    assert!(
        matches!(&invocation.outcome, Outcome::Error { error_type, .. } if error_type == "slack_unavailable")
    );
    assert!(error(&invocation).1.contains("no connection"), "{invocation:?}");
    let said = format!("{invocation:?}{}", stage.stop().await);
    assert!(!said.contains("abcdefghijkl") && !said.contains("/services/"), "{said}");
}

/// A configuration by which the alarm `both` goes to two targets, and `pager` to the second alone.
fn two_targets(other: &Value) -> String {
    let mut receiver = other.clone();
    receiver["name"] = "other".into();
    json!({
        "receivers": [{"name": "default"}, receiver],
        "route": {"receiver": "default", "routes": [
            {"matchers": ["alertname=\"both\""], "receiver": "other", "continue": true},
            {"matchers": ["alertname=\"both\""], "receiver": "default"},
            {"matchers": ["alertname=\"pager\""], "receiver": "other"},
        ]},
    })
    .to_string()
}

/// The messages in the channel of one webhook that hold this text.
fn count_at(stage: &Stage, webhook: &str, text: &str) -> usize {
    let posts = stage.sandbox.slack.accepted();
    posts.iter().filter(|post| post.channel == webhook && says(post).contains(text)).count()
}

#[tokio::test]
async fn what_a_receiver_s_webhook_refuses_for_good_goes_to_the_default_receiver_and_says_why() {
    let mut setup = Setup::new().await;
    let other = setup.target("other");
    let stage = setup.set("ALERT_CONFIG", &two_targets(&other)).start().await;
    stage.sandbox.slack.set_state("other", WebhookState::Removed);
    let event = sns("two", &[alarm("both"), alarm("pager"), alarm("ordinary"), alarm("pager")]);
    assert!(stage.invoke(&event).await.outcome.is_success());
    // Once each: who stands in has its own copy of `both` already.
    assert_eq!(["both", "ordinary"].map(|name| count_at(&stage, "ops", name)), [1, 1]);
    let posts = stage.sandbox.slack.accepted();
    let pager: Vec<String> = posts.iter().map(says).filter(|text| text.contains("pager")).collect();
    assert_eq!(pager.len(), 2, "{pager:?}");
    assert!(
        pager.iter().all(|text| text.contains(
            "For the receiver other, which cannot be reached: Slack refuses the webhook: no_service"
        )),
        "{pager:?}"
    );
    // What arrived by the stand-in is not tried again.
    assert!(stage.invoke(&event).await.outcome.is_success());
    assert_eq!(stage.sandbox.slack.accepted().len(), posts.len());
    assert_eq!(count_at(&stage, "other", ""), 0);
}

async fn one_target_s_trouble_is_not_the_other_s(by: By) {
    let answers = [rate_limited(600), Answer::Hang(Duration::from_mins(2))];
    at_once(answers.into_iter().map(|answer| async move {
        let mut setup = Setup::by(by).await.timeout(3);
        let other = setup.target("other");
        let stage = setup.set("ALERT_CONFIG", &two_targets(&other)).start().await;
        let fault = answer.clone();
        stage.sandbox.slack.set_plan(Box::new(move |post| (post.channel == "other").then(|| fault.clone())));
        let event = sns("two", &[alarm("both"), alarm("pager"), alarm("ordinary")]);
        let invocation = stage.invoke(&event).await;
        assert!(error(&invocation).1.starts_with("2 of 3 alerts"), "{answer:?}: {invocation:?}");
        assert_eq!(
            (count_at(&stage, "ops", "both"), count_at(&stage, "ops", "ordinary")),
            (1, 1),
            "{answer:?}"
        );
        // The next try brings what is missing to the one, and nothing again to the other.
        stage.sandbox.slack.clear_faults();
        let again = stage.invoke(&event).await;
        let still_paused = matches!(answer, Answer::Status { code: 429, .. });
        assert_eq!(again.outcome.is_success(), !still_paused, "{answer:?}: {again:?}");
        let expected = usize::from(!still_paused);
        assert_eq!(count_at(&stage, "other", "both"), expected, "{answer:?}");
        assert_eq!(count_at(&stage, "other", "pager"), expected, "{answer:?}");
        assert_eq!(
            (count_at(&stage, "ops", "both"), count_at(&stage, "ops", "ordinary")),
            (1, 1),
            "{answer:?}"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_message_that_arrived_though_the_answer_was_lost_counts_as_any_other() {
    let stage = Setup::new().await.start().await;
    stage.sandbox.slack.then(Answer::Reset { accepted: true });
    assert!(stage.invoke(&walkthrough()).await.outcome.is_success());
    // Nobody can know; rather twice than never, and no more than that.
    assert_eq!(stage.messages().len(), 2);
}

#[tokio::test]
async fn a_queue_outlives_an_outage() {
    let stage = Setup::new().await.start().await;
    let options = QueueOptions { visibility_timeout: Duration::from_millis(300), max_receive_count: 100 };
    let queue = Queue::new("alerts", options);
    stage.sandbox.slack.set_state("ops", WebhookState::Prohibited);
    for alarm in alarms(25) {
        queue.send(alarm.to_string(), std::collections::BTreeMap::new());
    }
    let _delivery = queue.deliver_to(&stage.function, 10, 1);
    assert!(stage.sandbox.slack.wait_for_posts(4, SOON).await.len() >= 4);
    assert_eq!(queue.messages().len(), 25);
    stage.sandbox.slack.set_state("ops", WebhookState::Active);
    assert!(queue.wait_until_empty(SOON).await, "{}", stage.function.log());
    assert!(queue.dead_letters().is_empty());
    for number in 1..=25 {
        assert_eq!(stage.count(&alarm_name(number)), 1, "{number}: {:?}", stage.messages());
    }
    stage.check_output();
}
