//! `alertctl bench`: what the functions cost, beside the smallest function there is and beside Python, on one machine in
//! one run. `alertctl soak`: whether they grow.

mod chart;
mod core;
mod evidence;
mod machine;
mod package;
mod python;
mod report;
mod rounds;
mod scene;
pub(crate) mod soak;

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use machine::Machine;
use report::BenchReport;
use rounds::Rounds;

/// Where the figures go, as JSON.
const RESULTS: &str = "target/bench.json";
/// Where the picture of `crates/alertctl/README.md` lies.
const PICTURE: &str = "crates/alertctl/pictures/bench.svg";

/// Runs the benchmark in the repository's top folder; `python` is an interpreter that has boto3 and awslambdaric.
pub(crate) async fn run(quick: bool, python: &Path) -> Result<bool, String> {
    let rounds = if quick { Rounds::QUICK } else { Rounds::FULL };
    let scenes = scene::all(python)?;
    let progress = progress(scenes.iter().map(|scene| scene.steps(rounds)).sum());
    let mut tables = Vec::new();
    for scene in scenes {
        progress.set_message(scene.title.clone());
        tables.push(scene.measure(rounds, &progress).await?);
    }
    progress.finish_and_clear();
    let report = BenchReport {
        machine: Machine::here(),
        rounds,
        tables,
        core: core::figures(),
        growth: core::growth(),
    };
    anstream::println!("{}", report.text());
    write(RESULTS, &report.json())?;
    // A quick run's figures are for whoever is at work, not for the page.
    if !quick {
        write(PICTURE, &chart::svg(&report)?)?;
    }
    Ok(true)
}

fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {percent} %  {msg}");
    ProgressBar::new(steps).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn write(path: &str, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{path} cannot be written: {error}"))?;
    anstream::eprintln!("written: {path}");
    Ok(())
}

/// What is measured, built as it is deployed.
fn release(name: &str) -> Result<PathBuf, String> {
    let path = std::path::absolute(Path::new("target/release").join(name));
    let path = path.map_err(|error| format!("where target/release lies is unknown: {error}"))?;
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is missing: run `make bench` or `make soak`", path.display()))
    }
}
