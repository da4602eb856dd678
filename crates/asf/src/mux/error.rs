//! Why a feed is not written as ASF.

use media::Tracks;

use super::PACKET_SIZES;

/// Why a feed is not written as ASF.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// ASF has no place for what the feed carries.
    #[error("ASF cannot carry {codecs}; ask for pictures that it can carry: ?codec=wmv2")]
    Uncarried {
        /// The codecs that would have been needed.
        codecs: String,
    },
    /// The feed has neither pictures nor sound, or none yet.
    #[error("there are neither pictures nor sound to put into ASF")]
    Nothing,
    /// The packets asked for cannot be.
    #[error("ASF packets of {size} bytes; they may have from {} to {}", PACKET_SIZES.start(), PACKET_SIZES.end())]
    PacketSize {
        /// The size asked for, in bytes.
        size: u32,
    },
}

impl Error {
    /// None of the `video` tracks can be carried, or of the others if there is none.
    pub(super) fn uncarried(tracks: &Tracks, video: bool) -> Self {
        let wanted = tracks.iter().filter(|track| match track.kind {
            media::Kind::Video(_) => true,
            media::Kind::Audio(_) => !video,
            media::Kind::Data => false,
        });
        let codecs = wanted.map(|track| track.codec.name()).collect::<Vec<_>>().join(" and ");
        if codecs.is_empty() { Self::Nothing } else { Self::Uncarried { codecs } }
    }
}
