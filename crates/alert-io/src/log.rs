//! Logs: one JSON object a line on standard output, which Lambda takes to CloudWatch Logs.
//!
//! No message bodies at any level that is on by default, and no secret at any level.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::{AWS_LAMBDA_LOG_LEVEL, Environment};

/// The crates whose events are shown as the level says.
const TALKATIVE: [&str; 6] = [
    "alert_core",
    "alert_io",
    "cloudwatch_to_slack",
    "grafana_filter_to_sns",
    "grafana_webhook_authorizer",
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
    let others = EnvFilter::default().add_directive(level.min(LevelFilter::WARN).into());
    let filter = TALKATIVE.iter().fold(others, |filter, name| match format!("{name}={level}").parse() {
        Ok(directive) => filter.add_directive(directive),
        Err(_) => filter,
    });
    // Somebody else's subscriber (a test's) stays.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_target(false)
        .with_env_filter(filter)
        .try_init();
}
