//! A reader's packets of the past, one after the other: the source's own, or coded anew for it.

use std::sync::Arc;

use feed::{Cursor, Entry, Start};

use crate::Error;
use crate::past::{Live, Next, Past};
use crate::recode::Recode;
use crate::variants::Variants;

/// A reader of packets in order, from the recording on and then live; the source stays open
/// while it lives.
pub struct Packets {
    variants: Arc<Variants>,
    way: Way,
}

enum Way {
    /// Those of the recording. The cursor keeps the source open meanwhile.
    Past { past: Box<Past>, _open: Cursor },
    /// The source's own, after those of the recording.
    After(Live),
    /// Those of the recording and after, made for this reader alone.
    Recoded(Recode),
}

impl Packets {
    /// A reader that begins in the past.
    pub(crate) fn since(variants: Arc<Variants>, past: Past) -> Self {
        let way = Way::Past { past: Box::new(past), _open: variants.feed().cursor(Start::Live) };
        Self { variants, way }
    }

    /// A reader of what is made for it alone.
    pub(crate) fn recoded(variants: Arc<Variants>, recode: Recode) -> Self {
        Self { variants, way: Way::Recoded(recode) }
    }

    /// The next packet, waiting for one if need be, over reconnects too; first of all what was
    /// asked for of the past. Its entry tells the tracks and what was lost. Cancel-safe.
    ///
    /// # Errors
    /// [`Error::Ended`] when the source is over for good, [`Error::Unsupported`] when its
    /// codec cannot be decoded or the one wished for cannot be made, [`Error::TooMany`].
    pub async fn next(&mut self) -> Result<Entry, Error> {
        loop {
            match &mut self.way {
                Way::Past { past, .. } => match past.next().await? {
                    Next::Past(found) => return Ok(found.0),
                    Next::Live(start) => self.go_live(start),
                },
                Way::After(Live { cursor, sameness }) => {
                    let entry = cursor.next().await.map_err(|_| ended())?;
                    return Ok(sameness.of(entry));
                }
                Way::Recoded(recode) => return recode.next().await,
            }
        }
    }

    /// Goes over from the recording into the feed, before the source can be closed.
    fn go_live(&mut self, start: Start) {
        let cursor = self.variants.feed().cursor(start);
        if let Way::Past { past, .. } = &mut self.way {
            let sameness = past.take_sameness();
            self.way = Way::After(Live { cursor, sameness });
        }
    }
}

fn ended() -> Error {
    Error::Ended { what: None }
}
