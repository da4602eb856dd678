//! What a source's URLs give: a row per extension.

pub(crate) mod asf;
pub(crate) mod container;
mod fan;
pub(crate) mod fate;
mod mjpeg;
pub(crate) mod packer;
pub(crate) mod past;
pub(crate) mod player;
pub(crate) mod query;
mod sdp;
mod snapshot;
mod tags;
pub(crate) mod tape;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method};
use axum::response::Response;
use media::Encoding;
use source::{Error, State, Supervisor};
use tokio::sync::watch;

pub(crate) use fan::Fans;
pub(crate) use query::check as read_query;
pub(crate) use snapshot::Desks;
pub(crate) use tags::Tags;
pub(crate) use tape::Tapes;

use crate::Relay;
use crate::paths::Visit;
use crate::server::{Refusal, Takeover};
use crate::session::{Counts, Entered, Session};

use self::fate::{Jpeg, Place};
use self::query::Wishes;

/// A request for a source in some format.
pub(crate) struct Ask {
    pub(crate) relay: Arc<Relay>,
    pub(crate) source: Supervisor,
    pub(crate) method: Method,
    /// The raw query, empty when there is none.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) takeover: Takeover,
    /// Turns true when the server stops.
    pub(crate) stopping: watch::Receiver<bool>,
    /// The client speaks HTTP/1.0.
    pub(crate) old: bool,
    /// What a configuration says of pictures and sound; the query has no say then.
    pub(crate) fixed: Option<Encoding>,
    /// What is said of it in a container.
    pub(crate) tags: Tags,
    /// It is answered at once, and waits for as long as there is nothing to see.
    pub(crate) is_patient: bool,
    /// The request, where a configuration is served.
    pub(crate) visit: Option<Arc<Visit>>,
}

impl Ask {
    /// What the client calls itself, cut to a length fit for a table.
    pub(crate) fn agent(&self) -> String {
        let agent = self.headers.get(axum::http::header::USER_AGENT).and_then(|value| value.to_str().ok());
        agent.unwrap_or("").chars().take(80).collect()
    }

    /// What is asked for, of a format that takes `known` parameters.
    ///
    /// # Errors
    /// When a parameter is unknown or wrong.
    fn wishes(&self, known: query::Known) -> Result<Wishes, Refusal> {
        match self.fixed {
            Some(encoding) => Ok(Wishes { encoding, ..Wishes::default() }),
            None => Wishes::read(&self.query, known),
        }
    }

    /// The JPEG pictures asked for, of a format that takes `known` parameters.
    ///
    /// # Errors
    /// When a parameter is unknown or wrong.
    fn jpegs(&self, known: query::Known) -> Result<(Wishes, Jpeg), Refusal> {
        let wishes = self.wishes(known)?;
        let jpeg = Jpeg::of(&wishes.encoding)?;
        Ok((wishes, jpeg))
    }

    /// Enters a session of this client, who reads `variant` in `format`.
    fn enter(&self, format: &'static str, variant: String, max_age: Option<Duration>) -> Entered {
        self.relay.sessions.enter(|id| Session {
            id,
            peer: self.takeover.peer(),
            source: self.visit.as_ref().map_or(self.source.name(), |visit| visit.name()).into(),
            format,
            variant,
            agent: self.agent(),
            since: Instant::now(),
            max_age,
            counts: Counts::default(),
            visit: self.visit.clone(),
        })
    }
}

type Answer = std::pin::Pin<Box<dyn Future<Output = Result<Response, Refusal>> + Send>>;

/// What goes out in a format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Carries {
    /// JPEG pictures.
    Jpegs,
    /// Tracks.
    Tracks(Place),
    /// Neither, but a word about it.
    Words,
}

/// An output format.
pub(crate) struct Format {
    /// The extension of its URLs.
    pub(crate) extension: &'static str,
    /// As ffserver said it.
    pub(crate) content_type: &'static str,
    /// What goes out.
    pub(crate) carries: Carries,
    /// What it is, for the list of formats in an answer.
    pub(crate) doc: &'static str,
    /// It answers methods besides GET and HEAD.
    pub(crate) other_methods: bool,
    /// Serves one request.
    pub(crate) serve: fn(Ask, &'static Self) -> Answer,
}

/// All of them.
pub(crate) static FORMATS: &[Format] = &[
    mjpeg::FORMAT,
    mjpeg::FORMAT_BARE,
    snapshot::FORMAT,
    snapshot::FORMAT_JPEG,
    asf::FORMAT,
    asf::FORMAT_ASX,
    sdp::FORMAT,
    container::TS,
    container::MP4,
    container::MKV,
    container::WEBM,
    container::FLV,
    container::OGG,
    container::AVI,
    container::MPG,
    container::NUT,
    container::MP3,
    container::MP2,
    container::AAC,
    container::WAV,
    container::AU,
    container::GIF,
    container::SWF,
    container::RM,
];

/// Those that only a configuration knows.
pub(crate) static OTHERS: &[Format] = &[mjpeg::FORMAT_SINGLE];

/// Waits until an attempt to open the source has failed.
pub(crate) async fn failed(status: &mut watch::Receiver<source::Status>) -> Error {
    let is_down = |status: &source::Status| matches!(status.state, State::Waiting(_) | State::Unfed | State::Ended);
    let down = status.wait_for(is_down).await;
    down.ok().and_then(|status| status.error.clone()).unwrap_or(Error::Ended { what: None })
}
