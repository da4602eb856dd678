//! Values of directives.

use std::time::Duration;

use crate::Ratio;

/// A whole number as C writes it: decimal, `0x` hexadecimal, `0` octal, with a sign.
pub(super) fn int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // from_str_radix takes a sign of its own.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

/// A number with a fraction, finite.
pub(super) fn float(text: &str) -> Option<f64> {
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Seconds, or a time with its unit; up to ten years.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let seconds = float(text).filter(|seconds| (0.0..=315_360_000.0).contains(seconds)).map(Duration::from_secs_f64);
    seconds.or_else(|| media::quantity::time(text))
}

/// `N`, `N/D`, or a fraction; FFmpeg's names of rates too.
pub(crate) fn rate(text: &str) -> Option<Ratio> {
    const NAMED: &[(&str, u32, u32)] = &[
        ("ntsc", 30_000, 1001),
        ("pal", 25, 1),
        ("qntsc", 30_000, 1001),
        ("qpal", 25, 1),
        ("sntsc", 30_000, 1001),
        ("spal", 25, 1),
        ("film", 24, 1),
        ("ntsc-film", 24_000, 1001),
    ];
    if let Some((_, num, den)) = NAMED.iter().find(|(name, ..)| name.eq_ignore_ascii_case(text)) {
        return Some(Ratio { num: *num, den: *den });
    }
    let whole = |text: &str| text.parse::<u32>().ok().filter(|number| *number > 0);
    let ratio = match text.split_once(['/', ':']) {
        Some((num, den)) => Ratio { num: whole(num)?, den: whole(den)? },
        None => match whole(text) {
            Some(num) => Ratio { num, den: 1 },
            // Thousandths are as exact as a rate is told.
            None => {
                let thousandths = (float(text)? * 1000.0).round();
                (1.0..=1e6).contains(&thousandths).then_some(Ratio { num: thousandths as u32, den: 1000 })?
            }
        },
    };
    (ratio.as_f64() <= 1000.0).then_some(ratio)
}

/// `5M`, `1.5GB`, `200K`; plain bytes, and `0` for no bound, as the manual says.
pub(super) fn file_size(text: &str) -> Option<u64> {
    media::quantity::bytes(text).filter(|bytes| *bytes == 0 || (16_384..=1_000_000_000_000_000).contains(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_written_as_in_c() {
        for (text, number) in [
            ("8090", Some(8090)),
            ("-1", Some(-1)),
            ("+2", Some(2)),
            ("0x1F9A", Some(8090)),
            ("017", Some(15)),
            ("0", Some(0)),
            ("-0x10", Some(-16)),
        ] {
            assert_eq!(int(text), number, "{text}");
        }
        for text in ["", "-", "--1", "0x", "08", "8090x", "1.5", "99999999999999999999", "0x-1", " 1"] {
            assert_eq!(int(text), None, "{text}");
        }
    }

    #[test]
    fn rates_and_sizes_are_read() {
        assert_eq!(rate("25"), Some(Ratio { num: 25, den: 1 }));
        assert_eq!(rate("30000/1001"), Some(Ratio { num: 30_000, den: 1001 }));
        assert_eq!(rate("12.5"), Some(Ratio { num: 12_500, den: 1000 }));
        assert_eq!(rate("pal"), Some(Ratio { num: 25, den: 1 }));
        for text in ["0", "0/1", "1/0", "-5", "x", "1e9", "5000"] {
            assert_eq!(rate(text), None, "{text}");
        }
        for (text, size) in [
            ("5M", Some(5 << 20)),
            ("1.5k", None),
            ("20k", Some(20_480)),
            ("1.5G", Some(3 << 29)),
            ("5000000", Some(5_000_000)),
            ("0", Some(0)),
            ("16383", None),
            ("-1M", None),
            ("", None),
            ("M", None),
            ("1T", Some(1 << 40)),
            ("500MiB", Some(500 << 20)),
            ("1000T", None),
        ] {
            assert_eq!(file_size(text), size, "{text}");
        }
    }
}
