//! Servers that mean harm: each is refused, or outlived, within a bound, with a sentence of its own,
//! and leaves no memory behind.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bodies;
mod playlists;
mod slow;
mod support;
mod without_end;
