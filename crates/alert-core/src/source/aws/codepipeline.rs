//! AWS CodePipeline's executions.
//!
//! Forms: EventBridge events of `aws.codepipeline` for pipelines, stages and actions, and the same from notification rules. Source:
//! AWS CodePipeline User Guide, "Monitoring CodePipeline events".

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::outcome;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

const ACTIONS_MAX: usize = 5;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.codepipeline")?;
    let detail = event.detail();
    let pipeline = detail.text("pipeline")?;
    let word = detail.text("state");
    let is_approval = detail.text("type.category").as_deref() == Some("Approval");
    let meaning = match word.as_deref() {
        Some("STARTED") if is_approval => State::Informational,
        word => word.map_or(State::Informational, outcome),
    };
    let mut draft = event.draft("CodePipeline", Some(pipeline.clone()), meaning, word.clone());
    let (stage_name, action_name) = (detail.text("stage"), detail.text("action"));
    draft.alert.summary = word.map(|word| {
        if is_approval && word == "STARTED" {
            return "An approval is needed.".to_owned();
        }
        let what = match (&stage_name, &action_name) {
            (_, Some(name)) => format!("Action {name}"),
            (Some(name), None) => format!("Stage {name}"),
            (None, None) => "The pipeline".to_owned(),
        };
        match word.as_str() {
            "STARTED" | "RESUMED" | "SUCCEEDED" | "FAILED" => {
                format!("{what} has {}.", word.to_ascii_lowercase())
            }
            "STOPPED" | "CANCELED" | "SUPERSEDED" | "ABANDONED" => {
                format!("{what} was {}.", word.to_ascii_lowercase())
            }
            _ => format!("{what}: {}.", word.to_ascii_lowercase()),
        }
    });
    draft.label("pipeline", &pipeline);
    draft.label("stage", stage_name.as_deref().unwrap_or_default());
    draft.fact("Stage", stage_name.clone());
    draft.fact("Action", action_name.clone());
    draft.fact("Provider", detail.text("type.provider"));
    let additional = event.additional();
    failures(&mut draft, &detail, &additional);
    draft.fact("Message", additional.text("customData").or_else(|| additional.text("comments")));
    draft.link(LinkKind::Logs, detail.text("execution-result.external-execution-url"));
    let triggers = ["execution-trigger.trigger-type", "execution-trigger.trigger-detail"];
    let trigger: Vec<String> = triggers.iter().filter_map(|path| detail.text(path)).collect();
    draft.fact("Trigger", Some(trigger.join(" ")));
    draft.fact("Branch", detail.text("execution-trigger.branch-name"));
    draft.fact("Tag", detail.text("execution-trigger.tag-name"));
    draft.fact(
        "Attempt",
        detail.number("pipeline-execution-attempt").filter(|n| *n > 1.0).map(|n| n.to_string()),
    );
    draft.fact("Execution", detail.text("execution-id"));
    draft.console(
        LinkKind::Details,
        "/codesuite/codepipeline/pipelines/{}/view?region={region}",
        &[Some(&pipeline)],
    );
    let resource = event.resources().next().unwrap_or(&pipeline);
    let place = [Some(resource), stage_name.as_deref(), action_name.as_deref()];
    draft.state_of("pipeline", Some(place.into_iter().flatten().collect::<Vec<_>>().join("/")));
    let mut alert = draft.finish(&detail);
    alert.notes.extend(
        additional
            .unread()
            .into_iter()
            .map(|unread| format!("Could not read a part of the message: {unread}")),
    );
    Some(vec![alert])
}

/// What failed, as a notification rule or the action itself says it.
fn failures(draft: &mut Draft, detail: &Fields<'_>, additional: &Fields<'_>) {
    draft.fact("Failed stage", additional.text("failedStage"));
    let line = |action: &Fields<'_>| match (action.text("action"), action.text("additionalInformation")) {
        (Some(action), Some(information)) => Some(format!("{action}: {information}")),
        (action, information) => action.or(information),
    };
    let actions: Vec<String> = additional.items("failedActions").iter().filter_map(line).collect();
    draft.fact_lines("Failed actions", &actions, ACTIONS_MAX);
    draft.alert.reason = detail
        .text("execution-result.external-execution-summary")
        .or_else(|| additional.text("additionalInformation"));
    draft.fact("Error", detail.text("execution-result.error-code"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_pipeline_fails_and_succeeds() {
        let failed = one(include_str!("../../../../../fixtures/codepipeline/failed.sns.json"));
        assert_eq!((failed.name.as_str(), failed.state), ("checkout-deploy", State::Firing));
        assert_eq!(fact(&failed, "Failed stage"), "Deploy");
        assert_eq!(fact(&failed, "Failed actions"), "DeployToProd: Deployment d-A1B2C3D4E failed");
        assert_eq!(failed.labels.get("detail-type"), "CodePipeline Pipeline Execution State Change");

        let succeeded = one(include_str!("../../../../../fixtures/codepipeline/succeeded.eventbridge.json"));
        assert_eq!((succeeded.state, succeeded.state_value.as_str()), (State::Resolved, "SUCCEEDED"));
        assert_eq!(succeeded.key, failed.key);
    }

    #[test]
    fn an_approval_waits() {
        let alert = one(include_str!("../../../../../fixtures/codepipeline/approval-needed.sns.json"));
        assert_eq!(alert.summary.as_deref(), Some("An approval is needed."));
        assert_eq!(fact(&alert, "Stage"), "Approve");
    }
}
