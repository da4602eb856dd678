//! Byte formats without I/O: JPEG, multipart, text in pictures.

#![forbid(unsafe_code)]

pub mod osd;
