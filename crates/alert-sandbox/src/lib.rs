//! Loopback stand-ins for the services around the two functions, speaking the real protocols.
//!
//! A [`Sandbox`] holds CloudWatch and its Logs, DynamoDB, KMS, SNS and Slack, with its webhooks, its Web API and the
//! clicks of its people; [`lambda::Function`] runs a function's real binary against the Lambda Runtime API; [`sqs`] and
//! [`eventbridge`] deliver events to it as AWS does. The limits and errors are the services' own, and nothing here
//! knows the relay: it is its judge.
//!
//! Everything listens on 127.0.0.1 and ends with its owner.
//!
//! ```no_run
//! # use alert_sandbox::{Sandbox, SandboxOptions, lambda::{Function, FunctionSpec}, sns::Message};
//! # use std::time::Duration;
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let sandbox = Sandbox::start(SandboxOptions { tls: true, seed: 1 }).await?;
//! let webhook = sandbox.slack.webhook("ops");
//! let hook = sandbox.kms.encrypt(&webhook.url, &[("LambdaFunctionName", "relay")]);
//! let spec = FunctionSpec::new("relay", "/path/to/bootstrap")
//!     .with_environment(sandbox.environment())
//!     .with_environment([("kmsEncryptedHookUrl", hook)]);
//! let function = Function::start(spec).await?;
//! let topic = sandbox.sns.create_topic("alerts");
//! sandbox.sns.subscribe_function(&topic, &function)?;
//! sandbox.sns.publish(&topic, Message::new("the alarm's JSON"))?;
//! let posts = sandbox.slack.wait_for(1, Duration::from_secs(5)).await;
//! assert_eq!(posts.len(), 1, "{:?}\n{}", sandbox.slack.posts(), function.log());
//! # Ok(())
//! # }
//! ```

pub mod aws;
mod background;
pub mod cloudwatch;
pub mod dynamodb;
pub mod eventbridge;
mod fault;
mod form;
pub mod kms;
pub mod lambda;
pub mod logs;
mod server;
pub mod slack;
pub mod sns;
pub mod sqs;
pub mod tls;

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws::Ids;
use cloudwatch::CloudWatch;
use dynamodb::DynamoDb;
use eventbridge::EventBridge;
use kms::Kms;
use logs::Logs;
use slack::Slack;
use sns::Sns;
use tls::Authority;

/// How a sandbox is made.
#[derive(Debug, Clone, Default)]
pub struct SandboxOptions {
    /// Serve HTTPS, with a certificate of the sandbox's own authority.
    pub tls: bool,
    /// Where ids and keys come from; the same seed gives the same ones.
    pub seed: u64,
}

/// The services that the functions call.
#[derive(Debug)]
pub struct Sandbox {
    /// Metrics and alarms.
    pub cloudwatch: CloudWatch,
    /// The database.
    pub dynamodb: DynamoDb,
    /// The event bus, with the way in for Grafana's webhook.
    pub eventbridge: EventBridge,
    /// The key service.
    pub kms: Kms,
    /// Log groups and metric filters.
    pub logs: Logs,
    /// Slack: incoming webhooks, the Web API, and clicks.
    pub slack: Slack,
    /// The notification service.
    pub sns: Sns,
    authority: Option<Authority>,
    ca_file: Option<CaFile>,
}

impl Sandbox {
    /// Starts all services.
    pub async fn start(options: SandboxOptions) -> io::Result<Self> {
        let ids = Ids::new(options.seed);
        let authority = options.tls.then(Authority::new).transpose()?;
        let ca_file = authority.as_ref().map(CaFile::write).transpose()?;
        let tls = || authority.as_ref().map(Authority::acceptor);
        let kms = Kms::start(ids.clone(), tls()).await?;
        let slack = Slack::start(ids.clone(), tls()).await?;
        let sns = Sns::start(ids.clone(), tls()).await?;
        let dynamodb = DynamoDb::start(ids.clone(), tls()).await?;
        let eventbridge = EventBridge::start(ids.clone(), tls()).await?;
        let cloudwatch = CloudWatch::start(ids.clone(), tls(), sns.notifier()).await?;
        let logs = Logs::start(ids, tls()).await?;
        Ok(Self { cloudwatch, dynamodb, eventbridge, kms, logs, slack, sns, authority, ca_file })
    }

    /// The environment that leads a function to this sandbox, on top of what Lambda itself sets.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut environment = vec![
            ("AWS_ENDPOINT_URL_CLOUDWATCH".to_owned(), self.cloudwatch.url()),
            ("AWS_ENDPOINT_URL_CLOUDWATCH_LOGS".to_owned(), self.logs.url()),
            ("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), self.dynamodb.url()),
            ("AWS_ENDPOINT_URL_KMS".to_owned(), self.kms.url()),
            ("AWS_ENDPOINT_URL_SNS".to_owned(), self.sns.url()),
            ("SLACK_API_URL".to_owned(), self.slack.api_url()),
        ];
        if let Some(file) = &self.ca_file {
            environment.push(("SSL_CERT_FILE".to_owned(), file.path().display().to_string()));
        }
        environment
    }

    /// The authority's certificate, when the sandbox speaks TLS.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.authority.as_ref().map(Authority::ca_pem)
    }
}

/// The authority's certificate in a directory of its own, which goes with the sandbox.
#[derive(Debug)]
struct CaFile {
    directory: PathBuf,
}

impl CaFile {
    fn write(authority: &Authority) -> io::Result<Self> {
        // Not seeded: two sandboxes of one seed may run beside each other.
        let name = aws::hex(&rand::random::<[u8; 16]>());
        let file = Self { directory: std::env::temp_dir().join(format!("alert-sandbox-{name}")) };
        std::fs::create_dir(&file.directory)?;
        std::fs::write(file.path(), authority.ca_pem())?;
        Ok(file)
    }

    fn path(&self) -> PathBuf {
        self.directory.join("ca.pem")
    }
}

impl Drop for CaFile {
    fn drop(&mut self) {
        // What cannot be removed is left to the system's own cleaning.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A background task that ends with its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(pub(crate) tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Locks; a panic elsewhere, in a test for instance, must not hide behind a poisoned lock.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
