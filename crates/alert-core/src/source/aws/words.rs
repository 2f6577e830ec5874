//! The services' words, in ours.

use crate::alert::State;
use crate::number;

/// The name at the end of an ARN or path: what is after the last slash, or else after the last colon.
pub(super) fn last_part(text: &str) -> &str {
    let text = text.trim().trim_end_matches('/');
    let part = text.rsplit('/').next().unwrap_or(text);
    if part.starts_with("arn:") { part.rsplit(':').next().unwrap_or(part) } else { part }
}

/// One of the five words for severity, or nothing where the word means none of them.
pub(super) fn severity(word: &str) -> Option<&'static str> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "critical" | "fatal" => "critical",
        "high" => "high",
        "medium" | "moderate" => "medium",
        "low" => "low",
        "info" | "informational" => "info",
        _ => return None,
    })
}

/// What the end of a job, a build or a deployment means: a failure fires, a success ends what fired before, and the
/// rest is news.
pub(super) fn outcome(word: &str) -> State {
    let word = word.to_ascii_uppercase().replace(['-', ' '], "_");
    match word.as_str() {
        "SUCCEEDED" | "SUCCESS" | "SUCCESSFUL" | "COMPLETED" => State::Resolved,
        "FAILED" | "FAILURE" | "ERROR" | "FAULT" | "TIMEOUT" | "TIMED_OUT" | "EXPIRED" | "ABORTED"
        | "PARTIAL" => State::Firing,
        _ => State::Informational,
    }
}

/// Whether a sentence tells of trouble. Whole words only: a failover is no failure.
pub(super) fn is_trouble(sentence: &str) -> bool {
    const WORDS: [&str; 18] = [
        "fail",
        "failed",
        "fails",
        "failing",
        "failure",
        "failures",
        "error",
        "errors",
        "unable",
        "cannot",
        "exhausted",
        "crashed",
        "lost",
        "low",
        "shutdown",
        "incompatible",
        "unhealthy",
        "impaired",
    ];
    sentence
        .split(|c: char| !c.is_alphanumeric())
        .any(|word| WORDS.iter().any(|trouble| word.eq_ignore_ascii_case(trouble)))
}

/// A key as a person would write it: `jobRunId`, `job-run-id` and `job_run_id` become `Job run id`; acronyms stay.
pub(super) fn spoken(key: &str) -> String {
    let chars: Vec<char> = key.chars().collect();
    let mut words = String::with_capacity(key.len() + 4);
    for (index, &c) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| chars.get(before)).copied().unwrap_or(' ');
        let begins_lower = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        if !c.is_alphanumeric() {
            words.push(' ');
            continue;
        }
        if c.is_uppercase() && (before.is_lowercase() || (before.is_uppercase() && begins_lower)) {
            words.push(' ');
        }
        if words.trim().is_empty() {
            words.extend(c.to_uppercase());
        } else if c.is_uppercase() && begins_lower {
            words.extend(c.to_lowercase());
        } else {
            words.push(c);
        }
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number of bytes: `0 B`, `36 kB`, `1.5 GB`.
pub(super) fn bytes(count: f64) -> String {
    let mut value = count;
    for unit in ["B", "kB", "MB", "GB", "TB"] {
        if value.abs() < 1000.0 {
            return format!("{} {unit}", number::plain((value * 10.0).round() / 10.0));
        }
        value /= 1000.0;
    }
    format!("{} PB", number::plain(value))
}

/// An amount of US dollars.
pub(super) fn dollars(amount: f64) -> String {
    if amount < 0.0 { format!("-${:.2}", -amount) } else { format!("${amount:.2}") }
}

/// A URL's `%XX` and `+` as the characters that they stand for, as S3 writes object keys.
pub(super) fn percent_decode(text: &str) -> String {
    percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_arns() {
        for (arn, name) in [
            ("arn:aws:ecs:eu-west-1:111122223333:service/prod/checkout", "checkout"),
            ("arn:aws:rds:eu-west-1:111122223333:db:orders", "orders"),
            ("arn:aws:s3:::bucket", "bucket"),
            ("i-0abc", "i-0abc"),
            ("", ""),
        ] {
            assert_eq!(last_part(arn), name);
        }
    }

    #[test]
    fn keys_as_people_write_them() {
        for (key, words) in [
            ("jobRunId", "Job run id"),
            ("instance-id", "Instance id"),
            ("sourceIPAddress", "Source IP address"),
            ("eventID", "Event ID"),
            ("check_name", "Check name"),
            ("Current Usage", "Current usage"),
            ("--", ""),
        ] {
            assert_eq!(spoken(key), words);
        }
    }

    #[test]
    fn a_failover_is_no_failure() {
        assert!(is_trouble("The task has failed."));
        assert!(is_trouble("Free storage is low at 9%"));
        assert!(!is_trouble("Multi-AZ failover completed, allowed"));
    }

    #[test]
    fn amounts() {
        for (count, text) in [(0.0, "0 B"), (36_048.0, "36 kB"), (1.5e9, "1.5 GB"), (1e18, "1000 PB")] {
            assert_eq!(bytes(count), text);
        }
        assert_eq!((dollars(1001.0), dollars(-2.5)), ("$1001.00".to_owned(), "-$2.50".to_owned()));
    }

    #[test]
    fn object_keys() {
        assert_eq!(percent_decode("a+b%2Fc%20d%"), "a b/c d%");
        assert_eq!(percent_decode("%EB%86%92%zz"), "높%zz");
    }
}
