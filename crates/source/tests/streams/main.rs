//! What libavformat opens, from real peers: DASH, SRT, RTMP over TLS, UDP and RTP, and encoders
//! that come to us; numbered pictures, each once.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod dash;
mod datagrams;
mod listener;
mod rtmps;
mod support;
