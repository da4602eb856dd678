//! FFmpeg's listener, on a port of the loopback that it has for one caller.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::Mutex;

use bytes::Bytes;
use source::Stop;
use tokio::sync::mpsc;

use super::{DATAGRAM, SrtPassphrase};
use crate::shelf::lock;

/// How long an encoder may take to come in, in microseconds, as FFmpeg wants it.
const PATIENCE: &str = "5000000";
/// How often a port is looked for that no other caller has.
const TRIES: usize = 16;

/// The ports that are spoken for: the system may give one twice before FFmpeg has it.
static PORTS: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that no other caller is given while this lives.
pub(super) struct Port(u16);

impl Port {
    /// One that nobody has just now. Another program may take it yet, which [`listen`] tells.
    pub(super) fn find() -> io::Result<Self> {
        for _ in 0..TRIES {
            let port = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
            if lock(&PORTS).insert(port) {
                return Ok(Self(port));
            }
        }
        Err(io::ErrorKind::AddrInUse.into())
    }

    pub(super) fn number(&self) -> u16 {
        self.0
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        lock(&PORTS).remove(&self.0);
    }
}

/// Why nobody was listened to.
#[derive(Debug)]
pub(super) enum Unheard {
    /// Another program has taken the port.
    Taken,
    /// The caller did not come in.
    Out(String),
}

/// Lets FFmpeg take one caller at `port`, and gives what it sends to its end. Blocks.
pub(super) fn listen(
    port: &Port,
    passphrase: Option<&SrtPassphrase>,
    giving: &mpsc::Sender<Bytes>,
    stop: &Stop,
) -> Result<(), Unheard> {
    let mut options = vec![("mode".into(), "listener".into()), ("listen_timeout".into(), PATIENCE.into())];
    options.extend(passphrase.map(|passphrase| ("passphrase".into(), passphrase.as_str().into())));
    let stopping = stop.clone();
    let url = format!("srt://127.0.0.1:{}", port.number());
    let opened = ffmpeg::Io::open(&url, &options, move || stopping.is_set());
    let mut io = opened.map_err(|error| match error {
        ffmpeg::Error::InUse { .. } => Unheard::Taken,
        error => Unheard::Out(format!("it did not come in (is its passphrase right?): {error}")),
    })?;
    // An empty piece: it has come in.
    if giving.blocking_send(Bytes::new()).is_err() {
        return Ok(());
    }
    let mut buffer = vec![0; DATAGRAM];
    loop {
        match io.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                if giving.blocking_send(Bytes::copy_from_slice(&buffer[..count])).is_err() {
                    return Ok(());
                }
            }
            // How libsrt tells that the caller has gone, in order or not.
            Err(_) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_callers_have_the_same_port() {
        let first = Port::find().unwrap();
        assert!(!lock(&PORTS).insert(first.number()));
        let number = first.number();
        drop(first);
        assert!(!lock(&PORTS).contains(&number));
    }
}
