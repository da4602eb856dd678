//! What the fuzzers need of the inside of the gate.

use std::time::Instant;

use bytes::BytesMut;

use super::Carriage;
use super::reorder::{LONGEST, Reorder};
use super::talk::{Deed, MOST_BODY, MOST_HEAD, MOST_SETUPS, Talk};
use crate::location::Location;
use crate::rtsp::jpeg::fuzzed::Packets;
use crate::rtsp::sounds::{Latm, MOST_KEPT};

const HERE: &str = "rtsp://127.0.0.1:4000/00ff";
/// What a client asks in turn.
const REQUESTS: &[&str] = &[
    "OPTIONS rtsp://127.0.0.1:4000/00ff/live RTSP/1.0\r\nCSeq: 1\r\n\r\n",
    "DESCRIBE rtsp://127.0.0.1:4000/00ff/live RTSP/1.0\r\nCSeq: 2\r\n\r\n",
    "SETUP rtsp://127.0.0.1:4000/00ff/t RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n",
    "PLAY rtsp://127.0.0.1:4000/00ff/live RTSP/1.0\r\nCSeq: 4\r\n\r\n",
    "GET_PARAMETER rtsp://127.0.0.1:4000/00ff/live RTSP/1.0\r\nCSeq: 5\r\n\r\n",
];

/// A client asks one thing after the other, and the camera sends `said` in slices of `size`.
pub(crate) fn talk(choice: u8, size: usize, said: &[u8]) {
    let there = Location::parse("rtsp://admin:secret@cam.example/live").expect("it is one");
    let carriage = if choice & 1 == 0 { Carriage::Tcp { or_udp: true } } else { Carriage::Udp };
    let mut talk = Talk::new(there, HERE.into(), carriage, choice & 2 != 0);
    talk.renames = choice & 4 != 0;
    let mut requests = REQUESTS.iter();
    let mut buffer = BytesMut::new();
    let (mut given, mut answers) = (0, 0);
    for slice in said.chunks(size) {
        if talk.waits_for().is_none()
            && let Some(request) = requests.next()
        {
            assert!(talk.handle_client(request.as_bytes()).is_ok(), "our own client is known");
        }
        buffer.extend_from_slice(slice);
        let heard = talk.handle_camera(&mut buffer);
        // Opening sockets leads to further deeds.
        while let Some(deed) = talk.deeds.pop_front() {
            match deed {
                Deed::ToClient(bytes) | Deed::Packets(bytes) => {
                    given += bytes.len();
                    answers += 1;
                }
                Deed::ToCamera(bytes) => {
                    let head = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
                    let ours: &[u8] = b"rtsp://cam.example";
                    let is_to_it = head.windows(ours.len()).any(|window| window == ours);
                    assert!(is_to_it || head.starts_with(b"RTSP/1.0 200"), "{}", bytes.escape_ascii());
                }
                Deed::Open { .. } => talk.opened((5000, 5001)),
                Deed::Hear { .. } => {}
            }
        }
        // Lines of ours stand for some that are left out; bytes that are no UTF-8 become three.
        assert!(talk.renamed.len() <= 256 && talk.setups.len() <= MOST_SETUPS);
        assert!(given <= 3 * said.len() + answers * 128);
        assert!(buffer.len() <= MOST_HEAD + MOST_BODY + size, "{} bytes wait", buffer.len());
        if heard.is_err() {
            return;
        }
    }
    talk.answer_ourselves();
}

/// Every datagram of `sent` comes out once at most, in rising order where the numbers do not begin
/// anew; pictures in JPEG are no larger than they may be.
pub(crate) fn datagrams(now: Instant, sent: &[&[u8]]) {
    let (mut reorder, mut assembler) = (Reorder::default(), Packets::new(1 << 16));
    let mut out = Vec::new();
    for (at, datagram) in sent.iter().enumerate() {
        reorder.handle(now, datagram, &mut |packet| out.push(packet.to_vec()));
        assert!(out.len() <= at + 1);
        if at % 7 == 6 {
            reorder.handle_timeout(now + LONGEST, &mut |packet| out.push(packet.to_vec()));
            assert!(out.len() <= at + 1);
        }
    }
    for datagram in &out {
        assert!(sent.contains(&&**datagram));
    }
    let mut latm = Latm::default();
    for (at, datagram) in sent.iter().enumerate() {
        latm.take(datagram, at % 5 == 4, |frame, _| assert!(!frame.is_empty()));
        assert!(latm.kept() <= MOST_KEPT);
    }
    for datagram in out.iter().map(Vec::as_slice).chain(sent.iter().copied()) {
        if let Some(whole) = assembler.handle_bytes(datagram) {
            assert!(whole.data.starts_with(&[0xFF, 0xD8]) && whole.data.len() < 1 << 19);
        }
    }
}
