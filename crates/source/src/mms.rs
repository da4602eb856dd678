//! Windows Media: MMS over HTTP, TCP and UDP, and Windows Media RTSP, by sessions of our own.
//!
//! `mms://` means any of them: they are tried side by side. A server may lead elsewhere, by
//! a redirect or a playlist, and is followed; what comes is ASF, whichever way.

mod driver;
mod failure;
mod open;
mod play;
pub(crate) mod show;
mod way;

use crate::location::Location;
use crate::scheme::{Connection, Request, Scheme, with_host};
use crate::{Error, Sink, Transport};

use self::open::{Found, Opening};
use self::play::End;

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["mms"],
    example: "mms://host/path",
    doc: "Windows Media: tries HTTP, TCP and RTSP side by side",
    port: None,
    captured: true,
    check: with_host,
    connect,
};
pub(crate) static OVER_HTTP: Scheme = Scheme {
    names: &["mmsh"],
    example: "mmsh://host/path",
    doc: "Windows Media over HTTP",
    port: Some(80),
    captured: true,
    check: with_host,
    connect,
};
pub(crate) static OVER_TCP: Scheme = Scheme {
    names: &["mmst", "mmsu"],
    example: "mmst://host/path",
    doc: "Windows Media over TCP; mmsu: with its data in UDP datagrams",
    port: Some(1755),
    captured: true,
    check: with_host,
    connect,
};

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        match Location::parse(&request.url) {
            Ok(location) => run(request, location, sink).await,
            Err(error) => error,
        }
    })
}

/// Opens an `rtsp` URL whose server turned out to be one for Windows Media.
pub(crate) async fn rtsp(request: Request, sink: Sink) -> Error {
    let udp = request.options.transport == Transport::Udp;
    match Location::parse(&request.url) {
        Ok(location) => {
            let scheme = if udp { "rtspu" } else { "rtspt" }.into();
            run(request, Location { scheme, ..location }, sink).await
        }
        Err(error) => error,
    }
}

/// Opens `location` and whatever it leads to, and plays it.
async fn run(request: Request, location: Location, sink: Sink) -> Error {
    let options = &*request.options;
    let mut found = Opening::new(options, &sink).open(location).await;
    let elsewhere = loop {
        let mut stream = match found {
            Ok(Found::Stream(stream)) => stream,
            Ok(Found::Elsewhere(location, trail)) => {
                if let Err(error) = Opening::new(options, &sink).may_leave(&location, &trail).await {
                    return error;
                }
                break location;
            }
            Err(error) => return error,
        };
        let urls = match play::play(&mut stream, options, &sink).await {
            End::Failed(error) => return error,
            End::Moved(urls) => urls,
        };
        let (location, trail) = (stream.location.clone(), stream.trail.clone());
        drop(stream);
        // The time for an attempt begins anew: it may have played for hours.
        found = Opening::new(options, &sink).go_on(&location, urls, &trail).await;
    };
    if let Err(error) = sink.line().leaves_to(&elsewhere) {
        return error;
    }
    let request = Request { url: elsewhere.to_url().into(), options: request.options.clone() };
    crate::libav::connect(request, sink).await
}
