//! Addresses at which we wait for an encoder: `srt://0.0.0.0:9000?mode=listener`, `tcp://…?listen`.
//!
//! libavformat takes one client on such an address and then listens no more until it has gone, and
//! does not tell what stream the client has asked for. So each source has an address of its own.
//! Served, it listens all the time, watched or not, and no deadline runs while nobody comes; for
//! whoever opens it to look at it once the usual one holds.

use std::time::Instant;

use media::Redacted;

use crate::libav::{escaped, explain, play_from, protocol_name};
use crate::scheme::Request;
use crate::{Error, Options, Phase, Sink, Stop};

/// Whether `url` is such an address.
pub(crate) fn is_meant(url: &str, options: &Options) -> bool {
    let given = |name: &str| {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "1")));
        let mut all = pairs.chain(options.libav.iter().map(|(name, value)| (&**name, &**value)));
        all.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    };
    match url.split_once("://").map(|(name, _)| name.to_ascii_lowercase()).as_deref() {
        Some("srt") => matches!(given("mode").as_deref(), Some("listener" | "1")),
        Some("tcp") => given("listen").is_some_and(|value| value != "0"),
        _ => false,
    }
}

/// Waits for an encoder at `request` and reads what it sends to its end, on this thread.
pub(crate) fn play(request: &Request, sink: &Sink, stop: &Stop) -> Error {
    let url = escaped(&request.url);
    let options = &request.options;
    sink.phase(Phase::Connect);
    // Served, it is always on.
    let waiting = options.always_on.then(|| sink.wait_for_sender());
    let give_up = (!options.always_on).then(|| Instant::now() + options.open_timeout.mul_f64(0.9));
    let is_late = move || give_up.is_some_and(|at| Instant::now() >= at);
    let come = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let interrupt = {
        let (stop, come) = (stop.clone(), std::sync::Arc::clone(&come));
        move || stop.is_set() || (!come.load(std::sync::atomic::Ordering::Relaxed) && is_late())
    };
    let body = match ffmpeg::Io::open(&url, &options.libav, interrupt) {
        Ok(body) => body,
        Err(ffmpeg::Error::Interrupted) if is_late() => return Error::Unfed { last: None },
        Err(error) => return explain(&url, error),
    };
    come.store(true, std::sync::atomic::Ordering::Relaxed);
    drop(waiting);
    tracing::info!("an encoder has come");
    let scheme = url.split("://").next().unwrap_or_default().to_ascii_lowercase();
    let protocol = format!("{} (listening)", protocol_name(&scheme));
    let place = Redacted(&url).to_string();
    match play_from(body, &place, protocol, options, sink, stop) {
        // How libsrt tells that the other side has closed the connection.
        Error::Broken { .. } => Error::Ended { what: Some(format!("{place}: the encoder has gone")) },
        error => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_to_wait_at_are_told_from_those_to_call() {
        let of = |url| is_meant(url, &Options::default());
        assert!(of("srt://0.0.0.0:9000?latency=200000&mode=listener") && of("tcp://0.0.0.0:9000?listen"));
        assert!(!of("srt://cam:9000") && !of("srt://cam:9000?mode=caller") && !of("tcp://cam:1?listen=0"));
        assert!(!of("rtsp://cam/x?mode=listener"));
        let options = Options { libav: vec![("mode".into(), "listener".into())], ..Options::default() };
        assert!(is_meant("srt://0.0.0.0:9000", &options));
    }
}
