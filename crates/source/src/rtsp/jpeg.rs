//! Pictures of RTP/JPEG (RFC 2435), put together as cameras send them.
//!
//! Tables that are sent once, of 16 bits, pictures that are larger than their header can say, and the
//! header extensions of ONVIF are all there. Only pictures of which no packet is missing come out.

pub(super) mod fuzzed;
mod header;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use rtsp::unpack::Rtp;

use self::header::{Before, Picture, Tables};

/// The RTP header extensions that bring parts of a JPEG header: of a picture's first packet, of further
/// ones (ONVIF Streaming Specification, "JPEG over RTP").
const EXTENSIONS: [u16; 2] = [0xFFD8, 0xFFFF];
/// What such extensions may bring in a picture.
const MOST_EXTENSION: usize = 64 << 10;
const END: [u8; 2] = [0xFF, 0xD9];

/// A whole picture.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) data: Bytes,
    /// One before it, or a part of one, did not come.
    pub(super) lost: bool,
}

/// Puts the pictures of one track together.
pub(super) struct Assembler {
    /// Bytes of a picture that may come.
    most: usize,
    picture: Option<Picture>,
    /// Tables that were sent, by their Q: 127 at most.
    tables: BTreeMap<u8, Tables>,
    before: Before,
    /// A picture was lost since the last whole one.
    lost: bool,
}

impl Assembler {
    pub(super) fn new(most: usize) -> Self {
        Self { most, picture: None, tables: BTreeMap::new(), before: Before::default(), lost: false }
    }

    /// The session description tells how large pictures are whose own headers do not.
    pub(super) fn described(&mut self, size: (u16, u16)) {
        self.before.described = Some(size);
    }

    /// Takes the next packet; some before it did not come, if it `is_lossy`. Gives the picture that ends in it.
    ///
    /// # Errors
    /// What is wrong with it. Its picture is given up, and what follows may be good.
    pub(super) fn handle(&mut self, packet: &Rtp<'_>, is_lossy: bool) -> Result<Option<Whole>, &'static str> {
        if is_lossy {
            self.give_up();
        }
        self.take(packet).inspect_err(|_| self.give_up())
    }

    fn give_up(&mut self) {
        self.picture = None;
        self.lost = true;
    }

    fn take(&mut self, rtp: &Rtp<'_>) -> Result<Option<Whole>, &'static str> {
        let extension = rtp.extension.filter(|(profile, _)| EXTENSIONS.contains(profile)).map(|(_, said)| said);
        let Some((main, mut rest)) = header::main(rtp.payload) else {
            // Such packets bring an extension only.
            let picture = self.picture.as_mut().filter(|_| extension.is_some()).ok_or("it has no JPEG header")?;
            picture.extend(extension, &[], MOST_EXTENSION)?;
            return if rtp.marker { self.finish() } else { Ok(None) };
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
        picture.extend(extension, rest, MOST_EXTENSION)?;
        if picture.scan.len() > self.most {
            return Err("its picture is too large");
        }
        if rtp.marker { self.finish() } else { Ok(None) }
    }

    fn finish(&mut self) -> Result<Option<Whole>, &'static str> {
        let Some(picture) = self.picture.take() else { return Ok(None) };
        let head = header::write(&picture, &mut self.before)?;
        let scan = picture.scan;
        let mut data = BytesMut::with_capacity(head.len() + scan.len() + END.len());
        data.extend_from_slice(&head);
        data.extend_from_slice(&scan);
        if !scan.ends_with(&END) {
            data.extend_from_slice(&END);
        }
        Ok(Some(Whole { data: data.freeze(), lost: std::mem::take(&mut self.lost) }))
    }
}

#[cfg(test)]
mod tests;
