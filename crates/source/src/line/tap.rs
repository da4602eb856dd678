//! What one line says, on its way into a capture.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use formats::capture::{Event, Scrubber, Side};

use super::failure;
use super::recorder::Recorder;

/// Our own words are written down when they are this long, in bytes, or said.
const MOST_SAID: usize = 64 << 10;

/// A line that is captured. Dropping it is our hanging up.
pub(crate) struct Tap {
    recorder: Arc<Recorder>,
    line: u32,
    heard: Scrubber,
    saying: Scrubber,
    /// What we say and have not said whole, so that secrets in it are found.
    said: Vec<u8>,
    ended: bool,
}

impl Tap {
    pub(super) fn new(recorder: Arc<Recorder>, line: u32) -> Self {
        let scrubber = |side| Scrubber::new(Arc::clone(recorder.secrets()), side);
        let (heard, saying) = (scrubber(Side::Camera), scrubber(Side::Us));
        Self { recorder, line, heard, saying, said: Vec::new(), ended: false }
    }

    /// Which line.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    fn put(&self, from: Side, data: Vec<u8>) {
        if !data.is_empty() {
            self.recorder.put(Event::Bytes { line: self.line, from, data: data.into() });
        }
    }

    /// It is encrypted from now on, or that failed.
    pub(crate) fn secured(&mut self, failed: Option<&crate::Error>) {
        self.flush();
        let line = self.line;
        self.recorder.put(match failed {
            None => Event::Secured { line },
            Some(error) => Event::Failed { line, failure: failure::of(error, self.recorder.secrets()) },
        });
    }

    /// Bytes have come.
    pub(crate) fn heard(&mut self, bytes: &[u8]) {
        self.write();
        let clean = self.heard.handle(bytes);
        self.put(Side::Camera, clean);
    }

    /// Bytes have gone.
    pub(crate) fn said(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        if self.said.len() > MOST_SAID {
            self.write();
        }
    }

    /// What was said is whole.
    pub(crate) fn flush(&mut self) {
        let mut clean = self.saying.handle(&std::mem::take(&mut self.said));
        clean.extend(self.saying.finish());
        self.put(Side::Us, clean);
    }

    /// What was said so far, in the middle of something perhaps.
    fn write(&mut self) {
        if !self.said.is_empty() {
            let clean = self.saying.handle(&std::mem::take(&mut self.said));
            self.put(Side::Us, clean);
        }
    }

    /// The other side has hung up.
    pub(crate) fn closed(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.rest();
            self.recorder.put(Event::Closed { line: self.line, by: Side::Camera });
        }
    }

    /// The connection broke.
    pub(crate) fn broken(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.ended, true) {
            self.rest();
            let failure = failure::of_io(error, self.recorder.secrets());
            self.recorder.put(Event::Broken { line: self.line, failure });
        }
    }

    fn rest(&mut self) {
        self.flush();
        let rest = self.heard.finish();
        self.put(Side::Camera, rest);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.rest();
        self.recorder.put(Event::Closed { line: self.line, by: Side::Us });
    }
}

/// A socket for datagrams that is captured.
pub(crate) struct DatagramTap {
    recorder: Arc<Recorder>,
    line: u32,
}

impl DatagramTap {
    pub(super) fn new(recorder: Arc<Recorder>, role: &str, local: SocketAddr) -> Self {
        let line = recorder.line();
        recorder.put(Event::Socket { line, role: role.into(), local });
        Self { recorder, line }
    }

    /// One has come, or gone.
    pub(crate) fn passed(&self, from: Side, peer: SocketAddr, data: &[u8]) {
        let mut scrubber = Scrubber::new(Arc::clone(self.recorder.secrets()), from);
        let mut clean = scrubber.handle(data);
        clean.extend(scrubber.finish());
        self.recorder.put(Event::Datagram { line: self.line, from, peer, data: Bytes::from(clean) });
    }
}
