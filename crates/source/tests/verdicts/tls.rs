//! Servers with certificates of every kind.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::fakes::at;

/// A server whose certificate is as `change` wants it, and the file of the authority that signed it.
pub async fn server(folder: &Path, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (SocketAddr, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".into()]).unwrap();
    change(&mut params);
    let of_authority = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(vec!["authority".into()]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&of_authority).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "the camera");
    let certificate = params.signed_by(&key, &Issuer::from_params(&authority, &of_authority)).unwrap();
    let file = folder.join(format!("{name}.pem"));
    std::fs::write(&file, root.pem()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (address, _) = at(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut heard = [0; 2048];
            let _ = stream.read(&mut heard).await;
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
        }
    })
    .await;
    (address, file)
}
