//! `mms://` tries what works, and says what did not.

use std::time::{Duration, Instant};

use source::{Error, Options, Phase};
use tokio::net::TcpListener;

use crate::servers::{self, Mmst};
use crate::support::{clips, failure, folder, name, open, options, pictures};

#[tokio::test]
async fn every_way_is_named_with_its_reason_when_none_works() {
    let port = servers::closed_port();
    let (source, _cursor) = open(&format!("mms://eve:secret@127.0.0.1:{port}/cam"), options());
    let refused = format!("127.0.0.1:{port}: connection refused");
    let what = format!("over HTTP: {refused}; over TCP: {refused}; over RTSP: {refused}");
    assert_eq!(failure(&source).await, Error::Refused { what });
}

#[tokio::test]
async fn a_refusal_weighs_more_than_silence_and_gibberish() {
    let (address, heard) = servers::http(|request| match request.starts_with("GET") {
        true => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
        false => b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    })
    .await;
    let (source, _cursor) =
        open(&format!("mms://{address}/cam?a=b"), Options { open_timeout: Duration::from_secs(3), ..options() });
    let error = failure(&source).await;
    assert!(
        matches!(&error, Error::NotFound { status: 404, what } if what.contains("over HTTP: mmsh://") && what.contains("404")),
        "{error}"
    );
    let text = error.to_string();
    assert_eq!(text.matches("path").count(), 1, "{text}");
    assert!(text.contains("; nothing over TCP, over RTSP;"), "{text}");
    assert!(heard.all().iter().any(|request| request.starts_with("GET /cam?a=b HTTP/1.")), "{:?}", heard.all());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_with_all_that_was_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let options = Options { open_timeout: Duration::from_secs(2), ..options() };
    for scheme in ["mms", "mmsh", "mmst", "mmsu", "rtspt"] {
        let began = Instant::now();
        let (source, _cursor) = open(&format!("{scheme}://{address}/cam"), options.clone());
        let error = failure(&source).await;
        let Error::Timeout { phase, after, tried } = &error else { panic!("{scheme}: {error}") };
        assert_eq!((*phase, *after), (Phase::Handshake, options.open_timeout), "{scheme}");
        let all = tried.as_deref().unwrap_or_default();
        let silent = "no answer, gave up while asking for the stream";
        let expected = format!("over HTTP: {silent}; over TCP: {silent}; over RTSP: {silent}");
        assert_eq!(all, if scheme == "mms" { &expected } else { "" }, "{scheme}");
        assert!(began.elapsed() >= Duration::from_millis(1500), "{scheme}");
    }
}

#[tokio::test]
async fn the_first_way_that_opens_is_taken_and_the_others_take_leave() {
    let clip = &clips()[0];
    let folder = folder();
    let there = servers::mmst(Mmst { folder: folder.path().to_owned(), ..Mmst::default() });
    let (source, mut cursor) = open(&format!("mms://{there}/{}", name(clip)), options());
    pictures(&mut cursor, 3).await;
    assert_eq!(source.status().borrow().about.protocol, "mmst");
}
