//! HLS that goes on: the list is read again and again, each piece is fetched once, and their
//! bytes go to libavformat's demuxers one behind the other.
//!
//! libavformat's own client knows no parts, so it is segments behind. It still opens what is no broadcast
//! (a list that has ended is a recording, in which it can go to places), what is encrypted in another way
//! than as a whole, and what has its sound in a list of its own, [by way of us](super::courier).

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use formats::hls::{BLOCK, Decrypter, Fetch, Follower, Key, Media, Next, Piece, Playlist};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::ask::Known;
use super::body::Answer;
use super::other::{Body, MOST_WAITING};
use super::session::{Fetched, Session};
use crate::doctor::PIECES;
use crate::journal::Note;
use crate::location::Location;
use crate::scheme::Request;
use crate::{Error, Sink, libav, on_thread};

/// Most bytes of a list.
const MOST_BYTES: usize = 4 << 20;
/// Pieces in a row that a server may not have.
const MOST_MISSING: u32 = 3;
/// How much longer than a segment an answer may take that the server was asked to wait with.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most bytes of what has to be read before a segment.
const MOST_HEAD: usize = 4 << 20;
/// What is read of a piece at once, in bytes.
const READ: usize = 64 << 10;

/// What became of a list.
pub(super) enum Outcome {
    /// It was played until this happened.
    Over(Error),
    /// It is for libavformat; the sink goes back, with where the list is.
    NotOurs(Box<Session>, Location, Sink),
}

/// Plays the list that `answer` brings, of which `first` has come.
pub(super) async fn run(
    mut session: Session,
    mut answer: Answer,
    first: BytesMut,
    request: &Request,
    sink: Sink,
) -> Outcome {
    let asked = Instant::now();
    let start = session.location().clone();
    let list = match read_list(&mut answer, first).await.and_then(|text| parse(&text, &start)) {
        Ok(list) => list,
        Err(error) => return Outcome::Over(error),
    };
    session.keep(answer);
    let media = match list {
        Playlist::Media(media) => media,
        Playlist::Main(variants) => {
            let Some(best) = variants.iter().max_by_key(|variant| variant.bandwidth) else {
                let what = format!("{start} is a list of HLS with nothing in it");
                return Outcome::Over(Error::NotVideo { what, page: false });
            };
            if best.separate_sound {
                return Outcome::NotOurs(session.into(), start, sink);
            }
            sink.note(Note::Fact(format!("HLS: of {} variants the one of {} bit/s", variants.len(), best.bandwidth)));
            if let Err(error) = go_to(&mut session, &start, &best.uri) {
                return Outcome::Over(error);
            }
            match load(&mut session, &sink).await {
                Ok(Playlist::Media(media)) => {
                    session.is_the_list();
                    media
                }
                Ok(Playlist::Main(_)) => return Outcome::NotOurs(session.into(), start, sink),
                Err(error) => return Outcome::Over(error),
            }
        }
    };
    if media.ended || media.encrypted || media.pictures_only {
        return Outcome::NotOurs(session.into(), start, sink);
    }
    session.patience = media.target + PATIENCE;
    let list = session.location().clone();
    Outcome::Over(Player::new(session, list, request, sink).play(media, asked).await)
}

/// One demuxer, and what it is fed by.
struct Demuxer {
    give: mpsc::Sender<Bytes>,
    ends: JoinSet<Error>,
}

struct Player<'a> {
    session: Session,
    /// Where the list is.
    list: Location,
    request: &'a Request,
    sink: Arc<Sink>,
    demuxer: Option<Demuxer>,
    /// What the next demuxer has to read first.
    head: BytesMut,
    /// The key that was asked for last, by the name that the list has for it.
    key: Option<(Arc<str>, [u8; BLOCK])>,
    /// What it shows does not follow what was shown before.
    broken: bool,
    missing: u32,
}

/// Where a piece goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Head,
    Demuxer,
}

impl<'a> Player<'a> {
    fn new(session: Session, list: Location, request: &'a Request, sink: Sink) -> Self {
        Self {
            session,
            list,
            request,
            sink: Arc::new(sink),
            demuxer: None,
            head: BytesMut::new(),
            key: None,
            broken: false,
            missing: 0,
        }
    }

    /// Follows the list to what ends it.
    async fn play(mut self, media: Media, mut asked: Instant) -> Error {
        self.tell(&media);
        let mut follower = Follower::new();
        follower.handle(media);
        loop {
            let done = match follower.poll() {
                Next::Fetch(fetch) => self.fetch(&mut follower, fetch).await,
                Next::Reload { after, wait_for } => {
                    sleep_until(asked + after).await;
                    asked = Instant::now();
                    match self.reload(wait_for).await {
                        Ok(media) if media.encrypted => Err(Error::Ended { what: Some("it is encrypted now".into()) }),
                        Ok(media) => {
                            follower.handle(media);
                            Ok(())
                        }
                        Err(error) => Err(error),
                    }
                }
                Next::End => return self.end().await.unwrap_or(Error::Ended { what: None }),
            };
            if let Err(error) = done {
                return error;
            }
        }
    }

    /// For the journal.
    fn tell(&self, media: &Media) {
        let parts = match (media.part_target, media.can_block) {
            (Some(part), true) => format!(" in parts of {part:?}, for which the server waits"),
            (Some(part), false) => format!(" in parts of {part:?}"),
            (None, _) => String::new(),
        };
        self.sink.note(Note::Fact(format!("{PIECES} of {:?}{parts}", media.target)));
    }

    async fn reload(&mut self, wait_for: Option<(u64, Option<usize>)>) -> Result<Media, Error> {
        let mut there = self.list.clone();
        if let Some((segment, part)) = wait_for {
            let mark = if there.path_and_query.contains('?') { '&' } else { '?' };
            let part = part.map(|part| format!("&_HLS_part={part}")).unwrap_or_default();
            there.path_and_query += &format!("{mark}_HLS_msn={segment}{part}");
        }
        self.session.go(there);
        match load(&mut self.session, &self.sink).await? {
            Playlist::Media(media) => Ok(media),
            Playlist::Main(_) => Err(Error::Broken { what: format!("{} is another list now", self.list) }),
        }
    }

    /// Fetches a piece for the demuxer, a new one where it has to be.
    async fn fetch(&mut self, follower: &mut Follower, fetch: Fetch) -> Result<(), Error> {
        if fetch.anew {
            if let Some(error) = self.end().await {
                return Err(error);
            }
            self.broken |= fetch.broken;
            self.head.clear();
        }
        match self.both(&fetch).await {
            Ok(()) => self.missing = 0,
            // It is gone already, or never was: what comes next may be there.
            Err(error) if error.is_answer() && !error.is_refusal() && self.missing < MOST_MISSING => {
                self.missing += 1;
                tracing::debug!(%error, "a piece is missing");
                follower.skip();
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// A piece, and what has to be read before it. A demuxer is begun with the first bytes of a piece
    /// that is there: one that is fed nothing says that nothing was video.
    async fn both(&mut self, fetch: &Fetch) -> Result<(), Error> {
        if let Some(map) = fetch.map.as_ref().filter(|_| fetch.anew) {
            self.pass(map, To::Head).await?;
        }
        self.pass(&fetch.piece, To::Demuxer).await
    }

    async fn begin(&mut self) {
        let (give, take) = mpsc::channel(MOST_WAITING);
        let body = Body { take, piece: Bytes::new() };
        let (of, protocol) = (self.list.to_string(), self.session.protocol());
        let broken = std::mem::take(&mut self.broken);
        let (options, sink) = (Arc::clone(&self.request.options), Arc::clone(&self.sink));
        let mut ends = JoinSet::new();
        ends.spawn(async move {
            let thread =
                on_thread("hls", move |stop| libav::play_pieces(body, &of, protocol, &options, broken, &sink, &stop));
            thread.await.unwrap_or_else(libav::died)
        });
        let head = self.head.split().freeze();
        if !head.is_empty() {
            // There is room, and who has ended by itself is found out by what follows.
            let _ = give.send(head).await;
        }
        self.demuxer = Some(Demuxer { give, ends });
    }

    /// Lets the demuxer come to the end of what it has; what it fails with.
    async fn end(&mut self) -> Option<Error> {
        let Demuxer { give, mut ends } = self.demuxer.take()?;
        drop(give);
        match ends.join_next().await {
            Some(Ok(Error::Ended { .. })) | None => None,
            Some(Ok(error)) => Some(error),
            Some(Err(_)) => Some(libav::died()),
        }
    }

    /// Hands a piece on as it comes.
    async fn pass(&mut self, piece: &Piece, to: To) -> Result<(), Error> {
        let mut decrypter = match &piece.key {
            Some(key) => Some(Decrypter::new(self.key(key).await?, key.iv)),
            None => None,
        };
        go_to(&mut self.session, &self.list, &piece.uri)?;
        self.session.range = piece.range;
        let fetched = self.session.get(&self.sink, Some(&Known::default())).await;
        self.session.range = None;
        let mut answer = answered(fetched?)?;
        // A server that knows no ranges sends all of it.
        let (mut skip, mut left) = match piece.range {
            Some((from, length)) if answer.head.status != 206 => (from, length),
            Some((_, length)) => (0, length),
            None => (0, u64::MAX),
        };
        let place = self.session.location().to_string();
        let mut bytes = BytesMut::new();
        while left > 0 {
            bytes.reserve(READ);
            match answer.read(&mut bytes).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(Error::Ended { what: Some(format!("{place}: {error}")) }),
            }
            let over = usize::try_from(skip).unwrap_or(usize::MAX).min(bytes.len());
            skip -= over as u64;
            let mut taken = bytes.split().freeze().split_off(over);
            taken.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            left -= taken.len() as u64;
            if let Some(decrypter) = &mut decrypter {
                taken = decrypter.handle(&taken).into();
            }
            self.hand_on(taken, to, &place).await?;
        }
        if answer.is_cut() && left > 0 {
            return Err(Error::Ended { what: Some(format!("{place}: cut off within a piece")) });
        }
        if let Some(decrypter) = decrypter {
            let last = decrypter.finish().map_err(|error| Error::Broken { what: format!("{place}: {error}") })?;
            self.hand_on(last.into(), to, &place).await?;
        }
        self.session.keep(answer);
        Ok(())
    }

    async fn hand_on(&mut self, bytes: Bytes, to: To, place: &str) -> Result<(), Error> {
        match to {
            _ if bytes.is_empty() => {}
            To::Demuxer => self.give(bytes).await?,
            To::Head if self.head.len() + bytes.len() <= MOST_HEAD => self.head.extend_from_slice(&bytes),
            To::Head => {
                return Err(Error::Broken { what: format!("{place}: a header of more than {MOST_HEAD} bytes") });
            }
        }
        Ok(())
    }

    /// The key of a piece, which is asked for as pieces are, and once where they share it.
    async fn key(&mut self, key: &Key) -> Result<[u8; BLOCK], Error> {
        if let Some((uri, bytes)) = &self.key
            && *uri == key.uri
        {
            return Ok(*bytes);
        }
        go_to(&mut self.session, &self.list, &key.uri)?;
        let mut answer = answered(self.session.get(&self.sink, Some(&Known::default())).await?)?;
        let place = self.session.location().to_string();
        let mut bytes = BytesMut::new();
        while bytes.len() <= BLOCK {
            match answer.read(&mut bytes).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err(Error::Ended { what: Some(format!("{place}: {error}")) }),
            }
        }
        let Ok(found) = <[u8; BLOCK]>::try_from(&bytes[..]) else {
            let more = if bytes.len() > BLOCK { "more" } else { "less" };
            return Err(Error::Broken { what: format!("{place}: expected a key of {BLOCK} bytes, found {more}") });
        };
        self.session.keep(answer);
        self.key = Some((Arc::clone(&key.uri), found));
        Ok(found)
    }

    async fn give(&mut self, bytes: Bytes) -> Result<(), Error> {
        if self.demuxer.is_none() {
            self.begin().await;
        }
        let Some(demuxer) = &mut self.demuxer else { return Ok(()) };
        if demuxer.give.send(bytes).await.is_ok() {
            return Ok(());
        }
        // It has ended by itself: what is wrong is not the way to the server.
        Err(self.end().await.unwrap_or(Error::Ended { what: None }))
    }
}

/// Goes to where `uri` is, seen from the list.
fn go_to(session: &mut Session, list: &Location, uri: &str) -> Result<(), Error> {
    let wrong = |what: String| Error::Server { status: 0, what };
    let there = list.join(uri).map_err(|error| wrong(format!("{list} names what is no address: {}", error.what())))?;
    if !matches!(&*there.scheme, "http" | "https") {
        return Err(wrong(format!("{list} leads away from HTTP, to {there}")));
    }
    session.go(there);
    Ok(())
}

fn answered(fetched: Fetched) -> Result<Answer, Error> {
    match fetched {
        Fetched::Answer(answer) if answer.head.status != 304 => Ok(answer),
        Fetched::Answer(_) => Err(Error::Broken { what: "304 for what nobody has".into() }),
        Fetched::Elsewhere(there) => {
            Err(Error::Server { status: 302, what: format!("a piece has moved to {there}, away from HTTP") })
        }
    }
}

/// The list where `session` is.
async fn load(session: &mut Session, sink: &Sink) -> Result<Playlist, Error> {
    let mut answer = answered(session.get(sink, Some(&Known::default())).await?)?;
    let text = read_list(&mut answer, BytesMut::new()).await?;
    session.keep(answer);
    parse(&text, session.location())
}

/// The whole of a list, of which `text` has come.
pub(super) async fn read_list(answer: &mut Answer, mut text: BytesMut) -> Result<BytesMut, Error> {
    loop {
        match answer.read(&mut text).await {
            Ok(0) => return Ok(text),
            Ok(_) if text.len() <= MOST_BYTES => {}
            Ok(_) => return Err(Error::Broken { what: format!("a list of more than {MOST_BYTES} bytes") }),
            Err(error) => return Err(Error::Ended { what: Some(error.to_string()) }),
        }
    }
}

fn parse(text: &[u8], place: &Location) -> Result<Playlist, Error> {
    let wrong = |what: String| Error::Broken { what: format!("{place}: {what}") };
    let text = std::str::from_utf8(text).map_err(|error| wrong(error.to_string()))?;
    Playlist::parse(text).map_err(|error| wrong(error.to_string()))
}
