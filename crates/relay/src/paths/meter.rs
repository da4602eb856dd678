//! How much is sent, measured where it is sent.
//!
//! Once a second the meter looks at what each session has sent. A session that is too young to
//! have been measured counts with what others of its stream have taken; where there were none,
//! with the bit rates its own encoders are given, or, where the feed's packets pass, with what the
//! feed brings. Where neither is known it counts once it is measured: nobody is refused for a
//! rate that is not sent.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use media::{Codec, Kind, Variant, Wish};
use source::Fate;

use super::table::{Entry, Out, Table, What};
use crate::output::Carries;
use crate::output::fate::Place;
use crate::session::{Session, Sessions};
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
    /// bit/s that one viewer took when some were last measured, by the stream's name.
    streams: HashMap<String, f64>,
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
        let mut taken: HashMap<String, (f64, f64)> = HashMap::new();
        let of_sessions = sessions.open().into_iter().map(|session| {
            let step = step(rates.sessions.get(&session.id), session.counts.bytes.load(Relaxed), seconds);
            let entry = session.visit.as_ref().and_then(|visit| visit.entry());
            if let (Some(entry), Some(rate)) = (entry, step.1.filter(|rate| *rate > 0.0 && !is_young(&session))) {
                let (sum, count) = taken.entry(entry.name.clone()).or_default();
                (*sum, *count) = (*sum + rate, *count + 1.0);
            }
            (session.id, step)
        });
        let of_sessions = of_sessions.collect();
        // Only of streams that there are, after a reload too.
        rates.streams.retain(|name, _| table.named(name).next().is_some());
        rates.streams.extend(taken.into_iter().map(|(name, (sum, count))| (name, sum / count)));
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
        if let Some(taken) = rates.streams.get(&entry.name) {
            return *taken;
        }
        let feed = stream.feed_name().and_then(|name| rates.feeds.get(name)?.1);
        drop(rates);
        // What a section says is often far above what its pictures need.
        feed.map_or(0.0, |feed| of_encoders(stream, feed).min(feed))
    }

    /// bit/s that all sessions take together.
    pub(super) fn total(&self, sessions: &Sessions) -> f64 {
        let bits = sessions.open().into_iter().map(|session| {
            let measured = self.session(session.id);
            let entry = session.visit.as_ref().and_then(|visit| visit.entry());
            let expected = || entry.map(|entry| self.expected(entry)).filter(|expected| *expected > 0.0);
            match is_young(&session) {
                // What it begins with comes at once, and is no rate.
                true => expected().or(measured),
                false => measured.or_else(expected),
            }
        });
        bits.map(|bits| bits.unwrap_or(0.0)).sum()
    }
}

fn is_young(session: &Session) -> bool {
    session.since.elapsed().as_secs_f64() <= 2.0 * YOUNG
}

/// bit/s of what becomes of a feed that brings `feed` bit/s: those that the encoders are given, what
/// passes as it comes, and nothing of an encoder that is given none.
fn of_encoders(out: &Out, feed: f64) -> f64 {
    let said = |variant: &Variant| variant.coding.bit_rate.map_or(0.0, f64::from);
    let tracks = out.tracks();
    let place = match out.format.map_or(Carries::Tracks(Place::Rtp), |format| format.carries) {
        Carries::Tracks(place) => place,
        Carries::Words => return 0.0,
        Carries::Jpegs => {
            let is_one = !matches!(out.format.map(|format| format.extension), Some("mjpeg" | "mjpg"));
            let pass = tracks.video().is_some_and(|track| track.codec == Codec::MJPEG);
            return match &out.encoding.video {
                // One picture is soon gone.
                _ if is_one => 0.0,
                Wish::Coded(variant) => said(variant),
                Wish::Fit if pass => feed,
                Wish::Fit | Wish::Off => 0.0,
            };
        }
    };
    let Ok(plan) = place.plan(&out.encoding, &tracks) else { return 0.0 };
    let sound = tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
    let video = match &plan.video {
        Fate::Off => 0.0,
        Fate::Pass => feed,
        Fate::Coded(variant) => said(variant),
    };
    let audio = match &plan.audio {
        Fate::Off => 0.0,
        Fate::Pass => sound.map_or(0.0, |track| track.bit_rate as f64),
        Fate::Coded(coding) => coding.bit_rate.map_or(0.0, f64::from),
    };
    video + audio
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
