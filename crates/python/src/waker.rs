//! A file descriptor that can be read when something happened: what event loops wait for.

use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;

use capture::Subscription;
use pyo3::prelude::*;

use crate::fork::Here;

/// Becomes readable at each arrival of a frame and each change of a capture.
#[pyclass(frozen, module = "headwater._headwater")]
pub(crate) struct Waker {
    reader: UnixStream,
    _subscription: Here<Subscription>,
}

impl Waker {
    pub(crate) fn of(capture: &capture::Capture) -> std::io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        writer.set_nonblocking(true)?;
        // A full pipe says already that something happened.
        let subscription = capture.on_arrival(move || drop((&writer).write(&[1])));
        Ok(Self { reader, _subscription: Here::new(subscription) })
    }
}

#[pymethods]
impl Waker {
    /// The file descriptor to wait for.
    fn fileno(&self) -> i32 {
        self.reader.as_raw_fd()
    }

    /// Forgets what happened so far.
    fn clear(&self) {
        let mut bytes = [0; 256];
        while matches!((&self.reader).read(&mut bytes), Ok(read) if read == bytes.len()) {}
    }
}
