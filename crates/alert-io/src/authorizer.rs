//! `grafana-webhook-authorizer`: lets in who shows the credential, and nobody else.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use secrecy::zeroize::Zeroize as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use thiserror::Error;
use tokio::sync::OnceCell;

use crate::aws::{self, Identity};
use crate::deadline::Deadline;
use crate::http;
use crate::lambda::{InvocationError, Invoked};
use crate::secret::{DecryptFailure, Decryptor, ErrorTypes, Secret};
use crate::settings::{AWS_LAMBDA_FUNCTION_NAME, Environment, KMS_ENCRYPTED_CREDENTIAL, StartError};

/// Lambda gives the init phase 10 s; KMS may use this much of it before the first invocation tries again.
const START_LIMIT: Duration = Duration::from_millis(4_500);
/// Kept back for the answer when KMS is slow in an invocation.
const ANSWER_RESERVE: Duration = Duration::from_millis(500);
/// The way in is open to the internet and has no lock-out: a shorter credential could be guessed.
const CREDENTIAL_MIN_BYTES: usize = 16;

/// What Grafana shows: `user:password` in `Basic`, or the whole after `Bearer`. Debug is redacted, and there is no Display.
#[derive(Debug, Clone)]
pub struct Credential(SecretString);

/// Why a text is no credential; says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// It could be guessed.
    #[error("it has fewer than {CREDENTIAL_MIN_BYTES} bytes")]
    TooShort,
    /// Such a text does not fit into a header.
    #[error("it is not one line of text")]
    NotText,
}

impl Secret for Credential {
    type Error = CredentialError;

    const KIND: &str = "credential";
    const NAME: &str = "the credential";
    const ENCRYPT_WITH: &str = "`aws kms encrypt … --query CiphertextBlob --output text`";
    const EXPECTED: &str =
        "encrypt USER:PASSWORD for Basic, or a token for Bearer, as Grafana's contact point has it";
    const ERROR_TYPES: ErrorTypes = ErrorTypes {
        not_base64: "credential_not_base64",
        not_ciphertext: "credential_not_ciphertext",
        invalid: "credential_invalid",
    };

    fn parse(plaintext: &[u8]) -> Result<Self, CredentialError> {
        let text = std::str::from_utf8(plaintext).map_err(|_| CredentialError::NotText)?.trim();
        if text.chars().any(char::is_control) {
            return Err(CredentialError::NotText);
        }
        if text.len() < CREDENTIAL_MIN_BYTES {
            return Err(CredentialError::TooShort);
        }
        Ok(Self(SecretString::from(text.to_owned())))
    }

    fn text(&self) -> &SecretString {
        &self.0
    }
}

impl Credential {
    /// Whether an `Authorization` header's value shows this credential.
    fn check(&self, authorization: &str) -> Result<(), Denial> {
        let (scheme, shown) = authorization.trim().split_once(' ').ok_or(Denial::Scheme)?;
        let shown = shown.trim();
        if scheme.eq_ignore_ascii_case("basic") {
            let mut decoded = BASE64_STANDARD.decode(shown).map_err(|_| Denial::NotBase64)?;
            let checked = self.compare(&decoded);
            decoded.zeroize();
            checked
        } else if scheme.eq_ignore_ascii_case("bearer") {
            self.compare(shown.as_bytes())
        } else {
            Err(Denial::Scheme)
        }
    }

    /// The time it takes tells the credential's length at most, never how much of it was right.
    fn compare(&self, shown: &[u8]) -> Result<(), Denial> {
        let is_equal: bool = self.0.expose_secret().as_bytes().ct_eq(shown).into();
        if is_equal { Ok(()) } else { Err(Denial::Wrong) }
    }
}

/// Why somebody is not let in; says nothing of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Denial {
    NoHeader,
    Scheme,
    NotBase64,
    Wrong,
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NoHeader => "there is no Authorization header",
            Self::Scheme => "the Authorization header is neither Basic nor Bearer",
            Self::NotBase64 => "what follows Basic is not base64",
            Self::Wrong => "the credential is wrong",
        })
    }
}

/// The authorizer, as long as its process lives.
#[derive(Debug)]
pub struct Authorizer {
    decryptor: Decryptor,
    ciphertext: String,
    credential: OnceCell<Credential>,
}

impl Authorizer {
    /// Reads the settings and decrypts the credential.
    ///
    /// Fails where nobody could ever be let in. While KMS cannot be had, invocations try again.
    pub async fn start(environment: Environment<'_>) -> Result<Self, StartError> {
        let ciphertext = environment(KMS_ENCRYPTED_CREDENTIAL).ok_or_else(|| {
            StartError::new(
                "credential_missing",
                format!("{KMS_ENCRYPTED_CREDENTIAL} is not set: expected the base64 text of the credential of Grafana's contact point, encrypted by KMS for this function; until then nobody is let in"),
            )
        })?;
        let http = http::client(environment)?;
        let identity = Identity::from_environment(environment)?;
        let function_name = environment(AWS_LAMBDA_FUNCTION_NAME).unwrap_or_default();
        let decryptor = Decryptor::new(aws::kms(environment, &identity, &http), function_name);
        let authorizer = Self { decryptor, ciphertext, credential: OnceCell::new() };
        match authorizer.credential(START_LIMIT).await {
            Err(DecryptFailure::Permanent { error_type, detail }) => Err(StartError::new(error_type, detail)),
            Err(DecryptFailure::Transient(detail)) => {
                tracing::warn!(setting = KMS_ENCRYPTED_CREDENTIAL, "{detail}");
                Ok(authorizer)
            }
            Ok(_) => Ok(authorizer),
        }
    }

    /// Answers one request of API Gateway's with a policy: `Allow` or `Deny`.
    ///
    /// An error means that nobody knows: API Gateway answers 500 and, unlike a policy, does not keep it.
    pub async fn handle(
        &self,
        event: &[u8],
        Invoked { request_id, .. }: Invoked<'_>,
        deadline: Deadline,
    ) -> Result<Value, InvocationError> {
        let request = Request::parse(event).ok_or_else(|| InvocationError {
            error_type: "not_an_authorizer_event",
            message: "the event has no methodArn: expected what a Lambda authorizer of a REST API gets, of type TOKEN or REQUEST".to_owned(),
        })?;
        let limit = deadline.left().saturating_sub(ANSWER_RESERVE);
        let credential = self.credential(limit).await.map_err(|failure| InvocationError {
            error_type: match failure {
                DecryptFailure::Permanent { error_type, .. } => error_type,
                DecryptFailure::Transient(_) => "kms_unavailable",
            },
            message: failure.to_string(),
        })?;
        let checked = match &request.authorization {
            Some(authorization) => credential.check(authorization),
            None => Err(Denial::NoHeader),
        };
        match checked {
            Ok(()) => tracing::info!(request_id, verdict = "allowed"),
            Err(denial) => tracing::warn!(request_id, verdict = "denied", why = %denial),
        }
        Ok(policy(checked.is_ok(), &request.method_arn))
    }

    async fn credential(&self, limit: Duration) -> Result<&Credential, DecryptFailure> {
        self.credential
            .get_or_try_init(|| self.decryptor.decrypt(KMS_ENCRYPTED_CREDENTIAL, &self.ciphertext, limit))
            .await
    }
}

/// What API Gateway asks. It has no Debug: it holds what came.
struct Request {
    method_arn: String,
    authorization: Option<String>,
}

impl Request {
    /// Reads both forms. Source: API Gateway Developer Guide, "Input to an API Gateway Lambda authorizer".
    fn parse(event: &[u8]) -> Option<Self> {
        let event: Value = serde_json::from_slice(event).ok()?;
        let method_arn = event.get("methodArn")?.as_str()?.to_owned();
        // TOKEN has the value itself; REQUEST has all headers, their names in the caller's own case.
        let header = || {
            let headers = event.get("headers")?.as_object()?;
            headers
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case("authorization"))
                .map(|(_, value)| value)
        };
        let authorization = event.get("authorizationToken").or_else(header).and_then(Value::as_str);
        Some(Self { method_arn, authorization: authorization.map(str::to_owned) })
    }
}

/// Source: API Gateway Developer Guide, "Output from an API Gateway Lambda authorizer".
fn policy(is_allowed: bool, method_arn: &str) -> Value {
    let effect = if is_allowed { "Allow" } else { "Deny" };
    json!({
        "principalId": "grafana",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": method_arn}],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "grafana:correct-horse-battery";

    fn check(authorization: &str) -> Result<(), Denial> {
        Credential::parse(SECRET.as_bytes()).unwrap().check(authorization)
    }

    fn basic(credential: &str) -> String {
        format!("Basic {}", BASE64_STANDARD.encode(credential))
    }

    #[test]
    fn the_credential_in_every_form_is_let_in() {
        let bearer = format!("Bearer {SECRET}");
        for header in
            [&basic(SECRET), &basic(SECRET).replace("Basic", "basic"), &bearer, &format!("{bearer} ")]
        {
            assert_eq!(check(header), Ok(()), "{header}");
        }
    }

    #[test]
    fn nothing_else_is_let_in() {
        let longer = format!("{SECRET}x");
        for wrong in ["grafana:", &SECRET[..SECRET.len() - 1], &longer, "grafana:correct-horse-batterz"] {
            assert_eq!(check(&basic(wrong)), Err(Denial::Wrong), "{wrong}");
            assert_eq!(check(&format!("Bearer {wrong}")), Err(Denial::Wrong), "{wrong}");
        }
        for (header, expected) in [
            ("", Denial::Scheme),
            (SECRET, Denial::Scheme),
            ("Basic", Denial::Scheme),
            ("Digest username=grafana", Denial::Scheme),
            ("Basic grafana:correct-horse-battery", Denial::NotBase64),
        ] {
            assert_eq!(check(header), Err(expected), "{header}");
        }
    }

    #[test]
    fn a_credential_is_one_line_of_some_length_and_is_not_shown() {
        let credential = Credential::parse(format!("{SECRET}\r\n").as_bytes()).unwrap();
        assert_eq!(credential.check(&basic(SECRET)), Ok(()));
        assert!(!format!("{credential:?}").contains("horse"));
        for (plaintext, expected) in [
            (&b"grafana:short"[..], CredentialError::TooShort),
            (b"", CredentialError::TooShort),
            (b"grafana:correct\nhorse", CredentialError::NotText),
            (b"\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe\xff\xfe", CredentialError::NotText),
        ] {
            assert_eq!(Credential::parse(plaintext).err(), Some(expected));
        }
    }

    #[test]
    fn both_forms_of_the_request() {
        let parse = |event: Value| {
            let request = Request::parse(event.to_string().as_bytes())?;
            Some((request.method_arn, request.authorization))
        };
        let token = json!({"type": "TOKEN", "authorizationToken": "Bearer x", "methodArn": "arn"});
        assert_eq!(parse(token), Some(("arn".into(), Some("Bearer x".into()))));
        let request = json!({"type": "REQUEST", "headers": {"Host": "h", "AUTHORIZATION": "Bearer x"}, "methodArn": "arn"});
        assert_eq!(parse(request), Some(("arn".into(), Some("Bearer x".into()))));
        assert_eq!(
            parse(json!({"type": "REQUEST", "headers": null, "methodArn": "arn"})),
            Some(("arn".into(), None))
        );
        assert_eq!(parse(json!({"Records": []})), None);
    }
}
