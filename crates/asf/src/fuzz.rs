//! Bodies of the fuzz targets in `fuzz/`; a test replays their corpus.

mod mux;

pub use mux::{asf_mux_roundtrip, asf_padding};
