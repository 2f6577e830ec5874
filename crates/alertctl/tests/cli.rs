//! The command line as people meet it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Cursor, Read as _, Write as _};
use std::process::{Command, Output, Stdio};

use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

fn run(arguments: &[&str], input: &str) -> Output {
    let mut process = Command::new(env!("CARGO_BIN_EXE_alertctl"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read it, need not.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    process.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const EVENT: &str = r#"{"Records": [{"Sns": {"Message": "hello"}}]}"#;

#[test]
fn a_dash_is_standard_input() {
    for arguments in [&["render", "-"][..], &["explain", "-"], &["render", "-", "--format", "json"]] {
        let output = run(arguments, EVENT);
        assert!(output.status.success() && text(&output.stdout).contains("hello"), "{output:?}");
    }
    assert!(run(&["check", "-"], "timezone: Asia/Seoul\n").status.success());
    let actions = run(&["check", "-"], "actions: {allow: [<@U012345>, <!subteam^S012345>]}\n");
    assert!(text(&actions.stdout).ends_with(", 2 people or user groups may act)\n"), "{actions:?}");
    let broken = run(&["check", "-"], "timezone: Mars\n");
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stderr).contains("line 1, column 11"), "{broken:?}");
}

#[test]
fn a_message_is_shown_in_each_rendering() {
    let event = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cloudwatch/metric.sns.json");
    let shown = |more: &[&str]| {
        let output = run(&[&["render", event], more].concat(), "");
        assert!(output.status.success(), "{more:?}: {output:?}");
        text(&output.stdout)
    };
    let json = |more: &[&str]| shown(&[&["--format", "json"], more].concat());
    assert!(json(&["--rendering", "modern"]).contains("data_visualization"));
    assert!(json(&["--rendering", "classic"]).contains("\"attachments\""));
    assert!(!json(&["--rendering", "plain"]).contains("\"blocks\""));
    assert_eq!(json(&[]), json(&["--rendering", "classic"]), "the configuration's default");
    let words = shown(&[]);
    assert!(words.starts_with("🔴 ") && words.contains("\nOpen alarm: https://"), "{words}");
    assert!(!words.contains('▌') && !words.contains('*'), "{words}");
    assert!(shown(&["--rendering", "modern"]).contains("\nDetails\n  "));
    assert!(shown(&["--rendering", "classic"]).contains("\n▌ "));
    assert_eq!(run(&["render", event, "--rendering", "fancy"], "").status.code(), Some(2));
}

/// An alarm of 2017 that SNS sent in the second in which it changed.
const ALARM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cloudwatch/walkthrough.sns.json");

#[test]
fn an_event_moves_with_the_clock() {
    let config = std::env::temp_dir().join(format!("alertctl-shift-{}.yaml", std::process::id()));
    let rule =
        "{name: fresh, matchers: ['alertname=~\".+\"'], younger_than: 10m, active_time_intervals: [nights]}";
    let nights = "{name: nights, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}], weekdays: [sunday], location: Asia/Seoul}]}";
    std::fs::write(&config, format!("drop: [{rule}]\ntime_intervals: [{nights}]\n")).unwrap();
    let config = config.to_str().unwrap();
    let explained = |at: &str| text(&run(&["explain", ALARM, "--config", config, "--at", at], "").stdout);
    let sunday = explained("2026-09-13T03:00:00+09:00");
    assert!(
        sunday.contains("as if it happened at 2026-09-12 18:00:00 UTC; it did at 2017-01-12 16:30:42 UTC"),
        "{sunday}"
    );
    assert!(sunday.contains("drop by fresh"), "it is as young then as it was: {sunday}");
    assert!(!sunday.contains("⏰"), "and not nine years late: {sunday}");
    let monday = explained("2026-09-14T03:00:00+09:00");
    assert!(monday.contains("deliver to default") && monday.contains("Since 2026-09-13 18:00:"), "{monday}");
    std::fs::remove_file(config).unwrap();

    let timeless = text(&run(&["explain", "-"], EVENT).stdout);
    assert!(timeless.contains("the event has no time: now is used"), "{timeless}");
    let demo = text(&run(&["demo", ALARM], "").stdout);
    assert!(demo.contains("slack  🔴 Example alarm name") && !demo.contains("⏰"), "{demo}");
}

#[test]
fn the_demo_goes_by_either_way() {
    // What is over is a message of its own, or the first one changes.
    for (arguments, messages, edits) in [(&["demo"][..], 8, 12), (&["demo", "--app"], 7, 13)] {
        let output = run(arguments, "");
        let told = text(&output.stdout);
        assert!(
            output.status.success() && told.ends_with("All of it was delivered.\n"),
            "{arguments:?}: {told}"
        );
        assert_eq!(told.matches("\nslack  ").count(), messages, "{arguments:?}: {told}");
        assert_eq!(told.matches("\nedited ").count(), edits, "{arguments:?}: {told}");
    }
    // What the app gets is addressed, and can be found again.
    let told = text(&run(&["demo", "--app", "--json"], "").stdout);
    assert!(told.contains(r#""channel": "alerts""#) && told.contains("alert_relay_delivery"), "{told}");
}

#[test]
fn the_demo_tells_one_alarms_life_in_one_message() {
    let told = text(&run(&["demo"], "").stdout);
    let life = &told[told.find("── One alarm's life").unwrap()..told.find("── Why it fires").unwrap()];
    let scenes: Vec<&str> = life.split("── ").skip(1).collect();
    let expected: [(&str, &[&str], &str); 4] = [
        ("it fires", &["slack  🔴 shop is down: orders-api errors"], "the new message"),
        ("It fires still", &["thread 🔴 shop", "edited 🔴 shop", "Still firing after 4 h"], "the reply"),
        (
            "It is worse",
            &["edited 🔴 shop is down: orders-api errors, orders-db", "Worse than before"],
            "the reply",
        ),
        ("It is over", &["thread ✅ shop is down resolved", "edited ✅ shop", "Over after 4 h"], "nothing"),
    ];
    assert_eq!(scenes.len(), expected.len(), "{life}");
    for (scene, (title, parts, rang)) in scenes.iter().zip(expected) {
        assert!(scene.contains(title) && scene.contains(&format!("\nrang   {rang}")), "{title}: {scene}");
        for part in parts {
            assert!(scene.contains(part), "{part} is not in {scene}");
        }
    }
    let numbers = "Slack got: messages 1, edits 3, replies 3, of which the channel shows 2. \
                   The table holds: items 1 (default|alarm|111122223333|eu-west-1|shop is down|";
    assert!(life.contains(numbers), "{life}");
}

#[test]
fn the_demo_shows_what_people_do() {
    let told = text(&run(&["demo"], "").stdout);
    let scenes: Vec<&str> = told[told.find("── People act").unwrap()..].split("── ").skip(1).collect();
    let count = scenes.iter().filter(|scene| scene.starts_with("It flaps, and is silenced")).count();
    assert_eq!(count, 4, "{told}");
    let expected: [(&str, &[&str], &str); 6] = [
        ("People act", &["slack  🔴 orders-api errors", "[Acknowledge] [Silence …]"], "the new message"),
        (
            "kim presses acknowledge",
            &["edited 🔴", "👀 @U0KIM is on it", "thread 👀 kim is on it"],
            "nothing",
        ),
        ("lee presses silence: 1h", &["🔕 @U0LEE has silenced it until", "[Undo: silence]"], "nothing"),
        ("It flaps, and is silenced", &["edited ✅", "1 change meanwhile"], "nothing"),
        (
            "The silence ends",
            &["🔔 The silence has ended, and it is not over · 4 changes meanwhile", "[Silence …]"],
            "the reply",
        ),
        ("It is over", &["edited ✅ orders-api errors resolved", "fired 3 times"], "nothing"),
    ];
    for (begins, holds, rang) in expected {
        let scene = scenes.iter().find(|scene| scene.starts_with(begins)).unwrap_or_else(|| panic!("{told}"));
        assert!(holds.iter().all(|part| scene.contains(part)), "{begins}: {scene}");
        assert!(scene.contains(&format!("\nrang   {rang}")), "{begins}: {scene}");
    }
    let numbers =
        "Slack got: messages 1, edits 8, replies 4, of which the channel shows 1. The table holds: items 1 (";
    assert!(told.contains(numbers), "{told}");
}

#[test]
fn the_demo_shows_why_an_alarm_fires() {
    let told = text(&run(&["demo"], "").stdout);
    let why = &told[told.find("── Why it fires").unwrap()..told.find("── People act").unwrap()];
    let [first, edited] = ["slack  🔴 orders-api errors: OrderErrors 57 > 25", "edited 🔴 orders-api errors"];
    let (first, edited) = (why.find(first).unwrap(), why.find(edited).unwrap());
    assert!(first < edited, "{why}");
    // Three hours of values with their limit, and five lines without what is secret in them.
    assert!(why[edited..].contains("█  ") && why[edited..].contains(" → 57, limit 25  OrderErrors"), "{why}");
    let lines = &why[why.find("thread 5 of ").expect(why)..];
    assert!(lines.starts_with("thread 5 of 127 log lines, newest first, of /shop/orders-api\n"), "{lines}");
    assert_eq!(lines.matches("\n       ERROR ").count(), 5, "{lines}");
    assert!(
        lines.contains("password=•••") && !why.contains("hunter2") && !why.contains("jane.doe"),
        "{lines}"
    );
    assert!(why.contains("\nrang   the new message"), "{why}");
}

#[test]
fn a_configuration_goes_into_a_zip_and_a_broken_one_does_not() {
    let folder = std::env::temp_dir().join(format!("alertctl-pack-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let write_zip = |name: &str, files: &[&str]| {
        let mut zip = ZipWriter::new(std::fs::File::create(path(name)).unwrap());
        for file in files {
            zip.start_file(*file, SimpleFileOptions::default().unix_permissions(0o755)).unwrap();
            zip.write_all(file.as_bytes()).unwrap();
        }
        zip.finish().unwrap();
    };
    write_zip("function.zip", &["bootstrap", "alerts.yaml"]);
    write_zip("other.zip", &["readme"]);
    std::fs::write(path("alerts.yaml"), "timezone: Asia/Seoul\n").unwrap();
    std::fs::write(path("broken.yaml"), "timezone: Mars\n").unwrap();
    let pack = |zip: &str, config: &str, output: &str| {
        run(&["pack", &path(zip), "--config", &path(config), "--output", &path(output)], "")
    };
    assert!(pack("function.zip", "alerts.yaml", "one.zip").status.success());
    assert!(pack("one.zip", "alerts.yaml", "two.zip").status.success());
    let bytes = std::fs::read(path("one.zip")).unwrap();
    assert_eq!(bytes, std::fs::read(path("two.zip")).unwrap());
    let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
    assert_eq!(zip.len(), 2);
    assert_eq!(zip.by_name("bootstrap").unwrap().unix_mode().unwrap() & 0o777, 0o755);
    let mut packed = String::new();
    zip.by_name("alerts.yaml").unwrap().read_to_string(&mut packed).unwrap();
    assert_eq!(packed, "timezone: Asia/Seoul\n");
    for (zip, config, why) in [
        ("function.zip", "broken.yaml", "line 1, column 11"),
        ("other.zip", "alerts.yaml", "there is none"),
        ("alerts.yaml", "alerts.yaml", "expected a function's zip"),
        ("missing.zip", "alerts.yaml", "missing.zip"),
    ] {
        let output = pack(zip, config, "never.zip");
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains(why), "{output:?}");
    }
    // What standard input holds is checked, too, and goes into the zip.
    let from_input = |config: &str, output: &str| {
        run(&["pack", &path("function.zip"), "--config", "-", "--output", &path(output)], config)
    };
    let broken = from_input("timezone: Mars\n", "never.zip");
    assert!(text(&broken.stderr).contains("standard input: line 1, column 11"), "{broken:?}");
    assert!(from_input("timezone: Asia/Seoul\n", "three.zip").status.success());
    assert_eq!(std::fs::read(path("one.zip")).unwrap(), std::fs::read(path("three.zip")).unwrap());
    assert!(!folder.join("never.zip").exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_never_ends_is_not_read_to_its_end() {
    let output = run(&["check", "/dev/zero"], "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("/dev/zero: more than 64 MiB"), "{output:?}");
}

#[test]
fn what_is_no_json_is_shown_at_its_place() {
    for command in ["render", "explain", "demo"] {
        let output = run(&[command, "-"], "{\n  \"a\": 1,,\n}");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let told = text(&output.stderr);
        assert!(told.contains("standard input: no valid JSON at line 2, column 10"), "{told}");
        assert!(told.contains("\n    \"a\": 1,,\n           ^"), "{told}");
    }
}

#[test]
fn a_webhook_in_the_wrong_place_is_not_repeated() {
    const URL: &str = "https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/aBcDeFgHiJkLmNoPqRsTuVw1";
    for command in ["check", "render", "explain", "demo"] {
        let output = run(&[command, URL], "");
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success() && told.contains("not shown"), "{command}: {told}");
        assert!(!told.contains("hooks.slack.com"), "{command}: {told}");
    }
    for setting in ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "--key-id"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
        command.env_clear().env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").env("AWS_REGION", "eu-west-1");
        command.env("AWS_ACCESS_KEY_ID", "key").env("AWS_SECRET_ACCESS_KEY", "secret").env(setting, URL);
        let key = if setting == "--key-id" { URL } else { "alias/alerts" };
        command.args(["encrypt-secret", "--function-name", "relay", "--key-id", key]);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(b"https://hooks.example.com/services/T0/B0/x").unwrap();
        let output = process.wait_with_output().unwrap();
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success() && told.contains("not shown"), "{setting}: {told}");
        assert!(!told.contains("hooks.slack.com"), "{setting}: {told}");
    }
}

#[test]
fn what_leads_to_slack_is_told_by_its_form_and_not_repeated() {
    let refusal = |command: &str, input: &str| {
        let output = run(&[command, "--key-id", "alias/alerts", "--function-name", "relay"], input);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        let told = text(&output.stderr);
        assert!(!told.contains("secretpart") && !told.contains("0123456789"), "{told}");
        told
    };
    for (input, expected) in [
        ("http://hooks.slack.com/services/T0/B0/secretpart", "no webhook: it is a plain http URL"),
        ("https://hooks.slack.com", "no webhook: it is not a URL such as"),
        ("xoxp-1-2-secretpart\n", "no bot token: it is a user token"),
        ("xapp-1-A0-2-secretpart", "no bot token: it is an app-level token"),
        ("xoxe.xoxp-1-secretpart", "no bot token: it is a configuration token"),
        ("xoxe.xoxb-1-secretpart", "no bot token: it is a token of an app with token rotation"),
        ("xoxb-1-2 secretpart", "no bot token: it begins as a bot token, but"),
        ("0123456789abcdef0123456789abcde", "no signing secret: it has 31 hexadecimal digits instead of 32"),
        ("secretpart", "neither a webhook's URL (https://hooks.slack.com/services/…) nor a bot token"),
        ("", "neither a webhook's URL (https://hooks.slack.com/services/…) nor a bot token"),
    ] {
        let told = refusal("encrypt-secret", input);
        assert!(told.contains(expected), "{input}: {told}");
        assert_eq!(refusal("encrypt-hook", input), told, "the older name");
    }
    // Where to find the right one.
    assert!(refusal("encrypt-secret", "xoxp-1-2-secretpart").contains("OAuth & Permissions"));
    assert!(refusal("encrypt-secret", "http://a.example/secretpart").contains("Incoming Webhooks"));
    let help = text(&run(&["--help"], "").stdout);
    // However it is wrapped.
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(help.contains("encrypt-secret ") && help.contains("[alias: encrypt-hook]"), "{help}");
}

#[test]
fn explain_says_what_goes_together() {
    let event = include_str!("../../../fixtures/grafana/group_mixed.eventbridge.json");
    let told = text(&run(&["explain", "-"], event).stdout);
    let together = "to SNS, subject \"HighCPU (+6 more)\", 7 alerts in one message:";
    assert!(told.contains(together), "{told}");
    let few = include_str!("../../../fixtures/grafana/walkthrough.eventbridge.json");
    let told = text(&run(&["explain", "-"], few).stdout);
    assert!(told.contains("to SNS, subject \"HighCPU\":") && !told.contains("in one message"), "{told}");
}

#[test]
fn explain_speaks_json() {
    let file = std::env::temp_dir().join(format!("alert-relay-explain-{}.yaml", std::process::id()));
    let config = "drop: [{name: young, matchers: [alertname=DatasourceError], younger_than: 30m}]
route: {receiver: default, routes: [{matchers: [severity=critical], receiver: oncall}]}
receivers: [{name: default}, {name: oncall}]";
    std::fs::write(&file, config).unwrap();
    let event = include_str!("../../../fixtures/grafana/walkthrough.eventbridge.json");
    let at = "2026-09-13T03:00:00+09:00";
    let output = run(&["explain", "-", "--json", "--config", file.to_str().unwrap(), "--at", at], event);
    std::fs::remove_file(&file).unwrap();
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        told["note"].as_str().unwrap().starts_with("as if it happened at 2026-09-12 18:00:00 UTC; it did at")
    );
    assert_eq!(told["records"][0]["way"], "EventBridge");
    assert_eq!(told["records"][0]["sent_at"], "2026-09-12T18:00:00Z");
    let [filter, relay] =
        ["grafana-filter-to-sns", "cloudwatch-to-slack"].map(|name| &told["functions"][name]);
    let [error, no_data, cpu] = [0, 1, 2].map(|place| &relay["alerts"][place]);
    assert_eq!(
        (&error["verdict"], &error["dropped"]["rule"]),
        (&"drop".into(), &"young".into()),
        "{error:#}"
    );
    assert_eq!(error["rules"][0]["held"], true);
    assert_eq!(error["labels"]["rulename"], "Checkout latency");
    assert_eq!(no_data["receivers"], serde_json::json!([{"name": "default", "route": "route → default"}]));
    assert_eq!((&cpu["name"], &cpu["receivers"][0]["name"]), (&"HighCPU".into(), &"oncall".into()));
    assert_eq!((&cpu["state"], &cpu["source"]), (&"firing".into(), &"Grafana".into()));
    let post = relay["posts"].as_array().unwrap().iter().find(|post| post["receiver"] == "oncall").unwrap();
    assert_eq!(post["alerts"], serde_json::json!([2]));
    assert!(post["message"]["text"].as_str().unwrap().contains("HighCPU"), "{post:#}");
    assert_eq!(filter["alerts"][2]["verdict"], "publish");
    assert!(filter["posts"][0]["message"].is_string());
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let told = |more: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
        command
            .arg("explain")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/cloudwatch/walkthrough.sns.json"));
        command.env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1").envs(more.iter().copied());
        command.output().unwrap().stdout
    };
    assert!(told(&[]).contains(&0x1b));
    assert!(!told(&[("NO_COLOR", "1")]).contains(&0x1b));
    assert!(!run(&["explain", "-"], EVENT).stdout.contains(&0x1b));
}

/// What a terminal gets to see, without the styles that are ours.
fn seen(arguments: &[&str], event: &str) -> String {
    let mut process = Command::new(env!("CARGO_BIN_EXE_alertctl"))
        .args(arguments)
        .env_remove("NO_COLOR")
        .env("CLICOLOR_FORCE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(event.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let all = text(&output.stdout) + &text(&output.stderr);
    let mut parts = all.split("\u{1b}[");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |seen, part| match part.trim_start_matches(|c: char| "0123456789;".contains(c)) {
        plain if plain.starts_with('m') => seen + &plain[1..],
        _ => seen + "\u{1b}[" + part,
    })
}

#[test]
fn foreign_text_does_not_steer_the_terminal() {
    let hostile = "\u{1b}[2J\u{1b}]0;t\u{7}\u{9b}2J\u{202e}";
    let alarm = serde_json::json!({"AlarmName": format!("cpu{hostile}"), "NewStateValue": "ALARM", "NewStateReason": hostile});
    let event = serde_json::json!({"Records": [{"Sns": {"Message": alarm.to_string()}}]}).to_string();
    let dropped = serde_json::json!({"receiver": "r", "status": "firing", "alerts": [
        {"status": "firing", "labels": {"alertname": "DatasourceError", "x": hostile}, "annotations": {}},
    ]});
    let file = std::env::temp_dir().join(format!("alert-relay-cli-{}.yaml", std::process::id()));
    std::fs::write(&file, format!("drop: [{{name: \"{hostile}\", matchers: ['x=~\".*\"']}}]\n")).unwrap();
    let config = file.to_str().unwrap();
    let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    for (arguments, event, shown) in [
        (&["render", "-"][..], &event, r"2J\u{202e}"),
        (&["render", "-", "--format", "json"], &event, r"2J\u202e"),
        (&["render", "-", "--config", config], &dropped.to_string(), "line 1"),
        (&["explain", "-"], &event, r"cpu\u{1b}[2J"),
        (&["explain", "-", "--json"], &event, r"2J\u202e"),
        (&["demo", "-"], &event, r"cpu\u{1b}[2J"),
        (&["demo", "-", "--json"], &event, r"2J\u202e"),
        (&["render", "-"], &format!("{{}}{hostile}"), "standard input"),
    ] {
        let seen = seen(arguments, event);
        assert!(!seen.contains(steers), "{arguments:?}: {seen:?}");
        assert!(seen.contains(shown), "{arguments:?}: {seen}");
    }
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell], "");
        assert!(output.status.success() && text(&output.stdout).contains("playground"), "{shell}");
    }
    assert_eq!(run(&["completions", "dos"], "").status.code(), Some(2));
}
