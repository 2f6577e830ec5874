use proptest::prelude::*;
use proptest::sample::select;

use super::super::Config;
use crate::alert::{Alert, Cause, Source, State};
use crate::decide;

/// The findings about a configuration.
fn findings(text: &str) -> Vec<String> {
    let (config, warnings) = Config::check(text).unwrap();
    assert_eq!(Config::parse(text).as_ref(), Ok(&config), "{text}");
    warnings.iter().map(ToString::to_string).collect()
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(findings(text), expected, "{text}");
}

#[test]
fn what_has_effect_is_fine() {
    check("", &[]);
    check("timezone: Asia/Seoul", &[]);
    check("receivers: [{name: ops}]", &[]);
    // It stands in for those that cannot be had.
    check("route: {receiver: ops}\nreceivers: [{name: ops}, {name: default}]", &[]);
    check(include_str!("../../../../../infra/alerts.example.yaml"), &[]);
}

#[test]
fn what_nobody_names() {
    check(
        "
time_intervals:
  - {name: night, time_intervals: [{weekdays: [monday]}]}
  - {name: day, time_intervals: [{weekdays: [friday]}]}
drop: [{matchers: [a=b], active_time_intervals: [day]}]
route:
  receiver: default
  routes: [{receiver: oncall, matchers: [severity=critical]}]
receivers:
  - name: default
  - name: oncall
  - name: databases
    mention: '<!here>'",
        &[
            "line 3, column 5: time_intervals[0]: no drop rule names `night` in its active_time_intervals",
            "line 12, column 5: receivers[2]: no route leads to `databases`, so that it gets no alert",
        ],
    );
    // All of it is taken by those below it, and another stands in for those that cannot be had.
    check(
        "route: {receiver: root, routes: [{matchers: [a=b], continue: true}, {receiver: all}]}\nreceivers: [{name: root}, {name: all}, {name: default}]",
        &[],
    );
    check(
        "route: {receiver: root, routes: [{receiver: all}]}\nreceivers: [{name: root}, {name: all}, {name: default}]",
        &["line 2, column 13: receivers[0]: no route leads to `root`, so that it gets no alert"],
    );
    check(
        "receivers: [{name: default}, {name: 'https://hooks.slack.com/services/T0/B0/x'}]",
        &[
            "line 1, column 30: receivers[1]: no route leads to a URL or ciphertext (not shown), so that it gets no alert",
        ],
    );
}

#[test]
fn what_can_never_match() {
    check(
        "
drop:
  - matchers: [a=b, 'a=~\"c.*\"']
  - matchers: ['a=~\"b.*\"', a=bc]
heartbeats: [{name: w, matchers: [a=b, a!=b], every: 5m}]
route:
  receiver: default
  routes:
    - matchers: [severity=critical]
      routes:
        - matchers: ['severity=~\"warning|info\"']
          receiver: unheard
receivers: [{name: default}, {name: unheard}]",
        &[
            "line 3, column 5: drop[0]: never matches: no alert has both `a=\"b\"` and `a=~\"c.*\"`",
            "line 5, column 14: heartbeats[0]: never matches: no alert has both `a=\"b\"` and `a!=\"b\"`",
            "line 11, column 11: route.routes[0].routes[0]: never matches: no alert has both `severity=\"critical\"` and `severity=~\"warning|info\"`, with what the routes ask for that it stands in",
            "line 13, column 30: receivers[1]: no route leads to `unheard`, so that it gets no alert",
        ],
    );
}

#[test]
fn routes_that_others_are_asked_before() {
    check(
        "
route:
  receiver: default
  routes:
    - matchers: ['severity=~\"critical|error\"']
    - matchers: [severity=critical]
      receiver: one
    - matchers: [team=db]
      receiver: two
      routes:
        - matchers: [severity=error]
          receiver: one
        - matchers: [team=db]
          receiver: two
        - {receiver: one}
    - {receiver: two, continue: true}
receivers: [{name: default}, {name: one}, {name: two}]",
        &[
            "line 6, column 7: route.routes[1]: never reached: route.routes[0] before it takes all of its alerts, and has no `continue: true`",
            "line 11, column 11: route.routes[2].routes[0]: never reached: route.routes[0] before it takes all of its alerts, and has no `continue: true`",
            "line 15, column 11: route.routes[2].routes[2]: never reached: route.routes[2].routes[1] before it takes all of its alerts, and has no `continue: true`",
            "line 16, column 33: route.routes[3].continue: has no effect: no route follows beside it",
            "line 17, column 30: receivers[1]: no route leads to `one`, so that it gets no alert",
        ],
    );
}

#[test]
fn rules_that_another_one_has_spoken_before() {
    let rules = |first: &str, second: &str| {
        let intervals = "time_intervals: [{name: n, time_intervals: [{weekdays: [monday]}]}, {name: m, time_intervals: [{weekdays: [monday]}]}]";
        let always = "{matchers: [z=z], active_time_intervals: [n, m]}";
        let text = format!("{intervals}\ndrop: [{always}, {{name: one, {first}}}, {{name: two, {second}}}]");
        findings(&text).len()
    };
    for (first, second, count) in [
        ("matchers: [a=b]", "matchers: [a=b, c=d]", 1),
        ("matchers: ['a=~\"b|c\"']", "matchers: [a=b], younger_than: 1h", 1),
        ("matchers: [a=b, c=d]", "matchers: [a=b]", 0),
        ("matchers: [a=b], younger_than: 1h", "matchers: [a=b], younger_than: 30m", 1),
        ("matchers: [a=b], younger_than: 30m", "matchers: [a=b], younger_than: 1h", 0),
        ("matchers: [a=b], younger_than: 30m", "matchers: [a=b]", 0),
        ("matchers: [a=b], active_time_intervals: [n, m]", "matchers: [a=b], active_time_intervals: [n]", 1),
        ("matchers: [a=b], active_time_intervals: [n]", "matchers: [a=b], active_time_intervals: [n, m]", 0),
        ("matchers: [a=b], active_time_intervals: [n]", "matchers: [a=b]", 0),
    ] {
        assert_eq!(rules(first, second), count, "{first}; {second}");
    }
    check(
        "drop: [{name: one, matchers: [a=b]}, {name: two, matchers: [a=b]}]",
        &["line 1, column 38: drop[1]: drops nothing: `one` before it drops all that it would"],
    );
}

#[test]
fn what_a_webhook_cannot_do() {
    let text = |webhook: &str| {
        format!(
            "
route: {{receiver: ops, escalate: {{after: 10m}}, routes: [{{matchers: [a=b], receiver: db}}, {{matchers: [a=c], escalate: none}}]}}
receivers:
  - {{name: ops, webhook: kms:AQICAHhw, evidence: {{chart: true}}}}
  - {{name: db, {webhook}}}"
        )
    };
    check(
        &text("webhook: kms:AQICAHhw"),
        &[
            "line 2, column 34: route.escalate: nobody can acknowledge what goes by a `webhook`, so that nothing is told louder: give its receiver `slack` instead",
            "line 4, column 50: receivers[0].evidence: no message by a `webhook` can be changed or answered, so that it shows neither chart nor log lines",
        ],
    );
    assert_eq!(findings(&text("slack: {channel: C1}")).len(), 1);
}

#[test]
fn zones_without_summer_time() {
    check(
        "timezone: EST\ntime_intervals: [{name: n, time_intervals: [{location: MST}]}]\ndrop: [{matchers: [a=b], active_time_intervals: [n]}]",
        &[
            "line 1, column 11: timezone: `EST` is UTC-5 all the year, without summer time: `America/New_York` has it",
            "line 2, column 56: time_intervals[0].time_intervals[0].location: `MST` is UTC-7 all the year, without summer time: `America/Denver` has it",
        ],
    );
}

const VALUES: [&str; 4] = ["", "x", "y", "z"];

fn matcher() -> impl Strategy<Value = String> {
    let operator_and_value =
        select(&["=x", "=y", "!=x", "=\"\"", "!=\"\"", "=~\"x|y\"", "!~\"x|y\"", "=~\".+\""][..]);
    (select(&["a", "b"][..]), operator_and_value).prop_map(|(name, rest)| format!("'{name}{rest}'"))
}

fn matchers(least: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(matcher(), least..3).prop_map(|all| format!("[{}]", all.join(", ")))
}

fn routes() -> impl Strategy<Value = String> {
    let route = |below: BoxedStrategy<String>| {
        let own = (matchers(0), select(&["one", "two", "three"][..]), any::<bool>(), below);
        own.prop_map(|(matchers, receiver, goes_on, routes)| {
            format!("{{matchers: {matchers}, receiver: {receiver}, continue: {goes_on}, routes: [{routes}]}}")
        })
    };
    let list =
        |one: BoxedStrategy<String>| prop::collection::vec(one, 0..4).prop_map(|all| all.join(", ")).boxed();
    let leaves = list(route(Just(String::new()).boxed()).boxed());
    list(route(leaves).boxed())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is called without effect has none, for any alert.
    #[test]
    fn every_finding_is_true(routes in routes(), drops in prop::collection::vec(matchers(1), 0..4)) {
        let rules: Vec<_> = drops.iter().map(|matchers| format!("{{matchers: {matchers}}}")).collect();
        let text = format!(
            "drop: [{}]\nroute: {{receiver: default, routes: [{routes}]}}\nreceivers: [{{name: default}}, {{name: one}}, {{name: two}}, {{name: three}}]",
            rules.join(", ")
        );
        // Some of what has no effect is refused as a mistake.
        let Ok((config, warnings)) = Config::check(&text) else { return Ok(()) };
        for (a, b) in VALUES.iter().flat_map(|a| VALUES.iter().map(move |b| (*a, *b))) {
            let mut alert = Alert::new(Source::Unknown, "n", State::Firing, "firing");
            alert.cause = Cause::Action;
            alert.labels.set("a", a);
            alert.labels.set("b", b);
            let routed = decide::routed(&config, &alert);
            let dropped = decide::dropped_by(&config, &alert, chrono::DateTime::UNIX_EPOCH);
            for warning in &warnings {
                let path = warning.path.as_str();
                if let Some(index) = path.strip_prefix("receivers[").and_then(|rest| rest.strip_suffix(']')) {
                    let name = &config.receivers[index.parse::<usize>().unwrap()].name;
                    prop_assert!(routed.iter().all(|one| one.receiver.name != *name), "{warning}: {text}");
                } else if path.starts_with("drop[") {
                    prop_assert!(dropped.as_ref().is_none_or(|one| one.rule != path), "{warning}: {text}");
                } else if path.starts_with("route.") && !path.ends_with(".continue") {
                    let place = |route: &str| route.split(' ').next().unwrap_or_default().to_owned();
                    prop_assert!(routed.iter().all(|one| place(&one.route) != path), "{warning}: {text}");
                }
            }
            // What continues to nothing may as well stop.
            let mut stopped = config.clone();
            for warning in warnings.iter().filter(|warning| warning.path.ends_with(".continue")) {
                let route = warning.path.trim_end_matches(".continue");
                stop(&mut stopped.route, route);
            }
            prop_assert_eq!(decide::routed(&stopped, &alert), routed);
        }
    }
}

fn stop(route: &mut super::Route, path: &str) {
    if route.path == path {
        route.continue_after = false;
    }
    route.routes.iter_mut().for_each(|below| stop(below, path));
}
