//! What people hand over: files, standard input, times.

use std::io::Read as _;
use std::path::Path;

use alert_core::config::Config;
use alert_core::time;
use chrono::{DateTime, Utc};

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).map_err(|error| format!("standard input: {error}"))?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads a configuration; the default one without a file. The error lists every problem by line and column.
pub(crate) fn config(path: Option<&Path>) -> Result<Config, String> {
    let Some(path) = path else { return Ok(Config::default()) };
    let text =
        String::from_utf8(read(path)?).map_err(|_| format!("{}: it is not UTF-8 text", path.display()))?;
    Config::parse(&text).map_err(|errors| {
        let lines = errors.problems().iter().map(|problem| format!("{}: {problem}", path.display()));
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// Reads a moment.
pub(crate) fn moment(text: Option<&str>) -> Result<Option<DateTime<Utc>>, String> {
    text.map(|text| {
        time::parse(text)
            .ok_or_else(|| format!("--at {text:?}: expected a time such as 2026-09-13T03:00:00+09:00"))
    })
    .transpose()
}
