//! The addresses of names in rules, looked up where waiting harms nobody, and remembered.
//!
//! A name server may take its time, and the system's call for it cannot be hurried: it has a
//! thread of the pool for blocking work and a deadline here. Whoever needs an answer at once
//! is given what is known ([`known`]).

use std::collections::HashMap;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::config::{Acl, Config, Who};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

/// How long all names together may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long an answer is remembered, and how long that there was none.
const KEPT: (Duration, Duration) = (Duration::from_secs(300), Duration::from_secs(5));
/// Most names that are remembered; configurations with more are looked up anew each time.
const MOST: usize = 4096;

/// When a name was looked up, and its addresses.
type Known = HashMap<String, (Instant, Vec<IpAddr>)>;

static KNOWN: Mutex<Option<Known>> = Mutex::new(None);

fn with<T>(look: impl FnOnce(&mut Known) -> T) -> T {
    look(KNOWN.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// The addresses of `name`, none where it has none; nothing where it has to be looked up.
pub(super) fn known(name: &str) -> Option<Vec<IpAddr>> {
    with(|known| {
        let (at, addresses) = known.get(name)?;
        let kept = if addresses.is_empty() { KEPT.1 } else { KEPT.0 };
        (at.elapsed() < kept).then(|| addresses.clone())
    })
}

/// Looks `names` up that are not known, side by side. Those that take too long have no address
/// until they are asked for again.
pub(super) async fn look_up(names: Vec<String>) {
    let mut asked = JoinSet::new();
    for name in names.iter().filter(|name| known(name).is_none()).cloned() {
        asked.spawn(spawn_blocking(move || {
            let found = (name.as_str(), 0).to_socket_addrs();
            let found = found.map(|found| found.map(|address| address.ip()).collect()).unwrap_or_default();
            remember(name, found);
        }));
    }
    let all = async { while asked.join_next().await.is_some() {} };
    if timeout(DEADLINE, all).await.is_err() {
        let late: Vec<_> = names.into_iter().filter(|name| known(name).is_none()).collect();
        tracing::warn!("no name server answers within {DEADLINE:?} for {}", late.join(", "));
        late.into_iter().for_each(|name| remember(name, Vec::new()));
    }
}

/// Begins to look `names` up, for whoever asks later.
pub(super) fn begin(names: Vec<String>) {
    if let Ok(runtime) = Handle::try_current() {
        runtime.spawn(look_up(names));
    }
}

fn remember(name: String, addresses: Vec<IpAddr>) {
    with(|known| {
        if known.len() >= MOST && !known.contains_key(&name) {
            known.clear();
        }
        known.insert(name, (Instant::now(), addresses));
    });
}

/// The names in rules.
pub(super) fn names(acl: &Acl) -> impl Iterator<Item = String> {
    acl.rules.iter().filter_map(|rule| match &rule.who {
        Who::Name(name, _) => Some(name.clone()),
        Who::Range(..) => None,
    })
}

/// Looks up everything that `config` and its files of rules name.
pub(crate) async fn prepare(config: &Config) {
    let of_file = |path: &Path| super::access::rules(path).ok().map(|acl| names(&acl).collect::<Vec<_>>());
    let files = config.streams.iter().filter_map(|stream| stream.dynamic_acl.as_deref()).filter_map(of_file).flatten();
    let feeds = config.feeds.iter().flat_map(|feed| names(&feed.acl));
    let streams = config.streams.iter().flat_map(|stream| names(&stream.acl));
    let mut all: Vec<String> = files.chain(feeds).chain(streams).collect();
    all.sort_unstable();
    all.dedup();
    look_up(all).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_are_looked_up_once_and_those_without_an_address_have_none() {
        assert_eq!(known("localhost"), None);
        look_up(vec!["localhost".into(), "no such host.invalid".into()]).await;
        assert!(known("localhost").unwrap().iter().any(IpAddr::is_loopback));
        assert_eq!(known("no such host.invalid"), Some(Vec::new()));
    }
}
