//! Who is there? Cameras of the network, webcams of this machine, and what other relays have.
//!
//! Everything is asked at once and for the same time: WS-Discovery from every interface, mDNS,
//! the webcams of the system; or, where hosts are named, those alone. What answers by ONVIF is
//! then asked for its make and its profiles, as [`crate::onvif`] does it. Nothing that is found
//! is opened; webcams are asked what they can do.

mod lists;
mod mdns;
mod webcams;
mod wsd;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::location::Location;
use crate::onvif::{Camera, told};
use crate::{Error, Options};

/// Most devices of a search; further ones are left out, and that is told.
pub const MOST: usize = 1024;
/// Cameras that are asked for their profiles at a time.
const AT_ONCE: usize = 16;
/// Profiles of a camera whose address is asked for.
const MOST_PROFILES: usize = 16;

/// What to look for, and how long.
#[derive(Clone, Debug)]
pub struct Search {
    /// How long answers are waited for, and then how long each camera may take to tell its
    /// profiles.
    pub timeout: Duration,
    /// Hosts that are asked alone, in place of the whole network: `10.0.0.7`, `10.0.0.7:3702` by
    /// WS-Discovery, `http://host:1984` for the lists of go2rtc and MediaMTX.
    pub hosts: Vec<String>,
    /// The interface to ask from, by name, in place of all.
    pub interface: Option<String>,
    /// As whom cameras are asked; only [`Options::access`] is used.
    pub options: Options,
}

/// How something was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum How {
    /// By WS-Discovery.
    Onvif,
    /// By mDNS.
    Mdns,
    /// A device of this machine.
    Webcam,
    /// In the list of a go2rtc.
    Go2rtc,
    /// In the list of a MediaMTX.
    MediaMtx,
}

impl How {
    /// A word for tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Onvif => "ONVIF",
            Self::Mdns => "mDNS",
            Self::Webcam => "webcam",
            Self::Go2rtc => "go2rtc",
            Self::MediaMtx => "MediaMTX",
        }
    }
}

/// Something that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// How.
    pub how: How,
    /// What opens it, without user and password.
    pub url: String,
    /// What it is: maker and model, as far as it tells.
    pub what: String,
    /// What it is called by who set it up; empty where it is not.
    pub name: String,
    /// Its streams, of a camera that told them: what each is, and its URL.
    pub streams: Vec<(String, String)>,
    /// The controls of a webcam, as in `brightness=0 (-64 to 64)`.
    pub controls: Vec<String>,
    /// Why there is no more to tell.
    pub trouble: Option<String>,
}

/// Somebody who was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// By what, and where.
    pub what: String,
    /// How many answered, or why none could.
    pub answers: Result<usize, String>,
}

/// What came of a search.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was found, by how and where.
    pub found: Vec<Found>,
    /// Who was asked.
    pub asked: Vec<Asked>,
    /// There was more than [`MOST`].
    pub cut: bool,
}

/// Looks for cameras. Needs a tokio runtime.
pub async fn search(search: &Search) -> Outcome {
    let mut outcome = Outcome::default();
    let mut cameras = Vec::new();
    if search.hosts.is_empty() {
        let (wsd, mdns) = tokio::join!(wsd::everywhere(search), mdns::browse(search));
        outcome.asked.extend(wsd.1);
        cameras.extend(wsd.0);
        add(&mut outcome, mdns);
        add(&mut outcome, webcams::list().await);
    }
    for (is_list, (found, asked)) in of_hosts(search).await {
        match is_list {
            true => outcome.found.extend(found),
            false => cameras.extend(found),
        }
        outcome.asked.push(asked);
    }
    outcome.cut |= cameras.len() > MOST;
    cameras.truncate(MOST);
    let mut known = HashSet::new();
    cameras.retain(|camera| known.insert(camera.url.clone()));
    outcome.found.extend(looked_into(cameras, search).await);
    outcome.found.sort_by(|one, other| (one.how, &one.url).cmp(&(other.how, &other.url)));
    outcome.found.dedup_by(|one, other| one.url == other.url);
    outcome.cut |= outcome.found.len() > MOST;
    outcome.found.truncate(MOST);
    outcome
}

/// What each host that is named has, all asked at once; and whether that is a list.
async fn of_hosts(search: &Search) -> Vec<(bool, (Vec<Found>, Asked))> {
    let mut tasks = JoinSet::new();
    for (place, host) in search.hosts.iter().cloned().enumerate() {
        let search = search.clone();
        tasks.spawn(async move {
            let is_list = host.contains("://");
            let answer = match is_list {
                true => lists::ask(&host, &search).await,
                false => wsd::at(&host, search.timeout).await,
            };
            (place, is_list, answer)
        });
    }
    let mut all = Vec::new();
    while let Some(answer) = tasks.join_next().await {
        all.extend(answer.ok());
    }
    // As they were named.
    all.sort_by_key(|(place, ..)| *place);
    all.into_iter().map(|(_, is_list, answer)| (is_list, answer)).collect()
}

fn add(outcome: &mut Outcome, (found, asked): (Vec<Found>, Asked)) {
    outcome.found.extend(found);
    outcome.asked.push(asked);
}

/// Asks each camera for its make and its streams.
async fn looked_into(cameras: Vec<Found>, search: &Search) -> Vec<Found> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    for camera in cameras {
        let (places, search) = (Arc::clone(&places), search.clone());
        tasks.spawn(async move {
            let _place = places.acquire_owned().await;
            look_into(camera, &search).await
        });
    }
    let mut all = Vec::new();
    while let Some(camera) = tasks.join_next().await {
        all.extend(camera.ok());
    }
    all
}

async fn look_into(mut found: Found, search: &Search) -> Found {
    let options = Options { open_timeout: search.timeout, ..search.options.clone() };
    let look = async {
        let mut camera = Camera::open(&found.url, &options).await?;
        let information = camera.information();
        let what = format!("{} {}", information.manufacturer, information.model);
        let mut streams = Vec::new();
        for profile in camera.profiles().await?.iter().take(MOST_PROFILES) {
            streams.push((told(profile), camera.stream(profile).await?));
        }
        Ok::<_, Error>((what, streams, camera.clock_ahead_s()))
    };
    match timeout(search.timeout, look).await {
        Ok(Ok((what, streams, ahead))) => {
            if !what.trim().is_empty() {
                found.what = what.trim().to_owned();
            }
            found.streams = streams;
            found.trouble = ahead.filter(|ahead| ahead.abs() > 5).map(|ahead| format!("its clock is {ahead:+} s off"));
        }
        Ok(Err(error @ Error::Unauthorized { .. })) => {
            let given = search.options.access.user.is_some();
            let advice = if given { "the login is refused" } else { "it wants a login: --user and --password" };
            tracing::debug!(%error, "no profiles");
            found.trouble = Some(advice.into());
        }
        Ok(Err(error)) => found.trouble = Some(error.what()),
        Err(_) => found.trouble = Some("it does not tell its streams in time".into()),
    }
    found
}

/// A URL with this host, which may be an IPv6 address, and this port if it is not `usual`.
fn url(scheme: &str, host: &str, port: Option<u16>, usual: u16, path_and_query: &str) -> String {
    let location = Location {
        scheme: scheme.into(),
        user: None,
        password: None,
        host: host.into(),
        port: port.filter(|port| *port != usual),
        path_and_query: path_and_query.into(),
    };
    location.to_url()
}

/// For the fuzzer: all that can be found in what somebody sends, as each of its kinds.
pub(crate) fn read_all(bytes: &[u8], from: std::net::SocketAddr) -> Vec<Found> {
    let mut found = lists::read_all(bytes);
    found.extend(::onvif::discovery::read_matches(bytes).unwrap_or_default().iter().map(|m| wsd::of_match(m, from)));
    found.extend(mdns::read_all(&String::from_utf8_lossy(bytes), from.ip()));
    found
}

/// A text of a stranger, in one line that is not too long.
fn line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(128).collect::<String>().trim().to_owned()
}
