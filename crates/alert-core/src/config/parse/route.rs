//! The tree of routes out of the configuration.

use std::sync::Arc;

use super::super::yaml::{Data, Node};
use super::super::{Escalate, Receiver, Route};
use super::reader::{Named, Reader};
use super::value::{self, excerpt};
use crate::incident::Patience;
use crate::matcher::Matchers;

const ROUTE_KEYS: [&str; 5] = ["receiver", "matchers", "continue", "escalate", "routes"];
const ESCALATE_KEYS: [&str; 4] = ["after", "mention", "then", "second_way"];
/// What turns off what a parent says.
const NONE: &str = "none";

/// What a route has of its parent, where it says nothing of its own.
pub(super) struct Parent<'p> {
    receiver: Option<&'p Arc<Receiver>>,
    escalate: Option<&'p Arc<Escalate>>,
}

impl Reader<'_> {
    pub(super) fn route(
        &mut self,
        node: &Node,
        path: &str,
        parent: Option<&Parent<'_>>,
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
            None => parent.and_then(|parent| parent.receiver).cloned(),
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
        let escalate = match fields.get("escalate") {
            Some((node, path)) => self.escalate(node, &path),
            None => parent.and_then(|parent| parent.escalate).cloned(),
        };
        let routes = match fields.get("routes") {
            Some((node, path)) => {
                let parent = Parent { receiver: receiver.as_ref(), escalate: escalate.as_ref() };
                self.routes(node, &path, &parent, receivers)
            }
            None => Vec::new(),
        };
        let path = path.to_owned();
        Some(Route { path, receiver: receiver?, matchers: matchers?, continue_after, escalate, routes })
    }

    fn escalate(&mut self, node: &Node, path: &str) -> Option<Arc<Escalate>> {
        if matches!(&node.data, Data::Text { text, .. } if text == NONE) {
            return None;
        }
        let fields = self.fields(node, path, &ESCALATE_KEYS)?;
        let after =
            self.required(&fields, "after").and_then(|(node, path)| self.value(node, &path, &value::EVERY));
        let mention = self.optional(&fields, "mention", &value::MENTION);
        let then = self.optional(&fields, "then", &value::EVERY);
        let by_second_way = self.optional(&fields, "second_way", &value::BOOLEAN).unwrap_or_default();
        let without = |key: &str| format!("expected `{key}` beside it: they are one step, by the second way");
        match (fields.get("then"), fields.get("second_way")) {
            (Some((node, path)), _) if !by_second_way => {
                self.problem(node, &path, &without("second_way: true"));
            }
            (None, Some((node, path))) if by_second_way => self.problem(node, &path, &without("then: 10m")),
            _ => {}
        }
        Some(Arc::new(Escalate { patience: Patience { after: after?, then }, mention }))
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
        parent: &Parent<'_>,
        receivers: &Named<Receiver>,
    ) -> Vec<Route> {
        let mut routes: Vec<Route> = Vec::new();
        for (node, path) in self.items(node, path, "a list of routes") {
            let Some(route) = self.route(node, &path, Some(parent), receivers) else { continue };
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
}
