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

/// An AVIOContext that writes into memory: on and on, or with steps back into what was taken
/// long ago. Frees itself.
pub(super) struct Writer {
    context: NonNull<ffi::AVIOContext>,
    written: *mut Written,
}

/// What was written and not taken yet.
#[derive(Default)]
struct Written {
    /// Places in the file and what stands there from then on, in order of writing.
    pieces: Vec<(u64, BytesMut)>,
    /// Where the next bytes go.
    at: u64,
    /// How long the file is.
    end: u64,
    bytes: usize,
}

impl Written {
    fn write(&mut self, bytes: &[u8]) -> bool {
        if self.bytes.saturating_add(bytes.len()) > MOST {
            return false;
        }
        match self.pieces.last_mut() {
            Some((at, piece)) if *at + piece.len() as u64 == self.at => piece.extend_from_slice(bytes),
            _ => self.pieces.push((self.at, bytes.into())),
        }
        self.bytes += bytes.len();
        self.at = self.at.saturating_add(bytes.len() as u64);
        self.end = self.end.max(self.at);
        true
    }
}

// SAFETY: the context is touched only by whoever owns it, and nothing in it is tied to a thread.
unsafe impl Send for Writer {}

impl Writer {
    /// One that can go back if it is `seekable`.
    pub(super) fn new(seekable: bool) -> Result<Self, Error> {
        // SAFETY: allocates; null is looked for.
        let buffer = unsafe { ffi::av_malloc(BUFFER_BYTES) };
        if buffer.is_null() {
            return Err(Error::NoMemory);
        }
        let written = Box::into_raw(Box::new(Written::default()));
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
                if seekable { Some(seek) } else { None },
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

    /// Everything written since the last call, and where it goes.
    pub(super) fn take(&mut self) -> Vec<(u64, Bytes)> {
        // SAFETY: our context; afterwards nothing of it refers to the bytes, and `&mut self`
        // says that no callback runs, so the borrow is the only one.
        let written = unsafe {
            ffi::avio_flush(self.as_ptr());
            &mut *self.written
        };
        written.bytes = 0;
        written.pieces.drain(..).map(|(at, piece)| (at, piece.freeze())).collect()
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
    // SAFETY: `Writer::new` put a Written there, which lives as long as the context; libavformat
    // calls one callback of a context at a time, so the borrow is the only one.
    let written = unsafe { &mut *opaque.cast::<Written>() };
    // SAFETY: libavformat lends `size` bytes for this call.
    match written.write(unsafe { std::slice::from_raw_parts(bytes, len) }) {
        true => size,
        false => ffi::AVERROR(libc::ENOMEM),
    }
}

unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `write_packet`.
    let written = unsafe { &mut *opaque.cast::<Written>() };
    let signed = |at: u64| i64::try_from(at).unwrap_or(i64::MAX);
    let to = match whence & !(ffi::AVSEEK_FORCE as c_int) {
        libc::SEEK_SET => Some(offset),
        libc::SEEK_CUR => signed(written.at).checked_add(offset),
        libc::SEEK_END => signed(written.end).checked_add(offset),
        size if size == ffi::AVSEEK_SIZE as c_int => return signed(written.end),
        _ => None,
    };
    match to.and_then(|to| u64::try_from(to).ok()) {
        Some(to) => {
            written.at = to;
            signed(to)
        }
        None => i64::from(ffi::AVERROR(libc::EINVAL)),
    }
}
