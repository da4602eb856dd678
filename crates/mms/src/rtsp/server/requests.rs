//! What clients ask, and what they are answered.

use std::time::Duration;

use super::{Event, Message, Sequence, Server, SetUp, Transport, Writer, sdp, transport};
use crate::{Pace, Start, Thinning, Transmit};

/// What we call ourselves: clients know the dialect by it.
const NAME: &str = "WMServer/9.1.1.5001";
/// What we can do beyond RTSP ([MS-RTSP] 2.2.6.10).
const SUPPORTED: &str = "com.microsoft.wm.eosmsg, com.microsoft.wm.sswitch, com.microsoft.wm.locid";
/// What we understand.
const METHODS: &str = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER";
/// The most streams that are set up.
const MOST_STREAMS: usize = 127;

impl Server {
    pub(super) fn handle_request(&mut self, request: Message, method: &str, uri: &str) {
        if request.header("supported").is_some() {
            self.tells_end = request.lists("supported", "com.microsoft.wm.eosmsg");
            self.tells_location = request.lists("supported", "com.microsoft.wm.locid");
        }
        let session = request.session().map(|(id, _)| id.to_owned());
        if session.is_some() && session != self.session {
            return self.reply(454, &request);
        }
        // [MS-RTSP] 3.2.5.1.
        let entry = request.number("x-playlist-gen-id").filter(|entry| *entry != 0);
        if entry.is_some_and(|entry| entry != self.entry) && !matches!(method, "PLAY" | "TEARDOWN") {
            return self.reply(412, &request);
        }
        match method {
            "OPTIONS" => {
                let answer = self.answer(200, &request).header("Public", METHODS).finish();
                self.transmits.push_back(Transmit::Stream(answer));
            }
            "DESCRIBE" => {
                self.base = transport::line_safe(uri.trim_end_matches('/'));
                let authorization = request.header("authorization").map(str::to_owned);
                self.describing = Some(request);
                self.events.push_back(Event::Describe { url: uri.to_owned(), authorization });
            }
            "SETUP" => self.handle_setup(&request, uri),
            "PLAY" => self.handle_play(&request),
            "PAUSE" => {
                self.playing = false;
                self.events.push_back(Event::Pause);
                self.reply(200, &request);
            }
            "TEARDOWN" => self.handle_teardown(&request, uri),
            "SET_PARAMETER" if request.media_type() == "application/x-wms-streamswitch" => {
                let status = if self.switch(&request) { 200 } else { 400 };
                self.reply(status, &request);
            }
            // Packet pairs are not among what we say to support.
            "GET_PARAMETER" if request.media_type() == "application/x-rtsp-packetpair" => self.reply(451, &request),
            // Signs of life and statistics.
            "GET_PARAMETER" | "SET_PARAMETER" => self.reply(200, &request),
            _ => self.reply(501, &request),
        }
    }

    /// An answer with the headers that all have.
    pub(super) fn answer(&self, status: u16, request: &Message) -> Writer {
        let timeout = self.config.session_timeout.as_secs();
        Writer::answer(status, request.header("cseq"))
            .header("Server", NAME)
            .header("Supported", SUPPORTED)
            .maybe("Session", self.session.as_ref().map(|session| format!("{session};timeout={timeout}")))
            .maybe("X-Playlist-Gen-Id", self.content.playlist.then_some(self.entry))
    }

    fn reply(&mut self, status: u16, request: &Message) {
        let answer = self.answer(status, request).finish();
        self.transmits.push_back(Transmit::Stream(answer));
    }

    /// A request of ours.
    pub(super) fn request(&mut self, method: &str) -> Writer {
        self.cseq += 1;
        Writer::request(method, &self.base, self.cseq)
            .header("User-Agent", NAME)
            .maybe("Session", self.session.as_deref())
            .header("X-Playlist-Gen-Id", self.entry)
    }

    fn handle_setup(&mut self, request: &Message, uri: &str) {
        let retransmission = sdp::is_retransmission(uri);
        let number =
            sdp::stream_of(uri).filter(|number| self.content.streams.iter().any(|media| media.number == *number));
        if number.is_none() && !retransmission || self.streams.len() >= MOST_STREAMS {
            return self.reply(if self.content.header.is_empty() { 455 } else { 404 }, request);
        }
        let offers = request.header("transport").unwrap_or_default();
        let Some(mut transport) = Transport::parse(offers).find(|offer| self.takes(offer, retransmission)) else {
            return self.reply(461, request);
        };
        let sequence =
            if transport.udp { self.datagrams } else { Sequence::new(&self.config.random, number.unwrap_or(0)) };
        transport.ssrc = Some(sequence.ssrc);
        transport.server_port = self.config.udp_port.filter(|_| transport.udp).map(|port| (port, port));
        if self.session.is_none() {
            let random = self.config.random.iter().rev().fold(0u64, |id, byte| id.rotate_left(7) ^ u64::from(*byte));
            self.session = Some(format!("{random}"));
        }
        match number {
            Some(number) => {
                // The next entry of a playlist goes on with the numbers of its channel.
                let old = self.streams.iter().find(|stream| stream.transport.interleaved == transport.interleaved);
                let sequence = old.filter(|_| !transport.udp).map_or(sequence, |old| old.sequence);
                transport.ssrc = Some(sequence.ssrc);
                let thinning = if keyframes_only(request) { Thinning::Keyframes } else { Thinning::All };
                self.streams.retain(|stream| {
                    stream.number != number && (transport.udp || stream.transport.interleaved != transport.interleaved)
                });
                self.streams.push(SetUp { number, thinning, transport, sequence });
            }
            None => self.retransmission = true,
        }
        let answer = self.answer(200, request).header("Transport", transport).finish();
        self.transmits.push_back(Transmit::Stream(answer));
    }

    /// Whether a stream can go this way.
    fn takes(&self, offer: &Transport, retransmission: bool) -> bool {
        if !offer.udp {
            return !retransmission && offer.interleaved.is_some();
        }
        let Some(ports) = offer.client_port.filter(|_| self.config.udp_port.is_some()) else { return false };
        if retransmission {
            return true;
        }
        // All of one port, and the retransmissions before the second ([MS-RTSP] 2.2.7.10.1).
        let mut others =
            self.streams.iter().filter(|stream| stream.transport.udp).filter_map(|stream| stream.transport.client_port);
        others.next().is_none_or(|other| other == ports && self.retransmission)
    }

    fn handle_play(&mut self, request: &Message) {
        if self.session.is_none() || self.streams.is_empty() {
            return self.reply(455, request);
        }
        self.streams.retain(|stream| self.content.streams.iter().any(|media| media.number == stream.number));
        let pace = pace(request);
        let range = request.header("range");
        let info: Vec<_> = self
            .streams
            .iter()
            .map(|stream| format!("url={};seq={};rtptime=0", self.url_of(stream.number), self.due(stream).next))
            .collect();
        let answer = self
            .answer(200, request)
            .maybe("Range", range)
            .header("RTP-Info", info.join(", "))
            .maybe("X-Accelerate-Streaming", request.header("x-accelerate-streaming"))
            .finish();
        self.transmits.push_back(Transmit::Stream(answer));
        self.playing = true;
        self.events.push_back(Event::Play {
            streams: self.selection(),
            start: range.map_or(Start::Begin, start),
            pace,
        });
    }

    fn handle_teardown(&mut self, request: &Message, uri: &str) {
        match sdp::stream_of(uri).filter(|number| self.streams.iter().any(|stream| stream.number == *number)) {
            Some(number) => {
                self.streams.retain(|stream| stream.number != number);
                self.events.push_back(Event::Switch(self.selection()));
                self.reply(200, request);
            }
            None => {
                self.reply(200, request);
                self.end_session();
            }
        }
    }

    /// `SSEntry: old new thinning …` ([MS-RTSP] 2.2.7.10).
    fn switch(&mut self, request: &Message) -> bool {
        for (old, new, thinning) in entries(request) {
            let Some(stream) = self.streams.iter_mut().find(|stream| u32::from(stream.number) == old) else {
                return false;
            };
            stream.thinning = thinning;
            if let Some(new) =
                u8::try_from(new).ok().filter(|new| self.content.streams.iter().any(|media| media.number == *new))
            {
                stream.number = new;
            }
        }
        self.events.push_back(Event::Switch(self.selection()));
        true
    }

    fn selection(&self) -> Vec<(u8, Thinning)> {
        self.streams.iter().map(|stream| (stream.number, stream.thinning)).collect()
    }
}

fn entries(request: &Message) -> Vec<(u32, u32, Thinning)> {
    let text = String::from_utf8_lossy(&request.body);
    let entry = |line: &str| {
        let (name, value) = line.split_once(':')?;
        let mut words = value.split_ascii_whitespace();
        let mut number = || words.next()?.parse::<u32>().ok();
        let (old, new, thinning) = (number()?, number()?, number()?);
        let thinning = match thinning {
            0 => Thinning::All,
            1 => Thinning::Keyframes,
            _ => Thinning::Nothing,
        };
        name.trim().eq_ignore_ascii_case("SSEntry").then_some((old, new, thinning))
    };
    text.lines().filter_map(entry).take(MOST_STREAMS).collect()
}

fn keyframes_only(request: &Message) -> bool {
    entries(request).iter().any(|(_, _, thinning)| *thinning == Thinning::Keyframes)
}

fn start(range: &str) -> Start {
    let begin =
        |kind: &str| range.trim().strip_prefix(kind).map(|rest| rest.split('-').next().unwrap_or_default().trim());
    if let Some(number) = begin("x-asf-packet=").and_then(|number| number.parse().ok()) {
        return Start::Packet(number);
    }
    let time = begin("npt=").and_then(|seconds| Duration::try_from_secs_f64(seconds.parse().ok()?).ok());
    time.filter(|time| !time.is_zero()).map_or(Start::Begin, Start::Time)
}

fn pace(request: &Message) -> Option<Pace> {
    let value = request.header("x-accelerate-streaming")?;
    let field = |wanted: &str| {
        value.split(';').find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().parse::<u32>().ok())?
        })
    };
    Some(Pace {
        accelerate_bandwidth: field("AccelBandwidth")?,
        accelerate_duration: Duration::from_millis(field("AccelDuration")?.into()),
        link_bandwidth: request.number("bandwidth").unwrap_or(u32::MAX),
    })
}
