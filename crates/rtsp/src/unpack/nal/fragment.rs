//! NAL units that come in fragments: FU-A (RFC 6184 section 5.8), FU (RFC 7798 section 4.4.3).

use media::nal::Syntax;

use super::{ANOTHER, CUT, Markers, Nals, WITHIN};

/// Fragments of another unit without a first one: so many pictures in a row, and it is how they are
/// sent by this camera.
const STARTLESS: u8 = 3;

/// What is known of the edges of fragmented units.
#[derive(Debug, Default)]
pub(super) struct Edges {
    /// A unit has begun; whether it is a slice.
    open: Option<bool>,
    /// Bits for first and last fragments are set by this camera.
    has_starts: bool,
    has_ends: bool,
    /// Pictures in a row that began with a fragment which is not the first.
    startless: u8,
}

impl Edges {
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn is_slice(&self) -> bool {
        self.open == Some(true)
    }

    pub(super) fn open(&mut self, is_slice: bool) {
        self.open = Some(is_slice);
    }

    pub(super) fn close(&mut self) {
        self.open = None;
    }
}

impl Nals {
    /// A fragment. One that is first and last at once is against both documents, and is sent.
    pub(super) fn fragment(
        &mut self,
        head: &[u8],
        body: &[u8],
        marker: bool,
        is_lossy: bool,
        follows_marker: bool,
    ) -> Result<(), &'static str> {
        let (edge, mut body) = body.split_first().ok_or(CUT)?;
        let (mut starts, ends) = (edge & 0x80 != 0, edge & 0x40 != 0);
        self.edges.has_starts |= starts;
        self.edges.has_ends |= ends;
        if starts {
            body = self.after_order(body, 2)?;
        } else if !self.edges.is_open() {
            if is_lossy {
                // Its begin is what was lost.
                self.give_up();
                self.place = super::Place::Skipping;
                return Ok(());
            }
            if !self.edges.has_starts && follows_marker {
                self.edges.startless = self.edges.startless.saturating_add(1);
            }
            starts = !self.edges.has_starts && follows_marker && self.edges.startless > STARTLESS;
            if !starts {
                return Err(WITHIN);
            }
        }
        if starts {
            if self.edges.is_open() {
                self.implied_end(ANOTHER)?;
            }
            let (head, length) = match self.syntax {
                Syntax::H264 => ([head[0] & 0x60 | edge & 0x1F, 0], 1),
                Syntax::H265 => ([head[0] & 0x81 | (edge & 0x3F) << 1, head.get(1).copied().unwrap_or(1)], 2),
            };
            self.begin(&head[..length], body)?;
        } else {
            self.more(body)?;
        }
        // The last packet of a picture has the last fragment, whether it says so or not.
        if ends || marker && self.markers != Markers::Slices { self.end() } else { Ok(()) }
    }

    /// Something else begins before the last fragment of a unit: so it ends, where none is ever said to be
    /// the last; `what` is wrong where one is.
    pub(super) fn implied_end(&mut self, what: &'static str) -> Result<(), &'static str> {
        if self.edges.has_ends { Err(what) } else { self.end() }
    }
}
