//! Times and sizes as people write them: on the command line, in headwater.toml and in
//! ffserver.conf, by one rule.
//!
//! `500ms`, `10s`, `1.5m`, `24h`, `7d`, `4w` are times; `16k`, `500M`, `500MB`, `500MiB`, `1.5G`, `2TB` are
//! sizes. Where either may stand a small m is minutes and a capital M mebibytes.

use std::time::Duration;

/// Longest time that is read: ten years.
pub const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Most digits before or behind the point.
const MOST_DIGITS: usize = 20;

/// A time: a number and its unit, `ms`, `s`, `m` (or `min`), `h`, `d` or `w`; a number alone is seconds.
/// Capitals do as well, but for the M, which is mebibytes elsewhere. Exact to the nanosecond, at most
/// [`LONGEST`]; nothing where it is no such time.
#[must_use]
pub fn time(text: &str) -> Option<Duration> {
    const UNITS: &[(&str, u64)] = &[
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("sec", 1_000_000_000),
        ("min", 60_000_000_000),
        ("h", 3_600_000_000_000),
        ("d", 86_400_000_000_000),
        ("w", 604_800_000_000_000),
        ("", 1_000_000_000),
    ];
    let (number, unit) = parts(text)?;
    let unit_ns = match unit {
        "m" => 60_000_000_000,
        "M" => return None,
        unit => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?.1,
    };
    let ns = u64::try_from(times(number, unit_ns)?).ok()?;
    Some(Duration::from_nanos(ns)).filter(|time| *time <= LONGEST)
}

/// A size in bytes: a number and its unit, `k`, `M`, `G` or `T`, alone or with `B` or `iB` behind it, small or
/// capital; a K is 1024 in all of them. A number alone, or with a `B`, is bytes. Nothing where it is no
/// such size.
#[must_use]
pub fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = parts(text)?;
    let unit = unit.to_ascii_lowercase();
    let power = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(&unit) {
        "" if unit != "ib" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    u64::try_from(times(number, 1 << power)?).ok()
}

/// What is kept: an age, a size in bytes, or both with a comma, as `7d,100GB`; of two ages, or two sizes,
/// the last. A number alone may be either and is refused, and so is a nought.
///
/// # Errors
/// The word that is neither, in a sentence with what is expected.
pub fn age_and_bytes(text: &str) -> Result<(Option<Duration>, Option<u64>), String> {
    let (mut age, mut size) = (None, None);
    for word in text.split(',').map(str::trim) {
        let has_unit = word.ends_with(|c: char| c.is_ascii_alphabetic());
        match (time(word).filter(|time| !time.is_zero()), bytes(word).filter(|bytes| *bytes > 0)) {
            (Some(time), _) if has_unit => age = Some(time),
            (None, Some(bytes)) if has_unit => size = Some(bytes),
            _ => {
                let word: String = word.chars().take(40).collect();
                return Err(format!(
                    "{word:?}: expected an age such as 30m, 12h, 7d or 4w, a size such as 500M or 100GB, or both with a \
                     comma, as 7d,100GB"
                ));
            }
        }
    }
    Ok((age, size))
}

/// A number with its digits behind the point, and the letters after it.
fn parts(text: &str) -> Option<((&str, &str), &str)> {
    let text = text.trim();
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, fraction) = match number.trim_end().split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (number.trim_end(), ""),
    };
    let plain = |text: &str| text.len() <= MOST_DIGITS && text.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && plain(whole) && plain(fraction)).then_some(((whole, fraction), unit))
}

/// The number, times `unit`, rounded down.
fn times((whole, fraction): (&str, &str), unit: u64) -> Option<u128> {
    let whole = whole.parse::<u128>().ok()?.checked_mul(unit.into())?;
    if fraction.is_empty() {
        return Some(whole);
    }
    // Twelve digits are exact for every unit that there is; the others do not count.
    let fraction = &fraction[..fraction.len().min(12)];
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    whole.checked_add(fraction.parse::<u128>().ok()? * u128::from(unit) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_their_units() {
        for (text, ms) in [
            ("500ms", 500),
            ("10s", 10_000),
            ("10", 10_000),
            ("1.5", 1500),
            ("1.5m", 90_000),
            ("2min", 120_000),
            ("24h", 86_400_000),
            ("7D", 604_800_000),
            ("1w", 604_800_000),
            (" 10 s ", 10_000),
            ("0", 0),
        ] {
            assert_eq!(time(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for wrong in
            ["", "s", "-1s", "1e3s", "99999999999h", "11000d", ".5s", "1.s", "10M", "5y", "NaN", "10m5s", "1 2s"]
        {
            assert_eq!(time(wrong), None, "{wrong}");
        }
        assert_eq!(time("0.000000001"), Some(Duration::from_nanos(1)));
    }

    #[test]
    fn sizes_are_read_with_every_spelling_of_their_units() {
        for (text, bytes_) in [
            ("0", 0),
            ("20000", 20_000),
            ("2000B", 2000),
            ("20k", 20 << 10),
            ("20KiB", 20 << 10),
            ("500M", 500 << 20),
            ("500m", 500 << 20),
            ("500MB", 500 << 20),
            ("500mib", 500 << 20),
            ("1.5G", 3 << 29),
            ("1.5 GB", 3 << 29),
            ("2TiB", 2 << 40),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(bytes(text), Some(bytes_), "{text}");
        }
        for wrong in ["", "M", "-1M", "1e9", "9iB", "1.k", "much", "99999999999999999999G", "5Q", "5MiBs", "5é"] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }
}
