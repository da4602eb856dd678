//! Packets of RTP, and of RTCP the one that says goodbye (RFC 3550 sections 5.1, 6.1 and 6.6).

use bytes::Bytes;

/// The bytes of a header that has no extras.
pub(crate) const HEADER: usize = 12;
/// RTCP's packet type of a goodbye.
const BYE: u8 = 203;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rtp {
    pub marker: bool,
    pub payload_type: u8,
    pub sequence: u16,
    /// In milliseconds here: the clock of Windows Media RTSP has 1000 Hz.
    pub timestamp: u32,
    pub ssrc: u32,
    pub payload: Bytes,
}

impl Rtp {
    /// The packet in these bytes; nothing if they are none.
    pub fn parse(packet: &Bytes) -> Option<Self> {
        let header = packet.first_chunk::<HEADER>()?;
        if header[0] >> 6 != 2 {
            return None;
        }
        let mut begin = HEADER + usize::from(header[0] & 0x0F) * 4;
        if header[0] & 0x10 != 0 {
            let [_, _, high, low] = *packet.get(begin..)?.first_chunk()?;
            begin += 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
        }
        let padding = if header[0] & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
        let end = packet.len().checked_sub(padding).filter(|end| *end >= begin)?;
        Some(Self {
            marker: header[1] & 0x80 != 0,
            payload_type: header[1] & 0x7F,
            sequence: u16::from_be_bytes([header[2], header[3]]),
            timestamp: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            ssrc: u32::from_be_bytes([header[8], header[9], header[10], header[11]]),
            payload: packet.slice(begin..end),
        })
    }

    /// The header's bytes; the payload follows.
    pub fn header(&self) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[0] = 0x80;
        header[1] = u8::from(self.marker) << 7 | (self.payload_type & 0x7F);
        header[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        header[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        header[8..].copy_from_slice(&self.ssrc.to_be_bytes());
        header
    }
}

/// Whether it is RTCP among RTP (RFC 5761 section 4).
pub(crate) fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// The sources that say goodbye in a compound packet.
pub(crate) fn goodbyes(packet: &[u8]) -> Vec<u32> {
    let mut sources = Vec::new();
    let mut rest = packet;
    while let Some(&[first, kind, high, low]) = rest.first_chunk::<4>() {
        let length = 4 + usize::from(u16::from_be_bytes([high, low])) * 4;
        let Some((packet, after)) = rest.split_at_checked(length) else { break };
        if first >> 6 != 2 {
            break;
        }
        if kind == BYE {
            let words = packet[4..].chunks_exact(4).take(usize::from(first & 0x1F));
            sources.extend(words.map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]])));
        }
        rest = after;
    }
    sources
}

/// A goodbye of one source, behind the empty report that has to come first.
#[cfg(test)]
pub(crate) fn goodbye(ssrc: u32) -> [u8; 16] {
    let mut packet = [0; 16];
    packet[..4].copy_from_slice(&[0x80, 201, 0, 1]);
    packet[4..8].copy_from_slice(&ssrc.to_be_bytes());
    packet[8..12].copy_from_slice(&[0x81, BYE, 0, 1]);
    packet[12..].copy_from_slice(&ssrc.to_be_bytes());
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_with_all_extras_is_read() {
        // Padding, extension, one contributing source; marker, type 96.
        let bytes = [
            &[0xB1, 0xE0, 0x12, 0x34, 0, 0, 0, 5, 0, 0, 0, 9][..],
            &[1, 2, 3, 4],
            &[0xBE, 0xDE, 0, 1, 5, 5, 5, 5],
            b"payload",
            &[0, 0, 3],
        ]
        .concat();
        let packet = Rtp::parse(&bytes.into()).unwrap();
        assert_eq!((packet.marker, packet.payload_type, packet.sequence), (true, 96, 0x1234));
        assert_eq!((packet.timestamp, packet.ssrc, &packet.payload[..]), (5, 9, &b"payload"[..]));
        let again = Rtp::parse(&[&packet.header()[..], &packet.payload].concat().into()).unwrap();
        assert_eq!(again, packet);
    }

    #[test]
    fn absurd_lengths_are_no_packets() {
        let none = |bytes: &[u8]| assert_eq!(Rtp::parse(&Bytes::copy_from_slice(bytes)), None, "{bytes:?}");
        none(&[0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        none(&[0x40, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        none(&[0x8F, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        none(&[0x90, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF]);
        none(&[0xA0, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200]);
    }

    #[test]
    fn goodbyes_are_found_in_compound_packets() {
        assert_eq!(goodbyes(&goodbye(77)), [77]);
        assert!(is_rtcp(&goodbye(77)) && !is_rtcp(&[0x80, 0xE0]));
        assert_eq!(goodbyes(&[0x80, 200, 0, 0, 0x9F, 203, 0, 1, 0, 0, 0, 5]), [5]);
        assert!(goodbyes(&[0x81, 203, 0xFF, 0xFF, 0, 0, 0, 5]).is_empty());
        assert!(goodbyes(&[]).is_empty());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>) {
            let _ = (Rtp::parse(&bytes.clone().into()), goodbyes(&bytes), is_rtcp(&bytes));
        }
    }
}
