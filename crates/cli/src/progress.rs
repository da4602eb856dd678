//! Signs of life while something takes time, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A spinner with a text on stderr; nothing at all where that is no terminal.
pub struct Spinner(ProgressBar);

impl Spinner {
    /// Shows `text` and turns until it is cleared or dropped.
    pub fn start(text: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_message(text.to_owned());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Changes the text.
    pub fn say(&self, text: String) {
        self.0.set_message(text);
    }

    /// Removes it from the terminal.
    pub fn clear(self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
