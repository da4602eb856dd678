//! The head of a picture of VP8 (RFC 6386 section 9.1).

use media::Size;

/// The size of a keyframe; nothing for a picture that is none.
pub(crate) fn size(picture: &[u8]) -> Option<Size> {
    let head = picture.get(..10)?;
    let is_key = head[0] & 1 == 0;
    if !is_key || head[3..6] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let side = |at: usize| u32::from(u16::from_le_bytes([head[at], head[at + 1]]) & 0x3fff);
    Some(Size::new(side(6), side(8))).filter(|size| size.width > 0 && size.height > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyframe_tells_its_size_and_others_none() {
        let key = [0x10, 2, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x41, 9];
        assert_eq!(size(&key), Some(Size::new(640, 480)));
        assert_eq!(size(&key[..9]), None);
        assert_eq!(size(&[0x11, 2, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01]), None);
        assert_eq!(size(&[0x10, 2, 0, 0x9d, 0x01, 0x2b, 0x80, 0x02, 0xe0, 0x01]), None);
        assert_eq!(size(&[0x10, 2, 0, 0x9d, 0x01, 0x2a, 0, 0, 0xe0, 0x01]), None);
    }
}
