//! ASF, the container of Windows Media (Advanced Systems Format specification, revision
//! 01.20.05), read and written without I/O.

#![forbid(unsafe_code)]

pub mod codec;
pub mod guid;
pub mod mux;
pub mod padding;

pub use mux::{FileWriter, Muxer};

#[cfg(test)]
mod strict;
