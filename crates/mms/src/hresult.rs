//! Result codes of Windows ([MS-ERREF] 2.1), as sentences.

use std::fmt;

/// A result code. Negative ones, with bit 31 set, are failures.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hresult(pub u32);

impl Hresult {
    /// All is well.
    pub const OK: Self = Self(0);
    /// There is nothing behind the path.
    pub const NOT_FOUND: Self = Self(0xC00D_001A);
    /// Not for this user.
    pub const ACCESS_DENIED: Self = Self(0x8007_0005);
    /// There are as many players as there may be.
    pub const TOO_MANY: Self = Self(0xC00D_000F);
    /// The source is off.
    pub const NO_SOURCE: Self = Self(0xC00D_0006);

    /// Whether it tells of a failure.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.0 & 0x8000_0000 != 0
    }

    /// What it means, and what to do, where the code is known.
    #[must_use]
    pub fn sentence(self) -> Option<&'static str> {
        SENTENCES.iter().find(|(codes, _)| codes.contains(&self.0)).map(|(_, sentence)| *sentence)
    }
}

impl fmt::Display for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)?;
        match self.sentence() {
            Some(sentence) => write!(f, ": {sentence}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Hresult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hresult({:#010x})", self.0)
    }
}

/// Codes that servers send, and what to tell the user.
static SENTENCES: &[(&[u32], &str)] = &[
    (&[0x8007_0002, 0x8007_0003, 0xC00D_001A], "the server has no such stream; check the path (it may be off air)"),
    (&[0x8007_0005], "the server refuses access; give user and password, or ask for this address to be allowed"),
    (&[0x8007_0057], "the server did not accept the request; is the path right?"),
    (&[0x8000_FFFF, 0x8000_4005], "the server could not open the stream"),
    (&[0x8007_000E], "the server is out of memory; try again later"),
    (&[0xC00D_0005, 0xC00D_0006], "the server cannot reach its source; is the encoder on?"),
    (&[0xC00D_000C], "the server could not set the data channel up"),
    (&[0xC00D_000E], "the server or its network is at its limit; try again later"),
    (&[0xC00D_000F], "the server has as many viewers as it allows; try again later"),
    (&[0xC00D_0012], "the server does not serve this protocol or version; try another, such as mmsh://"),
    (&[0xC00D_0013], "the server timed out"),
    (&[0xC00D_0024], "the server had an internal error"),
    (&[0xC00D_0026], "the server does not know this kind of stream; is this the right protocol for the URL?"),
    (&[0xC00D_0027, 0xC00D_0028, 0xC00D_0029], "the server has trouble with its network"),
    (&[0xC00D_002B], "the server says that the request came at the wrong time; please report this"),
    (&[0xC00D_002C, 0xC00D_0030], "the stream needs more bandwidth than the server allows; choose a lower bit rate"),
    (&[0xC00D_002F], "the server says that the stream is damaged"),
    (&[0xC00D_0033], "nothing is being broadcast"),
    (&[0xC00D_0034], "the stream is over"),
    (&[0xC00D_0035], "the server cannot find its source; is the name right, and the source on?"),
    (&[0xC00D_003E], "the publishing point is empty"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_prints_as_a_sentence() {
        let refused = Hresult(0x8007_0005).to_string();
        assert!(refused.starts_with("0x80070005: the server refuses access; give user and password"), "{refused}");
        assert_eq!(Hresult(0x8123_4567).to_string(), "0x81234567");
        assert!(Hresult(0xC00D_001A).is_failure() && !Hresult(1).is_failure());
    }

    #[test]
    fn no_code_has_two_sentences() {
        let mut codes: Vec<_> = SENTENCES.iter().flat_map(|(codes, _)| codes.iter()).collect();
        codes.sort();
        let all = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
