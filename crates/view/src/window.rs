//! The window: events in, pixels out.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ffmpeg::Scaler;
use jiff::Zoned;
use jiff::tz::TimeZone;
use media::Size;
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::{ElementState, KeyEvent, StartCause, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, OwnedDisplayHandle};
use winit::platform::{wayland, x11};
use winit::window::{Fullscreen, Window, WindowId};

use crate::draw::{self, Canvas, Scene};
use crate::keys::{Command, command};
use crate::waker::{Order, What};
use crate::{Error, Exit, Info, Options, Pictures, Shown, State, Waker, overlay, snapshot};

/// How long the window tells what a key did.
const NOTICE: Duration = Duration::from_secs(2);
/// How often the title follows the measured rate.
const TITLE: Duration = Duration::from_secs(1);
/// The window until the size of the pictures is known.
const UNKNOWN: Size = Size::new(640, 480);

type Surface = softbuffer::Surface<OwnedDisplayHandle, Arc<Window>>;

pub(crate) struct App {
    options: Options,
    pictures: Box<dyn Pictures>,
    waker: Waker,
    run: u64,
    open: Option<Open>,
    scaler: Scaler,
    zone: TimeZone,
    newest: Option<Shown>,
    info: Info,
    facts: bool,
    notice: Option<(String, Instant)>,
    /// The last picture could not be scaled, and that has been logged.
    unshowable: bool,
    result: Option<Result<Exit, Error>>,
}

struct Open {
    window: Arc<Window>,
    surface: Surface,
    /// The size given by us. When the window has another one, somebody has chosen it.
    ours: PhysicalSize<u32>,
    hidden: bool,
    title: String,
    titled: Instant,
}

impl App {
    pub(crate) fn new(options: Options, pictures: Box<dyn Pictures>, waker: Waker, run: u64) -> Self {
        let facts = options.overlay;
        Self {
            options,
            pictures,
            waker,
            run,
            open: None,
            scaler: Scaler::new(),
            zone: TimeZone::system(),
            newest: None,
            info: Info::default(),
            facts,
            notice: None,
            unshowable: false,
            result: None,
        }
    }

    /// Why the window closed, if it did so in order.
    pub(crate) fn finish(self) -> Option<Result<Exit, Error>> {
        self.result
    }

    fn end(&mut self, events: &ActiveEventLoop, result: Result<Exit, Error>) {
        self.result.get_or_insert(result);
        events.exit();
    }

    fn open(&mut self, events: &ActiveEventLoop) -> Result<(), Error> {
        let failed = |what: &dyn std::fmt::Display| Error::Window { what: what.to_string() };
        self.info = self.pictures.status();
        let monitor = events.primary_monitor().or_else(|| events.available_monitors().next());
        let (screen, scale) = monitor.map_or((None, 1.0), |m| (Some(m.size()), m.scale_factor()));
        let known = if self.info.size.width > 0 { self.info.size } else { UNKNOWN };
        let ours = initial_size(known, scale, screen);
        let attributes = Window::default_attributes()
            .with_title(&*self.options.name)
            .with_inner_size(ours.to_logical::<f64>(scale))
            .with_fullscreen(self.options.fullscreen.then_some(Fullscreen::Borderless(None)));
        let attributes = x11::WindowAttributesExtX11::with_name(attributes, "headwater", "headwater");
        let attributes = wayland::WindowAttributesExtWayland::with_name(attributes, "headwater", "headwater");
        let window = Arc::new(events.create_window(attributes).map_err(|e| failed(&e))?);
        window.set_cursor_visible(!self.options.fullscreen);
        let context = softbuffer::Context::new(events.owned_display_handle()).map_err(|e| failed(&e))?;
        let surface = Surface::new(&context, Arc::clone(&window)).map_err(|e| failed(&e))?;
        window.request_redraw();
        let titled = Instant::now();
        self.open = Some(Open { window, surface, ours, hidden: false, title: String::new(), titled });
        self.set_title();
        Ok(())
    }

    /// Fetches what is new, and has it drawn.
    fn look(&mut self) {
        self.info = self.pictures.status();
        if let Some(shown) = self.pictures.newest() {
            if self.newest.is_none() {
                self.adopt_size(shown.frame.size());
            }
            self.newest = Some(shown);
        }
        self.set_title();
        self.redraw();
    }

    /// Gives the window the size of the first picture, unless somebody has resized it.
    fn adopt_size(&mut self, picture: Size) {
        let Some(open) = &mut self.open else { return };
        let window = &open.window;
        if window.fullscreen().is_some() || window.is_maximized() || window.inner_size() != open.ours {
            return;
        }
        let monitor = window.current_monitor().or_else(|| window.available_monitors().next());
        open.ours = initial_size(picture, window.scale_factor(), monitor.map(|m| m.size()));
        if open.ours != window.inner_size() {
            let _ = window.request_inner_size(open.ours);
        }
    }

    fn set_title(&mut self) {
        let Some(open) = &mut self.open else { return };
        let title = format!("{} – {}", self.options.name, overlay::state(&self.info, &self.zone));
        let settled = self.info.state == State::Live && open.title.contains("– live");
        if title != open.title && !(settled && open.titled.elapsed() < TITLE) {
            open.window.set_title(&title);
            open.title = title;
            open.titled = Instant::now();
        }
    }

    fn redraw(&self) {
        if let Some(open) = self.open.as_ref().filter(|open| !open.hidden) {
            open.window.request_redraw();
        }
    }

    fn draw(&mut self) -> Result<(), softbuffer::SoftBufferError> {
        let Some(open) = self.open.as_mut().filter(|open| !open.hidden) else { return Ok(()) };
        let size = open.window.inner_size();
        let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height)) else {
            return Ok(());
        };
        open.surface.resize(width, height)?;
        let mut buffer = open.surface.buffer_mut()?;
        let message = match (self.info.state, &self.newest) {
            (State::Live, Some(_)) => None,
            (State::Live, None) => Some("waiting for the first picture…".into()),
            _ => Some(overlay::state(&self.info, &self.zone)),
        };
        let facts = self.facts.then(|| overlay::facts(&self.info));
        let scene = Scene {
            picture: self.newest.as_ref().map(|shown| &shown.frame),
            message: message.as_deref(),
            facts: facts.as_deref(),
            notice: self.notice.as_ref().map(|(text, _)| text.as_str()),
            scale: draw::text_scale(open.window.scale_factor(), size.width),
        };
        let mut canvas = Canvas { pixels: &mut buffer, size: Size::new(size.width, size.height) };
        if let Err(error) = draw::compose(&mut canvas, &mut self.scaler, &scene) {
            if !self.unshowable {
                tracing::warn!(%error, "a picture cannot be shown");
            }
            self.unshowable = true;
        }
        open.window.pre_present_notify();
        buffer.present()
    }

    fn key(&mut self, events: &ActiveEventLoop, event: &KeyEvent) {
        match command(event) {
            Some(Command::Quit) => self.end(events, Ok(Exit::User)),
            _ if event.repeat => {}
            Some(Command::Fullscreen) => {
                if let Some(open) = &self.open {
                    let turn_on = open.window.fullscreen().is_none();
                    open.window.set_fullscreen(turn_on.then_some(Fullscreen::Borderless(None)));
                    open.window.set_cursor_visible(!turn_on);
                }
            }
            Some(Command::Snapshot) => {
                let text = self.snapshot();
                self.notice = Some((text, Instant::now() + NOTICE));
                self.redraw();
            }
            Some(Command::Facts) => {
                self.facts = !self.facts;
                self.look();
            }
            None => {}
        }
    }

    fn snapshot(&mut self) -> String {
        let Some(jpeg) = self.pictures.snapshot_jpeg() else {
            return "no picture yet".into();
        };
        match snapshot::save(&self.options.snapshot_dir, &self.options.name, &Zoned::now(), &jpeg) {
            Ok(file) => file,
            Err(error) => {
                let dir = self.options.snapshot_dir.display();
                tracing::error!(%error, %dir, "cannot save a snapshot");
                format!("not saved: {error} in {dir}")
            }
        }
    }
}

impl ApplicationHandler<Order> for App {
    fn new_events(&mut self, _: &ActiveEventLoop, cause: StartCause) {
        if matches!(cause, StartCause::ResumeTimeReached { .. }) {
            self.redraw();
        }
    }

    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.open.is_none()
            && let Err(error) = self.open(events)
        {
            self.end(events, Err(error));
        }
    }

    fn user_event(&mut self, events: &ActiveEventLoop, order: Order) {
        match order {
            Order { run, .. } if run != self.run => {}
            Order { what: What::Quit, .. } => self.end(events, Ok(Exit::Told)),
            Order { what: What::Look, .. } => {
                self.waker.seen();
                self.look();
            }
        }
    }

    fn window_event(&mut self, events: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::CloseRequested => self.end(events, Ok(Exit::User)),
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } if event.state == ElementState::Pressed => {
                self.key(events, &event);
            }
            WindowEvent::RedrawRequested => {
                if let Err(error) = self.draw() {
                    self.end(events, Err(Error::Window { what: error.to_string() }));
                }
            }
            WindowEvent::Occluded(hidden) => {
                if let Some(open) = &mut self.open {
                    open.hidden = hidden;
                }
                self.redraw();
            }
            WindowEvent::Resized(_) | WindowEvent::ScaleFactorChanged { .. } => self.redraw(),
            _ => {}
        }
    }

    fn about_to_wait(&mut self, events: &ActiveEventLoop) {
        if self.notice.as_ref().is_some_and(|(_, until)| *until <= Instant::now()) {
            self.notice = None;
            self.redraw();
        }
        events.set_control_flow(match &self.notice {
            Some((_, until)) => ControlFlow::WaitUntil(*until),
            None => ControlFlow::Wait,
        });
    }
}

/// As many points as the picture has pixels; if the screen is too small for that, the
/// largest undistorted size in nine tenths of it, which leaves room for title and bars.
fn initial_size(picture: Size, scale: f64, screen: Option<PhysicalSize<u32>>) -> PhysicalSize<u32> {
    let pixels = |side: u32| (f64::from(side) * scale).round() as u32;
    let wanted = Size::new(pixels(picture.width).max(1), pixels(picture.height).max(1));
    let room = |side: u32| (side / 10 * 9).max(1);
    let fitting = match screen {
        Some(screen) if wanted.width > room(screen.width) || wanted.height > room(screen.height) => {
            draw::fit(wanted, None, Size::new(room(screen.width), room(screen.height))).size
        }
        _ => wanted,
    };
    PhysicalSize::new(fitting.width, fitting.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(picture: (u32, u32), scale: f64, screen: (u32, u32)) -> (u32, u32) {
        initial_size(Size::new(picture.0, picture.1), scale, Some(screen.into())).into()
    }

    #[test]
    fn the_window_has_the_size_of_the_picture_if_the_screen_has() {
        assert_eq!(opened((640, 480), 1.0, (1920, 1080)), (640, 480));
        assert_eq!(opened((640, 480), 2.0, (3840, 2160)), (1280, 960));
        assert_eq!(opened((3840, 2160), 1.0, (1920, 1080)), (1728, 972));
        assert_eq!(opened((1080, 1920), 1.0, (1920, 1080)), (547, 972));
        assert_eq!(opened((0, 0), 1.0, (0, 0)), (1, 1));
        assert_eq!(initial_size(Size::new(8192, 8192), 1.0, None), PhysicalSize::new(8192, 8192));
    }
}
