//! What all sources of this process together may do to one host.
//!
//! A recorder with sixteen channels is one small computer: sixteen sources that knock at it in
//! the same instant after a power cut, each with the same wrong password, lock the account or
//! the box. So all sources of a host share a [`Host`]: attempts begin one after the other, few
//! are under way at a time, and what one of them learns (a refused login, no room for a second
//! session) holds for all.

mod knock;
mod ledger;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::time::sleep_until;

use crate::location::Location;
use crate::scheme::Scheme;
use crate::{Error, Phase, Status};

pub(crate) use self::knock::sign_of_life;
pub(crate) use self::ledger::{LOCKED, Login, Verdict};
use self::ledger::{Ledger, Turn};

/// How a host is treated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manners {
    /// Connections to it at a time, of all sources together; any number without. A source
    /// beyond them waits until another one has gone.
    pub connections: Option<usize>,
    /// Attempts at a time that have not got as far as its answer.
    pub opening: usize,
    /// The shortest time from the begin of one attempt to that of the next, and from one request for
    /// a single picture to the next.
    pub apart: Duration,
}

impl Default for Manners {
    fn default() -> Self {
        Self { connections: None, opening: 16, apart: Duration::from_millis(20) }
    }
}

/// The shortest time from the begin of one attempt to that of the next, whatever their hosts: of
/// five thousand cameras the last one is opened after ten seconds.
const APART: Duration = Duration::from_millis(2);
/// What stands for the ports of `mms` on this machine.
const MMS_PORT: u16 = 1755;
/// The end of a sentence about a refused login.
pub(crate) const NOT_AGAIN: &str =
    "and is not asked again, since cameras lock accounts: correct it and restart, or reload by SIGHUP";

/// The hosts of all sources there are. An entry goes with the last source of its host.
static HOSTS: LazyLock<Mutex<HashMap<String, Weak<Host>>>> = LazyLock::new(Mutex::default);
/// So that a login is told from another without being kept.
static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// One host, for all sources that are there.
pub(crate) struct Host {
    name: String,
    ledger: Mutex<Ledger>,
    /// When the next single picture may be asked for.
    next: Mutex<Option<Instant>>,
    /// A place has become free, or a login was judged.
    changed: Notify,
    /// A connection has ended that it had granted.
    gone: Notify,
    /// It has taken a connection after a time in which it took none.
    back: Notify,
    /// It was told in the log that it is asked less often than is wanted.
    told: AtomicBool,
    /// Held by the source that looks for a sign of life, so that not each of them does.
    knocking: tokio::sync::Mutex<()>,
}

impl Host {
    /// The host of `url`, if its scheme has one, and who asks there.
    pub(crate) fn of(url: &str, scheme: &Scheme) -> Option<(Arc<Self>, Login)> {
        // `mms` has a port for each of its ways, and one user and password for all.
        let is_mms = scheme.names == crate::mms::SCHEME.names;
        let usual = scheme.port.or(is_mms.then_some(MMS_PORT))?;
        let location = Location::parse(url).ok()?;
        let mut name = location.host.to_ascii_lowercase();
        if is_this_machine(&name) {
            // Behind another port is another server here, where it is the same camera elsewhere.
            name = format!("{name}:{}", location.port.unwrap_or(usual));
        }
        // Where nobody says who asks, no account is locked, and another path may be open to all.
        let path = location.user.is_none().then_some(&location.path_and_query);
        let login = KEYS.hash_one((&location.user, &location.password, path));
        let mut hosts = HOSTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(&name).and_then(Weak::upgrade) {
            return Some((host, login));
        }
        hosts.retain(|_, host| host.strong_count() > 0);
        let host = Arc::new(Self {
            name: name.clone(),
            ledger: Mutex::default(),
            next: Mutex::default(),
            changed: Notify::new(),
            gone: Notify::new(),
            back: Notify::new(),
            told: AtomicBool::new(false),
            knocking: tokio::sync::Mutex::default(),
        });
        hosts.insert(name, Arc::downgrade(&host));
        Some((host, login))
    }

    /// Waits until an attempt may begin; `told` hears why it may not yet. Cancel-safe.
    ///
    /// # Errors
    /// When this login must not be tried any more.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        login: Login,
        manners: &Manners,
        mut told: impl FnMut(String),
    ) -> Result<Place, Error> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            let turn = self.ledger().ask(Instant::now(), login, manners);
            match turn {
                Turn::Now => {
                    let place = Place { host: Arc::clone(self), login, opening: true };
                    sleep_until(place_in_the_crowd().into()).await;
                    return Ok(place);
                }
                Turn::Never => {
                    let what = format!("{} has refused this user and password before, {NOT_AGAIN}", self.name);
                    return Err(Error::Unauthorized { status: 0, what });
                }
                Turn::At(at) => tokio::select! {
                    () = sleep_until(at.into()) => {}
                    () = changed => {}
                },
                Turn::Later(why) => {
                    told(format!("waits its turn: {why} {}", self.name));
                    changed.await;
                }
            }
        }
    }

    /// Waits until a single picture may be asked for; those of all sources come one after the other.
    pub(crate) async fn turn(&self, manners: &Manners) {
        let at = place_in(&self.next, manners.apart);
        sleep_until(at.into()).await;
    }

    /// Says in words that single pictures are asked for every `every` where `wanted` is wanted; in the
    /// log once, for all sources.
    pub(crate) fn held_back(&self, every: Duration, wanted: Duration, manners: &Manners) -> String {
        let rate = 1.0 / manners.apart.as_secs_f64();
        let sentence = format!(
            "pictures are asked for every {} ms, where every {} ms is wanted: all sources of {} together may ask {rate:.0} times a second (--host-rate, in a configuration host_rate)",
            every.as_millis(),
            wanted.as_millis(),
            self.name
        );
        if !self.told.swap(true, Relaxed) {
            tracing::warn!("{sentence}");
        }
        sentence
    }

    /// Ends when one of its connections has ended that had been granted.
    pub(crate) async fn gone(&self) {
        self.gone.notified().await;
    }

    /// Ends when another source has found it to be back.
    pub(crate) async fn back(&self) {
        self.back.notified().await;
    }

    /// It takes connections again.
    pub(crate) fn is_back(&self) {
        self.back.notify_waiters();
    }

    /// Somebody wants it tried again with this login.
    pub(crate) fn forgive(&self, login: Login) {
        self.ledger().forgive(login);
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// When the next attempt of this process may begin, whatever its host.
fn place_in_the_crowd() -> Instant {
    static NEXT: Mutex<Option<Instant>> = Mutex::new(None);
    place_in(&NEXT, APART)
}

/// The next place of a row of which each is `apart` from the one before.
fn place_in(next: &Mutex<Option<Instant>>, apart: Duration) -> Instant {
    let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
    let at = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
    *next = Some(at + apart);
    at
}

/// A connection to a host, from the begin of the attempt to its end.
pub(crate) struct Place {
    host: Arc<Host>,
    login: Login,
    opening: bool,
}

impl Place {
    /// Makes room for the next attempt as soon as the host has answered this one; never ends.
    pub(crate) async fn answered(&mut self, mut status: watch::Receiver<Status>) {
        if status.wait_for(|status| status.reached >= Phase::FirstFrame).await.is_ok() {
            self.opening = false;
            self.host.ledger().answered(self.login);
            self.host.changed.notify_waiters();
        }
        std::future::pending().await
    }

    /// The attempt failed: what that means for the next one.
    pub(crate) fn judge(self, error: &Error) -> Verdict {
        // Before the place is free, so that nobody begins who should not.
        self.host.ledger().judge(self.login, error)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.host.ledger().leave(self.login, self.opening);
        self.host.changed.notify_waiters();
        if !self.opening {
            self.host.gone.notify_waiters();
        }
    }
}
