//! `/NAME.mjpeg`: picture after picture on the bare socket.
//!
//! For each client there is a cursor and a buffer for one part's header lines; the
//! picture itself goes from the feed to the kernel without a copy. A client gets the
//! newest complete picture each time it can take one, so a slow one loses pictures and
//! never delays them; what it misses is counted.

use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use formats::multipart;
use source::{Picture, Pictures, State, Supervisor};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::query::{Known, Wishes};
use super::{Ask, Format};
use crate::clock;
use crate::placeholder::Placeholder;
use crate::server::{Refusal, Socket};
use crate::session::{Counts, Entered, Session};

pub(super) const FORMAT: Format = Format {
    extension: "mjpeg",
    doc: "motion JPEG: multipart/x-mixed-replace, for browsers, OpenCV and players",
    serve: |ask| Box::pin(serve(ask)),
};

const KNOWN: Known = &["max_age", "placeholder"];

/// A client that takes no byte for so long is closed.
const STALL: Duration = Duration::from_secs(30);
/// How long a client has to take the picture it is in when the server stops.
const FAREWELL: Duration = Duration::from_millis(400);
/// Most bytes that may lie in the kernel unsent. More would be pictures that grow old
/// where no program can take them back.
const UNSENT: u32 = 16 << 10;
/// How often a reader without pictures is told so, if it asked to be.
const TELL: Duration = Duration::from_secs(1);

async fn serve(ask: Ask) -> Result<Response, Refusal> {
    if ask.method != Method::GET && ask.method != Method::HEAD {
        return Err(Refusal::method("GET, HEAD"));
    }
    let wishes = Wishes::read(&ask.query, KNOWN)?;
    if ask.method == Method::HEAD {
        let headers = [(header::CONTENT_TYPE, multipart::CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")];
        return Ok((StatusCode::OK, headers).into_response());
    }
    let mut pictures = ask.source.variants().pictures(wishes.variant);
    // Whoever asked for a placeholder is answered at once; the others learn by the
    // status of the answer whether there is anything to see.
    let first = match wishes.placeholder {
        true => None,
        false => Some(first_picture(&mut pictures, &ask.source).await?),
    };
    let session = ask.relay.sessions.enter(|id| Session {
        id,
        peer: ask.takeover.peer(),
        source: ask.source.name().into(),
        format: FORMAT.extension,
        variant: wishes.variant.to_string(),
        agent: ask.agent(),
        since: Instant::now(),
        max_age: wishes.max_age,
        counts: Counts::default(),
    });
    let mut head = Vec::with_capacity(512);
    write_head(&mut head, &wishes, ask.old);
    let source = ask.source.clone();
    let order = move |socket: Socket| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let mut stopping = socket.stopping;
            let until = stopping.clone();
            let mut stream = Stream {
                socket: socket.stream,
                pictures,
                session,
                status: source.status(),
                placeholder: wishes.placeholder.then(|| Placeholder::new(source.name(), wishes.variant)),
                buffer: head,
                behind: None,
            };
            let told = async {
                let _ = stopping.wait_for(|stop| *stop).await;
                tokio::time::sleep(FAREWELL).await;
            };
            let result = tokio::select! {
                result = stream.run(first, until) => result,
                () = told => Ok(()),
            };
            if let Err(error) = result {
                tracing::debug!(peer = %stream.session.peer, source = stream.session.source, %error, "reader gone");
            }
        })
    };
    Ok(ask.takeover.give(Box::new(order)).await)
}

/// The first picture, or why there is none.
async fn first_picture(pictures: &mut Pictures, source: &Supervisor) -> Result<Picture, Refusal> {
    let mut status = source.status();
    tokio::select! {
        picture = pictures.newest() => picture.map_err(|error| Refusal::source(source.name(), &error)),
        refusal = failure(source.name(), &mut status) => Err(refusal),
    }
}

/// Waits until an attempt to open the source has failed.
pub(super) async fn failure(name: &str, status: &mut watch::Receiver<source::Status>) -> Refusal {
    let failed = status.wait_for(|status| matches!(status.state, State::Waiting(_) | State::Ended)).await;
    match failed.as_deref() {
        Ok(source::Status { error: Some(error), .. }) => Refusal::source(name, error),
        _ => Refusal::silent(name),
    }
}

/// The head of the answer. The stream ends with the connection, in HTTP/1.1 too:
/// chunks would only be more to parse for readers that look for the boundary anyway.
fn write_head(out: &mut Vec<u8>, wishes: &Wishes, old: bool) {
    let version = if old { "1.0" } else { "1.1" };
    out.extend_from_slice(format!("HTTP/{version} 200 OK\r\nContent-Type: {}\r\n", multipart::CONTENT_TYPE).as_bytes());
    out.extend_from_slice(b"Cache-Control: no-store\r\nX-Accel-Buffering: no\r\nAccess-Control-Allow-Origin: *\r\n");
    if let Some(max_age) = wishes.max_age {
        out.extend_from_slice(format!("X-Max-Age: {}\r\n", max_age.as_millis()).as_bytes());
    }
    out.extend_from_slice(b"Connection: close\r\n\r\n");
    out.extend_from_slice(multipart::OPENING);
}

struct Stream {
    socket: TcpStream,
    pictures: Pictures,
    session: Entered,
    status: watch::Receiver<source::Status>,
    placeholder: Option<Placeholder>,
    /// The bytes that go before the next picture.
    buffer: Vec<u8>,
    /// How long the last picture took to go out, if it did not go at once.
    behind: Option<Duration>,
}

/// What a reader waits for.
enum Event {
    Picture(Picture),
    Tell,
    Stop,
}

impl Stream {
    async fn run(&mut self, first: Option<Picture>, mut stopping: watch::Receiver<bool>) -> io::Result<()> {
        socket2::SockRef::from(&self.socket).set_tcp_notsent_lowat(UNSENT)?;
        let mut tell = interval(TELL);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next = first.map(Event::Picture);
        loop {
            let event = match next.take() {
                Some(event) => event,
                None => self.wait(&mut tell, &mut stopping).await?,
            };
            match event {
                Event::Picture(picture) => self.send(&picture).await?,
                Event::Tell => self.tell().await?,
                Event::Stop => {
                    self.buffer.extend_from_slice(multipart::CLOSING);
                    write_all(&self.socket, [&self.buffer, &[], &[]]).await?;
                    return self.socket.shutdown().await;
                }
            }
        }
    }

    async fn wait(&mut self, tell: &mut Interval, stopping: &mut watch::Receiver<bool>) -> io::Result<Event> {
        let mut ignored = [0; 512];
        loop {
            tokio::select! {
                biased;
                picture = self.pictures.newest() => return Ok(match picture {
                    Ok(picture) => Event::Picture(picture),
                    Err(_) => Event::Stop,
                }),
                readable = self.socket.readable() => {
                    readable?;
                    // Nothing is expected from the client but its leaving.
                    match self.socket.try_read(&mut ignored) {
                        Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                        Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                        _ => {}
                    }
                }
                _ = stopping.wait_for(|stop| *stop) => return Ok(Event::Stop),
                _ = tell.tick(), if self.placeholder.is_some() => return Ok(Event::Tell),
            }
        }
    }

    async fn send(&mut self, picture: &Picture) -> io::Result<()> {
        let counts = &self.session.counts;
        Counts::add(&counts.dropped, picture.lost);
        let age = picture.received.elapsed();
        if let Some(max_age) = self.session.max_age
            && age + self.behind.unwrap_or_default() > max_age
        {
            // It would arrive too old. After it the client has nothing under way, so the
            // next one is measured anew.
            Counts::add(&counts.late, 1);
            self.behind = None;
            return Ok(());
        }
        let dropped = counts.dropped.load(std::sync::atomic::Ordering::Relaxed);
        let head = multipart::Head {
            length: picture.data.len(),
            captured: picture.captured.unwrap_or_else(|| clock::wall(picture.received)),
            sequence: clock::sequence(picture.received),
            report: self.session.max_age.map(|_| (age, dropped)),
        };
        head.write(&mut self.buffer);
        let began = Instant::now();
        let waited = write_all(&self.socket, [&self.buffer, &picture.data, multipart::BETWEEN]).await?;
        self.behind = waited.then(|| began.elapsed());
        Counts::add(&counts.pictures, 1);
        Counts::add(&counts.bytes, (self.buffer.len() + picture.data.len() + multipart::BETWEEN.len()) as u64);
        let age_us = u64::try_from(picture.received.elapsed().as_micros()).unwrap_or(u64::MAX);
        counts.age_us.store(age_us, std::sync::atomic::Ordering::Relaxed);
        self.buffer.clear();
        Ok(())
    }

    /// Says what is wrong, if there are no pictures.
    async fn tell(&mut self) -> io::Result<()> {
        let status = self.status.borrow().clone();
        let Some(placeholder) = &mut self.placeholder else { return Ok(()) };
        let Some(data) = placeholder.picture(&status).await else { return Ok(()) };
        let now = Instant::now();
        let head = multipart::Head {
            length: data.len(),
            captured: clock::wall(now),
            sequence: clock::sequence(now),
            report: None,
        };
        head.write(&mut self.buffer);
        write_all(&self.socket, [&self.buffer, &data, multipart::BETWEEN]).await?;
        self.buffer.clear();
        Ok(())
    }
}

/// Writes all of `parts`; whether the client was not ready for all of it at once.
async fn write_all(socket: &TcpStream, parts: [&[u8]; 3]) -> io::Result<bool> {
    let mut slices = parts.map(IoSlice::new);
    let mut left = &mut slices[..];
    IoSlice::advance_slices(&mut left, 0);
    let mut waited = false;
    while !left.is_empty() {
        match socket.try_write_vectored(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => IoSlice::advance_slices(&mut left, count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                waited = true;
                timeout(STALL, socket.writable()).await.map_err(|_| stalled())??;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(waited)
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("the client took nothing for {STALL:?}"))
}
