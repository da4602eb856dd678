//! A byte stream that is an ASF file from its begin, cut into header and packets.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use crate::header::{DATA_HEAD, DataHead};
use crate::object;
use crate::{Error, Header, guid};

/// Largest index object that is kept, in bytes; a larger one is passed over.
pub const MAX_INDEX: usize = 4 << 20;

/// As many bytes as tell a header from a packet.
const MAGIC: usize = 16;

/// Cuts a file, or the plain answer of an HTTP server, into header, packets and indexes.
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

impl fmt::Debug for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(bytes) => write!(f, "Header({} bytes)", bytes.len()),
            Self::Packet(bytes) => write!(f, "Packet({} bytes)", bytes.len()),
            Self::Index(bytes) => write!(f, "Index({} bytes)", bytes.len()),
        }
    }
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
        while !bytes.is_empty() {
            let wanted = match self.state {
                State::Header => self.header_wants()?,
                // At its begin it shows whether it is a packet or another file.
                State::Packets { .. } if self.gathered.len() < MAGIC => MAGIC.min(self.packet_size),
                State::Packets { .. } => self.packet_size,
                State::ObjectHead => object::HEAD,
                State::DataHead => DATA_HEAD,
                State::Index(size) => size,
                State::Skip(left) => {
                    let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    bytes = &bytes[skipped..];
                    self.at += skipped as u64;
                    let left = left - skipped as u64;
                    self.state = if left == 0 { State::ObjectHead } else { State::Skip(left) };
                    continue;
                }
            };
            let taken = wanted.saturating_sub(self.gathered.len()).min(bytes.len());
            let (now, rest) = bytes.split_at(taken);
            if self.gathered.is_empty() && matches!(self.state, State::Packets { .. }) {
                self.gathered.reserve_exact(self.packet_size);
            }
            self.gathered.extend_from_slice(now);
            self.at += taken as u64;
            bytes = rest;
            if self.gathered.len() == wanted {
                self.whole()?;
            }
        }
        Ok(())
    }

    /// The next piece, if one is whole.
    #[must_use]
    pub fn poll(&mut self) -> Option<Item> {
        self.items.pop_front()
    }

    /// Says that the bytes are over.
    ///
    /// # Errors
    /// When the content has not begun: the header is not whole, or there is no Data Object. A
    /// last packet that is not whole is no error.
    pub fn handle_end(&mut self) -> Result<(), Error> {
        let header = self.state == State::Header;
        let whole = if header { Header::whole(&self.gathered)? } else { None };
        let before = match whole {
            _ if self.begun => return Ok(()),
            None if header => "the end of its ASF header",
            Some(whole) if self.gathered.len() + DATA_HEAD < whole => "the end of its ASF header",
            _ => "its data packets",
        };
        Err(Error::Ended { at: self.at, before })
    }

    /// How many bytes of the header to gather: its size once that is known.
    fn header_wants(&self) -> Result<usize, Error> {
        // Whether it is one shows in its first bytes: nothing is waited for in vain.
        Ok(Header::whole(&self.gathered)?.unwrap_or(self.gathered.len() + 1))
    }

    /// What was gathered is as long as it was to be.
    fn whole(&mut self) -> Result<(), Error> {
        match self.state {
            State::Header => match Header::whole(&self.gathered)? {
                Some(whole) if self.gathered.len() >= whole => self.header(),
                _ => Ok(()),
            },
            State::Packets { left } => {
                if self.gathered.starts_with(&guid::HEADER.to_bytes()) {
                    self.state = State::Header;
                    return Ok(());
                }
                if self.gathered.len() < self.packet_size {
                    return Ok(());
                }
                let left = left.map(|left| left.saturating_sub(self.packet_size as u64));
                let packet = std::mem::take(&mut self.gathered);
                self.items.push_back(Item::Packet(packet.into()));
                self.packets(left);
                Ok(())
            }
            State::ObjectHead => self.object(),
            State::DataHead => {
                let data = DataHead::parse(&self.gathered);
                self.gathered.clear();
                self.data(data.map_or(0, |data| data.size));
                Ok(())
            }
            State::Index(_) => {
                let index = std::mem::take(&mut self.gathered);
                self.items.push_back(Item::Index(index.into()));
                self.state = State::ObjectHead;
                Ok(())
            }
            State::Skip(_) => Ok(()),
        }
    }

    fn header(&mut self) -> Result<(), Error> {
        let bytes = Bytes::from(std::mem::take(&mut self.gathered));
        let header = Header::parse(&bytes)?;
        (self.packet_size, self.broadcast) = (header.packet_size(), header.is_broadcast());
        let Some(data) = header.data else {
            // Something stands between header and data. It is passed over, and what was taken
            // for the head of the Data Object is looked at again; no header has room in that.
            let (header, rest) = bytes.split_at(bytes.len() - DATA_HEAD);
            self.items.push_back(Item::Header(bytes.slice_ref(header)));
            self.state = State::ObjectHead;
            self.at -= DATA_HEAD as u64;
            return self.handle_bytes(rest);
        };
        self.items.push_back(Item::Header(bytes));
        self.data(data.size);
        Ok(())
    }

    /// The first packet is next.
    fn data(&mut self, size: u64) {
        // A size that leaves no room for a packet is that of a live header.
        self.begun = true;
        let left =
            size.checked_sub(DATA_HEAD as u64).filter(|left| !self.broadcast && *left >= self.packet_size as u64);
        self.packets(left);
    }

    fn packets(&mut self, left: Option<u64>) {
        self.state = match left {
            Some(0) => State::ObjectHead,
            Some(left) if left < self.packet_size as u64 => State::Skip(left),
            left => State::Packets { left },
        };
    }

    /// GUID and size of an object behind the header, or behind the packets.
    fn object(&mut self) -> Result<(), Error> {
        let Some((guid, size)) = object::head(&self.gathered) else { return Ok(()) };
        let rest = size.saturating_sub(object::HEAD as u64);
        match guid {
            guid::HEADER => {
                self.state = State::Header;
                return Ok(());
            }
            guid::DATA => {
                self.state = State::DataHead;
                return Ok(());
            }
            guid::SIMPLE_INDEX | guid::INDEX if size >= object::HEAD as u64 && size <= MAX_INDEX as u64 => {
                self.state = if rest == 0 { State::ObjectHead } else { State::Index(size as usize) };
                if rest > 0 {
                    return Ok(());
                }
            }
            // An object of no size cannot be passed over: what follows is nothing.
            _ if size < object::HEAD as u64 => self.state = State::Skip(u64::MAX),
            _ => self.state = if rest == 0 { State::ObjectHead } else { State::Skip(rest) },
        }
        self.gathered.clear();
        Ok(())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reader({:?} at {}, {} items ready)", self.state, self.at, self.items.len())
    }
}

#[cfg(test)]
mod tests;
