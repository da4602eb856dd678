//! A server that does anything, and a user who plays what it offers.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::epoch;
use crate::wire::{
    Data, Deframer, Frame, Framer, MacToViewer, ReportConnectedEX, ReportFunnelInfo, ReportOpenFile, ReportRedirect,
    ReportStreamChange, RequestPacketListResend, Token, ViewerToMac,
};
use crate::{Config, Event, Hresult, Limits, Pace, Play, Session, Start, Thinning, Transmit, tcp};

/// A server does anything, in any slices, on the connection and in datagrams, while time
/// passes and a user plays what it offers: what the client sends is MMS, and no more than the
/// input gives reason for; its events hold no more bytes than the input; it waits for times
/// that are to come; after an error it does nothing; and slicing does not matter.
///
/// # Panics
/// When that is not so.
pub fn mms_client(input: &[u8]) {
    let Some((size, script)) = input.split_first() else { return };
    let (size, now) = (usize::from(*size) + 1, epoch());
    let told = Show::new(script, size, now).run();
    let whole = Show::new(script, usize::MAX, now).run();
    assert_eq!(told, whole, "in slices of {size}");
}

const LIMITS: Limits = Limits { header: 2048, message: 2048, playlist: 0, reorder: 16 };
/// Incarnations that mean something to a client, or did.
const INCARNATIONS: &[u8] = &[1, 2, 9, 10, 11, 12, 0xFF, 0];

struct Show<'a> {
    client: tcp::Client,
    now: Instant,
    framer: Framer,
    deframer: Deframer,
    /// Steps: a byte that says what, a byte that says how, and for some of them more.
    script: &'a [u8],
    /// Slices in which the client gets its bytes.
    size: usize,
    /// Bytes that the client was given, those of its messages, and those of its events.
    heard: usize,
    said: usize,
    told: usize,
    steps: usize,
    events: Vec<Event>,
    transmits: Vec<Transmit>,
}

impl<'a> Show<'a> {
    fn new(script: &'a [u8], size: usize, now: Instant) -> Self {
        let how = script.first().copied().unwrap_or_default();
        let client = tcp::Client::new(Config {
            host: "h".into(),
            port: 1755,
            path: "/p".into(),
            user: (how & 1 != 0).then(|| "u".into()),
            password: Some("p".into()),
            udp_port: (how & 2 != 0).then_some(7000),
            random: [7; 32],
            unix_time: 0,
            reply_timeout: Duration::from_secs(10),
            limits: LIMITS,
        });
        let deframer = Deframer::new(1 << 16);
        let (events, transmits) = (Vec::new(), Vec::new());
        Self {
            client,
            now,
            framer: Framer::new(),
            deframer,
            script,
            size,
            heard: 0,
            said: 0,
            told: 0,
            steps: 0,
            events,
            transmits,
        }
    }

    fn run(mut self) -> (Vec<Event>, Vec<Transmit>, u64) {
        self.poll();
        while let &[what, how, ref rest @ ..] = self.script {
            self.script = rest;
            self.steps += 1;
            let goes_on = self.step(what, how);
            self.poll();
            if !goes_on {
                assert_eq!(self.client.poll_timeout(), None, "after an error");
                let _ = self.client.handle_bytes(self.now, &[0; 64]);
                let _ = self.client.handle_datagram(self.now, 1755, &[0; 64]);
                assert_eq!(self.client.handle_timeout(self.now + Duration::from_secs(3600)), Ok(()));
                assert_eq!((self.client.poll_event(), self.client.poll_transmit()), (None, None), "after an error");
                break;
            }
        }
        let packets = self.client.statistics().packets;
        (self.events, self.transmits, packets)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.script.split_at(count.min(self.script.len()));
        self.script = rest;
        taken
    }

    /// One step; whether the session goes on.
    fn step(&mut self, what: u8, how: u8) -> bool {
        match what % 10 {
            0 => {
                let bytes = self.take(how.into());
                self.hear(bytes)
            }
            1 => {
                let message = super::message_of(self.take(usize::from(how) % 128), 0x0004_0000);
                let frame = self.framer.frame(self.now, &message);
                self.hear(&frame)
            }
            2 => {
                let frame = self.framer.frame(self.now, &message(how).encode());
                self.hear(&frame)
            }
            3 => (0..4).all(|how| {
                let frame = self.framer.frame(self.now, &message(how).encode());
                self.hear(&frame)
            }),
            4 | 5 => {
                let fields = self.take(3);
                let [location, flags, size] = fields.first_chunk().copied().unwrap_or_default();
                let data = Data {
                    location_id: location.into(),
                    incarnation: INCARNATIONS[usize::from(how) % INCARNATIONS.len()],
                    af_flags: flags,
                    payload: Bytes::copy_from_slice(&[size; 255][..size.into()]),
                };
                let bytes = data.encode().expect("it is short");
                if what.is_multiple_of(2) {
                    return self.hear(&bytes);
                }
                self.heard += bytes.len();
                self.client.handle_datagram(self.now, 1755, &bytes).is_ok()
            }
            6 => {
                let datagram = self.take(how.into());
                self.heard += datagram.len();
                self.client.handle_datagram(self.now, 1755, datagram).is_ok()
            }
            7 => {
                self.now += Duration::from_millis(u64::from(how) * u64::from(how));
                let goes_on = self.client.handle_timeout(self.now).is_ok();
                assert!(self.client.poll_timeout().is_none_or(|at| at > self.now), "what is past is waited for");
                goes_on
            }
            8 => {
                // A user who is wrong is told so, and nothing happens.
                let start = [Start::Begin, Start::Packet(how.into()), Start::Time(Duration::from_secs(how.into()))];
                let pace = Pace {
                    accelerate_bandwidth: how.into(),
                    accelerate_duration: Duration::from_secs(1),
                    link_bandwidth: 1,
                };
                let _ = self.client.play(
                    self.now,
                    &Play {
                        streams: (1..how % 8).map(|number| (number, Thinning::All)).collect(),
                        start: start[usize::from(how) % 3],
                        packet_size: how.into(),
                        pace: Some(pace),
                    },
                );
                true
            }
            _ if how.is_multiple_of(4) => {
                self.client.stop(self.now);
                false
            }
            _ if how % 4 == 1 => {
                let ended = self.client.handle_closed(self.now);
                // One that is to be opened anew goes on.
                ended.is_ok() && self.client.poll_timeout().is_some()
            }
            _ => true,
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> bool {
        self.heard += bytes.len();
        bytes.chunks(self.size).try_for_each(|slice| self.client.handle_bytes(self.now, slice)).is_ok()
    }

    fn poll(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            match &transmit {
                Transmit::Connect => {
                    (self.framer, self.deframer) = (Framer::new(), Deframer::new(1 << 16));
                    self.transmits.push(transmit);
                    self.client.handle_connected(self.now, Ipv4Addr::LOCALHOST.into()).expect("it was asked for");
                    continue;
                }
                Transmit::Stream(bytes) => {
                    self.said += bytes.len();
                    let mut left = &bytes[..];
                    while let Some(frame) = self.deframer.next(&mut left).expect("what is sent is MMS") {
                        let Frame::Message { mid, body } = frame else { panic!("clients send messages") };
                        let message = ViewerToMac::decode(mid, &body).expect("what is sent is MMS");
                        assert!(!matches!(message, ViewerToMac::Unknown { .. }));
                    }
                }
                Transmit::Datagram { data, .. } => {
                    RequestPacketListResend::decode(data).expect("datagrams are resend requests");
                }
            }
            self.transmits.push(transmit);
        }
        // A message of 16 bytes may be reason for a log of 1536. The user, the time and a new
        // connection are reason for a few messages each step.
        assert!(self.said <= 100 * self.heard + 4096 * (self.steps + 1));
        while let Some(event) = self.client.poll_event() {
            self.told += match &event {
                Event::Header(header) => header.len(),
                Event::Packet(packet) => packet.data.len(),
                _ => 0,
            };
            self.events.push(event);
        }
        assert!(self.told <= self.heard);
    }
}

/// Messages with which a session goes on; the first four open a file.
fn message(how: u8) -> MacToViewer {
    let hr = Hresult(if how & 0x80 == 0 { 0 } else { 0x8000_4005 });
    let played = u32::from(how >> 4 & 3) + 10;
    match how % 16 {
        0 => MacToViewer::ReportConnectedEX(ReportConnectedEX {
            hr,
            server_version: Some(if how & 16 == 0 { "9.0" } else { "4.1" }.into()),
            authen_package: Some(if how & 32 == 0 { "NTLM" } else { "BASIC" }.into()),
            ..Default::default()
        }),
        1 => MacToViewer::ReportFunnelInfo(ReportFunnelInfo { hr, incarnation: 0, client_id: 5, probe: Bytes::new() }),
        2 => MacToViewer::ReportConnectedFunnel { hr },
        3 => MacToViewer::ReportOpenFile(ReportOpenFile {
            hr,
            open_file_id: 1,
            file_attributes: u32::from(how & 16) << 21,
            file_packet_size: 200,
            file_packet_count: u64::from(how & 32),
            file_bit_rate: u32::from(how & 64) * 1000,
            file_header_size: 100,
            ..Default::default()
        }),
        4 => MacToViewer::ReportReadBlock { hr, incarnation: u32::from(how >> 4 & 7) },
        5 => MacToViewer::ReportStreamSwitch { hr },
        6 => MacToViewer::ReportStartedPlaying { hr, incarnation: played, tiger_file_id: 0 },
        7 => MacToViewer::ReportEndOfStream { hr: Hresult(hr.0 | u32::from(how >> 4 & 1)), incarnation: played },
        8 => MacToViewer::ReportStreamChange(ReportStreamChange {
            hr,
            tcp_hdr_incarnation: 0xFF,
            packet_size: 100,
            header_size: 100,
            bit_rate: 1000,
        }),
        9 => MacToViewer::ReportDisconnectedFunnel { hr },
        10 => MacToViewer::SecurityChallenge { incarnation: 9, cookie: 1, token: Bytes::from_static(&[0, 0]) },
        11 => {
            let token = Token::ntlm(how & 16 != 0, &[b"NTLMSSP\0\x02\0\0\0".as_slice(), &[how; 60]].concat());
            MacToViewer::SecurityChallenge { incarnation: 9, cookie: 2, token: token.into() }
        }
        12 => MacToViewer::SecurityChallenge { incarnation: 9, cookie: 3, token: Token::basic_challenge("r").into() },
        13 => {
            MacToViewer::ReportRedirect(ReportRedirect { hr, redirect_type: u16::from(how >> 4), location: "l".into() })
        }
        14 => MacToViewer::Ping,
        _ => MacToViewer::ReportStartStriding { hr, incarnation: played },
    }
}
