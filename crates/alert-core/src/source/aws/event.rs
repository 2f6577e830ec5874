//! The frame around a service's message.
//!
//! Two forms: EventBridge's (EventBridge User Guide, "AWS service event metadata") and that of CodeStar notification
//! rules, which has `detailType` for `detail-type`, no `id`, and more in `additionalAttributes` (Developer Tools console
//! User Guide, "Notification concepts"; CodePipeline User Guide, "Monitoring CodePipeline events").

use serde_json::Value;

use super::draft::Draft;
use super::fields::Fields;
use super::words::last_part;
use crate::alert::State;
use crate::region::Arn;
use crate::source::Message;

/// What stands for a `detail` that is missing.
static NOTHING: Value = Value::Null;

/// A service's event.
pub(super) struct Event<'m> {
    frame: &'m Value,
    /// `aws.guardduty`, or whatever the sender calls itself.
    pub(super) source: &'m str,
    /// What kind of event it is.
    pub(super) detail_type: &'m str,
}

impl<'m> Event<'m> {
    /// The event, from whichever source.
    pub(super) fn any(message: &Message<'m>) -> Option<Self> {
        let frame = message.json?;
        let text = |key: &str| frame.get(key).and_then(Value::as_str);
        let detail_type = text("detail-type").or_else(|| text("detailType"))?;
        frame.get("detail")?;
        Some(Self { frame, source: text("source")?, detail_type })
    }

    /// The event, if it is one of this source.
    pub(super) fn of(message: &Message<'m>, source: &str) -> Option<Self> {
        Self::any(message).filter(|event| event.source == source)
    }

    /// What happened.
    pub(super) fn detail(&self) -> Fields<'m> {
        Fields::new(self.frame.get("detail").unwrap_or(&NOTHING))
    }

    /// What a notification rule adds.
    pub(super) fn additional(&self) -> Fields<'m> {
        Fields::new(self.frame.get("additionalAttributes").unwrap_or(&NOTHING))
    }

    /// The resources' ARNs or ids.
    pub(super) fn resources(&self) -> impl Iterator<Item = &'m str> {
        self.frame.get("resources").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    /// The last part of the first resource's ARN.
    pub(super) fn resource_name(&self) -> Option<String> {
        self.resources().next().map(|resource| last_part(resource).to_owned())
    }

    /// An alert of which the frame's facts are known; a name that is missing is the kind of event.
    pub(super) fn draft(
        &self,
        service: &str,
        name: Option<String>,
        state: State,
        state_value: Option<String>,
    ) -> Draft {
        let name = name.unwrap_or_else(|| self.detail_type.to_owned());
        let state_value = state_value.unwrap_or_else(|| self.detail_type.to_owned());
        let mut draft = Draft::new(service, &name, state, &state_value);
        let text = |key: &str| self.frame.get(key).and_then(Value::as_str).map(str::to_owned);
        draft.alert.account = text("account").filter(|account| !account.is_empty());
        draft.alert.region = text("region").filter(|region| !region.is_empty());
        let frame = Fields::new(self.frame);
        draft.alert.changed_at = frame.time("time");
        draft.unread(&frame);
        draft.partition =
            self.resources().find_map(|resource| Some(Arn::parse(resource)?.partition.to_owned()));
        draft.label("source", self.source.strip_prefix("aws.").unwrap_or(self.source));
        draft.label("detail-type", self.detail_type);
        draft
    }
}
