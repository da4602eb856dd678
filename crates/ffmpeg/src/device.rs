//! libavdevice, loaded when the first device is opened.
//!
//! Linked in, it and the seventy libraries that it pulls along (sound servers, SDL,
//! OpenGL) would take 17 MB of every process, most of which never see a webcam. An FFmpeg of our
//! own is built with webcams and nothing else; there it is linked in, since a libavdevice of the
//! machine would register with a libavformat that is not ours.

#[cfg(not(feature = "bundled"))]
use std::ffi::CString;
use std::sync::OnceLock;

use crate::ffi;

/// Makes capture devices known as demuxers; does nothing from the second time on.
///
/// # Errors
/// A sentence that says what is missing.
pub(crate) fn load() -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    LOADED.get_or_init(try_load).clone()
}

#[cfg(not(feature = "bundled"))]
fn try_load() -> Result<(), String> {
    // The two libraries have had the same major version since FFmpeg 5.
    // SAFETY: takes nothing and returns a number.
    let major = unsafe { ffi::avformat_version() } >> 16;
    let name = format!("libavdevice.so.{major}");
    let missing = || format!("webcams need {name}; install the package libavdevice{major}");
    let c_name = CString::new(name.clone()).map_err(|_| missing())?;
    // SAFETY: a zero-terminated name; the library stays loaded for as long as the process lives,
    // since nobody closes it. Its constructors are those of any library we could link to.
    let library = unsafe { libc::dlopen(c_name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if library.is_null() {
        return Err(missing());
    }
    // SAFETY: an open library and a zero-terminated name.
    let register = unsafe { libc::dlsym(library, c"avdevice_register_all".as_ptr()) };
    if register.is_null() {
        return Err(format!("{name} has no avdevice_register_all; is it FFmpeg's?"));
    }
    // SAFETY: libavdevice/avdevice.h declares it as `void avdevice_register_all(void)`, in every
    // version; it only links its table into libavformat's, and `OnceLock` keeps two calls apart.
    unsafe {
        let register: unsafe extern "C" fn() = std::mem::transmute(register);
        register();
    }
    Ok(())
}

#[cfg(feature = "bundled")]
#[allow(clippy::unnecessary_wraps, reason = "the other one can fail")]
fn try_load() -> Result<(), String> {
    // SAFETY: libavdevice/avdevice.h; it only links its table into libavformat's, and `OnceLock`
    // keeps two calls apart.
    unsafe { ffi::avdevice_register_all() };
    Ok(())
}
