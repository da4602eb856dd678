//! What the server answers, and what it asks.

use std::time::Instant;

use super::super::sdp::Description;
use super::super::transport::{self, Transport};
use super::{Awaited, Client, DRAIN, Message, Phase, Request, Setup, Stream, Writer};
use crate::{Error, Event, Transmit};

/// The most URLs of one redirection.
const MOST_URLS: usize = 8;
/// The notice of the end ([MS-RTSP] 2.2.6.18).
const END_OF_STREAM: u32 = 2101;

impl Client {
    pub(super) fn handle_answer(
        &mut self,
        now: Instant,
        message: &Message,
        status: u16,
        reason: String,
    ) -> Result<(), Error> {
        // 1xx says that the answer is still to come.
        if status < 200 {
            return Ok(());
        }
        let Some(awaited) = self.answered(message.number("cseq")) else { return Ok(()) };
        self.facts.note(message);
        // The streams of an entry that is over.
        if awaited.entry != self.entry {
            return Ok(());
        }
        // Before DESCRIBE nobody needs to know who we are.
        if status == 401 && !matches!(awaited.request, Request::Options) {
            let challenges: Vec<_> = message.all("www-authenticate").collect();
            self.challenged = true;
            self.auth.handle_unauthorized(challenges).map_err(|error| self.fail(error))?;
            self.ask(now, awaited.request);
            return Ok(());
        }
        if status != 401 {
            self.auth.handle_accepted();
        }
        let moved = matches!(awaited.request, Request::Options | Request::Describe) && (300..400).contains(&status);
        if moved && let Some(urls) = self.locations(message, status) {
            self.over(Event::Moved(urls));
            return Ok(());
        }
        let refused = |this: &mut Self| Err(this.fail(Error::Status { status, reason }));
        match awaited.request {
            // Old servers may not know it.
            Request::Options => self.ask(now, Request::Describe),
            Request::Describe if status == 200 => return self.handle_description(message),
            Request::Setup(setup) => match status {
                200 => self.handle_setup(now, &setup, message),
                // Nothing depends on it.
                _ if setup.retransmission => self.next_setup(now),
                461 if setup.transport.udp => return self.fall_back(now),
                _ => return refused(self),
            },
            Request::Play if status == 200 => self.handle_started(now, message),
            Request::Describe | Request::Play => return refused(self),
            Request::KeepAlive if status == 454 => return refused(self),
            Request::KeepAlive | Request::Teardown => (),
        }
        Ok(())
    }

    /// The request that an answer with this number is for. Nothing if nobody waits for it. Those
    /// before it have got none and will get none, since answers come in order.
    fn answered(&mut self, cseq: Option<u32>) -> Option<Awaited> {
        let at = self.awaited.iter().position(|awaited| cseq.is_none_or(|cseq| cseq == awaited.cseq))?;
        self.awaited.drain(..at);
        self.awaited.pop_front()
    }

    fn handle_description(&mut self, message: &Message) -> Result<(), Error> {
        let description = self.describe_answer(message).map_err(|error| self.fail(error))?;
        self.events.push_back(Event::Opened(self.opened(&description)));
        self.open(description);
        Ok(())
    }

    fn describe_answer(&mut self, message: &Message) -> Result<Description, Error> {
        let description = Description::parse(&message.body, &self.config.limits)?;
        if description.header.is_none() {
            let server = self.facts.server.as_deref().unwrap_or("this");
            return Err(Error::Unsupported {
                what: format!(
                    "{server} is an ordinary RTSP server and not one of Windows Media, since its description of the \
                     stream has no ASF header (a=pgmpu); open it as ordinary RTSP"
                ),
            });
        }
        self.note_base(message, &description);
        Ok(description)
    }

    /// The URL of the whole ([MS-RTSP] 2.2.5.2.1, RFC 2326 section C.1.1).
    fn note_base(&mut self, message: &Message, description: &Description) {
        let control = description.control.as_deref();
        let headers = [message.header("content-base"), message.header("content-location")];
        let whole = [control].into_iter().chain(headers).flatten().find(|url| transport::is_url(url));
        self.facts.base = transport::line_safe(whole.unwrap_or(&self.facts.url));
    }

    fn handle_setup(&mut self, now: Instant, setup: &Setup, message: &Message) {
        let answer = message.header("transport").and_then(|value| Transport::parse(value).next());
        let mut transport = answer.unwrap_or(setup.transport);
        if !transport.udp {
            transport.interleaved = transport.interleaved.or(setup.transport.interleaved);
        }
        if !setup.retransmission {
            self.receiver.add(Stream { url: setup.url.clone(), transport });
        }
        self.next_setup(now);
    }

    /// The server does not send datagrams: the same over the connection.
    fn fall_back(&mut self, now: Instant) -> Result<(), Error> {
        self.udp = false;
        match self.play.clone() {
            Some(play) => self.set_up(now, &play),
            None => Ok(()),
        }
    }

    fn handle_started(&mut self, now: Instant, message: &Message) {
        if let Some(info) = message.header("rtp-info") {
            self.receiver.start(&transport::rtp_info(info));
        }
        if matches!(self.phase, Phase::Starting) {
            self.phase = Phase::Playing;
            self.last_packet = Some(now);
        }
        self.deliver(now);
    }

    /// Where a redirection leads.
    fn locations(&self, message: &Message, status: u16) -> Option<Vec<String>> {
        let urls: Vec<_> = message
            .all("location")
            .filter(|url| !url.is_empty())
            .take(MOST_URLS)
            .map(|url| transport::line_safe(&self.location(url, status)))
            .collect();
        (!urls.is_empty()).then_some(urls)
    }

    fn location(&self, location: &str, status: u16) -> String {
        if !transport::is_url(location) {
            let begin =
                self.facts.url.match_indices('/').nth(2).map_or(&self.facts.url[..], |(at, _)| &self.facts.url[..at]);
            return format!("{begin}/{}", location.trim_start_matches('/'));
        }
        // 305 names a proxy, to be asked for what we ask for.
        let path = location.match_indices('/').nth(2).map_or("", |(at, _)| &location[at + 1..]);
        if status == 305 && path.is_empty() {
            return format!("{}{}", location.trim_end_matches('/'), self.config.path);
        }
        location.to_owned()
    }

    pub(super) fn handle_request(&mut self, now: Instant, message: &Message, method: &str) -> Result<(), Error> {
        let mut status = 200;
        match method {
            "SET_PARAMETER" => {
                if is_end(message) {
                    self.handle_end(now, message);
                }
            }
            "ANNOUNCE" => status = self.handle_announce(now, message),
            "REDIRECT" => {
                if let Some(urls) = self.locations(message, 302) {
                    self.over(Event::Moved(urls));
                } else {
                    status = 400;
                }
            }
            // The server ends the session.
            "TEARDOWN" => {
                self.flush(now);
                self.facts.session = None;
                self.over(Event::Ended);
            }
            "OPTIONS" | "GET_PARAMETER" => (),
            _ => status = 501,
        }
        let answer =
            Writer::answer(status, message.header("cseq")).maybe("Session", message.session().map(|(id, _)| id)).maybe(
                "Public",
                (method == "OPTIONS").then_some("OPTIONS, ANNOUNCE, GET_PARAMETER, SET_PARAMETER, REDIRECT"),
            );
        self.transmits.push_back(Transmit::Stream(answer.finish()));
        Ok(())
    }

    /// The last packet has been sent ([MS-RTSP] 3.1.5.13).
    fn handle_end(&mut self, now: Instant, message: &Message) {
        if !self.takes_packets() {
            return;
        }
        let another = body_says(message, "end-of-playlist-entry");
        let sequences = message.header("rtp-info").map(transport::rtp_info).unwrap_or_default();
        // What comes on the connection comes in order.
        let until = if self.receiver.has_udp() { now + DRAIN } else { now };
        self.phase = Phase::Draining { until, sequences, another };
        self.deliver(now);
    }

    /// The next entry of a playlist ([MS-RTSP] 3.1.5.15). Gives the status of our answer.
    fn handle_announce(&mut self, now: Instant, message: &Message) -> u16 {
        if matches!(self.phase, Phase::Connecting | Phase::Opening | Phase::Over) {
            return 455;
        }
        let description = match Description::parse(&message.body, &self.config.limits) {
            Ok(description) if description.header.is_some() => description,
            _ => return 400,
        };
        self.facts.note(message);
        self.note_base(message, &description);
        self.entry += 1;
        if self.takes_packets() && self.receiver.has_udp() {
            // Datagrams of the old entry may still be on the way.
            if !matches!(self.phase, Phase::Draining { .. }) {
                self.phase = Phase::Draining { until: now + DRAIN, sequences: Vec::new(), another: true };
            }
            self.next = Some(description);
        } else {
            self.flush(now);
            self.note_entry_end();
            self.open(description);
        }
        200
    }
}

fn is_end(message: &Message) -> bool {
    message.number("x-notice").or_else(|| message.number("notice")) == Some(END_OF_STREAM) || body_says(message, "eof")
}

/// Whether the body has a line `name: true`.
fn body_says(message: &Message, name: &str) -> bool {
    message.body.split(|byte| *byte == b'\n').any(|line| {
        let line = String::from_utf8_lossy(line);
        line.split_once(':').is_some_and(|(key, value)| {
            key.trim().eq_ignore_ascii_case(name) && value.trim().eq_ignore_ascii_case("true")
        })
    })
}
