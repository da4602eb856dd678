//! When something must have happened ([MS-MMSP] 3.1.2, 3.1.6, and what it leaves out).

use std::time::{Duration, Instant};

use super::data::{Drain, DrainStep};
use super::{Client, State};
use crate::tcp::pieces::Pieces;
use crate::wire::{RequestPacketListResend, ViewerToMac};
use crate::{Error, Transmit};

/// Bounds of the time for a header in datagrams ([MS-MMSP] 3.1.2).
const HEADER_TIME: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// How often a header in datagrams is asked for again ([MS-MMSP] 3.1.6.1).
const MOST_RETRIES: u8 = 4;
/// How long no datagram at all may come after ReportReadBlock before TCP is used instead.
const NO_DATAGRAMS: Duration = Duration::from_secs(3);
/// How long a header that is to come by itself is waited for before it is asked for.
pub(super) const TCP_ASK_HEADER: Duration = Duration::from_secs(2);

/// The end of waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
    waiting_for: &'static str,
    after: Duration,
}

impl Deadline {
    pub(super) fn new(now: Instant, waiting_for: &'static str, after: Duration) -> Self {
        Self { at: now + after, waiting_for, after }
    }
}

/// A header that is waited for.
#[derive(Debug, Default)]
pub(super) struct HeaderWait {
    pub(super) pieces: Pieces,
    /// What its pieces may carry: that of each ReadBlock for it, or what a stream change says.
    pub(super) incarnations: Vec<u8>,
    /// The server has said that it sends the header.
    pub(super) is_promised: bool,
    /// A stream change on TCP brings it.
    pub(super) comes_unasked: bool,
    /// A piece has come.
    pub(super) has_pieces: bool,
    /// When to ask for it again.
    pub(super) ask_at: Option<Instant>,
    retries: u8,
    /// When to give datagrams up, unless one has come.
    give_up_at: Option<Instant>,
}

impl HeaderWait {
    pub(super) fn is_of(&self, incarnation: u8) -> bool {
        self.incarnations.contains(&incarnation)
    }

    /// Whether a ReadBlock of this incarnation was taken back.
    pub(super) fn is_cancelled(&self, incarnation: u8) -> bool {
        self.is_of(incarnation) && self.incarnations.last() != Some(&incarnation)
    }
}

impl Client {
    /// How long the pieces of the header take in datagrams: 1 s, and their time on a line of
    /// the content's bit rate, which is how fast servers send them ([MS-MMSP] 3.1.5.9.1).
    pub(super) fn header_time(&self) -> Duration {
        let (least, most) = HEADER_TIME;
        let bits = u64::from(self.server.header_size) * 8000;
        let transfer = bits.checked_div(self.server.bit_rate.into()).map_or(Duration::ZERO, Duration::from_millis);
        most.min(least + transfer)
    }

    /// The server has said that it sends the header.
    pub(super) fn wait_for_header(&mut self, now: Instant) {
        if self.is_udp {
            // Its own timers tell more.
            self.deadline = None;
            self.arm_header_timer(now);
            self.header.give_up_at = Some(now + NO_DATAGRAMS).filter(|_| !self.has_datagrams);
        } else {
            let after = self.config.reply_timeout + self.header_time();
            self.deadline = Some(Deadline::new(now, "ASF file header", after));
        }
    }

    /// Datagrams with pieces of the header are on their way, and may be lost.
    pub(super) fn arm_header_timer(&mut self, now: Instant) {
        if self.is_udp && self.header.ask_at.is_none() {
            self.header.ask_at = Some(now + self.header_time());
        }
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let reply = self.deadline.map(|deadline| deadline.at);
        let of_state = match &self.state {
            State::Header => {
                [self.header.ask_at, self.header.give_up_at.filter(|_| !self.has_datagrams)].into_iter().flatten().min()
            }
            State::Streaming => self.silence.map(|silence| silence.deadline()),
            State::Draining(drain) => Some(drain.deadline()),
            _ => None,
        };
        let reorder = matches!(self.state, State::Starting | State::Streaming | State::Draining(_))
            .then(|| self.reorder.poll_timeout())
            .flatten();
        [reply, of_state, reorder].into_iter().flatten().min()
    }

    pub(super) fn handle_deadlines(&mut self, now: Instant) -> Result<(), Error> {
        if let Some(Deadline { at, waiting_for, after }) = self.deadline
            && at <= now
        {
            return Err(Error::Timeout { waiting_for, after });
        }
        match &self.state {
            State::Header => self.handle_header_timers(now),
            State::Streaming => self.silence.map_or(Ok(()), |silence| silence.check(now))?,
            _ => (),
        }
        if matches!(self.state, State::Starting | State::Streaming | State::Draining(_)) {
            self.reorder.handle_timeout(now);
            self.tell_in_order();
            for packets in self.reorder.ask(now) {
                self.ask_again(packets);
            }
        }
        if matches!(self.state, State::Draining(_)) {
            self.handle_drain(now);
        }
        Ok(())
    }

    fn handle_header_timers(&mut self, now: Instant) {
        let has_passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if has_passed(self.header.give_up_at) && !self.has_datagrams {
            return self.go_on_over_tcp(now);
        }
        if !has_passed(self.header.ask_at) {
            return;
        }
        self.header.ask_at = None;
        if !self.is_udp {
            // It did not come by itself.
            if !self.header.has_pieces {
                self.read_block(now);
            }
        } else if self.header.retries >= MOST_RETRIES {
            self.go_on_over_tcp(now);
        } else {
            self.header.retries += 1;
            if let Some(incarnation) = self.header.incarnations.last() {
                let incarnation = u32::from(*incarnation);
                self.send(now, &ViewerToMac::CancelReadBlock { incarnation });
            }
            self.read_block(now);
            self.arm_header_timer(now);
        }
    }

    /// Asks the server to send packets again.
    fn ask_again(&mut self, packets: Vec<u32>) {
        let (Some(client_id), Some(open_file_id)) = (self.server.client_id, self.open_file_id()) else { return };
        let request = RequestPacketListResend { client_id, source_id: open_file_id as u16, packets };
        self.transmits.push_back(Transmit::Datagram { port: self.config.port, data: request.encode() });
    }

    fn handle_drain(&mut self, now: Instant) {
        let State::Draining(drain) = &mut self.state else { return };
        match drain.handle_timeout(now, self.reorder.is_complete()) {
            DrainStep::Wait => (),
            DrainStep::Probe => {
                let tail = self.reorder.tail(Drain::TAIL);
                self.ask_again(tail);
            }
            DrainStep::End => self.end_drain(now),
        }
    }
}
