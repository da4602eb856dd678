//! From the body of an answer to the feed.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use formats::jpeg;
use formats::multipart::{Part, Reader};
use media::{Size, Track, TrackId, Unit};
use tokio::time::{Instant, sleep_until};

use super::ask::Known;
use super::body::Answer;
use super::session::{Fetched, Session};
use crate::manners::Host;
use crate::scheme::{Request, scheme_of};
use crate::{About, Error, Manners, Sink};

/// Publishes the pictures of `answer`, of which `reader` already has the first bytes.
/// If it was only one, asks for the next, and so on.
pub(super) async fn run(
    mut session: Session,
    mut answer: Answer,
    mut reader: Reader,
    request: &Request,
    sink: &Sink,
) -> Error {
    let mut pace = Pace::of(request);
    let mut door = Door::new(&session, &answer, sink);
    let mut asked = Instant::now();
    loop {
        let streamed = match stream(&mut answer, &mut reader, &mut door).await {
            Ok(pictures) => pictures,
            Err(error) => return error,
        };
        let endless = answer.head.status == 101 || answer.head.media_type().starts_with("multipart/");
        let single = !endless && streamed == 1;
        if !single {
            return match (door.declared.is_some(), reader.is_within()) {
                (false, true) => Error::Ended { what: Some("within its first picture".into()) },
                (false, false) => {
                    Error::NotVideo { what: format!("{} ended without a picture", session.location()), page: true }
                }
                (true, true) => Error::Ended { what: Some("within a picture".into()) },
                (true, false) => Error::Ended { what: None },
            };
        }
        let known = Known::of(&answer);
        // Kept, or closed before the next one is opened: some cameras serve only one client.
        session.keep(answer);
        (answer, asked) = match again(&mut session, &known, asked + pace.poll, &mut pace, sink).await {
            Ok(next) => next,
            Err(error) => return error,
        };
        reader = Reader::new();
        door.polled = true;
    }
}

/// How often single pictures are asked for.
struct Pace<'a> {
    poll: Duration,
    /// Where it was asked first: other sources of that host know it by this name.
    host: Option<Arc<Host>>,
    manners: &'a Manners,
    /// Pictures in a row that were asked for late.
    late: u32,
    /// When the last one was asked for.
    last: Option<Instant>,
}

/// Pictures in a row that are asked for late because of others, before that is told.
const LATE: u32 = 8;
/// What is no wait.
const MOMENT: Duration = Duration::from_millis(5);

impl<'a> Pace<'a> {
    fn of(request: &'a Request) -> Self {
        let host = scheme_of(&request.url).and_then(|scheme| Host::of(&request.url, scheme));
        Self {
            poll: request.options.poll,
            host: host.map(|(host, _)| host),
            manners: &request.options.manners,
            late: 0,
            last: None,
        }
    }

    /// Waits until the host may be asked again, by whomever.
    async fn turn(&mut self, sink: &Sink) {
        let Some(host) = &self.host else { return };
        let before = Instant::now();
        host.turn(self.manners).await;
        let now = Instant::now();
        let last = self.last.replace(now);
        // By what is worth telling, and each time.
        self.late = if before.elapsed() > (self.poll / 4).max(MOMENT) { self.late.saturating_add(1) } else { 0 };
        match last {
            Some(last) if self.late == LATE => {
                sink.held_back(Some(host.held_back(now - last, self.poll, self.manners)));
            }
            _ if self.late == 0 => sink.held_back(None),
            _ => (),
        }
    }
}

/// Asks for a snapshot until there is another one than the known.
async fn again(
    session: &mut Session,
    known: &Known,
    mut due: Instant,
    pace: &mut Pace<'_>,
    sink: &Sink,
) -> Result<(Answer, Instant), Error> {
    loop {
        sleep_until(due).await;
        pace.turn(sink).await;
        let asked = Instant::now();
        due = asked + pace.poll;
        match session.get(sink, Some(known)).await? {
            Fetched::Answer(answer) if answer.head.status == 304 => {
                sink.unchanged();
                session.keep(answer);
            }
            Fetched::Answer(answer) => return Ok((answer, asked)),
            Fetched::Elsewhere(location) => {
                return Err(Error::Server { status: 302, what: format!("the picture has moved to {location}") });
            }
        }
    }
}

/// Publishes until the body ends; returns how many pictures it had.
async fn stream(answer: &mut Answer, reader: &mut Reader, door: &mut Door<'_>) -> Result<u64, Error> {
    let mut pictures = 0;
    loop {
        while let Some(part) = reader.poll_part() {
            pictures += 1;
            door.publish(part, reader.lost())?;
            door.sink.room().await;
        }
        if door.polled && pictures > 0 {
            // It is one picture, wherever the server believes that its end is.
            return Ok(pictures);
        }
        match answer.read(reader.buffer()).await {
            Ok(0) => return Ok(pictures),
            Ok(_) => {}
            Err(error) => return Err(Error::Ended { what: Some(error.to_string()) }),
        }
    }
}

/// The sink, and what was told to it.
struct Door<'a> {
    sink: &'a Sink,
    about: About,
    declared: Option<Size>,
    /// The pictures are asked for one by one: the same one again is none.
    polled: bool,
    last: Bytes,
    lost: u64,
}

impl<'a> Door<'a> {
    fn new(session: &Session, answer: &Answer, sink: &'a Sink) -> Self {
        let about = About {
            protocol: session.protocol(),
            container: "mpjpeg".into(),
            server: answer.head.header("server").map(|name| name.chars().take(80).collect()),
            live: true,
            ..About::default()
        };
        Self { sink, about, declared: None, polled: false, last: Bytes::new(), lost: 0 }
    }

    fn publish(&mut self, part: Part, lost: u64) -> Result<(), Error> {
        if self.polled && part.data == self.last {
            self.sink.unchanged();
            return Ok(());
        }
        self.last = part.data.clone();
        let info = jpeg::info(&part.data);
        let size = info.as_ref().map_or_else(|_| self.declared.unwrap_or_default(), |info| info.size);
        if self.declared != Some(size) {
            self.sink.declare(self.about.clone(), vec![Track::mjpeg(size)])?;
            self.declared = Some(size);
        }
        let bare = info.as_ref().is_ok_and(|info| !info.has_huffman);
        self.sink.publish(Unit {
            corrupt: info.is_err(),
            discontinuity: lost != self.lost,
            captured: part.timestamp,
            ..Unit::picture(TrackId(0), if bare { jpeg::with_huffman(part.data) } else { part.data })
        });
        self.lost = lost;
        Ok(())
    }
}
