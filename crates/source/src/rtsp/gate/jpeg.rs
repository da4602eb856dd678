//! Pictures of RTP/JPEG (RFC 2435) of which no packet is missing.
//!
//! `retina` puts a picture together from what has come of it, so what is left of a picture that
//! has lost a packet is kept from it.

/// The track of pictures, as far as it has come.
#[derive(Default)]
pub(super) struct Whole {
    due: Option<u16>,
    /// The offset of the next fragment; nothing while a picture's begin is waited for.
    offset: Option<u32>,
    /// A picture was left out since this was looked at.
    pub(super) lost: bool,
}

impl Whole {
    /// Whether this packet goes on to the client.
    pub(super) fn passes(&mut self, packet: &[u8]) -> bool {
        let Some((number, is_last, payload)) = parse(packet) else { return false };
        let in_order = self.due.is_none_or(|due| due == number);
        self.due = Some(number.wrapping_add(1));
        // RFC 2435 section 3.1: type-specific, then 24 bits of offset, type, Q, width, height.
        let [_, high, middle, low, kind, q, _, _, rest @ ..] = payload else { return false };
        let offset = u32::from_be_bytes([0, *high, *middle, *low]);
        let fits = offset == 0 || in_order && self.offset == Some(offset);
        // What is left of one that was being put together, or the gap before this one.
        self.lost |= !in_order || !fits || offset == 0 && self.offset.is_some();
        if !fits {
            self.offset = None;
            return false;
        }
        let data = data_length(*kind, *q, offset, rest);
        self.offset = if is_last { None } else { Some(offset.saturating_add(data)) };
        true
    }
}

/// Number, marker and payload of an RTP packet (RFC 3550 section 5.1).
fn parse(packet: &[u8]) -> Option<(u16, bool, &[u8])> {
    let [flags, kind, high, low, ..] = *packet else { return None };
    let mut begin = 12 + 4 * usize::from(flags & 15);
    if flags & 0x10 != 0 {
        let words = packet.get(begin + 2..begin + 4)?;
        begin += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    let padding = if flags & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
    let end = packet.len().checked_sub(padding)?;
    Some((u16::from_be_bytes([high, low]), kind & 0x80 != 0, packet.get(begin..end)?))
}

/// How much of the picture's own data is behind the main header (sections 3.1.7 and 3.1.8).
fn data_length(kind: u8, q: u8, offset: u32, rest: &[u8]) -> u32 {
    let restart = if kind > 63 { 4 } else { 0 };
    let tables = match rest.get(restart..restart + 4) {
        Some(head) if q >= 128 && offset == 0 => 4 + usize::from(u16::from_be_bytes([head[2], head[3]])),
        _ => 0,
    };
    u32::try_from(rest.len().saturating_sub(restart + tables)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fragment of ten bytes with tables of its own at the begin.
    fn fragment(number: u16, offset: u8, last: bool) -> Vec<u8> {
        let mut packet = vec![0x80, 26 | u8::from(last) << 7];
        packet.extend_from_slice(&number.to_be_bytes());
        packet.extend_from_slice(&[0; 8]);
        packet.extend_from_slice(&[0, 0, 0, offset, 1, 255, 2, 2]);
        if offset == 0 {
            packet.extend_from_slice(&[0, 0, 0, 2, 9, 9]);
        }
        packet.extend_from_slice(&[7; 10]);
        packet
    }

    fn run(sent: &[(u16, u8, bool)]) -> (Vec<bool>, bool) {
        let mut whole = Whole::default();
        let passed = sent.iter().map(|(number, offset, last)| whole.passes(&fragment(*number, *offset, *last)));
        (passed.collect(), whole.lost)
    }

    #[test]
    fn what_is_left_of_a_picture_is_kept_back() {
        assert_eq!(run(&[(1, 0, false), (2, 10, true), (3, 0, true)]), (vec![true; 3], false));
        // Its middle, its begin, its end.
        assert_eq!(run(&[(1, 0, false), (3, 20, true), (4, 0, true)]), (vec![true, false, true], true));
        assert_eq!(run(&[(2, 10, true), (3, 0, true)]), (vec![false, true], true));
        assert_eq!(run(&[(1, 0, false), (3, 0, false), (4, 10, true)]), (vec![true, true, true], true));
        // The same fragment again, out of place.
        assert_eq!(run(&[(1, 0, false), (2, 30, true)]), (vec![true, false], true));
    }

    #[test]
    fn nonsense_does_not_pass() {
        let mut whole = Whole::default();
        for bytes in [&[][..], &[0x80], &[0xff; 12], &[0xbf; 80], &[0x80; 12], &[0x90; 16], &[0x80; 19]] {
            assert!(!whole.passes(bytes), "{bytes:02x?}");
        }
    }
}
