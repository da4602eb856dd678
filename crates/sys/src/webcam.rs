//! What a webcam says of itself, and its controls: Video4Linux, as far as it needs no pictures.
//!
//! Everything is asked of the driver (linux/videodev2.h), and through it of a device that may be
//! anybody's: lists are cut at a bound, texts are what they are.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::system;

/// Most kinds of pictures that are asked for.
pub const MOST_FORMATS: u32 = 64;
/// Most sizes of one of them.
pub const MOST_SIZES: u32 = 128;
/// Most rates of one size.
pub const MOST_RATES: u32 = 64;
/// Most controls.
pub const MOST_CONTROLS: usize = 256;
/// Most words of one control.
pub const MOST_WORDS: usize = 64;

/// Who fills the structure of a call.
#[derive(Clone, Copy)]
pub(crate) enum Way {
    /// The driver.
    Out,
    /// We, and then the driver.
    Both,
}

/// Numbers of calls.
mod call {
    pub(super) const QUERYCAP: u8 = 0;
    pub(super) const ENUM_FMT: u8 = 2;
    pub(super) const G_FMT: u8 = 4;
    pub(super) const G_CTRL: u8 = 27;
    pub(super) const S_CTRL: u8 = 28;
    pub(super) const QUERYCTRL: u8 = 36;
    pub(super) const QUERYMENU: u8 = 37;
    pub(super) const ENUM_FRAMESIZES: u8 = 74;
    pub(super) const ENUM_FRAMEINTERVALS: u8 = 75;
}

const CAP_VIDEO_CAPTURE: u32 = 1;
const CAP_VIDEO_CAPTURE_MPLANE: u32 = 0x1000;
const CAP_STREAMING: u32 = 0x0400_0000;
const CAP_DEVICE_CAPS: u32 = 0x8000_0000;
const BUF_TYPE_VIDEO_CAPTURE: u32 = 1;
const FMT_FLAG_EMULATED: u32 = 2;
const DISCRETE: u32 = 1;
const CTRL_FLAG_NEXT: u32 = 0x8000_0000;
/// Words of a `v4l2_format`, and where its union begins: it has pointers in it.
const FORMAT: (usize, usize) = if size_of::<usize>() == 8 { (52, 2) } else { (51, 1) };

/// An open device.
#[derive(Debug)]
pub struct Webcam(File);

/// Who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The driver.
    pub driver: String,
    /// The device.
    pub card: String,
    /// Where it is plugged in.
    pub bus: String,
    /// This node has pictures, in buffers of one piece.
    pub captures: bool,
    /// It has pictures, whose planes are in buffers of their own.
    pub planar: bool,
    /// It gives them in buffers that are shared with it.
    pub streams: bool,
}

/// A kind of pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// Its four letters.
    pub fourcc: [u8; 4],
    /// What the driver calls it.
    pub what: String,
    /// Not the device makes it but a library, from another one.
    pub emulated: bool,
}

/// Sizes from one to another, in steps; of a single one all are the same, and the step is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Least width and height.
    pub least: (u32, u32),
    /// Most.
    pub most: (u32, u32),
    /// From one to the next.
    pub step: (u32, u32),
}

/// Times from one picture to the next, as fractions of a second; of a single one both are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intervals {
    /// The shortest.
    pub shortest: (u32, u32),
    /// The longest.
    pub longest: (u32, u32),
}

/// What kind of value a control has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number.
    Number,
    /// 0 or 1.
    Switch,
    /// One of its words, by number.
    Menu,
    /// Something happens when it is set.
    Button,
    /// Something that is no number of 32 bits.
    Other,
}

/// A control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Its number.
    pub id: u32,
    /// Its name, as the driver has it.
    pub name: String,
    /// Its kind.
    pub kind: Kind,
    /// The least value.
    pub least: i32,
    /// The greatest.
    pub most: i32,
    /// From one to the next.
    pub step: i32,
    /// What it is after it is plugged in.
    pub default: i32,
    /// What it is now, where that can be told.
    pub value: Option<i32>,
    /// The words of a menu, with their numbers.
    pub words: Vec<(i32, String)>,
    /// It cannot be set.
    pub fixed: bool,
    /// It has no effect now, because of what another one says.
    pub inactive: bool,
}

impl Webcam {
    /// Opens the device at `path`, without taking it from anybody.
    ///
    /// # Errors
    /// What the system says; [`io::ErrorKind::Unsupported`] where there is no Video4Linux.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
        options.open(path).map(Self)
    }

    /// Asks who it is.
    ///
    /// # Errors
    /// `ENOTTY` of what is no device of Video4Linux, `ENODEV` of one that is gone.
    pub fn identity(&self) -> io::Result<Identity> {
        let mut words = [0; 26];
        self.call(call::QUERYCAP, Way::Out, &mut words)?;
        // What this node can do, where the driver tells it from what the whole device can.
        let can = if words[21] & CAP_DEVICE_CAPS != 0 { words[22] } else { words[21] };
        Ok(Identity {
            driver: text(&words[..4]),
            card: text(&words[4..12]),
            bus: text(&words[12..20]),
            captures: can & CAP_VIDEO_CAPTURE != 0,
            planar: can & CAP_VIDEO_CAPTURE_MPLANE != 0,
            streams: can & CAP_STREAMING != 0,
        })
    }

    /// The kinds of pictures it makes.
    #[must_use]
    pub fn formats(&self) -> Vec<Format> {
        let ask = |index| {
            let mut words = [0; 16];
            (words[0], words[1]) = (index, BUF_TYPE_VIDEO_CAPTURE);
            self.call(call::ENUM_FMT, Way::Both, &mut words).ok()?;
            let emulated = words[2] & FMT_FLAG_EMULATED != 0;
            Some(Format { fourcc: words[11].to_le_bytes(), what: text(&words[3..11]), emulated })
        };
        (0..MOST_FORMATS).map_while(ask).collect()
    }

    /// The sizes of one kind; none where the driver does not tell.
    #[must_use]
    pub fn sizes(&self, fourcc: [u8; 4]) -> Vec<Sizes> {
        let ask = |index| {
            let mut words = [0; 11];
            (words[0], words[1]) = (index, u32::from_le_bytes(fourcc));
            self.call(call::ENUM_FRAMESIZES, Way::Both, &mut words).ok()?;
            let [_, _, kind, a, b, c, d, e, f, ..] = words;
            Some(match kind {
                DISCRETE => Sizes { least: (a, b), most: (a, b), step: (0, 0) },
                _ => Sizes { least: (a, d), most: (b, e), step: (c, f) },
            })
        };
        (0..MOST_SIZES).map_while(ask).collect()
    }

    /// The times from one picture to the next that one kind has in one size; none where the
    /// driver does not tell.
    #[must_use]
    pub fn intervals(&self, fourcc: [u8; 4], (width, height): (u32, u32)) -> Vec<Intervals> {
        let ask = |index| {
            let mut words = [0; 13];
            words[..4].copy_from_slice(&[index, u32::from_le_bytes(fourcc), width, height]);
            self.call(call::ENUM_FRAMEINTERVALS, Way::Both, &mut words).ok()?;
            let [_, _, _, _, kind, a, b, c, d, ..] = words;
            Some(match kind {
                DISCRETE => Intervals { shortest: (a, b), longest: (a, b) },
                _ => Intervals { shortest: (a, b), longest: (c, d) },
            })
        };
        (0..MOST_RATES).map_while(ask).collect()
    }

    /// The kind and the size that it is set to.
    ///
    /// # Errors
    /// What the driver says.
    pub fn current(&self) -> io::Result<([u8; 4], (u32, u32))> {
        let (length, at) = FORMAT;
        let mut words = [0; 52];
        words[0] = BUF_TYPE_VIDEO_CAPTURE;
        self.call(call::G_FMT, Way::Both, &mut words[..length])?;
        Ok((words[at + 2].to_le_bytes(), (words[at], words[at + 1])))
    }

    /// Its controls, but for those that it has no use of, as it is.
    #[must_use]
    pub fn controls(&self) -> Vec<Control> {
        let mut controls = Vec::new();
        let mut id = CTRL_FLAG_NEXT;
        while controls.len() < MOST_CONTROLS {
            let mut words = [0; 17];
            words[0] = id;
            if self.call(call::QUERYCTRL, Way::Both, &mut words).is_err() || words[0] <= id & !CTRL_FLAG_NEXT {
                break;
            }
            id = words[0] | CTRL_FLAG_NEXT;
            controls.extend(self.control(&words));
        }
        controls
    }

    /// A control of its `v4l2_queryctrl`.
    fn control(&self, words: &[u32; 17]) -> Option<Control> {
        const DISABLED: u32 = 1;
        const GRABBED_OR_READ_ONLY: u32 = 2 | 4;
        const INACTIVE: u32 = 0x10;
        const INTEGER_MENU: u32 = 9;
        let (id, type_, flags) = (words[0], words[1], words[14]);
        let kind = match type_ {
            1 => Kind::Number,
            2 => Kind::Switch,
            3 | INTEGER_MENU => Kind::Menu,
            4 => Kind::Button,
            // The name of a group.
            6 => return None,
            8 => Kind::Number,
            _ => Kind::Other,
        };
        if flags & DISABLED != 0 {
            return None;
        }
        let (least, most) = (words[10].cast_signed(), words[11].cast_signed());
        let has_value = !matches!(kind, Kind::Button | Kind::Other);
        Some(Control {
            id,
            name: text(&words[2..10]),
            kind,
            least,
            most,
            step: words[12].cast_signed(),
            default: words[13].cast_signed(),
            value: if has_value { self.value(id).ok() } else { None },
            words: if kind == Kind::Menu { self.words(id, type_ == INTEGER_MENU, (least, most)) } else { Vec::new() },
            fixed: flags & GRABBED_OR_READ_ONLY != 0,
            inactive: flags & INACTIVE != 0,
        })
    }

    /// The words of a menu; some numbers may have none.
    fn words(&self, id: u32, numbers: bool, (least, most): (i32, i32)) -> Vec<(i32, String)> {
        let ask = |at: i32| {
            let mut words = [0; 11];
            (words[0], words[1]) = (id, at.cast_unsigned());
            self.call(call::QUERYMENU, Way::Both, &mut words).ok()?;
            let number = u64::from(words[2]) | u64::from(words[3]) << 32;
            Some((at, if numbers { number.cast_signed().to_string() } else { text(&words[2..10]) }))
        };
        (least..=most).take(MOST_WORDS).filter_map(ask).collect()
    }

    /// The value of a control.
    ///
    /// # Errors
    /// What the driver says.
    pub fn value(&self, id: u32) -> io::Result<i32> {
        let mut words = [id, 0];
        self.call(call::G_CTRL, Way::Both, &mut words)?;
        Ok(words[1].cast_signed())
    }

    /// Sets a control.
    ///
    /// # Errors
    /// What the driver says: `ERANGE` out of its range, `EACCES` where it cannot be set, `EBUSY`
    /// where not now.
    pub fn set(&self, id: u32, value: i32) -> io::Result<()> {
        self.call(call::S_CTRL, Way::Both, &mut [id, value.cast_unsigned()])
    }

    fn call(&self, number: u8, way: Way, words: &mut [u32]) -> io::Result<()> {
        system::video_call(self.0.as_fd(), number, way, words)
    }
}

/// The text that fills some words, up to its zero.
fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_webcam_says_so() {
        let none = Webcam::open(Path::new("/dev/null")).unwrap();
        assert!(none.identity().is_err() && none.current().is_err());
        assert!(none.formats().is_empty() && none.controls().is_empty());
        assert_eq!(Webcam::open(Path::new("/no/such/video0")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_text_ends_at_its_zero() {
        let words = [*b"Came", *b"ra\0x", *b"yyyy"].map(u32::from_ne_bytes);
        assert_eq!(text(&words), "Camera");
    }
}
