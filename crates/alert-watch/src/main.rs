//! Lambda function that EventBridge's scheduler wakes every minute: does what is due though nothing is heard of it. Only
//! wiring; what is done is in `alert-io`.

use std::process::ExitCode;

use alert_io::watch::Watch;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    alert_io::lambda::run(Watch::start, Watch::handle).await
}
