//! ASF packets out of RTP payloads of the format `x-asf-pf` ([MS-RTSP] 2.2.1).
//!
//! A payload is a row of headers of 4 to 16 bytes, each with an ASF packet behind it, or one
//! header with a piece of an ASF packet that is spread over several payloads.
//!
//! On the length in a header opinions differ: the text counts the ASF packet alone, servers
//! count their header in. Which one it is shows at the end of the payload: only with the right
//! one the last packet ends there.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// The most bytes of an ASF packet; sizes over the network have 16 bits everywhere else.
pub(crate) const MOST_PACKET: usize = 65535;

/// The ASF packet has a keyframe.
pub(crate) const KEY: u8 = 0x80;
/// A length follows, since the packet is whole; the place of a piece otherwise.
pub(crate) const WHOLE: u8 = 0x40;
/// The send time's distance from the RTP timestamp follows.
pub(crate) const RELATIVE_TIME: u8 = 0x20;
/// A duration follows.
pub(crate) const DURATION: u8 = 0x10;
/// The ASF packet's number in the content follows.
pub(crate) const LOCATION: u8 = 0x08;

/// What a length in a header counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// The header and the ASF packet: servers, and FFmpeg's reading.
    WithHeader,
    /// The ASF packet: the text of [MS-RTSP] 2.2.1.3.
    PacketOnly,
}

/// An ASF packet as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AsfPacket {
    /// Its number in the content, if the server tells.
    pub location: Option<u32>,
    /// How many were lost just before it: RTP packets that did not come, and ASF packets
    /// of which a piece is missing.
    pub lost: u32,
    pub data: Bytes,
}

/// Puts the payloads of one source together, which come in order.
#[derive(Debug, Default)]
pub(crate) struct Depacketizer {
    /// What this server's lengths count, once it showed.
    length: Option<Length>,
    /// The pieces of an unfinished ASF packet, without a gap from its begin on.
    partial: Option<BytesMut>,
    lost: u32,
}

/// One header, and where its data begins.
struct Header {
    flags: u8,
    /// Length or place.
    value: usize,
    location: Option<u32>,
    /// Offset in the payload of the header and of what follows it.
    begin: usize,
    data: usize,
}

impl Depacketizer {
    /// Takes a payload and how many packets are missing before it, and hands out the ASF
    /// packets that are whole.
    pub fn handle_payload(&mut self, payload: &Bytes, marker: bool, missing: u32, mut out: impl FnMut(AsfPacket)) {
        self.lost = self.lost.saturating_add(missing);
        if missing > 0 {
            self.partial = None;
        }
        let length = self.decide(payload);
        let mut at = 0;
        let mut whole = 0;
        while let Some(header) = Header::parse(payload, at) {
            if header.flags & WHOLE == 0 {
                // The marker is of whole packets if there are any.
                self.piece(payload, &header, marker && whole == 0, &mut out);
                return;
            }
            let Some(end) = header.end(length).filter(|end| *end <= payload.len()) else { break };
            self.abandon();
            if end - header.data > MOST_PACKET {
                self.lost = self.lost.saturating_add(1);
            } else if end > header.data {
                let lost = std::mem::take(&mut self.lost);
                out(AsfPacket { location: header.location, lost, data: cut(payload, header.data..end) });
            }
            whole += 1;
            at = end;
        }
        if whole == 0 {
            // Nothing of it made sense.
            self.abandon();
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// A piece goes to the end of its payload.
    fn piece(&mut self, payload: &Bytes, header: &Header, last: bool, out: &mut impl FnMut(AsfPacket)) {
        let piece = &payload[header.data..];
        if header.value == 0 {
            self.abandon();
            self.partial = Some(BytesMut::new());
        }
        let Some(mut partial) = self.partial.take() else {
            // Its begin is missing and counted. Without a loss it never came.
            if last && self.lost == 0 {
                self.lost = 1;
            }
            return;
        };
        if header.value != partial.len() || partial.len() + piece.len() > MOST_PACKET {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        partial.extend_from_slice(piece);
        if !last {
            self.partial = Some(partial);
        } else if !partial.is_empty() {
            let lost = std::mem::take(&mut self.lost);
            out(AsfPacket { location: header.location, lost, data: partial.freeze() });
        }
    }

    /// The end of the pieces did not come.
    fn abandon(&mut self) {
        if self.partial.take().is_some_and(|partial| !partial.is_empty()) {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// What the lengths in this payload count.
    fn decide(&mut self, payload: &Bytes) -> Length {
        let known = self.length.unwrap_or(Length::WithHeader);
        let other = if known == Length::WithHeader { Length::PacketOnly } else { Length::WithHeader };
        let [known_fit, other_fit] = [known, other].map(|length| fit(payload, length));
        if known_fit == Fit::Whole || other_fit == Fit::Whole {
            let length = if known_fit == Fit::Whole { known } else { other };
            self.length = Some(length);
            return length;
        }
        if known_fit == Fit::None && other_fit == Fit::Piece { other } else { known }
    }
}

/// A part of a payload. Small ones are copied, so that none keeps more than twice its bytes.
fn cut(payload: &Bytes, range: Range<usize>) -> Bytes {
    if range.len() * 2 < payload.len() { Bytes::copy_from_slice(&payload[range]) } else { payload.slice(range) }
}

/// How well a reading of the lengths fits a payload.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// A row of whole packets ends where the payload ends.
    Whole,
    /// What may be the first piece of another packet stands behind the row.
    Piece,
    None,
}

fn fit(payload: &Bytes, length: Length) -> Fit {
    let mut at = 0;
    while at < payload.len() {
        let Some(header) = Header::parse(payload, at) else { return Fit::None };
        if header.flags & WHOLE == 0 {
            return if at > 0 && header.value == 0 { Fit::Piece } else { Fit::None };
        }
        match header.end(length).filter(|end| *end <= payload.len()) {
            Some(end) => at = end,
            None => return Fit::None,
        }
    }
    Fit::Whole
}

impl Header {
    fn parse(payload: &Bytes, begin: usize) -> Option<Self> {
        let mut rest = payload.get(begin..)?;
        let mut word = || {
            let (word, after) = rest.split_first_chunk::<4>()?;
            rest = after;
            Some(u32::from_be_bytes(*word))
        };
        let first = word()?;
        // The upper byte is the flags, the others the value.
        let (flags, value) = ((first >> 24) as u8, (first & 0x00FF_FFFF) as usize);
        for _ in [RELATIVE_TIME, DURATION].iter().filter(|flag| flags & **flag != 0) {
            word()?;
        }
        let location = if flags & LOCATION != 0 { Some(word()?) } else { None };
        Some(Self { flags, value, location, begin, data: payload.len() - rest.len() })
    }

    /// Offset of the end of the whole packet behind it.
    fn end(&self, length: Length) -> Option<usize> {
        match length {
            Length::WithHeader => Some(self.begin + self.value).filter(|end| *end >= self.data),
            Length::PacketOnly => Some(self.data + self.value),
        }
    }
}

#[cfg(test)]
mod tests;
