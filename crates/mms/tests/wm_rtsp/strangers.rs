//! FFmpeg as a client of our server, and our client with real sockets: every frame of every
//! numbered clip, and of Microsoft's own encoders, by checksum.

use std::net::{TcpListener, UdpSocket};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use asf::{Demuxer, Header, Item, Reader, padding};
use media::Unit;
use mms::rtsp::Client;
use mms::{Event, Play, Start, Thinning};

use crate::clip::Layout;
use crate::host::{self, Options};
use crate::{driver, pair, samples};

/// The server on a port of the system's choice, for as long as the test runs.
fn serve(options: Options) -> Option<(u16, PathBuf)> {
    let folder = samples::folder()?;
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let served = folder.clone();
    std::thread::spawn(move || host::serve(&listener, &options, &served));
    Some((port, folder))
}

fn options(udp: bool, layout: Layout) -> Options {
    // Datagrams at a pace at which a socket's buffer does not overflow while a decoder starts.
    Options { udp, layout, speed: if udp { 4.0 } else { 1000.0 }, ..Options::default() }
}

/// The samples to play: all that are whole over the connection, the numbered ones over UDP, which
/// takes its time.
fn names(folder: &Path, udp: bool) -> Vec<String> {
    let whole = ["numbered-", "tika-", "puremagic-", "mutagen-", "taglib-"];
    let wanted = &whole[..if udp { 1 } else { whole.len() }];
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| wanted.iter().any(|begin| name.starts_with(begin)))
        .collect();
    names.sort();
    names
}

/// How often something is tried over UDP: on a machine that is busy, a socket's buffer may overflow
/// before its reader wakes.
const TRIES: usize = 3;

/// What comes of the first try that is good, or else of the last.
fn tried<T>(udp: bool, make: impl Fn() -> T, is_good: impl Fn(&T) -> bool) -> T {
    let mut made = make();
    for _ in 1..if udp { TRIES } else { 1 } {
        if is_good(&made) {
            break;
        }
        made = make();
    }
    made
}

/// The checksums of decoded frames, a list for each stream.
fn frames(input: &[&str]) -> Vec<Vec<String>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(input)
        // Every frame once, and sound as it is decoded.
        .args(["-map", "0:v?", "-map", "0:a?", "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .unwrap_or_else(|error| panic!("this test needs ffmpeg (Debian: apt install ffmpeg): {error}"));
    let text = String::from_utf8(output.stdout).unwrap();
    let mut streams = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<_> = line.split(',').map(str::trim).collect();
        let stream: usize = fields[0].parse().unwrap();
        streams.resize(streams.len().max(stream + 1), Vec::new());
        streams[stream].push(fields[5].to_owned());
    }
    assert!(!streams.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    streams
}

fn ffmpeg_takes_every_frame(transport: &str, layout: Layout) {
    let Some((port, folder)) = serve(options(transport == "udp", layout)) else { return };
    for name in names(&folder, transport == "udp") {
        let direct = frames(&["-i", folder.join(&name).to_str().unwrap()]);
        let url = format!("rtsp://127.0.0.1:{port}/{name}");
        let take = || frames(&["-rtsp_transport", transport, "-i", &url]);
        let streamed = tried(transport == "udp", take, |frames| *frames == direct);
        let counts = |streams: &[Vec<String>]| streams.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(counts(&streamed), counts(&direct), "{name}");
        assert!(streamed == direct, "{name}: other frames");
    }
}

#[test]
fn ffmpeg_takes_every_frame_over_tcp() {
    ffmpeg_takes_every_frame("tcp", Layout::Split);
}

#[test]
fn ffmpeg_takes_every_frame_over_udp() {
    ffmpeg_takes_every_frame("udp", Layout::Split);
}

#[test]
fn ffmpeg_takes_packets_of_several_streams_over_tcp() {
    ffmpeg_takes_every_frame("tcp", Layout::Mixed);
}

#[test]
fn ffmpeg_takes_packets_of_several_streams_over_udp() {
    ffmpeg_takes_every_frame("udp", Layout::Mixed);
}

/// What came of a clip: its header and its packets.
struct Got {
    header: Header,
    packets: Vec<mms::Packet>,
}

/// Plays a clip with our client and real sockets.
fn play(port: u16, name: &str, udp: bool) -> Got {
    let socket = udp.then(|| UdpSocket::bind(("127.0.0.1", 0)).unwrap());
    let udp_port = socket.as_ref().map(|socket| socket.local_addr().unwrap().port());
    let config =
        mms::Config { host: "127.0.0.1".into(), port, path: format!("/{name}"), udp_port, ..pair::config(false) };
    let mut client = Client::new(config);
    let (mut header, mut packets) = (None, Vec::new());
    driver::Driver::new("127.0.0.1", port, socket)
        .unwrap()
        .run(&mut client, |session, event| {
            match event {
                Event::Header(bytes) => {
                    let parsed = Header::parse(&bytes)?;
                    let streams = parsed.streams.iter().map(|stream| (stream.number, Thinning::All)).collect();
                    let packet_size = parsed.packet_size() as u32;
                    let order = Play { streams, start: Start::Begin, packet_size, pace: None };
                    session.play(std::time::Instant::now(), &order)?;
                    header = Some(parsed);
                }
                Event::Packet(packet) => packets.push(packet),
                Event::Ended => return Ok(ControlFlow::Break(())),
                _ => (),
            }
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    Got { header: header.unwrap(), packets }
}

/// All units, a list for each stream number.
fn units(header: &Header, packets: impl IntoIterator<Item = bytes::Bytes>) -> Vec<Vec<Unit>> {
    let numbers: Vec<_> = header.streams.iter().map(|stream| stream.number).collect();
    let mut demuxer = Demuxer::new(header, &numbers).unwrap();
    let mut streams = vec![Vec::new(); 128];
    for packet in packets {
        demuxer.handle_packet(packet);
        while let Some(unit) = demuxer.poll_unit() {
            streams[usize::from(demuxer.stream(unit.track).unwrap())].push(unit);
        }
    }
    demuxer.flush();
    while let Some(unit) = demuxer.poll_unit() {
        streams[usize::from(demuxer.stream(unit.track).unwrap())].push(unit);
    }
    streams
}

/// What a unit is.
fn told(units: &[Unit]) -> Vec<(bool, bool, String, bytes::Bytes)> {
    let times = |unit: &Unit| format!("{:?} {:?} {:?}", unit.pts, unit.dts, unit.duration);
    units.iter().map(|unit| (unit.key, unit.discontinuity, times(unit), unit.data.clone())).collect()
}

fn our_client_takes_every_unit(udp: bool, layout: Layout) {
    let Some((port, folder)) = serve(options(udp, layout)) else { return };
    for name in names(&folder, udp) {
        let file = std::fs::read(folder.join(&name)).unwrap();
        let mut reader = Reader::new();
        reader.handle_bytes(&file).unwrap();
        let mut of_file = Vec::new();
        while let Some(item) = reader.poll() {
            if let Item::Packet(packet) = item {
                of_file.push(packet);
            }
        }
        let is_whole = |got: &Got| got.packets.iter().all(|packet| packet.lost == 0);
        let got = tried(udp, || play(port, &name, udp), is_whole);
        assert!(is_whole(&got), "{name}: packets were lost");
        let direct = units(&got.header, of_file);
        let streamed = units(&got.header, got.packets.iter().map(|packet| packet.data.clone()));
        assert!(direct.iter().any(|stream| !stream.is_empty()));
        let told = |streams: &[Vec<Unit>]| streams.iter().map(|units| told(units)).collect::<Vec<_>>();
        assert!(told(&streamed) == told(&direct), "{name}: other units");

        // And by a stranger, as a broadcast, whose number of packets is not known.
        let mut recording = got.header.bytes().to_vec();
        let size = recording.len() - 50 + 16;
        recording[size..size + 8].fill(0);
        let packet_size = got.header.packet_size() as u32;
        for packet in &got.packets {
            recording.extend_from_slice(&padding::restore_padding(packet.data.clone(), packet_size).unwrap());
        }
        let path = std::env::temp_dir().join(format!("wm-rtsp-{}-{udp}-{layout:?}-{name}", std::process::id()));
        std::fs::write(&path, recording).unwrap();
        let streamed = frames(&["-f", "asf", "-i", path.to_str().unwrap()]);
        std::fs::remove_file(&path).unwrap();
        assert!(streamed == frames(&["-i", folder.join(&name).to_str().unwrap()]), "{name}: other frames");
    }
}

#[test]
fn our_client_takes_every_frame_over_tcp() {
    our_client_takes_every_unit(false, Layout::Split);
}

#[test]
fn our_client_takes_every_frame_over_udp() {
    our_client_takes_every_unit(true, Layout::Split);
}

#[test]
fn our_client_takes_packets_of_several_streams() {
    our_client_takes_every_unit(false, Layout::Mixed);
}
