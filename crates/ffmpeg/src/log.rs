//! libav*'s log: into `tracing`, and the last complaints of each thread into its errors.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::ffi;

/// How a `va_list` is passed to a function. The x86-64 ABI's is an array, which decays to
/// a pointer; elsewhere bindgen passes the type itself.
#[cfg(target_arch = "x86_64")]
type VaList = *mut ffi::__va_list_tag;
#[cfg(not(target_arch = "x86_64"))]
type VaList = ffi::va_list;

/// Complaints kept for one error.
const KEPT_LINES: usize = 3;
/// Lines a second, of the whole process, that may be told as warnings.
const WARNINGS_PER_SECOND: u32 = 5;

thread_local! {
    static KEPT: RefCell<VecDeque<String>> = const { RefCell::new(VecDeque::new()) };
    static PREFIX: Cell<c_int> = const { Cell::new(1) };
}

/// Sends the log our way.
pub(crate) fn install() {
    // SAFETY: the callback is a plain function that lives for ever and may run on any thread.
    unsafe { ffi::av_log_set_callback(Some(receive)) };
}

/// Forgets what this thread complained about so far: a new call begins.
pub(crate) fn begin() {
    let _ = KEPT.try_with(|kept| kept.try_borrow_mut().map(|mut kept| kept.clear()));
}

/// What this thread complained about since [`begin`], in one line, passwords hidden.
pub(crate) fn take() -> Option<String> {
    let lines = KEPT.try_with(|kept| kept.try_borrow_mut().map(|mut kept| std::mem::take(&mut *kept))).ok()?.ok()?;
    let text = lines.into_iter().collect::<Vec<_>>().join("; ");
    (!text.is_empty()).then_some(text)
}

unsafe extern "C" fn receive(context: *mut c_void, level: c_int, format: *const c_char, arguments: VaList) {
    // libavutil puts a colour above the lowest byte.
    let level = level & 0xff;
    if level > ffi::AV_LOG_INFO
        || (level > ffi::AV_LOG_WARNING && !tracing::enabled!(target: "ffmpeg", tracing::Level::DEBUG))
    {
        return;
    }
    // A subscriber of `tracing` is anybody's code, and a panic must not unwind into C.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut line: [c_char; 1024] = [0; 1024];
        let mut prefix = PREFIX.try_with(Cell::get).unwrap_or(1);
        // SAFETY: context, format and arguments are libavutil's own and valid for this call, which
        // reads the arguments once; the line is as long as we say and is always ended with a zero.
        let text = unsafe {
            ffi::av_log_format_line2(
                context,
                level,
                format,
                arguments,
                line.as_mut_ptr(),
                line.len() as c_int,
                &mut prefix,
            );
            CStr::from_ptr(line.as_ptr())
        };
        let _ = PREFIX.try_with(|cell| cell.set(prefix));
        tell(level, &text.to_string_lossy());
    }));
}

fn tell(level: c_int, line: &str) {
    let line = tidy(line);
    // The end of a sentence that came in pieces.
    if !line.contains(char::is_alphanumeric) {
        return;
    }
    let line = media::Redacted(&line).to_string();
    if level <= ffi::AV_LOG_ERROR && may_warn() {
        tracing::warn!(target: "ffmpeg", "{line}");
    } else {
        tracing::debug!(target: "ffmpeg", "{line}");
    }
    if level <= ffi::AV_LOG_WARNING {
        let _ = KEPT.try_with(|kept| {
            if let Ok(mut kept) = kept.try_borrow_mut() {
                if kept.back() != Some(&line) {
                    kept.push_back(line);
                }
                if kept.len() > KEPT_LINES {
                    kept.pop_front();
                }
            }
        });
    }
}

/// `[rtsp @ 0x55e0c8] method failed\n` as `rtsp: method failed`.
fn tidy(line: &str) -> String {
    let line = line.trim();
    match line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(" @ 0x"))
        .and_then(|(name, rest)| Some((name, rest.split_once("] ")?.1)))
    {
        Some((name, text)) => format!("{name}: {}", tidy(text)),
        None => line.to_owned(),
    }
}

/// A damaged stream complains about every picture: let a few lines a second through and
/// say how many were held back.
fn may_warn() -> bool {
    static SECOND: AtomicU64 = AtomicU64::new(0);
    static TOLD: AtomicU32 = AtomicU32::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    if SECOND.swap(now, Ordering::Relaxed) != now {
        let told = TOLD.swap(0, Ordering::Relaxed);
        if told > WARNINGS_PER_SECOND {
            tracing::warn!(target: "ffmpeg", held_back = told - WARNINGS_PER_SECOND, "more messages were left out");
        }
    }
    TOLD.fetch_add(1, Ordering::Relaxed) < WARNINGS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::tidy;

    #[test]
    fn addresses_are_left_out_of_log_lines() {
        assert_eq!(tidy("[rtsp @ 0x55e0c8] method DESCRIBE failed: 401\n"), "rtsp: method DESCRIBE failed: 401");
        assert_eq!(tidy("[in#0 @ 0x1] [mjpeg @ 0x2] bad"), "in#0: mjpeg: bad");
        assert_eq!(tidy("plain [text] @ 0x1 \n"), "plain [text] @ 0x1");
    }
}
