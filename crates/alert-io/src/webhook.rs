//! A webhook's URL: encrypted by KMS until the function starts, and in no output ever.

use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

use crate::bot_token::is_token;
use crate::secret::{ErrorTypes, Secret};
use crate::settings::is_safe_for_secrets;

/// A webhook's URL. Debug is redacted, and there is no Display.
#[derive(Debug, Clone)]
pub struct WebhookUrl(SecretString);

/// Why a text is no webhook; says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WebhookUrlError {
    /// Not an absolute URL with a host and a path.
    #[error("it is not a URL such as https://hooks.slack.com/services/T…/B…/…")]
    NotAUrl,
    /// Plain http to a host that is not this machine.
    #[error("it is a plain http URL; a webhook's URL is a secret and travels by https only")]
    NotHttps,
    /// Not text at all.
    #[error("it is not text")]
    NotText,
    /// The other way to Slack.
    #[error("it is a token of Slack's; a bot token (xoxb-…) belongs into kmsEncryptedBotToken")]
    Token,
}

impl WebhookUrl {
    /// Reads the plaintext of a webhook's URL.
    ///
    /// Takes it with and without `https://` (the blueprint's form), and with white space around it (a line feed, where it
    /// was encrypted by way of `echo`). Plain http is taken for loopback alone.
    pub fn parse(plaintext: &[u8]) -> Result<Self, WebhookUrlError> {
        let text = std::str::from_utf8(plaintext).map_err(|_| WebhookUrlError::NotText)?.trim();
        if is_token(text) {
            return Err(WebhookUrlError::Token);
        }
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = reqwest::Url::parse(&with_scheme).map_err(|_| WebhookUrlError::NotAUrl)?;
        match url.scheme() {
            "http" if !is_safe_for_secrets(&url) => return Err(WebhookUrlError::NotHttps),
            "http" | "https" => {}
            _ => return Err(WebhookUrlError::NotAUrl),
        }
        let has_path = url.path().len() > 1;
        if !is_safe_for_secrets(&url) || !has_path || text.contains(char::is_whitespace) {
            return Err(WebhookUrlError::NotAUrl);
        }
        Ok(Self(SecretString::from(String::from(url))))
    }

    /// The URL itself, for the request alone.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Secret for WebhookUrl {
    type Error = WebhookUrlError;

    const KIND: &str = "webhook";
    const NAME: &str = "the webhook's URL";
    const ENCRYPT_WITH: &str = "`alertctl encrypt-secret` or `aws kms encrypt`";
    const EXPECTED: &str = "encrypt the URL that Slack shows under Incoming Webhooks";
    const ERROR_TYPES: ErrorTypes = ErrorTypes {
        not_base64: "hook_url_not_base64",
        not_ciphertext: "hook_url_not_ciphertext",
        invalid: "hook_url_invalid",
    };

    fn parse(plaintext: &[u8]) -> Result<Self, WebhookUrlError> {
        Self::parse(plaintext)
    }

    fn text(&self) -> &SecretString {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_plaintext() {
        for plaintext in [
            "https://hooks.slack.com/services/T0/B0/secretpart",
            "hooks.slack.com/services/T0/B0/secretpart",
            "https://hooks.slack.com/services/T0/B0/secretpart\n",
            "  hooks.slack.com/services/T0/B0/secretpart\r\n",
        ] {
            let url = WebhookUrl::parse(plaintext.as_bytes()).unwrap();
            assert_eq!(url.expose(), "https://hooks.slack.com/services/T0/B0/secretpart");
            assert!(!format!("{url:?}").contains("secretpart"));
        }
        assert!(WebhookUrl::parse(b"http://127.0.0.1:8080/services/T0/B0/x").is_ok());
        assert!(WebhookUrl::parse(b"http://localhost:8080/services/T0/B0/x").is_ok());
    }

    #[test]
    fn what_is_no_webhook() {
        for (plaintext, expected) in [
            (&b"http://hooks.slack.com/services/T0/B0/x"[..], WebhookUrlError::NotHttps),
            (b"http://127.0.0.1@hooks.example/x", WebhookUrlError::NotHttps),
            (b"http://127.evil.example/x", WebhookUrlError::NotHttps),
            (b"", WebhookUrlError::NotAUrl),
            (b"secret", WebhookUrlError::NotAUrl),
            (b"https://hooks.slack.com", WebhookUrlError::NotAUrl),
            (b"ftp://hooks.slack.com/x", WebhookUrlError::NotAUrl),
            (b"https://hooks.slack.com/a b", WebhookUrlError::NotAUrl),
            (b"\xff\xfe", WebhookUrlError::NotText),
            (b"xoxb-1-2-secret", WebhookUrlError::Token),
            // With a dot and a slash it would be a host and a path.
            (b"xoxe.xoxp-1-secret/secret", WebhookUrlError::Token),
        ] {
            assert_eq!(WebhookUrl::parse(plaintext).err(), Some(expected));
        }
    }
}
