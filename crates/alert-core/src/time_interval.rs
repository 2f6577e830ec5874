//! Alertmanager's time intervals: times that come again, in the words people know.
//!
//! The meaning is that of Alertmanager's documentation, "Time intervals": within one interval every field that is given
//! must hold, of a field's ranges any one. A moment is looked at as a clock in the interval's location shows it, so a
//! range of an hour that daylight saving skips is never met, and one of an hour that comes twice is met twice.

mod location;

use std::fmt;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, Offset as _, TimeZone as _, Timelike, Utc};
use chrono_tz::Tz;

pub use location::parse_location;

/// The minutes of a day, and so the latest end of a range of times: 24:00.
const DAY_MINUTES: u32 = 24 * 60;

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Why a text is no part of a time interval: what was expected, what came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct TimeIntervalError {
    /// What would have been right.
    pub expected: String,
    /// What came.
    pub found: String,
    /// What to write instead, where that is known.
    pub hint: Option<String>,
}

impl fmt::Display for TimeIntervalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}, found `{}`", self.expected, self.found)?;
        self.hint.iter().try_for_each(|hint| write!(f, "; {hint}"))
    }
}

impl TimeIntervalError {
    fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into(), hint: None }
    }
}

/// A part of the day, in minutes from local midnight: the start belongs to it, the end does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeRange {
    start_minute: u32,
    end_minute: u32,
}

impl TimeRange {
    /// A range from two times `HH:MM`, `00:00` to `24:00`; the start must lie before the end.
    pub fn parse(start: &str, end: &str) -> Result<Self, TimeIntervalError> {
        let (start_minute, end_minute) = (Self::parse_time(start)?, Self::parse_time(end)?);
        if start_minute >= end_minute {
            return Err(TimeIntervalError::new(
                format!(
                    "an end after {start} (a night takes two ranges, one until 24:00 and one from 00:00)"
                ),
                end,
            ));
        }
        Ok(Self { start_minute, end_minute })
    }

    /// Minutes from midnight out of `HH:MM`: two digits each, up to `24:00`.
    pub fn parse_time(text: &str) -> Result<u32, TimeIntervalError> {
        let two_digits = |part: &str| {
            (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<u32>().ok())?
        };
        let minutes = text.split_once(':').and_then(|(hours, minutes)| {
            let (hours, minutes) = (two_digits(hours)?, two_digits(minutes)?);
            (minutes < 60).then_some(hours * 60 + minutes)
        });
        minutes
            .filter(|minutes| *minutes <= DAY_MINUTES)
            .ok_or_else(|| TimeIntervalError::new("a time from 00:00 to 24:00 as HH:MM", text))
    }
}

/// Days of the week, both ends included: `monday`, `monday:friday`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeekdayRange(RangeInclusive<u32>);

impl WeekdayRange {
    /// Parses English names in lower case; the week begins on Sunday, and a range cannot run over its end.
    pub fn parse(text: &str) -> Result<Self, TimeIntervalError> {
        let expected = "a weekday from sunday to saturday in lower case, or a range such as monday:friday";
        let weekday =
            |part: &str| position(&WEEKDAYS, part).ok_or_else(|| TimeIntervalError::new(expected, text));
        let (first, last) = ends(text);
        let (first, last) = (weekday(first)?, weekday(last)?);
        if first > last {
            return Err(TimeIntervalError::new(
                "a range within one week, sunday to saturday (one across its end takes two, such as saturday and sunday:monday)",
                text,
            ));
        }
        Ok(Self(first..=last))
    }
}

/// Days of the month, both ends included: `1`, `1:7`, `-1` (the last), `-7:-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayOfMonthRange {
    first: i32,
    last: i32,
}

impl DayOfMonthRange {
    /// Parses days 1 to 31, or -1 to -31 from the end of the month; a range must be able to hold a day.
    pub fn parse(text: &str) -> Result<Self, TimeIntervalError> {
        let expected = "a day from 1 to 31, from -1 (the last) to -31, or a range such as 1:7 or -7:-1";
        let wrong = || TimeIntervalError::new(expected, text);
        let day =
            |part: &str| part.parse::<i32>().ok().filter(|n| *n != 0 && n.abs() <= 31).ok_or_else(wrong);
        let (first, last) = ends(text);
        let (first, last) = (day(first)?, day(last)?);
        if first < 0 && last > 0 {
            return Err(TimeIntervalError::new("a negative last day after a negative first", text));
        }
        // The shortest month decides, as Alertmanager has it, so that a range means something in every month.
        let in_shortest = |n: i32| if n < 0 { 28 + n } else { n };
        if in_shortest(first) > in_shortest(last) {
            return Err(TimeIntervalError::new("a last day that does not lie before the first", text));
        }
        Ok(Self { first, last })
    }

    /// Days that a month does not have are none of it, neither are they the next month's.
    fn contains(&self, day: i32, days_in_month: i32) -> bool {
        let from_start = |n: i32| if n < 0 { days_in_month + n + 1 } else { n };
        (from_start(self.first)..=from_start(self.last)).contains(&day)
    }
}

/// Months, both ends included: `january`, `1`, `may:august`, `1:3`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonthRange(RangeInclusive<u32>);

impl MonthRange {
    /// Parses English names in lower case or numbers from 1 to 12; a range cannot run over the end of the year.
    pub fn parse(text: &str) -> Result<Self, TimeIntervalError> {
        let expected = "a month from january or 1 to december or 12, or a range such as may:august";
        let month = |part: &str| {
            position(&MONTHS, part)
                .map(|index| index + 1)
                .or_else(|| part.parse().ok())
                .filter(|month| (1..=12).contains(month))
                .ok_or_else(|| TimeIntervalError::new(expected, text))
        };
        let (first, last) = ends(text);
        let (first, last) = (month(first)?, month(last)?);
        if first > last {
            return Err(TimeIntervalError::new(
                "a range within one year (one across its end takes two, such as 11:12 and 1:2)",
                text,
            ));
        }
        Ok(Self(first..=last))
    }
}

/// Years, both ends included: `2026`, `2026:2028`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct YearRange(RangeInclusive<i32>);

impl YearRange {
    /// Parses years from 1 to 9999, the first not after the last.
    pub fn parse(text: &str) -> Result<Self, TimeIntervalError> {
        let expected = "a year such as 2026, or a range such as 2026:2028";
        let wrong = || TimeIntervalError::new(expected, text);
        let year = |part: &str| part.parse().ok().filter(|year| (1..=9999).contains(year)).ok_or_else(wrong);
        let (first, last) = ends(text);
        let (first, last) = (year(first)?, year(last)?);
        if first > last {
            return Err(TimeIntervalError::new("a last year that is not before the first", text));
        }
        Ok(Self(first..=last))
    }
}

/// One interval: every field that is given must hold; an absent one holds always.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeInterval {
    /// Parts of the day.
    pub times: Option<Vec<TimeRange>>,
    /// Days of the week.
    pub weekdays: Option<Vec<WeekdayRange>>,
    /// Days of the month.
    pub days_of_month: Option<Vec<DayOfMonthRange>>,
    /// Months.
    pub months: Option<Vec<MonthRange>>,
    /// Years.
    pub years: Option<Vec<YearRange>>,
    /// Whose clock counts; UTC where none is given.
    pub location: Tz,
}

impl TimeInterval {
    /// Whether the moment lies in it.
    #[must_use]
    pub fn contains(&self, moment: DateTime<Utc>) -> bool {
        let local = moment.with_timezone(&self.location);
        let minute = local.hour() * 60 + local.minute();
        let weekday = local.weekday().num_days_from_sunday();
        let day = i32::try_from(local.day()).unwrap_or(1);
        let days = days_in_month(local.year(), local.month());
        any(self.times.as_ref(), |r| (r.start_minute..r.end_minute).contains(&minute))
            && any(self.weekdays.as_ref(), |r| r.0.contains(&weekday))
            && any(self.days_of_month.as_ref(), |r| r.contains(day, days))
            && any(self.months.as_ref(), |r| r.0.contains(&local.month()))
            && any(self.years.as_ref(), |r| r.0.contains(&local.year()))
    }

    /// A later moment until which it holds without a pause; `None` where it does not hold now.
    ///
    /// Not always the last such moment: midnight and a change of the clocks are looked at anew.
    #[must_use]
    pub fn holds_until(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if !self.contains(moment) {
            return None;
        }
        let second_of_day = moment.with_timezone(&self.location).num_seconds_from_midnight();
        // Within a local day nothing but the time changes.
        let end_minute = self.times.as_ref().map_or(DAY_MINUTES, |ranges| {
            let now =
                ranges.iter().filter(|r| (r.start_minute..r.end_minute).contains(&(second_of_day / 60)));
            now.map(|r| r.end_minute).max().unwrap_or(0)
        });
        let rest = i64::from(end_minute * 60).checked_sub(i64::from(second_of_day))?;
        let end = moment.timestamp().checked_add(rest)?;
        let end = self.offset_change(moment.timestamp(), end).unwrap_or(end);
        Some(DateTime::from_timestamp(end, 0).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// The second in which the location's clocks are put forward or back, after `from` and until `to`.
    ///
    /// No zone puts them twice within a day, so the offsets at both ends tell.
    fn offset_change(&self, from: i64, to: i64) -> Option<i64> {
        let offset = |second| {
            let moment = DateTime::from_timestamp(second, 0)?.naive_utc();
            Some(self.location.offset_from_utc_datetime(&moment).fix().local_minus_utc())
        };
        let before = offset(from)?;
        if offset(to)? == before {
            return None;
        }
        let (mut before_change, mut changed) = (from, to);
        while changed - before_change > 1 {
            let middle = i64::midpoint(before_change, changed);
            if offset(middle)? == before { before_change = middle } else { changed = middle }
        }
        Some(changed)
    }
}

/// Whether one range holds, or nothing was asked.
fn any<R>(ranges: Option<&Vec<R>>, holds: impl FnMut(&R) -> bool) -> bool {
    ranges.is_none_or(|ranges| ranges.iter().any(holds))
}

/// Both ends of `first:last`, or the same twice.
fn ends(text: &str) -> (&str, &str) {
    text.split_once(':').unwrap_or((text, text))
}

fn position(names: &[&str], name: &str) -> Option<u32> {
    names.iter().position(|other| *other == name).and_then(|index| u32::try_from(index).ok())
}

fn days_in_month(year: i32, month: u32) -> i32 {
    let next = if month == 12 {
        NaiveDate::from_ymd_opt(year.saturating_add(1), 1, 1)
    } else {
        NaiveDate::from_ymd_opt(year, month + 1, 1)
    };
    let last = next.and_then(|next| next.pred_opt());
    // Beyond the last year that chrono knows, a month is as long as December.
    last.and_then(|last| i32::try_from(last.day()).ok()).unwrap_or(31)
}

#[cfg(test)]
mod tests {

    use super::*;

    fn times(start: &str, end: &str) -> Vec<TimeRange> {
        vec![TimeRange::parse(start, end).unwrap()]
    }

    fn weekdays(text: &str) -> Vec<WeekdayRange> {
        vec![WeekdayRange::parse(text).unwrap()]
    }

    fn days(text: &str) -> TimeInterval {
        let days_of_month = Some(vec![DayOfMonthRange::parse(text).unwrap()]);
        TimeInterval { days_of_month, ..TimeInterval::default() }
    }

    #[track_caller]
    fn check(interval: &TimeInterval, cases: &[(&str, bool)]) {
        for (moment, expected) in cases {
            let utc: DateTime<Utc> = moment.parse().unwrap();
            assert_eq!(interval.contains(utc), *expected, "{moment} in {interval:?}");
        }
    }

    #[test]
    fn without_fields_holds_always() {
        check(&TimeInterval::default(), &[("2026-01-01T00:00:00Z", true)]);
        let nothing = TimeInterval { times: Some(vec![]), ..TimeInterval::default() };
        check(&nothing, &[("2026-01-01T00:00:00Z", false)]);
    }

    #[test]
    fn start_belongs_to_it_and_end_does_not() {
        let interval = TimeInterval { times: Some(times("09:00", "17:00")), ..TimeInterval::default() };
        check(
            &interval,
            &[
                ("2026-01-01T08:59:59Z", false),
                ("2026-01-01T09:00:00Z", true),
                ("2026-01-01T16:59:59Z", true),
                ("2026-01-01T17:00:00Z", false),
            ],
        );
        let evening = TimeInterval { times: Some(times("23:00", "24:00")), ..TimeInterval::default() };
        check(&evening, &[("2026-01-01T23:59:59.999Z", true), ("2026-01-02T00:00:00Z", false)]);
    }

    #[test]
    fn a_night_in_seoul() {
        let location = parse_location("Asia/Seoul").unwrap();
        let evening = TimeInterval {
            times: Some(times("21:50", "24:00")),
            weekdays: Some(weekdays("monday:friday")),
            location,
            ..TimeInterval::default()
        };
        let morning = TimeInterval {
            times: Some(times("00:00", "08:10")),
            weekdays: Some(weekdays("tuesday:saturday")),
            location,
            ..TimeInterval::default()
        };
        for (seoul, expected) in [
            ("2026-07-06T08:00:00+09:00", false), // Monday morning: Sunday's night is no working night
            ("2026-07-06T21:49:59+09:00", false),
            ("2026-07-06T21:50:00+09:00", true),
            ("2026-07-06T23:59:59+09:00", true),
            ("2026-07-07T00:00:00+09:00", true),
            ("2026-07-07T08:09:59+09:00", true),
            ("2026-07-07T08:10:00+09:00", false),
            ("2026-07-10T22:00:00+09:00", true), // Friday evening
            ("2026-07-11T08:00:00+09:00", true), // Saturday morning
            ("2026-07-11T22:00:00+09:00", false),
            ("2026-07-12T01:00:00+09:00", false), // Sunday
        ] {
            let moment = seoul.parse::<DateTime<Utc>>().unwrap();
            let holds = evening.contains(moment) || morning.contains(moment);
            assert_eq!(holds, expected, "{seoul}");
        }
    }

    #[test]
    fn daylight_saving() {
        let berlin = TimeInterval {
            times: Some(times("02:00", "03:00")),
            location: parse_location("Europe/Berlin").unwrap(),
            ..TimeInterval::default()
        };
        check(
            &berlin,
            &[
                // 2026-03-29: 02:00 to 03:00 is skipped.
                ("2026-03-29T00:59:59Z", false), // 01:59:59
                ("2026-03-29T01:00:00Z", false), // 03:00:00
                // The day after, two hours east of UTC.
                ("2026-03-30T00:00:00Z", true),
                ("2026-03-30T01:00:00Z", false),
                // 2026-10-25: 02:00 to 03:00 comes twice.
                ("2026-10-24T23:59:59Z", false),
                ("2026-10-25T00:00:00Z", true),
                ("2026-10-25T01:59:59Z", true),
                ("2026-10-25T02:00:00Z", false),
            ],
        );
        let new_york = TimeInterval {
            times: Some(times("01:00", "02:00")),
            weekdays: Some(weekdays("sunday")),
            location: parse_location("America/New_York").unwrap(),
            ..TimeInterval::default()
        };
        check(
            &new_york,
            &[
                // 2026-03-08: after 01:59:59 comes 03:00:00.
                ("2026-03-08T06:59:59Z", true),
                ("2026-03-08T07:00:00Z", false),
                // 2026-11-01: 01:00 to 02:00 comes twice.
                ("2026-11-01T05:00:00Z", true),
                ("2026-11-01T06:59:59Z", true),
                ("2026-11-01T07:00:00Z", false),
            ],
        );
    }

    #[test]
    fn days_of_the_month() {
        check(
            &days("-1"),
            &[
                ("2026-02-28T12:00:00Z", true),
                ("2028-02-28T12:00:00Z", false),
                ("2028-02-29T12:00:00Z", true),
                ("2026-12-31T12:00:00Z", true),
                ("2026-12-30T12:00:00Z", false),
            ],
        );
        check(
            &days("-3:-1"),
            &[
                ("2028-02-26T12:00:00Z", false),
                ("2028-02-27T12:00:00Z", true),
                ("2026-02-26T12:00:00Z", true),
                ("2026-04-28T00:00:00Z", true),
                ("2026-04-27T23:59:59Z", false),
            ],
        );
        // Clamped to the month, and none of it where the month is shorter than the first day.
        check(&days("28:31"), &[("2026-02-28T12:00:00Z", true), ("2026-03-01T12:00:00Z", false)]);
        check(&days("30:31"), &[("2026-02-28T12:00:00Z", false), ("2026-03-30T12:00:00Z", true)]);
        check(&days("-31:-25"), &[("2026-02-01T12:00:00Z", true), ("2026-02-05T12:00:00Z", false)]);
        check(&days("10:-10"), &[("2026-06-21T12:00:00Z", true), ("2026-06-22T12:00:00Z", false)]);
    }

    #[test]
    fn months_and_years() {
        let interval = TimeInterval {
            months: Some(vec![MonthRange::parse("1:3").unwrap(), MonthRange::parse("december").unwrap()]),
            years: Some(vec![YearRange::parse("2026:2027").unwrap()]),
            ..TimeInterval::default()
        };
        check(
            &interval,
            &[
                ("2026-01-01T00:00:00Z", true),
                ("2026-04-01T00:00:00Z", false),
                ("2027-12-31T23:59:59Z", true),
                ("2028-01-01T00:00:00Z", false),
                ("2025-12-31T23:59:59Z", false),
            ],
        );
    }

    #[test]
    fn the_ends_of_time() {
        let interval = TimeInterval { location: parse_location("Asia/Seoul").unwrap(), ..days("-1") };
        for moment in
            [DateTime::<Utc>::MIN_UTC, "0001-01-01T00:00:00Z".parse().unwrap(), DateTime::<Utc>::MAX_UTC]
        {
            // Only that it answers counts.
            let _ = interval.contains(moment);
        }
    }

    #[test]
    fn refuses_what_alertmanager_refuses() {
        for (start, end) in [
            ("9:00", "17:00"),
            ("09:00", "24:01"),
            ("09:60", "17:00"),
            ("09:00", "09:00"),
            ("22:00", "06:00"),
            ("", "17:00"),
            ("+9:00", "17:00"),
        ] {
            assert!(TimeRange::parse(start, end).is_err(), "{start} {end}");
        }
        for text in ["Monday", "mon", "friday:monday", "0", "", "monday:", "monday:friday:sunday"] {
            assert!(WeekdayRange::parse(text).is_err(), "{text}");
        }
        for text in ["0", "32", "-32", "-1:1", "5:1", "-1:-5", "25:-20", "x", ""] {
            assert!(DayOfMonthRange::parse(text).is_err(), "{text}");
        }
        for text in ["0", "13", "January", "june:may", "-1", ""] {
            assert!(MonthRange::parse(text).is_err(), "{text}");
        }
        for text in ["2027:2026", "x", "-5", "0", ""] {
            assert!(YearRange::parse(text).is_err(), "{text}");
        }
    }
}
