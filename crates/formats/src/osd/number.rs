//! A number in a picture that survives coding and can be read back by a program.
//!
//! A row of 20 black or white cells across the top, and the same row inverted across the
//! bottom: white, black (references), 16 bits with the most significant first, their
//! even parity, and its opposite. `samples/make_numbered.py` draws and reads the same.

use super::Plane;

const CELLS: usize = 20;
const WHITE: u8 = 235;
const BLACK: u8 = 16;
/// The least difference of a cell and its inverse that counts as read.
const CONTRAST: i64 = 40;

impl Plane<'_, u8> {
    /// Draws `number` across the top and the bottom of a luma plane. Pictures less than
    /// 160 pixels wide or 64 high are too small for it to be read.
    pub fn number_bar(&mut self, number: u16) {
        let (width, height) = cell(self.width, self.height);
        let bottom = i32::try_from(self.height.saturating_sub(height)).unwrap_or(i32::MAX);
        for (at, white) in cells(number).into_iter().enumerate() {
            let x = i32::try_from(at * width).unwrap_or(i32::MAX);
            let (value, inverse) = if white { (WHITE, BLACK) } else { (BLACK, WHITE) };
            self.fill_rect(x, 0, width, height, value);
            self.fill_rect(x, bottom, width, height, inverse);
        }
    }
}

/// The number in a luma plane of `height` rows of `width` pixels, `stride` apart, or
/// nothing when the cells cannot be told or do not agree with each other.
#[must_use]
pub fn read_number(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<u16> {
    let (cell_width, cell_height) = cell(width, height);
    if cell_width == 0 || height < 2 * cell_height || stride < width || luma.len() < stride * (height - 1) + width {
        return None;
    }
    let margin = if cell_width < 12 { 1 } else { cell_width / 4 };
    let mean = |at: usize, top: usize| {
        let rows = top + cell_height / 4..top + cell_height - cell_height / 4;
        let columns = at * cell_width + margin..(at + 1) * cell_width - margin;
        let count = rows.len() * columns.len();
        let pixels = rows.flat_map(|row| &luma[row * stride + columns.start..row * stride + columns.end]);
        let sum: usize = pixels.map(|pixel| usize::from(*pixel)).sum();
        (sum / count.max(1)).cast_signed() as i64
    };
    let mut read = [false; CELLS];
    for (at, white) in read.iter_mut().enumerate() {
        let difference = mean(at, 0) - mean(at, height - cell_height);
        if difference.abs() < CONTRAST {
            return None;
        }
        *white = difference > 0;
    }
    let number = read[2..18].iter().fold(0, |number, bit| number << 1 | u16::from(*bit));
    (cells(number) == read).then_some(number)
}

/// Width and height of a cell.
fn cell(width: usize, height: usize) -> (usize, usize) {
    (width / CELLS, (height / 10).max(16))
}

fn cells(number: u16) -> [bool; CELLS] {
    let parity = number.count_ones() % 2 == 1;
    std::array::from_fn(|at| match at {
        0 => true,
        2..18 => number >> (17 - at) & 1 == 1,
        18 => parity,
        19 => !parity,
        _ => false,
    })
}
