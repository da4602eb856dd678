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

use std::time::{SystemTime, UNIX_EPOCH};

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
}

impl Head {
    /// What [`Head::write`] appends at most, in bytes.
    pub const MAX: usize = 128;

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
    use std::time::Duration;

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
            Head { length, captured: UNIX_EPOCH + Duration::from_micros(micros) }.write(&mut out);
            let expected = format!("Content-Type: image/jpeg\r\nContent-Length: {expected}\r\n\r\n");
            assert_eq!(String::from_utf8_lossy(&out), expected);
            assert!(out.len() <= Head::MAX);
        }
        assert_eq!(out.as_ptr(), place);
    }

    #[test]
    fn the_constants_agree_on_the_boundary() {
        let boundary = CONTENT_TYPE.split_once("boundary=").unwrap().1;
        assert_eq!(OPENING, format!("--{boundary}\r\n").as_bytes());
        assert_eq!(BETWEEN, [b"\r\n", OPENING].concat());
        assert_eq!(CLOSING, format!("--{boundary}--\r\n").as_bytes());
    }
}
