use chrono::TimeDelta;
use proptest::prelude::*;

use super::super::{Allowed, DEFAULT_DROP_RULE, SilenceWith};
use super::*;
use crate::incident::{End, RECENT_MAX, Reminder};
use crate::render::page::Language;

/// The configuration of the documentation, with every key.
const FULL: &str = r#"
drop:                                   # default when the key is absent: the first rule alone
  - name: grafana-datasource-errors
    matchers: ['alertname="DatasourceError"']
  - name: eks-restart
    matchers: ['alertname=~"DatasourceError|DatasourceNoData"']
    active_time_intervals: [eks-nightly]     # only then
  - matchers: ['alertname="DatasourceError"', '{a=b,c!~"d"}']
    younger_than: 1h30m
time_intervals:
  - name: eks-nightly
    time_intervals:
      - times: [{start_time: '21:50', end_time: '24:00'}]
        weekdays: ['monday:friday']
        location: Asia/Seoul
      - times: [{start_time: '00:00', end_time: '08:10'}]
        weekdays: ['tuesday:saturday']
        location: Asia/Seoul
  - name: seldom
    time_intervals: [{days_of_month: [1, '-3:-1'], months: [1, 'may:june'], years: [2026, '2028:2030']}]
route:
  receiver: default
  routes:
    - matchers: ['severity="critical"']
      receiver: oncall
      continue: true
      routes:
        - matchers: [region = us-east-1]
    - {receiver: oncall}
receivers:
  - name: default
  - name: oncall
    webhook: kms:AQICAHhw
    channel: '#oncall'
    mention: '<!subteam^S012345> <!here>  <@U0AB>'
accounts: {"012345678901": prod, 123456789012: 시험}
timezone: Asia/Seoul
notify_on: [ALARM, OK]
digest_after: 7
publish: group
messages: {rendering: modern, reopen_within: 1h30m, flapping_after: 19, reminder: edit, end: shown}
actions: {allow: [<@U012345>, '<!subteam^S012345|oncall>'], silence_with: cloudwatch}
language: ko
"#;

#[test]
fn reads_every_key() {
    let config = Config::parse(FULL).unwrap();
    let names: Vec<_> = config.drop.iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["grafana-datasource-errors", "eks-restart", "drop[2]"]);
    assert_eq!(config.drop[2].matchers.to_string(), r#"alertname="DatasourceError", a="b", c!~"d""#);
    assert_eq!(config.drop[2].younger_than, Some(TimeDelta::minutes(90)));
    let night = "2026-07-06T22:00:00+09:00".parse().unwrap();
    assert_eq!(config.drop[1].active_interval(night).unwrap().name, "eks-nightly");
    assert_eq!(config.time_intervals.len(), 2);
    assert_eq!(config.route.to_string(), "route → default");
    assert_eq!(config.route.routes[0].to_string(), r#"route.routes[0] severity="critical" → oncall"#);
    assert!(config.route.routes[0].continue_after);
    let inherited = &config.route.routes[0].routes[0];
    assert_eq!(inherited.to_string(), r#"route.routes[0].routes[0] region="us-east-1" → oncall"#);
    let oncall = config.receiver("oncall").unwrap();
    assert_eq!(oncall.target, Some(Target::webhook("AQICAHhw")));
    assert_eq!(oncall.channel.as_deref(), Some("#oncall"));
    assert_eq!(oncall.mention.as_deref(), Some("<!subteam^S012345> <!here> <@U0AB>"));
    assert_eq!(config.account_name("012345678901"), "prod");
    assert_eq!(config.account_name("123456789012"), "시험");
    assert_eq!(config.account_name("999999999999"), "999999999999");
    assert_eq!(config.timezone, Tz::Asia__Seoul);
    assert_eq!(config.notify_on, Some(vec![AlarmState::Alarm, AlarmState::Ok]));
    assert_eq!(config.digest_after, 7);
    assert_eq!(config.publish, Publish::Group);
    assert_eq!(config.rendering, Rendering::Modern);
    let policy = Policy {
        reopen_within: TimeDelta::minutes(90),
        flapping_after: RECENT_MAX - 1,
        reminder: Reminder::Edit,
        end: End::Shown,
    };
    assert_eq!(config.policy, policy);
    assert_eq!(config.language, Language::Korean);
    let allow = vec![Allowed::User("U012345".to_owned()), Allowed::UserGroup("S012345".to_owned())];
    assert_eq!(config.actions, Actions { allow, silence_with: SilenceWith::CloudWatch });
}

#[test]
fn what_messages_leave_out_is_as_it_always_is() {
    let policy = |text: &str| Config::parse(text).unwrap().policy;
    let default = Policy::default();
    assert_eq!(policy("messages: {rendering: plain}"), default);
    for (text, expected) in [
        ("reopen_within: 1s", Policy { reopen_within: TimeDelta::seconds(1), ..default }),
        ("reopen_within: 1d", Policy { reopen_within: TimeDelta::days(1), ..default }),
        ("flapping_after: 1", Policy { flapping_after: 1, ..default }),
        ("reminder: edit", Policy { reminder: Reminder::Edit, ..default }),
        ("end: edit", Policy { end: End::Edit, ..default }),
        ("reminder: reply, end: reply, reopen_within: 10m, flapping_after: 4", default),
    ] {
        assert_eq!(policy(&format!("messages: {{{text}}}")), expected, "{text}");
    }
    check(
        "messages:\n  reopen_within: 25h\n  flapping_after: 20\n  reminder: shown\n  end: none\n  ring: 1",
        &[
            "line 2, column 18: messages.reopen_within: expected a duration from 1s to 1d, such as 10m, found `25h`",
            "line 3, column 19: messages.flapping_after: expected a whole number from 1 to 19, found `20`",
            "line 4, column 13: messages.reminder: expected reply or edit, found `shown`",
            "line 5, column 8: messages.end: expected reply, shown or edit, found `none`",
            "line 6, column 3: messages: unknown key `ring`; expected one of rendering, reopen_within, flapping_after, reminder, end",
        ],
    );
    for (text, expected) in [
        (
            "reopen_within: 999ms",
            "27: messages.reopen_within: expected a duration from 1s to 1d, such as 10m, found `999ms`",
        ),
        (
            "reopen_within: 10",
            "27: messages.reopen_within: expected a duration from 1s to 1d, such as 10m, found `10`",
        ),
        ("flapping_after: 0", "28: messages.flapping_after: expected a whole number from 1 to 19, found `0`"),
        (
            "flapping_after: '4'",
            "28: messages.flapping_after: expected a whole number from 1 to 19, found the text `4`",
        ),
    ] {
        check(&format!("messages: {{{text}}}"), &[&format!("line 1, column {expected}")]);
    }
    check(
        "messages: quiet",
        &[
            "line 1, column 11: messages: expected a mapping with rendering, reopen_within, flapping_after, reminder, end, found a text",
        ],
    );
}

#[test]
fn an_empty_document_is_the_default() {
    for text in ["", "\n", "---\n", "# nothing\n", "\u{feff}", "{}", "~"] {
        assert_eq!(Config::parse(text).unwrap(), Config::default(), "{text:?}");
    }
    assert_eq!(Config::parse(&FULL.replace('\n', "\r\n")).unwrap(), Config::parse(FULL).unwrap());
    let config = Config::default();
    assert_eq!(config.drop.len(), 1);
    assert_eq!(config.drop[0].name, DEFAULT_DROP_RULE);
    assert_eq!(config.drop[0].matchers.to_string(), r#"alertname="DatasourceError""#);
    assert_eq!(config.default_receiver().name, DEFAULT_RECEIVER);
    assert!(Config::fail_open().drop.is_empty());
    assert!(Config::parse("drop: []").unwrap().drop.is_empty());
}

#[test]
fn without_a_route_the_first_receiver_has_it_unless_one_is_default() {
    let route = |text| Config::parse(text).unwrap().route.to_string();
    assert_eq!(route("receivers: [{name: a}, {name: b}]"), "route → a");
    assert_eq!(route("receivers: [{name: a}, {name: default}]"), "route → default");
    assert_eq!(route("route: {receiver: default}"), "route → default");
}

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let errors = Config::parse(text).unwrap_err();
    let lines = errors.to_string();
    assert_eq!(lines.lines().collect::<Vec<_>>(), expected, "{text}");
    assert_eq!(errors.problems().len(), expected.len());
}

#[test]
fn names_line_and_column() {
    check(
        "drop: x\n",
        &["line 1, column 7: drop: expected a list of rules ([] drops nothing), found a text"],
    );
    check("drop:\n", &["line 1, column 5: drop: expected a list of rules ([] drops nothing), found nothing"]);
    check(
        "- a",
        &[
            "line 1, column 1: expected a mapping with drop, time_intervals, route, receivers, accounts, timezone, notify_on, digest_after, publish, messages, evidence, actions, heartbeats, canary, receipt, second_way, language, found a list",
        ],
    );
    check("\nrecievers: []", &["line 2, column 1: unknown key `recievers`; did you mean `receivers`?"]);
    check(
        "group_by: []",
        &[
            "line 1, column 1: unknown key `group_by`; expected one of drop, time_intervals, route, receivers, accounts, timezone, notify_on, digest_after, publish, messages, evidence, actions, heartbeats, canary, receipt, second_way, language",
        ],
    );
    check("timezone: UTC\ntimezone: UTC", &["line 2, column 1: duplicate key `timezone`, first on line 1"]);
    check(
        "timezone: Asia/Soul",
        &[
            "line 1, column 11: timezone: expected a time zone of the IANA database such as Asia/Seoul or UTC, found `Asia/Soul`; did you mean `Asia/Seoul`?",
        ],
    );
    check(
        "time_intervals: [{name: n, time_intervals: [{location: IST}]}]\ntimezone: KST",
        &[
            "line 1, column 56: time_intervals[0].time_intervals[0].location: expected a time zone of the IANA database such as Asia/Seoul or UTC, found `IST`; did you mean `Asia/Kolkata` or `Europe/Dublin` or `Asia/Jerusalem`?",
            "line 2, column 11: timezone: expected a time zone of the IANA database such as Asia/Seoul or UTC, found `KST`; did you mean `Asia/Seoul`?",
        ],
    );
    check("drop:\n  - name: x", &["line 2, column 5: drop[0]: expected the key `matchers`, found none"]);
    check(
        "drop: [{matchers: []}]",
        &[
            "line 1, column 19: drop[0].matchers: expected a list of at least one matcher: a rule without would drop everything, found an empty list",
        ],
    );
    check(
        "drop: [{matchers: ['{}']}]",
        &[
            "line 1, column 20: drop[0].matchers[0]: expected a matcher such as severity=\"critical\", found none",
        ],
    );
    check(
        "drop: [{matchers: [a=b], younger_than: 30 m, active_time_intervals: [night]}]",
        &[
            "line 1, column 40: drop[0].younger_than: expected a duration longer than nothing, such as 30m, 1h30m or 1d, found `30 m`",
            "line 1, column 70: drop[0].active_time_intervals[0]: unknown time interval `night`; there is none at all",
        ],
    );
    check(
        "digest_after: 0",
        &["line 1, column 15: digest_after: expected a whole number from 1 to 1000000, found `0`"],
    );
    check(
        "digest_after: '5'",
        &["line 1, column 15: digest_after: expected a whole number from 1 to 1000000, found the text `5`"],
    );
    check("publish: all", &["line 1, column 10: publish: expected auto, alert or group, found `all`"]);
    check(
        "notify_on: [alarm]",
        &["line 1, column 13: notify_on[0]: expected ALARM, OK or INSUFFICIENT_DATA, found `alarm`"],
    );
    check(
        "accounts: {12345: x}",
        &[
            "line 1, column 12: accounts.12345: expected an account number of twelve digits, in double quotes so that leading zeros stay, found `12345`",
        ],
    );
}

#[test]
fn points_into_the_matcher() {
    let tail = "expected a label name, found `,`";
    check("drop:\n  - matchers: ['a=b,,']", &[&format!("line 2, column 21: drop[0].matchers[0]: {tail}")]);
    check(
        "drop:\n  - matchers: [\"a=\\\"b\\\",,\"]",
        &[&format!("line 2, column 25: drop[0].matchers[0]: {tail}")],
    );
    check(
        "drop:\n  - matchers: ['a=\"''\",,']",
        &[&format!("line 2, column 24: drop[0].matchers[0]: {tail}")],
    );
    check(
        "drop:\n  - matchers:\n      - 한=b,,",
        &[&format!("line 3, column 13: drop[0].matchers[0]: {tail}")],
    );
    check(
        "drop:\n  - matchers:\n      - |\n        a=b,,",
        &[&format!("line 4, column 9: drop[0].matchers[0]: {tail}")],
    );
    check(
        "drop: [{matchers: ['a=~\"x(y\"']}]",
        &[
            "line 1, column 26: drop[0].matchers[0]: expected a regular expression, found one that does not parse: unclosed group",
        ],
    );
}

#[test]
fn time_intervals() {
    let head = "time_intervals: [{name: n, time_intervals: [";
    let path = "time_intervals[0].time_intervals[0]";
    let night = format!("{head}{{times: [{{start_time: '22:00', end_time: '06:00'}}]}}]}}]");
    check(
        &night,
        &[&format!(
            "line 1, column 86: {path}.times[0].end_time: expected an end after 22:00 (a night takes two ranges, one until 24:00 and one from 00:00), found `06:00`"
        )],
    );
    let weekdays = format!("{head}{{weekdays: [Monday]}}]}}]");
    check(
        &weekdays,
        &[&format!(
            "line 1, column 57: {path}.weekdays[0]: expected a weekday from sunday to saturday in lower case, or a range such as monday:friday, found `Monday`"
        )],
    );
    let nothing = format!("{head}{{}}]}}]");
    check(
        &nothing,
        &[&format!(
            "line 1, column 45: {path}: expected at least one of times, weekdays, days_of_month, months, years, location"
        )],
    );
    // A broken interval is one problem: what refers to it is no other.
    check(
        "drop: [{matchers: [a=b], active_time_intervals: [n]}]\ntime_intervals: [{name: n, time_intervals: []}, {name: n, time_intervals: [{years: [x]}]}]",
        &[
            "line 2, column 44: time_intervals[0].time_intervals: expected a list of at least one interval, found an empty list",
            "line 2, column 56: time_intervals[1].name: expected a name of its own, found `n` a second time",
            "line 2, column 85: time_intervals[1].time_intervals[0].years[0]: expected a year such as 2026, or a range such as 2026:2028, found `x`",
        ],
    );
}

#[test]
fn routes() {
    check("route: {}", &["line 1, column 8: route: expected the key `receiver`, found none"]);
    check(
        "route: {receiver: defualt, matchers: [a=b], continue: true}",
        &[
            "line 1, column 19: route.receiver: unknown receiver `defualt`; did you mean `default`?",
            "line 1, column 38: route.matchers: the root route takes every alert: it has no matchers",
            "line 1, column 55: route.continue: the root route takes every alert: it has no continue",
        ],
    );
    check(
        "route: {receiver: x}\nreceivers: [{name: a}, {name: b}]",
        &["line 1, column 19: route.receiver: unknown receiver `x`; there are `a`, `b`"],
    );
    check(
        "route:\n  receiver: default\n  routes:\n    - matchers: [a=b]\n    - matchers: [c=d, a=b]\n    - continue: true\n    - {}\n    - matchers: [e=f]\n      mute_time_intervals: []",
        &[
            "line 5, column 7: route.routes[1]: unreachable: route.routes[0] before it takes every alert with `a=\"b\"` and has no `continue: true`",
            "line 8, column 7: route.routes[4]: unreachable: route.routes[3] before it takes every alert and has no `continue: true`",
            "line 9, column 7: route.routes[4]: unknown key `mute_time_intervals`; expected one of receiver, matchers, continue, escalate, routes",
        ],
    );
}

#[test]
fn a_secret_is_never_shown() {
    const SECRET: &str = "T00000000/B00000000/XXXXXXXXXXXX0XXXXXXXXXXX";
    let url = format!("https://hooks.slack.com/services/{SECRET}");
    let bare = format!("hooks.slack.com/services/{SECRET}");
    for text in [
        format!("receivers: [{{name: a, webhook: '{url}'}}]"),
        format!("receivers: [{{name: a, webhook: '{bare}'}}]"),
        format!("receivers: [{{name: a, webhook: 'kms:{url}'}}]"),
        format!("receivers: [{{name: a, webhook: ['{url}']}}]"),
        format!("receivers: [{{name: a, webhook: {{'{url}': '{bare}'}}}}]"),
        format!("receivers: [{{name: a, channel: \"{url}\\n\"}}]"),
        format!("receivers: [{{name: a, mention: '{url}'}}]"),
        format!("receivers: [{{name: '{url}'}}, {{name: '{url}'}}]"),
        format!("receivers: [{{name: a, '{url}': b}}]"),
        format!("receivers: '{url}'"),
        format!("'{bare}': b"),
        format!("accounts: {{'{url}': b}}"),
        format!("route: {{receiver: '{url}'}}"),
        format!("route: {{receiver: x}}\nreceivers: [{{name: '{url}'}}]"),
        format!("timezone: '{url}'"),
        format!("timezone: '{SECRET}'"),
        format!("publish: '{url}'"),
        format!("actions: {{allow: ['{url}', '<{url}>'], silence_with: '{url}'}}"),
        format!("digest_after: '{url}'"),
        format!("messages: {{reopen_within: '{url}', reminder: '{url}', end: '{SECRET}'}}"),
        format!("drop: [{{matchers: ['{url}']}}]"),
        format!("drop: [{{matchers: [a=b], younger_than: '{url}', active_time_intervals: ['{url}']}}]"),
        format!("receivers:\n  - name: a\n    webhook: {url}: x\n  bad"),
        format!("receivers: [{{name: a, webhook: *{url}}}]"),
        format!("receivers: [{{name: a, webhook: !{url} x}}]"),
        format!("webhook: \"{url}\\q\""),
        format!("publish: {}", &SECRET[20..]),
    ] {
        let errors = Config::parse(&text).unwrap_err();
        for shown in [errors.to_string(), format!("{errors:?}")] {
            assert!(!shown.contains("T0000") && !shown.contains("XXXX"), "{text}\n{shown}");
        }
    }
    check(
        &format!("receivers: [{{name: a, webhook: '{url}'}}]"),
        &[
            "line 1, column 32: receivers[0].webhook: expected `kms:` and the base64 ciphertext of the webhook's URL, as `alertctl encrypt-secret` makes it, found a plain URL (not shown: it is a secret)",
        ],
    );
}

#[test]
fn mentions() {
    let receiver = |mention: &str| Config::parse(&format!("receivers: [{{name: a, mention: '{mention}'}}]"));
    for good in [
        "<!here>",
        "<!channel>",
        "<!everyone>",
        "<!subteam^S012345>",
        "<@U012345>",
        "<@W1> <!here>",
        &"<@U012345678> ".repeat(71),
    ] {
        assert!(receiver(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        " ",
        "@here",
        "<!all>",
        "<!subteam^s1>",
        "<!subteam^S>",
        "<@B1>",
        "<@U1|x>",
        "<!here><!channel>",
        "<#C1>",
        &"<@U012345678> ".repeat(72),
    ] {
        assert!(receiver(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_channel_is_no_url_and_no_token() {
    let channel = |text: &str| Config::parse(&format!("receivers: [{{name: a, channel: '{text}'}}]"));
    for good in ["#oncall", "@somebody", "C012345", "온콜"] {
        assert!(channel(good).is_ok(), "{good}");
    }
    for bad in [
        "https://hooks.slack.com/services/T0/B0/x",
        "hooks.slack.com/services/T0/B0/x",
        "xoxb-1-2-slack.com",
        "#xoxp-1-2-slack.com",
        "",
    ] {
        let error = channel(bad).unwrap_err().to_string();
        assert!(
            error.contains("receivers[0].channel: expected a channel") && !error.contains("slack.com"),
            "{error}"
        );
    }
}

#[test]
fn durations() {
    let minutes = |text: &str| {
        let text = format!("drop: [{{matchers: [a=b], younger_than: '{text}'}}]");
        Config::parse(&text).ok().map(|config| config.drop[0].younger_than.unwrap().num_minutes())
    };
    for (text, expected) in [
        ("30m", Some(30)),
        ("1h30m", Some(90)),
        ("1d", Some(1440)),
        ("1y1w", Some((365 + 7) * 1440)),
        ("90s500ms", Some(1)),
        ("60000ms", Some(1)),
        ("", None),
        ("0", None),
        ("0s", None),
        ("30", None),
        ("m", None),
        ("30m1h", None),
        ("1m1m", None),
        ("-5m", None),
        ("1.5h", None),
        ("99999999999999999999y", None),
        ("9999999999999y", None),
    ] {
        assert_eq!(minutes(text), expected, "{text}");
    }
}

#[test]
fn limits() {
    let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    check(&deep(33), &["line 1, column 33: nested deeper than 32 levels"]);
    // Here the parser's own limit comes first.
    assert!(
        Config::parse(&"[".repeat(100_000)).unwrap_err().to_string().ends_with("recursion limit exceeded")
    );
    check(&"- ".repeat(100_000), &["line 1, column 65: nested deeper than 32 levels"]);
    assert!(Config::parse(&deep(32)).unwrap_err().to_string().contains("expected a mapping"));
    let long = format!("#{}", " ".repeat(DOCUMENT_MAX_BYTES));
    check(&long, &["line 1, column 1: expected at most 256 KiB, found 262145 bytes"]);
    check("a: &x [1]\nb: *x", &["line 2, column 4: aliases (*name) are not supported: write the value out"]);
    check("publish: !!str alert", &["line 1, column 10: tags (!name) are not supported: leave it out"]);
    check(
        "publish: alert\n---\npublish: group",
        &["line 2, column 1: expected one document, found the start of another"],
    );
    check("a: [\nb: ]", &["line 2, column 1: no valid YAML: invalid indentation"]);
}

proptest! {
    #[test]
    fn never_panics(text in r#"([-:?,{}\[\]&*!|>'"%@` #\n\t]|drop|route|matchers|name|a=b|\PC){0,60}"#) {
        if let Err(errors) = Config::parse(&text) {
            prop_assert!(!errors.problems().is_empty());
            prop_assert_eq!(errors.to_string().lines().count(), errors.problems().len());
        }
    }

    /// One thing out of place in a sound document: that reaches deeper than letters thrown together.
    #[test]
    fn never_panics_near_a_sound_one(at in 0..FULL.len(), length in 0..12_usize, with in r##"[-:{}\[\]&*!|>'"# \n\ta1]{0,4}"##) {
        let chars: Vec<char> = FULL.chars().collect();
        let text: String = chars.iter().take(at).copied()
            .chain(with.chars())
            .chain(chars.iter().skip(at + length).copied())
            .collect();
        let _ = Config::parse(&text);
    }
}

/// So many rules with this matcher each, `@` being the rule's number.
fn rules(count: usize, matcher: &str) -> String {
    let rule = |n: usize| format!("  - matchers: ['{}']\n", matcher.replace('@', &n.to_string()));
    format!("drop:\n{}", (0..count).map(rule).collect::<String>())
}

#[test]
fn regular_expressions_have_a_limit_together() {
    const TOO_MUCH: &str = "expected regular expressions that take at most 8 MiB together when compiled (counted repetitions such as \\w{100} take the most), found more from here on";
    // Fifty of them took 113 MiB.
    let errors = Config::parse(&rules(200, r#"name=~"\\w{100}@""#)).unwrap_err();
    let [problem] = errors.problems() else { panic!("{errors}") };
    assert_eq!((problem.line, problem.column), (6, 23), "{problem}");
    assert_eq!((problem.path.as_str(), problem.message.as_str()), ("drop[4].matchers[0]", TOO_MUCH));
    // All in one text, and those that are too large one by one.
    let one = vec![r#"name=~"\\w{100}""#; 200].join(",");
    assert_eq!(Config::parse(&rules(1, &one)).unwrap_err().problems()[0].message, TOO_MUCH);
    let errors = Config::parse(&rules(2_000, r#"name=~"(a{1000}){1000}""#)).unwrap_err();
    assert_eq!(errors.problems().len(), 2, "{errors}");
    // What people write is far from it.
    let hosts: Vec<_> = (0..60).map(|n| format!("host-{n}-@")).collect();
    for matcher in [
        format!("host=~\"{}\"", hosts.join("|")),
        r#"alertname=~"Datasource(Error|NoData)", namespace=~"AWS/.*", job!~"(?i)web-[0-9]{1,3}@.*""#
            .to_owned(),
        r#"pod=~"web-\\d+-\\w+", host=~"db-\\d{2,4}.*""#.to_owned(),
    ] {
        let config = rules(150, &matcher);
        assert!(Config::parse(&config).is_ok(), "{matcher}");
    }
}

#[test]
fn a_receiver_may_be_a_channel_of_the_app() {
    let config = Config::parse(
        "receivers:\n  - name: default\n  - name: db\n    slack: {channel: C0123456789}\n    mention: '<!here>'\n",
    )
    .unwrap();
    let db = config.receiver("db").unwrap();
    assert_eq!(db.target, Some(Target::channel("C0123456789")));
    assert_eq!((db.channel.as_deref(), db.mention.as_deref()), (None, Some("<!here>")));
    for (receiver, expected) in [
        (
            "slack: {channel: C1}, webhook: 'kms:AQICAHhw'",
            "receivers[0].slack: expected no `webhook` beside it, which is another target",
        ),
        (
            "slack: {channel: C1}, channel: '#a'",
            "receivers[0].slack: expected no `channel` beside it, which belongs to a webhook",
        ),
        ("slack: {}", "receivers[0].slack: expected the key `channel`"),
        ("slack: C1", "receivers[0].slack: expected a mapping"),
        ("slack: {channel: 'https://hooks.slack.com/x'}", "receivers[0].slack.channel: expected a channel"),
        ("slack: {chanel: C1}", "receivers[0].slack"),
    ] {
        let error =
            Config::parse(&format!("receivers: [{{name: default, {receiver}}}]")).unwrap_err().to_string();
        assert!(error.contains(expected), "{receiver}: {error}");
    }
}

#[test]
fn evidence_is_for_all_receivers_or_one() {
    let wishes = |text: &str| {
        let config = Config::parse(text).unwrap();
        config
            .receivers
            .iter()
            .map(|receiver| (receiver.evidence.chart, receiver.evidence.lines))
            .collect::<Vec<_>>()
    };
    assert_eq!(wishes(""), [(false, 0)]);
    assert_eq!(wishes("evidence: {chart: true, logs: {lines: 20}}"), [(true, 20)]);
    assert_eq!(wishes("evidence: {logs: {}}"), [(false, 5)]);
    let own = "evidence: {chart: true}\nreceivers: [{name: a}, {name: b, evidence: {logs: {lines: 1}}}, {name: c, evidence: {}}]";
    assert_eq!(wishes(own), [(true, 0), (false, 1), (false, 0)]);
    check(
        "evidence:\n  chart: yes\n  logs: {lines: 21}\n  graph: true",
        &[
            "line 2, column 10: evidence.chart: expected true or false, found `yes`",
            "line 3, column 17: evidence.logs.lines: expected a whole number from 1 to 20, found `21`",
            "line 4, column 3: evidence: unknown key `graph`; expected one of chart, logs",
        ],
    );
    check(
        "evidence: true",
        &["line 1, column 11: evidence: expected a mapping with chart, logs, found a text"],
    );
}

#[test]
fn who_may_act() {
    let actions = |text: &str| Config::parse(text).unwrap().actions;
    let user = |id: &str| Allowed::User(id.to_owned());
    let everybody = Actions { allow: Vec::new(), silence_with: SilenceWith::Table };
    for text in ["", "actions: {}", "actions: {silence_with: table}"] {
        assert_eq!(actions(text), everybody, "{text}");
    }
    for (text, expected) in [
        ("<@U1>", user("U1")),
        (" <@W0AB> ", user("W0AB")),
        ("<@U1|jane.doe>", user("U1")),
        ("<!subteam^S1>", Allowed::UserGroup("S1".to_owned())),
        ("<!subteam^S1|@on call>", Allowed::UserGroup("S1".to_owned())),
    ] {
        assert_eq!(actions(&format!("actions: {{allow: ['{text}']}}")).allow, [expected], "{text}");
    }
    assert_eq!(actions("actions: {allow: [<@U1>, <@U2>, '<@U1|x>']}").allow, [user("U1"), user("U2")]);
    let expected = "expected a person such as <@U012345>, or a user group such as <!subteam^S012345>, found";
    for text in
        ["", "U1", "@jane", "<@B1>", "<@u1>", "<@U>", "<!here>", "<!subteam^U1>", "<@U1> <@U2>", "<#C1>"]
    {
        check(
            &format!("actions: {{allow: ['{text}']}}"),
            &[&format!("line 1, column 19: actions.allow[0]: {expected} `{text}`")],
        );
    }
    check(
        "actions:\n  allow: []\n  silence_with: mute\n  allowed: 1",
        &[
            "line 2, column 10: actions.allow: expected a list of at least one person or user group (nobody could act; without the key everybody can), found an empty list",
            "line 3, column 17: actions.silence_with: expected cloudwatch or table, found `mute`",
            "line 4, column 3: actions: unknown key `allowed`; did you mean `allow`?",
        ],
    );
    check(
        "actions:\n  allow: <@U1>\n  silence_with: [table]",
        &[
            "line 2, column 10: actions.allow: expected a list of at least one person or user group (nobody could act; without the key everybody can), found a text",
            "line 3, column 17: actions.silence_with: expected cloudwatch or table, found a list",
        ],
    );
    check(
        "actions: true",
        &["line 1, column 10: actions: expected a mapping with allow, silence_with, found a text"],
    );
    check("action: {}", &["line 1, column 1: unknown key `action`; did you mean `actions`?"]);
}

#[test]
fn what_is_minded() {
    let config = Config::parse(
        "second_way: {sns: 'arn:aws:sns:eu-west-1:111122223333:on-call'}
heartbeats:
  - {name: prod, matchers: [alertname=Watchdog], every: 5m, grace: 10m}
  - {name: dev, matchers: [alertname=Dev], every: 1h}
route:
  receiver: default
  escalate: {after: 10m, mention: '<!subteam^S0>', then: 5m, second_way: true}
  routes:
    - matchers: [a=b]
    - matchers: [c=d]
      escalate: {after: 1h}
    - matchers: [e=f]
      escalate: none
receivers: [{name: default}]
",
    )
    .unwrap();
    assert_eq!(config.second_way, Some(Target::topic("arn:aws:sns:eu-west-1:111122223333:on-call")));
    let minutes = |heartbeat: &Heartbeat| (heartbeat.every.num_minutes(), heartbeat.grace.num_minutes());
    assert_eq!(config.heartbeats.iter().map(|one| minutes(one)).collect::<Vec<_>>(), [(5, 10), (60, 60)]);
    let escalate =
        |route: &Route| route.escalate.as_ref().map(|escalate| escalate.patience.after.num_minutes());
    assert_eq!(escalate(&config.route), Some(10));
    assert_eq!(config.route.routes.iter().map(escalate).collect::<Vec<_>>(), [Some(10), Some(60), None]);
    check(
        "second_way: {sns: 'arn:aws:sns:eu-west-1:111122223333:on-call.fifo'}
receivers: [{name: second_way}]
heartbeats: [{name: a, matchers: [], every: 30s}, {name: a, matchers: [b=c]}]
",
        &[
            "line 1, column 19: second_way.sns: expected the ARN of a standard SNS topic (a FIFO topic has no mail and no SMS), arn:aws:sns:REGION:ACCOUNT:NAME, found `arn:aws:sns:eu-west-1:111122223333:on-call.fifo`",
            "line 2, column 13: receivers[0]: expected another name than that of the second way",
            "line 3, column 34: heartbeats[0].matchers: expected a list of at least one matcher: every alert would be a sign of life, and shown to nobody, found an empty list",
            "line 3, column 45: heartbeats[0].every: expected a duration from 1m to 31d, such as 5m, found `30s`",
            "line 3, column 51: heartbeats[1]: expected the key `every`, found none",
            "line 3, column 58: heartbeats[1].name: expected a name of its own, found `a` a second time",
        ],
    );
    check(
        "receivers: [{name: default}]\nroute: {receiver: default, escalate: {after: 10m, then: 5m, second_way: true}, routes: [{matchers: [a=b], escalate: {then: 5m}}, {matchers: [c=d], escalate: {after: 5m, second_way: true}}]}",
        &[
            "line 2, column 8: route: a route escalates by the second way, and there is no `second_way`",
            "line 2, column 117: route.routes[0].escalate: expected the key `after`, found none",
            "line 2, column 124: route.routes[0].escalate.then: expected `second_way: true` beside it: they are one step, by the second way",
            "line 2, column 182: route.routes[1].escalate.second_way: expected `then: 10m` beside it: they are one step, by the second way",
        ],
    );
    check(
        "receivers: [{name: default}]\nroute: {receiver: default, routes: [{matchers: [a=b], escalate: {after: 5m}}]}\nnotify_on: [ALARM]",
        &[
            "line 2, column 8: route: a route escalates, and `notify_on` has no OK: what is over would be escalated as well",
        ],
    );
}
