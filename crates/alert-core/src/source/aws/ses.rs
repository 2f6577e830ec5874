//! Amazon SES: bounces, complaints, deliveries and the like.
//!
//! Forms: notifications of an identity (`notificationType`) and events of a configuration set (`eventType`) over SNS, and EventBridge
//! events of `aws.ses`, whose `detail` is such an event. Sources: Amazon SES Developer Guide, "Amazon SNS notification contents for
//! Amazon SES" and "Examples of event data that Amazon SES publishes to Amazon SNS".

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use crate::alert::{Alert, State};
use crate::source::Message;

const RECIPIENTS_MAX: usize = 10;

/// What is said of the mail, by the kind of message.
const PARTS: [&str; 7] = ["bounce", "complaint", "delivery", "deliveryDelay", "reject", "failure", "open"];

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    if let Some(event) = Event::of(message, "aws.ses") {
        let detail = event.detail();
        let kind = kind(&detail)?;
        let draft = event.draft("SES", Some(name(&kind, &detail)), state(&kind, &detail), Some(kind.clone()));
        return Some(vec![fill(draft, &kind, &detail)]);
    }
    let detail = Fields::new(message.json?);
    let kind = kind(&detail)?;
    let mut draft = Draft::of(message, "SES", &name(&kind, &detail), state(&kind, &detail), &kind);
    draft.label("source", "ses");
    Some(vec![fill(draft, &kind, &detail)])
}

/// The kind of a message of SES: one that is about a mail, or the greeting to a new topic.
fn kind(detail: &Fields<'_>) -> Option<String> {
    let object = detail.value().as_object()?;
    if !object.contains_key("notificationType") && !object.contains_key("eventType") {
        return None;
    }
    let kind = detail.text("notificationType").or_else(|| detail.text("eventType"))?;
    (object.get("mail").is_some_and(serde_json::Value::is_object) || kind.starts_with("AmazonSns"))
        .then_some(kind)
}

fn name(kind: &str, detail: &Fields<'_>) -> String {
    match detail.text("mail.source").or_else(|| detail.texts("mail.commonHeaders.from").into_iter().next()) {
        Some(from) if kind == "Complaint" => format!("Complaint about mail from {from}"),
        Some(from) => format!("{kind} of mail from {from}"),
        None => format!("SES {kind}"),
    }
}

fn state(kind: &str, detail: &Fields<'_>) -> State {
    match kind {
        // A transient bounce is tried again.
        "Bounce" if detail.text("bounce.bounceType").as_deref() == Some("Transient") => State::Informational,
        "Bounce" | "Complaint" | "Reject" | "Rendering Failure" => State::Firing,
        _ => State::Informational,
    }
}

fn fill(mut draft: Draft, kind: &str, detail: &Fields<'_>) -> Alert {
    if let Some(arn) = detail.text("mail.sourceArn") {
        draft.place(&arn);
    }
    draft.account(detail.text("mail.sendingAccountId"));
    draft.label("event", kind);
    let part = PARTS.iter().find_map(|part| detail.object(part));
    if let Some(part) = &part {
        draft.alert.changed_at = part.time("timestamp").or(draft.alert.changed_at);
        draft.alert.reason = part.text("errorMessage").or_else(|| part.text("reason"));
        let kinds: Vec<String> =
            [part.text("bounceType"), part.text("bounceSubType"), part.text("delayType")]
                .into_iter()
                .flatten()
                .collect();
        draft.fact("Kind", Some(kinds.join(", ")));
        draft.fact("Feedback", part.text("complaintFeedbackType").or_else(|| part.text("complaintSubType")));
        draft.fact("Template", part.text("templateName"));
    }
    let lists = part.iter().flat_map(|part| {
        ["bouncedRecipients", "complainedRecipients", "delayedRecipients"]
            .map(|list| part.items(list))
            .into_iter()
            .flatten()
    });
    let mut recipients: Vec<String> = lists.filter_map(|one| recipient(&one)).collect();
    if recipients.is_empty() {
        recipients = detail.texts("mail.destination");
    }
    draft.fact_lines("To", &recipients, RECIPIENTS_MAX);
    draft.fact("Subject", detail.text("mail.commonHeaders.subject"));
    draft.fact("From", detail.text("mail.source"));
    draft.fact("Answer", part.as_ref().and_then(|part| part.text("smtpResponse")));
    draft.fact("Sent from", detail.text("mail.sourceIp"));
    draft.fact("Message", detail.text("message"));
    let id = detail.text("mail.messageId");
    draft.fact("Message id", id.clone());
    draft.news_of(id.map(|id| format!("{id}/{kind}")));
    draft.finish(detail)
}

/// A recipient, and what the other side said.
fn recipient(recipient: &Fields<'_>) -> Option<String> {
    let address = recipient.text("emailAddress")?;
    Some(match recipient.text("diagnosticCode").or_else(|| recipient.text("status")) {
        Some(said) => format!("{address}: {said}"),
        None => address,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn bounces_complaints_and_deliveries() {
        let bounce = one(include_str!("../../../../../fixtures/ses/bounce.sns.json"));
        assert_eq!(bounce.name, "Bounce of mail from orders@shop.example");
        assert_eq!((bounce.state, bounce.state_value.as_str()), (State::Firing, "Bounce"));
        assert_eq!(fact(&bounce, "Kind"), "Permanent, General");
        assert_eq!(fact(&bounce, "To"), "gone@customer.example: smtp; 550 5.1.1 user unknown");

        let complaint = one(include_str!("../../../../../fixtures/ses/complaint.sqs.json"));
        assert_eq!(complaint.name, "Complaint about mail from orders@shop.example");
        assert_eq!((complaint.state, fact(&complaint, "Feedback")), (State::Firing, "abuse"));

        let delivery = one(include_str!("../../../../../fixtures/ses/delivery.eventbridge.json"));
        assert_eq!(delivery.state, State::Informational);
        assert_eq!(fact(&delivery, "To"), "anna@customer.example");
    }
}
