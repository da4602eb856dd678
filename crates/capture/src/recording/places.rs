//! Where the frames of a recording are.
//!
//! No container tells reliably: rates are declared wrong, counts estimated, indexes only of
//! keyframes. So all packets are looked at once, without decoding any, when somebody seeks or
//! counts for the first time. That reads the file at the speed of the disk.

use std::time::Duration;

use ffmpeg::Read;
use media::{Timestamp, Track, TrackId};
use source::{Error, Recording, Stop};

/// The frames in the order to show them.
pub(super) struct Places {
    /// Where each has a time of its own.
    times: Option<Vec<Timestamp>>,
    count: u64,
}

/// The track that is decoded.
pub(super) fn video(tracks: &[Track]) -> Option<&Track> {
    tracks.iter().find(|track| track.video().is_some())
}

impl Places {
    /// Looks at all packets of the recording at `url`.
    pub(super) fn look(url: &str, options: &source::Options, stop: &Stop) -> Result<Self, Error> {
        let interrupt = stop.clone();
        let mut recording = Recording::open(url, options, move || interrupt.is_set())?;
        let Some(track) = video(&recording.tracks()?).map(|track| track.id) else {
            return Ok(Self { times: None, count: 0 });
        };
        recording.keep_only(track);
        let mut times = Some(Vec::new());
        let mut start = Start::default();
        let mut count = 0;
        while !stop.is_set() {
            match next(&mut recording, track)? {
                None => break,
                Some(unit) if start.admits(unit.key, unit.pts) => {
                    count += 1;
                    times = times.zip(unit.pts).map(|(mut times, pts)| {
                        times.push(pts);
                        times
                    });
                }
                Some(_) => {}
            }
        }
        if let Some(times) = &mut times {
            times.sort_unstable();
            times.dedup();
        }
        // Two frames at the same time cannot be told apart by it.
        let times = times.filter(|times| times.len() as u64 == count);
        Ok(Self { times, count })
    }

    pub(super) fn len(&self) -> u64 {
        self.count
    }

    /// The time of the frame of this number.
    pub(super) fn time(&self, frame: u64) -> Option<Timestamp> {
        self.times.as_ref()?.get(usize::try_from(frame).ok()?).copied()
    }

    /// The number of the frame that is shown at `time` after the first one; the number of frames
    /// after the end. `rate` serves where frames have no times.
    pub(super) fn frame_at(&self, time: Duration, rate: f64) -> u64 {
        let Some(times) = self.times.as_ref().filter(|times| !times.is_empty()) else {
            return (time.as_secs_f64() * rate + 1e-6) as u64;
        };
        let Some(wanted) = times.first().map(|first| *first + time) else { return 0 };
        let shown = times.partition_point(|at| *at <= wanted);
        // The last one is shown as long as the one before it.
        let length = match times[..] {
            [.., before, last] => last.saturating_since(before),
            _ => Duration::from_secs(1),
        };
        let over = times.last().is_some_and(|last| wanted >= *last + length);
        if over { self.count } else { shown.saturating_sub(1) as u64 }
    }
}

/// The next unit of `track`; nothing at the end. Damage is passed over.
pub(super) fn next(recording: &mut Recording, track: TrackId) -> Result<Option<media::Unit>, Error> {
    let mut failures = 0;
    loop {
        match recording.read() {
            Ok(Read::Unit(unit)) if unit.track == track => return Ok(Some(unit)),
            Ok(Read::End) => return Ok(None),
            Ok(_) => {}
            Err(Error::Ended { what: Some(_) }) if failures < MOST_FAILURES => failures += 1,
            // What is broken to its end has ended.
            Err(Error::Ended { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Damaged places in a row that are passed over.
pub(super) const MOST_FAILURES: usize = 100;

/// Lets packets in from the first keyframe on, but for those that are shown before it: they refer
/// to what is not there.
#[derive(Default)]
pub(super) struct Start {
    /// The first keyframe's time, once it has come.
    key: Option<Option<Timestamp>>,
}

impl Start {
    pub(super) fn admits(&mut self, key: bool, pts: Option<Timestamp>) -> bool {
        match self.key {
            None if key => {
                self.key = Some(pts);
                true
            }
            None => false,
            Some(first) => pts.zip(first).is_none_or(|(pts, first)| pts >= first),
        }
    }
}
