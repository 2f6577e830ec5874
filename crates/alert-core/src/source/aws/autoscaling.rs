//! Amazon EC2 Auto Scaling: launches, terminations, lifecycle hooks, instance refreshes.
//!
//! Forms: the JSON that a group publishes to SNS, and EventBridge events of `aws.autoscaling`. Sources: Amazon EC2 Auto Scaling
//! User Guide, "Amazon SNS notification options for Amazon EC2 Auto Scaling" and "Amazon EC2 Auto Scaling event reference".

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::spoken;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    if let Some(event) = Event::of(message, "aws.autoscaling") {
        let detail = event.detail();
        let kind = event.detail_type;
        let has_failed = kind.ends_with("Unsuccessful") || kind.ends_with("Failed");
        let state = if has_failed { State::Firing } else { State::Informational };
        let mut draft = event.draft(
            "Auto Scaling",
            detail.text("AutoScalingGroupName"),
            state,
            detail.text("StatusCode"),
        );
        draft.alert.summary = Some(kind.to_owned());
        return Some(vec![fill(draft, &detail)]);
    }
    let detail = Fields::new(message.json?);
    let kind = detail.text("Event").or_else(|| detail.text("LifecycleTransition"))?;
    let word = kind.strip_prefix("autoscaling:")?;
    let is_test = word == "TEST_NOTIFICATION";
    let state = if word.ends_with("_ERROR") { State::Firing } else { State::Informational };
    let group = detail.text("AutoScalingGroupName");
    let mut draft =
        Draft::of(message, "Auto Scaling", group.as_deref().unwrap_or("Auto Scaling"), state, word);
    draft.label("source", "autoscaling");
    draft.label("event", &kind);
    draft.alert.summary = if is_test {
        Some("Test notification: this group's notifications arrive here.".to_owned())
    } else {
        description(&detail).or_else(|| Some(spoken(&word.to_ascii_lowercase())))
    };
    draft.alert.changed_at = detail.time("Time").or(draft.alert.changed_at);
    Some(vec![fill(draft, &detail)])
}

/// What was tried; the reason of its failure, which follows in the same text, is told on its own.
fn description(detail: &Fields<'_>) -> Option<String> {
    let text = detail.text("Description")?;
    Some(text.split("Status Reason:").next().unwrap_or(&text).trim().to_owned())
}

fn fill(mut draft: Draft, detail: &Fields<'_>) -> Alert {
    if let Some(arn) = detail.text("AutoScalingGroupARN") {
        draft.place(&arn);
    }
    draft.account(detail.text("AccountId"));
    draft.alert.starts_at = detail.time("StartTime");
    if draft.alert.state == State::Firing {
        draft.alert.changed_at = detail.time("EndTime").or(draft.alert.changed_at);
    }
    draft.alert.reason = detail.text("StatusMessage");
    draft.alert.description = detail.text("Cause");
    let instance = detail.text("EC2InstanceId");
    draft.label("instance", instance.as_deref().unwrap_or_default());
    draft.fact("Instance", instance);
    draft.fact("Status", detail.text("StatusCode"));
    draft.fact("Availability zone", detail.text("Details.Availability Zone"));
    draft.fact("Subnet", detail.text("Details.Subnet ID"));
    draft.fact("From", detail.text("Origin"));
    draft.fact("To", detail.text("Destination"));
    draft.fact("Lifecycle hook", detail.text("LifecycleHookName"));
    draft.fact("Transition", detail.text("LifecycleTransition"));
    draft.fact("Metadata", detail.text("NotificationMetadata"));
    draft.fact("Refresh", detail.text("InstanceRefreshId"));
    let group = detail.text("AutoScalingGroupName");
    draft.console(
        LinkKind::Details,
        "/ec2/home?region={region}#AutoScalingGroupDetails:id={}",
        &[group.as_deref()],
    );
    let ids = ["ActivityId", "InstanceRefreshId", "RequestId"];
    draft.news_of(ids.iter().find_map(|id| detail.text(id)));
    draft.finish(detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn launches_that_fail() {
        let sns = one(include_str!("../../../../../fixtures/autoscaling/launch-error.sns.json"));
        assert_eq!((sns.name.as_str(), sns.state), ("web-prod", State::Firing));
        assert_eq!(sns.state_value, "EC2_INSTANCE_LAUNCH_ERROR");
        assert!(sns.reason.as_deref().unwrap().contains("sufficient m7g.large capacity"));
        assert_eq!(sns.region.as_deref(), Some("eu-west-1"));

        let event =
            one(include_str!("../../../../../fixtures/autoscaling/launch-unsuccessful.eventbridge.json"));
        assert_eq!((event.state, event.state_value.as_str()), (State::Firing, "Failed"));
        assert_eq!(fact(&event, "Availability zone"), "eu-west-1b");
    }

    #[test]
    fn the_test_notification_is_recognised() {
        let alert = one(include_str!("../../../../../fixtures/autoscaling/test.sns.json"));
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Informational, "TEST_NOTIFICATION"));
        assert!(alert.summary.unwrap().starts_with("Test notification"));
    }
}
