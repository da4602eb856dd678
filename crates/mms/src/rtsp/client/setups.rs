//! Which streams are set up, how and in which order ([MS-RTSP] 3.1.4.3).

use std::collections::{BTreeSet, VecDeque};
use std::time::Instant;

use bytes::Bytes;

use super::super::transport::{self, Transport};
use super::{Client, Phase, Request, Setup};
use crate::{Error, Play, Start, Thinning, Transmit};

impl Client {
    /// The streams that are wanted, in the order in which they are set up.
    fn setups(&self, play: &Play) -> VecDeque<Setup> {
        let mut setups: VecDeque<Setup> = VecDeque::new();
        let mut channel = 0u8;
        for media in &self.description.media {
            let Some(number) = media.stream else { continue };
            let wanted =
                play.streams.iter().find(|(stream, _)| u32::from(*stream) == number).map(|(_, thinning)| *thinning);
            let retransmission = media.is_retransmission();
            if setups.iter().any(|setup| setup.number == number) {
                continue;
            }
            // Over TCP the server refuses its stream of retransmissions.
            if !(retransmission && self.udp || matches!(wanted, Some(Thinning::All | Thinning::Keyframes))) {
                continue;
            }
            let client_port = self.config.udp_port.filter(|_| self.udp).map(|port| match retransmission {
                // Must be another port than the others' ([MS-RTSP] 2.2.7.10.1). Nothing comes
                // there, since we ask for nothing again.
                true if port < u16::MAX - 1 => (port + 1, port + 2),
                true => (port - 2, port - 1),
                false => (port, port),
            });
            let interleaved = (!self.udp).then_some((channel, channel | 1));
            channel = channel.wrapping_add(2);
            let setup = Setup {
                number,
                url: transport::line_safe(&transport::control_url(&self.facts.base, media.control.as_deref())),
                retransmission,
                keyframes: wanted == Some(Thinning::Keyframes) && self.facts.switches,
                transport: Transport { udp: self.udp, client_port, interleaved, ..Transport::default() },
            };
            // First, or servers refuse the others.
            if retransmission { setups.push_front(setup) } else { setups.push_back(setup) }
        }
        setups
    }

    pub(super) fn set_up(&mut self, now: Instant, play: &Play) -> Result<(), Error> {
        let setups = self.setups(play);
        if setups.iter().all(|setup| setup.retransmission) {
            let numbers: Vec<_> = self.description.media.iter().filter_map(|media| media.stream).collect();
            return Err(self.fail(Error::Malformed {
                message: "SDP",
                what: format!("none of the streams that are wanted is among those described: {numbers:?}"),
            }));
        }
        let first = match play.start {
            Start::Packet(number) => number,
            Start::Begin | Start::Time(_) => 0,
        };
        self.receiver.renew(self.description.asf_types(), first);
        self.phase = Phase::SettingUp(setups);
        self.next_setup(now);
        Ok(())
    }

    /// Sets the next stream up, or starts when all are.
    pub(super) fn next_setup(&mut self, now: Instant) {
        let Phase::SettingUp(setups) = &mut self.phase else { return };
        if let Some(setup) = setups.pop_front() {
            return self.ask(now, Request::Setup(setup));
        }
        self.phase = Phase::Starting;
        self.flows = false;
        self.last_packet = Some(now);
        // Opens the way through a firewall of ours: an RTP header without anything.
        let ports: BTreeSet<_> = self.receiver.server_ports().map(|(port, _)| port).collect();
        for port in ports {
            let data = Bytes::from_static(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            self.transmits.push_back(Transmit::Datagram { port, data });
        }
        self.ask(now, Request::Play);
    }
}
