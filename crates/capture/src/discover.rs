//! Who is there? The search of [`source::discover`], for a program that waits for it and may give
//! up.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use tokio::task::JoinHandle;

pub use source::discover::{Asked, Found, How, Outcome, Search};

/// A search that is under way. Dropping it ends it.
pub struct Discovery {
    outcome: Receiver<Outcome>,
    task: JoinHandle<()>,
}

impl Discovery {
    /// Begins to look.
    ///
    /// # Errors
    /// When the system has no thread left for it.
    pub fn begin(search: Search) -> io::Result<Self> {
        let (done, outcome) = sync_channel(1);
        let task = crate::runtime::handle()?.spawn(async move {
            // Nobody waits any more: then nobody is told.
            let _ = done.send(source::discover::search(&search).await);
        });
        Ok(Self { outcome, task })
    }

    /// What came of it; nothing while it is not over within `slice`.
    #[must_use]
    pub fn wait(&self, slice: Duration) -> Option<Outcome> {
        match self.outcome.recv_timeout(slice) {
            Ok(outcome) => Some(outcome),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => {
                let answers = Err("the search ended before it was over".into());
                let asked = vec![Asked { what: "discover".into(), answers }];
                Some(Outcome { asked, ..Outcome::default() })
            }
        }
    }
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.task.abort();
    }
}
