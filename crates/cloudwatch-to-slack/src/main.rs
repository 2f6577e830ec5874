//! Lambda function: CloudWatch alarms, and whatever else comes from SNS, SQS, EventBridge or an alarm's own action, into
//! Slack. Only wiring; what is decided is in `alert-core`, what is done in `alert-io`.

use std::process::ExitCode;

use alert_io::relay::Relay;

// One thread: there is one invocation at a time, and it waits for the network.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    alert_io::lambda::run(Relay::start, Relay::handle).await
}
