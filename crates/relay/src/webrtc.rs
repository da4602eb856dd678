//! WebRTC: encoders push to feeds by WHIP (RFC 9725), browsers watch sources by WHEP.
//!
//! An offer comes by HTTP (`answer`) and makes a session, which has a task of its own
//! (`publisher`, `viewer`). All sessions share the sockets of one port (`lines`); what comes
//! there is handed to the session that its sender belongs to (`table`). A session is a machine
//! without I/O ([`::webrtc::Session`]); `peer` moves it.
//!
//! Unless the user gave a port for it, the sockets are opened with the first session, at the
//! addresses of HTTP: nobody watching, nothing open.

mod answer;
mod claims;
mod lines;
mod peer;
mod publisher;
mod table;
mod viewer;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;

use ::webrtc::Identity;
use tokio::sync::{OnceCell, watch};

pub(crate) use ::webrtc::Role;
pub(crate) use answer::{Path, Watched, other, path, push, watch};

use self::claims::Claims;
use self::lines::Lines;
use self::table::Table;
use crate::server::{Place, Refusal, Shared, Site};

/// How long a peer may take from our answer to its first encrypted word.
const CONNECTING: Duration = Duration::from_secs(15);

/// How WebRTC is reached.
#[derive(Clone, Debug, Default)]
pub struct WebRtcConfig {
    /// There is none.
    pub off: bool,
    /// Where to listen, by UDP. Where nothing is said it is the addresses of HTTP, from the first
    /// session on.
    pub listen: Vec<SocketAddr>,
    /// Further addresses that peers may try, with the same port: those by which a router, or
    /// whatever runs the container, leads here.
    pub hosts: Vec<IpAddr>,
    /// Pages of other sites that may push and watch, as in `Origin`; `*` for all.
    pub origins: Vec<String>,
}

/// Everything of WebRTC of one server.
pub(crate) struct Exchange {
    config: WebRtcConfig,
    /// Where to listen, when the first session comes.
    places: Vec<SocketAddr>,
    open: OnceCell<Arc<Lines>>,
    identity: OnceCell<Identity>,
    table: Arc<Table>,
    claims: Arc<Claims>,
    site: Site,
    shared: Weak<Shared>,
    stopping: watch::Receiver<bool>,
}

impl Exchange {
    /// Listens, where the user said so. Needs a tokio runtime.
    ///
    /// # Errors
    /// The address that cannot be listened on, and why.
    pub(crate) fn new(
        config: &WebRtcConfig,
        http: &[SocketAddr],
        shared: &Arc<Shared>,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let (stopping, table) = (shared.stopping.subscribe(), Arc::new(Table::default()));
        let places = if config.listen.is_empty() { http.to_vec() } else { config.listen.clone() };
        let lines = match !config.off && !config.listen.is_empty() {
            true => Some(Arc::new(Lines::open(&places, &config.hosts, &table, &stopping)?)),
            false => None,
        };
        let (site, shared) = (shared.site.clone(), Arc::downgrade(shared));
        Ok(Self {
            config: config.clone(),
            places,
            open: OnceCell::new_with(lines),
            identity: OnceCell::new(),
            table,
            claims: Arc::default(),
            site,
            shared,
            stopping,
        })
    }

    /// Whether there is to be none.
    pub(crate) fn is_off(&self) -> bool {
        self.config.off
    }

    /// The addresses that peers are told, where sockets are open.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.open.get().map(|lines| lines.candidates().to_vec()).unwrap_or_default()
    }

    /// The sockets, which are opened if they are not.
    ///
    /// # Errors
    /// The address that cannot be listened on, and why.
    async fn lines(&self) -> Result<Arc<Lines>, (SocketAddr, io::Error)> {
        let open = async || {
            let lines = Lines::open(&self.places, &self.config.hosts, &self.table, &self.stopping)?;
            tracing::info!(addresses = ?lines.candidates(), "WebRTC is served by UDP");
            Ok(Arc::new(lines))
        };
        self.open.get_or_try_init(open).await.cloned()
    }

    /// Who we are to peers; made once.
    async fn identity(&self) -> Result<&Identity, ::webrtc::Error> {
        self.identity.get_or_try_init(async || Identity::new()).await
    }

    /// A place among the connections.
    ///
    /// # Errors
    /// What is said where there is none.
    fn place(&self) -> Result<Place, Refusal> {
        let shared = self.shared.upgrade().ok_or_else(Refusal::stopping)?;
        shared.steady_place().ok_or_else(|| shared.full())
    }
}
