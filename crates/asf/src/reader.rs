//! A byte stream that is an ASF file from its begin, cut into header and packets.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use crate::header::{DATA_HEAD, DataHead};
use crate::object;
use crate::{Error, Header, guid};

/// Largest index object that is kept, in bytes; a larger one is passed over.
pub const MAX_INDEX: usize = 4 << 20;

/// As [`MAX_INDEX`], without GUID and size.
const MOST: u64 = (MAX_INDEX - object::HEAD) as u64;
/// What tells a header from a packet.
const HEADER: [u8; 16] = guid::HEADER.to_bytes();

/// Cuts a file, or the plain answer of an HTTP server, into header, packets and indexes.
///
/// Bytes go in by [`Reader::handle_bytes`], and pieces come out of [`Reader::poll`]. Who has
/// much to read may call [`Reader::next`] instead, which lends most packets out of the bytes
/// it is given, without a copy:
///
/// ```
/// # fn read(file: &mut dyn std::io::Read) -> Result<(), Box<dyn std::error::Error>> {
/// let (mut reader, mut buffer) = (asf::Reader::new(), vec![0; 1 << 16]);
/// let mut demuxer = None;
/// loop {
///     let length = file.read(&mut buffer)?;
///     if length == 0 {
///         break reader.handle_end()?;
///     }
///     let mut bytes = &buffer[..length];
///     while let Some(piece) = reader.next(&mut bytes)? {
///         match (piece, &mut demuxer) {
///             (asf::Piece::Header(bytes), demuxer) => {
///                 let header = asf::Header::parse(&bytes)?;
///                 *demuxer = Some(asf::Demuxer::new(&header, &header.choose(&asf::Rule::Best).wanted())?);
///             }
///             (asf::Piece::Packet(packet), Some(demuxer)) => demuxer.handle_slice(packet),
///             _ => {}
///         }
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Content that has no known end, as that of a broadcast, goes on for as long as bytes come.
/// Where another file begins right behind the packets, its header follows.
///
/// Holds what has not been polled, and one header, packet or index that is not whole yet.
#[derive(Default)]
pub struct Reader {
    state: State,
    /// Bytes taken so far.
    at: u64,
    /// What is being gathered.
    gathered: Vec<u8>,
    /// What was gathered has been lent.
    lent: bool,
    /// How many bytes the data packets have.
    packet_size: usize,
    broadcast: bool,
    /// A Data Object has begun.
    begun: bool,
    items: VecDeque<Item>,
}

/// One piece of a file.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Item {
    /// The Header Object and the first 50 bytes of the Data Object, for [`Header::parse`].
    Header(Bytes),
    /// A data packet, as long as the header says that packets are.
    Packet(Bytes),
    /// A Simple Index or Index Object, for [`crate::Index`].
    Index(Bytes),
}

/// One piece of a file, lent as far as possible; the kinds are those of [`Item`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Piece<'a> {
    /// See [`Item::Header`].
    Header(Bytes),
    /// See [`Item::Packet`].
    Packet(&'a [u8]),
    /// See [`Item::Index`].
    Index(Bytes),
}

/// What is being waited for.
#[derive(Default, Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The Header Object and the head of the Data Object.
    #[default]
    Header,
    /// Data packets: bytes of the Data Object that are left, if that is known.
    Packets { left: Option<u64> },
    /// GUID and size of an object behind the Header or the Data Object.
    ObjectHead,
    /// The rest of the head of a Data Object that did not follow its header at once.
    DataHead,
    /// An index of that many bytes.
    Index(usize),
    /// The next object: that many bytes are left of one that nobody needs.
    Skip(u64),
}

impl Reader {
    /// A reader at the begin of a file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes, in any slices.
    ///
    /// # Errors
    /// When it is no ASF file, or its header cannot be used: see [`Header::parse`]. Nothing
    /// follows then.
    pub fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while let Some(piece) = self.next(&mut bytes)? {
            let item = match piece {
                Piece::Header(bytes) => Item::Header(bytes),
                Piece::Packet(packet) => Item::Packet(Bytes::copy_from_slice(packet)),
                Piece::Index(bytes) => Item::Index(bytes),
            };
            self.items.push_back(item);
        }
        Ok(())
    }

    /// The next piece, if one is whole.
    #[must_use]
    pub fn poll(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Takes of `bytes` what it needs for the next piece, and gives it; `None` when all are
    /// taken and it needs more.
    ///
    /// # Errors
    /// As [`Reader::handle_bytes`].
    pub fn next<'s, 'b: 's>(&'s mut self, bytes: &mut &'b [u8]) -> Result<Option<Piece<'s>>, Error> {
        if std::mem::take(&mut self.lent) {
            self.gathered.clear();
        }
        while !bytes.is_empty() {
            let wanted = match self.state {
                State::Header => self.header_wants()?,
                State::Packets { left } => {
                    let whole = bytes.get(..self.packet_size).filter(|_| self.gathered.is_empty());
                    if let Some(packet) = whole.filter(|packet| !packet.starts_with(&HEADER)) {
                        *bytes = &bytes[packet.len()..];
                        self.at += packet.len() as u64;
                        self.packet_taken(left);
                        return Ok(Some(Piece::Packet(packet)));
                    }
                    // At its begin it shows whether it is a packet or another file.
                    if self.gathered.len() < HEADER.len() {
                        HEADER.len().min(self.packet_size)
                    } else {
                        self.packet_size
                    }
                }
                State::ObjectHead => object::HEAD,
                State::DataHead => DATA_HEAD,
                State::Index(size) => size,
                State::Skip(left) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    *bytes = &bytes[skipped..];
                    self.at += skipped as u64;
                    let left = left - skipped as u64;
                    self.state = if left == 0 { State::ObjectHead } else { State::Skip(left) };
                    continue;
                }
            };
            let (now, rest) = bytes.split_at(wanted.saturating_sub(self.gathered.len()).min(bytes.len()));
            self.gathered.extend_from_slice(now);
            self.at += now.len() as u64;
            *bytes = rest;
            if self.gathered.len() < wanted {
                continue;
            }
            match self.whole()? {
                Whole::Nothing => {}
                Whole::Header(header) => return Ok(Some(Piece::Header(header))),
                Whole::Index => return Ok(Some(Piece::Index(std::mem::take(&mut self.gathered).into()))),
                Whole::Packet => {
                    self.lent = true;
                    return Ok(Some(Piece::Packet(&self.gathered)));
                }
            }
        }
        Ok(None)
    }

    /// Says that the bytes are over.
    ///
    /// # Errors
    /// When the content has not begun: the header is not whole, or there is no Data Object. A
    /// last packet that is not whole is no error.
    pub fn handle_end(&mut self) -> Result<(), Error> {
        let header = self.state == State::Header;
        let size = if header { Header::whole(&self.gathered)? } else { None };
        let before = match size {
            _ if self.begun => return Ok(()),
            None if header => "the end of its ASF header",
            Some(size) if self.gathered.len() + DATA_HEAD < size => "the end of its ASF header",
            _ => "its data packets",
        };
        Err(Error::Ended { at: self.at, before })
    }

    /// How many bytes to gather at the begin: the Header Object and what tells the next one,
    /// and the head of the Data Object if that is it.
    fn header_wants(&self) -> Result<usize, Error> {
        // Whether it is a header shows in its first bytes: nothing is waited for in vain.
        let Some(whole) = Header::whole(&self.gathered)? else { return Ok(self.gathered.len() + 1) };
        let next = whole - DATA_HEAD + object::HEAD;
        Ok(if self.gathered.len() < next { next } else { whole })
    }

    /// What was gathered is as long as it was to be.
    fn whole(&mut self) -> Result<Whole, Error> {
        match self.state {
            State::Header => return self.header(),
            State::Packets { .. } if self.gathered.starts_with(&HEADER) => self.state = State::Header,
            State::Packets { .. } if self.gathered.len() < self.packet_size => {}
            State::Packets { left } => {
                self.packet_taken(left);
                return Ok(Whole::Packet);
            }
            State::ObjectHead => self.object(),
            State::DataHead => {
                let data = DataHead::parse(&self.gathered);
                self.gathered.clear();
                self.data(data.map_or(0, |data| data.size));
            }
            State::Index(_) => {
                self.state = State::ObjectHead;
                return Ok(Whole::Index);
            }
            State::Skip(_) => {}
        }
        Ok(Whole::Nothing)
    }

    fn header(&mut self) -> Result<Whole, Error> {
        let Some(whole) = Header::whole(&self.gathered)? else { return Ok(Whole::Nothing) };
        let size = whole - DATA_HEAD;
        let Some((next, _)) = self.gathered.get(size..).and_then(object::head) else { return Ok(Whole::Nothing) };
        if next == guid::DATA && self.gathered.len() < whole {
            return Ok(Whole::Nothing);
        }
        // Something else stands between header and data: what is there of it comes next.
        let rest = self.gathered.split_off(if self.gathered.len() < whole { size } else { whole });
        let bytes = Bytes::from(std::mem::replace(&mut self.gathered, rest));
        let header = Header::parse(&bytes)?;
        (self.packet_size, self.broadcast) = (header.packet_size(), header.is_broadcast());
        match header.data {
            Some(data) => self.data(data.size),
            None => self.object(),
        }
        Ok(Whole::Header(bytes))
    }

    /// The first packet is next.
    fn data(&mut self, size: u64) {
        self.begun = true;
        // A size that leaves no room for a packet is that of a live header.
        let left = size.checked_sub(DATA_HEAD as u64);
        self.packets(left.filter(|left| !self.broadcast && *left >= self.packet_size as u64));
    }

    fn packet_taken(&mut self, left: Option<u64>) {
        self.packets(left.map(|left| left.saturating_sub(self.packet_size as u64)));
    }

    fn packets(&mut self, left: Option<u64>) {
        self.state = match left {
            Some(0) => State::ObjectHead,
            Some(left) if left < self.packet_size as u64 => State::Skip(left),
            left => State::Packets { left },
        };
    }

    /// GUID and size of an object behind the header, or behind the packets, are there.
    fn object(&mut self) {
        let Some((guid, size)) = object::head(&self.gathered) else { return };
        let rest = size.checked_sub(object::HEAD as u64);
        self.state = match (guid, rest) {
            (guid::HEADER, _) => State::Header,
            (guid::DATA, _) => State::DataHead,
            (guid::SIMPLE_INDEX | guid::INDEX, Some(1..=MOST)) => State::Index(size as usize),
            (_, Some(0)) => State::ObjectHead,
            (_, Some(rest)) => State::Skip(rest),
            // It cannot be passed over: what follows is nothing.
            (_, None) => State::Skip(u64::MAX),
        };
        if matches!(self.state, State::ObjectHead | State::Skip(_)) {
            self.gathered.clear();
        }
    }
}

/// What has become whole.
enum Whole {
    Nothing,
    Header(Bytes),
    /// It is what was gathered.
    Packet,
    /// It is what was gathered.
    Index,
}

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(bytes) => write!(f, "Header({} bytes)", bytes.len()),
            Self::Packet(bytes) => write!(f, "Packet({} bytes)", bytes.len()),
            Self::Index(bytes) => write!(f, "Index({} bytes)", bytes.len()),
        }
    }
}

impl fmt::Debug for Piece<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(bytes) => write!(f, "Header({} bytes)", bytes.len()),
            Self::Packet(bytes) => write!(f, "Packet({} bytes)", bytes.len()),
            Self::Index(bytes) => write!(f, "Index({} bytes)", bytes.len()),
        }
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({:?} at {}, {} items ready)", self.state, self.at, self.items.len())
    }
}

#[cfg(test)]
mod tests;
