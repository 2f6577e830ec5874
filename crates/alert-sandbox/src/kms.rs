//! The key service: Encrypt, Decrypt and DescribeKey over its JSON protocol.
//!
//! The encryption context is authenticated as KMS does it: it is the additional data of AES-256-GCM, so
//! a ciphertext opens with exactly the context it was made with, and with no other.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use serde_json::{Map, Value, json};
use tokio_rustls::TlsAcceptor;

use crate::aws::{self, ACCOUNT, Ids, REGION, is_signed};
use crate::lock;
use crate::server::{Line, Server, endless_body};

/// The largest plaintext that a symmetric key encrypts (API reference, Encrypt).
pub const PLAINTEXT_MAX_BYTES: usize = 4096;
/// The largest ciphertext that Decrypt takes (API reference, Decrypt).
pub const CIPHERTEXT_MAX_BYTES: usize = 6144;
/// The alias of the key that every sandbox has.
pub const DEFAULT_ALIAS: &str = "alias/alerts";

/// How real ciphertexts of symmetric keys begin; in base64 it reads `AQICAH…`.
const BLOB_PREFIX: [u8; 5] = [0x01, 0x02, 0x02, 0x00, 0x78];
/// The length of a key id, a UUID in text.
const KEY_ID_BYTES: usize = 36;

/// Name and value pairs that ciphertext is bound to.
pub type EncryptionContext = BTreeMap<String, String>;

/// One call, as KMS saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsCall {
    /// `Encrypt`, `Decrypt`, `DescribeKey`, or whatever was asked for.
    pub operation: String,
    /// The encryption context that came with it.
    pub context: EncryptionContext,
    /// `ok`, or the `__type` of the error.
    pub outcome: String,
}

/// What goes wrong, until another fault is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KmsFault {
    /// Nothing.
    #[default]
    None,
    /// The next calls, this many, are answered by ThrottlingException.
    Throttle(u32),
    /// KMSInternalException, with status 500.
    Unavailable,
    /// No answer for this long, then the connection breaks.
    Hang(Duration),
    /// AccessDeniedException.
    Deny,
    /// DisabledException: someone switched the key off.
    Disabled,
    /// The right answer, but so much later.
    Delay(Duration),
    /// Status 200 and a body without an end.
    Endless,
}

/// The running service.
#[derive(Debug)]
pub struct Kms {
    server: Server,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ids: Ids,
    state: Mutex<KeyStore>,
}

#[derive(Debug, Default)]
struct KeyStore {
    keys: BTreeMap<String, Key>,
    aliases: BTreeMap<String, String>,
    calls: Vec<KmsCall>,
    fault: KmsFault,
    /// The only ciphertext that the fault is for.
    fault_of: Option<String>,
}

#[derive(Debug, Clone)]
struct Key {
    secret: [u8; 32],
    enabled: bool,
}

impl Kms {
    pub(crate) async fn start(ids: Ids, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let shared = Arc::new(Shared { ids, state: Mutex::default() });
        let router = Router::new()
            .route("/", post(answer))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(Arc::clone(&shared));
        let kms = Self { server: Server::start(router, tls).await?, shared };
        let key = kms.create_key();
        kms.create_alias(DEFAULT_ALIAS, &key);
        Ok(kms)
    }

    /// The endpoint, for `AWS_ENDPOINT_URL_KMS`.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// Makes another key and says its ARN.
    #[must_use]
    pub fn create_key(&self) -> String {
        let id = self.shared.ids.uuid();
        let key = Key { secret: self.shared.ids.bytes(), enabled: true };
        lock(&self.shared.state).keys.insert(id.clone(), key);
        key_arn(&id)
    }

    /// Lets `alias/…` stand for a key, given by its ARN or id.
    pub fn create_alias(&self, alias: &str, key: &str) {
        lock(&self.shared.state).aliases.insert(alias.to_owned(), last_segment(key).to_owned());
    }

    /// Switches a key, given by alias, ARN or id, off or on again.
    pub fn set_enabled(&self, key: &str, enabled: bool) {
        let mut state = lock(&self.shared.state);
        if let Ok(id) = state.resolve(key)
            && let Some(key) = state.keys.get_mut(&id)
        {
            key.enabled = enabled;
        }
    }

    /// Encrypts with the default key, without a request; base64, as the `aws` command prints it.
    #[must_use]
    pub fn encrypt(&self, plaintext: impl AsRef<[u8]>, context: &[(&str, &str)]) -> String {
        let context = context.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let state = lock(&self.shared.state);
        let sealed = state
            .resolve(DEFAULT_ALIAS)
            .and_then(|id| state.seal(&self.shared.ids, &id, plaintext.as_ref(), &context));
        // The default key is always there, and ring refuses no plaintext that fits into memory.
        BASE64.encode(sealed.unwrap_or_default())
    }

    /// All calls so far, those that were refused included.
    #[must_use]
    pub fn calls(&self) -> Vec<KmsCall> {
        lock(&self.shared.state).calls.clone()
    }

    /// From now on, this goes wrong.
    pub fn set_fault(&self, fault: KmsFault) {
        let mut state = lock(&self.shared.state);
        (state.fault, state.fault_of) = (fault, None);
    }

    /// From now on, this goes wrong with calls for one ciphertext, in base64, and with no others.
    pub fn set_fault_for(&self, ciphertext: &str, fault: KmsFault) {
        let mut state = lock(&self.shared.state);
        (state.fault, state.fault_of) = (fault, Some(ciphertext.to_owned()));
    }
}

/// An error as KMS tells it.
#[derive(Debug)]
struct KmsError {
    status: StatusCode,
    kind: &'static str,
    message: Option<String>,
}

impl KmsError {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: Some(message.into()) }
    }

    /// Nothing but the type: KMS does not say whether context, blob or key was wrong.
    fn invalid_ciphertext() -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind: "InvalidCiphertextException", message: None }
    }

    fn validation(field: &str, constraint: &str) -> Self {
        let text = format!(
            "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must {constraint}"
        );
        Self::new("ValidationException", text)
    }

    fn internal() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::new("KMSInternalException", "An internal error occurred")
        }
    }
}

impl KeyStore {
    /// The id of the key that an alias, an alias ARN, a key ARN or an id names.
    fn resolve(&self, name: &str) -> Result<String, KmsError> {
        let prefix = format!("arn:aws:kms:{REGION}:{ACCOUNT}:");
        let resource = name.strip_prefix(&prefix).unwrap_or(name);
        if resource.starts_with("arn:") {
            return Err(KmsError::new("NotFoundException", format!("Invalid arn {name}")));
        }
        if resource.starts_with("alias/") {
            let missing =
                || KmsError::new("NotFoundException", format!("Alias {prefix}{resource} is not found."));
            return self.aliases.get(resource).cloned().ok_or_else(missing);
        }
        let id = resource.strip_prefix("key/").unwrap_or(resource);
        if !self.keys.contains_key(id) {
            return Err(KmsError::new("NotFoundException", format!("Key '{}' does not exist", key_arn(id))));
        }
        Ok(id.to_owned())
    }

    fn enabled_key(&self, id: &str) -> Result<&Key, KmsError> {
        let key = self.keys.get(id).ok_or_else(KmsError::invalid_ciphertext)?;
        if !key.enabled {
            return Err(KmsError::new("DisabledException", format!("{} is disabled.", key_arn(id))));
        }
        Ok(key)
    }

    fn seal(
        &self,
        ids: &Ids,
        id: &str,
        plaintext: &[u8],
        context: &EncryptionContext,
    ) -> Result<Vec<u8>, KmsError> {
        let key = aead_key(self.enabled_key(id)?)?;
        let nonce: [u8; NONCE_LEN] = ids.bytes();
        let mut sealed = plaintext.to_vec();
        key.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(additional_data(id, context)),
            &mut sealed,
        )
        .map_err(|_| KmsError::internal())?;
        Ok([&BLOB_PREFIX, id.as_bytes(), &nonce, &sealed].concat())
    }

    /// The plaintext, and the id of the key that opened it.
    fn open(&self, blob: &[u8], context: &EncryptionContext) -> Result<(Vec<u8>, String), KmsError> {
        let id = blob_key(blob)?;
        let key = aead_key(self.enabled_key(&id)?)?;
        let (nonce, sealed) = blob[BLOB_PREFIX.len() + KEY_ID_BYTES..]
            .split_first_chunk::<NONCE_LEN>()
            .ok_or_else(KmsError::invalid_ciphertext)?;
        let mut sealed = sealed.to_vec();
        let plaintext = key
            .open_in_place(
                Nonce::assume_unique_for_key(*nonce),
                Aad::from(additional_data(&id, context)),
                &mut sealed,
            )
            .map_err(|_| KmsError::invalid_ciphertext())?;
        Ok((plaintext.to_vec(), id))
    }

    fn perform(&self, ids: &Ids, operation: &str, request: &Value) -> Result<Value, KmsError> {
        let context = encryption_context(request)?;
        let key_id = request.get("KeyId").and_then(Value::as_str);
        match operation {
            "Encrypt" => {
                let plaintext = blob_field(request, "Plaintext", PLAINTEXT_MAX_BYTES)?;
                let id = self.resolve(key_id.ok_or_else(|| KmsError::validation("keyId", "not be null"))?)?;
                let blob = self.seal(ids, &id, &plaintext, &context)?;
                Ok(json!({
                    "CiphertextBlob": BASE64.encode(blob),
                    "KeyId": key_arn(&id),
                    "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
                }))
            }
            "Decrypt" => {
                let blob = blob_field(request, "CiphertextBlob", CIPHERTEXT_MAX_BYTES)?;
                let asked = key_id.map(|name| self.resolve(name)).transpose()?;
                let made_with = blob_key(&blob)?;
                if asked.is_some_and(|id| id != made_with) {
                    return Err(KmsError::new(
                        "IncorrectKeyException",
                        "The key ID in the request does not identify a CMK that can perform this operation.",
                    ));
                }
                let (plaintext, id) = self.open(&blob, &context)?;
                Ok(json!({
                    "Plaintext": BASE64.encode(plaintext),
                    "KeyId": key_arn(&id),
                    "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
                }))
            }
            "DescribeKey" => {
                let id = self.resolve(key_id.ok_or_else(|| KmsError::validation("keyId", "not be null"))?)?;
                let enabled = self.keys.get(&id).is_some_and(|key| key.enabled);
                Ok(json!({"KeyMetadata": {
                    "AWSAccountId": ACCOUNT, "KeyId": id, "Arn": key_arn(&id), "Enabled": enabled,
                    "KeyState": if enabled { "Enabled" } else { "Disabled" }, "KeyUsage": "ENCRYPT_DECRYPT",
                    "KeySpec": "SYMMETRIC_DEFAULT", "KeyManager": "CUSTOMER", "Origin": "AWS_KMS",
                }}))
            }
            _ => Err(KmsError { message: None, ..KmsError::new("UnknownOperationException", "") }),
        }
    }
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    Extension(line): Extension<Arc<Line>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request = serde_json::from_slice::<Value>(&body);
    let ciphertext = request.as_ref().ok().and_then(|request| request.get("CiphertextBlob")?.as_str());
    let fault = next_fault(&shared, ciphertext);
    if let KmsFault::Delay(time) | KmsFault::Hang(time) = fault {
        tokio::time::sleep(time).await;
    }
    if matches!(fault, KmsFault::Hang(_)) {
        line.reset();
    }
    let operation = aws::operation(&headers, "TrentService.").to_owned();
    let result = admit(&headers, &operation, &fault).and_then(|()| {
        let malformed = || KmsError { message: None, ..KmsError::new("SerializationException", "") };
        let request = request.as_ref().ok().filter(|value| value.is_object()).ok_or_else(malformed)?;
        lock(&shared.state).perform(&shared.ids, &operation, request)
    });
    let outcome = match (&fault, &result) {
        (KmsFault::Hang(_), _) => "no answer",
        (_, Ok(_)) => "ok",
        (_, Err(error)) => error.kind,
    };
    let context = request.ok().and_then(|request| encryption_context(&request).ok()).unwrap_or_default();
    let call = KmsCall { operation, context, outcome: outcome.to_owned() };
    lock(&shared.state).calls.push(call);
    let (status, body) = match result {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (error.status, error_body(&error)),
    };
    let content_type = (header::CONTENT_TYPE, "application/x-amz-json-1.1".to_owned());
    let headers = [content_type, (REQUEST_ID, shared.ids.uuid())];
    if matches!(fault, KmsFault::Endless) {
        return (status, headers, endless_body()).into_response();
    }
    (status, headers, body.to_string()).into_response()
}

const REQUEST_ID: header::HeaderName = header::HeaderName::from_static("x-amzn-requestid");

/// The fault that this call meets; a throttle wears off.
fn next_fault(shared: &Shared, ciphertext: Option<&str>) -> KmsFault {
    let mut state = lock(&shared.state);
    if state.fault_of.is_some() && state.fault_of.as_deref() != ciphertext {
        return KmsFault::None;
    }
    match &mut state.fault {
        KmsFault::Throttle(0) => KmsFault::None,
        KmsFault::Throttle(left) => {
            *left -= 1;
            KmsFault::Throttle(1)
        }
        fault => fault.clone(),
    }
}

/// What is refused before the request is looked at.
fn admit(headers: &HeaderMap, operation: &str, fault: &KmsFault) -> Result<(), KmsError> {
    if !is_signed(headers, "kms") {
        return Err(KmsError::new("MissingAuthenticationTokenException", "Missing Authentication Token"));
    }
    match fault {
        KmsFault::Throttle(_) => Err(KmsError::new(
            "ThrottlingException",
            "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
        )),
        KmsFault::Unavailable => Err(KmsError::internal()),
        KmsFault::Deny => Err(KmsError::new(
            "AccessDeniedException",
            format!(
                "User: arn:aws:sts::{ACCOUNT}:assumed-role/alerts/sandbox is not authorized to perform: \
                 kms:{operation} on this resource because no identity-based policy allows the kms:{operation} action"
            ),
        )),
        KmsFault::Disabled => {
            Err(KmsError::new("DisabledException", format!("{DEFAULT_ALIAS} is disabled.")))
        }
        KmsFault::None | KmsFault::Hang(_) | KmsFault::Delay(_) | KmsFault::Endless => Ok(()),
    }
}

fn error_body(error: &KmsError) -> Value {
    let mut body = Map::from_iter([("__type".to_owned(), error.kind.into())]);
    if let Some(message) = &error.message {
        body.insert("message".to_owned(), message.as_str().into());
    }
    body.into()
}

/// A required blob: base64 in JSON, within 1 and `max_bytes` bytes.
fn blob_field(request: &Value, name: &str, max_bytes: usize) -> Result<Vec<u8>, KmsError> {
    let field = format!("{}{}", name[..1].to_ascii_lowercase(), &name[1..]);
    let text = request.get(name).ok_or_else(|| KmsError::validation(&field, "not be null"))?;
    let malformed = || KmsError { message: None, ..KmsError::new("SerializationException", "") };
    let bytes = text.as_str().and_then(|text| BASE64.decode(text).ok()).ok_or_else(malformed)?;
    if bytes.is_empty() {
        return Err(KmsError::validation(&field, "have length greater than or equal to 1"));
    }
    if bytes.len() > max_bytes {
        return Err(KmsError::validation(&field, &format!("have length less than or equal to {max_bytes}")));
    }
    Ok(bytes)
}

fn encryption_context(request: &Value) -> Result<EncryptionContext, KmsError> {
    let pairs = match request.get("EncryptionContext") {
        None | Some(Value::Null) => return Ok(EncryptionContext::new()),
        Some(value) => value.as_object(),
    };
    let malformed = || KmsError { message: None, ..KmsError::new("SerializationException", "") };
    let pair = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    pairs.and_then(|pairs| pairs.iter().map(pair).collect()).ok_or_else(malformed)
}

/// Key id and context in one unambiguous order: sorted by name, each text after its length.
fn additional_data(key_id: &str, context: &EncryptionContext) -> Vec<u8> {
    let texts = context.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let mut data = Vec::new();
    for text in std::iter::once(key_id).chain(texts) {
        data.extend_from_slice(&text.len().to_be_bytes());
        data.extend_from_slice(text.as_bytes());
    }
    data
}

fn blob_key(blob: &[u8]) -> Result<String, KmsError> {
    let id = blob.strip_prefix(&BLOB_PREFIX).and_then(|rest| rest.get(..KEY_ID_BYTES));
    let id = id.and_then(|id| std::str::from_utf8(id).ok());
    id.map(str::to_owned).ok_or_else(KmsError::invalid_ciphertext)
}

fn aead_key(key: &Key) -> Result<LessSafeKey, KmsError> {
    UnboundKey::new(&AES_256_GCM, &key.secret).map(LessSafeKey::new).map_err(|_| KmsError::internal())
}

fn key_arn(id: &str) -> String {
    format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{id}")
}

fn last_segment(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
