//! From a YAML document to a [`Suite`], or to all that is wrong with it.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use saphyr_parser::ScalarStyle;
use serde_json::{Map, Number, Value};

use super::super::parse::reader::{Fields, Reader};
use super::super::parse::value::{self, Parse, excerpt};
use super::super::yaml::{self, Data, Node};
use super::super::{ConfigErrors, Problem};
use super::{
    DOCUMENT_MAX_BYTES, Event, Expected, ExpectedAlert, FILTER, Filtered, RELAY, Relayed, Suite, Test,
};

/// Events are JSON, whose nesting is bounded by 127.
const NESTING_MAX: usize = 128;

const SUITE_KEYS: [&str; 2] = ["config", "tests"];
const TEST_KEYS: [&str; 5] = ["name", "event", "at", RELAY, FILTER];
const RELAY_KEYS: [&str; 4] = ["alert", "delivered", "title", "dropped"];
const FILTER_KEYS: [&str; 3] = ["alert", "published", "dropped"];

const FILE: Parse<String> = Parse { expected: "a file's name, from where this file is", parse: file };
const MOMENT: Parse<DateTime<Utc>> =
    Parse { expected: "a time with its zone, such as 2026-09-13T03:00:00+09:00", parse: moment };
const TRUE: Parse<()> = Parse { expected: "true (or `dropped` with the rule's name)", parse: is_true };

pub(super) fn parse(text: &str) -> Result<Suite, ConfigErrors> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let whole = |message: String| ConfigErrors {
        problems: vec![Problem { line: 1, column: 1, path: String::new(), message }],
    };
    if text.len() > DOCUMENT_MAX_BYTES {
        let most = DOCUMENT_MAX_BYTES / 1024;
        return Err(whole(format!("expected at most {most} KiB, found {} bytes", text.len())));
    }
    let root = match yaml::read(text, NESTING_MAX) {
        Ok(Some(root)) => root,
        Ok(None) => return Err(whole("expected a mapping with config, tests, found nothing".to_owned())),
        Err(problem) => return Err(ConfigErrors { problems: vec![problem] }),
    };
    let mut reader = Reader { text, problems: Vec::new(), regex_room: 0 };
    let suite = reader.suite(&root);
    let mut problems = reader.problems;
    match suite {
        Some(suite) if problems.is_empty() => Ok(suite),
        _ => {
            problems.sort();
            problems.dedup();
            Err(ConfigErrors { problems })
        }
    }
}

impl Reader<'_> {
    fn suite(&mut self, root: &Node) -> Option<Suite> {
        let fields = self.fields(root, "", &SUITE_KEYS)?;
        let config = self.required(&fields, "config").and_then(|(node, path)| self.value(node, &path, &FILE));
        let tests = self
            .required(&fields, "tests")
            .and_then(|(node, path)| self.non_empty(node, &path, "a list of at least one test"));
        let mut names = BTreeSet::new();
        let tests: Vec<_> =
            tests?.into_iter().map(|(node, path)| self.test(node, &path, &mut names)).collect();
        Some(Suite { config: config?, tests: tests.into_iter().collect::<Option<_>>()? })
    }

    fn test(&mut self, node: &Node, path: &str, names: &mut BTreeSet<String>) -> Option<Test> {
        let fields = self.fields(node, path, &TEST_KEYS)?;
        let name =
            self.required(&fields, "name").and_then(|(node, path)| self.unique_name(node, &path, names));
        let event = self.required(&fields, "event").and_then(|(node, path)| self.event(node, &path));
        let at = self.optional(&fields, "at", &MOMENT);
        let relay = fields.get(RELAY).map(|(node, path)| self.expected(node, &path, Self::relayed));
        let filter = fields.get(FILTER).map(|(node, path)| self.expected(node, &path, Self::filtered));
        if relay.is_none() && filter.is_none() {
            let message =
                format!("expected the key `{RELAY}` or `{FILTER}`: what it is to do with the event");
            self.problem(node, path, &message);
        }
        Some(Test {
            name: name?,
            line: node.span.start.line(),
            event: event?,
            at,
            relay: relay.map_or(Some(None), |relay| relay.map(Some))?,
            filter: filter.map_or(Some(None), |filter| filter.map(Some))?,
        })
    }

    fn event(&mut self, node: &Node, path: &str) -> Option<Event> {
        match &node.data {
            Data::Text { .. } => self.value(node, path, &FILE).map(Event::File),
            Data::Mapping(_) => self.json(node, path).map(Event::Inline),
            Data::Null | Data::List(_) => {
                self.wrong_kind(node, path, "an event as Lambda gets it, or the name of its file");
                None
            }
        }
    }

    /// YAML as the JSON that its core schema makes of it; a number is one where JSON has it so.
    fn json(&mut self, node: &Node, path: &str) -> Option<Value> {
        Some(match &node.data {
            Data::Null => Value::Null,
            Data::Text { text, style: ScalarStyle::Plain } => match text.as_str() {
                "true" | "True" | "TRUE" => Value::Bool(true),
                "false" | "False" | "FALSE" => Value::Bool(false),
                _ => serde_json::from_str::<Number>(text)
                    .map_or_else(|_| Value::String(text.clone()), Value::Number),
            },
            Data::Text { text, .. } => Value::String(text.clone()),
            Data::List(_) => {
                let items = self.items(node, path, "a list");
                let items: Vec<_> = items.into_iter().map(|(node, path)| self.json(node, &path)).collect();
                Value::Array(items.into_iter().collect::<Option<_>>()?)
            }
            Data::Mapping(entries) => {
                let all = entries.len();
                let entries = self.entries(node, path, "a mapping");
                let is_whole = entries.len() == all;
                let mut object = Map::new();
                for (key, value) in entries {
                    let Data::Text { text, .. } = &key.data else { continue };
                    object.insert(text.clone(), self.json(value, &format!("{path}.{text}"))?);
                }
                is_whole.then_some(Value::Object(object))?
            }
        })
    }

    /// A mapping for every alert, or a list of one for each.
    fn expected<T>(
        &mut self,
        node: &Node,
        path: &str,
        outcome: fn(&mut Self, &Node, &str) -> Option<ExpectedAlert<T>>,
    ) -> Option<Expected<T>> {
        if !matches!(node.data, Data::List(_)) {
            return outcome(self, node, path).map(Expected::Every);
        }
        let nodes = self.non_empty(node, path, "a mapping, or a list of one for each alert")?;
        let all: Vec<_> = nodes.into_iter().map(|(node, path)| outcome(self, node, &path)).collect();
        all.into_iter().collect::<Option<_>>().map(Expected::Each)
    }

    fn relayed(&mut self, node: &Node, path: &str) -> Option<ExpectedAlert<Relayed>> {
        let fields = self.fields(node, path, &RELAY_KEYS)?;
        let alert = self.optional(&fields, "alert", &value::NAME);
        let title = self.optional(&fields, "title", &value::NAME);
        let dropped = self.dropped(&fields, "delivered");
        let outcome = match fields.get("delivered") {
            None => {
                if let Some((node, path)) = fields.get("title") {
                    self.problem(
                        node,
                        &path,
                        "expected `delivered` beside it: only what somebody gets has a title",
                    );
                }
                Relayed::Dropped(dropped?)
            }
            Some((node, path)) => {
                let expected =
                    "a list of at least one receiver (for what nobody gets, `dropped` with the rule's name)";
                let nodes = self.non_empty(node, &path, expected)?;
                let names: Vec<_> =
                    nodes.into_iter().map(|(node, path)| self.value(node, &path, &value::NAME)).collect();
                let receivers = names.into_iter().collect::<Option<_>>()?;
                Relayed::Delivered { receivers, title }
            }
        };
        Some(ExpectedAlert { alert, outcome })
    }

    fn filtered(&mut self, node: &Node, path: &str) -> Option<ExpectedAlert<Filtered>> {
        let fields = self.fields(node, path, &FILTER_KEYS)?;
        let alert = self.optional(&fields, "alert", &value::NAME);
        let dropped = self.dropped(&fields, "published");
        let outcome = match fields.get("published") {
            None => Filtered::Dropped(dropped?),
            Some((node, path)) => self.value(node, &path, &TRUE).map(|()| Filtered::Published)?,
        };
        Some(ExpectedAlert { alert, outcome })
    }

    /// The rule that drops an alert, where this is expected and not the `other`.
    fn dropped(&mut self, fields: &Fields<'_>, other: &str) -> Option<String> {
        match (fields.get("dropped"), fields.get(other)) {
            (Some((node, path)), None) => self.value(node, &path, &value::NAME),
            (Some((node, path)), Some(_)) => {
                self.problem(node, &path, &format!("expected no `{other}` beside it"));
                None
            }
            (None, Some(_)) => None,
            (None, None) => {
                let message = format!("expected the key `{other}` or `dropped`, found neither");
                self.problem(fields.node, fields.path, &message);
                None
            }
        }
    }
}

fn file(text: &str, _: ScalarStyle) -> Result<String, String> {
    let is_sound = !text.trim().is_empty() && !text.contains(char::is_control);
    if is_sound { Ok(text.to_owned()) } else { Err(excerpt(text)) }
}

fn moment(text: &str, _: ScalarStyle) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text).map(|moment| moment.with_timezone(&Utc)).map_err(|_| excerpt(text))
}

fn is_true(text: &str, style: ScalarStyle) -> Result<(), String> {
    (value::BOOLEAN.parse)(text, style)?.then_some(()).ok_or_else(|| excerpt(text))
}
