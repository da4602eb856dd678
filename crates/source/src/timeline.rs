//! From a source's clock to the feed's.
//!
//! The feed's timeline starts at the source's first opening and runs with the wall
//! clock; a connection's stamps keep their distances and are moved as a whole, so that
//! its first one stands at its time of arrival. Stamps that leave that line by more
//! than [`JUMP`] (a camera's clock was set, a counter wrapped, a file began again) move
//! it, and the packet is marked. Nothing stands further than [`JUMP`] in the future: what
//! a source sends faster than in real time is pushed together there.

mod reorder;

use std::time::{Duration, Instant};

use media::{Timestamp, Unit};

use self::reorder::Reorder;

/// The largest step between two packets that counts as the same clock going on.
const JUMP: Duration = Duration::from_secs(5);

pub(crate) struct Timeline {
    zero: Instant,
    /// Nanoseconds to add to the connection's stamps, as its first unit told.
    offset: Option<i128>,
    /// Per track.
    tracks: Vec<Track>,
}

#[derive(Default, Clone)]
struct Track {
    /// The last decoding time given.
    last: Option<Timestamp>,
    /// Nanoseconds to add to the stamps of this track: the connection's, until it jumps.
    offset: Option<i128>,
    reorder: Reorder,
}

/// Where a unit stands on the feed's timeline.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) pts: Timestamp,
    pub(crate) dts: Timestamp,
    pub(crate) jumped: bool,
}

impl Timeline {
    pub(crate) fn new(zero: Instant) -> Self {
        Self { zero, offset: None, tracks: Vec::new() }
    }

    /// A new connection: its clock has nothing to do with the last one's.
    pub(crate) fn restart(&mut self) {
        self.offset = None;
        for track in &mut self.tracks {
            track.reorder = Reorder::default();
            track.offset = None;
        }
    }

    pub(crate) fn place(&mut self, unit: &Unit, received: Instant) -> Placed {
        let arrival = i128::try_from(received.saturating_duration_since(self.zero).as_nanos()).unwrap_or(i128::MAX);
        let stamp = unit.dts.or(unit.pts).map(|at| i128::from(at.as_nanos()));
        let track = usize::from(unit.track.0);
        if self.tracks.len() <= track {
            self.tracks.resize(track + 1, Track::default());
        }
        let last = self.tracks[track].last.map(|last| i128::from(last.as_nanos()));
        let jump = JUMP.as_nanos().cast_signed();
        // Where a line begins anew: now, but never before what was given out already.
        let anew = last.map_or(arrival, |last| arrival.max(last + 1));
        let mut jumped = false;

        let at = match stamp {
            None => arrival,
            Some(stamp) => {
                let shared = self.offset.filter(|offset| (stamp + offset - arrival).abs() <= jump);
                let known = self.tracks[track].offset;
                let offset = known.or(shared).unwrap_or(anew - stamp);
                let at = stamp + offset;
                let far = last.is_some_and(|last| (at - last).abs() > jump) && (at - arrival).abs() > jump;
                let far = far || (unit.dts.is_none() && self.tracks[track].reorder.is_beyond(at));
                if known.is_some() && far {
                    jumped = true;
                    self.tracks.iter_mut().for_each(|track| track.reorder.clear());
                }
                let at = if known.is_some() && far { anew } else { at.min(arrival + jump) };
                self.tracks[track].offset = Some(at - stamp);
                self.offset.get_or_insert(at - stamp);
                if jumped {
                    self.offset = Some(at - stamp);
                }
                at
            }
        };
        let track = &mut self.tracks[track];
        let nanos =
            |at: i128| Timestamp::from_nanos(i64::try_from(at).unwrap_or(if at < 0 { i64::MIN } else { i64::MAX }));
        // Decoding times of a track rise, whatever the camera says.
        let rising = |at: i128| nanos(last.map_or(at, |last| at.max(last + 1)));
        let (pts, dts) = match (unit.pts, unit.dts) {
            (Some(_), None) => (nanos(at), rising(track.reorder.decode_at(at))),
            (Some(pts), Some(dts)) => (rising(at) + pts.saturating_since(dts).min(JUMP), rising(at)),
            (None, _) => (rising(at), rising(at)),
        };
        track.last = Some(dts);
        Placed { pts, dts, jumped }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::TrackId;

    use super::*;

    fn unit(ms: Option<i64>) -> Unit {
        let at = ms.map(|ms| Timestamp::from_ticks(ms, 1, 1000));
        Unit { pts: at, dts: at, ..Unit::picture(TrackId(0), Bytes::from_static(b"x")) }
    }

    /// Places stamps (ms) that arrive at given times (ms); returns feed times in ms, with
    /// `!` where the clock jumped.
    fn place(script: &[(Option<i64>, u64)]) -> String {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        let placed = script.iter().map(|(stamp, arrival)| {
            let placed = line.place(&unit(*stamp), zero + Duration::from_millis(*arrival));
            format!("{}{}", placed.dts.to_ticks(1, 1000), if placed.jumped { "!" } else { "" })
        });
        placed.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn distances_are_kept_whatever_the_arrival_times() {
        assert_eq!(place(&[(Some(9000), 100), (Some(9040), 171), (Some(9080), 172)]), "100 140 180");
    }

    #[test]
    fn a_clock_that_jumps_is_followed_and_marked() {
        assert_eq!(place(&[(Some(100_000), 0), (Some(0), 40), (Some(40), 85)]), "0 40! 80");
        assert_eq!(place(&[(Some(0), 0), (Some(10_000_000), 40)]), "0 40!");
    }

    #[test]
    fn a_burst_does_not_run_away_and_the_next_connection_goes_on_at_its_own_pace() {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        // Four minutes of media at once.
        for picture in 0..2400 {
            line.place(&unit(Some(picture * 100)), zero);
        }
        let after = line.place(&unit(Some(240_000)), zero + Duration::from_millis(10)).dts;
        assert!(after <= Timestamp::ZERO + JUMP + Duration::from_millis(20), "{after:?}");
        line.restart();
        let begun = zero + Duration::from_millis(500);
        let first = line.place(&unit(Some(0)), begun).dts;
        let later =
            (1..=250).map(|i| line.place(&unit(Some(i * 40)), begun + Duration::from_millis(i as u64 * 40)).dts);
        let last = later.last().unwrap();
        assert!(last.saturating_since(first) >= Duration::from_millis(9990), "{:?}", last.saturating_since(first));
    }

    #[test]
    fn a_track_whose_clock_has_nothing_to_do_with_the_first_ones_stands_beside_it() {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        line.place(&unit(Some(0)), zero);
        let other = Unit { track: TrackId(1), ..unit(Some(95_443_717)) };
        let placed = line.place(&other, zero + Duration::from_millis(40));
        assert_eq!((placed.dts.to_ticks(1, 1000), placed.jumped), (40, false));
        let next = line.place(&unit(Some(80)), zero + Duration::from_millis(80));
        assert_eq!((next.dts.to_ticks(1, 1000), next.jumped), (80, false));
    }

    #[test]
    fn a_pause_of_the_camera_is_no_jump() {
        assert_eq!(place(&[(Some(0), 0), (Some(20_000), 20_001)]), "0 20000");
    }

    #[test]
    fn presentation_times_alone_are_kept_exact_and_decoding_times_rise() {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        let mut last = None;
        for (place, ms) in [0, 120, 40, 80, 240, 160, 200, 360, 280, 320].into_iter().enumerate() {
            let unit = Unit { dts: None, ..unit(Some(9000 + ms)) };
            let placed = line.place(&unit, zero + Duration::from_millis(40 * place as u64));
            assert_eq!((placed.pts.to_ticks(1, 1000), placed.jumped), (ms, false));
            assert!(last.is_none_or(|last| placed.dts > last));
            last = Some(placed.dts);
        }
    }

    #[test]
    fn a_clock_that_steps_back_is_no_reordering() {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        let mut place = |ms: u64, arrival: u64| {
            let unit = Unit { dts: None, ..unit(Some(ms.cast_signed())) };
            let placed = line.place(&unit, zero + Duration::from_millis(arrival));
            (placed.pts.to_ticks(1, 1000), placed.jumped)
        };
        for picture in 0..50 {
            place(picture * 40, picture * 40);
        }
        assert_eq!(place(0, 2000), (2000, true));
        assert_eq!(place(40, 2040), (2040, false));
    }

    #[test]
    fn without_stamps_the_time_of_arrival_counts_and_never_stands_still() {
        assert_eq!(place(&[(None, 0), (None, 41), (None, 80)]), "0 41 80");
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        let a = line.place(&unit(Some(5)), zero);
        let b = line.place(&unit(Some(5)), zero);
        assert!(b.dts > a.dts);
    }
}
