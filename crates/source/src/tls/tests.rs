//! Against a server whose certificates are made as each case wants them.

#[path = "../../tests/common/certificate.rs"]
mod certificate;

use std::net::SocketAddr;
use std::time::Duration;

use feed::Start;
use rcgen::date_time_ymd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use sha2::Digest;

use self::certificate::{Made, made};
use super::*;
use crate::{Access, Error, Options, Pin, Supervisor};

const PICTURE: &[u8] = include_bytes!("../../../formats/tests/data/jpeg/420.jpg");
/// Nothing here takes longer unless it hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves a camera with this certificate; each connection gets three pictures and is dropped
/// without TLS's farewell.
async fn serve(made: &Made, head: &'static str) -> SocketAddr {
    let acceptor = made.acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut request = [0; 2048];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(head.as_bytes()).await;
                for _ in 0..3 {
                    let _ = stream.write_all(b"--b\r\n\r\n").await;
                    let _ = stream.write_all(PICTURE).await;
                }
                let _ = stream.flush().await;
            });
        }
    });
    address
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=b\r\n\r\n";

/// How many pictures come, or the sentence of the failure, and the protocol as it is told.
async fn opened(url: &str, trust: &Trust) -> (Result<usize, String>, String) {
    let access = Access { trust: trust.clone(), ..Access::default() };
    let limits = feed::Limits { history: PATIENCE, ..feed::Limits::default() };
    let source = Supervisor::new("test", url, Options { access, limits, ..Options::default() }).unwrap();
    let mut cursor = source.feed().cursor(Start::Live);
    let mut status = source.status();
    let ended = timeout(PATIENCE, status.wait_for(|status| status.error.is_some())).await.expect("hangs").unwrap();
    let (error, protocol) = (ended.error.clone().unwrap(), ended.about.protocol.clone());
    let mut pictures = 0;
    while let Ok(Some(entry)) = cursor.try_next() {
        assert_eq!(entry.packet.data, PICTURE);
        pictures += 1;
    }
    match error {
        Error::Ended { what: None } => (Ok(pictures), protocol),
        error => (Err(error.to_string()), protocol),
    }
}

#[tokio::test]
async fn a_camera_over_tls_gives_every_picture_to_who_trusts_it() {
    let own = made(true, |_| ());
    let address = serve(&own, OK).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let pin = Pin(sha2::Sha256::digest(&own.certificate).into());
    let url = format!("https://{address}/video");
    std::fs::write(&file, &own.pem).unwrap();
    for trust in [Trust::Pin(pin), Trust::Anybody, Trust::File(file.clone())] {
        let protocol = if trust == Trust::Anybody { "https (certificate not checked)" } else { "https" };
        assert_eq!(opened(&url, &trust).await, (Ok(3), protocol.into()), "{trust:?}");
    }
    let signed = made(false, |_| ());
    let address = serve(&signed, OK).await;
    std::fs::write(&file, &signed.pem).unwrap();
    for host in [address.to_string(), format!("localhost:{}", address.port())] {
        let (pictures, _) = opened(&format!("https://{host}/video"), &Trust::File(file.clone())).await;
        assert_eq!(pictures, Ok(3), "{host}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for (name, made, expected) in [
        ("self-signed", made(true, |_| ()), "the server has signed its certificate itself; if it is the right server"),
        (
            "unknown",
            made(false, |_| ()),
            "the certificate is signed by an authority that is not trusted here; if it is",
        ),
    ] {
        let address = serve(&made, OK).await;
        // An authority that has signed neither, so that no list of the system is needed.
        std::fs::write(&file, &self::made(true, |_| ()).pem).unwrap();
        let (told, _) = opened(&format!("https://{address}/"), &Trust::File(file.clone())).await;
        let told = told.unwrap_err();
        let pin = Pin(sha2::Sha256::digest(&made.certificate).into());
        assert!(told.starts_with(&format!("{address}: {expected}")), "{name}: {told}");
        assert!(told.ends_with(&format!("trust this certificate alone: --tls-pin {pin}")), "{name}: {told}");
    }
    for (name, made, expected) in [
        (
            "expired",
            made(false, |params| params.not_after = date_time_ymd(2020, 2, 3)),
            "the certificate was valid until 2020-02-03, and here it is ",
        ),
        (
            "not yet",
            made(false, |params| params.not_before = date_time_ymd(2999, 1, 2)),
            "the certificate is valid from 2999-01-02 on only, and here it is ",
        ),
        (
            "wrong host",
            made(false, |params| {
                params.subject_alt_names = vec![rcgen::SanType::DnsName("cam.example".try_into().unwrap())];
            }),
            "the certificate is for cam.example, not for 127.0.0.1; if it is",
        ),
    ] {
        let address = serve(&made, OK).await;
        std::fs::write(&file, &made.pem).unwrap();
        let (told, _) = opened(&format!("https://{address}/"), &Trust::File(file.clone())).await;
        let told = told.unwrap_err();
        assert!(told.starts_with(&format!("{address}: {expected}")), "{name}: {told}");
    }
    let own = made(true, |_| ());
    let address = serve(&own, OK).await;
    let (told, _) = opened(&format!("https://{address}/"), &Trust::Pin(Pin([0xAB; 32]))).await;
    let told = told.unwrap_err();
    assert!(told.contains("the certificate has another SHA-256 than abababab"), "{told}");
    assert!(told.contains("has the device been replaced, or is somebody in between?"), "{told}");
}

#[tokio::test]
async fn a_port_of_the_other_kind_is_told() {
    let own = made(true, |_| ());
    let address = serve(&own, OK).await;
    let (told, _) = opened(&format!("http://{address}/video"), &Trust::Anybody).await;
    let expected = "/video: the server speaks TLS on this port; is it https:// that is meant?";
    assert_eq!(told.unwrap_err(), format!("http://{address}{expected}"));

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut number = 0;
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await;
            let complaint = "HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port";
            if number < 2 {
                let _ = stream.write_all(complaint.as_bytes()).await;
            }
            number += 1;
        }
    });
    let (told, _) = opened(&format!("https://{address}/"), &Trust::Anybody).await;
    let expected = "what answered is not TLS; is it http:// that is meant, or another port?";
    assert_eq!(told.unwrap_err(), format!("{address}: {expected}"));
    let (told, _) = opened(&format!("http://{address}/"), &Trust::Anybody).await;
    assert!(told.unwrap_err().contains("the server speaks TLS on this port"));
    let (told, _) = opened(&format!("https://{address}/"), &Trust::Anybody).await;
    assert!(told.unwrap_err().contains("the server hung up in the TLS handshake"));
}

#[tokio::test]
async fn a_list_of_authorities_that_is_none_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let own = made(true, |_| ());
    let address = serve(&own, OK).await;
    let url = format!("https://{address}/");
    let trust = Trust::File(file.clone());
    assert!(opened(&url, &trust).await.0.unwrap_err().contains("ca.pem: No such file"));
    std::fs::write(&file, "hello").unwrap();
    assert!(
        opened(&url, &trust).await.0.unwrap_err().contains("ca.pem: there is no certificate in it; expected a PEM")
    );
}

#[test]
fn a_certificate_that_is_cut_off_or_damaged_does_no_harm() {
    let own = made(true, |_| ());
    let der = &own.certificate;
    assert!(verify::is_own(der) && !verify::is_own(&made(false, |_| ()).certificate));
    for cut in 0..120 {
        assert!(!verify::is_own(&der[..cut]), "{cut}");
    }
    for at in 0..der.len() {
        for byte in [0, 0x7F, 0x80, 0x84, 0xFF] {
            let mut changed = der.to_vec();
            changed[at] = byte;
            let _ = verify::is_own(&changed);
        }
    }
}
