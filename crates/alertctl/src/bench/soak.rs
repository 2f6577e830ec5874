//! `alertctl soak`: whether a process that lives long grows.

use std::fmt::Write as _;

use alert_sandbox::lambda::{Function, FunctionSpec, Usage};
use alert_sandbox::slack::Answer;
use alert_sandbox::{Sandbox, SandboxOptions};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use super::machine::Machine;
use super::scene::{alarm_event, grafana_event};
use super::{progress, release};

/// Invocations until a process has everything that it needs, connections and caches.
const WARM_AFTER: usize = 1_000;
/// Fewer would judge a process that still fills its memory of deliveries and of alerts, 14,000 of each.
pub(crate) const INVOCATIONS_MIN: u64 = 100_000;
/// From half of the run to its end: what an allocator may need more, and what a leak of 20 bytes for each invocation would pass.
const GROWTH_MAX_BYTES: u64 = 1 << 20;
/// After so many invocations the idle connections are dead, as those of a process are that was frozen for long.
const CONNECTIONS_LIVE: usize = 100;
/// One post of so many is refused for its blocks, and goes again as text.
const REFUSED_EACH: usize = 50;

const RELAY: &str = "cloudwatch-to-slack";
const FILTER: &str = "grafana-filter-to-sns";
const AUTHORIZER: &str = "grafana-webhook-authorizer";
const TOPIC: &str = "alerts";
const CREDENTIAL: &str = "grafana:an-invented-credential";

/// Runs every function for so many invocations, one after the other, each in one process; whether none of them grows.
pub(crate) async fn run(invocations: u64) -> Result<bool, String> {
    let invocations = usize::try_from(invocations).map_err(|error| error.to_string())?;
    let functions = [RELAY, FILTER, AUTHORIZER];
    let bar = progress(invocations as u64 * functions.len() as u64);
    let mut soaked = Vec::new();
    for name in functions {
        bar.set_message(name);
        soaked.push(soak(name, invocations, &bar).await?);
    }
    bar.finish_and_clear();
    anstream::println!("{}", text(&soaked, invocations));
    Ok(soaked.iter().all(|soaked| soaked.growth().is_none()))
}

/// What a process held after the first thousand invocations, after half of them, and at the end.
struct Soaked {
    name: &'static str,
    warm: Usage,
    half: Usage,
    end: Usage,
}

impl Soaked {
    /// What grew, if anything did. Memory is compared with half of the run, when what is bounded has met its bound.
    fn growth(&self) -> Option<String> {
        if self.end.resident_bytes > self.half.resident_bytes + GROWTH_MAX_BYTES {
            return Some("its memory grows".to_owned());
        }
        if self.end.open_files > self.warm.open_files {
            return Some("its open files grow".to_owned());
        }
        None
    }
}

async fn soak(name: &'static str, invocations: usize, bar: &ProgressBar) -> Result<Soaked, String> {
    let does_not_start = |error: std::io::Error| format!("{name} does not start: {error}");
    let sandbox = Sandbox::start(SandboxOptions { tls: true, seed: 1 }).await.map_err(does_not_start)?;
    sandbox.slack.set_plan(Box::new(|post| {
        (post.number % REFUSED_EACH == REFUSED_EACH - 1).then_some(Answer::RefuseBlocks)
    }));
    let encrypted = |text: &str| sandbox.kms.encrypt(text, &[("LambdaFunctionName", name)]);
    let spec = FunctionSpec::new(name, release(name)?)
        .with_environment(sandbox.environment())
        .with_environment([("kmsEncryptedHookUrl", encrypted(&sandbox.slack.webhook("alerts").url))])
        .with_environment([("kmsEncryptedCredential", encrypted(CREDENTIAL))])
        .with_environment([("SNS_TOPIC_ARN", sandbox.sns.create_topic(TOPIC))]);
    let function = Function::start(spec).await.map_err(does_not_start)?;
    let started = function.init_duration();
    let mut delivered = 0;
    let mut marks = Vec::new();
    for number in 1..=invocations {
        let answer = function.invoke(event(name, number)).await;
        if !is_done(name, answer.outcome.response_json().as_ref()) {
            return Err(format!("{name}, invocation {number}: {:?}\n{}", answer.outcome, function.log()));
        }
        if number % CONNECTIONS_LIVE == 0 {
            // Also so that the sandbox itself does not grow.
            delivered += sandbox.slack.take_accepted().len() + sandbox.sns.take_published().len();
            sandbox.slack.expire_idle_connections();
            sandbox.sns.expire_idle_connections();
        }
        if [WARM_AFTER, invocations / 2, invocations].contains(&number) {
            marks
                .push(function.usage().ok_or("what a process holds is in /proc, which this system has not")?);
        }
        bar.inc(1);
    }
    delivered += sandbox.slack.take_accepted().len() + sandbox.sns.take_published().len();
    let expected = if name == AUTHORIZER { 0 } else { invocations };
    if delivered != expected || function.init_duration() != started {
        return Err(format!(
            "{name}: {delivered} of {expected} were delivered by one process: the figures are worth nothing"
        ));
    }
    let [warm, half, end] = marks[..] else { return Err(format!("{name}: {} figures, not 3", marks.len())) };
    Ok(Soaked { name, warm, half, end })
}

/// Another alert each time, so that all memories fill.
fn event(name: &str, number: usize) -> String {
    match name {
        RELAY => alarm_event(number).replace("Example alarm name", &format!("Example alarm {number}")),
        FILTER => grafana_event(number).replace("HighCPU", &format!("HighCPU{number}")),
        _ => json!({"type": "TOKEN", "authorizationToken": format!("Bearer {CREDENTIAL}"), "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abc123/live/POST/grafana"})
            .to_string(),
    }
}

fn is_done(name: &str, answer: Option<&Value>) -> bool {
    answer.is_some_and(|answer| match name {
        RELAY => *answer == json!({"alerts": 1, "posts": 1}),
        FILTER => *answer == json!({"alerts": 2, "dropped": 1, "published": 1}),
        _ => answer["policyDocument"]["Statement"][0]["Effect"] == "Allow",
    })
}

fn text(soaked: &[Soaked], invocations: usize) -> String {
    let mut text = format!(
        "{}\n{invocations} warm invocations of each function in one process: resident memory and open files.\n\n  {:<28}{:>22}{:>22}{:>22}\n",
        Machine::here().text(),
        "",
        format!("after {WARM_AFTER}"),
        format!("after {}", invocations / 2),
        format!("after {invocations}"),
    );
    for function in soaked {
        let held = |usage: Usage| {
            let tenths = usage.resident_bytes * 10 / (1 << 20);
            format!("{}.{} MiB, {} files", tenths / 10, tenths % 10, usage.open_files)
        };
        let verdict = function.growth().unwrap_or_else(|| "does not grow".to_owned());
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "  {:<28}{:>22}{:>22}{:>22}   {verdict}",
            function.name,
            held(function.warm),
            held(function.half),
            held(function.end)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soaked(half: u64, end: u64, files: [usize; 2]) -> Soaked {
        let usage = |mebibytes: u64, open_files| Usage { resident_bytes: mebibytes << 20, open_files };
        Soaked { name: "f", warm: usage(8, files[0]), half: usage(half, 0), end: usage(end, files[1]) }
    }

    #[test]
    fn growth_after_half_of_the_run_or_of_files_is_told() {
        // A memory that fills in the first half is bounded.
        assert_eq!(soaked(20, 20, [9, 9]).growth(), None);
        assert_eq!(soaked(20, 21, [9, 7]).growth(), None);
        assert_eq!(soaked(20, 22, [9, 9]).growth().as_deref(), Some("its memory grows"));
        assert_eq!(soaked(20, 20, [9, 10]).growth().as_deref(), Some("its open files grow"));
        assert!(text(&[soaked(20, 22, [9, 9])], 100_000).contains("22.0 MiB, 9 files   its memory grows"));
    }
}
