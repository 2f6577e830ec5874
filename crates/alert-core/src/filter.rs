//! What the filter does with an event: which alerts are held back, and what is published of the rest. Publishing is the
//! caller's.
//!
//! Pure like [`crate::relay`], and for the same reason.

use chrono::{DateTime, Utc};

use crate::alert::{Alert, Source};
use crate::config::{Config, Publish};
use crate::decide::{self, Dropped};
use crate::envelope::{Decoded, Record};
use crate::render::sns::{self, SnsMessage, SnsOptions};
use crate::source;

/// One alert and what is to become of it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Which of the event's records it came in.
    pub record: usize,
    /// Its place in that record.
    pub place: usize,
    /// The alert.
    pub alert: Alert,
    /// The rule that holds it back, if one does.
    pub dropped: Option<Dropped>,
}

/// One message, and the items that it tells of by their place in [`Plan::items`].
#[derive(Debug, Clone)]
pub struct Publication {
    /// The items.
    pub items: Vec<usize>,
    /// The message.
    pub message: SnsMessage,
}

/// Everything that one event asks for.
#[derive(Debug)]
pub struct Plan {
    /// The event's records.
    pub records: Vec<Record>,
    /// Every alert of every record, in their order.
    pub items: Vec<Item>,
    /// What is to be published, in order.
    pub publications: Vec<Publication>,
}

/// Plans an event.
///
/// `warning` is what is wrong with the configuration, for every message to say. `now` is the clock; rules use the time at
/// which a record was sent where its envelope tells.
#[must_use]
pub fn plan(decoded: Decoded, config: &Config, warning: Option<&str>, now: DateTime<Utc>) -> Plan {
    let mut items = Vec::new();
    let mut publications = Vec::new();
    for (index, record) in decoded.records.iter().enumerate() {
        let at = record.sent_at.unwrap_or(now);
        let first = items.len();
        for (place, alert) in source::interpret(record).into_iter().enumerate() {
            let dropped = decide::decide_filter(config, &alert, at);
            items.push(Item { record: index, place, alert, dropped });
        }
        let options =
            SnsOptions { time_zone: config.timezone, warning: warning.map(str::to_owned), sent_at: at };
        let surviving: Vec<usize> =
            (first..items.len()).filter(|item| items[*item].dropped.is_none()).collect();
        publish(record, &items, surviving, config.publish, &options, &mut publications);
    }
    Plan { records: decoded.records, items, publications }
}

fn publish(
    record: &Record,
    items: &[Item],
    surviving: Vec<usize>,
    mode: Publish,
    options: &SnsOptions,
    publications: &mut Vec<Publication>,
) {
    let Some(first) = surviving.first() else { return };
    let is_webhook = matches!(items[*first].alert.source, Source::Grafana | Source::Alertmanager);
    if !is_webhook {
        // Whatever it is, it goes on as it came, once.
        let message = sns::raw(record, &items[*first].alert, options);
        publications.push(Publication { items: surviving, message });
        return;
    }
    match mode {
        Publish::Alert => publications.extend(surviving.into_iter().map(|item| Publication {
            items: vec![item],
            message: sns::message(&items[item].alert, options),
        })),
        Publish::Group => {
            let alerts: Vec<&Alert> = surviving.iter().map(|item| &items[*item].alert).collect();
            let mut rest = surviving;
            for (told, message) in sns::group_messages(&alerts, options) {
                let others = rest.split_off(told.min(rest.len()));
                publications.push(Publication { items: std::mem::replace(&mut rest, others), message });
            }
        }
    }
}
