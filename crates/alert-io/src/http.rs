//! The one HTTP client, for Slack and for AWS: one TLS library, one set of roots, connections kept.

use std::error::Error as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use thiserror::Error;

use crate::settings::{AWS_CA_BUNDLE, Environment, SSL_CERT_FILE, StartError, read_file, shown};

/// A connection that takes longer does not come.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// More than any answer that we ask AWS for: SQS's, of ten messages of 1 MiB, is the largest.
const AWS_ANSWER_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Distributions' bundles have some hundred kilobytes.
const BUNDLE_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Where Linux distributions keep their bundle; the first is that of Lambda's Amazon Linux 2023.
const SYSTEM_BUNDLES: [&str; 3] = [
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
];

/// Builds the client.
///
/// Trusts what `SSL_CERT_FILE` and `AWS_CA_BUNDLE` hold, and without them the roots that are compiled in. No redirects:
/// neither Slack nor AWS sends any, and a secret URL must not travel on. No proxies.
///
/// Fails where such a file is named but gives no certificate.
pub fn client(environment: Environment<'_>) -> Result<reqwest::Client, StartError> {
    let mut provider = rustls::crypto::ring::default_provider();
    // Offered first, where the other side leaves the choice to us: it comes with SHA-256, for which processors have
    // instructions of their own; AES-256 comes with SHA-384, for which ring uses none.
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let provider = Arc::new(provider);
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| StartError::new("tls_unusable", format!("TLS cannot be set up: {error}")))?;
    let config = match named_roots(environment)? {
        Some(roots) => config.with_root_certificates(roots),
        None => config
            .dangerous() // rustls's name for any verifier of one's own; ours only adds the system's roots.
            .with_custom_certificate_verifier(Arc::new(WithSystemRoots::new(provider)?)),
    };
    reqwest::Client::builder()
        .tls_backend_preconfigured(config.with_no_client_auth())
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        // Connections die while the process is frozen. With one at most for each host, a second attempt never meets
        // another dead one.
        .pool_max_idle_per_host(1)
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
        .map_err(|error| StartError::new("tls_unusable", format!("the HTTP client cannot be built: {error}")))
}

fn named_roots(environment: Environment<'_>) -> Result<Option<RootCertStore>, StartError> {
    let mut roots: Option<RootCertStore> = None;
    for setting in [SSL_CERT_FILE, AWS_CA_BUNDLE] {
        let Some(path) = environment(setting) else { continue };
        let store = roots.get_or_insert_with(RootCertStore::empty);
        if add_bundle(store, &path) == 0 {
            return Err(StartError::new(
                "ca_file_unusable",
                format!(
                    "{setting} names {}, but no certificate could be read there; give the path of a PEM file, or remove the setting",
                    shown(&path)
                ),
            ));
        }
    }
    Ok(roots)
}

/// Adds a file's certificates; the number of those that could be used.
fn add_bundle(store: &mut RootCertStore, path: &str) -> usize {
    let pem = read_file(Path::new(path), BUNDLE_MAX_BYTES).unwrap_or_default();
    store.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).flatten()).0
}

/// The compiled-in roots first; an issuer that they do not know is looked up in the system's bundle.
///
/// A deployed function may live for years without an update, and an alert must not fail for a new root.
#[derive(Debug)]
struct WithSystemRoots {
    compiled_in: Arc<WebPkiServerVerifier>,
    system: OnceLock<Option<Arc<WebPkiServerVerifier>>>,
    provider: Arc<CryptoProvider>,
}

impl WithSystemRoots {
    fn new(provider: Arc<CryptoProvider>) -> Result<Self, StartError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let compiled_in = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| {
                StartError::new("tls_unusable", format!("the compiled-in roots cannot be used: {error}"))
            })?;
        Ok(Self { compiled_in, system: OnceLock::new(), provider })
    }

    fn system(&self) -> Option<&Arc<WebPkiServerVerifier>> {
        self.system
            .get_or_init(|| {
                let mut roots = RootCertStore::empty();
                SYSTEM_BUNDLES.iter().find(|path| add_bundle(&mut roots, path) > 0)?;
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
                    .build()
                    .ok()
            })
            .as_ref()
    }
}

fn is_unknown_issuer(error: &rustls::Error) -> bool {
    matches!(error, rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
}

impl ServerCertVerifier for WithSystemRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified =
            self.compiled_in.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        if verified.as_ref().is_err_and(is_unknown_issuer)
            && let Some(system) = self.system()
        {
            return system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.compiled_in.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.compiled_in.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.compiled_in.supported_verify_schemes()
    }
}

/// Why a request failed, without its URL: a webhook's URL is a secret, and so are the errors that hold it.
#[must_use]
pub fn describe(error: &reqwest::Error) -> String {
    let lead = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection was lost"
    };
    // The chain's own texts may name the URL; those of the operating system and of TLS do not.
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(cause) = cause(inner) {
            return format!("{lead}: {cause}");
        }
        source = inner.source();
    }
    lead.to_owned()
}

/// The text of an error of TLS or of the operating system, in however many I/O errors it is wrapped.
fn cause(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(format!("TLS: {tls}"));
    }
    let io = error.downcast_ref::<std::io::Error>()?;
    // An I/O error's `source` is not what it wraps but the source of that.
    let inner = io.get_ref().and_then(|inner| cause(inner));
    inner.or_else(|| io.source().is_none().then(|| io.kind().to_string()))
}

/// The beginning of an answer's body, and whether it is the whole.
///
/// A whole body is read to its end, which lets the connection be used again; beyond `max_bytes` the connection is closed.
pub async fn read_body(
    mut response: reqwest::Response,
    max_bytes: usize,
) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        let room = max_bytes - body.len();
        body.extend_from_slice(&piece[..piece.len().min(room)]);
        if piece.len() > room {
            return Ok((body, false));
        }
    }
    Ok((body, true))
}

/// An answer of AWS's that does not end where it should.
#[derive(Debug, Error)]
#[error("an answer of more than {} MiB", AWS_ANSWER_MAX_BYTES / (1024 * 1024))]
struct TooLarge;

/// Why there is no answer of AWS's that could be read.
#[must_use]
pub fn describe_sdk<E: std::error::Error + 'static>(error: &SdkError<E, HttpResponse>) -> String {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(too_large) = inner.downcast_ref::<TooLarge>() {
            return too_large.to_string();
        }
        source = inner.source();
    }
    "no answer".to_owned()
}

/// The client, as the AWS SDK wants it.
#[derive(Debug, Clone)]
pub struct SdkHttpClient(pub reqwest::Client);

impl HttpClient for SdkHttpClient {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for SdkHttpClient {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            // Requests of the services that we call are held in memory; one that is not would go out without its body.
            let (parts, body) = request.into_parts();
            let body =
                body.bytes().ok_or_else(|| ConnectorError::user("the request's body is a stream".into()))?;
            let request = http::Request::from_parts(parts, reqwest::Body::from(body.to_vec()));
            let request =
                reqwest::Request::try_from(request).map_err(|error| ConnectorError::user(error.into()))?;
            let response = client.execute(request).await.map_err(connector_error)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let (body, is_whole) =
                read_body(response, AWS_ANSWER_MAX_BYTES).await.map_err(connector_error)?;
            if !is_whole {
                return Err(ConnectorError::other(TooLarge.into(), None));
            }
            let mut answer = http::Response::new(SdkBody::from(body));
            *answer.status_mut() = status;
            *answer.headers_mut() = headers;
            HttpResponse::try_from(answer).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn connector_error(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() { ConnectorError::timeout(error.into()) } else { ConnectorError::io(error.into()) }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_bundle_without_an_end_is_not_read_to_it() {
        let error = client(&|name| (name == SSL_CERT_FILE).then(|| "/dev/zero".to_owned())).unwrap_err();
        assert_eq!(error.error_type, "ca_file_unusable");
    }

    #[test]
    fn the_cause_is_found_in_any_wrapping() {
        let tls = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls()));
        assert!(cause(&tls()).unwrap().starts_with("TLS: invalid peer certificate"));
        assert_eq!(cause(&wrapped), cause(&tls()));
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        assert_eq!(cause(&refused).as_deref(), Some("connection refused"));
        assert_eq!(cause(&io::Error::other(refused)).as_deref(), Some("connection refused"));
        // Any other text may hold anything.
        assert_eq!(cause(&io::Error::other("https://hooks.example/secret")).as_deref(), Some("other error"));
        assert_eq!(cause(&std::fmt::Error), None);
    }
}
