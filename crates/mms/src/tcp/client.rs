//! The client's session ([MS-MMSP] 3.1).

mod answers;
mod data;
mod deadlines;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use self::data::{Drain, Sequence};
use self::deadlines::{Deadline, HeaderWait};
use super::naming;
use super::reorder::Reorder;
use super::security::Security;
use super::silence::Silence;
use crate::wire::{
    Accelerate, ClientLog, Connect, Deframer, Frame, Framer, ReportOpenFile, StartPlaying, StreamSwitchEntry,
    ViewerToMac,
};
use crate::{Config, Error, Event, Play, Session, Start, Thinning, Transmit, wire};

/// A client of MMS over TCP, or over UDP where [`Config::udp_port`] is set.
///
/// ```text
/// Connect → FunnelInfo → ConnectFunnel → OpenFile (→ SecurityResponse …) → ReadBlock
///   → Event::Header → play: StreamSwitch, StartPlaying → Event::Packet …
///   → Event::EntryEnded → Event::Header → play … → Event::Ended
/// ```
///
/// Where no datagram comes through to us, or the server has none, the session goes on over
/// TCP by itself; a [`Transmit::Connect`] in its midst asks for a new connection then.
#[derive(Debug)]
pub struct Client {
    config: Config,
    /// Data comes in datagrams.
    is_udp: bool,
    local: IpAddr,
    state: State,
    deframer: Deframer,
    framer: Framer,
    transmits: VecDeque<Transmit>,
    events: VecDeque<Event>,
    server: Server,
    security: Security,
    incarnations: Incarnations,
    /// The answer that is waited for, and until when.
    deadline: Option<Deadline>,
    header: HeaderWait,
    /// Packets of ASF as they come on TCP, and as they come in datagrams.
    sequence: Sequence,
    reorder: Reorder,
    silence: Option<Silence>,
    /// Whether [`Event::Opened`] has been told.
    has_opened: bool,
    /// Headers that have been told and not been answered. With data at their heels, the
    /// next one may come before.
    unanswered: usize,
    /// Bytes of Data packets that nobody asked for, since the last thing that was.
    unasked: u64,
    /// A datagram has come.
    has_datagrams: bool,
    statistics: Statistics,
}

/// What has come so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Data packets that carried a packet of ASF.
    pub packets: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Most of them in a row.
    pub lost_in_a_row: u64,
    /// Packets that the server was asked to send again.
    pub asked_again: u64,
    /// Those of them that came.
    pub recovered: u64,
    /// Packets that came more than once.
    pub repeated: u64,
    /// Packets and datagrams that were of no use: broken, too long, or unasked for.
    pub useless: u64,
}

/// What is waited for.
#[derive(Debug)]
enum State {
    /// The connection.
    Unconnected,
    /// ReportConnectedEX.
    Connect,
    /// ReportFunnelInfo.
    FunnelInfo,
    /// ReportConnectedFunnel.
    ConnectFunnel,
    /// ReportOpenFile, or one of the messages that come in its place.
    OpenFile,
    /// The pieces of a header, [`Client::header`].
    Header,
    /// That the user answers the header. Data may come before, after a stream change.
    Ready,
    /// ReportStartedPlaying, or the first data.
    Starting,
    /// Data.
    Streaming,
    /// The last datagrams, after the message that there are no more.
    Draining(Drain),
    /// ReportStreamChange.
    Between {
        /// A server that sends no more is done.
        may_be_the_end: bool,
    },
    /// Nothing: the content is over, and the server in state READY.
    Ended,
    /// Nothing: the session is over.
    Over,
}

/// What the server has told of itself and of the file.
#[derive(Debug, Default)]
struct Server {
    version: Option<String>,
    major: Option<u32>,
    authen_package: Option<String>,
    /// For resend requests; 0 until it is told.
    client_id: Option<u32>,
    file: Option<ReportOpenFile>,
    /// Most bytes of an ASF packet of the present entry, if that is known.
    packet_size: Option<u32>,
    header_size: u32,
    bit_rate: u32,
}

/// playIncarnation, and who has which ([MS-MMSP] 3.1.1): 1 to 8 for headers, 9 to 254 for data.
#[derive(Debug)]
struct Incarnations {
    next_header: u8,
    next_play: u8,
    /// That of the last StartPlaying, until the next header.
    playing: Option<u8>,
    /// That of the last StartPlaying.
    played: u8,
    /// What data carries that a stream change on TCP brought.
    unasked: Option<u8>,
}

impl Incarnations {
    const HEADER: std::ops::RangeInclusive<u8> = 1..=8;
    const PLAY: std::ops::RangeInclusive<u8> = 9..=254;

    fn new() -> Self {
        Self {
            next_header: *Self::HEADER.start(),
            next_play: *Self::PLAY.start(),
            playing: None,
            played: 0,
            unasked: None,
        }
    }

    fn header(&mut self) -> u8 {
        let next = self.next_header;
        self.next_header = if next < *Self::HEADER.end() { next + 1 } else { *Self::HEADER.start() };
        next
    }

    fn play(&mut self) -> u8 {
        let next = self.next_play;
        self.next_play = if next < *Self::PLAY.end() { next + 1 } else { *Self::PLAY.start() };
        next
    }
}

impl Client {
    /// A session that first asks for its connection.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut client = Self {
            is_udp: config.udp_port.is_some(),
            local: Ipv4Addr::UNSPECIFIED.into(),
            state: State::Unconnected,
            deframer: Deframer::new(config.limits.message),
            framer: Framer::new(),
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            server: Server::default(),
            security: Security::default(),
            incarnations: Incarnations::new(),
            deadline: None,
            header: HeaderWait::default(),
            sequence: Sequence::default(),
            reorder: Reorder::new(config.limits.reorder),
            silence: None,
            has_opened: false,
            unanswered: 0,
            unasked: 0,
            has_datagrams: false,
            statistics: Statistics::default(),
            config,
        };
        client.transmits.push_back(Transmit::Connect);
        client
    }

    /// Whether data comes, or is to come, in datagrams. It may not although it should: see [`Client`].
    #[must_use]
    pub fn is_udp(&self) -> bool {
        self.is_udp
    }

    /// What has come so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let counts = self.reorder.counts;
        let Statistics { packets, bytes, lost, lost_in_a_row, useless, .. } = self.statistics;
        Statistics {
            packets,
            bytes,
            lost: lost + counts.lost,
            lost_in_a_row: lost_in_a_row.max(counts.lost_in_a_row),
            asked_again: counts.asked,
            recovered: counts.recovered,
            repeated: counts.repeated,
            useless,
        }
    }

    /// Opens the session anew, with data on the TCP connection.
    fn go_on_over_tcp(&mut self, now: Instant) {
        let unanswered = self.unanswered;
        self.leave(now);
        self.unanswered = unanswered;
        self.is_udp = false;
        self.state = State::Unconnected;
        self.deframer = Deframer::new(self.config.limits.message);
        self.framer = Framer::new();
        self.server = Server::default();
        self.security = Security::default();
        self.incarnations = Incarnations::new();
        self.deadline = None;
        self.header = HeaderWait::default();
        self.sequence.restart();
        self.silence = None;
        self.unasked = 0;
        self.transmits.push_back(Transmit::Connect);
    }

    fn send(&mut self, now: Instant, message: &ViewerToMac) {
        let frame = self.framer.frame(now, &message.encode());
        self.transmits.push_back(Transmit::Stream(frame));
    }

    /// Sends a request whose answer is waited for.
    fn ask(&mut self, now: Instant, message: &ViewerToMac, waiting_for: &'static str) {
        self.send(now, message);
        self.deadline = Some(Deadline::new(now, waiting_for, self.config.reply_timeout));
    }

    fn open_file_id(&self) -> Option<u32> {
        self.server.file.as_ref().map(|file| file.open_file_id)
    }

    fn is_broadcast(&self) -> bool {
        self.server.file.as_ref().is_some_and(|file| file.file_attributes & wire::FILE_ATTRIBUTE_MMS_BROADCAST != 0)
    }

    /// Tells the server that nothing more is wanted.
    fn leave(&mut self, now: Instant) {
        if let Some(open_file_id) = self.open_file_id() {
            if matches!(self.state, State::Starting | State::Streaming | State::Between { .. }) {
                let incarnation = self.incarnations.played.into();
                self.send(now, &ViewerToMac::StopPlaying { open_file_id, incarnation });
                // Between entries the last one has its log.
                if !matches!(self.state, State::Between { .. }) {
                    self.log(now);
                }
            }
            if !matches!(self.state, State::Unconnected | State::Over) {
                self.send(now, &ViewerToMac::CloseFile { open_file_id });
            }
        }
        self.unanswered = 0;
        self.finish();
    }

    /// Nothing happens from now on.
    fn finish(&mut self) {
        self.state = State::Over;
        self.deadline = None;
    }

    /// Sends what data is asked for with.
    fn start_playing(&mut self, now: Instant, open_file_id: u32, play: &Play) {
        let entries = play.streams.iter().map(|(number, thinning)| StreamSwitchEntry {
            source: StreamSwitchEntry::NONE,
            destination: u16::from(*number),
            thinning: match thinning {
                Thinning::All => 0,
                Thinning::Keyframes => 1,
                Thinning::Nothing => 2,
            },
        });
        self.send(now, &ViewerToMac::StreamSwitch(entries.collect()));

        let incarnation = self.incarnations.play();
        (self.incarnations.playing, self.incarnations.played) = (Some(incarnation), incarnation);
        let (position, location_id) = match play.start {
            // Number 0 would say nothing.
            Start::Begin | Start::Packet(0) => (0.0, u32::MAX),
            Start::Time(time) => (time.as_secs_f64(), u32::MAX),
            Start::Packet(number) => (f64::MAX, number),
        };
        let pace = play.pace.filter(|_| self.server.major.is_some_and(|major| major >= 9));
        let start = StartPlaying {
            open_file_id,
            position,
            asf_offset: u32::MAX,
            location_id,
            frame_offset: 0,
            incarnation: incarnation.into(),
            accelerate: pace.map(|pace| Accelerate {
                bandwidth_bps: pace.accelerate_bandwidth,
                duration_ms: u32::try_from(pace.accelerate_duration.as_millis()).unwrap_or(u32::MAX),
                link_bandwidth_bps: pace.link_bandwidth,
            }),
        };
        self.ask(now, &ViewerToMac::StartPlaying(start), "answer to StartPlaying");
        self.server.packet_size = Some(play.packet_size).filter(|size| *size > 0);
        self.silence = Some(Silence::new(now));
        self.sequence.begin();
        self.reorder.begin();
        self.state = State::Starting;
    }

    /// Tells how the entry went ([MS-MMSP] 3.1.4.5, 3.1.5.18).
    fn log(&mut self, now: Instant) {
        let Some(file) = &self.server.file else { return };
        let told = self.statistics();
        let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let played = self.sequence.began.map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        let rate = told.bytes.saturating_mul(8000).checked_div(played.as_millis() as u64).unwrap_or(0);
        let all = told.packets.saturating_add(told.lost);
        let log = ClientLog {
            url: naming::url(&self.config),
            user_agent: "Headwater".to_owned(),
            client_version: naming::PLAYER_VERSION,
            player_id: naming::player_id(&self.config.random),
            host_exe: "headwater".to_owned(),
            file_duration_ms: if self.is_broadcast() { 0 } else { (file.file_duration * 1000.0) as u32 },
            average_bandwidth_bps: number(rate),
            start_time_ms: 0,
            played_ms: number(played.as_millis() as u64),
            bytes_received: told.bytes,
            packets_received: number(told.packets),
            packets_lost_client: number(told.lost),
            min_reception_quality_percent: told.packets.saturating_mul(100).checked_div(all).map_or(100, number),
            source_id: file.open_file_id,
            is_udp: self.is_udp,
            packets_lost_net: number(told.lost.saturating_add(told.recovered)),
            packets_lost_cont_net: number(told.lost_in_a_row),
            resend_requests: number(told.asked_again),
            packets_recovered_resent: number(told.recovered),
        };
        self.send(now, &ViewerToMac::Logging(Box::new(log)));
    }

    /// The server went without the message that the content is over, and it is.
    fn end_at_close(&mut self) -> Result<(), Error> {
        self.events.push_back(Event::Ended);
        self.finish();
        Ok(())
    }

    /// After an error, takes leave of the server.
    fn ends_at_error<T>(&mut self, now: Instant, result: Result<T, Error>) -> Result<T, Error> {
        if result.is_err() {
            self.leave(now);
        }
        result
    }
}

impl Session for Client {
    fn handle_connected(&mut self, now: Instant, local: IpAddr) -> Result<(), Error> {
        if !matches!(self.state, State::Unconnected) {
            return Err(Error::State { what: "a connection stands that nobody asked for; is the session over?" });
        }
        self.local = local;
        self.state = State::Connect;
        let connect =
            Connect { incarnation: wire::MMS_DISABLE_PACKET_PAIR, subscriber_name: naming::subscriber(&self.config) };
        self.ask(now, &ViewerToMac::Connect(connect), "answer to Connect");
        Ok(())
    }

    fn handle_bytes(&mut self, now: Instant, mut bytes: &[u8]) -> Result<(), Error> {
        if let Some(silence) = &mut self.silence {
            silence.handle_bytes(now);
        }
        while !matches!(self.state, State::Unconnected | State::Over) {
            let frame = self.deframer.next(&mut bytes);
            let handled = match frame {
                Ok(Some(Frame::Message { mid, body })) => self.handle_message(now, mid, &body),
                Ok(Some(Frame::Data(data))) => self.handle_stream_data(now, data),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            self.ends_at_error(now, handled)?;
        }
        Ok(())
    }

    fn handle_datagram(&mut self, now: Instant, _from: u16, datagram: &[u8]) -> Result<(), Error> {
        if !self.is_udp || matches!(self.state, State::Unconnected | State::Over) {
            return Ok(());
        }
        match wire::Data::decode(datagram) {
            Ok(data) => {
                self.has_datagrams = true;
                if data.is_packet_pair() {
                    return Ok(());
                }
                let handled = self.handle_data(now, data);
                self.ends_at_error(now, handled).map(|_| ())
            }
            Err(_) => {
                self.statistics.useless += 1;
                Ok(())
            }
        }
    }

    fn handle_closed(&mut self, now: Instant) -> Result<(), Error> {
        if matches!(self.state, State::Unconnected) {
            return Ok(());
        }
        if matches!(self.state, State::Draining(_)) {
            self.end_drain(now);
        }
        self.reorder.flush();
        self.tell_in_order();
        // There is nobody left to send anything to.
        self.transmits.clear();
        let before = match &self.state {
            State::Ended | State::Over => {
                self.finish();
                return Ok(());
            }
            State::Connect => "its answer to Connect",
            State::FunnelInfo => "its answer to FunnelInfo",
            State::ConnectFunnel => "its answer to ConnectFunnel",
            State::OpenFile => "its answer to OpenFile",
            State::Header => "the ASF file header was whole",
            State::Between { may_be_the_end: false } => "the next entry of its playlist",
            // An old server ends a broadcast so, and a careless one a file.
            State::Between { .. } => return self.end_at_close(),
            State::Streaming if self.has_all() => return self.end_at_close(),
            State::Unconnected | State::Ready | State::Starting | State::Streaming | State::Draining(_) => {
                "the end of the content"
            }
        };
        self.finish();
        Err(Error::Closed { before })
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let handled = self.handle_deadlines(now);
        self.ends_at_error(now, handled)
    }

    fn play(&mut self, now: Instant, play: &Play) -> Result<(), Error> {
        self.unanswered =
            self.unanswered.checked_sub(1).ok_or(Error::State { what: "no header is waiting for an answer" })?;
        let (State::Ready, 0, Some(open_file_id)) = (&self.state, self.unanswered, self.open_file_id()) else {
            // That entry has come and gone.
            return Ok(());
        };
        self.start_playing(now, open_file_id, play);
        Ok(())
    }

    fn stop(&mut self, now: Instant) {
        self.leave(now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.next_deadline()
    }
}
