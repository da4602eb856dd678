//! The test picture itself, drawn as the planes of a JPEG.

use std::time::SystemTime;

use ffmpeg::{Error, Frame};
use formats::osd::{self, Plane};
use jiff::Zoned;
use jiff::tz::TimeZone;
use media::Size;

/// The picture. Everything that stands still is drawn once.
pub(super) struct Card {
    frame: Frame,
    /// Where the box bounces, as it is without the box: its three planes.
    ground: [Vec<u8>; 3],
    field: Area,
    text: Area,
    scale: usize,
    box_side: usize,
    /// The pixels that the box covers now.
    covered: Area,
    zone: TimeZone,
}

/// A rectangle of luma pixels, its corner and sides even.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Area {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

type Colour = [u8; 3];

/// Luma and chroma of a colour, full range, BT.601, as JFIF wants them.
const fn colour(r: i32, g: i32, b: i32) -> Colour {
    let y = (299 * r + 587 * g + 114 * b) / 1000;
    let cb = 128 + (-169 * r - 331 * g + 500 * b) / 1000;
    let cr = 128 + (500 * r - 419 * g - 81 * b) / 1000;
    [y as u8, cb as u8, cr as u8]
}

/// Bars of three quarters of full brightness, as on every test card.
const BARS: [Colour; 8] = [
    colour(191, 191, 191),
    colour(191, 191, 0),
    colour(0, 191, 191),
    colour(0, 191, 0),
    colour(191, 0, 191),
    colour(191, 0, 0),
    colour(0, 0, 191),
    colour(0, 0, 0),
];
const BLACK: Colour = colour(0, 0, 0);
const BOX: Colour = colour(255, 140, 0);
const HOLE: Colour = colour(20, 20, 60);
const INK: u8 = 255;
/// The longest line of text.
const COLUMNS: usize = "2026-11-22 15:04:05.123".len();

impl Card {
    pub(super) fn new(size: Size) -> Result<Self, Error> {
        let mut frame = Frame::new("yuvj420p", size)?;
        let (width, height) = (size.width as usize, size.height as usize);
        let bar = (height / 10).max(16).next_multiple_of(2);
        let inner = height - 2 * bar;
        let row = |part: usize| bar + ((inner * part / 100) & !1);
        let field = Area { x: 0, y: bar, width: width & !1, height: row(70) - bar };
        let text = Area { x: 0, y: row(70), width, height: height - bar - row(70) };
        let scale = (width / (COLUMNS * osd::CHAR_WIDTH + 4)).min(text.height / (2 * osd::LINE_HEIGHT + 2)).max(1);

        fill(&mut frame, Area { x: 0, y: 0, width, height }, BLACK);
        for (at, bar) in BARS.into_iter().enumerate() {
            let x = |at: usize| (width * at / BARS.len()) & !1;
            let right = if at + 1 == BARS.len() { width } else { x(at + 1) };
            fill(&mut frame, Area { x: x(at), y: field.y, width: right - x(at), height: row(50) - field.y }, bar);
        }
        // From black to white, left to right.
        for x in (0..width).step_by(2) {
            let grey = (x * 255 / width) as u8;
            fill(
                &mut frame,
                Area { x, y: row(50), width: 2.min(width - x), height: row(70) - row(50) },
                [grey, 128, 128],
            );
        }

        let mut ground = [Vec::new(), Vec::new(), Vec::new()];
        for (index, copy) in ground.iter_mut().enumerate() {
            if let Some(plane) = frame.plane(index) {
                let part = field.of_plane(index);
                for y in part.y..part.y + part.height {
                    copy.extend_from_slice(&plane.row(y)[..part.width]);
                }
            }
        }
        let box_side = (field.height / 4).max(8).min(field.height) & !1;
        let covered = Area { x: field.x, y: field.y, width: box_side, height: box_side };
        Ok(Self { frame, ground, field, text, scale, box_side, covered, zone: TimeZone::system() })
    }

    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Draws picture `number`, taken `at`.
    pub(super) fn draw(&mut self, number: u64, at: SystemTime) {
        self.uncover();
        let field = self.field;
        let step = (self.field.width / 160).max(1) as u64 * 2;
        let x = bounce(number * step, field.width - self.box_side);
        let y = bounce(number * step / 2, field.height - self.box_side);
        self.covered = Area { x: field.x + x, y: field.y + y, width: self.box_side, height: self.box_side };
        fill(&mut self.frame, self.covered, BOX);
        let quarter = (self.box_side / 4) & !1;
        let hole = Area { x: self.covered.x + quarter, y: self.covered.y + quarter, width: quarter, height: quarter };
        fill(&mut self.frame, hole, HOLE);

        let clock = jiff::Timestamp::try_from(at).unwrap_or_default();
        let clock = Zoned::new(clock, self.zone.clone()).strftime("%F %T%.3f").to_string();
        let text = format!("{clock}\nframe {number}");
        let (ground, scale) = (self.text, self.scale);
        let Some(luma) = self.frame.plane_mut(0) else { return };
        let mut luma = Plane { data: luma.data, stride: luma.stride, width: luma.width, height: luma.height };
        luma.fill_rect(coordinate(ground.x), coordinate(ground.y), ground.width, ground.height, BLACK[0]);
        luma.text_centred(coordinate(ground.width / 2), coordinate(ground.y + ground.height / 2), scale, INK, &text);
        luma.number_bar((number % 65_536) as u16);
    }

    /// Puts back what the box has hidden.
    fn uncover(&mut self) {
        for (index, ground) in self.ground.iter().enumerate() {
            let Some(plane) = self.frame.plane_mut(index) else { continue };
            let (field, area) = (self.field.of_plane(index), self.covered.of_plane(index));
            for y in area.y..area.y + area.height {
                let from = (y - field.y) * field.width + area.x - field.x;
                let to = y * plane.stride + area.x;
                plane.data[to..to + area.width].copy_from_slice(&ground[from..from + area.width]);
            }
        }
    }
}

impl Area {
    /// The same part of plane `index` of a 4:2:0 picture.
    fn of_plane(self, index: usize) -> Self {
        match index {
            0 => self,
            _ => Self { x: self.x / 2, y: self.y / 2, width: self.width.div_ceil(2), height: self.height.div_ceil(2) },
        }
    }
}

fn fill(frame: &mut Frame, area: Area, colour: Colour) {
    for (index, value) in colour.into_iter().enumerate() {
        if let Some(plane) = frame.plane_mut(index) {
            let area = area.of_plane(index);
            Plane { data: plane.data, stride: plane.stride, width: plane.width, height: plane.height }.fill_rect(
                coordinate(area.x),
                coordinate(area.y),
                area.width,
                area.height,
                value,
            );
        }
    }
}

/// Where something is that has gone `way` to and fro between 0 and `span`; always even.
fn bounce(way: u64, span: usize) -> usize {
    let span = (span & !1).max(2) as u64;
    let at = way % (2 * span);
    (at.min(2 * span - at) & !1) as usize
}

fn coordinate(at: usize) -> i32 {
    i32::try_from(at).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_number_can_be_read_in_every_picture_of_every_size() {
        for (width, height) in [(160, 64), (161, 65), (320, 240), (640, 480), (1279, 719), (1920, 1080)] {
            let mut card = Card::new(Size::new(width, height)).unwrap();
            for number in [0, 1, 2, 3, 77, 500, 65_535, 65_536 + 9] {
                card.draw(number, SystemTime::UNIX_EPOCH + Duration::from_millis(number));
                let luma = card.frame().plane(0).unwrap();
                let read = osd::read_number(luma.data, luma.stride, luma.width, luma.height);
                assert_eq!(read, Some(number as u16), "{width}x{height}");
            }
        }
    }

    #[test]
    fn the_box_leaves_no_trace() {
        let size = Size::new(320, 240);
        let mut travelled = Card::new(size).unwrap();
        for number in 0..300 {
            travelled.draw(number, SystemTime::UNIX_EPOCH);
        }
        let mut fresh = Card::new(size).unwrap();
        fresh.draw(299, SystemTime::UNIX_EPOCH);
        for index in 0..3 {
            let (a, b) = (travelled.frame().plane(index).unwrap(), fresh.frame().plane(index).unwrap());
            for y in 0..a.height {
                assert_eq!(a.row(y), b.row(y), "plane {index}, row {y}");
            }
        }
    }

    #[test]
    fn the_box_bounces_within_its_field() {
        let places: Vec<_> = (0..10).map(|way| bounce(way * 3, 10)).collect();
        assert_eq!(places, [0, 2, 6, 8, 8, 4, 2, 0, 4, 6]);
        assert_eq!(bounce(7, 0), 0);
    }
}
