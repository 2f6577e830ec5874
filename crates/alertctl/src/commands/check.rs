//! `alertctl check`.

use std::path::Path;

use crate::commands::input;
use crate::plain::Plain;

/// Prints what is wrong with a configuration, or what it says.
pub(crate) fn run(file: &Path) -> Result<bool, String> {
    let config = input::config(Some(file))?;
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    anstream::println!(
        "{}: fine ({}, {}, {})",
        Plain(input::name(file)),
        count(config.drop.len(), "drop rule"),
        count(config.receivers.len(), "receiver"),
        count(config.time_intervals.len(), "time interval")
    );
    Ok(true)
}
