//! An event as if it had happened at another time, so that lateness, ages and time intervals answer what was asked.
//!
//! What is moved is the event's text, whatever carries the times and however deep they are nested: rules and functions then read
//! it as they read every other event.

use std::sync::LazyLock;

use alert_core::envelope::{self, Decoded};
use alert_core::{source, time};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use regex_automata::meta::Regex;
use regex_automata::util::captures::Captures;

/// An event that was moved.
#[derive(Debug)]
pub(crate) struct Shifted {
    /// The event; as it came, where it has no time.
    pub(crate) event: Vec<u8>,
    /// When it happened in truth; `None` for an event without a time.
    pub(crate) from: Option<DateTime<Utc>>,
}

/// An event that somebody asks about, and the time at which it arrives.
#[derive(Debug)]
pub(crate) struct Asked {
    /// As it is asked about: moved, where a time is given.
    pub(crate) event: Vec<u8>,
    pub(crate) decoded: Decoded,
    pub(crate) has_time: bool,
    pub(crate) now: DateTime<Utc>,
    /// What people are told of the time, where it is not the event's own.
    pub(crate) said: Option<String>,
}

/// What people are told of an event without a time.
pub(crate) const NO_TIME: &str = "the event has no time: now is used";

/// An event as if it had happened at `at`, and arrived then; without that, a second after it happened in truth.
pub(crate) fn ask(event: &[u8], at: Option<DateTime<Utc>>) -> Asked {
    if let Some(at) = at {
        let Shifted { event, from } = to(event, at);
        let then = at.format("%Y-%m-%d %H:%M:%S UTC");
        let said = match from {
            Some(from) => {
                format!("as if it happened at {then}; it did at {}", from.format("%Y-%m-%d %H:%M:%S UTC"))
            }
            None => format!("the event has no time: {then} is used"),
        };
        let decoded = envelope::decode(&event);
        // In the same second, it may be sent a moment later.
        let now = happened_at(&decoded).map_or(at, |sent| sent.max(at));
        return Asked { event, decoded, has_time: from.is_some(), now, said: Some(said) };
    }
    let decoded = envelope::decode(event);
    let arrival = arrival(&decoded);
    let said = arrival.is_none().then(|| NO_TIME.to_owned());
    let now = arrival.unwrap_or_else(Utc::now);
    Asked { event: event.to_vec(), decoded, has_time: arrival.is_some(), now, said }
}

/// Moves all times of an event by the same whole seconds, so that it happened in the second of `at`.
///
/// Times are moved in the forms in which AWS, Grafana and Alertmanager write them, in links and in texts for people as well. Go's zero
/// time ("not yet"), dates without a time of day, and what would leave the years 1970 to 9999 stay as they are.
pub(crate) fn to(event: &[u8], at: DateTime<Utc>) -> Shifted {
    let from = happened_at(&envelope::decode(event));
    let by = from.map_or(0, |from| at.timestamp() - from.timestamp());
    let text = std::str::from_utf8(event).ok().filter(|_| by != 0);
    let moved = text.map(|text| shift(text, TimeDelta::seconds(by)).into_bytes());
    Shifted { event: moved.unwrap_or_else(|| event.to_vec()), from }
}

/// When a function gets an event that is not late: a second after it happened.
pub(crate) fn arrival(decoded: &Decoded) -> Option<DateTime<Utc>> {
    happened_at(decoded).map(|time| time + TimeDelta::seconds(1))
}

/// When an event happened: when its envelope was sent, else the newest time of its alerts.
fn happened_at(decoded: &Decoded) -> Option<DateTime<Utc>> {
    let sent = decoded.records.iter().filter_map(|record| record.sent_at).max();
    sent.or_else(|| {
        let alerts = decoded.records.iter().flat_map(source::interpret);
        alerts.flat_map(|alert| [alert.changed_at, alert.starts_at, alert.ends_at]).flatten().max()
    })
}

/// A text with all its moments moved, also where it carries JSON in base64, as binary attributes and HTTP bodies do.
fn shift(text: &str, by: TimeDelta) -> String {
    let text = FORMS.iter().fold(text.to_owned(), |text, form| form.shift(&text, by));
    let Some(base64) = BASE64.as_ref() else { return text };
    replaced(base64, &text, |old, _| {
        let inner = String::from_utf8(BASE64_STANDARD.decode(old).ok()?).ok()?;
        inner.starts_with('{').then(|| BASE64_STANDARD.encode(shift(&inner, by)))
    })
}

/// Shorter ones hold no alert.
static BASE64: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""([A-Za-z0-9+/]{32,}={0,2})\\*""#).ok());

/// A text in which what a pattern's first group finds is replaced, where there is something to replace it by.
fn replaced(pattern: &Regex, text: &str, by: impl Fn(&str, &Captures) -> Option<String>) -> String {
    let mut new = String::with_capacity(text.len());
    let mut copied = 0;
    for found in pattern.captures_iter(text) {
        let Some(place) = found.get_group(1) else { continue };
        let Some(other) = text.get(place.range()).and_then(|old| by(old, &found)) else { continue };
        new.push_str(text.get(copied..place.start).unwrap_or_default());
        new.push_str(&other);
        copied = place.end;
    }
    new.push_str(text.get(copied..).unwrap_or_default());
    new
}

/// A form of writing a moment.
struct Form {
    /// Its first group is the moment, its second one a weekday's name that it begins with.
    found: Regex,
    read: fn(&str) -> Option<NaiveDateTime>,
    write: fn(NaiveDateTime) -> String,
}

static FORMS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    const CLOCK: &str = "[0-9]{2}:[0-9]{2}:[0-9]{2}";
    const WEEKDAY: &str = "((?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?";
    const MONTH: &str = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
    // Milliseconds are numbers as any other: only the names that they have tell what they are.
    const NAMED: &str = "SentTimestamp|ApproximateFirstReceiveTimestamp|startDate|stopDate|timeEpoch|time";
    macro_rules! form {
        ($pattern:expr, $format:literal) => {
            form!($pattern, |text| NaiveDateTime::parse_from_str(text, $format).ok(), |time| time
                .format($format)
                .to_string())
        };
        ($pattern:expr, $read:expr, $write:expr) => {
            // A pattern that is wrong fails the first test of this module.
            Regex::new(AsRef::<str>::as_ref(&$pattern)).ok().map(|found| Form {
                found,
                read: $read,
                write: $write,
            })
        };
    }
    let millis = |text: &str| time::from_epoch_millis(text.parse().ok()?).map(|time| time.naive_utc());
    [
        // RFC 3339, CloudWatch's and RDS's: fraction and offset stay as they are.
        form!(format!("(?:^|[^0-9])([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}T{CLOCK})"), "%Y-%m-%dT%H:%M:%S"),
        form!(format!("(?:^|[^0-9])([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} {CLOCK})"), "%Y-%m-%d %H:%M:%S"),
        // The datapoints in a CloudWatch alarm's reason.
        form!(format!(r"\(([0-9]{{2}}/[0-9]{{2}}/[0-9]{{2}} {CLOCK})\)"), "%d/%m/%y %H:%M:%S"),
        // AWS Health, Inspector, CodeBuild.
        form!(format!("({WEEKDAY}[0-9]{{1,2}} {MONTH} [0-9]{{4}} {CLOCK} GMT)"), "%d %b %Y %H:%M:%S GMT"),
        form!(
            format!("({WEEKDAY}{MONTH} [0-9]{{1,2}} {CLOCK}(?:\\.[0-9]+)? UTC [0-9]{{4}})"),
            "%b %d %H:%M:%S%.f UTC %Y"
        ),
        form!(
            format!("({WEEKDAY}{MONTH} [0-9]{{1,2}}, [0-9]{{4}}, [0-9:]{{7,8}} [AP]M)"),
            "%b %d, %Y, %-I:%M:%S %p"
        ),
        form!(
            format!("({WEEKDAY}{MONTH} [0-9]{{1,2}}, [0-9]{{4}} [0-9:]{{7,8}} [AP]M)"),
            "%b %d, %Y %-I:%M:%S %p"
        ),
        form!(format!(r#"(?:{NAMED})\\*"\s*:\s*\\*"?([0-9]{{13}})(?:[^0-9]|$)"#), millis, |time| {
            time.and_utc().timestamp_millis().to_string()
        }),
        // What Grafana's links show.
        form!(r"(?:from|to)=([0-9]{13})(?:[^0-9]|$)", millis, |time| {
            time.and_utc().timestamp_millis().to_string()
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
});

impl Form {
    /// The text with every moment of this form moved.
    fn shift(&self, text: &str, by: TimeDelta) -> String {
        replaced(&self.found, text, |old, found| self.moved(old, found, by))
    }

    fn moved(&self, old: &str, found: &Captures, by: TimeDelta) -> Option<String> {
        let plausible =
            |time: &NaiveDateTime| time::parse(&time.format("%Y-%m-%dT%H:%M:%SZ").to_string()).is_some();
        // Hand-made events have wrong weekdays, so that they are not read.
        let weekday = found.get_group(2).map_or(0, |weekday| weekday.len());
        let (weekday, old) = old.split_at_checked(weekday)?;
        let new = (self.read)(old).filter(plausible)?.checked_add_signed(by).filter(plausible)?;
        let weekday = match weekday.split_at_checked(3) {
            Some((_, separator)) => format!("{}{separator}", new.format("%a")),
            None => String::new(),
        };
        Some(weekday + &(self.write)(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_is_moved_and_stays_what_it_is() {
        assert_eq!(FORMS.len(), 9, "every pattern is one");
        let by = TimeDelta::days(365) + TimeDelta::minutes(90);
        for (before, after) in [
            (r#"{"a":"2026-09-14T05:45:39Z"}"#, r#"{"a":"2027-09-14T07:15:39Z"}"#),
            (r#"\"x\\n2026-09-14T11:18:44.401+0900\""#, r#"\"x\\n2027-09-14T12:48:44.401+0900\""#),
            ("at 2021-11-07 17:43:51.876, and", "at 2022-11-07 19:13:51.876, and"),
            ("[99.9 (31/12/25 23:00:00)] (1/2)", "[99.9 (01/01/27 00:30:00)] (1/2)"),
            ("Wed, 31 Jan 2024 02:00:00 GMT", "Thu, 30 Jan 2025 03:30:00 GMT"),
            ("Mon Sep 04 16:59:44.356 UTC 2023", "Tue Sep 03 18:29:44.356 UTC 2024"),
            ("Mar 20, 2022, 6:08:05 PM", "Mar 20, 2023, 7:38:05 PM"),
            ("Apr 23, 2022 12:59:22 AM", "Apr 23, 2023 2:29:22 AM"),
            (r#""SentTimestamp": "1523232000000""#, r#""SentTimestamp": "1554773400000""#),
            (r#"\"startDate\":1523232000000,"#, r#"\"startDate\":1554773400000,"#),
            ("?from=1523232000000&to=1523232000001", "?from=1554773400000&to=1554773400001"),
        ] {
            assert_eq!(shift(before, by), after);
            assert_eq!(shift(after, -by), before, "and back");
        }
    }

    #[test]
    fn what_is_no_moment_stays() {
        let by = TimeDelta::days(1);
        for text in [
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2012-10-17",
            "111122223333",
            r#""value": 1523232000000"#,
            "2026-99-14T05:45:39Z",
            "12026-09-14T05:45:39Z",
            "(99/99/26 11:18:00)",
        ] {
            assert_eq!(shift(text, by), text);
        }
    }

    #[test]
    fn an_event_happens_when_it_was_asked_to() {
        use crate::commands::playground::library;
        let at: DateTime<Utc> = "2031-03-09T03:00:00.400Z".parse().unwrap();
        let mut moved = 0;
        for fixture in library::fixtures() {
            let Shifted { event, from } = to(fixture.event.as_bytes(), at);
            let (before, after) = (envelope::decode(fixture.event.as_bytes()), envelope::decode(&event));
            let Some(from) = from else {
                assert_eq!(event, fixture.event.as_bytes(), "{}: it has no time", fixture.path);
                continue;
            };
            let now = happened_at(&after).unwrap();
            assert_eq!(now.timestamp(), at.timestamp(), "{}: {from} became {now}", fixture.path);
            let ages = |decoded: &Decoded, now: DateTime<Utc>| -> Vec<Option<TimeDelta>> {
                let alerts = decoded.records.iter().flat_map(source::interpret).collect::<Vec<_>>();
                alerts.iter().map(|alert| Some(now - alert.starts_at?)).collect()
            };
            assert_eq!(ages(&after, now), ages(&before, from), "{}", fixture.path);
            moved += 1;
        }
        assert!(moved > 50, "{moved}");
    }
}
