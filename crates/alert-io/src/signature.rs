//! Slack's signature under what it sends: who else does not know the app's signing secret is not listened to.
//!
//! Source: Slack, "Verifying requests from Slack".

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ring::hmac;
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use crate::secret::Secret as _;
use crate::signing_secret::SigningSecret;

/// What is older was recorded by somebody, or comes by a clock that is wrong.
const AGE_MAX: Duration = Duration::from_mins(5);
/// Requests that are remembered so that none counts twice; more within [`AGE_MAX`] than people press.
const REMEMBERED_MAX: usize = 2_000;

/// Why a request is not taken for one of Slack's; says nothing of what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// One of the two headers is missing, or there are several of it.
    Headers,
    /// No time in seconds.
    Timestamp,
    /// Signed too long ago, or in times to come.
    Age,
    /// Not `v0=` and 64 hexadecimal digits.
    Form,
    /// By another secret, or of another body.
    Wrong,
    /// It came before.
    Again,
}

impl fmt::Display for Denial {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Headers => "expected one X-Slack-Signature and one X-Slack-Request-Timestamp",
            Self::Timestamp => "X-Slack-Request-Timestamp is no time in seconds",
            Self::Age => "X-Slack-Request-Timestamp is more than five minutes off",
            Self::Form => "X-Slack-Signature is not of the form v0=…",
            Self::Wrong => {
                "X-Slack-Signature is not that of this body: another secret has signed it, or it was changed"
            }
            Self::Again => "the same request came before",
        })
    }
}

/// Checks requests, and remembers those that were taken.
#[derive(Debug, Default)]
pub struct Signatures {
    taken: Mutex<HashMap<[u8; 32], Instant>>,
}

impl Signatures {
    /// Whether Slack has signed this body, just now and for the first time in this process; `now` is in seconds since 1970.
    ///
    /// The work depends on the body's length alone, and nothing of the body is looked at.
    pub fn check(
        &self,
        secret: &SigningSecret,
        timestamp: Option<&str>,
        signature: Option<&str>,
        body: &[u8],
        now: i64,
    ) -> Result<(), Denial> {
        let (timestamp, signature) = timestamp.zip(signature).ok_or(Denial::Headers)?;
        let is_number =
            (1..=20).contains(&timestamp.len()) && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let at: i64 = timestamp.parse().ok().filter(|_| is_number).ok_or(Denial::Timestamp)?;
        if now.abs_diff(at) > AGE_MAX.as_secs() {
            return Err(Denial::Age);
        }
        let signature = signature.strip_prefix("v0=").and_then(bytes).ok_or(Denial::Form)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.text().expose_secret().as_bytes());
        let signed = [b"v0:", timestamp.as_bytes(), b":", body].concat();
        // In constant time.
        hmac::verify(&key, &signed, &signature).map_err(|_| Denial::Wrong)?;
        self.take(signature)
    }

    fn take(&self, signature: [u8; 32]) -> Result<(), Denial> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        // Twice the time, because their clock may be ahead of ours.
        taken.retain(|_, at| now.duration_since(*at) < 2 * AGE_MAX);
        if taken.len() >= REMEMBERED_MAX {
            taken.clear();
        }
        match taken.insert(signature, now) {
            None => Ok(()),
            Some(_) => Err(Denial::Again),
        }
    }
}

/// Bytes of their hexadecimal digits.
fn bytes(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() || !digits.is_ascii() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_531_420_618;

    fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, &[b"v0:", timestamp.as_bytes(), b":", body].concat());
        tag.as_ref().iter().fold("v0=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
    }

    #[test]
    fn who_is_listened_to() {
        let text = "0123456789abcdef0123456789abcdef";
        let secret = SigningSecret::parse(text.as_bytes()).unwrap();
        let body = "payload=%7B%7D".as_bytes();
        let at = NOW.to_string();
        let good = sign(text, &at, body);
        let check = |timestamp: Option<&str>, signature: Option<&str>, body: &[u8]| {
            Signatures::default().check(&secret, timestamp, signature, body, NOW)
        };
        assert_eq!(check(Some(&at), Some(&good), body), Ok(()));
        for (age, expected) in
            [(300, Ok(())), (-300, Ok(())), (301, Err(Denial::Age)), (-301, Err(Denial::Age))]
        {
            let at = (NOW - age).to_string();
            assert_eq!(check(Some(&at), Some(&sign(text, &at, body)), body), expected, "{age}");
        }
        let other = sign("fedcba9876543210fedcba9876543210", &at, body);
        let upper = good.to_uppercase().replace("V0=", "v0=");
        for (timestamp, signature, body, expected) in [
            (None, Some(good.as_str()), body, Denial::Headers),
            (Some(at.as_str()), None, body, Denial::Headers),
            (Some("x"), Some(&good), body, Denial::Timestamp),
            (Some("-1"), Some(&good), body, Denial::Timestamp),
            (Some("99999999999999999999"), Some(&good), body, Denial::Timestamp),
            (Some(""), Some(&good), body, Denial::Timestamp),
            (Some(&at), Some(&good[3..]), body, Denial::Form),
            (Some(&at), Some(&good[..40]), body, Denial::Form),
            (Some(&at), Some("v0="), body, Denial::Form),
            (Some(&at), Some(&format!("v0={}", "g".repeat(64))), body, Denial::Form),
            (Some(&at), Some(&format!("v0={}", "é".repeat(32))), body, Denial::Form),
            (Some(&at), Some(&format!("v1={}", &good[3..])), body, Denial::Form),
            (Some(&at), Some(&other), body, Denial::Wrong),
            (Some(&at), Some(&good), b"payload=%7B%7D ", Denial::Wrong),
            (Some(&at), Some(&good), b"", Denial::Wrong),
        ] {
            assert_eq!(check(timestamp, signature, body), Err(expected), "{timestamp:?} {signature:?}");
        }
        assert_eq!(check(Some(&at), Some(&upper), body), Ok(()));
        let signatures = Signatures::default();
        let again = || signatures.check(&secret, Some(&at), Some(&good), body, NOW);
        assert_eq!((again(), again()), (Ok(()), Err(Denial::Again)));
    }
}
