//! `pattern:`: a test picture that moves, made here.
//!
//! Colour bars, a ramp and a bouncing box, with the wall clock and the number of the
//! picture written in it, the number once more for programs ([`formats::osd`]). What is
//! lost or late on its way to a screen can be seen, measured and counted.

mod card;

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ffmpeg::jpeg;
use media::{Rational, Size, Timestamp, Track, TrackId, Unit, Variant};

use crate::scheme::{Connection, Request, Scheme};
use crate::status::About;
use crate::{Error, Phase, Sink, Stop, on_thread};
use card::Card;

pub(crate) static SCHEME: Scheme = Scheme {
    names: &["pattern"],
    example: EXAMPLE,
    doc: "a moving test picture with clock and number, made by headwater itself",
    port: None,
    captured: false,
    check: |url| Settings::of_url(url).map(|_| ()),
    connect,
};

const EXAMPLE: &str = "pattern:?size=1280x720&fps=30&quality=85";
const SIZE: Size = Size::new(640, 480);
/// Below this the number in the picture cannot be read back.
const SMALLEST: Size = Size::new(160, 64);
/// The longest sleep between two looks at [`Stop`].
const SLICE: Duration = Duration::from_millis(50);

fn connect(request: Request, sink: Sink) -> Connection {
    Box::pin(async move {
        let settings = match Settings::of_url(&request.url) {
            Ok(settings) => settings,
            Err(error) => return error,
        };
        let thread = on_thread("pattern", move |stop| match run(settings, &sink, &stop) {
            Ok(()) => Error::Ended { what: None },
            Err(error) => error,
        });
        thread.await.unwrap_or_else(|| Error::Broken { what: "the test picture's thread died".into() })
    })
}

/// Draws and publishes until it is stopped.
fn run(settings: Settings, sink: &Sink, stop: &Stop) -> Result<(), Error> {
    let broken = |error: ffmpeg::Error| Error::Broken { what: format!("cannot make a test picture: {error}") };
    let mut card = Card::new(settings.size).map_err(broken)?;
    let mut encoder = jpeg::Encoder::new();
    let about = About {
        protocol: "pattern".into(),
        container: "pattern".into(),
        title: Some("test picture".into()),
        live: true,
        ..About::default()
    };
    sink.declare(about, vec![settings.track()])?;
    sink.phase(Phase::FirstFrame);

    let start = Instant::now();
    let mut slot = 0;
    for number in 0.. {
        let due = settings.due(slot);
        while let Some(early) = due.checked_sub(start.elapsed()).filter(|early| !early.is_zero()) {
            thread::sleep(early.min(SLICE));
            if stop.is_set() || sink.is_cut() {
                return Ok(());
            }
        }
        if stop.is_set() || sink.is_cut() {
            return Ok(());
        }
        let now = to_millis(SystemTime::now());
        card.draw(number, now);
        let data = encoder.encode(card.frame(), settings.quality).map_err(broken)?;
        let at = Timestamp::ZERO + due;
        sink.publish(Unit {
            pts: Some(at),
            dts: Some(at),
            duration: Some(settings.due(slot + 1) - due),
            captured: Some(now),
            ..Unit::picture(TrackId(0), data)
        });
        if !sink.wait_for_room(stop) {
            return Ok(());
        }
        // A machine that is too slow for the rate leaves slots empty, and stays in time.
        slot = (slot + 1).max(settings.slot(start.elapsed()));
    }
    Ok(())
}

/// What the URL asks for.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Settings {
    size: Size,
    millihertz: u32,
    quality: u8,
}

impl Settings {
    fn of_url(url: &str) -> Result<Self, Error> {
        let bad = |what: String, hint: String| Error::BadUrl { what: format!("pattern: {what}"), hint };
        let rest = url.split_once(':').map_or("", |(_, rest)| rest);
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let query = match rest.strip_prefix('?') {
            Some(query) => query,
            None if rest.is_empty() => "",
            None => {
                return Err(bad(format!("{rest:?} after the colon"), format!("expected nothing, or as in {EXAMPLE}")));
            }
        };
        let mut wish = Variant::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match wish.set(key, value) {
                Ok(true) => {}
                Ok(false) => {
                    return Err(bad(
                        format!("unknown parameter {key:?}"),
                        format!("expected {}", Variant::KEYS.join(", ")),
                    ));
                }
                Err(error) => {
                    return Err(bad(format!("{}={}", error.key, error.value), format!("expected {}", error.expected)));
                }
            }
        }
        let size = wish.size.of(SIZE);
        if size.width < SMALLEST.width || size.height < SMALLEST.height {
            let hint = format!("expected at least {SMALLEST}, so that the number in the picture can be read");
            return Err(bad(format!("size={size}"), hint));
        }
        let per_second = wish.rate.map_or(25.0, media::Rate::per_second);
        let millihertz = (per_second * 1000.0).round() as u32;
        Ok(Self { size, millihertz, quality: wish.quality.unwrap_or(Variant::QUALITY) })
    }

    fn track(&self) -> Track {
        let mut track = Track::mjpeg(self.size);
        if let media::Kind::Video(video) = &mut track.kind {
            video.frame_rate = match self.millihertz % 1000 {
                0 => Rational::new(self.millihertz / 1000, 1),
                _ => Rational::new(self.millihertz, 1000),
            };
        }
        track
    }

    /// When picture `slot` is due, from the start. Counted from the start each time, so
    /// that rounding does not add up.
    fn due(&self, slot: u64) -> Duration {
        let nanos = u128::from(slot) * 1_000_000_000_000 / u128::from(self.millihertz);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The last picture that was due at `elapsed`.
    fn slot(&self, elapsed: Duration) -> u64 {
        u64::try_from(elapsed.as_nanos() * u128::from(self.millihertz) / 1_000_000_000_000).unwrap_or(u64::MAX)
    }
}

/// The time as it can be written: without what is less than a millisecond.
fn to_millis(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
