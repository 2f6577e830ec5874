//! `alertctl render`.

use std::path::Path;

use alert_core::envelope;
use alert_core::region::percent_encode;
use alert_core::relay::{self, Deployment};
use chrono::{DateTime, TimeDelta, Utc};
use clap::ValueEnum;
use serde_json::Value;

use crate::commands::{input, terminal};
use crate::plain::{self, Plain};

/// How a message is shown.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// As a terminal shows it.
    Text,
    /// The exact JSON for the webhook.
    Json,
    /// A link that opens it in Slack's Block Kit Builder.
    BuilderUrl,
}

/// Prints the messages of an event.
pub(crate) fn run(
    file: &Path,
    format: Format,
    config: Option<&Path>,
    at: Option<&str>,
) -> Result<bool, String> {
    let event = input::event(file)?;
    let deployment = Deployment::new(input::config(config)?);
    show(&event, format, &deployment, input::moment(at)?)?;
    Ok(true)
}

/// Prints the messages that an event becomes, and what is dropped of it.
pub(crate) fn show(
    event: &[u8],
    format: Format,
    deployment: &Deployment,
    at: Option<DateTime<Utc>>,
) -> Result<(), String> {
    let decoded = envelope::decode(event);
    let now = at.unwrap_or_else(|| arrival(&decoded));
    let plan = relay::plan(decoded, deployment, "render", now, &());
    for post in &plan.posts {
        let json = post.message.to_json();
        match format {
            Format::Json => anstream::println!("{}", plain::json(&json)),
            Format::BuilderUrl => {
                anstream::println!("https://app.slack.com/block-kit-builder#{}", percent_encode(&json));
            }
            Format::Text => {
                let payload: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
                for line in terminal::message(&payload) {
                    anstream::println!("{line}");
                }
                anstream::println!();
            }
        }
    }
    for (item, dropped) in plan.dropped() {
        let (name, rule, why) = (Plain(&item.alert.name), Plain(&dropped.rule), Plain(&dropped.why));
        anstream::eprintln!("{name} is not sent: {rule} ({why})");
    }
    Ok(())
}

/// A second after the event was sent; now, where its envelope does not tell.
pub(crate) fn arrival(decoded: &envelope::Decoded) -> DateTime<Utc> {
    let sent = decoded.records.iter().filter_map(|record| record.sent_at).max();
    sent.map_or_else(Utc::now, |sent| sent + TimeDelta::seconds(1))
}
