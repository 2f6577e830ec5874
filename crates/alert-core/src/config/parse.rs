//! From a YAML document to a [`Config`], or to all that is wrong with it.
//!
//! Every part is read by hand out of the tree, so that a problem names its own line and column. A part with a problem
//! yields `None`, and reading goes on beside it.

mod interval;
pub(super) mod reader;
mod route;
pub(super) mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveTime;
use chrono_tz::Tz;

use self::reader::{Named, Reader};
use self::value::excerpt;
use super::yaml::{self, Data, Node};
use super::{
    Actions, AlarmState, Config, ConfigErrors, DEFAULT_RECEIVER, DIGEST_AFTER_ALERTS, DropRule, Heartbeat,
    NamedTimeInterval, Problem, Publish, Receiver, Route, SECOND_WAY_RECEIVER,
};
use crate::evidence::{LINES_USUAL, Wish};
use crate::incident::Policy;
use crate::matcher::{Matchers, REGEXES_SIZE_MAX_BYTES};
use crate::render::Rendering;
use crate::target::Target;

/// The largest document that is read. Lambda's environment holds 4 KiB and its package far more; beyond this, no person
/// wrote it.
pub const DOCUMENT_MAX_BYTES: usize = 256 * 1024;

/// How deep lists and mappings may be nested; a route takes two levels.
pub const NESTING_MAX: usize = 32;

const CONFIG_KEYS: [&str; 17] = [
    "drop",
    "time_intervals",
    "route",
    "receivers",
    "accounts",
    "timezone",
    "notify_on",
    "digest_after",
    "publish",
    "messages",
    "evidence",
    "actions",
    "heartbeats",
    "canary",
    "receipt",
    "second_way",
    "language",
];
const MESSAGES_KEYS: [&str; 5] = ["rendering", "reopen_within", "flapping_after", "reminder", "end"];
const DROP_KEYS: [&str; 4] = ["name", "matchers", "active_time_intervals", "younger_than"];
const RECEIVER_KEYS: [&str; 6] = ["name", "webhook", "slack", "channel", "mention", "evidence"];
const EVIDENCE_KEYS: [&str; 2] = ["chart", "logs"];
const ACTIONS_KEYS: [&str; 2] = ["allow", "silence_with"];
const DAILY_KEYS: [&str; 1] = ["at"];
const HEARTBEAT_KEYS: [&str; 4] = ["name", "matchers", "every", "grace"];
const SECOND_WAY_KEYS: [&str; 1] = ["sns"];
const LOGS_KEYS: [&str; 1] = ["lines"];
const SLACK_KEYS: [&str; 1] = ["channel"];

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
    let mut reader = Reader { text, problems: Vec::new(), regex_room: REGEXES_SIZE_MAX_BYTES };
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
        let evidence = fields.get("evidence").and_then(|(node, path)| self.evidence(node, &path));
        let evidence = evidence.unwrap_or_default();
        let (receivers, receiver_names) = if let Some((node, path)) = fields.get("receivers") {
            self.receivers(node, &path, evidence)
        } else {
            let receivers = vec![Arc::new(Receiver { evidence, ..Receiver::named(DEFAULT_RECEIVER) })];
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
        let messages = fields.get("messages").and_then(|(node, path)| self.messages(node, &path));
        let (rendering, policy) = messages.unwrap_or_default();
        let actions = fields.get("actions").and_then(|(node, path)| self.actions(node, &path));
        let heartbeats = fields.get("heartbeats").map(|(node, path)| self.heartbeats(node, &path));
        let canary = fields.get("canary").and_then(|(node, path)| self.daily(node, &path));
        let receipt = fields.get("receipt").and_then(|(node, path)| self.daily(node, &path));
        let second_way = fields.get("second_way").and_then(|(node, path)| self.second_way(node, &path));
        let language =
            fields.get("language").and_then(|(node, path)| self.value(node, &path, &value::LANGUAGE));
        if second_way.is_none()
            && let (Some(route), Some((node, path))) = (&route, fields.get("route"))
            && route.wants_second_way()
        {
            self.problem(node, &path, "a route escalates by the second way, and there is no `second_way`");
        }
        if let (Some(Some(wanted)), Some(route), Some((node, path))) =
            (&notify_on, &route, fields.get("route"))
            && route.escalates()
            && !wanted.contains(&AlarmState::Ok)
        {
            let why = "a route escalates, and `notify_on` has no OK: what is over would be escalated as well";
            self.problem(node, &path, why);
        }
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
            rendering,
            policy,
            language: language.unwrap_or_default(),
            actions: actions.unwrap_or_default(),
            heartbeats: heartbeats.unwrap_or_default(),
            canary,
            receipt,
            second_way,
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

    pub(super) fn matchers(&mut self, node: &Node, path: &str, expected: &str) -> Option<Matchers> {
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
        // Where no more fit, one problem says so for all; compiling the others would only take time.
        if self.regex_room == 0 {
            return None;
        }
        match Matchers::parse_within(text, &mut self.regex_room) {
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

    fn receivers(
        &mut self,
        node: &Node,
        path: &str,
        evidence: Wish,
    ) -> (Vec<Arc<Receiver>>, Named<Receiver>) {
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
            let own = fields.get("evidence").and_then(|(node, path)| self.evidence(node, &path));
            let app = fields.get("slack").and_then(|(node, path)| {
                for (other, why) in
                    [("webhook", "which is another target"), ("channel", "which belongs to a webhook")]
                {
                    if fields.get(other).is_some() {
                        let message = format!("expected no `{other}` beside it, {why}");
                        self.problem(node, &path, &message);
                    }
                }
                let fields = self.fields(node, &path, &SLACK_KEYS)?;
                let (node, path) = self.required(&fields, "channel")?;
                self.value(node, &path, &value::CHANNEL)
            });
            let Some(name) = name else { continue };
            if name == SECOND_WAY_RECEIVER {
                self.problem(node, &path, "expected another name than that of the second way");
            }
            let target = webhook.map(Target::webhook).or(app.map(Target::channel));
            let receiver = Arc::new(Receiver {
                name: name.clone(),
                target,
                channel,
                evidence: own.unwrap_or(evidence),
                mention,
            });
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

    fn messages(&mut self, node: &Node, path: &str) -> Option<(Rendering, Policy)> {
        let fields = self.fields(node, path, &MESSAGES_KEYS)?;
        let rendering = self.optional(&fields, "rendering", &value::RENDERING);
        let default = Policy::default();
        let policy = Policy {
            reopen_within: self
                .optional(&fields, "reopen_within", &value::REOPEN_WITHIN)
                .unwrap_or(default.reopen_within),
            flapping_after: self
                .optional(&fields, "flapping_after", &value::FLAPPING_AFTER)
                .unwrap_or(default.flapping_after),
            reminder: self.optional(&fields, "reminder", &value::REMINDER).unwrap_or(default.reminder),
            end: self.optional(&fields, "end", &value::END).unwrap_or(default.end),
        };
        Some((rendering.unwrap_or_default(), policy))
    }

    fn evidence(&mut self, node: &Node, path: &str) -> Option<Wish> {
        let fields = self.fields(node, path, &EVIDENCE_KEYS)?;
        let chart = self.optional(&fields, "chart", &value::BOOLEAN).unwrap_or_default();
        let lines = fields.get("logs").and_then(|(node, path)| {
            let fields = self.fields(node, &path, &LOGS_KEYS)?;
            Some(self.optional(&fields, "lines", &value::LINES).unwrap_or(LINES_USUAL))
        });
        Some(Wish { chart, lines: lines.unwrap_or_default() })
    }

    fn actions(&mut self, node: &Node, path: &str) -> Option<Actions> {
        let fields = self.fields(node, path, &ACTIONS_KEYS)?;
        let allow = fields.get("allow").and_then(|(node, path)| {
            let expected =
                "a list of at least one person or user group (nobody could act; without the key everybody can)";
            let mut allow = Vec::new();
            for (node, path) in self.non_empty(node, &path, expected)? {
                let allowed = self.value(node, &path, &value::ALLOWED);
                allow.extend(allowed.filter(|allowed| !allow.contains(allowed)));
            }
            Some(allow)
        });
        let silence_with = self.optional(&fields, "silence_with", &value::SILENCE_WITH).unwrap_or_default();
        Some(Actions { allow: allow.unwrap_or_default(), silence_with })
    }

    fn heartbeats(&mut self, node: &Node, path: &str) -> Vec<Arc<Heartbeat>> {
        let mut names = BTreeSet::new();
        let mut heartbeats = Vec::new();
        for (node, path) in self.items(node, path, "a list of heartbeats") {
            let Some(fields) = self.fields(node, &path, &HEARTBEAT_KEYS) else { continue };
            let name = self
                .required(&fields, "name")
                .and_then(|(node, path)| self.unique_name(node, &path, &mut names));
            let matchers = self.required(&fields, "matchers").and_then(|(node, path)| {
                let expected =
                    "a list of at least one matcher: every alert would be a sign of life, and shown to nobody";
                self.matchers(node, &path, expected)
            });
            let every = self
                .required(&fields, "every")
                .and_then(|(node, path)| self.value(node, &path, &value::EVERY));
            let grace = fields
                .get("grace")
                .map_or(Some(every), |(node, path)| self.value(node, &path, &value::EVERY).map(Some));
            if let (Some(name), Some(matchers), Some(every), Some(Some(grace))) =
                (name, matchers, every, grace)
            {
                heartbeats.push(Arc::new(Heartbeat { name, matchers, every, grace }));
            }
        }
        heartbeats
    }

    /// Something that is done each day.
    fn daily(&mut self, node: &Node, path: &str) -> Option<NaiveTime> {
        let fields = self.fields(node, path, &DAILY_KEYS)?;
        let (node, path) = self.required(&fields, "at")?;
        self.value(node, &path, &value::TIME_OF_DAY)
    }

    fn second_way(&mut self, node: &Node, path: &str) -> Option<Target> {
        let fields = self.fields(node, path, &SECOND_WAY_KEYS)?;
        let (node, path) = self.required(&fields, "sns")?;
        self.value(node, &path, &value::TOPIC).map(Target::topic)
    }

    fn digest_after(&mut self, node: &Node, path: &str) -> Option<usize> {
        self.value(node, path, &value::COUNT)
    }

    fn publish(&mut self, node: &Node, path: &str) -> Option<Publish> {
        self.value(node, path, &value::PUBLISH)
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
