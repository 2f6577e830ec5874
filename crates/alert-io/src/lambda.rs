//! What both functions say to Lambda beyond their answers.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};
use std::time::Duration;

use alert_core::envelope::{Record, Reply};
use alert_core::outcome::Failure;
use alert_core::region::Arn;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::deadline::Deadline;
use crate::settings::{self, AWS_LAMBDA_FUNCTION_NAME, AWS_LAMBDA_RUNTIME_API, Environment, StartError};
use crate::{http, log};

/// Some messages of a batch failed, and Lambda must read their names out of the answer.
const BATCH_PARTLY_FAILED: &str = "batch_partly_failed";

/// What Lambda always sets, with the values of a small function whose code was never published.
const LAMBDA_DEFAULTS: [(&str, &str); 3] = [
    (AWS_LAMBDA_FUNCTION_NAME, ""),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
];

/// What Lambda says of an invocation beside its event.
#[derive(Debug, Clone, Copy)]
pub struct Invoked<'i> {
    /// Its id, which the log lines of it have.
    pub request_id: &'i str,
    /// The function's own account, twelve digits; empty where it is not known.
    pub account: &'i str,
    /// What time it is.
    pub clock: Clock,
}

/// Runs a function: `start` once, then `handle` for every event, until Lambda ends the process.
///
/// What `start` refuses is told to Lambda, and the process ends.
pub async fn run<T>(
    start: impl AsyncFnOnce(Environment<'_>) -> Result<T, StartError>,
    handle: impl AsyncFn(&T, &[u8], Invoked<'_>, Deadline) -> Result<Value, InvocationError>,
) -> ExitCode {
    log::start(&settings::process);
    if let Err(error) = complete_environment() {
        tracing::error!(error_type = error.error_type, "{}", error.message);
        return ExitCode::FAILURE;
    }
    let function = match start(&settings::process).await {
        Ok(function) => function,
        Err(error) => {
            report_start_error(&settings::process, &error).await;
            return ExitCode::FAILURE;
        }
    };
    let (function, handle) = (&function, &handle);
    // Raw, so that the event is parsed once, and by us: one bad record must not fail the others.
    let service = service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let deadline = Deadline::of_invocation(event.context.deadline());
        let account = Arn::parse(&event.context.invoked_function_arn).map_or("", |arn| arn.account);
        let clock = Clock::system();
        let invoked = Invoked { request_id: &event.context.request_id, account, clock };
        handle(function, event.payload.get().as_bytes(), invoked, deadline).await
    });
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("the Lambda runtime has ended: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Gives this process what lambda_runtime panics without, where somebody else than Lambda runs it: starts it again with
/// the values of a function without any.
fn complete_environment() -> Result<(), StartError> {
    let wrong = match settings::process(AWS_LAMBDA_RUNTIME_API) {
        None => Some("is not set".to_owned()),
        // With a path it would be said by whatever fails to make a URL of it.
        Some(api) if api.contains('/') => {
            Some(format!("is {}, which is no host and port", settings::shown(&api)))
        }
        Some(_) => None,
    };
    if let Some(wrong) = wrong {
        return Err(StartError::new(
            "not_on_lambda",
            format!(
                "{AWS_LAMBDA_RUNTIME_API} {wrong}: this is a Lambda function, which AWS Lambda starts; to try it here, run `alertctl demo`"
            ),
        ));
    }
    let missing: Vec<_> =
        LAMBDA_DEFAULTS.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        StartError::new("not_on_lambda", format!("the process cannot be started again: {error}"))
    };
    let program = std::env::current_exe().map_err(failed)?;
    // Comes back only when it fails.
    Err(failed(Command::new(program).args(std::env::args_os().skip(1)).envs(missing).exec()))
}

/// Why an invocation is not done: Lambda tries it again, and in the end puts it where nothing gets lost.
#[derive(Debug)]
pub struct InvocationError {
    /// Stable, for alarms and for whoever reads the dead-letter queue.
    pub error_type: &'static str,
    /// What failed, and how much of the event.
    pub message: String,
}

impl InvocationError {
    /// One error for all failures of an event.
    #[must_use]
    pub fn of(failures: &[&Failure], total: usize) -> Self {
        let Some(first) = failures.first() else {
            return Self { error_type: "unknown", message: "nothing failed".to_owned() };
        };
        let message = format!("{} of {total} alerts were not delivered: {}", failures.len(), first.detail);
        Self { error_type: first.error_type, message }
    }
}

impl From<InvocationError> for Diagnostic {
    fn from(error: InvocationError) -> Self {
        Self { error_type: error.error_type.to_owned(), error_message: error.message }
    }
}

/// The answer for an event: what the caller understands as "done", or as "this part of it must come again".
///
/// `failed` has the record and the reason of every alert that was not delivered; `total` counts all alerts.
pub fn answer(
    reply: Reply,
    records: &[Record],
    total: usize,
    failed: &[(usize, &Failure)],
    done: Value,
) -> Result<Value, InvocationError> {
    let failures: Vec<&Failure> = failed.iter().map(|(_, failure)| *failure).collect();
    match reply {
        Reply::BatchItemFailures => {
            let mut ids = BTreeSet::new();
            for (record, _) in failed {
                match records.get(*record).and_then(|record| record.item.as_deref()) {
                    Some(id) => ids.insert(id),
                    // A failed record without an id cannot be named; then the whole batch must come again.
                    None => return Err(InvocationError::of(&failures, total)),
                };
            }
            // Lambda takes an error for the failure of all, and so does a mapping without `ReportBatchItemFailures`, which
            // would take the named ones for delivered, too.
            let messages: BTreeSet<_> = records.iter().filter_map(|record| record.item.as_deref()).collect();
            if !ids.is_empty() && ids.len() == messages.len() {
                return Err(InvocationError::of(&failures, total));
            }
            if !ids.is_empty() {
                tracing::warn!(
                    error_type = BATCH_PARTLY_FAILED,
                    failed = ids.len(),
                    messages = messages.len(),
                    "the failed messages are named in batchItemFailures: they come again if the queue's event source mapping has ReportBatchItemFailures, and are lost without it"
                );
            }
            let items: Vec<Value> = ids.into_iter().map(|id| json!({"itemIdentifier": id})).collect();
            Ok(json!({"batchItemFailures": items}))
        }
        Reply::Http => {
            let (status, body) = if failures.is_empty() {
                (200, "done".to_owned())
            } else {
                (502, InvocationError::of(&failures, total).message)
            };
            Ok(
                json!({"statusCode": status, "headers": {"content-type": "text/plain; charset=utf-8"}, "body": body}),
            )
        }
        Reply::Whole if failures.is_empty() => Ok(done),
        Reply::Whole => Err(InvocationError::of(&failures, total)),
    }
}

/// Tells Lambda that the function cannot start, and why.
///
/// lambda_runtime does so only for SnapStart. Source: Lambda Developer Guide, "Using the Lambda runtime API",
/// initialization error. That this post itself fails is logged: Lambda sees the exit all the same.
async fn report_start_error(environment: Environment<'_>, error: &StartError) {
    tracing::error!(error_type = error.error_type, "{}", error.message);
    let Some(api) = environment(AWS_LAMBDA_RUNTIME_API) else { return };
    // Without the environment's own certificates: they may be what is wrong, and this is plain http.
    let Ok(client) = http::client(&|_| None) else { return };
    let body = json!({"errorMessage": error.message, "errorType": error.error_type, "stackTrace": []});
    let sent = client
        .post(format!("http://{api}/2018-06-01/runtime/init/error"))
        .header("Lambda-Runtime-Function-Error-Type", error.error_type)
        .header(reqwest::header::CONTENT_TYPE, "application/json")
        .timeout(Duration::from_secs(2))
        .body(body.to_string())
        .send()
        .await;
    if let Err(error) = sent {
        tracing::error!("the Lambda Runtime API did not take the error: {}", http::describe(&error));
    }
}
