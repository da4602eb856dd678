//! Putting picture and words into the window's pixels.

use ffmpeg::{Frame, Scaler};
use formats::osd::{self, Plane};
use media::{Rational, Size};

/// The pixels of a window, `0x00RRGGBB` each, row by row without gaps.
pub(crate) struct Canvas<'a> {
    pub(crate) pixels: &'a mut [u32],
    pub(crate) size: Size,
}

/// Everything that is to be seen.
#[derive(Default)]
pub(crate) struct Scene<'a> {
    pub(crate) picture: Option<&'a Frame>,
    /// Why there is no picture, or why it stands still.
    pub(crate) message: Option<&'a str>,
    /// The facts about the source.
    pub(crate) facts: Option<&'a str>,
    /// What the last key did.
    pub(crate) notice: Option<&'a str>,
    /// Pixels to a dot of the font.
    pub(crate) scale: usize,
}

/// Part of a canvas, in pixels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Area {
    pub(crate) x: u32,
    pub(crate) y: u32,
    pub(crate) size: Size,
}

const BLACK: u32 = 0;
const WHITE: u32 = 0x00ff_ffff;
const GREY: u32 = 0x00b0_b0b0;
/// FFmpeg's name of the pixels of a [`Canvas`] on this machine.
const FORMAT: &str = if cfg!(target_endian = "little") { "bgr0" } else { "0rgb" };

/// The largest area of a window of size `within` that shows a picture of size `picture`
/// undistorted, in the middle. `pixel` is the shape of one of the picture's pixels.
pub(crate) fn fit(picture: Size, pixel: Option<Rational>, within: Size) -> Area {
    let pixel = pixel.unwrap_or(Rational { num: 1, den: 1 });
    let shape = |side: u32, factor: u32| u128::from(side.max(1)) * u128::from(factor.max(1));
    let (across, down) = (shape(picture.width, pixel.num), shape(picture.height, pixel.den));
    let part = |side: u32, numerator: u128, denominator: u128, limit: u32| {
        let rounded = (u128::from(side) * numerator + denominator / 2) / denominator;
        let part = u32::try_from(rounded).unwrap_or(u32::MAX).clamp(1, limit.max(1));
        // A bar of one pixel looks like a mistake.
        if limit - part.min(limit) == 1 { limit } else { part }
    };
    let size = if u128::from(within.width) * down <= u128::from(within.height) * across {
        Size::new(within.width, part(within.width, down, across, within.height))
    } else {
        Size::new(part(within.height, across, down, within.width), within.height)
    };
    Area { x: (within.width - size.width) / 2, y: (within.height - size.height) / 2, size }
}

/// Pixels to a dot of the font in a window `width` pixels wide: readable at any density,
/// but smaller where a line would hold only a few words.
pub(crate) fn text_scale(density: f64, width: u32) -> usize {
    let readable = (2.0 * density).round().max(1.0) as usize;
    let fitting = width as usize / (40 * osd::CHAR_WIDTH);
    readable.min(fitting).max(1)
}

/// Draws `scene` over everything that is in `canvas`.
///
/// # Errors
/// When the picture is in a format that cannot be scaled; the words are drawn all the same.
pub(crate) fn compose(canvas: &mut Canvas<'_>, scaler: &mut Scaler, scene: &Scene<'_>) -> Result<(), ffmpeg::Error> {
    let result = match scene.picture {
        Some(frame) => canvas.picture(scaler, frame),
        None => {
            canvas.pixels.fill(BLACK);
            Ok(())
        }
    };
    let scale = scene.scale.max(1);
    if let Some(facts) = scene.facts {
        let text = osd::wrap(facts, canvas.columns(scale));
        canvas.panel(margin(scale), margin(scale), scale, &text);
    }
    let mut floor = canvas.size.height as usize;
    if let Some(message) = scene.message {
        let text = osd::wrap(message, canvas.columns(scale));
        match scene.picture {
            Some(_) => floor = canvas.band(floor, scale, &text),
            None => canvas.sign(scale, &text),
        }
    }
    if let Some(notice) = scene.notice {
        canvas.band(floor, scale, &osd::wrap(notice, canvas.columns(scale)));
    }
    result
}

impl Canvas<'_> {
    fn picture(&mut self, scaler: &mut Scaler, frame: &Frame) -> Result<(), ffmpeg::Error> {
        let area = fit(frame.size(), frame.sample_aspect(), self.size);
        let stride = self.size.width as usize;
        let start = area.y as usize * stride + area.x as usize;
        let end = start + (area.size.height as usize - 1) * stride + area.size.width as usize;
        let bytes = bytemuck::cast_slice_mut(&mut self.pixels[start..end]);
        let scaled = scaler.into_slice(frame, area.size, FORMAT, bytes, stride * 4);
        self.bars(area);
        scaled
    }

    /// Blackens everything around `area`.
    fn bars(&mut self, area: Area) {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let (left, top) = (area.x as usize, area.y as usize);
        let (right, bottom) = (left + area.size.width as usize, top + area.size.height as usize);
        self.pixels[..top * width].fill(BLACK);
        self.pixels[bottom * width..height * width].fill(BLACK);
        if right - left < width {
            for row in self.pixels[top * width..bottom * width].chunks_mut(width) {
                row[..left].fill(BLACK);
                row[right..].fill(BLACK);
            }
        }
    }

    /// Text on a darkened ground, its corner at `x`, `y`.
    fn panel(&mut self, x: usize, y: usize, scale: usize, text: &str) {
        let (width, height) = osd::text_size(text, scale);
        let pad = margin(scale);
        self.darken(x, y, width + 2 * pad, height + 2 * pad);
        self.plane().text(coordinate(x + pad), coordinate(y + pad), scale, WHITE, text);
    }

    /// Text on a darkened band across the window that ends above `floor`; returns where
    /// the band begins.
    fn band(&mut self, floor: usize, scale: usize, text: &str) -> usize {
        let height = osd::text_size(text, scale).1 + 2 * margin(scale);
        let top = floor.saturating_sub(height);
        let width = self.size.width as usize;
        self.darken(0, top, width, height.min(floor));
        self.plane().text_centred(coordinate(width / 2), coordinate(top + height / 2), scale, WHITE, text);
        top
    }

    /// Text in the middle of an empty window.
    fn sign(&mut self, scale: usize, text: &str) {
        let (x, y) = (self.size.width / 2, self.size.height / 2);
        self.plane().text_centred(coordinate(x as usize), coordinate(y as usize), scale, GREY, text);
    }

    /// Leaves a quarter of the light.
    fn darken(&mut self, x: usize, y: usize, width: usize, height: usize) {
        let stride = self.size.width as usize;
        let (right, bottom) = ((x + width).min(stride), (y + height).min(self.size.height as usize));
        for row in self.pixels.chunks_mut(stride).take(bottom).skip(y) {
            for pixel in &mut row[x.min(right)..right] {
                *pixel = *pixel >> 2 & 0x003f_3f3f;
            }
        }
    }

    /// Characters that fit side by side with a margin on both sides.
    fn columns(&self, scale: usize) -> usize {
        (self.size.width as usize).saturating_sub(4 * margin(scale)) / (osd::CHAR_WIDTH * scale)
    }

    fn plane(&mut self) -> Plane<'_, u32> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        Plane { data: self.pixels, stride: width, width, height }
    }
}

/// The space around text.
fn margin(scale: usize) -> usize {
    4 * scale
}

fn coordinate(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
