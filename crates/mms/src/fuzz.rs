//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use std::time::Instant;

use crate::wire::{self, Deframer, Frame, Framer, MacToViewer, RequestPacketListResend, Token, ViewerToMac};

/// Where the time of tests and fuzzers begins. The machines are handed every instant, so any
/// will do, but std gives none away except the present.
#[allow(clippy::disallowed_methods, reason = "only differences to it are looked at")]
pub(crate) fn epoch() -> Instant {
    Instant::now()
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
