//! Windows Media sessions without I/O: MMS over TCP and UDP ([MS-MMSP]), over HTTP
//! ([MS-WMSP]) and Windows Media RTSP ([MS-RTSP]), for clients and servers.
//!
//! Every client is a [`Session`]: bytes and the time go in; bytes, events and the next
//! deadline come out. The sockets and the clock are whoever's who drives it, with whatever
//! runtime or with none:
//!
//! ```
//! use std::time::Instant;
//! use mms::{Error, Event, Session, Transmit};
//!
//! /// What a session makes of `received`; what it wants sent goes to `send`.
//! fn turn(
//!     session: &mut dyn Session,
//!     now: Instant,
//!     received: &[u8],
//!     send: &mut dyn FnMut(Transmit),
//! ) -> Result<Vec<Event>, Error> {
//!     let handled = session.handle_bytes(now, received);
//!     while let Some(transmit) = session.poll_transmit() {
//!         send(transmit);
//!     }
//!     let events = std::iter::from_fn(|| session.poll_event()).collect();
//!     handled.map(|()| events)
//! }
//! ```
//!
//! The whole of it, with blocking sockets and threads, is in `examples/driver`; `mmst_dump` and
//! `mmsh_dump` there save what a URL plays, `throughput` measures.
//!
//! [MS-MMSP]: https://learn.microsoft.com/openspecs/windows_protocols/ms-mmsp
//! [MS-WMSP]: https://learn.microsoft.com/openspecs/windows_protocols/ms-wmsp
//! [MS-RTSP]: https://learn.microsoft.com/openspecs/windows_protocols/ms-rtsp

#![forbid(unsafe_code)]

mod auth;
#[cfg(test)]
#[path = "../tests/support/credentials.rs"]
mod credentials;
mod error;
#[doc(hidden)]
pub mod fuzz;
mod hresult;
pub mod http;
pub mod playlist;
pub mod rtsp;
mod server;
mod session;
pub mod tcp;
pub mod wire;

pub use auth::{HttpAuth, Ntlm};
pub use error::Error;
pub use hresult::Hresult;
pub use server::{
    Authentication, Challenge, Content, Credentials, Selected, Server, ServerConfig, ServerEvent, ServerPlay,
    ServerTransmit, Stop,
};
pub use session::{Config, Event, Limits, Opened, Pace, Packet, Play, Session, Start, Thinning, Transmit};
