//! Bits of a parameter set.

/// Reads bits from the first one on, the highest of each byte first.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// In bits.
    at: usize,
}

impl<'a> Bits<'a> {
    /// From the begin of `bytes`; those of a parameter set are without emulation prevention ([`super::unescaped`]).
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, 32 at most of which are kept; nothing beyond the end.
    pub fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u32::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// The next bit.
    pub fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|at| *at <= 8 * self.bytes.len())?;
        Some(())
    }

    /// An unsigned Exp-Golomb number (H.264 9.1, H.265 9.2).
    pub fn number(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// A signed one (H.264 9.1.1, H.265 9.2.2).
    pub fn signed(&mut self) -> Option<i64> {
        let coded = i64::from(self.number()?);
        Some(if coded % 2 == 1 { (coded + 1) / 2 } else { -(coded / 2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_h264_table_9_2() {
        let bytes = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut bits = Bits::new(&bytes);
        assert_eq!([(); 5].map(|()| bits.number()), [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        let mut bits = Bits::new(&bytes[..2]);
        bits.skip(1).unwrap();
        assert_eq!((bits.signed(), bits.signed(), bits.flag()), (Some(1), Some(-1), Some(false)));
        assert_eq!(Bits::new(&[0; 8]).number(), None);
        assert_eq!((Bits::new(&[1]).skip(9), Bits::new(&[1]).take(9)), (None, None));
    }
}
