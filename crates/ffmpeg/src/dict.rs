//! Options by name.

use std::ffi::CString;
use std::ptr;

use crate::error::{Error, check};
use crate::{ffi, static_str};

/// An AVDictionary. Frees itself.
pub(crate) struct Dict(*mut ffi::AVDictionary);

impl Dict {
    pub(crate) fn new() -> Self {
        Self(ptr::null_mut())
    }

    /// Sets `key`; an entry of that name is replaced.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let (key, value) = (c_string("option name", key)?, c_string("option value", value)?);
        // SAFETY: the dictionary is ours, null or made by av_dict_set; both strings are copied.
        check("av_dict_set", unsafe { ffi::av_dict_set(&mut self.0, key.as_ptr(), value.as_ptr(), 0) }).map(drop)
    }

    /// For calls that take what they know out of it and leave the rest.
    pub(crate) fn as_mut(&mut self) -> *mut *mut ffi::AVDictionary {
        &mut self.0
    }

    /// The names left in it.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut entry = ptr::null_mut();
        loop {
            // SAFETY: the dictionary is valid, and `entry` is null or its own last answer; an
            // empty key with IGNORE_SUFFIX walks over all entries.
            entry = unsafe { ffi::av_dict_get(self.0, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX) };
            if entry.is_null() {
                return names;
            }
            // SAFETY: a valid entry; its key stands unchanged until the dictionary goes, and we copy it at once.
            names.push(unsafe { static_str((*entry).key) }.to_owned());
        }
    }
}

impl Drop for Dict {
    fn drop(&mut self) {
        // SAFETY: ours alone, and null is allowed.
        unsafe { ffi::av_dict_free(&mut self.0) };
    }
}

/// `text` for C; text with a zero in it cannot be passed on.
pub(crate) fn c_string(what: &'static str, text: &str) -> Result<CString, Error> {
    CString::new(text).map_err(|_| Error::Argument {
        what,
        found: format!("{:?}", media::Redacted(text).to_string()),
        expected: "text without a zero byte",
    })
}
