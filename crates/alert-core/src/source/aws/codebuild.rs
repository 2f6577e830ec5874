//! AWS CodeBuild's builds.
//!
//! Forms: EventBridge events `CodeBuild Build State Change` and `CodeBuild Build Phase Change` of `aws.codebuild`, and the same from
//! notification rules. Source: AWS CodeBuild User Guide, "Build notifications input format reference".

use super::event::Event;
use super::fields::Fields;
use super::words::{last_part, outcome};
use crate::alert::{Alert, LinkKind, State};
use crate::region::Arn;
use crate::source::Message;

const PHASES_MAX: usize = 5;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.codebuild")?;
    let detail = event.detail();
    let project = detail.text("project-name")?;
    let phase = detail.text("completed-phase");
    let status = detail.text("build-status").or_else(|| detail.text("completed-phase-status"));
    let state = match status.as_deref().map_or(State::Informational, outcome) {
        // A phase that is done is not the end of the build.
        State::Resolved if phase.is_some() => State::Informational,
        state => state,
    };
    let mut draft = event.draft("CodeBuild", Some(project.clone()), state, status);
    let information = detail.object("additional-information");
    let failed = failed_phases(&detail);
    draft.alert.summary = phase.as_deref().map(|phase| format!("Phase {phase} is done."));
    draft.alert.reason = failed.first().cloned();
    draft.label("project", &project);
    draft.fact_lines("Failed phases", &failed, PHASES_MAX);
    draft.fact("Phase", phase);
    let build = detail.text("build-id");
    let build_name = build.as_deref().map(last_part);
    if let Some(information) = &information {
        draft.alert.starts_at = information.time("build-start-time");
        draft.fact("Source", information.text("source.location"));
        draft.fact("Version", information.text("source-version"));
        draft.fact("Started by", information.text("initiator"));
        draft.fact("Build number", information.text("build-number"));
        draft.link(LinkKind::Logs, information.text("logs.deep-link"));
    }
    draft.fact("Build", build_name);
    let account = build.as_deref().and_then(Arn::parse).map(|arn| arn.account.to_owned());
    draft.console(
        LinkKind::Details,
        "/codesuite/codebuild/{}/projects/{}/build/{}/?region={region}",
        &[account.as_deref(), Some(&project), build_name],
    );
    draft.state_of("project", Some(project));
    Some(vec![draft.finish(&detail)])
}

/// The phases that did not succeed, and why.
fn failed_phases(detail: &Fields<'_>) -> Vec<String> {
    let why = |context: Vec<String>| {
        let context: Vec<String> =
            context.into_iter().map(|line| line.trim().to_owned()).filter(|line| line.len() > 1).collect();
        context.join(", ")
    };
    let line = |phase: &Fields<'_>| {
        let status = phase.text("phase-status")?;
        let name = phase.text("phase-type")?;
        let why = why(phase.texts("phase-context"));
        (outcome(&status) == State::Firing)
            .then(|| format!("{name}: {}", if why.is_empty() { status } else { why }))
    };
    detail.items("additional-information.phases").iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_build_that_failed() {
        let alert = one(include_str!("../../../../../fixtures/codebuild/failed.sns.json"));
        assert_eq!((alert.name.as_str(), alert.state), ("checkout-build", State::Firing));
        assert_eq!(alert.state_value, "FAILED");
        assert!(fact(&alert, "Failed phases").starts_with("BUILD: COMMAND_EXECUTION_ERROR"));
        let kinds: Vec<_> = alert.links.iter().map(|link| link.kind).collect();
        assert_eq!(kinds, [LinkKind::Logs, LinkKind::Details]);
        assert!(alert.starts_at.is_some());
    }

    #[test]
    fn nulls_are_no_facts() {
        let alert = one(include_str!("../../../../../fixtures/codebuild/nulls.eventbridge.json"));
        assert_eq!((alert.name.as_str(), alert.state), ("nightly", State::Resolved));
        assert!(alert.notes.is_empty(), "{:?}", alert.notes);
    }
}
