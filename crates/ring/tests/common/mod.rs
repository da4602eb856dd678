//! A little language for rings: packets by letters, numbers in their payload.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use media::{Packet, Size, Timestamp, Track, TrackId, Tracks};
use ring::{Config, Entry, Reader, Record, Ring, Start, Writer};

/// When the first packet of every test arrives: 2026-01-01.
pub const BEGAN: u64 = 1_767_225_600;
/// From packet to packet.
pub const STEP: Duration = Duration::from_millis(40);

pub fn tracks() -> Tracks {
    Tracks::new(vec![Track::mjpeg(Size::new(640, 480))])
}

/// When packet `number` arrives.
pub fn at(number: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(BEGAN) + STEP * u32::try_from(number).unwrap()
}

/// Bytes that only packet `number` has.
pub fn payload(number: u64, size: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = number.to_le_bytes().to_vec();
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size.max(8));
    bytes
}

pub fn record(tracks: &Tracks, number: u64, key: bool, size: usize) -> Record {
    let nanos = at(number).duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let at_line = Timestamp::from_nanos(i64::try_from(nanos).unwrap());
    let packet = Packet {
        track: TrackId(0),
        pts: at_line,
        dts: at_line,
        duration: Some(STEP),
        key,
        corrupt: false,
        discontinuity: false,
        received: Instant::now(),
        captured: Some(at(number)),
        data: payload(number, size).into(),
    };
    Record { number, wall: at(number), tracks: tracks.clone(), packet }
}

pub fn config(path: &Path, bytes: u64) -> Config {
    Config { path: path.join("cam"), bytes, read_only: false }
}

/// A disk that takes everything at once, and promises nothing for the loss of power.
pub struct Quick;

impl ring::Disk for Quick {
    fn sync(&self, _: &std::fs::File) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn open(config: &Config) -> (Ring, Writer) {
    let (ring, writer) = Ring::open_on(config, std::sync::Arc::new(Quick)).unwrap();
    (ring, writer.expect("the ring can be written"))
}

/// Writes packets from `first` on: `K` a keyframe, `.` another.
pub fn play(writer: &mut Writer, tracks: &Tracks, first: u64, script: &str, size: usize) {
    for (number, letter) in (first..).zip(script.chars()) {
        writer.append(&record(tracks, number, letter == 'K', size)).unwrap();
    }
}

/// Everything from `start` on.
pub fn all(ring: &Ring, start: Start) -> Vec<Entry> {
    rest(&mut ring.reader(start))
}

pub fn rest(reader: &mut Reader) -> Vec<Entry> {
    std::iter::from_fn(|| reader.read().unwrap()).collect()
}

/// The number in the payload, which is to be the entry's own and whole.
pub fn number(entry: &Entry) -> u64 {
    let bytes = &entry.packet.data;
    assert_eq!(&bytes[..], payload(entry.number, bytes.len()), "packet {} is whole", entry.number);
    entry.number
}

/// Numbers, with what was lost in front: `3 4 (7)12K`.
pub fn told(entries: &[Entry]) -> String {
    let told = entries.iter().map(|entry| {
        let lost = if entry.lost > 0 { format!("({})", entry.lost) } else { String::new() };
        format!("{lost}{}{}", number(entry), if entry.packet.key { "K" } else { "" })
    });
    told.collect::<Vec<_>>().join(" ")
}

/// Bytes on the disk, in whole blocks.
pub fn on_disk(config: &Config) -> u64 {
    let files = std::fs::read_dir(&config.path).unwrap();
    files.map(|file| file.unwrap().metadata().unwrap().len().div_ceil(4096) * 4096).sum()
}

/// The newest segment's file.
pub fn newest(config: &Config) -> std::path::PathBuf {
    let mut files: Vec<_> = std::fs::read_dir(&config.path).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "hwr"));
    files.sort();
    files.pop().expect("there is a segment")
}

/// A generator that is the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}
