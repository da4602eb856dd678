//! A server's TLS, in front of one that has none.

#[path = "certificate.rs"]
mod certificate;

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::CertificateDer;

use self::certificate::made;

/// TLS in front of a server; gives its address, its certificate and that in PEM.
pub async fn in_front_of(server: SocketAddr) -> (SocketAddr, CertificateDer<'static>, String) {
    let made = made(true, |_| ());
    let acceptor = made.acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            });
        }
    });
    (address, made.certificate, made.pem)
}
