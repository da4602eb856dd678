//! Other containers without end, over the connection that we have: libavformat is given
//! their bytes, and not the URL.
//!
//! So headers, proxy, trust and password hold as for pictures, a camera that serves one
//! client is asked once, and what goes wrong on the line is told in our words. What has a
//! length is a recording, in which libavformat wants to go to places: it opens the URL itself.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc;

use super::body::Answer;
use super::session::Session;
use crate::scheme::Request;
use crate::{Error, Sink, libav, on_thread, wait_for};

/// What is read of the body at once, in bytes.
const READ: usize = 64 << 10;
/// Pieces that wait for the demuxer; then the camera waits.
pub(super) const MOST_WAITING: usize = 16;
/// How long a demuxer without bytes waits until it looks whether it is still wanted.
const LOOK: Duration = Duration::from_millis(100);

/// A body for libavformat.
pub(super) struct Other {
    pub(super) session: Session,
    pub(super) answer: Answer,
    /// What has come of it.
    pub(super) first: BytesMut,
}

impl Other {
    /// Whether `first` begins what can be read from one end to the other, and `answer` does not
    /// say where its end is.
    pub(super) fn is_one(answer: &Answer, first: &[u8]) -> bool {
        let names_others = [&b"#EXTM3U"[..], b"<?xml"].iter().any(|begin| first.trim_ascii_start().starts_with(begin));
        answer.head.content_length().is_none() && !names_others
    }

    /// Reads it to its end.
    pub(super) async fn run(self, request: &Request, sink: Sink) -> Error {
        let Self { session, mut answer, first } = self;
        let place = session.location().to_string();
        let (give, take) = mpsc::channel(MOST_WAITING);
        let (options, protocol) = (request.options.clone(), session.protocol());
        let body = Body { take, piece: first.freeze() };
        let of = place.clone();
        let mut thread = std::pin::pin!(on_thread("http", move |stop| {
            libav::play_from(body, &of, protocol, &options, &sink, &stop)
        }));
        let lost = tokio::select! {
            error = &mut thread => return error.unwrap_or_else(libav::died),
            lost = feed(&mut answer, &give) => lost,
        };
        drop(give);
        // What has come is shown first.
        let error = thread.await.unwrap_or_else(libav::died);
        match (error, lost) {
            (Error::Ended { .. }, Err(what)) => Error::Ended { what: Some(format!("{place}: {what}")) },
            (error, _) => error,
        }
    }
}

/// Reads the body up to its end, or up to what went wrong.
async fn feed(answer: &mut Answer, give: &mpsc::Sender<Bytes>) -> Result<(), String> {
    let mut bytes = BytesMut::new();
    loop {
        bytes.reserve(READ);
        match answer.read(&mut bytes).await {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        if give.send(bytes.split().freeze()).await.is_err() {
            return Ok(());
        }
    }
}

/// The body, for the thread that reads it.
pub(super) struct Body {
    pub(super) take: mpsc::Receiver<Bytes>,
    /// What has come of it already.
    pub(super) piece: Bytes,
}

impl Read for Body {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match wait_for(self.take.recv(), LOOK) {
                Some(Some(piece)) => self.piece = piece,
                Some(None) => return Ok(0),
                None => return Err(ErrorKind::WouldBlock.into()),
            }
        }
        let count = out.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut out[..count]);
        Ok(count)
    }
}
