//! Lambda: runs the real binary of a function against the Runtime API.

mod instance;
mod runtime_api;

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::aws::{ACCOUNT, Ids, REGION, timestamp};
use crate::lock;
use instance::{InitFailure, Instance, Log};

/// What Lambda gives a function to start; after that, init is run again within the first invocation.
pub const INIT_MAX: Duration = Duration::from_secs(10);
/// How often an asynchronous invocation is tried again after a function error.
pub const ASYNC_RETRIES_MAX: usize = 2;
/// How many instances run beside each other, unless [`Function::set_concurrency`] says otherwise.
const DEFAULT_CONCURRENCY: usize = 10;

/// What a function is made of.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// The function's name.
    pub name: String,
    /// The binary, as it would be the `bootstrap` of the deployment package.
    pub binary: PathBuf,
    /// The variables of its configuration.
    pub environment: Vec<(String, String)>,
    /// When an invocation is ended.
    pub timeout: Duration,
    /// The configured memory; it is told to the function, not enforced.
    pub memory_mb: u32,
}

impl FunctionSpec {
    /// A function without settings of its own, with 30 seconds and 128 MB.
    #[must_use]
    pub fn new(name: impl Into<String>, binary: impl Into<PathBuf>) -> Self {
        let (name, binary) = (name.into(), binary.into());
        Self { name, binary, environment: Vec::new(), timeout: Duration::from_secs(30), memory_mb: 128 }
    }

    /// Adds variables.
    #[must_use]
    pub fn with_environment<N, V>(mut self, environment: impl IntoIterator<Item = (N, V)>) -> Self
    where
        N: Into<String>,
        V: Into<String>,
    {
        let pairs = environment.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.environment.extend(pairs);
        self
    }

    /// Sets the timeout.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// What became of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function answered.
    Response(Vec<u8>),
    /// The function reported an error.
    Error {
        /// `errorType`.
        error_type: String,
        /// `errorMessage`.
        message: String,
        /// The body as it was posted.
        raw: Vec<u8>,
    },
    /// The function reported that it cannot start.
    InitError {
        /// `errorType`.
        error_type: String,
        /// `errorMessage`.
        message: String,
        /// The body as it was posted.
        raw: Vec<u8>,
    },
    /// The function was killed when its time was over.
    TimedOut,
    /// The process ended on its own, with this code unless a signal ended it.
    Exited(Option<i32>),
}

impl Outcome {
    /// Whether Lambda counts the invocation as a success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Response(_))
    }

    /// The answer as JSON, when there is one.
    #[must_use]
    pub fn response_json(&self) -> Option<Value> {
        match self {
            Self::Response(body) => serde_json::from_slice(body).ok(),
            _ => None,
        }
    }
}

/// One invocation and what became of it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The request id; the same in every retry of an asynchronous invocation.
    pub request_id: String,
    /// What became of it.
    pub outcome: Outcome,
    /// From the call to the outcome, a start of the process included.
    pub duration: Duration,
}

/// What a process holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Memory, as far as it is in RAM.
    pub resident_bytes: u64,
    /// Open file descriptors, connections among them.
    pub open_files: usize,
}

/// A function; clones are handles of the same one. Its processes are killed with the last handle.
#[derive(Debug, Clone)]
pub struct Function(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spec: FunctionSpec,
    ids: Ids,
    log: Arc<Log>,
    idle: Mutex<Vec<Instance>>,
    slots: Semaphore,
    state: Mutex<FunctionState>,
}

#[derive(Debug)]
struct FunctionState {
    /// The variables as they were set last.
    environment: Vec<(String, String)>,
    /// How often they were set; a process of earlier ones takes no further event.
    version: u64,
    concurrency: usize,
    init_duration: Option<Duration>,
    init_failure: Option<InitFailure>,
    retries: usize,
    retry_delays: [Duration; ASYNC_RETRIES_MAX],
    dead_letters: Vec<Value>,
}

impl Function {
    /// Starts the function and waits until it is ready, has failed to start, or [`INIT_MAX`] is over.
    /// A failed start is no error here: it is told by [`Function::init_error`], and the next invocation
    /// starts anew, as with Lambda.
    pub async fn start(spec: FunctionSpec) -> io::Result<Self> {
        Self::start_seeded(spec, 0).await
    }

    /// Like [`Function::start`], with request ids that follow from the seed and the name.
    pub async fn start_seeded(spec: FunctionSpec, seed: u64) -> io::Result<Self> {
        let function = Self(Arc::new(Inner {
            ids: Ids::named(seed, &spec.name),
            log: Arc::default(),
            idle: Mutex::default(),
            slots: Semaphore::new(DEFAULT_CONCURRENCY),
            state: Mutex::new(FunctionState {
                environment: spec.environment.clone(),
                version: 0,
                concurrency: DEFAULT_CONCURRENCY,
                init_duration: None,
                init_failure: None,
                retries: ASYNC_RETRIES_MAX,
                retry_delays: [Duration::ZERO; ASYNC_RETRIES_MAX],
                dead_letters: Vec::new(),
            }),
            spec,
        }));
        function.start_one().await?;
        Ok(function)
    }

    /// Starts a process that waits for an event.
    async fn start_one(&self) -> io::Result<()> {
        let version = self.0.version();
        if let Ok(instance) = self.0.cold_start(Instant::now() + INIT_MAX).await? {
            self.0.rest(instance, version);
        }
        Ok(())
    }

    /// Sets all variables of the configuration, as `UpdateFunctionConfiguration` does, and waits until a process with them is
    /// ready, or has failed to start. What runs with the earlier ones ends its event, and takes no other.
    pub async fn set_environment<N, V>(&self, environment: impl IntoIterator<Item = (N, V)>) -> io::Result<()>
    where
        N: Into<String>,
        V: Into<String>,
    {
        let environment = environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        {
            let mut state = lock(&self.0.state);
            state.environment = environment;
            state.version += 1;
            state.init_failure = None;
        }
        self.stop().await;
        self.start_one().await
    }

    /// The function's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// The function's ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        function_arn(&self.0.spec.name)
    }

    /// Invokes the function and waits for the outcome.
    pub async fn invoke(&self, payload: impl Into<Bytes>) -> Invocation {
        let request_id = self.0.ids.uuid();
        self.invoke_as(&request_id, payload).await
    }

    /// Invokes the function with a given request id, as a retry does.
    pub async fn invoke_as(&self, request_id: &str, payload: impl Into<Bytes>) -> Invocation {
        let started = Instant::now();
        let outcome = self.0.invoke(request_id, payload.into()).await;
        Invocation { request_id: request_id.to_owned(), outcome, duration: started.elapsed() }
    }

    /// Starts a process for an event that is there before it: what an alert meets that comes after a quiet time.
    ///
    /// The duration is from the start of the process to its answer. The process is warm after that.
    pub async fn invoke_cold(&self, payload: impl Into<Bytes>) -> io::Result<Invocation> {
        let request_id = self.0.ids.uuid();
        let version = self.0.version();
        let mut instance = self.0.process().await?;
        let started = instance.started();
        let deadline = started + INIT_MAX + self.0.spec.timeout;
        let (outcome, alive) = instance.invoke(&request_id, payload.into(), deadline).await;
        let duration = started.elapsed();
        if alive {
            self.0.rest(instance, version);
        }
        Ok(Invocation { request_id, outcome, duration })
    }

    /// The most memory that any of the idle processes ever held, in bytes; `None` where none is idle, and where the
    /// system does not tell.
    #[must_use]
    pub fn peak_memory(&self) -> Option<u64> {
        lock(&self.0.idle).iter().filter_map(Instance::peak_memory).max()
    }

    /// What the idle process that was used last holds; `None` where none is idle, and where the system does not tell.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        lock(&self.0.idle).last().and_then(Instance::usage)
    }

    /// Invokes the function as Lambda's asynchronous queue does: after a failure, again with the same
    /// request id, and at last into the dead letters. All attempts are returned.
    pub async fn invoke_async(&self, payload: impl Into<Bytes>) -> Vec<Invocation> {
        let payload = payload.into();
        let request_id = self.0.ids.uuid();
        let (retries, delays) = {
            let state = lock(&self.0.state);
            (state.retries, state.retry_delays)
        };
        let mut attempts = vec![self.invoke_as(&request_id, payload.clone()).await];
        for delay in delays.into_iter().take(retries) {
            if attempts.last().is_some_and(|attempt| attempt.outcome.is_success()) {
                return attempts;
            }
            tokio::time::sleep(delay).await;
            attempts.push(self.invoke_as(&request_id, payload.clone()).await);
        }
        if let Some(last) = attempts.last().filter(|last| !last.outcome.is_success()) {
            let record = self.invocation_record(&payload, attempts.len(), last);
            lock(&self.0.state).dead_letters.push(record);
        }
        attempts
    }

    /// What an on-failure destination received: Lambda's invocation records.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<Value> {
        lock(&self.0.state).dead_letters.clone()
    }

    /// How often, and after which pauses, an asynchronous invocation is tried again; by default twice and
    /// at once, where Lambda waits one minute and then two.
    pub fn set_retries(&self, delays: &[Duration]) {
        let mut state = lock(&self.0.state);
        state.retries = delays.len().min(ASYNC_RETRIES_MAX);
        for (slot, delay) in state.retry_delays.iter_mut().zip(delays) {
            *slot = *delay;
        }
    }

    /// How many instances may run beside each other (reserved concurrency). More invocations wait.
    pub fn set_concurrency(&self, concurrency: usize) {
        let mut state = lock(&self.0.state);
        let old = std::mem::replace(&mut state.concurrency, concurrency);
        if concurrency > old {
            self.0.slots.add_permits(concurrency - old);
        } else {
            self.0.slots.forget_permits(old - concurrency);
        }
    }

    /// Everything that the function wrote to stdout and stderr, line by line.
    #[must_use]
    pub fn log(&self) -> String {
        self.0.log.text()
    }

    /// Waits until a line of the log holds this text: output travels through a pipe, so it may come a
    /// little later than the outcome. Says whether it came in time.
    pub async fn wait_for_log(&self, text: &str, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.0.log.wait_for(text)).await.is_ok()
    }

    /// From the start of the last process to its first request for an event.
    #[must_use]
    pub fn init_duration(&self) -> Option<Duration> {
        lock(&self.0.state).init_duration
    }

    /// Why the last start failed, if it did.
    #[must_use]
    pub fn init_error(&self) -> Option<Outcome> {
        lock(&self.0.state).init_failure.clone().map(InitFailure::into_outcome)
    }

    /// Kills all idle instances: the next invocation is a cold start.
    pub async fn stop(&self) {
        let idle = std::mem::take(&mut *lock(&self.0.idle));
        for mut instance in idle {
            instance.kill().await;
        }
    }

    fn invocation_record(&self, payload: &[u8], attempts: usize, last: &Invocation) -> Value {
        let as_json = |bytes: &[u8]| {
            let text = || Value::String(String::from_utf8_lossy(bytes).into_owned());
            serde_json::from_slice(bytes).unwrap_or_else(|_| text())
        };
        let id = &last.request_id;
        let response = match &last.outcome {
            Outcome::Response(raw) | Outcome::Error { raw, .. } | Outcome::InitError { raw, .. } => {
                as_json(raw)
            }
            Outcome::TimedOut => {
                let seconds = self.0.spec.timeout.as_secs_f64();
                let message = format!(
                    "{} {id} Task timed out after {seconds:.2} seconds",
                    timestamp(SystemTime::now())
                );
                json!({"errorType": "Sandbox.Timedout", "errorMessage": message})
            }
            Outcome::Exited(code) => {
                let status = code.map_or("signal: killed".to_owned(), |code| format!("exit status {code}"));
                let message = format!("RequestId: {id} Error: Runtime exited with error: {status}");
                json!({"errorType": "Runtime.ExitError", "errorMessage": message})
            }
        };
        json!({
            "version": "1.0",
            "timestamp": timestamp(SystemTime::now()),
            "requestContext": {
                "requestId": id,
                "functionArn": format!("{}:$LATEST", self.arn()),
                "condition": "RetriesExhausted",
                "approximateInvokeCount": attempts,
            },
            "requestPayload": as_json(payload),
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "responsePayload": response,
        })
    }
}

impl Inner {
    async fn invoke(&self, request_id: &str, payload: Bytes) -> Outcome {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await;
        let version = self.version();
        let warm = std::iter::from_fn(|| lock(&self.idle).pop()).find_map(|mut instance| {
            let alive = instance.is_alive();
            alive.then_some(instance)
        });
        let mut deadline = Instant::now() + self.spec.timeout;
        let mut instance = if let Some(instance) = warm {
            instance
        } else {
            // After a failed start, Lambda runs init again within the invocation's own time.
            let failed_before = lock(&self.state).init_failure.is_some();
            let limit = if failed_before { deadline } else { Instant::now() + INIT_MAX };
            let instance = match self.cold_start(limit).await {
                Ok(Ok(instance)) => instance,
                Ok(Err(failure)) => return failure.into_outcome(),
                // The binary was there when the function was made.
                Err(_) => return Outcome::Exited(None),
            };
            if !failed_before {
                deadline = Instant::now() + self.spec.timeout;
            }
            instance
        };
        let (outcome, alive) = instance.invoke(request_id, payload, deadline).await;
        if alive {
            self.rest(instance, version);
        }
        outcome
    }

    fn version(&self) -> u64 {
        lock(&self.state).version
    }

    /// Keeps a process for the next event, where its variables are still those of the function.
    fn rest(&self, instance: Instance, version: u64) {
        // Locked first, so that nobody sets others in between.
        let mut idle = lock(&self.idle);
        if self.version() == version {
            idle.push(instance);
        }
    }

    /// A new process.
    async fn process(&self) -> io::Result<Instance> {
        let environment = lock(&self.state).environment.clone();
        let spec = FunctionSpec { environment, ..self.spec.clone() };
        Instance::start(&spec, &self.ids, &self.log).await
    }

    async fn cold_start(&self, limit: Instant) -> io::Result<Result<Instance, InitFailure>> {
        let mut instance = self.process().await?;
        let ready = instance.ready(limit).await;
        let mut state = lock(&self.state);
        match ready {
            Ok(duration) => {
                state.init_duration = Some(duration);
                state.init_failure = None;
                Ok(Ok(instance))
            }
            Err(failure) => {
                state.init_failure = Some(failure.clone());
                Ok(Err(failure))
            }
        }
    }
}

fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}
