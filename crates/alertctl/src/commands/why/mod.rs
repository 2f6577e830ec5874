//! `alertctl why`: what became of one alert, step by step.
//!
//! `source` finds the functions' log lines, `story` makes steps of them, `table` asks what is remembered, `report` shows it.

mod report;
mod source;
mod story;
mod table;

use std::path::PathBuf;

use alert_core::time;
use chrono::{TimeDelta, Utc};

use crate::commands::aws;
use source::Looked;
use story::Line;

const HELP: &str = "\
Examples:
  alertctl why e4f44196 --stack alerts
  alertctl why e4f44196 --stack alerts --table alerts-RelayTable-1ABC --since 7d
  alertctl why 'orders-api errors' --function-name cloudwatch-to-slack
  aws logs tail /aws/lambda/alerts-cloudwatch-to-slack --since 1h | alertctl why e4f44196 --log -

The id is what is known: the last word of a message's footer, the id of SNS's message, of SQS's or of EventBridge's event, the id \
of an invocation, the `ts` of Slack's message; and where nothing has such an id, the alert's name.

Rights, all of them reads: logs:FilterLogEvents on the functions' log groups; with --table dynamodb:GetItem on it and \
dynamodb:Query on its index due.

Exit codes: 0 it was found; 1 it was not, or something could not be read; 2 the command line is wrong.";

/// What the command line asks for.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = HELP)]
#[command(group = clap::ArgGroup::new("source").required(true).multiple(true)
    .args(["log", "function_names", "stack", "table"]))]
pub(crate) struct Options {
    /// What the alert is known by.
    id: String,
    /// A file of log lines of the functions; `-` is standard input. May be given again.
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// A function whose log is read in CloudWatch Logs. May be given again.
    #[arg(long = "function-name", value_name = "NAME")]
    function_names: Vec<String>,
    /// The stack whose functions' logs are read in CloudWatch Logs.
    #[arg(long, value_name = "NAME")]
    stack: Option<String>,
    /// The relay's table, the stack's output AlertTableName: what it remembers is shown as well.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// How far back CloudWatch Logs are read, such as 6h or 7d.
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = duration)]
    since: TimeDelta,
    /// The region; the AWS configuration's, unless given.
    #[arg(long)]
    region: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

fn duration(text: &str) -> Result<TimeDelta, String> {
    let parsed = time::parse_duration(text).filter(|duration| *duration > TimeDelta::zero());
    parsed.ok_or_else(|| "expected a duration such as 6h or 7d".to_owned())
}

/// Looks, and tells.
pub(crate) async fn run(options: Options) -> Result<bool, String> {
    let (mut lines, mut looked) = (Vec::new(), Vec::new());
    for file in &options.log {
        looked.push(source::of_file(file, &mut lines)?);
    }
    let groups = groups(&options);
    let config = if groups.is_empty() && options.table.is_none() {
        None
    } else {
        Some(aws::configuration(options.region.clone()).await?)
    };
    let mut is_whole = true;
    if let Some(config) = config.as_ref().filter(|_| !groups.is_empty()) {
        let client = aws_sdk_cloudwatchlogs::Client::new(config);
        let from = Utc::now() - options.since;
        for group in &groups {
            let found = source::of_group(&client, group, from, &mut lines).await;
            // A stack may lack some of its functions; who names one means it.
            is_whole &= found.problem.is_none() || (found.is_absent && options.stack.is_some());
            looked.push(found);
        }
    }
    let mut stories = story::stories(&lines, &options.id);
    if let (Some(config), Some(name)) = (&config, &options.table) {
        let looked_at = table::add(config, name, &options.id, &mut stories).await;
        is_whole &= looked_at.problem.is_none();
        looked.push(looked_at);
    }
    if options.json {
        anstream::println!("{}", report::json(&options.id, &stories, &looked));
    } else if stories.is_empty() {
        anstream::eprint!("{}", report::nothing(&options.id, &looked, &lines));
    } else {
        anstream::print!("{}", report::text(&stories));
        for Looked { problem, .. } in looked.iter().filter(|looked| !looked.is_absent) {
            if let Some(problem) = problem {
                anstream::eprintln!("not read: {}", crate::plain::Plain(problem));
            }
        }
    }
    Ok(!stories.is_empty() && is_whole)
}

/// The log groups that are asked for, each once.
fn groups(options: &Options) -> Vec<String> {
    let of_stack = options.stack.iter().flat_map(|stack| {
        // As the template names them.
        ["cloudwatch-to-slack", "grafana-filter-to-sns", "slack-actions", "alert-watch"]
            .map(|function| format!("/aws/lambda/{stack}-{function}"))
    });
    let named = options.function_names.iter().map(|name| {
        // Who names a log group gets that one.
        if name.starts_with('/') { name.clone() } else { format!("/aws/lambda/{name}") }
    });
    let mut groups: Vec<String> = named.chain(of_stack).collect();
    let mut seen = std::collections::BTreeSet::new();
    groups.retain(|group| seen.insert(group.clone()));
    groups
}

/// When the first and the last of these lines were written.
fn span(lines: &[Line]) -> Option<(chrono::DateTime<Utc>, chrono::DateTime<Utc>)> {
    let times = || lines.iter().map(|line| line.at);
    Some((times().min()?, times().max()?))
}
