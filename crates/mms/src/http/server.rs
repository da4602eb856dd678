//! The parts of a server: what a request asks for, heads of answers, and frames.
//!
//! Whoever serves has an HTTP server already; this is what makes it one of Windows Media:
//! [`Request::of`] reads a request, [`describe_head`] and [`play_head`] begin the answers, and
//! the frames go into the caller's buffers.

mod answer;
mod frames;
mod request;

pub use answer::{Answer, describe_head, play_head};
pub use frames::{frame_change, frame_end, frame_header, frame_packet};
pub use request::{Agent, Kind, Order, Product, Request, Selection};
