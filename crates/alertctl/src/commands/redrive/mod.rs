//! `alertctl redrive`: the command, and what it says of each message.
//!
//! `queue` is the dead-letter queue, `message` what lies there, `functions` which function may get it, `hand_back` the call
//! of the function and its answer.

mod functions;
mod hand_back;
mod message;
mod progress;
mod queue;

use std::time::Duration;

use alert_core::config::Config;
use alert_core::time;
use aws_config::SdkConfig;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};

use crate::command_line::Failure;
use crate::commands::aws::{self, clean};
use crate::commands::terminal::{BOLD, GREY, RED};
use crate::commands::{input, render};
use crate::plain::Plain;
use functions::Functions;
use message::{Event, system};
use progress::Progress;
use queue::{Queue, Turns, region_of};

/// CloudFormation's own tag on what it makes. Nobody else can set a tag of this kind.
const STACK_TAG: &str = "aws:cloudformation:stack-id";

const EXAMPLES: &str = "\
Examples:
  alertctl redrive alerts-relay-failures --dry-run
  alertctl redrive alerts-relay-failures --rate 0.5
  alertctl redrive https://sqs.eu-west-1.amazonaws.com/111122223333/failures --function cloudwatch-to-slack

The stack's outputs name its queues: BufferDeadLetterQueueUrl, SubscriptionDeadLetterQueueUrl, RelayFailureQueueUrl,
FilterFailureQueueUrl, GrafanaRuleDeadLetterQueueUrl. Look with --dry-run first: it changes nothing.";

/// What the command line asks for.
///
/// Fix the cause first. A message is deleted only after its function took it without an error; the others stay, and
/// the reason is printed. Ends when every message had its turn. Only functions of the stack that made the queue are called,
/// or the one that `--function` names, and none of another account or region, whatever a message says.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The dead-letter queue: its name, URL or ARN.
    #[arg(value_parser = named_queue)]
    queue: String,
    /// Show what lies there, rendered, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// The one function to call, in the queue's account and region: its name or ARN. Without it, a message's own, which must
    /// belong to the queue's stack.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// The queue's region; its ARN's or the AWS configuration's, unless given.
    #[arg(long, value_parser = input::region)]
    region: Option<String>,
    /// Messages per second, at the most.
    #[arg(long, value_name = "N", default_value = "1", value_parser = rate)]
    rate: f64,
}

/// A queue as people name it: an ARN must be that of one.
fn named_queue(text: &str) -> Result<String, String> {
    let is_arn_of_another = text.strip_prefix("arn:").is_some_and(|rest| {
        let parts: Vec<_> = rest.split(':').collect();
        !matches!(parts[..], [_, "sqs", _, _, _])
    });
    if is_arn_of_another || text.trim().is_empty() {
        return Err(
            "expected a queue's name, its URL, or its ARN, arn:aws:sqs:REGION:ACCOUNT:NAME".to_owned()
        );
    }
    Ok(text.to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let expected = "expected a number above 0 and up to 100, such as 0.5";
    let rate: f64 = text.parse().map_err(|_| expected.to_owned())?;
    if (0.001..=100.0).contains(&rate) { Ok(rate) } else { Err(expected.to_owned()) }
}

/// Goes through a dead-letter queue.
pub(crate) async fn run(options: Options) -> Result<bool, Failure> {
    let config = configuration(&options).await?;
    let queue = Queue::find(aws_sdk_sqs::Client::new(&config), &options.queue).await?;
    let mut functions = Functions::new(&config, options.function.as_deref(), &queue)?;
    anstream::eprintln!("{}", Plain(functions.reach()));
    if options.dry_run {
        return Ok(show(&queue, &mut functions).await?);
    }
    Ok(redrive(&queue, &mut functions, Duration::from_secs_f64(1.0 / options.rate)).await?)
}

async fn configuration(options: &Options) -> Result<SdkConfig, Failure> {
    let of_queue = region_of(&options.queue);
    match (&options.region, of_queue) {
        (Some(given), Some(told)) if given != told => {
            let why = format!("--region {given}, but the queue is in {told}: {}", options.queue);
            Err(Failure::CommandLine(why))
        }
        (given, told) => Ok(aws::configuration(given.clone().or(told.map(str::to_owned))).await?),
    }
}

async fn redrive(queue: &Queue, functions: &mut Functions, pace: Duration) -> Result<bool, String> {
    let mut turns = Turns::default();
    let mut progress = Progress::new(queue.waiting);
    let outcome = redrive_all(queue, functions, pace, &mut turns, &mut progress).await;
    queue.give_free(turns.kept.values()).await;
    progress.end();
    let (done, kept) = (progress.done, turns.kept.len());
    if done + kept == 0 && outcome.is_ok() {
        anstream::println!("{} is empty", queue.name);
    } else {
        anstream::println!("{done} handed back and deleted, {kept} left in {}", queue.name);
    }
    outcome?;
    Ok(kept == 0)
}

async fn redrive_all(
    queue: &Queue,
    functions: &mut Functions,
    pace: Duration,
    turns: &mut Turns,
    progress: &mut Progress,
) -> Result<(), String> {
    let mut next = tokio::time::Instant::now();
    while !turns.is_over() {
        // One at a time, so that none waits hidden behind slow ones until others may see it again.
        for message in turns.fresh(queue.receive(1).await?) {
            tokio::time::sleep_until(next).await;
            next = tokio::time::Instant::now() + pace;
            let event = Event::of(&message, queue);
            let handed = match functions.find(&event.origin).await {
                Ok(function) => functions.invoke(&function, &event).await,
                Err(unknown) => Err(unknown),
            };
            // What cannot be deleted comes again: the same alert twice rather than a wrong number here.
            let handed = match handed {
                Ok(()) => queue.delete(message.receipt_handle().unwrap_or_default()).await,
                Err(why) => Err(why),
            };
            if let Err(why) = &handed {
                turns.keep(&message);
                let id = clean(message.message_id().unwrap_or_default());
                progress.say(&format!("{RED}failed{RED:#} {id}: {}", Plain(why)));
            }
            progress.turn(handed.is_ok());
        }
    }
    Ok(())
}

async fn show(queue: &Queue, functions: &mut Functions) -> Result<bool, String> {
    let mut turns = Turns::default();
    let mut outcome = Ok(());
    while outcome.is_ok() && !turns.is_over() {
        outcome = match queue.receive(10).await {
            Err(why) => Err(why),
            Ok(batch) => {
                let fresh = turns.fresh(batch);
                for message in &fresh {
                    turns.keep(message);
                }
                show_each(queue, functions, &fresh).await;
                Ok(())
            }
        };
    }
    queue.give_free(turns.kept.values()).await;
    anstream::println!("{} in {}; nothing was changed", turns.over.len(), queue.name);
    outcome.map(|()| true)
}

async fn show_each(queue: &Queue, functions: &mut Functions, messages: &[Message]) {
    let config = Config::default();
    for message in messages {
        let event = Event::of(message, queue);
        let sent = system(message, &MessageSystemAttributeName::SentTimestamp)
            .and_then(|millis| millis.parse().ok())
            .and_then(time::from_epoch_millis)
            .map_or_else(String::new, |sent| format!(", here or in its queue since {}", sent.to_rfc3339()));
        anstream::println!("{BOLD}{}{BOLD:#}{sent}", clean(message.message_id().unwrap_or_default()));
        match functions.find(&event.origin).await {
            Ok(function) => anstream::println!("{GREY}for {}{GREY:#}", clean(&function)),
            Err(why) => anstream::println!("{RED}{}{RED:#}", Plain(why)),
        }
        if let Some(why) = &event.died_of {
            anstream::println!("{GREY}it failed with {why}{GREY:#}");
        }
        render::show(event.payload.as_bytes(), render::Format::Text, None, &config, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates() {
        assert_eq!(rate("0.5"), Ok(0.5));
        for wrong in ["0", "-1", "NaN", "inf", "1000", "one"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
