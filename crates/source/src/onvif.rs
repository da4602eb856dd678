//! `onvif://user:password@host`: the camera itself says where its stream is.
//!
//! Asked are its time, its services, its profiles, and the address of one of them; what it
//! answers is opened as if it had been given, by RTSP, or by HTTP for a snapshot. What is found
//! out on the way stands in the journal of the attempt, so a doctor shows it step by step. The
//! same client moves the camera (`headwater ptz`) and tells a search what was found.

mod address;
mod camera;
mod client;
mod moves;
mod wish;

pub use ::onvif::device::Information;
pub use ::onvif::media::Profile;
pub use ::onvif::ptz::{Order, Preset, Status as Place, Vector};

pub use camera::{Camera, told};
pub use moves::Direction;

use self::wish::Wish;
use crate::journal::Note;
use crate::location::Location;
use crate::scheme::{Connection, Request, Scheme, scheme_of};
use crate::{Error, Sink};

/// With what the notes of a journal begin that are of ONVIF.
pub(crate) const MARK: &str = "ONVIF: ";

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["onvif", "onvifs"],
    example: "onvif://user:password@host",
    doc: "an IP camera that says itself where its stream is; ?profile=, ?stream=sub, ?snapshot",
    port: Some(80),
    captured: true,
    check: |url| Wish::of(&Location::parse(url)?).map(|_| ()),
    connect,
};

/// Where a camera is asked by ONVIF whose pictures come by another protocol. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// The URL, with its password.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Address {
    type Err = Error;

    /// # Errors
    /// [`Error::BadUrl`] for what is no URL of an ONVIF camera.
    fn from_str(url: &str) -> Result<Self, Error> {
        camera::location(url).map(|_| Self(url.to_owned()))
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Address").field(&media::Redacted(&self.0).to_string()).finish()
    }
}

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        let url = match find(&request, &sink).await {
            Ok(url) => url,
            Err(error) => return error,
        };
        match scheme_of(&url) {
            Some(scheme) => (scheme.connect)(Request { url: url.into(), ..request }, sink).await,
            None => Error::Unsupported { what: "the camera names no stream that can be opened".into() },
        }
    })
}

/// The URL that the camera tells, with user and password in it.
async fn find(request: &Request, sink: &Sink) -> Result<String, Error> {
    let location = Location::parse(&request.url)?;
    let wish = Wish::of(&location)?;
    let mut camera = Camera::reach(location, request.options.access.clone(), sink).await?;
    let profiles = camera.profiles_noted(sink).await?;
    let profile = wish.choose(&profiles, &camera.name())?;
    sink.note(Note::Fact(format!("{MARK}of {} profiles {}", profiles.len(), wish::told(profile))));
    let there = camera.address(profile, wish.snapshot, sink).await?;
    sink.note(Note::Fact(format!("{MARK}{} at {there}", if wish.snapshot { "snapshots" } else { "its stream is" })));
    Ok(there.to_url())
}
