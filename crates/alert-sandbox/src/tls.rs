//! A throw-away certificate authority and its certificate for the loopback servers.

use std::io;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::{ServerConfig, ServerSessionMemoryCache};

/// Sessions that a service remembers; rustls's own number.
const SESSIONS_MAX: usize = 256;

/// A certificate authority that lives as long as the sandbox and signs for `localhost` and `127.0.0.1`.
#[derive(Clone)]
pub struct Authority {
    ca_pem: String,
    config: ServerConfig,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes the authority and its server certificate, with keys of its own.
    pub fn new() -> io::Result<Self> {
        let ca_key = KeyPair::generate().map_err(io::Error::other)?;
        let mut ca = CertificateParams::default();
        ca.distinguished_name.push(DnType::CommonName, "alert-sandbox");
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let ca_certificate = ca.self_signed(&ca_key).map_err(io::Error::other)?;
        let issuer = Issuer::new(ca, ca_key);

        let key = KeyPair::generate().map_err(io::Error::other)?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        // Python 3.13 and newer take no certificate without it.
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &issuer).map_err(io::Error::other)?;

        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| {
                config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key)
            })
            .map_err(io::Error::other)?;
        Ok(Self { ca_pem: ca_certificate.pem(), config })
    }

    /// The authority's certificate, for `SSL_CERT_FILE`.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What one service accepts connections with.
    ///
    /// Services of different companies share no sessions, so that a client has to shake hands with each in full.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut config = self.config.clone();
        config.session_storage = ServerSessionMemoryCache::new(SESSIONS_MAX);
        TlsAcceptor::from(Arc::new(config))
    }
}
