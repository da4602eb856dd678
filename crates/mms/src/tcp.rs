//! MMS over TCP and UDP ([MS-MMSP]): one TCP connection for control, data on it as well
//! (`mmst://`) or in datagrams (`mmsu://`).
//!
//! The end of the content is a message, not the end of the connection, and it is a
//! message, too, that tells of another entry in a playlist of the server.

mod client;
mod naming;
mod pieces;
mod reorder;
mod security;
mod silence;

pub use client::{Client, Statistics};
