//! `rtsp://`: an IP camera, each picture handed on at its RTP marker bit.
//!
//! H.264 and H.265, and JPEG over TCP, are ours (by the crate `retina`); libavformat's
//! demuxer gives a picture only when the next one begins, and takes up to a second to open.
//! Windows Media, told by its payload format or the name of its server, goes to a client of its
//! own. What `retina` lacks goes to libavformat all the same, within the same attempt: other codecs, JPEG
//! over UDP, redirects, what makes no sense to `retina`, and whenever options for
//! libavformat are given.

mod clock;
mod failure;
mod nal;
mod player;
mod tracks;

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use media::Codec;
use retina::client::{
    Credentials, Described, InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, Session, SessionGroup,
    SessionIdPolicy, SessionOptions, SetupOptions, UnknownRtcpSsrcPolicy,
};
use retina::codec::{FrameFormat, ParameterSetInsertion, aac, h26x};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{sleep, timeout};
use url::Url;

use crate::journal::{Note, shown};
use crate::location::Location;
use crate::scheme::{Connection, Request, Scheme, with_host};
use crate::{Error, Phase, Sink, Transport};

use self::player::Player;
use self::tracks::Plan;

/// The port of `rtsp`.
const PORT: u16 = 554;
const AGENT: &str = concat!("headwater/", env!("CARGO_PKG_VERSION"));
/// A server that has not answered for so long is asked whether it takes connections at
/// all, so that a time-out can say what it hung in.
const KNOCK: Duration = Duration::from_millis(500);
/// How long the end of our session may take before libavformat begins its own; many
/// cameras serve few at once.
const FAREWELL: Duration = Duration::from_secs(1);

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["rtsp", "rtspt", "rtspu"],
    example: "rtsp://user:password@host/stream",
    doc: "an IP camera; TCP unless told otherwise (rtspu: UDP); other codecs than H.264, H.265, JPEG through FFmpeg",
    port: Some(PORT),
    check: with_host,
    connect,
};

/// Annex B that a decoder can join at any keyframe; sound as in a file.
const FORMAT: FrameFormat = FrameFormat {
    h26x_framing: h26x::Framing::AnnexB,
    parameter_set_insertion: ParameterSetInsertion::EachKeyFrame,
    aac_framing: aac::Framing::Raw,
};

/// Why a session ended.
enum End {
    /// For good, as far as this attempt goes.
    Failed(Error),
    /// libavformat may do better, for this reason.
    Elsewhere(String),
    /// The server is one for Windows Media.
    WindowsMedia,
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        let request = by_name(request);
        let group = Arc::new(SessionGroup::default());
        let why = match run(&request, &sink, &group).await {
            Err(End::Failed(error)) => return error,
            Err(End::Elsewhere(why)) => Some(why),
            Err(End::WindowsMedia) => None,
        };
        let _ = timeout(FAREWELL, group.await_teardown()).await;
        match why {
            Some(why) => {
                tracing::info!(why, "opening through FFmpeg");
                sink.note(Note::Fact(format!("opened through FFmpeg instead: {why}")));
                crate::libav::connect(for_libav(request), sink).await
            }
            None => crate::mms::rtsp(request, sink).await,
        }
    })
}

/// `rtspt` and `rtspu` are `rtsp` with a transport.
fn by_name(mut request: Request) -> Request {
    let transport = match request.url.split_once("://") {
        Some((name, _)) if name.eq_ignore_ascii_case("rtspt") => Transport::Tcp,
        Some((name, _)) if name.eq_ignore_ascii_case("rtspu") => Transport::Udp,
        _ => return request,
    };
    Arc::make_mut(&mut request.options).transport = transport;
    request.url = format!("rtsp{}", &request.url[5..]).into();
    request
}

/// The same with a URL by the book, and TCP first but not only.
fn for_libav(mut request: Request) -> Request {
    if let Ok(location) = Location::parse(&request.url) {
        request.url = location.to_url().into();
    }
    let options = Arc::make_mut(&mut request.options);
    let is_given = options.libav.iter().any(|(name, _)| name.starts_with("rtsp_"));
    if options.transport == Transport::Auto && !is_given {
        let wanted = [("rtsp_transport", "tcp+udp"), ("rtsp_flags", "prefer_tcp")];
        options.libav.extend(wanted.map(|(name, value)| (name.into(), value.into())));
    }
    request
}

/// Runs one session.
async fn run(request: &Request, sink: &Sink, group: &Arc<SessionGroup>) -> Result<Infallible, End> {
    let location = Location::parse(&request.url)?;
    if !request.options.libav.is_empty() {
        return Err(End::Elsewhere("options for libavformat are given".into()));
    }
    let url = url_of(&location)?;
    let port = location.port.unwrap_or(PORT);
    sink.phase(Phase::Resolve);
    match lookup_host((&*location.host, port)).await {
        Err(error) => return Err(Error::from_io(&location.host, &error).into()),
        Ok(addresses) => sink.note(Note::Fact(shown(addresses))),
    }

    let described = describe(&location, url, sink, group).await;
    if let Err(End::Elsewhere(_)) = described
        && failure::is_windows_media(&location).await
    {
        return Err(End::WindowsMedia);
    }
    let mut session = described?;
    let plan = Plan::of(session.streams(), request.options.sound_alone)?;
    let transport = request.options.transport;
    let udp = set_up(&mut session, &location, &plan, transport).await?;
    sink.note(Note::Fact(format!("RTP comes by {}", if udp { "UDP" } else { "TCP" })));
    if udp && plan.codec == Codec::MJPEG {
        // `retina` puts a picture together from what is left of it, and does not tell.
        return Err(End::Elsewhere("of JPEG over UDP, whole pictures only".into()));
    }
    let options = PlayOptions::default()
        // Cameras tell wrong ones, and what was before the first packet is none of our business.
        .initial_seq(InitialSequenceNumberPolicy::Ignore)
        .initial_timestamp(InitialTimestampPolicy::Permissive)
        .unknown_rtcp_ssrc(UnknownRtcpSsrcPolicy::ProcessPackets);
    let session = session.play(options).await.map_err(|error| failure::of_request(&error, &location))?;
    sink.phase(Phase::FirstFrame);
    let session = session.demuxed().map_err(|error| failure::of_request(&error, &location))?;
    Player::new(&location, plan, session, sink).run(udp, request.options.open_timeout / 2).await
}

/// The URL without user and password.
fn url_of(location: &Location) -> Result<Url, End> {
    let bare = Location { user: None, password: None, ..location.clone() };
    if location.host.contains('%') {
        return Err(End::Elsewhere("the address has a zone".into()));
    }
    Url::parse(&bare.to_url()).map_err(|error| {
        let hint = "expected something like rtsp://host/path".into();
        End::Failed(Error::BadUrl { what: format!("{location}: {error}"), hint })
    })
}

async fn describe(
    location: &Location,
    url: Url,
    sink: &Sink,
    group: &Arc<SessionGroup>,
) -> Result<Session<Described>, End> {
    let credentials = location.user.clone().map(|username| {
        let password = location.password.clone().unwrap_or_default();
        Credentials { username, password }
    });
    let options = SessionOptions::default()
        .creds(credentials)
        .user_agent(AGENT.into())
        .session_id(SessionIdPolicy::UseFirst)
        .session_group(Arc::clone(group));
    sink.phase(Phase::Connect);
    let described = knocking(location, sink, Session::describe(url, options)).await;
    let session = match described {
        Ok(session) => session,
        Err(error) if failure::is_gibberish(&error) => return Err(failure::look_closer(location, &error).await),
        Err(error) => return Err(failure::of_request(&error, location)),
    };
    sink.phase(Phase::Handshake);
    let tool = session.tool().map(|tool| format!("server {tool:?}; ")).unwrap_or_default();
    let media = session.streams().iter().map(|stream| format!("{} {}", stream.media(), stream.encoding_name()));
    sink.note(Note::Fact(format!("{tool}it offers {}", media.collect::<Vec<_>>().join(", "))));
    Ok(session)
}

/// Waits for `answer`; finds out meanwhile whether the server takes connections.
async fn knocking<T>(location: &Location, sink: &Sink, answer: impl Future<Output = T>) -> T {
    let knock = async {
        sleep(KNOCK).await;
        if TcpStream::connect((&*location.host, location.port.unwrap_or(PORT))).await.is_ok() {
            sink.phase(Phase::Handshake);
        }
        std::future::pending::<T>().await
    };
    tokio::select! {
        answer = answer => answer,
        never = knock => never,
    }
}

/// Sets the tracks of `plan` up; returns whether they come by UDP.
async fn set_up(
    session: &mut Session<Described>,
    location: &Location,
    plan: &Plan,
    wish: Transport,
) -> Result<bool, End> {
    let mut udp = wish == Transport::Udp;
    let video = session.setup(plan.video, setup_options(udp)).await;
    let video = match video {
        Err(error) if error.status_code() == Some(461) && wish == Transport::Auto => {
            tracing::info!("no RTP over TCP here (461), taking UDP");
            udp = true;
            session.setup(plan.video, setup_options(udp)).await
        }
        done => done,
    };
    video.map_err(|error| failure::of_request(&error, location))?;
    if let Some(audio) = plan.audio
        && let Err(error) = session.setup(audio, setup_options(udp)).await
    {
        match error.status_code() {
            Some(status) => tracing::info!(status, "no sound: the server refuses its track"),
            None => return Err(failure::of_request(&error, location)),
        }
    }
    Ok(udp)
}

fn setup_options(udp: bool) -> SetupOptions {
    let transport = match udp {
        true => retina::client::Transport::Udp(Default::default()),
        false => retina::client::Transport::Tcp(Default::default()),
    };
    SetupOptions::default().transport(transport).frame_format(FORMAT)
}
