//! `alertctl backtest`: what a configuration would have done with the past.
//!
//! `history` reads the past of an account's alarms, `events` that of a file; `replay` has the core decide about each event at its
//! time, `report` shows it.

mod events;
mod history;
mod replay;
mod report;

use std::path::PathBuf;

use alert_core::time;
use chrono::{TimeDelta, Utc};

use crate::commands::{aws, input};
use replay::Replay;
use report::BacktestReport;

const HELP: &str = "\
Examples:
  alertctl backtest alerts.yaml
  alertctl backtest alerts.yaml --since 30d --against alerts.old.yaml
  alertctl backtest alerts.yaml --events past-events.jsonl --json

Each event is planned by itself, at its own time: with an app and a table, later changes of an alert edit its message instead of \
being posted. A change counts as sent when the alarm, as it is today, has an action for its state. Silences are not looked at.

Rights, all of them reads: cloudwatch:DescribeAlarmHistory, cloudwatch:DescribeAlarms, cloudwatch:ListTagsForResource (tags are \
labels). CloudWatch keeps the history of 30 days. With --events nothing is asked of AWS.";

/// What CloudWatch keeps. Source: CloudWatch API Reference, DescribeAlarmHistory.
const HISTORY_DAYS: i64 = 30;

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = HELP)]
pub(crate) struct Options {
    /// The configuration; `-` is standard input.
    config: PathBuf,
    /// How far back the history of alarms is read, up to 30d.
    #[arg(long, value_name = "DURATION", default_value = "14d", value_parser = since, conflicts_with = "events")]
    since: TimeDelta,
    /// Events as Lambda gets them, instead of the account's history: JSON lines, or a JSON array; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// The configuration to compare with; the default one, unless given.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Every change of every alarm, as EventBridge's rule would bring it, and not what has an action alone.
    #[arg(long, conflicts_with = "events")]
    all: bool,
    /// The region; the AWS configuration's, unless given.
    #[arg(long, conflicts_with = "events")]
    region: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn since(text: &str) -> Result<TimeDelta, String> {
    let most = TimeDelta::days(HISTORY_DAYS);
    let parsed = time::parse_duration(text).filter(|since| *since > TimeDelta::zero() && *since <= most);
    parsed.ok_or_else(|| format!("expected a duration up to {HISTORY_DAYS}d, such as 14d or 12h"))
}

/// What is replayed, and what is to be said of it.
#[derive(Debug, Default)]
struct Past {
    /// Events as Lambda gets them, in the order of time.
    events: Vec<Vec<u8>>,
    /// Changes that CloudWatch tells nobody, because their alarm has no action for them.
    unsent: usize,
    /// What could not be read, and what comes of it.
    problems: Vec<String>,
}

/// Reads, replays and reports.
pub(crate) async fn run(options: Options) -> Result<bool, String> {
    let config = input::config(Some(&options.config))?;
    let against = input::config(options.against.as_deref())?;
    let past = if let Some(file) = &options.events {
        Past { events: events::read(file)?, ..Past::default() }
    } else {
        let client = aws_sdk_cloudwatch::Client::new(&aws::configuration(options.region).await?);
        history::read(&client, Utc::now() - options.since, options.all).await?
    };
    let now = Utc::now();
    let report = BacktestReport {
        name: input::name(&options.config),
        against_name: options.against.as_deref().map_or_else(|| "the default".to_owned(), input::name),
        replay: Replay::of(&past.events, config, now),
        against: Replay::of(&past.events, against, now),
        past: &past,
    };
    if options.json {
        anstream::println!("{}", report.json());
    } else {
        anstream::print!("{}", report.text());
    }
    Ok(true)
}
