//! Logs: one JSON object a line on standard output, which Lambda takes to CloudWatch Logs.
//!
//! No message bodies at any level that is on by default, and no secret at any level.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::settings::{AWS_LAMBDA_LOG_LEVEL, Environment};

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
    // The HTTP libraries print requests, whose URL is a secret: nothing of theirs below warnings, whatever the level.
    let filter = EnvFilter::default().add_directive(level.into()).add_directives([
        "hyper",
        "hyper_util",
        "reqwest",
        "rustls",
        "h2",
        "aws_smithy_runtime",
        "aws_smithy_runtime_api",
        "aws_sdk_kms",
        "aws_sdk_sns",
    ]);
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

/// Keeps crates at warnings.
trait AddDirectives {
    fn add_directives<const N: usize>(self, crates: [&str; N]) -> Self;
}

impl AddDirectives for EnvFilter {
    fn add_directives<const N: usize>(self, crates: [&str; N]) -> Self {
        crates.iter().fold(self, |filter, name| match format!("{name}=warn").parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        })
    }
}
