//! Amazon ECS: tasks that stop, services that cannot start tasks, deployments.
//!
//! Form: EventBridge events of `aws.ecs`: `ECS Task State Change`, `ECS Service Action`, `ECS Deployment State Change`. Source: Amazon
//! ECS Developer Guide, "Amazon ECS events" and its pages on these three; "Stopped tasks error codes".

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::{is_trouble, last_part, spoken};
use crate::alert::{Alert, LinkKind, State};
use crate::region::Arn;
use crate::source::Message;

const CONTAINERS_MAX: usize = 8;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.ecs")?;
    match event.detail_type {
        "ECS Task State Change" => Some(vec![task(&event)]),
        "ECS Service Action" | "ECS Deployment State Change" => Some(vec![service(&event)]),
        _ => None,
    }
}

fn task(event: &Event<'_>) -> Alert {
    let detail = event.detail();
    let status = detail.text("lastStatus");
    let state = task_state(&detail, status.as_deref());
    let definition = detail.text("taskDefinitionArn");
    let definition = definition.as_deref().map(last_part);
    let group = detail.text("group");
    let name = group.as_deref().map(|group| group.split_once(':').map_or(group, |(_, name)| name).to_owned());
    let name = name.or_else(|| definition.map(str::to_owned));
    let mut draft = event.draft("ECS", name, state, status);
    let arn = detail.text("taskArn");
    draft.alert.summary = Some(match state {
        State::Firing => trouble(&detail),
        _ => event.detail_type.to_owned(),
    });
    draft.alert.reason = detail.text("stoppedReason");
    draft.alert.changed_at =
        detail.time("stoppedAt").or_else(|| detail.time("updatedAt")).or(draft.alert.changed_at);
    let cluster = put_cluster(&mut draft, &detail);
    draft.fact("Stop code", detail.text("stopCode"));
    draft.fact_lines("Containers", &containers(&detail), CONTAINERS_MAX);
    draft.fact("Task definition", definition);
    let task = arn.as_deref().map(last_part);
    draft.fact("Task", task);
    draft.fact("Launch type", detail.text("launchType"));
    draft.fact("Availability zone", detail.text("availabilityZone"));
    draft.console(
        LinkKind::Details,
        "/ecs/v2/clusters/{}/tasks/{}?region={region}",
        &[cluster.as_deref(), task],
    );
    draft.news_of(arn);
    draft.finish(&detail)
}

/// What happened to a task in a few words: `task out of memory (exit 137)`.
///
/// Source of the words: Amazon ECS Developer Guide, "Stopped tasks error codes".
fn trouble(detail: &Fields<'_>) -> String {
    const CAUSES: [(&str, &str); 6] = [
        ("OutOfMemory", "task out of memory"),
        ("CannotPullContainer", "task cannot pull its image"),
        ("ResourceInitialization", "task cannot get its secrets, logs or network"),
        ("failed ELB health checks", "task failed its health checks"),
        ("failed container health checks", "task failed its health checks"),
        ("SpotInterruption", "task lost its Spot capacity"),
    ];
    let containers = detail.items("containers");
    let reasons = containers.iter().filter_map(|container| container.text("reason"));
    let told: Vec<String> =
        reasons.chain(detail.text("stoppedReason")).chain(detail.text("stopCode")).collect();
    let cause = CAUSES.iter().find(|(sign, _)| told.iter().any(|reason| reason.contains(sign)));
    let what = cause.map_or("task stopped", |(_, words)| words);
    let code = containers
        .iter()
        .filter_map(|container| container.number("exitCode"))
        .find(|code| *code != 0.0)
        .map(|code| format!(" (exit {})", crate::number::plain(code)));
    format!("{what}{}", code.unwrap_or_default())
}

/// A task that somebody or a deployment stopped is no problem, and neither is one whose work is done.
fn task_state(detail: &Fields<'_>, status: Option<&str>) -> State {
    if status != Some("STOPPED") {
        return State::Informational;
    }
    let codes: Vec<f64> =
        detail.items("containers").iter().filter_map(|container| container.number("exitCode")).collect();
    let all_done = !codes.is_empty() && codes.iter().all(|code| *code == 0.0);
    let is_trouble = match detail.text("stopCode").as_deref() {
        Some("TaskFailedToStart" | "SpotInterruption" | "TerminationNotice") => true,
        Some("EssentialContainerExited") | None => !all_done,
        // The scheduler also stops what fails its health checks.
        Some(_) => detail.text("stoppedReason").is_some_and(|reason| is_trouble(&reason)),
    };
    if is_trouble { State::Firing } else { State::Informational }
}

fn containers(detail: &Fields<'_>) -> Vec<String> {
    let line = |container: &Fields<'_>| {
        let name = container.text("name")?;
        let code = container.text("exitCode").map(|code| format!("exit code {code}"));
        let status = container.text("lastStatus").map(|status| status.to_ascii_lowercase());
        let told = [code.or(status), container.text("reason")];
        let told: Vec<String> = told.into_iter().flatten().collect();
        Some(format!("{name}: {}", told.join(", ")))
    };
    detail.items("containers").iter().filter_map(line).collect()
}

fn service(event: &Event<'_>) -> Alert {
    let detail = event.detail();
    let happened = detail.text("eventName");
    let kind = detail.text("eventType");
    let state = match (happened.as_deref(), kind.as_deref()) {
        (Some("SERVICE_STEADY_STATE" | "TASKSET_STEADY_STATE" | "SERVICE_DEPLOYMENT_COMPLETED"), _) => {
            State::Resolved
        }
        (_, Some("WARN" | "ERROR")) => State::Firing,
        (Some(name), _) if name.ends_with("FAILED") || name.ends_with("IMPAIRED") => State::Firing,
        _ => State::Informational,
    };
    let arn = event.resources().find(|resource| resource.contains(":service/"));
    let mut draft = event.draft("ECS", arn.map(|arn| last_part(arn).to_owned()), state, happened.clone());
    draft.alert.summary = happened.as_deref().map(sentence);
    draft.alert.reason = detail.text("reason");
    draft.alert.changed_at =
        detail.time("updatedAt").or_else(|| detail.time("createdAt")).or(draft.alert.changed_at);
    let from_arn = arn.and_then(cluster_in);
    let cluster = put_cluster(&mut draft, &detail).or(from_arn);
    draft.label("event", happened.as_deref().unwrap_or_default());
    draft.fact("Level", kind.map(|kind| kind.to_ascii_lowercase()));
    draft.fact("Deployment", detail.text("deploymentId"));
    let providers: Vec<String> =
        detail.texts("capacityProviderArns").iter().map(|arn| last_part(arn).to_owned()).collect();
    draft.fact("Capacity provider", Some(providers.join(", ")));
    draft.fact("Desired tasks", detail.text("desiredCount"));
    let name = arn.map(last_part);
    draft.console(
        LinkKind::Details,
        "/ecs/v2/clusters/{}/services/{}/health?region={region}",
        &[cluster.as_deref(), name],
    );
    draft.state_of("service", arn.map(str::to_owned));
    draft.finish(&detail)
}

/// The documentation's words for what happened to a service.
fn sentence(event: &str) -> String {
    match event {
        "SERVICE_STEADY_STATE" => "The service has reached a steady state.",
        "SERVICE_TASK_START_IMPAIRED" => "The service cannot start tasks reliably.",
        "SERVICE_TASK_PLACEMENT_FAILURE" => "The service cannot place a task.",
        "SERVICE_TASK_CONFIGURATION_FAILURE" => "A task cannot be placed because of its configuration.",
        "SERVICE_DISCOVERY_INSTANCE_UNHEALTHY" => "A task that others discover is unhealthy.",
        "SERVICE_DEPLOYMENT_FAILED" => "A deployment has failed.",
        "SERVICE_DEPLOYMENT_COMPLETED" => "A deployment is complete.",
        "SERVICE_DEPLOYMENT_IN_PROGRESS" => "A deployment is in progress.",
        other => return spoken(&other.to_ascii_lowercase()),
    }
    .to_owned()
}

fn put_cluster(draft: &mut Draft, detail: &Fields<'_>) -> Option<String> {
    let cluster = detail.text("clusterArn").map(|arn| last_part(&arn).to_owned());
    draft.label("cluster", cluster.as_deref().unwrap_or_default());
    draft.fact("Cluster", cluster.clone());
    cluster
}

/// The cluster in a service's ARN, `service/CLUSTER/NAME`; deployment events carry no other.
fn cluster_in(arn: &str) -> Option<String> {
    let resource = Arn::parse(arn)?.resource;
    let mut parts = resource.split('/');
    (parts.next() == Some("service") && resource.matches('/').count() == 2)
        .then(|| parts.next())?
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_task_that_died() {
        let alert = one(include_str!("../../../../../fixtures/ecs/task-out-of-memory.sns.json"));
        assert_eq!((alert.name.as_str(), alert.state), ("checkout", State::Firing));
        assert_eq!(alert.state_value, "STOPPED");
        assert_eq!(
            fact(&alert, "Containers"),
            "app: exit code 137, OutOfMemoryError: Container killed due to memory usage\nlog-router: exit code 0"
        );
        assert!(alert.links[0].url.contains("/ecs/v2/clusters/prod/tasks/c13b4cb40f1f4fe4a2971f76ae5a47ad"));
    }

    #[test]
    fn a_task_that_was_stopped_on_purpose() {
        let alert = one(include_str!("../../../../../fixtures/ecs/task-scaled-in.eventbridge.json"));
        assert_eq!(alert.state, State::Informational);
    }

    #[test]
    fn services() {
        let impaired = one(include_str!("../../../../../fixtures/ecs/start-impaired.eventbridge.json"));
        assert_eq!((impaired.name.as_str(), impaired.state), ("checkout", State::Firing));
        let steady = one(include_str!("../../../../../fixtures/ecs/steady-state.eventbridge.json"));
        assert_eq!(steady.state, State::Resolved);
        assert_eq!(steady.key, impaired.key);
        let failed = one(include_str!("../../../../../fixtures/ecs/deployment-failed.sns.json"));
        assert_eq!((failed.state, failed.state_value.as_str()), (State::Firing, "SERVICE_DEPLOYMENT_FAILED"));
        assert!(failed.reason.unwrap().contains("circuit breaker"));
        assert!(failed.links[0].url.contains("/clusters/prod/services/checkout/"));
    }
}
