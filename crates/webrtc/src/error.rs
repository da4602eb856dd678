//! What can be wrong with a peer.

/// Why a session cannot be, or has to end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The offer is no session description that can be answered (RFC 8866, RFC 9429).
    #[error("this is no offer of WebRTC that can be answered: {what}")]
    Offer {
        /// What is wrong with it.
        what: String,
    },
    /// Nothing of the offer can be taken.
    #[error("nothing of this offer can be taken: it has {offered}; {wanted}")]
    Nothing {
        /// The codecs that were offered.
        offered: String,
        /// What would have done.
        wanted: &'static str,
    },
    /// No certificate could be made.
    #[error("no certificate for DTLS could be made")]
    Certificate,
    /// What a peer sent, or what is sent to it, cannot be worked with.
    #[error("the session of WebRTC failed: {what}")]
    Failed {
        /// What `str0m` says.
        what: String,
    },
}
