//! One execution environment: a process of the function's binary and its own Runtime API.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::runtime_api::{Event, InvocationReport, Phase, ReportedError, RuntimeApi};
use super::{FunctionSpec, Outcome, Usage, function_arn};
use crate::aws::{Ids, REGION};
use crate::{AbortOnDrop, lock};

/// How many lines of output are kept; the oldest go first.
const LOG_MAX_LINES: usize = 10_000;
/// How long a process may take to end by itself after it has reported an init error.
const EXIT_GRACE: Duration = Duration::from_secs(2);

/// What the function wrote to stdout and stderr.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Mutex<VecDeque<String>>,
    changed: tokio::sync::Notify,
}

impl Log {
    fn push(&self, line: String) {
        let mut lines = lock(&self.lines);
        if lines.len() == LOG_MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        self.changed.notify_waiters();
    }

    pub(super) fn text(&self) -> String {
        let lines = lock(&self.lines);
        lines.iter().fold(String::new(), |text, line| text + line + "\n")
    }

    pub(super) async fn wait_for(&self, text: &str) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if lock(&self.lines).iter().any(|line| line.contains(text)) {
                return;
            }
            changed.await;
        }
    }
}

/// A live process. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct Instance {
    api: RuntimeApi,
    phase: watch::Receiver<Phase>,
    child: Child,
    /// The moment before the process was made.
    started: Instant,
    readers: Vec<AbortOnDrop>,
}

/// Why an instance never asked for an event.
#[derive(Debug, Clone)]
pub(super) enum InitFailure {
    Reported(ReportedError),
    Exited(Option<i32>),
    TimedOut,
}

impl InitFailure {
    pub(super) fn into_outcome(self) -> Outcome {
        match self {
            Self::Reported(ReportedError { error_type, message, raw }) => {
                Outcome::InitError { error_type, message, raw }
            }
            Self::Exited(code) => Outcome::Exited(code),
            Self::TimedOut => Outcome::TimedOut,
        }
    }
}

impl Instance {
    pub(super) async fn start(spec: &FunctionSpec, ids: &Ids, log: &Arc<Log>) -> io::Result<Self> {
        let api = RuntimeApi::start(function_arn(&spec.name)).await?;
        let task_root = spec.binary.parent().unwrap_or(Path::new("/"));
        let mut command = Command::new(&spec.binary);
        command
            .env_clear()
            .envs(lambda_environment(spec, ids, &api, task_root))
            .envs(spec.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(task_root)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let started = Instant::now();
        let mut child = command.spawn()?;
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|output| read(output, log)));
        readers.extend(child.stderr.take().map(|output| read(output, log)));
        Ok(Self { phase: api.phase(), api, child, started, readers })
    }

    /// Waits until the function asks for its first event; says how long that took.
    pub(super) async fn ready(&mut self, limit: Instant) -> Result<Duration, InitFailure> {
        let mut phase = self.phase.clone();
        // `None` when the process ended. The arms await nothing: `wait_for` lends a lock.
        let reached = tokio::select! {
            biased;
            reached = phase.wait_for(|phase| !matches!(phase, Phase::Starting)) => {
                Some(reached.map_or(Phase::Starting, |phase| phase.clone()))
            }
            _ = self.child.wait() => None,
            () = sleep_until(limit) => Some(Phase::Starting),
        };
        let Some(reached) = reached else {
            self.drain().await;
            let status = self.child.wait().await;
            return Err(InitFailure::Exited(status.ok().and_then(|status| status.code())));
        };
        match reached {
            Phase::Ready(duration) => Ok(duration),
            Phase::InitError(error) => {
                if timeout(EXIT_GRACE, self.child.wait()).await.is_err() {
                    self.kill().await;
                }
                self.drain().await;
                Err(InitFailure::Reported(error))
            }
            Phase::Starting => {
                self.kill().await;
                Err(InitFailure::TimedOut)
            }
        }
    }

    /// One invocation. `false` beside the outcome says that the instance is no more.
    pub(super) async fn invoke(
        &mut self,
        request_id: &str,
        payload: Bytes,
        deadline: Instant,
    ) -> (Outcome, bool) {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut report = self.api.send(Event {
            request_id: request_id.to_owned(),
            payload,
            deadline: SystemTime::now() + left,
            trace_id: "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0".to_owned(),
        });
        tokio::select! {
            biased;
            Ok(report) = &mut report => match report {
                InvocationReport::Response(body) => (Outcome::Response(body.to_vec()), true),
                InvocationReport::Error(ReportedError { error_type, message, raw }) => {
                    (Outcome::Error { error_type, message, raw }, true)
                }
            },
            status = self.child.wait() => {
                self.drain().await;
                (Outcome::Exited(status.ok().and_then(|status| status.code())), false)
            }
            () = sleep_until(deadline) => {
                self.kill().await;
                (Outcome::TimedOut, false)
            }
        }
    }

    /// The moment before the process was made.
    pub(super) fn started(&self) -> Instant {
        self.started
    }

    /// The most memory that the process ever held, in bytes; `None` where the system does not tell (Linux does).
    pub(super) fn peak_memory(&self) -> Option<u64> {
        self.memory("VmHWM:")
    }

    /// What the process holds now; `None` where the system does not tell.
    pub(super) fn usage(&self) -> Option<Usage> {
        let open_files = std::fs::read_dir(format!("/proc/{}/fd", self.child.id()?)).ok()?.count();
        Some(Usage { resident_bytes: self.memory("VmRSS:")?, open_files })
    }

    /// A line of the process's status, in bytes. Source: proc_pid_status(5).
    fn memory(&self, key: &str) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(key))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
        Some(kibibytes * 1_024)
    }

    pub(super) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends the process, and only this one: by its handle.
    pub(super) async fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill().await;
        self.drain().await;
    }

    /// Reads what the ended process left in its pipes; a grandchild that holds them open does not block.
    async fn drain(&mut self) {
        for reader in &mut self.readers {
            let _ = timeout(Duration::from_millis(200), &mut reader.0).await;
        }
        self.readers.clear();
    }
}

fn read(output: impl AsyncRead + Send + Unpin + 'static, log: &Arc<Log>) -> AbortOnDrop {
    let log = Arc::clone(log);
    AbortOnDrop(tokio::spawn(async move {
        let mut output = BufReader::new(output);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line).await.is_ok_and(|bytes| bytes > 0) {
            log.push(String::from_utf8_lossy(&line).trim_end_matches(['\n', '\r']).to_owned());
            line.clear();
        }
    }))
}

/// The variables that Lambda sets for a function on `provided.al2023`.
fn lambda_environment(
    spec: &FunctionSpec,
    ids: &Ids,
    api: &RuntimeApi,
    task_root: &Path,
) -> Vec<(&'static str, String)> {
    vec![
        ("AWS_LAMBDA_RUNTIME_API", api.authority()),
        ("AWS_LAMBDA_FUNCTION_NAME", spec.name.clone()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", spec.memory_mb.to_string()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", spec.name)),
        ("AWS_LAMBDA_LOG_STREAM_NAME", format!("2026/01/01/[$LATEST]{}", ids.uuid().replace('-', ""))),
        ("AWS_REGION", REGION.to_owned()),
        ("AWS_DEFAULT_REGION", REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", "ASIASANDBOXSANDBOX00".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "sandbox-secret-access-key".to_owned()),
        ("AWS_SESSION_TOKEN", "sandbox-session-token".to_owned()),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("LAMBDA_TASK_ROOT", task_root.display().to_string()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ]
}
