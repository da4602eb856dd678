use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::fuzz::epoch;
use crate::wire::{
    Accelerate, Connect, ConnectFunnel, Data, Deframer, Frame, Framer, MacToViewer, OpenFile, ReadBlock,
    ReportFunnelInfo, ReportOpenFile, ReportRedirect, RequestPacketListResend, StartPlaying, StreamSwitchEntry, Token,
    ViewerToMac,
};
use crate::{Error, Hresult, Ntlm, Thinning};

mod access;
mod going_on;

const SECOND: Duration = Duration::from_secs(1);

/// A server with a player's pen and ears.
struct Talk {
    server: Server,
    now: Instant,
    framer: Framer,
    deframer: Deframer,
}

impl Talk {
    fn new(config: ServerConfig) -> Self {
        let now = epoch();
        Self { server: Server::new(config, now), now, framer: Framer::new(), deframer: Deframer::new(1 << 20) }
    }

    /// Up to the open file, as libmms does it.
    fn opened(config: ServerConfig) -> Self {
        let mut talk = Self::new(config);
        talk.says(&connect("NSPlayer/7.0.0.1956; {33715801-BAB3-9D85-24E9-03B90328270A}; Host: h"));
        talk.says(&funnel("\\\\192.168.0.129\\TCP\\1037"));
        talk.says(&open("cam"));
        assert_eq!(talk.event(), Some(ServerEvent::Open { path: "cam".to_owned(), credentials: Credentials::None }));
        talk.server.open(talk.now, content(b"header of 19 bytes.", 8)).unwrap();
        talk.hears();
        talk
    }

    /// As [`Talk::opened`], with datagrams.
    fn opened_udp() -> Self {
        let mut talk = Self::opened(ServerConfig { udp: true, random: [3; 32], ..ServerConfig::default() });
        talk.says(&funnel("\\\\192.168.0.129\\UDP\\7000"));
        talk.hears();
        talk
    }

    /// Up to playing with playIncarnation 9.
    fn playing(config: ServerConfig) -> Self {
        let mut talk = Self::opened(config);
        talk.play(9);
        talk
    }

    fn play(&mut self, incarnation: u32) {
        self.says(&ViewerToMac::StartPlaying(from_begin(incarnation)));
        assert!(matches!(self.event(), Some(ServerEvent::Play(_))));
        self.hears();
    }

    fn says(&mut self, message: &ViewerToMac) {
        let frame = self.framer.frame(self.now, &message.encode());
        self.server.handle_bytes(self.now, &frame).unwrap();
    }

    fn event(&mut self) -> Option<ServerEvent> {
        self.server.poll_event()
    }

    /// What came on the connection.
    fn frames(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(transmit) = self.server.poll_transmit() {
            let ServerTransmit::Stream(bytes) = transmit else { panic!("{transmit:?}") };
            let mut left = &bytes[..];
            while let Some(frame) = self.deframer.next(&mut left).unwrap() {
                frames.push(frame);
            }
        }
        frames
    }

    /// The messages that came, and nothing else.
    fn hears(&mut self) -> Vec<MacToViewer> {
        let message = |frame| match frame {
            Frame::Message { mid, body } => MacToViewer::decode(mid, &body).unwrap(),
            Frame::Data(data) => panic!("{data:?}"),
        };
        self.frames().into_iter().map(message).collect()
    }

    /// The packets that came, by whichever way, and nothing else.
    fn data(&mut self) -> Vec<Data> {
        let mut datagrams = Vec::new();
        while self.server.is_udp()
            && let Some(transmit) = self.server.poll_transmit()
        {
            let ServerTransmit::Datagram { port: 7000, data } = transmit else { panic!("{transmit:?}") };
            datagrams.push(Data::decode(&data).unwrap());
        }
        let data = |frame| if let Frame::Data(data) = frame { data } else { panic!("{frame:?}") };
        datagrams.extend(self.frames().into_iter().map(data));
        datagrams
    }

    /// What is due at the next deadline happens then and not before.
    fn wait(&mut self) -> Result<Duration, Error> {
        let (from, deadline) = (self.now, self.server.poll_timeout().unwrap());
        self.server.handle_timeout(deadline - Duration::from_nanos(1)).unwrap();
        assert_eq!((self.server.poll_timeout(), self.server.poll_transmit()), (Some(deadline), None));
        self.now = deadline;
        self.server.handle_timeout(deadline).map(|()| deadline - from)
    }
}

fn connect(subscriber: &str) -> ViewerToMac {
    ViewerToMac::Connect(Connect { incarnation: 0, subscriber_name: subscriber.to_owned() })
}

fn funnel(name: &str) -> ViewerToMac {
    ViewerToMac::ConnectFunnel(ConnectFunnel { funnel_name: name.to_owned() })
}

fn open(path: &str) -> ViewerToMac {
    ViewerToMac::OpenFile(OpenFile { incarnation: 1, file_name: path.to_owned(), token: Bytes::new() })
}

fn read_block(incarnation: u32) -> ViewerToMac {
    ViewerToMac::ReadBlock(ReadBlock { open_file_id: 1, incarnation })
}

fn entry(source: u16, destination: u16, thinning: u16) -> StreamSwitchEntry {
    StreamSwitchEntry { source, destination, thinning }
}

/// StartPlaying as FFmpeg and libmms write it.
fn from_begin(incarnation: u32) -> StartPlaying {
    StartPlaying {
        open_file_id: 1,
        position: 0.0,
        asf_offset: u32::MAX,
        location_id: u32::MAX,
        frame_offset: 0x00FF_FFFF,
        incarnation,
        accelerate: None,
    }
}

fn content(header: &'static [u8], packet_size: u32) -> Content {
    Content { header: Bytes::from_static(header), packet_size, broadcast: true, ..Content::default() }
}

fn end_of_stream(hr: u32, incarnation: u32) -> MacToViewer {
    MacToViewer::ReportEndOfStream { hr: Hresult(hr), incarnation }
}

#[test]
fn a_recording_is_opened_played_and_ended() {
    let mut talk = Talk::new(ServerConfig { random: [7; 32], ..ServerConfig::default() });
    talk.says(&connect("NSPlayer/7.0.0.1956; {3300AD50-2C39-46C0-AE0A-000000000000}; Host: example.org"));
    let MacToViewer::ReportConnectedEX(connected) = &talk.hears()[0] else { panic!() };
    assert_eq!((connected.hr, connected.server_version.as_deref()), (Hresult::OK, Some("9.01.01.3841")));
    assert!(talk.server.subscriber().unwrap().ends_with("Host: example.org"));

    talk.says(&ViewerToMac::FunnelInfo { incarnation: 0x00F0_F0F0 });
    let (hr, incarnation, client_id) = (Hresult::OK, 0xF0F0_F0EF, 0x0707_0707);
    let info = ReportFunnelInfo { hr, incarnation, client_id, probe: Bytes::new() };
    assert_eq!(talk.hears(), [MacToViewer::ReportFunnelInfo(info)]);
    talk.says(&funnel("\\\\127.0.0.1\\TCP\\1024"));
    assert_eq!(talk.hears(), [MacToViewer::ReportConnectedFunnel { hr: Hresult::OK }]);

    talk.says(&open("/films/one.wmv?x=1"));
    let asked = ServerEvent::Open { path: "films/one.wmv?x=1".to_owned(), credentials: Credentials::None };
    assert_eq!((talk.event(), talk.event()), (Some(asked), None));
    let film = Content {
        header: Bytes::from_static(b"a header of twenty-six bytes"),
        packet_size: 10,
        packet_count: 3,
        broadcast: false,
        seekable: true,
        duration: Some(Duration::from_millis(90_500)),
        bit_rate: 300_000,
    };
    talk.server.open(talk.now, film).unwrap();
    let report = ReportOpenFile {
        hr: Hresult::OK,
        incarnation: 1,
        open_file_id: 1,
        file_attributes: 0x0100_0000,
        file_duration: 90.5,
        file_packet_size: 10,
        file_packet_count: 3,
        file_bit_rate: 300_000,
        file_header_size: 28,
    };
    assert_eq!(talk.hears(), [MacToViewer::ReportOpenFile(report)]);

    talk.says(&read_block(2));
    let frames = talk.frames();
    assert!(matches!(frames[0], Frame::Message { mid: 0x0004_0011, .. }));
    let pieces: Vec<_> = frames[1..]
        .iter()
        .map(|frame| match frame {
            Frame::Data(data) => (data.location_id, data.incarnation, data.af_flags, &data.payload[..]),
            Frame::Message { .. } => panic!(),
        })
        .collect();
    let expected: [(_, _, _, &[u8]); 3] =
        [(0, 2, 4, b"a header o"), (1, 2, 4, b"f twenty-s"), (2, 2, 0x0C, b"ix bytes")];
    assert_eq!(pieces, expected);

    talk.says(&ViewerToMac::StreamSwitch(vec![entry(0xFFFF, 1, 0), entry(0xFFFF, 2, 2)]));
    assert_eq!(talk.hears(), [MacToViewer::ReportStreamSwitch { hr: Hresult::OK }]);
    assert_eq!(talk.event(), None);
    talk.says(&ViewerToMac::StartPlaying(from_begin(9)));
    let (hr, incarnation, tiger_file_id) = (Hresult::OK, 9, 1);
    assert_eq!(talk.hears(), [MacToViewer::ReportStartedPlaying { hr, incarnation, tiger_file_id }]);
    let Some(ServerEvent::Play(play)) = talk.event() else { panic!() };
    assert_eq!((play.start, play.stop, play.pace), (Start::Begin, None, None));
    assert_eq!((play.selected.thinning(1), play.selected.thinning(2)), (Thinning::All, Thinning::Nothing));
    assert!(talk.server.is_playing());

    // Packets are numbered as the host says; those that were left out are no loss.
    for location in [0, 5, 6] {
        talk.server.send_packet(location, &Bytes::from_static(b"packet")).unwrap();
    }
    let packets: Vec<_> = talk.data().iter().map(|data| (data.location_id, data.incarnation, data.af_flags)).collect();
    assert_eq!(packets, [(0, 9, 0), (5, 9, 1), (6, 9, 2)]);
    talk.server.finish(talk.now, Hresult::OK);
    assert_eq!(talk.hears(), [end_of_stream(0, 9)]);

    // Once more, from elsewhere; the numbers of packets go on.
    let again = StartPlaying { position: 10.5, incarnation: 10, frame_offset: 20_000, ..from_begin(10) };
    talk.says(&ViewerToMac::StartPlaying(again));
    let Some(ServerEvent::Play(play)) = talk.event() else { panic!() };
    assert_eq!(play.start, Start::Time(Duration::from_millis(10_500)));
    assert_eq!(play.stop, Some(Stop::At(20 * SECOND)));
    talk.hears();
    talk.server.send_packet(1, &Bytes::from_static(b"packet")).unwrap();
    assert_eq!(talk.data()[0].af_flags, 3);
    talk.says(&ViewerToMac::StopPlaying { open_file_id: 1, incarnation: 10 });
    assert_eq!((talk.event(), talk.hears()), (Some(ServerEvent::Stop), vec![end_of_stream(0, 10)]));
    talk.server.send_packet(2, &Bytes::from_static(b"packet")).unwrap();
    assert_eq!(talk.data(), []);

    talk.says(&ViewerToMac::CloseFile { open_file_id: 1 });
    assert_eq!((talk.event(), talk.event()), (Some(ServerEvent::Closed), None));
    assert_eq!((talk.server.poll_timeout(), talk.server.poll_transmit()), (None, None));
}

#[test]
fn slicing_of_the_input_never_matters() {
    let mut framer = Framer::new();
    let script: Vec<u8> = [
        connect("NSPlayer/9.0.0.2980; {0}"),
        funnel("\\\\1.2.3.4\\TCP\\1"),
        open("cam"),
        ViewerToMac::Pong,
        ViewerToMac::Unknown { mid: 0x0003_0077 },
        ViewerToMac::CloseFile { open_file_id: 1 },
    ]
    .iter()
    .flat_map(|message| framer.frame(epoch(), &message.encode()))
    .collect();
    let now = epoch();
    let run = |size| {
        let mut server = Server::new(ServerConfig::default(), now);
        for slice in script.chunks(size) {
            server.handle_bytes(now, slice).unwrap();
        }
        let transmits: Vec<_> = std::iter::from_fn(|| server.poll_transmit()).collect();
        let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
        (transmits, events)
    };
    let whole = run(script.len());
    assert_eq!((whole.0.len(), whole.1.len()), (2, 2));
    for size in 1..script.len() {
        assert_eq!(run(size), whole, "in slices of {size}");
    }
}

#[test]
fn several_messages_in_one_header_are_all_answered() {
    let mut talk = Talk::new(ServerConfig::default());
    let messages = [connect("NSPlayer/4.1.0.3856"), funnel("\\\\1.2.3.4\\TCP\\1"), open("cam")];
    let body: Vec<u8> = messages.iter().flat_map(ViewerToMac::encode).collect();
    let frame = talk.framer.frame(talk.now, &body);
    talk.server.handle_bytes(talk.now, &frame).unwrap();
    // And none in another.
    let frame = talk.framer.frame(talk.now, &[]);
    talk.server.handle_bytes(talk.now, &frame).unwrap();
    assert_eq!(talk.hears().len(), 2);
    assert!(matches!(talk.event(), Some(ServerEvent::Open { .. })));
}

#[test]
fn only_players_that_would_leave_for_rtsp_are_told_an_old_version() {
    for (subscriber, version) in [
        ("NSPlayer/4.1.0.3856; {0}", "9.01.01.3841"),
        ("NSPlayer/8.0.0.4477", "9.01.01.3841"),
        ("NSPlayer/9.0.0.2980; {0}", "4.1.0.3928"),
        ("NSPlayer/10.0.0.3646", "4.1.0.3928"),
        ("Spoooon!", "9.01.01.3841"),
        ("", "9.01.01.3841"),
    ] {
        let mut talk = Talk::new(ServerConfig::default());
        talk.says(&connect(subscriber));
        let [MacToViewer::ReportConnectedEX(report)] = &talk.hears()[..] else { panic!() };
        assert_eq!(report.server_version.as_deref(), Some(version), "{subscriber}");
    }
}

#[test]
fn where_to_begin_is_said_in_one_of_three_fields() {
    let mut talk = Talk::opened(ServerConfig::default());
    let header = u32::try_from(b"header of 19 bytes.".len()).unwrap();
    for (position, asf_offset, location_id, start) in [
        (0.0, u32::MAX, u32::MAX, Start::Begin),
        (f64::MAX, 0, 0, Start::Begin),
        (2.25, 0, 0, Start::Time(Duration::from_millis(2250))),
        (f64::MAX, 0, 7, Start::Packet(7)),
        (0.0, u32::MAX, 7, Start::Packet(7)),
        (f64::MAX, header + 8 * 7, u32::MAX, Start::Packet(7)),
        (f64::MAX, 3, u32::MAX, Start::Begin),
        (f64::NAN, 0, 0, Start::Begin),
        (-1.0, 0, 0, Start::Begin),
        (f64::INFINITY, 0, 0, Start::Begin),
    ] {
        talk.says(&ViewerToMac::StartPlaying(StartPlaying { position, asf_offset, location_id, ..from_begin(9) }));
        let Some(ServerEvent::Play(play)) = talk.event() else { panic!() };
        assert_eq!(play.start, start, "{position} {asf_offset} {location_id}");
    }
}

#[test]
fn end_and_pace_are_handed_on() {
    let mut talk = Talk::opened(ServerConfig::default());
    let accelerate = Some(Accelerate { bandwidth_bps: 3_500_000, duration_ms: 10_000, link_bandwidth_bps: 0 });
    talk.says(&ViewerToMac::StartPlaying(StartPlaying { frame_offset: 0x8000_1388, accelerate, ..from_begin(9) }));
    let Some(ServerEvent::Play(play)) = talk.event() else { panic!() };
    assert_eq!(play.stop, Some(Stop::After(5 * SECOND)));
    let pace = Pace { accelerate_bandwidth: 3_500_000, accelerate_duration: 10 * SECOND, link_bandwidth: 0 };
    assert_eq!(play.pace, Some(pace));
}

#[test]
fn streams_are_switched_off_in_both_ways_and_swapped() {
    let mut talk = Talk::playing(ServerConfig::default());
    talk.says(&ViewerToMac::StreamSwitch(vec![
        entry(0xFFFF, 1, 0),
        entry(0xFFFF, 2, 1),
        entry(0xFFFF, 3, 2),
        entry(4, 0xFFFF, 0),
        entry(0xFFFF, 0xFFFF, 0),
        entry(0, 300, 0),
    ]));
    let Some(ServerEvent::Select(selected)) = talk.event() else { panic!() };
    let of = |selected: &Selected| [1, 2, 3, 4, 5].map(|number| selected.thinning(number));
    let (all, keys, nothing) = (Thinning::All, Thinning::Keyframes, Thinning::Nothing);
    assert_eq!(of(&selected), [all, keys, nothing, nothing, nothing]);
    talk.says(&ViewerToMac::StreamSwitch(vec![entry(1, 3, 0)]));
    let Some(ServerEvent::Select(selected)) = talk.event() else { panic!() };
    assert_eq!(of(&selected), [nothing, keys, all, nothing, nothing]);
}

#[test]
fn a_player_that_selects_nothing_gets_everything() {
    let mut talk = Talk::opened(ServerConfig::default());
    talk.says(&ViewerToMac::StartPlaying(from_begin(9)));
    let Some(ServerEvent::Play(play)) = talk.event() else { panic!() };
    assert!(play.selected.is_everything());
    assert_eq!(play.selected.thinning(5), Thinning::All);
}

#[test]
fn by_udp_header_and_data_are_datagrams_and_are_sent_again() {
    let mut talk = Talk::opened_udp();
    talk.says(&read_block(2));
    let Some(ServerTransmit::Stream(_)) = talk.server.poll_transmit() else { panic!() };
    assert_eq!(talk.data().len(), 3);
    talk.says(&ViewerToMac::StartPlaying(from_begin(9)));
    talk.server.poll_transmit();
    for location in 0..300 {
        talk.server.send_packet(location, &Bytes::from(location.to_le_bytes().to_vec())).unwrap();
    }
    let first = talk.data();
    assert_eq!((first.len(), first[299].af_flags), (300, 43));

    let client_id = talk.server.client_id();
    let ask = |client_id| RequestPacketListResend { client_id, source_id: 1, packets: vec![280, 299, 300] }.encode();
    talk.server.handle_datagram(talk.now, &ask(client_id ^ 1));
    talk.server.handle_datagram(talk.now, &ask(client_id)[..20]);
    assert_eq!(talk.data(), []);
    assert_eq!(Server::addressee(&ask(client_id)), Some(client_id));
    assert_eq!(Server::addressee(b"noise"), None);
    talk.server.handle_datagram(talk.now, &ask(client_id));
    assert_eq!(talk.data(), [first[280].clone(), first[299].clone()], "unchanged, and not what is yet to come");
}

#[test]
fn a_player_that_wants_udp_is_told_when_there_is_none() {
    let mut talk = Talk::new(ServerConfig::default());
    talk.says(&connect("NSPlayer/7.0"));
    talk.hears();
    talk.says(&funnel("\\\\10.0.0.1\\UDP\\7000"));
    assert_eq!(talk.hears(), [MacToViewer::ReportDisconnectedFunnel { hr: Hresult(0xC00D_000C) }]);
    assert!(!talk.server.is_udp());
    talk.says(&funnel("\\\\10.0.0.1\\TCP\\7000"));
    assert_eq!(talk.hears(), [MacToViewer::ReportConnectedFunnel { hr: Hresult::OK }]);
}

proptest::proptest! {
    #[test]
    fn nothing_that_a_player_does_is_taken_badly(input in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        crate::fuzz::mms_server(&input);
    }
}
