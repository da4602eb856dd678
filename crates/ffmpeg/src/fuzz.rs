//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

use bytes::Bytes;
use media::{Codec, Size};

use crate::frame::Frame;
use crate::jpeg;

/// Parameter sets are put among pictures, and sound is told from its ADTS headers: what was there is
/// still there.
///
/// # Panics
/// When it is not.
pub fn packets_inband(input: &[u8]) {
    let Some((split, data)) = input.split_first() else { return };
    let (parameters, keyframe) = data.split_at(data.len().min(usize::from(*split)));
    let (parameters, keyframe) = (Bytes::copy_from_slice(parameters), Bytes::copy_from_slice(keyframe));
    for name in ["h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "vp8"] {
        crate::muxer::check_inband(Codec::from_name(name), &keyframe, &parameters);
    }
}

/// A picture of at most 511 x 511 pixels is decoded in every way or refused, the same by a decoder that
/// has decoded others before; nothing is written beyond where it may be.
///
/// # Panics
/// When that is not so.
pub fn jpeg_picture(input: &[u8]) {
    let Some((choice, data)) = input.split_first() else { return };
    let data = small(data);
    let at_least = [None, Some(1), Some(16), Some(200)][usize::from(choice & 3)].map(|side| Size::new(side, side));
    let mut used = jpeg::Decoder::new();
    // A header that ends half-way, and what a camera sends before it breaks.
    let _ = used.decode(&data[..data.len() / 2], None);
    let _ = used.decode(&data, Some(Size::new(1, 1)));
    let fresh = jpeg::Decoder::new().decode(&data, at_least).ok();
    let again = used.decode(&data, at_least).ok();
    assert_eq!(again.as_ref().map(told), fresh.as_ref().map(told));
    for (format, bytes) in [("bgr24", 3), ("rgba", 4), ("gray", 1)] {
        let Ok(frame) = used.decode_to(&data, None, format) else { continue };
        let size = frame.size();
        let row = size.width as usize * bytes;
        let mut room = vec![0xA5; (row + 3) * size.height as usize + 8];
        let end = room.len() - 8;
        let is_damaged = used.decode_into(&data, size, format, &mut room[..end], row + 3);
        assert_eq!(is_damaged.ok(), Some(frame.corrupt()), "{format}");
        assert_eq!(room[end..], [0xA5; 8], "{format}");
    }
}

/// What is compared of a picture. What a damaged one has where it has ended is whatever was there.
fn told(frame: &Frame) -> (Size, String, bool, Vec<u8>) {
    let pixels = if frame.corrupt() {
        Vec::new()
    } else {
        frame.plane(0).map(|plane| plane.row(0).to_vec()).unwrap_or_default()
    };
    (frame.size(), frame.format().to_string(), frame.corrupt(), pixels)
}

/// The same with sides below 512: how many pixels there may be is looked at elsewhere.
fn small(data: &[u8]) -> Vec<u8> {
    let mut data = data.to_vec();
    for at in 0..data.len().saturating_sub(8) {
        if data[at] == 0xFF && matches!(data[at + 1], 0xC0..=0xCF) && !matches!(data[at + 1], 0xC4 | 0xC8 | 0xCC) {
            data[at + 5] &= 1;
            data[at + 7] &= 1;
        }
    }
    data
}
