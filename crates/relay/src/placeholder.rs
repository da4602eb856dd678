//! The picture that is shown while there is none.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use ffmpeg::{Frame, jpeg};
use formats::osd::{self, CHAR_WIDTH, LINE_HEIGHT, Plane};
use media::{Size, Variant};
use source::{State, Status};
use tokio::sync::Semaphore;

/// Size of the picture when nobody knows the source's own.
const SIZE: Size = Size::new(640, 360);
/// The longest side of the picture.
const MOST_SIDE: u32 = 1280;
/// Most pictures kept; a hundred readers of one dead source need one.
const KEPT: usize = 64;
/// Shades of grey.
const BACKGROUND: u8 = 32;
const TITLE: u8 = 235;
const TEXT: u8 = 180;

/// Makes the pictures for one reader.
pub(crate) struct Placeholder {
    name: String,
    variant: Variant,
}

impl Placeholder {
    pub(crate) fn new(name: &str, variant: Variant) -> Self {
        Self { name: name.into(), variant }
    }

    /// A picture that says what the source is doing and since when, or nothing while it
    /// is live.
    pub(crate) async fn picture(&self, status: &Status) -> Option<Bytes> {
        self.saying(text(status)?, status).await
    }

    /// A picture for whoever gets none although the source may be live.
    pub(crate) async fn in_place(&self, status: &Status) -> Option<Bytes> {
        self.saying(text(status).unwrap_or_else(|| "waiting for a picture ...".into()), status).await
    }

    async fn saying(&self, text: String, status: &Status) -> Option<Bytes> {
        let own = status.tracks.video().and_then(|track| track.video()).map(|video| video.size);
        let size = bounded(self.variant.size.of(own.filter(|size| size.width > 0 && size.height > 0).unwrap_or(SIZE)));
        let key = (size, self.name.clone(), text);
        if let Some(kept) = kept(&key) {
            return Some(kept);
        }
        // A few milliseconds of drawing, once for all readers, and one drawing at a time
        // however many sizes are asked for.
        let _turn = DRAWING.acquire().await.ok()?;
        if let Some(kept) = kept(&key) {
            return Some(kept);
        }
        let made = tokio::task::spawn_blocking(move || {
            let data = draw(key.0, &key.1, &key.2)?;
            keep(key, data.clone());
            Some(data)
        });
        made.await.ok().flatten()
    }
}

/// One who draws.
static DRAWING: Semaphore = Semaphore::const_new(1);

/// As large as a picture that only says something need be, in the same shape.
fn bounded(size: Size) -> Size {
    let shrink = |side: u32, other: u32| {
        u32::try_from(u64::from(MOST_SIDE) * u64::from(side) / u64::from(other)).unwrap_or(1).max(2)
    };
    match size.width.max(size.height) {
        longest if longest <= MOST_SIDE => size,
        longest => Size::new(shrink(size.width, longest), shrink(size.height, longest)),
    }
}

type Key = (Size, String, String);

static PICTURES: Mutex<VecDeque<(Key, Bytes)>> = Mutex::new(VecDeque::new());

fn kept(key: &Key) -> Option<Bytes> {
    let pictures = PICTURES.lock().unwrap_or_else(PoisonError::into_inner);
    pictures.iter().find(|(known, _)| known == key).map(|(_, data)| data.clone())
}

fn keep(key: Key, data: Bytes) {
    let mut pictures = PICTURES.lock().unwrap_or_else(PoisonError::into_inner);
    if pictures.len() == KEPT {
        pictures.pop_front();
    }
    pictures.push_back((key, data));
}

fn text(status: &Status) -> Option<String> {
    let since = jiff::Timestamp::try_from(status.since).ok().map(|at| at.to_zoned(jiff::tz::TimeZone::system()));
    let since = since.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string());
    Some(match (&status.state, &status.error) {
        (State::Live, _) => return None,
        (State::Idle | State::Opening(_), None) => "connecting ...".into(),
        (State::Ended, None) => format!("ended {since}"),
        (_, Some(error)) => format!("no picture since {since}\n{error}"),
        (State::Waiting(_) | State::Unfed, None) => format!("no picture since {since}"),
    })
}

fn draw(size: Size, name: &str, text: &str) -> Option<Bytes> {
    let mut frame = Frame::new("gray", size).ok()?;
    let (width, height) = (size.width as usize, size.height as usize);
    {
        let plane = frame.plane_mut(0)?;
        let mut canvas = Plane { stride: plane.stride, data: plane.data, width, height };
        canvas.fill_rect(0, 0, width, height, BACKGROUND);
        let wrapped = |scale: usize| osd::wrap(text, width * 9 / 10 / (CHAR_WIDTH * scale));
        // As large as the reason fits below the name.
        let fits = |scale: &usize| wrapped(*scale).lines().count() * scale * LINE_HEIGHT <= height / 2;
        let largest = ((width + 120) / 240).clamp(1, 6);
        let scale = (1..=largest).rev().find(fits).unwrap_or(1);
        let middle =
            |part: usize| (i32::try_from(width / 2).unwrap_or(0), i32::try_from(height * part / 100).unwrap_or(0));
        let (x, y) = middle(22);
        canvas.text_centred(x, y, largest + 1, TITLE, &osd::wrap(name, width * 9 / 10 / (CHAR_WIDTH * (largest + 1))));
        let (x, y) = middle(62);
        canvas.text_centred(x, y, scale, TEXT, &wrapped(scale));
    }
    jpeg::Encoder::new().encode(&frame, Variant::QUALITY).ok()
}
