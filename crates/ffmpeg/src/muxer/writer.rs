//! Where a muxer writes: into memory.

use std::ffi::{c_int, c_void};
use std::ptr::{self, NonNull};

use bytes::{Bytes, BytesMut};

use crate::error::Error;
use crate::ffi;

/// Bytes handed over at once.
const BUFFER_BYTES: usize = 32 * 1024;
/// Most bytes that a muxer may write for one packet.
const MOST: usize = 64 << 20;

/// An AVIOContext that writes into memory and cannot go back. Frees itself.
pub(super) struct Writer {
    context: NonNull<ffi::AVIOContext>,
    written: *mut BytesMut,
}

// SAFETY: the context is touched only by whoever owns it, and nothing in it is tied to a thread.
unsafe impl Send for Writer {}

impl Writer {
    pub(super) fn new() -> Result<Self, Error> {
        // SAFETY: allocates; null is looked for.
        let buffer = unsafe { ffi::av_malloc(BUFFER_BYTES) };
        if buffer.is_null() {
            return Err(Error::NoMemory);
        }
        let written = Box::into_raw(Box::new(BytesMut::new()));
        // SAFETY: the buffer is av_malloc'ed and as long as we say, and becomes the context's;
        // `written` outlives the context, see Drop.
        let context = unsafe {
            ffi::avio_alloc_context(
                buffer.cast(),
                BUFFER_BYTES as c_int,
                1,
                written.cast(),
                None,
                Some(write_packet),
                None,
            )
        };
        match NonNull::new(context) {
            Some(context) => Ok(Self { context, written }),
            None => {
                // SAFETY: nobody took either of them.
                unsafe {
                    ffi::av_free(buffer);
                    drop(Box::from_raw(written));
                }
                Err(Error::NoMemory)
            }
        }
    }

    pub(super) fn as_ptr(&self) -> *mut ffi::AVIOContext {
        self.context.as_ptr()
    }

    /// Everything written since the last call.
    pub(super) fn take(&mut self) -> Bytes {
        // SAFETY: our context; afterwards nothing of it refers to the bytes, and `&mut self`
        // says that no callback runs, so the borrow is the only one.
        unsafe {
            ffi::avio_flush(self.as_ptr());
            (*self.written).split().freeze()
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: made by avio_alloc_context and freed only here, after the muxer that used it;
        // the buffer may have been replaced, so the context's own pointer is the one to free.
        // The bytes were a Box and nothing can call back any more.
        unsafe {
            ffi::av_freep(ptr::addr_of_mut!((*context).buffer).cast());
            ffi::avio_context_free(&mut context);
            drop(Box::from_raw(self.written));
        }
    }
}

/// Bytes as the callback is given them: constant from FFmpeg 7 on.
#[cfg(ffmpeg_7_0)]
type Given = *const u8;
/// Bytes as the callback is given them.
#[cfg(not(ffmpeg_7_0))]
type Given = *mut u8;

unsafe extern "C" fn write_packet(opaque: *mut c_void, bytes: Given, size: c_int) -> c_int {
    let Ok(len) = usize::try_from(size) else { return ffi::AVERROR(libc::EINVAL) };
    // SAFETY: `Writer::new` put a BytesMut there, which lives as long as the context; libavformat
    // calls one callback of a context at a time, so the borrow is the only one.
    let written = unsafe { &mut *opaque.cast::<BytesMut>() };
    if written.len().saturating_add(len) > MOST {
        return ffi::AVERROR(libc::ENOMEM);
    }
    // SAFETY: libavformat lends `size` bytes for this call.
    written.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes, len) });
    size
}
