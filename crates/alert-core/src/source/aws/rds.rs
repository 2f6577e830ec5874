//! Amazon RDS's events.
//!
//! Forms: the JSON with spaces in its keys that an event subscription publishes to SNS, and EventBridge events of `aws.rds`.
//! Sources: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon RDS" (the sample event); Amazon RDS User Guide,
//! "Creating a rule that triggers on an Amazon RDS event" and "Amazon RDS event categories and event messages".

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::{is_trouble, last_part, spoken};
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;
use crate::text::urls;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    if let Some(event) = Event::of(message, "aws.rds") {
        return Some(vec![from_event(&event)?]);
    }
    let notification = Notification::read(message).filter(|notification| !notification.is_dms())?;
    Some(vec![notification.to_alert(message, "RDS")])
}

fn from_event(event: &Event<'_>) -> Option<Alert> {
    let detail = event.detail();
    let text = detail.text("Message");
    let id = detail.text("SourceIdentifier");
    if text.is_none() && id.is_none() {
        return None;
    }
    let categories = detail.texts("EventCategories");
    let state = state(text.as_deref().unwrap_or_default(), &categories);
    let name = id.as_deref().map(|id| id.strip_prefix("rds:").unwrap_or(id).to_owned());
    let category = categories.first().cloned();
    let mut draft = event.draft("RDS", name, state, category);
    draft.alert.changed_at = detail.time("Date").or(draft.alert.changed_at);
    draft.alert.summary = text;
    let kind = detail.text("SourceType");
    draft.fact("Kind", kind.as_deref().map(kind_in_words));
    put_event_id(&mut draft, detail.text("EventID"));
    draft.fact("Category", Some(categories.join(", ")));
    let arn = detail.text("SourceArn");
    if let Some(arn) = arn.as_deref() {
        draft.place(arn);
    }
    let name = draft.alert.name.clone();
    match kind.as_deref() {
        Some("DB_INSTANCE") => draft.console(
            LinkKind::Details,
            "/rds/home?region={region}#database:id={};is-cluster=false",
            &[Some(&name)],
        ),
        Some("CLUSTER" | "DB_CLUSTER") => {
            draft.console(
                LinkKind::Details,
                "/rds/home?region={region}#database:id={};is-cluster=true",
                &[Some(&name)],
            );
        }
        _ => {}
    }
    draft.news_of(arn);
    Some(draft.finish(&detail))
}

/// What an event subscription of RDS, or of DMS, publishes.
pub(super) struct Notification<'m> {
    fields: Fields<'m>,
    source: String,
    id: Option<String>,
    event_id: Option<String>,
    text: Option<String>,
}

impl<'m> Notification<'m> {
    /// Reads a notification; `None` where the message is something else.
    pub(super) fn read(message: &Message<'m>) -> Option<Self> {
        let fields = Fields::new(message.json?);
        let source = fields.text("Event Source")?;
        let event_id =
            fields.text("Event ID").map(|url| url.rsplit('#').next().unwrap_or(&url).trim().to_owned());
        let text = fields.text("Event Message");
        if text.is_none() && event_id.is_none() {
            return None;
        }
        // DMS puts the id behind the link, in the same text.
        let behind_link = || {
            let link = fields.text("Identifier Link")?;
            link.split_once("SourceId:").map(|(_, id)| id.trim().to_owned())
        };
        let id = fields.text("Source ID").or_else(|| fields.text("SourceId")).or_else(behind_link);
        Some(Self { fields, source, id, event_id, text })
    }

    /// Whether DMS wrote it.
    pub(super) fn is_dms(&self) -> bool {
        self.source.starts_with("replication-")
            || self.event_id.as_deref().is_some_and(|id| id.starts_with("DMS-"))
    }

    /// The alert.
    pub(super) fn to_alert(&self, message: &Message<'_>, service: &str) -> Alert {
        let categories = self.fields.texts("Event Categories");
        let text = self.text.as_deref().unwrap_or_default();
        let name = self.id.as_deref().unwrap_or(&self.source);
        let state_value = self.event_id.as_deref().unwrap_or("event");
        let mut draft = Draft::of(message, service, name, state(text, &categories), state_value);
        draft.label("source", &service.to_ascii_lowercase());
        draft.label("event", self.event_id.as_deref().unwrap_or_default());
        // The first line says what happened; DMS adds pages of its log.
        let (summary, rest) = text.split_once('\n').unwrap_or((text, ""));
        draft.alert.summary = Some(summary.trim().to_owned()).filter(|summary| !summary.is_empty());
        draft.alert.description = Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty());
        draft.alert.changed_at = self.fields.time("Event Time").or(draft.alert.changed_at);
        let link = self.fields.text("Identifier Link");
        let url = link.as_deref().and_then(|link| urls(link).next());
        draft.region(url.and_then(region_in));
        if let Some(arn) = self.fields.text("Source ARN") {
            draft.place(&arn);
        }
        draft.fact("Kind", Some(kind_in_words(&self.source)));
        draft.fact("Event", self.event_id.as_deref());
        draft.fact("Category", Some(categories.join(", ")));
        draft.link(LinkKind::Details, url.map(str::to_owned));
        draft.news_of(Some(format!("{}/{}", self.source, self.id.as_deref().unwrap_or_default())));
        draft.finish(&self.fields)
    }
}

/// What the sentence and the categories say.
///
/// Neither RDS nor DMS says whether something is over, but their sentences do: a failover "started" and later "completed".
pub(super) fn state(text: &str, categories: &[String]) -> State {
    let text = text.to_ascii_lowercase();
    let is = |category: &str| categories.iter().any(|known| known.eq_ignore_ascii_case(category));
    if is("failure") || is("low storage") || is_trouble(&text) {
        return State::Firing;
    }
    let has = |word: &str| text.contains(word);
    if has("failover") && (has("started") || has("initiated")) {
        return State::Firing;
    }
    let is_over = has("completed") || has("complete") || has("restarted") || has("recovered");
    if is_over && (has("failover") || has("recover") || has("restarted")) {
        return State::Resolved;
    }
    State::Informational
}

/// `DB_INSTANCE` and `db-instance` as `DB instance`.
fn kind_in_words(kind: &str) -> String {
    let words = spoken(&kind.to_ascii_lowercase());
    words.strip_prefix("Db ").map(|rest| format!("DB {rest}")).unwrap_or(words)
}

fn put_event_id(draft: &mut Draft, id: Option<String>) {
    draft.label("event", id.as_deref().unwrap_or_default());
    draft.fact("Event", id);
}

fn region_in(url: &str) -> Option<String> {
    let rest = url.split_once("region=")?.1;
    let code = rest.split(['#', '&', ';']).next().map(last_part)?;
    crate::region::is_code(code).then(|| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_failover_starts_and_ends() {
        let started = one(include_str!("../../../../../fixtures/rds/failover-started.sns.json"));
        assert_eq!(started.name, "orders-prod");
        assert_eq!((started.state, started.state_value.as_str()), (State::Firing, "RDS-EVENT-0013"));
        assert_eq!(started.region.as_deref(), Some("ap-northeast-2"));
        assert_eq!(started.summary.as_deref(), Some("Multi-AZ instance failover started."));
        assert!(
            started.links[0].url.starts_with("https://console.aws.amazon.com/rds/home?region=ap-northeast-2")
        );

        let completed = one(include_str!("../../../../../fixtures/rds/failover-completed.sqs.json"));
        assert_eq!(completed.state, State::Resolved);
        // No id says which failover it was the end of.
        assert_eq!((completed.key, started.key), (None, None));
    }

    #[test]
    fn an_event() {
        let alert = one(include_str!("../../../../../fixtures/rds/low-storage.eventbridge.json"));
        assert_eq!(alert.name, "orders-prod");
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Firing, "low storage"));
        assert_eq!(fact(&alert, "Event"), "RDS-EVENT-0089");
        assert_eq!(fact(&alert, "Kind"), "DB instance");
        assert!(alert.links[0].url.ends_with("#database:id=orders-prod;is-cluster=false"));
    }

    #[test]
    fn what_sentences_say() {
        for (text, expected) in [
            ("Finished DB Instance backup", State::Informational),
            ("DB instance shutdown", State::Firing),
            ("DB instance restarted", State::Resolved),
            ("Recovery of the DB instance is complete.", State::Resolved),
            (
                "The free storage capacity for DB instance orders is low at 8% of the provisioned storage",
                State::Firing,
            ),
            ("A Multi-AZ failover has completed.", State::Resolved),
        ] {
            assert_eq!(state(text, &[]), expected, "{text}");
        }
    }
}
