//! A scripted server against the client, at any time and in any slices.
//!
//! What other clients fail at, and where it is tried here:
//!
//! | server | here |
//! | --- | --- |
//! | keeps the connection after the end | `ends`: it is let to |
//! | closes in mid-stream | `ends`: no end |
//! | silent in mid-stream, or at any step | `silence` |
//! | header pieces flagged 04, 00, 08 | `opening`, `pieces` |
//! | stream change, data at once or after StartPlaying | `changes`, both |
//! | redirects, refuses, asks for a password | `opening`, `security` |
//! | one-byte segments | `slices` |
//! | packet longer than the packet size | `streaming`: dropped and counted |
//! | message of 0x7ffffff0 bytes, lengths that lie | `streaming`, `wire::tests` |
//! | live, joined in the midst | `streaming`: numbers begin anywhere |
//! | loses and reorders datagrams | `datagrams`, `link` |

mod changes;
mod datagrams;
mod ends;
mod link;
mod opening;
mod security;
mod silence;
mod slices;
mod streaming;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Client;
use crate::fuzz::epoch;
use crate::wire::{
    AF_FLAGS_HEADER_LAST, Data, Deframer, FILE_ATTRIBUTE_MMS_BROADCAST, Frame, Framer, MMS_DISABLE_PACKET_PAIR,
    MacToViewer, ReportConnectedEX, ReportFunnelInfo, ReportOpenFile, ReportStreamChange, ViewerToMac,
};
use crate::{Config, Error, Event, Hresult, Limits, Packet, Play, Session, Start, Thinning, Transmit};

const OK: Hresult = Hresult(0);
const HEADER: &[u8] = b"an ASF file header";

fn config() -> Config {
    Config {
        host: "cam.example".into(),
        port: 1755,
        path: "/live/a%20b.wmv?t=%20".into(),
        user: None,
        password: None,
        udp_port: None,
        random: std::array::from_fn(|at| at as u8),
        unix_time: 1_700_000_000,
        reply_timeout: Duration::from_secs(10),
        limits: Limits::default(),
    }
}

/// A client, the server's side of its connection, and a clock.
struct Bench {
    client: Client,
    now: Instant,
    framer: Framer,
    deframer: Deframer,
    /// What the client sent on the connection and nobody has looked at.
    said: Vec<ViewerToMac>,
    datagrams: Vec<Bytes>,
    /// Connections that the client asked for.
    connects: usize,
}

impl Bench {
    fn new(config: Config) -> Self {
        let mut bench = Self {
            client: Client::new(config),
            now: epoch(),
            framer: Framer::new(),
            deframer: Deframer::new(1 << 16),
            said: Vec::new(),
            datagrams: Vec::new(),
            connects: 0,
        };
        bench.poll();
        assert_eq!(bench.connects, 1, "the first transmit of a session asks for its connection");
        bench
    }

    /// A client that has sent Connect.
    fn connected(config: Config) -> Self {
        let mut bench = Self::new(config);
        bench.connect();
        bench
    }

    fn connect(&mut self) {
        (self.framer, self.deframer) = (Framer::new(), Deframer::new(1 << 16));
        self.client.handle_connected(self.now, Ipv4Addr::LOCALHOST.into()).unwrap();
        self.poll();
    }

    /// A client that has been told of `file`, and has asked for its header.
    fn opened_as(config: Config, version: &str, file: ReportOpenFile) -> Self {
        let mut bench = Self::connected(config);
        bench.open_as(version, file);
        bench
    }

    fn open_as(&mut self, version: &str, file: ReportOpenFile) {
        self.tell(connected_ex(version)).unwrap();
        self.tell(funnel_info()).unwrap();
        self.tell(MacToViewer::ReportConnectedFunnel { hr: OK }).unwrap();
        self.tell(MacToViewer::ReportOpenFile(file)).unwrap();
    }

    fn opened(config: Config) -> Self {
        Self::opened_as(config, "9.01.01.3841", file())
    }

    /// A client that waits for its header to be answered, on TCP.
    fn ready_as(config: Config, version: &str, file: ReportOpenFile) -> Self {
        let mut bench = Self::opened_as(config, version, file);
        bench.tell(MacToViewer::ReportReadBlock { hr: OK, incarnation: 1 }).unwrap();
        bench.data(header_piece(1)).unwrap();
        bench
    }

    fn ready() -> Self {
        Self::ready_as(config(), "9.01.01.3841", file())
    }

    /// A client to which data may be sent; nothing that happened before is left to look at.
    fn playing_as(version: &str, file: ReportOpenFile) -> Self {
        let mut bench = Self::ready_as(config(), version, file);
        bench.client.play(bench.now, &play()).unwrap();
        bench.tell(MacToViewer::ReportStreamSwitch { hr: OK }).unwrap();
        bench.tell(started_playing(10)).unwrap();
        bench.events();
        bench.said();
        bench
    }

    fn playing() -> Self {
        Self::playing_as("9.01.01.3841", file())
    }

    fn tell(&mut self, message: MacToViewer) -> Result<(), Error> {
        let frame = self.framer.frame(self.now, &message.encode());
        self.bytes(&frame)
    }

    fn data(&mut self, data: Data) -> Result<(), Error> {
        self.bytes(&data.encode().unwrap())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let handled = self.client.handle_bytes(self.now, bytes);
        self.poll();
        handled
    }

    fn datagram(&mut self, data: &Data) -> Result<(), Error> {
        let handled = self.client.handle_datagram(self.now, 1755, &data.encode().unwrap());
        self.poll();
        handled
    }

    /// Lets time pass until the client's next deadline, at most this long.
    fn wait(&mut self, longest: Duration) -> Result<(), Error> {
        let end = self.now + longest;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline in the past");
            self.now = at;
            let handled = self.client.handle_timeout(at);
            self.poll();
            handled?;
            assert!(self.client.poll_timeout() > Some(at) || self.client.poll_timeout().is_none(), "a deadline again");
        }
        self.now = end;
        Ok(())
    }

    fn poll(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            match transmit {
                Transmit::Connect => self.connects += 1,
                Transmit::Stream(bytes) => {
                    let mut slice = &bytes[..];
                    while let Some(frame) = self.deframer.next(&mut slice).unwrap() {
                        let Frame::Message { mid, body } = frame else { panic!("a client sends messages") };
                        self.said.push(ViewerToMac::decode(mid, &body).unwrap());
                    }
                }
                Transmit::Datagram { port, data } => {
                    assert_eq!(port, 1755);
                    self.datagrams.push(data);
                }
            }
        }
    }

    /// What the client said since the last look.
    fn said(&mut self) -> Vec<ViewerToMac> {
        self.poll();
        std::mem::take(&mut self.said)
    }

    /// Names of what the client said since the last look.
    fn names(&mut self) -> Vec<&'static str> {
        self.said().iter().map(ViewerToMac::name).collect()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    /// Events since the last look as words: `packet 3`, `lost 2`, `header`, `entry`, `end`.
    fn story(&mut self) -> String {
        let mut words = Vec::new();
        for event in self.events() {
            match event {
                Event::Opened(_) => words.push("opened".to_owned()),
                Event::Header(header) => words.push(format!("header {}", header.len())),
                Event::Packet(Packet { lost: 0, location, .. }) => words.push(location.to_string()),
                Event::Packet(Packet { lost, location, .. }) => words.push(format!("lost {lost}, {location}")),
                Event::EntryEnded => words.push("entry".to_owned()),
                Event::Ended => words.push("end".to_owned()),
                Event::Moved(urls) => words.push(format!("moved {urls:?}")),
            }
        }
        words.join("; ")
    }
}

fn connected_ex(version: &str) -> MacToViewer {
    MacToViewer::ReportConnectedEX(ReportConnectedEX {
        incarnation: MMS_DISABLE_PACKET_PAIR,
        server_version: Some(version.into()),
        ..Default::default()
    })
}

fn funnel_info() -> MacToViewer {
    let (incarnation, client_id) = (MMS_DISABLE_PACKET_PAIR, 0x1234_5678);
    MacToViewer::ReportFunnelInfo(ReportFunnelInfo { hr: OK, incarnation, client_id, probe: Bytes::new() })
}

fn file() -> ReportOpenFile {
    ReportOpenFile {
        incarnation: 9,
        open_file_id: 0x0005_0003,
        file_packet_size: 100,
        file_header_size: HEADER.len() as u32,
        file_bit_rate: 64_000,
        ..Default::default()
    }
}

fn broadcast() -> ReportOpenFile {
    ReportOpenFile { file_attributes: FILE_ATTRIBUTE_MMS_BROADCAST, ..file() }
}

/// A header in one piece.
fn header_piece(incarnation: u8) -> Data {
    Data { location_id: 0, incarnation, af_flags: AF_FLAGS_HEADER_LAST, payload: Bytes::from_static(HEADER) }
}

/// The packet with this number of the stream and of the sequence.
fn packet(incarnation: u8, location_id: u32, sequence: u32) -> Data {
    let payload = Bytes::from(format!("packet {location_id}"));
    Data { location_id, incarnation, af_flags: sequence as u8, payload }
}

fn started_playing(incarnation: u32) -> MacToViewer {
    MacToViewer::ReportStartedPlaying { hr: OK, incarnation, tiger_file_id: 0 }
}

fn end_of_stream(hr: u32) -> MacToViewer {
    MacToViewer::ReportEndOfStream { hr: Hresult(hr), incarnation: 10 }
}

fn stream_change() -> MacToViewer {
    MacToViewer::ReportStreamChange(ReportStreamChange {
        hr: OK,
        tcp_hdr_incarnation: 0xFF,
        packet_size: 200,
        header_size: HEADER.len() as u32,
        bit_rate: 64_000,
    })
}

fn play() -> Play {
    Play {
        streams: vec![(1, Thinning::All), (2, Thinning::Nothing), (3, Thinning::Keyframes)],
        start: Start::Begin,
        packet_size: 100,
        pace: None,
    }
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}
