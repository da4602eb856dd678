//! What libavformat opens, from real peers: DASH, SRT, RTMP over TLS, UDP and RTP, and encoders
//! that come to us; numbered pictures, each once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod dash;
mod datagrams;
mod listener;
#[path = "../common/numbered.rs"]
mod numbered;
mod rtmps;
#[path = "../common/server.rs"]
#[allow(dead_code, reason = "not all of it is wanted here")]
mod server;
mod support;
#[path = "../common/tls_front.rs"]
mod tls_front;
