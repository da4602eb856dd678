//! Coded data, counted by libavcodec.

use std::ptr::NonNull;

use bytes::Bytes;

use crate::error::Error;
use crate::ffi;

/// An AVPacket. Frees itself.
pub(crate) struct Packet(NonNull<ffi::AVPacket>);

// SAFETY: nothing in an AVPacket is tied to a thread, and its buffer is counted
// thread-safely (libavutil/buffer.h).
unsafe impl Send for Packet {}

impl Packet {
    pub(crate) fn new() -> Result<Self, Error> {
        // SAFETY: allocates; null is looked for.
        NonNull::new(unsafe { ffi::av_packet_alloc() }).map(Self).ok_or(Error::NoMemory)
    }

    /// A packet that holds a copy of `data`, padded as libavcodec wants it.
    ///
    /// libavcodec's bit readers look up to AV_INPUT_BUFFER_PADDING_SIZE bytes past the end
    /// and rely on zeros there. A `Bytes` cannot tell whether it is a whole packet of ours or
    /// a slice of something else, so it is copied: less than 2 µs for a 40 kB access unit whose
    /// decoding takes milliseconds.
    pub(crate) fn copy_of(data: &[u8]) -> Result<Self, Error> {
        let packet = Self::new()?;
        let len = i32::try_from(data.len()).map_err(|_| Error::NoMemory)?;
        // SAFETY: the packet is ours and empty; av_new_packet gives it a buffer of `len` bytes
        // and zeroed padding, which cannot overlap `data`.
        unsafe {
            if ffi::av_new_packet(packet.as_ptr(), len) < 0 {
                return Err(Error::NoMemory);
            }
            std::ptr::copy_nonoverlapping(data.as_ptr(), (*packet.as_ptr()).data, data.len());
        }
        Ok(packet)
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVPacket {
        self.0.as_ptr()
    }

    /// Its bytes, without copying them, and without a packet any more.
    pub(crate) fn into_bytes(self) -> Bytes {
        if self.data().is_empty() { Bytes::new() } else { Bytes::from_owner(Owner(self)) }
    }

    pub(crate) fn data(&self) -> &[u8] {
        // SAFETY: libavcodec keeps `data` pointing at `size` readable bytes, which nobody
        // changes while we hold the packet: its buffer is counted, and writing to a shared
        // one is against libavcodec's own rules.
        unsafe {
            let packet = &raw const *self.as_ptr();
            match (usize::try_from((*packet).size), (*packet).data.is_null()) {
                (Ok(len), false) => std::slice::from_raw_parts((*packet).data, len),
                _ => &[],
            }
        }
    }

    /// The side data of kind `kind`, if there is some.
    pub(crate) fn side_data(&self, kind: ffi::AVPacketSideDataType) -> Option<&[u8]> {
        let mut size = 0;
        // SAFETY: a valid packet; the answer is null or `size` bytes that belong to it.
        unsafe {
            let data = ffi::av_packet_get_side_data(self.as_ptr(), kind, &mut size);
            (!data.is_null()).then(|| std::slice::from_raw_parts(data, size))
        }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut packet = self.as_ptr();
        // SAFETY: from av_packet_alloc, ours alone, freed only here.
        unsafe { ffi::av_packet_free(&mut packet) };
    }
}

/// Keeps a packet alive as long as somebody reads its bytes.
struct Owner(Packet);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        self.0.data()
    }
}
