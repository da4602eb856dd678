//! Data packets: pieces of headers, and packets of ASF ([MS-MMSP] 3.1.5.12, 3.1.5.17).

use std::time::{Duration, Instant};

use super::{Client, State};
use crate::tcp::reorder::ASK_AFTER;
use crate::wire::{DATA_HEADER, Data, INCARNATION_UNASKED, ReportStreamChange};
use crate::{Error, Event, Packet};

/// Most bytes of Data packets that nobody asked for, in a row. What was under way when a
/// request was taken back is less; more is a connection out of step.
const MOST_UNASKED: u64 = 256 << 10;

/// Counts what is lost on a TCP connection: packets that the server left out.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    last: Option<u8>,
    /// The next packet is the first after a StartPlaying.
    is_new: bool,
    /// Lost, and not told yet.
    lost: u32,
    /// When the first packet came.
    pub(super) began: Option<Instant>,
    /// LocationId of the last packet.
    location: u32,
}

impl Sequence {
    /// The largest step from one StartPlaying's packets to the next one's that counts as loss.
    const MOST_LOST_BETWEEN: u8 = 64;

    pub(super) fn begin(&mut self) {
        self.is_new = true;
    }

    /// Another connection, which counts from the begin.
    pub(super) fn restart(&mut self) {
        *self = Self { began: self.began, ..Self::default() };
    }

    /// A packet came; how many were lost before it.
    fn count(&mut self, af_flags: u8) -> u32 {
        let is_new = std::mem::take(&mut self.is_new);
        let step = self.last.map_or(0, |last| af_flags.wrapping_sub(last).wrapping_sub(1));
        let left_out = match self.last {
            // Servers that do not count send the same number always.
            _ if step == 0xFF => 0,
            // 0xFF may be left out when counting begins anew ([MS-MMSP] 2.2.2).
            Some(0xFE) if is_new && af_flags == 0 => 0,
            _ if is_new && step > Self::MOST_LOST_BETWEEN => 0,
            _ => step,
        };
        self.last = Some(af_flags);
        u32::from(left_out)
    }
}

/// The time after ReportEndOfStream in which datagrams may still come: the message does not
/// wait for them, and the last ones may be lost.
#[derive(Debug)]
pub(super) struct Drain {
    /// Another entry follows.
    pub(super) goes_on: bool,
    /// It may as well not: an old server does not say which.
    pub(super) may_be_the_end: bool,
    /// The next entry, which is begun when this one is told whole.
    pub(super) change: Option<ReportStreamChange>,
    /// When it has been quiet for long enough to ask for packets behind the last.
    quiet_at: Instant,
    /// How often they have been asked for since one came.
    probes: u8,
    until: Instant,
}

/// What a [`Drain`] wants done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrainStep {
    /// Nothing yet.
    Wait,
    /// Ask for packets behind the last one, in case there were any.
    Probe,
    /// No more comes.
    End,
}

impl Drain {
    /// How many packets are asked for behind the last.
    pub(super) const TAIL: u64 = 8;
    const MOST_PROBES: u8 = 3;
    const LONGEST: Duration = Duration::from_secs(5);

    pub(super) fn new(now: Instant, goes_on: bool, may_be_the_end: bool) -> Self {
        let (quiet_at, until) = (now + ASK_AFTER, now + Self::LONGEST);
        Self { goes_on, may_be_the_end, change: None, quiet_at, probes: 0, until }
    }

    fn handle_data(&mut self, now: Instant) {
        (self.quiet_at, self.probes) = (now + ASK_AFTER, 0);
    }

    pub(super) fn handle_timeout(&mut self, now: Instant, is_complete: bool) -> DrainStep {
        if now >= self.until || self.probes > Self::MOST_PROBES && is_complete {
            return DrainStep::End;
        }
        if now < self.deadline() {
            return DrainStep::Wait;
        }
        self.probes += 1;
        self.quiet_at = now + ASK_AFTER;
        match self.probes > Self::MOST_PROBES {
            true if is_complete => DrainStep::End,
            // From now on the gaps' own time counts.
            true => DrainStep::Wait,
            false => DrainStep::Probe,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        if self.probes > Self::MOST_PROBES {
            return self.until;
        }
        self.until.min(self.quiet_at)
    }
}

impl Client {
    /// A Data packet on the TCP connection.
    pub(super) fn handle_stream_data(&mut self, now: Instant, data: Data) -> Result<(), Error> {
        let size = (data.payload.len() + DATA_HEADER) as u64;
        let incarnation = data.incarnation;
        if data.is_packet_pair() || self.handle_data(now, data)? || matches!(self.state, State::Ended) {
            self.unasked = 0;
            return Ok(());
        }
        self.unasked = self.unasked.saturating_add(size);
        if self.unasked <= MOST_UNASKED {
            return Ok(());
        }
        let what = format!("{} bytes of packets that were not asked for, of incarnation {incarnation}", self.unasked);
        Err(Error::Malformed { message: "Data", what: format!("{what}; is the connection out of step?") })
    }

    /// A Data packet; whether it is what was asked for.
    pub(super) fn handle_data(&mut self, now: Instant, data: Data) -> Result<bool, Error> {
        if let Some(silence) = &mut self.silence {
            silence.handle_bytes(now);
        }
        let incarnation = data.incarnation;
        match &self.state {
            State::Header if self.header.is_of(incarnation) => {
                self.header.has_pieces = true;
                self.arm_header_timer(now);
                let header = self.header.pieces.insert(&data, &self.config.limits)?;
                if let Some(header) = header {
                    self.events.push_back(Event::Header(header));
                    self.unanswered += 1;
                    self.state = State::Ready;
                    self.deadline = None;
                }
                Ok(true)
            }
            State::Ready | State::Starting | State::Streaming | State::Draining(_) if self.is_played(incarnation) => {
                self.handle_packet(now, data);
                Ok(true)
            }
            // The header's pieces, again.
            State::Ready | State::Starting if self.header.is_of(incarnation) => Ok(true),
            _ => {
                self.statistics.useless += 1;
                Ok(false)
            }
        }
    }

    fn is_played(&self, incarnation: u8) -> bool {
        let unasked = self.incarnations.unasked;
        self.incarnations.playing == Some(incarnation)
            || unasked.is_some_and(|unasked| incarnation == unasked || incarnation == INCARNATION_UNASKED)
    }

    fn handle_packet(&mut self, now: Instant, data: Data) {
        self.start_streaming();
        self.sequence.began.get_or_insert(now);
        let size = data.payload.len() as u64;
        let is_useful = size > 0 && self.server.packet_size.is_none_or(|most| size <= u64::from(most));
        self.statistics.useless += u64::from(!is_useful);
        if self.is_udp {
            if !self.reorder.insert(now, data, is_useful) {
                return;
            }
            if let State::Draining(drain) = &mut self.state {
                drain.handle_data(now);
            }
            self.tell_in_order();
            self.end_drain_if_all_came(now);
        } else {
            let left_out = self.sequence.count(data.af_flags) + u32::from(!is_useful);
            self.sequence.lost = self.sequence.lost.saturating_add(left_out);
            self.statistics.lost += u64::from(left_out);
            self.statistics.lost_in_a_row = self.statistics.lost_in_a_row.max(self.sequence.lost.into());
            if is_useful {
                let lost = std::mem::take(&mut self.sequence.lost);
                self.tell(lost, data);
            }
        }
        if let Some(silence) = &mut self.silence {
            silence.handle_data(now);
        }
    }

    /// ReportStartedPlaying came, or data, which says the same.
    pub(super) fn start_streaming(&mut self) {
        if matches!(self.state, State::Starting) {
            self.state = State::Streaming;
            self.deadline = None;
        }
    }

    /// Tells of the packets from datagrams that are in order by now.
    pub(super) fn tell_in_order(&mut self) {
        while let Some((lost, data)) = self.reorder.poll() {
            self.tell(lost, data);
        }
    }

    fn tell(&mut self, lost: u32, data: Data) {
        self.statistics.packets += 1;
        self.statistics.bytes += data.payload.len() as u64;
        self.sequence.location = data.location_id;
        self.events.push_back(Event::Packet(Packet { location: data.location_id, lost, data: data.payload }));
    }

    /// Whether the last packet of the file has come.
    pub(super) fn has_all(&self) -> bool {
        let count = self.server.file.as_ref().map_or(0, |file| file.file_packet_count);
        count > 0 && self.statistics.packets > 0 && u64::from(self.sequence.location) + 1 >= count
    }

    /// Waits no longer for datagrams where the last packet of the file has come.
    pub(super) fn end_drain_if_all_came(&mut self, now: Instant) {
        if matches!(self.state, State::Draining(_)) && self.reorder.is_complete() && self.has_all() {
            self.end_drain(now);
        }
    }

    /// No more datagrams come.
    pub(super) fn end_drain(&mut self, now: Instant) {
        self.reorder.flush();
        self.tell_in_order();
        if let State::Draining(drain) = std::mem::replace(&mut self.state, State::Streaming) {
            self.end_entry(now, drain);
        }
    }
}
