//! Lambda authorizer of a REST API: lets Grafana's webhook in by its `Authorization` header. Only wiring; what is done is in
//! `alert-io`.

use std::process::ExitCode;

use alert_io::authorizer::Authorizer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    alert_io::lambda::run(Authorizer::start, Authorizer::handle).await
}
