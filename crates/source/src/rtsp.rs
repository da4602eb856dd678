//! `rtsp://`: an IP camera, each picture handed on at its RTP marker bit.
//!
//! H.264 and H.265 are ours by the crate `retina`, JPEG by our gate; libavformat's
//! demuxer gives a picture only when the next one begins, and takes up to a second to open.
//! Windows Media, told by its payload format or the name of its server, goes to a client of its
//! own. What `retina` lacks goes to libavformat all the same, within the same attempt: other codecs,
//! what makes no sense to `retina`, and whenever options for libavformat are given.

mod clock;
mod failure;
mod gate;
mod intake;
mod jpeg;
mod player;
mod sounds;
mod tracks;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use media::Redacted;
use retina::client::{
    Described, InitialTimestampPolicy, PlayOptions, Session, SessionGroup, SessionIdPolicy, SessionOptions,
    SetupOptions, Transport::Tcp,
};
use retina::codec::{FrameFormat, aac};
use tokio::time::timeout;
use url::Url;

use crate::http::{Reach, Sender};
use crate::journal::Note;
use crate::location::Location;
use crate::scheme::{Connection, Request, Scheme, with_host};
use crate::{Error, Phase, Sink, Transport, libav, mms};

pub(crate) use self::gate::fuzzed;
use self::gate::{Carriage, Gate, Verdict};
use self::player::Player;
use self::tracks::{Plan, name_of};

/// The port of `rtsp`.
const PORT: u16 = 554;
/// The port of RTSP in HTTP.
const HTTP_PORT: u16 = 80;
const AGENT: &str = concat!("headwater/", env!("CARGO_PKG_VERSION"));
/// Redirects that are followed in a row.
const MOST_MOVES: usize = 5;
/// After so long without a datagram none will come: a firewall takes them.
const UDP_SILENCE: Duration = Duration::from_secs(3);
/// How long the end of our session may take before libavformat begins its own; many
/// cameras serve few at once.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["rtsp", "rtspt", "rtspu", "rtsph", "rtsp+http"],
    example: "rtsp://user:password@host/stream",
    doc: "an IP camera; TCP unless told otherwise (rtspu: UDP, rtsph: HTTP); other codecs than H.264, H.265, JPEG through FFmpeg",
    port: Some(PORT),
    captured: true,
    check: with_host,
    connect,
};

pub(crate) static SECURE: Scheme = Scheme {
    names: &["rtsps", "rtspsh", "rtsp+https"],
    example: "rtsps://user:password@host/stream",
    doc: "the same over TLS (rtspsh: in HTTP over TLS)",
    port: Some(322),
    captured: true,
    check: with_host,
    connect,
};

/// How parameters of a description are told: in Annex B, and of AAC as in a file.
const FORMAT: FrameFormat = FrameFormat { aac_framing: aac::Framing::Raw, ..FrameFormat::SIMPLE };

/// Why a session ended.
enum End {
    /// For good, as far as this attempt goes.
    Failed(Error),
    /// libavformat may do better, for this reason.
    Elsewhere(String),
    /// The server is one for Windows Media.
    WindowsMedia,
    /// The camera is somewhere else.
    Moved(Moved),
    /// RTP was to come in datagrams, and none came.
    NoDatagrams,
}

/// A redirect.
struct Moved {
    status: u16,
    to: String,
    /// How far away the one is who says so.
    reach: Reach,
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        let mut request = by_name(request);
        let mut carriage = match request.options.transport {
            Transport::Auto => Carriage::Tcp { or_udp: true },
            Transport::Tcp | Transport::Http => Carriage::Tcp { or_udp: false },
            Transport::Udp => Carriage::Udp,
        };
        let mut sent_by = None;
        let mut moves = 0;
        loop {
            let group = Arc::new(SessionGroup::default());
            let end = match Location::parse(&request.url) {
                Ok(location) => {
                    let Err(end) = run(&request, &location, carriage, sent_by.as_ref(), &sink, &group).await;
                    (end, location)
                }
                Err(error) => return error,
            };
            if let (End::Failed(error), _) = end {
                return error;
            }
            let _ = timeout(FAREWELL, group.await_teardown()).await;
            match end {
                (End::Failed(error), _) => return error,
                (End::WindowsMedia, _) => return mms::rtsp(request, sink).await,
                (End::Elsewhere(why), location) => {
                    tracing::info!(why, "opening through FFmpeg");
                    sink.note(Note::Fact(format!("opened through FFmpeg instead: {why}")));
                    return elsewhere(request, &location, carriage, sent_by.as_ref(), sink).await;
                }
                (End::NoDatagrams, _) => carriage = without_datagrams(&sink),
                (End::Moved(moved), location) => {
                    moves += 1;
                    let there = match follow(&location, &moved, moves) {
                        Ok(there) => there,
                        Err(error) => return error,
                    };
                    sink.note(Note::Fact(format!("redirected to {there}")));
                    request.url = there.to_url().into();
                    sent_by = Some(Sender { at: location, reach: moved.reach });
                }
            }
        }
    })
}

/// Where a redirect leads to.
fn follow(from: &Location, moved: &Moved, moves: usize) -> Result<Location, Error> {
    let Moved { status, to, .. } = moved;
    let refused = |what: String| Error::Server { status: *status, what };
    if moves > MOST_MOVES {
        return Err(refused(format!("{from} redirects for the {moves}th time; at most {MOST_MOVES} are followed")));
    }
    let Ok(there) = from.join(to) else {
        return Err(refused(format!("{from} redirects to {}, which is no RTSP", Redacted(to))));
    };
    if !matches!(there.scheme.as_str(), "rtsp" | "rtsps") {
        return Err(refused(format!(
            "{from} redirects to {there}, which is no RTSP; give that URL itself if it is right"
        )));
    }
    if from.scheme == "rtsps" && there.scheme == "rtsp" {
        return Err(refused(format!("{from} redirects to {there}, which is not encrypted; give that URL itself")));
    }
    Ok(there)
}

/// `rtspt`, `rtspu`, `rtsph` and their like are `rtsp` or `rtsps` with a transport.
fn by_name(mut request: Request) -> Request {
    let Some((name, rest)) = request.url.split_once("://") else { return request };
    let (name, transport) = match name.to_ascii_lowercase().as_str() {
        "rtspt" => ("rtsp", Transport::Tcp),
        "rtspu" => ("rtsp", Transport::Udp),
        "rtsph" | "rtsp+http" => ("rtsp", Transport::Http),
        "rtspsh" | "rtsp+https" => ("rtsps", Transport::Http),
        _ => return request,
    };
    request.url = format!("{name}://{rest}").into();
    Arc::make_mut(&mut request.options).transport = transport;
    request
}

/// Has libavformat open it without a gate.
async fn directly(location: &Location, request: Request, sink: Sink) -> Error {
    match sink.line().leaves_to(location) {
        Ok(()) => libav::connect(request, sink).await,
        Err(error) => error,
    }
}

/// Has libavformat open it, by a gate of ours.
async fn elsewhere(
    mut request: Request,
    location: &Location,
    mut carriage: Carriage,
    sent_by: Option<&Sender>,
    sink: Sink,
) -> Error {
    let is_given = request.options.libav.iter().any(|(name, _)| name.starts_with("rtsp_"));
    if is_given && location.scheme == "rtsp" {
        let in_http = (request.options.transport == Transport::Http).then_some(HTTP_PORT);
        request.url = Location { port: location.port.or(in_http), ..location.clone() }.to_url().into();
        return directly(location, request, sink).await;
    }
    loop {
        let gate = match Gate::open(location, &request.options, carriage, sent_by, &sink).await {
            Ok(gate) => gate,
            Err(error) => return error,
        };
        request.url = gate.url().into();
        // By the gate it comes over TCP, however it comes to the gate.
        Arc::make_mut(&mut request.options).transport = Transport::Tcp;
        gate.expect_anything();
        let error = tokio::select! {
            error = libav::connect_through(request.clone(), gate.protocol(), sink.clone()) => error,
            () = gate.hears_nothing(UDP_SILENCE) => {
                carriage = without_datagrams(&sink);
                // libavformat takes its leave.
                let _ = timeout(FAREWELL, gate.over()).await;
                continue;
            }
        };
        return match gate.verdict() {
            Some(Verdict::Failed(error)) => error,
            Some(Verdict::Lost(how)) => Error::Ended { what: Some(format!("{location}: {how}")) },
            _ => gate.translated(error),
        };
    }
}

/// How RTP is to come where nothing comes by UDP.
fn without_datagrams(sink: &Sink) -> Carriage {
    tracing::warn!("nothing comes over UDP; does a firewall take it? going on over TCP");
    sink.note(Note::Fact("nothing comes over UDP, going on over TCP".into()));
    Carriage::Tcp { or_udp: false }
}

/// Runs one session.
async fn run(
    request: &Request,
    location: &Location,
    carriage: Carriage,
    sent_by: Option<&Sender>,
    sink: &Sink,
    group: &Arc<SessionGroup>,
) -> Result<Infallible, End> {
    if !request.options.libav.is_empty() {
        return Err(End::Elsewhere("options for libavformat are given".into()));
    }
    let gate = Gate::open(location, &request.options, carriage, sent_by, sink).await?;
    let played = play(request, location, &gate, sink, group).await;
    // What the gate has seen is told better than what came of it.
    let Err(end) = played;
    let reach = gate.reach;
    Err(match gate.verdict() {
        Some(Verdict::Failed(error)) => End::Failed(error),
        Some(Verdict::Moved { status, to }) => End::Moved(Moved { status, to, reach }),
        Some(Verdict::Lost(how)) => match end {
            End::Failed(Error::Ended { .. }) => End::Failed(Error::Ended { what: Some(format!("{location}: {how}")) }),
            End::Failed(Error::Unreachable { .. }) => {
                End::Failed(Error::Unreachable { what: format!("{location}: {how}") })
            }
            end => end,
        },
        None => match end {
            End::Failed(error) => End::Failed(gate.translated(error)),
            end => end,
        },
    })
}

async fn play(
    request: &Request,
    location: &Location,
    gate: &Gate,
    sink: &Sink,
    group: &Arc<SessionGroup>,
) -> Result<Infallible, End> {
    let described = describe(location, gate, sink, group).await;
    if let Err(End::Elsewhere(_)) = described
        && location.scheme == "rtsp"
        && !gate.in_http
        && gate.verdict().is_none()
        && failure::is_windows_media(location, sink).await
    {
        return Err(End::WindowsMedia);
    }
    let mut session = described?;
    let mut plan = Plan::of(session.streams(), session.sdp(), request.options.sound_alone, &gate.renamed())?;
    for left in &plan.left {
        tracing::info!("left out: {left}");
        sink.note(Note::Fact(format!("left out: {left}")));
    }
    set_up(&mut session, location, &mut plan).await?;
    sink.note(Note::Fact(format!("RTP comes by {}", if gate.is_udp() { "UDP" } else { "TCP" })));
    // `Clocks` knows what to make of times that are missing.
    let options = PlayOptions::default().initial_timestamp(InitialTimestampPolicy::Ignore);
    plan.declared = plan.described(session.streams());
    let player = Player::new(location, plan, session.tool().map(|tool| tool.to_string()), sink, gate);
    let session = session.play(options).await.map_err(|error| failure::of_request(&error, location))?;
    player.run(session, request.options.open_timeout / 2).await
}

async fn describe(
    location: &Location,
    gate: &Gate,
    sink: &Sink,
    group: &Arc<SessionGroup>,
) -> Result<Session<Described>, End> {
    let url = Url::parse(&gate.url()).map_err(|error| {
        let hint = "expected something like rtsp://host/path".into();
        End::Failed(Error::BadUrl { what: format!("{location}: {error}"), hint })
    })?;
    let options = SessionOptions::default()
        .user_agent(AGENT.into())
        .session_id(SessionIdPolicy::UseFirst)
        .session_group(Arc::clone(group));
    let session = match Session::describe(url, options).await {
        Ok(session) => session,
        Err(error) => {
            // Whatever else went wrong, the connection was there.
            if !failure::is_no_connection(&error) {
                sink.phase(Phase::Handshake);
            }
            return Err(match failure::is_gibberish(&error) && !gate.in_http {
                true => failure::look_closer(location, &error, sink).await,
                false => failure::of_request(&error, location),
            });
        }
    };
    let tool = session.tool().map(|tool| format!("server {tool:?}; ")).unwrap_or_default();
    let renamed = gate.renamed();
    let media = session.streams().iter().map(|stream| format!("{} {}", stream.media(), name_of(stream, &renamed)));
    sink.note(Note::Fact(format!("{tool}it offers {}", media.collect::<Vec<_>>().join(", "))));
    Ok(session)
}

/// Sets the tracks of `plan` up, the pictures first.
async fn set_up(session: &mut Session<Described>, location: &Location, plan: &mut Plan) -> Result<(), End> {
    let options = || SetupOptions::default().transport(Tcp(Default::default())).frame_format(FORMAT);
    session.setup(plan.video, options()).await.map_err(|error| failure::of_request(&error, location))?;
    if let Some(audio) = plan.audio
        && let Err(error) = session.setup(audio, options()).await
    {
        match error.status_code() {
            Some(status) => {
                tracing::info!(status, "no sound: the server refuses its track");
                plan.without_sound();
            }
            None => return Err(failure::of_request(&error, location)),
        }
    }
    Ok(())
}
