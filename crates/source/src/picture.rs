//! A reader's pictures: JPEG, whatever the source sends.
//!
//! A source that is MJPEG already reaches a reader who asked for no change as it is;
//! every other wish is served by a shared transcoding. Which of the two it is can change
//! in mid-stream, and does so here, unseen by the reader.

use std::fmt;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use feed::{Cursor, Entry, Start};
use formats::jpeg;
use media::{Codec, Packet, Rate, SizeWish, Timestamp, Track, Tracks, Variant};

use crate::Error;
use crate::transcode::{Demand, Lease};
use crate::variants::Variants;

/// One JPEG picture.
#[derive(Clone)]
pub struct Picture {
    /// A whole JPEG, bit-identical to the source's where it sends JPEG.
    pub data: Bytes,
    /// Rises from picture to picture, also over reconnects.
    pub seq: u64,
    /// When to show it, on the feed's timeline.
    pub pts: Timestamp,
    /// When its last byte (of the picture it was made from) arrived here.
    pub received: Instant,
    /// When the camera took it, where the protocol tells.
    pub captured: Option<SystemTime>,
    /// Pictures of the source that this reader did not get just before this one, for
    /// want of time; those a rate limit leaves out do not count.
    pub lost: u64,
    /// Known to be damaged.
    pub corrupt: bool,
}

impl Picture {
    /// A picture that no source sent: a placeholder.
    #[must_use]
    pub fn made_here(data: Bytes, at: Instant) -> Self {
        Self { data, seq: 0, pts: Timestamp::ZERO, received: at, captured: None, lost: 0, corrupt: false }
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} {:?} {} bytes)", self.seq, self.pts, self.data.len())
    }
}

/// A reader of pictures; the source stays open while it lives.
pub struct Pictures {
    variants: Arc<Variants>,
    variant: Variant,
    /// What comes in the size asked for already stays as it is.
    keep: bool,
    demand: Demand,
    way: Way,
    /// The seq of the last picture given, whichever way it came.
    last_seq: u64,
}

enum Way {
    /// No track is declared yet. The cursor makes the source open.
    Unknown(Cursor),
    /// The source's own pictures, thinned to the rate.
    Direct { cursor: Cursor, tracks: Tracks, gate: Gate, passed: u64 },
    /// Pictures made for this variant. The cursor on the source's feed is the
    /// transcoder's; ours is on what it makes.
    Made { cursor: Cursor, lease: Lease },
}

impl Pictures {
    pub(crate) fn new(variants: Arc<Variants>, variant: Variant, demand: Demand) -> Self {
        let way = Way::Unknown(variants.feed().cursor(Start::Keyframe));
        Self { variants, variant, keep: false, demand, way, last_seq: 0 }
    }

    /// With `keep`, JPEG that comes in the size asked for stays as it is, whatever else is said
    /// of its coding: its feeder has coded it so.
    #[must_use]
    pub fn keeping(mut self, keep: bool) -> Self {
        self.keep = keep;
        self
    }

    /// The newest picture this reader has not had, waiting for one if need be, over
    /// reconnects too. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Ended`] when the source is over for good, [`Error::Unsupported`] when
    /// its codec cannot be decoded.
    pub async fn newest(&mut self) -> Result<Picture, Error> {
        loop {
            match &mut self.way {
                Way::Unknown(cursor) => {
                    let entry = cursor.newest().await.map_err(|_| ended())?;
                    self.choose(&entry)?;
                }
                Way::Direct { cursor, tracks, gate, passed } => {
                    let entry = cursor.newest().await.map_err(|_| ended())?;
                    if !entry.tracks.same(tracks) {
                        self.choose(&entry)?;
                        continue;
                    }
                    *passed += entry.lost;
                    if !gate.take(entry.packet.pts) {
                        continue;
                    }
                    let lost = if self.variant.rate.is_some() { 0 } else { std::mem::take(passed) };
                    return Ok(self.picture(entry, lost));
                }
                Way::Made { cursor, lease } => match cursor.newest().await {
                    Ok(entry) => {
                        let lost = if self.variant.rate.is_some() { 0 } else { entry.lost };
                        return Ok(self.picture(entry, lost));
                    }
                    Err(_) => match lease.error() {
                        Some(error) => return Err(error),
                        // The source changed to something that needs no transcoding, or
                        // the other way round: look again.
                        None => self.way = Way::Unknown(self.variants.feed().cursor(Start::Keyframe)),
                    },
                },
            }
        }
    }

    /// Asks for every picture from now on, where only keyframes were wanted so far.
    pub fn want_all(&mut self) {
        self.demand = Demand::All;
        if let Way::Made { lease, .. } = &mut self.way {
            lease.want(Demand::All);
        }
    }

    /// Asks for no more than keyframes from now on.
    pub fn want_keyframes(&mut self) {
        self.demand = Demand::Keyframes;
        if let Way::Made { lease, .. } = &mut self.way {
            lease.want(Demand::Keyframes);
        }
    }

    /// Takes the way that fits the tracks of `entry`.
    fn choose(&mut self, entry: &Entry) -> Result<(), Error> {
        let start = Start::Keyframe;
        self.way = if entry.tracks.video().is_some_and(|track| stays(track, &self.variant, self.keep)) {
            Way::Direct {
                cursor: self.variants.feed().cursor(start),
                tracks: entry.tracks.clone(),
                gate: Gate::new(self.variant.rate),
                passed: 0,
            }
        } else {
            let lease = self.variants.lease(self.variant, self.demand, self.keep)?;
            Way::Made { cursor: lease.feed().cursor(start), lease }
        };
        Ok(())
    }

    fn picture(&mut self, entry: Entry, lost: u64) -> Picture {
        let Packet { data, pts, received, captured, corrupt, .. } = entry.packet;
        // Two ways number their pictures differently; a reader's numbers only rise.
        self.last_seq = entry.seq.max(self.last_seq + 1);
        Picture { data, seq: self.last_seq, pts, received, captured, lost, corrupt }
    }
}

/// Whether pictures of `track` are what `variant` asks for, but for its rate; see
/// [`Pictures::keeping`].
pub(crate) fn stays(track: &Track, variant: &Variant, keep: bool) -> bool {
    let size = track.video().map(|video| video.size);
    let fits = || size.is_some_and(|size| size.pixels() > 0 && variant.size.of(size) == size);
    track.codec == Codec::MJPEG && (variant.keeps_pictures() || keep && (variant.size == SizeWish::Own || fits()))
}

/// A JPEG with the Huffman tables that many readers need, where it has none.
pub(crate) fn with_tables(picture: Bytes) -> Bytes {
    match jpeg::info(&picture) {
        Ok(info) if !info.has_huffman => jpeg::with_huffman(picture),
        _ => picture,
    }
}

fn ended() -> Error {
    Error::Ended { what: None }
}

/// Lets pictures through at no more than a rate.
pub(crate) struct Gate {
    rate: Option<Rate>,
    due: Option<Timestamp>,
}

impl Gate {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { rate, due: None }
    }

    /// Whether a picture at `pts` would be let through.
    pub(crate) fn is_due(&self, pts: Timestamp) -> bool {
        let Some(rate) = self.rate else { return true };
        // A picture that is early by less than an eighth of the interval is the one that
        // was meant: cameras jitter. One from long before `due` means that time jumped.
        self.due.is_none_or(|due| pts + rate.interval() / 8 >= due || pts + rate.interval() * 4 < due)
    }

    /// Lets a picture at `pts` through or not.
    pub(crate) fn take(&mut self, pts: Timestamp) -> bool {
        if !self.is_due(pts) {
            return false;
        }
        let Some(rate) = self.rate else { return true };
        // On the beat if the camera keeps it, else from this picture on.
        let on_beat = self.due.map(|due| due + rate.interval());
        self.due =
            on_beat.filter(|next| *next > pts && *next < pts + rate.interval() * 2).or(Some(pts + rate.interval()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(rate: f64, times_ms: impl Iterator<Item = i64>) -> Vec<i64> {
        let mut gate = Gate::new(Rate::new(rate));
        times_ms.filter(|ms| gate.take(Timestamp::from_ticks(*ms, 1, 1000))).collect()
    }

    #[test]
    fn the_gate_keeps_the_wished_rate_on_average() {
        let camera = || (0..250).map(|i| i * 40);
        assert_eq!(taken(5.0, camera()).len(), 50);
        assert_eq!(taken(10.0, camera()).len(), 100);
        assert_eq!(taken(25.0, camera()).len(), 250);
        assert_eq!(taken(100.0, camera()).len(), 250);
    }

    #[test]
    fn jitter_does_not_halve_the_rate() {
        let jittered = (0..100).map(|i| i * 40 + (i * 7 % 5) - 2);
        assert_eq!(taken(25.0, jittered).len(), 100);
    }

    #[test]
    fn a_gap_is_not_made_up_for() {
        assert_eq!(taken(1.0, [0, 5000, 5040, 5080, 6000].into_iter()), [0, 5000, 6000]);
    }
}
