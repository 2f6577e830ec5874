//! A command line that cannot be meant ends with exit status 2, whoever finds out; what cannot be done ends with 1.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Output, Stdio};

/// Without any of the settings that could stand in for an argument, and without input.
fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_alertctl"))
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Every command, with its subcommands, as the program's own help lists them.
fn commands() -> Vec<Vec<String>> {
    let listed = |path: &[String]| -> Vec<String> {
        let arguments: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = told(&run(&arguments));
        let Some((_, rest)) = help.split_once("\nCommands:\n") else { return Vec::new() };
        let names = rest.lines().take_while(|line| !line.is_empty()).filter_map(|line| {
            let name = line.strip_prefix("  ")?.split(' ').next()?;
            (!name.is_empty() && name != "help").then(|| name.to_owned())
        });
        names.collect()
    };
    let mut all: Vec<Vec<String>> = listed(&[]).into_iter().map(|name| vec![name]).collect();
    let inner = |path: &Vec<String>| -> Vec<Vec<String>> {
        listed(path).into_iter().map(|name| [&path[..], &[name]].concat()).collect()
    };
    let below: Vec<_> = all.iter().flat_map(inner).collect();
    all.extend(below);
    assert!(all.len() > 14, "{all:?}");
    all
}

#[test]
fn a_wrong_command_line_is_exit_status_2() {
    let silence = &["silence", "add", "--table", "t", "--comment", "c", "--author", "a"][..];
    let with = |more: &[&'static str]| [silence, more].concat();
    for arguments in [
        vec!["frobnicate"],
        vec!["explain", "event.json", "--at", "nonsense"],
        vec!["explain", "-", "--config", "-"],
        vec!["render", "event.json", "--at", "2026-13-40T00:00:00Z"],
        vec!["render", "-", "--config", "-"],
        vec!["demo", "-", "-"],
        vec!["check", "-", "alerts.yaml", "-"],
        vec!["playground", "--port", "70000"],
        vec!["pack", "function.zip"],
        vec!["encrypt-secret", "--key-id", "", "--function-name", "relay"],
        vec!["encrypt-secret", "--key-id", "k", "--function-name", "relay", "--region", "Seoul"],
        vec!["canary", "--alarm", "a", "--wait", "soon"],
        vec!["canary", "--table", "t"],
        vec!["redrive", "arn:aws:sns:eu-west-1:111122223333:alerts"],
        vec!["redrive", "arn:aws:sqs:eu-west-1:111122223333:failures", "--region", "us-east-1"],
        vec!["redrive", "failures", "--rate", "0"],
        vec!["silence", "list"],
        vec!["silence", "list", "--table", "t", "--region", "eu west"],
        vec!["silence", "add", "--table", "t", "--comment", "known", "a=b"],
        with(&["--duration", "2 h", "a=b"]),
        with(&["--duration", "200000000y", "a=b"]),
        with(&["--start", "tomorrow", "a=b"]),
        with(&["--end", "2020-01-01T00:00:00Z", "a=b"]),
        with(&["--comment", " ", "a=b"]),
        with(&["a==b"]),
        vec!["completions", "dos"],
    ] {
        let output = run(&arguments);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty() && told.starts_with("error: "), "{arguments:?}: {told}");
        assert!(told.contains("For more information, try '--help'."), "{arguments:?}: {told}");
    }
}

#[test]
fn what_cannot_be_done_is_exit_status_1() {
    for arguments in [
        &["explain", "missing.json"][..],
        &["explain", "missing.json", "--at", "2026-09-13T03:00:00+09:00"],
        &["render", "-"],
        &["demo", "missing.json"],
        &["playground", "--config", "missing.yaml"],
        &["pack", "missing.zip", "--config", "/dev/null", "--output", "/dev/null"],
        &["encrypt-secret", "--key-id", "k", "--function-name", "relay", "--region", "eu-west-1"],
        &["silence", "list", "--table", "t"],
    ] {
        let output = run(arguments);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.starts_with("alertctl: "), "{arguments:?}: {told}");
    }
}

#[test]
fn the_usage_is_that_of_the_command_that_is_meant() {
    let told = told(&run(&["silence", "list"]));
    assert!(told.contains("give --table, or set ALERT_TABLE"), "{told}");
    assert!(told.contains("Usage: alertctl silence list"), "{told}");
}

#[test]
fn every_command_has_an_example_and_shows_it_where_nothing_is_given() {
    for path in commands() {
        // The examples of its subcommands stand with it.
        if ["bench", "soak"].contains(&path[0].as_str()) || path.ends_with(&["list".to_owned()]) {
            continue;
        }
        let arguments: Vec<&str> = path.iter().map(String::as_str).collect();
        let help = told(&run(&[&arguments[..], &["--help"]].concat()));
        let example = format!("\n  alertctl {}", path.join(" "));
        assert!(help.contains("Example") && help.contains(&example), "{path:?}: {help}");
        // Where nothing has to be given, the command runs.
        if ["demo", "playground", "canary", "audit"].contains(&path[0].as_str()) {
            continue;
        }
        let bare = run(&arguments);
        assert_eq!(bare.status.code(), Some(2), "{path:?}: {}", told(&bare));
        assert!(told(&bare).contains(&example), "{path:?}: {}", told(&bare));
    }
}

#[test]
fn a_secret_in_the_wrong_place_of_the_command_line_is_not_repeated() {
    const URL: &str = "https://hooks.slack.com/services/T0AAAAAAA/B0AAAAAAA/aBcDeFgHiJkLmNoPqRsTuVw1";
    let token = format!("--{}", "xoxb-1-2-abcdefghijklmnop");
    for arguments in [
        &["explain", "event.json", "--at", URL][..],
        &["render", "event.json", "--format", URL],
        &["canary", "--wait", URL],
        &["encrypt-secret", "--key-id", "k", "--function-name", "f", "--region", URL],
        &["completions", URL],
        &["encrypt-secret", URL],
        &["explain", "event.json", &token],
        &[URL],
    ] {
        let output = run(arguments);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(told.contains("not shown"), "{arguments:?}: {told}");
        for part in ["hooks.slack.com", "aBcDeFg", "xoxb-1", "abcdefgh"] {
            assert!(!told.contains(part), "{arguments:?}: {told}");
        }
    }
}
