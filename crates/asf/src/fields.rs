//! Little-endian fields from the front of bytes that nobody vouches for.

/// What is left to read. Every method takes from the front, or returns nothing and takes nothing.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// As much of `length` bytes as is there.
    pub(crate) fn take_up_to(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn guid(&mut self) -> Option<crate::Guid> {
        self.array().map(crate::Guid::from_bytes)
    }

    /// A length in bytes, 16 bits wide.
    pub(crate) fn length16(&mut self) -> Option<usize> {
        self.u16().map(usize::from)
    }

    /// A length in bytes, 32 bits wide; what does not fit into memory is past the end anyway.
    pub(crate) fn length32(&mut self) -> Option<usize> {
        self.u32().map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }
}

/// Text in UTF-16LE up to its first null character; what is no text becomes U+FFFD.
pub(crate) fn utf16(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit)).take_while(|unit| *unit != 0);
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_taken() {
        let mut fields = Fields(&[1, 2, 3]);
        assert_eq!(fields.u16(), Some(0x0201));
        assert_eq!(fields.u16(), None);
        assert_eq!(fields.take(2), None);
        assert_eq!(fields.u8(), Some(3));
        assert_eq!(fields.take_up_to(9), []);
    }

    #[test]
    fn text_ends_at_its_null_or_with_its_bytes() {
        assert_eq!(utf16(b"A\0b\0\0\0c\0"), "Ab");
        assert_eq!(utf16(b"A\0\x34\xD8\x1E\xDD\x34\xD8z"), "A\u{1D11E}\u{FFFD}");
    }
}
