//! Which kind of file holds what.

use ffmpeg::Container;
use media::{Kind, Track, TrackId, Tracks};

use crate::Error;

/// The extensions of files that are written.
pub(crate) const EXTENSIONS: &[&str] = &["mp4", "mkv", "ts", "asf", "wmv", "avi", "mov", "webm", "m4v", "wma"];

/// What writes a kind of file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Writer {
    /// Our own muxer of ASF.
    Asf,
    /// libavformat's, by name.
    Libav(&'static str),
}

/// A kind of file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// As users call it, and its extension.
    pub(crate) name: &'static str,
    pub(crate) writer: Writer,
}

/// The kinds, the first that holds everything is taken where no extension says which.
const FORMATS: &[Format] = &[
    Format { name: "mp4", writer: Writer::Libav("mp4") },
    Format { name: "mkv", writer: Writer::Libav("matroska") },
    Format { name: "mov", writer: Writer::Libav("mov") },
    Format { name: "ts", writer: Writer::Libav("mpegts") },
    Format { name: "avi", writer: Writer::Libav("avi") },
    Format { name: "webm", writer: Writer::Libav("webm") },
    Format { name: "asf", writer: Writer::Asf },
];

impl Format {
    fn of_extension(extension: &str) -> Option<Self> {
        let name = match extension {
            "wmv" | "wma" => "asf",
            "m4v" => "mp4",
            other => other,
        };
        FORMATS.iter().copied().find(|format| format.name == name)
    }

    fn holds(self, track: &Track) -> bool {
        match self.writer {
            Writer::Asf => asf::mux::Muxer::can_carry(track),
            Writer::Libav(name) => Container::find(name).is_ok_and(|container| container.holds(track)),
        }
    }
}

/// What becomes of a source with these tracks.
pub(crate) struct Choice {
    pub(crate) format: Format,
    /// The tracks that go into the file.
    pub(crate) taken: Vec<TrackId>,
    /// Sound that stays out, with the reason.
    pub(crate) left_out: Option<String>,
}

/// The kind of file for `tracks`: by `extension`, or the one that holds most where there is none.
///
/// # Errors
/// [`Error::NoPlace`] when the kind asked for does not hold the pictures, or the sound where there
/// are no pictures.
pub(crate) fn choose(extension: Option<&str>, tracks: &Tracks, video_only: bool) -> Result<Choice, Error> {
    let lead = tracks.lead();
    let sound = tracks.iter().find(|track| matches!(track.kind, Kind::Audio(_)));
    let sound = sound.filter(|sound| lead.is_none_or(|lead| lead.id != sound.id) && !video_only);
    let Some(lead) = lead else {
        return Err(Error::NoPlace { container: "these", codec: "data", others: "there is nothing to record".into() });
    };
    let those = |track: &Track| {
        let names: Vec<_> = FORMATS.iter().filter(|format| format.holds(track)).map(|format| format.name).collect();
        match names.is_empty() {
            true => format!("no kind of file holds {}", track.codec),
            false => format!("{} is held by {}", track.codec, names.join(", ")),
        }
    };
    let format = match extension {
        Some(extension) => Format::of_extension(extension).filter(|format| format.holds(lead)).ok_or_else(|| {
            let container = EXTENSIONS.iter().find(|known| **known == extension).copied().unwrap_or("such");
            Error::NoPlace { container, codec: lead.codec.name(), others: those(lead) }
        })?,
        None => {
            // Browsers show no MJPEG in MP4, and Windows Media belongs into its own.
            let first = match lead.codec.name() {
                "mjpeg" => "mkv",
                name if name.starts_with("wm") || name.starts_with("msmpeg4") || name == "vc1" => "asf",
                _ => "mp4",
            };
            let first = FORMATS.iter().filter(|format| format.name == first);
            let in_order = || first.clone().chain(FORMATS);
            let both = in_order().find(|format| format.holds(lead) && sound.is_none_or(|sound| format.holds(sound)));
            let found = both.or_else(|| in_order().find(|format| format.holds(lead))).copied();
            found.ok_or_else(|| Error::NoPlace {
                container: "these",
                codec: lead.codec.name(),
                others: "no kind of file that is written holds it".into(),
            })?
        }
    };
    let fits = sound.filter(|sound| format.holds(sound));
    let left_out = sound
        .filter(|_| fits.is_none())
        .map(|sound| format!("no sound: {} files hold no {}; {}", format.name, sound.codec, those(sound)));
    let taken = [Some(lead.id), fits.map(|track| track.id)].into_iter().flatten().collect();
    Ok(Choice { format, taken, left_out })
}

#[cfg(test)]
mod tests {
    use media::{Audio, Codec, Size};

    use super::*;

    fn tracks(video: &'static str, audio: Option<&'static str>) -> Tracks {
        let picture = Track { codec: Codec::from_name(video), ..Track::mjpeg(Size::new(640, 480)) };
        let sound = audio.map(|name| Track {
            codec: Codec::from_name(name),
            kind: Kind::Audio(Audio { sample_rate: 8000, channels: 1, block_align: 0 }),
            ..picture.clone()
        });
        Tracks::new([Some(picture), sound].into_iter().flatten().collect())
    }

    fn chosen(extension: Option<&str>, video: &'static str, audio: Option<&'static str>) -> String {
        match choose(extension, &tracks(video, audio), false) {
            Ok(choice) => {
                format!("{} {}{}", choice.format.name, choice.taken.len(), choice.left_out.unwrap_or_default())
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_codec_chooses_where_the_name_does_not() {
        assert_eq!(chosen(None, "h264", Some("aac")), "mp4 2");
        assert_eq!(chosen(None, "h264", Some("pcm_mulaw")), "mov 2");
        assert_eq!(chosen(None, "mjpeg", None), "mkv 1");
        assert_eq!(chosen(None, "wmv2", None), "asf 1");
    }

    #[test]
    fn a_kind_that_does_not_hold_the_pictures_is_refused_with_those_that_do() {
        let refused = chosen(Some("mp4"), "wmv2", None);
        assert!(
            refused.starts_with("mp4 files hold no wmv2; wmv2 is held by ") && refused.contains("asf"),
            "{refused}"
        );
        let silent = chosen(Some("mp4"), "h264", Some("pcm_mulaw"));
        assert!(silent.starts_with("mp4 1no sound: mp4 files hold no pcm_mulaw; "), "{silent}");
    }
}
