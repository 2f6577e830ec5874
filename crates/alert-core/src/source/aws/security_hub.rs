//! AWS Security Hub's findings, one alert for each.
//!
//! Forms: EventBridge events `Security Hub Findings - Imported` and `Security Hub Findings - Custom Action` of
//! `aws.securityhub` with findings in the AWS Security Finding Format, and `Findings Imported V2` with findings in OCSF.
//! Sources: Security Hub User Guide, "EventBridge event formats for Security Hub CSPM", "AWS Security Finding Format
//! (ASFF)", "EventBridge event formats" and "OCSF findings in Security Hub"; Security Hub API Reference, `Severity`.

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::severity;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

const RESOURCES_MAX: usize = 5;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.securityhub")?;
    let detail = event.detail();
    let findings = detail.items("findings");
    let total = findings.len();
    let alert = |(index, finding): (usize, &Fields<'_>)| {
        let mut alert = if !finding.is_object() {
            unreadable(&event, finding)
        } else if finding.object("finding_info").is_some() {
            ocsf(&event, finding)
        } else {
            asff(&event, &detail, finding)
        };
        if total > 1 {
            alert.notes.push(format!("Finding {} of {total} in one message.", index + 1));
        }
        alert
    };
    // Without findings it is a kind of event that is not known here, such as the results of an insight.
    (total > 0).then(|| findings.iter().enumerate().map(alert).collect())
}

fn unreadable(event: &Event<'_>, finding: &Fields<'_>) -> Alert {
    let mut draft = event.draft("Security Hub", None, State::Firing, Some("not understood".to_owned()));
    draft.alert.notes.push("This finding cannot be read: it is no object.".to_owned());
    draft.alert.raw = Some(finding.value().to_string());
    draft.finish(finding)
}

fn asff(event: &Event<'_>, detail: &Fields<'_>, finding: &Fields<'_>) -> Alert {
    let label = finding
        .text("Severity.Label")
        .or_else(|| finding.number("Severity.Normalized").map(|value| label_of(value).to_owned()));
    let workflow = finding.text("Workflow.Status");
    let compliance = finding.text("Compliance.Status");
    let is_informational = label.as_deref() == Some("INFORMATIONAL");
    let state = match (workflow.as_deref(), finding.text("RecordState").as_deref(), compliance.as_deref()) {
        (Some("RESOLVED"), _, _) | (_, Some("ARCHIVED"), _) | (_, _, Some("PASSED")) => State::Resolved,
        (Some("SUPPRESSED"), _, _) => State::Informational,
        (_, _, Some("FAILED")) => State::Firing,
        _ if is_informational => State::Informational,
        _ => State::Firing,
    };
    let name = finding.text("Title").or_else(|| finding.text("GeneratorId"));
    let state_value = match state {
        State::Resolved if workflow.as_deref() == Some("RESOLVED") => workflow.clone(),
        State::Resolved => compliance.clone().or_else(|| finding.text("RecordState")),
        _ => label.clone(),
    };
    let mut draft = event.draft("Security Hub", name, state, state_value);
    draft.severity(label.as_deref());
    draft.account(finding.text("AwsAccountId"));
    draft.region(finding.text("Region"));
    draft.alert.description = finding.text("Description");
    draft.alert.starts_at = finding.time("FirstObservedAt").or_else(|| finding.time("CreatedAt"));
    draft.alert.changed_at = finding.time("UpdatedAt").or(draft.alert.changed_at);
    draft.fact("Severity", label.as_deref().map(|label| severity(label).unwrap_or(label).to_owned()));
    draft.fact("Compliance", compliance.map(|status| status.to_ascii_lowercase()));
    let control =
        finding.text("Compliance.SecurityControlId").or_else(|| finding.text("ProductFields.ControlId"));
    draft.label("control", control.as_deref().unwrap_or_default());
    draft.fact("Control", control);
    draft.fact_lines("Resource", &resources(&finding.items("Resources"), "Type", "Id"), RESOURCES_MAX);
    let product =
        finding.text("ProductName").or_else(|| finding.text("ProductFields.aws/securityhub/ProductName"));
    draft.label("product", product.as_deref().unwrap_or_default());
    draft.fact("Product", product);
    draft.fact_lines("Type", &finding.texts("Types"), RESOURCES_MAX);
    draft.fact("Workflow", workflow.map(|status| status.to_ascii_lowercase()));
    draft.fact("Remediation", finding.text("Remediation.Recommendation.Text"));
    draft.fact("Sent by", detail.text("actionName"));
    draft.link(LinkKind::Runbook, finding.text("Remediation.Recommendation.Url"));
    let id = finding.text("Id");
    link(&mut draft, id.as_deref());
    draft.state_of("finding", id);
    draft.finish(finding)
}

fn ocsf(event: &Event<'_>, finding: &Fields<'_>) -> Alert {
    let label = finding.text("severity").or_else(|| finding.text("vendor_attributes.severity"));
    let status = finding.text("status");
    let state = match (status.as_deref(), finding.text("compliance.status").as_deref()) {
        (Some("Resolved" | "Archived"), _) | (_, Some("Pass")) => State::Resolved,
        (Some("Suppressed"), _) => State::Informational,
        _ if label.as_deref() == Some("Informational") => State::Informational,
        _ => State::Firing,
    };
    let name = finding.text("finding_info.title");
    let state_value = match state {
        State::Firing => label.as_deref().map(str::to_ascii_uppercase),
        _ => status.clone().or_else(|| label.clone()),
    };
    let mut draft = event.draft("Security Hub", name, state, state_value);
    draft.severity(label.as_deref());
    draft.account(finding.text("cloud.account.uid"));
    draft.region(finding.text("cloud.region"));
    draft.partition = finding.text("cloud.cloud_partition").or(draft.partition);
    draft.alert.description = finding.text("finding_info.desc");
    draft.alert.starts_at = finding
        .time("finding_info.first_seen_time_dt")
        .or_else(|| finding.time("finding_info.created_time_dt"));
    draft.alert.changed_at = finding.time("finding_info.modified_time_dt").or(draft.alert.changed_at);
    draft.fact("Severity", label.as_deref().map(str::to_ascii_lowercase));
    draft.fact("Status", status);
    draft.fact("Compliance", finding.text("compliance.status"));
    let control = finding.text("compliance.control");
    draft.label("control", control.as_deref().unwrap_or_default());
    draft.fact("Control", control);
    draft.fact_lines("Resource", &resources(&finding.items("resources"), "type", "uid"), RESOURCES_MAX);
    let product = finding.text("metadata.product.name");
    draft.label("product", product.as_deref().unwrap_or_default());
    draft.fact("Product", product);
    draft.fact_lines("Type", &finding.texts("finding_info.types"), RESOURCES_MAX);
    draft.fact("Remediation", finding.text("remediation.desc"));
    draft.fact("Comment", finding.text("comment"));
    draft.link(LinkKind::Runbook, finding.texts("remediation.references").into_iter().next());
    draft.state_of("finding", finding.text("finding_info.uid").or_else(|| finding.text("metadata.uid")));
    draft.finish(finding)
}

/// The search for the finding's id, in the form that AWS's own solutions use.
fn link(draft: &mut Draft, id: Option<&str>) {
    draft.console(
        LinkKind::Details,
        "/securityhub/home?region={region}#/findings?search=Id%3D%255Coperator%255C%253AEQUALS%255C%253A{}",
        &[id],
    );
}

fn resources(resources: &[Fields<'_>], kind: &str, id: &str) -> Vec<String> {
    let line = |resource: &Fields<'_>| match (resource.text(kind), resource.text(id)) {
        (Some(kind), Some(id)) => Some(format!("{kind} {id}")),
        (kind, id) => kind.or(id),
    };
    resources.iter().filter_map(line).collect()
}

/// Security Hub API Reference, `Severity`.
fn label_of(normalized: f64) -> &'static str {
    match normalized {
        value if value >= 90.0 => "CRITICAL",
        value if value >= 70.0 => "HIGH",
        value if value >= 40.0 => "MEDIUM",
        value if value >= 1.0 => "LOW",
        _ => "INFORMATIONAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{alerts, fact, one};

    #[test]
    fn a_failed_control() {
        let alert = one(include_str!("../../../../../fixtures/securityhub/control-failed.sns.json"));
        assert_eq!(alert.name, "S3 general purpose buckets should block public access");
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Firing, "HIGH"));
        assert_eq!(alert.labels.get("severity"), "high");
        assert_eq!(fact(&alert, "Control"), "S3.8");
        assert_eq!(fact(&alert, "Resource"), "AwsS3Bucket arn:aws:s3:::invoices-prod-111122223333");
        let runbook = alert.links.iter().find(|link| link.kind == LinkKind::Runbook).unwrap();
        assert_eq!(runbook.url, "https://docs.aws.amazon.com/console/securityhub/S3.8/remediation");
    }

    #[test]
    fn every_finding_is_an_alert() {
        let alerts = alerts(include_str!("../../../../../fixtures/securityhub/several-findings.sns.json"));
        let seen: Vec<_> = alerts.iter().map(|alert| (alert.name.as_str(), alert.state)).collect();
        assert_eq!(
            seen,
            [
                ("CloudTrail should be enabled", State::Firing),
                ("IAM root user access key should not exist", State::Resolved),
                ("Security Hub Findings - Imported", State::Firing),
                ("vendor/rule-without-title", State::Informational),
            ]
        );
        assert_eq!(alerts[0].labels.get("severity"), "critical");
        assert_eq!(alerts[2].raw.as_deref(), Some("null"));
    }

    #[test]
    fn a_finding_in_ocsf() {
        let alert = one(include_str!("../../../../../fixtures/securityhub/ocsf.eventbridge.json"));
        assert_eq!(alert.name, "The CloudTrail trail org-audit was disabled");
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Firing, "HIGH"));
        assert_eq!(fact(&alert, "Product"), "GuardDuty");
        assert!(alert.links.iter().any(|link| link.kind == LinkKind::Runbook));
    }
}
