//! How much is sent, measured where it is sent.
//!
//! Once a second the meter looks at what each session has sent. A session that is too
//! young to have been measured counts with what its feed brings: a crowd that comes at
//! once is counted too, and nobody counts with what a configuration says.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use super::table::{Entry, Table, What};
use crate::session::Sessions;
use crate::shelf::lock;

/// How much the newest second counts in a rate.
const NEWEST: f64 = 0.5;
/// Seconds that a session must have lasted to be measured.
const YOUNG: f64 = 1.0;

#[derive(Default)]
pub(super) struct Meter(Mutex<Rates>);

#[derive(Default)]
struct Rates {
    looked: Option<Instant>,
    /// Bytes so far and bit/s, by the session's number.
    sessions: HashMap<u64, (u64, Option<f64>)>,
    /// The same, by the feed's name.
    feeds: HashMap<String, (u64, Option<f64>)>,
}

/// Bytes as they were, and as they are.
fn step(known: Option<&(u64, Option<f64>)>, bytes: u64, seconds: f64) -> (u64, Option<f64>) {
    let Some((before, rate)) = known else { return (bytes, None) };
    let newest = bytes.saturating_sub(*before) as f64 * 8.0 / seconds;
    (bytes, Some(rate.map_or(newest, |rate| rate + (newest - rate) * NEWEST)))
}

impl Meter {
    fn lock(&self) -> std::sync::MutexGuard<'_, Rates> {
        lock(&self.0)
    }

    /// Looks at everything.
    pub(super) fn measure(&self, table: &Table, sessions: &Sessions) {
        let now = Instant::now();
        let mut rates = self.lock();
        let seconds = rates.looked.replace(now).map_or(1.0, |looked| (now - looked).as_secs_f64().max(0.001));
        let of_sessions = sessions.open().into_iter().map(|session| {
            let step = step(rates.sessions.get(&session.id), session.counts.bytes.load(Relaxed), seconds);
            (session.id, step)
        });
        let of_sessions = of_sessions.collect();
        let of_feeds = table.feeds().map(|feed| {
            let step = step(rates.feeds.get(feed.name()), feed.counters().bytes, seconds);
            (feed.name().to_owned(), step)
        });
        let of_feeds = of_feeds.collect();
        rates.sessions = of_sessions;
        rates.feeds = of_feeds;
    }

    /// bit/s of a session, if it has been measured.
    pub(super) fn session(&self, id: u64) -> Option<f64> {
        self.lock().sessions.get(&id).and_then(|(_, rate)| *rate)
    }

    /// bit/s that a feed brings, if it has been measured.
    pub(super) fn feed(&self, name: &str) -> Option<f64> {
        self.lock().feeds.get(name).and_then(|(_, rate)| *rate)
    }

    /// bit/s that a viewer of `entry` will take, as far as is known.
    pub(super) fn expected(&self, entry: &Entry) -> f64 {
        let What::Stream(stream) = &entry.what else { return 0.0 };
        let rates = self.lock();
        stream.feed_name().and_then(|name| rates.feeds.get(name)?.1).unwrap_or(0.0)
    }

    /// bit/s that all sessions take together.
    pub(super) fn total(&self, sessions: &Sessions) -> f64 {
        let bits = sessions.open().into_iter().map(|session| {
            let measured = self.session(session.id).filter(|_| session.since.elapsed().as_secs_f64() > 2.0 * YOUNG);
            let expected = || session.visit.as_ref().and_then(|visit| visit.entry()).map(|entry| self.expected(entry));
            measured.or_else(expected).unwrap_or(0.0)
        });
        bits.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_follows_what_was_sent() {
        let first = step(None, 1000, 1.0);
        assert_eq!(first, (1000, None));
        let second = step(Some(&first), 3000, 2.0);
        assert_eq!(second, (3000, Some(8000.0)));
        let third = step(Some(&second), 3000, 1.0);
        assert_eq!(third, (3000, Some(4000.0)));
        // A session that begins to count anew is no error.
        assert_eq!(step(Some(&third), 0, 1.0).1, Some(2000.0));
    }
}
