//! Secrets in settings: encrypted by KMS until the function starts, and in no output ever.

use std::fmt::Display;
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

use crate::http::describe_sdk;
use crate::settings::shown;

/// The key of the encryption context; the Lambda console's encryption helpers use it, and AWS's blueprint after them.
pub const CONTEXT_KEY: &str = "LambdaFunctionName";

/// KMS takes no larger ciphertext. Source: KMS API Reference, Decrypt.
const CIPHERTEXT_MAX_BYTES: usize = 6_144;

/// What a ciphertext may hold, and what people read when it does not.
pub trait Secret: Sized {
    /// Why a plaintext is none of these; says nothing of the plaintext.
    type Error: Display;

    /// What kind of thing it is: `webhook`.
    const KIND: &str;
    /// What people call it: `the webhook's URL`.
    const NAME: &str;
    /// What makes its ciphertext.
    const ENCRYPT_WITH: &str;
    /// What to encrypt, where something else was.
    const EXPECTED: &str;
    /// The stable types of its errors.
    const ERROR_TYPES: ErrorTypes;

    /// Reads the plaintext.
    fn parse(plaintext: &[u8]) -> Result<Self, Self::Error>;

    /// Its text, which only [`secrecy::ExposeSecret`] shows.
    fn text(&self) -> &SecretString;
}

/// `errorType`s for what is wrong with one kind of secret. What KMS refuses has the same type for every kind.
#[derive(Debug, Clone, Copy)]
pub struct ErrorTypes {
    /// The setting is not base64.
    pub not_base64: &'static str,
    /// What it holds cannot be a ciphertext.
    pub not_ciphertext: &'static str,
    /// The plaintext is something else.
    pub invalid: &'static str,
}

/// Why a secret cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecryptFailure {
    /// Only a change of the deployment can fix it.
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
    /// The time was over before KMS had answered for this setting.
    #[must_use]
    pub(crate) fn late(setting: &str) -> Self {
        Self::Transient(format!("KMS did not answer in time for {setting}"))
    }

    fn permanent(error_type: &'static str, detail: impl Into<String>) -> Self {
        Self::Permanent { error_type, detail: detail.into() }
    }
}

/// Decrypts secrets for one function.
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
    pub async fn decrypt<S: Secret>(
        &self,
        setting: &str,
        encoded: &str,
        limit: Duration,
    ) -> Result<S, DecryptFailure> {
        // Pasted values often hold line breaks; base64 has none of its own.
        let compact: String = encoded.split_whitespace().collect();
        let Ok(ciphertext) = BASE64_STANDARD.decode(&compact) else {
            return Err(DecryptFailure::permanent(
                S::ERROR_TYPES.not_base64,
                format!(
                    "{setting} is not base64: expected the base64 text of a KMS ciphertext, as {} prints it",
                    S::ENCRYPT_WITH
                ),
            ));
        };
        if ciphertext.is_empty() || ciphertext.len() > CIPHERTEXT_MAX_BYTES {
            return Err(DecryptFailure::permanent(
                S::ERROR_TYPES.not_ciphertext,
                format!(
                    "{setting} holds {} bytes: expected a KMS ciphertext of 1 to {CIPHERTEXT_MAX_BYTES} bytes; encrypt {} with {}",
                    ciphertext.len(),
                    S::NAME,
                    S::ENCRYPT_WITH
                ),
            ));
        }
        let call = self.call::<S>(setting, ciphertext);
        let mut plaintext = timeout(limit, call).await.map_err(|_| DecryptFailure::late(setting))??;
        let secret = S::parse(&plaintext);
        plaintext.zeroize();
        secret.map_err(|error| {
            DecryptFailure::permanent(
                S::ERROR_TYPES.invalid,
                format!(
                    "{setting} was decrypted, but what it holds is no {}: {error}; {}",
                    S::KIND,
                    S::EXPECTED
                ),
            )
        })
    }

    async fn call<S: Secret>(&self, setting: &str, ciphertext: Vec<u8>) -> Result<Vec<u8>, DecryptFailure> {
        let request = || self.kms.decrypt().ciphertext_blob(Blob::new(ciphertext.clone()));
        let first = match request().encryption_context(CONTEXT_KEY, &self.function_name).send().await {
            Ok(answer) => return Ok(answer.plaintext.map(Blob::into_inner).unwrap_or_default()),
            Err(error) => error,
        };
        if is_invalid_ciphertext(&first) {
            match request().send().await {
                Ok(answer) => return Ok(answer.plaintext.map(Blob::into_inner).unwrap_or_default()),
                Err(second) if is_transient(&second) => return Err(self.failure::<S>(setting, &second)),
                Err(_) => {}
            }
        }
        Err(self.failure::<S>(setting, &first))
    }

    fn failure<S: Secret>(&self, setting: &str, error: &SdkError<DecryptError>) -> DecryptFailure {
        let code = error.code().map_or_else(|| describe_sdk(error), str::to_owned);
        if is_transient(error) {
            return DecryptFailure::Transient(format!("KMS could not decrypt {setting} now ({code})"));
        }
        let what = S::NAME;
        let remedy = match code.as_str() {
            "InvalidCiphertextException" => format!(
                "the ciphertext is damaged, or was encrypted with another encryption context than {CONTEXT_KEY}={}: encrypt {what} again for this function, with its name as it is now",
                shown(&self.function_name)
            ),
            "AccessDeniedException" => format!(
                "the function's role may not decrypt: allow kms:Decrypt on the key, with the condition kms:EncryptionContext:{CONTEXT_KEY}={}",
                shown(&self.function_name)
            ),
            "NotFoundException" => format!(
                "the key does not exist in this region and account: encrypt {what} again with a key that does"
            ),
            "DisabledException" => "the key is disabled: enable it".to_owned(),
            "KMSInvalidStateException" => format!(
                "the key is pending deletion or import: cancel the deletion, or encrypt {what} again with another key"
            ),
            "IncorrectKeyException" => format!("the ciphertext belongs to another key: encrypt {what} again"),
            "UnrecognizedClientException"
            | "InvalidSignatureException"
            | "ExpiredTokenException"
            | "MissingAuthenticationTokenException" => {
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

/// Encrypts a secret for the function of this name, and checks that the function will be able to read it.
///
/// The answer is the base64 text for the function's setting. `key_id` is a key's id, ARN or alias. The error says what KMS
/// answered, without the secret.
pub async fn encrypt<S: Secret>(
    kms: &aws_sdk_kms::Client,
    key_id: &str,
    function_name: &str,
    secret: &S,
) -> Result<String, String> {
    let text = secret.text().expose_secret();
    let answer = kms
        .encrypt()
        .key_id(key_id)
        .plaintext(Blob::new(text.as_bytes()))
        .encryption_context(CONTEXT_KEY, function_name)
        .send()
        .await
        .map_err(|error| {
            let code = error.code().unwrap_or("no answer");
            let shown = shown(key_id);
            // KMS's own words repeat a key that it does not know.
            let message =
                error.message().filter(|_| shown == key_id).unwrap_or("give a key's id, ARN or alias");
            format!("KMS does not encrypt with the key {shown} ({code}): {message}")
        })?;
    let ciphertext = answer.ciphertext_blob.map(Blob::into_inner).unwrap_or_default();
    let encoded = BASE64_STANDARD.encode(ciphertext);
    let decryptor = Decryptor::new(kms.clone(), function_name.to_owned());
    match decryptor.decrypt::<S>("the new ciphertext", &encoded, Duration::from_secs(20)).await {
        Ok(read) if read.text().expose_secret() == text => Ok(encoded),
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
