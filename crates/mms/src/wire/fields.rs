//! Fields one after the other, as messages are made of.

use crate::Error;

/// Reads the fields of one message.
pub(super) struct Reader<'a> {
    message: &'static str,
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `body`, what stands behind the message id.
    pub(super) fn new(message: &'static str, body: &'a [u8]) -> Self {
        Self { message, left: body }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], Error> {
        let Some((value, left)) = self.left.split_first_chunk::<N>() else {
            return Err(self.malformed(format!("it ends {} bytes into its {field}, which has {N}", self.left.len())));
        };
        self.left = left;
        Ok(*value)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, Error> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, Error> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn f64(&mut self, field: &'static str) -> Result<f64, Error> {
        self.array(field).map(f64::from_le_bytes)
    }

    /// A field that counts as zero in a message that ends before it.
    pub(super) fn u32_or_zero(&mut self) -> u32 {
        self.take_or_zero().map_or(0, u32::from_le_bytes)
    }

    pub(super) fn u64_or_zero(&mut self) -> u64 {
        self.take_or_zero().map_or(0, u64::from_le_bytes)
    }

    pub(super) fn f64_or_zero(&mut self) -> f64 {
        self.take_or_zero().map_or(0.0, f64::from_le_bytes)
    }

    /// The next `N` bytes. If fewer are left, nothing is, from then on.
    fn take_or_zero<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (value, left) = self.left.split_first_chunk::<N>().unzip();
        self.left = left.unwrap_or_default();
        value.copied()
    }

    /// Passes over fields that receivers ignore, as far as they are there.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.left = self.left.get(bytes..).unwrap_or_default();
    }

    /// A field of `size` bytes.
    pub(super) fn bytes(&mut self, field: &'static str, size: usize) -> Result<&'a [u8], Error> {
        let Some((value, left)) = self.left.split_at_checked(size) else {
            return Err(
                self.malformed(format!("its {field} shall have {size} bytes, and {} are left", self.left.len()))
            );
        };
        self.left = left;
        Ok(value)
    }

    /// A text of `characters` UTF-16 units as its count says, null included; `None` if there
    /// is none. One that the message cuts short is as long as it is.
    pub(super) fn text(&mut self, characters: u32) -> Option<String> {
        let size = usize::try_from(characters).ok().and_then(|count| count.checked_mul(2));
        let size = size.unwrap_or(usize::MAX).min(self.left.len());
        let (value, left) = self.left.split_at(size);
        self.left = left;
        (size > 0).then(|| text(value))
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    pub(super) fn left(&self) -> usize {
        self.left.len()
    }

    pub(super) fn malformed(&self, what: String) -> Error {
        Error::Malformed { message: self.message, what }
    }
}

/// Writes one message.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// Begins a message with chunkLen, to be filled in, and MID.
    pub(super) fn new(mid: u32) -> Self {
        Self(Vec::with_capacity(64)).u32(0).u32(mid)
    }

    pub(super) fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn f64(self, value: f64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    pub(super) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn zeros(mut self, count: usize) -> Self {
        self.0.resize(self.0.len() + count, 0);
        self
    }

    /// A text and its null.
    pub(super) fn text(self, value: &str) -> Self {
        value.encode_utf16().fold(self, Self::u16).u16(0)
    }

    /// The whole message: padded to a multiple of 8 bytes, and counted in those.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        let chunks = u32::try_from(self.0.len() / 8).unwrap_or(u32::MAX);
        if let Some(chunk_len) = self.0.first_chunk_mut::<4>() {
            *chunk_len = chunks.to_le_bytes();
        }
        self.0
    }
}

/// The UTF-16 text in `bytes` up to its null, or to the end where it has none. What is no
/// UTF-16 becomes U+FFFD.
pub(super) fn text(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

/// Length of a text in UTF-16 units with its null, as the cb fields of ReportConnectedEX count.
pub(super) fn units(text: &str) -> u32 {
    u32::try_from(text.encode_utf16().count() + 1).unwrap_or(u32::MAX)
}
