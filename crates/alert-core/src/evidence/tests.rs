use chrono::TimeDelta;

use super::*;
use crate::alert::{Comparison, Threshold};
use crate::render::page::CHART_MAX_POINTS;

fn at(time: &str) -> DateTime<Utc> {
    format!("2026-11-27T{time}Z").parse().unwrap()
}

fn minutes(count: i64) -> Vec<(DateTime<Utc>, f64)> {
    (0..count).map(|minute| (at("00:00:00") + TimeDelta::minutes(minute), 10.0)).collect()
}

#[test]
fn a_short_breach_is_not_averaged_away() {
    let mut values = minutes(180);
    values[100].1 = 99.0;
    let measured =
        Measured { comparison: Some(Comparison::Above), limit: Some(50.0), values, ..Measured::default() };
    let graph = measured.graph(at("00:00:00"), at("03:00:00")).unwrap();
    assert_eq!(graph.points.len(), CHART_MAX_POINTS);
    let breaching: Vec<_> = graph.points.iter().filter(|point| point.breaching).collect();
    assert_eq!(breaching.len(), 1);
    assert_eq!((breaching[0].value, breaching[0].at), (99.0, at("01:40:00")));
    assert!(graph.points.iter().all(|point| point.limits == Threshold { lower: None, upper: Some(50.0) }));
}

#[test]
fn values_under_a_limit_keep_the_lowest() {
    let mut values = minutes(180);
    values[7].1 = 1.0;
    let comparison = Some(Comparison::AtOrBelow);
    let measured = Measured { comparison, limit: Some(1.0), values, ..Measured::default() };
    let graph = measured.graph(at("00:00:00"), at("03:00:00")).unwrap();
    assert_eq!(graph.points.iter().filter(|point| point.breaching).count(), 1);
    assert_eq!(graph.points[0].limits.lower, Some(1.0));
}

#[test]
fn a_band_goes_with_its_values() {
    let values = minutes(3);
    let ends = |end: f64| values.iter().map(|(at, _)| (*at, end)).collect::<Vec<_>>();
    let (mut lower, upper) = (ends(5.0), ends(9.0));
    lower[1].1 = f64::NAN;
    let measured =
        Measured { comparison: Some(Comparison::Outside), values, lower, upper, ..Measured::default() };
    let graph = measured.graph(at("00:00:00"), at("00:03:00")).unwrap();
    assert_eq!(graph.points.len(), 3);
    assert!(graph.points.iter().all(|point| point.breaching));
    assert_eq!(graph.points[0].limits, Threshold { lower: Some(5.0), upper: Some(9.0) });
    assert_eq!(graph.points[1].limits.lower, None);
}

#[test]
fn no_value_is_no_chart_and_what_is_no_number_is_no_value() {
    assert_eq!(Measured::default().graph(at("00:00:00"), at("03:00:00")), None);
    let values = vec![(at("01:00:00"), f64::NAN), (at("01:01:00"), f64::INFINITY)];
    let measured = Measured { values, ..Measured::default() };
    assert_eq!(measured.graph(at("00:00:00"), at("03:00:00")), None);
    // Times outside of the window, and a window of no length, are no trouble.
    let values = vec![(at("09:00:00"), 1.0), (at("00:00:00"), 2.0)];
    let graph = Measured { values, ..Measured::default() }.graph(at("03:00:00"), at("03:00:00")).unwrap();
    assert_eq!(graph.points.len(), 2);
}

#[test]
fn the_window_holds_what_was_before_and_all_that_it_lasted() {
    let now = at("12:00:00");
    let minute = TimeDelta::minutes(1);
    assert_eq!(window(at("11:59:00"), None, minute, now), (at("08:59:00"), now));
    assert_eq!(window(at("10:00:00"), None, minute, now), (at("07:00:00"), at("10:01:00")));
    let (from, _) = window(at("11:00:00"), None, TimeDelta::hours(1), now);
    assert_eq!(at("11:00:00") - from, TimeDelta::hours(20));
    // Some calm before it began.
    let (from, _) = window(at("11:00:00"), Some(at("05:00:00")), minute, now);
    assert_eq!(from, at("04:15:00"));
    let (from, to) = window(now, Some(now - TimeDelta::days(400)), TimeDelta::MAX, now);
    assert_eq!(now - from, TimeDelta::days(15));
    assert!(to > from);
}

#[test]
fn lines_are_masked_and_on_one_line_each() {
    let sought = Sought::new(
        "/aws/lambda/orders".to_owned(),
        String::new(),
        at("03:00:00"),
        (3, TimeDelta::minutes(1)),
        at("03:10:00"),
    );
    assert_eq!((sought.from, sought.to), (at("02:53:00"), at("03:01:00")));
    let long = "x ".repeat(5_000);
    let half = format!("{} {}{}", "y".repeat(1_990), "AKIA", "IOSFODNN7EXAMPLE");
    let found = ["ERROR\n\tat a\u{0}\u{1b}[31mb password=hunter2", "  \n ", &long, &half];
    let lines = Lines::new(&sought, "eu-west-1", found, 212, false);
    assert_eq!(lines.lines[0], "ERROR at a [31mb password=•••");
    assert_eq!(lines.lines.len(), 3);
    assert!(lines.lines.iter().all(|line| line.chars().count() <= 500 && !line.contains("AKIA")));
    assert_eq!(
        lines.title(3, crate::render::page::Language::English.words()),
        "3 of 212 log lines, newest first, of /aws/lambda/orders"
    );
    assert!(lines.url.unwrap().contains("log-group/$252Faws$252Flambda$252Forders/log-events$3Fstart$3D"));
}

#[test]
fn errors_and_durations_of_functions_have_a_group() {
    let (group, pattern) = group_of_function("AWS/Lambda", "Errors", "orders").unwrap();
    assert_eq!(group, "/aws/lambda/orders");
    assert!(pattern.contains("?ERROR"));
    assert!(group_of_function("AWS/Lambda", "Invocations", "orders").is_none());
    assert!(group_of_function("AWS/Lambda", "Errors", "").is_none());
    assert!(group_of_function("Custom", "Errors", "orders").is_none());
}
