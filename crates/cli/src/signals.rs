//! The signals that ask a program to end.

use tokio::signal::unix::{SignalKind, signal};

/// What a server is told while it runs.
pub enum Told {
    /// Read the configuration again.
    Reload,
    /// Open the logs anew.
    Reopen,
}

/// Waits for SIGHUP and SIGUSR1, again and again.
pub struct Orders {
    reload: tokio::signal::unix::Signal,
    reopen: tokio::signal::unix::Signal,
}

impl Orders {
    /// From now on they end the program no more.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self { reload: signal(SignalKind::hangup())?, reopen: signal(SignalKind::user_defined1())? })
    }

    /// The next one. Cancel-safe.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.reload.recv() => Told::Reload,
            _ = self.reopen.recv() => Told::Reopen,
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub async fn ended() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}
