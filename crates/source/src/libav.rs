//! Whatever libavformat opens: most files, webcams, and every protocol we have no own client for.
//!
//! One thread per connection. libavformat's calls block, and some of them (the resolver)
//! cannot be interrupted; the supervisor then leaves the thread behind, and its sink is
//! cut.

use std::time::{Duration, Instant};

use ffmpeg::{Input, InputOptions, Read};
use media::{Codec, Kind, Redacted, Timestamp, Track, TrackId, Tracks, Unit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::ahead::Ahead;
use self::ending::Ending;
use self::repeats::Repeats;
use self::steps::Steps;
use crate::location::Location;
use crate::pace::{Clock, wait_until};
use crate::picture::with_tables;
use crate::scheme::{Connection, Request, Scheme, any};
use crate::{About, Error, Options, Phase, Sink, Stop, Transport, dial, listener, on_thread, tls};

// The rows only differ in what they are called.
pub(crate) static RTMP: Scheme = Scheme {
    names: &["rtmp", "rtmps", "rtmpt"],
    example: "rtmp://host/app/stream",
    doc: "RTMP through FFmpeg",
    port: Some(RTMP_PORT),
    captured: false,
    check: any,
    connect,
};
pub(crate) static DATAGRAMS: Scheme = Scheme {
    names: &["udp", "rtp", "srt", "tcp"],
    example: "srt://host:9000",
    doc: "MPEG-TS and the like over UDP, RTP, SRT or bare TCP, through FFmpeg; \
          srt://0.0.0.0:9000?mode=listener waits for an encoder",
    port: None,
    captured: false,
    check: any,
    connect,
};
pub(crate) static SCREEN: Scheme = Scheme {
    names: &["x11grab", "screen"],
    example: "x11grab::0.0+100,200",
    doc: "the screen of an X server, as FFmpeg calls it; nothing behind the colon: $DISPLAY",
    port: None,
    captured: false,
    check: any,
    connect,
};
mod ahead;
pub(crate) mod ending;
mod repeats;
mod steps;
mod tell;

/// How much of a live source is looked at to find out what its tracks are.
pub(crate) const ANALYZE: Duration = Duration::from_secs(2);
/// Pictures in a row of a webcam that may have come in pieces.
const MOST_TORN: u32 = 100;
/// The port of RTMP.
const RTMP_PORT: u16 = 1935;
/// After which time without an answer it is looked at whether a server of RTMP takes connections.
const LOOK: Duration = Duration::from_secs(1);
/// Demuxers that read ahead of the time.
const PLAYLISTS: &[&str] = &["hls", "dash"];

/// How a URL is put to libavformat.
struct Way {
    url: String,
    options: InputOptions,
    /// What libavformat calls the protocol.
    protocol: &'static str,
    /// A file: it has an end and no pace of its own.
    paced: bool,
    /// It comes in pieces, faster than it plays.
    bursts: bool,
    /// Something is missing before it.
    broken: bool,
}

impl Way {
    /// The way for `request`.
    fn of(request: &Request) -> Self {
        let url = &*request.url;
        let mut options = InputOptions { private: request.options.libav.clone(), ..InputOptions::default() };
        let mut set = |name: &str, value: &str| {
            // What the user said comes first.
            if !options.private.iter().any(|(given, _)| given == name) {
                options.private.push((name.into(), value.into()));
            }
        };
        let scheme = url.split_once("://").map(|(name, _)| name.to_ascii_lowercase());
        let scheme = scheme.as_deref().unwrap_or("");
        let screen = screen(url);
        let (url, protocol) = match scheme {
            _ if screen.is_some() => (screen.unwrap_or_default(), "x11grab"),
            "" | "file" => (file_path(url), "file"),
            name => (escaped(url), protocol_name(name)),
        };
        match protocol {
            "x11grab" => options.format = Some("x11grab".into()),
            "rtsp" => {
                set(
                    "rtsp_transport",
                    match request.options.transport {
                        Transport::Udp => "udp",
                        Transport::Http => "http",
                        Transport::Auto | Transport::Tcp => "tcp",
                    },
                );
                set("fpsprobesize", "0");
            }
            // The demuxer of a still picture has no other way to show it again.
            "file" if request.options.repeat_files => set("loop", "1"),
            "file" => {}
            _ => set("fpsprobesize", "0"),
        }
        if protocol == "file" {
            options.format = request.options.demuxer.clone();
        }
        tell::access(scheme, &url, &request.options.access, &mut set);
        if protocol != "file" {
            options.low_delay = true;
            options.analyze = Some(ANALYZE);
        }
        Self { url, options, protocol, paced: protocol == "file", bursts: false, broken: false }
    }
}

impl Way {
    /// Of bytes that somebody else fetches from `place`.
    fn of_body(place: &str) -> Self {
        let options = InputOptions { low_delay: true, analyze: Some(ANALYZE), ..InputOptions::default() };
        Self { url: place.into(), options, protocol: "http", paced: false, bursts: false, broken: false }
    }

    fn explain(&self, error: ffmpeg::Error) -> Error {
        match (self.protocol, error) {
            ("v4l2", error) => crate::webcam::explain_reading(&self.url, error),
            (_, error) => explain(&self.url, error),
        }
    }
}

/// The display that a URL means; nothing if it means none.
fn screen(url: &str) -> Option<String> {
    let rest = ["x11grab:", "screen:"].iter().find_map(|name| url.strip_prefix(name))?;
    let display = rest.trim_start_matches("//");
    Some(if display.is_empty() { std::env::var("DISPLAY").unwrap_or_default() } else { display.to_owned() })
}

/// The path of a file URL, with libavformat's own prefix, so that a colon in the name is
/// no protocol.
pub(crate) fn file_path(url: &str) -> String {
    let path = url.strip_prefix("file://").or_else(|| url.strip_prefix("file:")).unwrap_or(url);
    format!("file:{path}")
}

/// A URL whose password is written as libavformat wants it, whatever characters are in it.
pub(crate) fn escaped(url: &str) -> String {
    match Location::parse(url) {
        Ok(location) if url.contains('@') => location.to_url(),
        _ => url.to_owned(),
    }
}

pub(crate) fn protocol_name(scheme: &str) -> &'static str {
    const NAMES: &[&str] =
        &["http", "https", "rtsp", "rtsps", "rtmp", "rtmps", "udp", "rtp", "srt", "tcp", "hls", "dash"];
    NAMES.iter().find(|name| **name == scheme).copied().unwrap_or("libav")
}

/// Opens `request` and reads it to its end.
pub(crate) fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        let there = Location::parse(&request.url).ok().filter(|there| there.scheme.starts_with("rtmp"));
        let door = sink.clone();
        let thread = on_thread("libav", move |stop| play(&request, &sink, &stop));
        tokio::pin!(thread);
        tokio::select! {
            error = &mut thread => error,
            () = look(there, &door) => thread.await,
        }
        .unwrap_or_else(died)
    })
}

/// Looks whether a server of RTMP is there while libavformat waits for its connection, or for an
/// answer: which of them it does not tell, and servers leave it unanswered when a stream is wanted
/// that they do not have.
async fn look(there: Option<Location>, sink: &Sink) {
    let Some(there) = there else { return };
    tokio::time::sleep(LOOK).await;
    let Ok(addresses) = dial::resolve(&there.host, there.port.unwrap_or(RTMP_PORT)).await else { return };
    let Ok(mut stream) = dial::connect(&there.host, addresses).await else { return };
    // The others begin with TLS, HTTP or a cipher.
    if there.scheme != "rtmp" {
        return sink.takes_connections(tell::UNSENT);
    }
    sink.takes_connections(tell::MUTE);
    // Waits no longer than the attempt, with which it ends.
    if stream.write_all(tell::HANDSHAKE).await.is_ok() && stream.read_u8().await.is_ok() {
        sink.takes_connections(tell::UNSENT);
    }
}

/// The same by a connection of somebody who tells how far it has come, and who speaks `protocol`
/// to the camera.
pub(crate) fn connect_through(request: Request, protocol: String, sink: Sink) -> Connection {
    Box::pin(async move {
        let thread =
            on_thread("libav", move |stop| play_way(&Way::of(&request), protocol, &request.options, &sink, &stop));
        thread.await.unwrap_or_else(died)
    })
}

/// Opens `request` and reads it to its end, on this thread.
pub(crate) fn play(request: &Request, sink: &Sink, stop: &Stop) -> Error {
    if let Err(error) = tell::check(&request.url, &request.options.access) {
        return error;
    }
    if listener::is_meant(&request.url, &request.options) {
        return listener::play(request, sink, stop);
    }
    sink.phase(Phase::Connect);
    let way = Way::of(request);
    let protocol = tls::protocol(way.protocol, &request.options.access.trust);
    play_way(&way, protocol, &request.options, sink, stop)
}

fn play_way(way: &Way, protocol: String, options: &Options, sink: &Sink, stop: &Stop) -> Error {
    match open(way, stop) {
        Ok(input) => pump(input, way, protocol, options, sink, stop),
        Err(error) => {
            if way.protocol != "file" && error.is_answer() {
                sink.phase(Phase::Handshake);
            }
            error
        }
    }
}

/// Opens the webcam at `path` as `private` says, and reads it until it fails, on this thread.
/// `live` is told when it has opened.
pub(crate) fn play_device(
    path: &str,
    mut private: Vec<(String, String)>,
    live: impl FnOnce(),
    request: &Request,
    sink: &Sink,
    stop: &Stop,
) -> Error {
    private.extend(request.options.libav.iter().cloned());
    let options =
        InputOptions { format: Some("v4l2".into()), private, low_delay: true, device: true, ..InputOptions::default() };
    let way = Way { url: path.into(), options, protocol: "v4l2", paced: false, bursts: false, broken: false };
    match open(&way, stop) {
        Ok(input) => {
            live();
            pump(input, &way, "v4l2".into(), &request.options, sink, stop)
        }
        Err(error) => error,
    }
}

/// Reads what `body` hands out to its end, on this thread. `place` is where it comes from, and
/// `protocol` how, for whom it may concern.
pub(crate) fn play_from(
    body: impl std::io::Read + Send + 'static,
    place: &str,
    protocol: String,
    options: &Options,
    sink: &Sink,
    stop: &Stop,
) -> Error {
    read_from(body, &Way::of_body(place), protocol, options, sink, stop)
}

/// The same of pieces that each come faster than they play. `broken` says that something is
/// missing before the first one.
pub(crate) fn play_pieces(
    body: impl std::io::Read + Send + 'static,
    place: &str,
    protocol: String,
    options: &Options,
    broken: bool,
    sink: &Sink,
    stop: &Stop,
) -> Error {
    let mut way = Way { bursts: true, broken, ..Way::of_body(place) };
    // The rate is no matter for which a piece would be waited.
    way.options.private.push(("fpsprobesize".into(), "0".into()));
    read_from(body, &way, protocol, options, sink, stop)
}

fn read_from(
    body: impl std::io::Read + Send + 'static,
    way: &Way,
    protocol: String,
    options: &Options,
    sink: &Sink,
    stop: &Stop,
) -> Error {
    let interrupt = stop.clone();
    // There is no way back to its begin.
    let once = Options { repeat_files: false, ..options.clone() };
    let body = Patient { body, stop: stop.clone() };
    match Input::from_read(body, &way.options, move || interrupt.is_set()) {
        Ok(input) => pump(input, way, protocol, &once, sink, stop),
        Err(error) => way.explain(error),
    }
}

/// A reader that waits where another would say that there is nothing yet: demuxers take that for
/// an end, and show what they have begun of a picture.
struct Patient<R> {
    body: R,
    stop: Stop,
}

impl<R: std::io::Read> std::io::Read for Patient<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.body.read(out) {
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && !self.stop.is_set() => {}
                result => return result,
            }
        }
    }
}

/// For [`Scheme::check`] of the row that takes everything: a file, or a URL of a protocol
/// that libavformat has.
pub(crate) fn known_protocol(url: &str) -> Result<(), Error> {
    let Some((name, _)) = url.split_once("://") else { return Ok(()) };
    if let Some(mark) = name.chars().next().filter(|first| "<>'\"`(\u{201c}\u{201d}\u{2018}\u{2019}".contains(*first)) {
        return Err(Error::BadUrl {
            what: format!("{}: {mark} stands in front of the protocol", Redacted(url)),
            hint: "write the URL without marks around it".into(),
        });
    }
    if name == "file" || ffmpeg::has_protocol(url) {
        return Ok(());
    }
    let meant = crate::scheme::similar(name).map(|meant| format!("did you mean {meant}://?"));
    Err(Error::BadUrl {
        what: format!("{}: there is no protocol {name}", Redacted(url)),
        hint: meant.unwrap_or_else(|| "`headwater help serve` lists what can be opened".into()),
    })
}

/// What a connection ends with whose thread panicked.
pub(crate) fn died() -> Error {
    Error::Broken { what: "the reading thread died; this is a fault in headwater, see its log".into() }
}

/// Opens an input; blocks until it is open or `stop` is set.
fn open(way: &Way, stop: &Stop) -> Result<Input, Error> {
    let stop = stop.clone();
    let began = Instant::now();
    let input = Input::open(&way.url, &way.options, move || stop.is_set());
    input.map_err(|error| match (way.protocol, &error) {
        // And not a port to wait at that cannot be had.
        ("srt", ffmpeg::Error::Other { detail: Some(detail), .. }) if detail.contains("Connection to ") => {
            tell::untaken(&way.url, began.elapsed())
        }
        (protocol, _) if protocol.starts_with("rtmp") => tell::rtmp(&way.url, error),
        _ => way.explain(error),
    })
}

/// Reads `input` into `sink` until it ends, fails, or nobody wants it.
fn pump(mut input: Input, way: &Way, protocol: String, options: &Options, sink: &Sink, stop: &Stop) -> Error {
    if input.is_encrypted() {
        let place = Redacted(way.url.strip_prefix("file:").unwrap_or(&way.url));
        let what = format!(
            "{place}: it is encrypted (Windows Media DRM); it plays only with a licence, in a player of its maker"
        );
        return Error::Unsupported { what };
    }
    // The header of a piece of a broadcast may tell how long the piece is.
    let duration = input.duration().filter(|_| !way.bursts);
    let about = About {
        protocol,
        container: input.container(),
        server: None,
        title: input.title(),
        duration,
        live: !way.paced && duration.is_none(),
    };
    // What can be read as fast as the line allows is held to real time: recordings, and
    // playlists, whose pieces come in bursts.
    let paced = !about.live || way.bursts || PLAYLISTS.contains(&about.container.as_str());
    let repeat = options.repeat_files && !about.live;
    let tracks = match one_video(input.tracks(), options.video_track) {
        Ok(tracks) => tracks,
        Err(error) => return error,
    };
    let lead_of = |tracks: &[Track]| Tracks::lead_of(tracks).map(|track| track.id);
    let mut lead = lead_of(&tracks);
    let jpegs_of = |tracks: &[Track]| -> Vec<TrackId> {
        tracks.iter().filter(|track| track.codec == Codec::MJPEG).map(|track| track.id).collect()
    };
    let mut jpegs = jpegs_of(&tracks);
    let rate = tracks.iter().find_map(Track::video).and_then(media::Video::sane_frame_rate);
    if let Err(error) = sink.declare(about.clone(), tracks) {
        return error;
    }
    let mut clock = Clock::default();
    let mut counted = Counted::default();
    let mut broken = way.broken;
    let mut read_any = false;
    let is_dash = about.live && about.container == "dash";
    let mut steps = (about.live && PLAYLISTS.contains(&about.container.as_str())).then(Steps::default);
    let mut repeats = is_dash.then(Repeats::default);
    let out = sink.clone();
    let give = move |unit| {
        out.publish(unit);
        !out.is_cut()
    };
    let ahead = is_dash.then(|| Ahead::start(give, stop)).flatten();
    // Pictures of a webcam that came in pieces, in a row.
    let mut torn = 0;
    let (mut ending, mut told_of_end) = (Ending::default(), false);
    while !stop.is_set() && !sink.is_cut() {
        match input.read() {
            Ok(Read::Unit(mut unit)) => {
                (read_any, torn) = (true, 0);
                broken |= ending.goes_on();
                ending.good += u64::from(Some(unit.track) == lead && !unit.corrupt);
                if repeats.as_mut().is_some_and(|repeats| repeats.has(&unit)) {
                    if unit.key && Some(unit.track) == lead && !wait_until(Instant::now() + repeats::PAUSE, stop) {
                        break;
                    }
                    continue;
                }
                if jpegs.contains(&unit.track) {
                    unit.data = with_tables(unit.data);
                }
                if Some(unit.track) == lead {
                    broken |= steps.as_mut().is_some_and(|steps| steps.skips(&unit));
                }
                if broken && unit.key && Some(unit.track) == lead {
                    (unit.discontinuity, broken) = (true, false);
                }
                if way.paced && Some(unit.track) == lead {
                    counted.stamp(&mut unit, rate);
                }
                let due = paced.then(|| clock.place(&mut unit, lead)).flatten();
                if let Some(ahead) = &ahead {
                    if !ahead.take(unit, due) {
                        break;
                    }
                    continue;
                }
                if due.is_some_and(|due| !wait_until(due, stop)) {
                    break;
                }
                sink.publish(unit);
                if can_wait(way.protocol) && !sink.wait_for_room(stop) {
                    break;
                }
            }
            Ok(Read::Tracks(tracks)) => {
                ahead.iter().for_each(Ahead::finish);
                let tracks = match one_video(tracks, options.video_track) {
                    Ok(tracks) => tracks,
                    Err(error) => return error,
                };
                (lead, jpegs) = (lead_of(&tracks), jpegs_of(&tracks));
                if let Err(error) = sink.declare(about.clone(), tracks) {
                    return error;
                }
            }
            Ok(Read::End) if repeat && read_any => {
                read_any = false;
                if let Some(what) = ending.what(&way.url, lead.and_then(|lead| input.unit_count(lead))) {
                    match std::mem::replace(&mut told_of_end, true) {
                        true => tracing::debug!("{what}"),
                        false => tracing::warn!("{what}"),
                    }
                }
                ending = Ending::default();
                clock.again();
                if let Err(error) = input.rewind() {
                    return way.explain(error);
                }
            }
            Ok(Read::End) => {
                ahead.iter().for_each(Ahead::finish);
                return Error::Ended { what: ending.what(&way.url, lead.and_then(|lead| input.unit_count(lead))) };
            }
            // The first pictures after it is switched on, and those for which USB had no room.
            Err(ffmpeg::Error::InvalidData { .. }) if way.protocol == "v4l2" && torn < MOST_TORN => torn += 1,
            Err(ffmpeg::Error::InvalidData { call: ffmpeg::READ_CALL, .. }) if way.paced && ending.passes() => {}
            Err(error) => {
                ahead.iter().for_each(Ahead::finish);
                return way.explain(error);
            }
        }
    }
    Error::Ended { what: None }
}

/// Times for what has none: pictures without a container, such as bare H.264.
#[derive(Default)]
struct Counted(i64);

impl Counted {
    /// Pictures a second where nobody says.
    const USUAL: f64 = 25.0;

    /// Stamps a picture that comes after those before it at `rate` pictures a second.
    fn stamp(&mut self, unit: &mut Unit, rate: Option<f64>) {
        if unit.dts.or(unit.pts).is_some() {
            return;
        }
        unit.dts = Some(Timestamp::from_nanos(self.0));
        let step = 1e9 / rate.filter(|rate| *rate >= 0.1).unwrap_or(Self::USUAL);
        self.0 = self.0.saturating_add(step as i64);
    }
}

/// Whether what `protocol` brings can be left waiting by whoever does not take it: datagrams and
/// webcams go on all the same, and a session of RTSP would not be kept alive.
fn can_wait(protocol: &str) -> bool {
    !matches!(protocol, "rtsp" | "rtp" | "udp" | "srt" | "rist" | "v4l2")
}

/// `tracks`, of whose video all but the `nth` is put aside.
pub(crate) fn one_video(mut tracks: Vec<Track>, nth: usize) -> Result<Vec<Track>, Error> {
    let video: Vec<_> = tracks.iter_mut().filter(|track| track.video().is_some()).collect();
    let count = video.len();
    // That there is none at all is told by who looks for it.
    if nth >= count.max(1) {
        let what = format!("no video track {nth}: they are counted from 0, and there are {count}");
        return Err(Error::NotVideo { what, page: false });
    }
    for (place, track) in video.into_iter().enumerate() {
        if place != nth {
            track.kind = Kind::Data;
        }
    }
    Ok(tracks)
}

/// How a recording on a server of HTTP is put to libavformat: its URL and options.
pub(crate) fn remote(url: &str, options: &Options) -> (String, InputOptions) {
    let mut private = options.libav.clone();
    let url = escaped(url);
    let scheme = url.split_once("://").map(|(name, _)| name.to_ascii_lowercase()).unwrap_or_default();
    tell::access(&scheme, &url, &options.access, &mut |name, value| {
        // What the user said comes first.
        if !private.iter().any(|(given, _)| given == name) {
            private.push((name.into(), value.into()));
        }
    });
    (url, InputOptions { private, ..InputOptions::default() })
}

/// An FFmpeg failure in our terms.
pub(crate) fn explain(url: &str, error: ffmpeg::Error) -> Error {
    let place = Redacted(url.strip_prefix("file:").unwrap_or(url));
    let what = format!("{place}: {}", Redacted(&error.to_string()));
    let status = error.status().unwrap_or(0);
    match error {
        ffmpeg::Error::NotFound { .. } => Error::NotFound { status, what },
        ffmpeg::Error::Unauthorized { .. } => Error::Unauthorized { status, what },
        ffmpeg::Error::Refused { .. } => Error::Refused { what },
        ffmpeg::Error::Unreachable { .. } | ffmpeg::Error::TimedOut { .. } => Error::Unreachable { what },
        ffmpeg::Error::Closed { .. } => Error::Ended { what: Some(what) },
        ffmpeg::Error::Server { status, .. } => Error::Server { status, what },
        ffmpeg::Error::InvalidData { call: ffmpeg::READ_CALL, .. } => Error::Ended { what: Some(what) },
        ffmpeg::Error::InvalidData { detail, .. } => {
            let detail = detail.map(|detail| Redacted(&detail).to_string()).unwrap_or_default();
            Error::NotVideo { what: format!("{place}: {}", tell::no_video(&detail)), page: false }
        }
        ffmpeg::Error::ProtocolNotFound { .. }
        | ffmpeg::Error::DemuxerNotFound { .. }
        | ffmpeg::Error::DeviceLibrary { .. }
        | ffmpeg::Error::DecoderNotFound { .. } => Error::Unsupported { what },
        ffmpeg::Error::Interrupted => Error::Ended { what: None },
        ffmpeg::Error::InUse { .. } => {
            let what = format!("{place}: the port is in use by another program");
            Error::Setting { what, hint: "stop what listens there, or choose another port".into() }
        }
        _ => Error::Broken { what },
    }
}
