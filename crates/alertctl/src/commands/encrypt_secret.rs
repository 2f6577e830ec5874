//! `alertctl encrypt-secret`.

use std::io::{IsTerminal as _, Read as _};

use alert_io::bot_token::{BotToken, BotTokenError};
use alert_io::http::{self, SdkHttpClient};
use alert_io::secret::{self, Secret};
use alert_io::settings::{KMS_ENCRYPTED_BOT_TOKEN, KMS_ENCRYPTED_HOOK_URL};
use alert_io::webhook::{WebhookUrl, WebhookUrlError};
use aws_config::{BehaviorVersion, Region};
use clap::Args;

/// KMS encrypts no more. Source: KMS API Reference, Encrypt.
const SECRET_MAX_BYTES: u64 = 4_096;

#[derive(Args)]
pub(crate) struct Options {
    /// The key: its id, ARN, or alias (`alias/alert-relay`).
    #[arg(long)]
    key_id: String,
    /// The function that will decrypt it; its name is the encryption context.
    #[arg(long)]
    function_name: String,
    /// The key's region; the AWS configuration's, unless given.
    #[arg(long)]
    region: Option<String>,
    /// Print `PARAMETER=CIPHERTEXT`, by the name of the template's parameter.
    #[arg(long)]
    as_parameter: bool,
}

/// What leads to Slack.
enum Way {
    Webhook(WebhookUrl),
    App(BotToken),
}

impl Way {
    /// Tells by the form which of the two it is; the error is that of the one that it resembles.
    fn parse(text: &str) -> Result<Self, String> {
        let not_a_webhook = match WebhookUrl::parse(text.as_bytes()) {
            Ok(url) => return Ok(Self::Webhook(url)),
            Err(error) => error,
        };
        let not_a_token = match BotToken::parse(text.as_bytes()) {
            Ok(token) => return Ok(Self::App(token)),
            Err(error) => error,
        };
        Err(match (not_a_webhook, not_a_token) {
            (error, BotTokenError::Url) => {
                format!("what was entered is no webhook: {error}; {}", WebhookUrl::EXPECTED)
            }
            (WebhookUrlError::Token, error) => {
                format!("what was entered is no bot token: {error}; {}", BotToken::EXPECTED)
            }
            (_, error) => format!(
                "what was entered is neither a webhook's URL (https://hooks.slack.com/services/…) nor a bot token (xoxb-…): {error}"
            ),
        })
    }

    fn setting(&self) -> &'static str {
        match self {
            Self::Webhook(_) => KMS_ENCRYPTED_HOOK_URL,
            Self::App(_) => KMS_ENCRYPTED_BOT_TOKEN,
        }
    }

    /// The template's parameter: the setting, with the capital that all of its parameters have.
    fn parameter(&self) -> String {
        self.setting().replacen('k', "K", 1)
    }
}

/// Reads a secret, encrypts it, checks the ciphertext, prints it.
pub(crate) async fn run(options: Options) -> Result<bool, String> {
    let way = Way::parse(&read()?)?;
    let client = http::client(&alert_io::settings::process).map_err(|error| error.to_string())?;
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(SdkHttpClient(client));
    if let Some(region) = options.region {
        loader = loader.region(Region::new(region));
    }
    let config = loader.load().await;
    if config.region().is_none() {
        return Err("no region is configured: give --region, or set AWS_REGION".to_owned());
    }
    let kms = aws_sdk_kms::Client::new(&config);
    let (key, function) = (options.key_id.as_str(), options.function_name.as_str());
    let ciphertext = match &way {
        Way::Webhook(url) => secret::encrypt(&kms, key, function, url).await?,
        Way::App(token) => secret::encrypt(&kms, key, function, token).await?,
    };
    if options.as_parameter {
        anstream::println!("{}={ciphertext}", way.parameter());
    } else {
        // Standard output is the ciphertext alone: scripts take it as it is.
        anstream::println!("{ciphertext}");
        anstream::eprintln!(
            "for the setting {}, which the template's parameter {} sets",
            way.setting(),
            way.parameter()
        );
    }
    Ok(true)
}

fn read() -> Result<String, String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Webhook URL or bot token (not shown): ")
            .map_err(|error| format!("the terminal: {error}"));
    }
    let mut text = String::new();
    std::io::stdin()
        .take(SECRET_MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| format!("standard input: {error}"))?;
    Ok(text)
}
