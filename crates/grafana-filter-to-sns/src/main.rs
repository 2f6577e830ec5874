//! Lambda function: Grafana's alerts from EventBridge (or HTTP, SNS, SQS), without the noise, to SNS. Only wiring; what is
//! decided is in `alert-core`, what is done in `alert-io`.

use std::process::ExitCode;

use alert_io::filter::Filter;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    alert_io::lambda::run(async |environment| Filter::start(environment), Filter::handle).await
}
