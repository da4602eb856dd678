//! Finding a display and running a window on it.

use std::cell::RefCell;
use std::env;
use std::mem::ManuallyDrop;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use winit::error::EventLoopError;
use winit::event_loop::EventLoop;
use winit::platform::run_on_demand::EventLoopExtRunOnDemand;
use winit::platform::{wayland, x11};

use crate::waker::Order;
use crate::window::App;
use crate::{Exit, Options, Pictures, Waker};

/// Why there is no window, or no longer one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no screen, or it does not let us in.
    #[error("no display: {what}; run it on a desktop, or use `headwater grab`")]
    NoDisplay {
        /// What was tried.
        what: String,
    },
    /// winit keeps one connection to the display per process, on one thread.
    #[error("only one thread of a program can open windows, and another one has done so; open this window there")]
    OtherThread,
    /// The display let us in and failed us later.
    #[error("the window system failed: {what}")]
    Window {
        /// What it said.
        what: String,
    },
}

thread_local! {
    /// The process's event loop, kept for the next window, since winit makes only one.
    /// Never dropped: at the end of a thread the libraries it needs may be gone already.
    static LOOP: RefCell<Option<ManuallyDrop<EventLoop<Order>>>> = const { RefCell::new(None) };
}

/// Opens a window, runs it until it is closed, and returns why it was.
///
/// May be called from any thread, and again after it has returned, but only ever from
/// that same thread. `make` is handed the [`Waker`] before the window opens; what it
/// returns is dropped when the window has closed.
///
/// # Errors
/// [`Error::NoDisplay`] without a desktop, before `make` is called.
pub fn run(options: Options, make: impl FnOnce(Waker) -> Box<dyn Pictures>) -> Result<Exit, Error> {
    static RUNS: AtomicU64 = AtomicU64::new(0);

    let kept = LOOP.with(|kept| kept.borrow_mut().take());
    let mut event_loop = match kept {
        Some(event_loop) => event_loop,
        None => ManuallyDrop::new(open()?),
    };
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let waker = Waker::new(event_loop.create_proxy(), run);
    let mut app = App::new(options, make(waker.clone()), waker, run);
    let ran = event_loop.run_app_on_demand(&mut app);
    LOOP.with(|kept| kept.replace(Some(event_loop)));
    match (app.finish(), ran) {
        (Some(result), _) => result,
        (None, Ok(())) => Ok(Exit::User),
        (None, Err(error)) => Err(Error::Window { what: plain(&error) }),
    }
}

/// Connects to Wayland or to X11.
fn open() -> Result<EventLoop<Order>, Error> {
    let display = Display::choose(|name| env::var(name).ok(), |path| UnixStream::connect(path).is_ok())?;
    let mut builder = EventLoop::with_user_event();
    match display {
        Display::Wayland(_) => wayland::EventLoopBuilderExtWayland::with_wayland(&mut builder),
        Display::X11(_) => x11::EventLoopBuilderExtX11::with_x11(&mut builder),
    };
    x11::EventLoopBuilderExtX11::with_any_thread(&mut builder, true);
    let name = match &display {
        Display::Wayland(name) => format!("WAYLAND_DISPLAY={name}"),
        Display::X11(name) => format!("DISPLAY={name}"),
    };
    // winit panics where a library or an extension of the X server is missing.
    match panic::catch_unwind(AssertUnwindSafe(|| builder.build())) {
        Ok(Ok(event_loop)) => Ok(event_loop),
        Ok(Err(EventLoopError::RecreationAttempt)) => Err(Error::OtherThread),
        Ok(Err(error)) => Err(Error::NoDisplay { what: format!("{name} cannot be opened: {}", plain(&error)) }),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
            Err(Error::NoDisplay { what: format!("{name} cannot be used: {}", said.unwrap_or_default()) })
        }
    }
}

/// The display to use, by its name in the environment.
#[derive(Debug, PartialEq, Eq)]
enum Display {
    Wayland(String),
    X11(String),
}

impl Display {
    /// Wayland first, as everywhere; but a WAYLAND_DISPLAY left over from another session,
    /// as after `ssh` or `sudo`, does not hide an X server that is there.
    fn choose(env: impl Fn(&str) -> Option<String>, answers: impl Fn(PathBuf) -> bool) -> Result<Self, Error> {
        let set = |name| env(name).filter(|value| !value.is_empty());
        if let Some(socket) = set("WAYLAND_SOCKET") {
            return Ok(Self::Wayland(socket));
        }
        let x11 = set("DISPLAY").map(Self::X11);
        let Some(name) = set("WAYLAND_DISPLAY") else {
            let what = || "neither WAYLAND_DISPLAY nor DISPLAY is set".into();
            return x11.ok_or_else(|| Error::NoDisplay { what: what() });
        };
        // An absolute name replaces the directory.
        let socket = PathBuf::from(set("XDG_RUNTIME_DIR").unwrap_or_default()).join(&name);
        if socket.is_absolute() && answers(socket) {
            return Ok(Self::Wayland(name));
        }
        x11.ok_or_else(|| Error::NoDisplay { what: format!("nothing answers at WAYLAND_DISPLAY={name}") })
    }
}

/// winit's sentence without the place in its source, as a part of ours.
fn plain(error: &EventLoopError) -> String {
    let text = error.to_string();
    let said =
        text.strip_prefix("os error at ").and_then(|rest| rest.split_once(": ")).map_or(&*text, |(_, said)| said);
    let mut chars = said.trim_end_matches('.').chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(env: &[(&str, &str)], socket: Option<&str>) -> Result<Display, String> {
        let get = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Display::choose(get, |path| socket.map(PathBuf::from) == Some(path)).map_err(|e| e.to_string())
    }

    #[test]
    fn without_a_display_the_user_is_told_what_to_do() {
        let expected =
            "no display: neither WAYLAND_DISPLAY nor DISPLAY is set; run it on a desktop, or use `headwater grab`";
        assert_eq!(choose(&[], None).unwrap_err(), expected);
        assert_eq!(choose(&[("DISPLAY", ""), ("WAYLAND_DISPLAY", "")], None).unwrap_err(), expected);
        let error = choose(&[("WAYLAND_DISPLAY", "wayland-0"), ("XDG_RUNTIME_DIR", "/run/user/7")], None).unwrap_err();
        assert!(error.starts_with("no display: nothing answers at WAYLAND_DISPLAY=wayland-0;"), "{error}");
    }

    #[test]
    fn wayland_comes_first_if_it_answers() {
        let both = [("DISPLAY", ":1"), ("WAYLAND_DISPLAY", "wayland-0"), ("XDG_RUNTIME_DIR", "/run/user/7")];
        assert_eq!(choose(&both, Some("/run/user/7/wayland-0")), Ok(Display::Wayland("wayland-0".into())));
        assert_eq!(choose(&both, None), Ok(Display::X11(":1".into())));
        assert_eq!(choose(&both[..1], None), Ok(Display::X11(":1".into())));
        let absolute = [("WAYLAND_DISPLAY", "/tmp/w")];
        assert_eq!(choose(&absolute, Some("/tmp/w")), Ok(Display::Wayland("/tmp/w".into())));
    }
}
