//! The ASF header that comes in pieces, and the little that a session must know of it.

use bytes::{Bytes, BytesMut};

use super::frame::LAST;
use crate::Error;

/// What every ASF header begins with: the GUID of the Header Object (ASF specification 3.1).
pub(super) const HEADER_OBJECT: [u8; 16] =
    [0x30, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C];
/// The GUID of the File Properties Object (ASF specification 3.2).
const FILE_PROPERTIES: [u8; 16] =
    [0xA1, 0xDC, 0xAB, 0x8C, 0x47, 0xA9, 0xCF, 0x11, 0x8E, 0xE4, 0x00, 0xC0, 0x0C, 0x20, 0x53, 0x65];
/// The GUID of the Data Object (ASF specification 5.1).
const DATA_OBJECT: [u8; 16] =
    [0x36, 0x26, 0xB2, 0x75, 0x8E, 0x66, 0xCF, 0x11, 0xA6, 0xD9, 0x00, 0xAA, 0x00, 0x62, 0xCE, 0x6C];
/// GUID and size of an object.
const OBJECT_HEAD: usize = 24;
/// The Header Object's own fields, before the objects in it.
const HEADER_OBJECT_HEAD: usize = 30;
/// The begin of the Data Object that belongs to what servers call a header.
pub(super) const DATA_OBJECT_HEAD: usize = 50;

/// Joins the pieces of an ASF header.
///
/// It is whole when it is as long as it says, or when its last piece has come; flags alone are
/// not trusted, since servers differ in them.
pub(super) struct Assembly {
    bytes: BytesMut,
    limit: usize,
    /// A header was given out, and nothing but pieces came since.
    just_given: bool,
}

impl Assembly {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: BytesMut::new(), limit, just_given: false }
    }

    /// Takes a piece; gives the header when it is whole.
    ///
    /// # Errors
    /// When it is no ASF header, or too large.
    pub(super) fn piece(&mut self, piece: &[u8], flags: u8) -> Result<Option<Bytes>, Error> {
        if piece.starts_with(&HEADER_OBJECT) {
            // The server begins anew.
            self.bytes.clear();
        }
        self.within_limit((self.bytes.len() + piece.len()) as u64)?;
        self.bytes.extend_from_slice(piece);
        let known = self.bytes.len().min(HEADER_OBJECT.len());
        if self.bytes[..known] != HEADER_OBJECT[..known] {
            let found = format!("{:02x?}", &self.bytes[..known]);
            self.bytes.clear();
            // What some servers append to a header that was whole by its own account.
            if self.just_given {
                return Ok(None);
            }
            let what = format!("expected the ASF header, which begins with 30 26 b2 75, found {found}");
            return Err(Error::Malformed { message: "$H", what });
        }
        let Some(size) = object_size(&self.bytes, 0) else { return Ok(None) };
        self.within_limit(size)?;
        let (size, length) = (size as usize, self.bytes.len());
        // Some leave out the begin of the Data Object.
        let whole = length >= size + DATA_OBJECT_HEAD || length == size && flags & LAST != 0;
        Ok(if whole { self.give() } else { None })
    }

    /// No piece follows: gives what there is of a header, if one has begun.
    pub(super) fn finish(&mut self) -> Option<Bytes> {
        let header = if self.bytes.len() > OBJECT_HEAD { self.give() } else { None };
        self.bytes.clear();
        self.just_given = false;
        header
    }

    fn give(&mut self) -> Option<Bytes> {
        self.just_given = true;
        Some(self.bytes.split().freeze())
    }

    fn within_limit(&self, size: u64) -> Result<(), Error> {
        if size > self.limit as u64 {
            return Err(Error::TooLarge { what: "an ASF header", size, limit: self.limit as u64 });
        }
        Ok(())
    }
}

/// The size of the object at `at`, as it says.
fn object_size(bytes: &[u8], at: usize) -> Option<u64> {
    number(bytes, at.checked_add(16)?)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// The size of every packet, in bytes: the larger one, where a header gives two.
pub(super) fn packet_size(header: &[u8]) -> Option<u32> {
    let mut at = HEADER_OBJECT_HEAD;
    loop {
        let size = object_size(header, at)?;
        let end = at.checked_add(usize::try_from(size).ok()?)?;
        if header.get(at..at + 16) == Some(&FILE_PROPERTIES[..]) {
            let size = header.get(at + 96..at + 100)?;
            return size.try_into().ok().map(u32::from_le_bytes).filter(|size| *size != 0);
        }
        if size < OBJECT_HEAD as u64 {
            return None;
        }
        at = end;
    }
}

/// How many packets of `packet_size` bytes follow the header in a file, as the begin of its
/// Data Object tells; nothing if it does not know.
pub(super) fn packets(header: &[u8], packet_size: u32) -> Option<u64> {
    let at = usize::try_from(object_size(header, 0)?).ok()?;
    if header.get(at..at.checked_add(16)?)? != DATA_OBJECT {
        return None;
    }
    let data = object_size(header, at)?.checked_sub(DATA_OBJECT_HEAD as u64)?;
    (data != 0).then(|| data / u64::from(packet_size.max(1)))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A header with nothing but a File Properties Object, for `packets` packets of `packet_size`
    /// bytes; no number of packets makes it live.
    pub(in crate::http) fn header(packet_size: u32, packets: u64) -> Vec<u8> {
        let mut properties = [&FILE_PROPERTIES[..], &104u64.to_le_bytes(), &[0; 68]].concat();
        properties.extend([packet_size; 2].iter().flat_map(|size| size.to_le_bytes()));
        properties.extend(64_000u32.to_le_bytes());
        let objects = [&HEADER_OBJECT[..], &134u64.to_le_bytes(), &[1, 0, 0, 0, 1, 2], &properties].concat();
        let data = 50 + packets * u64::from(packet_size);
        let tail = [&[7; 16][..], &packets.to_le_bytes(), &[1, 1]].concat();
        [&objects[..], &DATA_OBJECT, &data.to_le_bytes(), &tail].concat()
    }

    fn join(pieces: &[(&[u8], u8)]) -> Result<Option<Bytes>, Error> {
        let mut assembly = Assembly::new(1000);
        let last = pieces.len() - 1;
        for (index, (piece, flags)) in pieces.iter().enumerate() {
            match assembly.piece(piece, *flags)? {
                Some(whole) if index == last => return Ok(Some(whole)),
                Some(_) => panic!("whole after {} pieces", index + 1),
                None => (),
            }
        }
        Ok(assembly.finish())
    }

    #[test]
    fn a_header_is_whole_whatever_the_flags_of_its_pieces() {
        let whole = header(100, 3);
        let (a, rest) = whole.split_at(40);
        let (b, c) = rest.split_at(90);
        for flags in [[4, 0, 8], [4, 4, 0x0C], [0x0C, 0x0C, 0x0C], [0, 0, 0], [8, 8, 8], [0xFF, 0x40, 0]] {
            let joined = join(&[(a, flags[0]), (b, flags[1]), (c, flags[2])]).unwrap();
            assert_eq!(joined.unwrap(), whole, "{flags:?}");
        }
        let bytes: Vec<_> = whole.chunks(1).map(|byte| (byte, 0)).collect();
        assert_eq!(join(&bytes).unwrap().unwrap(), whole);
    }

    #[test]
    fn the_begin_of_the_data_object_may_be_missing_or_longer() {
        let whole = header(100, 3);
        let short = &whole[..134];
        assert_eq!(join(&[(short, 0x0C)]).unwrap().unwrap(), short);
        assert_eq!(join(&[(short, 0)]).unwrap().unwrap(), short);
        let long = [&whole[..], b"more"].concat();
        assert_eq!(join(&[(&long, 0)]).unwrap().unwrap(), long);
        let mut assembly = Assembly::new(1000);
        assert_eq!(assembly.piece(&whole, 4).unwrap().unwrap(), whole);
        assert_eq!(assembly.piece(b"more than it says", 8), Ok(None));
        // But not without a header before it.
        assert_eq!(assembly.finish(), None);
        let error = assembly.piece(b"GIF8", 0x0C).unwrap_err().to_string();
        assert_eq!(error, "$H: expected the ASF header, which begins with 30 26 b2 75, found [47, 49, 46, 38]");
    }

    #[test]
    fn a_header_that_begins_anew_replaces_the_first_begin() {
        let whole = header(100, 3);
        assert_eq!(join(&[(&whole[..100], 4), (&whole, 0)]).unwrap().unwrap(), whole);
    }

    #[test]
    fn a_large_header_is_refused_as_soon_as_it_says_so() {
        let mut huge = header(100, 3);
        huge[16..24].copy_from_slice(&104_857_600u64.to_le_bytes());
        let error = Assembly::new(1 << 20).piece(&huge[..24], 4).unwrap_err().to_string();
        assert_eq!(error, "an ASF header of 104857600 bytes; at most 1048576 are accepted");
        huge[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(Assembly::new(1 << 20).piece(&huge, 0x0C).is_err());
        assert!(Assembly::new(100).piece(&header(100, 3), 0x0C).is_err());
    }

    #[test]
    fn sizes_are_read_and_hostile_ones_are_not_believed() {
        let whole = header(1000, 3);
        assert_eq!((packet_size(&whole), packets(&whole, 1000)), (Some(1000), Some(3)));
        assert_eq!((packet_size(&header(0, 0)), packets(&header(7, 0), 7)), (None, None));
        for length in 0..whole.len() {
            let _ = (packet_size(&whole[..length]), packets(&whole[..length], 0));
        }
        let mut hostile = whole.clone();
        hostile[46..54].copy_from_slice(&u64::MAX.to_le_bytes());
        let _ = packet_size(&hostile);
        hostile[30] = 0;
        assert_eq!(packet_size(&hostile), None);
        hostile[46..54].copy_from_slice(&0u64.to_le_bytes());
        assert_eq!(packet_size(&hostile), None);
        hostile[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(packets(&hostile, 1000), None);
    }

    proptest::proptest! {
        #[test]
        fn no_pieces_panic(pieces: Vec<(Vec<u8>, u8)>) {
            let mut assembly = Assembly::new(500);
            for (piece, flags) in pieces {
                let _ = assembly.piece(&[&HEADER_OBJECT[..], &piece].concat(), flags);
                let _ = assembly.piece(&piece, flags);
            }
            let _ = assembly.finish();
        }
    }
}
