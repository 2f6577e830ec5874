//! `alertctl canary`: sets off the canary's alarm now, and waits until it has arrived.

use std::time::Duration;

use alert_io::canary::{self, Canary};
use alert_io::dynamodb::DynamoDbTable;
use alert_io::settings::{self, ALERT_TABLE, CANARY_ALARM};
use alert_io::table::Trouble;
use chrono::{TimeDelta, Utc};
use clap::Args;
use tokio::time::{Instant, sleep};

use crate::command_line::Failure;
use crate::commands::terminal::{GREEN, RED};
use crate::commands::{aws, input};

const EXAMPLES: &str = "\
Examples:
  alertctl canary --alarm alerts-canary --table alerts-RelayTable-1ABC
  CANARY_ALARM=alerts-canary alertctl canary --wait 5m

The alarm and the table are those of the stack's outputs CanaryAlarmName and AlertTableName.";
/// Looking whether it has arrived.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The canary's alarm; CANARY_ALARM, unless given.
    #[arg(long, value_name = "NAME")]
    alarm: Option<String>,
    /// The relay's table, where its arrival is written down; ALERT_TABLE, unless given. Without it nobody waits.
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// Their region; the AWS configuration's, unless given.
    #[arg(long, value_parser = input::region)]
    region: Option<String>,
    /// How long to wait for it.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = input::duration)]
    wait: TimeDelta,
}

/// Sends a canary; whether it has arrived, where that can be known.
pub(crate) async fn run(options: Options) -> Result<bool, Failure> {
    let Options { alarm, table, region, wait } = options;
    let named = |name: Option<String>, setting: &str| {
        name.filter(|name| !name.trim().is_empty()).or_else(|| settings::process(setting))
    };
    let alarm = named(alarm, CANARY_ALARM).ok_or_else(|| {
        Failure::CommandLine(format!(
            "no alarm is named: give --alarm, or set {CANARY_ALARM}, to the stack's output CanaryAlarmName"
        ))
    })?;
    // Durations on the command line are longer than nothing.
    let wait = wait.to_std().unwrap_or_default();
    let config = aws::configuration(region).await?;
    let table = named(table, ALERT_TABLE)
        .map(|name| DynamoDbTable::new(aws_sdk_dynamodb::Client::new(&config), name));
    let sent_at = Utc::now();
    let problem = |Trouble(why): Trouble| why;
    if let Some(table) = &table {
        canary::sent(table, sent_at).await.map_err(problem)?;
    }
    let canary = Canary::new(aws_sdk_cloudwatch::Client::new(&config), alarm.clone());
    canary.send(sent_at).await.map_err(|failure| failure.to_string())?;
    anstream::eprintln!("the alarm {} is set off", aws::clean(&alarm));
    let Some(table) = table else {
        anstream::eprintln!(
            "without --table nobody waits for it: its message in the target says how long it took"
        );
        return Ok(true);
    };
    let end = Instant::now() + wait;
    while Instant::now() < end {
        sleep(PAUSE.min(end.saturating_duration_since(Instant::now()))).await;
        if let Some(arrived_at) =
            canary::last_arrival(&table).await.map_err(problem)?.filter(|at| *at >= sent_at)
        {
            #[allow(clippy::cast_precision_loss, reason = "milliseconds of some minutes")]
            let seconds = (arrived_at - sent_at).num_milliseconds() as f64 / 1_000.0;
            anstream::println!("{GREEN}arrived{GREEN:#}: whole way in {seconds:.1} s");
            return Ok(true);
        }
    }
    anstream::println!(
        "{RED}not arrived{RED:#} yet: after ten minutes it is told by both ways. Look at the relay's log and its dead-letter queue"
    );
    Ok(false)
}
