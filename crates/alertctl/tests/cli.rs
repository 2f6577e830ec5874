//! The command line as people meet it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

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
    let broken = run(&["check", "-"], "timezone: Mars\n");
    assert_eq!(broken.status.code(), Some(1));
    assert!(text(&broken.stderr).contains("line 1, column 11"), "{broken:?}");
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
        command.args(["encrypt-hook", "--function-name", "relay", "--key-id", key]);
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

#[test]
fn every_shell_has_its_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell], "");
        assert!(output.status.success() && text(&output.stdout).contains("playground"), "{shell}");
    }
    assert_eq!(run(&["completions", "dos"], "").status.code(), Some(2));
}
