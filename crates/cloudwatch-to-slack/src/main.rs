//! Lambda function: CloudWatch alarms, and whatever else comes from SNS, SQS, EventBridge or an alarm's own action, into
//! Slack. Only wiring; what is decided is in `alert-core`, what is done in `alert-io`.

use std::process::ExitCode;

use alert_io::deadline::Deadline;
use alert_io::lambda::{InvocationError, report_start_error};
use alert_io::relay::Relay;
use alert_io::{log, settings};
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use serde_json::value::RawValue;

// One thread: there is one invocation at a time, and it waits for the network.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    log::start(&settings::process);
    let relay = match Relay::start(&settings::process).await {
        Ok(relay) => relay,
        Err(error) => {
            report_start_error(&settings::process, &error).await;
            return ExitCode::FAILURE;
        }
    };
    let relay = &relay;
    let handler = service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        let deadline = Deadline::of_invocation(event.context.deadline());
        let payload = event.payload.get().as_bytes();
        relay.handle(payload, &event.context.request_id, deadline).await as Result<Value, InvocationError>
    });
    match lambda_runtime::run(handler).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
