//! AWS Backup's jobs.
//!
//! Forms: the plain text that a vault publishes to SNS, with message attributes; and EventBridge events of `aws.backup`.
//! Sources: AWS Backup Developer Guide, "Notification options with AWS Backup" and "Monitoring AWS Backup events using Amazon
//! EventBridge". Some events call their state `state`, others `status`.

use super::draft::Draft;
use super::event::Event;
use super::fields::moment;
use super::words::{bytes, last_part, outcome, spoken};
use crate::alert::{Alert, State};
use crate::source::Message;

/// The job's id, by the kind of job.
const JOBS: [&str; 3] = ["backupJobId", "copyJobId", "restoreJobId"];

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    if let Some(event) = Event::of(message, "aws.backup") {
        return Some(vec![from_event(&event)]);
    }
    from_text(message).map(|alert| vec![alert])
}

fn from_event(event: &Event<'_>) -> Alert {
    let detail = event.detail();
    let status = detail.text("state").or_else(|| detail.text("status"));
    let explanation = detail.text("statusMessage").or_else(|| detail.text("message"));
    let resource = detail.text("resourceArn").or_else(|| detail.text("createdResourceArn"));
    let is_completed = status.as_deref() == Some("COMPLETED");
    // The console calls a completed job that has something to say "Completed with issues".
    let state = match (&status, &explanation) {
        (Some(_), Some(_)) if is_completed => State::Informational,
        (Some(status), _) => outcome(status),
        (None, _) => State::Informational,
    };
    let name =
        resource.as_deref().map(|arn| last_part(arn).to_owned()).or_else(|| detail.text("backupVaultName"));
    let mut draft = event.draft("AWS Backup", name, state, status);
    draft.alert.summary = Some(event.detail_type.to_owned());
    draft.alert.reason = explanation.map(|text| text.trim_matches('"').to_owned());
    draft.alert.starts_at = detail.time("creationDate").or_else(|| detail.time("startTime"));
    draft.alert.changed_at = detail.time("completionDate").or(draft.alert.changed_at);
    draft.fact("Resource", resource);
    draft.fact("Resource type", detail.text("resourceType"));
    let vault = detail.text("backupVaultName").or_else(|| detail.text("destinationBackupVaultArn"));
    draft.label("vault", vault.as_deref().unwrap_or_default());
    draft.fact("Vault", vault);
    draft.fact("Size", detail.number("backupSizeInBytes").filter(|size| *size > 0.0).map(bytes));
    draft.fact("Done", detail.text("percentDone").map(|done| format!("{done} %").replace(" % %", " %")));
    let job = JOBS.iter().find_map(|key| detail.text(key));
    draft.state_of("job", job.clone());
    draft.fact("Job", job);
    draft.finish(&detail)
}

fn from_text(message: &Message<'_>) -> Option<Alert> {
    let record = message.record;
    let text = message.text.filter(|_| message.json.is_none())?.trim();
    let attribute =
        |names: [&str; 2]| names.iter().find_map(|name| record.attributes.get(*name)).map(String::as_str);
    let kind = attribute(["EventType", "eventType"]);
    let is_backup = record.subject.as_deref().map(str::trim) == Some("Notification from AWS Backup")
        || text.starts_with("An AWS Backup ");
    if !is_backup {
        return None;
    }
    let status = attribute(["State", "IndexStatus"]);
    let state = match (status, kind) {
        (Some(status), _) => outcome(status),
        (None, Some(kind)) if kind.ends_with("FAILED") => State::Firing,
        (None, _) => state_in(text),
    };
    let resource = after(text, &["Resource ARN :", "Resource ARN:", "recovery point arn:", "Resource:"]);
    let name = resource
        .map(last_part)
        .or_else(|| attribute(["clusterName", "resourceName"]))
        .or(record.subject.as_deref())
        .unwrap_or("AWS Backup");
    let state_value = status.or(kind).unwrap_or("notification");
    let mut draft = Draft::of(message, "AWS Backup", name, state, state_value);
    // The sentence, without the ids that the facts show.
    let sentence = text.split(". ").next().unwrap_or(text).trim_end_matches('.');
    draft.alert.summary = Some(format!("{sentence}."));
    draft.alert.reason = attribute(["reason", "Reason"]).map(str::to_owned);
    if let Some(arn) = resource {
        draft.place(arn);
    }
    draft.account(attribute(["AccountId", "accountId"]).map(str::to_owned));
    draft.alert.starts_at = attribute(["StartTime", "startTime"]).and_then(moment);
    draft.label("source", "backup");
    draft.label("event", kind.unwrap_or_default());
    draft.fact("Resource", resource);
    draft.fact("Recovery point", after(text, &["Recovery point ARN:", "Recovery point ARN :"]));
    let job = after(
        text,
        &["BackupJob ID :", "BackupJob ID:", "RestoreJob ID:", "RestoreJob ID :", "CopyJob ID :"],
    )
    .or_else(|| attribute(["Id", "backupJobId"]));
    draft.fact("Job", job);
    draft.fact("Event", kind.map(|kind| spoken(&kind.to_ascii_lowercase())));
    draft.fact("Cluster", attribute(["clusterName", "ClusterName"]));
    draft.state_of("job", job.map(str::to_owned));
    Some(draft.finish_text(text))
}

/// What follows one of these words, up to the end of its sentence.
fn after<'t>(text: &'t str, words: &[&str]) -> Option<&'t str> {
    let rest = words.iter().find_map(|words| text.split_once(words))?.1.trim_start();
    let value = rest.split_whitespace().next()?.trim_end_matches(['.', ',']);
    (!value.is_empty()).then_some(value)
}

fn state_in(text: &str) -> State {
    let text = text.to_ascii_lowercase();
    if text.contains("failed") || text.contains("stopped") || text.contains("expired") {
        State::Firing
    } else if text.contains("completed") || text.contains("successful") {
        State::Resolved
    } else {
        State::Informational
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn plain_texts() {
        let done = one(include_str!("../../../../../fixtures/backup/completed.sns.json"));
        assert_eq!(done.name, "vol-0c4d1e2f3a4b5c6d7");
        assert_eq!((done.state, done.state_value.as_str()), (State::Resolved, "COMPLETED"));
        assert_eq!(done.summary.as_deref(), Some("An AWS Backup job was completed successfully."));
        assert_eq!(fact(&done, "Job"), "1b2345b2-f22c-4dab-5eb6-bbc7890ed123");
        assert_eq!(done.region.as_deref(), Some("ap-northeast-2"));

        let failed = one(include_str!("../../../../../fixtures/backup/expired.sqs.json"));
        assert_eq!((failed.state, failed.state_value.as_str()), (State::Firing, "EXPIRED"));
        assert_eq!(failed.raw, None);
    }

    #[test]
    fn an_event() {
        let alert = one(include_str!("../../../../../fixtures/backup/job-failed.eventbridge.json"));
        assert_eq!(alert.name, "orders-prod");
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Firing, "FAILED"));
        assert!(alert.reason.unwrap().contains("Access denied"));
    }

    #[test]
    fn completed_with_issues_is_no_success() {
        let alert = one(include_str!("../../../../../fixtures/backup/completed-with-issues.sns.json"));
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Informational, "COMPLETED"));
        assert_eq!(fact(&alert, "Size"), "48.3 GB");
    }
}
