//! Any other EventBridge event: what kind it is, and the facts of its `detail` that can be read at a glance.
//!
//! Form: Amazon EventBridge User Guide, "AWS service event metadata" and, for custom events, "PutEvents".

use serde_json::Value;

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::{outcome, severity, spoken};
use crate::alert::{Alert, State};
use crate::source::Message;

const FACTS_MAX: usize = 12;
/// Longer values are no facts but documents; they stay in the JSON.
const FACT_MAX_CHARS: usize = 200;

/// Services by the names that people know, where the source says less.
const NAMES: [(&str, &str); 28] = [
    ("aws.acm", "Certificate Manager"),
    ("aws.access-analyzer", "IAM Access Analyzer"),
    ("aws.batch", "Batch"),
    ("aws.cloudformation", "CloudFormation"),
    ("aws.cloudwatch", "CloudWatch"),
    ("aws.codecommit", "CodeCommit"),
    ("aws.config", "Config"),
    ("aws.devops-guru", "DevOps Guru"),
    ("aws.ec2", "EC2"),
    ("aws.ecr", "ECR"),
    ("aws.ecs", "ECS"),
    ("aws.eks", "EKS"),
    ("aws.emr", "EMR"),
    ("aws.events", "EventBridge"),
    ("aws.glue", "Glue"),
    ("aws.guardduty", "GuardDuty"),
    ("aws.iam", "IAM"),
    ("aws.inspector2", "Inspector"),
    ("aws.kms", "KMS"),
    ("aws.macie", "Macie"),
    ("aws.rds", "RDS"),
    ("aws.s3", "S3"),
    ("aws.secretsmanager", "Secrets Manager"),
    ("aws.securityhub", "Security Hub"),
    ("aws.signin", "Sign-in"),
    ("aws.ssm", "Systems Manager"),
    ("aws.states", "Step Functions"),
    ("aws.support", "Support"),
];

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::any(message)?;
    let detail = event.detail();
    let status = status(detail.value(), 0);
    let state = state(&event, status.as_deref());
    let name = (!event.detail_type.trim().is_empty()).then(|| event.detail_type.trim().to_owned());
    let name = name.unwrap_or_else(|| format!("Event of {}", event.source));
    let mut draft =
        event.draft(&service(event.source), Some(name), state, status.or(Some("event".to_owned())));
    let word = detail.value().get("severity").and_then(Value::as_str).or_else(|| {
        let severity = detail.value().get("severity")?;
        severity.get("description").or_else(|| severity.get("Label"))?.as_str()
    });
    draft.severity(word.filter(|word| severity(word).is_some()));
    let text =
        |keys: [&str; 3]| keys.iter().find_map(|key| detail.value().get(*key)?.as_str()).map(str::to_owned);
    draft.alert.summary = text(["title", "Title", "summary"]).filter(|text| !text.trim().is_empty());
    draft.alert.description =
        text(["description", "Description", "message"]).filter(|text| !text.trim().is_empty());
    let resources: Vec<String> = event.resources().map(str::to_owned).collect();
    facts(&mut draft, &detail);
    draft.fact_lines("Resources", &resources, FACTS_MAX);
    Some(vec![draft.finish_unknown(&detail)])
}

/// What people call the service; an event of somebody's own is one of EventBridge.
fn service(source: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == source) {
        return (*name).to_owned();
    }
    source
        .strip_prefix("aws.")
        .filter(|rest| !rest.is_empty())
        .map_or_else(|| "EventBridge".to_owned(), spoken)
}

fn state(event: &Event<'_>, status: Option<&str>) -> State {
    let word = status.map(|status| status.to_ascii_uppercase().replace([' ', '-'], "_")).unwrap_or_default();
    let is_bad = ["FAILED", "FAILURE", "NON_COMPLIANT", "THREATS_FOUND", "UNHEALTHY", "IMPAIRED", "ERROR"];
    if matches!(outcome(&word), State::Firing) || is_bad.iter().any(|bad| word.ends_with(bad)) {
        return State::Firing;
    }
    let is_finding = event.source.starts_with("aws.") && event.detail_type.ends_with("Finding");
    if is_finding && !["ARCHIVED", "RESOLVED", "CLOSED"].contains(&word.as_str()) {
        return State::Firing;
    }
    State::Informational
}

/// The value of the first key that names a state, at most two levels down.
fn status(value: &Value, depth: usize) -> Option<String> {
    const WORDS: [&str; 5] = ["status", "state", "compliancetype", "result", "executionstatus"];
    let object = value.as_object()?;
    let here = WORDS.iter().find_map(|word| {
        object.iter().find_map(|(key, value)| {
            let key = key.to_ascii_lowercase().replace(['-', '_'], "");
            (key == *word || key.ends_with(word)).then(|| value.as_str()).flatten()
        })
    });
    let here = here.map(str::trim).filter(|word| !word.is_empty() && word.chars().count() <= 40);
    here.map(str::to_owned).or_else(|| {
        // What was before is not what is now.
        let inner = object.iter().filter(|(key, _)| !key.starts_with("old") && !key.starts_with("previous"));
        (depth < 2)
            .then(|| inner.map(|(_, value)| value).find_map(|value| status(value, depth + 1)))
            .flatten()
    })
}

/// The values of `detail` itself, and then those one level down.
fn facts(draft: &mut Draft, detail: &Fields<'_>) {
    let mut facts: Vec<(String, String)> = Vec::new();
    let object = detail.value().as_object();
    for (key, value) in object.into_iter().flatten() {
        facts.extend(readable(value).map(|value| (spoken(key), value)));
    }
    for (key, value) in object.into_iter().flatten() {
        for (inner, value) in value.as_object().into_iter().flatten() {
            facts.extend(
                readable(value)
                    .map(|value| (format!("{} {}", spoken(key), spoken(inner).to_lowercase()), value)),
            );
        }
    }
    let known = &draft.alert;
    let already =
        [known.summary.clone(), known.description.clone(), known.account.clone(), known.region.clone()];
    for (name, value) in
        facts.into_iter().filter(|(_, value)| !already.contains(&Some(value.clone()))).take(FACTS_MAX)
    {
        draft.fact(&name, Some(value));
    }
}

fn readable(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        Value::Array(items) if !items.is_empty() && items.len() <= 5 => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts?.join(", ")
        }
        _ => return None,
    };
    // JSON within a text is for machines.
    let is_json = text.starts_with('{') || text.starts_with('[');
    (!text.is_empty() && !is_json && text.chars().count() <= FACT_MAX_CHARS).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Source;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn events_that_nobody_knows() {
        let failed = one(include_str!("../../../../../fixtures/events/step-functions-failed.sns.json"));
        assert_eq!(failed.name, "Step Functions Execution Status Change");
        assert_eq!(failed.source, Source::Aws("Step Functions".to_owned()));
        assert_eq!((failed.state, failed.state_value.as_str()), (State::Firing, "FAILED"));
        assert_eq!(fact(&failed, "Name"), "settle-2026-09-14");

        let compliance =
            one(include_str!("../../../../../fixtures/events/config-non-compliant.eventbridge.json"));
        assert_eq!((compliance.state, compliance.state_value.as_str()), (State::Firing, "NON_COMPLIANT"));

        let custom = one(include_str!("../../../../../fixtures/events/custom.eventbridge.json"));
        assert_eq!(
            (custom.source, custom.state),
            (Source::Aws("EventBridge".to_owned()), State::Informational)
        );
        assert_eq!(custom.labels.get("source"), "shop.orders");
        assert!(custom.raw.unwrap().contains("the label was printed twice"));

        let empty = one(include_str!("../../../../../fixtures/events/empty-detail.eventbridge.json"));
        assert_eq!(empty.name, "Scheduled Event");
    }
}
