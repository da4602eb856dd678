//! A player that does anything, and a host that answers it.

use std::time::{Duration, Instant};

use super::epoch;
use crate::wire::{Data, Deframer, Frame, Framer, MacToViewer, RequestPacketListResend};
use crate::{Challenge, Content, Hresult, Server, ServerConfig, ServerEvent, ServerTransmit};

/// A player does anything, in any slices, and a host answers: what the server sends is MMS,
/// what waits in it is bounded, and slicing does not matter.
///
/// # Panics
/// When that is not so.
pub fn mms_server(input: &[u8]) {
    let Some((size, script)) = input.split_first() else { return };
    let (size, now) = (usize::from(*size) + 1, epoch());
    let (sent, events) = Play::new(script, size, now).run();
    let whole = Play::new(script, usize::MAX, now).run();
    assert_eq!((&sent, &events), (&whole.0, &whole.1), "in slices of {size}");
    let mut deframer = Deframer::new(1 << 20);
    for transmit in sent {
        match transmit {
            ServerTransmit::Datagram { data, .. } => {
                Data::decode(&data).expect("datagrams are Data packets");
            }
            ServerTransmit::Stream(bytes) => {
                let mut left = &bytes[..];
                while let Some(frame) = deframer.next(&mut left).expect("what is sent is MMS") {
                    if let Frame::Message { mid, body } = frame {
                        let message = MacToViewer::decode(mid, &body).expect("what is sent is MMS");
                        assert!(!matches!(message, MacToViewer::Unknown { .. }));
                    }
                }
            }
        }
    }
}

/// Most events that may wait: one of a kind.
const MOST_EVENTS: usize = 5;
/// Most bytes that the server may have waiting when a player asks for more.
const UNSENT: usize = 4096;

struct Play<'a> {
    server: Server,
    now: Instant,
    framer: Framer,
    /// Steps: a byte that says what, a byte that says how, and for some of them more.
    script: &'a [u8],
    /// Slices in which the server gets its bytes.
    size: usize,
    sent: Vec<ServerTransmit>,
    events: Vec<ServerEvent>,
}

impl<'a> Play<'a> {
    fn new(script: &'a [u8], size: usize, now: Instant) -> Self {
        let config =
            ServerConfig { udp: true, random: [1; 32], unsent: UNSENT, resend_packets: 20, ..ServerConfig::default() };
        let server = Server::new(config, now);
        Self { server, now, framer: Framer::new(), script, size, sent: Vec::new(), events: Vec::new() }
    }

    fn run(mut self) -> (Vec<ServerTransmit>, Vec<ServerEvent>) {
        while let &[what, how, ref rest @ ..] = self.script {
            self.script = rest;
            if !self.step(what, how) {
                assert_eq!((self.server.poll_timeout(), self.server.poll_event()), (None, None));
                break;
            }
            assert!(self.server.poll_timeout().is_none_or(|at| at > self.now) || what % 8 != 3);
        }
        self.drain();
        (self.sent, self.events)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.script.split_at(count.min(self.script.len()));
        self.script = rest;
        taken
    }

    /// One step; whether the session goes on.
    fn step(&mut self, what: u8, how: u8) -> bool {
        match what % 8 {
            0 => {
                let bytes = self.take(how.into());
                self.hear(bytes)
            }
            // A message that is framed as it should be.
            1 => {
                let message = super::message_of(self.take(usize::from(how) % 128), 0x0003_0000);
                let frame = self.framer.frame(self.now, &message);
                self.hear(&frame)
            }
            2 => {
                let packets = self.take(usize::from(how) % 40).iter().map(|number| u32::from(*number)).collect();
                let request = RequestPacketListResend { client_id: self.server.client_id(), source_id: 1, packets };
                self.server.handle_datagram(self.now, &request.encode());
                let noise = self.take(usize::from(how) % 7);
                self.server.handle_datagram(self.now, noise);
                true
            }
            3 => {
                self.now += Duration::from_millis(u64::from(how) * u64::from(how) * 20);
                self.server.handle_timeout(self.now).is_ok()
            }
            4 => {
                // A host that is wrong is told so, and nothing happens.
                let _ = match how % 6 {
                    0 => self.server.refuse(self.now, Hresult::NOT_FOUND),
                    1 => self.server.redirect(self.now, "mms://other"),
                    2 => self.server.challenge(self.now, &Challenge::Ntlm(vec![how; 40].into())),
                    3 => self.server.challenge(self.now, &Challenge::Basic { realm: "r".to_owned() }),
                    _ => self.server.open(self.now, content(how)),
                };
                true
            }
            5 => {
                for location in 0..u32::from(how % 32) {
                    let _ = self.server.send_packet(location, &vec![how; usize::from(how)].into());
                }
                true
            }
            6 if how & 1 == 0 => {
                self.server.finish(self.now, Hresult::OK);
                true
            }
            6 => {
                let _ = self.server.change(self.now, content(how));
                true
            }
            _ => {
                self.drain();
                true
            }
        }
    }

    fn hear(&mut self, bytes: &[u8]) -> bool {
        bytes.chunks(self.size).try_for_each(|slice| self.server.handle_bytes(self.now, slice)).is_ok()
    }

    fn drain(&mut self) {
        self.sent.extend(std::iter::from_fn(|| self.server.poll_transmit()));
        let before = self.events.len();
        self.events.extend(std::iter::from_fn(|| self.server.poll_event()));
        assert!(self.events.len() - before <= MOST_EVENTS);
    }
}

fn content(how: u8) -> Content {
    let header = vec![how; usize::from(how) * 3].into();
    Content { header, packet_size: u32::from(how) + 20, broadcast: how & 1 == 0, ..Content::default() }
}
