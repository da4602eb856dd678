//! RTSP 1.0 (RFC 2326) servers, the RTP they send and what cameras send, without I/O.
//!
//! Three parts that know nothing of each other. A [`Server`] is one client's connection: bytes
//! and the time go in; bytes, events and the next deadline come out. A [`Packetizer`] makes RTP
//! packets of a track's access units, once for all who read them ([`rtp`] says how they lie in
//! memory), and says what a session description ([`sdp::describe`]) tells of the track. [`unpack`]
//! makes access units of the packets of cameras. Whoever drives them has the sockets and the clock.
//!
//! ```
//! use std::time::Instant;
//! use rtsp::{Error, Server, ServerEvent};
//!
//! /// What a client that said `received` is sent, by a host that has nothing to show.
//! fn turn(server: &mut Server, now: Instant, received: &[u8]) -> Result<Vec<u8>, Error> {
//!     server.handle_bytes(now, received)?;
//!     while let Some(event) = server.poll_event() {
//!         if matches!(event, ServerEvent::Describe { .. } | ServerEvent::SetUp { .. }) {
//!             server.refuse(now, rtsp::Status::NotFound, "");
//!         }
//!     }
//!     Ok(std::iter::from_fn(|| server.poll_transmit()).flatten().collect())
//! }
//! ```

#![forbid(unsafe_code)]

mod error;
mod framing;
#[doc(hidden)]
pub mod fuzz;
mod payload;
mod rtcp;
pub mod rtp;
pub mod sdp;
mod server;
mod transport;
pub mod unpack;

pub use error::Error;
pub use payload::{MTU, Media, Packetizer};
pub use rtcp::{Clock, Report, SenderClock, is_bye, is_of_receiver};
/// What an answer says, by the names of RFC 2326 section 7.1.1.
pub use rtsp_types::StatusCode as Status;
pub use server::{RtpInfo, Server, ServerConfig, ServerEvent};
pub use transport::{Chosen, Offer};
