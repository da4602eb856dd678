//! Servers that mean harm: each is refused, or outlived, within a bound, with a sentence of its own,
//! and leaves no memory behind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
mod playlists;
#[path = "../common/server.rs"]
#[allow(dead_code, reason = "not all of it is wanted here")]
mod server;
mod slow;
mod support;
mod without_end;
