//! `alertctl explain --json`: the same answer for programs. Its form is stable: names stay, more may come.
//!
//! ```json
//! {
//!   "now": "…",                             the clock of the answer, and of every rule where a record does not tell
//!   "note": "as if it happened at …",       what is to be known of the time, or null
//!   "records": [{"way": "SNS → SQS", "id", "sent_at", "tries"}],
//!   "functions": {
//!     "grafana-filter-to-sns": {
//!       "alerts": [ALERT, …],               "verdict": "publish" or "drop"
//!       "posts": [{"alerts": [0], "subject", "message"}]
//!     },
//!     "cloudwatch-to-slack": {
//!       "alerts": [ALERT, …],               "verdict": "deliver" or "drop"; "receivers": [{"name", "route"}]
//!       "posts": [{"alerts": [0], "receiver", "target", "message"}]
//!     }
//!   }
//! }
//! ```
//!
//! An alert has `record`, `name`, `state` (firing, no_data, info, resolved), `state_value` (as its source calls that), `source`,
//! `labels`, `starts_at`, `ends_at`, `notes`, `rules` (each with `rule`, `held`, `why`), `verdict`, and `dropped` (`rule` and `why`, or
//! null). A post names its alerts by their places in `alerts`. Moments are RFC 3339 in UTC; what is unknown is null.

use alert_core::alert::Alert;
use alert_core::config::Config;
use alert_core::decide::{self, Dropped, RuleTrace, Verdict};
use alert_core::envelope::{Decoded, Hop, Record};
use alert_core::filter;
use alert_core::relay::{self, Deployment};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::commands::shift::Asked;

/// The whole explanation.
pub(super) fn explained(asked: Asked, config: &Config) -> Value {
    let Asked { decoded, now, said, .. } = asked;
    let records: Vec<Value> = decoded.records.iter().map(record).collect();
    let filter = by_filter(decoded.clone(), config, now);
    let relay = by_relay(decoded, config, now);
    json!({
        "now": moment(Some(now)), "note": said, "records": records,
        "functions": {"grafana-filter-to-sns": filter, "cloudwatch-to-slack": relay},
    })
}

fn by_filter(decoded: Decoded, config: &Config, now: DateTime<Utc>) -> Value {
    let plan = filter::plan(decoded, config, None, "explain", now);
    let alerts = plan.items.iter().map(|item| {
        let mut all = alert(config, &item.alert, &plan.records, item.record, now);
        all["verdict"] = json!(if item.dropped.is_some() { "drop" } else { "publish" });
        all["dropped"] = dropped(item.dropped.as_ref());
        all
    });
    let posts = plan.publications.iter().map(|publication| {
        let message = &publication.message;
        json!({"alerts": publication.items, "subject": message.subject, "message": message.message})
    });
    json!({"alerts": alerts.collect::<Vec<_>>(), "posts": posts.collect::<Vec<_>>()})
}

fn by_relay(decoded: Decoded, config: &Config, now: DateTime<Utc>) -> Value {
    let deployment = Deployment::new(config.clone());
    let plan = relay::plan(decoded, &deployment, "explain", now);
    let alerts = plan.items.iter().map(|item| {
        let mut all = alert(config, &item.alert, &plan.records, item.record, now);
        let (verdict, by, receivers) = match &item.verdict {
            Verdict::Drop(by) => ("drop", Some(by), Vec::new()),
            Verdict::Deliver { receivers } => {
                let named =
                    receivers.iter().map(|one| json!({"name": one.receiver.name, "route": one.route}));
                ("deliver", None, named.collect())
            }
        };
        all["verdict"] = json!(verdict);
        all["dropped"] = dropped(by);
        all["receivers"] = json!(receivers);
        all
    });
    let posts = plan.posts.iter().map(|post| {
        let content = post.message.content();
        // A mail is a text, and Slack's message JSON.
        let message = serde_json::from_str(&content).unwrap_or(Value::String(content));
        let (receiver, target) = (&post.receiver.name, post.target.described());
        json!({"alerts": post.items, "receiver": receiver, "target": target, "message": message})
    });
    json!({"alerts": alerts.collect::<Vec<_>>(), "posts": posts.collect::<Vec<_>>()})
}

fn record(record: &Record) -> Value {
    json!({
        "way": Hop::way(&record.path), "id": record.id, "sent_at": moment(record.sent_at), "tries": record.tries,
    })
}

/// An alert, and what every drop rule makes of it.
fn alert(config: &Config, alert: &Alert, records: &[Record], record: usize, now: DateTime<Utc>) -> Value {
    let at = records.get(record).and_then(|record| record.sent_at).unwrap_or(now);
    let rules = decide::trace_drop_rules(config, alert, at);
    let rules =
        rules.iter().map(|RuleTrace { rule, held, why }| json!({"rule": rule, "held": held, "why": why}));
    let labels: serde_json::Map<String, Value> =
        alert.labels.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    json!({
        "record": record,
        "name": alert.name,
        "state": alert.state.as_label(),
        "state_value": alert.state_value,
        "source": alert.source.as_str(),
        "labels": labels,
        "starts_at": moment(alert.starts_at),
        "ends_at": moment(alert.ends_at),
        "notes": alert.notes,
        "rules": rules.collect::<Vec<_>>(),
    })
}

fn dropped(dropped: Option<&Dropped>) -> Value {
    dropped.map_or(Value::Null, |Dropped { rule, why }| json!({"rule": rule, "why": why}))
}

fn moment(moment: Option<DateTime<Utc>>) -> Value {
    json!(moment.map(|moment| moment.to_rfc3339_opts(SecondsFormat::AutoSi, true)))
}
