//! How a file ends: in order, or cut off before its last picture.
//!
//! An index in front names pictures that are not there when the rest of the file is missing, as of
//! a download that broke off. What is there is read to its last whole picture, and that there
//! should be more is told.

use media::Redacted;

/// Damaged places in a row of a file that are passed over.
const MOST_DAMAGED: usize = 100;

/// How the file that is read may come to its end.
#[derive(Default)]
pub(crate) struct Ending {
    /// Whole pictures so far.
    pub(crate) good: u64,
    /// Places since the last unit where there was nothing to be read.
    damaged: usize,
}

impl Ending {
    /// Whether one more failure to read a packet is passed over: what follows may be read again.
    pub(crate) fn passes(&mut self) -> bool {
        self.damaged += 1;
        self.damaged <= MOST_DAMAGED
    }

    /// There is a unit; whether something was missing before it.
    pub(crate) fn goes_on(&mut self) -> bool {
        std::mem::take(&mut self.damaged) > 0
    }

    /// What is wrong with the end that was come to of the file at `url`, whose index names `of` pictures.
    pub(crate) fn what(&self, url: &str, of: Option<u64>) -> Option<String> {
        (self.damaged > 0).then(|| cut_off(url, self.good, of))
    }
}

/// Of a file at `url` that ends before its last picture, of which there are `of`.
fn cut_off(url: &str, good: u64, of: Option<u64>) -> String {
    let place = Redacted(url.strip_prefix("file:").unwrap_or(url));
    let of = of.filter(|of| *of > good).map(|of| format!(" of the {of} that its index names")).unwrap_or_default();
    let pictures = if good == 1 { "picture is" } else { "pictures are" };
    format!("{place}: the file is cut off: {good} {pictures} good{of}, and the rest is missing")
}
