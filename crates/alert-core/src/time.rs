//! Reading the many ways in which services write a moment, and people a duration.

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;
use serde_json::Value;

use crate::text::cut;

/// Of a time that cannot be read, as people are shown it.
const UNREAD_MAX_CHARS: usize = 100;

/// Reads a moment as AWS, Grafana and Prometheus write it.
///
/// Takes RFC 3339 (`2026-09-14T05:45:39Z`, any offset and fraction), CloudWatch's form, whose offset has no colon
/// (`2026-09-14T11:18:44.401+0000`), and RDS's, which has neither `T` nor offset and means UTC
/// (`2021-11-07 17:43:51.876`). Anything else, and Go's zero time (`0001-01-01T00:00:00Z`, which says "not yet"),
/// is `None`.
#[must_use]
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let time = DateTime::parse_from_rfc3339(with_colon(text).as_deref().unwrap_or(text))
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"))
        .map(|time| time.with_timezone(&Utc))
        .or_else(|_| {
            NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
                .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f"))
                .map(|time| time.and_utc())
        })
        .ok()?;
    plausible(time)
}

/// Reads a moment that people want to know, in the forms that `parse` takes; what it does not take is told in `unread` as
/// it came.
///
/// An empty text and Go's zero time say that there is none.
pub(crate) fn read(
    name: &str,
    text: &str,
    parse: fn(&str) -> Option<DateTime<Utc>>,
    unread: &mut Vec<String>,
) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let moment = parse(text);
    if moment.is_none() && !text.is_empty() && !text.starts_with("0001-01-01") {
        let note = format!("{name}: expected a time, got {}", cut(text, UNREAD_MAX_CHARS));
        if !unread.contains(&note) {
            unread.push(note);
        }
    }
    moment
}

/// As [`read`], from JSON of whichever type.
pub(crate) fn read_value(
    name: &str,
    value: &Value,
    parse: fn(&str) -> Option<DateTime<Utc>>,
    unread: &mut Vec<String>,
) -> Option<DateTime<Utc>> {
    match value {
        Value::Null => None,
        Value::String(text) => read(name, text, parse, unread),
        other => read(name, &other.to_string(), parse, unread),
    }
}

/// CloudWatch's form as RFC 3339, which is read much faster than a pattern.
fn with_colon(text: &str) -> Option<String> {
    let (time, offset) = text.split_at_checked(text.len().checked_sub("+0000".len())?)?;
    let (hours, minutes) = offset.split_at_checked("+00".len())?;
    let is_offset = hours.starts_with(['+', '-'])
        && offset.bytes().skip(1).all(|byte| byte.is_ascii_digit())
        && time.contains('T');
    is_offset.then(|| [time, hours, ":", minutes].concat())
}

/// A moment from milliseconds since 1970, the form of SQS's `SentTimestamp`.
#[must_use]
pub fn from_epoch_millis(millis: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(millis).and_then(plausible)
}

/// Reads a duration as Prometheus writes it (its documentation, "Float literals and time durations"): `30m`, `1h30m`, `1d`. Units
/// from large to small, each once; longer than nothing.
#[must_use]
pub fn parse_duration(text: &str) -> Option<TimeDelta> {
    const UNITS_MILLISECONDS: [(&str, i64); 7] = [
        ("y", 365 * 24 * 60 * 60 * 1000),
        ("w", 7 * 24 * 60 * 60 * 1000),
        ("d", 24 * 60 * 60 * 1000),
        ("h", 60 * 60 * 1000),
        ("m", 60 * 1000),
        ("s", 1000),
        ("ms", 1),
    ];
    let mut rest = text;
    let mut units = UNITS_MILLISECONDS.iter();
    let mut sum: i64 = 0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let (unit, tail) = tail.split_at(tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len()));
        // Goes on from the last unit, so that none comes twice or before a larger one.
        let (_, milliseconds) = units.find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.parse::<i64>().ok()?.checked_mul(*milliseconds)?)?;
        rest = tail;
    }
    TimeDelta::try_milliseconds(sum).filter(|duration| *duration > TimeDelta::zero())
}

/// Years that no alert comes from are somebody's placeholder; keeping them out also keeps durations in range.
fn plausible(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    use chrono::Datelike as _;
    (1970..=9999).contains(&time.year()).then_some(time)
}

/// The next moment after `now` at which the clocks of a zone show this time; where they skip it, an hour later.
#[must_use]
pub fn next_daily(at: NaiveTime, zone: Tz, now: DateTime<Utc>) -> DateTime<Utc> {
    let today = now.with_timezone(&zone).date_naive();
    let on = |days: i64| {
        let local = today.checked_add_signed(TimeDelta::days(days))?.and_time(at);
        let skipped = || zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest();
        let moment = zone.from_local_datetime(&local).earliest().or_else(skipped)?;
        Some(moment.with_timezone(&Utc)).filter(|moment| *moment > now)
    };
    (0..3).find_map(on).unwrap_or(now + TimeDelta::days(1))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_of_the_same_moment() {
        let expected = parse("2026-09-14T11:18:44.401Z");
        assert!(expected.is_some());
        for text in [
            "2026-09-14T11:18:44.401+0000",
            "2026-09-14T13:18:44.401+02:00",
            "2026-09-14 11:18:44.401",
            " 2026-09-14T11:18:44.401Z\n",
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn placeholders_and_nonsense_are_no_moment() {
        for text in ["0001-01-01T00:00:00Z", "", "soon", "2026-13-40T00:00:00Z"] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(from_epoch_millis(i64::MAX), None);
    }

    #[test]
    fn what_cannot_be_read_is_told_once() {
        let mut unread = Vec::new();
        for value in [json!("2026-09-14T11:18:44Z"), json!(null), json!(" "), json!("0001-01-01T00:00:00Z")] {
            read_value("at", &value, parse, &mut unread);
        }
        assert!(unread.is_empty(), "{unread:?}");
        for value in [json!(" soon"), json!("soon"), json!(1_789_384_724), json!("1823-01-01T00:00:00Z")] {
            assert_eq!(read_value("at", &value, parse, &mut unread), None);
        }
        let expected = ["soon", "1789384724", "1823-01-01T00:00:00Z"];
        assert_eq!(unread, expected.map(|text| format!("at: expected a time, got {text}")));
    }

    #[test]
    fn each_day_at_a_time() {
        let seoul = Tz::Asia__Seoul;
        let nine = NaiveTime::from_hms_opt(9, 0, 0).unwrap();
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        for (now, expected) in [
            ("2026-11-25T23:59:59Z", "2026-11-26T00:00:00Z"),
            ("2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z"),
            ("2026-11-26T14:59:00Z", "2026-11-27T00:00:00Z"),
        ] {
            assert_eq!(next_daily(nine, seoul, at(now)), at(expected));
        }
        // New York's clocks skip 02:30 on 8 March 2026, and show 01:30 twice on 1 November.
        let half_past = |hour| NaiveTime::from_hms_opt(hour, 30, 0).unwrap();
        let new_york = Tz::America__New_York;
        assert_eq!(
            next_daily(half_past(2), new_york, at("2026-03-08T05:00:00Z")),
            at("2026-03-08T07:30:00Z")
        );
        assert_eq!(
            next_daily(half_past(1), new_york, at("2026-11-01T05:00:00Z")),
            at("2026-11-01T05:30:00Z")
        );
        assert_eq!(
            next_daily(half_past(1), new_york, at("2026-11-01T05:30:00Z")),
            at("2026-11-02T06:30:00Z")
        );
    }
}
