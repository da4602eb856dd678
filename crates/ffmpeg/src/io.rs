//! Bytes of a protocol of libavformat's, without a demuxer.

use std::ffi::c_int;
use std::io;
use std::ptr::{self, NonNull};

use crate::dict::{Dict, c_string};
use crate::error::{Error, check};
use crate::interrupt::Interrupt;
use crate::{ffi, log};

/// An open connection. Closes itself.
pub struct Io {
    context: NonNull<ffi::AVIOContext>,
    /// Outlives the context, which asks it.
    interrupt: Box<Interrupt>,
}

// SAFETY: the context is touched only by whoever owns it, and nothing in it is tied to a thread;
// what it calls back is Send.
unsafe impl Send for Io {}

impl Io {
    /// Opens `url` for reading, with `options` of the protocol; one that listens waits for
    /// somebody to come. Blocks.
    ///
    /// `interrupt` is asked from within blocking calls, also later ones: `true` = give up.
    ///
    /// # Errors
    /// Any; [`Error::Interrupted`] when `interrupt` said so.
    pub fn open(
        url: &str,
        options: &[(String, String)],
        interrupt: impl Fn() -> bool + Send + 'static,
    ) -> Result<Self, Error> {
        log::begin();
        let url = c_string("URL", url)?;
        let interrupt = Interrupt::new(interrupt);
        let mut dict = Dict::new();
        for (name, value) in options {
            dict.set(name, value)?;
        }
        let callback = interrupt.as_ffi();
        let mut raw = ptr::null_mut();
        // SAFETY: a zero-terminated string, a callback that outlives the context, see the fields,
        // and a dictionary of ours; on failure `raw` stays null.
        let rc =
            unsafe { ffi::avio_open2(&mut raw, url.as_ptr(), ffi::AVIO_FLAG_READ as c_int, &callback, dict.as_mut()) };
        if interrupt.fired() && rc < 0 {
            return Err(Error::Interrupted);
        }
        check("avio_open2", rc)?;
        let context = NonNull::new(raw).ok_or(Error::NoMemory)?;
        for name in dict.names() {
            tracing::warn!(target: "ffmpeg", option = name, "the protocol does not take this option");
        }
        Ok(Self { context, interrupt })
    }
}

impl io::Read for Io {
    /// The bytes that are there, or the next ones; an error of the kind `WouldBlock` when the
    /// interrupt said to give up.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = c_int::try_from(buffer.len()).unwrap_or(c_int::MAX);
        // SAFETY: our open context, used by nobody else meanwhile, and as many bytes as we say.
        let rc = unsafe { ffi::avio_read_partial(self.context.as_ptr(), buffer.as_mut_ptr(), length) };
        match usize::try_from(rc) {
            Ok(count) => Ok(count),
            Err(_) if rc == ffi::AVERROR_EOF => Ok(0),
            Err(_) if self.interrupt.fired() => Err(io::ErrorKind::WouldBlock.into()),
            Err(_) => Err(io::Error::new(io::ErrorKind::ConnectionReset, Error::from_code("avio_read_partial", rc))),
        }
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: opened by avio_open2, ours alone, closed only here; what closing fails at was
        // open for reading only, so nothing is lost.
        unsafe { ffi::avio_closep(&mut context) };
    }
}
