//! A bot token of a Slack app: encrypted by KMS until the function starts, and in no output ever.

use alert_core::text::SLACK_TOKENS;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

use crate::secret::{ErrorTypes, Secret};

/// A bot token. Debug is redacted, and there is no Display.
#[derive(Debug, Clone)]
pub struct BotToken(SecretString);

/// Why a text is no bot token; says nothing of the text but what kind of thing it seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BotTokenError {
    /// Not text at all.
    #[error("it is not text")]
    NotText,
    /// It acts as the person who installed the app, and ends with them.
    #[error("it is a user token (xoxp-…), which would post as a person")]
    User,
    /// It opens connections, and cannot post.
    #[error("it is an app-level token (xapp-…), which cannot post")]
    AppLevel,
    /// It changes apps, and cannot post.
    #[error("it is a configuration token or a refresh token (xoxe…), which cannot post")]
    Configuration,
    /// It ends after 12 hours.
    #[error(
        "it is a token of an app with token rotation (xoxe.xoxb-…), and ends after 12 hours; make an app without rotation, by infra/slack/manifest.yaml"
    )]
    Rotated,
    /// Another kind of token.
    #[error("it is a token of another kind than xoxb-…")]
    Other,
    /// It signs what Slack sends, or what it asks for at an installation.
    #[error("it looks like a signing secret or a client secret (32 hexadecimal digits)")]
    SigningSecret,
    /// The other way to Slack.
    #[error("it is a URL; a webhook's URL belongs into kmsEncryptedHookUrl")]
    Url,
    /// It begins as one, but something is missing, or was pasted along with it.
    #[error("it begins as a bot token, but is not one word of letters, digits and hyphens")]
    NotWhole,
    /// Nothing known.
    #[error("it does not begin with xoxb-")]
    Unknown,
}

/// Whether a text is a token of Slack's, of whatever kind.
pub(crate) fn is_token(text: &str) -> bool {
    SLACK_TOKENS.iter().any(|prefix| text.starts_with(prefix))
}

impl BotToken {
    /// Reads the plaintext of a bot token; white space may be around it (a line feed, where it was encrypted by way of `echo`).
    pub fn parse(plaintext: &[u8]) -> Result<Self, BotTokenError> {
        let text = std::str::from_utf8(plaintext).map_err(|_| BotTokenError::NotText)?.trim();
        // Slack promises nothing of a token's length or parts. What is no such character could not be in a header.
        let is_inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        match text.strip_prefix("xoxb-") {
            Some(rest) if !rest.is_empty() && rest.chars().all(is_inner) => {
                Ok(Self(SecretString::from(text.to_owned())))
            }
            Some(_) => Err(BotTokenError::NotWhole),
            None => Err(what_else(text)),
        }
    }

    /// The token itself, for the request alone.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// What people paste for a bot token, because Slack shows it nearby.
fn what_else(text: &str) -> BotTokenError {
    const KINDS: [(&str, BotTokenError); 5] = [
        ("xoxp-", BotTokenError::User),
        ("xapp-", BotTokenError::AppLevel),
        ("xoxe.xoxb-", BotTokenError::Rotated),
        ("xoxe", BotTokenError::Configuration),
        ("hooks.", BotTokenError::Url),
    ];
    let kind = KINDS.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, kind)| *kind);
    kind.unwrap_or_else(|| match text {
        _ if is_token(text) => BotTokenError::Other,
        _ if text.contains("://") => BotTokenError::Url,
        _ if text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit()) => BotTokenError::SigningSecret,
        _ => BotTokenError::Unknown,
    })
}

impl Secret for BotToken {
    type Error = BotTokenError;

    const KIND: &str = "bot token";
    const NAME: &str = "the bot token";
    const ENCRYPT_WITH: &str = "`alertctl encrypt-secret` or `aws kms encrypt`";
    const EXPECTED: &str =
        "encrypt the Bot User OAuth Token (xoxb-…) that Slack shows under OAuth & Permissions";
    const ERROR_TYPES: ErrorTypes = ErrorTypes {
        not_base64: "bot_token_not_base64",
        not_ciphertext: "bot_token_not_ciphertext",
        invalid: "bot_token_invalid",
    };

    fn parse(plaintext: &[u8]) -> Result<Self, BotTokenError> {
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
        for plaintext in ["xoxb-1-2-secretpart", "xoxb-1-2-secretpart\n", "  xoxb-1-2-secretpart\r\n"] {
            let token = BotToken::parse(plaintext.as_bytes()).unwrap();
            assert_eq!(token.expose(), "xoxb-1-2-secretpart");
            assert!(!format!("{token:?} {token:#?}").contains("secretpart"));
        }
    }

    #[test]
    fn what_is_no_bot_token() {
        for (plaintext, expected) in [
            (&b"xoxp-1-2-3-secretpart"[..], BotTokenError::User),
            (b"xapp-1-A0-2-secretpart", BotTokenError::AppLevel),
            (b"xoxe-1-secretpart", BotTokenError::Configuration),
            (b"xoxe.xoxp-1-secretpart", BotTokenError::Configuration),
            (b"xoxe.xoxb-1-secretpart", BotTokenError::Rotated),
            (b"xoxc-1-2-secretpart", BotTokenError::Other),
            (b"xwfp-1-2-secretpart", BotTokenError::Other),
            (b"0123456789abcdef0123456789ABCDEF\n", BotTokenError::SigningSecret),
            (b"https://hooks.slack.com/services/T0/B0/secretpart", BotTokenError::Url),
            (b"hooks.slack.com/services/T0/B0/secretpart", BotTokenError::Url),
            (b"http://127.0.0.1:8080/services/T0/B0/secretpart", BotTokenError::Url),
            (b"xoxb-", BotTokenError::NotWhole),
            (b"xoxb-1-2 secretpart", BotTokenError::NotWhole),
            (b"xoxb-1-2-secretpart\nxoxb-1-2-secretpart", BotTokenError::NotWhole),
            ("xoxb-1-2–secretpart".as_bytes(), BotTokenError::NotWhole),
            (b"Bearer xoxb-1-2-secretpart", BotTokenError::Unknown),
            (b"secretpart", BotTokenError::Unknown),
            (b"0123456789abcdef", BotTokenError::Unknown),
            (b"", BotTokenError::Unknown),
            (b"xoxb-\xff\xfe", BotTokenError::NotText),
        ] {
            let error = BotToken::parse(plaintext).unwrap_err();
            assert_eq!(error, expected);
            assert!(!format!("{error} {error:?}").contains("secretpart"), "{error}");
        }
    }
}
