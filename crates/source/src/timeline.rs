//! From a source's clock to the feed's.
//!
//! The feed's timeline starts at the source's first opening and runs with the wall
//! clock; a connection's stamps keep their distances and are moved as a whole, so that
//! its first one stands at its time of arrival. Stamps that leave that line by more
//! than [`JUMP`] (a camera's clock was set, a counter wrapped, a file began again) move
//! it, and the packet is marked. Nothing stands further than [`JUMP`] in the future: what
//! a source sends faster than in real time is pushed together there; and a clock that is too
//! slow is moved on when it has fallen as far behind. `docs/design/time.md` has the reasons.

mod reorder;

use std::time::{Duration, Instant};

use media::{Timestamp, Unit};

use self::reorder::Reorder;

/// The largest step between two packets that counts as the same clock going on.
const JUMP: Duration = Duration::from_secs(5);
/// The largest step back of decoding times, which by the book only rise, that is let pass as a
/// slip of the camera.
const SLIP: Duration = Duration::from_millis(200);
/// So many units of a track with the same stamp have none.
const STILL: u32 = 8;
/// A clock is behind when not one unit of so long was in time.
const BEHIND: Duration = Duration::from_secs(60);

pub(crate) struct Timeline {
    zero: Instant,
    /// Nanoseconds to add to the connection's stamps, as its first unit told.
    offset: Option<i128>,
    /// Per track.
    tracks: Vec<Track>,
    lag: Lag,
}

/// By how many nanoseconds units come after their time, at least: what a network holds up is
/// behind for a while, a clock that is slow is so with every unit.
#[derive(Default)]
struct Lag {
    since: Option<i128>,
    least: i128,
}

impl Lag {
    /// Takes one; tells whether all of a long time were late.
    fn take(&mut self, arrival: i128, late: i128) -> bool {
        let since = *self.since.get_or_insert(arrival);
        self.least = if since == arrival { late } else { self.least.min(late) };
        if arrival - since < BEHIND.as_nanos().cast_signed() {
            return false;
        }
        let least = self.least;
        *self = Self::default();
        least > JUMP.as_nanos().cast_signed()
    }
}

#[derive(Default, Clone)]
struct Track {
    /// The last decoding time given.
    last: Option<Timestamp>,
    /// Nanoseconds to add to the stamps of this track: the connection's, until it jumps.
    offset: Option<i128>,
    reorder: Reorder,
    /// The last stamp, and how many units in a row had it.
    same: Option<(i128, u32)>,
}

impl Track {
    /// Whether stamps stand still, so that they say nothing.
    fn stands_still(&mut self, stamp: i128) -> bool {
        let count = match self.same {
            Some((last, count)) if last == stamp => count.saturating_add(1),
            _ => 1,
        };
        self.same = Some((stamp, count));
        count >= STILL
    }
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
        Self { zero, offset: None, tracks: Vec::new(), lag: Lag::default() }
    }

    /// Whether anything stands on it.
    pub(crate) fn has_begun(&self) -> bool {
        self.tracks.iter().any(|track| track.last.is_some())
    }

    /// A new connection: its clock has nothing to do with the last one's.
    pub(crate) fn restart(&mut self) {
        self.offset = None;
        self.lag = Lag::default();
        for track in &mut self.tracks {
            track.reorder = Reorder::default();
            track.offset = None;
            track.same = None;
        }
    }

    pub(crate) fn place(&mut self, unit: &Unit, received: Instant) -> Placed {
        let arrival = i128::try_from(received.saturating_duration_since(self.zero).as_nanos()).unwrap_or(i128::MAX);
        let stamp = unit.dts.or(unit.pts).map(|at| i128::from(at.as_nanos()));
        let track = usize::from(unit.track.0);
        if self.tracks.len() <= track {
            self.tracks.resize(track + 1, Track::default());
        }
        let stamp = stamp.filter(|stamp| !self.tracks[track].stands_still(*stamp));
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
                let back = match unit.dts {
                    Some(_) => last.is_some_and(|last| last - at > SLIP.as_nanos().cast_signed()),
                    None => self.tracks[track].reorder.is_beyond(at),
                };
                let behind = self.lag.take(arrival, arrival - at);
                let far = far || back || behind;
                jumped = known.is_some() && far;
                let at = if jumped {
                    self.tracks.iter_mut().for_each(|track| track.reorder.clear());
                    // Where another track has jumped before, the distance to it is kept.
                    let beside = shared.map(|offset| stamp + offset);
                    beside.filter(|at| last.is_none_or(|last| *at > last)).unwrap_or(anew)
                } else {
                    at.min(arrival + jump)
                };
                if jumped && behind {
                    // One clock for all tracks: they move together.
                    let moved = at - stamp - offset;
                    self.tracks
                        .iter_mut()
                        .filter_map(|track| track.offset.as_mut())
                        .for_each(|offset| *offset += moved);
                }
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
            (Some(_), None) if stamp.is_some() => (nanos(at), rising(track.reorder.decode_at(at))),
            (Some(pts), Some(dts)) if stamp.is_some() => (rising(at) + pts.saturating_since(dts).min(JUMP), rising(at)),
            _ => (rising(at), rising(at)),
        };
        track.last = Some(dts);
        Placed { pts, dts, jumped }
    }
}

/// For the fuzzer: places stamps of up to four tracks. Nineteen bytes each say which track and which
/// stamps, how much later it comes, and the two stamps.
///
/// # Panics
/// When decoding times of a track do not rise, or anything stands farther ahead than it may.
pub(crate) fn check(zero: Instant, script: &[u8]) {
    use bytes::Bytes;
    let mut line = Timeline::new(zero);
    let mut lasts = [None; 4];
    let mut arrival = zero;
    for (count, step) in script.chunks_exact(19).enumerate() {
        let number = |at: usize| i64::from_le_bytes(step[at..at + 8].try_into().expect("there are as many"));
        // Small steps are usual, and distances of all sizes.
        let stamp = |at: usize| Some(Timestamp::from_nanos(number(at) >> (step[0] >> 1 & 0x38)));
        if step[0] & 0x80 != 0 && count % 7 == 0 {
            line.restart();
        }
        arrival += Duration::from_millis(u64::from(u16::from_le_bytes([step[1], step[2]])));
        let track = usize::from(step[0] & 3);
        let unit = Unit {
            pts: stamp(3).filter(|_| step[0] & 4 != 0),
            dts: stamp(11).filter(|_| step[0] & 8 != 0),
            ..Unit::picture(media::TrackId(track as u8), Bytes::from_static(b"x"))
        };
        let placed = line.place(&unit, arrival);
        assert!(lasts[track].is_none_or(|last| placed.dts > last), "{placed:?} after {:?}", lasts[track]);
        lasts[track] = Some(placed.dts);
        // A nanosecond for each that had to rise.
        let most = Timestamp::from_nanos(0) + (arrival - zero) + JUMP + Duration::from_nanos(count as u64 + 1);
        assert!(placed.dts <= most && placed.pts <= most + JUMP, "{placed:?} at {:?}", arrival - zero);
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

    #[test]
    fn decoding_times_that_go_back_are_a_jump_and_a_slip_is_none() {
        assert_eq!(place(&[(Some(3000), 0), (Some(3040), 40), (Some(1000), 80), (Some(1040), 120)]), "0 40 80! 120");
        assert_eq!(place(&[(Some(3000), 0), (Some(3040), 40), (Some(3020), 80), (Some(3080), 120)]), "0 40 40 80");
    }

    #[test]
    fn a_clock_that_stands_still_is_none() {
        let script: Vec<_> = (0..100).map(|picture| (Some(77), picture * 40)).collect();
        let placed = place(&script);
        let placed: Vec<u64> = placed.split(' ').map(|at| at.parse().unwrap()).collect();
        assert_eq!(placed[7..], (7..100).map(|picture| picture * 40).collect::<Vec<_>>());
        assert!(placed.is_sorted());
    }

    #[test]
    fn a_clock_of_half_the_speed_is_moved_on_and_marked_and_never_falls_far_behind() {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        let mut jumps = 0;
        for picture in 0..15_000_u64 {
            let arrival = picture * 40;
            let placed = line.place(&unit(Some((arrival / 2).cast_signed())), zero + Duration::from_millis(arrival));
            jumps += u32::from(placed.jumped);
            let behind = arrival.cast_signed() - placed.dts.to_ticks(1, 1000);
            assert!(behind < 70_000, "{behind} ms");
        }
        assert!((4..=12).contains(&jumps), "{jumps}");
    }

    #[test]
    fn a_camera_that_drifts_by_a_tenth_of_a_thousandth_is_followed_for_days() {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        let mut jumps = 0;
        // A picture a second for a week; 100 ppm slow.
        for second in 0..7 * 24 * 3600_u64 {
            let slow = (second * 1000 - second / 10).cast_signed();
            let placed = line.place(&unit(Some(slow)), zero + Duration::from_secs(second));
            jumps += u32::from(placed.jumped);
            let behind = (second * 1000).cast_signed() - placed.dts.to_ticks(1, 1000);
            assert!(behind < 5100, "{behind} ms");
        }
        // 60 s are lost in the week, 5 at a time.
        assert!((10..=12).contains(&jumps), "{jumps}");
    }

    #[test]
    fn what_a_network_held_up_is_not_moved() {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        for picture in 0..6000_u64 {
            // For 20 seconds of each minute nothing comes, and then all of it.
            let due = picture * 40;
            let arrival = if due % 60_000 < 20_000 { due / 60_000 * 60_000 + 20_000 } else { due };
            let placed = line.place(&unit(Some(due.cast_signed())), zero + Duration::from_millis(arrival));
            assert!(!placed.jumped, "picture {picture}");
        }
    }

    #[test]
    fn sound_and_pictures_keep_their_distance_over_a_jump() {
        let zero = Instant::now();
        let mut line = Timeline::new(zero);
        let sound = |ms| Unit { track: TrackId(1), ..unit(Some(ms)) };
        let mut place = |unit: &Unit, ms| line.place(unit, zero + Duration::from_millis(ms)).dts.to_ticks(1, 1000);
        place(&unit(Some(0)), 0);
        assert_eq!(place(&sound(30), 20), 30);
        // The camera's clock is set an hour on.
        let pictures = place(&unit(Some(3_600_000)), 40);
        assert_eq!(place(&sound(3_600_030), 60) - pictures, 30);
        // It is slow, and both are moved on in the same step.
        let (mut last, mut between) = (0, 0);
        for second in 1..300_u64 {
            let slow = 3_600_000 + (second * 900).cast_signed();
            let pictures = place(&unit(Some(slow)), 40 + second * 1000);
            between += u32::from(place(&sound(slow + 30), 60 + second * 1000) - pictures != 30);
            last = pictures;
        }
        assert!(last > 280_000, "it was moved on: {last}");
        assert!(between <= 5, "the step falls between a picture and its sound at the most: {between}");
    }
}
