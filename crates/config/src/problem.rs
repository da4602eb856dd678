//! What there is to say about a file.

use std::fmt;

/// How bad a [`Problem`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something is done otherwise than ffserver did, on purpose.
    Notice,
    /// It may not be meant, or is an old way to say it.
    Warning,
    /// The file cannot be used.
    Error,
}

/// Something to say about a line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, from 1; 0 when it is about the file as a whole.
    pub line: usize,
    /// How bad it is.
    pub severity: Severity,
    /// What stood there, what should have, and what to do.
    pub message: String,
}

impl Problem {
    /// A file may say anything, in quotes; of a problem with it one line is made.
    fn new(line: usize, severity: Severity, message: String) -> Self {
        Self { line, severity, message: message.replace(char::is_control, " ") }
    }

    pub(crate) fn error(line: usize, message: impl Into<String>) -> Self {
        Self::new(line, Severity::Error, message.into())
    }

    pub(crate) fn warning(line: usize, message: impl Into<String>) -> Self {
        Self::new(line, Severity::Warning, message.into())
    }

    pub(crate) fn notice(line: usize, message: impl Into<String>) -> Self {
        Self::new(line, Severity::Notice, message.into())
    }

    /// Whether the file cannot be used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `line 3: unknown directive VideoQMim; did you mean VideoQMin?`
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.message),
            line => write!(f, "line {line}: {}", self.message),
        }
    }
}

/// `text`, cut to a length fit for a message.
pub(crate) fn short(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
