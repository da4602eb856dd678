//! What the URL of a webcam asks for: `/dev/video0?format=mjpeg&size=1280x720&rate=30&brightness=10`.

use media::{Size, SizeWish, Variant, unescaped};

use super::device;
use crate::{Error, Options};

/// Names that are no control's, and FFmpeg's names of the same.
const MODE: [(&str, &[&str]); 3] =
    [("format", &["input_format", "pixel_format"]), ("size", &["video_size"]), ("rate", &["framerate"])];

/// What is asked of a webcam.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wish {
    /// The path of its device.
    pub(crate) device: String,
    /// The kind of pictures, as FFmpeg calls it, or by its four letters.
    pub(crate) format: Option<String>,
    /// Their size.
    pub(crate) size: Option<Size>,
    /// Pictures a second.
    pub(crate) rate: Option<f64>,
    /// Controls and their values, in order.
    pub(crate) controls: Vec<(String, String)>,
    /// FFmpeg was told itself what kind, size or rate to take.
    pub(crate) is_ffmpegs: bool,
}

impl Wish {
    /// Of `url`, and of [`Options::webcam`], of which the URL's own come first.
    ///
    /// # Errors
    /// [`Error::BadUrl`] for what is no size or rate, and what is asked of FFmpeg as well.
    pub(crate) fn of(url: &str, options: &Options) -> Result<Self, Error> {
        let path = device(url).filter(|path| !path.is_empty()).ok_or_else(|| Error::BadUrl {
            what: format!("{url}: no device behind the colon"),
            hint: "expected its path, as in v4l2:/dev/video0".into(),
        })?;
        let mut wish = Self { device: path, ..Self::default() };
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let own: Vec<_> = query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect();
        let further = options.webcam.iter().map(|(name, value)| (super::controls::key(name), value.clone()));
        let further = further.filter(|(name, _)| !own.iter().any(|(given, _)| given == name));
        for (name, value) in further.collect::<Vec<_>>().into_iter().chain(own.iter().cloned()) {
            wish.take(name, value)?;
        }
        for (ours, theirs) in MODE {
            let Some((name, _)) = options.libav.iter().find(|(name, _)| theirs.contains(&&**name)) else { continue };
            wish.is_ffmpegs = true;
            if let Some(given) = wish.mode().into_iter().find(|given| given.starts_with(ours)) {
                let what = format!("{}: {given}, and {name} by --ffmpeg", wish.device);
                return Err(Error::BadUrl { what, hint: "give one of the two".into() });
            }
        }
        match wish.mode().first() {
            Some(given) if wish.is_ffmpegs => Err(Error::BadUrl {
                what: format!("{}: {given}, and others of format, size and rate by --ffmpeg", wish.device),
                hint: "give all of them here: ?format=, size=, rate=".into(),
            }),
            _ => Ok(wish),
        }
    }

    fn take(&mut self, name: String, value: String) -> Result<(), Error> {
        let bad = |hint: &str| Error::BadUrl { what: format!("{}: {name}={value}", self.device), hint: hint.into() };
        match &*name {
            "format" if !value.is_empty() => self.format = Some(value.to_ascii_lowercase()),
            "format" => return Err(bad("expected mjpeg, h264, yuyv422 or what else the webcam has")),
            "size" => {
                let mut variant = Variant::default();
                self.size = match (variant.set("size", &value), variant.size) {
                    (Ok(true), SizeWish::Exact(size)) => Some(size),
                    _ => return Err(bad("expected a size such as 1280x720")),
                };
            }
            "rate" | "fps" => {
                let rate = rate(&value).filter(|rate| (0.01..=1000.0).contains(rate));
                self.rate = Some(rate.ok_or_else(|| bad("expected pictures a second, such as 30, 7.5 or 30000/1001"))?);
            }
            _ if name.is_empty() || value.is_empty() => {
                return Err(bad("expected NAME=VALUE, as in ?size=1280x720&brightness=10"));
            }
            _ => {
                self.controls.retain(|(given, _)| *given != name);
                self.controls.push((name, value));
            }
        }
        Ok(())
    }

    /// What is asked for of format, size and rate.
    fn mode(&self) -> Vec<String> {
        let format = self.format.iter().map(|format| format!("format={format}"));
        let size = self.size.iter().map(|size| format!("size={size}"));
        format.chain(size).chain(self.rate.iter().map(|rate| format!("rate={rate}"))).collect()
    }
}

fn pair(text: &str) -> (String, String) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (super::controls::key(&unescaped(name)), unescaped(value))
}

fn rate(text: &str) -> Option<f64> {
    match text.split_once('/') {
        Some((over, under)) => {
            Some(over.parse::<f64>().ok()? / under.parse::<f64>().ok().filter(|under| *under > 0.0)?)
        }
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Result<Wish, String> {
        Wish::of(url, &Options::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_url_may_say_everything() {
        let wish = of("0?format=MJPEG&size=hd720&rate=30000/1001&Brightness=-10&focus%5Fabsolute=5%25").unwrap();
        assert_eq!((&*wish.device, wish.format.as_deref()), ("/dev/video0", Some("mjpeg")));
        assert_eq!(wish.size, Some(Size::new(1280, 720)));
        assert!(wish.rate.is_some_and(|rate| (29.97..29.98).contains(&rate)));
        let controls = [("brightness", "-10"), ("focus_absolute", "5%")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(wish.controls, controls);
    }

    #[test]
    fn what_cannot_be_meant_is_told() {
        for (url, told) in [
            ("0?size=big", "/dev/video0: size=big; expected a size such as 1280x720"),
            ("0?rate=0", "/dev/video0: rate=0; expected pictures a second, such as 30, 7.5 or 30000/1001"),
            ("0?rate=30/0", "/dev/video0: rate=30/0; expected pictures a second, such as 30, 7.5 or 30000/1001"),
            ("0?contrast", "/dev/video0: contrast=; expected NAME=VALUE, as in ?size=1280x720&brightness=10"),
            ("v4l2:", "v4l2:: no device behind the colon; expected its path, as in v4l2:/dev/video0"),
        ] {
            assert_eq!(of(url).unwrap_err(), told);
        }
    }

    #[test]
    fn the_url_comes_before_the_options_and_ffmpeg_is_told_nothing_twice() {
        let pairs = |text: &str| -> Vec<(String, String)> { text.split('&').map(pair).collect() };
        let options = Options { webcam: pairs("size=640x480&gain=3"), ..Options::default() };
        let wish = Wish::of("0?size=320x240", &options).unwrap();
        assert_eq!((wish.size, &*wish.controls[0].1), (Some(Size::new(320, 240)), "3"));
        let options = Options { libav: pairs("video_size=640x480"), ..Options::default() };
        assert!(Wish::of("0?brightness=1", &options).unwrap().is_ffmpegs);
        for (url, told) in [
            ("0?size=320x240", "/dev/video0: size=320x240, and video_size by --ffmpeg; give one of the two"),
            (
                "0?rate=30",
                "/dev/video0: rate=30, and others of format, size and rate by --ffmpeg; \
                 give all of them here: ?format=, size=, rate=",
            ),
        ] {
            assert_eq!(Wish::of(url, &options).unwrap_err().to_string(), told);
        }
    }
}
