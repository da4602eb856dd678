//! What the tests with real files share: where the files are, from bytes to units and back.

// Each test file uses a part.
#![allow(dead_code)]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use asf::{Demuxer, FileWriter, Header, Item, Muxer, Reader, mux, padding};
use bytes::Bytes;
use media::{Packet, Timestamp, Tracks, Unit};

/// Samples that nobody refuses, each with all of its streams.
pub const SAMPLES: &[&str] = &[
    "mutagen-silence-1.wma",
    "mutagen-silence-2.wma",
    "numbered-mbr-2video.wmv",
    "numbered-mpeg4-320x240.asf",
    "numbered-msmpeg4v2-160x120.asf",
    "numbered-msmpeg4v3-176x144.asf",
    "numbered-wmv1-320x240.wmv",
    "numbered-wmv2-352x288.wmv",
    "numbered-wmv2-640x480-broadcast.asf",
    "puremagic-test.wmv",
    "taglib-lossless.wma",
    "tika-testASF.asf",
    "tika-testWMA.wma",
    "tika-testWMV.wmv",
    "tika-testWMV_WMV2.wmv",
];

/// `shared/samples` beside the workspace, or what `HEADWATER_SAMPLES` names.
pub fn samples() -> Option<PathBuf> {
    let named = std::env::var_os("HEADWATER_SAMPLES").map(PathBuf::from);
    let near = || Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("shared/samples"));
    let found = named.or_else(|| near().find(|dir| dir.is_dir()));
    if found.is_none() {
        println!("skipped: no folder shared/samples above {}", env!("CARGO_MANIFEST_DIR"));
    }
    found
}

/// A file as tracks and units.
#[derive(Clone)]
pub struct Clip {
    pub header: Header,
    pub tracks: Tracks,
    pub units: Vec<Unit>,
}

/// Reads a file, all streams of it.
pub fn read(file: &[u8]) -> Clip {
    let mut reader = Reader::new();
    reader.handle_bytes(file).unwrap();
    let Some(Item::Header(header)) = reader.poll() else { panic!("no header") };
    let header = Header::parse(&header).unwrap();
    let streams: Vec<_> = header.streams.iter().map(|stream| stream.number).collect();
    let mut demuxer = Demuxer::new(&header, &streams).unwrap();
    let mut units = Vec::new();
    while let Some(item) = reader.poll() {
        if let Item::Packet(packet) = item {
            demuxer.handle_packet(packet);
        }
        units.extend(std::iter::from_fn(|| demuxer.poll_unit()));
    }
    let counters = demuxer.counters();
    assert_eq!((counters.damaged, counters.lost), (0, 0), "{counters:?}");
    Clip { header, tracks: Tracks::new(demuxer.tracks()), units }
}

/// When a unit stands in a feed.
pub fn time(unit: &Unit) -> Timestamp {
    unit.dts.or(unit.pts).unwrap()
}

/// The packets that a feed makes of units whose times need no correction.
pub fn feed(units: &[Unit]) -> Vec<Packet> {
    let received = Instant::now();
    let packet = |unit: &Unit| Packet {
        track: unit.track,
        pts: unit.pts.unwrap_or(time(unit)),
        dts: time(unit),
        duration: unit.duration,
        key: unit.key,
        corrupt: unit.corrupt,
        discontinuity: unit.discontinuity,
        received,
        captured: unit.captured,
        data: unit.data.clone(),
    };
    units.iter().map(packet).collect()
}

/// A broadcast as a plain download: header and padded packets.
pub fn broadcast(tracks: &Tracks, units: &[Unit], options: &mux::Options) -> Vec<u8> {
    let mut muxer = Muxer::new(tracks, options).unwrap();
    let mut file = muxer.header().to_vec();
    let mut take = |muxer: &mut Muxer| {
        while let Some(packet) = muxer.poll_packet() {
            assert!(packet.data.len() <= muxer.packet_size() as usize);
            file.extend(padding::padded(&packet.data, muxer.packet_size()));
        }
    };
    for packet in feed(units) {
        muxer.push(&packet);
        take(&mut muxer);
    }
    muxer.flush();
    take(&mut muxer);
    file
}

/// The same as a file that can be sought in.
pub fn file(tracks: &Tracks, units: &[Unit], options: &mux::Options) -> Vec<u8> {
    let mut writer = FileWriter::new(tracks, options).unwrap();
    let mut file = writer.header().to_vec();
    for packet in feed(units) {
        writer.push(&packet);
        file.extend(std::iter::from_fn(|| writer.poll_write()).flatten());
    }
    let end = writer.finish();
    file.extend(end.append);
    file[..end.header.len()].copy_from_slice(&end.header);
    file
}

/// Runs `ffmpeg` or `ffprobe` and returns what it printed; anything on stderr is a failure.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(["-v", "error", "-hide_banner"])
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("this test needs {program} (Debian: apt install ffmpeg): {error}"));
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "{program} {arguments:?}: {complaints}");
    String::from_utf8(output.stdout).unwrap()
}

/// A file of these bytes that goes away with the returned guard.
pub fn temporary(name: &str, bytes: &[u8]) -> Temporary {
    let path = std::env::temp_dir().join(format!("asf-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    Temporary(path)
}

pub struct Temporary(pub PathBuf);

impl Temporary {
    pub fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub fn bytes(&self) -> Bytes {
        std::fs::read(&self.0).unwrap().into()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
