//! The two deadlines of an attempt: to its first picture, and from one picture to the next.

use std::time::{Duration, Instant};

use tokio::time::{sleep, sleep_until, timeout};

use crate::progress::Progress;
use crate::{Error, Options};

fn tell_live(progress: &Progress) {
    let status = progress.status().borrow().clone();
    let track = status.tracks.lead();
    let size = track.and_then(|track| track.video()).map(|video| video.size).unwrap_or_default();
    tracing::info!(codec = track.map(|track| track.codec.name()), %size, container = status.about.container, "live");
}

/// Ends with the time-out that passed.
pub(crate) async fn overdue(progress: &Progress, options: &Options) -> Error {
    /// How often it is looked whether somebody sends.
    const LOOKING: Duration = Duration::from_millis(100);
    let mut began = Instant::now();
    // A wake-up may be left over from the last attempt: the picture counts, not it.
    while progress.newest().is_none() {
        if progress.is_held() {
            sleep(LOOKING).await;
            began = Instant::now();
            continue;
        }
        let left = (began + options.open_timeout).saturating_duration_since(Instant::now());
        if left.is_zero() {
            let (phase, after) = (progress.current_phase(), options.open_timeout);
            return Error::Timeout { phase, after, tried: progress.silence() };
        }
        let _ = timeout(left, progress.live.notified()).await;
    }
    tell_live(progress);
    let after = options.gap_timeout;
    loop {
        // A codec that changes unnoticed by the demuxer is known when it is opened anew.
        let undecodable = progress.undecodable().map(|since| since.max(began) + after);
        let newest = if progress.is_held() { Instant::now() } else { progress.newest().unwrap_or(began) };
        let due = newest + after;
        if undecodable.is_some_and(|due| due <= Instant::now()) {
            let what = format!("nothing that came for {after:?} could be decoded; has the codec changed?");
            return Error::Broken { what };
        }
        if due <= Instant::now() {
            return Error::Timeout { phase: progress.current_phase(), after, tried: None };
        }
        sleep_until(undecodable.map_or(due, |at| at.min(due)).into()).await;
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use media::{Packet, Timestamp, TrackId};

    use super::*;

    fn picture() -> Packet {
        Packet {
            track: TrackId(0),
            pts: Timestamp::ZERO,
            dts: Timestamp::ZERO,
            duration: None,
            key: true,
            corrupt: false,
            discontinuity: false,
            received: Instant::now(),
            captured: None,
            data: Bytes::from_static(&[0; 100]),
        }
    }

    #[tokio::test]
    async fn packets_that_cannot_be_decoded_are_no_pictures() {
        let progress = Progress::new();
        let options = Options { gap_timeout: Duration::from_millis(50), ..Options::default() };
        let coming = async {
            loop {
                progress.packet(&picture(), true);
                sleep(Duration::from_millis(5)).await;
            }
        };
        let blind = async {
            let quiet = timeout(Duration::from_millis(200), overdue(&progress, &options)).await;
            assert!(quiet.is_err(), "given up while pictures come: {quiet:?}");
            progress.tell_undecodable(Some(Instant::now()));
            overdue(&progress, &options).await
        };
        tokio::select! {
            error = blind => assert!(error.to_string().contains("could be decoded"), "{error}"),
            () = coming => {}
        }
    }
}
