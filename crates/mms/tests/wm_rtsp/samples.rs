//! The sample files, where they are, and content that is made up.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use mms::rtsp::Outgoing;
use mms::rtsp::server::{Content, Kind, Media};

use crate::clip::{Clip, Layout};

/// The folder of sample files, named by `HEADWATER_SAMPLES` or found above this crate.
pub fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("HEADWATER_SAMPLES").map(PathBuf::from);
    let above = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("shared/samples"));
    let found = named.into_iter().chain(above).find(|folder| folder.is_dir());
    if found.is_none() {
        println!("skipped: no sample files; name their folder by HEADWATER_SAMPLES");
    }
    found
}

/// Every sample that is a whole file, in this layout.
pub fn clips(layout: Layout) -> Vec<(String, Clip)> {
    let Some(folder) = folder() else { return Vec::new() };
    let mut clips: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "wmv" || end == "asf" || end == "wma"))
        .filter_map(|path| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            Some((name, Clip::open(&path, layout).ok()?))
        })
        .collect();
    clips.sort_by(|one, other| one.0.cmp(&other.0));
    assert!(
        clips.iter().filter(|(name, _)| name.starts_with("numbered-")).count() >= 7,
        "the numbered clips are there"
    );
    clips
}

/// A presentation of two streams, of these many packets, that is no real one.
pub fn made_up(packets: u32) -> Clip {
    let header =
        [&[0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0, 0xAA, 0, 0x62, 0xCE, 0x6C][..], &[7; 500]];
    let media = |number, kind| Media { number, kind, bit_rate: 100_000 };
    let content = Content {
        header: header.concat().into(),
        packet_size: 1000,
        streams: vec![media(1, Kind::Audio), media(2, Kind::Video)],
        seekable: true,
        title: Some("Änderung, 50 %".into()),
        duration: Some(std::time::Duration::from_millis(2500)),
        ..Content::default()
    };
    let packet = |number: u32| Outgoing {
        stream: if number.is_multiple_of(3) { 1 } else { 2 },
        send_time: number * 10,
        key: number.is_multiple_of(20),
        location: number,
        data: filled(number, 100 + number as usize * 97 % 900),
    };
    Clip { content, packets: (0..packets).map(packet).collect() }
}

/// Bytes that tell their number.
fn filled(number: u32, length: usize) -> Bytes {
    number.to_be_bytes().into_iter().cycle().take(length).collect()
}
