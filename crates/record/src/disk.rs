//! The disk, as the recorder sees it: for tests that fill it up.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

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
}

/// The real one.
#[doc(hidden)]
pub struct System;

impl Disk for System {}
