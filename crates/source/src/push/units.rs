//! Feeders that have coded pictures at hand: what comes by protocols that are taken apart already.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use media::{Track, Unit};
use tokio::sync::{oneshot, watch};

use super::{Ending, Hint, Push, Refused, Taken};
use crate::progress::Counters;
use crate::{About, Error, Phase, Sink};

/// Feeds a feed with units, until it is finished or dropped, which is a feed that broke off.
pub struct UnitFeeder {
    push: Arc<Push>,
    sink: Sink,
    end: Option<oneshot::Sender<Ending>>,
    outcome: watch::Receiver<Option<Result<(), Error>>>,
    before: Counters,
    bytes: Arc<AtomicU64>,
}

impl Push {
    pub(crate) async fn unit_feeder(self: &Arc<Self>, hint: &Hint) -> Result<UnitFeeder, Refused> {
        let place = self.place().await?;
        let before = self.progress.counters(Instant::now());
        let (done, outcome) = watch::channel(None);
        let (end, ended) = oneshot::channel();
        let (span, bytes) = self.enter(hint);
        let (sink, cut) = self.open();
        sink.phase(Phase::Handshake);
        let work = async move {
            match ended.await {
                Ok(Ending::Whole | Ending::Closed) => Ok(()),
                _ => Err(Error::Ended { what: Some("the sender went away in its midst".into()) }),
            }
        };
        let attempt = Arc::clone(self).attempt(work, cut, done, place);
        tokio::spawn(tracing::Instrument::instrument(attempt, span));
        Ok(UnitFeeder { push: Arc::clone(self), sink, end: Some(end), outcome, before, bytes })
    }
}

impl UnitFeeder {
    /// Declares the tracks, before the first unit and again when codec or size change.
    ///
    /// # Errors
    /// When nothing of it can be shown or heard.
    pub fn declare(&self, about: About, tracks: Vec<Track>) -> Result<(), Error> {
        self.sink.declare(about, tracks)
    }

    /// Publishes a unit that has just arrived; `false` when nothing more is wanted:
    /// [`UnitFeeder::finish`] tells why.
    pub fn publish(&self, unit: Unit) -> bool {
        self.bytes.fetch_add(unit.data.len() as u64, Relaxed);
        self.sink.publish(unit);
        !self.sink.is_cut()
    }

    /// Ends when nothing more is wanted: no picture came for too long
    /// ([`crate::Options::open_timeout`], [`crate::Options::gap_timeout`]), or the feed is gone.
    /// Cancel-safe.
    pub async fn unwanted(&self) {
        let _ = self.outcome.clone().wait_for(Option::is_some).await;
    }

    /// Ends when a viewer wants a keyframe. Cancel-safe.
    pub async fn keyframe_wanted(&self) {
        self.push.keyframe.notified().await;
    }

    /// Ends it, and tells what came.
    pub async fn finish(mut self, ending: Ending) -> Taken {
        self.push.leave();
        if let Some(end) = self.end.take() {
            // Nobody listens where it is over already.
            let _ = end.send(ending);
        }
        let result = match self.outcome.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(result)) => result.clone(),
            _ => Err(crate::libav::died()),
        };
        self.push.taken(&self.before, result)
    }
}

impl Drop for UnitFeeder {
    fn drop(&mut self) {
        // Of the next one, if this one is over already.
        if self.outcome.borrow().is_none() {
            self.push.leave();
        }
    }
}
