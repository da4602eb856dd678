//! Instants on a feed's timeline.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// An instant on a feed's own timeline, in nanoseconds since an arbitrary zero.
///
/// Sources convert their clock on the way in, muxers on the way out; nothing in
/// between knows about time bases. The trip there and back is exact for every clock
/// up to 1 GHz and 292 years: rounding to 1 ns moves a tick by less than half a tick.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The arbitrary zero.
    pub const ZERO: Self = Self(0);

    /// The instant `nanos` nanoseconds after zero.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The instant `ticks` ticks of `num/den` seconds after zero, rounded to the nearest
    /// nanosecond; saturates at ± 292 years. A zero `den` counts as one.
    #[must_use]
    pub fn from_ticks(ticks: i64, num: u32, den: u32) -> Self {
        let den = i128::from(den.max(1));
        let scaled = i128::from(ticks) * i128::from(num) * 1_000_000_000;
        let rounded = (scaled + den / 2).div_euclid(den);
        Self(i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX }))
    }

    /// The number of ticks of `num/den` seconds since zero, rounded to the nearest.
    /// A zero `num` counts as one.
    #[must_use]
    pub fn to_ticks(self, num: u32, den: u32) -> i64 {
        let unit = i128::from(num.max(1)) * 1_000_000_000;
        let rounded = (i128::from(self.0) * i128::from(den) + unit / 2).div_euclid(unit);
        i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
    }

    /// Nanoseconds since zero.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The time since `earlier`; zero when `earlier` is later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(rhs.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, rhs: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(rhs.as_nanos()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let nanos = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:09}s", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trip_to_nanoseconds_and_back_is_exact() {
        for (num, den) in [(1, 90_000), (1001, 30_000), (1, 1000), (1, 44_100), (1, 1_000_000_000)] {
            for ticks in [-7, -1, 0, 1, 2, 3, 12_345, 8_589_934_591] {
                let at = Timestamp::from_ticks(ticks, num, den);
                assert_eq!(at.to_ticks(num, den), ticks, "{ticks} of {num}/{den}");
            }
        }
    }

    #[test]
    fn absurd_ticks_saturate() {
        assert_eq!(Timestamp::from_ticks(i64::MAX, u32::MAX, 1), Timestamp(i64::MAX));
        assert_eq!(Timestamp::from_ticks(i64::MIN, u32::MAX, 0), Timestamp(i64::MIN));
    }
}
