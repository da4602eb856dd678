//! A camera that answers.

use std::time::Duration;

use ::onvif::device::{self, Information, Services};
use ::onvif::media::{self, Profile, Version};
use ::onvif::ptz::{self, Order, Preset, Status};
use tokio::time::timeout;

use super::address::{self, Settled};
use super::client::{Client, Failure, now};
use super::wish::Wish;
use super::{MARK, wish};
use crate::journal::Note;
use crate::location::Location;
use crate::{Access, Error, Options, Phase, Sink};

/// Where device services are, of URLs without a port: cameras of many makers, then those of
/// Reolink, others' second choice, Tapo, and the maker of many recorders without a name.
const PORTS: &[u16] = &[80, 8000, 8080, 2020, 8899];
/// How far a camera's clock may be off without a word.
const CLOCK_S: i64 = 5;
/// How long another host than the one that answered is knocked at.
const KNOCK: Duration = Duration::from_secs(1);

/// A camera that was reached, and what it told of itself.
pub struct Camera {
    client: Client,
    services: Services,
    information: Information,
    wish: Wish,
    /// With which version of the media service its profiles were found.
    version: Version,
}

/// What a URL of an ONVIF camera says.
///
/// # Errors
/// [`Error::BadUrl`] for others.
pub(super) fn location(url: &str) -> Result<Location, Error> {
    let location = Location::parse(url)?;
    if !super::SCHEME.names.contains(&&*location.scheme) {
        let hint = format!("cameras are moved by ONVIF, as in onvif://USER:PASSWORD@{}", location.host);
        return Err(Error::BadUrl { what: format!("{location} is no URL of an ONVIF camera"), hint });
    }
    Ok(location)
}

impl Camera {
    /// Reaches the camera at `url` (`onvif://user:password@host`) within
    /// [`Options::open_timeout`]. Needs a tokio runtime.
    ///
    /// # Errors
    /// As a source of this URL.
    pub async fn open(url: &str, options: &Options) -> Result<Self, Error> {
        let location = location(&options.access.applied_to(url)?)?;
        let sink = Sink::nowhere();
        let reached = timeout(options.open_timeout, Self::reach(location, options.access.clone(), &sink)).await;
        reached.unwrap_or(Err(Error::Timeout { phase: Phase::Handshake, after: options.open_timeout, tried: None }))
    }

    /// What it says of itself; empty where it does not.
    #[must_use]
    pub fn information(&self) -> &Information {
        &self.information
    }

    /// How far its clock is ahead of this machine's (negative: behind), in seconds, where it
    /// tells the time.
    #[must_use]
    pub fn clock_ahead_s(&self) -> Option<i64> {
        self.client.ahead
    }

    /// Its profiles, in its own order.
    ///
    /// # Errors
    /// Of the connection, of the login, and what the camera says.
    pub async fn profiles(&mut self) -> Result<Vec<Profile>, Error> {
        self.profiles_noted(&Sink::nowhere()).await
    }

    /// The URL of a profile's stream, without user and password.
    ///
    /// # Errors
    /// As [`Camera::profiles`]; for an address that is not opened.
    pub async fn stream(&mut self, profile: &Profile) -> Result<String, Error> {
        self.address(profile, false, &Sink::nowhere()).await.map(|there| there.to_string())
    }

    /// The URL of a profile's single pictures, without user and password.
    ///
    /// # Errors
    /// As [`Camera::stream`].
    pub async fn snapshot(&mut self, profile: &Profile) -> Result<String, Error> {
        self.address(profile, true, &Sink::nowhere()).await.map(|there| there.to_string())
    }

    /// Moves it.
    ///
    /// # Errors
    /// As [`Camera::profiles`]; [`Error::Unsupported`] for one that cannot be moved.
    pub async fn order(&mut self, order: &Order) -> Result<(), Error> {
        let (path, token) = self.moving().await?;
        let done = self.client.order(&path, &order.request(&token), &Sink::nowhere()).await;
        done.map_err(|failure| self.client.error(failure))
    }

    /// The places that it remembers.
    ///
    /// # Errors
    /// As [`Camera::order`].
    pub async fn presets(&mut self) -> Result<Vec<Preset>, Error> {
        let (path, token) = self.moving().await?;
        let presets = self.client.ask(&path, &ptz::presets(&token), ptz::read_presets, &Sink::nowhere()).await;
        presets.map_err(|failure| self.client.error(failure))
    }

    /// Where it looks.
    ///
    /// # Errors
    /// As [`Camera::order`].
    pub async fn place(&mut self) -> Result<Status, Error> {
        let (path, token) = self.moving().await?;
        let status = self.client.ask(&path, &ptz::status(&token), ptz::read_status, &Sink::nowhere()).await;
        status.map_err(|failure| self.client.error(failure))
    }

    /// The path of the service that moves it, and the token of the profile that is moved.
    async fn moving(&mut self) -> Result<(String, String), Error> {
        let path = self.services.ptz.as_deref().and_then(address::path_of);
        let path =
            path.ok_or_else(|| Error::Unsupported { what: format!("{} cannot be moved by ONVIF", self.name()) })?;
        let profiles = self.profiles().await?;
        let moved = profiles.iter().find(|profile| profile.ptz && self.wish.profile.is_none());
        let profile = moved.map_or_else(|| self.wish.choose(&profiles, &self.name()), Ok)?;
        Ok((path, profile.token.clone()))
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> String {
        let Information { manufacturer, model, .. } = &self.information;
        let name = format!("{manufacturer} {model}");
        let place = self.client.location();
        let place = format!("{}://{}", place.scheme, place.authority(0));
        match name.trim() {
            "" => place,
            name => format!("{name} ({place})"),
        }
    }

    /// Finds its device service, its time and its services.
    pub(super) async fn reach(location: Location, access: Access, sink: &Sink) -> Result<Self, Error> {
        let wish = Wish::of(&location)?;
        let mut client = found(&location, &access, sink).await?;
        let services = services(&mut client, sink).await.map_err(|failure| client.error(failure))?;
        let known = client.ask(device::PATH, device::INFORMATION, device::read_information, sink).await;
        let information = match known {
            Ok(information) => information,
            // It says so before the stream does, and only once.
            Err(failure @ Failure::Refused(_)) if client.user().is_some() => return Err(client.error(failure)),
            Err(_) => Information::default(),
        };
        let camera = Self { client, services, information, wish, version: Version::One };
        sink.note(Note::Fact(format!("{MARK}{}, {}", camera.name(), known_by(&camera.services))));
        Ok(camera)
    }

    pub(super) async fn profiles_noted(&mut self, sink: &Sink) -> Result<Vec<Profile>, Error> {
        let two = self.services.media2.as_deref().and_then(address::path_of);
        let one = self.services.media.as_deref().and_then(address::path_of);
        let mut failure = Failure::Nonsense("it names no media service".into());
        // The newer one knows of H.265; where it has nothing to say, the older one may.
        for (version, path) in [(Version::Two, two), (Version::One, one)] {
            let Some(path) = path else { continue };
            match self.client.ask(&path, &media::profiles(version), media::read_profiles, sink).await {
                Ok(profiles) if !profiles.is_empty() => {
                    self.version = version;
                    return Ok(profiles);
                }
                Ok(_) => failure = Failure::Nonsense("it has no profiles".into()),
                Err(refused @ Failure::Refused(_)) => return Err(self.client.error(refused)),
                Err(other) => failure = other,
            }
        }
        Err(self.client.error(failure))
    }

    /// Where the pictures of `profile` are, with user and password if it is the same host.
    pub(super) async fn address(&mut self, profile: &Profile, snapshot: bool, sink: &Sink) -> Result<Location, Error> {
        let two = self.services.media2.as_deref().filter(|_| self.version == Version::Two);
        let one = self.services.media.as_deref();
        let ways = [(Version::Two, two.and_then(address::path_of)), (Version::One, one.and_then(address::path_of))];
        let mut failure = Failure::Nonsense("it names no media service".into());
        for (version, path) in ways {
            let Some(path) = path else { continue };
            let question = match snapshot {
                true => media::snapshot_uri(version, &profile.token),
                false => media::stream_uri(version, &profile.token),
            };
            match self.client.ask(&path, &question, media::read_uri, sink).await {
                Ok(uri) => return self.settled(&uri, sink).await,
                Err(refused @ Failure::Refused(_)) => return Err(self.client.error(refused)),
                Err(other) => failure = other,
            }
        }
        Err(self.client.error(failure))
    }

    /// Makes of what the camera says an address that can be opened.
    async fn settled(&self, uri: &str, sink: &Sink) -> Result<Location, Error> {
        let here = self.client.location();
        let settled = address::settle(uri, here, self.client.is_remote())?;
        let replaced = |there: &Location| {
            let told =
                format!("it says {}, where nothing is to be had; {} answered, and is taken", there.host, here.host);
            sink.note(Note::Fact(format!("{MARK}{told}")));
            tracing::info!(said = %there.host, taken = %here.host, "the camera's own address cannot be right");
        };
        let mut there = match settled {
            Settled::Same(there) => there,
            Settled::Replaced(there) => {
                // What it said, for the note.
                if let Ok(said) = Location::parse(uri) {
                    replaced(&said);
                }
                there
            }
            Settled::Other(there) if answers(&there, sink).await => {
                // Passwords go to the host that they were given for, and to no other.
                let told = format!("the stream is on another host, {}, which gets no password", there.host);
                sink.note(Note::Fact(format!("{MARK}{told}")));
                return Ok(Location { user: None, password: None, ..there });
            }
            Settled::Other(there) => {
                replaced(&there);
                Location { host: here.host.clone(), ..there }
            }
        };
        (there.user, there.password) = (here.user.clone(), here.password.clone());
        Ok(there)
    }
}

/// Whether something takes connections there.
async fn answers(there: &Location, sink: &Sink) -> bool {
    let port = there.port.or_else(|| crate::scheme_of(&there.to_url())?.port).unwrap_or(554);
    let line = sink.line();
    let connected = async { line.connect(&there.host, line.resolve(&there.host, port).await?).await };
    timeout(KNOCK, connected).await.is_ok_and(|stream| stream.is_ok())
}

fn known_by(services: &Services) -> String {
    let named = [("media", &services.media), ("media 2", &services.media2), ("PTZ", &services.ptz)];
    let known: Vec<_> = named.iter().filter(|(_, address)| address.is_some()).map(|(name, _)| *name).collect();
    if known.is_empty() { "no services".into() } else { format!("with {}", known.join(", ")) }
}

/// Looks for the device service, and asks it for the time.
async fn found(location: &Location, access: &Access, sink: &Sink) -> Result<Client, Error> {
    let secure = location.scheme == "onvifs";
    let scheme = if secure { "https" } else { "http" };
    let ports: Vec<u16> = match (location.port, secure) {
        (Some(port), _) => vec![port],
        (None, true) => vec![443],
        (None, false) => PORTS.to_vec(),
    };
    let mut errors = Vec::with_capacity(ports.len());
    for port in &ports {
        let here =
            Location { scheme: scheme.into(), port: Some(*port), path_and_query: String::new(), ..location.clone() };
        let mut client = Client::new(here, access.clone());
        let time = device::SYSTEM_DATE_AND_TIME;
        let asked = client.ask_anonymously(device::PATH, time, device::read_system_date_and_time, sink).await;
        let failure = match asked {
            Ok(time) => {
                client.ahead = time.map(|time| time.0.saturating_sub(now()));
                note_clock(&client, sink);
                return Ok(client);
            }
            // It is one, and does not tell its time to strangers.
            Err(Failure::Refused(_) | Failure::Fault(_)) => {
                sink.note(Note::Fact(format!("{MARK}it does not tell its time; ours is taken for the login")));
                return Ok(client);
            }
            Err(failure) => failure,
        };
        let error = match failure {
            Failure::Nonsense(why) if ports.len() == 1 => {
                let what = format!("{}: no ONVIF service on port {port}; {why}", location.host);
                return Err(Error::Broken { what });
            }
            Failure::Nonsense(what) => Error::Broken { what },
            failure => client.error(failure),
        };
        if ports.len() > 1 {
            sink.note(Note::Fact(format!("{MARK}nothing on port {port}: {}", error.what())));
        }
        if matches!(error, Error::Timeout { .. } | Error::Tls { .. }) {
            return Err(error);
        }
        errors.push((*port, error));
    }
    Err(nowhere(&location.host, errors))
}

/// Why none of the ports of `host` has the service; each with what came of it.
fn nowhere(host: &str, mut errors: Vec<(u16, Error)>) -> Error {
    if let [_] = errors[..] {
        return errors.remove(0).1;
    }
    let is_refused = |error: &Error| matches!(error, Error::Refused { .. });
    let ports: Vec<_> = errors.iter().map(|(port, _)| port.to_string()).collect();
    let what = format!("{host}: no ONVIF service on the ports {}", ports.join(", "));
    // A port where somebody answered tells more than those where nobody does.
    match errors.iter().find(|(_, error)| !is_refused(error)).or(errors.first()) {
        Some((port, error)) => {
            let what = format!("{what}; on {port}: {}", error.what());
            match error {
                Error::Refused { .. } => Error::Refused { what },
                Error::Unreachable { .. } => Error::Unreachable { what },
                _ => Error::Broken { what },
            }
        }
        None => Error::Broken { what },
    }
}

fn note_clock(client: &Client, sink: &Sink) {
    let Some(ahead) = client.ahead else {
        sink.note(Note::Fact(format!("{MARK}its clock tells no time that makes sense")));
        return;
    };
    let ahead = ahead.saturating_add(sink.line().age_s().round() as i64);
    sink.note(Note::Clock { ahead_s: ahead });
    if ahead.abs() > CLOCK_S {
        tracing::warn!(ahead_s = ahead, "the camera's clock is wrong; logins are made by it");
    }
}

/// Asks for the services in the newer way, then in the older one.
async fn services(client: &mut Client, sink: &Sink) -> Result<Services, Failure> {
    match client.ask(device::PATH, device::SERVICES, device::read_services, sink).await {
        Ok(services) if services.media.is_some() || services.media2.is_some() => return Ok(services),
        Err(failure @ (Failure::Refused(_) | Failure::Lost(_))) => return Err(failure),
        Ok(_) | Err(_) => {}
    }
    client.ask(device::PATH, device::CAPABILITIES, device::read_capabilities, sink).await
}

/// What a user may call the profiles by.
#[must_use]
pub fn told(profile: &Profile) -> String {
    wish::told(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_without_the_service_is_told_by_the_port_that_tells_most() {
        let what = |text: &str| text.to_owned();
        let refused = || Error::Refused { what: what("cam:80: connection refused") };
        let page = || Error::Broken { what: what("http://cam:8000: no envelope (status 200)") };
        let said = "cam: no ONVIF service on the ports 80, 8000; on";
        for (errors, expected) in [
            (
                vec![(80, refused()), (8000, refused())],
                Error::Refused { what: format!("{said} 80: cam:80: connection refused") },
            ),
            (
                vec![(80, refused()), (8000, page())],
                Error::Broken { what: format!("{said} 8000: http://cam:8000: no envelope (status 200)") },
            ),
            (vec![(80, refused())], refused()),
            (vec![(80, page())], page()),
        ] {
            assert_eq!(nowhere("cam", errors), expected);
        }
    }
}
