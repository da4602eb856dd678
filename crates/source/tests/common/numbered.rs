//! Numbered pictures, as ffmpeg takes them.

pub const WIDTH: usize = 320;
pub const HEIGHT: usize = 240;

/// I420: grey, with the number across top and bottom, as `formats::osd` reads it.
pub fn picture(number: u16) -> Vec<u8> {
    let bits: Vec<u8> = (0..16).rev().map(|at| (number >> at & 1) as u8).collect();
    let parity = bits.iter().sum::<u8>() & 1;
    let cells = [&[1, 0], &bits[..], &[parity, 1 - parity]].concat();
    let line = |lit: u8| -> Vec<u8> {
        cells.iter().flat_map(|bit| [if *bit == lit { 235 } else { 16 }; WIDTH / 20]).collect()
    };
    let rows = HEIGHT / 10;
    let grey = vec![110; WIDTH * (HEIGHT - 2 * rows)];
    [line(1).repeat(rows), grey, line(0).repeat(rows), vec![128; WIDTH * HEIGHT / 2]].concat()
}
