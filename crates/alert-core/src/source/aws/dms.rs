//! AWS Database Migration Service's events.
//!
//! Forms: the JSON that an event subscription publishes to SNS, the same as that of RDS but for the id, which stands behind the
//! link; and EventBridge events of `aws.dms`. Sources: AWS DMS User Guide, "Working with Amazon SNS events and notifications" and
//! "Working with Amazon EventBridge events and notifications"; the SNS text itself is in published recordings only.

use super::event::Event;
use super::rds::{Notification, state};
use super::words::{last_part, spoken};
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    if let Some(event) = Event::of(message, "aws.dms") {
        return Some(vec![from_event(&event)]);
    }
    let notification = Notification::read(message).filter(Notification::is_dms)?;
    Some(vec![notification.to_alert(message, "DMS")])
}

fn from_event(event: &Event<'_>) -> Alert {
    let detail = event.detail();
    let kind = detail.text("eventType");
    let text = detail.text("detailMessage");
    let link = detail.text("resourceLink");
    let has_failed = kind.as_deref().is_some_and(|kind| kind.ends_with("FAILED"));
    let state = if has_failed { State::Firing } else { state(text.as_deref().unwrap_or_default(), &[]) };
    // The ARN ends in an id that nobody knows; the link ends in the name.
    let name = link.as_deref().map(last_part).filter(|name| !name.contains(['#', '?'])).map(str::to_owned);
    let mut draft = event.draft("DMS", name.or_else(|| event.resource_name()), state, kind.clone());
    draft.alert.summary = text;
    draft.label("event", detail.text("eventName").as_deref().unwrap_or_default());
    draft.fact("Kind", detail.text("type").as_deref().map(spoken));
    draft.fact("Category", detail.text("category").as_deref().map(spoken));
    draft.fact("Event", detail.text("eventName").or_else(|| detail.text("eventId")));
    draft.fact("Resource", event.resources().next());
    draft.link(LinkKind::Details, link);
    draft.news_of(event.resources().next().map(str::to_owned));
    draft.finish(&detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn both_forms() {
        let sns = one(include_str!("../../../../../fixtures/dms/task-failed.sns.json"));
        assert_eq!(sns.source.to_string(), "DMS");
        assert_eq!((sns.name.as_str(), sns.state), ("orders-cdc", State::Firing));
        assert_eq!(sns.state_value, "DMS-EVENT-0078");
        assert_eq!(sns.summary.as_deref(), Some("Replication task has failed."));
        assert!(sns.description.unwrap().contains("MS-CDC"));
        assert_eq!(
            sns.links[0].url,
            "https://console.aws.amazon.com/dms/home?region=eu-west-1#tasks:ids=orders-cdc"
        );

        let event = one(include_str!("../../../../../fixtures/dms/task-stopped.eventbridge.json"));
        assert_eq!((event.name.as_str(), event.state), ("orders-cdc", State::Informational));
        assert_eq!(fact(&event, "Event"), "DMS-EVENT-0079");
    }
}
