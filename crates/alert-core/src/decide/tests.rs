use chrono_tz::Tz;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::alert::Previous;
use crate::config::NamedTimeInterval;
use crate::time_interval::{DayOfMonthRange, MonthRange, TimeInterval, TimeRange, WeekdayRange};

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn config(text: &str) -> Config {
    Config::parse(text).unwrap()
}

fn grafana(name: &str, state: State) -> Alert {
    let mut alert = Alert::new(Source::Grafana, name, state, "firing");
    alert.labels.set("alertname", name);
    alert
}

fn alarm(state_value: &str, previous: Option<&str>, cause: Cause) -> Alert {
    let state = |value: &str| match value {
        "ALARM" => State::Firing,
        "OK" => State::Resolved,
        _ => State::NoData,
    };
    let mut alert = Alert::new(Source::CloudWatch, "cpu", state(state_value), state_value);
    alert.cause = cause;
    alert.previous =
        previous.map(|value| Previous { state: state(value), value: value.to_owned(), since: None });
    alert
}

const NIGHT: &str = "
drop:
  - name: eks-restart
    matchers: ['alertname=~\"DatasourceError|DatasourceNoData\"']
    active_time_intervals: [eks-nightly]
time_intervals:
  - name: eks-nightly
    time_intervals:
      - times: [{start_time: '21:50', end_time: '24:00'}]
        weekdays: ['monday:friday']
        location: Asia/Seoul
      - times: [{start_time: '00:00', end_time: '08:10'}]
        weekdays: ['tuesday:saturday']
        location: Asia/Seoul
";

const YOUNG: &str = "
drop:
  - name: give-it-time
    matchers: ['alertname=\"DatasourceError\"']
    younger_than: 30m
";

#[track_caller]
fn check(config: &Config, alert: &Alert, now: &str, expected: Option<&str>) {
    let dropped = dropped_by(config, alert, time(now));
    let traces = trace_drop_rules(config, alert, time(now));
    assert_eq!(dropped.as_ref().map(|dropped| dropped.rule.as_str()), expected, "{traces:?}");
    let held = traces.iter().find(|trace| trace.held);
    assert_eq!(held.map(|trace| &trace.why), dropped.as_ref().map(|dropped| &dropped.why));
}

#[test]
fn the_default_rule_drops_datasource_errors_alone() {
    let config = Config::default();
    let now = "2026-07-06T12:00:00Z";
    let rule = Some("grafana-datasource-errors");
    check(&config, &grafana("DatasourceError", State::Firing), now, rule);
    check(&config, &grafana("DatasourceError", State::Resolved), now, rule);
    check(&config, &grafana("DatasourceNoData", State::Firing), now, None);
    check(&config, &grafana("High CPU", State::Firing), now, None);
    check(&Config::fail_open(), &grafana("DatasourceError", State::Firing), now, None);
    let mut passed = grafana("DatasourceError", State::Firing);
    passed.cause = Cause::Filter;
    check(&config, &passed, now, None);
}

#[test]
fn an_interval_drops_what_fires_in_it() {
    let config = config(NIGHT);
    let alert = grafana("DatasourceNoData", State::Firing);
    check(&config, &alert, "2026-07-06T22:00:00+09:00", Some("eks-restart"));
    check(&config, &alert, "2026-07-07T08:09:59+09:00", Some("eks-restart"));
    check(&config, &alert, "2026-07-07T08:10:00+09:00", None);
    check(&config, &grafana("High CPU", State::Firing), "2026-07-06T22:00:00+09:00", None);
}

#[test]
fn an_interval_never_hides_the_end_of_what_people_saw() {
    let config = config(NIGHT);
    let resolved = |starts_at: Option<&str>| {
        let mut alert = grafana("DatasourceError", State::Resolved);
        alert.starts_at = starts_at.map(time);
        alert
    };
    let morning = "2026-07-07T08:00:00+09:00";
    let rule = Some("eks-restart");
    // It began and ended in the same night.
    check(&config, &resolved(Some("2026-07-06T21:51:00+09:00")), morning, rule);
    check(&config, &resolved(Some("2026-07-07T07:59:59+09:00")), morning, rule);
    check(&config, &resolved(Some("2026-07-06T21:51:00+09:00")), "2026-07-07T08:09:59+09:00", rule);
    // It began so soon after the rule did that a clock a little behind saw its firing outside.
    check(&config, &resolved(Some("2026-07-06T21:50:59+09:00")), morning, None);
    // A start that is the end, or now, is none.
    check(&config, &resolved(Some(morning)), morning, None);
    let mut alert = resolved(Some("2026-07-06T22:00:00+09:00"));
    for (ends_at, expected) in [
        ("2026-07-06T22:00:01+09:00", rule),
        ("2026-07-06T22:00:00+09:00", None),
        ("2026-07-06T21:59:00+09:00", None),
        ("0001-01-01T00:00:00Z", None),
    ] {
        alert.ends_at = Some(time(ends_at));
        check(&config, &alert, morning, expected);
    }
    // It began before the night, or nobody knows when.
    check(&config, &resolved(Some("2026-07-06T21:49:59+09:00")), morning, None);
    check(&config, &resolved(None), morning, None);
    check(&config, &resolved(Some("0001-01-01T00:00:00Z")), morning, None);
    // It began in the night and ended by day: "also" means both.
    check(&config, &resolved(Some("2026-07-06T22:00:00+09:00")), "2026-07-07T09:00:00+09:00", None);
    // It began in one night and ended in the next: by day a reminder came through.
    check(&config, &resolved(Some("2026-07-06T22:00:00+09:00")), "2026-07-07T22:00:00+09:00", None);
    // What is over has not begun in the future, whatever the rule does then.
    for start in ["2026-07-07T08:00:30+09:00", "2026-07-07T12:00:00+09:00"] {
        check(&config, &resolved(Some(start)), morning, None);
    }
}

#[test]
fn younger_than() {
    let config = config(YOUNG);
    let rule = Some("give-it-time");
    let now = "2026-07-06T12:00:00Z";
    for (starts_at, expected) in [
        (Some("2026-07-06T11:59:00Z"), rule),
        (Some("2026-07-06T11:30:01Z"), rule),
        (Some("2026-07-06T11:30:00Z"), None),
        (Some("0001-01-01T00:00:00Z"), None),
        (None, None),
        // Clocks differ a little, but not by an hour.
        (Some("2026-07-06T12:00:30Z"), rule),
        (Some("2026-07-06T13:00:00Z"), None),
    ] {
        let mut alert = grafana("DatasourceError", State::Firing);
        alert.starts_at = starts_at.map(time);
        check(&config, &alert, now, expected);
    }
    for (starts_at, ends_at, expected) in [
        ("2026-07-06T11:00:00Z", Some("2026-07-06T11:00:01Z"), rule),
        ("2026-07-06T11:00:00Z", Some("2026-07-06T11:28:59Z"), rule),
        // Its last reminder may have been under way, and older than the limit when it was judged.
        ("2026-07-06T11:00:00Z", Some("2026-07-06T11:29:00Z"), None),
        ("2026-07-06T11:00:00Z", Some("2026-07-06T11:30:00Z"), None),
        // Grafana 12 has the end as the start.
        ("2026-07-06T11:00:00Z", Some("2026-07-06T11:00:00Z"), None),
        ("2026-07-06T11:00:01Z", Some("2026-07-06T11:00:00Z"), None),
        ("2026-07-06T12:00:00Z", Some("2026-07-06T12:00:05Z"), None),
        ("2026-07-06T13:00:00Z", Some("2026-07-06T13:05:00Z"), None),
        ("2026-07-06T11:00:00Z", None, None),
        ("2026-07-06T11:00:00Z", Some("0001-01-01T00:00:00Z"), None),
        ("0001-01-01T00:00:00Z", Some("2026-07-06T11:30:00Z"), None),
    ] {
        let mut alert = grafana("DatasourceError", State::Resolved);
        alert.starts_at = Some(time(starts_at));
        alert.ends_at = ends_at.map(time);
        check(&config, &alert, now, expected);
    }
}

#[test]
fn the_ends_of_time_break_nothing() {
    for text in [NIGHT, YOUNG] {
        let config = config(text);
        for state in [State::Firing, State::Resolved] {
            let mut alert = grafana("DatasourceError", state);
            for moment in [DateTime::<Utc>::MIN_UTC, time("0001-01-01T00:00:00Z"), DateTime::<Utc>::MAX_UTC] {
                (alert.starts_at, alert.ends_at) = (Some(moment), Some(moment));
                for now in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
                    let _ = decide_relay(&config, &alert, now);
                }
            }
        }
    }
}

#[test]
fn says_why() {
    let why = |text: &str, alert: &Alert, now: &str| {
        trace_drop_rules(&config(text), alert, time(now)).remove(0).why
    };
    let mut alert = grafana("DatasourceError", State::Firing);
    alert.starts_at = Some(time("2026-07-06T11:15:00Z"));
    assert_eq!(why(YOUNG, &alert, "2026-07-06T12:00:00Z"), "it is 45m old, the limit is 30m");
    assert_eq!(
        why(YOUNG, &alert, "2026-07-06T11:15:00Z"),
        "alertname=\"DatasourceError\" matches; it is 0s old, the limit is 30m"
    );
    assert_eq!(why(NIGHT, &alert, "2026-07-06T12:00:00Z"), "2026-07-06 12:00:00Z is outside of eks-nightly");
    assert_eq!(
        why(YOUNG, &grafana("High CPU", State::Firing), "2026-07-06T12:00:00Z"),
        "alertname=\"DatasourceError\" does not match \"High CPU\""
    );
    let rule = "drop: [{matchers: [team=a]}]";
    assert_eq!(
        why(rule, &alert, "2026-07-06T12:00:00Z"),
        "team=\"a\" does not match: the alert has no label team"
    );
}

#[test]
fn notify_on_by_default_depends_on_the_way() {
    use Cause::{Action, StateChangeEvent};
    let config = Config::default();
    for (state_value, previous, cause, delivered) in [
        ("ALARM", None, Action, true),
        ("OK", None, Action, true),
        ("INSUFFICIENT_DATA", Some("OK"), Action, true),
        ("ALARM", Some("OK"), StateChangeEvent, true),
        ("OK", Some("INSUFFICIENT_DATA"), StateChangeEvent, true),
        ("INSUFFICIENT_DATA", Some("OK"), StateChangeEvent, false),
        ("INSUFFICIENT_DATA", None, StateChangeEvent, false),
        // A host that died looks like that.
        ("INSUFFICIENT_DATA", Some("ALARM"), StateChangeEvent, true),
        ("SOMETHING_NEW", Some("OK"), StateChangeEvent, true),
    ] {
        let dropped = quieted(&config, &alarm(state_value, previous, cause));
        let expected = (!delivered).then_some(NOTIFY_ON);
        assert_eq!(
            dropped.as_ref().map(|d| d.rule.as_str()),
            expected,
            "{state_value} {previous:?} {cause:?}"
        );
    }
}

#[test]
fn notify_on_as_written_holds_for_alarms_alone() {
    let config = config("notify_on: [ALARM]");
    let dropped = |alert: &Alert| quieted(&config, alert).map(|dropped| dropped.rule);
    assert_eq!(dropped(&alarm("ALARM", None, Cause::Action)), None);
    assert_eq!(dropped(&alarm("OK", None, Cause::Action)).as_deref(), Some(NOTIFY_ON));
    let follows = alarm("INSUFFICIENT_DATA", Some("ALARM"), Cause::StateChangeEvent);
    assert_eq!(dropped(&follows).as_deref(), Some(NOTIFY_ON));
    assert_eq!(dropped(&alarm("SOMETHING_NEW", None, Cause::Action)), None);
    assert_eq!(dropped(&grafana("a", State::Resolved)), None);
}

#[test]
fn hush_names_its_verdict() {
    for (hush, rule) in [
        (Hush::CreationNoise, CREATION_NOISE),
        (Hush::Muted("nightly".to_owned()), MUTED),
        (Hush::Muted(String::new()), MUTED),
        (Hush::Suppressed("WaitPeriod".to_owned()), ACTIONS_SUPPRESSED),
        (Hush::Suppressed(String::new()), ACTIONS_SUPPRESSED),
    ] {
        let mut alert = alarm("OK", Some("INSUFFICIENT_DATA"), Cause::StateChangeEvent);
        alert.hush = Some(hush);
        assert_eq!(quieted(&Config::default(), &alert).unwrap().rule, rule);
        assert_eq!(quieted(&Config::fail_open(), &alert), None);
        let now = time("2026-07-06T12:00:00Z");
        assert!(matches!(decide_relay(&Config::default(), &alert, now), Verdict::Drop(_)));
        assert_eq!(decide_filter(&Config::default(), &alert, now), None);
    }
}

#[test]
fn routes_as_alertmanager_does() {
    let config = config(
        "
route:
  receiver: default
  routes:
    - matchers: [severity=critical]
      receiver: oncall
      continue: true
    - matchers: ['team=~\"a|b\"']
      receiver: ab
      routes:
        - {matchers: [team=a], receiver: a}
        - {matchers: [region=x], receiver: x, continue: true}
        - {matchers: [env=prod]}
    - {matchers: [team!=c], receiver: oncall}
    - {matchers: [severity=info], receiver: a}
receivers: [{name: default}, {name: oncall}, {name: ab}, {name: a}, {name: x}]
",
    );
    for (labels, expected) in [
        // The second way to oncall is not listed.
        (&[("severity", "critical")][..], &["route.routes[0] severity=\"critical\" → oncall"][..]),
        (&[("team", "a"), ("region", "x")], &["route.routes[1].routes[0] team=\"a\" → a"]),
        (
            &[("team", "a"), ("severity", "critical")],
            &["route.routes[0] severity=\"critical\" → oncall", "route.routes[1].routes[0] team=\"a\" → a"],
        ),
        // No child matches: the node itself.
        (&[("team", "b")], &["route.routes[1] team=~\"a|b\" → ab"]),
        // Continues among the children, and inherits a receiver.
        (
            &[("team", "b"), ("region", "x"), ("env", "prod")],
            &["route.routes[1].routes[1] region=\"x\" → x", "route.routes[1].routes[2] env=\"prod\" → ab"],
        ),
        // A child that continues has taken it: the node itself does not.
        (&[("team", "b"), ("region", "x")], &["route.routes[1].routes[1] region=\"x\" → x"]),
        // An absent label is the empty string.
        (&[("severity", "info")], &["route.routes[2] team!=\"c\" → oncall"]),
        (&[("team", "c"), ("severity", "info")], &["route.routes[3] severity=\"info\" → a"]),
        (&[("team", "c")], &["route → default"]),
    ] {
        let mut alert = Alert::new(Source::Grafana, "a", State::Firing, "firing");
        alert.labels = labels.iter().copied().collect();
        let Verdict::Deliver { receivers } = decide_relay(&config, &alert, time("2026-07-06T12:00:00Z"))
        else {
            unreachable!("no rule drops it");
        };
        let routes: Vec<_> = receivers.iter().map(|routed| routed.route.as_str()).collect();
        assert_eq!(routes, expected, "{labels:?}");
    }
}

/// A zone and a moment at which its clocks were changed: by an hour, by half of one, and by a whole day.
fn changes() -> impl Strategy<Value = (Tz, DateTime<Utc>)> {
    select(vec![
        (Tz::Europe__Berlin, "2026-03-29T01:00:00Z"),
        (Tz::Europe__Berlin, "2026-10-25T01:00:00Z"),
        (Tz::America__New_York, "2026-03-08T07:00:00Z"),
        (Tz::America__New_York, "2026-11-01T06:00:00Z"),
        (Tz::Australia__Lord_Howe, "2026-04-04T15:00:00Z"),
        (Tz::Australia__Lord_Howe, "2026-10-03T15:30:00Z"),
        (Tz::Pacific__Apia, "2011-12-30T10:00:00Z"),
        (Tz::Asia__Seoul, "1987-05-09T16:00:00Z"),
    ])
    .prop_map(|(zone, change)| (zone, time(change)))
}

/// An interval that several of its kind make whole, mostly in this zone.
fn interval(zone: Tz) -> impl Strategy<Value = TimeInterval> {
    let cut = prop_oneof![select(vec![60, 120, 150, 180, 300, 1_320]), 1..1_440_u32];
    let zone = prop_oneof![4 => Just(zone), 1 => select(&chrono_tz::TZ_VARIANTS[..])];
    (cut, zone, 0..12_u8, 0..8_u8).prop_map(|(cut, location, days, times)| {
        let at = |minute: u32| format!("{:02}:{:02}", minute / 60, minute % 60);
        let before = TimeRange::parse("00:00", &at(cut)).unwrap();
        let after = TimeRange::parse(&at(cut), "24:00").unwrap();
        let weekdays = |text| Some(vec![WeekdayRange::parse(text).unwrap()]);
        let days_of_month = |text| Some(vec![DayOfMonthRange::parse(text).unwrap()]);
        TimeInterval {
            times: match times {
                0..=2 => Some(vec![before]),
                3 | 4 => Some(vec![after]),
                5 | 6 => Some(vec![before, after]),
                _ => None,
            },
            weekdays: match days {
                0 => weekdays("monday:friday"),
                1 => weekdays("saturday"),
                _ => None,
            },
            days_of_month: match days {
                2 => days_of_month("1:28"),
                3 => days_of_month("-3:-1"),
                _ => None,
            },
            months: (days == 4).then(|| vec![MonthRange::parse("3:10").unwrap()]),
            years: None,
            location,
        }
    })
}

/// Intervals, a start near a change of their clocks or anywhere, and how many seconds are looked at.
fn spans() -> impl Strategy<Value = (Vec<TimeInterval>, DateTime<Utc>, i64)> {
    changes().prop_flat_map(|(zone, change)| {
        let near = (-90_000..20_000_i64).prop_map(move |seconds| change + TimeDelta::seconds(seconds));
        let any =
            (94_694_400..2_145_916_800_i64).prop_map(|second| DateTime::from_timestamp(second, 0).unwrap());
        let start = prop_oneof![3 => near, 1 => any];
        (proptest::collection::vec(interval(zone), 1..5), start, prop_oneof![0..90_000_i64, 0..604_800_i64])
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_pause_is_found_where_a_look_at_every_minute_finds_it(
        (time_intervals, from, seconds) in spans(),
    ) {
        let mut rule = config("drop: [{matchers: [a=b]}]").drop.remove(0);
        // Under one name or several: any of them counts.
        let (first, rest) = time_intervals.split_at(time_intervals.len() / 2);
        rule.active_time_intervals = [first, rest].map(|part| {
            Arc::new(NamedTimeInterval { name: String::new(), time_intervals: part.to_vec() })
        }).to_vec();
        let to = from + TimeDelta::seconds(seconds);
        let holds = |moment| rule.active_interval(moment).is_some();
        let minutes = (0..).map(|minute| from + TimeDelta::minutes(minute)).take_while(|moment| *moment < to);
        let walked = minutes.chain([to]).find(|moment| !holds(*moment));

        let found = rule.first_pause(from, to);
        prop_assert_eq!(found.is_some(), walked.is_some(), "{:?} {:?}", found, walked);
        if let (Some(found), Some(walked)) = (found, walked) {
            prop_assert!(found <= walked && walked - found < TimeDelta::minutes(1), "{found} {walked}");
            prop_assert!(!holds(found) && (found == from || holds(found - TimeDelta::seconds(1))), "{found}");
        }
    }
}

#[test]
fn what_is_dropped_always_is_dropped_at_every_time() {
    let text = "
notify_on: [ALARM, OK]
drop:
  - {name: young, matchers: ['alertname=~\".*\"', 'region=eu-west-1'], younger_than: 1h}
  - {name: night, matchers: ['region=eu-west-1'], active_time_intervals: [night]}
  - {name: tests, matchers: ['alertname=~\"test-.*\"']}
  - {name: nobodys, matchers: ['region=eu-west-1', 'team=\"\"']}
  - {name: resolved, matchers: ['state=resolved']}
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '24:00'}]}]}]
";
    let config = config(text);
    for (name, region, state, known, expected) in [
        ("test-cpu", "eu-west-1", "ALARM", true, Some("tests")),
        ("test-cpu", "eu-west-1", "ALARM", false, Some("tests")),
        ("cpu", "eu-west-1", "ALARM", true, Some("nobodys")),
        // It may have a team that nobody has told.
        ("cpu", "eu-west-1", "ALARM", false, None),
        ("cpu", "us-east-1", "ALARM", true, None),
        ("cpu", "us-east-1", "OK", true, Some("resolved")),
        ("cpu", "us-east-1", "INSUFFICIENT_DATA", true, Some(NOTIFY_ON)),
    ] {
        let mut alert = alarm(state, None, Cause::Action);
        alert.labels.set("alertname", name);
        alert.labels.set("region", region);
        alert.labels.set("state", alert.state.as_label());
        let dropped = dropped_always(&config, &alert, known);
        assert_eq!(
            dropped.as_ref().map(|dropped| &*dropped.rule),
            expected,
            "{name} {region} {state} {known}"
        );
        for now in ["2026-09-13T03:00:00Z", "2026-12-24T23:59:59Z"] {
            let verdict = decide_relay(&config, &alert, time(now));
            assert!(
                dropped.is_none() || matches!(verdict, Verdict::Drop(_)),
                "{name} {region} {state} {now}"
            );
        }
        assert!(asks_for_other_labels(&config, &alert));
        alert.labels.set("team", "orders");
        assert!(!asks_for_other_labels(&config, &alert));
    }
    assert_eq!(dropped_always(&Config::fail_open(), &alarm("ALARM", None, Cause::Action), true), None);
}
