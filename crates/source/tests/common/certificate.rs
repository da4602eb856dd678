//! Certificates as each case wants them, and a server's side of TLS with one of them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

pub struct Made {
    pub certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    /// Of the authority, or of itself.
    pub pem: String,
}

/// A certificate as `change` wants it, signed by itself or by an authority.
pub fn made(own: bool, change: impl FnOnce(&mut CertificateParams)) -> Made {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
    change(&mut params);
    let der = |key: &KeyPair| PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    if own {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        return Made { certificate: certificate.der().clone(), key: der(&key), pem: certificate.pem() };
    }
    let of_authority = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec!["authority".into()]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&of_authority).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "the camera");
    let certificate = params.signed_by(&key, &Issuer::from_params(&authority, &of_authority)).unwrap();
    Made { certificate: certificate.der().clone(), key: der(&key), pem: root.pem() }
}

impl Made {
    /// What a server does with a connection that comes.
    pub fn acceptor(&self) -> TlsAcceptor {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}
