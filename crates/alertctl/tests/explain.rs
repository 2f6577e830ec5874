//! What `alertctl explain` says of every fixture is what the real binaries do with it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use alert_sandbox::lambda::{Function, FunctionSpec};
use alert_sandbox::{Sandbox, SandboxOptions};
use serde_json::Value;

fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_alertctl")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins`", path.display());
    path
}

/// Events with their configuration, where they have one.
fn fixtures() -> Vec<(PathBuf, Option<PathBuf>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut fixtures = Vec::new();
    for folder in std::fs::read_dir(root).unwrap().flatten() {
        for file in std::fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            // What is expected of an event lies beside it, with an ending more.
            if let [case, _, "json"] = name.split('.').collect::<Vec<_>>()[..] {
                let config = file.path().with_file_name(format!("{case}.config.yaml"));
                fixtures.push((file.path(), config.exists().then_some(config)));
            }
        }
    }
    fixtures.sort();
    assert!(fixtures.len() > 50, "found {} fixtures", fixtures.len());
    fixtures
}

/// `NAME drop RULE` or `NAME pass` for every alert, in order: what explain says of one function.
fn explained(text: &str, from: &str, to: Option<&str>) -> Vec<String> {
    let part = text.split_once(from).expect("explain names the function").1;
    let part = to.map_or(part, |to| part.split_once(to).map_or(part, |(part, _)| part));
    let verdicts = part.lines().filter_map(|line| {
        let line = line.strip_prefix("    ")?;
        if let Some(rest) = line.strip_prefix("drop by ") {
            return Some(format!("drop {}", rest.split(": ").next()?));
        }
        (line == "publish" || line.starts_with("deliver to ")).then(|| "pass".to_owned())
    });
    let mut verdicts: Vec<String> = verdicts.collect();
    // Several receivers of one alert are one verdict in the log.
    verdicts.dedup_by(|a, b| a == b && from.contains("cloudwatch") && a == "pass");
    verdicts
}

/// The same in JSON.
fn explained_in_json(function: &Value) -> Vec<String> {
    let verdict = |alert: &Value| match alert["verdict"].as_str().unwrap() {
        "drop" => format!("drop {}", alert["dropped"]["rule"].as_str().unwrap()),
        verdict @ ("publish" | "deliver") => {
            assert_eq!(alert["dropped"], Value::Null, "{alert}");
            let has_receivers = alert["receivers"].as_array().is_some_and(|all| !all.is_empty());
            assert_eq!(verdict == "deliver", has_receivers, "{alert}");
            "pass".to_owned()
        }
        other => panic!("{other}"),
    };
    let mut verdicts: Vec<String> = function["alerts"].as_array().unwrap().iter().map(verdict).collect();
    let posts = function["posts"].as_array().unwrap();
    let told: usize = posts.iter().map(|post| post["alerts"].as_array().unwrap().len()).sum();
    let passed = verdicts.iter().filter(|verdict| *verdict == "pass").count();
    assert!(passed == 0 || told > 0, "{function:#}");
    if function["alerts"][0].get("receivers").is_some() {
        // As with the text, in which each receiver has its line.
        verdicts.dedup_by(|a, b| a == b && a == "pass");
    }
    verdicts
}

/// The same out of a function's log, for one invocation.
fn logged(log: &str, request_id: &str) -> Vec<String> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
    lines
        .filter(|line| text(line, "request_id") == request_id && !text(line, "verdict").is_empty())
        .map(|line| match text(&line, "verdict").as_str() {
            "dropped" => format!("drop {}", text(&line, "rule")),
            _ => "pass".to_owned(),
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_agrees_with_both_functions_on_every_fixture() {
    let sandbox = Sandbox::start(SandboxOptions::default()).await.unwrap();
    let url = sandbox.slack.webhook("alerts").url;
    let hook = sandbox.kms.encrypt(&url, &[("LambdaFunctionName", "cloudwatch-to-slack")]);
    let topic = sandbox.sns.create_topic("alerts");
    let start = async |name: &str, config: Option<&Path>| {
        let spec = FunctionSpec::new(name, binary(name))
            .with_environment(sandbox.environment())
            .with_environment([("kmsEncryptedHookUrl", hook.as_str()), ("SNS_TOPIC_ARN", topic.as_str())])
            .with_environment(config.map(|path| ("ALERT_CONFIG_FILE", path.display().to_string())));
        Function::start(spec).await.unwrap()
    };
    let (relay, filter) =
        (start("cloudwatch-to-slack", None).await, start("grafana-filter-to-sns", None).await);
    let mut problems = Vec::new();
    for (event, config) in fixtures() {
        let mut command = Command::new(env!("CARGO_BIN_EXE_alertctl"));
        command.arg("explain").arg(&event);
        if let Some(config) = &config {
            command.arg("--config").arg(config);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}: {}", event.display(), String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let json = command.arg("--json").output().unwrap();
        let json: Value = serde_json::from_slice(&json.stdout).unwrap();
        let bytes = std::fs::read(&event).unwrap();
        for (name, running, to) in [
            ("grafana-filter-to-sns", &filter, Some("\ncloudwatch-to-slack would:")),
            ("cloudwatch-to-slack", &relay, None),
        ] {
            let own;
            let function = if config.is_some() {
                own = start(name, config.as_deref()).await;
                &own
            } else {
                running
            };
            let invocation = function.invoke(bytes.clone()).await;
            let said = explained(&text, &format!("{name} would:"), to);
            let in_json = explained_in_json(&json["functions"][name]);
            assert_eq!(in_json, said, "{}: {name}", event.display());
            // The log has a line for every alert before the answer, but gets here by a pipe of its own.
            let begin = Instant::now();
            let mut done = logged(&function.log(), &invocation.request_id);
            while !agree(&said, &done) && begin.elapsed() < Duration::from_secs(5) {
                tokio::time::sleep(Duration::from_millis(10)).await;
                done = logged(&function.log(), &invocation.request_id);
            }
            if !agree(&said, &done) {
                problems.push(format!("{} {name}: explain {said:?}, binary {done:?}", event.display()));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whether both drop the same by the same rules, and both let something pass or neither does.
fn agree(said: &[String], done: &[String]) -> bool {
    let drops = |verdicts: &[String]| {
        let mut drops: Vec<String> = verdicts.iter().filter(|verdict| *verdict != "pass").cloned().collect();
        drops.sort();
        drops
    };
    let passes = |verdicts: &[String]| verdicts.iter().any(|verdict| verdict == "pass");
    !done.is_empty() && drops(said) == drops(done) && passes(said) == passes(done)
}
