//! What a fuzzer does with packetizers.

use std::time::Duration;

use bytes::Bytes;
use media::{Audio, Codec, Kind, Packet, Timestamp, Track, TrackId, Video};

use super::{LEAST_MTU, Packetizer};
use crate::rtp::{self, FRAME, HEADER, Origin};

const CODECS: [(&str, bool); 14] = [
    ("h264", true),
    ("hevc", true),
    ("mpeg4", true),
    ("mpeg1video", true),
    ("mpeg2video", true),
    ("mjpeg", true),
    ("vp8", true),
    ("aac", false),
    ("mp3", false),
    ("opus", false),
    ("pcm_mulaw", false),
    ("pcm_s16le", false),
    ("pcm_s16be", false),
    ("adpcm_g722", false),
];

/// A track of a codec.
pub(crate) fn track(codec: &'static str, is_video: bool, extradata: &[u8]) -> Track {
    let audio = Audio { sample_rate: 16_000, channels: 1, block_align: 0 };
    Track {
        id: TrackId(0),
        codec: Codec::from_name(codec),
        tag: 0,
        extradata: Bytes::copy_from_slice(extradata),
        bits_per_sample: 0,
        bit_rate: 0,
        kind: if is_video { Kind::Video(Video::default()) } else { Kind::Audio(audio) },
    }
}

/// An access unit that is shown after so many milliseconds.
pub(crate) fn unit(data: &[u8], at_ms: i64, key: bool) -> Packet {
    let at = Timestamp::from_ticks(at_ms, 1, 1000);
    Packet {
        track: TrackId(0),
        pts: at,
        dts: at,
        duration: Some(Duration::from_millis(40)),
        key,
        corrupt: false,
        discontinuity: false,
        received: crate::fuzz::epoch(),
        captured: None,
        data: Bytes::copy_from_slice(data),
    }
}

/// Packs `data` as a unit of the codec that `choice` means, with a part of it as extradata.
pub(crate) fn pack(choice: u8, data: &[u8]) {
    let (codec, is_video) = CODECS[usize::from(choice) % CODECS.len()];
    let (extradata, rest) = data.split_at(data.len().min(usize::from(choice) / CODECS.len()));
    let origin = Origin { ssrc: 1, sequence: 0, timestamp: 0 };
    let Ok(mut packetizer) = Packetizer::new(&track(codec, is_video, extradata), rest, 1, origin, 0) else { return };
    for (number, unit_data) in [rest, data].into_iter().enumerate() {
        let Ok(block) = packetizer.pack(&unit(unit_data, 40 * number as i64, true)) else { continue };
        let packets: Vec<&[u8]> = rtp::packets(&block).collect();
        assert_eq!(packets.iter().map(|packet| packet.len()).sum::<usize>(), block.len());
        // Opus has no pieces (RFC 7587 section 4.2).
        let most = if codec == "opus" { usize::MAX } else { FRAME + HEADER + LEAST_MTU };
        assert!(packets.iter().all(|packet| packet.len() <= most));
        let marked = packets.iter().take(packets.len().saturating_sub(1)).any(|packet| packet[FRAME + 1] & 0x80 != 0);
        assert!(!marked, "a marker before the end");
    }
}
