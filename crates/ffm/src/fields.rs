//! Big-endian fields from the front of bytes that nobody vouches for.

use crate::Error;

/// What is left of a header. Every method takes from the front.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    /// Where `bytes` begins in the header.
    at: usize,
    /// What is being read, for messages.
    what: &'static str,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(bytes: &'a [u8], at: usize, what: &'static str) -> Self {
        Self { bytes, at, what }
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let split = self.bytes.split_at_checked(length);
        let (taken, rest) = split.ok_or(Error::Cut { at: self.at, what: self.what })?;
        self.bytes = rest;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u16_little(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_be_bytes)
    }

    /// A length in bytes, 32 bits wide; what does not fit into memory is past the end anyway.
    pub(crate) fn length(&mut self) -> Result<usize, Error> {
        self.u32().map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Passes over a text that a zero ends.
    pub(crate) fn skip_text(&mut self) -> Result<(), Error> {
        let length = self.bytes.iter().position(|byte| *byte == 0);
        self.take(length.map_or(usize::MAX, |length| length + 1)).map(drop)
    }

    /// The whole rest.
    pub(crate) fn rest(&mut self) -> &'a [u8] {
        let rest = std::mem::take(&mut self.bytes);
        self.at += rest.len();
        rest
    }
}
