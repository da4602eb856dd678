//! What is in a JPEG.

use ffmpeg::jpeg::Decoder;
use formats::osd::read_number;

/// The number that is drawn into a picture, if it can be read.
pub fn number(jpeg: &[u8]) -> Option<u16> {
    let frame = Decoder::new().decode(jpeg, None).ok()?;
    let plane = frame.plane(0)?;
    read_number(plane.data, plane.stride, plane.width, plane.height)
}

/// Width and height.
#[track_caller]
pub fn size(jpeg: &[u8]) -> (u32, u32) {
    let size = Decoder::new().decode(jpeg, None).unwrap().size();
    (size.width, size.height)
}
