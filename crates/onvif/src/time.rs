//! Time as cameras tell it: a date and a time of day in UTC.

use std::fmt;

use crate::xml::Element;

/// An instant, to the second: seconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Utc(pub i64);

const DAY: i64 = 86_400;

impl Utc {
    /// What `xs:dateTime` of ONVIF's own type says (`tt:DateTime`); `None` where it is none, as in
    /// a camera that was never told the time and says month 0.
    pub(crate) fn read(element: &Element) -> Option<Self> {
        let part = |path: [&str; 2]| element.number_at::<i64>(&path);
        let (year, month, day) = (part(["Date", "Year"])?, part(["Date", "Month"])?, part(["Date", "Day"])?);
        let (hour, minute, second) = (part(["Time", "Hour"])?, part(["Time", "Minute"])?, part(["Time", "Second"])?);
        let is_date = (1900..=9999).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
        let is_time = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..=60).contains(&second);
        (is_date && is_time).then(|| Self(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second))
    }
}

/// As `xs:dateTime`: `2026-11-26T03:14:55Z`. Years past 9999 come out as that.
impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.0.clamp(days(0, 1, 1) * DAY, days(10_000, 1, 1) * DAY - 1);
        let (year, month, day) = date(at.div_euclid(DAY));
        let of_day = at.rem_euclid(DAY);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so
/// that the day that comes and goes is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The date so many days after 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + i64::from(month <= 2), month, of_year - (153 * from_march + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_back_as_they_were() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_576_495, "2026-11-25T03:14:55Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(Utc(seconds).to_string(), text);
        }
        for day in (-100_000..100_000).step_by(7) {
            let (year, month, of_month) = date(day);
            assert_eq!(days(year, month, of_month), day);
        }
        assert_eq!(Utc(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
        assert_eq!(Utc(i64::MIN).to_string(), "0000-01-01T00:00:00Z");
    }
}
