//! What a description has beside the pictures: sound that says only in its frames what it is, and what is left out.

use feed::Cursor;
use source::{Options, Supervisor};
use tokio::time::timeout;

use crate::support::*;

/// A packet of RTP on a channel.
fn on(channel: u8, kind: u8, number: u16, time: u32, payload: &[u8]) -> Vec<u8> {
    let head = [&[0x80, kind][..], &number.to_be_bytes(), &time.to_be_bytes(), &[0, 0, 0, 9]].concat();
    let packet = [&head, payload].concat();
    [&[b'$', channel], &(packet.len() as u16).to_be_bytes()[..], &packet].concat()
}

/// A camera that sends these bytes behind PLAY, with sound on the channels 2 and 3.
async fn camera(more: &'static str, bytes: Vec<u8>) -> Fake {
    Fake::start(move |request| match method(request) {
        "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), format!("{SDP}{more}")),
        "SETUP" if request.contains("track2") => ok("Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n"),
        "PLAY" => Reply::Raw([head(200, request, "Session: 7\r\n", ""), bytes.clone()].concat()),
        _ => usual(request),
    })
    .await
}

/// Layer III, 48 kHz, one channel; in a packet with RFC 2250's header.
fn mpeg() -> Vec<u8> {
    [&[0, 0, 0, 0, 0xff, 0xfb, 0x14, 0xc0][..], &[0; 92]].concat()
}

const MPEG: &str = "m=audio 0 RTP/AVP 14\r\na=control:track2\r\n";

fn picture(number: u16) -> Vec<u8> {
    let unit: &[u8] = if number.is_multiple_of(4) { &[0x65, 0x88, 0x84, 0x21] } else { &[0x41, 0x9a, 0x21, 0x6c] };
    on(0, 0xe0, number, 3600 * u32::from(number), unit)
}

fn sound(number: u16) -> Vec<u8> {
    on(2, 0x8e, number, 2160 * u32::from(number), &mpeg())
}

/// What each of the next packets is of, which are all of the same tracks.
async fn of(cursor: &mut Cursor, count: usize, tracks: &[&str]) -> Vec<u32> {
    let mut seen = Vec::new();
    for _ in 0..count {
        let entry = timeout(PATIENCE, cursor.next()).await.expect("a packet in time").unwrap();
        assert!(!entry.packet.corrupt);
        assert_eq!(entry.tracks.iter().map(|track| track.codec.name()).collect::<Vec<_>>(), tracks);
        seen.push(u32::from(entry.packet.track.0));
    }
    seen
}

#[tokio::test]
async fn sound_that_says_what_it_is_only_in_its_frames_is_declared_with_the_pictures_once_a_connection() {
    // Behind some pictures, and before the first, where a reader begins with the picture.
    for (sent, expected) in [
        ([picture(0), picture(1), sound(0), picture(2), sound(1), picture(3)], &[0, 0, 1, 0, 1, 0][..]),
        ([sound(0), picture(0), picture(1), picture(2), sound(1), picture(3)], &[0, 0, 0, 1, 0]),
    ] {
        let bytes = sent.concat();
        let fake = Fake::start(move |request| match method(request) {
            "DESCRIBE" => Reply::Answer(200, "Content-Type: application/sdp\r\n".into(), format!("{SDP}{MPEG}")),
            "SETUP" if request.contains("track2") => {
                ok("Session: 7\r\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3\r\n")
            }
            "PLAY" => Reply::Last([head(200, request, "Session: 7\r\n", ""), bytes.clone()].concat()),
            _ => usual(request),
        })
        .await;
        let (source, mut cursor) = fake.open(Options::default());
        // It hangs up behind them, and is opened anew.
        for _ in 0..2 {
            assert_eq!(of(&mut cursor, expected.len(), &["h264", "mp3"]).await, expected);
        }
        assert!(!notes(&source).iter().any(|note| note.contains("left out")));
    }
}

#[tokio::test]
async fn sound_that_never_comes_keeps_the_pictures_only_a_little_while_and_is_told() {
    let fake = camera(MPEG, (0..6).flat_map(picture).collect()).await;
    let (source, mut cursor) = fake.open(Options::default());
    assert_eq!(of(&mut cursor, 6, &["h264"]).await, [0; 6]);
    let told = notes(&source);
    assert_eq!(told.iter().filter(|note| note.contains("left out: audio mpa: none came")).count(), 1, "{told:?}");
}

fn notes(source: &Supervisor) -> Vec<String> {
    source.journal().iter().map(|entry| format!("{:?}", entry.note)).collect()
}

#[tokio::test]
async fn what_is_left_out_is_told_by_its_name() {
    for (more, expected) in [
        (
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 mpa-robust/90000\r\n",
            "audio mpa-robust: its encoding is not known here",
        ),
        (
            "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 MP4A-LATM/44100/2\r\n",
            "audio mp4a-latm: its configuration comes with its frames",
        ),
        ("m=audio 0 RTP/AVP 0\r\nm=audio 0 RTP/AVP 8\r\n", "audio pcma: one sound is taken"),
        (
            "m=application 0 RTP/AVP 107\r\na=rtpmap:107 vnd.onvif.metadata/90000\r\n",
            "application vnd.onvif.metadata: neither picture nor sound",
        ),
    ] {
        let pictures = (0..3).flat_map(|at| interleaved(&rtp(at))).collect();
        let fake = camera(more, pictures).await;
        let (source, mut cursor) = fake.open(Options::default());
        timeout(PATIENCE, cursor.next()).await.expect("a picture in time").unwrap();
        let told = notes(&source);
        let named: Vec<_> = told.iter().filter(|note| note.contains(&format!("left out: {expected}"))).collect();
        assert_eq!(named.len(), 1, "{expected}: {told:?}");
    }
}
