//! What a camera means by its markers: the end of a picture, as it should, or of every slice.
//!
//! Until that is known, a picture that ends at a marker is held: the next packet shows whether it was whole.
//! If that packet was not the next one, nobody will ever know, and the picture is none.

use media::nal::Syntax;

use super::{Nals, Place, Start};

/// What is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Markers {
    /// Nothing.
    #[default]
    Unknown,
    /// Nothing, and the last packet had one.
    Holding,
    /// They end pictures.
    Pictures,
    /// They stand within pictures, too.
    Slices,
}

impl Nals {
    /// Whether a picture that may be whole waits for the next packet, or for [`Self::release`].
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.markers == Markers::Holding
    }

    /// Takes the picture that is held for whole, since nothing has followed for long enough.
    pub fn release(&mut self) {
        if self.is_holding() {
            self.markers = Markers::Unknown;
            self.end_at_marker();
            self.place = Place::Between;
        }
    }

    /// The packet was the last one of its picture, if it can be.
    pub(super) fn mark(&mut self) {
        match self.markers {
            _ if self.data.is_empty() => {}
            Markers::Unknown => self.markers = Markers::Holding,
            Markers::Pictures => {
                self.end_at_marker();
                self.place = Place::Between;
            }
            Markers::Holding | Markers::Slices => {}
        }
    }

    /// The next packet, of which none before it was lost, has another time than the picture that ended
    /// at a marker. Before a keyframe this says little: others may be small enough for one slice.
    pub(super) fn saw_end(&mut self) {
        let was_holding = self.is_holding();
        if matches!(self.markers, Markers::Unknown | Markers::Holding) {
            self.markers = if self.start == Start::No { Markers::Unknown } else { Markers::Pictures };
        }
        if was_holding {
            self.end_at_marker();
        }
    }

    /// The next packet of a picture, where a slice has ended in the one before it: without a marker.
    pub(super) fn saw_slice_end(&mut self) {
        if self.markers == Markers::Unknown && !self.data.is_empty() && !self.edges.is_open() {
            self.markers = Markers::Pictures;
        }
    }

    /// A slice begins; if a picture is held, it is of that one or the first of the next.
    pub(super) fn saw_slice(&mut self, is_first: bool) {
        match (self.is_holding(), is_first) {
            (true, true) => self.saw_end(),
            (true, false) => self.markers = Markers::Slices,
            (false, _) => {}
        }
    }

    fn end_at_marker(&mut self) {
        self.finish();
        self.marked = Some(self.timestamp);
    }
}

/// The begin of a slice, as far as it is looked at: the header, and the byte behind it.
pub(super) fn begin_of(syntax: Syntax, head: &[u8], body: &[u8]) -> ([u8; 3], bool) {
    let mut slice = [0; 3];
    slice.iter_mut().zip(head.iter().chain(body)).for_each(|(to, from)| *to = *from);
    (slice, syntax.begins_picture(&slice))
}
