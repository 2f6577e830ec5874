//! Times and time intervals: every way to write them, and what they hold.
#![no_main]

use alert_core::render::page::Language;
use alert_core::time;
use alert_core::time_interval::{
    DayOfMonthRange, MonthRange, TimeRange, WeekdayRange, YearRange, parse_location,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(moment) = time::parse(text) {
        let written = moment.to_rfc3339();
        assert_eq!(time::parse(&written), Some(moment), "{text:?}");
    }
    let (start, end) = text.split_once('-').unwrap_or((text, text));
    let _ = TimeRange::parse(start, end);
    let _ = DayOfMonthRange::parse(text);
    let _ = MonthRange::parse(text);
    let _ = WeekdayRange::parse(text);
    let _ = YearRange::parse(text);
    let _ = parse_location(text);
    if let Ok(number) = text.trim().parse() {
        let _ = time::from_epoch_millis(number).map(|moment| moment.to_rfc3339());
        let _ = chrono::TimeDelta::try_milliseconds(number).map(|span| Language::Korean.words().span(span));
    }
});
