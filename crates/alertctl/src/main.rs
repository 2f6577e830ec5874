//! The operator's command. Everything that it says of an event comes from the same code as in the functions.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command is for")]

mod bench;
mod command_line;
#[cfg(feature = "commands")]
mod commands;
mod orders;
mod plain;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use command_line::{Failure, Line};

/// Operate the alert relay: try it, explain it, check its configuration, encrypt its secrets.
#[derive(Parser)]
#[command(name = "alertctl", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  alertctl demo                                   run both functions on a sandbox and show what Slack gets
  alertctl demo my-event.json                     the same with an event of your own
  alertctl playground                             a page on loopback: events and configurations in, Slack messages out
  alertctl render my-event.json                   show the Slack message of an event
  alertctl explain my-event.json --config alerts.yaml --at 2026-09-13T03:00:00+09:00
  alertctl check alerts.yaml                      find every mistake in a configuration
  alertctl test infra/alerts.test.yaml            run unit tests of a configuration
  alertctl encrypt-secret --key-id alias/alert-relay --function-name cloudwatch-to-slack
  alertctl redrive alerts-relay-failures --dry-run   show what lies in a dead-letter queue
  alertctl silence add --duration 2h --comment 'known, ticket 4711' alertname=orders-cpu
  alertctl why e4f44196 --stack alerts            what became of one alert, step by step
  alertctl audit --config alerts.yaml             alarms that can never reach a person
  alertctl backtest alerts.yaml --since 14d       what these rules would have done with the past
  alertctl canary --alarm alerts-canary --table alerts-RelayTable-1ABC   see whether the whole way works
  alertctl explain - < my-event.json              an event from standard input

Exit codes: 0 all went well; 1 something did not, and it is printed; 2 the command line is wrong.
Colours are left out where the output is no terminal, or NO_COLOR is set.";

#[derive(Subcommand)]
enum Command {
    #[cfg(feature = "commands")]
    #[command(flatten)]
    Relay(commands::Command),
    /// Measure both functions beside an empty one and beside Python; `make bench` builds what that needs.
    ///
    /// To be run in the top folder of the repository. Writes target/bench.json, and the picture in crates/alertctl/README.md.
    Bench {
        /// Fewer rounds, and no picture.
        #[arg(long)]
        quick: bool,
        /// A Python interpreter with boto3 and awslambdaric.
        #[arg(long, default_value = "target/venv-bench/bin/python")]
        python: PathBuf,
    },
    /// Run each function for a hundred thousand warm invocations in one process, and see whether it grows.
    ///
    /// Prints memory and open files after 1,000 invocations, after half of them, and at the end; exit status 1 when they grow
    /// without bound. `make soak` builds what that needs. Linux alone.
    Soak {
        /// Invocations of each function.
        #[arg(long, value_name = "N", default_value_t = bench::soak::INVOCATIONS_MIN,
              value_parser = clap::value_parser!(u64).range(bench::soak::INVOCATIONS_MIN..))]
        invocations: u64,
    },
    /// Print a shell's completions.
    #[command(
        arg_required_else_help = true,
        after_help = "Example:\n  alertctl completions bash > ~/.local/share/bash-completion/completions/alertctl"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let (line, arguments) = Line::read::<Arguments>();
    match run(arguments.command).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(Failure::CommandLine(why)) => line.refuse(&why),
        Err(Failure::Other(problem)) => {
            anstream::eprintln!("alertctl: {}", plain::lines(&problem));
            ExitCode::FAILURE
        }
    }
}

/// Whether all went well, or what is in the way.
async fn run(command: Command) -> Result<bool, Failure> {
    Ok(match command {
        #[cfg(feature = "commands")]
        Command::Relay(command) => commands::run(command).await?,
        Command::Bench { quick, python } => bench::run(quick, &python).await?,
        Command::Soak { invocations } => bench::soak::run(invocations).await?,
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "alertctl", &mut std::io::stdout());
            true
        }
    })
}
