//! Drawing into pictures in memory: rectangles, text, and a machine-readable number.
//!
//! A [`Plane`] borrows its pixels from whoever owns the picture, be it the luma of a
//! JPEG to be or the buffer of a window. Whatever reaches beyond its edges is clipped,
//! and only the pixels that change are touched.

mod font;
mod number;
#[cfg(test)]
mod tests;

pub use number::read_number;

/// One plane of a picture: `height` rows of `width` pixels, `stride` pixels apart.
///
/// Rows for which `data` is too short are not drawn.
#[derive(Debug)]
pub struct Plane<'a, T = u8> {
    /// The pixels, from the top left.
    pub data: &'a mut [T],
    /// Pixels from one row to the next, at least `width`.
    pub stride: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// Pixels from one character to the next at scale 1.
pub const CHAR_WIDTH: usize = font::WIDTH + 1;
/// Pixels from one line of text to the next at scale 1.
pub const LINE_HEIGHT: usize = font::HEIGHT + 2;

impl<T: Copy> Plane<'_, T> {
    /// Sets every pixel of a rectangle, as far as it lies in the plane.
    pub fn fill_rect(&mut self, x: i32, y: i32, width: usize, height: usize, value: T) {
        let columns = clip(x, width, self.width.min(self.stride));
        for row in clip(y, height, self.height) {
            let start = row * self.stride;
            if let Some(pixels) = self.data.get_mut(start + columns.start..start + columns.end) {
                pixels.fill(value);
            }
        }
    }

    /// Writes `text` with its top left corner at `x`, `y`, each dot `scale` pixels wide
    /// and high. A line feed starts a new line; what the font lacks becomes a box.
    pub fn text(&mut self, x: i32, y: i32, scale: usize, value: T, text: &str) {
        let step = |count: usize| i32::try_from(count.saturating_mul(scale)).unwrap_or(i32::MAX);
        for (row, line) in text.lines().enumerate() {
            let top = y.saturating_add(step(row * LINE_HEIGHT));
            for (column, c) in line.chars().enumerate() {
                let left = x.saturating_add(step(column * CHAR_WIDTH));
                if clip(left, CHAR_WIDTH * scale, self.width).is_empty() {
                    continue;
                }
                self.glyph(left, top, scale, value, font::glyph(c));
            }
        }
    }

    /// Writes `text`, line by line, around the middle `x`, `y`.
    pub fn text_centred(&mut self, x: i32, y: i32, scale: usize, value: T, text: &str) {
        let half = |pixels: usize| i32::try_from(pixels / 2).unwrap_or(i32::MAX);
        let top = y.saturating_sub(half(text_size(text, scale).1));
        for (row, line) in text.lines().enumerate() {
            let down = i32::try_from(row * LINE_HEIGHT * scale).unwrap_or(i32::MAX);
            let left = x.saturating_sub(half(text_size(line, scale).0));
            self.text(left, top.saturating_add(down), scale, value, line);
        }
    }

    fn glyph(&mut self, x: i32, y: i32, scale: usize, value: T, glyph: &font::Glyph) {
        let offset = |dots: usize| i32::try_from(dots * scale).unwrap_or(i32::MAX);
        for (row, bits) in glyph.iter().enumerate() {
            let mut column = 0;
            while column < font::WIDTH {
                let run = (column..font::WIDTH).take_while(|c| bits >> (font::WIDTH - 1 - c) & 1 == 1).count();
                if run > 0 {
                    let (left, top) = (x.saturating_add(offset(column)), y.saturating_add(offset(row)));
                    self.fill_rect(left, top, run * scale, scale, value);
                }
                column += run.max(1);
            }
        }
    }
}

/// Width and height in pixels that `text` takes, without the space after the last
/// character and below the last line. (0, 0) for no text.
#[must_use]
pub fn text_size(text: &str, scale: usize) -> (usize, usize) {
    let columns = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let rows = text.lines().count();
    let without = |pixels: usize, gap: usize| pixels.saturating_sub(gap) * scale;
    (without(columns * CHAR_WIDTH, CHAR_WIDTH - font::WIDTH), without(rows * LINE_HEIGHT, LINE_HEIGHT - font::HEIGHT))
}

/// Breaks `text` between words into lines of at most `columns` characters, and within a
/// word only where the word alone is longer. Lines that are short enough stay as they are.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> String {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        if paragraph.chars().count() <= columns {
            lines.push(paragraph.to_owned());
            continue;
        }
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_whitespace() {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > columns {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used > 0 {
                line.push(' ');
                used += 1;
            }
            for c in word.chars() {
                if used == columns {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                }
                line.push(c);
                used += 1;
            }
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// The part of `at..at + length` within `0..end`.
fn clip(at: i32, length: usize, end: usize) -> std::ops::Range<usize> {
    let before = if at < 0 { at.unsigned_abs() as usize } else { 0 };
    let start = usize::try_from(at).unwrap_or(0).min(end);
    start..start.saturating_add(length.saturating_sub(before)).min(end)
}
