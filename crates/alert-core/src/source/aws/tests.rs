//! What holds for all services, and what their tests share.

use serde_json::Value;

use crate::alert::{Alert, Source};
use crate::envelope;

/// Every fixture of these services.
const FIXTURES: &[&str] = &[
    include_str!("../../../../../fixtures/autoscaling/launch-error.sns.json"),
    include_str!("../../../../../fixtures/autoscaling/launch-unsuccessful.eventbridge.json"),
    include_str!("../../../../../fixtures/autoscaling/test.sns.json"),
    include_str!("../../../../../fixtures/backup/completed-with-issues.sns.json"),
    include_str!("../../../../../fixtures/backup/completed.sns.json"),
    include_str!("../../../../../fixtures/backup/expired.sqs.json"),
    include_str!("../../../../../fixtures/backup/job-failed.eventbridge.json"),
    include_str!("../../../../../fixtures/budgets/actual.sns.json"),
    include_str!("../../../../../fixtures/budgets/forecasted.sqs-raw.json"),
    include_str!("../../../../../fixtures/codebuild/failed.sns.json"),
    include_str!("../../../../../fixtures/codebuild/nulls.eventbridge.json"),
    include_str!("../../../../../fixtures/codedeploy/failure.eventbridge.json"),
    include_str!("../../../../../fixtures/codepipeline/approval-needed.sns.json"),
    include_str!("../../../../../fixtures/codepipeline/failed.sns.json"),
    include_str!("../../../../../fixtures/codepipeline/succeeded.eventbridge.json"),
    include_str!("../../../../../fixtures/cost-anomaly/anomaly.eventbridge.json"),
    include_str!("../../../../../fixtures/cost-anomaly/anomaly.sns.json"),
    include_str!("../../../../../fixtures/dms/task-failed.sns.json"),
    include_str!("../../../../../fixtures/dms/task-stopped.eventbridge.json"),
    include_str!("../../../../../fixtures/ec2/spot-interruption.sns.json"),
    include_str!("../../../../../fixtures/ec2/stopped.eventbridge.json"),
    include_str!("../../../../../fixtures/ecs/deployment-failed.sns.json"),
    include_str!("../../../../../fixtures/ecs/start-impaired.eventbridge.json"),
    include_str!("../../../../../fixtures/ecs/steady-state.eventbridge.json"),
    include_str!("../../../../../fixtures/ecs/task-out-of-memory.sns.json"),
    include_str!("../../../../../fixtures/ecs/task-scaled-in.eventbridge.json"),
    include_str!("../../../../../fixtures/events/config-non-compliant.eventbridge.json"),
    include_str!("../../../../../fixtures/events/custom.eventbridge.json"),
    include_str!("../../../../../fixtures/events/empty-detail.eventbridge.json"),
    include_str!("../../../../../fixtures/events/root-sign-in.eventbridge.json"),
    include_str!("../../../../../fixtures/events/step-functions-failed.sns.json"),
    include_str!("../../../../../fixtures/glue/job-failed.sns.json"),
    include_str!("../../../../../fixtures/glue/job-late.eventbridge.json"),
    include_str!("../../../../../fixtures/guardduty/access-key.eventbridge.json"),
    include_str!("../../../../../fixtures/guardduty/finding.sns.json"),
    include_str!("../../../../../fixtures/guardduty/wrong-types.sqs-raw.json"),
    include_str!("../../../../../fixtures/health/issue-closed.sns.json"),
    include_str!("../../../../../fixtures/health/issue-open.sns.json"),
    include_str!("../../../../../fixtures/health/scheduled-change.sqs.json"),
    include_str!("../../../../../fixtures/inspector/package.sns.json"),
    include_str!("../../../../../fixtures/inspector/port-closed.eventbridge.json"),
    include_str!("../../../../../fixtures/rds/failover-completed.sqs.json"),
    include_str!("../../../../../fixtures/rds/failover-started.sns.json"),
    include_str!("../../../../../fixtures/rds/low-storage.eventbridge.json"),
    include_str!("../../../../../fixtures/s3/deleted.eventbridge.json"),
    include_str!("../../../../../fixtures/s3/removed.sns.json"),
    include_str!("../../../../../fixtures/s3/test.sns.json"),
    include_str!("../../../../../fixtures/securityhub/control-failed.sns.json"),
    include_str!("../../../../../fixtures/securityhub/ocsf.eventbridge.json"),
    include_str!("../../../../../fixtures/securityhub/several-findings.sns.json"),
    include_str!("../../../../../fixtures/ses/bounce.sns.json"),
    include_str!("../../../../../fixtures/ses/complaint.sqs.json"),
    include_str!("../../../../../fixtures/ses/delivery.eventbridge.json"),
    include_str!("../../../../../fixtures/trustedadvisor/limit.sns.json"),
];

/// The alerts in an invocation's event.
pub(super) fn alerts(event: &str) -> Vec<Alert> {
    envelope::decode(event.as_bytes()).records.iter().flat_map(crate::source::interpret).collect()
}

/// The only alert in an invocation's event.
pub(super) fn one(event: &str) -> Alert {
    let mut alerts = alerts(event);
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    alerts.remove(0)
}

/// The value of a fact.
pub(super) fn fact<'a>(alert: &'a Alert, name: &str) -> &'a str {
    let fact = alert.facts.iter().find(|fact| fact.name == name);
    &fact.unwrap_or_else(|| panic!("no fact {name:?} among {:#?}", alert.facts)).value
}

#[test]
fn every_fixture_is_read_by_its_service() {
    for fixture in FIXTURES {
        for alert in alerts(fixture) {
            assert!(matches!(alert.source, Source::Aws(_)), "{alert:#?}");
            assert!(!alert.name.trim().is_empty());
            assert!(!alert.state_value.trim().is_empty(), "{alert:#?}");
            assert_eq!(alert.labels.get("alertname"), alert.name);
            assert_eq!(alert.labels.get("state"), alert.state.as_label());
            assert!(!alert.labels.get("source").is_empty(), "{alert:#?}");
            assert!(alert.changed_at.is_some(), "{alert:#?}");
            assert!(alert.facts.iter().all(|fact| !fact.value.trim().is_empty()), "{alert:#?}");
        }
    }
}

/// The messages in the fixtures, with one value after the other replaced by one that nobody expects.
#[test]
fn no_wrong_value_loses_a_message() {
    let strange = [
        Value::Null,
        Value::Bool(true),
        serde_json::json!(-1.5e300),
        serde_json::json!([[{}]]),
        Value::String("높\u{0}%zz<!channel>".repeat(50)),
    ];
    for fixture in FIXTURES {
        for record in envelope::decode(fixture.as_bytes()).records {
            let message = match &record.body {
                envelope::Body::Json(json) => json.clone(),
                envelope::Body::Text(text) => {
                    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
                }
            };
            let mut places = Vec::new();
            collect(&message, String::new(), &mut places);
            for place in &places {
                for value in &strange {
                    let mut changed = message.clone();
                    *changed.pointer_mut(place).unwrap() = value.clone();
                    let mut record = record.clone();
                    record.body = envelope::Body::Json(changed);
                    let alerts = crate::source::interpret(&record);
                    assert!(!alerts.is_empty(), "{place} of {message}");
                    assert!(alerts.iter().all(|alert| !alert.name.trim().is_empty()), "{place} of {message}");
                }
            }
        }
    }
}

/// A JSON pointer to every value.
fn collect(value: &Value, place: String, places: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = key.replace('~', "~0").replace('/', "~1");
                collect(value, format!("{place}/{key}"), places);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, format!("{place}/{index}"), places);
            }
        }
        _ => {}
    }
    places.push(place);
}
