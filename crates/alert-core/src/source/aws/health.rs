//! AWS Health: incidents of AWS's own, planned changes, and notices to the account.
//!
//! Form: EventBridge events `AWS Health Event` and `AWS Health Abuse Event` of `aws.health`. Source: AWS Health User Guide,
//! "Reference: AWS Health events Amazon EventBridge schema".

use super::event::Event;
use super::fields::Fields;
use super::words::spoken;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;

const ENTITIES_MAX: usize = 10;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.health")?;
    let detail = event.detail();
    let category = detail.text("eventTypeCategory");
    let status = detail.text("statusCode");
    let is_abuse = event.detail_type == "AWS Health Abuse Event";
    let state = state(category.as_deref(), status.as_deref(), is_abuse);
    let code = detail.text("eventTypeCode");
    let service = detail.text("service");
    let name = code.as_deref().map(|code| name(code, service.as_deref()));
    let mut draft = event.draft("AWS Health", name, state, status.or_else(|| category.clone()));
    draft.account(detail.text("affectedAccount"));
    let region = detail.text("eventRegion").filter(|region| region != "global");
    draft.region(region);
    draft.label("eventTypeCode", code.as_deref().unwrap_or_default());
    draft.label("eventTypeCategory", category.as_deref().unwrap_or_default());
    draft.label("service", service.as_deref().unwrap_or_default());
    draft.alert.description = description(&detail);
    draft.alert.starts_at = detail.time("startTime");
    draft.alert.ends_at = detail.time("endTime");
    draft.alert.changed_at = detail.time("lastUpdatedTime").or(draft.alert.changed_at);
    draft.fact("Service", service);
    draft.fact("Category", category.as_deref().map(spoken));
    draft.fact("Event", code);
    let scope = detail.text("eventScopeCode").map(|scope| {
        if scope == "ACCOUNT_SPECIFIC" { "this account".to_owned() } else { scope.to_ascii_lowercase() }
    });
    draft.fact("Concerns", scope);
    draft.fact_lines("Affected", &entities(&detail), ENTITIES_MAX);
    let metadata = detail.object("eventMetadata");
    for (key, value) in metadata.iter().filter_map(|metadata| metadata.value().as_object()).flatten() {
        draft.fact(&spoken(key), value.as_str().filter(|_| key != "truncated"));
    }
    // A long list of entities comes in several messages, each with a page of it.
    let pages = detail.number("totalPages").filter(|pages| *pages > 1.0);
    draft.fact("Page", pages.zip(detail.text("page")).map(|(pages, page)| format!("{page} of {pages}")));
    if draft.partition.as_deref().is_none_or(|partition| partition == "aws") {
        // The page that the AWS Lambda Developer Guide names; AWS documents no address for a single event.
        draft.link(
            LinkKind::Details,
            Some("https://health.aws.amazon.com/health/home#/account/dashboard/open-issues".to_owned()),
        );
    }
    draft.state_of("event", detail.text("eventArn"));
    Some(vec![draft.finish(&detail)])
}

fn state(category: Option<&str>, status: Option<&str>, is_abuse: bool) -> State {
    match (category, status) {
        (_, Some("closed")) => State::Resolved,
        _ if is_abuse => State::Firing,
        (Some("scheduledChange" | "accountNotification" | "plannedChange"), _) | (_, Some("upcoming")) => {
            State::Informational
        }
        _ => State::Firing,
    }
}

/// `AWS_EC2_OPERATIONAL_ISSUE` as `EC2 operational issue`.
fn name(code: &str, service: Option<&str>) -> String {
    let Some(service) = service else { return code.to_owned() };
    let rest = code.strip_prefix("AWS_").unwrap_or(code);
    match rest.strip_prefix(service).and_then(|rest| rest.strip_prefix('_')) {
        Some(rest) if !rest.is_empty() => {
            format!("{service} {}", rest.replace('_', " ").to_ascii_lowercase())
        }
        _ => code.to_owned(),
    }
}

/// The description in English where there are several.
fn description(detail: &Fields<'_>) -> Option<String> {
    let descriptions = detail.items("eventDescription");
    let english = descriptions
        .iter()
        .find(|one| one.text("language").is_none_or(|language| language.starts_with("en")))
        .or(descriptions.first())?;
    // Health writes the two characters `\n` for a line feed in some of its messages.
    english.text("latestDescription").map(|text| text.replace("\\n", "\n"))
}

fn entities(detail: &Fields<'_>) -> Vec<String> {
    let line = |entity: &Fields<'_>| {
        let value = entity.text("entityValue")?;
        // Both spellings are in AWS's own examples.
        let status = entity.text("status").or_else(|| entity.text("statusCode"));
        Some(match status {
            Some(status) => format!("{value} ({})", status.to_ascii_lowercase()),
            None => value,
        })
    };
    detail.items("affectedEntities").iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn an_incident_begins_and_ends() {
        let open = one(include_str!("../../../../../fixtures/health/issue-open.sns.json"));
        assert_eq!(open.name, "EC2 operational issue");
        assert_eq!((open.state, open.state_value.as_str()), (State::Firing, "open"));
        assert_eq!(open.region.as_deref(), Some("eu-west-1"));
        assert_eq!(fact(&open, "Affected"), "i-0aa1122334455667f (impaired)\ni-0bb1122334455667f (impaired)");
        assert!(open.starts_at.is_some());
        assert_eq!(open.raw, None);

        let closed = one(include_str!("../../../../../fixtures/health/issue-closed.sns.json"));
        assert_eq!((closed.state, closed.state_value.as_str()), (State::Resolved, "closed"));
        assert_eq!(closed.key, open.key);
        assert!(closed.ends_at > closed.starts_at);
    }

    #[test]
    fn a_planned_change_is_news() {
        let alert = one(include_str!("../../../../../fixtures/health/scheduled-change.sqs.json"));
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Informational, "upcoming"));
        assert_eq!(alert.account.as_deref(), Some("444455556666"));
    }
}
