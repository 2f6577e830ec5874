//! Amazon Inspector's findings: vulnerable packages, reachable ports, weak code.
//!
//! Form: EventBridge event `Inspector2 Finding` of `aws.inspector2`. Source: Amazon Inspector User Guide, "Amazon EventBridge
//! event schema for Amazon Inspector events". Its other events (scans, coverage) are read as any event.

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::spoken;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

const PACKAGES_MAX: usize = 5;
const RESOURCES_MAX: usize = 5;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event =
        Event::of(message, "aws.inspector2").filter(|event| event.detail_type == "Inspector2 Finding")?;
    let detail = event.detail();
    let status = detail.text("status");
    let severity = detail.text("severity");
    let state = match status.as_deref() {
        Some("CLOSED") => State::Resolved,
        Some("SUPPRESSED") => State::Informational,
        _ => State::Firing,
    };
    let state_value =
        if state == State::Firing { severity.clone().or(status.clone()) } else { status.clone() };
    let name = detail.text("title").or_else(|| detail.text("packageVulnerabilityDetails.vulnerabilityId"));
    let mut draft = event.draft("Inspector", name, state, state_value);
    draft.severity(severity.as_deref());
    draft.account(detail.text("awsAccountId"));
    draft.alert.description = detail.text("description");
    draft.alert.starts_at = detail.time("firstObservedAt");
    draft.alert.changed_at = detail.time("updatedAt").or(draft.alert.changed_at);
    let kind = detail.text("type");
    draft.label("type", kind.as_deref().unwrap_or_default());
    draft.fact("Severity", severity.map(|severity| severity.to_ascii_lowercase()));
    draft.fact("Score", detail.text("inspectorScore"));
    draft.fact_lines("Resource", &resources(&detail), RESOURCES_MAX);
    let arn = detail.text("findingArn");
    draft.console(
        LinkKind::Details,
        "/inspector/v2/home?region={region}#/findings/details/{}",
        &[arn.as_deref()],
    );
    vulnerability(&mut draft, &detail);
    network(&mut draft, &detail);
    draft.fact("Type", kind.map(|kind| spoken(&kind.to_ascii_lowercase())));
    let remediation = detail.text("remediation.recommendation.text");
    draft.fact("Remediation", remediation.filter(|text| text != "None Provided"));
    draft.link(LinkKind::Runbook, detail.text("remediation.recommendation.Url"));
    draft.state_of("finding", arn);
    Some(vec![draft.finish(&detail)])
}

fn resources(detail: &Fields<'_>) -> Vec<String> {
    let line = |resource: &Fields<'_>| match (resource.text("type"), resource.text("id")) {
        (Some(kind), Some(id)) => Some(format!("{kind} {id}")),
        (kind, id) => kind.or(id),
    };
    detail.items("resources").iter().filter_map(line).collect()
}

fn vulnerability(draft: &mut Draft, detail: &Fields<'_>) {
    let Some(vulnerability) = detail.object("packageVulnerabilityDetails") else { return };
    let id = vulnerability.text("vulnerabilityId");
    draft.label("vulnerability", id.as_deref().unwrap_or_default());
    draft.fact("Vulnerability", id);
    let package = |package: &Fields<'_>| {
        let name = package.text("name")?;
        let version = package.text("version").map(|version| format!(" {version}")).unwrap_or_default();
        let fixed = package.text("fixedInVersion").filter(|fixed| fixed != "NotAvailable");
        let fixed = fixed.map(|fixed| format!(" (fixed in {fixed})")).unwrap_or_default();
        Some(format!("{name}{version}{fixed}"))
    };
    let packages: Vec<String> =
        vulnerability.items("vulnerablePackages").iter().filter_map(package).collect();
    draft.fact_lines("Packages", &packages, PACKAGES_MAX);
    let answer = |text: Option<String>| text.map(|text| text.to_ascii_lowercase());
    draft.fact("Exploit known", answer(detail.text("exploitAvailable")));
    draft.fact("Fix available", answer(detail.text("fixAvailable")));
    draft.link(LinkKind::Details, vulnerability.text("sourceUrl"));
}

fn network(draft: &mut Draft, detail: &Fields<'_>) {
    let Some(network) = detail.object("networkReachabilityDetails") else { return };
    let range = network.text("openPortRange.begin").zip(network.text("openPortRange.end"));
    let ports = range.map(|(begin, end)| if begin == end { begin } else { format!("{begin}–{end}") });
    let protocol = network.text("protocol").unwrap_or_default();
    draft.fact("Open port", ports.map(|ports| format!("{ports} {protocol}").trim().to_owned()));
    let path: Vec<String> =
        network.items("networkPath.steps").iter().filter_map(|step| step.text("componentId")).collect();
    draft.fact("Path", Some(path.join(" → ")));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_vulnerable_package() {
        let alert = one(include_str!("../../../../../fixtures/inspector/package.sns.json"));
        assert_eq!(alert.name, "CVE-2026-31337 - openssl, libssl3");
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Firing, "CRITICAL"));
        assert_eq!(alert.labels.get("severity"), "critical");
        assert_eq!(fact(&alert, "Packages"), "openssl 3.0.13 (fixed in 3.0.13-0ubuntu3.6)\nlibssl3 3.0.13");
        assert_eq!(fact(&alert, "Exploit known"), "yes");
    }

    #[test]
    fn a_closed_finding_is_over() {
        let alert = one(include_str!("../../../../../fixtures/inspector/port-closed.eventbridge.json"));
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Resolved, "CLOSED"));
        assert_eq!(fact(&alert, "Open port"), "22 TCP");
        assert!(alert.ends_at > alert.starts_at);
    }
}
