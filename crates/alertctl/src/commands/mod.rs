//! Every command but the benchmark, which is built without these and the AWS SDK that they need (the feature `commands`), and
//! the completions.

mod alarms;
mod audit;
mod aws;
mod backtest;
mod canary;
mod check;
mod demo;
mod encrypt_secret;
mod explain;
mod input;
mod pack;
mod playground;
mod redrive;
mod render;
mod shift;
mod silence;
mod slack;
mod terminal;
mod test;
mod why;

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Subcommand;

use crate::command_line::Failure;

const DEMO_EXAMPLES: &str = "\
Examples:
  alertctl demo
  alertctl demo --app my-event.json
  alertctl demo --json - < my-event.json";
const RENDER_EXAMPLES: &str = "\
Examples:
  alertctl render my-event.json
  alertctl render my-event.json --config alerts.yaml --rendering modern
  alertctl render my-event.json --format builder-url";
const EXPLAIN_EXAMPLES: &str = "\
Examples:
  alertctl explain my-event.json --config alerts.yaml
  alertctl explain my-event.json --config alerts.yaml --at 2026-09-13T03:00:00+09:00
  alertctl explain - < my-event.json
  alertctl explain my-event.json --json | jq -r '.functions[\"cloudwatch-to-slack\"].alerts[].receivers[].name'

--json prints {\"now\", \"note\", \"records\", \"functions\"}; each function has its \"alerts\" (with \"labels\", \"rules\", \"verdict\",
\"dropped\", \"receivers\" and more) and its \"posts\", which name their alerts by place.";
const PLAYGROUND_EXAMPLES: &str = "\
Examples:
  alertctl playground --port 4000
  alertctl playground --port 4000 --config alerts.yaml --app
  curl --data-binary @my-event.json http://127.0.0.1:4000/event
For a Grafana in a container, whose webhook is http://host.docker.internal:4000/grafana:
  alertctl playground --port 4000 --allow-host host.docker.internal
On Linux its container is started with --add-host host.docker.internal:host-gateway, and:
  alertctl playground --port 4000 --allow-host host.docker.internal --listen 172.17.0.1";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the real functions on a local sandbox of Lambda, KMS, DynamoDB, SNS and Slack, and show what happens.
    ///
    /// Needs no AWS account and no network. Without files it shows a CloudWatch alarm and its end, Grafana's way through both
    /// functions, and then, by an app and with a table, one alarm's life in one message.
    #[command(after_help = DEMO_EXAMPLES)]
    Demo {
        /// Events as Lambda gets them (JSON); `-` reads one from standard input.
        files: Vec<PathBuf>,
        /// Print the exact JSON that Slack received.
        #[arg(long)]
        json: bool,
        /// Reach Slack by an app's bot token instead of a webhook, and remember alerts in a table, so that messages change.
        #[arg(long)]
        app: bool,
    },
    /// Serve a page on loopback that shows what Slack would show, and why.
    ///
    /// Prints its address, and those at which a real Grafana, a real Alertmanager or `curl` can send alerts to the real functions;
    /// what they deliver shows up in the page's inbox. Needs no network. Ends with Ctrl-C.
    #[command(after_help = PLAYGROUND_EXAMPLES)]
    Playground(playground::Options),
    /// Show the Slack message of an event.
    #[command(arg_required_else_help = true, after_help = RENDER_EXAMPLES)]
    Render {
        /// The event as Lambda gets it (JSON); `-` is standard input.
        file: PathBuf,
        /// How to show it.
        #[arg(long, value_enum, default_value = "text")]
        format: render::Format,
        /// How much of Slack's blocks it uses; what the configuration says, unless given. Text then shows these blocks, where it
        /// is else the words alone.
        #[arg(long, value_enum)]
        rendering: Option<render::Blocks>,
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// As if it happened at this time (RFC 3339): all times of the event are moved; when it happened in truth, unless given.
        #[arg(long, value_name = "TIME", value_parser = input::moment)]
        at: Option<DateTime<Utc>>,
    },
    /// Say what each function would do with an event, and why.
    #[command(arg_required_else_help = true, after_help = EXPLAIN_EXAMPLES)]
    Explain {
        /// The event as Lambda gets it (JSON); `-` is standard input.
        file: PathBuf,
        /// The configuration.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// As if it happened at this time (RFC 3339): all times of the event are moved; when it happened in truth, unless given.
        #[arg(long, value_name = "TIME", value_parser = input::moment)]
        at: Option<DateTime<Utc>>,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Check configurations, and name everything that is wrong with them, or has no effect, by line and column.
    Check(check::Options),
    /// Run unit tests of configurations: events, and who is to get each alert in them, or which rule drops it.
    Test(test::Options),
    /// Put a configuration into a function's zip, beside the binary, for a deployment that builds nothing.
    Pack(pack::Options),
    /// Encrypt a secret of Slack's with KMS: a webhook's URL, an app's bot token, or its signing secret.
    ///
    /// It is read from standard input, or asked for without echo, and never an argument. Prints the base64 ciphertext, after
    /// checking that it decrypts, and on standard error the setting that it is for.
    #[command(visible_alias = "encrypt-hook")]
    EncryptSecret(encrypt_secret::Options),
    /// Hand what lies in a dead-letter queue back to its function, and delete what the function delivered.
    Redrive(redrive::Options),
    /// Find alarms of an account and region that can never reach a person, by reads alone.
    Audit(audit::Options),
    /// Replay the past against a configuration: what it would have posted, dropped, folded into digests, and routed to whom.
    Backtest(backtest::Options),
    /// Tell what became of one alert, step by step: from the functions' logs, and from what the relay's table remembers.
    Why(why::Options),
    /// Set off the stack's own alarm, to see whether the whole way works: CloudWatch, SNS, the relay, the target.
    Canary(canary::Options),
    /// Silence alerts by matchers for a time, as amtool does: what they match is remembered, and rings for nobody.
    Silence(silence::Options),
}

/// Runs one: whether all went well, or what is in the way.
pub(crate) async fn run(command: Command) -> Result<bool, Failure> {
    Ok(match command {
        Command::Demo { files, json, app } => {
            input::once(files.iter())?;
            demo::run(&files, json, way(app)).await?
        }
        Command::Render { file, format, rendering, config, at } => {
            input::once(config.iter().chain([&file]))?;
            render::run(&file, format, rendering, config.as_deref(), at)?
        }
        Command::Explain { file, config, at, json } => {
            input::once(config.iter().chain([&file]))?;
            explain::run(&file, config.as_deref(), at, json)?
        }
        Command::Playground(options) => playground::run(options).await?,
        Command::Check(options) => check::run(&options)?,
        Command::Test(options) => test::run(&options)?,
        Command::Pack(options) => pack::run(&options)?,
        Command::EncryptSecret(options) => encrypt_secret::run(options).await?,
        Command::Redrive(options) => redrive::run(options).await?,
        Command::Audit(options) => audit::run(options).await?,
        Command::Why(options) => why::run(options).await?,
        Command::Backtest(options) => backtest::run(options).await?,
        Command::Canary(options) => canary::run(options).await?,
        Command::Silence(options) => silence::run(options).await?,
    })
}

fn way(by_app: bool) -> demo::Way {
    if by_app { demo::Way::App } else { demo::Way::Webhook }
}
