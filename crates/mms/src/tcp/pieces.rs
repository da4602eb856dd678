//! The ASF file header, in pieces ([MS-MMSP] 2.2.2, 3.1.5.12).

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::wire::{AF_FLAGS_LAST, Data};
use crate::{Error, Limits};

/// Puts the pieces of one header together, in whatever order they come.
///
/// Two ways to flag pieces are in use: 04 … 04 0C, and 04 00 … 00 08. In both the last one
/// has bit 08, and LocationId counts them; the header is whole when none below that is missing.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    /// What is whole from the begin.
    whole: Vec<u8>,
    /// LocationId of the piece that follows it.
    next: u32,
    /// Pieces behind a missing one.
    waiting: BTreeMap<u32, Bytes>,
    waiting_bytes: usize,
    last: Option<u32>,
}

impl Pieces {
    /// Takes a piece; the header if that makes it whole. One that came before is dropped.
    ///
    /// # Errors
    /// When the header is larger than its limit.
    pub(super) fn insert(&mut self, piece: &Data, limits: &Limits) -> Result<Option<Bytes>, Error> {
        let at = piece.location_id;
        if at < self.next || self.waiting.contains_key(&at) || self.last.is_some_and(|last| at > last) {
            return Ok(None);
        }
        let size = self.whole.len() + self.waiting_bytes + piece.payload.len();
        if size > limits.header {
            let (size, limit) = (size as u64, limits.header as u64);
            return Err(Error::TooLarge { what: "an ASF file header", size, limit });
        }
        if piece.af_flags & AF_FLAGS_LAST != 0 {
            self.last = Some(at);
        }
        if at == self.next {
            self.append(&piece.payload);
            while let Some(piece) = self.waiting.remove(&self.next) {
                self.waiting_bytes -= piece.len();
                self.append(&piece);
            }
        } else if self.waiting.len() < limits.reorder {
            self.waiting_bytes += piece.payload.len();
            self.waiting.insert(at, piece.payload.clone());
        } else if self.last == Some(at) {
            self.last = None;
        }
        let is_whole = self.last.is_some_and(|last| self.next > last);
        Ok(is_whole.then(|| std::mem::take(&mut self.whole).into()))
    }

    fn append(&mut self, piece: &[u8]) {
        self.whole.extend_from_slice(piece);
        self.next = self.next.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(location_id: u32, af_flags: u8, payload: &'static [u8]) -> Data {
        Data { location_id, incarnation: 1, af_flags, payload: Bytes::from_static(payload) }
    }

    fn put(pieces: &[Data]) -> Result<Option<Bytes>, Error> {
        let mut all = Pieces::default();
        let limits = Limits { header: 8, reorder: 4, ..Limits::default() };
        pieces.iter().try_fold(None, |whole, piece| Ok(all.insert(piece, &limits)?.or(whole)))
    }

    #[test]
    fn both_ways_to_flag_pieces_make_a_header() {
        for flags in [[4, 4, 12], [4, 0, 8]] {
            let pieces = [piece(0, flags[0], b"ab"), piece(1, flags[1], b"cd"), piece(2, flags[2], b"e")];
            assert_eq!(put(&pieces), Ok(Some("abcde".into())), "{flags:?}");
            assert_eq!(put(&pieces[..2]), Ok(None), "{flags:?}");
        }
        for flags in [8, 12] {
            assert_eq!(put(&[piece(0, flags, b"abc")]), Ok(Some("abc".into())));
        }
    }

    #[test]
    fn a_header_is_not_larger_than_its_limit_however_it_is_cut() {
        let large = Error::TooLarge { what: "an ASF file header", size: 9, limit: 8 };
        assert_eq!(put(&[piece(0, 4, b"abcd"), piece(1, 4, b"abcde")]), Err(large.clone()));
        assert_eq!(put(&[piece(3, 4, b"abcd"), piece(2, 4, b"abcde")]), Err(large));
    }

    #[test]
    fn far_pieces_are_not_kept_without_end() {
        let far: Vec<_> = (1..100).map(|at| piece(at, 0, b"")).collect();
        let mut pieces = Pieces::default();
        let limits = Limits { reorder: 4, ..Limits::default() };
        for piece in &far {
            assert_eq!(pieces.insert(piece, &limits), Ok(None));
        }
        assert_eq!(pieces.waiting.len(), 4);
    }

    proptest! {
        #[test]
        fn order_and_repetition_never_matter(order in Just((0u32..4).collect::<Vec<_>>()).prop_shuffle(), again in 0u32..4) {
            let all = [piece(0, 4, b"ab"), piece(1, 0, b""), piece(2, 0, b"cd"), piece(3, 8, b"e")];
            let mut order = order;
            order.insert(1, again);
            let pieces: Vec<_> = order.iter().map(|at| all[*at as usize].clone()).collect();
            prop_assert_eq!(put(&pieces), Ok(Some("abcde".into())));
        }
    }
}
