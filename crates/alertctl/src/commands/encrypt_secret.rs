//! `alertctl encrypt-secret`.

use std::io::{IsTerminal as _, Read as _};

use alert_io::bot_token::{BotToken, BotTokenError};
use alert_io::secret::{self, Secret};
use alert_io::settings::{KMS_ENCRYPTED_BOT_TOKEN, KMS_ENCRYPTED_HOOK_URL, KMS_ENCRYPTED_SIGNING_SECRET};
use alert_io::signing_secret::{SigningSecret, SigningSecretError};
use alert_io::webhook::{WebhookUrl, WebhookUrlError};
use clap::Args;

use crate::commands::{aws, input};

const EXAMPLES: &str = "\
Examples:
  alertctl encrypt-secret --key-id alias/alert-relay --function-name cloudwatch-to-slack
  alertctl encrypt-secret --key-id alias/alert-relay --function-name cloudwatch-to-slack < secret.txt > ciphertext.txt";

/// KMS encrypts no more. Source: KMS API Reference, Encrypt.
const SECRET_MAX_BYTES: u64 = 4_096;

#[derive(Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The key: its id, ARN, or alias (`alias/alert-relay`).
    #[arg(long, value_parser = input::not_blank)]
    key_id: String,
    /// The relay's name, which is the encryption context of all of Slack's secrets, whichever function decrypts them.
    #[arg(long, value_parser = input::not_blank)]
    function_name: String,
    /// The key's region; the AWS configuration's, unless given.
    #[arg(long, value_parser = input::region)]
    region: Option<String>,
    /// Print `PARAMETER=CIPHERTEXT`, by the name of the template's parameter.
    #[arg(long)]
    as_parameter: bool,
}

/// What is between Slack and the functions.
enum Kind {
    Webhook(WebhookUrl),
    App(BotToken),
    Signing(SigningSecret),
}

impl Kind {
    /// Tells by the form which of them it is; the error is that of the one that it resembles.
    fn parse(text: &str) -> Result<Self, String> {
        let not_a_webhook = match WebhookUrl::parse(text.as_bytes()) {
            Ok(url) => return Ok(Self::Webhook(url)),
            Err(error) => error,
        };
        let not_signing = match SigningSecret::parse(text.as_bytes()) {
            Ok(secret) => return Ok(Self::Signing(secret)),
            Err(error) => error,
        };
        let not_a_token = match BotToken::parse(text.as_bytes()) {
            Ok(token) => return Ok(Self::App(token)),
            Err(error) => error,
        };
        Err(match (not_a_webhook, not_signing, not_a_token) {
            (error, _, BotTokenError::Url) => {
                format!("what was entered is no webhook: {error}; {}", WebhookUrl::EXPECTED)
            }
            (WebhookUrlError::Token, _, error) => {
                format!("what was entered is no bot token: {error}; {}", BotToken::EXPECTED)
            }
            (_, error @ SigningSecretError::Length(_), _) => {
                format!("what was entered is no signing secret: {error}; {}", SigningSecret::EXPECTED)
            }
            _ => "what was entered is neither a webhook's URL (https://hooks.slack.com/services/…) nor a bot token (xoxb-…) nor a signing secret (32 hexadecimal digits)".to_owned(),
        })
    }

    fn setting(&self) -> &'static str {
        match self {
            Self::Webhook(_) => KMS_ENCRYPTED_HOOK_URL,
            Self::App(_) => KMS_ENCRYPTED_BOT_TOKEN,
            Self::Signing(_) => KMS_ENCRYPTED_SIGNING_SECRET,
        }
    }

    /// The template's parameter: the setting, with the capital that all of its parameters have.
    fn parameter(&self) -> String {
        self.setting().replacen('k', "K", 1)
    }
}

/// Reads a secret, encrypts it, checks the ciphertext, prints it.
pub(crate) async fn run(options: Options) -> Result<bool, String> {
    let kind = Kind::parse(&read()?)?;
    let config = aws::configuration(options.region).await?;
    let kms = aws_sdk_kms::Client::new(&config);
    let (key, function) = (options.key_id.as_str(), options.function_name.as_str());
    let ciphertext = match &kind {
        Kind::Webhook(url) => secret::encrypt(&kms, key, function, url).await?,
        Kind::App(token) => secret::encrypt(&kms, key, function, token).await?,
        Kind::Signing(secret) => secret::encrypt(&kms, key, function, secret).await?,
    };
    if options.as_parameter {
        anstream::println!("{}={ciphertext}", kind.parameter());
    } else {
        // Standard output is the ciphertext alone: scripts take it as it is.
        anstream::println!("{ciphertext}");
        anstream::eprintln!(
            "for the setting {}, which the template's parameter {} sets",
            kind.setting(),
            kind.parameter()
        );
        if matches!(kind, Kind::Signing(_)) {
            anstream::eprintln!(
                "the Client Secret beside it looks the same: with that one, no press of a button would be taken"
            );
        }
    }
    Ok(true)
}

fn read() -> Result<String, String> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password("Webhook URL, bot token or signing secret (not shown): ")
            .map_err(|error| format!("the terminal: {error}"));
    }
    let mut text = String::new();
    std::io::stdin()
        .take(SECRET_MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| format!("standard input: {error}"))?;
    Ok(text)
}
