//! AWS clients, straight from Lambda's environment: no configuration chain, which costs time at every cold start.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Region, StalledStreamProtectionConfig};

use crate::http::SdkHttpClient;
use crate::settings::{
    AWS_ACCESS_KEY_ID, AWS_DEFAULT_REGION, AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_CLOUDWATCH,
    AWS_ENDPOINT_URL_CLOUDWATCH_LOGS, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL_SNS,
    AWS_REGION, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, Environment, StartError,
};

/// One attempt of a call.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

/// Region and credentials, as Lambda sets them.
#[derive(Debug, Clone)]
pub struct Identity {
    region: String,
    credentials: Credentials,
}

impl Identity {
    /// The function's own region.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Reads them; the error names what is missing.
    pub fn from_environment(environment: Environment<'_>) -> Result<Self, StartError> {
        let missing = |setting: &str| {
            StartError::new(
                "aws_identity_missing",
                format!(
                    "{setting} is not set; Lambda sets it from the function's region and role, elsewhere set it yourself"
                ),
            )
        };
        let region = environment(AWS_REGION).or_else(|| environment(AWS_DEFAULT_REGION));
        let key = environment(AWS_ACCESS_KEY_ID).ok_or_else(|| missing(AWS_ACCESS_KEY_ID))?;
        let secret = environment(AWS_SECRET_ACCESS_KEY).ok_or_else(|| missing(AWS_SECRET_ACCESS_KEY))?;
        Ok(Self {
            region: region.ok_or_else(|| missing(AWS_REGION))?,
            credentials: Credentials::new(key, secret, environment(AWS_SESSION_TOKEN), None, "environment"),
        })
    }
}

/// The endpoint that the environment names for a service, as the SDKs honour it: the service's own setting first.
fn endpoint(environment: Environment<'_>, of_service: &str) -> Option<String> {
    environment(of_service).or_else(|| environment(AWS_ENDPOINT_URL))
}

/// The endpoints of what is asked only when an alert comes, if they are not the region's.
#[derive(Debug, Clone)]
pub struct Endpoints {
    cloudwatch: Option<String>,
    logs: Option<String>,
}

impl Endpoints {
    /// As the environment names them.
    #[must_use]
    pub fn new(environment: Environment<'_>) -> Self {
        Self {
            cloudwatch: endpoint(environment, AWS_ENDPOINT_URL_CLOUDWATCH),
            logs: endpoint(environment, AWS_ENDPOINT_URL_CLOUDWATCH_LOGS),
        }
    }
}

/// A KMS client.
#[must_use]
pub fn kms(environment: Environment<'_>, identity: &Identity, http: &reqwest::Client) -> aws_sdk_kms::Client {
    let mut config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(identity.region.clone()))
        .credentials_provider(identity.credentials.clone())
        .http_client(SdkHttpClient(http.clone()))
        // Bodies are small and in memory, and attempts have a limit.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        // Callers bound the whole; within it three quick attempts.
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(3)
                .with_initial_backoff(Duration::from_millis(100))
                .with_max_backoff(Duration::from_secs(1)),
        )
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build());
    if let Some(url) = endpoint(environment, AWS_ENDPOINT_URL_KMS) {
        config = config.endpoint_url(url);
    }
    aws_sdk_kms::Client::from_conf(config.build())
}

/// A DynamoDB client.
///
/// It tries nothing again by itself: a table that is slow costs what it knows, and next to no time.
#[must_use]
pub fn dynamodb(
    environment: Environment<'_>,
    identity: &Identity,
    http: &reqwest::Client,
) -> aws_sdk_dynamodb::Client {
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
        .region(aws_sdk_dynamodb::config::Region::new(identity.region.clone()))
        .credentials_provider(identity.credentials.clone())
        .http_client(SdkHttpClient(http.clone()))
        .stalled_stream_protection(aws_sdk_dynamodb::config::StalledStreamProtectionConfig::disabled())
        .retry_config(aws_sdk_dynamodb::config::retry::RetryConfig::disabled());
    if let Some(url) = endpoint(environment, AWS_ENDPOINT_URL_DYNAMODB) {
        config = config.endpoint_url(url);
    }
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

/// An SNS client for a topic's region, which need not be the function's.
///
/// It tries nothing again by itself: which of a batch's entries go out once more, and when, is the publisher's.
#[must_use]
pub fn sns(
    environment: Environment<'_>,
    identity: &Identity,
    http: &reqwest::Client,
    region: &str,
) -> aws_sdk_sns::Client {
    let mut config = aws_sdk_sns::Config::builder()
        .behavior_version(aws_sdk_sns::config::BehaviorVersion::latest())
        .region(aws_sdk_sns::config::Region::new(region.to_owned()))
        .credentials_provider(identity.credentials.clone())
        .http_client(SdkHttpClient(http.clone()))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .retry_config(aws_sdk_sns::config::retry::RetryConfig::disabled());
    if let Some(url) = endpoint(environment, AWS_ENDPOINT_URL_SNS) {
        config = config.endpoint_url(url);
    }
    aws_sdk_sns::Client::from_conf(config.build())
}

/// A client of CloudWatch in a region.
///
/// One more try where the service asks for it; callers bound the whole.
#[must_use]
pub fn cloudwatch(
    endpoints: &Endpoints,
    identity: &Identity,
    http: &reqwest::Client,
    region: &str,
) -> aws_sdk_cloudwatch::Client {
    use aws_sdk_cloudwatch::config;
    let mut config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version(config::BehaviorVersion::latest())
        .region(config::Region::new(region.to_owned()))
        .credentials_provider(identity.credentials.clone())
        .http_client(SdkHttpClient(http.clone()))
        .stalled_stream_protection(config::StalledStreamProtectionConfig::disabled())
        .retry_config(config::retry::RetryConfig::standard().with_max_attempts(2))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build());
    if let Some(url) = &endpoints.cloudwatch {
        config = config.endpoint_url(url);
    }
    aws_sdk_cloudwatch::Client::from_conf(config.build())
}

/// A client of CloudWatch Logs in a region.
///
/// One more try where the service asks for it; callers bound the whole.
#[must_use]
pub fn logs(
    endpoints: &Endpoints,
    identity: &Identity,
    http: &reqwest::Client,
    region: &str,
) -> aws_sdk_cloudwatchlogs::Client {
    use aws_sdk_cloudwatchlogs::config;
    let mut config = aws_sdk_cloudwatchlogs::Config::builder()
        .behavior_version(config::BehaviorVersion::latest())
        .region(config::Region::new(region.to_owned()))
        .credentials_provider(identity.credentials.clone())
        .http_client(SdkHttpClient(http.clone()))
        .stalled_stream_protection(config::StalledStreamProtectionConfig::disabled())
        .retry_config(config::retry::RetryConfig::standard().with_max_attempts(2))
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT_TIMEOUT).build());
    if let Some(url) = &endpoints.logs {
        config = config.endpoint_url(url);
    }
    aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
}
