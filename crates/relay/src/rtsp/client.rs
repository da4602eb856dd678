//! One client on its connection.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::rtsp::{Chosen, Offer, RtpInfo, Server, ServerConfig, ServerEvent, Status};
use feed::Entry;
use source::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::{sleep_until, timeout};

use super::press::{Reader, Sheet};
use super::sending::{Datagrams, Line, Way};
use super::{Host, RtspStream, describe};
use crate::Relay;
use crate::output::player::{FAREWELL, write_all};
use crate::paths::Held;
use crate::server::{self, stopped};
use crate::session::{Counts, Entered, Session, random};

/// Bytes read at a time.
const READ: usize = 4096;
/// How often a sender reports: the least interval of RFC 3550 section 6.2.
const REPORTING: Duration = Duration::from_secs(5);

/// What ends a connection early; told in the log alone.
type Gone = Box<dyn std::error::Error + Send + Sync>;

pub(super) struct Client {
    socket: TcpStream,
    peer: SocketAddr,
    /// Its connection's; held for as long as there is a client.
    place: server::Place,
    relay: Arc<Relay>,
    host: Arc<Host>,
    session: Server,
    /// Woken by reports of its receivers.
    reported: Arc<Notify>,
    /// What it has asked for last.
    open: Option<Open>,
    /// Its entry in the status, while it plays.
    listed: Option<Entered>,
    /// When the next reports are due.
    report_at: Instant,
}

/// A stream that a client has asked for.
struct Open {
    path: String,
    /// What a configuration has there; whether it still lets the client in is asked again before
    /// it is played.
    held: Option<Held>,
    stream: RtspStream,
    reader: Reader,
    /// What is being played; nothing until the source tells.
    sheet: Option<Sheet>,
    /// What waits for the sheet.
    asked: Option<Asked>,
    /// By track, those that are set up.
    lines: Vec<Option<Line>>,
    /// A packet that was looked at before its turn.
    first: Option<Entry>,
    /// It has had a keyframe since it began, or since it lost packets.
    keyed: bool,
}

/// What a client waits for an answer to.
enum Asked {
    Describe,
    SetUp { track: Option<u8>, offers: Vec<Offer> },
}

/// What there is to react to.
enum Happened {
    Read(io::Result<usize>),
    Reported,
    Entry(Result<Entry, feed::Closed>),
    Sheet(Result<Sheet, Error>),
    Due,
    Stopping,
}

impl Client {
    pub(super) fn new(
        socket: TcpStream,
        peer: SocketAddr,
        place: server::Place,
        relay: Arc<Relay>,
        host: Arc<Host>,
    ) -> Self {
        let _ = socket.set_nodelay(true);
        server::hold_back(&socket);
        let now = Instant::now();
        let config = ServerConfig { random: random(), session_timeout: host.timeout, ..ServerConfig::default() };
        let session = Server::new(config, now);
        let reported = Arc::new(Notify::new());
        Self { socket, peer, place, relay, host, session, reported, open: None, listed: None, report_at: now }
    }

    /// Serves the client until either side is done.
    pub(super) async fn run(mut self) {
        if let Err(error) = self.serve().await {
            tracing::debug!(peer = %self.peer, %error, "client of RTSP gone");
        }
        self.listed = None;
        self.close();
    }

    async fn serve(&mut self) -> Result<(), Gone> {
        let mut buffer = [0; READ];
        loop {
            self.events().await?;
            self.transmit().await?;
            let happened = self.next(&mut buffer).await;
            let now = Instant::now();
            let heard = match happened {
                Happened::Read(read) => match read? {
                    0 => return Ok(()),
                    count => self.session.handle_bytes(now, &buffer[..count]),
                },
                Happened::Reported => {
                    self.session.handle_report(now);
                    Ok(())
                }
                Happened::Sheet(sheet) => {
                    self.answer(now, sheet);
                    Ok(())
                }
                Happened::Entry(Ok(entry)) => {
                    let visit = self.listed.as_ref().and_then(|listed| listed.visit.clone());
                    let over = async {
                        match visit {
                            Some(visit) => visit.over().await,
                            None => std::future::pending().await,
                        }
                    };
                    let goes_on = tokio::select! {
                        goes_on = self.take(entry) => goes_on?,
                        // One that takes nothing is not waited for.
                        () = over => return Ok(self.socket.shutdown().await?),
                    };
                    match goes_on {
                        true => Ok(()),
                        false => return self.leave().await,
                    }
                }
                Happened::Entry(Err(feed::Closed)) | Happened::Stopping => return self.leave().await,
                Happened::Due => self.due(now).await?,
            };
            if let Err(error) = heard {
                let _ = timeout(FAREWELL, self.transmit()).await;
                let _ = timeout(FAREWELL, self.leave()).await;
                return Err(error.into());
            }
        }
    }

    /// Says that there will be no more, and closes the connection.
    async fn leave(&mut self) -> Result<(), Gone> {
        let _ = timeout(FAREWELL, self.report(true)).await;
        let closed = timeout(FAREWELL, self.socket.shutdown()).await;
        Ok(closed.unwrap_or(Ok(()))?)
    }

    /// Waits for the next thing. Cancel-safe.
    async fn next(&mut self, buffer: &mut [u8]) -> Happened {
        let is_playing = self.session.is_playing();
        let report_at = is_playing.then_some(self.report_at);
        let due = [self.session.poll_timeout(), report_at].into_iter().flatten().min();
        let Self { socket, place, open, reported, listed, .. } = self;
        let held = open.as_ref().and_then(|open| open.held.clone());
        let over = async {
            match (listed.as_ref(), held) {
                (Some(listed), _) => listed.over().await,
                // One that has asked, or pauses, would go on with what is no longer there.
                (None, Some(held)) => held.gone().await,
                (None, None) => std::future::pending().await,
            }
        };
        let of_source = async {
            match open {
                Some(Open { asked: Some(_), reader, stream, .. }) => {
                    Happened::Sheet(reader.sheet(&stream.source).await)
                }
                Some(open) if is_playing && open.is_sending() => match open.first.take() {
                    Some(entry) => Happened::Entry(Ok(entry)),
                    None => Happened::Entry(open.reader.seat.cursor.next().await),
                },
                _ => std::future::pending().await,
            }
        };
        let deadline = async {
            match due {
                Some(due) => sleep_until(due.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // A client that always has something to take must be heard too.
            biased;
            () = stopped(&mut place.stopping) => Happened::Stopping,
            () = over => Happened::Stopping,
            read = socket.read(buffer) => Happened::Read(read),
            () = reported.notified() => Happened::Reported,
            () = deadline => Happened::Due,
            happened = of_source => happened,
        }
    }

    /// Deals with what the session tells.
    async fn events(&mut self) -> Result<(), Gone> {
        while let Some(event) = self.session.poll_event() {
            let now = Instant::now();
            match event {
                ServerEvent::Describe { path } => self.look_up(now, path, Asked::Describe),
                ServerEvent::SetUp { path, track, offers } => self.look_up(now, path, Asked::SetUp { track, offers }),
                ServerEvent::Play => {
                    self.play(now);
                    // The answer first, since it tells what the packets are.
                    self.transmit().await?;
                }
                ServerEvent::Pause => self.listed = None,
                ServerEvent::TornDown => {
                    self.transmit().await?;
                    let _ = timeout(FAREWELL, self.report(true)).await;
                    self.listed = None;
                    self.close();
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Forgets what is open.
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            for line in open.lines.into_iter().flatten() {
                if let Way::Udp { rtcp, .. } = line.way {
                    self.host.forget(rtcp, &self.reported);
                }
            }
        }
    }

    /// Opens what a client asks for, or goes on with it.
    fn look_up(&mut self, now: Instant, path: String, asked: Asked) {
        if let Some(open) = self.open.as_mut().filter(|open| open.path == path) {
            open.asked = Some(asked);
            return;
        }
        let (name, query) = path.split_once('?').unwrap_or((&path, ""));
        let found = self.host.names.find(&self.relay, self.peer.ip(), name);
        let Some(stream) = found else {
            return self.session.refuse(now, Status::NotFound, "there is no such stream");
        };
        if !query.is_empty() {
            return self.session.refuse(now, Status::ParameterNotUnderstood, "streams have no parameters by RTSP");
        }
        self.close();
        let reader = self.relay.presses.read(&stream);
        let held = self.relay.paths().and_then(|paths| paths.held(self.peer.ip(), name));
        let (lines, asked) = (Vec::new(), Some(asked));
        self.open = Some(Open { path, held, stream, reader, sheet: None, asked, lines, first: None, keyed: false });
    }

    /// Answers what waited for the sheet.
    fn answer(&mut self, now: Instant, sheet: Result<Sheet, Error>) {
        let Some(open) = &mut self.open else { return };
        let Some(asked) = open.asked.take() else { return };
        let sheet = match sheet {
            Ok(sheet) => sheet,
            Err(error) => {
                tracing::info!(peer = %self.peer, %error, "cannot be played by RTSP");
                self.close();
                return self.session.refuse(now, status(&error), &error.to_string());
            }
        };
        open.adopt(sheet);
        match asked {
            Asked::Describe => {
                let server = self.socket.local_addr().map_or(self.peer.ip(), |address| address.ip());
                let sdp = open.sheet.as_ref().map(|sheet| describe(&open.stream, sheet, server, None));
                self.session.describe(now, &sdp.unwrap_or_default());
            }
            Asked::SetUp { track, offers } => self.set_up(now, track, &offers),
        }
    }

    fn set_up(&mut self, now: Instant, track: Option<u8>, offers: &[Offer]) {
        let Some(Open { stream, sheet: Some(sheet), lines, .. }) = &mut self.open else { return };
        let mut there = (0u8..).zip(&sheet.media);
        let Some((number, media)) = there.find(|(number, _)| track.is_none_or(|track| track == *number)) else {
            return self.session.refuse(now, Status::NotFound, "there is no such track");
        };
        let free = (0..128).map(|half| 2 * half).find(|channel| {
            let taken = |line: &Line| matches!(line.way, Way::Tcp { rtp, rtcp } if rtp == *channel || rtcp == *channel);
            !lines.iter().flatten().any(taken)
        });
        let way = offers.iter().find_map(|offer| match offer {
            Offer::Tcp { channels } => Some(Chosen::Tcp { channels: channels.or(free.map(|c| (c, c + 1)))? }),
            Offer::Udp { client } => Some(Chosen::Udp { client: *client, server: self.host.ports }),
            Offer::Multicast => stream.group.map(|group| Chosen::Multicast {
                group: group.address,
                ports: group.ports(number),
                ttl: group.ttl,
            }),
        });
        let Some(chosen) = way else {
            return self.session.refuse(now, Status::UnsupportedTransport, "this stream is not sent by multicast");
        };
        let way = match chosen {
            Chosen::Tcp { channels: (rtp, rtcp) } => Way::Tcp { rtp, rtcp },
            // To nobody else than whoever asks, whatever the request says.
            Chosen::Udp { client: (rtp, rtcp), .. } => {
                let at = |port| SocketAddr::new(self.peer.ip(), port);
                self.host.expect(at(rtcp), &self.reported);
                Way::Udp { rtp: at(rtp), rtcp: at(rtcp) }
            }
            Chosen::Multicast { .. } => Way::Group,
        };
        let ssrc = media.ssrc;
        let line = Line::new(way, media.clone(), stream.source.name().to_owned());
        if let Some(place) = lines.get_mut(usize::from(number))
            && let Some(Line { way: Way::Udp { rtcp, .. }, .. }) = place.replace(line)
            && !lines.iter().flatten().any(|line| matches!(line.way, Way::Udp { rtcp: other, .. } if other == rtcp))
        {
            self.host.forget(rtcp, &self.reported);
        }
        self.session.set_up(now, number, chosen, ssrc);
    }

    fn play(&mut self, now: Instant) {
        let Some(open) = &mut self.open else {
            return self.session.refuse(now, Status::SessionNotFound, "");
        };
        let path = open.path.split('?').next().unwrap_or_default();
        let visit = match self.relay.paths().filter(|_| open.held.is_some()) {
            Some(paths) => match paths.play(&self.relay, self.peer, path, self.session.agent()) {
                None => return self.session.refuse(now, Status::NotEnoughBandwidth, "the server is too busy"),
                visit => visit,
            },
            None => None,
        };
        let begins = open.begin();
        let first = open.lines.iter().flatten().next().map(|line| line.way);
        let format = match first {
            Some(Way::Tcp { .. }) | None => "rtspt",
            Some(Way::Udp { .. }) => "rtspu",
            Some(Way::Group) => "rtspm",
        };
        let (peer, source, agent) = (self.peer, open.stream.source.name().to_owned(), self.session.agent().to_owned());
        self.listed = Some(self.relay.sessions.enter(|id| Session {
            id,
            peer,
            source,
            format,
            variant: String::new(),
            agent,
            since: now,
            max_age: None,
            visit,
            counts: Counts::default(),
        }));
        self.report_at = now;
        self.session.play(now, &begins);
    }

    /// Sends a packet, if the client can make anything of it; `false` when it cannot make
    /// anything of what comes from now on.
    async fn take(&mut self, entry: Entry) -> Result<bool, Gone> {
        let Self { socket, host, open: Some(open), listed: Some(listed), .. } = self else { return Ok(true) };
        let Some(sheet) = &open.sheet else { return Ok(true) };
        if !sheet.has(&entry) {
            return Ok(false);
        }
        if entry.lost > 0 {
            Counts::add(&listed.counts.dropped, entry.lost);
            open.keyed = false;
        }
        let track = usize::from(entry.packet.track.0);
        let has_video =
            sheet.video().is_some_and(|video| open.lines.get(usize::from(video)).is_some_and(Option::is_some));
        open.keyed |= entry.packet.key || !has_video;
        if !open.keyed || open.reader.seat.is_late(&entry, &listed.counts) {
            return Ok(true);
        }
        if let Some(Some(line)) = open.lines.get_mut(track) {
            let udp = Datagrams { rtp: &host.rtp, rtcp: &host.rtcp };
            let bytes = line.send(&entry.packet.data, socket, udp).await?;
            listed.counts.sent(1, bytes, entry.packet.received);
        }
        Ok(true)
    }

    /// Something is due: reports, or the end of a silent session.
    async fn due(&mut self, now: Instant) -> Result<Result<(), ::rtsp::Error>, Gone> {
        if self.session.is_playing() && now >= self.report_at {
            self.report_at = now + REPORTING;
            self.report(false).await?;
        }
        Ok(self.session.handle_timeout(now))
    }

    async fn report(&self, is_over: bool) -> io::Result<()> {
        let Some(Open { sheet: Some(sheet), lines, .. }) = &self.open else { return Ok(()) };
        // Those who never played are told nothing.
        if self.listed.is_none() {
            return Ok(());
        }
        let udp = Datagrams { rtp: &self.host.rtp, rtcp: &self.host.rtcp };
        for line in lines.iter().flatten() {
            line.report(sheet, is_over, &self.socket, udp).await?;
        }
        Ok(())
    }

    /// Sends what the session has to send.
    async fn transmit(&mut self) -> io::Result<()> {
        while let Some(bytes) = self.session.poll_transmit() {
            write_all(&self.socket, &[&bytes]).await?;
        }
        Ok(())
    }
}

impl Open {
    /// Takes what the source has, unless it has it already.
    fn adopt(&mut self, sheet: Sheet) {
        // Those who have set tracks up go on with what they were told.
        if self.lines.iter().all(Option::is_none) {
            self.lines = sheet.media.iter().map(|_| None).collect();
            self.sheet = Some(sheet);
        }
    }

    /// Whether its packets come from here, at least some of them.
    fn is_sending(&self) -> bool {
        self.lines.iter().flatten().any(|line| line.way != Way::Group)
    }

    /// Goes to the newest keyframe; where the tracks begin there, as far as it is known.
    fn begin(&mut self) -> Vec<RtpInfo> {
        self.reader.seat.rewind();
        self.keyed = false;
        self.lines.iter_mut().flatten().for_each(Line::begin);
        self.first = self.reader.seat.cursor.try_next().ok().flatten();
        let Some(first) = &self.first else { return Vec::new() };
        let lines = (0u8..).zip(&self.lines).filter_map(|(track, line)| Some((track, line.as_ref()?)));
        lines
            .map(|(track, line)| RtpInfo {
                track,
                sequence: if first.packet.track.0 == track { line.sequence(first) } else { None },
                timestamp: line.timestamp(first),
            })
            .collect()
    }
}

/// What is answered where a source cannot be played.
fn status(error: &Error) -> Status {
    match error {
        Error::Unsupported { .. } | Error::NotVideo { .. } => Status::UnsupportedMediaType,
        Error::Timeout { .. } => Status::GatewayTimeout,
        _ => Status::ServiceUnavailable,
    }
}
