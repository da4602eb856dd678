//! A reader's packets, one after the other: the source's own, or coded anew for it.

use std::sync::Arc;

use feed::{Cursor, Entry, Start};
use media::{SizeWish, Variant};

use crate::Error;
use crate::transcode::{Demand, Lease};
use crate::variants::Variants;

/// A reader of packets in order; the source stays open while it lives.
///
/// Where the wish names a codec, its pictures come in that codec: as they are where the
/// source sends it and nothing else is asked for, coded anew otherwise. What is coded anew
/// has no sound.
pub struct Packets {
    variants: Arc<Variants>,
    /// Nothing: whatever the source sends.
    wish: Option<Variant>,
    way: Way,
}

enum Way {
    /// The source's own packets.
    Own(Cursor),
    /// Those of a transcoding, which runs while it is leased.
    Made { cursor: Cursor, lease: Lease },
}

impl Packets {
    pub(crate) fn new(variants: Arc<Variants>, wish: Option<Variant>) -> Self {
        let way = own(&variants);
        Self { variants, wish, way }
    }

    /// The next packet, waiting for one if need be, over reconnects too; first of all the
    /// newest keyframe there is. Its entry tells the tracks and what was lost. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Ended`] when the source is over for good, [`Error::Unsupported`] when its
    /// codec cannot be decoded or the one wished for cannot be made, [`Error::TooMany`].
    pub async fn next(&mut self) -> Result<Entry, Error> {
        loop {
            match &mut self.way {
                Way::Own(cursor) => {
                    let entry = cursor.next().await.map_err(|_| ended())?;
                    let Some(wish) = self.wish else { return Ok(entry) };
                    if fits(&wish, &entry) {
                        return Ok(entry);
                    }
                    let lease = self.variants.lease(wish, Demand::All)?;
                    self.way = Way::Made { cursor: lease.feed().cursor(Start::Keyframe), lease };
                }
                Way::Made { cursor, lease } => match cursor.next().await {
                    Ok(entry) => return Ok(entry),
                    Err(feed::Closed) => match lease.error() {
                        Some(error) => return Err(error),
                        None => self.way = own(&self.variants),
                    },
                },
            }
        }
    }
}

fn own(variants: &Variants) -> Way {
    Way::Own(variants.feed().cursor(Start::Keyframe))
}

fn ended() -> Error {
    Error::Ended { what: None }
}

/// Whether the source's own packets are what is wished for.
fn fits(wish: &Variant, entry: &Entry) -> bool {
    let plain = wish.size == SizeWish::Own && wish.quality.is_none() && wish.rate.is_none();
    plain && entry.tracks.video().map(|track| track.codec) == wish.codec
}
