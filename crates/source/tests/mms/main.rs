//! Windows Media against servers on the loopback: our own, and scripted ones.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod captured;
mod elsewhere;
mod exact;
mod goes_on;
mod refused;
mod rollover;
mod servers;
mod support;
