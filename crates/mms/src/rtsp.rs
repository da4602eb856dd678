//! Windows Media RTSP ([MS-RTSP]): the dialect of `rtsp://`, `rtspt://` and `rtspu://` on a
//! Windows Media server.
//!
//! It is RTSP 1.0 (RFC 2326) with headers of its own, a description that carries the whole ASF
//! file header, and RTP packets that carry whole ASF packets. [`Client`] speaks it as a
//! [`Session`](crate::Session), over the RTSP connection or with datagrams. An ordinary RTSP
//! server, as cameras have, is told apart by its description, and reported as
//! [`Error::Unsupported`](crate::Error::Unsupported). [`Server`] is the other side, for one client.
//!
//! ```text
//! OPTIONS, DESCRIBE     → Opened, Header      play →  SETUP …, PLAY      → Packet …
//! SET_PARAMETER (end)   → Ended, or EntryEnded and, after ANNOUNCE, Header again
//! 301, 302, 305, REDIRECT → Moved
//! ```
//!
//! Over UDP the stream of retransmissions is set up for the port after
//! [`Config::udp_port`](crate::Config::udp_port), since servers insist on another one than the
//! others'. Nothing comes there, and nobody needs to listen.
//!
//! Left out: requests for lost datagrams and forward error correction ([MS-RTSP] 2.2.2, 2.2.4),
//! so that over UDP what is lost stays lost and is counted; statistics about the viewer, which
//! servers do not insist on ([MS-RTSP] 2.2.7.6, 2.2.7.7); streams that the server chooses
//! itself for the next playlist entry ([MS-RTSP] 2.2.6.10.5).

mod client;
mod depacketizer;
mod fuzzed;
mod message;
mod packetizer;
mod receiver;
mod reorder;
mod rtp;
mod sdp;
pub mod server;
mod transport;

pub use client::Client;
pub(crate) use fuzzed::{depacketize, unpack_again};
pub use packetizer::Outgoing;
pub use server::Server;
