//! The body of an answer, and how long it may take.

use std::time::{Duration, Instant};

use super::answer::{MOST_DISCARDED, alternatives};
use super::body::{self, Body, Look, look};
use super::content::Outcome;
use super::{Asking, Client, Phase};
use crate::http::frame::{Deframer, Frame};
use crate::http::plain::{Found, Splitter};
use crate::{Error, Event, playlist};

/// While playing, silence of so long, or of three times the longest one so far, is a stall.
const STALL: Duration = Duration::from_secs(10);
/// Whatever silences there were, longer than this is a stall.
const MOST_STALL: Duration = Duration::from_secs(60);
/// A whole answer, or its begin, takes at most so many times the wait for its head.
const MOST_WAITS: u32 = 3;

impl Client {
    pub(super) fn take_body(&mut self, now: Instant, mut input: &[u8]) -> Result<(), Error> {
        while self.phase == Phase::Body {
            match self.transfer.next(&mut input) {
                // Behind the header Describe has nothing to say, and what is wrong there does not
                // matter.
                Ok(Some(_)) if self.is_described() => (),
                Ok(Some(piece)) => self.handle_piece(now, piece)?,
                Ok(None) => break,
                Err(_) if self.is_described() => {
                    self.keeps = false;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        if self.phase == Phase::Body && self.transfer.is_ended() {
            self.handle_body_end(now, false)?;
        }
        Ok(())
    }

    fn handle_piece(&mut self, now: Instant, piece: &[u8]) -> Result<(), Error> {
        let Body::Unknown(seen) = &mut self.body else { return self.handle_known(now, piece) };
        seen.extend_from_slice(piece);
        let Some(look) = look(seen) else { return Ok(()) };
        let seen = std::mem::take(seen);
        self.body = match look {
            Look::Frames => Body::Frames(Deframer::default()),
            Look::Plain => Body::Plain(Splitter::new(self.limits.header)),
            Look::Other => Body::Text(Vec::new()),
        };
        match self.refusal.take() {
            Some(refusal) if look != Look::Frames => Err(refusal),
            refusal => {
                self.refusal = refusal;
                self.handle_known(now, &seen)
            }
        }
    }

    fn handle_known(&mut self, now: Instant, mut piece: &[u8]) -> Result<(), Error> {
        let playing = matches!(self.asking, Asking::Play(_));
        while self.phase == Phase::Body && !self.is_described() {
            match &mut self.body {
                Body::Unknown(_) => break,
                Body::Frames(deframer) => {
                    let Some(frame) = deframer.next(&mut piece)? else { break };
                    if let Some(refusal) = self.refusal.take() {
                        return Err(match frame {
                            Frame::End(code) if code.is_failure() => Error::Refused { message: "$E", code },
                            _ => refusal,
                        });
                    }
                    let outcome = self.content.handle_frame(frame, playing, &mut self.events)?;
                    self.note(now, outcome);
                }
                Body::Plain(splitter) => {
                    let Some(found) = splitter.next(&mut piece)? else { break };
                    match found {
                        Found::Header(header) => self.content.handle_header(header, playing, &mut self.events),
                        Found::Packet(packet) => {
                            self.events.push_back(Event::Packet(packet));
                            self.note(now, Outcome::Data);
                        }
                        Found::End => {
                            self.events.push_back(Event::Ended);
                            self.note(now, Outcome::Ended);
                        }
                    }
                }
                Body::Text(text) => {
                    text.extend_from_slice(piece);
                    return body::check(text, &self.media_type, self.limits.playlist);
                }
                Body::Discard(passed) => {
                    *passed += piece.len() as u64;
                    if *passed > MOST_DISCARDED {
                        self.connect();
                    }
                    break;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, now: Instant, outcome: Outcome) {
        match outcome {
            Outcome::Progress => (),
            Outcome::Data => {
                let gap = self.data_at.map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
                self.longest_gap = self.longest_gap.max(gap);
                self.data_at = Some(now);
            }
            Outcome::Ended => self.phase = Phase::Over,
        }
    }

    /// The body has ended as its head said, or with the connection.
    pub(super) fn handle_body_end(&mut self, now: Instant, closed: bool) -> Result<(), Error> {
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        let playing = matches!(self.asking, Asking::Play(_));
        let no_header = "the ASF header; the publishing point may have no source now";
        match &mut self.body {
            Body::Unknown(seen) if seen.is_empty() => Err(Error::Closed { before: no_header }),
            Body::Unknown(text) | Body::Text(text) => {
                let text = std::mem::take(text);
                self.handle_text(&text)
            }
            Body::Frames(_) => {
                self.content.finish(playing, &mut self.events);
                match playing {
                    true if self.content.is_between_entries() => {
                        Err(Error::Closed { before: "the next entry of the playlist" })
                    }
                    true => Err(Error::Closed { before: "the end of the content" }),
                    false if self.content.has_header() => {
                        self.phase = Phase::Described;
                        self.keeps &= !closed;
                        Ok(())
                    }
                    false => Err(Error::Closed { before: no_header }),
                }
            }
            Body::Plain(_) if !self.content.has_header() => Err(Error::Closed { before: no_header }),
            Body::Plain(_) if closed => Err(Error::Closed { before: "the end of the content" }),
            Body::Plain(_) => {
                self.events.push_back(Event::Ended);
                self.phase = Phase::Over;
                Ok(())
            }
            Body::Discard(_) if closed => {
                self.connect();
                Ok(())
            }
            Body::Discard(_) => self.send(now, true),
        }
    }

    fn handle_text(&mut self, text: &[u8]) -> Result<(), Error> {
        let urls = body::streams(&playlist::parse(text, &self.url)?);
        self.move_to(urls.into_iter().flat_map(alternatives).collect())
    }

    /// When patience ends, for what, and how long it was.
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str, Duration)> {
        let waits = |from: Option<Instant>, wait: Duration, what| Some((from?.checked_add(wait)?, what, wait));
        match self.phase {
            Phase::Connecting | Phase::Described | Phase::Over => None,
            Phase::Head => waits(self.asked_at, self.reply_timeout, "answer"),
            Phase::Body if self.is_streaming() => {
                let wait = STALL.max(self.longest_gap.saturating_mul(3)).min(MOST_STALL);
                let what = if self.content.is_between_entries() { "next entry of the playlist" } else { "data" };
                waits(self.data_at.or(self.head_at), wait, what)
            }
            Phase::Body if self.is_described() => None,
            Phase::Body => {
                let silent = waits(self.bytes_at, self.reply_timeout, "ASF header");
                let whole = waits(self.head_at, self.reply_timeout.saturating_mul(MOST_WAITS), "ASF header");
                [silent, whole].into_iter().flatten().min_by_key(|(at, ..)| *at)
            }
        }
    }

    /// Whether Describe has told what it is for, though its answer goes on.
    fn is_described(&self) -> bool {
        matches!((&self.asking, &self.body), (Asking::Describe, Body::Frames(_))) && self.content.has_header()
    }

    /// Whether packets should come.
    fn is_streaming(&self) -> bool {
        match self.body {
            Body::Frames(_) => matches!(self.asking, Asking::Play(_)),
            Body::Plain(_) => self.content.has_header(),
            _ => false,
        }
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) -> Result<(), Error> {
        let Some((at, waiting_for, after)) = self.deadline() else { return Ok(()) };
        if now < at {
            return Ok(());
        }
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        let timeout = Err(Error::Timeout { waiting_for, after });
        let streaming = self.is_streaming();
        match &mut self.body {
            _ if self.phase == Phase::Head => timeout,
            // A server that keeps the connection open behind what it had to say.
            Body::Text(text) => {
                let text = std::mem::take(text);
                self.handle_text(&text)
            }
            Body::Frames(_) if !streaming => {
                self.content.finish(false, &mut self.events);
                if self.content.has_header() { Ok(()) } else { timeout }
            }
            _ => timeout,
        }
    }
}
