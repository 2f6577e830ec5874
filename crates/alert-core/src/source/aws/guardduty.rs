//! Amazon GuardDuty's findings.
//!
//! Form: EventBridge event `GuardDuty Finding` of `aws.guardduty`, whose `detail` is the finding. Sources: GuardDuty User
//! Guide, "Processing GuardDuty findings with Amazon EventBridge" and "Finding details"; GuardDuty API Reference, `Finding`.
//! GuardDuty's other events (malware scans, runtime protection) are read as any event.

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use crate::alert::{Alert, LinkKind, State};
use crate::number;
use crate::source::Message;

const PORTS_MAX: usize = 5;

/// Where an action tells who did it.
const REMOTES: [&str; 4] = [
    "networkConnectionAction.remoteIpDetails",
    "awsApiCallAction.remoteIpDetails",
    "kubernetesApiCallAction.remoteIpDetails",
    "rdsLoginAttemptAction.remoteIpDetails",
];

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event =
        Event::of(message, "aws.guardduty").filter(|event| event.detail_type == "GuardDuty Finding")?;
    let detail = event.detail();
    let severity = detail.number("severity");
    let word = severity.map(severity_word);
    let name = detail.text("title").or_else(|| detail.text("type"));
    // Somebody, or a suppression rule, has set it aside.
    let state = if detail.is_true("service.archived") { State::Informational } else { State::Firing };
    let mut draft = event.draft("GuardDuty", name, state, word.map(str::to_ascii_uppercase));
    if detail.is_true("service.archived") {
        draft.alert.state_value = "archived".to_owned();
    }
    draft.severity(word);
    draft.account(detail.text("accountId"));
    draft.region(detail.text("region"));
    draft.partition = detail.text("partition").or(draft.partition);
    let name = draft.alert.name.clone();
    draft.alert.description = detail.text("description").filter(|description| *description != name);
    draft.alert.starts_at = detail.time("service.eventFirstSeen").or_else(|| detail.time("createdAt"));
    draft.alert.changed_at =
        detail.time("service.eventLastSeen").or_else(|| detail.time("updatedAt")).or(draft.alert.changed_at);
    let kind = detail.text("type");
    draft.label("type", kind.as_deref().unwrap_or_default());
    draft.fact("Type", kind);
    draft.fact(
        "Severity",
        severity.zip(word).map(|(value, word)| format!("{word} ({})", number::plain(value))),
    );
    draft.fact("Resource", resource(&detail));
    action(&mut draft, &detail);
    draft.fact("Seen", detail.number("service.count").map(times));
    let id = detail.text("id");
    draft.console(
        LinkKind::Details,
        "/guardduty/home?region={region}#/findings?macros=current&fId={}",
        &[id.as_deref()],
    );
    draft.news_of(detail.text("arn").or(id));
    Some(vec![draft.finish(&detail)])
}

/// GuardDuty User Guide, "Severity levels for GuardDuty findings": critical from 9, high from 7, medium from 4.
fn severity_word(value: f64) -> &'static str {
    match value {
        value if value >= 9.0 => "critical",
        value if value >= 7.0 => "high",
        value if value >= 4.0 => "medium",
        value if value >= 1.0 => "low",
        _ => "info",
    }
}

fn times(count: f64) -> String {
    if count <= 1.0 { "once".to_owned() } else { format!("{} times", number::plain(count)) }
}

/// The resource that the finding is about: what kind, and its name.
fn resource(detail: &Fields<'_>) -> Option<String> {
    const NAMES: [&str; 9] = [
        "resource.instanceDetails.instanceId",
        "resource.eksClusterDetails.name",
        "resource.ecsClusterDetails.name",
        "resource.lambdaDetails.functionName",
        "resource.rdsDbInstanceDetails.dbInstanceIdentifier",
        "resource.containerDetails.name",
        "resource.kubernetesDetails.kubernetesWorkloadDetails.name",
        "resource.accessKeyDetails.userName",
        "resource.accessKeyDetails.principalId",
    ];
    let kind = detail.text("resource.resourceType");
    let bucket = || detail.items("resource.s3BucketDetails").iter().find_map(|bucket| bucket.text("name"));
    let name = NAMES.iter().find_map(|path| detail.text(path)).or_else(bucket);
    let tag = detail
        .items("resource.instanceDetails.tags")
        .iter()
        .find_map(|tag| tag.text("value").filter(|_| tag.text("key").as_deref() == Some("Name")));
    let name = match (name, tag) {
        (Some(name), Some(tag)) => Some(format!("{name} ({tag})")),
        (name, _) => name,
    };
    match (kind, name) {
        (Some(kind), Some(name)) => Some(format!("{kind} {name}")),
        (kind, name) => kind.or(name),
    }
}

/// What was done, by whom and from where.
fn action(draft: &mut Draft, detail: &Fields<'_>) {
    let Some(action) = detail.object("service.action") else { return };
    draft.fact("User", detail.text("resource.accessKeyDetails.userName"));
    for api in ["awsApiCallAction", "kubernetesApiCallAction"] {
        let call = action.text(&format!("{api}.api")).or_else(|| action.text(&format!("{api}.requestUri")));
        let service = action.text(&format!("{api}.serviceName"));
        draft.fact(
            "Call",
            call.map(|call| match service {
                Some(service) => format!("{call} ({service})"),
                None => call,
            }),
        );
    }
    draft.fact("Domain", action.text("dnsRequestAction.domain"));
    draft.fact("Local port", action.text("networkConnectionAction.localPortDetails.port"));
    draft.fact("Remote port", action.text("networkConnectionAction.remotePortDetails.port"));
    let probes = action.items("portProbeAction.portProbeDetails");
    let ports: Vec<String> =
        probes.iter().filter_map(|probe| probe.text("localPortDetails.port")).take(PORTS_MAX).collect();
    draft.fact("Probed ports", Some(ports.join(", ")));
    let remote = REMOTES
        .iter()
        .find_map(|path| action.object(path))
        .or_else(|| probes.iter().find_map(|probe| probe.object("remoteIpDetails")));
    if let Some(remote) = remote {
        let address = remote.text("ipAddressV4").or_else(|| remote.text("ipAddressV6"));
        let told = [
            remote.text("city.cityName"),
            remote.text("country.countryName"),
            remote.text("organization.org"),
        ];
        let place: Vec<String> = told.into_iter().flatten().collect();
        draft.fact(
            "From",
            address.map(
                |address| {
                    if place.is_empty() { address } else { format!("{address} ({})", place.join(", ")) }
                },
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_finding() {
        let alert = one(include_str!("../../../../../fixtures/guardduty/finding.sns.json"));
        assert_eq!(
            alert.name,
            "The EC2 instance i-0f3a9c1de27b48a65 is querying a domain name that is associated with Bitcoin-related activity."
        );
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Firing, "HIGH"));
        assert_eq!(alert.labels.get("severity"), "high");
        assert_eq!(fact(&alert, "Resource"), "Instance i-0f3a9c1de27b48a65 (batch-worker-3)");
        assert_eq!(fact(&alert, "Domain"), "pool.minergate.example");
        assert_eq!(fact(&alert, "Seen"), "14 times");
        assert_eq!(
            alert.links[0].url,
            "https://eu-west-1.console.aws.amazon.com/guardduty/home?region=eu-west-1#/findings?macros=current&fId=b2c7f01e9a6d4d5c8e1f7a3b90c6d2e4"
        );
    }

    #[test]
    fn who_called_what_from_where() {
        let alert = one(include_str!("../../../../../fixtures/guardduty/access-key.eventbridge.json"));
        assert_eq!(alert.labels.get("severity"), "critical");
        assert_eq!(fact(&alert, "Call"), "ListUsers (iam.amazonaws.com)");
        assert_eq!(fact(&alert, "From"), "198.51.100.77 (Sampleville, Exampleland, Example Hosting)");
    }

    #[test]
    fn wrong_types_cost_only_their_fields() {
        let alert = one(include_str!("../../../../../fixtures/guardduty/wrong-types.sqs-raw.json"));
        assert_eq!(alert.name, "Recon:EC2/PortProbeUnprotectedPort");
        assert!(alert.raw.as_deref().unwrap().contains("not a text"));
        assert_eq!(alert.labels.get("severity"), "medium");
        assert!(
            alert.notes.iter().any(|note| note.contains("service: expected an object")),
            "{:?}",
            alert.notes
        );
    }

    #[test]
    fn severities_by_the_documentation() {
        for (value, word) in [
            (10.0, "critical"),
            (9.0, "critical"),
            (8.9, "high"),
            (7.0, "high"),
            (6.9, "medium"),
            (3.9, "low"),
            (0.0, "info"),
        ] {
            assert_eq!(severity_word(value), word);
        }
    }
}
