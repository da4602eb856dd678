//! WebSocket (RFC 6455), as far as whoever only listens needs it: the bytes of binary messages,
//! one after the other, and what has to be answered.

use crate::Error;

/// The longest payload of a control frame, in bytes (RFC 6455 section 5.5).
pub const MAX_CONTROL: usize = 125;

/// What a frame brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// Bytes of a binary message, or of a part of one.
    Data(&'a [u8]),
    /// To be answered with [`pong`] of the same bytes.
    Ping(Vec<u8>),
}

/// Takes the frames of a server apart, in any slices. Text messages are passed over.
#[derive(Debug, Default)]
pub struct Deframer {
    state: State,
    /// Bytes taken, for the error.
    taken: u64,
    /// The message under way is binary.
    binary: bool,
    ended: bool,
}

#[derive(Debug)]
enum State {
    Header(Vec<u8>),
    Data(u64),
    Passed(u64),
    Control { opcode: u8, left: usize, payload: Vec<u8> },
}

impl Default for State {
    fn default() -> Self {
        Self::Header(Vec::new())
    }
}

// RFC 6455 section 11.8.
const CONTINUATION: u8 = 0;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;

impl Deframer {
    /// Before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the server has said that it closes.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Takes bytes from the front of `input`; nothing when all are taken, or after the end.
    ///
    /// # Errors
    /// [`Error::WebSocket`] for a frame that no server may send.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Error> {
        while !self.ended && !input.is_empty() {
            match &mut self.state {
                State::Header(header) => {
                    let (byte, rest) = (input[0], &input[1..]);
                    header.push(byte);
                    *input = rest;
                    self.taken += 1;
                    if let Some(length) = length_of(header) {
                        let first = header[0];
                        self.begin(first, length)?;
                    }
                }
                State::Data(left) | State::Passed(left) => {
                    let now = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
                    let (data, rest) = input.split_at(now);
                    *input = rest;
                    self.taken += now as u64;
                    *left -= now as u64;
                    let (over, wanted) = (*left == 0, matches!(self.state, State::Data(_)));
                    if over {
                        self.state = State::default();
                    }
                    if wanted && now > 0 {
                        return Ok(Some(Frame::Data(data)));
                    }
                }
                State::Control { opcode, left, payload } => {
                    let now = (*left).min(input.len());
                    payload.extend_from_slice(&input[..now]);
                    *input = &input[now..];
                    self.taken += now as u64;
                    *left -= now;
                    if *left == 0 {
                        let (opcode, payload) = (*opcode, std::mem::take(payload));
                        self.state = State::default();
                        if let Some(ping) = self.control(opcode, payload) {
                            return Ok(Some(ping));
                        }
                    }
                }
            }
        }
        Ok(None)
    }

    /// A frame of `length` bytes whose first byte is `first`.
    fn begin(&mut self, first: u8, length: Length) -> Result<(), Error> {
        let opcode = first & 0x0F;
        let wrong = |what| Error::WebSocket { at: self.taken, what };
        let length = match length {
            Length::Masked => return Err(wrong("a WebSocket frame that is masked, as only clients' are")),
            Length::Is(_) if first & 0x70 != 0 => return Err(wrong("a WebSocket extension that nobody asked for")),
            Length::Is(length) if length >> 63 != 0 => return Err(wrong("a WebSocket frame of 2^63 bytes or more")),
            Length::Is(length) => length,
        };
        self.state = match (opcode, usize::try_from(length)) {
            (CLOSE.., Ok(left @ 0..=MAX_CONTROL)) => State::Control { opcode, left, payload: Vec::new() },
            (CLOSE.., _) => return Err(wrong("a WebSocket control frame of more than 125 bytes")),
            _ => {
                if opcode != CONTINUATION {
                    self.binary = opcode == BINARY;
                }
                if self.binary { State::Data(length) } else { State::Passed(length) }
            }
        };
        // An empty one is over already.
        match self.state {
            State::Data(0) | State::Passed(0) => self.state = State::default(),
            State::Control { left: 0, opcode: CLOSE, .. } => self.ended = true,
            State::Control { left: 0, opcode, .. } if opcode != PING => self.state = State::default(),
            _ => {}
        }
        Ok(())
    }

    fn control(&mut self, opcode: u8, payload: Vec<u8>) -> Option<Frame<'static>> {
        self.ended |= opcode == CLOSE;
        (opcode == PING).then_some(Frame::Ping(payload))
    }
}

enum Length {
    Is(u64),
    Masked,
}

/// The length of the payload, when the header is whole (RFC 6455 section 5.2).
fn length_of(header: &[u8]) -> Option<Length> {
    let second = *header.get(1)?;
    if second & 0x80 != 0 {
        return Some(Length::Masked);
    }
    let extended = match second {
        126 => header.get(2..4)?,
        127 => header.get(2..10)?,
        length => return Some(Length::Is(u64::from(length))),
    };
    Some(Length::Is(extended.iter().fold(0, |length, byte| length << 8 | u64::from(*byte))))
}

/// The answer to a ping, as a client sends it: masked with `mask` (RFC 6455 section 5.3). More
/// than [`MAX_CONTROL`] bytes are cut off.
#[must_use]
pub fn pong(payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(MAX_CONTROL)];
    let mut frame = vec![0x8A, 0x80 | payload.len() as u8];
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len();
        let mut frame = vec![first];
        match length {
            0..=125 => frame.push(length as u8),
            126..=0xFFFF => frame.extend([&[126][..], &(length as u16).to_be_bytes()].concat()),
            _ => frame.extend([&[127][..], &(length as u64).to_be_bytes()].concat()),
        }
        frame.extend(payload);
        frame
    }

    /// The data, the pings, and whether it ended.
    type Run = (Vec<u8>, Vec<Vec<u8>>, bool);

    fn run<'a>(slices: impl Iterator<Item = &'a [u8]>) -> Result<Run, Error> {
        let mut deframer = Deframer::new();
        let (mut data, mut pings) = (Vec::new(), Vec::new());
        for mut slice in slices {
            while let Some(frame) = deframer.next(&mut slice)? {
                match frame {
                    Frame::Data(bytes) => data.extend_from_slice(bytes),
                    Frame::Ping(bytes) => pings.push(bytes),
                }
            }
        }
        Ok((data, pings, deframer.is_ended()))
    }

    #[test]
    fn slicing_of_the_input_never_matters() {
        let long = vec![7; 70_000];
        let script = [
            frame(0x82, b"abc"),
            frame(0x81, b"a text"),
            frame(0x02, b"d"),
            frame(0x89, b"are you there"),
            frame(0x80, b"ef"),
            frame(0x82, b""),
            frame(0x8A, b""),
            frame(0x82, &vec![6; 300]),
            frame(0x82, &long),
            frame(0x88, b"\x03\xE8bye"),
            frame(0x82, b"too late"),
        ]
        .concat();
        let whole = run(std::iter::once(&script[..])).unwrap();
        assert_eq!(whole.0, [b"abcdef", &vec![6; 300][..], &long].concat());
        assert_eq!((&whole.1[..], whole.2), (&[b"are you there".to_vec()][..], true));
        for size in [1, 2, 3, 5, 7, 100, 4096] {
            assert!(run(script.chunks(size)).unwrap() == whole, "in slices of {size}");
        }
    }

    #[test]
    fn an_empty_close_ends_it() {
        assert_eq!(run(std::iter::once(&[0x88, 0, 0x82, 1, 1][..])), Ok((vec![], vec![], true)));
        assert_eq!(run([&[0x89, 0, 0x82, 1][..], &[1]].into_iter()), Ok((vec![1], vec![vec![]], false)));
    }

    #[test]
    fn what_no_server_may_send_is_told_with_its_place() {
        for (bytes, expected) in [
            (&[0x82, 0x81][..], "byte 2: found a WebSocket frame that is masked, as only clients' are"),
            (&[0x82, 0, 0xC2, 0], "byte 4: found a WebSocket extension that nobody asked for"),
            (&[0x89, 126, 1, 0], "byte 4: found a WebSocket control frame of more than 125 bytes"),
        ] {
            assert_eq!(run(std::iter::once(bytes)).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn a_pong_is_masked_and_bounded() {
        assert_eq!(pong(b"ab", [1, 2, 3, 4]), [0x8A, 0x82, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2]);
        assert_eq!(pong(&[0; 500], [0; 4]).len(), 6 + MAX_CONTROL);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, size in 1..50usize) {
            let _ = run(bytes.chunks(size));
        }
    }
}
