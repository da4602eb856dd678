//! Why nothing is recorded.

use std::io;
use std::path::{Path, PathBuf};

/// Why nothing is recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What is to be recorded has no place in files of the kind that was asked for.
    #[error("{container} files hold no {codec}; {}", .others)]
    NoPlace {
        /// The container asked for.
        container: &'static str,
        /// The codec that it does not hold.
        codec: &'static str,
        /// Which do, as a sentence.
        others: String,
    },
    /// A name that cannot be one of a recording.
    #[error("{name}: {what}")]
    Name {
        /// As given.
        name: String,
        /// What is wrong with it, and what is expected.
        what: String,
    },
    /// All names for this time are taken.
    #[error("{}: there are {} files of this name already; use a name with the time in it, as %Y%m%d-%H%M%S", .path.display(), crate::pattern::MOST_OF_A_NAME)]
    Taken {
        /// The name without a number.
        path: PathBuf,
    },
    /// The muxer refused.
    #[error("cannot be put into {container}: {what}")]
    Muxer {
        /// The container.
        container: &'static str,
        /// What it said.
        what: String,
    },
    /// There is no room for more. The recorder goes on when there is.
    #[error("{}: the disk is full; make room, or have older files removed (--keep, record_keep)", .path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There can be no file there, or no folder for it, as far as this system can tell: waiting
    /// alone mends nothing, somebody has to.
    #[error("{}: {what}", .path.display())]
    Unmakeable {
        /// The file, or the folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: io::Error,
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

    /// What the system said when the file or folder at `path` was to be made.
    pub(crate) fn made(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        use io::ErrorKind::{
            AlreadyExists, InvalidFilename, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
        };
        move |source| match source.kind() {
            NotADirectory | PermissionDenied | ReadOnlyFilesystem | NotFound | AlreadyExists | InvalidFilename => {
                Self::Unmakeable { path: path.to_owned(), what, source }
            }
            _ => Self::io(what, path)(source),
        }
    }

    /// What the system said when the file at `path` was written.
    pub(crate) fn written(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full { path: path.to_owned(), source },
            _ => Self::io("cannot be written", path)(source),
        }
    }

    /// Trying again later cannot help: what is asked for cannot be.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::NoPlace { .. } | Self::Name { .. })
    }

    /// Waiting alone does not mend it: there can be no such file where it is to be. A disk may be
    /// mounted there later, so a recorder goes on trying; who asked for the recording may not want to.
    #[must_use]
    pub fn is_of_place(&self) -> bool {
        matches!(self, Self::Unmakeable { .. })
    }

    /// The sentence with what the system said.
    #[must_use]
    pub fn told(&self) -> String {
        match std::error::Error::source(self) {
            Some(cause) => format!("{self}: {cause}"),
            None => self.to_string(),
        }
    }
}
