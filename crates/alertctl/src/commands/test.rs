//! `alertctl test`: unit tests of configurations, as `promtool test rules` has for rules.

use std::path::{Path, PathBuf};

use alert_core::config::suite::{Event, Mismatch, Suite, Test};
use alert_core::config::{Config, ConfigErrors};
use alert_core::decide::RuleTrace;
use clap::Args;

use crate::command_line::Failure;
use crate::commands::shift::{self, Asked};
use crate::commands::terminal::{BOLD, GREEN, GREY, RED};
use crate::commands::{explain, input};
use crate::plain::{self, Plain};

const EXAMPLES: &str = "\
Examples:
  alertctl test infra/alerts.test.yaml
  alertctl test staging.test.yaml production.test.yaml

A file of tests, which names its configuration and events from where it is:
  config: alerts.yaml
  tests:
    - name: at night nobody hears of the datasources
      at: 2026-09-14T23:30:00+09:00
      event: events/datasource-error.json
      grafana-filter-to-sns:
        dropped: eks-nightly-stop
    - name: a critical alarm is for on-call
      event: events/alarm.json
      cloudwatch-to-slack:
        delivered: [oncall]
        title: orders-cpu

An event may stand there as it is, too: infra/alerts.test.yaml shows all that there is, with its meaning.";

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Files of tests (YAML); `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
    /// Files that are no tests, or whose configuration is none.
    broken: usize,
}

/// Runs the tests, and prints what became of each; whether all passed.
pub(crate) fn run(Options { files }: &Options) -> Result<bool, Failure> {
    input::once(files.iter())?;
    let mut count = Count::default();
    for file in files {
        match read(file) {
            Ok((suite, config)) => run_suite(file, &suite, &config, &mut count),
            Err(problems) => {
                anstream::eprintln!("{}", plain::lines(&problems));
                count.broken += 1;
            }
        }
    }
    anstream::println!("{}", count.summary());
    Ok(count.failed + count.broken == 0)
}

/// The tests of a file, and the configuration that they are about; else everything that is wrong, by line and column.
fn read(file: &Path) -> Result<(Suite, Config), String> {
    let placed = |path: &Path, errors: &ConfigErrors| {
        let lines = errors.problems().iter().map(|problem| format!("{}: {problem}", input::name(path)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let suite = Suite::parse(&input::text(file)?).map_err(|errors| placed(file, &errors))?;
    let config = beside(file, &suite.config);
    let text = input::text(&config).map_err(|why| format!("{}: config: {why}", input::name(file)))?;
    Ok((suite, Config::parse(&text).map_err(|errors| placed(&config, &errors))?))
}

/// A file that another one names.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().map_or_else(|| PathBuf::from(name), |folder| folder.join(name))
}

fn run_suite(file: &Path, suite: &Suite, config: &Config, count: &mut Count) {
    anstream::println!("{BOLD}{}{BOLD:#}", Plain(input::name(file)));
    for test in &suite.tests {
        let name = Plain(&test.name);
        let why = outcome(file, test, config);
        if why.is_empty() {
            count.passed += 1;
            anstream::println!("  {GREEN}pass{GREEN:#}  {name}");
        } else {
            count.failed += 1;
            anstream::println!("  {RED}FAIL{RED:#}  {name} (line {})", test.line);
            for line in why {
                anstream::println!("        {line}");
            }
        }
    }
}

/// Why a test fails, in lines; none where it passes.
fn outcome(file: &Path, test: &Test, config: &Config) -> Vec<String> {
    let event = match &test.event {
        Event::Inline(event) => Ok(event.to_string().into_bytes()),
        Event::File(name) => input::event(&beside(file, name)),
    };
    match event {
        Err(why) => plain::lines(&format!("event: {why}")).lines().map(str::to_owned).collect(),
        Ok(event) => {
            let Asked { decoded, now, .. } = shift::ask(&event, test.at);
            test.judge(&decoded, config, now).iter().flat_map(described).collect()
        }
    }
}

fn described(mismatch: &Mismatch) -> Vec<String> {
    let Mismatch { function, alert, expected, got, rules } = mismatch;
    let of = alert.as_ref().map_or("the alerts".to_owned(), |name| Plain(name).to_string());
    let mut lines = vec![
        format!("{of}, in {function}:"),
        format!("  expected  {}", Plain(expected)),
        format!("  got       {RED}{}{RED:#}", Plain(got)),
    ];
    lines.extend(rules.iter().map(|trace: &RuleTrace| format!("  {GREY}{}{GREY:#}", explain::rule(trace))));
    lines
}

impl Count {
    /// `4 tests: 3 passed, 1 failed; 1 file is broken`
    fn summary(&self) -> String {
        let Self { passed, failed, broken } = self;
        let tests = if passed + failed == 1 { "test" } else { "tests" };
        let broken = match broken {
            0 => String::new(),
            1 => "; 1 file is broken".to_owned(),
            more => format!("; {more} files are broken"),
        };
        format!("{} {tests}: {passed} passed, {failed} failed{broken}", passed + failed)
    }
}
