//! `http://`: MJPEG and snapshots by our own client, everything else by libavformat.
//!
//! What the server sends decides, not the URL and not the Content-Type: JPEG pictures
//! in any wrapping are taken out as they come, bit for bit, each at its last byte. A
//! single picture is asked for again and again.

mod auth;
mod body;
mod dial;
mod pictures;
mod session;
mod sniff;

use std::sync::Arc;

use formats::multipart::Reader;

use crate::location::Location;
use crate::scheme::{Connection, Request, Scheme, with_host};
use crate::{Error, Phase, Sink};

use self::session::{Fetched, Session};
use self::sniff::Verdict;

/// The port of `http`.
const PORT: u16 = 80;

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["http"],
    example: "http://user:password@host/video.mjpg",
    doc: "an MJPEG camera, or a picture that is fetched again and again; HLS, ASF and the like through FFmpeg",
    port: Some(PORT),
    check: with_host,
    connect,
};

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        match run(&request, &sink).await {
            Ok(elsewhere) => {
                let url = Arc::from(elsewhere.to_url());
                crate::libav::connect(Request { url, ..request }, sink).await
            }
            Err(error) => error,
        }
    })
}

/// Runs the connection to its end, or tells where libavformat should look.
async fn run(request: &Request, sink: &Sink) -> Result<Location, Error> {
    let mut session = Session::new(Location::parse(&request.url)?);
    let mut answer = match session.get(sink, None).await? {
        Fetched::Answer(answer) => answer,
        Fetched::Elsewhere(location) => return Ok(location),
    };
    sink.phase(Phase::FirstFrame);
    let mut reader = Reader::new();
    match sniff::watch(&mut answer, &mut reader, session.location()).await? {
        Verdict::Mjpeg => Err(pictures::run(session, answer, reader, sink).await),
        // Our own socket is closed first: some cameras serve only one client.
        Verdict::Other => Ok(session.location().clone()),
    }
}

#[cfg(test)]
mod tests;
