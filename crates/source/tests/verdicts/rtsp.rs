//! RTSP cameras.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

use crate::fakes::{at, request};

pub const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n\
    a=rtpmap:96 H264/90000\r\na=control:track1\r\n\
    a=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z0LAHtkDxWhAAAADAEAAAAwDxYuS,aMuMsg==\r\n";

fn interleaved(channel: u8, packet: &[u8]) -> Vec<u8> {
    let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
    [&[b'$', channel], &length[..], packet].concat()
}

/// A picture in a packet of its own: a keyframe, or one that refers to the one before it.
pub fn picture(number: u16, ms: u32, key: bool) -> Vec<u8> {
    let slice: &[u8] = if key { &[0x65, 0x88, 0x84, 0x21] } else { &[0x41, 0x9a, 0x21, 0x6c] };
    let (number, ticks) = (number.to_be_bytes(), (ms * 90).to_be_bytes());
    interleaved(0, &[&[0x80, 0xe0][..], &number, &ticks, &[0, 0, 0, 9], slice].concat())
}

/// A sender report for the first picture (RFC 3550 section 6.4.1) that says this NTP time.
pub fn report(ntp_seconds: u32) -> Vec<u8> {
    let ntp = ntp_seconds.to_be_bytes();
    interleaved(1, &[&[0x80, 200, 0, 6, 0, 0, 0, 9][..], &ntp, &[0; 4], &[0; 4], &[0; 8]].concat())
}

/// A camera with this description that sends each piece after its wait.
pub async fn camera(sdp: String, pieces: Vec<(u64, Vec<u8>)>) -> SocketAddr {
    at(move |mut stream| {
        let (sdp, pieces) = (sdp.clone(), pieces.clone());
        async move {
            loop {
                let asked = request(&mut stream).await;
                let cseq = asked.lines().find(|line| line.starts_with("CSeq:")).unwrap_or_default();
                let (headers, body) = match asked.split(' ').next() {
                    None | Some("") => return,
                    Some("DESCRIBE") => ("Content-Type: application/sdp", &*sdp),
                    Some("SETUP") => ("Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1", ""),
                    Some(_) => ("Session: 7", ""),
                };
                let length = body.len();
                let answer =
                    format!("RTSP/1.0 200 OK\r\n{cseq}\r\n{headers}\r\nContent-Length: {length}\r\n\r\n{body}");
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                if asked.starts_with("PLAY") {
                    for (wait_ms, bytes) in &pieces {
                        sleep(Duration::from_millis(*wait_ms)).await;
                        if stream.write_all(bytes).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    })
    .await
    .0
}
