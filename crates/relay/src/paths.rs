//! Paths by a configuration, as ffserver had them: feeds, streams, status pages, redirects.
//!
//! They share one list of names. The first entry whose name is the path and whose rules let
//! the visitor in is served; where there is none, the answer is the same whether nothing
//! has that name or nobody may see it. Everything about a request that outlives its handler
//! (who is counted, what is logged, when it has to end) is its [`Visit`].
//!
//! A reload exchanges the [`Table`] as a whole. What did not change is carried over with
//! its source and its viewers; whose stream changed, or is gone, is let go.

mod access;
mod dialogue;
mod groups;
mod log;
mod meter;
mod pages;
mod presets;
mod programs;
mod report;
mod resolver;
mod rtsp;
mod serve;
mod served;
mod table;
mod visit;
mod webrtc;

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use ::config::{Config, Problem};
use tokio::sync::Notify;

pub(crate) use groups::Groups;
pub(crate) use resolver::prepare;
pub(crate) use rtsp::Held;
pub(crate) use serve::answer;
pub(crate) use served::unserved;
pub(crate) use table::record;
pub(crate) use visit::Visit;

use self::log::Log;
use self::meter::Meter;
use self::programs::Programs;
use self::table::{Table, What};
use crate::session::Sessions;
use crate::sources::Sources;

/// Everything that a configuration says, and what is counted by it.
pub(crate) struct Paths {
    table: RwLock<Arc<Table>>,
    log: Mutex<Arc<Log>>,
    meter: Meter,
    programs: Programs,
    /// Wakes whoever sends to groups, after a reload.
    reloaded: Notify,
    /// Viewers of streams at the moment.
    viewers: AtomicUsize,
}

impl Paths {
    /// The paths of `config`, whose names are looked up ([`prepare`]), and some of them made of `sources`. Needs
    /// a tokio runtime.
    ///
    /// # Errors
    /// What of it cannot be served, all of it.
    pub(crate) fn new(config: &Config, sources: &Sources) -> Result<Self, Vec<Problem>> {
        let log = Log::open(config).map_err(|problem| vec![problem])?;
        Ok(Self {
            table: RwLock::new(Arc::new(Table::build(config, sources, None)?)),
            log: Mutex::new(Arc::new(log)),
            meter: Meter::default(),
            programs: Programs::default(),
            reloaded: Notify::new(),
            viewers: AtomicUsize::new(0),
        })
    }

    /// Goes over to `config`. Viewers and feeders of what did not change stay; the others are let
    /// go. When `sources` are what it says, too, groups [follow](Self::follow_groups).
    ///
    /// # Errors
    /// What of it cannot be served; then everything stays as it was.
    pub(crate) fn reload(&self, config: &Config, sources: &Sources) -> Result<(), Vec<Problem>> {
        let log = Log::open(config).map_err(|problem| vec![problem])?;
        let before = self.table();
        let table = Arc::new(Table::build(config, sources, Some(&before))?);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&table);
        *self.log.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(log);
        before.retire(&table);
        table.record_as_said(&before);
        self.follow_programs();
        Ok(())
    }

    /// Sends to groups what the table says now.
    pub(crate) fn follow_groups(&self) {
        self.reloaded.notify_one();
    }

    /// The present table.
    pub(crate) fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where requests are logged.
    fn log(&self) -> Arc<Log> {
        Arc::clone(&self.log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Opens the log's file anew, for whoever has moved it away.
    ///
    /// # Errors
    /// When it cannot be opened; the old one is written on.
    pub(crate) fn reopen_log(&self) -> std::io::Result<()> {
        self.log().reopen()
    }

    /// Looks at what has been sent; to be called once a second.
    pub(crate) fn measure(&self, sessions: &Sessions) {
        self.meter.measure(&self.table(), sessions);
    }

    /// Viewers of streams at the moment.
    fn viewers(&self) -> usize {
        self.viewers.load(Relaxed)
    }

    /// Whether a connection beyond the most that begins like this is served all the same:
    /// feeders and status pages are never locked out.
    pub(crate) fn is_kept(&self, first: &[u8]) -> bool {
        let line = first.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
        let mut words = line.split(|b| *b == b' ').skip(1);
        let Some(Ok(target)) = words.next().map(std::str::from_utf8) else { return false };
        let path = target.split('?').next().unwrap_or_default().trim_start_matches('/');
        self.table().named(path).any(|entry| matches!(entry.what, What::Feed(_) | What::Status(_)))
    }
}
