//! `rtsps`: whose certificate is taken, and what is said of one that is not.

use std::net::SocketAddr;
use std::sync::Arc;

use sha2::Digest;
use source::{Access, Error, Options, Pin, Trust};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::support::*;

/// TLS in front of a camera; gives its address, its certificate and that in PEM.
pub async fn in_front_of(camera: SocketAddr) -> (SocketAddr, CertificateDer<'static>, String) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut camera = TcpStream::connect(camera).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut camera).await;
            });
        }
    });
    (address, certificate, made.cert.pem())
}

pub fn trusting(trust: Trust) -> Options {
    Options { access: Access { trust, ..Access::default() }, ..Options::default() }
}

#[tokio::test]
async fn a_camera_over_tls_plays_for_who_trusts_it_and_for_no_other() {
    let fake = Fake::start(usual).await;
    let (address, certificate, pem) = in_front_of(fake.address).await;
    let url = format!("rtsps://admin:secret@{address}/cam");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let pin = Pin(sha2::Sha256::digest(&certificate).into());
    for (trust, protocol) in
        [(Trust::File(file), "rtsps"), (Trust::Pin(pin), "rtsps"), (Trust::Anybody, "rtsps (certificate not checked)")]
    {
        let (source, mut cursor) = open(&url, trusting(trust));
        pictures(&mut cursor, 3).await;
        assert_eq!(source.status().borrow().about.protocol, protocol);
        assert!(fake.requests.lock().unwrap()[0].starts_with(&format!("DESCRIBE rtsps://{address}/cam RTSP/1.0")));
    }
    for trust in [Trust::System, Trust::Pin(Pin([7; 32]))] {
        let before = fake.heard("DESCRIBE");
        let (source, _cursor) = open(&url, trusting(trust));
        let error = failure(&source).await;
        assert!(matches!(&error, Error::Tls { what, .. } if what.starts_with(&address.to_string())), "{error}");
        assert_eq!(fake.heard("DESCRIBE"), before, "nothing is said to a stranger");
    }
}

#[tokio::test]
async fn other_codecs_come_over_tls_too() {
    // FFmpeg, which takes it apart, checks nobody: it has to come by our own connection.
    let sdp = SDP.replace("H264/90000", "MP4V-ES/90000").replace("packetization-mode=1;", "config=000001B0F3;");
    let fake = Fake::start(move |request| match method(request) {
        "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), sdp.clone()),
        _ => usual(request),
    })
    .await;
    let (address, ..) = in_front_of(fake.address).await;
    let (_source, _cursor) = open(&format!("rtsps://{address}/cam"), trusting(Trust::Anybody));
    let waiting = async {
        while fake.heard("OPTIONS") == 0 || fake.heard("PLAY") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("FFmpeg's own dialogue");
}
