//! A webhook's URL: encrypted by KMS until the function starts, and in no output ever.

use std::time::Duration;

use aws_sdk_kms::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_kms::operation::decrypt::DecryptError;
use aws_sdk_kms::primitives::Blob;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::zeroize::Zeroize as _;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use tokio::time::timeout;

/// The key of the encryption context; the Lambda console's encryption helpers use it, and AWS's blueprint after them.
pub const CONTEXT_KEY: &str = "LambdaFunctionName";

/// KMS takes no larger ciphertext. Source: KMS API Reference, Decrypt.
const CIPHERTEXT_MAX_BYTES: usize = 6_144;

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
}

impl WebhookUrl {
    /// Reads the plaintext of a webhook's URL.
    ///
    /// Takes it with and without `https://` (the blueprint's form), and with white space around it (a line feed, where it
    /// was encrypted by way of `echo`). Plain http is taken for loopback alone.
    pub fn parse(plaintext: &[u8]) -> Result<Self, WebhookUrlError> {
        let text = std::str::from_utf8(plaintext).map_err(|_| WebhookUrlError::NotText)?.trim();
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = reqwest::Url::parse(&with_scheme).map_err(|_| WebhookUrlError::NotAUrl)?;
        let host = url.host_str().unwrap_or_default();
        let is_loopback = matches!(host, "localhost" | "[::1]")
            || host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
        let has_path = url.path().len() > 1;
        match url.scheme() {
            "http" if !is_loopback => return Err(WebhookUrlError::NotHttps),
            "http" | "https" => {}
            _ => return Err(WebhookUrlError::NotAUrl),
        }
        // Without a dot a host is a word: some other secret, or a mistake.
        let is_host = is_loopback || host.contains('.');
        if !is_host || !has_path || text.contains(char::is_whitespace) {
            return Err(WebhookUrlError::NotAUrl);
        }
        Ok(Self(SecretString::from(String::from(url))))
    }

    /// The URL itself, for the request alone.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Why a webhook's URL cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecryptFailure {
    /// Only a change of the deployment can mend it.
    #[error("{detail}")]
    Permanent {
        /// Stable, for `errorType`.
        error_type: &'static str,
        /// What was expected and found, and what to do; without secrets.
        detail: String,
    },
    /// It may work a moment later.
    #[error("{0}")]
    Transient(String),
}

impl DecryptFailure {
    fn permanent(error_type: &'static str, detail: impl Into<String>) -> Self {
        Self::Permanent { error_type, detail: detail.into() }
    }
}

/// Decrypts webhooks for one function.
#[derive(Debug, Clone)]
pub struct Decryptor {
    kms: aws_sdk_kms::Client,
    function_name: String,
}

impl Decryptor {
    /// For the function of this name, which is the encryption context.
    #[must_use]
    pub fn new(kms: aws_sdk_kms::Client, function_name: String) -> Self {
        Self { kms, function_name }
    }

    /// Decrypts the base64 text of a ciphertext within `limit`.
    ///
    /// First with the encryption context, then, where KMS says that it does not fit, without; when that fails too, the
    /// first error is the one that is reported. `setting` names the text for the error.
    pub async fn decrypt(
        &self,
        setting: &str,
        encoded: &str,
        limit: Duration,
    ) -> Result<WebhookUrl, DecryptFailure> {
        // Pasted values often hold line breaks; base64 has none of its own.
        let compact: String = encoded.split_whitespace().collect();
        let Ok(ciphertext) = BASE64_STANDARD.decode(&compact) else {
            return Err(DecryptFailure::permanent(
                "hook_url_not_base64",
                format!(
                    "{setting} is not base64: expected the base64 text of a KMS ciphertext, as `aws kms encrypt … --query CiphertextBlob --output text` and `alertctl encrypt-hook` print it"
                ),
            ));
        };
        if ciphertext.is_empty() || ciphertext.len() > CIPHERTEXT_MAX_BYTES {
            return Err(DecryptFailure::permanent(
                "hook_url_not_ciphertext",
                format!(
                    "{setting} holds {} bytes: expected a KMS ciphertext of 1 to {CIPHERTEXT_MAX_BYTES} bytes; encrypt the webhook's URL with `alertctl encrypt-hook` or `aws kms encrypt`",
                    ciphertext.len()
                ),
            ));
        }
        let call = self.call(setting, ciphertext);
        let mut plaintext = timeout(limit, call)
            .await
            .map_err(|_| DecryptFailure::Transient(format!("KMS did not answer in time for {setting}")))??;
        let url = WebhookUrl::parse(&plaintext);
        plaintext.zeroize();
        url.map_err(|error| {
            DecryptFailure::permanent(
                "hook_url_invalid",
                format!(
                    "{setting} was decrypted, but what it holds is no webhook: {error}; encrypt the URL that Slack shows under Incoming Webhooks"
                ),
            )
        })
    }

    async fn call(&self, setting: &str, ciphertext: Vec<u8>) -> Result<Vec<u8>, DecryptFailure> {
        let request = || self.kms.decrypt().ciphertext_blob(Blob::new(ciphertext.clone()));
        let first = match request().encryption_context(CONTEXT_KEY, &self.function_name).send().await {
            Ok(answer) => return Ok(answer.plaintext.map(Blob::into_inner).unwrap_or_default()),
            Err(error) => error,
        };
        if is_invalid_ciphertext(&first) {
            match request().send().await {
                Ok(answer) => return Ok(answer.plaintext.map(Blob::into_inner).unwrap_or_default()),
                Err(second) if is_transient(&second) => return Err(self.failure(setting, &second)),
                Err(_) => {}
            }
        }
        Err(self.failure(setting, &first))
    }

    fn failure(&self, setting: &str, error: &SdkError<DecryptError>) -> DecryptFailure {
        let code = error.code().unwrap_or("no answer");
        if is_transient(error) {
            return DecryptFailure::Transient(format!("KMS could not decrypt {setting} now ({code})"));
        }
        let remedy = match code {
            "InvalidCiphertextException" => format!(
                "the ciphertext is damaged, or was encrypted with another encryption context than {CONTEXT_KEY}={}: encrypt the URL again for this function, with its name as it is now",
                self.function_name
            ),
            "AccessDeniedException" => format!(
                "the function's role may not decrypt: allow kms:Decrypt on the key, with the condition kms:EncryptionContext:{CONTEXT_KEY}={}",
                self.function_name
            ),
            "NotFoundException" => "the key does not exist in this region and account: encrypt the URL again with a key that does".to_owned(),
            "DisabledException" => "the key is disabled: enable it".to_owned(),
            "KMSInvalidStateException" => "the key is pending deletion or import: cancel the deletion, or encrypt the URL again with another key".to_owned(),
            "IncorrectKeyException" => "the ciphertext belongs to another key: encrypt the URL again".to_owned(),
            "UnrecognizedClientException" | "InvalidSignatureException" | "ExpiredTokenException" | "MissingAuthenticationTokenException" => {
                "the function's credentials are not accepted: check its role".to_owned()
            }
            _ => "see the AWS KMS API Reference, Decrypt, for this error".to_owned(),
        };
        DecryptFailure::permanent(
            "kms_refused",
            format!("KMS refuses to decrypt {setting} ({code}): {remedy}"),
        )
    }
}

/// Encrypts a webhook's URL for the function of this name, and checks that the function will be able to read it.
///
/// The answer is the base64 text for `kmsEncryptedHookUrl`. `key_id` is a key's id, ARN or alias. The error says what KMS
/// answered, without the URL.
pub async fn encrypt(
    kms: &aws_sdk_kms::Client,
    key_id: &str,
    function_name: &str,
    url: &WebhookUrl,
) -> Result<String, String> {
    let answer = kms
        .encrypt()
        .key_id(key_id)
        .plaintext(Blob::new(url.expose().as_bytes()))
        .encryption_context(CONTEXT_KEY, function_name)
        .send()
        .await
        .map_err(|error| {
            let (code, message) = (error.code().unwrap_or("no answer"), error.message().unwrap_or_default());
            format!("KMS does not encrypt with the key {key_id} ({code}): {message}")
        })?;
    let ciphertext = answer.ciphertext_blob.map(Blob::into_inner).unwrap_or_default();
    let encoded = BASE64_STANDARD.encode(ciphertext);
    let decryptor = Decryptor::new(kms.clone(), function_name.to_owned());
    match decryptor.decrypt("the new ciphertext", &encoded, Duration::from_secs(20)).await {
        Ok(read) if read.expose() == url.expose() => Ok(encoded),
        Ok(_) => Err("KMS decrypted the new ciphertext to something else".to_owned()),
        Err(error) => {
            Err(format!("the ciphertext was made, but cannot be decrypted here to check it: {error}"))
        }
    }
}

fn is_invalid_ciphertext(error: &SdkError<DecryptError>) -> bool {
    error.code() == Some("InvalidCiphertextException")
}

/// Source of the codes: KMS API Reference, Decrypt and Common Errors.
fn is_transient(error: &SdkError<DecryptError>) -> bool {
    const CODES: [&str; 9] = [
        "DependencyTimeoutException",
        "KMSInternalException",
        "KeyUnavailableException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    ];
    match error {
        SdkError::ServiceError(inner) => {
            error.code().is_none_or(|code| CODES.contains(&code)) || inner.raw().status().as_u16() >= 500
        }
        // No connection, no answer, or one that cannot be read.
        SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) | SdkError::ResponseError(_) => true,
        _ => false,
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
        ] {
            assert_eq!(WebhookUrl::parse(plaintext).err(), Some(expected));
        }
    }
}
