//! Silences: by a button, by a rule, by CloudWatch's own mute rule; and what rings when they end.

use alert_sandbox::dynamodb::DynamoDbFault;
use alert_sandbox::slack::TokenState;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::stage::{CHANNEL, KIM, LEE, Setup, Stage, TABLE, ago, change, said};

#[tokio::test]
async fn an_alarm_that_flaps_under_a_silence_and_rings_when_it_ends() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.press(&ts, KIM, "acknowledge").await;
    stage.silence(&ts, LEE, "1h").await;
    let shown = stage.shows(&ts);
    assert!(shown.contains("🔕 <@U0LEE> has silenced it until <!date^"), "{shown}");
    assert!(shown.contains("undo_silence") && !shown.contains(r#""action_id":"silence""#), "{shown}");
    let thread = stage.thread(&ts);
    assert!(thread[1].starts_with("🔕 *lee* has silenced it until <!date^"), "{thread:?}");
    // It flaps: nothing rings, not even for who follows the thread, and all is counted.
    let states = [("OK", 25), ("ALARM", 24), ("OK", 23), ("ALARM", 22), ("OK", 21), ("ALARM", 20)];
    let mut before = "ALARM";
    for (number, (state, minutes)) in states.into_iter().enumerate() {
        stage.tell(&format!("flap-{number}"), state, before, ago(minutes)).await;
        before = state;
        let begins = if state == "OK" { "✅" } else { "🔴" };
        assert!(stage.shows(&ts).starts_with(begins), "{}", stage.shows(&ts));
    }
    assert_eq!((stage.ringing().len(), stage.thread(&ts).len()), (1, 2));
    assert!(stage.shows(&ts).contains("6 changes meanwhile"), "{}", stage.shows(&ts));
    // Before its time nothing happens, and then it rings once, whoever looks.
    let answer = stage.minute().await.outcome.response_json().unwrap();
    assert_eq!(answer, json!({"due": 0, "done": 0}));
    stage.let_silence_end();
    let other = stage.another_watch().await;
    let (one, two) = tokio::join!(stage.minute(), other.invoke("{}"));
    assert!(one.outcome.is_success() && two.outcome.is_success(), "{one:?} {two:?}");
    stage.minute().await;
    let ringing = stage.ringing();
    assert_eq!(ringing.len(), 2, "{ringing:?}");
    let ends = "🔴 cpu: DeliveryErrors 10 &gt; 1 · 000000000000 eu-west-1 · 🔔 The silence has ended, and it is not over · 6 changes meanwhile";
    assert!(ringing[1].starts_with(ends), "{ringing:?}");
    let shown = stage.shows(&ts);
    assert!(!shown.contains("silenced") && shown.contains(r#""action_id":"silence""#), "{shown}");
    assert!(shown.contains("<@U0KIM> was on it") || !shown.contains("is on it"), "{shown}");
    // And the end is told as ever.
    stage.tell("end", "OK", "ALARM", ago(1)).await;
    assert!(stage.shows(&ts).starts_with("✅"), "{}", stage.shows(&ts));
    assert_eq!(stage.sandbox.slack.messages(CHANNEL).iter().filter(|message| message.ts == ts).count(), 1);
}

#[tokio::test]
async fn a_silence_until_it_is_over_and_its_undoing() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.silence(&ts, KIM, "over").await;
    assert!(stage.shows(&ts).contains("<@U0KIM> has silenced it until it is over"));
    // It is open, and nothing is due.
    assert_eq!(stage.item()["due"]["S"], "open");
    stage.press(&ts, LEE, "undo_silence").await;
    assert_eq!(stage.thread(&ts).last().unwrap(), "🔔 *lee* has ended the silence");
    stage.silence(&ts, KIM, "over").await;
    stage.tell("second", "OK", "ALARM", ago(20)).await;
    assert_eq!((stage.ringing().len(), stage.thread(&ts).len()), (1, 3));
    assert!(
        stage.shows(&ts).starts_with("✅") && !stage.shows(&ts).contains("silenced"),
        "{}",
        stage.shows(&ts)
    );
    stage.tell("third", "ALARM", "OK", ago(15)).await;
    assert_eq!(stage.ringing().len(), 2);
}

#[tokio::test]
async fn what_cannot_ring_now_rings_with_a_later_minute() {
    for trouble in ["slack", "table", "claim"] {
        let stage = Setup::default().start().await;
        let ts = stage.alarm().await;
        stage.silence(&ts, KIM, "4h").await;
        stage.let_silence_end();
        match trouble {
            "slack" => stage.sandbox.slack.set_token_state(&stage.app, TokenState::Revoked),
            "table" => stage.sandbox.dynamodb.set_fault(DynamoDbFault::Unavailable),
            _ => stage.sandbox.dynamodb.set_fault_after(2, DynamoDbFault::Unavailable),
        }
        let failed = stage.minute().await;
        assert!(!failed.outcome.is_success(), "{trouble}: {failed:?}");
        assert_eq!(stage.ringing().len(), 1, "{trouble}");
        stage.sandbox.dynamodb.set_fault(DynamoDbFault::None);
        stage.sandbox.slack.set_token_state(&stage.app, TokenState::Active);
        // The claim of the one that failed ends by itself, and it is due again some minutes later; here somebody sees to that.
        let mut item = stage.item();
        item.as_object_mut().unwrap().remove("lease_until");
        stage.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
        stage.let_silence_end();
        let done = stage.minute().await;
        assert!(done.outcome.is_success(), "{trouble}: {done:?} {}", stage.watch.log());
        assert_eq!(stage.ringing().len(), 2, "{trouble}: {:?}", stage.ringing());
    }
}

#[tokio::test]
async fn what_cannot_be_told_keeps_nobody_waiting() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.silence(&ts, KIM, "4h").await;
    stage.let_silence_end();
    // More than are asked for at once, all due before it, and nothing is kept of them.
    let own = stage.item();
    for number in 0..120 {
        let mut other = own.clone();
        other.as_object_mut().unwrap().remove("alert");
        other["pk"] = json!({"S": format!("alert|default|other-{number}")});
        other["due_at"] = json!({"N": ago(100 + number).timestamp_millis().to_string()});
        stage.sandbox.dynamodb.put_item(TABLE, &other).unwrap();
    }
    let failed = stage.minute().await;
    assert!(!failed.outcome.is_success());
    assert!(stage.watch.log().contains("alert_unreadable"), "{}", stage.watch.log());
    assert_eq!(stage.ringing().len(), 2, "{:?}", stage.ringing());
    // And they wait for two minutes.
    let answer = stage.minute().await.outcome.response_json().unwrap();
    assert_eq!(answer, json!({"due": 0, "done": 0}));
}

#[tokio::test]
async fn a_message_that_is_gone_rings_anew_with_buttons() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    stage.silence(&ts, KIM, "1h").await;
    assert!(stage.sandbox.slack.delete_message(CHANNEL, &ts));
    // While it is silenced nothing takes its place.
    stage.tell("second", "INSUFFICIENT_DATA", "ALARM", ago(20)).await;
    stage.tell("third", "ALARM", "INSUFFICIENT_DATA", ago(19)).await;
    assert_eq!(stage.ringing(), Vec::<String>::new());
    stage.let_silence_end();
    let done = stage.minute().await;
    assert!(done.outcome.is_success(), "{done:?}");
    assert!(!stage.ringing().is_empty());
    // What took its place is the alert's message: people act in it, and its end changes it.
    let ts = stage.incident()["receipt"]["message"].as_str().unwrap().to_owned();
    stage.press(&ts, LEE, "acknowledge").await;
    assert!(stage.shows(&ts).contains("<@U0LEE> is on it"), "{}", stage.told());
    stage.tell("end", "OK", "ALARM", ago(1)).await;
    assert!(stage.shows(&ts).starts_with("✅"), "{}", stage.shows(&ts));
}

#[tokio::test]
async fn what_rings_calls_whom_the_receiver_wants_and_many_are_a_digest() {
    let config =
        json!({"receivers": [{"name": "default", "mention": "<!subteam^S0OPS>"}], "digest_after": 3});
    let stage = Setup::config(config).start().await;
    put_rule(&stage, r#"alertname=~"alarm-.*""#, ago(-60));
    let tell = async |count: usize| {
        for number in 0..count {
            stage
                .relays(&change(&format!("d{number}"), &format!("alarm-{number}"), "ALARM", "OK", ago(5)))
                .await;
        }
    };
    tell(1).await;
    assert_eq!(stage.ringing(), Vec::<String>::new());
    end_rule(&stage);
    assert!(stage.minute().await.outcome.is_success());
    let ringing = stage.ringing();
    assert!(ringing.len() == 1 && ringing[0].contains("<!subteam^S0OPS>"), "{ringing:?}");
    // A storm that was held is no storm when it rings.
    put_rule(&stage, r#"alertname=~"alarm-.*""#, ago(-60));
    for number in 10..20 {
        stage.relays(&change(&format!("e{number}"), &format!("alarm-{number}"), "ALARM", "OK", ago(5))).await;
    }
    end_rule(&stage);
    let done = stage.minute().await;
    assert_eq!(
        done.outcome.response_json().unwrap(),
        json!({"due": 10, "done": 10}),
        "{}",
        stage.watch.log()
    );
    let ringing = stage.ringing();
    assert!(ringing.len() == 2 && ringing[1].starts_with("10 alerts: 🔴 10 firing"), "{ringing:?}");
}

#[tokio::test]
async fn a_rule_that_still_holds_or_is_followed_by_another_rings_not() {
    let stage = Setup::default().start().await;
    put_rule(&stage, r#"alertname="cpu""#, ago(-60));
    stage.tell("first", "ALARM", "OK", ago(5)).await;
    // Looked at before its time.
    make_due(&stage);
    assert_eq!(stage.minute().await.outcome.response_json().unwrap(), json!({"due": 1, "done": 1}));
    assert!(stage.ringing().is_empty() && !stage.item()["due_at"].is_null());
    // Another one holds it by now.
    put_rules(&stage, &[("rule-2", r#"alertname=~"c.*""#, ago(-60))]);
    make_due(&stage);
    assert!(stage.minute().await.outcome.is_success());
    assert!(stage.ringing().is_empty());
    assert_eq!(stage.item()["held_by"]["S"], "rule-2");
    put_rules(&stage, &[]);
    make_due(&stage);
    assert!(stage.minute().await.outcome.is_success());
    assert_eq!(stage.ringing().len(), 1);
}

/// Lets everything that is silenced be looked at.
fn make_due(stage: &Stage) {
    for mut item in stage.sandbox.dynamodb.items(TABLE) {
        if !item["due_at"].is_null() {
            item["due_at"] = json!({"N": ago(0).timestamp_millis().to_string()});
            stage.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
        }
    }
}

/// Ends the rule before its time, as `alertctl silence expire` does it.
fn end_rule(stage: &Stage) {
    put_rule(stage, r#"alertname="ended""#, ago(1));
    make_due(stage);
}

/// A rule in the table, as `alertctl silence add` writes it.
fn put_rule(stage: &Stage, matcher: &str, ends_at: DateTime<Utc>) {
    put_rules(stage, &[("rule-1", matcher, ends_at)]);
}

fn put_rules(stage: &Stage, rules: &[(&str, &str, DateTime<Utc>)]) {
    let rule = |(id, matcher, ends_at): &(&str, &str, DateTime<Utc>)| {
        json!({
            "id": id,
            "matchers": [matcher],
            "by": "kim",
            "comment": "ticket 7",
            "starts_at": ago(60).to_rfc3339(),
            "ends_at": ends_at.to_rfc3339(),
        })
    };
    let rules: Vec<_> = rules.iter().map(rule).collect();
    let item =
        json!({"pk": {"S": "silences"}, "version": {"N": "1"}, "silences": {"S": json!(rules).to_string()}});
    stage.sandbox.dynamodb.put_item(TABLE, &item).unwrap();
}

#[tokio::test]
async fn what_a_rule_silences_is_held_counted_and_said_when_it_ends() {
    let stage = Setup::default().start().await;
    put_rule(&stage, r#"alertname="cpu""#, ago(-60));
    stage.tell("first", "ALARM", "OK", ago(5)).await;
    stage.relays(&change("other", "disk", "ALARM", "OK", ago(5))).await;
    let ringing = stage.ringing();
    assert!(ringing.len() == 1 && ringing[0].starts_with("🔴 disk"), "{ringing:?}");
    let log = stage.relay.log();
    assert!(log.contains(r#""outcome":"silenced""#) && log.contains(r#""silenced":1"#), "{log}");
    assert_eq!(stage.minute().await.outcome.response_json().unwrap()["due"], 0);
    end_rule(&stage);
    let done = stage.minute().await;
    assert!(done.outcome.is_success(), "{done:?}");
    let ringing = stage.ringing();
    assert!(ringing.len() == 2 && ringing[1].starts_with("🔴 cpu"), "{ringing:?}");
    // It is its message from now on: with buttons, and changed when it is over.
    let message = stage.sandbox.slack.messages(CHANNEL).pop().unwrap();
    assert!(said(&message).contains(r#""action_id":"acknowledge""#), "{}", said(&message));
    stage.press(&message.ts, LEE, "acknowledge").await;
    assert!(stage.shows(&message.ts).contains("<@U0LEE> is on it"), "{}", stage.told());
    stage.tell("second", "OK", "ALARM", ago(1)).await;
    assert!(stage.shows(&message.ts).starts_with("✅"));
}

#[tokio::test]
async fn a_rule_that_takes_hold_of_a_message_is_shown_in_it() {
    let stage = Setup::default().start().await;
    let ts = stage.alarm().await;
    put_rule(&stage, r#"alertname="cpu""#, ago(-60));
    stage.tell("second", "INSUFFICIENT_DATA", "ALARM", ago(20)).await;
    let shown = stage.shows(&ts);
    assert!(shown.contains("🔕 *kim* has silenced it until") && shown.contains("(ticket 7)"), "{shown}");
    assert!(!shown.contains("undo_silence"), "{shown}");
    assert_eq!((stage.ringing().len(), stage.thread(&ts).len()), (1, 0));
    // A list that cannot be read, or not be asked for, silences nothing.
    let broken = json!({"pk": {"S": "silences"}, "version": {"N": "2"}, "silences": {"S": "no JSON"}});
    stage.sandbox.dynamodb.put_item(TABLE, &broken).unwrap();
    stage.tell("third", "OK", "INSUFFICIENT_DATA", ago(19)).await;
    assert_eq!(stage.thread(&ts).len(), 1);
    assert!(stage.relay.log().contains("the silences in the table cannot be read"));
}

fn config() -> Value {
    json!({"actions": {"silence_with": "cloudwatch"}})
}

#[tokio::test]
async fn on_wish_a_silence_is_cloudwatch_s_own_mute_rule() {
    let stage = Setup::config(config()).start().await;
    // The walkthrough's alarm is of an account of its own.
    let mut event = change("first", "cpu", "ALARM", "OK", ago(5));
    let mut alarm: Value =
        serde_json::from_str(event["Records"][0]["Sns"]["Message"].as_str().unwrap()).unwrap();
    let arn = stage.actions.arn();
    let account = arn.split(':').nth(4).unwrap();
    alarm["AWSAccountId"] = account.into();
    event["Records"][0]["Sns"]["Message"] = alarm.to_string().into();
    let known = json!({
        "AlarmName": "cpu", "Namespace": "AWS/EC2", "MetricName": "CPUUtilization", "Statistic": "Average",
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 50.0, "ComparisonOperator": "GreaterThanThreshold",
    });
    stage.sandbox.cloudwatch.put_metric_alarm(&known).unwrap();
    stage.relays(&event).await;
    let ts = stage.message();
    stage.silence(&ts, KIM, "1h").await;
    let rules = stage.sandbox.cloudwatch.mute_rules();
    assert_eq!(rules.len(), 1, "{} {:?}", stage.told(), stage.sandbox.cloudwatch.calls());
    let rule = rules[0].to_string();
    assert!(rule.contains("PT60M") && rule.contains("at(") && rule.contains(r#"["cpu"]"#), "{rule}");
    assert!(stage.shows(&ts).contains("has silenced it until"));
    stage.press(&ts, LEE, "undo_silence").await;
    assert_eq!(stage.sandbox.cloudwatch.mute_rules(), Vec::<Value>::new());
    // What has no end is no mute rule.
    stage.silence(&ts, KIM, "over").await;
    assert_eq!(stage.sandbox.cloudwatch.mute_rules(), Vec::<Value>::new());
    stage.press(&ts, KIM, "undo_silence").await;
    // Where it is refused, nothing was taken.
    stage.sandbox.cloudwatch.set_fault(alert_sandbox::aws::Fault::Deny);
    stage.silence(&ts, KIM, "4h").await;
    assert!(
        stage.told().contains("allow the function's role cloudwatch:PutAlarmMuteRule"),
        "{}",
        stage.told()
    );
    assert!(!stage.shows(&ts).contains("has silenced it"));
    // Where its answer comes too late nobody knows, and what may have been done is taken back.
    stage.sandbox.cloudwatch.set_fault(alert_sandbox::aws::Fault::Delay(std::time::Duration::from_secs(1)));
    stage.silence(&ts, KIM, "4h").await;
    assert!(stage.told().contains("did not answer in time"), "{}", stage.told());
    assert!(!stage.shows(&ts).contains("has silenced it"));
    stage.sandbox.cloudwatch.set_fault(alert_sandbox::aws::Fault::None);
    stage.silence(&ts, KIM, "1h").await;
    assert!(stage.shows(&ts).contains("has silenced it until"), "{}", stage.told());
    assert_eq!(stage.sandbox.cloudwatch.mute_rules().len(), 1);
}

#[tokio::test]
async fn an_alarm_of_another_account_is_silenced_by_the_table_alone() {
    let stage = Setup::config(config()).start().await;
    let mut event = change("first", "cpu", "ALARM", "OK", ago(5));
    let message = event["Records"][0]["Sns"]["Message"].as_str().unwrap();
    let mut alarm: Value = serde_json::from_str(message).unwrap();
    alarm["AWSAccountId"] = "999988887777".into();
    event["Records"][0]["Sns"]["Message"] = alarm.to_string().into();
    stage.relays(&event).await;
    let ts = stage.message();
    stage.silence(&ts, KIM, "1h").await;
    assert_eq!(stage.sandbox.cloudwatch.mute_rules(), Vec::<Value>::new());
    assert!(stage.shows(&ts).contains("has silenced it until"), "{}", stage.told());
}

#[tokio::test]
async fn grafana_s_own_silence_stays_beside_ours() {
    let stage = Setup::default().start().await;
    let file = "../../fixtures/grafana/filter_payload.sns.json";
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let event: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    stage.relays(&event).await;
    let ts = stage.message();
    let shown = stage.shows(&ts);
    assert!(shown.contains("Silence at its source") && shown.contains("/alerting/silence/new?"), "{shown}");
    stage.silence(&ts, KIM, "4h").await;
    assert!(stage.shows(&ts).contains("<@U0KIM> has silenced it until"), "{}", stage.told());
    assert!(stage.shows(&ts).contains("Silence at its source"));
}
