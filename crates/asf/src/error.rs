//! Why content cannot be read.

/// Why a header, a file or a wish cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are something else.
    #[error("byte {at}: expected an ASF header (30 26 b2 75 8e 66 cf 11), found {found}; this is not Windows Media")]
    NotAsf {
        /// Offset in the bytes given.
        at: u64,
        /// What stood there, in hexadecimal and, where it is text, as text.
        found: String,
    },
    /// The header, or what is said of its size, is beyond [`crate::MAX_HEADER`].
    #[error("ASF header of {size} bytes; at most {} are accepted", crate::MAX_HEADER)]
    HeaderTooLarge {
        /// Its size as it says.
        size: u64,
    },
    /// A header that cannot be: its size is less than what it begins with.
    #[error("ASF header of {size} bytes; the least is 30")]
    HeaderTooSmall {
        /// Its size as it says.
        size: u64,
    },
    /// An object that every header has is not there, or cannot be read.
    #[error("ASF header without a {object} that can be read{damage}; the header is damaged or cut short")]
    Missing {
        /// The object.
        object: &'static str,
        /// Where the walk through the header ended early, in words, or nothing.
        damage: String,
    },
    /// Data packets of a size that cannot be, or of different sizes.
    #[error("ASF data packets of {min} to {max} bytes; expected one size from 1 to {}", crate::MAX_PACKET)]
    PacketSize {
        /// The least size, in bytes.
        min: u32,
        /// The greatest size, in bytes.
        max: u32,
    },
    /// The content is encrypted, and nobody here has the key.
    #[error("{what}; it plays only with a licence, in a player of its maker")]
    Encrypted {
        /// The stream and the scheme.
        what: String,
    },
    /// No stream can be handed on.
    #[error("{what}")]
    NoStream {
        /// What was asked for, and what is there.
        what: String,
    },
    /// A rule that makes no sense.
    #[error(
        "{given:?} is no choice of streams: {hint}; expected best, smallest, max=300k (bit/s) or numbers such as 1,3"
    )]
    Rule {
        /// The text.
        given: String,
        /// What is wrong with it.
        hint: &'static str,
    },
    /// The bytes ended too early.
    #[error("the content ends after {at} bytes, before {before}")]
    Ended {
        /// How many bytes came.
        at: u64,
        /// What was still to come.
        before: &'static str,
    },
}

/// The first bytes of something unknown, for an error: in hexadecimal, and as text if it is.
pub(crate) fn excerpt(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(16)];
    if bytes.is_empty() {
        return "nothing".into();
    }
    let hex: Vec<_> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    match bytes.iter().all(|byte| (b' '..=b'~').contains(byte) || b"\r\n\t".contains(byte)) {
        true => format!("{} ({:?})", hex.join(" "), String::from_utf8_lossy(bytes)),
        false => hex.join(" "),
    }
}
