//! What a webcam says of itself.

use std::fmt;
use std::path::Path;

use sys::webcam::Identity;

use super::controls::{Setting, settings};
use super::explain;
use super::mode::{Mode, ModeSize, name};
use crate::Error;

/// A webcam, as it is set now.
#[derive(Clone, Debug, PartialEq)]
pub struct Webcam {
    /// Its name.
    pub card: String,
    /// Where it is plugged in.
    pub bus: String,
    /// The kinds of pictures that it makes.
    pub modes: Vec<Mode>,
    /// Its controls.
    pub settings: Vec<Setting>,
}

/// Looks at the webcam at `path`, without opening it for pictures. Blocks.
///
/// # Errors
/// When it is not there, is none, or may not be opened.
pub fn look(path: &str) -> Result<Webcam, Error> {
    let (open, identity) = open(path)?;
    Ok(Webcam::of(&open, identity))
}

/// Opens the device at `path`, which has to have pictures.
pub(super) fn open(path: &str) -> Result<(sys::webcam::Webcam, Identity), Error> {
    let open = sys::webcam::Webcam::open(Path::new(path)).map_err(|error| explain(path, &error))?;
    let identity = open.identity().map_err(|error| explain(path, &error))?;
    match identity {
        Identity { captures: true, .. } => Ok((open, identity)),
        Identity { planar: true, .. } => Err(Error::Unsupported {
            what: format!(
                "{path}: {} has its planes in buffers of their own, which FFmpeg does not read",
                identity.card
            ),
        }),
        _ => Err(Error::NotVideo {
            what: format!("{path}: this device of the webcam {} has no picture; another one of it has", identity.card),
            page: false,
        }),
    }
}

impl Webcam {
    pub(super) fn of(open: &sys::webcam::Webcam, identity: Identity) -> Self {
        let mut modes: Vec<Mode> = Vec::new();
        for format in open.formats() {
            let (name, is_read) = name(format.fourcc);
            if modes.iter().any(|known| known.name == name) {
                continue;
            }
            let size = |sizes: sys::webcam::Sizes| {
                let rates =
                    if sizes.least == sizes.most { open.intervals(format.fourcc, sizes.least) } else { Vec::new() };
                ModeSize::new(sizes, rates)
            };
            let sizes = open.sizes(format.fourcc).into_iter().map(size).collect();
            modes.push(Mode { name, what: format.what, is_read, sizes });
        }
        Self { card: identity.card, bus: identity.bus, modes, settings: settings(open.controls()) }
    }
}

impl fmt::Display for Webcam {
    /// A line that counts, and one for each kind of pictures and each control.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} formats, {} controls", self.modes.len(), self.settings.len())?;
        self.modes.iter().try_for_each(|mode| write!(f, "\n{mode}"))?;
        self.settings.iter().try_for_each(|setting| write!(f, "\n{setting}"))
    }
}
