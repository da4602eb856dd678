//! How fast a feed becomes ASF on one core, beside memcpy of the same bytes.
//!
//! `cargo run --release -p asf --example mux_throughput [SECONDS]` prints GB/s of coded
//! bytes for several feeds: muxed as MMS sends it, and padded as in a file.

// A measurement looks at the clock.
#![allow(clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use media::{Audio, Codec, Kind, Packet, Size, Timestamp, Track, TrackId, Tracks};

/// Name, bytes of a keyframe, of another picture, and the packet size.
const FEEDS: &[(&str, usize, usize, u32)] = &[
    ("300 kbit/s WMV", 6_000, 1_200, 3_700),
    ("4 Mbit/s", 90_000, 17_000, 8_000),
    ("4 Mbit/s in small packets", 90_000, 17_000, 1_400),
    ("50 Mbit/s", 250_000, 250_000, 8_000),
    ("50 Mbit/s in large packets", 250_000, 250_000, 65_000),
];

fn main() {
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok()).unwrap_or(1.0);
    let time = Duration::from_secs_f64(seconds);
    println!("{:28} {:>8} {:>8} {:>8}   GB/s", "", "memcpy", "mux", "padded");
    for (name, key, other, packet_size) in FEEDS {
        let units = feed(*key, *other);
        let bytes: usize = units.iter().map(|unit| unit.data.len()).sum();
        let mut copy = vec![0; *key.max(other)];
        let memcpy = rate(bytes, time, || {
            for unit in &units {
                copy[..unit.data.len()].copy_from_slice(black_box(&unit.data));
                black_box(&mut copy);
            }
        });
        let mux = rate(bytes, time, || mux(&units, *packet_size, |packet| packet.data.len()));
        let padded = rate(bytes, time, || {
            mux_padded(&units, *packet_size);
        });
        println!("{name:28} {memcpy:8.2} {mux:8.2} {padded:8.2}");
    }
}

/// 20 seconds of pictures, and of sound in between.
fn feed(key: usize, other: usize) -> Vec<Packet> {
    let received = Instant::now();
    let unit = |track, ms, key, size| {
        let at = Timestamp::from_ticks(ms, 1, 1000);
        let data = Bytes::from((0..size).map(|byte| byte as u8).collect::<Vec<_>>());
        let (duration, captured) = (None, None);
        let (corrupt, discontinuity) = (false, false);
        Packet {
            track: TrackId(track),
            pts: at,
            dts: at,
            duration,
            key,
            corrupt,
            discontinuity,
            received,
            captured,
            data,
        }
    };
    let picture = |i: i64| unit(0, i * 40, i % 50 == 0, if i % 50 == 0 { key } else { other });
    (0..500).flat_map(|i| [picture(i), unit(1, i * 40, true, 160)]).collect()
}

fn mux(units: &[Packet], packet_size: u32, mut take: impl FnMut(&asf::mux::Packet) -> usize) {
    let sound = Audio { sample_rate: 44_100, channels: 1, block_align: 160 };
    let video = Track { codec: Codec::from_name("wmv2"), ..Track::mjpeg(Size::new(1280, 720)) };
    let audio = Track { codec: Codec::from_name("wmav2"), kind: Kind::Audio(sound), ..video.clone() };
    let options = asf::mux::Options { packet_size: Some(packet_size), ..Default::default() };
    let mut muxer = asf::Muxer::new(&Tracks::new(vec![video, audio]), &options).expect("ASF carries these");
    for unit in units {
        muxer.push(unit);
        while let Some(packet) = muxer.poll_packet() {
            black_box(take(&packet));
        }
    }
}

fn mux_padded(units: &[Packet], packet_size: u32) {
    mux(units, packet_size, |packet| asf::padding::padded(&packet.data, packet_size).len());
}

/// Bytes a nanosecond, of the fastest of the runs that fit into `time`.
fn rate(bytes: usize, time: Duration, mut run: impl FnMut()) -> f64 {
    let begun = Instant::now();
    let mut best = Duration::MAX;
    while begun.elapsed() < time {
        let at = Instant::now();
        run();
        best = best.min(at.elapsed());
    }
    bytes as f64 / best.as_nanos().max(1) as f64
}
