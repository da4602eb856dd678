//! Why there is no ring, or nothing was written to it.

use std::io;
use std::path::{Path, PathBuf};

/// Why there is no ring, or nothing was written to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that is not a ring stands where one is to be.
    #[error("{}: {what}; Headwater overwrites no file of another program: remove it, or give another place", .path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What stands there.
        what: String,
    },
    /// The ring was written by a later version of Headwater.
    #[error(
        "{}: a ring of format {version}, and this Headwater reads formats up to {}; use the newer one, or give another place",
        .path.display(), crate::format::VERSION
    )]
    Future {
        /// Where.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// Another process, or another source of this one, records there.
    #[error("{}: another recording writes there; give each source a place of its own", .path.display())]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// The size asked for holds nothing.
    #[error("a ring of {bytes} bytes is too small; give it {} or more", crate::Config::LEAST)]
    TooSmall {
        /// The size asked for.
        bytes: u64,
    },
    /// A packet that is larger than the whole ring.
    #[error("a packet of {size} bytes does not fit into a ring of {bytes}; make the ring larger")]
    TooLarge {
        /// Bytes of the packet with everything that is written for it.
        size: u64,
        /// Bytes of the ring.
        bytes: u64,
    },
    /// The ring can only be read.
    #[error("{}: the ring can be read and not written", .path.display())]
    ReadOnly {
        /// Where.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{}: {what}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// What the system said of `what`, tried with the file at `path`.
    pub(crate) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), what, source }
    }
}
