//! `replay:FILE`: a capture ([`crate::Capture`]), as if the camera were there.
//!
//! The code that spoke with the camera runs again, over a line that plays what the camera sent,
//! when it sent it; so whatever came of it comes of it again: pictures and their times, marks of
//! loss, errors. Each attempt to open the camera is played by an attempt to open the capture.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::line::{Contents, Line, Play, Speed, load};
use crate::scheme::{Connection, Request, Scheme, scheme_of};
use crate::{Access, Error, Options, Proxy, Sink, Transport, Trust, on_thread};

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["replay"],
    example: "replay:FILE?speed=max",
    doc: "what --capture FILE has kept of a camera, in the time in which it came",
    port: None,
    captured: false,
    check: |url| Wish::of(url).map(|_| ()),
    connect,
};

/// How often it is looked whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// What the URL says.
struct Wish {
    path: String,
    speed: Speed,
    /// The attempt to play, counted from 1; all of them without.
    attempt: Option<u64>,
}

impl Wish {
    fn of(url: &str) -> Result<Self, Error> {
        let rest = url.split_once(':').map_or("", |(_, rest)| rest);
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, query) = match rest.rsplit_once('?') {
            Some((path, query)) if query.contains('=') => (path, query),
            _ => (rest, ""),
        };
        let bad = |what: String| Error::BadUrl {
            what: format!("{url}: {what}"),
            hint: "expected replay:FILE, with ?speed=2 or ?speed=max, and &attempt=2".into(),
        };
        if path.is_empty() {
            return Err(bad("no file".into()));
        }
        let mut wish = Self { path: path.into(), speed: Speed::Times(1.0), attempt: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("speed", "max") => wish.speed = Speed::Max,
                ("speed", text) => match text.parse() {
                    Ok(times @ 1.0..=1000.0) => wish.speed = Speed::Times(times),
                    _ => return Err(bad(format!("a speed of {text}; it is 1 to 1000, or max"))),
                },
                ("attempt", text) => match text.parse() {
                    Ok(number @ 1..) => wish.attempt = Some(number),
                    _ => return Err(bad(format!("attempt {text}; the first is 1"))),
                },
                (name, _) => return Err(bad(format!("no parameter {name} is known"))),
            }
        }
        Ok(wish)
    }
}

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move { run(&request, sink).await.unwrap_or_else(|error| error) })
}

async fn run(request: &Request, sink: Sink) -> Result<Error, Error> {
    let Wish { path, speed, attempt } = Wish::of(&request.url)?;
    let before = sink.attempts_before();
    let again = request.options.repeat_files;
    let (of, number) = (path.clone(), attempt.map_or(before, |attempt| attempt - 1));
    let wraps = again && attempt.is_none();
    let loaded = on_thread("replay", move |_| load(&of, number, wraps));
    let contents = loaded.await.unwrap_or_else(|| Err(crate::libav::died()))?;
    let attempts = contents.attempts;
    if attempt.is_some_and(|attempt| attempt > attempts) {
        let what = format!("{path}: its source was opened {attempts} times");
        return Err(Error::BadUrl { what, hint: "&attempt= is one of them".into() });
    }
    let is_over = if attempt.is_some() { before > 0 } else { before >= attempts };
    if is_over && !again {
        return Err(Error::BadUrl {
            what: format!("{path}: it is over"),
            hint: "open it again to see it again".into(),
        });
    }
    let is_last = attempt.is_some() || before + 1 >= attempts;
    let inner = as_then(&contents, request, speed)?;
    let Some(scheme) = scheme_of(&inner.url) else {
        return Err(Error::Unsupported { what: format!("{path}: it is of what cannot be opened here") });
    };
    if !scheme.captured {
        return Err(Error::Unsupported { what: format!("{path}: {} is not played", media::Redacted(&inner.url)) });
    }
    let play = Arc::new(Play::new(path, contents, speed));
    let ending = sink.ending();
    ending.plays(play.age_s());
    let watched = Arc::clone(&play);
    let over = async {
        while !watched.is_over(ending.has_room()) {
            sleep(LOOK).await;
        }
        watched.end()
    };
    let connection = (scheme.connect)(inner, sink.over(Line::Played(play)));
    let error = tokio::select! {
        biased;
        error = connection => error,
        error = over => error,
    };
    if is_last {
        ending.has_an_end();
    }
    Ok(error)
}

/// The request as it was then.
fn as_then(contents: &Contents, request: &Request, speed: Speed) -> Result<Request, Error> {
    let said = |name: &str| contents.about.get(name).map(String::as_str);
    let micros = |name: &str| said(name)?.parse().ok().map(Duration::from_micros);
    let url = said("url").ok_or_else(|| Error::Broken { what: "the capture does not say of what it is".into() })?;
    let own = &*request.options;
    let poll = micros("poll_us").unwrap_or(own.poll);
    let options = Options {
        open_timeout: micros("open_timeout_us").unwrap_or(own.open_timeout),
        gap_timeout: micros("gap_timeout_us").unwrap_or(own.gap_timeout),
        poll: match speed {
            Speed::Max => Duration::ZERO,
            Speed::Times(times) => poll.div_f64(times),
        },
        transport: said("transport").and_then(Transport::from_name).unwrap_or_default(),
        streams: said("streams").and_then(|rule| rule.parse().ok()).unwrap_or_else(|| own.streams.clone()),
        video_track: said("video_track").and_then(|track| track.parse().ok()).unwrap_or(own.video_track),
        sound_alone: own.sound_alone || said("sound_alone") == Some("true"),
        access: Access {
            trust: if said("trust") == Some("anybody") { Trust::Anybody } else { Trust::System },
            proxy: said("proxy").and_then(|proxy| proxy.parse().ok()).unwrap_or(Proxy::Direct),
            ..Access::default()
        },
        capture: None,
        // Nothing is run: what it wrote is here.
        allow_exec: true,
        ..own.clone()
    };
    Ok(Request { url: url.into(), options: Arc::new(options) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_the_file_and_how_fast() {
        let told = |url: &str| match Wish::of(url) {
            Ok(Wish { path, speed, attempt }) => format!("{path} {speed:?} {attempt:?}"),
            Err(error) => error.to_string(),
        };
        for (url, expected) in [
            ("replay:a b.hwc", "a b.hwc Times(1.0) None"),
            ("replay:what?.hwc", "what?.hwc Times(1.0) None"),
            ("REPLAY:/tmp/a.hwc?speed=max&attempt=2", "/tmp/a.hwc Max Some(2)"),
            ("replay://a.hwc?speed=2.5", "a.hwc Times(2.5) None"),
        ] {
            assert_eq!(told(url), expected);
        }
        for url in ["replay:", "replay:a?speed=0.5", "replay:a?speed=NaN", "replay:a?attempt=0", "replay:a?pace=1"] {
            assert!(told(url).contains("expected replay:FILE"), "{url}");
        }
    }
}
