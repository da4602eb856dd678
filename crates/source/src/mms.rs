//! `mms://`: the alias that tries what works.
//!
//! Windows Media Player's rollover, as far as libavformat has the protocols: MMS over
//! HTTP first, MMS over TCP a moment later beside it, and the first that opens is taken.

use std::time::Duration;

use ffmpeg::Input;
use tokio::time::sleep;

use crate::libav::{self, Way};
use crate::scheme::{Connection, Request, Scheme, any};
use crate::thread::StopOnDrop;
use crate::{Error, Phase, Sink, on_thread};

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["mms"],
    example: "mms://host/path",
    doc: "Windows Media: tries HTTP (mmsh), then TCP (mmst) beside it",
    port: None,
    check: any,
    connect,
};

/// How long HTTP has the field for itself.
const HEAD_START: Duration = Duration::from_millis(1200);

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        sink.phase(Phase::Connect);
        let Open { way, input, guard } = match roll_over(&request).await {
            Ok(open) => open,
            Err(error) => return error,
        };
        let repeat = request.options.repeat_files;
        let thread = on_thread("mms", move |stop| libav::pump(input, &way, repeat, &sink, &stop));
        let ended = thread.await.unwrap_or_else(libav::died);
        // Up to here, dropping this future interrupts the reading too.
        drop(guard);
        ended
    })
}

/// An open input, and what its blocking calls look at to be interrupted: for as long as
/// somebody reads, not for as long as it took to open.
struct Open {
    way: Way,
    input: Input,
    guard: StopOnDrop,
}

async fn roll_over(request: &Request) -> Result<Open, Error> {
    let http = attempt(request, "mmsh");
    let mut tcp = std::pin::pin!(attempt(request, "mmst"));
    tokio::pin!(http);
    let over_http = tokio::select! {
        first = &mut http => Some(first),
        () = sleep(HEAD_START) => None,
    };
    match over_http {
        Some(Ok(open)) => Ok(open),
        Some(Err(over_http)) => tcp.await.map_err(|over_tcp| both(over_http, over_tcp)),
        None => tokio::select! {
            first = &mut http => match first {
                Ok(open) => Ok(open),
                Err(over_http) => tcp.await.map_err(|over_tcp| both(over_http, over_tcp)),
            },
            first = &mut tcp => match first {
                Ok(open) => Ok(open),
                Err(over_tcp) => http.await.map_err(|over_http| both(over_http, over_tcp)),
            },
        },
    }
}

async fn attempt(request: &Request, scheme: &str) -> Result<Open, Error> {
    let rest = request.url.split_once(':').map_or(&*request.url, |(_, rest)| rest);
    let request = Request { url: format!("{scheme}:{rest}").into(), options: request.options.clone() };
    let guard = StopOnDrop::default();
    let stop = guard.stop();
    let opened = on_thread("mms-open", move |_| {
        let way = Way::of(&request);
        libav::open(&way, &stop).map(|input| (way, input))
    });
    let (way, input) = opened.await.unwrap_or_else(|| Err(libav::died()))?;
    Ok(Open { way, input, guard })
}

/// One error for both: what was tried, and why each failed. A refusal of the login or
/// of the path weighs more than a port that is closed.
fn both(http: Error, tcp: Error) -> Error {
    let what = format!("over HTTP: {}; over TCP: {}", http.what(), tcp.what());
    match (http, tcp) {
        (Error::Unauthorized { .. }, _) | (_, Error::Unauthorized { .. }) => Error::Unauthorized { what },
        (Error::NotFound { .. }, _) | (_, Error::NotFound { .. }) => Error::NotFound { what },
        (Error::Unreachable { .. }, Error::Unreachable { .. }) => Error::Unreachable { what },
        _ => Error::Broken { what },
    }
}
