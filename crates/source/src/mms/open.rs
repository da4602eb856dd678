//! From a URL to a session whose header has come: ways that are tried side by side, and
//! directions to other places that are followed.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mms::Event;
use std::net::SocketAddr;
use tokio::time::{sleep, sleep_until};

use super::driver::Driver;
use super::failure;
use super::way::Way;
use crate::http::{Reach, Sender};
use crate::journal::{Note, shown};
use crate::location::Location;
use crate::{Error, Options, Phase, Sink, Transport};

/// How long each way has before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(400);
/// How often one may be sent on.
const MOST_MOVES: usize = 8;
/// Most alternatives of one direction that are tried.
const MOST_ALTERNATIVES: usize = 8;
/// Most sessions that are opened in one attempt.
const MOST_SESSIONS: usize = 32;
/// How much is kept of the time for an attempt, to say in it what was tried.
const MARGIN: Duration = Duration::from_millis(250);
/// What the system should keep of datagrams that were not read yet, in bytes.
const DATAGRAMS: usize = 1 << 20;

/// What an attempt has found.
pub(super) enum Found {
    Stream(Box<Stream>),
    /// It leads to what others open: `https`.
    Elsewhere(Location, Box<Trail>),
}

/// A session whose header waits for an answer.
pub(super) struct Stream {
    pub(super) driver: Driver,
    pub(super) about: mms::Opened,
    pub(super) header: Bytes,
    pub(super) way: Way,
    pub(super) location: Location,
    pub(super) trail: Trail,
}

/// How an attempt came to where it is.
#[derive(Clone, Default)]
pub(super) struct Trail {
    /// The places that led to one another, each as a URL without its password.
    visited: Vec<String>,
    /// The last of them that was connected to: it may send us to nobody who is nearer.
    sent_by: Option<Sender>,
}

impl Trail {
    /// The trail with one more place.
    fn with(&self, place: &str) -> Result<Self, Error> {
        let last = || self.visited.last().map_or("it", String::as_str);
        if self.visited.iter().any(|visited| visited == place) {
            return Err(Error::Server {
                status: 0,
                what: format!("{} redirects in a circle, last to {place}", last()),
            });
        }
        let mut there = self.clone();
        there.visited.push(place.to_owned());
        Ok(there)
    }
}

/// One attempt to open something, with all that it leads to.
pub(super) struct Opening<'a> {
    options: &'a Options,
    sink: &'a Sink,
    /// What the user sees it wait for: the furthest that any way has come.
    furthest: Mutex<Phase>,
    sessions: AtomicUsize,
    deadline: Instant,
}

/// How far one way has come.
struct Stage<'a> {
    opening: &'a Opening<'a>,
    phase: Mutex<Phase>,
}

impl Stage<'_> {
    fn reach(&self, phase: Phase) {
        raise(&self.phase, phase);
        let furthest = raise(&self.opening.furthest, phase);
        self.opening.sink.phase(furthest);
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Raises `phase` to `reached`, and returns it.
fn raise(phase: &Mutex<Phase>, reached: Phase) -> Phase {
    let mut phase = phase.lock().unwrap_or_else(PoisonError::into_inner);
    *phase = reached.max(*phase);
    *phase
}

type Opens<'a> = Pin<Box<dyn Future<Output = Result<Found, Error>> + Send + 'a>>;

impl<'a> Opening<'a> {
    pub(super) fn new(options: &'a Options, sink: &'a Sink) -> Self {
        let most = options.open_timeout;
        Self {
            options,
            sink,
            furthest: Mutex::new(Phase::Resolve),
            sessions: AtomicUsize::new(0),
            deadline: Instant::now() + most.saturating_sub(MARGIN.min(most / 10)),
        }
    }

    /// Opens `location` in the way that its scheme asks for.
    pub(super) async fn open(&self, location: Location) -> Result<Found, Error> {
        let stage = self.stage();
        self.open_from(location, Trail::default(), &stage).await
    }

    /// Goes where a session that was played already leads: the first of `urls` that opens.
    pub(super) async fn go_on(&self, from: &Location, urls: Vec<String>, trail: &Trail) -> Result<Found, Error> {
        let stage = self.stage();
        self.follow(from, urls, trail, &stage).await
    }

    /// Refuses to leave `there`, where the trail leads, to those who open it without a look at who sent
    /// us, if it is nearer than the sender.
    pub(super) async fn may_leave(&self, there: &Location, trail: &Trail) -> Result<(), Error> {
        match &trail.sent_by {
            Some(from) => from.looks_up(there, &self.options.access, self.sink).await,
            None => Ok(()),
        }
    }

    fn stage(&self) -> Stage<'_> {
        Stage { opening: self, phase: Mutex::new(Phase::Resolve) }
    }

    fn open_from<'b>(&'b self, location: Location, trail: Trail, stage: &'b Stage<'b>) -> Opens<'b> {
        Box::pin(async move {
            match (&*location.scheme, Way::of(&location.scheme)) {
                (_, Some(way)) => self.single(way, location, &trail, stage, None).await,
                ("mms", _) => self.roll_over(location, trail).await,
                ("http", _) => self.single(Way::Http, location, &trail, stage, None).await,
                ("rtsp", _) if self.options.transport == Transport::Udp => {
                    self.single(Way::RtspUdp, location, &trail, stage, None).await
                }
                ("rtsp", _) => self.single(Way::Rtsp, location, &trail, stage, None).await,
                ("https", _) => Ok(Found::Elsewhere(location, Box::new(trail))),
                (scheme, _) => {
                    let what = format!("{location}: a stream cannot lead to {scheme}://");
                    Err(Error::Server { status: 0, what })
                }
            }
        })
    }

    /// Tries the ways side by side; the first whose header comes is taken, the others are
    /// dropped, and take leave.
    async fn roll_over(&self, location: Location, trail: Trail) -> Result<Found, Error> {
        let trail = &trail.with(&location.to_string())?;
        self.sink.phase(raise(&self.furthest, Phase::Resolve));
        let addresses = &*self.sink.line().resolve(&location.host, 0).await?;
        let ways = Way::candidates(&location.host, location.port);
        let stages: Vec<_> = ways.iter().map(|_| self.stage()).collect();
        let attempt = async |place: usize| {
            let way = ways[place];
            let there = Location { scheme: way.scheme().into(), ..location.clone() };
            (place, self.single(way, there, trail, &stages[place], Some(addresses)).await)
        };
        let mut failures: Vec<Option<Error>> = ways.iter().map(|_| None).collect();
        let mut waiting = (0..ways.len()).peekable();
        let mut running = FuturesUnordered::new();
        let mut deadline = std::pin::pin!(sleep_until(self.deadline.into()));
        loop {
            if let Some(place) = waiting.next() {
                running.push(attempt(place));
            }
            let more = waiting.peek().is_some();
            tokio::select! {
                Some((place, result)) = running.next() => match result {
                    Ok(found) => {
                        ways[place].has_won(&location.host, location.port);
                        return Ok(found);
                    }
                    Err(error) => failures[place] = Some(error),
                },
                () = sleep(HEAD_START), if more => {}
                () = &mut deadline => break,
            }
            if running.is_empty() && waiting.peek().is_none() {
                break;
            }
        }
        let silent = |place: usize| {
            let phase = stages[place].phase();
            let tried = Some(format!("no answer, gave up while {phase}"));
            Error::Timeout { phase, after: self.options.open_timeout, tried }
        };
        let failures = failures.into_iter().enumerate();
        let failures =
            failures.map(|(place, error)| (ways[place].name().to_owned(), error.unwrap_or_else(|| silent(place))));
        Err(failure::of_all(failures.collect()))
    }

    /// One way, and what it leads to.
    async fn single(
        &self,
        way: Way,
        location: Location,
        trail: &Trail,
        stage: &Stage<'_>,
        addresses: Option<&[SocketAddr]>,
    ) -> Result<Found, Error> {
        // Whatever it is called, it is the same place.
        let place =
            Location { scheme: way.scheme().into(), port: location.port.or(Some(way.port())), ..location.clone() };
        let mut trail = trail.with(&place.to_string())?;
        if self.sessions.fetch_add(1, Ordering::Relaxed) >= MOST_SESSIONS {
            let what = format!("{location}: one of more than {MOST_SESSIONS} places that lead to one another");
            return Err(Error::Server { status: 0, what });
        }
        let (mut driver, reach) = self.connect(way, &place, stage, addresses, trail.sent_by.as_ref()).await?;
        trail.sent_by = Some(Sender { at: location.clone(), reach });
        let mut about = mms::Opened::default();
        loop {
            match driver.next(true).await? {
                Event::Opened(opened) => about = opened,
                Event::Header(header) => {
                    return Ok(Found::Stream(Box::new(Stream { driver, about, header, way, location, trail })));
                }
                Event::Moved(urls) => {
                    // Some servers have room for one session only.
                    drop(driver);
                    return self.follow(&location, urls, &trail, stage).await;
                }
                Event::Ended => return Err(Error::Ended { what: Some(format!("{location}: it is over")) }),
                _ => {}
            }
        }
    }

    async fn connect(
        &self,
        way: Way,
        location: &Location,
        stage: &Stage<'_>,
        addresses: Option<&[SocketAddr]>,
        sent_by: Option<&Sender>,
    ) -> Result<(Driver, Reach), Error> {
        let port = location.port.unwrap_or(way.port());
        stage.reach(Phase::Resolve);
        let mut addresses = match addresses {
            Some(addresses) => addresses.to_vec(),
            None => self.sink.line().resolve(&location.host, port).await?,
        };
        addresses.iter_mut().for_each(|address| address.set_port(port));
        if let Some(from) = sent_by {
            addresses = from.leaves(location, addresses, &self.options.access)?;
        }
        self.sink.note(Note::Fact(format!("{}: {}", way.name(), shown(addresses.iter().copied()))));
        stage.reach(Phase::Connect);
        let line = self.sink.line();
        // They are tried side by side, in an order that depends on what worked last time.
        let what = format!("{} ", way.scheme());
        let tcp = line.connect_for(&what, &location.host, addresses).await?;
        let reach = tcp.peer_addr().map_or(Reach::Far, |peer| Reach::of(peer.ip()));
        stage.reach(Phase::Handshake);
        let udp = match way.is_udp() {
            true => {
                let bound = || {
                    let local = SocketAddr::new(tcp.local_addr()?.ip(), 0);
                    let udp = line.datagrams("mms", local, DATAGRAMS)?;
                    Ok((udp.port()?, udp))
                };
                Some(bound().map_err(|error| Error::from_io("a port for datagrams", &error))?)
            }
            false => None,
        };
        let session = way.session(location, udp.as_ref().map(|(port, _)| *port), self.options);
        tracing::debug!(%location, way = way.name(), "connected");
        let driver = Driver::new(session, location.to_string(), line.clone(), tcp, udp.map(|(_, udp)| udp))?;
        Ok((driver, reach))
    }

    /// Opens the first of `urls` that can be opened.
    async fn follow(
        &self,
        from: &Location,
        urls: Vec<String>,
        trail: &Trail,
        stage: &Stage<'_>,
    ) -> Result<Found, Error> {
        let mut failures = Vec::new();
        for url in urls.into_iter().take(MOST_ALTERNATIVES) {
            let found = async {
                let there = from.join(&url)?;
                if trail.visited.len() > MOST_MOVES {
                    let what = format!("{from} redirects on and on, last to {there}");
                    return Err(Error::Server { status: 0, what });
                }
                tracing::info!(%from, to = %there, "moved");
                self.sink.note(Note::Fact(format!("sent on to {there}")));
                self.open_from(there, trail.clone(), stage).await
            };
            match found.await {
                Ok(found) => return Ok(found),
                Err(error) => failures.push((media::Redacted(&url).to_string(), error)),
            }
        }
        match failures.len() {
            0 => Err(Error::Server { status: 0, what: format!("{from} redirects to nowhere") }),
            1 => Err(failures.remove(0).1),
            _ => Err(failure::of_all(failures)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::progress::Progress;
    use crate::timeline::Timeline;

    #[tokio::test]
    async fn nobody_outside_leads_to_this_machine() {
        let (publisher, _feed) = feed::Feed::new(feed::Limits::default());
        let timeline = Arc::new(Mutex::new(Timeline::new(Instant::now())));
        let options = Options::default();
        let (sink, _cut) = Sink::new(Arc::new(publisher), timeline, Arc::new(Progress::new()), &options);
        let asked = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        asked.set_nonblocking(true).unwrap();
        let port = asked.local_addr().unwrap().port();
        let from = Location::parse("mms://cams.example/cam2").unwrap();
        let trail = Trail { visited: Vec::new(), sent_by: Some(Sender { at: from.clone(), reach: Reach::Far }) };
        for scheme in ["mms", "mmst", "mmsh", "http", "rtsp"] {
            let urls = vec![format!("{scheme}://127.0.0.1:{port}/x")];
            let Err(error) = Opening::new(&options, &sink).go_on(&from, urls, &trail).await else {
                panic!("{scheme} was opened")
            };
            assert!(error.to_string().contains("redirects to this machine"), "{scheme}: {error}");
        }
        let there = Location::parse("https://127.0.0.1/x").unwrap();
        assert!(Opening::new(&options, &sink).may_leave(&there, &trail).await.is_err());
        assert_eq!(asked.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody connects");
    }
}
