//! JPEG pictures as cameras send them (ITU-T T.81): whole ones out of a stream, their
//! properties, and the Huffman tables that some leave out.
//!
//! Nothing here decodes; only markers and lengths are looked at.

mod huffman;
mod scanner;

use media::Size;

pub use huffman::{is_typical_huffman, with_huffman};
pub use scanner::{MAX_GAP, MAX_PICTURE, Scanner};

use crate::Error;

/// Bytes between two segments that are passed over, as decoders do; more is damage.
const MAX_PADDING: usize = 256;

/// Marker codes (T.81 table B.1), without the 0xFF in front.
pub mod marker {
    /// Baseline frame.
    pub const SOF0: u8 = 0xC0;
    /// Extended sequential frame.
    pub const SOF1: u8 = 0xC1;
    /// Progressive frame.
    pub const SOF2: u8 = 0xC2;
    /// Huffman tables.
    pub const DHT: u8 = 0xC4;
    /// Reserved.
    pub const JPG: u8 = 0xC8;
    /// Conditioning of arithmetic coding.
    pub const DAC: u8 = 0xCC;
    /// The last of the frames.
    pub const SOF15: u8 = 0xCF;
    /// The first restart marker.
    pub const RST0: u8 = 0xD0;
    /// The last one.
    pub const RST7: u8 = 0xD7;
    /// Start of image.
    pub const SOI: u8 = 0xD8;
    /// End of image.
    pub const EOI: u8 = 0xD9;
    /// Start of scan.
    pub const SOS: u8 = 0xDA;
    /// Quantization tables.
    pub const DQT: u8 = 0xDB;
    /// Number of lines.
    pub const DNL: u8 = 0xDC;
    /// Restart interval.
    pub const DRI: u8 = 0xDD;
    /// The first segment of applications.
    pub const APP0: u8 = 0xE0;
    /// The last one.
    pub const APP15: u8 = 0xEF;
    /// Comment.
    pub const COM: u8 = 0xFE;

    /// Whether it begins a frame header.
    #[must_use]
    pub fn is_frame(code: u8) -> bool {
        (SOF0..=SOF15).contains(&code) && !matches!(code, DHT | JPG | DAC)
    }

    /// Whether a length follows it.
    pub(crate) fn is_segment(code: u8) -> bool {
        (SOF0..=COM).contains(&code) && !(RST0..=EOI).contains(&code)
    }
}

/// What the header of a picture says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// Width and height; the height is 0 when only the end of the first scan tells (DNL).
    pub size: Size,
    /// Colour components: 1 grey, 3 colour, 4 CMYK.
    pub components: u8,
    /// How much coarser the colour is.
    pub subsampling: Subsampling,
    /// Comes in several scans (SOF2).
    pub progressive: bool,
    /// Has Huffman tables of its own before the first scan.
    pub has_huffman: bool,
}

/// Resolution of the colour components against that of the brightness.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subsampling {
    /// No colour.
    Grey,
    /// The same.
    S444,
    /// Half across.
    S422,
    /// Half across and down.
    S420,
    /// Half down.
    S440,
    /// A quarter across.
    S411,
    /// Anything else.
    Other,
}

/// Reads the header of a picture. What follows the first SOS is not looked at.
///
/// # Errors
/// When it does not begin with a JPEG header that comes as far as its first scan.
pub fn info(picture: &[u8]) -> Result<Info, Error> {
    if !picture.starts_with(&[0xFF, marker::SOI]) {
        return Err(Error::NotJpeg { found: picture.iter().take(4).copied().collect() });
    }
    let mut frame = None;
    let mut has_huffman = false;
    for segment in Segments::of(picture) {
        let segment = segment?;
        match segment.code {
            marker::DHT => has_huffman = true,
            marker::SOS => {
                let frame: Info = frame.ok_or(Error::NoFrameHeader { at: segment.at })?;
                return Ok(Info { has_huffman, ..frame });
            }
            code if marker::is_frame(code) && frame.is_none() => frame = Some(frame_header(&segment)?),
            _ => (),
        }
    }
    Err(Error::JpegCut { at: picture.len() })
}

/// T.81 B.2.2.
fn frame_header(segment: &Segment<'_>) -> Result<Info, Error> {
    let cut = Error::JpegCut { at: segment.at };
    let &[_precision, y1, y0, x1, x0, components, ref rest @ ..] = segment.payload else {
        return Err(cut);
    };
    let mut factors = rest.chunks_exact(3).take(usize::from(components)).map(|c| (c[1] >> 4, c[1] & 15));
    let first = factors.next().ok_or(cut)?;
    let others: Vec<_> = factors.collect();
    let subsampling = match (components, first, others.first()) {
        (1, ..) => Subsampling::Grey,
        (3, (h, v), Some(&(ch, cv))) if others.iter().all(|other| *other == (ch, cv)) && ch > 0 && cv > 0 => {
            match (h / ch, v / cv, h % ch, v % cv) {
                (1, 1, 0, 0) => Subsampling::S444,
                (2, 1, 0, 0) => Subsampling::S422,
                (2, 2, 0, 0) => Subsampling::S420,
                (1, 2, 0, 0) => Subsampling::S440,
                (4, 1, 0, 0) => Subsampling::S411,
                _ => Subsampling::Other,
            }
        }
        _ => Subsampling::Other,
    };
    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
    Ok(Info {
        size: Size::new(side(x1, x0), side(y1, y0)),
        components,
        subsampling,
        progressive: segment.code == marker::SOF2,
        has_huffman: false,
    })
}

/// A marker segment of the header.
pub(crate) struct Segment<'a> {
    /// Where its FF stands.
    pub(crate) at: usize,
    pub(crate) code: u8,
    /// What follows the length.
    pub(crate) payload: &'a [u8],
}

/// The segments from SOI up to the first SOS.
pub(crate) struct Segments<'a> {
    picture: &'a [u8],
    at: usize,
    over: bool,
}

impl<'a> Segments<'a> {
    pub(crate) fn of(picture: &'a [u8]) -> Self {
        Self { picture, at: 2, over: false }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Result<Segment<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let begin = self.at;
        while !self.over {
            let &[first, code, ref rest @ ..] = self.picture.get(self.at..)? else {
                return None;
            };
            if first == 0xFF && marker::is_segment(code) {
                let &[high, low, ref rest @ ..] = rest else {
                    return None;
                };
                let length = usize::from(u16::from_be_bytes([high, low]));
                let Some(payload) = length.checked_sub(2).and_then(|length| rest.get(..length)) else {
                    self.over = true;
                    return Some(Err(Error::JpegCut { at: self.at }));
                };
                let segment = Segment { at: self.at, code, payload };
                self.at += 2 + length;
                self.over = code == marker::SOS;
                return Some(Ok(segment));
            }
            // Fill bytes, restart markers out of place, padding.
            self.at += 1;
            if self.at - begin > MAX_PADDING {
                self.over = true;
                return Some(Err(Error::JpegMarker { at: begin, found: self.picture[begin] }));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testdata as data;

    #[test]
    fn the_header_tells_size_and_colour() {
        for (picture, size, components, subsampling, progressive, has_huffman) in [
            (data::C420, (64, 48), 3, Subsampling::S420, false, true),
            (data::C422, (64, 48), 3, Subsampling::S422, false, true),
            (data::C444, (64, 48), 3, Subsampling::S444, false, true),
            (data::GREY, (64, 48), 1, Subsampling::Grey, false, true),
            (data::PROGRESSIVE, (64, 48), 3, Subsampling::S420, true, true),
            (data::THUMBNAIL, (64, 48), 3, Subsampling::S420, false, true),
            (data::NO_HUFFMAN, (64, 48), 3, Subsampling::S420, false, false),
            (data::SMALL, (32, 24), 3, Subsampling::S420, false, true),
        ] {
            let size = Size::new(size.0, size.1);
            assert_eq!(info(picture), Ok(Info { size, components, subsampling, progressive, has_huffman }));
        }
    }

    #[test]
    fn what_is_no_picture_is_told_with_what_stood_there() {
        assert_eq!(
            info(b"<htm").unwrap_err().to_string(),
            "byte 0: expected a JPEG picture (ff d8), found 3c 68 74 6d"
        );
        for cut in 0..data::C420.len() {
            if let Err(error) = info(&data::C420[..cut]) {
                assert!(!error.to_string().is_empty());
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics(bytes: Vec<u8>) {
            let _ = info(&bytes);
            let mut picture = vec![0xFF, 0xD8];
            picture.extend(bytes);
            let _ = info(&picture);
            let _ = with_huffman(picture.into());
        }

        #[test]
        fn no_changed_byte_panics(at in 0..1000usize, byte: u8) {
            let mut picture = data::THUMBNAIL.to_vec();
            picture[at] = byte;
            let _ = info(&picture);
            let _ = with_huffman(picture.into());
        }
    }
}
