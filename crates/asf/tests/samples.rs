//! Real files, against libavformat.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use asf::{Demuxer, Error, Header, Index, Item, Reader};
use md5::{Digest, Md5};
use media::Unit;

/// The folder of sample files: `HEADWATER_SAMPLES`, else `shared/samples` beside a parent of
/// the project.
fn samples() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("HEADWATER_SAMPLES") {
        return Some(folder.into());
    }
    let parents = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let found = parents.map(|parent| parent.join("shared/samples")).find(|folder| folder.is_dir());
    if found.is_none() {
        println!("skipped: there is no folder shared/samples, and HEADWATER_SAMPLES names none");
    }
    found
}

/// What a file holds, as this crate reads it.
struct Read {
    header: Header,
    demuxer: Demuxer,
    units: Vec<Unit>,
    indexes: Vec<Index>,
}

fn read(file: &[u8], slice: usize) -> Result<Read, Error> {
    let mut reader = Reader::new();
    let mut parsed: Option<(Header, Demuxer)> = None;
    let (mut units, mut indexes) = (Vec::new(), Vec::new());
    for bytes in file.chunks(slice) {
        reader.handle_bytes(bytes)?;
        while let Some(item) = reader.poll() {
            match (item, &mut parsed) {
                (Item::Header(bytes), _) => {
                    let header = Header::parse(&bytes)?;
                    let all: Vec<_> = header.streams.iter().map(|stream| stream.number).collect();
                    let demuxer = Demuxer::new(&header, &all)?;
                    parsed = Some((header, demuxer));
                }
                (Item::Packet(packet), Some((_, demuxer))) => {
                    demuxer.handle_packet(packet);
                    units.extend(std::iter::from_fn(|| demuxer.poll_unit()));
                }
                (Item::Index(index), Some((header, _))) => indexes.extend(Index::parse(&index, header)),
                _ => panic!("a packet before the header"),
            }
        }
    }
    reader.handle_end()?;
    let (header, demuxer) = parsed.expect("the reader saw to it");
    Ok(Read { header, demuxer, units, indexes })
}

/// A packet as ffprobe lists it.
#[derive(Debug)]
struct Expected {
    pts: Option<i64>,
    dts: Option<i64>,
    size: usize,
    key: bool,
    hash: String,
}

/// ffprobe's packets by the place of their stream in the header.
fn ffprobe(file: &Path) -> BTreeMap<usize, Vec<Expected>> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-show_packets", "-show_data_hash", "md5", "-of", "compact"])
        .arg(file)
        .output()
        .expect("ffprobe (of the package ffmpeg) is needed for this test");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut packets: BTreeMap<usize, Vec<Expected>> = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("packet|")) {
        let line: BTreeMap<_, _> = line.split('|').filter_map(|field| field.split_once('=')).collect();
        packets.entry(line["stream_index"].parse().expect("ffprobe numbers its streams")).or_default().push(Expected {
            pts: line["pts"].parse().ok(),
            dts: line["dts"].parse().ok(),
            size: line["size"].parse().expect("a size is a number"),
            key: line["flags"].starts_with('K'),
            hash: line["data_hash"].trim_start_matches("MD5:").to_owned(),
        });
    }
    packets
}

fn md5(data: &[u8]) -> String {
    Md5::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Units of one track, with those joined that libavformat gives in one packet: it does not
/// split objects of WMA, which hold several blocks, as a unit of ours may not.
fn joined(units: &[&Unit], expected: &[Expected]) -> Vec<Unit> {
    let mut units = units.iter().copied().cloned();
    let mut joined = Vec::new();
    for packet in expected {
        let Some(mut unit) = units.next() else { break };
        while unit.data.len() < packet.size {
            let Some(next) = units.next() else { break };
            unit.data = [&unit.data[..], &next.data].concat().into();
        }
        joined.push(unit);
    }
    joined.extend(units);
    joined
}

const WHOLE: &[&str] = &[
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
    "tinytag-test2.wma",
];

/// Its last packet is cut short. libavformat hands on what is there of it; ours leaves an
/// object out of which bytes are missing, so that no decoder stumbles over it.
const CUT: &[&str] = &["tinytag-lossless.wma"];

#[test]
fn every_sample_gives_the_packets_that_libavformat_gives() {
    let Some(folder) = samples() else { return };
    for name in WHOLE.iter().chain(CUT) {
        let path = folder.join(name);
        let expected = ffprobe(&path);
        let read = read(&std::fs::read(&path).unwrap(), 4096).unwrap_or_else(|error| panic!("{name}: {error}"));
        let counters = read.demuxer.counters();
        println!("{name}: {:?}, {} indexes", counters, read.indexes.len());
        assert_eq!((counters.damaged, counters.abandoned), (0, 0), "{name}");
        for track in read.demuxer.tracks() {
            let stream = read.demuxer.stream(track.id).unwrap();
            let units: Vec<_> = read.units.iter().filter(|unit| unit.track == track.id).collect();
            let place = read.header.streams.iter().position(|declared| declared.number == stream).unwrap();
            let expected = expected.get(&place).map(Vec::as_slice).unwrap_or_default();
            let units = joined(&units, expected);
            for (place, (unit, packet)) in units.iter().zip(expected).enumerate() {
                let at = format!("{name}, stream {stream}, packet {place}: {unit:?}, libavformat has {packet:?}");
                assert_eq!((unit.data.len(), md5(&unit.data)), (packet.size, packet.hash.clone()), "{at}");
                assert_eq!(unit.key, packet.key, "{at}");
                let ms = |at: Option<media::Timestamp>| at.map(|at| at.to_ticks(1, 1000));
                assert_eq!(ms(unit.pts), packet.pts, "{at}");
                assert_eq!(ms(unit.dts.or(unit.pts)), packet.dts, "{at}");
            }
            let cut = usize::from(CUT.contains(name));
            assert_eq!(units.len() + cut, expected.len(), "{name}, stream {stream}");
        }
    }
}

#[test]
fn slicing_of_a_file_never_matters() {
    let Some(folder) = samples() else { return };
    for name in ["tika-testASF.asf", "puremagic-test.wmv", "numbered-msmpeg4v2-160x120.asf"] {
        let file = std::fs::read(folder.join(name)).unwrap();
        let list = |read: Read| {
            let units = read.units.iter().map(|unit| (unit.track, unit.pts, unit.dts, unit.key, md5(&unit.data)));
            (units.collect::<Vec<_>>(), read.indexes, format!("{:?}", read.header), read.demuxer.counters())
        };
        let whole = list(read(&file, file.len()).unwrap());
        for slice in [1, 2, 3, 7, 16, 17, 50, 1399, 3200, 3201, 8000, 20_000] {
            assert!(list(read(&file, slice).unwrap()) == whole, "{name} in slices of {slice}");
        }
    }
}

#[test]
fn crafted_and_cut_files_end_with_a_clear_error() {
    let Some(folder) = samples() else { return };
    for (name, expected) in [
        ("exiftool-ASF.wmv", "the content ends after 12379 bytes, before its data packets"),
        ("mediafile-unparseable.wma", "the content ends after 23664 bytes, before its data packets"),
        (
            "mm-CWE-835.wma",
            "ASF header without a Stream Properties Object that can be read (the object at byte 180 has a size that \
             cannot be); the header is damaged or cut short",
        ),
        (
            "mm-max-numberOfObjectHeaders.wma",
            "ASF header without a File Properties Object that can be read (the object at byte 54 has a size that \
             cannot be); the header is damaged or cut short",
        ),
        (
            "variant-drm1.wmv",
            "stream 1 (audio wmav2 44100 Hz) is encrypted (Windows Media DRM version 1, key keyid01, licence from \
             http://licence.example); it plays only with a licence, in a player of its maker",
        ),
        (
            "variant-drm-extended.wmv",
            "stream 1 (audio wmav2 44100 Hz) is encrypted (Windows Media DRM version 7 or later, key \
             AAAAAAAAAAAAAAAAAAAAAA==, licence from http://licence.example/); it plays only with a licence, in a \
             player of its maker",
        ),
    ] {
        let file = std::fs::read(folder.join(name)).unwrap();
        for slice in [1, 4096, file.len()] {
            let Err(error) = read(&file, slice) else { panic!("{name} was read") };
            assert_eq!(error.to_string(), expected, "{name}");
        }
    }
}
