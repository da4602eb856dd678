//! Playlists and redirects: followed to what can be played, with a limit, and never in circles.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use source::Error;

use crate::servers::{self, Heard};
use crate::support::{clips, failure, folder, name, open, options, pictures};

/// An HTTP server whose answers know its own address.
async fn at(answer: impl Fn(&str, SocketAddr) -> Vec<u8> + Send + Sync + 'static) -> (SocketAddr, Heard) {
    let own = Arc::new(OnceLock::new());
    let known = Arc::clone(&own);
    let (address, heard) = servers::http(move |request| answer(request, *known.get().unwrap())).await;
    own.set(address).unwrap();
    (address, heard)
}

fn found(url: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {url}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn asx(urls: &[String]) -> Vec<u8> {
    let refs: String = urls.iter().map(|url| format!("<ref href={url}>")).collect();
    servers::ok("video/x-ms-asf", format!("<ASX version=3><Entry>{refs}</Entry></ASX>").as_bytes())
}

/// A server of clips over MMSH, and the URL of a clip without its scheme.
fn clip() -> (tempfile::TempDir, String, PathBuf) {
    let folder = folder();
    let address = servers::mmsh(folder.path().to_owned());
    let clip = clips().into_iter().find(|clip| name(clip) == "numbered-wmv2-320x240.wmv").unwrap();
    let rest = format!("//{address}/{}", name(&clip));
    (folder, rest, clip)
}

#[tokio::test]
async fn playlists_and_redirects_lead_to_the_stream() {
    let (_folder, rest, _) = clip();
    let there = Arc::new(format!("mmsh:{rest}"));
    let target = Arc::clone(&there);
    let (address, _) = at(move |request, _| match request.split(' ').nth(1).unwrap() {
        "/asx" => asx(&[target.to_string()]),
        "/reference" => servers::ok("text/plain", format!("[Reference]\r\nRef1={target}\r\n").as_bytes()),
        "/302" => found(&target),
        // The first one is not there.
        "/alternatives" => asx(&[format!("mmsh://127.0.0.1:{}/x", servers::closed_port()), target.to_string()]),
        "/twice" => found("/asx"),
        // As devices do: the URL is that of the stream all the same.
        "/as-http" => asx(&[target.replace("mmsh:", "http:")]),
        other => panic!("{other}"),
    })
    .await;
    for path in ["asx", "reference", "302", "alternatives", "twice", "as-http"] {
        for scheme in ["mmsh", "http"] {
            let (source, mut cursor) = open(&format!("{scheme}://{address}/{path}"), options());
            pictures(&mut cursor, 2).await;
            let status = source.status().borrow().clone();
            assert_eq!((&*status.about.protocol, &*status.about.container), ("mmsh", "asf"), "{scheme} {path}");
        }
    }
}

#[tokio::test]
async fn a_browsers_answer_is_no_answer_to_a_player() {
    // A server of Services gives a playlist to whom it does not know, and that leads back to it.
    let (_folder, rest, _) = clip();
    let (source, mut cursor) = open(&format!("http:{rest}"), options());
    pictures(&mut cursor, 2).await;
    assert_eq!(source.status().borrow().about.protocol, "mmsh");
}

#[tokio::test]
async fn circles_are_found_and_said() {
    let (address, heard) = at(|request, own| match request.split(' ').nth(1).unwrap() {
        "/self" => found("/self"),
        "/a" => asx(&[format!("mmsh://{own}/b")]),
        _ => found("/a"),
    })
    .await;
    for (path, most) in [("self", 1), ("a", 3)] {
        let before = heard.all().len();
        let (source, _cursor) = open(&format!("mmsh://{address}/{path}"), options());
        let error = failure(&source).await.to_string();
        assert!(error.contains("redirects in a circle, last to"), "{error}");
        assert!(heard.all().len() - before <= most, "{:?}", heard.all());
    }
}

#[tokio::test]
async fn no_chain_is_followed_for_ever() {
    let (address, heard) = at(|request, _| {
        let number: u32 = request.split(' ').nth(1).unwrap().trim_start_matches('/').parse().unwrap();
        found(&format!("/{}", number + 1))
    })
    .await;
    let (source, _cursor) = open(&format!("mmsh://{address}/0"), options());
    let error = failure(&source).await.to_string();
    assert!(error.contains("redirects on and on, last to"), "{error}");
    assert!(heard.all().len() <= 10, "{:?}", heard.all());
}

#[tokio::test]
async fn a_playlist_names_no_file_and_no_other_service() {
    let (address, _) = at(|request, _| match request.split(' ').nth(1).unwrap() {
        "/302" => found("file:///etc/passwd"),
        "/ftp" => found("ftp://127.0.0.1/x"),
        _ => asx(&["file:///etc/passwd".into(), "/etc/passwd".into()]),
    })
    .await;
    for path in ["302", "ftp", "asx"] {
        let (source, _cursor) = open(&format!("mmsh://{address}/{path}"), options());
        let error = failure(&source).await;
        println!("{path}: {error}");
        assert!(
            matches!(
                error,
                Error::Server { .. } | Error::NotVideo { .. } | Error::BadUrl { .. } | Error::NotFound { .. }
            ),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_password_goes_to_its_own_host_only() {
    let (other, at_other) =
        servers::http(|_| b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\r\n".to_vec()).await;
    let elsewhere = format!("http://localhost:{}/x", other.port());
    let (address, at_own) = at(move |request, _| match request {
        request if request.contains("Authorization") => found(&elsewhere),
        _ => b"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n".to_vec(),
    })
    .await;
    let (source, _cursor) = open(&format!("mmsh://eve:secret@{address}/x"), options());
    let error = failure(&source).await;
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    assert!(at_own.all().iter().any(|request| request.contains("Authorization: Basic")), "{:?}", at_own.all());
    assert!(!at_other.all().is_empty());
    assert!(!at_other.all().iter().any(|request| request.contains("Authorization")), "{:?}", at_other.all());
}
