//! The disk, as the recorder sees it: for tests that fill it up.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What is done with files that may fail for want of room.
#[doc(hidden)]
pub trait Disk: Send + Sync {
    /// As [`FileExt::write_all_at`].
    ///
    /// # Errors
    /// What the system says.
    fn write_all_at(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    /// Bytes that are free where `path` lies, and how many there are at all.
    ///
    /// # Errors
    /// What the system says.
    fn room(&self, path: &Path) -> io::Result<(u64, u64)> {
        let known = rustix::fs::statvfs(path)?;
        Ok((known.f_bavail.saturating_mul(known.f_frsize), known.f_blocks.saturating_mul(known.f_frsize)))
    }
}

/// The real one.
#[doc(hidden)]
pub struct System;

impl Disk for System {}
