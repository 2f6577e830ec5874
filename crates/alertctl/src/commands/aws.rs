//! What every command that calls AWS does alike: the configuration of the person who calls, and what AWS refuses with.

use std::time::Duration;

use alert_io::http::{self, SdkHttpClient};
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata};

use crate::plain::is_obeyed;

/// No call of these takes longer, its tries together.
const CALL_MAX: Duration = Duration::from_secs(30);
const REASON_MAX_CHARS: usize = 400;

/// Credentials as the SDK's chain finds them, and this region or that of the AWS configuration.
pub(crate) async fn configuration(region: Option<String>) -> Result<SdkConfig, String> {
    let client = http::client(&alert_io::settings::process).map_err(|error| error.to_string())?;
    let timeouts = TimeoutConfig::builder().operation_timeout(CALL_MAX).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(SdkHttpClient(client))
        .timeout_config(timeouts);
    if let Some(region) = region {
        loader = loader.region(Region::new(region));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err("no region is configured: give --region, or set AWS_REGION".to_owned());
    }
    Ok(config)
}

/// What a call was refused with.
pub(crate) fn problem<E>(call: &str, of: &str, error: &E) -> String
where
    E: std::error::Error + ProvideErrorMetadata,
{
    let why = match (error.code(), error.message()) {
        (Some(code), message) => format!("{code}: {}", message.unwrap_or("no more is said")),
        (None, _) => DisplayErrorContext(error).to_string(),
    };
    format!("{call} of {of}: {}", clean(&why))
}

/// One line of text that a terminal can show, cut to a sensible length.
pub(crate) fn clean(text: &str) -> String {
    let plain = |c: char| if is_obeyed(c) || c == '\t' { ' ' } else { c };
    let mut short: String = text.chars().take(REASON_MAX_CHARS).map(plain).collect();
    if text.chars().nth(REASON_MAX_CHARS).is_some() {
        short.push('…');
    }
    short.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(clean("a\u{1b}[31m\nb\u{9b}\u{202e}c"), "a [31m b  c");
        assert_eq!(clean(&"x".repeat(1_000)).chars().count(), REASON_MAX_CHARS + 1);
    }
}
