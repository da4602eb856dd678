//! WebRTC sessions without I/O: encoders that push (WHIP, RFC 9725) and browsers that watch (WHEP).
//!
//! A [`Session`] is one peer. It is made of the offer that the peer sent by HTTP and gives the
//! answer to it; from then on datagrams and the time go in, and datagrams, [`Event`]s and the
//! next deadline come out. A publisher's pictures come out as [`media::Unit`]s with the tracks
//! that they belong to; a viewer is handed the packets of a feed. ICE, DTLS, SRTP and the
//! splitting into RTP are `str0m`'s. Whoever drives a session has the socket, which all sessions
//! share ([`stun::local_name`] tells whose a datagram is), and the clock.
//!
//! The peer looks for a way to us; its own addresses are learnt from the checks of ICE that come.
//! Each is asked back before anything else goes there (`consent`), so that nobody can have pictures
//! sent to somebody else. After every input, [`Session::poll`] has to be called until it says how
//! long to wait.

#![forbid(unsafe_code)]

mod consent;
mod dtls;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod h264;
mod intake;
mod negotiate;
mod offer;
mod opus;
mod session;
pub mod stun;
mod vp8;

pub use error::Error;
pub use negotiate::MOST_OFFER;
pub use session::{Datagram, Event, Identity, Output, Role, Session};
