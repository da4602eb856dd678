//! Our units beside the packets of libavformat's demuxer.

// Each test file uses a part.
#![allow(dead_code)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::process::Command;

use asf::demux::Counters;
use asf::{Demuxer, Error, Header, Index, Item, Reader};
use media::{Kind, Timestamp, Track, Unit};

/// What a file holds, as this crate reads it.
pub struct Read {
    pub header: Header,
    pub demuxer: Demuxer,
    pub units: Vec<Unit>,
    pub indexes: Vec<Index>,
}

/// Reads a file in slices of so many bytes, all streams of it.
pub fn read(file: &[u8], slice: usize) -> Result<Read, Error> {
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

/// What ffprobe calls a thing, and what it is.
type Fields = BTreeMap<String, String>;

/// ffprobe's streams in the order of the header, and the packets of each.
fn ffprobe(path: &str) -> (Vec<Fields>, BTreeMap<usize, Vec<Expected>>) {
    // It may complain: of files that are cut short it does.
    let output = Command::new("ffprobe")
        .args(["-v", "quiet", "-show_streams", "-show_packets", "-show_data_hash", "md5", "-of", "compact", path])
        .output()
        .unwrap_or_else(|error| panic!("this test needs ffprobe (Debian: apt install ffmpeg): {error}"));
    let text = String::from_utf8(output.stdout).unwrap();
    let (mut streams, mut packets) = (Vec::new(), BTreeMap::<usize, Vec<Expected>>::new());
    for line in text.lines() {
        let (kind, line) = line.split_once('|').unwrap_or_default();
        let fields = line.split('|').filter_map(|field| field.split_once('='));
        let line: Fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        match kind {
            "stream" => streams.push(line),
            "packet" => packets.entry(line["stream_index"].parse().unwrap()).or_default().push(Expected {
                pts: line["pts"].parse().ok(),
                dts: line["dts"].parse().ok(),
                size: line["size"].parse().unwrap(),
                key: line["flags"].starts_with('K'),
                hash: line["data_hash"].trim_start_matches("MD5:").to_owned(),
            }),
            _ => {}
        }
    }
    (streams, packets)
}

/// Compares a track with a stream of ffprobe.
fn compare_track(track: &Track, theirs: &Fields) {
    let mut ours =
        BTreeMap::from([("codec_name", track.codec.name().to_owned()), ("codec_tag", format!("{:#06x}", track.tag))]);
    match &track.kind {
        Kind::Video(video) => {
            ours.insert("width", video.size.width.to_string());
            ours.insert("height", video.size.height.to_string());
        }
        Kind::Audio(audio) => {
            ours.insert("sample_rate", audio.sample_rate.to_string());
            ours.insert("channels", audio.channels.to_string());
        }
        Kind::Data => {}
    }
    // Where there are none, libavformat may find some in the first packets.
    if !track.extradata.is_empty() {
        ours.insert("extradata_hash", format!("MD5:{}", md5(&track.extradata)));
    }
    for (name, value) in ours {
        assert_eq!(Some(&value), theirs.get(name), "{name} of {track:?}");
    }
}

pub fn md5(data: &[u8]) -> String {
    use md5::{Digest, Md5};
    Md5::digest(data).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(|at| at.to_ticks(1, 1000))
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

/// Compares all that is in the file at `path` with what libavformat makes of it: sizes, bytes,
/// keyframes, what decoders are told, and times as far as both tell them. `cut` packets at the end of each stream are
/// libavformat's alone.
pub fn compare(path: &str, cut: usize) -> Counters {
    let (streams, expected) = ffprobe(path);
    let read = read(&std::fs::read(path).unwrap(), 4096).unwrap_or_else(|error| panic!("{path}: {error}"));
    for track in read.demuxer.tracks() {
        let stream = read.demuxer.stream(track.id).unwrap();
        let units: Vec<_> = read.units.iter().filter(|unit| unit.track == track.id).collect();
        let place = read.header.streams.iter().position(|declared| declared.number == stream).unwrap();
        compare_track(&track, &streams[place]);
        let expected = expected.get(&place).map(Vec::as_slice).unwrap_or_default();
        let units = joined(&units, expected);
        for (place, (unit, packet)) in units.iter().zip(expected).enumerate() {
            let at = format!("{path}, stream {stream}, packet {place}: {unit:?}, libavformat has {packet:?}");
            assert_eq!((unit.data.len(), md5(&unit.data)), (packet.size, packet.hash.clone()), "{at}");
            assert_eq!(unit.key, packet.key, "{at}");
            assert_eq!(ms(unit.dts.or(unit.pts)), packet.dts, "{at}");
            if let (Some(ours), Some(theirs)) = (ms(unit.pts), packet.pts) {
                assert_eq!(ours, theirs, "{at}");
            }
        }
        assert_eq!(units.len() + cut, expected.len(), "{path}, stream {stream} ({})", track.codec);
    }
    read.demuxer.counters()
}
