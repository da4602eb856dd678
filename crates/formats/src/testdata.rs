//! Pictures for the tests; `tests/data/jpeg/README.md` says what they are.

macro_rules! picture {
    ($name:literal) => {
        include_bytes!(concat!("../tests/data/jpeg/", $name))
    };
}

pub(crate) const C420: &[u8] = picture!("420.jpg");
pub(crate) const C422: &[u8] = picture!("422.jpg");
pub(crate) const C444: &[u8] = picture!("444.jpg");
pub(crate) const GREY: &[u8] = picture!("grey.jpg");
pub(crate) const PROGRESSIVE: &[u8] = picture!("progressive.jpg");
pub(crate) const RESTART: &[u8] = picture!("restart.jpg");
pub(crate) const THUMBNAIL: &[u8] = picture!("thumbnail.jpg");
pub(crate) const NO_HUFFMAN: &[u8] = picture!("no-huffman.jpg");
pub(crate) const SMALL: &[u8] = picture!("small.jpg");
pub(crate) const ALL: &[&[u8]] = &[C420, C422, C444, GREY, PROGRESSIVE, RESTART, THUMBNAIL, NO_HUFFMAN, SMALL];
