//! The thread of one variant: scale, encode, publish.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use ffmpeg::{EncoderOptions, Scaler, jpeg};
use media::{Codec, Packet, Size, Timestamp, Track, TrackId, Tracks, Variant};

use super::job::Job;
use crate::Error;
use crate::decoding::Decoded;

/// A reader of video waits no longer than this for a picture to begin with.
const KEY_INTERVAL: Duration = Duration::from_secs(2);

/// Starts the encoder of `job`; it ends with the job.
pub(crate) fn start(name: &str, job: Arc<Job>) -> Result<(), Error> {
    let thread_name: String = format!("enc-{name}").chars().take(15).collect();
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
    let mut maker = Maker::for_variant(job.variant);
    while let Some(decoded) = job.take() {
        let made = match maker.make(&decoded, job.variant) {
            Ok(Some(made)) => made,
            // The codec found nothing to say.
            Ok(None) => continue,
            // It will not be opened for the next picture either.
            Err(error) if maker.is_shut() => {
                return job.end(Some(Error::Unsupported { what: error.to_string() }));
            }
            Err(error) => {
                // One picture that cannot be encoded is no reason to stop the others.
                tracing::debug!(%error, "picture not encoded");
                continue;
            }
        };
        let Some(publisher) = job.publisher() else { return };
        if let Some(track) = made.new_track {
            publisher.declare(Tracks::new(vec![track]));
        }
        let packet = Packet {
            track: TrackId(0),
            pts: decoded.pts,
            dts: decoded.pts,
            duration: None,
            key: made.key,
            corrupt: decoded.corrupt,
            discontinuity: false,
            received: decoded.received,
            captured: decoded.captured,
            data: made.data,
        };
        match publisher.publish(packet) {
            Ok(()) => _ = job.made.fetch_add(1, Relaxed),
            Err(error) => tracing::warn!(%error, "picture dropped"),
        }
    }
}

/// What became of a picture.
pub(crate) struct Made {
    pub(crate) data: Bytes,
    pub(crate) key: bool,
    /// The track it belongs to, where that is another one than the last picture's.
    pub(crate) new_track: Option<Track>,
}

/// The encoder of a variant.
pub(crate) enum Maker {
    Jpeg { scaler: Scaler, jpeg: jpeg::Encoder, declared: Option<Size> },
    Video { scaler: Scaler, codec: Codec, encoder: Option<Running> },
}

/// A video encoder for pictures of one size.
pub(crate) struct Running {
    size: Size,
    encoder: ffmpeg::Encoder,
    /// When the last keyframe was.
    key: Timestamp,
    /// Pictures from it on.
    since: u32,
    /// Its track was told.
    declared: bool,
}

impl Maker {
    pub(crate) fn for_variant(variant: Variant) -> Self {
        match variant.codec {
            None => Self::Jpeg { scaler: Scaler::new(), jpeg: jpeg::Encoder::new(), declared: None },
            Some(codec) => Self::Video { scaler: Scaler::new(), codec, encoder: None },
        }
    }

    /// It could not be opened.
    pub(crate) fn is_shut(&self) -> bool {
        matches!(self, Self::Video { encoder: None, .. })
    }

    pub(crate) fn make(&mut self, decoded: &Decoded, variant: Variant) -> Result<Option<Made>, ffmpeg::Error> {
        let size = variant.size.of(decoded.frame.size());
        let quality = variant.quality.unwrap_or(Variant::QUALITY);
        match self {
            Self::Jpeg { scaler, jpeg, declared } => {
                let planes = scaler.to_jpeg_planes(&decoded.frame, size)?;
                let data = jpeg.encode(&planes, quality)?;
                let new_track = (declared.replace(size) != Some(size)).then(|| Track::mjpeg(size));
                Ok(Some(Made { data, key: true, new_track }))
            }
            Self::Video { scaler, codec, encoder } => {
                let size = ffmpeg::Encoder::fit(*codec, size);
                let new = encoder.as_ref().is_none_or(|running| running.size != size);
                if new {
                    let options = EncoderOptions {
                        tag: fourcc(*codec),
                        quality,
                        rate: variant.rate.map_or(25.0, media::Rate::per_second),
                        coding: variant.coding,
                    };
                    let made = ffmpeg::Encoder::open(*codec, size, &options)?;
                    *encoder = Some(Running { size, encoder: made, key: decoded.pts, since: 0, declared: false });
                }
                let Some(running) = encoder else { return Ok(None) };
                running.since += 1;
                let due = match variant.coding.gop {
                    Some(gop) => running.since > u32::from(gop),
                    None => decoded.pts.saturating_since(running.key) >= KEY_INTERVAL,
                };
                let due = due || decoded.pts < running.key;
                let picture = running.encoder.prepare(scaler, &decoded.frame)?;
                let coded = running.encoder.encode(&picture, new || due)?;
                let Some(coded) = coded else { return Ok(None) };
                if coded.key {
                    (running.key, running.since) = (decoded.pts, 1);
                }
                // An encoder may keep its first picture for a while.
                let new_track = (!std::mem::replace(&mut running.declared, true)).then(|| running.encoder.track());
                Ok(Some(Made { data: coded.data, key: coded.key, new_track }))
            }
        }
    }
}

/// What containers call a codec: its name in capital letters, as far as it has four.
fn fourcc(codec: Codec) -> [u8; 4] {
    let mut tag = *b"    ";
    for (to, from) in tag.iter_mut().zip(codec.name().bytes()) {
        *to = from.to_ascii_uppercase();
    }
    tag
}
