//! What the relay does with an event: which messages go to whom, in what order. Posting them is the caller's.
//!
//! The planning is pure, so that the function, `alertctl explain` and the tests see the same plan.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::alert::Alert;
use crate::config::{BrokenConfiguration, Config, Receiver};
use crate::decide::{self, Dropped, Routed, Verdict};
use crate::envelope::{Body, Decoded, Record};
use crate::key::{AlertKey, DeliveryKey};
use crate::memory::{Memory, Past, Shown};
use crate::order;
use crate::render::page::words::fill;
use crate::render::page::{Context, Page, Warning, Words};
use crate::render::slack::{self, Message, Rendering};
use crate::source;

/// What is the same for every event of a deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The rules and routes.
    pub config: Config,
    /// What is wrong with the configuration, for every message to say; `None` when all is well.
    pub broken: Option<BrokenConfiguration>,
    /// What else is wrong with the deployment, a sentence each, for every message to say.
    pub problems: Vec<String>,
    /// Receivers whose webhook cannot be had, by name, and why; their alerts go to the default receiver.
    pub unavailable: BTreeMap<String, String>,
    /// The channel of the function's own webhook, from its settings.
    pub channel: Option<String>,
}

impl Deployment {
    /// A deployment in which all is well.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config, broken: None, problems: Vec::new(), unavailable: BTreeMap::new(), channel: None }
    }
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
    /// Which alert it is.
    pub key: AlertKey,
    /// Which delivery of it this is.
    pub delivery: DeliveryKey,
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
    /// How the message is written.
    pub rendering: Rendering,
    /// The message.
    pub message: Message,
    /// Of one alert; a digest has none.
    destination: Option<Box<Destination>>,
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
    /// Items that are not posted to a receiver, by its name, because the last try may have arrived and is too fresh.
    pub held: Vec<(usize, String)>,
    /// For each item the first one that is a change of the same alert.
    first_of_alert: Vec<usize>,
    /// For each item the one that came before it in this event as the same delivery.
    twins: BTreeMap<usize, usize>,
    destinations: Vec<Vec<Destination>>,
    deployment: &'d Deployment,
    request_id: String,
    now: DateTime<Utc>,
}

/// Plans an event.
///
/// `now` is the clock; rules use the time at which a record was sent where its envelope tells. What `memory` holds as
/// delivered is left out, so that a retry posts only what failed.
pub fn plan<'d>(
    mut decoded: Decoded,
    deployment: &'d Deployment,
    request_id: &str,
    now: DateTime<Utc>,
    memory: &impl Memory,
) -> Plan<'d> {
    // Most records have one alert.
    let mut items = Vec::with_capacity(decoded.records.len());
    for (index, record) in decoded.records.iter_mut().enumerate() {
        let at = record.sent_at.unwrap_or(now);
        let first = DeliveryKey::of(record, request_id);
        for (place, mut alert) in source::interpret(record).into_iter().enumerate() {
            let verdict = decide::decide_relay(&deployment.config, &alert, at);
            let delivery = DeliveryKey { place, ..first.clone() };
            let key = alert.key.take().unwrap_or_else(|| AlertKey::News(delivery.clone()));
            items.push(Item { record: index, place, alert, key, delivery, verdict });
        }
        // Its alerts hold what counts; ten thousand bodies would be the larger part of the memory.
        record.body = Body::Text(String::new());
    }
    let mut plan = Plan {
        records: decoded.records,
        first_of_alert: first_of_alert(&items),
        items,
        posts: Vec::new(),
        held: Vec::new(),
        twins: BTreeMap::new(),
        destinations: Vec::new(),
        deployment,
        request_id: request_id.to_owned(),
        now,
    };
    plan.destinations = (0..plan.items.len()).map(|index| plan.destinations(index)).collect();
    plan.make_posts(memory);
    plan
}

fn first_of_alert(items: &[Item]) -> Vec<usize> {
    let mut firsts: HashMap<&AlertKey, usize> = HashMap::with_capacity(items.len());
    items.iter().enumerate().map(|(index, item)| *firsts.entry(&item.key).or_insert(index)).collect()
}

/// Who really gets an item, by which route, and what is wrong about that.
#[derive(Debug, Clone)]
struct Destination {
    receiver: Arc<Receiver>,
    route: String,
    warnings: Vec<Warning>,
    /// The newer state that the receiver has been shown.
    overtaken: Option<Shown>,
    /// An earlier try may have arrived.
    may_be_repeat: bool,
}

/// What is due to one receiver: items, each with the place of its destination.
struct Due {
    receiver: Arc<Receiver>,
    items: Vec<(usize, usize)>,
}

/// The items of one receiver, each with the route that led to it.
struct Mail<'p> {
    receiver: Arc<Receiver>,
    items: Vec<(usize, &'p Destination)>,
}

impl Plan<'_> {
    /// What dropped an item, if anything did.
    pub fn dropped(&self) -> impl Iterator<Item = (&Item, &Dropped)> {
        self.items.iter().filter_map(|item| match &item.verdict {
            Verdict::Drop(dropped) => Some((item, dropped)),
            Verdict::Deliver { .. } => None,
        })
    }

    /// The item that speaks for this one: another, where the same delivery came twice in the event.
    #[must_use]
    pub fn spokesman(&self, item: usize) -> usize {
        self.twins.get(&item).copied().unwrap_or(item)
    }

    /// The alerts that a post tells of, each by the first of its items: what has one in common must keep its order.
    pub fn alerts_of<'p>(&'p self, post: &'p Post) -> impl Iterator<Item = usize> + 'p {
        post.items.iter().filter_map(|item| self.first_of_alert.get(*item).copied())
    }

    /// The posts that one refused digest is taken apart into: the halves of it, each a digest again if it is one of many.
    ///
    /// So one alert that Slack does not take costs a storm of a hundred no hundred posts.
    #[must_use]
    pub fn take_apart(&self, post: &Post) -> Vec<Post> {
        let receiver = &post.receiver;
        let destinations: Vec<(usize, Destination)> = post
            .items
            .iter()
            .filter_map(|index| {
                let all = self.destinations.get(*index)?;
                // A digest by a stand-in has no destination of its own; the one that it stands in for will do.
                let destination = match all.iter().find(|other| other.receiver.name == receiver.name) {
                    Some(own) => own.clone(),
                    None => Destination { receiver: Arc::clone(receiver), ..all.first()?.clone() },
                };
                Some((*index, destination))
            })
            .collect();
        let items: Vec<(usize, &Destination)> =
            destinations.iter().map(|(index, destination)| (*index, destination)).collect();
        let (front, back) = items.split_at(items.len().div_ceil(2));
        [front, back]
            .into_iter()
            .filter(|half| !half.is_empty())
            .flat_map(|half| self.mail_posts(&Mail { receiver: Arc::clone(receiver), items: half.to_vec() }))
            .collect()
    }

    /// The posts for who stands in for a post's receiver, whose webhook cannot be had for the reason `why`.
    ///
    /// None for an item that the stand-in gets by itself.
    #[must_use]
    pub fn stand_in(&self, post: &Post, why: &str) -> Vec<Post> {
        let stand_in = self.stand_in_for(&post.receiver.name);
        let destinations: Vec<(usize, Destination)> = post
            .items
            .iter()
            .filter_map(|index| {
                let all = self.destinations.get(*index)?;
                if all.iter().any(|other| other.receiver.name == stand_in.name)
                    && stand_in.name != post.receiver.name
                {
                    return None;
                }
                let own = all.iter().find(|other| other.receiver.name == post.receiver.name)?;
                let problem = self.unavailable(&post.receiver.name, why);
                let warnings = own.warnings.iter().cloned().chain([problem]).collect();
                Some((*index, Destination { receiver: Arc::clone(&stand_in), warnings, ..own.clone() }))
            })
            .collect();
        if destinations.is_empty() {
            return Vec::new();
        }
        let items = destinations.iter().map(|(index, destination)| (*index, destination)).collect();
        self.mail_posts(&Mail { receiver: stand_in, items })
    }

    fn make_posts(&mut self, memory: &impl Memory) {
        let mut destinations = std::mem::take(&mut self.destinations);
        let mut seen: HashMap<(&str, &DeliveryKey), usize> = HashMap::new();
        // In the order in which the receivers are first met.
        let mut all_due: Vec<Due> = Vec::new();
        for (index, destinations) in destinations.iter_mut().enumerate() {
            let item = &self.items[index];
            for (number, destination) in destinations.iter_mut().enumerate() {
                let receiver = Arc::clone(&destination.receiver);
                match memory.past(&receiver.name, &item.delivery) {
                    Past::None => {}
                    Past::Unsure { is_too_soon: false } => destination.may_be_repeat = true,
                    Past::Unsure { is_too_soon: true } => {
                        self.held.push((index, receiver.name.clone()));
                        continue;
                    }
                    Past::Delivered => continue,
                }
                let shown = memory.shown(&receiver.name, &item.key);
                destination.overtaken =
                    shown.filter(|shown| item.alert.changed_at.is_some_and(|at| at < shown.at));
                let position = all_due.iter().position(|due| due.receiver.name == receiver.name);
                let position = position.unwrap_or_else(|| {
                    all_due.push(Due { receiver, items: Vec::new() });
                    all_due.len() - 1
                });
                all_due[position].items.push((index, number));
            }
        }
        // What came twice in one event is one message. Its twin shares what becomes of it.
        for Due { receiver, items } in &mut all_due {
            items.retain(|(index, _)| {
                let delivery = &self.items[*index].delivery;
                match seen.entry((receiver.name.as_str(), delivery)) {
                    Entry::Vacant(entry) => {
                        entry.insert(*index);
                        true
                    }
                    Entry::Occupied(entry) => {
                        self.twins.insert(*index, *entry.get());
                        false
                    }
                }
            });
        }
        self.destinations = destinations;
        let posts = all_due
            .into_iter()
            .flat_map(|Due { receiver, mut items }| {
                order::by_change(
                    &mut items,
                    |(index, _)| [self.first_of_alert[*index]],
                    |(index, _)| self.items[*index].alert.changed_at,
                );
                let items =
                    items.into_iter().map(|(index, number)| (index, &self.destinations[index][number]));
                self.mail_posts(&Mail { receiver, items: items.collect() })
            })
            .collect();
        self.posts = posts;
    }

    fn mail_posts(&self, mail: &Mail<'_>) -> Vec<Post> {
        if mail.items.len() <= self.deployment.config.digest_after {
            return mail.items.iter().map(|(index, destination)| self.single(*index, destination)).collect();
        }
        let entries: Vec<slack::Entry<'_>> = mail
            .items
            .iter()
            .map(|(index, destination)| {
                let Item { alert, key, .. } = &self.items[*index];
                slack::Entry { item: *index, alert, key, overtaken: destination.overtaken.as_ref() }
            })
            .collect();
        let warnings: BTreeSet<&Warning> =
            mail.items.iter().flat_map(|(_, destination)| &destination.warnings).collect();
        let destination = Destination {
            receiver: Arc::clone(&mail.receiver),
            route: String::new(),
            warnings: warnings.into_iter().cloned().collect(),
            overtaken: None,
            may_be_repeat: mail.items.iter().any(|(_, destination)| destination.may_be_repeat),
        };
        let rendering = self.deployment.config.rendering;
        slack::digest(&entries, &self.context(&destination, None), &self.options(&mail.receiver, rendering))
            .into_iter()
            .map(|(message, items)| {
                let receiver = Arc::clone(&mail.receiver);
                let post =
                    Post { receiver, items, rendering: Rendering::Classic, message, destination: None };
                if rendering == Rendering::Plain { self.simpler(&post).unwrap_or(post) } else { post }
            })
            .collect()
    }

    /// The same post in simpler blocks; `None` where there is nothing simpler.
    #[must_use]
    pub fn simpler(&self, post: &Post) -> Option<Post> {
        let rendering = post.rendering.simpler()?;
        match (&post.destination, &post.items[..]) {
            (Some(destination), [item]) if rendering != Rendering::Plain => {
                Some(self.single_as(*item, destination, rendering))
            }
            _ => Some(Post { rendering, message: post.message.plain(), ..post.clone() }),
        }
    }

    fn destinations(&self, item: usize) -> Vec<Destination> {
        let Verdict::Deliver { receivers } = &self.items[item].verdict else { return Vec::new() };
        let mut destinations: Vec<Destination> = Vec::new();
        for Routed { receiver, chosen_by, .. } in receivers {
            let (receiver, problem) = match self.deployment.unavailable.get(&receiver.name) {
                None => (Arc::clone(receiver), None),
                Some(why) => (self.stand_in_for(&receiver.name), Some(self.unavailable(&receiver.name, why))),
            };
            let broken = self.deployment.broken.as_ref().map(|broken| broken.warning(self.words()));
            let others = self.deployment.problems.iter().map(|problem| Warning::new(problem.as_str()));
            let warnings: Vec<Warning> = broken.into_iter().chain(others).chain(problem).collect();
            match destinations.iter_mut().find(|other| other.receiver.name == receiver.name) {
                // The same people twice: one message, which still says what is wrong.
                Some(known) if known.warnings.len() < warnings.len() => known.warnings = warnings,
                Some(_) => {}
                None => destinations.push(Destination {
                    receiver,
                    route: chosen_by.clone(),
                    warnings,
                    overtaken: None,
                    may_be_repeat: false,
                }),
            }
        }
        destinations
    }

    /// Who gets the alerts of a receiver that cannot be had: the default receiver, by the function's own webhook where
    /// its own cannot be had either.
    fn stand_in_for(&self, receiver: &str) -> Arc<Receiver> {
        let default = self.deployment.config.default_receiver();
        if default.name == receiver || self.deployment.unavailable.contains_key(&default.name) {
            return Arc::new(Receiver { webhook: None, channel: None, ..Receiver::clone(default) });
        }
        Arc::clone(default)
    }

    fn single(&self, item: usize, destination: &Destination) -> Post {
        self.single_as(item, destination, self.deployment.config.rendering)
    }

    fn single_as(&self, item: usize, destination: &Destination, rendering: Rendering) -> Post {
        let page = self.page_for(item, destination);
        Post {
            receiver: Arc::clone(&destination.receiver),
            items: vec![item],
            rendering,
            message: slack::page(&page, &self.options(&destination.receiver, rendering)),
            destination: Some(Box::new(destination.clone())),
        }
    }

    /// What people read of one alert in a post; `None` for a digest.
    #[must_use]
    pub fn page<'p>(&'p self, post: &'p Post) -> Option<Page<'p>> {
        Some(self.page_for(*post.items.first()?, post.destination.as_deref()?))
    }

    fn page_for<'p>(&'p self, item: usize, destination: &'p Destination) -> Page<'p> {
        let Item { record, alert, .. } = &self.items[item];
        Page::new(alert, &self.context(destination, self.records.get(*record)))
    }

    fn words(&self) -> &'static Words {
        self.deployment.config.language.words()
    }

    fn options<'o>(&'o self, receiver: &'o Receiver, rendering: Rendering) -> slack::Options<'o> {
        let Deployment { config, channel, .. } = self.deployment;
        let own_channel = channel.as_deref().filter(|_| receiver.webhook.is_none());
        slack::Options {
            rendering,
            channel: receiver.channel.as_deref().or(own_channel),
            timezone: config.timezone,
            language: config.language,
        }
    }

    fn context<'c>(&'c self, destination: &'c Destination, record: Option<&'c Record>) -> Context<'c> {
        let config = &self.deployment.config;
        Context {
            now: self.now,
            timezone: config.timezone,
            language: config.language,
            accounts: &config.accounts,
            mention: destination.receiver.mention.as_deref(),
            tries: record.map_or(1, |record| record.tries),
            // What has no id of its own is found in the logs by its invocation.
            delivery_id: record.map(|record| record.id.as_deref().unwrap_or(&self.request_id)),
            receiver: &destination.receiver.name,
            route: Some(destination.route.as_str()).filter(|route| !route.is_empty()),
            warnings: &destination.warnings,
            overtaken: destination.overtaken.as_ref(),
            may_be_repeat: destination.may_be_repeat,
        }
    }

    fn unavailable(&self, receiver: &str, why: &str) -> Warning {
        Warning::new(fill(self.words().stands_in, &[receiver, why]))
    }
}
