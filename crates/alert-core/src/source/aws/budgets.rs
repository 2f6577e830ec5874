//! AWS Budgets' notifications.
//!
//! Form: the plain text of the e-mail, published to SNS with the subject `AWS Budgets: … has exceeded your alert threshold`.
//! The AWS Cost Management User Guide, "Creating an Amazon SNS topic for budget notifications", shows the way but not the
//! text; its form is that of published recordings from 2019 to 2026.

use super::draft::Draft;
use crate::alert::{Alert, LinkKind, State};
use crate::source::Message;
use crate::text::urls;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let text = message.text.filter(|_| message.json.is_none())?.trim();
    let name = value(text, "Budget Name")?;
    let subject = message.record.subject.as_deref().unwrap_or_default();
    if !text.starts_with("AWS Budget") && !subject.starts_with("AWS Budgets") {
        return None;
    }
    let kind = value(text, "Alert Type");
    let mut draft = Draft::of(message, "Budgets", name, State::Firing, kind.unwrap_or("notification"));
    draft.alert.summary = text
        .lines()
        .map(str::trim)
        .find(|line| line.starts_with("You requested that we alert you"))
        .map(|line| without_closing(line).to_owned());
    let account = text.lines().find_map(|line| line.trim().strip_prefix("AWS Account "));
    draft.account(account.map(|account| account.trim().to_owned()));
    draft.label("source", "budgets");
    draft.label("type", kind.unwrap_or_default());
    let amount = kind.and_then(|kind| value(text, &format!("{kind} Amount")));
    draft.fact(
        "Amount",
        amount.map(|amount| {
            if kind == Some("FORECASTED") { format!("{amount} (forecast)") } else { amount.to_owned() }
        }),
    );
    if let (Some(amount), Some(threshold)) = (amount, value(text, "Alert Threshold")) {
        let kind = kind.unwrap_or_default().to_lowercase();
        draft.alert.description = draft.alert.summary.take();
        draft.alert.summary =
            Some(format!("{kind} amount {amount}, threshold {threshold}").trim().to_owned());
    }
    draft.fact("Threshold", value(text, "Alert Threshold"));
    draft.fact("Budgeted", value(text, "Budgeted Amount"));
    draft.fact("Budget type", value(text, "Budget Type"));
    draft.fact("Alert type", kind);
    draft.link(LinkKind::Details, urls(text).last().map(str::to_owned));
    Some(vec![draft.finish_text(text)])
}

/// The value in the line `key: value`.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix(key)?.trim_start().strip_prefix(':'))
        .map(str::trim)
        .find(|value| !value.is_empty())
}

/// The sentence that every notification ends with says nothing.
fn without_closing(line: &str) -> &str {
    line.split(" You can find additional details below").next().unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn a_budget_that_is_spent() {
        let alert = one(include_str!("../../../../../fixtures/budgets/actual.sns.json"));
        assert_eq!(alert.name, "platform-monthly");
        assert_eq!((alert.state, alert.state_value.as_str()), (State::Firing, "ACTUAL"));
        assert_eq!(fact(&alert, "Amount"), "$8,412.77");
        assert_eq!(fact(&alert, "Threshold"), "> $8,000.00");
        assert_eq!(alert.account.as_deref(), Some("111122223333"));
        assert_eq!(alert.links[0].url, "https://console.aws.amazon.com/billing/home#/budgets");
        assert_eq!(alert.raw, None);
    }

    #[test]
    fn a_forecast() {
        let alert = one(include_str!("../../../../../fixtures/budgets/forecasted.sqs-raw.json"));
        assert_eq!((alert.name.as_str(), alert.state_value.as_str()), ("개발 환경 budget", "FORECASTED"));
        assert_eq!(fact(&alert, "Amount"), "$1,250.00 (forecast)");
    }
}
