//! `grafana-filter-to-sns`: from an event to SNS's answers, and from these to the answer for Lambda.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use alert_core::answer::Failure;
use alert_core::config::Config;
use alert_core::envelope::{self, Hop};
use alert_core::filter::{self, Plan, Publication};
use alert_core::region::Arn;
use alert_core::relay::DeliveryKey;
use chrono::Utc;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::aws::{self, Identity};
use crate::configuration;
use crate::deadline::Deadline;
use crate::http;
use crate::lambda::{self, InvocationError};
use crate::memory::Memory;
use crate::publisher::Publisher;
use crate::settings::{Environment, SNS_TOPIC_ARN, StartError};

/// For whoever must mend the setting.
const TOPIC_EXPECTED: &str =
    "arn:aws:sns:REGION:ACCOUNT:NAME; `aws sns list-topics` and the SNS console's list of topics show it";

/// The filter, as long as its process lives.
#[derive(Debug)]
pub struct Filter {
    config: Config,
    warning: Option<String>,
    publisher: Publisher,
    memory: Memory,
}

impl Filter {
    /// Reads the settings.
    ///
    /// Fails only where nothing could be published at all; a broken configuration is said in the messages.
    pub fn start(environment: Environment<'_>) -> Result<Self, StartError> {
        let topic_arn = environment(SNS_TOPIC_ARN).map(|arn| arn.trim().to_owned()).ok_or_else(|| {
            StartError::new(
                "topic_arn_missing",
                format!("{SNS_TOPIC_ARN} is not set: expected the ARN of the topic for surviving alerts, {TOPIC_EXPECTED}"),
            )
        })?;
        let region = topic_region(&topic_arn)?;
        let http = http::client(environment)?;
        let identity = Identity::from_environment(environment)?;
        let loaded = configuration::load(environment);
        if let Some(warning) = &loaded.warning {
            tracing::error!(error_type = "config_invalid", "{warning}");
        }
        let publisher = Publisher::new(aws::sns(environment, &identity, &http, &region), topic_arn);
        Ok(Self { config: loaded.config, warning: loaded.warning, publisher, memory: Memory::default() })
    }

    /// Filters and publishes one event; the answer is the JSON for Lambda.
    ///
    /// An error means that at least one alert was not published; what was published is remembered.
    pub async fn handle(
        &self,
        event: &[u8],
        request_id: &str,
        deadline: Deadline,
    ) -> Result<Value, InvocationError> {
        let started = Instant::now();
        let decoded = envelope::decode(event);
        let reply = decoded.reply;
        let plan = filter::plan(decoded, &self.config, self.warning.as_deref(), Utc::now());
        let messages: Vec<_> = plan
            .publications
            .iter()
            .enumerate()
            .filter(|(_, publication)| !self.memory.holds(&key(&plan, publication, request_id)))
            .map(|(place, publication)| (place, publication.message.clone()))
            .collect();
        let report = self.publisher.publish(messages, deadline).await;
        let mut published = BTreeSet::new();
        for publication in report.published.iter().filter_map(|place| plan.publications.get(*place)) {
            self.memory.keep(key(&plan, publication, request_id));
            published.extend(publication.items.iter().copied());
        }
        let mut failed: BTreeMap<usize, &Failure> = BTreeMap::new();
        for (place, failure) in &report.failed {
            for item in plan.publications.get(*place).iter().flat_map(|publication| &publication.items) {
                failed.entry(*item).or_insert(failure);
            }
        }
        log(&plan, &published, &failed, request_id, started.elapsed());
        let failed =
            failed.into_iter().filter_map(|(item, failure)| Some((plan.items.get(item)?.record, failure)));
        let dropped = plan.items.iter().filter(|item| item.dropped.is_some()).count();
        let done =
            json!({"alerts": plan.items.len(), "dropped": dropped, "published": plan.publications.len()});
        lambda::answer(reply, &plan.records, plan.items.len(), &failed.collect::<Vec<_>>(), done)
    }
}

/// The region in a topic's ARN, after a look at the whole of it.
///
/// Source: Amazon SNS API Reference, CreateTopic: names have 1 to 256 letters, digits, `_` and `-`, and may end in `.fifo`.
fn topic_region(topic_arn: &str) -> Result<String, StartError> {
    let is_name = |name: &str| {
        let name = name.strip_suffix(".fifo").unwrap_or(name);
        (1..=256).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    Arn::parse(topic_arn)
        .filter(|arn| {
            let is_account = arn.account.len() == 12 && arn.account.bytes().all(|b| b.is_ascii_digit());
            arn.service == "sns" && !arn.region.is_empty() && is_account && is_name(arn.resource)
        })
        .map(|arn| arn.region.to_owned())
        .ok_or_else(|| {
            // What is no ARN may be a secret that was meant for another setting.
            let found = if topic_arn.starts_with("arn:") {
                format!("is {topic_arn:?}")
            } else {
                format!("is no ARN but a text of {} characters", topic_arn.chars().count())
            };
            StartError::new(
                "topic_arn_malformed",
                format!("{SNS_TOPIC_ARN} {found}: expected the ARN of an SNS topic (not of a subscription or a queue, and not its name alone), {TOPIC_EXPECTED}"),
            )
        })
}

/// Names a publication by the alerts in it, never by its place among the others: a rule that depends on the time may hold
/// in a retry and not in the first try, or the other way round, and then that place is another's.
fn key(plan: &Plan, publication: &Publication, request_id: &str) -> DeliveryKey {
    let items: Vec<_> = publication.items.iter().filter_map(|item| plan.items.get(*item)).collect();
    let (record, place) = items.first().map_or((0, 0), |first| (first.record, first.place));
    let id = plan.records.get(record).and_then(|record| record.id.clone());
    let receiver = match &items[..] {
        [] | [_] => "sns".to_owned(),
        many => {
            let mut hasher = DefaultHasher::new();
            for item in many {
                item.place.hash(&mut hasher);
            }
            format!("sns {:016x}", hasher.finish())
        }
    };
    DeliveryKey {
        place: (if id.is_some() { 0 } else { record }, place),
        delivery: id.unwrap_or_else(|| request_id.to_owned()),
        receiver,
    }
}

/// One line for each alert: what it was, what was decided, what became of it.
fn log(
    plan: &Plan,
    published: &BTreeSet<usize>,
    failed: &BTreeMap<usize, &Failure>,
    request_id: &str,
    duration: Duration,
) {
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    for (index, item) in plan.items.iter().enumerate() {
        let record = plan.records.get(item.record);
        let id = record.and_then(|record| record.id.as_deref()).unwrap_or(request_id);
        let path = record.map(|record| Hop::way(&record.path)).unwrap_or_default();
        let (alert, state) = (item.alert.name.as_str(), item.alert.state_value.as_str());
        if let Some(dropped) = &item.dropped {
            tracing::info!(
                request_id,
                id,
                path,
                alert,
                state,
                verdict = "dropped",
                rule = dropped.rule,
                why = dropped.why
            );
        } else if let Some(failure) = failed.get(&index) {
            let (error_type, why) = (failure.error_type, failure.detail.as_str());
            tracing::error!(
                request_id,
                id,
                path,
                alert,
                state,
                verdict = "publish",
                outcome = "failed",
                error_type,
                why,
                duration_ms
            );
        } else {
            let outcome = if published.contains(&index) { "published" } else { "published before" };
            tracing::info!(request_id, id, path, alert, state, verdict = "publish", outcome, duration_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics() {
        for arn in
            ["arn:aws:sns:eu-west-1:111122223333:alerts", "arn:aws-cn:sns:cn-north-1:111122223333:a_b-c.fifo"]
        {
            assert!(topic_region(arn).is_ok(), "{arn}");
        }
        for arn in [
            "alerts",
            "arn:aws:sqs:eu-west-1:111122223333:alerts",
            "arn:aws:sns:eu-west-1:1111:alerts",
            "arn:aws:sns::111122223333:alerts",
            "arn:aws:sns:eu-west-1:111122223333:alerts:5f0c8a52-8e0e-4b0b-9c55-6a1f6f3c7f10",
        ] {
            let error = topic_region(arn).unwrap_err();
            assert_eq!(error.error_type, "topic_arn_malformed");
            assert!(
                error.message.contains(SNS_TOPIC_ARN) && error.message.contains(TOPIC_EXPECTED),
                "{error}"
            );
            assert_eq!(error.message.contains(arn), arn.starts_with("arn:"), "{error}");
        }
    }

    /// The keys of an event's publications by the first alert in each, when it comes at this time.
    fn keys(event: &Value, config: &str, now: &str) -> BTreeMap<String, DeliveryKey> {
        let decoded = envelope::decode(event.to_string().as_bytes());
        let config = Config::parse(config).unwrap();
        let plan = filter::plan(decoded, &config, None, now.parse().unwrap());
        let name = |publication: &Publication| plan.items[publication.items[0]].alert.name.clone();
        plan.publications.iter().map(|one| (name(one), key(&plan, one, "request"))).collect()
    }

    #[test]
    fn a_rule_that_holds_in_one_try_alone_makes_no_alert_pass_for_another() {
        let alert = |name: &str, starts_at: &str| json!({"status": "firing", "labels": {"alertname": name}, "startsAt": starts_at});
        // Without an envelope that tells the time, the clock decides, and a retry has another.
        let event = json!({"alerts": [
            alert("young", "2026-03-02T00:00:00Z"),
            alert("old", "2026-03-01T00:00:00Z"),
            alert("older", "2026-02-01T00:00:00Z"),
        ]});
        for publish in ["alert", "group"] {
            let config = format!(
                "publish: {publish}\ndrop: [{{matchers: ['alertname=\"young\"'], younger_than: 30m}}]"
            );
            let first = keys(&event, &config, "2026-03-02T00:29:00Z");
            let retry = keys(&event, &config, "2026-03-02T00:31:00Z");
            assert!(!first.contains_key("young") && retry.contains_key("young"));
            assert!(first.values().all(|key| *key != retry["young"]), "{publish}: {first:?} {retry:?}");
            if publish == "alert" {
                assert_eq!((&first["old"], &first["older"]), (&retry["old"], &retry["older"]));
            }
            assert_eq!(first, keys(&event, &config, "2026-03-02T00:29:30Z"));
        }
    }
}
