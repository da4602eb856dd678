//! Servers with certificates of every kind.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rcgen::CertificateParams;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::certificate::made;
use crate::fakes::at;

/// A server whose certificate is as `change` wants it, and the file of the authority that signed it.
pub async fn server(folder: &Path, name: &str, change: impl FnOnce(&mut CertificateParams)) -> (SocketAddr, PathBuf) {
    let made = made(false, change);
    let file = folder.join(format!("{name}.pem"));
    std::fs::write(&file, &made.pem).unwrap();
    let acceptor = made.acceptor();
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
