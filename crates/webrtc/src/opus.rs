//! Opus as WebRTC has it (RFC 7587): always 48 kHz, one packet of RTP a packet of Opus.

use std::time::Duration;

use bytes::Bytes;
use media::{Audio, Codec, Kind, Track, TrackId};

/// FFmpeg's name.
pub(crate) const CODEC: Codec = Codec::from_name("opus");
/// RFC 7587 section 4.1.
pub(crate) const RATE: u32 = 48_000;

/// A track of what a peer sends, which says in each packet whether it is stereo.
pub(crate) fn track() -> Track {
    Track {
        id: TrackId(0),
        codec: CODEC,
        tag: 0,
        extradata: Bytes::from_static(&HEAD),
        bits_per_sample: 0,
        bit_rate: 0,
        kind: Kind::Audio(Audio { sample_rate: RATE, channels: 2, block_align: 0 }),
    }
}

/// What containers want to know (RFC 7845 section 5.1): version 1, two channels, nothing to skip,
/// 48 kHz, no gain, the plain mapping.
const HEAD: [u8; 19] = [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', 1, 2, 0, 0, 0x80, 0xbb, 0, 0, 0, 0, 0];

/// How long a packet sounds (RFC 6716 section 3.1); nothing for one that is no packet of Opus.
pub(crate) fn duration(packet: &[u8]) -> Option<Duration> {
    let (toc, rest) = packet.split_first()?;
    // In tenths of a millisecond, table 2.
    let frame = match toc >> 3 {
        config @ 0..=11 => [100, 200, 400, 600][usize::from(config & 3)],
        config @ 12..=15 => [100, 200][usize::from(config & 1)],
        config => [25, 50, 100, 200][usize::from(config & 3)],
    };
    let count = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(rest.first()? & 0x3f),
    };
    // Section 3.2.5: not more than 120 ms.
    Some(frame * count).filter(|tenths| (1..=1200).contains(tenths)).map(|tenths| Duration::from_micros(tenths * 100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_tells_how_long_it_sounds() {
        let ms = |packet: &[u8]| duration(packet).map(|duration| duration.as_micros());
        assert_eq!(ms(&[0xfc, 1]), Some(20_000));
        assert_eq!(ms(&[0x79, 1]), Some(40_000));
        assert_eq!(ms(&[0x03, 6, 1]), Some(60_000));
        assert_eq!(ms(&[0x80]), Some(2_500));
        assert_eq!(ms(&[0xff, 0x3f]), None);
        assert_eq!(ms(&[0x03]), None);
        assert_eq!(ms(&[]), None);
    }
}
