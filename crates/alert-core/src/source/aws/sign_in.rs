//! Sign-ins to the console, by way of CloudTrail.
//!
//! Form: EventBridge event `AWS Console Sign In via CloudTrail` of `aws.signin`. Source: AWS CloudTrail User Guide, "AWS Management
//! Console sign-in events"; Amazon EventBridge User Guide, "AWS service events delivered via AWS CloudTrail".

use super::event::Event;
use super::words::spoken;
use crate::alert::{Alert, State};
use crate::source::Message;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let event = Event::of(message, "aws.signin")
        .filter(|event| event.detail_type == "AWS Console Sign In via CloudTrail")?;
    let detail = event.detail();
    let kind = detail.text("userIdentity.type");
    let user = detail.text("userIdentity.userName").or_else(|| detail.text("userIdentity.principalId"));
    let outcome = detail.text("responseElements.ConsoleLogin");
    let mfa = detail.text("additionalEventData.MFAUsed");
    let is_root = kind.as_deref() == Some("Root");
    let is_failed = outcome.as_deref() == Some("Failure");
    // Whoever signs in by a federation has no MFA of AWS's to use.
    let is_without_mfa = mfa.as_deref() == Some("No") && matches!(kind.as_deref(), Some("Root" | "IAMUser"));
    let who = if is_root { Some("Root".to_owned()) } else { user.clone() };
    let mut name = who.map_or_else(|| "Sign-in".to_owned(), |who| format!("{who} sign-in"));
    if is_failed {
        name.push_str(" failed");
    } else if is_without_mfa {
        name.push_str(" without MFA");
    }
    // The root user signs in so seldom that each time is worth a look.
    let state = if is_root || is_failed { State::Firing } else { State::Informational };
    let mut draft = event.draft("Sign-in", Some(name), state, outcome.clone());
    draft.account(detail.text("userIdentity.accountId"));
    draft.alert.changed_at = detail.time("eventTime").or(draft.alert.changed_at);
    let address = detail.text("sourceIPAddress");
    draft.label("sourceIPAddress", address.as_deref().unwrap_or_default());
    draft.label("userType", kind.as_deref().unwrap_or_default());
    draft.fact("From", address);
    draft.fact("Outcome", outcome);
    draft.fact("MFA used", mfa);
    draft.fact("User", detail.text("userIdentity.arn").or(user));
    draft.fact("Kind of user", kind.as_deref().map(spoken));
    draft.fact("Error", detail.text("errorMessage"));
    draft.fact("Client", detail.text("userAgent"));
    Some(vec![draft.finish(&detail)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn the_root_user_without_mfa() {
        let alert = one(include_str!("../../../../../fixtures/events/root-sign-in.eventbridge.json"));
        assert_eq!((alert.name.as_str(), alert.state), ("Root sign-in without MFA", State::Firing));
        assert_eq!(fact(&alert, "From"), "203.0.113.99");
    }
}
