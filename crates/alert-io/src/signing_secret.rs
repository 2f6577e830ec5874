//! The signing secret of a Slack app: encrypted by KMS until the function starts, and in no output ever.

use alert_core::text::SLACK_TOKENS;
use secrecy::SecretString;
use thiserror::Error;

use crate::secret::{ErrorTypes, Secret};

/// Slack shows it as so many hexadecimal digits; the signatures are keyed with these letters, and not with their value.
/// Source: Slack, "Verifying requests from Slack".
const DIGITS: usize = 32;

/// A signing secret. Debug is redacted, and there is no Display.
#[derive(Debug, Clone)]
pub struct SigningSecret(SecretString);

/// Why a text is no signing secret; says nothing of the text but what kind of thing it seems to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SigningSecretError {
    /// Not text at all.
    #[error("it is not text")]
    NotText,
    /// It acts for the app.
    #[error("it is a token of Slack's; a bot token (xoxb-…) belongs into kmsEncryptedBotToken")]
    Token,
    /// A way to Slack.
    #[error("it is a URL; a webhook's URL belongs into kmsEncryptedHookUrl")]
    Url,
    /// Something is missing, or was pasted along with it.
    #[error("it has {0} hexadecimal digits instead of {wanted}", wanted = DIGITS)]
    Length(usize),
    /// Nothing known.
    #[error("it is not {wanted} hexadecimal digits", wanted = DIGITS)]
    Unknown,
}

impl SigningSecret {
    /// Reads the plaintext; white space may be around it (a line feed, where it was encrypted by way of `echo`).
    ///
    /// A client secret looks the same: with one, no signature is right.
    pub fn parse(plaintext: &[u8]) -> Result<Self, SigningSecretError> {
        let text = std::str::from_utf8(plaintext).map_err(|_| SigningSecretError::NotText)?.trim();
        let is_hexadecimal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match text.len() {
            DIGITS if is_hexadecimal => Ok(Self(SecretString::from(text.to_owned()))),
            length if is_hexadecimal => Err(SigningSecretError::Length(length)),
            _ if SLACK_TOKENS.iter().any(|prefix| text.starts_with(prefix)) => Err(SigningSecretError::Token),
            _ if text.contains("://") || text.starts_with("hooks.") => Err(SigningSecretError::Url),
            _ => Err(SigningSecretError::Unknown),
        }
    }
}

impl Secret for SigningSecret {
    type Error = SigningSecretError;

    const KIND: &str = "signing secret";
    const NAME: &str = "the signing secret";
    const ENCRYPT_WITH: &str = "`alertctl encrypt-secret` or `aws kms encrypt`";
    const EXPECTED: &str =
        "encrypt the Signing Secret that Slack shows under Basic Information, App Credentials";
    const ERROR_TYPES: ErrorTypes = ErrorTypes {
        not_base64: "signing_secret_not_base64",
        not_ciphertext: "signing_secret_not_ciphertext",
        invalid: "signing_secret_invalid",
    };

    fn parse(plaintext: &[u8]) -> Result<Self, SigningSecretError> {
        Self::parse(plaintext)
    }

    fn text(&self) -> &SecretString {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    const DIGITS: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

    #[test]
    fn every_form_of_the_plaintext() {
        for plaintext in [DIGITS.to_owned(), format!("{DIGITS}\n"), format!("  {DIGITS}\r\n")] {
            let secret = SigningSecret::parse(plaintext.as_bytes()).unwrap();
            assert_eq!(secret.text().expose_secret(), DIGITS);
            assert!(!format!("{secret:?} {secret:#?}").contains(DIGITS));
        }
    }

    #[test]
    fn what_is_no_signing_secret() {
        for (plaintext, expected) in [
            (&b"0a1b2c3d4e5f60718293a4b5c6d7e8fg"[..], SigningSecretError::Unknown),
            (b"0a1b2c3d4e5f60718293", SigningSecretError::Length(20)),
            (b"0a1b2c3d4e5f60718293a4b5c6d7e8f90", SigningSecretError::Length(33)),
            (b"0a1b2c3d4e5f6071 8293a4b5c6d7e8f", SigningSecretError::Unknown),
            (b"xoxb-1-2-secretpart", SigningSecretError::Token),
            (b"xapp-1-A0-2-secretpart", SigningSecretError::Token),
            (b"https://hooks.slack.com/services/T0/B0/secretpart", SigningSecretError::Url),
            (b"hooks.slack.com/services/T0/B0/secretpart", SigningSecretError::Url),
            (b"", SigningSecretError::Unknown),
            (b"0a1b\xff\xfe", SigningSecretError::NotText),
        ] {
            let error = SigningSecret::parse(plaintext).unwrap_err();
            assert_eq!(error, expected);
            let told = format!("{error} {error:?}");
            assert!(!told.contains("0a1b") && !told.contains("secretpart"), "{told}");
        }
    }
}
