//! Answers of HTTP servers, as cameras send them (RFC 9112, and worse).

mod chunked;
mod head;
pub mod websocket;

pub use chunked::Dechunker;
pub use head::{Head, HeadParser, MAX_HEAD, MAX_HEADERS};
