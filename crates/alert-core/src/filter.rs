//! What the filter does with an event: which alerts are held back, and what is published of the rest. Publishing is the
//! caller's.
//!
//! Pure like [`crate::relay`], and for the same reason.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::{DateTime, Utc};

use crate::alert::{Alert, Source};
use crate::blind::{self, Seen};
use crate::config::{Config, Publish};
use crate::decide::{self, Dropped};
use crate::envelope::{Decoded, Record};
use crate::key::{AlertKey, DeliveryKey};
use crate::order;
use crate::render::sns::{self, SnsMessage, SnsOptions};
use crate::source;

/// One alert and what is to become of it.
#[derive(Debug, Clone)]
pub struct FilterItem {
    /// Which of the event's records it came in.
    pub record: usize,
    /// Its place in that record.
    pub place: usize,
    /// The alert.
    pub alert: Alert,
    /// Which alert it is.
    pub key: AlertKey,
    /// Which delivery of it this is.
    pub delivery: DeliveryKey,
    /// The rule that holds it back, if one does.
    pub dropped: Option<Dropped>,
}

/// One message, and the items that it tells of by their place in [`FilterPlan::items`].
#[derive(Debug, Clone)]
pub struct Publication {
    /// The items; the same delivery twice where it came twice.
    pub items: Vec<usize>,
    /// Names it by the alerts in it, never by its place among the others: a rule that depends on the time may hold in a
    /// retry and not in the first try, or the other way round, and then that place is another's.
    pub delivery: DeliveryKey,
    /// The message.
    pub message: SnsMessage,
}

impl Publication {
    fn new(items: Vec<usize>, all: &[FilterItem], message: SnsMessage) -> Self {
        let deliveries = || items.iter().map(|item| &all[*item].delivery);
        // There is at least one.
        let mut delivery = deliveries().next().cloned().unwrap_or_default();
        if items.len() > 1 {
            let mut hasher = DefaultHasher::new();
            deliveries().for_each(|delivery| delivery.hash(&mut hasher));
            delivery.body = hasher.finish();
        }
        Self { items, delivery, message }
    }
}

/// Everything that one event asks for.
#[derive(Debug)]
pub struct FilterPlan {
    /// The event's records.
    pub records: Vec<Record>,
    /// Every alert of every record, in their order.
    pub items: Vec<FilterItem>,
    /// What is to be published, in order.
    pub publications: Vec<Publication>,
    /// What the items say of rules that cannot be evaluated.
    pub seen: Vec<Seen>,
}

/// Plans an event.
///
/// `warning` is what is wrong with the configuration, for every message to say. `request_id` is the invocation's. `now` is
/// the clock; rules use the time at which a record was sent where its envelope tells.
#[must_use]
pub fn plan(
    decoded: Decoded,
    config: &Config,
    warning: Option<&str>,
    request_id: &str,
    now: DateTime<Utc>,
) -> FilterPlan {
    let mut items = Vec::new();
    let (mut publications, mut seen) = (Vec::new(), Vec::new());
    for (index, record) in decoded.records.iter().enumerate() {
        let at = record.sent_at.unwrap_or(now);
        let first = items.len();
        let delivery = DeliveryKey::of(record, request_id);
        for (place, alert) in source::interpret(record).into_iter().enumerate() {
            let dropped = decide::decide_filter(config, &alert, at);
            let delivery = DeliveryKey { place, ..delivery.clone() };
            let key = alert.key.clone().unwrap_or_else(|| AlertKey::News(delivery.clone()));
            seen.extend(blind::seen(config, &alert, &key, dropped.as_ref()));
            items.push(FilterItem { record: index, place, alert, key, delivery, dropped });
        }
        let options =
            SnsOptions { time_zone: config.timezone, warning: warning.map(str::to_owned), sent_at: at };
        let surviving: Vec<usize> =
            (first..items.len()).filter(|item| items[*item].dropped.is_none()).collect();
        publish(record, &items, surviving, config, &options, &mut publications);
    }
    let mut publications = once(publications);
    order::by_change(
        &mut publications,
        |one| one.items.iter().map(|item| &items[*item].key).collect::<Vec<_>>(),
        // The newest of its changes tells when the sender looked, and a later look knows all that an earlier one knew.
        |one| {
            let times = one.items.iter().map(|item| items[*item].alert.changed_at);
            times.collect::<Option<Vec<_>>>()?.into_iter().max()
        },
    );
    FilterPlan { records: decoded.records, items, publications, seen }
}

/// What came twice in one event is one message, which tells of both.
fn once(publications: Vec<Publication>) -> Vec<Publication> {
    let mut places: HashMap<DeliveryKey, usize> = HashMap::with_capacity(publications.len());
    let mut kept: Vec<Publication> = Vec::with_capacity(publications.len());
    for publication in publications {
        match places.entry(publication.delivery.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(kept.len());
                kept.push(publication);
            }
            Entry::Occupied(entry) => kept[*entry.get()].items.extend(publication.items),
        }
    }
    kept
}

fn publish(
    record: &Record,
    items: &[FilterItem],
    surviving: Vec<usize>,
    config: &Config,
    options: &SnsOptions,
    publications: &mut Vec<Publication>,
) {
    let Some(first) = surviving.first() else { return };
    let is_webhook = matches!(items[*first].alert.source, Source::Grafana | Source::Alertmanager);
    if !is_webhook {
        // Whatever it is, it goes on as it came, once.
        let message = sns::raw(record, &items[*first].alert, options);
        publications.push(Publication::new(surviving, items, message));
        return;
    }
    let is_group = match config.publish {
        Publish::Auto => surviving.len() > config.digest_after,
        Publish::Alert => false,
        Publish::Group => true,
    };
    if !is_group {
        publications.extend(
            surviving
                .into_iter()
                .map(|item| Publication::new(vec![item], items, sns::message(&items[item].alert, options))),
        );
        return;
    }
    let alerts: Vec<&Alert> = surviving.iter().map(|item| &items[*item].alert).collect();
    let mut rest = surviving;
    for (told, message) in sns::group_messages(&alerts, options) {
        let others = rest.split_off(told.min(rest.len()));
        let told = std::mem::replace(&mut rest, others);
        publications.push(Publication::new(told, items, message));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::envelope;

    fn planned(event: &Value, config: &str, now: &str) -> FilterPlan {
        let config = Config::parse(config).unwrap();
        plan(envelope::decode(event.to_string().as_bytes()), &config, None, "request", now.parse().unwrap())
    }

    fn alert(name: &str, starts_at: &str) -> Value {
        json!({"status": "firing", "labels": {"alertname": name}, "startsAt": starts_at})
    }

    /// The names of an event's publications by the first alert in each, when it comes at this time.
    fn deliveries(event: &Value, config: &str, now: &str) -> BTreeMap<String, DeliveryKey> {
        let plan = planned(event, config, now);
        let name = |publication: &Publication| plan.items[publication.items[0]].alert.name.clone();
        plan.publications.iter().map(|one| (name(one), one.delivery.clone())).collect()
    }

    #[test]
    fn a_rule_that_holds_in_one_try_alone_makes_no_alert_pass_for_another() {
        // Without an envelope that tells the time, the clock decides, and a retry has another.
        let event = json!({"alerts": [
            alert("young", "2026-03-02T00:00:00Z"),
            alert("old", "2026-03-01T00:00:00Z"),
            alert("older", "2026-02-01T00:00:00Z"),
        ]});
        for publish in ["auto", "alert", "group"] {
            let config = format!(
                "publish: {publish}\ndigest_after: 2\ndrop: [{{matchers: ['alertname=\"young\"'], younger_than: 30m}}]"
            );
            let first = deliveries(&event, &config, "2026-03-02T00:29:00Z");
            let retry = deliveries(&event, &config, "2026-03-02T00:31:00Z");
            assert!(!first.contains_key("young") && retry.contains_key("young"));
            assert!(first.values().all(|key| *key != retry["young"]), "{publish}: {first:?} {retry:?}");
            if publish == "alert" {
                assert_eq!((&first["old"], &first["older"]), (&retry["old"], &retry["older"]));
            }
            assert_eq!(first, deliveries(&event, &config, "2026-03-02T00:29:30Z"));
        }
    }

    #[test]
    fn one_event_is_published_in_the_order_of_changes_and_nothing_of_it_twice() {
        let record = |id: &str, body: &Value| json!({"messageId": id, "body": body.to_string()});
        let webhook = |alerts: &[Value]| json!({"receiver": "r", "orgId": 1, "alerts": alerts});
        let change = |status: &str, ends_at: &str| json!({"status": status, "labels": {"alertname": "cpu"}, "startsAt": "2026-03-02T00:00:00Z", "endsAt": ends_at});
        let over = webhook(&[change("resolved", "2026-03-02T00:09:00Z")]);
        let other = webhook(&[alert("disk", "2026-03-02T00:00:00Z")]);
        let fires = webhook(&[change("firing", "0001-01-01T00:00:00Z")]);
        let event = json!({"Records": [
            record("1", &over), record("2", &other), record("3", &fires), record("2", &other),
        ]});
        let plan = planned(&event, "drop: []", "2026-03-02T00:10:00Z");
        let told: Vec<_> = plan
            .publications
            .iter()
            .map(|one| (plan.items[one.items[0]].alert.state_value.as_str(), one.items.clone()))
            .collect();
        assert_eq!(told, [("firing", vec![2]), ("firing", vec![1, 3]), ("resolved", vec![0])]);
        // The same body under another id is another delivery: reminders are equal.
        let event = json!({"Records": [record("1", &fires), record("2", &fires)]});
        assert_eq!(planned(&event, "drop: []", "2026-03-02T00:10:00Z").publications.len(), 2);
    }

    #[test]
    fn a_webhook_of_many_is_one_message() {
        let event = |count: usize| {
            let alerts: Vec<Value> =
                (0..count).map(|n| alert(&format!("a{n}"), "2026-03-02T00:00:00Z")).collect();
            json!({"receiver": "r", "alerts": alerts})
        };
        let sizes = |count: usize, config: &str| {
            let plan = planned(&event(count), config, "2026-03-02T00:10:00Z");
            plan.publications.iter().map(|one| one.items.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(5, ""), [1; 5]);
        assert_eq!(sizes(6, ""), [6]);
        assert_eq!(sizes(100, ""), [100]);
        assert_eq!(sizes(6, "publish: alert"), [1; 6]);
        assert_eq!(sizes(2, "publish: group"), [2]);
        assert_eq!(sizes(2, "digest_after: 1"), [2]);
        // What a rule drops does not count.
        assert_eq!(sizes(6, "drop: [{matchers: [alertname=a0]}]"), [1; 5]);
    }

    #[test]
    fn a_group_waits_for_an_earlier_one_by_any_of_its_alerts() {
        let record = |id: &str, alerts: &[Value]| json!({"messageId": id, "body": json!({"receiver": "r", "alerts": alerts}).to_string()});
        let [old, new] = ["2026-03-02T00:00:00Z", "2026-03-02T00:05:00Z"];
        let event = json!({"Records": [
            record("1", &[alert("cpu", old), alert("disk", new)]),
            record("2", &[alert("disk", old), alert("net", old)]),
        ]});
        for config in ["publish: group", "digest_after: 1"] {
            let plan = planned(&event, config, "2026-03-02T00:10:00Z");
            let told: Vec<_> = plan.publications.iter().map(|one| one.items.clone()).collect();
            assert_eq!(told, [[2, 3], [0, 1]], "{config}");
        }
    }
}
