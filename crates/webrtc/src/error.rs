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
    /// The peer has no certificate of a kind that is taken, or shows none (RFC 8827 section 6.5).
    #[error(
        "the peer showed no certificate of ECDSA, and DTLS here takes no other kind; GStreamer's webrtcbin makes one of \
         RSA by itself: give its dtlsdec another by `pem`, see \"WebRTC\" in docs/API.md"
    )]
    PeerCertificate,
    /// The peer ended the handshake of DTLS.
    #[error(
        "the peer ended the handshake of DTLS: alert {alert}, {name}{}",
        if matches!(alert, 40 | 43) { "; certificates of ECDSA are taken, and its own may be of RSA" } else { "" }
    )]
    Refused {
        /// The number of RFC 5246 section 7.2.
        alert: u8,
        /// What it is called there.
        name: &'static str,
    },
    /// What a peer sent, or what is sent to it, cannot be worked with.
    #[error("the session of WebRTC failed: {what}")]
    Failed {
        /// What `str0m` says.
        what: String,
    },
}
