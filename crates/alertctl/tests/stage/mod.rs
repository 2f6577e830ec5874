//! What the tests with the real binaries share: where these lie, and alerts that can be told apart.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use alert_sandbox::Sandbox;
use alert_sandbox::lambda::FunctionSpec;
use alert_sandbox::slack::Webhook;
use serde_json::{Value, json};

/// A function's binary, which lies beside `alertctl`.
pub(crate) fn binary(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_alertctl")).with_file_name(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins` first", path.display());
    path
}

/// A relay of this name that posts to the webhook.
pub(crate) fn relay(sandbox: &Sandbox, name: &str, webhook: &Webhook) -> FunctionSpec {
    let hook = sandbox.kms.encrypt(&webhook.url, &[("LambdaFunctionName", name)]);
    FunctionSpec::new(name, binary("cloudwatch-to-slack"))
        .with_environment(sandbox.environment())
        .with_environment([("kmsEncryptedHookUrl", hook)])
}

/// A CloudWatch alarm's message.
pub(crate) fn alarm(name: &str) -> String {
    json!({
        "AlarmName": name,
        "AlarmDescription": "One of many.",
        "AWSAccountId": "123456789012",
        "AlarmArn": format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{name}"),
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "NewStateReason": "Threshold Crossed: 1 datapoint [91.5 (13/09/26 02:59:00)] was greater than the threshold (80.0).",
        "StateChangeTime": "2026-09-13T03:00:00.000+0000",
        "Region": "EU (Ireland)",
        "Trigger": {
            "MetricName": "CPUUtilization", "Namespace": "AWS/EC2", "Statistic": "AVERAGE", "Unit": null,
            "Dimensions": [{"name": "InstanceId", "value": "i-0123456789abcdef0"}], "Period": 60,
            "EvaluationPeriods": 1, "ComparisonOperator": "GreaterThanThreshold", "Threshold": 80.0,
        },
    })
    .to_string()
}

/// Which alerts a JSON names, out of those that are called `word-0123`.
pub(crate) fn named(json: &Value, word: &str) -> BTreeSet<String> {
    let text = json.to_string();
    let lead = format!("{word}-");
    text.match_indices(&lead)
        .filter_map(|(at, _)| {
            let digits = text.get(at + lead.len()..at + lead.len() + 4)?;
            digits.bytes().all(|b| b.is_ascii_digit()).then(|| format!("{lead}{digits}"))
        })
        .collect()
}

/// Prints a line that the test runner does not hold back, because it is worth reading when all is well, too.
pub(crate) fn say(line: &str) {
    use std::io::Write as _;
    // Whoever closed the stream does not want to read it.
    let _ = writeln!(std::io::stderr(), "{line}");
}
