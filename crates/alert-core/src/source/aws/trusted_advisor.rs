//! AWS Trusted Advisor's checks.
//!
//! Form: EventBridge event `Trusted Advisor Check Item Refresh Notification` of `aws.trustedadvisor`. Source: AWS Support User Guide,
//! "Monitoring AWS Trusted Advisor check results with Amazon EventBridge".

use super::event::Event;
use super::words::spoken;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

const FACTS_MAX: usize = 10;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.trustedadvisor")?;
    let detail = event.detail();
    let check = detail.text("check-name");
    let status = detail.text("status");
    let state = match status.as_deref() {
        Some("OK") => State::Resolved,
        Some("WARN" | "ERROR") => State::Firing,
        _ => State::Informational,
    };
    let mut draft = event.draft("Trusted Advisor", check.clone(), state, status);
    let resource = detail.text("resource_id");
    draft.label("check", check.as_deref().unwrap_or_default());
    draft.fact("Resource", resource.clone());
    if let Some(item) = detail.object("check-item-detail") {
        // The columns of the check's table, which every check has of its own.
        for key in item.value().as_object().into_iter().flat_map(|object| object.keys()).take(FACTS_MAX) {
            let is_status = key.eq_ignore_ascii_case("status");
            draft.fact(&spoken(key), item.text(key).filter(|_| !is_status));
        }
        // Trusted Advisor sends from one region what it says of all.
        let region = item.text("Region").or_else(|| item.text("Region/AZ"));
        draft.region(region.filter(|region| crate::region::is_code(region)));
    }
    if draft.partition.as_deref().is_none_or(|partition| partition == "aws") {
        draft.link(LinkKind::Details, Some("https://console.aws.amazon.com/trustedadvisor/home".to_owned()));
    }
    draft.state_of(
        "check",
        match (resource, detail.text("uuid")) {
            (Some(resource), _) => Some(format!("{}/{resource}", check.unwrap_or_default())),
            (None, uuid) => uuid,
        },
    );
    Some(vec![draft.finish(&detail)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_service_limit() {
        let alert = one(include_str!("../../../../../fixtures/trustedadvisor/limit.sns.json"));
        assert_eq!((alert.name.as_str(), alert.state), ("VPC Elastic IP Address", State::Firing));
        assert_eq!(alert.state_value, "WARN");
        assert_eq!(fact(&alert, "Current usage"), "4");
        assert_eq!(alert.region.as_deref(), Some("ap-northeast-2"));
    }
}
