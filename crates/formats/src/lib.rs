//! Byte formats without I/O: JPEG, multipart, playlists, manifests, text in pictures, captures of cameras.

#![forbid(unsafe_code)]

pub mod capture;
pub mod dash;
mod error;
#[doc(hidden)]
pub mod fuzz;
pub mod hls;
pub mod http;
pub mod jpeg;
pub mod multipart;
pub mod osd;
#[cfg(test)]
mod testdata;

pub use error::Error;
