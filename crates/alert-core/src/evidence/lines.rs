//! The log lines that say why.

use chrono::{DateTime, TimeDelta, Utc};

use super::{LINES_MAX, mask};
use crate::render::page::Words;
use crate::render::page::words::fill;
use crate::source::cloudwatch;
use crate::text::cut;

/// A line longer than this is read in the console.
const LINE_MAX_CHARS: usize = 500;
/// Before the change, beyond what the alarm looked at: CloudWatch tells it some minutes after the period has ended.
const BEFORE: TimeDelta = TimeDelta::minutes(4);
/// Lines arrive late, and clocks differ.
const AFTER: TimeDelta = TimeDelta::minutes(1);
/// The longest time that is searched.
const WINDOW_MAX: TimeDelta = TimeDelta::hours(3);

/// What to look for, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sought {
    /// The log group's name.
    pub group: String,
    /// A filter pattern of CloudWatch Logs; empty for all lines.
    pub pattern: String,
    /// From when on.
    pub from: DateTime<Utc>,
    /// Until when.
    pub to: DateTime<Utc>,
}

impl Sought {
    /// The lines in the time that an alarm which changed at `at` had looked at: `periods` of `period` each.
    #[must_use]
    pub fn new(
        group: String,
        pattern: String,
        at: DateTime<Utc>,
        (periods, period): (i32, TimeDelta),
        now: DateTime<Utc>,
    ) -> Self {
        let looked_at = period.checked_mul(periods.max(1)).unwrap_or(WINDOW_MAX).min(WINDOW_MAX);
        let from = at - looked_at - BEFORE;
        Self { group, pattern, from, to: (at + AFTER).min(now).max(from + BEFORE) }
    }
}

/// What runtimes and most loggers write of a failure, as text or as JSON; a filter pattern.
pub const ERRORS: &str =
    r#"?ERROR ?Error ?error ?Exception ?FATAL ?panicked ?Traceback ?"Task timed out" ?"Runtime exited""#;

/// The log group of a Lambda function, and the pattern of the lines that say what an alarm on this metric is about; `None`
/// for other metrics.
///
/// Sources: AWS Lambda Developer Guide, "Log groups", and the lines that the runtimes write; CloudWatch Logs User Guide, "Filter
/// pattern syntax".
#[must_use]
pub fn group_of_function(namespace: &str, metric: &str, function: &str) -> Option<(String, &'static str)> {
    /// Which reports tell of slow invocations no pattern can say of all formats; what was ended says it itself.
    const DURATION: &str = r#"?"Task timed out" ?"Status: timeout""#;
    let pattern = match (namespace, metric) {
        ("AWS/Lambda", "Errors") => ERRORS,
        ("AWS/Lambda", "Duration") => DURATION,
        _ => return None,
    };
    (!function.is_empty()).then(|| (format!("/aws/lambda/{function}"), pattern))
}

/// The beginning of a line that may be very long, without the half of a word, which nobody would know for a secret.
fn whole_words(line: &str) -> &str {
    const READ_MAX_CHARS: usize = 4 * LINE_MAX_CHARS;
    match line.char_indices().nth(READ_MAX_CHARS) {
        Some((end, _)) => {
            let is_of_word = |c: char| c.is_alphanumeric() || "+/=_-.~%@".contains(c);
            line[..end].trim_end_matches(is_of_word)
        }
        None => line,
    }
}

/// Log lines that were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The log group's name.
    pub group: String,
    /// Newest first; masked, on one line each, at most [`LINES_MAX`].
    pub lines: Vec<String>,
    /// How many there are.
    pub total: usize,
    /// There are more, which were not counted.
    pub is_more: bool,
    /// The log group in the console at that time.
    pub url: Option<String>,
}

impl Lines {
    /// How many of how many are shown, and where they are from.
    #[must_use]
    pub fn title(&self, shown: usize, words: &Words) -> String {
        const GROUP_MAX_CHARS: usize = 200;
        let pattern = if self.is_more { words.lines_of_more } else { words.lines_of };
        let group = cut(&self.group, GROUP_MAX_CHARS);
        fill(pattern, &[&shown.to_string(), &self.total.to_string(), &group])
    }

    /// What was found, the newest first.
    ///
    /// No key, token, password or address that [`mask()`] knows is in it.
    #[must_use]
    pub fn new<'l>(
        sought: &Sought,
        region: &str,
        newest: impl IntoIterator<Item = &'l str>,
        total: usize,
        is_more: bool,
    ) -> Self {
        let lines = newest.into_iter().take(LINES_MAX).map(|line| {
            let line = whole_words(line);
            // What is no text is told as such: it would be a row of boxes.
            let line: String = line
                .trim()
                .chars()
                .map(|c| if c.is_control() || c == '\u{fffd}' { ' ' } else { c })
                .collect();
            let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
            cut(&mask(&line), LINE_MAX_CHARS).into_owned()
        });
        Self {
            group: sought.group.clone(),
            lines: lines.filter(|line| !line.is_empty()).collect(),
            total,
            is_more,
            url: cloudwatch::logs_url(region, &sought.group, sought.from, sought.to),
        }
    }
}
