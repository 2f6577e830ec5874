//! Every environment variable that is read, by its name, and nothing else of the environment.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use alert_core::config::is_channel;
use alert_core::text;
use reqwest::Url;
use thiserror::Error;

/// Base64 of the KMS ciphertext of the webhook's URL; the name is that of AWS's blueprint.
pub const KMS_ENCRYPTED_HOOK_URL: &str = "kmsEncryptedHookUrl";
/// Base64 of the KMS ciphertext of the Slack app's bot token, the other way to Slack.
pub const KMS_ENCRYPTED_BOT_TOKEN: &str = "kmsEncryptedBotToken";
/// Base64 of the KMS ciphertext of the Slack app's signing secret, with which Slack signs what it sends.
pub const KMS_ENCRYPTED_SIGNING_SECRET: &str = "kmsEncryptedSigningSecret";
/// Base64 of the KMS ciphertext of the credential that Grafana's webhook must show.
pub const KMS_ENCRYPTED_CREDENTIAL: &str = "kmsEncryptedCredential";
/// The channel that the app posts to, by id or name; of webhooks only legacy ones honour it. The name is that of AWS's
/// blueprint.
pub const SLACK_CHANNEL: &str = "slackChannel";
/// Another base for Slack's Web API than `https://slack.com/api/`: https, or http on loopback.
pub const SLACK_API_URL: &str = "SLACK_API_URL";
/// The topic that surviving alerts go to, standard or FIFO.
pub const SNS_TOPIC_ARN: &str = "SNS_TOPIC_ARN";
/// The configuration, inline.
pub const ALERT_CONFIG: &str = "ALERT_CONFIG";
/// The configuration's path.
pub const ALERT_CONFIG_FILE: &str = "ALERT_CONFIG_FILE";
/// Slack's own Web API.
pub const SLACK_API: &str = "https://slack.com/api/";
/// The function's name, set by Lambda; KMS's encryption context holds it.
pub const AWS_LAMBDA_FUNCTION_NAME: &str = "AWS_LAMBDA_FUNCTION_NAME";
/// Host and port of the Lambda Runtime API, set by Lambda.
pub const AWS_LAMBDA_RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";
/// The least severe level that is logged, set by Lambda's logging configuration.
pub const AWS_LAMBDA_LOG_LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";
/// Where the function's files lie, set by Lambda.
pub const LAMBDA_TASK_ROOT: &str = "LAMBDA_TASK_ROOT";
/// The region, set by Lambda.
pub const AWS_REGION: &str = "AWS_REGION";
/// The region, as older tools set it.
pub const AWS_DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
/// The role's credentials, set by Lambda.
pub const AWS_ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// The role's credentials, set by Lambda.
pub const AWS_SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
/// The role's credentials, set by Lambda.
pub const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
/// Another endpoint for every AWS service.
pub const AWS_ENDPOINT_URL: &str = "AWS_ENDPOINT_URL";
/// Another endpoint for KMS.
pub const AWS_ENDPOINT_URL_KMS: &str = "AWS_ENDPOINT_URL_KMS";
/// Another endpoint for SNS.
pub const AWS_ENDPOINT_URL_SNS: &str = "AWS_ENDPOINT_URL_SNS";
/// The endpoint of DynamoDB, where it is not the region's.
pub const AWS_ENDPOINT_URL_DYNAMODB: &str = "AWS_ENDPOINT_URL_DYNAMODB";
/// The endpoint of CloudWatch, where it is not the region's.
pub const AWS_ENDPOINT_URL_CLOUDWATCH: &str = "AWS_ENDPOINT_URL_CLOUDWATCH";
/// The endpoint of CloudWatch Logs, where it is not the region's.
pub const AWS_ENDPOINT_URL_CLOUDWATCH_LOGS: &str = "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS";
/// The DynamoDB table in which the relay remembers alerts.
pub const ALERT_TABLE: &str = "ALERT_TABLE";
/// The name of the function that the secrets were encrypted for, where that is another one.
pub const ENCRYPTED_FOR: &str = "ENCRYPTED_FOR";
/// `enabled` where messages of the Slack app have buttons, because a function takes what is pressed.
pub const SLACK_BUTTONS: &str = "SLACK_BUTTONS";
/// The name of the CloudWatch alarm that is set off to see whether the whole way works.
pub const CANARY_ALARM: &str = "CANARY_ALARM";
/// The certificate authorities to trust instead of the compiled-in ones, PEM.
pub const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
/// The certificate authorities to trust instead of the compiled-in ones, PEM; the AWS SDKs' name.
pub const AWS_CA_BUNDLE: &str = "AWS_CA_BUNDLE";

/// Reads settings; the tests' is a map.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// The process's environment. A blank value counts as none.
#[must_use]
pub fn process(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// A setting's value as errors, logs and messages show it: short, on one line, and hidden where it may be a secret that was
/// pasted into the wrong setting.
///
/// Every value that is shown goes through here.
#[must_use]
pub fn shown(value: &str) -> Cow<'_, str> {
    const SHOWN_MAX_CHARS: usize = 256;
    if text::may_be_secret(value) {
        return "(not shown: it may be a secret)".into();
    }
    let value = text::cut(value, SHOWN_MAX_CHARS);
    if value.contains(char::is_control) { value.replace(char::is_control, " ").into() } else { value }
}

/// Whether messages of the Slack app have buttons.
#[must_use]
pub fn has_buttons(environment: Environment<'_>) -> bool {
    environment(SLACK_BUTTONS).is_some_and(|value| value.trim().eq_ignore_ascii_case("enabled"))
}

/// The name of the function that the secrets were encrypted for: the encryption context.
#[must_use]
pub fn encrypted_for(environment: Environment<'_>) -> String {
    environment(ENCRYPTED_FOR).or_else(|| environment(AWS_LAMBDA_FUNCTION_NAME)).unwrap_or_default()
}

/// The channel to ask for, or what is wrong with the setting's value.
pub fn slack_channel(environment: Environment<'_>) -> Result<Option<String>, String> {
    let Some(channel) = environment(SLACK_CHANNEL) else { return Ok(None) };
    if is_channel(&channel) {
        return Ok(Some(channel));
    }
    Err(format!(
        "{SLACK_CHANNEL} is {}, which is no channel, and is ignored: expected a name such as #oncall, or an id",
        shown(&channel)
    ))
}

/// The base of Slack's Web API, ending with a slash, or what is wrong with the setting's value.
///
/// The token travels there, so it must be https, or this machine.
pub fn slack_api_url(environment: Environment<'_>) -> Result<String, String> {
    let Some(text) = environment(SLACK_API_URL) else { return Ok(SLACK_API.to_owned()) };
    match Url::parse(&format!("{}/", text.trim().trim_end_matches('/'))) {
        Ok(url) if is_safe_for_secrets(&url) && url.query().is_none() && url.fragment().is_none() => {
            Ok(url.into())
        }
        _ => Err(format!(
            "{SLACK_API_URL} is {}, which is no https URL of a host, so that nothing goes by the Slack app: expected one such as {SLACK_API}",
            shown(&text)
        )),
    }
}

/// Whether a secret may travel to this URL: by https, or without leaving this machine.
#[must_use]
pub fn is_safe_for_secrets(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let is_loopback = matches!(host, "localhost" | "[::1]")
        || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    // Without a dot a host is a word: some other secret, or a mistake.
    is_loopback && url.scheme() == "http" || url.scheme() == "https" && (is_loopback || host.contains('.'))
}

/// Reads a file that a setting names, of at most `max_bytes`: such a name may lead to anything, even to what never ends.
pub fn read_file(path: &Path, max_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    if bytes.len() > max_bytes {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Why a function cannot start, for the person who deployed it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct StartError {
    /// Stable: the `errorType` that Lambda reports.
    pub error_type: &'static str,
    /// Which setting, what was expected and found, and what to do; without secrets.
    pub message: String,
}

impl StartError {
    /// An error of this type.
    pub fn new(error_type: &'static str, message: impl Into<String>) -> Self {
        Self { error_type, message: message.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_short_or_not_at_all() {
        assert_eq!(shown("/opt/alerts.yaml"), "/opt/alerts.yaml");
        assert_eq!(shown("a\nb\u{1b}[31m"), "a b [31m");
        assert_eq!(shown(&"경".repeat(1_000)).chars().count(), 256);
        for secret in ["https://hooks.example/services/T0/B0/x", "xoxb-1-2-abc", "token xapp-1-A0-2-abc"] {
            assert_eq!(shown(secret), "(not shown: it may be a secret)");
        }
    }

    #[test]
    fn a_token_travels_by_https_alone() {
        let read = |value: &str| slack_api_url(&|name| (name == SLACK_API_URL).then(|| value.to_owned()));
        assert_eq!(slack_api_url(&|_| None).as_deref(), Ok("https://slack.com/api/"));
        for (value, expected) in [
            ("https://slack-gov.com/api", "https://slack-gov.com/api/"),
            (" https://slack.example/api/ ", "https://slack.example/api/"),
            ("http://127.0.0.1:8080/api/", "http://127.0.0.1:8080/api/"),
            ("http://localhost:8080/api", "http://localhost:8080/api/"),
        ] {
            assert_eq!(read(value).as_deref(), Ok(expected), "{value}");
        }
        for value in [
            "http://slack.com/api/",
            "http://127.0.0.1@slack.example/",
            "slack.com",
            "https://x",
            "ftp://a.b/",
            "https://a.b/?c=d",
        ] {
            let problem = read(value).unwrap_err();
            assert!(problem.starts_with("SLACK_API_URL is "), "{problem}");
        }
    }
}
