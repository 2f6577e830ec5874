//! Logs: one JSON object a line on standard output, which Lambda takes to CloudWatch Logs.
//!
//! No message bodies at any level that is on by default, and no secret at any level.

use std::time::Duration;

use alert_core::alert::Alert;
use alert_core::decide::Dropped;
use alert_core::envelope::{Hop, Record};
use alert_core::key::AlertKey;
use alert_core::outcome::Failure;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::settings::{AWS_LAMBDA_LOG_LEVEL, Environment};

/// The crates whose events are shown as the level says.
const TALKATIVE: [&str; 8] = [
    "alert_core",
    "alert_io",
    "cloudwatch_to_slack",
    "grafana_filter_to_sns",
    "grafana_webhook_authorizer",
    "slack_actions",
    "alert_watch",
    "lambda_runtime",
];

/// Starts logging at the level of `AWS_LAMBDA_LOG_LEVEL` (`TRACE` to `ERROR`; `FATAL` counts as `ERROR`), `INFO`
/// without one. A second call does nothing.
pub fn start(environment: Environment<'_>) {
    let level = match environment(AWS_LAMBDA_LOG_LEVEL).unwrap_or_default().to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "WARN" => LevelFilter::WARN,
        "ERROR" | "FATAL" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    // Of all others, which print requests, their headers and their bodies, nothing below warnings: what holds a secret
    // is better not left to each library's own idea of one.
    let filter = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_targets(TALKATIVE.into_iter().map(|name| (name, level)));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(level)
        .finish()
        .with(filter);
    // Not by `try_init`, which would take in what is written through the `log` crate, too. Somebody else's subscriber (a
    // test's) stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// What became of one alert.
#[derive(Debug, Clone, Copy)]
pub enum Disposition<'l> {
    /// A rule held it back.
    Dropped(&'l Dropped),
    /// Everybody has it who gets it, `before` in an earlier invocation of this process already.
    Done {
        /// `delivered`, `published before` and so on.
        outcome: &'static str,
        /// Who.
        receivers: &'l str,
        /// The silence that holds it, or its author where it has no id.
        held_by: Option<&'l str>,
    },
    /// Somebody did not get it.
    Failed(&'l Failure),
}

/// One alert's line in the log.
#[derive(Debug, Clone, Copy)]
pub struct AlertLine<'l> {
    /// The invocation's id.
    pub request_id: &'l str,
    /// The record that it came in.
    pub record: Option<&'l Record>,
    /// The alert.
    pub alert: &'l Alert,
    /// Which alert it is: the same in all lines about it, and in its item of the table.
    pub key: &'l AlertKey,
    /// What was done where, and the messages' ids there; empty where nothing was.
    pub posts: &'l str,
    /// What was to be done with it, unless it was dropped: `deliver`, `publish`.
    pub verdict: &'static str,
    /// What became of it.
    pub disposition: Disposition<'l>,
    /// How often it was posted or published.
    pub tries: u32,
    /// From the invocation's start.
    pub duration: Duration,
}

impl AlertLine<'_> {
    /// Writes the line.
    pub fn write(&self) {
        let Self { request_id, record, tries, posts, .. } = *self;
        let key = self.key.to_string();
        // How often its carrier has brought it.
        let brought = record.map(|record| record.tries).filter(|tries| *tries > 1);
        let posts = (!posts.is_empty()).then_some(posts);
        let id = record.and_then(|record| record.id.as_deref()).unwrap_or(request_id);
        // Where a queue carries a topic's message, both ids lead somewhere.
        let item = record.and_then(|record| record.item.as_deref()).filter(|item| *item != id);
        let path = record.map(|record| Hop::way(&record.path)).unwrap_or_default();
        let (alert, state) = (self.alert.name.as_str(), self.alert.state_value.as_str());
        let duration_ms = u64::try_from(self.duration.as_millis()).unwrap_or(u64::MAX);
        let verdict = self.verdict;
        match self.disposition {
            Disposition::Dropped(Dropped { rule, why }) => {
                tracing::info!(
                    request_id,
                    id,
                    item,
                    path,
                    alert,
                    state,
                    key,
                    brought,
                    verdict = "dropped",
                    rule,
                    why,
                    tries,
                    duration_ms
                );
            }
            Disposition::Done { outcome, receivers, held_by } => {
                tracing::info!(
                    request_id,
                    id,
                    item,
                    path,
                    alert,
                    state,
                    key,
                    brought,
                    verdict,
                    outcome,
                    receivers,
                    held_by,
                    posts,
                    tries,
                    duration_ms
                );
            }
            Disposition::Failed(Failure { error_type, detail }) => {
                tracing::error!(
                    request_id,
                    id,
                    item,
                    path,
                    alert,
                    state,
                    key,
                    brought,
                    verdict,
                    outcome = "failed",
                    error_type,
                    why = detail,
                    posts,
                    tries,
                    duration_ms
                );
            }
        }
    }
}
