//! `alertctl check`.

use std::path::Path;

use crate::commands::input;
use crate::plain::Plain;

/// Prints what is wrong with a configuration, or what it says.
pub(crate) fn run(file: &Path) -> Result<bool, String> {
    let config = input::config(Some(file))?;
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let allowed = match config.actions.allow.len() {
        0 => String::new(),
        1 => ", 1 person or user group may act".to_owned(),
        n => format!(", {n} people or user groups may act"),
    };
    anstream::println!(
        "{}: fine ({}, {}, {}{allowed})",
        Plain(input::name(file)),
        count(config.drop.len(), "drop rule"),
        count(config.receivers.len(), "receiver"),
        count(config.time_intervals.len(), "time interval")
    );
    Ok(true)
}
