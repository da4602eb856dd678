//! TcpMessageHeaders and Data packets, in turns on one connection ([MS-MMSP] 2.2.3).

use std::time::Instant;

use bytes::Bytes;

use super::data::{DATA_HEADER, Data, DataHeader};
use super::{SEAL, SESSION_ID};
use crate::Error;

/// Bytes of a TcpMessageHeader before its messages.
pub const TCP_MESSAGE_HEADER: usize = 32;
/// Bytes that messageLength counts besides the messages.
const COUNTED_HEADER: usize = 16;

/// What comes next on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A control message, for [`super::MacToViewer::decode`] or [`super::ViewerToMac::decode`].
    Message {
        /// What it is ([`super::mid`]).
        mid: u32,
        /// Its fields, and its padding.
        body: Bytes,
    },
    /// A Data packet.
    Data(Data),
}

/// Takes a connection apart, whatever slices it comes in.
///
/// Each byte of a payload is copied once, into an allocation of the payload's size. It holds
/// one message or one packet, and no more than its limit or 64 KiB.
#[derive(Debug)]
pub struct Deframer {
    /// Most bytes of messages in one header.
    limit: usize,
    /// Bytes of the connection that are taken.
    at: u64,
    /// Whether a header has come. Until then nothing else may.
    has_begun: bool,
    head: [u8; TCP_MESSAGE_HEADER],
    head_len: usize,
    body: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The bytes that tell control from data, and the rest of a header.
    Head,
    /// The messages of a header, this many bytes.
    Messages(usize),
    /// The payload of a Data packet.
    Payload(DataHeader, usize),
    /// Messages that came whole.
    Split(Bytes),
}

impl Deframer {
    /// Takes messages of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let head = [0; TCP_MESSAGE_HEADER];
        Self { limit, at: 0, has_begun: false, head, head_len: 0, body: Vec::new(), state: State::Head }
    }

    /// Bytes of the connection that are taken, the unfinished ones included.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Takes bytes off `input` until a message or packet is whole. `None` when all are taken
    /// and nothing is.
    ///
    /// # Errors
    /// When they are not MMS, when a header breaks its rules, or when messages are larger
    /// than the limit. There is no way on after that: the place of the next header is not known.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, Error> {
        loop {
            match &mut self.state {
                State::Head => {
                    if !self.take_head(input, DATA_HEADER) {
                        return Ok(None);
                    }
                    if self.head_u32(4) == SESSION_ID {
                        if !self.take_head(input, TCP_MESSAGE_HEADER) {
                            return Ok(None);
                        }
                        self.state = State::Messages(self.messages_size()?);
                    } else {
                        self.state = self.payload()?;
                    }
                    self.head_len = 0;
                }
                State::Messages(size) => {
                    let size = *size;
                    let Some(messages) = self.take_body(input, size) else { return Ok(None) };
                    self.state = State::Split(messages);
                }
                State::Payload(header, size) => {
                    let (header, size) = (*header, *size);
                    let Some(payload) = self.take_body(input, size) else { return Ok(None) };
                    self.state = State::Head;
                    return Ok(Some(Frame::Data(Data::new(header, payload))));
                }
                State::Split(messages) => match split(messages)? {
                    Some(message) => return Ok(Some(message)),
                    None => self.state = State::Head,
                },
            }
        }
    }

    /// Fills the head to `size` bytes; whether it is full.
    fn take_head(&mut self, input: &mut &[u8], size: usize) -> bool {
        let wanted = size.saturating_sub(self.head_len);
        let (taken, rest) = input.split_at(wanted.min(input.len()));
        self.head[self.head_len..self.head_len + taken.len()].copy_from_slice(taken);
        self.head_len += taken.len();
        self.at += taken.len() as u64;
        *input = rest;
        self.head_len >= size
    }

    /// Fills the body to `size` bytes; the body when it is full.
    fn take_body(&mut self, input: &mut &[u8], size: usize) -> Option<Bytes> {
        let (taken, rest) = input.split_at((size - self.body.len()).min(input.len()));
        if self.body.capacity() < size {
            self.body.reserve_exact(size - self.body.len());
        }
        self.body.extend_from_slice(taken);
        self.at += taken.len() as u64;
        *input = rest;
        (self.body.len() == size).then(|| Bytes::from(std::mem::take(&mut self.body)))
    }

    fn head_u32(&self, at: usize) -> u32 {
        self.head.get(at..).and_then(|field| field.first_chunk()).map_or(0, |field| u32::from_le_bytes(*field))
    }

    /// Where the present head begins on the connection.
    fn head_at(&self) -> u64 {
        self.at - self.head_len as u64
    }

    /// How many bytes of messages follow the TcpMessageHeader in the head.
    fn messages_size(&mut self) -> Result<usize, Error> {
        let malformed = |what| Err(Error::Malformed { message: "TcpMessageHeader", what });
        let seal = self.head_u32(12);
        if seal != SEAL {
            return malformed(format!(
                "byte {}: expected the seal {SEAL:#010x}, found {seal:#010x}",
                self.head_at() + 12
            ));
        }
        self.has_begun = true;
        let length = self.head_u32(8);
        let Some(size) = usize::try_from(length).ok().and_then(|length| length.checked_sub(COUNTED_HEADER)) else {
            let at = self.head_at() + 8;
            return malformed(format!(
                "byte {at}: messageLength is {length}, and 16 bytes of the header count already"
            ));
        };
        if size > self.limit {
            let (size, limit) = (u64::from(length) - COUNTED_HEADER as u64, self.limit as u64);
            return Err(Error::TooLarge { what: "a control message", size, limit });
        }
        Ok(size)
    }

    /// The head is no TcpMessageHeader: it is a Data packet's, once there has been one.
    fn payload(&self) -> Result<State, Error> {
        if !self.has_begun {
            let expected = "the MMS session id, bytes ce fa 0b b0";
            let found = found(self.head.get(..DATA_HEADER).unwrap_or_default());
            return Err(Error::OtherProtocol { at: self.head_at() + 4, expected, found });
        }
        let header = DataHeader::decode(*self.head.first_chunk().expect("the head is longer than a Data packet's"));
        match header.payload_size() {
            Ok(size) => Ok(State::Payload(header, size)),
            Err(_) => {
                let what = format!("byte {}: neither a message nor a Data packet", self.head_at());
                let found = found(self.head.get(..DATA_HEADER).unwrap_or_default());
                Err(Error::Malformed { message: "Data", what: format!("{what}, found {found}") })
            }
        }
    }
}

/// Takes the first message off those of a header.
fn split(messages: &mut Bytes) -> Result<Option<Frame>, Error> {
    // What is shorter than a message's two fields is padding.
    let Some((fields, rest)) = messages.split_first_chunk::<8>() else { return Ok(None) };
    let [a, b, c, d, e, f, g, h] = *fields;
    let (chunks, mid) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let size = usize::try_from(chunks).ok().and_then(|chunks| chunks.checked_mul(8)?.checked_sub(8));
    let Some(size) = size.filter(|size| *size <= rest.len()) else {
        let left = messages.len() / 8;
        let what =
            format!("chunkLen of message {mid:#010x} is {chunks}; expected 1 to {left}, what the header has left");
        return Err(Error::Malformed { message: "TcpMessageHeader", what });
    };
    let mut message = messages.split_to(8 + size);
    Ok(Some(Frame::Message { mid, body: message.split_off(8) }))
}

/// Bytes for an error: as text if they are some, else in hexadecimal.
fn found(bytes: &[u8]) -> String {
    let is_text = bytes.iter().all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~'));
    if !bytes.is_empty() && is_text {
        return format!("{:?}", String::from_utf8_lossy(bytes));
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

/// Puts messages into TcpMessageHeaders, of which it keeps the numbers.
#[derive(Debug, Default)]
pub struct Framer {
    seq: u16,
    began: Option<Instant>,
}

impl Framer {
    /// Begins at number 0.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One message in a header of its own, as clients have to and servers should
    /// ([MS-MMSP] 3.1.5.1, 3.2.5.2).
    ///
    /// chunkCount is (16 + n) / 8, as every known program sends it, where the
    /// specification's text has (32 + n) / 8. timeSent is in milliseconds.
    pub fn frame(&mut self, now: Instant, message: &[u8]) -> Bytes {
        let size = message.len().next_multiple_of(8);
        let counted = u32::try_from(size + COUNTED_HEADER).unwrap_or(u32::MAX);
        let sent = now.saturating_duration_since(*self.began.get_or_insert(now));
        let mut frame = Vec::with_capacity(TCP_MESSAGE_HEADER + size);
        frame.extend_from_slice(&[1, 0, 0, 0]);
        for field in [SESSION_ID, counted, SEAL, counted / 8, u32::from(self.seq)] {
            frame.extend_from_slice(&field.to_le_bytes());
        }
        frame.extend_from_slice(&u64::try_from(sent.as_millis()).unwrap_or(u64::MAX).to_le_bytes());
        frame.extend_from_slice(message);
        frame.resize(TCP_MESSAGE_HEADER + size, 0);
        self.seq = self.seq.wrapping_add(1);
        frame.into()
    }
}
