//! Objects: a GUID, a size and data, one after the other (section 2).

use bytes::Bytes;

use crate::fields::Fields;
use crate::guid::Guid;

/// Bytes of an object before its data: GUID and size.
pub const HEAD: usize = 24;

/// One object of a header.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub guid: Guid,
    /// Its offset in the bytes that were walked.
    pub at: usize,
    /// All of it, GUID and size included.
    pub bytes: Bytes,
}

impl Object {
    /// What follows GUID and size.
    #[must_use]
    pub fn data(&self) -> &[u8] {
        self.bytes.get(HEAD..).unwrap_or_default()
    }

    /// What follows GUID and size, as a handle of its own.
    pub(crate) fn part(&self, part: &[u8]) -> Bytes {
        self.bytes.slice_ref(part)
    }
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {}, {} bytes", self.guid, self.at, self.bytes.len())
    }
}

/// The objects in `bytes`, which begin with one. Ends before an object whose size cannot be:
/// what comes after it could be anything. Counts of objects are not asked.
#[must_use]
pub fn objects(bytes: &Bytes) -> Objects {
    Objects { bytes: bytes.clone(), at: 0 }
}

/// An iterator over objects that follow each other; see [`objects`].
#[derive(Clone)]
pub struct Objects {
    bytes: Bytes,
    at: usize,
}

impl Iterator for Objects {
    type Item = Object;

    fn next(&mut self) -> Option<Object> {
        let rest = self.bytes.get(self.at..)?;
        let (guid, size) = head(rest)?;
        let size = usize::try_from(size).ok().filter(|size| *size >= HEAD && *size <= rest.len())?;
        let (at, end) = (self.at, self.at + size);
        self.at = end;
        Some(Object { guid, at, bytes: self.bytes.slice(at..end) })
    }
}

/// GUID and size of the object that begins with `bytes`.
pub(crate) fn head(bytes: &[u8]) -> Option<(Guid, u64)> {
    let mut fields = Fields(bytes);
    Some((fields.guid()?, fields.u64()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guid;

    fn object(guid: Guid, size: u64, data: &[u8]) -> Vec<u8> {
        [&guid.to_bytes()[..], &size.to_le_bytes(), data].concat()
    }

    #[test]
    fn the_walk_ends_at_a_size_that_cannot_be() {
        let good = object(guid::PADDING, 26, b"ab");
        for bad in [object(guid::MARKER, 0, b""), object(guid::MARKER, 23, b""), object(guid::MARKER, u64::MAX, b"x")] {
            let bytes = Bytes::from([&good[..], &good, &bad, &good].concat());
            let found: Vec<_> =
                objects(&bytes).map(|object| (object.guid, object.at, object.data().to_vec())).collect();
            assert_eq!(found, [(guid::PADDING, 0, b"ab".to_vec()), (guid::PADDING, 26, b"ab".to_vec())]);
        }
    }
}
