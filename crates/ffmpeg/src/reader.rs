//! Bytes from a Rust reader, for a demuxer.

use std::ffi::{c_int, c_void};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use crate::error::Error;
use crate::ffi;

/// Bytes asked of the reader at once.
const BUFFER_BYTES: usize = 32 * 1024;

/// Most bytes that are read in one call.
const MOST_READ: usize = 1 << 20;

/// An AVIOContext over a reader. Frees itself, its buffer and the reader.
pub(crate) struct Reader {
    context: NonNull<ffi::AVIOContext>,
    state: *mut State,
}

struct State {
    read: Box<dyn io::Read + Send>,
}

// SAFETY: the context is touched only by whoever owns it, nothing in it is tied to a thread,
// and the reader behind it is Send.
unsafe impl Send for Reader {}

impl Reader {
    pub(crate) fn new(read: impl io::Read + Send + 'static) -> Result<Self, Error> {
        // SAFETY: allocates; null is looked for.
        let buffer = unsafe { ffi::av_malloc(BUFFER_BYTES) };
        if buffer.is_null() {
            return Err(Error::NoMemory);
        }
        let state = Box::into_raw(Box::new(State { read: Box::new(read) }));
        // SAFETY: the buffer is av_malloc'ed and as long as we say, and becomes the context's;
        // `state` outlives the context, see Drop.
        let context = unsafe {
            ffi::avio_alloc_context(
                buffer.cast(),
                BUFFER_BYTES as c_int,
                0,
                state.cast(),
                Some(read_packet),
                None,
                None,
            )
        };
        match NonNull::new(context) {
            Some(context) => Ok(Self { context, state }),
            None => {
                // SAFETY: nobody took either of them.
                unsafe {
                    ffi::av_free(buffer);
                    drop(Box::from_raw(state));
                }
                Err(Error::NoMemory)
            }
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVIOContext {
        self.context.as_ptr()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: made by avio_alloc_context and freed only here, after the demuxer that used it;
        // the buffer may have been replaced, so the context's own pointer is the one to free.
        // The state was a Box and nothing can call back any more.
        unsafe {
            ffi::av_freep(ptr::addr_of_mut!((*context).buffer).cast());
            ffi::avio_context_free(&mut context);
            drop(Box::from_raw(self.state));
        }
    }
}

unsafe extern "C" fn read_packet(opaque: *mut c_void, buffer: *mut u8, size: c_int) -> c_int {
    let Ok(len) = usize::try_from(size) else { return ffi::AVERROR(libc::EINVAL) };
    // A demuxer may ask for as much as a file says that there is, into memory that nobody has
    // touched yet: what does not come is not to take any.
    let len = len.min(MOST_READ);
    // SAFETY: `Reader::new` put a State there, which lives as long as the context; libavformat
    // calls one callback of a context at a time, so the borrow is the only one.
    let state = unsafe { &mut *opaque.cast::<State>() };
    // SAFETY: libavformat lends `size` bytes for this call, and `len` is no more. They are zeroed first, since a
    // reader may look at what it is given.
    let buffer = unsafe {
        ptr::write_bytes(buffer, 0, len);
        std::slice::from_raw_parts_mut(buffer, len)
    };
    match catch_unwind(AssertUnwindSafe(|| read(&mut *state.read, buffer))) {
        Ok(Ok(0)) => ffi::AVERROR_EOF,
        Ok(Ok(read)) => read.min(len) as c_int,
        Ok(Err(error)) => code_of(&error),
        Err(_panic) => ffi::AVERROR_EXTERNAL,
    }
}

fn read(reader: &mut dyn io::Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn code_of(error: &io::Error) -> c_int {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, TimedOut, UnexpectedEof, WouldBlock};
    match (error.raw_os_error(), error.kind()) {
        (Some(code), _) => ffi::AVERROR(code),
        (_, TimedOut) => ffi::AVERROR(libc::ETIMEDOUT),
        // How a reader that looks at a stop flag says that it was stopped: the interrupt decides.
        (_, WouldBlock) => ffi::AVERROR(libc::EAGAIN),
        (_, ConnectionReset | ConnectionAborted | UnexpectedEof) => ffi::AVERROR(libc::ECONNRESET),
        (_, ConnectionRefused) => ffi::AVERROR(libc::ECONNREFUSED),
        _ => ffi::AVERROR(libc::EIO),
    }
}
