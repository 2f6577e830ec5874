//! What the relay does with an event: which messages go to whom, in what order. Posting them is the caller's.
//!
//! The planning is pure, so that the function, `alertctl explain` and the tests see the same plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::alert::Alert;
use crate::config::{Config, Receiver};
use crate::decide::{self, Dropped, Routed, Verdict};
use crate::envelope::{Body, Decoded, Record};
use crate::render::slack::{self, Context, Message};
use crate::source;

/// What is the same for every event of a deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The rules and routes.
    pub config: Config,
    /// What is wrong with the configuration, for every message to say; `None` when all is well.
    pub warning: Option<String>,
    /// Receivers whose webhook cannot be had, by name, and why; their alerts go to the default receiver.
    pub unavailable: BTreeMap<String, String>,
    /// The channel of the function's own webhook, from its settings.
    pub channel: Option<String>,
}

impl Deployment {
    /// A deployment in which all is well.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, warning: None, unavailable: BTreeMap::new(), channel: None }
    }
}

/// Names one delivery of one alert to one receiver; the same when the same event comes again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryKey {
    /// The delivery's id, or the invocation's where it has none.
    pub delivery: String,
    /// The alert's place in the event's record, and the record's where the delivery has no id of its own.
    pub place: (usize, usize),
    /// The receiver.
    pub receiver: String,
}

/// One alert and what is to become of it.
#[derive(Debug, Clone)]
pub struct Item {
    /// Which of the event's records it came in.
    pub record: usize,
    /// Its place in that record.
    pub place: usize,
    /// The alert.
    pub alert: Alert,
    /// Who gets it, or why nobody does.
    pub verdict: Verdict,
}

/// One message to one receiver.
#[derive(Debug, Clone)]
pub struct Post {
    /// Whose webhook takes it.
    pub receiver: Arc<Receiver>,
    /// The items that it tells of, by their place in [`Plan::items`]; more than one in a digest.
    pub items: Vec<usize>,
    /// The message.
    pub message: Message,
}

/// Everything that one event asks for.
#[derive(Debug)]
pub struct Plan<'d> {
    /// The event's records, without their bodies.
    pub records: Vec<Record>,
    /// Every alert of every record, in their order.
    pub items: Vec<Item>,
    /// The messages to post, in order.
    pub posts: Vec<Post>,
    deployment: &'d Deployment,
    request_id: String,
    now: DateTime<Utc>,
}

/// Plans an event.
///
/// `now` is the clock; rules use the time at which a record was sent where its envelope tells. What `is_delivered` knows
/// already is left out, so that a retry posts only what failed.
pub fn plan<'d>(
    mut decoded: Decoded,
    deployment: &'d Deployment,
    request_id: &str,
    now: DateTime<Utc>,
    is_delivered: impl Fn(&DeliveryKey) -> bool,
) -> Plan<'d> {
    // Most records have one alert.
    let mut items = Vec::with_capacity(decoded.records.len());
    for (index, record) in decoded.records.iter_mut().enumerate() {
        let at = record.sent_at.unwrap_or(now);
        for (place, alert) in source::interpret(record).into_iter().enumerate() {
            let verdict = decide::decide_relay(&deployment.config, &alert, at);
            items.push(Item { record: index, place, alert, verdict });
        }
        // Its alerts hold what counts; ten thousand bodies would be the larger part of the memory.
        record.body = Body::Text(String::new());
    }
    let mut plan = Plan {
        records: decoded.records,
        items,
        posts: Vec::new(),
        deployment,
        request_id: request_id.to_owned(),
        now,
    };
    plan.posts = plan.make_posts(is_delivered);
    plan
}

/// Who really gets an item, by which route, and what is wrong about that.
struct Destination {
    receiver: Arc<Receiver>,
    route: String,
    warning: Option<String>,
}

/// The items of one receiver, each with the route that led to it.
struct Mail<'p> {
    receiver: Arc<Receiver>,
    items: Vec<(usize, &'p Destination)>,
    warnings: BTreeSet<&'p str>,
}

impl Plan<'_> {
    /// What dropped an item, if anything did.
    pub fn dropped(&self) -> impl Iterator<Item = (&Item, &Dropped)> {
        self.items.iter().filter_map(|item| match &item.verdict {
            Verdict::Drop(dropped) => Some((item, dropped)),
            Verdict::Deliver { .. } => None,
        })
    }

    /// The name of one delivery, for the memory of what was delivered.
    #[must_use]
    pub fn key(&self, item: usize, receiver: &Receiver) -> DeliveryKey {
        let (record, place) = self.items.get(item).map_or((0, 0), |item| (item.record, item.place));
        let id = self.records.get(record).and_then(|record| record.id.clone());
        DeliveryKey {
            place: (if id.is_some() { 0 } else { record }, place),
            delivery: id.unwrap_or_else(|| self.request_id.clone()),
            receiver: receiver.name.clone(),
        }
    }

    /// The posts that one refused digest is taken apart into.
    #[must_use]
    pub fn take_apart(&self, post: &Post) -> Vec<Post> {
        post.items
            .iter()
            .filter_map(|index| {
                let destinations = self.destinations(*index);
                let destination =
                    destinations.iter().find(|other| other.receiver.name == post.receiver.name)?;
                Some(self.single(*index, destination))
            })
            .collect()
    }

    fn make_posts(&self, is_delivered: impl Fn(&DeliveryKey) -> bool) -> Vec<Post> {
        let destinations: Vec<Vec<Destination>> =
            (0..self.items.len()).map(|index| self.destinations(index)).collect();
        // In the order in which the receivers are first met.
        let mut mails: Vec<Mail<'_>> = Vec::new();
        for (index, destinations) in destinations.iter().enumerate() {
            for destination in destinations {
                let receiver = &destination.receiver;
                if is_delivered(&self.key(index, receiver)) {
                    continue;
                }
                let position = mails.iter().position(|mail| mail.receiver.name == receiver.name);
                let position = position.unwrap_or_else(|| {
                    mails.push(Mail {
                        receiver: Arc::clone(receiver),
                        items: Vec::new(),
                        warnings: BTreeSet::new(),
                    });
                    mails.len() - 1
                });
                mails[position].items.push((index, destination));
                mails[position].warnings.extend(destination.warning.as_deref());
            }
        }
        mails.into_iter().flat_map(|mail| self.mail_posts(&mail)).collect()
    }

    fn mail_posts(&self, mail: &Mail<'_>) -> Vec<Post> {
        if mail.items.len() > self.deployment.config.digest_after {
            let alerts: Vec<(usize, &Alert)> =
                mail.items.iter().map(|(index, _)| (*index, &self.items[*index].alert)).collect();
            let warning =
                Some(mail.warnings.iter().copied().collect::<Vec<_>>().join("\n")).filter(|w| !w.is_empty());
            let context = self.context(&mail.receiver, None, "digest", warning.as_deref());
            let digests = slack::digest(&alerts, &context);
            return digests
                .into_iter()
                .map(|(message, items)| Post { receiver: Arc::clone(&mail.receiver), items, message })
                .collect();
        }
        mail.items.iter().map(|(index, destination)| self.single(*index, destination)).collect()
    }

    fn destinations(&self, item: usize) -> Vec<Destination> {
        let Verdict::Deliver { receivers } = &self.items[item].verdict else { return Vec::new() };
        let mut destinations: Vec<Destination> = Vec::new();
        for Routed { receiver, route } in receivers {
            let (receiver, problem) = match self.deployment.unavailable.get(&receiver.name) {
                None => (Arc::clone(receiver), None),
                Some(why) => (
                    self.stand_in(),
                    Some(format!(
                        "This alert is for the receiver {:?}, whose webhook cannot be had: {why}",
                        receiver.name
                    )),
                ),
            };
            let warnings: Vec<String> = self.deployment.warning.iter().cloned().chain(problem).collect();
            let warning = (!warnings.is_empty()).then(|| warnings.join("\n"));
            match destinations.iter_mut().find(|other| other.receiver.name == receiver.name) {
                // The same people twice: one message, which still says what is wrong.
                Some(known) => known.warning = warning.or(known.warning.take()),
                None => destinations.push(Destination { receiver, route: route.clone(), warning }),
            }
        }
        destinations
    }

    /// Who gets the alerts of a receiver that cannot be had: the default receiver, by the function's own webhook where
    /// its own cannot be had either.
    fn stand_in(&self) -> Arc<Receiver> {
        let default = self.deployment.config.default_receiver();
        if self.deployment.unavailable.contains_key(&default.name) {
            return Arc::new(Receiver { webhook: None, channel: None, ..Receiver::clone(default) });
        }
        Arc::clone(default)
    }

    fn single(&self, item: usize, destination: &Destination) -> Post {
        let Item { record, alert, .. } = &self.items[item];
        let Destination { receiver, route, warning } = destination;
        let context = self.context(receiver, self.records.get(*record), route, warning.as_deref());
        Post { receiver: Arc::clone(receiver), items: vec![item], message: slack::alert(alert, &context) }
    }

    fn context<'c>(
        &'c self,
        receiver: &'c Receiver,
        record: Option<&'c Record>,
        route: &'c str,
        warning: Option<&'c str>,
    ) -> Context<'c> {
        let config = &self.deployment.config;
        let own_webhook = receiver.webhook.is_some();
        Context {
            now: self.now,
            timezone: config.timezone,
            accounts: &config.accounts,
            channel: receiver.channel.as_deref().or(self
                .deployment
                .channel
                .as_deref()
                .filter(|_| !own_webhook)),
            mention: receiver.mention.as_deref(),
            path: record.map_or(&[], |record| &record.path),
            tries: record.map_or(1, |record| record.tries),
            // What has no id of its own is found in the logs by its invocation.
            delivery_id: record.map(|record| record.id.as_deref().unwrap_or(&self.request_id)),
            route,
            warning,
        }
    }
}
