//! What FFmpeg's demuxers of HLS and DASH fetch is fetched here.
//!
//! Their lists name hosts as they like, FFmpeg follows them and their redirects wherever that is, and asks without
//! our headers, proxy, password and trust. So it is shown a list in which every address leads to a port of ours on
//! the loopback, with the true one behind a word that nobody else knows. Whatever it asks for there is asked for by
//! our own [`Session`], which goes no nearer than the list came from. FFmpeg may speak plain HTTP
//! and nothing else, and has the port for its proxy: an address that was missed leads here, too, where it
//! is refused for want of the word.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use formats::{dash, hls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::ask::{Known, random};
use super::body::Answer;
use super::hls::read_list;
use super::session::{Fetched, Session, TO_END};
use crate::line::Line;
use crate::location::Location;
use crate::scheme::Request;
use crate::{Error, Sink, libav};

/// Most bytes of a request of FFmpeg's.
const MOST_REQUEST: usize = 32 << 10;
/// Most requests of its at a time.
const MOST_AT_ONCE: usize = 32;
/// How long it may take to send one.
const SOON: Duration = Duration::from_secs(10);
/// What is read of a body at once, in bytes.
const READ: usize = 64 << 10;
/// What a body is told by, in bytes.
const BEGIN: usize = 16;
/// The only protocols that FFmpeg may speak itself.
const PROTOCOLS: &str = "http,tcp,crypto,data";

/// FFmpeg's options that say how a server is asked, but for those of TLS.
const OF_LINES: &[&str] = &[
    "auth_type",
    "chunked_post",
    "cookies",
    "end_offset",
    "headers",
    "http_proxy",
    "icy",
    "icy_metadata",
    "location",
    "max_redirects",
    "method",
    "multiple_requests",
    "offset",
    "post_data",
    "protocol_blacklist",
    "protocol_whitelist",
    "referer",
    "rw_timeout",
    "seekable",
    "send_expect_100",
    "timeout",
    "user_agent",
    "ca_file",
    "cert_file",
    "key_file",
    "verify",
    "verifyhost",
];
/// How the names of others begin: those of TLS, and when to try again.
const OF_LINES_BEGIN: &[&str] = &["tls_", "reconnect", "tcp_"];

/// Whether `options` say how FFmpeg is to ask a server, so that it has to do so itself.
pub(super) fn is_told(options: &[(String, String)]) -> bool {
    let is_of_lines =
        |name: &str| OF_LINES.contains(&name) || OF_LINES_BEGIN.iter().any(|begin| name.starts_with(begin));
    options.iter().any(|(name, _)| is_of_lines(name))
}

/// What all its requests share.
struct Desk {
    /// `http://127.0.0.1:PORT/WORD/`.
    prefix: String,
    /// For further sessions: where the list is, and how far away.
    seed: Mutex<Session>,
    /// Sessions that have nothing to do, with their connections.
    idle: Mutex<Vec<Session>>,
    sink: Sink,
    trouble: Mutex<Trouble>,
    refused: Notify,
}

#[derive(Default)]
struct Trouble {
    /// Where we do not go: that ends it.
    refused: Option<Error>,
    /// What the last request failed with, until one goes well.
    last: Option<Error>,
}

/// Has libavformat play the list at `start`, which `session` has fetched.
pub(super) async fn play(session: Session, start: Location, request: &Request, sink: Sink) -> Error {
    if let Err(error) = sink.line().leaves_to(&start) {
        return error;
    }
    let (listener, port) = match listen().await {
        Ok(listening) => listening,
        Err(error) => return Error::from_io("a port of the loopback", &error),
    };
    let word: String = (0..4).map(|_| format!("{:08x}", random())).collect();
    let root = format!("http://127.0.0.1:{port}");
    let protocol = session.protocol();
    let mut seed = session.anew();
    seed.location = start.clone();
    let desk = Arc::new(Desk {
        prefix: format!("{root}/{word}/"),
        seed: Mutex::new(seed),
        idle: Mutex::new(vec![session]),
        // What FFmpeg asks for is asked for as it likes, and cannot be played from a capture.
        sink: sink.clone().over(Line::Direct),
        trouble: Mutex::default(),
        refused: Notify::new(),
    });
    let mut options = (*request.options).clone();
    // Each is one request; connections are kept on the other side.
    let is_hls = desk.is_hls(&start);
    let private = [("protocol_whitelist", PROTOCOLS), ("http_proxy", &root)];
    let of_hls = [("http_persistent", "0"), ("http_multiple", "0")].into_iter().filter(|_| is_hls);
    options.libav.extend(private.into_iter().chain(of_hls).map(|(name, value)| (name.into(), value.into())));
    let asked = Request { url: desk.address(&start).into(), options: options.into() };
    let error = tokio::select! {
        error = libav::connect_through(asked, protocol, sink) => error,
        () = desk.refused.notified() => Error::Ended { what: None },
        () = serve(listener, &desk) => Error::Ended { what: None },
    };
    desk.told(error)
}

async fn listen() -> std::io::Result<(TcpListener, u16)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    Ok((listener, port))
}

async fn serve(listener: TcpListener, desk: &Arc<Desk>) {
    let mut requests = JoinSet::new();
    loop {
        while requests.len() >= MOST_AT_ONCE {
            requests.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let desk = Arc::clone(desk);
                    requests.spawn(async move {
                        // That FFmpeg does not want the rest is no error.
                        if let Err(error) = desk.answer(stream).await {
                            tracing::trace!(%error, "FFmpeg has gone");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "FFmpeg cannot be listened to");
                    return;
                }
            },
            Some(_) = requests.join_next() => {}
        }
    }
}

impl Desk {
    /// What FFmpeg calls what is at `there`.
    fn address(&self, there: &Location) -> String {
        let plain = Location { user: None, password: None, ..there.clone() };
        let rest = plain.to_url();
        let rest = rest.split_once("://").map_or("", |(_, rest)| rest);
        format!("{}{}/{rest}", self.prefix, there.scheme)
    }

    /// Where the target of a request leads: nothing without the word.
    fn there<'a>(&self, target: &'a str) -> Option<(&'a str, &'a str)> {
        let root = self.prefix.match_indices('/').nth(2).map_or(0, |(at, _)| at);
        let (root, word) = self.prefix.split_at(root);
        let path = target.strip_prefix(root).unwrap_or(target);
        path.strip_prefix(word)?.split_once('/')
    }

    fn is_hls(&self, start: &Location) -> bool {
        let path = start.path_and_query.split('?').next().unwrap_or_default();
        !path.to_ascii_lowercase().ends_with(".mpd")
    }

    async fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let Ok(asked) = timeout(SOON, Asked::read(&mut stream)).await else { return Ok(()) };
        let Some(asked) = asked? else { return Ok(()) };
        let Some((scheme, rest)) = self.there(&asked.target) else {
            tracing::debug!("something else was asked for than what a list names");
            return stream.write_all(&head("403 Forbidden", "", Some(0))).await;
        };
        let (mut session, place) = self.session();
        let result = match place.join(&format!("{scheme}://{rest}")) {
            Ok(there) if matches!(scheme, "http" | "https") => {
                session.go(there);
                if let Some(sender) = &mut session.sent_by {
                    sender.at.clone_from(&place);
                }
                session.range = asked.range;
                let fetched = session.get(&self.sink, Some(&Known::default())).await;
                session.range = None;
                fetched
            }
            Ok(there) => Err(Error::Server { status: 0, what: format!("{place} leads away from HTTP, to {there}") }),
            Err(error) => {
                Err(Error::Server { status: 0, what: format!("{place} names what is no address: {}", error.what()) })
            }
        };
        match result {
            Ok(Fetched::Answer(answer)) => self.hand_on(session, answer, asked.range.is_some(), stream).await,
            Ok(Fetched::Elsewhere(there)) => {
                let what = format!("{place}: a piece has moved to {there}, away from HTTP");
                self.fail(Error::Server { status: 302, what }, stream).await
            }
            Err(error) => self.fail(error, stream).await,
        }
    }

    /// Hands on what has come, a list with addresses of ours in it.
    async fn hand_on(
        &self,
        mut session: Session,
        mut answer: Answer,
        is_part: bool,
        mut stream: TcpStream,
    ) -> std::io::Result<()> {
        self.with_trouble(|trouble| trouble.last = None);
        let mut bytes = BytesMut::new();
        while !is_part && bytes.len() < BEGIN && answer.read(&mut bytes).await? > 0 {}
        if hls::begins(&bytes) || dash::begins(&bytes) {
            let read = read_list(&mut answer, bytes).await;
            let text = match read.and_then(|text| self.led(&text, session.location())) {
                Ok(text) => text,
                Err(error) => return self.fail(error, stream).await,
            };
            let kind =
                if hls::begins(text.as_bytes()) { "application/vnd.apple.mpegurl" } else { "application/dash+xml" };
            // It is this list that leads on, from as far away as it came.
            self.seed.lock().unwrap_or_else(PoisonError::into_inner).is_from(&session);
            session.keep(answer);
            self.done(session);
            let kind = format!("Content-Type: {kind}\r\n");
            stream.write_all(&[&head("200 OK", &kind, Some(text.len() as u64)), text.as_bytes()].concat()).await?;
            return stream.shutdown().await;
        }
        let kept = ["Content-Type", "Content-Range", "Accept-Ranges"];
        let kept: String =
            kept.into_iter().filter_map(|name| Some(format!("{name}: {}\r\n", answer.head.header(name)?))).collect();
        let status = if answer.head.status == 206 { "206 Partial Content" } else { "200 OK" };
        let length = answer.head.content_length().filter(|_| !answer.head.is_chunked());
        stream.write_all(&head(status, &kept, length)).await?;
        loop {
            stream.write_all(&bytes).await?;
            bytes.clear();
            bytes.reserve(READ);
            if answer.read(&mut bytes).await? == 0 {
                break;
            }
        }
        session.keep(answer);
        self.done(session);
        stream.shutdown().await
    }

    /// A list in which all leads here.
    fn led(&self, text: &[u8], place: &Location) -> Result<String, Error> {
        let wrong = |what: String| Error::Broken { what: format!("{place}: {what}") };
        let text = std::str::from_utf8(text).map_err(|error| wrong(error.to_string()))?;
        let lead = |reference: &str| match reference.split_once(':') {
            // Keys that stand in the list itself.
            Some(("data", _)) => reference.to_owned(),
            Some((scheme, rest)) if !matches!(scheme, "http" | "https") && is_scheme(scheme) => {
                format!("{}{scheme}/{}", self.prefix, rest.trim_start_matches('/'))
            }
            _ => match place.join(reference) {
                Ok(there) => self.address(&there),
                Err(_) => format!("{}nowhere/{}", self.prefix, crate::location::encode(reference)),
            },
        };
        if hls::begins(text.as_bytes()) {
            return hls::with_uris(text, lead).map_err(|error| wrong(error.to_string()));
        }
        match dash::is_manifest(text.as_bytes()) {
            true => dash::with_addresses(text, lead).map_err(|error| wrong(error.to_string())),
            false => Ok(text.to_owned()),
        }
    }

    async fn fail(&self, error: Error, mut stream: TcpStream) -> std::io::Result<()> {
        let status = match &error {
            // What nobody who is not ourselves says.
            Error::Server { status: 0 | 300..=399, .. } | Error::Broken { .. } => {
                self.with_trouble(|trouble| trouble.refused.get_or_insert(error.clone()).clone());
                self.refused.notify_one();
                403
            }
            error => error.status().unwrap_or(502),
        };
        tracing::debug!(%error, "what a list names cannot be had");
        self.with_trouble(|trouble| trouble.last = Some(error));
        stream.write_all(&head(&format!("{status} No"), "", Some(0))).await?;
        stream.shutdown().await
    }

    /// What it ends with, in our words.
    fn told(&self, error: Error) -> Error {
        let (refused, last) = self.with_trouble(|trouble| (trouble.refused.take(), trouble.last.take()));
        if let Some(refused) = refused {
            return refused;
        }
        match (error, last) {
            // FFmpeg only knows that there was nothing.
            (Error::Ended { what: None }, _) => Error::Ended { what: None },
            (_, Some(last)) => last,
            (error, None) => error.map_text(|text| {
                ["https", "http"].iter().fold(text.to_owned(), |text, scheme| {
                    text.replace(&format!("{}{scheme}/", self.prefix), &format!("{scheme}://"))
                })
            }),
        }
    }

    fn with_trouble<T>(&self, change: impl FnOnce(&mut Trouble) -> T) -> T {
        change(&mut self.trouble.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One that comes from the list, and where that is.
    fn session(&self) -> (Session, Location) {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let seed = self.seed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = idle.unwrap_or_else(|| seed.anew());
        session.is_from(&seed);
        (session, seed.location().clone())
    }

    fn done(&self, session: Session) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MOST_AT_ONCE {
            idle.push(session);
        }
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn head(status: &str, lines: &str, length: Option<u64>) -> Vec<u8> {
    let length = length.map(|length| format!("Content-Length: {length}\r\n")).unwrap_or_default();
    format!("HTTP/1.1 {status}\r\n{lines}{length}Connection: close\r\n\r\n").into_bytes()
}

/// A request of FFmpeg's.
struct Asked {
    target: String,
    /// Offset and length, where it is not all from the begin on.
    range: Option<(u64, u64)>,
}

impl Asked {
    /// Nothing for what is none.
    async fn read(stream: &mut TcpStream) -> std::io::Result<Option<Self>> {
        let mut bytes = BytesMut::new();
        while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
            if bytes.len() > MOST_REQUEST || stream.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        }
        let text = String::from_utf8_lossy(bytes.chunk());
        let mut lines = text.lines();
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some("GET"), Some(target)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let range = lines.find_map(|line| {
            let (name, value) = line.split_once(':')?;
            if !name.eq_ignore_ascii_case("range") {
                return None;
            }
            let (from, to) = value.trim().strip_prefix("bytes=")?.split_once('-')?;
            let from = from.parse::<u64>().ok()?;
            let length = match to {
                "" => TO_END,
                to => to.parse::<u64>().ok()?.checked_sub(from)?.saturating_add(1),
            };
            Some((from, length)).filter(|range| *range != (0, TO_END))
        });
        Ok(Some(Self { target: target.to_owned(), range }))
    }
}
