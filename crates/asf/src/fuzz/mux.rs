//! Units go through muxer and demuxer; padding is cut off and put back.

use std::time::Instant;

use bytes::Bytes;
use media::{Audio, Codec, Kind, Packet, Size, Timestamp, Track, TrackId, Tracks, Unit};

use crate::mux::{Muxer, Options};
use crate::packet::Head;
use crate::padding::{padded, restore_padding, strip_padding};
use crate::{Demuxer, Header};

/// Most bytes of all units of one input, so that a run stays short.
const MAX_BYTES: usize = 128 << 10;

/// The times of units in ms, either way: what a feed's timeline can hold.
const MAX_TIME: i64 = 9_000_000_000_000;

/// The input says how to write, then what: six bytes a unit.
struct Script<'a> {
    options: Options,
    padded: bool,
    /// Which packets are lost, by their numbers modulo 8.
    lost: u8,
    units: &'a [[u8; 6]],
}

impl<'a> Script<'a> {
    fn parse(input: &'a [u8]) -> Option<Self> {
        let ([size, size_high, flags, lost], rest) = input.split_first_chunk()?;
        let packet_size = u32::from(u16::from_le_bytes([*size, *size_high])).clamp(128, 65_527);
        let options = Options { packet_size: Some(packet_size), low_delay: flags & 1 != 0, ..Options::default() };
        Some(Self { options, padded: flags & 2 != 0, lost: *lost, units: rest.as_chunks().0 })
    }

    /// The units, and whether to flush behind each.
    #[allow(clippy::disallowed_methods, reason = "a packet says when it came, and nobody asks")]
    fn packets(&self) -> Vec<(Packet, bool)> {
        let received = Instant::now();
        let (mut at, mut left) = (0_i64, MAX_BYTES);
        let mut packets = Vec::new();
        for (i, [flags, step, step_scale, size, size_high, size_scale]) in self.units.iter().enumerate() {
            let step = i64::from(step.cast_signed()) << (step_scale & 0x3F);
            at = at.saturating_add(step).clamp(-MAX_TIME, MAX_TIME);
            let size = (usize::from(u16::from_le_bytes([*size, *size_high])) << (size_scale & 1)).min(left);
            left -= size;
            // Never the same twice in a row, so that what is missing would be seen.
            let data: Vec<u8> = (0..size).map(|byte| (byte.wrapping_mul(usize::from(*flags) | 1) + i) as u8).collect();
            let packet = Packet {
                track: TrackId(flags & 3),
                pts: Timestamp::from_ticks(at, 1, 1000),
                dts: Timestamp::from_ticks(at, 1, 1000),
                duration: None,
                key: flags & 4 != 0 || flags & 3 == 2,
                corrupt: false,
                discontinuity: false,
                received,
                captured: None,
                data: data.into(),
            };
            packets.push((packet, flags & 8 != 0));
        }
        packets
    }
}

/// Two tracks of pictures of which nobody but their sender knows which are keyframes, and sound
/// that is not cut into blocks. Units of a fourth track are of none.
fn tracks() -> Tracks {
    let picture = |codec| Track { codec: Codec::from_name(codec), ..Track::mjpeg(Size::new(320, 240)) };
    let sound = Kind::Audio(Audio { sample_rate: 8000, channels: 1, block_align: 1 });
    Tracks::new(vec![picture("mss2"), picture("mts2"), Track { kind: sound, ..picture("pcm_mulaw") }])
}

/// Track, key, milliseconds with the preroll as far as 32 bits hold them, bytes.
type Told = (u8, bool, u32, Bytes);

fn told(unit: &Unit) -> Told {
    let ms = unit.pts.map_or(0, |at| at.as_nanos() / 1_000_000);
    (unit.track.0, unit.key, (ms + 1000) as u32, unit.data.clone())
}

/// What goes in comes out, whole and in order; every packet is within the packet size; with
/// packets lost, what comes out went in, and the others say that they are missing.
///
/// # Panics
/// When that is not so.
pub fn asf_mux_roundtrip(input: &[u8]) {
    let Some(script) = Script::parse(input) else { return };
    let mut muxer = Muxer::new(&tracks(), &script.options).expect("ASF carries these codecs");
    let size = muxer.packet_size();
    let header = Header::parse(&muxer.header()).expect("a header that was written here");
    assert_eq!(header.packet_size(), size as usize);
    let mut whole = Demuxer::new(&header, &[1, 2, 3]).expect("codecs that are known here");
    let mut lossy = Demuxer::new(&header, &[1, 2, 3]).expect("codecs that are known here");

    let (mut sent, mut origin, mut numbers) = (Vec::new(), None, 0_u32);
    let mut take = |muxer: &mut Muxer| {
        while let Some(packet) = muxer.poll_packet() {
            assert!(packet.data.len() <= size as usize && packet.data.len() > 14);
            let full = padded(&packet.data, size);
            assert_eq!(full.len(), size as usize);
            let data = if script.padded { full } else { packet.data };
            if script.lost >> (numbers % 8) & 1 == 1 {
                lossy.handle_loss(1);
            } else {
                lossy.handle_packet(data.clone());
            }
            numbers += 1;
            whole.handle_packet(data);
        }
    };
    for (packet, flush) in script.packets() {
        muxer.push(&packet);
        if packet.track.0 < 3 && !packet.data.is_empty() {
            let at = i128::from(packet.dts.as_nanos());
            let ms = (at - *origin.get_or_insert(at)) / 1_000_000 + 1000;
            sent.push((packet.track.0, packet.key, ms.max(0) as u32, packet.data));
        }
        if flush {
            muxer.flush();
        }
        take(&mut muxer);
    }
    muxer.flush();
    take(&mut muxer);

    let units: Vec<_> = std::iter::from_fn(|| whole.poll_unit()).collect();
    assert!(units.iter().all(|unit| !unit.discontinuity && !unit.corrupt));
    assert_eq!(units.iter().map(told).collect::<Vec<_>>(), sent);
    assert_eq!((whole.counters().damaged, whole.counters().abandoned), (0, 0));

    // After 256 objects their numbers begin again, and fragments of two could look like one.
    if script.units.len() < 256 {
        let units: Vec<_> = std::iter::from_fn(|| lossy.poll_unit()).collect();
        for track in 0..3 {
            let mut sent = sent.iter().filter(|sent| sent.0 == track);
            for unit in units.iter().filter(|unit| unit.track.0 == track) {
                let told = told(unit);
                let mut missing = 0;
                while *sent.next().expect("a unit that was sent, in the order in which it was sent") != told {
                    missing += 1;
                }
                assert!(missing == 0 || unit.discontinuity, "{missing} units are missing before {unit:?}");
            }
        }
    }
}

/// Padding that is cut off comes back, and whatever the bytes are, sizes are kept.
///
/// # Panics
/// When that is not so.
pub fn asf_padding(input: &[u8]) {
    let Some((more, packet)) = input.split_first_chunk::<2>() else { return };
    let packet = Bytes::copy_from_slice(packet);
    let size = packet.len() as u32 + u32::from(u16::from_le_bytes(*more));
    let payloads = |packet: &Bytes, size: u32| {
        let head = Head::parse(packet, size as usize).ok()?;
        let each = head.payloads(packet).map(|payload| payload.map(|p| (p.stream, p.number, packet.slice(p.data))));
        Some((head.send_time, head.duration, each.collect::<Result<Vec<_>, _>>().ok()?))
    };

    let full = padded(&packet, size);
    assert_eq!(full.len(), size as usize);
    if let (Some(restored), Some(before)) = (restore_padding(packet.clone(), size), payloads(&packet, size)) {
        assert_eq!(payloads(&restored, size), Some(before), "restored");
    }
    let whole = packet.len() as u32;
    let stripped = strip_padding(packet.clone());
    assert!(stripped.len() <= packet.len());
    if let Some(before) = payloads(&packet, whole) {
        assert_eq!(payloads(&stripped, whole), Some(before.clone()), "stripped");
        let again = restore_padding(stripped, whole).expect("what was stripped has room for its padding");
        assert_eq!(payloads(&again, whole), Some(before), "stripped and restored");
    }
}
