//! Pictures of RTP/JPEG (RFC 2435), put together as cameras send them.
//!
//! `retina` takes pictures of the common kind only: it forgets tables that are sent once, knows none
//! of 16 bits, and has no word for what is larger than 2040 pixels a side. So pictures are made here, and
//! `retina` gets a stand-in for each, of a few bytes and with the picture's time, which it puts in its
//! place among the other tracks. Only pictures of which no packet is missing come out.

mod header;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use self::header::{Before, Picture, Tables};

/// The RTP header extensions that bring parts of a JPEG header: of a picture's first packet, of further
/// ones (ONVIF Streaming Specification, "JPEG over RTP").
const EXTENSIONS: [u16; 2] = [0xFFD8, 0xFFFF];
/// What such extensions may bring in a picture.
const MOST_EXTENSION: usize = 64 << 10;
/// Geovision GV-EBD4701, V1.02_2021_04_08, repeats a picture's last number with this payload type
/// (noted in retina's `InorderParser`).
const NO_PICTURE: u8 = 50;
const END: [u8; 2] = [0xFF, 0xD9];

/// A whole picture.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) data: Bytes,
    /// One before it, or a part of one, did not come.
    pub(super) lost: bool,
    /// What its client gets in its place: an RTP packet.
    pub(super) stand_in: [u8; 22],
}

/// Puts the pictures of one track together.
pub(super) struct Assembler {
    /// Bytes of a picture that may come.
    most: usize,
    /// The number that is due.
    due: Option<u16>,
    /// That of the next stand-in.
    number: Option<u16>,
    picture: Option<Picture>,
    /// Tables that were sent, by their Q: 127 at most.
    tables: BTreeMap<u8, Tables>,
    before: Before,
    /// A picture was lost since the last whole one.
    pub(super) lost: bool,
    /// What was wrong with the last packet that was no good.
    pub(super) complaint: Option<&'static str>,
}

impl Assembler {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            due: None,
            number: None,
            picture: None,
            tables: BTreeMap::new(),
            before: Before::default(),
            lost: false,
            complaint: None,
        }
    }

    /// The session description tells how large pictures are whose own headers do not.
    pub(super) fn described(&mut self, size: (u16, u16)) {
        self.before.described = Some(size);
    }

    /// Takes an RTP packet; gives the picture that ends in it.
    pub(super) fn handle(&mut self, packet: &[u8]) -> Option<Whole> {
        match self.take(packet) {
            Ok(whole) => whole,
            Err(complaint) => {
                tracing::debug!(complaint, "bad RTP/JPEG packet");
                self.complaint = Some(complaint);
                self.give_up();
                None
            }
        }
    }

    fn give_up(&mut self) {
        self.picture = None;
        self.lost = true;
    }

    fn take(&mut self, packet: &[u8]) -> Result<Option<Whole>, &'static str> {
        let rtp = Rtp::parse(packet).ok_or("it is no RTP")?;
        if rtp.payload_type == NO_PICTURE {
            return Ok(None);
        }
        if self.due.is_some_and(|due| due != rtp.number) {
            self.give_up();
        }
        self.due = Some(rtp.number.wrapping_add(1));
        self.number.get_or_insert(rtp.number);
        let Some((main, mut rest)) = header::main(rtp.payload) else {
            // Such packets bring an extension only.
            let picture = self.picture.as_mut().filter(|_| rtp.extension.is_some()).ok_or("it has no JPEG header")?;
            picture.extend(rtp.extension, &[], MOST_EXTENSION)?;
            return if rtp.is_last { self.finish(&rtp) } else { Ok(None) };
        };
        let begins = match &self.picture {
            None => main.offset == 0,
            Some(picture) => picture.timestamp != rtp.timestamp || main.offset == 0 && !picture.scan.is_empty(),
        };
        if begins {
            self.lost |= self.picture.take().is_some();
        }
        if main.offset == 0 {
            let tables = header::tables(&main, &mut rest, &mut self.tables)?;
            if self.picture.is_none() {
                self.picture = Some(Picture::new(rtp.timestamp, main, tables));
            }
        }
        let Some(picture) = &mut self.picture else {
            // The begin of this one was lost.
            self.lost = true;
            return Ok(None);
        };
        if !picture.is_extended() && main.offset as usize != picture.scan.len() {
            return Err("a part of its picture is missing");
        }
        picture.extend(rtp.extension, rest, MOST_EXTENSION)?;
        if picture.scan.len() > self.most {
            return Err("its picture is too large");
        }
        if rtp.is_last { self.finish(&rtp) } else { Ok(None) }
    }

    fn finish(&mut self, rtp: &Rtp<'_>) -> Result<Option<Whole>, &'static str> {
        let Some(picture) = self.picture.take() else { return Ok(None) };
        let head = header::write(&picture, &mut self.before)?;
        let scan = picture.scan;
        let mut data = BytesMut::with_capacity(head.len() + scan.len() + END.len());
        data.extend_from_slice(&head);
        data.extend_from_slice(&scan);
        if !scan.ends_with(&END) {
            data.extend_from_slice(&END);
        }
        let number = self.number.unwrap_or_default();
        self.number = Some(number.wrapping_add(1));
        let mut stand_in = [0; 22];
        stand_in[..2].copy_from_slice(&[0x80, 0x80 | rtp.payload_type]);
        stand_in[2..4].copy_from_slice(&number.to_be_bytes());
        stand_in[4..8].copy_from_slice(&picture.timestamp.to_be_bytes());
        stand_in[8..12].copy_from_slice(&rtp.sender);
        // Type 1, Q 50, one block, two bytes of scan.
        stand_in[16..20].copy_from_slice(&[1, 50, 1, 1]);
        Ok(Some(Whole { data: data.freeze(), lost: std::mem::take(&mut self.lost), stand_in }))
    }
}

/// An RTP packet (RFC 3550 section 5.1).
struct Rtp<'a> {
    number: u16,
    timestamp: u32,
    sender: [u8; 4],
    payload_type: u8,
    is_last: bool,
    /// Of ONVIF's, its payload.
    extension: Option<&'a [u8]>,
    payload: &'a [u8],
}

impl<'a> Rtp<'a> {
    fn parse(packet: &'a [u8]) -> Option<Self> {
        let &[flags, kind, n1, n0, t3, t2, t1, t0, s3, s2, s1, s0, ..] = packet else { return None };
        let mut begin = 12 + 4 * usize::from(flags & 15);
        let mut extension = None;
        if flags & 0x10 != 0 {
            let &[p1, p0, l1, l0] = packet.get(begin..begin + 4)? else { return None };
            let end = begin + 4 + 4 * usize::from(u16::from_be_bytes([l1, l0]));
            let payload = packet.get(begin + 4..end)?;
            extension = EXTENSIONS.contains(&u16::from_be_bytes([p1, p0])).then_some(payload);
            begin = end;
        }
        let padding = if flags & 0x20 != 0 { usize::from(*packet.last()?) } else { 0 };
        Some(Self {
            number: u16::from_be_bytes([n1, n0]),
            timestamp: u32::from_be_bytes([t3, t2, t1, t0]),
            sender: [s3, s2, s1, s0],
            payload_type: kind & 0x7F,
            is_last: kind & 0x80 != 0,
            extension,
            payload: packet.get(begin..packet.len().checked_sub(padding)?)?,
        })
    }
}

#[cfg(test)]
mod tests;
