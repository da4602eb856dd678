//! Bodies that are small on the line and large in memory.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use media::{SizeWish, Variant};
use source::Error;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::support::*;

/// A server that answers every request with these bytes, and hangs up.
async fn answers(bytes: impl Into<Vec<u8>>) -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let bytes = bytes.into();
    at(move |mut stream| {
        let bytes = bytes.clone();
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            // What was posted is read, or the system takes the answer back.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await
}

#[tokio::test]
async fn what_is_compressed_is_not_unpacked() {
    // The begin of a gzip file whose one block repeats a byte: a thousandth of what it becomes.
    let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &[0xed, 0xc1, 1, 1, 0, 0, 0, 0x80, 0x90, 0xfe]].concat();
    for scheme in ["http", "onvif"] {
        for coding in ["gzip", "deflate", "br", "gzip, gzip", "x\u{7f}-bomb"] {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Encoding: {coding}\r\n\r\n");
            let (address, _) = answers([head.as_bytes(), &bomb].concat()).await;
            let (source, _cursor) = open(&format!("{scheme}://{address}/snap.jpg"), brief(PATIENCE));
            let error = failure(&source).await;
            let told = coding.replace('\u{7f}', "");
            let expected = format!("answered in the coding {told}, which it was not asked for");
            assert!(matches!(&error, Error::Unsupported { what } if what.contains(&expected)), "{scheme}: {error}");
        }
    }
}

#[tokio::test]
async fn elements_in_elements_and_attributes_without_number_are_refused() {
    let soap = |inner: String| {
        let text = format!(
            "<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\"><s:Body>{inner}</s:Body></s:Envelope>"
        );
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    };
    let entity = "<!DOCTYPE a [<!ENTITY b \"x\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>";
    for (what, answer, expected) in [
        ("depth", soap("<a>".repeat(10_000)), "32 of them inside of each other"),
        (
            "attributes",
            soap(format!("<a {}/>", (0..5000).map(|n| format!("a{n}=\"x\" ")).collect::<String>())),
            "attributes",
        ),
        ("elements", soap("<a/>".repeat(100_000)), "more than 32768 elements"),
        ("entities", format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{entity}", entity.len()), "document type"),
    ] {
        let before = most_memory();
        let (address, _) = answers(answer).await;
        let (source, _cursor) = open(&format!("onvif://{address}"), brief(PATIENCE));
        let error = failure(&source).await.to_string();
        assert!(error.contains(expected) && error.len() < 400, "{what}: {error}");
        assert!(most_memory().saturating_sub(before) < 64 << 20, "{what}");
    }
}

/// A picture whose header says that it has this size.
fn picture(width: u16, height: u16) -> Vec<u8> {
    let mut jpeg = include_bytes!("../../../formats/tests/data/jpeg/420.jpg").to_vec();
    let at = jpeg.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    jpeg[at + 5..at + 7].copy_from_slice(&height.to_be_bytes());
    jpeg[at + 7..at + 9].copy_from_slice(&width.to_be_bytes());
    jpeg
}

#[tokio::test]
async fn a_picture_that_says_it_is_as_large_as_a_town_is_not_decoded() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n";
    let part = |jpeg: &[u8]| [b"--b\r\n\r\n", jpeg, b"\r\n"].concat();
    let large = part(&picture(65_500, 65_500)).repeat(3);
    let (address, _) = flood([&head[..], &large].concat(), large).await;
    let (source, _cursor) = open(&format!("http://{address}/video"), brief(PATIENCE));
    let before = most_memory();
    let small = Variant { size: SizeWish::Width(64), ..Variant::default() };
    let mut pictures = source.variants().pictures(small);
    // It is passed on as it is to who wants it so; nobody makes pixels of it.
    let none = timeout(Duration::from_secs(2), pictures.newest()).await;
    assert!(!matches!(none, Ok(Ok(_))), "no picture can be made of it");
    assert!(most_memory().saturating_sub(before) < 256 << 20, "{} MiB", (most_memory().saturating_sub(before)) >> 20);
}
