//! A reader's packets, one after the other: the source's own, or coded anew for it.

use std::sync::Arc;

use feed::{Cursor, Entry, Start};
use media::{SizeWish, Variant};

use crate::Error;
use crate::past::{Live, Next, Past};
use crate::recode::Recode;
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
    /// Those of the recording. The cursor keeps the source open meanwhile.
    Past { past: Box<Past>, open: Cursor },
    /// The source's own, after those of the recording.
    After(Live),
    /// Those of the recording and after, made for this reader alone.
    Recoded(Recode),
}

impl Packets {
    pub(crate) fn new(variants: Arc<Variants>, wish: Option<Variant>) -> Self {
        let way = own(&variants);
        Self { variants, wish, way }
    }

    /// A reader that begins in the past.
    pub(crate) fn since(variants: Arc<Variants>, past: Past) -> Self {
        let way = Way::Past { past: Box::new(past), open: variants.feed().cursor(Start::Live) };
        Self { variants, wish: None, way }
    }

    /// A reader of what is made for it alone.
    pub(crate) fn recoded(variants: Arc<Variants>, recode: Recode) -> Self {
        Self { variants, wish: None, way: Way::Recoded(recode) }
    }

    /// The next packet, waiting for one if need be, over reconnects too; first of all the
    /// newest keyframe there is, or what was asked for of the past. Its entry tells the tracks
    /// and what was lost. Cancel-safe.
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
                Way::Past { past, .. } => match past.next().await? {
                    Next::Past(found) => return Ok(found.0),
                    Next::Live(start) => self.go_live(start),
                },
                Way::After(Live { cursor, sameness }) => {
                    let entry = cursor.next().await.map_err(|_| ended())?;
                    return Ok(sameness.of(entry));
                }
                Way::Recoded(recode) => return recode.next().await,
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

    /// Goes over from the recording into the feed, before the source can be closed.
    fn go_live(&mut self, start: Start) {
        let cursor = self.variants.feed().cursor(start);
        let way = std::mem::replace(&mut self.way, own(&self.variants));
        if let Way::Past { past, open } = way {
            self.way = Way::After(Live { cursor, sameness: past.into_sameness() });
            drop(open);
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
