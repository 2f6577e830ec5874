//! Where the functions' log lines are: files, standard input, CloudWatch Logs.

use std::path::Path;

use alert_io::settings::shown;
use aws_sdk_cloudwatchlogs::Client;
use aws_sdk_cloudwatchlogs::error::ProvideErrorMetadata as _;
use chrono::{DateTime, Utc};

use super::story::Line;
use crate::commands::aws::problem;
use crate::commands::input;

/// A place that was looked at.
#[derive(Debug)]
pub(super) struct Looked {
    /// What it is called.
    pub(super) place: String,
    /// How many lines of the functions, or items, it has.
    pub(super) found: usize,
    /// Why it could not be read, or not to its end.
    pub(super) problem: Option<String>,
    /// It is not there at all.
    pub(super) is_absent: bool,
}

/// Takes in the lines of a file, or of standard input.
pub(super) fn of_file(path: &Path, lines: &mut Vec<Line>) -> Result<Looked, String> {
    let bytes = input::read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    let before = lines.len();
    lines.extend(text.lines().filter_map(Line::parse));
    Ok(Looked { place: input::name(path), found: lines.len() - before, problem: None, is_absent: false })
}

/// Takes in the lines of a log group since a moment: all pages, those without events as well.
pub(super) async fn of_group(
    client: &Client,
    group: &str,
    from: DateTime<Utc>,
    lines: &mut Vec<Line>,
) -> Looked {
    let before = lines.len();
    let (mut token, mut refused, mut is_absent) = (None, None, false);
    loop {
        let call = client.filter_log_events().log_group_name(group).start_time(from.timestamp_millis());
        let page = match call.set_next_token(token.take()).send().await {
            Ok(page) => page,
            Err(error) => {
                let right = match error.code() {
                    Some("AccessDeniedException") => {
                        "; whoever calls must be allowed logs:FilterLogEvents on it"
                    }
                    Some("ResourceNotFoundException") => {
                        is_absent = true;
                        "; there is no such log group in this region and account"
                    }
                    _ => "",
                };
                let of = format!("the log group {}", shown(group));
                refused = Some(problem("CloudWatch Logs FilterLogEvents", &of, &error) + right);
                break;
            }
        };
        let events = page.events.unwrap_or_default();
        lines.extend(events.iter().filter_map(|event| Line::parse(event.message.as_deref()?)));
        token = page.next_token.filter(|token| !token.is_empty());
        if token.is_none() {
            break;
        }
    }
    Looked { place: group.to_owned(), found: lines.len() - before, problem: refused, is_absent }
}
