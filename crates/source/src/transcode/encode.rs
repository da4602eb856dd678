//! The thread of one variant: scale, encode, publish.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use ffmpeg::{Scaler, jpeg};
use media::{Packet, Size, Track, TrackId, Tracks, Variant};

use super::job::Job;
use crate::Error;
use crate::decoding::Decoded;

/// Starts the encoder of `job`; it ends with the job.
pub(crate) fn start(name: &str, job: Arc<Job>) -> Result<(), Error> {
    let thread_name: String = format!("jpeg-{name}").chars().take(15).collect();
    let spawned = thread::Builder::new().name(thread_name).spawn(move || run(&job));
    spawned.map(|_| ()).map_err(|error| Error::Broken { what: format!("cannot start an encoder thread: {error}") })
}

/// Closes the job's feed when the encoder is done, or has panicked.
struct Done<'a>(&'a Job);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn run(job: &Job) {
    let _done = Done(job);
    let mut encoder = Encoder { scaler: Scaler::new(), jpeg: jpeg::Encoder::new(), declared: None };
    while let Some(decoded) = job.take() {
        let pictures = match encoder.encode(&decoded, job.variant) {
            Ok(made) => made,
            Err(error) => {
                // One picture that cannot be encoded is no reason to stop the others.
                tracing::debug!(%error, "picture not encoded");
                continue;
            }
        };
        let Some(publisher) = job.publisher() else { return };
        let (size, packet) = pictures;
        if encoder.declared != Some(size) {
            encoder.declared = Some(size);
            publisher.declare(Tracks::new(vec![Track::mjpeg(size)]));
        }
        match publisher.publish(packet) {
            Ok(()) => _ = job.made.fetch_add(1, Relaxed),
            Err(error) => tracing::warn!(%error, "picture dropped"),
        }
    }
}

struct Encoder {
    scaler: Scaler,
    jpeg: jpeg::Encoder,
    declared: Option<Size>,
}

impl Encoder {
    fn encode(&mut self, decoded: &Decoded, variant: Variant) -> Result<(Size, Packet), ffmpeg::Error> {
        let size = variant.size.of(decoded.frame.size());
        let planes = self.scaler.to_jpeg_planes(&decoded.frame, size)?;
        let data = self.jpeg.encode(&planes, variant.quality.unwrap_or(Variant::QUALITY))?;
        let packet = Packet {
            track: TrackId(0),
            pts: decoded.pts,
            dts: decoded.pts,
            duration: None,
            key: true,
            corrupt: decoded.corrupt,
            discontinuity: false,
            received: decoded.received,
            captured: decoded.captured,
            data,
        };
        Ok((size, packet))
    }
}
