//! `alertctl render`.

use std::path::Path;

use alert_core::config::Config;
use alert_core::region::percent_encode;
use alert_core::relay::{self, Deployment};
use alert_core::render::Rendering;
use chrono::{DateTime, Utc};
use clap::ValueEnum;

use crate::commands::shift::{self, Asked};
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

/// How much of Slack's blocks a message uses, as people name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Blocks {
    /// Slack's own charts, and details that are folded.
    Modern,
    /// The blocks of all the years.
    Classic,
    /// No blocks.
    Plain,
}

impl From<Blocks> for Rendering {
    fn from(blocks: Blocks) -> Self {
        match blocks {
            Blocks::Modern => Self::Modern,
            Blocks::Classic => Self::Classic,
            Blocks::Plain => Self::Plain,
        }
    }
}

/// A configuration, whose messages are written as somebody asked for.
pub(crate) fn in_blocks(config: Config, asked: Option<Blocks>) -> Config {
    Config { rendering: asked.map_or(config.rendering, Rendering::from), ..config }
}

/// Prints the messages of an event.
pub(crate) fn run(
    file: &Path,
    format: Format,
    rendering: Option<Blocks>,
    config: Option<&Path>,
    at: Option<DateTime<Utc>>,
) -> Result<bool, String> {
    let event = input::event(file)?;
    let config = input::config(config)?;
    show(&event, format, rendering, &config, at);
    Ok(true)
}

/// Prints the messages that an event becomes, and what is dropped of it.
pub(crate) fn show(
    event: &[u8],
    format: Format,
    rendering: Option<Blocks>,
    config: &Config,
    at: Option<DateTime<Utc>>,
) {
    let Asked { decoded, now, said, .. } = shift::ask(event, at);
    if let Some(said) = said {
        anstream::eprintln!("{said}");
    }
    let deployment = Deployment::new(in_blocks(config.clone(), rendering));
    let plan = relay::plan(decoded, &deployment, "render", now);
    for post in &plan.posts {
        let json = post.message.content();
        match format {
            Format::Json => anstream::println!("{}", plain::json(&json)),
            Format::BuilderUrl => {
                anstream::println!("{}", builder_url(&json));
            }
            Format::Text => {
                // Who asks for blocks wants to see them.
                let lines = match rendering {
                    Some(_) => terminal::written(post),
                    None => terminal::post(&plan, post, config),
                };
                for line in lines {
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
}

/// The address at which Slack's Block Kit Builder shows a message.
pub(crate) fn builder_url(json: &str) -> String {
    format!("https://app.slack.com/block-kit-builder#{}", percent_encode(json))
}
