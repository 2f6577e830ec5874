//! A button of a message in the inbox: what Slack would send when somebody presses it goes to the real function.

use alert_sandbox::lambda::Outcome;
use alert_sandbox::slack::Click;
use serde_json::Value;

use super::super::message::PERSON;
use super::{Live, failure};

/// A button that was pressed in the page.
#[derive(Debug, Default)]
pub(crate) struct Press {
    /// The channel's id.
    pub(crate) channel: String,
    /// The message's name in it.
    pub(crate) ts: String,
    pub(crate) action: String,
    /// What was chosen from a menu.
    pub(crate) option: Option<String>,
}

impl Live {
    /// Presses a button; gives what the person alone is told, if anything. The error says why nothing came of it.
    pub(crate) async fn press(&self, press: &Press) -> Result<Option<String>, String> {
        let Some(beside) = &self.beside else {
            return Err("buttons need the app: start the playground with --app".to_owned());
        };
        let slack = &self.stage.sandbox.slack;
        let click = Click {
            channel: &press.channel,
            ts: &press.ts,
            action_id: &press.action,
            option: press.option.as_deref(),
            user: PERSON,
        };
        let event = slack.click(&click)?.proxy_event();
        let told = slack.ephemerals().len();
        let invocation = beside.actions.invoke(event.to_string()).await;
        let outcome = &invocation.outcome;
        let status =
            outcome.response_json().and_then(|answer| answer.get("statusCode").and_then(Value::as_u64));
        self.catch_up();
        match (outcome, status) {
            (Outcome::Response(_), Some(200)) => {}
            (Outcome::Response(_), status) => {
                return Err(format!("{} answered {}", beside.actions.name(), status.unwrap_or_default()));
            }
            _ => return Err(format!("{}: {}", beside.actions.name(), failure(outcome))),
        }
        Ok(slack.ephemerals().into_iter().nth(told).map(|line| line.text))
    }
}
