//! What every part of the configuration is read with: mappings, lists and texts, and the problems with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::Problem;
use super::super::yaml::{Data, Node};
use super::value::{self, excerpt};

/// Problems up to this many come with a hint.
const HINTED_PROBLEMS_MAX: usize = 100;

/// Names that can be referred to, each with what it names; `None` where that has a problem of its own, so that a
/// reference to it is no second one.
pub(in crate::config) type Named<T> = BTreeMap<String, Option<Arc<T>>>;

pub(in crate::config) struct Reader<'t> {
    pub(in crate::config) text: &'t str,
    pub(in crate::config) problems: Vec<Problem>,
    /// Memory that is left for compiled regular expressions; nothing where one did not fit.
    pub(in crate::config) regex_room: usize,
}

/// The values of a mapping by their names.
pub(in crate::config) struct Fields<'n> {
    pub(in crate::config) node: &'n Node,
    pub(in crate::config) path: &'n str,
    pub(in crate::config) values: BTreeMap<&'n str, &'n Node>,
}

impl<'n> Fields<'n> {
    pub(in crate::config) fn get(&self, key: &str) -> Option<(&'n Node, String)> {
        self.values.get(key).map(|node| (*node, join(self.path, key)))
    }
}

pub(in crate::config) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Reader<'_> {
    /// A mapping with these keys and no other.
    pub(in crate::config) fn fields<'n>(
        &mut self,
        node: &'n Node,
        path: &'n str,
        known: &[&str],
    ) -> Option<Fields<'n>> {
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
                let hint = self.nearest(text, known.iter().copied()).map_or_else(
                    || format!("expected one of {}", known.join(", ")),
                    |key| format!("did you mean `{key}`?"),
                );
                self.problem(key, path, &format!("unknown key {}; {hint}", excerpt(text)));
            }
        }
        Some(Fields { node, path, values })
    }

    /// The names and values of a mapping whose names are texts, each once; the rest are problems.
    pub(in crate::config) fn entries<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        expected: &str,
    ) -> Vec<(&'n Node, &'n Node)> {
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

    pub(in crate::config) fn required<'n>(
        &mut self,
        fields: &Fields<'n>,
        key: &str,
    ) -> Option<(&'n Node, String)> {
        let found = fields.get(key);
        if found.is_none() {
            self.problem(fields.node, fields.path, &format!("expected the key `{key}`, found none"));
        }
        found
    }

    /// The items of a list, each with its path.
    pub(in crate::config) fn items<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        expected: &str,
    ) -> Vec<(&'n Node, String)> {
        let Data::List(nodes) = &node.data else {
            self.wrong_kind(node, path, expected);
            return Vec::new();
        };
        nodes.iter().enumerate().map(|(index, node)| (node, format!("{path}[{index}]"))).collect()
    }

    pub(in crate::config) fn non_empty<'n>(
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

    pub(in crate::config) fn text<'n>(
        &mut self,
        node: &'n Node,
        path: &str,
        expected: &str,
    ) -> Option<&'n str> {
        if let Data::Text { text, .. } = &node.data {
            return Some(text);
        }
        self.wrong_kind(node, path, expected);
        None
    }

    /// A text that `parse` makes something of; its error is what was expected and what came.
    pub(in crate::config) fn value<T>(
        &mut self,
        node: &Node,
        path: &str,
        parse: &value::Parse<T>,
    ) -> Option<T> {
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

    /// The value of a key that may be missing.
    pub(in crate::config) fn optional<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        parse: &value::Parse<T>,
    ) -> Option<T> {
        let (node, path) = fields.get(key)?;
        self.value(node, &path, parse)
    }

    pub(in crate::config) fn unique_name(
        &mut self,
        node: &Node,
        path: &str,
        names: &mut BTreeSet<String>,
    ) -> Option<String> {
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

    pub(in crate::config) fn reference<T>(
        &mut self,
        node: &Node,
        path: &str,
        what: &str,
        by_name: &Named<T>,
    ) -> Option<Arc<T>> {
        let name = self.text(node, path, &format!("the name of a {what}"))?;
        if let Some(found) = by_name.get(name) {
            return found.clone();
        }
        let hint = match self.nearest(name, by_name.keys().map(String::as_str)) {
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

    /// The name that was probably meant; after many problems nobody reads hints, and looking for them takes long.
    pub(in crate::config) fn nearest<'a>(
        &self,
        word: &str,
        names: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        if self.problems.len() < HINTED_PROBLEMS_MAX { value::nearest(word, names) } else { None }
    }

    pub(in crate::config) fn wrong_kind(&mut self, node: &Node, path: &str, expected: &str) {
        self.problem(node, path, &format!("expected {expected}, found {}", node.kind()));
    }

    pub(in crate::config) fn problem(&mut self, node: &Node, path: &str, message: &str) {
        let (line, column) = (node.span.start.line(), node.span.start.col() + 1);
        self.problems.push(Problem { line, column, path: path.to_owned(), message: message.to_owned() });
    }
}
