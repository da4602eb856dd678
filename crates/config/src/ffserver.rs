//! ffserver.conf, as ffserver 3.4 read it.
//!
//! A line is a directive with its words, or begins or ends a section; `#` begins a
//! comment at the beginning of a line only. [`parse`] reads all of a file whatever is
//! wrong with it. What it understands is the table [`DIRECTIVES`].

mod check;
mod codecs;
mod delivery;
mod directives;
mod formats;
mod mend;
mod reference;
mod sections;
mod values;
mod words;

#[cfg(test)]
mod tests;

use crate::{Config, Problem};

pub(crate) use codecs::size;
pub use directives::{DIRECTIVES, Directive, Place, Standing};
pub(crate) use formats::{guess as guess_format, wrong as wrong_format};
pub use reference::reference;
pub(crate) use values::rate;
pub use words::{Line, lines};

/// What a file says, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// What could be read. Not to be used when there is an error among the problems.
    pub config: Config,
    /// Everything, in the order of the lines.
    pub problems: Vec<Problem>,
}

impl Parsed {
    /// Whether the configuration can be used.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.problems.iter().any(Problem::is_error)
    }
}

/// Reads the text of an ffserver.conf.
#[must_use]
pub fn parse(text: &str) -> Parsed {
    let mut reading = sections::Reading::default();
    for line in lines(text) {
        reading.handle_line(line);
    }
    let (config, mut problems) = reading.finish();
    problems.sort_by_key(|problem| problem.line);
    Parsed { config, problems }
}

/// The formats that a `Format` line may name, as FFmpeg calls them, without those that
/// are no stream. Which of them are served is the server's business.
pub fn formats() -> impl Iterator<Item = &'static str> {
    formats::KNOWN.iter().map(|(name, _)| *name)
}
