//! AWS Glue's jobs and crawlers.
//!
//! Form: EventBridge events `Glue Job State Change`, `Glue Job Run Status` and `Glue Crawler State Change` of `aws.glue`. Source: AWS Glue
//! Developer Guide, "Automating AWS Glue with EventBridge". Other events of Glue are read as any event.

use super::event::Event;
use super::words::outcome;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.glue")?;
    let detail = event.detail();
    let job = detail.text("jobName");
    let name = job.clone().or_else(|| detail.text("crawlerName"))?;
    let status = detail.text("state");
    let delay = detail.number("notificationCondition.NotifyDelayAfter");
    let state = match status.as_deref() {
        // The job was to be done by now.
        Some("STARTING" | "RUNNING" | "STOPPING") if delay.is_some() => State::Firing,
        status => status.map_or(State::Informational, outcome),
    };
    let mut draft = event.draft("Glue", Some(name.clone()), state, status);
    draft.alert.reason = detail.text("errorMessage").or_else(|| detail.text("message"));
    draft.alert.starts_at = detail.time("startedOn");
    // The level of a log line (`ERROR`, `INFO`) and no severity: a job that is late comes as `INFO`.
    draft.label("job", job.as_deref().unwrap_or_default());
    draft.fact("Level", detail.text("severity").map(|severity| severity.to_ascii_lowercase()));
    draft.fact("Longer than", delay.map(|minutes| format!("{minutes} min")));
    draft.fact("Run", detail.text("jobRunId"));
    for (name, path) in [
        ("Tables created", "tablesCreated"),
        ("Tables updated", "tablesUpdated"),
        ("Tables deleted", "tablesDeleted"),
    ] {
        draft.fact(name, detail.text(path).filter(|count| count != "0"));
    }
    draft.console(
        LinkKind::Details,
        "/gluestudio/home?region={region}#/editor/job/{}/details",
        &[job.as_deref()],
    );
    draft.state_of("job", Some(name));
    Some(vec![draft.finish(&detail)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_job_that_failed() {
        let alert = one(include_str!("../../../../../fixtures/glue/job-failed.sns.json"));
        assert_eq!((alert.name.as_str(), alert.state), ("orders-nightly-etl", State::Firing));
        assert_eq!(alert.state_value, "FAILED");
        assert!(alert.reason.as_deref().unwrap().contains("Executor heartbeat timed out"));
        assert!(fact(&alert, "Run").starts_with("jr_"));
    }

    #[test]
    fn a_job_that_takes_too_long() {
        let alert = one(include_str!("../../../../../fixtures/glue/job-late.eventbridge.json"));
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Firing, "RUNNING"));
        assert_eq!(fact(&alert, "Longer than"), "90 min");
    }
}
