//! What has no effect in a sound configuration.
//!
//! Only what is sure: each finding holds for every alert. What depends on the deployment (an app, a table) is not looked at.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono_tz::Tz;

use super::parse::NESTING_MAX;
use super::parse::value::excerpt;
use super::{Config, DropRule, Escalate, Problem, Receiver, Route, yaml};
use crate::matcher::Matchers;
use crate::target::WEBHOOK;

/// Zones whose clocks are never put forward, named as those that are; and a place that is probably meant.
const WITHOUT_SUMMER_TIME: [(Tz, &str, &str); 2] =
    [(Tz::EST, "UTC-5", "America/New_York"), (Tz::MST, "UTC-7", "America/Denver")];

/// All findings about a configuration that was read from this text, in the order of the text. What is not written there, as
/// the rule that holds by default, has none.
pub(super) fn warnings(config: &Config, text: &str) -> Vec<Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let Ok(Some(root)) = yaml::read(text, NESTING_MAX) else { return Vec::new() };
    let mut findings = Findings::default();
    findings.drop_rules(config);
    findings.time_intervals(config);
    findings.routes(config);
    findings.receivers(config);
    findings.heartbeats(config);
    findings.zones(config);
    let placed = findings.all.into_iter().filter_map(|Finding { path, message }| {
        let start = root.at(&path)?.span.start;
        Some(Problem { line: start.line(), column: start.col() + 1, path, message })
    });
    let mut problems: Vec<Problem> = placed.collect();
    problems.sort();
    problems
}

struct Finding {
    path: String,
    message: String,
}

#[derive(Default)]
struct Findings<'c> {
    all: Vec<Finding>,
    /// Receivers of routes that speak for themselves.
    reached: BTreeSet<&'c str>,
    /// Each way of telling it louder, the route that wrote it first, and who gets what it is about.
    escalations: Vec<(&'c Arc<Escalate>, &'c Route, Vec<&'c Receiver>)>,
}

impl<'c> Findings<'c> {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.all.push(Finding { path: path.into(), message: message.into() });
    }

    /// Whether matchers exclude each other, which is said of their place.
    fn never_match(&mut self, path: &str, matchers: &Matchers, where_else: &str) -> bool {
        let Some((one, other)) = matchers.contradiction() else { return false };
        let (one, other) = (excerpt(&one.to_string()), excerpt(&other.to_string()));
        self.add(path, format!("never matches: no alert has both {one} and {other}{where_else}"));
        true
    }

    fn drop_rules(&mut self, config: &Config) {
        for (index, rule) in config.drop.iter().enumerate() {
            let path = format!("drop[{index}]");
            if self.never_match(&path, &rule.matchers, "") {
                continue;
            }
            let earlier = config.drop.iter().take(index).find(|earlier| holds_as_well(earlier, rule));
            if let Some(earlier) = earlier {
                let earlier = excerpt(&earlier.name);
                self.add(path, format!("drops nothing: {earlier} before it drops all that it would"));
            }
        }
    }

    fn time_intervals(&mut self, config: &Config) {
        let named = || config.drop.iter().flat_map(|rule| &rule.active_time_intervals);
        for (index, interval) in config.time_intervals.iter().enumerate() {
            if !named().any(|other| other.name == interval.name) {
                let message =
                    format!("no drop rule names {} in its active_time_intervals", excerpt(&interval.name));
                self.add(format!("time_intervals[{index}]"), message);
            }
        }
    }

    fn routes(&mut self, config: &'c Config) {
        self.route(&config.route, &Matchers::default(), &[]);
        for (_, route, receivers) in std::mem::take(&mut self.escalations) {
            let by_webhook =
                |receiver: &&Receiver| receiver.target.as_ref().is_some_and(|target| target.way == WEBHOOK);
            if !receivers.is_empty() && receivers.iter().all(by_webhook) {
                let message = "nobody can acknowledge what goes by a `webhook`, so that nothing is told louder: give its receiver `slack` instead";
                self.add(format!("{}.escalate", route.path), message);
            }
        }
    }

    /// A route, the matchers of all those that it stands in, and the routes that are asked before it and do not continue.
    fn route(&mut self, route: &'c Route, above: &Matchers, before: &[&'c Route]) {
        let mut matchers = above.clone();
        matchers.append(route.matchers.clone());
        let inside = if above.is_empty() { "" } else { ", with what the routes ask for that it stands in" };
        if self.never_match(&route.path, &matchers, inside) {
            return;
        }
        if let Some(earlier) = before.iter().find(|earlier| matchers.imply(&earlier.matchers)) {
            self.add(
                &route.path,
                format!(
                    "never reached: {} before it takes all of its alerts, and has no `continue: true`",
                    earlier.path
                ),
            );
            return;
        }
        if let Some(escalate) = &route.escalate
            && !self.escalations.iter().any(|(other, ..)| Arc::ptr_eq(other, escalate))
        {
            // Those below it have it of this one.
            self.escalations.push((escalate, route, Vec::new()));
        }
        let mut before = before.to_vec();
        for (index, child) in route.routes.iter().enumerate() {
            self.route(child, &matchers, &before);
            if !child.continue_after {
                before.push(child);
            } else if index + 1 == route.routes.len() {
                self.add(format!("{}.continue", child.path), "has no effect: no route follows beside it");
            }
        }
        if !route.routes.iter().any(|child| matchers.imply(&child.matchers)) {
            self.speaks(route);
        }
    }

    /// Alerts that none of a route's children takes get to its receiver.
    fn speaks(&mut self, route: &'c Route) {
        self.reached.insert(&route.receiver.name);
        let Some(escalate) = &route.escalate else { return };
        let known = self.escalations.iter_mut().find(|(other, ..)| Arc::ptr_eq(other, escalate));
        if let Some((.., receivers)) = known {
            receivers.push(&route.receiver);
        }
    }

    fn receivers(&mut self, config: &Config) {
        for (index, receiver) in config.receivers.iter().enumerate() {
            let path = format!("receivers[{index}]");
            // It stands in for those that cannot be had.
            let is_default = receiver.name == config.default_receiver().name;
            if !is_default && !self.reached.contains(receiver.name.as_str()) {
                let message =
                    format!("no route leads to {}, so that it gets no alert", excerpt(&receiver.name));
                self.add(&path, message);
            }
            let by_webhook = receiver.target.as_ref().is_some_and(|target| target.way == WEBHOOK);
            if by_webhook {
                let message = "no message by a `webhook` can be changed or answered, so that it shows neither chart nor log lines";
                self.add(format!("{path}.evidence"), message);
            }
        }
    }

    fn heartbeats(&mut self, config: &Config) {
        for (index, heartbeat) in config.heartbeats.iter().enumerate() {
            self.never_match(&format!("heartbeats[{index}]"), &heartbeat.matchers, "");
        }
    }

    fn zones(&mut self, config: &Config) {
        let mut zones = vec![("timezone".to_owned(), config.timezone)];
        for (index, named) in config.time_intervals.iter().enumerate() {
            zones.extend(named.time_intervals.iter().enumerate().map(|(part, interval)| {
                (format!("time_intervals[{index}].time_intervals[{part}].location"), interval.location)
            }));
        }
        for (path, zone) in zones {
            if let Some((_, offset, place)) = WITHOUT_SUMMER_TIME.iter().find(|(other, ..)| *other == zone) {
                let message =
                    format!("`{zone}` is {offset} all the year, without summer time: `{place}` has it");
                self.add(path, message);
            }
        }
    }
}

/// Whether a rule drops everything that another one does, whenever it does.
fn holds_as_well(rule: &DropRule, other: &DropRule) -> bool {
    let intervals = &rule.active_time_intervals;
    let has_its_times = intervals.is_empty()
        || !other.active_time_intervals.is_empty()
            && other.active_time_intervals.iter().all(|its| intervals.iter().any(|one| one.name == its.name));
    let has_its_ages = match (rule.younger_than, other.younger_than) {
        (None, _) => true,
        (Some(limit), Some(its)) => its <= limit,
        (Some(_), None) => false,
    };
    has_its_times && has_its_ages && other.matchers.imply(&rule.matchers)
}

#[cfg(test)]
mod tests;
