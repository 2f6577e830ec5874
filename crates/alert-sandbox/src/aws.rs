//! What all stand-ins for AWS share: ids, names, and the form of a signed request.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use axum::http::HeaderMap;
use chrono::{DateTime, SecondsFormat, Utc};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use ring::digest::{SHA256, digest};

pub use crate::fault::{Call, Fault};
use crate::lock;

/// The region of everything in the sandbox.
pub const REGION: &str = "us-east-1";
/// The account of everything in the sandbox.
pub const ACCOUNT: &str = "123456789012";

/// A seeded source of ids and keys: the same seed gives the same ones in the same order.
#[derive(Debug, Clone)]
pub(crate) struct Ids(Arc<Mutex<StdRng>>);

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(StdRng::seed_from_u64(seed))))
    }

    /// A source of its own for each name, so that two queues of one seed do not give the same ids.
    pub(crate) fn named(seed: u64, name: &str) -> Self {
        let digest = digest(&SHA256, &[&seed.to_be_bytes(), name.as_bytes()].concat());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Self(Arc::new(Mutex::new(StdRng::from_seed(bytes))))
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        lock(&self.0).fill_bytes(&mut bytes);
        bytes
    }

    /// A random UUID, as AWS gives to requests, messages and keys.
    pub(crate) fn uuid(&self) -> String {
        let mut bytes: [u8; 16] = self.bytes();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let hex = hex(&bytes);
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The operation that a request of AWS's JSON protocols asks for, of the service of this prefix; what has another is told whole.
pub(crate) fn operation<'h>(headers: &'h HeaderMap, service: &str) -> &'h str {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok()).unwrap_or_default();
    target.strip_prefix(service).unwrap_or(target)
}

/// Whether the request carries an `Authorization` header in the form of Signature Version 4 for this
/// service. The signature itself is not checked: any credentials are good here.
pub(crate) fn is_signed(headers: &HeaderMap, service: &str) -> bool {
    let Some(authorization) = headers.get("authorization").and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let Some(parts) = authorization.strip_prefix("AWS4-HMAC-SHA256 ") else { return false };
    let part = |name: &str| {
        parts.split(',').map(str::trim).find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
    };
    let scope = part("Credential").map(|credential| credential.split('/').collect::<Vec<_>>());
    let scoped = matches!(scope.as_deref(),
        Some([key, date, _, name, "aws4_request"]) if !key.is_empty() && date.len() == 8 && *name == service);
    let signed =
        part("Signature").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    scoped && signed && part("SignedHeaders").is_some_and(|names| !names.is_empty())
}

/// `2026-01-01T00:00:00.000Z`.
pub(crate) fn timestamp(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// `2026-01-01T00:00:00Z`.
pub(crate) fn timestamp_seconds(time: SystemTime) -> String {
    DateTime::<Utc>::from(time).to_rfc3339_opts(SecondsFormat::Secs, true)
}
