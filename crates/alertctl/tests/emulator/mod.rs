//! moto's server, AWS's command line, and where everything lies.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::foreign::Foreign;

pub(crate) const REGION: &str = "eu-west-1";

/// moto's server, ended with its owner.
pub(crate) struct Moto {
    _process: Foreign,
    region: &'static str,
    /// Where it listens.
    pub(crate) url: String,
}

pub(crate) fn venv(program: &str) -> PathBuf {
    let venv = std::env::var("ALERT_RELAY_VENV").expect("run by `make test`, which sets ALERT_RELAY_VENV");
    Path::new(&venv).join("bin").join(program)
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A function's binary: of a release that was unpacked into `ALERT_RELAY_FUNCTIONS`, else what was built beside `alertctl`.
pub(crate) fn binary(name: &str) -> PathBuf {
    let built = || Path::new(env!("CARGO_BIN_EXE_alertctl")).with_file_name(name);
    let path = std::env::var_os("ALERT_RELAY_FUNCTIONS")
        .map_or_else(built, |folder| PathBuf::from(folder).join(name));
    assert!(path.exists(), "{} is missing: run `cargo build --workspace --bins`", path.display());
    path
}

impl Moto {
    pub(crate) fn start() -> Self {
        Self::start_in(REGION)
    }

    pub(crate) fn start_in(region: &'static str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new(venv("moto_server"));
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let mut process = Foreign::start(&mut command, "it by `make venv`");
        process.wait_for_port(port, Duration::from_mins(1));
        Self { _process: process, region, url: format!("http://127.0.0.1:{port}") }
    }

    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.url.as_str()),
            ("AWS_REGION", self.region),
            ("AWS_DEFAULT_REGION", self.region),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    /// AWS's command line, version 1; `what` is split at spaces, `more` is not.
    pub(crate) fn aws_output(&self, what: &str, more: &[&str]) -> Output {
        Command::new(venv("aws"))
            .args(what.split(' ').filter(|word| !word.is_empty()))
            .args(more)
            .args(["--output", "json", "--endpoint-url", &self.url])
            .envs(self.environment())
            .output()
            .expect("the AWS command line runs")
    }

    pub(crate) fn aws(&self, what: &str, more: &[&str]) -> Value {
        let output = self.aws_output(what, more);
        assert!(output.status.success(), "aws {what}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// The error code that a call is refused with.
    pub(crate) fn refusal(&self, url: &str, what: &str, more: &[&str]) -> String {
        let output = Command::new(venv("aws"))
            .args(what.split(' '))
            .args(more)
            .args(["--endpoint-url", url])
            .envs(self.environment())
            .env_remove("AWS_ENDPOINT_URL")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "aws {what} was accepted by {url}");
        text.split_once("An error occurred (")
            .and_then(|(_, rest)| rest.split(')').next())
            .unwrap_or(&text)
            .to_owned()
    }
}

/// Has the `judge.py` of a folder compare the sandbox with a program of others.
pub(crate) fn judge(folder: &str, setting: &Value) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(folder).join("judge.py");
    let mut command = Command::new(venv("python"));
    command.arg(script).arg(setting.to_string()).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().unwrap();
    let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", printed(&output.stdout), printed(&output.stderr));
}

pub(crate) fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_else(|| panic!("no {path} in {value}")).to_owned()
}
