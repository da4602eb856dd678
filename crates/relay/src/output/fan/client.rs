//! One client: what it has had, and what its socket takes.

use std::io::{self, IoSlice};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use formats::multipart::{self, Head};
use source::Picture;
use tokio::net::TcpStream;

use super::Share;
use crate::clock;
use crate::server::Place;
use crate::session::{Counts, Entered};

/// What every head begins with.
const COMMON: &[u8] = b"Content-Type: image/jpeg\r\nContent-Length: ";
/// What every JPEG begins with: SOI (ITU-T T.81 B.1.1.3).
const SOI: &[u8] = &[0xFF, 0xD8];

/// What goes around pictures.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    /// Lines above, and a boundary after each.
    Multipart,
    /// Nothing. The first bytes of a picture are its head here.
    Bare,
}

impl Framing {
    /// What all heads begin with, which may go ahead of them.
    fn common(self) -> &'static [u8] {
        match self {
            Self::Multipart => COMMON,
            Self::Bare => SOI,
        }
    }

    /// What comes after each picture.
    fn between(self) -> &'static [u8] {
        match self {
            Self::Multipart => multipart::BETWEEN,
            Self::Bare => &[],
        }
    }

    /// What comes before the first picture.
    pub(crate) fn opening(self) -> &'static [u8] {
        match self {
            Self::Multipart => multipart::OPENING,
            Self::Bare => &[],
        }
    }

    /// What comes at the end.
    pub(super) fn closing(self) -> &'static [u8] {
        match self {
            Self::Multipart => multipart::CLOSING,
            Self::Bare => &[],
        }
    }
}

/// Bytes read at a time of what a client says behind its request.
const PIECE: usize = 4096;
/// A client that has said so many pieces since the last look is let go.
const MOST_PIECES: usize = 8;

/// A picture with what goes before it on the wire.
pub(crate) struct Part {
    pub(crate) picture: Picture,
    /// The lines above the picture, for all who asked for nothing special.
    head: Bytes,
    /// Counts the source's pictures, those the fan missed included.
    pub(crate) index: u64,
}

impl Part {
    pub(crate) fn new(picture: Picture, index: u64) -> Self {
        let mut head = Vec::with_capacity(Head::MAX);
        head_of(&picture, None).write(&mut head);
        Self { picture, head: head.into(), index }
    }
}

fn head_of(picture: &Picture, report: Option<(Duration, u64)>) -> Head {
    Head {
        length: picture.data.len(),
        captured: picture.captured.unwrap_or_else(|| clock::wall(picture.received)),
        sequence: clock::sequence(picture.received),
        report,
    }
}

/// What became of a picture that was offered.
#[derive(Debug)]
pub(crate) enum Offered {
    /// It went out whole, or was left out on purpose.
    Taken,
    /// The socket is full, or the client wants to be watched over: `written` bytes of
    /// `head` and picture went out, maybe none.
    Blocked { head: Bytes, written: usize },
    /// There is nobody any more.
    Gone,
}

pub(crate) struct Client {
    pub(crate) socket: TcpStream,
    /// Its connection's; held for as long as there is a client.
    pub(crate) _place: Place,
    pub(crate) session: Entered,
    pub(crate) share: Share,
    pub(crate) framing: Framing,
    /// The head of the answer, until it is sent.
    pub(crate) greeting: Vec<u8>,
    /// Wants to be told while there are no pictures.
    pub(crate) placeholder: bool,
    /// The index of the last picture it was given.
    pub(crate) last: u64,
    /// What is known of it since it could not keep up, or asked for a greatest age.
    pub(crate) behind: Option<Behind>,
}

/// What is known of a client that is watched over.
#[derive(Clone, Copy, Default)]
pub(crate) struct Behind {
    /// How long a picture takes to be read; zero where it may be tried.
    pub(super) needed: Duration,
    /// Bytes of the next head that are out already ([`Client::probe`]).
    pub(super) ahead: usize,
}

impl Client {
    /// Offers a picture newer than the last one.
    pub(crate) fn offer(&mut self, part: &Part) -> Offered {
        if self.session.is_over() {
            return Offered::Gone;
        }
        match self.choose(part) {
            // Somebody has to watch over it: not the fan.
            Some(head) if self.session.max_age.is_some() => Offered::Blocked { head, written: 0 },
            Some(head) => self.send(part, head),
            None => Offered::Taken,
        }
    }

    /// Offers a picture that is not the source's.
    pub(crate) fn tell(&mut self, part: &Part) -> Offered {
        let head = self.plain_head(part);
        self.send(part, head)
    }

    /// What goes above `part` for all who asked for nothing special.
    fn plain_head(&self, part: &Part) -> Bytes {
        match self.framing {
            Framing::Multipart => part.head.clone(),
            // Every picture has it: the scanner looks for it, and encoders begin with it.
            Framing::Bare => part.picture.data.slice(..SOI.len().min(part.picture.data.len())),
        }
    }

    /// What comes below the head of `part`, but for what is between pictures.
    fn body<'a>(&self, part: &'a Part) -> &'a [u8] {
        match self.framing {
            Framing::Multipart => &part.picture.data,
            Framing::Bare => part.picture.data.get(SOI.len()..).unwrap_or_default(),
        }
    }

    /// Sends the head of the answer alone, since there is no picture yet.
    pub(crate) fn greet(&mut self) -> Offered {
        match self.socket.try_write(&self.greeting) {
            Ok(written) => _ = self.greeting.drain(..written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Offered::Gone,
        }
        Offered::Taken
    }

    /// The lines above `part`, which is the next one for this client; nothing when it
    /// would arrive too old. Counts what was missed on the way to it.
    pub(super) fn choose(&mut self, part: &Part) -> Option<Bytes> {
        let counts = &self.session.counts;
        // Nothing was missed before the first picture.
        if self.last > 0 {
            Counts::add(&counts.dropped, part.index.saturating_sub(self.last + 1));
        }
        self.last = part.index;
        let Some(max_age) = self.session.max_age else {
            return Some(self.plain_head(part));
        };
        let age = part.picture.received.elapsed();
        if age + self.behind.unwrap_or_default().needed > max_age {
            Counts::add(&counts.late, 1);
            return None;
        }
        Some(self.lines(part))
    }

    /// The lines above `part` for this client.
    pub(super) fn lines(&mut self, part: &Part) -> Bytes {
        self.last = part.index;
        if self.session.max_age.is_none() || self.framing == Framing::Bare {
            return self.plain_head(part);
        }
        let mut head = Vec::with_capacity(Head::MAX);
        let dropped = self.session.counts.dropped.load(Relaxed);
        head_of(&part.picture, Some((part.picture.received.elapsed(), dropped))).write(&mut head);
        head.into()
    }

    /// Gives up the picture chosen last, of which nothing has gone out, for a newer one.
    pub(super) fn pass_over(&self) {
        Counts::add(&self.session.counts.dropped, 1);
    }

    fn send(&mut self, part: &Part, head: Bytes) -> Offered {
        match self.write(part, &head, 0) {
            Ok(written) if written == self.length(part, &head) => {
                self.sent(part, written);
                Offered::Taken
            }
            Ok(written) => Offered::Blocked { head, written },
            Err(_) => Offered::Gone,
        }
    }

    /// Bytes of a part on the wire, with the answer's head if that is still to be sent.
    pub(super) fn length(&self, part: &Part, head: &[u8]) -> usize {
        self.greeting.len() + head.len() - self.ahead() + self.body(part).len() + self.framing.between().len()
    }

    /// Bytes of the next head that are out already.
    pub(super) fn ahead(&self) -> usize {
        self.behind.unwrap_or_default().ahead
    }

    /// Sends one byte of the next head before its picture is chosen; `false` when those
    /// that are the same for all pictures are out.
    pub(super) fn probe(&mut self) -> io::Result<bool> {
        let common = self.framing.common();
        let behind = self.behind.get_or_insert_default();
        let Some(byte) = common.get(behind.ahead..=behind.ahead) else { return Ok(false) };
        match self.socket.try_write(byte) {
            Ok(written) => behind.ahead += written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Writes what the socket takes of a part from `written` on; returns how far it is
    /// then.
    pub(super) fn write(&self, part: &Part, head: &[u8], mut written: usize) -> io::Result<usize> {
        let whole = self.length(part, head);
        while written < whole {
            let mut slices =
                [&self.greeting, &head[self.ahead()..], self.body(part), self.framing.between()].map(IoSlice::new);
            let mut left = &mut slices[..];
            IoSlice::advance_slices(&mut left, written);
            match self.socket.try_write_vectored(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Counts a part that went out whole.
    pub(super) fn sent(&mut self, part: &Part, bytes: usize) {
        self.greeting = Vec::new();
        let ahead = self.behind.as_mut().map_or(0, |behind| std::mem::take(&mut behind.ahead));
        self.session.counts.sent(1, (bytes + ahead) as u64, part.picture.received);
    }

    /// Waits until the client closes its side, or breaks off.
    pub(super) async fn leaving(&self) -> io::Error {
        loop {
            if let Err(error) = self.socket.readable().await {
                return error;
            }
            if self.has_left() {
                return io::ErrorKind::UnexpectedEof.into();
            }
        }
    }

    /// Whether the client closed its side, as far as can be seen without waiting. One that
    /// sends as if it were paid for it is not waited for either: reading it would hold up
    /// all the others.
    pub(crate) fn has_left(&self) -> bool {
        let mut ignored = [0; PIECE];
        for _ in 0..MOST_PIECES {
            match self.socket.try_read(&mut ignored) {
                Ok(0) => return true,
                // Nothing is expected from it, so nothing it says matters.
                Ok(_) => {}
                Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_head_begins_with_what_may_be_sent_ahead() {
        let mut head = Vec::new();
        Head { length: 1, captured: std::time::SystemTime::UNIX_EPOCH, sequence: 0, report: None }.write(&mut head);
        assert!(head.starts_with(COMMON), "{}", String::from_utf8_lossy(&head));
    }
}
