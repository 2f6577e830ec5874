//! `alertctl test`: our own example, and that its tests fail where the configuration is another.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod folder;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use folder::{Folder, text};

const CONFIG: &str = include_str!("../../../infra/alerts.example.yaml");
const TESTS: &str = include_str!("../../../infra/alerts.test.yaml");

/// From another folder, so that names count from where the tests' file is.
fn test(folder: &Folder, files: &[&str]) -> Output {
    let paths = files.iter().map(|file| folder.path().join(file));
    let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
    command.arg("test").args(paths).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn our_own_example_passes() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/alerts.test.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_alertctl")).arg("test").arg(file).output().unwrap();
    let told = text(&output.stdout);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(told.matches("\n  pass  ").count(), 7, "{told}");
    assert!(told.ends_with("\n7 tests: 7 passed, 0 failed\n"), "{told}");
}

#[test]
fn another_configuration_fails_them() {
    let folder = Folder::new("suite-another");
    folder.write("alerts.test.yaml", TESTS);
    for (from, to, fails) in [
        ("      continue: true\n", "", &["a critical alarm of a database"][..]),
        ("      receiver: databases\n", "", &["a critical alarm of a database"]),
        ("younger_than: 30m", "younger_than: 5m", &["a datasource error is held back"]),
        ("younger_than: 30m", "younger_than: 2h", &["a datasource error that lasts"]),
        ("'rulename!=\"\"']\n    # Only", "]\n    # Only", &["a rule that a person named"]),
        ("'tuesday:saturday'", "'tuesday:friday'", &[]),
        ("'monday:friday'", "'monday:saturday'", &["on a Saturday night"]),
        (
            "        location: Asia/Seoul\n      # …",
            "        location: UTC\n      # …",
            &["on a Monday night"],
        ),
        (
            "  receiver: default\n",
            "  receiver: databases\n",
            &["what no route asks for", "a datasource error that lasts"],
        ),
    ] {
        let config = CONFIG.replacen(from, to, 1);
        assert_ne!(config, CONFIG, "{from}");
        let output = test(folder.write("alerts.example.yaml", &config), &["alerts.test.yaml"]);
        let told = text(&output.stdout);
        assert_eq!(output.status.code(), Some(i32::from(!fails.is_empty())), "{from}: {output:?}");
        let failed: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("  FAIL  ")).collect();
        assert_eq!(failed.len(), fails.len(), "{from}: {told}");
        for (failed, name) in failed.iter().zip(fails) {
            assert!(failed.starts_with(name), "{from}: {told}");
        }
    }
}

#[test]
fn a_failure_says_what_was_expected_what_came_and_why() {
    let folder = Folder::new("suite-failure");
    folder
        .write("alerts.example.yaml", &CONFIG.replace("younger_than: 30m", "younger_than: 2h"))
        .write("alerts.test.yaml", TESTS);
    let output = test(&folder, &["alerts.test.yaml"]);
    let told = text(&output.stdout);
    let failure = "
  FAIL  a datasource error that lasts is told (line 72)
        DatasourceError, in grafana-filter-to-sns:
          expected  published
          got       dropped by grafana-datasource-errors: alertname=\"DatasourceError\", rulename!=\"\" matches; it is 45m old, the limit is 2h
          rule grafana-datasource-errors holds: alertname=\"DatasourceError\", rulename!=\"\" matches; it is 45m old, the limit is 2h
          rule eks-nightly-stop does not hold: 2026-09-14 05:45:00Z is outside of eks-nightly
        DatasourceError, in cloudwatch-to-slack:
          expected  delivered to default
";
    assert!(told.contains(failure), "{told}");
    assert!(told.ends_with("\n7 tests: 6 passed, 1 failed\n"), "{told}");
}

#[test]
fn events_come_from_files_beside_the_tests_and_move_with_the_clock() {
    let folder = Folder::new("suite-files");
    let alarm = include_str!("../../../fixtures/cloudwatch/cpu-above-50.sns.json");
    let config = "
drop: [{name: nights, matchers: ['namespace=\"AWS/EC2\"'], active_time_intervals: [night]}]
time_intervals: [{name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}], location: Asia/Seoul}]}]";
    let tests = "
config: config.yaml
tests:
  - {name: night, at: 2031-01-02T03:00:00+09:00, event: alarm.json, cloudwatch-to-slack: {dropped: nights}}
  - {name: day, at: 2031-01-02T09:00:00+09:00, event: alarm.json, cloudwatch-to-slack: {delivered: [default], title: cpu-above-50}}
  - {name: missing, event: nowhere.json, cloudwatch-to-slack: {delivered: [default]}}
  - {name: no JSON, event: tests.yaml, cloudwatch-to-slack: {delivered: [default]}}";
    folder.write("alarm.json", alarm).write("config.yaml", config).write("tests.yaml", tests);
    let output = test(&folder, &["tests.yaml"]);
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        told.contains("\n  pass  night\n  pass  day\n  FAIL  missing (line 6)\n        event: "),
        "{told}"
    );
    assert!(
        told.contains("nowhere.json: ") && told.contains("tests.yaml: no valid JSON at line 2"),
        "{told}"
    );
    assert!(told.ends_with("\n4 tests: 2 passed, 2 failed\n"), "{told}");
}

#[test]
fn what_is_no_file_of_tests_is_told_at_its_place() {
    let folder = Folder::new("suite-broken");
    folder
        .write("alerts.example.yaml", "timezone: KST\n")
        .write("config-broken.yaml", TESTS)
        .write("tests-broken.yaml", "config: alerts.example.yaml\ntests:\n  - {name: a, event: b.json}\n")
        .write(
            "config-missing.yaml",
            "config: nowhere.yaml\ntests:\n  - {name: a, event: {}, cloudwatch-to-slack: {dropped: x}}\n",
        );
    for (file, expected) in [
        ("config-broken.yaml", "alerts.example.yaml: line 1, column 11: timezone: expected a time zone"),
        (
            "tests-broken.yaml",
            "tests-broken.yaml: line 3, column 5: tests[0]: expected the key `cloudwatch-to-slack`",
        ),
        ("config-missing.yaml", "config-missing.yaml: config: "),
        ("nothing.yaml", "nothing.yaml: "),
    ] {
        let output = test(&folder, &[file]);
        assert_eq!(output.status.code(), Some(1), "{file}: {output:?}");
        assert!(text(&output.stderr).contains(expected), "{file}: {output:?}");
        assert_eq!(text(&output.stdout), "0 tests: 0 passed, 0 failed; 1 file is broken\n", "{file}");
    }
}
