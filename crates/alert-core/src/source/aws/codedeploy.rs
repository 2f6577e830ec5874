//! AWS CodeDeploy's deployments.
//!
//! Forms: EventBridge events `CodeDeploy Deployment State-change Notification` and `CodeDeploy Instance State-change Notification` of
//! `aws.codedeploy`, and the same from notification rules. Source: AWS CodeDeploy User Guide, "Monitoring deployments with Amazon
//! CloudWatch Events"; Amazon EventBridge User Guide, events of AWS CodeDeploy.

use super::event::Event;
use super::words::outcome;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.codedeploy")?;
    let detail = event.detail();
    let application = detail.text("application")?;
    let status = detail.text("state");
    let state = status.as_deref().map_or(State::Informational, outcome);
    let mut draft = event.draft("CodeDeploy", Some(application.clone()), state, status);
    draft.region(detail.text("region"));
    let group = detail.text("deploymentGroup");
    draft.label("application", &application);
    draft.label("deploymentGroup", group.as_deref().unwrap_or_default());
    draft.fact("Deployment group", group.clone());
    let deployment = detail.text("deploymentId");
    draft.fact("Deployment", deployment.clone());
    draft.fact("Instance", detail.text("instanceId"));
    draft.fact("Instance group", detail.text("instanceGroupId"));
    draft.console(
        LinkKind::Details,
        "/codesuite/codedeploy/deployments/{}?region={region}",
        &[deployment.as_deref()],
    );
    draft.state_of("deployment group", Some(format!("{application}/{}", group.unwrap_or_default())));
    Some(vec![draft.finish(&detail)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_deployment_that_failed() {
        let alert = one(include_str!("../../../../../fixtures/codedeploy/failure.eventbridge.json"));
        assert_eq!((alert.name.as_str(), alert.state), ("checkout", State::Firing));
        assert_eq!(alert.state_value, "FAILURE");
        assert_eq!(fact(&alert, "Deployment group"), "prod-blue-green");
        assert_eq!(
            alert.links[0].url,
            "https://eu-west-1.console.aws.amazon.com/codesuite/codedeploy/deployments/d-A1B2C3D4E?region=eu-west-1"
        );
    }
}
