//! `alertctl check`: what is wrong with configurations, and what in them has no effect.

use std::path::{Path, PathBuf};

use alert_core::config::{Config, Problem};
use clap::Args;
use serde_json::{Value, json};

use crate::command_line::Failure;
use crate::commands::input;
use crate::plain::{self, Plain};

const EXAMPLES: &str = "\
Examples:
  alertctl check alerts.yaml
  alertctl check staging.yaml production.yaml --strict
  alertctl check - --json < alerts.yaml

What it decides of an event: `alertctl explain`. Tests of it: `alertctl test`, with infra/alerts.test.yaml as an example.

--json prints {\"files\": [{\"file\", \"valid\", \"problems\", \"warnings\"}]}; each problem and warning has \"line\" and \"column\" (from 1, null
where the file cannot be read), \"path\" in the configuration, and \"message\".";

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The configurations; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Exit with 1 for warnings as well.
    #[arg(long)]
    strict: bool,
    /// Print problems and warnings as JSON.
    #[arg(long)]
    json: bool,
}

/// What was found out about one file.
struct Checked<'f> {
    file: &'f Path,
    outcome: Outcome,
}

enum Outcome {
    /// It cannot be read, and why.
    Unreadable(String),
    Broken(Vec<Problem>),
    /// It is a configuration, in which these have no effect.
    Sound(Box<Config>, Vec<Problem>),
}

/// Prints what is wrong with configurations, or what they say.
pub(crate) fn run(Options { files, strict, json }: &Options) -> Result<bool, Failure> {
    input::once(files.iter())?;
    let checked: Vec<_> = files.iter().map(|file| Checked::new(file)).collect();
    if *json {
        let files: Vec<_> = checked.iter().map(Checked::json).collect();
        anstream::println!("{}", plain::json(&format!("{:#}", json!({"files": files}))));
    } else {
        checked.iter().for_each(Checked::print);
    }
    Ok(checked.iter().all(|checked| checked.is_fine(*strict)))
}

impl<'f> Checked<'f> {
    fn new(file: &'f Path) -> Self {
        let outcome = match input::text(file) {
            Err(why) => Outcome::Unreadable(why),
            Ok(text) => match Config::check(&text) {
                Err(errors) => Outcome::Broken(errors.problems().to_vec()),
                Ok((config, warnings)) => Outcome::Sound(Box::new(config), warnings),
            },
        };
        Self { file, outcome }
    }

    fn is_fine(&self, is_strict: bool) -> bool {
        matches!(&self.outcome, Outcome::Sound(_, warnings) if warnings.is_empty() || !is_strict)
    }

    /// Problems and warnings go to standard error, the verdict of a sound configuration to standard output.
    fn print(&self) {
        let name = Plain(input::name(self.file));
        match &self.outcome {
            Outcome::Unreadable(why) => anstream::eprintln!("{}", Plain(why)),
            Outcome::Broken(problems) => {
                for problem in problems {
                    anstream::eprintln!("{name}: {}", Plain(problem.to_string()));
                }
            }
            Outcome::Sound(config, warnings) => {
                for warning in warnings {
                    anstream::eprintln!("{name}: warning: {}", Plain(warning.to_string()));
                }
                anstream::println!("{name}: fine ({})", summary(config, warnings.len()));
            }
        }
    }

    fn json(&self) -> Value {
        let placed = |problems: &[Problem]| -> Vec<Value> {
            let one = |Problem { line, column, path, message }: &Problem| json!({"line": line, "column": column, "path": path, "message": message});
            problems.iter().map(one).collect()
        };
        let (problems, warnings) = match &self.outcome {
            Outcome::Unreadable(why) => {
                (vec![json!({"line": null, "column": null, "path": "", "message": why})], Vec::new())
            }
            Outcome::Broken(problems) => (placed(problems), Vec::new()),
            Outcome::Sound(_, warnings) => (Vec::new(), placed(warnings)),
        };
        let file = input::name(self.file);
        json!({"file": file, "valid": problems.is_empty(), "problems": problems, "warnings": warnings})
    }
}

/// What a configuration holds.
fn summary(config: &Config, warnings: usize) -> String {
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let mut parts = vec![
        count(config.drop.len(), "drop rule"),
        count(config.receivers.len(), "receiver"),
        count(config.time_intervals.len(), "time interval"),
    ];
    match config.actions.allow.len() {
        0 => {}
        1 => parts.push("1 person or user group may act".to_owned()),
        n => parts.push(format!("{n} people or user groups may act")),
    }
    if warnings > 0 {
        parts.push(count(warnings, "warning"));
    }
    parts.join(", ")
}
