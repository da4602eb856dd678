//! RTSP in two requests of HTTP.
//!
//! As QuickTime does it (Apple, "Tunneling RTSP and RTP over HTTP"; ONVIF Streaming Specification,
//! "RTP/RTSP/HTTP/TCP"), what the camera says is the endless body of the answer to a GET, and what is said
//! to it the body of a POST, in Base64. A word that both carry tells the camera that they belong together.
//!
//! The POST announces a length. Most servers take no notice of it, and clients go on beyond; some hang up there, and
//! some read no further. So there is another POST with the same word once one was hung up, or once a request
//! beyond its length is not answered. There is none before that: live555 ends the session of a POST that is closed, and
//! GStreamer hears nothing of a second one beside it.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BytesMut};
use formats::http::{Head, HeadParser};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::line::port_of;
use crate::http::{AGENT, Auth, Reach, Sender, duplex, random};
use crate::journal::{Note, without_secrets};
use crate::location::Location;
use crate::wire::Wire;
use crate::{Access, Error, Sink};

/// Answers to challenges that are out of date, in a row (RFC 7616 section 3.3).
const MOST_STALE: u32 = 2;
/// What is read of an answer at once.
const READ: usize = 4 << 10;
/// What a POST announces, by Apple's paper.
const ANNOUNCED: u32 = 32_767;
/// Further POSTs in a row behind which nothing was answered.
const MOST_IN_VAIN: u32 = 2;

/// Opens both requests: gives what the camera says, what of it has come, how far away it is, and the POST.
///
/// # Errors
/// Of the name, of the connection, of TLS; of what the server answers to the GET.
pub(super) async fn open(
    there: &Location,
    access: &Access,
    sent_by: Option<&Sender>,
    sink: &Sink,
) -> Result<(Wire, BytesMut, Reach, Post), Error> {
    // Of a WebSocket's, a proxy passes on everything, too.
    let scheme = if there.scheme == "rtsps" { "wss" } else { "ws" };
    let mut ask = Ask {
        there: there.clone(),
        at: Location { scheme: scheme.into(), port: Some(port_of(there, true)), ..there.clone() },
        access: access.clone(),
        sent_by: sent_by.cloned(),
        sink: sink.clone(),
        auth: Auth::default(),
        shows_login: false,
        cookie: format!("{:08x}{:08x}", random(), random()),
    };
    let mut stale = 0;
    let (wire, came, reach) = loop {
        let (mut wire, reach) = ask.connect().await?;
        ask.send(&mut wire, "GET", "Accept: application/x-rtsp-tunnelled\r\n").await?;
        let (head, came) = ask.answer(&mut wire).await?;
        let fresh = ask.auth.is_silent();
        match head.status {
            200..=299 => break (wire, came, reach),
            401 if there.user.is_some() && stale <= MOST_STALE => match ask.auth.challenge(&head) {
                Some(is_stale) if fresh || is_stale => stale += 1,
                _ => return Err(ask.refused(&head)),
            },
            _ => return Err(ask.refused(&head)),
        }
    };
    let post = ask.post().await?;
    Ok((wire, came, reach, Post::of(ask, post)))
}

/// What is said to the camera.
pub(super) struct Post {
    ask: Ask,
    /// Nothing where it was hung up.
    wire: Option<Wire>,
    /// Bytes of its body.
    said: u64,
    /// What was answered to it.
    heard: BytesMut,
    /// Not all of what was said could be sent.
    is_torn: bool,
    /// It was hung up, and perhaps before its end.
    unheard: bool,
    /// Further ones since the last answer.
    in_vain: u32,
    /// Something was answered in this session.
    has_answered: bool,
    /// It has answered a sign of life.
    answers_signs: bool,
    /// Who asks is refused, and another POST would be, too.
    refusal: Option<Error>,
}

impl Post {
    fn of(ask: Ask, wire: Wire) -> Self {
        Self {
            ask,
            wire: Some(wire),
            said: 0,
            heard: BytesMut::new(),
            is_torn: false,
            unheard: false,
            in_vain: 0,
            has_answered: false,
            answers_signs: false,
            refusal: None,
        }
    }

    /// Says something, by another POST where the last one was hung up; a report waits for that until there is
    /// something to ask.
    ///
    /// # Errors
    /// When there can be no other POST.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_report = bytes.first() == Some(&b'$');
        let wire = match &mut self.wire {
            Some(wire) => wire,
            None if is_report => return Ok(()),
            None if self.in_vain >= MOST_IN_VAIN => {
                return Err(io::Error::other("the camera hangs up on whatever is said to it in HTTP"));
            }
            None => {
                tracing::info!("the camera has hung up on what is said to it in HTTP; going on by another POST");
                let wire = self.ask.post().await.map_err(|error| io::Error::other(error.what()))?;
                (self.said, self.is_torn, self.unheard, self.in_vain) = (0, false, false, self.in_vain + 1);
                self.heard.clear();
                self.wire.insert(wire)
            }
        };
        let code = STANDARD.encode(bytes);
        self.said += code.len() as u64;
        let sent = async {
            wire.write_all(code.as_bytes()).await?;
            wire.flush().await
        };
        if let Err(error) = sent.await {
            // Who hangs up in the midst of it is met so, too; `hung_up` finds out.
            tracing::debug!(%error, "what is said to the camera in HTTP is cut off");
            self.is_torn = true;
        }
        Ok(())
    }

    /// Waits until the camera has hung up, or refuses the POST. Cancel-safe.
    pub(super) async fn hung_up(&mut self) {
        while let Some(wire) = &mut self.wire {
            if self.heard.len() >= READ {
                self.heard.clear();
            }
            let is_open = matches!(wire.read_buf(&mut self.heard).await, Ok(count) if count > 0);
            let answer = HeadParser::new().parse(&self.heard).ok().flatten().map(|(head, _)| head);
            let refusal = answer.filter(|head| head.status >= 400);
            if let Some(head) = &refusal {
                self.ask.sink.note(Note::Answered(without_secrets(&String::from_utf8_lossy(&self.heard))));
                self.refusal = self.refused(head);
            }
            if !is_open || refusal.is_some() {
                self.unheard = refusal.is_some() || self.is_torn || self.is_beyond();
                self.wire = None;
                return;
            }
        }
        std::future::pending().await
    }

    /// What a refusal means, where asking once more would be of no use: every login that is refused brings
    /// the camera nearer to locking its account.
    fn refused(&mut self, head: &Head) -> Option<Error> {
        let (shown, user) = (self.ask.shows_login, self.ask.there.user.is_some());
        let may_help = match head.status {
            401 => match self.ask.auth.challenge(head) {
                // Hours after the last one, its question for a password is another one.
                Some(is_stale) => user && (is_stale || !shown || self.has_answered),
                None => self.has_answered,
            },
            403 => self.has_answered,
            _ => return None,
        };
        (!may_help || self.in_vain >= MOST_IN_VAIN).then(|| self.ask.refused(head))
    }

    /// Why there is no use in another POST, once that is known.
    pub(super) fn take_refusal(&mut self) -> Option<Error> {
        self.refusal.take()
    }

    /// Whether the end of what was said to who has hung up may not have been heard.
    pub(super) fn is_unheard(&self) -> bool {
        self.unheard
    }

    fn is_beyond(&self) -> bool {
        self.said > u64::from(ANNOUNCED)
    }

    /// Hangs up where a sign of life is not answered and the announced length may be why; whether it was.
    pub(super) fn give_up(&mut self) -> bool {
        let may_help = self.answers_signs && self.is_beyond() && self.in_vain < MOST_IN_VAIN;
        if may_help {
            self.wire = None;
        }
        may_help
    }

    /// Something was answered; whether it was a sign of life.
    pub(super) fn answered(&mut self, is_sign: bool) {
        (self.in_vain, self.has_answered) = (0, true);
        self.answers_signs |= is_sign;
    }
}

/// The two requests.
struct Ask {
    /// As the user calls it.
    there: Location,
    /// As HTTP calls it.
    at: Location,
    access: Access,
    sent_by: Option<Sender>,
    sink: Sink,
    auth: Auth,
    /// The last request had the password in it.
    shows_login: bool,
    cookie: String,
}

impl Ask {
    async fn connect(&self) -> Result<(Wire, Reach), Error> {
        duplex(&self.at, &self.access, self.sent_by.as_ref(), &self.sink).await
    }

    /// Begins a POST.
    async fn post(&mut self) -> Result<Wire, Error> {
        let (mut wire, _) = self.connect().await?;
        let body = format!(
            "Content-Type: application/x-rtsp-tunnelled\r\nContent-Length: {ANNOUNCED}\r\nExpires: Sun, 9 Jan 1972 00:00:00 GMT\r\n"
        );
        self.send(&mut wire, "POST", &body).await?;
        Ok(wire)
    }

    async fn send(&mut self, wire: &mut Wire, method: &str, more: &str) -> Result<(), Error> {
        self.shows_login = false;
        let target = self.at.target();
        let mut request = format!(
            "{method} {target} HTTP/1.0\r\nHost: {}\r\nUser-Agent: {AGENT}\r\nx-sessioncookie: {}\r\n{more}\
             Pragma: no-cache\r\nCache-Control: no-cache\r\n",
            self.at.authority(port_of(&Location { port: None, ..self.there.clone() }, true)),
            self.cookie,
        );
        if let Some(user) = &self.there.user {
            let password = self.there.password.as_deref().unwrap_or_default();
            if let Some(answer) = self.auth.header(user, password, method, target, b"") {
                request += &format!("Authorization: {answer}\r\n");
                self.shows_login = true;
            }
        }
        request += "\r\n";
        self.sink.note(Note::Sent(without_secrets(&request)));
        let sent = async {
            wire.write_all(request.as_bytes()).await?;
            wire.flush().await
        };
        sent.await.map_err(|error| Error::from_io(&self.there.to_string(), &error))
    }

    /// The head of the answer, and what has come behind it.
    async fn answer(&self, wire: &mut Wire) -> Result<(Head, BytesMut), Error> {
        const HINT: &str = "does the camera speak RTSP in HTTP on this port?";
        let (mut raw, mut parser) = (BytesMut::new(), HeadParser::new());
        loop {
            raw.reserve(READ);
            let count = wire.read_buf(&mut raw).await;
            let count = count.map_err(|error| Error::from_io(&self.there.to_string(), &error))?;
            let is_http = raw.iter().zip(b"HTTP/").all(|(found, expected)| found == expected);
            let parsed = match is_http {
                true => parser.parse(&raw).map_err(|error| error.to_string()),
                false => Err(format!(
                    "expected an answer of HTTP, found {:?}",
                    String::from_utf8_lossy(&raw[..raw.len().min(24)])
                )),
            };
            let parsed = parsed.map_err(|what| Error::Broken { what: format!("{}: {what}; {HINT}", self.there) })?;
            if let Some((head, body)) = parsed {
                self.sink.note(Note::Answered(without_secrets(&String::from_utf8_lossy(&raw[..body]))));
                raw.advance(body);
                return Ok((head, raw));
            }
            if count == 0 {
                let what = format!("{}: the server closed the connection without an answer; {HINT}", self.there);
                return Err(Error::Unreachable { what });
            }
        }
    }

    fn refused(&self, head: &Head) -> Error {
        let (there, status) = (&self.there, head.status);
        let what = format!("{there} answered {status} when asked for RTSP in HTTP");
        match (status, &there.user) {
            // Pages show it, which name no users.
            (401 | 403, Some(_)) => Error::Unauthorized { status, what: format!("{what} by the user given") },
            (401 | 403, None) => Error::Unauthorized { status, what },
            (404 | 410, _) => Error::NotFound { status, what },
            _ => Error::Server { status, what },
        }
    }
}
