//! From a YAML document to a [`Config`], or to all that is wrong with it.
//!
//! Every part is read by hand out of the tree, so that a problem names its own line and column. A part with a problem
//! yields `None`, and reading goes on beside it.

mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono_tz::Tz;

use self::value::{excerpt, nearest};
use super::yaml::{self, Data, Node};
use super::{
    AlarmState, Config, ConfigErrors, DEFAULT_RECEIVER, DIGEST_AFTER_ALERTS, DropRule, NamedTimeInterval,
    Problem, Publish, Receiver, Route,
};
use crate::matcher::Matchers;
use crate::time_interval::{
    DayOfMonthRange, MonthRange, TimeInterval, TimeIntervalError, TimeRange, WeekdayRange, YearRange,
    parse_location,
};

/// The largest document that is read. Lambda's environment holds 4 KiB and its package far more; beyond this, no person
/// wrote it.
pub const DOCUMENT_MAX_BYTES: usize = 256 * 1024;

/// How deep lists and mappings may be nested; a route takes two levels.
pub const NESTING_MAX: usize = 32;

const CONFIG_KEYS: [&str; 9] = [
    "drop",
    "time_intervals",
    "route",
    "receivers",
    "accounts",
    "timezone",
    "notify_on",
    "digest_after",
    "publish",
];
const DROP_KEYS: [&str; 4] = ["name", "matchers", "active_time_intervals", "younger_than"];
const ROUTE_KEYS: [&str; 4] = ["receiver", "matchers", "continue", "routes"];
const RECEIVER_KEYS: [&str; 4] = ["name", "webhook", "channel", "mention"];
const INTERVAL_KEYS: [&str; 6] = ["times", "weekdays", "days_of_month", "months", "years", "location"];

pub(super) fn parse(text: &str) -> Result<Config, ConfigErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > DOCUMENT_MAX_BYTES {
        let message =
            format!("expected at most {} KiB, found {} bytes", DOCUMENT_MAX_BYTES / 1024, text.len());
        let problem = Problem { line: 1, column: 1, path: String::new(), message };
        return Err(ConfigErrors { problems: vec![problem] });
    }
    let root = match yaml::read(text, NESTING_MAX) {
        Ok(Some(root)) if !matches!(root.data, Data::Null) => root,
        Ok(_) => return Ok(Config::default()),
        Err(problem) => return Err(ConfigErrors { problems: vec![problem] }),
    };
    let mut reader = Reader { text, problems: Vec::new() };
    let config = reader.config(&root);
    let mut problems = reader.problems;
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => {
            problems.sort();
            problems.dedup();
            Err(ConfigErrors { problems })
        }
    }
}

/// Names that can be referred to, each with what it names; `None` where that has a problem of its own, so that a
/// reference to it is no second one.
type Named<T> = BTreeMap<String, Option<Arc<T>>>;

struct Reader<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

/// The values of a mapping by their names.
struct Fields<'n> {
    node: &'n Node,
    path: &'n str,
    values: BTreeMap<&'n str, &'n Node>,
}

impl<'n> Fields<'n> {
    fn get(&self, key: &str) -> Option<(&'n Node, String)> {
        self.values.get(key).map(|node| (*node, join(self.path, key)))
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Reader<'_> {
    fn config(&mut self, root: &Node) -> Option<Config> {
        let fields = self.fields(root, "", &CONFIG_KEYS)?;
        let (time_intervals, interval_names) = match fields.get("time_intervals") {
            Some((node, path)) => self.time_intervals(node, &path),
            None => (Vec::new(), Named::new()),
        };
        let drop = match fields.get("drop") {
            Some((node, path)) => self.drop_rules(node, &path, &interval_names),
            None => Config::default().drop,
        };
        let (receivers, receiver_names) = if let Some((node, path)) = fields.get("receivers") {
            self.receivers(node, &path)
        } else {
            let receivers = Config::default().receivers;
            let by_name = receivers.iter().map(|r| (r.name.clone(), Some(Arc::clone(r)))).collect();
            (receivers, by_name)
        };
        let route = if let Some((node, path)) = fields.get("route") {
            self.route(node, &path, None, &receiver_names)
        } else {
            let default = receivers.iter().find(|receiver| receiver.name == DEFAULT_RECEIVER);
            default.or(receivers.first()).map(|receiver| Route::root(Arc::clone(receiver)))
        };
        let accounts = fields.get("accounts").map(|(node, path)| self.accounts(node, &path));
        let timezone = fields.get("timezone").map(|(node, path)| self.location(node, &path));
        let notify_on = fields.get("notify_on").map(|(node, path)| self.notify_on(node, &path));
        let digest_after = fields.get("digest_after").map(|(node, path)| self.digest_after(node, &path));
        let publish = fields.get("publish").map(|(node, path)| self.publish(node, &path));
        Some(Config {
            drop,
            time_intervals,
            route: route?,
            receivers,
            accounts: accounts.unwrap_or_default(),
            timezone: timezone.flatten().unwrap_or(Tz::UTC),
            notify_on: notify_on.flatten(),
            digest_after: digest_after.flatten().unwrap_or(DIGEST_AFTER_ALERTS),
            publish: publish.flatten().unwrap_or_default(),
            fail_open: false,
        })
    }

    fn drop_rules(&mut self, node: &Node, path: &str, intervals: &Named<NamedTimeInterval>) -> Vec<DropRule> {
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for (node, path) in self.items(node, path, "a list of rules ([] drops nothing)") {
            let Some(fields) = self.fields(node, &path, &DROP_KEYS) else { continue };
            let name = match fields.get("name") {
                Some((node, path)) => self.unique_name(node, &path, &mut names),
                None => Some(path.clone()).filter(|name| names.insert(name.clone())),
            };
            let matchers = self.required(&fields, "matchers").and_then(|(node, path)| {
                self.matchers(
                    node,
                    &path,
                    "a list of at least one matcher: a rule without would drop everything",
                )
            });
            let active = fields
                .get("active_time_intervals")
                .map_or(Some(Vec::new()), |(node, path)| self.interval_references(node, &path, intervals));
            let younger_than = fields
                .get("younger_than")
                .map_or(Some(None), |(node, path)| self.value(node, &path, &value::DURATION).map(Some));
            if let (Some(name), Some(matchers), Some(active_time_intervals), Some(younger_than)) =
                (name, matchers, active, younger_than)
            {
                rules.push(DropRule { name, matchers, active_time_intervals, younger_than });
            }
        }
        rules
    }

    fn interval_references(
        &mut self,
        node: &Node,
        path: &str,
        intervals: &Named<NamedTimeInterval>,
    ) -> Option<Vec<Arc<NamedTimeInterval>>> {
        let nodes = self.non_empty(node, path, "a list of at least one name out of time_intervals")?;
        let references: Vec<_> = nodes
            .into_iter()
            .map(|(node, path)| self.reference(node, &path, "time interval", intervals))
            .collect();
        references.into_iter().collect()
    }

    fn matchers(&mut self, node: &Node, path: &str, expected: &str) -> Option<Matchers> {
        let nodes = self.non_empty(node, path, expected)?;
        let mut all = Some(Matchers::default());
        for (node, path) in nodes {
            let matchers =
                self.text(node, &path, "a matcher").and_then(|text| self.matcher(node, &path, text));
            match (&mut all, matchers) {
                (Some(all), Some(matchers)) => all.append(matchers),
                _ => all = None,
            }
        }
        all
    }

    /// One entry of a list of matchers: as in Alertmanager, it may hold several.
    fn matcher(&mut self, node: &Node, path: &str, text: &str) -> Option<Matchers> {
        match Matchers::parse(text) {
            Ok(matchers) if matchers.is_empty() => {
                self.problem(node, path, "expected a matcher such as severity=\"critical\", found none");
                None
            }
            Ok(matchers) => Some(matchers),
            Err(error) => {
                let (line, column) = node.place_of(error.position, self.text);
                let message = format!("expected {}, found {}", error.expected, error.found);
                self.problems.push(Problem { line, column, path: path.to_owned(), message });
                None
            }
        }
    }

    fn time_intervals(
        &mut self,
        node: &Node,
        path: &str,
    ) -> (Vec<Arc<NamedTimeInterval>>, Named<NamedTimeInterval>) {
        let mut names = BTreeSet::new();
        let mut by_name = Named::new();
        let mut all = Vec::new();
        for (node, path) in self.items(node, path, "a list of named time intervals") {
            let Some(fields) = self.fields(node, &path, &["name", "time_intervals"]) else { continue };
            let name = self
                .required(&fields, "name")
                .and_then(|(node, path)| self.unique_name(node, &path, &mut names));
            let parts = self
                .required(&fields, "time_intervals")
                .and_then(|(node, path)| self.interval_parts(node, &path));
            let Some(name) = name else { continue };
            let interval = parts
                .map(|time_intervals| Arc::new(NamedTimeInterval { name: name.clone(), time_intervals }));
            all.extend(interval.clone());
            by_name.insert(name, interval);
        }
        (all, by_name)
    }

    fn interval_parts(&mut self, node: &Node, path: &str) -> Option<Vec<TimeInterval>> {
        let nodes = self.non_empty(node, path, "a list of at least one interval")?;
        let parts: Vec<_> = nodes.into_iter().map(|(node, path)| self.interval(node, &path)).collect();
        parts.into_iter().collect()
    }

    fn interval(&mut self, node: &Node, path: &str) -> Option<TimeInterval> {
        let fields = self.fields(node, path, &INTERVAL_KEYS)?;
        if fields.values.is_empty() {
            self.problem(node, path, &format!("expected at least one of {}", INTERVAL_KEYS.join(", ")));
            return None;
        }
        let times = match fields.get("times") {
            Some((node, path)) => Some(self.times(node, &path)?),
            None => None,
        };
        let weekdays = self.ranges(&fields, "weekdays", WeekdayRange::parse);
        let days_of_month = self.ranges(&fields, "days_of_month", DayOfMonthRange::parse);
        let months = self.ranges(&fields, "months", MonthRange::parse);
        let years = self.ranges(&fields, "years", YearRange::parse);
        let location = match fields.get("location") {
            Some((node, path)) => self.location(node, &path)?,
            None => Tz::UTC,
        };
        Some(TimeInterval {
            times,
            weekdays: weekdays?,
            days_of_month: days_of_month?,
            months: months?,
            years: years?,
            location,
        })
    }

    fn times(&mut self, node: &Node, path: &str) -> Option<Vec<TimeRange>> {
        let expected = "a list of at least one {start_time: 'HH:MM', end_time: 'HH:MM'}";
        let nodes = self.non_empty(node, path, expected)?;
        let ranges: Vec<_> = nodes.into_iter().map(|(node, path)| self.time_range(node, &path)).collect();
        ranges.into_iter().collect()
    }

    fn time_range(&mut self, node: &Node, path: &str) -> Option<TimeRange> {
        let fields = self.fields(node, path, &["start_time", "end_time"])?;
        let start = self.time(&fields, "start_time");
        let end = self.time(&fields, "end_time");
        let ((start, _), (end, end_node)) = (start?, end?);
        let path = join(path, "end_time");
        TimeRange::parse(start, end).map_err(|error| self.interval_problem(end_node, &path, &error)).ok()
    }

    /// A time of its own, so that each of two bad ones has its problem.
    fn time<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<(&'n str, &'n Node)> {
        let (node, path) = self.required(fields, key)?;
        let text = self.text(node, &path, "a time as 'HH:MM', in quotes")?;
        match TimeRange::parse_time(text) {
            Ok(_) => Some((text, node)),
            Err(error) => {
                self.interval_problem(node, &path, &error);
                None
            }
        }
    }

    /// A list of ranges; inside, `None` where the key is absent.
    #[expect(clippy::option_option, reason = "outside: whether it was read; inside: whether it was there")]
    fn ranges<R>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<R, TimeIntervalError>,
    ) -> Option<Option<Vec<R>>> {
        let Some((node, path)) = fields.get(key) else { return Some(None) };
        let nodes = self.non_empty(node, &path, "a list of at least one")?;
        let ranges: Vec<_> = nodes
            .into_iter()
            .map(|(node, path)| {
                let text = self.text(node, &path, "a text")?;
                parse(text).map_err(|error| self.interval_problem(node, &path, &error)).ok()
            })
            .collect();
        ranges.into_iter().collect::<Option<Vec<_>>>().map(Some)
    }

    fn location(&mut self, node: &Node, path: &str) -> Option<Tz> {
        let text = self.text(node, path, "a time zone such as Asia/Seoul")?;
        parse_location(text)
            .map_err(|error| {
                let zones = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
                let hint =
                    nearest(text, zones).map_or(String::new(), |zone| format!("; did you mean `{zone}`?"));
                let message = format!("expected {}, found {}{hint}", error.expected, excerpt(&error.found));
                self.problem(node, path, &message);
            })
            .ok()
    }

    fn route(
        &mut self,
        node: &Node,
        path: &str,
        parent: Option<&Arc<Receiver>>,
        receivers: &Named<Receiver>,
    ) -> Option<Route> {
        let fields = self.fields(node, path, &ROUTE_KEYS)?;
        let is_root = path == "route";
        let receiver = match fields.get("receiver") {
            Some((node, path)) => self.reference(node, &path, "receiver", receivers),
            None if is_root => {
                self.required(&fields, "receiver");
                None
            }
            None => parent.cloned(),
        };
        if is_root {
            for key in ["matchers", "continue"] {
                if let Some((node, path)) = fields.get(key) {
                    self.problem(node, &path, &format!("the root route takes every alert: it has no {key}"));
                }
            }
        }
        let matchers = match fields.get("matchers") {
            Some((node, path)) => self.route_matchers(node, &path),
            None => Some(Matchers::default()),
        };
        let continue_after = match fields.get("continue") {
            Some((node, path)) => self.value(node, &path, &value::BOOLEAN).unwrap_or_default(),
            None => false,
        };
        let routes = match fields.get("routes") {
            Some((node, path)) => self.routes(node, &path, receiver.as_ref(), receivers),
            None => Vec::new(),
        };
        let path = path.to_owned();
        Some(Route { path, receiver: receiver?, matchers: matchers?, continue_after, routes })
    }

    /// A route may have an empty list of matchers: it takes everything.
    fn route_matchers(&mut self, node: &Node, path: &str) -> Option<Matchers> {
        match &node.data {
            Data::List(nodes) if nodes.is_empty() => Some(Matchers::default()),
            _ => self.matchers(node, path, "a list of matchers"),
        }
    }

    fn routes(
        &mut self,
        node: &Node,
        path: &str,
        parent: Option<&Arc<Receiver>>,
        receivers: &Named<Receiver>,
    ) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for (node, path) in self.items(node, path, "a list of routes") {
            let Some(route) = self.route(node, &path, parent, receivers) else { continue };
            // What this one takes, an earlier one has taken already when it asks for nothing more.
            let taken_by = routes
                .iter()
                .find(|earlier| !earlier.continue_after && route.matchers.include(&earlier.matchers));
            if let Some(earlier) = taken_by {
                let takes = if earlier.matchers.is_empty() {
                    "takes every alert".to_owned()
                } else {
                    format!("takes every alert with {}", excerpt(&earlier.matchers.to_string()))
                };
                let message =
                    format!("unreachable: {} before it {takes} and has no `continue: true`", earlier.path);
                self.problem(node, &path, &message);
            }
            routes.push(route);
        }
        routes
    }

    fn receivers(&mut self, node: &Node, path: &str) -> (Vec<Arc<Receiver>>, Named<Receiver>) {
        let mut names = BTreeSet::new();
        let mut by_name = Named::new();
        let mut all = Vec::new();
        let nodes = self.non_empty(node, path, "a list of at least one receiver").unwrap_or_default();
        for (node, path) in nodes {
            let Some(fields) = self.fields(node, &path, &RECEIVER_KEYS) else { continue };
            let name = self
                .required(&fields, "name")
                .and_then(|(node, path)| self.unique_name(node, &path, &mut names));
            let webhook =
                fields.get("webhook").and_then(|(node, path)| self.value(node, &path, &value::WEBHOOK));
            let channel =
                fields.get("channel").and_then(|(node, path)| self.value(node, &path, &value::CHANNEL));
            let mention =
                fields.get("mention").and_then(|(node, path)| self.value(node, &path, &value::MENTION));
            let Some(name) = name else { continue };
            let receiver = Arc::new(Receiver { name: name.clone(), webhook, channel, mention });
            all.push(Arc::clone(&receiver));
            by_name.insert(name, Some(receiver));
        }
        (all, by_name)
    }

    fn accounts(&mut self, node: &Node, path: &str) -> BTreeMap<String, String> {
        let mut accounts = BTreeMap::new();
        for (key, value) in self.entries(node, path, "a mapping of account numbers to names") {
            let path = format!("{path}.{}", excerpt_plain(key));
            let account = self.value(key, &path, &value::ACCOUNT);
            let name = self.value(value, &path, &value::NAME);
            if let (Some(account), Some(name)) = (account, name) {
                accounts.insert(account, name);
            }
        }
        accounts
    }

    fn notify_on(&mut self, node: &Node, path: &str) -> Option<Vec<AlarmState>> {
        let expected = "a list of at least one of ALARM, OK, INSUFFICIENT_DATA";
        let nodes = self.non_empty(node, path, expected)?;
        let mut states = Vec::new();
        for (node, path) in nodes {
            let state = self.value(node, &path, &value::ALARM_STATE);
            states.extend(state.filter(|state| !states.contains(state)));
        }
        Some(states)
    }

    fn digest_after(&mut self, node: &Node, path: &str) -> Option<usize> {
        self.value(node, path, &value::COUNT)
    }

    fn publish(&mut self, node: &Node, path: &str) -> Option<Publish> {
        self.value(node, path, &value::PUBLISH)
    }

    /// A mapping with these keys and no other.
    fn fields<'n>(&mut self, node: &'n Node, path: &'n str, known: &[&str]) -> Option<Fields<'n>> {
        let expected = format!("a mapping with {}", known.join(", "));
        if !matches!(node.data, Data::Mapping(_)) {
            self.wrong_kind(node, path, &expected);
            return None;
        }
        let mut values = BTreeMap::new();
        for (key, value) in self.entries(node, path, &expected) {
            let Data::Text { text, .. } = &key.data else { continue };
            if known.contains(&text.as_str()) {
                values.insert(text.as_str(), value);
            } else {
                let hint = nearest(text, known.iter().copied()).map_or_else(
                    || format!("expected one of {}", known.join(", ")),
                    |key| format!("did you mean `{key}`?"),
                );
                self.problem(key, path, &format!("unknown key {}; {hint}", excerpt(text)));
            }
        }
        Some(Fields { node, path, values })
    }

    /// The names and values of a mapping whose names are texts, each once; the rest are problems.
    fn entries<'n>(&mut self, node: &'n Node, path: &str, expected: &str) -> Vec<(&'n Node, &'n Node)> {
        let Data::Mapping(entries) = &node.data else {
            self.wrong_kind(node, path, expected);
            return Vec::new();
        };
        let mut lines = BTreeMap::new();
        let mut sound = Vec::new();
        for (key, value) in entries {
            let Data::Text { text, .. } = &key.data else {
                self.wrong_kind(key, path, "a text as key");
                continue;
            };
            if let Some(line) = lines.get(text.as_str()) {
                let message = format!("duplicate key {}, first on line {line}", excerpt(text));
                self.problem(key, path, &message);
            } else {
                lines.insert(text.as_str(), key.span.start.line());
                sound.push((key, value));
            }
        }
        sound
    }

    fn required<'n>(&mut self, fields: &Fields<'n>, key: &str) -> Option<(&'n Node, String)> {
        let found = fields.get(key);
        if found.is_none() {
            self.problem(fields.node, fields.path, &format!("expected the key `{key}`, found none"));
        }
        found
    }

    /// The items of a list, each with its path.
    fn items<'n>(&mut self, node: &'n Node, path: &str, expected: &str) -> Vec<(&'n Node, String)> {
        let Data::List(nodes) = &node.data else {
            self.wrong_kind(node, path, expected);
            return Vec::new();
        };
        nodes.iter().enumerate().map(|(index, node)| (node, format!("{path}[{index}]"))).collect()
    }

    fn non_empty<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        expected: &str,
    ) -> Option<Vec<(&'n Node, String)>> {
        if matches!(&node.data, Data::List(nodes) if nodes.is_empty()) {
            self.problem(node, path, &format!("expected {expected}, found an empty list"));
            return None;
        }
        Some(self.items(node, path, expected)).filter(|items| !items.is_empty())
    }

    fn text<'n>(&mut self, node: &'n Node, path: &str, expected: &str) -> Option<&'n str> {
        if let Data::Text { text, .. } = &node.data {
            return Some(text);
        }
        self.wrong_kind(node, path, expected);
        None
    }

    /// A text that `parse` makes something of; its error is what was expected and what came.
    fn value<T>(&mut self, node: &Node, path: &str, parse: &value::Parse<T>) -> Option<T> {
        let Data::Text { text, style } = &node.data else {
            self.wrong_kind(node, path, parse.expected);
            return None;
        };
        match (parse.parse)(text, *style) {
            Ok(value) => Some(value),
            Err(found) => {
                self.problem(node, path, &format!("expected {}, found {found}", parse.expected));
                None
            }
        }
    }

    fn unique_name(&mut self, node: &Node, path: &str, names: &mut BTreeSet<String>) -> Option<String> {
        let name = self.value(node, path, &value::NAME)?;
        if !names.insert(name.clone()) {
            self.problem(
                node,
                path,
                &format!("expected a name of its own, found {} a second time", excerpt(&name)),
            );
            return None;
        }
        Some(name)
    }

    fn reference<T>(&mut self, node: &Node, path: &str, what: &str, by_name: &Named<T>) -> Option<Arc<T>> {
        let name = self.text(node, path, &format!("the name of a {what}"))?;
        if let Some(found) = by_name.get(name) {
            return found.clone();
        }
        let hint = match nearest(name, by_name.keys().map(String::as_str)) {
            Some(near) => format!("did you mean {}?", excerpt(near)),
            None if by_name.is_empty() => "there is none at all".to_owned(),
            None => {
                let names: Vec<_> = by_name.keys().take(10).map(|name| excerpt(name)).collect();
                format!("there are {}", names.join(", "))
            }
        };
        self.problem(node, path, &format!("unknown {what} {}; {hint}", excerpt(name)));
        None
    }

    fn interval_problem(&mut self, node: &Node, path: &str, error: &TimeIntervalError) {
        self.problem(node, path, &format!("expected {}, found {}", error.expected, excerpt(&error.found)));
    }

    fn wrong_kind(&mut self, node: &Node, path: &str, expected: &str) {
        self.problem(node, path, &format!("expected {expected}, found {}", node.kind()));
    }

    fn problem(&mut self, node: &Node, path: &str, message: &str) {
        let (line, column) = (node.span.start.line(), node.span.start.col() + 1);
        self.problems.push(Problem { line, column, path: path.to_owned(), message: message.to_owned() });
    }
}

/// A key as part of a path.
fn excerpt_plain(key: &Node) -> String {
    match &key.data {
        Data::Text { text, .. } => excerpt(text).trim_matches('`').to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
