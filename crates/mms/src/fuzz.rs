//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use std::time::Instant;

use crate::playlist;
use crate::wire::{self, Deframer, Frame, Framer, MacToViewer, RequestPacketListResend, Token, ViewerToMac};

mod client;
mod http;
mod rtsp;
mod server;

pub use client::mms_client;
pub use http::{mmsh_client, mmsh_request};
pub use rtsp::{wmrtsp_client, wmrtsp_depacketizer, wmrtsp_server};
pub use server::mms_server;

/// Where the time of tests and fuzzers begins. The machines are handed every instant, so any
/// will do, but std gives none away except the present.
#[allow(clippy::disallowed_methods, reason = "only differences to it are looked at")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
}

/// A message whose lengths are right and whose content is `body`: its first number chooses the
/// message among those whose ids begin with `side`.
fn message_of(body: &[u8], side: u32) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(8).max(8), 0);
    let chunks = u32::try_from(body.len() / 8).expect("it is short");
    let mid = side | u32::from_le_bytes([body[0], body[1], body[2], body[3]]) & 0x3F;
    let mut message = [&chunks.to_le_bytes()[..], &mid.to_le_bytes(), &body[8..], &[0; 8]].concat();
    message.truncate(body.len());
    message
}

/// Messages and Data packets come out the same in any slices, in no more bytes than went in,
/// and a message that is read is written and read again as the same.
///
/// # Panics
/// When that is not so.
pub fn mms_messages(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let deframe = |size: usize| {
        let (mut deframer, mut frames) = (Deframer::new(4096), Vec::new());
        for mut slice in bytes.chunks(size) {
            loop {
                match deframer.next(&mut slice) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Some(error)),
                }
            }
        }
        (frames, None)
    };
    let (frames, error) = deframe(usize::from(*size) + 1);
    assert_eq!(
        (&frames, &error),
        (&deframe(bytes.len().max(1)).0, &deframe(bytes.len().max(1)).1),
        "in slices of {size}"
    );
    let bytes_of = |frame: &Frame| match frame {
        Frame::Message { body, .. } => body.len() + 8,
        Frame::Data(data) => data.payload.len() + wire::DATA_HEADER,
    };
    assert!(frames.iter().map(bytes_of).sum::<usize>() <= bytes.len());
    for frame in frames {
        match frame {
            Frame::Message { mid, body } => mms_message(mid, &body),
            Frame::Data(data) => assert_eq!(wire::Data::decode(&data.encode().expect("it came as one")), Ok(data)),
        }
    }
    if let Ok(request) = RequestPacketListResend::decode(bytes) {
        assert_eq!(RequestPacketListResend::decode(&request.encode()), Ok(request));
    }
}

fn mms_message(mid: u32, body: &[u8]) {
    let Token { message, .. } = Token::decode(body);
    assert!(message.len() <= body.len());
    // Compared as bytes, since NaN equals nothing.
    if let Ok(message) = ViewerToMac::decode(mid, body) {
        let bytes = message.encode();
        let again = ViewerToMac::decode(mid, &bytes[8..]).expect("it was read before");
        assert_eq!(again.encode(), bytes, "{message:?}");
    }
    if let Ok(message) = MacToViewer::decode(mid, body) {
        let bytes = message.encode();
        let mut framed = &Framer::new().frame(epoch(), &bytes)[..];
        let Ok(Some(Frame::Message { body, .. })) = Deframer::new(1 << 20).next(&mut framed) else {
            panic!("{message:?} cannot be framed");
        };
        let again = MacToViewer::decode(mid, &body).expect("it was read before");
        assert_eq!(again.encode(), bytes, "{message:?}");
    }
}

/// Whatever a server challenges us with is refused, or answered by a message whose parts lie in it one
/// behind the other, and which is not much longer.
///
/// # Panics
/// When that is not so.
pub fn ntlm_challenge(input: &[u8]) {
    for user in ["user", "DOMAIN\\us\u{e9}r"] {
        let ntlm = crate::Ntlm::new(user, "password", [7; 32], 1_700_000_000);
        let Ok(answer) = ntlm.authenticate(input) else { continue };
        assert!(answer.len() <= input.len() + 512, "{} bytes for {}", answer.len(), input.len());
        let number =
            |at: usize| u32::from_le_bytes(answer[at..at + 4].try_into().expect("it has a fixed part")) as usize;
        let mut end = number(16);
        for descriptor in (12..60).step_by(8) {
            let (length, at) = (number(descriptor) & 0xFFFF, number(descriptor + 4));
            assert_eq!(at, end, "the parts follow each other");
            end = at + length;
        }
        assert_eq!(end, answer.len());
    }
}

/// What comes out of a playlist is within its bounds, and survives being written and read again.
///
/// # Panics
/// When that is not so.
pub fn mms_playlist(input: &[u8]) {
    let kind = playlist::looks_like(input);
    let Ok(list) = playlist::parse(input, "http://127.0.0.1/lists/one.asx?x=1") else { return };
    assert!(kind.is_some(), "what can be read looks like it");
    assert!((1..=playlist::MAX_ENTRIES).contains(&list.entries.len()));
    for entry in &list.entries {
        assert!((1..=playlist::MAX_ALTERNATIVES).contains(&entry.alternatives.len()));
        assert!(entry.alternatives.iter().all(|url| url.len() <= playlist::MAX_URL && url.contains("://")));
        let title = entry.title.as_deref().unwrap_or("a < b & \"c\"");
        assert!(title.chars().count() <= playlist::MAX_TITLE);
        let again = playlist::asx(title, &entry.alternatives);
        let again = playlist::parse(again.as_bytes(), "rtsp://other").expect("what we write can be read");
        assert_eq!(again.entries.len(), 1);
        assert_eq!(again.entries[0].alternatives, entry.alternatives);
        assert_eq!(again.title.as_deref(), Some(title));
    }
}
