use serde_json::json;

use super::super::Config;
use super::*;
use crate::envelope;

const CONFIG: &str = "
drop:
  - {name: young, matchers: [alertname=DatasourceError], younger_than: 30m}
route:
  receiver: default
  routes:
    - {matchers: [severity=critical], receiver: oncall, continue: true}
    - {matchers: [team=db], receiver: databases}
receivers: [{name: default}, {name: oncall}, {name: databases}]
heartbeats: [{name: prod, matchers: [alertname=Watchdog], every: 5m}]
digest_after: 2
";

/// A webhook of Grafana's, at this time, with these alerts: labels and the start of each.
fn webhook(at: &str, alerts: &[(&str, &str)]) -> String {
    let alerts = alerts.iter().map(|(labels, starts_at)| {
        format!("{{status: firing, labels: {{{labels}}}, startsAt: '{starts_at}'}}")
    });
    let alerts = alerts.collect::<Vec<_>>().join(", ");
    format!("{{source: grafana, time: '{at}', detail: {{status: firing, alerts: [{alerts}]}}}}")
}

/// A test with this event and these expectations.
fn test(event: &str, expected: &str) -> Test {
    let text = format!("config: a.yaml\ntests: [{{name: t, event: {event}, {expected}}}]");
    let suite = Suite::parse(&text).unwrap_or_else(|errors| panic!("{errors}: {text}"));
    suite.tests.into_iter().next().unwrap()
}

/// What of it is not as expected.
fn judged(event: &str, expected: &str) -> Vec<Mismatch> {
    let test = test(event, expected);
    let Event::Inline(event) = &test.event else { panic!("{test:?}") };
    let decoded = envelope::decode(event.to_string().as_bytes());
    let now = NOW.parse().unwrap();
    test.judge(&decoded, &Config::parse(CONFIG).unwrap(), now)
}

#[track_caller]
fn passes(event: &str, expected: &str) {
    assert_eq!(judged(event, expected), [], "{expected}");
}

/// `ALERT in FUNCTION: expected …, got …`, for each mismatch.
#[track_caller]
fn fails(event: &str, expected: &str, lines: &[&str]) {
    let found: Vec<_> = judged(event, expected)
        .iter()
        .map(|Mismatch { function, alert, expected, got, .. }| {
            let alert = alert.as_deref().unwrap_or("all");
            format!("{alert} in {function}: expected {expected}, got {got}")
        })
        .collect();
    assert_eq!(found, lines, "{expected}");
}

const NOW: &str = "2026-09-14T06:00:00Z";
const BEFORE: &str = "2026-09-14T05:00:00Z";

#[test]
fn what_the_relay_does_is_held_against_what_is_expected() {
    let critical = webhook(NOW, &[("alertname: cpu, severity: critical, team: db", NOW)]);
    passes(&critical, "cloudwatch-to-slack: {delivered: [oncall, databases]}");
    passes(
        &critical,
        "cloudwatch-to-slack: {alert: cpu, delivered: [databases, oncall], title: cpu (critical)}",
    );
    let got = "delivered to oncall by route.routes[0] severity=\"critical\" → oncall, and to databases by route.routes[1] team=\"db\" → databases";
    fails(
        &critical,
        "cloudwatch-to-slack: {delivered: [oncall]}",
        &[&format!("cpu in cloudwatch-to-slack: expected delivered to oncall, got {got}")],
    );
    fails(
        &critical,
        "cloudwatch-to-slack: {delivered: [oncall, database]}",
        &[&format!(
            "cpu in cloudwatch-to-slack: expected delivered to oncall, database (the configuration has no such receiver; did you mean databases?), got {got}"
        )],
    );
    fails(
        &critical,
        "cloudwatch-to-slack: {dropped: yung}",
        &[&format!(
            "cpu in cloudwatch-to-slack: expected dropped by yung (the configuration has no such drop rule; did you mean young?), got {got}"
        )],
    );
    fails(
        &critical,
        "cloudwatch-to-slack: {delivered: [oncall, databases], title: memory}",
        &[
            "cpu in cloudwatch-to-slack: expected a title with \"memory\", got the title \"🔴 cpu (critical)\"",
        ],
    );
    fails(
        &critical,
        "cloudwatch-to-slack: {alert: memory, delivered: [oncall, databases]}",
        &["cpu in cloudwatch-to-slack: expected the alert memory, got the alert cpu"],
    );
    passes(&webhook(NOW, &[("alertname: Watchdog", NOW)]), "cloudwatch-to-slack: {dropped: heartbeat prod}");
}

#[test]
fn what_the_filter_does_is_held_against_what_is_expected() {
    let young = webhook(NOW, &[("alertname: DatasourceError", NOW)]);
    passes(&young, "grafana-filter-to-sns: {dropped: young}, cloudwatch-to-slack: {dropped: young}");
    let got = "dropped by young: alertname=\"DatasourceError\" matches; it is 0s old, the limit is 30m";
    fails(
        &young,
        "grafana-filter-to-sns: {published: true}, cloudwatch-to-slack: {delivered: [default]}",
        &[
            &format!("DatasourceError in grafana-filter-to-sns: expected published, got {got}"),
            &format!("DatasourceError in cloudwatch-to-slack: expected delivered to default, got {got}"),
        ],
    );
    let old = webhook(NOW, &[("alertname: DatasourceError", BEFORE)]);
    passes(&old, "grafana-filter-to-sns: {published: true}");
    fails(
        &old,
        "grafana-filter-to-sns: {dropped: young}",
        &["DatasourceError in grafana-filter-to-sns: expected dropped by young, got published"],
    );
    let why = judged(&old, "grafana-filter-to-sns: {dropped: young}");
    assert_eq!(why[0].rules[0].why, "it is 1h old, the limit is 30m");
}

#[test]
fn of_several_alerts_each_is_looked_at() {
    let both = webhook(NOW, &[("alertname: DatasourceError", NOW), ("alertname: cpu", NOW)]);
    passes(
        &both,
        "grafana-filter-to-sns: [{alert: DatasourceError, dropped: young}, {alert: cpu, published: true}]",
    );
    fails(
        &both,
        "grafana-filter-to-sns: {published: true}",
        &[
            "DatasourceError in grafana-filter-to-sns: expected published, got dropped by young: alertname=\"DatasourceError\" matches; it is 0s old, the limit is 30m",
        ],
    );
    fails(
        &both,
        "grafana-filter-to-sns: [{published: true}]",
        &["all in grafana-filter-to-sns: expected 1 alert, got 2: DatasourceError, cpu"],
    );
    // Of nothing all may be said.
    let nothing = envelope::Decoded { records: Vec::new(), ..envelope::decode(b"{}") };
    let now = NOW.parse().unwrap();
    let none =
        test("{}", "cloudwatch-to-slack: {delivered: [default]}").judge(&nothing, &Config::default(), now);
    assert_eq!((none[0].expected.as_str(), none[0].got.as_str()), ("at least one alert", "none"));
    // A digest is one message for all of them.
    let many = webhook(NOW, &[("alertname: a", NOW), ("alertname: b", NOW), ("alertname: c", NOW)]);
    passes(&many, "cloudwatch-to-slack: {delivered: [default], title: 3 alerts}");
}

#[test]
fn an_event_is_the_json_that_it_says() {
    let suite = Suite::parse(
        "
config: ../alerts.yaml
tests:
  - name: a
    at: 2026-09-13T03:00:00+09:00
    event:
      text: 2026-09-14T05:00:00Z
      number: [1, -2.5, 1e3]
      account: 012345678901
      quoted: '1'
      nothing: [~, null, ]
      logic: [true, False]
      lines: |
        one
        two
    cloudwatch-to-slack: {dropped: x}
  - {name: b, event: b.json, grafana-filter-to-sns: {published: True}}",
    )
    .unwrap();
    assert_eq!(suite.config, "../alerts.yaml");
    let [first, second] = &suite.tests[..] else { panic!("{suite:?}") };
    let event = json!({
        "text": "2026-09-14T05:00:00Z", "number": [1, -2.5, 1e3], "account": "012345678901", "quoted": "1",
        "nothing": [null, null], "logic": [true, false], "lines": "one\ntwo\n",
    });
    assert_eq!(first.event, Event::Inline(event));
    assert_eq!(first.at, Some("2026-09-12T18:00:00Z".parse().unwrap()));
    assert_eq!((first.line, second.line), (4, 17));
    assert_eq!(second.event, Event::File("b.json".to_owned()));
    let published = ExpectedAlert { alert: None, outcome: Filtered::Published };
    assert_eq!(second.filter, Some(Expected::Every(published)));
}

#[test]
fn every_problem_has_its_place() {
    let problems = |text: &str| Suite::parse(text).unwrap_err().to_string();
    for (text, expected) in [
        ("", "line 1, column 1: expected a mapping with config, tests, found nothing"),
        ("[]", "line 1, column 1: expected a mapping with config, tests, found a list"),
        ("config: a.yaml", "line 1, column 1: expected the key `tests`, found none"),
        (
            "config: a.yaml\ntests: []",
            "line 2, column 8: tests: expected a list of at least one test, found an empty list",
        ),
        (
            "config: a\ntest: []",
            "line 1, column 1: expected the key `tests`, found none\nline 2, column 1: unknown key `test`; did you mean `tests`?",
        ),
        (
            "config: &a b\ntests: *a",
            "line 2, column 8: aliases (*name) are not supported: write the value out",
        ),
    ] {
        assert_eq!(problems(text), expected, "{text}");
    }
    let text = "
config: a.yaml
tests:
  - name: a
    event: {a: 1, a: 2}
    at: 2026-09-13T03:00:00
    cloudwatch-to-slak: {dropped: x}
  - name: a
    event: []
    cloudwatch-to-slack: {}
  - name: c
    event: e.json
    cloudwatch-to-slack:
      - {dropped: x, delivered: [y]}
      - {dropped: x, title: z}
      - {delivered: []}
    grafana-filter-to-sns: {published: false}
  - {name: d, event: '', grafana-filter-to-sns: {delivered: [x]}}";
    let expected = [
        "line 4, column 5: tests[0]: expected the key `cloudwatch-to-slack` or `grafana-filter-to-sns`: what it is to do with the event",
        "line 5, column 19: tests[0].event: duplicate key `a`, first on line 5",
        "line 6, column 9: tests[0].at: expected a time with its zone, such as 2026-09-13T03:00:00+09:00, found `2026-09-13T03:00:00`",
        "line 7, column 5: tests[0]: unknown key `cloudwatch-to-slak`; did you mean `cloudwatch-to-slack`?",
        "line 8, column 11: tests[1].name: expected a name of its own, found `a` a second time",
        "line 9, column 12: tests[1].event: expected an event as Lambda gets it, or the name of its file, found a list",
        "line 10, column 26: tests[1].cloudwatch-to-slack: expected the key `delivered` or `dropped`, found neither",
        "line 14, column 19: tests[2].cloudwatch-to-slack[0].dropped: expected no `delivered` beside it",
        "line 15, column 29: tests[2].cloudwatch-to-slack[1].title: expected `delivered` beside it: only what somebody gets has a title",
        "line 16, column 21: tests[2].cloudwatch-to-slack[2].delivered: expected a list of at least one receiver (for what nobody gets, `dropped` with the rule's name), found an empty list",
        "line 17, column 40: tests[2].grafana-filter-to-sns.published: expected true (or `dropped` with the rule's name), found `false`",
        "line 18, column 22: tests[3].event: expected a file's name, from where this file is, found ``",
        "line 18, column 49: tests[3].grafana-filter-to-sns: expected the key `published` or `dropped`, found neither",
        "line 18, column 50: tests[3].grafana-filter-to-sns: unknown key `delivered`; expected one of alert, published, dropped",
    ];
    assert_eq!(problems(text).lines().collect::<Vec<_>>(), expected);
    let deep = format!("config: a\ntests: [{{name: a, event: {}{}}}]", "[".repeat(200), "]".repeat(200));
    assert!(problems(&deep).contains("nested deeper than 128 levels"));
    let long = format!("config: a\ntests: [{{name: {}}}]", "a".repeat(DOCUMENT_MAX_BYTES));
    assert!(problems(&long).contains("expected at most 4096 KiB"));
}
