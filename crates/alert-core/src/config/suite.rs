//! Unit tests of a configuration: events, and what each function is to do with the alerts in them.
//!
//! The decisions that are held against what is expected are those of [`crate::relay::plan`] and [`crate::filter::plan`].

mod judge;
mod parse;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::ConfigErrors;
use crate::decide::RuleTrace;

/// The relay's name, as a test says what it is to do.
pub const RELAY: &str = "cloudwatch-to-slack";

/// The filter's name.
pub const FILTER: &str = "grafana-filter-to-sns";

/// The largest document of tests that is read.
pub const DOCUMENT_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Tests of one configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The configuration's file, from where the tests' file is.
    pub config: String,
    /// The tests, at least one, their names unique.
    pub tests: Vec<Test>,
}

impl Suite {
    /// Reads a YAML document of at most [`DOCUMENT_MAX_BYTES`]. The error holds every problem of it, by line and column.
    pub fn parse(text: &str) -> Result<Self, ConfigErrors> {
        parse::parse(text)
    }
}

/// One test: what happens, and what is to become of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What people call it.
    pub name: String,
    /// The line on which it begins.
    pub line: usize,
    /// What the function gets.
    pub event: Event,
    /// As if it had happened then; when it happened in truth, unless given.
    pub at: Option<DateTime<Utc>>,
    /// What the relay is to do with it, where that is said.
    pub relay: Option<Expected<Relayed>>,
    /// What the filter is to do with it; something is said of one of them.
    pub filter: Option<Expected<Filtered>>,
}

/// An event as Lambda gets it.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// In this file, from where the tests' file is.
    File(String),
    /// As it stands there.
    Inline(Value),
}

/// What is expected of the alerts of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected<T> {
    /// The same of every alert, of which there is at least one.
    Every(ExpectedAlert<T>),
    /// Of each alert, in their order; at least one.
    Each(Vec<ExpectedAlert<T>>),
}

/// What is expected of one alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedAlert<T> {
    /// Its name, where that is said.
    pub alert: Option<String>,
    /// What becomes of it.
    pub outcome: T,
}

/// What the relay may do with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relayed {
    /// A rule of this name drops it.
    Dropped(String),
    /// It goes to these and no other.
    Delivered {
        /// The receivers' names, at least one; their order says nothing.
        receivers: Vec<String>,
        /// What the first line of its message contains.
        title: Option<String>,
    },
}

/// What the filter may do with an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filtered {
    /// A rule of this name drops it.
    Dropped(String),
    /// It is passed on.
    Published,
}

/// What is not as it was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The function that does it: [`RELAY`] or [`FILTER`].
    pub function: &'static str,
    /// The alert's name; `None` where it is about all of them together.
    pub alert: Option<String>,
    /// What was expected.
    pub expected: String,
    /// What becomes of it.
    pub got: String,
    /// What every drop rule makes of the alert.
    pub rules: Vec<RuleTrace>,
}

#[cfg(test)]
mod tests;
