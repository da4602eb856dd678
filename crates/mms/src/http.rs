//! MMS over HTTP, `mmsh://` ([MS-WMSP]): a client, and the parts of a server.
//!
//! Two GET requests: Describe fetches the ASF header, Play streams. Bodies are sequences of
//! small frames ([MS-WMSP] 2.2.3), whose letter says what is in them. What is no MMS needs no
//! other client: a plain ASF file, a playlist and a redirection are understood as well.
//!
//! [MS-WMSP]: https://learn.microsoft.com/openspecs/windows_protocols/ms-wmsp

mod client;
mod frame;
mod header;
mod metadata;
mod plain;
mod pragma;
mod request;
pub mod server;
mod transfer;

pub use client::Client;
