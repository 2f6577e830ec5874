//! `alertctl` as somebody runs it who is logged in to the sandbox's account.

use std::io::Write as _;
use std::process::{Command, Stdio};

use alert_sandbox::Sandbox;

/// What a run printed, and its exit status.
pub(crate) struct Told {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end, with this on standard input.
pub(crate) fn alertctl(sandbox: &Sandbox, command: &str, arguments: &[&str], input: &str) -> Told {
    let mut process = Command::new(env!("CARGO_BIN_EXE_alertctl"))
        .arg(command)
        .args(arguments)
        .env_clear()
        .envs(sandbox.environment())
        .envs([
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Whoever does not read it, need not.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Told { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}
