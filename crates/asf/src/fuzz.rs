//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

mod mux;
mod read;

pub use mux::{asf_mux_roundtrip, asf_padding};
pub use read::{asf_header, asf_packets, asf_reader};
