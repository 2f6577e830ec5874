//! Amazon EC2's instances: their states, and Spot interruptions.
//!
//! Form: EventBridge events `EC2 Instance State-change Notification`, `EC2 Spot Instance Interruption Warning` and `EC2 Instance Rebalance
//! Recommendation` of `aws.ec2`. Source: Amazon EC2 User Guide, "Monitor Amazon EC2 state changes", "Spot Instance interruption notices"
//! and "EC2 instance rebalance recommendations". Other events of EC2 are read as any event.

use super::event::Event;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.ec2")?;
    let detail = event.detail();
    let (state, status, summary) = match event.detail_type {
        "EC2 Instance State-change Notification" => {
            let status = detail.text("state");
            let summary = status.as_deref().map(|status| format!("The instance is {status}."));
            (State::Informational, status, summary)
        }
        "EC2 Spot Instance Interruption Warning" => {
            let action = detail.text("instance-action");
            let what = action.as_deref().unwrap_or("interrupt");
            let summary = format!("EC2 will {what} this Spot Instance in two minutes.");
            (State::Firing, action, Some(summary))
        }
        "EC2 Instance Rebalance Recommendation" => {
            let summary = "This Spot Instance is likely to be interrupted.".to_owned();
            (State::Informational, Some("rebalance recommended".to_owned()), Some(summary))
        }
        _ => return None,
    };
    let instance = detail.text("instance-id").or_else(|| event.resource_name());
    let mut draft = event.draft("EC2", instance.clone(), state, status);
    draft.alert.summary = summary;
    draft.label("instance", instance.as_deref().unwrap_or_default());
    draft.fact("Instance", instance.clone());
    draft.console(
        LinkKind::Details,
        "/ec2/home?region={region}#InstanceDetails:instanceId={}",
        &[instance.as_deref()],
    );
    draft.news_of(instance);
    Some(vec![draft.finish(&detail)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::one;

    #[test]
    fn states_and_interruptions() {
        let stopped = one(include_str!("../../../../../fixtures/ec2/stopped.eventbridge.json"));
        assert_eq!((stopped.name.as_str(), stopped.state), ("i-0f3a9c1de27b48a65", State::Informational));
        assert_eq!(stopped.state_value, "stopped");
        assert!(
            stopped.links[0]
                .url
                .starts_with("https://cn-north-1.console.amazonaws.cn/ec2/home?region=cn-north-1#")
        );
        let spot = one(include_str!("../../../../../fixtures/ec2/spot-interruption.sns.json"));
        assert_eq!((spot.state, spot.state_value.as_str()), (State::Firing, "terminate"));
    }
}
