//! Transfer-Encoding: chunked (RFC 9112 7.1).

use crate::Error;

/// The longest line with the length of a chunk, in bytes: extensions are passed over.
const MAX_LINE: u32 = 4 << 10;

/// Takes the chunks of a body apart.
///
/// Line ends may be LF only, missing, or too many. A body that does not begin with a
/// length, though the head said so, is passed on as it is.
#[derive(Debug)]
pub struct Dechunker {
    state: State,
    /// Bytes taken, for the error.
    taken: u64,
    first: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Before the first digit of a length.
    Before,
    Length {
        value: u64,
        digits: u32,
    },
    /// In an extension, up to the end of the line.
    Extension {
        value: u64,
        passed: u32,
    },
    Data(u64),
    /// Not in chunks at all.
    Raw,
    /// Behind the last chunk, up to an empty line (RFC 9112 7.1.2).
    Trailer {
        empty: bool,
    },
    Ended,
}

impl Default for Dechunker {
    fn default() -> Self {
        Self { state: State::Before, taken: 0, first: true }
    }
}

impl Dechunker {
    /// Before the first byte of the body.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the last chunk has come. Of what follows nothing is kept.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Trailer { .. } | State::Ended)
    }

    /// Whether the empty line behind the last chunk has come, too: what follows then is another
    /// answer.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Takes bytes from the front of `input` up to the end of the next piece of data and
    /// returns that; nothing when all are taken or the body has ended.
    ///
    /// # Errors
    /// When there is no length where one should be.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<&'a [u8]>, Error> {
        while let [byte, rest @ ..] = *input {
            match self.state {
                State::Ended => return Ok(None),
                State::Raw => return Ok(Some(std::mem::take(input))),
                State::Data(left) => {
                    let now = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
                    let (data, rest) = input.split_at(now);
                    *input = rest;
                    self.taken += now as u64;
                    let left = left - now as u64;
                    self.state = if left == 0 { State::Before } else { State::Data(left) };
                    return Ok(Some(data));
                }
                State::Before if self.first && !byte.is_ascii_hexdigit() && !byte.is_ascii_whitespace() => {
                    self.state = State::Raw;
                    continue;
                }
                State::Trailer { empty } => {
                    self.state = match (byte, empty) {
                        (b'\n', true) => State::Ended,
                        (b'\n', false) => State::Trailer { empty: true },
                        (b'\r', _) => State::Trailer { empty },
                        _ => State::Trailer { empty: false },
                    };
                }
                State::Before | State::Length { .. } | State::Extension { .. } => self.line(*byte)?,
            }
            self.taken += 1;
            *input = rest;
        }
        Ok(None)
    }

    /// One byte of a line with a length.
    fn line(&mut self, byte: u8) -> Result<(), Error> {
        let wrong = Error::Chunk { at: self.taken, found: byte };
        let digit = char::from(byte).to_digit(16);
        self.state = match (self.state, byte, digit) {
            (State::Before, b'\r' | b'\n' | b' ' | b'\t', _) => State::Before,
            (State::Before, _, Some(digit)) => State::Length { value: digit.into(), digits: 1 },
            (State::Length { digits: 15.., .. }, _, Some(_)) => return Err(wrong),
            (State::Length { value, digits }, _, Some(digit)) => {
                State::Length { value: value << 4 | u64::from(digit), digits: digits + 1 }
            }
            (State::Length { value, .. } | State::Extension { value, .. }, b'\n', _) => {
                self.first = false;
                if value == 0 { State::Trailer { empty: true } } else { State::Data(value) }
            }
            (State::Length { value, .. }, b'\r' | b';' | b' ' | b'\t', _) => State::Extension { value, passed: 0 },
            (State::Extension { value, passed }, ..) if passed < MAX_LINE => {
                State::Extension { value, passed: passed + 1 }
            }
            _ => return Err(wrong),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &[u8], size: usize) -> (Vec<u8>, bool, Option<Error>) {
        let mut dechunker = Dechunker::new();
        let mut data = Vec::new();
        for mut slice in body.chunks(size) {
            loop {
                match dechunker.next(&mut slice) {
                    Ok(Some(piece)) => data.extend_from_slice(piece),
                    Ok(None) => break,
                    Err(error) => return (data, false, Some(error)),
                }
            }
        }
        (data, dechunker.is_ended(), None)
    }

    #[test]
    fn chunks_are_taken_apart_in_any_slices() {
        for (body, data, ended) in [
            (&b"4\r\nabcd\r\n0A\r\n0123456789\r\n0\r\n\r\n"[..], &b"abcd0123456789"[..], true),
            (b"4;name=value\r\nabcd\r\n2 \r\nef\r\n", b"abcdef", false),
            (b"4\nabcd\n2\nef\n0\n\n", b"abcdef", true),
            (b"4\r\nabcd2\r\nef\r\n\r\n\r\n1\r\ng\r\n0\r\nTrailer: x\r\n\r\n", b"abcdefg", true),
            (b"--b\r\n4\r\nnot chunked", b"--b\r\n4\r\nnot chunked", false),
            (b"\xFF\xD8\xFF", b"\xFF\xD8\xFF", false),
        ] {
            for size in 1..=body.len() {
                assert_eq!(read(body, size), (data.to_vec(), ended, None), "in slices of {size}");
            }
        }
    }

    #[test]
    fn a_chunk_without_a_length_is_an_error_with_its_place() {
        let (data, _, error) = read(b"4\r\nabcdefgh", 3);
        assert_eq!(data, b"abcd");
        // `ef` could be a length, `g` cannot.
        assert_eq!(
            error.unwrap().to_string(),
            "byte 9 of the body: expected the length of a chunk in hexadecimal, found 67"
        );
        assert!(read(b"ffffffffffffffffff\r\n", 100).2.is_some());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics_and_slicing_never_matters(body in "[0-9a-fx;\r\n -]{0,300}", size in 1..50usize) {
            proptest::prop_assert_eq!(read(body.as_bytes(), size), read(body.as_bytes(), body.len().max(1)));
        }

        #[test]
        fn no_bytes_panic(body: Vec<u8>, size in 1..50usize) {
            let _ = read(&body, size);
        }
    }
}
