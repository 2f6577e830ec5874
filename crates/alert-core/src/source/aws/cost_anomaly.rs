//! AWS Cost Anomaly Detection.
//!
//! Forms: the JSON of an individual alert over SNS, and EventBridge event `Anomaly Detected` of `aws.ce`, whose `detail` is
//! nearly the same (`dimensionValue` for `dimensionalValue`). Sources: AWS Cost Management User Guide, "Getting started with
//! AWS Cost Anomaly Detection" (viewing anomalies from an SNS topic) and "Using EventBridge with Cost Anomaly Detection".

use super::draft::Draft;
use super::event::Event;
use super::fields::Fields;
use super::words::dollars;
use crate::alert::{Alert, LinkKind, State};
use crate::number;
use crate::source::Message;

const CAUSES_MAX: usize = 5;

pub(super) fn interpret(message: &Message<'_>) -> Option<Vec<Alert>> {
    let (detail, draft) = if let Some(event) = Event::of(message, "aws.ce") {
        let detail = event.detail();
        detail.text("anomalyId")?;
        let draft = event.draft(
            "Cost Anomaly Detection",
            Some(name(&detail)),
            State::Firing,
            Some("detected".to_owned()),
        );
        (detail, draft)
    } else {
        let json = message.json?;
        let has = |key: &str| json.get(key).is_some();
        if !has("anomalyId") || !(has("impact") || has("anomalyDetailsLink")) {
            return None;
        }
        let detail = Fields::new(json);
        let mut draft =
            Draft::of(message, "Cost Anomaly Detection", &name(&detail), State::Firing, "detected");
        draft.label("source", "ce");
        (detail, draft)
    };
    Some(vec![fill(draft, &detail)])
}

fn name(detail: &Fields<'_>) -> String {
    let dimension = detail.text("dimensionValue").or_else(|| detail.text("dimensionalValue"));
    let what = dimension.or_else(|| detail.text("monitorName"));
    what.map_or_else(|| "Cost anomaly".to_owned(), |what| format!("Cost anomaly: {what}"))
}

fn fill(mut draft: Draft, detail: &Fields<'_>) -> Alert {
    draft.account(detail.text("accountId"));
    draft.alert.starts_at = detail.time("anomalyStartDate");
    let money = |path: &str| detail.number(path).map(dollars);
    let percent = detail.number("impact.totalImpactPercentage");
    draft.fact(
        "Impact",
        money("impact.totalImpact").map(|impact| match percent {
            Some(percent) => format!("{impact} ({} %)", number::plain(percent)),
            None => impact,
        }),
    );
    let spent = money("impact.totalActualSpend").zip(money("impact.totalExpectedSpend"));
    draft.fact("Spent", spent.map(|(spent, expected)| format!("{spent} where {expected} were expected")));
    draft.fact("Most in a day", money("impact.maxImpact"));
    let causes: Vec<String> = detail.items("rootCauses").iter().filter_map(cause).collect();
    draft.fact_lines("Root causes", &causes, CAUSES_MAX);
    draft.fact("Monitor", detail.text("monitorName"));
    draft.fact("Account name", detail.text("accountName"));
    let days = [detail.time("anomalyStartDate"), detail.time("anomalyEndDate")];
    let days: Vec<String> =
        days.into_iter().flatten().map(|day| day.format("%Y-%m-%d").to_string()).collect();
    draft.fact("Days", Some(days.join(" to ")));
    draft.fact("Score", detail.text("anomalyScore.currentScore"));
    draft.link(LinkKind::Details, detail.text("anomalyDetailsLink"));
    let monitor = detail.text("monitorArn").unwrap_or_default();
    draft.label("monitor", super::words::last_part(&monitor));
    draft.news_of(detail.text("anomalyId"));
    draft.finish(detail)
}

/// Service, region, usage type and account of a root cause, and its share.
fn cause(cause: &Fields<'_>) -> Option<String> {
    let account = cause.text("linkedAccountName").or_else(|| cause.text("linkedAccount"));
    let parts = [cause.text("service"), cause.text("region"), cause.text("usageType"), account];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    let share = cause.number("impact.contribution").map(|share| format!(": {}", dollars(share)));
    (!parts.is_empty()).then(|| format!("{}{}", parts.join(" · "), share.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use crate::source::aws::tests::{fact, one};

    #[test]
    fn both_forms() {
        let sns = one(include_str!("../../../../../fixtures/cost-anomaly/anomaly.sns.json"));
        assert_eq!(sns.name, "Cost anomaly: Amazon Elastic Compute Cloud - Compute");
        assert_eq!(fact(&sns, "Impact"), "$1001.00 (333.7 %)");
        assert_eq!(fact(&sns, "Spent"), "$1301.00 where $300.00 were expected");
        assert!(sns.links[0].url.contains("/anomaly-detection/"));
        assert_eq!(sns.raw, None);

        let event = one(include_str!("../../../../../fixtures/cost-anomaly/anomaly.eventbridge.json"));
        assert_eq!(
            fact(&event, "Root causes"),
            "AWS Lambda · us-east-1 · Lambda-GB-Second · data-prod: $212.40"
        );
        assert_eq!(event.account.as_deref(), Some("111122223333"));
    }
}
