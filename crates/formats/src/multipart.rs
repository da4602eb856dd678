//! multipart/x-mixed-replace: the pictures of an MJPEG stream one after the other.
//!
//! What we send is one form, with a length and a time in every part; a reader can show
//! each picture at its last byte, since [`BETWEEN`] is sent along with it:
//!
//! ```text
//! OPENING (Head picture BETWEEN)* CLOSING
//! ```
//!
//! What cameras send has any form; [`Reader`] goes by the JPEG markers.

mod reader;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use reader::{Part, Reader};

/// The Content-Type of the whole answer.
pub const CONTENT_TYPE: &str = "multipart/x-mixed-replace;boundary=headwater";
/// Sent before the first part.
pub const OPENING: &[u8] = b"--headwater\r\n";
/// Sent right after each picture.
pub const BETWEEN: &[u8] = b"\r\n--headwater\r\n";
/// Sent after the last [`BETWEEN`], when the stream ends in order.
pub const CLOSING: &[u8] = b"--headwater--\r\n";

/// The header lines of a part, with the blank line that ends them.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Length of the picture in bytes.
    pub length: usize,
    /// When it was taken, or came here; goes out as `X-Timestamp` in seconds since 1970.
    pub captured: SystemTime,
    /// The picture's number, which rises; goes out as `X-Sequence`.
    pub sequence: u64,
    /// How old it is as it goes out and how many pictures this reader has missed so far, for
    /// readers who asked: `X-Age` in milliseconds and `X-Dropped`.
    pub report: Option<(Duration, u64)>,
}

impl Head {
    /// What [`Head::write`] appends at most, in bytes.
    pub const MAX: usize = 256;

    /// Appends the lines to `out`; does not allocate where it has [`Head::MAX`] bytes of
    /// room. A time before 1970 is sent as 0.
    pub fn write(&self, out: &mut Vec<u8>) {
        let since = self.captured.duration_since(UNIX_EPOCH).unwrap_or_default();
        out.extend_from_slice(b"Content-Type: image/jpeg\r\nContent-Length: ");
        write_number(out, self.length as u64, 1);
        out.extend_from_slice(b"\r\nX-Timestamp: ");
        write_number(out, since.as_secs(), 1);
        out.push(b'.');
        write_number(out, u64::from(since.subsec_micros()), 6);
        out.extend_from_slice(b"\r\nX-Sequence: ");
        write_number(out, self.sequence, 1);
        if let Some((age, dropped)) = self.report {
            out.extend_from_slice(b"\r\nX-Age: ");
            write_number(out, u64::try_from(age.as_millis()).unwrap_or(u64::MAX), 1);
            out.extend_from_slice(b"\r\nX-Dropped: ");
            write_number(out, dropped, 1);
        }
        out.extend_from_slice(b"\r\n\r\n");
    }
}

/// Appends `number` in decimal, with zeros in front up to `width` digits.
fn write_number(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut begin = digits.len();
    while number > 0 {
        begin -= 1;
        digits[begin] += (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[begin.min(digits.len() - width)..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_written_byte_for_byte_without_allocating() {
        let mut out = Vec::with_capacity(Head::MAX);
        let place = out.as_ptr();
        for (length, micros, expected) in [
            (12_345, 1_700_000_000_000_042, "12345\r\nX-Timestamp: 1700000000.000042"),
            (0, 0, "0\r\nX-Timestamp: 0.000000"),
            (usize::MAX, i64::MAX as u64, "18446744073709551615\r\nX-Timestamp: 9223372036854.775807"),
        ] {
            out.clear();
            let captured = UNIX_EPOCH + Duration::from_micros(micros);
            Head { length, captured, sequence: micros, report: None }.write(&mut out);
            let expected =
                format!("Content-Type: image/jpeg\r\nContent-Length: {expected}\r\nX-Sequence: {micros}\r\n\r\n");
            assert_eq!(String::from_utf8_lossy(&out), expected);
            assert!(out.len() <= Head::MAX);
        }
        assert_eq!(out.as_ptr(), place);
    }

    #[test]
    fn a_reader_that_asked_is_told_age_and_losses() {
        let mut out = Vec::new();
        let report = Some((Duration::from_millis(1234), u64::MAX));
        Head { length: usize::MAX, captured: UNIX_EPOCH, sequence: u64::MAX, report }.write(&mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("\r\nX-Age: 1234\r\nX-Dropped: 18446744073709551615\r\n\r\n"), "{text}");
        assert!(text.len() <= Head::MAX, "{}", text.len());
    }

    #[test]
    fn the_constants_agree_on_the_boundary() {
        let boundary = CONTENT_TYPE.split_once("boundary=").unwrap().1;
        assert_eq!(OPENING, format!("--{boundary}\r\n").as_bytes());
        assert_eq!(BETWEEN, [b"\r\n", OPENING].concat());
        assert_eq!(CLOSING, format!("--{boundary}--\r\n").as_bytes());
    }
}
