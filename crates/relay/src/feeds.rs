//! Feeds: what others send by `PUT` or `POST`, in any container.
//!
//! The answer comes when the sender is done, and says in one line what was taken; one
//! that cannot be read is told so at once, in the midst of its sending. A body has a
//! length or comes in chunks, which is hyper's to read, or ends with the connection,
//! which is read here from the bare socket.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use http_body_util::BodyExt;
use source::push::{Ending, Feeder, Hint, Taken};
use source::{Error, Supervisor};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::Relay;
use crate::paths::Visit;
use crate::server::{Refusal, Socket, Takeover, say, stopped};

/// Bytes read from a bare socket at a time.
const READ: usize = 64 << 10;
/// How long a sender may take to hear the answer.
const HEARING: Duration = Duration::from_secs(5);

/// The feed that is sent to at `file`, a path without its first slash: `NAME.ffm` or `NAME`.
pub(crate) fn at(relay: &Relay, file: &str) -> Option<Supervisor> {
    let name = file.strip_suffix(".ffm").unwrap_or(file);
    relay.source(name).filter(Supervisor::is_pushed)
}

/// The feed called `name`, for who asks from `peer` by a protocol of its own; the same words where
/// nothing is and where it may not send, so that it cannot tell.
pub(crate) fn asked_for(relay: &Relay, peer: SocketAddr, name: &str) -> Result<Supervisor, String> {
    let feed = match relay.paths() {
        // A source of the file that is fed is there, too, by the same rules as for `PUT`.
        Some(paths) if paths.has_of_feed(name) => paths.feed_at(peer.ip().to_canonical(), name),
        _ => at(relay, name),
    };
    feed.ok_or_else(|| format!("there is no feed {name:?} here"))
}

/// Ends what was sent to the feed called `name` by `protocol`, and tells what came of it.
pub(crate) async fn finish(
    relay: &Relay,
    feeder: Feeder,
    ending: Ending,
    name: &str,
    peer: SocketAddr,
    protocol: &str,
) {
    let taken = feeder.finish(ending).await;
    let (pictures, container) = (taken.pictures, taken.container);
    match taken.error {
        None => tracing::info!(feed = name, %peer, pictures, container, "{protocol} sender is done"),
        Some(error) if taken.packets == 0 => relay.refusals.tell(protocol, peer, Some(name), &error.to_string()),
        Some(error) => tracing::info!(feed = name, %peer, pictures, container, %error, "{protocol} sender is done"),
    }
}

/// Takes what `request` sends into `feed`.
///
/// # Errors
/// When another one is feeding it, or what comes cannot be read, or stops coming.
pub(crate) async fn receive(
    relay: &Arc<Relay>,
    feed: &Supervisor,
    request: Request,
    visit: Option<Visit>,
) -> Result<Response, Refusal> {
    let (parts, body) = request.into_parts();
    let takeover = parts.extensions.get::<Takeover>().cloned();
    let takeover = takeover.ok_or_else(|| Refusal::bad_request("feeds need a connection of their own"))?;
    let protocol = if parts.method == Method::PUT { "PUT" } else { "POST" };
    let sender = Sender { relay: Arc::clone(relay), peer: takeover.peer(), protocol, feed: feed.name().to_owned() };
    let seen = Seen { visit, sender };
    if let Some(coding) = text(&parts, header::CONTENT_ENCODING).filter(|coding| coding != "identity") {
        let refusal = Refusal::unreadable(format!("Content-Encoding: {coding} is not understood; send it as it is"));
        return Err(turn_away(&takeover, refusal, seen).await);
    }
    let hint = Hint {
        by: takeover.peer().to_string(),
        protocol: if parts.version < Version::HTTP_11 { "HTTP/1.0" } else { "HTTP/1.1" },
        agent: text(&parts, header::USER_AGENT),
        content_type: text(&parts, header::CONTENT_TYPE),
    };
    let feeder = match feed.feeder(hint).await {
        Ok(feeder) => feeder,
        Err(error) => return Err(turn_away(&takeover, Refusal::conflict(error.to_string()), seen).await),
    };
    let is_framed =
        [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|name| parts.headers.contains_key(name));
    if !is_framed {
        let order = move |socket: Socket| drop(tokio::spawn(until_closed(socket, feeder, seen)));
        return Ok(takeover.give(Box::new(order)).await);
    }
    // A task of its own, since hyper drops this one when the sender has closed the connection
    // behind its last byte, as ffmpeg does; that is no reason to leave out what lies here.
    let mut stopping = takeover.stopping();
    let taking = tokio::spawn(async move {
        let ending = tokio::select! {
            ending = pour(body, &feeder) => ending,
            () = stopped(&mut stopping) => Some(Ending::Broken),
            () = seen.gone() => {
                feeder.finish(Ending::Broken).await;
                return (Err(changed()), false, seen);
            }
        };
        let taken = feeder.finish(ending.unwrap_or(Ending::Broken)).await;
        seen.taken(&taken);
        (answer(&taken), ending.is_some(), seen)
    });
    match taking.await {
        Ok((answer, true, _)) => answer,
        // The rest of the body is not read, so that hyper could not answer in order.
        Ok((Err(refusal), false, seen)) => Err(turn_away(&takeover, refusal, seen).await),
        Ok((Ok(answer), false, _)) => Ok(answer),
        Err(error) => Err(Refusal::bad_request(format!("the feed was lost: {error}"))),
    }
}

fn text(parts: &Parts, name: header::HeaderName) -> Option<String> {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).map(|text| text.chars().take(120).collect())
}

/// Hands the body over to its end; nothing if the feeder has had enough before.
async fn pour(mut body: Body, feeder: &Feeder) -> Option<Ending> {
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = feeder.unwanted() => return None,
        };
        match frame {
            None => return Some(Ending::Whole),
            Some(Err(error)) => {
                tracing::debug!(%error, "the sender went away");
                return Some(Ending::Broken);
            }
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data()
                    && !feeder.write(data).await
                {
                    return None;
                }
            }
        }
    }
}

/// Takes everything that comes until the sender closes its side, and answers.
async fn until_closed(socket: Socket, feeder: Feeder, seen: Seen) {
    let Socket { mut stream, mut place, read } = socket;
    let mut buffer = BytesMut::from(&read[..]);
    let ending = loop {
        if !buffer.is_empty() && !feeder.write(buffer.split().freeze()).await {
            break Ending::Broken;
        }
        buffer.reserve(READ);
        tokio::select! {
            count = stream.read_buf(&mut buffer) => match count {
                Ok(0) => break Ending::Closed,
                Ok(_) => {}
                Err(_) => break Ending::Broken,
            },
            () = feeder.unwanted() => break Ending::Broken,
            () = seen.gone() => {
                feeder.finish(Ending::Broken).await;
                let refusal = changed();
                seen.answered(refusal.status().as_u16());
                return say(stream, &refusal).await;
            }
            () = stopped(&mut place.stopping) => return say(stream, &Refusal::stopping()).await,
        }
    };
    let taken = feeder.finish(ending).await;
    seen.taken(&taken);
    match &taken.error {
        None => {
            let line = line(&taken);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                line.len()
            );
            let said = timeout(HEARING, async {
                stream.write_all(format!("{head}{line}").as_bytes()).await?;
                stream.shutdown().await
            });
            // Whoever ends a feed by closing the connection mostly does not listen any more.
            let _ = said.await;
        }
        Some(error) => {
            let refusal = refusal(&taken, error);
            seen.refused(&refusal);
            say(stream, &refusal).await;
        }
    }
}

/// Answers a request whose body is not read to its end, without hyper.
async fn turn_away(takeover: &Takeover, refusal: Refusal, seen: Seen) -> Refusal {
    seen.answered(refusal.status().as_u16());
    seen.refused(&refusal);
    let order = move |Socket { stream, place, .. }: Socket| {
        drop(tokio::spawn(async move {
            say(stream, &refusal).await;
            drop((place, seen));
        }));
    };
    takeover.give(Box::new(order)).await
}

fn answer(taken: &Taken) -> Result<Response, Refusal> {
    match &taken.error {
        None => Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], line(taken)).into_response()),
        Some(error) => Err(refusal(taken, error)),
    }
}

/// What is said to the feeder of a feed that a reload has changed.
fn changed() -> Refusal {
    Refusal::over("the configuration was read again, and has changed this feed; send to it anew")
}

/// What was taken, in a line.
fn line(taken: &Taken) -> String {
    let Taken { bytes, pictures, packets, container, .. } = taken;
    let codec = taken.codec.map_or("", |codec| codec.name());
    let (count, what) = match (*pictures, *packets) {
        (0, packets) if packets > 0 => (packets, "packet"),
        (pictures, _) => (pictures, "picture"),
    };
    let s = if count == 1 { "" } else { "s" };
    format!("took {count} {what}{s} of {codec} in {container}, {bytes} bytes\n")
}

fn refusal(taken: &Taken, error: &Error) -> Refusal {
    let after = match (taken.pictures, taken.packets) {
        (0, 0) => String::new(),
        (0, packets) => format!("after {packets} packets: "),
        (pictures, _) => format!("after {pictures} pictures: "),
    };
    let what = format!("{after}{error}");
    let refusal = match error {
        Error::Timeout { .. } => Refusal::silence(what),
        Error::NotVideo { .. } | Error::Unsupported { .. } | Error::Broken { .. } if taken.packets == 0 => {
            Refusal::unreadable(what)
        }
        Error::Ended { .. } => Refusal::over(what),
        _ => Refusal::bad_request(what),
    };
    // One that has sent something was not refused; what came of the feed is told by the feed.
    if taken.packets > 0 { refusal.in_silence() } else { refusal }
}

/// Who sends, for the log.
struct Sender {
    relay: Arc<Relay>,
    peer: SocketAddr,
    protocol: &'static str,
    feed: String,
}

/// The request as it will be logged, where requests are.
struct Seen {
    visit: Option<Visit>,
    sender: Sender,
}

impl Seen {
    fn answered(&self, status: u16) {
        if let Some(visit) = &self.visit {
            visit.answered(status);
        }
    }

    /// Tells of a refusal that is not answered by hyper, which would tell of it.
    fn refused(&self, refusal: &Refusal) {
        if let Some(why) = refusal.to_tell() {
            let Sender { relay, peer, protocol, feed } = &self.sender;
            relay.refusals.tell(protocol, *peer, Some(feed), why);
        }
    }

    /// Waits until a reload has changed the feed; for ever where there are none.
    async fn gone(&self) {
        match &self.visit {
            Some(visit) => visit.over().await,
            None => std::future::pending().await,
        }
    }

    fn taken(&self, taken: &Taken) {
        let status = taken.error.as_ref().map_or(StatusCode::OK, |error| refusal(taken, error).status());
        self.answered(status.as_u16());
        if let Some(visit) = &self.visit {
            visit.sent(taken.bytes);
        }
    }
}
