//! Lambda function behind `POST /slack/actions`: takes the buttons that people press in alerts' messages. Only wiring; what is
//! done is in `alert-io`.

use std::process::ExitCode;

use alert_io::actions::Actions;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    alert_io::lambda::run(Actions::start, Actions::handle).await
}
