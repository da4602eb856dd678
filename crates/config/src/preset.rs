//! Files of `AVPresetVideo` and `AVPresetAudio`: lines of OPTION=VALUE for an encoder.
//!
//! Where such a file lies is known to whoever reads it ([`candidates`]); what it says is put
//! into a stream by [`Stream::apply_preset_video`] and its like. What the section says itself comes first.

use std::path::{Path, PathBuf};

use crate::{Problem, Stream, Video};

/// One line of a preset.
pub type Pair = (String, String);

/// Reads the text of a preset: empty lines and those that begin with `#` say nothing.
///
/// # Errors
/// Every line that is no OPTION=VALUE.
pub fn parse(text: &str) -> Result<Vec<Pair>, Vec<Problem>> {
    let (mut pairs, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match line.split_once('=').map(|(key, value)| (key.trim(), value.trim())) {
            Some((key, value)) if !key.is_empty() && !value.is_empty() => pairs.push((key.into(), value.into())),
            _ => {
                let message = format!("{}: expected OPTION=VALUE, as in qmin=3", crate::problem::short(line));
                problems.push(Problem::error(number, message));
            }
        }
    }
    if problems.is_empty() { Ok(pairs) } else { Err(problems) }
}

/// The files that `name` may mean, in the order in which they are looked for: itself where it is
/// a whole path, else NAME.ffpreset in each of `folders`, as ffserver did, and then itself.
#[must_use]
pub fn candidates(name: &Path, folders: &[PathBuf]) -> Vec<PathBuf> {
    if name.is_absolute() {
        return vec![name.to_owned()];
    }
    let mut file = name.as_os_str().to_owned();
    if name.extension().is_none_or(|extension| extension != "ffpreset") {
        file.push(".ffpreset");
    }
    folders.iter().map(|folder| folder.join(&file)).chain([name.to_owned()]).collect()
}

impl Stream {
    /// Puts what a preset for the pictures says where the section does not say it itself.
    pub fn apply_preset_video(&mut self, pairs: &[Pair]) {
        let rest: Vec<Pair> = pairs.iter().filter(|(key, value)| !said(&mut self.video, key, value)).cloned().collect();
        apply(&rest, "vcodec", &mut self.video.codec, &mut self.video.options);
    }

    /// The same of a preset for the sound.
    pub fn apply_preset_audio(&mut self, pairs: &[Pair]) {
        let audio = &mut self.audio;
        let mut rest = Vec::new();
        for (key, value) in pairs {
            match (key.as_str(), number(value)) {
                ("b" | "ab", Some(number)) => _ = audio.bit_rate.get_or_insert(number),
                ("ar", Some(number)) => audio.sample_rate = audio.sample_rate.or(u32::try_from(number).ok()),
                ("ac", Some(number)) => audio.channels = audio.channels.or(u32::try_from(number).ok()),
                _ => rest.push((key.clone(), value.clone())),
            }
        }
        apply(&rest, "acodec", &mut audio.codec, &mut audio.options);
    }
}

/// Puts an option that has a directive where that would, unless it is there; whether it has one.
fn said(video: &mut Video, key: &str, value: &str) -> bool {
    let Some(number) = number(value) else { return false };
    let small = || u32::try_from(number).ok();
    match key {
        "b" => _ = video.bit_rate.get_or_insert(number),
        "bt" => _ = video.bit_rate_tolerance.get_or_insert(number),
        "bufsize" => _ = video.buffer_bits.get_or_insert(number),
        "g" => video.gop = video.gop.or_else(small),
        "qmin" => video.qmin = video.qmin.or_else(small),
        "qmax" => video.qmax = video.qmax.or_else(small),
        "qdiff" => video.qdiff = video.qdiff.or_else(small),
        _ => return false,
    }
    true
}

/// A number as FFmpeg takes it, such as 300, 500k or 2M.
fn number(text: &str) -> Option<u64> {
    let (digits, times) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1000),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    digits.parse::<u64>().ok()?.checked_mul(times)
}

fn apply(pairs: &[Pair], own: &str, codec: &mut Option<String>, options: &mut Vec<Pair>) {
    for (key, value) in pairs {
        match key.as_str() {
            key if key == own => _ = codec.get_or_insert_with(|| value.clone()),
            // Of the other one's.
            "vcodec" | "acodec" => {}
            key if options.iter().any(|(known, _)| known == key) => {}
            _ => options.push((key.clone(), value.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_is_lines_of_option_and_value() {
        let pairs = parse("# fast\n\nvcodec=libx264\nqmin = 10\nx264opts=a=b:c=d\n").unwrap();
        let expected = [("vcodec", "libx264"), ("qmin", "10"), ("x264opts", "a=b:c=d")];
        assert_eq!(pairs, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let told: Vec<_> = parse("qmin 10\n=3\nqmax=").unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert_eq!(told[0], "line 1: qmin 10: expected OPTION=VALUE, as in qmin=3");
    }

    #[test]
    fn what_the_section_says_itself_comes_first() {
        let mut stream = Stream::new("s.mpg");
        stream.video.qmin = Some(5);
        stream.video.options.push(("trellis".into(), "1".into()));
        let text = "vcodec=mpeg1video\nacodec=mp2\nqmin=10\nqmax=20\nb=500k\ng=12\ntrellis=2\ncmp=rd";
        stream.apply_preset_video(&parse(text).unwrap());
        let video = &stream.video;
        assert_eq!(video.codec.as_deref(), Some("mpeg1video"));
        assert_eq!((video.qmin, video.qmax, video.gop, video.bit_rate), (Some(5), Some(20), Some(12), Some(500_000)));
        assert_eq!(video.options, [("trellis".into(), "1".into()), ("cmp".into(), "rd".into())]);
        assert_eq!(stream.audio.codec, None);
        stream.apply_preset_audio(&parse("acodec=mp2\nb=64k\nac=1").unwrap());
        let audio = &stream.audio;
        assert_eq!((audio.codec.as_deref(), audio.bit_rate, audio.channels), (Some("mp2"), Some(64_000), Some(1)));
    }

    #[test]
    fn a_name_is_looked_for_where_ffserver_did() {
        let folders = [PathBuf::from("/data"), PathBuf::from("/home/a/.ffmpeg")];
        let shown = |name: &str| -> Vec<String> {
            candidates(Path::new(name), &folders).iter().map(|path| path.display().to_string()).collect()
        };
        assert_eq!(shown("fast"), ["/data/fast.ffpreset", "/home/a/.ffmpeg/fast.ffpreset", "fast"]);
        assert_eq!(shown("fast.ffpreset")[0], "/data/fast.ffpreset");
        assert_eq!(shown("/etc/fast"), ["/etc/fast"]);
    }
}
