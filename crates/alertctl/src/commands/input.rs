//! What people hand over: files, standard input, times.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use alert_core::config::Config;
use alert_core::time;
use alert_io::settings::shown;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::IgnoredAny;

use crate::command_line::Failure;
use crate::plain::is_obeyed;

/// How much of a line is shown on either side of what is wrong with it.
const CONTEXT_CHARS: usize = 40;

/// Far more than Lambda takes for an event.
const INPUT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, String> {
    if path == Path::new("-") {
        return read_all(std::io::stdin()).map_err(|error| format!("standard input: {error}"));
    }
    std::fs::File::open(path).and_then(read_all).map_err(|error| format!("{}: {error}", name(path)))
}

/// Whether at most one of these is standard input, which has nothing left for a second one.
pub(crate) fn once<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> Result<(), Failure> {
    if paths.filter(|path| *path == Path::new("-")).count() > 1 {
        let why = "standard input (-) can be read once: name a file for the other";
        return Err(Failure::CommandLine(why.to_owned()));
    }
    Ok(())
}

/// Reads to the end, where there is one soon enough.
fn read_all(input: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if input.take(INPUT_MAX_BYTES + 1).read_to_end(&mut bytes)? as u64 > INPUT_MAX_BYTES {
        let problem = format!(
            "more than {} MiB: expected an event or a configuration",
            INPUT_MAX_BYTES / (1024 * 1024)
        );
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    Ok(bytes)
}

/// What a file is called: not a secret that was pasted in its place.
pub(crate) fn name(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        shown(&path.to_string_lossy()).into_owned()
    }
}

/// Reads an event: JSON, as Lambda takes nothing else. The error shows the place.
pub(crate) fn event(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = read(path)?;
    check_json(&bytes).map_err(|problem| format!("{}: {problem}", name(path)))?;
    Ok(bytes)
}

/// Whether an event is JSON; else what is wrong with it, with line, column, and the line itself.
pub(crate) fn check_json(event: &[u8]) -> Result<(), String> {
    if event.iter().all(u8::is_ascii_whitespace) {
        return Err("it is empty: expected an event as JSON".to_owned());
    }
    let Err(error) = serde_json::from_slice::<IgnoredAny>(event) else { return Ok(()) };
    let Ok(text) = std::str::from_utf8(event) else {
        return Err("it is no JSON: not UTF-8 text but binary".to_owned());
    };
    let (line, column) = (error.line(), error.column());
    let cause = error.to_string();
    let cause = cause.split(" at line ").next().unwrap_or_default();
    let shown = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    // serde_json counts bytes, people count characters.
    let before =
        shown.get(..column.saturating_sub(1)).map_or(column.saturating_sub(1), |part| part.chars().count());
    let skipped = before.saturating_sub(CONTEXT_CHARS);
    let part: String = shown
        .chars()
        .skip(skipped)
        .take(2 * CONTEXT_CHARS)
        .map(|c| if is_obeyed(c) || c == '\t' { ' ' } else { c })
        .collect();
    let caret = " ".repeat(before - skipped);
    Err(format!("no valid JSON at line {line}, column {}: {cause}\n  {part}\n  {caret}^", before + 1))
}

/// Reads a text.
pub(crate) fn text(path: &Path) -> Result<String, String> {
    String::from_utf8(read(path)?).map_err(|_| format!("{}: it is not UTF-8 text", name(path)))
}

/// Reads a configuration; the default one without a file. The error lists every problem by line and column.
pub(crate) fn config(path: Option<&Path>) -> Result<Config, String> {
    let Some(path) = path else { return Ok(Config::default()) };
    parse_config(path, &text(path)?)
}

/// The configuration that a file holds. The error lists every problem by line and column.
pub(crate) fn parse_config(path: &Path, text: &str) -> Result<Config, String> {
    Config::parse(text).map_err(|errors| {
        let lines = errors.problems().iter().map(|problem| format!("{}: {problem}", name(path)));
        lines.collect::<Vec<_>>().join("\n")
    })
}

// ── What the command line takes ──

/// A moment.
pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    time::parse(text).ok_or_else(|| "expected a time such as 2026-09-13T03:00:00+09:00".to_owned())
}

/// A moment with its offset: a time without one would be UTC to us, and their own to most people.
pub(crate) fn moment_with_offset(text: &str) -> Result<DateTime<Utc>, String> {
    let moment = DateTime::parse_from_rfc3339(text).map(|moment| moment.with_timezone(&Utc));
    moment.map_err(|_| "expected a time with its offset such as 2026-09-13T03:00:00+09:00".to_owned())
}

/// A duration.
pub(crate) fn duration(text: &str) -> Result<TimeDelta, String> {
    time::parse_duration(text).ok_or_else(|| "expected a duration such as 30m, 1h30m or 2d".to_owned())
}

/// A text that says something.
pub(crate) fn not_blank(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("expected a text".to_owned()) } else { Ok(text.to_owned()) }
}

/// A region's name.
pub(crate) fn region(text: &str) -> Result<String, String> {
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_sound = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(is_name);
    if is_sound { Ok(text.to_owned()) } else { Err("expected a region such as eu-west-1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_json_is_shown_at_its_place() {
        let problem = check_json("{\n  \"이름\": \"x\" \"y\"\n}".as_bytes()).unwrap_err();
        assert_eq!(
            problem,
            "no valid JSON at line 2, column 13: expected `,` or `}`\n    \"이름\": \"x\" \"y\"\n              ^"
        );
        let long = format!("[{}x]", "1,".repeat(500));
        let problem = check_json(long.as_bytes()).unwrap_err();
        assert!(problem.lines().all(|line| line.len() < 100), "{problem}");
        assert!(check_json(b"{\"a\": \xff}").unwrap_err().contains("binary"));
        assert!(check_json(b" \n").unwrap_err().contains("empty"));
        assert!(check_json("[".repeat(100_000).as_bytes()).is_err());
        assert!(check_json(b"{\"a\": [1, 2]}").is_ok());
    }
}
