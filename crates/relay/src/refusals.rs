//! One line in the log for who wanted to send to a feed and may not, with the reason.
//!
//! Encoders try again, every second or faster, so one address has a line every [`APART`] with the
//! number of those in between, and [`OTHERS`] more where feed or reason are others. An address is a /64 where it is of IPv6, since who has one has all.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::server::network;
use crate::shelf::lock;

/// Time between two lines of one address.
const APART: Duration = Duration::from_secs(10);
/// Lines of one address in between, for other feeds and other reasons.
const OTHERS: usize = 4;
/// Most addresses that are remembered. While so many have a line behind them, the others share one.
const MOST: usize = 256;
/// Most characters of what a sender says of itself.
const MOST_SAID: usize = 120;

/// Who was refused lately.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<IpAddr, Told>>);

struct Told {
    /// When there may be a line again.
    next: Instant,
    /// Refused since the last one.
    untold: u64,
    /// What the lines since then have said.
    said: Vec<u64>,
}

impl Refusals {
    /// Tells that who comes from `peer` by `protocol` may not send to `feed`, as it calls it, and `why`.
    pub(crate) fn tell(&self, protocol: &str, peer: SocketAddr, feed: Option<&str>, why: &str) {
        let what = BuildHasherDefault::<DefaultHasher>::default().hash_one((protocol, feed, why));
        let Some(times) = self.count(peer.ip(), what, Instant::now()) else { return };
        let feed: String = feed.unwrap_or_default().chars().take(MOST_SAID).collect();
        let why: String = why.chars().take(4 * MOST_SAID).collect();
        match times {
            1 => tracing::warn!(%peer, feed, "{protocol} sender refused: {why}"),
            _ => tracing::warn!(%peer, feed, times, "{protocol} sender refused: {why}"),
        }
    }

    /// Counts one; how many there were since the last line if it is time for one.
    fn count(&self, address: IpAddr, what: u64, now: Instant) -> Option<u64> {
        let mut all = lock(&self.0);
        let mut address = network(address);
        if all.len() >= MOST && !all.contains_key(&address) {
            all.retain(|_, told| now < told.next);
            if all.len() >= MOST {
                address = Ipv6Addr::UNSPECIFIED.into();
            }
        }
        let told = all.entry(address).or_insert(Told { next: now, untold: 0, said: Vec::new() });
        told.untold += 1;
        if now < told.next {
            if told.said.len() > OTHERS || told.said.contains(&what) {
                return None;
            }
        } else {
            told.next = now + APART;
            told.said.clear();
        }
        told.said.push(what);
        Some(std::mem::take(&mut told.untold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_line_now_and_then_with_what_was_left_out() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        let tell = |address: &str, s| refusals.count(address.parse().unwrap(), 7, began + Duration::from_secs(s));
        let told: Vec<_> = (0..=25).map(|s| tell("192.0.2.1", s)).collect();
        let told: Vec<_> = told.into_iter().enumerate().filter_map(|(s, times)| Some((s, times?))).collect();
        assert_eq!(told, [(0, 1), (10, 10), (20, 10)]);
        assert_eq!((tell("192.0.2.2", 25), tell("::ffff:192.0.2.2", 25)), (Some(1), None));
        assert_eq!((tell("2001:db8::1", 25), tell("2001:db8::2", 25)), (Some(1), None));
    }

    #[test]
    fn other_reasons_have_a_few_lines_of_their_own() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        let told: Vec<_> = (0..20).filter(|n| refusals.count([10; 4].into(), n % 10, began).is_some()).collect();
        assert_eq!(told, [0, 1, 2, 3, 4]);
        assert_eq!(refusals.count([10; 4].into(), 0, began + APART), Some(16));
    }

    #[test]
    fn a_crowd_of_addresses_shares_a_line_and_is_forgotten() {
        let (refusals, began) = (Refusals::default(), Instant::now());
        let told = (0..1000u32).filter_map(|n| refusals.count(IpAddr::from(n.to_be_bytes()), 7, began)).count();
        assert_eq!(told, MOST + 1);
        assert_eq!(refusals.0.lock().unwrap().len(), MOST + 1);
        assert_eq!(refusals.count([10, 0, 0, 1].into(), 7, began + APART), Some(1));
        assert_eq!(refusals.0.lock().unwrap().len(), 1);
    }
}
