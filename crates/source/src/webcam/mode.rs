//! What pictures a webcam makes, and which of them are taken.

use std::fmt;

use media::Size;
use sys::webcam::{Intervals, Sizes};

use super::wish::Wish;
use crate::Error;

/// Kinds that FFmpeg's device reads, by their four letters and its names.
const NAMES: [([u8; 4], &str); 24] = [
    (*b"MJPG", "mjpeg"),
    (*b"JPEG", "mjpeg"),
    (*b"H264", "h264"),
    (*b"HEVC", "hevc"),
    (*b"MPG4", "mpeg4"),
    (*b"VP80", "vp8"),
    (*b"VP90", "vp9"),
    (*b"YUYV", "yuyv422"),
    (*b"UYVY", "uyvy422"),
    (*b"YU12", "yuv420p"),
    (*b"422P", "yuv422p"),
    (*b"411P", "yuv411p"),
    (*b"YUV9", "yuv410p"),
    (*b"NV12", "nv12"),
    (*b"GREY", "gray"),
    (*b"RGB3", "rgb24"),
    (*b"BGR3", "bgr24"),
    (*b"BGR4", "bgr0"),
    (*b"RGB4", "0rgb"),
    (*b"RGBP", "rgb565le"),
    (*b"BA81", "bayer_bggr8"),
    (*b"GBRG", "bayer_gbrg8"),
    (*b"GRBG", "bayer_grbg8"),
    (*b"RGGB", "bayer_rggb8"),
];

/// A kind of pictures that a webcam makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Mode {
    /// What FFmpeg calls it, or its four letters where FFmpeg does not read it.
    pub name: String,
    /// What the driver calls it.
    pub what: String,
    /// FFmpeg reads it.
    pub is_read: bool,
    /// Its sizes; none where the driver does not tell.
    pub sizes: Vec<ModeSize>,
}

/// A size, or a range of them, and its rates.
#[derive(Clone, Debug, PartialEq)]
pub struct ModeSize {
    /// The least size.
    pub least: Size,
    /// The greatest; the same where it is one size.
    pub most: Size,
    /// From one to the next; 0 where it is one size.
    step: Size,
    /// Times from one picture to the next, in seconds as fractions: the shortest and the longest of
    /// each range. None where the driver does not tell, or where it is a range of sizes.
    intervals: Vec<Intervals>,
}

impl ModeSize {
    pub(super) fn new(sizes: Sizes, intervals: Vec<Intervals>) -> Self {
        let [least, most, step] = [sizes.least, sizes.most, sizes.step].map(|(width, height)| Size::new(width, height));
        Self { least, most, step, intervals }
    }

    /// Pictures a second, the most first; of ranges the ends.
    #[must_use]
    pub fn rates(&self) -> Vec<f64> {
        let mut rates: Vec<f64> =
            self.intervals.iter().flat_map(|at| [at.shortest, at.longest]).filter_map(per_second).collect();
        rates.sort_by(|one, other| other.total_cmp(one));
        rates.dedup();
        rates
    }

    /// The size, or the least and the greatest.
    fn name(&self) -> String {
        match self.least == self.most {
            true => self.least.to_string(),
            false => format!("{} to {}", self.least, self.most),
        }
    }

    fn holds(&self, size: Size) -> bool {
        let fits = |side: u32, least: u32, most: u32, step: u32| {
            (least..=most).contains(&side) && (step == 0 || (side - least).is_multiple_of(step))
        };
        fits(size.width, self.least.width, self.most.width, self.step.width)
            && fits(size.height, self.least.height, self.most.height, self.step.height)
    }

    /// The interval that comes to this rate, as a rate of FFmpeg's.
    fn interval(&self, rate: f64) -> Option<String> {
        const NEAR: f64 = 0.005;
        let is_near = |at: &(u32, u32)| per_second(*at).is_some_and(|known| (known / rate - 1.0).abs() < NEAR);
        for at in &self.intervals {
            if let Some((over, under)) = [at.shortest, at.longest].into_iter().find(is_near) {
                return Some(format!("{under}/{over}"));
            }
            let (most, least) = (per_second(at.shortest)?, per_second(at.longest)?);
            if (least..=most).contains(&rate) {
                return Some(rate.to_string());
            }
        }
        None
    }
}

fn per_second((over, under): (u32, u32)) -> Option<f64> {
    (over > 0 && under > 0).then(|| f64::from(under) / f64::from(over))
}

/// A name for a kind of pictures, and whether FFmpeg reads it.
pub(super) fn name(fourcc: [u8; 4]) -> (String, bool) {
    match NAMES.iter().find(|(known, _)| *known == fourcc) {
        Some((_, name)) => ((*name).to_owned(), true),
        None => (String::from_utf8_lossy(&fourcc).trim().to_ascii_lowercase(), false),
    }
}

/// What is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Chosen {
    format: Option<String>,
    size: Option<Size>,
    rate: Option<String>,
}

impl Chosen {
    /// For FFmpeg's device.
    pub(super) fn options(&self) -> Vec<(String, String)> {
        let format = self.format.clone().map(|format| ("input_format".to_owned(), format));
        let size = self.size.map(|size| ("video_size".to_owned(), size.to_string()));
        let rate = self.rate.clone().map(|rate| ("framerate".to_owned(), rate));
        [format, size, rate].into_iter().flatten().collect()
    }
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.format.as_deref().unwrap_or("its own format"))?;
        match self.size {
            Some(size) => write!(f, " {size}")?,
            None => write!(f, " in the size that it is set to")?,
        }
        self.rate.iter().try_for_each(|rate| write!(f, ", {} pictures a second", rate.trim_end_matches("/1")))
    }
}

/// What to take of `modes` for `wish`: JPEG pictures before others. `current` is the kind and the
/// size that the webcam is set to.
///
/// # Errors
/// [`Error::Setting`] where it has nothing like it.
pub(super) fn choose(
    path: &str,
    modes: &[Mode],
    current: Option<([u8; 4], (u32, u32))>,
    wish: &Wish,
) -> Result<Chosen, Error> {
    let bad = |what: String, has: String| Error::Setting { what: format!("{path}: {what}"), hint: has };
    let mut all: Vec<&Mode> = modes.iter().filter(|mode| mode.is_read).collect();
    // Of what a webcam offers, its own JPEGs: they need no work at all.
    all.sort_by_key(|mode| mode.name != "mjpeg");
    if let Some(format) = &wish.format {
        all.retain(|mode| {
            mode.name == *format || NAMES.iter().any(|(letters, name)| *name == mode.name && is(format, *letters))
        });
        if all.is_empty() && !modes.is_empty() {
            let unread = modes.iter().any(|mode| mode.name == *format);
            let why = if unread { "FFmpeg, which reads it, does not know it" } else { "the webcam does not make it" };
            let names: Vec<_> = modes.iter().filter(|mode| mode.is_read).map(|mode| &*mode.name).collect();
            return Err(bad(format!("format={format}: {why}"), format!("it has {}", list(&names))));
        }
    }
    if all.is_empty() {
        return match modes {
            [] => Ok(Chosen {
                format: wish.format.clone(),
                size: wish.size,
                rate: wish.rate.map(|rate| rate.to_string()),
            }),
            _ => {
                let names: Vec<_> = modes.iter().map(|mode| &*mode.name).collect();
                Err(Error::Unsupported {
                    what: format!("{path}: FFmpeg reads nothing of what it makes: {}", list(&names)),
                })
            }
        };
    }
    let in_formats = || {
        let mut names: Vec<_> = all.iter().map(|mode| &*mode.name).collect();
        names.dedup();
        list(&names)
    };
    let set_to = current.map(|(_, (width, height))| Size::new(width, height));
    let mut rates: Vec<String> = Vec::new();
    let mut sized = false;
    for mode in &all {
        let Some(size) = wish.size.or(set_to) else { break };
        let holding: Vec<_> = mode.sizes.iter().filter(|known| known.holds(size)).collect();
        if holding.is_empty() && !(mode.sizes.is_empty() || wish.size.is_none()) {
            continue;
        }
        sized = true;
        let rate = match wish.rate {
            None => None,
            // The driver does not tell.
            Some(rate) if holding.iter().all(|known| known.intervals.is_empty()) => Some(rate.to_string()),
            Some(rate) => match holding.iter().find_map(|known| known.interval(rate)) {
                Some(rate) => Some(rate),
                None => {
                    let known: Vec<_> = holding.iter().flat_map(|known| known.rates()).map(shown).collect();
                    rates.push(format!("{} with {}", list(&known), mode.name));
                    continue;
                }
            },
        };
        return Ok(Chosen { format: Some(mode.name.clone()), size: wish.size, rate });
    }
    match (wish.size, wish.rate) {
        (_, Some(rate)) if sized => {
            let size = wish.size.or(set_to).map(|size| format!(" in {size}")).unwrap_or_default();
            Err(bad(
                format!("rate={}{size}: the webcam has no such rate", shown(rate)),
                format!("it has {}", rates.join("; ")),
            ))
        }
        (Some(size), _) => {
            let sizes = all.iter().map(|mode| format!("{} with {}", list(&sizes(mode)), mode.name));
            let what = format!("size={size}: the webcam has no such size with {}", in_formats());
            Err(bad(what, format!("it has {}", sizes.collect::<Vec<_>>().join("; "))))
        }
        _ => Ok(Chosen {
            format: all.first().map(|mode| mode.name.clone()),
            size: None,
            rate: wish.rate.map(|rate| rate.to_string()),
        }),
    }
}

fn is(text: &str, letters: [u8; 4]) -> bool {
    text.as_bytes().eq_ignore_ascii_case(&letters)
}

/// The sizes of a kind, as one reads them.
fn sizes(mode: &Mode) -> Vec<String> {
    mode.sizes.iter().map(ModeSize::name).collect()
}

fn shown(rate: f64) -> String {
    let text = format!("{rate:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `a, b and c`.
fn list(words: &[impl AsRef<str>]) -> String {
    match words {
        [] => "nothing".into(),
        [one] => one.as_ref().into(),
        [all @ .., last] => {
            let all: Vec<_> = all.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", all.join(", "), last.as_ref())
        }
    }
}

impl fmt::Display for ModeSize {
    /// `1280x720 at 30, 15`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        match self.rates() {
            rates if rates.is_empty() => Ok(()),
            rates => write!(f, " at {}", rates.into_iter().map(shown).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl fmt::Display for Mode {
    /// `mjpeg: 1280x720 at 30, 15; 640x480 at 30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.sizes.iter().map(ToString::to_string).collect();
        let unread = if self.is_read { "" } else { " (FFmpeg does not read it)" };
        match all.is_empty() {
            true => write!(f, "{}{unread}", self.name),
            false => write!(f, "{}{unread}: {}", self.name, all.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    fn size(width: u32, height: u32, rates: &[u32]) -> ModeSize {
        let at = (width, height);
        let intervals = rates.iter().map(|rate| Intervals { shortest: (1, *rate), longest: (1, *rate) });
        ModeSize::new(Sizes { least: at, most: at, step: (0, 0) }, intervals.collect())
    }

    fn webcam() -> Vec<Mode> {
        let mode = |name: &str, is_read, sizes| Mode { name: name.into(), what: String::new(), is_read, sizes };
        vec![
            mode("yuyv422", true, vec![size(640, 480, &[30, 15]), size(160, 120, &[60])]),
            mode("mjpeg", true, vec![size(1280, 720, &[30, 15]), size(640, 480, &[30])]),
            mode("s920", false, vec![]),
        ]
    }

    fn chosen(query: &str) -> Result<String, String> {
        let wish = Wish::of(&format!("/dev/video0?{query}"), &Options::default()).unwrap();
        choose("cam", &webcam(), Some((*b"YUYV", (640, 480))), &wish)
            .map(|chosen| chosen.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn jpegs_come_first_and_then_what_has_size_and_rate() {
        for (query, told) in [
            ("", "mjpeg in the size that it is set to"),
            ("size=1280x720&rate=15", "mjpeg 1280x720, 15 pictures a second"),
            ("size=640x480&rate=15", "yuyv422 640x480, 15 pictures a second"),
            ("size=160x120", "yuyv422 160x120"),
            ("format=yuyv", "yuyv422 in the size that it is set to"),
            ("format=mjpg&rate=29.97", "mjpeg in the size that it is set to, 30 pictures a second"),
        ] {
            assert_eq!(chosen(query).as_deref(), Ok(told), "{query}");
        }
    }

    #[test]
    fn what_a_webcam_has_not_is_told_with_what_it_has() {
        for (query, told) in [
            ("format=h264", "cam: format=h264: the webcam does not make it; it has yuyv422 and mjpeg"),
            ("format=s920", "cam: format=s920: FFmpeg, which reads it, does not know it; it has yuyv422 and mjpeg"),
            (
                "size=800x600&format=mjpeg",
                "cam: size=800x600: the webcam has no such size with mjpeg; it has 1280x720 and 640x480 with mjpeg",
            ),
            (
                "size=800x600",
                "cam: size=800x600: the webcam has no such size with mjpeg and yuyv422; \
                 it has 1280x720 and 640x480 with mjpeg; 640x480 and 160x120 with yuyv422",
            ),
            (
                "size=1280x720&rate=60",
                "cam: rate=60 in 1280x720: the webcam has no such rate; it has 30 and 15 with mjpeg",
            ),
        ] {
            assert_eq!(chosen(query).unwrap_err(), told);
        }
    }

    #[test]
    fn ranges_of_sizes_and_rates_hold_what_is_in_them() {
        let sizes = Sizes { least: (160, 120), most: (1920, 1080), step: (16, 8) };
        let range = ModeSize::new(sizes, vec![Intervals { shortest: (1, 60), longest: (1, 5) }]);
        assert!(range.holds(Size::new(176, 144)) && !range.holds(Size::new(177, 144)) && !range.holds(Size::new(0, 0)));
        assert_eq!((range.interval(12.5).as_deref(), range.interval(60.0).as_deref()), (Some("12.5"), Some("60/1")));
        assert_eq!(range.interval(61.0), None);
    }

    #[test]
    fn absurd_fractions_of_a_device_are_no_rates() {
        let odd = ModeSize::new(
            Sizes { least: (1, 1), most: (1, 1), step: (0, 0) },
            vec![Intervals { shortest: (0, 0), longest: (0, 1) }],
        );
        assert_eq!((odd.rates(), odd.interval(1.0)), (vec![], None));
    }
}
