//! RTMP, and RTMP over TLS: whose certificate is taken, and that a server that is lost is called again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rml_rtmp::handshake::{Handshake, HandshakeProcessResult, PeerType};
use rml_rtmp::sessions::{ServerSession, ServerSessionConfig, ServerSessionEvent, ServerSessionResult};
use rml_rtmp::time::RtmpTimestamp;
use source::{Access, Options, State, Trust};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{Encoder, Viewer, each_once, quick};
use crate::tls_front::in_front_of;

const PICTURES: u16 = 100;

/// The bodies of video tags of a clip in FLV, with their times in milliseconds.
fn tags() -> Vec<(u32, Bytes)> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.flv");
    Encoder::start(0..PICTURES, false, &["-f", "flv", path.to_str().unwrap()]).finish();
    let flv = Bytes::from(std::fs::read(path).unwrap());
    let (mut at, mut tags) = (13, Vec::new());
    while at + 11 <= flv.len() {
        let number = |at: usize| u32::from_be_bytes([0, flv[at], flv[at + 1], flv[at + 2]]);
        let (size, time) = (number(at + 1) as usize, number(at + 4) | u32::from(flv[at + 7]) << 24);
        if flv[at] == 9 {
            tags.push((time, flv.slice(at + 11..at + 11 + size)));
        }
        at += 11 + size + 4;
    }
    tags
}

/// A server of RTMP that plays them to everybody, in real time, and then hangs up.
async fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tags = Arc::new(tokio::task::spawn_blocking(tags).await.unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tags = Arc::clone(&tags);
            tokio::spawn(async move {
                let _ = serve(stream, &tags).await;
            });
        }
    });
    address
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, tags: &[(u32, Bytes)]) -> std::io::Result<()> {
    let mut handshake = Handshake::new(PeerType::Server);
    let mut buffer = vec![0; 4096];
    let mut rest = loop {
        let count = stream.read(&mut buffer).await?;
        match handshake.process_bytes(&buffer[..count]).map_err(std::io::Error::other)? {
            HandshakeProcessResult::InProgress { response_bytes } => stream.write_all(&response_bytes).await?,
            HandshakeProcessResult::Completed { response_bytes, remaining_bytes } => {
                stream.write_all(&response_bytes).await?;
                break remaining_bytes;
            }
        }
    };
    let (mut session, mut results) = ServerSession::new(ServerSessionConfig::new()).map_err(std::io::Error::other)?;
    let stream_id = 'asked: loop {
        results.extend(session.handle_input(&rest).map_err(std::io::Error::other)?);
        while !results.is_empty() {
            let request = match results.remove(0) {
                ServerSessionResult::OutboundResponse(packet) => {
                    stream.write_all(&packet.bytes).await?;
                    continue;
                }
                ServerSessionResult::RaisedEvent(ServerSessionEvent::ConnectionRequested { request_id, .. }) => {
                    (request_id, None)
                }
                ServerSessionResult::RaisedEvent(ServerSessionEvent::PlayStreamRequested {
                    request_id,
                    stream_id,
                    ..
                }) => (request_id, Some(stream_id)),
                _ => continue,
            };
            results.extend(session.accept_request(request.0).map_err(std::io::Error::other)?);
            if let Some(stream_id) = request.1 {
                for result in results {
                    if let ServerSessionResult::OutboundResponse(packet) = result {
                        stream.write_all(&packet.bytes).await?;
                    }
                }
                break 'asked stream_id;
            }
        }
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        rest = buffer[..count].to_vec();
    };
    let began = tokio::time::Instant::now();
    for (time, tag) in tags {
        tokio::time::sleep_until(began + Duration::from_millis(u64::from(*time))).await;
        let packet = session.send_video_data(stream_id, tag.clone(), RtmpTimestamp::new(*time), false);
        stream.write_all(&packet.map_err(std::io::Error::other)?.bytes).await?;
    }
    Ok(())
}

fn trusting(trust: Trust) -> Options {
    Options { access: Access { trust, ..Access::default() }, ..quick() }
}

#[tokio::test]
async fn rtmp_is_played_to_its_end_and_called_again() {
    let address = server().await;
    let mut viewer = Viewer::open(&format!("rtmp://{address}/live/cam"), quick());
    let numbers = viewer.numbers(usize::from(PICTURES) + 20).await;
    let (first, second) = numbers.split_at(numbers.iter().skip(1).position(|number| *number == 0).unwrap() + 1);
    each_once(first);
    each_once(second);
    assert_eq!((first[0], second[0]), (0, 0));
    assert!(first.len() >= usize::from(PICTURES) - 1, "{first:?}");
    assert_eq!(viewer.source.status().borrow().reconnects, 1);
}

/// A server that says nothing of any stream, or nothing at all.
async fn silent(greets: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut handshake = Handshake::new(PeerType::Server);
                let mut buffer = vec![0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    if let Ok(HandshakeProcessResult::InProgress { response_bytes }) =
                        handshake.process_bytes(&buffer[..count])
                        && greets
                    {
                        stream.write_all(&response_bytes).await.unwrap();
                    }
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn who_does_not_even_greet_is_told_apart_from_who_has_no_such_stream() {
    for (greets, expected) in [(true, "plays nothing of that name"), (false, "does not answer the handshake of RTMP")] {
        let options = Options { open_timeout: Duration::from_secs(3), ..quick() };
        let viewer = Viewer::open(&format!("rtmp://{}/live/cam", silent(greets).await), options);
        let status = viewer.is(|status| status.error.is_some()).await;
        let told = status.error.unwrap().to_string();
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn rtmps_is_played_for_who_trusts_the_server_and_for_no_other() {
    let (address, _, pem) = in_front_of(server().await).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, pem).unwrap();
    let url = format!("rtmps://{address}/live/cam");
    for (trust, protocol) in [(Trust::File(file), "rtmps"), (Trust::Anybody, "rtmps (certificate not checked)")] {
        let mut viewer = Viewer::open(&url, trusting(trust));
        each_once(&viewer.numbers(20).await);
        assert_eq!(viewer.source.status().borrow().about.protocol, protocol);
    }
    let viewer = Viewer::open(&url, trusting(Trust::System));
    let status = viewer.is(|status| status.error.is_some()).await;
    let told = status.error.unwrap().to_string();
    assert!(matches!(status.state, State::Waiting(_)) && told.contains("certificate"), "{told}");
}
