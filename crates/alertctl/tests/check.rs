//! `alertctl check`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod folder;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use folder::{Folder, text};

const SOUND: &str = "timezone: Asia/Seoul\n";
const UNUSED: &str = "receivers:\n  - name: default\n  - name: unheard\n";
const BROKEN: &str = "timezone: Mars\ndrop: 3\n";

/// A folder of its own with the three of them.
fn three(name: &str) -> Folder {
    let folder = Folder::new(&format!("check-{name}"));
    folder.write("sound.yaml", SOUND).write("unused.yaml", UNUSED).write("broken.yaml", BROKEN);
    folder
}

fn check(folder: &Folder, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
    command.current_dir(folder.path()).arg("check").args(arguments).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn each_file_has_its_answer() {
    let folder = three("each");
    let output = check(&folder, &["sound.yaml", "unused.yaml", "broken.yaml", "missing.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stdout),
        "sound.yaml: fine (1 drop rule, 1 receiver, 0 time intervals)\n\
         unused.yaml: fine (1 drop rule, 2 receivers, 0 time intervals, 1 warning)\n"
    );
    let told = text(&output.stderr);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        lines[0],
        "unused.yaml: warning: line 3, column 5: receivers[1]: no route leads to `unheard`, so that it gets no alert"
    );
    assert!(lines[1].starts_with("broken.yaml: line 1, column 11: timezone: expected a time zone"), "{told}");
    assert!(lines[2].starts_with("broken.yaml: line 2, column 7: drop: expected a list of rules"), "{told}");
    assert!(lines[3].starts_with("missing.yaml: ") && lines.len() == 4, "{told}");
}

#[test]
fn warnings_alone_are_no_failure_unless_it_is_strict() {
    let folder = three("strict");
    for (arguments, expected) in [
        (&["sound.yaml"][..], 0),
        (&["sound.yaml", "--strict"], 0),
        (&["sound.yaml", "unused.yaml"], 0),
        (&["sound.yaml", "unused.yaml", "--strict"], 1),
        (&["unused.yaml", "--strict", "--json"], 1),
        (&["unused.yaml", "--json"], 0),
        (&["broken.yaml", "sound.yaml", "--json"], 1),
        (&["missing.yaml", "--json"], 1),
    ] {
        assert_eq!(check(&folder, arguments).status.code(), Some(expected), "{arguments:?}");
    }
}

#[test]
fn json_says_the_same() {
    let folder = three("json");
    let output = check(&folder, &["--json", "sound.yaml", "unused.yaml", "broken.yaml", "missing.yaml"]);
    assert!(output.stderr.is_empty(), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = told["files"].as_array().unwrap();
    assert_eq!(files[0], json!({"file": "sound.yaml", "valid": true, "problems": [], "warnings": []}));
    let unheard = json!({
        "line": 3, "column": 5, "path": "receivers[1]",
        "message": "no route leads to `unheard`, so that it gets no alert",
    });
    assert_eq!(
        files[1],
        json!({"file": "unused.yaml", "valid": true, "problems": [], "warnings": [unheard]})
    );
    assert_eq!(files[2]["valid"], false);
    let places: Vec<_> = files[2]["problems"].as_array().unwrap().iter().map(|one| &one["path"]).collect();
    assert_eq!(places, ["timezone", "drop"]);
    assert_eq!(files[3]["valid"], false);
    assert_eq!(files[3]["problems"][0]["line"], Value::Null);
    assert!(files[3]["problems"][0]["message"].as_str().unwrap().contains("missing.yaml"));
}

#[test]
fn our_own_example_has_no_warning() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/alerts.example.yaml");
    let output = check(&three("own"), &["--strict", example.to_str().unwrap()]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}
