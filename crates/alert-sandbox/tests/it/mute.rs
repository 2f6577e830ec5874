//! The rules that mute alarms, by AWS's own SDK.

use std::time::{Duration, SystemTime};

use alert_sandbox::Sandbox;
use alert_sandbox::aws::Fault;
use alert_sandbox::cloudwatch::MUTED_ALARMS_MAX;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::operation::put_alarm_mute_rule::builders::PutAlarmMuteRuleFluentBuilder;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{AlarmMuteRuleStatus, MuteTargets, Rule, Schedule, Tag};
use chrono::{TimeDelta, Utc};
use serde_json::{Value, json};

async fn with_alarms(names: &[String]) -> Sandbox {
    let sandbox = super::sandbox().await;
    for name in names {
        let alarm = json!({
            "AlarmName": name, "Namespace": "App", "MetricName": "Errors", "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
        });
        sandbox.cloudwatch.put_metric_alarm(&alarm).unwrap();
    }
    sandbox
}

async fn with_an_alarm() -> Sandbox {
    with_alarms(&["errors".to_owned()]).await
}

/// The expression for a minute that is so far from now.
fn at(away: TimeDelta) -> String {
    format!("at({})", (Utc::now() + away).format("%Y-%m-%dT%H:%M"))
}

fn put(sandbox: &Sandbox, expression: &str, duration: &str) -> PutAlarmMuteRuleFluentBuilder {
    let schedule = Schedule::builder().expression(expression).duration(duration).build();
    super::sdk::cloudwatch(&sandbox.cloudwatch.url())
        .put_alarm_mute_rule()
        .name("silence")
        .rule(Rule::builder().schedule(schedule).build())
        .mute_targets(MuteTargets::builder().alarm_names("errors").build())
}

async fn status(sandbox: &Sandbox) -> AlarmMuteRuleStatus {
    let client = super::sdk::cloudwatch(&sandbox.cloudwatch.url());
    client.get_alarm_mute_rule().alarm_mute_rule_name("silence").send().await.unwrap().status.unwrap()
}

#[tokio::test]
async fn a_rule_is_put_told_replaced_and_deleted() {
    let sandbox = with_an_alarm().await;
    let client = super::sdk::cloudwatch(&sandbox.cloudwatch.url());
    let expression = at(TimeDelta::minutes(-1));
    let expiry = DateTime::from(SystemTime::now() + Duration::from_hours(24));
    let request = put(&sandbox, &expression, "PT1H").description("By alice").expire_date(expiry);
    request.send().await.unwrap();
    let told = client.get_alarm_mute_rule().alarm_mute_rule_name("silence").send().await.unwrap();
    assert_eq!((told.name(), told.description()), (Some("silence"), Some("By alice")));
    assert_eq!(told.status(), Some(&AlarmMuteRuleStatus::Active));
    assert_eq!(told.mute_targets().unwrap().alarm_names(), ["errors"]);
    let schedule = told.rule().unwrap().schedule().unwrap();
    assert_eq!((schedule.expression(), schedule.duration()), (Some(expression.as_str()), Some("PT1H")));
    assert_eq!(told.expire_date().unwrap().secs(), expiry.secs());
    assert_eq!((told.start_date(), told.mute_type()), (None, Some("ONE_TIME")));
    assert!(told.last_updated_timestamp().unwrap().secs() > 1_700_000_000);
    let arn = "arn:aws:cloudwatch:us-east-1:123456789012:alarm-mute-rule:silence";
    assert_eq!(told.alarm_mute_rule_arn(), Some(arn));

    put(&sandbox, &expression, "P2DT12H").send().await.unwrap();
    let [rule] = &sandbox.cloudwatch.mute_rules()[..] else { panic!("one name, one rule") };
    let schedule = json!({"Expression": expression, "Duration": "P2DT12H"});
    assert_eq!((&rule["Rule"]["Schedule"], rule.get("Description")), (&schedule, None));

    for _ in 0..2 {
        client.delete_alarm_mute_rule().alarm_mute_rule_name("silence").send().await.unwrap();
        assert!(sandbox.cloudwatch.mute_rules().is_empty());
    }
    let error = client.get_alarm_mute_rule().alarm_mute_rule_name("silence").send().await.unwrap_err();
    assert_eq!(error.raw_response().unwrap().status().as_u16(), 404);
    assert!(error.into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn what_a_rule_does_at_a_time() {
    let sandbox = with_an_alarm().await;
    let day = |days: i64| DateTime::from_secs((Utc::now() + TimeDelta::days(days)).timestamp());
    for (away, duration, start, expiry, expected) in [
        (TimeDelta::minutes(5), "PT1M", None, None, AlarmMuteRuleStatus::Scheduled),
        (TimeDelta::minutes(-5), "PT10M", None, None, AlarmMuteRuleStatus::Active),
        (TimeDelta::minutes(-15), "PT10M", None, None, AlarmMuteRuleStatus::Expired),
        (TimeDelta::days(-14), "P15D", None, Some(day(-1)), AlarmMuteRuleStatus::Expired),
        (TimeDelta::days(-14), "P15D", Some(day(1)), Some(day(2)), AlarmMuteRuleStatus::Scheduled),
    ] {
        let request = put(&sandbox, &at(away), duration).set_start_date(start).set_expire_date(expiry);
        request.send().await.unwrap();
        assert_eq!(status(&sandbox).await, expected, "{away} {duration}");
    }
}

async fn refusal(request: PutAlarmMuteRuleFluentBuilder) -> (String, String) {
    let error = request.send().await.unwrap_err();
    (error.code().unwrap().to_owned(), error.message().unwrap().to_owned())
}

#[tokio::test]
async fn rules_that_are_refused() {
    let sandbox = with_an_alarm().await;
    let now = at(TimeDelta::zero());
    let fine = || put(&sandbox, &now, "PT1H");
    let zone = |zone: &str| {
        let schedule = Schedule::builder().expression(&now).duration("PT1H").timezone(zone).build();
        fine().rule(Rule::builder().schedule(schedule).build())
    };
    let of =
        |names: Vec<String>| fine().mute_targets(MuteTargets::builder().set_alarm_names(Some(names)).build());
    assert!(zone("UTC").send().await.is_ok());
    let tag = Tag::builder().key("k").value("v").build();
    for (request, code, part) in [
        (fine().set_name(None), "MissingParameter", "Name"),
        (fine().name(""), "ValidationError", "length between 1 and 255"),
        (fine().name("x".repeat(256)), "ValidationError", "length between 1 and 255"),
        (fine().description("x".repeat(1025)), "ValidationError", "description"),
        (fine().set_rule(None), "MissingParameter", "Rule"),
        (fine().rule(Rule::builder().build()), "MissingParameter", "Schedule"),
        (fine().tags(tag), "ValidationError", "does not know Tags"),
        (
            put(&sandbox, "cron(0 2 * * *)", "PT1H"),
            "ValidationError",
            "does not know schedules that come again",
        ),
        (zone("Europe/Berlin"), "ValidationError", "does not know time zones but UTC"),
        (put(&sandbox, "at(2026-01-02T03:04:05)", "PT1H"), "ValidationError", "Invalid schedule expression"),
        (put(&sandbox, "at(2026-02-30T03:04)", "PT1H"), "ValidationError", "Invalid schedule expression"),
        (put(&sandbox, "2026-01-02T03:04", "PT1H"), "ValidationError", "Invalid schedule expression"),
        (put(&sandbox, &now, "1h"), "ValidationError", "Invalid duration"),
        (put(&sandbox, &now, "P"), "ValidationError", "Invalid duration"),
        (put(&sandbox, &now, "PT"), "ValidationError", "Invalid duration"),
        (put(&sandbox, &now, "P1H"), "ValidationError", "Invalid duration"),
        (put(&sandbox, &now, "PT-1H"), "ValidationError", "Invalid duration"),
        (put(&sandbox, &now, "PT0M"), "ValidationError", "between PT1M and P15D"),
        (put(&sandbox, &now, "P15DT1M"), "ValidationError", "between PT1M and P15D"),
        (of(vec!["none".to_owned()]), "ValidationError", "The alarm none does not exist"),
        (
            fine().start_date(DateTime::from_secs(2)).expire_date(DateTime::from_secs(1)),
            "ValidationError",
            "later",
        ),
    ] {
        let (got, message) = refusal(request).await;
        assert_eq!(got, code, "{message}");
        assert!(message.contains(part), "{message}");
    }
    let names: Vec<_> = (0..=MUTED_ALARMS_MAX).map(|number| number.to_string()).collect();
    let sandbox = with_alarms(&names).await;
    let of = |names: &[String]| {
        let targets = MuteTargets::builder().set_alarm_names(Some(names.to_vec())).build();
        put(&sandbox, &now, "PT1H").mute_targets(targets)
    };
    assert!(of(&names[1..]).send().await.is_ok());
    assert_eq!(refusal(of(&names)).await.0, "ValidationError");
}

#[tokio::test]
async fn faults_and_json() {
    let sandbox = with_an_alarm().await;
    let now = at(TimeDelta::zero());
    sandbox.cloudwatch.set_fault_for("PutAlarmMuteRule", Fault::Deny);
    let (code, message) = refusal(put(&sandbox, &now, "PT1H")).await;
    assert_eq!(code, "AccessDenied");
    assert!(message.contains("cloudwatch:PutAlarmMuteRule on resource: arn:aws:cloudwatch:"), "{message}");
    assert!(message.contains(":alarm-mute-rule:*"), "{message}");
    sandbox.cloudwatch.set_fault(Fault::Throttle(1));
    assert_eq!(refusal(put(&sandbox, &now, "PT1H")).await.0, "Throttling");
    assert!(sandbox.cloudwatch.mute_rules().is_empty());
    put(&sandbox, &now, "PT1H").send().await.unwrap();
    assert_eq!(sandbox.cloudwatch.count("PutAlarmMuteRule"), 3);

    let call = async |operation: &str, request: Value| {
        let target = format!("GraniteServiceVersion20100801.{operation}");
        super::call_json(&sandbox.cloudwatch.url(), "monitoring", &target, &request).await
    };
    let (status, told) = call("GetAlarmMuteRule", json!({"AlarmMuteRuleName": "silence"})).await;
    assert_eq!((status, &told["MuteTargets"]["AlarmNames"]), (200, &json!(["errors"])));
    let (status, error) = call("GetAlarmMuteRule", json!({"AlarmMuteRuleName": "none"})).await;
    assert_eq!(
        (status, &error["__type"]),
        (404, &json!("com.amazonaws.cloudwatch#ResourceNotFoundException"))
    );
}
