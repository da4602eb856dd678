//! The times of one stream: past the 49 days after which 32 bits of milliseconds come round,
//! and from the one time that packets tell to `pts` and `dts`.

use media::{Codec, Track};

use super::picture::{self, Picture};

/// Milliseconds that do not come round.
#[derive(Default, Clone)]
pub(super) struct Clock {
    last: Option<i64>,
}

impl Clock {
    /// `ms` as it is nearest to the time before.
    pub(super) fn extend(&mut self, ms: u32) -> i64 {
        let at = self.last.map_or(i64::from(ms), |last| {
            // The low 32 bits, on purpose.
            last.saturating_add(i64::from(ms.wrapping_sub(last as u32).cast_signed()))
        });
        self.last = Some(at);
        at
    }
}

/// Nanoseconds to show and to decode at, as far as they are known.
type Times = (Option<i64>, Option<i64>);

/// What the times of a stream are; see the documentation of [`super`].
pub(super) enum Order {
    /// Pictures are shown in the order in which they come.
    Same,
    /// There may be B-pictures.
    Undecided {
        last: Option<i64>,
        /// Time of the last picture that others refer to, and its distance to the one before.
        anchor: Option<i64>,
        step: i64,
    },
    /// The times are of presentation.
    Presentation,
    /// The times are of decoding.
    Decoding {
        anchor: i64,
        step: i64,
        /// The last `pts` given to a picture that others refer to.
        shown: i64,
    },
}

impl Order {
    pub(super) fn of(track: &Track) -> Self {
        match picture::may_reorder(track) {
            true => Self::Undecided { last: None, anchor: None, step: 0 },
            false => Self::Same,
        }
    }

    /// The times of the picture `data` that a packet says is at `at`.
    pub(super) fn place(&mut self, at: i64, track: &Track, data: &[u8]) -> Times {
        match self {
            Self::Same => (Some(at), Some(at)),
            Self::Presentation => (Some(at), None),
            Self::Undecided { last, anchor, step } => {
                let kind = picture::kind(track, data);
                let before = last.replace(at);
                if before.is_some_and(|before| at < before && before.saturating_sub(at) < SECOND) {
                    *self = Self::Presentation;
                } else if kind == Some(Picture::B)
                    && let Some(anchor) = *anchor
                    && at > anchor
                {
                    *self = Self::Decoding { anchor, step: *step, shown: anchor };
                    return self.place(at, track, data);
                } else if kind != Some(Picture::B) {
                    *step = anchor.map_or(0, |anchor| distance(anchor, at));
                    *anchor = Some(at);
                }
                (Some(at), None)
            }
            Self::Decoding { .. } if track.codec == Codec::H264 => (None, Some(at)),
            Self::Decoding { anchor, step, shown } => {
                if picture::kind(track, data) == Some(Picture::B) {
                    return (Some(at), Some(at));
                }
                *step = distance(*anchor, at);
                *anchor = at;
                // A guess that was too late must not be overtaken by the next one.
                let next = at.saturating_add(*step);
                let overtakes = next <= *shown && shown.saturating_sub(next) < SECOND;
                *shown = if overtakes { shown.saturating_add(1) } else { next };
                (Some(*shown), Some(at))
            }
        }
    }
}

const SECOND: i64 = 1_000_000_000;

/// The distance from one picture to the next, unless the clock jumped.
fn distance(from: i64, to: i64) -> i64 {
    Some(to.saturating_sub(from)).filter(|distance| (0..SECOND).contains(distance)).unwrap_or(0)
}
