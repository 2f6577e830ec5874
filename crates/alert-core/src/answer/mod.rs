//! What a target's answer means: the one place where it is decided whether to try again.
//!
//! One module for each kind of target; all of them speak of an [`Outcome`].

pub mod app;
pub mod topic;
pub mod webhook;

use std::time::Duration;

use crate::outcome::{Failure, Outcome};

/// Slack asked for a pause.
pub const RATE_LIMITED: &str = "slack_rate_limited";
/// Slack has a fault of its own, or none of ours could be reached.
pub const UNAVAILABLE: &str = "slack_unavailable";
/// No answer in time; the message may have arrived all the same.
pub const TIMEOUT: &str = "slack_timeout";
/// Slack refuses the message's content.
pub const MESSAGE_REFUSED: &str = "slack_message_refused";
/// The webhook or its channel does not exist (any more), or may not be used.
pub const WEBHOOK_REFUSED: &str = "slack_webhook_refused";

/// The app's token may not do it, in no channel.
pub const TOKEN_REFUSED: &str = "slack_token_refused";
/// The channel does not exist (any more), or the app may not post there.
pub const CHANNEL_REFUSED: &str = "slack_channel_refused";

/// Slack answers with whole minutes at most; a larger number is a mistake that must not stop alerts for hours.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(15);
/// What Slack's rate of one message a second asks for, when a 429 names no time.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);

/// Slack asks for a pause of `wait` seconds, the text of its header `Retry-After`.
fn retry_after(status: u16, wait: Option<&str>) -> Outcome {
    let after = wait
        .and_then(|text| text.trim().parse().ok())
        .map_or(RETRY_AFTER_DEFAULT, Duration::from_secs)
        .min(RETRY_AFTER_MAX);
    let detail = format!("Slack asks to wait {} s (HTTP {status})", after.as_secs());
    Outcome::Retry { after: Some(after), failure: Failure::new(RATE_LIMITED, detail) }
}
